/* script_test.c - psql scripts: where statements end, variables, meta-commands, rows of COPY, and what a statement is. */
#include "sql/sql.h"

#include "test.h"

#include <stdio.h>
#include <time.h>

struct script {
	struct arena arena;
	struct call c;
	struct script_piece *v;
	int n;
};

static bool cut(struct script *s, const char *text)
{
	arena_open(&s->arena);
	call_open(&s->c, &s->arena);
	return script_split(&s->c, str_of(text), &s->v, &s->n);
}

static void done(struct script *s)
{
	arena_close(&s->arena);
}

#define BROKEN(...) \
	do { \
		print_error(__VA_ARGS__); \
		print_error("\n"); \
		_fail(__FILE__, __LINE__); \
	} while (0)

static const char *const kinds[] = {"", "i", "ir", "set", "unset", "echo", "copy", "if", "elif", "else", "endif"};

/* Every piece in angle brackets; meta-commands with their names, rows behind a `|`, variables of \gset behind `>`. */
static const char *pieces(struct script *s)
{
	struct buf out = {0};
	const char *text;

	for (int i = 0; i < s->n; i++) {
		const struct script_piece *p = &s->v[i];

		buf_fmt(&out, "<%s%s%.*s", p->kind ? "\\" : "", kinds[p->kind], SARG(p->text));
		if (p->gset)
			buf_fmt(&out, ">%.*s", SARG(p->prefix));
		if (p->copy_in)
			buf_fmt(&out, "|%.*s", SARG(p->data));
		buf_lit(&out, ">");
	}
	text = arena_cstr(&s->arena, buf_str(&out));
	buf_drop(&out);
	return text;
}

struct pair {
	const char *in, *out;
};

static void expect_pieces(const struct pair *v, size_t n)
{
	struct script s;

	for (size_t i = 0; i < n; i++) {
		if (!cut(&s, v[i].in))
			BROKEN("%s: %s", v[i].in, s.c.err.text);
		if (strcmp(pieces(&s), v[i].out))
			BROKEN("%s: %s, not %s", v[i].in, pieces(&s), v[i].out);
		done(&s);
	}
}

static void statements_end_where_psql_ends_them(void **state)
{
	static const struct pair cases[] = {
		{"", ""},
		{" \n\t -- nothing\n/* at all */ ;;", ""},
		{"select 1", "<select 1>"},
		{"select 1;select 2;", "<select 1><select 2>"},
		{"-- c\nselect 1 -- ;\n, 2 ;", "<select 1 -- ;\n, 2>"},
		{"select 1 -- behind\n;", "<select 1>"},
		{"select 1 -- a\r;", "<select 1>"},
		{"/* a /* b; */ c; */ select 1; /**/", "<select 1>"},
		{"select /*/ ; */ 1;", "<select /*/ ; */ 1>"},
		{"select 1 /* ; **/; select 2", "<select 1><select 2>"},
		{"select 3*/*;*/4; select 1--;\n+2", "<select 3*/*;*/4><select 1--;\n+2>"},
		{"select 'a;b'; select 'it''s;' ;", "<select 'a;b'><select 'it''s;'>"},
		{"select 'a\\'; select 2;", "<select 'a\\'><select 2>"},
		{"select E'a\\';b'; select e'\\\\'; x", "<select E'a\\';b'><select e'\\\\'><x>"},
		{"select E'a'\n'b\\';c'; x", "<select E'a'\n'b\\';c'><x>"},
		{"select E'a' -- c\n -- d\n 'b\\';c'; x", "<select E'a' -- c\n -- d\n 'b\\';c'><x>"},
		{"select E'a' 'b\\'; x", "<select E'a' 'b\\'><x>"},
		{"select ee'\\'; x", "<select ee'\\'><x>"},
		{"select 1e'\\';'; x", "<select 1e'\\';'><x>"},
		{"select 1e5'\\'; x", "<select 1e5'\\'><x>"},
		{"select U&'\\';x", "<select U&'\\'><x>"},
		{"select U&\"a;\\\"; x", "<select U&\"a;\\\"><x>"},
		{"select B'1;0', X'1;f', N'a;', n'\\'; x", "<select B'1;0', X'1;f', N'a;', n'\\'><x>"},
		{"select \"a;b\", \"c\"\"d;\"; x", "<select \"a;b\", \"c\"\"d;\"><x>"},
		{"select $$a;'$$; x", "<select $$a;'$$><x>"},
		{"select $t$a;$$;$x$;$t$; x", "<select $t$a;$$;$x$;$t$><x>"},
		{"select $\xC3\xA9$;$\xC3\xA9$; x", "<select $\xC3\xA9$;$\xC3\xA9$><x>"},
		{"select a$$b; x$$;", "<select a$$b><x$$>"},
		{"select $1$$;$$; x", "<select $1$$;$$><x>"},
		{"select $1, $a; x", "<select $1, $a><x>"},
		{"select (1; 2); x", "<select (1; 2)><x>"},
		{"create rule r as on insert to t do (insert into a values (1); delete from b;); x",
		 "<create rule r as on insert to t do (insert into a values (1); delete from b;)><x>"},
		{"select 1); x", "<select 1)><x>"},
		{"begin; select 1; end; commit", "<begin><select 1><end><commit>"},
		{"select case when true then 1 end; x", "<select case when true then 1 end><x>"},
		{"create function f() returns int begin atomic select 1; select 2; end; x",
		 "<create function f() returns int begin atomic select 1; select 2; end><x>"},
		{"CREATE OR REPLACE PROCEDURE f() BEGIN ATOMIC select case when a then b end; select case a when 1 then (case 1 when 2 then 3 end) end; END; x",
		 "<CREATE OR REPLACE PROCEDURE f() BEGIN ATOMIC select case when a then b end; select case a when 1 then (case 1 when 2 then 3 end) "
		 "end; END><x>"},
		{"create /* or */ function \"begin\"() as $$begin; end$$; x", "<create /* or */ function \"begin\"() as $$begin; end$$><x>"},
		{"create table begin_end (a int); create view function as select 1; begin; x",
		 "<create table begin_end (a int)><create view function as select 1><begin><x>"},
		{"select 1\\; select 2; x", "<select 1\\; select 2><x>"},
		{"select '\\;'; x", "<select '\\;'><x>"},
		{"\xEF\xBB\xBFselect 1;", "<select 1>"},
		{"select a::int, b:=c, d[1:2]; x", "<select a::int, b:=c, d[1:2]><x>"},
		{"do $body$ begin; end; $body$ language plpgsql; x", "<do $body$ begin; end; $body$ language plpgsql><x>"},
	};

	(void)state;
	expect_pieces(cases, COUNT_OF(cases));
}

