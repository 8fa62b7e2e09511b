/* chain.c - a project as it is asked for: options, the body, contents that the server lacks. */
#include "cli/chain.h"

#include <errno.h>
#include <sys/stat.h>

enum {
	TIMEOUT_MAX_S = 3600,
	ROUNDS_MAX = 8,             /* of uploads that the server asks for */
	INLINE_ALL_MAX = 24 << 20,  /* of contents in one body, which may hold 64 MiB */
};

static const struct str etag_prefix = S_INIT("sha256:");

/* --- what is asked --- */

static bool check_folder(struct call *c, struct str folder)
{
	struct stat st;

	if (stat(arena_cstr(c->arena, folder), &st) != 0)
		return fail(c, ERR_INVALID_FIELD, "cannot read %.*s: %s", SARG(folder), strerror(errno));
	return S_ISDIR(st.st_mode) || fail(c, ERR_INVALID_FIELD, "%.*s is no folder", SARG(folder));
}

static bool check(struct call *c, struct chain_ask *a)
{
	if (a->rest.n != 1)
		return fail(c, ERR_INVALID_FIELD, "which folder?");
	if (!a->head.n)
		return fail(c, ERR_INVALID_FIELD, "which file is the head? --head FILE, a path in the folder");
	for (int i = 0; i < a->variables.n; i++)
		if (str_find(a->variables.v[i], '=') == a->variables.v[i].n || a->variables.v[i].p[0] == '=')
			return fail(c, ERR_INVALID_FIELD, "--var wants NAME=VALUE");
	if (a->isolation.n && !str_eq(a->isolation, S("private")))
		return fail(c, ERR_INVALID_FIELD, "--isolation is private");
	return check_folder(c, a->rest.v[0]) && cli_number(c, "timeout", a->timeout, TIMEOUT_MAX_S, &a->timeout_s);
}

int chain_read(struct call *c, const struct cli_verb *v, int argc, char **argv, struct chain_ask *a)
{
	const struct cli_option options[] = {
		REMOTE_OPTIONS(a->remote),              {"server", 0, &a->remote.url, NULL, NULL},
		{"head", 0, &a->head, NULL, NULL},      {"var", 0, NULL, NULL, &a->variables},
		{"chain", 0, &a->chain, NULL, NULL},    {"timeout", 0, &a->timeout, NULL, NULL},
		{"format", 0, &a->format, NULL, NULL},  {"isolation", 0, &a->isolation, NULL, NULL},
		{"verify", 0, NULL, &a->verify, NULL},  {"watch", 0, NULL, &a->watch, NULL},
		CLI_OPTIONS_END};

	if (!cli_options(c, options, argc, argv, &a->rest) || !check(c, a))
		return cli_usage(v, "%s", c->err.text);
	while (str_starts(a->head, S("./")))
		a->head = str_tail(a->head, 2);
	return -1;
}

/* --- the body --- */

struct sending {
	const struct chain_ask *ask;
	const struct project *project;
	size_t ninline;       /* files before this one may be inline */
	bool *known;          /* by file: the server has its content */
};

static bool is_inline(const struct sending *s, size_t i)
{
	return s->project->files[i].content.p && i < s->ninline;
}

static void put_tree(struct json_out *o, const struct sending *s)
{
	json_begin_object(o);
	for (size_t i = 0; i < s->project->n; i++) {
		const struct project_file *f = &s->project->files[i];

		json_key(o, f->path);
		json_begin_object(o);
		if (is_inline(s, i))
			JSON_FIELD_TEXT(o, "content", f->content);
		else
			JSON_FIELD_TEXT(o, "etag", f->etag);
		json_end_object(o);
	}
	json_end_object(o);
}

static bool is_in(struct str path, struct str folder)
{
	return str_starts(path, folder) && path.n > folder.n && path.p[folder.n] == '/';
}

/* A file, or every *.sql of a folder. What is neither goes as it is: the server says what it thinks of it. */
static void put_chain_part(struct json_out *o, const struct project *p, struct str part)
{
	bool found = false;

	while (str_ends(part, S("/")))
		part.n--;
	for (size_t i = 0; i < p->n && !project_file(p, part); i++) {
		struct str path = p->files[i].path;

		if (!is_in(path, part) || !str_ends(path, S(".sql")))
			continue;
		json_put_text(o, path);
		found = true;
	}
	if (!found)
		json_put_text(o, part);
}

static void put_chain(struct json_out *o, const struct project *p, struct str paths)
{
	json_begin_array(o);
	while (paths.p) {
		struct str part = str_trim(str_cut(&paths, ','));

		if (part.n)
			put_chain_part(o, p, part);
	}
	json_end_array(o);
}

static void put_variables(struct json_out *o, const struct cli_list *v)
{
	json_begin_object(o);
	for (int i = 0; i < v->n; i++) {
		struct str value = v->v[i], name = str_cut(&value, '=');

		json_key(o, name);
		json_put_text(o, value);
	}
	json_end_object(o);
}

