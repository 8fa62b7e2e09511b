/* pg_jail_pack_test.c - archives of layers: of strangers, with marks, and between servers whose bases are not the same bytes. */
#include "pg_jail_rig.h"

#include <zlib.h>

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

/* --- of strangers --- */
struct entry {
	const char *name;
	char type;
	const char *link;
	unsigned major;
};

static void put_entry(gzFile to, const struct entry *e)
{
	char h[512] = {0};
	unsigned sum = 0;

	snprintf(h, 100, "%s", e->name);
	memcpy(h + 100, "0000600", 7);
	memcpy(h + 124, "00000000000", 11);
	memset(h + 148, ' ', 8);
	h[156] = e->type;
	if (e->link)
		snprintf(h + 157, 100, "%s", e->link);
	memcpy(h + 257, "ustar", 5);
	snprintf(h + 329, 8, "%07o", e->major);
	memcpy(h + 337, "0000000", 7);
	for (int i = 0; i < 512; i++)
		sum += (unsigned char)h[i];
	snprintf(h + 148, 8, "%06o", sum);
	assert_int_equal(gzwrite(to, h, 512), 512);
}

static void put_first(gzFile to)
{
	char h[1024] = {0};
	unsigned sum = 0;

	memcpy(h, "layer", 5);
	memcpy(h + 124, "00000000006", 11);
	memset(h + 148, ' ', 8);
	h[156] = '0';
	memcpy(h + 257, "ustar", 5);
	for (int i = 0; i < 512; i++)
		sum += (unsigned char)h[i];
	snprintf(h + 148, 8, "%06o", sum);
	memcpy(h + 512, "whole\n", 6);
	assert_int_equal(gzwrite(to, h, 1024), 1024);
}

static void archives_of_strangers_are_refused(void **state)
{
	static const struct entry bad[] = {
		{"/etc/passwd", '0', NULL, 0}, {"data//etc/passwd", '0', NULL, 0}, {"data/../../x", '0', NULL, 0}, {"data/a/../b", '0', NULL, 0},
		{"data/..", '5', NULL, 0}, {"data/link", '2', "/etc", 0}, {"data/hard", '1', "../../layer", 0}, {"data/null", '3', NULL, 1},
		{"data/disk", '4', NULL, 0}, {"data/pipe", '6', NULL, 0}, {"layer", '0', NULL, 0}, {"durable", '0', NULL, 0}, {"data/", '5', NULL, 0},
	};
	struct pg_suite *s = begin();
	struct pg_found f = {.id = pg_suite_id(s), .manifest = S("m"), .build = S("6f1c2f0e-95d2-4c0e-8b57-5c7a3b1d9e20")};

	(void)state;
	for (size_t k = 0; k < COUNT_OF(bad); k++) {
		FILE *file = tmpfile();
		gzFile to = gzdopen(dup(fileno(file)), "wb");
		static const char zeros[1024];

		put_first(to);
		put_entry(to, &bad[k]);
		gzwrite(to, zeros, sizeof(zeros));
		assert_int_equal(gzclose(to), Z_OK);
		assert_int_equal(lseek(fileno(file), 0, SEEK_SET), 0);
		if (s->b->ops->unpack(&s->c, s->b, &f, fileno(file)))
			print_error("taken: %s\n", bad[k].name);
		assert_int_equal(s->c.err.kind, ERR_STORAGE);
		call_forgive(&s->c);
		assert_int_equal(pg_suite_find(s, f.id).count, 0);
		fclose(file);
	}
	jail_rig_nothing_left(jail_rig_kind(s));
	end(s);
}

/* Dropped tables, databases' folders that are new and gone: marks of both kinds survive. */
static void marks_survive_an_archive(void **state)
{
	struct pg_suite *s = begin();
	struct str a = pg_suite_layer(s, (struct str){NULL, 0}, "CREATE TABLE gone AS SELECT 1 AS a; CREATE TABLE stays AS SELECT 2 AS a", "a");
	struct str b = pg_suite_layer(s, a, "DROP TABLE gone; CREATE TABLE new AS SELECT 3 AS a", "b");
	struct pg_suite_seen was = pg_suite_find(s, b);
	struct pg_found f = {.id = b, .parent = a, .manifest = S("b"), .build = was.build, .parent_build = was.parent_build};
	FILE *file = tmpfile();

	(void)state;
	pg_suite_ok(&s->c, s->b->ops->pack(&s->c, s->b, b, fileno(file)));
	pg_suite_ok(&s->c, s->b->ops->drop(&s->c, s->b, b));
	assert_int_equal(lseek(fileno(file), 0, SEEK_SET), 0);
	pg_suite_ok(&s->c, s->b->ops->unpack(&s->c, s->b, &f, fileno(file)));
	pg_suite_expect(s, b, "SELECT to_regclass('gone') IS NULL, (SELECT a FROM stays), (SELECT a FROM new)", "[true,2,3]");
	fclose(file);
	end(s);
}

/* --- between servers --- */
struct place { /* a server with a folder and a base of its own */
	char dir[FOLDER_PATH_MAX];
	struct pg_suite *s;
};