static void meta_commands_are_pieces_of_their_own(void **state)
{
	static const struct pair cases[] = {
		{"\\i a.sql\n\\ir  ../b.sql \n\\include c\n\\include_relative d", "<\\ia.sql><\\ir../b.sql><\\ic><\\ird>"},
		{"\\set x 1\\set y 2\n", "<\\setx 1><\\sety 2>"},
		{"\\set x 1 \\\\ select 1; \\echo b \\\\ select 2", "<\\setx 1><select 1><\\echob><select 2>"},
		{"\\set x 'a \\'b\\\\ c' \"d\\ e\"\nselect 1;", "<\\setx 'a \\'b\\\\ c' \"d\\ e\"><select 1>"},
		{"\\set x 'it''s'\r\n\\unset x\r\n", "<\\setx 'it''s'><\\unsetx>"},
		{"\\echo\nselect 1;", "<\\echo><select 1>"},
		{"\\if true\nselect 1;\n\\elif 0\n\\else\n\\endif\n", "<\\iftrue><select 1><\\elif0><\\else><\\endif>"},
		{"\\if 1\n\\if 0\n\\else\n\\endif\n\\else\n\\endif", "<\\if1><\\if0><\\else><\\endif><\\else><\\endif>"},
		{"select 1 as a \\gset\nselect 2 as b \\gset p_ \nselect 3;", "<select 1 as a>><select 2 as b>p_><select 3>"},
		{"select 1 as a \\gset \\\\ select 2;", "<select 1 as a>><select 2>"},
		{"select 1; \\set x 2\n", "<select 1><\\setx 2>"},
	};

	(void)state;
	expect_pieces(cases, COUNT_OF(cases));
}

static void rows_of_copy_belong_to_it(void **state)
{
	static const struct pair cases[] = {
		{"copy t from stdin;\n1\t;\n'2\n\\.\nselect 1;", "<copy t from stdin|1\t;\n'2\n><select 1>"},
		{"COPY t (a, b) FROM STDIN WITH (FORMAT csv); -- rows\n1,2\n\\.\n", "<COPY t (a, b) FROM STDIN WITH (FORMAT csv)|1,2\n>"},
		{"copy t from stdin;\r\n1\r\n\\.\r\nselect 1;\r\n", "<copy t from stdin|1\r\n><select 1>"},
		{"copy t from stdin;\n\\.\n", "<copy t from stdin|>"},
		{"copy t from stdin;\n\\.", "<copy t from stdin|>"},
		{"copy s.\"from\" /* c */ from /* d */ stdin with csv\n;\n\\.x\n\\.\n", "<copy s.\"from\" /* c */ from /* d */ stdin with csv|\\.x\n>"},
		{"copy (select 1 from stdin) to stdout; x", "<copy (select 1 from stdin) to stdout><x>"},
		{"copy t to stdout; select a from stdin; copy t from 'stdin'; x", "<copy t to stdout><select a from stdin><copy t from 'stdin'><x>"},
		{"\\copy t from stdin\n1\n\\.\nselect 1;", "<\\copyt from stdin|1\n><select 1>"},
		{"\\copy t from 'a \\\\ b;c.csv' csv;\nselect 1;", "<\\copyt from 'a \\\\ b;c.csv' csv;><select 1>"},
	};

	(void)state;
	expect_pieces(cases, COUNT_OF(cases));
}

