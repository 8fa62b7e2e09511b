/* session_crash_test.c - what a start makes of what a former process left: sessions that outlive it, and kills at every step. */
#include "session_fake.h"

#include <sys/wait.h>

#define MEMORY (&(struct session_ask){.timeout_seconds = 3600, .idle_seconds = -1})
#define PERSISTENT (&(struct session_ask){.persistent = true, .timeout_seconds = 3600, .idle_seconds = -1})

static void restart(struct rig *r)
{
	rig_stop(r);
	rig_start(r);
}

static int count_files(struct rig *r)
{
	char command[160];
	FILE *f;
	int n = -1;

	snprintf(command, sizeof(command), "ls %s/tenants/*/sessions 2>/dev/null | wc -l", r->dir);
	f = popen(command, "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%d", &n), 1);
	pclose(f);
	return n;
}

static void a_restart_ends_memory_sessions_and_resumes_persistent_ones(void **state)
{
	struct rig *r = *state;
	struct session *memory, *kept, *late;
	struct str mid, kid, lid;
	struct session_result res;
	struct session_view before, after;
	struct session_op *op;
	struct told t;

	memory = rig_memory(r);
	kept = rig_session(r, PERSISTENT);
	late = rig_session(r, &(struct session_ask){.persistent = true, .timeout_seconds = 60, .idle_seconds = -1});
	mid = rig_id(r, memory);
	kid = rig_id(r, kept);
	lid = rig_id(r, late);
	char ids[3][ID_LEN + 1];
	snprintf(ids[0], sizeof(ids[0]), "%.*s", SARG(mid));
	snprintf(ids[1], sizeof(ids[1]), "%.*s", SARG(kid));
	snprintf(ids[2], sizeof(ids[2]), "%.*s", SARG(lid));
	assert_true(rig_create(r, memory, "m") && rig_create(r, kept, "k") && rig_create(r, late, "l"));
	fake_rows(r, kept, "k", 3);
	fake_rows(r, late, "l", 4);
	assert_true(session_extend(&r->c, kept, 7200));
	session_view(kept, &before);
	session_unref(memory);
	session_unref(kept);
	session_unref(late);
	clock_advance(60000);
	restart(r);
	rig_sweep_until(r, 1);
	t = rig_told(r, str_of(ids[0]));
	assert_true(t.opened == 1 && t.timed_out == 1 && t.closed == 0);
	assert_str_equal(t.reason, "server_restart");
	t = rig_told(r, str_of(ids[2]));
	assert_true(t.opened == 1 && t.timed_out == 1 && t.tables == 1 && t.rows == 4);
	assert_str_equal(t.reason, "server_restart");
	assert_true(session_find(&r->c, r->sessions, str_of(ids[1]), &kept));
	session_view(kept, &after);
	assert_true(after.expires_ms == before.expires_ms && after.created_ms == before.created_ms);
	assert_int_equal(after.timeout_seconds, 7200);
	assert_true(session_describe(&r->c, kept, &op));
	assert_true(rig_finish(r, op, &res));
	assert_true(res.ntables == 1 && res.tables[0].rows == 3);
	rig_expect(r, session_find(&r->c, r->sessions, str_of(ids[0]), &memory), ERR_SESSION_EXPIRED);
	assert_int_equal(atomic_load(&r->gone), 2);
	assert_true(rig_close(r, kept, &res));
	session_unref(kept);
	assert_int_equal(count_files(r), 0);
	assert_int_equal(atomic_load(&r->gone), 3);
	assert_string_equal(r->gone_id, ids[1]);
	restart(r);
	assert_int_equal(atomic_load(&r->gone), 3); /* once more for each tombstone */
	assert_int_equal(rig_places(r), 0);
}

static void write_file(struct rig *r, const char *name)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/tenants/acme/sessions/%s", r->dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fclose(f);
}

