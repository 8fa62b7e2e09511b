/* json_objects.c - functions that make and change OBJECT values. */
#include "engine/functions/json_of.h"

static void duplicate(struct variant_call *f, struct str key)
{
	variant_fails(f, "100070/22000", "Duplicate field key '%.*s'", SARG(str_head(key, 200)));
}

/* The object that was built in f->out, its keys in order; fails when one came twice. */
static void finish(struct variant_call *f, struct variant_list *l)
{
	int64_t n;
	struct str key, item, before = {NULL, 0};

	variant_end(l, '}');
	n = variant_count(buf_str(&f->out));
	variant_sort_members(&f->out, l->from);
	if (!buf_ok(&f->out) || n == variant_count(buf_str(&f->out)))
		return;
	for (struct variant_items it = variant_items(buf_str(&f->out)); variant_next(&it, &key, &item);)
		before = key;
	duplicate(f, before);
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

/* OBJECT_CONSTRUCT(*) comes as one row. `extra`: NULLs are kept as null. */
static void of_row(struct variant_call *f, struct variant_list *l)
{
	const struct variant_column *c = &f->columns[0];

	for (idx_t i = 0; i < c->nkids; i++) {
		bool null = variant_column_null(&c->kids[i], f->row);

		if (null && !f->fn->extra)
			continue;
		variant_add(l, S(""));
		variant_put_key(l->out, c->names[i]);
		if (null)
			buf_lit(l->out, "null");
		else
			variant_put(l->out, &c->kids[i], f->row);
	}
}

static void object_construct(struct variant_call *f)
{
	struct variant_list l = variant_list(&f->out, '{');
	struct str key;

	if (f->n == 1 && f->columns[0].type == DUCKDB_TYPE_STRUCT) {
		of_row(f, &l);
		finish(f, &l);
		return;
	}
	if (f->n % 2) {
		variant_fails(f, "000938/42601", "not enough arguments for function [%s], expected %d, got %d", f->fn->name, f->n + 1, f->n);
		return;
	}
	for (int i = 0; i < f->n; i += 2) {
		if (!f->v[i].p || !variant_varchar(f->v[i], &f->room, &key) || (is_missing(f->v[i + 1]) && !f->fn->extra))
			continue;
		add(&l, key, is_missing(f->v[i + 1]) ? S("null") : f->v[i + 1]);
	}
	finish(f, &l);
}

static bool object_of(struct variant_call *f, int i)
{
	if (!f->v[i].p || variant_kind(f->v[i]) == VARIANT_NULL) {
		f->null = true;
		return false;
	}
	if (variant_kind(f->v[i]) == VARIANT_OBJECT)
		return true;
	variant_fails(f, "100071/22000", "Failed to cast variant value %.*s to OBJECT", SARG(str_head(f->v[i], 200)));
	return false;
}

static void object_insert(struct variant_call *f)
{
	bool update = f->n > 3 && f->v[3].p && f->ints[3];
	struct variant_list l;
	struct str key, item, name;

	if (!f->v[1].p || !object_of(f, 0)) {
		f->null = true;
		return;
	}
	buf_clear(&f->room);
	variant_put_escaped(&f->room, f->v[1]);
	name = buf_str(&f->room);
	l = variant_list(&f->out, '{');
	for (struct variant_items it = variant_items(f->v[0]); variant_next(&it, &key, &item);) {
		if (!str_eq(key, name)) {
			variant_add_member(&l, key, item);
		} else if (!update) {
			duplicate(f, f->v[1]);
			return;
		}
	}
	if (!is_missing(f->v[2]))
		variant_add_member(&l, name, f->v[2]);
	variant_end(&l, '}');
	variant_sort_members(&f->out, l.from);
}

/* Is the key among the texts of the arguments behind the first, which may be arrays of them? */
static bool is_named(struct variant_call *f, struct str escaped)
{
	struct str key, item;

	for (int i = 1; i < f->n; i++) {
		if (!f->v[i].p)
			continue;
		if (variant_kind(f->v[i]) == VARIANT_VARCHAR && str_eq(str_from(f->v[i].p + 1, f->v[i].n - 2), escaped))
			return true;
		for (struct variant_items it = variant_items(f->v[i]); variant_next(&it, &key, &item);)
			if (!it.object && variant_kind(item) == VARIANT_VARCHAR && str_eq(str_from(item.p + 1, item.n - 2), escaped))
				return true;
	}
	return false;
}

/* OBJECT_PICK, OBJECT_DELETE: `extra` says whether those that are named stay. */
static void object_select(struct variant_call *f)
{
	struct variant_list l;
	struct str key, item;

	if (!object_of(f, 0))
		return;
	l = variant_list(&f->out, '{');
	for (struct variant_items it = variant_items(f->v[0]); variant_next(&it, &key, &item);)
		if (is_named(f, key) == (f->fn->extra != 0))
			variant_add_member(&l, key, item);
	variant_end(&l, '}');
}

static void object_keys(struct variant_call *f)
{
	struct variant_list l;
	struct str key, item;

	if (!object_of(f, 0))
		return;
	l = variant_list(&f->out, '[');
	for (struct variant_items it = variant_items(f->v[0]); variant_next(&it, &key, &item);)
		variant_add(&l, str_from(key.p - 1, key.n + 2));
	variant_end(&l, ']');
}

/* Of a list of pairs, {k, v}; those that miss one are left out. */
static void object_of_pairs(struct variant_call *f)
{
	struct variant_list l = variant_list(&f->out, '{');
	struct str none, pair, key, v;

	if (f->v[0].p)
		for (struct variant_items it = variant_items(f->v[0]); variant_next(&it, &none, &pair);)
			if (variant_member(pair, S("k"), &key) && variant_member(pair, S("v"), &v) && variant_varchar(key, &f->room, &key))
				add(&l, key, v);
	finish(f, &l);
}

static void arrays_to_object(struct variant_call *f)
{
	struct variant_items keys = variant_items(f->v[0]), values = variant_items(f->v[1]);
	struct variant_list l = variant_list(&f->out, '{');
	struct str none, key, v, text;

	if (variant_count(f->v[0]) != variant_count(f->v[1])) {
		variant_fails(f, "100402/22000", "The key array and value array had unequal lengths in ARRAYS_TO_OBJECT");
		return;
	}
	while (variant_next(&keys, &none, &key) && variant_next(&values, &none, &v))
		if (variant_varchar(key, &f->room, &text))
			add(&l, text, is_missing(v) ? S("null") : v);
	finish(f, &l);
}

const struct variant_function variant_objects[] = {
	VARIANT_FN("OBJECT_CONSTRUCT", "v*", GIVES_OBJECT, object_construct, .nulls = true),
	VARIANT_FN("OBJECT_CONSTRUCT_KEEP_NULL", "v*", GIVES_OBJECT, object_construct, .nulls = true, .extra = 1),
	VARIANT_FN("OBJECT_INSERT", "vtv|i", GIVES_OBJECT, object_insert, .nulls = true),
	VARIANT_FN("OBJECT_DELETE", "vvv*", GIVES_OBJECT, object_select, .nulls = true),
	VARIANT_FN("OBJECT_PICK", "vvv*", GIVES_OBJECT, object_select, .nulls = true, .extra = 1),
	VARIANT_FN("OBJECT_KEYS", "v", GIVES_ARRAY, object_keys),
	VARIANT_FN("SF_OBJECT_OF", "v", GIVES_OBJECT, object_of_pairs, .nulls = true),
	VARIANT_FN("ARRAYS_TO_OBJECT", "vv", GIVES_OBJECT, arrays_to_object),
};
const size_t variant_nobjects = COUNT_OF(variant_objects);