struct bad {
	const char *text;
	enum err_kind kind;
	int position;
	const char *words;
};

static void expect_errors(const struct bad *v, size_t n)
{
	struct script s;

	for (size_t i = 0; i < n; i++) {
		if (cut(&s, v[i].text))
			BROKEN("%s was taken", v[i].text);
		if (s.c.err.kind != v[i].kind || s.c.err.position != v[i].position || !strstr(s.c.err.text, v[i].words))
			BROKEN("%s: %d at %d: %s", v[i].text, s.c.err.kind, s.c.err.position, s.c.err.text);
		done(&s);
	}
}

static void what_is_unfinished_has_a_place(void **state)
{
	static const struct bad cases[] = {
		{"select 1; select 'a", ERR_SCRIPT, 18, "quoted string"},
		{"select E'a\\'", ERR_SCRIPT, 8, "quoted string"},
		{"select E'a'\n'b\\'", ERR_SCRIPT, 8, "quoted string"},
		{"select \"a", ERR_SCRIPT, 8, "quoted name"},
		{"select $a$ $b$", ERR_SCRIPT, 8, "dollar-quoted"},
		{"select /* /* */", ERR_SCRIPT, 8, "comment"},
		{"/*", ERR_SCRIPT, 1, "comment"},
		{"select (1, (2);", ERR_SCRIPT, 8, "parenthesis"},
		{"create function f() begin atomic select 1;", ERR_SCRIPT, 21, "no END"},
		{"copy t from stdin;\n1\n", ERR_SCRIPT, 1, "\\."},
		{"copy t from stdin", ERR_SCRIPT, 1, "\\."},
		{"copy t from stdin; select 1;\n\\.\n", ERR_SCRIPT, 20, "next line"},
		{"select 1;\n\\copy t from stdin\n1\n", ERR_SCRIPT, 17, "\\."},
		{"\\if true\nselect 1;", ERR_SCRIPT, 1, "no \\endif"},
		{"\\else", ERR_SCRIPT, 1, "no \\if"},
		{"\\endif", ERR_SCRIPT, 1, "no \\if"},
		{"\\if 1\n\\else\n\\elif 0\n\\endif", ERR_SCRIPT, 13, "after \\else"},
		{"\\if 1\n\\else\n\\else\n\\endif", ERR_SCRIPT, 13, "after \\else"},
		{"\\set x 'a\n'", ERR_SCRIPT, 8, "quoted argument"},
		{"\\set x \"a\n", ERR_SCRIPT, 8, "quoted argument"},
		{"select 1\n\\set x 1\n;", ERR_SCRIPT, 10, "inside of a statement"},
		{"select \\ 1;", ERR_SCRIPT, 8, "no meta-command"},
		{"\\gset", ERR_SCRIPT, 1, "needs a statement"},
		{"select 1; \\gset", ERR_SCRIPT, 11, "needs a statement"},
		{"select (1 \\gset", ERR_SCRIPT, 11, "inside of the statement"},
		{"select 1 \\gset a-b", ERR_SCRIPT, 10, "prefix"},
		{"select 1 \\gset :x", ERR_SCRIPT, 10, "prefix"},
		{"select '\xC3\xA9', '\xC3", ERR_SCRIPT, 15, "UTF-8"},
		{"select \xED\xA0\x80", ERR_SCRIPT, 8, "UTF-8"},
		{"\\copy t", ERR_SCRIPT, 7, "FROM"},
		{"\\copy t from", ERR_SCRIPT, 7, "file"},
	};
	struct script s;

	(void)state;
	expect_errors(cases, COUNT_OF(cases));
	arena_open(&s.arena);
	call_open(&s.c, &s.arena);
	assert_false(script_split(&s.c, S("select\0 1"), &s.v, &s.n));
	assert_int_equal(s.c.err.position, 7);
	assert_string_equal(s.c.err.sqlstate, "42601");
	done(&s);
}

