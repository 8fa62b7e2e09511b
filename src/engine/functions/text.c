/* text.c - Snowflake's TO_VARCHAR: any scalar as text, numbers by a format.
 *
 * A format's elements: 9 0 , G . D $ S MI B FM X TM TM9 TME, and "texts". Leading blanks and the sign's place are kept unless FM
 * says otherwise; what does not fit is shown as #.
 */
#include "engine/functions/functions.h"
#include "engine/functions/types.h"

#include <stdio.h>
#include <stdlib.h>

/* --- any scalar --- */
static void text_of_double(struct buf *b, double v)
{
	size_t from = b->n;

	if (v != v)
		buf_lit(b, "NaN");
	else if (v - v != 0)
		buf_add(b, v > 0 ? S("inf") : S("-inf"));
	else
		put_double(b, v);
	if (b->n - from > 2 && str_ends(buf_str(b), S(".0")))
		b->n -= 2;
}

static void put_upper_hex(struct buf *b, struct str bytes)
{
	size_t from = b->n;

	hash_hex(bytes, b);
	for (size_t i = from; i < b->n; i++)
		b->p[i] = ascii_upper(b->p[i]);
}

void sf_any_text(struct sf_row *r)
{
	__int128 v;
	int scale;

	switch (r->args[0].type) {
	case DUCKDB_TYPE_VARCHAR:
		sf_put_text(r, sf_text(r, 0));
		return;
	case DUCKDB_TYPE_BOOLEAN:
		sf_put_text(r, sf_bool(r, 0) ? S("true") : S("false"));
		return;
	case DUCKDB_TYPE_BLOB:
		put_upper_hex(&r->text, sf_text(r, 0));
		break;
	case DUCKDB_TYPE_DOUBLE:
		text_of_double(&r->text, sf_double(r, 0));
		break;
	default:
		if (!sf_number(r, 0, &v, &scale)) {
			sf_fails(r, SF_BAD_ARGUMENT, "Invalid argument types for function 'TO_VARCHAR'");
			return;
		}
		sf_number_text(v, scale, &r->text);
	}
	sf_put_text(r, buf_str(&r->text));
}

static bool bytes_as(struct sf_row *r, struct str bytes, struct str format)
{
	if (str_ieq(format, S("hex")))
		put_upper_hex(&r->text, bytes);
	else if (str_ieq(format, S("base64")))
		hash_base64(bytes, &r->text);
	else if (str_ieq(format, S("utf-8")) || str_ieq(format, S("utf8")))
		buf_add(&r->text, bytes);
	else
		return false;
	return str_is_utf8(buf_str(&r->text));
}

static void formatted_bytes(struct sf_row *r)
{
	if (bytes_as(r, sf_text(r, 0), sf_text(r, 1)))
		sf_put_text(r, buf_str(&r->text));
	else
		sf_fails(r, SF_BAD_VALUE, "Invalid value for the format of a binary: '%.*s'", SARG(str_head(sf_text(r, 1), 100)));
}

/* --- numbers by a format --- */
enum sign { FLOATING, S_BEFORE, S_BEHIND, MI_BEHIND, MI_BEFORE };
enum minimal { NOT_MINIMAL, TM9, TME };
enum { PLACES = 64 };

struct shape {
	char whole[PLACES]; /* '9', '0', ',' in order */
	int nwhole, ndigits, nfraction, nhex;
	struct str before, behind; /* texts */
	enum sign sign;
	enum minimal minimal;
	bool point, dollar, fill, blank, zero_hex;
};

static bool take(struct str *rest, const char *word)
{
	if (!str_istarts(*rest, str_of(word)))
		return false;
	*rest = str_tail(*rest, strlen(word));
	return true;
}

static bool take_place(struct shape *f, char c)
{
	if (f->point && c != ',') {
		f->nfraction++;
		return f->nfraction < 38;
	}
	if (f->point || f->nwhole == PLACES)
		return false;
	f->whole[f->nwhole++] = c;
	f->ndigits += c != ',';
	return f->ndigits <= 38;
}

