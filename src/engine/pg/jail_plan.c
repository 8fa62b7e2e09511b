/* jail_plan.c - what an instance sees: the steps that make its root folder, its arguments, its environment.
 *
 *   /d            the data folder: the layers' overlay, or a copy of its own
 *   /usr/lib …    libraries, PostgreSQL's own files, time zones: of the host, to be read
 *   /etc/passwd   of one line
 *   /tmp          in memory, /dev/shm leads there; /tmp/s is the socket's folder
 *
 * No /proc, no /sys, no device, no program but what lies in the library folders; initdb alone also gets a shell and /dev/null.
 * What can be written cannot be executed. Mounts are made below mnt/, which is empty for everybody else.
 */
#include "engine/pg/jail_int.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ARGS_MAX = 48, SCRATCH_BYTES = 64 << 20, SINGLE_BYTES = 1 << 30 };
static const unsigned long QUIET = MS_NOSUID | MS_NODEV;

static void step(struct jail_plan *p, struct jail_step s)
{
	INVARIANT(p->nsteps < JAIL_STEPS_MAX);
	p->steps[p->nsteps++] = s;
}

static void folder(struct jail_plan *p, const char *to, unsigned mode)
{
	step(p, (struct jail_step){.kind = STEP_DIR, .to = to, .flags = mode});
}

static void bind_writable(struct jail_plan *p, const char *from, const char *to, uint64_t attributes)
{
	step(p, (struct jail_step){.kind = STEP_MOUNT, .from = from, .to = to, .flags = MS_BIND | MS_REC});
	step(p, (struct jail_step){.kind = STEP_ATTRS, .to = to, .flags = attributes});
}

static const char *inside(struct call *c, const char *path)
{
	return arena_fmt(c->arena, "mnt%s", path).p;
}

