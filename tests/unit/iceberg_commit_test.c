/* iceberg_commit_test.c - what commits of tables make: files, properties, orders, schemas, times; checks and deadlines. */
#include "iceberg_rig.h"

enum { MINUTE = 60 * 1000, DAY = 24 * 60 * MINUTE };

/* --- what a commit makes --- */
static void a_commit_makes_a_new_table(void **state)
{
	struct ice_committed done;
	struct ice_table t;
	struct rig r;
	int64_t rows;

	(void)state;
	rig_open(&r);
	refused(&r, ice_load(&r.c, r.s, S(TABLE), &t), ERR_NOT_FOUND);
	done = commit_files(&r, ICE_OVERWRITE, 2);
	assert_int_equal(done.attempts, 1);
	assert_int_equal(done.snapshot->id, 1);
	t = load_table(&r);
	assert_int_equal(t.version, 1);
	assert_true(str_eq(t.uuid, done.table.uuid) && id_valid(t.uuid));
	assert_str_equal(t.location, "file:///srv/mayfly/" TABLE);
	assert_str_equal(t.metadata_key, TABLE "/metadata/v1.metadata.json");
	assert_int_equal(t.nsnapshots, 1);
	assert_int_equal(t.current->id, 1);
	assert_int_equal(t.current->parent, 0);
	assert_str_equal(t.current->operation, "append");
	assert_int_equal(t.schema->n, 2);
	assert_int_equal(t.last_column_id, 2);
	assert_str_equal(ice_value(t.properties, t.nproperties, "gc.enabled"), "false");
	assert_str_equal(ice_value(t.properties, t.nproperties, "history.expire.min-snapshots-to-keep"), "2147483647");
	assert_int_equal(files_of(&r, &t, t.current, &rows), 2);
	assert_int_equal(rows, 21);
	assert_str_equal(stored_text(&r, "metadata/version-hint.text"), "1");
	rig_close(&r);
}

static void says(const struct ice_snapshot *s, const char *name, const char *value)
{
	assert_str_equal(ice_value(s->summary, s->nsummary, name), value);
}

static void an_append_adds_to_what_was_there(void **state)
{
	struct ice_change x;
	struct ice_table t;
	struct rig r;
	int64_t rows;

	(void)state;
	rig_open(&r);
	commit_files(&r, ICE_APPEND, 1);
	x = change_of(&r.c, r.s, ICE_APPEND, 2);
	x.summary = (struct ice_property[]){{S("mayfly.server"), S("a")}, {S("added-records"), S("99")}};
	x.nsummary = 2;
	commit_change(&r, &x);
	t = load_table(&r);
	is_linear(&r, &t);
	assert_int_equal(files_of(&r, &t, t.current, &rows), 3);
	assert_int_equal(rows, 10 + 10 + 11);
	says(t.current, "operation", "append");
	says(t.current, "mayfly.server", "a");
	says(t.current, "added-data-files", "2");
	says(t.current, "added-records", "21"); /* a caller cannot overrule what is counted */
	says(t.current, "total-data-files", "3");
	says(t.current, "total-records", "31");
	says(t.current, "total-files-size", "21");
	says(t.current, "deleted-records", "");
	rig_close(&r);
}

/* Entries of a status in all manifests of a snapshot. */
static int entries_of(struct rig *r, const struct ice_table *t, const struct ice_snapshot *s, enum ice_status status)
{
	struct ice_read read = {.location = t->location};
	struct ice_manifest *m;
	struct ice_entry *v;
	int n, nv, found = 0;

	read.key = arena_fmt(&r->arena, TABLE "/%.*s", SARG(s->manifest_list));
	worked(r, ice_object(&r->c, r->s, read.key, &read.bytes) && ice_read_manifest_list(&r->c, &read, &m, &n));
	for (int i = 0; i < n; i++) {
		read.key = arena_fmt(&r->arena, TABLE "/%.*s", SARG(m[i].path));
		worked(r, ice_object(&r->c, r->s, read.key, &read.bytes) && ice_read_manifest(&r->c, &read, &m[i], &v, &nv));
		for (int j = 0; j < nv; j++) {
			found += v[j].status == status;
			assert_true(v[j].status != ICE_DELETED || (v[j].snapshot_id == s->id && v[j].sequence < s->sequence));
		}
	}
	return found;
}

