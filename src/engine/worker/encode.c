/* encode.c - cells by DuckDB type, in both forms; rows of cells.
 *
 * One table by type id; a nested cell calls the cells of its children. Vectors
 * are read where DuckDB left them, nothing is copied but the text. Pure but
 * for the buffer; any thread.
 */
#include "engine/functions/types.h"
#include "json/json.h"

#include <math.h>

#define CELL(type, col, row) (((const type *)(col)->data)[row])

static bool is_null(const struct column *col, idx_t row)
{
	return col->valid && !(col->valid[row >> 6] >> (row & 63) & 1);
}

/* --- text of a value between quotes, or bare --- */
#define BARE(name, text) \
	static void name(struct buf *b, const struct column *col, idx_t row) \
	{ \
		char *to = buf_room(b, TEXT_ROOM); \
		if (to) \
			b->n = (size_t)((text) - b->p); \
	}
#define QUOTED(name, text) \
	static void name(struct buf *b, const struct column *col, idx_t row) \
	{ \
		char *to = buf_room(b, TEXT_ROOM); \
		if (!to) \
			return; \
		*to++ = '"'; \
		to = (text); \
		*to++ = '"'; \
		b->n = (size_t)(to - b->p); \
	}
#define BOTH(name, text) BARE(name##_bare, text) QUOTED(name##_quoted, text)

/* DuckDB aligns these to 8 bytes only. */
static unsigned __int128 huge_value(const struct column *col, idx_t row)
{
	const duckdb_uhugeint *v = &CELL(duckdb_uhugeint, col, row);

	return (unsigned __int128)v->upper << 64 | v->lower;
}

BOTH(i8, text_i64(to, CELL(int8_t, col, row)))
BOTH(i16, text_i64(to, CELL(int16_t, col, row)))
BOTH(i32, text_i64(to, CELL(int32_t, col, row)))
BOTH(i64, text_i64(to, CELL(int64_t, col, row)))
BOTH(u8, text_u64(to, CELL(uint8_t, col, row)))
BOTH(u16, text_u64(to, CELL(uint16_t, col, row)))
BOTH(u32, text_u64(to, CELL(uint32_t, col, row)))
BOTH(u64, text_u64(to, CELL(uint64_t, col, row)))
BOTH(u128, text_u128(to, huge_value(col, row)))
BOTH(i128, text_decimal(to, (__int128)huge_value(col, row), 0))
QUOTED(uuid, text_uuid(to, CELL(duckdb_hugeint, col, row)))
QUOTED(interval, text_interval(to, CELL(duckdb_interval, col, row)))
QUOTED(date_text, text_date(to, CELL(int32_t, col, row)))
QUOTED(time_text, text_time(to, CELL(int64_t, col, row)))

/* Seconds with as many digits as the column has: what is finer is not there, or not told. */
static char *seconds_of(char *to, const struct column *col, __int128 nanos)
{
	enum { ALL = 9 };

	to = text_seconds(to, nanos);
	return col->scale == 0 ? to - ALL - 1 : to - (ALL - col->scale);
}
QUOTED(time_seconds, seconds_of(to, col, (__int128)CELL(int64_t, col, row) * 1000))
QUOTED(time_ns_seconds, seconds_of(to, col, CELL(int64_t, col, row)))

static char *text_bool(char *to, bool v)
{
	memcpy(to, v ? "true" : "false", v ? 4 : 5);
	return to + (v ? 4 : 5);
}
BOTH(bool, text_bool(to, CELL(bool, col, row)))

static __int128 decimal_value(const struct column *col, idx_t row)
{
	switch (col->store) {
	case DUCKDB_TYPE_SMALLINT:
		return CELL(int16_t, col, row);
	case DUCKDB_TYPE_INTEGER:
		return CELL(int32_t, col, row);
	case DUCKDB_TYPE_BIGINT:
		return CELL(int64_t, col, row);
	default:
		return (__int128)huge_value(col, row);
	}
}
BOTH(decimal, text_decimal(to, decimal_value(col, row), col->scale))

static char *date_number(char *to, int32_t days)
{
	if (days == INT32_MAX || days == -INT32_MAX)
		return text_date(to, days);
	return text_i64(to, days);
}
QUOTED(date_days, date_number(to, CELL(int32_t, col, row)))

