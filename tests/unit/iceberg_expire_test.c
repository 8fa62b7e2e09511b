/* iceberg_expire_test.c - which snapshots and objects go, when, and what a crash in between leaves. */
#include "iceberg_rig.h"

#include <fcntl.h>

enum { MINUTE = 60 * 1000, HOUR = 60 * MINUTE, DAY = 24 * HOUR };

/* As a server has it: now by the clock, whatever tests have added to it. */
static struct ice_expiry rule(void)
{
	return (struct ice_expiry){
		.now_ms = clock_wall_ms(), .successor_age_ms = 90 * MINUTE, .beside_age_ms = 30 * MINUTE, .metadata_age_ms = DAY,
		.orphan_age_ms = HOUR, .batch = 1000,
	};
}

static struct ice_expired expire(struct rig *r)
{
	struct ice_expiry x = rule();
	struct ice_expired done;

	worked(r, ice_expire(&r->c, r->s, S(TABLE), &x, &done));
	return done;
}

static struct ice_committed commit_beside(struct rig *r)
{
	struct ice_change x = change_of(&r->c, r->s, ICE_OVERWRITE, 1);

	x.beside = true;
	return commit_change(r, &x);
}

/* Makes the objects of a folder look as if they were changed so long ago. */
static void age(struct rig *r, const char *path, int64_t ms)
{
	struct store_entry *v;
	size_t n;

	worked(r, r->folder->ops->list(&r->c, r->folder, key_in(r, path), (struct str){0}, &v, &n));
	assert_true(n > 0);
	for (size_t i = 0; i < n; i++) {
		int64_t at = v[i].changed_ms - ms;
		struct timespec t[2] = {{at / 1000, 0}, {at / 1000, 0}};

		assert_int_equal(utimensat(AT_FDCWD, arena_fmt(&r->arena, "%s/store/%.*s", r->place, SARG(v[i].key)).p, t, 0), 0);
	}
}

/* --- snapshots --- */
static void a_snapshot_goes_by_the_age_of_its_successor(void **state)
{
	struct ice_expired done;
	struct ice_table t;
	struct rig r;

	(void)state;
	rig_open(&r);
	commit_files(&r, ICE_OVERWRITE, 2);
	clock_advance(3 * DAY); /* it is old, but was the latest all the time */
	assert_int_equal(expire(&r).snapshots, 0);
	commit_files(&r, ICE_OVERWRITE, 1);
	clock_advance(59 * MINUTE);
	assert_int_equal(expire(&r).snapshots, 0);
	t = load_table(&r);
	assert_int_equal(files_of(&r, &t, ice_find(&t, 1), NULL), 2);
	clock_advance(30 * MINUTE);
	assert_int_equal(expire(&r).snapshots, 0);
	clock_advance(2 * MINUTE);
	done = expire(&r);
	assert_int_equal(done.snapshots, 1);
	assert_int_equal(done.objects, 4); /* its list, its manifest, two files; v1 went before, v2 is not of yesterday */
	assert_false(done.more);
	t = load_table(&r);
	assert_int_equal(t.nsnapshots, 1);
	assert_int_equal(t.current->id, 2);
	assert_int_equal(files_of(&r, &t, t.current, NULL), 1);
	assert_int_equal(json_count(json_get(t.metadata, "snapshot-log")), 1);
	assert_int_equal(objects_below(&r, "data/"), 1);
	done = expire(&r);
	assert_int_equal(done.snapshots + done.objects, 0);
	clock_advance(365 * (int64_t)DAY);
	assert_int_equal(expire(&r).snapshots, 0); /* never the current one */
	t = load_table(&r);
	assert_int_equal(files_of(&r, &t, t.current, NULL), 1);
	rig_close(&r);
}

static void snapshots_beside_go_later_and_their_ids_do_not_come_back(void **state)
{
	struct ice_table t;
	struct rig r;

	(void)state;
	rig_open(&r);
	commit_files(&r, ICE_OVERWRITE, 1);
	assert_int_equal(commit_beside(&r).snapshot->id, 2);
	clock_advance(119 * MINUTE);
	assert_int_equal(expire(&r).snapshots, 0);
	clock_advance(2 * MINUTE);
	assert_int_equal(expire(&r).snapshots, 1);
	t = load_table(&r);
	assert_int_equal(t.nsnapshots, 1);
	assert_int_equal(t.current->id, 1);
	assert_int_equal(objects_below(&r, "data/"), 1);
	assert_int_equal(commit_files(&r, ICE_OVERWRITE, 1).snapshot->id, 3);
	rig_close(&r);
}

