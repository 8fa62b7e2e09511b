/* avro.c - object container files, read: by the schema that is in the file.
 *
 * Every read is checked against the end of its block; the first thing wrong is
 * kept in `why` and everything after it reads as nothing. Recursion follows the
 * schema, which may name itself: AVRO_DEPTH_MAX bounds it. Any thread.
 */
#include "iceberg/avro.h"

#include <stdlib.h>
#include <zlib.h>

enum { SYNC_LEN = 16, WORK_PER_BYTE = 8, WORK_AT_LEAST = 4096 };

static void bad(struct avro_in *in, const char *why)
{
	if (!in->why)
		in->why = why;
	in->p = in->end;
}

/* --- plain values --- */
static int64_t get_long(struct avro_in *in)
{
	uint64_t v = 0;

	for (int shift = 0; shift < 64; shift += 7) {
		unsigned char byte;

		if (in->p == in->end)
			break;
		byte = (unsigned char)*in->p++;
		v |= (uint64_t)(byte & 0x7F) << shift;
		if (byte < 0x80)
			return (int64_t)(v >> 1 ^ (~(v & 1) + 1));
	}
	bad(in, "a number is cut off");
	return 0;
}

static struct str get_fixed(struct avro_in *in, size_t n)
{
	struct str s = {in->p, n};

	if ((size_t)(in->end - in->p) < n) {
		bad(in, "a value is cut off");
		return S("");
	}
	in->p += n;
	return s;
}

static struct str get_bytes(struct avro_in *in)
{
	int64_t n = get_long(in);

	if (n < 0) {
		bad(in, "a value has a negative length");
		return S("");
	}
	return get_fixed(in, (size_t)n);
}

/* The number of items of a block of an array or a map, 0 at its end; *ret_bytes is -1 where it is not told. */
static int64_t get_count(struct avro_in *in, int64_t *ret_bytes)
{
	int64_t n = get_long(in);

	*ret_bytes = -1;
	if (n >= 0)
		return n;
	*ret_bytes = get_long(in);
	if (n == INT64_MIN || *ret_bytes < 0 || *ret_bytes > in->end - in->p) {
		bad(in, "a list has an impossible length");
		return 0;
	}
	return -n;
}

static const struct avro_type *get_branch(struct avro_in *in, const struct avro_type *t)
{
	int64_t i = get_long(in);

	if (i < 0 || i >= t->n) {
		bad(in, "a value is of no branch of its union");
		return NULL;
	}
	return t->fields[i].type;
}

/* Every value begins here and ends with leave(). */
static bool enter(struct avro_in *in)
{
	in->depth++;
	if (in->depth > AVRO_DEPTH_MAX)
		bad(in, "its values are nested too deep");
	if (in->work-- <= 0)
		bad(in, "it has more values than its bytes can be");
	return !in->why;
}

static void leave(struct avro_in *in)
{
	in->depth--;
}

/* --- what is not wanted --- */
static void skip(struct avro_in *in, const struct avro_type *t);

static void skip_items(struct avro_in *in, const struct avro_type *t)
{
	int64_t n, bytes;

	while (!in->why && (n = get_count(in, &bytes)) > 0) {
		if (bytes >= 0) {
			(void)get_fixed(in, (size_t)bytes);
			continue;
		}
		for (; n > 0 && !in->why; n--) {
			if (t->kind == AVRO_MAP)
				(void)get_bytes(in);
			skip(in, t->fields[0].type);
		}
	}
}

static void skip_value(struct avro_in *in, const struct avro_type *t)
{
	switch (t->kind) {
	case AVRO_NULL:
		break;
	case AVRO_BOOLEAN:
		(void)get_fixed(in, 1);
		break;
	case AVRO_WHOLE:
	case AVRO_ENUM:
		(void)get_long(in);
		break;
	case AVRO_FLOAT:
		(void)get_fixed(in, 4);
		break;
	case AVRO_DOUBLE:
		(void)get_fixed(in, 8);
		break;
	case AVRO_BYTES:
		(void)get_bytes(in);
		break;
	case AVRO_FIXED:
		(void)get_fixed(in, t->size);
		break;
	case AVRO_STRUCT:
		for (int i = 0; i < t->n && !in->why; i++)
			skip(in, t->fields[i].type);
		break;
	case AVRO_ARRAY:
	case AVRO_MAP:
		skip_items(in, t);
		break;
	case AVRO_UNION:
		t = get_branch(in, t);
		if (t)
			skip(in, t);
		break;
	}
}

static void skip(struct avro_in *in, const struct avro_type *t)
{
	if (enter(in))
		skip_value(in, t);
	leave(in);
}

/* --- what is wanted --- */
static void get_record(struct avro_in *in, const struct avro_type *t, const struct avro_shape *shape, void *to);

