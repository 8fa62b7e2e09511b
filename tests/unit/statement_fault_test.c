/* statement_fault_test.c - statements whose stores fail, hang, lose answers or say something else: nothing acknowledged is
 * lost, nothing ends twice, nothing waits for ever.
 *
 * Real workers of the mayfly binary named by MAYFLY_BINARY; the stores are doubles.
 */
#include "statement_store_rig.h"

static void set_down(struct rig *r, bool down)
{
	fake_switch(r->shared, &r->shared->down, down);
	statements_redis_changed(r->a->s, !down);
}

static bool is_ending(struct stmt *st)
{
	bool ending;

	stmt_lock(st);
	ending = st->ending;
	stmt_unlock(st);
	return ending;
}

/* --- adding --- */

static void what_cannot_be_added_is_refused_and_leaves_nothing(void **state)
{
	struct rig *r = *state;
	struct fake *f = r->shared ? r->shared : r->disk;
	struct stmt_ask a = {.sql = S("create table never (i int)"), .ttl_seconds = -1, .request_id = S("r"), .retry = true};
	struct statement_stats stats;
	struct stmt *st;

	fake_fails(f, &f->add_fails, ERR_UNAVAILABLE, 1);
	assert_true(wrong(r, statement_submit(&r->c, r->a->s, &a, &st), ERR_UNAVAILABLE));
	fake_fails(f, &f->add_fails, ERR_STORAGE, 1);
	assert_true(wrong(r, statement_submit(&r->c, r->a->s, &a, &st), ERR_STORAGE));
	UNTIL(statements_idle(r->a->s));
	statements_stats(r->a->s, &stats);
	assert_int_equal(stats.live, 0);
	assert_int_equal(stats.succeeded + stats.failed + stats.canceled, 0);
	st = ask(r, r->a, &a); /* its request id is free, and its table was never made */
	assert_int_equal(wait_end(st).state, STMT_SUCCEEDED);
	statement_unref(st);
}

static void expect_refused_and_not_owed(struct rig *r)
{
	struct statement_stats stats;
	struct stmt *st;

	assert_true(wrong(r, statement_submit(&r->c, r->a->s, &(struct stmt_ask){.sql = S("select 1"), .ttl_seconds = -1}, &st),
			  ERR_UNAVAILABLE));
	UNTIL(statements_idle(r->a->s));
	statements_stats(r->a->s, &stats);
	assert_int_equal(stats.owed, 0);
	assert_int_equal(stats.live, 0);
	assert_int_equal(r->shared->n, 0);
}

static void what_is_refused_while_the_store_is_away_is_not_owed_to_it(void **state)
{
	struct rig *r = *state;

	set_down(r, true);
	for (int i = 0; i < 20; i++)
		expect_refused_and_not_owed(r);
	set_down(r, false);
	fake_fails(r->shared, &r->shared->add_fails, ERR_QUOTA, 1); /* it answers, and takes nothing */
	expect_refused_and_not_owed(r);
	statement_unref(run(r, r->a, "select 1"));
}

static void what_the_second_store_refuses_the_first_one_drops(void **state)
{
	struct rig *r = *state;
	struct stmt *st;

	fake_fails(r->disk, &r->disk->add_fails, ERR_STORAGE, 1);
	assert_true(wrong(r, statement_submit(&r->c, r->a->s, &(struct stmt_ask){.sql = S("select 1"), .ttl_seconds = -1}, &st),
			  ERR_STORAGE));
	UNTIL(statements_idle(r->a->s));
	assert_int_equal(r->shared->n, 1);
	assert_true(r->shared->rows[0]->dropped);
}

/* --- ending --- */

