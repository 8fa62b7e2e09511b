/* caps.c - what a tenant may have, as each room asks for it. */
#include "main/server.h"

void tenant_engine_limits(void *arg, struct str tenant, struct engine_limits *ret)
{
	const struct conf_caps *caps = conf_caps_of(arg, tenant);

	*ret = (struct engine_limits){
		.memory_bytes = caps->memory_bytes, .temp_bytes = caps->temp_bytes, .threads = (int)caps->threads,
		.concurrent = (int)caps->concurrent_statements, .queued = (int)caps->queued_statements,
		.scripts = (int)caps->open_scripts, .databases = (int)caps->databases,
	};
}

void tenant_statement_caps(void *arg, struct str tenant, struct statement_caps *ret)
{
	const struct conf_caps *caps = conf_caps_of(arg, tenant);

	*ret = (struct statement_caps){.max_statements = caps->max_statements, .result_bytes = caps->result_bytes};
}

void tenant_session_caps(void *arg, struct str tenant, struct session_caps *ret)
{
	const struct conf_caps *caps = conf_caps_of(arg, tenant);

	*ret = (struct session_caps){
		.max_sessions = caps->max_sessions, .max_timeout_seconds = caps->session_timeout_seconds,
		.session = {caps->session_tables, caps->session_rows, caps->session_bytes},
		.tenant = {caps->ephemeral_tables, caps->ephemeral_rows, caps->ephemeral_bytes},
	};
}

void tenant_view_caps(void *arg, struct str tenant, struct view_caps *ret)
{
	const struct conf_caps *caps = conf_caps_of(arg, tenant);

	*ret = (struct view_caps){.spaces = caps->spaces, .tables = caps->space_tables, .saved = caps->space_sql,
				  .sql_sessions = caps->sql_sessions, .view_bytes = caps->view_bytes};
}

void tenant_runner_caps(void *arg, struct str tenant, struct runner_caps *ret)
{
	const struct conf_caps *caps = conf_caps_of(arg, tenant);

	*ret = (struct runner_caps){.jobs = caps->jobs, .running = caps->concurrent_jobs, .job_ttl_s = caps->job_ttl_seconds,
				    .blob_bytes = caps->blob_bytes, .layer_bytes = caps->layer_bytes};
}
