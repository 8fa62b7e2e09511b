/* job_follow.c - a job till its end: its log as server-sent events, one line on a terminal that says where it is. */
#include "cli/chain.h"

#include <time.h>

enum { STALL_MS = 60000, JOB_MAX = 512 << 20 /* of a document with its rows */, AGAIN_MS = 200, AGAIN_MAX = 150, SHOWN_MAX = 60 };

struct str job_path(struct call *c, struct str id, const char *behind)
{
	return arena_fmt(c->arena, "/v1/jobs/%.*s%s", SARG(remote_escape(c->arena, id)), behind);
}

bool job_get(struct call *c, const struct remote *r, struct str id, const json_node **ret)
{
	struct remote_ask q = {.method = "GET", .path = job_path(c, id, ""), .timeout_ms = REMOTE_ANSWER_MS, .max_body_bytes = JOB_MAX};

	return remote_json(c, r, &q, ret);
}

bool job_has_ended(const json_node *job)
{
	static const struct str ends[] = {S_INIT("completed"), S_INIT("failed"), S_INIT("canceled")};

	for (size_t i = 0; i < COUNT_OF(ends); i++)
		if (str_eq(remote_text(job, "status"), ends[i]))
			return true;
	return false;
}

/* --- lines of the log --- */

static int64_t int_of(const json_node *o, const char *key)
{
	const json_node *n = json_get(o, key);

	return n && json_kind(n) == JSON_KIND_INT ? json_int(n) : 0;
}

void job_print_log(const json_node *item)
{
	OWNS(buf) b = {0};

	table_add_visible(&b, remote_text(item, "message"));
	printf("%.*s  %-15.*s %-6.*s %.*s\n", SARG(remote_text(item, "time")), SARG(remote_text(item, "stage")),
	       SARG(remote_text(item, "level")), SARG(buf_str(&b)));
	fflush(stdout);
}

/* At most n bytes, whole characters. */
static struct str cut(struct str s, size_t n)
{
	while (n > 0 && n < s.n && ((unsigned char)s.p[n] & 0xC0) == 0x80)
		n--;
	return str_head(s, n);
}

static void show_stage(const struct job_following *f, const json_node *item)
{
	OWNS(buf) b = {0};

	table_add_visible(&b, cut(remote_text(item, "message"), SHOWN_MAX));
	fprintf(stderr, "\r\033[K%.1f s  %.*s  %.*s", (double)(clock_mono_ms() - f->started_ms) / 1000, SARG(remote_text(item, "stage")),
		SARG(buf_str(&b)));
	fflush(stderr);
}

struct listening {
	struct job_following *f;
	struct sse sse;
	bool ended;           /* the server said so */
};

static void take_item(struct listening *l, const json_node *item)
{
	struct job_following *f = l->f;

	if (int_of(item, "seq") > f->after)
		f->after = int_of(item, "seq");
	if (f->print)
		job_print_log(item);
	else if (f->watched)
		show_stage(f, item);
}

static bool on_event(void *arg, const struct sse *s)
{
	struct listening *l = arg;
	OWNS(arena) arena = {0};
	const json_node *item;
	struct call c;

	call_open(&c, &arena);
	if (str_eq(buf_str(&s->event), S("done"))) {
		l->ended = true;
		return false;
	}
	if (json_read_object(&c, buf_str(&s->data), &item) && json_get(item, "seq"))
		take_item(l, item);
	return true;
}

static bool on_piece(void *arg, struct str piece)
{
	struct listening *l = arg;

	return sse_feed(&l->sse, piece);
}

/* One connection to the log, to its end. A broken one is no error: the job is asked next. */
static bool listen_once(struct call *c, struct job_following *f)
{
	struct listening l = {.f = f};
	struct remote_ask q = {.method = "GET", .accept = "text/event-stream", .stall_ms = STALL_MS, .sink = on_piece, .arg = &l};
	struct out_answer a;
	bool heard;

	l.sse.fn = on_event;
	l.sse.arg = &l;
	q.path = arena_fmt(c->arena, "%.*s?after=%lld", SARG(job_path(c, f->id, "/logs")), (long long)f->after);
	heard = remote_ask(c, f->remote, &q, &a) || l.ended;
	sse_drop(&l.sse);
	if (heard || (c->cancel && atomic_load(c->cancel)))
		return heard;
	return c->err.kind == ERR_UNAVAILABLE || c->err.kind == ERR_REQUEST_TIMEOUT || c->err.kind == ERR_CANCELED;
}

static bool follow_once(struct call *c, struct job_following *f, bool *ret_ended)
{
	OWNS(arena) scratch = {0};
	struct call one = *c;
	const json_node *job;

	one.arena = &scratch;
	if (!listen_once(&one, f))
		return fail_as(c, &one.err);
	call_forgive(&one);
	if (!job_get(&one, f->remote, f->id, &job))
		return fail_as(c, &one.err);
	*ret_ended = job_has_ended(job);
	return true;
}

bool job_follow(struct call *c, struct job_following *f, const json_node **ret)
{
	struct timespec pause = {0, AGAIN_MS * 1000000};
	bool ended = false, ok = true;
	int quiet = 0;

	while (ok && !ended && quiet < AGAIN_MAX) {
		int64_t before = f->after;

		ok = follow_once(c, f, &ended);
		quiet = f->after > before ? 0 : quiet + 1;
		if (ok && !ended)
			nanosleep(&pause, NULL); /* an interrupt ends it */
	}
	if (f->watched)
		fputs("\r\033[K", stderr);
	if (ok && !ended)
		return fail(c, ERR_UNAVAILABLE, "the log of job %.*s ends again and again before the job does", SARG(f->id));
	return ok && job_get(c, f->remote, f->id, ret);
}
