/* job_test.c - jobs: states, order, caps, request ids, appends, cancels, deadlines, documents. */
#include "job_rig.h"

#include "race.h"

struct bench {
	struct rig g;
	struct rig_server s;
};

static int open_bench(void **state)
{
	struct bench *b = base_zalloc(sizeof(*b));

	rig_open(&b->g);
	rig_start(&b->g, &b->s, 1);
	*state = b;
	return 0;
}

static int close_bench(void **state)
{
	struct bench *b = *state;

	rig_stop(&b->s);
	rig_close(&b->g);
	free(b);
	return 0;
}

/* --- states --- */

static void states_move_only_in_the_order_of_the_contract(void **state)
{
	static const char *const names[JOB_STATUSES] = {"pending", "preparing", "running", "publishing", "completed",
							 "failed", "canceled"};

	(void)state;
	for (int from = 0; from < JOB_STATUSES; from++) {
		assert_string_equal(job_fsm[from].name, names[from]);
		for (int to = 0; to < JOB_STATUSES; to++) {
			bool ends = to == JOB_FAILED || to == JOB_CANCELED;
			bool may = from < JOB_COMPLETED && (to == from + 1 || ends);

			assert_int_equal(fsm_may(job_fsm, (unsigned)from, (unsigned)to), may);
		}
	}
}

static void a_job_runs_and_tells_everything_of_it(void **state)
{
	struct bench *b = *state;
	struct job *j = rig_run(&b->g, &b->s, "SELECT 1;", "SELECT 'loud';");
	const char *doc = rig_document(&b->g, j);
	struct job_result result;

	assert_int_equal(job_status_of(j), JOB_COMPLETED);
	assert_has(doc, "\"type\":\"short\"");
	assert_has(doc, "\"status\":\"completed\",\"stage\":\"publishing\"");
	assert_has(doc, "\"tail\":[\"a.sql\"]");
	assert_has(doc, "\"hit\":true,\"steps_reused\":1,\"deterministic\":\"unverified\"");
	assert_has(doc, "\"columns\":[{\"name\":\"n\",\"type\":\"BIGINT\",\"nullable\":true}],\"rows\":[[7]]");
	assert_has(doc, "\"command_tag\":\"SELECT 1\"");
	assert_has(doc, "\"notices\":[{\"severity\":\"NOTICE\",\"sqlstate\":\"00000\",\"message\":\"secret notice\"}]");
	assert_has(doc, "\"error\":null");
	assert_has(doc, "\"steps_total\":1,\"steps_done\":1");
	assert_true(job_results(&b->g.c, j, JOB_LAST_ROWS, &result));
	assert_int_equal(result.rows, 1);
	assert_str_equal(engine_bytes_str(result.parts[0].bytes), "{\"data\":[[7]]}");
	job_result_drop(&result);
	rig_refused(&b->g, job_results(&b->g.c, j, 1, &result), ERR_NOT_FOUND);
	job_unref(j);
}

static void logs_tell_no_data(void **state)
{
	struct bench *b = *state;
	struct job_variable variable = {S("token"), S("hunter2")};
	const char *heads[] = {"SELECT 'loud', 'secret cell';", "SELECT 'broken', :'token';"};

	for (size_t i = 0; i < COUNT_OF(heads); i++) {
		struct job_ask ask = rig_ask(&b->g, "SELECT :'token';", heads[i]);
		struct job_log *v;
		struct job *j;
		int n;

		ask.variables = &variable;
		ask.nvariables = 1;
		j = rig_create(&b->g, &b->s, &ask);
		rig_wait(j);
		assert_true(job_logs(&b->g.c, j, 0, 1000, &v, &n));
		assert_true(n > 3);
		for (int k = 0; k < n; k++) {
			const char *line = arena_cstr(&b->g.arena, v[k].message);

			assert_int_equal(v[k].seq, k + 1);
			assert_has_not(line, "secret");
			assert_has_not(line, "hunter2");
			assert_has_not(line, "SELECT '");
		}
		job_unref(j);
	}
}

