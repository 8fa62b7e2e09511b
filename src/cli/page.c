/* page.c - `mayfly page`: a SQL session, a page or all of its rows, and its end. */
#include "cli/cli_int.h"

struct page_ask {
	struct remote remote;
	struct str format, session, offset, limit, refresh, file;
	bool all, keep;
	struct cli_list order, variables, rest;
};

/* --- the session --- */

static bool put_values(struct call *c, struct json_out *o, const struct cli_list *v)
{
	json_key(o, S("variables"));
	json_begin_object(o);
	for (int i = 0; i < v->n; i++) {
		struct str value = v->v[i], name = str_cut(&value, '=');

		if (!name.n || !value.p)
			return fail(c, ERR_INVALID_FIELD, "--var wants NAME=VALUE");
		json_key(o, name);
		cli_put_value(c, o, value);
	}
	json_end_object(o);
	return true;
}

static bool open_body(struct call *c, const struct page_ask *a, struct str what, struct str *ret)
{
	OWNS(buf) b = {0};
	struct json_out o = json_out(&b);

	json_begin_object(&o);
	json_key(&o, id_valid(what) ? S("sql_id") : S("sql"));
	json_put_text(&o, what);
	if (a->order.n) {
		json_key(&o, S("order_by"));
		json_put_texts(&o, a->order.v, a->order.n);
	}
	if (a->variables.n && !put_values(c, &o, &a->variables))
		return false;
	if (a->refresh.n)
		JSON_FIELD_TEXT(&o, "refresh", a->refresh);
	json_end_object(&o);
	*ret = arena_dup(c->arena, buf_str(&b));
	return true;
}

static bool open_session(struct call *c, const struct page_ask *a, struct str body, struct str *ret)
{
	struct remote_ask q = {.method = "POST", .path = cli_space_path(c, a->rest.v[0], "/sql-sessions", S("")), .body = body};
	const json_node *o;

	if (!remote_json(c, &a->remote, &q, &o))
		return false;
	*ret = remote_text(o, "id");
	return id_valid(*ret) || fail(c, ERR_INTERNAL, "the server answered without a session");
}

/* --- rows --- */

static bool print_piece(void *arg, struct str piece)
{
	(void)arg;
	return fwrite(piece.p, 1, piece.n, stdout) == piece.n;
}

static bool print_all(struct call *c, const struct page_ask *a, struct str path)
{
	struct remote_ask q = {.method = "GET", .accept = "application/x-ndjson", .sink = print_piece};
	struct out_answer answer;

	q.path = arena_fmt(c->arena, "%.*s/stream", SARG(path));
	return remote_ask(c, &a->remote, &q, &answer);
}

static bool print_rows(struct call *c, const struct page_ask *a, struct str session, const struct cli_format *format)
{
	struct str path = cli_space_path(c, a->rest.v[0], "/sql-sessions", session);
	struct remote_ask q = {.method = "GET"};

	if (a->all)
		return print_all(c, a, path);
	q.path = arena_fmt(c->arena, "%.*s/rows?offset=%.*s&limit=%.*s", SARG(path),
			   SARG(a->offset.n ? remote_escape(c->arena, a->offset) : S("0")),
			   SARG(a->limit.n ? remote_escape(c->arena, a->limit) : S("50")));
	return cli_show(c, &a->remote, &q, format);
}

static int run(struct call *c, const struct cli_verb *v, const struct page_ask *a, const struct cli_format *format)
{
	struct str what = a->rest.n > 1 ? a->rest.v[1] : (struct str){0}, body, session = a->session;
	bool printed;
	int code;

	if (!session.n && (!cli_read_sql(c, a->file, &what) || !open_body(c, a, what, &body)))
		return cli_usage(v, "%s", c->err.text);
	cli_catch_interrupt(c);
	if (!session.n && !open_session(c, a, body, &session))
		return cli_end(c);
	printed = print_rows(c, a, session, format);
	code = printed ? CLI_OK : cli_end(c);
	if (a->keep)
		fprintf(stderr, "session %.*s\n", SARG(session));
	if (a->keep || a->session.n)
		return code;
	call_forgive(c);
	c->cancel = NULL; /* also after Ctrl-C */
	return cli_drop(c, &a->remote, cli_space_path(c, a->rest.v[0], "/sql-sessions", session)) == CLI_OK ? code : CLI_FAILED;
}

int cli_page(struct call *c, const struct cli_verb *v, int argc, char **argv)
{
	struct page_ask *a = ARENA_NEW(c->arena, struct page_ask);
	const struct cli_option options[] = {
		REMOTE_OPTIONS(a->remote), {"format", 0, &a->format, NULL, NULL}, {"session", 0, &a->session, NULL, NULL},
		{"offset", 0, &a->offset, NULL, NULL}, {"limit", 0, &a->limit, NULL, NULL}, {"refresh", 0, &a->refresh, NULL, NULL},
		{"file", 'f', &a->file, NULL, NULL}, {"all", 0, NULL, &a->all, NULL}, {"keep", 0, NULL, &a->keep, NULL},
		{"order", 0, NULL, NULL, &a->order}, {"var", 0, NULL, NULL, &a->variables}, CLI_OPTIONS_END};
	const struct cli_format *format;
	int code;

	if (!cli_options(c, options, argc, argv, &a->rest))
		return cli_usage(v, "%s", c->err.text);
	if (a->rest.n < 1 || a->rest.n > (a->session.n || a->file.n ? 1 : 2))
		return cli_usage(v, "page wants a space, and an id or a statement where neither --session nor -f is given");
	format = cli_format_named(a->format);
	if (!format)
		return cli_usage(v, "there is no format %.*s", SARG(a->format));
	remote_open(&a->remote);
	code = run(c, v, a, format);
	remote_drop(&a->remote);
	return code;
}
