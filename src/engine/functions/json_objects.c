/* json_objects.c - functions that make and change OBJECT values. */
#include "engine/functions/functions.h"

static void duplicate(struct sf_row *r, struct str key)
{
	sf_fails(r, "100070/22000", "Duplicate field key '%.*s'", SARG(str_head(key, 200)));
}

/* The object that was built in r->text, its keys in order; fails when one came twice. */
static void finish(struct sf_row *r, struct variant_list *l)
{
	int64_t n;
	struct str key, item, before = {NULL, 0};

	variant_end(l, '}');
	n = variant_count(buf_str(&r->text));
	variant_sort_members(&r->text, l->from);
	if (!buf_ok(&r->text) || n == variant_count(buf_str(&r->text))) {
		sf_put_text(r, buf_str(&r->text));
		return;
	}
	for (struct variant_items it = variant_items(buf_str(&r->text)); variant_next(&it, &key, &item);)
		before = key;
	duplicate(r, before);
}

static void add(struct variant_list *l, struct str key, struct str v)
{
	variant_add(l, S(""));
	variant_put_key(l->out, key);
	buf_add(l->out, v);
}

static bool is_missing(struct str v)
{
	return !v.p || variant_kind(v) == VARIANT_UNDEFINED;
}

/* OBJECT_CONSTRUCT(*) comes as one row. Its own: NULLs are kept as null. */
static void of_row(struct sf_row *r, struct variant_list *l)
{
	const struct variant_column *c = &r->values->columns[0];

	for (idx_t i = 0; i < c->nkids; i++) {
		bool null = variant_column_null(&c->kids[i], r->row);

		if (null && !sf_own(r))
			continue;
		variant_add(l, S(""));
		variant_put_key(l->out, c->names[i]);
		if (null)
			buf_lit(l->out, "null");
		else
			variant_put(l->out, &c->kids[i], r->row);
	}
}

static void object_construct(struct sf_row *r)
{
	struct variant_list l = variant_list(&r->text, '{');
	struct str key;

	if (r->nargs == 1 && r->values->columns[0].type == DUCKDB_TYPE_STRUCT) {
		of_row(r, &l);
		finish(r, &l);
		return;
	}
	if (r->nargs % 2) {
		sf_fails(r, "000938/42601", "not enough arguments for function [%s], expected %d, got %d", r->function->name,
			 (int)r->nargs + 1, (int)r->nargs);
		return;
	}
	for (idx_t i = 0; i < r->nargs; i += 2) {
		if (!r->v[i].p || !variant_varchar(r->v[i], &r->more, &key) || (is_missing(r->v[i + 1]) && !sf_own(r)))
			continue;
		add(&l, key, is_missing(r->v[i + 1]) ? S("null") : r->v[i + 1]);
	}
	finish(r, &l);
}

static bool object_of(struct sf_row *r, int i)
{
	if (!r->v[i].p || variant_kind(r->v[i]) == VARIANT_NULL) {
		sf_put_null(r);
		return false;
	}
	if (variant_kind(r->v[i]) == VARIANT_OBJECT)
		return true;
	sf_fails(r, "100071/22000", "Failed to cast variant value %.*s to OBJECT", SARG(str_head(r->v[i], 200)));
	return false;
}

static void object_insert(struct sf_row *r)
{
	bool update = r->nargs > 3 && r->v[3].p && r->whole[3];
	struct variant_list l;
	struct str key, item, name;

	if (!r->v[1].p || !object_of(r, 0)) {
		sf_put_null(r);
		return;
	}
	buf_clear(&r->more);
	variant_put_escaped(&r->more, r->v[1]);
	name = buf_str(&r->more);
	l = variant_list(&r->text, '{');
	for (struct variant_items it = variant_items(r->v[0]); variant_next(&it, &key, &item);) {
		if (!str_eq(key, name)) {
			variant_add_member(&l, key, item);
		} else if (!update) {
			duplicate(r, r->v[1]);
			return;
		}
	}
	if (!is_missing(r->v[2]))
		variant_add_member(&l, name, r->v[2]);
	variant_end(&l, '}');
	variant_sort_members(&r->text, l.from);
	sf_put_text(r, buf_str(&r->text));
}

