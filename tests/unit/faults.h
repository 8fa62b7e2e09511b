/* faults.h - the calls that make files durable, counted, failing or deadly at a test's wish.
 *
 * Defines them in the place of libc's for the whole test program; include it in one file only.
 */
#ifndef MAYFLY_TEST_FAULTS_H
#define MAYFLY_TEST_FAULTS_H

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct {
	atomic_int fsyncs, fdatasyncs;
	atomic_int sync_error, rename_error; /* errno, or 0 */
	atomic_int steps, die_at;            /* kills this process at that step; there is one before and one after each call */
	atomic_bool no_disk;                 /* syncs are only counted: for tests of what a power cut does not touch */
	void (*in_sync)(void);
} faults;

static inline void faults_step(void)
{
	int saved = errno;

	if (++faults.steps == faults.die_at)
		kill(getpid(), SIGKILL);
	errno = saved;
}

static inline int faults_call(long number, int fd, atomic_int *count)
{
	int rc;

	if (faults.in_sync)
		faults.in_sync();
	faults_step();
	++*count;
	errno = faults.sync_error;
	rc = faults.sync_error ? -1 : faults.no_disk ? 0 : (int)syscall(number, fd);
	faults_step();
	return rc;
}

int fsync(int fd)
{
	return faults_call(SYS_fsync, fd, &faults.fsyncs);
}

int fdatasync(int fd)
{
	return faults_call(SYS_fdatasync, fd, &faults.fdatasyncs);
}

int syncfs(int fd)
{
	return faults.no_disk ? 0 : (int)syscall(SYS_syncfs, fd);
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	int rc;

	faults_step();
	errno = faults.rename_error;
	rc = faults.rename_error ? -1 : (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, 0);
	faults_step();
	return rc;
}

#endif
