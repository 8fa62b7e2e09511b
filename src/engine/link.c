/* link.c - one worker process: started, fed, heard, stopped, reaped.
 *
 * Everything here runs on the engine's loop. What the worker sends is input:
 * a packet that does not parse ends the worker, never the server.
 */
#include "engine/engine_int.h"

#include "obs/obs.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PACKETS_A_WAKE = 64, STOP_GRACE_MS = 10000, START_GRACE_MS = 30000,
       UNREAD_MAX = 1024 * 1024 };

struct link {
	struct engine *engine;
	struct lane *lane;
	struct exec_child *child;
	int jobs, control;
	struct exec_watch *jobs_watch, *control_watch;
	struct list sent; /* tasks that the worker has */
	int nsent, nexpress, ningests, nexports, slot; /* of nsent: express ones, uploads, exports */
	uint64_t generation;
	struct list catalogs;   /* in its memory: while there are any it is neither stopped nor renewed */
	int nscripts;           /* open in it: likewise */
	enum link_state state;
	bool greeted, dismissed; /* it was ready once; it was told to go */
	bool short_of_memory;    /* a statement found none: a fresh process has its memory in one piece */
	struct buf control_out; /* packets that did not fit yet: u32 size, bytes */
	struct list unsent;     /* tasks of `sent` that did not fit yet */
	struct buf lost;        /* ids of exports that ran when it died: what they wrote is dropped when it is gone */
	int64_t since_ms;       /* of the state; of the last work when READY */
	char why[256];          /* what the worker said when it could not go on */
	char packet[WIRE_PACKET + 4096];
};

static void set_state(struct link *k, enum link_state to)
{
	static const struct fsm_state moves[] = {
		[LINK_STARTING] = {"starting", TO(LINK_READY) | TO(LINK_STOPPING) | TO(LINK_DEAD)},
		[LINK_READY] = {"ready", TO(LINK_STOPPING) | TO(LINK_DEAD)},
		[LINK_STOPPING] = {"stopping", TO(LINK_DEAD)},
		[LINK_DEAD] = {"dead", 0},
	};

	INVARIANT(fsm_may(moves, k->state, to));
	k->state = to;
	k->since_ms = clock_mono_ms();
}

enum link_state link_state(const struct link *k)
{
	return k->state;
}

uint64_t link_generation(const struct link *k)
{
	return k->generation;
}

/* Does it have what would be lost with it? */
static bool holds(const struct link *k)
{
	return !list_empty(&k->catalogs) || k->nscripts > 0;
}

int64_t link_idle_since(const struct link *k)
{
	return k->state == LINK_READY && k->nsent == 0 && !holds(k) ? k->since_ms : 0;
}

/* The worker has one executor more than statements at once. */
bool link_has_room(const struct link *k, bool express)
{
	int most = k->lane->limits.concurrent;

	return k->nsent <= most && (express || k->nsent - k->nexpress < most);
}

static bool has_file(const struct list *tasks, struct str file)
{
	LIST_EACH(tasks, it)
		if (str_eq(LIST_ITEM(it, struct engine_task, node)->file, file))
			return true;
	return false;
}

/* An upload is as slow as its client and holds an executor all the while, an export is heavy: half of them are left to
 * statements. A batch of records would only wait for another one of its file. */
bool link_takes(const struct link *k, const struct engine_task *t)
{
	int most = (k->lane->limits.concurrent + 1) / 2;

	if (t->kind == WIRE_RECORDS)
		return !has_file(&k->sent, t->file) && !has_file(&k->unsent, t->file);
	return (t->kind != WIRE_INGEST || k->ningests < most) && (t->kind != WIRE_EXPORT || k->nexports < most);
}

static void tell_holds(struct link *k)
{
	pthread_mutex_lock(&k->engine->lock);
	k->lane->keeps = holds(k);
	pthread_mutex_unlock(&k->engine->lock);
}

/* --- sending --- */

static void flush_control(struct link *k)
{
	while (k->control_out.n) {
		uint32_t size;

		memcpy(&size, k->control_out.p, sizeof(size));
		if (wire_send(k->control, str_from(k->control_out.p + sizeof(size), size), -1) != 0 && errno == EAGAIN)
			break;
		buf_cut_front(&k->control_out, sizeof(size) + size);
	}
	exec_watch_set(k->control_watch, EXEC_READ | (k->control_out.n ? EXEC_WRITE : 0));
}