static void files_without_a_session_are_removed_and_only_those(void **state)
{
	struct rig *r = *state;
	struct session *se;

	se = rig_session(r, PERSISTENT);
	assert_true(rig_create(r, se, "t"));
	session_unref(se);
	write_file(r, "__eph_0123456789abcdef0123456789abcdef.db");
	write_file(r, "__eph_0123456789abcdef0123456789abcdef.db.wal");
	write_file(r, "__eph_0123456789abcdef0123456789abcde.db");
	write_file(r, "other.db");
	assert_int_equal(count_files(r), 5);
	restart(r);
	assert_int_equal(count_files(r), 3);
	assert_int_equal(rig_places(r), 1);
}

static void a_record_that_cannot_be_read_stops_nothing(void **state)
{
	struct rig *r = *state;

	session_unref(rig_session(r, PERSISTENT));
	assert_true(kv_put(&r->c, &r->kv.kv, S("session/acme/x"), S("{"), KV_ABSENT, 0));
	assert_true(kv_put(&r->c, &r->kv.kv, S("session/acme/y"), S("{\"id\":7}"), KV_ABSENT, 0));
	restart(r);
	assert_int_equal(rig_places(r), 1);
}

/* A memory session's record says opening all its life; when retention took the event, it still was opened. */
static void a_session_older_than_the_log_was_opened_all_the_same(void **state)
{
	enum { EVENTS = 100 };
	struct rig *r = *state;
	char id[ID_LEN + 1];
	struct session *se;
	struct told t;

	rig_stop(r);
	r->log_bytes = 4096;
	rig_start(r);
	se = rig_memory(r);
	snprintf(id, sizeof(id), "%.*s", SARG(rig_id(r, se)));
	session_unref(se);
	for (int i = 0; i < EVENTS; i++)
		session_unref(rig_memory(r));
	events_sweep(r->events);
	assert_int_equal(rig_told(r, str_of(id)).opened, 0);
	r->log_bytes = 0;
	restart(r);
	rig_sweep_until(r, 0);
	t = rig_told(r, str_of(id));
	assert_true(t.timed_out == 1 && t.closed == 0);
}

/* --- kills --- */

/* In a process of its own: opens, uses, closes; dies at its step `at`, or not at all. The ids go through the pipe. */
static void child(struct rig *r, const struct session_ask *ask, int at, int out)
{
	struct session_result res;
	struct session *se;

	rig_start(r);
	atomic_store(&steps.n, 0);
	atomic_store(&steps.die_at, at);
	se = rig_session(r, ask);
	(void)!write(out, "o", 1);
	assert_true(rig_create(r, se, "a") && rig_create(r, se, "b") && rig_create(r, se, "c"));
	fake_rows(r, se, "a", 1);
	fake_rows(r, se, "b", 2);
	fake_rows(r, se, "c", 4);
	assert_true(rig_close(r, se, &res));
	(void)!write(out, "c", 1);
	_exit(0);
}

/* Sweeps until what a start finds has ended or goes on. True: one goes on. */
static bool settle(struct rig *r)
{
	for (int64_t end = clock_mono_ms() + 60000;; sched_yield()) {
		struct session **v;
		struct str next;
		uint64_t places = rig_places(r);
		int n;

		assert_true(session_list(&r->c, r->sessions, &(struct session_filter){.limit = 10}, &v, &n, &next));
		for (int i = 0; i < n; i++)
			session_unref(v[i]);
		if (places == (uint64_t)n)
			return n == 1;
		assert_true(clock_mono_ms() < end);
		rig_sweep(r);
	}
}

/* The next process, which dies at its own step `at`, or not at all. */
static bool start_and_die(struct rig *r, int at)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		atomic_store(&steps.n, 0);
		atomic_store(&steps.die_at, at);
		rig_start(r);
		settle(r);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status);
}

/* How many answers the client got: 0, 1 (opened) or 2 (closed). */
static int run_child(struct rig *r, const struct session_ask *ask, int at, bool *ret_killed)
{
	int fds[2], status, answers = 0;
	pid_t pid;
	char c;

	assert_int_equal(pipe(fds), 0);
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		child(r, ask, at, fds[1]);
	close(fds[1]);
	while (read(fds[0], &c, 1) == 1)
		answers++;
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	*ret_killed = WIFSIGNALED(status);
	if (!*ret_killed)
		assert_int_equal(status, 0);
	return answers;
}

