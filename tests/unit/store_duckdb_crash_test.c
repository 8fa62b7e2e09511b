/* store_duckdb_crash_test.c - servers and workers that are killed: what was acknowledged is there, and nothing is half there.
 *
 * The server that is killed is a child of this program, which only forks while it has no threads.
 */
#include "store_duckdb_rig.h"

#include <sys/wait.h>

#define SESSION "0192f0c0-0000-7000-8000-00000000abcd"

enum { ROUNDS = SANITIZED ? 3 : 6, WRITERS = 6, ACKS_MAX = 20000 };

/* What a child tells when the store has told it: whole in one write, so that a kill does not tear it. */
enum { ADDED, ENDED, DROPPED };
struct ack {
	char handle[ID_LEN];
	char what, session;
	int nparts;
};

/* --- the child --- */

struct writer {
	struct duck_rig *g;
	int number, to;
};

static void tell(const struct writer *w, const struct stmt_record *r, int what)
{
	struct ack a = {.what = (char)what, .session = r->session_id.n > 0, .nparts = r->nparts};

	memcpy(a.handle, r->handle.p, ID_LEN);
	if (write(w->to, &a, sizeof(a)) != sizeof(a))
		_exit(3);
}

static void write_one(const struct writer *w, struct call *c, int i)
{
	struct stmt_record r = duck_rig_record(w->g, c, "acme", i % 3 ? "" : SESSION);
	struct stmt_store_key k = duck_rig_key(&r);
	bool large = (i + w->number) % 48 == 5;

	if (!duck_rig_add(w->g, c, &r))
		_exit(4);
	tell(w, &r, ADDED);
	if (i % 5 == 4)
		return;
	duck_rig_succeed(w->g, c, &r, large ? 11 : 1 + i % 3, large ? 1 << 20 : 500);
	if (!duck_rig_end(w->g, c, &r))
		_exit(5);
	tell(w, &r, ENDED);
	if (i % 7 != 6)
		return;
	if (!w->g->store->ops->drop(c, w->g->store, &k))
		_exit(6);
	tell(w, &r, DROPPED);
}

static void *write_for_ever(void *arg)
{
	const struct writer *w = arg;

	for (int i = 0;; i++) {
		struct arena arena = {0};
		struct call c;

		call_open(&c, &arena);
		write_one(w, &c, i);
		arena_close(&arena);
	}
	return NULL;
}

static void be_a_server(struct duck_rig *g, int to)
{
	static struct writer v[WRITERS];
	pthread_t thread;

	duck_rig_start(g);
	for (int i = 0; i < WRITERS; i++) {
		v[i] = (struct writer){g, i, to};
		if (pthread_create(&thread, NULL, write_for_ever, &v[i]) != 0)
			_exit(7);
	}
	for (;;)
		pause();
}

/* --- the parent --- */

static int read_acks(int from, struct ack *v, int most, int until_ms)
{
	int64_t until = clock_mono_ms() + until_ms;
	int n = 0;

	while (n < most && (until_ms < 0 || clock_mono_ms() < until)) {
		if (read(from, &v[n], sizeof(*v)) != sizeof(*v))
			break;
		n++;
	}
	return n;
}

static void check_acks(struct duck_rig *g, const struct ack *v, int n)
{
	for (int i = 0; i < n; i++) {
		struct stmt_store_key k = {S("acme"), v[i].session ? S(SESSION) : S(""), str_from(v[i].handle, ID_LEN)};
		OWNS(arena) arena = {0};
		struct stmt_record r;
		struct call c;
		bool found;

		call_open(&c, &arena);
		found = g->store->ops->find(&c, g->store, &k, &r);
		if (v[i].what == DROPPED) {
			assert_true(!found && c.err.kind == ERR_NOT_FOUND);
			continue;
		}
		if (!found && c.err.kind == ERR_NOT_FOUND) { /* a drop that was not told any more, or told later */
			const struct stmt_record again = {.handle = k.handle, .tenant = k.tenant, .session_id = k.session_id};

			call_forgive(&c);
			if (duck_rig_add(g, &c, &again) || c.err.kind != ERR_CONFLICT) /* else it is remembered as dropped */
				print_error("ack %d of %d, of %d in file %d: %s\n", i, n, v[i].what, v[i].session, c.err.text);
			assert_int_equal(c.err.kind, ERR_CONFLICT);
			continue;
		}
		assert_true(found);
		assert_true(v[i].what == ADDED || r.state == STMT_SUCCEEDED);
		assert_true(v[i].what == ADDED || r.nparts == v[i].nparts);
		if (!duck_rig_whole(g, &c, &r))
			print_error("ack %d of %d, of %d in file %d: %s\n", i, n, v[i].what, v[i].session, c.err.text);
		assert_int_equal(c.err.kind, ERR_NONE);
	}
}

struct tally {
	struct duck_rig *g;
	int ended, running;
};

/* Also what was not acknowledged is whole or not there. */
static bool check_record(void *arg, struct call *c, const struct stmt_record *r)
{
	struct tally *t = arg;

	(void)c;
	if (r->state == STMT_SUCCEEDED) {
		OWNS(arena) arena = {0};
		struct call own;

		call_open(&own, &arena);
		assert_true(r->nparts > 0 && duck_rig_whole(t->g, &own, r));
		t->ended++;
	} else {
		assert_int_equal(r->state, STMT_SUBMITTED);
		assert_int_equal(r->nparts, 0);
		t->running++;
	}
	return true;
}