static void place_open(struct place *p, const char *driver)
{
	folder_make(p->dir);
	strcpy(jail_rig.dir, p->dir);
	jail_rig.driver = driver;
	p->s = begin();
}

static void place_close(struct place *p)
{
	strcpy(jail_rig.dir, p->dir);
	jail_rig_nothing_left(jail_rig_kind(p->s));
	end(p->s);
	folder_remove(p->dir);
	jail_rig_back();
	jail_rig.driver = NULL;
}

static FILE *packed(struct place *p, struct str id)
{
	FILE *file = tmpfile();

	assert_non_null(file);
	pg_suite_ok(&p->s->c, p->s->b->ops->pack(&p->s->c, p->s->b, id, fileno(file)));
	return file;
}

static bool take(struct place *p, const struct pg_suite_seen *l, FILE *file)
{
	struct pg_found f = {.id = l->id, .parent = l->parent, .bytes = l->bytes, .manifest = l->manifest, .build = l->build,
			     .parent_build = l->parent_build};

	assert_int_equal(lseek(fileno(file), 0, SEEK_SET), 0);
	return p->s->b->ops->unpack(&p->s->c, p->s->b, &f, fileno(file));
}

static void refused(struct place *p, const struct pg_suite_seen *l, FILE *file, enum err_kind kind)
{
	assert_false(take(p, l, file));
	assert_int_equal(p->s->c.err.kind, kind);
	call_forgive(&p->s->c);
	assert_int_equal(pg_suite_find(p->s, l->id).count, 0);
}

/* Every page of every table and index, the catalog's as well, when amcheck is installed. */
static void expect_sound(struct pg_suite *s, struct str layer)
{
	struct pg_instance *i = pg_suite_boot(s, layer, PG_PRIVATE);
	struct pg_conn *admin;

	pg_suite_ok(&s->c, i->ops->connect(&s->c, i, PG_ADMIN, NULL, &admin));
	if (str_eq(pg_rig_sql(&s->c, admin, "SELECT count(*) FROM pg_available_extensions WHERE name = 'amcheck'"), S("[1]"))) {
		pg_rig_sql(&s->c, admin, "CREATE EXTENSION amcheck");
		assert_str_equal(pg_rig_sql(&s->c, admin, "SELECT count(*) > 100, count(bt_index_check(c.oid, true)) > 100 FROM pg_class c "
			"JOIN pg_am a ON a.oid = c.relam AND a.amname = 'btree' WHERE c.relkind = 'i'"), "[true,true]");
		assert_str_equal(pg_rig_sql(&s->c, admin, "SELECT count(*) FROM pg_class c, LATERAL verify_heapam(c.oid) v "
			"WHERE c.relkind IN ('r', 't', 'm')"), "[0]");
	}
	pg_conn_close(admin);
	s->b->ops->release(i);
}

static const char rows_of_a[] =
	"CREATE TABLE t (id int PRIMARY KEY, k text, big text); CREATE INDEX t_k ON t (k); CREATE TABLE gone (a int PRIMARY KEY); "
	"INSERT INTO t SELECT i, md5(i::text), CASE WHEN i % 100 = 0 THEN (SELECT string_agg(md5((i * j)::text), '') FROM "
	"generate_series(1, 400) j) END FROM generate_series(1, 20000) i; CREATE FUNCTION f(int) RETURNS int LANGUAGE sql AS 'SELECT $1 + 1'";
static const char rows_of_b[] =
	"UPDATE t SET k = k || 'x' WHERE id % 3 = 0; DELETE FROM t WHERE id > 19000; DROP TABLE gone; CREATE INDEX t_big ON t (md5(big)); "
	"CREATE TABLE u AS SELECT id, k FROM t; CREATE UNIQUE INDEX ON u (id); CREATE SCHEMA more; CREATE TABLE more.v (a numeric)";
static const char ask_rows[] =
	"SELECT md5(string_agg(t::text, '' ORDER BY id)), count(*), sum(length(big)), f(1), to_regclass('gone') IS NULL, "
	"(SELECT count(*) FROM u) FROM t";
static const char ask_index[] =
	"SET enable_seqscan = off; SET enable_bitmapscan = off; SELECT (SELECT id FROM t WHERE k = md5('77')), "
	"(SELECT count(*) FROM t WHERE k > ''), (SELECT count(*) FROM u WHERE id BETWEEN 5 AND 500)";

static struct str ask(struct place *p, struct str layer, const char *sql)
{
	struct pg_instance *i = pg_suite_boot(p->s, layer, PG_PRIVATE);
	struct pg_conn *conn = pg_suite_connect(p->s, i);
	struct str rows = pg_rig_sql(&p->s->c, conn, sql);

	pg_conn_close(conn);
	p->s->b->ops->release(i);
	return rows;
}

static void expect_same(struct place *one, struct place *two, struct str layer)
{
	static const char *const sql[] = {ask_rows, ask_index};

	for (size_t i = 0; i < COUNT_OF(sql); i++) {
		struct str here = ask(one, layer, sql[i]), there = ask(two, layer, sql[i]);

		assert_true(here.n > 10 && str_eq(here, there));
	}
	expect_sound(two->s, layer);
}

