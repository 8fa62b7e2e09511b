/* runner_plan_test.c - chains of hashes: what enters them and what does not, includes, variables, errors with their place, plans as
 * documents with what differs. */
#include "plan_rig.h"

/* --- making plans --- */

static bool try_plan(struct fixture *f, const char *head, struct plan *ret)
{
	struct tree *t = ARENA_NEW(&f->arena, struct tree);
	struct plan_ask ask = {.tree = t, .head = str_of(head), .nchain = -1, .variables = f->variables, .nvariables = f->nvariables};

	return tree_add(&f->c, &f->r, &f->arena, t, f->files, f->nfiles) && plan_make(&f->c, &f->r, &ask, ret, &f->error);
}

static struct plan plan_of(struct fixture *f, const char *head)
{
	struct plan p = {0};

	assert_true(fine(f, try_plan(f, head, &p)));
	return p;
}

static const char *tail_hash(struct fixture *f)
{
	return plan_of(f, "q.sql").tail_hash;
}

static void forget_files(struct fixture *f)
{
	f->nfiles = f->nvariables = 0;
}

static void three_steps(struct fixture *f)
{
	forget_files(f);
	file(f, "init/1.sql", "create table t (a int)");
	file(f, "seed/1.sql", "insert into t values (1);\ninsert into t values (2);");
	file(f, "views.sql", "create view v as select * from t");
	file(f, "z.sql", "select 'never'");
	file(f, "q.sql", "select * from v");
}

#define SAME(a, b) assert_string_equal((a), (b))
#define DIFFERENT(a, b) assert_string_not_equal((a), (b))

/* each step on the one before; R-01: again the same. */
static void chains_are_steps_on_steps(void **state)
{
	struct fixture *f = *state;
	struct plan p, again;

	three_steps(f);
	p = plan_of(f, "z.sql");
	assert_int_equal(p.nsteps, 4); /* q.sql comes before z.sql */
	p = plan_of(f, "views.sql");
	assert_int_equal(p.nsteps, 3);
	assert_str_equal(p.steps[0].path, "init/1.sql");
	assert_str_equal(p.steps[1].path, "seed/1.sql");
	assert_str_equal(p.steps[2].path, "q.sql");
	assert_str_equal(p.head, "views.sql");
	SAME(p.tail_hash, p.steps[2].id);
	SAME(p.base, f->r.base);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(strlen(p.steps[i].id), RUNNER_HEX);
		for (int k = 0; k < i; k++)
			DIFFERENT(p.steps[i].id, p.steps[k].id);
	}
	again = plan_of(f, "views.sql");
	SAME(p.tail_hash, again.tail_hash);
	forget_files(f);
	file(f, "q.sql", "select 1");
	SAME(tail_hash(f), f->r.base); /* no tail */
}

/* */
static void branches_share_their_prefix(void **state)
{
	struct fixture *f = *state;
	struct plan a, b;

	three_steps(f);
	a = plan_of(f, "views.sql");
	file(f, "q.sql", "select 2");
	b = plan_of(f, "views.sql");
	SAME(a.steps[1].id, b.steps[1].id);
	DIFFERENT(a.steps[2].id, b.steps[2].id);
	file(f, "init/1.sql", "create table t (a bigint)");
	b = plan_of(f, "views.sql");
	for (int i = 0; i < 3; i++)
		DIFFERENT(a.steps[i].id, b.steps[i].id); /* all behind a change */
}

/* what enters, and what does not. */
static void hashes_know_what_counts(void **state)
{
	struct fixture *f = *state;
	struct runner other = {0};
	struct plan p;
	const char *is, *was;

	three_steps(f);
	was = plan_of(f, "views.sql").steps[1].id;
	file(f, "views.sql", "select 'another head'");
	file(f, "zz.sql", "select 'unused'");
	file(f, "notes.md", "notes");
	SAME(was, plan_of(f, "views.sql").steps[1].id);
	f->c.tenant = S("other");
	p = plan_of(f, "views.sql");
	DIFFERENT(was, p.steps[1].id);
	SAME(f->r.base, p.base); /* the empty database belongs to nobody */
	f->c.tenant = S("acme");
	rig_engine = "PostgreSQL 15.2; timezone=UTC";
	rig_open(f, &other, f->r.o.store);
	DIFFERENT(other.base, f->r.base);
	memcpy(f->r.base, other.base, sizeof(other.base));
	DIFFERENT(was, plan_of(f, "views.sql").steps[1].id);
	plans_close(&other);
	/* a file at another path; two files in another order */
	forget_files(f);
	file(f, "a.sql", "select 1");
	file(f, "q.sql", "");
	is = tail_hash(f);
	forget_files(f);
	file(f, "b.sql", "select 1");
	file(f, "q.sql", "");
	DIFFERENT(is, tail_hash(f));
}