static bool take_text(struct shape *f, struct str *rest)
{
	struct str inner = str_tail(*rest, 1);
	size_t end = str_find(inner, '"');
	bool first = f->nwhole == 0 && !f->point && f->nhex == 0 && !f->minimal;

	if (end == inner.n)
		return false;
	*(first ? &f->before : &f->behind) = str_head(inner, end);
	*rest = str_tail(inner, end + 1);
	return true;
}

static bool take_sign(struct shape *f, struct str *rest)
{
	bool first = f->nwhole == 0 && !f->point && f->nhex == 0;

	if (take(rest, "MI"))
		f->sign = first ? MI_BEFORE : MI_BEHIND;
	else if (take(rest, "S"))
		f->sign = first ? S_BEFORE : S_BEHIND;
	else
		return false;
	return true;
}

static bool take_hex(struct shape *f, struct str *rest)
{
	if (!take(rest, "X"))
		return false;
	f->nhex++;
	if (f->nhex == 1) { /* zeros before it are its own */
		f->nhex += f->ndigits;
		f->zero_hex = f->ndigits > 0;
	}
	return true;
}

static bool read_shape(struct str text, struct shape *f)
{
	*f = (struct shape){0};
	while (text.n) {
		char c = text.p[0];

		if (c == '"') {
			if (!take_text(f, &text))
				return false;
			continue;
		}
		if (take(&text, "TM9") || take(&text, "TME")) {
			f->minimal = ascii_upper(text.p[-1]) == 'E' ? TME : TM9;
			continue;
		}
		if (take(&text, "TM")) {
			f->minimal = TM9;
			continue;
		}
		if (take(&text, "FM")) {
			f->fill = true;
			continue;
		}
		if (take_sign(f, &text) || take_hex(f, &text))
			continue;
		text = str_tail(text, 1);
		if (c == '$')
			f->dollar = true;
		else if (c == 'B' || c == 'b')
			f->blank = true;
		else if ((c == '.' || c == 'D' || c == 'd') && !f->point)
			f->point = true;
		else if (!strchr("90,Gg", c) || !c || !take_place(f, ascii_upper(c) == 'G' ? ',' : c))
			return false;
	}
	return f->minimal || f->nwhole || f->nfraction || f->nhex;
}

/* Places of the whole part, filled from the right. False: too many digits. */
static bool fill_places(const struct shape *f, struct str digits, char *to)
{
	size_t left = digits.n;
	int zero = -1; /* the leftmost 0: from here on there are digits */

	for (int i = f->nwhole - 1; i >= 0; i--)
		if (f->whole[i] == '0')
			zero = i;
	if (digits.n == 1 && digits.p[0] == '0' && (f->blank || f->nwhole == 0))
		left = 0;
	if (left > (size_t)f->ndigits)
		return false;
	for (int i = f->nwhole - 1; i >= 0; i--) {
		if (f->whole[i] == ',')
			to[i] = left > 0 || (zero >= 0 && zero < i) ? ',' : ' ';
		else if (left > 0)
			to[i] = digits.p[--left];
		else
			to[i] = zero >= 0 && zero <= i ? '0' : ' ';
	}
	return true;
}

static void put_sign_and(struct buf *out, const struct shape *f, bool minus, struct str places)
{
	size_t blanks = 0;
	const char *sign = minus ? "-" : f->sign == S_BEFORE ? "+" : " ";

	while (blanks < places.n && places.p[blanks] == ' ')
		blanks++;
	if (!f->fill)
		buf_add(out, str_head(places, blanks));
	if (f->sign == FLOATING || f->sign == S_BEFORE || f->sign == MI_BEFORE) {
		if (!f->fill || *sign != ' ')
			buf_add(out, str_of(sign));
	}
	if (f->dollar)
		buf_addc(out, '$');
	buf_add(out, str_tail(places, blanks));
	if (f->sign == S_BEHIND)
		buf_addc(out, minus ? '-' : '+');
	else if (f->sign == MI_BEHIND && (minus || !f->fill))
		buf_addc(out, minus ? '-' : ' ');
}