static void an_end_that_is_not_recorded_has_not_come(void **state)
{
	struct rig *r = *state;
	struct stmt *st;
	int ends = 0;

	set_down(r, false);
	st = run(r, r->a, "select 1");
	statement_unref(st);
	UNTIL(statements_idle(r->a->s));
	fake_fails(r->shared, &r->shared->end_fails, ERR_UNAVAILABLE, -1);
	st = run(r, r->a, "select 40 + 2");
	UNTIL(is_ending(st));
	assert_true(statement_cancel(&r->c, st)); /* too late: it has a result */
	for (int i = 0; i < 30; i++) {
		usleep(10000);
		ends += fsm_terminal(stmt_fsm, state_of(st));
	}
	assert_int_equal(ends, 0);
	assert_false(statements_idle(r->a->s));
	fake_fails(r->shared, &r->shared->end_fails, ERR_NONE, 0);
	assert_int_equal(wait_end(st).state, STMT_SUCCEEDED);
	statement_unref(st);
}

static void a_lost_answer_is_no_conflict(void **state)
{
	struct rig *r = *state;
	struct str rows;
	struct stmt *st;

	fake_switch(r->shared, &r->shared->end_lost, true);
	st = run(r, r->a, "select 40 + 2");
	assert_int_equal(wait_end(st).state, STMT_SUCCEEDED);
	assert_true(statement_part_rows(&r->c, st, 0, ENGINE_NATIVE, &rows));
	assert_str_equal(rows, "[42]");
	statement_unref(st);
}

/* As the servers do that find its owner dead. */
static void fail_elsewhere(struct rig *r, struct str handle)
{
	struct fake_row *row;

	pthread_mutex_lock(&r->shared->lock);
	row = fake_row(r->shared, handle);
	row->r.state = STMT_FAILED;
	row->r.completed_ms = clock_wall_ms() - 5;
	row->r.expires_ms = row->r.completed_ms + row->r.ttl_ms;
	row->r.error = ARENA_NEW(&row->arena, struct stmt_error);
	*row->r.error = (struct stmt_error){.kind = ERR_SERVER_LOST, .text = S("lost"), .snowflake = S("lost"), .sqlstate = "XX000"};
	pthread_mutex_unlock(&r->shared->lock);
}

static void who_comes_second_takes_the_end_that_is_there(void **state)
{
	struct rig *r = *state;
	struct stmt *st = run(r, r->a, FOREVER);
	struct stmt_view v;
	struct event_page page = {.limit = 10};

	fail_elsewhere(r, stmt_handle(st));
	assert_true(statement_cancel(&r->c, st));
	v = wait_end(st);
	assert_int_equal(v.state, STMT_FAILED);
	assert_int_equal(v.error->kind, ERR_SERVER_LOST);
	assert_int_equal(v.parts, 0);
	if (r->disk) {
		UNTIL(statements_idle(r->a->s));
		assert_int_equal(fake_row(r->disk, stmt_handle(st))->r.error->kind, ERR_SERVER_LOST);
	}
	events_flush(r->a->events);
	assert_true(events_read(&r->c, r->a->events, &(struct event_filter){.tenant = S("acme"), .topic = EVENT_STATEMENT}, &page));
	assert_int_equal(page.n, 0); /* told by who ended it */
	statement_unref(st);
}

static void what_was_ended_elsewhere_stops_here(void **state)
{
	struct rig *r = *state;
	struct stmt *st = run(r, r->a, FOREVER);

	fail_elsewhere(r, stmt_handle(st));
	stmt_told_changed(r->a->s, S("acme"), stmt_handle(st));
	assert_int_equal(wait_end(st).error->kind, ERR_SERVER_LOST);
	statement_unref(st);
}

static void one_dropped_elsewhere_goes(void **state)
{
	struct rig *r = *state;
	struct stmt *st = run(r, r->a, FOREVER), *again;
	struct str handle = copy(r, stmt_handle(st));
	const struct stmt_store_key key = {.tenant = S("acme"), .handle = handle};
	struct stmt_store *shared = r->a->s->keeping->at.shared;

	assert_true(shared->ops->drop(&r->c, shared, &key));
	stmt_told_changed(r->a->s, S("acme"), handle);
	assert_int_equal(wait_end(st).state, STMT_CANCELED);
	statement_unref(st);
	UNTIL(statements_idle(r->a->s));
	assert_true(wrong(r, statement_find(&r->c, r->a->s, handle, &again), ERR_NOT_FOUND));
	if (r->disk)
		assert_true(fake_row(r->disk, handle)->dropped);
}

