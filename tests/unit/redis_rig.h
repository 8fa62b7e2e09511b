/* redis_rig.h - a real redis-server in a temporary folder, on a free port and a unix socket; and clients of it.
 *
 * REDIS_SERVER names another program (valkey-server). Without one the tests are
 * skipped: REDIS_NEEDED() says so. A server does not outlive the thread that started it.
 */
#ifndef MAYFLY_TEST_REDIS_RIG_H
#define MAYFLY_TEST_REDIS_RIG_H

#include "base/id.h"
#include "kv/kv.h"

#include "folder.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum { REDIS_RIG_ARGS = 48, REDIS_RIG_START_MS = 60000 };

struct redis_rig {
	char place[FOLDER_PATH_MAX];
	char socket[FOLDER_PATH_MAX + 16];
	char url[64];            /* redis://127.0.0.1:port */
	int port;
	pid_t pid;               /* 0 = not running */
	const char *args[REDIS_RIG_ARGS]; /* more than the rig's own; NULL ends them; they live as long as the rig */
};

static inline const char *redis_rig_program(void)
{
	static const char *const places[] = {"/usr/bin/redis-server", "/usr/local/bin/redis-server", "/usr/bin/valkey-server",
					     "/usr/local/bin/valkey-server"};
	const char *named = getenv("REDIS_SERVER");

	if (named && *named)
		return access(named, X_OK) == 0 ? named : NULL;
	for (size_t i = 0; i < COUNT_OF(places); i++)
		if (access(places[i], X_OK) == 0)
			return places[i];
	return NULL;
}

/* First line of a test (and of what it shares): skips where there is none. */
#define REDIS_NEEDED() \
	do { \
		if (!redis_rig_program()) { \
			print_message("skipped: no redis-server is installed\n"); \
			skip(); \
		} \
	} while (0)

/* Below those that the system gives to clients: while the server is down no connection takes it. */
static inline int redis_rig_free_port(void)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	bool free_one = false;
	uint16_t any;
	int port = 0;

	while (!free_one) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		assert_true(fd >= 0);
		id_random(&any, sizeof(any));
		port = 10000 + any % 20000;
		sa.sin_port = htons((uint16_t)port);
		free_one = bind(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0;
		close(fd);
	}
	return port;
}

static inline int redis_rig_dial(int port)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0)
		return fd;
	close(fd);
	return -1;
}

/* It listens once it answers, whatever it answers. */
static inline bool redis_rig_answers(int port)
{
	struct pollfd p = {.fd = redis_rig_dial(port), .events = POLLIN};
	bool answers;
	char text[64];

	if (p.fd < 0)
		return false;
	answers = write(p.fd, "PING\r\n", 6) == 6 && poll(&p, 1, 1000) == 1 && read(p.fd, text, sizeof(text)) > 0;
	close(p.fd);
	return answers;
}

/* Is there such a key? For processes that have no client. */
static inline bool redis_rig_holds(const struct redis_rig *s, const char *key)
{
	struct pollfd p = {.fd = redis_rig_dial(s->port), .events = POLLIN};
	char text[128];
	bool holds;
	int n = snprintf(text, sizeof(text), "EXISTS %s\r\n", key);

	if (p.fd < 0)
		return false;
	holds = write(p.fd, text, (size_t)n) == n && poll(&p, 1, 1000) == 1 && read(p.fd, text, sizeof(text)) >= 2 && text[1] == '1';
	close(p.fd);
	return holds;
}

static inline void redis_rig_exec(const struct redis_rig *s)
{
	const char *argv[REDIS_RIG_ARGS + 24];
	char port[8], log[FOLDER_PATH_MAX + 16];
	size_t n = 0;

	snprintf(port, sizeof(port), "%d", s->port);
	snprintf(log, sizeof(log), "%s/redis.log", s->place);
	argv[n++] = redis_rig_program();
	argv[n++] = "--port", argv[n++] = port;
	argv[n++] = "--bind", argv[n++] = "127.0.0.1";
	argv[n++] = "--unixsocket", argv[n++] = s->socket;
	argv[n++] = "--dir", argv[n++] = s->place;
	argv[n++] = "--logfile", argv[n++] = log;
	argv[n++] = "--save", argv[n++] = "";
	argv[n++] = "--appendonly", argv[n++] = "no";
	argv[n++] = "--daemonize", argv[n++] = "no";
	for (size_t i = 0; i < REDIS_RIG_ARGS - 1 && s->args[i]; i++)
		argv[n++] = s->args[i];
	argv[n] = NULL;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	execv(argv[0], (char *const *)(uintptr_t)argv);
	_exit(127);
}

/* Starts it, on the same port when it ran before, and waits until it answers. */
static inline void redis_rig_start(struct redis_rig *s)
{
	assert_int_equal(s->pid, 0);
	s->pid = fork();
	if (s->pid == 0)
		redis_rig_exec(s);
	assert_true(s->pid > 0);
	for (int i = 0; !redis_rig_answers(s->port); i++) {
		assert_true(i < REDIS_RIG_START_MS / 10);
		if (waitpid(s->pid, NULL, WNOHANG) == s->pid) {
			s->pid = 0;
			print_message("redis-server ended: see %s/redis.log\n", s->place);
			assert_true(false);
		}
		poll(NULL, 0, 10);
	}
}

/* args: NULL-terminated, or NULL. */
static inline void redis_rig_open(struct redis_rig *s, const char *const *args)
{
	*s = (struct redis_rig){.pid = 0};
	folder_make(s->place);
	snprintf(s->socket, sizeof(s->socket), "%s/redis.sock", s->place);
	s->port = redis_rig_free_port();
	snprintf(s->url, sizeof(s->url), "redis://127.0.0.1:%d", s->port);
	for (size_t i = 0; args && args[i]; i++)
		s->args[i] = args[i];
	redis_rig_start(s);
}

static inline void redis_rig_signal(const struct redis_rig *s, int signo) /* SIGSTOP, SIGCONT */
{
	assert_int_equal(kill(s->pid, signo), 0);
}

static inline void redis_rig_end(struct redis_rig *s, int signo)
{
	if (s->pid > 0) {
		kill(s->pid, SIGCONT);
		kill(s->pid, signo);
		assert_int_equal(waitpid(s->pid, NULL, 0), s->pid);
	}
	s->pid = 0;
}

static inline void redis_rig_kill(struct redis_rig *s)
{
	redis_rig_end(s, SIGKILL);
}

static inline void redis_rig_close(struct redis_rig *s)
{
	redis_rig_kill(s);
	folder_remove(s->place);
}

static inline struct redis_options redis_rig_options(const struct redis_rig *s)
{
	return (struct redis_options){.url = str_of(s->url), .connections = 2, .timeout_ms = SANITIZED ? 20000 : 5000};
}

static inline struct redis *redis_rig_client(struct call *c, const struct redis_options *o)
{
	struct redis *r;

	signal(SIGPIPE, SIG_IGN);
	r = redis_open(c, o);
	if (!r)
		print_message("redis_open: %s\n", c->err.text);
	assert_non_null(r);
	return r;
}

/* Until cond holds; at most a minute. */
#define REDIS_UNTIL(cond) \
	do { \
		for (int until_ = 0; !(cond); until_++) { \
			assert_true(until_ < 30000); \
			poll(NULL, 0, 2); \
		} \
	} while (0)

#endif
