/* worker.c - `mayfly engine`: start, executors, control.
 *
 *   main      sandbox, DuckDB, sandbox, HELLO; then the control thread
 *   executors one thread each: take a packet of jobs, run it, answer
 *   control   cancels and acknowledgements as they come; while statements run a
 *             tick: interrupts again who was canceled, tells progress
 *   governor  see threads.c
 *
 * One lock guards what control and executors share. The process ends when the
 * control socket does; what is not committed then is lost, as a client was
 * never told otherwise.
 */
#include "engine/worker/catalog.h"
#include "engine/worker/databases.h"
#include "engine/worker/process.h"
#include "engine/worker/records.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	TICK_MS = 10,
	PROGRESS_AFTER_MS = 1000,
	PROGRESS_EVERY_MS = 500,
	HEAVY_MS = 20,    /* a statement that computes longer is worth DuckDB's other threads */
	EXECUTORS_MAX = 256,
	THREADS_MAX = 256,
	DATABASES_MAX = 256, /* each has descriptors */
};

/* --- what executors ask --- */
duckdb_database executor_database(const struct executor *x)
{
	return x->w->db;
}

struct catalogs *executor_catalogs(const struct executor *x)
{
	return x->w->catalogs;
}

struct records *executor_records(const struct executor *x)
{
	return x->w->records;
}

void executor_watch_file(struct executor *x, const char *path, int64_t max)
{
	pthread_mutex_lock(&x->w->lock);
	x->growing = max > 0 ? path : NULL;
	x->growing_max = max;
	pthread_mutex_unlock(&x->w->lock);
}

bool executor_overgrown(struct executor *x)
{
	bool yes;

	pthread_mutex_lock(&x->w->lock);
	yes = x->overgrown;
	pthread_mutex_unlock(&x->w->lock);
	return yes;
}

void executor_uses(struct executor *x, struct catalog *k, bool outlives)
{
	pthread_mutex_lock(&x->w->lock);
	x->catalog = k;
	x->outlives = outlives;
	pthread_mutex_unlock(&x->w->lock);
}

/* Lock held. */
static void interrupt(struct executor *x)
{
	x->canceled = true;
	pthread_cond_broadcast(&x->news);
	if (x->running)
		duckdb_interrupt(x->running);
}

void executor_interrupt_others(struct executor *x, const struct catalog *k)
{
	struct worker *w = x->w;

	pthread_mutex_lock(&w->lock);
	for (int i = 0; i < w->nexecutors; i++)
		if (w->executors[i].catalog == k && !w->executors[i].outlives)
			interrupt(&w->executors[i]);
	pthread_mutex_unlock(&w->lock);
}

duckdb_database worker_database(const struct worker *w)
{
	return w->db;
}

struct str *worker_tables(struct worker *w, uint64_t connection, struct arena *a, struct str *ret_catalog, int *ret_n)
{
	struct catalog *k = NULL;
	struct executor *x = NULL;

	pthread_mutex_lock(&w->lock);
	for (int i = 0; i < w->nexecutors; i++) {
		if (!w->executors[i].running || w->executors[i].running_number != connection)
			continue;
		x = &w->executors[i];
		k = x->catalog; /* entered as long as its statement runs */
	}
	pthread_mutex_unlock(&w->lock);
	*ret_n = 0;
	*ret_catalog = k ? arena_dup(a, str_of(k->name)) : S("");
	return k ? catalog_names(x, k, a, ret_n) : NULL;
}

bool executor_runs(struct executor *x, const struct session *s)
{
	bool canceled;

	pthread_mutex_lock(&x->w->lock);
	x->running = s ? s->con : NULL;
	x->running_number = s ? s->number : 0;
	canceled = x->canceled;
	pthread_mutex_unlock(&x->w->lock);
	return !canceled;
}

bool executor_canceled(struct executor *x)
{
	bool canceled;

	pthread_mutex_lock(&x->w->lock);
	canceled = x->canceled;
	pthread_mutex_unlock(&x->w->lock);
	return canceled;
}

