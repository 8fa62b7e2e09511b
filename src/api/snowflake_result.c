/* snowflake_result.c - answers of /api/v2/statements that tell of a statement.
 *
 * ResultSet, QueryStatus, failure, partitions and Link (specification,
 * sections 4 and 5). Rows are stored as they are sent: the first partition is
 * embedded in the ResultSet, the others are sent as stored.
 */
#include "api/api_int.h"

/* --- rowType --- */

/* Of texts and bytes: the most that there is, and of columns that declare none. What is no column's and has TEXT_COLUMN, as
 * SHOW and status texts, counts characters as bytes. */
enum { TEXT_MAX = 134217728, TEXT_COLUMN = 16777216, BYTES_COLUMN = 8388608, BYTES_OF_CHARACTER = 4 };
enum { SCALE_OF_TIMES = 9, NONE = -1 };

static const struct {
	const char *type;
	int precision, scale;
	enum { PLAIN, NUMBER, TIME, TEXT, BYTES } sort;
} wire_types[ENGINE_T_COUNT] = {
	[ENGINE_T_BOOL] = {"boolean", NONE, NONE, PLAIN},
	[ENGINE_T_INT] = {"fixed", 38, 0, NUMBER},
	[ENGINE_T_HUGE] = {"fixed", 38, 0, NUMBER},
	[ENGINE_T_DECIMAL] = {"fixed", 38, 0, NUMBER},
	[ENGINE_T_REAL] = {"real", NONE, NONE, PLAIN},
	[ENGINE_T_TEXT] = {"text", NONE, NONE, TEXT},
	[ENGINE_T_UUID] = {"text", NONE, NONE, TEXT},
	[ENGINE_T_INTERVAL] = {"text", NONE, NONE, TEXT},
	[ENGINE_T_BLOB] = {"binary", NONE, NONE, BYTES},
	[ENGINE_T_DATE] = {"date", NONE, NONE, PLAIN},
	[ENGINE_T_TIME] = {"time", 0, SCALE_OF_TIMES, TIME},
	[ENGINE_T_TIMETZ] = {"text", NONE, NONE, TEXT}, /* with its offset */
	[ENGINE_T_TIMESTAMP] = {"timestamp_ntz", 0, SCALE_OF_TIMES, TIME},
	[ENGINE_T_TIMESTAMPTZ] = {"timestamp_ltz", 0, SCALE_OF_TIMES, TIME},
	[ENGINE_T_TIMESTAMP_TZ] = {"timestamp_tz", 0, SCALE_OF_TIMES, TIME},
	[ENGINE_T_JSON] = {"variant", NONE, NONE, PLAIN},
	[ENGINE_T_LIST] = {"array", NONE, NONE, PLAIN},
	[ENGINE_T_STRUCT] = {"object", NONE, NONE, PLAIN},
	[ENGINE_T_OBJECT] = {"object", NONE, NONE, PLAIN},
	[ENGINE_T_ARRAY] = {"array", NONE, NONE, PLAIN},
};

static void put_or_null(struct json_out *o, struct str key, int64_t v)
{
	json_key(o, key);
	if (v < 0)
		json_put_null(o);
	else
		json_put_int(o, v);
}

static void write_length(struct json_out *o, const struct engine_column *k)
{
	int64_t length = NONE, bytes = NONE;

	if (wire_types[k->kind].sort == BYTES) {
		length = bytes = k->length ? k->length : BYTES_COLUMN;
	} else if (wire_types[k->kind].sort == TEXT) {
		length = k->length ? k->length : TEXT_COLUMN;
		bytes = length < TEXT_MAX / BYTES_OF_CHARACTER ? length * BYTES_OF_CHARACTER : TEXT_MAX;
		if (k->length == TEXT_COLUMN && !k->table.n)
			bytes = length;
	}
	put_or_null(o, S("length"), length);
	put_or_null(o, S("byteLength"), bytes);
}

static void write_column(struct json_out *o, const struct engine_column *k)
{
	bool own = k->kind == ENGINE_T_DECIMAL || (k->exact && wire_types[k->kind].sort == NUMBER);
	bool digits = k->exact && wire_types[k->kind].sort == TIME;

	json_begin_object(o);
	JSON_FIELD_TEXT(o, "name", k->name);
	JSON_FIELD_TEXT(o, "database", k->database);
	JSON_FIELD_TEXT(o, "schema", k->schema);
	JSON_FIELD_TEXT(o, "table", k->table);
	JSON_FIELD_TEXT(o, "type", str_of(wire_types[k->kind].type));
	JSON_FIELD_BOOL(o, "nullable", k->nullable);
	put_or_null(o, S("precision"), own ? k->precision : wire_types[k->kind].precision);
	put_or_null(o, S("scale"), own || digits ? k->scale : wire_types[k->kind].scale);
	write_length(o, k);
	JSON_FIELD_NULL(o, "collation");
	json_end_object(o);
}

