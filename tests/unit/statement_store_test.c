/* statement_store_test.c - what holds for statements wherever they are kept: the same cases for every type of storage.
 *
 * Real workers of the mayfly binary named by MAYFLY_BINARY.
 */
#include "statement_store_rig.h"

/* Does a statement that has ended stay in the map? */
static bool stays(const struct rig *r)
{
	return r->type != SHARED && r->type != REDIS;
}

static void a_result_is_found_read_and_then_known_to_be_gone(void **state)
{
	struct rig *r = *state;
	struct stmt *st = run(r, r->a, "select 40 + 2 as a, 'x' as b"), *again;
	struct stmt_view v = wait_end(st);
	struct str handle = copy(r, v.handle), rows;

	assert_int_equal(v.state, STMT_SUCCEEDED);
	assert_true(v.expires_ms - v.completed_ms == 100000);
	statement_unref(st);
	again = found(r, r->a, handle);
	statement_view(again, &v);
	assert_int_equal(v.state, STMT_SUCCEEDED);
	assert_int_equal(v.rows, 1);
	assert_int_equal(v.parts, 1);
	assert_str_equal(v.sql, "select 40 + 2 as a, 'x' as b");
	assert_true(statement_part_rows(&r->c, again, 0, ENGINE_NATIVE, &rows));
	assert_str_equal(rows, "[42,\"x\"]");
	statement_unref(again);
	clock_advance(101000);
	lifecycle_sweep_all(r->a->lifecycle);
	assert_true(wrong(r, statement_find(&r->c, r->a->s, handle, &again), ERR_RESULT_EXPIRED));
}

static void errors_cancels_and_timeouts_are_kept(void **state)
{
	struct rig *r = *state;
	struct stmt *bad = run(r, r->a, "select * from no_such"), *canceled = run(r, r->a, FOREVER), *timed;
	struct stmt_view v = wait_end(bad);
	struct str handles[3];

	handles[0] = copy(r, v.handle);
	assert_int_equal(v.state, STMT_FAILED);
	assert_true(statement_cancel(&r->c, canceled));
	v = wait_end(canceled);
	assert_int_equal(v.state, STMT_CANCELED);
	handles[1] = copy(r, v.handle);
	timed = ask(r, r->a, &(struct stmt_ask){.sql = S(FOREVER), .timeout_ms = 50, .ttl_seconds = -1});
	v = wait_end(timed);
	assert_int_equal(v.error->kind, ERR_STATEMENT_TIMEOUT);
	handles[2] = copy(r, v.handle);
	statement_unref(bad);
	statement_unref(canceled);
	statement_unref(timed);
	for (int i = 0; i < 3; i++) {
		const enum err_kind kinds[] = {ERR_SQL, ERR_CANCELED, ERR_STATEMENT_TIMEOUT};

		bad = found(r, r->a, handles[i]);
		statement_view(bad, &v);
		assert_int_equal(v.error->kind, kinds[i]);
		assert_true(v.error->text.n > 0 && v.error->native[0]);
		assert_int_equal(v.parts, 0);
		assert_true(statement_cancel(&r->c, bad)); /* nothing */
		statement_unref(bad);
	}
}

static void an_early_failure_is_there_when_the_submit_returns(void **state)
{
	struct rig *r = *state;
	struct stmt *st = ask(r, r->a, &(struct stmt_ask){.sql = S("install httpfs"), .snowflake = true, .ttl_seconds = -1});

	assert_int_equal(state_of(st), STMT_FAILED);
	statement_unref(st);
}