/* Where the next item goes in a growing array of the reader. */
static void *next_item(struct avro_in *in, void **items, int *n, int *cap, size_t size)
{
	if (*n == AVRO_ITEMS_MAX) {
		bad(in, "a record has too many items");
		return NULL;
	}
	if (*n == *cap) {
		*cap = *cap ? 2 * *cap : 64;
		*items = base_realloc(*items, (size_t)*cap * size);
	}
	return (char *)*items + (size_t)(*n)++ * size;
}

static void add_int(struct avro_in *in, int64_t v)
{
	void *items = in->ints;
	int64_t *at = next_item(in, &items, &in->nints, &in->ints_cap, sizeof(*at));

	in->ints = items;
	if (at)
		*at = v;
}

static void add_pair(struct avro_in *in, const struct avro_pair *pair)
{
	void *items = in->pairs;
	struct avro_pair *at = next_item(in, &items, &in->npairs, &in->pairs_cap, sizeof(*at));

	in->pairs = items;
	if (at)
		*at = *pair;
}

static void get_item(struct avro_in *in, const struct avro_type *t, const struct avro_want *w)
{
	struct avro_pair pair = {.id = w->id};

	if (w->kind == AVRO_INTS) {
		add_int(in, get_long(in));
		return;
	}
	get_record(in, t, w->inside, &pair);
	if (!in->why)
		add_pair(in, &pair);
}

static void get_items(struct avro_in *in, const struct avro_type *t, const struct avro_want *w)
{
	const struct avro_type *item = t->fields[0].type;
	int64_t n, bytes;

	if (item->kind != (w->kind == AVRO_INTS ? AVRO_WHOLE : AVRO_STRUCT)) {
		bad(in, "a list does not hold what it should");
		return;
	}
	while (!in->why && (n = get_count(in, &bytes)) > 0)
		for (; n > 0 && !in->why; n--) {
			if (enter(in))
				get_item(in, item, w);
			leave(in);
		}
}

static bool fits(const struct avro_type *t, const struct avro_want *w)
{
	switch (w->kind) {
	case AVRO_INT:
		return t->kind == AVRO_WHOLE || t->kind == AVRO_BOOLEAN;
	case AVRO_TEXT:
		return t->kind == AVRO_BYTES || t->kind == AVRO_FIXED;
	case AVRO_RECORD:
		return t->kind == AVRO_STRUCT;
	case AVRO_INTS:
	case AVRO_PAIRS:
		return t->kind == AVRO_ARRAY;
	}
	return false;
}

static void get_value(struct avro_in *in, const struct avro_type *t, const struct avro_want *w, void *to)
{
	int64_t number;
	struct str text;

	switch (w->kind) {
	case AVRO_INT:
		number = t->kind == AVRO_BOOLEAN ? (int64_t)*get_fixed(in, 1).p : get_long(in);
		memcpy((char *)to + w->at, &number, sizeof(number));
		break;
	case AVRO_TEXT:
		text = t->kind == AVRO_FIXED ? get_fixed(in, t->size) : get_bytes(in);
		memcpy((char *)to + w->at, &text, sizeof(text));
		break;
	case AVRO_RECORD:
		get_record(in, t, w->inside, to);
		break;
	case AVRO_INTS:
	case AVRO_PAIRS:
		get_items(in, t, w);
		break;
	}
}

/* Returns whether there was a value: false for null. */
static bool get_wanted(struct avro_in *in, const struct avro_type *t, const struct avro_want *w, void *to)
{
	bool there;

	if (t->kind == AVRO_UNION)
		t = get_branch(in, t);
	there = t && t->kind != AVRO_NULL;
	if (there && !fits(t, w))
		bad(in, "a field is not of the type that it should be");
	if (there && enter(in))
		get_value(in, t, w, to);
	if (there)
		leave(in);
	return there;
}

static int find_want(const struct avro_shape *shape, int id)
{
	for (int i = 0; i < shape->n; i++)
		if (shape->v[i].id == id)
			return i;
	return -1;
}

static void get_record(struct avro_in *in, const struct avro_type *t, const struct avro_shape *shape, void *to)
{
	uint64_t seen = 0;

	for (int i = 0; i < t->n && !in->why; i++) {
		int w = t->fields[i].id < 0 ? -1 : find_want(shape, t->fields[i].id);

		if (w < 0)
			skip(in, t->fields[i].type);
		else if (get_wanted(in, t->fields[i].type, &shape->v[w], to))
			seen |= 1ULL << w;
	}
	for (int i = 0; i < shape->n && !in->why; i++)
		if (shape->v[i].required && !(seen >> i & 1))
			bad(in, shape->v[i].required);
}

