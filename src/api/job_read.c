/* job_read.c - bodies of jobs and plans into a struct job_ask: types, ranges and forms; what a tree may hold is runner/'s business.
 *
 * On the pool: bodies are large. Everything lives as long as the call.
 */
#include "api/api_int.h"

#include <stdlib.h>

enum {
	ID_MAX = 256,               /* bytes of request_id, user_id, part */
	NAME_MAX_BYTES = 256,       /* of a variable */
	URL_MAX = 2048, SECRET_MAX = 1024, TRACESTATE_MAX = 512,
	SNAPSHOT_TTL_MAX_S = 86400, JOB_TTL_MAX_S = 2592000, TIMEOUT_MAX_MS = 3600000,
};

/* --- the tree --- */

bool api_is_etag(struct str s)
{
	if (s.n != 7 + 2 * SHA256_LEN || !str_starts(s, S("sha256:")))
		return false;
	for (size_t i = 7; i < s.n; i++)
		if (ascii_hex(s.p[i]) < 0 || (s.p[i] >= 'A' && s.p[i] <= 'F'))
			return false;
	return true;
}

static bool read_file(struct call *c, struct str path, const json_node *n, struct job_file *ret)
{
	static const char *const keys[] = {"content", "etag", NULL};
	struct str shown = str_head(path, 200);

	*ret = (struct job_file){.path = path};
	if (json_kind(n) != JSON_KIND_OBJECT)
		return fail(c, ERR_INVALID_FIELD, "project_tree: %.*s must be {\"content\"} or {\"etag\"}", SARG(shown));
	if (!json_only(c, n, keys) || !json_want_text(c, n, "content", &ret->content) || !json_want_text(c, n, "etag", &ret->etag))
		return false;
	if ((ret->content.p != NULL) == (ret->etag.p != NULL))
		return fail(c, ERR_INVALID_FIELD, "project_tree: %.*s must have either content or etag", SARG(shown));
	return !ret->etag.p || api_is_etag(ret->etag) ||
	       fail(c, ERR_INVALID_FIELD, "project_tree: the etag of %.*s must be sha256: and 64 hex digits in lower case", SARG(shown));
}

static bool read_tree(struct call *c, const json_node *body, struct job_ask *ask)
{
	const json_node *tree = json_get(body, "project_tree"), *value;
	struct job_file *v;
	struct str path;

	if (!tree || json_kind(tree) == JSON_KIND_NULL)
		return true;
	if (json_kind(tree) != JSON_KIND_OBJECT)
		return fail(c, ERR_INVALID_FIELD, "project_tree must be an object: {path: {\"content\"} or {\"etag\"}}");
	v = ARENA_ARRAY(c->arena, struct job_file, json_count(tree) + 1);
	for (void *it = NULL; json_each(tree, &it, &path, &value);)
		if (!read_file(c, path, value, &v[ask->nfiles++]))
			return false;
	ask->files = v;
	return true;
}

static bool read_chain(struct call *c, struct api *a, const json_node *body, struct job_ask *ask)
{
	const json_node *n = json_get(body, "chain");

	ask->nchain = -1;
	if (!n || json_kind(n) == JSON_KIND_NULL)
		return true;
	return json_want_texts(c, body, "chain", (int)a->conf->runner_project_max_files, &ask->chain, &ask->nchain);
}

/* --- variables: names that psql can write, values as text --- */

static bool is_variable_name(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_alpha(s.p[i]) && !ascii_digit(s.p[i]) && s.p[i] != '_' && !(s.p[i] & 0x80))
			return false;
	return s.n > 0 && s.n <= NAME_MAX_BYTES;
}