static void send_control(struct link *k, enum wire_kind kind, uint64_t task, const uint32_t *value)
{
	struct buf *b = &k->control_out;
	size_t start = b->n, at;
	uint32_t size;

	if (k->state == LINK_DEAD)
		return;
	wire_u32(b, 0);
	at = wire_begin_record(b, kind, task);
	if (value)
		wire_u32(b, *value);
	wire_end_record(b, at);
	size = (uint32_t)(b->n - start - sizeof(size));
	memcpy(b->p + start, &size, sizeof(size));
	if (start == 0)
		flush_control(k);
}

/* 0 sent, 1 full for now, -1 failed. */
static int send_task(struct link *k, struct engine_task *t)
{
	OWNS(buf) packet = {0};
	bool in_fd = t->body.n > WIRE_INLINE;
	int fd = in_fd ? wire_memfd(buf_str(&t->body)) : t->fd;
	size_t at;
	int rc;

	if (in_fd && fd < 0)
		return -1;
	at = wire_begin_record(&packet, t->kind, t->id);
	if (!in_fd)
		buf_add(&packet, buf_str(&t->body));
	wire_end_record(&packet, at);
	if (in_fd)
		((struct wire_head *)(void *)packet.p)->in_fd = 1;
	rc = wire_send(k->jobs, buf_str(&packet), fd);
	if (rc != 0)
		rc = errno == EAGAIN || errno == ENOBUFS ? 1 : -1;
	if (fd >= 0 && (in_fd || rc == 0))
		close(fd);
	if (rc == 0)
		t->fd = -1;
	return rc;
}

static void link_died(struct link *k);

static void task_sent(struct link *k, struct engine_task *t)
{
	list_del(&t->node);
	list_add_tail(&k->sent, &t->node);
	buf_drop(&t->body);
	if (t->catalog)
		catalog_sent(t->catalog, k->generation, &k->catalogs);
	if (t->to)
		catalog_sent(t->to, k->generation, &k->catalogs);
	if (t->script_begins) {
		k->nscripts++;
		pthread_mutex_lock(&k->engine->lock);
		script_sent(k->lane, t->script, k->generation);
		pthread_mutex_unlock(&k->engine->lock);
	}
	if (t->catalog || t->script_begins)
		tell_holds(k);
	t->listener->started(t->arg);
}

static void flush_tasks(struct link *k)
{
	while (!list_empty(&k->unsent)) {
		struct engine_task *t = LIST_ITEM(k->unsent.next, struct engine_task, node);
		int rc = send_task(k, t);

		if (rc == 1)
			break;
		if (rc < 0) {
			link_died(k);
			return;
		}
		task_sent(k, t);
	}
	exec_watch_set(k->jobs_watch, EXEC_READ | (list_empty(&k->unsent) ? 0 : EXEC_WRITE));
}

static void count_running(struct link *k, const struct engine_task *t, int by)
{
	k->nsent += by;
	k->nexpress += t->express ? by : 0;
	k->ningests += t->kind == WIRE_INGEST ? by : 0;
	k->nexports += t->kind == WIRE_EXPORT ? by : 0;
	pthread_mutex_lock(&k->engine->lock);
	k->engine->report.running += by;
	k->lane->running += t->express ? 0 : by;
	pthread_mutex_unlock(&k->engine->lock);
}

void link_send(struct link *k, struct engine_task *t)
{
	bool waiting = !list_empty(&k->unsent);

	count_running(k, t, 1);
	list_add_tail(&k->unsent, &t->node);
	if (!waiting)
		flush_tasks(k);
}

void link_cancel(struct link *k, struct engine_task *t)
{
	if (!k || k->state == LINK_DEAD)
		return;
	if (t->body.n) { /* still ours: the worker does not read */
		list_del(&t->node);
		count_running(k, t, -1);
		task_end_lost(t, "");
		return;
	}
	t->kill_at_ms = clock_mono_ms() + k->engine->o.cancel_grace_ms;
	send_control(k, WIRE_CANCEL, t->id, NULL);
}

static void renew_when_short(struct link *k)
{
	if (k->short_of_memory && k->nsent == 0 && !holds(k))
		link_quit(k);
}

void link_script_end(struct link *k, uint64_t script, uint64_t generation)
{
	if (!k || k->generation != generation || k->state == LINK_DEAD)
		return;
	send_control(k, WIRE_SCRIPT_END, script, NULL);
	k->nscripts--;
	k->since_ms = clock_mono_ms();
	tell_holds(k);
	renew_when_short(k);
}

