/* script_psql_test.c - each script of tests/conformance is run by psql and by us, on two fresh databases of one server; the server must have
 * been sent the same statements, but for comments and blanks, and pg_dump must write the same of both.
 */
#include "runner/runner_int.h"
#include "sql/script_int.h"

#include "pg_rig.h"

#include <ftw.h>

/* CONFORMANCE is the folder of the scripts; tests/meson.build gives it. */
enum { FILES_MAX = 200, PATH_BYTES = 512 };

static struct pg_rig rig;
static char conninfo[2][256];
static struct arena kept;
static struct tree_file files[FILES_MAX];
static struct tree tree = {.files = files};

static struct str whole(struct arena *a, const char *path)
{
	struct buf b = {0};
	struct str s;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0 && file_read(fd, SIZE_MAX, &b));
	close(fd);
	s = arena_dup(a, buf_str(&b));
	buf_drop(&b);
	return s;
}

/* --- the project: all files of the folder --- */

static int add_file(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	int i = tree.n;

	(void)where;
	if (kind != FTW_F)
		return 0;
	assert_true(tree.n++ < FILES_MAX);
	for (path += strlen(CONFORMANCE) + 1; i > 0 && strcmp(files[i - 1].path.p, path) > 0; i--)
		files[i] = files[i - 1];
	files[i] = (struct tree_file){.path = arena_dup(&kept, str_of(path)), .size = st->st_size};
	return 0;
}

static void read_tree(void)
{
	char path[PATH_BYTES];

	assert_int_equal(nftw(CONFORMANCE, add_file, 16, FTW_PHYS), 0);
	for (int i = 0; i < tree.n; i++) {
		snprintf(path, sizeof(path), "%s/%s", CONFORMANCE, files[i].path.p);
		files[i].content = whole(&kept, path);
	}
}

/* --- the server --- */

static int open_rig(void **state)
{
	struct pg_conn *p = NULL;
	struct arena a = {0};
	struct call c;

	(void)state;
	pg_rig_open(&rig);
	read_tree();
	call_open(&c, &a);
	assert_true(pg_connect(&c, &(struct pg_target){.conninfo = str_of(rig.conninfo)}, &p));
	(void)pg_rig_sql(&c, p, "ALTER SYSTEM SET log_statement = 'all'");
	(void)pg_rig_sql(&c, p, "ALTER SYSTEM SET log_line_prefix = '@%d@'");
	(void)pg_rig_sql(&c, p, "ALTER SYSTEM SET synchronous_commit = off");
	(void)pg_rig_sql(&c, p, "SELECT pg_reload_conf()");
	pg_conn_close(p);
	arena_close(&a);
	return 0;
}

static int close_rig(void **state)
{
	(void)state;
	pg_rig_close(&rig);
	arena_close(&kept);
	return 0;
}

static void make_databases(struct call *c)
{
	struct pg_conn *p = NULL;

	assert_true(pg_connect(c, &(struct pg_target){.conninfo = str_of(rig.conninfo)}, &p));
	for (int i = 0; i < 2; i++) {
		char sql[80];

		snprintf(sql, sizeof(sql), "DROP DATABASE IF EXISTS side%d WITH (FORCE)", i);
		(void)pg_rig_sql(c, p, sql);
		snprintf(sql, sizeof(sql), "CREATE DATABASE side%d TEMPLATE template0 STRATEGY wal_log", i);
		(void)pg_rig_sql(c, p, sql);
		snprintf(conninfo[i], sizeof(conninfo[i]), "host=%s user=postgres dbname=side%d", rig.dir, i);
	}
	pg_conn_close(p);
}