static void an_overwrite_deletes_what_was_there(void **state)
{
	struct ice_table t;
	struct rig r;
	int64_t rows;

	(void)state;
	rig_open(&r);
	commit_files(&r, ICE_APPEND, 2);
	commit_files(&r, ICE_APPEND, 1);
	commit_files(&r, ICE_OVERWRITE, 1);
	t = load_table(&r);
	is_linear(&r, &t);
	assert_int_equal(files_of(&r, &t, t.current, &rows), 1);
	assert_int_equal(rows, 10);
	assert_int_equal(entries_of(&r, &t, t.current, ICE_DELETED), 3);
	says(t.current, "operation", "overwrite");
	says(t.current, "deleted-data-files", "3");
	says(t.current, "deleted-records", "31");
	says(t.current, "total-records", "10");
	commit_files(&r, ICE_APPEND, 1); /* takes over what lives, not what was deleted */
	t = load_table(&r);
	assert_int_equal(files_of(&r, &t, t.current, NULL), 2);
	assert_int_equal(entries_of(&r, &t, t.current, ICE_DELETED), 0);
	commit_files(&r, ICE_OVERWRITE, 0);
	t = load_table(&r);
	assert_int_equal(files_of(&r, &t, t.current, &rows), 0);
	assert_int_equal(entries_of(&r, &t, t.current, ICE_DELETED), 2);
	rig_close(&r);
}

static int manifests_of(struct rig *r, const struct ice_table *t, const struct ice_snapshot *s)
{
	struct ice_read read = {.location = t->location, .key = arena_fmt(&r->arena, TABLE "/%.*s", SARG(s->manifest_list))};
	struct ice_manifest *m;
	int n;

	worked(r, ice_object(&r->c, r->s, read.key, &read.bytes) && ice_read_manifest_list(&r->c, &read, &m, &n));
	return n;
}

static void many_appends_do_not_make_many_manifests(void **state)
{
	enum { APPENDS = 120 };
	struct str order[APPENDS];
	struct ice_file *v;
	struct ice_table t;
	struct rig r;
	int64_t rows;
	int n;

	(void)state;
	rig_open(&r);
	for (int i = 0; i < APPENDS; i++) {
		struct ice_change x = change_of(&r.c, r.s, ICE_APPEND, 1);

		order[i] = x.files[0].path;
		t = commit_change(&r, &x).table;
		assert_true(manifests_of(&r, &t, t.current) <= 50);
	}
	is_linear(&r, &t);
	assert_int_equal(files_of(&r, &t, t.current, &rows), APPENDS);
	assert_int_equal(rows, APPENDS * 10);
	says(t.current, "total-records", "1200");
	worked(&r, ice_files(&r.c, r.s, S(TABLE), t.location, t.current->manifest_list, &v, &n));
	for (int i = 0; i < APPENDS; i++)
		assert_true(str_eq(v[i].path, order[i]));
	assert_true(entries_of(&r, &t, t.current, ICE_EXISTING) > 50);
	commit_files(&r, ICE_OVERWRITE, 1);
	t = load_table(&r);
	assert_int_equal(entries_of(&r, &t, t.current, ICE_DELETED), APPENDS);
	rig_close(&r);
}

static void an_overwrite_mends_a_table_whose_manifests_are_lost(void **state)
{
	struct ice_table t;
	struct ice_change x;
	struct ice_committed done;
	struct rig r;

	(void)state;
	rig_open(&r);
	t = commit_files(&r, ICE_APPEND, 1).table;
	worked(&r, r.folder->ops->drop(&r.c, r.folder, arena_fmt(&r.arena, TABLE "/%.*s", SARG(t.current->manifest_list))));
	x = change_of(&r.c, r.s, ICE_APPEND, 1);
	refused(&r, ice_commit(&r.c, r.s, S(TABLE), &x, NULL, NULL, &done), ERR_CORRUPT_TABLE);
	x.how = ICE_OVERWRITE;
	t = commit_change(&r, &x).table;
	assert_int_equal(files_of(&r, &t, t.current, NULL), 1);
	rig_close(&r);
}

