/* json_of.c - DuckDB's vectors, of any type, as VARIANT values. */
#include "engine/functions/json_of.h"
#include "engine/functions/types.h"

#include <stdio.h>

enum { NESTING_MAX = 64 };

static enum variant_alias alias_of(duckdb_logical_type type)
{
	static const char *const ours[] = {VARIANT_TYPE, OBJECT_TYPE, ARRAY_TYPE};
	char *alias = duckdb_logical_type_get_alias(type);
	enum variant_alias found = VARIANT_PLAIN;
	enum sf_alias time;
	int digits;

	for (size_t i = 0; alias && i < COUNT_OF(ours); i++)
		if (strcmp(alias, ours[i]) == 0)
			found = VARIANT_OURS;
	if (alias && strcmp(alias, "JSON") == 0)
		found = VARIANT_JSON;
	if (alias && sf_alias(str_of(alias), &time, &digits) && time == SF_ALIAS_TZ)
		found = VARIANT_TZ;
	duckdb_free(alias);
	return found;
}

static bool column_at(struct arena *a, duckdb_vector v, int depth, struct variant_column *ret);

static bool kid(struct arena *a, duckdb_vector v, struct variant_column *c, int depth)
{
	c->kids = ARENA_NEW(a, struct variant_column);
	c->nkids = 1;
	return column_at(a, v, depth + 1, c->kids);
}

static bool members(struct arena *a, duckdb_vector v, duckdb_logical_type type, struct variant_column *c, int depth)
{
	c->nkids = duckdb_struct_type_child_count(type);
	c->kids = ARENA_ARRAY(a, struct variant_column, c->nkids);
	c->names = ARENA_ARRAY(a, struct str, c->nkids);
	for (idx_t i = 0; i < c->nkids; i++) {
		char *name = duckdb_struct_type_child_name(type, i);

		c->names[i] = arena_dup(a, str_of(name));
		duckdb_free(name);
		if (!column_at(a, duckdb_struct_vector_get_child(v, i), depth + 1, &c->kids[i]))
			return false;
	}
	return true;
}

static void enum_names(struct arena *a, duckdb_logical_type type, struct variant_column *c)
{
	c->nkids = duckdb_enum_dictionary_size(type);
	c->names = ARENA_ARRAY(a, struct str, c->nkids);
	for (idx_t i = 0; i < c->nkids; i++) {
		char *name = duckdb_enum_dictionary_value(type, i);

		c->names[i] = arena_dup(a, str_of(name));
		duckdb_free(name);
	}
}

static bool set_up(struct arena *a, duckdb_vector v, duckdb_logical_type type, struct variant_column *c, int depth)
{
	switch (c->type) {
	case DUCKDB_TYPE_VARCHAR:
		c->alias = alias_of(type);
		return true;
	case DUCKDB_TYPE_DECIMAL:
		c->store = duckdb_decimal_internal_type(type);
		c->scale = duckdb_decimal_scale(type);
		return true;
	case DUCKDB_TYPE_ENUM:
		c->store = duckdb_enum_internal_type(type);
		enum_names(a, type, c);
		return true;
	case DUCKDB_TYPE_LIST:
	case DUCKDB_TYPE_MAP:
		return kid(a, duckdb_list_vector_get_child(v), c, depth);
	case DUCKDB_TYPE_ARRAY:
		c->size = duckdb_array_type_array_size(type);
		return kid(a, duckdb_array_vector_get_child(v), c, depth);
	case DUCKDB_TYPE_STRUCT:
		return members(a, v, type, c, depth);
	case DUCKDB_TYPE_INTERVAL:
		c->alias = alias_of(type);
		return c->alias == VARIANT_TZ;
	case DUCKDB_TYPE_BOOLEAN: case DUCKDB_TYPE_TINYINT: case DUCKDB_TYPE_SMALLINT: case DUCKDB_TYPE_INTEGER: case DUCKDB_TYPE_BIGINT:
	case DUCKDB_TYPE_UTINYINT: case DUCKDB_TYPE_USMALLINT: case DUCKDB_TYPE_UINTEGER: case DUCKDB_TYPE_UBIGINT:
	case DUCKDB_TYPE_HUGEINT: case DUCKDB_TYPE_UHUGEINT: case DUCKDB_TYPE_FLOAT: case DUCKDB_TYPE_DOUBLE: case DUCKDB_TYPE_BLOB:
	case DUCKDB_TYPE_DATE: case DUCKDB_TYPE_TIME: case DUCKDB_TYPE_TIMESTAMP: case DUCKDB_TYPE_TIMESTAMP_S:
	case DUCKDB_TYPE_TIMESTAMP_MS: case DUCKDB_TYPE_TIMESTAMP_NS: case DUCKDB_TYPE_TIMESTAMP_TZ: case DUCKDB_TYPE_UUID:
	case DUCKDB_TYPE_SQLNULL:
		return true;
	default:
		return false;
	}
}