/* Is the key among the texts of the arguments behind the first, which may be arrays of them? */
static bool is_named(struct sf_row *r, struct str escaped)
{
	struct str key, item;

	for (idx_t i = 1; i < r->nargs; i++) {
		if (!r->v[i].p)
			continue;
		if (variant_kind(r->v[i]) == VARIANT_VARCHAR && str_eq(str_from(r->v[i].p + 1, r->v[i].n - 2), escaped))
			return true;
		for (struct variant_items it = variant_items(r->v[i]); variant_next(&it, &key, &item);)
			if (!it.object && variant_kind(item) == VARIANT_VARCHAR && str_eq(str_from(item.p + 1, item.n - 2), escaped))
				return true;
	}
	return false;
}

/* OBJECT_PICK, OBJECT_DELETE: their own says whether those that are named stay. */
static void object_select(struct sf_row *r)
{
	struct variant_list l;
	struct str key, item;

	if (!object_of(r, 0))
		return;
	l = variant_list(&r->text, '{');
	for (struct variant_items it = variant_items(r->v[0]); variant_next(&it, &key, &item);)
		if (is_named(r, key) == (sf_own(r) != 0))
			variant_add_member(&l, key, item);
	sf_put_built(r, &l, '}');
}

static void object_keys(struct sf_row *r)
{
	struct variant_list l;
	struct str key, item;

	if (!object_of(r, 0))
		return;
	l = variant_list(&r->text, '[');
	for (struct variant_items it = variant_items(r->v[0]); variant_next(&it, &key, &item);)
		variant_add(&l, str_from(key.p - 1, key.n + 2));
	sf_put_built(r, &l, ']');
}

/* Of a list of pairs, {k, v}; those that miss one are left out. */
static void object_of_pairs(struct sf_row *r)
{
	struct variant_list l = variant_list(&r->text, '{');
	struct str none, pair, key, v;

	if (r->v[0].p)
		for (struct variant_items it = variant_items(r->v[0]); variant_next(&it, &none, &pair);)
			if (variant_member(pair, S("k"), &key) && variant_member(pair, S("v"), &v) && variant_varchar(key, &r->more, &key))
				add(&l, key, v);
	finish(r, &l);
}

static void arrays_to_object(struct sf_row *r)
{
	struct variant_items keys = variant_items(r->v[0]), values = variant_items(r->v[1]);
	struct variant_list l = variant_list(&r->text, '{');
	struct str none, key, v, text;

	if (variant_count(r->v[0]) != variant_count(r->v[1])) {
		sf_fails(r, "100402/22000", "The key array and value array had unequal lengths in ARRAYS_TO_OBJECT");
		return;
	}
	while (variant_next(&keys, &none, &key) && variant_next(&values, &none, &v))
		if (variant_varchar(key, &r->more, &text))
			add(&l, text, is_missing(v) ? S("null") : v);
	finish(r, &l);
}

static const struct sf_function functions[] = {
	{"OBJECT_CONSTRUCT", "J*>o", object_construct, SF_NULLS},
	{"OBJECT_CONSTRUCT_KEEP_NULL", "J*>o", object_construct, SF_NULLS | SF_OWN(1)},
	{"OBJECT_INSERT", "JPJ|W>o", object_insert, SF_NULLS},
	{"OBJECT_DELETE", "JJJ*>o", object_select, SF_NULLS},
	{"OBJECT_PICK", "JJJ*>o", object_select, SF_NULLS | SF_OWN(1)},
	{"OBJECT_KEYS", "J>a", object_keys, 0},
	{"SF_OBJECT_OF", "J>o", object_of_pairs, SF_NULLS},
	{"ARRAYS_TO_OBJECT", "JJ>o", arrays_to_object, 0},
};

bool variant_objects_register(duckdb_connection con)
{
	return sf_register(con, functions, COUNT_OF(functions));
}
