/* dates.c - Snowflake's dates, times and time stamps: out of texts and numbers, into texts, told apart by type.
 *
 * A TIMESTAMP is what a clock shows, in microseconds; what a time zone says of it is DuckDB's business (helper_dates.def).
 */
#include "engine/functions/functions.h"
#include "engine/functions/types.h"

#define MICROS_OF_DAY 86400000000LL

enum epoch_size { SECONDS = 0, MILLIS = 3, MICROS = 6, NANOS = 9 };

/* --- formats: the last one is kept, most are the same in each row --- */
static bool compiled(struct sf_row *r, struct str text)
{
	struct str bad;

	if (r->format_text.p && str_eq(buf_str(&r->format_text), text))
		return true;
	if (!format_compile(text, &r->format, &bad)) {
		sf_fails(r, "100096/22007", "Invalid date/time format: '%.*s'", SARG(str_head(text, 200)));
		return false;
	}
	buf_clear(&r->format_text);
	buf_add(&r->format_text, text);
	(void)buf_room(&r->format_text, 1); /* an empty one is kept as well */
	return true;
}

/* --- texts --- */
/* A text of digits is an epoch, in units that its size tells. */
static int epoch_unit(int64_t v)
{
	int64_t size = v < 0 ? -v : v;

	if (size < 31536000000LL)
		return SECONDS;
	if (size < 31536000000000LL)
		return MILLIS;
	return size < 31536000000000000LL ? MICROS : NANOS;
}

static int64_t floor_by(int64_t v, int64_t by)
{
	return v / by - (v % by < 0);
}

static bool micros_of_epoch(__int128 v, int unit, int64_t *ret)
{
	__int128 micros;

	for (micros = v; unit < MICROS; unit++)
		if (__builtin_mul_overflow(micros, 10, &micros))
			return false;
	for (; unit > MICROS; unit--)
		micros = micros / 10 - (micros % 10 < 0);
	if (micros > INT64_MAX / 2 || micros < INT64_MIN / 2)
		return false;
	*ret = (int64_t)micros;
	return true;
}

struct moment {
	struct format_time time;
	unsigned has;
	bool epoch;
};

static bool read_epoch(struct str s, struct moment *ret)
{
	int64_t v, micros;

	if (!str_to_i64(s, &v) || !micros_of_epoch(v, epoch_unit(v), &micros))
		return false;
	*ret = (struct moment){.has = FORMAT_HAS_DATE | FORMAT_HAS_TIME, .epoch = true};
	ret->time.days = floor_by(micros, MICROS_OF_DAY);
	ret->time.nanos = (micros - ret->time.days * MICROS_OF_DAY) * 1000;
	return true;
}

/* Argument 0 as argument 1 says, or as AUTO. `what`: of the error. */
static bool read_moment(struct sf_row *r, unsigned needs, const char *what, struct moment *ret)
{
	struct str s = str_trim(sf_text(r, 0));
	const char *code = needs == FORMAT_HAS_DATE ? "100040/22007" : needs == FORMAT_HAS_TIME ? "100108/22007" : "100035/22007";
	bool formatted = r->nargs > 1 && r->args[1].type == DUCKDB_TYPE_VARCHAR; /* a scale says nothing of a text */

	*ret = (struct moment){0};
	if (formatted && !compiled(r, sf_text(r, 1)))
		return false;
	formatted = formatted && !r->format.automatic;
	if (formatted) {
		if (format_read(&r->format, s, &ret->time, &ret->has))
			return true;
		sf_fails(r, "100096/22007", "Can't parse '%.*s' as %s with format '%.*s'", SARG(str_head(s, 200)), what,
			 SARG(str_head(sf_text(r, 1), 200)));
		return false;
	}
	if ((format_read_auto(s, &ret->time, &ret->has) && (ret->has & needs)) || read_epoch(s, ret))
		return true;
	sf_fails(r, code, "%c%s '%.*s' is not recognized", ascii_upper(what[0]), what + 1, SARG(str_head(s, 200)));
	return false;
}

