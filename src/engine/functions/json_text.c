/* json_text.c - the text of VARIANT values: walking, unquoting, quoting, comparing. */
#include "engine/functions/json.h"

/* --- walking --- */
static inline bool is_blank(char c)
{
	return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static inline const char *space(const char *p, const char *end)
{
	while (p < end && is_blank(*p))
		p++;
	return p;
}

/* Behind the string that begins at the quote `p`; NULL: it does not end. */
static const char *behind_string(const char *p, const char *end)
{
	for (p++; p < end; p++) {
		if (*p == '"')
			return p + 1;
		if (*p == '\\')
			p++;
	}
	return NULL;
}

static const char *behind_brackets(const char *p, const char *end)
{
	int depth = 0;

	while (p < end) {
		switch (*p) {
		case '"':
			p = behind_string(p, end);
			if (!p)
				return NULL;
			continue;
		case '[':
		case '{':
			depth++;
			break;
		case ']':
		case '}':
			if (--depth == 0)
				return p + 1;
			break;
		default:
			break;
		}
		p++;
	}
	return NULL;
}

static const char *behind_word(const char *p, const char *end)
{
	const char *from = p;

	while (p < end && *p != ',' && *p != ']' && *p != '}' && *p != ':' && *p != '"' && *p != '[' && *p != '{' && !is_blank(*p))
		p++;
	if (p < end && *p == '"' && p == from + 1) /* a letter before it */
		return behind_string(p, end);
	return p == from ? NULL : p;
}

static const char *behind_value(const char *p, const char *end)
{
	if (p == end)
		return NULL;
	if (*p == '"')
		return behind_string(p, end);
	return *p == '{' || *p == '[' ? behind_brackets(p, end) : behind_word(p, end);
}

static const char *const words[VARIANT_KINDS] = {
	[VARIANT_UNDEFINED] = "undefined",
	[VARIANT_NULL] = "null",
};
static const char letters[VARIANT_KINDS] = {
	[VARIANT_BINARY] = 'b', [VARIANT_DATE] = 'd', [VARIANT_TIME] = 't', [VARIANT_TIMESTAMP_NTZ] = 'n',
	[VARIANT_TIMESTAMP_LTZ] = 'l', [VARIANT_TIMESTAMP_TZ] = 'z',
};

static enum variant_kind number_kind(struct str v)
{
	enum variant_kind k = VARIANT_INTEGER;

	for (size_t i = 0; i < v.n; i++) {
		if (v.p[i] == '.')
			k = VARIANT_DECIMAL;
		else if (v.p[i] == 'e' || v.p[i] == 'E' || v.p[i] == 'I')
			return VARIANT_DOUBLE;
	}
	return k;
}

enum variant_kind variant_kind(struct str v)
{
	if (v.n == 0)
		return VARIANT_BAD;
	if (ascii_digit(v.p[0]) || v.p[0] == '-')
		return number_kind(v);
	switch (v.p[0]) {
	case '"':
		return VARIANT_VARCHAR;
	case '[':
		return VARIANT_ARRAY;
	case '{':
		return VARIANT_OBJECT;
	default:
		break;
	}
	for (int k = VARIANT_BINARY; v.n > 1 && v.p[1] == '"' && k <= VARIANT_TIMESTAMP_TZ; k++)
		if (letters[k] == v.p[0])
			return (enum variant_kind)k;
	if (str_eq(v, S("true")) || str_eq(v, S("false")))
		return VARIANT_BOOLEAN;
	if (str_eq(v, S("NaN")) || str_eq(v, S("Infinity")))
		return VARIANT_DOUBLE;
	for (int k = VARIANT_UNDEFINED; k <= VARIANT_NULL; k++)
		if (str_eq(v, str_of(words[k])))
			return (enum variant_kind)k;
	return VARIANT_BAD;
}

bool variant_is_number(enum variant_kind k)
{
	return k == VARIANT_INTEGER || k == VARIANT_DECIMAL || k == VARIANT_DOUBLE;
}

bool variant_is_text(enum variant_kind k)
{
	return k >= VARIANT_VARCHAR && k <= VARIANT_TIMESTAMP_TZ;
}

bool variant_sql_null(struct str v)
{
	enum variant_kind k = variant_kind(v);

	return k == VARIANT_NULL || k == VARIANT_UNDEFINED || k == VARIANT_BAD;
}

struct variant_items variant_items(struct str v)
{
	enum variant_kind k = variant_kind(v);

	if (k != VARIANT_ARRAY && k != VARIANT_OBJECT)
		return (struct variant_items){v.p, v.p, false, true};
	return (struct variant_items){v.p + 1, v.p + v.n, k == VARIANT_OBJECT, false};
}

static bool end_of_items(struct variant_items *it)
{
	it->done = true;
	return false;
}

bool variant_next(struct variant_items *it, struct str *ret_key, struct str *ret_item)
{
	const char *p, *behind;

	if (it->done)
		return false;
	p = space(it->p, it->end);
	if (it->object) {
		behind = p < it->end && *p == '"' ? behind_string(p, it->end) : NULL;
		if (!behind)
			return end_of_items(it);
		*ret_key = str_from(p + 1, (size_t)(behind - p) - 2);
		p = space(behind, it->end);
		if (p == it->end || *p != ':')
			return end_of_items(it);
		p = space(p + 1, it->end);
	}
	behind = behind_value(p, it->end);
	if (!behind)
		return end_of_items(it);
	*ret_item = str_from(p, (size_t)(behind - p));
	p = space(behind, it->end);
	it->done = p == it->end || *p != ',';
	it->p = it->done ? p : p + 1;
	return true;
}

int64_t variant_count(struct str v)
{
	struct str key, item;
	int64_t n = 0;

	for (struct variant_items it = variant_items(v); variant_next(&it, &key, &item);)
		n++;
	return n;
}

bool variant_at(struct str array, int64_t i, struct str *ret)
{
	struct str key;

	if (i < 0 || variant_kind(array) != VARIANT_ARRAY)
		return false;
	for (struct variant_items it = variant_items(array); variant_next(&it, &key, ret);)
		if (i-- == 0)
			return true;
	return false;
}

bool variant_member(struct str object, struct str escaped_key, struct str *ret)
{
	struct str key;

	if (variant_kind(object) != VARIANT_OBJECT)
		return false;
	for (struct variant_items it = variant_items(object); variant_next(&it, &key, ret);)
		if (str_eq(key, escaped_key))
			return true;
	return false;
}

bool variant_member_icase(struct str object, struct str escaped_key, struct str *ret)
{
	struct str key;

	if (variant_member(object, escaped_key, ret))
		return true;
	if (variant_kind(object) != VARIANT_OBJECT)
		return false;
	for (struct variant_items it = variant_items(object); variant_next(&it, &key, ret);)
		if (str_ieq(key, escaped_key))
			return true;
	return false;
}

/* --- strings --- */
static uint32_t hex4(const char *p)
{
	uint32_t v = 0;

	for (int i = 0; i < 4; i++) {
		int digit = ascii_hex(p[i]);

		if (digit < 0)
			return UINT32_MAX;
		v = v << 4 | (uint32_t)digit;
	}
	return v;
}

static void put_utf8(struct buf *out, uint32_t c)
{
	char b[4];
	size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

	if (n == 1) {
		buf_addc(out, (char)c);
		return;
	}
	for (size_t i = n; i-- > 1; c >>= 6)
		b[i] = (char)(0x80 | (c & 0x3F));
	b[0] = (char)(c | (n == 2 ? 0xC0u : n == 3 ? 0xE0u : 0xF0u));
	buf_add(out, str_from(b, n));
}

/* `p` is behind \u; returns behind what was read. Half a pair is U+FFFD. */
static const char *put_unicode(const char *p, const char *end, struct buf *out)
{
	uint32_t c = end - p >= 4 ? hex4(p) : UINT32_MAX, low;

	if (c == UINT32_MAX) {
		put_utf8(out, 0xFFFD);
		return p;
	}
	p += 4;
	if (c >= 0xD800 && c < 0xDC00 && end - p >= 6 && p[0] == '\\' && p[1] == 'u') {
		low = hex4(p + 2);
		if (low >= 0xDC00 && low < 0xE000) {
			put_utf8(out, 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00));
			return p + 6;
		}
	}
	put_utf8(out, c >= 0xD800 && c < 0xE000 ? 0xFFFD : c);
	return p;
}

