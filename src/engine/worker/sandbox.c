/* sandbox.c - what the kernel takes away from a worker before it runs user SQL.
 *
 *   rlimits    memory, descriptors, no core files
 *   Landlock   no file but the tenant's folder and, to read, its cache
 *   seccomp    no socket, no other program, no other process
 *
 * Each layer reports whether it holds; none is fatal here.
 */
#include "engine/worker/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <linux/sockios.h>
#include <malloc.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

enum {
	FILES_MAX = 1024,
	STACK = 8 << 20,
	/* Address space that is not user data: DuckDB's library, our own, allocator reserves. */
	FIXED_SPACE = 512 << 20,
	BATCH_SPACE = 1 << 30, /* copies of the largest batch of records */
};

/* --- rlimits --- */
static bool limit(__rlimit_resource_t what, uint64_t n)
{
	const struct rlimit r = {n, n};

	return setrlimit(what, &r) == 0;
}

static bool limit_all(const struct worker_options *o)
{
	/* Executors and their packers, DuckDB's in two instances, … */
	uint64_t stacks = (uint64_t)(2 * (o->concurrent + 1) + 2 * o->threads + 3) * STACK;
	uint64_t batches = o->records ? (uint64_t)(o->concurrent + 1) * BATCH_SPACE : 0;
	bool ok = limit(RLIMIT_CORE, 0) && limit(RLIMIT_NOFILE, FILES_MAX);

	mallopt(M_ARENA_MAX, 2); /* each arena reserves 64 MB of address space */
	if (SANITIZED || o->no_rlimit_as)
		return false;
	return limit(RLIMIT_AS, (uint64_t)o->memory + FIXED_SPACE + stacks + batches) && ok;
}

/* --- Landlock --- */
enum { ABI_KNOWN = 6 };
static const uint64_t rights_by_abi[ABI_KNOWN + 1] = {
	[1] = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE |
	      LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
	      LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
	      LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK |
	      LANDLOCK_ACCESS_FS_MAKE_SYM,
	[2] = 1ULL << 13, /* refer */
	[3] = 1ULL << 14, /* truncate */
	[5] = 1ULL << 15, /* ioctl of devices */
};
static const uint64_t folder_rights =
	LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR |
	LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |
	LANDLOCK_ACCESS_FS_MAKE_REG | 1ULL << 13 | 1ULL << 14;

/* The kernel's third argument grew with its version; older kernels take what they know. */
struct ruleset {
	uint64_t files;
	uint64_t network; /* since ABI 4: binding and connecting TCP */
	uint64_t scope;   /* since ABI 6: abstract sockets, signals */
};

/* What else DuckDB looks at when it opens: how much memory there is. */
static const char *const read_only[] = {"/proc/self/cgroup", "/proc/meminfo", "/sys/fs/cgroup"};

static bool allow(int ruleset, const char *path, uint64_t rights)
{
	struct landlock_path_beneath_attr rule = {.allowed_access = rights};
	bool ok;

	rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
	if (rule.parent_fd < 0)
		return false;
	ok = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
	close(rule.parent_fd);
	return ok;
}

static bool confine(const struct worker_options *o)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	struct ruleset r = {0};
	size_t size = sizeof(r.files);
	int fd;
	bool ok;

	if (abi < 1)
		return false;
	for (long i = 1; i <= abi && i <= ABI_KNOWN; i++)
		r.files |= rights_by_abi[i];
	if (abi >= 4) {
		r.network = 3;
		size = offsetof(struct ruleset, scope);
	}
	if (abi >= 6) {
		r.scope = 3;
		size = sizeof(r);
	}
	fd = (int)syscall(SYS_landlock_create_ruleset, &r, size, 0);
	if (fd < 0)
		return false;
	for (size_t i = 0; i < COUNT_OF(read_only); i++)
		allow(fd, read_only[i], LANDLOCK_ACCESS_FS_READ_FILE); /* not everywhere there */
	ok = allow(fd, ".", folder_rights & r.files) &&
	     (!o->cache || allow(fd, o->cache, LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)) &&
	     syscall(SYS_landlock_restrict_self, fd, 0) == 0;
	close(fd);
	return ok;
}

void sandbox_enter(const struct worker_options *o, struct sandbox *ret)
{
	bool locked = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;

	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	ret->rlimits = limit_all(o);
	ret->landlock = locked && confine(o);
}

