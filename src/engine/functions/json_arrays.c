/* json_arrays.c - functions over ARRAY values. Whatever is no array stands for the array with it alone. */
#include "engine/functions/functions.h"

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

static void put_all(struct sf_row *r, const struct str *v, size_t n)
{
	struct variant_list l = variant_list(&r->text, '[');

	for (size_t i = 0; i < n; i++)
		variant_add(&l, v[i]);
	sf_put_built(r, &l, ']');
}

/* --- making --- */
/* Its own: NULLs are left out. */
static void array_construct(struct sf_row *r)
{
	struct variant_list l = variant_list(&r->text, '[');

	for (idx_t i = 0; i < r->nargs; i++) {
		if (r->v[i].p && !is_undefined(r->v[i]))
			variant_add(&l, r->v[i]);
		else if (!sf_own(r))
			variant_add(&l, S("undefined"));
	}
	sf_put_built(r, &l, ']');
}

/* What ARRAY_AGG gathered: without its NULLs. */
static void array_of(struct sf_row *r)
{
	struct variant_list l = variant_list(&r->text, '[');
	struct str key, item;

	if (r->v[0].p)
		for (struct variant_items it = variant_items(r->v[0]); variant_next(&it, &key, &item);)
			if (!is_undefined(item))
				variant_add(&l, item);
	sf_put_built(r, &l, ']');
}

/* What lambdas made of a list, which reads as one. */
static void list_array(struct sf_row *r)
{
	sf_put_text(r, r->v[0]);
}

static void generate_range(struct sf_row *r)
{
	struct variant_list l = variant_list(&r->text, '[');
	int64_t step = r->nargs > 2 ? r->whole[2] : 1, v = r->whole[0];

	if (step == 0) {
		sf_fails(r, "100402/22000", "Invalid argument for ARRAY_GENERATE_RANGE: step must not be 0");
		return;
	}
	while ((step > 0 ? v < r->whole[1] : v > r->whole[1]) && buf_ok(&r->text)) {
		variant_add(&l, S(""));
		buf_i64(&r->text, v);
		if (__builtin_add_overflow(v, step, &v))
			break;
	}
	sf_put_built(r, &l, ']');
}

/* --- asking --- */
static void array_size(struct sf_row *r)
{
	if (variant_kind(r->v[0]) == VARIANT_ARRAY)
		sf_put_int(r, variant_count(r->v[0]));
	else
		sf_put_null(r);
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

static void array_contains(struct sf_row *r)
{
	bool found;

	if (!r->v[1].p || variant_kind(r->v[1]) != VARIANT_ARRAY) {
		sf_put_null(r);
		return;
	}
	found = find(r->v[1], r->v[0]) >= 0;
	if (r->v[0].p || found)
		sf_put_bool(r, found);
	else
		sf_put_null(r);
}

static void array_position(struct sf_row *r)
{
	int64_t at = r->v[1].p ? find(r->v[1], r->v[0]) : -1;

	if (at >= 0)
		sf_put_int(r, at);
	else
		sf_put_null(r);
}

static void arrays_overlap(struct sf_row *r)
{
	struct str key, item;
	bool found = false;

	for (struct variant_items it = variant_items(r->v[0]); !found && variant_next(&it, &key, &item);)
		found = find(r->v[1], is_undefined(item) ? (struct str){NULL, 0} : item) >= 0;
	sf_put_bool(r, found);
}

/* Its own: the greatest, else the least. */
static void array_extreme(struct sf_row *r)
{
	int sign = sf_own(r) ? 1 : -1;
	struct str key, item, best = {NULL, 0};

	for (struct variant_items it = variant_items(r->v[0]); variant_next(&it, &key, &item);)
		if (!variant_sql_null(item) && (!best.p || variant_compare(item, best) * sign > 0))
			best = item;
	sf_put_variant(r, best);
}

static void array_to_string(struct sf_row *r)
{
	size_t n = items_of(r->v[0], &r->more);
	struct str text;

	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_add(&r->text, r->v[1]);
		if (variant_varchar(spans_in(&r->more)[i], &r->rest, &text))
			buf_add(&r->text, text);
	}
	sf_put_text(r, buf_str(&r->text));
}

