/* record.c - the parts of a kept statement that have no column of their own, as one JSON text.
 *
 * Columns (or fields) of every store are the handle, tenant, session, principal,
 * owner, SQL, state, times, error message and code, count of rows and grants;
 * all else is in here. What is read may have been written by anybody: every
 * value is checked, and one that does not fit is ERR_STORAGE for that statement.
 *
 * Pure functions, any thread.
 */
#include "statement/statement_int.h"
#include "statement/store.h"

#include "json/json.h"

enum { METADATA_VERSION = 1, CELLS_OF_A_PART = 4, VALUES_MAX = PARTS_MAX * CELLS_OF_A_PART + 1000 };

/* --- writing --- */

/* What is empty, false or 0 is left out: it is read at every look at the statement. */
static void put_bytes(struct json_out *o, struct str quoted_key, struct str bytes)
{
	OWNS(buf) text = {0};

	if (!bytes.n)
		return;
	hash_base64(bytes, &text);
	json_literal_key(o, quoted_key);
	json_put_text(o, buf_str(&text));
}

static void put_flag(struct json_out *o, struct str quoted_key, bool v)
{
	if (!v)
		return;
	json_literal_key(o, quoted_key);
	json_put_bool(o, v);
}

static void put_count(struct json_out *o, struct str quoted_key, int64_t v)
{
	if (!v)
		return;
	json_literal_key(o, quoted_key);
	json_put_int(o, v);
}

static void put_error(struct json_out *o, const struct stmt_error *e)
{
	json_literal_key(o, S("\"error\":"));
	json_begin_object(o);
	JSON_FIELD_TEXT(o, "code", str_of(err_code(e->kind)));
	JSON_FIELD_TEXT(o, "text", e->text);
	JSON_FIELD_TEXT(o, "snowflake", e->snowflake);
	JSON_FIELD_TEXT(o, "sqlstate", str_of(e->sqlstate));
	JSON_FIELD_TEXT(o, "native", str_of(e->native));
	JSON_FIELD_INT(o, "position", e->position);
	json_end_object(o);
}

/* One after the other without brackets between: a large result has thousands. */
static void put_parts(struct json_out *o, const struct stmt_record *r)
{
	json_literal_key(o, S("\"parts\":"));
	json_begin_array(o);
	for (int i = 0; i < r->nparts; i++) {
		json_put_int(o, r->parts[i].stored);
		json_put_int(o, r->parts[i].rows);
		json_put_int(o, r->parts[i].row_bytes);
		json_put_int(o, r->parts[i].gzip);
	}
	json_end_array(o);
}

void stmt_metadata_text(const struct stmt_record *r, struct buf *out)
{
	struct json_out o = json_out(out);

	json_begin_object(&o);
	JSON_FIELD_INT(&o, "version", METADATA_VERSION);
	JSON_FIELD_TEXT(&o, "kind", str_of(sql_kind_name(r->kind)));
	if (r->request_id.n)
		JSON_FIELD_TEXT(&o, "request_id", r->request_id);
	put_bytes(&o, S("\"query_tag\":"), r->query_tag);
	if (r->children.n)
		JSON_FIELD_TEXT(&o, "children", r->children);
	put_bytes(&o, S("\"claim\":"), r->claim); /* names what a client chose, in any bytes */
	put_flag(&o, S("\"snowflake\":"), r->snowflake);
	put_flag(&o, S("\"null_text\":"), r->null_text);
	put_flag(&o, S("\"detached\":"), r->detached);
	put_flag(&o, S("\"several\":"), r->several);
	put_flag(&o, S("\"status_shape\":"), r->status_shape);
	put_count(&o, S("\"ttl_ms\":"), r->ttl_ms);
	put_count(&o, S("\"timeout_ms\":"), r->timeout_ms);
	put_count(&o, S("\"inserted\":"), r->counts.inserted);
	put_count(&o, S("\"updated\":"), r->counts.updated);
	put_count(&o, S("\"deleted\":"), r->counts.deleted);
	put_count(&o, S("\"row_bytes\":"), r->row_bytes);
	put_bytes(&o, S("\"columns\":"), r->columns);
	if (r->nparts)
		put_parts(&o, r);
	if (r->error)
		put_error(&o, r->error);
	json_end_object(&o);
}

/* --- reading --- */

static bool damaged(struct call *c, const char *what)
{
	return fail(c, ERR_STORAGE, "%s of the record cannot be read", what);
}

