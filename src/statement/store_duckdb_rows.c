/* store_duckdb_rows.c - the tables of a file, the steps on them, and their rows as records.
 *
 * Columns are the founding document's and what the contract needs. Its
 * `statement_results` has no foreign key: DuckDB cascades nothing, so what
 * drops a statement drops its batches, in one transaction. An indexed column
 * never changes, as that would be a delete and an insert.
 *
 * Pure functions, any thread.
 */
#include "statement/store_duckdb_int.h"

#include "json/json.h"

#define STEP(text) {.sql = S_INIT(text)}
const struct engine_step duck_tables[] = {
	STEP("CREATE TABLE mayfly (layout INTEGER NOT NULL, file VARCHAR NOT NULL)"),
	STEP("CREATE TABLE statements (handle VARCHAR PRIMARY KEY, session_id VARCHAR NOT NULL, sql VARCHAR NOT NULL, "
	     "status VARCHAR NOT NULL, created_at TIMESTAMP NOT NULL, started_at TIMESTAMP, completed_at TIMESTAMP, "
	     "error_message VARCHAR, error_code VARCHAR, result_row_count BIGINT, result_metadata JSON, result_rows BLOB, "
	     "expires_at TIMESTAMP, principal VARCHAR NOT NULL, owner VARCHAR NOT NULL, grants JSON NOT NULL)"),
	STEP("CREATE INDEX idx_session_id ON statements (session_id)"),
	STEP("CREATE INDEX idx_created_at ON statements (created_at)"),
	STEP("CREATE TABLE statement_results (handle VARCHAR NOT NULL, batch_number INTEGER NOT NULL, result_data BLOB NOT NULL, "
	     "PRIMARY KEY (handle, batch_number))"),
};
const int duck_ntables = COUNT_OF(duck_tables);

/* --- cells --- */

static struct engine_cell text_cell(struct str s)
{
	return (struct engine_cell){.kind = ENGINE_CELL_TEXT, .s = s};
}

/* For people who read the table: the metadata have it all. A message may be cut inside a character. */
static struct engine_cell words(struct str s)
{
	return s.n && str_is_utf8(s) ? text_cell(s) : (struct engine_cell){.kind = ENGINE_CELL_NULL};
}

static struct engine_cell int_cell(int64_t v)
{
	return (struct engine_cell){.kind = ENGINE_CELL_INT, .integer = v};
}

static struct engine_cell time_cell(int64_t ms)
{
	return ms ? int_cell(ms) : (struct engine_cell){.kind = ENGINE_CELL_NULL};
}

static struct engine_cell bytes_cell(struct str s)
{
	return (struct engine_cell){.kind = ENGINE_CELL_BYTES, .s = s};
}

static struct engine_step step_of(struct call *c, struct str sql, const struct engine_cell *binds, int n)
{
	struct engine_cell *copy = ARENA_ARRAY(c->arena, struct engine_cell, (size_t)n + 1);

	if (n)
		memcpy(copy, binds, sizeof(*copy) * (size_t)n);
	return (struct engine_step){.sql = sql, .binds = copy, .nbinds = n};
}
#define STEP_OF(c, sql, ...) \
	step_of((c), S(sql), (const struct engine_cell[]){__VA_ARGS__}, \
		(int)(sizeof((const struct engine_cell[]){__VA_ARGS__}) / sizeof(struct engine_cell)))

static struct str metadata(struct call *c, const struct stmt_record *r)
{
	OWNS(buf) text = {0};

	stmt_metadata_text(r, &text);
	return arena_dup(c->arena, buf_str(&text));
}

static struct str state_name(enum stmt_state state)
{
	return str_of(stmt_fsm[state].name);
}

struct str duck_grants_text(struct call *c, const struct str *v, int n)
{
	OWNS(buf) text = {0};
	struct json_out o = json_out(&text);

	json_put_texts(&o, v, n);
	return arena_dup(c->arena, buf_str(&text));
}

/* --- writing --- */

#define INSERT \
	"INSERT INTO statements (handle, session_id, sql, status, created_at, result_metadata, principal, owner, grants) " \
	"VALUES (?, ?, ?, ?, make_timestamp_ms(?), ?, ?, ?, ?)"

struct engine_step duck_insert(struct call *c, const struct stmt_record *r)
{
	return STEP_OF(c, INSERT, text_cell(r->handle), text_cell(r->session_id), text_cell(r->sql), text_cell(state_name(r->state)),
		       int_cell(r->created_ms), text_cell(metadata(c, r)), text_cell(r->principal), text_cell(r->owner),
		       text_cell(duck_grants_text(c, r->grants, r->ngrants)));
}