static char *time_ns(char *to, int64_t nanos)
{
	to = text_time(to, nanos / 1000);
	return text_padded(to, (uint64_t)(nanos % 1000), 3);
}
QUOTED(time_ns_text, time_ns(to, CELL(int64_t, col, row)))

/* 40 bits of microseconds, 24 of offset (upside down, to sort). */
static char *time_tz(char *to, uint64_t bits)
{
	duckdb_time_tz_struct v = duckdb_from_time_tz((duckdb_time_tz){bits});
	unsigned size = (unsigned)(v.offset < 0 ? -v.offset : v.offset);

	to = text_time(to, ((v.time.hour * 60LL + v.time.min) * 60 + v.time.sec) * 1000000 + v.time.micros);
	*to++ = v.offset < 0 ? '-' : '+';
	to = text_padded(to, size / 3600, 2);
	*to++ = ':';
	to = text_padded(to, size / 60 % 60, 2);
	if (size % 60 == 0)
		return to;
	*to++ = ':';
	return text_padded(to, size % 60, 2);
}
QUOTED(time_tz_text, time_tz(to, CELL(uint64_t, col, row)))

/* --- timestamps: a count of units since 1970 --- */
struct unit {
	int64_t in_second;
	int digits;
};
static struct unit unit_of(duckdb_type type)
{
	switch (type) {
	case DUCKDB_TYPE_TIMESTAMP_S:
		return (struct unit){1, 0};
	case DUCKDB_TYPE_TIMESTAMP_MS:
		return (struct unit){1000, 3};
	case DUCKDB_TYPE_TIMESTAMP_NS:
		return (struct unit){1000000000, 9};
	default:
		return (struct unit){1000000, 6};
	}
}

static bool timestamp_infinite(int64_t v)
{
	return v == INT64_MAX || v == -INT64_MAX;
}

static char *timestamp_infinity(char *to, int64_t v)
{
	return text_date(to, v > 0 ? INT32_MAX : -INT32_MAX);
}

static char *timestamp_text(char *to, const struct column *col, idx_t row, char between)
{
	struct unit u = unit_of(col->type);
	int64_t v = CELL(int64_t, col, row), seconds = v / u.in_second, fraction = v % u.in_second;

	if (timestamp_infinite(v))
		return timestamp_infinity(to, v);
	if (fraction < 0) {
		fraction += u.in_second;
		seconds--;
	}
	to = text_timestamp(to, seconds, fraction, u.digits, between);
	if (col->type == DUCKDB_TYPE_TIMESTAMP_TZ)
		*to++ = 'Z';
	return to;
}

static char *timestamp_seconds(char *to, const struct column *col, idx_t row)
{
	int64_t v = CELL(int64_t, col, row);

	if (timestamp_infinite(v))
		return timestamp_infinity(to, v);
	return seconds_of(to, col, (__int128)v * (1000000000 / unit_of(col->type).in_second));
}
QUOTED(timestamp_iso, timestamp_text(to, col, row, 'T'))
QUOTED(timestamp_plain, timestamp_text(to, col, row, ' '))
QUOTED(timestamp_epoch, timestamp_seconds(to, col, row))

/* --- instants with an offset --- */
static char *offset_text(char *to, int minutes)
{
	unsigned size = (unsigned)(minutes < 0 ? -minutes : minutes);

	*to++ = minutes < 0 ? '-' : '+';
	to = text_padded(to, size / 60, 2);
	*to++ = ':';
	return text_padded(to, size % 60, 2);
}

static char *zoned_text(char *to, const struct column *col, idx_t row, char between)
{
	struct zoned z = zoned_unpack(CELL(duckdb_interval, col, row));
	int64_t wall, seconds;

	if (timestamp_infinite(z.utc))
		return timestamp_infinity(to, z.utc);
	wall = z.utc + z.zone * INT64_C(60000000);
	seconds = wall / 1000000 - (wall % 1000000 < 0);
	to = text_timestamp(to, seconds, (wall - seconds * 1000000) * 1000 + z.nanos, 9, between);
	return offset_text(col->scale == 0 ? to - 10 : to - (9 - col->scale), z.zone);
}

