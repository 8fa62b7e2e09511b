/* parts.c - rows into partitions, partitions onto the wire.
 *
 * A small result leaves as one packet: columns, partition, end. A partition
 * over WIRE_INLINE travels in a sealed memfd, at most WIRE_WINDOW of them
 * unacknowledged. Owned by one executor. From the second partition on a thread of
 * its own packs and sends while the executor encodes the next: it has `out`,
 * `packed` and the compressor while it is busy.
 */
#include "engine/worker/worker.h"

#include <libdeflate.h>
#include <unistd.h>

enum { PART_MAX = 16 << 20, GZIP_LEAST = 4096, GZIP_LEVEL = 1 };

static const struct str part_head = S_INIT("{\"data\":["), part_tail = S_INIT("]}");

void parts_open(struct parts *p, struct executor *x)
{
	*p = (struct parts){.executor = x, .gzip = libdeflate_alloc_compressor(GZIP_LEVEL)};
	INVARIANT(p->gzip);
	pthread_mutex_init(&p->packer.lock, NULL);
	pthread_cond_init(&p->packer.news, NULL);
}

static void next_part(struct parts *p)
{
	buf_clear(&p->text);
	buf_add(&p->text, part_head);
	p->rows = 0;
	p->row_bytes = 0;
}

void parts_begin(struct parts *p, struct task *t)
{
	int64_t limit = t->ask.max_result_bytes;

	p->part_limit = t->ask.first_part_bytes > 0 ? t->ask.first_part_bytes : PART_MAX;
	p->total_rows = p->total_bytes = p->closed = 0;
	p->packer.canceled = false;
	/* Brackets and commas of the partition do not count against the result. */
	p->text.limit = limit > 0 && limit < WORKER_TEXT_MAX / 2 ? (size_t)limit * 2 + (1 << 20) : WORKER_TEXT_MAX;
	next_part(p);
}

/* --- packets --- */
static void flush(struct parts *p)
{
	if (p->out.n == 0)
		return;
	worker_send(buf_str(&p->out), -1);
	buf_clear(&p->out);
}

/* One record; its body goes into a memfd when it is long. */
static void put_record(struct parts *p, uint64_t task, enum wire_kind kind, struct str head, struct str body)
{
	bool apart = body.n > WIRE_INLINE;
	size_t at;
	int fd = -1;

	if (apart || p->out.n + sizeof(struct wire_head) + head.n + body.n > WIRE_PACKET)
		flush(p);
	at = wire_begin_record(&p->out, kind, task);
	buf_add(&p->out, head);
	if (!apart)
		buf_add(&p->out, body);
	wire_end_record(&p->out, at);
	if (!apart)
		return;
	p->out.p[at + offsetof(struct wire_head, in_fd)] = 1;
	fd = wire_memfd(body);
	INVARIANT(fd >= 0); /* without memory for it the process cannot go on */
	worker_send(buf_str(&p->out), fd);
	buf_clear(&p->out);
	close(fd);
}

void parts_columns(struct parts *p, struct task *t, struct str packed)
{
	put_record(p, t->id, WIRE_COLUMNS, (struct str){NULL, 0}, packed);
}

/* False when the statement was canceled. */
static bool send_part(struct parts *p, uint64_t task, const struct wire_part *head, struct str bytes)
{
	if (!executor_window(p->executor))
		return false;
	put_record(p, task, WIRE_PART, str_from((const char *)head, sizeof(*head)), bytes);
	return true;
}

static bool interrupted(struct task *t)
{
	task_fails(t, "INTERRUPT", "Interrupted!");
	t->end.outcome = ENGINE_INTERRUPTED;
	return false;
}

bool parts_bytes(struct parts *p, struct task *t, const struct wire_part *head, struct str bytes)
{
	return send_part(p, t->id, head, bytes) || interrupted(t);
}

/* --- partitions --- */
static struct str compress(struct parts *p, struct str text, bool *ret_gzip)
{
	size_t bound = libdeflate_gzip_compress_bound(p->gzip, text.n);
	char *to;

	*ret_gzip = text.n >= GZIP_LEAST;
	if (!*ret_gzip)
		return text;
	buf_clear(&p->packed);
	to = buf_room(&p->packed, bound);
	p->packed.n = libdeflate_gzip_compress(p->gzip, text.p, text.n, to, bound);
	INVARIANT(p->packed.n);
	return buf_str(&p->packed);
}

static bool pack_and_send(struct parts *p, uint64_t task, struct wire_part head, struct str text)
{
	bool gzip;
	struct str bytes = compress(p, text, &gzip);

	head.gzip = gzip;
	head.size = bytes.n;
	return send_part(p, task, &head, bytes);
}

/* --- the packing thread --- */
NORETURN static void *packer_main(void *arg)
{
	struct parts *p = arg;
	struct packer *k = &p->packer;

	pthread_mutex_lock(&k->lock);
	for (;;) {
		bool ok;

		while (!k->busy)
			pthread_cond_wait(&k->news, &k->lock);
		pthread_mutex_unlock(&k->lock);
		ok = pack_and_send(p, k->task, k->head, buf_str(&k->text));
		flush(p);
		pthread_mutex_lock(&k->lock);
		k->busy = false;
		k->canceled = k->canceled || !ok;
		pthread_cond_broadcast(&k->news);
	}
}

/* Until it has sent what it was given; false when that was canceled. */
static bool packer_wait(struct parts *p)
{
	bool ok;

	pthread_mutex_lock(&p->packer.lock);
	while (p->packer.busy)
		pthread_cond_wait(&p->packer.news, &p->packer.lock);
	ok = !p->packer.canceled;
	pthread_mutex_unlock(&p->packer.lock);
	return ok;
}

