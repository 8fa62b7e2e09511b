/* session_test.c - sessions: opened, used, seen by their own only, and ended once, whoever asks. */
#include "session_steps.h"

static void opening_is_recorded_and_told_before_it_answers(void **state)
{
	struct rig *r = *state;
	const struct session_ask ask = {.timeout_seconds = 100, .idle_seconds = 50, .labels = S("{\"a\":\"b\"}")};
	struct session *se = rig_session(r, &ask);
	struct session_view v;
	struct kv_record rec;
	struct told t;

	session_view(se, &v);
	assert_true(id_valid(v.id));
	assert_str_equal(v.tenant, "acme");
	assert_str_equal(v.principal, "alice");
	assert_str_equal(v.labels, "{\"a\":\"b\"}");
	assert_int_equal(v.state, SESSION_OPEN);
	assert_true(v.expires_ms == v.created_ms + 100000);
	assert_true(v.idle_expires_ms >= v.created_ms + 50000);
	assert_true(kv_get(&r->c, &r->kv.kv, record_key(&r->arena, v.tenant, v.id), &rec));
	t = rig_told(r, v.id);
	assert_int_equal(t.opened, 1);
	assert_true(has(t.last, "\"event\":\"opened\"") && has(t.last, "\"ephemeral_table_count\":0,\"deleted_row_count\":0"));
	assert_true(has(t.last, "\"principal\":\"alice\"") && has(t.last, "\"request_id\":\"req-1\""));
	assert_false(has(t.last, "details"));
	assert_int_equal(atomic_load(&fake.begun), 0); /* the engine was not asked */
	session_unref(se);
}

static void what_may_not_be_opened_is_refused_and_leaves_nothing(void **state)
{
	struct rig *r = *state;
	struct session *se;
	const struct session_ask wrong[] = {
		{.timeout_seconds = -2, .idle_seconds = -1},
		{.timeout_seconds = r->caps.max_timeout_seconds + 1, .idle_seconds = -1},
		{.timeout_seconds = 10, .idle_seconds = 0},
		{.timeout_seconds = 10, .idle_seconds = -1, .labels = {arena_alloc(&r->arena, 20000), 20000}},
	};

	for (size_t i = 0; i < COUNT_OF(wrong); i++)
		rig_expect(r, session_open(&r->c, r->sessions, &wrong[i], &se), ERR_INVALID_FIELD);
	r->c.tenant = S("");
	rig_expect(r, session_open(&r->c, r->sessions, &(struct session_ask){.timeout_seconds = 1, .idle_seconds = -1}, &se),
		   ERR_NO_TENANT_BINDING);
	r->c.tenant = S("acme");
	assert_int_equal(rig_places(r), 0);
	assert_int_equal(rig_told(r, S("")).opened, 0);
	assert_int_equal(r->kv.below->ops->count(r->kv.below), 0);
}

static void a_deadline_beyond_all_time_is_none(void **state)
{
	struct rig *r = *state;
	struct session_view v;
	struct session *se;

	r->caps.max_timeout_seconds = INT64_MAX;
	se = rig_session(r, &(struct session_ask){.timeout_seconds = INT64_MAX, .idle_seconds = INT64_MAX});
	session_view(se, &v);
	assert_true(v.expires_ms == INT64_MAX);
	rig_sweep(r);
	assert_int_equal(rig_places(r), 1);
	session_unref(se);
}

static void the_number_of_sessions_has_a_limit_with_a_name(void **state)
{
	struct rig *r = *state;
	struct session *a, *b;
	struct session_result res;

	r->caps.max_sessions = 1;
	a = rig_memory(r);
	assert_false(session_open(&r->c, r->sessions, &(struct session_ask){.timeout_seconds = 10, .idle_seconds = -1}, &b));
	assert_str_equal(r->c.err.more, "\"quota\":\"max_sessions\",\"limit\":1,\"usage\":1");
	rig_expect(r, false, ERR_QUOTA);
	assert_true(rig_close(r, a, &res));
	session_unref(a);
	session_unref(rig_memory(r));
}