void duck_insert_again(struct engine_step *s)
{
	s->sql = S(INSERT " ON CONFLICT DO NOTHING");
}

struct engine_step duck_started(struct call *c, const struct stmt_record *r)
{
	struct engine_step s = STEP_OF(c,
				       "UPDATE statements SET status = 'RUNNING', started_at = make_timestamp_ms(?) "
				       "WHERE handle = ? AND status = 'SUBMITTED'",
				       time_cell(r->started_ms), text_cell(r->handle));

	s.must_change = true;
	return s;
}

struct engine_step duck_end_of(struct call *c, const struct stmt_record *r, const struct str *rows)
{
	struct str none = S("");
	struct engine_step s = STEP_OF(
		c,
		"UPDATE statements SET status = ?, started_at = make_timestamp_ms(?), completed_at = make_timestamp_ms(?), "
		"error_message = ?, error_code = ?, result_row_count = ?, result_metadata = ?, result_rows = ?, "
		"expires_at = make_timestamp_ms(?) WHERE handle = ? AND status IN ('SUBMITTED', 'RUNNING')",
		text_cell(state_name(r->state)), time_cell(r->started_ms), time_cell(r->completed_ms),
		words(r->error ? r->error->text : none), words(r->error ? str_of(err_code(r->error->kind)) : none), int_cell(r->rows),
		text_cell(metadata(c, r)), rows ? bytes_cell(*rows) : (struct engine_cell){.kind = ENGINE_CELL_NULL},
		time_cell(r->expires_ms), text_cell(r->handle));

	s.must_change = true;
	return s;
}

struct engine_step duck_ended(struct call *c, const struct stmt_record *r, const struct str *rows)
{
	struct str none = S("");
	struct engine_step s = STEP_OF(
		c,
		"INSERT INTO statements (handle, session_id, sql, status, created_at, started_at, completed_at, error_message, "
		"error_code, result_row_count, result_metadata, result_rows, expires_at, principal, owner, grants) "
		"VALUES (?, ?, ?, ?, make_timestamp_ms(?), make_timestamp_ms(?), make_timestamp_ms(?), ?, ?, ?, ?, ?, "
		"make_timestamp_ms(?), ?, ?, ?) ON CONFLICT (handle) DO UPDATE SET status = excluded.status, "
		"started_at = excluded.started_at, completed_at = excluded.completed_at, error_message = excluded.error_message, "
		"error_code = excluded.error_code, result_row_count = excluded.result_row_count, "
		"result_metadata = excluded.result_metadata, result_rows = excluded.result_rows, expires_at = excluded.expires_at "
		"WHERE statements.status IN ('SUBMITTED', 'RUNNING')",
		text_cell(r->handle), text_cell(r->session_id), text_cell(r->sql), text_cell(state_name(r->state)), int_cell(r->created_ms),
		time_cell(r->started_ms), time_cell(r->completed_ms), words(r->error ? r->error->text : none),
		words(r->error ? str_of(err_code(r->error->kind)) : none), int_cell(r->rows), text_cell(metadata(c, r)),
		rows ? bytes_cell(*rows) : (struct engine_cell){.kind = ENGINE_CELL_NULL}, time_cell(r->expires_ms),
		text_cell(r->principal), text_cell(r->owner), text_cell(duck_grants_text(c, r->grants, r->ngrants)));

	s.must_change = true;
	return s;
}

struct engine_step duck_batch(struct call *c, struct str handle, int i, struct str bytes)
{
	return STEP_OF(c,
		       "INSERT INTO statement_results (handle, batch_number, result_data) VALUES (?, ?, ?) "
		       "ON CONFLICT (handle, batch_number) DO UPDATE SET result_data = excluded.result_data",
		       text_cell(handle), int_cell(i), bytes_cell(bytes));
}

struct engine_step duck_orphans(struct call *c, struct str handle)
{
	return STEP_OF(c,
		       "DELETE FROM statement_results WHERE (? = '' OR handle = ?) AND handle NOT IN "
		       "(SELECT handle FROM statements WHERE status = 'SUCCEEDED' AND result_rows IS NULL AND result_metadata IS NOT NULL)",
		       text_cell(handle), text_cell(handle));
}

struct engine_step duck_grants(struct call *c, struct str handle, struct str from, struct str to)
{
	struct engine_step s = STEP_OF(c, "UPDATE statements SET grants = ? WHERE handle = ? AND grants = ? AND status <> 'DROPPED'",
				       text_cell(to), text_cell(handle), text_cell(from));

