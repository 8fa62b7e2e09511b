/* pg_hostile_test.c - servers that are no PostgreSQL: silence, garbage, floods, lies. Nothing hangs, all that is kept is JSON. */
#include "engine/pg/pg.h"
#include "json/json.h"

#include "folder.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { CONNS_MAX = 32, LIMIT_MS = 60000 };

/* A server on a socket in a folder: what it says first, and what it says to the first statement. */
struct fake {
	char dir[FOLDER_PATH_MAX], conninfo[128];
	pthread_t thread;
	int fd;
	atomic_bool ending;
	struct buf greeting, answer;
	bool closes;     /* after the greeting, or after the answer if there is one */
	bool endless;    /* the answer is said again and again */
	atomic_int cancels; /* connections that asked to cancel; they are not answered */
	int conns[CONNS_MAX], nconns;
};

/* --- messages --- */
static void put_u32(struct buf *b, uint32_t v)
{
	buf_add(b, str_from((char[]){(char)(v >> 24), (char)(v >> 16), (char)(v >> 8), (char)v}, 4));
}

static void put_u16(struct buf *b, uint16_t v)
{
	buf_add(b, str_from((char[]){(char)(v >> 8), (char)v}, 2));
}

static void message(struct buf *b, char type, struct str body)
{
	buf_addc(b, type);
	put_u32(b, (uint32_t)body.n + 4);
	buf_add(b, body);
}

static void put_status(struct buf *b, struct str name, struct str value)
{
	OWNS(buf) body = {0};

	buf_add(&body, name);
	buf_addc(&body, '\0');
	buf_add(&body, value);
	buf_addc(&body, '\0');
	message(b, 'S', buf_str(&body));
}

static void hello(struct buf *b)
{
	message(b, 'R', str_from("\0\0\0\0", 4));
	put_status(b, S("server_version"), S("15.1"));
	put_status(b, S("client_encoding"), S("UTF8"));
	message(b, 'K', str_from("\0\0\0\1\0\0\0\2", 8));
	message(b, 'Z', S("I"));
}

static void columns(struct buf *b, const unsigned *oids, const char *const *names, int n)
{
	OWNS(buf) body = {0};

	put_u16(&body, (uint16_t)n);
	for (int i = 0; i < n; i++) {
		buf_add(&body, str_of(names[i]));
		buf_addc(&body, '\0');
		put_u32(&body, 0);
		put_u16(&body, 0);
		put_u32(&body, oids[i]);
		put_u16(&body, 0xffff);
		put_u32(&body, 0xffffffff);
		put_u16(&body, 0);
	}
	message(b, 'T', buf_str(&body));
}

static void row(struct buf *b, const struct str *cells, int n)
{
	OWNS(buf) body = {0};

	put_u16(&body, (uint16_t)n);
	for (int i = 0; i < n; i++) {
		put_u32(&body, (uint32_t)cells[i].n);
		buf_add(&body, cells[i]);
	}
	message(b, 'D', buf_str(&body));
}