static void write_partition_info(struct json_out *o, struct stmt *st, int n)
{
	struct stmt_part p;

	json_begin_array(o);
	for (int i = 0; i < n && statement_part_info(st, i, &p); i++) {
		json_begin_object(o);
		JSON_FIELD_INT(o, "rowCount", p.rows);
		JSON_FIELD_INT(o, "uncompressedSize", p.row_bytes);
		if (n > 1)
			JSON_FIELD_INT(o, "compressedSize", p.stored_bytes);
		json_end_object(o);
	}
	json_end_array(o);
}

static bool write_metadata(struct call *c, struct json_out *o, struct stmt *st, const struct stmt_view *v)
{
	struct engine_column *columns;
	int n;

	if (!engine_columns(c, v->columns, &columns, &n))
		return false;
	json_key(o, S("resultSetMetaData"));
	json_begin_object(o);
	JSON_FIELD_INT(o, "numRows", v->rows);
	JSON_FIELD_TEXT(o, "format", S("jsonv2"));
	json_key(o, S("partitionInfo"));
	write_partition_info(o, st, v->parts);
	json_key(o, S("rowType"));
	json_begin_array(o);
	for (int i = 0; i < n; i++)
		write_column(o, &columns[i]);
	json_end_array(o);
	json_end_object(o);
	return true;
}

/* --- Link --- */

static void add_link(struct buf *b, struct str handle, int partition, const char *rel)
{
	char *id;

	if (b->n)
		buf_addc(b, ',');
	buf_lit(b, "</api/v2/statements/");
	buf_add(b, handle);
	buf_lit(b, "?requestId=");
	id = buf_room(b, ID_LEN);
	id_v4_text(id);
	b->n += ID_LEN;
	buf_lit(b, "&partition=");
	buf_i64(b, partition);
	buf_lit(b, ">; rel=\"");
	buf_add(b, str_of(rel));
	buf_addc(b, '"');
}

static void set_link(struct http_res *out, const struct stmt_view *v, int at)
{
	enum { USUAL = 512 }; /* bytes of the four links */
	OWNS(buf) b = {0};
	int last = v->parts > 0 ? v->parts - 1 : 0;

	(void)buf_room(&b, USUAL);
	add_link(&b, v->handle, 0, "first");
	if (at > 0)
		add_link(&b, v->handle, at - 1, "prev");
	if (at < last)
		add_link(&b, v->handle, at + 1, "next");
	add_link(&b, v->handle, last, "last");
	http_set(out, "Link", buf_str(&b));
}

/* --- rows --- */

static bool needs_pool(struct stmt *st, const struct stmt_view *v, int i)
{
	struct stmt_part p;

	return v->form != ENGINE_SNOWFLAKE || !statement_part_info(st, i, &p) || !p.in_memory || p.stored_bytes > API_LARGE_BODY;
}

/* Percent-encoded where a URL needs it. */
static void add_encoded(struct buf *b, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (ascii_alpha(s.p[i]) || ascii_digit(s.p[i]) || s.p[i] == '-')
			buf_addc(b, s.p[i]);
		else
			buf_fmt(b, "%%%02X", (unsigned char)s.p[i]);
	}
}

/* Of a multi-statement request: the handles of its statements, in order. */
static void write_children(struct json_out *o, struct str children)
{
	if (!children.n)
		return;
	json_key(o, S("statementHandles"));
	json_begin_array(o);
	for (size_t at = 0; at + ID_LEN <= children.n; at += ID_LEN)
		json_put_text(o, str_from(children.p + at, ID_LEN));
	json_end_array(o);
}

static void write_tail(struct json_out *o, const struct stmt_view *v, struct str request_id)
{
	OWNS(buf) url = {0};

	buf_lit(&url, "/api/v2/statements/");
	buf_add(&url, v->handle);
	buf_lit(&url, "?requestId=");
	add_encoded(&url, request_id);
	JSON_FIELD_TEXT(o, "code", S("090001"));
	write_children(o, v->children);
	JSON_FIELD_TEXT(o, "statementStatusUrl", buf_str(&url));
	JSON_FIELD_TEXT(o, "requestId", request_id);
	JSON_FIELD_TEXT(o, "sqlState", S("00000"));
	JSON_FIELD_TEXT(o, "statementHandle", v->handle);
	JSON_FIELD_TEXT(o, "message", S("Statement executed successfully."));
	JSON_FIELD_INT(o, "createdOn", v->created_ms);
}

