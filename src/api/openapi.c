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
	{"/api/v2/statements", "POST", "X-Snowflake-Authorization-Token-Type", "header", "string",
	 "KEYPAIR_JWT, OAUTH or PROGRAMMATIC_ACCESS_TOKEN; without it the token itself tells"},
	{"/api/v2/statements", "POST", "User-Agent", "header", "string", "product/version; required with snowflake_api.strict_user_agent"},
	{"/api/v2/statements", "POST", "X-Mayfly-Result-TTL", "header", "integer", "seconds that the result is kept"},
	{"/api/v2/statements/{handle}", "GET", "requestId", "query", "string", "is echoed; without it one is made"},
	{"/api/v2/statements/{handle}", "GET", "partition", "query", "integer", "which partition, from 0"},
	{"/v1/statements", "POST", "Prefer", "header", "string", "wait=N: answer 200 if it ends within N seconds"},
	{"/v1/statements", "GET", "limit", "query", "integer", "1 to 1000, default 100"},
	{"/v1/statements", "GET", "after", "query", "string", "`next` of the page before"},
	{"/v1/statements", "GET", "session_id", "query", "string", "only of this session; 404 for one that never was"},
	{"/v1/statements", "GET", "status", "query", "string", "SUBMITTED, RUNNING, SUCCEEDED, FAILED or CANCELED"},
	{"/v1/statements", "GET", "since", "query", "string", "created at or after (RFC 3339)"},
	{"/v1/statements", "GET", "until", "query", "string", "created at or before (RFC 3339)"},
	{"/v1/statements/{handle}", "GET", "wait", "query", "integer", "seconds to wait for its end"},
	{"/api/v2/statements", "POST", "X-Mayfly-Session", "header", "string", "id of the session that it runs in"},
	{"/api/v2/statements", "POST", "X-Mayfly-Detached", "header", "boolean", "true: the result outlives the session"},
	{"/v1/statements", "POST", "X-Mayfly-Session", "header", "string",
	 "id of the session that it runs in, where session_id is not given"},
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
	{"/v1/spaces", "GET", "limit", "query", "integer", "1 to 1000, default 100"},
	{"/v1/spaces", "GET", "after", "query", "string", "`next` of the page before"},
	{"/v1/spaces/{space_id}", "DELETE", "force", "query", "boolean", "true: also when it is not empty"},
	{"/v1/spaces/{space_id}/tables", "GET", "limit", "query", "integer", "1 to 1000, default 100"},
	{"/v1/spaces/{space_id}/tables", "GET", "after", "query", "string", "`next` of the page before"},
	{"/v1/spaces/{space_id}/tables/{name}", "PUT", "mode", "query", "string", "create (default), overwrite or append"},
	{"/v1/spaces/{space_id}/sql", "GET", "limit", "query", "integer", "1 to 1000, default 100"},
	{"/v1/spaces/{space_id}/sql", "GET", "after", "query", "string", "`next` of the page before"},
	{"/v1/spaces/{space_id}/sql", "POST", "Prefer", "header", "string", "respond-async: answer 202 while the view is built"},
	{"/v1/spaces/{space_id}/sql/{sql_id}", "PUT", "Prefer", "header", "string", "respond-async: answer 202 while the view is built"},
	{"/v1/spaces/{space_id}/sql/{sql_id}/refresh", "POST", "Prefer", "header", "string",
	 "respond-async: answer 202 while the view is built"},
	{"/v1/spaces/{space_id}/sql-sessions", "POST", "Prefer", "header", "string",
	 "respond-async: answer 202 while the view is built"},
	{"/v1/spaces/{space_id}/sql-sessions/{session_id}/rows", "GET", "offset", "query", "integer", "rows to skip, default 0"},
	{"/v1/spaces/{space_id}/sql-sessions/{session_id}/rows", "GET", "limit", "query", "integer", "1 to 1000, default 50"},
	{"/v1/spaces/{space_id}/sql-sessions/{session_id}/rows", "GET", "format", "query", "string",
	 "json, ndjson, csv or parquet; else by Accept"},
	{"/v1/jobs", "POST", "Prefer", "header", "string", "wait=N: answer 200 with the job if it ends within N seconds"},
	{"/v1/jobs", "GET", "limit", "query", "integer", "1 to 1000, default 100"},
	{"/v1/jobs", "GET", "after", "query", "string", "`next` of the page before"},
	{"/v1/jobs/{job_id}", "GET", "wait", "query", "integer", "seconds to wait for its end; or Prefer: wait=N"},
	{"/v1/jobs/{job_id}/run", "POST", "Prefer", "header", "string", "wait=N: answer 200 with the job if it ends within N seconds"},
	{"/v1/jobs/{job_id}/logs", "GET", "after", "query", "integer", "only lines behind this `seq`"},
	{"/v1/jobs/{job_id}/logs", "GET", "limit", "query", "integer", "1 to 1000, default 1000"},
	{"/v1/jobs/{job_id}/logs", "GET", "Prefer", "header", "string", "wait=N: wait so many seconds for a line"},
	{"/v1/jobs/{job_id}/logs", "GET", "Last-Event-ID", "header", "string", "`seq` of the last line that was seen"},
	{"/v1/jobs/{job_id}/results", "GET", "format", "query", "string", "json, ndjson, csv or parquet; else by Accept"},
	{"/v1/jobs/{job_id}/results/{n}", "GET", "format", "query", "string", "json, ndjson, csv or parquet; else by Accept"},
	{"/v1/layers", "GET", "limit", "query", "integer", "1 to 1000, default 100"},
	{"/v1/layers", "GET", "after", "query", "string", "`next` of the page before"},
	{"/iceberg/v1/config", "GET", "warehouse", "query", "string", "taken, and of no consequence"},
	{"/iceberg/v1/namespaces", "GET", "parent", "query", "string", "namespaces in this one: there are none"},
	{"/iceberg/v1/namespaces", "GET", "pageToken", "query", "string", "empty: the first page; absent: all at once"},
	{"/iceberg/v1/namespaces", "GET", "pageSize", "query", "integer", "with pageToken: at most so many"},
	{"/iceberg/v1/namespaces/{namespace}/tables", "GET", "pageToken", "query", "string",
	 "empty: the first page; absent: all at once"},
	{"/iceberg/v1/namespaces/{namespace}/tables", "GET", "pageSize", "query", "integer", "with pageToken: at most so many"},
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
	{"{space_id}", "space_id", "id of a space"}, {"{sql_id}", "sql_id", "id of saved SQL"},
	{"{session_id}", "session_id", "id of a SQL session"}, {"{namespace}", "namespace", "a space"},
	{"{table}", "table", "name of a table, or view_ and the id of saved SQL"}, {"{job_id}", "job_id", "id of a job"},
	{"{n}", "n", "which statement of the head, from 0"}, {"{layer_id}", "layer_id", "id of a layer"},
	{"{principal}", "principal", "name of a principal, or * for all"},
	{"{etag}", "etag", "sha256: and 64 hex digits, of the content"},
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
	{"/api/v2/statements", "POST", 503, "application/json", "QueryFailureStatus",
	 "draining, or a store of statements cannot be reached; see Retry-After"},
	{"/api/v2/statements/{handle}", "GET", 200, "application/json", "ResultSet", "finished, or rows of a partition"},
	{"/api/v2/statements/{handle}", "GET", 202, "application/json", "QueryStatus", "still running"},
	{"/api/v2/statements/{handle}", "GET", 400, "application/json", "QueryFailureStatus",
	 "unknown handle, expired, or no such partition"},
	{"/api/v2/statements/{handle}", "GET", 408, "application/json", "QueryFailureStatus", "timed out"},
	{"/api/v2/statements/{handle}", "GET", 422, "application/json", "QueryFailureStatus", "failed or canceled"},
	{"/api/v2/statements/{handle}", "GET", 503, "application/json", "QueryFailureStatus",
	 "the store of statements cannot be reached; see Retry-After"},
	{"/api/v2/statements/{handle}/cancel", "POST", 200, "application/json", "CancelStatus",
	 "canceled, also where another server runs it; or it had ended, or is unknown"},
	{"/api/v2/statements/{handle}/cancel", "POST", 403, "application/json", "QueryFailureStatus", "it is another principal's"},
	{"/api/v2/statements/{handle}/cancel", "POST", 503, "application/json", "QueryFailureStatus",
	 "the store of statements cannot be reached; see Retry-After"},
	{"/v1/statements", "POST", 200, "application/json", "Statement", "ended within Prefer: wait"},
	{"/v1/statements", "POST", 202, "application/json", "Statement", "on its way"},
	{"/v1/statements", "POST", 422, "application/problem+json", "Problem", "refused by the SQL gate"},
	{"/v1/statements", "POST", 429, "application/problem+json", "Problem", "too many statements; see Retry-After"},
	{"/v1/statements", "POST", 503, "application/problem+json", "Problem",
	 "draining, or a store of statements cannot be reached; see Retry-After"},
	{"/v1/statements", "GET", 200, "application/json", "StatementList", "a page"},
	{"/v1/statements/{handle}", "GET", 200, "application/json", "Statement", "the document"},
	{"/v1/statements/{handle}", "GET", 410, "application/problem+json", "Problem", "expired"},
	{"/v1/statements/{handle}", "GET", 503, "application/problem+json", "Problem", "the store of statements cannot be reached"},
	{"/v1/statements/{handle}", "DELETE", 204, NULL, NULL, "forgotten"},
	{"/v1/statements/{handle}", "DELETE", 403, "application/problem+json", "Problem", "it is another principal's"},
	{"/v1/statements/{handle}/grants", "POST", 201, "application/json", "Grant", "that principal may read it from now on"},
	{"/v1/statements/{handle}/grants", "POST", 403, "application/problem+json", "Problem", "it is another principal's"},
	{"/v1/statements/{handle}/grants", "POST", 429, "application/problem+json", "Problem", "it has 100 grants"},
	{"/v1/statements/{handle}/grants/{principal}", "DELETE", 204, NULL, NULL, "that principal may not, whether or not it could before"},
	{"/v1/statements/{handle}/grants/{principal}", "DELETE", 403, "application/problem+json", "Problem", "it is another principal's"},
	{"/v1/statements/{handle}/result", "GET", 200,
	 "application/json application/x-ndjson text/csv application/vnd.apache.parquet", "Result", "the rows"},
	{"/v1/statements/{handle}/result", "GET", 406, "application/problem+json", "Problem", "no such format"},
	{"/v1/statements/{handle}/result", "GET", 409, "application/problem+json", "Problem", "not finished"},
	{"/v1/statements/{handle}/result", "GET", 410, "application/problem+json", "Problem", "expired"},
	{"/v1/statements/{handle}/result", "GET", 503, "application/problem+json", "Problem", "the store of statements cannot be reached"},
	{"/v1/statements/{handle}/events", "GET", 200, "text/event-stream", "Text", "live"},
	{"/v1/sessions", "POST", 201, "application/json", "Session", "open"},
	{"/v1/sessions", "POST", 403, "application/problem+json", "Problem", "no tenant is bound"},
	{"/v1/sessions", "POST", 429, "application/problem+json", "Problem", "too many sessions"},
	{"/v1/sessions", "GET", 200, "application/json", "SessionList", "a page"},
	{"/v1/sessions/{id}", "GET", 200, "application/json", "Session", "with its tables"},
	{"/v1/sessions/{id}", "GET", 410, "application/problem+json", "Problem", "closed or expired"},
	{"/v1/sessions/{id}", "DELETE", 200, "application/json", "SessionClosed", "closed; nothing of it is left"},
	{"/v1/sessions/{id}", "DELETE", 410, "application/problem+json", "Problem", "it was closed before"},
	{"/v1/sessions/{id}", "DELETE", 500, "application/problem+json", "Problem",
	 "some tables could not be dropped, or the store failed"},
	{"/v1/sessions/{id}/extend", "POST", 200, "application/json", "Session", "with its new deadline"},
	{"/v1/sessions/{id}/fork", "POST", 201, "application/json", "Session", "the new session"},
	{"/v1/sessions/{id}/tables", "POST", 201, "application/json", "Table", "made"},
	{"/v1/sessions/{id}/tables", "POST", 409, "application/problem+json", "Problem", "there is one of that name"},
	{"/v1/sessions/{id}/tables/{name}/rows", "POST", 200, "application/json", "Inserted", "all rows are in"},
	{"/v1/sessions/{id}/tables/{name}/rows", "POST", 404, "application/problem+json", "Problem", "no such session or table"},
	{"/v1/sessions/{id}/tables/{name}/rows", "POST", 409, "application/problem+json", "Problem", "a key is there already"},
	{"/v1/sessions/{id}/tables/{name}/rows", "POST", 422, "application/problem+json", "Problem",
	 "a row does not fit: row and column"},
	{"/v1/sessions/{id}/tables/{name}/rows", "POST", 429, "application/problem+json", "Problem", "a quota: limit and usage"},
	{"/v1/sessions/{id}/tables/{name}/count", "GET", 200, "application/json", "Count", "rows of the table"},
	{"/v1/sessions/{id}/query", "POST", 200,
	 "application/json application/x-ndjson text/csv application/vnd.apache.parquet", "Result", "the rows"},
	{"/v1/sessions/{id}/query", "POST", 422, "application/problem+json", "Problem", "not one SELECT, or an error of it"},
	{"/v1/sessions/{id}/events", "GET", 200, "text/event-stream", "Text", "live, to its last event"},
	{"/v1/events", "GET", 200, "application/json text/event-stream", "EventList", "a page, or live"},
	{"/v1/spaces/{space_id}", "PUT", 201, "application/json", "Space", "made"},
	{"/v1/spaces/{space_id}", "PUT", 200, "application/json", "Space", "it was there"},
	{"/v1/spaces", "GET", 200, "application/json", "SpaceList", "a page"},
	{"/v1/spaces/{space_id}", "GET", 200, "application/json", "Space", "the space"},
	{"/v1/spaces/{space_id}", "DELETE", 204, NULL, NULL, "gone"},
	{"/v1/spaces/{space_id}", "DELETE", 409, "application/problem+json", "Problem", "it has tables or saved SQL"},
	{"/v1/spaces/{space_id}/tables/{name}", "PUT", 201, "application/json", "SpaceTable", "made"},
	{"/v1/spaces/{space_id}/tables/{name}", "PUT", 200, "application/json", "SpaceTable", "overwritten, or rows were added"},
	{"/v1/spaces/{space_id}/tables/{name}", "PUT", 404, "application/problem+json", "Problem",
	 "no such space, or no table to append to"},
	{"/v1/spaces/{space_id}/tables/{name}", "PUT", 409, "application/problem+json", "Problem", "there is one of that name"},
	{"/v1/spaces/{space_id}/tables/{name}", "PUT", 422, "application/problem+json", "Problem",
	 "a row does not fit, or a type that cannot be kept: row and column"},
	{"/v1/spaces/{space_id}/tables", "GET", 200, "application/json", "SpaceTableList", "a page"},
	{"/v1/spaces/{space_id}/tables/{name}", "GET", 200, "application/json", "SpaceTable", "the table"},
	{"/v1/spaces/{space_id}/tables/{name}", "DELETE", 204, NULL, NULL, "gone"},
	{"/v1/spaces/{space_id}/sql", "POST", 201, "application/json", "SavedSql", "saved, its view built"},
	{"/v1/spaces/{space_id}/sql", "POST", 202, "application/json", "SavedSql", "saved, its view being built"},
	{"/v1/spaces/{space_id}/sql", "POST", 422, "application/problem+json", "Problem",
	 "not one SELECT over the space, or its rows cannot be computed: position"},
	{"/v1/spaces/{space_id}/sql", "GET", 200, "application/json", "SavedSqlList", "a page"},
	{"/v1/spaces/{space_id}/sql/{sql_id}", "GET", 200, "application/json", "SavedSql", "with the state of its view"},
	{"/v1/spaces/{space_id}/sql/{sql_id}", "PUT", 200, "application/json", "SavedSql", "a new revision, its view built"},
	{"/v1/spaces/{space_id}/sql/{sql_id}", "PUT", 202, "application/json", "SavedSql", "its view being built"},
	{"/v1/spaces/{space_id}/sql/{sql_id}", "PUT", 409, "application/problem+json", "Problem", "another revision is in force"},
	{"/v1/spaces/{space_id}/sql/{sql_id}", "PUT", 422, "application/problem+json", "Problem",
	 "as for POST; the former revision stays in force"},
	{"/v1/spaces/{space_id}/sql/{sql_id}/refresh", "POST", 200, "application/json", "SavedSql", "with its new snapshot"},
	{"/v1/spaces/{space_id}/sql/{sql_id}/refresh", "POST", 202, "application/json", "SavedSql", "being built"},
	{"/v1/spaces/{space_id}/sql/{sql_id}/refresh", "POST", 422, "application/problem+json", "Problem",
	 "its rows cannot be computed; the former snapshot stays"},
	{"/v1/spaces/{space_id}/sql/{sql_id}", "DELETE", 204, NULL, NULL, "gone, with its view"},
	{"/v1/spaces/{space_id}/sql-sessions", "POST", 201, "application/json", "SqlSession", "open"},
	{"/v1/spaces/{space_id}/sql-sessions", "POST", 202, "application/json", "SqlSession", "its snapshot is being built"},
	{"/v1/spaces/{space_id}/sql-sessions", "POST", 404, "application/problem+json", "Problem", "no such space or saved SQL"},
	{"/v1/spaces/{space_id}/sql-sessions", "POST", 422, "application/problem+json", "Problem",
	 "not one SELECT over the space, or a variable that does not fit"},
	{"/v1/spaces/{space_id}/sql-sessions/{session_id}", "GET", 200, "application/json", "SqlSession", "the document"},
	{"/v1/spaces/{space_id}/sql-sessions/{session_id}", "GET", 410, "application/problem+json", "Problem",
	 "expired, or its saved SQL was deleted"},
	{"/v1/spaces/{space_id}/sql-sessions/{session_id}/rows", "GET", 200,
	 "application/json application/x-ndjson text/csv application/vnd.apache.parquet", "Page", "a page of the pinned snapshot"},
	{"/v1/spaces/{space_id}/sql-sessions/{session_id}/rows", "GET", 400, "application/problem+json", "Problem",
	 "limit_too_large, or an offset or limit that is none"},
	{"/v1/spaces/{space_id}/sql-sessions/{session_id}/rows", "GET", 406, "application/problem+json", "Problem", "no such format"},
	{"/v1/spaces/{space_id}/sql-sessions/{session_id}/rows", "GET", 410, "application/problem+json", "Problem",
	 "expired, or its saved SQL was deleted"},
	{"/v1/spaces/{space_id}/sql-sessions/{session_id}/count", "GET", 200, "application/json", "Count",
	 "rows of the pinned snapshot"},
	{"/v1/spaces/{space_id}/sql-sessions/{session_id}/stream", "GET", 200, "application/x-ndjson", "Text",
	 "all rows, one object a line"},
	{"/v1/spaces/{space_id}/sql-sessions/{session_id}", "DELETE", 204, NULL, NULL, "gone"},
	{"/v1/jobs", "POST", 202, "application/json", "JobAccepted", "recorded, and under way if it has a head"},
	{"/v1/jobs", "POST", 200, "application/json", "Job", "it ended within the time that Prefer gives"},
	{"/v1/jobs", "POST", 400, "application/problem+json", "Problem", "invalid_path, or a field that is none"},
	{"/v1/jobs", "POST", 403, "application/problem+json", "Problem", "plan_limit: a job_ttl beyond what the tenant may have"},
	{"/v1/jobs", "POST", 409, "application/problem+json", "Problem", "request_id_conflict: it came with another body"},
	{"/v1/jobs", "POST", 413, "application/problem+json", "Problem", "project_too_large"},
	{"/v1/jobs", "POST", 422, "application/problem+json", "Problem", "missing_blobs with the list, head_not_found, empty_project"},
	{"/v1/jobs", "POST", 429, "application/problem+json", "Problem", "too many jobs wait"},
	{"/v1/jobs", "POST", 503, "application/problem+json", "Problem", "engine_unreachable: there is no PostgreSQL"},
	{"/v1/jobs", "GET", 200, "application/json", "JobList", "a page"},
	{"/v1/jobs/{job_id}", "GET", 200, "application/json", "Job", "the job"},
	{"/v1/jobs/{job_id}", "GET", 410, "application/problem+json", "Problem", "job_expired"},
	{"/v1/jobs/{job_id}", "DELETE", 204, NULL, NULL, "gone, with results and logs"},
	{"/v1/jobs/{job_id}/append", "POST", 200, "application/json", "JobSize", "what the job has now"},
	{"/v1/jobs/{job_id}/append", "POST", 409, "application/problem+json", "Problem", "job_already_started, or part_conflict"},
	{"/v1/jobs/{job_id}/run", "POST", 202, "application/json", "JobAccepted", "under way"},
	{"/v1/jobs/{job_id}/run", "POST", 200, "application/json", "Job", "it ended within the time that Prefer gives"},
	{"/v1/jobs/{job_id}/run", "POST", 409, "application/problem+json", "Problem", "job_already_started"},
	{"/v1/jobs/{job_id}/run", "POST", 422, "application/problem+json", "Problem", "missing_blobs, head_not_found, empty_project"},
	{"/v1/jobs/{job_id}/cancel", "POST", 202, "application/json", "Job", "it ends soon"},
	{"/v1/jobs/{job_id}/cancel", "POST", 200, "application/json", "Job", "it had ended, and stays as it is"},
	{"/v1/jobs/{job_id}/extend", "POST", 200, "application/json", "Job", "with its new end"},
	{"/v1/jobs/{job_id}/extend", "POST", 403, "application/problem+json", "Problem", "plan_limit"},
	{"/v1/jobs/{job_id}/extend", "POST", 410, "application/problem+json", "Problem", "job_expired"},
	{"/v1/jobs/{job_id}/logs", "GET", 200, "application/json text/event-stream", "JobLogs", "lines, or live: `log` and `done`"},
	{"/v1/jobs/{job_id}/results", "GET", 200,
	 "application/json application/x-ndjson text/csv application/vnd.apache.parquet", "JobResults", "the rows"},
	{"/v1/jobs/{job_id}/results", "GET", 406, "application/problem+json", "Problem", "no such format, or no columns for it"},
	{"/v1/jobs/{job_id}/results", "GET", 409, "application/problem+json", "Problem", "not finished"},
	{"/v1/jobs/{job_id}/results/{n}", "GET", 200,
	 "application/json application/x-ndjson text/csv application/vnd.apache.parquet", "JobResult", "the rows"},
	{"/v1/jobs/{job_id}/results/{n}", "GET", 404, "application/problem+json", "Problem", "no such job or statement"},
	{"/v1/jobs/{job_id}/results/{n}", "GET", 409, "application/problem+json", "Problem", "not finished"},
	{"/v1/plan", "POST", 200, "application/json", "Plan", "what a job would find"},
	{"/v1/plan", "POST", 400, "application/problem+json", "Problem", "invalid_path, missing_include"},
	{"/v1/plan", "POST", 422, "application/problem+json", "Problem", "what is wrong in a file, with path, line and column"},
	{"/v1/layers", "GET", 200, "application/json", "LayerList", "a page"},
	{"/v1/layers/{layer_id}", "DELETE", 204, NULL, NULL, "gone"},
	{"/v1/layers/{layer_id}", "DELETE", 409, "application/problem+json", "Problem", "layer_in_use"},
	{"/v1/blobs/{etag}", "PUT", 204, NULL, NULL, "it is there"},
	{"/v1/blobs/{etag}", "PUT", 409, "application/problem+json", "Problem", "etag_mismatch: the content has another one"},
	{"/v1/blobs/{etag}", "PUT", 413, "application/problem+json", "Problem", "larger than a project may be"},
	{"/v1/blobs/{etag}", "HEAD", 200, NULL, NULL, "it is there"},
	{"/v1/blobs/{etag}", "HEAD", 404, NULL, NULL, "it is not"},
	{"/iceberg/v1/config", "GET", 200, "application/json", "IcebergConfig", "what this catalog can do"},
	{"/iceberg/v1/namespaces", "GET", 200, "application/json", "IcebergNamespaces", "spaces"},
	{"/iceberg/v1/namespaces/{namespace}", "GET", 200, "application/json", "IcebergNamespace", "the space"},
	{"/iceberg/v1/namespaces/{namespace}", "GET", 404, "application/json", "IcebergError", "no such space"},
	{"/iceberg/v1/namespaces/{namespace}", "HEAD", 204, NULL, NULL, "it is there"},
	{"/iceberg/v1/namespaces/{namespace}/tables", "GET", 200, "application/json", "IcebergTables", "tables and views"},
	{"/iceberg/v1/namespaces/{namespace}/tables", "GET", 404, "application/json", "IcebergError", "no such space"},
	{"/iceberg/v1/namespaces/{namespace}/tables/{table}", "GET", 200, "application/json", "IcebergTable",
	 "its metadata, and where that is"},
	{"/iceberg/v1/namespaces/{namespace}/tables/{table}", "GET", 404, "application/json", "IcebergError", "no such space or table"},
	{"/iceberg/v1/namespaces/{namespace}/tables/{table}", "HEAD", 204, NULL, NULL, "it is there"},
	{"/healthz", "GET", 200, "application/json", "Health", "alive"},
	{"/readyz", "GET", 200, "application/json", "Readiness", "ready, or degraded"},
	{"/readyz", "GET", 503, "application/json", "Readiness", "draining, or something that is needed cannot be reached"},
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

