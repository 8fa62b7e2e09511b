/* events.c - `mayfly events`: what is in the log, what comes, and whether it was tampered with. */
#include "cli/cli_int.h"

#include "lifecycle/lifecycle.h"

#include <errno.h>
#include <sys/stat.h>
#include <time.h>

enum {
	PAGE = 1000,
	STALL_MS = 60000,       /* the server sends something every 15 s */
	WAIT_LEAST_MS = 500,    /* before connecting again, and twice as long each time */
	WAIT_MOST_MS = 15000,
};

struct events_ask {
	struct remote remote;
	struct str topic, session, event, after, limit, data;
	bool follow;
	int64_t left;           /* items still wanted */
	struct cli_list rest;
};

static void add_param(struct call *c, struct buf *path, const char *name, struct str value)
{
	if (!value.n)
		return;
	buf_addc(path, str_find(buf_str(path), '?') == path->n ? '?' : '&');
	buf_fmt(path, "%s=%.*s", name, SARG(remote_escape(c->arena, value)));
}

static struct str events_path(struct call *c, const struct events_ask *a, struct str after, int64_t limit)
{
	OWNS(buf) path = {0};

	buf_lit(&path, "/v1/events");
	add_param(c, &path, "topic", a->topic);
	add_param(c, &path, "session_id", a->session);
	add_param(c, &path, "event", a->event);
	add_param(c, &path, "after", after);
	if (limit)
		add_param(c, &path, "limit", arena_fmt(c->arena, "%lld", (long long)limit));
	return arena_dup(c->arena, buf_str(&path));
}

/* --- what there is --- */

static void print_item(struct buf *line, const json_node *item)
{
	struct json_out o = json_out(line);

	buf_clear(line);
	json_put_node(&o, item);
	buf_addc(line, '\n');
	fwrite(line->p, 1, line->n, stdout);
}

static void note_lost(const json_node *o)
{
	const json_node *lost = json_get(o, "lost");

	if (lost && json_kind(lost) == JSON_KIND_INT && json_int(lost) > 0)
		fprintf(stderr, "mayfly: gap: %lld events are not kept any more\n", (long long)json_int(lost));
}

/* The next page behind *cursor, which moves. *ret_more: there is another. */
static bool print_page(struct call *c, struct events_ask *a, struct buf *cursor, bool *ret_more)
{
	struct remote_ask q = {.method = "GET", .timeout_ms = REMOTE_ANSWER_MS, .max_body_bytes = SIZE_MAX / 2};
	int64_t limit = a->left < PAGE ? a->left : PAGE;
	const json_node *o, *items;
	OWNS(buf) line = {0};
	struct str next, reached;

	q.path = events_path(c, a, buf_str(cursor), limit);
	if (!remote_json(c, &a->remote, &q, &o))
		return false;
	items = json_get(o, "items");
	if (!items || json_kind(items) != JSON_KIND_ARRAY)
		return fail(c, ERR_INTERNAL, "the server answered without items");
	for (size_t i = 0; i < json_count(items); i++)
		print_item(&line, json_at(items, i));
	a->left -= (int64_t)json_count(items);
	note_lost(o);
	next = remote_text(o, "next");
	reached = next.n ? next : remote_text(o, "cursor");
	*ret_more = a->left > 0 && next.n && !str_eq(next, buf_str(cursor));
	if (reached.n) {
		buf_clear(cursor);
		buf_add(cursor, reached);
	}
	return true;
}

static int print_all(struct call *c, struct events_ask *a)
{
	OWNS(arena) scratch = {0}; /* of one page */
	OWNS(buf) cursor = {0};
	struct call page = *c;
	bool more = true;

	page.arena = &scratch;
	buf_add(&cursor, a->after);
	while (more) {
		arena_reset(&scratch);
		if (!print_page(&page, a, &cursor, &more))
			return cli_end(&page);
	}
	fflush(stdout);
	if (cursor.n)
		fprintf(stderr, "(goes on --after %.*s)\n", SARG(buf_str(&cursor)));
	return CLI_OK;
}

/* --- what comes --- */

struct following {
	struct events_ask *a;
	struct sse sse;
	bool connected;      /* ever */
	bool lost;           /* said that the connection is */
	int64_t wait_ms;
};

static bool on_event(void *arg, const struct sse *s)
{
	struct following *f = arg;
	struct str event = buf_str(&s->event), data = buf_str(&s->data);

	if (str_eq(event, S("gap"))) {
		fprintf(stderr, "mayfly: gap: %.*s\n", SARG(data));
		return true;
	}
	printf("%.*s\n", SARG(data));
	fflush(stdout);
	return --f->a->left > 0;
}

static bool on_piece(void *arg, struct str piece)
{
	struct following *f = arg;

	f->connected = true;
	f->lost = false;
	f->wait_ms = WAIT_LEAST_MS;
	return sse_feed(&f->sse, piece);
}

static bool is_interrupted(const struct call *c)
{
	return atomic_load(c->cancel);
}

