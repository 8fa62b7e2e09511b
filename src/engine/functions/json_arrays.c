/* json_arrays.c - functions over ARRAY values. Whatever is no array stands for the array with it alone. */
#include "engine/functions/json_of.h"

#include <stdlib.h>

/* The items of an array; of another value the value itself. `spans` is cleared. */
static size_t items_of(struct str v, struct buf *spans)
{
	struct str key, item;

	buf_clear(spans);
	if (variant_kind(v) == VARIANT_ARRAY) {
		for (struct variant_items it = variant_items(v); variant_next(&it, &key, &item);)
			buf_add(spans, str_from((const char *)&item, sizeof(item)));
	} else {
		buf_add(spans, str_from((const char *)&v, sizeof(v)));
	}
	return spans->n / sizeof(struct str);
}

static struct str *spans_in(struct buf *spans)
{
	return (struct str *)(void *)spans->p;
}

static bool is_undefined(struct str v)
{
	return variant_kind(v) == VARIANT_UNDEFINED;
}

static bool same(struct str a, struct str b)
{
	return str_eq(a, b) || (variant_is_number(variant_kind(a)) && variant_is_number(variant_kind(b)) && variant_compare(a, b) == 0);
}

static void put_all(struct variant_call *f, const struct str *v, size_t n)
{
	struct variant_list l = variant_list(&f->out, '[');

	for (size_t i = 0; i < n; i++)
		variant_add(&l, v[i]);
	variant_end(&l, ']');
}

/* --- making --- */
/* `extra`: NULLs are left out. */
static void array_construct(struct variant_call *f)
{
	struct variant_list l = variant_list(&f->out, '[');

	for (int i = 0; i < f->n; i++) {
		if (f->v[i].p && !is_undefined(f->v[i]))
			variant_add(&l, f->v[i]);
		else if (!f->fn->extra)
			variant_add(&l, S("undefined"));
	}
	variant_end(&l, ']');
}

/* What ARRAY_AGG gathered: without its NULLs. */
static void array_of(struct variant_call *f)
{
	struct variant_list l = variant_list(&f->out, '[');
	struct str key, item;

	if (f->v[0].p)
		for (struct variant_items it = variant_items(f->v[0]); variant_next(&it, &key, &item);)
			if (!is_undefined(item))
				variant_add(&l, item);
	variant_end(&l, ']');
}

static void generate_range(struct variant_call *f)
{
	struct variant_list l = variant_list(&f->out, '[');
	int64_t step = f->n > 2 ? f->ints[2] : 1, v = f->ints[0];

	if (step == 0) {
		variant_fails(f, "100402/22000", "Invalid argument for ARRAY_GENERATE_RANGE: step must not be 0");
		return;
	}
	while ((step > 0 ? v < f->ints[1] : v > f->ints[1]) && buf_ok(&f->out)) {
		variant_add(&l, S(""));
		buf_i64(&f->out, v);
		if (__builtin_add_overflow(v, step, &v))
			break;
	}
	variant_end(&l, ']');
}

/* --- asking --- */
static void array_size(struct variant_call *f)
{
	if (variant_kind(f->v[0]) == VARIANT_ARRAY)
		f->number = variant_count(f->v[0]);
	else
		f->null = true;
}

static int64_t find(struct str array, struct str v)
{
	struct str key, item;
	int64_t i = 0;

	for (struct variant_items it = variant_items(array); variant_next(&it, &key, &item); i++)
		if (v.p ? same(item, v) : is_undefined(item))
			return i;
	return -1;
}

static void array_contains(struct variant_call *f)
{
	if (!f->v[1].p || variant_kind(f->v[1]) != VARIANT_ARRAY) {
		f->null = true;
		return;
	}
	f->number = find(f->v[1], f->v[0]) >= 0;
	f->null = !f->v[0].p && !f->number;
}

static void array_position(struct variant_call *f)
{
	if (f->v[1].p)
		f->number = find(f->v[1], f->v[0]);
	f->null = !f->v[1].p || f->number < 0;
}

static void arrays_overlap(struct variant_call *f)
{
	struct str key, item;

	f->number = 0;
	for (struct variant_items it = variant_items(f->v[0]); !f->number && variant_next(&it, &key, &item);)
		f->number = find(f->v[1], is_undefined(item) ? (struct str){NULL, 0} : item) >= 0;
}

/* `extra`: 1 = the greatest, -1 = the least. */
static void array_extreme(struct variant_call *f)
{
	struct str key, item, best = {NULL, 0};

	for (struct variant_items it = variant_items(f->v[0]); variant_next(&it, &key, &item);)
		if (!variant_sql_null(item) && (!best.p || variant_compare(item, best) * f->fn->extra > 0))
			best = item;
	variant_gives(f, best);
}

