/* pg_dsn_test.c - the dsn backend on a real PostgreSQL: the suite of backends, and what is its own: roles, leftovers, restarts. */
#include "pg_backend_rig.h"

static struct pg_rig rig;
static char dsn[256]; /* of the backend; the superuser's unless a test says otherwise */
static const char *server = "one";

static bool open_backend(struct call *c, struct pg_backend **ret)
{
	return pg_dsn_open(c, &(struct pg_dsn_options){.dsn = str_of(dsn), .server = str_of(server), .max = PG_SUITE_MAX}, ret);
}

static struct pg_conn *superuser(struct pg_suite *s)
{
	struct pg_conn *p = NULL;

	pg_suite_ok(&s->c, pg_connect(&s->c, &(struct pg_target){.conninfo = str_of(rig.conninfo)}, &p));
	return p;
}

static struct str as_superuser(struct pg_suite *s, const char *sql)
{
	struct pg_conn *p = superuser(s);
	struct str rows = pg_rig_sql(&s->c, p, sql);

	pg_conn_close(p);
	return rows;
}

static void until(struct pg_suite *s, const char *sql, const char *rows)
{
	int64_t end = clock_mono_ms() + PG_RIG_LIMIT_MS;
	struct pg_conn *p = superuser(s);

	while (!str_eq(pg_rig_sql(&s->c, p, sql), str_of(rows))) {
		if (clock_mono_ms() > end)
			print_error("%s: %.*s\n", sql, SARG(pg_rig_sql(&s->c, p, sql)));
		assert_true(clock_mono_ms() < end);
		pg_rig_pause();
	}
	pg_conn_close(p);
}

static void instances_go(void **state)
{
	struct pg_suite *s = *state;
	struct pg_instance *i = pg_suite_boot(s, (struct str){NULL, 0}, PG_PRIVATE);

	until(s, "SELECT count(*) FROM pg_database WHERE datname ~ '^mayfly_[bi]_'", "[1]");
	s->b->ops->release(i);
	until(s, "SELECT count(*) FROM pg_database WHERE datname ~ '^mayfly_[bi]_'", "[0]");
}

static void tenants_are_apart(void **state)
{
	struct pg_suite *s = *state;
	struct pg_open_ask ask = {.use = PG_PRIVATE, .tenant = S("other")};
	struct pg_instance *mine = pg_suite_boot(s, (struct str){NULL, 0}, PG_PRIVATE), *theirs = NULL;
	struct pg_conn *a, *b, *p;
	struct str db, user, password;

	pg_suite_ok(&s->c, s->b->ops->open(&s->c, s->b, &ask, &theirs));
	a = pg_suite_connect(s, mine);
	b = pg_suite_connect(s, theirs);
	user = pg_rig_sql(&s->c, a, "SELECT current_user::text");
	assert_false(str_eq(user, pg_rig_sql(&s->c, b, "SELECT current_user::text")));
	/* Not even with trust: a role connects to its own databases, and to no catalog. */
	db = pg_rig_sql(&s->c, b, "SELECT current_database()::text");
	user = str_from(user.p + 2, user.n - 4);
	password = S("x");
	for (int i = 0; i < 2; i++) {
		struct pg_target t = {.conninfo = str_of(dsn), .user = user, .password = password,
			.dbname = i ? S("mayfly_catalog") : str_from(db.p + 2, db.n - 4)};

		assert_false(pg_connect(&s->c, &t, &p));
		assert_int_equal(s->c.err.kind, ERR_ENGINE_UNREACHABLE);
		call_forgive(&s->c);
	}
	pg_conn_close(a);
	pg_conn_close(b);
	s->b->ops->release(mine);
	s->b->ops->release(theirs);
}

static void refused(struct pg_suite *s, struct pg_conn *p, const char *sql)
{
	struct pg_answer a;

	pg_run(&s->c, p, &(struct pg_ask){.sql = str_of(sql)}, 250, &a);
	if (a.outcome != PG_FAILED)
		print_error("%s\n", sql);
	assert_int_equal(a.outcome, PG_FAILED);
}