static bool has_row(struct rig *r, struct str handle, enum stmt_state state)
{
	struct fake_row *row;
	bool has;

	pthread_mutex_lock(&r->shared->lock);
	row = fake_row(r->shared, handle);
	has = row && row->r.state == state;
	pthread_mutex_unlock(&r->shared->lock);
	return has;
}

static void one_that_the_store_forgot_runs_on_and_is_told_again(void **state)
{
	struct rig *r = *state;
	struct stmt *st = run(r, r->a, FOREVER);
	struct str handle = copy(r, stmt_handle(st));

	UNTIL(has_row(r, handle, STMT_RUNNING));
	pthread_mutex_lock(&r->shared->lock);
	fake_row(r->shared, handle)->r.handle = S("forgotten");
	pthread_mutex_unlock(&r->shared->lock);
	assert_false(has_row(r, handle, STMT_RUNNING));
	stmt_told_changed(r->a->s, S(""), S(""));
	UNTIL(has_row(r, handle, STMT_RUNNING));
	assert_int_equal(state_of(st), STMT_RUNNING);
	assert_true(statement_cancel(&r->c, st));
	assert_int_equal(wait_end(st).state, STMT_CANCELED);
	assert_true(has_row(r, handle, STMT_CANCELED));
	statement_unref(st);
}

static void a_full_store_fails_the_statement_and_says_so(void **state)
{
	struct rig *r = *state;
	struct fake *f = r->shared ? r->shared : r->disk;
	struct str handle;
	struct stmt_view v;
	struct stmt *st;

	fake_fails(f, &f->end_fails, r->shared ? ERR_QUOTA : ERR_STORAGE, 3);
	st = run(r, r->a, "select 40 + 2");
	v = wait_end(st);
	handle = copy(r, v.handle);
	assert_int_equal(v.state, STMT_FAILED);
	assert_int_equal(v.error->kind, ERR_STORAGE);
	assert_true(str_search(v.error->text, S("no room")) < v.error->text.n);
	assert_int_equal(v.parts, 0);
	UNTIL(statements_idle(r->a->s)); /* there is room again */
	assert_int_equal(fake_row(f, handle)->r.state, STMT_FAILED);
	assert_int_equal(fake_row(f, handle)->r.error->kind, ERR_STORAGE);
	statement_unref(st);
	st = found(r, r->a, handle);
	assert_int_equal(state_of(st), STMT_FAILED);
	statement_unref(st);
}

static void a_disk_that_fails_leaves_it_in_the_shared_store(void **state)
{
	struct rig *r = *state;
	struct str rows;
	struct stmt *st;

	fake_fails(r->disk, &r->disk->end_fails, ERR_STORAGE, -1);
	st = run(r, r->a, "select 40 + 2");
	assert_int_equal(wait_end(st).state, STMT_SUCCEEDED);
	assert_true(statement_part_rows(&r->c, st, 0, ENGINE_NATIVE, &rows));
	UNTIL(statements_idle(r->a->s));
	statement_unref(st);
}

/* --- hanging --- */

struct hanging {
	struct rig *r;
	struct stmt *st;
	bool ok;
	enum err_kind kind;
};

static void *cancel_in_vain(void *arg)
{
	struct hanging *h = arg;
	struct arena a = {0};
	struct call c;

	call_open(&c, &a);
	c.tenant = S("acme");
	h->ok = statement_cancel(&c, h->st);
	arena_close(&a);
	return NULL;
}

static void a_cancel_waits_for_a_store_that_hangs_and_then_holds(void **state)
{
	struct rig *r = *state;
	struct hanging h = {.r = r, .st = run(r, r->a, FOREVER)};
	struct fake *f = r->shared ? r->shared : r->disk;
	pthread_t thread;

	UNTIL(state_of(h.st) == STMT_RUNNING);
	fake_switch(f, &f->hang, true);
	assert_int_equal(pthread_create(&thread, NULL, cancel_in_vain, &h), 0);
	UNTIL(fake_count(f, &f->hanging) > 0 && is_ending(h.st));
	assert_false(fsm_terminal(stmt_fsm, state_of(h.st)));
	clock_advance(10000000);
	lifecycle_sweep_all(r->a->lifecycle); /* no timeout, no TTL of what is ending */
	assert_false(fsm_terminal(stmt_fsm, state_of(h.st)));
	statement_cancel_soon(h.st);
	fake_switch(f, &f->hang, false);
	pthread_join(thread, NULL);
	assert_true(h.ok);
	assert_int_equal(wait_end(h.st).state, STMT_CANCELED);
	statement_unref(h.st);
}

