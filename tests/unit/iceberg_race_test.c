/* iceberg_race_test.c - commits in a world that is not kind: lost answers, other writers, stale hints, kills. */
#include "iceberg_rig.h"

/* --- the store's answers --- */
static void an_answer_that_was_lost_is_found_out(void **state)
{
	/* a conflict: something between tried again by itself, and met what it had put */
	static const enum err_kind as[] = {ERR_NONE, ERR_STORAGE, ERR_CONFLICT, ERR_UNAVAILABLE};
	struct ice_table t;
	struct rig r;

	(void)state;
	rig_open(&r);
	r.flaky.match = ".metadata.json";
	for (int i = 1; i < 4; i++) {
		struct ice_committed done;

		r.flaky.lose = 1;
		r.flaky.lose_as = as[i];
		done = commit_files(&r, ICE_APPEND, 1);
		assert_int_equal(done.attempts, 1);
		assert_int_equal(done.table.version, i);
		assert_int_equal(r.flaky.lose, 0);
	}
	t = load_table(&r);
	assert_int_equal(t.nsnapshots, 3);
	is_linear(&r, &t);
	rig_close(&r);
}

/* Its files may be in the table: the error is not one after which a caller removes them. */
static void what_cannot_be_found_out_is_an_error_of_the_store(void **state)
{
	static const enum err_kind as[] = {ERR_STORAGE, ERR_CONFLICT, ERR_STATEMENT_TIMEOUT, ERR_NOT_FOUND, ERR_UNAVAILABLE};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(as); i++) {
		struct ice_committed done;
		struct ice_change x;
		struct ice_table t;
		struct rig r;

		rig_open(&r);
		x = change_of(&r.c, r.s, ICE_APPEND, 1);
		r.flaky.match = ".metadata.json";
		r.flaky.lose = 1000;
		r.flaky.lose_as = as[i];
		r.flaky.cut_off = true;
		refused(&r, ice_commit(&r.c, r.s, S(TABLE), &x, NULL, NULL, &done), as[i] == ERR_UNAVAILABLE ? ERR_UNAVAILABLE : ERR_STORAGE);
		r.flaky.gone = false;
		t = load_table(&r); /* it was done, and all of it is there */
		assert_int_equal(files_of(&r, &t, t.current, NULL), 1);
		rig_close(&r);
	}
}

static void another_version_behind_a_lost_answer_changes_nothing(void **state)
{
	struct ice_committed done;
	struct ice_change x;
	struct ice_table t;
	struct rig r;

	(void)state;
	rig_open(&r);
	commit_files(&r, ICE_APPEND, 1);
	x = change_of(&r.c, r.s, ICE_APPEND, 1);
	r.flaky.match = ".metadata.json";
	r.flaky.refuse = 1; /* not done, and another takes the version before it is tried again */
	r.flaky.before = another_commits;
	r.flaky.arg = &r;
	done = commit_change(&r, &x);
	assert_int_equal(done.attempts, 2);
	t = load_table(&r);
	assert_int_equal(t.nsnapshots, 3);
	assert_int_equal(done.snapshot->id, 3);
	is_linear(&r, &t);
	rig_close(&r);
}

static void a_put_that_fails_for_a_while_is_tried_again(void **state)
{
	struct ice_committed done;
	struct ice_change x;
	struct ice_table t;
	struct rig r;

	(void)state;
	rig_open(&r);
	r.flaky.match = ".metadata.json";
	r.flaky.refuse = 2;
	assert_int_equal(commit_files(&r, ICE_APPEND, 1).attempts, 1);
	x = change_of(&r.c, r.s, ICE_APPEND, 1);
	r.flaky.refuse = 1000;
	refused(&r, ice_commit(&r.c, r.s, S(TABLE), &x, NULL, NULL, &done), ERR_STORAGE);
	r.flaky.refuse = 0;
	t = load_table(&r);
	assert_int_equal(t.version, 1);
	assert_int_equal(objects_below(&r, "metadata/"), 4 + 2); /* it may have been done: its list and manifest stay */
	rig_close(&r);
}

static void a_hint_that_cannot_be_written_is_no_error(void **state)
{
	struct rig r;

	(void)state;
	rig_open(&r);
	r.flaky.match = "version-hint";
	r.flaky.refuse = 1000;
	commit_files(&r, ICE_APPEND, 1);
	commit_files(&r, ICE_APPEND, 1);
	assert_int_equal(load_table(&r).version, 2);
	rig_close(&r);
}

