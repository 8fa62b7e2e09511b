/* errors.c - what a failed call looks like, natively, to Snowflake and to Iceberg.
 *
 * The one table of statuses and codes for every kind of error. Natively:
 * problem+json (contract, section 0). On /api/v2: code, message, sqlState and
 * statementHandle (specification, section 9). On /iceberg: the error object of
 * the REST catalog's specification.
 */
#include "api/api_int.h"

static const struct {
	int native, snowflake; /* HTTP */
	const char *code, *sqlstate;
	const char *message;   /* on /api/v2; NULL = the call's own text */
} kinds[ERR_KIND_COUNT] = {
	[ERR_INVALID_JSON] = {400, 400, "390142", "", "Incoming request does not contain a valid payload."},
	[ERR_UNKNOWN_FIELD] = {400, 400, "390142", "", "Incoming request does not contain a valid payload."},
	[ERR_INVALID_FIELD] = {400, 400, "390142", "", NULL},
	[ERR_INVALID_TENANT] = {400, 400, "390142", "", NULL},
	[ERR_BAD_REQUEST] = {400, 400, "390142", "", NULL},
	[ERR_UNAUTHENTICATED] = {401, 401, "390303", "", NULL},
	[ERR_FORBIDDEN] = {403, 403, "390186", "", NULL},
	[ERR_NOT_FOUND] = {404, 400, "000709", "02000", NULL},
	[ERR_NO_SESSION] = {404, 404, "390111", "", NULL},
	[ERR_RESULT_EXPIRED] = {410, 400, "000710", "02000", NULL},
	[ERR_NO_TENANT_BINDING] = {403, 403, "390186", "", NULL},
	[ERR_SESSION_CLOSED] = {410, 410, "390111", "", NULL},
	[ERR_SESSION_EXPIRED] = {410, 410, "390112", "", NULL},
	[ERR_WRONG_SERVER] = {409, 409, "390111", "", NULL},
	[ERR_INVALID_NAME] = {400, 422, "001003", "42602", NULL},
	[ERR_NAME_TOO_LONG] = {400, 422, "001003", "42622", NULL},
	[ERR_DUPLICATE_TABLE] = {409, 422, "002002", "42710", NULL},
	[ERR_UNKNOWN_TABLE] = {404, 422, "002003", "42S02", NULL},
	[ERR_SCHEMA_MISMATCH] = {422, 422, "100038", "22018", NULL},
	[ERR_CONSTRAINT] = {409, 422, "100072", "23505", NULL},
	[ERR_READ_ONLY] = {422, 422, "003001", "42501", NULL},
	[ERR_QUOTA] = {429, 429, "390505", "", NULL},
	[ERR_PARTIAL_DELETION] = {500, 500, "000603", "XX000", NULL},
	[ERR_STORAGE] = {500, 500, "000603", "XX000", NULL},
	[ERR_METHOD_NOT_ALLOWED] = {405, 405, "", "", ""},
	[ERR_NOT_ACCEPTABLE] = {406, 406, "391902", "", NULL},
	[ERR_NOT_FINISHED] = {409, 409, "333334", "", NULL},
	[ERR_CONFLICT] = {409, 409, "390142", "", NULL},
	[ERR_BODY_TOO_LARGE] = {413, 413, "390142", "", NULL},
	[ERR_UNSUPPORTED_MEDIA] = {415, 415, "391903", "", NULL},
	[ERR_HEADERS_TOO_LARGE] = {431, 431, "390142", "", NULL},
	[ERR_REQUEST_TIMEOUT] = {408, 408, "390142", "", NULL},
	[ERR_NOT_ALLOWED] = {422, 422, "000002", "0A000", NULL},
	[ERR_SQL] = {422, 422, "001003", "42000", NULL},
	[ERR_SQL_INVALID] = {422, 422, "001003", "42000", NULL},
	[ERR_VIEW_DELETED] = {410, 410, "002003", "02000", NULL},
	[ERR_VIEW_FAILED] = {422, 422, "000603", "XX000", NULL},
	[ERR_REVISION_CONFLICT] = {409, 409, "390142", "", NULL},
	[ERR_SPACE_NOT_EMPTY] = {409, 409, "390142", "", NULL},
	[ERR_LIMIT_TOO_LARGE] = {400, 400, "390142", "", NULL},
	[ERR_CORRUPT_TABLE] = {422, 422, "000603", "XX000", NULL},
	[ERR_SQL_EMPTY] = {422, 400, "000900", "42601", "SQL compilation error:\nEmpty SQL statement."},
	[ERR_SCRIPT] = {422, 422, "001003", "42601", NULL},
	[ERR_META_COMMAND] = {422, 422, "001003", "0A000", NULL},
	[ERR_MISSING_VARIABLE] = {422, 422, "001003", "42P02", NULL},
	[ERR_MISSING_INCLUDE] = {400, 422, "001003", "", NULL},
	[ERR_INCLUDE_CYCLE] = {422, 422, "001003", "", NULL},
	[ERR_BINARY_FILE] = {422, 422, "001003", "22021", NULL},
	[ERR_INVALID_PATH] = {400, 422, "390142", "", NULL},
	[ERR_MISSING_BLOBS] = {422, 422, "390142", "", NULL},
	[ERR_ETAG_MISMATCH] = {409, 409, "390142", "", NULL},
	[ERR_HEAD_NOT_FOUND] = {422, 422, "390142", "", NULL},
	[ERR_EMPTY_PROJECT] = {422, 422, "390142", "", NULL},
	[ERR_PROJECT_TOO_LARGE] = {413, 413, "390142", "", NULL},
	[ERR_PART_CONFLICT] = {409, 409, "390142", "", NULL},
	[ERR_JOB_STARTED] = {409, 409, "390142", "", NULL},
	[ERR_JOB_EXPIRED] = {410, 410, "390142", "", NULL},
	[ERR_REQUEST_ID_CONFLICT] = {409, 409, "390142", "", NULL},
	[ERR_PLAN_LIMIT] = {403, 403, "390142", "", NULL},
	[ERR_LAYER_IN_USE] = {409, 409, "390142", "", NULL},
	[ERR_ENGINE_UNREACHABLE] = {503, 503, "390503", "", NULL},
	[ERR_RESULT_TOO_LARGE] = {422, 422, "391908", "54000", NULL},
	[ERR_STATEMENT_TIMEOUT] = {422, 408, "000630", "57014", NULL},
	[ERR_CANCELED] = {409, 422, "000604", "57014", NULL},
	[ERR_ENGINE_LOST] = {503, 422, "000603", "XX000", NULL},
	[ERR_SERVER_RESTARTED] = {503, 422, "000603", "XX000", NULL},
	[ERR_SERVER_LOST] = {503, 422, "000603", "XX000", NULL},
	[ERR_TOO_MANY] = {429, 429, "390505", "", "Too many requests."},
	[ERR_UNAVAILABLE] = {503, 503, "390503", "", NULL},
	[ERR_INTERNAL] = {500, 500, "000603", "XX000", NULL},
};

