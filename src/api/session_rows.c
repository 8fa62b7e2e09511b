/* session_rows.c - POST /v1/sessions/{id}/tables/{name}/rows: rows as they come.
 *
 * The body goes from the socket to the worker without being kept: what the worker
 * cannot take yet waits here, at most one piece, and the socket is not read
 * meanwhile. take() and close() come on the request's loop, room() on the
 * engine's; the lock is for these.
 */
#include "api/api_int.h"

#include <pthread.h>
#include <stdlib.h>

struct upload {
	atomic_int refs;  /* the sink's and the operation's */
	pthread_mutex_t lock;
	struct engine_feed *feed;
	struct buf rest;  /* what the feed did not take yet */
	struct http_park *park;
	bool closed;      /* the body is over, and `rest` the last of it */
	bool ended;       /* the feed was told so */
};

static void upload_unref(struct upload *u)
{
	if (atomic_fetch_sub(&u->refs, 1) != 1)
		return;
	pthread_mutex_destroy(&u->lock);
	buf_drop(&u->rest);
	http_unref(u->park);
	free(u);
}

/* Returns what did not go in. */
static struct str put(struct upload *u, struct str bytes)
{
	size_t n;

	while (bytes.n && (n = engine_feed_put(u->feed, bytes)) > 0)
		bytes = str_tail(bytes, n);
	return bytes;
}

static void put_rest(struct upload *u)
{
	buf_cut_front(&u->rest, u->rest.n - put(u, buf_str(&u->rest)).n);
}

static void end_feed(struct upload *u, bool complete)
{
	if (u->ended)
		return;
	u->ended = true;
	engine_feed_end(u->feed, complete);
}

static enum http_took take(void *self, struct str bytes)
{
	struct upload *u = self;
	bool full;

	pthread_mutex_lock(&u->lock);
	put_rest(u);
	buf_add(&u->rest, u->rest.n ? bytes : put(u, bytes));
	full = u->rest.n > 0;
	pthread_mutex_unlock(&u->lock);
	return full ? HTTP_FULL : HTTP_TOOK;
}

static void on_room(void *arg)
{
	struct upload *u = arg;
	bool go;

	pthread_mutex_lock(&u->lock);
	put_rest(u);
	go = u->rest.n == 0;
	if (go && u->closed)
		end_feed(u, true);
	pthread_mutex_unlock(&u->lock);
	if (go)
		http_upload_go(u->park);
}

static void close_upload(void *self, bool complete)
{
	struct upload *u = self;

	pthread_mutex_lock(&u->lock);
	u->closed = true;
	if (!complete || u->rest.n == 0)
		end_feed(u, complete);
	pthread_mutex_unlock(&u->lock);
	upload_unref(u);
}

static void ignore(void *arg)
{
	(void)arg;
}

/* The operation is over, and with it every call of on_room(). */
static void on_over(void *arg)
{
	struct upload *u = arg;

	pthread_mutex_lock(&u->lock);
	if (u->closed)
		end_feed(u, false);
	pthread_mutex_unlock(&u->lock);
	upload_unref(u);
}

bool api_insert_rows(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	static const struct http_sink sink = {take, close_upload};
	struct session_rows_ask ask = {.table = http_param(in, 1), .room = on_room};
	struct api *a = rooms;
	struct session_op *op;
	struct session *se;
	struct upload *u;

	if (api_goes_to_pool(a, in, out))
		return http_on_pool(out);
	if (!api_find_session(c, a, http_param(in, 0), &se) || !api_format_of_body(c, in, &ask.format))
		return false;
	u = base_zalloc(sizeof(*u));
	atomic_init(&u->refs, 2);
	pthread_mutex_init(&u->lock, NULL);
	u->park = http_park_of(out);
	ask.arg = u;
	if (!session_insert(c, se, &ask, &u->feed, &op)) {
		atomic_store(&u->refs, 1);
		upload_unref(u);
		return false;
	}
	session_op_watch(op, &(struct watch){.fn = ignore, .drop = on_over, .arg = u});
	http_upload(out, &sink, u, (size_t)a->conf->server_max_upload_bytes);
	return api_wait_op(c, out, op, NULL);
}

bool api_insert_rows_done(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct json_out o = json_out(http_out(out));
	struct session_result r;

	(void)rooms;
	(void)in;
	if (!api_op_result(c, out, &r))
		return false;
	api_json(out, 200);
	json_begin_object(&o);
	JSON_FIELD_INT(&o, "inserted", r.rows);
	json_end_object(&o);
	return true;
}
