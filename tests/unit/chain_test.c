/* chain_test.c - of `mayfly run`: which files are a project, where a caret stands, what an exit code says. */
#include "cli/chain.h"

#include "folder.h"

#include <fcntl.h>

struct bench {
	struct arena arena;
	struct call c;
	char folder[FOLDER_PATH_MAX];
};

static int open_bench(void **state)
{
	struct bench *b = base_zalloc(sizeof(*b));

	call_open(&b->c, &b->arena);
	folder_make(b->folder);
	*state = b;
	return 0;
}

static int close_bench(void **state)
{
	struct bench *b = *state;

	folder_remove(b->folder);
	arena_close(&b->arena);
	free(b);
	return 0;
}

/* --- the walk --- */

static void put_bytes(struct bench *b, const char *path, struct str bytes)
{
	struct str full = arena_fmt(&b->arena, "%s/%s", b->folder, path);
	char *p = (char *)full.p;
	FILE *f;

	for (size_t i = strlen(b->folder) + 1; p[i]; i++) {
		if (p[i] != '/')
			continue;
		p[i] = '\0';
		(void)mkdir(p, 0755);
		p[i] = '/';
	}
	f = fopen(p, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes.p, 1, bytes.n, f), bytes.n);
	fclose(f);
}

static void put(struct bench *b, const char *path, const char *text)
{
	put_bytes(b, path, str_of(text));
}

static struct project read_project(struct bench *b)
{
	struct project p;

	assert_true(project_read(&b->c, str_of(b->folder), &p));
	return p;
}

static void a_project_is_its_files_bytewise(void **state)
{
	struct bench *b = *state;
	struct project p;

	put(b, "seed/1.sql", "select 1");
	put(b, "init/b.sql", "b");
	put(b, "init/B.sql", "B");
	put(b, "init-extra.sql", "x");
	put(b, "deep/er/data.csv", "1,2\n");
	p = read_project(b);
	assert_int_equal(p.n, 5);
	assert_str_equal(p.files[0].path, "deep/er/data.csv");
	assert_str_equal(p.files[1].path, "init-extra.sql");
	assert_str_equal(p.files[2].path, "init/B.sql");
	assert_str_equal(p.files[3].path, "init/b.sql");
	assert_str_equal(p.files[4].path, "seed/1.sql");
	assert_str_equal(p.files[3].etag, "sha256:3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d");
	assert_str_equal(p.files[3].content, "b");
	assert_ptr_equal(project_file(&p, S("init/b.sql")), &p.files[3]);
	assert_null(project_file(&p, S("init")));
	assert_int_equal(p.nfolders, 5);
}

static void what_is_hidden_or_linked_is_no_part_of_it(void **state)
{
	struct bench *b = *state;
	struct project p;
	struct str at = arena_fmt(&b->arena, "%s/link.sql", b->folder), fifo = arena_fmt(&b->arena, "%s/fifo.sql", b->folder);
	struct str loop = arena_fmt(&b->arena, "%s/loop", b->folder);

	put(b, ".git/config", "x");
	put(b, ".secret.sql", "x");
	put(b, "a.sql", "x");
	put(b, "sub/.cache/x.sql", "x");
	assert_int_equal(symlink("a.sql", at.p), 0);
	assert_int_equal(symlink(".", loop.p), 0);
	assert_int_equal(mkfifo(fifo.p, 0600), 0);
	p = read_project(b);
	assert_int_equal(p.n, 1);
	assert_str_equal(p.files[0].path, "a.sql");
}

static void long_and_binary_files_go_by_their_etag(void **state)
{
	struct bench *b = *state;
	char *large = arena_alloc(&b->arena, PROJECT_INLINE_MAX + 1);
	struct project p;
	struct str content;

	memset(large, 'x', PROJECT_INLINE_MAX + 1);
	put_bytes(b, "large.csv", str_from(large, PROJECT_INLINE_MAX + 1));
	put_bytes(b, "edge.csv", str_from(large, PROJECT_INLINE_MAX));
	put_bytes(b, "zero.sql", S("a\0b"));
	put_bytes(b, "latin.sql", S("\xE9"));
	put(b, "empty.sql", "");
	p = read_project(b);
	assert_int_equal(p.n, 5);
	assert_int_equal(project_file(&p, S("edge.csv"))->content.n, PROJECT_INLINE_MAX);
	assert_null(project_file(&p, S("large.csv"))->content.p);
	assert_null(project_file(&p, S("zero.sql"))->content.p);
	assert_null(project_file(&p, S("latin.sql"))->content.p);
	assert_non_null(project_file(&p, S("empty.sql"))->content.p);
	assert_true(project_content(&b->c, &p, project_file(&p, S("large.csv")), &content));
	assert_int_equal(content.n, PROJECT_INLINE_MAX + 1);
}

