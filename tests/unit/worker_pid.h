/* worker_pid.h - the worker of a test's engine: the one child process of this program. */
#ifndef MAYFLY_TEST_WORKER_PID_H
#define MAYFLY_TEST_WORKER_PID_H

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "test.h"

static inline bool lives_below_us(const char *pid)
{
	char path[64], line[512], state;
	const char *name_end = NULL;
	int parent;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%.20s/stat", pid);
	f = atoi(pid) > 0 ? fopen(path, "r") : NULL;
	if (!f)
		return false;
	if (fgets(line, sizeof(line), f))
		name_end = strrchr(line, ')');
	fclose(f);
	return name_end && sscanf(name_end + 1, " %c %d", &state, &parent) == 2 && parent == getpid() && state != 'Z';
}

/* 0: there is none. */
static inline pid_t worker_pid(void)
{
	DIR *d = opendir("/proc");
	const struct dirent *e;
	pid_t found = 0;

	assert_non_null(d);
	while ((e = readdir(d)) != NULL)
		if (lives_below_us(e->d_name))
			found = (pid_t)atoi(e->d_name);
	closedir(d);
	return found;
}

static inline void kill_worker(void)
{
	pid_t pid = worker_pid();

	assert_true(pid > 0);
	assert_int_equal(kill(pid, SIGKILL), 0);
}

#endif
