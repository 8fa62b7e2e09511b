/* worker_child.h - for tests that speak to a worker without a server: the child's side of the fork. */
#ifndef MAYFLY_TEST_WORKER_CHILD_H
#define MAYFLY_TEST_WORKER_CHILD_H

#include "engine/engine.h"
#include "engine/wire.h"
#include "test.h"

#include <fcntl.h>
#include <unistd.h>

struct worker_child {
	const char *dir, *memory, *temp, *concurrent; /* bytes, bytes, statements: as the command line has them */
	bool records;                                 /* it keeps records and runs no statements */
};

/* Does not return. */
UNUSED static void become_worker(const struct worker_child *o, int jobs, int control)
{
	char *argv[] = {"engine", "--dir", (char *)(uintptr_t)o->dir, "--memory", (char *)(uintptr_t)o->memory, "--temp",
		(char *)(uintptr_t)o->temp, "--threads", "2", "--concurrent", (char *)(uintptr_t)o->concurrent, "--records", NULL};
	int null = open("/dev/null", O_RDWR);

	jobs = fcntl(jobs, F_DUPFD, 10);
	control = fcntl(control, F_DUPFD, 10);
	dup2(jobs, WIRE_JOBS_FD);
	dup2(control, WIRE_CONTROL_FD);
	dup2(null, 0);
	dup2(null, 1);
	if (!SANITIZED)
		dup2(null, 2);
	for (int fd = 5; fd < 64; fd++)
		close(fd);
	_exit(engine_worker_main(o->records ? 12 : 11, argv));
}

#endif
