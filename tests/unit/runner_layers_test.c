/* runner_layers_test.c - layers over a backend in memory: single flight, what becomes a layer, eviction, pins, DELETE. */
#include "runner_fake.h"

enum { CROWD = 100 };

static void hours(int64_t h)
{
	clock_advance(h * 3600000);
}

/* --- hits and what becomes a layer --- */

static void test_miss_then_hit(void **state)
{
	struct rig *g = *state;
	struct client *a = client_new(g, "acme", "init/a.sql=ok seed/b.sql=ok"), *b = client_new(g, "acme", "init/a.sql=ok seed/b.sql=ok");

	assert_true(client_acquire(a));
	assert_true(a->got.built);
	assert_int_equal(a->got.steps_reused, 0);
	assert_true(client_acquire(b));
	assert_false(b->got.built);
	assert_int_equal(b->got.steps_reused, 2);
	assert_ptr_equal(a->got.layer, b->got.layer);
	assert_memory_equal(layer_id(b->got.layer).p, b->plan.tail_hash, RUNNER_HEX);
	assert_int_equal(atomic_load(&fake.scripts), 2);
	assert_int_equal(atomic_load(&fake.published), 1);
	client_free(a);
	client_free(b);
}

static void test_empty_tail_is_the_base(void **state)
{
	struct client *k = client_new(*state, "acme", "");

	assert_true(client_acquire(k));
	assert_false(k->got.built);
	assert_memory_equal(layer_id(k->got.layer).p, k->g->r.base, RUNNER_HEX);
	assert_string_equal(k->got.deterministic, "yes");
	client_free(k);
}

/* */
static void test_prefix_is_reused(void **state)
{
	struct rig *g = *state;
	struct client *k = client_new(g, "acme", "a=ok b=ok! d=ok");

	rig_build(g, "acme", "a=ok b=ok! c=ok");
	assert_true(client_acquire(k));
	assert_int_equal(k->got.steps_reused, 2);
	assert_true(k->got.built);
	assert_int_equal(atomic_load(&fake.scripts), 4);
	assert_int_equal(atomic_load(&fake.published), 3);
	client_free(k);
}

static void test_tenants_share_nothing(void **state)
{
	struct rig *g = *state;
	struct client *k = client_new(g, "other", "a=ok");

	rig_build(g, "acme", "a=ok");
	assert_true(client_acquire(k));
	assert_true(k->got.built);
	client_free(k);
}

static void test_long_replay_becomes_a_layer(void **state)
{
	struct client *k = client_new(*state, "acme", "a=ok b=slow c=ok d=ok");

	assert_true(client_acquire(k));
	assert_true(client_there(k, 1));
	assert_false(client_there(k, 0));
	assert_false(client_there(k, 2));
	assert_true(client_there(k, 3));
	assert_true(k->got.replay_ms >= 500);
	client_free(k);
}

static void test_divergence_seen_again_becomes_a_layer(void **state)
{
	struct rig *g = *state;
	struct client *k = client_new(g, "acme", "a=ok b=ok d=ok"), *last = client_new(g, "acme", "a=ok b=ok e=ok");

	rig_build(g, "acme", "a=ok b=ok c=ok");
	assert_false(client_there(k, 1));
	assert_true(client_acquire(k));
	assert_true(client_there(k, 1));
	assert_int_equal(k->got.steps_reused, 0);
	assert_true(client_acquire(last));
	assert_int_equal(last->got.steps_reused, 2);
	client_free(k);
	client_free(last);
}

/* --- single flight (R-07) --- */

static void test_a_crowd_builds_once(void **state)
{
	struct rig *g = *state;
	static struct client *k[CROWD];
	int built = 0, told = 0;

	for (int i = 0; i < CROWD; i++) {
		k[i] = client_new(g, "acme", "a=ok b=gate");
		client_start(k[i]);
	}
	fake_until(atomic_load(&fake.in_gate) == 1 && g->r.layers->flights.n == 1);
	atomic_store(&fake.gate, true);
	for (int i = 0; i < CROWD; i++) {
		client_join(k[i]);
		assert_true(k[i]->went);
		built += k[i]->got.built;
		told += atomic_load(&k[i]->told) > 0;
		assert_int_equal(k[i]->got.steps_reused, k[i]->got.built ? 0 : 2);
	}
	assert_int_equal(built, 1);
	assert_true(told > 1); /* who waits is told as well */
	assert_int_equal(atomic_load(&fake.published), 1);
	assert_int_equal(atomic_load(&fake.scripts), 2);
	for (int i = 0; i < CROWD; i++)
		client_free(k[i]);
}

