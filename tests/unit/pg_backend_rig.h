/* pg_backend_rig.h - what every backend of layers must do: one suite, run by pg_dsn_test.c and pg_jail_test.c.
 *
 * The test's file says how its backend is opened (again and again, over the same place), then lists PG_BACKEND_TESTS.
 * Each test has a backend of its own, over a place where the layers of the tests before may be: ids are random.
 */
#ifndef MAYFLY_TEST_PG_BACKEND_RIG_H
#define MAYFLY_TEST_PG_BACKEND_RIG_H

#include "engine/pg/layers.h"

#include "pg_rig.h"

#include <pthread.h>

enum { PG_SUITE_MAX = 6 /* instances at once */, PG_SUITE_BOOT_MS = 60000 };

/* Opens the backend; the suite closes it. Its limit of instances is PG_SUITE_MAX. */
typedef bool pg_suite_open_fn(struct call *c, struct pg_backend **ret);
static pg_suite_open_fn *pg_suite_open_backend; /* set by the test's main() */

struct pg_suite {
	struct arena arena;
	struct call c;
	struct pg_backend *b;
};

static inline void pg_suite_ok(struct call *c, bool ok)
{
	if (!ok)
		print_error("%s: %s\n", err_code(c->err.kind), c->err.text);
	assert_true(ok);
}

static inline int pg_suite_setup(void **state)
{
	struct pg_suite *s = base_zalloc(sizeof(*s));

	call_open(&s->c, &s->arena);
	pg_suite_ok(&s->c, pg_suite_open_backend(&s->c, &s->b));
	*state = s;
	return 0;
}

static inline int pg_suite_teardown(void **state)
{
	struct pg_suite *s = *state;

	s->b->ops->close(s->b);
	arena_close(&s->arena);
	free(s);
	return 0;
}

static inline void pg_suite_reopen(struct pg_suite *s)
{
	s->b->ops->close(s->b);
	pg_suite_ok(&s->c, pg_suite_open_backend(&s->c, &s->b));
}

static inline struct str pg_suite_id(struct pg_suite *s)
{
	unsigned char bytes[32];
	OWNS(buf) hex = {0};

	id_random(bytes, sizeof(bytes));
	hash_hex(str_from((const char *)bytes, sizeof(bytes)), &hex);
	return arena_dup(s->c.arena, buf_str(&hex));
}

/* --- steps --- */
static inline struct pg_instance *pg_suite_boot(struct pg_suite *s, struct str layer, enum pg_use use)
{
	struct pg_open_ask ask = {.layer = layer, .use = use, .tenant = S("acme")};
	struct pg_instance *i = NULL;

	s->c.deadline_ms = clock_mono_ms() + PG_SUITE_BOOT_MS;
	pg_suite_ok(&s->c, s->b->ops->open(&s->c, s->b, &ask, &i));
	s->c.deadline_ms = 0;
	return i;
}

static inline struct pg_conn *pg_suite_connect(struct pg_suite *s, struct pg_instance *i)
{
	struct pg_conn *p = NULL;

	pg_suite_ok(&s->c, i->ops->connect(&s->c, i, PG_OWNER, NULL, &p));
	return p;
}

static inline void pg_suite_sql(struct pg_suite *s, struct pg_instance *i, const char *sql, const char *rows)
{
	struct pg_conn *p = pg_suite_connect(s, i);
	struct str got = pg_rig_sql(&s->c, p, sql);

	pg_conn_close(p);
	if (rows)
		assert_str_equal(got, rows);
}

/* A layer over `parent` in which `sql` was run. */
static inline struct str pg_suite_layer(struct pg_suite *s, struct str parent, const char *sql, const char *manifest)
{
	struct str id = pg_suite_id(s);
	struct pg_instance *i = pg_suite_boot(s, parent, PG_BUILD);
	bool first = false;

	pg_suite_sql(s, i, sql, NULL);
	pg_suite_ok(&s->c, s->b->ops->publish(&s->c, i, id, str_of(manifest), &first));
	assert_true(first);
	return id;
}