static bool packer_give(struct parts *p, uint64_t task, const struct wire_part *head)
{
	struct packer *k = &p->packer;
	struct buf empty;

	if (!packer_wait(p))
		return false;
	if (!k->started && pthread_create(&k->thread, NULL, packer_main, p) != 0)
		return pack_and_send(p, task, *head, buf_str(&p->text));
	k->started = true;
	empty = k->text;
	empty.limit = p->text.limit;
	pthread_mutex_lock(&k->lock);
	k->text = p->text;
	k->task = task;
	k->head = *head;
	k->busy = true;
	pthread_cond_broadcast(&k->news);
	pthread_mutex_unlock(&k->lock);
	p->text = empty;
	return true;
}

static bool close_part(struct parts *p, struct task *t, bool last)
{
	const struct wire_part head = {.rows = p->rows, .row_bytes = p->row_bytes};
	bool ok;

	p->text.limit += part_tail.n;
	buf_add(&p->text, part_tail);
	p->text.limit -= part_tail.n;
	if (last || p->closed == 0)
		ok = packer_wait(p) && pack_and_send(p, t->id, head, buf_str(&p->text));
	else
		ok = packer_give(p, t->id, &head);
	p->closed++;
	next_part(p);
	return ok || interrupted(t);
}

static bool too_large(struct task *t)
{
	task_fails(t, "", "The result is larger than %lld bytes", (long long)t->ask.max_result_bytes);
	t->end.outcome = ENGINE_TOO_LARGE;
	return false;
}

static bool part_full(const struct parts *p, const struct task *t)
{
	bool any_rows = t->ask.max_part_rows <= 0 || (t->ask.first_part_whole && p->closed == 0);

	return p->row_bytes >= p->part_limit || (!any_rows && p->rows >= t->ask.max_part_rows);
}

static bool put_row(struct parts *p, struct task *t, const struct column *cols, int n, idx_t row)
{
	size_t from;
	int64_t bytes;

	if (p->rows)
		buf_addc(&p->text, ',');
	from = p->text.n;
	encode_row(&p->text, cols, n, row, t->ask.null_text ? S("\"null\"") : S("null"));
	bytes = (int64_t)(p->text.n - from);
	p->rows++;
	p->row_bytes += bytes;
	p->total_rows++;
	p->total_bytes += bytes;
	if (!buf_ok(&p->text) || (t->ask.max_result_bytes > 0 && p->total_bytes > t->ask.max_result_bytes))
		return too_large(t);
	return true;
}

bool parts_rows(struct parts *p, struct task *t, struct column *cols, int n, duckdb_data_chunk chunk)
{
	idx_t rows = duckdb_data_chunk_get_size(chunk);

	for (int i = 0; i < n; i++)
		types_load(&cols[i], duckdb_data_chunk_get_vector(chunk, (idx_t)i));
	for (idx_t row = 0; row < rows; row++) {
		/* Closed only when one more row comes: the last partition leaves with the end. */
		if (p->rows && part_full(p, t)) {
			if (!close_part(p, t, false))
				return false;
			if (p->closed == 1)
				flush(p);
			p->part_limit = p->part_limit < PART_MAX / 2 ? p->part_limit * 2 : PART_MAX;
		}
		if (!put_row(p, t, cols, n, row))
			return false;
	}
	return true;
}

bool parts_end(struct parts *p, struct task *t)
{
	t->end.rows = p->total_rows;
	return close_part(p, t, true);
}

/* An end stays in its packet: texts can be as long as the user makes them. */
static struct str cut(struct str s)
{
	enum { TEXT_CUT = 8192 };
	size_t n = s.n < TEXT_CUT ? s.n : TEXT_CUT;

	while (n < s.n && n > 0 && (s.p[n] & 0xC0) == 0x80) /* inside a character */
		n--;
	return str_head(s, n);
}

void parts_repeatable(struct parts *p, struct task *t)
{
	packer_wait(p);
	put_record(p, t->id, WIRE_REPEATABLE, (struct str){NULL, 0}, (struct str){NULL, 0});
}

void parts_finish(struct parts *p, struct task *t)
{
	OWNS(buf) body = {0};

	packer_wait(p);
	wire_u8(&body, (uint8_t)t->end.outcome);
	wire_i64(&body, t->end.rows);
	wire_i64(&body, t->end.position);
	wire_text(&body, cut(t->end.class));
	wire_text(&body, cut(t->end.text));
	wire_text(&body, cut(t->end.bad_bind));
	wire_i64(&body, t->end.row);
	wire_text(&body, cut(t->end.column));
	wire_put_usage(&body, &t->usage);
	wire_i64(&body, t->end.inserted);
	wire_i64(&body, t->end.updated);
	wire_i64(&body, t->end.deleted);
	wire_u8(&body, t->end.nowhere);
	wire_u32(&body, (uint32_t)t->end.nsteps);
	for (int i = 0; i < t->end.nsteps; i++)
		wire_i64(&body, t->end.step_rows[i]);
	put_record(p, t->id, WIRE_END, (struct str){NULL, 0}, buf_str(&body));
	flush(p);
	if (p->text.cap > PART_MAX * 2) /* one long row should not be kept for ever */
		buf_drop(&p->text);
	if (p->packed.cap > PART_MAX)
		buf_drop(&p->packed);
	if (p->packer.text.cap > PART_MAX * 2)
		buf_drop(&p->packer.text);
}