static void logs_are_read_from_where_one_was_and_end_somewhere(void **state)
{
	struct bench *b = *state;
	struct job_ask ask = rig_ask(&b->g, "SELECT 1;", "SELECT 1;");
	struct job_log *v;
	struct job *j;
	int n;

	ask.head_path = S("");
	j = rig_create(&b->g, &b->s, &ask);
	for (int i = 0; i < JOB_LOGS_MAX + 10; i++)
		job_line(j, JOB_AT_PARSING, "info", "line %d", i);
	assert_true(job_logs(&b->g.c, j, JOB_LOGS_MAX - 2, 1000, &v, &n));
	assert_int_equal(n, 2);
	assert_str_equal(v[1].message, "further lines are not kept");
	assert_true(job_logs(&b->g.c, j, 5, 2, &v, &n));
	assert_int_equal(n, 2);
	assert_int_equal(v[0].seq, 6);
	job_unref(j);
}

static void an_error_of_the_head_names_its_place_and_keeps_the_layer(void **state)
{
	struct bench *b = *state;
	struct job *j = rig_run(&b->g, &b->s, "SELECT 1;", "SELECT 'broken';");
	const char *doc = rig_document(&b->g, j);

	assert_int_equal(job_status_of(j), JOB_FAILED);
	assert_has(doc, "\"code\":\"sql_error\",\"message\":\"secret broke\",\"stage\":\"head_execution\",\"sqlstate\":\"42601\","
			"\"path\":\"b.sql\","
			"\"position\":9,\"line\":2,\"column\":3");
	assert_has(doc, "\"hit\":true");
	job_unref(j);
}

static void an_error_of_the_tail_names_its_stage(void **state)
{
	struct bench *b = *state;
	struct job *j = rig_run(&b->g, &b->s, "SELECT 'broken';", "SELECT 1;");

	assert_has(rig_document(&b->g, j), "\"stage\":\"tail_replay\",\"sqlstate\":\"42601\",\"path\":\"a.sql\"");
	assert_int_equal(world.leases, 0);
	job_unref(j);
}

static void a_file_that_cannot_be_read_fails_in_parsing(void **state)
{
	struct bench *b = *state;
	struct job *j = rig_run(&b->g, &b->s, "SELECT 'open;", "SELECT 1;");
	const char *doc = rig_document(&b->g, j);

	assert_has(doc, "\"code\":\"syntax_error\"");
	assert_has(doc, "\"stage\":\"parsing\",\"sqlstate\":null,\"path\":\"a.sql\"");
	job_unref(j);
}

/* --- heads --- */

static void what_only_reads_goes_to_the_shared_instance(void **state)
{
	struct bench *b = *state;
	struct job_ask ask = rig_ask(&b->g, "SELECT 1;", "SELECT 'fast';");
	struct job *j = rig_run(&b->g, &b->s, "SELECT 1;", "SELECT 'fast';");

	assert_int_equal(world.reads, 1);
	assert_int_equal(world.heads, 0);
	job_unref(j);
	ask.private_instance = true;
	j = rig_create(&b->g, &b->s, &ask);
	rig_wait(j);
	assert_int_equal(world.reads, 1);
	assert_int_equal(world.heads, 1);
	job_unref(j);
	world.writes = true; /* the words did not tell: it is run again on an instance of its own */
	j = rig_run(&b->g, &b->s, "SELECT 1;", "SELECT 'fast';");
	assert_int_equal(job_status_of(j), JOB_COMPLETED);
	assert_int_equal(world.reads, 2);
	assert_int_equal(world.heads, 2);
	assert_has(rig_document(&b->g, j), "\"retries\":0");
	job_unref(j);
}