static char *zoned_seconds(char *to, const struct column *col, idx_t row)
{
	struct zoned z = zoned_unpack(CELL(duckdb_interval, col, row));

	if (timestamp_infinite(z.utc))
		return timestamp_infinity(to, z.utc);
	to = seconds_of(to, col, (__int128)z.utc * 1000 + z.nanos);
	*to++ = ' ';
	return text_i64(to, z.zone + 1440);
}
QUOTED(zoned_iso, zoned_text(to, col, row, 'T'))
QUOTED(zoned_plain, zoned_text(to, col, row, ' '))
QUOTED(zoned_epoch, zoned_seconds(to, col, row))

/* --- reals --- */
static double real_value(const struct column *col, idx_t row)
{
	return col->type == DUCKDB_TYPE_FLOAT ? (double)CELL(float, col, row) : CELL(double, col, row);
}

static void put_real(struct buf *b, const struct column *col, idx_t row)
{
	double v = real_value(col, row);

	if (col->type == DUCKDB_TYPE_FLOAT)
		put_float(b, (float)v);
	else
		put_double(b, v);
}

static void real_native(struct buf *b, const struct column *col, idx_t row)
{
	double v = real_value(col, row);
	size_t from = b->n;

	if (!isfinite(v)) {
		buf_add(b, isnan(v) ? S("\"NaN\"") : v > 0 ? S("\"Infinity\"") : S("\"-Infinity\""));
		return;
	}
	put_real(b, col, row);
	for (size_t i = from; i < b->n; i++)
		if (b->p[i] == '.' || b->p[i] == 'e')
			return;
	buf_lit(b, ".0");
}

static void real_bare(struct buf *b, const struct column *col, idx_t row)
{
	double v = real_value(col, row);

	if (isfinite(v))
		put_real(b, col, row);
	else
		buf_add(b, isnan(v) ? S("NaN") : v > 0 ? S("inf") : S("-inf"));
}

static void real_snowflake(struct buf *b, const struct column *col, idx_t row)
{
	buf_addc(b, '"');
	real_bare(b, col, row);
	buf_addc(b, '"');
}

static void real_inner(struct buf *b, const struct column *col, idx_t row)
{
	if (isfinite(real_value(col, row)))
		put_real(b, col, row);
	else
		real_snowflake(b, col, row);
}

/* --- bytes --- */
static struct str string_of(const struct column *col, idx_t row)
{
	const duckdb_string_t *s = &CELL(duckdb_string_t, col, row);
	uint32_t n = s->value.inlined.length;

	return str_from(n <= sizeof(s->value.inlined.inlined) ? s->value.inlined.inlined : s->value.pointer.ptr, n);
}

static void text_cell(struct buf *b, const struct column *col, idx_t row)
{
	json_quote_utf8(b, string_of(col, row));
}

static void json_native(struct buf *b, const struct column *col, idx_t row)
{
	put_json(b, string_of(col, row), JSON_COMPACT);
}

/* Inside a nested Snowflake cell: what is printed there is read and laid out again. */
static void json_inner(struct buf *b, const struct column *col, idx_t row)
{
	buf_add(b, string_of(col, row));
}

static void blob_base64(struct buf *b, const struct column *col, idx_t row)
{
	buf_addc(b, '"');
	hash_base64(string_of(col, row), b);
	buf_addc(b, '"');
}

static void blob_hex(struct buf *b, const struct column *col, idx_t row)
{
	static const char hex[] = "0123456789ABCDEF";
	struct str s = string_of(col, row);
	char *to = buf_room(b, s.n * 2 + 2);

	if (!to)
		return;
	*to++ = '"';
	for (size_t i = 0; i < s.n; i++) {
		*to++ = hex[(unsigned char)s.p[i] >> 4];
		*to++ = hex[s.p[i] & 15];
	}
	*to++ = '"';
	b->n = (size_t)(to - b->p);
}

/* The first byte counts the unused bits at the front of the second. */
static void bit_cell(struct buf *b, const struct column *col, idx_t row)
{
	struct str s = string_of(col, row);
	char *to = buf_room(b, s.n * 8 + 2);

	if (!to)
		return;
	*to++ = '"';
	for (size_t i = 8 + (s.n ? (unsigned char)s.p[0] : 0U); i < s.n * 8; i++)
		*to++ = (char)('0' + (s.p[i / 8] >> (7 - i % 8) & 1));
	*to++ = '"';
	b->n = (size_t)(to - b->p);
}

