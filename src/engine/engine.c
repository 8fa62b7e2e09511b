/* engine.c - the door's server side: tasks in, cancel, start and stop.
 *
 * Not here: a tenant's queue (lane.c), a worker process (link.c), what a
 * worker does (worker/).
 */
#include "engine/engine_int.h"

#include <errno.h>
#include <limits.h>
#include <linux/landlock.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { TICK_MS = 500 };

/* --- tasks --- */

void engine_task_unref(struct engine_task *t)
{
	if (!t || atomic_fetch_sub(&t->refs, 1) != 1)
		return;
	buf_drop(&t->body);
	if (t->fd >= 0)
		close(t->fd);
	engine_catalog_unref(t->catalog);
	engine_catalog_unref(t->to);
	free(t->name);
	free(t);
}

struct engine_task *task_new(struct engine *e, enum wire_kind kind, const struct engine_listener *l, void *arg)
{
	struct engine_task *t = base_zalloc(sizeof(*t));

	list_init(&t->node);
	atomic_init(&t->refs, 2); /* the caller's and ours until ended() */
	t->engine = e;
	t->kind = kind;
	t->fd = -1;
	t->listener = l;
	t->arg = arg;
	return t;
}

/* Every place for a worker is taken by another tenant that has work. Lock held. */
static bool no_worker_for(struct engine *e, const struct lane *lane)
{
	struct map_slot slot;
	int busy = 0;

	if (e->report.workers < e->o.max_workers || lane->has_worker || lane->queued)
		return false;
	for (size_t i = 0; map_next(&e->lanes, &i, &slot);) {
		const struct lane *other = slot.value;

		busy += other->keeps || other->queued + other->running > 0;
	}
	return busy >= e->o.max_workers;
}

bool task_queue(struct call *c, struct engine_task *t, struct str tenant)
{
	struct engine *e = t->engine;
	enum err_kind refused = ERR_NONE;
	struct lane *lane;

	INVARIANT(e->o.records == (t->kind == WIRE_RECORDS));
	pthread_mutex_lock(&e->lock);
	lane = lane_of(e, tenant);
	if (e->stopping || (!t->express && no_worker_for(e, lane)))
		refused = ERR_UNAVAILABLE;
	else if (!t->express && lane->queued + lane->running >= lane->limits.queued + lane->limits.concurrent)
		refused = ERR_TOO_MANY;
	else if (t->script_begins && !script_open(lane, t->script))
		refused = ERR_QUOTA;
	if (!refused) {
		catalog_task_begun(t);
		lane_add(lane, t);
	}
	pthread_mutex_unlock(&e->lock);
	if (!refused)
		return true;
	engine_task_unref(t);
	engine_task_unref(t);
	if (refused == ERR_QUOTA)
		return fail(c, ERR_TOO_MANY, "tenants.open_scripts: so many requests of several statements run already");
	return refused == ERR_TOO_MANY ? fail(c, refused, "the tenant's queue of statements is full")
				       : fail(c, refused, "no engine worker can be had now: engine.max_workers tenants run");
}

bool engine_run(struct call *c, struct engine *e, const struct engine_ask *ask, const struct engine_listener *l,
		void *arg, struct engine_task **ret)
{
	struct engine_task *t = task_new(e, WIRE_RUN, l, arg);
	struct wire_catalog scope;

	if (ask->catalog) {
		t->catalog = engine_catalog_ref(ask->catalog);
		catalog_scope(ask->catalog, &scope);
		INVARIANT(str_eq(ask->tenant, catalog_tenant(ask->catalog)));
	}
	t->changes = ask->writes || ask->session_state || ask->verb == ENGINE_CREATE_DATABASE || ask->verb == ENGINE_DROP_DATABASE;
	t->changes = t->changes || ask->script; /* a transaction of several statements ends with any of them */
	t->script = ask->script;
	t->script_begins = ask->script && ask->script_begins;
	wire_put_ask(&t->body, ask, ask->catalog ? &scope : NULL);
	if (!task_queue(c, t, ask->tenant))
		return false;
	*ret = t;
	return true;
}

