/* restart.c - what a former process of this server left behind.
 *
 * Read before the loop runs; endings are only made due here, and begin with the
 * sweeper. What the records leave open, the event log decides: was it told that
 * this session was opened, was it told that it ended?
 */
#include "session/session_int.h"

#include "obs/obs.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* --- the event log's word --- */

enum { PAGE = 1000 };

struct look {
	struct map *doubts;
	struct str stream;      /* `"stream":"<this server>"` */
	int64_t first;          /* oldest offset of our stream that is kept, -1 = none was seen */
};

/* The value of a text member of a payload that this room wrote: no escapes in these. */
static struct str member(struct str payload, struct str key)
{
	size_t at = str_search(payload, key);
	struct str rest = str_tail(payload, at + key.n < payload.n ? at + key.n : payload.n);

	return str_head(rest, str_find(rest, '"'));
}

static void look_at(struct look *l, const struct event_item *item)
{
	struct str event;
	struct doubt *d;

	if (l->first < 0 && str_search(item->line, l->stream) < item->line.n)
		l->first = item->offset;
	d = map_get(l->doubts, member(item->payload, S("{\"session_id\":\"")));
	if (!d)
		return;
	event = member(item->payload, S("\"event\":\""));
	d->opened = d->opened || str_eq(event, S("opened"));
	d->ended = d->ended || str_eq(event, S("closed")) || str_eq(event, S("timed_out"));
}

/* One page; the cursor is empty after the last. */
static bool look_page(struct call *c, struct sessions *s, struct str tenant, struct look *l, struct buf *cursor)
{
	const struct event_filter f = {.tenant = tenant, .topic = EVENT_SESSION_LIFECYCLE};
	struct event_page page = {.cursor = buf_str(cursor), .limit = PAGE};

	if (!events_read(c, s->o.events, &f, &page))
		return false;
	for (int i = 0; i < page.n; i++)
		look_at(l, &page.items[i]);
	buf_clear(cursor);
	if (page.n == PAGE)
		buf_add(cursor, page.cursor);
	return true;
}

static bool look_all(struct call *c, struct sessions *s, struct str tenant, struct look *l)
{
	OWNS(buf) cursor = {0};
	bool ok;

	do {
		OWNS(arena) a = {0};
		struct call k;

		call_open(&k, &a);
		k.tenant = tenant;
		ok = look_page(&k, s, tenant, l, &cursor);
		if (!ok)
			fail_as(c, &k.err);
	} while (ok && cursor.n);
	return ok || record_failed(c, "reading the event log");
}

bool session_look_up(struct call *c, struct sessions *s, struct str tenant, struct map *doubts)
{
	struct look l = {.doubts = doubts, .first = -1, .stream = arena_fmt(c->arena, "\"stream\":\"%.*s\"", SARG(s->o.server))};
	struct map_slot slot;
	int64_t head;

	if (!look_all(c, s, tenant, &l))
		return false;
	if (!event_head(c, s->o.events, EVENT_SESSION_LIFECYCLE, tenant, &head))
		return record_failed(c, "reading the event log");
	for (size_t i = 0; map_next(doubts, &i, &slot);) {
		struct doubt *d = slot.value;

		d->forgotten = (l.first < 0 ? head : l.first) > d->at;
	}
	return true;
}

/* --- the records --- */

struct found {
	struct record r;
	struct doubt doubt;
};
struct scan {
	struct call *c;
	struct sessions *s;
	struct found **v;
	size_t n, cap;
};

static bool on_record(void *arg, struct str key, const struct kv_record *kr)
{
	struct scan *scan = arg;
	struct call *c = scan->c;
	struct found *f = ARENA_NEW(c->arena, struct found);

	if (!record_read(c, kr->value, &f->r) || !str_eq(key, record_key(c->arena, f->r.tenant, f->r.id))) {
		obs_log(OBS_WARN, "session", "the record %.*s cannot be read and is left alone", SARG(key));
		call_forgive(c);
		return true;
	}
	if (!str_eq(f->r.server, scan->s->o.server))
		return true;
	if (f->r.state == SESSION_CLOSED) {
		session_told_gone(scan->s, &f->r);
		return true;
	}
	f->doubt.at = f->r.at;
	if (scan->n == scan->cap) {
		scan->cap = scan->cap ? scan->cap * 2 : 64;
		scan->v = base_realloc(scan->v, scan->cap * sizeof(struct found *));
	}
	scan->v[scan->n++] = f;
	return true;
}

static int by_tenant(const void *a, const void *b)
{
	const struct found *const *x = a, *const *y = b;

	return str_cmp((*x)->r.tenant, (*y)->r.tenant);
}

