/* cells.c - PostgreSQL's text output as native cells, by type.
 *
 * A row of the table for each type that is more than text; an array has its element's row, whatever its number of dimensions. All
 * else (enums, ranges, networks, composites, numeric without a precision) is VARCHAR: the server's own text. A text that
 * is not of its type's shape, as after SET DateStyle, becomes a string too: what is written is always JSON. Pure but for buffers.
 */
#include "engine/json_text.h"
#include "engine/pg/pg_int.h"
#include "json/json.h"

enum { ARRAY_DEPTH = 6 /* PostgreSQL's own */, PRECISION_MAX = 38, TYPMOD_HEAD = 4 };

typedef bool put_fn(struct str s, struct buf *out); /* false: not of this type, nothing is written */
struct pg_type {
	unsigned oid, array; /* array: oid of the type's arrays */
	const char *name;
	enum engine_type kind;
	put_fn *put;
	bool quoted;         /* put() writes what stands between quotes */
	bool iso;            /* only with DateStyle ISO */
};

static bool put_text(struct str s, struct buf *out)
{
	json_quote(out, s);
	return true;
}

static bool put_bool(struct str s, struct buf *out)
{
	if (!str_eq(s, S("t")) && !str_eq(s, S("f")))
		return false;
	buf_add(out, s.p[0] == 't' ? S("true") : S("false"));
	return true;
}

static bool put_int(struct str s, struct buf *out)
{
	if (str_find(s, '.') < s.n || str_find(s, 'e') < s.n || !json_is_number(s))
		return false;
	buf_add(out, s);
	return true;
}

static bool put_real(struct str s, struct buf *out)
{
	if (str_eq(s, S("NaN")) || str_eq(s, S("Infinity")) || str_eq(s, S("-Infinity")))
		return put_text(s, out);
	if (!json_is_number(s))
		return false;
	buf_add(out, s);
	if (str_find(s, '.') == s.n && str_find(s, 'e') == s.n)
		buf_lit(out, ".0");
	return true;
}

static bool put_json_text(struct str s, struct buf *out)
{
	if (!str_is_utf8(s))
		return put_text(s, out);
	put_json(out, s, JSON_COMPACT);
	return true;
}

/* bytea_output = escape, when somebody set it: \ooo, \\ and bytes. */
static bool unescape(struct str s, struct buf *out)
{
	for (size_t i = 0; i < s.n; i++) {
		const char *p = s.p + i;

		if (*p != '\\') {
			buf_addc(out, *p);
		} else if (s.n - i >= 2 && p[1] == '\\') {
			buf_addc(out, '\\');
			i++;
		} else if (s.n - i >= 4 && p[1] >= '0' && p[1] <= '3' && p[2] >= '0' && p[2] <= '7' && p[3] >= '0' && p[3] <= '7') {
			buf_addc(out, (char)((p[1] - '0') * 64 + (p[2] - '0') * 8 + (p[3] - '0')));
			i += 3;
		} else {
			return false;
		}
	}
	return true;
}

static bool put_bytes(struct str s, struct buf *out)
{
	OWNS(buf) bytes = {0};
	bool hex = str_starts(s, S("\\x"));

	if (hex ? !hash_unhex(str_tail(s, 2), &bytes) : !unescape(s, &bytes))
		return false;
	hash_base64(buf_str(&bytes), out);
	return true;
}

