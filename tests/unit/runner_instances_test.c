/* runner_instances_test.c - instances over a backend in memory: warm ones, shared ones, places, what waits and what ends. */
#include "runner_fake.h"

#include <time.h>

static struct client *tail(struct rig *g, const char *chain)
{
	struct client *k = client_new(g, "acme", chain);

	assert_true(client_acquire(k));
	return k;
}

static bool lease(struct client *k, bool shared, struct tenancy *t)
{
	return instance_lease(&k->c, &k->g->r, k->got.layer, shared, &k->stop, t);
}

static int number(const struct tenancy *t)
{
	return t->conn->of->number;
}

static int warm(struct rig *g)
{
	int n, busy;

	instances_counted(&g->r, &n, &busy);
	return n;
}

static int busy(struct rig *g)
{
	int n, of_them;

	instances_counted(&g->r, &n, &of_them);
	return of_them;
}

static void settle(struct rig *g)
{
	fake_until(atomic_load(&fake.in_boot) == 0 && busy(g) == 0);
}

/* --- writable ones --- */

static void test_second_lease_is_warm_and_never_the_same(void **state)
{
	struct rig *g = *state;
	struct client *k = tail(g, "a=ok");
	struct tenancy t;
	bool seen[64] = {0};

	assert_true(lease(k, false, &t));
	assert_false(t.warm);
	assert_true(t.boot_ns > 0);
	for (int i = 0; i < 10; i++) {
		assert_true(number(&t) < 64);
		assert_false(seen[number(&t)]);
		seen[number(&t)] = true;
		assert_int_equal(t.instance->ops->alive(t.instance), true);
		instance_return(&g->r, &t, true);
		fake_until(warm(g) > 0);
		assert_true(lease(k, false, &t));
		assert_true(t.warm);
		assert_int_equal(t.boot_ns, 0);
	}
	instance_return(&g->r, &t, false);
	settle(g);
	client_free(k);
}

static void test_dead_one_is_noticed_and_replaced(void **state)
{
	struct rig *g = *state;
	struct client *k = tail(g, "a=ok");
	struct tenancy t;
	struct box *b;
	int dead;

	assert_true(lease(k, false, &t));
	instance_return(&g->r, &t, true);
	fake_until(warm(g) == 1);
	pthread_mutex_lock(&g->r.instances->lock);
	b = LIST_ITEM(g->r.instances->all.next, struct box, all);
	dead = ((struct fake_instance *)b->pg)->number;
	atomic_store(&((struct fake_instance *)b->pg)->alive, false);
	pthread_mutex_unlock(&g->r.instances->lock);
	instances_sweep(&g->r);
	fake_until(warm(g) == 1);
	assert_true(lease(k, false, &t));
	assert_true(number(&t) != dead);
	instance_return(&g->r, &t, true);
	settle(g);
	client_free(k);
}

static void test_dead_one_is_not_leased(void **state)
{
	struct rig *g = *state;
	struct client *k = tail(g, "a=ok");
	struct tenancy t;

	assert_true(lease(k, false, &t));
	instance_return(&g->r, &t, true);
	fake_until(warm(g) == 1);
	pthread_mutex_lock(&g->r.instances->lock);
	atomic_store(&((struct fake_instance *)LIST_ITEM(g->r.instances->all.next, struct box, all)->pg)->alive, false);
	pthread_mutex_unlock(&g->r.instances->lock);
	assert_true(lease(k, false, &t));
	assert_true(pg_conn_alive(t.conn));
	instance_return(&g->r, &t, true);
	settle(g);
	client_free(k);
}