static void a_part_that_is_missing_is_that_handles_fault(void **state)
{
	struct rig *r = *state;
	struct stmt *st = run(r, r->a, "select md5(i::varchar) from range(400000) t(i)");
	struct str handle = copy(r, wait_end(st).handle), rows;
	struct fake *f = r->shared ? r->shared : r->disk;

	statement_unref(st);
	UNTIL(statements_idle(r->a->s)); /* with type redis it has left this server then */
	st = found(r, r->a, handle);
	fake_fails(f, &f->part_fails, ERR_STORAGE, 1);
	assert_true(wrong(r, statement_part_rows(&r->c, st, 1, ENGINE_NATIVE, &rows), ERR_STORAGE));
	assert_true(statement_part_rows(&r->c, st, 1, ENGINE_NATIVE, &rows));
	statement_unref(st);
}

/* --- without the shared store --- */

static void type_redis_without_redis_says_unavailable(void **state)
{
	struct rig *r = *state;
	struct stmt *st = run(r, r->a, "select 1"), *running = run(r, r->a, FOREVER), **v;
	struct str handle = copy(r, wait_end(st).handle), next;
	struct stmt_filter f = {.state = -1, .limit = 10};
	struct statement_stats stats;
	int n;

	statement_unref(st);
	UNTIL(state_of(running) == STMT_RUNNING);
	set_down(r, true);
	statements_stats(r->a->s, &stats);
	assert_true(stats.unavailable && !stats.degraded);
	assert_true(wrong(r, statement_find(&r->c, r->a->s, handle, &st), ERR_UNAVAILABLE));
	assert_true(wrong(r, statement_list(&r->c, r->a->s, &f, &v, &n, &next), ERR_UNAVAILABLE));
	assert_true(wrong(r, statement_submit(&r->c, r->a->s, &(struct stmt_ask){.sql = S("select 1"), .ttl_seconds = -1}, &st),
			  ERR_UNAVAILABLE));
	statement_unref(found(r, r->a, stmt_handle(running))); /* that is here */
	assert_true(statement_cancel(&r->c, running));
	assert_int_equal(state_of(running), STMT_RUNNING);
	set_down(r, false);
	assert_int_equal(wait_end(running).state, STMT_CANCELED);
	statement_unref(running);
	statement_unref(found(r, r->a, handle));
	UNTIL(statements_idle(r->a->s));
	statements_stats(r->a->s, &stats);
	assert_true(!stats.unavailable && stats.owed == 0);
}

static void hybrid_that_refuses_answers_what_is_here_and_loses_nothing(void **state)
{
	struct rig *r = *state;
	struct stmt *done = run(r, r->a, "select 7"), *slow = run(r, r->a, FOREVER), *st, **v;
	struct str handle = copy(r, wait_end(done).handle), rows, next;
	struct stmt_filter f = {.state = -1, .limit = 10};
	int n;

	statement_unref(done);
	UNTIL(state_of(slow) == STMT_RUNNING);
	set_down(r, true);
	assert_true(wrong(r, statement_submit(&r->c, r->a->s, &(struct stmt_ask){.sql = S("select 1"), .ttl_seconds = -1}, &st),
			  ERR_UNAVAILABLE));
	st = found(r, r->a, handle);
	assert_true(statement_part_rows(&r->c, st, 0, ENGINE_NATIVE, &rows));
	assert_str_equal(rows, "[7]");
	assert_true(wrong(r, statement_forget(&r->c, st), ERR_UNAVAILABLE));
	assert_true(wrong(r, statement_grant(&r->c, st, S("bob"), true), ERR_UNAVAILABLE));
	statement_unref(st);
	assert_true(statement_list(&r->c, r->a->s, &f, &v, &n, &next));
	assert_int_equal(n, 2);
	while (n > 0)
		statement_unref(v[--n]);
	assert_true(statement_cancel(&r->c, slow));
	assert_false(fsm_terminal(stmt_fsm, state_of(slow))); /* nobody else knows yet */
	set_down(r, false);
	assert_int_equal(wait_end(slow).state, STMT_CANCELED);
	statement_unref(slow);
	statement_unref(found(r, r->a, handle));
}