void executor_batch(struct executor *x, const struct batch *b)
{
	pthread_mutex_lock(&x->w->lock);
	x->batch = b;
	pthread_mutex_unlock(&x->w->lock);
}

const struct batch *worker_batch(struct worker *w, uint64_t connection)
{
	const struct batch *b = NULL;

	pthread_mutex_lock(&w->lock);
	for (int i = 0; i < w->nexecutors; i++)
		if (w->executors[i].running && w->executors[i].running_number == connection)
			b = w->executors[i].batch;
	pthread_mutex_unlock(&w->lock);
	return b;
}

static void add_ms(struct timespec *at, int64_t ms)
{
	at->tv_sec += ms / 1000;
	at->tv_nsec += ms % 1000 * 1000000L;
	at->tv_sec += at->tv_nsec / 1000000000L;
	at->tv_nsec %= 1000000000L;
}

bool executor_pause(struct executor *x, int64_t ms)
{
	struct timespec until;
	bool ok;

	clock_gettime(CLOCK_MONOTONIC, &until);
	add_ms(&until, ms);
	pthread_mutex_lock(&x->w->lock);
	while (!x->canceled)
		if (pthread_cond_timedwait(&x->news, &x->w->lock, &until) == ETIMEDOUT)
			break;
	ok = !x->canceled;
	pthread_mutex_unlock(&x->w->lock);
	return ok;
}

bool executor_window(struct executor *x)
{
	bool ok;

	pthread_mutex_lock(&x->w->lock);
	while (x->unacked >= WIRE_WINDOW && !x->canceled)
		pthread_cond_wait(&x->news, &x->w->lock);
	ok = !x->canceled;
	x->unacked++;
	pthread_mutex_unlock(&x->w->lock);
	return ok;
}

void worker_send(struct str packet, int fd)
{
	if (wire_send(WIRE_JOBS_FD, packet, fd) != 0)
		_exit(0);
}

bool worker_wait(struct worker *w, uint64_t connection, int64_t seconds)
{
	struct timespec until;
	struct executor *x = NULL;
	bool ok;

	pthread_mutex_lock(&w->lock);
	for (int i = 0; i < w->nexecutors; i++)
		if (w->executors[i].running && w->executors[i].running_number == connection)
			x = &w->executors[i];
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += seconds < 0 ? 0 : seconds > 1 << 30 ? 1 << 30 : seconds;
	while (x && !x->canceled && seconds > 0)
		if (pthread_cond_timedwait(&x->news, &w->lock, &until) == ETIMEDOUT)
			break;
	ok = x && !x->canceled;
	pthread_mutex_unlock(&w->lock);
	return ok;
}

/* --- executors --- */
static bool was_canceled_early(const struct worker *w, uint64_t task)
{
	for (size_t i = 0; i < WORKER_EARLY && i < w->nearly; i++)
		if (w->early[i] == task)
			return true;
	return false;
}

static void executor_begin(struct executor *x, uint64_t task)
{
	struct worker *w = x->w;
	const uint64_t one = 1;
	bool asleep;

	pthread_mutex_lock(&w->lock);
	x->task = task;
	x->canceled = was_canceled_early(w, task);
	x->unacked = 0;
	x->overgrown = false;
	x->began_ms = x->told_ms = clock_mono_ms();
	w->busy++;
	asleep = w->asleep;
	w->asleep = false;
	pthread_mutex_unlock(&w->lock);
	if (asleep && write(w->wake, &one, sizeof(one)) != (ssize_t)sizeof(one))
		_exit(WORKER_EXIT_FATAL);
}

static void executor_end(struct executor *x)
{
	struct worker *w = x->w;
	const uint64_t one = 1;
	bool last;

	pthread_mutex_lock(&w->lock);
	x->task = 0;
	w->busy--;
	last = w->quitting && w->busy == 0;
	pthread_mutex_unlock(&w->lock);
	if (last && write(w->wake, &one, sizeof(one)) != (ssize_t)sizeof(one))
		_exit(WORKER_EXIT_FATAL);
}

