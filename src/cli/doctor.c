/* doctor.c - `mayfly doctor`: does this machine have what Mayfly needs?
 *
 * One row a check; a check looks, writes a few words and says how bad it is.
 * Changes nothing.
 */
#include "cli/cli_int.h"

#include "conf/conf.h"
#include "kv/kv.h"

#include <dlfcn.h>
#include <errno.h>
#include <linux/landlock.h>
#include <linux/magic.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/vfs.h>
#include <unistd.h>

enum verdict { GOOD, WARN, BAD };

struct patient {
	struct call *c;
	struct conf conf;     /* of the file and the environment */
	struct str data_dir;
	struct str folder;    /* the data folder, or the nearest one above that is there */
	struct remote remote;
	struct buf words;
};

static enum verdict check_landlock(struct patient *p)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	if (abi < 1) {
		buf_fmt(&p->words, "the kernel has none (%s): workers are confined by seccomp and rlimits only", strerror(errno));
		return WARN;
	}
	buf_fmt(&p->words, "ABI %ld%s", abi, abi < 3 ? ", without the truncate right: seccomp stands in" : "");
	return GOOD;
}

static enum verdict check_seccomp(struct patient *p)
{
	uint32_t action = SECCOMP_RET_ERRNO;

	if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) < 0) {
		buf_fmt(&p->words, "filters cannot be set: %s", strerror(errno));
		return WARN;
	}
	buf_lit(&p->words, "filters can be set");
	return GOOD;
}

static enum verdict check_cpu(struct patient *p)
{
	cpu_set_t set;
	int n = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : (int)sysconf(_SC_NPROCESSORS_ONLN);

	buf_fmt(&p->words, "%d core%s", n, n == 1 ? "" : "s");
	return GOOD;
}

/* The control group's limit, or INT64_MAX. */
static int64_t group_memory(void)
{
	int64_t limit = INT64_MAX;
	FILE *f = fopen("/sys/fs/cgroup/memory.max", "re");
	char line[32] = "";

	if (!f)
		return limit;
	if (fgets(line, sizeof(line), f) && !str_to_i64(str_trim(str_of(line)), &limit))
		limit = INT64_MAX; /* "max" */
	fclose(f);
	return limit;
}

static enum verdict check_memory(struct patient *p)
{
	enum { MIB = 1 << 20, LITTLE_MIB = 1024 };
	int64_t bytes = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE), group = group_memory();

	if (group < bytes)
		bytes = group;
	buf_fmt(&p->words, "%lld MiB%s", (long long)(bytes / MIB), group == bytes ? " (limit of the control group)" : "");
	if (bytes / MIB >= LITTLE_MIB)
		return GOOD;
	buf_lit(&p->words, ": little; lower tenants.memory_bytes");
	return WARN;
}

static enum verdict check_files(struct patient *p)
{
	enum { WANTED = 20480 };
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) < 0)
		l = (struct rlimit){0};
	buf_fmt(&p->words, "%llu, at most %llu", (unsigned long long)l.rlim_cur, (unsigned long long)l.rlim_max);
	if (l.rlim_max >= WANTED)
		return GOOD;
	buf_fmt(&p->words, ": for server.max_connections = 20000 take %d", WANTED);
	return WARN;
}

static enum verdict check_folder(struct patient *p)
{
	const char *folder = arena_cstr(p->c->arena, p->folder);
	bool exists = str_eq(p->folder, p->data_dir);

	if (access(folder, W_OK | X_OK) < 0) {
		buf_fmt(&p->words, "%s cannot be written: %s", folder, strerror(errno));
		return BAD;
	}
	buf_fmt(&p->words, "%.*s %s", SARG(p->data_dir), exists ? "can be written" : "will be made");
	return GOOD;
}

static const struct {
	unsigned long magic;
	const char *name;
	const char *doubt; /* NULL = fine */
} file_systems[] = {
	{EXT4_SUPER_MAGIC, "ext4", NULL},
	{0x58465342, "xfs", NULL},
	{BTRFS_SUPER_MAGIC, "btrfs", NULL},
	{0x2FC12FC1, "zfs", NULL},
	{F2FS_SUPER_MAGIC, "f2fs", NULL},
	{OVERLAYFS_SUPER_MAGIC, "overlay", "a container's own layer: gone with the container"},
	{TMPFS_MAGIC, "tmpfs", "memory: gone with the next boot"},
	{RAMFS_MAGIC, "ramfs", "memory: gone with the next boot"},
	{NFS_SUPER_MAGIC, "nfs", "a network: file locks may fail"},
	{SMB2_SUPER_MAGIC, "smb", "a network: file locks may fail"},
	{0x65735546, "fuse", "not known to keep what fsync promises"},
};

