/* cells.c - one cell, by its column's kind, between the two forms.
 *
 * A row of the table for each kind, a function for each direction. In
 * Snowflake's form every cell is a string; with nullable=false SQL NULL was
 * stored as the string "null", which text columns keep, since there it may be
 * a value. Pure but for the buffers of `struct convert`; one thread at a time.
 */
#include "rows/rows_int.h"

struct source {
	struct convert *cv;
	const struct engine_column *col;
	struct str raw; /* between the quotes, or the bare value */
	bool quoted;
};
typedef bool cell_fn(const struct source *s, struct buf *out); /* writes a whole cell */

static bool put_quoted_raw(struct buf *out, struct str raw)
{
	buf_addc(out, '"');
	buf_add(out, raw);
	buf_addc(out, '"');
	return true;
}

static bool put_bare(struct buf *out, struct str raw)
{
	buf_add(out, raw);
	return true;
}

/* The cell as JSON text: a scanned string lies between its quotes. */
static struct str with_quotes(const struct source *s)
{
	return s->quoted ? str_from(s->raw.p - 1, s->raw.n + 2) : s->raw;
}

/* --- the same string in both forms --- */
static bool same_text(const struct source *s, struct buf *out)
{
	return s->quoted && put_quoted_raw(out, s->raw);
}

/* --- booleans and numbers --- */
static bool is_bool(struct str s)
{
	return str_eq(s, S("true")) || str_eq(s, S("false"));
}

static bool bool_native(const struct source *s, struct buf *out)
{
	return is_bool(s->raw) && put_bare(out, s->raw);
}

static bool bool_snowflake(const struct source *s, struct buf *out)
{
	return is_bool(s->raw) && put_quoted_raw(out, s->raw);
}

/* Digits, with `.` only where the kind has one; never an exponent. */
static bool is_fixed(struct str s, bool point)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_digit(s.p[i]) && !(i == 0 && s.p[i] == '-') && !(point && s.p[i] == '.'))
			return false;
	return json_is_number(s);
}

static bool int_native(const struct source *s, struct buf *out)
{
	return is_fixed(s->raw, false) && put_bare(out, s->raw);
}

static bool fixed_text(const struct source *s, struct buf *out)
{
	return is_fixed(s->raw, s->col->kind == ENGINE_T_DECIMAL) && put_quoted_raw(out, s->raw);
}

/* Not finite: each form has its words. */
static const struct real_word {
	struct str native, snowflake;
} real_words[] = {
	{S_INIT("NaN"), S_INIT("NaN")},
	{S_INIT("Infinity"), S_INIT("inf")},
	{S_INIT("-Infinity"), S_INIT("-inf")},
};

static bool real_native(const struct source *s, struct buf *out)
{
	for (size_t i = 0; i < COUNT_OF(real_words); i++)
		if (str_eq(s->raw, real_words[i].snowflake))
			return put_quoted_raw(out, real_words[i].native);
	if (!json_is_number(s->raw))
		return false;
	buf_add(out, s->raw);
	if (is_fixed(s->raw, false))
		buf_lit(out, ".0");
	return true;
}

static bool real_snowflake(const struct source *s, struct buf *out)
{
	struct str raw = s->raw;

	for (size_t i = 0; i < COUNT_OF(real_words); i++)
		if (str_eq(raw, real_words[i].native))
			return put_quoted_raw(out, real_words[i].snowflake);
	if (!json_is_number(raw))
		return false;
	return put_quoted_raw(out, str_ends(raw, S(".0")) ? str_head(raw, raw.n - 2) : raw);
}

/* --- bytes --- */
static bool blob_native(const struct source *s, struct buf *out)
{
	buf_clear(&s->cv->text);
	if (!s->quoted || !hash_unhex(s->raw, &s->cv->text))
		return false;
	buf_addc(out, '"');
	hash_base64(buf_str(&s->cv->text), out);
	buf_addc(out, '"');
	return true;
}

static bool blob_snowflake(const struct source *s, struct buf *out)
{
	size_t from;

	buf_clear(&s->cv->text);
	if (!s->quoted || !hash_unbase64(s->raw, &s->cv->text))
		return false;
	buf_addc(out, '"');
	from = out->n;
	hash_hex(buf_str(&s->cv->text), out);
	for (size_t i = from; i < out->n; i++)
		out->p[i] = ascii_upper(out->p[i]);
	buf_addc(out, '"');
	return true;
}

/* --- dates, times, instants: `expr` writes what stands between the quotes --- */
#define TIME_CELL(name, expr) \
	static bool name(const struct source *s, struct buf *out) \
	{ \
		buf_addc(out, '"'); \
		if (!s->quoted || !(expr)) \
			return false; \
		buf_addc(out, '"'); \
		return true; \
	}