static const char *of_chain(struct fixture *f, const char *first, const char *second)
{
	struct tree t = {0};
	struct str chain[] = {str_of(first), str_of(second)};
	struct plan_ask ask = {.tree = &t, .head = S("q.sql"), .chain = chain, .nchain = 2};
	struct plan p;

	assert_true(fine(f, tree_add(&f->c, &f->r, &f->arena, &t, f->files, f->nfiles)));
	assert_true(fine(f, plan_make(&f->c, &f->r, &ask, &p, &f->error)));
	return p.tail_hash;
}

static void order_counts(void **state)
{
	struct fixture *f = *state;

	file(f, "a.sql", "select 1");
	file(f, "b.sql", "select 1");
	file(f, "q.sql", "");
	SAME(of_chain(f, "a.sql", "b.sql"), of_chain(f, "a.sql", "b.sql"));
	DIFFERENT(of_chain(f, "a.sql", "b.sql"), of_chain(f, "b.sql", "a.sql"));
	SAME(of_chain(f, "a.sql", "b.sql"), tail_hash(f)); /* how it was ordered does not count */
}

/* --- variables --- */

static void only_used_variables_count(void **state)
{
	static const char *const forms[] = {"select :n", "select :'n'", "select :\"n\"", "\\if :{?n}\n\\endif\nselect 1", "\\echo :n\n",
					    "insert into t values (:n); select 2", "\\set m :n\nselect :m"};
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT_OF(forms); i++) {
		const char *one, *two, *more;

		forget_files(f);
		file(f, "a.sql", forms[i]);
		file(f, "q.sql", "select :'unused'");
		variable(f, "n", "1");
		variable(f, "unused", "1");
		one = tail_hash(f);
		f->variables[0].value = S("2");
		two = tail_hash(f);
		f->variables[0].value = S("1");
		f->variables[1].value = S("another");
		more = tail_hash(f);
		DIFFERENT(one, two);
		SAME(one, more);
	}
	forget_files(f);
	file(f, "a.sql", "select ':n', $$ :n $$, a::int -- :n\n");
	file(f, "q.sql", "");
	variable(f, "n", "1");
	{
		const char *one = tail_hash(f);

		f->variables[0].value = S("2");
		SAME(one, tail_hash(f)); /* in quotes, comments and casts there is none */
	}
}

static void variables_of_included_files_count(void **state)
{
	struct fixture *f = *state;
	const char *one;

	file(f, "a.sql", "\\i lib/x.sql\n");
	file(f, "lib/x.sql", "select :n");
	file(f, "q.sql", "");
	f->files[1].path = S("zlib/x.sql"); /* not in the tail by itself */
	f->files[0].content = S("\\i zlib/x.sql\n");
	variable(f, "n", "1");
	one = tail_hash(f);
	f->variables[0].value = S("2");
	DIFFERENT(one, tail_hash(f));
}

static void expect_place(struct fixture *f, const char *head, enum err_kind kind, const char *place)
{
	struct plan p;
	bool ok = try_plan(f, head, &p);

	assert_false(ok);
	assert_string_equal(err_code(f->c.err.kind), err_code(kind));
	assert_str_equal(f->error.code, err_code(kind));
	assert_true(str_eq(f->error.message, str_of(f->c.err.text)));
	assert_true(str_eq(arena_fmt(&f->arena, "%.*s:%d:%d@%lld", SARG(f->error.path), f->error.line, f->error.column,
				     (long long)f->error.position), str_of(place)));
	assert_int_equal(f->error.stage, JOB_AT_PARSING);
	assert_int_equal(f->c.err.position, f->error.position);
	assert_true(str_eq(f->c.err.more, arena_fmt(&f->arena, "\"path\":\"%.*s\",\"line\":%d,\"column\":%d", SARG(f->error.path),
						    f->error.line, f->error.column)));
	call_forgive(&f->c);
}

