/* openapi.c - /openapi.json: the rows of routes.c, with parameters, bodies and
 * answers from the tables below. Kept small: shapes, not prose.
 */
#include "api/api_int.h"

/* --- parameters --- */

static const struct param {
	const char *path, *method; /* of the route; NULL method = all */
	const char *name, *in, *type;
	const char *what;
} params[] = {
	{"/api/v2/statements", "POST", "requestId", "query", "string", "idempotency key"},
	{"/api/v2/statements", "POST", "retry", "query", "boolean", "requestId may have been seen: answer with that statement"},
	{"/api/v2/statements", "POST", "async", "query", "boolean", "answer 202 at once"},
	{"/api/v2/statements", "POST", "nullable", "query", "boolean", "false sends SQL NULL as the text null"},
	{"/api/v2/statements", "POST", "X-Mayfly-Result-TTL", "header", "integer", "seconds that the result is kept"},
	{"/api/v2/statements/{handle}", "GET", "partition", "query", "integer", "which partition, from 0"},
	{"/v1/statements", "POST", "Prefer", "header", "string", "wait=N: answer 200 if it ends within N seconds"},
	{"/v1/statements", "GET", "limit", "query", "integer", "1 to 1000, default 100"},
	{"/v1/statements", "GET", "after", "query", "string", "`next` of the page before"},
	{"/v1/statements", "GET", "session_id", "query", "string", "only of this session"},
	{"/v1/statements", "GET", "status", "query", "string", "SUBMITTED, RUNNING, SUCCEEDED, FAILED or CANCELED"},
	{"/v1/statements", "GET", "since", "query", "string", "created at or after (RFC 3339)"},
	{"/v1/statements", "GET", "until", "query", "string", "created at or before (RFC 3339)"},
	{"/v1/statements/{handle}", "GET", "wait", "query", "integer", "seconds to wait for its end"},
	{"/api/v2/statements", "POST", "X-Mayfly-Session", "header", "string", "id of the session that it runs in"},
	{"/api/v2/statements", "POST", "X-Mayfly-Detached", "header", "boolean", "true: the result outlives the session"},
	{"/v1/statements", "POST", "X-Mayfly-Session", "header", "string", "id of the session that it runs in, where session_id is not given"},
	{"/v1/statements", "POST", "X-Mayfly-Detached", "header", "boolean", "true: the result outlives the session"},
	{"/v1/sessions", "GET", "limit", "query", "integer", "1 to 1000, default 100"},
	{"/v1/sessions", "GET", "after", "query", "string", "`next` of the page before"},
	{"/v1/sessions/{id}/events", "GET", "Last-Event-ID", "header", "string", "id of the last event that was seen"},
	{"/v1/events", "GET", "topic", "query", "string", "only this topic"},
	{"/v1/events", "GET", "event", "query", "string", "only payloads with this `event`"},
	{"/v1/events", "GET", "session_id", "query", "string", "only payloads with this `session_id`"},
	{"/v1/events", "GET", "after", "query", "string", "`cursor` or `next` of the page before"},
	{"/v1/events", "GET", "limit", "query", "integer", "1 to 1000, default 100"},
	{"/v1/events", "GET", "Last-Event-ID", "header", "string", "live: id of the last event that was seen"},
	{"/v1/statements/{handle}/result", "GET", "format", "query", "string", "json, ndjson, csv or parquet; else by Accept"},
};

static void put_param(struct json_out *o, const char *name, const char *in, const char *type, const char *what)
{
	json_begin_object(o);
	JSON_FIELD_TEXT(o, "name", str_of(name));
	JSON_FIELD_TEXT(o, "in", str_of(in));
	if (str_eq(str_of(in), S("path")))
		JSON_FIELD_BOOL(o, "required", true);
	if (what)
		JSON_FIELD_TEXT(o, "description", str_of(what));
	json_key(o, S("schema"));
	json_begin_object(o);
	JSON_FIELD_TEXT(o, "type", str_of(type));
	json_end_object(o);
	json_end_object(o);
}