static int one_life(struct duck_rig *g, struct ack *acks, int round)
{
	int pipe_fds[2], status, n;
	pid_t child;

	assert_int_equal(pipe(pipe_fds), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		close(pipe_fds[0]);
		be_a_server(g, pipe_fds[1]);
		_exit(8);
	}
	close(pipe_fds[1]);
	n = read_acks(pipe_fds[0], acks, 25 + round * 9, 60000);
	assert_true(n > 0);
	n += read_acks(pipe_fds[0], acks + n, ACKS_MAX / 2, 13 * round); /* and at any moment after that */
	assert_int_equal(kill(child, SIGKILL), 0);
	n += read_acks(pipe_fds[0], acks + n, ACKS_MAX - n, -1);
	close(pipe_fds[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	return n;
}

static void what_was_acknowledged_survives_the_server(void **state)
{
	static struct ack acks[ACKS_MAX];
	struct duck_rig g;
	int total = 0;

	(void)state;
	memset(&g, 0, sizeof(g));
	duck_rig_open(&g);
	duck_rig_stop(&g);
	for (int round = 0; round < ROUNDS; round++) {
		struct stmt_filter born = {.state = -1, .since_ms = clock_wall_ms()};
		int n = one_life(&g, acks, round);
		struct tally t = {.g = &g};
		int64_t orphans;

		duck_rig_start(&g);
		check_acks(&g, acks, n);
		assert_true(g.store->ops->list(&g.c, g.store, &(struct stmt_store_page){.filter = &born}, check_record, &t));
		g.store->ops->sweep(g.store);
		orphans = duck_rig_sql(&g, "acme.db", "SELECT count(DISTINCT handle) FROM statement_results WHERE handle NOT IN "
						      "(SELECT handle FROM statements WHERE status = 'SUCCEEDED')");
		assert_int_equal(orphans, 0);
		duck_rig_stop(&g);
		total += n;
	}
	print_message("%d acknowledged in %d lives\n", total, ROUNDS);
	duck_rig_start(&g);
	duck_rig_close(&g);
}

/* --- workers --- */

struct lived {
	pthread_t thread;
	struct duck_rig *g;
	atomic_bool *over;
	struct ack v[1000];
	int n, number;
};

static void keep(struct lived *l, const struct stmt_record *r, int what)
{
	struct ack *a = &l->v[l->n++];

	*a = (struct ack){.what = (char)what, .session = r->session_id.n > 0, .nparts = r->nparts};
	memcpy(a->handle, r->handle.p, ID_LEN);
}

/* Worker or not, each is told the truth: done, or unavailable. */
static void *live_through(void *arg)
{
	struct lived *l = arg;

	for (int i = 0; l->n < 1000 && !atomic_load(l->over); i++) {
		struct arena arena = {0};
		struct stmt_record r;
		struct call c;

		call_open(&c, &arena);
		r = duck_rig_record(l->g, &c, "acme", i % 2 ? SESSION : "");
		if (duck_rig_add(l->g, &c, &r)) {
			duck_rig_succeed(l->g, &c, &r, i % 32 == 3 ? 11 : 2, i % 32 == 3 ? 1 << 20 : 300);
			if (duck_rig_end(l->g, &c, &r))
				keep(l, &r, ENDED);
			else
				assert_int_equal(c.err.kind, ERR_UNAVAILABLE);
		} else {
			assert_int_equal(c.err.kind, ERR_UNAVAILABLE);
		}
		arena_close(&arena);
	}
	return NULL;
}

static void workers_may_be_killed_at_any_moment(void **state)
{
	static struct lived v[WRITERS];
	const struct timespec moment = {.tv_nsec = 2000000};
	atomic_bool over = false;
	struct duck_rig g;
	int killed = 0, kept = 0;

	(void)state;
	duck_rig_open(&g);
	for (int i = 0; i < WRITERS; i++) {
		v[i] = (struct lived){.g = &g, .over = &over, .number = i};
		assert_int_equal(pthread_create(&v[i].thread, NULL, live_through, &v[i]), 0);
	}
	for (int64_t until = clock_mono_ms() + (SANITIZED ? 3000 : 5000); clock_mono_ms() < until;) {
		pid_t worker = worker_pid();

		if (worker > 0 && kill(worker, SIGKILL) == 0)
			killed++;
		for (int i = 0; i < 20 + killed % 7 * 15; i++)
			nanosleep(&moment, NULL); /* work between two kills: any moment will do */
	}
	atomic_store(&over, true);
	for (int i = 0; i < WRITERS; i++)
		pthread_join(v[i].thread, NULL);
	for (int i = 0; i < WRITERS; i++) {
		check_acks(&g, v[i].v, v[i].n);
		kept += v[i].n;
	}
	print_message("%d ends acknowledged, %d workers killed\n", kept, killed);
	assert_true(killed > 0 && kept > 0);
	duck_rig_close(&g);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_acknowledged_survives_the_server),
		cmocka_unit_test(workers_may_be_killed_at_any_moment),
	};

	signal(SIGPIPE, SIG_IGN);
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