static void a_table_of_snapshots_beside_alone_can_lose_all(void **state)
{
	struct ice_table t;
	struct rig r;

	(void)state;
	rig_open(&r);
	commit_beside(&r);
	t = commit_beside(&r).table;
	assert_null(t.current);
	clock_advance(121 * MINUTE);
	assert_int_equal(expire(&r).snapshots, 2);
	t = load_table(&r);
	assert_int_equal(t.nsnapshots, 0);
	assert_int_equal(objects_below(&r, "data/"), 0);
	assert_int_equal(commit_files(&r, ICE_OVERWRITE, 1).snapshot->id, 3);
	rig_close(&r);
}

static void what_others_still_name_stays(void **state)
{
	struct ice_expired done;
	struct ice_table t;
	struct rig r;
	int64_t rows;

	(void)state;
	rig_open(&r);
	for (int i = 0; i < 4; i++)
		commit_files(&r, ICE_APPEND, 1);
	clock_advance(91 * MINUTE);
	done = expire(&r);
	assert_int_equal(done.snapshots, 3);
	assert_int_equal(done.objects, 3); /* lists; the manifests and the files are the current one's too */
	t = load_table(&r);
	assert_int_equal(files_of(&r, &t, t.current, &rows), 4);
	assert_int_equal(rows, 40);
	rig_close(&r);
}

/* The table's latest metadata with `what` in it replaced once. */
static void edit(struct rig *r, const char *what, const char *with)
{
	struct ice_table t = load_table(r);
	struct str text = stored_text(r, str_tail(t.metadata_key, strlen(TABLE) + 1).p);
	size_t at = str_search(text, str_of(what));
	struct buf b = {0};

	assert_true(at < text.n);
	buf_add(&b, str_head(text, at));
	buf_add(&b, str_of(with));
	buf_add(&b, str_tail(text, at + strlen(what)));
	worked(r, r->folder->ops->put(&r->c, r->folder, t.metadata_key, buf_str(&b), STORE_REPLACE));
	buf_drop(&b);
}

static void what_a_ref_names_stays(void **state)
{
	struct ice_table t;
	struct rig r;

	(void)state;
	rig_open(&r);
	for (int i = 0; i < 3; i++)
		commit_files(&r, ICE_OVERWRITE, 1);
	edit(&r, "\"refs\":{", "\"refs\":{\"kept\":{\"snapshot-id\":1,\"type\":\"tag\",\"max-ref-age-ms\":5},");
	edit(&r, "\"statistics\":[",
	     "\"statistics\":[{\"snapshot-id\":2,\"statistics-path\":\"a\"},{\"snapshot-id\":1,\"statistics-path\":\"b\"}");
	clock_advance(91 * MINUTE);
	assert_int_equal(expire(&r).snapshots, 1);
	t = load_table(&r);
	assert_int_equal(t.nsnapshots, 2);
	assert_int_equal(json_count(json_get(t.metadata, "statistics")), 1);
	assert_str_equal(json_text(json_get(json_at(json_get(t.metadata, "statistics"), 0), "statistics-path")), "b");
	assert_int_equal(files_of(&r, &t, ice_find(&t, 1), NULL), 1);
	assert_int_equal(json_int(json_get(json_get(json_get(t.metadata, "refs"), "kept"), "max-ref-age-ms")), 5);
	rig_close(&r);
}

static void nothing_is_removed_where_it_is_unknown_what_is_named(void **state)
{
	struct ice_expiry x;
	struct ice_expired done;
	struct ice_table t;
	struct rig r;
	int before;

	(void)state;
	rig_open(&r);
	commit_files(&r, ICE_OVERWRITE, 1);
	t = commit_files(&r, ICE_OVERWRITE, 1).table;
	store_text(&r, arena_cstr(&r.arena, t.current->manifest_list), S("Obj"));
	clock_advance(20 * DAY);
	x = rule();
	before = objects_below(&r, "");
	refused(&r, ice_expire(&r.c, r.s, S(TABLE), &x, &done), ERR_CORRUPT_TABLE);
	assert_int_equal(objects_below(&r, ""), before + 1); /* the commit */
	worked(&r, r.folder->ops->drop(&r.c, r.folder, arena_fmt(&r.arena, TABLE "/%.*s", SARG(t.current->manifest_list))));
	refused(&r, ice_expire(&r.c, r.s, S(TABLE), &x, &done), ERR_CORRUPT_TABLE);
	assert_int_equal(objects_below(&r, "data/"), 2);
	rig_close(&r);
}