static void a_snapshot_beside_leaves_main_where_it_is(void **state)
{
	static const struct ice_column other[] = {{S_INIT("other"), S_INIT("DOUBLE")}};
	const struct ice_snapshot *beside;
	struct ice_change x;
	struct ice_table t;
	struct rig r;

	(void)state;
	rig_open(&r);
	t = commit_files(&r, ICE_OVERWRITE, 1).table;
	x = change_of(&r.c, r.s, ICE_OVERWRITE, 2);
	x.schema = schema_of(&r.c, &t, other, 1);
	x.beside = true;
	beside = commit_change(&r, &x).snapshot;
	assert_int_equal(beside->id, 2);
	assert_int_equal(beside->parent, 0);
	t = load_table(&r);
	assert_int_equal(t.current->id, 1);
	assert_str_equal(t.schema->fields[0].name, "id");
	assert_str_equal(ice_schema_by_id(&t, ice_find(&t, 2)->schema_id)->fields[0].name, "other");
	assert_int_equal(files_of(&r, &t, ice_find(&t, 2), NULL), 2);
	assert_int_equal(entries_of(&r, &t, ice_find(&t, 2), ICE_DELETED), 0);
	commit_files(&r, ICE_OVERWRITE, 1);
	t = load_table(&r);
	assert_int_equal(t.current->id, 3);
	assert_int_equal(t.current->parent, 1);
	rig_close(&r);
}

static void properties_are_set_and_removed(void **state)
{
	struct ice_change x = {.how = ICE_PROPERTIES_ONLY};
	struct ice_committed done;
	struct ice_table t;
	struct rig r;

	(void)state;
	rig_open(&r);
	refused(&r, ice_commit(&r.c, r.s, S(TABLE), &x, NULL, NULL, &done), ERR_NOT_FOUND);
	commit_files(&r, ICE_OVERWRITE, 1);
	x.properties = (struct ice_property[]){{S("a"), S("1")}, {S("b"), S("\"\n")}};
	x.nproperties = 2;
	done = commit_change(&r, &x);
	assert_null(done.snapshot);
	x.properties = (struct ice_property[]){{S("a"), S("")}, {S("absent"), S("")}, {S("b"), S("2")}, {S("c"), S("3")}};
	x.nproperties = 4;
	commit_change(&r, &x);
	t = load_table(&r);
	assert_int_equal(t.version, 3);
	assert_int_equal(t.nsnapshots, 1);
	assert_int_equal(t.current->id, 1);
	assert_false(ice_has(t.properties, t.nproperties, S("a")));
	assert_false(ice_has(t.properties, t.nproperties, S("absent")));
	assert_str_equal(ice_value(t.properties, t.nproperties, "b"), "2");
	assert_str_equal(ice_value(t.properties, t.nproperties, "c"), "3");
	rig_close(&r);
}

static int order_of(const struct ice_table *t)
{
	return (int)json_int(json_get(t->metadata, "default-sort-order-id"));
}

static void orders_are_kept_once(void **state)
{
	static const struct ice_order by_id = {.field_id = 1}, by_name[] = {{.field_id = 2, .desc = true}, {.field_id = 1}};
	struct ice_change x;
	struct ice_table t;
	struct rig r;

	(void)state;
	rig_open(&r);
	for (int i = 0; i < 6; i++) {
		x = change_of(&r.c, r.s, ICE_OVERWRITE, 1);
		x.order = i % 3 == 0 ? NULL : i % 3 == 1 ? &by_id : by_name;
		x.norder = i % 3;
		t = commit_change(&r, &x).table;
		assert_int_equal(order_of(&t), i % 3);
	}
	assert_int_equal(json_count(json_get(t.metadata, "sort-orders")), 3);
	x = (struct ice_change){.how = ICE_PROPERTIES_ONLY};
	t = commit_change(&r, &x).table;
	assert_int_equal(order_of(&t), 2);
	rig_close(&r);
}

static void logs_do_not_grow_for_ever(void **state)
{
	struct ice_change x = {.how = ICE_PROPERTIES_ONLY};
	const json_node *log;
	struct ice_table t;
	struct rig r;

	(void)state;
	rig_open(&r);
	commit_files(&r, ICE_OVERWRITE, 0);
	for (int i = 0; i < ICE_METADATA_LOG_MAX + 4; i++)
		commit_change(&r, &x);
	t = load_table(&r);
	log = json_get(t.metadata, "metadata-log");
	assert_int_equal(json_count(log), ICE_METADATA_LOG_MAX);
	assert_true(str_ends(json_text(json_get(json_at(log, ICE_METADATA_LOG_MAX - 1), "metadata-file")), S("/v24.metadata.json")));
	x = change_of(&r.c, r.s, ICE_OVERWRITE, 0);
	for (int i = 0; i < ICE_SNAPSHOT_LOG_MAX + 1; i++)
		commit_change(&r, &x);
	t = load_table(&r);
	log = json_get(t.metadata, "snapshot-log");
	assert_int_equal(json_count(log), ICE_SNAPSHOT_LOG_MAX);
	assert_int_equal(json_int(json_get(json_at(log, ICE_SNAPSHOT_LOG_MAX - 1), "snapshot-id")), t.current->id);
	rig_close(&r);
}

