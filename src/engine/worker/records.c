/* records.c - a batch of steps on one file: all of them or none.
 *
 * One step is its own transaction; more are bracketed. Runs on its executor's
 * thread, which has the file for itself as long as the batch takes.
 */
#include "engine/worker/records.h"

#include <unistd.h>

struct batch {
	struct executor *x;
	struct task *t;
	struct session *session;
	struct rows_out rows;
	int64_t changed, told; /* rows: changed, of the last step that gave any */
	bool alone;            /* its one step is the transaction */
	bool committing;       /* a failure from here on leaves open what is on the disk */
};

/* --- binds --- */
static duckdb_state bind_cell(duckdb_prepared_statement st, idx_t at, const struct engine_cell *v)
{
	switch (v->kind) {
	case ENGINE_CELL_NULL:
		return duckdb_bind_null(st, at);
	case ENGINE_CELL_INT:
		return duckdb_bind_int64(st, at, v->integer);
	case ENGINE_CELL_REAL:
		return duckdb_bind_double(st, at, v->real);
	case ENGINE_CELL_TEXT:
		return duckdb_bind_varchar_length(st, at, v->s.n ? v->s.p : "", v->s.n);
	case ENGINE_CELL_BYTES:
		return duckdb_bind_blob(st, at, v->s.n ? v->s.p : "", v->s.n);
	}
	return DuckDBError;
}

static bool bind_cells(struct task *t, duckdb_prepared_statement st, const struct engine_step *s)
{
	if (duckdb_nparams(st) != (idx_t)s->nbinds)
		return task_fails(t, "Binder", "A step takes %d values, not %d", (int)duckdb_nparams(st), s->nbinds);
	for (int i = 0; i < s->nbinds; i++)
		if (bind_cell(st, (idx_t)i + 1, &s->binds[i]) != DuckDBSuccess)
			return task_fails(t, "Binder", "Value %d of a step is not taken", i + 1);
	return true;
}

/* --- steps --- */
static bool count_changes(struct batch *b, duckdb_result *r, int64_t *ret)
{
	duckdb_data_chunk chunk;

	*ret = 0;
	for (;;) {
		if (!task_fetch(b->t, r, &chunk))
			return false;
		if (!chunk)
			return true;
		if (duckdb_data_chunk_get_size(chunk) > 0)
			*ret = *(int64_t *)duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 0));
		duckdb_destroy_data_chunk(&chunk);
	}
}

/* Rows that it gave, or changed. */
static bool take_result(struct batch *b, duckdb_result *r, int64_t *ret)
{
	if (duckdb_result_return_type(*r) == DUCKDB_RESULT_TYPE_QUERY_RESULT) {
		if (!rows_send(b->x, b->t, r, &b->rows))
			return false;
		*ret = b->rows.total;
		b->told = *ret ? *ret : b->told;
		return true;
	}
	if (duckdb_result_return_type(*r) != DUCKDB_RESULT_TYPE_CHANGED_ROWS) {
		*ret = 0;
		return true;
	}
	if (!count_changes(b, r, ret))
		return false;
	b->changed += *ret;
	return true;
}

static bool run_prepared(struct batch *b, duckdb_prepared_statement st, const struct engine_step *s)
{
	duckdb_result r;
	int64_t n = 0;
	bool ok;

	b->committing = b->alone && duckdb_prepared_statement_type(st) != DUCKDB_STATEMENT_TYPE_SELECT;
	if (!bind_cells(b->t, st, s) || !task_execute(b->t, st, &r))
		return false;
	ok = take_result(b, &r, &n);
	duckdb_destroy_result(&r);
	if (ok && s->must_change && n == 0)
		ok = task_fails(b->t, "Conflict", "A row that was to be changed is not as it was");
	return ok;
}

static bool run_step(struct batch *b, const struct engine_step *s)
{
	duckdb_prepared_statement st;
	bool kept, ok;

	b->t->ask = (struct engine_ask){.sql = s->sql};
	if (!session_prepare(b->t, b->session, &st, &kept))
		return false;
	ok = run_prepared(b, st, s);
	if (kept)
		duckdb_clear_bindings(st); /* they may be large */
	else
		duckdb_destroy_prepare(&st);
	return ok;
}