NORETURN static void die(struct str why)
{
	OWNS(buf) b = {0};
	size_t at = wire_begin_record(&b, WIRE_FATAL, 0);

	wire_text(&b, str_head(why, 1024));
	wire_end_record(&b, at);
	wire_send(WIRE_JOBS_FD, buf_str(&b), -1);
	_exit(WORKER_EXIT_FATAL);
}

static void run_record(struct executor *x, const struct wire_head *h, struct str body, int fd)
{
	struct task t = {.id = h->task, .usage.tables = -1};

	call_open(&t.call, &x->arena);
	executor_begin(x, h->task);
	if (h->kind == WIRE_PARQUET)
		run_parquet(x, &t, body);
	else if (h->kind == WIRE_EXPORT)
		run_export(x, &t, body);
	else if (h->kind == WIRE_CATALOG)
		run_catalog(x, &t, body);
	else if (h->kind == WIRE_RECORDS)
		run_records(x, &t, body);
	else if (h->kind == WIRE_INGEST)
		run_ingest(x, &t, body, fd);
	else if (wire_get_ask(&t.call, body, &t.ask, &t.scope))
		run_statement(x, &t);
	else
		_exit(WORKER_EXIT_BAD_PACKET);
	if (t.broken && h->kind == WIRE_RECORDS) /* kept or not: nobody can say */
		die(t.end.text);
	parts_finish(&x->parts, &t);
	if (t.broken)
		die(t.end.text);
	if (h->kind == WIRE_RUN && t.scope.name.n == 0)
		executor_renew(x, &t);
	records_answered(x);
	executor_end(x);
	arena_reset(&x->arena);
}

/* A body too long for its packet came in a memfd. */
static void run_memfd(struct executor *x, const struct wire_head *h, int fd)
{
	struct call c;
	size_t size = wire_fd_size(fd);
	struct engine_bytes *b;
	bool mapped;
	void *p;

	call_open(&c, &x->arena);
	if (!wire_take_memfd(&c, fd, size, &p, &mapped))
		_exit(WORKER_EXIT_BAD_PACKET);
	b = engine_bytes_adopt(p, size, mapped);
	run_record(x, h, engine_bytes_str(b), -1);
	engine_bytes_unref(b);
}

static bool is_job(const struct worker *w, const struct wire_head *h, int fd)
{
	if ((h->kind == WIRE_RECORDS) != w->o.records)
		return false;
	if (h->kind == WIRE_INGEST)
		return h->in_fd == 0 && fd >= 0;
	return (h->kind == WIRE_RUN || h->kind == WIRE_EXPORT || h->kind == WIRE_PARQUET || h->kind == WIRE_CATALOG ||
		h->kind == WIRE_RECORDS) &&
	       h->in_fd <= 1 && (!h->in_fd || fd >= 0);
}

static void run_packet(struct executor *x, struct str packet, int fd)
{
	struct wire_in in = wire_in(packet);
	struct wire_head h;
	struct str body;

	while (wire_next(&in, &h, &body)) {
		if (!is_job(x->w, &h, fd))
			_exit(WORKER_EXIT_BAD_PACKET);
		if (!h.in_fd)
			run_record(x, &h, body, fd);
		else
			run_memfd(x, &h, fd);
		if (h.in_fd || h.kind == WIRE_INGEST)
			fd = -1; /* closed there */
	}
	if (in.bad)
		_exit(WORKER_EXIT_BAD_PACKET);
	if (fd >= 0)
		close(fd);
}

static void *executor_main(void *arg)
{
	struct executor *x = arg;
	char *packet = base_alloc(WIRE_PACKET);

	for (;;) {
		int fd;
		ssize_t n = wire_recv(WIRE_JOBS_FD, packet, WIRE_PACKET, &fd, 0);

		if (n == 0)
			break; /* the control socket ends too, and says what to do */
		if (n < 0)
			_exit(WORKER_EXIT_BAD_PACKET);
		run_packet(x, str_from(packet, (size_t)n), fd);
	}
	free(packet);
	return NULL;
}