static inline void pg_suite_expect(struct pg_suite *s, struct str layer, const char *sql, const char *rows)
{
	struct pg_instance *i = pg_suite_boot(s, layer, PG_PRIVATE);

	pg_suite_sql(s, i, sql, rows);
	s->b->ops->release(i);
}

static inline void pg_suite_refused(struct pg_suite *s, struct str layer, struct pg_stop *stop, enum err_kind kind)
{
	struct pg_open_ask ask = {.layer = layer, .use = PG_PRIVATE, .tenant = S("acme"), .stop = stop};
	struct pg_instance *i = NULL;

	assert_false(s->b->ops->open(&s->c, s->b, &ask, &i));
	assert_null(i);
	assert_int_equal(s->c.err.kind, kind);
	call_forgive(&s->c);
}

/* --- listing --- */
struct pg_suite_seen {
	struct str id, parent, manifest, build, parent_build;
	struct arena *arena;
	int64_t bytes, published_ms;
	int at, count, total; /* at: its place in the list */
};

static inline bool pg_suite_see(void *arg, const struct pg_found *f)
{
	struct pg_suite_seen *v = arg;

	if (str_eq(f->id, v->id)) {
		v->parent = arena_dup(v->arena, f->parent);
		v->manifest = arena_dup(v->arena, f->manifest);
		v->build = arena_dup(v->arena, f->build);
		v->parent_build = arena_dup(v->arena, f->parent_build);
		v->bytes = f->bytes;
		v->published_ms = f->published_ms;
		v->at = v->total;
		v->count++;
	}
	v->total++;
	return true;
}

static inline struct pg_suite_seen pg_suite_find(struct pg_suite *s, struct str id)
{
	struct pg_suite_seen v = {.id = id, .arena = s->c.arena};

	pg_suite_ok(&s->c, s->b->ops->list(&s->c, s->b, pg_suite_see, &v));
	return v;
}

/* --- the suite --- */
static inline void pg_suite_base(void **state)
{
	struct pg_suite *s = *state;
	struct pg_instance *i = pg_suite_boot(s, (struct str){NULL, 0}, PG_PRIVATE);
	struct pg_instance_stats stats = {0};
	struct pg_conn *admin = NULL;

	pg_suite_sql(s, i, "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace", "[0]");
	pg_suite_sql(s, i, "SELECT rolsuper, rolcanlogin FROM pg_roles WHERE rolname = current_user", "[false,true]");
	pg_suite_sql(s, i, "SELECT current_user = session_user, pg_get_userbyid(datdba) = current_user, pg_encoding_to_char(encoding) "
		"FROM pg_database WHERE datname = current_database()", "[true,true,\"UTF8\"]");
	pg_suite_sql(s, i, "CREATE SCHEMA s CREATE TABLE t (a text)", NULL);
	pg_suite_sql(s, i, "SELECT current_setting('TimeZone'), count(*) FROM s.t", "[\"UTC\",0]");
	pg_suite_ok(&s->c, i->ops->connect(&s->c, i, PG_ADMIN, NULL, &admin));
	assert_str_equal(pg_rig_sql(&s->c, admin, "SELECT count(*) FROM s.t"), "[0]");
	pg_conn_close(admin);
	assert_true(i->ops->alive(i));
	i->ops->stats(i, &stats);
	assert_true(stats.boot_ns > 0 && stats.disk_bytes >= 0 && stats.memory_bytes >= 0);
	s->b->ops->release(i);
	pg_suite_expect(s, (struct str){NULL, 0}, "SELECT to_regnamespace('s') IS NULL", "[true]");
}

static inline void pg_suite_isolation(void **state)
{
	struct pg_suite *s = *state;
	struct str id = pg_suite_layer(s, (struct str){NULL, 0}, "CREATE TABLE t AS SELECT 1 AS a", "m");
	struct pg_instance *one = pg_suite_boot(s, id, PG_PRIVATE), *two = pg_suite_boot(s, id, PG_PRIVATE);

	pg_suite_sql(s, one, "INSERT INTO t VALUES (2)", NULL);
	pg_suite_sql(s, one, "SELECT sum(a) FROM t", "[3]");
	pg_suite_sql(s, two, "SELECT sum(a) FROM t", "[1]");
	pg_suite_sql(s, two, "DROP TABLE t", NULL);
	s->b->ops->release(one);
	s->b->ops->release(two);
	pg_suite_expect(s, id, "SELECT sum(a) FROM t", "[1]");
}