static const char *put_unescaped(const char *p, const char *end, struct buf *out)
{
	static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
	const char *found;

	if (p == end)
		return p;
	if (*p == 'u')
		return put_unicode(p + 1, end, out);
	found = *p ? strchr(from, *p) : NULL;
	buf_addc(out, found ? to[found - from] : *p);
	return p + 1;
}

struct str variant_text(struct str v, struct buf *room)
{
	struct str inside = v;
	const char *end;

	if (v.n && v.p[0] != '"')
		inside = str_tail(inside, 1);
	inside = inside.n >= 2 ? str_from(inside.p + 1, inside.n - 2) : S("");
	if (str_find(inside, '\\') == inside.n)
		return inside;
	buf_clear(room);
	end = inside.p + inside.n;
	for (const char *p = inside.p; p < end;) {
		const char *slash = memchr(p, '\\', (size_t)(end - p));

		buf_add(room, str_from(p, (size_t)((slash ? slash : end) - p)));
		p = slash ? put_unescaped(slash + 1, end, room) : end;
	}
	return buf_str(room);
}

bool variant_varchar(struct str v, struct buf *room, struct str *ret)
{
	enum variant_kind k = variant_kind(v);
	double real;

	if (variant_sql_null(v))
		return false;
	if (variant_is_text(k)) {
		*ret = variant_text(v, room);
		return true;
	}
	*ret = v;
	if (k != VARIANT_ARRAY && k != VARIANT_OBJECT && k != VARIANT_DOUBLE)
		return true;
	buf_clear(room);
	if (k == VARIANT_DOUBLE && variant_real(v, &real) && ascii_digit(v.p[v.n - 1])) {
		char *to = buf_room(room, TEXT_ROOM), *end = text_double(to, real);

		if (end)
			room->n = (size_t)(end - room->p);
		else
			buf_fmt(room, "%.15g", real);
	} else {
		variant_put_json(room, v);
	}
	*ret = buf_str(room);
	return true;
}

