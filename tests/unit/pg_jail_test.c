/* pg_jail_test.c - the jail backend: the contract on this machine's own driver, what it does where the kernel gives less, limits. */
#include "pg_jail_rig.h"

static struct pg_suite *begin(void)
{
	struct pg_suite *s;

	assert_int_equal(pg_suite_setup((void **)&s), 0);
	return s;
}

static void end(struct pg_suite *s)
{
	assert_int_equal(pg_suite_teardown((void **)&s), 0);
}

static int reset(void **state)
{
	(void)state;
	jail_test_level = JAIL_USERNS;
	jail_rig.driver = NULL;
	jail_rig.require = false;
	jail_rig.max = jail_rig.pids = 0;
	jail_rig.memory = jail_rig.disk = 0;
	jail_rig_back();
	return 0;
}

/* --- less than everything --- */
static void root_makes_the_namespaces_where_users_may_not(void **state)
{
	struct pg_report r;
	struct pg_suite *s;

	(void)state;
	if (geteuid() != 0)
		skip();
	jail_test_level = JAIL_ROOT;
	s = begin();
	s->b->ops->report(s->b, &r);
	assert_true(!r.userns && r.pidns && r.netns && r.mountns);
	jail_rig_smoke(s);
	end(s);
}

static void without_namespaces_it_says_so_or_refuses(void **state)
{
	char place[FOLDER_PATH_MAX];
	struct pg_report r;
	struct pg_suite *s, refused = {0};

	(void)state;
	folder_make(place); /* without namespaces the way there must be open */
	assert_int_equal(chmod(place, 0711), 0);
	snprintf(jail_rig.dir, sizeof(jail_rig.dir), "%s/layers", place);
	jail_test_level = JAIL_PLAIN;
	call_open(&refused.c, &refused.arena);
	jail_rig.require = true;
	assert_false(jail_rig_open(&refused.c, &refused.b));
	assert_int_equal(refused.c.err.kind, ERR_ENGINE_UNREACHABLE);
	arena_close(&refused.arena);
	jail_rig.require = false;
	s = begin();
	s->b->ops->report(s->b, &r);
	assert_true(!r.userns && !r.pidns && !r.netns && !r.mountns);
	assert_non_null(strstr(r.missing, "not isolated"));
	jail_rig_smoke(s);
	end(s);
	folder_remove(place);
}

static void without_namespaces_a_closed_path_is_named(void **state)
{
	struct pg_suite s = {0};

	(void)state;
	if (geteuid() != 0)
		skip();
	jail_test_level = JAIL_PLAIN;
	strcat(jail_rig.dir, "/deep");
	call_open(&s.c, &s.arena);
	assert_false(jail_rig_open(&s.c, &s.b));
	assert_non_null(strstr(s.c.err.text, "closed"));
	arena_close(&s.arena);
}

static void copies_do_where_nothing_else_does(void **state)
{
	struct pg_suite *s;

	(void)state;
	jail_rig.driver = "copy";
	s = begin();
	jail_rig_smoke(s);
	end(s);
}

/* Not by assertions: a failed one would go on with the tests behind. */
static int work_without_root(void)
{
	struct pg_suite s = {0};
	struct pg_open_ask ask = {.use = PG_PRIVATE, .tenant = S("acme")};
	struct pg_instance *i;
	struct pg_report r;
	struct pg_conn *p;
	uid_t uid = jail_rig_uid();
	bool ok;

	/* As a server that was started by this user: a process that was root before is not its own in /proc. */
	if (setgroups(0, NULL) != 0 || setgid(uid) != 0 || setuid(uid) != 0 || prctl(PR_SET_DUMPABLE, 1) != 0)
		return 2;
	call_open(&s.c, &s.arena);
	ok = jail_rig_open(&s.c, &s.b);
	if (ok)
		s.b->ops->report(s.b, &r);
	ok = ok && r.userns && s.b->ops->open(&s.c, s.b, &ask, &i) && i->ops->connect(&s.c, i, PG_OWNER, NULL, &p);
	if (!ok) {
		print_error("%s; %s\n", s.c.err.text, s.b ? r.missing : "");
		return 3;
	}
	ok = str_eq(pg_rig_sql(&s.c, p, "SELECT 1"), S("[1]"));
	pg_conn_close(p);
	s.b->ops->release(i);
	s.b->ops->close(s.b);
	return ok ? 0 : 4;
}