static void lists_are_newest_first_with_filters_and_cursors(void **state)
{
	enum { N = 23 };
	struct rig *r = *state;
	struct stmt_filter f = {.state = -1, .limit = 5};
	struct stmt **v;
	struct str next, before = S("~");
	int n, seen = 0;

	for (int i = 0; i < N; i++) {
		struct stmt *st = run(r, r->a, i % 2 ? "select 1" : "select nope");

		wait_end(st);
		statement_unref(st);
	}
	do {
		assert_true(statement_list(&r->c, r->a->s, &f, &v, &n, &next));
		for (int i = 0; i < n; i++) {
			struct stmt_view w;

			statement_view(v[i], &w);
			assert_true(str_cmp(w.handle, before) < 0);
			before = copy(r, w.handle);
			statement_unref(v[i]);
			seen++;
		}
		f.after = next;
	} while (f.after.n);
	assert_int_equal(seen, N);
	f = (struct stmt_filter){.state = STMT_SUCCEEDED, .limit = 100};
	assert_true(statement_list(&r->c, r->a->s, &f, &v, &n, &next));
	assert_int_equal(n, N / 2);
	while (n > 0)
		statement_unref(v[--n]);
	r->c.principal = S("bob");
	f.state = -1;
	assert_true(statement_list(&r->c, r->a->s, &f, &v, &n, &next));
	assert_int_equal(n, 0);
}

static void grants_let_others_read_and_no_more(void **state)
{
	struct rig *r = *state;
	struct stmt *st, *seen;
	struct str handle, rows;

	r->c.principal = S("ann");
	st = run(r, r->a, "select 7");
	handle = copy(r, wait_end(st).handle);
	statement_unref(st);
	st = found(r, r->a, handle);
	assert_true(wrong(r, statement_grant(&r->c, st, S(""), true), ERR_INVALID_FIELD));
	assert_true(statement_grant(&r->c, st, S("bob"), true));
	r->c.principal = S("bob");
	seen = found(r, r->a, handle);
	assert_true(statement_granted(&r->c, seen));
	assert_true(statement_part_rows(&r->c, seen, 0, ENGINE_NATIVE, &rows));
	assert_str_equal(rows, "[7]");
	assert_true(wrong(r, statement_cancel(&r->c, seen), ERR_FORBIDDEN));
	assert_true(wrong(r, statement_forget(&r->c, seen), ERR_FORBIDDEN));
	assert_true(wrong(r, statement_grant(&r->c, seen, S("eve"), true), ERR_FORBIDDEN));
	statement_unref(seen);
	r->c.principal = S("eve");
	assert_true(wrong(r, statement_find(&r->c, r->a->s, handle, &seen), ERR_NOT_FOUND));
	r->c.principal = S("ann");
	assert_false(statement_granted(&r->c, st));
	assert_true(statement_grant(&r->c, st, S("bob"), false));
	assert_true(statement_grant(&r->c, st, S("*"), true));
	r->c.principal = S("eve");
	statement_unref(found(r, r->a, handle));
	r->c.tenant = S("other");
	assert_true(wrong(r, statement_find(&r->c, r->a->s, handle, &seen), ERR_NOT_FOUND));
	r->c.tenant = S("acme");
	r->c.principal = S("ann");
	for (int i = 0; i < STMT_GRANTS_MAX - 1; i++)
		assert_true(statement_grant(&r->c, st, arena_fmt(&r->arena, "p%d", i), true));
	assert_true(wrong(r, statement_grant(&r->c, st, S("more"), true), ERR_TOO_MANY));
	assert_true(statement_grant(&r->c, st, S("p3"), true)); /* it has that */
	statement_unref(st);
}

static void a_request_id_runs_once(void **state)
{
	struct rig *r = *state;
	struct stmt_ask a = {.sql = S("create table once (i int)"), .snowflake = true, .ttl_seconds = -1, .request_id = S("r-1")};
	struct stmt *first = ask(r, r->a, &a), *second;
	struct stmt_view v = wait_end(first), w;

	assert_int_equal(v.state, STMT_SUCCEEDED);
	a.retry = true;
	second = ask(r, r->a, &a);
	statement_view(second, &w);
	ASSERT_SAME(w.handle, v.handle);
	statement_unref(second);
	a.retry = false;
	second = ask(r, r->a, &a);
	assert_int_equal(wait_end(second).state, STMT_FAILED);
	statement_unref(first);
	statement_unref(second);
}