static void put_escape(struct buf *out, unsigned char c)
{
	static const char from[] = "\b\f\n\r\t\"\\", to[] = "bfnrt\"\\";
	const char *found = c ? strchr(from, c) : NULL;

	if (found)
		buf_fmt(out, "\\%c", to[found - from]);
	else
		buf_fmt(out, "\\u%04x", c);
}

void variant_put_escaped(struct buf *out, struct str text)
{
	size_t from = 0;

	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];

		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		buf_add(out, str_from(text.p + from, i - from));
		put_escape(out, c);
		from = i + 1;
	}
	buf_add(out, str_tail(text, from));
}

void variant_put_text(struct buf *out, struct str text)
{
	buf_addc(out, '"');
	variant_put_escaped(out, text);
	buf_addc(out, '"');
}

void variant_put_key(struct buf *out, struct str text)
{
	variant_put_text(out, text);
	buf_addc(out, ':');
}

/* Letters stand behind a bracket, a comma, a colon or nothing, right before a quote. */
void variant_put_json(struct buf *out, struct str v)
{
	const char *p = v.p, *end = v.p + v.n, *from = v.p;

	while (p < end) {
		if (*p == '"') {
			const char *behind = behind_string(p, end);

			p = behind ? behind : end;
		} else if (p + 1 < end && p[1] == '"' && ascii_alpha(*p)) {
			buf_add(out, str_from(from, (size_t)(p - from)));
			from = ++p;
		} else {
			p++;
		}
	}
	buf_add(out, str_from(from, (size_t)(end - from)));
}

/* --- building --- */
struct variant_list variant_list(struct buf *out, char bracket)
{
	struct variant_list l = {out, out->n, false};

	buf_addc(out, bracket);
	return l;
}

void variant_add(struct variant_list *l, struct str v)
{
	if (l->any)
		buf_addc(l->out, ',');
	l->any = true;
	buf_add(l->out, v);
}

void variant_add_member(struct variant_list *l, struct str escaped_key, struct str v)
{
	if (l->any)
		buf_addc(l->out, ',');
	l->any = true;
	buf_addc(l->out, '"');
	buf_add(l->out, escaped_key);
	buf_lit(l->out, "\":");
	buf_add(l->out, v);
}

void variant_end(struct variant_list *l, char bracket)
{
	buf_addc(l->out, bracket);
}

/* --- order --- */
static int rank(enum variant_kind k)
{
	return variant_is_number(k) ? VARIANT_INTEGER : (int)k;
}

static int compare_numbers(struct str a, struct str b)
{
	double x = 0, y = 0;
	__int128 l, r;

	if (variant_decimal(a, 38, 9, &l) && variant_decimal(b, 38, 9, &r) && l != r)
		return l < r ? -1 : 1;
	if (!variant_real(a, &x) || !variant_real(b, &y))
		return str_cmp(a, b);
	return (x > y) - (x < y);
}

int variant_compare(struct str a, struct str b)
{
	enum variant_kind ka = variant_kind(a), kb = variant_kind(b);

	if (variant_is_number(ka) && variant_is_number(kb))
		return compare_numbers(a, b);
	if (rank(ka) != rank(kb))
		return rank(ka) < rank(kb) ? -1 : 1;
	if (variant_is_text(ka)) { /* not the quotes: they sort above blanks */
		OWNS(buf) x = {0}, y = {0};

		return str_cmp(variant_text(a, &x), variant_text(b, &y));
	}
	return str_cmp(a, b);
}

void variant_sort_key(struct str v, struct buf *out)
{
	enum variant_kind k = variant_kind(v);
	OWNS(buf) room = {0};
	uint64_t bits;
	double real = 0;

	buf_addc(out, (char)('a' + rank(k)));
	if (!variant_is_number(k)) {
		buf_add(out, variant_is_text(k) ? variant_text(v, &room) : v);
		return;
	}
	if (!variant_real(v, &real))
		real = 0;
	memcpy(&bits, &real, sizeof(bits));
	bits = bits >> 63 ? ~bits : bits | (uint64_t)1 << 63;
	buf_fmt(out, "%016llx", (unsigned long long)bits);
}