static const struct pg_type types[] = {
	{16, 1000, "BOOLEAN", ENGINE_T_BOOL, put_bool, false, false},
	{17, 1001, "BLOB", ENGINE_T_BLOB, put_bytes, true, false},
	{20, 1016, "BIGINT", ENGINE_T_INT, put_int, false, false},
	{21, 1005, "SMALLINT", ENGINE_T_INT, put_int, false, false},
	{23, 1007, "INTEGER", ENGINE_T_INT, put_int, false, false},
	{26, 1028, "UINTEGER", ENGINE_T_INT, put_int, false, false}, /* oid */
	{114, 199, "JSON", ENGINE_T_JSON, put_json_text, false, false},
	{3802, 3807, "JSON", ENGINE_T_JSON, put_json_text, false, false},
	{700, 1021, "FLOAT", ENGINE_T_REAL, put_real, false, false},
	{701, 1022, "DOUBLE", ENGINE_T_REAL, put_real, false, false},
	{1082, 1182, "DATE", ENGINE_T_DATE, pg_date, true, true},
	{1083, 1183, "TIME", ENGINE_T_TIME, pg_time, true, false},
	{1266, 1270, "TIME WITH TIME ZONE", ENGINE_T_TIMETZ, pg_timetz, true, false},
	{1114, 1115, "TIMESTAMP", ENGINE_T_TIMESTAMP, pg_timestamp, true, true},
	{1184, 1185, "TIMESTAMP WITH TIME ZONE", ENGINE_T_TIMESTAMPTZ, pg_timestamptz, true, true},
	{1186, 1187, "INTERVAL", ENGINE_T_INTERVAL, pg_interval, true, false},
	{2950, 2951, "UUID", ENGINE_T_UUID, put_text, false, false},
	/* text; those below have arrays of their own */
	{25, 1009, "VARCHAR", ENGINE_T_TEXT, put_text, false, false},
	{1043, 1015, "VARCHAR", ENGINE_T_TEXT, put_text, false, false},
	{1042, 1014, "VARCHAR", ENGINE_T_TEXT, put_text, false, false},
	{18, 1002, "VARCHAR", ENGINE_T_TEXT, put_text, false, false},
	{19, 1003, "VARCHAR", ENGINE_T_TEXT, put_text, false, false},
	{142, 143, "VARCHAR", ENGINE_T_TEXT, put_text, false, false},
	{1560, 1561, "VARCHAR", ENGINE_T_TEXT, put_text, false, false},
	{1562, 1563, "VARCHAR", ENGINE_T_TEXT, put_text, false, false},
	{1700, 1231, "VARCHAR", ENGINE_T_TEXT, put_text, false, false}, /* numeric; with a precision: DECIMAL */
	{869, 1041, "VARCHAR", ENGINE_T_TEXT, put_text, false, false},  /* inet */
	{650, 651, "VARCHAR", ENGINE_T_TEXT, put_text, false, false},   /* cidr */
};
static const struct pg_type any = {0, 0, "VARCHAR", ENGINE_T_TEXT, put_text, false, false};
enum { NUMERIC = 1700, INTERVAL = 1186 };

struct pg_cells {
	int n;
	struct {
		const struct pg_type *type;
		bool array;
	} columns[];
};

/* --- columns --- */
static bool style_is(PGconn *db, const char *parameter, const char *start)
{
	const char *v = PQparameterStatus(db, parameter);

	return !v || strncmp(v, start, strlen(start)) == 0;
}

static const struct pg_type *type_of(PGconn *db, unsigned oid, bool *ret_array)
{
	const struct pg_type *t = &any;

	*ret_array = false;
	for (size_t i = 0; i < COUNT_OF(types) && t == &any; i++)
		if (types[i].oid == oid || types[i].array == oid) {
			t = &types[i];
			*ret_array = types[i].array == oid;
		}
	if ((t->iso && !style_is(db, "DateStyle", "ISO")) || (t->oid == INTERVAL && !style_is(db, "IntervalStyle", "postgres")))
		return &any; /* whatever the session set: its words */
	return t;
}

/* The scale may be negative, or larger than the precision. */
static bool decimal_of(int typmod, int *ret_precision, int *ret_scale)
{
	int precision = (typmod - TYPMOD_HEAD) >> 16 & 0xffff, scale = (((typmod - TYPMOD_HEAD) & 0x7ff) ^ 1024) - 1024;

	if (typmod < TYPMOD_HEAD)
		return false;
	if (scale < 0) {
		precision -= scale;
		scale = 0;
	} else if (scale > precision) {
		precision = scale;
	}
	*ret_precision = precision;
	*ret_scale = scale;
	return precision > 0 && precision <= PRECISION_MAX;
}

static struct str clean(struct arena *a, const char *z)
{
	struct str s = str_of(z);
	char *copy;

	if (str_is_utf8(s))
		return s;
	copy = arena_cstr(a, s);
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)copy[i] >= 0x80)
			copy[i] = '?';
	return str_from(copy, s.n);
}

static struct str packed(struct arena *a, const struct engine_column *v, int n)
{
	OWNS(buf) out = {0};

	engine_pack_columns(v, n, &out);
	return arena_dup(a, buf_str(&out));
}

const struct pg_cells *pg_cells_of(struct arena *a, PGconn *db, const PGresult *res, struct str *ret_columns)
{
	int n = PQnfields(res);
	struct pg_cells *v = arena_zalloc(a, sizeof(*v) + sizeof(v->columns[0]) * (size_t)n);
	struct engine_column *columns = ARENA_ARRAY(a, struct engine_column, (size_t)n + 1);

	v->n = n;
	for (int i = 0; i < n; i++) {
		bool array;
		const struct pg_type *t = type_of(db, PQftype(res, i), &array);
		struct engine_column *col = &columns[i];
		int precision, scale;

		v->columns[i].type = t;
		v->columns[i].array = array && t != &any;
		*col = (struct engine_column){.name = clean(a, PQfname(res, i)), .type = str_of(t->name), .kind = t->kind, .nullable = true};
		if (t->oid == NUMERIC && decimal_of(PQfmod(res, i), &precision, &scale)) {
			col->type = arena_fmt(a, "DECIMAL(%d,%d)", precision, scale);
			col->kind = ENGINE_T_DECIMAL;
			col->precision = array ? 0 : precision;
			col->scale = array ? 0 : scale;
		}
		if (v->columns[i].array) {
			col->type = arena_fmt(a, "%.*s[]", SARG(col->type));
			col->kind = ENGINE_T_LIST;
		}
	}
	*ret_columns = packed(a, columns, n);
	return v;
}