static void test_expected_ones_boot_ahead(void **state)
{
	struct rig *g = *state;
	struct client *k = tail(g, "a=ok"), *more = client_new(g, "acme", "a=ok b=ok");
	struct tenancy t;

	instance_expect(&g->r, S("acme"), &k->plan);
	instance_expect(&g->r, S("acme"), &k->plan);
	fake_until(warm(g) == 1);
	assert_int_equal(atomic_load(&fake.opened[PG_PRIVATE]), 1);
	assert_true(lease(k, false, &t));
	assert_true(t.warm);
	instance_return(&g->r, &t, true);
	instance_expect(&g->r, S("acme"), &more->plan); /* for the replay of what is missing */
	fake_until(atomic_load(&fake.opened[PG_BUILD]) == 2);
	assert_true(client_acquire(more));
	assert_int_equal(atomic_load(&fake.opened[PG_BUILD]), 2);
	settle(g);
	client_free(more);
	client_free(k);
}

static void test_lease_takes_the_one_on_its_way(void **state)
{
	struct rig *g = *state;
	struct client *k = tail(g, "a=ok");
	struct tenancy t;

	atomic_store(&fake.boot_gate_shut, true);
	instance_expect(&g->r, S("acme"), &k->plan);
	fake_until(atomic_load(&fake.in_boot) == 1);
	k->c.deadline_ms = clock_mono_ms() + 30;
	assert_false(lease(k, false, &t));
	assert_int_equal(k->c.err.kind, ERR_STATEMENT_TIMEOUT);
	call_forgive(&k->c);
	k->c.deadline_ms = 0;
	assert_int_equal(atomic_load(&fake.in_boot), 1);
	atomic_store(&fake.boot_gate_shut, false);
	assert_true(lease(k, false, &t));
	assert_true(t.warm);
	instance_return(&g->r, &t, true);
	settle(g);
	client_free(k);
}

static void test_failed_boot_ahead_is_no_ones_error(void **state)
{
	struct rig *g = *state;
	struct client *k = tail(g, "a=ok");
	struct tenancy t;

	atomic_store(&fake.fail_kind, ERR_ENGINE_UNREACHABLE);
	atomic_store(&fake.fail_open, 1);
	instance_expect(&g->r, S("acme"), &k->plan);
	fake_until(atomic_load(&fake.fail_open) == 0);
	assert_true(lease(k, false, &t));
	instance_return(&g->r, &t, true);
	atomic_store(&fake.fail_open, 1000);
	k->g->r.o.warm_bytes = 0;
	instances_drop(&g->r, k->got.layer);
	instances_take(&g->r, k->got.layer);
	assert_false(lease(k, false, &t));
	assert_int_equal(k->c.err.kind, ERR_ENGINE_UNREACHABLE);
	atomic_store(&fake.fail_open, 0);
	settle(g);
	client_free(k);
}

/* --- places --- */

static void test_waiting_ones_of_others_make_way(void **state)
{
	struct rig *g = *state;
	struct client *a = tail(g, "a=ok"), *b = tail(g, "b=ok");
	struct tenancy t, u;

	g->r.o.instances = 2;
	assert_true(lease(a, false, &t));
	fake_until(warm(g) == 1);
	assert_true(lease(b, false, &u));
	assert_int_equal(warm(g), 0);
	assert_true(atomic_load(&fake.live) <= 2);
	instance_return(&g->r, &t, true);
	instance_return(&g->r, &u, true);
	settle(g);
	client_free(a);
	client_free(b);
}

struct queued {
	struct client *k;
	pthread_t thread;
	struct tenancy t;
	atomic_int turn;
	bool went;
};
static atomic_int turns;

static void *queue_main(void *arg)
{
	struct queued *q = arg;

	q->went = lease(q->k, false, &q->t);
	atomic_store(&q->turn, q->went ? atomic_fetch_add(&turns, 1) + 1 : -1);
	return NULL;
}

static int in_queue(struct rig *g)
{
	int n = 0;

	pthread_mutex_lock(&g->r.instances->lock);
	LIST_EACH(&g->r.instances->queue, it)
		n++;
	pthread_mutex_unlock(&g->r.instances->lock);
	return n;
}