static bool column_at(struct arena *a, duckdb_vector v, int depth, struct variant_column *ret)
{
	duckdb_logical_type type = duckdb_vector_get_column_type(v);
	bool ok;

	*ret = (struct variant_column){.type = duckdb_get_type_id(type), .at = duckdb_vector_get_data(v),
					.valid = duckdb_vector_get_validity(v)};
	ok = depth < NESTING_MAX && set_up(a, v, type, ret, depth);
	duckdb_destroy_logical_type(&type);
	return ok;
}

bool variant_column(struct arena *a, duckdb_vector v, struct variant_column *ret)
{
	return column_at(a, v, 0, ret);
}

bool variant_column_null(const struct variant_column *c, idx_t row)
{
	return c->type == DUCKDB_TYPE_SQLNULL || (c->valid && !duckdb_validity_row_is_valid(c->valid, row));
}

struct str variant_column_text(const struct variant_column *c, idx_t row)
{
	const duckdb_string_t *s = &((const duckdb_string_t *)(const void *)c->at)[row];

	return duckdb_string_is_inlined(*s) ? str_from(s->value.inlined.inlined, s->value.inlined.length)
					    : str_from(s->value.pointer.ptr, s->value.pointer.length);
}

/* --- one value --- */
#define AT(type, c, row) (((const type *)(const void *)(c)->at)[row])

static void put_quoted(struct buf *out, char letter, const char *text)
{
	buf_fmt(out, "%c\"%s\"", letter, text);
}

static void put_date(struct buf *out, duckdb_date days)
{
	duckdb_date_struct d = duckdb_from_date(days);

	if (duckdb_is_finite_date(days))
		buf_fmt(out, "%04d-%02d-%02d", d.year, d.month, d.day);
	else
		buf_lit(out, "infinity");
}

/* At least three digits of the second's fraction, as Snowflake prints; more where there are more. */
static void put_clock(struct buf *out, int64_t nanos, int least)
{
	char fraction[16];
	int64_t seconds = nanos / 1000000000;
	int n = 9;

	snprintf(fraction, sizeof(fraction), "%09d", (int)(nanos % 1000000000));
	while (n > least && fraction[n - 1] == '0')
		n--;
	buf_fmt(out, "%02d:%02d:%02d", (int)(seconds / 3600), (int)(seconds / 60 % 60), (int)(seconds % 60));
	if (n)
		buf_fmt(out, ".%.*s", n, fraction);
}

/* `per_second` units since 1970. */
static void put_moment(struct buf *out, int64_t v, int64_t per_second, char letter)
{
	int64_t day = 86400 * per_second, days = v / day, rest = v % day;

	if (rest < 0) {
		rest += day;
		days--;
	}
	buf_fmt(out, "%c\"", letter);
	if (v == INT64_MAX || v == -INT64_MAX) {
		buf_lit(out, "infinity\"");
		return;
	}
	put_date(out, (duckdb_date){(int32_t)days});
	buf_addc(out, ' ');
	put_clock(out, rest * (1000000000 / per_second), 3);
	buf_add(out, letter == 'n' ? S("\"") : S(" +0000\""));
}

static __int128 wide(duckdb_hugeint v)
{
	return (__int128)(((unsigned __int128)(uint64_t)v.upper << 64) | v.lower);
}