static int64_t micros_of(const struct moment *m)
{
	return m->time.days * MICROS_OF_DAY + m->time.nanos / 1000;
}

/* 24:00:00 is the next day's first moment, which no TIME is. */
static bool read_time(struct sf_row *r, struct moment *ret)
{
	if (!read_moment(r, FORMAT_HAS_TIME, "time", ret))
		return false;
	if (ret->time.nanos < MICROS_OF_DAY * 1000)
		return true;
	sf_fails(r, "100108/22007", "Time '%.*s' is not recognized", SARG(str_head(str_trim(sf_text(r, 0)), 200)));
	return false;
}

/* --- to dates, times and time stamps --- */
static void to_date(struct sf_row *r)
{
	struct moment m;

	if (r->args[0].type == DUCKDB_TYPE_DATE)
		sf_put_days(r, sf_days(r, 0));
	else if (r->args[0].type == DUCKDB_TYPE_TIMESTAMP)
		sf_put_days(r, (int32_t)floor_by(sf_int(r, 0), MICROS_OF_DAY));
	else if (read_moment(r, FORMAT_HAS_DATE, "date", &m))
		sf_put_days(r, (int32_t)m.time.days);
}

static void to_time(struct sf_row *r)
{
	struct moment m;

	if (r->args[0].type == DUCKDB_TYPE_TIME)
		sf_put_int(r, sf_int(r, 0));
	else if (r->args[0].type == DUCKDB_TYPE_TIMESTAMP)
		sf_put_int(r, sf_int(r, 0) - floor_by(sf_int(r, 0), MICROS_OF_DAY) * MICROS_OF_DAY);
	else if (read_time(r, &m))
		sf_put_int(r, m.time.nanos / 1000);
}

/* A number counts seconds, or what its second argument says. */
static bool epoch_of(struct sf_row *r, int64_t *ret)
{
	int64_t unit = r->nargs > 1 ? sf_int(r, 1) : SECONDS;
	__int128 v;
	int scale;

	if (!sf_number(r, 0, &v, &scale))
		sf_fails(r, SF_BAD_ARGUMENT, "Invalid argument types for function: a number, a text or a time stamp is needed");
	else if (unit < 0 || unit > NANOS)
		sf_fails(r, SF_BAD_VALUE, "Scale of a time stamp must be between 0 and 9");
	else if (!micros_of_epoch(v, (int)unit + scale, ret))
		sf_fails(r, "100046/22003", "Timestamp is out of range");
	else
		return true;
	return false;
}

static void to_ntz(struct sf_row *r)
{
	struct moment m;
	int64_t micros;

	switch (r->args[0].type) {
	case DUCKDB_TYPE_DATE:
		sf_put_int(r, sf_days(r, 0) * MICROS_OF_DAY);
		break;
	case DUCKDB_TYPE_TIMESTAMP:
	case DUCKDB_TYPE_TIME: /* of 1970-01-01 */
		sf_put_int(r, sf_int(r, 0));
		break;
	case DUCKDB_TYPE_DOUBLE:
		sf_put_int(r, (int64_t)(sf_double(r, 0) * 1e6));
		break;
	case DUCKDB_TYPE_VARCHAR:
		if (read_moment(r, FORMAT_HAS_DATE | FORMAT_HAS_TIME, "timestamp", &m))
			sf_put_int(r, micros_of(&m));
		break;
	default:
		if (epoch_of(r, &micros))
			sf_put_int(r, micros);
	}
}

/* The moment in UTC, where a text has an offset or a number counts from the epoch; else NULL. */
static void to_utc(struct sf_row *r)
{
	struct moment m;
	int64_t micros;

	switch (r->args[0].type) {
	case DUCKDB_TYPE_DATE:
	case DUCKDB_TYPE_TIMESTAMP:
	case DUCKDB_TYPE_TIME:
	case DUCKDB_TYPE_TIMESTAMP_TZ:
		sf_put_null(r);
		break;
	case DUCKDB_TYPE_VARCHAR:
		if (!read_moment(r, FORMAT_HAS_DATE | FORMAT_HAS_TIME, "timestamp", &m))
			break;
		if (m.epoch || (m.has & FORMAT_HAS_ZONE))
			sf_put_int(r, micros_of(&m) - m.time.offset_minutes * 60000000LL);
		else
			sf_put_null(r);
		break;
	default:
		if (epoch_of(r, &micros))
			sf_put_int(r, micros);
	}
}