static void missing_variables_are_told(void **state)
{
	struct fixture *f = *state;
	struct plan p;

	file(f, "a.sql", "select 'ü';\n  select :nope");
	file(f, "q.sql", "");
	expect_place(f, "q.sql", ERR_MISSING_VARIABLE, "a.sql:2:10@22");
	file(f, "a.sql", "select 1");
	file(f, "q.sql", "select :'nope'");
	expect_place(f, "q.sql", ERR_MISSING_VARIABLE, "q.sql:1:8@8");
	/* set, perhaps set, or asked whether it is set */
	file(f, "q.sql", "");
	file(f, "a.sql", "\\set nope 1\nselect :nope");
	(void)plan_of(f, "q.sql");
	file(f, "a.sql", "select 1 as nope \\gset\nselect :nope");
	(void)plan_of(f, "q.sql");
	file(f, "a.sql", "select 1 as x \\gset p_\nselect :p_x");
	(void)plan_of(f, "q.sql");
	file(f, "a.sql", "select 1 as x \\gset p_\nselect :x");
	assert_false(try_plan(f, "q.sql", &p));
	expect_error(f, false, ERR_MISSING_VARIABLE);
	file(f, "a.sql", "\\if :{?nope}\nselect :nope;\n\\endif\n");
	(void)plan_of(f, "q.sql");
	file(f, "a.sql", "\\i s.inc\nselect :nope");
	file(f, "s.inc", "\\set nope 1\n");
	(void)plan_of(f, "q.sql");
}

/* --- includes --- */

/* */
static void includes_are_hashed_as_what_they_are(void **state)
{
	static const char *const spelled[] = {"\\i m/x.inc\n", "\\i ./m/x.inc\n", "\\i m/../m//x.inc\n", "\\ir m/x.inc\n", "\\i 'm/x.inc'\n",
					      "\\i\tm/x.inc\n"};
	struct fixture *f = *state;
	const char *first = NULL, *is;

	file(f, "q.sql", "");
	file(f, "m/x.inc", "\\ir sub/y.inc\nselect 1");
	file(f, "m/sub/y.inc", "select 'y'");
	for (size_t i = 0; i < COUNT_OF(spelled); i++) {
		file(f, "a.sql", arena_fmt(&f->arena, "select 0;\n%sselect 2;", spelled[i]).p);
		is = tail_hash(f);
		if (first)
			SAME(first, is);
		first = is;
	}
	file(f, "m/sub/y.inc", "select 'z'"); /* two files deep */
	DIFFERENT(first, tail_hash(f));
	file(f, "m/sub/y.inc", "select 'y'");
	SAME(first, tail_hash(f));
	file(f, "a.sql", "\\i m/x.inc\nselect 0;\nselect 2;"); /* at another place */
	DIFFERENT(first, tail_hash(f));
	file(f, "a.sql", "select 0;\n\\i m/x2.inc\nselect 2;"); /* the same content at another path */
	file(f, "m/x2.inc", "\\ir sub/y.inc\nselect 1");
	DIFFERENT(first, tail_hash(f));
}

static void includes_that_cannot_be_are_told(void **state)
{
	struct fixture *f = *state;

	file(f, "q.sql", "");
	file(f, "a.sql", "select 1;\n  \\i nope.sql\n");
	expect_place(f, "q.sql", ERR_MISSING_INCLUDE, "a.sql:2:3@13");
	file(f, "a.sql", "\\i ../etc/passwd\n");
	expect_place(f, "q.sql", ERR_MISSING_INCLUDE, "a.sql:1:1@1");
	file(f, "a.sql", "\\i /etc/passwd\n");
	expect_place(f, "q.sql", ERR_MISSING_INCLUDE, "a.sql:1:1@1");
	file(f, "a.sql", "\\i a.sql\n");
	expect_place(f, "q.sql", ERR_INCLUDE_CYCLE, "a.sql:1:1@1");
	file(f, "a.sql", "\\i x/b.inc\n");
	file(f, "x/b.inc", "select 1;\n\\ir c.inc\n");
	file(f, "x/c.inc", "\\ir ../a.sql\n");
	expect_place(f, "q.sql", ERR_INCLUDE_CYCLE, "x/c.inc:1:1@1");
	file(f, "x/c.inc", "select $$ never ends");
	expect_place(f, "q.sql", ERR_SCRIPT, "x/c.inc:1:8@8");
	file(f, "a.sql", "");
	file(f, "q.sql", "\\i nope.sql\n"); /* the head as well */
	expect_place(f, "q.sql", ERR_MISSING_INCLUDE, "q.sql:1:1@1");
}