static void test_waiter_goes_on_for_a_canceled_builder(void **state)
{
	struct rig *g = *state;
	struct client *a = client_new(g, "acme", "a=ok b=gate"), *b = client_new(g, "acme", "a=ok b=gate");

	client_start(a);
	fake_until(atomic_load(&fake.in_gate) == 1);
	client_start(b);
	fake_until(atomic_load(&b->told) > 0);
	pg_stop_ask(&a->stop);
	client_join(a);
	assert_false(a->went);
	assert_int_equal(a->c.err.kind, ERR_CANCELED);
	assert_str_equal(a->got.error.code, "canceled");
	fake_until(atomic_load(&fake.in_gate) == 1);
	atomic_store(&fake.gate, true);
	client_join(b);
	assert_true(b->went && b->got.built);
	client_free(a);
	client_free(b);
}

static void test_builder_runs_out_of_time(void **state)
{
	struct rig *g = *state;
	struct client *a = client_new(g, "acme", "a=gate");

	a->c.deadline_ms = clock_mono_ms() + 30;
	assert_false(client_acquire(a));
	assert_int_equal(a->c.err.kind, ERR_STATEMENT_TIMEOUT);
	assert_str_equal(a->got.error.code, "timeout");
	assert_string_equal(a->got.error.sqlstate, "57014");
	assert_int_equal(a->got.error.stage, JOB_AT_TAIL_REPLAY);
	fake_until(atomic_load(&fake.live) == 0);
	client_free(a);
}

static void test_waiter_is_canceled_alone(void **state)
{
	struct rig *g = *state;
	struct client *a = client_new(g, "acme", "a=gate"), *b = client_new(g, "acme", "a=gate");

	client_start(a);
	fake_until(atomic_load(&fake.in_gate) == 1);
	client_start(b);
	fake_until(atomic_load(&b->told) > 0);
	pg_stop_ask(&b->stop);
	client_join(b);
	assert_false(b->went);
	assert_int_equal(b->c.err.kind, ERR_CANCELED);
	assert_false(atomic_load(&a->done));
	atomic_store(&fake.gate, true);
	client_join(a);
	assert_true(a->went && a->got.built);
	client_free(a);
	client_free(b);
}

/* Two tails over one missing prefix: it is built once, and both end. */
static void test_prefix_in_flight_is_waited_for(void **state)
{
	struct rig *g = *state;
	struct client *a = client_new(g, "acme", "a=gate! b=ok"), *b = client_new(g, "acme", "a=gate! c=ok");

	client_start(a);
	fake_until(atomic_load(&fake.in_gate) == 1);
	client_start(b);
	fake_until(atomic_load(&b->told) > 0);
	atomic_store(&fake.gate, true);
	client_join(a);
	client_join(b);
	assert_true(a->got.built && b->got.built);
	assert_int_equal(b->got.steps_reused, 1);
	assert_int_equal(atomic_load(&fake.scripts), 3);
	client_free(a);
	client_free(b);
}

static void test_sql_error_is_handed_on_and_forgotten(void **state)
{
	struct rig *g = *state;
	static struct client *k[20];

	for (int i = 0; i < 20; i++) {
		k[i] = client_new(g, "acme", "a=ok! b=gate! c=fail d=ok");
		client_start(k[i]);
	}
	fake_until(atomic_load(&fake.in_gate) == 1);
	atomic_store(&fake.gate, true);
	for (int i = 0; i < 20; i++) {
		client_join(k[i]);
		assert_false(k[i]->went);
		assert_int_equal(k[i]->c.err.kind, ERR_SQL);
		assert_string_equal(k[i]->got.error.sqlstate, "42P01");
		assert_str_equal(k[i]->got.error.path, "c");
		assert_int_equal(k[i]->got.error.line, 3);
		assert_int_equal(k[i]->got.error.stage, JOB_AT_TAIL_REPLAY);
	}
	assert_int_equal(atomic_load(&fake.scripts), 3);
	assert_true(client_there(k[0], 1)); /* what was good stays */
	fake_until(atomic_load(&fake.live) == 0);
	clock_advance(5001);
	client_let_go(k[0]);
	assert_false(client_acquire(k[0]));
	assert_int_equal(atomic_load(&fake.scripts), 4); /* only the step that failed */
	for (int i = 0; i < 20; i++)
		client_free(k[i]);
}

