/* records_file.c - files of records: made, opened each in an instance of its own, kept open, closed, dropped.
 *
 * A new file is a copy of an empty one that this process made when it first
 * needed it, put in place by a rename: what has the name of a file is whole. A mark in
 * it, a schema, tells our files from others.
 *
 * The lock is held to look and to take, never while DuckDB works. An executor
 * has at most one file.
 */
#include "engine/worker/records.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	OPEN_MAX = 96,                    /* files open at once, about 3 MB each; as many more as executors have */
	MEMORY_LEAST = 640 << 20,         /* of one file: a few values as long as the largest batch must fit */
	LOCK_WAIT_MS = 10000, LOCK_POLL_MS = 20,
	/* A checkpoint rewrites what is in use: it comes when the log is as large as half of the file, within these bounds. */
	LOG_LEAST = 16 << 20, LOG_MOST = 256 << 20,
	LOG_CLOSED = 1 << 20,             /* a longer log is not left behind: it would be read again with the next opening */
	EMPTY_MAX = 4 << 20,              /* bytes of a file with nothing in it */
	MAGIC_AT = 8, MAGIC_LEN = 4,
};
#define MARK "mayfly_records_1"
#define BUILDING "building" /* names without .db: none of a file */

struct records_file {
	struct list node;        /* in records.open, the least recently used first */
	char name[RECORDS_NAME_MAX + 1];
	bool busy;               /* a thread has it */
	duckdb_database db;      /* NULL = not open */
	struct session session;
	ino_t log;               /* the write-ahead log whose name is known to be on the disk */
	int64_t log_bytes, bytes; /* of the log, of the file */
	int64_t weight;          /* bytes that it may hold in memory */
};

struct records {
	pthread_mutex_t lock;
	pthread_cond_t given;    /* a file was given back */
	struct list open;
	int nopen;
	int64_t weight, weight_max, memory; /* of all open; what makes us close some; of one instance */
	char memory_text[32];
	pthread_mutex_t making;
	struct buf empty;        /* bytes of a new file; under `making` until there are any */
};

static const char *beside(struct arena *a, const char *name, const char *suffix)
{
	return arena_fmt(a, "%s%s", name, suffix).p;
}

static const char *const logs[] = {".wal", ".wal.checkpoint", ".wal.recovery"};

static void remove_logs(struct arena *a, const char *name)
{
	for (size_t i = 0; i < COUNT_OF(logs); i++)
		unlink(beside(a, name, logs[i]));
}

/* --- instances --- */
static bool open_instance(struct call *c, const struct records *r, const char *name, duckdb_database *ret)
{
	const char *const settings[][2] = {
		{"threads", "1"},
		{"memory_limit", r->memory_text},
		{"temp_directory", ""},
		{"checkpoint_threshold", "1TB"}, /* we say when: records_checkpoint */
		{"default_block_size", "16384"}, /* most files are small */
		{"autoinstall_known_extensions", "false"},
		{"autoload_known_extensions", "false"},
		{"allow_unsigned_extensions", "false"},
		{"allow_community_extensions", "false"},
		{"allow_persistent_secrets", "false"},
		{"enable_external_access", "false"},
	};

	return database_open_with(c, name, settings, COUNT_OF(settings), ret);
}

static bool query(struct records_file *f, const char *sql)
{
	duckdb_result r;
	bool ok = duckdb_query(f->session.con, sql, &r) == DuckDBSuccess;

	duckdb_destroy_result(&r);
	return ok;
}

static void close_instance(struct records_file *f)
{
	if (f->session.con)
		worker_session_close(&f->session);
	if (f->db)
		duckdb_close(&f->db);
}

/* --- the empty file --- */
static bool mark_file(struct call *c, const struct records *r)
{
	struct records_file f = {.db = NULL};
	bool ok = open_instance(c, r, BUILDING, &f.db);

	if (ok)
		ok = duckdb_connect(f.db, &f.session.con) == DuckDBSuccess || fail(c, ERR_INTERNAL, "DuckDB gave no connection");
	ok = ok && database_query(c, f.session.con, "CREATE SCHEMA " MARK) && database_query(c, f.session.con, "CHECKPOINT");
	close_instance(&f);
	return ok;
}

static bool build_empty(struct call *c, struct records *r)
{
	OWNS(buf) empty = {0};
	int fd;
	bool ok;

	unlink(BUILDING);
	remove_logs(c->arena, BUILDING);
	ok = mark_file(c, r);
	fd = ok ? open(BUILDING, O_RDONLY | O_NOFOLLOW | O_CLOEXEC) : -1;
	if (ok && !(fd >= 0 && file_read(fd, EMPTY_MAX, &empty) && empty.n > 0 && empty.n < EMPTY_MAX))
		ok = fail(c, ERR_INTERNAL, "an empty file of records could not be made");
	if (fd >= 0)
		file_close_quietly(fd);
	unlink(BUILDING);
	remove_logs(c->arena, BUILDING);
	if (ok)
		r->empty = buf_take(&empty);
	return ok;
}