/* Others commit on and on, and what is old is removed, while the writer stands still before its put. */
static void a_day_passes(struct flaky *f, enum verb verb, struct str key)
{
	struct rig *r = f->arg;

	if (verb != VERB_PUT || !str_ends(key, S("/v2.metadata.json")))
		return;
	f->before = NULL;
	for (int i = 0; i < 4; i++) {
		struct ice_change x = change_of(&r->c, r->folder, ICE_APPEND, 1);
		struct ice_committed done;

		INVARIANT(ice_commit(&r->c, r->folder, S(TABLE), &x, NULL, NULL, &done));
	}
	for (int i = 1; i < 4; i++)
		INVARIANT(r->folder->ops->drop(&r->c, r->folder, ice_metadata_key(&r->arena, S(TABLE), i)));
}

static void a_name_that_became_free_again_is_no_commit(void **state)
{
	struct ice_committed done;
	struct ice_table t;
	struct rig r;

	(void)state;
	rig_open(&r);
	commit_files(&r, ICE_APPEND, 1);
	r.flaky.before = a_day_passes;
	r.flaky.arg = &r;
	done = commit_files(&r, ICE_APPEND, 1);
	assert_int_equal(done.attempts, 2);
	assert_int_equal(done.table.version, 6);
	assert_false(is_there(&r, ice_metadata_key(&r.arena, S(TABLE), 2)));
	t = load_table(&r);
	assert_int_equal(t.nsnapshots, 6);
	assert_int_equal(files_of(&r, &t, t.current, NULL), 6);
	is_linear(&r, &t);
	rig_close(&r);
}

/* --- the latest version --- */
static void hint_finds(struct rig *r, const char *hint, int64_t version, bool lists)
{
	int before = r->flaky.calls[VERB_LIST];

	if (hint)
		store_text(r, "metadata/version-hint.text", str_of(hint));
	else
		worked(r, r->folder->ops->drop(&r->c, r->folder, key_in(r, "metadata/version-hint.text")));
	assert_int_equal(load_table(r).version, version);
	assert_int_equal(r->flaky.calls[VERB_LIST] > before, lists);
}

static void the_latest_is_found_whatever_the_hint_says(void **state)
{
	static const char *const garbage[] = {"", "x", "-1", "0", "010", "9 9", "1e1", "99999999999999999999999999", "9.metadata.json",
	                                      "11\xff", "999999999999999"};
	struct rig r;

	(void)state;
	rig_open(&r);
	for (int i = 1; i <= 9; i++)
		commit_files(&r, ICE_OVERWRITE, 1);
	hint_finds(&r, NULL, 9, true);
	commit_files(&r, ICE_OVERWRITE, 1);
	assert_str_equal(stored_text(&r, "metadata/version-hint.text"), "10");
	commit_files(&r, ICE_OVERWRITE, 1);
	hint_finds(&r, NULL, 11, true); /* v9 is the last by name */
	hint_finds(&r, "11", 11, false);
	hint_finds(&r, "11\n", 11, false);
	hint_finds(&r, "3", 11, false);
	hint_finds(&r, "12", 11, true);
	for (size_t i = 0; i < COUNT_OF(garbage); i++)
		hint_finds(&r, garbage[i], 11, true);
	worked(&r, r.folder->ops->drop(&r.c, r.folder, key_in(&r, "metadata/v1.metadata.json")));
	hint_finds(&r, "1", 11, true);
	for (int i = 0; i < 20; i++)
		commit_files(&r, ICE_OVERWRITE, 0);
	hint_finds(&r, "2", 31, true); /* far behind */
	hint_finds(&r, "25", 31, false);
	commit_files(&r, ICE_OVERWRITE, 0);
	assert_str_equal(stored_text(&r, "metadata/version-hint.text"), "32");
	rig_close(&r);
}

static void older_hint(struct flaky *f, enum verb verb, struct str key)
{
	struct rig *r = f->arg;

	if (verb != VERB_PUT || !str_ends(key, S("version-hint.text")))
		return;
	f->before = NULL; /* another commits the next version, and its hint is there before ours */
	f->match = NULL;
	{
		struct ice_change x = change_of(&r->c, r->folder, ICE_APPEND, 1);
		struct ice_committed done;

		INVARIANT(ice_commit(&r->c, r->folder, S(TABLE), &x, NULL, NULL, &done));
	}
}

static void a_slow_writer_does_not_leave_an_older_hint(void **state)
{
	struct rig r;

	(void)state;
	rig_open(&r);
	r.flaky.before = older_hint;
	r.flaky.arg = &r;
	assert_int_equal(commit_files(&r, ICE_APPEND, 1).table.version, 1);
	assert_str_equal(stored_text(&r, "metadata/version-hint.text"), "2");
	rig_close(&r);
}