static void a_lost_instance_is_tried_once_more_when_nothing_happened(void **state)
{
	struct bench *b = *state;
	struct { const char *head; int lose; enum job_status end; const char *says; } cases[] = {
		{"SELECT 'fast';", 1, JOB_COMPLETED, "\"retries\":1"},
		{"SELECT 'fast';", 2, JOB_FAILED, "\"code\":\"instance_lost\""},
		{"SELECT 'plain';", 1, JOB_COMPLETED, "\"retries\":1"},
		{"SELECT 'lose after';", 0, JOB_FAILED, "\"code\":\"instance_lost\""},
	};

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct job *j;

		world.lose = cases[i].lose;
		j = rig_run(&b->g, &b->s, "SELECT 1;", cases[i].head);
		assert_int_equal(job_status_of(j), cases[i].end);
		assert_has(rig_document(&b->g, j), cases[i].says);
		job_unref(j);
	}
}

static void a_layer_that_another_server_dropped_is_looked_up_once_more(void **state)
{
	struct bench *b = *state;
	struct { int gone; enum job_status end; } cases[] = {{1, JOB_COMPLETED}, {2, JOB_FAILED}};

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		int acquired = world.acquired;
		struct job *j;

		world.gone = cases[i].gone;
		j = rig_run(&b->g, &b->s, "SELECT 1;", "SELECT 'plain';");
		assert_int_equal(job_status_of(j), cases[i].end);
		assert_int_equal(world.acquired - acquired, 2);
		RIG_UNTIL(world.layers == 0);
		job_unref(j);
	}
}

/* --- deadlines and cancels --- */

static void a_deadline_fails_the_job_in_every_stage(void **state)
{
	struct bench *b = *state;
	struct { const char *tail, *head; bool boot; const char *stage; } cases[] = {
		{"SELECT 'hang';", "SELECT 1;", false, "tail_replay"},
		{"SELECT 1;", "SELECT 1;", true, "instance_boot"},
		{"SELECT 1;", "SELECT 'hang';", false, "head_execution"},
	};

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct job_ask ask = rig_ask(&b->g, cases[i].tail, cases[i].head);
		const char *doc;
		struct job *j;

		ask.timeout_ms = 30;
		world.hang_boot = cases[i].boot;
		j = rig_create(&b->g, &b->s, &ask);
		rig_wait(j);
		doc = rig_document(&b->g, j);
		assert_int_equal(job_status_of(j), JOB_FAILED);
		assert_has(doc, "\"error\":{\"code\":\"timeout\"");
		assert_has(doc, "\"sqlstate\":\"57014\"");
		assert_has(doc, arena_fmt(&b->g.arena, "\"stage\":\"%s\",\"sqlstate\"", cases[i].stage).p);
		RIG_UNTIL(world.leased == 0);
		job_unref(j);
	}
}

static void a_running_job_is_canceled_and_its_instance_goes(void **state)
{
	struct bench *b = *state;
	const char *tails[] = {"SELECT 'hang';", "SELECT 1;"}, *heads[] = {"SELECT 1;", "SELECT 'hang';"};

	for (size_t i = 0; i < COUNT_OF(tails); i++) {
		struct job_ask ask = rig_ask(&b->g, tails[i], heads[i]);
		struct job *j = rig_create(&b->g, &b->s, &ask);

		RIG_UNTIL(i ? world.heads > 0 : world.acquired > 0);
		assert_true(job_cancel(&b->g.c, j));
		rig_wait(j);
		assert_int_equal(job_status_of(j), JOB_CANCELED);
		assert_has(rig_document(&b->g, j), "\"error\":{\"code\":\"canceled\"");
		assert_true(job_cancel(&b->g.c, j));
		assert_int_equal(job_status_of(j), JOB_CANCELED);
		job_unref(j);
	}
}

