/* head.c - is this request head one that every reader understands alike?
 *
 * Lines are judged as soon as they are whole, so that a bad one is refused
 * before the head ends. Parsing is not here: see parse.c.
 */
#include "http/frame.h"

enum { LENGTH_DIGITS = 18 };

/* tchar of RFC 9110 5.6.2 */
static const bool token_char[256] = {
	['!'] = 1, ['#'] = 1, ['$'] = 1, ['%'] = 1, ['&'] = 1, ['\''] = 1, ['*'] = 1, ['+'] = 1,
	['-'] = 1, ['.'] = 1, ['^'] = 1, ['_'] = 1, ['`'] = 1, ['|'] = 1, ['~'] = 1,
	['0' ... '9'] = 1, ['A' ... 'Z'] = 1, ['a' ... 'z'] = 1,
};
/* what a field value may hold: visible, space, tab, obs-text */
static const bool value_char[256] = {
	['\t'] = 1, [' ' ... '~'] = 1, [0x80 ... 0xFF] = 1,
};
/* uri-host and port of RFC 3986, loosely */
static const bool host_char[256] = {
	['!'] = 1, ['$' ... '.'] = 1, ['0' ... ';'] = 1, ['='] = 1, ['A' ... '['] = 1,
	[']'] = 1, ['_'] = 1, ['a' ... 'z'] = 1, ['~'] = 1,
};

static size_t span(struct str s, const bool table[256])
{
	size_t i = 0;

	while (i < s.n && table[(unsigned char)s.p[i]])
		i++;
	return i;
}

bool http_is_token(struct str s)
{
	return s.n > 0 && span(s, token_char) == s.n;
}

static bool bad(struct http_head_scan *h, const char *why)
{
	h->why = why;
	return false;
}

static bool take_host(struct http_head_scan *h, struct str value)
{
	h->hosts++;
	if (span(value, host_char) != value.n)
		return bad(h, "a Host that is no host name");
	return true;
}

static bool take_length(struct http_head_scan *h, struct str value)
{
	if (h->has_length)
		return bad(h, "Content-Length twice");
	h->has_length = true;
	if (value.n > LENGTH_DIGITS || !str_to_u64(value, &h->length))
		return bad(h, "a Content-Length that is no number");
	return true;
}

static bool take_encoding(struct http_head_scan *h, struct str value)
{
	if (h->chunked)
		return bad(h, "Transfer-Encoding twice");
	h->chunked = true;
	if (!str_ieq(value, S("chunked")))
		return bad(h, "a Transfer-Encoding other than chunked");
	return true;
}

static const struct {
	struct str name;
	bool (*take)(struct http_head_scan *h, struct str value);
} framing[] = {
	{S_INIT("host"), take_host},
	{S_INIT("content-length"), take_length},
	{S_INIT("transfer-encoding"), take_encoding},
};

static struct str trim_blank(struct str s)
{
	while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = str_tail(s, 1);
	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

static bool take_field(struct http_head_scan *h, struct str line)
{
	size_t colon = span(line, token_char);
	struct str name = str_head(line, colon), value = str_tail(line, colon + 1);

	if (colon == 0)
		return bad(h, "a header line without a name");
	if (colon == line.n || line.p[colon] != ':')
		return bad(h, "a header name with a wrong character");
	if (span(value, value_char) != value.n)
		return bad(h, "a control character in a header");
	h->fields++;
	for (size_t i = 0; i < COUNT_OF(framing); i++)
		if (str_ieq(name, framing[i].name))
			return framing[i].take(h, trim_blank(value));
	return true;
}

static bool take_request_line(struct http_head_scan *h, struct str line)
{
	struct str method = str_cut(&line, ' '), target = str_cut(&line, ' ');

	h->begun = true;
	if (!http_is_token(method))
		return bad(h, "no method");
	if (target.n == 0)
		return bad(h, "no request target");
	for (size_t i = 0; i < target.n; i++)
		if (target.p[i] <= ' ' || target.p[i] > '~')
			return bad(h, "a wrong character in the request target");
	h->http11 = str_eq(line, S("HTTP/1.1"));
	if (!h->http11 && !str_eq(line, S("HTTP/1.0")))
		return bad(h, "not HTTP/1.1 or HTTP/1.0");
	return true;
}

static bool judge(struct http_head_scan *h)
{
	if (h->hosts > 1)
		return bad(h, "two Host headers");
	if (h->http11 && h->hosts == 0)
		return bad(h, "no Host header");
	if (h->chunked && h->has_length)
		return bad(h, "Transfer-Encoding together with Content-Length");
	if (h->chunked && !h->http11)
		return bad(h, "Transfer-Encoding in HTTP/1.0");
	return true;
}

/* A line without its CRLF. Returns false when bad; *ret_done: it ended the head. */
static bool take_line(struct http_head_scan *h, struct str line, bool *ret_done)
{
	if (line.n > 0)
		return h->begun ? take_field(h, line) : take_request_line(h, line);
	if (h->begun) {
		*ret_done = true;
		return judge(h);
	}
	if (h->blank)
		return bad(h, "empty lines before the request");
	h->blank = true;
	h->start = h->at;
	return true;
}

enum http_frame http_head_scan(struct http_head_scan *h, struct str in)
{
	bool done = false;

	while (!done) {
		struct str rest = str_tail(in, h->at), line = rest;
		size_t lf = str_find(rest, '\n');
		size_t cr = str_find(rest, '\r');

		if (cr + 1 < rest.n && cr + 1 != lf) {
			h->why = lf < cr ? "a bare LF" : "a bare CR";
			return FRAME_BAD;
		}
		if (lf == rest.n)
			return FRAME_MORE;
		if (cr > lf) {
			h->why = "a bare LF";
			return FRAME_BAD;
		}
		line.n = cr;
		h->at += lf + 1;
		if (!take_line(h, line, &done))
			return FRAME_BAD;
	}
	return FRAME_DONE;
}