static bool read_value(struct call *c, const json_node *n, struct job_variable *v)
{
	OWNS(buf) b = {0};

	switch (json_kind(n)) {
	case JSON_KIND_BOOL:
		v->value = json_bool(n) ? S("true") : S("false");
		return true;
	case JSON_KIND_INT:
		v->value = arena_fmt(c->arena, "%lld", (long long)json_int(n));
		return true;
	case JSON_KIND_REAL:
		json_real_text(&b, json_number(n));
		v->value = arena_dup(c->arena, buf_str(&b));
		return true;
	case JSON_KIND_TEXT:
		v->value = json_text(n);
		return str_find(v->value, '\0') == v->value.n ||
		       fail(c, ERR_INVALID_FIELD, "variables: the value of %.*s has a zero byte", SARG(v->name));
	case JSON_KIND_NULL:
	case JSON_KIND_ARRAY:
	case JSON_KIND_OBJECT:
		break;
	}
	return fail(c, ERR_INVALID_FIELD, "variables: the value of %.*s must be a string, a number or a boolean", SARG(v->name));
}

static bool read_variables(struct call *c, const json_node *body, struct job_ask *ask)
{
	const json_node *n = json_get(body, "variables"), *value;
	struct job_variable *v;
	struct str name;

	if (!n || json_kind(n) == JSON_KIND_NULL)
		return true;
	if (json_kind(n) != JSON_KIND_OBJECT)
		return fail(c, ERR_INVALID_FIELD, "variables must be an object: {name: value}");
	if (json_count(n) > JOB_VARIABLES_MAX)
		return fail(c, ERR_INVALID_FIELD, "variables: at most %d", JOB_VARIABLES_MAX);
	v = ARENA_ARRAY(c->arena, struct job_variable, json_count(n) + 1);
	for (void *it = NULL; json_each(n, &it, &name, &value);) {
		struct job_variable *one = &v[ask->nvariables++];

		one->name = name;
		if (!is_variable_name(name))
			return fail(c, ERR_INVALID_FIELD, "variables: a name is letters, digits and _, at most %d bytes", NAME_MAX_BYTES);
		if (!read_value(c, value, one))
			return false;
	}
	ask->variables = v;
	return true;
}

/* --- webhooks --- */

static bool is_url(struct str s)
{
	struct str rest = str_istarts(s, S("http://")) ? str_tail(s, 7) : str_istarts(s, S("https://")) ? str_tail(s, 8) : S("");

	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= ' ' || s.p[i] == 0x7f)
			return false;
	return rest.n > 0 && rest.p[0] != '/' && s.n <= URL_MAX;
}

static bool read_hook(struct call *c, const json_node *n, struct job_hook *ret)
{
	static const char *const keys[] = {"url", "secret", NULL};

	*ret = (struct job_hook){0};
	if (json_kind(n) != JSON_KIND_OBJECT)
		return fail(c, ERR_INVALID_FIELD, "webhooks: each must be {\"url\", \"secret\"?}");
	if (!json_only(c, n, keys) || !json_want_text(c, n, "url", &ret->url) || !json_want_text(c, n, "secret", &ret->secret))
		return false;
	if (!ret->url.p || !is_url(ret->url))
		return fail(c, ERR_INVALID_FIELD, "webhooks: url must be an http:// or https:// one, at most %d bytes", URL_MAX);
	return ret->secret.n <= SECRET_MAX || fail(c, ERR_INVALID_FIELD, "webhooks: secret has at most %d bytes", SECRET_MAX);
}

static bool read_hooks(struct call *c, const json_node *body, struct job_ask *ask)
{
	const json_node *n = json_get(body, "webhooks");
	struct job_hook *v;

	if (!n || json_kind(n) == JSON_KIND_NULL)
		return true;
	if (json_kind(n) != JSON_KIND_ARRAY || json_count(n) > JOB_WEBHOOKS_MAX)
		return fail(c, ERR_INVALID_FIELD, "webhooks must be an array of at most %d {\"url\", \"secret\"?}", JOB_WEBHOOKS_MAX);
	v = ARENA_ARRAY(c->arena, struct job_hook, json_count(n) + 1);
	for (size_t i = 0; i < json_count(n); i++)
		if (!read_hook(c, json_at(n, i), &v[i]))
			return false;
	ask->hooks = v;
	ask->nhooks = (int)json_count(n);
	return true;
}

