/* layers.c - `mayfly layers`: the cached states of PostgreSQL. */
#include "cli/cli_int.h"

struct layers_ask {
	struct remote remote;
	struct str format;
	struct cli_list rest;
};

static int list(struct call *c, const struct cli_verb *v, void *arg)
{
	static const struct cli_column columns[] = {
		{"layer", "layer_id", false},   {"step", "path", false},          {"bytes", "bytes", true},
		{"used", "last_used_at", false}, {"created", "created_at", false}, {NULL, NULL, false}};
	struct layers_ask *a = arg;

	return cli_list(c, v, &a->remote, S("/v1/layers"), a->format, columns);
}

static int drop(struct call *c, const struct cli_verb *v, void *arg)
{
	struct layers_ask *a = arg;

	(void)v;
	return cli_drop(c, &a->remote, arena_fmt(c->arena, "/v1/layers/%.*s", SARG(remote_escape(c->arena, a->rest.v[0]))));
}

static const struct cli_action actions[] = {
	{"list", list, 0, 0, "no argument"},
	{"drop", drop, 1, 1, "the id of a layer"},
	CLI_ACTIONS_END,
};

int cli_layers(struct call *c, const struct cli_verb *v, int argc, char **argv)
{
	bool named = argc > 0 && argv[0][0] != '-';
	const struct cli_action *action = cli_action_named(c, v, actions, named ? argv[0] : "list");
	struct layers_ask *a = ARENA_NEW(c->arena, struct layers_ask);
	const struct cli_option options[] = {REMOTE_OPTIONS(a->remote), {"server", 0, &a->remote.url, NULL, NULL},
					     {"format", 0, &a->format, NULL, NULL}, CLI_OPTIONS_END};

	if (!action)
		return CLI_USAGE;
	if (!cli_options(c, options, argc - named, argv + named, &a->rest))
		return cli_usage(v, "%s", c->err.text);
	return cli_act(c, v, action, &(struct cli_acting){&a->remote, &a->rest, a});
}