static bool have_empty(struct task *t, struct records *r)
{
	bool ok;

	pthread_mutex_lock(&r->making);
	ok = r->empty.n || build_empty(&t->call, r);
	pthread_mutex_unlock(&r->making);
	if (ok)
		return true;
	task_fails(t, "IO", "%s", t->call.err.text);
	call_forgive(&t->call);
	return false;
}

struct records *records_open(const struct worker_options *o)
{
	struct records *r = base_zalloc(sizeof(*r));

	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->given, NULL);
	list_init(&r->open);
	r->memory = o->memory / 2 > MEMORY_LEAST ? o->memory / 2 : MEMORY_LEAST;
	r->weight_max = o->memory / 2;
	pthread_mutex_init(&r->making, NULL);
	snprintf(r->memory_text, sizeof(r->memory_text), "%lldB", (long long)r->memory);
	return r;
}

/* --- which files are open --- */
static struct records_file *find(struct records *r, struct str name)
{
	LIST_EACH(&r->open, it) {
		struct records_file *f = LIST_ITEM(it, struct records_file, node);

		if (str_eq(str_of(f->name), name))
			return f;
	}
	return NULL;
}

static struct records_file *add(struct records *r, struct str name)
{
	struct records_file *f = base_zalloc(sizeof(*f));

	memcpy(f->name, name.p, name.n);
	list_add_tail(&r->open, &f->node);
	r->nopen++;
	return f;
}

/* Lock held. */
static void forget(struct records *r, struct records_file *f)
{
	list_del(&f->node);
	r->nopen--;
	r->weight -= f->weight;
}

static struct records_file *take(struct records *r, struct str name)
{
	struct records_file *f;

	pthread_mutex_lock(&r->lock);
	while ((f = find(r, name)) != NULL && f->busy)
		pthread_cond_wait(&r->given, &r->lock);
	if (!f)
		f = add(r, name);
	f->busy = true;
	pthread_mutex_unlock(&r->lock);
	return f;
}

/* Lock held. One that nobody has and that is of use to be closed; it is busy then. */
static struct records_file *take_oldest(struct records *r)
{
	if (r->nopen <= OPEN_MAX && r->weight <= r->weight_max)
		return NULL;
	LIST_EACH(&r->open, it) {
		struct records_file *f = LIST_ITEM(it, struct records_file, node);

		if (f->busy)
			continue;
		f->busy = true;
		return f;
	}
	return NULL;
}

/* Closed while it is still in the list: whoever wants it waits, as no two instances may have it. */
static void close_file(struct records *r, struct records_file *f)
{
	close_instance(f);
	pthread_mutex_lock(&r->lock);
	forget(r, f);
	pthread_cond_broadcast(&r->given);
	pthread_mutex_unlock(&r->lock);
	free(f);
}

static void make_room(struct records *r)
{
	for (;;) {
		struct records_file *f;

		pthread_mutex_lock(&r->lock);
		f = take_oldest(r);
		pthread_mutex_unlock(&r->lock);
		if (!f)
			return;
		if (f->log_bytes > LOG_CLOSED)
			query(f, "CHECKPOINT"); /* failed: then it is read again */
		close_file(r, f);
	}
}

void records_close(struct records *r)
{
	while (!list_empty(&r->open)) {
		struct records_file *f = LIST_ITEM(r->open.next, struct records_file, node);

		query(f, "CHECKPOINT");
		close_file(r, f);
	}
}

struct session *records_session(struct records_file *f)
{
	return &f->session;
}

/* --- what is on the disk --- */
static bool failed_by_system(struct task *t, const char *what)
{
	return task_fails(t, "IO", "A file of records cannot be %s: %s", what, strerror(errno));
}

static bool write_empty(const struct records *r, const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	bool ok = fd >= 0 && file_write(fd, buf_str(&r->empty)) && fsync(fd) == 0;

	file_close_quietly(fd);
	return ok;
}

static bool make_file(struct task *t, struct records *r, const char *name)
{
	const char *fresh = beside(t->call.arena, name, ".new");

	if (!have_empty(t, r))
		return false;
	remove_logs(t->call.arena, name); /* of one that was dropped when the machine stopped */
	if (write_empty(r, fresh) && rename(fresh, name) == 0 && file_sync_folder("."))
		return true;
	failed_by_system(t, "made");
	unlink(fresh);
	return false;
}

/* Before DuckDB has it: closing any descriptor of a file gives up its locks. */
static bool has_magic(const char *name)
{
	int fd = open(name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	char magic[MAGIC_LEN];
	bool ok = fd >= 0 && file_fill_at(fd, MAGIC_AT, magic, sizeof(magic)) && memcmp(magic, "DUCK", sizeof(magic)) == 0;

	file_close_quietly(fd);
	return ok;
}

/* There, or made where it may be. */
static bool find_file(struct task *t, struct records *r, const char *name, bool make)
{
	struct stat st;

	if (lstat(name, &st) != 0) {
		if (errno != ENOENT)
			return failed_by_system(t, "looked at");
		return make ? make_file(t, r, name) : task_fails(t, "Missing", "There is no such file of records");
	}
	if (!S_ISREG(st.st_mode) || !has_magic(name))
		return task_fails(t, "Foreign", "The file is not a database");
	return true;
}

/* --- opening --- */
static const char *const foreign_says[] = {"not a valid DuckDB", "version number", "newer version", "ncrypt"};
static const char *const system_says[] = {"Could not set lock", "Cannot open file", "Out of Memory", "failed to allocate",
						   "Could not fsync"};

static bool says(const char *text, const char *const *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strstr(text, v[i]))
			return true;
	return false;
}

