/* jail_int.h - inside the jail backend: what its files hand each other.
 *
 *   jail.c         the ops table; opening, closing, report     jail_find.c   the programs, the engine's identity
 *   jail_plan.c    what an instance sees: steps of mounting    jail_spawn.c  the child between clone and exec
 *   jail_thread.c  the creator; background work                jail_filter.c limits, system calls
 *   jail_probe.c   levels and drivers, tried by doing          jail_base.c   the base
 *   jail_room.c    folders of instances, by driver             jail_tree.c   trees of files: copied, removed, measured
 *   jail_run.c     instances                                   jail_layer.c  layers: published, found, dropped
 *   jail_publish.c a stopped instance becomes a layer          jail_watch.c  how much instances write to disk
 *   jail_sweep.c   what a crash left                           jail_pack.c   archives     jail_lock.c  locks
 *   jail_cgroup.c  limits of an instance as a whole
 *
 * Folders, below <dir>/<kind> (kind: overlay, btrfs or tree; its owner is the instances' uid, mode 0700):
 *   layers/<id>/{data,layer,durable}   servers/<server>   locks/<id>   run/<server>-<n>/   build/<server>-<n>/   trash/   mnt/
 * Any number of servers share one dir: what is in run/ and build/ belongs to the server whose lock file it names.
 */
#ifndef MAYFLY_ENGINE_PG_JAIL_INT_H
#define MAYFLY_ENGINE_PG_JAIL_INT_H

#include "engine/pg/pg_int.h"
#include "engine/pg/layers.h"

#include <linux/filter.h>
#include <pthread.h>

enum jail_level { JAIL_USERNS, JAIL_ROOT, JAIL_PLAIN }; /* JAIL_ROOT: namespaces made by root; JAIL_PLAIN: none */
enum jail_driver { JAIL_BTRFS, JAIL_OVERLAY, JAIL_OVERLAY_TMPFS, JAIL_REFLINK, JAIL_COPY, JAIL_DRIVERS };
enum { JAIL_NAME = 96, JAIL_FILES = 1024 };

/* --- the programs (jail_find.c) --- */
struct jail_programs {
	char *bin_dir, *share_dir, *lib_dir; /* absolute, without links; malloc */
	char version[64];
	int major;
	bool notifies; /* tells NOTIFY_SOCKET when it is ready */
	unsigned char digest[SHA256_LEN];
};
bool jail_find(struct call *c, struct str bin_dir, struct jail_programs *ret) NODISCARD;
void jail_programs_drop(struct jail_programs *p);

/* --- a child (jail_plan.c, jail_spawn.c, jail_thread.c) --- */
enum jail_step_kind { STEP_DIR, STEP_FILE, STEP_LINK, STEP_MOUNT, STEP_ATTRS, STEP_PIVOT };
struct jail_step { /* one system call of the child, or a few */
	enum jail_step_kind kind;
	const char *from, *to; /* relative to the plan's root folder, but for sources of binds and contents of files and links */
	const char *type, *options;
	unsigned long flags;
};
enum { JAIL_STEPS_MAX = 96 };
struct jail_plan { /* all that the child needs, made before the clone */
	enum jail_level level;
	int root;               /* the folder of the kind */
	uid_t uid;
	gid_t gid;
	const char *cwd;        /* plain: relative to root */
	struct jail_step steps[JAIL_STEPS_MAX];
	int nsteps;
	const char *program;
	char *const *argv, *const *env;
	int cgroup;             /* to be born in; -1 = the server's */
	int in, out;            /* standard input, -1 = none; standard output and error */
	bool tells;             /* sends the descriptors of its folders; hears NOTIFY_SOCKET */
	int64_t memory_bytes, file_bytes;
	int processes;          /* 0 = unlimited */
	const struct sock_fprog *filter; /* NULL = none */
	int (*instead)(void *arg); /* runs in the child in place of the program; its value is the exit code */
	void *arg;
};
struct jail_child {
	pid_t pid;
	int pidfd, talk;
	int cgroup;             /* the plan's */
};
enum { JAIL_FD_SOCKETS, JAIL_FD_DATA, JAIL_FD_NOTIFY, JAIL_FDS };
struct jail_told { /* what the child says, once */
	int step, error;        /* error 0: it goes on to the program */
};
enum { TOLD_IDENTITY = 1000, TOLD_FOLDERS, TOLD_LIMITS, TOLD_EXEC }; /* instead of a step's number */
bool jail_clone(const struct jail_plan *p, struct jail_child *ret); /* false with errno; on the creator's thread */
/* Waits until the child has gone on to its program. fds: JAIL_FDS of them when the plan tells, -1 where there is none. */
bool jail_started(struct call *c, const struct jail_plan *p, struct jail_child *ch, const struct pg_limits *l, int *fds) NODISCARD;
bool jail_reap(struct jail_child *ch, int ms, int *ret_code); /* waits for its end; code: as of a shell */
void jail_kill(struct jail_child *ch, enum jail_level level); /* and all its processes; does not wait */

