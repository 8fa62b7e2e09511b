/* store_duckdb_list.c - records of many files, newest first, a page of each in memory.
 *
 * Pages of a file go by handle, which is made by time. A file or a row that is
 * damaged hides no other: the list goes on, and fails at its end with what was
 * wrong first.
 */
#include "statement/store_duckdb_int.h"

#include "obs/obs.h"

#include <stdlib.h>

enum { ALL_ROWS = 4096, PAGE_ROWS_MAX = 512, PAGE_ROWS_MIN = 16, ALL_BYTES = 8 << 20, PAGE_BYTES_MIN = 64 << 10 };

struct cursor {
	struct duck_file *f;
	struct arena arena;  /* of the page */
	struct call c;
	struct stmt_record *v;
	int n, at;
	char last[ID_LEN];   /* handle, once there was one */
	bool begun, over;
	bool one_by_one;     /* texts are too long for DuckDB to sort rows with them */
};

struct listing {
	struct duck_store *s;
	const struct stmt_store_page *page;
	const struct duck_listener *to;
	struct cursor *v;
	int n;
	int64_t now_ms;
	struct err first;    /* of what was wrong */
	bool enough;
};

bool duck_visible(const struct call *c, const struct stmt_record *r)
{
	if (!str_eq(c->tenant, r->tenant))
		return false;
	if (c->role == ROLE_ADMIN || str_eq(c->principal, r->principal))
		return true;
	for (int i = 0; i < r->ngrants; i++)
		if (str_eq(r->grants[i], S("*")) || str_eq(r->grants[i], c->principal))
			return true;
	return false;
}

static void remember(struct listing *l, struct call *c)
{
	if (!l->first.kind)
		l->first = c->err;
	l->first.more = (struct str){NULL, 0}; /* lives in the page's arena */
	call_forgive(c);
}

/* --- pages --- */

static void take_row(struct listing *l, struct cursor *k, const struct engine_cell *cells)
{
	enum duck_left left;

	if (duck_record(&k->c, k->f, cells, &k->v[k->n], &left))
		k->n += left == DUCK_LIVE;
	else
		remember(l, &k->c);
}

/* A handle that names no place to go on from ends the file's part of the list. */
static bool move_on(struct cursor *k, const struct engine_cell *cell)
{
	if (cell->kind != ENGINE_CELL_TEXT || cell->s.n != ID_LEN || (k->begun && memcmp(cell->s.p, k->last, ID_LEN) >= 0))
		return fail(&k->c, ERR_STORAGE, "the file %s of the statement store holds a row that is no statement", k->f->name);
	memcpy(k->last, cell->s.p, ID_LEN);
	k->begun = true;
	return true;
}

static int64_t share(int64_t all, int n, int64_t least, int64_t most)
{
	int64_t v = all / n;

	return v < least ? least : v > most ? most : v;
}

static struct duck_page page_of(const struct listing *l, const struct cursor *k)
{
	struct str after = l->page->filter ? l->page->filter->after : S("");

	return (struct duck_page){.filter = l->page->filter, .now_ms = l->now_ms,
				  .before = k->begun ? arena_dup(k->c.arena, str_from(k->last, ID_LEN)) : after,
				  .rows = share(ALL_ROWS, l->n, PAGE_ROWS_MIN, PAGE_ROWS_MAX),
				  .bytes = share(ALL_BYTES, l->n, PAGE_BYTES_MIN, ALL_BYTES)};
}

static bool read_rows(struct listing *l, struct cursor *k)
{
	struct duck_page p = page_of(l, k);
	struct engine_step step = duck_select_page(&k->c, &p);
	struct duck_rows rows;

	if (!duck_read(&k->c, l->s, k->f, &step, &rows))
		return false;
	if (rows.n && rows.ncells != DUCK_CELLS)
		return fail(&k->c, ERR_STORAGE, "rows of the file %s of the statement store are not as they should be", k->f->name);
	k->over = rows.n == 0;
	k->v = ARENA_ARRAY(&k->arena, struct stmt_record, (size_t)rows.n + 1);
	for (int i = 0; i < rows.n; i++)
		take_row(l, k, &rows.cells[i * rows.ncells]);
	return k->over || move_on(k, &rows.cells[(rows.n - 1) * rows.ncells]);
}

/* Handles first, then as many rows as may be held, each by its own. */
static bool read_one_by_one(struct listing *l, struct cursor *k)
{
	struct duck_page p = page_of(l, k);
	struct engine_step step = duck_select_handles(&k->c, &p);
	struct duck_rows handles, row;
	int64_t bytes = 0;

	if (!duck_read(&k->c, l->s, k->f, &step, &handles))
		return false;
	k->over = handles.n == 0;
	k->v = ARENA_ARRAY(&k->arena, struct stmt_record, (size_t)handles.n + 1);
	for (int i = 0; i < handles.n && bytes < p.bytes; i++) {
		if (!move_on(k, &handles.cells[i * handles.ncells]))
			return false;
		step = duck_select(&k->c, str_from(k->last, ID_LEN));
		if (!duck_read(&k->c, l->s, k->f, &step, &row))
			return false;
		if (row.n != 1 || row.ncells != DUCK_CELLS) /* gone meanwhile */
			continue;
		bytes += (int64_t)row.cells[2].s.n + (int64_t)row.cells[DUCK_CELLS - 1].s.n;
		take_row(l, k, row.cells);
	}
	return true;
}

