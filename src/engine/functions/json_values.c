/* json_values.c - functions over VARIANT values of any kind: parsing, printing, kinds, paths. */
#include "engine/functions/functions.h"

/* --- JSON text --- */
enum { ON_ERROR_FAIL, ON_ERROR_NULL, ON_ERROR_TELL };

static void parse(struct sf_row *r, struct str text)
{
	bool last_wins = r->nargs > 1 && str_ieq(r->v[1], S("d"));
	struct variant_error error;

	switch (variant_parse(text, last_wins, &r->text, &error)) {
	case VARIANT_PARSED:
		if (sf_own(r) == ON_ERROR_TELL)
			sf_put_null(r);
		else
			sf_put_text(r, buf_str(&r->text));
		return;
	case VARIANT_EMPTY:
		sf_put_null(r);
		return;
	case VARIANT_WRONG:
		break;
	}
	if (sf_own(r) == ON_ERROR_FAIL)
		sf_fails(r, "100069/22P02", "Error parsing JSON: %s", error.text);
	else if (sf_own(r) == ON_ERROR_TELL)
		sf_put_variant(r, str_of(error.text));
	else
		sf_put_null(r);
}

static void parse_json(struct sf_row *r)
{
	parse(r, r->v[0]);
}

/* Of a VARIANT: is it a text with JSON in it? */
static void check_json(struct sf_row *r)
{
	bool text = r->values->columns[0].type == DUCKDB_TYPE_VARCHAR && r->values->columns[0].alias == VARIANT_PLAIN;
	struct str v = r->v[0];

	if (!text && variant_kind(v) != VARIANT_VARCHAR) {
		sf_put_null(r);
		return;
	}
	parse(r, variant_text(v, &r->more));
}

static void to_json(struct sf_row *r)
{
	variant_put_json(&r->text, r->v[0]);
	sf_put_text(r, buf_str(&r->text));
}

static void to_variant(struct sf_row *r)
{
	sf_put_variant(r, r->v[0]);
}

static void cannot_cast(struct sf_row *r, const char *to)
{
	buf_clear(&r->more);
	variant_put_json(&r->more, r->v[0]);
	sf_fails(r, "100071/22000", "Failed to cast variant value %.*s to %s", SARG(str_head(buf_str(&r->more), 200)), to);
}

static void to_object(struct sf_row *r)
{
	if (variant_sql_null(r->v[0]))
		sf_put_null(r);
	else if (variant_kind(r->v[0]) != VARIANT_OBJECT)
		cannot_cast(r, "OBJECT");
	else
		sf_put_variant(r, r->v[0]);
}

static void to_array(struct sf_row *r)
{
	struct variant_list l;

	if (variant_sql_null(r->v[0])) {
		sf_put_null(r);
	} else if (variant_kind(r->v[0]) == VARIANT_ARRAY) {
		sf_put_variant(r, r->v[0]);
	} else {
		l = variant_list(&r->text, '[');
		variant_add(&l, r->v[0]);
		sf_put_built(r, &l, ']');
	}
}

static void strip_null_value(struct sf_row *r)
{
	if (variant_sql_null(r->v[0]))
		sf_put_null(r);
	else
		sf_put_variant(r, r->v[0]);
}

/* --- kinds --- */
static const char *const kind_names[VARIANT_KINDS] = {
	[VARIANT_NULL] = "NULL_VALUE", [VARIANT_BOOLEAN] = "BOOLEAN", [VARIANT_INTEGER] = "INTEGER", [VARIANT_DECIMAL] = "DECIMAL",
	[VARIANT_DOUBLE] = "DOUBLE", [VARIANT_VARCHAR] = "VARCHAR", [VARIANT_BINARY] = "BINARY", [VARIANT_DATE] = "DATE",
	[VARIANT_TIME] = "TIME", [VARIANT_TIMESTAMP_NTZ] = "TIMESTAMP_NTZ", [VARIANT_TIMESTAMP_LTZ] = "TIMESTAMP_LTZ",
	[VARIANT_TIMESTAMP_TZ] = "TIMESTAMP_TZ", [VARIANT_ARRAY] = "ARRAY", [VARIANT_OBJECT] = "OBJECT",
};