static void put_overflow(struct buf *out, const struct shape *f)
{
	int n = f->nwhole + f->point + f->nfraction + f->dollar + 1;

	for (int i = 0; i < n; i++)
		buf_addc(out, '#');
}

static void put_places(struct sf_row *r, const struct shape *f, __int128 v, int scale)
{
	char places[2 * PLACES + 64];
	struct str text, whole;
	bool ok = sf_rescale(v, scale, f->nfraction, &v);
	size_t n = (size_t)f->nwhole;

	if (ok)
		sf_number_text(v < 0 ? -v : v, f->nfraction, &r->more);
	text = buf_str(&r->more);
	whole = str_head(text, str_find(text, '.'));
	if (!ok || !fill_places(f, whole, places)) {
		put_overflow(&r->text, f);
		return;
	}
	if (f->point) {
		places[n++] = '.';
		memcpy(places + n, text.p + whole.n + 1, f->nfraction ? (size_t)f->nfraction : 0);
		n += (size_t)f->nfraction;
	}
	put_sign_and(&r->text, f, v < 0, str_from(places, n));
}

static void put_hex(struct sf_row *r, const struct shape *f, __int128 v, int scale)
{
	bool minus, sign = f->sign == S_BEFORE;
	char digits[40];
	int n = 0, width = f->nhex > 32 ? 32 : f->nhex;
	unsigned __int128 u;

	if (!sf_rescale(v, scale, 0, &v))
		v = 0;
	minus = v < 0;
	u = (unsigned __int128)(sign && minus ? -v : v);
	if (minus && !sign && width < 32)
		u &= ((unsigned __int128)1 << (4 * width)) - 1;
	do {
		digits[n++] = "0123456789ABCDEF"[(int)(u & 15)];
		u >>= 4;
	} while (u && n < 32);
	while (n < width)
		digits[n++] = f->zero_hex ? '0' : ' ';
	if (sign || !minus) {
		if (!f->fill)
			buf_addc(&r->text, !sign ? ' ' : minus ? '-' : '+');
	}
	while (n > 0) {
		n--;
		if (!f->fill || digits[n] != ' ')
			buf_addc(&r->text, digits[n]);
	}
}

static void put_minimal(struct sf_row *r, const struct shape *f, __int128 v, int scale)
{
	struct str digits;
	int exponent;

	if (f->minimal == TM9) {
		sf_number_text(v, scale, &r->text);
		return;
	}
	sf_number_text(v < 0 ? -v : v, 0, &r->more);
	digits = buf_str(&r->more);
	exponent = v == 0 ? 0 : (int)digits.n - 1 - scale;
	while (digits.n > 1 && digits.p[digits.n - 1] == '0')
		digits.n--;
	if (v < 0)
		buf_addc(&r->text, '-');
	buf_add(&r->text, str_head(digits, 1));
	if (digits.n > 1) {
		buf_addc(&r->text, '.');
		buf_add(&r->text, str_tail(digits, 1));
	}
	buf_fmt(&r->text, "E%d", exponent);
}

static bool number_argument(struct sf_row *r, __int128 *ret, int *ret_scale)
{
	char text[64];

	if (r->args[0].type == DUCKDB_TYPE_VARCHAR)
		return sf_read_number(sf_text(r, 0), ret, ret_scale);
	if (r->args[0].type != DUCKDB_TYPE_DOUBLE)
		return sf_number(r, 0, ret, ret_scale);
	return sf_read_number(str_from(text, (size_t)snprintf(text, sizeof(text), "%.17g", sf_double(r, 0))), ret, ret_scale);
}

