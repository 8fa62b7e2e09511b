/* pg_jail_crash_test.c - the jail backend when its server is killed, or the machine: what is left is whole or gone. */
#include "pg_jail_rig.h"

#include <sys/xattr.h>

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

/* --- the server is killed --- */
static const char *die_at;

static void die(const char *step)
{
	if (strcmp(step, die_at) == 0)
		kill(getpid(), SIGKILL);
}

/* A server of its own, in its own process; it does not come back. */
static void publish_and_die(struct str id)
{
	struct pg_open_ask ask = {.use = PG_BUILD, .tenant = S("acme")};
	struct pg_suite s = {0};
	struct pg_instance *i, *other;
	struct pg_conn *p, *busy;
	struct pg_answer a;
	bool first;

	jail_test_step = die;
	call_open(&s.c, &s.arena);
	if (!jail_rig_open(&s.c, &s.b) || !s.b->ops->open(&s.c, s.b, &ask, &i) || !i->ops->connect(&s.c, i, PG_OWNER, NULL, &p))
		_exit(2);
	pg_run(&s.c, p, &(struct pg_ask){.sql = S("CREATE TABLE t AS SELECT 7 AS a")}, 250, &a);
	pg_conn_close(p);
	ask.use = PG_PRIVATE; /* another instance is in the middle of something */
	if (!s.b->ops->open(&s.c, s.b, &ask, &other) || !other->ops->connect(&s.c, other, PG_OWNER, NULL, &busy))
		_exit(3);
	if (!s.b->ops->publish(&s.c, i, id, S("manifest"), &first))
		_exit(4);
	_exit(5); /* it should not have lived */
}

static void a_killed_server_leaves_a_whole_layer_or_none(void **state)
{
	static const char *const at[] = {"begun", "stopped", "cleaned", "described", "written", "placed"};
	struct pg_suite *s = begin();
	const char *kind = jail_rig_kind(s);

	(void)state;
	end(s);
	for (size_t k = 0; k < COUNT_OF(at); k++) {
		struct pg_suite names = {0};
		struct str id;
		int status;
		pid_t pid;

		call_open(&names.c, &names.arena);
		id = pg_suite_id(&names);
		die_at = at[k];
		pid = fork();
		if (pid == 0)
			publish_and_die(id);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		s = begin();
		jail_rig_nothing_left(kind);
		assert_int_equal(jail_rig_entries(kind, "servers"), 1);
		assert_int_equal(pg_suite_find(s, id).count, strcmp(at[k], "placed") == 0);
		if (strcmp(at[k], "placed") == 0)
			pg_suite_expect(s, id, "SELECT a FROM t", "[7]");
		end(s);
		arena_close(&names.arena);
	}
}

static void servers_share_a_folder_and_sweep_only_the_dead(void **state)
{
	struct pg_suite *one = begin(), *two;
	struct pg_instance *built = pg_suite_boot(one, (struct str){NULL, 0}, PG_BUILD), *runs;
	struct str id = pg_suite_id(one);
	struct pg_conn *p;
	bool first;

	(void)state;
	two = begin(); /* sweeps */
	pg_suite_sql(one, built, "CREATE TABLE t AS SELECT 1 AS a", NULL);
	pg_suite_ok(&one->c, one->b->ops->publish(&one->c, built, id, S("m"), &first));
	runs = pg_suite_boot(two, id, PG_PRIVATE);
	p = pg_suite_connect(two, runs);
	assert_false(one->b->ops->drop(&one->c, one->b, id)); /* the other one uses it */
	assert_int_equal(one->c.err.kind, ERR_LAYER_IN_USE);
	call_forgive(&one->c);
	assert_str_equal(pg_rig_sql(&two->c, p, "SELECT a FROM t"), "[1]");
	pg_conn_close(p);
	two->b->ops->release(runs);
	pg_suite_ok(&one->c, one->b->ops->drop(&one->c, one->b, id));
	pg_suite_refused(two, id, NULL, ERR_NOT_FOUND);
	end(two);
	end(one);
}

/* --- the machine is --- */
static void edit_layer(struct pg_suite *s, struct str id)
{
	char path[TREE_PATH], text[4096], *at;
	struct jail *j = jail_of(s->b);
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "layers/%.*s/layer", SARG(id));
	fd = openat(j->root, path, O_RDWR);
	assert_true(fd >= 0);
	n = read(fd, text, sizeof(text) - 1);
	assert_true(n > 0);
	text[n] = '\0';
	at = strstr(text, j->boot_id);
	assert_non_null(at);
	at[0] = at[0] == '0' ? '1' : '0';
	assert_int_equal(pwrite(fd, text, (size_t)n, 0), n);
	close(fd);
}

static void await_durable(struct pg_suite *s, struct str id)
{
	int64_t until = clock_mono_ms() + 60000;

	while (!jail_layer_durable(jail_of(s->b), id) && clock_mono_ms() < until)
		pg_rig_pause();
	assert_true(jail_layer_durable(jail_of(s->b), id));
}

static void what_was_not_on_disk_before_another_boot_is_discarded(void **state)
{
	struct pg_suite *s = begin();
	struct str kept = pg_suite_layer(s, (struct str){NULL, 0}, "CREATE TABLE t AS SELECT 1 AS a", "kept");
	struct str torn = pg_suite_layer(s, kept, "INSERT INTO t VALUES (2)", "torn");
	struct str over = pg_suite_layer(s, torn, "INSERT INTO t VALUES (3)", "over");
	char path[TREE_PATH];

	(void)state;
	await_durable(s, kept);
	await_durable(s, torn);
	await_durable(s, over);
	edit_layer(s, kept);
	edit_layer(s, torn);
	edit_layer(s, over);
	pg_suite_reopen(s); /* another boot, but all of it was on disk */
	assert_int_equal(pg_suite_find(s, over).count, 1);
	snprintf(path, sizeof(path), "layers/%.*s/durable", SARG(torn));
	assert_int_equal(unlinkat(jail_of(s->b)->root, path, 0), 0);
	pg_suite_reopen(s);
	assert_int_equal(pg_suite_find(s, kept).count, 1);
	assert_int_equal(pg_suite_find(s, torn).count, 0);
	assert_int_equal(pg_suite_find(s, over).count, strcmp(jail_rig_kind(s), "overlay") != 0);
	pg_suite_expect(s, kept, "SELECT a FROM t", "[1]");
	end(s);
}

int main(void)
{
	const struct CMUnitTest suite[] = {
		cmocka_unit_test(a_killed_server_leaves_a_whole_layer_or_none),
		cmocka_unit_test(servers_share_a_folder_and_sweep_only_the_dead),
		cmocka_unit_test(what_was_not_on_disk_before_another_boot_is_discarded),
	};
	int failed;

	jail_rig_place();
	failed = cmocka_run_group_tests_name("jail, crashes", suite, NULL, NULL);
	jail_rig_remove();
	return failed;
}
