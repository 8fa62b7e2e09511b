/* worker_run.c - one statement: prepare, bind, execute, stream.
 *
 * Runs on its executor's thread, on a connection nobody else has. A SELECT streams,
 * everything else is complete before its first row is read.
 */
#include "engine/worker.h"
#include "json/json.h"
#include "sql/sql.h"

/* --- failures --- */
bool task_fails(struct task *t, const char *class, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	t->end.outcome = ENGINE_FAILED;
	t->end.class = str_of(class);
	t->end.text = arena_vfmt(t->call.arena, fmt, ap);
	t->end.position = -1;
	va_end(ap);
	return false;
}

bool task_bad_bind(struct task *t, const char *type, struct str value)
{
	task_fails(t, type, "Invalid bind value (%.*s) for type (%s).", SARG(str_head(value, 200)), type);
	t->end.bad_bind = value;
	return false;
}

struct class_name { /* as DuckDB writes it, and what it means to us */
	const char *name;
	enum engine_outcome outcome;
	bool broken;
};
static const struct class_name special_classes[] = {
	{"INTERRUPT", ENGINE_INTERRUPTED, false},
	{"FATAL", ENGINE_FAILED, true},
	{"INTERNAL", ENGINE_FAILED, true},
};

static void set_class(struct task *t, struct str class)
{
	t->end.class = class;
	for (size_t i = 0; i < COUNT_OF(special_classes); i++) {
		if (!str_ieq(class, str_of(special_classes[i].name)))
			continue;
		t->end.outcome = special_classes[i].outcome;
		t->broken = special_classes[i].broken;
	}
}

/* "Invalid Input Error: Values were not provided…" */
static void plain_message(struct task *t, struct str message)
{
	size_t at = str_search(message, S(" Error: "));

	if (at == message.n) {
		set_class(t, S("Unknown"));
		t->end.text = message;
		return;
	}
	set_class(t, str_head(message, at));
	t->end.text = str_trim(str_tail(message, at + strlen(" Error: ")));
}

static struct str member(const json_node *n, const char *key)
{
	const json_node *m = json_get(n, key);

	return m && json_kind(m) == JSON_KIND_TEXT ? json_text(m) : (struct str){NULL, 0};
}

/* DuckDB's parser counts characters where everything behind it counts bytes. */
static int64_t byte_of_character(struct str text, int64_t character)
{
	size_t at = 0;

	for (; at < text.n && character > 0; character--)
		for (at++; at < text.n && ((unsigned char)text.p[at] & 0xC0) == 0x80;)
			at++;
	return (int64_t)at;
}

static bool json_message(struct task *t, struct str message)
{
	const json_node *n;
	struct str class;
	int64_t at;

	message = str_tail(message, str_find(message, '{')); /* "Parser Error: {…}" */
	if (message.n == 0 || !json_read_object(&t->call, message, &n)) {
		call_forgive(&t->call);
		return false;
	}
	class = member(n, "exception_type");
	if (class.n == 0)
		return false;
	set_class(t, class);
	t->end.text = member(n, "exception_message");
	if (str_to_i64(member(n, "position"), &at))
		at -= (int64_t)t->prefix;
	else
		at = -1;
	if (at > 0 && str_eq(class, S("Parser")))
		at = byte_of_character(t->ask.sql, at);
	t->end.position = at >= 0 && (uint64_t)at <= t->ask.sql.n ? at : -1;
	return true;
}

bool task_failed_by_duckdb(struct task *t, const char *message)
{
	struct str copy = arena_dup(t->call.arena, str_of(message ? message : ""));

	t->end = (struct engine_end){.outcome = ENGINE_FAILED, .position = -1};
	if (!json_message(t, copy))
		plain_message(t, copy);
	return false;
}

/* --- results --- */
static void pack_columns(struct task *t, duckdb_result *r, struct buf *out)
{
	int n = (int)duckdb_column_count(r);
	struct engine_column *v = ARENA_ARRAY(t->call.arena, struct engine_column, (size_t)n);

	for (int i = 0; i < n; i++) {
		duckdb_logical_type type = duckdb_column_logical_type(r, (idx_t)i);

		types_describe(t->call.arena, type, &v[i]);
		v[i].name = str_of(duckdb_column_name(r, (idx_t)i));
		duckdb_destroy_logical_type(&type);
	}
	engine_pack_columns(v, n, out);
}

static bool columns_of(struct task *t, duckdb_result *r, struct column **ret)
{
	idx_t n = duckdb_column_count(r);
	struct column *v = ARENA_ARRAY(t->call.arena, struct column, n);

	for (idx_t i = 0; i < n; i++) {
		duckdb_logical_type type = duckdb_column_logical_type(r, i);
		bool ok = types_column(t, type, t->ask.form, &v[i]);

		duckdb_destroy_logical_type(&type);
		if (!ok)
			return false;
	}
	*ret = v;
	return true;
}

bool task_fetch(struct task *t, duckdb_result *r, duckdb_data_chunk *ret)
{
	const char *error;

	*ret = duckdb_fetch_chunk(*r);
	if (*ret)
		return true;
	error = duckdb_result_error(r);
	return !error || task_failed_by_duckdb(t, error);
}

