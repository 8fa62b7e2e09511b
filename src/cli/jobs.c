/* jobs.c - `mayfly jobs`: those that are there, one of them, its log, its end. */
#include "cli/chain.h"

struct jobs_ask {
	struct remote remote;
	struct str format;
	bool follow;
	struct cli_list rest;
};

static int list(struct call *c, const struct cli_verb *v, void *arg)
{
	static const struct cli_column columns[] = {
		{"job", "job_id", false},           {"status", "status", false}, {"stage", "stage", false},
		{"created", "created_at", false},   {"finished", "finished_at", false},
		{"error", "error.code", false},     {NULL, NULL, false}};
	struct jobs_ask *a = arg;

	return cli_list(c, v, &a->remote, S("/v1/jobs"), a->format, columns);
}

static int get(struct call *c, const struct cli_verb *v, void *arg)
{
	struct jobs_ask *a = arg;
	const json_node *job;

	(void)v;
	if (!job_get(c, &a->remote, a->rest.v[0], &job))
		return cli_end(c);
	cli_print_node(job);
	return CLI_OK;
}

/* A page of the log behind *after, which moves. */
static bool print_page(struct call *c, const struct jobs_ask *a, int64_t *after, bool *ret_more)
{
	struct remote_ask q = {.method = "GET", .timeout_ms = REMOTE_ANSWER_MS};
	const json_node *o, *items, *next;

	q.path = arena_fmt(c->arena, "%.*s?after=%lld", SARG(job_path(c, a->rest.v[0], "/logs")), (long long)*after);
	if (!remote_json(c, &a->remote, &q, &o))
		return false;
	items = json_get(o, "items");
	next = json_get(o, "next");
	if (!cli_is_array(items))
		return fail(c, ERR_INTERNAL, "the server answered without items");
	for (size_t i = 0; i < json_count(items); i++)
		job_print_log(json_at(items, i));
	*ret_more = json_count(items) && next && json_kind(next) == JSON_KIND_INT && json_int(next) > *after;
	if (*ret_more)
		*after = json_int(next);
	return true;
}

static int logs(struct call *c, const struct cli_verb *v, void *arg)
{
	struct jobs_ask *a = arg;
	struct job_following f = {.remote = &a->remote, .id = a->rest.v[0], .print = true, .started_ms = clock_mono_ms()};
	const json_node *job;
	int64_t after = 0;
	bool more = true;

	(void)v;
	cli_catch_interrupt(c);
	if (a->follow)
		return job_follow(c, &f, &job) ? CLI_OK : cli_end(c);
	while (more)
		if (!print_page(c, a, &after, &more))
			return cli_end(c);
	return CLI_OK;
}

static int cancel(struct call *c, const struct cli_verb *v, void *arg)
{
	struct jobs_ask *a = arg;
	struct remote_ask q = {.method = "POST", .path = job_path(c, a->rest.v[0], "/cancel"), .body = S(""),
			       .timeout_ms = REMOTE_ANSWER_MS};
	struct out_answer answer;

	(void)v;
	return remote_ask(c, &a->remote, &q, &answer) ? CLI_OK : cli_end(c);
}

static int drop(struct call *c, const struct cli_verb *v, void *arg)
{
	struct jobs_ask *a = arg;

	(void)v;
	return cli_drop(c, &a->remote, job_path(c, a->rest.v[0], ""));
}

static const struct cli_action actions[] = {
	{"list", list, 0, 0, "no argument"},   {"get", get, 1, 1, "the id of a job"},    {"logs", logs, 1, 1, "the id of a job"},
	{"cancel", cancel, 1, 1, "the id of a job"}, {"drop", drop, 1, 1, "the id of a job"}, CLI_ACTIONS_END,
};

int cli_jobs(struct call *c, const struct cli_verb *v, int argc, char **argv)
{
	bool named = argc > 0 && argv[0][0] != '-';
	const struct cli_action *action = cli_action_named(c, v, actions, named ? argv[0] : "list");
	struct jobs_ask *a = ARENA_NEW(c->arena, struct jobs_ask);
	const struct cli_option options[] = {
		REMOTE_OPTIONS(a->remote), {"server", 0, &a->remote.url, NULL, NULL}, {"format", 0, &a->format, NULL, NULL},
		{"follow", 'f', NULL, &a->follow, NULL}, CLI_OPTIONS_END};

	if (!action)
		return CLI_USAGE;
	if (!cli_options(c, options, argc - named, argv + named, &a->rest))
		return cli_usage(v, "%s", c->err.text);
	return cli_act(c, v, action, &(struct cli_acting){&a->remote, &a->rest, a});
}