static void tables_are_made_filled_listed_and_dropped_with_their_session(void **state)
{
	struct rig *r = *state;
	struct session *se = rig_memory(r), *again;
	struct str id = rig_id(r, se);
	struct session_result res;
	struct session_op *op;
	struct told t;

	assert_true(session_describe(&r->c, se, &op));
	assert_true(rig_finish(r, op, &res));
	assert_int_equal(res.ntables, 0);
	assert_true(rig_create(r, se, "zeta") && rig_create(r, se, "Alpha"));
	fake_rows(r, se, "zeta", 2);
	fake_rows(r, se, "alpha", 1);
	assert_true(session_describe(&r->c, se, &op));
	assert_true(rig_finish(r, op, &res));
	assert_int_equal(res.ntables, 2);
	assert_str_equal(res.tables[0].name, "Alpha");
	assert_int_equal(res.tables[1].rows, 2);
	assert_true(rig_close(r, se, &res));
	assert_int_equal(res.ntables, 2);
	assert_int_equal(res.rows, 3);
	t = rig_told(r, id);
	assert_true(t.opened == 1 && t.closed == 1 && t.timed_out == 0 && t.partial == 0);
	assert_true(t.tables == 2 && t.rows == 3);
	assert_true(has(t.last, "\"duration_ms\":") && !has(t.last, "details"));
	rig_expect(r, session_close(&r->c, se, &op), ERR_SESSION_CLOSED);
	rig_expect(r, session_find(&r->c, r->sessions, id, &again), ERR_SESSION_CLOSED);
	rig_expect(r, rig_create(r, se, "late"), ERR_SESSION_CLOSED);
	rig_expect(r, session_extend(&r->c, se, 10), ERR_SESSION_CLOSED);
	clock_advance(61000);
	rig_expect(r, session_find(&r->c, r->sessions, id, &again), ERR_NO_SESSION);
	session_unref(se);
}

static void a_tombstone_goes_when_its_time_is_over(void **state)
{
	struct rig *r = *state;
	struct session *se = rig_memory(r);
	struct session_result res;

	assert_true(rig_close(r, se, &res));
	session_unref(se);
	rig_sweep(r);
	assert_int_equal(r->kv.below->ops->count(r->kv.below), 1);
	clock_advance(61000); /* and nobody asks for it */
	rig_sweep(r);
	assert_int_equal(r->kv.below->ops->count(r->kv.below), 0);
}

static void physical_names_hold_the_session_and_the_name(void **state)
{
	struct rig *r = *state;
	struct session *se = rig_memory(r);
	struct str id = rig_id(r, se), physical = session_physical_id(&r->arena, se, S("abcdefghijklmnopqrstuvwx"));
	char hex[40] = {0};
	size_t n = 0;

	for (size_t i = 0; i < id.n; i++)
		if (id.p[i] != '-')
			hex[n++] = id.p[i];
	assert_int_equal(physical.n, SESSION_PHYSICAL_MAX);
	assert_str_equal(physical, arena_fmt(&r->arena, "__eph_%s_abcdefghijklmnopqrstuvwx", hex).p);
	assert_str_equal(session_table_ref(&r->arena, se, S("t")), arena_fmt(&r->arena, "mutable.public.\"__eph_%s_t\"", hex).p);
	session_unref(se);
}

static void names_that_are_none_are_refused(void **state)
{
	static const struct {
		const char *name;
		enum err_kind kind;
	} wrong[] = {{"", ERR_INVALID_NAME}, {"1a", ERR_INVALID_NAME}, {"a b", ERR_INVALID_NAME}, {"a\"b", ERR_INVALID_NAME},
		     {"__eph_a", ERR_INVALID_NAME}, {"t\xc3\xa4", ERR_INVALID_NAME}, {"abcdefghijklmnopqrstuvwxy", ERR_NAME_TOO_LONG}};
	struct rig *r = *state;
	struct session *se = rig_memory(r);

	for (size_t i = 0; i < COUNT_OF(wrong); i++)
		rig_expect(r, rig_create(r, se, wrong[i].name), wrong[i].kind);
	assert_true(rig_create(r, se, "abcdefghijklmnopqrstuvwx") && rig_create(r, se, "UPPER_case"));
	rig_expect(r, rig_create(r, se, "upper_CASE"), ERR_DUPLICATE_TABLE);
	session_unref(se);
}