/* --- the server --- */
static bool say(struct fake *f, int fd, struct str s)
{
	while (s.n && !atomic_load(&f->ending)) {
		struct pollfd p = {.fd = fd, .events = POLLOUT};
		ssize_t n = poll(&p, 1, 20) > 0 ? send(fd, s.p, s.n, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;

		if (n < 0)
			return false;
		s = str_tail(s, (size_t)n);
	}
	return !atomic_load(&f->ending);
}

/* Waits for a message; false: the other side is gone, or the test ends. */
static bool hear(struct fake *f, int fd, struct str *ret)
{
	static char bytes[65536];
	struct pollfd p = {.fd = fd, .events = POLLIN};
	ssize_t n;

	while (poll(&p, 1, 20) == 0)
		if (atomic_load(&f->ending))
			return false;
	n = recv(fd, bytes, sizeof(bytes), 0);
	*ret = str_from(bytes, n > 0 ? (size_t)n : 0);
	return n > 0;
}

static void converse(struct fake *f, int fd)
{
	struct str heard;

	if (!hear(f, fd, &heard))
		return;
	if (heard.n >= 8 && heard.p[4] == 0x04 && heard.p[5] == (char)0xd2) { /* a cancel request */
		atomic_fetch_add(&f->cancels, 1);
		return;
	}
	if (!say(f, fd, buf_str(&f->greeting)) || f->answer.n == 0) {
		if (f->closes)
			shutdown(fd, SHUT_RDWR);
		return;
	}
	if (!hear(f, fd, &heard))
		return;
	while (say(f, fd, buf_str(&f->answer)) && f->endless)
		;
	if (f->closes)
		shutdown(fd, SHUT_RDWR);
}

static void *fake_main(void *arg)
{
	struct fake *f = arg;

	while (!atomic_load(&f->ending)) {
		struct pollfd p = {.fd = f->fd, .events = POLLIN};
		int fd = poll(&p, 1, 20) > 0 ? accept(f->fd, NULL, NULL) : -1;

		if (fd < 0)
			continue;
		assert_true(f->nconns < CONNS_MAX);
		f->conns[f->nconns++] = fd;
		converse(f, fd);
	}
	return NULL;
}

static void fake_start(struct fake *f)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};

	folder_make(f->dir);
	snprintf(at.sun_path, sizeof(at.sun_path), "%s/.s.PGSQL.5432", f->dir);
	snprintf(f->conninfo, sizeof(f->conninfo), "host=%s user=u dbname=d", f->dir);
	f->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(f->fd >= 0 && bind(f->fd, (struct sockaddr *)&at, sizeof(at)) == 0 && listen(f->fd, 8) == 0);
	assert_int_equal(pthread_create(&f->thread, NULL, fake_main, f), 0);
}

static void fake_end(struct fake *f)
{
	atomic_store(&f->ending, true);
	assert_int_equal(pthread_join(f->thread, NULL), 0);
	for (int i = 0; i < f->nconns; i++)
		close(f->conns[i]);
	close(f->fd);
	buf_drop(&f->greeting);
	buf_drop(&f->answer);
	folder_remove(f->dir);
}

/* --- connecting --- */
static enum err_kind try_connect(struct fake *f, struct call *c, struct pg_stop *stop)
{
	struct pg_conn *p = NULL;
	enum err_kind kind;

	assert_false(pg_connect(c, &(struct pg_target){.conninfo = str_of(f->conninfo), .stop = stop}, &p));
	assert_null(p);
	kind = c->err.kind;
	call_forgive(c);
	return kind;
}

static void *ask_to_stop(void *arg)
{
	pg_stop_ask(arg);
	return NULL;
}

/* Again and again: a time limit counts from when the waiting began. */
static void *turn_the_clock(void *arg)
{
	const atomic_bool *done = arg;

	while (!atomic_load(done)) {
		clock_advance(60 * 1000);
		poll(NULL, 0, 5);
	}
	return NULL;
}

static void silence(void **state)
{
	struct fake f = {0};
	OWNS(arena) arena = {0};
	struct call c;
	struct pg_stop stop;
	atomic_bool done = false;
	pthread_t other;

	(void)state;
	call_open(&c, &arena);
	fake_start(&f);
	c.deadline_ms = clock_mono_ms() + 50;
	assert_int_equal(try_connect(&f, &c, NULL), ERR_STATEMENT_TIMEOUT);
	c.deadline_ms = 0;
	pg_stop_open(&stop);
	assert_int_equal(pthread_create(&other, NULL, ask_to_stop, &stop), 0);
	assert_int_equal(try_connect(&f, &c, &stop), ERR_CANCELED);
	pthread_join(other, NULL);
	pg_stop_close(&stop);
	assert_int_equal(pthread_create(&other, NULL, turn_the_clock, &done), 0);
	assert_int_equal(try_connect(&f, &c, NULL), ERR_ENGINE_UNREACHABLE); /* by a limit of its own */
	atomic_store(&done, true);
	pthread_join(other, NULL);
	fake_end(&f);
}

