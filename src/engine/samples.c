/* samples.c - sample data for a tenant that has no database yet. */
#include "engine/engine_int.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

bool engine_load_samples(struct call *c, struct engine *e, struct str tenant, struct str dir)
{
	const char *folder = engine_tenant_folder(c, e, tenant);
	char *samples = folder ? realpath(arena_cstr(c->arena, dir), NULL) : NULL;
	char *const argv[] = {(char *)"mayfly", (char *)"engine", (char *)"--dir", (char *)folder, (char *)"--samples", samples, NULL};
	int status = -1, rc;
	pid_t child;

	if (!folder)
		return false;
	if (!samples)
		return fail(c, ERR_INVALID_FIELD, "no folder of samples %.*s: %s", SARG(dir), strerror(errno));
	if (access(arena_fmt(c->arena, "%s/mayfly.db", folder).p, F_OK) == 0) {
		free(samples);
		return true;
	}
	printf("loading sample data into tenant %.*s …\n", SARG(tenant));
	fflush(stdout);
	rc = posix_spawn(&child, e->exe, NULL, NULL, argv, environ);
	if (rc == 0)
		waitpid(child, &status, 0);
	free(samples);
	return (rc == 0 && status == 0) || fail(c, ERR_UNAVAILABLE, "the sample data cannot be loaded");
}