static const struct {
	const char *braced, *name, *what;
} path_params[] = {
	{"{handle}", "handle", "statement handle"}, {"{id}", "id", "session id"}, {"{name}", "name", "name of a table"},
};

static void put_params(struct json_out *o, const struct http_route *r)
{
	json_key(o, S("parameters"));
	json_begin_array(o);
	for (size_t i = 0; i < COUNT_OF(path_params); i++)
		if (strstr(r->path, path_params[i].braced))
			put_param(o, path_params[i].name, "path", "string", path_params[i].what);
	if (!(r->flags & API_OPEN))
		put_param(o, "X-Mayfly-Tenant", "header", "string", "auth.mode none: the tenant, else `default`");
	for (size_t i = 0; i < COUNT_OF(params); i++)
		if (str_eq(str_of(params[i].path), str_of(r->path)) && str_eq(str_of(params[i].method), str_of(r->method)))
			put_param(o, params[i].name, params[i].in, params[i].type, params[i].what);
	json_end_array(o);
}

/* --- answers and bodies, by name of a schema --- */

static const struct answer {
	const char *path, *method;
	int status;
	const char *media, *schema, *what; /* the schema is that of the first medium */
} answers[] = {
	{"/api/v2/statements", "POST", 200, "application/json", "ResultSet", "finished"},
	{"/api/v2/statements", "POST", 202, "application/json", "QueryStatus", "still running"},
	{"/api/v2/statements", "POST", 400, "application/json", "QueryFailureStatus", "no payload, or an empty statement"},
	{"/api/v2/statements", "POST", 408, "application/json", "QueryFailureStatus", "timed out"},
	{"/api/v2/statements", "POST", 422, "application/json", "QueryFailureStatus", "compile or run error"},
	{"/api/v2/statements", "POST", 429, "application/json", "QueryFailureStatus", "too many statements; see Retry-After"},
	{"/api/v2/statements/{handle}", "GET", 200, "application/json", "ResultSet", "finished, or rows of a partition"},
	{"/api/v2/statements/{handle}", "GET", 202, "application/json", "QueryStatus", "still running"},
	{"/api/v2/statements/{handle}", "GET", 400, "application/json", "QueryFailureStatus", "unknown handle, expired, or no such partition"},
	{"/api/v2/statements/{handle}", "GET", 408, "application/json", "QueryFailureStatus", "timed out"},
	{"/api/v2/statements/{handle}", "GET", 422, "application/json", "QueryFailureStatus", "failed or canceled"},
	{"/api/v2/statements/{handle}/cancel", "POST", 200, "application/json", "CancelStatus", "canceled"},
	{"/v1/statements", "POST", 200, "application/json", "Statement", "ended within Prefer: wait"},
	{"/v1/statements", "POST", 202, "application/json", "Statement", "on its way"},
	{"/v1/statements", "POST", 422, "application/problem+json", "Problem", "refused by the SQL gate"},
	{"/v1/statements", "GET", 200, "application/json", "StatementList", "a page"},
	{"/v1/statements/{handle}", "GET", 200, "application/json", "Statement", "the document"},
	{"/v1/statements/{handle}", "DELETE", 204, NULL, NULL, "forgotten"},
	{"/v1/statements/{handle}/result", "GET", 200,
	 "application/json application/x-ndjson text/csv application/vnd.apache.parquet", "Result", "the rows"},
	{"/v1/statements/{handle}/result", "GET", 406, "application/problem+json", "Problem", "no such format"},
	{"/v1/statements/{handle}/result", "GET", 409, "application/problem+json", "Problem", "not finished"},
	{"/v1/statements/{handle}/result", "GET", 410, "application/problem+json", "Problem", "expired"},
	{"/v1/statements/{handle}/events", "GET", 200, "text/event-stream", "Text", "live"},
	{"/v1/sessions", "POST", 201, "application/json", "Session", "open"},
	{"/v1/sessions", "POST", 403, "application/problem+json", "Problem", "no tenant is bound"},
	{"/v1/sessions", "POST", 429, "application/problem+json", "Problem", "too many sessions"},
	{"/v1/sessions", "GET", 200, "application/json", "SessionList", "a page"},
	{"/v1/sessions/{id}", "GET", 200, "application/json", "Session", "with its tables"},
	{"/v1/sessions/{id}", "GET", 410, "application/problem+json", "Problem", "closed or expired"},
	{"/v1/sessions/{id}", "DELETE", 200, "application/json", "SessionClosed", "closed; nothing of it is left"},
	{"/v1/sessions/{id}", "DELETE", 410, "application/problem+json", "Problem", "it was closed before"},
	{"/v1/sessions/{id}", "DELETE", 500, "application/problem+json", "Problem", "some tables could not be dropped, or the store failed"},
	{"/v1/sessions/{id}/extend", "POST", 200, "application/json", "Session", "with its new deadline"},
	{"/v1/sessions/{id}/fork", "POST", 201, "application/json", "Session", "the new session"},
	{"/v1/sessions/{id}/tables", "POST", 201, "application/json", "Table", "made"},
	{"/v1/sessions/{id}/tables", "POST", 409, "application/problem+json", "Problem", "there is one of that name"},
	{"/v1/sessions/{id}/tables/{name}/rows", "POST", 200, "application/json", "Inserted", "all rows are in"},
	{"/v1/sessions/{id}/tables/{name}/rows", "POST", 404, "application/problem+json", "Problem", "no such session or table"},
	{"/v1/sessions/{id}/tables/{name}/rows", "POST", 409, "application/problem+json", "Problem", "a key is there already"},
	{"/v1/sessions/{id}/tables/{name}/rows", "POST", 422, "application/problem+json", "Problem", "a row does not fit: row and column"},
	{"/v1/sessions/{id}/tables/{name}/rows", "POST", 429, "application/problem+json", "Problem", "a quota: limit and usage"},
	{"/v1/sessions/{id}/tables/{name}/count", "GET", 200, "application/json", "Count", "rows of the table"},
	{"/v1/sessions/{id}/query", "POST", 200,
	 "application/json application/x-ndjson text/csv application/vnd.apache.parquet", "Result", "the rows"},
	{"/v1/sessions/{id}/query", "POST", 422, "application/problem+json", "Problem", "not one SELECT, or an error of it"},
	{"/v1/sessions/{id}/events", "GET", 200, "text/event-stream", "Text", "live, to its last event"},
	{"/v1/events", "GET", 200, "application/json text/event-stream", "EventList", "a page, or live"},
	{"/healthz", "GET", 200, "application/json", "Health", "alive"},
	{"/readyz", "GET", 200, "application/json", "Readiness", "ready"},
	{"/readyz", "GET", 503, "application/json", "Readiness", "draining"},
	{"/version", "GET", 200, "application/json", "Version", "versions"},
	{"/metrics", "GET", 200, "text/plain", "Text", "series"},
	{"/openapi.json", "GET", 200, "application/json", "OpenApi", "this document"},
	{"/", "GET", 200, "text/html", "Text", "a page"},
};