static enum verdict check_file_system(struct patient *p)
{
	struct statfs st;

	if (statfs(arena_cstr(p->c->arena, p->folder), &st) < 0) {
		buf_fmt(&p->words, "cannot be told: %s", strerror(errno));
		return WARN;
	}
	for (size_t i = 0; i < COUNT_OF(file_systems); i++) {
		if ((unsigned long)st.f_type != file_systems[i].magic)
			continue;
		buf_fmt(&p->words, "%s", file_systems[i].name);
		if (file_systems[i].doubt)
			buf_fmt(&p->words, ": %s", file_systems[i].doubt);
		return file_systems[i].doubt ? WARN : GOOD;
	}
	buf_fmt(&p->words, "type 0x%lx, not known here", (unsigned long)st.f_type);
	return GOOD;
}

static enum verdict check_space(struct patient *p)
{
	enum { MIB = 1 << 20, NONE_MIB = 64, LITTLE_MIB = 2048 };
	struct statvfs st;
	unsigned long long mib;

	if (statvfs(arena_cstr(p->c->arena, p->folder), &st) < 0) {
		buf_fmt(&p->words, "cannot be told: %s", strerror(errno));
		return WARN;
	}
	mib = (unsigned long long)st.f_bavail * st.f_frsize / MIB;
	buf_fmt(&p->words, "%llu MiB free", mib);
	if (mib < NONE_MIB)
		return BAD;
	return mib < LITTLE_MIB ? WARN : GOOD;
}

/* Asked by name, since duckdb.h is the engine's alone. */
static enum verdict check_duckdb(struct patient *p)
{
	const char *(*version)(void) = (const char *(*)(void))dlsym(RTLD_DEFAULT, "duckdb_library_version");
	Dl_info place;

	if (!version) {
		buf_lit(&p->words, "libduckdb is not linked into this binary");
		return BAD;
	}
	buf_fmt(&p->words, "%s", version());
	if (dladdr((void *)version, &place))
		buf_fmt(&p->words, " from %s", place.dli_fname);
	return GOOD;
}

static bool says_mayfly(struct call *c, const struct out_answer *a, struct str *ret_version)
{
	const json_node *o, *version;

	if (a->status != 200 || !json_read_object(c, a->body, &o))
		return false;
	version = json_get(o, "version");
	if (!version || json_kind(version) != JSON_KIND_TEXT)
		return false;
	*ret_version = json_text(version);
	return true;
}

static enum verdict check_server(struct patient *p)
{
	enum { MS = 2000, BYTES = 65536 };
	struct remote_ask q = {.method = "GET", .path = S("/version"), .timeout_ms = MS, .max_body_bytes = BYTES};
	struct call asking = *p->c;
	struct out_answer a;
	struct str version;

	if (!remote_send(&asking, &p->remote, &q, &a)) {
		bool silent = asking.err.kind == ERR_UNAVAILABLE;

		buf_fmt(&p->words, "%s", silent ? "nobody listens: free for `mayfly serve`" : asking.err.text);
		return silent ? GOOD : WARN;
	}
	if (says_mayfly(&asking, &a, &version)) {
		buf_fmt(&p->words, "Mayfly %.*s answers at %.*s", SARG(version), SARG(p->remote.url));
		return GOOD;
	}
	buf_fmt(&p->words, "something else answers at %.*s", SARG(p->remote.url));
	return WARN;
}

/* One line of CONFIG GET; empty where it may not be asked. */
static struct str setting_of_redis(struct call *c, struct redis *r, const char *name)
{
	struct redis_value v;

	if (!redis_one(c, r, REDIS_COMMAND(S("CONFIG"), S("GET"), str_of(name)), &v) || v.kind != REDIS_ARRAY || v.n != 2) {
		call_forgive(c);
		return S("");
	}
	return v.items[1].text;
}

/* What Redis may forget of what was acknowledged. */
static enum verdict judge_redis(struct patient *p, struct call *c, struct redis *r)
{
	struct str policy = setting_of_redis(c, r, "maxmemory-policy"), appends = setting_of_redis(c, r, "appendonly");
	bool evicts = policy.n && !str_eq(policy, S("noeviction")), forgets = str_eq(appends, S("no"));
	struct redis_stats s;