/* --- Snowflake --- */

static void write_body(struct buf *b, const char *code, struct str message, const char *sqlstate, struct str handle)
{
	struct json_out o = json_out(b);

	json_begin_object(&o);
	JSON_FIELD_TEXT(&o, "code", str_of(code));
	JSON_FIELD_TEXT(&o, "message", message);
	if (*sqlstate) {
		JSON_FIELD_TEXT(&o, "sqlState", str_of(sqlstate));
		json_key(&o, S("statementHandle"));
		if (handle.n)
			json_put_text(&o, handle);
		else
			json_put_null(&o);
	}
	json_end_object(&o);
}

void api_snowflake_error(struct http_res *out, const struct stmt_error *e, struct str handle)
{
	int status = kinds[e->kind].snowflake;

	http_status(out, status);
	http_set(out, "Content-Type", S("application/json"));
	write_body(http_out(out), e->native[0] ? e->native : kinds[e->kind].code, e->snowflake,
		   e->sqlstate[0] ? e->sqlstate : kinds[e->kind].sqlstate, handle);
}

/* The handle that a failed request named, for the body. */
static struct str handle_of(const struct http_req *in, const struct http_route *route)
{
	return in && route && strstr(route->path, "{handle}") ? http_param(in, 0) : S("");
}

/* No token is a 400 to Snowflake; an unknown handle is one too, but an unknown path is a 404. */
static int snowflake_status(const struct err *e, struct str handle)
{
	if (e->kind == ERR_UNAUTHENTICATED && str_eq(str_of(e->native), S("390146")))
		return 400;
	return e->kind == ERR_NOT_FOUND && !handle.n ? 404 : kinds[e->kind].snowflake;
}

/* The words of a 401, with the request's id where they have one; why exactly is for the log. Else the call's own text. */
static struct str refusal_of(struct call *c)
{
	static const struct {
		const char *native, *words;
		bool id;
	} refusals[] = {
		{"390144", "JWT token is invalid.", true},
		{"390303", "Invalid OAuth access token.", true},
		{"390318", "OAuth access token expired.", true},
		{"394400", "Programmatic access token is invalid.", false},
	};

	for (size_t i = 0; i < COUNT_OF(refusals); i++) {
		if (strcmp(refusals[i].native, c->err.native) != 0)
			continue;
		if (!refusals[i].id)
			return str_of(refusals[i].words);
		return arena_fmt(c->arena, "%s [%.*s]", refusals[i].words, SARG(c->request_id));
	}
	return str_of(c->err.text);
}

