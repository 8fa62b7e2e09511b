/* session.c - `mayfly session …`: sessions and their tables. */
#include "cli/cli_int.h"

#include <unistd.h>

enum { SECONDS_MAX = 2147483647 };

static struct str session_path(struct call *c, const struct session_ask *a, const char *behind)
{
	return arena_fmt(c->arena, "/v1/sessions/%.*s%s", SARG(remote_escape(c->arena, a->rest.v[0])), behind);
}

/* --- what is sent --- */

static bool put_labels(struct call *c, struct json_out *o, const struct cli_list *labels)
{
	json_literal_key(o, S("\"labels\":"));
	json_begin_object(o);
	for (int i = 0; i < labels->n; i++) {
		struct str value = labels->v[i], key = str_cut(&value, '=');

		if (!key.n || !value.p)
			return fail(c, ERR_INVALID_FIELD, "--label wants KEY=VALUE");
		json_key(o, key);
		json_put_text(o, value);
	}
	json_end_object(o);
	return true;
}

bool session_open_body(struct call *c, const struct session_ask *a, struct str *ret)
{
	int64_t timeout = 0, idle = 0;
	OWNS(buf) b = {0};
	struct json_out o = json_out(&b);

	if (!cli_number(c, "timeout", a->timeout, SECONDS_MAX, &timeout) || !cli_number(c, "idle", a->idle, SECONDS_MAX, &idle))
		return false;
	json_begin_object(&o);
	if (a->storage.n)
		JSON_FIELD_TEXT(&o, "storage", a->storage);
	if (timeout)
		JSON_FIELD_INT(&o, "timeout_seconds", timeout);
	if (idle)
		JSON_FIELD_INT(&o, "idle_timeout_seconds", idle);
	if (a->labels.n && !put_labels(c, &o, &a->labels))
		return false;
	json_end_object(&o);
	*ret = arena_dup(c->arena, buf_str(&b));
	return true;
}

static bool put_column(struct call *c, struct json_out *o, struct str text)
{
	struct str type = text, name = str_cut(&type, ':'), tail = S(" not null");
	bool nullable = type.n < tail.n || !str_ieq(str_tail(type, type.n - tail.n), tail);

	if (!nullable)
		type = str_trim(str_head(type, type.n - tail.n));
	if (!name.n || !type.n)
		return fail(c, ERR_INVALID_FIELD, "a column is NAME:TYPE, not %.*s", SARG(text));
	json_begin_object(o);
	JSON_FIELD_TEXT(o, "name", name);
	JSON_FIELD_TEXT(o, "type", type);
	if (!nullable)
		JSON_FIELD_BOOL(o, "nullable", false);
	json_end_object(o);
	return true;
}

bool session_table_body(struct call *c, const struct session_ask *a, struct str *ret)
{
	struct str keys = a->key;
	OWNS(buf) b = {0};
	struct json_out o = json_out(&b);

	json_begin_object(&o);
	JSON_FIELD_TEXT(&o, "name", a->rest.v[1]);
	json_literal_key(&o, S("\"columns\":"));
	json_begin_array(&o);
	for (int i = 2; i < a->rest.n; i++)
		if (!put_column(c, &o, a->rest.v[i]))
			return false;
	json_end_array(&o);
	if (keys.n) {
		json_literal_key(&o, S("\"primary_key\":"));
		json_begin_array(&o);
		while (keys.p)
			json_put_text(&o, str_trim(str_cut(&keys, ',')));
		json_end_array(&o);
	}
	json_end_object(&o);
	*ret = arena_dup(c->arena, buf_str(&b));
	return true;
}

/* --- sessions --- */

/* The id of the session that an answer is about. */
static bool take_id(struct call *c, const json_node *o, struct str *ret)
{
	*ret = remote_text(o, "session_id");
	return id_valid(*ret) || fail(c, ERR_INTERNAL, "the server answered without a session");
}

bool session_begin(struct call *c, const struct session_ask *a, int64_t within_ms, struct str *ret_id)
{
	struct remote_ask q = {.method = "POST", .path = S("/v1/sessions"), .body = a->body, .timeout_ms = within_ms};
	const json_node *o;

	return remote_json(c, &a->remote, &q, &o) && take_id(c, o, ret_id);
}