/* Minutes of the offset that a text has; NULL without one. */
static void offset_in(struct sf_row *r)
{
	struct moment m;

	if (!read_moment(r, FORMAT_HAS_DATE | FORMAT_HAS_TIME, "timestamp", &m))
		return;
	if (m.has & FORMAT_HAS_ZONE)
		sf_put_int(r, m.time.offset_minutes);
	else
		sf_put_null(r);
}

/* --- told apart by type: itself, what a text says, or NULL --- */
static void same_days(struct sf_row *r)
{
	sf_put_days(r, sf_days(r, 0));
}

static void same_int(struct sf_row *r)
{
	sf_put_int(r, sf_int(r, 0));
}

static void same_text(struct sf_row *r)
{
	sf_put_text(r, sf_text(r, 0));
}

/* A VARIANT as it is stored: the cast that is written around reads it. */
void sf_same_variant(struct sf_row *r)
{
	duckdb_string_t *s = &((duckdb_string_t *)(uintptr_t)r->args[0].at)[r->row];

	sf_put_text(r, str_from(duckdb_string_t_data(s), duckdb_string_t_length(*s)));
}

static void no_value(struct sf_row *r)
{
	sf_put_null(r);
}

/* --- back to the type that a moment had: (what was reckoned, the moment) --- */
static void as_days(struct sf_row *r)
{
	if (r->args[0].type == DUCKDB_TYPE_DATE)
		sf_put_days(r, sf_days(r, 0));
	else
		sf_put_days(r, (int32_t)floor_by(sf_int(r, 0), MICROS_OF_DAY));
}

static void as_time(struct sf_row *r)
{
	int64_t micros = sf_int(r, 0);

	sf_put_int(r, micros - floor_by(micros, MICROS_OF_DAY) * MICROS_OF_DAY);
}

static void put_tz(struct sf_row *r, struct zoned z)
{
	if (!zoned_pack(z, &((duckdb_interval *)r->out)[r->row]))
		sf_fails(r, "100046/22003", "Timestamp is out of range");
}

static struct zoned tz_at(const struct sf_row *r, idx_t argument)
{
	return zoned_unpack(((const duckdb_interval *)r->args[argument].at)[r->row]);
}

static int64_t tz_clock(const struct sf_row *r)
{
	struct zoned z = tz_at(r, 0);

	return z.utc + z.zone * 60000000LL;
}

static void as_tz(struct sf_row *r)
{
	struct zoned z = tz_at(r, 1);

	z.utc = sf_int(r, 0) - z.zone * 60000000LL;
	put_tz(r, z);
}

static void tz_wall(struct sf_row *r)
{
	sf_put_int(r, tz_clock(r));
}

static void tz_days(struct sf_row *r)
{
	sf_put_days(r, (int32_t)floor_by(tz_clock(r), MICROS_OF_DAY));
}

static void tz_time(struct sf_row *r)
{
	int64_t wall = tz_clock(r);

	sf_put_int(r, wall - floor_by(wall, MICROS_OF_DAY) * MICROS_OF_DAY);
}

static void tz_instant(struct sf_row *r)
{
	sf_put_int(r, tz_at(r, 0).utc);
}

static void same_tz(struct sf_row *r)
{
	put_tz(r, tz_at(r, 0));
}

/* (instant in UTC, minutes of its offset) */
static void make_tz(struct sf_row *r)
{
	put_tz(r, (struct zoned){sf_int(r, 0), 0, (int16_t)sf_int(r, 1)});
}

