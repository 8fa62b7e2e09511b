/* events_line.c - the bytes of items and of heads: printing, reading, hashing. Knows no store. */
#include "lifecycle/events_int.h"

const char event_no_hash[HEX + 1] = "0000000000000000000000000000000000000000000000000000000000000000";

/* --- reading from both ends --- */
static bool take_literal(struct str *s, struct str literal)
{
	if (!str_starts(*s, literal))
		return false;
	*s = str_tail(*s, literal.n);
	return true;
}

/* A text without escapes, and the quote behind it. */
static bool take_text(struct str *s, struct str *ret)
{
	size_t n = str_find(*s, '"');

	if (n == s->n || str_find(str_head(*s, n), '\\') < n)
		return false;
	*ret = str_head(*s, n);
	*s = str_tail(*s, n + 1);
	return true;
}

static bool take_offset(struct str *s, int64_t *ret)
{
	size_t n = 0;

	while (n < s->n && ascii_digit(s->p[n]))
		n++;
	if (n == 0 || (n > 1 && s->p[0] == '0') || !str_to_i64(str_head(*s, n), ret) || *ret > OFFSET_MAX)
		return false;
	*s = str_tail(*s, n);
	return true;
}

/* The hash at the end of *s, and what stands before and behind it, are cut off. */
static bool take_hash_at_end(struct str *s, struct str before, struct str behind, struct str *ret)
{
	size_t n = before.n + HEX + behind.n;
	struct str end = str_tail(*s, s->n < n ? 0 : s->n - n);

	if (s->n < n || !take_literal(&end, before) || !str_ends(end, behind) || !str_is_hex(str_head(end, HEX), HEX))
		return false;
	*ret = str_head(end, HEX);
	*s = str_head(*s, s->n - n);
	return true;
}

bool event_line_parse(struct str line, struct event_line *ret)
{
	struct event_line l = {.line = line};
	struct str s = line;

	if (!take_hash_at_end(&s, S(",\"hash\":\""), S("\"}"), &l.hash) ||
	    !take_hash_at_end(&s, S(",\"prev_hash\":\""), S("\""), &l.prev_hash) ||
	    !take_literal(&s, S("{\"topic\":\"")) || !take_text(&s, &l.topic) ||
	    !take_literal(&s, S(",\"stream\":\"")) || !take_text(&s, &l.stream) ||
	    !take_literal(&s, S(",\"offset\":")) || !take_offset(&s, &l.offset) ||
	    !take_literal(&s, S(",\"time\":\"")) || !take_text(&s, &l.time) || !clock_parse_rfc3339(l.time, &l.time_ms) ||
	    !take_literal(&s, S(",\"tenant_id\":\"")) || !take_text(&s, &l.tenant) ||
	    !take_literal(&s, S(",\"payload\":")))
		return false;
	l.payload = s;
	if (!str_starts(s, S("{")) || !str_ends(s, S("}")) || str_find(s, '\n') < s.n)
		return false;
	*ret = l;
	return true;
}

void event_line_hash(struct str hashed, char ret[HEX + 1])
{
	unsigned char digest[SHA256_LEN];
	OWNS(buf) hex = {0};

	hash_sha256(hashed, digest);
	hash_hex(str_from((char *)digest, sizeof(digest)), &hex);
	memcpy(ret, hex.p, HEX);
	ret[HEX] = 0;
}

bool event_line_true(const struct event_line *l)
{
	char hash[HEX + 1];

	event_line_hash(str_head(l->line, (size_t)(l->hash.p - l->line.p) - S(",\"hash\":\"").n), hash);
	return str_eq(l->hash, str_of(hash));
}

void event_line_print(struct buf *b, const struct event_line *l, char ret_hash[HEX + 1])
{
	size_t from = b->n;

	buf_lit(b, "{\"topic\":\"");
	buf_add(b, l->topic);
	buf_lit(b, "\",\"stream\":\"");
	buf_add(b, l->stream);
	buf_lit(b, "\",\"offset\":");
	buf_i64(b, l->offset);
	buf_lit(b, ",\"time\":\"");
	buf_add(b, l->time);
	buf_lit(b, "\",\"tenant_id\":\"");
	buf_add(b, l->tenant);
	buf_lit(b, "\",\"payload\":");
	buf_add(b, l->payload);
	buf_lit(b, ",\"prev_hash\":\"");
	buf_add(b, l->prev_hash);
	buf_addc(b, '"');
	event_line_hash(str_from(b->p + from, b->n - from), ret_hash);
	buf_lit(b, ",\"hash\":\"");
	buf_add(b, str_from(ret_hash, HEX));
	buf_lit(b, "\"}\n");
}

