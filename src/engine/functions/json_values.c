/* json_values.c - functions over VARIANT values of any kind: parsing, printing, kinds, paths. */
#include "engine/functions/json_of.h"

/* --- JSON text --- */
enum { ON_ERROR_FAIL, ON_ERROR_NULL, ON_ERROR_TELL };

static bool last_wins(const struct variant_call *f)
{
	return f->n > 1 && str_ieq(f->v[1], S("d"));
}

static void parse_json(struct variant_call *f)
{
	struct variant_error error;

	switch (variant_parse(f->v[0], last_wins(f), &f->out, &error)) {
	case VARIANT_PARSED:
		f->null = f->fn->extra == ON_ERROR_TELL;
		return;
	case VARIANT_EMPTY:
		f->null = true;
		return;
	case VARIANT_WRONG:
		break;
	}
	if (f->fn->extra == ON_ERROR_FAIL)
		variant_fails(f, "100069/22P02", "Error parsing JSON: %s", error.text);
	else if (f->fn->extra == ON_ERROR_TELL)
		variant_gives(f, str_of(error.text));
	else
		f->null = true;
}

/* Of a VARIANT: is it a text with JSON in it? */
static void check_json(struct variant_call *f)
{
	bool text = f->columns[0].type == DUCKDB_TYPE_VARCHAR && f->columns[0].alias == VARIANT_PLAIN;
	struct str v = f->v[0];

	if (!text && variant_kind(v) != VARIANT_VARCHAR) {
		f->null = true;
		return;
	}
	f->v[0] = variant_text(v, &f->room);
	parse_json(f);
}

static void to_json(struct variant_call *f)
{
	variant_put_json(&f->out, f->v[0]);
}

static void to_variant(struct variant_call *f)
{
	variant_gives(f, f->v[0]);
}

static void cannot_cast(struct variant_call *f, const char *to)
{
	buf_clear(&f->room);
	variant_put_json(&f->room, f->v[0]);
	variant_fails(f, "100071/22000", "Failed to cast variant value %.*s to %s", SARG(str_head(buf_str(&f->room), 200)), to);
}

static void to_object(struct variant_call *f)
{
	if (variant_sql_null(f->v[0]))
		f->null = true;
	else if (variant_kind(f->v[0]) != VARIANT_OBJECT)
		cannot_cast(f, "OBJECT");
	else
		variant_gives(f, f->v[0]);
}

static void to_array(struct variant_call *f)
{
	struct variant_list l;

	if (variant_sql_null(f->v[0])) {
		f->null = true;
	} else if (variant_kind(f->v[0]) == VARIANT_ARRAY) {
		variant_gives(f, f->v[0]);
	} else {
		l = variant_list(&f->out, '[');
		variant_add(&l, f->v[0]);
		variant_end(&l, ']');
	}
}

static void strip_null_value(struct variant_call *f)
{
	if (variant_sql_null(f->v[0]))
		f->null = true;
	else
		variant_gives(f, f->v[0]);
}

/* --- kinds --- */
static const char *const kind_names[VARIANT_KINDS] = {
	[VARIANT_NULL] = "NULL_VALUE", [VARIANT_BOOLEAN] = "BOOLEAN", [VARIANT_INTEGER] = "INTEGER", [VARIANT_DECIMAL] = "DECIMAL",
	[VARIANT_DOUBLE] = "DOUBLE", [VARIANT_VARCHAR] = "VARCHAR", [VARIANT_BINARY] = "BINARY", [VARIANT_DATE] = "DATE",
	[VARIANT_TIME] = "TIME", [VARIANT_TIMESTAMP_NTZ] = "TIMESTAMP_NTZ", [VARIANT_TIMESTAMP_LTZ] = "TIMESTAMP_LTZ",
	[VARIANT_TIMESTAMP_TZ] = "TIMESTAMP_TZ", [VARIANT_ARRAY] = "ARRAY", [VARIANT_OBJECT] = "OBJECT",
};

static void type_of(struct variant_call *f)
{
	const char *name = kind_names[variant_kind(f->v[0])];

	if (name)
		variant_gives(f, str_of(name));
	else
		f->null = true;
}

#define KIND(k) (1 << (k))

static void is_kind(struct variant_call *f)
{
	enum variant_kind k = variant_kind(f->v[0]);

	f->null = k == VARIANT_UNDEFINED || k == VARIANT_BAD;
	f->number = (f->fn->extra & KIND(k)) != 0;
}

/* --- inside --- */
static void get(struct variant_call *f)
{
	enum variant_kind k = variant_kind(f->v[1]);
	struct str found = {NULL, 0}, key = {NULL, 0};
	__int128 i;

	if (k == VARIANT_INTEGER || k == VARIANT_DECIMAL) {
		if (!variant_decimal(f->v[1], 18, 0, &i) || !variant_at(f->v[0], (int64_t)i, &found))
			f->null = true;
	} else if (k == VARIANT_VARCHAR) {
		key = str_from(f->v[1].p + 1, f->v[1].n - 2);
		if (!(f->fn->extra ? variant_member_icase(f->v[0], key, &found) : variant_member(f->v[0], key, &found)))
			f->null = true;
	} else {
		f->null = true;
	}
	if (!f->null)
		variant_gives(f, found);
}

