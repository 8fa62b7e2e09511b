/* upload_csv.c - CSV as RFC 4180 has it, looked at while it is spooled.
 *
 * Counts records and fields, keeps the header's names, and passes on a text that
 * has one kind of line ending and no byte order mark. Not here: values and their
 * types (upload_rows.c). One thread at a time.
 */
#include "view/upload_int.h"

void csv_open(struct csv *k, struct arena *a)
{
	*k = (struct csv){.blank = true, .arena = a, .names = ARENA_ARRAY(a, struct str, CSV_COLUMNS_MAX)};
}

void csv_close(struct csv *k)
{
	buf_drop(&k->name);
}

static bool wrong(struct call *c, const struct csv *k, const char *what)
{
	if (k->record == 0)
		fail(c, ERR_SCHEMA_MISMATCH, "header: %s", what);
	else
		fail(c, ERR_SCHEMA_MISMATCH, "row %lld: %s", (long long)k->record, what);
	return fail_more(c, "\"row\":%lld", (long long)k->record);
}

static bool end_field(struct call *c, struct csv *k)
{
	if (k->record == 0) {
		if (k->fields == CSV_COLUMNS_MAX)
			return wrong(c, k, "there are too many columns");
		if (!str_is_utf8(buf_str(&k->name)))
			return wrong(c, k, "a name is not UTF-8");
		if (str_find(buf_str(&k->name), '\0') < k->name.n)
			return wrong(c, k, "a name holds a zero byte");
		k->names[k->fields] = arena_dup(k->arena, buf_str(&k->name));
		buf_clear(&k->name);
	}
	k->fields++;
	k->at = CSV_FIELD;
	if (k->record > 0 && k->fields > k->columns)
		return wrong(c, k, "it has more fields than the header");
	return true;
}

static bool end_record(struct call *c, struct csv *k, struct buf *out)
{
	bool skip = k->blank && (k->record == 0 || k->columns > 1); /* an empty line is a NULL where there is one column */

	if (skip) {
		k->at = CSV_FIELD;
		k->length = 0;
		return true;
	}
	if (!end_field(c, k))
		return false;
	if (k->record == 0)
		k->columns = k->fields;
	if (k->fields < k->columns)
		return wrong(c, k, "it has fewer fields than the header");
	buf_addc(out, '\n');
	k->length = 0;
	k->record++;
	k->fields = 0;
	k->blank = true;
	return true;
}

static void pass(struct csv *k, struct buf *out, char l, bool content)
{
	buf_addc(out, l);
	k->blank = false;
	if (content && k->record == 0)
		buf_addc(&k->name, l);
}

/* Outside of quotes. */
static bool plain(struct call *c, struct csv *k, char l, struct buf *out)
{
	if (l == '\n')
		return end_record(c, k, out);
	if (l == '\r') {
		k->at = CSV_CR;
		return true;
	}
	if (l == ',') {
		pass(k, out, l, false);
		return end_field(c, k);
	}
	if (k->at == CSV_QUOTE)
		return wrong(c, k, "there is text behind a closing quote");
	if (l == '"') {
		if (k->at != CSV_FIELD)
			return wrong(c, k, "there is a quote inside a field that is not quoted");
		pass(k, out, l, false);
		k->at = CSV_QUOTED;
		return true;
	}
	pass(k, out, l, true);
	k->at = CSV_PLAIN;
	return true;
}

static bool one(struct call *c, struct csv *k, char l, struct buf *out)
{
	switch (k->at) {
	case CSV_QUOTED:
		if (l == '"') {
			buf_addc(out, l);
			k->at = CSV_QUOTE;
		} else {
			pass(k, out, l, true);
		}
		return true;
	case CSV_QUOTE:
		if (l != '"')
			return plain(c, k, l, out);
		pass(k, out, l, true);
		k->at = CSV_QUOTED;
		return true;
	case CSV_CR: /* it ends the record by itself, or with the LF behind it */
		if (!end_record(c, k, out))
			return false;
		return l == '\n' || plain(c, k, l, out);
	case CSV_FIELD:
	case CSV_PLAIN:
		break;
	}
	return plain(c, k, l, out);
}

/* The first bytes, when they are a byte order mark; how many were taken. */
static size_t skip_mark(struct csv *k, struct str bytes, struct buf *out)
{
	static const char mark[] = "\xEF\xBB\xBF";
	size_t n = 0;

	while (k->bom >= 0 && k->bom < 3 && n < bytes.n && bytes.p[n] == mark[k->bom]) {
		k->bom++;
		n++;
	}
	if (k->bom == 3 || (k->bom >= 0 && n < bytes.n)) {
		for (int i = 0; k->bom < 3 && i < k->bom; i++) {
			pass(k, out, mark[i], true);
			k->at = CSV_PLAIN;
		}
		k->bom = -1;
	}
	return n;
}

/* Bytes of a field that need no look, from `i`. */
static size_t dull(const struct csv *k, struct str bytes, size_t i)
{
	size_t from = i;

	if (k->record == 0)
		return 0;
	if (k->at == CSV_QUOTED)
		while (i < bytes.n && bytes.p[i] != '"')
			i++;
	else if (k->at == CSV_PLAIN)
		while (i < bytes.n && bytes.p[i] != ',' && bytes.p[i] != '\n' && bytes.p[i] != '\r' && bytes.p[i] != '"')
			i++;
	return i - from;
}

static bool fits(struct call *c, struct csv *k, size_t more)
{
	k->length += more;
	if (k->name.n > CSV_NAME_MAX)
		return wrong(c, k, "a name is too long");
	return k->length <= UPLOAD_ROW_MAX || wrong(c, k, "it is longer than 16 MiB");
}

bool csv_feed(struct call *c, struct csv *k, struct str bytes, struct buf *out)
{
	size_t i = k->bom < 0 ? 0 : skip_mark(k, bytes, out);

	while (i < bytes.n) {
		size_t n = dull(k, bytes, i);

		if (!fits(c, k, n ? n : 1))
			return false;
		if (n) {
			buf_add(out, str_from(bytes.p + i, n));
			i += n;
		} else if (!one(c, k, bytes.p[i++], out)) {
			return false;
		}
	}
	return true;
}

bool csv_end(struct call *c, struct csv *k, struct buf *out)
{
	if (k->at == CSV_QUOTED)
		return wrong(c, k, "a quoted field does not end");
	if ((!k->blank || k->at == CSV_CR) && !end_record(c, k, out))
		return false;
	return k->record > 0 || fail(c, ERR_SCHEMA_MISMATCH, "there is no header row");
}