static void array_to_string(struct variant_call *f)
{
	size_t n = items_of(f->v[0], &f->room);
	struct str text;

	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_add(&f->out, f->v[1]);
		if (variant_varchar(spans_in(&f->room)[i], &f->room2, &text))
			buf_add(&f->out, text);
	}
}

/* --- changing --- */
static void array_cat(struct variant_call *f)
{
	struct variant_list l = variant_list(&f->out, '[');

	for (int a = 0; a < 2; a++) {
		size_t n = items_of(f->v[a], &f->room);

		for (size_t i = 0; i < n; i++)
			variant_add(&l, spans_in(&f->room)[i]);
	}
	variant_end(&l, ']');
}

static void insert_at(struct variant_call *f, size_t at, struct str v)
{
	size_t n = items_of(f->v[0], &f->room);
	struct variant_list l = variant_list(&f->out, '[');

	if (!v.p)
		v = S("undefined");
	for (size_t i = 0; i < (n > at ? n : at) && buf_ok(&f->out); i++) {
		if (i == at)
			variant_add(&l, v);
		variant_add(&l, i < n ? spans_in(&f->room)[i] : S("undefined"));
	}
	if (at >= n)
		variant_add(&l, v);
	variant_end(&l, ']');
}

static void array_append(struct variant_call *f)
{
	if (f->v[0].p)
		insert_at(f, items_of(f->v[0], &f->room), f->v[1]);
	else
		f->null = true;
}

static void array_prepend(struct variant_call *f)
{
	if (f->v[0].p)
		insert_at(f, 0, f->v[1]);
	else
		f->null = true;
}

/* Of a place that may be counted from the end. */
static int64_t place(int64_t at, size_t n)
{
	return at < 0 ? at + (int64_t)n : at;
}

static void array_insert(struct variant_call *f)
{
	int64_t at;

	if (!f->v[0].p || !f->v[1].p) {
		f->null = true;
		return;
	}
	at = place(f->ints[1], items_of(f->v[0], &f->room));
	if (at < 0)
		at = 0;
	if (at > VARIANT_BYTES)
		variant_fails(f, "100078/22000", "Array position %lld is more than the maximum of %d", (long long)at, VARIANT_BYTES);
	else
		insert_at(f, (size_t)at, f->v[2]);
}

static void array_slice(struct variant_call *f)
{
	size_t n = items_of(f->v[0], &f->room);
	int64_t from = place(f->ints[1], n), to = place(f->ints[2], n);

	if (from < 0)
		from = 0;
	if (to > (int64_t)n)
		to = (int64_t)n;
	put_all(f, spans_in(&f->room) + (from < to ? from : 0), from < to ? (size_t)(to - from) : 0);
}

static void array_remove_at(struct variant_call *f)
{
	size_t n = items_of(f->v[0], &f->room);
	int64_t at = place(f->ints[1], n);
	struct variant_list l = variant_list(&f->out, '[');

	for (size_t i = 0; i < n; i++)
		if ((int64_t)i != at)
			variant_add(&l, spans_in(&f->room)[i]);
	variant_end(&l, ']');
}

static void array_remove(struct variant_call *f)
{
	size_t n = items_of(f->v[0], &f->room);
	struct variant_list l = variant_list(&f->out, '[');

	for (size_t i = 0; i < n; i++)
		if (!same(spans_in(&f->room)[i], f->v[1]))
			variant_add(&l, spans_in(&f->room)[i]);
	variant_end(&l, ']');
}

static void array_compact(struct variant_call *f)
{
	size_t n = items_of(f->v[0], &f->room);
	struct variant_list l = variant_list(&f->out, '[');

	for (size_t i = 0; i < n; i++)
		if (!variant_sql_null(spans_in(&f->room)[i]))
			variant_add(&l, spans_in(&f->room)[i]);
	variant_end(&l, ']');
}

static void array_reverse(struct variant_call *f)
{
	size_t n = items_of(f->v[0], &f->room);
	struct variant_list l = variant_list(&f->out, '[');

	while (n-- > 0)
		variant_add(&l, spans_in(&f->room)[n]);
	variant_end(&l, ']');
}

/* One level; NULL when an item is. */
static void array_flatten(struct variant_call *f)
{
	size_t n = items_of(f->v[0], &f->room);
	struct variant_list l = variant_list(&f->out, '[');
	struct str key, item;

	for (size_t i = 0; i < n; i++) {
		struct str v = spans_in(&f->room)[i];

		if (variant_sql_null(v)) {
			f->null = true;
			return;
		}
		if (variant_kind(v) != VARIANT_ARRAY) {
			variant_fails(f, "100107/22000", "Not an array: '%.*s'", SARG(str_head(v, 100)));
			return;
		}
		for (struct variant_items it = variant_items(v); variant_next(&it, &key, &item);)
			variant_add(&l, item);
	}
	variant_end(&l, ']');
}