static bool refused(struct task *t)
{
	const char *text = t->call.err.text;

	if (says(text, foreign_says, COUNT_OF(foreign_says)))
		return task_fails(t, "Foreign", "The file is no database of ours: %s", text);
	if (says(text, system_says, COUNT_OF(system_says)))
		return task_failed_by_duckdb(t, text);
	return task_fails(t, "Corrupt", "The file is damaged: %s", text);
}

/* The worker of a server that was killed may still be on its way out, with the file locked. */
static bool open_database(struct task *t, const struct records *r, struct records_file *f)
{
	const struct timespec moment = {.tv_nsec = LOCK_POLL_MS * 1000000L};
	int64_t until = clock_mono_ms() + LOCK_WAIT_MS;
	bool ok;

	while (!(ok = open_instance(&t->call, r, f->name, &f->db))) {
		if (!strstr(t->call.err.text, "Could not set lock") || clock_mono_ms() > until)
			break;
		call_forgive(&t->call);
		nanosleep(&moment, NULL);
	}
	if (!ok)
		refused(t);
	call_forgive(&t->call);
	return ok;
}

static bool is_marked(struct task *t, duckdb_connection con)
{
	duckdb_result r;
	bool ok = duckdb_query(con, "SELECT 1 FROM duckdb_schemas() WHERE database_name = current_database() AND "
				    "schema_name = '" MARK "'", &r) ==
		  DuckDBSuccess;

	if (!ok)
		task_failed_by_duckdb(t, duckdb_result_error(&r));
	else
		ok = duckdb_row_count(&r) == 1 || task_fails(t, "Foreign", "The file is a database of another program");
	duckdb_destroy_result(&r);
	return ok;
}

static bool open_file(struct task *t, struct records *r, struct records_file *f, bool make)
{
	if (!find_file(t, r, f->name, make) || !open_database(t, r, f) || !session_connect(t, f->db, &f->session) ||
	    !is_marked(t, f->session.con))
		return false;
	return query(f, "PRAGMA disable_checkpoint_on_shutdown") || task_fails(t, "IO", "A file of records could not be set up");
}

struct records_file *records_take(struct records *r, struct task *t, const struct engine_records_ask *ask)
{
	struct records_file *f = take(r, ask->file);

	if (f->db)
		return f;
	if (!open_file(t, r, f, ask->make)) {
		t->broken = false; /* only this file is */
		close_file(r, f);
		return NULL;
	}
	return f;
}

/* --- after a batch --- */
bool records_settle(struct task *t, struct records_file *f)
{
	struct stat log, file;

	f->bytes = stat(f->name, &file) == 0 ? file.st_size : 0;
	f->log_bytes = 0;
	if (stat(beside(t->call.arena, f->name, ".wal"), &log) != 0)
		return true;
	f->log_bytes = log.st_size;
	/* DuckDB has synced what is in its log; that there is one is for us to sync. */
	if (log.st_ino == f->log)
		return true;
	if (!file_sync_folder("."))
		return failed_by_system(t, "kept");
	f->log = log.st_ino;
	return true;
}

static bool log_is_long(const struct records_file *f)
{
	int64_t most = f->bytes / 2 > LOG_LEAST ? f->bytes / 2 : LOG_LEAST;

	return f->log_bytes > (most < LOG_MOST ? most : LOG_MOST);
}

void records_tend(struct records *r, struct records_file *f)
{
	int64_t weight = f->bytes + f->log_bytes < r->memory ? f->bytes + f->log_bytes : r->memory;

	if (log_is_long(f) && !query(f, "CHECKPOINT")) { /* what is in the log is not lost */
		close_file(r, f);
		return;
	}
	pthread_mutex_lock(&r->lock);
	r->weight += weight - f->weight;
	f->weight = weight;
	f->busy = false;
	list_del(&f->node);
	list_add_tail(&r->open, &f->node);
	pthread_cond_broadcast(&r->given);
	pthread_mutex_unlock(&r->lock);
	make_room(r);
}

void records_discard(struct records *r, struct records_file *f)
{
	close_file(r, f);
}

bool records_drop(struct records *r, struct task *t, struct str name)
{
	struct records_file *f = take(r, name);
	bool ok = unlink(f->name) == 0 || errno == ENOENT || failed_by_system(t, "removed");

	if (ok) {
		close_instance(f); /* what it writes on its way goes nowhere */
		remove_logs(t->call.arena, f->name);
		ok = file_sync_folder(".") || failed_by_system(t, "removed");
	}
	close_file(r, f);
	return ok;
}