void link_quit(struct link *k)
{
	if (k->state >= LINK_STOPPING)
		return;
	k->dismissed = true;
	send_control(k, WIRE_QUIT, 0, NULL);
	set_state(k, LINK_STOPPING);
}

static void kill_worker(struct link *k)
{
	exec_child_kill(k->child, SIGKILL);
}

/* --- hearing --- */

static struct engine_task *find_task(struct link *k, uint64_t id)
{
	LIST_EACH(&k->sent, it) {
		struct engine_task *t = LIST_ITEM(it, struct engine_task, node);

		if (t->id == id)
			return t;
	}
	return NULL;
}

static bool bad_packet(struct link *k, const char *what)
{
	snprintf(k->why, sizeof(k->why), "the worker sent a bad packet (%s)", what);
	return false;
}

static bool is_printable(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~')
			return false;
	return true;
}

static bool hear_hello(struct link *k, struct str body)
{
	struct wire_in in = wire_in(body);
	struct str version = wire_get_text(&in);
	bool landlock = wire_get_u8(&in), seccomp = wire_get_u8(&in), rlimits = wire_get_u8(&in);
	struct engine_report *r = &k->engine->report;

	if (in.bad || k->greeted || k->state > LINK_STOPPING || !is_printable(version))
		return bad_packet(k, "hello");
	pthread_mutex_lock(&k->engine->lock);
	snprintf(r->version, sizeof(r->version), "%.*s", (int)(version.n < 31 ? version.n : 31), version.p);
	r->landlock = landlock;
	r->seccomp = seccomp;
	r->rlimits = rlimits;
	pthread_mutex_unlock(&k->engine->lock);
	k->greeted = true;
	if (k->state == LINK_STARTING)
		set_state(k, LINK_READY);
	return true;
}

static struct engine_bytes *take_memfd(int *fd, size_t size)
{
	OWNS(arena) a = {0};
	struct call c;
	bool mapped, ok;
	void *p;

	call_open(&c, &a);
	ok = *fd >= 0 && wire_take_memfd(&c, *fd, size, &p, &mapped);
	*fd = -1;
	return ok ? engine_bytes_adopt(p, size, mapped) : NULL;
}

static bool hear_columns(struct link *k, struct engine_task *t, const struct wire_head *h, struct str body, int *fd)
{
	struct engine_bytes *large = NULL;

	if (h->in_fd) {
		large = *fd >= 0 ? take_memfd(fd, wire_fd_size(*fd)) : NULL;
		if (!large)
			return bad_packet(k, "columns");
		body = engine_bytes_str(large);
	}
	if (body.n <= WIRE_COLUMNS_MAX)
		t->listener->columns(t->arg, body);
	engine_bytes_unref(large);
	return body.n <= WIRE_COLUMNS_MAX || bad_packet(k, "columns");
}

static bool hear_part(struct link *k, struct engine_task *t, const struct wire_head *h, struct str body, int *fd)
{
	struct wire_part p;
	struct engine_part part;
	const uint32_t one = 1;

	if (body.n < sizeof(p))
		return bad_packet(k, "part");
	memcpy(&p, body.p, sizeof(p));
	if (p.rows < 0 || p.row_bytes < 0)
		return bad_packet(k, "part");
	if (h->in_fd) {
		part.bytes = take_memfd(fd, p.size);
	} else {
		part.bytes = p.size == body.n - sizeof(p) ? engine_bytes_copy(str_tail(body, sizeof(p))) : NULL;
	}
	if (!part.bytes)
		return bad_packet(k, "part bytes");
	part.gzip = p.gzip != 0;
	part.rows = p.rows;
	part.row_bytes = p.row_bytes;
	t->listener->part(t->arg, &part);
	send_control(k, WIRE_ACK, t->id, &one);
	return k->control_out.n <= UNREAD_MAX || bad_packet(k, "parts without reading acknowledgements");
}

static void hear_usage(struct link *k, struct engine_task *t, bool ok, const struct engine_usage *u)
{
	if (!t->catalog)
		return;
	if (u->tables >= 0)
		catalog_used(t->to ? t->to : t->catalog, u);
	if (t->drops && ok && u->tables == 0) {
		catalog_dropped(t->catalog);
		tell_holds(k);
	}
}