static bool create_with(struct rig *r, struct session *se, const char *name, struct session_table_ask ask)
{
	struct session_result res;
	struct session_op *op;

	ask.name = str_of(name);
	return session_create_table(&r->c, se, &ask, &op) && rig_finish(r, op, &res);
}

static bool create_typed(struct rig *r, struct session *se, const char *name, const char *type)
{
	const struct session_column columns[] = {{S("first"), S("INTEGER"), true}, {S("odd"), str_of(type), true}};

	return create_with(r, se, name, (struct session_table_ask){.columns = columns, .ncolumns = 2});
}

/* The name that is taken is said before anything else that is wrong. */
static void a_taken_name_is_the_first_thing_said(void **state)
{
	struct rig *r = *state;
	struct session *se = rig_memory(r);
	const char *too_long = "a_name_of_more_than_twenty_four";

	rig_expect(r, create_typed(r, se, "t", "nonsense("), ERR_INVALID_FIELD);
	assert_true(rig_create(r, se, "t"));
	rig_expect(r, create_typed(r, se, "T", "nonsense("), ERR_DUPLICATE_TABLE);
	rig_expect(r, create_typed(r, se, "u", "nonsense("), ERR_INVALID_FIELD);
	rig_expect(r, rig_create(r, se, too_long), ERR_NAME_TOO_LONG);
	strcpy(se->catalog->v[se->catalog->n++].name, too_long);
	rig_expect(r, rig_create(r, se, too_long), ERR_DUPLICATE_TABLE);
	session_unref(se);
}

static void a_type_is_a_type_and_nothing_else(void **state)
{
	static const char *const right[] = {"INTEGER", "decimal(10, 2)", "VARCHAR[]", "INTEGER[3]", "DOUBLE PRECISION",
		"TIMESTAMP WITH TIME ZONE", "STRUCT(a INTEGER, \"b c\" VARCHAR[])", "MAP(VARCHAR, INTEGER)", "ENUM('x', 'y')",
		"UNION(n INTEGER, s VARCHAR)", "INTEGER -- comment", "\"INTEGER\"", "CHARACTER VARYING(3)"};
	static const char *const wrong[] = {"", "(", "INTEGER)", "INTEGER, z INTEGER", "INTEGER DEFAULT 1", "INTEGER CHECK (1)",
		"INTEGER PRIMARY KEY", "INTEGER REFERENCES t", "INTEGER COLLATE nocase", "INTEGER NOT NULL", "INTEGER; DROP TABLE t",
		"INTEGER AS (1)", "GENERATED ALWAYS AS (1)", "DEFAULT", "UNIQUE", "a.b", "INTEGER USING COMPRESSION x", "1", "'x'",
		"ENUM(SELECT 1)", "INTEGER + 1", "?", "INTEGER) AS SELECT 1", "/* */", "INTEGER \"x\"", "[]", "INTEGER 'x'", "STRUCT(a"};
	struct rig *r = *state;
	struct session *se = rig_memory(r);
	char name[16];

	for (size_t i = 0; i < COUNT_OF(right); i++) {
		snprintf(name, sizeof(name), "r%zu", i);
		assert_true(create_typed(r, se, name, right[i]));
	}
	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		assert_false(create_typed(r, se, "w", wrong[i]));
		assert_true(has(str_of(r->c.err.text), "odd"));
		rig_expect(r, false, ERR_INVALID_FIELD);
	}
	assert_false(create_typed(r, se, "w", "NOSUCH"));
	assert_true(has(str_of(r->c.err.text), "column odd"));
	rig_expect(r, false, ERR_INVALID_FIELD);
	session_unref(se);
}

