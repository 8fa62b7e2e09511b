/* journal.c - the ends of jobs that nobody else knows yet: appended here before they are answered, put into the store behind it, many at once.
 *
 * A file `jobs-journal/<n>` of this server's own store is a run of entries; appends are not synced, so they survive the
 * death of the process, not of the machine. An entry is
 *
 *   magic u32 · kind u32 · length of body u64 · first eight bytes of its SHA-256 · body: tenant NUL id NUL expiry NUL record
 *
 * and its kind says that the job ended (ALONE: to be stored as an object of its own, as one with webhooks is, which change), or that it was
 * dropped. A file whose jobs are all in the store is removed. What cannot be
 * read is the torn end of the last append.
 */
#include "runner/job_int.h"

#include <stdio.h>
#include <stdlib.h>

enum { MAGIC = 0x314a464d, KIND_END = 1, KIND_DROP = 2, KIND_ALONE = 3, HEAD = 24, FILE_BYTES = 16 << 20, WAITING_MAX = 200000, FLUSH_MAX = 20000 };
#define WAITING_BYTES (INT64_C(64) << 20)
#define JOURNAL_MAX (INT64_C(1) << 31)

struct waiting { /* a job whose end is not in the store */
	struct list link;
	struct job *job;
	uint64_t file;                       /* 0 = in none */
	struct buf end;                      /* its record; empty: it is made when it is stored, as an object of its own */
};
struct journal {
	pthread_mutex_t flushing;            /* one at a time: what it has taken out is in no list */
	pthread_mutex_t lock;                /* an append is in a file's order: held while it is made */
	struct list waiting;
	int n;
	int64_t bytes;
	uint64_t file, oldest;               /* open for appends; the first that is there */
	int64_t size;
};

static struct str file_key(struct arena *a, uint64_t n)
{
	return arena_fmt(a, "jobs-journal/%016llx", (unsigned long long)n);
}

/* --- entries --- */

static void put_u32(struct buf *b, uint32_t v)
{
	buf_add(b, str_from((const char *)&v, sizeof(v)));
}

static void put_entry(struct buf *to, uint32_t kind, struct job *j, struct str record)
{
	unsigned char sum[SHA256_LEN];
	OWNS(buf) body = {0};
	uint64_t n;

	buf_add(&body, job_tenant_of(j));
	buf_addc(&body, '\0');
	buf_add(&body, job_id(j));
	buf_addc(&body, '\0');
	buf_fmt(&body, "%lld", (long long)j->expires_ms);
	buf_addc(&body, '\0');
	buf_add(&body, record);
	hash_sha256(buf_str(&body), sum);
	n = body.n;
	put_u32(to, MAGIC);
	put_u32(to, kind);
	buf_add(to, str_from((const char *)&n, sizeof(n)));
	buf_add(to, str_from((const char *)sum, 8));
	buf_add(to, buf_str(&body));
}

struct entry {
	uint32_t kind;
	struct str tenant, id, record;
	int64_t expires_ms;
};

static bool take_entry(struct str *rest, struct entry *ret)
{
	unsigned char sum[SHA256_LEN];
	uint32_t magic;
	struct str body;
	uint64_t n;
	bool ok;

	if (rest->n < HEAD)
		return false;
	memcpy(&magic, rest->p, 4);
	memcpy(&ret->kind, rest->p + 4, 4);
	memcpy(&n, rest->p + 8, 8);
	if (magic != MAGIC || n > rest->n - HEAD)
		return false;
	body = str_from(rest->p + HEAD, n);
	hash_sha256(body, sum);
	if (memcmp(sum, rest->p + 16, 8) != 0)
		return false;
	*rest = str_tail(*rest, HEAD + n);
	ret->tenant = str_cut(&body, '\0');
	ret->id = str_cut(&body, '\0');
	ok = str_to_i64(str_cut(&body, '\0'), &ret->expires_ms);
	ret->record = body;
	return ok && tenant_name_valid(ret->tenant) && id_valid(ret->id);
}

/* --- appending --- */

/* With the lock. */
static bool append_locked(struct call *c, struct runner *r, struct journal *g, struct str bytes)
{
	struct store *s = r->o.journal;

	if (g->size > 0 && g->size + (int64_t)bytes.n > FILE_BYTES) {
		g->file++;
		g->size = 0;
	}
	if (!s->ops->append(c, s, file_key(c->arena, g->file), g->size, bytes, false)) {
		g->file++; /* what is there of it is torn */
		g->size = 0;
		return false;
	}
	g->size += (int64_t)bytes.n;
	return true;
}