/* Many includes of includes end. */
static void includes_do_not_multiply_for_ever(void **state)
{
	struct fixture *f = *state;
	char names[30][16], texts[30][64];
	struct plan p;

	for (int i = 0; i < 30; i++) {
		snprintf(names[i], sizeof(names[i]), "x/%02d.inc", i);
		snprintf(texts[i], sizeof(texts[i]), "\\i x/%02d.inc\n\\i x/%02d.inc\n", i + 1, i + 1);
		file(f, names[i], i == 29 ? "" : texts[i]);
	}
	file(f, "a.sql", "\\i x/00.inc\n");
	file(f, "q.sql", "");
	expect_error(f, try_plan(f, "q.sql", &p), ERR_INCLUDE_CYCLE);
}

static void copied_files_count(void **state)
{
	struct fixture *f = *state;
	const char *one;

	file(f, "q.sql", "");
	file(f, "a.sql", "create table t (a int);\n\\copy t from 'data/t.csv' csv\n");
	expect_place(f, "q.sql", ERR_MISSING_INCLUDE, "a.sql:2:1@25");
	file(f, "data/t.csv", "1\n2\n");
	one = tail_hash(f);
	file(f, "data/t.csv", "1\n3\n");
	DIFFERENT(one, tail_hash(f));
	file(f, "a.sql", "\\copy t from stdin\n1\n\\.\n");
	(void)tail_hash(f);
}

static void names_from_variables_are_followed(void **state)
{
	struct fixture *f = *state;
	const char *one, *two;

	file(f, "q.sql", "");
	file(f, "x/1.inc", "select 1");
	file(f, "x/2.inc", "select 2");
	file(f, "a.sql", "\\i x/:n.inc\n");
	f->files[3].content = S("\\set file x/ :n .inc\n\\i :file\n");
	variable(f, "n", "1");
	one = tail_hash(f);
	file(f, "x/2.inc", "select 22"); /* not the one that is meant */
	SAME(one, tail_hash(f));
	file(f, "x/1.inc", "select 11");
	DIFFERENT(one, tail_hash(f));
	/* only the run knows the name: any file may be meant */
	file(f, "a.sql", "select 'x/1.inc' as file \\gset\n\\i :file\n");
	one = tail_hash(f);
	file(f, "x/2.inc", "select 222");
	two = tail_hash(f);
	DIFFERENT(one, two);
	file(f, "x/3.inc", "");
	DIFFERENT(two, tail_hash(f));
}

static void includes_under_if_may_be_missing(void **state)
{
	struct fixture *f = *state;
	const char *one;

	file(f, "q.sql", "");
	file(f, "a.sql", "\\if :{?debug}\n\\i debug.inc\n\\endif\nselect 1");
	one = tail_hash(f);
	file(f, "debug.inc", "select 'debug'");
	DIFFERENT(one, tail_hash(f)); /* it is there now */
}

/* --- other errors, what else plans tell --- */

static void bad_files_are_told(void **state)
{
	struct fixture *f = *state;

	file(f, "q.sql", "");
	file(f, "a.sql", "select 1;\nselect 'ü' || 'open");
	expect_place(f, "q.sql", ERR_SCRIPT, "a.sql:2:15@25");
	file(f, "a.sql", "select 1;\n\\! rm -rf /\n");
	expect_place(f, "q.sql", ERR_META_COMMAND, "a.sql:2:1@11");
	f->files[1].content = str_from("select 1;\nselect \0;", 19);
	expect_place(f, "q.sql", ERR_BINARY_FILE, "a.sql:2:8@18");
	f->files[1].content = S("");
	file(f, "z.sql", "'open"); /* not in the plan */
	(void)plan_of(f, "q.sql");
}

