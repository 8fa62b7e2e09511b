/* stmt_store_rig.h - a store of statements of any kind, and statements to keep in it.
 *
 * A backend is a row of functions: a place that outlives the store (a folder, a
 * Redis), and the store opened on it, as often as a test wants.
 */
#ifndef MAYFLY_TEST_STMT_STORE_RIG_H
#define MAYFLY_TEST_STMT_STORE_RIG_H

#include "statement/statement_int.h"
#include "statement/store.h"

#include "redis_rig.h"

enum { TTL_MS = 3600000, TOMB_MS = 86400000, PARTS_OF_A_RECORD = 64 };

struct stmt_backend {
	const char *name;                        /* ops->name */
	void *(*place)(void);                    /* NULL: not installed */
	struct stmt_store *(*open)(struct call *c, void *place);
	void (*closed)(void *place);             /* after the store's close(), before another open() */
	void (*leave)(void *place);
	struct str (*owner)(struct stmt_store *s);
	int many;                                /* records that a test of many writes */
};

struct stores {
	struct arena arena;
	struct call c;
	const struct stmt_backend *backend;
	void *place;
	struct stmt_store *s;
};

/* --- Redis --- */

struct redis_place {
	struct redis_rig rig;
	struct redis *client;
};

UNUSED static void *redis_place(void)
{
	struct redis_place *p;

	if (!redis_rig_program())
		return NULL;
	p = base_zalloc(sizeof(*p));
	redis_rig_open(&p->rig, NULL);
	return p;
}

UNUSED static struct stmt_store *redis_store(struct call *c, void *place)
{
	struct redis_place *p = place;
	struct redis_options o = redis_rig_options(&p->rig);
	struct store_redis_options so = {.prefix = S("mayfly:statements:"), .server = S("srv"), .tombstone_ms = TOMB_MS};

	p->client = redis_rig_client(c, &o);
	so.redis = p->client;
	return stmt_store_redis(c, &so);
}

UNUSED static void redis_store_closed(void *place)
{
	redis_close(((struct redis_place *)place)->client);
}

UNUSED static void redis_leave(void *place)
{
	redis_rig_close(&((struct redis_place *)place)->rig);
	free(place);
}

/* --- the fixture --- */

UNUSED static bool stores_open(struct stores *f, const struct stmt_backend *b)
{
	*f = (struct stores){.backend = b};
	call_open(&f->c, &f->arena);
	f->place = b->place();
	if (!f->place) {
		print_message("%s: skipped, it is not installed\n", b->name);
		return false;
	}
	f->s = b->open(&f->c, f->place);
	if (!f->s)
		print_message("%s: %s\n", b->name, f->c.err.text);
	assert_non_null(f->s);
	assert_string_equal(f->s->ops->name, b->name);
	return true;
}

UNUSED static void stores_shut(struct stores *f)
{
	f->s->ops->close(f->s);
	f->backend->closed(f->place);
	f->s = NULL;
}

/* As after a restart of the server. */
UNUSED static void stores_again(struct stores *f)
{
	stores_shut(f);
	f->s = f->backend->open(&f->c, f->place);
	assert_non_null(f->s);
}

UNUSED static void stores_close(struct stores *f)
{
	if (!f->place)
		return;
	stores_shut(f);
	f->backend->leave(f->place);
	arena_close(&f->arena);
}

#define WORKS(f, ok) \
	do { \
		bool ok_ = (ok); \
		if (!ok_) \
			print_message("%s: %s: %s\n", (f)->backend->name, err_code((f)->c.err.kind), (f)->c.err.text); \
		assert_true(ok_); \
	} while (0)

#define REFUSED(f, ok, want) \
	do { \
		assert_false(ok); \
		if ((f)->c.err.kind != (want)) \
			print_message("%s: %s: %s\n", (f)->backend->name, err_code((f)->c.err.kind), (f)->c.err.text); \
		assert_int_equal((f)->c.err.kind, (want)); \
		call_forgive(&(f)->c); \
	} while (0)

/* --- a statement --- */

struct made {
	struct stmt_record r;
	struct id id;
	struct engine_bytes *bytes[PARTS_OF_A_RECORD];
	struct stmt_kept_part parts[PARTS_OF_A_RECORD];
	struct stmt_error error;
	struct buf columns;
	char session[64], owner[128]; /* the store's may go with it */
};

UNUSED static void made_close(struct made *m)
{
	for (int i = 0; i < PARTS_OF_A_RECORD; i++)
		engine_bytes_unref(m->bytes[i]);
	buf_drop(&m->columns);
}

