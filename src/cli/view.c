/* view.c - `mayfly view …`: saved SQL and its materialized views. */
#include "cli/cli_int.h"

#include <unistd.h>

enum { ASK_FIRST_MS = 20, ASK_EVERY_MS = 300 };

struct view_ask {
	struct remote remote;
	struct str format, file, id, parent;
	struct cli_list order, variables, rest; /* rest: behind the action */
};

static struct str view_path(struct call *c, const struct view_ask *a, struct str id)
{
	return cli_space_path(c, a->rest.v[0], "/sql", id);
}

/* --- a build, which may take long: it is followed, not waited for --- */

static bool is_building(const json_node *o)
{
	const json_node *state = cli_member(o, "view.state");

	return state && json_kind(state) == JSON_KIND_TEXT && str_eq(json_text(state), S("building"));
}

static void show_wait(int64_t started_ms)
{
	static const char wheel[] = "|/-\\";
	int64_t ms = clock_mono_ms() - started_ms;

	fprintf(stderr, "\r\033[K%c building, %lld s", wheel[ms / ASK_EVERY_MS % 4], (long long)(ms / 1000));
	fflush(stderr);
}

static bool follow(struct call *c, const struct view_ask *a, const json_node **o)
{
	struct remote_ask q = {.method = "GET", .timeout_ms = REMOTE_ANSWER_MS};
	bool watched = isatty(STDERR_FILENO), ok = true;
	int64_t started = clock_mono_ms();
	useconds_t wait_ms = ASK_FIRST_MS;

	q.path = view_path(c, a, remote_text(*o, "id"));
	while (ok && is_building(*o)) {
		if (watched)
			show_wait(started);
		usleep(wait_ms * 1000);
		wait_ms = 2 * wait_ms < ASK_EVERY_MS ? 2 * wait_ms : ASK_EVERY_MS;
		ok = remote_json(c, &a->remote, &q, o);
	}
	if (watched)
		fputs("\r\033[K", stderr);
	return ok;
}

/* Sends what makes a view, and prints the entry when the view is there. */
static int build(struct call *c, const struct view_ask *a, struct remote_ask *q)
{
	static const struct out_header async = {S_INIT("Prefer"), S_INIT("respond-async")};
	const json_node *o, *error;

	q->more = &async;
	q->nmore = 1;
	q->timeout_ms = REMOTE_ANSWER_MS;
	cli_catch_interrupt(c);
	if (!remote_json(c, &a->remote, q, &o) || !follow(c, a, &o))
		return cli_end(c);
	error = cli_member(o, "view.error");
	if (error && json_kind(error) == JSON_KIND_TEXT) {
		(void)fail(c, ERR_VIEW_FAILED, "%.*s", SARG(json_text(error)));
		return cli_end(c);
	}
	cli_print_node(o);
	return CLI_OK;
}

/* --- what is sent --- */

/* As JSON where it is that, else as text: 5, true, null, "5", five. */
void cli_put_value(struct call *c, struct json_out *o, struct str value)
{
	const json_node *n;

	if (json_read(c, value, &n))
		json_put_raw(o, str_trim(value));
	else
		json_put_text(o, value);
	call_forgive(c);
}

static bool put_variables(struct call *c, struct json_out *o, const struct cli_list *v)
{
	json_key(o, S("variables"));
	json_begin_array(o);
	for (int i = 0; i < v->n; i++) {
		struct str dflt = v->v[i], type = str_cut(&dflt, '='), name = str_cut(&type, ':');

		if (!name.n || !type.n)
			return fail(c, ERR_INVALID_FIELD, "--var wants NAME:TYPE or NAME:TYPE=DEFAULT");
		json_begin_object(o);
		JSON_FIELD_TEXT(o, "name", name);
		JSON_FIELD_TEXT(o, "type", type);
		if (dflt.p) {
			json_key(o, S("default"));
			cli_put_value(c, o, dflt);
		}
		json_end_object(o);
	}
	json_end_array(o);
	return true;
}

