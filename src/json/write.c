/* write.c - JSON straight into a buf. Keeps no stack: whoever begins an object
 * or array ends it. Any thread.
 */
#include "json/json_int.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void comma(struct json_out *o)
{
	if (o->comma)
		buf_addc(o->b, ',');
	o->comma = true;
}

static void begin(struct json_out *o, char bracket)
{
	comma(o);
	buf_addc(o->b, bracket);
	o->comma = false;
}

static void end(struct json_out *o, char bracket)
{
	buf_addc(o->b, bracket);
	o->comma = true;
}

void json_begin_object(struct json_out *o)
{
	begin(o, '{');
}

void json_end_object(struct json_out *o)
{
	end(o, '}');
}

void json_begin_array(struct json_out *o)
{
	begin(o, '[');
}

void json_end_array(struct json_out *o)
{
	end(o, ']');
}

void json_key(struct json_out *o, struct str key)
{
	comma(o);
	json_quote(o->b, key);
	buf_addc(o->b, ':');
	o->comma = false;
}

void json_literal_key(struct json_out *o, struct str quoted)
{
	comma(o);
	buf_add(o->b, quoted);
	o->comma = false;
}

void json_put_text(struct json_out *o, struct str s)
{
	comma(o);
	json_quote(o->b, s);
}

void json_put_int(struct json_out *o, int64_t v)
{
	comma(o);
	buf_i64(o->b, v);
}

void json_put_real(struct json_out *o, double v)
{
	comma(o);
	if (isnan(v))
		buf_lit(o->b, "\"NaN\"");
	else if (isinf(v))
		buf_add(o->b, v > 0 ? S("\"Infinity\"") : S("\"-Infinity\""));
	else
		json_real_text(o->b, v);
}

void json_put_bool(struct json_out *o, bool v)
{
	comma(o);
	buf_add(o->b, v ? S("true") : S("false"));
}

void json_put_null(struct json_out *o)
{
	comma(o);
	buf_lit(o->b, "null");
}

void json_put_raw(struct json_out *o, struct str json)
{
	comma(o);
	buf_add(o->b, json);
}

static void put_container(struct json_out *o, const json_node *n, bool object)
{
	const json_node *value;
	struct str key;

	begin(o, object ? '{' : '[');
	for (size_t i = 0; !object && i < json_count(n); i++)
		json_put_node(o, json_at(n, i));
	for (void *it = NULL; object && json_each(n, &it, &key, &value);) {
		json_key(o, key);
		json_put_node(o, value);
	}
	end(o, object ? '}' : ']');
}

/* As deep as documents are read: JSON_MAX_DEPTH. */
void json_put_node(struct json_out *o, const json_node *n)
{
	switch (json_kind(n)) {
	case JSON_KIND_NULL:
		json_put_null(o);
		break;
	case JSON_KIND_BOOL:
		json_put_bool(o, json_bool(n));
		break;
	case JSON_KIND_INT:
		json_put_int(o, json_int(n));
		break;
	case JSON_KIND_REAL:
		json_put_real(o, json_number(n));
		break;
	case JSON_KIND_TEXT:
		json_put_text(o, json_text(n));
		break;
	case JSON_KIND_ARRAY:
	case JSON_KIND_OBJECT:
		put_container(o, n, json_kind(n) == JSON_KIND_OBJECT);
		break;
	}
}

void json_put_time(struct json_out *o, int64_t wall_ms)
{
	char at[CLOCK_RFC3339_MAX];

	json_put_text(o, str_of(clock_rfc3339(wall_ms, at)));
}

void json_put_texts(struct json_out *o, const struct str *v, int n)
{
	json_begin_array(o);
	for (int i = 0; i < n; i++)
		json_put_text(o, v[i]);
	json_end_array(o);
}

struct str json_node_text(struct arena *a, const json_node *n)
{
	OWNS(buf) text = {0};
	struct json_out o = json_out(&text);

	json_put_node(&o, n);
	return arena_dup(a, buf_str(&text));
}

/* Length of the well-formed UTF-8 sequence at the front of s, which is not ASCII; or 0. */
static size_t utf8_sequence(struct str s)
{
	unsigned char lead = (unsigned char)s.p[0];
	size_t n = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;

	return str_is_utf8(str_head(s, n)) ? n : 0;
}

/* The bytes over 0x7F at the front of s, with what is not UTF-8 replaced. */
static size_t quote_wide(struct buf *b, struct str s)
{
	size_t at = 0;

	while (at < s.n && (s.p[at] & 0x80)) {
		size_t n = utf8_sequence(str_tail(s, at));

		if (n == 0)
			break;
		at += n;
	}
	if (at) {
		buf_add(b, str_head(s, at));
		return at;
	}
	buf_lit(b, "\xEF\xBF\xBD");
	return 1;
}

static void quote_mark(struct buf *b, unsigned char c)
{
	static const char short_form[256] = {
	        ['"'] = '"', ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};
	static const char hex[] = "0123456789abcdef";

	if (short_form[c])
		buf_add(b, str_from((char[]){'\\', short_form[c]}, 2));
	else
		buf_add(b, str_from((char[]){'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]}, 6));
}

static void quote(struct buf *b, struct str s, bool judged)
{
	const char *p = s.p, *stop = s.p + s.n;
	unsigned char watched = judged ? 0 : 0x80; /* until all wide bytes are known to be good */

	if (!buf_room(b, s.n + 2)) /* most strings need no more than this */
		return;
	buf_addc(b, '"');
	while (p < stop) {
		size_t run = json_plain(p, stop, watched);
		struct str rest = str_from(p + run, (size_t)(stop - p) - run);

		buf_add(b, str_from(p, run));
		p += run;
		if (!rest.n)
			break;
		if (!(*p & 0x80)) {
			quote_mark(b, (unsigned char)*p++);
		} else if (!judged) {
			judged = true;
			watched = str_is_utf8(rest) ? 0 : 0x80;
		} else {
			p += quote_wide(b, rest);
		}
	}
	buf_addc(b, '"');
}

void json_quote(struct buf *b, struct str s)
{
	quote(b, s, false);
}

void json_quote_utf8(struct buf *b, struct str s)
{
	quote(b, s, true);
}

static const double EXPONENT_FROM = 1e15;

void json_real_text(struct buf *b, double v)
{
	char text[TEXT_ROOM], *end = fabs(v) < EXPONENT_FROM ? text_double(text, v) : NULL;
	int n = 0;

	if (end) {
		buf_add(b, str_from(text, (size_t)(end - text)));
		return;
	}
	for (int precision = fabs(v) < DBL_MIN ? 1 : 15; precision <= 17; precision++) { /* denormals have fewer */
		n = snprintf(text, sizeof(text), "%.*g", precision, v);
		if (strtod(text, NULL) == v)
			break;
	}
	buf_add(b, str_from(text, (size_t)n));
}
