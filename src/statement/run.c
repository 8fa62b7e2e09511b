/* run.c - what the engine tells of a statement, on the engine's loop. */
#include "statement/statement_int.h"

#include <stdlib.h>

static void on_started(void *arg)
{
	stmt_started(arg);
}

static void on_columns(void *arg, struct str packed)
{
	struct stmt *st = arg;
	char *copy = base_alloc(packed.n);

	memcpy(copy, packed.p, packed.n);
	stmt_lock(st);
	if (!st->columns.p && !fsm_terminal(stmt_fsm, st->state)) {
		st->columns = str_from(copy, packed.n);
		copy = NULL;
	}
	stmt_unlock(st);
	free(copy);
}

static void on_part(void *arg, const struct engine_part *part)
{
	if (stmt_add_part(arg, part))
		stmt_changed(arg);
}

static void on_progress(void *arg, double fraction)
{
	struct stmt *st = arg;

	stmt_lock(st);
	st->progress = (float)(fraction < 0 ? 0 : fraction > 1 ? 1 : fraction);
	stmt_unlock(st);
	stmt_changed(st);
}

static void count_changes(struct stmt *st, int64_t n)
{
	switch (st->counting) {
	case ENGINE_INSERTED:
		st->counts.inserted = n;
		break;
	case ENGINE_UPDATED:
		st->counts.updated = n;
		break;
	case ENGINE_DELETED:
		st->counts.deleted = n;
		break;
	case ENGINE_ROWS:
	case ENGINE_STATUS:
		break;
	}
}

/* What Snowflake shows where DuckDB shows nothing. */
static void shape(struct stmt *st, int64_t n, bool missing)
{
	if (st->status_shape)
		stmt_shape_status(st, missing);
	else if (st->snowflake && st->counting != ENGINE_ROWS)
		stmt_shape_counter(st, n);
}

static void on_ended(void *arg, const struct engine_end *end)
{
	struct stmt *st = arg;
	bool missing = st->may_be_missing && stmt_error_is_missing(end);

	if (end->outcome == ENGINE_OK || missing) {
		count_changes(st, end->rows);
		shape(st, end->rows, missing);
		stmt_end(st, STMT_SUCCEEDED, NULL);
	} else {
		stmt_end(st, end->outcome == ENGINE_INTERRUPTED ? STMT_CANCELED : STMT_FAILED, stmt_error_of_engine(st, end));
	}
	statement_unref(st);
}

const struct engine_listener stmt_listener = {on_started, on_columns, on_part, on_progress, on_ended};
