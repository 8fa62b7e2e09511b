/* multi.c - a request with several statements: a script, and a handle for each of its statements.
 *
 *   submit ──▶ check ──▶ parsed ──▶ check … ──▶ step ──▶ child runs ──▶ its end ──▶ step … ──▶ the parent ends
 *              pool      engine     pool        pool     engine's loop             pool
 *
 * Before anything runs all statements are compiled in turn, each in the state
 * that the former ones would leave, and what they would run is parsed by the
 * engine, many at once; an error refuses the script. Then each is
 * compiled again in the true state, and runs in the script's own connection. A
 * child is made when its turn comes: those behind a failure are never made.
 *
 * A script has one owner at a time: the job that works on it, or the watch on
 * the child that runs; so it needs no lock, and no thread waits.
 */
#include "statement/kept.h"

#include <stdlib.h>

struct piece {
	size_t at, n;            /* of the script's text */
};

struct multi {
	struct statements *room;
	struct stmt *parent, *child; /* references; the child that runs, or ran last; NULL = none yet */
	struct arena arena;      /* texts of the request and of the state */
	struct stmt_ask ask;     /* of every child, but for text and parameters */
	struct call who;         /* tenant, principal, role, correlation */
	struct stmt_world world; /* the script's state */
	struct map variables;    /* name -> struct variable */
	struct sql_snowflake change; /* what the child's success changes */
	enum sql_kind kind;      /* the child's */
	struct piece *pieces;
	int n, checked, next;
	struct stmt_syntax syntax; /* of those that were checked last */
	struct buf handles;      /* of the children */
	char last[ID_LEN];
	uint64_t script;
	bool in_engine;          /* it has a connection there */
	bool child_ended;
};

struct variable {
	struct str name, value;  /* value p NULL: not a literal */
};

static bool find_variable(void *arg, struct str name, struct str *ret_text)
{
	const struct variable *v = map_get(arg, name);

	if (v && ret_text)
		*ret_text = v->value;
	return v != NULL;
}

/* --- made and gone --- */

static struct str dup(struct multi *m, struct str s)
{
	return s.p ? arena_dup(&m->arena, s) : s;
}

static void take_parameters(struct multi *m, const struct stmt_ask *ask)
{
	struct stmt_ask *a = &m->ask;

	a->parameters.timezone = dup(m, ask->parameters.timezone);
	a->parameters.query_tag = dup(m, ask->parameters.query_tag);
	for (int i = 0; i < ENGINE_FORMATS; i++)
		a->parameters.formats[i] = dup(m, ask->parameters.formats[i]);
	a->parameters.rows_per_resultset = ask->parameters.rows_per_resultset;
	a->context = (struct stmt_context){dup(m, ask->context.database), dup(m, ask->context.schema), dup(m, ask->context.warehouse),
					   dup(m, ask->context.role)};
}

static void take_ask(struct multi *m, const struct stmt_ask *ask)
{
	m->ask = (struct stmt_ask){
		.snowflake = true, .null_text = ask->null_text, .ttl_seconds = m->parent->ttl_s, .read_only = ask->read_only, .no_cache = true,
		.scope = ask->scope,
	};
	take_parameters(m, ask);
	m->ask.scope.session_id = dup(m, ask->scope.session_id);
	m->ask.scope.catalog = ask->scope.catalog ? engine_catalog_ref(ask->scope.catalog) : NULL;
}

static void take_caller(struct multi *m, const struct call *c)
{
	call_open(&m->who, NULL);
	m->who.tenant = dup(m, c->tenant);
	m->who.principal = dup(m, c->principal);
	m->who.role = c->role;
	m->who.request_id = dup(m, c->request_id);
}

static void take_pieces(struct multi *m, const struct stmt_text *text)
{
	const struct sql_token *v = text->tokens->v;

	m->n = text->n;
	m->pieces = ARENA_ARRAY(&m->arena, struct piece, (size_t)text->n);
	for (int i = 0; i < text->n; i++) {
		const struct sql_token *first = &v[text->spans[i].from], *last = &v[text->spans[i].to - 1];

		m->pieces[i] = (struct piece){first->at, last->at + last->text.n - first->at};
	}
}

/* The state that a request begins with. */
static void begin_state(struct multi *m)
{
	map_close(&m->variables);
	m->variables = (struct map){0};
	m->world = stmt_world_of(&m->ask);
	m->world.script = true;
	m->world.variable = find_variable;
	m->world.arg = &m->variables;
	m->world.session = stmt_handle(m->parent);
}

static struct multi *multi_new(struct call *c, struct stmt *parent, const struct stmt_ask *ask, const struct stmt_text *text)
{
	struct multi *m = base_zalloc(sizeof(*m));

