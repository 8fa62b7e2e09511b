/* rows.c - a partition's bytes taken apart into rows, and rows written
 * in the shape asked for, a page at a time. What a cell becomes is
 * cells.c. Pure but for the buffers of `struct convert`; one thread at
 * a time.
 */
#include "rows/rows_int.h"

#include <libdeflate.h>

enum { GZIP_LEAST = 18, GZIP_SIZE_AT_END = 4, DEFLATE_MOST = 1032 };

/* --- partitions --- */

/* The last four bytes of a gzip member are its plain size. It is only believed as far as deflate could reach. */
static bool plain_size(struct str stored, size_t *ret)
{
	const unsigned char *at = (const unsigned char *)stored.p + stored.n - GZIP_SIZE_AT_END;
	size_t n;

	if (stored.n < GZIP_LEAST)
		return false;
	n = (size_t)at[0] | (size_t)at[1] << 8 | (size_t)at[2] << 16 | (size_t)at[3] << 24;
	if (n > CONVERT_PLAIN_MAX || n / DEFLATE_MOST > stored.n)
		return false;
	*ret = n;
	return true;
}

static bool inflate_member(struct libdeflate_decompressor *d, struct str stored, size_t n, struct buf *ret)
{
	char *to = buf_room(ret, n + 1); /* libdeflate wants a place even for nothing */
	size_t used = 0, made = 0;

	if (!to || libdeflate_gzip_decompress_ex(d, stored.p, stored.n, to, n, &used, &made) != LIBDEFLATE_SUCCESS)
		return false;
	ret->n += made;
	return used == stored.n && made == n;
}

bool convert_gunzip(struct str stored, struct buf *ret)
{
	struct libdeflate_decompressor *d;
	size_t n;
	bool ok;

	if (!plain_size(stored, &n))
		return false;
	d = libdeflate_alloc_decompressor();
	ok = d && inflate_member(d, stored, n, ret);
	libdeflate_free_decompressor(d);
	return ok;
}

bool convert_envelope(struct str plain, struct str *ret_rows)
{
	const struct str head = S("{\"data\":["), tail = S("]}");

	plain = str_trim(plain);
	if (plain.n < head.n + tail.n || !str_starts(plain, head) || !str_ends(plain, tail))
		return false;
	*ret_rows = str_trim(str_from(plain.p + head.n, plain.n - head.n - tail.n));
	return true;
}

/* --- names --- */
struct name {
	bool taken; /* by the first column of this name */
	int again;  /* the last suffix tried */
};

/* The name with the first suffix that no column has. */
static struct str suffixed(struct arena *a, struct map *names, struct str name, struct name *n)
{
	struct str s;

	do
		s = arena_fmt(a, "%.*s_%d", SARG(name), ++n->again);
	while (map_get(names, s));
	map_put(names, s, n);
	return s;
}

static struct str key_of(struct arena *a, struct str name)
{
	OWNS(buf) b = {0};

	json_quote(&b, name);
	buf_addc(&b, ':');
	return arena_dup(a, buf_str(&b));
}

const struct str *convert_keys(struct arena *a, const struct engine_column *columns, int n)
{
	struct str *keys = ARENA_ARRAY(a, struct str, (size_t)n + 1);
	struct map names = {0};

	for (int i = 0; i < n; i++)
		if (!map_get(&names, columns[i].name))
			map_put(&names, columns[i].name, ARENA_NEW(a, struct name));
	for (int i = 0; i < n; i++) {
		struct name *first = map_get(&names, columns[i].name);

		keys[i] = key_of(a, first->taken ? suffixed(a, &names, columns[i].name, first) : columns[i].name);
		first->taken = true;
	}
	map_close(&names);
	return keys;
}

