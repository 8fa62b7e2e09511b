/* cli_test.c - command lines and tables; what the verbs do is tested over HTTP. */
#include "cli/cli_int.h"

#include "test.h"

struct bench {
	struct arena arena;
	struct call c;
	struct str file, url;
	bool flag;
	struct cli_option options[4];
	struct cli_rest rest;
};

static int open_bench(void **state)
{
	struct bench *b = base_zalloc(sizeof(*b));

	call_open(&b->c, &b->arena);
	b->options[0] = (struct cli_option){"file", 'f', &b->file, NULL};
	b->options[1] = (struct cli_option){"url", 0, &b->url, NULL};
	b->options[2] = (struct cli_option){"flag", 0, NULL, &b->flag};
	*state = b;
	return 0;
}

static int close_bench(void **state)
{
	struct bench *b = *state;

	arena_close(&b->arena);
	free(b);
	return 0;
}

/* `line` is split at spaces. */
static bool read_line(struct bench *b, const char *line)
{
	struct str rest = str_of(line);
	char *argv[16];
	int argc = 0;

	while (rest.p)
		argv[argc++] = arena_cstr(&b->arena, str_cut(&rest, ' '));
	return cli_options(&b->c, b->options, argc, argv, &b->rest);
}

static void options_stand_anywhere_and_in_every_form(void **state)
{
	struct bench *b = *state;

	assert_true(read_line(b, "one -f a.sql two --url=http://x --flag -"));
	assert_str_equal(b->file, "a.sql");
	assert_str_equal(b->url, "http://x");
	assert_true(b->flag);
	assert_int_equal(b->rest.n, 3);
	assert_str_equal(b->rest.v[1], "two");
	assert_str_equal(b->rest.v[2], "-");
	assert_true(read_line(b, "-fb.sql -- --flag"));
	assert_str_equal(b->file, "b.sql");
	assert_str_equal(b->rest.v[0], "--flag");
}

static void mistakes_in_a_command_line_are_named(void **state)
{
	static const char *const lines[][2] = {{"--bogus", "no option --bogus"}, {"-x", "no option -x"},
	                                       {"--url", "--url wants a value"}, {"--flag=1", "--flag takes no value"},
	                                       {"a b c d e", "too many"},        {"--f", "no option --f"}};
	struct bench *b = *state;

	for (size_t i = 0; i < COUNT_OF(lines); i++) {
		assert_false(read_line(b, lines[i][0]));
		assert_non_null(strstr(b->c.err.text, lines[i][1]));
		call_forgive(&b->c);
	}
}

static void numbers_of_options_have_a_range(void **state)
{
	struct bench *b = *state;
	int64_t n = 5;

	assert_true(cli_number(&b->c, "timeout", S(""), 9, &n));
	assert_int_equal(n, 5);
	assert_true(cli_number(&b->c, "timeout", S("9"), 9, &n));
	assert_int_equal(n, 9);
	assert_false(cli_number(&b->c, "timeout", S("10"), 9, &n));
	call_forgive(&b->c);
	assert_false(cli_number(&b->c, "timeout", S("0"), 9, &n));
	call_forgive(&b->c);
	assert_false(cli_number(&b->c, "timeout", S("1s"), 9, &n));
}

static void printed(const struct table *t, const char *expected)
{
	char text[1024] = {0};
	FILE *f = fmemopen(text, sizeof(text), "w");

	table_print(t, f);
	fclose(f);
	assert_string_equal(text, expected);
}

static void a_table_is_aligned_by_what_a_terminal_shows(void **state)
{
	struct table t;

	(void)state;
	table_open(&t, 2);
	t.right[0] = true;
	table_add(&t, S("n"));
	table_add(&t, S("name"));
	table_add(&t, S("1000"));
	table_add(&t, S("Zo\xC3\xAB"));
	table_add(&t, S("7"));
	table_add(&t, S("\xE6\xBC\xA2\xE5\xAD\x97"));
	printed(&t, "   n | name\n"
	            "-----+-----\n"
	            "1000 | Zo\xC3\xAB\n"
	            "   7 | \xE6\xBC\xA2\xE5\xAD\x97\n");
	table_drop(&t);
	table_open(&t, 2);
	table_add(&t, S("\xE6\xBC\xA2\xE5\xAD\x97"));
	table_add(&t, S("x"));
	table_add(&t, S("a"));
	table_add(&t, S("y"));
	printed(&t, "\xE6\xBC\xA2\xE5\xAD\x97 | x\n-----+--\na    | y\n");
	table_drop(&t);
}

static void a_cell_cannot_drive_the_terminal(void **state)
{
	struct table t;

	(void)state;
	table_open(&t, 1);
	table_add(&t, S("x\x1B[2J\n\xC2\x9B\xE2\x80\xAE\xFF"));
	table_add(&t, S("\x1B[2J\n\xC2\x9B\xE2\x80\xAE"));
	printed(&t, "(not UTF-8)\n"
	            "-------------------\n"
	            "\\x1b[2J\\n\\x9b\\u202e\n");
	table_drop(&t);
}

static void a_table_without_columns_is_nothing(void **state)
{
	struct table t;

	(void)state;
	table_open(&t, 0);
	printed(&t, "");
	table_drop(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, open_bench, close_bench)
	        T(options_stand_anywhere_and_in_every_form),
	        T(mistakes_in_a_command_line_are_named),
	        T(numbers_of_options_have_a_range),
	        T(a_table_is_aligned_by_what_a_terminal_shows),
	        T(a_cell_cannot_drive_the_terminal),
	        T(a_table_without_columns_is_nothing),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