static void formatted_number(struct sf_row *r)
{
	struct shape f;
	__int128 v;
	int scale;

	if (!read_shape(sf_text(r, 1), &f)) {
		sf_fails(r, SF_BAD_VALUE, "Invalid number format: '%.*s'", SARG(str_head(sf_text(r, 1), 100)));
		return;
	}
	if (!number_argument(r, &v, &scale) || scale > 37 || (scale < 0 && (!sf_rescale(v, scale, 0, &v) || (scale = 0)))) {
		sf_fails(r, "100038/22018", "Numeric value is not recognized");
		return;
	}
	if (scale < 0)
		scale = 0;
	buf_add(&r->text, f.before);
	if (f.minimal)
		put_minimal(r, &f, v, scale);
	else if (f.nhex)
		put_hex(r, &f, v, scale);
	else
		put_places(r, &f, v, scale);
	buf_add(&r->text, f.behind);
	sf_put_text(r, buf_str(&r->text));
}

void sf_formatted_text(struct sf_row *r)
{
	if (r->args[0].type == DUCKDB_TYPE_BLOB)
		formatted_bytes(r);
	else
		formatted_number(r);
}

/* (value, text): for a cast. The text of the cast, but of times and bytes their own. */
static void cast_text(struct sf_row *r)
{
	sf_put_text(r, sf_text(r, 1));
}

#define SHOWN(name, args) \
	{name, "A" args ">V", sf_shown, SF_NULLS}, {name, "d" args ">V", sf_shown_moment, SF_NULLS}, \
		{name, "t" args ">V", sf_shown_moment, SF_NULLS}, {name, "s" args ">V", sf_shown_moment, SF_NULLS}, \
		{name, "z" args ">V", sf_shown_instant, SF_NULLS}, {name, "T" args ">V", sf_shown_zoned, SF_NULLS}

/* --- SYSTEM$TYPEOF: a type and how it is stored there --- */
static const struct {
	const char *type, *storage;
} storages[] = {
	{"FLOAT", "DOUBLE"}, {"BOOLEAN", "SB1"}, {"DATE", "SB4"}, {"TIME(", "SB8"}, {"TIMESTAMP_", "SB16"}, {"", "LOB"},
};

static const char *storage_of(struct str type)
{
	int64_t precision;

	if (str_starts(type, S("NUMBER("))) {
		struct str digits = str_tail(type, 7);

		if (!str_to_i64(str_head(digits, str_find(digits, ',')), &precision))
			precision = 38;
		if (precision <= 4)
			return precision <= 2 ? "SB1" : "SB2";
		return precision <= 9 ? "SB4" : precision <= 18 ? "SB8" : "SB16";
	}
	for (size_t i = 0; i < COUNT_OF(storages); i++)
		if (str_starts(type, str_of(storages[i].type)))
			return storages[i].storage;
	return "LOB";
}

static void stored_type(struct sf_row *r)
{
	const char *storage;

	sf_type_name(sf_text(r, 0), &r->text);
	storage = storage_of(buf_str(&r->text));
	buf_fmt(&r->text, "[%s]", storage);
	sf_put_text(r, buf_str(&r->text));
}

static const struct sf_function functions[] = {
	{"SF_STORED_TYPE", "V>V", stored_type, 0},
	SHOWN("SF_SHOW", "V"),
	SHOWN("SF_SHOW", "VV"),
	{"SF_CAST_SHOW", "AV>V", cast_text, 0},
	{"SF_CAST_SHOW", "tV>V", sf_shown_moment, 0},
	{"SF_CAST_SHOW", "sV>V", sf_shown_moment, 0},
	{"SF_CAST_SHOW", "zV>V", sf_shown_instant, 0},
	{"SF_CAST_SHOW", "XV>V", sf_shown, 0},
	{"SF_TEXT", "A>V", sf_any_text, 0},
	{"SF_TEXT", "d>V", sf_moment_text, 0},
	{"SF_TEXT", "t>V", sf_moment_text, 0},
	{"SF_TEXT", "s>V", sf_moment_text, 0},
	{"SF_TEXT", "AV>V", formatted_number, 0},
	{"SF_TEXT", "dV>V", sf_moment_text, 0},
	{"SF_TEXT", "tV>V", sf_moment_text, 0},
	{"SF_TEXT", "sV>V", sf_moment_text, 0},
	{"SF_TEXT", "XV>V", formatted_bytes, 0},
};

bool sf_texts_register(duckdb_connection con)
{
	return sf_register(con, functions, COUNT_OF(functions));
}