/* --- changing --- */
static void array_cat(struct sf_row *r)
{
	struct variant_list l = variant_list(&r->text, '[');

	for (int a = 0; a < 2; a++) {
		size_t n = items_of(r->v[a], &r->more);

		for (size_t i = 0; i < n; i++)
			variant_add(&l, spans_in(&r->more)[i]);
	}
	sf_put_built(r, &l, ']');
}

static void insert_at(struct sf_row *r, size_t at, struct str v)
{
	size_t n = items_of(r->v[0], &r->more);
	struct variant_list l = variant_list(&r->text, '[');

	if (!v.p)
		v = S("undefined");
	for (size_t i = 0; i < (n > at ? n : at) && buf_ok(&r->text); i++) {
		if (i == at)
			variant_add(&l, v);
		variant_add(&l, i < n ? spans_in(&r->more)[i] : S("undefined"));
	}
	if (at >= n)
		variant_add(&l, v);
	sf_put_built(r, &l, ']');
}

static void array_append(struct sf_row *r)
{
	if (r->v[0].p)
		insert_at(r, items_of(r->v[0], &r->more), r->v[1]);
	else
		sf_put_null(r);
}

static void array_prepend(struct sf_row *r)
{
	if (r->v[0].p)
		insert_at(r, 0, r->v[1]);
	else
		sf_put_null(r);
}

/* Of a place that may be counted from the end. */
static int64_t place(int64_t at, size_t n)
{
	return at < 0 ? at + (int64_t)n : at;
}

static void array_insert(struct sf_row *r)
{
	int64_t at;

	if (!r->v[0].p || !r->v[1].p) {
		sf_put_null(r);
		return;
	}
	at = place(r->whole[1], items_of(r->v[0], &r->more));
	if (at < 0)
		at = 0;
	if (at > VARIANT_BYTES)
		sf_fails(r, "100078/22000", "Array position %lld is more than the maximum of %d", (long long)at, VARIANT_BYTES);
	else
		insert_at(r, (size_t)at, r->v[2]);
}

static void array_slice(struct sf_row *r)
{
	size_t n = items_of(r->v[0], &r->more);
	int64_t from = place(r->whole[1], n), to = place(r->whole[2], n);

	if (from < 0)
		from = 0;
	if (to > (int64_t)n)
		to = (int64_t)n;
	put_all(r, spans_in(&r->more) + (from < to ? from : 0), from < to ? (size_t)(to - from) : 0);
}

static void array_remove_at(struct sf_row *r)
{
	size_t n = items_of(r->v[0], &r->more);
	int64_t at = place(r->whole[1], n);
	struct variant_list l = variant_list(&r->text, '[');

	for (size_t i = 0; i < n; i++)
		if ((int64_t)i != at)
			variant_add(&l, spans_in(&r->more)[i]);
	sf_put_built(r, &l, ']');
}

static void array_remove(struct sf_row *r)
{
	size_t n = items_of(r->v[0], &r->more);
	struct variant_list l = variant_list(&r->text, '[');

	for (size_t i = 0; i < n; i++)
		if (!same(spans_in(&r->more)[i], r->v[1]))
			variant_add(&l, spans_in(&r->more)[i]);
	sf_put_built(r, &l, ']');
}

static void array_compact(struct sf_row *r)
{
	size_t n = items_of(r->v[0], &r->more);
	struct variant_list l = variant_list(&r->text, '[');

	for (size_t i = 0; i < n; i++)
		if (!variant_sql_null(spans_in(&r->more)[i]))
			variant_add(&l, spans_in(&r->more)[i]);
	sf_put_built(r, &l, ']');
}