/* --- the host's folders --- */
/* With the folders on the way there; `path` is absolute and without links. */
static void show(struct call *c, struct jail_plan *p, const char *path)
{
	struct str all = str_of(path);

	for (size_t i = 1; i <= all.n; i++)
		if (i == all.n || path[i] == '/')
			folder(p, inside(c, arena_cstr(c->arena, str_head(all, i))), 0755);
	bind_writable(p, path, inside(c, path), MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
}

static bool below(const char *path, const char *const *shown, int n)
{
	for (int i = 0; i < n; i++) {
		struct str s = str_of(shown[i]);

		if (str_starts(str_of(path), s) && (path[s.n] == '\0' || path[s.n] == '/'))
			return true;
	}
	return false;
}

/* /lib and its like: a link as it is here, or the folder. */
static void show_root_folder(struct call *c, struct jail_plan *p, const char *path)
{
	char target[PATH_MAX];
	ssize_t n = readlink(path, target, sizeof(target));
	struct stat st;

	if (n > 0)
		step(p, (struct jail_step){.kind = STEP_LINK, .from = arena_cstr(c->arena, str_from(target, (size_t)n)),
					   .to = inside(c, path)});
	else if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		show(c, p, path);
}

static void show_host(struct call *c, struct jail *j, bool with_shell, struct jail_plan *p)
{
	const struct jail_programs *g = &j->programs;
	const char *const wanted[] = {with_shell ? "/usr" : "/usr/lib", "/usr/lib64", "/usr/lib32", "/usr/share/zoneinfo",
				      "/usr/share/perl", "/usr/share/perl5", "/usr/share/tcltk", g->bin_dir, g->lib_dir, g->share_dir};
	static const char *const roots[] = {"/lib", "/lib64", "/lib32", "/bin"};
	const char *shown[COUNT_OF(wanted)];
	int n = 0;

	for (size_t i = 0; i < COUNT_OF(wanted); i++) {
		char *real = realpath(wanted[i], NULL);

		if (real && !below(real, shown, n)) {
			shown[n] = arena_cstr(c->arena, str_of(real));
			show(c, p, shown[n++]);
		}
		free(real);
	}
	for (size_t i = 0; i < COUNT_OF(roots) - !with_shell; i++)
		show_root_folder(c, p, roots[i]);
}

static void make_null(struct jail_plan *p)
{
	step(p, (struct jail_step){.kind = STEP_FILE, .from = "", .to = "mnt/dev/null"});
	step(p, (struct jail_step){.kind = STEP_MOUNT, .from = "/dev/null", .to = "mnt/dev/null", .flags = MS_BIND});
}

/* --- the steps --- */
/* volatile: else the kernel writes all of the disk's file system out when an instance ends. Layers are made durable behind. */
static void mount_data(struct call *c, struct jail_plan *p, const struct jail_mount *m)
{
	const char *own = m->folder ? m->folder : "mnt/d", *options;

	if (!m->lowers) {
		bind_writable(p, arena_fmt(c->arena, "%s/data", m->folder).p, "mnt/d",
			      MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
		return;
	}
	if (!m->folder) {
		folder(p, "mnt/d/data", 0700);
		folder(p, "mnt/d/work", 0700);
	}
	options = arena_fmt(c->arena, "lowerdir=%s,upperdir=%s/data,workdir=%s/work,userxattr,volatile", m->lowers, own, own).p;
	step(p, (struct jail_step){.kind = STEP_MOUNT, .from = "overlay", .to = "mnt/d", .type = "overlay", .options = options,
				   .flags = QUIET | MS_NOEXEC | MS_NOATIME});
}

static void root_folder(struct call *c, struct jail *j, struct jail_plan *p, bool with_shell)
{
	step(p, (struct jail_step){.kind = STEP_MOUNT, .to = "/", .flags = MS_REC | MS_PRIVATE});
	step(p, (struct jail_step){.kind = STEP_MOUNT, .from = "root", .to = "mnt", .type = "tmpfs", .options = "size=1m,mode=0755",
				   .flags = QUIET});
	show_host(c, j, with_shell, p);
	folder(p, "mnt/etc", 0755);
	folder(p, "mnt/dev", 0755);
	folder(p, "mnt/tmp", 0700);
	folder(p, "mnt/d", 0700);
	step(p, (struct jail_step){.kind = STEP_FILE, .to = "mnt/etc/passwd",
				   .from = arena_fmt(c->arena, "postgres:x:%u:%u::/:/\n", (unsigned)p->uid, (unsigned)p->gid).p});
	step(p, (struct jail_step){.kind = STEP_LINK, .from = "/tmp", .to = "mnt/dev/shm"});
	if (with_shell)
		make_null(p);
	else /* pg_timezone_names reads what zoneinfo/localtime links to */
		step(p, (struct jail_step){.kind = STEP_LINK, .from = "/usr/share/zoneinfo/Etc/UTC", .to = "mnt/etc/localtime"});
}

/* What is in memory lies under /d, where nobody gets at it: unmounting it there would wait for all processors. */
static void steps(struct call *c, struct jail *j, struct jail_plan *p, const struct jail_mount *m, bool with_shell)
{
	int64_t size = m->folder || m->lowers == NULL ? SCRATCH_BYTES : j->disk_bytes;
	const char *options = arena_fmt(c->arena, "size=%lld,mode=0700", (long long)size).p;

	root_folder(c, j, p, with_shell);
	step(p, (struct jail_step){.kind = STEP_MOUNT, .from = "own", .to = "mnt/d", .type = "tmpfs", .options = options,
				   .flags = QUIET | MS_NOEXEC});
	folder(p, "mnt/d/tmp", 0700);
	folder(p, "mnt/d/tmp/s", 0700);
	step(p, (struct jail_step){.kind = STEP_MOUNT, .from = "mnt/d/tmp", .to = "mnt/tmp", .flags = MS_BIND});
	mount_data(c, p, m);
	step(p, (struct jail_step){.kind = STEP_PIVOT, .to = "mnt"});
	step(p, (struct jail_step){.kind = STEP_MOUNT, .to = "/", .flags = MS_REMOUNT | MS_BIND | MS_RDONLY | QUIET});
}

/* --- arguments --- */
struct args {
	struct call *c;
	char **v;
	int n;
};

static void arg(struct args *a, const char *z)
{
	INVARIANT(a->n < ARGS_MAX - 1);
	a->v[a->n++] = arena_cstr(a->c->arena, str_of(z));
}

static void setting(struct args *a, const char *z)
{
	arg(a, "-c");
	arg(a, z);
}

static void postgres_args(struct jail *j, bool plain, struct args *a)
{
	arg(a, "postgres");
	arg(a, "-D");
	arg(a, plain ? "." : "/d");
	arg(a, "-k");
	arg(a, plain ? "../s" : "/tmp/s");
	setting(a, arena_fmt(a->c->arena, "temp_file_limit=%lldkB", (long long)(j->disk_bytes / 1024)).p);
}

static void single_args(bool plain, struct args *a)
{
	arg(a, "postgres");
	arg(a, "--single");
	arg(a, "-D");
	arg(a, plain ? "." : "/d");
	setting(a, "exit_on_error=on");
	setting(a, "log_min_messages=error");
	setting(a, "log_min_error_statement=panic");
}

static void initdb_args(bool plain, struct args *a)
{
	static const char *const options[] = {"initdb", "-N", "-U", "postgres", "-A", "trust", "-E", "UTF8",
					      "--wal-segsize=1"};

	for (size_t i = 0; i < COUNT_OF(options); i++)
		arg(a, options[i]);
	arg(a, "--locale=C.UTF-8");
	arg(a, "-D");
	arg(a, plain ? "." : "/d");
}

static void environment(struct call *c, struct jail_plan *p)
{
	struct args e = {c, ARENA_ARRAY(c->arena, char *, ARGS_MAX), 0};

	arg(&e, "LANG=C.UTF-8");
	arg(&e, "TZ=UTC");
	arg(&e, "PATH=/usr/bin:/bin");
	arg(&e, "HOME=/");
	if (p->tells)
		arg(&e, "NOTIFY_SOCKET=/tmp/s/notify");
	p->env = e.v;
}

/* In a user namespace of its own the kernel counts its processes apart; else all instances share the count of their uid. */
static int processes(const struct jail *j)
{
	if (j->level == JAIL_USERNS)
		return j->pids;
	return geteuid() == 0 ? j->pids * j->max : 0;
}

static void set_limits(const struct jail *j, enum jail_program program, struct jail_plan *p)
{
	p->processes = processes(j);
	p->memory_bytes = program == JAIL_INITDB ? 0 : j->memory_bytes;
	p->file_bytes = program == JAIL_POSTGRES ? j->disk_bytes : SINGLE_BYTES;
}

void jail_plan(struct call *c, struct jail *j, enum jail_program program, const struct jail_mount *m, struct jail_plan *ret)
{
	struct args a = {c, ARENA_ARRAY(c->arena, char *, ARGS_MAX), 0};
	bool plain = j->level == JAIL_PLAIN;
	const char *name = program == JAIL_INITDB ? "initdb" : "postgres";

	*ret = (struct jail_plan){.level = j->level, .root = j->root, .uid = j->uid, .gid = j->gid, .cgroup = -1, .in = j->null, .out = j->null, .filter = jail_filter()};
	ret->tells = program == JAIL_POSTGRES && !plain;
	set_limits(j, program, ret);
	if (plain)
		ret->cwd = arena_fmt(c->arena, "%s/data", m->folder).p;
	else
		steps(c, j, ret, m, program == JAIL_INITDB);
	if (program == JAIL_INITDB)
		initdb_args(plain, &a);
	else if (program == JAIL_SINGLE)
		single_args(plain, &a);
	else
		postgres_args(j, plain, &a);
	ret->program = arena_fmt(c->arena, "%s/%s", j->programs.bin_dir, name).p;
	a.v[0] = (char *)ret->program; /* by it PostgreSQL finds its own files */
	ret->argv = a.v;
	environment(c, ret);
}
