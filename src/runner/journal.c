/* journal.c - the ends of jobs that nobody else knows yet: appended here before they are answered, put into the store behind it.
 *
 * A file `jobs-journal/<n>` of this server's own store is a run of entries; appends are not synced, so they survive the
 * death of the process, not of the machine. An entry is
 *
 *   magic u32 · kind u32 · length of body u64 · first eight bytes of its SHA-256 · body: tenant NUL id NUL record
 *
 * and its kind says that the job ended, or that it was dropped. A file whose jobs are all in the store is removed. What cannot be
 * read is the torn end of the last append.
 */
#include "runner/job_int.h"

#include <stdio.h>
#include <stdlib.h>

enum { MAGIC = 0x314a464d, KIND_END = 1, KIND_DROP = 2, HEAD = 24, FILE_BYTES = 16 << 20, WAITING_MAX = 20000 };
#define WAITING_BYTES (INT64_C(64) << 20)
#define JOURNAL_MAX (INT64_C(1) << 31)

struct waiting { /* a job whose end is not in the store */
	struct list link;
	struct job *job;
	uint64_t file;                       /* 0 = in none */
	int64_t bytes;
};
struct journal {
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
};

static bool take_entry(struct str *rest, struct entry *ret)
{
	unsigned char sum[SHA256_LEN];
	uint32_t magic;
	struct str body;
	uint64_t n;

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
	ret->record = body;
	return tenant_name_valid(ret->tenant) && id_valid(ret->id);
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

static void wait_locked(struct journal *g, struct job *j, uint64_t file, int64_t bytes)
{
	struct waiting *w = base_zalloc(sizeof(*w));

	job_ref(j);
	*w = (struct waiting){.job = j, .file = file, .bytes = bytes};
	list_add_tail(&g->waiting, &w->link);
	g->n++;
	g->bytes += bytes;
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
	put_entry(&entry, KIND_END, j, buf_str(&end));
	pthread_mutex_lock(&g->lock);
	ok = append_locked(c, j->runner, g, buf_str(&entry));
	if (ok)
		wait_locked(g, j, g->file, (int64_t)entry.n);
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
	wait_locked(g, j, 0, 0);
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
		g->bytes -= w->bytes;
	}
	pthread_mutex_unlock(&g->lock);
	return w;
}

static void put_back(struct journal *g, struct waiting *w)
{
	pthread_mutex_lock(&g->lock);
	list_add_head(&g->waiting, &w->link);
	g->n++;
	g->bytes += w->bytes;
	pthread_mutex_unlock(&g->lock);
}

/* False: the store is not to be had now. */
static bool flush_one(struct call *c, struct job *j)
{
	bool done, ok;

	job_enter(j);
	pthread_mutex_lock(&j->lock);
	done = j->gone || j->stored || !j->body;
	pthread_mutex_unlock(&j->lock);
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

void journal_flush(struct call *c, struct runner *r)
{
	struct journal *g = r->jobs->journal;
	struct waiting *w;

	while ((w = pop(g)) != NULL) {
		if (!flush_one(c, w->job)) {
			obs_log(OBS_WARN, "runner", "ends of jobs cannot be stored yet: %s", err_code(c->err.kind));
			call_forgive(c);
			put_back(g, w);
			return;
		}
		job_unref(w->job);
		free(w);
		arena_reset(c->arena);
	}
	drop_files(c, r);
}

/* --- at start --- */

static bool replay_end(struct call *c, struct runner *r, const struct entry *e)
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
	OWNS(buf) b = {0};
	struct str rest;
	struct entry e;

	if (!r->o.journal->ops->get(c, r->o.journal, key, 0, JOURNAL_MAX, &b))
		return false;
	for (rest = buf_str(&b); take_entry(&rest, &e);) {
		if (e.kind == KIND_END && !replay_end(c, r, &e))
			return false;
		if (e.kind == KIND_DROP && !record_drop(c, r, e.tenant, e.id))
			return false;
	}
	if (rest.n)
		obs_log(OBS_WARN, "runner", "%.*s: the last %zu bytes are torn", SARG(key), rest.n);
	return r->o.journal->ops->drop(c, r->o.journal, key);
}

bool journal_open(struct call *c, struct runner *r)
{
	struct journal *g = base_zalloc(sizeof(*g));
	struct str last = S("");
	struct store_entry *v;
	size_t n = 0;

	pthread_mutex_init(&g->lock, NULL);
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
	while ((w = pop(g)) != NULL) {
		job_unref(w->job);
		free(w);
	}
	pthread_mutex_destroy(&g->lock);
	free(g);
	r->jobs->journal = NULL;
}