static int degrading(void **state)
{
	struct rig *r = *state = rig_new(HYBRID);

	r->o.degrade = true;
	r->a = node_open(r);
	return 0;
}

static void a_degraded_hybrid_goes_on_and_hands_over_later(void **state)
{
	struct rig *r = *state;
	struct stmt_ask a = {.sql = S("select 9"), .ttl_seconds = -1, .request_id = S("while-away"), .retry = true};
	struct stmt *before = run(r, r->a, "select 7"), *running = run(r, r->a, FOREVER), *during, *again, *gone;
	struct statement_stats stats;
	struct str rows;

	wait_end(before);
	UNTIL(state_of(running) == STMT_RUNNING);
	set_down(r, true);
	during = ask(r, r->a, &a);
	again = ask(r, r->a, &a);
	assert_ptr_equal(during, again);
	statement_unref(again);
	assert_int_equal(wait_end(during).state, STMT_SUCCEEDED);
	assert_true(statement_part_rows(&r->c, during, 0, ENGINE_NATIVE, &rows));
	assert_str_equal(rows, "[9]");
	assert_true(statement_cancel(&r->c, running));
	assert_int_equal(wait_end(running).state, STMT_CANCELED);
	gone = run(r, r->a, "select 8");
	wait_end(gone);
	assert_true(statement_forget(&r->c, gone));
	assert_true(wrong(r, statement_find(&r->c, r->a->s, stmt_handle(gone), &again), ERR_NOT_FOUND));
	statements_stats(r->a->s, &stats);
	assert_true(stats.degraded && !stats.unavailable);
	assert_true(stats.owed >= 3);
	assert_false(statements_idle(r->a->s)); /* a drain waits, as long as it may */
	assert_null(fake_row(r->shared, stmt_handle(during)));
	set_down(r, false);
	UNTIL((statements_stats(r->a->s, &stats), stats.owed == 0) && statements_idle(r->a->s));
	assert_int_equal(fake_row(r->shared, stmt_handle(during))->r.state, STMT_SUCCEEDED);
	assert_int_equal(fake_row(r->shared, stmt_handle(running))->r.state, STMT_CANCELED);
	assert_true(!fake_row(r->shared, stmt_handle(gone)) || fake_row(r->shared, stmt_handle(gone))->dropped);
	again = ask(r, r->a, &a);
	assert_ptr_equal(during, again);
	statement_unref(again);
	statement_unref(before);
	statement_unref(running);
	statement_unref(during);
	statement_unref(gone);
}

static void one_that_began_degraded_is_added_while_it_runs(void **state)
{
	struct rig *r = *state;
	struct stmt *st;
	struct fake_row *row;

	set_down(r, true);
	st = run(r, r->a, FOREVER);
	set_down(r, false);
	UNTIL((pthread_mutex_lock(&r->shared->lock), row = fake_row(r->shared, stmt_handle(st)), pthread_mutex_unlock(&r->shared->lock), row));
	assert_true(statement_cancel(&r->c, st));
	assert_int_equal(wait_end(st).state, STMT_CANCELED);
	assert_int_equal(row->r.state, STMT_CANCELED);
	statement_unref(st);
}