/* --- heads --- */
static void head_mac(struct str dir, struct str key, struct str record, struct buf *hex)
{
	unsigned char mac[SHA256_LEN];
	OWNS(buf) signed_bytes = {0};

	buf_add(&signed_bytes, dir);
	buf_addc(&signed_bytes, '\n');
	buf_add(&signed_bytes, record);
	hash_hmac_sha256(key, buf_str(&signed_bytes), mac);
	hash_hex(str_from((char *)mac, sizeof(mac)), hex);
}

void head_print(struct buf *b, struct str dir, struct str key, const struct head *h)
{
	OWNS(buf) mac = {0};
	size_t from = b->n;

	buf_fmt(b, "{\"first\":%lld,\"first_prev\":\"%s\",\"next\":%lld,\"hash\":\"%s\",\"closed\":%s", (long long)h->first,
		h->first_prev, (long long)h->next, h->hash, h->closed ? "true" : "false");
	head_mac(dir, key, str_from(b->p + from, b->n - from), &mac);
	buf_lit(b, ",\"mac\":\"");
	buf_add(b, buf_str(&mac));
	buf_lit(b, "\"}\n");
}

static bool take_hash(struct str *s, char ret[HEX + 1])
{
	struct str hash;

	if (!take_text(s, &hash) || !str_is_hex(hash, HEX))
		return false;
	memcpy(ret, hash.p, HEX);
	ret[HEX] = 0;
	return true;
}

enum head_state head_parse(struct str record, struct str dir, struct str key, struct head *ret)
{
	struct head h = {0};
	OWNS(buf) true_mac = {0};
	struct str s = record, mac, hashed;

	if (!take_hash_at_end(&s, S(",\"mac\":\""), S("\"}"), &mac))
		return HEAD_UNREADABLE;
	hashed = s;
	if (!take_literal(&s, S("{\"first\":")) || !take_offset(&s, &h.first) || !take_literal(&s, S(",\"first_prev\":\"")) ||
	    !take_hash(&s, h.first_prev) || !take_literal(&s, S(",\"next\":")) || !take_offset(&s, &h.next) ||
	    !take_literal(&s, S(",\"hash\":\"")) || !take_hash(&s, h.hash) || !take_literal(&s, S(",\"closed\":")))
		return HEAD_UNREADABLE;
	h.closed = str_eq(s, S("true"));
	if ((!h.closed && !str_eq(s, S("false"))) || h.first > h.next)
		return HEAD_UNREADABLE;
	head_mac(dir, key, hashed, &true_mac);
	*ret = h;
	return hash_equal(true_mac.p, mac.p, HEX) ? HEAD_GOOD : HEAD_NOT_OURS;
}

/* --- members of a payload --- */

/* Index behind the text that begins at s.p[i], a quote; s.n when it has no end. */
static size_t behind_text(struct str s, size_t i)
{
	for (i++; i < s.n && s.p[i] != '"'; i++) {
		if (s.p[i] == '\\')
			i++;
	}
	return i < s.n ? i + 1 : s.n;
}

static size_t behind_spaces(struct str s, size_t i)
{
	while (i < s.n && (s.p[i] == ' ' || s.p[i] == '\t'))
		i++;
	return i;
}

/* Index of the comma or the bracket behind a value. */
static size_t behind_value(struct str s, size_t i)
{
	for (int depth = 0; i < s.n; i++) {
		char ch = s.p[i];

		if (depth == 0 && (ch == ',' || ch == '}'))
			return i;
		if (ch == '"')
			i = behind_text(s, i) - 1;
		depth += (ch == '{' || ch == '[') - (ch == '}' || ch == ']');
	}
	return s.n;
}

struct str event_member(struct str object, struct str name)
{
	struct str none = {object.p, 0};
	size_t i = behind_spaces(object, 1);

	while (i < object.n && object.p[i] == '"') {
		size_t end = behind_text(object, i), value = behind_spaces(object, end);
		struct str key = str_head(str_tail(object, i + 1), end - i - 2);

		if (end - i < 2 || value >= object.n || object.p[value] != ':')
			return none;
		value = behind_spaces(object, value + 1);
		end = behind_value(object, value);
		if (str_eq(key, name) && value < end && object.p[value] == '"')
			return str_head(str_tail(object, value + 1), behind_text(object, value) - value - 2);
		if (str_eq(key, name))
			return none;
		i = behind_spaces(object, end + 1);
	}
	return none;
}