static void fail_snowflake(struct call *c, const struct http_req *in, struct http_res *out, const struct http_route *route)
{
	const struct err *e = &c->err;
	struct str handle = handle_of(in, route), message = str_of(e->text);

	http_status(out, snowflake_status(e, handle));
	if (e->kind == ERR_METHOD_NOT_ALLOWED)
		return; /* an empty body */
	if (e->kind == ERR_NOT_FOUND && handle.n)
		message = arena_fmt(c->arena, "Statement %.*s not found", SARG(handle));
	else if (e->kind == ERR_RESULT_EXPIRED)
		message = arena_fmt(c->arena, "The result of statement %.*s has expired.", SARG(handle));
	else if (e->kind == ERR_UNAUTHENTICATED)
		message = refusal_of(c);
	else if (kinds[e->kind].message)
		message = str_of(kinds[e->kind].message);
	http_set(out, "Content-Type", S("application/json"));
	write_body(http_out(out), e->native[0] ? e->native : kinds[e->kind].code, message,
		   e->sqlstate[0] ? e->sqlstate : kinds[e->kind].sqlstate, handle);
}

/* --- natively --- */

static void fail_native(struct call *c, struct http_res *out)
{
	const struct err *e = &c->err;
	struct json_out o = json_out(http_out(out));

	http_status(out, kinds[e->kind].native);
	http_set(out, "Content-Type", S("application/problem+json"));
	json_begin_object(&o);
	JSON_FIELD_TEXT(&o, "title", str_of(err_title(e->kind)));
	JSON_FIELD_INT(&o, "status", kinds[e->kind].native);
	JSON_FIELD_TEXT(&o, "detail", str_of(e->text));
	JSON_FIELD_TEXT(&o, "code", str_of(err_code(e->kind)));
	JSON_FIELD_TEXT(&o, "request_id", c->request_id);
	if (e->sqlstate[0])
		JSON_FIELD_TEXT(&o, "sqlstate", str_of(e->sqlstate));
	if (e->position)
		JSON_FIELD_INT(&o, "position", e->position);
	if (e->more.n)
		json_put_raw(&o, e->more);
	json_end_object(&o);
}

/* --- Iceberg --- */

static const char *iceberg_type(const struct err *e, const struct http_route *route)
{
	switch (kinds[e->kind].native) {
	case 401:
	case 403:
		return "NotAuthorizedException";
	case 404:
		if (e->kind == ERR_UNKNOWN_TABLE)
			return "NoSuchTableException";
		return route ? "NoSuchNamespaceException" : "NotFoundException";
	case 405:
		return "MethodNotAllowedException";
	case 406:
		return "UnsupportedOperationException";
	case 429:
	case 503:
		return "SlowDownException";
	}
	return kinds[e->kind].native >= 500 ? "InternalServerError" : "BadRequestException";
}

static void fail_iceberg(struct call *c, struct http_res *out, const struct http_route *route)
{
	struct json_out o = json_out(http_out(out));

	api_json(out, kinds[c->err.kind].native);
	json_begin_object(&o);
	json_key(&o, S("error"));
	json_begin_object(&o);
	JSON_FIELD_TEXT(&o, "message", str_of(c->err.text));
	JSON_FIELD_TEXT(&o, "type", str_of(iceberg_type(&c->err, route)));
	JSON_FIELD_INT(&o, "code", kinds[c->err.kind].native);
	json_end_object(&o);
	json_end_object(&o);
}

static bool is_iceberg(const struct http_req *in, const struct http_route *route)
{
	return str_starts(route ? str_of(route->path) : in ? http_path(in) : S(""), S("/iceberg/"));
}

static bool is_snowflake(const struct http_req *in, const struct http_route *route)
{
	return route ? (route->flags & API_SNOWFLAKE) != 0 : in && str_starts(http_path(in), S("/api/v2/"));
}

void api_failed(struct call *c, void *rooms, const struct http_req *in, struct http_res *out, const struct http_route *route)
{
	struct buf *b = http_out(out);

	(void)rooms;
	buf_clear(b);
	if (c->err.kind == ERR_TOO_MANY || c->err.kind == ERR_UNAVAILABLE)
		http_set(out, "Retry-After", S("1"));
	if (c->err.kind == ERR_UNAUTHENTICATED)
		http_set(out, "WWW-Authenticate", S("Bearer"));
	if (is_snowflake(in, route))
		fail_snowflake(c, in, out, route);
	else if (is_iceberg(in, route))
		fail_iceberg(c, out, route);
	else
		fail_native(c, out);
}
