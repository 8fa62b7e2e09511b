/* statement_int.h - inside statement/: what its files do for each other. */
#ifndef MAYFLY_STATEMENT_INT_H
#define MAYFLY_STATEMENT_INT_H

#include "rows/rows.h"
#include "sql/sql.h"
#include "statement/handle.h"

/* compile.c: SQL text to what an engine runs */
struct stmt_world {            /* what a statement is written in: of its request, changed by the script that it is in */
	struct stmt_context context;
	struct stmt_parameters parameters;
	bool (*variable)(void *arg, struct str name, struct str *ret_text); /* as in struct sql_context */
	void *arg;
	struct str session, last_query;
	bool script;               /* one of several: transactions, USE and the like are fine */
};
struct stmt_text {             /* statement `i` of `n` in a text */
	const struct sql_tokens *tokens;
	const struct sql_span *spans;
	int n, i;
};
struct compiled {
	struct engine_ask ask;
	struct sql_class class;
	struct sql_rewrite outer, inner; /* the scope's, and Snowflake's: marks and sf */
	bool moved;                /* outer says something */
	bool at_once;              /* nothing runs: it has succeeded */
};
/* ret->class is known also for many that fail. */
bool stmt_compile(struct call *c, const struct stmt_ask *ask, const struct stmt_world *w, const struct stmt_text *text,
		  struct compiled *ret) NODISCARD;
bool stmt_lex(struct call *c, const struct stmt_ask *ask, struct sql_tokens *ret_tokens,
	      struct stmt_text *ret) NODISCARD; /* i = 0 */
struct stmt_world stmt_world_of(const struct stmt_ask *ask);

/* parameters.c: ALTER SESSION */
bool stmt_parameters_check(struct call *c, const struct sql_snowflake *sf) NODISCARD;
/* `usual`: what UNSET goes back to. Texts are copied. */
void stmt_parameters_apply(struct arena *a, const struct sql_snowflake *sf, const struct stmt_parameters *usual,
			   struct stmt_parameters *v);

/* binds.c: placeholders and their values */
bool stmt_bind_by_rewrite(struct call *c, const struct stmt_ask *ask, const struct sql_tokens *t, const struct sql_rewrite *rw,
			  struct engine_ask *ret) NODISCARD;
/* Native parameters: a list by position, an object by name; the engine finds what is missing. */
void stmt_bind_as_given(struct call *c, const struct stmt_ask *ask, struct engine_ask *ret);
/* The catalog of a session, "__eph_<32 hex>". */
struct str stmt_catalog_name(struct arena *a, struct str session_id);
static inline bool stmt_drops_if_exists(const struct sql_class *k)
{
	return k->if_exists && ((k->kind == SQL_DROP && k->leaf.n > 0) || k->kind == SQL_TRUNCATE);
}
static inline bool stmt_creates_if_not_exists(const struct sql_class *k)
{
	return k->kind == SQL_CREATE && k->if_not_exists && k->leaf.n > 0;
}

/* origins.c: where what runs stood in the client's text, kept as long as it runs */
struct stmt_origins *stmt_origins_of(const struct compiled *k);
int64_t stmt_origin(const struct stmt_origins *o, int64_t position); /* NULL o: -1 */

/* errors.c: what clients are told */
struct stmt_error *stmt_error_of_call(const struct call *c); /* a failed compile */
struct stmt_error *stmt_error_of_engine(struct stmt *st, const struct engine_end *end);
/* The same at a place of the client's text, -1 = not known, of a statement that begins at the byte `from` of it. */
struct stmt_error *stmt_error_at(struct stmt *st, const struct engine_end *end, int64_t position, size_t from);
/* Does IF EXISTS, IF NOT EXISTS, or the state of the transaction make this error none? */
bool stmt_error_is_forgiven(const struct stmt *st, const struct engine_end *end);
/* What a script says of its statement that failed: `text`, at a byte of the script. */
struct stmt_error *stmt_error_of_child(const struct stmt_error *inner, struct str script, size_t at, struct str text);
struct stmt_error *stmt_error_simple(enum err_kind kind, int64_t timeout_ms);
struct stmt_error *stmt_error_of_store(enum err_kind kind, struct str text); /* natively; ERR_STORAGE, ERR_SERVER_RESTARTED */
struct stmt_error *stmt_error_copy(const struct stmt_error *e);              /* NULL for NULL */