void convert_columns(const struct engine_column *columns, int n, struct buf *out)
{
	struct json_out o = json_out(out);

	json_begin_array(&o);
	for (int i = 0; i < n; i++) {
		json_begin_object(&o);
		JSON_FIELD_TEXT(&o, "name", columns[i].name);
		JSON_FIELD_TEXT(&o, "type", columns[i].type);
		JSON_FIELD_BOOL(&o, "nullable", columns[i].nullable);
		json_end_object(&o);
	}
	json_end_array(&o);
}

/* --- CSV --- */
static void csv_text(struct buf *out, struct str s)
{
	bool plain = s.n > 0;

	for (size_t i = 0; i < s.n && plain; i++)
		plain = s.p[i] != '"' && s.p[i] != ',' && s.p[i] != '\r' && s.p[i] != '\n';
	if (plain) {
		buf_add(out, s);
		return;
	}
	buf_addc(out, '"');
	while (s.n) {
		size_t quote = str_find(s, '"');

		buf_add(out, str_head(s, quote));
		if (quote < s.n)
			buf_lit(out, "\"\"");
		s = str_tail(s, quote + 1);
	}
	buf_addc(out, '"');
}

void convert_csv_header(const struct engine_column *columns, int n, struct buf *out)
{
	for (int i = 0; i < n; i++) {
		if (i)
			buf_addc(out, ',');
		csv_text(out, columns[i].name);
	}
	if (n)
		buf_lit(out, "\r\n");
}

/* cv->cell holds the cell as the native form writes it. JSON stays JSON: its texts keep their quotes. */
static void csv_cell(struct convert *cv, const struct engine_column *col, struct buf *out)
{
	struct str s = buf_str(&cv->cell);

	if (str_eq(s, S("null")))
		return;
	if (s.n >= 2 && s.p[0] == '"' && col->kind != ENGINE_T_JSON)
		s = json_unescape(&cv->scratch, str_from(s.p + 1, s.n - 2));
	csv_text(out, s);
}

/* --- rows --- */
static const struct shape {
	struct str open, close;
} shapes[] = {
	[CONVERT_ARRAYS] = {S_INIT("["), S_INIT("]")},
	[CONVERT_OBJECTS] = {S_INIT("{"), S_INIT("}\n")},
	[CONVERT_CSV] = {S_INIT(""), S_INIT("\r\n")},
};

static bool put_cell(struct convert *cv, int i, const struct json_cell *cell, struct buf *out)
{
	if (i)
		buf_addc(out, ',');
	if (cv->shape == CONVERT_OBJECTS)
		buf_add(out, cv->keys[i]);
	if (cv->shape != CONVERT_CSV)
		return convert_cell(cv, &cv->columns[i], cell, out);
	buf_clear(&cv->cell);
	if (!convert_cell(cv, &cv->columns[i], cell, &cv->cell) || !buf_ok(&cv->cell))
		return false;
	csv_cell(cv, &cv->columns[i], out);
	return true;
}

static bool put_row(struct convert *cv, struct buf *out)
{
	const struct shape *shape = &shapes[cv->shape];
	struct json_cell cell;
	int n = 0;

	if (cv->shape == CONVERT_ARRAYS && cv->comma)
		buf_addc(out, ',');
	cv->comma = true;
	buf_add(out, shape->open);
	for (; json_scan_cell(&cv->scan, &cell); n++)
		if (n == cv->ncolumns || !put_cell(cv, n, &cell, out))
			return false;
	buf_add(out, shape->close);
	return n == cv->ncolumns && !cv->scan.bad && buf_ok(out);
}

bool convert_page(struct convert *cv, size_t page, struct buf *out, bool *ret_done)
{
	size_t from = out->n;
	bool done = false;

	while (out->n - from < page) {
		done = !json_scan_row(&cv->scan);
		if (done)
			break;
		if (!put_row(cv, out))
			return false;
	}
	arena_reset(&cv->scratch);
	if (cv->scan.bad)
		return false;
	*ret_done = done;
	return true;
}

void convert_drop(struct convert *cv)
{
	arena_close(&cv->scratch);
	buf_drop(&cv->cell);
	buf_drop(&cv->text);
}