bool engine_unchanging(struct engine *e, struct str tenant, uint64_t *ret)
{
	struct lane *lane;
	bool still;

	pthread_mutex_lock(&e->lock);
	lane = lane_of(e, tenant);
	still = lane->changing == 0;
	if (still)
		*ret = lane->changed;
	pthread_mutex_unlock(&e->lock);
	return still;
}

bool engine_to_parquet(struct call *c, struct engine *e, const struct engine_table *table, const struct engine_listener *l,
		       void *arg, struct engine_task **ret)
{
	struct engine_task *t = task_new(e, WIRE_PARQUET, l, arg);

	wire_text(&t->body, table->packed_columns);
	wire_u32(&t->body, (uint32_t)table->nparts);
	for (int i = 0; i < table->nparts; i++)
		wire_text(&t->body, engine_bytes_str(table->parts[i]));
	if (!task_queue(c, t, c->tenant))
		return false;
	*ret = t;
	return true;
}

/* --- canceling --- */

static void cancel_on_loop(void *arg)
{
	struct engine_task *t = arg;
	struct engine *e = t->engine;
	bool queued, sent;

	pthread_mutex_lock(&e->lock);
	queued = t->state == TASK_QUEUED;
	sent = t->state == TASK_SENT;
	if (queued)
		lane_remove(t->lane, t);
	pthread_mutex_unlock(&e->lock);
	if (queued)
		task_end(t, &(struct engine_end){.outcome = ENGINE_INTERRUPTED, .position = -1});
	else if (sent)
		link_cancel(t->lane->link, t);
	engine_task_unref(t);
}

void engine_cancel(struct engine_task *t)
{
	struct engine *e = t->engine;
	bool first;

	pthread_mutex_lock(&e->lock);
	first = !t->cancel_asked && t->state != TASK_ENDED;
	t->cancel_asked = true;
	pthread_mutex_unlock(&e->lock);
	if (!first)
		return;
	atomic_fetch_add(&t->refs, 1);
	exec_post(e->o.loop, cancel_on_loop, t);
}

/* --- the engine --- */

