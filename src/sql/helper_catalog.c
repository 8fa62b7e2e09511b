/* helper_catalog.c - what the catalog `_sf` holds: Snowflake's operators and functions as macros.
 *
 * A macro named like an operator takes its place wherever `_sf.main` is on the
 * search path; DuckDB's own stays reachable in `system.main`. Names that begin
 * with SF_ are ours: macros, and C functions of the worker (engine/functions/).
 * A macro has overloads by count of arguments only: a placeholder's type is not
 * known when a statement is prepared, which DuckDB's macros mind and its
 * functions do not. So types are told apart by overloads of C functions, and
 * cast_to_type(value, other) gives a result the type of an argument.
 */
#include "sql/sql.h"

#define MACRO(text) "CREATE MACRO _sf.main." text

#define NOT_BY_ZERO(f) \
	MACRO(f "(a, b) AS CASE WHEN b = 0 AND a IS NOT NULL THEN error('Division by zero') ELSE system.main." f "(a, b) END")

/* Lists of arguments. */
#define A1 "a1"
#define A2 A1 ", a2"
#define A3 A2 ", a3"
#define A4 A3 ", a4"
#define A5 A4 ", a5"
#define A6 A5 ", a6"
#define A7 A6 ", a7"
#define A8 A7 ", a8"
#define A9 A8 ", a9"
#define A10 A9 ", a10"
#define A11 A10 ", a11"
#define A12 A11 ", a12"
#define A13 A12 ", a13"
#define A14 A13 ", a14"
#define A15 A14 ", a15"
#define A16 A15 ", a16"
#define A17 A16 ", a17"
#define A18 A17 ", a18"
#define A19 A18 ", a19"
#define A20 A19 ", a20"
#define A21 A20 ", a21"
#define A22 A21 ", a22"

/* f of one to twelve arguments. */
#define EACH_ARITY(f) \
	"(" A1 ") AS " f(A1) ", (" A2 ") AS " f(A2) ", (" A3 ") AS " f(A3) ", (" A4 ") AS " f(A4) ", (" A5 ") AS " f(A5) \
	", (" A6 ") AS " f(A6) ", (" A7 ") AS " f(A7) ", (" A8 ") AS " f(A8) ", (" A9 ") AS " f(A9) ", (" A10 ") AS " f(A10) \
	", (" A11 ") AS " f(A11) ", (" A12 ") AS " f(A12)
#define STRICT(call, args) "CASE WHEN SF_ANY_NULL(" args ") THEN NULL ELSE system.main." call "(" args ") END"
#define STRICT_GREATEST(args) STRICT("greatest", args)
#define STRICT_LEAST(args) STRICT("least", args)
/* a1 || a2 … */
#define JOINED2 "a1 || a2"
#define JOINED3 JOINED2 " || a3"
#define JOINED4 JOINED3 " || a4"
#define JOINED5 JOINED4 " || a5"
#define JOINED6 JOINED5 " || a6"
#define JOINED7 JOINED6 " || a7"
#define JOINED8 JOINED7 " || a8"
#define JOINED9 JOINED8 " || a9"
#define JOINED10 JOINED9 " || a10"
#define JOINED11 JOINED10 " || a11"
#define JOINED12 JOINED11 " || a12"
#define JOIN(args, joined) ", (" args ") AS SF_JOINED(" joined ")"
#define EACH_JOINED \
	"(a1) AS " STRICT("concat", "a1") JOIN(A2, JOINED2) JOIN(A3, JOINED3) JOIN(A4, JOINED4) JOIN(A5, JOINED5) JOIN(A6, JOINED6) \
	JOIN(A7, JOINED7) JOIN(A8, JOINED8) JOIN(A9, JOINED9) JOIN(A10, JOINED10) JOIN(A11, JOINED11) JOIN(A12, JOINED12)