static void layers_are_published_by_the_rule(void **state)
{
	static const char *const paths[] = {"init/1.sql", "init/2.sql", "seed/1.sql", "a.sql", "b.sql", "m/1.sql", "m/2.sql", "m/3.sql", "m/4.sql"};
	static const bool must[] = {false, true, true, false, true, false, false, true, true};
	struct fixture *f = *state;
	struct plan p;

	for (size_t i = 0; i < COUNT_OF(paths); i++)
		file(f, paths[i], "");
	file(f, "q.sql", "");
	p = plan_of(f, "q.sql");
	assert_int_equal(p.nsteps, COUNT_OF(paths));
	for (int i = 0; i < p.nsteps; i++) {
		assert_str_equal(p.steps[i].path, paths[i]);
		assert_int_equal(p.steps[i].must, must[i]);
	}
}

static void volatile_functions_are_told(void **state)
{
	struct fixture *f = *state;
	struct plan p;

	file(f, "q.sql", "select clock_timestamp()");
	file(f, "a.sql", "insert into t values (now(), 'random()')");
	file(f, "b.sql", "\\i x/y.inc\n");
	file(f, "x/y.inc", "select gen_random_uuid()");
	p = plan_of(f, "q.sql");
	assert_int_equal(p.nvolatile, 2);
	assert_str_equal(p.volatile_names[0], "gen_random_uuid");
	assert_str_equal(p.volatile_names[1], "now");
	file(f, "lib.sql", "");
	file(f, "zlib.sql", "");
	file(f, "b.sql", "\\i zlib.sql\n");
	p = plan_of(f, "q.sql");
	assert_int_equal(p.order.nunused, 0); /* what is included is used */
}

static void without_an_engine_nothing_is_planned(void **state)
{
	struct fixture *f = *state;
	struct plan p;

	file(f, "q.sql", "");
	f->r.o.backend = NULL;
	expect_error(f, try_plan(f, "q.sql", &p), ERR_ENGINE_UNREACHABLE);
}

/* --- properties --- */

/* No two different inputs of one step give one id: whatever text moves from one field to its neighbour. */
static void ids_are_of_one_input_only(void **state)
{
	static const struct {
		const char *path, *content, *name, *value;
	} inputs[] = {
		{"a.sql", "select :v", "v", "1"}, {"a.sql", "select :v", "v", "11"}, {"a.sql", "select :v1", "v1", "1"},
		{"a.sql", "select :v", "v", ""}, {"aa.sql", "select :v", "v", "1"}, {"a.sql", "select :v ", "v", "1"},
		{"a.sql", " select :v", "v", "1"}, {"a.sql", "select :'v'", "v", "1"}, {"a.sqls.sql", "elect :v", "v", "1"},
		{"a.sql", "select 1", "v", "1"}, {"a.sql", "", "v", "1"}, {"a/.sql", "select :v", "v", "1"}, {"a.sql", "select :v", "v", "1\n"},
		{"a.sql", "\\i b.inc\nselect :v", "v", "1"}, {"a.sql", "select :v;\n\\i b.inc\n", "v", "1"},
		{"a.sql", "\\i b.inc\n\\i b.inc\nselect :v", "v", "1"}, {"a.sql", "\\i c.inc\nselect :v", "v", "1"},
		{"a.sql", "\\i c.inc\n\\i b.inc\nselect :v", "v", "1"}, {"a.sql", "\\i b.inc\n\\i c.inc\nselect :v", "v", "1"},
		{"a.sql", "\\i d.inc\nselect :v", "v", "1"},
	};
	struct fixture *f = *state;
	char *ids[COUNT_OF(inputs)];

	for (size_t i = 0; i < COUNT_OF(inputs); i++) {
		forget_files(f);
		file(f, inputs[i].path, inputs[i].content);
		file(f, "b.inc", "");
		file(f, "c.inc", "select 2;");
		file(f, "d.inc", "\\i c.inc\n\\i b.inc\n");
		file(f, "q.sql", "");
		variable(f, inputs[i].name, inputs[i].value);
		ids[i] = arena_cstr(&f->arena, str_of(tail_hash(f)));
		for (size_t k = 0; k < i; k++)
			DIFFERENT(ids[i], ids[k]);
	}
}