static void test_other_errors_are_not_remembered(void **state)
{
	struct rig *g = *state;
	struct client *k = client_new(g, "acme", "a=ok");

	atomic_store(&fake.fail_kind, ERR_STORAGE);
	atomic_store(&fake.fail_publish, 1);
	assert_false(client_acquire(k));
	assert_int_equal(k->c.err.kind, ERR_STORAGE);
	assert_str_equal(k->got.error.code, "storage_error");
	assert_int_equal(k->got.error.stage, JOB_AT_PUBLISHING);
	client_let_go(k);
	assert_true(client_acquire(k));
	client_free(k);
}

static void test_lost_instance_is_tried_once_more(void **state)
{
	struct rig *g = *state;
	struct client *k = client_new(g, "acme", "a=ok b=die"), *l = client_new(g, "acme", "a=ok c=die");

	atomic_store(&fake.deaths, 1);
	assert_true(client_acquire(k));
	atomic_store(&fake.deaths, 2);
	assert_false(client_acquire(l));
	assert_int_equal(l->c.err.kind, ERR_ENGINE_LOST);
	assert_str_equal(l->got.error.code, "instance_lost");
	client_free(k);
	client_free(l);
}

/* --- other processes --- */

static void test_layer_of_another_process_is_found(void **state)
{
	struct rig *g = *state;
	struct client *k = client_new(g, "acme", "a=ok");
	static const char manifest[] = "{\"tenant\":\"acme\",\"path\":\"a\",\"created_ms\":5,\"replay_ms\":1,\"opaque\":false,\"volatile\":[]}";

	fake_put_layer(str_of(k->steps[0].id), S(""), " a", str_of(manifest));
	clock_advance(2000); /* the last listing is old */
	assert_true(client_acquire(k));
	assert_false(k->got.built);
	assert_int_equal(atomic_load(&fake.scripts), 0);
	client_free(k);
}

static void test_layer_that_is_gone_is_built_again(void **state)
{
	struct rig *g = *state;
	struct client *k = client_new(g, "acme", "a=ok! b=ok");

	rig_build(g, "acme", "a=ok! c=ok");
	pthread_mutex_lock(&fake.lock);
	fake.nlayers = 0;
	pthread_mutex_unlock(&fake.lock);
	assert_true(client_acquire(k));
	assert_true(k->got.built);
	assert_int_equal(fake.nlayers, 2);
	client_free(k);
}

static void test_shared_layer_is_taken(void **state)
{
	struct rig *g = *state;
	struct client *k = client_new(g, "acme", "a=ok! b=ok! c=ok");

	g->r.o.share = true;
	g->r.o.pool = exec_pool_open("test", 1, 10);
	memcpy(fake.shared, k->steps[1].id, RUNNER_HEX);
	assert_true(client_acquire(k));
	assert_true(k->got.built);
	assert_int_equal(k->got.steps_reused, 2);
	assert_int_equal(atomic_load(&fake.scripts), 1);
	fake_until(atomic_load(&fake.exported) == 1);
	client_let_go(k);
	exec_pool_close(g->r.o.pool);
	g->r.o.pool = NULL;
	client_free(k);
}

/* --- eviction (R-14) --- */

static void test_least_benefit_goes_first(void **state)
{
	struct rig *g = *state;
	struct client *cheap = client_new(g, "acme", "cheap=ok"), *dear = client_new(g, "acme", "dear=slow"),
		      *old = client_new(g, "acme", "old=ok");

	g->r.o.layer_bytes = 3500;
	rig_build(g, "acme", "dear=slow");
	rig_build(g, "acme", "old=ok");
	hours(1);
	rig_build(g, "acme", "cheap=ok");
	for (int i = 0; i < 20; i++)
		rig_build(g, "acme", "cheap=ok");
	hours(1);
	rig_build(g, "acme", "new=ok"); /* the fourth */
	assert_true(client_there(dear, 0));
	assert_true(client_there(cheap, 0));
	assert_false(client_there(old, 0));
	client_free(cheap);
	client_free(dear);
	client_free(old);
}