	m->room = parent->room;
	m->parent = stmt_ref(parent);
	m->syntax.parent = m->parent;
	m->script = atomic_fetch_add(&parent->room->scripts, 1) + 1;
	take_ask(m, ask);
	take_caller(m, c);
	take_pieces(m, text);
	begin_state(m);
	return m;
}

/* The connection goes, and with it a transaction that is open. */
static void multi_free(struct multi *m)
{
	if (m->in_engine)
		engine_script_end(m->room->o.engine, m->who.tenant, m->script);
	if (m->ask.scope.catalog)
		engine_catalog_unref(m->ask.scope.catalog);
	map_close(&m->variables);
	stmt_syntax_close(&m->syntax);
	buf_drop(&m->handles);
	statement_unref(m->child);
	statement_unref(m->parent);
	arena_close(&m->arena);
	free(m);
}

static struct str piece_text(const struct multi *m, int i)
{
	return str_from(stmt_sql(m->parent).p + m->pieces[i].at, m->pieces[i].n);
}

static bool is_over(struct multi *m)
{
	bool over;

	stmt_lock(m->parent);
	over = stmt_over(m->parent);
	stmt_unlock(m->parent);
	return over;
}

static void end_failed(struct multi *m, struct stmt_error *error)
{
	stmt_end(m->parent, STMT_FAILED, error);
	multi_free(m);
}

static void open_call(const struct multi *m, struct call *c, struct arena *a)
{
	*c = m->who;
	c->arena = a;
}

/* --- state --- */

static void set_variables(struct multi *m, const struct sql_snowflake *sf, bool unset)
{
	for (int i = 0; i < sf->nsettings; i++) {
		struct variable *v;

		if (unset) {
			map_del(&m->variables, sf->settings[i].name);
			continue;
		}
		v = ARENA_NEW(&m->arena, struct variable);
		*v = (struct variable){dup(m, sf->settings[i].name), dup(m, sf->settings[i].value)};
		map_del(&m->variables, v->name); /* the key is the former one's */
		map_put(&m->variables, v->name, v);
	}
}

static void use_name(struct multi *m, const struct sql_snowflake *sf)
{
	struct stmt_context *x = &m->world.context;

	for (int i = 0; i < sf->nsettings; i++) {
		if (str_ieq(sf->settings[i].name, S("WAREHOUSE")))
			x->warehouse = dup(m, sf->settings[i].value);
		if (str_ieq(sf->settings[i].name, S("ROLE")))
			x->role = dup(m, sf->settings[i].value);
	}
}

static void use_database(struct multi *m, const struct sql_snowflake *sf)
{
	struct stmt_context *x = &m->world.context;

	if (sf->database.n)
		x->database = dup(m, sf->database);
	if (sf->database.n || sf->schema.n)
		x->schema = dup(m, sf->schema);
}

/* What is current is a new database, as with Snowflake; and nothing is when it goes. */
static void new_database(struct multi *m, const struct sql_snowflake *sf)
{
	m->world.context.database = dup(m, sf->database);
	m->world.context.schema = S("");
}

static void lose_database(struct multi *m, const struct sql_snowflake *sf)
{
	struct stmt_context *x = &m->world.context;

	if (str_ieq(x->database, sf->database))
		x->database = x->schema = S("");
}

static void change(struct multi *m, const struct sql_snowflake *sf, enum sql_kind kind)
{
	switch (sf->does) {
	case SQL_DOES_RUN:
		return;
	case SQL_DOES_USE:
		use_database(m, sf);
		return;
	case SQL_DOES_USE_NAME:
		use_name(m, sf);
		return;
	case SQL_DOES_CREATE_DATABASE:
		new_database(m, sf);
		return;
	case SQL_DOES_DROP_DATABASE:
		lose_database(m, sf);
		return;
	case SQL_DOES_SET_PARAMETERS:
		stmt_parameters_apply(&m->arena, sf, &m->ask.parameters, &m->world.parameters);
		return;
	case SQL_DOES_SET_VARIABLES:
		set_variables(m, sf, kind == SQL_RESET);
		return;
	}
}

/* A schema that was made is the current one. */
static struct sql_snowflake new_schema(struct multi *m, const struct sql_class *k)
{
	struct sql_snowflake use = {.does = SQL_DOES_USE, .schema = k->leaf};
	OWNS(arena) a = {0};
	struct sql_tokens t;
	struct call c;