static inline void pg_suite_shared(void **state)
{
	struct pg_suite *s = *state;
	struct str id = pg_suite_layer(s, (struct str){NULL, 0}, "CREATE TABLE t AS SELECT 1 AS a", "m"), sql[] = {S("SELECT a FROM t")};
	struct pg_instance *i = pg_suite_boot(s, id, PG_SHARED);
	struct pg_conn *one = pg_suite_connect(s, i), *two = pg_suite_connect(s, i);
	struct pg_conn *both[] = {one, two};
	struct pg_answer a;

	for (size_t k = 0; k < COUNT_OF(both); k++) {
		assert_int_equal(pg_read(&s->c, both[k], sql, 1, (struct pg_caps){10, 1000}, &a), PG_OK);
		assert_str_equal(pg_rig_rows(&s->c, &a), "[1]");
		pg_answer_drop(&a);
	}
	pg_suite_expect(s, id, "SELECT a FROM t", "[1]"); /* beside it */
	pg_conn_close(one);
	pg_conn_close(two);
	s->b->ops->release(i);
}

static inline void pg_suite_chain(void **state)
{
	static const char manifest[] = "{\"words\": \"it's a \\\\ \u00e4\"}\nsecond line $$";
	struct pg_suite *s = *state;
	int64_t began = clock_wall_ms();
	struct str a = pg_suite_layer(s, (struct str){NULL, 0}, "CREATE TABLE t AS SELECT 1 AS a", manifest);
	struct str b = pg_suite_layer(s, a, "INSERT INTO t VALUES (2)", "b");
	struct str c = pg_suite_layer(s, b, "INSERT INTO t VALUES (3); CREATE INDEX ON t (a)", "c");
	struct pg_suite_seen sa, sb, sc;

	pg_suite_expect(s, a, "SELECT array_agg(a ORDER BY a) FROM t", "[[1]]");
	pg_suite_expect(s, b, "SELECT array_agg(a ORDER BY a) FROM t", "[[1,2]]");
	pg_suite_expect(s, c, "SELECT array_agg(a ORDER BY a) FROM t", "[[1,2,3]]");
	pg_suite_reopen(s);
	sa = pg_suite_find(s, a);
	sb = pg_suite_find(s, b);
	sc = pg_suite_find(s, c);
	assert_true(sa.count == 1 && sb.count == 1 && sc.count == 1);
	assert_true(sa.at < sb.at && sb.at < sc.at);
	assert_str_equal(sa.manifest, manifest);
	assert_int_equal(sa.parent.n, 0);
	assert_true(str_eq(sb.parent, a) && str_eq(sc.parent, b));
	assert_true(sa.bytes > 0 && sa.published_ms >= began - 1000 && sa.published_ms <= clock_wall_ms() + 1000);
	pg_suite_expect(s, c, "SELECT array_agg(a ORDER BY a) FROM t", "[[1,2,3]]");
	pg_suite_ok(&s->c, s->b->ops->drop(&s->c, s->b, c));
	pg_suite_ok(&s->c, s->b->ops->drop(&s->c, s->b, c));
	assert_int_equal(pg_suite_find(s, c).count, 0);
	assert_int_equal(pg_suite_find(s, b).count, 1);
	pg_suite_refused(s, c, NULL, ERR_NOT_FOUND);
	pg_suite_expect(s, b, "SELECT array_agg(a ORDER BY a) FROM t", "[[1,2]]");
}