static void read_page(struct listing *l, struct cursor *k)
{
	bool ok;

	k->n = k->at = 0;
	arena_reset(&k->arena);
	ok = k->one_by_one ? read_one_by_one(l, k) : read_rows(l, k);
	if (!ok && !k->one_by_one && k->c.err.kind == ERR_UNAVAILABLE) {
		call_forgive(&k->c);
		k->one_by_one = true;
		k->n = 0;
		ok = read_one_by_one(l, k);
	}
	if (ok)
		return;
	k->over = true;
	if (k->c.err.kind != ERR_NOT_FOUND) /* dropped meanwhile */
		remember(l, &k->c);
	call_forgive(&k->c);
}

/* The next record of the file, or NULL. */
static const struct stmt_record *head(struct listing *l, struct cursor *k)
{
	while (k->at == k->n && !k->over)
		read_page(l, k);
	return k->at < k->n ? &k->v[k->at] : NULL;
}

/* --- all files at once --- */

static struct cursor *newest(struct listing *l)
{
	struct cursor *best = NULL;

	for (int i = 0; i < l->n; i++) {
		const struct stmt_record *r = head(l, &l->v[i]);

		if (r && (!best || str_cmp(r->handle, best->v[best->at].handle) > 0))
			best = &l->v[i];
	}
	return best;
}

static void merge(struct call *c, struct listing *l)
{
	struct cursor *k;

	while (!l->enough && (k = newest(l)) != NULL) {
		const struct stmt_record *r = &k->v[k->at++];

		if (!l->page->viewer || duck_visible(l->page->viewer, r))
			l->enough = !l->to->fn(l->to->arg, c, r);
	}
}

static void run(struct call *c, struct listing *l, struct duck_file *const *files, int n)
{
	l->v = base_zalloc(sizeof(*l->v) * (size_t)n);
	l->n = n;
	for (int i = 0; i < n; i++) {
		l->v[i].f = files[i];
		call_open(&l->v[i].c, &l->v[i].arena);
	}
	merge(c, l);
	for (int i = 0; i < n; i++)
		arena_close(&l->v[i].arena);
	free(l->v);
}

/* Of all of the store, in any order. The caller hears what was wrong first; of other files it is logged. */
static void run_alone(struct call *c, struct listing *l, struct duck_file *f)
{
	struct err first = l->first;

	l->first.kind = ERR_NONE;
	run(c, l, &f, 1);
	if (!first.kind)
		return;
	if (l->first.kind)
		obs_log(OBS_ERROR, "statement", "statements that were kept cannot be read: %s", l->first.text);
	l->first = first;
}

/* --- which files --- */

static bool wanted(const struct stmt_store_page *p, struct str tenant, struct str session_id)
{
	if (!p->tenant.n)
		return true;
	return str_eq(p->tenant, tenant) &&
	       (!p->filter || !p->filter->session_id.n || !session_id.n || str_eq(p->filter->session_id, session_id));
}

static bool choose(struct call *c, struct listing *l, struct duck_file ***ret, int *ret_n)
{
	struct str *names, tenant, session_id;
	struct duck_file **v;
	int n, found = 0;

	if (!engine_records_files(c, l->s->engine, &names, &n))
		return false;
	v = ARENA_ARRAY(c->arena, struct duck_file *, (size_t)n + 1);
	for (int i = 0; i < n; i++) {
		if (!duck_name_read(names[i], &tenant, &session_id)) {
			fail(c, ERR_STORAGE, "the file %.*s in the folder of the statement store is none of it", SARG(names[i]));
			remember(l, c);
		} else if (wanted(l->page, tenant, session_id)) {
			v[found++] = duck_file_of(c, l->s, tenant, session_id);
			INVARIANT(v[found - 1]);
		}
	}
	*ret = v;
	*ret_n = found;
	return true;
}

bool duck_list(struct call *c, struct duck_store *s, const struct stmt_store_page *p, const struct duck_listener *to)
{
	struct listing l = {.s = s, .page = p, .to = to, .now_ms = clock_wall_ms()};
	struct duck_file **files;
	int n;

	if (!choose(c, &l, &files, &n))
		return false;
	if (p->tenant.n && n)
		run(c, &l, files, n);
	for (int i = 0; !p->tenant.n && !l.enough && i < n; i++)
		run_alone(c, &l, files[i]);
	for (int i = 0; i < n; i++)
		duck_file_leave(s, files[i]);
	return !l.first.kind || l.enough || fail_as(c, &l.first);
}
