/* main.c - the program: `mayfly serve` builds the rooms, serves and closes them.
 *
 * With main/ the only place that sees all rooms. `mayfly engine` is the worker
 * side of engine/; every other verb is a client command.
 */
#include "main/server.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_SETS = 256 };

/* --- the command line of serve --- */

static bool add_set(struct server *s, struct str *sets, int *n, const char *key, const char *value)
{
	if (*n == MAX_SETS)
		return fail(&s->call, ERR_INVALID_FIELD, "more than %d options", MAX_SETS);
	sets[(*n)++] = *key ? arena_fmt(&s->arena, "%s=%s", key, value) : str_of(value);
	return true;
}

static const struct {
	const char *flag;
	const char *key; /* of an option; "" = the flag's value is one, NULL = not an option */
} serve_flags[] = {{"--listen", "server.listen"}, {"--data", "data.dir"}, {"--set", ""}, {"--config", NULL}, {"--samples", NULL}};

static bool read_args(struct server *s, int argc, char **argv, struct str *ret_file, struct str *sets, int *n)
{
	for (int i = 0; i < argc; i += 2) {
		const char *value = i + 1 < argc ? argv[i + 1] : NULL;
		size_t f = 0;

		while (f < COUNT_OF(serve_flags) && strcmp(argv[i], serve_flags[f].flag) != 0)
			f++;
		if (f == COUNT_OF(serve_flags))
			return fail(&s->call, ERR_INVALID_FIELD, "unknown option %s; see `mayfly help serve`", argv[i]);
		if (!value)
			return fail(&s->call, ERR_INVALID_FIELD, "%s needs a value", argv[i]);
		if (serve_flags[f].key && !add_set(s, sets, n, serve_flags[f].key, value))
			return false;
		if (strcmp(argv[i], "--config") == 0)
			*ret_file = str_of(value);
		else if (strcmp(argv[i], "--samples") == 0)
			s->samples = value;
	}
	return true;
}

static bool configure(struct server *s, int argc, char **argv)
{
	struct str *sets = ARENA_ARRAY(&s->arena, struct str, MAX_SETS);
	struct str file = {0};
	enum obs_level least;
	int n = 0;

	if (!read_args(s, argc, argv, &file, sets, &n) || !conf_load(&s->call, file, sets, n, environ, &s->conf))
		return false;
	if (!obs_level_of(s->conf.log_level, &least))
		return fail(&s->call, ERR_INVALID_FIELD, "log.level");
	obs_log_open(least, str_eq(s->conf.log_format, S("json")) ||
				    (str_eq(s->conf.log_format, S("auto")) && !isatty(STDERR_FILENO)));
	return true;
}

static void raise_file_limit(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
		r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
	}
}

static void run(struct server *s)
{
	server_stop_on_signals(s);
	server_print_banner(s);
	obs_sd_notify("READY=1");
	for (int i = 1; i < s->nloops; i++)
		exec_loop_start(s->loops[i]);
	exec_loop_run(s->loops[0]);
	for (int i = 1; i < s->nloops; i++)
		exec_loop_join(s->loops[i]);
}

/* What is opened later must never become standard input, output or error. */
static void open_standard_files(void)
{
	int fd;

	while ((fd = open("/dev/null", O_RDWR | O_CLOEXEC)) >= 0 && fd <= STDERR_FILENO)
		continue;
	if (fd >= 0)
		close(fd);
}

static int serve(int argc, char **argv)
{
	struct server *s = base_zalloc(sizeof(*s));
	bool ok;

	call_open(&s->call, &s->arena);
	open_standard_files();
	signal(SIGPIPE, SIG_IGN);
	umask(077);
	raise_file_limit();
	ok = configure(s, argc, argv) && server_open_rooms(s);
	if (ok)
		run(s);
	else
		fprintf(stderr, "mayfly: %s\n", s->call.err.text);
	server_close_rooms(s);
	free(s);
	return ok ? 0 : 2;
}

int main(int argc, char **argv)
{
	char *const help[] = {argv[0], (char *)"help", (char *)"serve", NULL};

	if (argc > 2 && strcmp(argv[1], "serve") == 0 && (strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-h") == 0))
		return cli_main(3, (char **)help);
	if (argc > 1 && strcmp(argv[1], "serve") == 0)
		return serve(argc - 2, argv + 2);
	if (argc > 1 && strcmp(argv[1], "engine") == 0)
		return engine_worker_main(argc - 1, argv + 1);
	return cli_main(argc, argv);
}