	redis_stats(r, &s);
	buf_fmt(&p->words, "version %s", s.version);
	if (evicts)
		buf_fmt(&p->words, "; maxmemory-policy %.*s drops results when it is full, noeviction does not", SARG(policy));
	if (forgets)
		buf_lit(&p->words, "; appendonly is off: when it crashes, the last minutes are lost");
	return evicts || forgets ? WARN : GOOD;
}

static enum verdict check_redis(struct patient *p)
{
	const struct conf *f = &p->conf;
	const struct redis_options o = {.url = f->storage_redis_url, .ca_file = f->storage_redis_ca_file, .connections = 1,
					.timeout_ms = f->storage_redis_timeout_ms};
	bool used = !str_eq(f->storage_type, S("session"));
	struct call asking = *p->c;
	enum verdict verdict;
	struct redis *r;

	if (!used && !str_eq(f->events_mirror, S("redis"))) {
		buf_lit(&p->words, "not used: statement_storage.type is session");
		return GOOD;
	}
	r = redis_open(&asking, &o);
	if (!r) {
		buf_fmt(&p->words, "%s", asking.err.text);
		return used ? BAD : WARN;
	}
	verdict = judge_redis(p, &asking, r);
	redis_close(r);
	return verdict;
}

static enum verdict check_clock(struct patient *p)
{
	static const int64_t year_2024_ms = 1704067200000, year_2100_ms = 4102444800000;
	int64_t now = clock_wall_ms();
	char text[CLOCK_RFC3339_MAX];
	struct timex t = {0};

	buf_fmt(&p->words, "%s", clock_rfc3339(now, text));
	if (now < year_2024_ms || now > year_2100_ms) {
		buf_lit(&p->words, ": wrong; tokens and TTLs depend on it");
		return BAD;
	}
	if (adjtimex(&t) == TIME_ERROR)
		buf_lit(&p->words, ", not synchronised by the kernel");
	return GOOD;
}

static const struct check {
	const char *name;
	enum verdict (*look)(struct patient *p);
} checks[] = {
	{"landlock", check_landlock},
	{"seccomp", check_seccomp},
	{"cpu", check_cpu},
	{"memory", check_memory},
	{"open files", check_files},
	{"data folder", check_folder},
	{"file system", check_file_system},
	{"free space", check_space},
	{"duckdb", check_duckdb},
	{"redis", check_redis},
	{"server", check_server},
	{"clock", check_clock},
};

/* The folder itself, or the nearest above it that is there. */
static struct str existing_folder(struct call *c, struct str path)
{
	while (path.n && access(arena_cstr(c->arena, path), F_OK) < 0) {
		while (path.n && path.p[path.n - 1] != '/')
			path.n--;
		while (path.n > 1 && path.p[path.n - 1] == '/')
			path.n--;
	}
	return path.n ? path : S(".");
}

static int examine(struct patient *p)
{
	static const char *const words[] = {[GOOD] = "ok", [WARN] = "warn", [BAD] = "fail"};
	int code = CLI_OK;

	for (size_t i = 0; i < COUNT_OF(checks); i++) {
		enum verdict verdict;

		buf_clear(&p->words);
		verdict = checks[i].look(p);
		printf("%-5s %-12s %s\n", words[verdict], checks[i].name, buf_cstr(&p->words));
		if (verdict == BAD)
			code = CLI_FAILED;
	}
	return code;
}

int cli_doctor(struct call *c, const struct cli_verb *v, int argc, char **argv)
{
	struct patient p = {.c = c};
	struct str file = {0};
	const struct cli_option options[] = {{"data", 0, &p.data_dir, NULL, NULL}, {"url", 0, &p.remote.url, NULL, NULL},
		{"config", 0, &file, NULL, NULL}, CLI_OPTIONS_END};
	struct cli_list rest;
	int code;

	if (!cli_options(c, options, argc, argv, &rest))
		return cli_usage(v, "%s", c->err.text);
	if (rest.n)
		return cli_usage(v, "doctor takes no argument");
	if (!conf_load(c, file, NULL, 0, environ, &p.conf))
		return cli_failed(c);
	if (!p.data_dir.n)
		p.data_dir = p.conf.data_dir;
	p.folder = existing_folder(c, p.data_dir);
	remote_open(&p.remote);
	code = examine(&p);
	remote_drop(&p.remote);
	buf_drop(&p.words);
	return code;
}
