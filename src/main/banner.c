/* banner.c - what the server says of itself when it is ready. */
#include "main/server.h"

#include <stdio.h>

static void print_sandbox(const struct engine_report *r)
{
	const char *const missing[] = {r->landlock ? NULL : "Landlock (kernel)", r->seccomp ? NULL : "seccomp (kernel)",
				       r->own_uid ? NULL : "own uids (server not root, or data folder not reachable by others)"};

	printf("  sandbox  rlimits%s%s%s\n", r->landlock ? ", Landlock" : "", r->seccomp ? ", seccomp" : "",
	       r->own_uid ? ", own uid a worker" : "");
	for (size_t i = 0; i < COUNT_OF(missing); i++)
		if (missing[i])
			printf("  missing  %s\n", missing[i]);
}

static void print_chains(struct server *s)
{
	struct runner_report r;

	runner_report(s->runner, &r);
	if (!r.ready) {
		printf("  chains   none: %s\n", r.missing);
		return;
	}
	printf("  chains   %s, %s, PostgreSQL %s\n", r.pg.backend, r.pg.driver, r.pg.version);
	if (r.pg.missing[0])
		printf("  missing  %s\n", r.pg.missing);
}

/* Three commands that work as they stand, on the first address. */
static void print_curls(struct str address, bool tls)
{
	static const char *const calls[] = {
		"/api/v2/statements -H 'Content-Type: application/json' -d '{\"statement\":\"select 40 + 2 as answer\"}'",
		"/v1/statements -H 'Content-Type: application/json' -H 'Prefer: wait=5' -d '{\"sql\":\"select version()\"}'",
		"/readyz",
	};
	bool is_unix = str_starts(address, S("unix:"));
	struct str path = is_unix ? str_tail(address, 5) : S("");

	printf("\nTry:\n");
	for (size_t i = 0; i < COUNT_OF(calls); i++)
		printf("  curl -s%s%s%.*s %s://%.*s%s\n", tls ? "k" : "", is_unix ? " --unix-socket " : "", SARG(path),
		       tls ? "https" : "http", SARG(is_unix ? S("localhost") : address), calls[i]);
	printf("\n");
}

void server_print_banner(struct server *s)
{
	struct str rest = buf_str(&s->addresses), first = str_cut(&rest, ' ');
	bool tls = s->conf.server_tls_cert.n > 0;
	struct engine_report r;

	engine_report(s->engine, &r);
	printf("mayfly %s serves on %s%.*s\n", MAYFLY_VERSION,
	       str_starts(first, S("unix:")) ? "" : tls ? "https://" : "http://", SARG(first));
	printf("  data     %.*s\n", SARG(s->conf.data_dir));
	printf("  storage  %s %.*s\n", s->storage->ops->name, SARG(s->storage->location));
	server_print_keeping(s);
	print_sandbox(&r);
	print_chains(s);
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	printf("  missing  RLIMIT_AS of workers (sanitizer build)\n");
#endif
	print_curls(first, tls);
	fflush(stdout);
}
