/* change.c - one request: its connection, its steps, the transaction around them.
 *
 *   no transaction   one statement that DuckDB commits itself
 *   its own          steps, rows of an array of binds, all that changes a session's catalog: all or nothing
 *   the script's     between BEGIN and COMMIT of a script: what fails leaves it to be rolled back
 *
 * What meets another's change on its way ("Conflict on update!") is tried again, as long as nothing of it was told. Not here:
 * one statement (run.c), what a catalog may hold (usage.c). On its executor's thread.
 */
#include "engine/worker/worker.h"
#include "sql/sql.h"

enum { CONFLICT_MS = 10000, CONFLICT_PAUSE_MS = 64 };

/* What a statement is that changes something other than rows. */
static void classify(struct task *t, struct sql_class *ret)
{
	struct sql_tokens tokens;

	*ret = (struct sql_class){.kind = SQL_INSERT};
	if (t->ask.counts != ENGINE_STATUS && t->ask.counts != ENGINE_ROWS)
		return;
	if (sql_lex(&t->call, SQL_DUCKDB, t->ask.sql, &tokens)) {
		sql_classify(&t->call, &tokens, (struct sql_span){0, tokens.n}, ret);
		return;
	}
	call_forgive(&t->call);
	ret->kind = SQL_UNKNOWN; /* DuckDB says what is wrong */
}

/* DuckDB refuses these in a transaction, or they are none of its business. */
static bool stands_alone(const struct sql_class *k)
{
	static const enum sql_kind kinds[] = {SQL_VACUUM, SQL_ANALYZE, SQL_CHECKPOINT, SQL_PRAGMA, SQL_BEGIN, SQL_COMMIT,
					      SQL_ROLLBACK, SQL_USE, SQL_SET, SQL_RESET, SQL_SHOW, SQL_UNKNOWN};

	for (size_t i = 0; i < COUNT_OF(kinds); i++)
		if (k->kind == kinds[i])
			return true;
	return false;
}

static bool makes_function(const struct sql_class *k)
{
	return (k->kind == SQL_CREATE || k->kind == SQL_EXPLAIN) &&
	       (str_eq(k->object, S("MACRO")) || str_eq(k->object, S("FUNCTION")));
}

/* --- steps --- */

/* A MERGE says what became of each row. */
static void ask_for_actions(struct task *t)
{
	struct sql_tokens tokens;
	const struct sql_token *last;
	int n;

	if (t->ask.counts != ENGINE_MERGED)
		return;
	if (!sql_lex(&t->call, SQL_DUCKDB, t->ask.sql, &tokens)) {
		call_forgive(&t->call);
		return;
	}
	for (n = tokens.n; n > 0 && str_eq(tokens.v[n - 1].text, S(";")); n--)
		;
	if (n == 0)
		return;
	last = &tokens.v[n - 1];
	t->ask.sql = arena_fmt(t->call.arena, "%.*s RETURNING merge_action", SARG(str_head(t->ask.sql, last->at + last->text.n)));
}

/* As if it had been asked for; a place in it is none of the client's text. */
static bool run_step(struct executor *x, struct task *t, struct session *s, const struct engine_sql *step)
{
	struct engine_ask ask = t->ask;
	bool ok;

	t->ask.sql = step->sql;
	t->ask.counts = step->counts == ENGINE_ROWS ? ENGINE_STATUS : step->counts;
	ask_for_actions(t);
	ok = statement_run(x, t, s);
	t->ask = ask;
	if (!ok)
		t->end.position = -1;
	return ok;
}

/* `ch`: the transaction that they are in, and that has to know what they touched; NULL: none. */
static bool run_all(struct executor *x, struct task *t, struct session *s, struct change *ch)
{
	int64_t *rows = t->ask.nsteps ? ARENA_ARRAY(t->call.arena, int64_t, (size_t)t->ask.nsteps) : NULL;

	for (int i = 0; i < t->ask.nsteps; i++) {
		t->end.rows = 0;
		if (!run_step(x, t, s, &t->ask.steps[i]))
			return false;
		rows[i] = t->end.rows;
		if (ch && t->ask.writes)
			catalog_note(x, t, ch, t->ask.steps[i].sql);
	}
	t->end.rows = 0;
	ask_for_actions(t);
	if (!statement_run(x, t, s))
		return false;
	t->end.step_rows = rows;
	t->end.nsteps = t->ask.nsteps;
	if (ch && t->ask.writes)
		catalog_note(x, t, ch, t->ask.sql);
	return true;
}

/* All of it, a catalog within its limits, or nothing. */
static bool run_change(struct executor *x, struct task *t, struct session *s)
{
	struct change ch = {0};
	bool alone = t->ask.nsteps == 0, ok;
	struct str sql = t->ask.sql;

	if (!catalog_begin(x, t, s, &ch))
		return false;
	ok = run_all(x, t, s, alone ? NULL : &ch);
	if (ok)
		ok = catalog_commit(x, t, &ch, alone ? sql : S(""));
	else
		catalog_rollback(&ch);
	buf_drop(&ch.touched);
	return ok;
}

/* --- the script's transaction --- */
static bool is_open(const struct task *t)
{
	return t->change && t->change->session;
}

static bool run_word(struct executor *x, struct task *t, struct session *s, enum sql_kind kind)
{
	if (kind == SQL_BEGIN)
		return is_open(t) || catalog_begin(x, t, s, t->change);
	if (kind == SQL_COMMIT)
		return !is_open(t) || catalog_commit(x, t, t->change, S(""));
	catalog_rollback(t->change);
	return true;
}