static void test_parents_wait_for_their_children(void **state)
{
	struct rig *g = *state;
	struct client *k = client_new(g, "acme", "a=ok! b=ok"), *hot = client_new(g, "acme", "a=ok! b=ok");

	rig_build(g, "acme", "a=ok! b=ok");
	hours(1);
	g->r.o.layer_bytes = 1500;
	layers_sweep(&k->c, &g->r);
	assert_true(client_there(k, 0));
	assert_false(client_there(k, 1));
	g->r.o.layer_bytes = 500;
	layers_sweep(&k->c, &g->r);
	assert_false(client_there(k, 0));
	assert_int_equal(g->r.layers->n, 0);
	assert_int_equal(g->r.layers->bytes, 0);
	client_free(k);
	client_free(hot);
}

static void expect_unreclaimable(struct rig *g, const char *reasons)
{
	struct client *k = client_new(g, "acme", "another=ok");

	assert_false(client_acquire(k));
	assert_int_equal(k->c.err.kind, ERR_QUOTA);
	assert_str_equal(k->got.error.code, "quota_exceeded");
	assert_true(str_search(k->got.error.message, str_of(reasons)) < k->got.error.message.n);
	assert_true(str_search(k->c.err.more, str_of(reasons)) < k->c.err.more.n);
	client_free(k);
}

static void test_what_is_held_is_not_evicted(void **state)
{
	struct rig *g = *state;
	struct client *used = client_new(g, "acme", "a=ok"), *pinned = client_new(g, "acme", "p=ok");

	g->r.o.layer_bytes = 1000;
	assert_true(client_acquire(used));
	expect_unreclaimable(g, "in_use");
	client_let_go(used);
	expect_unreclaimable(g, "pinned"); /* for a second */
	clock_advance(2000);
	expect_unreclaimable(g, "young");
	clock_advance(60000);
	pinned->ask.pin_s = 3600;
	assert_true(client_acquire(pinned)); /* in the place of the first */
	client_let_go(pinned);
	assert_false(client_there(used, 0));
	clock_advance(120000);
	expect_unreclaimable(g, "pinned");
	hours(1);
	rig_build(g, "acme", "another=ok");
	assert_false(client_there(pinned, 0));
	client_free(used);
	client_free(pinned);
}

static void test_full_disk_makes_room(void **state)
{
	struct rig *g = *state;
	struct client *k = client_new(g, "acme", "new=ok"), *old = client_new(g, "acme", "old=ok"), *pinned = client_new(g, "acme", "p=ok");

	rig_build(g, "acme", "old=ok");
	pinned->ask.pin_s = 86400;
	assert_true(client_acquire(pinned));
	hours(1);
	atomic_store(&fake.fail_kind, ERR_STORAGE);
	atomic_store(&fake.fail_open, 1);
	assert_false(client_acquire(k));
	assert_int_equal(k->c.err.kind, ERR_STORAGE);
	assert_false(client_there(old, 0));
	assert_true(client_there(pinned, 0));
	client_let_go(k);
	assert_true(client_acquire(k));
	client_free(k);
	client_free(old);
	client_free(pinned);
}

static void test_a_tenants_cap_is_its_own(void **state)
{
	struct rig *g = *state;
	struct client *a = client_new(g, "acme", "a=ok"), *b = client_new(g, "other", "b=ok");

	g->caps.layer_bytes = 1000;
	rig_build(g, "acme", "a=ok");
	rig_build(g, "other", "b=ok");
	expect_unreclaimable(g, "pinned");
	hours(1);
	rig_build(g, "acme", "c=ok");
	assert_false(client_there(a, 0));
	assert_true(client_there(b, 0));
	client_free(a);
	client_free(b);
}

static void test_unused_layers_end_by_ttl(void **state)
{
	struct rig *g = *state;
	struct client *k = client_new(g, "acme", "a=ok! b=ok"), *kept = client_new(g, "acme", "c=ok");

	g->r.o.layer_ttl_s = 7200;
	rig_build(g, "acme", "a=ok! b=ok");
	kept->ask.pin_s = 86400;
	assert_true(client_acquire(kept));
	client_let_go(kept);
	hours(1);
	layers_sweep(&k->c, &g->r);
	assert_true(client_there(k, 1));
	hours(2);
	layers_sweep(&k->c, &g->r);
	assert_false(client_there(k, 0));
	assert_true(client_there(kept, 0));
	hours(22);
	layers_sweep(&k->c, &g->r);
	assert_false(client_there(kept, 0));
	client_free(k);
	client_free(kept);
}