static void tz_zone(struct sf_row *r)
{
	sf_put_int(r, tz_at(r, 0).zone);
}

/* Numbers are none. It is there for NULL itself, which this type is the nearest to. */
static void no_moment(struct sf_row *r)
{
	sf_fails(r, SF_BAD_ARGUMENT, "Invalid argument types for function: a date, a time or a time stamp is needed");
}

/* --- into texts --- */
static void civil(struct sf_row *r, struct format_time *ret)
{
	int64_t micros;

	*ret = (struct format_time){0};
	if (r->args[0].type == DUCKDB_TYPE_DATE) {
		ret->days = sf_days(r, 0);
		return;
	}
	micros = sf_int(r, 0);
	ret->days = floor_by(micros, MICROS_OF_DAY);
	ret->nanos = (micros - ret->days * MICROS_OF_DAY) * 1000;
}

enum { SCALE = 9 /* of a bare FF */ };

static struct str own_form(duckdb_type type)
{
	if (type == DUCKDB_TYPE_DATE)
		return S("YYYY-MM-DD");
	return type == DUCKDB_TYPE_TIME ? S("HH24:MI:SS") : S("YYYY-MM-DD HH24:MI:SS.FF3");
}

void sf_moment_text(struct sf_row *r)
{
	struct str text = r->nargs > 1 ? sf_text(r, 1) : (struct str){NULL, 0};
	struct format_time t;

	if (!compiled(r, text.n == 0 || str_ieq(text, S("auto")) ? own_form(r->args[0].type) : text))
		return;
	civil(r, &t);
	format_write(&r->format, &t, SCALE, &r->text);
	sf_put_text(r, buf_str(&r->text));
}

/* The last argument is a TIMESTAMPTZ as the session's time zone writes it, or NULL; the one before it is the format, if any. */
static void shown_by(struct sf_row *r, sf_fn *fn)
{
	if (sf_is_null(r, 0) || (r->nargs == 3 && sf_is_null(r, 1))) {
		sf_put_null(r);
		return;
	}
	r->nargs--;
	fn(r);
	r->nargs++;
}

void sf_shown_moment(struct sf_row *r)
{
	shown_by(r, sf_moment_text);
}

void sf_shown(struct sf_row *r)
{
	shown_by(r, r->nargs == 3 ? sf_formatted_text : sf_any_text);
}

static void zoned_text(struct sf_row *r, const struct format_time *t)
{
	struct str text = r->nargs > 1 ? sf_text(r, 1) : (struct str){NULL, 0};

	if (!compiled(r, text.n == 0 || str_ieq(text, S("auto")) ? S("YYYY-MM-DD HH24:MI:SS.FF3 TZHTZM") : text))
		return;
	format_write(&r->format, t, SCALE, &r->text);
	sf_put_text(r, buf_str(&r->text));
}

static void tz_text(struct sf_row *r)
{
	struct zoned z = tz_at(r, 0);
	int64_t wall = tz_clock(r);
	struct format_time t = {.days = floor_by(wall, MICROS_OF_DAY), .offset_minutes = z.zone};

	t.nanos = (wall - t.days * MICROS_OF_DAY) * 1000 + z.nanos;
	zoned_text(r, &t);
}

void sf_shown_zoned(struct sf_row *r)
{
	shown_by(r, tz_text);
}

/* An instant: what a clock showed and the offset are in its text. */
void sf_shown_instant(struct sf_row *r)
{
	idx_t last = r->nargs - 1;
	struct format_time t;
	unsigned has;

	if (sf_is_null(r, 0) || sf_is_null(r, last) || (last == 2 && sf_is_null(r, 1))) {
		sf_put_null(r);
		return;
	}
	if (!format_read_auto(sf_text(r, last), &t, &has)) { /* infinity */
		sf_put_text(r, sf_text(r, last));
		return;
	}
	r->nargs--;
	zoned_text(r, &t);
	r->nargs++;
}