/* --- the rest --- */

static bool want_short_text(struct call *c, const json_node *body, const char *key, struct str *ret)
{
	if (!json_want_text(c, body, key, ret))
		return false;
	return (ret->n <= ID_MAX && str_find(*ret, '\0') == ret->n) ||
	       fail(c, ERR_INVALID_FIELD, "%s has at most %d bytes, none of them zero", key, ID_MAX);
}

/* Parts may be numbered: 7 is "7". */
static bool want_part(struct call *c, const json_node *body, struct str *ret)
{
	const json_node *n = json_get(body, "part");

	if (!n || json_kind(n) != JSON_KIND_INT)
		return want_short_text(c, body, "part", ret);
	if (json_int(n) < 0)
		return fail(c, ERR_INVALID_FIELD, "part must be a text or a number of at least 0");
	*ret = arena_fmt(c->arena, "%lld", (long long)json_int(n));
	return true;
}

/* The trace of the request, unless the body names another. */
static bool read_trace(struct call *c, const struct http_req *in, const json_node *body, struct job_ask *ask)
{
	static const char *const keys[] = {"traceparent", "tracestate", NULL};
	const json_node *n = json_get(body, "telemetry_context");

	ask->traceparent = c->traceparent;
	ask->tracestate = c->traceparent.n ? str_head(http_header(in, "tracestate"), TRACESTATE_MAX) : S("");
	if (!n || json_kind(n) == JSON_KIND_NULL)
		return true;
	if (json_kind(n) != JSON_KIND_OBJECT)
		return fail(c, ERR_INVALID_FIELD, "telemetry_context must be {\"traceparent\", \"tracestate\"}");
	if (!json_only(c, n, keys) || !json_want_text(c, n, "traceparent", &ask->traceparent) ||
	    !json_want_text(c, n, "tracestate", &ask->tracestate))
		return false;
	if (ask->traceparent.n && !traceparent_valid(ask->traceparent))
		return fail(c, ERR_INVALID_FIELD, "telemetry_context.traceparent must be a W3C one: 00-…-…-01");
	return (ask->tracestate.n <= TRACESTATE_MAX && str_find(ask->tracestate, '\0') == ask->tracestate.n) ||
	       fail(c, ERR_INVALID_FIELD, "telemetry_context.tracestate has at most %d bytes", TRACESTATE_MAX);
}

static bool read_isolation(struct call *c, const json_node *body, struct job_ask *ask)
{
	struct str text = S("shared");

	if (!json_want_text(c, body, "isolation", &text))
		return false;
	ask->private_instance = str_eq(text, S("private"));
	return ask->private_instance || str_eq(text, S("shared")) || fail(c, ERR_INVALID_FIELD, "isolation must be shared or private");
}

/* How it is run: what POST /v1/jobs and …/run have in common. */
static bool read_run(struct call *c, const struct http_req *in, const json_node *body, struct job_ask *ask)
{
	if (!json_want_text(c, body, "head_path", &ask->head_path) || !read_variables(c, body, ask) ||
	    !json_want_int(c, body, "snapshot_ttl", 1, SNAPSHOT_TTL_MAX_S, &ask->snapshot_ttl_s) ||
	    !json_want_int(c, body, "job_ttl", 1, JOB_TTL_MAX_S, &ask->job_ttl_s) ||
	    !json_want_int(c, body, "timeout_ms", 1, TIMEOUT_MAX_MS, &ask->timeout_ms) || !read_trace(c, in, body, ask) ||
	    !read_hooks(c, body, ask) || !read_isolation(c, body, ask) || !json_want_bool(c, body, "verify", &ask->verify))
		return false;
	return !ask->head_path.p || ask->head_path.n || fail(c, ERR_INVALID_FIELD, "head_path is empty");
}

/* --- a body's fingerprint: the same for the same members and values, whatever their order and spacing --- */

