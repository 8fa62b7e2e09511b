/* api_int.h - inside api/. */
#ifndef MAYFLY_API_INT_H
#define MAYFLY_API_INT_H

#include "api/api.h"
#include "json/json.h"

/* flags of routes */
enum {
	API_OPEN = 1,      /* no tenant needed */
	API_SNOWFLAKE = 2, /* errors in Snowflake's form */
	API_NEW_WORK = 4,  /* refused while draining */
	API_TEST = 8,      /* only with server.test_clock */
};

enum {
	API_LARGE_BODY = 64 * 1024, /* parsed on the pool, not on a loop */
	API_TIMEOUT_MAX_S = 604800, /* of a statement */
	API_WAIT_MAX_S = 3600,      /* of a long poll */
	API_REQUEST_ID_MAX = 256,   /* bytes that count */
	API_JOB_TTL_MAX_S = 2000000000, /* what a tenant may have is below */
};

/* guard.c */
bool api_guard(struct call *c, void *rooms, const struct http_req *in, const struct http_route *route);

/* errors.c */
void api_failed(struct call *c, void *rooms, const struct http_req *in, struct http_res *out, const struct http_route *route);
void api_snowflake_error(struct http_res *out, const struct stmt_error *e, struct str handle);

/* routes.c */
extern const struct http_route api_routes[];

/* read.c */
bool api_query_int(struct call *c, const struct http_req *in, const char *name, int64_t min, int64_t max, int64_t *ret) NODISCARD;
bool api_query_limit(struct call *c, const struct http_req *in, int *ret) NODISCARD;     /* of a list */
bool api_read_page(struct call *c, const struct http_req *in, struct view_page *ret) NODISCARD; /* limit and after */
bool api_query_flag(struct call *c, const struct http_req *in, const char *name); /* true in any case; else false */
bool api_read_body(struct call *c, const struct http_req *in, const json_node **ret) NODISCARD; /* a JSON object */
bool api_prefer_wait(struct call *c, const struct http_req *in, int64_t *ret_ms);               /* Prefer: wait=N */
bool api_prefer_async(const struct http_req *in);                                         /* Prefer: respond-async */
bool api_read_nothing(struct call *c, const struct http_req *in) NODISCARD;               /* no body, or {} */
void api_json(struct http_res *out, int status);
void api_put_text(struct json_out *o, const char *key, struct str text);        /* empty = null */
void api_put_time(struct json_out *o, const char *key, int64_t wall_ms);        /* 0 and INT64_MAX = null */
void api_put_next(struct json_out *o, struct str cursor);                       /* the member `next` */
struct json_out api_begin_list(struct http_res *out);                           /* 200 {"items":[ */
void api_end_list(struct json_out *o, struct str next);                         /* ],"next":…} */
bool api_result_ttl(struct call *c, const struct http_req *in, int64_t *ret_seconds) NODISCARD;

/* snowflake.c */
http_handler api_post_statement, api_post_statement_done, api_get_statement, api_cancel_statement;
/* snowflake_read.c */
bool api_read_statement(struct call *c, struct api *a, const struct http_req *in, struct stmt_ask *ret) NODISCARD;
/* snowflake_result.c */
bool api_write_statement(struct call *c, const struct http_req *in, struct http_res *out, struct stmt *st);
bool api_write_partition(struct call *c, const struct http_req *in, struct http_res *out, struct stmt *st, struct str n);

/* statements.c */
http_handler api_submit, api_document_done, api_list, api_document, api_forget, api_events;
/* grants.c */
http_handler api_grant, api_revoke;
bool api_check_owner(struct call *c, struct stmt *st) NODISCARD; /* ERR_FORBIDDEN for who may only read it */
bool api_read_params(struct call *c, const json_node *body, struct stmt_ask *ask) NODISCARD; /* the member `params` */
/* formats.c: the first is the default */
enum api_format { API_JSON, API_NDJSON, API_CSV, API_PARQUET, API_FORMATS };
bool api_format_of_body(struct call *c, const struct http_req *in, enum engine_rows_format *ret) NODISCARD; /* by Content-Type */
bool api_format_of_answer(struct call *c, const struct http_req *in, enum api_format *ret) NODISCARD; /* by ?format=, else Accept */
void api_set_format(struct http_res *out, enum api_format f); /* 200 with its Content-Type */
/* results.c */
http_handler api_result;
bool api_write_result(struct call *c, struct api *a, const struct http_req *in, struct http_res *out, struct stmt *st) NODISCARD;

/* sessions.c */
http_handler api_open_session, api_list_sessions, api_get_session, api_get_session_done, api_extend_session, api_fork_session,
	api_fork_session_done, api_close_session, api_close_session_done;
bool api_find_session(struct call *c, struct api *a, struct str id, struct session **ret) NODISCARD; /* held until the call ends */
/* The scope of a statement inside the session `id`; id.p = NULL: none, *ret stays. */
bool api_session_scope(struct call *c, struct api *a, const struct http_req *in, struct str id, struct stmt_scope *ret) NODISCARD;
void api_put_table_names(struct call *c, struct json_out *o, struct session *se, struct str name);
/* session_tables.c */
http_handler api_create_table, api_create_table_done, api_count_rows, api_count_rows_done, api_query_session, api_query_session_done;
/* session_rows.c */
http_handler api_insert_rows, api_insert_rows_done;
/* event_log.c */
http_handler api_list_events, api_session_events;
/* park.c */
/* Must the handler go on on the pool? The body takes long to parse, or a look at what it names may wait for a store that is
 * not in memory. Then it returns http_on_pool(out). */