struct jail;
struct jail_mount { /* what an instance gets at /d */
	const char *lowers;     /* overlay: names below the root folder, "a:b"; NULL = a folder is bound */
	const char *folder;     /* bound, or of the overlay's data and work; NULL = in memory */
};
enum jail_program { JAIL_POSTGRES, JAIL_SINGLE, JAIL_INITDB, JAIL_PROBE };
void jail_plan(struct call *c, struct jail *j, enum jail_program program, const struct jail_mount *m, struct jail_plan *ret);

struct jail_threads;
struct jail_threads *jail_threads_open(struct jail *j);
bool jail_spawn(struct call *c, struct jail *j, const struct jail_plan *p, struct jail_child *ret) NODISCARD;
enum { WAKE_TRASH = 1, WAKE_DURABLE = 2, WAKE_WATCH = 4, WAKE_CLOSE = 8, WAKE_CGROUP = 16 }; /* trash/ has something; a layer is not durable yet; one more writes to disk */
void jail_threads_wake(struct jail *j, int what);
void jail_close_behind(struct jail *j, const int *fds, int n); /* -1 are left out; the last of a file system in memory frees it */
void jail_threads_close(struct jail_threads *t);
const struct sock_fprog *jail_filter(void);  /* NULL: seccomp is not to be had; for the process' life */
bool jail_limits(const struct jail_plan *p); /* in the child */
extern enum jail_level jail_test_level; /* tests: no better one is tried */

/* --- the backend --- */
struct jail {
	struct pg_backend backend;
	struct jail_programs programs;
	struct str extensions[64];
	int nextensions;
	enum jail_level level;
	enum jail_driver driver;
	int root;               /* fd of the kind's folder */
	char *path;             /* its absolute path */
	uid_t uid;              /* of the instances */
	gid_t gid;
	int max, pids;
	int64_t memory_bytes, disk_bytes;
	char base[JAIL_NAME];   /* name of its layer */
	char server[16];        /* this server's name in servers/ */
	int server_lock, null;  /* null: /dev/null */
	char boot_id[40];
	char missing[512];
	atomic_int instances;
	atomic_ullong serial;
	struct jail_threads *threads;
	struct jail_cgroups *cgroups;
	pthread_mutex_t watch_lock;
	struct list watched;    /* instances that write to disk */
	uint64_t looks;         /* of the background thread */
};
static inline struct jail *jail_of(struct pg_backend *b)
{
	return CONTAINER_OF(b, struct jail, backend);
}
void jail_missing(struct jail *j, const char *fmt, ...) PRINTF(2, 3);
const char *jail_driver_name(enum jail_driver d);
const char *jail_kind(enum jail_driver d);

/* --- folders --- */
bool jail_probe(struct call *c, struct jail *j, const struct pg_jail_options *o) NODISCARD; /* level, driver, root */
bool jail_identity(struct call *c, struct pg_backend *b, struct buf *ret);
bool jail_base_name(struct call *c, struct jail *j) NODISCARD;
bool jail_base(struct call *c, struct jail *j) NODISCARD; /* makes it when it is missing; takes a second, or more */
bool jail_sweep(struct call *c, struct jail *j) NODISCARD; /* and takes the server's lock */
bool jail_server_gone(struct jail *j, struct str server);
void jail_empty_trash(struct jail *j);
void jail_to_trash(struct jail *j, const char *name); /* name below the root folder */

#endif