static int open_one(struct call *c, const struct cli_verb *v, void *arg)
{
	struct session_ask *a = arg;
	struct str id;

	(void)v;
	if (!session_begin(c, a, REMOTE_ANSWER_MS, &id))
		return cli_end(c);
	printf("%.*s\n", SARG(id));
	return CLI_OK;
}

static int list(struct call *c, const struct cli_verb *v, void *arg)
{
	struct session_ask *a = arg;
	static const struct cli_column columns[] = {
		{"session_id", "session_id", false}, {"storage", "storage", false},    {"created_at", "created_at", false},
		{"expires_at", "expires_at", false}, {"tables", "table_count", true},  {"labels", "labels", false},
		{NULL, NULL, false}};

	return cli_list(c, v, &a->remote, S("/v1/sessions"), a->format, columns);
}

static int show(struct call *c, const struct cli_verb *v, void *arg)
{
	struct session_ask *a = arg;
	struct remote_ask q = {.method = "GET", .path = session_path(c, a, ""), .timeout_ms = REMOTE_ANSWER_MS};
	const json_node *o;

	(void)v;
	if (!remote_json(c, &a->remote, &q, &o))
		return cli_end(c);
	cli_print_node(o);
	return CLI_OK;
}

static int64_t count_of(const json_node *o, const char *key)
{
	const json_node *n = json_get(o, key);

	return n && json_kind(n) == JSON_KIND_INT ? json_int(n) : 0;
}

static int close_one(struct call *c, const struct cli_verb *v, void *arg)
{
	struct session_ask *a = arg;
	struct remote_ask q = {.method = "DELETE", .path = session_path(c, a, ""), .timeout_ms = REMOTE_ANSWER_MS};
	const json_node *o;

	(void)v;
	if (!remote_json(c, &a->remote, &q, &o))
		return cli_end(c);
	fprintf(stderr, "closed; %lld tables and %lld rows are gone\n", (long long)count_of(o, "deleted_tables"),
		(long long)count_of(o, "deleted_row_count"));
	return CLI_OK;
}

static int extend(struct call *c, const struct cli_verb *v, void *arg)
{
	struct session_ask *a = arg;
	struct remote_ask q = {.method = "POST", .path = session_path(c, a, "/extend"), .timeout_ms = REMOTE_ANSWER_MS};
	int64_t seconds = 0;
	const json_node *o;

	if (!cli_number(c, "timeout", a->rest.v[1], SECONDS_MAX, &seconds) || !seconds)
		return cli_usage(v, "extend wants an id and a number of seconds");
	q.body = arena_fmt(c->arena, "{\"timeout_seconds\":%lld}", (long long)seconds);
	if (!remote_json(c, &a->remote, &q, &o))
		return cli_end(c);
	printf("%.*s\n", SARG(remote_text(o, "expires_at")));
	return CLI_OK;
}

static int fork_one(struct call *c, const struct cli_verb *v, void *arg)
{
	struct session_ask *a = arg;
	struct remote_ask q = {.method = "POST", .path = session_path(c, a, "/fork"), .body = S("{}")};
	const json_node *o;
	struct str id;

	(void)v;
	cli_catch_interrupt(c);
	if (!remote_json(c, &a->remote, &q, &o) || !take_id(c, o, &id))
		return cli_end(c);
	printf("%.*s\n", SARG(id));
	return CLI_OK;
}

/* --- tables --- */

static int make_table(struct call *c, const struct cli_verb *v, void *arg)
{
	struct session_ask *a = arg;
	struct remote_ask q = {.method = "POST", .path = session_path(c, a, "/tables"), .timeout_ms = REMOTE_ANSWER_MS};
	const json_node *o;

	if (!session_table_body(c, a, &q.body))
		return cli_usage(v, "%s", c->err.text);
	if (!remote_json(c, &a->remote, &q, &o))
		return cli_end(c);
	printf("%.*s\n", SARG(remote_text(o, "table_ref")));
	return CLI_OK;
}