/* room.c */
struct statements *stmt_open(struct call *c, const struct statement_options *o) NODISCARD; /* memory alone */

/* submit.c: a statement of a script. It is recorded; then it runs, or has ended. */
bool stmt_child_new(struct call *c, struct stmt *parent, const struct stmt_ask *ask, struct stmt **ret) NODISCARD;
void stmt_child_start(struct call *c, struct stmt *st, struct compiled *k, bool compiled);
/* The task stays with the statement while it runs, instead of a former one that has ended; where the statement has ended
 * meanwhile the task is canceled. */
void stmt_keep_task(struct stmt *st, struct engine_task *task);

/* syntax.c: does an engine's parser read the texts of a script? Nothing of them runs. One owner at a time. */
struct stmt_syntax {
	struct stmt *parent;
	struct arena arena;        /* texts */
	struct engine_sql *texts;
	struct syntax_source *sources; /* of each text */
	int n;
	size_t bytes;
	struct stmt_error *error;  /* of the first that is wrong; owned. NULL = none */
	exec_fn *told;
	void *arg;
};
/* What k would run, which stands at the byte `at` of the script. */
void stmt_syntax_add(struct stmt_syntax *x, const struct compiled *k, size_t at);
bool stmt_syntax_full(const struct stmt_syntax *x);
/* Asks, for the call's tenant; x->error is set and all texts are gone when told(arg) comes, from any thread. */
bool stmt_syntax_ask(struct call *c, struct stmt_syntax *x) NODISCARD;
void stmt_syntax_close(struct stmt_syntax *x);

/* multi.c: takes over the parent's running; fails where it may not begin */
bool stmt_multi_start(struct call *c, struct stmt *parent, const struct stmt_ask *ask, const struct stmt_text *text) NODISCARD;

/* life.c: the one owner of every move */
bool stmt_started(struct stmt *st);
bool stmt_has_ended(struct stmt *st); /* for everybody; takes its lock */
/* Decides how it ends; takes `error`. False when that was decided before. In memory alone it has ended then; else it
 * ends by stmt_settle(), when the stores know. */
bool stmt_end(struct stmt *st, enum stmt_state to, struct stmt_error *error);
/* The end that was decided becomes true for everybody: wakes, tells, starts the TTL; takes `error`. */
void stmt_settle(struct stmt *st, enum stmt_state to, struct stmt_error *error, bool tell);
void stmt_set_counts(struct stmt *st, const struct stmt_counts *n); /* under its lock */
void stmt_changed(struct stmt *st); /* fires on_change watches */
void stmt_expire(struct stmt *st);

/* leases.c */
extern const struct lease_kind stmt_lease_kind;
void stmt_due(struct stmt *st, int64_t due_mono_ms);   /* nothing for a forgotten one */
void stmt_clear_if_forgotten(struct stmt *st);         /* one that was forgotten meanwhile is not left with a lease */

/* run.c: the engine's listener */
extern const struct engine_listener stmt_listener;

/* told.c */
void stmt_tell(struct stmt *st); /* posts the event of its end */

/* shapes.c: result of statements that have none of their own (specification, section 10) */
struct stmt_shape;
/* Before it runs: what it will be, and where its text came from. */
void stmt_shape_plan(struct stmt *st, const struct compiled *k);
/* `forgiven`: it failed of what IF EXISTS, IF NOT EXISTS or the state of a transaction makes no error. */
void stmt_shape(struct stmt *st, const struct engine_end *end, bool forgiven);
void stmt_shape_children(struct stmt *st);
void stmt_succeed_at_once(struct stmt *st);