static void other_meta_commands_are_refused_by_name(void **state)
{
	static const struct bad cases[] = {
		{"\\! rm -rf /", ERR_META_COMMAND, 1, "\\! "},
		{"select 1;\n \\connect x", ERR_META_COMMAND, 12, "\\connect "},
		{"\\c x", ERR_META_COMMAND, 1, "\\c "},
		{"\\o out", ERR_META_COMMAND, 1, "\\o "},
		{"select 1 \\g", ERR_META_COMMAND, 10, "\\g "},
		{"select 1 \\gx", ERR_META_COMMAND, 10, "\\gx "},
		{"select 1 \\gexec", ERR_META_COMMAND, 10, "\\gexec "},
		{"\\w f", ERR_META_COMMAND, 1, "\\w "},
		{"\\d t", ERR_META_COMMAND, 1, "\\d "},
		{"\\cd /", ERR_META_COMMAND, 1, "\\cd "},
		{"\\setenv A b", ERR_META_COMMAND, 1, "\\setenv "},
		{"\\timing", ERR_META_COMMAND, 1, "\\timing "},
		{"\\q", ERR_META_COMMAND, 1, "\\q "},
		{"\\I x", ERR_META_COMMAND, 1, "\\I "},
		{"\\.", ERR_META_COMMAND, 1, "\\. "},
		{"\\if false\n\\! x\n\\endif", ERR_META_COMMAND, 11, "\\! "},
		{"\\set x `date`", ERR_META_COMMAND, 8, "backticks"},
		{"\\copy t to 'f'", ERR_META_COMMAND, 7, "writes none"},
		{"\\copy (select 1) to stdout", ERR_META_COMMAND, 7, "writes none"},
		{"\\copy t from program 'x'", ERR_META_COMMAND, 7, "no program"},
		{"\\copy t from pstdin", ERR_META_COMMAND, 7, "no program"},
	};
	struct script s;

	(void)state;
	expect_errors(cases, COUNT_OF(cases));
	assert_false(cut(&s, "\\! x"));
	assert_string_equal(s.c.err.sqlstate, "0A000");
	done(&s);
}

static void pieces_know_their_place(void **state)
{
	struct script s;
	int line, column;

	(void)state;
	assert_true(cut(&s, "\xEF\xBB\xBFselect 1;\n  /* \xC3\xA9 */ select '\xC3\xA9'; select 2;\n\n\t\\set  x 1\n\\copy t from stdin\na\n\\.\n x"));
	assert_int_equal(s.n, 6);
	assert_int_equal(s.v[0].at, 3);
	assert_int_equal(s.v[0].line, 1);
	assert_int_equal(s.v[0].column, 1);
	assert_int_equal(s.v[1].line, 2);
	assert_int_equal(s.v[1].column, 11);
	assert_int_equal(s.v[2].line, 2);
	assert_int_equal(s.v[2].column, 23);
	assert_int_equal(s.v[3].line, 4);
	assert_int_equal(s.v[3].column, 2);
	assert_str_equal(s.v[3].text, "x 1");
	assert_int_equal(s.v[5].line, 8);
	assert_int_equal(s.v[5].column, 2);
	script_place(S("\xEF\xBB\xBF" "a\xC3\xA9" "b"), 6, &line, &column);
	assert_int_equal(line, 1);
	assert_int_equal(column, 3);
	done(&s);
}

/* --- variables --- */

static bool value_of(void *arg, struct str name, struct str *ret)
{
	const struct pair *v = arg;

	for (; v->in; v++)
		if (str_eq(name, str_of(v->in))) {
			*ret = str_of(v->out);
			return true;
		}
	return false;
}

static struct pair known[] = {
	{"x", "17"}, {"name", "a \"b\""}, {"text", "it's"}, {"slash", "a\\b'"}, {"empty", ""}, {"\xC3\xA9", "acute"}, {"7", "seven"}, {NULL, NULL},
};

static void expect_text(const struct pair *v, size_t n)
{
	struct script_text t;
	struct script s;

	for (size_t i = 0; i < n; i++) {
		if (!cut(&s, v[i].in) || s.n != 1 || !script_expand(&s.c, &s.v[0], value_of, known, &t))
			BROKEN("%s: %s", v[i].in, s.c.err.text);
		if (strcmp(arena_cstr(&s.arena, t.text), v[i].out))
			BROKEN("%s: %.*s", v[i].in, SARG(t.text));
		done(&s);
	}
}

