/* cli_test.c - command lines and tables; what the verbs do is tested over HTTP. */
#include "cli/cli_int.h"

#include "lifecycle/lifecycle.h"

#include "folder.h"

#include <fcntl.h>

struct bench {
	struct arena arena;
	struct call c;
	struct str file, url;
	bool flag;
	struct cli_list labels;
	struct cli_option options[5];
	struct cli_list rest;
};

static int open_bench(void **state)
{
	struct bench *b = base_zalloc(sizeof(*b));

	call_open(&b->c, &b->arena);
	b->options[0] = (struct cli_option){"file", 'f', &b->file, NULL, NULL};
	b->options[1] = (struct cli_option){"url", 0, &b->url, NULL, NULL};
	b->options[2] = (struct cli_option){"flag", 0, NULL, &b->flag, NULL};
	b->options[3] = (struct cli_option){"label", 'l', NULL, NULL, &b->labels};
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
	                                       {"--label", "--label wants a value"}, {"--f", "no option --f"}};
	struct bench *b = *state;

	for (size_t i = 0; i < COUNT_OF(lines); i++) {
		assert_false(read_line(b, lines[i][0]));
		assert_non_null(strstr(b->c.err.text, lines[i][1]));
		call_forgive(&b->c);
	}
}

static void an_option_may_be_a_list(void **state)
{
	struct bench *b = *state;

	assert_true(read_line(b, "--label a=1 x -lb=2 --label=c"));
	assert_int_equal(b->labels.n, 3);
	assert_str_equal(b->labels.v[0], "a=1");
	assert_str_equal(b->labels.v[1], "b=2");
	assert_str_equal(b->labels.v[2], "c");
	while (b->labels.n < CLI_LIST_MAX)
		b->labels.v[b->labels.n++] = S("more");
	assert_false(read_line(b, "--label d"));
	assert_non_null(strstr(b->c.err.text, "too many"));
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

/* --- sessions --- */

static bool read_session(struct bench *b, const char *line, struct session_ask *a)
{
	struct str rest = str_of(line);
	char **argv = ARENA_ARRAY(&b->arena, char *, 32);
	int argc = 0;

	call_forgive(&b->c);
	*a = (struct session_ask){0};
	while (rest.p)
		argv[argc++] = arena_cstr(&b->arena, str_cut(&rest, '|'));
	return session_read(&b->c, argc, argv, a);
}

static void a_session_is_asked_for_as_the_options_say(void **state)
{
	struct bench *b = *state;
	struct session_ask a;

	assert_true(read_session(b, "open", &a));
	assert_str_equal(a.body, "{}");
	assert_true(read_session(b, "open|--storage|persistent|--timeout=60|--idle|5|--label|a=b=c|--label|d=", &a));
	assert_str_equal(a.body, "{\"storage\":\"persistent\",\"timeout_seconds\":60,\"idle_timeout_seconds\":5,"
	                         "\"labels\":{\"a\":\"b=c\",\"d\":\"\"}}");
	assert_false(read_session(b, "open|--timeout|soon", &a));
	assert_false(read_session(b, "open|--label|a", &a));
	assert_non_null(strstr(b->c.err.text, "KEY=VALUE"));
	assert_false(read_session(b, "open|--label|=b", &a));
}

static void a_table_is_asked_for_as_its_columns_say(void **state)
{
	struct bench *b = *state;
	struct session_ask a;
	struct str body;

	assert_true(read_session(b, "table|id|t|n:INTEGER NOT NULL|d:DECIMAL(10,2)|--key|n, d|s:STRUCT(a INT)", &a));
	assert_true(session_table_body(&b->c, &a, &body));
	assert_str_equal(body, "{\"name\":\"t\",\"columns\":[{\"name\":\"n\",\"type\":\"INTEGER\",\"nullable\":false},"
	                       "{\"name\":\"d\",\"type\":\"DECIMAL(10,2)\"},{\"name\":\"s\",\"type\":\"STRUCT(a INT)\"}],"
	                       "\"primary_key\":[\"n\",\"d\"]}");
	for (const char *const *wrong = (const char *const[]){"n", ":INT", "n:", "n: not null", NULL}; *wrong; wrong++) {
		assert_true(read_session(b, arena_fmt(&b->arena, "table|id|t|%s", *wrong).p, &a));
		assert_false(session_table_body(&b->c, &a, &body));
		assert_non_null(strstr(b->c.err.text, "NAME:TYPE"));
	}
}

static void what_runs_in_a_session_stands_behind_two_dashes(void **state)
{
	struct bench *b = *state;
	struct session_ask a;

	assert_true(read_session(b, "run|--timeout|9|--|sh|--|-c|--url", &a));
	assert_string_equal(a.command[0], "sh");
	assert_string_equal(a.command[3], "--url");
	assert_str_equal(a.body, "{\"timeout_seconds\":9}");
	assert_int_equal(a.rest.n, 0);
	assert_true(read_session(b, "run|--", &a));
	assert_null(a.command[0]);
	assert_true(read_session(b, "run|sh", &a));
	assert_null(a.command);
	assert_true(read_session(b, "query|id|--|--1", &a)); /* of run only */
	assert_null(a.command);
	assert_str_equal(a.rest.v[1], "--1");
}

static void rows_have_the_form_that_their_ending_tells(void **state)
{
	(void)state;
	assert_string_equal(cli_rows_type(S(""), S("a/b.csv")), "text/csv");
	assert_string_equal(cli_rows_type(S(""), S("x.jsonl")), "application/x-ndjson");
	assert_string_equal(cli_rows_type(S("parquet"), S("x.csv")), "application/vnd.apache.parquet");
	assert_null(cli_rows_type(S(""), S("-")));
	assert_null(cli_rows_type(S("xml"), S("x.csv")));
}

static void what_stands_in_a_path_is_escaped(void **state)
{
	struct bench *b = *state;

	assert_str_equal(remote_escape(&b->arena, S("a-B_9.~")), "a-B_9.~");
	assert_str_equal(remote_escape(&b->arena, S("a/b?c=d%\xC3\xA9 ")), "a%2Fb%3Fc%3Dd%25%C3%A9%20");
}

/* --- server-sent events --- */

struct heard {
	char text[512];
	int most;
};

static bool hear(void *arg, const struct sse *s)
{
	struct heard *h = arg;
	size_t n = strlen(h->text);

	snprintf(h->text + n, sizeof(h->text) - n, "[%.*s|%.*s|%.*s]", SARG(buf_str(&s->id)), SARG(buf_str(&s->event)),
	         SARG(buf_str(&s->data)));
	return --h->most > 0;
}

static void events_are_heard_however_they_are_cut(void **state)
{
	static const char stream[] = ":\n\ndata: one\nid: 1\n\r\nevent: gap\r\ndata:two\r\ndata:  three\r\n\r\nid: 2\r\rdata\r\r"
	                             "other: x\nretry: 5\n\ndata: cut";

	(void)state;
	for (size_t step = 1; step <= sizeof(stream); step++) {
		struct heard h = {.most = 100};
		struct sse s = {.fn = hear, .arg = &h};

		for (struct str rest = S(stream); rest.n; rest = str_tail(rest, step))
			assert_true(sse_feed(&s, str_head(rest, step)));
		assert_string_equal(h.text, "[1||one][1|gap|two\n three][2||]");
		sse_again(&s);
		assert_true(sse_feed(&s, S("data: new\n\n")));
		assert_string_equal(h.text, "[1||one][1|gap|two\n three][2||][2||new]");
		sse_drop(&s);
	}
}

static void an_id_counts_when_its_event_is_whole(void **state)
{
	struct heard h = {.most = 2};
	struct sse s = {.fn = hear, .arg = &h};

	(void)state;
	assert_true(sse_feed(&s, S("id: 1\ndata: a\n\nid: 2\ndata: b\n")));
	assert_str_equal(buf_str(&s.id), "1");
	sse_again(&s);
	assert_false(sse_feed(&s, S("data: c\n\ndata: d\n\n"))); /* two were wanted */
	assert_string_equal(h.text, "[1||a][1||c]");
	sse_drop(&s);
}

/* --- verifying --- */

static int run_cli(const char *verb, const char *action, const char *option, const char *value)
{
	char *argv[] = {(char *)"mayfly", (char *)(uintptr_t)verb, (char *)(uintptr_t)action, (char *)(uintptr_t)option,
	                (char *)(uintptr_t)value, NULL};

	return cli_main(5, argv);
}

static void write_log(struct bench *b, const char *dir)
{
	struct server_identity self;
	struct events *e;
	struct store *s;

	assert_true(server_identity(&b->c, str_of(dir), true, &self));
	s = store_folder_open(&b->c, arena_fmt(&b->arena, "%s/" CLI_STORE_FOLDER, dir));
	e = events_open(&b->c, &(struct events_options){.store = s, .server = self.id, .key = self.key, .topic_prefix = S("mayfly"),
	                                                .sync = EVENT_SYNC_ALWAYS, .segment_bytes = 1 << 20});
	assert_non_null(e);
	for (int i = 0; i < 20; i++)
		assert_true(event_append(&b->c, e, EVENT_SESSION_LIFECYCLE, S("acme"), S("{\"event\":\"opened\"}")));
	events_close(e);
	s->ops->close(s);
}

static char victim[512]; /* a file with events */

static int find_victim(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	(void)where;
	if (kind == FTW_F && st->st_size > 2000)
		snprintf(victim, sizeof(victim), "%s", path);
	return 0;
}

static void tamper(const char *dir)
{
	char byte = 0;
	int fd;

	assert_int_equal(nftw(dir, find_victim, 32, FTW_PHYS), 0);
	fd = open(victim, O_RDWR);
	assert_int_equal(pread(fd, &byte, 1, 1500), 1);
	byte ^= 1;
	assert_int_equal(pwrite(fd, &byte, 1, 1500), 1);
	close(fd);
}

static void a_log_that_was_changed_is_found_out(void **state)
{
	struct bench *b = *state;
	char dir[FOLDER_PATH_MAX];

	folder_make(dir);
	assert_int_equal(run_cli("events", "verify", "--data", dir), 2); /* no server was there */
	assert_int_not_equal(access(arena_fmt(&b->arena, "%s/server.json", dir).p, F_OK), 0); /* and none is made */
	write_log(b, dir);
	assert_int_equal(run_cli("events", "verify", "--data", dir), 0);
	tamper(dir);
	assert_int_equal(run_cli("events", "verify", "--data", dir), 1);
	folder_remove(dir);
	assert_int_equal(run_cli("events", "verify", "--data", dir), 2);
	assert_int_equal(run_cli("events", "prove", "--data", dir), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, open_bench, close_bench)
	        T(options_stand_anywhere_and_in_every_form),
	        T(mistakes_in_a_command_line_are_named),
	        T(an_option_may_be_a_list),
	        T(numbers_of_options_have_a_range),
	        T(a_session_is_asked_for_as_the_options_say),
	        T(a_table_is_asked_for_as_its_columns_say),
	        T(what_runs_in_a_session_stands_behind_two_dashes),
	        T(rows_have_the_form_that_their_ending_tells),
	        T(what_stands_in_a_path_is_escaped),
	        T(events_are_heard_however_they_are_cut),
	        T(an_id_counts_when_its_event_is_whole),
	        T(a_log_that_was_changed_is_found_out),
	        T(a_table_is_aligned_by_what_a_terminal_shows),
	        T(a_cell_cannot_drive_the_terminal),
	        T(a_table_without_columns_is_nothing),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
