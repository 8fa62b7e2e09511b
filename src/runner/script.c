/* script.c - one file of SQL on one connection, statement by statement, as psql would run it.
 *
 *   file ─▶ pieces ─▶ statement: variables replaced ─▶ pg_run() ─▶ sink
 *              └────▶ \i, \ir: another file, a level deeper      \set, \gset: variables      \if: which pieces count
 *
 * Included files are read once a run, and only from the project. What a statement of a tail needs is forgotten after it,
 * so that a long file takes no more memory than a short one.
 *
 * Threads: the job's own; blocks.
 */
#include "runner/script_parts.h"

enum { GRACE_MS = 250, INCLUDES_DEEP = 64, IFS_DEEP = 64, READ_STATEMENTS_MAX = 1000, READ_BYTES_MAX = 8 << 20 };

struct session {
	struct call *c;
	struct script_run *run;
	struct arena *arena;     /* the call's */
	struct arena one;        /* for one statement */
	struct map files;        /* that were read, by path */
	struct script_vars vars;
	bool transaction;        /* one may be open */
};
struct level { /* a file that runs */
	const struct level *up;
	const struct script_file *file;
	int deep;
	struct {
		bool on, was; /* this branch counts; it or one before did */
	} ifs[IFS_DEEP];
	int nifs;
};

static enum pg_outcome call_failed(struct session *s, const struct level *l, const struct script_piece *p)
{
	if (s->c->err.kind == ERR_CANCELED)
		return PG_STOPPED;
	if (s->c->err.kind == ERR_STATEMENT_TIMEOUT)
		return PG_LATE;
	script_place_call(s->c, s->run, l->file, p);
	return PG_FAILED;
}

/* Files that only include each other ask nobody else. */
static enum pg_outcome look_up(const struct session *s)
{
	if (s->c->cancel && atomic_load(s->c->cancel))
		return PG_STOPPED;
	return s->c->deadline_ms && clock_mono_ms() >= s->c->deadline_ms ? PG_LATE : PG_OK;
}

/* --- statements --- */

/* With room of its own, that ends with the statement; the head's answers live as long as the call. */
static void run_one(struct session *s, const struct pg_ask *ask, struct pg_answer *a)
{
	if (!s->run->head)
		s->c->arena = &s->one;
	pg_run(s->c, s->run->conn, ask, GRACE_MS, a);
	s->c->arena = s->arena;
}

static void tell(struct session *s, struct pg_answer *a)
{
	const struct script_sink *sink = &s->run->sink;

	for (int i = 0; sink->notice && i < a->nnotices; i++)
		sink->notice(sink->arg, &a->notices[i]);
	if (a->outcome == PG_OK && sink->answer)
		sink->answer(sink->arg, a);
	else
		pg_answer_drop(a);
}

static bool gset(struct session *s, const struct script_piece *p, struct pg_answer *a)
{
	bool ok = a->outcome != PG_OK || script_vars_gset(s->c, &s->vars, p->prefix, a);

	pg_answer_drop(a);
	a->has_rows = false; /* psql shows none */
	a->columns = S("");
	a->rows = a->bytes = 0;
	return ok;
}

static enum pg_outcome run_statement(struct session *s, const struct level *l, const struct script_piece *p, const struct script_text *t,
				     struct pg_ask *ask)
{
	struct pg_answer a;
	enum pg_outcome o;
	bool set = true;

	ask->one_only = s->run->head;
	ask->caps = s->run->caps;
	if (p->gset) {
		ask->text = true;
		ask->caps = (struct pg_caps){2, SCRIPT_VALUE_BYTES};
	}
	run_one(s, ask, &a);
	o = a.outcome;
	if (o == PG_FAILED)
		script_place_notice(s->c, s->run, l->file, p, t, &a.error);
	if (p->gset)
		set = gset(s, p, &a);
	tell(s, &a);
	arena_reset(&s->one);
	return set ? o : call_failed(s, l, p);
}