static void get_path(struct variant_call *f)
{
	struct str found;

	variant_path(&f->path, f->v[1]);
	if (f->path.bad)
		variant_fails(f, "100402/22000", "Invalid extraction path '%.*s'", SARG(str_head(f->v[1], 200)));
	else if (!variant_get(f->v[0], &f->path, &found))
		f->null = true;
	else
		variant_gives(f, found);
}

/* Of a text with JSON in it; what is there, as text. */
static void json_extract_path_text(struct variant_call *f)
{
	struct variant_error error;
	struct str found, text;

	buf_clear(&f->room2);
	if (variant_parse(f->v[0], false, &f->room2, &error) == VARIANT_WRONG) {
		variant_fails(f, "100069/22P02", "Error parsing JSON: %s", error.text);
		return;
	}
	variant_path(&f->path, f->v[1]);
	if (f->path.bad)
		variant_fails(f, "100402/22000", "Invalid extraction path '%.*s'", SARG(str_head(f->v[1], 200)));
	else if (variant_get(buf_str(&f->room2), &f->path, &found) && variant_varchar(found, &f->room, &text))
		variant_gives(f, text);
	else
		f->null = true;
}

static void sort_key(struct variant_call *f)
{
	variant_sort_key(f->v[0], &f->out);
}

#define IS(name, kinds) VARIANT_FN(name, "v", GIVES_BOOLEAN, is_kind, .extra = (kinds))
const struct variant_function variant_values[] = {
	VARIANT_FN("PARSE_JSON", "t|t", GIVES_VARIANT, parse_json, .extra = ON_ERROR_FAIL),
	VARIANT_FN("TRY_PARSE_JSON", "t|t", GIVES_VARIANT, parse_json, .extra = ON_ERROR_NULL),
	VARIANT_FN("CHECK_JSON", "v", GIVES_TEXT, check_json, .extra = ON_ERROR_TELL),
	VARIANT_FN("SF_TO_JSON", "v", GIVES_TEXT, to_json),
	VARIANT_FN("TO_VARIANT", "v", GIVES_VARIANT, to_variant),
	VARIANT_FN("TO_OBJECT", "v", GIVES_OBJECT, to_object),
	VARIANT_FN("TO_ARRAY", "v", GIVES_ARRAY, to_array),
	VARIANT_FN("STRIP_NULL_VALUE", "v", GIVES_VARIANT, strip_null_value),
	VARIANT_FN("SF_TYPEOF", "v", GIVES_TEXT, type_of),
	VARIANT_FN("GET", "vv", GIVES_VARIANT, get),
	VARIANT_FN("GET_IGNORE_CASE", "vv", GIVES_VARIANT, get, .extra = 1),
	VARIANT_FN("GET_PATH", "vt", GIVES_VARIANT, get_path),
	VARIANT_FN("SF_JSON_EXTRACT_PATH_TEXT", "tt", GIVES_TEXT, json_extract_path_text),
	VARIANT_FN("SF_SORT_KEY", "v", GIVES_TEXT, sort_key),
	IS("IS_ARRAY", KIND(VARIANT_ARRAY)),
	IS("IS_BINARY", KIND(VARIANT_BINARY)),
	IS("IS_BOOLEAN", KIND(VARIANT_BOOLEAN)),
	IS("IS_CHAR", KIND(VARIANT_VARCHAR)),
	IS("IS_VARCHAR", KIND(VARIANT_VARCHAR)),
	IS("IS_DATE", KIND(VARIANT_DATE)),
	IS("IS_DATE_VALUE", KIND(VARIANT_DATE)),
	IS("IS_DECIMAL", KIND(VARIANT_DECIMAL) | KIND(VARIANT_INTEGER)),
	IS("IS_DOUBLE", KIND(VARIANT_DOUBLE) | KIND(VARIANT_DECIMAL) | KIND(VARIANT_INTEGER)),
	IS("IS_REAL", KIND(VARIANT_DOUBLE) | KIND(VARIANT_DECIMAL) | KIND(VARIANT_INTEGER)),
	IS("IS_INTEGER", KIND(VARIANT_INTEGER)),
	IS("IS_NULL_VALUE", KIND(VARIANT_NULL)),
	IS("IS_OBJECT", KIND(VARIANT_OBJECT)),
	IS("IS_TIME", KIND(VARIANT_TIME)),
	IS("IS_TIMESTAMP_NTZ", KIND(VARIANT_TIMESTAMP_NTZ)),
	IS("IS_TIMESTAMP_LTZ", KIND(VARIANT_TIMESTAMP_LTZ)),
	IS("IS_TIMESTAMP_TZ", KIND(VARIANT_TIMESTAMP_TZ)),
};
const size_t variant_nvalues = COUNT_OF(variant_values);
