/* job_rig.h - the room of SQL chains over a real store, real records and a real journal, with layers, instances and PostgreSQL
 * that do what a test wants, and that count what was leased and not given back.
 *
 * A server of the rig does nothing by itself: its loop does not run, rig_tick() is its time. Any number of servers share one
 * store and one kv. What the fakes do is told by words in the files: "hang" waits for the stop sign or the deadline, "broken" is an
 * error of SQL, "lose" loses the instance, "loud" gives a notice, "large" a large result.
 */
#ifndef MAYFLY_TEST_JOB_RIG_H
#define MAYFLY_TEST_JOB_RIG_H

#include "runner/job_int.h"

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "folder.h"
#include "test.h"

enum { RIG_PATIENCE_MS = 60000 };

static struct {
	_Atomic int leases, leased;          /* ever; now */
	_Atomic int layers;                  /* references now */
	_Atomic int acquired, heads, reads, expected;
	_Atomic int lose;                    /* the next heads lose their instance */
	_Atomic(struct runner *) let_go;     /* heads with "gate" wait until it is their runner */
	_Atomic bool hang_boot;
	_Atomic int gone;                    /* the next leases find their layer dropped */
	_Atomic bool writes;                 /* heads are not read-only after all */
	struct caps { _Atomic int64_t jobs, running, ttl_s; } caps;
	_Atomic int running, most;           /* heads at once, of tenant `default` */
	char order[64];                      /* tenants of heads, as they began */
	_Atomic int norder;
} world;

/* --- layers --- */

struct layer {
	char id[RUNNER_HEX + 1];
};

static bool rig_word(const struct tree *t, struct str path, struct str word)
{
	const struct tree_file *f = tree_find(t, path);

	return f && str_search(f->content, word) < f->content.n;
}

/* Until the stop sign or the deadline. */
static bool rig_hang(struct call *c, struct pg_stop *stop)
{
	while (!atomic_load(&stop->on)) {
		struct pollfd p = {.fd = stop->fd, .events = POLLIN};

		if (c->deadline_ms && clock_mono_ms() >= c->deadline_ms)
			return fail(c, ERR_STATEMENT_TIMEOUT, "too late");
		poll(&p, 1, 5);
	}
	return fail(c, ERR_CANCELED, "canceled");
}

bool layer_acquire(struct call *c, struct runner *r, const struct layer_ask *ask, struct layer_got *ret)
{
	(void)r;
	atomic_fetch_add(&world.acquired, 1);
	for (int i = 0; i < ask->plan->nsteps; i++) {
		struct str path = ask->plan->steps[i].path;

		ask->told.step(ask->told.arg, JOB_AT_TAIL_REPLAY, i, ask->plan->nsteps, "step");
		if (rig_word(ask->tree, path, S("hang")))
			return rig_hang(c, ask->stop);
		if (!rig_word(ask->tree, path, S("broken")))
			continue;
		ret->error = (struct job_error){.code = S("sql_error"), .message = S("secret broke"), .sqlstate = "42601", .path = path,
						.line = 1, .stage = JOB_AT_TAIL_REPLAY};
		return fail(c, ERR_SQL, "secret broke");
	}
	ret->layer = base_zalloc(sizeof(struct layer));
	memcpy(ret->layer->id, ask->plan->tail_hash, RUNNER_HEX);
	ret->built = false;
	ret->steps_reused = ask->plan->nsteps;
	ret->deterministic = "unverified";
	atomic_fetch_add(&world.layers, 1);
	return true;
}

void layer_release(struct layer *l)
{
	if (!l)
		return;
	atomic_fetch_sub(&world.layers, 1);
	free(l);
}

struct str layer_id(const struct layer *l)
{
	return str_of(l->id);
}

bool layer_there(struct runner *r, struct str tenant, struct str id)
{
	(void)r;
	(void)tenant;
	(void)id;
	return false;
}

bool layers_open(struct call *c, struct runner *r)
{
	(void)c;
	(void)r;
	return true;
}

void layers_sweep(struct call *c, struct runner *r)
{
	(void)c;
	(void)r;
}

void layers_close(struct runner *r)
{
	(void)r;
}

void layers_counted(struct runner *r, int *ret_n, int64_t *ret_bytes)
{
	(void)r;
	*ret_n = 0;
	*ret_bytes = 0;
}

/* --- instances --- */

bool instance_lease(struct call *c, struct runner *r, struct layer *l, bool shared, struct pg_stop *stop, struct tenancy *ret)
{
	(void)r;
	(void)l;
	if (atomic_load(&world.hang_boot))
		return rig_hang(c, stop);
	if (atomic_load(&world.gone) > 0 && atomic_fetch_sub(&world.gone, 1) > 0)
		return fail(c, ERR_NOT_FOUND, "dropped by another server");
	*ret = (struct tenancy){.shared = shared, .warm = true, .of = stop};
	atomic_fetch_add(&world.leases, 1);
	atomic_fetch_add(&world.leased, 1);
	return true;
}