static void the_role_may_little(void **state)
{
	static const char *const not_allowed[] = {
		"COPY (SELECT 1) TO PROGRAM 'true'", "COPY (SELECT 1) TO '/tmp/x'", "SELECT pg_read_file('/etc/passwd')",
			"ALTER SYSTEM SET work_mem = '1MB'",
		"CREATE ROLE x", "CREATE DATABASE x", "SET SESSION AUTHORIZATION postgres", "SET ROLE postgres", "LOAD 'x'",
			"SELECT * FROM pg_authid",
		"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'postgres'", "DROP DATABASE mayfly_catalog",
	};
	struct pg_suite *s = *state;
	struct pg_instance *i = pg_suite_boot(s, (struct str){NULL, 0}, PG_PRIVATE);
	struct pg_conn *p = pg_suite_connect(s, i);

	for (size_t k = 0; k < COUNT_OF(not_allowed); k++)
		refused(s, p, not_allowed[k]);
	pg_conn_close(p);
	s->b->ops->release(i);
}

/* Users' SQL may change its own role, by ways that nobody sees beforehand. */
static void roles_are_mended(void **state)
{
	struct pg_suite *s = *state;
	struct pg_instance *i = pg_suite_boot(s, (struct str){NULL, 0}, PG_PRIVATE);

	pg_suite_sql(s, i, "DO $$ BEGIN EXECUTE format('ALTER ROLE %I PASSWORD %L', current_user, 'mine'); "
		"EXECUTE format('ALTER ROLE %I SET work_mem = ''77MB''', current_user); END $$", NULL);
	pg_suite_sql(s, i, "SHOW work_mem", "[\"77MB\"]");
	s->b->ops->release(i);
	as_superuser(s, "SELECT 1"); /* trust; with a password the first connection mends it: the next test */
	pg_suite_expect(s, (struct str){NULL, 0}, "SELECT current_setting('work_mem') = '77MB'", "[false]");
}

static void hba(const char *line)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/data/pg_hba.conf", rig.dir);
	f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f, "%s", line);
	fclose(f);
}

static void passwords_count(void **state)
{
	struct pg_suite *s = *state;
	struct pg_instance *i;
	struct pg_conn *p;

	hba("local all postgres trust\nlocal all all scram-sha-256\n");
	as_superuser(s, "SELECT pg_reload_conf()");
	i = pg_suite_boot(s, (struct str){NULL, 0}, PG_PRIVATE);
	pg_suite_sql(s, i, "SELECT 1", "[1]");
	pg_suite_sql(s, i, "DO $$ BEGIN EXECUTE format('ALTER ROLE %I PASSWORD %L', current_user, 'mine'); END $$", NULL);
	pg_suite_sql(s, i, "SELECT 1", "[1]");
	s->b->ops->release(i);
	snprintf(dsn, sizeof(dsn), "host=%s user=mallory password=verysecret dbname=postgres", rig.dir);
	assert_false(pg_connect(&s->c, &(struct pg_target){.conninfo = str_of(dsn)}, &p));
	assert_int_equal(s->c.err.kind, ERR_ENGINE_UNREACHABLE);
	assert_null(strstr(s->c.err.text, "verysecret"));
	call_forgive(&s->c);
	snprintf(dsn, sizeof(dsn), "%s", rig.conninfo);
	hba("local all all trust\n");
	as_superuser(s, "SELECT pg_reload_conf()");
}

static void settings_of_databases_are_carried(void **state)
{
	struct pg_suite *s = *state;
	struct str id = pg_suite_layer(s, (struct str){NULL, 0},
		"DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = one, \"T wo\", \"it''s\"', current_database()); "
		"EXECUTE format('ALTER DATABASE %I SET work_mem = ''3MB''', current_database()); "
		"EXECUTE format('ALTER ROLE %I IN DATABASE %I SET statement_timeout = 4711', current_user, current_database()); END $$", "m");

	pg_suite_expect(s, id, "SELECT current_setting('search_path'), current_setting('work_mem'), current_setting('statement_timeout')",
		"[\"one, \\\"T wo\\\", \\\"it's\\\"\",\"3MB\",\"4711ms\"]");
}

