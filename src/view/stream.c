/* stream.c - all rows of a session, a stretch after the other, as NDJSON.
 *
 * A stretch is a page (pages.c) of about STRETCH_BYTES of text: an operation
 * with a deadline of its own, that reads the document anew, so that a stream
 * ends where its session does. While one stretch is written the next is read;
 * there are no more. Its rows are guessed from the sizes of the files first,
 * then from the stretch before. A stream ends with all rows or is broken.
 *
 * Threads: pulled and closed by one at a time; stretches end on any. The lock
 * guards what both touch, and is not held while an operation is begun or told.
 */
#include "view/view_int.h"

#include "obs/obs.h"
#include "rows/rows.h"

#include <stdlib.h>

enum {
	STRETCH_BYTES = 4 * 1024 * 1024,
	SORTED_BYTES = 16 * 1024 * 1024,   /* where each stretch sorts all rows */
	ROWS_MOST = 64 * ENGINE_GROUP_ROWS,
	TEXT_FOR_BYTE = 4,                 /* a first guess: of text for a byte in a file */
	GROWTH = 4,
	MOST = 2,                          /* times the target: a guess that was so wrong is made again */
};

struct view_stream {
	struct views *room;
	struct arena arena;
	struct call call;         /* who asked */
	struct str space, session;
	int64_t total, target;    /* rows; bytes of a stretch */
	atomic_int refs;          /* the client's, and one for a stretch that runs */

	pthread_mutex_t lock;
	int64_t next, step;       /* the row that the next stretch begins with, and how many it has */
	struct view_op *running;  /* NULL = none */
	struct view_op *ready;
	struct watcher *waiting;
	bool broken, closed;

	/* the puller's */
	struct view_op *current;
	struct view_result result;
	struct arena work;        /* of the current stretch */
	struct convert cv;
	int part;
	bool in_part;
};