static bool read_kind(struct call *c, struct str name, enum sql_kind *ret)
{
	int k = 0;

	while (k < SQL_KIND_COUNT && !str_eq(name, str_of(sql_kind_name((enum sql_kind)k))))
		k++;
	if (k == SQL_KIND_COUNT)
		return damaged(c, "kind");
	*ret = (enum sql_kind)k;
	return true;
}

static bool bytes_of(struct call *c, struct str base64, struct str *ret)
{
	OWNS(buf) bytes = {0};

	if (!hash_unbase64(base64, &bytes))
		return false;
	*ret = arena_dup(c->arena, buf_str(&bytes));
	return true;
}

/* The bytes behind a member of base64 text; absent is empty. */
static bool read_bytes(struct call *c, const json_node *o, const char *key, struct str *ret)
{
	struct str text = {0};

	return json_want_text(c, o, key, &text) && (bytes_of(c, text, ret) || damaged(c, key));
}

static bool columns_valid(struct call *c, struct str packed)
{
	struct engine_column *v;
	int n;

	return !packed.n || engine_columns(c, packed, &v, &n);
}

static bool read_columns(struct call *c, const json_node *o, struct stmt_record *r)
{
	return read_bytes(c, o, "columns", &r->columns) && columns_valid(c, r->columns);
}

static bool part_of(const int64_t cells[CELLS_OF_A_PART], struct stmt_kept_part *ret)
{
	static const int64_t most[CELLS_OF_A_PART] = {CONVERT_PLAIN_MAX, INT32_MAX, CONVERT_PLAIN_MAX, 1};

	for (int i = 0; i < CELLS_OF_A_PART; i++)
		if (cells[i] < 0 || cells[i] > most[i])
			return false;
	*ret = (struct stmt_kept_part){.stored = cells[0], .rows = cells[1], .row_bytes = cells[2], .gzip = cells[3] == 1};
	return true;
}

static bool read_part(const json_node *list, size_t at, struct stmt_kept_part *ret)
{
	int64_t cells[CELLS_OF_A_PART];

	for (size_t i = 0; i < CELLS_OF_A_PART; i++) {
		const json_node *cell = json_at(list, at + i);

		cells[i] = json_kind(cell) == JSON_KIND_INT ? json_int(cell) : -1;
	}
	return part_of(cells, ret);
}

/* What the parts hold is what the record says that the result holds. */
static bool parts_add_up(const struct stmt_record *r)
{
	int64_t rows = 0, row_bytes = 0;

	for (int i = 0; i < r->nparts; i++) {
		rows += r->parts[i].rows;
		row_bytes += r->parts[i].row_bytes;
	}
	if (r->state != STMT_SUCCEEDED)
		return !r->nparts;
	return rows == r->rows && row_bytes == r->row_bytes && (!r->nparts || r->columns.n);
}

static bool read_parts(struct call *c, const json_node *o, struct stmt_record *r)
{
	const json_node *list = json_get(o, "parts");
	bool right = !list || (json_kind(list) == JSON_KIND_ARRAY && json_count(list) % CELLS_OF_A_PART == 0);
	size_t n = list && right ? json_count(list) / CELLS_OF_A_PART : 0;
	struct stmt_kept_part *v;

	if (!right || n > PARTS_MAX)
		return damaged(c, "parts");
	v = ARENA_ARRAY(c->arena, struct stmt_kept_part, n + 1);
	for (size_t i = 0; i < n; i++)
		if (!read_part(list, i * CELLS_OF_A_PART, &v[i]))
			return damaged(c, "parts");
	r->parts = v;
	r->nparts = (int)n;
	return parts_add_up(r) || damaged(c, "parts");
}

static bool error_kind(struct str code, enum err_kind *ret)
{
	for (int k = ERR_NONE + 1; k < ERR_KIND_COUNT; k++) {
		if (!str_eq(code, str_of(err_code((enum err_kind)k))))
			continue;
		*ret = (enum err_kind)k;
		return true;
	}
	return false;
}

static bool copy_code(struct str s, char *to, size_t cap)
{
	if (s.n >= cap || memchr(s.p ? s.p : "", 0, s.n))
		return false;
	memcpy(to, s.p, s.n);
	to[s.n] = 0;
	return true;
}