/* More facts than are kept come between: what was forgotten is read again, and is the same. */
static void facts_are_forgotten_without_harm(void **state)
{
	struct fixture *f = *state;
	OWNS(buf) b = {0};
	char *first;

	three_steps(f);
	first = strdup(plan_of(f, "views.sql").tail_hash);
	f->r.o.project_bytes = 1 << 30;
	for (int i = 0; i < 30; i++) {
		buf_clear(&b);
		for (int k = 0; k < 12000; k++)
			buf_fmt(&b, "\\set name%d_%d value\n", i, k);
		forget_files(f);
		file(f, "a.sql", buf_cstr(&b));
		file(f, "q.sql", "");
		(void)tail_hash(f);
		arena_reset(&f->arena);
	}
	three_steps(f);
	SAME(first, plan_of(f, "views.sql").tail_hash);
	free(first);
}

/* --- documents --- */

static const json_node *doc(struct fixture *f, const char *head)
{
	struct job_ask ask = {.files = f->files, .nfiles = f->nfiles, .head_path = str_of(head), .nchain = -1, .variables = f->variables,
			      .nvariables = f->nvariables};
	OWNS(buf) b = {0};
	struct json_out o = json_out(&b);
	const json_node *n;

	assert_true(fine(f, runner_plan(&f->c, &f->r, &ask, &o)));
	assert_true(fine(f, json_read_object(&f->c, arena_dup(&f->arena, buf_str(&b)), &n)));
	return n;
}

static void expect_difference(struct fixture *f, const char *path, const char *reason, const char *variable_name)
{
	const json_node *d = json_get(doc(f, "q.sql"), "first_difference");

	assert_int_equal(json_kind(d), JSON_KIND_OBJECT);
	assert_str_equal(json_text(json_get(d, "path")), path);
	assert_str_equal(json_text(json_get(d, "reason")), reason);
	if (variable_name)
		assert_str_equal(json_text(json_get(d, "variable")), variable_name);
	else
		assert_null(json_get(d, "variable"));
}

static void a_project(struct fixture *f)
{
	forget_files(f);
	there.n = 0;
	file(f, "init/1.sql", "create table t (a int)");
	file(f, "m/1.sql", "insert into t values (:n)");
	file(f, "m/2.sql", "\\i x/y.inc\n");
	file(f, "m/3.sql", "select 3");
	file(f, "q.sql", "select * from t");
	file(f, "x/y.inc", "select 1");
	file(f, "z.sql", "");
	variable(f, "n", "1");
}

/* hit or miss a step, and why; nothing is written. */
static void plans_say_hit_or_miss(void **state)
{
	struct fixture *f = *state;
	const json_node *n, *steps;
	struct plan p;

	a_project(f);
	n = doc(f, "q.sql");
	assert_int_equal(json_kind(json_get(n, "nearest")), JSON_KIND_NULL);
	assert_int_equal(json_count(json_get(n, "steps")), 4);
	assert_false(json_bool(json_get(json_at(json_get(n, "steps"), 0), "hit")));
	assert_int_equal(json_count(json_get(n, "unused")), 1);
	assert_str_equal(json_text(json_at(json_get(n, "unused"), 0)), "z.sql");
	expect_difference(f, "init/1.sql", "new_step", NULL);
	p = plan_of(f, "q.sql");
	publish(p.steps[0].id);
	publish(p.steps[2].id);
	plan_remember(&f->r, f->c.tenant, &p);
	n = doc(f, "q.sql");
	steps = json_get(n, "steps");
	assert_str_equal(json_text(json_get(n, "tail_hash")), p.tail_hash);
	assert_str_equal(json_text(json_get(json_get(n, "nearest"), "layer_id")), p.steps[2].id);
	assert_str_equal(json_text(json_get(json_get(n, "nearest"), "path")), "m/2.sql");
	assert_true(json_bool(json_get(json_at(steps, 1), "hit"))); /* no layer of its own, but nothing to replay */
	assert_false(json_bool(json_get(json_at(steps, 3), "hit")));
	expect_difference(f, "m/3.sql", "evicted", NULL);
	publish(p.steps[3].id);
	n = doc(f, "q.sql");
	assert_int_equal(json_kind(json_get(n, "first_difference")), JSON_KIND_NULL);
	assert_true(json_bool(json_get(json_at(json_get(n, "steps"), 3), "hit")));
	{
		struct store_entry *e;
		size_t kept;

		assert_true(fine(f, f->r.o.store->ops->list(&f->c, f->r.o.store, S(""), S(""), &e, &kept)));
		assert_int_equal(kept, 0);
	}
}

