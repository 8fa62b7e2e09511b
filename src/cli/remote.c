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
	r->given = r->url;
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
	struct out_header headers[4 + REMOTE_MORE] = {{S("Accept"), str_of(q->accept ? q->accept : "application/json")}};
	struct out_request out = {
		.method = str_of(q->method),
		.url = arena_fmt(c->arena, "%.*s%.*s", SARG(r->url), SARG(q->path)),
		.headers = headers,
		.nheaders = 1,
		.body = q->body,
		.unix_socket = r->unix_socket,
		.timeout_ms = q->timeout_ms,
		.stall_ms = q->stall_ms,
		.source = q->source,
		.source_bytes = q->source_bytes,
		.max_body_bytes = q->max_body_bytes,
		.sink = q->sink,
		.arg = q->arg,
	};

	if (q->body.p || q->source)
		headers[out.nheaders++] =
			(struct out_header){S("Content-Type"), str_of(q->type ? q->type : "application/json")};
	if (r->token.n)
		headers[out.nheaders++] =
			(struct out_header){S("Authorization"), arena_fmt(c->arena, "Bearer %.*s", SARG(r->token))};
	if (r->tenant.n)
		headers[out.nheaders++] = (struct out_header){S("X-Mayfly-Tenant"), r->tenant};
	for (int i = 0; i < q->nmore; i++)
		headers[out.nheaders++] = q->more[i];
	return out_fetch(c, r->client, &out, ret);
}

struct str remote_escape(struct arena *a, struct str s)
{
	OWNS(buf) b = {0};

	for (size_t i = 0; i < s.n; i++) {
		if (ascii_alpha(s.p[i]) || ascii_digit(s.p[i]) || (s.p[i] && strchr("-._~", s.p[i])))
			buf_addc(&b, s.p[i]);
		else
			buf_fmt(&b, "%%%02X", (unsigned char)s.p[i]);
	}
	return arena_dup(a, buf_str(&b));
}

struct str remote_text(const json_node *o, const char *key)
{
	const json_node *n = o && json_kind(o) == JSON_KIND_OBJECT ? json_get(o, key) : NULL;

	return n && json_kind(n) == JSON_KIND_TEXT ? json_text(n) : S("");
}

/* problem+json, or Snowflake's code and message. */
static bool fail_with_body(struct call *c, int status, const json_node *body)
{
	struct str code = remote_text(body, "code"), words = remote_text(body, "detail"), state = remote_text(body, "sqlstate");
	const json_node *position = json_get(body, "position");
	enum err_kind kind = status >= 500 ? ERR_INTERNAL : ERR_SQL;

	if (!words.n)
		words = remote_text(body, "message");
	if (!state.n)
		state = remote_text(body, "sqlState");
	if (!words.n)
		words = remote_text(body, "title");
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

bool remote_json(struct call *c, const struct remote *r, const struct remote_ask *q, const json_node **ret)
{
	struct out_answer a;

	return remote_ask(c, r, q, &a) && json_read_object(c, a.body, ret);
}