static void what_waits_is_canceled_at_once_and_never_runs(void **state)
{
	struct bench *b = *state;
	struct job_ask hang = rig_ask(&b->g, "SELECT 1;", "SELECT 'hang';"), ask = rig_ask(&b->g, "SELECT 1;", "SELECT 1;");
	struct job *first, *queued, *assembled;

	world.caps.running = 1;
	first = rig_create(&b->g, &b->s, &hang);
	RIG_UNTIL(world.heads == 1);
	queued = rig_create(&b->g, &b->s, &ask);
	assert_int_equal(job_status_of(queued), JOB_PENDING);
	assert_true(job_cancel(&b->g.c, queued));
	assert_int_equal(job_status_of(queued), JOB_CANCELED);
	ask.head_path = S("");
	assembled = rig_create(&b->g, &b->s, &ask);
	assert_true(job_cancel(&b->g.c, assembled));
	assert_int_equal(job_status_of(assembled), JOB_CANCELED);
	ask.head_path = S("b.sql");
	ask.nfiles = 0;
	rig_refused(&b->g, job_run(&b->g.c, assembled, &ask), ERR_JOB_STARTED);
	assert_true(job_cancel(&b->g.c, first));
	rig_wait(first);
	assert_int_equal(world.heads, 1);
	job_unref(first);
	job_unref(queued);
	job_unref(assembled);
}

static void run_and_cancel(struct racer *r)
{
	struct { struct rig_server *s; struct rig *g; struct job *j[8]; } *at = r->arg;
	struct job_ask ask = {.head_path = S("b.sql"), .nchain = -1};
	OWNS(arena) a = {0};
	struct call c;

	call_open(&c, &a);
	c.tenant = S("default");
	for (size_t i = 0; i < 8; i++) {
		bool ok = r->number & 1 ? job_run(&c, at->j[i], &ask) : job_cancel(&c, at->j[i]);

		call_forgive(&c);
		r->wins += ok && (r->number & 1);
	}
}

static void runs_and_cancels_race_to_one_end(void **state)
{
	struct bench *b = *state;
	struct { struct rig_server *s; struct rig *g; struct job *j[8]; } at = {&b->s, &b->g, {0}};
	struct job_ask ask = rig_ask(&b->g, "SELECT 1;", "SELECT 'hang';");

	ask.head_path = S("");
	for (size_t i = 0; i < 8; i++)
		at.j[i] = rig_create(&b->g, &b->s, &ask);
	assert_true(race(run_and_cancel, &at) <= 8);
	for (size_t i = 0; i < 8; i++) {
		assert_true(job_cancel(&b->g.c, at.j[i]));
		rig_wait(at.j[i]);
		assert_int_equal(job_status_of(at.j[i]), JOB_CANCELED);
		job_unref(at.j[i]);
	}
}

/* --- places --- */

static void tenants_take_turns_and_no_tenant_runs_more_than_it_may(void **state)
{
	struct bench *b = *state;
	struct job_ask hang = rig_ask(&b->g, "SELECT 1;", "SELECT 'hang';"), ask = rig_ask(&b->g, "SELECT 1;", "SELECT 1;");
	const struct str tenants[] = {S_INIT("xx"), S_INIT("yy"), S_INIT("zz")};
	struct job *holds[4], *waits[9];

	for (int i = 0; i < 4; i++)
		holds[i] = rig_create(&b->g, &b->s, &hang);
	RIG_UNTIL(world.heads == 4);
	world.caps.running = 1;
	for (int i = 0; i < 9; i++) { /* all of x first */
		b->g.c.tenant = tenants[i / 3];
		waits[i] = rig_create(&b->g, &b->s, &ask);
	}
	b->g.c.tenant = S("default");
	assert_true(job_cancel(&b->g.c, holds[0]));
	for (int i = 0; i < 9; i++)
		rig_wait(waits[i]);
	assert_memory_equal(world.order + 4, "xyzxyzxyz", 9);
	for (int i = 1; i < 4; i++)
		assert_true(job_cancel(&b->g.c, holds[i]));
	for (int i = 0; i < 4; i++)
		rig_wait(holds[i]);
	for (int i = 0; i < 9; i++)
		job_unref(waits[i]);
	for (int i = 0; i < 4; i++)
		job_unref(holds[i]);
}