static const struct answer others[] = {
	{NULL, NULL, 0, "application/problem+json", "Problem", "any other failure"},
	{NULL, NULL, 0, "application/json", "QueryFailureStatus", "any other failure"},
	{NULL, NULL, 0, "application/json", "IcebergError", "any other failure"},
};

static void put_answers(struct json_out *o, const struct http_route *r)
{
	const struct answer *other = &others[r->flags & API_SNOWFLAKE ? 1 : str_starts(str_of(r->path), S("/iceberg/")) ? 2 : 0];
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
	put_answer(o, "default", other);
	json_end_object(o);
}

static const struct body {
	const char *path, *method, *media, *schema; /* the schema is that of the first medium */
} bodies[] = {
	{"/api/v2/statements", "POST", "application/json", "SubmitSnowflake"},
	{"/v1/statements", "POST", "application/json", "Submit"},
	{"/v1/statements/{handle}/grants", "POST", "application/json", "AskGrant"},
	{"/v1/sessions", "POST", "application/json", "OpenSession"},
	{"/v1/sessions/{id}/extend", "POST", "application/json", "ExtendSession"},
	{"/v1/sessions/{id}/tables", "POST", "application/json", "CreateTable"},
	{"/v1/sessions/{id}/tables/{name}/rows", "POST", "application/json application/x-ndjson text/csv application/vnd.apache.parquet",
	 "Rows"},
	{"/v1/sessions/{id}/query", "POST", "application/json", "Query"},
	{"/v1/spaces/{space_id}/tables/{name}", "PUT",
	 "application/json application/x-ndjson text/csv application/vnd.apache.parquet", "Rows"},
	{"/v1/spaces/{space_id}/sql", "POST", "application/json", "SaveSql"},
	{"/v1/spaces/{space_id}/sql/{sql_id}", "PUT", "application/json", "UpdateSql"},
	{"/v1/spaces/{space_id}/sql-sessions", "POST", "application/json", "OpenSqlSession"},
	{"/v1/jobs", "POST", "application/json", "CreateJob"},
	{"/v1/jobs/{job_id}/append", "POST", "application/json", "AppendJob"},
	{"/v1/jobs/{job_id}/run", "POST", "application/json", "RunJob"},
	{"/v1/jobs/{job_id}/extend", "POST", "application/json", "ExtendJob"},
	{"/v1/plan", "POST", "application/json", "CreateJob"},
	{"/v1/blobs/{etag}", "PUT", "application/octet-stream", "Text"},
};

static void put_body(struct json_out *o, const struct http_route *r)
{
	const struct body *b = NULL;

	for (size_t i = 0; i < COUNT_OF(bodies); i++)
		if (str_eq(str_of(bodies[i].path), str_of(r->path)) && str_eq(str_of(bodies[i].method), str_of(r->method)))
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
	for (const struct api_schema *sc = api_schemas; sc->name; sc++) {
		json_key(&o, str_of(sc->name));
		json_put_raw(&o, str_of(sc->json));
	}
	json_end_object(&o);
	json_end_object(&o);
	json_end_object(&o);
}