/* --- order --- */
struct ranked {
	struct str v;
	size_t at;
	bool dropped;
};
enum { ASCENDING = 1, NULLS_FIRST = 2 };

static int by_value(const void *a, const void *b, void *arg)
{
	const struct ranked *l = a, *r = b;
	int order = *(int *)arg, c;
	bool ln = is_undefined(l->v), rn = is_undefined(r->v);

	if (ln != rn)
		return ln == ((order & NULLS_FIRST) != 0) ? -1 : 1;
	/* A JSON null is above all that is not one. */
	ln = variant_kind(l->v) == VARIANT_NULL;
	rn = variant_kind(r->v) == VARIANT_NULL;
	c = ln != rn ? (ln ? 1 : -1) : variant_compare(l->v, r->v);
	if (c == 0)
		return (l->at > r->at) - (l->at < r->at);
	return order & ASCENDING ? c : -c;
}

/* Sorted in `room2`. */
static struct ranked *ranked(struct variant_call *f, struct str v, int order, size_t *ret_n)
{
	size_t n = items_of(v, &f->room);

	buf_clear(&f->room2);
	for (size_t i = 0; i < n; i++) {
		struct ranked r = {spans_in(&f->room)[i], i, false};

		buf_add(&f->room2, str_from((const char *)&r, sizeof(r)));
	}
	*ret_n = n;
	if (n > 1)
		qsort_r(f->room2.p, n, sizeof(struct ranked), by_value, &order);
	return (struct ranked *)(void *)f->room2.p;
}

static void array_sort(struct variant_call *f)
{
	bool ascending = f->n < 2 || f->ints[1];
	bool nulls_first = f->n < 3 ? !ascending : f->ints[2] != 0;
	struct variant_list l = variant_list(&f->out, '[');
	size_t n;
	struct ranked *v = ranked(f, f->v[0], (ascending ? ASCENDING : 0) | (nulls_first ? NULLS_FIRST : 0), &n);

	for (size_t i = 0; i < n; i++)
		variant_add(&l, v[i].v);
	variant_end(&l, ']');
}

/* The first of each, in the order they stand in. */
static void array_distinct(struct variant_call *f)
{
	struct variant_list l = variant_list(&f->out, '[');
	OWNS(buf) again = {0};
	size_t n;
	struct ranked *v = ranked(f, f->v[0], ASCENDING, &n);
	char *flags = n ? buf_room(&again, n) : NULL;

	for (size_t i = 0; i < n; i++)
		flags[v[i].at] = i > 0 && same(v[i - 1].v, v[i].v);
	for (size_t i = 0; i < n; i++)
		if (!flags[i])
			variant_add(&l, spans_in(&f->room)[i]);
	variant_end(&l, ']');
}

/* Is `v` among the sorted `in`, not taken yet? Takes it. */
static bool take(struct ranked *in, size_t n, struct str v)
{
	struct ranked wanted = {v, 0, false};
	size_t low = 0, high = n;
	int order = ASCENDING;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (by_value(&in[middle], &wanted, &order) < 0 && !same(in[middle].v, v))
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < n && same(in[low].v, v); low++) {
		if (!in[low].dropped) {
			in[low].dropped = true;
			return true;
		}
	}
	return false;
}

/* ARRAY_INTERSECTION and ARRAY_EXCEPT, of multisets: `extra` says whether what both have stays. */
static void array_both(struct variant_call *f)
{
	struct variant_list l = variant_list(&f->out, '[');
	struct str key, item;
	size_t n;
	struct ranked *v = ranked(f, f->v[1], ASCENDING, &n);

	for (struct variant_items it = variant_items(f->v[0]); variant_next(&it, &key, &item);)
		if (take(v, n, item) == (f->fn->extra != 0))
			variant_add(&l, item);
	variant_end(&l, ']');
}

/* ARRAY_UNION_AGG: of each value as many as the array has that has the most. */
static void array_union(struct variant_call *f)
{
	struct variant_list l = variant_list(&f->out, '[');
	struct str key, array, item;
	OWNS(buf) all = {0};
	size_t at = 0, n, run = 0, most = 0;
	struct ranked *v;
	int order = ASCENDING;

	if (f->v[0].p)
		for (struct variant_items it = variant_items(f->v[0]); variant_next(&it, &key, &array); at++)
			for (struct variant_items in = variant_items(array); variant_next(&in, &key, &item);) {
				struct ranked r = {item, at, false};

				buf_add(&all, str_from((const char *)&r, sizeof(r)));
			}
	n = all.n / sizeof(*v);
	v = (struct ranked *)(void *)all.p;
	if (n > 1)
		qsort_r(v, n, sizeof(*v), by_value, &order);
	for (size_t i = 0; i < n; i++) {
		bool again = i > 0 && same(v[i].v, v[i - 1].v);

		run = again && v[i].at == v[i - 1].at ? run + 1 : 1;
		if (!again)
			most = 0;
		if (run > most) {
			most = run;
			variant_add(&l, v[i].v);
		}
	}
	variant_end(&l, ']');
}