static void caps_hold(void **state)
{
	struct bench *b = *state;
	struct job_ask ask = rig_ask(&b->g, "SELECT 1;", "SELECT 1;");
	struct job *j[3];

	world.caps.jobs = 2;
	j[0] = rig_create(&b->g, &b->s, &ask);
	j[1] = rig_create(&b->g, &b->s, &ask);
	rig_refused(&b->g, job_create(&b->g.c, b->s.runner, &ask, &j[2]), ERR_TOO_MANY);
	rig_wait(j[0]);
	assert_true(job_drop(&b->g.c, j[0]));
	j[2] = rig_create(&b->g, &b->s, &ask);
	rig_wait(j[1]);
	rig_wait(j[2]);
	world.caps.jobs = 100;
	world.caps.ttl_s = 100;
	ask.job_ttl_s = 101;
	rig_refused(&b->g, job_create(&b->g.c, b->s.runner, &ask, &j[0]), ERR_PLAN_LIMIT);
	rig_refused(&b->g, job_extend(&b->g.c, j[1], 101), ERR_PLAN_LIMIT);
	assert_true(job_extend(&b->g.c, j[1], 100));
	for (int i = 0; i < 3; i++)
		job_unref(j[i]);
}

static void a_full_queue_says_so_and_leaves_nothing(void **state)
{
	struct bench *b = *state;
	struct job_ask hang = rig_ask(&b->g, "SELECT 1;", "SELECT 'hang';");
	struct job *j[6], *none;
	struct job_page page = {.limit = 100};
	struct job **list;
	int n;

	rig_stop(&b->s);
	b->g.o.queued = 2;
	rig_start(&b->g, &b->s, 1);
	for (int i = 0; i < 6; i++)
		j[i] = rig_create(&b->g, &b->s, &hang);
	rig_refused(&b->g, job_create(&b->g.c, b->s.runner, &hang, &none), ERR_TOO_MANY);
	assert_true(job_list(&b->g.c, b->s.runner, &page, &list, &n));
	assert_int_equal(n, 6);
	for (int i = 0; i < n; i++)
		job_unref(list[i]);
	for (int i = 0; i < 6; i++) {
		assert_true(job_cancel(&b->g.c, j[i]));
		rig_wait(j[i]);
		job_unref(j[i]);
	}
}

/* --- request ids --- */

static void the_same_request_id_is_the_same_job(void **state)
{
	struct bench *b = *state;
	struct job_ask ask = rig_ask(&b->g, "SELECT 1;", "SELECT 1;");
	struct job *first, *again, *other;

	ask.request_id = S("r-1");
	first = rig_create(&b->g, &b->s, &ask);
	again = rig_create(&b->g, &b->s, &ask);
	assert_ptr_equal(first, again);
	ask.fingerprint = S("another body");
	rig_refused(&b->g, job_create(&b->g.c, b->s.runner, &ask, &other), ERR_REQUEST_ID_CONFLICT);
	b->g.c.tenant = S("elsewhere");
	other = rig_create(&b->g, &b->s, &ask);
	rig_wait(other);
	job_unref(other);
	b->g.c.tenant = S("default");
	rig_wait(first);
	assert_true(job_drop(&b->g.c, first));
	other = rig_create(&b->g, &b->s, &ask); /* the id is free again */
	rig_wait(other);
	assert_ptr_not_equal(first, other);
	job_unref(first);
	job_unref(again);
	job_unref(other);
}

static void a_request_that_was_refused_does_not_keep_its_id(void **state)
{
	struct bench *b = *state;
	struct job_ask ask = rig_ask(&b->g, "SELECT 1;", "SELECT 1;");
	struct job *j;

	ask.request_id = S("r-2");
	ask.head_path = S("c.sql");
	rig_refused(&b->g, job_create(&b->g.c, b->s.runner, &ask, &j), ERR_HEAD_NOT_FOUND);
	ask.head_path = S("b.sql");
	ask.fingerprint = S("mended");
	j = rig_create(&b->g, &b->s, &ask);
	rig_wait(j);
	job_unref(j);
}

struct same {
	struct bench *b;
	struct job *got[RACERS];
};

static void ask_the_same(struct racer *r)
{
	struct same *s = r->arg;
	struct job_file files[] = {{.path = S("b.sql"), .content = S("SELECT 1;")}};
	struct job_ask ask = {.files = files, .nfiles = 1, .nchain = -1, .head_path = S("b.sql"), .request_id = S("raced"),
			      .fingerprint = S("same")};
	OWNS(arena) a = {0};
	struct call c;

	call_open(&c, &a);
	c.tenant = S("default");
	r->wins = job_create(&c, s->b->s.runner, &ask, &s->got[r->number]);
}

