/* view_deadlines_test.c - what comes without traffic: sessions that end at their time, builds whose builder lives or is gone. */
#include "view_pages_rig.h"

#include <poll.h>

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)
enum { TRIES = 6000, TTL_S = 60, WAITED_MS = 10 };

/* --- a store that holds a write until the test lets it go --- */

struct holding {
	struct store base;
	struct store *real;
	const char *build, *renewal;   /* parts of keys; "" = nothing is held */
	atomic_bool build_held, renewal_held, build_free, renewal_free;
};
#define HOLDING(s) ((struct holding *)(s))
#define REAL(s) (HOLDING(s)->real)

static void hold(atomic_bool *held, atomic_bool *free_now)
{
	atomic_store(held, true);
	for (int i = 0; i < TRIES && !atomic_load(free_now); i++)
		poll(NULL, 0, WAITED_MS);
}

static bool has(struct str key, const char *part)
{
	return part[0] && str_search(key, str_of(part)) < key.n;
}

static bool h_put(struct call *c, struct store *s, struct str key, struct str bytes, enum store_put how)
{
	struct holding *h = HOLDING(s);

	if (has(key, h->build))
		hold(&h->build_held, &h->build_free);
	else if (how == STORE_REPLACE && has(key, h->renewal) && !atomic_load(&h->renewal_held))
		hold(&h->renewal_held, &h->renewal_free);
	return REAL(s)->ops->put(c, REAL(s), key, bytes, how);
}

static bool h_get(struct call *c, struct store *s, struct str key, int64_t offset, int64_t max, struct buf *ret)
{
	return REAL(s)->ops->get(c, REAL(s), key, offset, max, ret);
}

static bool h_list(struct call *c, struct store *s, struct str prefix, struct str after, struct store_entry **ret, size_t *ret_n)
{
	return REAL(s)->ops->list(c, REAL(s), prefix, after, ret, ret_n);
}

static bool h_drop(struct call *c, struct store *s, struct str key)
{
	return REAL(s)->ops->drop(c, REAL(s), key);
}

static const struct store_ops holding_ops = {.name = "holding", .put = h_put, .get = h_get, .list = h_list, .drop = h_drop};

/* Server b, whose builds stop at the commit. */
static void open_holding(struct fixture *f, struct holding *h)
{
	struct store *real = f->store;

	*h = (struct holding){.base = {.ops = &holding_ops, .location = real->location}, .real = real,
			      .build = "/metadata/v1.metadata.json", .renewal = ""};
	f->store = &h->base;
	server_open(f, &f->b, "b");
	f->store = real;
	exec_pool_close(f->b.pool);
	f->b.pool = f->b.views->o.pool = exec_pool_open("pool", 4, 1000); /* builds that are held have a thread each */
}

static void wait_true(const atomic_bool *flag)
{
	for (int i = 0; i < TRIES && !atomic_load(flag); i++)
		poll(NULL, 0, WAITED_MS);
	assert_true(atomic_load(flag));
}

/* --- asking --- */

static struct str save_behind(struct fixture *f)
{
	const struct saved_ask ask = {.space = S("lab"), .name = S("v"), .sql = S("SELECT 1 AS id"), .async = true};
	struct view_op *op;

	must(f, view_save(&f->c, f->b.views, &ask, &op));
	return take_saved(f, op);
}

static struct str open_in(struct fixture *f, struct views *v, const struct sql_session_ask *ask)
{
	struct view_op *op;
	struct view_result r;
	struct str id;

	must(f, view_session_open(&f->c, v, ask, &op));
	must(f, wait_for(f, op, &r));
	id = text_of(f, arena_dup(&f->arena, r.session), "id");
	view_op_unref(op);
	return id;
}

static struct saved_sql seen_by(struct fixture *f, struct views *v, struct str id)
{
	struct saved_sql q;

	must(f, view_saved_get(&f->c, v, S("lab"), id, &q));
	return q;
}

static struct str status_for(struct fixture *f, struct views *v, struct str session)
{
	OWNS(buf) json = {0};

	must(f, view_session_get(&f->c, v, S("lab"), session, &json));
	return text_of(f, arena_dup(&f->arena, buf_str(&json)), "status");
}

static struct attempt stored_attempt(struct fixture *f, struct str id)
{
	struct entry e;

	must(f, entry_read(&f->c, f->a.views, S("lab"), id, &e));
	return e.attempt;
}