static void snapshot_ids_are_at_least_what_is_asked_and_below_2_53(void **state)
{
	struct ice_change x;
	struct ice_committed done;
	struct rig r;

	(void)state;
	rig_open(&r);
	x = change_of(&r.c, r.s, ICE_OVERWRITE, 0);
	x.min_snapshot_id = 1000;
	assert_int_equal(commit_change(&r, &x).snapshot->id, 1000);
	assert_int_equal(commit_change(&r, &x).snapshot->id, 1001);
	x.min_snapshot_id = (INT64_C(1) << 53) - 1;
	assert_int_equal(commit_change(&r, &x).snapshot->id, (INT64_C(1) << 53) - 1);
	refused(&r, ice_commit(&r.c, r.s, S(TABLE), &x, NULL, NULL, &done), ERR_CORRUPT_TABLE);
	x.min_snapshot_id = INT64_C(1) << 53;
	refused(&r, ice_commit(&r.c, r.s, S(TABLE), &x, NULL, NULL, &done), ERR_QUOTA);
	rig_close(&r);
}

static void times_grow_where_clocks_differ(void **state)
{
	struct ice_table t;
	struct rig r;
	int64_t ahead;

	(void)state;
	rig_open(&r);
	clock_advance(DAY);
	ahead = commit_files(&r, ICE_OVERWRITE, 1).snapshot->at_ms;
	clock_advance(-DAY);
	for (int i = 1; i < 4; i++) {
		t = commit_files(&r, ICE_APPEND, 1).table;
		assert_int_equal(t.current->at_ms, ahead + i);
		assert_int_equal(t.updated_ms, ahead + i);
	}
	is_linear(&r, &t);
	rig_close(&r);
}

/* --- schemas --- */
static void an_equal_schema_is_taken_a_colliding_one_is_refused(void **state)
{
	static const struct ice_column wider[] = {
		{S_INIT("id"), S_INIT("BIGINT")}, {S_INIT("name"), S_INIT("VARCHAR")}, {S_INIT("x"), S_INIT("INTEGER")}};
	static const struct ice_column other[] = {{S_INIT("id"), S_INIT("BIGINT")}, {S_INIT("y"), S_INIT("INTEGER[]")}};
	struct ice_table first, t;
	struct ice_change x, stale;
	struct ice_committed done;
	struct rig r;

	(void)state;
	rig_open(&r);
	first = commit_files(&r, ICE_OVERWRITE, 1).table;
	x = change_of(&r.c, r.s, ICE_OVERWRITE, 1);
	x.schema = schema_of(&r.c, &first, wider, 3);
	t = commit_change(&r, &x).table;
	assert_int_equal(t.nschemas, 2);
	assert_int_equal(t.last_column_id, 3);
	assert_int_equal(t.current->schema_id, t.schema->id);
	t = commit_change(&r, &x).table; /* the same, made before that commit */
	assert_int_equal(t.nschemas, 2);
	stale = change_of(&r.c, r.s, ICE_OVERWRITE, 1);
	stale.schema = schema_of(&r.c, &first, other, 2); /* its y has the id of the table's x */
	refused(&r, ice_commit(&r.c, r.s, S(TABLE), &stale, NULL, NULL, &done), ERR_CONFLICT);
	stale.schema = schema_of(&r.c, &t, other, 2);
	t = commit_change(&r, &stale).table;
	assert_int_equal(t.nschemas, 3);
	assert_int_equal(t.last_column_id, 5);
	t = commit_files(&r, ICE_OVERWRITE, 1).table; /* back to the first */
	assert_int_equal(t.nschemas, 3);
	assert_int_equal(t.schema->id, first.schema->id);
	assert_int_equal(t.last_column_id, 5);
	rig_close(&r);
}

/* --- checks, deadlines --- */
struct checked {
	struct rig *r;
	int calls;
	int64_t versions[4];
	enum ice_verdict verdict;      /* of the second call; before it another commits */
};

static enum ice_verdict check(struct call *c, void *arg, const struct ice_table *base)
{
	struct checked *k = arg;

	k->versions[k->calls++] = base->version;
	if (k->calls == 1)
		return ICE_GO;
	if (k->verdict == ICE_REFUSE)
		fail(c, ERR_REVISION_CONFLICT, "another was first");
	return k->verdict;
}

