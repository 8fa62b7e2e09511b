/* hostile_test.c - workers that were taken over, as the server sees them.
 *
 * This program is its own worker: the tenant's name says how it behaves. What
 * it sends may end it and its statements, never the server, and takes bounded
 * memory.
 */
#include "engine/engine.h"
#include "engine/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "folder.h"
#include "test.h"

enum { WAIT_MS = 60000, STOP_GRACE_MS = 10000 };

/* --- the worker --- */
static void put_hello(const char *version)
{
	OWNS(buf) b = {0};
	size_t at = wire_begin_record(&b, WIRE_HELLO, 0);

	wire_text(&b, str_of(version));
	for (int i = 0; i < 3; i++)
		wire_u8(&b, 1);
	wire_end_record(&b, at);
	wire_send(WIRE_JOBS_FD, buf_str(&b), -1);
}

static uint64_t take_task(void)
{
	static char packet[WIRE_PACKET];
	struct wire_head h;
	struct wire_in in;
	struct str body;
	ssize_t n;
	int fd;

	n = wire_recv(WIRE_JOBS_FD, packet, sizeof(packet), &fd, 0);
	in = wire_in(str_from(packet, n > 0 ? (size_t)n : 0));
	if (!wire_next(&in, &h, &body))
		_exit(0);
	return h.task;
}

static void end_with(uint64_t task, int64_t position, const struct engine_usage *usage)
{
	OWNS(buf) b = {0};
	size_t at = wire_begin_record(&b, WIRE_END, task);

	wire_u8(&b, ENGINE_OK);
	wire_i64(&b, 0);
	wire_i64(&b, position);
	for (int i = 0; i < 3; i++)
		wire_text(&b, S(""));
	wire_i64(&b, 0);
	wire_text(&b, S(""));
	wire_put_usage(&b, usage);
	for (int i = 0; i < 3; i++)
		wire_i64(&b, 0);
	wire_u8(&b, 0);
	wire_u32(&b, 0);
	wire_end_record(&b, at);
	wire_send(WIRE_JOBS_FD, buf_str(&b), -1);
}

static void end_task(uint64_t task, int64_t position)
{
	end_with(task, position, &(struct engine_usage){.tables = -1});
}

static void answer_all(void)
{
	for (;;)
		end_task(take_task(), -1);
}