static int insert(struct call *c, const struct cli_verb *v, void *arg)
{
	struct session_ask *a = arg;
	struct cli_upload up = {.method = "POST", .file = a->rest.v[2]};
	const json_node *o, *n;
	int code;

	up.path = arena_fmt(c->arena, "/v1/sessions/%.*s/tables/%.*s/rows", SARG(remote_escape(c->arena, a->rest.v[0])),
			    SARG(remote_escape(c->arena, a->rest.v[1])));
	if (!cli_upload_type(c, &up, a->format))
		return cli_usage(v, "%s", c->err.text);
	code = cli_upload(c, v, &a->remote, &up, &o);
	if (code != CLI_OK)
		return code;
	n = json_get(o, "inserted");
	if (!n || json_kind(n) != JSON_KIND_INT) {
		(void)fail(c, ERR_INTERNAL, "the server answered without a count");
		return cli_end(c);
	}
	printf("%lld\n", (long long)json_int(n));
	return CLI_OK;
}

static int query(struct call *c, const struct cli_verb *v, void *arg)
{
	struct session_ask *a = arg;
	struct remote_ask q = {.method = "POST", .path = session_path(c, a, "/query")};
	const struct cli_format *format = cli_format_named(a->format);
	OWNS(buf) b = {0};
	struct json_out o = json_out(&b);

	if (!format)
		return cli_usage(v, "there is no format %.*s", SARG(a->format));
	json_begin_object(&o);
	JSON_FIELD_TEXT(&o, "sql", a->rest.v[1]);
	if (a->table.n)
		JSON_FIELD_TEXT(&o, "table", a->table);
	json_end_object(&o);
	q.body = buf_str(&b);
	cli_catch_interrupt(c);
	return cli_show(c, &a->remote, &q, format) ? CLI_OK : cli_end(c);
}

/* --- the verb --- */

static const struct cli_action actions[] = {
	{"open", open_one, 0, 0, "no argument"},
	{"list", list, 0, 0, "no argument"},
	{"show", show, 1, 1, "an id"},
	{"close", close_one, 1, 1, "an id"},
	{"extend", extend, 2, 2, "an id and a number of seconds"},
	{"fork", fork_one, 1, 1, "an id"},
	{"table", make_table, 3, CLI_LIST_MAX, "an id, a name and its columns, each NAME:TYPE"},
	{"insert", insert, 3, 3, "an id, a table and a file"},
	{"query", query, 2, 2, "an id and a statement"},
	{"run", session_run, 0, 0, "`--` and a command behind it"},
	CLI_ACTIONS_END,
};

bool session_read(struct call *c, int argc, char **argv, struct session_ask *a)
{
	const struct cli_option options[] = {
		REMOTE_OPTIONS(a->remote),
		{"storage", 0, &a->storage, NULL, NULL}, {"timeout", 0, &a->timeout, NULL, NULL},
		{"idle", 0, &a->idle, NULL, NULL},       {"label", 0, NULL, NULL, &a->labels},
		{"key", 0, &a->key, NULL, NULL},         {"format", 0, &a->format, NULL, NULL},
		{"table", 0, &a->table, NULL, NULL},     CLI_OPTIONS_END};
	int n = 0;

	if (argc > 0 && strcmp(argv[0], "run") == 0)
		while (n < argc && strcmp(argv[n], "--") != 0)
			n++;
	if (n > 0 && n < argc)
		a->command = argv + n + 1;
	return cli_options(c, options, (a->command ? n : argc) - 1, argv + 1, &a->rest) && session_open_body(c, a, &a->body);
}

int cli_session(struct call *c, const struct cli_verb *v, int argc, char **argv)
{
	const struct cli_action *action = cli_action_named(c, v, actions, argv[0]);
	struct session_ask *a = ARENA_NEW(c->arena, struct session_ask);

	if (!action)
		return CLI_USAGE;
	if (!session_read(c, argc, argv, a))
		return cli_usage(v, "%s", c->err.text);
	return cli_act(c, v, action, &(struct cli_acting){&a->remote, &a->rest, a});
}