static void a_file_that_is_too_large_is_left_out(void **state)
{
	struct bench *b = *state;
	struct str full = arena_fmt(&b->arena, "%s/huge.csv", b->folder);
	int fd = open(full.p, O_CREAT | O_WRONLY, 0600);
	struct project p;

	assert_int_equal(ftruncate(fd, (off_t)PROJECT_FILE_MAX + 1), 0); /* sparse */
	close(fd);
	p = read_project(b);
	assert_int_equal(p.n, 0);
	assert_int_equal(p.left_out, 1);
}

static void a_folder_without_end_or_without_being_there_is_refused(void **state)
{
	struct bench *b = *state;
	OWNS(buf) path = {0};
	struct project p;

	for (int i = 0; i <= PROJECT_DEEP_MAX; i++)
		buf_lit(&path, "d/");
	buf_lit(&path, "x.sql");
	put(b, buf_cstr(&path), "x");
	assert_false(project_read(&b->c, str_of(b->folder), &p));
	assert_non_null(strstr(b->c.err.text, "deep"));
	call_forgive(&b->c);
	assert_false(project_read(&b->c, S("/nowhere/at/all"), &p));
	assert_non_null(strstr(b->c.err.text, "/nowhere/at/all"));
}

static void changes_are_seen_and_an_interrupt_ends_waiting(void **state)
{
	struct bench *b = *state;
	atomic_bool stop = false;
	struct project p;
	int watch;

	put(b, "sub/a.sql", "1");
	p = read_project(b);
	assert_true(project_watch(&b->c, &p, &watch));
	put(b, "sub/.hidden", "1");
	put(b, "sub/a.sql", "2");
	assert_true(project_wait(&b->c, watch));
	assert_true(project_watch(&b->c, &p, &watch));
	atomic_store(&stop, true);
	b->c.cancel = &stop;
	assert_false(project_wait(&b->c, watch));
	assert_int_equal(b->c.err.kind, ERR_CANCELED);
}

/* --- carets --- */

static void shows(struct str text, int line, int column, const char *expected)
{
	OWNS(buf) b = {0};

	caret_add(&b, text, caret_find(text, line, column));
	assert_string_equal(buf_cstr(&b), expected);
}

static void a_caret_stands_under_its_character(void **state)
{
	(void)state;
	shows(S("select 1;\nselect x;\n"), 2, 8, "  select x;\n         ^\n");
	shows(S("select x"), 1, 1, "  select x\n  ^\n");
	shows(S("select x"), 1, 9, "  select x\n          ^\n");
	shows(S("select x"), 1, 99, "  select x\n          ^\n");
	shows(S("a\r\nb\r\n"), 1, 2, "  a\n   ^\n");
	shows(S(""), 1, 1, "  \n  ^\n");
}

static void tabs_and_wide_characters_take_their_columns(void **state)
{
	(void)state;
	shows(S("\tselect\tx"), 1, 2, "          select  x\n          ^\n");
	shows(S("ab\tx"), 1, 4, "  ab      x\n          ^\n");
	shows(S("Zo\xC3\xAB x"), 1, 5, "  Zo\xC3\xAB x\n      ^\n");
	shows(S("\xE6\xBC\xA2\xE5\xAD\x97 x"), 1, 4, "  \xE6\xBC\xA2\xE5\xAD\x97 x\n       ^\n");
	shows(S("e\xCC\x81 x"), 1, 4, "  e\xCC\x81 x\n    ^\n"); /* a combining accent takes none */
	shows(S("\x1B[2J x"), 1, 6, "  \\x1b[2J x\n          ^\n");
	shows(S("\xFF x"), 1, 2, "");                            /* no UTF-8: nothing is shown */
}