void instance_return(struct runner *r, struct tenancy *t, bool healthy)
{
	(void)r;
	(void)t;
	(void)healthy;
	atomic_fetch_sub(&world.leased, 1);
}

void instance_expect(struct runner *r, struct str tenant, const struct plan *plan)
{
	(void)r;
	(void)tenant;
	(void)plan;
	atomic_fetch_add(&world.expected, 1);
}

bool instances_open(struct call *c, struct runner *r)
{
	(void)c;
	(void)r;
	return true;
}

void instances_sweep(struct runner *r)
{
	(void)r;
}

void instances_close(struct runner *r)
{
	(void)r;
}

void instances_counted(struct runner *r, int *ret_warm, int *ret_busy)
{
	(void)r;
	*ret_warm = 0;
	*ret_busy = atomic_load(&world.leased);
}

/* --- heads --- */

static bool take_one(_Atomic int *left)
{
	int n = atomic_load(left);

	return n > 0 && atomic_fetch_sub(left, 1) > 0;
}

static void rig_answer(struct call *c, bool large, bool loud, struct pg_answer *a)
{
	static const struct engine_column column = {.name = S_INIT("n"), .type = S_INIT("BIGINT"), .kind = ENGINE_T_INT, .nullable = true};
	static const struct pg_notice notice = {.severity = S_INIT("NOTICE"), .sqlstate = "00000", .message = S_INIT("secret notice")};
	OWNS(buf) columns = {0}, rows = {0};

	engine_pack_columns(&column, 1, &columns);
	buf_lit(&rows, "{\"data\":[[7]");
	for (int i = 0; large && i < 20000; i++)
		buf_fmt(&rows, ",[%d]", i);
	buf_lit(&rows, "]}");
	*a = (struct pg_answer){.outcome = PG_OK, .command_tag = S("SELECT 1"), .has_rows = true,
				.columns = arena_dup(c->arena, buf_str(&columns)),
				.nparts = 1, .parts = ARENA_ARRAY(c->arena, struct engine_part, 1), .rows = large ? 20001 : 1,
				.affected = -1, .notices = &notice, .nnotices = loud};
	a->parts[0] = (struct engine_part){.bytes = engine_bytes_copy(buf_str(&rows)), .rows = a->rows};
}

static void rig_begins(struct str tenant)
{
	int n = atomic_fetch_add(&world.norder, 1), now = atomic_fetch_add(&world.running, 1) + 1, most = atomic_load(&world.most);

	if (n < (int)sizeof(world.order))
		world.order[n] = tenant.p[0];
	while (now > most && !atomic_compare_exchange_weak(&world.most, &most, now))
		continue;
}

static bool rig_gate(struct call *c, struct runner *r)
{
	while (atomic_load(&world.let_go) != r && !atomic_load(c->cancel))
		usleep(500);
	return !atomic_load(c->cancel);
}

enum pg_outcome script_run(struct call *c, struct script_run *run, struct str path)
{
	struct pg_answer a;
	enum pg_outcome o = PG_OK;

	atomic_fetch_add(&world.heads, 1);
	rig_begins(c->tenant);
	if (take_one(&world.lose)) {
		o = PG_LOST;
	} else if (rig_word(run->tree, path, S("hang"))) {
		struct pg_stop *stop = CONTAINER_OF(c->cancel, struct pg_stop, on);

		(void)!rig_hang(c, stop);
		o = c->err.kind == ERR_CANCELED ? PG_STOPPED : PG_LATE;
		call_forgive(c);
	} else if (rig_word(run->tree, path, S("gate")) && !rig_gate(c, run->runner)) {
		o = PG_STOPPED;
	} else if (rig_word(run->tree, path, S("broken"))) {
		run->error = (struct job_error){.code = S("sql_error"), .message = S("secret broke"), .sqlstate = "42601", .path = path,
						.line = 2, .column = 3, .position = 9, .stage = JOB_AT_HEAD_EXECUTION};
		o = PG_FAILED;
	} else {
		rig_answer(c, rig_word(run->tree, path, S("large")), rig_word(run->tree, path, S("loud")), &a);
		run->sink.answer(run->sink.arg, &a);
		pg_answer_drop(&a);
		if (rig_word(run->tree, path, S("lose after")))
			o = PG_LOST;
	}
	atomic_fetch_sub(&world.running, 1);
	return o;
}

