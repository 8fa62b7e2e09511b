/* routes.c - every path of the server, one row each. */
#include "api/api_int.h"

const struct http_route api_routes[] = {
	{"POST", "/api/v2/statements", api_post_statement, api_post_statement_done, API_SNOWFLAKE | API_NEW_WORK,
	 "Submit a statement (Snowflake SQL API)"},
	{"POST", "/api/v2/statements/", api_post_statement, api_post_statement_done, API_SNOWFLAKE | API_NEW_WORK, NULL},
	{"GET", "/api/v2/statements/{handle}", api_get_statement, NULL, API_SNOWFLAKE, "Status or result partition (Snowflake SQL API)"},
	{"POST", "/api/v2/statements/{handle}/cancel", api_cancel_statement, NULL, API_SNOWFLAKE, "Cancel (Snowflake SQL API)"},

	{"POST", "/v1/statements", api_submit, api_document_done, API_NEW_WORK, "Submit a statement in DuckDB's dialect"},
	{"GET", "/v1/statements", api_list, NULL, 0, "List statements, newest first"},
	{"GET", "/v1/statements/{handle}", api_document, api_document_done, 0, "A statement's document; `wait` long-polls"},
	{"DELETE", "/v1/statements/{handle}", api_forget, NULL, 0, "Cancel if running, and forget"},
	{"GET", "/v1/statements/{handle}/result", api_result, NULL, 0, "The rows, in the format that Accept names"},
	{"GET", "/v1/statements/{handle}/events", api_events, NULL, 0, "Server-sent events: status, progress, done"},

	{"POST", "/v1/sessions", api_open_session, NULL, API_NEW_WORK, "Open a session with tables of its own"},
	{"GET", "/v1/sessions", api_list_sessions, NULL, 0, "List open sessions, oldest first"},
	{"GET", "/v1/sessions/{id}", api_get_session, api_get_session_done, 0, "A session and its tables"},
	{"DELETE", "/v1/sessions/{id}", api_close_session, api_close_session_done, 0, "Close: drop the tables, end the statements"},
	{"POST", "/v1/sessions/{id}/extend", api_extend_session, api_get_session_done, API_NEW_WORK, "Set the deadline anew, from now"},
	{"POST", "/v1/sessions/{id}/fork", api_fork_session, api_fork_session_done, API_NEW_WORK, "A new session with the same tables and rows"},
	{"POST", "/v1/sessions/{id}/tables", api_create_table, api_create_table_done, API_NEW_WORK, "Make an ephemeral table"},
	{"POST", "/v1/sessions/{id}/tables/{name}/rows", api_insert_rows, api_insert_rows_done, API_NEW_WORK | HTTP_UPLOAD,
	 "Insert rows, all or none: JSON, NDJSON, CSV or Parquet"},
	{"GET", "/v1/sessions/{id}/tables/{name}/count", api_count_rows, api_count_rows_done, 0, "Count the rows of a table"},
	{"POST", "/v1/sessions/{id}/query", api_query_session, api_query_session_done, API_NEW_WORK, "Read by one SELECT, with {table} templates"},
	{"GET", "/v1/sessions/{id}/events", api_session_events, NULL, 0, "Server-sent events of a session, to its end"},
	{"GET", "/v1/events", api_list_events, NULL, 0, "The event log; live with Accept: text/event-stream"},

	{"GET", "/healthz", api_healthz, NULL, API_OPEN, "Is the process alive"},
	{"GET", "/readyz", api_readyz, NULL, API_OPEN, "Is every component ready"},
	{"GET", "/version", api_version, NULL, API_OPEN, "Versions of Mayfly and DuckDB"},
	{"GET", "/metrics", api_metrics, NULL, API_OPEN, "Metrics, Prometheus text"},
	{"GET", "/openapi.json", api_openapi, NULL, API_OPEN, "This surface as OpenAPI 3.1"},
	{"GET", "/", api_index, NULL, API_OPEN, "A page that lists the endpoints"},
	{"POST", "/v1/test/clock", api_test_clock, NULL, API_OPEN | API_TEST, NULL},
	{0},
};

struct http_surface api_surface(struct api *a)
{
	return (struct http_surface){.routes = api_routes, .rooms = a, .guard = api_guard, .failed = api_failed};
}