static void one_more_than_the_cap_is_refused_and_none_lost(void **state)
{
	enum { CAP = 7 };
	struct rig *r = *state;
	struct stmt_ask a = {.sql = S("select 1"), .ttl_seconds = -1,
			     .scope = {.session_id = S("018f0000-0000-7000-8000-000000000001"), .persistent = true}};
	struct stmt *st, *v[CAP];

	r->a->s->o.max_per_session = CAP;
	for (int i = 0; i < CAP; i++) {
		v[i] = ask(r, r->a, &a);
		wait_end(v[i]);
	}
	assert_true(wrong(r, statement_submit(&r->c, r->a->s, &a, &st), ERR_TOO_MANY));
	for (int i = 0; i < CAP; i++) {
		st = found(r, r->a, stmt_handle(v[i]));
		statement_unref(st);
	}
	assert_true(statement_forget(&r->c, v[0]));
	st = ask(r, r->a, &a);
	wait_end(st);
	statement_unref(st);
	for (int i = 0; i < CAP; i++)
		statement_unref(v[i]);
}

static void what_is_forgotten_is_unknown(void **state)
{
	struct rig *r = *state;
	struct stmt *done = run(r, r->a, "select 1"), *running = run(r, r->a, FOREVER), *st;
	struct str a = copy(r, wait_end(done).handle), b = copy(r, stmt_handle(running));

	assert_true(statement_forget(&r->c, done));
	assert_true(statement_forget(&r->c, running));
	assert_int_equal(wait_end(running).state, STMT_CANCELED);
	statement_unref(done);
	statement_unref(running);
	assert_true(wrong(r, statement_find(&r->c, r->a->s, a, &st), ERR_NOT_FOUND));
	assert_true(wrong(r, statement_find(&r->c, r->a->s, b, &st), ERR_NOT_FOUND));
	UNTIL(statements_idle(r->a->s));
	if (r->shared)
		assert_true(fake_row(r->shared, b)->dropped);
}

static void statements_go_with_their_session_but_for_detached_ones(void **state)
{
	struct rig *r = *state;
	struct stmt_ask a = {.sql = S("select 1"), .ttl_seconds = -1,
			     .scope = {.session_id = S("018f0000-0000-7000-8000-000000000002"), .persistent = true, .owner = &r->a->session}};
	struct stmt *done = ask(r, r->a, &a), *running, *detached, *st;
	struct str handles[3];

	handles[0] = copy(r, wait_end(done).handle);
	a.sql = S(FOREVER);
	running = ask(r, r->a, &a);
	handles[1] = copy(r, stmt_handle(running));
	a.sql = S("select 3");
	a.scope.detached = true;
	detached = ask(r, r->a, &a);
	handles[2] = copy(r, wait_end(detached).handle);
	lease_end_owned(r->a->lifecycle, &r->a->session);
	statements_session_gone(r->a->s, r->c.tenant, a.scope.session_id);
	assert_int_equal(wait_end(running).state, STMT_CANCELED);
	UNTIL(statements_idle(r->a->s));
	for (int i = 0; i < 2; i++)
		assert_true(wrong(r, statement_find(&r->c, r->a->s, handles[i], &st), ERR_NOT_FOUND));
	statement_unref(found(r, r->a, handles[2]));
	statement_unref(done);
	statement_unref(running);
	statement_unref(detached);
}

static void large_results_are_read_back_whole(void **state)
{
	struct rig *r = *state;
	struct stmt *st = run(r, r->a, "select md5(i::varchar) from range(400000) t(i)");
	struct str handle = copy(r, wait_end(st).handle);
	struct stmt_view v;
	int64_t rows = 0, bytes = 0;

	statement_unref(st);
	st = found(r, r->a, handle);
	statement_view(st, &v);
	assert_int_equal(v.state, STMT_SUCCEEDED);
	assert_true(v.parts > 10 && v.rows == 400000);
	for (int i = 0; i < v.parts; i++) {
		struct stmt_part p;
		struct str text;

		assert_true(statement_part_info(st, i, &p));
		assert_true(statement_part_rows(&r->c, st, i, ENGINE_NATIVE, &text));
		assert_true(str_starts(text, S("[\"")));
		rows += p.rows;
		bytes += p.row_bytes;
	}
	assert_true(rows == 400000 && bytes == v.row_bytes);
	statement_unref(st);
	if (r->disk) { /* they are on the disk: no spool file besides */
		char path[300];

		snprintf(path, sizeof(path), "%s/spool/%.*s", r->a->dir, SARG(handle));
		assert_int_not_equal(access(path, F_OK), 0);
	}
}