/* --- the file --- */
static void grant_work(struct avro_in *in, size_t bytes)
{
	in->work += (int64_t)bytes * WORK_PER_BYTE;
}

static void read_meta(struct avro_in *in)
{
	int64_t n, bytes;

	while (!in->why && (n = get_count(in, &bytes)) > 0)
		for (; n > 0 && !in->why; n--) {
			if (in->nmeta == AVRO_META_MAX) {
				bad(in, "its header has too many entries");
				return;
			}
			in->meta[in->nmeta].key = get_bytes(in);
			in->meta[in->nmeta++].value = get_bytes(in);
		}
}

struct str avro_value(const struct avro_in *in, const char *key)
{
	for (int i = 0; i < in->nmeta; i++)
		if (str_eq(in->meta[i].key, str_of(key)))
			return in->meta[i].value;
	return (struct str){NULL, 0};
}

static bool read_codec(struct avro_in *in)
{
	struct str codec = avro_value(in, "avro.codec");

	in->deflate = str_eq(codec, S("deflate"));
	if (!in->deflate && codec.n > 0 && !str_eq(codec, S("null")))
		bad(in, "it is compressed in a way that is not known");
	return !in->why;
}

bool avro_open(struct avro_in *in, struct call *c, struct str bytes)
{
	const char *why;

	*in = (struct avro_in){.c = c, .p = bytes.p, .end = bytes.p + bytes.n, .work = WORK_AT_LEAST};
	grant_work(in, bytes.n);
	if (!str_starts(bytes, S("Obj\1"))) {
		bad(in, "it is no Avro file");
		return false;
	}
	in->p += 4;
	read_meta(in);
	in->sync = get_fixed(in, SYNC_LEN).p;
	if (in->why || !read_codec(in))
		return false;
	in->schema = avro_schema(c, avro_value(in, "avro.schema"), &why);
	if (!in->schema) {
		bad(in, why);
		return false;
	}
	in->next = in->p;
	in->file_end = in->end;
	in->end = in->p;
	return true;
}

void avro_close(struct avro_in *in)
{
	free(in->ints);
	free(in->pairs);
}

static int inflate_some(z_stream *z, struct buf *out)
{
	size_t more = out->n < 4096 ? 16384 : out->n;
	char *to;
	int status;

	if (more > out->limit - out->n)
		more = out->limit - out->n;
	to = more ? buf_room(out, more) : NULL;
	if (!to)
		return Z_BUF_ERROR;
	z->next_out = (unsigned char *)to;
	z->avail_out = (unsigned)more;
	status = inflate(z, Z_NO_FLUSH);
	out->n += more - z->avail_out;
	return status == Z_OK && z->avail_in == 0 && z->avail_out > 0 ? Z_BUF_ERROR : status;
}

static bool inflate_block(struct avro_in *in, struct str packed)
{
	z_stream z = {.next_in = (unsigned char *)(uintptr_t)packed.p, .avail_in = (unsigned)packed.n};
	OWNS(buf) out = {.limit = ICE_OBJECT_MAX - in->inflated};
	struct str plain;
	int status;

	if (inflateInit2(&z, -15) != Z_OK)
		return false;
	do
		status = inflate_some(&z, &out);
	while (status == Z_OK);
	(void)inflateEnd(&z);
	if (status != Z_STREAM_END)
		return false;
	in->inflated += out.n;
	grant_work(in, out.n);
	plain = arena_dup(in->c->arena, buf_str(&out));
	in->p = plain.p;
	in->end = plain.p + plain.n;
	return true;
}

/* false at the end of the file, or with why. */
static bool next_block(struct avro_in *in)
{
	struct str block, marker;

	if (in->p != in->end)
		bad(in, "a block has bytes behind its records");
	if (in->why || in->next == in->file_end)
		return false;
	in->p = in->next;
	in->end = in->file_end;
	in->left = get_long(in);
	block = get_bytes(in);
	if (in->left < 0 || (in->left > 0 && block.n == 0))
		bad(in, "a block has an impossible length");
	marker = get_fixed(in, SYNC_LEN);
	if (!in->why && memcmp(marker.p, in->sync, SYNC_LEN) != 0)
		bad(in, "a block does not end with the file's marker");
	if (in->why)
		return false;
	in->next = in->p;
	in->p = block.p;
	in->end = block.p + block.n;
	if (in->deflate && !inflate_block(in, block))
		bad(in, "a block cannot be inflated, or is too large");
	return !in->why;
}

bool avro_next(struct avro_in *in, const struct avro_shape *shape, void *to)
{
	while (in->left == 0)
		if (!next_block(in))
			return false;
	if (in->why)
		return false;
	in->left--;
	in->nints = 0;
	in->npairs = 0;
	if (enter(in))
		get_record(in, in->schema, shape, to);
	leave(in);
	return !in->why;
}