static void enum_cell(struct buf *b, const struct column *col, idx_t row)
{
	size_t i = col->store == DUCKDB_TYPE_UTINYINT  ? CELL(uint8_t, col, row) :
		   col->store == DUCKDB_TYPE_USMALLINT ? CELL(uint16_t, col, row) :
							 CELL(uint32_t, col, row);

	json_quote_utf8(b, col->names[i]);
}

static void null_cell(struct buf *b, const struct column *col, idx_t row)
{
	(void)col;
	(void)row;
	buf_lit(b, "null");
}

/* --- nested: JSON of one line --- */
static void put_child(struct buf *b, const struct column *col, idx_t row)
{
	if (is_null(col, row))
		buf_lit(b, "null");
	else
		col->put(b, col, row);
}

static void elements(struct buf *b, const struct column *col, idx_t from, idx_t n)
{
	const struct column *kid = &col->kids[0];
	struct str null = col->form == ENGINE_SNOWFLAKE ? S("undefined") : S("null");

	buf_addc(b, '[');
	for (idx_t i = from; i < from + n && buf_ok(b); i++) {
		if (i > from)
			buf_addc(b, ',');
		if (is_null(kid, i))
			buf_add(b, null);
		else
			kid->put(b, kid, i);
	}
	buf_addc(b, ']');
}

static void list_cell(struct buf *b, const struct column *col, idx_t row)
{
	duckdb_list_entry e = CELL(duckdb_list_entry, col, row);

	elements(b, col, e.offset, e.length);
}

static void array_cell(struct buf *b, const struct column *col, idx_t row)
{
	elements(b, col, row * col->array_size, col->array_size);
}

static void struct_cell(struct buf *b, const struct column *col, idx_t row)
{
	buf_addc(b, '{');
	for (int i = 0; i < col->nkids; i++) {
		if (i)
			buf_addc(b, ',');
		json_quote_utf8(b, col->names[i]);
		buf_addc(b, ':');
		put_child(b, &col->kids[i], row);
	}
	buf_addc(b, '}');
}

static void map_pairs(struct buf *b, const struct column *col, duckdb_list_entry e)
{
	buf_addc(b, '[');
	for (idx_t i = 0; i < e.length; i++) {
		buf_add(b, i ? S(",{\"key\":") : S("{\"key\":"));
		put_child(b, &col->kids[0], e.offset + i);
		buf_lit(b, ",\"value\":");
		put_child(b, &col->kids[1], e.offset + i);
		buf_addc(b, '}');
	}
	buf_addc(b, ']');
}

/* A JSON key is a string: what is written bare gets quotes. */
static void put_key(struct buf *b, const struct column *key, idx_t row)
{
	size_t at = b->n;

	buf_addc(b, '"');
	put_child(b, key, row);
	if (!buf_ok(b) || b->n == at + 1)
		return;
	if (b->p[at + 1] == '"') {
		memmove(b->p + at, b->p + at + 1, b->n - at - 1);
		b->n--;
	} else {
		buf_addc(b, '"');
	}
}

static void map_cell(struct buf *b, const struct column *col, idx_t row)
{
	duckdb_list_entry e = CELL(duckdb_list_entry, col, row);

	if (col->form == ENGINE_NATIVE && !col->text_keys) {
		map_pairs(b, col, e);
		return;
	}
	buf_addc(b, '{');
	for (idx_t i = 0; i < e.length && buf_ok(b); i++) {
		if (i)
			buf_addc(b, ',');
		put_key(b, &col->kids[0], e.offset + i);
		buf_addc(b, ':');
		put_child(b, &col->kids[1], e.offset + i);
	}
	buf_addc(b, '}');
}

/* kids[0] is the tag; the value of the member it names. */
/* Natively an object of one member, as DuckDB's own JSON has it: what was written can be read. */
static void union_cell(struct buf *b, const struct column *col, idx_t row)
{
	int tag = CELL(uint8_t, &col->kids[0], row);

	if (tag + 1 >= col->nkids) {
		buf_lit(b, "null");
		return;
	}
	if (col->form != ENGINE_NATIVE) {
		put_child(b, &col->kids[tag + 1], row);
		return;
	}
	buf_addc(b, '{');
	json_quote_utf8(b, col->names[tag + 1]);
	buf_addc(b, ':');
	put_child(b, &col->kids[tag + 1], row);
	buf_addc(b, '}');
}

