/* job_records_test.c - what outlives the process and what other servers see: records, the journal, leases, take-over, TTLs. */
#include "job_rig.h"
#include "redis_rig.h"

#include "faults.h"

static int open_rig(void **state)
{
	struct rig *g = base_zalloc(sizeof(*g));

	rig_open(g);
	*state = g;
	return 0;
}

static int close_rig(void **state)
{
	struct rig *g = *state;

	faults.die_at = 0;
	rig_close(g);
	free(g);
	return 0;
}

/* The same with the records of all servers in a real Redis. */
static struct redis_rig redis;
static struct redis *redis_client;

static int open_redis_rig(void **state)
{
	struct redis_options o;
	struct rig *g;

	open_rig(state);
	g = *state;
	if (!redis_rig_program())
		return 0;
	redis_rig_open(&redis, (const char *const[]){"--appendonly", "yes", "--appendfsync", "no", NULL});
	o = redis_rig_options(&redis);
	redis_client = redis_rig_client(&g->c, &o);
	g->kv->ops->close(g->kv);
	g->kv = g->o.kv = kv_redis_open(redis_client, S("t:"));
	return 0;
}

static int close_redis_rig(void **state)
{
	close_rig(state);
	if (!redis_rig_program())
		return 0;
	redis_close(redis_client);
	redis_rig_close(&redis);
	return 0;
}

static bool find(struct rig *g, struct rig_server *s, const char *id, struct job **ret)
{
	return job_find(&g->c, s->runner, str_of(id), ret);
}

/* How many objects there are of a job. */
static size_t objects(struct rig *g, const char *id)
{
	struct store_entry *v;
	size_t n;

	assert_true(g->store->ops->list(&g->c, g->store, arena_fmt(&g->arena, "jobs/%s/", id), S(""), &v, &n));
	return n;
}

static bool has_object(struct rig *g, const char *id, const char *name)
{
	OWNS(buf) b = {0};
	bool there = g->store->ops->get(&g->c, g->store, arena_fmt(&g->arena, "jobs/%s/%s", id, name), 0, 1 << 20, &b);

	call_forgive(&g->c);
	return there;
}

/* How many objects hold the ends of many. */
static size_t batches(struct rig *g)
{
	struct store_entry *v;
	size_t n;

	assert_true(g->store->ops->list(&g->c, g->store, S("ended/"), S(""), &v, &n));
	return n;
}

/* --- kill -9 --- */

struct story { /* what a child that died had told */
	char id[ID_LEN + 1];
	bool acknowledged, ended, flushed;
};

static void say(int fd, const char *what, const struct job *j)
{
	char line[64];
	int n = snprintf(line, sizeof(line), "%s %s\n", what, j->id);

	INVARIANT(write(fd, line, (size_t)n) == n);
}

typedef void child_fn(struct rig *g, struct rig_server *s, int fd);

static void hear(int fd, struct story *ret)
{
	OWNS(buf) b = {0};
	struct str rest, line;

	assert_true(file_read(fd, 4096, &b));
	*ret = (struct story){0};
	for (rest = buf_str(&b); rest.n;) {
		line = str_cut(&rest, '\n');
		ret->acknowledged |= str_starts(line, S("acknowledged "));
		ret->ended |= str_starts(line, S("ended "));
		ret->flushed |= str_starts(line, S("flushed "));
		memcpy(ret->id, line.p + str_find(line, ' ') + 1, ID_LEN);
	}
}

/* What was drawn in advance is every child's: it is used up. */
static void own_randomness(void)
{
	char bytes[256];

	for (int i = 0; i < 256; i++)
		id_random(bytes, sizeof(bytes));
}