/* A new one of tenant acme, not yet added; session "" = none. */
UNUSED static void make(struct stores *f, struct made *m, const char *session)
{
	struct str owner = f->backend->owner(f->s);

	*m = (struct made){.id = id_v7()};
	snprintf(m->session, sizeof(m->session), "%s", session);
	snprintf(m->owner, sizeof(m->owner), "%.*s", SARG(owner));
	m->r = (struct stmt_record){
		.handle = id_str(&m->id), .tenant = S("acme"), .principal = S("ann"), .session_id = str_of(m->session),
		.request_id = S("req-1"), .claim = S("stmt/acme/3/ann/r1"), .owner = str_of(m->owner),
		.query_tag = S("nightly \"load\""), .children = S("0192f0c0-0000-7000-8000-0000000000020192f0c0-0000-7000-8000-000000000003"),
		.several = true,
		.sql = S("SELECT 'it''s', \"ä\"\n-- ünïcode \xF0\x9F\xA6\x8B"), .snowflake = true, .kind = SQL_SELECT,
		.created_ms = clock_wall_ms(), .ttl_ms = TTL_MS, .timeout_ms = 60000,
	};
}

/* It has a part more: `n` bytes that say which they are. */
UNUSED static void made_part(struct made *m, size_t n, bool gzip, int tag)
{
	int i = m->r.nparts++;
	char *text = base_alloc(n + 1);
	uint32_t x = (uint32_t)tag * 2654435761U + 12345;

	for (size_t k = 0; k < n; k++) {
		x = x * 1664525 + 1013904223;
		text[k] = (char)(gzip ? x >> 24 : 'a' + (x >> 24) % 26);
	}
	m->bytes[i] = engine_bytes_copy(str_from(text, n));
	free(text);
	m->parts[i] = (struct stmt_kept_part){(int64_t)n, 10, (int64_t)n, gzip};
	m->r.parts = m->parts;
	m->r.rows += 10;
	m->r.row_bytes += (int64_t)n;
}

UNUSED static void made_succeed(struct made *m)
{
	const struct engine_column column = {.name = S("n"), .type = S("INTEGER"), .kind = ENGINE_T_INT, .nullable = true};

	buf_clear(&m->columns);
	engine_pack_columns(&column, 1, &m->columns);
	m->r.columns = buf_str(&m->columns);
	m->r.state = STMT_SUCCEEDED;
	m->r.started_ms = m->r.created_ms + 1;
	m->r.completed_ms = clock_wall_ms();
	m->r.expires_ms = m->r.completed_ms + m->r.ttl_ms;
}

UNUSED static void made_fail(struct made *m)
{
	m->error = (struct stmt_error){.kind = ERR_SQL, .text = S("no such table"), .snowflake = S("Object 'T' does not exist."),
				       .sqlstate = "42S02", .native = "002003", .position = 7};
	made_succeed(m);
	m->r.columns = S("");
	m->r.state = STMT_FAILED;
	m->r.error = &m->error;
}

UNUSED static bool bytes_of(void *arg, struct call *c, int i, struct engine_bytes **ret)
{
	struct made *m = arg;

	(void)c;
	*ret = engine_bytes_ref(m->bytes[i]);
	return true;
}

UNUSED static struct stmt_store_key key_of(const struct made *m)
{
	return (struct stmt_store_key){m->r.tenant, m->r.detached ? S("") : m->r.session_id, m->r.handle};
}

/* --- what a store does with it --- */

static const struct stmt_store_limits no_limits;

UNUSED static bool add(struct stores *f, const struct made *m)
{
	return f->s->ops->add(&f->c, f->s, &m->r, &no_limits);
}

UNUSED static bool end(struct stores *f, struct made *m)
{
	return f->s->ops->end(&f->c, f->s, &m->r, bytes_of, m);
}

UNUSED static bool find(struct stores *f, const struct made *m, struct stmt_record *ret)
{
	struct stmt_store_key k = key_of(m);

	return f->s->ops->find(&f->c, f->s, &k, ret);
}

UNUSED static bool drop(struct stores *f, const struct made *m)
{
	struct stmt_store_key k = key_of(m);

	return f->s->ops->drop(&f->c, f->s, &k);
}

UNUSED static bool grant_to(struct stores *f, const struct made *m, const char *principal, bool give)
{
	struct stmt_store_key k = key_of(m);

	return f->s->ops->grant(&f->c, f->s, &k, str_of(principal), give);
}

/* Added, and ended with one small part. */
UNUSED static void made_kept(struct stores *f, struct made *m, const char *session)
{
	make(f, m, session);
	WORKS(f, add(f, m));
	made_part(m, 100, false, 1);
	made_succeed(m);
	WORKS(f, end(f, m));
}