static void variables_are_replaced_where_psql_replaces_them(void **state)
{
	static const struct pair cases[] = {
		{"select :x", "select 17"},
		{"select :x:x, a.:x", "select 1717, a.17"},
		{"select :'text', :\"name\", :'slash', :'empty'", "select 'it''s', \"a \"\"b\"\"\",  E'a\\\\b''', ''"},
		{"select :{?x}, :{?nothing}, :{?nothing", "select TRUE, FALSE, :{?nothing"},
		{"select ':x', \":x\", $$:x$$, $t$:'x'$t$, E':x' -- :x\n/* :x */, 1", "select ':x', \":x\", $$:x$$, $t$:'x'$t$, E':x' -- :x\n/* :x */, 1"},
		{"select a::x, b:=x, c:::x", "select a::x, b:=x, c::17"},
		{"select a[1:2], a[:x], a[x:y], a[1:x], a[:y]", "select a[1:2], a[17], a[x:y], a[117], a[:y]"},
		{"select (f(a))[1:y], \"q\"[b:y], a[1][2:y]", "select (f(a))[1:y], \"q\"[b:y], a[1][2:y]"},
		{"select :\xC3\xA9, : x, :7", "select acute, : x, seven"},
		{"select :'x, ' || :\"x, \"", "select :'x, ' || :\"x, \""},
		{"select 1\\; select '\\;' \\:x", "select 1; select '\\;' :x"},
		{"select \\; :x \\; :x", "select ; 17 ; 17"},
		{"create function f() begin atomic select :x; end", "create function f() begin atomic select 17; end"},
		{":x", "17"},
		{"select 1", "select 1"},
	};
	static const struct bad missing[] = {
		{"select :y", ERR_MISSING_VARIABLE, 8, "variable y"},
		{"-- c\nselect :'y'", ERR_MISSING_VARIABLE, 13, "variable y"},
		{"select \"a\", :\"y\"", ERR_MISSING_VARIABLE, 13, "variable y"},
		{"select array[:y]", ERR_MISSING_VARIABLE, 14, "variable y"},
		{"select array[1, :y]", ERR_MISSING_VARIABLE, 17, "variable y"},
	};
	struct script_text t;
	struct script s;

	(void)state;
	expect_text(cases, COUNT_OF(cases));
	for (size_t i = 0; i < COUNT_OF(missing); i++) {
		assert_true(cut(&s, missing[i].text));
		assert_false(script_expand(&s.c, &s.v[0], value_of, known, &t));
		assert_int_equal(s.c.err.kind, missing[i].kind);
		assert_int_equal(s.c.err.position, missing[i].position);
		assert_non_null(strstr(s.c.err.text, missing[i].words));
		done(&s);
	}
}

static void places_in_the_outcome_lead_back(void **state)
{
	static const struct {
		const char *find; /* in the outcome */
		size_t in;        /* in the script */
	} places[] = {{"select", 3}, {"17", 9}, {", a", 11}, {"\"\"b", 14}, {"\"a", 14}, {", b", 21}, {"; d", 26}, {"d", 28}};
	struct script_text t;
	struct script s;

	(void)state;
	/*                 0123456789 123456789 123456789 1 */
	assert_true(cut(&s, ";; select:x, a:\"name\", b \\; d"));
	assert_int_equal(s.n, 1);
	assert_true(script_expand(&s.c, &s.v[0], value_of, known, &t));
	assert_str_equal(t.text, "select17, a\"a \"\"b\"\"\", b ; d");
	for (size_t i = 0; i < COUNT_OF(places); i++) {
		size_t at = str_search(t.text, str_of(places[i].find));

		if (script_source(&t, at) != places[i].in)
			BROKEN("%s: %zu", places[i].find, script_source(&t, at));
	}
	assert_int_equal(script_source(&t, t.text.n), 29);
	done(&s);
}

static void what_grows_too_long_is_an_error(void **state)
{
	size_t n = SCRIPT_EXPANDED_MAX / 4;
	char *big = malloc(n + 1);
	struct pair values[] = {{"x", big}, {NULL, NULL}};
	struct script_text t;
	struct script s;

	(void)state;
	memset(big, 'a', n);
	big[n] = '\0';
	assert_true(cut(&s, "select :x, :x, :x; select :x, :x, :x, :x"));
	assert_true(script_expand(&s.c, &s.v[0], value_of, values, &t));
	assert_int_equal(t.text.n, 7 + 3 * n + 4);
	assert_false(script_expand(&s.c, &s.v[1], value_of, values, &t));
	assert_int_equal(s.c.err.kind, ERR_SCRIPT);
	done(&s);
	free(big);
}

/* --- arguments, booleans, \copy --- */

static const char *arguments(struct script *s, const char *text)
{
	struct buf out = {0};
	const char *joined;
	struct str *v;
	int n;

	if (!cut(s, text) || !script_arguments(&s->c, &s->v[0], value_of, known, &v, &n))
		return s->c.err.text;
	for (int i = 0; i < n; i++)
		buf_fmt(&out, "[%.*s]", SARG(v[i]));
	joined = arena_cstr(&s->arena, buf_str(&out));
	buf_drop(&out);
	return joined;
}