	s.must_change = true;
	return s;
}

void duck_drops(struct call *c, struct str handle, int64_t now_ms, struct engine_step ret[2])
{
	ret[0] = STEP_OF(c,
			 "UPDATE statements SET status = 'DROPPED', sql = '', started_at = NULL, completed_at = NULL, "
			 "error_message = NULL, error_code = NULL, result_row_count = NULL, result_metadata = NULL, result_rows = NULL, "
			 "expires_at = make_timestamp_ms(?), principal = '', owner = '', grants = '[]' "
			 "WHERE handle = ? AND status <> 'DROPPED'",
			 int_cell(now_ms), text_cell(handle));
	ret[1] = STEP_OF(c, "DELETE FROM statement_results WHERE handle = ?", text_cell(handle));
}

struct engine_step duck_expire(struct call *c, int64_t now_ms)
{
	return STEP_OF(c,
		       "UPDATE statements SET sql = '', error_message = NULL, result_metadata = NULL, result_rows = NULL "
		       "WHERE expires_at <= make_timestamp_ms(?) AND result_metadata IS NOT NULL",
		       int_cell(now_ms));
}

struct engine_step duck_forget(struct call *c, int64_t before_ms)
{
	return STEP_OF(c, "DELETE FROM statements WHERE expires_at <= make_timestamp_ms(?)", int_cell(before_ms));
}

/* --- reading --- */

#define COLUMNS \
	"handle, session_id, sql, status, created_at, started_at, completed_at, expires_at, principal, owner, grants, " \
	"result_row_count, result_metadata"

struct engine_step duck_select(struct call *c, struct str handle)
{
	return STEP_OF(c, "SELECT " COLUMNS " FROM statements WHERE handle = ?", text_cell(handle));
}

static int64_t offset_of(const struct stmt_record *r, int i)
{
	int64_t at = 0;

	for (int k = 0; k < i; k++)
		at += r->parts[k].stored;
	return at;
}

struct engine_step duck_select_rows(struct call *c, const struct stmt_record *r, int i)
{
	int64_t at = offset_of(r, i);

	return STEP_OF(c,
		       "SELECT array_slice(result_rows, ?, ?), octet_length(result_rows) FROM statements "
		       "WHERE handle = ? AND status = 'SUCCEEDED'",
		       int_cell(at + 1), int_cell(at + r->parts[i].stored), text_cell(r->handle));
}

struct engine_step duck_select_batch(struct call *c, const struct stmt_record *r, int i)
{
	return STEP_OF(c, "SELECT result_data FROM statement_results WHERE handle = ? AND batch_number = ?", text_cell(r->handle),
		       int_cell(i));
}

struct engine_step duck_next_due(void)
{
	return (struct engine_step){.sql = S("SELECT min(CASE WHEN result_metadata IS NULL THEN expires_at + INTERVAL 1 DAY "
					     "ELSE expires_at END) FROM statements")};
}

#define PASSES \
	"(? = '' OR handle < ?) AND (? = '' OR session_id = ?) AND (? = '' OR status = ?) " \
	"AND (? = 0 OR created_at >= make_timestamp_ms(?)) AND (? = 0 OR created_at <= make_timestamp_ms(?)) " \
	"AND status <> 'DROPPED' AND (expires_at IS NULL OR expires_at > make_timestamp_ms(?)) ORDER BY handle DESC LIMIT ?"

/* The handles of a page alone, or (with `bytes`) rows until they hold so many. */
static struct engine_step page(struct call *c, const struct duck_page *p, struct str sql, bool bytes)
{
	const struct stmt_filter any = {.state = -1}, *f = p->filter ? p->filter : &any;
	struct engine_cell state = text_cell(f->state < 0 ? S("") : state_name((enum stmt_state)f->state));
	const struct engine_cell before = text_cell(p->before), session = text_cell(f->session_id), since = int_cell(f->since_ms),
				 until = int_cell(f->until_ms);
	const struct engine_cell binds[] = {before, before, session, session, state, state, since, since, until, until,
					    int_cell(p->now_ms), int_cell(p->rows), int_cell(p->bytes)};

	return step_of(c, sql, binds, (int)COUNT_OF(binds) - !bytes);
}