/* Places of the fraction that an engine worker writes for this type. */
static int fraction_digits(const struct engine_column *col)
{
	static const struct {
		struct str ending;
		int digits;
	} types[] = {{S_INIT("_NS"), 9}, {S_INIT("_MS"), 3}, {S_INIT("_S"), 0}};

	for (size_t i = 0; i < COUNT_OF(types); i++)
		if (str_ends(col->type, types[i].ending))
			return types[i].digits;
	return 6;
}

/* … and in Snowflake's form. */
static int wire_digits(const struct engine_column *col)
{
	return col->exact ? col->scale : 9;
}

/* Infinity, a word, has no zone. */
static bool put_instant(struct str epoch, struct buf *out)
{
	if (!convert_epoch_to_iso(epoch, 6, out))
		return false;
	if (ascii_digit(epoch.p[epoch.n - 1]))
		buf_addc(out, 'Z');
	return true;
}

static struct str without_zone(struct str s)
{
	return str_ends(s, S("Z")) ? str_head(s, s.n - 1) : s;
}

TIME_CELL(date_native, convert_days_to_date(s->raw, out))
TIME_CELL(date_snowflake, convert_date_to_days(s->raw, out))
TIME_CELL(time_native, convert_seconds_to_time(s->raw, fraction_digits(s->col), out))
TIME_CELL(time_snowflake, convert_time_to_seconds(s->raw, wire_digits(s->col), out))
TIME_CELL(timestamp_native, convert_epoch_to_iso(s->raw, fraction_digits(s->col), out))
TIME_CELL(timestamp_snowflake, convert_iso_to_epoch(s->raw, wire_digits(s->col), out))
TIME_CELL(timestamptz_native, put_instant(s->raw, out))
TIME_CELL(timestamptz_snowflake, convert_iso_to_epoch(without_zone(s->raw), wire_digits(s->col), out))
TIME_CELL(zoned_native, convert_zoned_to_iso(s->raw, out))
TIME_CELL(zoned_snowflake, convert_iso_to_zoned(s->raw, out))

/* --- nested values: JSON, natively in place, in Snowflake's form as text in a string --- */
/* What some types look like inside the JSON text of a Snowflake cell: numbers are bare, instants have a blank. */
static bool real_inner(const struct source *s, struct buf *out)
{
	size_t from = out->n;

	if (!real_snowflake(s, out))
		return false;
	if (!json_is_number(s->raw) || !buf_ok(out))
		return true;
	out->n -= 2; /* the quotes */
	memmove(out->p + from, out->p + from + 1, out->n - from);
	return true;
}

static bool fixed_inner(const struct source *s, struct buf *out)
{
	return is_fixed(s->raw, s->col->kind == ENGINE_T_DECIMAL) && put_bare(out, s->raw);
}

/* The last `from` of an instant stands between date and time: one more may be before "(BC)". */
static bool put_between(const struct source *s, char from, char to, struct buf *out)
{
	size_t at = s->raw.n, start = out->n + 1;

	while (at > 0 && s->raw.p[at - 1] != from)
		at--;
	if (!same_text(s, out))
		return false;
	if (at > 0 && buf_ok(out))
		out->p[start + at - 1] = to;
	return true;
}

static bool instant_native(const struct source *s, struct buf *out)
{
	return put_between(s, ' ', 'T', out);
}

static bool instant_inner(const struct source *s, struct buf *out)
{
	return put_between(s, 'T', ' ', out);
}

/* Elements of lists whose text depends on the form. Those inside structs and maps stay as they are. */
static const struct element {
	struct str type; /* how its name begins */
	enum engine_type kind;
	cell_fn *native, *inner;
} elements[] = {
	{S_INIT("DOUBLE"), ENGINE_T_REAL, real_native, real_inner},
	{S_INIT("FLOAT"), ENGINE_T_REAL, real_native, real_inner},
	{S_INIT("DECIMAL("), ENGINE_T_DECIMAL, fixed_text, fixed_inner},
	{S_INIT("HUGEINT"), ENGINE_T_HUGE, fixed_text, fixed_inner},
	{S_INIT("UHUGEINT"), ENGINE_T_HUGE, fixed_text, fixed_inner},
	{S_INIT("TIMESTAMP"), ENGINE_T_TIMESTAMP, instant_native, instant_inner},
};

static const struct element *element_of(const struct engine_column *col)
{
	for (size_t i = 0; i < COUNT_OF(elements) && col->kind == ENGINE_T_LIST; i++)
		if (str_starts(col->type, elements[i].type))
			return &elements[i];
	return NULL;
}