static inline void pg_suite_two_builders(void **state)
{
	struct pg_suite *s = *state;
	struct str id = pg_suite_id(s);
	struct pg_instance *one = pg_suite_boot(s, (struct str){NULL, 0}, PG_BUILD), *two = pg_suite_boot(s, (struct str){NULL, 0},
		PG_BUILD);
	bool first_one = false, first_two = true;

	pg_suite_sql(s, one, "CREATE TABLE t AS SELECT 7 AS a", NULL);
	pg_suite_sql(s, two, "CREATE TABLE t AS SELECT 7 AS a", NULL);
	pg_suite_ok(&s->c, s->b->ops->publish(&s->c, one, id, S("one"), &first_one));
	pg_suite_ok(&s->c, s->b->ops->publish(&s->c, two, id, S("two"), &first_two));
	assert_true(first_one);
	assert_false(first_two);
	assert_str_equal(pg_suite_find(s, id).manifest, "one");
	assert_int_equal(pg_suite_find(s, id).count, 1);
	pg_suite_expect(s, id, "SELECT a FROM t", "[7]");
}

/* What was not published leaves nothing, and a layer that nobody knows is not there. */
static inline void pg_suite_unpublished(void **state)
{
	struct pg_suite *s = *state;
	int before = pg_suite_find(s, S("")).total;
	struct pg_instance *i = pg_suite_boot(s, (struct str){NULL, 0}, PG_BUILD);

	pg_suite_sql(s, i, "CREATE TABLE t AS SELECT 7 AS a", NULL);
	s->b->ops->release(i);
	pg_suite_reopen(s);
	assert_int_equal(pg_suite_find(s, S("")).total, before);
	pg_suite_refused(s, pg_suite_id(s), NULL, ERR_NOT_FOUND);
	pg_suite_ok(&s->c, s->b->ops->drop(&s->c, s->b, pg_suite_id(s)));
}

static inline void pg_suite_packs(void **state)
{
	struct pg_suite *s = *state;
	struct str a, b;
	FILE *file = tmpfile();
	struct pg_suite_seen was;
	struct pg_found f;

	assert_non_null(file);
	assert_true((s->b->ops->pack == NULL) == (s->b->ops->unpack == NULL));
	if (s->b->ops->pack) {
		a = pg_suite_layer(s, (struct str){NULL, 0}, "CREATE TABLE t AS SELECT 1 AS a", "a");
		b = pg_suite_layer(s, a, "INSERT INTO t VALUES (2)", "b");
		was = pg_suite_find(s, b);
		assert_true(str_eq(was.parent_build, pg_suite_find(s, a).build));
		pg_suite_ok(&s->c, s->b->ops->pack(&s->c, s->b, b, fileno(file)));
		pg_suite_ok(&s->c, s->b->ops->drop(&s->c, s->b, b));
		assert_int_equal(pg_suite_find(s, b).count, 0);
		assert_int_equal(lseek(fileno(file), 0, SEEK_SET), 0);
		f = (struct pg_found){.id = b, .parent = a, .published_ms = clock_wall_ms(), .manifest = S("again"), .build = was.build,
				       .parent_build = was.parent_build};
		pg_suite_ok(&s->c, s->b->ops->unpack(&s->c, s->b, &f, fileno(file)));
		assert_str_equal(pg_suite_find(s, b).manifest, "again");
		assert_true(str_eq(pg_suite_find(s, b).parent, a));
		pg_suite_expect(s, b, "SELECT sum(a) FROM t", "[3]");
		/* Half of an archive is none. */
		pg_suite_ok(&s->c, s->b->ops->drop(&s->c, s->b, b));
		assert_int_equal(ftruncate(fileno(file), lseek(fileno(file), 0, SEEK_END) / 2), 0);
		assert_int_equal(lseek(fileno(file), 0, SEEK_SET), 0);
		assert_false(s->b->ops->unpack(&s->c, s->b, &f, fileno(file)));
		call_forgive(&s->c);
		assert_int_equal(pg_suite_find(s, b).count, 0);
	}
	fclose(file);
}

static inline void pg_suite_stops_booting(void **state)
{
	struct pg_suite *s = *state;
	struct pg_stop stop;

	pg_stop_open(&stop);
	pg_stop_ask(&stop);
	pg_suite_refused(s, (struct str){NULL, 0}, &stop, ERR_CANCELED);
	pg_stop_close(&stop);
	s->c.deadline_ms = clock_mono_ms() - 1;
	pg_suite_refused(s, (struct str){NULL, 0}, NULL, ERR_STATEMENT_TIMEOUT);
	s->c.deadline_ms = 0;
	pg_suite_expect(s, (struct str){NULL, 0}, "SELECT 1", "[1]");
}