/* --- what survives --- */

static void test_layers_and_pins_survive_a_restart(void **state)
{
	struct rig *g = *state;
	struct client *k = client_new(g, "acme", "a=ok! b=ok"), *short_one = client_new(g, "acme", "c=ok");

	k->ask.pin_s = 7200;
	g->r.o.layer_ttl_s = 1800;
	assert_true(client_acquire(k));
	client_let_go(k);
	rig_build(g, "acme", "c=ok");
	rig_stop(g);
	hours(1);
	rig_start(g);
	assert_true(client_there(k, 1));
	layers_sweep(&k->c, &g->r);
	assert_true(client_there(k, 1));
	assert_false(client_there(short_one, 0));
	assert_true(client_acquire(k));
	assert_false(k->got.built);
	client_free(k);
	client_free(short_one);
}

static void test_hits_write_few_pins(void **state)
{
	struct rig *g = *state;
	struct client *k = client_new(g, "acme", "a=ok");
	struct kv_record before, after;
	struct str key;

	k->ask.pin_s = 3600;
	assert_true(client_acquire(k));
	client_let_go(k);
	key = arena_fmt(&k->a, "runner/layers/%.*s/acme/%s", SARG(g->r.o.server), k->steps[0].id);
	assert_true(kv_get(&k->c, g->r.o.kv, key, &before));
	for (int i = 0; i < 100; i++) {
		assert_true(client_acquire(k));
		client_let_go(k);
	}
	assert_true(kv_get(&k->c, g->r.o.kv, key, &after));
	assert_int_equal(before.version, after.version);
	clock_advance(3600000 / 3);
	assert_true(client_acquire(k));
	client_let_go(k);
	assert_true(kv_get(&k->c, g->r.o.kv, key, &after));
	assert_true(after.version > before.version);
	client_free(k);
}

/* --- the listing, DELETE --- */

static void test_listing(void **state)
{
	struct rig *g = *state;
	struct client *k = client_new(g, "acme", "b=ok");
	struct job_page page = {.limit = 2};
	struct buf b = {0};
	struct json_out o = json_out(&b);
	const json_node *items;
	int seen = 0;

	rig_build(g, "acme", "a=ok! b=ok");
	clock_advance(10);
	rig_build(g, "acme", "c=ok");
	rig_build(g, "other", "d=ok");
	json_begin_array(&o);
	for (bool more = true; more; more = page.after.n > 0) {
		assert_true(runner_layers(&k->c, &g->r, &page, &o));
		page.after = page.next;
		seen++;
	}
	json_end_array(&o);
	assert_int_equal(seen, 2);
	assert_true(json_read(&k->c, buf_str(&b), &items));
	assert_int_equal(json_count(items), 3);
	assert_str_equal(json_text(json_get(json_at(items, 0), "path")), "c");
	assert_int_equal(json_int(json_get(json_at(items, 0), "bytes")), 1000);
	assert_int_equal(json_kind(json_get(json_at(items, 0), "parent")), JSON_KIND_NULL);
	assert_str_equal(json_text(json_get(json_at(items, 0), "deterministic")), "yes");
	buf_drop(&b);
	client_free(k);
}

static void test_delete(void **state)
{
	struct rig *g = *state;
	struct client *k = client_new(g, "acme", "a=ok! b=ok"), *other = client_new(g, "other", "");
	struct str a = str_of(k->steps[0].id), b = str_of(k->steps[1].id);

	k->ask.pin_s = 3600;
	assert_true(client_acquire(k));
	assert_false(runner_layer_drop(&k->c, &g->r, b));
	assert_int_equal(k->c.err.kind, ERR_LAYER_IN_USE);
	call_forgive(&k->c);
	client_let_go(k); /* the pin of a job that has ended keeps nobody from it */
	assert_false(runner_layer_drop(&k->c, &g->r, a));
	assert_int_equal(k->c.err.kind, ERR_LAYER_IN_USE);
	call_forgive(&k->c);
	assert_false(runner_layer_drop(&other->c, &g->r, b));
	assert_int_equal(other->c.err.kind, ERR_NOT_FOUND);
	assert_true(runner_layer_drop(&k->c, &g->r, b));
	assert_true(runner_layer_drop(&k->c, &g->r, a));
	assert_int_equal(fake.nlayers, 0);
	assert_false(runner_layer_drop(&k->c, &g->r, a));
	client_free(k);
	client_free(other);
}