static bool read_error(struct call *c, const json_node *o, struct stmt_record *r)
{
	const json_node *n = json_get(o, "error");
	struct stmt_error *e = ARENA_NEW(c->arena, struct stmt_error);
	struct str code = {0}, sqlstate = S(""), native = S("");
	int64_t position = 0;

	r->error = NULL;
	if (!n)
		return (r->state != STMT_FAILED && r->state != STMT_CANCELED) || damaged(c, "error");
	if (json_kind(n) != JSON_KIND_OBJECT)
		return damaged(c, "error");
	if (!json_want_text(c, n, "code", &code) || !json_want_text(c, n, "text", &e->text) ||
	    !json_want_text(c, n, "snowflake", &e->snowflake) || !json_want_text(c, n, "sqlstate", &sqlstate) ||
	    !json_want_text(c, n, "native", &native) || !json_want_int(c, n, "position", 0, INT32_MAX, &position))
		return false;
	e->position = (int)position;
	r->error = e;
	return (error_kind(code, &e->kind) && copy_code(sqlstate, e->sqlstate, sizeof(e->sqlstate)) &&
		copy_code(native, e->native, sizeof(e->native)) && (r->state == STMT_FAILED || r->state == STMT_CANCELED)) ||
	       damaged(c, "error");
}

static bool children_valid(struct str v)
{
	if (v.n % ID_LEN || v.n / ID_LEN > STMT_CHILDREN_MAX)
		return false;
	for (size_t at = 0; at < v.n; at += ID_LEN)
		if (!id_valid(str_from(v.p + at, ID_LEN)))
			return false;
	return true;
}

static bool read_children(struct call *c, const json_node *o, struct stmt_record *r)
{
	return json_want_text(c, o, "children", &r->children) && (children_valid(r->children) || damaged(c, "children"));
}

static bool read_plain(struct call *c, const json_node *o, struct stmt_record *r)
{
	struct str kind = {0};
	int64_t version = 0;

	if (!json_want_int(c, o, "version", METADATA_VERSION, METADATA_VERSION, &version) ||
	    !json_want_text(c, o, "kind", &kind) || !json_want_text(c, o, "request_id", &r->request_id) ||
	    !read_bytes(c, o, "claim", &r->claim) || !read_bytes(c, o, "query_tag", &r->query_tag) || !read_children(c, o, r) ||
	    !json_want_bool(c, o, "snowflake", &r->snowflake) || !json_want_bool(c, o, "null_text", &r->null_text) ||
	    !json_want_bool(c, o, "detached", &r->detached) ||
	    !json_want_bool(c, o, "several", &r->several) || !json_want_bool(c, o, "status_shape", &r->status_shape) ||
	    !json_want_int(c, o, "ttl_ms", 0, INT64_MAX, &r->ttl_ms) ||
	    !json_want_int(c, o, "timeout_ms", 0, INT64_MAX, &r->timeout_ms) ||
	    !json_want_int(c, o, "inserted", 0, INT64_MAX, &r->counts.inserted) ||
	    !json_want_int(c, o, "updated", 0, INT64_MAX, &r->counts.updated) ||
	    !json_want_int(c, o, "deleted", 0, INT64_MAX, &r->counts.deleted) ||
	    !json_want_int(c, o, "row_bytes", 0, INT64_MAX, &r->row_bytes))
		return false;
	return version == METADATA_VERSION ? read_kind(c, kind, &r->kind) : damaged(c, "version");
}

/* --- reading what is as it was written here: in its order, without escapes, and of one that has not failed. No tree is built --- */

struct reader {
	const char *p, *end;
	bool bad;                   /* it is something else, and to be read the long way */
};

static bool take(struct reader *in, struct str word)
{
	if ((size_t)(in->end - in->p) < word.n || memcmp(in->p, word.p, word.n) != 0)
		return false;
	in->p += word.n;
	return true;
}

static struct str take_text(struct reader *in)
{
	const char *from = in->p + 1;

	in->bad = in->bad || !take(in, S("\""));
	while (in->p < in->end && *in->p >= ' ' && *in->p <= '~' && *in->p != '"' && *in->p != '\\')
		in->p++;
	in->bad = in->bad || !take(in, S("\""));
	return in->bad ? S("") : str_from(from, (size_t)(in->p - 1 - from));
}

static int64_t take_number(struct reader *in)
{
	const char *from = in->p;
	int64_t v = 0;

	while (in->p < in->end && ascii_digit(*in->p) && in->p - from < 18)
		v = v * 10 + (*in->p++ - '0');
	in->bad = in->bad || in->p == from || (*from == '0' && in->p - from > 1);
	return v;
}

static struct str take_member(struct reader *in, struct str key)
{
	return take(in, key) ? take_text(in) : S("");
}

static void take_bytes(struct call *c, struct reader *in, struct str key, struct str *ret)
{
	if (take(in, key) && !bytes_of(c, take_text(in), ret))
		in->bad = true;
}