/* --- objects --- */
static void orphans_go_after_an_hour(void **state)
{
	struct rig r;

	(void)state;
	rig_open(&r);
	commit_files(&r, ICE_OVERWRITE, 2);
	store_text(&r, "data/00000-0-lost.parquet", S("x"));
	store_text(&r, "data/deeper/lost.parquet", S("x"));
	store_text(&r, "metadata/lost-m0.avro", S("x"));
	store_text(&r, "metadata/foreign.puffin", S("x"));
	store_text(&r, "data/notes.txt", S("x"));
	store_text(&r, "meta.json", S("{}"));
	assert_int_equal(expire(&r).objects, 0);
	clock_advance(59 * MINUTE);
	assert_int_equal(expire(&r).objects, 0);
	clock_advance(2 * MINUTE);
	assert_int_equal(expire(&r).objects, 3);
	assert_int_equal(objects_below(&r, "data/"), 2 + 1);
	assert_int_equal(objects_below(&r, "metadata/"), 4 + 1);
	assert_true(is_there(&r, key_in(&r, "meta.json")));
	assert_int_equal(load_table(&r).version, 1);
	rig_close(&r);
}

static void where_there_is_no_table_nothing_is_removed(void **state)
{
	struct ice_expired done;
	struct ice_expiry x;
	struct rig r;

	(void)state;
	rig_open(&r);
	store_text(&r, "data/00000-0-lost.parquet", S("x"));
	clock_advance(2 * DAY);
	x = rule();
	refused(&r, ice_expire(&r.c, r.s, S(TABLE), &x, &done), ERR_NOT_FOUND);
	assert_int_equal(objects_below(&r, ""), 1);
	rig_close(&r);
}

static void old_versions_go_after_a_day_from_the_oldest_on(void **state)
{
	struct rig r;

	(void)state;
	rig_open(&r);
	for (int i = 0; i < 12; i++)
		commit_files(&r, ICE_OVERWRITE, 0);
	store_text(&r, "metadata/version-hint.text", S("2"));
	age(&r, "metadata/v1.", 2 * (int64_t)DAY);
	age(&r, "metadata/v2.", 2 * (int64_t)DAY);
	age(&r, "metadata/v4.", 2 * (int64_t)DAY); /* but v3, which is below it, is young */
	assert_int_equal(expire(&r).objects, 2);
	assert_str_equal(stored_text(&r, "metadata/version-hint.text"), "12");
	assert_false(is_there(&r, key_in(&r, "metadata/v2.metadata.json")));
	assert_true(is_there(&r, key_in(&r, "metadata/v3.metadata.json")));
	assert_true(is_there(&r, key_in(&r, "metadata/v4.metadata.json")));
	clock_advance(DAY + MINUTE);
	expire(&r);
	assert_int_equal(load_table(&r).version, 13);
	assert_false(is_there(&r, key_in(&r, "metadata/v11.metadata.json")));
	rig_close(&r);
}

static void a_batch_has_an_end(void **state)
{
	struct ice_expiry x;
	struct ice_expired done;
	struct rig r;
	int passes = 0;

	(void)state;
	rig_open(&r);
	for (int i = 0; i < 4; i++)
		commit_files(&r, ICE_OVERWRITE, 3);
	clock_advance(91 * MINUTE);
	x = rule();
	x.batch = 4;
	do {
		worked(&r, ice_expire(&r.c, r.s, S(TABLE), &x, &done));
		assert_true(done.objects <= 4);
		passes++;
	} while (done.more);
	assert_true(passes > 3);
	assert_int_equal(objects_below(&r, "data/"), 3);
	assert_int_equal(load_table(&r).nsnapshots, 1);
	rig_close(&r);
}

/* --- in between --- */
static void a_commit_in_between_is_kept(void **state)
{
	struct ice_table t;
	struct rig r;

	(void)state;
	rig_open(&r);
	commit_files(&r, ICE_APPEND, 1);
	commit_files(&r, ICE_APPEND, 1);
	clock_advance(91 * MINUTE);
	r.flaky.before = another_commits;
	r.flaky.arg = &r;
	assert_int_equal(expire(&r).snapshots, 1);
	t = load_table(&r);
	assert_int_equal(t.nsnapshots, 2);
	assert_int_equal(t.current->id, 3);
	assert_int_equal(files_of(&r, &t, t.current, NULL), 3);
	rig_close(&r);
}

static void expire_alone(struct rig *r, int die_at)
{
	struct ice_expiry x = rule();
	struct ice_expired done;
	bool ok;

	r->flaky.changes = 0;
	r->flaky.die_at = die_at;
	ok = ice_expire(&r->c, r->s, S(TABLE), &x, &done);
	arena_close(&r->arena); /* leaks are looked for at this end too */
	_exit(ok ? 0 : 1);
}