/* --- threads --- */
struct pg_suite_runner {
	pthread_t thread;
	struct pg_conn *p;
	enum pg_outcome outcome;
};

static inline void *pg_suite_sleeps(void *arg)
{
	struct pg_suite_runner *r = arg;
	OWNS(arena) arena = {0};
	struct call c;
	struct pg_answer a;

	call_open(&c, &arena);
	pg_run(&c, r->p, &(struct pg_ask){.sql = S("SELECT pg_sleep(600) AS victim")}, 250, &a);
	r->outcome = a.outcome;
	return NULL;
}

static inline void pg_suite_release_kills(void **state)
{
	struct pg_suite *s = *state;
	struct pg_instance *i = pg_suite_boot(s, (struct str){NULL, 0}, PG_PRIVATE);
	struct pg_suite_runner r = {.p = pg_suite_connect(s, i)};
	struct pg_conn *watcher = pg_suite_connect(s, i);

	assert_int_equal(pthread_create(&r.thread, NULL, pg_suite_sleeps, &r), 0);
	while (pg_rig_sql(&s->c, watcher, "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()").n == 0)
		pg_rig_pause();
	s->b->ops->release(i);
	assert_int_equal(pthread_join(r.thread, NULL), 0);
	assert_int_equal(r.outcome, PG_LOST);
	pg_conn_close(r.p);
	pg_conn_close(watcher);
}

struct pg_suite_locker {
	pthread_t thread;
	struct pg_backend *b;
	struct str id;
	struct pg_stop *stop;
	atomic_bool got;
	enum err_kind err;
};

static inline void *pg_suite_locks(void *arg)
{
	struct pg_suite_locker *l = arg;
	OWNS(arena) arena = {0};
	struct call c;
	void *lock = NULL;

	call_open(&c, &arena);
	if (l->b->ops->lock(&c, l->b, l->id, l->stop, &lock)) {
		atomic_store(&l->got, true);
		l->b->ops->unlock(lock);
	}
	l->err = c.err.kind;
	return NULL;
}

static inline void pg_suite_locking(void **state)
{
	struct pg_suite *s = *state;
	struct str id = pg_suite_id(s);
	struct pg_stop stop;
	struct pg_suite_locker waits = {.b = s->b, .id = id}, gives_up = {.b = s->b, .id = id, .stop = &stop};
	void *lock = NULL, *other = NULL;

	pg_stop_open(&stop);
	pg_suite_ok(&s->c, s->b->ops->lock(&s->c, s->b, id, NULL, &lock));
	pg_suite_ok(&s->c, s->b->ops->lock(&s->c, s->b, pg_suite_id(s), NULL, &other)); /* another id is another lock */
	s->b->ops->unlock(other);
	s->c.deadline_ms = clock_mono_ms() + 30;
	assert_false(s->b->ops->lock(&s->c, s->b, id, NULL, &other));
	assert_int_equal(s->c.err.kind, ERR_STATEMENT_TIMEOUT);
	call_forgive(&s->c);
	s->c.deadline_ms = 0;
	assert_int_equal(pthread_create(&waits.thread, NULL, pg_suite_locks, &waits), 0);
	assert_int_equal(pthread_create(&gives_up.thread, NULL, pg_suite_locks, &gives_up), 0);
	pg_stop_ask(&stop);
	assert_int_equal(pthread_join(gives_up.thread, NULL), 0);
	assert_int_equal(gives_up.err, ERR_CANCELED);
	assert_false(atomic_load(&waits.got));
	s->b->ops->unlock(lock);
	assert_int_equal(pthread_join(waits.thread, NULL), 0);
	assert_true(atomic_load(&waits.got));
	pg_stop_close(&stop);
}

struct pg_suite_booter {
	pthread_t thread;
	struct pg_suite *s;
	struct str layer;
	bool ok;
};

