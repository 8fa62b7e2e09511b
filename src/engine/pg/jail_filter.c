/* jail_filter.c - limits of an instance, and the system calls that it never needs.
 *
 * The filter is made once a process. It forbids by name, not by list of what is needed: PostgreSQL of another version, and
 * the languages in it, keep working; the namespaces and the lack of any capability are what holds.
 */
#include "engine/pg/jail_int.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static const int denied[] = {
	/* other processes */
	SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev), SCMP_SYS(kcmp), SCMP_SYS(pidfd_getfd),
	SCMP_SYS(process_madvise),
	/* mounts and namespaces */
	SCMP_SYS(mount), SCMP_SYS(umount2), SCMP_SYS(move_mount), SCMP_SYS(open_tree), SCMP_SYS(fsopen), SCMP_SYS(fsconfig),
	SCMP_SYS(fsmount), SCMP_SYS(fspick), SCMP_SYS(mount_setattr), SCMP_SYS(pivot_root), SCMP_SYS(chroot), SCMP_SYS(setns),
	SCMP_SYS(unshare), SCMP_SYS(name_to_handle_at), SCMP_SYS(open_by_handle_at), SCMP_SYS(mknod), SCMP_SYS(mknodat),
	/* parts of the kernel with many faults behind them */
	SCMP_SYS(bpf), SCMP_SYS(perf_event_open), SCMP_SYS(userfaultfd), SCMP_SYS(io_uring_setup), SCMP_SYS(io_uring_enter),
	SCMP_SYS(io_uring_register), SCMP_SYS(keyctl), SCMP_SYS(add_key), SCMP_SYS(request_key), SCMP_SYS(fanotify_init),
	SCMP_SYS(personality), SCMP_SYS(modify_ldt), SCMP_SYS(vmsplice), SCMP_SYS(landlock_create_ruleset),
	SCMP_SYS(lookup_dcookie), SCMP_SYS(quotactl), SCMP_SYS(mq_open), SCMP_SYS(mq_unlink),
	/* the machine */
	SCMP_SYS(init_module), SCMP_SYS(finit_module), SCMP_SYS(delete_module), SCMP_SYS(kexec_load), SCMP_SYS(kexec_file_load),
	SCMP_SYS(reboot), SCMP_SYS(swapon), SCMP_SYS(swapoff), SCMP_SYS(settimeofday), SCMP_SYS(clock_settime),
	SCMP_SYS(clock_adjtime), SCMP_SYS(adjtimex), SCMP_SYS(sethostname), SCMP_SYS(setdomainname), SCMP_SYS(acct),
	SCMP_SYS(syslog), SCMP_SYS(iopl), SCMP_SYS(ioperm), SCMP_SYS(nfsservctl), SCMP_SYS(vhangup),
	/* the share of the machine that others have */
	SCMP_SYS(setpriority), SCMP_SYS(ioprio_set), SCMP_SYS(sched_setscheduler), SCMP_SYS(sched_setparam),
	SCMP_SYS(sched_setattr), SCMP_SYS(sched_setaffinity), SCMP_SYS(migrate_pages), SCMP_SYS(move_pages), SCMP_SYS(mbind),
	SCMP_SYS(set_mempolicy), SCMP_SYS(mlockall),
};
static const unsigned namespaces[] = {CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWIPC, CLONE_NEWUTS, CLONE_NEWCGROUP};

static struct sock_fprog program;

static bool add_rules(scmp_filter_ctx x)
{
	bool ok = true;

	for (size_t i = 0; ok && i < COUNT_OF(denied); i++)
		ok = seccomp_rule_add(x, SCMP_ACT_ERRNO(EPERM), denied[i], 0) == 0;
	for (size_t i = 0; ok && i < COUNT_OF(namespaces); i++)
		ok = seccomp_rule_add(x, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
				      SCMP_A0(SCMP_CMP_MASKED_EQ, namespaces[i], namespaces[i])) == 0;
	/* Its flags are in memory, which a filter cannot read: the C library takes clone() then. */
	ok = ok && seccomp_rule_add(x, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0) == 0;
	return ok && seccomp_rule_add(x, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_NE, AF_UNIX)) == 0;
}

static void make(void)
{
	scmp_filter_ctx x = seccomp_init(SCMP_ACT_ALLOW);
	int fd = memfd_create("filter", MFD_CLOEXEC);
	OWNS(buf) code = {0};
	bool ok = x && fd >= 0 && add_rules(x) && seccomp_export_bpf(x, fd) == 0 && file_read_at(fd, 0, 1 << 20, &code);

	if (ok) {
		struct buf b = buf_take(&code);

		program.len = (unsigned short)(b.n / sizeof(struct sock_filter));
		program.filter = (struct sock_filter *)(void *)b.p; /* lives as long as the process */
	}
	if (x)
		seccomp_release(x);
	if (fd >= 0)
		close(fd);
}

const struct sock_fprog *jail_filter(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, make);
	return program.len ? &program : NULL;
}

/* --- rlimits --- */
/* Address space of a process that is not memory of its own: libraries, shared buffers, reserves of the allocator. */
enum { FIXED_SPACE = 512 << 20, STACK = 8 << 20, LOCKED = 64 << 10 };

static bool limit(__rlimit_resource_t what, uint64_t n)
{
	struct rlimit now, r = {n, n};

	if (getrlimit(what, &now) == 0 && now.rlim_max < n)
		r.rlim_cur = r.rlim_max = now.rlim_max; /* never more than we have ourselves */
	return setrlimit(what, &r) == 0;
}

bool jail_limits(const struct jail_plan *p)
{
	return limit(RLIMIT_CORE, 0) && limit(RLIMIT_NOFILE, JAIL_FILES) && limit(RLIMIT_MEMLOCK, LOCKED) &&
	       limit(RLIMIT_STACK, STACK) && limit(RLIMIT_MSGQUEUE, 0) &&
	       (!p->memory_bytes || limit(RLIMIT_AS, (uint64_t)p->memory_bytes + FIXED_SPACE)) &&
	       (!p->file_bytes || limit(RLIMIT_FSIZE, (uint64_t)p->file_bytes)) &&
	       (!p->processes || limit(RLIMIT_NPROC, (uint64_t)p->processes));
}
