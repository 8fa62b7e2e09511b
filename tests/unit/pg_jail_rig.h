/* pg_jail_rig.h - jails for tests: where they are, and that nothing of them is left. */
#ifndef MAYFLY_TEST_PG_JAIL_RIG_H
#define MAYFLY_TEST_PG_JAIL_RIG_H

#include "engine/pg/jail_layer.h"

#include "pg_backend_rig.h"

#include <dirent.h>
#include <sys/mount.h>

enum { JAIL_RIG_LEFT_MS = 60000 };

static struct {
	char dir[FOLDER_PATH_MAX + 16], home[FOLDER_PATH_MAX];
	const char *driver;
	bool require;
	int max, pids;
	int64_t memory, disk;
	struct str extensions[4];
	int nextensions;
} jail_rig;

/* A uid that no other test has now: its processes are counted. */
static inline uid_t jail_rig_uid(void)
{
	static uid_t uid;

	if (!uid)
		uid = 620000 + (uid_t)getpid() % 10000;
	return uid;
}

static inline bool jail_rig_open(struct call *c, struct pg_backend **ret)
{
	struct pg_jail_options o = {.dir = str_of(jail_rig.dir), .uid = jail_rig_uid(), .max = jail_rig.max ? jail_rig.max : PG_SUITE_MAX,
				    .memory_bytes = jail_rig.memory ? jail_rig.memory : 1 << 30,
				    .disk_bytes = jail_rig.disk ? jail_rig.disk : 1 << 30, .pids = jail_rig.pids ? jail_rig.pids : 64,
				    .driver = str_of(jail_rig.driver ? jail_rig.driver : "auto"), .require = jail_rig.require,
				    .extensions = jail_rig.extensions, .nextensions = jail_rig.nextensions};

	return pg_jail_open(c, &o, ret);
}

/* --- what is left --- */
static inline int jail_rig_processes(uid_t uid)
{
	DIR *d = opendir("/proc");
	const struct dirent *e;
	int n = 0;

	assert_non_null(d);
	while ((e = readdir(d))) {
		char path[300];
		struct stat st;

		snprintf(path, sizeof(path), "/proc/%s/stat", e->d_name);
		if (e->d_name[0] >= '1' && e->d_name[0] <= '9' && stat(path, &st) == 0 && st.st_uid == uid)
			n++;
	}
	closedir(d);
	return n;
}

static inline int jail_rig_entries(const char *kind, const char *folder)
{
	char path[FOLDER_PATH_MAX + 64];
	const struct dirent *e;
	int n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "%s/%s/%s", jail_rig.dir, kind, folder);
	d = opendir(path);
	assert_non_null(d);
	while ((e = readdir(d)))
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static inline int jail_rig_left(const char *kind)
{
	return jail_rig_processes(jail_rig_uid()) + jail_rig_entries(kind, "run") + jail_rig_entries(kind, "build") +
	       jail_rig_entries(kind, "trash");
}

/* Processes and folders go soon, trash behind. */
static inline void jail_rig_nothing_left(const char *kind)
{
	int64_t until = clock_mono_ms() + JAIL_RIG_LEFT_MS;

	while (jail_rig_left(kind) && clock_mono_ms() < until)
		pg_rig_pause();
	assert_int_equal(jail_rig_left(kind), 0);
}

static inline const char *jail_rig_kind(struct pg_suite *s)
{
	struct pg_report r;

	s->b->ops->report(s->b, &r);
	return strcmp(r.driver, "btrfs") == 0 ? "btrfs" : strncmp(r.driver, "overlay", 7) == 0 ? "overlay" : "tree";
}

/* --- a place --- */
static inline void jail_rig_place(void)
{
	char path[FOLDER_PATH_MAX];

	folder_make(path);
	strcpy(jail_rig.home, path);
	strcpy(jail_rig.dir, path);
	pg_suite_open_backend = jail_rig_open;
}

static inline void jail_rig_back(void) /* to the place, after a test elsewhere */
{
	strcpy(jail_rig.dir, jail_rig.home);
}

static inline void jail_rig_remove(void)
{
	folder_remove(jail_rig.dir);
}

/* A whole life: a layer, another over it, both read again by the next server. */
static inline void jail_rig_smoke(struct pg_suite *s)
{
	const char *kind = jail_rig_kind(s);
	struct str a = pg_suite_layer(s, (struct str){NULL, 0}, "CREATE TABLE t AS SELECT 1 AS a", "a");
	struct str b = pg_suite_layer(s, a, "INSERT INTO t VALUES (2); CREATE TABLE u (x text)", "b");

	pg_suite_expect(s, a, "SELECT sum(a), to_regclass('u') IS NULL FROM t", "[1,true]");
	pg_suite_reopen(s);
	pg_suite_expect(s, b, "SELECT sum(a), to_regclass('u') IS NULL FROM t", "[3,false]");
	pg_suite_ok(&s->c, s->b->ops->drop(&s->c, s->b, b));
	pg_suite_ok(&s->c, s->b->ops->drop(&s->c, s->b, a));
	jail_rig_nothing_left(kind);
}

#endif
