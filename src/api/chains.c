/* chains.c - /v1/plan, /v1/layers and /v1/blobs: what a job would do, the layers of a tenant, contents uploaded once. */
#include "api/api_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

bool api_plan(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct json_out o = json_out(http_out(out));
	struct api *a = rooms;
	struct job_ask ask;

	if (!api_read_job(c, a, in, &ask) || !runner_plan(c, a->runner, &ask, &o))
		return false;
	api_json(out, 200);
	return true;
}

/* --- layers --- */

bool api_list_layers(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct job_page page = {0};
	struct api *a = rooms;
	struct json_out o;

	http_query(c, in, "after", &page.after);
	if (!api_query_limit(c, in, &page.limit))
		return false;
	o = api_begin_list(out);
	if (!runner_layers(c, a->runner, &page, &o))
		return false;
	api_end_list(&o, page.next);
	return true;
}

bool api_drop_layer(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct api *a = rooms;

	if (!runner_layer_drop(c, a->runner, http_param(in, 0)))
		return false;
	http_status(out, 204);
	return true;
}

/* --- blobs: the body goes to memory, a large one to a file without a name --- */

enum { IN_MEMORY = 256 * 1024 };

struct blob {
	struct http_park *park;
	struct buf bytes;  /* what is not in the file */
	int fd;            /* -1: no file yet */
	size_t in_file;
	int error;         /* errno of the file */
	bool whole;
	const char *dir;
	void *map;
};

/* When the call ends. */
static void blob_drop(void *arg)
{
	struct blob *b = arg;

	if (b->map)
		munmap(b->map, b->in_file);
	if (b->fd >= 0)
		close(b->fd);
	buf_drop(&b->bytes);
}

static bool spill(struct blob *b)
{
	struct str left = buf_str(&b->bytes);

	if (b->fd < 0)
		b->fd = open(b->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	while (b->fd >= 0 && left.n) {
		ssize_t n = write(b->fd, left.p, left.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		left = str_tail(left, (size_t)n);
		b->in_file += (size_t)n;
	}
	if (left.n)
		b->error = errno ? errno : EIO;
	buf_clear(&b->bytes);
	return !b->error;
}

static enum http_took take(void *self, struct str bytes)
{
	struct blob *b = self;

	buf_add(&b->bytes, bytes);
	return b->bytes.n <= IN_MEMORY || spill(b) ? HTTP_TOOK : HTTP_ENOUGH;
}

static void close_blob(void *self, bool complete)
{
	struct blob *b = self;

	b->whole = complete;
	http_wake(b->park);
	http_unref(b->park);
	b->park = NULL;
}

static bool read_etag(struct call *c, const struct http_req *in, struct str *ret)
{
	*ret = http_param(in, 0);
	return api_is_etag(*ret) || fail(c, ERR_INVALID_FIELD, "an etag is sha256: and 64 hex digits in lower case");
}

bool api_put_blob(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	static const struct http_sink sink = {take, close_blob};
	struct api *a = rooms;
	int64_t most = a->conf->server_max_upload_bytes;
	struct blob *b;
	struct str etag;

	if (!read_etag(c, in, &etag))
		return false;
	if (most > a->conf->runner_project_max_bytes)
		most = a->conf->runner_project_max_bytes; /* a file of a project is no larger than all of it */
	b = ARENA_NEW(c->arena, struct blob);
	b->fd = -1;
	b->dir = arena_cstr(c->arena, a->conf->data_dir);
	b->park = http_park_of(out);
	arena_defer(c->arena, blob_drop, b);
	http_upload(out, &sink, b, (size_t)most);
	http_unref(http_park(out, -1));
	http_keep(out, b);
	return true;
}

/* The whole body, whether it is in memory or in the file. */
static bool content_of(struct call *c, struct blob *b, struct str *ret)
{
	if (b->fd >= 0 && !b->error)
		spill(b);
	if (b->error)
		return fail(c, ERR_STORAGE, "the content cannot be spooled: %s", strerror(b->error));
	if (!b->whole)
		return fail(c, ERR_CANCELED, "the client has left");
	*ret = buf_str(&b->bytes);
	if (b->fd < 0)
		return true;
	b->map = mmap(NULL, b->in_file, PROT_READ, MAP_PRIVATE, b->fd, 0);
	if (b->map == MAP_FAILED) {
		b->map = NULL;
		return fail(c, ERR_STORAGE, "the spooled content cannot be read: %s", strerror(errno));
	}
	*ret = str_from(b->map, b->in_file);
	return true;
}

bool api_put_blob_done(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct blob *b = http_kept(out);
	struct api *a = rooms;
	struct str bytes;

	if (!http_is_on_pool(out))
		return http_on_pool(out);
	if (!content_of(c, b, &bytes) || !runner_blob_put(c, a->runner, http_param(in, 0), bytes))
		return false;
	http_status(out, 204);
	return true;
}

bool api_has_blob(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct api *a = rooms;
	struct str etag;

	if (!read_etag(c, in, &etag) || !runner_blob_has(c, a->runner, etag))
		return false;
	http_status(out, 200);
	return true;
}