static void columns_and_keys_are_checked(void **state)
{
	static const struct session_column two[] = {{S_INIT("a"), S_INIT("INTEGER"), true}, {S_INIT("A"), S_INIT("INTEGER"), true}};
	static const struct session_column empty[] = {{S_INIT(""), S_INIT("INTEGER"), true}};
	static const struct session_column nul[] = {{S_INIT("a\0b"), S_INIT("INTEGER"), true}};
	static const struct str b[] = {S_INIT("b")}, twice[] = {S_INIT("a"), S_INIT("A")};
	static const struct session_column good[] = {{S_INIT("a"), S_INIT("INTEGER"), true}, {S_INIT("c\"d"), S_INIT("INTEGER"), true}};
	struct rig *r = *state;
	struct session *se = rig_memory(r);
	struct session_column *many = ARENA_ARRAY(&r->arena, struct session_column, COLUMNS_MAX + 1);

	for (int i = 0; i <= COLUMNS_MAX; i++)
		many[i] = (struct session_column){arena_fmt(&r->arena, "c%d", i), S("INTEGER"), true};
	rig_expect(r, create_with(r, se, "t", (struct session_table_ask){.ncolumns = 0}), ERR_INVALID_FIELD);
	rig_expect(r, create_with(r, se, "t", (struct session_table_ask){.columns = two, .ncolumns = 2}), ERR_INVALID_FIELD);
	rig_expect(r, create_with(r, se, "t", (struct session_table_ask){.columns = empty, .ncolumns = 1}), ERR_INVALID_FIELD);
	rig_expect(r, create_with(r, se, "t", (struct session_table_ask){.columns = nul, .ncolumns = 1}), ERR_INVALID_FIELD);
	rig_expect(r, create_with(r, se, "t", (struct session_table_ask){.columns = many, .ncolumns = COLUMNS_MAX + 1}),
		   ERR_INVALID_FIELD);
	rig_expect(r, create_with(r, se, "t", (struct session_table_ask){.columns = good, .ncolumns = 2, .key = b, .nkey = 1}),
		   ERR_INVALID_FIELD);
	rig_expect(r, create_with(r, se, "t", (struct session_table_ask){.columns = good, .ncolumns = 2, .key = twice, .nkey = 2}),
		   ERR_INVALID_FIELD);
	assert_true(create_with(r, se, "t", (struct session_table_ask){.columns = good, .ncolumns = 2, .key = twice, .nkey = 1}));
	assert_true(create_with(r, se, "many", (struct session_table_ask){.columns = many, .ncolumns = COLUMNS_MAX}));
	session_unref(se);
}

static void limits_name_themselves_and_what_is_used(void **state)
{
	struct rig *r = *state;
	struct session *a = rig_memory(r), *b = rig_memory(r);

	r->caps.session.tables = 2;
	r->caps.tenant.tables = 3;
	assert_true(rig_create(r, a, "t1") && rig_create(r, a, "t2"));
	assert_false(rig_create(r, a, "t3"));
	assert_str_equal(r->c.err.more, "\"quota\":\"session_tables\",\"limit\":2,\"usage\":2");
	rig_expect(r, false, ERR_QUOTA);
	assert_true(rig_create(r, b, "t1"));
	assert_false(rig_create(r, b, "t2"));
	assert_str_equal(r->c.err.more, "\"quota\":\"ephemeral_tables\",\"limit\":3,\"usage\":3");
	rig_expect(r, false, ERR_QUOTA);
	session_unref(a);
	session_unref(b);
}

struct insert_case {
	struct engine_end end;
	enum err_kind kind;
	const char *more;
};