const struct pg_cells *pg_cells_text(struct arena *a, const PGresult *res, struct str *ret_columns)
{
	int n = PQnfields(res);
	struct pg_cells *v = arena_zalloc(a, sizeof(*v) + sizeof(v->columns[0]) * (size_t)n);
	struct engine_column *columns = ARENA_ARRAY(a, struct engine_column, (size_t)n + 1);

	v->n = n;
	for (int i = 0; i < n; i++) {
		v->columns[i].type = &any;
		columns[i] = (struct engine_column){
			.name = clean(a, PQfname(res, i)), .type = str_of(any.name), .kind = any.kind, .nullable = true};
	}
	*ret_columns = packed(a, columns, n);
	return v;
}

struct str pg_cells_copy_columns(struct arena *a, bool binary)
{
	const struct engine_column text = {.name = S("copy"), .type = S("VARCHAR"), .kind = ENGINE_T_TEXT, .nullable = true};
	const struct engine_column bytes = {.name = S("copy"), .type = S("BLOB"), .kind = ENGINE_T_BLOB, .nullable = true};

	return packed(a, binary ? &bytes : &text, 1);
}

/* --- cells --- */
static void put_cell(const struct pg_type *t, struct str s, struct buf *out)
{
	size_t from = out->n;

	if (t->quoted)
		buf_addc(out, '"');
	if (t->put(s, out)) {
		if (t->quoted)
			buf_addc(out, '"');
		return;
	}
	out->n = from;
	json_quote(out, s);
}

/* --- arrays: {1,NULL,"a\"b",{…}}, with bounds before them where they are not 1 --- */
struct walk {
	const char *p, *end;
	const struct pg_type *type;
	struct buf *out, *text; /* text: an element without its escapes */
};

static void quoted_element(struct walk *w)
{
	for (; w->p < w->end && *w->p != '"'; w->p++) {
		if (*w->p == '\\' && w->p + 1 < w->end)
			w->p++;
		buf_addc(w->text, *w->p);
	}
}

static bool element(struct walk *w)
{
	bool quoted = *w->p == '"';

	buf_clear(w->text);
	if (quoted) {
		w->p++;
		quoted_element(w);
		if (w->p == w->end)
			return false;
		w->p++;
	} else {
		for (; w->p < w->end && *w->p != ',' && *w->p != '}'; w->p++)
			buf_addc(w->text, *w->p);
	}
	if (!quoted && str_eq(buf_str(w->text), S("NULL")))
		buf_lit(w->out, "null");
	else
		put_cell(w->type, buf_str(w->text), w->out);
	return true;
}

static bool braces(struct walk *w, int depth)
{
	if (depth == ARRAY_DEPTH || w->p == w->end || *w->p++ != '{')
		return false;
	buf_addc(w->out, '[');
	for (bool first = true; w->p < w->end && *w->p != '}'; first = false) {
		if (!first) {
			if (*w->p++ != ',' || w->p == w->end)
				return false;
			buf_addc(w->out, ',');
		}
		if (*w->p == '{' ? !braces(w, depth + 1) : !element(w))
			return false;
	}
	if (w->p == w->end)
		return false;
	w->p++;
	buf_addc(w->out, ']');
	return true;
}

static void put_array(const struct pg_type *t, struct str s, struct buf *out)
{
	OWNS(buf) text = {0};
	size_t from = out->n, bounds = s.n && s.p[0] == '[' ? str_find(s, '=') + 1 : 0;
	struct str body = bounds <= s.n ? str_tail(s, bounds) : s;
	struct walk w = {body.p, body.p + body.n, t, out, &text};

	if (braces(&w, 0) && w.p == w.end)
		return;
	out->n = from;
	json_quote(out, s);
}

void pg_cells_row(const struct pg_cells *v, const PGresult *res, struct buf *out)
{
	buf_addc(out, '[');
	for (int i = 0; i < v->n; i++) {
		struct str s = str_from(PQgetvalue(res, 0, i), (size_t)PQgetlength(res, 0, i));

		if (i)
			buf_addc(out, ',');
		if (PQgetisnull(res, 0, i))
			buf_lit(out, "null");
		else if (v->columns[i].array)
			put_array(v->columns[i].type, s, out);
		else
			put_cell(v->columns[i].type, s, out);
	}
	buf_addc(out, ']');
}