static inline void *pg_suite_boots(void *arg)
{
	struct pg_suite_booter *r = arg;
	OWNS(arena) arena = {0};
	struct pg_suite own = {.b = r->s->b};
	struct pg_open_ask ask = {.layer = r->layer, .use = PG_PRIVATE, .tenant = S("acme")};
	struct pg_instance *i;
	struct pg_conn *p;

	call_open(&own.c, &arena);
	if (!own.b->ops->open(&own.c, own.b, &ask, &i)) {
		print_error("%s\n", own.c.err.text);
		return NULL;
	}
	if (i->ops->connect(&own.c, i, PG_OWNER, NULL, &p)) {
		pg_rig_sql(&own.c, p, "INSERT INTO t VALUES (1)");
		r->ok = str_eq(pg_rig_sql(&own.c, p, "SELECT count(*) FROM t"), S("[2]"));
		pg_conn_close(p);
	}
	own.b->ops->release(i);
	return NULL;
}

static inline void pg_suite_at_once(void **state)
{
	struct pg_suite *s = *state;
	struct str id = pg_suite_layer(s, (struct str){NULL, 0}, "CREATE TABLE t AS SELECT 1 AS a", "m");
	struct pg_suite_booter v[4];

	for (size_t i = 0; i < COUNT_OF(v); i++) {
		v[i] = (struct pg_suite_booter){.s = s, .layer = id};
		assert_int_equal(pthread_create(&v[i].thread, NULL, pg_suite_boots, &v[i]), 0);
	}
	for (size_t i = 0; i < COUNT_OF(v); i++) {
		assert_int_equal(pthread_join(v[i].thread, NULL), 0);
		assert_true(v[i].ok);
	}
	pg_suite_expect(s, id, "SELECT count(*) FROM t", "[1]");
}

static inline void pg_suite_limit(void **state)
{
	struct pg_suite *s = *state;
	struct pg_instance *v[PG_SUITE_MAX];

	for (int i = 0; i < PG_SUITE_MAX; i++)
		v[i] = pg_suite_boot(s, (struct str){NULL, 0}, PG_PRIVATE);
	pg_suite_refused(s, (struct str){NULL, 0}, NULL, ERR_TOO_MANY);
	for (int i = 0; i < PG_SUITE_MAX; i++)
		s->b->ops->release(v[i]);
	pg_suite_expect(s, (struct str){NULL, 0}, "SELECT 1", "[1]");
}

static inline void pg_suite_tells(void **state)
{
	struct pg_suite *s = *state;
	OWNS(buf) one = {0};
	OWNS(buf) two = {0};
	struct pg_report r = {0};

	pg_suite_ok(&s->c, s->b->ops->identity(&s->c, s->b, &one));
	pg_suite_reopen(s);
	pg_suite_ok(&s->c, s->b->ops->identity(&s->c, s->b, &two));
	assert_true(one.n > 16 && str_eq(buf_str(&one), buf_str(&two)));
	s->b->ops->report(s->b, &r);
	assert_string_equal(r.backend, s->b->ops->name);
	assert_true(r.driver && *r.driver && r.version[0] >= '1' && r.version[0] <= '9');
	assert_int_equal(r.instances, 0);
}

#define PG_SUITE_TEST(name) cmocka_unit_test_setup_teardown(name, pg_suite_setup, pg_suite_teardown)
#define PG_BACKEND_TESTS \
	PG_SUITE_TEST(pg_suite_base), PG_SUITE_TEST(pg_suite_isolation), PG_SUITE_TEST(pg_suite_shared), PG_SUITE_TEST(pg_suite_chain), \
	PG_SUITE_TEST(pg_suite_two_builders), PG_SUITE_TEST(pg_suite_unpublished), PG_SUITE_TEST(pg_suite_packs), \
	PG_SUITE_TEST(pg_suite_stops_booting), PG_SUITE_TEST(pg_suite_release_kills), PG_SUITE_TEST(pg_suite_locking), \
	PG_SUITE_TEST(pg_suite_at_once), PG_SUITE_TEST(pg_suite_limit), PG_SUITE_TEST(pg_suite_tells)

#endif