static bool send_rows(struct executor *x, struct task *t, duckdb_result *r)
{
	int n = (int)duckdb_column_count(r);
	OWNS(buf) packed = {0};
	duckdb_data_chunk chunk;
	struct column *cols;
	bool ok;

	if (!columns_of(t, r, &cols))
		return false;
	pack_columns(t, r, &packed);
	if (packed.n > WIRE_COLUMNS_MAX)
		return task_fails(t, "Invalid Input", "The names and types of the columns take %zu bytes, which may be %d: name them with AS",
				  packed.n, WIRE_COLUMNS_MAX);
	parts_columns(&x->parts, t, buf_str(&packed));
	parts_begin(&x->parts, t);
	while ((ok = task_fetch(t, r, &chunk)) && chunk) {
		ok = parts_rows(&x->parts, t, cols, n, chunk);
		duckdb_destroy_data_chunk(&chunk);
		if (!ok)
			break;
	}
	return ok && parts_end(&x->parts, t);
}

/* A counter is the only cell of the result. */
static bool count_changes(struct task *t, duckdb_result *r)
{
	bool counter = duckdb_result_return_type(*r) == DUCKDB_RESULT_TYPE_CHANGED_ROWS;
	duckdb_data_chunk chunk;

	if (!task_fetch(t, r, &chunk))
		return false;
	if (chunk && counter && t->ask.counts != ENGINE_STATUS && duckdb_data_chunk_get_size(chunk) > 0)
		t->end.rows = *(int64_t *)duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 0));
	while (chunk) {
		duckdb_destroy_data_chunk(&chunk);
		if (!task_fetch(t, r, &chunk))
			return false;
	}
	return true;
}

/* --- execution --- */
bool task_execute(struct task *t, duckdb_prepared_statement st, duckdb_result *ret)
{
	bool stream = duckdb_prepared_statement_type(st) == DUCKDB_STATEMENT_TYPE_SELECT;
	duckdb_pending_result pending = NULL;
	bool ok;

	ok = (stream ? duckdb_pending_prepared_streaming(st, &pending) : duckdb_pending_prepared(st, &pending)) ==
	     DuckDBSuccess;
	if (!ok) {
		task_failed_by_duckdb(t, pending ? duckdb_pending_error(pending) : duckdb_prepare_error(st));
	} else if (duckdb_execute_pending(pending, ret) != DuckDBSuccess) {
		task_failed_by_duckdb(t, duckdb_result_error(ret));
		duckdb_destroy_result(ret);
		ok = false;
	}
	duckdb_destroy_pending(&pending);
	return ok;
}

static bool run_prepared(struct executor *x, struct task *t, duckdb_prepared_statement st)
{
	duckdb_result r;
	bool ok;

	if (!bind_all(t, st) || !task_execute(t, st, &r))
		return false;
	ok = t->ask.counts == ENGINE_ROWS ? send_rows(x, t, &r) : count_changes(t, &r);
	duckdb_destroy_result(&r);
	return ok;
}

static bool run_on(struct executor *x, struct task *t, struct session *s)
{
	duckdb_prepared_statement st;
	bool kept, ok;

	if (!session_timezone(t, s, t->ask.timezone) || !session_prepare(t, s, &st, &kept))
		return false;
	ok = run_prepared(x, t, st);
	if (!kept)
		duckdb_destroy_prepare(&st);
	return ok;
}

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

/* All of it within the catalog's limits, or nothing. */
static bool run_change(struct executor *x, struct task *t, struct session *s)
{
	struct change ch;

	if (!catalog_begin(x, t, s, &ch))
		return false;
	if (run_on(x, t, s))
		return catalog_commit(x, t, &ch, t->ask.sql);
	catalog_rollback(&ch);
	return false;
}

static void run_in(struct executor *x, struct task *t, struct session *s)
{
	struct sql_class class;

	if (t->ask.writes)
		classify(t, &class);
	if (!executor_runs(x, s))
		task_fails(t, "INTERRUPT", "Interrupted!");
	else if (t->ask.writes && makes_function(&class) && !functions_may_be_called(x, t, class.leaf))
		;
	else if (t->catalog && t->ask.writes && !stands_alone(&class))
		run_change(x, t, s);
	else
		run_on(x, t, s);
	executor_runs(x, NULL);
	if (t->end.outcome == ENGINE_FAILED && executor_canceled(x) && !t->broken)
		t->end.outcome = ENGINE_INTERRUPTED;
	if (t->end.outcome == ENGINE_OK && t->ask.judge && statement_repeatable(x, t, s))
		parts_repeatable(&x->parts, t);
	if (t->end.outcome == ENGINE_OK && t->ask.counts == ENGINE_STATUS)
		session_forget(s);
}

static void run_in_catalog(struct executor *x, struct task *t)
{
	struct session *s;

	if (!catalog_enter(x, t, t->ask.outlives))
		return;
	s = catalog_session(x, t);
	if (s)
		run_in(x, t, s);
	catalog_leave(x, t, s);
}

void run_statement(struct executor *x, struct task *t)
{
	struct session *s;

	t->end.position = -1;
	if (t->scope.name.n) {
		run_in_catalog(x, t);
		return;
	}
	s = executor_session(x, t);
	if (!s)
		return;
	run_in(x, t, s);
	if (t->ask.session_state || t->end.outcome != ENGINE_OK)
		worker_session_close(s);
}
