/* run.c - one statement: prepare, bind, execute, stream.
 *
 * Runs on its executor's thread, on a connection nobody else has. A SELECT streams,
 * everything else is complete before its first row is read.
 */
#include "engine/worker/worker.h"
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

/* Where it was before bind_casts() changed the text. */
static int64_t before_casts(const struct task *t, int64_t at)
{
	const int64_t size = (int64_t)strlen(BIND_CAST);
	int64_t more = 0;

	for (int i = 0; i < t->ncasts && (int64_t)t->casts[i] < at; i++)
		more += at - (int64_t)t->casts[i] < size ? at - (int64_t)t->casts[i] : size;
	return at - more;
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
	at = before_casts(t, at);
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
static void pack_columns(struct executor *x, struct task *t, duckdb_result *r, const struct column *cols, struct buf *out)
{
	int n = (int)duckdb_column_count(r);
	struct engine_column *v = ARENA_ARRAY(t->call.arena, struct engine_column, (size_t)n);

	for (int i = 0; i < n; i++) {
		duckdb_logical_type type = duckdb_column_logical_type(r, (idx_t)i);

		types_describe(t->call.arena, type, &v[i]);
		v[i].name = str_of(duckdb_column_name(r, (idx_t)i));
		v[i].formatted = cols[i].unformatted != NULL;
		duckdb_destroy_logical_type(&type);
	}
	if (t->ask.form == ENGINE_SNOWFLAKE && t->ask.helpers)
		told_columns(x, t, v, n);
	engine_pack_columns(v, n, out);
}

static bool has_formats(const struct task *t)
{
	bool any = false;

	for (int i = 0; i < ENGINE_FORMATS; i++)
		any = any || t->ask.formats[i].n;
	return any && t->ask.form == ENGINE_SNOWFLAKE;
}

static bool columns_of(struct executor *x, struct task *t, duckdb_result *r, struct column **ret)
{
	idx_t n = duckdb_column_count(r);
	struct column *v = ARENA_ARRAY(t->call.arena, struct column, n);
	bool formats = has_formats(t);

	for (idx_t i = 0; i < n; i++) {
		duckdb_logical_type type = duckdb_column_logical_type(r, i);
		bool ok = types_column(t, type, t->ask.form, &v[i]);
		struct engine_column told;

		if (ok && formats) {
			types_describe(t->call.arena, type, &told);
			ok = formats_column(x, t, &told, &v[i]);
		}

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

static bool enough(const struct executor *x, const struct task *t)
{
	return t->ask.max_rows > 0 && x->parts.total_rows >= t->ask.max_rows;
}

/* Rows beyond those that were asked for. */
static void leave_out(const struct executor *x, const struct task *t, duckdb_data_chunk chunk)
{
	int64_t left = t->ask.max_rows - x->parts.total_rows;

	if (t->ask.max_rows > 0 && (int64_t)duckdb_data_chunk_get_size(chunk) > left)
		duckdb_data_chunk_set_size(chunk, (idx_t)left);
}

static bool send_rows(struct executor *x, struct task *t, duckdb_result *r)
{
	int n = (int)duckdb_column_count(r);
	OWNS(buf) packed = {0};
	duckdb_data_chunk chunk;
	struct column *cols;
	bool ok = true;

	if (!columns_of(x, t, r, &cols))
		return false;
	pack_columns(x, t, r, cols, &packed);
	if (packed.n > WIRE_COLUMNS_MAX)
		return task_fails(t, "Invalid Input", "The names and types of the columns take %zu bytes, which may be %d: name them with AS",
				  packed.n, WIRE_COLUMNS_MAX);
	parts_columns(&x->parts, t, buf_str(&packed));
	parts_begin(&x->parts, t);
	while (!enough(x, t) && (ok = task_fetch(t, r, &chunk)) && chunk) {
		leave_out(x, t, chunk);
		ok = parts_rows(&x->parts, t, cols, n, chunk);
		duckdb_destroy_data_chunk(&chunk);
		if (!ok)
			break;
	}
	return ok && parts_end(&x->parts, t);
}

/* RETURNING merge_action: what became of each row. */
static void count_actions(struct task *t, duckdb_data_chunk chunk)
{
	const duckdb_string_t *v = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 0));
	idx_t n = duckdb_data_chunk_get_size(chunk);

	for (idx_t i = 0; i < n; i++) {
		duckdb_string_t action = v[i];
		char first = duckdb_string_t_length(action) ? *duckdb_string_t_data(&action) : '\0';

		t->end.inserted += first == 'I';
		t->end.updated += first == 'U';
		t->end.deleted += first == 'D';
	}
	t->end.rows += (int64_t)n;
}

static void count_changed(struct task *t, int64_t rows)
{
	t->end.rows = rows;
	if (t->ask.counts == ENGINE_INSERTED)
		t->end.inserted += rows;
	else if (t->ask.counts == ENGINE_UPDATED)
		t->end.updated += rows;
	else if (t->ask.counts == ENGINE_DELETED)
		t->end.deleted += rows;
}

/* A counter is the only cell of the result. */
static bool count_changes(struct task *t, duckdb_result *r)
{
	bool counter = duckdb_result_return_type(*r) == DUCKDB_RESULT_TYPE_CHANGED_ROWS && t->ask.counts != ENGINE_STATUS;
	bool actions = t->ask.counts == ENGINE_MERGED && duckdb_column_type(r, 0) == DUCKDB_TYPE_VARCHAR;
	duckdb_data_chunk chunk;

	t->end.rows = 0;
	if (!task_fetch(t, r, &chunk))
		return false;
	if (chunk && counter && duckdb_data_chunk_get_size(chunk) > 0)
		count_changed(t, *(int64_t *)duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 0)));
	while (chunk) {
		if (actions)
			count_actions(t, chunk);
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

/* Once for each row of the batch. */
static bool run_rows(struct executor *x, struct task *t, duckdb_prepared_statement st)
{
	const struct engine_bind *binds = t->ask.binds;
	struct engine_bind *row = ARENA_ARRAY(t->call.arena, struct engine_bind, (size_t)t->ask.nbinds + 1);
	int64_t rows = 0;
	bool ok = true;

	t->ask.binds = row;
	for (int64_t i = 0; ok && i < t->ask.batch; i++) {
		for (int k = 0; k < t->ask.nbinds; k++) {
			struct str value = binds[k].values ? binds[k].values[i] : binds[k].value;
			bool null = binds[k].values && !value.p;

			row[k] = (struct engine_bind){.type = null ? ENGINE_B_NULL : binds[k].type, .value = value};
		}
		ok = executor_canceled(x) ? task_fails(t, "INTERRUPT", "Interrupted!") : run_prepared(x, t, st);
		rows += t->end.rows;
	}
	t->ask.binds = binds;
	t->end.rows = rows;
	return ok;
}

static bool run_batch(struct executor *x, struct task *t, duckdb_prepared_statement st)
{
	if (t->ask.batch && !t->ask.set_based)
		return run_rows(x, t, st);
	return run_prepared(x, t, st);
}

static bool run_text(struct executor *x, struct task *t, struct session *s)
{
	duckdb_prepared_statement st;
	bool kept, ok;

	if (!session_prepare(t, s, &st, &kept))
		return false;
	ok = run_batch(x, t, st);
	if (!kept)
		duckdb_destroy_prepare(&st);
	return ok;
}

bool statement_run(struct executor *x, struct task *t, struct session *s)
{
	bool rows = t->ask.batch && t->ask.set_based, ok;

	if (!session_timezone(t, s, t->ask.timezone) || (rows && !batch_open(x, t)))
		return false;
	ok = run_text(x, t, s);
	if (rows)
		executor_batch(x, NULL);
	return ok;
}
