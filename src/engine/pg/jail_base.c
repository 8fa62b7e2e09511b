/* jail_base.c - the base: a PostgreSQL with an empty database, made once for each identity of the engine.
 *
 * The first instance over it has it made: initdb makes it, then a PostgreSQL without a postmaster gives it its roles and
 * extensions. The database `postgres` becomes `app`, the templates go: half the files, and an instance is no place for databases. The
 * roles that reach the server's files and programs are taken out of the catalog, so that nobody can be made a member of them;
 * PostgreSQL asks for them by number and finds that nobody is. Who reads in a shared instance can
 * neither end others' connections nor see their statements. Its layer is named by the identity; layers are over it, and it is
 * dropped when none is.
 */
#include "engine/pg/jail_layer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <gnu/libc-version.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { PROGRAM_MS = 120000, FILE_MAX = 64 << 20, BASE_HEX = 40 };

/* Of every instance, and part of the identity. What an instance writes lives as long as it does, so nothing is synced. */
static const char settings[] =
	"listen_addresses = ''\nmax_connections = 24\nsuperuser_reserved_connections = 3\nunix_socket_permissions = 0700\n"
	"shared_buffers = 16MB\nhuge_pages = off\ndynamic_shared_memory_type = posix\nmax_files_per_process = 256\n"
	"autovacuum = off\nmax_worker_processes = 0\nmax_parallel_workers_per_gather = 0\nmax_parallel_maintenance_workers = 0\n"
	"max_wal_senders = 0\nwal_level = minimal\nfsync = off\nfull_page_writes = off\nsynchronous_commit = off\n"
	"wal_recycle = off\nwal_init_zero = off\nmin_wal_size = 2MB\nmax_wal_size = 256MB\ncheckpoint_timeout = 1h\n"
	"bgwriter_lru_maxpages = 0\njit = off\nrestart_after_crash = off\ntrack_activities = off\n"
	"log_min_messages = fatal\nlog_min_error_statement = panic\nlog_destination = 'stderr'\nlogging_collector = off\n"
	"log_checkpoints = off\nlog_timezone = 'UTC'\ntimezone = 'UTC'\ndatestyle = 'iso, mdy'\n"
	"lc_messages = 'C'\nlc_monetary = 'C'\nlc_numeric = 'C'\nlc_time = 'C'\n"
	"default_text_search_config = 'pg_catalog.english'\nsearch_path = '\"$user\", public'\n";
/* Only the socket, whose folder nobody else can enter. Not by password: a role may set its own, and dblink and postgres_fdw refuse
 * who is not a superuser exactly when no password was asked for. */
static const char hba[] = "local app all trust\n";

static const char in_template[] =
	"ALTER DATABASE postgres RENAME TO app\n"
	"CREATE ROLE app LOGIN CREATEROLE\n"
	"ALTER DATABASE app OWNER TO app\n"
	"DELETE FROM pg_catalog.pg_auth_members WHERE roleid IN (SELECT oid FROM pg_catalog.pg_authid WHERE rolname IN "
	"('pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files', 'pg_create_subscription'))\n"
	"DELETE FROM pg_catalog.pg_authid WHERE rolname IN "
	"('pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files', 'pg_create_subscription')\n"
	"UPDATE pg_catalog.pg_database SET datistemplate = false\n"
	"DROP DATABASE template0\n";
static const char in_app[] =
	"DROP DATABASE template1\n"
	"ALTER SCHEMA public OWNER TO app\n"
	"GRANT ALL ON SCHEMA public TO app\n"
	"REVOKE EXECUTE ON FUNCTION pg_catalog.pg_terminate_backend, pg_catalog.pg_cancel_backend FROM PUBLIC\n";

/* --- the identity --- */
static void add_field(struct buf *b, struct str s)
{
	buf_fmt(b, "%zu:", s.n);
	buf_add(b, s);
}

/* A file's digest, or of nothing. */
static void add_file(struct buf *b, int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	unsigned char digest[SHA256_LEN];
	OWNS(buf) bytes = {0};

	if (fd >= 0) {
		(void)!file_read(fd, FILE_MAX, &bytes);
		close(fd);
	}
	hash_sha256(buf_str(&bytes), digest);
	add_field(b, str_of(name));
	add_field(b, str_from((const char *)digest, sizeof(digest)));
}