static void put_schema_ref(struct json_out *o, const char *media, const char *schema)
{
	OWNS(buf) ref = {0};
	struct str rest = str_of(media);

	buf_fmt(&ref, "#/components/schemas/%s", schema);
	json_key(o, S("content"));
	json_begin_object(o);
	json_key(o, str_cut(&rest, ' '));
	json_begin_object(o);
	json_key(o, S("schema"));
	json_begin_object(o);
	JSON_FIELD_TEXT(o, "$ref", buf_str(&ref));
	json_end_object(o);
	json_end_object(o);
	while (rest.n) {
		json_key(o, str_cut(&rest, ' '));
		json_put_raw(o, S("{}"));
	}
	json_end_object(o);
}

static void put_answer(struct json_out *o, const char *status, const struct answer *a)
{
	json_key(o, str_of(status));
	json_begin_object(o);
	JSON_FIELD_TEXT(o, "description", str_of(a->what));
	if (a->media)
		put_schema_ref(o, a->media, a->schema);
	json_end_object(o);
}

static void put_answers(struct json_out *o, const struct http_route *r)
{
	const struct answer other = {NULL, NULL, 0, r->flags & API_SNOWFLAKE ? "application/json" : "application/problem+json",
				     r->flags & API_SNOWFLAKE ? "QueryFailureStatus" : "Problem", "any other failure"};
	OWNS(buf) status = {0};

	json_key(o, S("responses"));
	json_begin_object(o);
	for (size_t i = 0; i < COUNT_OF(answers); i++) {
		if (!str_eq(str_of(answers[i].path), str_of(r->path)) || !str_eq(str_of(answers[i].method), str_of(r->method)))
			continue;
		buf_clear(&status);
		buf_i64(&status, answers[i].status);
		put_answer(o, buf_cstr(&status), &answers[i]);
	}
	put_answer(o, "default", &other);
	json_end_object(o);
}