static bool hear_end(struct link *k, struct engine_task *t, struct str body)
{
	OWNS(arena) a = {0};
	struct engine_usage usage;
	struct engine_end end;
	enum engine_outcome outcome;

	if (!wire_get_end(&a, body, &end, &usage) || (end.outcome == ENGINE_LOST && !t->script))
		return bad_packet(k, "end");
	outcome = end.outcome;
	end.repeatable = t->repeatable && outcome == ENGINE_OK;
	list_del(&t->node);
	count_running(k, t, -1);
	k->since_ms = clock_mono_ms();
	k->short_of_memory = k->short_of_memory || str_eq(end.class, S("Out of Memory"));
	hear_usage(k, t, outcome == ENGINE_OK, &usage);
	task_end(t, &end);
	renew_when_short(k);
	return true;
}

static bool hear_task(struct link *k, const struct wire_head *h, struct str body, int *fd)
{
	struct engine_task *t = find_task(k, h->task);

	if (!t)
		return bad_packet(k, "unknown task");
	switch (h->kind) {
	case WIRE_COLUMNS:
		return hear_columns(k, t, h, body, fd);
	case WIRE_PART:
		return hear_part(k, t, h, body, fd);
	case WIRE_PROGRESS: {
		struct wire_in in = wire_in(body);

		t->listener->progress(t->arg, wire_get_u32(&in) / 1000.0);
		return !in.bad || bad_packet(k, "progress");
	}
	case WIRE_REPEATABLE:
		t->repeatable = true;
		return true;
	case WIRE_END:
		return hear_end(k, t, body);
	default:
		return bad_packet(k, "kind");
	}
}

static bool hear_record(struct link *k, const struct wire_head *h, struct str body, int *fd)
{
	if (h->kind == WIRE_HELLO)
		return hear_hello(k, body);
	if (h->kind == WIRE_FATAL) {
		struct wire_in in = wire_in(body);
		struct str text = wire_get_text(&in);

		snprintf(k->why, sizeof(k->why), "%.*s", (int)(text.n < 250 ? text.n : 250), text.p);
		return false;
	}
	return hear_task(k, h, body, fd);
}

static bool hear_packet(struct link *k, size_t n, int *fd)
{
	struct wire_in in = wire_in(str_from(k->packet, n));
	struct wire_head h;
	struct str body;

	while (wire_next(&in, &h, &body))
		if (!hear_record(k, &h, body, fd))
			return false;
	return !in.bad || bad_packet(k, "record");
}

/* 1 one packet taken, 0 nothing there, -1 the worker is gone or talks nonsense. */
static int hear_one(struct link *k)
{
	int fd = -1;
	ssize_t n = wire_recv(k->jobs, k->packet, sizeof(k->packet), &fd, MSG_DONTWAIT);
	bool ok;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	if (n == 0)
		return -1;
	ok = hear_packet(k, (size_t)n, &fd);
	if (fd >= 0)
		close(fd);
	return ok ? 1 : -1;
}

static void on_jobs(void *arg, int events)
{
	struct link *k = arg;
	bool greeted = k->greeted;

	if (events & EXEC_WRITE)
		flush_tasks(k);
	if (!(events & EXEC_READ) || k->state == LINK_DEAD)
		return;
	for (int i = 0; i < PACKETS_A_WAKE; i++) {
		int rc = hear_one(k);

		if (rc < 0) {
			link_died(k);
			return;
		}
		if (rc == 0)
			break;
	}
	lane_pump(k->lane);
	if (!greeted && link_idle_since(k)) /* it was started ahead: another tenant may wait for its place */
		lane_pump_all(k->engine);
}

static void on_control(void *arg, int events)
{
	struct link *k = arg;

	if (k->state == LINK_DEAD)
		return;
	if (events & EXEC_READ) /* the worker never writes here: its end is gone */
		link_died(k);
	else
		flush_control(k);
}

/* --- the end --- */

static void end_sent(struct link *k, const char *text)
{
	struct list *it;

	while ((it = list_pop(&k->sent)) != NULL) {
		struct engine_task *t = LIST_ITEM(it, struct engine_task, node);

		count_running(k, t, -1);
		if (t->kind == WIRE_EXPORT)
			buf_add(&k->lost, str_from((const char *)&t->id, sizeof(t->id)));
		task_end_lost(t, text);
	}
}

