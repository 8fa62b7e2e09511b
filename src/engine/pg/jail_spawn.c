/* jail_spawn.c - a child: cloned into namespaces of its own, and what it does until PostgreSQL takes over.
 *
 * It is pid 1 of its namespace and a direct child of the server: one clone3() makes the process and all its namespaces, the
 * creator writes its id maps, it turns into the instances' uid, mounts, gives up everything and executes. Between clone and
 * exec the child does only what is safe in a copy of a process with threads: system calls, on memory that the plan made before.
 *
 * It keeps a copy of every descriptor of the server for these few milliseconds; exec closes them.
 */
#include "engine/pg/jail_int.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- in the child --- */
static int failed_at(int talk, int step)
{
	struct jail_told t = {step, errno};

	(void)!send(talk, &t, sizeof(t), MSG_NOSIGNAL);
	return 127;
}

static void default_signals(void)
{
	struct sigaction dfl = {.sa_handler = SIG_DFL};
	sigset_t none;

	for (int s = 1; s < NSIG; s++)
		sigaction(s, &dfl, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static bool capabilities(bool keep)
{
	struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct d[2] = {{0}};

	if (keep && syscall(SYS_capget, &h, d) != 0)
		return false;
	for (int i = 0; i < 2; i++)
		d[i].effective = d[i].permitted;
	return syscall(SYS_capset, &h, d) == 0;
}

/* The instances' uid, with the capabilities that mounting takes. The system calls themselves: the library's functions would wait for
 * the threads of the process that this is a copy of. */
static bool become(const struct jail_plan *p, bool groups)
{
	if (p->level == JAIL_PLAIN && geteuid() != 0)
		return true;
	return (!groups || syscall(SYS_setgroups, 0, NULL) == 0) && prctl(PR_SET_KEEPCAPS, p->level != JAIL_PLAIN, 0, 0, 0) == 0 &&
	       syscall(SYS_setresgid, p->gid, p->gid, p->gid) == 0 && syscall(SYS_setresuid, p->uid, p->uid, p->uid) == 0 &&
	       (p->level == JAIL_PLAIN || capabilities(true));
}

static bool attributes(const struct jail_step *s)
{
	struct mount_attr a = {.attr_set = s->flags};

	return syscall(SYS_mount_setattr, AT_FDCWD, s->to, AT_RECURSIVE, &a, sizeof(a)) == 0;
}

static bool write_file(const struct jail_step *s)
{
	int fd = open(s->to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	size_t n = strlen(s->from);

	return fd >= 0 && write(fd, s->from, n) == (ssize_t)n && close(fd) == 0;
}

static bool pivot(const char *to)
{
	return chdir(to) == 0 && syscall(SYS_pivot_root, ".", ".") == 0 && umount2(".", MNT_DETACH) == 0 && chdir("/") == 0;
}

static bool take_step(const struct jail_step *s)
{
	switch (s->kind) {
	case STEP_DIR: return mkdir(s->to, (mode_t)s->flags) == 0 || errno == EEXIST;
	case STEP_FILE: return write_file(s);
	case STEP_LINK: return symlink(s->from, s->to) == 0;
	case STEP_MOUNT: return mount(s->from, s->to, s->type, s->flags, s->options) == 0;
	case STEP_ATTRS: return attributes(s);
	case STEP_PIVOT: return pivot(s->to);
	}
	return false;
}

/* The folder of the socket is the jail's own: the server goes there through a descriptor, nothing of it is on the host. */
static bool open_folders(int fds[JAIL_FDS])
{
	struct sockaddr_un at = {.sun_family = AF_UNIX, .sun_path = "/tmp/s/notify"};

	fds[JAIL_FD_SOCKETS] = open("/tmp/s", O_PATH | O_DIRECTORY | O_CLOEXEC);
	fds[JAIL_FD_DATA] = open("/d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fds[JAIL_FD_NOTIFY] = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	return fds[JAIL_FD_SOCKETS] >= 0 && fds[JAIL_FD_DATA] >= 0 && fds[JAIL_FD_NOTIFY] >= 0 &&
	       bind(fds[JAIL_FD_NOTIFY], (struct sockaddr *)&at, sizeof(at)) == 0;
}

static bool tell(int talk, const int fds[JAIL_FDS])
{
	struct jail_told t = {0, 0};
	struct iovec bytes = {&t, sizeof(t)};
	_Alignas(struct cmsghdr) char space[CMSG_SPACE(JAIL_FDS * sizeof(int))] = {0};
	struct msghdr m = {.msg_iov = &bytes, .msg_iovlen = 1};
	struct cmsghdr *h = (struct cmsghdr *)(void *)space;

	if (fds) {
		m.msg_control = space;
		m.msg_controllen = sizeof(space);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(JAIL_FDS * sizeof(int));
		memcpy(CMSG_DATA(h), fds, JAIL_FDS * sizeof(int));
	}
	return sendmsg(talk, &m, MSG_NOSIGNAL) == (ssize_t)sizeof(t);
}

/* 0, 1 and 2 are the program's, whatever numbers they had. */
static bool standard_streams(const struct jail_plan *p)
{
	if (p->in >= 0 ? dup2(p->in, STDIN_FILENO) < 0 : close(STDIN_FILENO) != 0 && errno != EBADF)
		return false;
	return dup2(p->out, STDOUT_FILENO) >= 0 && dup2(p->out, STDERR_FILENO) >= 0;
}

static bool give_up_rights(const struct jail_plan *p)
{
	/* PostgreSQL's own word for "at once": its processes go with it. In namespaces pid 1 takes all with it. */
	int parting = p->level == JAIL_PLAIN ? SIGQUIT : SIGKILL;

	return (p->level == JAIL_PLAIN || capabilities(false)) && jail_limits(p) && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_PDEATHSIG, parting, 0, 0, 0) == 0 &&
	       (!p->filter || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, p->filter, 0, 0) == 0);
}

static int child(const struct jail_plan *p, int talk, bool groups)
{
	int fds[JAIL_FDS] = {-1, -1, -1};
	char go;

	default_signals();
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0); /* forgotten when the uid changes */
	if (recv(talk, &go, 1, 0) != 1)
		return 127; /* the server is gone */
	if (!become(p, groups))
		return failed_at(talk, TOLD_IDENTITY);
	umask(077);
	for (int i = 0; i < p->nsteps; i++)
		if (!take_step(&p->steps[i]))
			return failed_at(talk, i);
	if ((p->cwd && chdir(p->cwd) != 0) || (p->tells && p->level != JAIL_PLAIN && !open_folders(fds)))
		return failed_at(talk, TOLD_FOLDERS);
	if (!standard_streams(p) || !give_up_rights(p))
		return failed_at(talk, TOLD_LIMITS);
	if (!tell(talk, p->tells && p->level != JAIL_PLAIN ? fds : NULL))
		return 127;
	if (p->instead)
		return p->instead(p->arg);
	syscall(SYS_close_range, 3, ~0U, CLOSE_RANGE_CLOEXEC);
	execve(p->program, p->argv, p->env);
	return failed_at(talk, TOLD_EXEC);
}

/* --- the creator's side --- */
static bool write_to(int dir, const char *name, const char *text)
{
	int fd = openat(dir, name, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && file_write(fd, str_of(text));

	if (fd >= 0)
		file_close_quietly(fd);
	return ok;
}

/* The uid is itself inside; nothing else is anybody there. */
static bool write_maps(pid_t pid, const struct jail_plan *p)
{
	char path[32], map[64];
	int dir;
	bool ok;

	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	snprintf(map, sizeof(map), "%u %u 1", (unsigned)p->uid, (unsigned)p->uid);
	dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return false;
	ok = write_to(dir, "uid_map", map);
	if (ok && geteuid() != 0)
		ok = write_to(dir, "setgroups", "deny");
	snprintf(map, sizeof(map), "%u %u 1", (unsigned)p->gid, (unsigned)p->gid);
	ok = ok && write_to(dir, "gid_map", map);
	file_close_quietly(dir);
	return ok;
}

static uint64_t namespaces_of(enum jail_level level)
{
	const uint64_t all = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;

	return level == JAIL_PLAIN ? 0 : level == JAIL_ROOT ? all : all | CLONE_NEWUSER;
}

static bool clone_into(const struct jail_plan *p, int talk, int others, struct jail_child *ret)
{
	uint64_t born = p->cgroup >= 0 ? CLONE_INTO_CGROUP : 0;
	struct clone_args a = {.flags = CLONE_PIDFD | namespaces_of(p->level) | born, .exit_signal = SIGCHLD};
	bool groups = geteuid() == 0;
	sigset_t all, was;
	int pidfd = -1;
	long pid;

	a.pidfd = (uint64_t)(uintptr_t)&pidfd;
	a.cgroup = born ? (uint64_t)p->cgroup : 0;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &was); /* no handler of ours runs in the child */
	pid = syscall(SYS_clone3, &a, sizeof(a));
	if (pid == 0) {
		close(others);
		_exit(child(p, talk, groups));
	}
	pthread_sigmask(SIG_SETMASK, &was, NULL);
	*ret = (struct jail_child){.pid = (pid_t)pid, .pidfd = pidfd, .talk = others, .cgroup = p->cgroup};
	return pid > 0;
}

/* The child's working folder is the root folder, through its own copy of the mount: the creator stands there when it clones. So paths
 * above it, which may be closed to the instances' uid, are not walked; a descriptor would lead to the server's mounts. */
bool jail_clone(const struct jail_plan *p, struct jail_child *ret)
{
	int pair[2], error, code;
	bool ok;

	if (fchdir(p->root) != 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		return false;
	ok = clone_into(p, pair[1], pair[0], ret);
	error = errno;
	close(pair[1]);
	if (!ok) {
		close(pair[0]);
		errno = error;
		return false;
	}
	ok = (p->level != JAIL_USERNS || write_maps(ret->pid, p)) && send(ret->talk, "", 1, MSG_NOSIGNAL) == 1;
	if (!ok) {
		error = errno;
		jail_kill(ret, JAIL_USERNS);
		if (!jail_reap(ret, 1000, &code))
			error = ETIMEDOUT;
		errno = error;
	}
	return ok;
}

static const char *step_words(struct call *c, const struct jail_plan *p, int step)
{
	static const char *const words[] = {"making", "writing", "linking", "mounting", "protecting", "entering"};

	if (step >= 0 && step < p->nsteps)
		return arena_fmt(c->arena, "%s %s%s%s", words[p->steps[step].kind], p->steps[step].type ? p->steps[step].type : "",
				 p->steps[step].type ? " on " : "", p->steps[step].to).p;
	switch (step) {
	case TOLD_IDENTITY: return "becoming the instances' user";
	case TOLD_FOLDERS: return "opening its folders";
	case TOLD_LIMITS: return "setting its limits";
	default: return "executing PostgreSQL";
	}
}

static ssize_t hear(int talk, struct jail_told *ret, int *fds)
{
	struct iovec bytes = {ret, sizeof(*ret)};
	_Alignas(struct cmsghdr) char space[CMSG_SPACE(JAIL_FDS * sizeof(int))];
	struct msghdr m = {.msg_iov = &bytes, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof(space)};
	ssize_t n = recvmsg(talk, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	struct cmsghdr *h = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;

	if (h && h->cmsg_type == SCM_RIGHTS && h->cmsg_len == CMSG_LEN(JAIL_FDS * sizeof(int)))
		memcpy(fds, CMSG_DATA(h), JAIL_FDS * sizeof(int));
	return n;
}

bool jail_started(struct call *c, const struct jail_plan *p, struct jail_child *ch, const struct pg_limits *l, int *fds)
{
	struct jail_told t = {0, 0};
	enum pg_woken w = pg_wait(l, ch->talk, POLLIN);
	int got[JAIL_FDS] = {-1, -1, -1};

	if (w == PG_ASKED_TO_STOP)
		return fail(c, ERR_CANCELED, "canceled while PostgreSQL started");
	if (w == PG_TOO_LATE)
		return fail(c, ERR_STATEMENT_TIMEOUT, "the deadline passed while PostgreSQL started");
	if (hear(ch->talk, &t, got) != (ssize_t)sizeof(t))
		return fail(c, ERR_ENGINE_UNREACHABLE, "an instance ended before PostgreSQL started");
	if (t.error)
		return fail(c, ERR_ENGINE_UNREACHABLE, "an instance failed %s: %s", step_words(c, p, t.step), strerror(t.error));
	for (int i = 0; i < JAIL_FDS; i++)
		if (fds)
			fds[i] = got[i];
		else if (got[i] >= 0)
			close(got[i]);
	return true;
}

/* --- its end --- */
/* Without a pid namespace its children outlive it: they are found and killed first, while it cannot make more. */
static void kill_children(pid_t pid)
{
	char path[64];
	OWNS(buf) list = {0};
	struct str left;
	int fd;

	kill(pid, SIGSTOP);
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (file_read(fd, 1 << 20, &list))
		for (left = buf_str(&list); left.n;) {
			int64_t one;

			if (str_to_i64(str_cut(&left, ' '), &one) && one > 1)
				kill((pid_t)one, SIGKILL);
		}
	close(fd);
}

void jail_kill(struct jail_child *ch, enum jail_level level)
{
	if (ch->pidfd < 0)
		return;
	if (ch->cgroup >= 0)
		(void)!write_to(ch->cgroup, "cgroup.kill", "1");
	if (level == JAIL_PLAIN)
		kill_children(ch->pid);
	syscall(SYS_pidfd_send_signal, ch->pidfd, SIGKILL, NULL, 0);
}

bool jail_reap(struct jail_child *ch, int ms, int *ret_code)
{
	struct pollfd end = {.fd = ch->pidfd, .events = POLLIN};
	siginfo_t how = {0};
	int n;

	do
		n = poll(&end, 1, ms);
	while (n < 0 && errno == EINTR);
	if (n == 0 || waitid(P_PIDFD, (id_t)ch->pidfd, &how, WEXITED) != 0)
		return false;
	*ret_code = how.si_code == CLD_EXITED ? how.si_status : 128 + how.si_status;
	close(ch->pidfd);
	close(ch->talk);
	ch->pidfd = ch->talk = -1;
	return true;
}
