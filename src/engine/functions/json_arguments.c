/* json_arguments.c - arguments of any type, read as VARIANT values, texts and whole numbers: J, P and W of a signature.
 *
 * Any thread of DuckDB; nothing is shared between two calls.
 */
#include "engine/functions/functions.h"

#include <stdio.h>

/* --- signatures --- */
bool sf_reads_values(const struct sf_function *f)
{
	return f->signature[0] == 'J' || f->signature[0] == 'P' || f->signature[0] == 'W';
}

struct arity {
	int least, most; /* most < 0: any number */
};

static struct arity arity_of(const char *signature)
{
	struct arity a = {0, 0};
	bool optional = false;

	for (const char *p = signature; *p != '>'; p++) {
		if (*p == '|') {
			optional = true;
		} else if (*p == '*') {
			a.least -= !optional;
			a.most = -1;
		} else {
			a.least += !optional;
			a.most++;
		}
	}
	return a;
}

static char letter_of(const char *signature, idx_t i)
{
	char last = 'J';

	for (const char *p = signature; *p != '>'; p++) {
		if (*p == '|')
			continue;
		if (*p == '*')
			break;
		last = *p;
		if (i-- == 0)
			break;
	}
	return last;
}

void sf_values_bind(duckdb_bind_info info)
{
	const struct sf_function *f = duckdb_scalar_function_bind_get_extra_info(info);
	struct arity a = arity_of(f->signature);
	int n = (int)duckdb_scalar_function_bind_get_argument_count(info);
	char text[200];

	if (n >= a.least && (a.most < 0 || n <= a.most))
		return;
	snprintf(text, sizeof(text), "SF %s/42601 %s arguments for function [%s], expected %d, got %d",
		 n < a.least ? "000938" : "000939", n < a.least ? "not enough" : "too many", f->name, n < a.least ? a.least : a.most, n);
	duckdb_scalar_function_bind_set_error(info, text);
}

/* --- a row --- */
static struct str value_of(struct sf_row *r, idx_t i)
{
	const struct variant_column *c = &r->values->columns[i];
	struct buf *room = &r->values->rooms[i];

	if (c->type == DUCKDB_TYPE_VARCHAR && c->alias == VARIANT_OURS)
		return variant_column_text(c, r->row);
	buf_clear(room);
	variant_put(room, c, r->row);
	return buf_str(room);
}

/* p NULL: a JSON null is none. */
static struct str text_of(struct sf_row *r, idx_t i)
{
	const struct variant_column *c = &r->values->columns[i];
	struct str text;

	if (c->type == DUCKDB_TYPE_VARCHAR && c->alias != VARIANT_OURS)
		return variant_column_text(c, r->row);
	if (!variant_varchar(value_of(r, i), &r->more, &text))
		return (struct str){NULL, 0};
	return arena_dup(&r->arena, text);
}

static struct str whole_of(struct sf_row *r, idx_t i)
{
	struct str v = value_of(r, i);
	__int128 n = 0;

	if (variant_kind(v) == VARIANT_BOOLEAN)
		n = str_eq(v, S("true"));
	else if (variant_kind(v) == VARIANT_VARCHAR)
		v = variant_text(v, &r->more);
	if (variant_kind(v) != VARIANT_BOOLEAN && !variant_decimal(v, 38, 0, &n)) {
		sf_fails(r, "100038/22018", "Numeric value '%.*s' is not recognized", SARG(str_head(v, 100)));
		return (struct str){NULL, 0};
	}
	r->whole[i] = n > INT64_MAX ? INT64_MAX : n < INT64_MIN ? INT64_MIN : (int64_t)n;
	return S("");
}

static struct str argument(struct sf_row *r, idx_t i)
{
	if (variant_column_null(&r->values->columns[i], r->row))
		return (struct str){NULL, 0};
	switch (r->values->letters[i]) {
	case 'W':
		return whole_of(r, i);
	case 'P':
		return text_of(r, i);
	default:
		return value_of(r, i);
	}
}

bool sf_values_read(struct sf_row *r)
{
	for (idx_t i = 0; i < r->nargs; i++) {
		r->v[i] = argument(r, i);
		if (r->failed || (!r->v[i].p && !(r->function->flags & SF_NULLS)))
			return false;
	}
	return true;
}

/* --- a chunk --- */
bool sf_values_open(struct sf_row *r)
{
	struct sf_values *k = ARENA_NEW(&r->arena, struct sf_values);
	size_t n = r->nargs + 1;

	r->values = k;
	r->text.limit = VARIANT_BYTES;
	r->v = ARENA_ARRAY(&r->arena, struct str, n);
	r->whole = ARENA_ARRAY(&r->arena, int64_t, n);
	k->columns = ARENA_ARRAY(&r->arena, struct variant_column, n);
	k->rooms = ARENA_ARRAY(&r->arena, struct buf, n);
	k->letters = ARENA_ARRAY(&r->arena, char, n);
	for (idx_t i = 0; i < r->nargs; i++) {
		k->letters[i] = letter_of(r->function->signature, i);
		if (!variant_column(&r->arena, duckdb_data_chunk_get_vector(r->input, i), &k->columns[i])) {
			sf_fails(r, SF_BAD_ARGUMENT, "Argument %d of %s is of a type that cannot be a VARIANT", (int)i + 1,
				 r->function->name);
			return false;
		}
	}
	return true;
}

void sf_values_close(struct sf_row *r)
{
	for (idx_t i = 0; i < r->nargs; i++)
		buf_drop(&r->values->rooms[i]);
	variant_path_drop(&r->values->path);
}