/* The JSON text of the value, laid out, as the string of a Snowflake cell. */
static void nested_snowflake(struct buf *b, const struct column *col, idx_t row)
{
	struct buf line = {.limit = b->limit}, text = {.limit = b->limit};

	col->inner(&line, col, row);
	put_json(&text, buf_str(&line), JSON_PRETTY);
	if (buf_ok(&line) && buf_ok(&text))
		json_quote_utf8(b, buf_str(&text));
	else
		b->bad = true;
	buf_drop(&line);
	buf_drop(&text);
}

static const struct encoding encodings[] = {
	[DUCKDB_TYPE_BOOLEAN] = {"BOOLEAN", ENGINE_T_BOOL, bool_bare, bool_quoted, NULL},
	[DUCKDB_TYPE_TINYINT] = {"TINYINT", ENGINE_T_INT, i8_bare, i8_quoted, NULL},
	[DUCKDB_TYPE_SMALLINT] = {"SMALLINT", ENGINE_T_INT, i16_bare, i16_quoted, NULL},
	[DUCKDB_TYPE_INTEGER] = {"INTEGER", ENGINE_T_INT, i32_bare, i32_quoted, NULL},
	[DUCKDB_TYPE_BIGINT] = {"BIGINT", ENGINE_T_INT, i64_bare, i64_quoted, NULL},
	[DUCKDB_TYPE_UTINYINT] = {"UTINYINT", ENGINE_T_INT, u8_bare, u8_quoted, NULL},
	[DUCKDB_TYPE_USMALLINT] = {"USMALLINT", ENGINE_T_INT, u16_bare, u16_quoted, NULL},
	[DUCKDB_TYPE_UINTEGER] = {"UINTEGER", ENGINE_T_INT, u32_bare, u32_quoted, NULL},
	[DUCKDB_TYPE_UBIGINT] = {"UBIGINT", ENGINE_T_INT, u64_bare, u64_quoted, NULL},
	[DUCKDB_TYPE_HUGEINT] = {"HUGEINT", ENGINE_T_HUGE, i128_quoted, i128_quoted, i128_bare},
	[DUCKDB_TYPE_UHUGEINT] = {"UHUGEINT", ENGINE_T_HUGE, u128_quoted, u128_quoted, u128_bare},
	[DUCKDB_TYPE_DECIMAL] = {"DECIMAL", ENGINE_T_DECIMAL, decimal_quoted, decimal_quoted, decimal_bare},
	[DUCKDB_TYPE_FLOAT] = {"FLOAT", ENGINE_T_REAL, real_native, real_snowflake, real_inner},
	[DUCKDB_TYPE_DOUBLE] = {"DOUBLE", ENGINE_T_REAL, real_native, real_snowflake, real_inner},
	[DUCKDB_TYPE_VARCHAR] = {"VARCHAR", ENGINE_T_TEXT, text_cell, text_cell, NULL},
	[DUCKDB_TYPE_ENUM] = {"ENUM", ENGINE_T_TEXT, enum_cell, enum_cell, NULL},
	[DUCKDB_TYPE_BIT] = {"BIT", ENGINE_T_TEXT, bit_cell, bit_cell, NULL},
	[DUCKDB_TYPE_UUID] = {"UUID", ENGINE_T_UUID, uuid, uuid, NULL},
	[DUCKDB_TYPE_INTERVAL] = {"INTERVAL", ENGINE_T_INTERVAL, interval, interval, NULL},
	[DUCKDB_TYPE_BLOB] = {"BLOB", ENGINE_T_BLOB, blob_base64, blob_hex, NULL},
	[DUCKDB_TYPE_DATE] = {"DATE", ENGINE_T_DATE, date_text, date_days, date_text},
	[DUCKDB_TYPE_TIME] = {"TIME", ENGINE_T_TIME, time_text, time_seconds, time_text},
	[DUCKDB_TYPE_TIME_NS] = {"TIME_NS", ENGINE_T_TIME, time_ns_text, time_ns_seconds, time_ns_text},
	[DUCKDB_TYPE_TIME_TZ] = {"TIME WITH TIME ZONE", ENGINE_T_TIMETZ, time_tz_text, time_tz_text, NULL},
	[DUCKDB_TYPE_TIMESTAMP] = {"TIMESTAMP", ENGINE_T_TIMESTAMP, timestamp_iso, timestamp_epoch, timestamp_plain},
	[DUCKDB_TYPE_TIMESTAMP_S] = {"TIMESTAMP_S", ENGINE_T_TIMESTAMP, timestamp_iso, timestamp_epoch, timestamp_plain},
	[DUCKDB_TYPE_TIMESTAMP_MS] = {"TIMESTAMP_MS", ENGINE_T_TIMESTAMP, timestamp_iso, timestamp_epoch, timestamp_plain},
	[DUCKDB_TYPE_TIMESTAMP_NS] = {"TIMESTAMP_NS", ENGINE_T_TIMESTAMP, timestamp_iso, timestamp_epoch, timestamp_plain},
	[DUCKDB_TYPE_TIMESTAMP_TZ] = {"TIMESTAMP WITH TIME ZONE", ENGINE_T_TIMESTAMPTZ, timestamp_iso, timestamp_epoch,
		timestamp_plain},
	[DUCKDB_TYPE_LIST] = {"LIST", ENGINE_T_LIST, list_cell, nested_snowflake, list_cell},
	[DUCKDB_TYPE_ARRAY] = {"ARRAY", ENGINE_T_LIST, array_cell, nested_snowflake, array_cell},
	[DUCKDB_TYPE_STRUCT] = {"STRUCT", ENGINE_T_STRUCT, struct_cell, nested_snowflake, struct_cell},
	[DUCKDB_TYPE_MAP] = {"MAP", ENGINE_T_STRUCT, map_cell, nested_snowflake, map_cell},
	[DUCKDB_TYPE_UNION] = {"UNION", ENGINE_T_STRUCT, union_cell, nested_snowflake, union_cell},
	[DUCKDB_TYPE_SQLNULL] = {"\"NULL\"", ENGINE_T_TEXT, null_cell, null_cell, NULL},
};