UNUSED static void expect_missing(struct stores *f, const struct made *m)
{
	struct stmt_record r;

	REFUSED(f, find(f, m, &r), ERR_NOT_FOUND);
}

UNUSED static void expect_state(struct stores *f, const struct made *m, enum stmt_state state)
{
	struct stmt_record r;

	WORKS(f, find(f, m, &r));
	assert_int_equal(r.state, state);
}

UNUSED static void expect_parts(struct stores *f, const struct made *m)
{
	struct stmt_record r;

	WORKS(f, find(f, m, &r));
	assert_int_equal(r.nparts, m->r.nparts);
	for (int i = 0; i < r.nparts; i++) {
		struct engine_bytes *got;

		assert_true(r.parts[i].gzip == m->parts[i].gzip && r.parts[i].stored == m->parts[i].stored);
		WORKS(f, f->s->ops->part(&f->c, f->s, &r, i, &got));
		assert_true(str_eq(engine_bytes_str(got), engine_bytes_str(m->bytes[i])));
		engine_bytes_unref(got);
	}
}

UNUSED static void expect_same_text(struct str got, struct str want)
{
	assert_int_equal(got.n, want.n);
	if (want.n)
		assert_memory_equal(got.p, want.p, want.n);
}

UNUSED static void expect_record(struct stores *f, const struct made *m)
{
	const struct stmt_record *w = &m->r;
	struct stmt_record r;

	WORKS(f, find(f, m, &r));
	expect_same_text(r.handle, w->handle);
	expect_same_text(r.tenant, w->tenant);
	expect_same_text(r.principal, w->principal);
	expect_same_text(r.session_id, w->session_id);
	expect_same_text(r.request_id, w->request_id);
	expect_same_text(r.claim, w->claim);
	expect_same_text(r.owner, w->owner);
	expect_same_text(r.sql, w->sql);
	expect_same_text(r.query_tag, w->query_tag);
	expect_same_text(r.children, w->children);
	expect_same_text(r.columns, w->columns);
	assert_true(r.several == w->several && r.snowflake == w->snowflake && r.null_text == w->null_text && r.detached == w->detached &&
		    r.status_shape == w->status_shape && r.kind == w->kind && r.state == w->state);
	assert_true(r.created_ms == w->created_ms && r.started_ms == w->started_ms && r.completed_ms == w->completed_ms &&
		    r.expires_ms == w->expires_ms && r.ttl_ms == w->ttl_ms && r.timeout_ms == w->timeout_ms);
	assert_true(r.rows == w->rows && r.row_bytes == w->row_bytes && r.nparts == w->nparts && !r.error == !w->error);
	assert_memory_equal(&r.counts, &w->counts, sizeof(r.counts));
	if (!w->error)
		return;
	assert_true(r.error->kind == w->error->kind && r.error->position == w->error->position);
	expect_same_text(r.error->text, w->error->text);
	expect_same_text(r.error->snowflake, w->error->snowflake);
	assert_string_equal(r.error->sqlstate, w->error->sqlstate);
	assert_string_equal(r.error->native, w->error->native);
}

/* --- lists --- */

enum { LISTED_MAX = 6000 };
struct listed {
	int n, limit;            /* 0 = all */
	struct id v[LISTED_MAX];
};

UNUSED static bool note(void *arg, struct call *c, const struct stmt_record *r)
{
	struct listed *l = arg;

	(void)c;
	assert_true(l->n < LISTED_MAX && r->handle.n == ID_LEN);
	memcpy(l->v[l->n++].text, r->handle.p, ID_LEN);
	return !l->limit || l->n < l->limit;
}

UNUSED static const struct stmt_filter any_filter = {.state = -1, .limit = 100};

/* Newest first, no handle twice. */
UNUSED static void list_as(struct stores *f, const struct stmt_filter *filter, const struct call *viewer, struct listed *ret)
{
	struct stmt_store_page p = {S("acme"), filter, viewer};

	ret->n = 0;
	WORKS(f, f->s->ops->list(&f->c, f->s, &p, note, ret));
	for (int i = 1; filter && i < ret->n; i++)
		assert_true(str_cmp(id_str(&ret->v[i - 1]), id_str(&ret->v[i])) > 0);
}

UNUSED static int count_listed(struct stores *f, const struct stmt_filter *filter)
{
	struct listed *l = base_zalloc(sizeof(*l));
	int n;

	list_as(f, filter, NULL, l);
	n = l->n;
	free(l);
	return n;
}

#endif