static void a_replay_never_overwrites_an_end(void **state)
{
	struct rig *r = *state;
	struct stmt *st = run(r, r->a, FOREVER), *again;
	struct stmt_view v;

	UNTIL(state_of(st) == STMT_RUNNING);
	set_down(r, true);
	assert_true(statement_cancel(&r->c, st));
	assert_int_equal(wait_end(st).state, STMT_CANCELED);
	fail_elsewhere(r, stmt_handle(st)); /* its lease ended meanwhile */
	set_down(r, false);
	UNTIL(statements_idle(r->a->s));
	assert_int_equal(fake_row(r->shared, stmt_handle(st))->r.error->kind, ERR_SERVER_LOST);
	again = found(r, r->a, stmt_handle(st)); /* and what the store says is what everybody hears, here as well */
	statement_view(again, &v);
	assert_int_equal(v.error->kind, ERR_SERVER_LOST);
	statement_unref(again);
	statement_unref(st);
}

static void what_redis_dropped_or_lacks_is_seen_at_start(void **state)
{
	struct rig *r = *state;
	struct stmt *v[3], *st;
	struct str handles[3];

	for (int i = 0; i < 3; i++) {
		v[i] = run(r, r->a, "select 1");
		handles[i] = copy(r, wait_end(v[i]).handle);
		statement_unref(v[i]);
	}
	node_kill(r, r->a);
	fake_row(r->shared, handles[0])->dropped = true;
	fake_row(r->shared, handles[1])->r.handle = S("018f0000-0000-7000-8000-00000000dead"); /* it never had it */
	r->a = node_open(r);
	UNTIL(statements_idle(r->a->s));
	assert_true(wrong(r, statement_find(&r->c, r->a->s, handles[0], &st), ERR_NOT_FOUND));
	assert_true(fake_row(r->disk, handles[0])->dropped);
	assert_non_null(fake_row(r->shared, handles[1]));
	assert_int_equal(fake_row(r->shared, handles[1])->r.state, STMT_SUCCEEDED);
	assert_int_equal(fake_row(r->shared, handles[1])->r.nparts, 1);
	statement_unref(found(r, r->a, handles[2]));
}

static void a_session_is_dropped_when_the_store_is_back(void **state)
{
	struct rig *r = *state;
	struct stmt_ask a = {.sql = S("select 1"), .ttl_seconds = -1,
			     .scope = {.session_id = S("018f0000-0000-7000-8000-000000000003"), .persistent = true, .owner = &r->a->session}};
	struct stmt *st = ask(r, r->a, &a);
	struct str handle = copy(r, wait_end(st).handle);

	statement_unref(st);
	UNTIL(statements_idle(r->a->s));
	fake_switch(r->shared, &r->shared->down, true);
	lease_end_owned(r->a->lifecycle, &r->a->session);
	statements_session_gone(r->a->s, r->c.tenant, a.scope.session_id);
	usleep(50000);
	assert_false(fake_row(r->shared, handle)->dropped);
	assert_false(statements_idle(r->a->s));
	fake_switch(r->shared, &r->shared->down, false);
	UNTIL(statements_idle(r->a->s));
	assert_true(fake_row(r->shared, handle)->dropped);
}

static void a_room_closes_soon_whatever_its_stores_do(void **state)
{
	struct rig *r = *state;
	struct stmt *v[20];

	for (int i = 0; i < 20; i++)
		v[i] = run(r, r->a, FOREVER);
	set_down(r, true);
	for (int i = 0; i < 20; i++) {
		statement_cancel_soon(v[i]);
		statement_unref(v[i]);
	}
	node_close(r->a);
	r->a = NULL;
}

/* --- races --- */

struct racer {
	struct rig *r;
	int bad;
};

static void *race(void *arg)
{
	struct racer *me = arg;
	struct arena a = {0};
	struct call c;

	call_open(&c, &a);
	c.tenant = S("acme");
	for (int i = 0; i < 60; i++) {
		struct stmt_ask q = {.sql = S("select 1"), .ttl_seconds = -1};
		struct stmt_view first, later;
		struct stmt *st;

		if (!statement_submit(&c, me->r->a->s, &q, &st)) {
			me->bad++;
			continue;
		}
		if (i % 3)
			usleep((unsigned)(i * 37 % 3000));
		if (i % 4 == 0)
			statement_cancel_soon(st);
		else
			me->bad += !statement_cancel(&c, st);
		first = wait_end(st);
		if (i % 5 == 0)
			me->bad += !statement_forget(&c, st);
		else if (i % 5 == 1)
			statement_forget_soon(st);
		statement_view(st, &later);
		me->bad += first.state != later.state || (first.state != STMT_CANCELED && first.state != STMT_SUCCEEDED);
		statement_unref(st);
	}
	arena_close(&a);
	return NULL;
}