static void a_failed_insert_says_why(void **state)
{
	static const struct insert_case cases[] = {
		{{.outcome = ENGINE_FAILED, .class = S_INIT("Mismatch"), .text = S_INIT("x"), .row = 7, .column = S_INIT("c\"d")},
		 ERR_SCHEMA_MISMATCH, "\"row\":7,\"column\":\"c\\\"d\""},
		{{.outcome = ENGINE_FAILED, .class = S_INIT("Mismatch"), .text = S_INIT("x"), .row = 7}, ERR_SCHEMA_MISMATCH, "\"row\":7"},
		{{.outcome = ENGINE_FAILED, .class = S_INIT("Constraint"), .text = S_INIT("x")}, ERR_CONSTRAINT, ""},
		{{.outcome = ENGINE_FULL, .class = S_INIT("rows")}, ERR_QUOTA, "\"quota\":\"session_rows\",\"limit\":1000000,\"usage\":0"},
		{{.outcome = ENGINE_GONE}, ERR_SESSION_CLOSED, ""},
		{{.outcome = ENGINE_LOST}, ERR_ENGINE_LOST, ""},
		{{.outcome = ENGINE_INTERRUPTED}, ERR_CANCELED, ""},
	};
	struct rig *r = *state;
	struct session *se = rig_memory(r);
	struct session_result res;
	struct engine_feed *feed;
	struct session_op *op;

	rig_expect(r, session_insert(&r->c, se, &(struct session_rows_ask){.table = S("t")}, &feed, &op), ERR_UNKNOWN_TABLE);
	assert_true(rig_create(r, se, "t"));
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		assert_true(session_insert(&r->c, se, &(struct session_rows_ask){.table = S("t")}, &feed, &op));
		fake_fed(feed, &cases[i].end);
		assert_false(rig_finish(r, op, &res));
		assert_str_equal(r->c.err.more, cases[i].more);
		rig_expect(r, false, cases[i].kind);
	}
	assert_true(session_insert(&r->c, se, &(struct session_rows_ask){.table = S("u")}, &feed, &op));
	fake_fed(feed, &(struct engine_end){.rows = 1});
	rig_expect(r, rig_finish(r, op, &res), ERR_UNKNOWN_TABLE);
	session_unref(se);
}

/* --- clocks --- */
static void a_timeout_of_zero_is_over_at_once(void **state)
{
	struct rig *r = *state;
	struct session *se = rig_session(r, &(struct session_ask){.timeout_seconds = 0, .idle_seconds = -1}), *again;
	struct str id = rig_id(r, se);
	struct told t;

	rig_expect(r, session_find(&r->c, r->sessions, id, &again), ERR_SESSION_EXPIRED);
	rig_sweep_until(r, 0);
	t = rig_told(r, id);
	assert_true(t.opened == 1 && t.timed_out == 1 && t.closed == 0);
	assert_false(has(t.last, "details"));
	rig_expect(r, session_find(&r->c, r->sessions, id, &again), ERR_SESSION_EXPIRED);
	session_unref(se);
}

static void the_deadline_is_inclusive_and_can_be_moved(void **state)
{
	struct rig *r = *state;
	struct session *se = rig_session(r, &(struct session_ask){.timeout_seconds = 1000, .idle_seconds = -1});
	struct str id = rig_id(r, se);
	struct session_view v;
	struct told t;

	assert_true(rig_create(r, se, "t"));
	fake_rows(r, se, "t", 5);
	clock_advance(900000);
	rig_expect(r, session_extend(&r->c, se, -1), ERR_INVALID_FIELD);
	rig_expect(r, session_extend(&r->c, se, r->caps.max_timeout_seconds + 1), ERR_INVALID_FIELD);
	assert_true(session_extend(&r->c, se, 1000));
	session_view(se, &v);
	room_lock(r->sessions);
	assert_int_equal(session_due_cause(se, v.expires_ms - 1), CAUSE_NONE);
	assert_int_equal(session_due_cause(se, v.expires_ms), CAUSE_TIMED_OUT);
	room_unlock(r->sessions);
	clock_advance(900000);
	rig_sweep(r);
	assert_int_equal(rig_places(r), 1);
	assert_true(session_extend(&r->c, se, 1)); /* nearer, too */
	clock_advance(1000);
	rig_sweep_until(r, 0);
	t = rig_told(r, id);
	assert_true(t.timed_out == 1 && t.tables == 1 && t.rows == 5);
	session_unref(se);
}