/* 0 = Sunday, by the first two letters of its name. */
static void weekday(struct sf_row *r)
{
	static const char days[] = "SUMOTUWETHFRSA";
	struct str s = str_trim(sf_text(r, 0));

	for (int i = 0; i < 7 && s.n >= 2; i++) {
		if (ascii_upper(s.p[0]) == days[2 * i] && ascii_upper(s.p[1]) == days[2 * i + 1]) {
			sf_put_int(r, i);
			return;
		}
	}
	sf_fails(r, SF_BAD_VALUE, "'%.*s' is not a day of the week", SARG(str_head(s, 100)));
}

#define TEXTS(name, fn, result, flags) {name, "V>" result, fn, flags}, {name, "VV>" result, fn, flags}
#define TO_DATE(name, flags) \
	TEXTS(name, to_date, "d", flags), {name, "d>d", to_date, flags}, {name, "s>d", to_date, flags}, \
		{name, "z>z", same_int, flags}, {name, "T>d", tz_days, flags}, {name, "I>d", no_moment, flags}
#define TO_TIME(name, flags) \
	TEXTS(name, to_time, "s", flags), {name, "t>s", to_time, flags}, {name, "s>s", to_time, flags}, \
		{name, "z>z", same_int, flags}, {name, "T>s", tz_time, flags}, {name, "I>s", no_moment, flags}
#define TO_STAMP(name, fn, tz, flags) \
	TEXTS(name, fn, "s", flags), {name, "d>s", fn, flags}, {name, "t>s", fn, flags}, {name, "s>s", fn, flags}, \
		{name, "T>s", tz, flags}, \
		{name, "A>s", fn, flags}, {name, "AI>s", fn, flags}