static bool is_word(const struct task *t, const struct sql_class *k)
{
	return t->change && (k->kind == SQL_BEGIN || k->kind == SQL_COMMIT || k->kind == SQL_ROLLBACK);
}

static bool run_once(struct executor *x, struct task *t, struct session *s, const struct sql_class *k)
{
	if (!executor_runs(x, s))
		return task_fails(t, "INTERRUPT", "Interrupted!");
	if (t->ask.commits_before && is_open(t) && (!catalog_commit(x, t, t->change, S("")) || !executor_runs(x, s)))
		return t->end.outcome != ENGINE_OK ? false : task_fails(t, "INTERRUPT", "Interrupted!");
	if (t->ask.verb != ENGINE_SQL)
		return run_verb(x, t);
	if (!session_context(x, t, s))
		return false;
	if (t->ask.writes && makes_function(k) && !functions_may_be_called(x, t, k->leaf))
		return false;
	if (is_word(t, k))
		return run_word(x, t, s, k->kind);
	if (is_open(t))
		return run_all(x, t, s, t->change);
	if (t->ask.nsteps || t->ask.batch || (t->catalog && t->ask.writes && !stands_alone(k)))
		return run_change(x, t, s);
	return run_all(x, t, s, NULL);
}

/* --- again --- */
static bool is_conflict(const struct task *t)
{
	return t->end.outcome == ENGINE_FAILED &&
	       (str_ieq(t->end.class, S("TransactionContext")) || str_ieq(t->end.class, S("Transaction"))) &&
	       str_search(t->end.text, S("onflict")) < t->end.text.n;
}

/* Nothing of it was told, and nothing came before it in its transaction. */
static bool may_try_again(const struct task *t)
{
	return is_conflict(t) && t->ask.counts != ENGINE_ROWS && !t->broken && !is_open(t);
}

/* May a name mean another thing than before, for whoever sees what was committed? */
static bool defines(const struct task *t, const struct sql_class *k)
{
	static const enum sql_kind nothing[] = {SQL_SELECT, SQL_SHOW, SQL_EXPLAIN, SQL_INSERT, SQL_UPDATE, SQL_DELETE, SQL_MERGE,
						SQL_TRUNCATE, SQL_BEGIN, SQL_ROLLBACK, SQL_USE, SQL_SET, SQL_RESET};

	if (!t->ask.writes && !t->change)
		return false;
	if (k->kind == SQL_COMMIT)
		return t->change && t->change->defines;
	for (int i = 0; i < t->ask.nsteps; i++)
		if (t->ask.steps[i].counts == ENGINE_STATUS)
			return true;
	for (size_t i = 0; i < COUNT_OF(nothing); i++)
		if (k->kind == nothing[i])
			return false;
	return true;
}

static void run_in(struct executor *x, struct task *t, struct session *s)
{
	int64_t until = clock_mono_ms() + CONFLICT_MS, pause = 1;
	const struct engine_ask ask = t->ask;
	struct sql_class class = {.kind = SQL_UNKNOWN};

	if (t->ask.writes || t->change)
		classify(t, &class);
	while (!run_once(x, t, s, &class) && may_try_again(t) && clock_mono_ms() < until) {
		executor_runs(x, NULL);
		if (!executor_pause(x, pause))
			break;
		pause = pause < CONFLICT_PAUSE_MS ? pause * 2 : pause;
		t->ask = ask;
		t->end = (struct engine_end){.position = -1};
	}
	executor_runs(x, NULL);
	if (t->end.outcome == ENGINE_FAILED && executor_canceled(x) && !t->broken)
		t->end.outcome = ENGINE_INTERRUPTED;
	if (t->end.outcome == ENGINE_OK && t->ask.judge && !t->change && statement_repeatable(x, t, s))
		parts_repeatable(&x->parts, t);
	t->end.nowhere = t->nowhere;
	if (t->end.outcome == ENGINE_OK && t->ask.counts == ENGINE_STATUS)
		session_forget(s);
	if (t->end.outcome == ENGINE_OK && defines(t, &class)) {
		executor_defined(x);
		if (t->change)
			t->change->defines = true;
	}
}

/* --- where it runs --- */
static void run_in_script(struct executor *x, struct task *t)
{
	struct session *s = script_enter(x, t);

	if (!s)
		return;
	run_in(x, t, s);
	t->change = NULL;
	script_leave(x, s);
}

static void run_in_catalog(struct executor *x, struct task *t)
{
	struct session *s = NULL;

	if (!catalog_enter(x, t, t->ask.outlives))
		return;
	if (t->ask.script) {
		run_in_script(x, t);
	} else {
		s = catalog_session(x, t);
		if (s)
			run_in(x, t, s);
	}
	catalog_leave(x, t, s);
}

static void run_in_own(struct executor *x, struct task *t)
{
	struct session *s = executor_session(x, t);

	if (!s)
		return;
	run_in(x, t, s);
	if (t->ask.session_state || t->end.outcome != ENGINE_OK)
		worker_session_close(s);
}

/* Wherever it is asked for: no session is needed. */
static void parse(struct executor *x, struct task *t)
{
	if (!run_parse(x, t) && executor_canceled(x) && !t->broken)
		t->end.outcome = ENGINE_INTERRUPTED;
}

void run_statement(struct executor *x, struct task *t)
{
	t->end.position = -1;
	if (t->ask.verb == ENGINE_PARSE)
		parse(x, t);
	else if (t->scope.name.n)
		run_in_catalog(x, t);
	else if (t->ask.script)
		run_in_script(x, t);
	else
		run_in_own(x, t);
}