static void of_racing_requests_one_makes_the_job(void **state)
{
	struct same s = {.b = *state};

	assert_int_equal(race(ask_the_same, &s), RACERS);
	for (int i = 1; i < RACERS; i++)
		assert_ptr_equal(s.got[i], s.got[0]);
	rig_wait(s.got[0]);
	assert_int_equal(world.acquired, 1);
	for (int i = 0; i < RACERS; i++)
		job_unref(s.got[i]);
}

/* --- long jobs --- */

static void a_long_job_is_made_of_parts(void **state)
{
	struct bench *b = *state;
	struct job_file init[] = {{.path = S("init/1.sql"), .content = S("SELECT 1;")}};
	struct job_file again[] = {{.path = S("init/1.sql"), .content = S("SELECT 22;")}};
	struct job_file head[] = {{.path = S("z.sql"), .content = S("SELECT 3;")}};
	struct job_ask ask = {.nchain = -1}, part = {.files = init, .nfiles = 1, .nchain = -1, .part = S("one")};
	struct job_ask run = {.head_path = S("z.sql"), .nchain = -1};
	struct job *j = rig_create(&b->g, &b->s, &ask);
	struct job_size size;

	rig_refused(&b->g, job_run(&b->g.c, j, &run), ERR_EMPTY_PROJECT);
	assert_true(job_append(&b->g.c, j, &part, &size));
	assert_int_equal(size.parts, 1);
	assert_int_equal(size.files, 1);
	assert_int_equal(size.bytes, 9);
	assert_true(job_append(&b->g.c, j, &part, &size)); /* the same part again is harmless */
	assert_int_equal(size.parts, 1);
	part.files = again;
	rig_refused(&b->g, job_append(&b->g.c, j, &part, &size), ERR_PART_CONFLICT);
	part.part = S("two");
	assert_true(job_append(&b->g.c, j, &part, &size)); /* a path sent again is replaced */
	assert_int_equal(size.parts, 2);
	assert_int_equal(size.files, 1);
	assert_int_equal(size.bytes, 10);
	rig_refused(&b->g, job_run(&b->g.c, j, &run), ERR_HEAD_NOT_FOUND);
	part = (struct job_ask){.files = head, .nfiles = 1, .nchain = -1};
	assert_true(job_append(&b->g.c, j, &part, &size));
	assert_true(job_run(&b->g.c, j, &run));
	rig_refused(&b->g, job_append(&b->g.c, j, &part, &size), ERR_JOB_STARTED);
	rig_refused(&b->g, job_run(&b->g.c, j, &run), ERR_JOB_STARTED);
	rig_wait(j);
	assert_int_equal(job_status_of(j), JOB_COMPLETED);
	assert_has(rig_document(&b->g, j), "\"type\":\"long\"");
	assert_has(rig_document(&b->g, j), "\"tail\":[\"init/1.sql\"]");
	job_unref(j);
}

static void pieces_of_a_chain_are_appended_in_their_order(void **state)
{
	struct bench *b = *state;
	struct job_file files[] = {{.path = S("c.sql"), .content = S("SELECT 1;")}, {.path = S("a.sql"), .content = S("SELECT 2;")},
				   {.path = S("b.sql"), .content = S("SELECT 3;")}};
	const struct str pieces[] = {S_INIT("c.sql"), S_INIT("b.sql"), S_INIT("a.sql")};
	struct job_ask ask = {.files = files, .nfiles = 3, .nchain = -1}, run = {.head_path = S("a.sql"), .nchain = -1};
	struct job *j = rig_create(&b->g, &b->s, &ask);
	struct job_size size;

	for (int i = 0; i < 3; i++) {
		struct job_ask part = {.chain = &pieces[i], .nchain = 1};

		assert_true(job_append(&b->g.c, j, &part, &size));
	}
	assert_true(job_run(&b->g.c, j, &run));
	rig_wait(j);
	assert_has(rig_document(&b->g, j), "\"tail\":[\"c.sql\",\"b.sql\"]");
	job_unref(j);
}