static const struct encoding json_encoding = {"JSON", ENGINE_T_JSON, json_native, nested_snowflake, json_inner};

static const struct encoding alias_encodings[SF_ALIASES] = {
	[SF_ALIAS_VARIANT] = {"JSON", ENGINE_T_JSON, json_native, nested_snowflake, json_inner},
	[SF_ALIAS_OBJECT] = {"JSON", ENGINE_T_OBJECT, json_native, nested_snowflake, json_inner},
	[SF_ALIAS_ARRAY] = {"JSON", ENGINE_T_ARRAY, json_native, nested_snowflake, json_inner},
	[SF_ALIAS_NTZ] = {"TIMESTAMP", ENGINE_T_TIMESTAMP, timestamp_iso, timestamp_epoch, timestamp_plain},
	[SF_ALIAS_LTZ] = {"TIMESTAMP WITH TIME ZONE", ENGINE_T_TIMESTAMPTZ, timestamp_iso, timestamp_epoch, timestamp_plain},
	[SF_ALIAS_TZ] = {"TIMESTAMP_TZ", ENGINE_T_TIMESTAMP_TZ, zoned_iso, zoned_epoch, zoned_plain},
	[SF_ALIAS_TIME] = {"TIME", ENGINE_T_TIME, time_text, time_seconds, time_text},
};

const struct encoding *encoding_of_alias(enum sf_alias alias)
{
	return &alias_encodings[alias];
}

const struct encoding *encoding_of(duckdb_type type, bool json)
{
	if (json)
		return &json_encoding;
	if ((size_t)type >= COUNT_OF(encodings) || !encodings[type].name)
		return NULL;
	return &encodings[type];
}

void encode_row(struct buf *b, const struct column *cols, int n, idx_t row, struct str null)
{
	buf_addc(b, '[');
	for (int i = 0; i < n; i++) {
		if (i)
			buf_addc(b, ',');
		if (is_null(&cols[i], row))
			buf_add(b, null);
		else
			cols[i].put(b, &cols[i], row);
	}
	buf_addc(b, ']');
}