static bool element_native(const void *arg, struct str raw, bool quoted, struct buf *out)
{
	const struct element *e = arg;
	const struct engine_column col = {.kind = e->kind};

	return e->native(&(struct source){NULL, &col, raw, quoted}, out);
}

static bool element_inner(const void *arg, struct str raw, bool quoted, struct buf *out)
{
	const struct element *e = arg;
	const struct engine_column col = {.kind = e->kind};

	return e->inner(&(struct source){NULL, &col, raw, quoted}, out);
}

static struct convert_layout layout_of(const struct engine_column *col, bool pretty)
{
	const struct element *e = element_of(col);

	return (struct convert_layout){
		.pretty = pretty,
		.undefined = col->kind != ENGINE_T_JSON && col->kind != ENGINE_T_OBJECT && col->kind != ENGINE_T_ARRAY,
		.leaf = !e ? NULL : pretty ? element_inner : element_native,
		.arg = e,
	};
}

static bool nested_native(const struct source *s, struct buf *out)
{
	if (!s->quoted)
		return false;
	return convert_json(json_unescape(&s->cv->scratch, s->raw), layout_of(s->col, false), out);
}

static bool nested_snowflake(const struct source *s, struct buf *out)
{
	buf_clear(&s->cv->text);
	if (!convert_json(with_quotes(s), layout_of(s->col, true), &s->cv->text))
		return false;
	json_quote(out, buf_str(&s->cv->text));
	return true;
}

static const struct kind {
	cell_fn *native, *snowflake; /* from the other form */
	bool text;                   /* "null" may be a value */
} kinds[ENGINE_T_COUNT] = {
	[ENGINE_T_BOOL] = {bool_native, bool_snowflake, false},
	[ENGINE_T_INT] = {int_native, fixed_text, false},
	[ENGINE_T_HUGE] = {fixed_text, fixed_text, false},
	[ENGINE_T_DECIMAL] = {fixed_text, fixed_text, false},
	[ENGINE_T_REAL] = {real_native, real_snowflake, false},
	[ENGINE_T_TEXT] = {same_text, same_text, true},
	[ENGINE_T_UUID] = {same_text, same_text, false},
	[ENGINE_T_INTERVAL] = {same_text, same_text, false},
	[ENGINE_T_BLOB] = {blob_native, blob_snowflake, false},
	[ENGINE_T_DATE] = {date_native, date_snowflake, false},
	[ENGINE_T_TIME] = {time_native, time_snowflake, false},
	[ENGINE_T_TIMETZ] = {same_text, same_text, false},
	[ENGINE_T_TIMESTAMP] = {timestamp_native, timestamp_snowflake, false},
	[ENGINE_T_TIMESTAMPTZ] = {timestamptz_native, timestamptz_snowflake, false},
	[ENGINE_T_TIMESTAMP_TZ] = {zoned_native, zoned_snowflake, false},
	[ENGINE_T_JSON] = {nested_native, nested_snowflake, false},
	[ENGINE_T_OBJECT] = {nested_native, nested_snowflake, false},
	[ENGINE_T_ARRAY] = {nested_native, nested_snowflake, false},
	[ENGINE_T_LIST] = {nested_native, nested_snowflake, false},
	[ENGINE_T_STRUCT] = {nested_native, nested_snowflake, false},
};

/* What was asked for, or what it is without a format; false: the cell is only that. */
static bool formatted_part(const struct convert *cv, struct source *s)
{
	struct str text = s->raw, plain = str_cut(&text, '|');

	if (plain.n == s->raw.n)
		return false;
	s->raw = cv->to == ENGINE_NATIVE ? plain : text;
	return true;
}

bool convert_cell(struct convert *cv, const struct engine_column *col, const struct json_cell *cell, struct buf *out)
{
	const struct kind *kind = &kinds[col->kind];
	struct source s = {cv, col, cell->raw, cell->quoted};
	bool was_null = cv->from == ENGINE_SNOWFLAKE && cv->to == ENGINE_NATIVE && !kind->text && cell->quoted && str_eq(cell->raw, S("null"));

	if (cell->null || was_null)
		return put_bare(out, S("null"));
	if (col->formatted && cell->quoted && cv->from == ENGINE_SNOWFLAKE && formatted_part(cv, &s) && cv->to == ENGINE_SNOWFLAKE) {
		buf_fmt(out, "\"%.*s\"", SARG(s.raw));
		return true;
	}
	if (cv->from == cv->to)
		return put_bare(out, with_quotes(&s));
	if (cv->from == ENGINE_SNOWFLAKE && !cell->quoted)
		return false;
	return cv->to == ENGINE_NATIVE ? kind->native(&s, out) : kind->snowflake(&s, out);
}