/* Is there a chance that it begins a transaction? A message of several statements may do so in the middle. */
static bool may_begin(const struct script_piece *p, struct str sql)
{
	bool several = p->nescapes || (p->nuses && str_find(sql, ';') < sql.n);

	return several || str_istarts(sql, S("begin")) || str_istarts(sql, S("start"));
}

static bool refuse_wide(struct call *c, const struct script_piece *p, struct str sql)
{
	struct script_class class;

	script_classify(c, sql, &class);
	if (!class.cluster_wide)
		return true;
	fail_at(c, ERR_NOT_ALLOWED, (int)p->at + 1, "this statement reaches beyond its own database: roles, databases, tablespaces and the like "
		"are shared by all on this server");
	return fail_state(c, "42501", "");
}

static enum pg_outcome run_sql(struct session *s, const struct level *l, const struct script_piece *p)
{
	struct pg_ask ask = {.data = p->data};
	enum pg_outcome o;
	struct script_text t;

	s->c->arena = &s->one;
	if (!script_expand(s->c, p, script_vars_value, &s->vars, &t)) {
		s->c->arena = s->arena;
		return call_failed(s, l, p);
	}
	if (s->run->one_database && !refuse_wide(s->c, p, t.text)) {
		s->c->arena = s->arena;
		o = call_failed(s, l, p);
		s->run->error.code = S("cluster_wide");
		return o;
	}
	s->c->arena = s->arena;
	s->transaction = s->transaction || may_begin(p, t.text);
	ask.sql = t.text;
	return run_statement(s, l, p, &t, &ask);
}

/* --- files of the project --- */

static bool find_file(struct session *s, struct str from, struct str spelled, struct str *ret)
{
	if (!spelled.n)
		return fail(s->c, ERR_SCRIPT, "the name of a file is missing");
	if (!tree_resolve(s->c, from, spelled, ret))
		return false;
	if (!tree_find(s->run->tree, *ret))
		return fail(s->c, ERR_MISSING_INCLUDE, "%.*s is not in the project", (int)str_head(*ret, 200).n, ret->p);
	return true;
}

static enum pg_outcome run_copy(struct session *s, const struct level *l, const struct script_piece *p)
{
	struct pg_ask ask = {.data = p->data};
	struct script_copy copy;
	struct str path;

	if (!script_copy_of(s->c, p, &copy))
		return call_failed(s, l, p);
	if (copy.file.n && (!find_file(s, S(""), copy.file, &path) || !tree_content(s->c, s->run->runner, s->run->tree, path, &ask.data)))
		return call_failed(s, l, p);
	if (!ask.data.p)
		ask.data = S("");
	ask.sql = copy.statement;
	return run_statement(s, l, p, NULL, &ask);
}

static enum pg_outcome run_file(struct session *s, const struct level *up, struct str path);

static enum pg_outcome include(struct session *s, const struct level *l, const struct script_piece *p, struct str spelled)
{
	struct str path;

	if (!find_file(s, p->kind == SCRIPT_INCLUDE_RELATIVE ? l->file->path : S(""), spelled, &path))
		return call_failed(s, l, p);
	for (const struct level *up = l; up; up = up->up)
		if (str_eq(up->file->path, path)) {
			(void)fail(s->c, ERR_INCLUDE_CYCLE, "%.*s includes itself", (int)str_head(path, 200).n, path.p);
			return call_failed(s, l, p);
		}
	if (l->deep >= INCLUDES_DEEP) {
		(void)fail(s->c, ERR_INCLUDE_CYCLE, "files include each other more than %d deep", INCLUDES_DEEP);
		return call_failed(s, l, p);
	}
	return run_file(s, l, path);
}

/* --- meta-commands --- */

static struct str joined(struct session *s, const struct str *v, int n, const char *between)
{
	OWNS(buf) all = {0};

	for (int i = 0; i < n; i++) {
		if (i)
			buf_add(&all, str_of(between));
		buf_add(&all, v[i]);
	}
	return arena_dup(s->c->arena, buf_str(&all));
}