static void put_digits(struct buf *out, const struct variant_column *c, duckdb_type store, idx_t row)
{
	__int128 v;

	switch (store) {
	case DUCKDB_TYPE_TINYINT: v = (int)AT(int8_t, c, row); break; /* signed */
	case DUCKDB_TYPE_SMALLINT: v = AT(int16_t, c, row); break;
	case DUCKDB_TYPE_INTEGER: v = AT(int32_t, c, row); break;
	case DUCKDB_TYPE_BIGINT: v = AT(int64_t, c, row); break;
	case DUCKDB_TYPE_UTINYINT: v = AT(uint8_t, c, row); break;
	case DUCKDB_TYPE_USMALLINT: v = AT(uint16_t, c, row); break;
	case DUCKDB_TYPE_UINTEGER: v = AT(uint32_t, c, row); break;
	case DUCKDB_TYPE_UBIGINT: v = AT(uint64_t, c, row); break;
	default: v = wide(AT(duckdb_hugeint, c, row)); break;
	}
	variant_put_decimal(out, v, c->scale);
}

static void put_uhugeint(struct buf *out, duckdb_uhugeint v)
{
	char text[TEXT_ROOM], *end = text_u128(text, (unsigned __int128)v.upper << 64 | v.lower);

	variant_put_number(out, str_from(text, (size_t)(end - text)));
}

static void put_uuid(struct buf *out, duckdb_hugeint v)
{
	uint64_t high = (uint64_t)v.upper ^ (uint64_t)1 << 63;

	buf_fmt(out, "\"%08x-%04x-%04x-%04x-%012llx\"", (unsigned)(high >> 32), (unsigned)(high >> 16 & 0xFFFF),
		(unsigned)(high & 0xFFFF),
		(unsigned)(v.lower >> 48), (unsigned long long)(v.lower & 0xFFFFFFFFFFFF));
}

static void put_varchar(struct buf *out, const struct variant_column *c, idx_t row)
{
	struct str s = variant_column_text(c, row);
	struct variant_error error;

	if (c->alias == VARIANT_OURS)
		buf_add(out, s);
	else if (c->alias == VARIANT_PLAIN || variant_parse(s, true, out, &error) != VARIANT_PARSED)
		variant_put_text(out, s);
}

static void put_blob(struct buf *out, const struct variant_column *c, idx_t row)
{
	static const char hex[] = "0123456789ABCDEF";
	struct str s = variant_column_text(c, row);

	buf_lit(out, "b\"");
	for (size_t i = 0; i < s.n; i++) {
		buf_addc(out, hex[(unsigned char)s.p[i] >> 4]);
		buf_addc(out, hex[s.p[i] & 15]);
	}
	buf_addc(out, '"');
}

static void put_items(struct buf *out, const struct variant_column *c, idx_t row)
{
	duckdb_list_entry e = {row * c->size, c->size};
	struct variant_list l = variant_list(out, '[');

	if (c->type != DUCKDB_TYPE_ARRAY)
		e = AT(duckdb_list_entry, c, row);
	for (idx_t i = 0; i < e.length; i++) {
		variant_add(&l, S(""));
		variant_put(out, c->kids, e.offset + i);
	}
	variant_end(&l, ']');
}

static void put_members(struct buf *out, const struct variant_column *c, idx_t row)
{
	struct variant_list l = variant_list(out, '{');

	for (idx_t i = 0; i < c->nkids; i++) {
		if (variant_column_null(&c->kids[i], row))
			continue;
		variant_add(&l, S(""));
		variant_put_key(out, c->names[i]);
		variant_put(out, &c->kids[i], row);
	}
	variant_end(&l, '}');
	variant_sort_members(out, l.from);
}

static void put_instant(struct buf *out, const struct variant_column *c, idx_t row)
{
	struct zoned z = zoned_unpack(AT(duckdb_interval, c, row));
	int64_t zone = z.zone, local = z.utc + zone * 60000000;
	int64_t days = local / 86400000000, rest = local % 86400000000;

	if (rest < 0) {
		rest += 86400000000;
		days--;
	}
	buf_lit(out, "z\"");
	put_date(out, (duckdb_date){(int32_t)days});
	buf_addc(out, ' ');
	put_clock(out, rest * 1000 + z.nanos, 3);
	buf_fmt(out, " %c%02d%02d\"", zone < 0 ? '-' : '+', (int)(zone < 0 ? -zone : zone) / 60, (int)(zone < 0 ? -zone : zone) % 60);
}

