/* convert_fuzz.c - any bytes as a stored partition of a column of each kind. The
 * first byte chooses the form; what converts must convert back.
 */
#include "rows/rows.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static bool converts(enum engine_form from, enum engine_form to, enum convert_shape shape, struct str rows, struct buf *out)
{
	struct engine_column columns[ENGINE_T_COUNT];
	OWNS(arena) a = {0};
	OWNS(convert) cv = {.from = from, .to = to, .shape = shape, .columns = columns, .ncolumns = ENGINE_T_COUNT};
	bool done = false;

	for (int i = 0; i < ENGINE_T_COUNT; i++)
		columns[i] = (struct engine_column){.name = S("c"), .type = S("TIMESTAMP_NS"), .kind = (enum engine_type)i};
	cv.keys = convert_keys(&a, columns, ENGINE_T_COUNT);
	cv.scan = json_scan(rows);
	buf_clear(out);
	while (!done)
		if (!convert_page(&cv, 1, out, &done))
			return false;
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	enum engine_form from, other;
	OWNS(buf) out = {.limit = 1 << 20};
	OWNS(buf) back = {.limit = 1 << 20};
	struct str text = {(const char *)bytes, n}, rows;

	if (n == 0)
		return 0;
	from = bytes[0] & 1 ? ENGINE_NATIVE : ENGINE_SNOWFLAKE;
	other = bytes[0] & 1 ? ENGINE_SNOWFLAKE : ENGINE_NATIVE;
	text = str_tail(text, 1);
	if (!convert_envelope(text, &rows))
		rows = text;
	for (int shape = CONVERT_ARRAYS; shape <= CONVERT_CSV; shape++)
		if (!converts(from, ENGINE_NATIVE, (enum convert_shape)shape, rows, &out))
			break;
	if (converts(from, other, CONVERT_ARRAYS, rows, &out) && !converts(other, from, CONVERT_ARRAYS, buf_str(&out), &back))
		INVARIANT(!buf_ok(&back));
	buf_clear(&out);
	INVARIANT(!convert_gunzip(text, &out) || out.n <= CONVERT_PLAIN_MAX);
	return 0;
}
