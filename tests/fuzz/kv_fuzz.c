/* kv_fuzz.c - libFuzzer entry: the log of records from any bytes.
 *
 * clang -fsanitize=fuzzer,address,undefined; not in the default build.
 */
#include "kv/kv_int.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static const struct kv_ops no_ops = {.name = "fuzz"};

static bool read_into(struct call *c, struct str log, struct kv_table *t, size_t *ret_whole)
{
	memset(t, 0, sizeof(*t));
	kv_table_open(t, &no_ops, UINT64_MAX);
	return kv_log_read(c, log, t, ret_whole);
}

static void write_log(const struct kv_table *t, struct buf *to)
{
	const struct kv_item last = {.version = t->versions};
	struct map_slot slot;
	size_t begun;

	kv_log_head(to);
	begun = kv_batch_begin(to);
	kv_batch_add(to, KV_LOG_VERSION, &last);
	for (size_t i = 0; map_next(&t->items, &i, &slot);)
		kv_batch_add(to, KV_LOG_PUT, slot.value);
	kv_batch_end(to, begun);
}

static void expect_same(const struct kv_table *a, const struct kv_table *b)
{
	struct map_slot slot;

	INVARIANT(a->items.n == b->items.n && a->versions == b->versions && a->bytes == b->bytes);
	for (size_t i = 0; map_next(&a->items, &i, &slot);) {
		const struct kv_item *x = slot.value, *y = map_get(&b->items, slot.key);

		INVARIANT(y && x->version == y->version && x->expires_ms == y->expires_ms);
		INVARIANT(str_eq(kv_item_value(x), kv_item_value(y)));
	}
}

/* What is read is the same without the torn end, and when it is written anew. */
static void fuzz_log(struct call *c, struct str log)
{
	static struct kv_table first, again;
	size_t whole, same;
	OWNS(buf) copy = {0};

	if (!read_into(c, log, &first, &whole)) {
		INVARIANT(c->err.kind == ERR_STORAGE);
		call_forgive(c);
		kv_table_close(&first);
		return;
	}
	INVARIANT(whole <= log.n);
	INVARIANT(read_into(c, str_head(log, whole), &again, &same) && same == whole);
	expect_same(&first, &again);
	kv_table_close(&again);
	write_log(&first, &copy);
	INVARIANT(read_into(c, buf_str(&copy), &again, &same) && same == copy.n);
	expect_same(&first, &again);
	kv_table_close(&again);
	kv_table_close(&first);
}

/* The same bytes as they are, and as the items of a batch whose checksums are right. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct str text = str_from((const char *)bytes, n);
	struct arena arena = {0};
	OWNS(buf) framed = {0};
	struct call c;
	size_t begun;

	call_open(&c, &arena);
	fuzz_log(&c, text);
	if (n > 0) {
		kv_log_head(&framed);
		begun = kv_batch_begin(&framed);
		buf_add(&framed, text);
		kv_batch_end(&framed, begun);
		fuzz_log(&c, buf_str(&framed));
	}
	arena_close(&arena);
	return 0;
}