static bool run_steps(struct batch *b, const struct engine_records_ask *ask)
{
	for (int i = 0; i < ask->nsteps; i++) {
		b->rows.at_once = i == ask->nsteps - 1;
		if (executor_canceled(b->x))
			return task_fails(b->t, "INTERRUPT", "Interrupted!");
		if (!run_step(b, &ask->steps[i]))
			return false;
	}
	return true;
}

/* --- transactions --- */
static bool query(struct batch *b, const char *sql)
{
	duckdb_result r;
	bool ok = duckdb_query(b->session->con, sql, &r) == DuckDBSuccess || task_failed_by_duckdb(b->t, duckdb_result_error(&r));

	duckdb_destroy_result(&r);
	return ok;
}

static void roll_back(struct batch *b)
{
	duckdb_result r;

	duckdb_query(b->session->con, "ROLLBACK", &r); /* refused: nothing is open any more */
	duckdb_destroy_result(&r);
}

/* What it changed may be given back as rows, which must be read before the commit. */
static bool stands_alone(struct task *t, const struct engine_records_ask *ask)
{
	struct str sql = ask->nsteps == 1 ? arena_lower(t->call.arena, ask->steps[0].sql) : (struct str){NULL, 0};

	return sql.n && str_search(sql, S("returning")) == sql.n;
}

static bool run_batch(struct batch *b, const struct engine_records_ask *ask)
{
	b->alone = stands_alone(b->t, ask);
	if (b->alone || ask->nsteps == 0)
		return run_steps(b, ask);
	if (!query(b, "BEGIN TRANSACTION"))
		return false;
	if (!run_steps(b, ask) || !rows_release(b->x, b->t, &b->rows)) {
		roll_back(b);
		return false;
	}
	executor_runs(b->x, NULL); /* a cancel comes too late now */
	b->committing = true;
	return query(b, "COMMIT");
}

/* Damage that is found while reading. */
static bool is_damage(struct str text)
{
	static const char *const says[] = {"Corrupt database file", "Could not read enough bytes", "Serialization Error"};

	for (size_t i = 0; i < COUNT_OF(says); i++)
		if (str_search(text, str_of(says[i])) < text.n)
			return true;
	return false;
}

/* DuckDB gave the file up. Before a commit nothing is kept, and only this file is closed. */
static void judge(struct batch *b)
{
	struct task *t = b->t;

	if (t->end.outcome == ENGINE_FAILED && executor_canceled(b->x) && !t->broken)
		t->end.outcome = ENGINE_INTERRUPTED;
	if (t->end.outcome == ENGINE_FAILED && is_damage(t->end.text))
		t->end.class = S("Corrupt");
	if (!b->committing)
		t->broken = false;
}

static bool run_on(struct executor *x, struct task *t, struct records_file *f, const struct engine_records_ask *ask)
{
	struct batch b = {.x = x, .t = t, .session = records_session(f)};
	bool ok, usable;

	ok = executor_runs(x, b.session) ? run_batch(&b, ask) : task_fails(t, "INTERRUPT", "Interrupted!");
	executor_runs(x, NULL);
	usable = !t->broken;
	if (!ok)
		judge(&b);
	else if (!records_settle(t, f))
		t->broken = true; /* it is committed, but may not survive the machine */
	if (ok)
		t->end.rows = b.told ? b.told : b.changed;
	rows_drop(&b.rows);
	return usable;
}

void run_records(struct executor *x, struct task *t, struct str body)
{
	struct records *r = executor_records(x);
	struct engine_records_ask ask;
	struct records_file *f;

	t->end.position = -1;
	if (!wire_get_records(&t->call, body, &ask))
		_exit(WORKER_EXIT_BAD_PACKET);
	if (ask.drop) {
		(void)!records_drop(r, t, ask.file);
		return;
	}
	f = records_take(r, t, &ask);
	if (!f)
		return;
	if (run_on(x, t, f, &ask))
		x->file = f; /* until the answer is on its way */
	else
		records_discard(r, f);
}

void records_answered(struct executor *x)
{
	struct records_file *f = x->file;

	x->file = NULL;
	if (f)
		records_tend(executor_records(x), f);
}
