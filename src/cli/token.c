/* token.c - `mayfly token create|list|revoke`: the token file of a data folder.
 * No server is asked; a running one sees the change within a second.
 */
#include "cli/cli_int.h"

#include "tenant/tenant.h"

enum { DAY_MS = 86400000, DAYS_MAX = 36500 };

struct token_ask {
	struct str data, tenant, role, principal, days;
	struct cli_list rest; /* behind the action */
};

static bool read_want(struct call *c, const struct token_ask *a, struct tenant_token *ret)
{
	bool admin = str_eq(a->role, S("admin"));
	int64_t days = 0;

	if (!a->tenant.n)
		return fail(c, ERR_INVALID_FIELD, "--tenant is required");
	if (a->role.n && !admin && !str_eq(a->role, S("user")))
		return fail(c, ERR_INVALID_FIELD, "--role is admin or user");
	if (!cli_number(c, "expires-days", a->days, DAYS_MAX, &days))
		return false;
	*ret = (struct tenant_token){
		.tenant = a->tenant,
		.principal = a->principal,
		.role = admin ? ROLE_ADMIN : ROLE_USER,
		.expires_ms = days ? clock_wall_ms() + days * DAY_MS : 0,
	};
	return true;
}

static int create(struct call *c, const struct cli_verb *v, void *arg)
{
	const struct token_ask *a = arg;
	struct tenant_token want;
	struct str id, text;

	if (!read_want(c, a, &want))
		return cli_usage(v, "%s", c->err.text);
	if (!tenant_token_create(c, a->data, &want, &id, &text))
		return cli_failed(c);
	printf("%.*s\n", SARG(text));
	fprintf(stderr, "token %.*s of tenant %.*s; it is shown only this once\n", SARG(id), SARG(want.tenant));
	return CLI_OK;
}

static const char *state_of(const struct tenant_token *t)
{
	if (t->revoked)
		return "revoked";
	return t->expires_ms && t->expires_ms <= clock_wall_ms() ? "expired" : "valid";
}

static void add_token(struct table *table, const struct tenant_token *t)
{
	char text[CLOCK_RFC3339_MAX];

	table_add(table, t->id);
	table_add(table, t->tenant);
	table_add(table, t->role == ROLE_ADMIN ? S("admin") : S("user"));
	table_add(table, t->principal);
	table_add(table, str_of(clock_rfc3339(t->created_ms, text)));
	table_add(table, t->expires_ms ? str_of(clock_rfc3339(t->expires_ms, text)) : S("never"));
	table_add(table, str_of(state_of(t)));
}

static int list(struct call *c, const struct cli_verb *v, void *arg)
{
	const struct token_ask *a = arg;
	static const char *const head[] = {"id", "tenant", "role", "principal", "created", "expires", "state"};
	struct tenant_token *tokens;
	struct table table;
	size_t n;

	(void)v;
	if (!tenant_token_list(c, a->data, &tokens, &n))
		return cli_failed(c);
	table_open(&table, COUNT_OF(head));
	for (size_t i = 0; i < COUNT_OF(head); i++)
		table_add(&table, str_of(head[i]));
	for (size_t i = 0; i < n; i++)
		add_token(&table, &tokens[i]);
	table_print(&table, stdout);
	table_drop(&table);
	return CLI_OK;
}

static int revoke(struct call *c, const struct cli_verb *v, void *arg)
{
	const struct token_ask *a = arg;
	(void)v;
	if (!tenant_token_revoke(c, a->data, a->rest.v[0]))
		return cli_failed(c);
	fprintf(stderr, "token %.*s is revoked\n", SARG(a->rest.v[0]));
	return CLI_OK;
}

static const struct cli_action actions[] = {
	{"create", create, 0, 0, "no argument, but --tenant"},
	{"list", list, 0, 0, "no argument"},
	{"revoke", revoke, 1, 1, "the id of one token"},
	CLI_ACTIONS_END,
};

int cli_token(struct call *c, const struct cli_verb *v, int argc, char **argv)
{
	const struct cli_action *action = cli_action_named(c, v, actions, argv[0]);
	struct token_ask a = {0};
	const struct cli_option options[] = {
		{"data", 0, &a.data, NULL, NULL},           {"tenant", 0, &a.tenant, NULL, NULL},
		{"role", 0, &a.role, NULL, NULL},           {"principal", 0, &a.principal, NULL, NULL},
		{"expires-days", 0, &a.days, NULL, NULL},   CLI_OPTIONS_END};

	if (!action)
		return CLI_USAGE;
	if (!cli_options(c, options, argc - 1, argv + 1, &a.rest))
		return cli_usage(v, "%s", c->err.text);
	if (!cli_data_dir(c, a.data, &a.data))
		return cli_failed(c);
	return cli_act(c, v, action, &(struct cli_acting){NULL, &a.rest, &a});
}