static const struct body {
	const char *path, *media, *schema; /* of a POST; the schema is that of the first medium */
} bodies[] = {
	{"/api/v2/statements", "application/json", "SubmitSnowflake"},
	{"/v1/statements", "application/json", "Submit"},
	{"/v1/sessions", "application/json", "OpenSession"},
	{"/v1/sessions/{id}/extend", "application/json", "ExtendSession"},
	{"/v1/sessions/{id}/tables", "application/json", "CreateTable"},
	{"/v1/sessions/{id}/tables/{name}/rows", "application/json application/x-ndjson text/csv application/vnd.apache.parquet", "Rows"},
	{"/v1/sessions/{id}/query", "application/json", "Query"},
};

static void put_body(struct json_out *o, const struct http_route *r)
{
	const struct body *b = NULL;

	for (size_t i = 0; i < COUNT_OF(bodies); i++)
		if (str_eq(str_of(bodies[i].path), str_of(r->path)) && str_eq(str_of(r->method), S("POST")))
			b = &bodies[i];
	if (!b)
		return;
	json_key(o, S("requestBody"));
	json_begin_object(o);
	JSON_FIELD_BOOL(o, "required", true);
	put_schema_ref(o, b->media, b->schema);
	json_end_object(o);
}

/* operationId: the method and the words of the path. */
static void put_operation_id(struct json_out *o, const struct http_route *r)
{
	OWNS(buf) id = {0};

	for (const char *p = r->method; *p; p++)
		buf_addc(&id, ascii_lower(*p));
	for (const char *p = r->path; *p; p++)
		buf_addc(&id, ascii_alpha(*p) || ascii_digit(*p) ? *p : '_');
	JSON_FIELD_TEXT(o, "operationId", buf_str(&id));
}

static void put_operation(struct json_out *o, const struct http_route *r)
{
	OWNS(buf) method = {0};

	for (const char *p = r->method; *p; p++)
		buf_addc(&method, ascii_lower(*p));
	json_key(o, buf_str(&method));
	json_begin_object(o);
	put_operation_id(o, r);
	JSON_FIELD_TEXT(o, "summary", str_of(r->summary));
	put_params(o, r);
	put_body(o, r);
	put_answers(o, r);
	json_end_object(o);
}

/* --- schemas, as JSON text --- */

