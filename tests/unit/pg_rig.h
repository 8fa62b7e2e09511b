/* pg_rig.h - a throw-away PostgreSQL for tests: a cluster in a temporary folder, reached by a unix socket only.
 *
 * As root the server runs as `postgres` or `nobody`. It ends with pg_rig_close(), and at the latest with the test's program.
 */
#ifndef MAYFLY_TEST_PG_RIG_H
#define MAYFLY_TEST_PG_RIG_H

#include "engine/pg/pg.h"

#include "folder.h"

#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

enum { PG_RIG_LIMIT_MS = 60000, PG_RIG_ARGS = 32, PG_RIG_SKIPPED = 77 /* as meson has it */ };

struct pg_rig {
	char dir[FOLDER_PATH_MAX];
	char bin[128];
	char conninfo[160]; /* as the superuser `postgres` */
	uid_t uid;          /* 0 = as it is */
	gid_t gid;
	pid_t pid;          /* of the postmaster; 0 = not running */
};

static inline void pg_rig_pause(void)
{
	nanosleep(&(struct timespec){0, 2000000}, NULL);
}

/* For tests that are left out on machines without it. */
static inline bool pg_rig_there(const char *program)
{
	char pattern[96];
	glob_t found = {0};
	bool there;

	snprintf(pattern, sizeof(pattern), "/usr/lib/postgresql/*/bin/%s", program);
	there = glob(pattern, 0, NULL, &found) == 0;
	globfree(&found);
	return there;
}

/* The highest version that is installed. */
static inline void pg_rig_find(struct pg_rig *r)
{
	glob_t found = {0};

	assert_int_equal(glob("/usr/lib/postgresql/*/bin", 0, NULL, &found), 0);
	snprintf(r->bin, sizeof(r->bin), "%s", found.gl_pathv[found.gl_pathc - 1]);
	globfree(&found);
}

static inline void pg_rig_account(struct pg_rig *r)
{
	const struct passwd *pw = getpwnam("postgres");

	if (geteuid() != 0)
		return;
	if (!pw)
		pw = getpwnam("nobody");
	assert_non_null(pw);
	r->uid = pw->pw_uid;
	r->gid = pw->pw_gid;
	assert_int_equal(chown(r->dir, r->uid, r->gid), 0);
}

/* Runs `program` of the bin folder with arguments, as the rig's account. */
static inline pid_t pg_rig_spawn(struct pg_rig *r, const char *program, const char *const *args)
{
	char path[192], *argv[PG_RIG_ARGS] = {path};
	pid_t pid;

	snprintf(path, sizeof(path), "%s/%s", r->bin, program);
	for (int i = 0; args[i]; i++)
		argv[i + 1] = (char *)args[i];
	pid = fork();
	assert_true(pid >= 0);
	if (pid)
		return pid;
	if (r->uid && (setgroups(0, NULL) || setgid(r->gid) || setuid(r->uid)))
		_exit(126);
	prctl(PR_SET_PDEATHSIG, SIGQUIT);
	signal(SIGPIPE, SIG_DFL);
	if (chdir(r->dir) || !freopen("log", "a", stderr) || dup2(2, 1) < 0)
		_exit(126);
	execv(path, argv);
	_exit(127);
}

static inline bool pg_rig_try(struct pg_rig *r, const char *conninfo, struct pg_conn **ret)
{
	struct arena a = {0};
	struct call c;
	bool ok;

	(void)r;
	call_open(&c, &a);
	ok = pg_connect(&c, &(struct pg_target){.conninfo = str_of(conninfo)}, ret);
	arena_close(&a);
	return ok;
}

static inline void pg_rig_start(struct pg_rig *r)
{
	char data[FOLDER_PATH_MAX + 8];
	const char *args[] = {"-D", data, "-k", r->dir, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "shared_buffers=16MB",
		"-c", "max_connections=60", "-c", "autovacuum=off", "-c", "jit=off", NULL};
	int64_t until = clock_mono_ms() + PG_RIG_LIMIT_MS;
	struct pg_conn *p = NULL;

	snprintf(data, sizeof(data), "%s/data", r->dir);
	r->pid = pg_rig_spawn(r, "postgres", args);
	while (!pg_rig_try(r, r->conninfo, &p)) {
		assert_int_equal(waitpid(r->pid, NULL, WNOHANG), 0);
		assert_true(clock_mono_ms() < until);
		pg_rig_pause();
	}
	pg_conn_close(p);
}

/* At once, as in a crash; the files stay. */
static inline void pg_rig_stop(struct pg_rig *r)
{
	if (!r->pid)
		return;
	kill(r->pid, SIGQUIT);
	assert_int_equal(waitpid(r->pid, NULL, 0), r->pid);
	r->pid = 0;
}

static inline void pg_rig_open(struct pg_rig *r)
{
	char data[FOLDER_PATH_MAX + 8];
	const char *args[] = {"-D", data, "-N", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", NULL};
	int status;
	pid_t pid;

	*r = (struct pg_rig){0};
	folder_make(r->dir);
	pg_rig_find(r);
	pg_rig_account(r);
	snprintf(data, sizeof(data), "%s/data", r->dir);
	snprintf(r->conninfo, sizeof(r->conninfo), "host=%s user=postgres dbname=postgres", r->dir);
	pid = pg_rig_spawn(r, "initdb", args);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	pg_rig_start(r);
}

static inline void pg_rig_close(struct pg_rig *r)
{
	pg_rig_stop(r);
	folder_remove(r->dir);
}

/* --- statements --- */
/* The rows of an answer, without the brackets of their parts; in the call's arena. */
static inline struct str pg_rig_rows(struct call *c, const struct pg_answer *a)
{
	struct buf all = {0};
	struct str ret;

	for (int i = 0; i < a->nparts; i++) {
		struct str s = engine_bytes_str(a->parts[i].bytes);

		assert_true(str_starts(s, S("{\"data\":[")) && str_ends(s, S("]}")));
		if (i)
			buf_addc(&all, ',');
		buf_add(&all, str_from(s.p + 9, s.n - 11));
	}
	ret = arena_dup(c->arena, buf_str(&all));
	buf_drop(&all);
	return ret;
}

/* One statement that must do; its rows, as pg_rig_rows(). */
static inline struct str pg_rig_sql(struct call *c, struct pg_conn *p, const char *sql)
{
	struct pg_answer a;
	struct str rows;

	pg_run(c, p, &(struct pg_ask){.sql = str_of(sql), .caps = {1000000, 1 << 30}}, 250, &a);
	if (a.outcome != PG_OK)
		print_error("%s: %.*s\n", sql, SARG(a.error.message));
	assert_int_equal(a.outcome, PG_OK);
	rows = pg_rig_rows(c, &a);
	pg_answer_drop(&a);
	return rows;
}

#endif