static void test_queue_is_fair_and_ends_by_stop_and_deadline(void **state)
{
	struct rig *g = *state;
	struct client *k = tail(g, "a=ok");
	struct queued q[4] = {0};
	struct tenancy t;

	g->r.o.instances = 1;
	atomic_store(&turns, 0);
	assert_true(lease(k, false, &t));
	for (int i = 0; i < 4; i++) {
		q[i].k = client_new(g, "acme", "a=ok");
		assert_true(client_acquire(q[i].k));
		if (i == 3)
			q[i].k->c.deadline_ms = clock_mono_ms() + 20;
		pthread_create(&q[i].thread, NULL, queue_main, &q[i]);
		fake_until(in_queue(g) == i + 1 || atomic_load(&q[i].turn) == -1);
	}
	pg_stop_ask(&q[1].k->stop);
	fake_until(atomic_load(&q[1].turn) == -1 && atomic_load(&q[3].turn) == -1);
	assert_int_equal(q[1].k->c.err.kind, ERR_CANCELED);
	assert_int_equal(q[3].k->c.err.kind, ERR_STATEMENT_TIMEOUT);
	assert_int_equal(in_queue(g), 2);
	instance_return(&g->r, &t, true);
	fake_until(atomic_load(&q[0].turn) == 1);
	assert_int_equal(atomic_load(&q[2].turn), 0);
	instance_return(&g->r, &q[0].t, true);
	fake_until(atomic_load(&q[2].turn) == 2);
	instance_return(&g->r, &q[2].t, true);
	for (int i = 0; i < 4; i++) {
		pthread_join(q[i].thread, NULL);
		client_free(q[i].k);
	}
	settle(g);
	client_free(k);
}

static void test_backend_without_room_is_waited_for(void **state)
{
	struct rig *g = *state;
	struct client *k = tail(g, "a=ok");
	struct tenancy t;

	atomic_store(&fake.fail_kind, ERR_TOO_MANY);
	atomic_store(&fake.fail_open, 3);
	assert_true(lease(k, false, &t));
	instance_return(&g->r, &t, true);
	settle(g);
	client_free(k);
}

static void test_memory_of_those_that_wait_is_bounded(void **state)
{
	struct rig *g = *state;
	struct client *k[4];
	struct tenancy t;

	g->r.o.warm_bytes = 2 * FAKE_MEMORY;
	for (int i = 0; i < 4; i++) {
		char chain[16];

		snprintf(chain, sizeof(chain), "l%d=ok", i);
		k[i] = tail(g, chain);
		assert_true(lease(k[i], false, &t));
		instance_return(&g->r, &t, true);
		fake_until(atomic_load(&fake.opened[PG_PRIVATE]) == 2 * (i + 1));
		clock_advance(10);
	}
	settle(g);
	fake_until(warm(g) == 2 && atomic_load(&fake.live) == 2);
	assert_true(lease(k[3], false, &t)); /* of the one that was used last */
	assert_true(t.warm);
	instance_return(&g->r, &t, true);
	settle(g);
	for (int i = 0; i < 4; i++)
		client_free(k[i]);
}

static void test_idle_and_old_ones_end(void **state)
{
	struct rig *g = *state;
	struct client *k = tail(g, "a=ok");
	struct tenancy t, s;

	assert_true(lease(k, false, &t));
	fake_until(warm(g) == 1);
	assert_true(lease(k, true, &s)); /* takes the waiting one */
	instance_return(&g->r, &s, true);
	instance_return(&g->r, &t, true);
	settle(g);
	instances_sweep(&g->r);
	assert_true(warm(g) >= 1);
	clock_advance(60001);
	instances_sweep(&g->r);
	fake_until(atomic_load(&fake.live) == 0);
	assert_int_equal(warm(g), 0);
	for (int i = 0; i < 70; i++) { /* used all the time, but old */
		assert_true(lease(k, true, &s));
		if (i == 0)
			assert_false(s.warm);
		instance_return(&g->r, &s, true);
		clock_advance(50000);
		instances_sweep(&g->r);
	}
	clock_advance(200000);
	assert_true(lease(k, true, &s));
	instances_sweep(&g->r); /* goes with its last lease */
	assert_true(pg_conn_alive(s.conn));
	instance_return(&g->r, &s, true);
	fake_until(atomic_load(&fake.live) == 0);
	client_free(k);
}