static bool counts(const struct jail *j, const char *name)
{
	if (str_ends(str_of(name), S(".control")))
		return true;
	for (int i = 0; i < j->nextensions; i++)
		if (str_starts(str_of(name), j->extensions[i]) && str_ends(str_of(name), S(".sql")))
			return true;
	return false;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void add_folder(const struct jail *j, const char *path, struct buf *b)
{
	DIR *d = opendir(path);
	const struct dirent *e;
	char **names = NULL;
	size_t n = 0;

	while (d && (e = readdir(d))) {
		if (!counts(j, e->d_name))
			continue;
		if ((n & (n + 1)) == 0) /* 0, 1, 3, 7 …: room for twice as many and one */
			names = base_realloc(names, (2 * n + 1) * sizeof(*names));
		names[n++] = strdup(e->d_name);
	}
	if (n)
		qsort(names, n, sizeof(*names), by_name);
	for (size_t i = 0; i < n; i++) {
		add_file(b, dirfd(d), names[i]);
		free(names[i]);
	}
	free(names);
	if (d)
		closedir(d);
}

bool jail_identity(struct call *c, struct pg_backend *backend, struct buf *ret)
{
	struct jail *j = jail_of(backend);
	const char *extensions = arena_fmt(c->arena, "%s/extension", j->programs.share_dir).p;
	int lib = open(j->programs.lib_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct utsname machine;

	uname(&machine);
	add_field(ret, S("mayfly jail 2"));
	add_field(ret, str_of(j->programs.version));
	add_field(ret, str_from((const char *)j->programs.digest, sizeof(j->programs.digest)));
	add_field(ret, str_of(machine.machine));
	add_field(ret, str_of(gnu_get_libc_version()));
	add_field(ret, S("initdb -E UTF8 --locale=C.UTF-8 --wal-segsize=1"));
	add_field(ret, str_of(settings));
	add_field(ret, str_of(in_template));
	add_field(ret, str_of(in_app));
	add_folder(j, extensions, ret);
	for (int i = 0; i < j->nextensions; i++) {
		add_field(ret, j->extensions[i]);
		add_file(ret, lib, arena_fmt(c->arena, "%.*s.so", SARG(j->extensions[i])).p);
	}
	if (lib >= 0)
		close(lib);
	return true;
}

/* --- its programs --- */
static bool ended_well(struct call *c, struct jail_child *ch, const struct jail_plan *p, int words, enum jail_level level)
{
	struct pg_limits l = {NULL, c->cancel, clock_mono_ms() + PROGRAM_MS};
	bool started = jail_started(c, p, ch, &l, NULL);
	enum pg_woken w = started ? pg_wait(&l, ch->pidfd, POLLIN) : PG_TOO_LATE;
	int code = -1;

	if (w != PG_READY)
		jail_kill(ch, level);
	if (!jail_reap(ch, 10000, &code) || w != PG_READY)
		return fail(c, ERR_ENGINE_UNREACHABLE, "%s did not end", p->argv[0]);
	if (code != 0) {
		struct str said = jail_last_words(c, words);

		return fail(c, ERR_ENGINE_UNREACHABLE, "the base of the layers cannot be made: %s ended with %d: %.*s", p->argv[0], code, SARG(said));
	}
	return true;
}

static int script(const char *text)
{
	int fd = memfd_create("script", MFD_CLOEXEC);

	if (fd >= 0 && (!file_write(fd, str_of(text)) || lseek(fd, 0, SEEK_SET) != 0)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static bool run(struct call *c, struct jail *j, enum jail_program program, const struct jail_mount *m, const char *database, const char *sql)
{
	struct jail_plan *p = arena_alloc(c->arena, sizeof(*p));
	struct jail_child ch;
	int words[2], in = sql ? script(sql) : -1;
	bool ok;

	if (pipe2(words, O_CLOEXEC | O_NONBLOCK) != 0)
		return fail(c, ERR_ENGINE_UNREACHABLE, "no pipe: %s", strerror(errno));
	jail_plan(c, j, program, m, p);
	if (database) {
		char **v = (char **)p->argv;

		while (*v)
			v++;
		*v = (char *)database;
	}
	if (in >= 0)
		p->in = in;
	p->out = words[1];
	ok = jail_spawn(c, j, p, &ch);
	close(words[1]);
	ok = ok && ended_well(c, &ch, p, words[0], j->level);
	close(words[0]);
	if (in >= 0)
		close(in);
	return ok;
}

/* --- making it --- */
static bool write_conf(struct call *c, struct jail *j, const char *folder, const char *name, const char *text)
{
	int fd = openat(j->root, arena_fmt(c->arena, "%s/data/%s", folder, name).p, O_WRONLY | O_TRUNC | O_NOFOLLOW | O_CLOEXEC);
	bool ok = fd >= 0 && file_write(fd, str_of(text));

	if (!ok)
		fail(c, ERR_STORAGE, "%s of the base cannot be written: %s", name, strerror(errno));
	if (fd >= 0)
		close(fd);
	return ok;
}

static const char *app_script(struct call *c, struct jail *j)
{
	OWNS(buf) b = {0};

	buf_add(&b, str_of(in_app));
	for (int i = 0; i < j->nextensions; i++)
		buf_fmt(&b, "CREATE EXTENSION IF NOT EXISTS \"%.*s\" CASCADE\n", SARG(j->extensions[i]));
	return arena_cstr(c->arena, buf_str(&b));
}

static const char *conf_text(struct call *c, struct jail *j)
{
	return arena_fmt(c->arena, "%s%s", settings, j->programs.major >= 18 ? "io_method = sync\n" : "").p;
}

static bool fill(struct call *c, struct jail *j, const struct jail_room *r)
{
	return run(c, j, JAIL_INITDB, &r->mount, NULL, NULL) && write_conf(c, j, r->name, "postgresql.conf", conf_text(c, j)) &&
	       write_conf(c, j, r->name, "pg_hba.conf", hba) && write_conf(c, j, r->name, "pg_ident.conf", "") &&
	       run(c, j, JAIL_SINGLE, &r->mount, "template1", in_template) &&
	       run(c, j, JAIL_SINGLE, &r->mount, "app", app_script(c, j));
}

static bool place(struct call *c, struct jail *j, struct jail_room *r)
{
	const char *data = arena_fmt(c->arena, "%s/data", r->name).p;
	struct jail_layer l = {.id = str_of(j->base), .boot_id = str_of(j->boot_id), .published_ms = clock_wall_ms()};
	bool first;

	jail_clean(j, data);
	if (!jail_tree_remove(j->root, arena_fmt(c->arena, "%s/s", r->name).p))
		return fail(c, ERR_STORAGE, "the base cannot be written: %s", strerror(errno));
	l.bytes = jail_tree_bytes(j->root, data);
	if (!jail_layer_write(c, j, r->name, &l) || !jail_layer_place(c, j, r->name, str_of(j->base), &first))
		return false;
	r->on_disk = false;
	return true;
}

static bool make(struct call *c, struct jail *j)
{
	static const struct jail_layer nothing;
	struct jail_room r;
	bool ok = jail_room_make(c, j, PG_BUILD, S(""), &nothing, &r);

	if (ok) {
		ok = fill(c, j, &r) && place(c, j, &r);
		jail_room_drop(j, &r);
	}
	return ok;
}

static bool is_there(struct call *c, struct jail *j)
{
	struct jail_layer l;
	bool ok = jail_layer_read(c, j, j->base, &l);

	call_forgive(c);
	return ok;
}

bool jail_base_name(struct call *c, struct jail *j)
{
	char digest[SHA256_HEX + 1];
	OWNS(buf) identity = {0};

	if (!jail_identity(c, &j->backend, &identity))
		return false;
	hash_sha256_hex(buf_str(&identity), digest);
	snprintf(j->base, sizeof(j->base), "base-%.*s", BASE_HEX, digest);
	return true;
}

bool jail_base(struct call *c, struct jail *j)
{
	bool ok;
	int lock;

	if (is_there(c, j))
		return true;
	lock = openat(j->root, "base", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ok = lock >= 0 && flock(lock, LOCK_EX) == 0; /* one thread of one server makes it */
	if (!ok)
		fail(c, ERR_STORAGE, "%s cannot be locked: %s", j->path, strerror(errno));
	ok = ok && (is_there(c, j) || make(c, j));
	if (lock >= 0)
		close(lock);
	return ok;
}