static void echo(struct session *s, const struct str *v, int n)
{
	const struct script_sink *sink = &s->run->sink;
	bool bare = n > 0 && str_eq(v[0], S("-n"));

	if (sink->echo)
		sink->echo(sink->arg, joined(s, v + bare, n - bare, " "));
}

static bool set(struct session *s, const struct str *v, int n)
{
	if (n == 0)
		return true; /* psql would list its variables */
	return script_vars_set(s->c, &s->vars, v[0], joined(s, v + 1, n - 1, ""));
}

static enum pg_outcome run_include(struct session *s, const struct level *l, const struct script_piece *p)
{
	struct str *v;
	int n;

	if (!script_arguments(s->c, p, script_vars_value, &s->vars, &v, &n))
		return call_failed(s, l, p);
	return include(s, l, p, n ? v[0] : S(""));
}

static bool obey(struct session *s, const struct script_piece *p)
{
	struct str *v;
	int n;

	if (!script_arguments(s->c, p, script_vars_value, &s->vars, &v, &n))
		return false;
	if (p->kind == SCRIPT_SET)
		return set(s, v, n);
	if (p->kind == SCRIPT_ECHO)
		echo(s, v, n);
	else if (n)
		script_vars_unset(&s->vars, v[0]);
	return true;
}

static enum pg_outcome run_command(struct session *s, const struct level *l, const struct script_piece *p)
{
	bool ok;

	s->c->arena = &s->one;
	ok = obey(s, p);
	s->c->arena = s->arena;
	arena_reset(&s->one);
	return ok ? PG_OK : call_failed(s, l, p);
}

/* --- \if --- */

static bool counts(const struct level *l, int deep)
{
	return deep == 0 || l->ifs[deep - 1].on;
}

static bool truth(struct session *s, const struct script_piece *p, bool *ret)
{
	struct str *v;
	int n;

	return script_arguments(s->c, p, script_vars_value, &s->vars, &v, &n) && script_truth(s->c, p, joined(s, v, n, " "), ret);
}

/* That they are balanced, and no deeper than this, is script_split()'s to check. */
static enum pg_outcome run_if(struct session *s, struct level *l, const struct script_piece *p)
{
	bool yes = true, asked;
	int i;

	if (p->kind == SCRIPT_ENDIF) {
		l->nifs--;
		return PG_OK;
	}
	if (p->kind == SCRIPT_IF) {
		INVARIANT(l->nifs < IFS_DEEP);
		l->ifs[l->nifs].on = l->ifs[l->nifs].was = false;
		l->nifs++;
	}
	i = l->nifs - 1;
	asked = counts(l, i) && !l->ifs[i].was;
	l->ifs[i].on = false;
	if (!asked)
		return PG_OK;
	if (p->kind != SCRIPT_ELSE && !truth(s, p, &yes))
		return call_failed(s, l, p);
	l->ifs[i].on = l->ifs[i].was = yes;
	return PG_OK;
}

/* --- files --- */

static enum pg_outcome run_piece(struct session *s, struct level *l, const struct script_piece *p)
{
	if (p->kind >= SCRIPT_IF)
		return run_if(s, l, p);
	if (!counts(l, l->nifs))
		return PG_OK;
	if (p->kind == SCRIPT_SQL)
		return run_sql(s, l, p);
	if (p->kind == SCRIPT_INCLUDE || p->kind == SCRIPT_INCLUDE_RELATIVE)
		return run_include(s, l, p);
	return p->kind == SCRIPT_COPY ? run_copy(s, l, p) : run_command(s, l, p);
}

static bool read_file(struct session *s, struct level *l, struct str path)
{
	struct script_file *f = map_get(&s->files, path);

	if (!f) {
		if (!script_file_read(s->c, s->run, path, &f)) {
			l->file = f;
			return false;
		}
		map_put(&s->files, f->path, f);
	}
	l->file = f;
	return true;
}

static enum pg_outcome run_file(struct session *s, const struct level *up, struct str path)
{
	struct level l = {.up = up, .deep = up ? up->deep + 1 : 0};
	enum pg_outcome o = PG_OK;