struct engine_step duck_select_page(struct call *c, const struct duck_page *p)
{
	return page(c, p, S("SELECT * FROM (SELECT " COLUMNS " FROM statements WHERE " PASSES ") "
			    "QUALIFY coalesce(sum(strlen(sql) + strlen(result_metadata::VARCHAR)) OVER (ORDER BY handle DESC "
			    "ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) < ? ORDER BY handle DESC"), true);
}

struct engine_step duck_select_handles(struct call *c, const struct duck_page *p)
{
	return page(c, p, S("SELECT handle FROM statements WHERE " PASSES), false);
}

/* --- rows as records --- */

static bool get_text(const struct engine_cell *cell, struct str *ret)
{
	if (cell->kind != ENGINE_CELL_TEXT)
		return false;
	*ret = cell->s;
	return true;
}

/* DuckDB's are in microseconds. */
static bool get_time(const struct engine_cell *cell, bool must, int64_t *ret)
{
	if (cell->kind != ENGINE_CELL_INT || cell->integer < 0)
		return !must && cell->kind == ENGINE_CELL_NULL;
	*ret = cell->integer / 1000;
	return true;
}

static bool get_state(struct str name, enum stmt_state *ret)
{
	for (int i = 0; i < STMT_STATES; i++) {
		if (!str_eq(name, state_name((enum stmt_state)i)))
			continue;
		*ret = (enum stmt_state)i;
		return true;
	}
	return false;
}

static bool get_grants(struct call *c, const struct engine_cell *cell, struct stmt_record *r)
{
	struct str text, *v;
	const json_node *list;
	size_t n;

	if (!get_text(cell, &text) || !json_read(c, text, &list) || json_kind(list) != JSON_KIND_ARRAY)
		return false;
	n = json_count(list);
	v = ARENA_ARRAY(c->arena, struct str, n + 1);
	for (size_t i = 0; i < n && i < STMT_GRANTS_MAX; i++) {
		if (json_kind(json_at(list, i)) != JSON_KIND_TEXT)
			return false;
		v[i] = json_text(json_at(list, i));
	}
	r->grants = v;
	r->ngrants = (int)n;
	return n <= STMT_GRANTS_MAX;
}

static bool get_plain(struct call *c, const struct duck_file *f, const struct engine_cell *v, struct stmt_record *r)
{
	const struct engine_cell *rows = &v[11];

	if (!get_text(&v[1], &r->session_id) || !get_text(&v[2], &r->sql) || !get_time(&v[4], true, &r->created_ms) ||
	    !get_time(&v[5], false, &r->started_ms) || !get_time(&v[6], false, &r->completed_ms) ||
	    !get_time(&v[7], false, &r->expires_ms) || !get_text(&v[8], &r->principal) || !get_text(&v[9], &r->owner) ||
	    !get_grants(c, &v[10], r))
		return false;
	if (rows->kind != ENGINE_CELL_NULL && (rows->kind != ENGINE_CELL_INT || rows->integer < 0))
		return false;
	r->rows = rows->kind == ENGINE_CELL_INT ? rows->integer : 0;
	r->tenant = f->tenant;
	return !f->session_id.n || str_eq(f->session_id, r->session_id);
}

bool duck_record(struct call *c, const struct duck_file *f, const struct engine_cell *v, struct stmt_record *ret,
		 enum duck_left *ret_left)
{
	bool stripped = v[12].kind == ENGINE_CELL_NULL;
	struct stmt_record r = {0};
	struct str status, metadata;

	if (!get_text(&v[0], &r.handle) || !id_valid(r.handle) || !get_text(&v[3], &status))
		return fail(c, ERR_STORAGE, "the file %s of the statement store holds a row that is no statement", f->name);
	if (str_eq(status, S(DUCK_DROPPED))) {
		*ret_left = DUCK_DROP;
		*ret = r;
		return true;
	}
	if (!get_state(status, &r.state) || !get_plain(c, f, v, &r) || (!stripped && !get_text(&v[12], &metadata)) ||
	    (stripped && !r.expires_ms)) {
		call_forgive(c);
		return fail(c, ERR_STORAGE, "the row of statement %.*s in the file %s is damaged", SARG(r.handle), f->name);
	}
	if (!stripped && !stmt_metadata_read(c, metadata, &r))
		return false;
	*ret_left = stripped || (r.expires_ms && r.expires_ms <= clock_wall_ms()) ? DUCK_EXPIRED : DUCK_LIVE;
	*ret = r;
	return true;
}

bool duck_inline(const struct stmt_record *r)
{
	return r->nparts > 0 && r->row_bytes < INLINE_RESULT_BYTES && offset_of(r, r->nparts) < INLINE_RESULT_BYTES;
}