static void results_over_the_memory_limit_are_given_up_and_read_back(void **state)
{
	enum { N = 12 };
	struct rig *r = *state;
	struct stmt *v[N];
	struct statement_stats stats;
	struct str text;

	for (int i = 0; i < N; i++) {
		v[i] = run(r, r->a, "select md5(i::varchar) from range(9000) t(i)");
		wait_end(v[i]);
	}
	UNTIL((statements_stats(r->a->s, &stats), stats.memory_bytes <= (uint64_t)r->o.memory_bytes) || !stays(r));
	for (int i = 0; i < N; i++) {
		struct stmt *st = found(r, r->a, stmt_handle(v[i]));

		assert_true(statement_part_rows(&r->c, st, 0, ENGINE_NATIVE, &text));
		assert_true(str_starts(text, S("[\"cfcd208495d565ef66e7dff9f98764da\"]"))); /* of 0 */
		statement_unref(st);
		statement_unref(v[i]);
	}
	statements_stats(r->a->s, &stats);
	if (r->type == DISK)
		assert_int_equal(stats.spooled_bytes, 0);
	if (!stays(r))
		UNTIL((statements_stats(r->a->s, &stats), stats.memory_bytes == 0)); /* nothing stays */
}

static void the_end_is_told_once(void **state)
{
	struct rig *r = *state;
	struct stmt *v[] = {run(r, r->a, "select 1"), run(r, r->a, "select nope"), run(r, r->a, FOREVER)};
	struct event_page page = {.limit = 100};
	int told[3] = {0};

	assert_true(statement_cancel(&r->c, v[2]));
	for (int i = 0; i < 3; i++)
		wait_end(v[i]);
	UNTIL(statements_idle(r->a->s));
	events_flush(r->a->events);
	assert_true(events_read(&r->c, r->a->events, &(struct event_filter){.tenant = S("acme"), .topic = EVENT_STATEMENT}, &page));
	for (int e = 0; e < page.n; e++)
		for (int i = 0; i < 3; i++)
			told[i] += str_search(page.items[e].payload, stmt_handle(v[i])) < page.items[e].payload.n;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(told[i], 1);
		statement_unref(v[i]);
	}
	assert_int_equal(page.n, 3);
}

/* --- where the process may end --- */

static void kept_results_survive_and_what_ran_has_failed(void **state)
{
	struct rig *r = *state;
	struct stmt_ask a = {.sql = S("select 5 as five"), .snowflake = true, .ttl_seconds = 1000, .request_id = S("q"), .retry = true};
	struct stmt *done, *running, *bad, *st;
	struct str handles[3], rows;
	struct stmt_view v;

	r->c.principal = S("ann");
	done = ask(r, r->a, &a);
	handles[0] = copy(r, wait_end(done).handle);
	assert_true(statement_grant(&r->c, done, S("bob"), true));
	running = run(r, r->a, FOREVER);
	handles[1] = copy(r, stmt_handle(running));
	bad = run(r, r->a, "select nope");
	handles[2] = copy(r, wait_end(bad).handle);
	statement_unref(done);
	statement_unref(running);
	statement_unref(bad);
	UNTIL(r->type == HYBRID || fake_row(r->disk, handles[2])->r.state == STMT_FAILED);
	node_kill(r, r->a);
	r->kv->ops->close(r->kv);
	r->kv = kv_memory_open(1000);
	r->a = node_open(r);
	st = found(r, r->a, handles[0]);
	statement_view(st, &v);
	assert_int_equal(v.state, STMT_SUCCEEDED);
	assert_true(v.expires_ms - v.completed_ms == 1000000);
	assert_str_equal(v.sql, "select 5 as five");
	assert_int_equal(v.form, ENGINE_SNOWFLAKE);
	assert_true(statement_part_rows(&r->c, st, 0, ENGINE_SNOWFLAKE, &rows));
	assert_str_equal(rows, "[\"5\"]");
	statement_unref(st);
	st = found(r, r->a, handles[1]);
	v = wait_end(st);
	assert_int_equal(v.state, STMT_FAILED);
	assert_int_equal(v.error->kind, ERR_SERVER_RESTARTED);
	statement_unref(st);
	st = found(r, r->a, handles[2]);
	assert_int_equal(state_of(st), STMT_FAILED);
	statement_unref(st);
	if (r->type == DISK) {
		st = ask(r, r->a, &a); /* its request id is known */
		ASSERT_SAME(stmt_handle(st), handles[0]);
		statement_unref(st);
	}
	r->c.principal = S("bob");
	statement_unref(found(r, r->a, handles[0]));
	assert_true(wrong(r, statement_find(&r->c, r->a->s, handles[2], &st), ERR_NOT_FOUND));
	r->c.principal = S("ann");
	node_close(r->a);
	clock_advance(2000000);
	r->a = node_open(r);
	assert_false(statement_find(&r->c, r->a->s, handles[0], &st)); /* expired while nobody ran */
	call_forgive(&r->c);
}