/* --- seccomp --- */
/* Numbers that are the same on every machine; from FIRST_UNKNOWN on they are newer than Linux 6.8. */
enum { FCHMODAT2 = 452, FIRST_UNKNOWN = 457, LAST_UNKNOWN = 600 };
static const int denied[] = {
	/* network */
	SCMP_SYS(socket), SCMP_SYS(socketpair), SCMP_SYS(connect), SCMP_SYS(bind), SCMP_SYS(listen), SCMP_SYS(accept),
	SCMP_SYS(accept4), SCMP_SYS(socketcall),
	/* other programs and processes */
	SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(fork), SCMP_SYS(vfork), SCMP_SYS(ptrace),
	SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev), SCMP_SYS(process_madvise), SCMP_SYS(kcmp),
	SCMP_SYS(kill), SCMP_SYS(tkill), SCMP_SYS(rt_sigqueueinfo), SCMP_SYS(rt_tgsigqueueinfo), SCMP_SYS(pidfd_open),
	SCMP_SYS(pidfd_getfd), SCMP_SYS(pidfd_send_signal), SCMP_SYS(setpgid), SCMP_SYS(setsid),
	/* names of files: an older Landlock has no right for these */
	SCMP_SYS(truncate), SCMP_SYS(chmod), SCMP_SYS(fchmodat), SCMP_SYS(chown), SCMP_SYS(lchown), SCMP_SYS(fchownat),
	SCMP_SYS(mknod), SCMP_SYS(mknodat), SCMP_SYS(open_by_handle_at), SCMP_SYS(name_to_handle_at),
	SCMP_SYS(setxattr), SCMP_SYS(lsetxattr), SCMP_SYS(fsetxattr), SCMP_SYS(removexattr), SCMP_SYS(lremovexattr),
	SCMP_SYS(utime), SCMP_SYS(utimes), SCMP_SYS(futimesat), SCMP_SYS(utimensat), FCHMODAT2,
	/* memory and queues that others see, or that stay */
	SCMP_SYS(shmget), SCMP_SYS(shmat), SCMP_SYS(shmctl), SCMP_SYS(semget), SCMP_SYS(semop), SCMP_SYS(semtimedop),
	SCMP_SYS(semctl), SCMP_SYS(msgget), SCMP_SYS(msgsnd), SCMP_SYS(msgrcv), SCMP_SYS(msgctl), SCMP_SYS(mq_open),
	SCMP_SYS(mq_unlink),
	/* the share of the machine that others have */
	SCMP_SYS(setpriority), SCMP_SYS(ioprio_set), SCMP_SYS(sched_setscheduler), SCMP_SYS(sched_setparam),
	SCMP_SYS(sched_setattr), SCMP_SYS(migrate_pages), SCMP_SYS(move_pages),
	/* the system */
	SCMP_SYS(mount), SCMP_SYS(umount2), SCMP_SYS(move_mount), SCMP_SYS(open_tree), SCMP_SYS(fsopen), SCMP_SYS(fsmount),
	SCMP_SYS(mount_setattr), SCMP_SYS(pivot_root), SCMP_SYS(chroot), SCMP_SYS(setns), SCMP_SYS(unshare),
	SCMP_SYS(keyctl), SCMP_SYS(add_key), SCMP_SYS(request_key), SCMP_SYS(bpf), SCMP_SYS(perf_event_open),
	SCMP_SYS(userfaultfd), SCMP_SYS(io_uring_setup), SCMP_SYS(io_uring_enter), SCMP_SYS(io_uring_register),
	SCMP_SYS(personality), SCMP_SYS(fanotify_init), SCMP_SYS(inotify_init), SCMP_SYS(inotify_init1),
	SCMP_SYS(init_module), SCMP_SYS(finit_module), SCMP_SYS(delete_module), SCMP_SYS(kexec_load), SCMP_SYS(reboot),
	SCMP_SYS(swapon), SCMP_SYS(swapoff), SCMP_SYS(acct), SCMP_SYS(quotactl), SCMP_SYS(syslog), SCMP_SYS(sethostname),
	SCMP_SYS(setdomainname), SCMP_SYS(settimeofday), SCMP_SYS(clock_settime), SCMP_SYS(adjtimex),
	SCMP_SYS(clock_adjtime), SCMP_SYS(iopl), SCMP_SYS(ioperm), SCMP_SYS(vhangup), SCMP_SYS(nfsservctl),
	SCMP_SYS(setuid), SCMP_SYS(setgid), SCMP_SYS(setreuid), SCMP_SYS(setregid), SCMP_SYS(setresuid),
	SCMP_SYS(setresgid), SCMP_SYS(setgroups), SCMP_SYS(setfsuid), SCMP_SYS(setfsgid), SCMP_SYS(capset),
};

/* A signal by way of a descriptor's owner. */
static bool deny_owners(scmp_filter_ctx f)
{
	static const scmp_datum_t commands[] = {F_SETOWN, F_SETOWN_EX, F_SETSIG}, requests[] = {FIOSETOWN, SIOCSPGRP};
	bool ok = true;

	for (size_t i = 0; i < COUNT_OF(commands); i++)
		ok = ok && seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(fcntl), 1,
					    SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, commands[i])) == 0;
	for (size_t i = 0; i < COUNT_OF(requests); i++)
		ok = ok && seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1,
					    SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, requests[i])) == 0;
	return ok;
}

/* Calls newer than this list. */
static bool deny_unknown(scmp_filter_ctx f)
{
	bool ok = true;

	for (int nr = FIRST_UNKNOWN; ok && nr < LAST_UNKNOWN; nr++)
		ok = seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), nr, 0) == 0;
	return ok;
}

static bool add_rules(scmp_filter_ctx f)
{
	const struct scmp_arg_cmp of_another = SCMP_A0(SCMP_CMP_NE, 0);
	const struct scmp_arg_cmp no_thread = SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0);
	const struct scmp_arg_cmp others = SCMP_A0(SCMP_CMP_NE, (scmp_datum_t)getpid());

	/* A call this machine does not have is no hole: adding it may fail. */
	for (size_t i = 0; i < COUNT_OF(denied); i++)
		seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), denied[i], 0);
	return seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1, no_thread) == 0 &&
	       seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0) == 0 &&
	       seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(tgkill), 1, others) == 0 &&
	       seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(prlimit64), 1, of_another) == 0 && deny_owners(f) &&
	       deny_unknown(f);
}

void sandbox_seal(struct sandbox *ret)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);

	if (!f)
		return;
	ret->seccomp = seccomp_attr_set(f, SCMP_FLTATR_CTL_TSYNC, 1) == 0 && add_rules(f) && seccomp_load(f) == 0;
	seccomp_release(f);
}