static bool renews(struct views *v)
{
	bool on;

	pthread_mutex_lock(&v->lock);
	on = list_linked(&v->renewer);
	pthread_mutex_unlock(&v->lock);
	return on;
}

/* A round of renewals, to its end. */
static void renew(struct views *v)
{
	attempts_renew(v);
	for (int i = 0; i < TRIES && renews(v); i++)
		poll(NULL, 0, WAITED_MS);
	assert_false(renews(v));
}

static struct saved_sql wait_built(struct fixture *f, struct str id)
{
	struct saved_sql q = {0};

	for (int i = 0; i < TRIES; i++) {
		q = seen_by(f, f->a.views, id);
		if (q.view.state != VIEW_BUILDING)
			return q;
		poll(NULL, 0, WAITED_MS);
	}
	assert_true(false);
	return q;
}

/* --- builders --- */

static void test_a_slow_build_is_renewed(void **state)
{
	struct fixture *f = *state;
	static struct holding h; /* server b is closed after the test */
	struct str id, session;

	open_holding(f, &h);
	id = save_behind(f);
	wait_true(&h.build_held);
	session = open_in(f, f->b.views, &(struct sql_session_ask){.space = S("lab"), .sql_id = id, .norder = -1, .async = true});
	for (int round = 0; round < 6; round++) {
		clock_advance(RENEW_MS);
		renew(f->b.views);
		assert_true(stored_attempt(f, id).until_ms > clock_wall_ms() + ATTEMPT_MS - 5000);
		assert_int_equal(seen_by(f, f->a.views, id).view.state, VIEW_BUILDING);
		assert_str_equal(status_for(f, f->a.views, session), "running");
		views_sweep(&f->c, f->a.views);
	}
	atomic_store(&h.build_free, true);
	assert_int_equal(wait_built(f, id).view.state, VIEW_READY);
	for (int i = 0; i < TRIES && !views_idle(f->b.views); i++)
		poll(NULL, 0, WAITED_MS);
	assert_str_equal(status_for(f, f->a.views, session), "ready");
	assert_int_equal(stored_attempt(f, id).until_ms, 0);
	assert_true(list_empty(&f->b.views->building));
	renew(f->b.views);
	assert_int_equal(stored_attempt(f, id).until_ms, 0);
}

static void test_a_build_that_nobody_renews_has_failed(void **state)
{
	struct fixture *f = *state;
	static struct holding h; /* server b is closed after the test */
	struct str id, session;
	struct saved_sql q;

	open_holding(f, &h);
	id = save_behind(f);
	wait_true(&h.build_held);
	session = open_in(f, f->b.views, &(struct sql_session_ask){.space = S("lab"), .sql_id = id, .norder = -1, .async = true});
	clock_advance(ATTEMPT_MS - 5000);
	assert_int_equal(seen_by(f, f->a.views, id).view.state, VIEW_BUILDING);
	clock_advance(5001);
	q = seen_by(f, f->a.views, id);
	assert_int_equal(q.view.state, VIEW_FAILED);
	assert_str_equal(q.view.error, BUILDER_GONE);
	assert_str_equal(status_for(f, f->a.views, session), "failed");
	assert_int_equal(seen_by(f, f->b.views, id).view.state, VIEW_BUILDING); /* it knows better */
	clock_advance(f->a.views->o.skew_ms);
	views_sweep(&f->c, f->a.views);
	assert_int_equal(stored_attempt(f, id).until_ms, 0);
	renew(f->b.views); /* what is stored is not its attempt any more */
	assert_int_equal(stored_attempt(f, id).until_ms, 0);
	atomic_store(&h.build_free, true); /* it lived after all */
	for (int i = 0; i < TRIES && !views_idle(f->b.views); i++)
		poll(NULL, 0, WAITED_MS);
	assert_int_equal(seen_by(f, f->a.views, id).view.state, VIEW_READY);
	assert_int_equal(seen_by(f, f->a.views, id).view.error.n, 0);
}