/* To be cast to the type that their name says: a TIMESTAMPTZ is none of a C function's, which knows no session. */
static const struct sf_function functions[] = {
	TO_DATE("SF_TO_DATE", 0),
	TO_DATE("SF_TRY_TO_DATE", SF_TRY),
	TO_TIME("SF_TO_TIME", 0),
	TO_TIME("SF_TRY_TO_TIME", SF_TRY),
	TO_STAMP("SF_TO_NTZ", to_ntz, tz_wall, 0), {"SF_TO_NTZ", "z>z", same_int, 0},
	TO_STAMP("SF_TRY_TO_NTZ", to_ntz, tz_wall, SF_TRY), {"SF_TRY_TO_NTZ", "z>z", same_int, 0},
	TO_STAMP("SF_TO_UTC", to_utc, tz_instant, SF_NULLS_MADE),
	TO_STAMP("SF_TRY_TO_UTC", to_utc, tz_instant, SF_TRY),
	/* the same of casts: a VARIANT has its own */
	TO_DATE("SF_FOR_DATE", 0), {"SF_FOR_DATE", "v>v", sf_same_variant, 0},
	TO_DATE("SF_TRY_FOR_DATE", SF_TRY), {"SF_TRY_FOR_DATE", "v>v", sf_same_variant, 0},
	TO_STAMP("SF_FOR_NTZ", to_ntz, tz_wall, 0), {"SF_FOR_NTZ", "z>z", same_int, 0}, {"SF_FOR_NTZ", "v>v", sf_same_variant, 0},
	TO_STAMP("SF_TRY_FOR_NTZ", to_ntz, tz_wall, SF_TRY), {"SF_TRY_FOR_NTZ", "z>z", same_int, 0}, {"SF_TRY_FOR_NTZ", "v>v", sf_same_variant, 0},
	TEXTS("SF_OFFSET_IN", offset_in, "I", SF_NULLS_MADE),
	{"SF_OFFSET_IN", "v>I", offset_in, SF_NULLS_MADE},
	{"SF_OFFSET_IN", "A>I", no_value, SF_NULLS_MADE},
	TEXTS("SF_TRY_OFFSET_IN", offset_in, "I", SF_TRY),
	{"SF_TRY_OFFSET_IN", "v>I", offset_in, SF_TRY},
	{"SF_TRY_OFFSET_IN", "A>I", no_value, SF_NULLS_MADE},
	/* what dates and times are reckoned with */
	{"SF_MOMENT", "V>s", to_ntz, 0},
	{"SF_MOMENT", "d>d", same_days, 0},
	{"SF_MOMENT", "t>t", same_int, 0},
	{"SF_MOMENT", "s>s", same_int, 0},
	{"SF_MOMENT", "z>z", same_int, 0},
	{"SF_MOMENT", "T>s", tz_wall, 0},
	{"SF_MOMENT", "I>s", no_moment, 0},
	/* the same, with a time of day */
	{"SF_STAMP", "V>s", to_ntz, 0},
	{"SF_STAMP", "d>s", to_ntz, 0},
	{"SF_STAMP", "t>t", same_int, 0},
	{"SF_STAMP", "s>s", same_int, 0},
	{"SF_STAMP", "z>z", same_int, 0},
	{"SF_STAMP", "T>s", tz_wall, 0},
	{"SF_STAMP", "I>s", no_moment, 0},
	/* the same, and a time of day is that of 1970-01-01 */
	{"SF_DAY", "V>s", to_ntz, 0},
	{"SF_DAY", "d>s", to_ntz, 0},
	{"SF_DAY", "t>s", same_int, 0},
	{"SF_DAY", "s>s", same_int, 0},
	{"SF_DAY", "z>z", same_int, 0},
	{"SF_DAY", "T>s", tz_wall, 0},
	{"SF_DAY", "I>s", no_moment, 0},
	/* what is compared and counted: of a TIMESTAMP_TZ, UTC */
	{"SF_INSTANT", "V>s", to_ntz, 0},
	{"SF_INSTANT", "d>s", to_ntz, 0},
	{"SF_INSTANT", "t>s", same_int, 0},
	{"SF_INSTANT", "s>s", same_int, 0},
	{"SF_INSTANT", "z>z", same_int, 0},
	{"SF_INSTANT", "T>s", tz_instant, 0},
	{"SF_INSTANT", "I>s", no_moment, 0},
	{"SF_AS_MOMENT", "sV>s", same_int, 0},
	{"SF_AS_MOMENT", "sd>d", as_days, 0},
	{"SF_AS_MOMENT", "dd>d", as_days, 0},
	{"SF_AS_MOMENT", "st>t", as_time, 0},
	{"SF_AS_MOMENT", "tt>t", same_int, 0},
	{"SF_AS_MOMENT", "ss>s", same_int, 0},
	{"SF_AS_MOMENT", "zz>z", same_int, 0},
	{"SF_AS_MOMENT", "sT>T", as_tz, 0},
	{"SF_AS_MOMENT", "sI>s", no_moment, 0},
	{"SF_LTZ", "z>z", same_int, 0},
	{"SF_TZ", "T>T", same_tz, 0},
	{"SF_TZ", "A>T", no_value, SF_NULLS_MADE},
	{"SF_TZ", "sI>T", make_tz, 0},
	{"SF_TZ", "zI>T", make_tz, 0},
	{"SF_WALL", "T>s", tz_wall, 0},
	{"SF_WALL", "A>s", no_value, SF_NULLS_MADE},
	{"SF_TIMED", "d>s", to_ntz, 0},
	{"SF_TIMED", "V>V", same_text, 0},
	{"SF_TIMED", "t>t", same_int, 0},
	{"SF_TIMED", "s>s", same_int, 0},
	{"SF_TIMED", "z>z", same_int, 0},
	{"SF_TIMED", "T>T", same_tz, 0},
	{"SF_TIMED", "I>s", no_moment, 0},
	{"SF_ZONE", "T>I", tz_zone, 0},
	{"SF_ZONE", "A>I", no_value, SF_NULLS_MADE},
	{"SF_WEEKDAY", "V>I", weekday, 0},
	{"SF_LTZ", "A>z", no_value, SF_NULLS_MADE},
};

bool sf_dates_register(duckdb_connection con)
{
	return sf_register(con, functions, COUNT_OF(functions));
}