static void use_moves_the_idle_clock_and_nothing_else(void **state)
{
	struct rig *r = *state;
	struct session *se = rig_session(r, &(struct session_ask){.timeout_seconds = 3600, .idle_seconds = 100});
	struct str id = rig_id(r, se);
	struct told t;

	for (int i = 0; i < 3; i++) {
		clock_advance(90000);
		session_touch(se);
		rig_sweep(r);
		assert_int_equal(rig_places(r), 1);
	}
	clock_advance(100000);
	rig_sweep_until(r, 0);
	t = rig_told(r, id);
	assert_int_equal(t.timed_out, 1);
	assert_str_equal(t.reason, "idle");
	session_unref(se);
}

static void a_session_ends_when_its_last_client_is_gone_for_a_while(void **state)
{
	const struct session_ask ask = {.timeout_seconds = 3600, .idle_seconds = -1, .close_on_disconnect = true};
	struct rig *r = *state;
	struct session *se = rig_session(r, &ask), *nobody = rig_session(r, &ask);
	struct str id = rig_id(r, se);

	session_hold(se);
	session_hold(se);
	clock_advance(SESSION_DISCONNECT_MS);
	rig_sweep_until(r, 1); /* nobody ever came to the other */
	session_let_go(se);
	clock_advance(60000);
	rig_sweep(r);
	assert_int_equal(rig_places(r), 1);
	session_let_go(se);
	rig_sweep(r);
	assert_int_equal(rig_places(r), 1);
	clock_advance(SESSION_DISCONNECT_MS);
	rig_sweep_until(r, 0);
	assert_int_equal(rig_told(r, id).closed, 1);
	assert_str_equal(rig_told(r, id).reason, "dropped");
	session_unref(se);
	session_unref(nobody);
}

/* --- who sees what --- */
static void expect_no_way(struct rig *r, struct str id)
{
	struct session **v, *se;
	struct str next;
	int n;

	rig_expect(r, session_find(&r->c, r->sessions, id, &se), ERR_NO_SESSION);
	assert_true(session_list(&r->c, r->sessions, &(struct session_filter){.limit = 10}, &v, &n, &next));
	assert_int_equal(n, 0);
}

static void as(struct rig *r, const char *tenant, const char *principal, enum call_role role)
{
	r->c.tenant = str_of(tenant);
	r->c.principal = str_of(principal);
	r->c.role = role;
}

static void tenants_and_principals_never_meet(void **state)
{
	struct rig *r = *state;
	struct session *se = rig_memory(r), *found;
	struct str id = rig_id(r, se);
	struct session_result res;

	for (int closed = 0; closed < 2; closed++) { /* its tombstone neither */
		as(r, "other", "alice", ROLE_ADMIN);
		expect_no_way(r, id);
		as(r, "acme", "bob", ROLE_USER);
		expect_no_way(r, id);
		as(r, "acme", "", ROLE_USER);
		expect_no_way(r, id);
		as(r, "acme", "bob", ROLE_ADMIN);
		if (closed) {
			rig_expect(r, session_find(&r->c, r->sessions, id, &found), ERR_SESSION_CLOSED);
			break;
		}
		assert_true(session_find(&r->c, r->sessions, id, &found));
		assert_true(rig_close(r, found, &res));
		session_unref(found);
	}
	as(r, "acme", "alice", ROLE_USER);
	rig_expect(r, session_find(&r->c, r->sessions, S("../../x"), &found), ERR_NO_SESSION);
	rig_expect(r, session_find(&r->c, r->sessions, S("00000000-0000-4000-8000-000000000000"), &found), ERR_NO_SESSION);
	session_unref(se);
}