/* --- DSNs of other users --- */
static void with_user(struct pg_suite *s, const char *attributes, const char *missing)
{
	struct pg_backend *b = NULL;
	struct pg_report r;

	as_superuser(s, arena_fmt(s->c.arena, "DROP DATABASE IF EXISTS mayfly_catalog; ").p);
	as_superuser(s, arena_fmt(s->c.arena, "CREATE ROLE plain LOGIN %s", attributes).p);
	snprintf(dsn, sizeof(dsn), "host=%s user=plain dbname=postgres", rig.dir);
	pg_suite_ok(&s->c, open_backend(&s->c, &b));
	b->ops->report(b, &r);
	assert_int_equal(strlen(r.missing) > 0, strlen(missing) > 0);
	assert_non_null(strstr(r.missing, missing));
	snprintf(dsn, sizeof(dsn), "%s", rig.conninfo);
	struct pg_suite own = {.b = b};
	struct str id;

	call_open(&own.c, s->c.arena);
	id = pg_suite_layer(&own, (struct str){NULL, 0}, "CREATE TABLE t AS SELECT 1 AS a", "m");
	pg_suite_expect(&own, id, "SELECT a FROM t", "[1]");
	assert_str_equal(pg_suite_find(&own, id).manifest, "m");
	pg_suite_ok(&own.c, b->ops->drop(&own.c, b, id));
	assert_int_equal(pg_suite_find(&own, id).count, 0);
	b->ops->close(b);
	until(s, "SELECT count(*) FROM pg_database WHERE datname ~ '^mayfly_[bi]_'", "[0]");
	as_superuser(s, "DROP DATABASE mayfly_catalog");
	as_superuser(s, "DO $$ DECLARE r name; BEGIN FOR r IN SELECT rolname FROM pg_roles WHERE rolname ~ '^mayfly_app' LOOP "
		"EXECUTE format('DROP ROLE %I', r); END LOOP; END $$");
	as_superuser(s, "DROP ROLE plain");
}

static void users_without_powers(void **state)
{
	struct pg_suite *s = base_zalloc(sizeof(*s));
	struct pg_backend *b = NULL;

	(void)state;
	call_open(&s->c, &s->arena);
	as_superuser(s, "CREATE ROLE poor LOGIN");
	snprintf(dsn, sizeof(dsn), "host=%s user=poor dbname=postgres", rig.dir);
	assert_false(open_backend(&s->c, &b));
	assert_int_equal(s->c.err.kind, ERR_ENGINE_UNREACHABLE);
	assert_non_null(strstr(s->c.err.text, "CREATEDB"));
	call_forgive(&s->c);
	snprintf(dsn, sizeof(dsn), "host=/nowhere password=verysecret");
	assert_false(open_backend(&s->c, &b));
	assert_int_equal(s->c.err.kind, ERR_ENGINE_UNREACHABLE);
	assert_null(strstr(s->c.err.text, "verysecret"));
	call_forgive(&s->c);
	snprintf(dsn, sizeof(dsn), "host=/nowhere password=very secret");
	assert_false(open_backend(&s->c, &b));
	assert_null(strstr(s->c.err.text, "secret"));
	call_forgive(&s->c);
	snprintf(dsn, sizeof(dsn), "%s", rig.conninfo);
	as_superuser(s, "DROP ROLE poor");
	/* As the first on a server: before any other made the catalog. */
	with_user(s, "CREATEDB CREATEROLE", "");
	with_user(s, "CREATEDB", "may not create roles");
	arena_close(&s->arena);
	free(s);
}