bool api_goes_to_pool(const struct api *a, const struct http_req *in, const struct http_res *out);
void api_hold(struct call *c, struct stmt *st); /* the reference goes when the call ends */
bool api_find(struct call *c, struct api *a, const struct http_req *in, struct stmt **ret) NODISCARD; /* by {handle}; held */
/* Wakes the park, whose reference it takes: once, at the end or on any change. */
void api_wake_by(struct stmt *st, struct http_park *park, bool on_change);
struct api_waitable { /* a kind of what can be waited for */
	void (*watch)(void *what, const struct watch *w);
	void (*unwatch)(void *what, const void *arg);
	void (*unref)(void *what);  /* when the call ends; NULL: the wait has no reference */
	void (*cancel)(void *what); /* NULL: nobody cancels by leaving */
};
struct api_wait {
	const struct api_waitable *kind;
	void *what, *note;
	int64_t wait_ms; /* -1 = without end */
	bool cancel_on_leave;
};
bool api_wait_for(struct call *c, struct http_res *out, const struct api_wait *ask); /* parks; returns true */
void *api_waited(struct call *c, struct http_res *out, const struct api_waitable *kind); /* NULL, and an error: the client has left */
/* Parks until the held statement ends; `done` finds it by api_note(). Returns true. */
bool api_wait_end(struct call *c, struct http_res *out, struct stmt *st, int64_t wait_ms, bool cancel_on_leave);
/* Parks until the operation ends, whose reference it takes; `done` finds note and result. Returns true. */
bool api_wait_op(struct call *c, struct http_res *out, struct session_op *op, void *note);
bool api_op_result(struct call *c, struct http_res *out, struct session_result *ret) NODISCARD;
void *api_note(struct http_res *out); /* of a statement it is the statement */
void api_keep_note(struct call *c, struct http_res *out, void *note); /* for a `done` that waits for something else */

/* view_ops.c: the same for an operation of views; cancel_on_leave: it is for nobody else */
bool api_wait_view(struct call *c, struct http_res *out, struct view_op *op, void *note, bool cancel_on_leave);
bool api_view_result(struct call *c, struct http_res *out, struct view_result *ret) NODISCARD;
/* spaces.c */
http_handler api_put_space, api_list_spaces, api_get_space, api_drop_space;
/* space_tables.c */
http_handler api_upload_table, api_upload_table_done, api_list_space_tables, api_get_space_table, api_drop_space_table;
/* saved_sql.c */
http_handler api_save_sql, api_save_sql_done, api_list_saved, api_get_saved, api_refresh_sql, api_refresh_sql_done, api_drop_saved;
bool api_read_order(struct call *c, const json_node *body, const struct str **ret, int *ret_n) NODISCARD; /* the member `order_by` */
/* sql_sessions.c */
http_handler api_open_sql_session, api_open_sql_session_done, api_get_sql_session, api_sql_session_rows, api_sql_session_rows_done,
	api_sql_session_count, api_sql_session_stream, api_close_sql_session;
/* iceberg_catalog.c */
http_handler api_iceberg_config, api_iceberg_namespaces, api_iceberg_namespace, api_iceberg_has_namespace, api_iceberg_tables,
	api_iceberg_table, api_iceberg_has_table, api_iceberg_refuse;

/* job_read.c: on the pool */
bool api_read_job(struct call *c, struct api *a, const struct http_req *in, struct job_ask *ret) NODISCARD;    /* POST /v1/jobs, /v1/plan */
bool api_read_append(struct call *c, struct api *a, const struct http_req *in, struct job_ask *ret) NODISCARD;
bool api_read_run(struct call *c, struct api *a, const struct http_req *in, struct job_ask *ret) NODISCARD;
bool api_is_etag(struct str s); /* sha256:<64 hex> */
/* jobs.c */
http_handler api_create_job, api_begun_job_done, api_list_jobs, api_get_job, api_get_job_done, api_append_job, api_run_job,
	api_extend_job, api_cancel_job, api_drop_job;
bool api_find_job(struct call *c, struct api *a, const struct http_req *in, struct job **ret) NODISCARD; /* held until the call ends; blocks */
/* job_results.c */
http_handler api_job_results, api_job_result;
/* job_logs.c */
http_handler api_job_logs, api_job_logs_done;
/* chains.c */
http_handler api_plan, api_list_layers, api_drop_layer, api_put_blob, api_put_blob_done, api_has_blob;

/* operations.c */
http_handler api_healthz, api_readyz, api_version, api_metrics, api_openapi, api_index, api_test_clock;
/* openapi_schemas.c */
struct api_schema {
	const char *name, *json;
};
extern const struct api_schema api_schemas[]; /* ends with a zero row */
/* openapi.c */
void api_write_openapi(struct buf *out);

#endif