/* One connection, to its end. False: an error is left. */
static bool listen_once(struct call *c, struct following *f)
{
	struct str id = buf_str(&f->sse.id);
	const struct out_header last = {S("Last-Event-ID"), id};
	struct remote_ask q = {
		.method = "GET",
		.path = events_path(c, f->a, id.n ? S("") : f->a->after, 0),
		.accept = "text/event-stream",
		.more = &last,
		.nmore = id.n ? 1 : 0,
		.stall_ms = STALL_MS,
		.sink = on_piece,
		.arg = f,
	};
	struct out_answer a;

	sse_again(&f->sse);
	if (remote_ask(c, &f->a->remote, &q, &a)) {
		f->connected = true;
		return true;
	}
	if (c->err.kind != ERR_CANCELED || is_interrupted(c) || f->a->left <= 0)
		return false;
	call_forgive(c);
	return fail(c, ERR_BODY_TOO_LARGE, "the server sent an event that is too long");
}

/* May the next try help? A server that starts, drains or is out of reach may come back. */
static bool may_come_back(const struct call *c, const struct following *f)
{
	enum err_kind kind = c->err.kind;

	return f->connected && (kind == ERR_NONE || kind == ERR_UNAVAILABLE || kind == ERR_REQUEST_TIMEOUT || kind == ERR_INTERNAL);
}

static void wait_a_while(struct following *f)
{
	struct timespec t = {f->wait_ms / 1000, f->wait_ms % 1000 * 1000000};

	if (!f->lost)
		fprintf(stderr, "mayfly: the connection was lost; connecting again%s\n",
			f->sse.id.n ? "" : " (no event has come yet: some may be missed)");
	f->lost = true;
	nanosleep(&t, NULL); /* an interrupt ends it */
	f->wait_ms = f->wait_ms * 2 > WAIT_MOST_MS ? WAIT_MOST_MS : f->wait_ms * 2;
}

static int follow(struct call *c, struct events_ask *a)
{
	struct following f = {.a = a, .wait_ms = WAIT_LEAST_MS};
	OWNS(arena) scratch = {0}; /* of one connection */
	struct call one = *c;
	int code = -1;

	f.sse.fn = on_event;
	f.sse.arg = &f;
	one.arena = &scratch;
	while (code < 0) {
		arena_reset(&scratch);
		call_forgive(&one);
		(void)!listen_once(&one, &f);
		if (is_interrupted(&one))
			code = CLI_INTERRUPTED;
		else if (a->left <= 0)
			code = CLI_OK;
		else if (!may_come_back(&one, &f))
			code = cli_end(&one);
		else
			wait_a_while(&f);
	}
	sse_drop(&f.sse);
	return code;
}

/* --- is it as it was written? --- */

enum { CANNOT_READ = 2 };

static int cannot_read(const struct call *c)
{
	cli_failed(c);
	return CANNOT_READ;
}

static int verify(struct call *c, struct events_ask *a)
{
	struct events_verdict verdict;
	struct server_identity self;
	struct store *store;
	struct str path;
	struct stat st;
	bool ok;

	if (!cli_data_dir(c, a->data, &a->data) || !server_identity(c, a->data, false, &self))
		return cannot_read(c);
	path = arena_fmt(c->arena, "%.*s/%s", SARG(a->data), CLI_STORE_FOLDER);
	if (stat(path.p, &st) != 0) {
		fail(c, ERR_STORAGE, "cannot read %s: %s", path.p, strerror(errno));
		return cannot_read(c);
	}
	store = store_folder_open(c, path);
	if (!store)
		return cannot_read(c);
	ok = events_verify(c, store, self.id, self.key, &verdict);
	store->ops->close(store);
	if (!ok)
		return cannot_read(c);
	for (int i = 0; i < verdict.nbad; i++)
		printf("%.*s\n", SARG(verdict.bad[i]));
	fprintf(stderr, "%lld streams with %lld events: %s\n", (long long)verdict.streams, (long long)verdict.items,
		verdict.nbad ? "NOT as they were written" : "as they were written");
	if (verdict.mirrored)
		fprintf(stderr, "%lld of the streams are mirrors of other servers': chained, their signed ends are there; %lld "
			"of their events never came\n", (long long)verdict.mirrored, (long long)verdict.missing);
	if (verdict.unsealed)
		fprintf(stderr, "%lld of them are behind the signed end of their stream, as a loss of power leaves them\n",
			(long long)verdict.unsealed);
	return verdict.nbad ? CLI_FAILED : CLI_OK;
}

/* --- the verb --- */

int cli_events(struct call *c, const struct cli_verb *v, int argc, char **argv)
{
	struct events_ask *a = ARENA_NEW(c->arena, struct events_ask);
	const struct cli_option options[] = {
		REMOTE_OPTIONS(a->remote),
		{"topic", 0, &a->topic, NULL, NULL}, {"session", 0, &a->session, NULL, NULL},
		{"event", 0, &a->event, NULL, NULL}, {"after", 0, &a->after, NULL, NULL},
		{"limit", 0, &a->limit, NULL, NULL}, {"data", 0, &a->data, NULL, NULL},
		{"follow", 'f', NULL, &a->follow, NULL}, CLI_OPTIONS_END};
	int code;

	*a = (struct events_ask){.left = INT64_MAX};
	if (!cli_options(c, options, argc, argv, &a->rest) || !cli_number(c, "limit", a->limit, INT64_MAX, &a->left))
		return cli_usage(v, "%s", c->err.text);
	if (a->rest.n == 1 && str_eq(a->rest.v[0], S("verify")))
		return verify(c, a);
	if (a->rest.n)
		return cli_usage(v, "only `verify` may follow");
	remote_open(&a->remote);
	cli_catch_interrupt(c);
	code = a->follow ? follow(c, a) : print_all(c, a);
	remote_drop(&a->remote);
	return code;
}