static void a_long_line_is_shown_around_its_place(void **state)
{
	OWNS(buf) text = {0}, out = {0};
	struct str shown, caret;

	(void)state;
	for (int i = 0; i < 5000; i++)
		buf_fmt(&text, "%04d,", i);
	caret_add(&out, buf_str(&text), caret_find(buf_str(&text), 1, 20001)); /* the 4 of 4000 */
	caret = buf_str(&out);
	shown = str_cut(&caret, '\n');
	assert_true(shown.n < 200);
	assert_true(str_starts(shown, S("  \xE2\x80\xA6 ")));
	assert_true(str_ends(str_trim(caret), S("^")));
	/* The caret's column, with the three bytes of the ellipsis as one. */
	assert_memory_equal(shown.p + str_find(caret, '^') + 2, "4000,", 5);
}

static void places_are_found_by_line_or_by_number(void **state)
{
	struct str text = S("a\xC3\xABi\nxy\n");
	int line, column;

	(void)state;
	assert_int_equal(caret_find(text, 1, 3), 3);
	assert_int_equal(caret_find(text, 2, 2), 6);
	assert_int_equal(caret_find(text, 9, 1), SIZE_MAX);
	assert_int_equal(caret_find(text, 0, 1), SIZE_MAX);
	assert_int_equal(caret_nth(text, 3), 3);
	assert_int_equal(caret_nth(text, 6), 6);
	assert_int_equal(caret_nth(text, 100), text.n);
	caret_line_of(text, 6, &line, &column);
	assert_int_equal(line, 2);
	assert_int_equal(column, 2);
}

/* --- exit codes --- */

static void exit_codes_tell_head_from_tail_and_both_from_the_engine(void **state)
{
	static const struct {
		const char *job;
		int code;
	} rows[] = {
		{"{\"status\":\"completed\"}", CLI_OK},
		{"{\"status\":\"canceled\"}", JOB_STOPPED},
		{"{\"status\":\"failed\",\"stage\":\"head_execution\",\"error\":{\"code\":\"sql_error\"}}", JOB_HEAD_FAILED},
		{"{\"status\":\"failed\",\"stage\":\"tail_replay\",\"error\":{\"code\":\"sql_error\"}}", JOB_TAIL_FAILED},
		{"{\"status\":\"failed\",\"stage\":\"parsing\",\"error\":{\"code\":\"syntax_error\"}}", JOB_TAIL_FAILED},
		{"{\"status\":\"failed\",\"stage\":\"publishing\",\"error\":{\"code\":\"sql_error\",\"stage\":\"head_execution\"}}",
		 JOB_HEAD_FAILED},
		{"{\"status\":\"failed\",\"stage\":\"head_execution\",\"error\":{\"code\":\"timeout\"}}", JOB_STOPPED},
		{"{\"status\":\"failed\",\"stage\":\"instance_boot\",\"error\":{\"code\":\"engine_unreachable\"}}", JOB_NO_ENGINE},
		{"{\"status\":\"failed\",\"stage\":\"head_execution\",\"error\":{\"code\":\"engine_lost\"}}", JOB_NO_ENGINE},
		{"{\"status\":\"failed\"}", JOB_TAIL_FAILED},
	};
	struct bench *b = *state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const json_node *job;

		assert_true(json_read_object(&b->c, str_of(rows[i].job), &job));
		assert_int_equal(job_exit_code(job), rows[i].code);
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, open_bench, close_bench)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_project_is_its_files_bytewise),
		T(what_is_hidden_or_linked_is_no_part_of_it),
		T(long_and_binary_files_go_by_their_etag),
		T(a_file_that_is_too_large_is_left_out),
		T(a_folder_without_end_or_without_being_there_is_refused),
		T(changes_are_seen_and_an_interrupt_ends_waiting),
		T(a_caret_stands_under_its_character),
		T(tabs_and_wide_characters_take_their_columns),
		T(a_long_line_is_shown_around_its_place),
		T(places_are_found_by_line_or_by_number),
		T(exit_codes_tell_head_from_tail_and_both_from_the_engine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