static void type_of(struct sf_row *r)
{
	const char *name = kind_names[variant_kind(r->v[0])];

	if (name)
		sf_put_variant(r, str_of(name));
	else
		sf_put_null(r);
}

#define KIND(k) (1u << (k))

static void is_kind(struct sf_row *r)
{
	enum variant_kind k = variant_kind(r->v[0]);

	if (k == VARIANT_UNDEFINED || k == VARIANT_BAD)
		sf_put_null(r);
	else
		sf_put_bool(r, (sf_own(r) & KIND(k)) != 0);
}

/* --- inside --- */
static bool got(const struct sf_row *r, struct str *ret)
{
	enum variant_kind k = variant_kind(r->v[1]);
	struct str key;
	__int128 i;

	if (k == VARIANT_INTEGER || k == VARIANT_DECIMAL)
		return variant_decimal(r->v[1], 18, 0, &i) && variant_at(r->v[0], (int64_t)i, ret);
	if (k != VARIANT_VARCHAR)
		return false;
	key = str_from(r->v[1].p + 1, r->v[1].n - 2);
	return sf_own(r) ? variant_member_icase(r->v[0], key, ret) : variant_member(r->v[0], key, ret);
}

static void get(struct sf_row *r)
{
	struct str found;

	if (got(r, &found))
		sf_put_variant(r, found);
	else
		sf_put_null(r);
}

static void get_path(struct sf_row *r)
{
	struct str found;

	variant_path(&r->values->path, r->v[1]);
	if (r->values->path.bad)
		sf_fails(r, "100402/22000", "Invalid extraction path '%.*s'", SARG(str_head(r->v[1], 200)));
	else if (!variant_get(r->v[0], &r->values->path, &found))
		sf_put_null(r);
	else
		sf_put_variant(r, found);
}

/* Of a text with JSON in it; what is there, as text. */
static void json_extract_path_text(struct sf_row *r)
{
	struct variant_error error;
	struct str found, text;

	buf_clear(&r->rest);
	if (variant_parse(r->v[0], false, &r->rest, &error) == VARIANT_WRONG) {
		sf_fails(r, "100069/22P02", "Error parsing JSON: %s", error.text);
		return;
	}
	variant_path(&r->values->path, r->v[1]);
	if (r->values->path.bad)
		sf_fails(r, "100402/22000", "Invalid extraction path '%.*s'", SARG(str_head(r->v[1], 200)));
	else if (variant_get(buf_str(&r->rest), &r->values->path, &found) && variant_varchar(found, &r->more, &text))
		sf_put_variant(r, text);
	else
		sf_put_null(r);
}

static void sort_key(struct sf_row *r)
{
	variant_sort_key(r->v[0], &r->text);
	sf_put_text(r, buf_str(&r->text));
}

#define IS(name, kinds) {name, "J>B", is_kind, SF_OWN(kinds)}
static const struct sf_function functions[] = {
	{"PARSE_JSON", "P|P>v", parse_json, SF_OWN(ON_ERROR_FAIL)},
	{"TRY_PARSE_JSON", "P|P>v", parse_json, SF_OWN(ON_ERROR_NULL)},
	{"CHECK_JSON", "J>V", check_json, SF_OWN(ON_ERROR_TELL)},
	{"SF_TO_JSON", "J>V", to_json, 0},
	{"TO_VARIANT", "J>v", to_variant, 0},
	{"TO_OBJECT", "J>o", to_object, 0},
	{"TO_ARRAY", "J>a", to_array, 0},
	{"STRIP_NULL_VALUE", "J>v", strip_null_value, 0},
	{"SF_TYPEOF", "J>V", type_of, 0},
	{"GET", "JJ>v", get, 0},
	{"GET_IGNORE_CASE", "JJ>v", get, SF_OWN(1)},
	{"GET_PATH", "JP>v", get_path, 0},
	{"SF_JSON_EXTRACT_PATH_TEXT", "PP>V", json_extract_path_text, 0},
	{"SF_SORT_KEY", "J>V", sort_key, 0},
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

bool variant_values_register(duckdb_connection con)
{
	return sf_register(con, functions, COUNT_OF(functions));
}