static void test_a_server_that_is_started_again(void **state)
{
	struct fixture *f = *state;
	static struct holding h; /* server b is closed after the test */
	struct flag over = FLAG;
	struct str id, session;
	struct views *again;
	struct views_options o;
	struct session_doc d;
	struct entry e;

	open_holding(f, &h);
	id = save_behind(f);
	wait_true(&h.build_held);
	session = open_in(f, f->b.views, &(struct sql_session_ask){.space = S("lab"), .sql_id = id, .norder = -1, .async = true});
	o = f->b.views->o;
	o.store = f->store;
	again = views_open(&f->c, &o); /* the same server, another process */
	assert_int_equal(seen_by(f, f->a.views, id).view.state, VIEW_BUILDING);
	assert_int_equal(seen_by(f, again, id).view.state, VIEW_FAILED);
	assert_str_equal(status_for(f, again, session), "failed");
	views_sweep(&f->c, again);
	must(f, entry_read(&f->c, f->a.views, S("lab"), id, &e));
	assert_int_equal(e.attempt.until_ms, 0);
	assert_str_equal(e.saved.view.error, BUILDER_GONE);
	must(f, session_doc_read(&f->c, f->a.views, key_session(&f->c, S("lab"), session), &d));
	assert_str_equal(d.status, "failed");
	assert_str_equal(d.error, BUILDER_GONE);
	assert_int_equal(seen_by(f, f->a.views, id).view.state, VIEW_FAILED);
	views_stop(again, flag_raise, &over);
	flag_wait(&over, 1);
	views_close(again);
	atomic_store(&h.build_free, true);
}

/* The former view stays in force, and what failed is told beside it. */
static void test_an_update_whose_server_is_gone(void **state)
{
	struct fixture *f = *state;
	static struct holding h; /* server b is closed after the test */
	struct saved_ask ask = {.space = S("lab"), .name = S("v"), .sql = S("SELECT 2 AS id"), .async = true};
	struct saved_sql before, now;
	struct view_op *op;

	open_holding(f, &h);
	h.build = "/metadata/v2.metadata.json";
	ask.id = save(f, "SELECT 1 AS id", NULL);
	before = seen_by(f, f->a.views, ask.id);
	ask.parent_revision_id = before.revision_id;
	must(f, view_save(&f->c, f->b.views, &ask, &op));
	take_saved(f, op);
	wait_true(&h.build_held);
	assert_int_equal(seen_by(f, f->a.views, ask.id).view.state, VIEW_BUILDING);
	clock_advance(ATTEMPT_MS + f->a.views->o.skew_ms + 1);
	for (int swept = 0; swept < 2; swept++) {
		now = seen_by(f, f->a.views, ask.id);
		assert_int_equal(now.view.state, VIEW_READY);
		assert_str_equal(now.view.error, BUILDER_GONE);
		assert_true(str_eq(now.sql, before.sql) && str_eq(now.revision_id, before.revision_id));
		assert_int_equal(now.view.snapshot_id, before.view.snapshot_id);
		views_sweep(&f->c, f->a.views);
		assert_int_equal(stored_attempt(f, ask.id).until_ms, 0);
	}
	atomic_store(&h.build_free, true);
}

static void test_another_attempt_is_left_alone(void **state)
{
	struct fixture *f = *state;
	static struct holding h; /* server b is closed after the test */
	struct entry e;
	struct str id;

	open_holding(f, &h);
	id = save_behind(f);
	wait_true(&h.build_held);
	must(f, entry_read(&f->c, f->a.views, S("lab"), id, &e));
	e.attempt.id = S("0198aaaa-0000-4000-8000-000000000001");
	e.attempt.server = e.attempt.process = S("c");
	e.attempt.until_ms = clock_wall_ms() + 30000;
	must(f, entry_store(&f->c, f->a.views, S("lab"), &e, STORE_REPLACE));
	clock_advance(RENEW_MS);
	renew(f->b.views);
	assert_int_equal(stored_attempt(f, id).until_ms, e.attempt.until_ms);
	atomic_store(&h.build_free, true);
	for (int i = 0; i < TRIES && !views_idle(f->b.views); i++)
		poll(NULL, 0, WAITED_MS);
	assert_int_equal(stored_attempt(f, id).until_ms, e.attempt.until_ms);
	assert_true(str_eq(stored_attempt(f, id).id, e.attempt.id));
	assert_int_equal(seen_by(f, f->a.views, id).view.rows, 1);
}