static void take_count(struct reader *in, struct str key, int64_t *ret)
{
	if (take(in, key))
		*ret = take_number(in);
}

static bool take_part(struct reader *in, struct stmt_kept_part *ret)
{
	int64_t cells[CELLS_OF_A_PART];

	for (int i = 0; i < CELLS_OF_A_PART; i++) {
		cells[i] = take_number(in);
		in->bad = in->bad || (i < CELLS_OF_A_PART - 1 && !take(in, S(",")));
	}
	return !in->bad && part_of(cells, ret);
}

static void take_parts(struct call *c, struct reader *in, struct stmt_record *r)
{
	size_t most = 0;
	struct stmt_kept_part *v;
	bool more;

	for (const char *at = in->p; at < in->end && *at != ']'; at++)
		most += *at == ',';
	most = most / CELLS_OF_A_PART + 1;
	in->bad = in->bad || most > PARTS_MAX;
	r->parts = v = ARENA_ARRAY(c->arena, struct stmt_kept_part, in->bad ? 1 : most);
	do {
		in->bad = in->bad || (size_t)r->nparts == most || !take_part(in, &v[r->nparts]);
		r->nparts++;
		more = !in->bad && take(in, S(","));
	} while (more);
	in->bad = in->bad || !take(in, S("]"));
}

_Static_assert(METADATA_VERSION == 1, "what take_all() begins with");

static bool take_all(struct call *c, struct str text, struct stmt_record *r)
{
	struct reader in = {text.p, text.p + text.n, !text.p};
	struct str kind = take_member(&in, S("{\"version\":1,\"kind\":"));

	r->request_id = arena_dup(c->arena, take_member(&in, S(",\"request_id\":")));
	take_bytes(c, &in, S(",\"query_tag\":"), &r->query_tag);
	r->children = arena_dup(c->arena, take_member(&in, S(",\"children\":")));
	take_bytes(c, &in, S(",\"claim\":"), &r->claim);
	r->snowflake = take(&in, S(",\"snowflake\":true"));
	r->null_text = take(&in, S(",\"null_text\":true"));
	r->detached = take(&in, S(",\"detached\":true"));
	r->several = take(&in, S(",\"several\":true"));
	r->status_shape = take(&in, S(",\"status_shape\":true"));
	take_count(&in, S(",\"ttl_ms\":"), &r->ttl_ms);
	take_count(&in, S(",\"timeout_ms\":"), &r->timeout_ms);
	take_count(&in, S(",\"inserted\":"), &r->counts.inserted);
	take_count(&in, S(",\"updated\":"), &r->counts.updated);
	take_count(&in, S(",\"deleted\":"), &r->counts.deleted);
	take_count(&in, S(",\"row_bytes\":"), &r->row_bytes);
	take_bytes(c, &in, S(",\"columns\":"), &r->columns);
	if (take(&in, S(",\"parts\":[")))
		take_parts(c, &in, r);
	return !in.bad && take(&in, S("}")) && in.p == in.end && read_kind(c, kind, &r->kind) && children_valid(r->children) &&
	       columns_valid(c, r->columns) && parts_add_up(r) && r->state != STMT_FAILED && r->state != STMT_CANCELED;
}

/* --- reading --- */

/* What the metadata does not say is as in a new record, whatever was there. */
static struct stmt_record known(const struct stmt_record *r)
{
	struct stmt_record k = {.handle = r->handle, .tenant = r->tenant, .principal = r->principal, .session_id = r->session_id,
				.owner = r->owner, .sql = r->sql, .state = r->state, .created_ms = r->created_ms,
				.started_ms = r->started_ms, .completed_ms = r->completed_ms, .expires_ms = r->expires_ms,
				.rows = r->rows, .grants = r->grants, .ngrants = r->ngrants};

	return k;
}

bool stmt_metadata_read(struct call *c, struct str text, struct stmt_record *ret)
{
	struct stmt_record r = known(ret);
	const json_node *o;
	char why[sizeof(c->err.text)];

	if (take_all(c, text, &r)) {
		*ret = r;
		return true;
	}
	call_forgive(c);
	r = known(ret);
	if (json_read_object_within(c, text, VALUES_MAX, &o) && read_plain(c, o, &r) && read_columns(c, o, &r) && read_parts(c, o, &r) &&
	    read_error(c, o, &r)) {
		*ret = r;
		return true;
	}
	memcpy(why, c->err.text, sizeof(why));
	call_forgive(c);
	return fail(c, ERR_STORAGE, "the stored metadata of statement %.*s is damaged: %s", SARG(str_head(ret->handle, ID_LEN)), why);
}