static const struct {
	const char *name, *json;
} schemas[] = {
	{"SubmitSnowflake",
	 "{\"type\":\"object\",\"required\":[\"statement\"],\"properties\":{\"statement\":{\"type\":\"string\"},"
	 "\"timeout\":{\"type\":\"integer\",\"minimum\":0},\"database\":{\"type\":\"string\"},\"schema\":{\"type\":\"string\"},"
	 "\"warehouse\":{\"type\":\"string\"},\"role\":{\"type\":\"string\"},\"bindings\":{\"type\":\"object\","
	 "\"additionalProperties\":{\"type\":\"object\",\"properties\":{\"type\":{\"type\":\"string\"},"
	 "\"value\":{\"type\":[\"string\",\"null\"]}}}},\"parameters\":{\"type\":\"object\"}}}"},
	{"Submit",
	 "{\"type\":\"object\",\"required\":[\"sql\"],\"additionalProperties\":false,\"properties\":{\"sql\":{\"type\":\"string\"},"
	 "\"session_id\":{\"type\":\"string\"},\"params\":{\"type\":[\"array\",\"object\"]},"
	 "\"timeout_seconds\":{\"type\":\"integer\",\"minimum\":0},\"ttl_seconds\":{\"type\":\"integer\",\"minimum\":1}}}"},
	{"ResultSet",
	 "{\"type\":\"object\",\"properties\":{\"resultSetMetaData\":{\"type\":\"object\"},\"data\":{\"type\":\"array\",\"items\":"
	 "{\"type\":\"array\",\"items\":{\"type\":[\"string\",\"null\"]}}},\"code\":{\"type\":\"string\"},"
	 "\"statementStatusUrl\":{\"type\":\"string\"},\"requestId\":{\"type\":\"string\"},\"sqlState\":{\"type\":\"string\"},"
	 "\"statementHandle\":{\"type\":\"string\"},\"message\":{\"type\":\"string\"},\"createdOn\":{\"type\":\"integer\"},"
	 "\"stats\":{\"type\":\"object\"}}}"},
	{"QueryStatus",
	 "{\"type\":\"object\",\"properties\":{\"code\":{\"type\":\"string\"},\"message\":{\"type\":\"string\"},"
	 "\"statementHandle\":{\"type\":\"string\"},\"statementStatusUrl\":{\"type\":\"string\"}}}"},
	{"QueryFailureStatus",
	 "{\"type\":\"object\",\"properties\":{\"code\":{\"type\":\"string\"},\"message\":{\"type\":\"string\"},"
	 "\"sqlState\":{\"type\":\"string\"},\"statementHandle\":{\"type\":[\"string\",\"null\"]}}}"},
	{"CancelStatus",
	 "{\"type\":\"object\",\"properties\":{\"code\":{\"type\":\"string\"},\"sqlState\":{\"type\":\"string\"},"
	 "\"message\":{\"type\":\"string\"},\"statementHandle\":{\"type\":\"string\"},\"statementStatusUrl\":{\"type\":\"string\"}}}"},
	{"Statement",
	 "{\"type\":\"object\",\"properties\":{\"handle\":{\"type\":\"string\"},\"session_id\":{\"type\":[\"string\",\"null\"]},"
	 "\"tenant_id\":{\"type\":\"string\"},\"status\":{\"enum\":[\"SUBMITTED\",\"RUNNING\",\"SUCCEEDED\",\"FAILED\",\"CANCELED\"]},"
	 "\"sql\":{\"type\":\"string\"},\"created_at\":{\"type\":\"string\"},\"started_at\":{\"type\":[\"string\",\"null\"]},"
	 "\"completed_at\":{\"type\":[\"string\",\"null\"]},\"expires_at\":{\"type\":[\"string\",\"null\"]},"
	 "\"progress\":{\"type\":[\"number\",\"null\"]},\"row_count\":{\"type\":[\"integer\",\"null\"]},"
	 "\"result_bytes\":{\"type\":\"integer\"},\"partition_count\":{\"type\":\"integer\"},\"sql_state\":{\"type\":\"string\"},"
	 "\"error\":{\"type\":[\"object\",\"null\"],\"properties\":{\"code\":{\"type\":\"string\"},\"message\":{\"type\":\"string\"},"
	 "\"sqlstate\":{\"type\":\"string\"},\"position\":{\"type\":[\"integer\",\"null\"]}}}}}"},
	{"StatementList",
	 "{\"type\":\"object\",\"properties\":{\"items\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/components/schemas/Statement\"}},"
	 "\"next\":{\"type\":[\"string\",\"null\"]}}}"},
	{"Result",
	 "{\"type\":\"object\",\"properties\":{\"columns\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{"
	 "\"name\":{\"type\":\"string\"},\"type\":{\"type\":\"string\"},\"nullable\":{\"type\":\"boolean\"}}}},"
	 "\"rows\":{\"type\":\"array\",\"items\":{\"type\":\"array\"}},\"row_count\":{\"type\":\"integer\"}}}"},
	{"OpenSession",
	 "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{\"storage\":{\"enum\":[\"memory\",\"persistent\"]},"
	 "\"timeout_seconds\":{\"type\":\"integer\",\"minimum\":0},\"idle_timeout_seconds\":{\"type\":[\"integer\",\"null\"],\"minimum\":1},"
	 "\"close_on_disconnect\":{\"type\":\"boolean\"},\"labels\":{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}}}}"},
	{"ExtendSession",
	 "{\"type\":\"object\",\"required\":[\"timeout_seconds\"],\"additionalProperties\":false,\"properties\":{"
	 "\"timeout_seconds\":{\"type\":\"integer\",\"minimum\":0}}}"},
	{"Session",
	 "{\"type\":\"object\",\"properties\":{\"session_id\":{\"type\":\"string\"},\"tenant_id\":{\"type\":\"string\"},"
	 "\"storage\":{\"enum\":[\"memory\",\"persistent\"]},\"created_at\":{\"type\":\"string\"},\"expires_at\":{\"type\":[\"string\",\"null\"]},"
	 "\"timeout_seconds\":{\"type\":\"integer\"},\"idle_timeout_seconds\":{\"type\":[\"integer\",\"null\"]},"
	 "\"idle_expires_at\":{\"type\":\"string\"},\"close_on_disconnect\":{\"type\":\"boolean\"},\"labels\":{\"type\":\"object\"},"
	 "\"tables\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/components/schemas/Table\"}}}}"},
	{"SessionList",
	 "{\"type\":\"object\",\"properties\":{\"items\":{\"type\":\"array\",\"items\":{\"allOf\":[{\"$ref\":\"#/components/schemas/Session\"},"
	 "{\"type\":\"object\",\"description\":\"with counts instead of tables\",\"properties\":{\"table_count\":{\"type\":\"integer\"},"
	 "\"row_count\":{\"type\":\"integer\"}}}]}},"
	 "\"next\":{\"type\":[\"string\",\"null\"]}}}"},
	{"SessionClosed",
	 "{\"type\":\"object\",\"properties\":{\"session_id\":{\"type\":\"string\"},\"event\":{\"const\":\"closed\"},"
	 "\"deleted_tables\":{\"type\":\"integer\"},\"deleted_row_count\":{\"type\":\"integer\"}}}"},
	{"CreateTable",
	 "{\"type\":\"object\",\"required\":[\"name\",\"columns\"],\"additionalProperties\":false,\"properties\":{\"name\":{\"type\":\"string\","
	 "\"maxLength\":24},\"columns\":{\"type\":\"array\",\"minItems\":1,\"items\":{\"type\":\"object\",\"required\":[\"name\",\"type\"],"
	 "\"properties\":{\"name\":{\"type\":\"string\"},\"type\":{\"type\":\"string\"},\"nullable\":{\"type\":\"boolean\"}}}},"
	 "\"primary_key\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}}}}"},
	{"Table",
	 "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"},\"physical_id\":{\"type\":\"string\"},"
	 "\"table_ref\":{\"type\":\"string\"},\"row_count\":{\"type\":\"integer\"}}}"},
	{"Rows", "{\"type\":\"array\",\"items\":{\"type\":[\"object\",\"array\"]}}"},
	{"Inserted", "{\"type\":\"object\",\"properties\":{\"inserted\":{\"type\":\"integer\"}}}"},
	{"Count", "{\"type\":\"object\",\"properties\":{\"count\":{\"type\":\"integer\"}}}"},
	{"Query",
	 "{\"type\":\"object\",\"required\":[\"sql\"],\"additionalProperties\":false,\"properties\":{\"sql\":{\"type\":\"string\"},"
	 "\"table\":{\"type\":\"string\"},\"params\":{\"type\":[\"array\",\"object\"]}}}"},
	{"Event",
	 "{\"type\":\"object\",\"properties\":{\"topic\":{\"type\":\"string\"},\"stream\":{\"type\":\"string\"},\"offset\":{\"type\":\"integer\"},"
	 "\"time\":{\"type\":\"string\"},\"tenant_id\":{\"type\":\"string\"},\"payload\":{\"type\":\"object\"},"
	 "\"prev_hash\":{\"type\":\"string\"},\"hash\":{\"type\":\"string\"}}}"},
	{"EventList",
	 "{\"type\":\"object\",\"properties\":{\"items\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/components/schemas/Event\"}},"
	 "\"next\":{\"type\":[\"string\",\"null\"]},\"cursor\":{\"type\":\"string\"},\"lost\":{\"type\":\"integer\"}}}"},
	{"Problem",
	 "{\"type\":\"object\",\"required\":[\"title\",\"status\",\"detail\",\"code\",\"request_id\"],\"properties\":{"
	 "\"title\":{\"type\":\"string\"},\"status\":{\"type\":\"integer\"},\"detail\":{\"type\":\"string\"},"
	 "\"code\":{\"type\":\"string\"},\"request_id\":{\"type\":\"string\"},\"sqlstate\":{\"type\":\"string\"},"
	 "\"position\":{\"type\":\"integer\"},\"row\":{\"type\":\"integer\"},\"column\":{\"type\":\"string\"},"
	 "\"max\":{\"type\":\"integer\"},\"quota\":{\"type\":\"string\"},\"limit\":{\"type\":\"integer\"},\"usage\":{\"type\":\"integer\"},"
	 "\"failed\":{\"type\":\"integer\"},\"total\":{\"type\":\"integer\"},"
	 "\"surviving\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},\"location\":{\"type\":\"string\"}}}"},
	{"Text", "{\"type\":\"string\"}"},
	{"OpenApi", "{\"type\":\"object\"}"},
	{"Health", "{\"type\":\"object\"}"},
	{"Readiness",
	 "{\"type\":\"object\",\"properties\":{\"status\":{\"type\":\"string\"},\"engine\":{\"type\":\"object\"},"
	 "\"storage\":{\"type\":\"object\"},\"statement_store\":{\"type\":\"object\"},\"runner\":{\"type\":\"object\"}}}"},
	{"Version",
	 "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"},\"version\":{\"type\":\"string\"},"
	 "\"duckdb\":{\"type\":[\"string\",\"null\"]}}}"},
};