static void a_kill_at_any_step_leaves_what_the_next_pass_can_end(void **state)
{
	struct ice_table t;
	struct rig r;
	int steps = 0;
	bool killed = true;

	(void)state;
	for (int n = 1; killed; n++) {
		pid_t pid;

		rig_open(&r);
		commit_files(&r, ICE_APPEND, 2);
		commit_files(&r, ICE_OVERWRITE, 1);
		commit_files(&r, ICE_OVERWRITE, 1);
		clock_advance(91 * MINUTE);
		pid = fork_apart();
		if (pid == 0)
			expire_alone(&r, n);
		killed = was_killed(pid);
		steps = n;
		t = load_table(&r);
		assert_true(t.nsnapshots == 3 || t.nsnapshots == 1);
		for (int i = 0; i < t.nsnapshots; i++)
			files_of(&r, &t, &t.snapshots[i], NULL); /* what is named is there */
		expire(&r);
		t = load_table(&r);
		assert_int_equal(t.nsnapshots, 1);
		assert_int_equal(files_of(&r, &t, t.current, NULL), 1);
		assert_int_equal(objects_below(&r, "data/"), 1);
		assert_int_equal(objects_below(&r, "metadata/"), 4 + 1 + 1 + 2); /* versions, hint, list, manifests */
		rig_close(&r);
	}
	assert_in_range(steps, 20, 60);
}

static void many_servers_may_expire_at_once(void **state)
{
	enum { SERVERS = 4 };
	pid_t servers[SERVERS];
	struct ice_table t;
	struct rig r;

	(void)state;
	rig_open(&r);
	for (int i = 0; i < 10; i++)
		commit_files(&r, ICE_OVERWRITE, 2);
	clock_advance(91 * MINUTE);
	for (int i = 0; i < SERVERS; i++) {
		servers[i] = fork_apart();
		if (servers[i] == 0)
			expire_alone(&r, 0);
	}
	for (int i = 0; i < SERVERS; i++)
		assert_false(was_killed(servers[i]));
	expire(&r);
	t = load_table(&r);
	assert_int_equal(t.version, 11);
	assert_int_equal(t.nsnapshots, 1);
	assert_int_equal(files_of(&r, &t, t.current, NULL), 2);
	assert_int_equal(objects_below(&r, "data/"), 2);
	rig_close(&r);
}

/* --- drop --- */
static void note_drop(struct flaky *f, enum verb verb, struct str key)
{
	struct buf *order = f->arg;

	if (verb != VERB_DROP)
		return;
	buf_add(order, str_search(key, S("/metadata/v1")) < key.n || str_search(key, S("/metadata/v9.")) < key.n ? S("V") : S("o"));
}

static void a_drop_leaves_nothing_and_takes_the_versions_last(void **state)
{
	struct buf order = {0};
	struct ice_table t;
	struct rig r;

	(void)state;
	rig_open(&r);
	for (int i = 0; i < 11; i++)
		commit_files(&r, ICE_APPEND, 1);
	store_text(&r, "meta.json", S("{}"));
	for (int i = 2; i < 9; i++)
		worked(&r, r.folder->ops->drop(&r.c, r.folder, ice_metadata_key(&r.arena, S(TABLE), i)));
	worked(&r, r.folder->ops->put(&r.c, r.folder, S(TABLE "2/data/x"), S(""), STORE_NEW)); /* another table */
	r.flaky.before = note_drop;
	r.flaky.arg = &order;
	worked(&r, ice_drop(&r.c, r.s, S(TABLE)));
	assert_int_equal(str_search(buf_str(&order), S("V")), order.n - 4);
	assert_int_equal(objects_below(&r, ""), 0);
	refused(&r, ice_load(&r.c, r.s, S(TABLE), &t), ERR_NOT_FOUND);
	worked(&r, ice_drop(&r.c, r.s, S(TABLE)));
	assert_true(is_there(&r, S(TABLE "2/data/x")));
	buf_drop(&order);
	rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_snapshot_goes_by_the_age_of_its_successor),
		cmocka_unit_test(snapshots_beside_go_later_and_their_ids_do_not_come_back),
		cmocka_unit_test(a_table_of_snapshots_beside_alone_can_lose_all),
		cmocka_unit_test(what_others_still_name_stays),
		cmocka_unit_test(what_a_ref_names_stays),
		cmocka_unit_test(nothing_is_removed_where_it_is_unknown_what_is_named),
		cmocka_unit_test(orphans_go_after_an_hour),
		cmocka_unit_test(where_there_is_no_table_nothing_is_removed),
		cmocka_unit_test(old_versions_go_after_a_day_from_the_oldest_on),
		cmocka_unit_test(a_batch_has_an_end),
		cmocka_unit_test(a_commit_in_between_is_kept),
		cmocka_unit_test(a_kill_at_any_step_leaves_what_the_next_pass_can_end),
		cmocka_unit_test(many_servers_may_expire_at_once),
		cmocka_unit_test(a_drop_leaves_nothing_and_takes_the_versions_last),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