static void arguments_are_read_as_psql_reads_them(void **state)
{
	static const struct pair cases[] = {
		{"\\echo", ""},
		{"\\echo a  b\tc ", "[a][b][c]"},
		{"\\echo 'a b' '' \"c d\" e'f g'h", "[a b][][\"c d\"][ef gh]"},
		{"\\echo 'it''s' 'a\\'b' '\\n\\t\\\\' '\\101\\x41\\x4G'", "[it's][a'b][\n\t\\][AA\x04G]"},
		{"\\echo :x a:x:x :'text' :\"name\" ':x' \":x\"", "[17][a1717]['it''s'][\"a \"\"b\"\"\"][:x][\":x\"]"},
		{"\\echo 12:30 :7 a::x : :{?x}", "[12:30][seven][a:17][:][TRUE]"},
		{"\\echo a; b;", "[a;][b;]"},
		{"\\i a.sql;;", "[a.sql]"},
		{"\\i 'a b;.sql;'", "[a b;.sql;]"},
		{"\\set x a b\\echo c", "[x][a][b]"},
	};
	struct script s;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		const char *got = arguments(&s, cases[i].in);

		if (strcmp(got, cases[i].out))
			BROKEN("%s: %s", cases[i].in, got);
		done(&s);
	}
	assert_string_equal(arguments(&s, "\\echo :nothing"), "there is no variable nothing");
	assert_int_equal(s.c.err.position, 7);
	done(&s);
}

static void booleans_are_those_of_psql(void **state)
{
	static const char *const yes[] = {"on", "true", "TRUE", "t", "tr", "yes", "y", "1"};
	static const char *const no[] = {"off", "of", "false", "F", "no", "n", "0"};
	static const char *const neither[] = {"", "o", "2", "truest", "10", " 1", "nope"};
	struct script s;
	bool truth;

	(void)state;
	assert_true(cut(&s, "\\echo"));
	for (size_t i = 0; i < COUNT_OF(yes); i++)
		assert_true(script_truth(&s.c, &s.v[0], str_of(yes[i]), &truth) && truth);
	for (size_t i = 0; i < COUNT_OF(no); i++)
		assert_true(script_truth(&s.c, &s.v[0], str_of(no[i]), &truth) && !truth);
	for (size_t i = 0; i < COUNT_OF(neither); i++) {
		assert_false(script_truth(&s.c, &s.v[0], str_of(neither[i]), &truth));
		assert_int_equal(s.c.err.kind, ERR_SCRIPT);
		call_forgive(&s.c);
	}
	done(&s);
}

static void copy_stands_for_a_statement(void **state)
{
	static const struct {
		const char *line, *statement, *file;
	} cases[] = {
		{"\\copy t from 'a.csv'", "COPY t FROM STDIN ", "a.csv"},
		{"\\copy t from a.csv with csv;", "COPY t FROM STDIN  with csv;", "a.csv"},
		{"\\copy s.\"from\" (a, \"to\") FROM 'it''s' (format csv, delimiter ';')", "COPY s.\"from\" (a, \"to\") FROM STDIN  (format csv, delimiter ';')",
		 "it's"},
		{"\\copy t from ../x/y.txt", "COPY t FROM STDIN ", "../x/y.txt"},
		{"\\copy t from stdin csv\n\\.\n", "COPY t FROM STDIN  csv", ""},
		{"\\copy :t from 'f' -- not a comment", "COPY :t FROM STDIN  -- not a comment", "f"},
	};
	struct script_copy copy;
	struct script s;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		if (!cut(&s, cases[i].line) || !script_copy_of(&s.c, &s.v[0], &copy))
			BROKEN("%s: %s", cases[i].line, s.c.err.text);
		assert_str_equal(copy.statement, cases[i].statement);
		assert_str_equal(copy.file, cases[i].file);
		assert_int_equal(s.v[0].copy_in, copy.file.n == 0);
		done(&s);
	}
	assert_true(cut(&s, "\\copy t from ''"));
	assert_false(script_copy_of(&s.c, &s.v[0], &copy));
	done(&s);
}

/* --- what a statement is --- */

static struct script_class class_of(struct script *s, const char *sql)
{
	struct script_class k;

	arena_open(&s->arena);
	call_open(&s->c, &s->arena);
	script_classify(&s->c, str_of(sql), &k);
	return k;
}