static bool same_path(const struct http_route *a, const struct http_route *b)
{
	return str_eq(str_of(a->path), str_of(b->path));
}

static bool first_of_path(const struct http_route *r)
{
	for (const struct http_route *other = api_routes; other != r; other++)
		if (other->summary && same_path(other, r))
			return false;
	return r->summary != NULL;
}

static void put_paths(struct json_out *o)
{
	json_key(o, S("paths"));
	json_begin_object(o);
	for (const struct http_route *r = api_routes; r->method; r++) {
		if (!first_of_path(r))
			continue;
		json_key(o, str_of(r->path));
		json_begin_object(o);
		for (const struct http_route *same = r; same->method; same++)
			if (same->summary && same_path(same, r))
				put_operation(o, same);
		json_end_object(o);
	}
	json_end_object(o);
}

void api_write_openapi(struct buf *out)
{
	struct json_out o = json_out(out);

	json_begin_object(&o);
	JSON_FIELD_TEXT(&o, "openapi", S("3.1.0"));
	json_key(&o, S("info"));
	json_put_raw(&o, S("{\"title\":\"Mayfly\",\"version\":\"" MAYFLY_VERSION "\",\"license\":{\"name\":\"Apache-2.0\","
			   "\"identifier\":\"Apache-2.0\"}}"));
	json_key(&o, S("security")); /* none in auth.mode none */
	json_put_raw(&o, S("[{},{\"bearer\":[]}]"));
	put_paths(&o);
	json_key(&o, S("components"));
	json_begin_object(&o);
	json_key(&o, S("securitySchemes"));
	json_put_raw(&o, S("{\"bearer\":{\"type\":\"http\",\"scheme\":\"bearer\"}}"));
	json_key(&o, S("schemas"));
	json_begin_object(&o);
	for (size_t i = 0; i < COUNT_OF(schemas); i++) {
		json_key(&o, str_of(schemas[i].name));
		json_put_raw(&o, str_of(schemas[i].json));
	}
	json_end_object(&o);
	json_end_object(&o);
	json_end_object(&o);
}
