/* sandbox_test.c - what a worker that was taken over can still ask of the kernel: nothing that reaches others.
 *
 * Each attempt is made in a child that is inside the sandbox, aimed at this
 * process or its folder, which the sandbox does not know.
 */
#include "engine/worker/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <mqueue.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "folder.h"
#include "test.h"

enum { NR_FCHMODAT2 = 452, NR_SETXATTRAT = 463, NR_NEWEST = 599, INSIDE_FAILED = 100 };

struct place {
	char out[64], in[80], secret[80]; /* a folder, the worker's in it, a file beside that */
	pid_t server;
	int fd;                           /* a socket the worker has */
};

/* --- attempts: true when the kernel let it through --- */
static bool reads(const struct place *p)
{
	return open(p->secret, O_RDONLY) >= 0;
}

static bool reads_an_environment(const struct place *p)
{
	(void)p;
	return open("/proc/self/environ", O_RDONLY) >= 0 || open("/proc/1/environ", O_RDONLY) >= 0;
}

static bool lists(const struct place *p)
{
	return open(p->out, O_RDONLY | O_DIRECTORY) >= 0;
}

static bool writes(const struct place *p)
{
	return open(p->secret, O_WRONLY | O_TRUNC) >= 0 || truncate(p->secret, 0) == 0 || unlink(p->secret) == 0 ||
	       rename(p->secret, "taken") == 0;
}

static bool links(const struct place *p)
{
	return link(p->secret, "linked") == 0 || symlink(p->secret, "pointed") == 0;
}

static bool changes_modes(const struct place *p)
{
	return chmod(p->secret, 0777) == 0 || fchmodat(AT_FDCWD, p->secret, 0777, 0) == 0 ||
	       syscall(NR_FCHMODAT2, AT_FDCWD, p->secret, 0777, 0) == 0 || chown(p->secret, 1, 1) == 0;
}

static bool changes_times(const struct place *p)
{
	return utimensat(AT_FDCWD, p->secret, NULL, 0) == 0;
}

static bool makes_sockets(const struct place *p)
{
	int pair[2];

	(void)p;
	return socket(AF_INET, SOCK_STREAM, 0) >= 0 || socket(AF_UNIX, SOCK_STREAM, 0) >= 0 || socket(AF_NETLINK, SOCK_RAW, 0) >= 0 ||
	       socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0;
}

static bool uses_io_uring(const struct place *p)
{
	char params[256] = {0};

	(void)p;
	return syscall(SYS_io_uring_setup, 4, params) >= 0;
}

static bool runs_programs(const struct place *p)
{
	char *const argv[] = {(char *)"true", NULL};
	int fd = memfd_create("x", 0);

	(void)p;
	if (fd < 0 || write(fd, "#!/bin/true\n", 12) != 12)
		return false;
	execve("/bin/true", argv, NULL);
	return syscall(SYS_execveat, fd, "", argv, NULL, AT_EMPTY_PATH) == 0 || errno != EPERM;
}

static bool forks(const struct place *p)
{
	pid_t child = fork();

	(void)p;
	if (child == 0)
		_exit(0);
	return child > 0;
}

static bool traces(const struct place *p)
{
	return ptrace(PTRACE_ATTACH, p->server, NULL, NULL) == 0 || syscall(SYS_pidfd_open, p->server, 0) >= 0;
}

static bool signals(const struct place *p)
{
	return kill(p->server, 0) == 0 || syscall(SYS_tgkill, p->server, p->server, 0) == 0;
}

/* O_ASYNC: the kernel signals a descriptor's owner, with the signal of F_SETSIG. */
static bool signals_by_descriptor(const struct place *p)
{
	int pid = p->server;

	return fcntl(p->fd, F_SETOWN, pid) == 0 || fcntl(p->fd, F_SETSIG, SIGKILL) == 0 || ioctl(p->fd, SIOCSPGRP, &pid) == 0 ||
	       ioctl(p->fd, FIOSETOWN, &pid) == 0;
}

static bool limits_others(const struct place *p)
{
	struct rlimit files;

	return prlimit(p->server, RLIMIT_NOFILE, NULL, &files) == 0;
}

static bool slows_others(const struct place *p)
{
	return setpriority(PRIO_PROCESS, (id_t)p->server, 19) == 0;
}

static bool shares_memory(const struct place *p)
{
	(void)p;
	return shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600) >= 0 || mq_open("/mayfly-sandbox-test", O_RDWR | O_CREAT, 0600, NULL) >= 0;
}

static bool knows_calls_of_tomorrow(const struct place *p)
{
	return syscall(NR_SETXATTRAT, AT_FDCWD, p->secret, 0, "user.x", NULL, 0) == 0 || errno != ENOSYS ||
	       syscall(NR_NEWEST) == 0 || errno != ENOSYS;
}

static bool mounts(const struct place *p)
{
	(void)p;
	return unshare(CLONE_NEWUSER) == 0 || unshare(CLONE_NEWNS) == 0;
}

static const struct attempt {
	const char *name;
	bool (*made)(const struct place *p);
} attempts[] = {
	{"reads", reads}, {"reads an environment", reads_an_environment}, {"lists", lists}, {"writes", writes}, {"links", links},
	{"changes modes", changes_modes}, {"changes times", changes_times}, {"makes sockets", makes_sockets},
	{"uses io_uring", uses_io_uring}, {"runs programs", runs_programs}, {"forks", forks}, {"traces", traces},
	{"signals", signals}, {"signals by descriptor", signals_by_descriptor}, {"limits others", limits_others},
	{"slows others", slows_others}, {"shares memory", shares_memory}, {"knows calls of tomorrow", knows_calls_of_tomorrow},
	{"mounts", mounts},
};

/* --- the sandbox around them --- */
NORETURN static void attempt_inside(const struct place *p, const struct attempt *a)
{
	const struct worker_options o = {.no_rlimit_as = true, .concurrent = 1, .threads = 1};
	struct sandbox s = {0};

	if (chdir(p->in) != 0)
		_exit(INSIDE_FAILED);
	sandbox_enter(&o, &s);
	sandbox_seal(&s);
	_exit(!s.landlock || !s.seccomp ? INSIDE_FAILED : a->made(p));
}

static int try(const struct place *p, const struct attempt *a)
{
	pid_t child = fork();
	int status;

	if (child == 0)
		attempt_inside(p, a);
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void a_worker_reaches_nothing_outside_its_folder(void **state)
{
	struct place p = {.server = getpid()};
	int pair[2], fd, through = 0;

	(void)state;
	folder_make(p.out);
	snprintf(p.in, sizeof(p.in), "%s/in", p.out);
	snprintf(p.secret, sizeof(p.secret), "%s/secret", p.out);
	assert_int_equal(mkdir(p.in, 0700), 0);
	fd = open(p.secret, O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	p.fd = pair[0];
	for (size_t i = 0; i < COUNT_OF(attempts); i++) {
		int rc = try(&p, &attempts[i]);

		if (rc == INSIDE_FAILED)
			skip(); /* no such kernel */
		if (rc != 0)
			print_error("a worker that %s came through (%d)\n", attempts[i].name, rc);
		through += rc != 0;
	}
	close(pair[0]);
	close(pair[1]);
	folder_remove(p.out);
	assert_int_equal(through, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(a_worker_reaches_nothing_outside_its_folder)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
