/* statements.c - `mayfly statements`: those that are there, one of them, its rows, its end, who may read it. */
#include "cli/cli_int.h"

#include <unistd.h>

struct statements_ask {
	struct remote remote;
	struct str format, status, session, since, until;
	struct cli_list rest;
};

static void add_filter(struct call *c, struct buf *b, const char *name, struct str value)
{
	if (value.n)
		buf_fmt(b, "%s%s=%.*s", b->n ? "&" : "?", name, SARG(remote_escape(c->arena, value)));
}

static int list(struct call *c, const struct cli_verb *v, void *arg)
{
	static const struct cli_column columns[] = {
		{"handle", "handle", false},      {"status", "status", false},          {"created", "created_at", false},
		{"completed", "completed_at", false}, {"rows", "row_count", true},      {"session", "session_id", false},
		{"error", "error.code", false},   {NULL, NULL, false}};
	struct statements_ask *a = arg;
	OWNS(buf) filters = {0};

	add_filter(c, &filters, "status", a->status);
	add_filter(c, &filters, "session_id", a->session);
	add_filter(c, &filters, "since", a->since);
	add_filter(c, &filters, "until", a->until);
	return cli_list(c, v, &a->remote, arena_fmt(c->arena, "/v1/statements%.*s", SARG(buf_str(&filters))), a->format, columns);
}

static bool get(struct call *c, const struct statements_ask *a, const json_node **ret)
{
	struct remote_ask q = {.method = "GET", .path = cli_statement_path(c, a->rest.v[0], ""), .timeout_ms = REMOTE_ANSWER_MS};

	return remote_json(c, &a->remote, &q, ret);
}

static int show(struct call *c, const struct cli_verb *v, void *arg)
{
	const json_node *doc;

	(void)v;
	if (!get(c, arg, &doc))
		return cli_end(c);
	cli_print_node(doc);
	return CLI_OK;
}

static int result(struct call *c, const struct cli_verb *v, void *arg)
{
	struct statements_ask *a = arg;
	const struct cli_format *format = cli_format_named(a->format);
	struct remote_ask q = {.method = "GET", .path = cli_statement_path(c, a->rest.v[0], "/result")};

	if (!format)
		return cli_usage(v, "there is no format %.*s", SARG(a->format));
	cli_catch_interrupt(c);
	return cli_show(c, &a->remote, &q, format) ? CLI_OK : cli_end(c);
}

static int wait_end(struct call *c, const struct cli_verb *v, void *arg)
{
	struct statements_ask *a = arg;
	const struct statement_following f = {.remote = &a->remote, .handle = a->rest.v[0], .watched = isatty(STDERR_FILENO),
					      .started_ms = clock_mono_ms()};
	const json_node *doc;

	(void)v;
	cli_catch_interrupt(c);
	if (!cli_statement_follow(c, &f, &doc))
		return cli_end(c);
	printf("%.*s\n", SARG(remote_text(doc, "status")));
	fflush(stdout);
	return cli_statement_outcome(c, doc) ? CLI_OK : cli_end(c);
}

/* A cancel answers the same for a handle that is unknown; here that is an error. */
static int cancel(struct call *c, const struct cli_verb *v, void *arg)
{
	struct statements_ask *a = arg;
	const json_node *doc;

	(void)v;
	return get(c, a, &doc) && cli_statement_cancel(c, &a->remote, a->rest.v[0]) ? CLI_OK : cli_end(c);
}

static int drop(struct call *c, const struct cli_verb *v, void *arg)
{
	struct statements_ask *a = arg;

	(void)v;
	return cli_drop(c, &a->remote, cli_statement_path(c, a->rest.v[0], ""));
}

static int give(struct call *c, const struct cli_verb *v, void *arg)
{
	struct statements_ask *a = arg;
	struct remote_ask q = {.method = "POST", .path = cli_statement_path(c, a->rest.v[0], "/grants"), .timeout_ms = REMOTE_ANSWER_MS};
	OWNS(buf) body = {0};
	struct json_out o = json_out(&body);
	struct out_answer answer;

	(void)v;
	json_begin_object(&o);
	JSON_FIELD_TEXT(&o, "principal", a->rest.v[1]);
	json_end_object(&o);
	q.body = buf_str(&body);
	return remote_ask(c, &a->remote, &q, &answer) ? CLI_OK : cli_end(c);
}

static int take_back(struct call *c, const struct cli_verb *v, void *arg)
{
	struct statements_ask *a = arg;
	struct str grants = cli_statement_path(c, a->rest.v[0], "/grants"), principal = remote_escape(c->arena, a->rest.v[1]);

	(void)v;
	return cli_drop(c, &a->remote, arena_fmt(c->arena, "%.*s/%.*s", SARG(grants), SARG(principal)));
}

static const struct cli_action actions[] = {
	{"list", list, 0, 0, "no argument"}, {"show", show, 1, 1, "a handle"}, {"result", result, 1, 1, "a handle"},
	{"wait", wait_end, 1, 1, "a handle"}, {"cancel", cancel, 1, 1, "a handle"}, {"drop", drop, 1, 1, "a handle"},
	{"grant", give, 2, 2, "a handle and a principal"}, {"revoke", take_back, 2, 2, "a handle and a principal"}, CLI_ACTIONS_END,
};

int cli_statements(struct call *c, const struct cli_verb *v, int argc, char **argv)
{
	bool named = argc > 0 && argv[0][0] != '-';
	const struct cli_action *action = cli_action_named(c, v, actions, named ? argv[0] : "list");
	struct statements_ask *a = ARENA_NEW(c->arena, struct statements_ask);
	const struct cli_option options[] = {
		REMOTE_OPTIONS(a->remote), {"format", 0, &a->format, NULL, NULL}, {"status", 0, &a->status, NULL, NULL},
		{"session", 0, &a->session, NULL, NULL}, {"since", 0, &a->since, NULL, NULL}, {"until", 0, &a->until, NULL, NULL},
		CLI_OPTIONS_END};

	if (!action)
		return CLI_USAGE;
	if (!cli_options(c, options, argc - named, argv + named, &a->rest))
		return cli_usage(v, "%s", c->err.text);
	return cli_act(c, v, action, &(struct cli_acting){&a->remote, &a->rest, a});
}