/* The renewal has read, and is about to write, when the build ends. */
static void test_a_renewal_never_overwrites_the_end(void **state)
{
	struct fixture *f = *state;
	static struct holding h; /* server b is closed after the test */
	struct ice_table t;
	struct str id;

	open_holding(f, &h);
	id = save_behind(f);
	wait_true(&h.build_held);
	h.renewal = "/sql/";
	attempts_renew(f->b.views);
	wait_true(&h.renewal_held);
	atomic_store(&h.build_free, true);
	for (int i = 0; i < TRIES && !ice_load(&f->c, f->store, key_view(&f->c, S("lab"), id), &t); i++) {
		call_forgive(&f->c);
		poll(NULL, 0, WAITED_MS);
	}
	for (int i = 0; i < 20 && !views_idle(f->b.views); i++) /* where the build does not wait, it ends meanwhile */
		poll(NULL, 0, WAITED_MS);
	atomic_store(&h.renewal_free, true);
	for (int i = 0; i < TRIES && (!views_idle(f->b.views) || renews(f->b.views)); i++)
		poll(NULL, 0, WAITED_MS);
	assert_int_equal(stored_attempt(f, id).until_ms, 0);
	assert_int_equal(seen_by(f, f->a.views, id).view.state, VIEW_READY);
}

/* A round that is due while the one before is still at the store comes right after it. */
static void test_a_renewal_that_is_due_during_another_comes(void **state)
{
	struct fixture *f = *state;
	static struct holding h; /* server b is closed after the test */
	int64_t due;
	struct str id;

	open_holding(f, &h);
	id = save_behind(f);
	wait_true(&h.build_held);
	h.renewal = "/sql/";
	attempts_renew(f->b.views);
	wait_true(&h.renewal_held);
	clock_advance(RENEW_MS);
	due = clock_wall_ms();
	attempts_renew(f->b.views);
	atomic_store(&h.renewal_free, true);
	for (int i = 0; i < TRIES && renews(f->b.views); i++)
		poll(NULL, 0, WAITED_MS);
	assert_true(stored_attempt(f, id).until_ms >= due + ATTEMPT_MS);
	atomic_store(&h.build_free, true);
}

/* --- sessions --- */

struct timed { /* a room with a loop that looks after its leases */
	struct exec_loop *loop;
	struct lifecycle *lifecycle;
	struct views *views;
};

static void timed_open(struct fixture *f, struct timed *t)
{
	struct views_options o = f->a.views->o;

	t->loop = exec_loop_open("sweeper");
	t->lifecycle = o.lifecycle = lifecycle_open(&(struct lifecycle_options){.loop = t->loop, .tick_ms = 20, .batch = 10});
	o.sweep_ms = 1LL << 40;
	t->views = views_open(&f->c, &o);
	exec_loop_start(t->loop);
}

static void timed_close(struct timed *t)
{
	struct flag over = FLAG;

	views_stop(t->views, flag_raise, &over);
	flag_wait(&over, 1);
	exec_loop_stop(t->loop);
	exec_loop_join(t->loop);
	views_close(t->views);
	lifecycle_close(t->lifecycle);
	exec_loop_close(t->loop);
}

static size_t deadlines(struct views *v)
{
	size_t n;

	pthread_mutex_lock(&v->lock);
	n = v->deadlines.n;
	pthread_mutex_unlock(&v->lock);
	return n;
}

static void wait_deadlines(struct views *v, size_t n)
{
	for (int i = 0; i < TRIES && deadlines(v) != n; i++)
		poll(NULL, 0, WAITED_MS);
	assert_int_equal(deadlines(v), n);
}

/* Objects below that end so. */
static int objects(struct fixture *f, const char *what, const char *ending)
{
	struct store_entry *e;
	size_t n;
	int found = 0;

	must(f, f->store->ops->list(&f->c, f->store, key_space(&f->c, S("lab"), what), S(""), &e, &n));
	for (size_t i = 0; i < n; i++)
		found += str_ends(e[i].key, str_of(ending));
	return found;
}

