/* run.c - what the engine tells of a statement, on the engine's loop. */
#include "statement/statement_int.h"

#include <stdlib.h>

static void on_started(void *arg)
{
	stmt_started(arg);
}

/* --- columns: statements of a shard with the same ones share them, while they are among the latest --- */

struct columns *stmt_columns_new(struct str packed)
{
	struct columns *sh = base_alloc(sizeof(*sh) + packed.n);

	atomic_init(&sh->refs, 1);
	sh->n = (uint32_t)packed.n;
	if (packed.n)
		memcpy(sh->packed, packed.p, packed.n);
	return sh;
}

void stmt_columns_unref(struct columns *sh)
{
	if (sh && atomic_fetch_sub(&sh->refs, 1) == 1)
		free(sh);
}

void stmt_set_columns(struct stmt *st, struct str packed)
{
	struct columns **latest = &stmt_shard(st)->latest[hash_bytes(packed) % LATEST];

	if (st->columns || packed.n > UINT32_MAX)
		return;
	if (!*latest || !str_eq(packed, str_from((*latest)->packed, (*latest)->n))) {
		stmt_columns_unref(*latest);
		*latest = stmt_columns_new(packed);
	}
	atomic_fetch_add(&(*latest)->refs, 1);
	st->columns = *latest;
}

static void on_columns(void *arg, struct str packed)
{
	struct stmt *st = arg;

	stmt_lock(st);
	if (!stmt_over(st))
		stmt_set_columns(st, packed);
	stmt_unlock(st);
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

struct stmt_counts stmt_counts(const struct stmt *st)
{
	return (struct stmt_counts){
		.inserted = st->counting == ENGINE_INSERTED ? st->changed : 0,
		.updated = st->counting == ENGINE_UPDATED ? st->changed : 0,
		.deleted = st->counting == ENGINE_DELETED ? st->changed : 0,
	};
}

static void count_changes(struct stmt *st, int64_t n)
{
	stmt_lock(st);
	if (!stmt_over(st))
		st->changed = n;
	stmt_unlock(st);
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
		if (end->repeatable)
			stmt_cache_keep(st);
		stmt_end(st, STMT_SUCCEEDED, NULL);
	} else {
		stmt_end(st, end->outcome == ENGINE_INTERRUPTED ? STMT_CANCELED : STMT_FAILED, stmt_error_of_engine(st, end));
	}
	statement_unref(st);
}

const struct engine_listener stmt_listener = {on_started, on_columns, on_part, on_progress, on_ended};