static int landlock_abi(void)
{
	return (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

/* May an unprivileged uid walk to this folder? Every folder above must let others through. */
static bool world_reachable(const char *path)
{
	char at[PATH_MAX];
	struct stat st;

	if (!realpath(path, at))
		return false;
	for (char *slash = strrchr(at, '/'); slash; slash = strrchr(at, '/')) {
		*slash = '\0';
		if (stat(*at ? at : "/", &st) != 0 || !(st.st_mode & S_IXOTH))
			return false;
	}
	return true;
}

static void probe_sandbox(struct engine *e)
{
	struct engine_report *r = &e->report;

	r->landlock = landlock_abi() > 0;
	r->seccomp = prctl(PR_GET_SECCOMP) >= 0;
	r->rlimits = true;
	r->own_uid = geteuid() == 0 && e->o.uid_base != 0 && world_reachable(e->data_dir) &&
		     (!e->cache_dir || world_reachable(e->cache_dir));
}

/* Others may pass through, and read nothing: workers have uids of their own. */
static bool make_folder(struct call *c, const char *path)
{
	if (file_make_folder(path, 0711) && chmod(path, 0711) == 0)
		return true;
	return fail(c, ERR_UNAVAILABLE, "cannot make the folder %s: %s", path, strerror(errno));
}

/* Workers are told its absolute path. */
static bool open_cache(struct call *c, struct engine *e)
{
	const char *path = e->o.cache_dir.n ? arena_cstr(c->arena, e->o.cache_dir) : NULL;

	if (!path)
		return true;
	if (!make_folder(c, path))
		return false;
	e->cache_dir = realpath(path, NULL);
	return e->cache_dir || fail(c, ERR_UNAVAILABLE, "cannot find the folder %s: %s", path, strerror(errno));
}

static bool make_folders(struct call *c, struct engine *e)
{
	char path[PATH_MAX];

	if (e->o.records)
		return make_folder(c, e->data_dir);
	snprintf(path, sizeof(path), "%s/tenants", e->data_dir);
	return make_folder(c, e->data_dir) && make_folder(c, path) && open_cache(c, e);
}

/* Lanes are added by any thread and removed by none before engine_close. */
struct lane **engine_lanes(struct engine *e, struct arena *a, size_t *ret_n)
{
	struct map_slot slot;
	struct lane **v;
	size_t n = 0;

	pthread_mutex_lock(&e->lock);
	v = ARENA_ARRAY(a, struct lane *, e->lanes.n + 1);
	for (size_t i = 0; map_next(&e->lanes, &i, &slot);)
		v[n++] = slot.value;
	pthread_mutex_unlock(&e->lock);
	*ret_n = n;
	return v;
}

static void on_tick(void *arg)
{
	struct engine *e = arg;
	OWNS(arena) a = {0};
	int64_t now = clock_mono_ms();
	size_t n;
	struct lane **lanes = engine_lanes(e, &a, &n);

	for (size_t i = 0; i < n; i++)
		if (lanes[i]->link)
			link_tick(lanes[i]->link, now);
}

static bool find_program(struct call *c, struct engine *e)
{
	char exe[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	if (e->o.program) {
		e->exe = strdup(e->o.program);
		return true;
	}
	if (n < 0)
		return fail(c, ERR_UNAVAILABLE, "cannot find this program: %s", strerror(errno));
	exe[n] = '\0';
	e->exe = strdup(exe);
	return true;
}

struct engine *engine_open(struct call *c, const struct engine_options *o)
{
	struct engine *e = base_zalloc(sizeof(*e));

	e->o = *o;
	e->data_dir = strndup(o->data_dir.p, o->data_dir.n);
	e->slots = base_zalloc((size_t)o->max_workers);
	pthread_mutex_init(&e->lock, NULL);
	if (!find_program(c, e) || !make_folders(c, e)) {
		engine_close(e);
		return NULL;
	}
	probe_sandbox(e);
	if (o->require_sandbox && !(e->report.landlock && e->report.seccomp)) {
		fail(c, ERR_UNAVAILABLE, "engine.sandbox is `require`, but this kernel lacks %s",
		     e->report.landlock ? "seccomp" : "Landlock");
		engine_close(e);
		return NULL;
	}
	e->tick = exec_timer_open(o->loop, on_tick, e);
	exec_timer_set(e->tick, TICK_MS, TICK_MS);
	return e;
}

void engine_report(struct engine *e, struct engine_report *ret)
{
	pthread_mutex_lock(&e->lock);
	*ret = e->report;
	pthread_mutex_unlock(&e->lock);
}

/* --- stopping --- */

static void check_stopped(void *arg)
{
	struct engine *e = arg;
	bool all_gone;

	pthread_mutex_lock(&e->lock);
	all_gone = e->stopping && e->report.workers == 0;
	pthread_mutex_unlock(&e->lock);
	if (!all_gone || !e->stopped)
		return;
	exec_timer_close(e->tick);
	e->tick = NULL;
	e->stopped(e->stopped_arg);
	e->stopped = NULL;
}

static void stop_on_loop(void *arg)
{
	struct engine *e = arg;
	OWNS(arena) a = {0};
	size_t n;
	struct lane **lanes = engine_lanes(e, &a, &n);

	for (size_t i = 0; i < n; i++) {
		lane_fail_queue(lanes[i], "the server is stopping");
		if (lanes[i]->link)
			link_quit(lanes[i]->link);
	}
	check_stopped(e);
}

void engine_worker_gone(struct engine *e)
{
	check_stopped(e);
}

void engine_stop(struct engine *e, exec_fn *told, void *arg)
{
	pthread_mutex_lock(&e->lock);
	e->stopping = true;
	e->stopped = told;
	e->stopped_arg = arg;
	pthread_mutex_unlock(&e->lock);
	exec_post(e->o.loop, stop_on_loop, e);
}

void engine_close(struct engine *e)
{
	struct map_slot slot;

	for (size_t i = 0; map_next(&e->lanes, &i, &slot);) {
		struct lane *lane = slot.value;

		if (lane->link)
			link_abandon(lane->link);
		scripts_close(lane);
		free(lane);
	}
	map_close(&e->lanes);
	exec_timer_close(e->tick);
	pthread_mutex_destroy(&e->lock);
	free(e->exe);
	free(e->data_dir);
	free(e->cache_dir);
	free(e->slots);
	free(e);
}