	if (k->kind != SQL_CREATE || !str_eq(k->object, S("SCHEMA")) || !k->leaf.n)
		return (struct sql_snowflake){.does = SQL_DOES_RUN};
	call_open(&c, &a);
	if (sql_lex(&c, SQL_SNOWFLAKE, k->name, &t) && t.n > 1)
		use.database = dup(m, sql_name_of(&a, SQL_SNOWFLAKE, &t.v[0]));
	use.schema = dup(m, k->leaf);
	return use;
}

/* What will be changed, kept until the child has succeeded. */
static void keep_change(struct multi *m, const struct compiled *k)
{
	const struct sql_snowflake *sf = &k->inner.sf;
	struct sql_setting *v = ARENA_ARRAY(&m->arena, struct sql_setting, (size_t)sf->nsettings + 1);

	m->kind = k->class.kind;
	m->change = new_schema(m, &k->class);
	if (sf->does == SQL_DOES_RUN)
		return;
	m->change.does = sf->does;
	for (int i = 0; i < sf->nsettings; i++)
		v[i] = (struct sql_setting){dup(m, sf->settings[i].name), dup(m, sf->settings[i].value)};
	m->change.database = dup(m, sf->database);
	m->change.schema = dup(m, sf->schema);
	m->change.settings = v;
	m->change.nsettings = sf->nsettings;
}

/* --- one child --- */

static bool compile_piece(struct call *c, struct multi *m, int i, struct compiled *ret)
{
	struct stmt_ask ask = m->ask;
	struct sql_tokens tokens;
	struct stmt_text text;

	ask.sql = piece_text(m, i);
	*ret = (struct compiled){.class.kind = SQL_UNKNOWN};
	return stmt_lex(c, &ask, &tokens, &text) && stmt_compile(c, &ask, &m->world, &text, ret);
}

static void on_child_end(void *arg)
{
	struct multi *m = arg;

	m->child_ended = true;
}

/* On a thread of the pool, never on the one that ended the child, or parsed. */
static void go_on(struct multi *m, exec_fn *fn)
{
	struct statements *s = m->room;

	if (atomic_load(&s->closing)) {
		statement_cancel_soon(m->parent);
		multi_free(m);
	} else if (!exec_pool_run(s->o.pool, fn, m) && !(s->keeping && stmt_run_soon(s->keeping, fn, m))) {
		exec_post(s->o.loop, fn, m); /* without stores nothing blocks */
	}
}

static void step(void *arg);

static void on_child_gone(void *arg)
{
	struct multi *m = arg;

	if (m->child_ended)
		go_on(m, step);
	else
		multi_free(m); /* the room closes */
}

/* The parent's end is the child's from now on; false: it has ended. */
static bool show_child(struct multi *m)
{
	struct stmt *former = NULL;
	bool over;

	stmt_lock(m->parent);
	over = stmt_over(m->parent) || !m->parent->run;
	if (!over) {
		former = m->parent->run->child;
		m->parent->run->child = stmt_ref(m->child);
	}
	stmt_unlock(m->parent);
	statement_unref(former);
	return !over;
}

/* m is the child's, and may be gone, when this returns. */
static void run_child(struct call *c, struct multi *m)
{
	struct compiled k = {.class.kind = SQL_UNKNOWN};
	bool compiled = compile_piece(c, m, m->next, &k);

	m->next++;
	m->child_ended = false;
	keep_change(m, &k);
	k.ask.script = m->script;
	k.ask.script_begins = !m->in_engine;
	m->in_engine = m->in_engine || (compiled && !k.at_once);
	memcpy(m->last, stmt_handle(m->child).p, ID_LEN);
	m->world.last_query = str_from(m->last, ID_LEN); /* of the next */
	stmt_child_start(c, m->child, &k, compiled);
	statement_watch(m->child, &(struct watch){.fn = on_child_end, .drop = on_child_gone, .arg = m});
}

static void next_child(struct multi *m)
{
	OWNS(arena) a = {0};
	struct stmt_ask ask = m->ask;
	struct call c;

	open_call(m, &c, &a);
	ask.sql = piece_text(m, m->next);
	ask.parameters = m->world.parameters;
	statement_unref(m->child);
	m->child = NULL;
	if (!stmt_child_new(&c, m->parent, &ask, &m->child)) {
		end_failed(m, stmt_error_of_call(&c));
		return;
	}
	buf_add(&m->handles, stmt_handle(m->child));
	if (!show_child(m))
		statement_cancel_soon(m->child);
	run_child(&c, m);
}

/* --- steps --- */

static void succeed(struct multi *m)
{
	struct stmt *parent = m->parent;

	stmt_lock(parent);
	if (!stmt_over(parent) && !parent->children)
		parent->children = stmt_children_new(buf_str(&m->handles));
	stmt_unlock(parent);
	stmt_shape_children(parent);
	stmt_end(parent, STMT_SUCCEEDED, NULL);
	multi_free(m);
}