/* Objects {"$1": …, "$2": …} of the items that stand at one place. */
static void arrays_zip(struct variant_call *f)
{
	struct variant_list l = variant_list(&f->out, '[');
	int64_t n = 0;
	struct str item;

	for (int a = 0; a < f->n; a++)
		n = variant_count(f->v[a]) > n ? variant_count(f->v[a]) : n;
	for (int64_t i = 0; i < n && buf_ok(&f->out); i++) {
		size_t from;

		variant_add(&l, S(""));
		from = f->out.n;
		for (int a = 0; a < f->n; a++) {
			if (!variant_at(f->v[a], i, &item) || is_undefined(item))
				item = S("null");
			buf_fmt(&f->out, "%s\"$%d\":", a ? "," : "{", a + 1);
			buf_add(&f->out, item);
		}
		buf_addc(&f->out, '}');
		variant_sort_members(&f->out, from);
	}
	variant_end(&l, ']');
}

const struct variant_function variant_arrays[] = {
	VARIANT_FN("ARRAY_CONSTRUCT", "v*", GIVES_ARRAY, array_construct, .nulls = true),
	VARIANT_FN("ARRAY_CONSTRUCT_COMPACT", "v*", GIVES_ARRAY, array_construct, .nulls = true, .extra = 1),
	VARIANT_FN("SF_ARRAY_OF", "v", GIVES_ARRAY, array_of, .nulls = true),
	VARIANT_FN("ARRAY_GENERATE_RANGE", "ii|i", GIVES_ARRAY, generate_range),
	VARIANT_FN("ARRAY_SIZE", "v", GIVES_BIGINT, array_size),
	VARIANT_FN("SF_ARRAY_CONTAINS", "vv", GIVES_BOOLEAN, array_contains, .nulls = true),
	VARIANT_FN("SF_ARRAY_POSITION", "vv", GIVES_BIGINT, array_position, .nulls = true),
	VARIANT_FN("ARRAYS_OVERLAP", "vv", GIVES_BOOLEAN, arrays_overlap),
	VARIANT_FN("ARRAY_MIN", "v", GIVES_VARIANT, array_extreme, .extra = -1),
	VARIANT_FN("ARRAY_MAX", "v", GIVES_VARIANT, array_extreme, .extra = 1),
	VARIANT_FN("SF_ARRAY_TO_STRING", "vt", GIVES_TEXT, array_to_string),
	VARIANT_FN("SF_ARRAY_CAT", "vv", GIVES_ARRAY, array_cat),
	VARIANT_FN("SF_ARRAY_APPEND", "vv", GIVES_ARRAY, array_append, .nulls = true),
	VARIANT_FN("SF_ARRAY_PREPEND", "vv", GIVES_ARRAY, array_prepend, .nulls = true),
	VARIANT_FN("ARRAY_INSERT", "viv", GIVES_ARRAY, array_insert, .nulls = true),
	VARIANT_FN("SF_ARRAY_SLICE", "vii", GIVES_ARRAY, array_slice),
	VARIANT_FN("ARRAY_REMOVE", "vv", GIVES_ARRAY, array_remove),
	VARIANT_FN("ARRAY_REMOVE_AT", "vi", GIVES_ARRAY, array_remove_at),
	VARIANT_FN("ARRAY_COMPACT", "v", GIVES_ARRAY, array_compact),
	VARIANT_FN("SF_ARRAY_REVERSE", "v", GIVES_ARRAY, array_reverse),
	VARIANT_FN("ARRAY_FLATTEN", "v", GIVES_ARRAY, array_flatten),
	VARIANT_FN("SF_ARRAY_SORT", "v|ii", GIVES_ARRAY, array_sort),
	VARIANT_FN("SF_ARRAY_DISTINCT", "v", GIVES_ARRAY, array_distinct),
	VARIANT_FN("ARRAY_INTERSECTION", "vv", GIVES_ARRAY, array_both, .extra = 1),
	VARIANT_FN("SF_ARRAY_UNION", "v", GIVES_ARRAY, array_union, .nulls = true),
	VARIANT_FN("ARRAYS_ZIP", "vv*", GIVES_ARRAY, arrays_zip),
	VARIANT_FN("ARRAY_EXCEPT", "vv", GIVES_ARRAY, array_both),
};
const size_t variant_narrays = COUNT_OF(variant_arrays);