static void pages_hold_every_session_once_and_survive_a_lost_one(void **state)
{
	enum { N = 25 };
	struct rig *r = *state;
	struct session *all[N], **v;
	struct session_result res;
	struct str next = S("");
	int n, seen = 0;

	for (int i = 0; i < N; i++)
		all[i] = rig_memory(r);
	do {
		assert_true(session_list(&r->c, r->sessions, &(struct session_filter){.after = next, .limit = 7}, &v, &n, &next));
		for (int i = 0; i < n; i++) {
			bool last = i == n - 1 && seen < N - 1;

			seen++;
			if (last)
				assert_true(rig_close(r, v[i], &res)); /* the cursor's own session */
			session_unref(v[i]);
		}
	} while (next.n);
	assert_int_equal(seen, N);
	rig_expect(r, session_list(&r->c, r->sessions, &(struct session_filter){.after = S("x"), .limit = 7}, &v, &n, &next),
		   ERR_INVALID_FIELD);
	for (int i = 0; i < N; i++)
		session_unref(all[i]);
}

static void another_servers_session_is_pointed_to(void **state)
{
	static const char text[] = "{\"id\":\"11111111-2222-4333-8444-555555555555\",\"tenant\":\"acme\",\"principal\":\"alice\","
				   "\"storage\":\"memory\",\"server\":\"server-2\",\"location\":\"http://there:1\",\"created_ms\":1,"
				   "\"expires_ms\":2,\"labels\":\"{}\",\"state\":\"open\",\"cause\":\"\"}";
	struct rig *r = *state;
	struct session *se;
	struct str id = S("11111111-2222-4333-8444-555555555555");

	assert_true(kv_put(&r->c, &r->kv.kv, record_key(&r->arena, S("acme"), id), str_of(text), KV_ABSENT, 0));
	assert_false(session_find(&r->c, r->sessions, id, &se));
	assert_str_equal(r->c.err.more, "\"location\":\"http://there:1\"");
	rig_expect(r, false, ERR_WRONG_SERVER);
	as(r, "acme", "bob", ROLE_USER);
	rig_expect(r, session_find(&r->c, r->sessions, id, &se), ERR_NO_SESSION);
}

/* --- forks --- */
static void a_fork_shares_no_fate(void **state)
{
	struct rig *r = *state;
	struct session *se = rig_session(r, &(struct session_ask){.timeout_seconds = 77, .idle_seconds = -1, .labels = S("{\"k\":1}")});
	struct session *copy;
	struct session_view v;
	struct session_result res;
	struct session_op *op;

	assert_true(rig_create(r, se, "t"));
	fake_rows(r, se, "t", 4);
	assert_true(session_fork(&r->c, se, &op));
	assert_true(rig_wait(r, op, &res));
	session_view(res.session, &v);
	assert_str_equal(v.labels, "{\"k\":1}");
	assert_int_equal(v.timeout_seconds, 77);
	assert_true(session_find(&r->c, r->sessions, v.id, &copy));
	session_op_unref(op);
	assert_true(rig_close(r, se, &res));
	assert_true(session_describe(&r->c, copy, &op));
	assert_true(rig_finish(r, op, &res));
	assert_true(res.ntables == 1 && res.tables[0].rows == 4);
	session_unref(se);
	session_unref(copy);
}

static void a_fork_that_fails_is_ended_and_the_source_lives(void **state)
{
	struct rig *r = *state;
	struct session *se = rig_memory(r);
	struct session_result res;
	struct session_op *op;
	struct told t;

	assert_true(rig_create(r, se, "t"));
	atomic_store(&fake.refuse, true);
	assert_true(session_fork(&r->c, se, &op));
	rig_expect(r, rig_finish(r, op, &res), ERR_UNAVAILABLE);
	atomic_store(&fake.refuse, false);
	rig_sweep_until(r, 1);
	t = rig_told(r, S(""));
	assert_true(t.opened == 2 && t.closed == 1);
	assert_str_equal(t.reason, "fork_failed");
	session_unref(se);
}

/* --- statements inside --- */
struct owned {
	struct lease lease;
	_Atomic int held, ended;
};

static void owned_hold(struct lease *l)
{
	atomic_fetch_add(&CONTAINER_OF(l, struct owned, lease)->held, 1);
}

static void owned_drop(struct lease *l)
{
	atomic_fetch_sub(&CONTAINER_OF(l, struct owned, lease)->held, 1);
}

static void owned_end(struct lease *l)
{
	atomic_fetch_add(&CONTAINER_OF(l, struct owned, lease)->ended, 1);
}