static void replacing_files_again_and_again_takes_no_memory(void **state)
{
	struct bench *b = *state;
	static char text[64 << 10];
	struct job_file file = {.path = S("a.sql"), .content = {text, sizeof(text)}};
	struct job_ask ask = {.nchain = -1}, part = {.files = &file, .nfiles = 1, .nchain = -1};
	struct job *j = rig_create(&b->g, &b->s, &ask);
	struct job_size size;

	memset(text, ' ', sizeof(text));
	for (int i = 0; i < 200; i++)
		assert_true(job_append(&b->g.c, j, &part, &size));
	assert_int_equal(size.bytes, sizeof(text));
	assert_int_equal(size.parts, 200);
	assert_true(b->s.runner->jobs->tree_bytes < 3 << 20);
	job_unref(j);
}

static void missing_contents_are_named_before_anything_changes(void **state)
{
	struct bench *b = *state;
	struct job_file file = {.path = S("a.sql"),
				.etag = S("sha256:0000000000000000000000000000000000000000000000000000000000000000")};
	struct job_ask ask = {.files = &file, .nfiles = 1, .nchain = -1}, none = {.nchain = -1};
	struct job_size size;
	struct job *j;

	rig_refused(&b->g, job_create(&b->g.c, b->s.runner, &ask, &j), ERR_MISSING_BLOBS);
	j = rig_create(&b->g, &b->s, &none);
	rig_refused(&b->g, job_append(&b->g.c, j, &ask, &size), ERR_MISSING_BLOBS);
	none.part = S("x");
	assert_true(job_append(&b->g.c, j, &none, &size));
	assert_int_equal(size.files, 0);
	job_unref(j);
}

/* --- who sees what --- */

static void jobs_are_seen_by_their_principal_and_the_admins(void **state)
{
	struct bench *b = *state;
	struct job *j, *found;
	struct job_page page = {.limit = 10};
	struct job **list;
	struct str id;
	int n;

	b->g.c.principal = S("ann");
	j = rig_run(&b->g, &b->s, "SELECT 1;", "SELECT 1;");
	id = job_id(j);
	b->g.c.principal = S("bob");
	rig_refused(&b->g, job_find(&b->g.c, b->s.runner, id, &found), ERR_NOT_FOUND);
	assert_true(job_list(&b->g.c, b->s.runner, &page, &list, &n));
	assert_int_equal(n, 0);
	b->g.c.role = ROLE_ADMIN;
	assert_true(job_find(&b->g.c, b->s.runner, id, &found));
	job_unref(found);
	b->g.c.tenant = S("other");
	rig_refused(&b->g, job_find(&b->g.c, b->s.runner, id, &found), ERR_NOT_FOUND);
	b->g.c.tenant = S("default");
	b->g.c.role = ROLE_USER;
	b->g.c.principal = S("");
	rig_refused(&b->g, job_find(&b->g.c, b->s.runner, S("nonsense"), &found), ERR_NOT_FOUND);
	job_unref(j);
}

static void lists_are_newest_first_and_paged(void **state)
{
	struct bench *b = *state;
	struct job *made[5], **list;
	struct job_page page = {.limit = 2};
	int seen = 5, n;

	for (int i = 0; i < 5; i++) {
		made[i] = rig_run(&b->g, &b->s, "SELECT 1;", "SELECT 1;");
		clock_advance(1); /* ids are ordered by milliseconds */
	}
	do {
		assert_true(job_list(&b->g.c, b->s.runner, &page, &list, &n));
		for (int i = 0; i < n; i++) {
			assert_ptr_equal(list[i], made[--seen]);
			job_unref(list[i]);
		}
		page.after = page.next;
	} while (page.next.n);
	assert_int_equal(seen, 0);
	for (int i = 0; i < 5; i++)
		job_unref(made[i]);
}