static void test_sessions_end_at_their_time(void **state)
{
	struct fixture *f = *state;
	struct sql_session_ask saved = {.space = S("lab"), .norder = -1, .ttl_seconds = TTL_S}, own = saved, longer = saved, behind;
	struct timed t;
	struct str left;

	saved.sql_id = longer.sql_id = save(f, "SELECT 1 AS id", NULL);
	own.sql = S("SELECT 2 AS id");
	longer.ttl_seconds = 2 * TTL_S;
	behind = own;
	behind.sql = S("SELECT 3 AS id");
	behind.async = true;
	timed_open(f, &t);
	open_in(f, t.views, &saved);
	open_in(f, t.views, &own);
	open_in(f, t.views, &behind);
	left = open_in(f, t.views, &longer);
	assert_int_equal(deadlines(t.views), 4);
	for (int i = 0; i < TRIES && !views_idle(t.views); i++)
		poll(NULL, 0, WAITED_MS);
	assert_int_equal(objects(f, "/sql/", ".json"), 3);
	clock_advance(TTL_S * 1000 - 20000);
	lifecycle_sweep_all(t.lifecycle);
	assert_int_equal(deadlines(t.views), 4);
	clock_advance(25000);
	wait_deadlines(t.views, 1);
	assert_int_equal(objects(f, "/sql_sessions/", "/meta.json"), 1);
	assert_int_equal(objects(f, "/sql/", ".json"), 1); /* their own went with them */
	assert_int_equal(atomic_load(&t.views->expired), 3);
	assert_str_equal(page(f, left, 0, 9), "[1]");
	timed_close(&t); /* with one that is not over */
}

static void test_own_sql_that_another_session_uses_stays(void **state)
{
	struct fixture *f = *state;
	struct sql_session_ask own = {.space = S("lab"), .sql = S("SELECT 2 AS id"), .norder = -1, .ttl_seconds = TTL_S}, other = own;
	struct session_doc d;
	struct timed t;
	struct str id;

	timed_open(f, &t);
	must(f, session_doc_get(&f->c, t.views, S("lab"), open_in(f, t.views, &own), &d));
	other.sql = S("");
	other.sql_id = d.sql_id;
	other.ttl_seconds = 10 * TTL_S;
	id = open_session(f, d.sql_id); /* of another room: this one does not know of it but by the store */
	clock_advance(TTL_S * 1000 + 5000);
	wait_deadlines(t.views, 0);
	assert_int_equal(objects(f, "/sql_sessions/", "/meta.json"), 1);
	assert_str_equal(page(f, id, 0, 9), "[2]");
	assert_int_equal(objects(f, "/materialized_views/", "/collecting"), 0);
	open_in(f, t.views, &other);
	must(f, view_session_drop(&f->c, t.views, S("lab"), id));
	wait_deadlines(t.views, 1);
	clock_advance(10 * TTL_S * 1000 + 5000);
	wait_deadlines(t.views, 0);
	assert_int_equal(objects(f, "/sql/", ".json"), 0);
	assert_int_equal(objects(f, "/materialized_views/", ""), 0);
	timed_close(&t);
}

static void test_sessions_that_end_before(void **state)
{
	struct fixture *f = *state;
	struct sql_session_ask own = {.space = S("lab"), .sql = S("SELECT 2 AS id"), .norder = -1, .ttl_seconds = TTL_S};
	struct session_doc d;
	struct timed t;
	struct str id;

	timed_open(f, &t);
	id = open_in(f, t.views, &own);
	must(f, view_session_drop(&f->c, t.views, S("lab"), id));
	clock_advance(DEADLINES_MS);
	wait_deadlines(t.views, 0); /* nothing is kept until its time, and its SQL goes as well */
	assert_int_equal(objects(f, "/sql/", ".json"), 0);
	assert_int_equal(atomic_load(&t.views->expired), 0);
	id = open_in(f, t.views, &own);
	must(f, view_session_drop(&f->c, f->a.views, S("lab"), id)); /* by another server */
	id = open_in(f, t.views, &own);
	clock_advance(TTL_S * 1000);
	assert_false(session_doc_get(&f->c, f->a.views, S("lab"), id, &d)); /* told by another server */
	assert_true(failed(f, ERR_SESSION_EXPIRED));
	clock_advance(5000);
	wait_deadlines(t.views, 0);
	assert_int_equal(atomic_load(&f->a.views->expired) + atomic_load(&t.views->expired), 1);
	assert_int_equal(objects(f, "/sql_sessions/", "/meta.json"), 0);
	assert_int_equal(objects(f, "/sql/", ".json"), 0);
	timed_close(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_a_slow_build_is_renewed), CASE(test_a_build_that_nobody_renews_has_failed),
		CASE(test_a_server_that_is_started_again), CASE(test_an_update_whose_server_is_gone),
		CASE(test_another_attempt_is_left_alone), CASE(test_a_renewal_never_overwrites_the_end),
		CASE(test_a_renewal_that_is_due_during_another_comes),
		CASE(test_sessions_end_at_their_time), CASE(test_own_sql_that_another_session_uses_stays),
		CASE(test_sessions_that_end_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