/* As texts. */
#define T1 "a1::VARCHAR"
#define T2 T1 ", a2::VARCHAR"
#define T3 T2 ", a3::VARCHAR"
#define T4 T3 ", a4::VARCHAR"
#define T5 T4 ", a5::VARCHAR"
#define T6 T5 ", a6::VARCHAR"
#define T7 T6 ", a7::VARCHAR"
#define T8 T7 ", a8::VARCHAR"
#define T9 T8 ", a9::VARCHAR"
#define T10 T9 ", a10::VARCHAR"
#define WITH_SEPARATOR(args, texts) "(s, " args ") AS SF_CONCAT_WS(s::VARCHAR, " texts ")"
#define EACH_ARITY_WITH_SEPARATOR \
	WITH_SEPARATOR(A1, T1) ", " WITH_SEPARATOR(A2, T2) ", " WITH_SEPARATOR(A3, T3) ", " WITH_SEPARATOR(A4, T4) ", " \
	WITH_SEPARATOR(A5, T5) ", " WITH_SEPARATOR(A6, T6) ", " WITH_SEPARATOR(A7, T7) ", " WITH_SEPARATOR(A8, T8) ", " \
	WITH_SEPARATOR(A9, T9) ", " WITH_SEPARATOR(A10, T10)

#define WHEN(s, r) " WHEN a1 IS NOT DISTINCT FROM " s " THEN " r
#define DECODE1 "CASE" WHEN("a2", "a3")
#define DECODE2 DECODE1 WHEN("a4", "a5")
#define DECODE3 DECODE2 WHEN("a6", "a7")
#define DECODE4 DECODE3 WHEN("a8", "a9")
#define DECODE5 DECODE4 WHEN("a10", "a11")
#define DECODE6 DECODE5 WHEN("a12", "a13")
#define DECODE7 DECODE6 WHEN("a14", "a15")
#define DECODE8 DECODE7 WHEN("a16", "a17")
#define DECODE9 DECODE8 WHEN("a18", "a19")
#define DECODE10 DECODE9 WHEN("a20", "a21")

#define ANY_GREATEST(args) "system.main.greatest(" args ")"
#define ANY_LEAST(args) "system.main.least(" args ")"

/* Binds v once for what is written with it several times; the rest of `body` may not hold subqueries. For calls that are
 * nested in others, which the rewriter names SF_DEEP_… (dialect_copies.c), and where speed is no matter. */
#define ONCE(v, body) "list_transform([" v "], lambda q: " body ")[1]"

/* Rounded, and one unit of the last digit further where that `passed` the wrong way, in the type of what is rounded. */
#define ROUNDED(q, n) "system.main.round(" q ", " n "::INTEGER)"
#define STEPPED(q, n, passed, by) \
	"CASE WHEN " ROUNDED(q, n) " " passed " " q " THEN cast_to_type(" ROUNDED(q, n) " " by " " \
	"cast_to_type(power(10::DOUBLE, -(" n "::INTEGER)), " ROUNDED(q, n) "), " ROUNDED(q, n) ") ELSE " ROUNDED(q, n) " END"
#define STEPPING(name, deep, passed, by) \
	MACRO(name "(a) AS system.main." name "(a), (a, n) AS " STEPPED("a", "n", passed, by)), \
		MACRO(deep "(a) AS system.main." name "(a), (a, n) AS " ONCE("a", STEPPED("q", "n", passed, by)))
/* s, p: text and pattern; a: where to begin; k: which match; o: parameters, of which e and c are not RE2's; g: group. Parameters
 * go into the pattern: DuckDB's own must be constants, which those of macros are not. */
#define PATTERN "p::VARCHAR"
#define FLAGGED "CASE WHEN system.main.translate(o, 'ce', '') = '' THEN p::VARCHAR " \
	"ELSE concat('(?', system.main.translate(o, 'ce', ''), ')', p::VARCHAR) END"
#define FROM_A "SF_SUBSTR(s::VARCHAR, (a)::BIGINT)"
#define BEFORE_A "SF_SUBSTR(s::VARCHAR, 1, (a)::BIGINT - 1)"
#define GROUP_OF_FLAGS "CASE WHEN system.main.contains(o, 'e') THEN 1 ELSE 0 END"
#define ALL(s, g, p) "regexp_extract_all(" s ", " p ", " g ")"
#define COUNT(s, p) "system.main.len(" ALL(s, "0", p) ")"
#define NTH(s, g, k, p) "list_extract(" ALL(s, g, p) ", (" k ")::BIGINT)"
/* Lengths of what is between the matches and of the matches, before the k-th. */
#define LENGTHS(list, n) \
	"coalesce(system.main.length(system.main.list_aggregate(system.main.list_slice(" list ", 1, (" n ")::BIGINT), " \
	"'string_agg', '')), 0)"