static void no_greeting(void **state)
{
	static const struct str words[] = {S_INIT("HTTP/1.1 400 Bad Request\r\n\r\n"), S_INIT("R"), S_INIT("R\0\0\0\x08\0\0\0\x63"),
		S_INIT("\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
		S_INIT("E\0\0\0\x12SFATAL\0Mno\xff\xfe\0\0"), S_INIT("")};
	OWNS(arena) arena = {0};
	struct call c;

	(void)state;
	call_open(&c, &arena);
	for (size_t i = 0; i < COUNT_OF(words); i++) {
		struct fake f = {.closes = true};
		enum err_kind kind;

		buf_add(&f.greeting, words[i]);
		fake_start(&f);
		c.deadline_ms = clock_mono_ms() + LIMIT_MS;
		kind = try_connect(&f, &c, NULL);
		assert_true(kind == ERR_ENGINE_UNREACHABLE);
		fake_end(&f);
	}
}

/* --- statements --- */
struct talk {
	struct fake f;
	struct arena arena;
	struct call c;
	struct pg_conn *p;
	struct pg_answer a;
};

static void talk_start(struct talk *t)
{
	call_open(&t->c, &t->arena);
	hello(&t->f.greeting);
	fake_start(&t->f);
	t->c.deadline_ms = clock_mono_ms() + LIMIT_MS;
	if (!pg_connect(&t->c, &(struct pg_target){.conninfo = str_of(t->f.conninfo)}, &t->p))
		print_error("%s\n", t->c.err.text);
	assert_non_null(t->p);
}

static enum pg_outcome talk_run(struct talk *t, int64_t limit_ms)
{
	t->c.deadline_ms = clock_mono_ms() + limit_ms;
	pg_run(&t->c, t->p, &(struct pg_ask){.sql = S("SELECT 1"), .caps = {1000, 1 << 20}}, 100, &t->a);
	return t->a.outcome;
}

static void talk_end(struct talk *t)
{
	pg_answer_drop(&t->a);
	pg_conn_close(t->p);
	fake_end(&t->f);
	arena_close(&t->arena);
}

static void garbage_for_an_answer(void **state)
{
	static const struct str words[] = {S_INIT("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), S_INIT("D\0\0\0\x06\0\1"),
		S_INIT("T\0\0\0\x06\xff\xff"),
		S_INIT("W\0\0\0\x07\0\0\0"), S_INIT("G\0\0\0\x04"), S_INIT("C"), S_INIT("E\0\0\0\x05\0"), S_INIT("1\0\0\0\4" "2\0\0\0\4")};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(words); i++) {
		struct talk t = {.f.closes = true};
		enum pg_outcome o;

		buf_add(&t.f.answer, words[i]);
		talk_start(&t);
		o = talk_run(&t, LIMIT_MS);
		assert_true(o == PG_LOST || o == PG_FAILED);
		assert_true(t.a.nparts == 0);
		if (o == PG_LOST)
			assert_false(pg_conn_alive(t.p));
		talk_end(&t);
	}
}

static void replies_that_never_end(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		struct talk t = {.f.endless = i > 0};
		enum pg_outcome o;

		if (i == 0)
			buf_add(&t.f.answer, str_from("D\x7f\xff\xff\xff\0\1", 7)); /* two gigabytes are to come */
		else if (i == 1)
			for (int k = 0; k < 100; k++)
				message(&t.f.answer, 'N', S("SNOTICE\0C00000\0Mhello\0"));
		else
			columns(&t.f.answer, (const unsigned[]){23}, (const char *const[]){"a"}, 1);
		talk_start(&t);
		/* libpq knows that a message is too long, or that columns come again; what else there is goes on until the deadline. */
		o = talk_run(&t, 200);
		assert_true(o == PG_LATE || (o == PG_LOST && i != 1));
		assert_true(t.a.nnotices <= PG_NOTICES_MAX);
		assert_false(i < 2 && pg_conn_alive(t.p)); /* it did not obey */
		talk_end(&t);
	}
}

/* Requests to cancel that are never answered hold nobody up. */
static void cancels_that_hang(void **state)
{
	struct talk t = {0};
	int64_t end = clock_mono_ms() + LIMIT_MS;

	(void)state;
	columns(&t.f.answer, (const unsigned[]){23}, (const char *const[]){"a"}, 1);
	talk_start(&t);
	assert_int_equal(talk_run(&t, 50), PG_LATE);
	assert_false(pg_conn_alive(t.p));
	while (atomic_load(&t.f.cancels) == 0) {
		assert_true(clock_mono_ms() < end);
		poll(NULL, 0, 2);
	}
	talk_end(&t);
}

