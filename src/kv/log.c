/* log.c - the bytes of a log of records: writing them to a buffer, reading them from one.
 *
 *   log    = "mayfly kv log 1\n" batch*
 *   batch  = "MKVB" u32 bytes of items, u32 CRC-32 of them, u32 CRC-32 of these 12 bytes; item+
 *   item   = u32 kind, u32 bytes of the key, u32 of the value, u32 zero, u64 version, i64 expiry; key, value
 *
 * All numbers are little-endian. A batch is what one write and one sync made durable, so the last one
 * may be torn: it reaches beyond the end, or it ends there with a wrong CRC, or only zeros follow.
 * Anything else that does not fit was acknowledged once, and is an error. A batch's head has a CRC
 * of its own so that a wrong size does not pass for a torn end.
 */
#include "kv/kv_int.h"

#include <stdlib.h>
#include <zlib.h>

static const char LOG_MAGIC[] = "mayfly kv log 1\n", BATCH_MAGIC[] = "MKVB";

static uint32_t crc_of(const char *p, size_t n)
{
	return (uint32_t)crc32_z(0, (const unsigned char *)p, n);
}

static void put_number(char *to, uint64_t v, int bytes)
{
	for (int i = 0; i < bytes; i++)
		to[i] = (char)(v >> (8 * i));
}

static uint64_t number(const char *p, int bytes)
{
	uint64_t v = 0;

	for (int i = bytes; i-- > 0;)
		v = v << 8 | (unsigned char)p[i];
	return v;
}

void kv_log_head(struct buf *to)
{
	buf_add(to, str_of(LOG_MAGIC));
}

size_t kv_batch_begin(struct buf *to)
{
	static const char blank[KV_BATCH_HEAD];
	size_t begun = to->n;

	buf_add(to, str_from(blank, sizeof(blank)));
	return begun;
}

void kv_batch_add(struct buf *to, enum kv_log_kind kind, const struct kv_item *r)
{
	char head[KV_ITEM_HEAD] = {0};

	put_number(head, kind, 4);
	put_number(head + 4, r->key_n, 4);
	put_number(head + 8, r->value_n, 4);
	put_number(head + 16, r->version, 8);
	put_number(head + 24, (uint64_t)r->expires_ms, 8);
	buf_add(to, str_from(head, sizeof(head)));
	buf_add(to, str_from(r->bytes, (size_t)r->key_n + r->value_n));
}

void kv_batch_end(struct buf *to, size_t begun)
{
	char *head = to->p + begun, *items = head + KV_BATCH_HEAD;
	size_t n = to->n - begun - KV_BATCH_HEAD;

	INVARIANT(n > 0 && n <= UINT32_MAX);
	memcpy(head, BATCH_MAGIC, 4);
	put_number(head + 4, n, 4);
	put_number(head + 8, crc_of(items, n), 4);
	put_number(head + 12, crc_of(head, 12), 4);
}

/* --- reading --- */

static void apply_put(struct kv_table *t, struct str key, struct str value, const char *head)
{
	int64_t expires_ms = (int64_t)number(head + 24, 8);
	struct kv_item *r;

	if (expires_ms && clock_wall_ms() >= expires_ms) {
		kv_table_forget(t, key);
		return;
	}
	r = kv_item_new(key, value);
	r->version = number(head + 16, 8);
	r->expires_ms = expires_ms;
	kv_table_put(t, r);
}

/* The first item of *items, or false when it is none. */
static bool apply_one(struct kv_table *t, struct str *items)
{
	const char *head = items->p;
	uint64_t kind, key_n, value_n, version;
	struct str key, value;

	if (items->n < KV_ITEM_HEAD)
		return false;
	kind = number(head, 4);
	key_n = number(head + 4, 4);
	value_n = number(head + 8, 4);
	version = number(head + 16, 8);
	if (key_n > KV_KEY_MAX || value_n > KV_VALUE_MAX || key_n + value_n > items->n - KV_ITEM_HEAD || number(head + 12, 4) != 0)
		return false;
	key = str_from(head + KV_ITEM_HEAD, key_n);
	value = str_from(key.p + key_n, value_n);
	*items = str_tail(*items, KV_ITEM_HEAD + key_n + value_n);
	if (version == KV_ANY)
		return false;
	if (version > t->versions)
		t->versions = version;
	if (kind == KV_LOG_PUT && version > 0)
		apply_put(t, key, value, head);
	else if (kind == KV_LOG_DROP && value_n == 0)
		kv_table_forget(t, key);
	else
		return kind == KV_LOG_VERSION && key_n + value_n == 0;
	return true;
}

static bool bad(struct call *c, struct str log, const char *at, const char *what)
{
	return fail(c, ERR_STORAGE, "the log of records is damaged at byte %zu of %zu: %s", (size_t)(at - log.p), log.n, what);
}

static bool only_zeros(struct str s)
{
	return s.n == 0 || (s.p[0] == 0 && memcmp(s.p, s.p + 1, s.n - 1) == 0);
}

enum found { FOUND_BATCH, FOUND_TORN, FOUND_BAD };

static enum found find_batch(struct call *c, struct str log, struct str rest, struct str *ret_items)
{
	struct str items;
	size_t n;

	if (rest.n < KV_BATCH_HEAD || (rest.n <= KV_BATCH_MAX && only_zeros(rest)))
		return FOUND_TORN;
	if (memcmp(rest.p, BATCH_MAGIC, 4) != 0 || number(rest.p + 12, 4) != crc_of(rest.p, 12)) {
		bad(c, log, rest.p, "no batch begins here");
		return FOUND_BAD;
	}
	n = number(rest.p + 4, 4);
	items = str_tail(rest, KV_BATCH_HEAD);
	if (items.n < n)
		return FOUND_TORN;
	if (crc_of(items.p, n) != number(rest.p + 8, 4)) {
		if (items.n == n)
			return FOUND_TORN;
		bad(c, log, rest.p, "the checksum of this batch is wrong");
		return FOUND_BAD;
	}
	*ret_items = str_head(items, n);
	return FOUND_BATCH;
}

static bool apply_batch(struct call *c, struct str log, struct str items, struct kv_table *t)
{
	while (items.n) {
		const char *at = items.p;

		if (!apply_one(t, &items))
			return bad(c, log, at, "this is no record");
	}
	return true;
}

bool kv_log_read(struct call *c, struct str log, struct kv_table *t, size_t *ret_whole)
{
	struct str rest = str_tail(log, KV_LOG_HEAD), items;
	enum found found = FOUND_BATCH;

	if (log.n <= KV_LOG_HEAD && (only_zeros(log) || (log.n < KV_LOG_HEAD && str_starts(str_of(LOG_MAGIC), log)))) {
		*ret_whole = 0;
		return true;
	}
	if (!str_starts(log, str_of(LOG_MAGIC)))
		return bad(c, log, log.p, "this is no log of records");
	while (rest.n && (found = find_batch(c, log, rest, &items)) == FOUND_BATCH) {
		if (!apply_batch(c, log, items, t))
			return false;
		rest = str_tail(rest, KV_BATCH_HEAD + items.n);
	}
	if (found == FOUND_BAD)
		return false;
	*ret_whole = log.n - rest.n;
	return true;
}