static void write_stats(struct json_out *o, const struct stmt_counts *n)
{
	if (!n->inserted && !n->deleted && !n->updated)
		return;
	json_key(o, S("stats"));
	json_begin_object(o);
	JSON_FIELD_INT(o, "numRowsInserted", n->inserted);
	JSON_FIELD_INT(o, "numRowsDeleted", n->deleted);
	JSON_FIELD_INT(o, "numRowsUpdated", n->updated);
	JSON_FIELD_INT(o, "numDmlDuplicates", 0);
	json_end_object(o);
}

static struct str request_id_of(struct call *c, const struct http_req *in)
{
	struct str given;
	struct id fresh;

	if (http_query(c, in, "requestId", &given) && given.n && given.n <= API_REQUEST_ID_MAX)
		return given;
	fresh = id_v4();
	return arena_dup(c->arena, id_str(&fresh));
}

static bool write_result(struct call *c, const struct http_req *in, struct http_res *out, struct stmt *st,
			 const struct stmt_view *v)
{
	struct json_out o = json_out(http_out(out));
	struct str rows = S("[]");

	if (v->parts && needs_pool(st, v, 0) && !http_is_on_pool(out))
		return http_on_pool(out);
	if (v->parts && !statement_part_rows(c, st, 0, ENGINE_SNOWFLAKE, &rows))
		return false;
	json_begin_object(&o);
	if (!write_metadata(c, &o, st, v))
		return false;
	json_key(&o, S("data"));
	json_begin_array(&o);
	json_put_raw(&o, rows);
	json_end_array(&o);
	write_tail(&o, v, request_id_of(c, in));
	write_stats(&o, &v->counts);
	json_end_object(&o);
	api_json(out, 200);
	http_compress_small(out);
	set_link(out, v, 0);
	return true;
}

static bool write_running(struct call *c, struct http_res *out, const struct stmt_view *v)
{
	struct json_out o = json_out(http_out(out));

	api_json(out, 202);
	json_begin_object(&o);
	JSON_FIELD_TEXT(&o, "code", S("333334"));
	JSON_FIELD_TEXT(&o, "message", S("Asynchronous execution in progress. Use provided query id to perform query "
					 "monitoring and management."));
	JSON_FIELD_TEXT(&o, "statementHandle", v->handle);
	JSON_FIELD_TEXT(&o, "statementStatusUrl", arena_fmt(c->arena, "/api/v2/statements/%.*s", SARG(v->handle)));
	json_end_object(&o);
	return true;
}

bool api_write_statement(struct call *c, const struct http_req *in, struct http_res *out, struct stmt *st)
{
	struct stmt_view v;

	statement_view(st, &v);
	switch (v.state) {
	case STMT_SUBMITTED:
	case STMT_RUNNING:
		return write_running(c, out, &v);
	case STMT_SUCCEEDED:
		return write_result(c, in, out, st, &v);
	case STMT_FAILED:
	case STMT_CANCELED:
		api_snowflake_error(out, v.error, v.handle);
		return true;
	case STMT_STATES:
		break;
	}
	return fail(c, ERR_INTERNAL, "a statement in no state");
}

/* --- partitions beyond the first --- */

static bool bad_partition(struct call *c, const struct stmt_view *v, struct str n)
{
	fail(c, ERR_INVALID_FIELD,
	     "Invalid partition parameter. The partition must be long type parsable and between 0 and %d, but '%.*s' is specified.",
	     v->parts > 0 ? v->parts - 1 : 0, SARG(str_head(n, 64)));
	return fail_state(c, "22023", "391922");
}

static void release(void *bytes)
{
	engine_bytes_unref(bytes);
}

bool api_write_partition(struct call *c, const struct http_req *in, struct http_res *out, struct stmt *st, struct str n)
{
	struct engine_bytes *bytes;
	struct stmt_view v;
	int64_t at;

	statement_view(st, &v);
	if (v.state != STMT_SUCCEEDED)
		return api_write_statement(c, in, out, st);
	if (!str_to_i64(n, &at) || at < 0 || at >= (v.parts ? v.parts : 1))
		return bad_partition(c, &v, n);
	if (at == 0)
		return api_write_statement(c, in, out, st);
	if (needs_pool(st, &v, (int)at) && !http_is_on_pool(out))
		return http_on_pool(out);
	if (!statement_part_gzipped(c, st, (int)at, ENGINE_SNOWFLAKE, &bytes))
		return false;
	api_json(out, 200);
	http_set(out, "Content-Encoding", S("gzip"));
	set_link(out, &v, (int)at);
	http_body_ref(out, engine_bytes_str(bytes), release, bytes);
	return true;
}