static void test_dropped_layer_keeps_no_instance(void **state)
{
	struct rig *g = *state;
	struct client *k = tail(g, "a=ok");
	struct tenancy t, s;

	assert_true(lease(k, false, &t));
	assert_true(lease(k, true, &s));
	client_let_go(k);
	assert_false(runner_layer_drop(&k->c, &g->r, str_of(k->steps[0].id))); /* a lease uses it */
	assert_int_equal(k->c.err.kind, ERR_LAYER_IN_USE);
	call_forgive(&k->c);
	instance_return(&g->r, &t, true);
	instance_return(&g->r, &s, true);
	assert_true(runner_layer_drop(&k->c, &g->r, str_of(k->steps[0].id)));
	assert_int_equal(atomic_load(&fake.live), 0);
	client_free(k);
}

static void test_layer_that_is_gone_is_told(void **state)
{
	struct rig *g = *state;
	struct client *k = tail(g, "a=ok");
	struct tenancy t;

	pthread_mutex_lock(&fake.lock);
	fake.nlayers = 0;
	pthread_mutex_unlock(&fake.lock);
	assert_false(lease(k, false, &t));
	assert_int_equal(k->c.err.kind, ERR_NOT_FOUND);
	client_let_go(k);
	assert_true(client_acquire(k));
	assert_true(k->got.built);
	assert_true(lease(k, true, &t));
	instance_return(&g->r, &t, true);
	settle(g);
	client_free(k);
}

/* --- shared ones --- */

enum { READERS = 32, READS = 200 };

struct reader {
	struct client *k;
	pthread_t thread;
	int read, lost;
};

static void *reader_main(void *arg)
{
	struct reader *r = arg;

	for (int i = 0; i < READS; i++) {
		struct tenancy t;

		assert_true(lease(r->k, true, &t));
		assert_true(t.shared);
		assert_null(t.instance);
		r->read += pg_conn_alive(t.conn);
		instance_return(&r->k->g->r, &t, true);
	}
	return NULL;
}

static void test_readers_share_one_instance(void **state)
{
	struct rig *g = *state;
	struct reader r[READERS] = {0};
	int connects;

	rig_build(g, "acme", "a=ok");
	connects = atomic_load(&fake.connects);
	for (int i = 0; i < READERS; i++) {
		r[i].k = client_new(g, "acme", "a=ok");
		assert_true(client_acquire(r[i].k));
		assert_int_equal(pthread_create(&r[i].thread, NULL, reader_main, &r[i]), 0);
	}
	for (int i = 0; i < READERS; i++) {
		pthread_join(r[i].thread, NULL);
		assert_int_equal(r[i].read, READS);
		client_free(r[i].k);
	}
	assert_int_equal(atomic_load(&fake.opened[PG_SHARED]), 1);
	assert_true(atomic_load(&fake.connects) - connects <= SHARED_CONNS);
	assert_int_equal(warm(g), 1);
}

static void test_dead_shared_one_is_replaced(void **state)
{
	struct rig *g = *state;
	struct client *k = tail(g, "a=ok");
	struct tenancy t;
	int first;

	assert_true(lease(k, true, &t));
	first = number(&t);
	atomic_store(&t.conn->of->alive, false);
	instance_return(&g->r, &t, false);
	assert_true(lease(k, true, &t));
	assert_true(number(&t) != first && pg_conn_alive(t.conn));
	instance_return(&g->r, &t, true);
	client_free(k);
}

/* One whose statement does not stop takes the instance with it; others that read there find their connections broken. */
static void test_stuck_reader_kills_the_shared_one(void **state)
{
	struct rig *g = *state;
	struct client *k = tail(g, "a=ok");
	struct tenancy t, u, v;

	assert_true(lease(k, true, &t));
	assert_true(lease(k, true, &u));
	atomic_store(&t.conn->open, false); /* a statement runs on it */
	instance_return(&g->r, &t, false);
	fake_until(!pg_conn_alive(u.conn));
	assert_true(lease(k, true, &v));
	assert_true(pg_conn_alive(v.conn));
	instance_return(&g->r, &u, false);
	instance_return(&g->r, &v, true);
	assert_int_equal(warm(g), 1);
	client_free(k);
}