/* True: it died at that step. */
static bool run_child(struct rig *g, child_fn *fn, int die_at, struct story *ret)
{
	int fds[2], status;
	pid_t child;

	assert_int_equal(pipe(fds), 0);
	child = fork();
	if (child == 0) {
		struct rig_server s;

		close(fds[0]);
		own_randomness();
		rig_start(g, &s, 1);
		faults.die_at = die_at ? faults.steps + die_at : 0;
		fn(g, &s, fds[1]);
		_exit(0);
	}
	close(fds[1]);
	hear(fds[0], ret);
	close(fds[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status);
}

/* The child's job, on the same server started anew, ends as it should. */
static void check_after(struct rig *g, const struct story *told)
{
	struct rig_server s;
	struct job *j;

	rig_start(g, &s, 1);
	rig_keep(&s, true);
	if (told->acknowledged || told->ended) {
		assert_true(find(g, &s, told->id, &j));
		rig_wait(j);
		assert_int_equal(job_status_of(j), JOB_COMPLETED);
		assert_has(rig_document(g, j), "\"rows\":[[7]]");
		job_unref(j);
	}
	rig_stop(&s);
}

static void acknowledge_then_end(struct rig *g, struct rig_server *s, int fd)
{
	struct job_ask ask = rig_ask(g, "SELECT 1;", "SELECT 'gate';");
	struct job *j = rig_create(g, s, &ask);

	if (job_acknowledge(&g->c, j))
		say(fd, "acknowledged", j);
	else
		fprintf(stderr, "%s\n", g->c.err.text);
	atomic_store(&world.let_go, s->runner);
	rig_wait(j);
	say(fd, "ended", j);
	kill(getpid(), SIGKILL);
}

static void an_acknowledged_job_survives_a_death_at_any_step(void **state)
{
	struct rig *g = *state;
	struct story told;
	int step = 1, acknowledged = 0;

	for (bool last = false; !last; step++) {
		run_child(g, acknowledge_then_end, step, &told);
		last = told.ended;
		acknowledged += told.acknowledged;
		world.let_go = NULL;
		faults.die_at = 0;
		if (told.acknowledged) { /* its head waits at a gate that opens for whoever runs it */
			struct rig_server s;
			struct job *j;

			rig_start(g, &s, 1);
			atomic_store(&world.let_go, s.runner);
			rig_keep(&s, true);
			assert_true(find(g, &s, told.id, &j));
			rig_wait(j);
			assert_int_equal(job_status_of(j), JOB_COMPLETED);
			job_unref(j);
			rig_stop(&s);
		}
	}
	assert_true(step > 4);
	assert_true(acknowledged > 1);
}

static void end_in_its_request(struct rig *g, struct rig_server *s, int fd)
{
	struct job *j = rig_run(g, s, "SELECT 1;", "SELECT 'fast';");

	say(fd, "ended", j);
	rig_flush(s);
	rig_flush(s);
	say(fd, "flushed", j);
	kill(getpid(), SIGKILL);
}

static void what_ended_inside_its_request_survives_a_death_before_and_in_the_flush(void **state)
{
	struct rig *g = *state;
	struct story told;
	int deaths = 0;

	for (int step = 1; step < 100; step++) {
		run_child(g, end_in_its_request, step, &told);
		deaths += told.ended && !told.flushed;
		check_after(g, &told);
		if (told.flushed)
			break;
	}
	assert_true(told.flushed);
	assert_true(deaths > 3);
}

static void end_and_die(struct rig *g, struct rig_server *s, int fd)
{
	struct job *j = rig_run(g, s, "SELECT 1;", "SELECT 'fast';");

	say(fd, "ended", j);
	kill(getpid(), SIGKILL);
}

static void end_and_drop(struct rig *g, struct rig_server *s, int fd)
{
	struct job *j = rig_run(g, s, "SELECT 1;", "SELECT 'fast';");

	if (!job_drop(&g->c, j))
		return;
	say(fd, "ended", j);
	kill(getpid(), SIGKILL);
}

static void what_was_dropped_does_not_come_back(void **state)
{
	struct rig *g = *state;
	struct rig_server s;
	struct story told;
	struct job *j;

	assert_true(run_child(g, end_and_drop, 0, &told));
	assert_true(told.ended);
	rig_start(g, &s, 1);
	rig_keep(&s, true);
	rig_refused(g, find(g, &s, told.id, &j), ERR_NOT_FOUND);
	assert_int_equal(objects(g, told.id), 0);
	rig_stop(&s);
}

static void a_torn_journal_gives_what_is_whole(void **state)
{
	struct rig *g = *state;
	struct rig_server s;
	struct story told;
	struct store *journal;
	struct store_entry *v;
	struct job *j;
	size_t n;

	assert_true(run_child(g, end_and_die, 0, &told)); /* only the journal has it */
	journal = store_folder_open(&g->c, arena_fmt(&g->arena, "%s/journal1", g->dir));
	assert_true(journal->ops->list(&g->c, journal, S("jobs-journal/"), S(""), &v, &n));
	assert_int_equal(n, 1);
	assert_true(journal->ops->append(&g->c, journal, v[0].key, v[0].size, S("MFJ1\1\0\0\0torn"), false));
	journal->ops->close(journal);
	rig_start(g, &s, 1);
	assert_true(find(g, &s, told.id, &j));
	assert_int_equal(job_status_of(j), JOB_COMPLETED);
	job_unref(j);
	rig_stop(&s);
}

/* --- restarts --- */

static void what_waited_runs_after_a_restart(void **state)
{
	struct rig *g = *state;
	struct job_ask hang = rig_ask(g, "SELECT 1;", "SELECT 'hang';"), ask = rig_ask(g, "SELECT 1;", "SELECT 1;");
	struct job *first, *waits, *found;
	struct rig_server s;
	char id[ID_LEN + 1];

	world.caps.running = 1;
	rig_start(g, &s, 1);
	first = rig_create(g, &s, &hang);
	RIG_UNTIL(world.heads == 1);
	waits = rig_create(g, &s, &ask);
	assert_true(job_acknowledge(&g->c, waits));
	strcpy(id, waits->id);
	job_unref(waits);
	job_unref(first);
	rig_stop(&s); /* cancels the first */
	rig_start(g, &s, 1);
	rig_keep(&s, true);
	assert_true(find(g, &s, id, &found));
	rig_wait(found);
	assert_int_equal(job_status_of(found), JOB_COMPLETED);
	assert_has(rig_document(g, found), "\"retries\":0"); /* it had not begun */
	job_unref(found);
	rig_stop(&s);
}

static void a_job_in_parts_goes_on_after_a_restart(void **state)
{
	struct rig *g = *state;
	struct job_file one[] = {{.path = S("a.sql"), .content = S("SELECT 1;")}};
	struct job_file two[] = {{.path = S("b.sql"), .content = S("SELECT 2;")}};
	struct job_ask ask = {.nchain = -1, .request_id = S("parts"), .fingerprint = S("f")};
	struct job_ask run = {.head_path = S("b.sql"), .nchain = -1};
	struct job_ask part = {.files = one, .nfiles = 1, .nchain = -1, .part = S("one")};
	struct rig_server s;
	struct job_size size;
	char id[ID_LEN + 1];
	struct job *j;

	rig_start(g, &s, 1);
	j = rig_create(g, &s, &ask);
	strcpy(id, j->id);
	assert_true(job_acknowledge(&g->c, j));
	assert_true(job_append(&g->c, j, &part, &size));
	job_unref(j);
	rig_stop(&s);
	rig_start(g, &s, 1);
	assert_true(find(g, &s, id, &j));
	assert_true(job_append(&g->c, j, &part, &size)); /* the same part again */
	assert_int_equal(size.parts, 1);
	part.files = two;
	rig_refused(g, job_append(&g->c, j, &part, &size), ERR_PART_CONFLICT);
	part.part = S("two");
	assert_true(job_append(&g->c, j, &part, &size));
	assert_int_equal(size.parts, 2);
	assert_true(job_run(&g->c, j, &run));
	rig_wait(j);
	assert_int_equal(job_status_of(j), JOB_COMPLETED);
	assert_has(rig_document(g, j), "\"tail\":[\"a.sql\"]");
	job_unref(j);
	rig_stop(&s);
}

static void results_are_read_back_small_and_large(void **state)
{
	struct rig *g = *state;
	const char *heads[] = {"SELECT 'loud';", "SELECT 'large';"};
	struct rig_server s;
	char id[2][ID_LEN + 1];
	const char *before[2];

	rig_start(g, &s, 1);
	for (int i = 0; i < 2; i++) {
		struct job *j = rig_run(g, &s, "SELECT 1;", heads[i]);

		strcpy(id[i], j->id);
		before[i] = rig_document(g, j);
		job_unref(j);
	}
	rig_stop(&s);
	assert_true(has_object(g, id[1], "results/0"));
	rig_start(g, &s, 2);
	for (int i = 0; i < 2; i++) {
		struct job_result result;
		struct job *j;

		assert_true(find(g, &s, id[i], &j));
		assert_string_equal(rig_document(g, j), before[i]);
		assert_true(job_results(&g->c, j, JOB_LAST_ROWS, &result));
		assert_int_equal(result.rows, i ? 20001 : 1);
		assert_int_equal(result.nparts, 1);
		job_result_drop(&result);
		job_unref(j);
	}
	rig_stop(&s);
}

/* --- several servers --- */

static void parts_come_through_any_server_and_one_starts_it(void **state)
{
	struct rig *g = *state;
	struct job_file one[] = {{.path = S("a.sql"), .content = S("SELECT 1;")}};
	struct job_file two[] = {{.path = S("b.sql"), .content = S("SELECT 2;")}};
	struct job_ask ask = {.nchain = -1}, run = {.head_path = S("b.sql"), .nchain = -1};
	struct job_ask first = {.files = one, .nfiles = 1, .nchain = -1}, second = {.files = two, .nfiles = 1, .nchain = -1};
	struct rig_server a, b;
	struct job_size size;
	struct job *at_a, *at_b;

	rig_start(g, &a, 1);
	rig_start(g, &b, 2);
	at_a = rig_create(g, &a, &ask);
	assert_true(job_acknowledge(&g->c, at_a));
	assert_true(find(g, &b, at_a->id, &at_b));
	assert_true(job_append(&g->c, at_b, &first, &size));
	assert_true(job_append(&g->c, at_a, &second, &size));
	assert_int_equal(size.files, 2);
	assert_int_equal(size.parts, 2);
	assert_true(job_run(&g->c, at_b, &run));
	rig_refused(g, job_append(&g->c, at_a, &first, &size), ERR_JOB_STARTED);
	rig_refused(g, job_run(&g->c, at_a, &run), ERR_JOB_STARTED);
	rig_wait(at_b);
	job_unref(at_a);
	assert_true(find(g, &a, at_b->id, &at_a));
	assert_int_equal(job_status_of(at_a), JOB_COMPLETED);
	assert_has(rig_document(g, at_a), "\"rows\":[[7]]");
	job_unref(at_a);
	job_unref(at_b);
	rig_stop(&a);
	rig_stop(&b);
}

static void a_job_of_another_server_is_seen_and_canceled(void **state)
{
	struct rig *g = *state;
	struct job_ask ask = rig_ask(g, "SELECT 1;", "SELECT 'hang';");
	struct rig_server a, b;
	struct job *at_a, *at_b;

	rig_start(g, &a, 1);
	rig_start(g, &b, 2);
	at_a = rig_create(g, &a, &ask);
	RIG_UNTIL(world.heads == 1);
	assert_true(job_acknowledge(&g->c, at_a));
	assert_true(find(g, &b, at_a->id, &at_b));
	assert_int_equal(job_status_of(at_b), JOB_RUNNING);
	assert_true(job_cancel(&g->c, at_b));
	rig_keep(&a, false);
	rig_wait(at_a);
	assert_int_equal(job_status_of(at_a), JOB_CANCELED);
	job_unref(at_b);
	assert_true(find(g, &b, at_a->id, &at_b));
	assert_int_equal(job_status_of(at_b), JOB_CANCELED);
	job_unref(at_a);
	job_unref(at_b);
	rig_stop(&a);
	rig_stop(&b);
}

static void a_lost_server_s_job_is_run_once_more_and_its_late_end_is_not_written(void **state)
{
	struct rig *g = *state;
	struct job_ask ask = rig_ask(g, "SELECT 1;", "SELECT 'gate';");
	struct rig_server a, b;
	struct job *at_a, *at_b;

	ask.timeout_ms = 3600000;
	rig_start(g, &a, 1);
	rig_start(g, &b, 2);
	at_a = rig_create(g, &a, &ask);
	assert_true(job_acknowledge(&g->c, at_a));
	RIG_UNTIL(world.heads == 1);
	clock_advance(JOB_RENEW_MS + 1);
	rig_keep(&a, false); /* renews its lease, which tells how far it is */
	rig_keep(&b, false);
	assert_true(find(g, &b, at_a->id, &at_b));
	assert_false(at_b->mine); /* its lease is good */
	assert_int_equal(job_status_of(at_b), JOB_RUNNING);
	clock_advance(JOB_LEASE_MS + 1);
	rig_keep(&b, false);
	assert_true(at_b->mine);
	RIG_UNTIL(world.heads == 2);
	atomic_store(&world.let_go, a.runner);
	RIG_UNTIL(world.leased == 1);
	RIG_UNTIL(!({ pthread_mutex_lock(&at_a->lock); bool mine = at_a->mine; pthread_mutex_unlock(&at_a->lock); mine; }));
	assert_false(has_object(g, at_a->id, "end"));
	assert_int_equal(job_status_of(at_b), JOB_RUNNING);
	atomic_store(&world.let_go, b.runner);
	rig_wait(at_b);
	assert_int_equal(job_status_of(at_b), JOB_COMPLETED);
	assert_has(rig_document(g, at_b), "\"retries\":1");
	job_unref(at_a);
	assert_true(find(g, &a, at_b->id, &at_a));
	assert_int_equal(job_status_of(at_a), JOB_COMPLETED);
	assert_has(rig_document(g, at_a), "\"retries\":1");
	job_unref(at_a);
	job_unref(at_b);
	rig_stop(&a);
	rig_stop(&b);
}

static void a_job_that_ends_two_servers_fails(void **state)
{
	struct rig *g = *state;
	struct job_ask ask = rig_ask(g, "SELECT 1;", "SELECT 'gate';");
	struct rig_server s[3];
	struct job *at[3];

	ask.timeout_ms = 3600000;
	for (int i = 0; i < 3; i++)
		rig_start(g, &s[i], i + 1);
	at[0] = rig_create(g, &s[0], &ask);
	assert_true(job_acknowledge(&g->c, at[0]));
	RIG_UNTIL(world.heads == 1);
	for (int i = 1; i < 3; i++) {
		clock_advance(JOB_LEASE_MS + 1);
		rig_keep(&s[i], false);
		assert_true(find(g, &s[i], at[0]->id, &at[i]));
		if (i == 1)
			RIG_UNTIL(world.heads == 2);
	}
	assert_int_equal(job_status_of(at[2]), JOB_FAILED);
	assert_has(rig_document(g, at[2]), "\"error\":{\"code\":\"server_lost\"");
	for (int i = 0; i < 3; i++)
		job_unref(at[i]);
	for (int i = 0; i < 3; i++)
		rig_stop(&s[i]);
}

static void racing_servers_take_a_job_once(void **state)
{
	struct rig *g = *state;
	struct job_ask ask = rig_ask(g, "SELECT 1;", "SELECT 'gate';");
	struct rig_server s[4];
	struct job *j, *found;

	ask.timeout_ms = 3600000;
	for (int i = 0; i < 4; i++)
		rig_start(g, &s[i], i + 1);
	j = rig_create(g, &s[0], &ask);
	assert_true(job_acknowledge(&g->c, j));
	RIG_UNTIL(world.heads == 1);
	clock_advance(JOB_LEASE_MS + 1);
	for (int i = 1; i < 4; i++)
		rig_keep(&s[i], true);
	RIG_UNTIL(world.heads == 2);
	for (int i = 1; i < 4; i++) {
		rig_keep(&s[i], true);
		assert_true(find(g, &s[i], j->id, &found));
		assert_int_equal(found->mine, i == 1);
		job_unref(found);
	}
	assert_int_equal(world.heads, 2);
	job_unref(j);
	for (int i = 0; i < 4; i++)
		rig_stop(&s[i]);
}

static void where_kv_is_not_shared_servers_leave_each_other_s_jobs_alone(void **state)
{
	struct rig *g = *state;
	struct job_ask ask = rig_ask(g, "SELECT 1;", "SELECT 'gate';");
	struct kv *shared = g->kv, *other = kv_memory_open(1000);
	struct rig_server a, b;
	struct job *at_a, *at_b;

	ask.timeout_ms = 3600000;
	rig_start(g, &a, 1);
	g->o.kv = other;
	rig_start(g, &b, 2);
	g->o.kv = shared;
	at_a = rig_create(g, &a, &ask);
	assert_true(job_acknowledge(&g->c, at_a));
	clock_advance(JOB_LEASE_MS + 1);
	rig_keep(&b, true);
	assert_true(find(g, &b, at_a->id, &at_b));
	assert_false(at_b->mine);
	rig_refused(g, job_cancel(&g->c, at_b), ERR_WRONG_SERVER);
	atomic_store(&world.let_go, a.runner);
	rig_wait(at_a);
	assert_int_equal(job_status_of(at_a), JOB_COMPLETED);
	job_unref(at_a);
	job_unref(at_b);
	rig_stop(&a);
	rig_stop(&b);
	other->ops->close(other);
}

static void a_request_id_is_one_job_on_all_servers(void **state)
{
	struct rig *g = *state;
	struct job_ask ask = rig_ask(g, "SELECT 1;", "SELECT 1;");
	struct rig_server a, b;
	struct job *at_a, *at_b;

	ask.request_id = S("fleet");
	rig_start(g, &a, 1);
	rig_start(g, &b, 2);
	at_a = rig_create(g, &a, &ask);
	rig_wait(at_a);
	rig_flush(&a);
	at_b = rig_create(g, &b, &ask);
	assert_string_equal(at_a->id, at_b->id);
	assert_int_equal(world.acquired, 1);
	job_unref(at_a);
	job_unref(at_b);
	rig_stop(&a);
	rig_stop(&b);
}

/* --- Redis away --- */

static void without_redis_nothing_is_lost(void **state)
{
	struct rig *g = *state;
	struct job_ask named = rig_ask(g, "SELECT 1;", "SELECT 1;"), ask = rig_ask(g, "SELECT 1;", "SELECT 'gate';");
	struct rig_server a, b;
	struct job *running, *short_one, *again, *none = NULL;

	REDIS_NEEDED();
	named.request_id = S("fleet");
	ask.timeout_ms = 3600000;
	rig_start(g, &a, 1);
	rig_start(g, &b, 2);
	running = rig_create(g, &a, &ask);
	assert_true(job_acknowledge(&g->c, running));
	redis_rig_kill(&redis);
	rig_refused(g, job_create(&g->c, a.runner, &named, &none), ERR_UNAVAILABLE);
	short_one = rig_run(g, &a, "SELECT 1;", "SELECT 1;"); /* ends in its request: it needs no record of others */
	assert_int_equal(job_status_of(short_one), JOB_COMPLETED);
	for (int i = 0; i < 10; i++) {
		clock_advance(JOB_LEASE_MS / 2);
		rig_keep(&a, false);
		rig_keep(&b, true);
	}
	assert_true(running->mine);
	redis_rig_start(&redis);
	REDIS_UNTIL(redis_up(redis_client));
	rig_keep(&b, false); /* its lease ran out; who has it may renew first */
	rig_keep(&a, false);
	clock_advance(2 * JOB_RENEW_MS);
	rig_keep(&a, false);
	rig_keep(&b, true);
	assert_true(running->mine);
	assert_int_equal(world.heads, 2);
	atomic_store(&world.let_go, a.runner);
	rig_wait(running);
	assert_int_equal(job_status_of(running), JOB_COMPLETED);
	again = rig_create(g, &b, &named);
	rig_wait(again);
	assert_int_equal(job_status_of(again), JOB_COMPLETED);
	job_unref(running);
	job_unref(short_one);
	job_unref(again);
	rig_stop(&a);
	rig_stop(&b);
}

/* --- TTLs --- */

static void sweep_until_gone(struct rig_server *s, struct job *j)
{
	RIG_UNTIL(({
		rig_tick(s);
		pthread_mutex_lock(&j->lock);
		bool gone = j->gone;
		pthread_mutex_unlock(&j->lock);
		gone;
	}));
}

static void a_job_goes_with_its_ttl_and_is_remembered_for_a_while(void **state)
{
	struct rig *g = *state;
	struct job_ask ask = rig_ask(g, "SELECT 1;", "SELECT 'large';");
	struct rig_server s;
	struct job *j, *found;
	struct job_size size;
	struct kv_record there;
	int64_t before;

	ask.job_ttl_s = 100;
	ask.request_id = S("ttl");
	rig_start(g, &s, 1);
	j = rig_create(g, &s, &ask);
	before = s.runner->jobs->tree_bytes;
	assert_true(job_acknowledge(&g->c, j));
	rig_wait(j);
	RIG_UNTIL(s.runner->jobs->tree_bytes == 0);
	assert_true(before >= 0);
	assert_true(objects(g, j->id) > 0);
	clock_advance(101000);
	sweep_until_gone(&s, j);
	assert_int_equal(objects(g, j->id), 0);
	rig_refused(g, find(g, &s, j->id, &found), ERR_JOB_EXPIRED);
	rig_refused(g, job_append(&g->c, j, &ask, &size), ERR_JOB_EXPIRED);
	RIG_UNTIL(s.runner->jobs->ngone == 1);
	assert_int_equal(j->tenant->kept, 0);
	rig_refused(g, kv_get(&g->c, g->kv, arena_fmt(&g->arena, "runner/active/default/%s", j->id), &there), ERR_NOT_FOUND);
	job_unref(j);
	rig_stop(&s);
}

static void an_extension_counts_on_every_server(void **state)
{
	struct rig *g = *state;
	struct job_ask ask = rig_ask(g, "SELECT 1;", "SELECT 1;");
	struct rig_server a, b;
	struct job *at_a, *at_b;

	ask.job_ttl_s = 100;
	rig_start(g, &a, 1);
	rig_start(g, &b, 2);
	at_a = rig_create(g, &a, &ask);
	rig_wait(at_a);
	rig_flush(&a);
	assert_true(find(g, &b, at_a->id, &at_b));
	assert_true(job_extend(&g->c, at_b, 1000));
	clock_advance(101000);
	assert_true(job_expire(&g->c, at_a));
	assert_false(at_a->gone);
	assert_true(has_object(g, at_a->id, "end"));
	clock_advance(1000000);
	sweep_until_gone(&b, at_b);
	assert_false(has_object(g, at_a->id, "end"));
	job_unref(at_a);
	job_unref(at_b);
	rig_stop(&a);
	rig_stop(&b);
}

static void what_nobody_has_in_memory_expires_by_the_scan(void **state)
{
	struct rig *g = *state;
	struct job_ask ask = rig_ask(g, "SELECT 1;", "SELECT 1;");
	struct rig_server s;
	char id[ID_LEN + 1];
	struct job *j;

	ask.job_ttl_s = 100;
	rig_start(g, &s, 1);
	j = rig_create(g, &s, &ask);
	rig_wait(j);
	strcpy(id, j->id);
	job_unref(j);
	rig_stop(&s);
	assert_int_equal(batches(g), 1);
	clock_advance(161000);
	rig_start(g, &s, 2);
	rig_keep(&s, true);
	assert_int_equal(batches(g), 0);
	rig_refused(g, find(g, &s, id, &j), ERR_NOT_FOUND);
	rig_stop(&s);
}

/* --- batches --- */

enum { MANY = 40 };

/* Jobs that ended within their requests, a few milliseconds after each other, in one flush; of one minute, as a batch is. */
static void make_many(struct rig *g, struct rig_server *s, char ids[MANY][ID_LEN + 1])
{
	clock_advance(60000 - clock_wall_ms() % 60000);
	for (int i = 0; i < MANY; i++) {
		struct job *j = rig_run(g, s, "SELECT 1;", "SELECT 1;");

		strcpy(ids[i], j->id);
		job_unref(j);
		clock_advance(3);
	}
	rig_flush(s);
}

static void many_ends_are_one_object_and_are_found_one_by_one(void **state)
{
	struct rig *g = *state;
	char ids[MANY][ID_LEN + 1];
	struct rig_server a, b;
	struct job *j;

	rig_start(g, &a, 1);
	make_many(g, &a, ids);
	assert_int_equal(batches(g), 1);
	rig_start(g, &b, 2);
	rig_keep(&b, true);
	for (int i = 0; i < MANY; i++) {
		assert_int_equal(objects(g, ids[i]), 0);
		assert_true(find(g, &b, ids[i], &j));
		assert_has(rig_document(g, j), "\"rows\":[[7]]");
		assert_int_equal(j->tenant->kept + j->tenant->batched, MANY);
		job_unref(j);
	}
	rig_stop(&a);
	rig_stop(&b);
}

static void one_of_many_is_dropped_and_one_extended(void **state)
{
	struct rig *g = *state;
	char ids[MANY][ID_LEN + 1];
	struct rig_server a, b;
	struct job *j;

	rig_start(g, &a, 1);
	make_many(g, &a, ids);
	rig_start(g, &b, 2);
	rig_keep(&b, true);
	assert_true(find(g, &b, ids[3], &j));
	assert_true(job_drop(&g->c, j));
	assert_int_equal(j->tenant->batched, MANY - 1);
	job_unref(j);
	assert_true(find(g, &b, ids[5], &j));
	assert_true(job_extend(&g->c, j, 4 * 86400));
	assert_int_equal(j->tenant->batched, MANY - 2);
	assert_int_equal(j->tenant->kept, 1);
	job_unref(j);
	rig_stop(&a);
	rig_stop(&b);
	rig_start(g, &a, 1);
	rig_keep(&a, true);
	rig_refused(g, find(g, &a, ids[3], &j), ERR_NOT_FOUND);
	assert_true(find(g, &a, ids[4], &j));
	assert_int_equal(j->tenant->kept + j->tenant->batched, MANY - 1);
	job_unref(j);
	clock_advance(INT64_C(2) * 86400 * 1000);
	rig_refused(g, find(g, &a, ids[6], &j), ERR_JOB_EXPIRED);
	rig_keep(&a, true);
	assert_int_equal(batches(g), 0);
	rig_refused(g, find(g, &a, ids[6], &j), ERR_NOT_FOUND);
	assert_true(find(g, &a, ids[5], &j));
	assert_has(rig_document(g, j), "\"rows\":[[7]]");
	assert_int_equal(j->tenant->kept + j->tenant->batched, 1);
	job_unref(j);
	rig_stop(&a);
}

static void lists_go_through_batches_newest_first(void **state)
{
	struct rig *g = *state;
	struct job_page page = {.limit = 7};
	char ids[3][MANY][ID_LEN + 1];
	struct rig_server s;
	struct job **list;
	int n, seen = 0;

	rig_start(g, &s, 1);
	for (int i = 0; i < 3; i++) {
		make_many(g, &s, ids[i]);
		clock_advance(i * 2 * BATCH_SPAN_MS);
	}
	rig_stop(&s);
	assert_int_equal(batches(g), 3);
	rig_start(g, &s, 2);
	do {
		assert_true(job_list(&g->c, s.runner, &page, &list, &n));
		for (int i = 0; i < n; i++, seen++) {
			assert_string_equal(list[i]->id, ids[2 - seen / MANY][MANY - 1 - seen % MANY]);
			job_unref(list[i]);
		}
		page.after = page.next;
	} while (page.next.n);
	assert_int_equal(seen, 3 * MANY);
	rig_stop(&s);
}

static void what_a_batch_has_is_forgotten_here(void **state)
{
	struct rig *g = *state;
	char ids[MANY][ID_LEN + 1];
	struct rig_server s;
	struct job *j;

	rig_start(g, &s, 1);
	make_many(g, &s, ids);
	s.runner->jobs->result_bytes += JOBS_RESULT_BYTES; /* as if others held so much */
	job_unref(rig_run(g, &s, "SELECT 1;", "SELECT 1;"));
	rig_flush(&s);
	s.runner->jobs->result_bytes -= JOBS_RESULT_BYTES;
	assert_null(jobs_get(s.runner, str_of(ids[0])));
	assert_true(find(g, &s, ids[0], &j));
	assert_int_equal(j->tenant->kept + j->tenant->batched, MANY + 1);
	assert_has(rig_document(g, j), "\"rows\":[[7]]");
	job_unref(j);
	rig_stop(&s);
}

static void bodies_beyond_the_latest_are_read_from_their_records(void **state)
{
	struct rig *g = *state;
	struct rig_server s;
	struct job *j;

	rig_start(g, &s, 1);
	j = rig_run(g, &s, "SELECT 1;", "SELECT 'loud';");
	assert_true(job_in_memory(j));
	rig_flush(&s);
	s.runner->jobs->result_bytes += JOBS_RESULT_BYTES; /* as if others held so much */
	job_unref(rig_run(g, &s, "SELECT 1;", "SELECT 1;"));
	rig_flush(&s);
	assert_false(job_in_memory(j));
	assert_has(rig_document(g, j), "\"rows\":[[7]]");
	job_unref(j);
	rig_stop(&s);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)
	const struct CMUnitTest tests[] = {
		T(an_acknowledged_job_survives_a_death_at_any_step),
		T(what_ended_inside_its_request_survives_a_death_before_and_in_the_flush),
		T(what_was_dropped_does_not_come_back),
		T(a_torn_journal_gives_what_is_whole),
		T(what_waited_runs_after_a_restart),
		T(a_job_in_parts_goes_on_after_a_restart),
		T(results_are_read_back_small_and_large),
		T(parts_come_through_any_server_and_one_starts_it),
		T(a_job_of_another_server_is_seen_and_canceled),
		T(a_lost_server_s_job_is_run_once_more_and_its_late_end_is_not_written),
		T(a_job_that_ends_two_servers_fails),
		T(racing_servers_take_a_job_once),
		T(where_kv_is_not_shared_servers_leave_each_other_s_jobs_alone),
		T(a_request_id_is_one_job_on_all_servers),
		T(a_job_goes_with_its_ttl_and_is_remembered_for_a_while),
		T(an_extension_counts_on_every_server),
		T(what_nobody_has_in_memory_expires_by_the_scan),
		T(many_ends_are_one_object_and_are_found_one_by_one),
		T(one_of_many_is_dropped_and_one_extended),
		T(lists_go_through_batches_newest_first),
		T(what_a_batch_has_is_forgotten_here),
		T(bodies_beyond_the_latest_are_read_from_their_records),
#define R(name) cmocka_unit_test_setup_teardown(name, open_redis_rig, close_redis_rig)
		R(what_waited_runs_after_a_restart),
		R(a_job_in_parts_goes_on_after_a_restart),
		R(parts_come_through_any_server_and_one_starts_it),
		R(a_job_of_another_server_is_seen_and_canceled),
		R(a_lost_server_s_job_is_run_once_more_and_its_late_end_is_not_written),
		R(a_job_that_ends_two_servers_fails),
		R(racing_servers_take_a_job_once),
		R(where_kv_is_not_shared_servers_leave_each_other_s_jobs_alone),
		R(a_request_id_is_one_job_on_all_servers),
		R(a_job_goes_with_its_ttl_and_is_remembered_for_a_while),
		R(an_extension_counts_on_every_server),
		R(what_nobody_has_in_memory_expires_by_the_scan),
		R(without_redis_nothing_is_lost),
	};

	signal(SIGPIPE, SIG_IGN);
	faults.no_disk = true; /* death of the process, not of the machine */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
