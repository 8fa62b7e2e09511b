/* space.c - `mayfly space …`: spaces and their tables. */
#include "cli/cli_int.h"

struct space_ask {
	struct remote remote;
	struct str format, mode;
	bool force;
	struct cli_list rest; /* behind the action */
};

static struct str space_path(struct call *c, const struct space_ask *a, const char *behind)
{
	return cli_space_path(c, a->rest.v[0], behind, a->rest.n > 1 ? a->rest.v[1] : S(""));
}

struct str cli_space_path(struct call *c, struct str space, const char *kind, struct str id)
{
	return arena_fmt(c->arena, "/v1/spaces/%.*s%s%s%.*s", SARG(remote_escape(c->arena, space)), kind, id.n ? "/" : "",
			 SARG(remote_escape(c->arena, id)));
}

int cli_drop(struct call *c, const struct remote *r, struct str path)
{
	struct remote_ask q = {.method = "DELETE", .path = path, .timeout_ms = REMOTE_ANSWER_MS};
	struct out_answer answer;

	return remote_ask(c, r, &q, &answer) ? CLI_OK : cli_end(c);
}

/* --- actions --- */

static int put(struct call *c, const struct cli_verb *v, void *arg)
{
	struct space_ask *a = arg;
	struct remote_ask q = {.method = "PUT", .path = space_path(c, a, ""), .body = S("{}"), .timeout_ms = REMOTE_ANSWER_MS};
	const json_node *o;

	(void)v;
	if (!remote_json(c, &a->remote, &q, &o))
		return cli_end(c);
	printf("%.*s\n", SARG(a->rest.v[0]));
	return CLI_OK;
}

static int list(struct call *c, const struct cli_verb *v, void *arg)
{
	struct space_ask *a = arg;
	static const struct cli_column columns[] = {
		{"space_id", "space_id", false}, {"created_at", "created_at", false}, {NULL, NULL, false}};

	return cli_list(c, v, &a->remote, S("/v1/spaces"), a->format, columns);
}

static int drop(struct call *c, const struct cli_verb *v, void *arg)
{
	struct space_ask *a = arg;
	(void)v;
	return cli_drop(c, &a->remote, space_path(c, a, a->force ? "?force=true" : ""));
}

static int load(struct call *c, const struct cli_verb *v, void *arg)
{
	struct space_ask *a = arg;
	struct cli_upload up = {.method = "PUT", .file = a->rest.v[2]};
	struct str mode = a->mode.n ? a->mode : S("create");
	const json_node *o;
	int code;

	up.path = arena_fmt(c->arena, "%.*s?mode=%.*s", SARG(space_path(c, a, "/tables")), SARG(remote_escape(c->arena, mode)));
	if (!cli_upload_type(c, &up, a->format))
		return cli_usage(v, "%s", c->err.text);
	code = cli_upload(c, v, &a->remote, &up, &o);
	if (code == CLI_OK)
		cli_print_node(o);
	return code;
}

static int tables(struct call *c, const struct cli_verb *v, void *arg)
{
	struct space_ask *a = arg;
	static const struct cli_column columns[] = {
		{"table", "table", false}, {"rows", "row_count", true}, {"snapshot_id", "snapshot_id", true},
		{"schema", "schema", false}, {NULL, NULL, false}};

	return cli_list(c, v, &a->remote, space_path(c, a, "/tables"), a->format, columns);
}

static int unload(struct call *c, const struct cli_verb *v, void *arg)
{
	struct space_ask *a = arg;
	(void)v;
	return cli_drop(c, &a->remote, space_path(c, a, "/tables"));
}

/* --- the verb --- */

static const struct cli_action actions[] = {
	{"put", put, 1, 1, "a space"},
	{"list", list, 0, 0, "no argument"},
	{"drop", drop, 1, 1, "a space"},
	{"load", load, 3, 3, "a space, a table and a file"},
	{"tables", tables, 1, 1, "a space"},
	{"unload", unload, 2, 2, "a space and a table"},
	CLI_ACTIONS_END,
};

int cli_space(struct call *c, const struct cli_verb *v, int argc, char **argv)
{
	const struct cli_action *action = cli_action_named(c, v, actions, argv[0]);
	struct space_ask *a = ARENA_NEW(c->arena, struct space_ask);
	const struct cli_option options[] = {
		REMOTE_OPTIONS(a->remote), {"format", 0, &a->format, NULL, NULL}, {"mode", 0, &a->mode, NULL, NULL},
		{"force", 0, NULL, &a->force, NULL}, CLI_OPTIONS_END};

	if (!action)
		return CLI_USAGE;
	if (!cli_options(c, options, argc - 1, argv + 1, &a->rest))
		return cli_usage(v, "%s", c->err.text);
	return cli_act(c, v, action, &(struct cli_acting){&a->remote, &a->rest, a});
}
