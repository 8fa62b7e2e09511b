/* types.c - DuckDB's types as columns: how to read their vectors, what they are called.
 *
 * A column is set up once a result (in the statement's arena) and loaded with
 * the vectors of each chunk.
 */
#include "engine/functions/types.h"
#include "sql/sql.h"

#include <stdlib.h>

enum { NESTING_MAX = 64 };

/* ret_digits: of the fraction of a second; -1 = its type says. NULL: not readable. */
static const struct encoding *encoding_at(duckdb_logical_type type, int *ret_digits)
{
	char *alias = duckdb_logical_type_get_alias(type);
	duckdb_type id = duckdb_get_type_id(type);
	const struct encoding *e;
	enum sf_alias ours;

	*ret_digits = -1;
	if (alias && sf_alias(str_of(alias), &ours, ret_digits))
		e = encoding_of_alias(ours);
	else
		e = encoding_of(id, alias && strcmp(alias, "JSON") == 0);
	duckdb_free(alias);
	return e;
}

/* --- what the wire tells of times --- */
enum { SCALE_USUAL = 9 };

static int digits_of(duckdb_type id)
{
	return id == DUCKDB_TYPE_TIMESTAMP_S ? 0 : id == DUCKDB_TYPE_TIMESTAMP_MS ? 3 : SCALE_USUAL;
}

static bool is_time(enum engine_type kind)
{
	return kind == ENGINE_T_TIME || kind == ENGINE_T_TIMESTAMP || kind == ENGINE_T_TIMESTAMPTZ || kind == ENGINE_T_TIMESTAMP_TZ;
}

/* --- children, whatever the type --- */
static idx_t kid_count(duckdb_logical_type type)
{
	switch (duckdb_get_type_id(type)) {
	case DUCKDB_TYPE_LIST:
	case DUCKDB_TYPE_ARRAY:
		return 1;
	case DUCKDB_TYPE_MAP:
		return 2;
	case DUCKDB_TYPE_STRUCT:
		return duckdb_struct_type_child_count(type);
	case DUCKDB_TYPE_UNION:
		return duckdb_union_type_member_count(type);
	default:
		return 0;
	}
}

static duckdb_logical_type kid_type(duckdb_logical_type type, idx_t i)
{
	switch (duckdb_get_type_id(type)) {
	case DUCKDB_TYPE_LIST:
		return duckdb_list_type_child_type(type);
	case DUCKDB_TYPE_ARRAY:
		return duckdb_array_type_child_type(type);
	case DUCKDB_TYPE_MAP:
		return i == 0 ? duckdb_map_type_key_type(type) : duckdb_map_type_value_type(type);
	case DUCKDB_TYPE_STRUCT:
		return duckdb_struct_type_child_type(type, i);
	default:
		return duckdb_union_type_member_type(type, i);
	}
}

static struct str kid_name(struct arena *a, duckdb_logical_type type, idx_t i)
{
	char *name = NULL;
	struct str copy;

	if (duckdb_get_type_id(type) == DUCKDB_TYPE_STRUCT)
		name = duckdb_struct_type_child_name(type, i);
	else if (duckdb_get_type_id(type) == DUCKDB_TYPE_UNION)
		name = duckdb_union_type_member_name(type, i);
	copy = arena_dup(a, str_of(name));
	duckdb_free(name);
	return copy;
}

bool types_readable(duckdb_logical_type type)
{
	int digits;
	bool ok = encoding_at(type, &digits);
	idx_t n = ok ? kid_count(type) : 0;

	for (idx_t i = 0; ok && i < n; i++) {
		duckdb_logical_type kid = kid_type(type, i);

		ok = types_readable(kid);
		duckdb_destroy_logical_type(&kid);
	}
	return ok;
}

/* --- setting up --- */
static bool column_at(struct task *t, duckdb_logical_type type, enum engine_form form, int depth, struct column *ret);

static bool kids_of(struct task *t, duckdb_logical_type type, int depth, struct column *col)
{
	struct arena *a = t->call.arena;
	idx_t n = kid_count(type), tag = col->type == DUCKDB_TYPE_UNION ? 1 : 0;

	if (depth == NESTING_MAX)
		return task_fails(t, "Not implemented", "Type nested deeper than %d levels", NESTING_MAX);
	col->nkids = (int)(n + tag);
	col->kids = ARENA_ARRAY(a, struct column, n + tag);
	col->names = ARENA_ARRAY(a, struct str, n + tag);
	if (tag)
		col->kids[0].type = DUCKDB_TYPE_UTINYINT;
	for (idx_t i = 0; i < n; i++) {
		duckdb_logical_type kid = kid_type(type, i);
		bool ok = column_at(t, kid, col->form, depth + 1, &col->kids[i + tag]);

		duckdb_destroy_logical_type(&kid);
		if (!ok)
			return false;
		col->names[i + tag] = kid_name(a, type, i);
	}
	return true;
}

