/* session_run.c - `mayfly session run -- CMD`: a session for as long as a command runs.
 *
 * Signals that are sent to us go on to the command; those that a terminal
 * sends reach it anyway. Whatever becomes of it, the session is closed.
 */
#include "cli/cli_int.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ASK_MS = 15000, SIGNAL_BASE = 128, NOT_RUNNABLE = 126, NOT_FOUND = 127 };

static const int passed_on[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
static volatile sig_atomic_t child, caught;
static struct sigaction before[COUNT_OF(passed_on)];

static void on_signal(int signo, siginfo_t *info, void *context)
{
	(void)context;
	caught = signo;
	if (child > 0 && info->si_code <= 0) /* not from the kernel: of a terminal, to the whole group */
		kill(child, signo);
}

static void catch_signals(sigset_t *ret)
{
	struct sigaction a = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};

	sigemptyset(ret);
	for (size_t i = 0; i < COUNT_OF(passed_on); i++) {
		sigaction(passed_on[i], NULL, &before[i]);
		if (before[i].sa_handler == SIG_IGN)
			continue;
		sigaction(passed_on[i], &a, NULL);
		sigaddset(ret, passed_on[i]);
	}
}

static NORETURN void become(char **command, const sigset_t *mask)
{
	for (size_t i = 0; i < COUNT_OF(passed_on); i++)
		sigaction(passed_on[i], &before[i], NULL);
	sigprocmask(SIG_SETMASK, mask, NULL);
	execvp(command[0], command);
	fprintf(stderr, "mayfly: cannot run %s: %s\n", command[0], strerror(errno));
	_exit(errno == ENOENT ? NOT_FOUND : NOT_RUNNABLE);
}

static int exit_code(int status)
{
	return WIFSIGNALED(status) ? SIGNAL_BASE + WTERMSIG(status) : WEXITSTATUS(status);
}

static int run_command(char **command, const sigset_t *signals)
{
	sigset_t mask;
	int status = 0;
	pid_t pid;

	sigprocmask(SIG_BLOCK, signals, &mask);
	pid = caught ? 0 : fork();
	if (pid == 0 && !caught)
		become(command, &mask);
	child = pid > 0 ? pid : 0;
	sigprocmask(SIG_SETMASK, &mask, NULL);
	if (caught && pid == 0)
		return SIGNAL_BASE + caught;
	if (pid < 0) {
		fprintf(stderr, "mayfly: cannot run %s: %s\n", command[0], strerror(errno));
		return CLI_FAILED;
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	child = 0;
	return exit_code(status);
}

static void set_env(struct call *c, const char *name, struct str value)
{
	if (value.n)
		setenv(name, arena_cstr(c->arena, value), 1);
}

static void close_session(const struct session_ask *a, struct str id)
{
	OWNS(arena) arena = {0};
	struct remote_ask q = {.method = "DELETE", .timeout_ms = ASK_MS};
	struct out_answer answer = {0};
	struct call c;

	call_open(&c, &arena);
	q.path = arena_fmt(&arena, "/v1/sessions/%.*s", SARG(id));
	if (remote_ask(&c, &a->remote, &q, &answer))
		return;
	if (answer.status == 410 && str_starts(str_of(c.err.text), S("session_closed")))
		return; /* by the command */
	if (answer.status == 410)
		fprintf(stderr, "mayfly: the session has ended before the command: %s\n", c.err.text);
	else
		fprintf(stderr, "mayfly: session %.*s could not be closed: %s\n", SARG(id), c.err.text);
}

int session_run(struct call *c, const struct cli_verb *v, void *arg)
{
	struct session_ask *a = arg;
	sigset_t signals;
	struct str id;
	int code;

	if (!a->command || !a->command[0] || a->rest.n)
		return cli_usage(v, "run wants `--` and a command behind it");
	catch_signals(&signals);
	if (!session_begin(c, a, ASK_MS, &id))
		return cli_end(c);
	set_env(c, "MAYFLY_SESSION", id);
	set_env(c, "MAYFLY_URL", a->remote.given);
	set_env(c, "MAYFLY_TENANT", a->remote.tenant);
	set_env(c, "MAYFLY_TOKEN", a->remote.token);
	code = run_command(a->command, &signals);
	close_session(a, id);
	return code;
}