/* --- where servers share a store --- */

static int two(void **state, enum type type)
{
	struct rig *r = *state = rig_new(type);

	r->a = node_open(r);
	r->b = node_open(r);
	return 0;
}
static int two_shared(void **state)
{
	return two(state, SHARED);
}
static int two_hybrid(void **state)
{
	return two(state, HYBRID);
}
static int two_redis(void **state)
{
	return two(state, REDIS);
}
#define ON_TWO(name) {#name " on shared", name, two_shared, rig_free, NULL}, {#name " on hybrid", name, two_hybrid, rig_free, NULL}, \
	{#name " on redis", name, two_redis, rig_free, NULL}

static void any_server_answers_for_a_handle(void **state)
{
	struct rig *r = *state;
	struct stmt *st = run(r, r->a, "select i from range(25000) t(i)"), *far;
	struct str handle = copy(r, wait_end(st).handle);
	struct engine_bytes *here, *there;
	struct stmt_view v;

	statement_unref(st);
	st = found(r, r->a, handle);
	far = found(r, r->b, handle);
	statement_view(far, &v);
	assert_int_equal(v.state, STMT_SUCCEEDED);
	assert_int_equal(v.parts, state_of(st) == STMT_SUCCEEDED ? st->nparts : -1);
	for (int i = 0; i < v.parts; i++) {
		assert_true(statement_part_gzipped(&r->c, st, i, ENGINE_NATIVE, &here));
		assert_true(statement_part_gzipped(&r->c, far, i, ENGINE_NATIVE, &there));
		ASSERT_SAME(engine_bytes_str(here), engine_bytes_str(there));
		engine_bytes_unref(here);
		engine_bytes_unref(there);
	}
	assert_true(statement_grant(&r->c, far, S("bob"), true));
	statement_unref(st);
	statement_unref(far);
	r->c.principal = S("bob");
	UNTIL(statement_find(&r->c, r->a->s, handle, &st) || (call_forgive(&r->c), false)); /* the message comes */
	statement_unref(st);
	r->c.principal = S("");
	far = found(r, r->b, handle);
	assert_true(statement_forget(&r->c, far));
	statement_unref(far);
	UNTIL(!statement_find(&r->c, r->a->s, handle, &st) || (statement_unref(st), false));
	call_forgive(&r->c);
}

static void another_servers_statement_is_waited_for_and_canceled(void **state)
{
	struct rig *r = *state;
	struct stmt *slow = run(r, r->a, "select count(*) from range(6000000) a where md5(range::varchar) like 'ff%'"), *forever, *far;
	struct stmt_view v;

	far = found(r, r->b, stmt_handle(slow));
	assert_false(fsm_terminal(stmt_fsm, state_of(far)));
	statement_view(far, &v);
	assert_true(v.progress < 0);
	forever = run(r, r->a, FOREVER);
	v = wait_end(far);
	assert_int_equal(v.state, STMT_SUCCEEDED);
	assert_int_equal(v.rows, 1);
	statement_unref(far);
	statement_unref(slow);
	far = found(r, r->b, stmt_handle(forever));
	UNTIL(state_of(far) == STMT_RUNNING || (statement_unref(far), far = found(r, r->b, stmt_handle(forever)), false));
	assert_true(statement_cancel(&r->c, far));
	v = wait_end(far);
	assert_int_equal(v.state, STMT_CANCELED);
	assert_int_equal(wait_end(forever).state, STMT_CANCELED);
	statement_unref(far);
	statement_unref(forever);
}

static void lists_and_request_ids_are_of_all_servers(void **state)
{
	struct rig *r = *state;
	struct stmt_ask a = {.sql = S("create table shared_once (i int)"), .snowflake = true, .ttl_seconds = -1, .request_id = S("r"),
			     .retry = true};
	struct stmt *first = ask(r, r->a, &a), *second = ask(r, r->b, &a), *mine, **v;
	struct stmt_filter f = {.state = -1, .limit = 10};
	struct str next;
	int n;

	ASSERT_SAME(stmt_handle(first), stmt_handle(second));
	assert_int_equal(wait_end(second).state, STMT_SUCCEEDED);
	mine = run(r, r->b, "select 1");
	wait_end(mine);
	assert_true(statement_list(&r->c, r->a->s, &f, &v, &n, &next));
	assert_int_equal(n, 2);
	ASSERT_SAME(stmt_handle(v[0]), stmt_handle(mine));
	ASSERT_SAME(stmt_handle(v[1]), stmt_handle(first));
	while (n > 0)
		statement_unref(v[--n]);
	statement_unref(first);
	statement_unref(second);
	statement_unref(mine);
}

static void a_watcher_that_leaves_is_not_told(void **state)
{
	struct rig *r = *state;
	struct stmt *st = run(r, r->a, FOREVER), *far = found(r, r->b, stmt_handle(st));
	struct waiter w = {.lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};

	statement_watch(far, &(struct watch){.fn = fired, .drop = dropped, .arg = &w});
	statement_unwatch(far, &w);
	assert_int_equal(w.dropped, 1);
	assert_int_equal(w.fired, 0);
	statement_watch(far, &(struct watch){.fn = fired, .drop = dropped, .arg = &w}); /* left behind: the room closes */
	statement_cancel_soon(far);
	assert_int_equal(wait_end(st).state, STMT_CANCELED);
	UNTIL(state_of(far) == STMT_CANCELED);
	statement_unref(st);
	statement_unref(far);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_ALL(a_result_is_found_read_and_then_known_to_be_gone),
		ON_ALL(errors_cancels_and_timeouts_are_kept),
		ON_ALL(an_early_failure_is_there_when_the_submit_returns),
		ON_ALL(lists_are_newest_first_with_filters_and_cursors),
		ON_ALL(grants_let_others_read_and_no_more),
		ON_ALL(a_request_id_runs_once),
		ON_ALL(one_more_than_the_cap_is_refused_and_none_lost),
		ON_ALL(what_is_forgotten_is_unknown),
		ON_ALL(statements_go_with_their_session_but_for_detached_ones),
		ON_ALL(large_results_are_read_back_whole),
		ON_ALL(results_over_the_memory_limit_are_given_up_and_read_back),
		ON_ALL(the_end_is_told_once),
		ON(disk, kept_results_survive_and_what_ran_has_failed),
		ON(hybrid, kept_results_survive_and_what_ran_has_failed),
		ON_TWO(any_server_answers_for_a_handle),
		ON_TWO(another_servers_statement_is_waited_for_and_canceled),
		ON_TWO(lists_and_request_ids_are_of_all_servers),
		ON_TWO(a_watcher_that_leaves_is_not_told),
	};

	struct CMUnitTest here[COUNT_OF(tests)];
	size_t n = 0;

	for (size_t i = 0; i < COUNT_OF(tests); i++)
		if (redis_rig_program() || !strstr(tests[i].name, "redis"))
			here[n++] = tests[i];
	if (n < COUNT_OF(tests))
		print_message("no redis-server is installed: %zu tests are left out\n", COUNT_OF(tests) - n);
	return _cmocka_run_group_tests("statement_store", here, n, NULL, NULL);
}