static void cancels_results_and_drops_race_in_front_of_a_store_that_stumbles(void **state)
{
	struct rig *r = *state;
	struct racer racers[4] = {{r, 0}, {r, 0}, {r, 0}, {r, 0}};
	struct fake *f = r->shared ? r->shared : r->disk;
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
	for (int i = 0; i < 50; i++) {
		fake_fails(f, &f->end_fails, ERR_UNAVAILABLE, i % 3);
		usleep(3000);
	}
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(racers[i].bad, 0);
	}
	fake_fails(f, &f->end_fails, ERR_NONE, 0);
	UNTIL(statements_idle(r->a->s));
	for (int i = 0; i < f->n; i++)
		assert_true(f->rows[i]->dropped || fsm_terminal(stmt_fsm, f->rows[i]->r.state));
}

#define DEGRADED(name) {#name, name, degrading, rig_free, NULL}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON(disk, what_cannot_be_added_is_refused_and_leaves_nothing),
		ON(shared, what_cannot_be_added_is_refused_and_leaves_nothing),
		ON(hybrid, what_cannot_be_added_is_refused_and_leaves_nothing),
		ON(hybrid, what_the_second_store_refuses_the_first_one_drops),
		ON(shared, an_end_that_is_not_recorded_has_not_come),
		ON(hybrid, an_end_that_is_not_recorded_has_not_come),
		ON(shared, a_lost_answer_is_no_conflict),
		ON(hybrid, a_lost_answer_is_no_conflict),
		ON(shared, who_comes_second_takes_the_end_that_is_there),
		ON(hybrid, who_comes_second_takes_the_end_that_is_there),
		ON(shared, what_was_ended_elsewhere_stops_here),
		ON(shared, one_dropped_elsewhere_goes),
		ON(hybrid, one_dropped_elsewhere_goes),
		ON(shared, one_that_the_store_forgot_runs_on_and_is_told_again),
		ON(hybrid, one_that_the_store_forgot_runs_on_and_is_told_again),
		ON(shared, what_is_refused_while_the_store_is_away_is_not_owed_to_it),
		ON(hybrid, what_is_refused_while_the_store_is_away_is_not_owed_to_it),
		ON(disk, a_full_store_fails_the_statement_and_says_so),
		ON(shared, a_full_store_fails_the_statement_and_says_so),
		ON(hybrid, a_full_store_fails_the_statement_and_says_so),
		ON(hybrid, a_disk_that_fails_leaves_it_in_the_shared_store),
		ON(disk, a_cancel_waits_for_a_store_that_hangs_and_then_holds),
		ON(shared, a_cancel_waits_for_a_store_that_hangs_and_then_holds),
		ON(disk, a_part_that_is_missing_is_that_handles_fault),
		ON(shared, a_part_that_is_missing_is_that_handles_fault),
		ON(shared, type_redis_without_redis_says_unavailable),
		ON(hybrid, hybrid_that_refuses_answers_what_is_here_and_loses_nothing),
		DEGRADED(a_degraded_hybrid_goes_on_and_hands_over_later),
		DEGRADED(one_that_began_degraded_is_added_while_it_runs),
		DEGRADED(a_replay_never_overwrites_an_end),
		ON(hybrid, what_redis_dropped_or_lacks_is_seen_at_start),
		ON(shared, a_session_is_dropped_when_the_store_is_back),
		ON(hybrid, a_session_is_dropped_when_the_store_is_back),
		ON(shared, a_room_closes_soon_whatever_its_stores_do),
		ON(hybrid, a_room_closes_soon_whatever_its_stores_do),
		ON(disk, cancels_results_and_drops_race_in_front_of_a_store_that_stumbles),
		ON(shared, cancels_results_and_drops_race_in_front_of_a_store_that_stumbles),
		ON(hybrid, cancels_results_and_drops_race_in_front_of_a_store_that_stumbles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