static void test_delete_and_build_at_once(void **state)
{
	struct rig *g = *state;

	for (int i = 0; i < 50; i++) {
		struct client *k = client_new(g, "acme", "a=ok"), *d = client_new(g, "acme", "a=ok");

		client_start(k);
		if (!runner_layer_drop(&d->c, &g->r, str_of(d->steps[0].id)))
			assert_true(d->c.err.kind == ERR_NOT_FOUND || d->c.err.kind == ERR_LAYER_IN_USE);
		client_join(k);
		assert_true(k->went);
		pthread_mutex_lock(&fake.lock);
		assert_non_null(fake_find_locked(str_of(k->steps[0].id)));
		pthread_mutex_unlock(&fake.lock);
		client_free(k);
		client_free(d);
	}
}

static void test_without_a_backend(void **state)
{
	struct client *k = client_new(*state, "acme", "a=ok");
	struct runner none = {.o = {.backend_missing = "no PostgreSQL was found"}};
	struct job_page page = {.limit = 1};
	struct buf b = {0};
	struct json_out o = json_out(&b);

	assert_false(runner_layers(&k->c, &none, &page, &o));
	assert_int_equal(k->c.err.kind, ERR_ENGINE_UNREACHABLE);
	assert_string_equal(k->c.err.text, "no PostgreSQL was found");
	call_forgive(&k->c);
	assert_false(runner_layer_drop(&k->c, &none, str_of(k->steps[0].id)));
	assert_int_equal(k->c.err.kind, ERR_ENGINE_UNREACHABLE);
	buf_drop(&b);
	client_free(k);
}

/* --- verify --- */

static void test_verify(void **state)
{
	struct rig *g = *state;
	struct client *same = client_new(g, "acme", "a=ok b=ok"), *not = client_new(g, "acme", "a=random"),
		      *hides = client_new(g, "acme", "a=ok,$$now()$$");

	same->ask.verify = not->ask.verify = true;
	same->plan.nvolatile = 1;
	same->plan.volatile_names = (struct str[]){S("now")};
	assert_true(client_acquire(same));
	assert_string_equal(same->got.deterministic, "yes");
	assert_true(client_acquire(not));
	assert_string_equal(not->got.deterministic, "no");
	client_let_go(not);
	not->ask.verify = false;
	assert_true(client_acquire(not));
	assert_string_equal(not->got.deterministic, "no"); /* it is known by now */
	assert_true(client_acquire(hides));
	assert_string_equal(hides->got.deterministic, "unverified");
	client_free(same);
	client_free(not);
	client_free(hides);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
	const struct CMUnitTest tests[] = {
		T(test_miss_then_hit), T(test_empty_tail_is_the_base), T(test_prefix_is_reused), T(test_tenants_share_nothing),
		T(test_long_replay_becomes_a_layer), T(test_divergence_seen_again_becomes_a_layer), T(test_a_crowd_builds_once),
		T(test_waiter_goes_on_for_a_canceled_builder), T(test_builder_runs_out_of_time), T(test_waiter_is_canceled_alone),
		T(test_prefix_in_flight_is_waited_for), T(test_sql_error_is_handed_on_and_forgotten),
		T(test_other_errors_are_not_remembered), T(test_lost_instance_is_tried_once_more),
		T(test_layer_of_another_process_is_found), T(test_layer_that_is_gone_is_built_again), T(test_shared_layer_is_taken), T(test_least_benefit_goes_first),
		T(test_parents_wait_for_their_children), T(test_what_is_held_is_not_evicted), T(test_full_disk_makes_room), T(test_a_tenants_cap_is_its_own),
		T(test_unused_layers_end_by_ttl), T(test_layers_and_pins_survive_a_restart), T(test_hits_write_few_pins), T(test_listing),
		T(test_delete), T(test_delete_and_build_at_once), T(test_without_a_backend), T(test_verify),
	};
#undef T

	return cmocka_run_group_tests(tests, NULL, NULL);
}