#define OFFSET_OF(s, k, p) LENGTHS("string_split_regex(" s ", " p ")", k) " + " LENGTHS(ALL(s, "0", p), "(" k ") - 1")
#define FOUND_IN(s, a, k, e, p) \
	"CASE WHEN s IS NULL OR p IS NULL THEN NULL WHEN " COUNT(s, p) " < (" k ") THEN 0 " \
	"ELSE (" a ")::BIGINT + " OFFSET_OF(s, k, p) " + CASE WHEN (" e ") = 1 THEN " \
	"system.main.length(" NTH(s, "0", k, p) ") ELSE 0 END END"
#define FOUND_AT(a, k, e, p) FOUND_IN("SF_SUBSTR(s::VARCHAR, (" a ")::BIGINT)", a, k, e, p)
#define REPLACED(p) \
	"CASE WHEN k = 0 THEN " BEFORE_A " || system.main.regexp_replace(" FROM_A ", " p ", r::VARCHAR, 'g') " \
	"WHEN " COUNT(FROM_A, p) " < k THEN s::VARCHAR ELSE " BEFORE_A " || " \
	"system.main.left(" FROM_A ", " OFFSET_OF(FROM_A, "k", p) ") || " \
	"system.main.regexp_replace(" NTH(FROM_A, "0", "k", p) ", " p ", r::VARCHAR) || " \
	"system.main.substr(" FROM_A ", 1 + " OFFSET_OF(FROM_A, "k", p) " + system.main.length(" NTH(FROM_A, "0", "k", p) ")) END"

/* --- dates: SF_DAY(x)::TIMESTAMP is what a clock shows then --- */
#define ADDS(unit, n, interval, type, moment, keeps) \
	MACRO("SF_DATEADD_" unit "(n, d) AS SF_AS_MOMENT(" moment "(d) + " interval "((" n ")::" type "), " keeps "(d))"), \
		MACRO("SF_DEEP_DATEADD_" unit "(n, d) AS " ONCE("{'n': n, 'd': d}", "SF_DATEADD_" unit "(q.n, q.d)"))
#define ADDS_DAYS(unit, n, interval) ADDS(unit, n, interval, "INTEGER", "SF_MOMENT", "")
#define ADDS_TIME(unit, n, interval) ADDS(unit, n, interval, "BIGINT", "SF_STAMP", "SF_TIMED")
#define COUNTS(unit, name) \
	MACRO("SF_DATEDIFF_" unit "(a, b) AS date_diff('" name "', SF_INSTANT(a)::TIMESTAMP, SF_INSTANT(b)::TIMESTAMP)")
#define TRUNCATES(unit, name) \
	MACRO("SF_TRUNC_" unit "(d) AS SF_AS_MOMENT(date_trunc('" name "', SF_DAY(d)), d)"), \
		MACRO("SF_DEEP_TRUNC_" unit "(d) AS " ONCE("d", "SF_TRUNC_" unit "(q)"))
#define PART(part, name) PART_NAMED("SF_PART_" part, name)
#define PART_NAMED(f, name) MACRO(f "(d) AS date_part('" name "', SF_DAY(d)::TIMESTAMP)::BIGINT")
#define EPOCH_MICROS "epoch_us(SF_INSTANT(d))"
#define OFFSET_MINUTES(d) "coalesce(SF_ZONE(" d "), date_part('timezone', SF_LTZ(" d "))::BIGINT // 60)"
#define SLICED(interval, origin) "time_bucket(" interval ", SF_DAY(d)::TIMESTAMP, TIMESTAMP '" origin "')"
#define SLICES(unit, interval, origin) \
	MACRO("SF_SLICE_" unit "(d, n) AS SF_AS_MOMENT(" SLICED(interval, origin) ", d), (d, n, w) AS SF_AS_MOMENT(" \
	      SLICED(interval, origin) " + CASE WHEN upper(w) = 'END' THEN " interval " ELSE INTERVAL 0 DAY END, d)"), \
		MACRO("SF_DEEP_SLICE_" unit "(d, n) AS " ONCE("{'d': d, 'n': n}", "SF_SLICE_" unit "(q.d, q.n)") ", (d, n, w) AS " \
		      ONCE("{'d': d, 'n': n, 'w': w}", "SF_SLICE_" unit "(q.d, q.n, q.w)"))