/* A MAP is a LIST of STRUCTs of a key and a value. */
static void put_entries(struct buf *out, const struct variant_column *c, idx_t row)
{
	duckdb_list_entry e = AT(duckdb_list_entry, c, row);
	struct variant_list l = variant_list(out, '{');
	OWNS(buf) key = {0}, room = {0};
	struct str text;

	for (idx_t i = e.offset; c->kids->nkids == 2 && i < e.offset + e.length; i++) {
		buf_clear(&key);
		variant_put(&key, &c->kids->kids[0], i);
		if (variant_column_null(&c->kids->kids[1], i) || !variant_varchar(buf_str(&key), &room, &text))
			continue;
		variant_add(&l, S(""));
		variant_put_key(out, text);
		variant_put(out, &c->kids->kids[1], i);
	}
	variant_end(&l, '}');
	variant_sort_members(out, l.from);
}

static void put_enum(struct buf *out, const struct variant_column *c, idx_t row)
{
	idx_t i = c->store == DUCKDB_TYPE_UTINYINT    ? AT(uint8_t, c, row)
		  : c->store == DUCKDB_TYPE_USMALLINT ? AT(uint16_t, c, row)
						      : AT(uint32_t, c, row);

	variant_put_text(out, i < c->nkids ? c->names[i] : S(""));
}

static void put_time(struct buf *out, int64_t micros)
{
	OWNS(buf) text = {0};

	put_clock(&text, micros * 1000, 0);
	put_quoted(out, 't', buf_cstr(&text));
}

void variant_put(struct buf *out, const struct variant_column *c, idx_t row)
{
	if (variant_column_null(c, row)) {
		buf_lit(out, "undefined");
		return;
	}
	switch (c->type) {
	case DUCKDB_TYPE_BOOLEAN: buf_add(out, AT(bool, c, row) ? S("true") : S("false")); break;
	case DUCKDB_TYPE_VARCHAR: put_varchar(out, c, row); break;
	case DUCKDB_TYPE_BLOB: put_blob(out, c, row); break;
	case DUCKDB_TYPE_FLOAT: variant_put_double(out, (double)AT(float, c, row)); break;
	case DUCKDB_TYPE_DOUBLE: variant_put_double(out, AT(double, c, row)); break;
	case DUCKDB_TYPE_UHUGEINT: put_uhugeint(out, AT(duckdb_uhugeint, c, row)); break;
	case DUCKDB_TYPE_UUID: put_uuid(out, AT(duckdb_hugeint, c, row)); break;
	case DUCKDB_TYPE_ENUM: put_enum(out, c, row); break;
	case DUCKDB_TYPE_DATE:
		buf_lit(out, "d\"");
		put_date(out, AT(duckdb_date, c, row));
		buf_addc(out, '"');
		break;
	case DUCKDB_TYPE_TIME: put_time(out, AT(int64_t, c, row)); break;
	case DUCKDB_TYPE_TIMESTAMP: put_moment(out, AT(int64_t, c, row), 1000000, 'n'); break;
	case DUCKDB_TYPE_TIMESTAMP_TZ: put_moment(out, AT(int64_t, c, row), 1000000, 'l'); break;
	case DUCKDB_TYPE_TIMESTAMP_S: put_moment(out, AT(int64_t, c, row), 1, 'n'); break;
	case DUCKDB_TYPE_TIMESTAMP_MS: put_moment(out, AT(int64_t, c, row), 1000, 'n'); break;
	case DUCKDB_TYPE_TIMESTAMP_NS: put_moment(out, AT(int64_t, c, row), 1000000000, 'n'); break;
	case DUCKDB_TYPE_LIST:
	case DUCKDB_TYPE_ARRAY: put_items(out, c, row); break;
	case DUCKDB_TYPE_STRUCT:
		put_members(out, c, row);
		break;
	case DUCKDB_TYPE_INTERVAL: put_instant(out, c, row); break;
	case DUCKDB_TYPE_MAP: put_entries(out, c, row); break;
	default: put_digits(out, c, c->type == DUCKDB_TYPE_DECIMAL ? c->store : c->type, row); break;
	}
}