void worker_init_monotonic(pthread_cond_t *cond)
{
	pthread_condattr_t clock;

	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &clock);
	pthread_condattr_destroy(&clock);
}

static void start_executor(struct worker *w, struct executor *x)
{
	x->w = w;
	parts_open(&x->parts, x);
	worker_init_monotonic(&x->news);
	if (pthread_create(&x->thread, NULL, executor_main, x) != 0)
		die(S("no thread for an executor"));
	pthread_detach(x->thread);
}

/* --- control --- */
static struct executor *executor_of(struct worker *w, uint64_t task)
{
	for (int i = 0; i < w->nexecutors; i++)
		if (w->executors[i].task == task)
			return &w->executors[i];
	return NULL;
}

static void cancel(struct worker *w, uint64_t task)
{
	struct executor *x = executor_of(w, task);

	if (!x) {
		w->early[w->nearly++ % WORKER_EARLY] = task;
		return;
	}
	interrupt(x);
}

static void acknowledge(struct worker *w, uint64_t task, uint32_t parts)
{
	struct executor *x = executor_of(w, task);

	if (!x)
		return;
	x->unacked = (uint32_t)x->unacked > parts ? x->unacked - (int)parts : 0;
	pthread_cond_broadcast(&x->news);
}

static void control_record(struct worker *w, const struct wire_head *h, struct str body)
{
	struct wire_in in = wire_in(body);

	pthread_mutex_lock(&w->lock);
	switch (h->kind) {
	case WIRE_CANCEL:
		if (h->task)
			cancel(w, h->task);
		break;
	case WIRE_ACK:
		acknowledge(w, h->task, wire_get_u32(&in));
		break;
	case WIRE_QUIT:
		w->quitting = true;
		break;
	case WIRE_SCRIPT_END:
		scripts_end(w->scripts, h->task);
		break;
	default:
		_exit(WORKER_EXIT_BAD_PACKET);
	}
	if (in.bad)
		_exit(WORKER_EXIT_BAD_PACKET);
	pthread_mutex_unlock(&w->lock);
}

static void control_packet(struct worker *w, struct str packet)
{
	struct wire_in in = wire_in(packet);
	struct wire_head h;
	struct str body;

	while (wire_next(&in, &h, &body))
		control_record(w, &h, body);
	if (in.bad)
		_exit(WORKER_EXIT_BAD_PACKET);
}

/* Everything that came; the process ends with the socket. */
static void read_control(struct worker *w)
{
	char packet[4096];

	for (;;) {
		int fd;
		ssize_t n = wire_recv(WIRE_CONTROL_FD, packet, sizeof(packet), &fd, MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0)
			_exit(WORKER_EXIT_BAD_PACKET);
		if (n == 0)
			_exit(0);
		if (fd >= 0)
			close(fd);
		control_packet(w, str_from(packet, (size_t)n));
	}
}

/* Per mille of the executor's statement when it is time to tell, else -1. */
static int progress_of(struct executor *x, int64_t now)
{
	double percent;

	if (!x->running || now - x->began_ms < PROGRESS_AFTER_MS || now - x->told_ms < PROGRESS_EVERY_MS)
		return -1;
	x->told_ms = now;
	percent = duckdb_query_progress(x->running).percentage;
	return percent >= 0 && percent <= 100 ? (int)(percent * 10) : -1;
}

static void tell_progress(uint64_t task, int per_mille)
{
	OWNS(buf) b = {0};
	size_t at = wire_begin_record(&b, WIRE_PROGRESS, task);

	wire_u32(&b, (uint32_t)per_mille);
	wire_end_record(&b, at);
	worker_send(buf_str(&b), -1);
}

static int64_t file_size(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? st.st_size : 0;
}