/* Deaf the first time: what is sent to it fails, though it still speaks. */
static void deaf(void)
{
	int first = open("been-here", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (first >= 0)
		shutdown(WIRE_JOBS_FD, SHUT_RD);
	put_hello("v1");
	if (first < 0)
		answer_all();
}

/* Told to go it lets go of the sockets and stays. */
static void stubborn(void)
{
	char packet[4096];
	int fd;

	put_hello("v1");
	end_task(take_task(), -1);
	wire_recv(WIRE_CONTROL_FD, packet, sizeof(packet), &fd, 0);
	close(WIRE_JOBS_FD);
	close(WIRE_CONTROL_FD);
}

/* Parts without end, acknowledgements unread. */
static void loud(void)
{
	const struct wire_part part = {.rows = 1};
	OWNS(buf) b = {0};
	uint64_t task;

	put_hello("v1");
	task = take_task();
	for (int i = 0; i < 1000; i++) {
		size_t at = wire_begin_record(&b, WIRE_PART, task);

		buf_add(&b, str_from((const char *)&part, sizeof(part)));
		wire_end_record(&b, at);
	}
	while (wire_send(WIRE_JOBS_FD, buf_str(&b), -1) == 0)
		;
}

static void wide(void)
{
	static char bytes[5 << 20];
	OWNS(buf) b = {0};
	size_t at;

	put_hello("v1");
	at = wire_begin_record(&b, WIRE_COLUMNS, take_task());
	wire_end_record(&b, at);
	((struct wire_head *)(void *)b.p)->in_fd = 1;
	wire_send(WIRE_JOBS_FD, buf_str(&b), wire_memfd(str_from(bytes, sizeof(bytes))));
}

static void polite(void)
{
	put_hello("v1");
	take_task();
	put_hello("v2");
}

static void sly(void)
{
	put_hello("v1\"\r\n\xff");
}

/* A list of tables that is none, and then an end that would be fine. */
static void garbled(void)
{
	const struct wire_part part = {.size = 40};
	OWNS(buf) b = {0};

	put_hello("v1");
	for (;;) {
		uint64_t task = take_task();
		size_t at;

		buf_clear(&b);
		at = wire_begin_record(&b, WIRE_PART, task);
		buf_add(&b, str_from((const char *)&part, sizeof(part)));
		for (int i = 0; i < 40; i++)
			buf_addc(&b, (char)(i * 37 + 255));
		wire_end_record(&b, at);
		wire_send(WIRE_JOBS_FD, buf_str(&b), -1);
		end_with(task, -1, &(struct engine_usage){0});
	}
}

/* More rows than there are numbers for. */
static void boasting(void)
{
	put_hello("v1");
	end_with(take_task(), -1, &(struct engine_usage){1, INT64_MAX, -5});
}

/* Usage of a catalog that the statement does not have. */
static void chatty(void)
{
	put_hello("v1");
	for (;;)
		end_with(take_task(), -1, &(struct engine_usage){3, 3, 3});
}

static const struct {
	const char *name;
	void (*run)(void);
} ways[] = {{"garbled", garbled}, {"boasting", boasting}, {"chatty", chatty}, {"deaf", deaf}, {"stubborn", stubborn}, {"loud", loud}, {"wide", wide}, {"polite", polite}, {"sly", sly}};

NORETURN static void be_worker(const char *dir)
{
	if (chdir(dir) != 0)
		_exit(1);
	for (size_t i = 0; i < COUNT_OF(ways); i++)
		if (str_ends(str_of(dir), str_of(ways[i].name)))
			ways[i].run();
	for (;;)
		pause();
}

/* --- the server --- */
struct fixture {
	struct arena arena;
	struct call c;
	struct exec_loop *loop;
	struct engine *engine;
	char dir[FOLDER_PATH_MAX];
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int ended;
	int64_t columns;
	enum engine_outcome outcome;
	bool stopped;
	struct buf part;   /* the latest */
	int lost, used;
};

static void on_started(void *arg)
{
	(void)arg;
}

static void on_columns(void *arg, struct str packed)
{
	struct fixture *f = arg;

	f->columns += (int64_t)packed.n;
}

static void on_part(void *arg, const struct engine_part *p)
{
	struct fixture *f = arg;

	buf_clear(&f->part);
	if (engine_bytes_str(p->bytes).n < 4096)
		buf_add(&f->part, engine_bytes_str(p->bytes));
	engine_bytes_unref(p->bytes);
}

static void on_progress(void *arg, double fraction)
{
	(void)arg;
	(void)fraction;
}

static void on_ended(void *arg, const struct engine_end *end)
{
	struct fixture *f = arg;

	pthread_mutex_lock(&f->lock);
	f->ended++;
	f->outcome = end->outcome;
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
}

static const struct engine_listener listener = {on_started, on_columns, on_part, on_progress, on_ended};

static void limits_of(void *arg, struct str tenant, struct engine_limits *ret)
{
	(void)arg;
	(void)tenant;
	*ret = (struct engine_limits){.memory_bytes = 1 << 30, .temp_bytes = 1 << 30, .threads = 1, .concurrent = 4, .queued = 100};
}

static int begin(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct engine_options o = {.max_workers = 2, .idle_ms = 1 << 30, .cancel_grace_ms = 5000, .limits = limits_of};

	call_open(&f->c, &f->arena);
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->changed, NULL);
	folder_make(f->dir);
	f->loop = o.loop = exec_loop_open("engine");
	o.data_dir = str_of(f->dir);
	f->engine = engine_open(&f->c, &o);
	assert_non_null(f->engine);
	exec_loop_start(f->loop);
	*state = f;
	return 0;
}

static bool wait_until(struct fixture *f, const bool *yes, int ended)
{
	bool ok = false;

	for (int ms = 0; ms < WAIT_MS && !ok; ms += 20) {
		pthread_mutex_lock(&f->lock);
		ok = yes ? *yes : f->ended >= ended;
		pthread_mutex_unlock(&f->lock);
		usleep(20000);
	}
	return ok;
}

static void on_stopped(void *arg)
{
	struct fixture *f = arg;

	pthread_mutex_lock(&f->lock);
	f->stopped = true;
	pthread_mutex_unlock(&f->lock);
}

static int end(void **state)
{
	struct fixture *f = *state;

	engine_stop(f->engine, on_stopped, f);
	usleep(300000);
	clock_advance(STOP_GRACE_MS + 1000);
	assert_true(wait_until(f, &f->stopped, 0));
	exec_loop_stop(f->loop);
	exec_loop_join(f->loop);
	engine_close(f->engine);
	exec_loop_close(f->loop);
	arena_close(&f->arena);
	buf_drop(&f->part);
	folder_remove(f->dir);
	free(f);
	return 0;
}

static void run(struct fixture *f, const char *tenant, int n)
{
	const struct engine_ask ask = {.sql = S("select 1"), .tenant = str_of(tenant), .form = ENGINE_NATIVE};

	for (int i = 0; i < n; i++) {
		struct engine_task *t;

		assert_true(engine_run(&f->c, f->engine, &ask, &listener, f, &t));
		engine_task_unref(t);
	}
	assert_true(wait_until(f, NULL, n));
	assert_int_equal(f->ended, n);
}

static void what_a_deaf_worker_did_not_take_runs_in_the_next(void **state)
{
	struct fixture *f = *state;

	run(f, "deaf", 3);
	assert_int_equal(f->outcome, ENGINE_OK);
}

static void a_worker_that_stays_after_it_was_told_to_go_is_killed(void **state)
{
	struct fixture *f = *state;

	run(f, "stubborn", 1); /* end() waits for it */
	assert_int_equal(f->outcome, ENGINE_OK);
}

static void a_worker_that_reads_no_acknowledgements_is_ended(void **state)
{
	struct fixture *f = *state;

	run(f, "loud", 1);
	assert_int_equal(f->outcome, ENGINE_LOST);
}