/* The next process of this server: what does it find, and what does it make of it? */
static void check_after(struct rig *r, const struct session_ask *ask, int answers)
{
	struct told t;
	bool resumed;

	rig_start(r);
	resumed = settle(r);
	t = rig_told(r, S(""));
	assert_int_equal(t.partial, 0);
	assert_true(t.opened == (answers > 0) || (answers == 0 && t.opened <= 1));
	if (t.opened == 0) { /* no trace at all */
		assert_int_equal(t.closed + t.timed_out, 0);
		assert_int_equal(r->kv.below->ops->count(r->kv.below), 0);
		assert_false(resumed);
	} else if (resumed) {
		assert_true(ask->persistent && answers < 2 && t.closed + t.timed_out == 0);
	} else {
		assert_int_equal(t.closed + t.timed_out, 1);
		assert_int_equal(r->kv.below->ops->count(r->kv.below), 1); /* the tombstone */
	}
	assert_int_equal(atomic_load(&r->gone), t.closed + t.timed_out); /* also when the process died right behind its tombstone */
	if (t.closed) /* whenever it died, the numbers are those that the session had */
		assert_true(t.tables == 3 && t.rows == 7);
	if (answers == 2)
		assert_int_equal(t.closed, 1);
	assert_int_equal(count_files(r), resumed && answers > 0 ? 1 : count_files(r) * resumed);
	rig_stop(r);
}

static int kill_everywhere(const struct session_ask *ask)
{
	bool killed = true;
	int at;

	for (at = 1; killed; at++) {
		struct rig *r = rig_new(&fake_side);
		int answers = run_child(r, ask, at, &killed);

		check_after(r, ask, answers);
		rig_remove(r);
	}
	return at - 2;
}

/* Killed in the middle of it, and again in the middle of what the next start makes of that. */
static int kill_twice(const struct session_ask *ask)
{
	bool killed = true, again;
	int runs = 0;

	for (int at = 1; killed; at += 2) { /* every other: this takes its time */
		again = true;
		for (int then = 1; again; then += 2, runs++) {
			struct rig *r = rig_new(&fake_side);
			int answers = run_child(r, ask, at, &killed);

			again = start_and_die(r, then);
			check_after(r, ask, answers);
			rig_remove(r);
		}
	}
	return runs;
}

static void two_crashes_in_a_row_double_nothing(void **state)
{
	int n = kill_twice(MEMORY) + kill_twice(PERSISTENT);

	(void)state;
	print_message("killed twice in %d ways\n", n);
	assert_true(n > 50);
}

static void a_memory_session_killed_anywhere_leaves_one_of_each_or_no_trace(void **state)
{
	int n = kill_everywhere(MEMORY);

	(void)state;
	print_message("killed at %d places\n", n);
	assert_true(n > 10);
}

static void a_persistent_session_killed_anywhere_leaves_one_of_each_or_goes_on(void **state)
{
	int n = kill_everywhere(PERSISTENT);

	(void)state;
	print_message("killed at %d places\n", n);
	assert_true(n > 12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_restart_ends_memory_sessions_and_resumes_persistent_ones, fake_begin, rig_end),
		cmocka_unit_test_setup_teardown(files_without_a_session_are_removed_and_only_those, fake_begin, rig_end),
		cmocka_unit_test_setup_teardown(a_record_that_cannot_be_read_stops_nothing, fake_begin, rig_end),
		cmocka_unit_test_setup_teardown(a_session_older_than_the_log_was_opened_all_the_same, fake_begin, rig_end),
		cmocka_unit_test(a_memory_session_killed_anywhere_leaves_one_of_each_or_no_trace),
		cmocka_unit_test(a_persistent_session_killed_anywhere_leaves_one_of_each_or_goes_on),
		cmocka_unit_test(two_crashes_in_a_row_double_nothing),
	};

	return cmocka_run_group_tests_name("session_crash", tests, NULL, NULL);
}