static void drop_lost_exports(struct link *k)
{
	uint64_t task;

	for (size_t at = 0; at < k->lost.n; at += sizeof(task)) {
		memcpy(&task, k->lost.p + at, sizeof(task));
		engine_drop_exports(k->engine, k->lane->tenant, task);
	}
	buf_drop(&k->lost);
}

/* What never reached the worker waits for the next one. */
static void give_back_unsent(struct link *k)
{
	while (!list_empty(&k->unsent)) {
		struct engine_task *last = LIST_ITEM(k->unsent.prev, struct engine_task, node);

		list_del(&last->node);
		count_running(k, last, -1);
		lane_take_back(k->lane, last);
	}
}

static void lose_catalogs(struct link *k)
{
	struct list *it;

	while ((it = list_pop(&k->catalogs)) != NULL)
		catalog_lost(it);
	tell_holds(k);
}

/* The socket is closed or cannot be trusted: nothing more is heard. The process is reaped in on_exit. */
static void link_died(struct link *k)
{
	const char *text = k->why[0] ? k->why : "the engine worker ended while the statement ran";

	if (k->state == LINK_DEAD)
		return;
	set_state(k, LINK_DEAD);
	exec_watch_close(k->jobs_watch);
	exec_watch_close(k->control_watch);
	close(k->jobs);
	close(k->control);
	if (!k->dismissed)
		kill_worker(k);
	pthread_mutex_lock(&k->engine->lock);
	lane_changed(k->lane, 0); /* sessions in its memory are gone */
	scripts_lost(k->lane, k->generation);
	k->nscripts = 0;
	pthread_mutex_unlock(&k->engine->lock);
	end_sent(k, text);
	give_back_unsent(k);
	lose_catalogs(k);
}

static void count_exit(struct link *k, bool crashed)
{
	struct engine *e = k->engine;

	e->slots[k->slot] = 0;
	pthread_mutex_lock(&e->lock);
	e->report.workers--;
	k->lane->has_worker = false;
	e->report.crashed += crashed;
	pthread_mutex_unlock(&e->lock);
}

/* What it spilled, and rows on their way in: a worker that was killed leaves them. */
static const char *const left_over[] = {"tmp", "spill", "incoming"};

static void on_exit_of_worker(void *arg, int status, int signo)
{
	struct link *k = arg;
	struct lane *lane = k->lane;

	while (k->state != LINK_DEAD && hear_one(k) > 0) /* what it sent before it went */
		;
	link_died(k);
	exec_child_close(k->child);
	for (size_t i = 0; i < COUNT_OF(left_over); i++)
		engine_empty_folder(k->engine, lane->tenant, left_over[i]);
	drop_lost_exports(k);
	count_exit(k, !k->dismissed);
	if (!k->dismissed)
		obs_log(OBS_WARN, "engine", "worker of tenant %s ended: status %d, signal %d%s%s", lane->name, status, signo,
			k->why[0] ? ": " : "", k->why);
	lane->link = NULL;
	if (!k->greeted) /* a worker that cannot start will not start the next time either */
		lane_fail_queue(lane, k->why[0] ? k->why : "the engine worker cannot start");
	engine_take_back(k->engine, lane->tenant);
	engine_worker_gone(k->engine);
	buf_drop(&k->control_out);
	free(k);
	lane_pump_all(lane->engine);
}

void link_abandon(struct link *k)
{
	kill_worker(k);
	exec_child_close(k->child);
	k->dismissed = true;
	link_died(k);
	count_exit(k, false);
	k->lane->link = NULL;
	buf_drop(&k->control_out);
	free(k);
}

void link_tick(struct link *k, int64_t now)
{
	struct engine *e = k->engine;
	int64_t age = now - k->since_ms;

	LIST_EACH(&k->sent, it) {
		struct engine_task *t = LIST_ITEM(it, struct engine_task, node);

		if (!t->kill_at_ms || now < t->kill_at_ms || k->state == LINK_DEAD)
			continue;
		snprintf(k->why, sizeof(k->why), "the engine worker was ended because a canceled statement did not stop");
		pthread_mutex_lock(&e->lock);
		e->report.killed++;
		pthread_mutex_unlock(&e->lock);
		link_died(k);
		return;
	}
	if (link_idle_since(k) && age > e->o.idle_ms)
		link_quit(k);
	else if (k->state == LINK_STARTING ? age > START_GRACE_MS : k->state >= LINK_STOPPING && age > STOP_GRACE_MS)
		kill_worker(k);
}