static void wait_locked(struct journal *g, struct job *j, uint64_t file, struct buf end)
{
	struct waiting *w = base_zalloc(sizeof(*w));

	job_ref(j);
	*w = (struct waiting){.job = j, .file = file, .end = end};
	list_add_tail(&g->waiting, &w->link);
	g->n++;
	g->bytes += (int64_t)end.n;
}

static bool is_full(struct journal *g)
{
	bool full;

	pthread_mutex_lock(&g->lock);
	full = g->n >= WAITING_MAX || g->bytes >= WAITING_BYTES;
	pthread_mutex_unlock(&g->lock);
	return full;
}

/* Into the journal, or at once into the store: what is large, and when the store lags behind. */
bool journal_end(struct call *c, struct job *j)
{
	struct journal *g = j->runner->jobs->journal;
	OWNS(buf) entry = {0}, end = {0};
	bool ok;

	if (!j->runner->o.journal || !record_end_small(j->body) || is_full(g))
		return record_put_end(c, j);
	record_end(j, j->body, &end);
	put_entry(&entry, j->body->nhooks ? KIND_ALONE : KIND_END, j, buf_str(&end));
	if (j->body->nhooks)
		buf_drop(&end);
	pthread_mutex_lock(&g->lock);
	ok = append_locked(c, j->runner, g, buf_str(&entry));
	if (ok) {
		wait_locked(g, j, g->file, end);
		end = (struct buf){0};
	}
	pthread_mutex_unlock(&g->lock);
	if (!ok) {
		call_forgive(c);
		return record_put_end(c, j);
	}
	pthread_mutex_lock(&j->lock);
	j->journaled = true;
	pthread_mutex_unlock(&j->lock);
	return true;
}

void journal_later(struct job *j)
{
	struct journal *g = j->runner->jobs->journal;

	pthread_mutex_lock(&g->lock);
	wait_locked(g, j, 0, (struct buf){0});
	pthread_mutex_unlock(&g->lock);
}

bool journal_forget(struct call *c, struct job *j)
{
	struct journal *g = j->runner->jobs->journal;
	OWNS(buf) entry = {0};
	bool ok;

	if (!j->journaled || j->stored || !j->runner->o.journal)
		return true;
	put_entry(&entry, KIND_DROP, j, S(""));
	pthread_mutex_lock(&g->lock);
	ok = append_locked(c, j->runner, g, buf_str(&entry));
	pthread_mutex_unlock(&g->lock);
	return ok;
}

/* --- into the store --- */

static struct waiting *pop(struct journal *g)
{
	struct waiting *w = NULL;

	pthread_mutex_lock(&g->lock);
	if (!list_empty(&g->waiting)) {
		w = LIST_ITEM(list_pop(&g->waiting), struct waiting, link);
		g->n--;
		g->bytes -= (int64_t)w->end.n;
	}
	pthread_mutex_unlock(&g->lock);
	return w;
}

static void put_back(struct journal *g, struct waiting *w)
{
	pthread_mutex_lock(&g->lock);
	list_add_head(&g->waiting, &w->link);
	g->n++;
	g->bytes += (int64_t)w->end.n;
	pthread_mutex_unlock(&g->lock);
}

static void let_go(struct waiting *w)
{
	job_unref(w->job);
	buf_drop(&w->end);
	free(w);
}

static bool is_done(struct job *j)
{
	bool done;

	pthread_mutex_lock(&j->lock);
	done = j->gone || j->stored;
	pthread_mutex_unlock(&j->lock);
	return done;
}

/* In a record of its own. False: the store is not to be had now. */
static bool flush_one(struct call *c, struct job *j)
{
	bool done, ok;

	job_enter(j);
	done = is_done(j) || !j->body;
	ok = done || record_put_end(c, j);
	if (!ok && c->err.kind == ERR_CONFLICT) { /* it is there: an earlier put was not answered, or another server was first */
		call_forgive(c);
		pthread_mutex_lock(&j->lock);
		j->stored = true;
		pthread_mutex_unlock(&j->lock);
		ok = true;
	}
	if (ok && !done)
		jobs_remember(j);
	job_leave(j);
	return ok;
}

static void set_batch(struct job *j, struct batch *b)
{
	pthread_mutex_lock(&j->lock);
	j->batch = b;
	j->stored = true;
	pthread_mutex_unlock(&j->lock);
	jobs_batched(j);
	jobs_remember(j);
}