/* --- processes --- */
enum { WRITERS = 4, COMMITS = 10 };

static void write_some(struct rig *r)
{
	for (int i = 0; i < COMMITS; i++) {
		struct arena arena = {0};
		struct ice_committed done;
		struct ice_change x;
		struct call c;

		call_open(&c, &arena);
		x = change_of(&c, r->folder, ICE_APPEND, 1);
		INVARIANT(ice_commit(&c, r->folder, S(TABLE), &x, NULL, NULL, &done));
		arena_close(&arena);
	}
	arena_close(&r->arena);
	_exit(0);
}

static void of_many_processes_no_commit_is_lost(void **state)
{
	pid_t writers[WRITERS];
	struct ice_table t;
	struct rig r;
	int64_t rows;

	(void)state;
	rig_open(&r);
	for (int i = 0; i < WRITERS; i++) {
		writers[i] = fork_apart();
		if (writers[i] == 0)
			write_some(&r);
	}
	for (int i = 0; i < WRITERS; i++)
		assert_false(was_killed(writers[i]));
	t = load_table(&r);
	assert_int_equal(t.version, WRITERS * COMMITS);
	assert_int_equal(t.nsnapshots, WRITERS * COMMITS);
	is_linear(&r, &t);
	assert_int_equal(files_of(&r, &t, t.current, &rows), WRITERS * COMMITS);
	assert_int_equal(rows, WRITERS * COMMITS * 10);
	/* lost attempts left nothing: a version, a list and a manifest a commit, and the hint */
	assert_int_equal(objects_below(&r, "metadata/"), 3 * WRITERS * COMMITS + 1);
	assert_int_equal(objects_below(&r, "data/"), WRITERS * COMMITS);
	assert_str_equal(stored_text(&r, "metadata/version-hint.text"), "40");
	rig_close(&r);
}

/* In a process of its own, which is killed at its n-th step: was it? */
static bool killed_at(struct rig *r, int n, enum ice_how how)
{
	pid_t pid = fork_apart();

	if (pid == 0) {
		struct ice_change x = change_of(&r->c, r->folder, how, 1);
		struct ice_committed done;
		bool ok;

		r->flaky.die_at = n;
		ok = ice_commit(&r->c, r->s, S(TABLE), &x, NULL, NULL, &done);
		arena_close(&r->arena); /* leaks are looked for at this end too */
		_exit(ok ? 0 : 1);
	}
	return was_killed(pid);
}

static void a_kill_at_any_step_leaves_a_table(void **state)
{
	enum ice_how how[] = {ICE_APPEND, ICE_OVERWRITE};
	int64_t version = 0;
	struct ice_table t;
	struct rig r;
	int steps[2] = {0};

	(void)state;
	rig_open(&r);
	for (size_t i = 0; i < COUNT_OF(how); i++) {
		for (int n = 1; killed_at(&r, n, how[i]); n++) {
			bool there = ice_load(&r.c, r.s, S(TABLE), &t);

			steps[i] = n;
			assert_true(there || version == 0);
			call_forgive(&r.c);
			if (!there)
				continue;
			assert_in_range(t.version, version, version + 1);
			version = t.version;
			is_linear(&r, &t);
		}
		version = load_table(&r).version;
	}
	assert_in_range(steps[0], 8, 20); /* before and after: manifest, list, version, hint */
	assert_in_range(steps[1], 10, 20); /* and the manifest of what was deleted */
	t = commit_files(&r, ICE_APPEND, 1).table;
	assert_int_equal(t.version, version + 1);
	is_linear(&r, &t);
	rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_that_was_lost_is_found_out),
		cmocka_unit_test(what_cannot_be_found_out_is_an_error_of_the_store),
		cmocka_unit_test(another_version_behind_a_lost_answer_changes_nothing),
		cmocka_unit_test(a_put_that_fails_for_a_while_is_tried_again),
		cmocka_unit_test(a_hint_that_cannot_be_written_is_no_error),
		cmocka_unit_test(a_name_that_became_free_again_is_no_commit),
		cmocka_unit_test(the_latest_is_found_whatever_the_hint_says),
		cmocka_unit_test(a_slow_writer_does_not_leave_an_older_hint),
		cmocka_unit_test(of_many_processes_no_commit_is_lost),
		cmocka_unit_test(a_kill_at_any_step_leaves_a_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
