/* statement_follow.c - a statement of the server: till its end, what came of it, a request to end. */
#include "cli/cli_int.h"

enum {
	WATCH_SECONDS = 1,   /* a long poll while somebody watches */
	FOLLOW_SECONDS = 20, /* and while nobody does */
};

struct str cli_statement_path(struct call *c, struct str handle, const char *tail)
{
	return arena_fmt(c->arena, "/v1/statements/%.*s%s", SARG(remote_escape(c->arena, handle)), tail);
}

static void show_progress(const struct statement_following *f, const json_node *doc)
{
	static const char wheel[] = "|/-\\";
	int64_t ms = clock_mono_ms() - f->started_ms;
	const json_node *progress = json_get(doc, "progress");

	if (!f->watched)
		return;
	fprintf(stderr, "\r\033[K%c %lld s", wheel[ms / 1000 % 4], (long long)(ms / 1000));
	if (progress && (json_kind(progress) == JSON_KIND_REAL || json_kind(progress) == JSON_KIND_INT))
		fprintf(stderr, "  %.0f %%", json_number(progress) * 100);
	fflush(stderr);
}

static void hide_progress(const struct statement_following *f)
{
	if (f->watched)
		fputs("\r\033[K", stderr);
}

static bool has_ended(const json_node *doc)
{
	const json_node *status = json_get(doc, "status");
	struct str name = status && json_kind(status) == JSON_KIND_TEXT ? json_text(status) : S("");

	return !str_eq(name, S("SUBMITTED")) && !str_eq(name, S("RUNNING"));
}

/* One long poll into the arena of `poll`. */
static bool ask_status(struct call *poll, const struct statement_following *f, struct str *ret_body, const json_node **ret)
{
	struct remote_ask q = {.method = "GET", .timeout_ms = REMOTE_ANSWER_MS};
	struct str path = cli_statement_path(poll, f->handle, "");
	struct out_answer a;

	q.path = arena_fmt(poll->arena, "%.*s?wait=%d", SARG(path), f->watched ? WATCH_SECONDS : FOLLOW_SECONDS);
	if (!remote_ask(poll, f->remote, &q, &a) || !json_read_object(poll, a.body, ret))
		return false;
	*ret_body = a.body;
	return true;
}

static bool poll_till_end(struct call *c, const struct statement_following *f, const json_node **ret)
{
	OWNS(arena) scratch = {0}; /* of one poll: there may be many */
	struct call poll = *c;
	const json_node *doc;
	struct str body;

	poll.arena = &scratch;
	for (;;) {
		arena_reset(&scratch);
		if (!ask_status(&poll, f, &body, &doc)) {
			c->err = poll.err;
			return false;
		}
		if (has_ended(doc))
			return json_read_object(c, arena_dup(c->arena, body), ret);
		show_progress(f, doc);
	}
}

bool cli_statement_follow(struct call *c, const struct statement_following *f, const json_node **ret)
{
	bool ended = poll_till_end(c, f, ret);

	hide_progress(f);
	return ended;
}

bool cli_statement_outcome(struct call *c, const json_node *doc)
{
	const json_node *e = json_get(doc, "error"), *position;
	struct str status = remote_text(doc, "status"), state = remote_text(e, "sqlstate");

	if (str_eq(status, S("SUCCEEDED")))
		return true;
	if (!e || json_kind(e) != JSON_KIND_OBJECT)
		return fail(c, ERR_SQL, "the statement ended as %.*s", SARG(status));
	position = json_get(e, "position");
	fail_at(c, ERR_SQL, position && json_kind(position) == JSON_KIND_INT ? (int)json_int(position) : 0, "%.*s: %.*s",
		SARG(remote_text(e, "code")), SARG(remote_text(e, "message")));
	return fail_state(c, arena_cstr(c->arena, state), NULL);
}

bool cli_statement_cancel(struct call *c, const struct remote *r, struct str handle)
{
	struct remote_ask q = {.method = "POST", .body = S(""), .timeout_ms = REMOTE_ANSWER_MS};
	struct out_answer a;

	q.path = arena_fmt(c->arena, "/api/v2/statements/%.*s/cancel", SARG(remote_escape(c->arena, handle)));
	return remote_ask(c, r, &q, &a);
}