bool script_read_only(struct call *c, const struct script_run *run, struct str path, struct str **ret, int *ret_n)
{
	struct str *v = ARENA_ARRAY(c->arena, struct str, 1);

	v[0] = S("SELECT 7");
	*ret = v;
	*ret_n = 1;
	return rig_word(run->tree, path, S("fast"));
}

void script_place_error(struct call *c, struct script_run *run, struct str path, int index, const struct pg_notice *n)
{
	(void)c;
	run->error = (struct job_error){.code = S("sql_error"), .message = n->message, .path = path, .statement = index + 1};
	memcpy(run->error.sqlstate, n->sqlstate, sizeof(n->sqlstate));
}

enum pg_outcome pg_read(struct call *c, struct pg_conn *p, const struct str *sql, int n, struct pg_caps caps,
			struct pg_answer *answers)
{
	(void)p;
	(void)sql;
	(void)n;
	(void)caps;
	atomic_fetch_add(&world.reads, 1);
	if (take_one(&world.lose))
		return answers[0].outcome = PG_LOST;
	if (atomic_load(&world.writes))
		return answers[0].outcome = PG_NOT_READ_ONLY;
	rig_answer(c, false, false, &answers[0]);
	return PG_OK;
}

/* --- the backend: only its name and identity are asked for --- */

static bool rig_identity(struct call *c, struct pg_backend *b, struct buf *ret)
{
	(void)c;
	(void)b;
	buf_lit(ret, "rig");
	return true;
}

static void rig_report(struct pg_backend *b, struct pg_report *ret)
{
	(void)b;
	*ret = (struct pg_report){.backend = "rig", .driver = "none"};
}

static const struct pg_backend_ops rig_backend_ops = {.name = "rig", .identity = rig_identity, .report = rig_report};
static struct pg_backend rig_backend = {&rig_backend_ops};

/* --- servers --- */

struct rig_server {
	struct exec_loop *loop;
	struct exec_pool *pool;
	struct lifecycle *lifecycle;
	struct store *journal;
	struct runner *runner;
	struct id name;
	_Atomic bool stopped;
};
struct rig {
	char dir[FOLDER_PATH_MAX];
	struct arena arena;
	struct call c;                       /* tenant `default` */
	struct store *store;
	struct kv *kv;
	struct runner_options o;             /* what servers are opened with */
};

static void rig_caps(void *arg, struct str tenant, struct runner_caps *ret)
{
	(void)arg;
	(void)tenant;
	*ret = (struct runner_caps){.jobs = world.caps.jobs, .running = world.caps.running, .job_ttl_s = world.caps.ttl_s,
				    .blob_bytes = 1 << 20, .layer_bytes = 1 << 20};
}

static void rig_open(struct rig *g)
{
	memset(&world, 0, sizeof(world));
	world.caps.jobs = 1000;
	world.caps.running = 8;
	world.caps.ttl_s = 2592000;
	*g = (struct rig){0};
	folder_make(g->dir);
	call_open(&g->c, &g->arena);
	g->c.tenant = S("default");
	g->store = store_folder_open(&g->c, arena_fmt(&g->arena, "%s/store", g->dir));
	assert_non_null(g->store);
	g->kv = kv_memory_open(100000);
	g->o = (struct runner_options){
		.store = g->store, .kv = g->kv, .backend = &rig_backend, .concurrent = 4, .queued = 100, .project_files = 1000,
		.project_bytes = 1 << 20, .result_rows = 1000, .result_bytes = 1 << 20, .result_statements = 10, .replay_ms = 150,
		.layer_bytes = 1 << 30, .layer_ttl_s = 3600, .instance_ttl_s = 60, .instance_idle_s = 60, .instances = 8, .warm_bytes = 1 << 20,
		.blob_ttl_s = 3600, .hooks_private = true, .hook_attempts = 3, .hook_backoff_ms = 1000, .caps = rig_caps,
	};
}

static void rig_close(struct rig *g)
{
	assert_int_equal(world.leased, 0); /* no instance is left behind */
	assert_int_equal(world.layers, 0);
	g->kv->ops->close(g->kv);
	g->store->ops->close(g->store);
	arena_close(&g->arena);
	folder_remove(g->dir);
}

#define RIG_UNTIL(cond) \
	do { \
		for (int64_t rig_end_ = rig_now(); !(cond);) { \
			assert_true(rig_now() - rig_end_ < RIG_PATIENCE_MS); \
			usleep(500); \
		} \
	} while (0)

/* Real time, whatever the tests' clock says. */
static int64_t rig_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Its look at the store and at the leases, which it begins as it opens: behind a test's back it would take up what the test gives
 * to another server by turning the clock.
 */