/* Of a child that failed, or was canceled on its own. */
static void end_with_child(struct multi *m, enum stmt_state state, const struct stmt_error *error)
{
	int i = m->next - 1;

	if (state == STMT_CANCELED) {
		statement_cancel_soon(m->parent);
		multi_free(m);
		return;
	}
	end_failed(m, stmt_error_of_child(error, stmt_sql(m->parent), m->pieces[i].at, piece_text(m, i)));
}

static void step(void *arg)
{
	struct multi *m = arg;
	struct stmt_view v = {.state = STMT_SUCCEEDED};

	if (m->child)
		statement_view(m->child, &v);
	if (is_over(m)) {
		multi_free(m);
	} else if (v.state != STMT_SUCCEEDED) {
		end_with_child(m, v.state, v.error);
	} else {
		if (m->child && !m->child->forgiven)
			change(m, &m->change, m->kind);
		if (m->next == m->n)
			succeed(m);
		else
			next_child(m);
	}
}

/* --- the check --- */

/* The same error, in the words and places of the whole script. */
static void check_in_script(struct call *c, struct multi *m, int i)
{
	struct stmt_ask ask = m->ask;
	struct sql_tokens tokens;
	struct stmt_text text;
	struct compiled k;

	ask.sql = stmt_sql(m->parent);
	if (!stmt_lex(c, &ask, &tokens, &text))
		return;
	text.i = i;
	if (stmt_compile(c, &ask, &m->world, &text, &k))
		fail(c, ERR_SQL, "statement %d of the script is not well-formed", i + 1);
}

static bool check_piece(struct multi *m, int i, struct stmt_error **ret)
{
	OWNS(arena) a = {0};
	struct compiled k;
	struct call c;

	open_call(m, &c, &a);
	if (compile_piece(&c, m, i, &k)) {
		stmt_syntax_add(&m->syntax, &k, m->pieces[i].at);
		keep_change(m, &k);
		change(m, &m->change, m->kind);
		return true;
	}
	call_forgive(&c);
	check_in_script(&c, m, i);
	*ret = stmt_error_of_call(&c);
	return false;
}

static void check(void *arg);

/* m may be gone when this returns. */
static void parse(struct multi *m)
{
	OWNS(arena) a = {0};
	struct call c;

	open_call(m, &c, &a);
	if (!stmt_syntax_ask(&c, &m->syntax))
		end_failed(m, stmt_error_of_call(&c));
}

static void on_parsed(void *arg)
{
	go_on(arg, check);
}

/* Those that are parsed at once, until all have been. */
static void check(void *arg)
{
	struct multi *m = arg;
	struct stmt_error *error = m->syntax.error;
	bool over = is_over(m);

	m->syntax.error = NULL;
	while (m->checked < m->n && !over && !error && !stmt_syntax_full(&m->syntax)) {
		if (check_piece(m, m->checked, &error))
			m->checked++;
		over = is_over(m);
	}
	if (error) {
		end_failed(m, error);
	} else if (m->syntax.n && !over) {
		parse(m);
	} else {
		begin_state(m);
		step(m);
	}
}

static void begin_check(void *arg)
{
	struct multi *m = arg;

	stmt_started(m->parent);
	m->syntax.told = on_parsed;
	m->syntax.arg = m;
	check(m);
}

/* --- beginning --- */

static bool may_begin(struct call *c, struct statements *s, const struct stmt_ask *ask, int n)
{
	if (ask->nbinds) {
		fail(c, ERR_SQL, "Unsupported feature 'bindings of several statements'.");
		return fail_state(c, "0A000", "000002");
	}
	if (n > s->o.max_children) {
		fail(c, ERR_SQL, "Actual statement count %d is larger than the maximum of %lld.", n, (long long)s->o.max_children);
		return fail_state(c, "0A000", "000008");
	}
	if (atomic_load(&s->closing))
		return fail(c, ERR_UNAVAILABLE, "the server stops");
	return stmt_has_room(c, s, ask->scope.session_id, n);
}

bool stmt_multi_start(struct call *c, struct stmt *parent, const struct stmt_ask *ask, const struct stmt_text *text)
{
	struct statements *s = parent->room;
	struct multi *m;

	if (!may_begin(c, s, ask, text->n))
		return false;
	stmt_lock(parent);
	parent->several = true;
	stmt_unlock(parent);
	m = multi_new(c, parent, ask, text);
	if (exec_pool_run(s->o.pool, begin_check, m))
		return true;
	multi_free(m);
	return fail(c, ERR_UNAVAILABLE, "the server's pool is full");
}
