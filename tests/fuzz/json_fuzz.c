/* json_fuzz.c - libFuzzer entry: documents, quoting and rows from any bytes.
 *
 * clang -fsanitize=fuzzer,address,undefined; not in the default build.
 */
#include "json/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* What a reader accepts, the writer's quotes must carry unchanged. */
static void fuzz_quote(struct call *c, struct str text)
{
	const json_node *back;
	OWNS(buf) b = {0};

	json_quote(&b, text);
	INVARIANT(json_read(c, buf_str(&b), &back));
	if (str_is_utf8(text))
		INVARIANT(str_eq(json_text(back), text));
	INVARIANT(str_eq(json_unescape(c->arena, str_from(b.p + 1, b.n - 2)), json_text(back)));
}

static void fuzz_rows(struct call *c, struct str text)
{
	struct json_scan s = json_scan(text);
	struct json_cell cell;

	while (json_scan_row(&s)) {
		while (json_scan_cell(&s, &cell)) {
			INVARIANT(cell.raw.p >= text.p && cell.raw.p + cell.raw.n <= text.p + text.n);
			if (cell.quoted)
				(void)json_unescape(c->arena, cell.raw);
		}
	}
	INVARIANT(s.p <= s.end);
}

static void fuzz_real(struct call *c, const uint8_t *bytes, size_t n)
{
	const json_node *back;
	OWNS(buf) b = {0};
	double v;

	if (n < sizeof(v))
		return;
	memcpy(&v, bytes, sizeof(v));
	if (!__builtin_isfinite(v))
		return;
	json_real_text(&b, v);
	INVARIANT(json_read(c, buf_str(&b), &back));
	INVARIANT(json_number(back) == v);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct str text = str_from((const char *)bytes, n);
	struct arena arena = {0};
	const json_node *root;
	struct call c;

	call_open(&c, &arena);
	if (!json_read(&c, text, &root))
		call_forgive(&c);
	fuzz_quote(&c, text);
	fuzz_rows(&c, text);
	fuzz_real(&c, bytes, n);
	arena_close(&arena);
	return 0;
}