static void the_check_looks_at_what_each_attempt_builds_on(void **state)
{
	for (enum ice_verdict verdict = ICE_GO; verdict <= ICE_REFUSE; verdict++) {
		struct checked k = {.verdict = verdict};
		struct ice_committed done;
		struct ice_change x;
		struct ice_table t;
		struct rig r;
		bool ok;

		(void)state;
		rig_open(&r);
		x = change_of(&r.c, r.s, ICE_APPEND, 1);
		r.flaky.before = another_commits;
		r.flaky.arg = &r;
		ok = ice_commit(&r.c, r.s, S(TABLE), &x, check, &k, &done);
		assert_int_equal(k.calls, 2);
		assert_int_equal(k.versions[0], 0);
		assert_int_equal(k.versions[1], 1);
		if (verdict == ICE_REFUSE)
			refused(&r, ok, ERR_REVISION_CONFLICT);
		else
			assert_true(ok && done.attempts == 2 && (done.snapshot != NULL) == (verdict == ICE_GO));
		t = load_table(&r);
		assert_int_equal(t.version, verdict == ICE_GO ? 2 : 1);
		assert_int_equal(files_of(&r, &t, t.current, NULL), verdict == ICE_GO ? 2 : 1);
		/* what lost attempts made is gone: a version, a list and a manifest a commit, and the hint */
		assert_int_equal(objects_below(&r, "metadata/"), verdict == ICE_GO ? 7 : 4);
		rig_close(&r);
	}
}

static void time_passes(struct flaky *f, enum verb verb, struct str key)
{
	if (verb == VERB_PUT && str_search(key, S("/snap-")) < key.n)
		clock_advance(*(int64_t *)f->arg);
}

static void no_attempt_begins_after_the_deadline(void **state)
{
	int64_t later = MINUTE + 1;
	struct ice_committed done;
	struct ice_change x;
	struct ice_table t;
	struct rig r;

	(void)state;
	rig_open(&r);
	x = change_of(&r.c, r.s, ICE_APPEND, 1);
	x.deadline_mono_ms = clock_mono_ms();
	refused(&r, ice_commit(&r.c, r.s, S(TABLE), &x, NULL, NULL, &done), ERR_STATEMENT_TIMEOUT);
	x.deadline_mono_ms = clock_mono_ms() + MINUTE;
	r.flaky.before = time_passes; /* between the list and the version */
	r.flaky.arg = &later;
	refused(&r, ice_commit(&r.c, r.s, S(TABLE), &x, NULL, NULL, &done), ERR_STATEMENT_TIMEOUT);
	assert_int_equal(objects_below(&r, "metadata/"), 0);
	refused(&r, ice_load(&r.c, r.s, S(TABLE), &t), ERR_NOT_FOUND);
	rig_close(&r);
}

static void a_canceled_call_commits_nothing(void **state)
{
	atomic_bool cancel = true;
	struct ice_committed done;
	struct ice_change x;
	struct rig r;

	(void)state;
	rig_open(&r);
	x = change_of(&r.c, r.s, ICE_APPEND, 1);
	r.c.cancel = &cancel;
	refused(&r, ice_commit(&r.c, r.s, S(TABLE), &x, NULL, NULL, &done), ERR_CANCELED);
	r.c.cancel = NULL;
	assert_int_equal(objects_below(&r, "metadata/"), 0);
	rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_commit_makes_a_new_table),
		cmocka_unit_test(an_append_adds_to_what_was_there),
		cmocka_unit_test(an_overwrite_deletes_what_was_there),
		cmocka_unit_test(many_appends_do_not_make_many_manifests),
		cmocka_unit_test(an_overwrite_mends_a_table_whose_manifests_are_lost),
		cmocka_unit_test(a_snapshot_beside_leaves_main_where_it_is),
		cmocka_unit_test(properties_are_set_and_removed),
		cmocka_unit_test(orders_are_kept_once),
		cmocka_unit_test(logs_do_not_grow_for_ever),
		cmocka_unit_test(snapshot_ids_are_at_least_what_is_asked_and_below_2_53),
		cmocka_unit_test(times_grow_where_clocks_differ),
		cmocka_unit_test(an_equal_schema_is_taken_a_colliding_one_is_refused),
		cmocka_unit_test(the_check_looks_at_what_each_attempt_builds_on),
		cmocka_unit_test(no_attempt_begins_after_the_deadline),
		cmocka_unit_test(a_canceled_call_commits_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
