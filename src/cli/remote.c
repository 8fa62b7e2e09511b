/* remote.c - requests to a Mayfly, and what its errors say. */
#include "cli/cli_int.h"

#include <stdlib.h>

static void take_env(struct str *value, const char *name)
{
	if (!value->n)
		*value = str_of(getenv(name));
}

void remote_open(struct remote *r)
{
	take_env(&r->url, "MAYFLY_URL");
	take_env(&r->token, "MAYFLY_TOKEN");
	take_env(&r->tenant, "MAYFLY_TENANT");
	if (!r->url.n)
		r->url = S("http://127.0.0.1:8484");
	if (str_starts(r->url, S("unix:"))) {
		r->unix_socket = str_tail(r->url, strlen("unix:"));
		r->url = S("http://localhost");
	}
	while (str_ends(r->url, S("/")))
		r->url.n--;
	r->client = out_open();
}

void remote_drop(struct remote *r)
{
	out_close(r->client);
}

bool remote_send(struct call *c, const struct remote *r, const struct remote_ask *q, struct out_answer *ret)
{
	struct out_header headers[4] = {{S("Accept"), str_of(q->accept ? q->accept : "application/json")}};
	struct out_request out = {
		.method = str_of(q->method),
		.url = arena_fmt(c->arena, "%.*s%.*s", SARG(r->url), SARG(q->path)),
		.headers = headers,
		.nheaders = 1,
		.body = q->body,
		.unix_socket = r->unix_socket,
		.timeout_ms = q->timeout_ms,
		.max_body_bytes = q->max_body_bytes,
		.sink = q->sink,
		.arg = q->arg,
	};

	if (q->body.p)
		headers[out.nheaders++] = (struct out_header){S("Content-Type"), S("application/json")};
	if (r->token.n)
		headers[out.nheaders++] =
			(struct out_header){S("Authorization"), arena_fmt(c->arena, "Bearer %.*s", SARG(r->token))};
	if (r->tenant.n)
		headers[out.nheaders++] = (struct out_header){S("X-Mayfly-Tenant"), r->tenant};
	return out_fetch(c, r->client, &out, ret);
}

/* A member that is text, whatever else the document holds. */
static struct str text_of(const json_node *o, const char *key)
{
	const json_node *n = json_get(o, key);

	return n && json_kind(n) == JSON_KIND_TEXT ? json_text(n) : S("");
}

/* problem+json, or Snowflake's code and message. */
static bool fail_with_body(struct call *c, int status, const json_node *body)
{
	struct str code = text_of(body, "code"), words = text_of(body, "detail"), state = text_of(body, "sqlstate");
	const json_node *position = json_get(body, "position");
	enum err_kind kind = status >= 500 ? ERR_INTERNAL : ERR_SQL;

	if (!words.n)
		words = text_of(body, "message");
	if (!state.n)
		state = text_of(body, "sqlState");
	if (!words.n)
		words = text_of(body, "title");
	fail_at(c, kind, position && json_kind(position) == JSON_KIND_INT ? (int)json_int(position) : 0, "%.*s%s%.*s",
		SARG(code), code.n ? ": " : "", SARG(words));
	return fail_state(c, arena_cstr(c->arena, state), NULL);
}

static bool fail_as_answered(struct call *c, const struct out_answer *a)
{
	const json_node *body;

	if (json_read_object(c, a->body, &body))
		return fail_with_body(c, a->status, body);
	call_forgive(c);
	return fail(c, ERR_INTERNAL, "the server answered %d", a->status);
}

bool remote_ask(struct call *c, const struct remote *r, const struct remote_ask *q, struct out_answer *ret)
{
	if (!remote_send(c, r, q, ret))
		return false;
	return ret->status < 300 || fail_as_answered(c, ret);
}