static void cells_that_lie(void **state)
{
	static const unsigned oids[] = {16, 23, 701, 1700, 114, 17, 1082, 1114, 1184, 1186, 1007, 1015, 199, 25, 1266, 2950};
	static const char *const names[] = {"a", "b\"", "c\xff", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p"};
	static const struct str lies[] = {S_INIT("],[\""), S_INIT("\\x0g"), S_INIT("{1,{2}"), S_INIT("{\"a"), S_INIT("[1:2]{1,\"},"),
		S_INIT("1e5,\"\x01\xff\\"), S_INIT(""),
		S_INIT("{{{{{{{{{{1}}}}}}}}}}"), S_INIT("[1:2]"), S_INIT("{\"a\\"), S_INIT("0000-00-00 99:99:99+99:99:99"),
			S_INIT("9999999-99-99 BC"), S_INIT("1 year 2"),
		S_INIT("-99999999999 years 999999999999:00:00"), S_INIT("{\"\\\",}"), S_INIT("}"), S_INIT("\xc3")};
	enum { N = COUNT_OF(oids) };
	struct talk t = {0};
	struct engine_column *v;
	int n;

	(void)state;
	columns(&t.f.answer, oids, names, N);
	for (size_t i = 0; i < COUNT_OF(lies); i++) {
		struct str cells[N];

		for (size_t k = 0; k < N; k++)
			cells[k] = lies[i];
		row(&t.f.answer, cells, N);
	}
	message(&t.f.answer, 'C', str_from("SELECT 99999999999999999999", 28));
	message(&t.f.answer, 'Z', S("I"));
	talk_start(&t);
	assert_int_equal(talk_run(&t, LIMIT_MS), PG_OK);
	assert_int_equal(t.a.rows, COUNT_OF(lies));
	assert_int_equal(t.a.affected, -1);
	assert_true(engine_columns(&t.c, t.a.columns, &v, &n));
	assert_int_equal(n, N);
	for (int i = 0; i < t.a.nparts; i++) {
		const json_node *doc, *rows;

		assert_true(json_read(&t.c, engine_bytes_str(t.a.parts[i].bytes), &doc));
		rows = json_get(doc, "data");
		for (size_t k = 0; k < json_count(rows); k++)
			assert_int_equal(json_count(json_at(rows, k)), N);
	}
	talk_end(&t);
}

static void a_pipeline_of_lies(void **state)
{
	static const struct str words[] = {S_INIT("Z\0\0\0\5I" "Z\0\0\0\5I" "Z\0\0\0\5I" "Z\0\0\0\5I"),
		S_INIT("1\0\0\0\4" "2\0\0\0\4" "n\0\0\0\4" "C\0\0\0\x0a" "BEGIN\0"),
		S_INIT("E\0\0\0\x15SERROR\0C25006\0\0\0"), S_INIT("G\0\0\0\x07\0\0\0"), S_INIT("\xff\xff")};
	static const struct str sql[] = {S_INIT("SELECT 1"), S_INIT("SELECT 2")};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(words); i++) {
		struct talk t = {.f.closes = true};
		struct pg_answer a[2] = {0};

		buf_add(&t.f.answer, words[i]);
		talk_start(&t);
		t.c.deadline_ms = clock_mono_ms() + 2000;
		assert_int_not_equal(pg_read(&t.c, t.p, sql, 2, (struct pg_caps){10, 1000}, a), PG_OK);
		assert_int_not_equal(pg_read(&t.c, t.p, sql, 2, (struct pg_caps){10, 1000}, a), PG_OK);
		talk_end(&t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(silence), cmocka_unit_test(no_greeting), cmocka_unit_test(garbage_for_an_answer),
		cmocka_unit_test(replies_that_never_end), cmocka_unit_test(cancels_that_hang), cmocka_unit_test(cells_that_lie),
		cmocka_unit_test(a_pipeline_of_lies),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