static void enum_names(struct task *t, duckdb_logical_type type, struct column *col)
{
	uint32_t n = duckdb_enum_dictionary_size(type);

	col->store = duckdb_enum_internal_type(type);
	col->names = ARENA_ARRAY(t->call.arena, struct str, n);
	for (uint32_t i = 0; i < n; i++) {
		char *name = duckdb_enum_dictionary_value(type, i);

		col->names[i] = arena_dup(t->call.arena, str_of(name));
		duckdb_free(name);
	}
}

static bool column_at(struct task *t, duckdb_logical_type type, enum engine_form form, int depth, struct column *ret)
{
	int digits;
	const struct encoding *e = encoding_at(type, &digits);
	struct column *col = ret;

	if (!e)
		return task_fails(t, "Not implemented", "Results of type %d cannot be read", (int)duckdb_get_type_id(type));
	*col = (struct column){.type = duckdb_get_type_id(type), .form = form};
	col->inner = e->inner ? e->inner : e->native;
	if (form == ENGINE_NATIVE)
		col->put = e->native;
	else
		col->put = depth ? col->inner : e->snowflake;
	if (is_time(e->kind))
		col->scale = digits < 0 ? digits_of(col->type) : digits;
	if (col->type == DUCKDB_TYPE_DECIMAL) {
		col->store = duckdb_decimal_internal_type(type);
		col->scale = duckdb_decimal_scale(type);
	} else if (col->type == DUCKDB_TYPE_ENUM) {
		enum_names(t, type, col);
	} else if (col->type == DUCKDB_TYPE_ARRAY) {
		col->array_size = duckdb_array_type_array_size(type);
	}
	if (kid_count(type) && !kids_of(t, type, depth, col))
		return false;
	if (col->type == DUCKDB_TYPE_MAP)
		col->text_keys = col->kids[0].type == DUCKDB_TYPE_VARCHAR || col->kids[0].type == DUCKDB_TYPE_ENUM;
	return true;
}

bool types_column(struct task *t, duckdb_logical_type type, enum engine_form form, struct column *ret)
{
	return column_at(t, type, form, 0, ret);
}

/* --- loading --- */
void types_load(struct column *col, duckdb_vector v)
{
	col->data = duckdb_vector_get_data(v);
	col->valid = duckdb_vector_get_validity(v);
	switch (col->type) {
	case DUCKDB_TYPE_LIST:
		types_load(&col->kids[0], duckdb_list_vector_get_child(v));
		break;
	case DUCKDB_TYPE_ARRAY:
		types_load(&col->kids[0], duckdb_array_vector_get_child(v));
		break;
	case DUCKDB_TYPE_MAP:
		v = duckdb_list_vector_get_child(v);
		/* fall through */
	case DUCKDB_TYPE_STRUCT:
	case DUCKDB_TYPE_UNION:
		for (int i = 0; i < col->nkids; i++)
			types_load(&col->kids[i], duckdb_struct_vector_get_child(v, (idx_t)i));
		break;
	default:
		break;
	}
}

/* --- names --- */
static void type_name(struct buf *b, duckdb_logical_type type);

static const char *const reserved[] = { /* DuckDB's, in order */
	"all", "analyse", "analyze", "and", "any", "array", "as", "asc", "asymmetric", "both", "case", "cast", "check",
	"collate", "column", "constraint", "create", "default", "deferrable", "desc", "describe", "distinct", "do", "else",
	"end", "except", "false", "fetch", "for", "foreign", "from", "group", "having", "in", "initially", "intersect",
	"into", "lambda", "lateral", "leading", "limit", "not", "null", "offset", "on", "only", "or", "order", "pivot",
	"pivot_longer", "pivot_wider", "placing", "primary", "qualify", "references", "returning", "select", "show", "some",
	"summarize", "symmetric", "table", "then", "to", "trailing", "true", "union", "unique", "unpivot", "using",
	"variadic", "when", "where", "window", "with"};