static bool save_body(struct call *c, const struct view_ask *a, struct str *ret)
{
	struct str sql = a->rest.n > 2 ? a->rest.v[2] : (struct str){0};
	OWNS(buf) b = {0};
	struct json_out o = json_out(&b);

	if (!cli_read_sql(c, a->file, &sql))
		return false;
	json_begin_object(&o);
	JSON_FIELD_TEXT(&o, "name", a->rest.v[1]);
	JSON_FIELD_TEXT(&o, "sql", sql);
	if (a->order.n) {
		json_key(&o, S("order_by"));
		json_put_texts(&o, a->order.v, a->order.n);
	}
	if (a->variables.n && !put_variables(c, &o, &a->variables))
		return false;
	if (a->id.n)
		JSON_FIELD_TEXT(&o, "parent_revision_id", a->parent);
	json_end_object(&o);
	*ret = arena_dup(c->arena, buf_str(&b));
	return true;
}

/* --- actions --- */

static int save(struct call *c, const struct cli_verb *v, void *arg)
{
	struct view_ask *a = arg;
	struct remote_ask q = {.method = a->id.n ? "PUT" : "POST", .path = view_path(c, a, a->id)};

	if ((a->id.n > 0) != (a->parent.n > 0))
		return cli_usage(v, "--id and --parent go together: which SQL to change, and the revision that was seen");
	if (!save_body(c, a, &q.body))
		return cli_usage(v, "%s", c->err.text);
	return build(c, a, &q);
}

static int refresh(struct call *c, const struct cli_verb *v, void *arg)
{
	struct view_ask *a = arg;
	struct remote_ask q = {.method = "POST", .body = S("{}")};

	(void)v;
	q.path = arena_fmt(c->arena, "%.*s/refresh", SARG(view_path(c, a, a->rest.v[1])));
	return build(c, a, &q);
}

static int list(struct call *c, const struct cli_verb *v, void *arg)
{
	struct view_ask *a = arg;
	static const struct cli_column columns[] = {
		{"id", "id", false}, {"name", "name", false}, {"state", "view.state", false}, {"rows", "view.row_count", true},
		{"snapshot_id", "view.snapshot_id", true}, {"updated_at", "updated_at", false}, {NULL, NULL, false}};

	return cli_list(c, v, &a->remote, view_path(c, a, S("")), a->format, columns);
}

static int show(struct call *c, const struct cli_verb *v, void *arg)
{
	struct view_ask *a = arg;
	struct remote_ask q = {.method = "GET", .path = view_path(c, a, a->rest.v[1]), .timeout_ms = REMOTE_ANSWER_MS};
	const json_node *o;

	(void)v;
	if (!remote_json(c, &a->remote, &q, &o))
		return cli_end(c);
	cli_print_node(o);
	return CLI_OK;
}

static int drop(struct call *c, const struct cli_verb *v, void *arg)
{
	struct view_ask *a = arg;
	(void)v;
	return cli_drop(c, &a->remote, view_path(c, a, a->rest.v[1]));
}

/* --- the verb --- */

static const struct cli_action actions[] = {
	{"save", save, 2, 3, "a space, a name and a statement"},
	{"list", list, 1, 1, "a space"},
	{"show", show, 2, 2, "a space and an id"},
	{"refresh", refresh, 2, 2, "a space and an id"},
	{"drop", drop, 2, 2, "a space and an id"},
	CLI_ACTIONS_END,
};

int cli_view(struct call *c, const struct cli_verb *v, int argc, char **argv)
{
	const struct cli_action *action = cli_action_named(c, v, actions, argv[0]);
	struct view_ask *a = ARENA_NEW(c->arena, struct view_ask);
	const struct cli_option options[] = {
		REMOTE_OPTIONS(a->remote), {"format", 0, &a->format, NULL, NULL}, {"file", 'f', &a->file, NULL, NULL},
		{"id", 0, &a->id, NULL, NULL}, {"parent", 0, &a->parent, NULL, NULL}, {"order", 0, NULL, NULL, &a->order},
		{"var", 0, NULL, NULL, &a->variables}, CLI_OPTIONS_END};

	if (!action)
		return CLI_USAGE;
	if (!cli_options(c, options, argc - 1, argv + 1, &a->rest))
		return cli_usage(v, "%s", c->err.text);
	return cli_act(c, v, action, &(struct cli_acting){&a->remote, &a->rest, a});
}