/* With the turns of all of them: a drop comes before, or finds the batch. */
static bool flush_batches(struct call *c, struct runner *r, struct waiting **v, int n)
{
	struct batch_item *items = base_zalloc(sizeof(*items) * (size_t)(n + 1));
	int nitems = 0;
	bool ok;

	for (int i = 0; i < n; i++) {
		job_enter(v[i]->job);
		if (!is_done(v[i]->job))
			items[nitems++] = (struct batch_item){.tenant = job_tenant_of(v[i]->job), .id = job_id(v[i]->job),
							      .record = buf_str(&v[i]->end), .expires_ms = v[i]->job->expires_ms,
							      .of = v[i]->job};
	}
	ok = batches_put(c, r, items, nitems);
	for (int i = 0; i < nitems; i++)
		if (items[i].batch)
			set_batch(items[i].of, items[i].batch);
	for (int i = 0; i < n; i++)
		job_leave(v[i]->job);
	free(items);
	return ok;
}

static bool flush_some(struct call *c, struct runner *r, struct waiting **v, int n)
{
	int alone = 0;
	bool ok = true;

	for (int i = 0; i < n; i++) { /* those that go alone to the front */
		struct waiting *w = v[i];

		if (w->end.n)
			continue;
		v[i] = v[alone];
		v[alone++] = w;
	}
	for (int i = 0; ok && i < alone; i++)
		ok = flush_one(c, v[i]->job);
	return flush_batches(c, r, v + alone, n - alone) && ok;
}

/* Files behind which nobody waits any more. */
static void drop_files(struct call *c, struct runner *r)
{
	struct journal *g = r->jobs->journal;
	uint64_t from, to;

	if (!r->o.journal)
		return;
	pthread_mutex_lock(&g->lock);
	if (list_empty(&g->waiting) && g->size > 0) {
		g->file++;
		g->size = 0;
	}
	from = g->oldest;
	to = g->file;
	LIST_EACH(&g->waiting, it) {
		const struct waiting *w = LIST_ITEM(it, struct waiting, link);

		if (w->file && w->file < to)
			to = w->file;
	}
	pthread_mutex_unlock(&g->lock);
	for (; from < to; from++)
		if (!r->o.journal->ops->drop(c, r->o.journal, file_key(c->arena, from))) {
			call_forgive(c);
			break;
		}
	pthread_mutex_lock(&g->lock);
	g->oldest = from;
	pthread_mutex_unlock(&g->lock);
}

static int take_some(struct journal *g, struct waiting **v, int max)
{
	int64_t bytes = 0;
	int n = 0;

	while (n < FLUSH_MAX && n < max && bytes < FILE_BYTES && (v[n] = pop(g)) != NULL)
		bytes += (int64_t)v[n++]->end.n;
	return n;
}

static int count_waiting(struct journal *g)
{
	int n;

	pthread_mutex_lock(&g->lock);
	n = g->n;
	pthread_mutex_unlock(&g->lock);
	return n;
}

/* What is not stored waits again, in its order. */
static void put_away(struct journal *g, struct waiting **v, int n, bool ok)
{
	while (n-- > 0)
		if (ok || is_done(v[n]->job))
			let_go(v[n]);
		else
			put_back(g, v[n]);
}

/* What comes meanwhile waits for the next: batches are full then. */

void journal_flush(struct call *c, struct runner *r)
{
	struct journal *g = r->jobs->journal;
	struct waiting **v = base_alloc(sizeof(struct waiting *) * (FLUSH_MAX + 1));
	bool ok = true;
	int n, left;

	pthread_mutex_lock(&g->flushing);
	for (left = count_waiting(g); ok && (n = take_some(g, v, left)) > 0; left -= n) {
		ok = flush_some(c, r, v, n);
		if (!ok)
			obs_log(OBS_WARN, "runner", "ends of jobs cannot be stored yet: %s", err_code(c->err.kind));
		call_forgive(c);
		put_away(g, v, n, ok);
		arena_reset(c->arena);
	}
	free(v);
	if (ok)
		drop_files(c, r);
	pthread_mutex_unlock(&g->flushing);
}

/* --- at start --- */

struct replay { /* one file */
	struct call *c;
	struct runner *r;
	struct batch_item *v;
	int n, room;
	int64_t oldest_ms;
	struct map there;                    /* ids that are in the store, or were dropped */
};

static void add_end(struct replay *p, const struct entry *e)
{
	if (p->n == p->room) {
		p->room = p->room ? p->room * 2 : 256;
		p->v = base_realloc(p->v, sizeof(*p->v) * (size_t)p->room);
	}
	p->v[p->n++] = (struct batch_item){.tenant = e->tenant, .id = e->id, .record = e->record, .expires_ms = e->expires_ms};
}

static bool is_there(void *arg, struct str id)
{
	struct replay *p = arg;

	map_put(&p->there, id, p);
	return true;
}

static bool is_older(void *arg, int64_t newest_ms)
{
	const struct replay *p = arg;

	return newest_ms < p->oldest_ms;
}