static int by_word(const void *key, const void *word)
{
	return str_cmp(*(const struct str *)key, str_of(*(const char *const *)word));
}

static bool is_plain_name(struct str s)
{
	bool plain = s.n && !ascii_digit(s.p[0]) &&
		     !bsearch(&s, reserved, COUNT_OF(reserved), sizeof(reserved[0]), by_word);

	for (size_t i = 0; plain && i < s.n; i++)
		plain = (s.p[i] >= 'a' && s.p[i] <= 'z') || s.p[i] == '_' || ascii_digit(s.p[i]);
	return plain;
}

static void field_name(struct buf *b, struct str name)
{
	if (is_plain_name(name))
		buf_add(b, name);
	else
		sql_quote_name(b, name);
	buf_addc(b, ' ');
}

static void kid_names(struct buf *b, duckdb_logical_type type, bool named)
{
	OWNS(arena) a = {0};
	idx_t n = kid_count(type);

	for (idx_t i = 0; i < n; i++) {
		duckdb_logical_type kid = kid_type(type, i);

		if (i)
			buf_lit(b, ", ");
		if (named)
			field_name(b, kid_name(&a, type, i));
		type_name(b, kid);
		duckdb_destroy_logical_type(&kid);
	}
}

static void enum_values(struct buf *b, duckdb_logical_type type)
{
	uint32_t n = duckdb_enum_dictionary_size(type);

	for (uint32_t i = 0; i < n; i++) {
		char *name = duckdb_enum_dictionary_value(type, i);

		if (i)
			buf_lit(b, ", ");
		sql_quote_literal(b, str_of(name));
		duckdb_free(name);
	}
}

/* Types that no chunk shows: their values come and go as text. */
static struct str unreadable_name(duckdb_type id)
{
	enum { TYPE_GEOMETRY = 40 }; /* newer than the header */

	if (id == DUCKDB_TYPE_BIGNUM)
		return S("BIGNUM");
	return (int)id == TYPE_GEOMETRY ? S("GEOMETRY") : S("VARIANT");
}

static void type_name(struct buf *b, duckdb_logical_type type)
{
	duckdb_type id = duckdb_get_type_id(type);
	int digits;
	const struct encoding *e = encoding_at(type, &digits);

	if (e && e->kind == ENGINE_T_TIMESTAMP_TZ) {
		buf_add(b, str_of(e->name));
		return;
	}
	if (id != DUCKDB_TYPE_LIST && id != DUCKDB_TYPE_ARRAY)
		buf_add(b, e ? str_of(e->name) : unreadable_name(id));
	switch (id) {
	case DUCKDB_TYPE_LIST:
		kid_names(b, type, false);
		buf_lit(b, "[]");
		break;
	case DUCKDB_TYPE_ARRAY:
		kid_names(b, type, false);
		buf_fmt(b, "[%llu]", (unsigned long long)duckdb_array_type_array_size(type));
		break;
	case DUCKDB_TYPE_DECIMAL:
		buf_fmt(b, "(%d,%d)", duckdb_decimal_width(type), duckdb_decimal_scale(type));
		break;
	case DUCKDB_TYPE_ENUM:
		buf_addc(b, '(');
		enum_values(b, type);
		buf_addc(b, ')');
		break;
	case DUCKDB_TYPE_STRUCT:
	case DUCKDB_TYPE_UNION:
	case DUCKDB_TYPE_MAP:
		buf_addc(b, '(');
		kid_names(b, type, id != DUCKDB_TYPE_MAP);
		buf_addc(b, ')');
		break;
	default:
		break;
	}
}

void types_describe(struct arena *a, duckdb_logical_type type, struct engine_column *ret)
{
	duckdb_type id = duckdb_get_type_id(type);
	int digits;
	const struct encoding *e = encoding_at(type, &digits);
	struct buf name = {0};

	type_name(&name, type);
	ret->type = arena_dup(a, buf_str(&name));
	buf_drop(&name);
	ret->kind = e ? e->kind : ENGINE_T_TEXT;
	ret->nullable = true;
	if (id == DUCKDB_TYPE_DECIMAL) {
		ret->precision = duckdb_decimal_width(type);
		ret->scale = duckdb_decimal_scale(type);
	}
	if (is_time(ret->kind) && (digits >= 0 || digits_of(id) != SCALE_USUAL)) {
		ret->scale = digits < 0 ? digits_of(id) : digits;
		ret->exact = true;
	}
}
