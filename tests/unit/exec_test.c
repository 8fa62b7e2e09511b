/* exec_test.c - loops, posts, timers, pools and child processes. */
#include "exec/exec.h"

#include <sys/socket.h>
#include <unistd.h>

#include "test.h"

struct tally {
	struct exec_loop *loop;
	int n, last;
	bool in_order;
	atomic_int pooled;
};

struct numbered {
	struct tally *t;
	int i;
};

static void note(void *arg)
{
	struct numbered *m = arg;

	m->t->in_order = m->t->in_order && m->i == m->t->last + 1;
	m->t->last = m->i;
	m->t->n++;
	assert_true(exec_on_loop(m->t->loop) && exec_on_any_loop());
	free(m);
}

static void nothing(void *arg)
{
	(void)arg;
}

static void posts_run_in_order_on_the_loop(void **state)
{
	enum { N = 20000 };
	struct tally t = {.in_order = true, .last = -1};

	(void)state;
	t.loop = exec_loop_open("test");
	exec_loop_start(t.loop);
	for (int i = 0; i < N; i++) {
		struct numbered *m = malloc(sizeof(*m));

		*m = (struct numbered){&t, i};
		exec_post(t.loop, note, m);
	}
	exec_call(t.loop, nothing, NULL);
	assert_int_equal(t.n, N);
	assert_true(t.in_order);
	assert_false(exec_on_loop(t.loop) || exec_on_any_loop());
	exec_loop_stop(t.loop);
	exec_loop_join(t.loop);
	exec_loop_close(t.loop);
}

static void stop_from_timer(void *arg)
{
	struct tally *t = arg;

	if (++t->n == 3)
		exec_loop_stop(t->loop);
}

static void a_timer_repeats_until_closed(void **state)
{
	struct tally t = {0};
	struct exec_timer *timer;

	(void)state;
	t.loop = exec_loop_open("test");
	timer = exec_timer_open(t.loop, stop_from_timer, &t);
	exec_timer_set(timer, 1, 1);
	exec_loop_run(t.loop);
	assert_int_equal(t.n, 3);
	exec_timer_close(timer);
	exec_loop_close(t.loop);
}

static void count_up(void *arg)
{
	struct tally *t = arg;

	atomic_fetch_add(&t->pooled, 1);
}

static void block(void *arg)
{
	char c;
	int *pipe_end = arg;

	assert_int_equal(read(*pipe_end, &c, 1), 1);
}

static void a_full_pool_says_so_and_runs_what_it_took(void **state)
{
	struct tally t = {0};
	struct exec_pool *p = exec_pool_open("test", 1, 4);
	int fds[2], taken = 0;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_true(exec_pool_run(p, block, &fds[0]));
	while (exec_pool_queued(p))
		;
	for (int i = 0; i < 10; i++)
		taken += exec_pool_run(p, count_up, &t);
	assert_int_equal(taken, 4);
	assert_int_equal(write(fds[1], "x", 1), 1);
	exec_pool_close(p);
	assert_int_equal(atomic_load(&t.pooled), 4);
	close(fds[0]);
	close(fds[1]);
}

struct exit_seen {
	struct exec_loop *loop;
	struct exec_child *child;
	int status, signo;
};

static void on_exit_seen(void *arg, int status, int signo)
{
	struct exit_seen *s = arg;

	s->status = status;
	s->signo = signo;
	exec_child_close(s->child);
	exec_loop_stop(s->loop);
}

static void run_child(char *script, struct exit_seen *seen, int fd)
{
	struct arena a = {0};
	struct call c;
	char *argv[] = {(char *)"sh", (char *)"-c", script, NULL};
	struct exec_child_spec spec = {.file = "/bin/sh", .argv = argv, .fds = {-1, -1, -1, fd}, .nfds = 4};

	call_open(&c, &a);
	seen->loop = exec_loop_open("test");
	seen->child = exec_child_open(&c, seen->loop, &spec, on_exit_seen, seen);
	assert_non_null(seen->child);
	exec_loop_run(seen->loop);
	exec_loop_close(seen->loop);
	arena_close(&a);
}

static void a_child_gets_its_descriptors_and_its_end_is_told(void **state)
{
	struct exit_seen seen = {0};
	char text[16] = "";
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	run_child((char *)"echo hello >&3; exit 7", &seen, pair[1]);
	assert_int_equal(seen.status, 7);
	assert_int_equal(read(pair[0], text, sizeof(text)), 6);
	assert_memory_equal(text, "hello\n", 6);
	run_child((char *)"kill -9 $$", &seen, pair[1]);
	assert_int_equal(seen.signo, 9);
	close(pair[0]);
	close(pair[1]);
}

static void a_missing_program_is_an_error(void **state)
{
	struct arena a = {0};
	struct call c;
	char *argv[] = {(char *)"nothing", NULL};
	struct exec_child_spec spec = {.file = "/nonexistent", .argv = argv, .nfds = 0};
	struct exec_loop *l = exec_loop_open("test");

	(void)state;
	call_open(&c, &a);
	assert_null(exec_child_open(&c, l, &spec, on_exit_seen, NULL));
	assert_int_equal(c.err.kind, ERR_UNAVAILABLE);
	exec_loop_close(l);
	arena_close(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(posts_run_in_order_on_the_loop),
		cmocka_unit_test(a_timer_repeats_until_closed),
		cmocka_unit_test(a_full_pool_says_so_and_runs_what_it_took),
		cmocka_unit_test(a_child_gets_its_descriptors_and_its_end_is_told),
		cmocka_unit_test(a_missing_program_is_an_error),
	};

	return cmocka_run_group_tests_name("exec", tests, NULL, NULL);
}