static int64_t cpu_ms(const struct executor *x)
{
	struct timespec t;
	clockid_t clock;

	if (pthread_getcpuclockid(x->thread, &clock) != 0 || clock_gettime(clock, &t) != 0)
		return 0;
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Has its statement computed for long since the first tick that saw it? One that waits for a disk, or for its turn on a busy
 * machine, gains nothing by threads. */
static bool is_heavy(struct executor *x)
{
	if (!x->running)
		return false;
	if (x->weighed != x->task) {
		x->weighed = x->task;
		x->weighed_cpu_ms = cpu_ms(x);
	}
	return cpu_ms(x) - x->weighed_cpu_ms > HEAVY_MS;
}

/* Looks after one executor; tells whether its statement is heavy. */
static bool tend(struct worker *w, struct executor *x, int64_t now)
{
	uint64_t task;
	bool heavy;
	int told;

	pthread_mutex_lock(&w->lock);
	task = x->task;
	heavy = is_heavy(x);
	told = task ? progress_of(x, now) : -1;
	if (x->running && x->growing && file_size(x->growing) > x->growing_max)
		x->overgrown = true;
	if ((x->canceled || x->overgrown) && x->running)
		duckdb_interrupt(x->running); /* the first may have come before it began */
	pthread_mutex_unlock(&w->lock);
	if (told >= 0)
		tell_progress(task, told);
	return heavy;
}

static void tick(struct worker *w)
{
	int64_t now = clock_mono_ms();
	bool heavy = false;

	for (int i = 0; i < w->nexecutors; i++)
		heavy |= tend(w, &w->executors[i], now);
	threads_tick(w, heavy, now);
}

/* With statements running or threads to give back there is a tick, else sleep. */
static int patience(struct worker *w)
{
	bool idle;

	pthread_mutex_lock(&w->lock);
	idle = w->busy == 0 && w->wanted == 1;
	w->asleep = idle;
	pthread_mutex_unlock(&w->lock);
	return idle ? -1 : TICK_MS;
}

static void checkpoint(struct worker *w)
{
	duckdb_result r;

	duckdb_query(w->con, "CHECKPOINT MAYFLY", &r);
	duckdb_destroy_result(&r);
	databases_checkpoint(w->databases, w->con);
}

static void quit_when_done(struct worker *w)
{
	bool done;

	pthread_mutex_lock(&w->lock);
	done = w->quitting && w->busy == 0;
	pthread_mutex_unlock(&w->lock);
	if (!done)
		return;
	if (w->records)
		records_close(w->records);
	else
		checkpoint(w);
	_exit(0);
}

NORETURN static void control_main(struct worker *w)
{
	struct pollfd fds[2] = {{.fd = WIRE_CONTROL_FD, .events = POLLIN}, {.fd = w->wake, .events = POLLIN}};

	for (;;) {
		uint64_t woken;

		if (poll(fds, 2, patience(w)) < 0 && errno != EINTR)
			_exit(WORKER_EXIT_FATAL);
		if (fds[1].revents && read(w->wake, &woken, sizeof(woken)) < 0 && errno != EAGAIN)
			_exit(WORKER_EXIT_FATAL);
		if (fds[0].revents)
			read_control(w);
		tick(w);
		quit_when_done(w);
	}
}

/* --- start --- */
static bool number(const char *text, int64_t min, int64_t max, int64_t *ret)
{
	return text && str_to_i64(str_of(text), ret) && *ret >= min && *ret <= max;
}

static bool number_option(const char *name, const char *value, struct worker_options *o)
{
	int64_t n;

	if (strcmp(name, "--memory") == 0)
		return number(value, 32 << 20, INT64_MAX / 2, &o->memory);
	if (strcmp(name, "--uid") == 0 && number(value, 1, UINT32_MAX - 1, &n)) {
		o->uid = (uid_t)n;
		return true;
	}
	if (strcmp(name, "--temp") == 0)
		return number(value, 0, INT64_MAX / 2, &o->temp);
	if (strcmp(name, "--threads") == 0 && number(value, 1, THREADS_MAX, &n)) {
		o->threads = (int)n;
		return true;
	}
	if (strcmp(name, "--databases") == 0 && number(value, 0, DATABASES_MAX, &n)) {
		o->databases = (int)n;
		return true;
	}
	if (strcmp(name, "--concurrent") == 0 && number(value, 1, EXECUTORS_MAX, &n)) {
		o->concurrent = (int)n;
		return true;
	}
	return false;
}

static bool read_options(int argc, char **argv, struct worker_options *o)
{
	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], "--require-sandbox") == 0)
			o->require_sandbox = true;
		else if (strcmp(argv[i], "--no-rlimit-as") == 0)
			o->no_rlimit_as = true;
		else if (strcmp(argv[i], "--records") == 0)
			o->records = true;
		else if (strcmp(argv[i], "--dir") == 0 && i + 1 < argc)
			o->dir = argv[++i];
		else if (strcmp(argv[i], "--cache") == 0 && i + 1 < argc)
			o->cache = argv[++i];
		else if (strcmp(argv[i], "--samples") == 0 && i + 1 < argc)
			o->samples = argv[++i];
		else if (i + 1 < argc && number_option(argv[i], argv[i + 1], o))
			i++;
		else
			return false;
	}
	return o->dir && (o->samples || (o->memory && o->threads && o->concurrent));
}