static void columns_without_measure_are_not_taken(void **state)
{
	struct fixture *f = *state;

	run(f, "wide", 1);
	assert_int_equal(f->outcome, ENGINE_LOST);
	assert_int_equal(f->columns, 0);
}

static void a_worker_says_hello_once(void **state)
{
	struct fixture *f = *state;
	struct engine_report r;

	run(f, "polite", 1);
	engine_report(f->engine, &r);
	assert_int_equal(f->outcome, ENGINE_LOST);
	assert_string_equal(r.version, "v1");
}

static void a_version_that_is_no_word_is_not_repeated(void **state)
{
	struct fixture *f = *state;
	struct engine_report r;

	run(f, "sly", 1);
	engine_report(f->engine, &r);
	assert_int_equal(f->outcome, ENGINE_LOST);
	assert_string_equal(r.version, "");
}

/* --- what is said of catalogs --- */
static void on_lost(void *arg)
{
	struct fixture *f = arg;

	pthread_mutex_lock(&f->lock);
	f->lost++;
	pthread_mutex_unlock(&f->lock);
}

static void on_used(void *arg, const struct engine_usage *now)
{
	struct fixture *f = arg;

	assert_true(now->tables >= 0 && now->rows >= 0 && now->bytes >= 0);
	f->used++;
}

static struct engine_catalog *catalog_of(struct fixture *f, const char *tenant)
{
	return engine_catalog_open(f->engine, &(struct engine_catalog_options){.tenant = str_of(tenant), .lost = on_lost,
		.used = on_used, .arg = f, .name = S("__eph_0123456789abcdef0123456789abcdef")});
}

static void use(struct fixture *f, struct engine_catalog *k, const char *tenant, int n)
{
	const struct engine_ask ask = {.sql = S("select 1"), .tenant = str_of(tenant), .form = ENGINE_NATIVE, .catalog = k};
	struct engine_task *t;

	assert_true(engine_run(&f->c, f->engine, &ask, &listener, f, &t));
	engine_task_unref(t);
	assert_true(wait_until(f, NULL, n));
}

static void tables_that_are_none_are_refused(void **state)
{
	struct fixture *f = *state;
	struct engine_catalog *k = catalog_of(f, "garbled");
	struct engine_table_info *v;
	struct engine_task *t;
	int n;

	use(f, k, "garbled", 1);
	assert_true(engine_catalog_run(&f->c, k, ENGINE_CATALOG_TABLES, NULL, &listener, f, &t));
	engine_task_unref(t);
	assert_true(wait_until(f, NULL, 2));
	assert_int_equal(f->outcome, ENGINE_OK);
	assert_int_equal(f->part.n, 40);
	assert_false(engine_tables(&f->c, buf_str(&f->part), &v, &n));
	call_forgive(&f->c);
	assert_int_equal(f->used, 2);
	engine_catalog_forget(k);
	engine_catalog_unref(k);
}

static void usage_that_cannot_be_ends_the_worker_and_loses_the_catalog_once(void **state)
{
	struct fixture *f = *state;
	struct engine_catalog *k = catalog_of(f, "boasting");

	use(f, k, "boasting", 1);
	assert_int_equal(f->outcome, ENGINE_LOST);
	use(f, k, "boasting", 2); /* and is not tried in another worker */
	assert_int_equal(f->outcome, ENGINE_LOST);
	assert_int_equal(f->lost, 1);
	assert_int_equal(f->used, 0);
	engine_catalog_forget(k);
	engine_catalog_unref(k);
}

static void usage_without_a_catalog_is_nobodys(void **state)
{
	struct fixture *f = *state;

	run(f, "chatty", 3);
	assert_int_equal(f->outcome, ENGINE_OK);
	assert_int_equal(f->used, 0);
}

static void a_catalog_that_is_forgotten_is_not_told(void **state)
{
	struct fixture *f = *state;
	struct engine_catalog *k = catalog_of(f, "boasting");

	engine_catalog_forget(k);
	use(f, k, "boasting", 1);
	engine_catalog_unref(k);
	assert_int_equal(f->outcome, ENGINE_LOST);
	assert_int_equal(f->lost, 0);
}

#define WITH_ENGINE(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		WITH_ENGINE(what_a_deaf_worker_did_not_take_runs_in_the_next),
		WITH_ENGINE(a_worker_that_stays_after_it_was_told_to_go_is_killed),
		WITH_ENGINE(a_worker_that_reads_no_acknowledgements_is_ended),
		WITH_ENGINE(columns_without_measure_are_not_taken),
		WITH_ENGINE(a_worker_says_hello_once),
		WITH_ENGINE(a_version_that_is_no_word_is_not_repeated),
		WITH_ENGINE(tables_that_are_none_are_refused),
		WITH_ENGINE(usage_that_cannot_be_ends_the_worker_and_loses_the_catalog_once),
		WITH_ENGINE(usage_without_a_catalog_is_nobodys),
		WITH_ENGINE(a_catalog_that_is_forgotten_is_not_told),
	};

	if (argc > 3 && strcmp(argv[1], "engine") == 0)
		be_worker(argv[3]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