static void put_body(struct buf *b, const struct sending *s)
{
	const struct chain_ask *a = s->ask;
	struct json_out o = json_out(b);

	json_begin_object(&o);
	JSON_FIELD_TEXT(&o, "head_path", a->head);
	if (a->request_id.n)
		JSON_FIELD_TEXT(&o, "request_id", a->request_id);
	if (a->chain.n) {
		json_key(&o, S("chain"));
		put_chain(&o, s->project, a->chain);
	}
	json_key(&o, S("variables"));
	put_variables(&o, &a->variables);
	if (a->timeout_s)
		JSON_FIELD_INT(&o, "timeout_ms", a->timeout_s * 1000);
	if (a->isolation.n)
		JSON_FIELD_TEXT(&o, "isolation", a->isolation);
	if (a->verify)
		JSON_FIELD_BOOL(&o, "verify", true);
	json_key(&o, S("project_tree"));
	put_tree(&o, s);
	json_end_object(&o);
}

/* --- contents that go by their etag --- */

static bool upload(struct call *c, const struct sending *s, const struct project_file *f)
{
	struct remote_ask q = {.method = "PUT", .path = arena_fmt(c->arena, "/v1/blobs/%.*s", SARG(f->etag)),
			       .type = "application/octet-stream"};
	struct out_answer answer;

	return project_content(c, s->project, f, &q.body) && remote_ask(c, &s->ask->remote, &q, &answer);
}

/* In an arena of its own: many contents may be long. */
static bool upload_alone(struct call *c, const struct sending *s, size_t i)
{
	OWNS(arena) arena = {0};
	struct call one = *c;

	one.arena = &arena;
	if (!upload(&one, s, &s->project->files[i]))
		return fail_as(c, &one.err);
	s->known[i] = true;
	return true;
}

static bool offer(struct call *c, const struct sending *s, size_t i)
{
	struct remote_ask q = {.method = "HEAD", .timeout_ms = REMOTE_ANSWER_MS};
	struct out_answer answer;

	q.path = arena_fmt(c->arena, "/v1/blobs/%.*s", SARG(s->project->files[i].etag));
	if (!remote_send(c, &s->ask->remote, &q, &answer))
		return false;
	s->known[i] = answer.status < 300;
	return s->known[i] || answer.status != 404 || upload_alone(c, s, i); /* what else is wrong, the post is told */
}

static bool offer_all(struct call *c, const struct sending *s)
{
	for (size_t i = 0; i < s->project->n; i++)
		if (!is_inline(s, i) && !offer(c, s, i))
			return false;
	return true;
}

static bool upload_named(struct call *c, const struct sending *s, struct str etag, bool *ret_some)
{
	for (size_t i = 0; i < s->project->n; i++) {
		if (!str_eq(s->project->files[i].etag, etag))
			continue;
		*ret_some = true;
		return upload_alone(c, s, i);
	}
	return true;
}

/* Every list of etags in the answer, whatever its name. */
static bool upload_missing(struct call *c, const struct sending *s, const json_node *problem, bool *ret_some)
{
	const json_node *value;
	struct str key;

	*ret_some = false;
	for (void *it = NULL; json_each(problem, &it, &key, &value);)
		for (size_t i = 0; cli_is_array(value) && i < json_count(value); i++) {
			const json_node *one = json_at(value, i);

			if (json_kind(one) == JSON_KIND_TEXT && str_starts(json_text(one), etag_prefix) &&
			    !upload_named(c, s, json_text(one), ret_some))
				return false;
		}
	return true;
}

static size_t count_inline(const struct project *p)
{
	size_t i = 0;

	for (size_t bytes = 0; i < p->n; i++) {
		bytes += p->files[i].content.n;
		if (bytes > INLINE_ALL_MAX)
			break;
	}
	return i;
}

static bool lacks_contents(struct call *c, const struct out_answer *answer, const json_node **ret)
{
	if (answer->status != 422)
		return false;
	if (json_read_object(c, answer->body, ret))
		return str_eq(remote_text(*ret, "code"), S("missing_blobs"));
	call_forgive(c);
	return false;
}

bool chain_send(struct call *c, const struct chain_ask *a, const struct project *p, struct remote_ask *q, struct out_answer *ret)
{
	struct sending s = {.ask = a, .project = p, .ninline = count_inline(p)};
	const json_node *problem;
	OWNS(buf) body = {0};

	s.known = ARENA_ARRAY(c->arena, bool, p->n + 1);
	if (!offer_all(c, &s))
		return false;
	put_body(&body, &s);
	q->body = arena_dup(c->arena, buf_str(&body));
	for (int round = 0; remote_send(c, &a->remote, q, ret); round++) {
		bool some;

		if (round == ROUNDS_MAX || !lacks_contents(c, ret, &problem))
			return true;
		if (!upload_missing(c, &s, problem, &some))
			return false;
		if (!some)
			return true;
	}
	return false;
}

/* --- how it ends when nothing runs --- */

/* Refused for what the project holds, or before anybody looked at it? */
static int refused_code(int status)
{
	return status == 400 || status == 404 || status == 409 || status == 413 || status == 422 ? JOB_TAIL_FAILED : JOB_NO_ENGINE;
}

int chain_refused(struct call *c, const struct project *p, const struct out_answer *answer)
{
	const json_node *problem;

	if (!json_read_object(c, answer->body, &problem)) {
		fprintf(stderr, "mayfly: the server answered %d\n", answer->status);
		return JOB_NO_ENGINE;
	}
	job_show_error(c, p, problem);
	return refused_code(answer->status);
}

int chain_failed(const struct call *c)
{
	int code = cli_end(c);

	return code == CLI_INTERRUPTED ? code : c->err.kind == ERR_INVALID_FIELD ? CLI_USAGE : JOB_NO_ENGINE;
}