static void statements_end_with_their_session_and_none_begins_after(void **state)
{
	static const struct lease_kind kind = {"statement", owned_hold, owned_drop, NULL, owned_end};
	struct rig *r = *state;
	struct session *se = rig_memory(r);
	struct session_scope scope;
	struct session_result res;
	struct owned o = {0};

	lease_init(&o.lease, &kind);
	session_scope(se, &scope);
	assert_ptr_equal(scope.catalog, se->catalog);
	assert_int_equal(se->catalog->max.tables, 100);
	assert_true(lease_own(r->lifecycle, scope.owner, &o.lease));
	assert_true(rig_close(r, se, &res));
	assert_int_equal(atomic_load(&o.ended), 1);
	assert_false(lease_own(r->lifecycle, scope.owner, &o.lease));
	session_unref(se);
}

/* What is on its way to the engine when a session ends must not find its catalog alive there. */
static void an_end_asks_the_engine_unless_nothing_was_ever_begun(void **state)
{
	struct rig *r = *state;
	struct session *unused = rig_memory(r), *used = rig_memory(r), *found;
	struct session_result res;
	struct session_scope scope;

	assert_true(session_find(&r->c, r->sessions, rig_id(r, unused), &found));
	assert_true(rig_close(r, found, &res));
	session_unref(found);
	assert_int_equal(atomic_load(&fake.begun), 0);
	session_scope(used, &scope); /* a statement is being made, and nothing is attached yet */
	assert_true(rig_close(r, used, &res));
	assert_int_equal(atomic_load(&fake.begun), 1);
	session_unref(unused);
	session_unref(used);
}

static void opening_costs(void **state)
{
	enum { N = 300 };
	struct rig *r = *state;
	int64_t from;
	int syncs;

	atomic_store(&faults.no_disk, false);
	syncs = faults.fsyncs + faults.fdatasyncs;
	from = clock_mono_ns();
	for (int i = 0; i < N; i++)
		session_unref(rig_memory(r));
	syncs = faults.fsyncs + faults.fdatasyncs - syncs;
	print_message("session_open with a durable record and event: %lld us and %.1f syncs each\n",
		      (long long)((clock_mono_ns() - from) / 1000 / N), (double)syncs / N);
	assert_int_equal(rig_places(r), N);
	assert_true(syncs < N * 2 + N / 10); /* one for the record, one for the event, a few for files that are made */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(opening_is_recorded_and_told_before_it_answers),
		TEST(what_may_not_be_opened_is_refused_and_leaves_nothing),
		TEST(a_deadline_beyond_all_time_is_none),
		TEST(the_number_of_sessions_has_a_limit_with_a_name),
		TEST(tables_are_made_filled_listed_and_dropped_with_their_session),
		TEST(a_tombstone_goes_when_its_time_is_over),
		TEST(physical_names_hold_the_session_and_the_name),
		TEST(names_that_are_none_are_refused),
		TEST(a_taken_name_is_the_first_thing_said),
		TEST(a_type_is_a_type_and_nothing_else),
		TEST(columns_and_keys_are_checked),
		TEST(limits_name_themselves_and_what_is_used),
		TEST(a_failed_insert_says_why),
		TEST(a_timeout_of_zero_is_over_at_once),
		TEST(the_deadline_is_inclusive_and_can_be_moved),
		TEST(use_moves_the_idle_clock_and_nothing_else),
		TEST(a_session_ends_when_its_last_client_is_gone_for_a_while),
		TEST(tenants_and_principals_never_meet),
		TEST(pages_hold_every_session_once_and_survive_a_lost_one),
		TEST(another_servers_session_is_pointed_to),
		TEST(a_fork_shares_no_fate),
		TEST(a_fork_that_fails_is_ended_and_the_source_lives),
		TEST(statements_end_with_their_session_and_none_begins_after),
		TEST(an_end_asks_the_engine_unless_nothing_was_ever_begun),
		TEST(opening_costs),
	};

	return cmocka_run_group_tests_name("session", tests, NULL, NULL);
}