static void only_what_surely_reads_is_reads_only(void **state)
{
	static const char *const reads[] = {
		"select 1", " -- c\n SELECT 1", "values (1)", "table t", "with a as (select 1) select * from a", "show all", "explain select 1",
		"explain (analyze, buffers) select * from t", "EXPLAIN ANALYZE VERBOSE select 1", "(select 1) union (select 2)", "explain (select 1)",
		"select pg_sleep(1)", "select 'insert into', $$delete$$, \"Insert\"", "select substring(a for 3)", "select now(), random()",
		"select count(*) from pg_stats", "select current_setting('x')", "explain (costs off) (select 1)", "with recursive a as (table t) table a",
		"select to_tsvector('a') @@ to_tsquery('b')", "select pg_relation_size('t')",
	};
	static const char *const writes[] = {
		"", "insert into t values (1)", "update t set a = 1", "delete from t", "merge into t using s on true when matched then do nothing",
		"select 1 into t", "select * into temp t from s", "with a as (insert into t values (1) returning *) select * from a",
		"with a as (delete from t returning *) table a", "with a as (update t set b = 1 returning *) table a", "select * from t for update",
		"select * from t FOR  SHARE", "select * from t for no key update", "select * from t for /* c */ key share", "explain analyze insert into t values (1)",
		"explain analyze execute p", "explain (analyze) create table t as select 1", "explain analyze refresh materialized view v", "explain",
		"explain (analyze", "create table t ()", "do $$ begin end $$", "copy t to stdout", "set a = 1", "begin", "call p()", "execute p",
		"declare c cursor for select 1", "fetch c", "listen x", "notify x", "lock t", "vacuum", "analyze", "prepare p as select 1",
		"select 1; select 2", "select 'unfinished", "select pg_terminate_backend(1)", "select PG_CATALOG.PG_Cancel_Backend(1)",
		"select \"pg_terminate_backend\"(1)", "select U&\"pg_terminate_backend\"(1)", "select set_config('a', 'b', false)",
		"select pg_advisory_lock(1)", "select pg_try_advisory_xact_lock(1)", "select lo_create(0)", "select lo_import('x')", "select lowrite(1, 'x')",
		"select nextval('s')", "select setval('s', 1)", "select currval('s')", "select lastval()", "select * from dblink('x', 'y')",
		"select dblink_exec('x')", "select * from pg_stat_activity", "select * from pg_catalog.pg_locks", "select pg_stat_get_activity(null)",
		"select pg_notify('a', 'b')", "select pg_reload_conf()", "select txid_current()", "select pg_current_xact_id()", "select pg_backend_pid()",
		"select query_to_xml('select 1', true, true, '')", "select setseed(0.5)", "select * from ts_stat('select 1')", "select pg_read_file('x')",
		"select brin_summarize_new_values('i')", "truncate t", "reindex table t", "(insert into t values (1))", "refresh materialized view v",
	};
	struct script s;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(reads); i++) {
		if (!class_of(&s, reads[i]).reads_only)
			BROKEN("%s", reads[i]);
		done(&s);
	}
	for (size_t i = 0; i < COUNT_OF(writes); i++) {
		if (class_of(&s, writes[i]).reads_only)
			BROKEN("%s", writes[i]);
		done(&s);
	}
}

static void what_reaches_beyond_one_database_is_told(void **state)
{
	static const char *const wide[] = {
		"create role r", "CREATE USER u", "alter role r set a = 1", "drop group g", "create database d", "alter database d set a = 1",
		"drop database if exists d", "create tablespace t location 'x'", "alter system set a = 1", "grant a to b", "revoke a from b",
		"grant all on database d to r", "revoke create on tablespace t from r", "grant set on parameter p to r", "comment on role r is 'x'",
		"comment on /* c */ database d is 'x'", "reassign owned by a to b", "drop owned by a", "create subscription s connection 'x' publication p",
		"security label on role r is 'x'", "security label for p on database d is 'x'", "prepare transaction 'x'", "commit prepared 'x'",
		"rollback prepared 'x'", "-- c\n create /* d */ role r",
	};
	static const char *const narrow[] = {
		"create table role (a int)", "create user mapping for a server s", "drop user mapping for a server s", "grant select on t to r",
		"grant all on all tables in schema s to r", "revoke all on function f() from public", "comment on table t is 'role'",
		"alter table t owner to r", "set role r", "select 'create role'", "commit", "rollback", "prepare p as select 1", "alter default privileges grant select on tables to r",
		"create schema s authorization r", "create function f() returns int as 'create role r' language sql", "",
	};
	struct script s;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(wide); i++) {
		if (!class_of(&s, wide[i]).cluster_wide)
			BROKEN("%s", wide[i]);
		done(&s);
	}
	for (size_t i = 0; i < COUNT_OF(narrow); i++) {
		if (class_of(&s, narrow[i]).cluster_wide)
			BROKEN("%s", narrow[i]);
		done(&s);
	}
}