	if (!read_file(s, &l, path))
		return call_failed(s, &l, NULL);
	for (int i = 0; i < l.file->n && o == PG_OK; i++) {
		o = look_up(s);
		if (o == PG_OK)
			o = run_piece(s, &l, &l.file->v[i]);
	}
	return o;
}

/* --- the end --- */

/* ROLLBACK warns when no transaction is open. */
static enum pg_outcome roll_back(struct session *s)
{
	static const struct pg_notice left = {
		.sqlstate = "25000",
		.severity = S_INIT("WARNING"),
		.message = S_INIT(SCRIPT_LEFT_OPEN),
	};
	struct pg_ask ask = {.sql = S("ROLLBACK")};
	bool open = true;
	struct pg_answer a;

	pg_run(s->c, s->run->conn, &ask, GRACE_MS, &a);
	for (int i = 0; i < a.nnotices; i++)
		open = open && strcmp(a.notices[i].sqlstate, "25P01") != 0;
	pg_answer_drop(&a);
	if (open && a.outcome == PG_OK && s->run->sink.notice)
		s->run->sink.notice(s->run->sink.arg, &left);
	return a.outcome;
}

enum pg_outcome script_run(struct call *c, struct script_run *run, struct str path)
{
	struct session s = {.c = c, .run = run, .arena = c->arena};
	enum pg_outcome o;

	run->error = (struct job_error){0};
	script_vars_open(&s.vars, run->variables, run->nvariables);
	o = run_file(&s, NULL, path);
	if (o == PG_OK && s.transaction)
		o = roll_back(&s);
	script_vars_close(&s.vars);
	map_close(&s.files);
	arena_close(&s.one);
	return o;
}

/* --- the fast path --- */

struct given { /* the job's variables alone */
	const struct job_variable *v;
	int n;
};

static bool given_value(void *arg, struct str name, struct str *ret)
{
	const struct given *g = arg;

	for (int i = 0; i < g->n; i++)
		if (str_eq(g->v[i].name, name)) {
			*ret = g->v[i].value;
			return true;
		}
	return false;
}

static bool expand_given(struct call *c, const struct script_run *run, const struct script_piece *p, struct script_text *ret)
{
	struct given g = {run->variables, run->nvariables};

	return script_expand(c, p, given_value, &g, ret);
}

static bool only_reads(struct call *c, const struct script_run *run, const struct script_piece *p, struct str *ret)
{
	struct script_class class;
	struct script_text t;

	if (p->kind != SCRIPT_SQL || p->gset || p->copy_in || !expand_given(c, run, p, &t))
		return false;
	script_classify(c, t.text, &class);
	*ret = t.text;
	return class.reads_only;
}

bool script_read_only(struct call *c, const struct script_run *run, struct str path, struct str **ret, int *ret_n)
{
	struct script_file *f;
	struct str *v;
	size_t bytes = 0;

	if (!script_file_read(c, run, path, &f) || f->n == 0 || f->n > READ_STATEMENTS_MAX)
		return false;
	v = ARENA_ARRAY(c->arena, struct str, (size_t)f->n);
	for (int i = 0; i < f->n; i++) {
		if (!only_reads(c, run, &f->v[i], &v[i]))
			return false;
		bytes += v[i].n;
		if (bytes > READ_BYTES_MAX) /* all of them are held at once */
			return false;
	}
	*ret = v;
	*ret_n = f->n;
	return true;
}

void script_place_error(struct call *c, struct script_run *run, struct str path, int index, const struct pg_notice *n)
{
	struct script_text t;
	struct script_file *f;

	if (!script_file_read(c, run, path, &f) || index >= f->n || !expand_given(c, run, &f->v[index], &t)) {
		call_forgive(c); /* it was read a moment ago: the place is what is missing */
		f->n = 0;
		script_place_notice(c, run, f, NULL, NULL, n);
		return;
	}
	script_place_notice(c, run, f, &f->v[index], &t, n);
}