/* Runs a program in the folder of scripts, what it says into `out`; its exit code. */
static int run_program(const char *out, const char *const *argv)
{
	char path[PATH_BYTES];
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		int fd = open(out, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

		snprintf(path, sizeof(path), "%s/%s", rig.bin, argv[0]);
		if (fd < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0 || chdir(CONFORMANCE))
			_exit(126);
		execv(path, (char *const *)argv);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

static const char *beside(char path[PATH_BYTES], const char *name)
{
	snprintf(path, PATH_BYTES, "%s/%s", rig.dir, name);
	return path;
}

static bool by_psql(struct call *c, const char *script)
{
	char out[PATH_BYTES];
	const char *argv[] = {"psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", conninfo[0], "-f", script, NULL};

	if (run_program(beside(out, "psql.out"), argv) == 0)
		return true;
	print_error("psql: %s\n", whole(c->arena, out).p);
	return false;
}

static bool by_us(struct call *c, const char *script)
{
	struct script_run run = {.tree = &tree};
	enum pg_outcome o;

	assert_true(pg_connect(c, &(struct pg_target){.conninfo = str_of(conninfo[1])}, &run.conn));
	o = script_run(c, &run, str_of(script));
	pg_conn_close(run.conn);
	if (o != PG_OK)
		print_error("%.*s:%d:%d: %.*s\n", SARG(run.error.path), run.error.line, run.error.column, SARG(run.error.message));
	return o == PG_OK;
}

/* --- what the server was sent --- */

/* Words and signs alone, a blank between. */
static void add_tokens(struct buf *out, struct str sql)
{
	struct script_lexer x = {.text = sql};
	struct script_token t;
	size_t from = out->n;

	for (script_next(&x, &t); t.kind != PG_END; script_next(&x, &t)) {
		buf_add(out, token_text(&x, &t));
		buf_addc(out, ' ');
	}
	if (str_ends(buf_str(out), S("; "))) /* psql sends it */
		out->n -= 2;
	if (out->n > from) /* it sends comments by themselves, too */
		buf_addc(out, '\n');
}

/* A line of the log goes on in lines that begin with a tab. */
static struct str statements(struct arena *a, struct str log, const char *database)
{
	struct str prefix = arena_fmt(a, "@%s@LOG:  statement: ", database), line, text;
	struct buf out = {0}, sql = {0};

	for (struct str rest = log; rest.n;) {
		line = str_cut(&rest, '\n');
		if (!str_starts(line, prefix))
			continue;
		buf_clear(&sql);
		buf_add(&sql, str_tail(line, prefix.n));
		while (str_starts(rest, S("\t"))) {
			line = str_cut(&rest, '\n');
			buf_addc(&sql, '\n');
			buf_add(&sql, str_tail(line, 1));
		}
		add_tokens(&out, buf_str(&sql));
	}
	text = arena_dup(a, buf_str(&out));
	buf_drop(&out);
	buf_drop(&sql);
	return text;
}

/* --- dumps --- */

/* Newer ones write a random word around the dump. */
static struct str dump_of(struct call *c, int side)
{
	char out[PATH_BYTES];
	const char *argv[] = {"pg_dump", "-d", conninfo[side], NULL};
	struct str rest, line, text;
	struct buf kept_lines = {0};
	int status = run_program(beside(out, side ? "1.dump" : "0.dump"), argv);

	rest = whole(c->arena, out);
	if (status != 0)
		print_error("pg_dump: %s\n", rest.p);
	assert_int_equal(status, 0);
	while (rest.n) {
		line = str_cut(&rest, '\n');
		if (str_starts(line, S("\\restrict ")) || str_starts(line, S("\\unrestrict ")))
			continue;
		buf_add(&kept_lines, line);
		buf_addc(&kept_lines, '\n');
	}
	text = arena_dup(c->arena, buf_str(&kept_lines));
	buf_drop(&kept_lines);
	return text;
}

static bool same(const char *script, const char *what, struct str psql, struct str ours)
{
	for (int n = 1; psql.n || ours.n; n++) {
		struct str a = str_cut(&psql, '\n'), b = str_cut(&ours, '\n');

		if (!str_eq(a, b)) {
			print_error("%s, %s, line %d:\npsql: %.*s\nours: %.*s\n", script, what, n, SARG(a), SARG(b));
			return false;
		}
	}
	return true;
}

static bool script_is_the_same(const char *script)
{
	OWNS(arena) a = {0};
	char path[PATH_BYTES];
	struct call c;
	struct str log, psql, ours;
	size_t before;
	bool ok;

	call_open(&c, &a);
	make_databases(&c);
	before = whole(&a, beside(path, "log")).n;
	ok = by_psql(&c, script);
	ok = by_us(&c, script) && ok;
	log = str_tail(whole(&a, path), before);
	psql = statements(&a, log, "side0");
	ours = statements(&a, log, "side1");
	if (str_ends(ours, S("\nROLLBACK \n")) && !str_ends(psql, S("\nROLLBACK \n"))) /* of what may be open at the end */
		ours.n -= S("ROLLBACK \n").n;
	ok = same(script, "statements", psql, ours) && ok;
	if (psql.n == 0) {
		print_error("%s: no statement was logged\n", script);
		ok = false;
	}
	return same(script, "dump", dump_of(&c, 0), dump_of(&c, 1)) && ok;
}

static void scripts_do_what_they_do_in_psql(void **state)
{
	int ran = 0, wrong = 0;

	(void)state;
	for (int i = 0; i < tree.n; i++) {
		struct str path = files[i].path;

		if (!str_ends(path, S(".sql")) || str_find(path, '/') < path.n)
			continue;
		ran++;
		wrong += !script_is_the_same(path.p);
	}
	print_message("%d scripts\n", ran);
	assert_true(ran >= 25);
	assert_int_equal(wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scripts_do_what_they_do_in_psql),
	};

	if (!pg_rig_there("postgres") || !pg_rig_there("initdb") || !pg_rig_there("psql") || !pg_rig_there("pg_dump")) {
		print_message("SKIPPED: PostgreSQL, psql and pg_dump are not all in /usr/lib/postgresql\n");
		return PG_RIG_SKIPPED;
	}
	return cmocka_run_group_tests(tests, open_rig, close_rig);
}