static bool rig_looks(struct rig_server *s)
{
	struct jobs *js = s->runner->jobs;
	bool looks;

	pthread_mutex_lock(&js->lock);
	looks = js->keeping;
	pthread_mutex_unlock(&js->lock);
	return looks;
}

/* A server of that number: the same number is the same server, started again. It has looked once, and from now on does so when
 * it is told to.
 */
static void rig_start(struct rig *g, struct rig_server *s, int number)
{
	*s = (struct rig_server){0};
	snprintf(s->name.text, sizeof(s->name.text), "00000000-0000-4000-8000-%012d", number);
	s->loop = exec_loop_open("rig");
	s->pool = exec_pool_open("rig", 4, 1000);
	s->lifecycle = lifecycle_open(&(struct lifecycle_options){.loop = s->loop, .tick_ms = 10, .batch = 100});
	s->journal = store_folder_open(&g->c, arena_fmt(&g->arena, "%s/journal%d", g->dir, number));
	assert_non_null(s->journal);
	g->o.journal = s->journal;
	g->o.pool = s->pool;
	g->o.lifecycle = s->lifecycle;
	g->o.server = id_str(&s->name);
	s->runner = runner_open(&g->c, &g->o);
	if (!s->runner)
		printf("%s\n", g->c.err.text);
	assert_non_null(s->runner);
	RIG_UNTIL(!rig_looks(s));
}

static void rig_told(void *arg)
{
	atomic_store((_Atomic bool *)arg, true);
}

UNUSED static void rig_stop(struct rig_server *s)
{
	runner_stop(s->runner, rig_told, &s->stopped);
	RIG_UNTIL(atomic_load(&s->stopped));
	exec_pool_close(s->pool);
	runner_close(s->runner);
	lifecycle_close(s->lifecycle);
	exec_loop_close(s->loop);
	s->journal->ops->close(s->journal);
}

UNUSED static void rig_tick(struct rig_server *s)
{
	lifecycle_sweep(s->lifecycle);
}

/* What its background work does with leases, now. */
UNUSED static void rig_keep(struct rig_server *s, bool scan)
{
	OWNS(arena) a = {0};
	struct call c;

	call_open(&c, &a);
	c.role = ROLE_ADMIN;
	keep_now(&c, s->runner, scan);
}

UNUSED static void rig_flush(struct rig_server *s)
{
	OWNS(arena) a = {0};
	struct call c;

	call_open(&c, &a);
	journal_flush(&c, s->runner);
}

/* --- asking --- */

UNUSED static struct job_ask rig_ask(struct rig *g, const char *tail, const char *head)
{
	struct job_file *v = ARENA_ARRAY(&g->arena, struct job_file, 2);

	v[0] = (struct job_file){.path = S("a.sql"), .content = str_of(tail)};
	v[1] = (struct job_file){.path = S("b.sql"), .content = str_of(head)};
	return (struct job_ask){.files = v, .nfiles = 2, .nchain = -1, .head_path = S("b.sql"), .fingerprint = str_of(head)};
}

static struct job *rig_create(struct rig *g, struct rig_server *s, const struct job_ask *ask)
{
	struct job *j = NULL;

	if (!job_create(&g->c, s->runner, ask, &j))
		printf("%s: %s\n", err_code(g->c.err.kind), g->c.err.text);
	assert_non_null(j);
	return j;
}

UNUSED static void rig_wait(struct job *j)
{
	RIG_UNTIL(job_ended(j));
}

UNUSED static struct job *rig_run(struct rig *g, struct rig_server *s, const char *tail, const char *head)
{
	struct job_ask ask = rig_ask(g, tail, head);
	struct job *j = rig_create(g, s, &ask);

	rig_wait(j);
	return j;
}

/* The document, in the rig's arena. */
UNUSED static const char *rig_document(struct rig *g, struct job *j)
{
	OWNS(buf) b = {0};
	struct json_out o = json_out(&b);

	assert_true(job_write(&g->c, j, true, &o));
	return arena_cstr(&g->arena, buf_str(&b));
}

UNUSED static void rig_refused(struct rig *g, bool ok, enum err_kind kind)
{
	assert_false(ok);
	if (g->c.err.kind != kind)
		printf("%s: %s\n", err_code(g->c.err.kind), g->c.err.text);
	assert_int_equal(g->c.err.kind, kind);
	call_forgive(&g->c);
}

static bool rig_has(const char *text, const char *part)
{
	bool has = strstr(text, part) != NULL;

	if (!has)
		printf("%s\nhas not %s\n", text, part);
	return has;
}
#define assert_has(text, part) assert_true(rig_has((text), (part)))
#define assert_has_not(text, part) assert_null(strstr((text), (part)))

#endif