/* TIMESTAMP_TZ of a wall clock's time w in the zone z. */
#define IN_ZONE(w, z) \
	"SF_TZ(timezone('UTC', timezone(" z ", " w ")), date_diff('minute', timezone('UTC', timezone(" z ", " w ")), " w "))"
#define IS_MONTH_END(d) d "::DATE = system.main.last_day(" d "::DATE)"
#define MONTHS "date_diff('month', q.b, q.a)"
#define MONTHS_BETWEEN \
	"(CASE WHEN day(q.a) = day(q.b) OR (" IS_MONTH_END("q.a") " AND " IS_MONTH_END("q.b") ") THEN " MONTHS "::DECIMAL(38,6) " \
	"ELSE (" MONTHS " + (epoch(q.a - date_trunc('month', q.a)) - epoch(q.b - date_trunc('month', q.b))) " \
	"* (1::DOUBLE / 2678400::DOUBLE))::DECIMAL(38,6) END)"
#define FROM_YMD "(make_date(y::BIGINT, 1, 1) + to_months(m::INTEGER - 1))::DATE + (d::INTEGER - 1)"
#define HMS(n) "to_hours(h::BIGINT) + to_minutes(i::BIGINT) + to_seconds(s::BIGINT) + to_microseconds((" n ")::BIGINT // 1000)"
#define FROM_HMS(n) "TIME '00:00:00' + (" HMS(n) ")"
#define STAMP_FROM_PARTS(before, behind) \
	"(a, b) AS " before "(SF_DAY(a)::DATE::TIMESTAMP + (SF_DAY(b)::TIMESTAMP - TIMESTAMP '1970-01-01'))" behind ", " \
	"(y, m, d, h, i, s) AS " before "((" FROM_YMD ")::TIMESTAMP + " HMS("0") ")" behind ", " \
	"(y, m, d, h, i, s, n) AS " before "((" FROM_YMD ")::TIMESTAMP + " HMS("n") ")" behind
/* What they make of a TIMESTAMPTZ, or of a text's offset, is the session's business: hence the casts. */
#define TO_DATE(t) "(x) AS SF_" t "TO_DATE(x)::DATE, (x, f) AS SF_" t "TO_DATE(x, f)"
#define TO_TIME(t) "(x) AS SF_" t "TO_TIME(x)::TIMESTAMP::TIME, (x, f) AS SF_" t "TO_TIME(x, f)::TIME"
#define TO_NTZ(t) "(x) AS SF_" t "TO_NTZ(x)::TIMESTAMP, (x, f) AS SF_" t "TO_NTZ(x, f)"
/* A text keeps the offset that it has; what has none is in the session's time zone. */
#define TO_TZ(t) \
	"(x) AS " ONCE("x", "coalesce(SF_TZ(q), SF_TZ(SF_" t "TO_UTC(q), SF_" t "OFFSET_IN(q)), " AS_TZ(LTZ(t, "q")) ")") ", " \
	"(x, f) AS " ONCE("x", "coalesce(SF_TZ(SF_" t "TO_UTC(q, f), SF_" t "OFFSET_IN(q, f)), " AS_TZ(LTZ_BY(t, "q")) ")")
#define AS_TZ(l) "list_transform([" l "], lambda w: SF_TZ(w, date_part('timezone', w)::BIGINT // 60))[1]"
#define LTZ(t, x) "coalesce(timezone('UTC', SF_" t "TO_UTC(" x ")), SF_" t "TO_NTZ(" x ")::TIMESTAMPTZ)"
#define LTZ_BY(t, x) "coalesce(timezone('UTC', SF_" t "TO_UTC(" x ", f)), SF_" t "TO_NTZ(" x ", f)::TIMESTAMPTZ)"
#define TO_LTZ(t) "(x) AS " LTZ(t, "x") ", (x, f) AS " LTZ_BY(t, "x")
#define AS_TEXT(a) "SF_SHOW(" a ", SF_LTZ(" a ")::VARCHAR)"
#define AS_FORMATTED(a, f) "SF_SHOW(" a ", " f ", SF_LTZ(" a ")::VARCHAR)"

static const char *const statements[] = {
#include "sql/helper_values.def"
#include "sql/helper_dates.def"
#include "sql/helper_json.def"
#include "sql/helper_metadata.def"
#include "sql/helper_syntax.def"
	NULL,
};

const char *const *sql_helper_statements(void)
{
	return statements;
}