static void unref(void *arg)
{
	struct view_stream *s = arg;

	if (atomic_fetch_sub(&s->refs, 1) != 1)
		return;
	view_op_unref(s->ready);
	view_op_unref(s->current);
	convert_drop(&s->cv);
	arena_close(&s->work);
	arena_close(&s->arena);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* --- how long a stretch is --- */

static int64_t whole_groups(int64_t rows)
{
	if (rows > ROWS_MOST)
		return ROWS_MOST;
	if (rows > ENGINE_GROUP_ROWS)
		return rows - rows % ENGINE_GROUP_ROWS;
	return rows > 0 ? rows : 1;
}

static int64_t first_step(const struct listing *all, int64_t target)
{
	int64_t each = all->rows ? all->bytes / all->rows * TEXT_FOR_BYTE + 1 : 1, rows = target / each;

	return whole_groups(rows < ENGINE_GROUP_ROWS ? rows : ENGINE_GROUP_ROWS);
}

static int64_t next_step(int64_t rows, int64_t bytes, int64_t target)
{
	double fits = bytes > 0 ? (double)rows * (double)target / (double)bytes : (double)ROWS_MOST;

	if (fits > (double)rows * GROWTH)
		fits = (double)rows * GROWTH;
	return whole_groups(fits > (double)ROWS_MOST ? ROWS_MOST : (int64_t)fits);
}

/* --- stretches --- */

static void begin_stretch(struct view_stream *s);

/* Under the lock: whom to wake. */
static struct watcher *broken(struct view_stream *s, const struct call *c)
{
	s->broken = true;
	if (!s->closed)
		obs_log_call(&s->call, OBS_INFO, "view", "a stream of rows was broken off: %s", c->err.text);
	return watch_take(&s->waiting, true);
}

static int64_t text_bytes(const struct view_result *r)
{
	int64_t n = 0;

	for (int i = 0; i < r->nparts; i++)
		n += (int64_t)engine_bytes_str(r->parts[i]).n;
	return n;
}

/* The stretch has ended; false: with fewer rows it may do. */
static bool settle(struct view_stream *s, struct view_op *op, struct watcher **ret_wake)
{
	OWNS(arena) a = {0};
	struct view_result r;
	struct call c;
	bool ok, again;

	call_open(&c, &a);
	ok = view_op_result(&c, op, &r);
	pthread_mutex_lock(&s->lock);
	s->running = NULL;
	again = !ok && c.err.kind == ERR_RESULT_TOO_LARGE && s->step > 1 && !s->closed;
	if (again) {
		s->step = whole_groups(s->step / 2);
	} else if (ok && !s->closed) {
		s->ready = op;
		s->next += r.rows;
		s->step = next_step(r.rows, text_bytes(&r), s->target);
		*ret_wake = watch_take(&s->waiting, true);
	} else {
		*ret_wake = broken(s, &c);
	}
	ok = s->ready == op;
	pthread_mutex_unlock(&s->lock);
	if (!ok)
		view_op_unref(op);
	return !again;
}

static void on_stretch(void *arg)
{
	struct view_stream *s = arg;
	struct watcher *wake = NULL;

	if (settle(s, s->running, &wake))
		watch_fire(wake);
	else
		begin_stretch(s);
}

/* Nothing runs: no other thread looks at next and step. */
static bool try_stretch(struct call *c, struct view_stream *s)
{
	struct page_ask ask = {s->space, s->session, s->next, s->step, MOST * s->target};
	struct view_op *op;
	bool closed;

	if (s->step == 1 && s->room->o.page_bytes > ask.max_bytes)
		ask.max_bytes = s->room->o.page_bytes;
	if (!page_begin(c, s->room, &ask, &op))
		return false;
	atomic_fetch_add(&s->refs, 1);
	pthread_mutex_lock(&s->lock);
	s->running = op;
	closed = s->closed;
	pthread_mutex_unlock(&s->lock);
	if (closed)
		view_op_cancel(op);
	view_op_watch(op, &(struct watch){.fn = on_stretch, .drop = unref, .arg = s});
	return true;
}

static void begin_stretch(struct view_stream *s)
{
	OWNS(arena) a = {0};
	struct call c = s->call;
	struct watcher *wake;

	c.arena = &a;
	if (try_stretch(&c, s))
		return;
	pthread_mutex_lock(&s->lock);
	wake = broken(s, &c);
	pthread_mutex_unlock(&s->lock);
	watch_fire(wake);
}

/* --- the current one --- */

static bool open_stretch(struct view_stream *s)
{
	struct engine_column *columns;
	struct call c = s->call;

	arena_reset(&s->work);
	c.arena = &s->work;
	if (!view_op_result(&c, s->current, &s->result) || !engine_columns(&c, s->result.columns, &columns, &s->cv.ncolumns))
		return false;
	s->cv.from = s->cv.to = ENGINE_NATIVE;
	s->cv.shape = CONVERT_OBJECTS;
	s->cv.columns = columns;
	s->cv.keys = convert_keys(&s->work, columns, s->cv.ncolumns);
	s->part = 0;
	s->in_part = false;
	return true;
}

static bool open_part(struct view_stream *s)
{
	struct str rows;

	if (!convert_envelope(engine_bytes_str(s->result.parts[s->part]), &rows))
		return false;
	s->cv.scan = json_scan(rows);
	s->in_part = true;
	return true;
}

/* About a page of it. */
static bool write_rows(struct view_stream *s, struct buf *into)
{
	bool done;

	if (s->part == s->result.nparts) {
		view_op_unref(s->current);
		s->current = NULL;
		return true;
	}
	if (!s->in_part && !open_part(s))
		return false;
	if (!convert_page(&s->cv, CONVERT_PAGE, into, &done))
		return false;
	if (done) {
		s->part++;
		s->in_part = false;
	}
	return true;
}

/* --- for clients --- */

/* The next stretch becomes the current one; PULL_ROWS: there is one. */
static enum view_pull take_stretch(struct view_stream *s, const struct watch *wake)
{
	enum view_pull state = VIEW_PULL_ROWS;
	bool more;

	pthread_mutex_lock(&s->lock);
	s->current = s->ready;
	s->ready = NULL;
	more = s->next < s->total;
	if (!s->current && s->broken)
		state = VIEW_PULL_BROKEN;
	else if (!s->current && s->running)
		state = VIEW_PULL_WAIT;
	else if (!s->current)
		state = VIEW_PULL_END;
	if (state == VIEW_PULL_WAIT && wake)
		watch_add(&s->waiting, wake);
	pthread_mutex_unlock(&s->lock);
	if (state != VIEW_PULL_ROWS)
		return state;
	if (more)
		begin_stretch(s);
	return open_stretch(s) ? VIEW_PULL_ROWS : VIEW_PULL_BROKEN;
}

enum view_pull view_stream_pull(struct view_stream *s, struct buf *into, const struct watch *wake)
{
	size_t from = into->n;

	while (into->n - from < CONVERT_PAGE) {
		enum view_pull state = VIEW_PULL_ROWS;

		if (!s->current)
			state = take_stretch(s, into->n > from ? NULL : wake);
		if (state == VIEW_PULL_BROKEN || (state == VIEW_PULL_ROWS && !(write_rows(s, into) && buf_ok(into))))
			return VIEW_PULL_BROKEN;
		if (state != VIEW_PULL_ROWS)
			return into->n > from ? VIEW_PULL_ROWS : state;
	}
	return VIEW_PULL_ROWS;
}

void view_stream_close(struct view_stream *s)
{
	struct watcher *waiting;
	struct view_op *op;

	pthread_mutex_lock(&s->lock);
	s->closed = true;
	atomic_fetch_sub(&s->room->streams, 1);
	waiting = watch_take(&s->waiting, true);
	op = s->running;
	if (op)
		atomic_fetch_add(&op->refs, 1);
	pthread_mutex_unlock(&s->lock);
	if (op)
		view_op_cancel(op);
	view_op_unref(op);
	watch_drop(waiting);
	unref(s);
}

static void copy_call(struct view_stream *s, const struct call *c)
{
	call_open(&s->call, &s->arena);
	s->call.tenant = arena_dup(&s->arena, c->tenant);
	s->call.principal = arena_dup(&s->arena, c->principal);
	s->call.role = c->role;
	s->call.request_id = arena_dup(&s->arena, c->request_id);
	s->call.traceparent = arena_dup(&s->arena, c->traceparent);
}

bool view_stream_open(struct call *c, struct views *v, struct str space, struct str session, struct view_stream **ret)
{
	struct session_doc doc;
	struct view_stream *s;
	struct listing all;

	if (!session_ready(c, v, space, session, &doc))
		return false;
	if (!listing_get(c, v, key_view(c, space, doc.sql_id), &doc.pin, &all))
		return c->err.kind == ERR_NOT_FOUND ? session_lost(c, v, space, session) : false;
	s = base_zalloc(sizeof(*s));
	s->room = v;
	arena_open(&s->arena);
	arena_open(&s->work);
	copy_call(s, c);
	s->space = arena_dup(&s->arena, space);
	s->session = arena_dup(&s->arena, session);
	pthread_mutex_init(&s->lock, NULL);
	atomic_init(&s->refs, 1);
	atomic_fetch_add(&v->streams, 1);
	s->total = all.rows;
	s->target = page_sorts(&doc) ? SORTED_BYTES : STRETCH_BYTES;
	s->step = first_step(&all, s->target);
	if (s->total == 0 || try_stretch(c, s)) {
		*ret = s;
		return true;
	}
	view_stream_close(s);
	return false;
}