static bool is_doubtful(const struct record *r)
{
	return r->state == SESSION_OPENING || r->state == SESSION_CLOSING;
}

/* [from, to) are of one tenant. */
static bool settle_doubts(struct scan *scan, size_t from, size_t to)
{
	struct map doubts = {0};
	bool ok = true;

	for (size_t i = from; i < to; i++)
		if (is_doubtful(&scan->v[i]->r))
			map_put(&doubts, scan->v[i]->r.id, &scan->v[i]->doubt);
	if (doubts.n)
		ok = session_look_up(scan->c, scan->s, scan->v[from]->r.tenant, &doubts);
	map_close(&doubts);
	return ok;
}

/* --- going on with one --- */

/* Nobody was answered, so it never was. */
static void forget(struct scan *scan, const struct record *r)
{
	if (!kv_drop(scan->c, scan->s->o.kv, record_key(scan->c->arena, r->tenant, r->id), KV_ANY))
		call_forgive(scan->c); /* the next start tries again */
}

static void make_due(struct session *se, enum session_cause cause)
{
	se->claimed = se->r.state == SESSION_CLOSING;
	if (!se->claimed) {
		session_move(se, SESSION_CLOSING);
		se->r.cause = cause;
	}
	se->retry_ms = clock_wall_ms();
}

static void resume(struct scan *scan, struct found *f)
{
	struct record *r = &f->r;
	struct session *se;
	bool goes_on;

	if (r->state == SESSION_OPENING && !f->doubt.opened && !f->doubt.forgotten) {
		forget(scan, r);
		return;
	}
	if (r->state == SESSION_OPENING)
		r->state = SESSION_OPEN;
	se = session_new(scan->s, r);
	se->told = f->doubt.ended;
	goes_on = r->state == SESSION_OPEN && r->persistent && clock_wall_ms() < r->expires_ms;
	if (!goes_on)
		make_due(se, CAUSE_SERVER_RESTART);
	INVARIANT(session_enter(se, INT64_MAX));
	session_clock(se);
	session_unref(se);
}

/* --- files without a session --- */

static bool is_alive(struct sessions *s, const char *file)
{
	struct id id;
	size_t n = 0;

	for (size_t i = 0; i < SQL_EPHEMERAL_HEX; i++) {
		if (i == 8 || i == 12 || i == 16 || i == 20)
			id.text[n++] = '-';
		id.text[n++] = file[sizeof(SQL_EPHEMERAL) - 1 + i];
	}
	return n == ID_LEN && map_get(&s->map, id_str(&id)) != NULL;
}

/* The name of a catalog and what DuckDB puts behind. */
static bool is_ours(const char *file)
{
	return sql_is_catalog(str_of(file)) && file[SQL_CATALOG_LEN] == '.';
}

/* The folder belongs to the tenant's worker: no link in it is followed. */
static DIR *folder_in(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (fd >= 0 && !d)
		close(fd);
	return d;
}

static void clean_folder(struct sessions *s, DIR *tenant)
{
	DIR *d = folder_in(dirfd(tenant), "sessions");
	struct dirent *e;

	while (d && (e = readdir(d)) != NULL)
		if (is_ours(e->d_name) && !is_alive(s, e->d_name))
			unlinkat(dirfd(d), e->d_name, 0);
	if (d)
		closedir(d);
}

static void clean_folders(struct call *c, struct sessions *s)
{
	DIR *tenants = folder_in(AT_FDCWD, arena_fmt(c->arena, "%.*s/tenants", SARG(s->o.data_dir)).p);
	struct dirent *e;

	while (tenants && (e = readdir(tenants)) != NULL) {
		DIR *d = e->d_name[0] == '.' ? NULL : folder_in(dirfd(tenants), e->d_name);

		if (d) {
			clean_folder(s, d);
			closedir(d);
		}
	}
	if (tenants)
		closedir(tenants);
}

bool sessions_resume(struct call *c, struct sessions *s)
{
	struct scan scan = {.c = c, .s = s};
	bool ok = kv_scan(c, s->o.kv, S("session/"), on_record, &scan) || record_failed(c, "reading the records of sessions");

	if (scan.n)
		qsort(scan.v, scan.n, sizeof(struct found *), by_tenant);
	for (size_t from = 0, to; ok && from < scan.n; from = to) {
		for (to = from; to < scan.n && str_eq(scan.v[to]->r.tenant, scan.v[from]->r.tenant);)
			to++;
		ok = settle_doubts(&scan, from, to);
	}
	for (size_t i = 0; ok && i < scan.n; i++)
		resume(&scan, scan.v[i]);
	free(scan.v);
	if (ok)
		clean_folders(c, s);
	return ok;
}
