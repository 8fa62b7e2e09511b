/* chunk.c - the chunked coding, strictly: hex digits, CRLF, nothing else.
 *
 * Extensions and trailers are read past and forgotten; together they may have
 * EXTRA_MAX bytes.
 */
#include "http/frame.h"

enum { EXTRA_MAX = 16 * 1024, SIZE_DIGITS = 15 };

enum state {
	AT_SIZE,
	AT_EXTENSION,
	AT_SIZE_LF,
	AT_BODY,
	AT_BODY_CR,
	AT_BODY_LF,
	AT_TRAILER,       /* first byte of a trailer line, or the last CR */
	AT_TRAILER_NAME,
	AT_TRAILER_VALUE,
	AT_TRAILER_LF,
	AT_LAST_LF,
	AT_END,
	AT_ERROR,
};

static bool is_text(char ch)
{
	return ch == '\t' || ((unsigned char)ch >= ' ' && ch != 0x7F);
}

static enum state on_size(struct http_chunks *c, char ch)
{
	int v = ascii_hex(ch);

	if (v >= 0) {
		c->left = c->left * 16 + (unsigned)v;
		return ++c->digits > SIZE_DIGITS ? AT_ERROR : AT_SIZE;
	}
	if (c->digits == 0)
		return AT_ERROR;
	if (ch == ';')
		return AT_EXTENSION;
	return ch == '\r' ? AT_SIZE_LF : AT_ERROR;
}

static enum state on_text(struct http_chunks *c, char ch, enum state here, enum state after)
{
	if (ch == '\r')
		return after;
	return is_text(ch) && ++c->extra <= EXTRA_MAX ? here : AT_ERROR;
}

static enum state on_size_lf(struct http_chunks *c, char ch)
{
	c->digits = 0;
	if (ch != '\n')
		return AT_ERROR;
	return c->left ? AT_BODY : AT_TRAILER;
}

static enum state on_trailer_name(struct http_chunks *c, char ch)
{
	if (++c->extra > EXTRA_MAX)
		return AT_ERROR;
	if (ch == ':')
		return AT_TRAILER_VALUE;
	return http_is_token(str_from(&ch, 1)) ? AT_TRAILER_NAME : AT_ERROR;
}

static enum state step(struct http_chunks *c, char ch)
{
	switch ((enum state)c->state) {
	case AT_SIZE:
		return on_size(c, ch);
	case AT_EXTENSION:
		return on_text(c, ch, AT_EXTENSION, AT_SIZE_LF);
	case AT_SIZE_LF:
		return on_size_lf(c, ch);
	case AT_BODY_CR:
		return ch == '\r' ? AT_BODY_LF : AT_ERROR;
	case AT_BODY_LF:
		return ch == '\n' ? AT_SIZE : AT_ERROR;
	case AT_TRAILER:
		if (ch == '\r')
			return AT_LAST_LF;
		return ch == ':' ? AT_ERROR : on_trailer_name(c, ch);
	case AT_TRAILER_NAME:
		return on_trailer_name(c, ch);
	case AT_TRAILER_VALUE:
		return on_text(c, ch, AT_TRAILER_VALUE, AT_TRAILER_LF);
	case AT_TRAILER_LF:
		return ch == '\n' ? AT_TRAILER : AT_ERROR;
	case AT_LAST_LF:
		return ch == '\n' ? AT_END : AT_ERROR;
	case AT_BODY:
	case AT_END:
	case AT_ERROR:
		break;
	}
	return AT_ERROR;
}

static void take_body(struct http_chunks *c, struct str *in, struct str *ret)
{
	size_t n = in->n < c->left ? in->n : (size_t)c->left;

	*ret = str_head(*in, n);
	*in = str_tail(*in, n);
	c->left -= n;
	if (c->left == 0)
		c->state = AT_BODY_CR;
}

enum http_frame http_chunks_next(struct http_chunks *c, struct str *in, struct str *ret)
{
	while (in->n > 0 && c->state != AT_END && c->state != AT_ERROR) {
		if (c->state == AT_BODY) {
			take_body(c, in, ret);
			return FRAME_DATA;
		}
		c->state = (int)step(c, in->p[0]);
		*in = str_tail(*in, 1);
	}
	if (c->state == AT_ERROR)
		return FRAME_BAD;
	return c->state == AT_END ? FRAME_DONE : FRAME_MORE;
}