/* What an earlier flush stored before it could tell; `v`: of one tenant. */
static bool find_stored(struct replay *p, const struct batch_item *v, int n)
{
	struct str newest = v[0].id;

	p->oldest_ms = id_time_ms(v[0].id);
	for (int i = 0; i < n; i++) {
		OWNS(buf) b = {0};
		struct str key = record_key_of(p->c->arena, v[i].tenant, v[i].id, "end");

		if (id_time_ms(v[i].id) < p->oldest_ms)
			p->oldest_ms = id_time_ms(v[i].id);
		if (str_cmp(v[i].id, newest) > 0)
			newest = v[i].id;
		if (p->r->o.store->ops->get(p->c, p->r->o.store, key, 0, 1, &b))
			is_there(p, v[i].id);
		else if (p->c->err.kind != ERR_NOT_FOUND)
			return false;
		call_forgive(p->c);
	}
	return batch_ids(p->c, p->r, v[0].tenant, newest, &(struct batch_list){is_there, is_older, p});
}

static int by_tenant(const void *a, const void *b)
{
	const struct batch_item *x = a, *y = b;

	return str_cmp(x->tenant, y->tenant);
}

static bool store_ends(struct replay *p)
{
	int left = 0;
	bool ok = true;

	if (p->n)
		qsort(p->v, (size_t)p->n, sizeof(*p->v), by_tenant);
	for (int from = 0, to; ok && from < p->n; from = to) {
		for (to = from + 1; to < p->n && str_eq(p->v[to].tenant, p->v[from].tenant); to++)
			;
		ok = find_stored(p, &p->v[from], to - from);
	}
	for (int i = 0; i < p->n; i++)
		if (!map_get(&p->there, p->v[i].id) && p->v[i].expires_ms > clock_wall_ms())
			p->v[left++] = p->v[i];
	ok = ok && batches_put(p->c, p->r, p->v, left);
	for (int i = 0; i < left; i++)
		batch_unref(p->v[i].batch);
	return ok;
}

static bool store_alone(struct call *c, struct runner *r, const struct entry *e)
{
	struct str key = record_key_of(c->arena, e->tenant, e->id, "end");

	if (r->o.store->ops->put(c, r->o.store, key, e->record, STORE_NEW))
		return true;
	if (c->err.kind != ERR_CONFLICT)
		return false;
	call_forgive(c);
	return true;
}

static bool replay_file(struct call *c, struct runner *r, struct str key)
{
	struct replay p = {.c = c, .r = r};
	OWNS(buf) b = {0};
	struct str rest;
	struct entry e;
	bool ok;

	if (!r->o.journal->ops->get(c, r->o.journal, key, 0, JOURNAL_MAX, &b))
		return false;
	for (rest = buf_str(&b), ok = true; ok && take_entry(&rest, &e);) {
		if (e.kind == KIND_END)
			add_end(&p, &e);
		if (e.kind == KIND_ALONE)
			ok = store_alone(c, r, &e);
		if (e.kind == KIND_DROP) {
			is_there(&p, e.id);
			ok = record_drop(c, r, e.tenant, e.id);
		}
	}
	ok = ok && store_ends(&p);
	map_close(&p.there);
	free(p.v);
	if (rest.n)
		obs_log(OBS_WARN, "runner", "%.*s: the last %zu bytes are torn", SARG(key), rest.n);
	return ok && r->o.journal->ops->drop(c, r->o.journal, key);
}

bool journal_open(struct call *c, struct runner *r)
{
	struct journal *g = base_zalloc(sizeof(*g));
	struct str last = S("");
	struct store_entry *v;
	size_t n = 0;

	pthread_mutex_init(&g->lock, NULL);
	pthread_mutex_init(&g->flushing, NULL);
	list_init(&g->waiting);
	g->file = g->oldest = 1;
	r->jobs->journal = g;
	if (!r->o.journal)
		return true;
	INVARIANT(r->o.journal->ops->append);
	do {
		if (!r->o.journal->ops->list(c, r->o.journal, S("jobs-journal/"), last, &v, &n))
			return false;
		for (size_t i = 0; i < n; i++) {
			if (!replay_file(c, r, v[i].key))
				return false;
			last = v[i].key;
		}
	} while (n > 0);
	return true;
}

void journal_close(struct runner *r)
{
	struct journal *g = r->jobs->journal;
	struct waiting *w;

	if (!g)
		return;
	while ((w = pop(g)) != NULL)
		let_go(w);
	pthread_mutex_destroy(&g->lock);
	pthread_mutex_destroy(&g->flushing);
	free(g);
	r->jobs->journal = NULL;
}