struct member {
	struct str key;
	const json_node *value;
};

static int by_key(const void *a, const void *b)
{
	return str_cmp(((const struct member *)a)->key, ((const struct member *)b)->key);
}

static void put_canonical(struct arena *a, struct json_out *o, const json_node *n);

static void put_object(struct arena *a, struct json_out *o, const json_node *n)
{
	struct member *v = ARENA_ARRAY(a, struct member, json_count(n) + 1), *end = v;

	for (void *it = NULL; json_each(n, &it, &end->key, &end->value);)
		end++;
	qsort(v, (size_t)(end - v), sizeof(*v), by_key);
	json_begin_object(o);
	for (struct member *m = v; m < end; m++) {
		json_key(o, m->key);
		put_canonical(a, o, m->value);
	}
	json_end_object(o);
}

static void put_canonical(struct arena *a, struct json_out *o, const json_node *n)
{
	if (json_kind(n) == JSON_KIND_OBJECT) {
		put_object(a, o, n);
		return;
	}
	if (json_kind(n) != JSON_KIND_ARRAY) {
		json_put_node(o, n);
		return;
	}
	json_begin_array(o);
	for (size_t i = 0; i < json_count(n); i++)
		put_canonical(a, o, json_at(n, i));
	json_end_array(o);
}

static struct str fingerprint(struct call *c, const json_node *body)
{
	OWNS(buf) text = {0};
	struct json_out o = json_out(&text);
	unsigned char *digest = arena_alloc(c->arena, SHA256_LEN);

	put_canonical(c->arena, &o, body);
	hash_sha256(buf_str(&text), digest);
	return str_from((const char *)digest, SHA256_LEN);
}

/* --- the three bodies --- */

bool api_read_job(struct call *c, struct api *a, const struct http_req *in, struct job_ask *ret)
{
	static const char *const keys[] = {"request_id", "user_id", "project_tree", "chain", "head_path", "variables", "snapshot_ttl",
					   "job_ttl", "timeout_ms", "telemetry_context", "webhooks", "isolation", "verify", NULL};
	struct job_ask ask = {0};
	const json_node *body;

	if (!api_read_body(c, in, &body) || !json_only(c, body, keys) || !want_short_text(c, body, "request_id", &ask.request_id) ||
	    !want_short_text(c, body, "user_id", &ask.user_id) || !read_tree(c, body, &ask) || !read_chain(c, a, body, &ask) ||
	    !read_run(c, in, body, &ask))
		return false;
	if (ask.request_id.n)
		ask.fingerprint = fingerprint(c, body);
	*ret = ask;
	return true;
}

bool api_read_append(struct call *c, struct api *a, const struct http_req *in, struct job_ask *ret)
{
	static const char *const keys[] = {"project_tree", "chain", "part", NULL};
	struct job_ask ask = {0};
	const json_node *body;

	if (!api_read_body(c, in, &body) || !json_only(c, body, keys) || !want_part(c, body, &ask.part) ||
	    !read_tree(c, body, &ask) || !read_chain(c, a, body, &ask))
		return false;
	ask.fingerprint = fingerprint(c, body);
	*ret = ask;
	return true;
}

bool api_read_run(struct call *c, struct api *a, const struct http_req *in, struct job_ask *ret)
{
	static const char *const keys[] = {"project_tree", "chain", "head_path", "variables", "snapshot_ttl", "job_ttl", "timeout_ms",
					   "telemetry_context", "webhooks", "isolation", "verify", NULL};
	struct job_ask ask = {0};
	const json_node *body;

	if (!api_read_body(c, in, &body) || !json_only(c, body, keys) || !read_tree(c, body, &ask) || !read_chain(c, a, body, &ask) ||
	    !read_run(c, in, body, &ask))
		return false;
	if (!ask.head_path.p)
		return fail(c, ERR_INVALID_FIELD, "head_path is missing");
	*ret = ask;
	return true;
}
