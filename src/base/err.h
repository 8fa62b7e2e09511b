/* err.h - every way a call can fail, said once.
 *
 * The kind decides what clients see: `code` is the stable name of the native
 * surface; its HTTP status and its Snowflake form are columns in api/.
 * Source of the codes: the contract, section 0.
 */
#ifndef MAYFLY_BASE_ERR_H
#define MAYFLY_BASE_ERR_H

#include "base/str.h"

/* kind, stable code, title */
#define ERR_KINDS(X) \
	X(NONE, "ok", "No error") \
	X(INVALID_JSON, "invalid_json", "The body is not valid JSON") \
	X(UNKNOWN_FIELD, "unknown_field", "Unknown field") \
	X(INVALID_FIELD, "invalid_field", "Invalid field") \
	X(INVALID_TENANT, "invalid_tenant", "Invalid tenant name") \
	X(BAD_REQUEST, "bad_request", "Malformed request") \
	X(UNAUTHENTICATED, "unauthenticated", "Not authenticated") \
	X(FORBIDDEN, "forbidden", "Forbidden") \
	X(NOT_FOUND, "not_found", "Not found") \
	X(NO_SESSION, "not_found", "Not found") \
	X(RESULT_EXPIRED, "result_expired", "The result has expired") \
	X(NO_TENANT_BINDING, "no_tenant_binding", "No tenant is bound to the caller") \
	X(SESSION_CLOSED, "session_closed", "The session is closed") \
	X(SESSION_EXPIRED, "session_expired", "The session has expired") \
	X(WRONG_SERVER, "wrong_server", "The session lives on another server") \
	X(INVALID_NAME, "invalid_name", "Invalid name") \
	X(NAME_TOO_LONG, "name_too_long", "The name is too long") \
	X(DUPLICATE_TABLE, "duplicate_table", "The table exists already") \
	X(UNKNOWN_TABLE, "unknown_table", "Unknown table") \
	X(SCHEMA_MISMATCH, "schema_mismatch", "A row does not fit its table") \
	X(CONSTRAINT, "constraint_violation", "Constraint violation") \
	X(READ_ONLY, "read_only", "Only reading is allowed here") \
	X(QUOTA, "quota_exceeded", "Quota exceeded") \
	X(PARTIAL_DELETION, "partial_deletion_failure", "Some tables could not be dropped") \
	X(STORAGE, "storage_error", "Storage error") \
	X(METHOD_NOT_ALLOWED, "method_not_allowed", "Method not allowed") \
	X(NOT_ACCEPTABLE, "not_acceptable", "No acceptable format") \
	X(NOT_FINISHED, "not_finished", "The statement has not finished") \
	X(CONFLICT, "conflict", "Conflict") \
	X(BODY_TOO_LARGE, "body_too_large", "Body too large") \
	X(UNSUPPORTED_MEDIA, "unsupported_media_type", "Unsupported media type") \
	X(HEADERS_TOO_LARGE, "headers_too_large", "Header block too large") \
	X(REQUEST_TIMEOUT, "request_timeout", "The request took too long to arrive") \
	X(NOT_ALLOWED, "not_allowed", "Not allowed by the SQL gate") \
	X(SQL, "sql_error", "SQL error") \
	X(SQL_INVALID, "sql_invalid", "The SQL cannot be saved") \
	X(VIEW_DELETED, "view_deleted", "The view was deleted") \
	X(VIEW_FAILED, "view_failed", "The view could not be built") \
	X(REVISION_CONFLICT, "revision_conflict", "Another revision is in force") \
	X(SPACE_NOT_EMPTY, "space_not_empty", "The space is not empty") \
	X(LIMIT_TOO_LARGE, "limit_too_large", "The limit is too large") \
	X(CORRUPT_TABLE, "corrupt_table", "The stored table cannot be read") \
	X(SCRIPT, "syntax_error", "The script cannot be read") \
	X(META_COMMAND, "unsupported_meta_command", "The meta-command is not taken") \
	X(MISSING_VARIABLE, "missing_variable", "A variable is missing") \
	X(MISSING_INCLUDE, "missing_include", "An included file is not in the project") \
	X(INCLUDE_CYCLE, "include_cycle", "Files include each other") \
	X(BINARY_FILE, "binary_file", "The file is no text") \
	X(INVALID_PATH, "invalid_path", "Invalid path") \
	X(MISSING_BLOBS, "missing_blobs", "Contents are missing") \
	X(ETAG_MISMATCH, "etag_mismatch", "The content has another etag") \
	X(HEAD_NOT_FOUND, "head_not_found", "The head is not in the project") \
	X(EMPTY_PROJECT, "empty_project", "The project is empty") \
	X(PROJECT_TOO_LARGE, "project_too_large", "The project is too large") \
	X(PART_CONFLICT, "part_conflict", "The part came before, with other files") \
	X(JOB_STARTED, "job_already_started", "The job has started") \
	X(JOB_EXPIRED, "job_expired", "The job has expired") \
	X(REQUEST_ID_CONFLICT, "request_id_conflict", "The request id belongs to another body") \
	X(PLAN_LIMIT, "plan_limit", "Beyond what the tenant may have") \
	X(LAYER_IN_USE, "layer_in_use", "The layer is in use") \
	X(ENGINE_UNREACHABLE, "engine_unreachable", "PostgreSQL cannot be reached") \
	X(SQL_EMPTY, "empty_statement", "Empty SQL statement") \
	X(RESULT_TOO_LARGE, "result_too_large", "The result is too large") \
	X(STATEMENT_TIMEOUT, "statement_timeout", "The statement timed out") \
	X(CANCELED, "canceled", "The statement was canceled") \
	X(ENGINE_LOST, "engine_lost", "The engine worker ended") \
	X(SERVER_RESTARTED, "server_restarted", "The server restarted while the statement ran") \
	X(SERVER_LOST, "server_lost", "The server that ran the statement ended") \
	X(TOO_MANY, "too_many_requests", "Too many requests") \
	X(UNAVAILABLE, "unavailable", "Unavailable") \
	X(INTERNAL, "internal", "Internal error")

enum err_kind {
#define X(kind, code, title) ERR_##kind,
	ERR_KINDS(X)
#undef X
	ERR_KIND_COUNT
};

const char *err_code(enum err_kind kind);
const char *err_title(enum err_kind kind);

/* One failure. Texts are terminated, cut when too long; empty = not given. */
struct err {
	enum err_kind kind;
	int position;       /* 1-based place in the SQL text, 0 = unknown */
	char sqlstate[6];   /* SQLSTATE, or "" */
	char native[8];     /* Snowflake's six-digit code where it is more exact than the kind's, or "" */
	char text[512];     /* for the client, in words */
	struct str more;    /* further members of the native answer, `"max":24`; in the call's arena; empty = none */
};

#endif
