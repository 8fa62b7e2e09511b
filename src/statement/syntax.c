/* syntax.c - texts of a script, parsed by an engine before any of them runs.
 *
 *   add … add ──▶ ask ──▶ (engine) ──▶ error or none ──▶ told
 *
 * What sql/ has let through may still be none of the engine's language. Not here: which texts a script has (multi.c).
 * Threads: one owner at a time, the caller or, between ask and told, the engine's loop.
 */
#include "statement/statement_int.h"

#include <stdlib.h>

enum { ASKED_BYTES = 4 << 20 }; /* of one task, about */

struct syntax_source {
	size_t at;                     /* of its statement, in the script */
	struct stmt_origins *origins;  /* owned; NULL = no place of it is the client's */
};

static void clear(struct stmt_syntax *x)
{
	for (int i = 0; i < x->n; i++)
		free(x->sources[i].origins);
	x->n = 0;
	x->bytes = 0;
	x->texts = NULL;
	x->sources = NULL;
	arena_reset(&x->arena);
}

void stmt_syntax_close(struct stmt_syntax *x)
{
	clear(x);
	free(x->error);
	arena_close(&x->arena);
}

static void add(struct stmt_syntax *x, struct str sql, size_t at, struct stmt_origins *origins)
{
	if (!x->texts) {
		x->texts = ARENA_ARRAY(&x->arena, struct engine_sql, ENGINE_STEPS_MAX);
		x->sources = ARENA_ARRAY(&x->arena, struct syntax_source, ENGINE_STEPS_MAX);
	}
	x->texts[x->n] = (struct engine_sql){arena_dup(&x->arena, sql), ENGINE_STATUS};
	x->sources[x->n++] = (struct syntax_source){at, origins};
	x->bytes += sql.n;
}

void stmt_syntax_add(struct stmt_syntax *x, const struct compiled *k, size_t at)
{
	if (k->at_once || k->ask.verb != ENGINE_SQL)
		return;
	for (int i = 0; i < k->ask.nsteps && x->n < ENGINE_STEPS_MAX; i++)
		add(x, k->ask.steps[i].sql, at, NULL);
	if (k->ask.sql.n && x->n < ENGINE_STEPS_MAX)
		add(x, k->ask.sql, at, stmt_origins_of(k));
}

bool stmt_syntax_full(const struct stmt_syntax *x)
{
	return x->n >= ENGINE_STEPS_MAX / 2 || x->bytes >= ASKED_BYTES;
}

/* --- what the engine tells --- */

static void on_started(void *arg)
{
	(void)arg;
}

static void on_columns(void *arg, struct str packed)
{
	(void)arg;
	(void)packed;
}

static void on_part(void *arg, const struct engine_part *part)
{
	(void)arg;
	engine_bytes_unref(part->bytes);
}

static void on_progress(void *arg, double fraction)
{
	(void)arg;
	(void)fraction;
}

static struct stmt_error *error_of(struct stmt_syntax *x, const struct engine_end *end)
{
	bool named = end->outcome == ENGINE_FAILED && end->rows >= 0 && end->rows < x->n;
	const struct syntax_source *s = named ? &x->sources[end->rows] : NULL;
	int64_t position = s ? stmt_origin(s->origins, end->position) : -1;

	return stmt_error_at(x->parent, end, position < 0 ? -1 : position + (int64_t)s->at, s ? s->at : 0);
}

static void on_ended(void *arg, const struct engine_end *end)
{
	struct stmt_syntax *x = arg;

	if (end->outcome != ENGINE_OK)
		x->error = error_of(x, end);
	clear(x);
	x->told(x->arg);
}

static const struct engine_listener listener = {on_started, on_columns, on_part, on_progress, on_ended};

/* --- asking --- */

bool stmt_syntax_ask(struct call *c, struct stmt_syntax *x)
{
	const struct engine_ask ask = {
		.verb = ENGINE_PARSE, .steps = x->texts, .nsteps = x->n, .counts = ENGINE_STATUS, .tenant = c->tenant, .form = ENGINE_SNOWFLAKE,
		.helpers = true,
	};
	struct stmt *parent = stmt_ref(x->parent);
	struct engine_task *task;
	bool ok = engine_run(c, parent->room->o.engine, &ask, &listener, x, &task);

	if (ok) /* from here on x is the engine's, and may be gone */
		stmt_keep_task(parent, task);
	statement_unref(parent);
	return ok;
}