static void array_reverse(struct sf_row *r)
{
	size_t n = items_of(r->v[0], &r->more);
	struct variant_list l = variant_list(&r->text, '[');

	while (n-- > 0)
		variant_add(&l, spans_in(&r->more)[n]);
	sf_put_built(r, &l, ']');
}

/* One level; NULL when an item is. */
static void array_flatten(struct sf_row *r)
{
	size_t n = items_of(r->v[0], &r->more);
	struct variant_list l = variant_list(&r->text, '[');
	struct str key, item;

	for (size_t i = 0; i < n; i++) {
		struct str v = spans_in(&r->more)[i];

		if (variant_sql_null(v)) {
			sf_put_null(r);
			return;
		}
		if (variant_kind(v) != VARIANT_ARRAY) {
			sf_fails(r, "100107/22000", "Not an array: '%.*s'", SARG(str_head(v, 100)));
			return;
		}
		for (struct variant_items it = variant_items(v); variant_next(&it, &key, &item);)
			variant_add(&l, item);
	}
	sf_put_built(r, &l, ']');
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

/* Sorted in `rest`. */
static struct ranked *ranked(struct sf_row *r, struct str v, int order, size_t *ret_n)
{
	size_t n = items_of(v, &r->more);

	buf_clear(&r->rest);
	for (size_t i = 0; i < n; i++) {
		struct ranked one = {spans_in(&r->more)[i], i, false};

		buf_add(&r->rest, str_from((const char *)&one, sizeof(one)));
	}
	*ret_n = n;
	if (n > 1)
		qsort_r(r->rest.p, n, sizeof(struct ranked), by_value, &order);
	return (struct ranked *)(void *)r->rest.p;
}

static void array_sort(struct sf_row *r)
{
	bool ascending = r->nargs < 2 || r->whole[1];
	bool nulls_first = r->nargs < 3 ? !ascending : r->whole[2] != 0;
	struct variant_list l = variant_list(&r->text, '[');
	size_t n;
	struct ranked *v = ranked(r, r->v[0], (ascending ? ASCENDING : 0) | (nulls_first ? NULLS_FIRST : 0), &n);

	for (size_t i = 0; i < n; i++)
		variant_add(&l, v[i].v);
	sf_put_built(r, &l, ']');
}

/* The first of each, in the order they stand in. */
static void array_distinct(struct sf_row *r)
{
	struct variant_list l = variant_list(&r->text, '[');
	OWNS(buf) again = {0};
	size_t n;
	struct ranked *v = ranked(r, r->v[0], ASCENDING, &n);
	char *flags = n ? buf_room(&again, n) : NULL;

	for (size_t i = 0; i < n; i++)
		flags[v[i].at] = i > 0 && same(v[i - 1].v, v[i].v);
	for (size_t i = 0; i < n; i++)
		if (!flags[i])
			variant_add(&l, spans_in(&r->more)[i]);
	sf_put_built(r, &l, ']');
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

/* ARRAY_INTERSECTION and ARRAY_EXCEPT, of multisets: their own says whether what both have stays. */
static void array_both(struct sf_row *r)
{
	struct variant_list l = variant_list(&r->text, '[');
	struct str key, item;
	size_t n;
	struct ranked *v = ranked(r, r->v[1], ASCENDING, &n);

	for (struct variant_items it = variant_items(r->v[0]); variant_next(&it, &key, &item);)
		if (take(v, n, item) == (sf_own(r) != 0))
			variant_add(&l, item);
	sf_put_built(r, &l, ']');
}

/* ARRAY_UNION_AGG: of each value as many as the array has that has the most. */
static void array_union(struct sf_row *r)
{
	struct variant_list l = variant_list(&r->text, '[');
	struct str key, array, item;
	OWNS(buf) all = {0};
	size_t at = 0, n, run = 0, most = 0;
	struct ranked *v;
	int order = ASCENDING;

	if (r->v[0].p)
		for (struct variant_items it = variant_items(r->v[0]); variant_next(&it, &key, &array); at++)
			for (struct variant_items in = variant_items(array); variant_next(&in, &key, &item);) {
				struct ranked one = {item, at, false};

				buf_add(&all, str_from((const char *)&one, sizeof(one)));
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
	sf_put_built(r, &l, ']');
}

/* Objects {"$1": …, "$2": …} of the items that stand at one place. */
static void arrays_zip(struct sf_row *r)
{
	struct variant_list l = variant_list(&r->text, '[');
	int64_t n = 0;
	struct str item;

	for (idx_t a = 0; a < r->nargs; a++)
		n = variant_count(r->v[a]) > n ? variant_count(r->v[a]) : n;
	for (int64_t i = 0; i < n && buf_ok(&r->text); i++) {
		size_t from;

		variant_add(&l, S(""));
		from = r->text.n;
		for (idx_t a = 0; a < r->nargs; a++) {
			if (!variant_at(r->v[a], i, &item) || is_undefined(item))
				item = S("null");
			buf_fmt(&r->text, "%s\"$%d\":", a ? "," : "{", (int)a + 1);
			buf_add(&r->text, item);
		}
		buf_addc(&r->text, '}');
		variant_sort_members(&r->text, from);
	}
	sf_put_built(r, &l, ']');
}

static const struct sf_function functions[] = {
	{"ARRAY_CONSTRUCT", "J*>a", array_construct, SF_NULLS},
	{"ARRAY_CONSTRUCT_COMPACT", "J*>a", array_construct, SF_NULLS | SF_OWN(1)},
	{"SF_ARRAY_OF", "J>a", array_of, SF_NULLS},
	{"SF_LIST_ARRAY", "J>a", list_array, 0},
	{"ARRAY_GENERATE_RANGE", "WW|W>a", generate_range, 0},
	{"ARRAY_SIZE", "J>I", array_size, 0},
	{"SF_ARRAY_CONTAINS", "JJ>B", array_contains, SF_NULLS},
	{"SF_ARRAY_POSITION", "JJ>I", array_position, SF_NULLS},
	{"ARRAYS_OVERLAP", "JJ>B", arrays_overlap, 0},
	{"ARRAY_MIN", "J>v", array_extreme, 0},
	{"ARRAY_MAX", "J>v", array_extreme, SF_OWN(1)},
	{"SF_ARRAY_TO_STRING", "JP>V", array_to_string, 0},
	{"SF_ARRAY_CAT", "JJ>a", array_cat, 0},
	{"SF_ARRAY_APPEND", "JJ>a", array_append, SF_NULLS},
	{"SF_ARRAY_PREPEND", "JJ>a", array_prepend, SF_NULLS},
	{"ARRAY_INSERT", "JWJ>a", array_insert, SF_NULLS},
	{"SF_ARRAY_SLICE", "JWW>a", array_slice, 0},
	{"ARRAY_REMOVE", "JJ>a", array_remove, 0},
	{"ARRAY_REMOVE_AT", "JW>a", array_remove_at, 0},
	{"ARRAY_COMPACT", "J>a", array_compact, 0},
	{"SF_ARRAY_REVERSE", "J>a", array_reverse, 0},
	{"ARRAY_FLATTEN", "J>a", array_flatten, 0},
	{"SF_ARRAY_SORT", "J|WW>a", array_sort, 0},
	{"SF_ARRAY_DISTINCT", "J>a", array_distinct, 0},
	{"ARRAY_INTERSECTION", "JJ>a", array_both, SF_OWN(1)},
	{"SF_ARRAY_UNION", "J>a", array_union, SF_NULLS},
	{"ARRAYS_ZIP", "JJ*>a", arrays_zip, 0},
	{"ARRAY_EXCEPT", "JJ>a", array_both, 0},
};

bool variant_arrays_register(duckdb_connection con)
{
	return sf_register(con, functions, COUNT_OF(functions));
}