/* --- two servers, crashes, restarts --- */
static void leftovers_of_the_dead(void **state)
{
	struct pg_suite *s = *state;
	struct pg_instance *mine = pg_suite_boot(s, (struct str){NULL, 0}, PG_PRIVATE);
	pid_t pid = fork();
	int status;

	if (pid == 0) { /* a server that dies with an instance and a build */
		struct pg_suite *other = base_zalloc(sizeof(*other));

		call_open(&other->c, &other->arena);
		server = "two";
		if (!open_backend(&other->c, &other->b))
			_exit(1);
		pg_suite_boot(other, (struct str){NULL, 0}, PG_PRIVATE);
		pg_suite_boot(other, (struct str){NULL, 0}, PG_BUILD);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	until(s, "SELECT count(*) >= 3 FROM pg_database WHERE datname ~ '^mayfly_[bi]_'", "[true]");
	until(s, "SELECT count(*) FROM pg_stat_activity WHERE datname = 'mayfly_catalog' AND query ~ 'advisory_lock'", "[1]");
	server = "three";
	{
		struct pg_backend *b = NULL;

		pg_suite_ok(&s->c, open_backend(&s->c, &b)); /* sweeps, but not what lives */
		b->ops->close(b);
	}
	server = "one";
	until(s, "SELECT count(*) FROM pg_database WHERE datname ~ '^mayfly_[bi]_'", "[1]");
	pg_suite_sql(s, mine, "SELECT 1", "[1]");
	s->b->ops->release(mine);
}

static void restarts(void **state)
{
	struct pg_suite *s = *state;
	struct str id = pg_suite_layer(s, (struct str){NULL, 0}, "CREATE TABLE t AS SELECT 1 AS a", "m");
	struct pg_instance *i = pg_suite_boot(s, id, PG_PRIVATE);
	int64_t end = clock_mono_ms() + PG_RIG_LIMIT_MS;

	assert_true(i->ops->alive(i));
	pg_rig_stop(&rig);
	pg_suite_refused(s, id, NULL, ERR_ENGINE_UNREACHABLE);
	pg_rig_start(&rig);
	while (i->ops->alive(i)) { /* another server may have taken it for a dead one's */
		assert_true(clock_mono_ms() < end);
		pg_rig_pause();
	}
	s->b->ops->release(i);
	pg_suite_expect(s, id, "SELECT a FROM t", "[1]");
	assert_str_equal(pg_suite_find(s, id).manifest, "m");
	until(s, "SELECT count(*) FROM pg_database WHERE datname ~ '^mayfly_[bi]_'", "[0]");
}

/* The catalog was lost: layers are found by their names, and known again once somebody builds them. */
static void two_servers_share_layers(void **state)
{
	struct pg_suite *s = *state, other = {0};
	struct str id = pg_suite_layer(s, (struct str){NULL, 0}, "CREATE TABLE t AS SELECT 1 AS a", "m");
	struct pg_instance *i;
	bool first = true;

	call_open(&other.c, s->c.arena);
	server = "two";
	pg_suite_ok(&other.c, open_backend(&other.c, &other.b));
	server = "one";
	assert_str_equal(pg_suite_find(&other, id).manifest, "m");
	pg_suite_expect(&other, id, "SELECT a FROM t", "[1]");
	as_superuser(s, "SELECT 1");
	i = pg_suite_boot(&other, (struct str){NULL, 0}, PG_BUILD);
	pg_suite_ok(&other.c, other.b->ops->publish(&other.c, i, id, S("late"), &first));
	assert_false(first);
	assert_str_equal(pg_suite_find(s, id).manifest, "m");
	other.b->ops->close(other.b);
}

/* The first on a server, all at once. */
static void *opens(void *arg)
{
	OWNS(arena) arena = {0};
	struct pg_suite s = {0};
	struct pg_open_ask ask = {.use = PG_PRIVATE, .tenant = S("together")};
	struct pg_instance *i = NULL;
	bool *ok = arg;

	call_open(&s.c, &arena);
	*ok = open_backend(&s.c, &s.b);
	if (*ok) {
		*ok = s.b->ops->open(&s.c, s.b, &ask, &i);
		if (*ok)
			s.b->ops->release(i);
		s.b->ops->close(s.b);
	}
	if (!*ok)
		print_error("%s\n", s.c.err.text);
	return NULL;
}

static void many_open_together(void **state)
{
	struct pg_suite *s = base_zalloc(sizeof(*s));
	pthread_t threads[4];
	bool ok[4] = {0};

	(void)state;
	call_open(&s->c, &s->arena);
	as_superuser(s, "DROP DATABASE IF EXISTS mayfly_catalog");
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, opens, &ok[i]), 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	for (int i = 0; i < 4; i++)
		assert_true(ok[i]);
	arena_close(&s->arena);
	free(s);
}

static int open_rig(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	pg_rig_open(&rig);
	snprintf(dsn, sizeof(dsn), "%s", rig.conninfo);
	pg_suite_open_backend = open_backend;
	return 0;
}

static int close_rig(void **state)
{
	(void)state;
	pg_rig_close(&rig);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(users_without_powers), cmocka_unit_test(many_open_together), PG_BACKEND_TESTS, PG_SUITE_TEST(instances_go),
			PG_SUITE_TEST(tenants_are_apart),
		PG_SUITE_TEST(the_role_may_little), PG_SUITE_TEST(roles_are_mended), PG_SUITE_TEST(passwords_count),
		PG_SUITE_TEST(settings_of_databases_are_carried), PG_SUITE_TEST(leftovers_of_the_dead), PG_SUITE_TEST(two_servers_share_layers),
		PG_SUITE_TEST(restarts),
	};

	return cmocka_run_group_tests(tests, open_rig, close_rig);
}