static void test_closed_connection_alone_is_replaced(void **state)
{
	struct rig *g = *state;
	struct client *k = tail(g, "a=ok");
	struct tenancy t;
	int first;

	assert_true(lease(k, true, &t));
	first = number(&t);
	instance_return(&g->r, &t, true);
	pthread_mutex_lock(&g->r.instances->lock);
	atomic_store(&k->got.layer->pool.shared->idle[0]->open, false);
	pthread_mutex_unlock(&g->r.instances->lock);
	assert_true(lease(k, true, &t));
	assert_int_equal(number(&t), first);
	assert_true(pg_conn_alive(t.conn));
	instance_return(&g->r, &t, true);
	client_free(k);
}

static void test_readers_and_killers(void **state)
{
	struct rig *g = *state;
	struct reader r[8] = {0};
	struct client *k = tail(g, "a=ok");

	for (int i = 0; i < 8; i++) {
		r[i].k = client_new(g, "acme", "a=ok");
		assert_true(client_acquire(r[i].k));
		assert_int_equal(pthread_create(&r[i].thread, NULL, reader_main, &r[i]), 0);
	}
	for (int i = 0; i < 50; i++) {
		struct tenancy t;

		assert_true(lease(k, true, &t));
		if (i % 2)
			atomic_store(&t.conn->open, false);
		instance_return(&g->r, &t, false);
		instances_sweep(&g->r);
	}
	for (int i = 0; i < 8; i++) {
		pthread_join(r[i].thread, NULL);
		client_free(r[i].k);
	}
	settle(g);
	client_free(k);
}

/* --- all at once --- */

enum { SOAKERS = 12, ROUNDS = 150 };

struct soaker {
	struct rig *g;
	pthread_t thread;
	unsigned seed;
	int got, wanted;
};

static unsigned draw(struct soaker *s, unsigned of)
{
	s->seed = s->seed * 1664525u + 1013904223u;
	return (s->seed >> 16) % of;
}

/* What may come of it while layers go, instances die and clients cancel. */
static void check_kind(enum err_kind kind)
{
	if (kind != ERR_CANCELED && kind != ERR_QUOTA && kind != ERR_NOT_FOUND && kind != ERR_STATEMENT_TIMEOUT &&
	    kind != ERR_ENGINE_LOST && kind != ERR_ENGINE_UNREACHABLE && kind != ERR_LAYER_IN_USE)
		print_error("soak: %s\n", err_code(kind));
	assert_true(kind == ERR_CANCELED || kind == ERR_QUOTA || kind == ERR_NOT_FOUND || kind == ERR_STATEMENT_TIMEOUT ||
		    kind == ERR_ENGINE_LOST || kind == ERR_ENGINE_UNREACHABLE || kind == ERR_LAYER_IN_USE);
}

static void use_layer(struct soaker *s, struct client *k)
{
	bool shared = draw(s, 2);
	struct tenancy t;

	if (!lease(k, shared, &t)) {
		check_kind(k->c.err.kind);
		return;
	}
	s->got++;
	if (draw(s, 10) == 0)
		atomic_store(&t.conn->open, false);
	if (draw(s, 20) == 0)
		atomic_store(&t.conn->of->alive, false);
	instance_return(&s->g->r, &t, pg_conn_alive(t.conn));
}