/* --- told --- */

struct heard {
	_Atomic int told, dropped;
};

static void on_told(void *arg)
{
	atomic_fetch_add(&((struct heard *)arg)->told, 1);
}

static void on_dropped(void *arg)
{
	atomic_fetch_add(&((struct heard *)arg)->dropped, 1);
}

static void who_watches_hears_the_end_and_changes_when_it_wants(void **state)
{
	struct bench *b = *state;
	struct job_ask ask = rig_ask(&b->g, "SELECT 1;", "SELECT 1;");
	struct heard end = {0}, change = {0}, gone = {0};
	struct job *j;

	ask.head_path = S("");
	j = rig_create(&b->g, &b->s, &ask);
	job_watch(j, &(struct watch){on_told, on_dropped, &end, false});
	job_watch(j, &(struct watch){on_told, on_dropped, &change, true});
	job_watch(j, &(struct watch){on_told, on_dropped, &gone, false});
	job_unwatch(j, &gone);
	assert_int_equal(gone.told, 0);
	assert_int_equal(gone.dropped, 1);
	job_line(j, JOB_AT_PARSING, "info", "a line");
	assert_int_equal(change.told, 1);
	assert_int_equal(end.told, 0);
	ask = (struct job_ask){.head_path = S("b.sql"), .nchain = -1};
	assert_true(job_run(&b->g.c, j, &ask));
	rig_wait(j);
	RIG_UNTIL(end.told == 1 && end.dropped == 1);
	job_watch(j, &(struct watch){on_told, on_dropped, &end, false}); /* after the end: at once */
	assert_int_equal(end.told, 2);
	job_unref(j);
}

static void without_postgresql_jobs_say_why(void **state)
{
	struct bench *b = *state;
	struct job_ask ask = rig_ask(&b->g, "SELECT 1;", "SELECT 1;");
	struct runner_report report;
	struct job *j;

	rig_stop(&b->s);
	b->g.o.backend = NULL;
	b->g.o.backend_missing = "no initdb was found";
	rig_start(&b->g, &b->s, 1);
	rig_refused(&b->g, job_create(&b->g.c, b->s.runner, &ask, &j), ERR_ENGINE_UNREACHABLE);
	runner_report(b->s.runner, &report);
	assert_false(report.ready);
	assert_string_equal(report.missing, "no initdb was found");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, open_bench, close_bench)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(states_move_only_in_the_order_of_the_contract),
		T(a_job_runs_and_tells_everything_of_it),
		T(logs_tell_no_data),
		T(logs_are_read_from_where_one_was_and_end_somewhere),
		T(an_error_of_the_head_names_its_place_and_keeps_the_layer),
		T(an_error_of_the_tail_names_its_stage),
		T(a_file_that_cannot_be_read_fails_in_parsing),
		T(what_only_reads_goes_to_the_shared_instance),
		T(a_lost_instance_is_tried_once_more_when_nothing_happened),
		T(a_layer_that_another_server_dropped_is_looked_up_once_more),
		T(a_deadline_fails_the_job_in_every_stage),
		T(a_running_job_is_canceled_and_its_instance_goes),
		T(what_waits_is_canceled_at_once_and_never_runs),
		T(runs_and_cancels_race_to_one_end),
		T(tenants_take_turns_and_no_tenant_runs_more_than_it_may),
		T(caps_hold),
		T(a_full_queue_says_so_and_leaves_nothing),
		T(the_same_request_id_is_the_same_job),
		T(a_request_that_was_refused_does_not_keep_its_id),
		T(of_racing_requests_one_makes_the_job),
		T(a_long_job_is_made_of_parts),
		T(pieces_of_a_chain_are_appended_in_their_order),
		T(replacing_files_again_and_again_takes_no_memory),
		T(missing_contents_are_named_before_anything_changes),
		T(jobs_are_seen_by_their_principal_and_the_admins),
		T(lists_are_newest_first_and_paged),
		T(who_watches_hears_the_end_and_changes_when_it_wants),
		T(without_postgresql_jobs_say_why),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