static void a_server_that_is_not_root_needs_none(void **state)
{
	char place[FOLDER_PATH_MAX];
	int status;
	pid_t pid;

	(void)state;
	if (geteuid() != 0)
		skip(); /* then all the others have shown it */
	folder_make(place);
	assert_int_equal(chown(place, jail_rig_uid(), jail_rig_uid()), 0);
	strcpy(jail_rig.dir, place);
	pid = fork();
	if (pid == 0)
		_exit(work_without_root());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(jail_rig_processes(jail_rig_uid()), 0);
	folder_remove(place);
}

static void a_driver_that_does_not_work_is_refused(void **state)
{
	struct pg_suite s = {0};

	(void)state;
	jail_rig.driver = "btrfs";
	call_open(&s.c, &s.arena);
	if (jail_rig_open(&s.c, &s.b)) /* the temporary folder is on btrfs */
		s.b->ops->close(s.b);
	else
		assert_non_null(strstr(s.c.err.text, "runner.driver btrfs does not work"));
	arena_close(&s.arena);
}

/* --- limits --- */
static void a_full_disk_fails_the_statement_and_leaves_nothing(void **state)
{
	struct pg_instance_stats stats;
	struct pg_answer a;
	struct pg_instance *i;
	struct pg_suite *s;
	struct pg_conn *p;
	const char *kind;

	(void)state;
	jail_rig.disk = 96 << 20;
	jail_rig.driver = "overlay-tmpfs";
	s = begin();
	kind = jail_rig_kind(s);
	i = pg_suite_boot(s, (struct str){NULL, 0}, PG_PRIVATE);
	p = pg_suite_connect(s, i);
	pg_run(&s->c, p, &(struct pg_ask){.sql = S("CREATE TABLE t AS SELECT repeat(md5(g::text), 30) FROM generate_series(1, 1000000) g")}, 250, &a);
	assert_true(a.outcome == PG_FAILED || a.outcome == PG_LOST);
	if (a.outcome == PG_FAILED)
		assert_true(strcmp(a.error.sqlstate, "53100") == 0 || strcmp(a.error.sqlstate, "58030") == 0);
	pg_answer_drop(&a);
	i->ops->stats(i, &stats);
	assert_true(stats.disk_bytes <= 96 << 20);
	pg_conn_close(p);
	s->b->ops->release(i);
	pg_suite_expect(s, (struct str){NULL, 0}, "SELECT 1", "[1]");
	jail_rig_nothing_left(kind);
	end(s);
}

/* On disk it is killed, when it is next looked at. */
static void who_writes_too_much_to_disk_is_killed(void **state)
{
	struct pg_instance *i;
	struct pg_answer a;
	struct pg_suite *s;
	struct pg_conn *p;

	(void)state;
	jail_rig.disk = 64 << 20;
	s = begin();
	i = pg_suite_boot(s, (struct str){NULL, 0}, PG_BUILD);
	p = pg_suite_connect(s, i);
	for (int n = 0; n == 0 || a.outcome == PG_OK; n++) { /* no single file is too large */
		pg_run(&s->c, p, &(struct pg_ask){.sql = arena_fmt(s->c.arena,
			"CREATE TABLE t%d AS SELECT repeat(md5(g::text), 30) FROM generate_series(1, 10000) g", n)}, 250, &a);
		pg_answer_drop(&a);
	}
	assert_int_equal(a.outcome, PG_LOST);
	while (i->ops->alive(i))
		pg_rig_pause();
	pg_conn_close(p);
	s->b->ops->release(i);
	jail_rig_nothing_left(jail_rig_kind(s));
	end(s);
}

static void processes_and_memory_are_limited(void **state)
{
	struct pg_conn *v[32] = {0};
	struct pg_open_ask ask = {.use = PG_PRIVATE, .tenant = S("acme")};
	struct pg_instance *i;
	struct pg_suite *s;
	struct pg_answer a;
	int n = 0;

	(void)state;
	jail_rig.pids = 16;
	jail_rig.memory = 256 << 20;
	s = begin();
	pg_suite_ok(&s->c, s->b->ops->open(&s->c, s->b, &ask, &i));
	v[0] = pg_suite_connect(s, i);
	pg_run(&s->c, v[0], &(struct pg_ask){.sql = S("SELECT length(repeat('x', 900000000) || repeat('y', 100000000))")}, 250, &a);
	assert_int_equal(a.outcome, PG_FAILED);
	assert_string_equal(a.error.sqlstate, "53200");
	pg_answer_drop(&a);
	for (n = 1; n < 32 && i->ops->connect(&s->c, i, PG_OWNER, NULL, &v[n]); n++)
		;
	assert_true(n >= 8 && n < 24);
	call_forgive(&s->c);
	for (int k = 0; k < n; k++)
		pg_conn_close(v[k]);
	s->b->ops->release(i);
	end(s);
}