static void *soak_main(void *arg)
{
	static const char *const chains[] = {"a=ok! b=ok", "a=ok! c=ok", "a=ok! c=ok d=ok", "e=ok", "f=slow g=ok", "a=ok! h=die", ""};
	struct soaker *s = arg;

	for (int i = 0; i < ROUNDS; i++) {
		struct client *k = client_new(s->g, draw(s, 3) ? "acme" : "other", chains[draw(s, COUNT_OF(chains))]);

		s->wanted++;
		if (draw(s, 4) == 0)
			instance_expect(&s->g->r, k->c.tenant, &k->plan);
		if (draw(s, 10) == 0)
			k->c.deadline_ms = clock_mono_ms() + 5;
		if (draw(s, 20) == 0)
			pg_stop_ask(&k->stop);
		if (client_acquire(k))
			use_layer(s, k);
		else
			check_kind(k->c.err.kind);
		client_let_go(k);
		if (draw(s, 8) == 0 && k->plan.nsteps && !runner_layer_drop(&k->c, &s->g->r, str_of(k->plan.tail_hash)))
			check_kind(k->c.err.kind);
		client_free(k);
	}
	return NULL;
}

static void test_everything_at_once(void **state)
{
	struct rig *g = *state;
	struct soaker s[SOAKERS] = {0};
	struct client *k = client_new(g, "acme", "");
	int got = 0;

	g->r.o.instances = 5;
	g->r.o.warm_bytes = 3 * FAKE_MEMORY;
	g->r.o.layer_bytes = 6000;
	atomic_store(&fake.deaths, 30);
	for (int i = 0; i < SOAKERS; i++) {
		s[i].g = g;
		s[i].seed = (unsigned)i + 1;
		assert_int_equal(pthread_create(&s[i].thread, NULL, soak_main, &s[i]), 0);
	}
	for (int i = 0; i < 100; i++) {
		clock_advance(20000);
		layers_sweep(&k->c, &g->r);
		instances_sweep(&g->r);
		assert_true(atomic_load(&fake.live) <= g->r.o.instances);
		poll(NULL, 0, 1);
	}
	for (int i = 0; i < SOAKERS; i++) {
		pthread_join(s[i].thread, NULL);
		assert_int_equal(s[i].wanted, ROUNDS);
		got += s[i].got;
	}
	assert_true(got > SOAKERS * ROUNDS / 4);
	settle(g);
	client_free(k);
}

/* --- how fast --- */

/* Of this thread's own time: others may have the processors. */
static int64_t own_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void test_warm_leases_take_microseconds(void **state)
{
	struct rig *g = *state;
	struct client *k = tail(g, "a=ok");
	struct tenancy t;
	int64_t began;

	assert_true(lease(k, true, &t));
	instance_return(&g->r, &t, true);
	began = own_ns();
	for (int i = 0; i < 20000; i++) {
		struct layer_got got;

		assert_true(layer_acquire(&k->c, &g->r, &k->ask, &got));
		assert_true(lease(k, true, &t));
		instance_return(&g->r, &t, true);
		layer_release(got.layer);
		if (i % 100 == 0)
			arena_reset(&k->a), client_chain(k, "a=ok");
	}
	began = (own_ns() - began) / 20000;
	print_message("a hit, a lease, its return: %lld ns\n", (long long)began);
	assert_true(SANITIZED || began < 50000);
	client_free(k);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
	const struct CMUnitTest tests[] = {
		T(test_second_lease_is_warm_and_never_the_same), T(test_dead_one_is_noticed_and_replaced), T(test_dead_one_is_not_leased),
		T(test_expected_ones_boot_ahead), T(test_lease_takes_the_one_on_its_way), T(test_failed_boot_ahead_is_no_ones_error),
		T(test_waiting_ones_of_others_make_way), T(test_queue_is_fair_and_ends_by_stop_and_deadline),
		T(test_backend_without_room_is_waited_for), T(test_memory_of_those_that_wait_is_bounded), T(test_idle_and_old_ones_end),
		T(test_dropped_layer_keeps_no_instance), T(test_layer_that_is_gone_is_told), T(test_readers_share_one_instance),
		T(test_dead_shared_one_is_replaced), T(test_stuck_reader_kills_the_shared_one), T(test_closed_connection_alone_is_replaced),
		T(test_readers_and_killers), T(test_everything_at_once), T(test_warm_leases_take_microseconds),
	};
#undef T

	return cmocka_run_group_tests(tests, NULL, NULL);
}