static void built(struct fixture *f)
{
	struct plan p;

	a_project(f);
	p = plan_of(f, "q.sql");
	for (int i = 0; i < p.nsteps; i++)
		publish(p.steps[i].id);
	plan_remember(&f->r, f->c.tenant, &p);
}

static void plans_say_what_differs(void **state)
{
	struct fixture *f = *state;

	built(f);
	file(f, "m/3.sql", "select 33");
	expect_difference(f, "m/3.sql", "content_changed", NULL);
	built(f);
	file(f, "x/y.inc", "select 11");
	expect_difference(f, "m/2.sql", "include_changed", NULL);
	built(f);
	f->variables[0].value = S("2");
	expect_difference(f, "m/1.sql", "variable_changed", "n");
	built(f);
	file(f, "m/25.sql", "select 25");
	expect_difference(f, "m/25.sql", "new_step", NULL);
	built(f);
	file(f, "m/4.sql", "select 4");
	expect_difference(f, "m/4.sql", "new_step", NULL);
	built(f);
	f->files[2] = f->files[--f->nfiles]; /* m/2.sql is no more */
	expect_difference(f, "m/3.sql", "step_removed", NULL);
	built(f);
	f->r.base[0] = f->r.base[0] == '0' ? '1' : '0';
	expect_difference(f, "init/1.sql", "engine_changed", NULL);
	f->c.tenant = S("other"); /* and knows nothing of others */
	expect_difference(f, "init/1.sql", "new_step", NULL);
}

static void remembered_plans_are_few(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 40; i++) {
		struct plan p;

		a_project(f);
		file(f, "m/1.sql", arena_fmt(&f->arena, "select %d", i).p);
		p = plan_of(f, "q.sql");
		plan_remember(&f->r, f->c.tenant, &p);
		plan_remember(&f->r, f->c.tenant, &p);
	}
	expect_difference(f, "init/1.sql", "evicted", NULL); /* the latest is known */
	file(f, "m/1.sql", "select 0");
	expect_difference(f, "m/1.sql", "content_changed", NULL); /* the first is not any more */
}

static void plans_answer_with_errors(void **state)
{
	struct fixture *f = *state;
	struct job_ask ask = {.files = f->files, .nchain = -1};
	OWNS(buf) b = {0};
	struct json_out o = json_out(&b);

	expect_error(f, runner_plan(&f->c, &f->r, &ask, &o), ERR_INVALID_FIELD);
	ask.head_path = S("q.sql");
	expect_error(f, runner_plan(&f->c, &f->r, &ask, &o), ERR_EMPTY_PROJECT);
	f->files[0] = (struct job_file){.path = S("q.sql"), .etag = etag_of(f, S("x"))};
	ask.nfiles = 1;
	expect_error(f, runner_plan(&f->c, &f->r, &ask, &o), ERR_MISSING_BLOBS);
	assert_true(fine(f, runner_blob_put(&f->c, &f->r, etag_of(f, S("x")), S("x"))));
	assert_true(fine(f, runner_plan(&f->c, &f->r, &ask, &o))); /* by etag */
	assert_true(b.n > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(chains_are_steps_on_steps), CASE(branches_share_their_prefix), CASE(hashes_know_what_counts), CASE(order_counts),
		CASE(only_used_variables_count), CASE(variables_of_included_files_count), CASE(missing_variables_are_told),
		CASE(includes_are_hashed_as_what_they_are), CASE(includes_that_cannot_be_are_told), CASE(includes_do_not_multiply_for_ever),
		CASE(copied_files_count), CASE(names_from_variables_are_followed), CASE(includes_under_if_may_be_missing), CASE(bad_files_are_told),
		CASE(layers_are_published_by_the_rule), CASE(volatile_functions_are_told), CASE(without_an_engine_nothing_is_planned),
		CASE(ids_are_of_one_input_only), CASE(facts_are_forgotten_without_harm), CASE(plans_say_hit_or_miss), CASE(plans_say_what_differs),
		CASE(remembered_plans_are_few), CASE(plans_answer_with_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
