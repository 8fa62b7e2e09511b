/* s3_double.h - the S3-compatible server of tests/interop/s3double as a child of a test program.
 *
 * MAYFLY_S3_DOUBLE is the path of its server.js, set by tests/interop; without it
 * there is none. It ends with the program.
 */
#ifndef MAYFLY_TEST_S3_DOUBLE_H
#define MAYFLY_TEST_S3_DOUBLE_H

#include "store/store.h"

#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
	int port; /* 0: not started */
	int commands, answers;
} s3_double;

/* The OpenDAL binding: MAYFLY_OPENDAL, or beside the program under test. Empty when it is not built. */
UNUSED static const char *opendal_library(void)
{
	static char path[4096];
	const char *given = getenv("MAYFLY_OPENDAL"), *binary = getenv("MAYFLY_BINARY");
	const char *slash = binary ? strrchr(binary, '/') : NULL;

	if (given)
		snprintf(path, sizeof(path), "%s", given);
	else if (slash)
		snprintf(path, sizeof(path), "%.*s/libmayfly_opendal.so", (int)(slash - binary), binary);
	return access(path, R_OK) == 0 ? path : "";
}

static inline void s3_read_line(char *to, size_t cap)
{
	size_t n = 0;

	while (n + 1 < cap && read(s3_double.answers, to + n, 1) == 1 && to[n] != '\n')
		n++;
	to[n] = 0;
}

/* The port, or 0 when there is no server to start. */
UNUSED static int s3_double_port(void)
{
	const char *script = getenv("MAYFLY_S3_DOUBLE");
	char line[32];
	int in[2], out[2];

	if (s3_double.port || !script || !script[0])
		return s3_double.port;
	INVARIANT(pipe(in) == 0 && pipe(out) == 0);
	if (fork() == 0) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		close(in[1]);
		execlp("node", "node", script, (char *)NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	s3_double.commands = in[1];
	s3_double.answers = out[0];
	s3_read_line(line, sizeof(line));
	s3_double.port = atoi(line);
	INVARIANT(s3_double.port > 0);
	return s3_double.port;
}

UNUSED static void s3_command(const char *line)
{
	char answer[32];

	INVARIANT(write(s3_double.commands, line, strlen(line)) == (ssize_t)strlen(line) && write(s3_double.commands, "\n", 1) == 1);
	s3_read_line(answer, sizeof(answer));
	INVARIANT(strcmp(answer, "ok") == 0);
}

enum { S3_OPTIONS = 7, S3_SECRET = 5 };

/* Options of a store in the bucket "test", under a root of its own. */
UNUSED static void s3_options(struct arena *a, const char *root, struct store_option ret[S3_OPTIONS])
{
	ret[0] = (struct store_option){S("bucket"), S("test")};
	ret[1] = (struct store_option){S("root"), arena_dup(a, str_of(root))};
	ret[2] = (struct store_option){S("endpoint"), arena_fmt(a, "http://127.0.0.1:%d", s3_double_port())};
	ret[3] = (struct store_option){S("region"), S("us-east-1")};
	ret[4] = (struct store_option){S("access_key_id"), S("S3RVER")};
	ret[S3_SECRET] = (struct store_option){S("secret_access_key"), S("S3RVER")};
	ret[6] = (struct store_option){S("disable_config_load"), S("true")};
}

UNUSED static struct store *s3_open(struct call *c, const struct store_option options[S3_OPTIONS])
{
	return store_open(c, &(struct store_options){
				     .scheme = S("s3"), .library = str_of(opendal_library()), .options = options, .noptions = S3_OPTIONS});
}

#endif