static void hello(const struct sandbox *s)
{
	OWNS(buf) b = {0};
	size_t at = wire_begin_record(&b, WIRE_HELLO, 0);

	wire_text(&b, str_of(duckdb_library_version()));
	wire_u8(&b, s->landlock);
	wire_u8(&b, s->seccomp);
	wire_u8(&b, s->rlimits);
	wire_end_record(&b, at);
	worker_send(buf_str(&b), -1);
}

static void open_database(struct worker *w)
{
	OWNS(arena) a = {0};
	struct call c;

	call_open(&c, &a);
	if (w->o.records) {
		w->records = records_open(&w->o);
		return;
	}
	if (!database_open(&c, &w->o, &w->db, &w->databases) || duckdb_connect(w->db, &w->con) != DuckDBSuccess ||
	    duckdb_connect(w->db, &w->governors[0]) != DuckDBSuccess || !functions_register(&c, w, w->con))
		die(str_of(c.err.text));
}

int engine_worker_main(int argc, char **argv)
{
	struct worker w = {.threads = 1, .wanted = 1};
	struct sandbox sandbox = {0};
	pthread_t governor;

	if (!read_options(argc - 1, argv + 1, &w.o) || chdir(w.o.dir) != 0)
		return EXIT_FAILURE;
	if (w.o.samples)
		return worker_load_samples(w.o.samples);
	close_range(WIRE_CONTROL_FD + 1, ~0U, 0); /* what whoever started the server left open */
	if (w.o.uid && !worker_become(w.o.uid))
		die(S("the worker cannot take its own uid"));
	if (w.o.cache && access(w.o.cache, R_OK | X_OK) != 0)
		die(S("the worker cannot read its cache"));
	setenv("TZ", "UTC", 1); /* no file of the system is asked */
	sandbox_enter(&w.o, &sandbox);
	open_database(&w);
	sandbox_seal(&sandbox);
	if (w.o.require_sandbox && !(sandbox.landlock && sandbox.seccomp))
		die(S("the kernel cannot sandbox this worker"));
	w.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	w.nexecutors = w.o.concurrent + 1;
	w.executors = base_zalloc(sizeof(*w.executors) * (size_t)w.nexecutors);
	w.catalogs = catalogs_open();
	w.repeats = repeats_open();
	w.scripts = scripts_open();
	if (!w.scripts)
		die(S("no thread for scripts"));
	pthread_mutex_init(&w.lock, NULL);
	pthread_mutex_init(&w.opening, NULL);
	pthread_cond_init(&w.wants, NULL);
	worker_init_monotonic(&w.governed);
	hello(&sandbox);
	if (pthread_create(&governor, NULL, threads_main, &w) != 0)
		die(S("no thread for the governor"));
	for (int i = 0; i < w.nexecutors; i++)
		start_executor(&w, &w.executors[i]);
	control_main(&w);
}