/* results.c */
bool stmt_add_part(struct stmt *st, const struct engine_part *p); /* takes p->bytes */
void stmt_count_kept(struct stmt *st, int64_t bytes); /* of a former process: a store has them */
void stmt_give_up(struct stmt *st);       /* a store has the bytes: not in memory or a spool file any more */
void stmt_results_done(struct stmt *st);  /* after success: spool what must be */
void stmt_drop_results(struct stmt *st);  /* shard lock not held */
/* A reference to the bytes of partition i as stored. Blocks when it is spooled. */
bool stmt_stored_part(struct call *c, struct stmt *st, int i, struct engine_bytes **ret, bool *ret_gzip) NODISCARD;

/* cache.c: results that are given again */
struct cache *stmt_cache_open(void);
void stmt_cache_close(struct cache *k); /* NULL is fine */
void stmt_cache_stats(struct cache *k, struct statement_stats *ret);
/* True: the statement has ended with a former result. False: it runs, and may be kept when the engine says it is repeatable. */
bool stmt_cache_answers(const struct call *c, struct stmt *st, const struct stmt_ask *ask, struct compiled *k);
void stmt_cache_keep(struct stmt *st); /* before it ends */

/* serve.c: partition i of a finished statement, plain; blocks */
struct plain_part {
	struct str text; /* borrows from the two below */
	struct engine_bytes *stored;
	struct buf plain;
};
bool plain_part_open(struct call *c, struct stmt *st, int i, struct plain_part *ret) NODISCARD; /* ret is empty, but for memory */
void plain_part_close(struct plain_part *p); /* keeps the memory of `plain` for the next one */
void plain_part_drop(struct plain_part *p);

/* convert.c: partition i in `form` as {"data":[…]}, plain; blocks */
bool stmt_part_as(struct call *c, struct stmt *st, int i, enum engine_form form, struct buf *ret) NODISCARD;

/* places.c: handles under the caps of tenant and session */
struct tenant_use *stmt_tenant(struct statements *s, struct str tenant);
bool stmt_take_place(struct call *c, struct stmt *st) NODISCARD; /* or says which cap is full */
/* May n more begin? Nothing is taken. */
bool stmt_has_room(struct call *c, struct statements *s, struct str session_id, int64_t n) NODISCARD;
void stmt_force_place(struct stmt *st);                          /* of a former process: caps or not */
bool stmt_leave_place(struct stmt *st);                          /* false: it had none any more */
void stmt_places_close(struct statements *s);

/* statement.c: handles in the map */
struct stmt_texts { /* of a new one; copied */
	struct str handle, sql, principal, session_id, query_tag;
};
struct stmt *stmt_alloc(struct statements *s, const struct stmt_texts *t); /* one reference; in no map and no list */
void stmt_enter(struct stmt *st);           /* into the map, which takes a reference */
/* Out of the map and of every list; the map's reference goes. False: somebody else did that. */
bool stmt_unlink(struct stmt *st);
void stmt_running_free(struct running *run); /* NULL is fine */
struct stmt *stmt_get(struct statements *s, struct str handle); /* a reference, or NULL */
struct str stmt_request(const struct stmt *st);                 /* the correlation id of its call; as long as it is not told */
bool stmt_owns(const struct call *c, const struct stmt *st);    /* its principal, or an admin of its tenant */
struct stmt **stmt_all(struct statements *s, size_t *ret_n);    /* references; free() it */

struct stmt_children *stmt_children_new(struct str handles);    /* recorded.c; NULL for none */

/* lists.c */
bool stmt_passes(struct stmt *st, const struct stmt_filter *f);

/* grants.c; under the statement's lock, but for stmt_grants_of */
bool stmt_may_read(const struct call *c, const struct stmt *st);
struct stmt_grants *stmt_grants_of(const struct str *v, int n); /* NULL for none */

/* run.c */
struct columns *stmt_columns_new(struct str packed);
void stmt_columns_unref(struct columns *sh);                        /* NULL is fine */
void stmt_set_columns(struct stmt *st, struct str packed);      /* under its lock; nothing when they are known */

#endif
