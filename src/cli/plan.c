/* plan.c - `mayfly plan`: which layers a run would find, and why not all. Nothing is run. */
#include "cli/chain.h"

enum { HASH_SHOWN = 12 };

static bool is_hit(const json_node *step)
{
	const json_node *hit = json_get(step, "hit");

	return hit && json_kind(hit) == JSON_KIND_BOOL && json_bool(hit);
}

static void print_steps(const json_node *steps)
{
	struct table t;

	table_open(&t, 3);
	table_add(&t, S("step"));
	table_add(&t, S("layer"));
	table_add(&t, S("cached"));
	for (size_t i = 0; cli_is_array(steps) && i < json_count(steps); i++) {
		const json_node *step = json_at(steps, i);

		table_add(&t, remote_text(step, "path"));
		table_add(&t, str_head(remote_text(step, "hash"), HASH_SHOWN));
		table_add(&t, is_hit(step) ? S("hit") : S("miss"));
	}
	table_print(&t, stdout);
	table_drop(&t);
}

static void print_difference(const json_node *d)
{
	struct str path, reason, variable;

	if (!d || json_kind(d) != JSON_KIND_OBJECT)
		return;
	path = remote_text(d, "path");
	reason = remote_text(d, "reason");
	variable = remote_text(d, "variable");
	printf("first difference: %.*s: %.*s%s%.*s\n", SARG(path), SARG(reason), variable.n ? " " : "", SARG(variable));
}

static void print_plan(const json_node *plan, bool json)
{
	const json_node *steps = json_get(plan, "steps");

	if (json) {
		cli_print_node(plan);
		return;
	}
	print_steps(steps);
	printf("tail %.*s\n", SARG(remote_text(plan, "tail_hash")));
	print_difference(json_get(plan, "first_difference"));
}

static int make_plan(struct call *c, const struct chain_ask *a)
{
	struct remote_ask q = {.method = "POST", .path = S("/v1/plan"), .timeout_ms = REMOTE_ANSWER_MS};
	struct out_answer answer;
	struct project project;
	const json_node *plan;

	if (!project_read(c, a->rest.v[0], &project) || !chain_send(c, a, &project, &q, &answer))
		return chain_failed(c);
	if (answer.status >= 300)
		return chain_refused(c, &project, &answer);
	if (!json_read_object(c, answer.body, &plan))
		return chain_failed(c);
	print_plan(plan, str_eq(a->format, S("json")));
	return CLI_OK;
}

int cli_plan(struct call *c, const struct cli_verb *v, int argc, char **argv)
{
	struct chain_ask *a = ARENA_NEW(c->arena, struct chain_ask);
	int code = chain_read(c, v, argc, argv, a);

	if (code >= 0)
		return code;
	if (a->watch || (a->format.n && !str_eq(a->format, S("json")) && !str_eq(a->format, S("table"))))
		return cli_usage(v, "a plan is printed once, as table or json");
	remote_open(&a->remote);
	cli_catch_interrupt(c);
	code = make_plan(c, a);
	remote_drop(&a->remote);
	return code;
}
