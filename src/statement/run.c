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
	sh->formatted = engine_columns_formatted(packed);
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

enum { SHOWN_LENGTH = 16777216 }; /* of texts in what SHOW and DESCRIBE answer */

static void pack_shown(struct str packed, struct buf *out)
{
	OWNS(arena) a = {0};
	struct engine_column *v;
	struct call c;
	int n;

	call_open(&c, &a);
	if (!engine_columns(&c, packed, &v, &n)) {
		buf_add(out, packed);
		return;
	}
	for (int i = 0; i < n; i++)
		v[i].length = v[i].length > SHOWN_LENGTH ? SHOWN_LENGTH : v[i].length;
	engine_pack_columns(v, n, out);
}

static void on_columns(void *arg, struct str packed)
{
	struct stmt *st = arg;
	bool shown = st->snowflake && st->kind == SQL_SHOW;
	OWNS(buf) other = {0};

	if (shown)
		pack_shown(packed, &other);
	stmt_lock(st);
	if (!stmt_over(st))
		stmt_set_columns(st, shown ? buf_str(&other) : packed);
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

static void count_changes(struct stmt *st, const struct engine_end *end, bool forgiven)
{
	struct stmt_counts n = {end->inserted, end->updated, end->deleted};

	if (!n.inserted && !n.updated && !n.deleted) {
		n.inserted = st->counting == ENGINE_INSERTED ? end->rows : 0;
		n.updated = st->counting == ENGINE_UPDATED ? end->rows : 0;
		n.deleted = st->counting == ENGINE_DELETED ? end->rows : 0;
	}
	stmt_lock(st);
	if (!stmt_over(st))
		stmt_set_counts(st, &n);
	st->forgiven = forgiven;
	stmt_unlock(st);
}

static void on_ended(void *arg, const struct engine_end *end)
{
	struct stmt *st = arg;
	bool forgiven = stmt_error_is_forgiven(st, end);

	if (end->outcome == ENGINE_OK || forgiven) {
		count_changes(st, end, forgiven);
		stmt_shape(st, end, forgiven);
		if (end->repeatable)
			stmt_cache_keep(st);
		stmt_end(st, STMT_SUCCEEDED, NULL);
	} else {
		stmt_end(st, end->outcome == ENGINE_INTERRUPTED ? STMT_CANCELED : STMT_FAILED, stmt_error_of_engine(st, end));
	}
	statement_unref(st);
}

const struct engine_listener stmt_listener = {on_started, on_columns, on_part, on_progress, on_ended};
