/* action.c - verbs that have actions: `mayfly VERB ACTION …`. */
#include "cli/cli_int.h"

/* "put, list or drop" */
static struct str names_of(struct call *c, const struct cli_action *actions)
{
	OWNS(buf) b = {0};

	for (const struct cli_action *a = actions; a->name; a++) {
		if (a > actions)
			buf_add(&b, a[1].name ? S(", ") : S(" or "));
		buf_add(&b, str_of(a->name));
	}
	return arena_dup(c->arena, buf_str(&b));
}

const struct cli_action *cli_action_named(struct call *c, const struct cli_verb *v, const struct cli_action *actions,
					  const char *name)
{
	for (const struct cli_action *a = actions; name && a->name; a++)
		if (strcmp(a->name, name) == 0)
			return a;
	cli_usage(v, "%.*s?", SARG(names_of(c, actions)));
	return NULL;
}

int cli_act(struct call *c, const struct cli_verb *v, const struct cli_action *action, const struct cli_acting *on)
{
	int code;

	if (on->rest->n < action->least || on->rest->n > action->most)
		return cli_usage(v, "%s wants %s", action->name, action->wants);
	if (!on->remote)
		return action->run(c, v, on->ask);
	remote_open(on->remote);
	code = action->run(c, v, on->ask);
	remote_drop(on->remote);
	return code;
}