/* --- starting --- */

static int free_slot(const struct engine *e)
{
	for (int i = 0; i < e->o.max_workers; i++)
		if (!e->slots[i])
			return i;
	return -1;
}

static gid_t group_of(const struct link *k)
{
	return k->engine->report.own_uid ? (gid_t)(k->engine->o.uid_base + (uid_t)k->slot) : (gid_t)-1;
}

static bool start_process(struct call *c, struct link *k, const int child_fds[2], const char *dir)
{
	const struct engine_limits *l = &k->lane->limits;
	const char *cache;
	const char *argv[26];
	struct exec_child_spec spec = {.file = k->engine->exe, .fds = {-1, -1, -1, child_fds[0], child_fds[1]}, .nfds = 5};
	int n = 0;

	if (!engine_cache_folder(c, k->engine, k->lane->tenant, group_of(k), &cache))
		return false;
	argv[n++] = "mayfly";
	argv[n++] = "engine";
	argv[n++] = "--dir";
	argv[n++] = dir;
	argv[n++] = "--memory";
	argv[n++] = arena_fmt(c->arena, "%lld", (long long)l->memory_bytes).p;
	argv[n++] = "--temp";
	argv[n++] = arena_fmt(c->arena, "%lld", (long long)l->temp_bytes).p;
	argv[n++] = "--threads";
	argv[n++] = arena_fmt(c->arena, "%d", l->threads).p;
	argv[n++] = "--concurrent";
	argv[n++] = arena_fmt(c->arena, "%d", l->concurrent).p;
	argv[n++] = "--databases";
	argv[n++] = arena_fmt(c->arena, "%d", l->databases).p;
	if (k->engine->report.own_uid) {
		argv[n++] = "--uid";
		argv[n++] = arena_fmt(c->arena, "%u", (unsigned)(k->engine->o.uid_base + (uid_t)k->slot)).p;
	}
	if (cache) {
		argv[n++] = "--cache";
		argv[n++] = cache;
	}
	if (k->engine->o.require_sandbox)
		argv[n++] = "--require-sandbox";
	if (k->engine->o.records)
		argv[n++] = "--records";
	argv[n] = NULL;
	spec.argv = (char *const *)argv;
	k->child = exec_child_open(c, k->engine->o.loop, &spec, on_exit_of_worker, k);
	return k->child != NULL;
}

static void attach(struct link *k)
{
	struct engine *e = k->engine;

	k->jobs_watch = exec_watch_open(e->o.loop, k->jobs, on_jobs, k);
	k->control_watch = exec_watch_open(e->o.loop, k->control, on_control, k);
	exec_watch_set(k->jobs_watch, EXEC_READ);
	exec_watch_set(k->control_watch, EXEC_READ);
	e->slots[k->slot] = 1;
	pthread_mutex_lock(&e->lock);
	e->report.workers++;
	k->lane->has_worker = true;
	e->report.started++;
	pthread_mutex_unlock(&e->lock);
}

static struct link *link_new(struct lane *lane, int slot, int jobs, int control)
{
	struct link *k = base_zalloc(sizeof(*k));

	k->engine = lane->engine;
	k->lane = lane;
	k->slot = slot;
	k->jobs = jobs;
	k->control = control;
	k->since_ms = clock_mono_ms();
	list_init(&k->sent);
	list_init(&k->unsent);
	list_init(&k->catalogs);
	k->generation = ++k->engine->generation;
	return k;
}

bool link_slot_free(const struct engine *e)
{
	return free_slot(e) >= 0;
}

struct link *link_open(struct call *c, struct lane *lane)
{
	struct engine *e = lane->engine;
	int slot = free_slot(e), jobs[2], control[2];
	const char *dir;
	struct link *k;
	bool ok;

	INVARIANT(slot >= 0);
	dir = engine_tenant_folder(c, e, lane->tenant);
	if (!dir || !wire_sockets(c, jobs, control))
		return NULL;
	if (!lane->no_old_exports)
		engine_empty_folder(e, lane->tenant, ENGINE_EXPORTS);
	lane->no_old_exports = true;
	k = link_new(lane, slot, jobs[0], control[0]);
	ok = start_process(c, k, (int[]){jobs[1], control[1]}, dir);
	close(jobs[1]);
	close(control[1]);
	if (!ok) {
		close(jobs[0]);
		close(control[0]);
		free(k);
		return NULL;
	}
	attach(k);
	return k;
}