static void publish_as(struct place *p, struct str id, const char *sql)
{
	struct pg_instance *i = pg_suite_boot(p->s, S(""), PG_BUILD);
	bool first = false;

	pg_suite_sql(p->s, i, sql, NULL);
	pg_suite_ok(&p->s->c, p->s->b->ops->publish(&p->s->c, i, id, S(""), &first));
	assert_true(first);
}

static void over_another_base(const char *from, const char *to)
{
	static const char identifier[] = "SELECT system_identifier::text FROM pg_control_system()";
	struct place one, two;
	struct pg_suite_seen a, b, c;
	FILE *of_a, *of_b, *of_c;

	place_open(&one, from);
	place_open(&two, to);
	assert_false(str_eq(ask(&one, S(""), identifier), ask(&two, S(""), identifier)));
	a = pg_suite_find(one.s, pg_suite_layer(one.s, S(""), rows_of_a, "a"));
	b = pg_suite_find(one.s, pg_suite_layer(one.s, a.id, rows_of_b, "b"));
	assert_int_equal(a.parent_build.n, 0);
	of_a = packed(&one, a.id);
	of_b = packed(&one, b.id);
	refused(&two, &b, of_b, ERR_NOT_FOUND);
	publish_as(&two, a.id, rows_of_a); /* the same SQL, not the same bytes */
	refused(&two, &b, of_b, ERR_CONFLICT);
	pg_suite_ok(&two.s->c, two.s->b->ops->drop(&two.s->c, two.s->b, a.id));
	pg_suite_ok(&two.s->c, take(&two, &a, of_a));
	pg_suite_ok(&two.s->c, take(&two, &b, of_b));
	expect_same(&one, &two, b.id);
	/* What is built there goes back. */
	c = pg_suite_find(two.s, pg_suite_layer(two.s, b.id, "DELETE FROM t WHERE id > 15000; INSERT INTO u VALUES (0, '')", "c"));
	of_c = packed(&two, c.id);
	pg_suite_ok(&one.s->c, take(&one, &c, of_c));
	expect_same(&two, &one, c.id);
	fclose(of_a);
	of_a = packed(&two, a.id); /* and what was taken can be given */
	pg_suite_ok(&one.s->c, one.s->b->ops->drop(&one.s->c, one.s->b, c.id));
	pg_suite_ok(&one.s->c, one.s->b->ops->drop(&one.s->c, one.s->b, b.id));
	pg_suite_ok(&one.s->c, one.s->b->ops->drop(&one.s->c, one.s->b, a.id));
	pg_suite_ok(&one.s->c, take(&one, &a, of_a));
	pg_suite_ok(&one.s->c, take(&one, &b, of_b));
	expect_same(&two, &one, b.id);
	fclose(of_a);
	fclose(of_b);
	fclose(of_c);
	place_close(&one);
	place_close(&two);
}

static void a_layer_lies_over_the_bytes_it_was_made_over(void **state)
{
	(void)state;
	over_another_base("auto", "auto");
}

static void drivers_take_from_each_other(void **state)
{
	(void)state;
	over_another_base("copy", "auto");
	over_another_base("auto", "copy");
}

/* A flattened layer is whole: whoever has made its parent himself can take it. */
static void a_flattened_layer_needs_no_parents_bytes(void **state)
{
	struct place one, two;
	struct pg_suite_seen l = {0};
	struct str id = S("");
	FILE *file;

	(void)state;
	place_open(&one, "auto");
	if (strcmp(jail_rig_kind(one.s), "overlay") != 0) {
		place_close(&one);
		skip();
	}
	for (int k = 0; k == 0 || (l.parent_build.n != 0 || l.parent.n == 0); k++) {
		assert_true(k < PG_DEPTH_MAX + 2);
		id = pg_suite_layer(one.s, id, k ? "INSERT INTO t SELECT max(a) + 1 FROM t" : "CREATE TABLE t AS SELECT 1 AS a", "");
		l = pg_suite_find(one.s, id);
	}
	place_open(&two, "auto");
	publish_as(&two, l.parent, "SELECT 1");
	file = packed(&one, id);
	pg_suite_ok(&two.s->c, take(&two, &l, file));
	assert_true(str_eq(ask(&one, id, "SELECT count(*), max(a) FROM t"), ask(&two, id, "SELECT count(*), max(a) FROM t")));
	expect_sound(two.s, id);
	fclose(file);
	place_close(&one);
	place_close(&two);
}

int main(void)
{
	const struct CMUnitTest suite[] = {
		cmocka_unit_test(archives_of_strangers_are_refused),
		cmocka_unit_test(marks_survive_an_archive),
		cmocka_unit_test(a_layer_lies_over_the_bytes_it_was_made_over),
		cmocka_unit_test(drivers_take_from_each_other),
		cmocka_unit_test(a_flattened_layer_needs_no_parents_bytes),
	};
	int failed;

	jail_rig_place();
	failed = cmocka_run_group_tests_name("jail, archives", suite, NULL, NULL);
	jail_rig_remove();
	return failed;
}