struct many {
	pthread_t thread;
	struct pg_suite *s;
	struct pg_instance *i[5];
};

static void *open_many(void *arg)
{
	struct many *m = arg;
	OWNS(arena) arena = {0};
	struct pg_open_ask ask = {.use = PG_PRIVATE, .tenant = S("acme")};
	struct pg_conn *p;
	struct call c;

	call_open(&c, &arena);
	for (int k = 0; k < 5; k++) {
		if (!m->s->b->ops->open(&c, m->s->b, &ask, &m->i[k]) || !m->i[k]->ops->connect(&c, m->i[k], PG_OWNER, NULL, &p)) {
			print_error("%s\n", c.err.text);
			return m;
		}
		pg_rig_sql(&c, p, "CREATE TABLE t AS SELECT 1 AS a");
		pg_conn_close(p);
	}
	return NULL;
}

static void forty_at_once_leave_nothing(void **state)
{
	struct many m[8] = {0};
	struct pg_report r;
	struct pg_suite *s;
	void *failed;

	(void)state;
	jail_rig.max = 40;
	s = begin();
	for (int k = 0; k < 8; k++) {
		m[k].s = s;
		assert_int_equal(pthread_create(&m[k].thread, NULL, open_many, &m[k]), 0);
	}
	for (int k = 0; k < 8; k++) {
		assert_int_equal(pthread_join(m[k].thread, &failed), 0);
		assert_null(failed);
	}
	s->b->ops->report(s->b, &r);
	assert_int_equal(r.instances, 40);
	assert_true(jail_rig_processes(jail_rig_uid()) >= 40 || geteuid() != 0);
	for (int k = 0; k < 40; k++)
		s->b->ops->release(m[k / 5].i[k % 5]);
	jail_rig_nothing_left(jail_rig_kind(s));
	end(s);
}

static void a_chain_longer_than_the_limit_is_flattened(void **state)
{
	struct str id = {NULL, 0};
	struct pg_suite *s = begin();
	struct jail_layer l;
	int whole = 0;

	(void)state;
	pg_suite_layer(s, id, "SELECT 1", "");
	for (int k = 0; k < PG_DEPTH_MAX + 2; k++) {
		id = pg_suite_layer(s, id, k ? "INSERT INTO t SELECT max(a) + 1 FROM t; DROP TABLE u; CREATE TABLE u AS TABLE t"
					     : "CREATE TABLE t AS SELECT 1 AS a; CREATE TABLE u AS TABLE t", "");
		pg_suite_ok(&s->c, jail_layer_read(&s->c, jail_of(s->b), arena_cstr(s->c.arena, id), &l));
		assert_true(l.nbelow < PG_DEPTH_MAX);
		whole += l.nbelow == 0;
	}
	pg_suite_expect(s, id, "SELECT (SELECT count(*) FROM t), (SELECT max(a) FROM u)", "[34,34]");
	assert_int_equal(whole, strcmp(jail_rig_kind(s), "overlay") == 0 ? 1 : PG_DEPTH_MAX + 2);
	end(s);
}

#define JAIL_TEST(name) cmocka_unit_test_setup(name, reset)

int main(void)
{
	const struct CMUnitTest suite[] = {
		PG_BACKEND_TESTS,
		JAIL_TEST(root_makes_the_namespaces_where_users_may_not),
		JAIL_TEST(without_namespaces_it_says_so_or_refuses),
		JAIL_TEST(without_namespaces_a_closed_path_is_named),
		JAIL_TEST(copies_do_where_nothing_else_does),
		JAIL_TEST(a_server_that_is_not_root_needs_none),
		JAIL_TEST(a_driver_that_does_not_work_is_refused),
		JAIL_TEST(a_full_disk_fails_the_statement_and_leaves_nothing),
		JAIL_TEST(who_writes_too_much_to_disk_is_killed),
		JAIL_TEST(processes_and_memory_are_limited),
		JAIL_TEST(forty_at_once_leave_nothing),
		JAIL_TEST(a_chain_longer_than_the_limit_is_flattened),
	};
	int failed;

	jail_rig_place();
	failed = cmocka_run_group_tests_name("jail", suite, NULL, NULL);
	jail_rig_back();
	jail_rig_remove();
	return failed;
}
