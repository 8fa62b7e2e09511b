/* http_fuzz.c - libFuzzer entry: request heads and chunked bodies from any bytes.
 *
 * clang -fsanitize=fuzzer,address,undefined; not in the default build.
 */
#include "http/http_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* Whatever comes in pieces is judged as if it came at once. */
static void fuzz_head(struct str in, size_t step)
{
	struct http_head_scan whole = {0}, parts = {0};
	enum http_frame want = http_head_scan(&whole, in), got = FRAME_MORE;

	for (size_t seen = 0; got == FRAME_MORE && seen < in.n;) {
		seen = in.n - seen < step ? in.n : seen + step;
		got = http_head_scan(&parts, str_head(in, seen));
	}
	INVARIANT(got == want);
	if (got != FRAME_DONE)
		return;
	INVARIANT(parts.at == whole.at && parts.start == whole.start && parts.length == whole.length);
	INVARIANT(whole.start < whole.at && whole.at <= in.n && !(whole.has_length && whole.chunked));
}

static enum http_frame decode(struct str in, size_t step, struct buf *out)
{
	struct http_chunks c = {0};
	enum http_frame what = FRAME_MORE;

	while (in.n && what == FRAME_MORE) {
		struct str part = str_head(in, step), piece;

		in = str_tail(in, part.n);
		while ((what = http_chunks_next(&c, &part, &piece)) == FRAME_DATA)
			buf_add(out, piece);
	}
	return what;
}

static void fuzz_chunks(struct str in, size_t step)
{
	OWNS(buf) whole = {0};
	OWNS(buf) parts = {0};

	INVARIANT(decode(in, in.n, &whole) == decode(in, step, &parts));
	INVARIANT(str_eq(buf_str(&whole), buf_str(&parts)));
	INVARIANT(whole.n <= in.n);
}

/* What was judged well can be parsed, or is refused with words. */
static void fuzz_parse(struct str in)
{
	struct http_req *r = base_zalloc(sizeof(*r));

	call_open(&r->call, &r->arena);
	if (http_head_scan(&r->scan, in) == FRAME_DONE) {
		r->head = arena_dup(&r->arena, str_from(in.p + r->scan.start, r->scan.at - r->scan.start));
		if (http_parse(r)) {
			INVARIANT(r->path.n > 0 && r->path.p[0] == '/' && str_is_utf8(r->path));
			INVARIANT(r->nfields == r->scan.fields);
		} else {
			INVARIANT(r->call.err.kind != ERR_NONE);
		}
	}
	arena_close(&r->arena);
	free(r);
}

/* The first byte says in what pieces the rest arrives. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct str in = str_from((const char *)bytes + 1, n - 1);

	if (n < 2)
		return 0;
	fuzz_head(in, 1 + bytes[0] % 16U);
	fuzz_chunks(in, 1 + bytes[0] % 16U);
	fuzz_parse(in);
	return 0;
}