static void transactions_and_rows_out_are_told(void **state)
{
	static const char *const moves[] = {"begin",    "START TRANSACTION READ ONLY", "commit",   "end",	"rollback to s",
					    "abort", "savepoint s",		     "release s", "prepare transaction 'x'"};
	struct script s;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(moves); i++) {
		assert_true(class_of(&s, moves[i]).transaction);
		done(&s);
	}
	assert_false(class_of(&s, "prepare p as select 1").transaction);
	assert_false(class_of(&s, "select 1").transaction);
	assert_true(class_of(&s, "copy (select 'to' from t) to stdout csv").rows_need_copy);
	assert_false(class_of(&s, "copy t from stdin").rows_need_copy);
	assert_false(class_of(&s, "copy t to 'f'").rows_need_copy);
	done(&s);
}

static void what_varies_from_run_to_run_is_found(void **state)
{
	static const struct pair cases[] = {
		{"select 1", ""},
		{"select now(), random ( ), NOW()", "now random"},
		{"select pg_catalog.now(), \"gen_random_uuid\"()", "now gen_random_uuid"},
		{"create table t (a timestamptz default current_timestamp, now int, random text)", "current_timestamp"},
		{"select 'now()', nextval('s'), \"current_date\"", ""},
		{"do $$ begin execute $x$ select clock_timestamp() $x$; end $$", "clock_timestamp"},
		{"select 'now'::timestamp, 'today'", "now"},
		{"select date 'today'", "now"},
		{"select cast('yesterday' as date)", "now"},
		{"select * from t tablesample system (10)", "tablesample"},
		{"-- now()\nselect /* random() */ 1", ""},
	};
	struct script s;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct script_class k = class_of(&s, cases[i].in);
		struct buf out = {0};

		for (int j = 0; j < k.nvolatile; j++)
			buf_fmt(&out, "%s%.*s", j ? " " : "", SARG(k.volatile_names[j]));
		if (strcmp(buf_cstr(&out), cases[i].out))
			BROKEN("%s: %s", cases[i].in, buf_cstr(&out));
		buf_drop(&out);
		done(&s);
	}
}

/* --- sizes --- */

static char *repeated(const char *text, size_t bytes)
{
	size_t n = strlen(text), times = bytes / n;
	char *all = malloc(times * n + 1);

	for (size_t i = 0; i < times; i++)
		memcpy(all + i * n, text, n);
	all[times * n] = '\0';
	return all;
}

static int64_t cpu_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Linear: three megabytes of each in far less of the processor than what a quadratic way would need. */
static void long_and_deep_texts_take_linear_time(void **state)
{
	static const struct {
		const char *text;
		bool whole;
	} cases[] = {
		{"insert into t values (1, 'a');\n", true}, {"select 1;", true},  {"(", false},	  {"/*", false},
		{"[", true},				    {"E'a'\n", true},	  {"$a$$a$", true},  {"$a", true},
		{"create function case begin ", false},	    {":a_name ", true},	  {"\\set x 'a'\n", true}, {"'' ", true},
		{"-- a\n", true},			    {"copy t from stdin;\n1\n\\.\n", true},
	};
	enum { LIMIT_MS = 20000 };
	struct script s;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		char *text = repeated(cases[i].text, (SANITIZED ? 1 : 3) << 20);
		int64_t from = cpu_ms(), ms;

		if (cut(&s, text) != cases[i].whole)
			BROKEN("%s: %s", cases[i].text, s.c.err.text);
		ms = cpu_ms() - from;
		if (ms > LIMIT_MS)
			BROKEN("%s: %lld ms", cases[i].text, (long long)ms);
		done(&s);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(statements_end_where_psql_ends_them),
		cmocka_unit_test(meta_commands_are_pieces_of_their_own),
		cmocka_unit_test(rows_of_copy_belong_to_it),
		cmocka_unit_test(what_is_unfinished_has_a_place),
		cmocka_unit_test(other_meta_commands_are_refused_by_name),
		cmocka_unit_test(pieces_know_their_place),
		cmocka_unit_test(variables_are_replaced_where_psql_replaces_them),
		cmocka_unit_test(places_in_the_outcome_lead_back),
		cmocka_unit_test(what_grows_too_long_is_an_error),
		cmocka_unit_test(arguments_are_read_as_psql_reads_them),
		cmocka_unit_test(booleans_are_those_of_psql),
		cmocka_unit_test(copy_stands_for_a_statement),
		cmocka_unit_test(only_what_surely_reads_is_reads_only),
		cmocka_unit_test(what_reaches_beyond_one_database_is_told),
		cmocka_unit_test(transactions_and_rows_out_are_told),
		cmocka_unit_test(what_varies_from_run_to_run_is_found),
		cmocka_unit_test(long_and_deep_texts_take_linear_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
