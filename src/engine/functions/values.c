/* values.c - Snowflake's functions of texts: words, likeness, lengths. Characters are Unicode code points. */
#include "engine/functions/functions.h"
#include "json/json.h"

#include <stdlib.h>

/* --- characters --- */
static size_t char_size(struct str s, size_t i)
{
	unsigned char c = (unsigned char)s.p[i];
	size_t n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;

	return n < s.n - i ? n : s.n - i;
}

/* Is the character at `i` one of `set`? */
static bool is_in(struct str s, size_t i, size_t size, struct str set)
{
	for (size_t k = 0; k < set.n; k += char_size(set, k))
		if (char_size(set, k) == size && memcmp(set.p + k, s.p + i, size) == 0)
			return true;
	return false;
}

static void any_null(struct sf_row *r)
{
	bool found = false;

	for (idx_t i = 0; !found && i < duckdb_data_chunk_get_column_count(r->input); i++) {
		uint64_t *valid = duckdb_vector_get_validity(duckdb_data_chunk_get_vector(r->input, i));

		found = valid && !duckdb_validity_row_is_valid(valid, r->row);
	}
	sf_put_bool(r, found);
}

static void length(struct sf_row *r)
{
	struct str s = sf_text(r, 0);
	int64_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += r->args[0].type == DUCKDB_TYPE_BLOB || ((unsigned char)s.p[i] & 0xc0) != 0x80;
	sf_put_int(r, n);
}

/* Of other types: elements of a LIST, as DuckDB's own macros ask for them; else characters of the text. */
static void length_of_any(struct sf_row *r)
{
	__int128 v;
	int scale;

	if (r->args[0].type == DUCKDB_TYPE_LIST) {
		sf_put_int(r, (int64_t)((const duckdb_list_entry *)r->args[0].at)[r->row].length);
		return;
	}
	if (r->args[0].type == DUCKDB_TYPE_VARCHAR) { /* a VARIANT */
		length(r);
		return;
	}
	if (r->args[0].type == DUCKDB_TYPE_BOOLEAN) {
		sf_put_int(r, sf_bool(r, 0) ? 4 : 5);
		return;
	}
	if (!sf_number(r, 0, &v, &scale)) {
		sf_fails(r, SF_BAD_ARGUMENT, "Invalid argument types for function 'LENGTH'");
		return;
	}
	sf_number_text(v, scale, &r->text);
	sf_put_int(r, (int64_t)r->text.n);
}

static void octets(struct sf_row *r)
{
	sf_put_int(r, (int64_t)sf_text(r, 0).n);
}

/* --- words --- */
/* Letters are ASCII's and Latin-1's: others stay as they are. */
static void initcap(struct sf_row *r)
{
	static const char plain[] = " \t\n\r\f\v!?@\"^#$&~_,.:;+-*%/|\\[](){}<>";
	struct str s = sf_text(r, 0), set = r->nargs > 1 ? sf_text(r, 1) : str_of(plain);
	bool first = true;

	for (size_t i = 0, size; i < s.n; i += size) {
		bool between = is_in(s, i, size = char_size(s, i), set);
		char c = s.p[i];

		if (size == 1) {
			buf_addc(&r->text, first ? ascii_upper(c) : ascii_lower(c));
		} else if (size == 2 && (unsigned char)c == 0xc3) {
			unsigned char low = (unsigned char)s.p[i + 1], letter = low & 0x1f;

			if (letter != 0x17 && letter != 0x1f) /* multiplied and divided by, sharp s, y with dots */
				low = first ? (unsigned char)(low & ~0x20u) : (unsigned char)(low | 0x20u);
			buf_addc(&r->text, c);
			buf_addc(&r->text, (char)low);
		} else {
			buf_add(&r->text, str_from(s.p + i, size));
		}
		first = between;
	}
	sf_put_text(r, buf_str(&r->text));
}

/* The next token behind *at; false: there is none. */
static bool next_token(struct str s, struct str set, size_t *at, struct str *ret)
{
	size_t i = *at, from;

	while (i < s.n && is_in(s, i, char_size(s, i), set))
		i += char_size(s, i);
	from = i;
	while (i < s.n && !is_in(s, i, char_size(s, i), set))
		i += char_size(s, i);
	*at = i;
	*ret = str_from(s.p + from, i - from);
	return i > from;
}

static void strtok_part(struct sf_row *r)
{
	struct str s = sf_text(r, 0), set = r->nargs > 1 ? sf_text(r, 1) : S(" "), token = {NULL, 0};
	int64_t part = r->nargs > 2 ? sf_int(r, 2) : 1;
	size_t at = 0;
	bool found = part > 0;

	for (int64_t i = 0; found && i < part; i++)
		found = next_token(s, set, &at, &token);
	if (found)
		sf_put_text(r, token);
	else
		sf_put_null(r);
}

static void put_element(struct buf *b, struct str s)
{
	buf_add(b, b->n > 1 ? S(",") : S(""));
	json_quote_utf8(b, s);
}

static void strtok_array(struct sf_row *r)
{
	struct str s = sf_text(r, 0), set = r->nargs > 1 ? sf_text(r, 1) : S(" "), token;

	buf_lit(&r->text, "[");
	for (size_t at = 0; next_token(s, set, &at, &token);)
		put_element(&r->text, token);
	buf_lit(&r->text, "]");
	sf_put_text(r, buf_str(&r->text));
}

static void split(struct sf_row *r)
{
	struct str s = sf_text(r, 0), separator = sf_text(r, 1);

	buf_lit(&r->text, "[");
	for (size_t at; separator.n && (at = str_search(s, separator)) < s.n;) {
		put_element(&r->text, str_head(s, at));
		s = str_tail(s, at + separator.n);
	}
	put_element(&r->text, s);
	buf_lit(&r->text, "]");
	sf_put_text(r, buf_str(&r->text));
}

/* Part 0 is the first; below zero they are counted from the end; one that is not there is empty. */
static void split_part(struct sf_row *r)
{
	struct str s = sf_text(r, 0), separator = sf_text(r, 1), rest = s;
	int64_t part = sf_int(r, 2), parts = 1, wanted;

	for (size_t at; separator.n && (at = str_search(rest, separator)) < rest.n; parts++)
		rest = str_tail(rest, at + separator.n);
	wanted = part < 0 ? parts + part : part == 0 ? 0 : part - 1;
	if (wanted < 0 || wanted >= parts) {
		sf_put_text(r, S(""));
		return;
	}
	for (; wanted > 0; wanted--)
		s = str_tail(s, str_search(s, separator) + separator.n);
	sf_put_text(r, separator.n ? str_head(s, str_search(s, separator)) : s);
}

/* --- SUBSTR: position 0 is 1, below zero it counts from the end; characters, or bytes of a BINARY --- */
static size_t at_char(struct str s, int64_t n, bool bytes)
{
	size_t i = 0;

	if (bytes)
		return n < (int64_t)s.n ? (size_t)n : s.n;
	for (; n > 0 && i < s.n; n--)
		i += char_size(s, i);
	return i;
}

static int64_t count_chars(struct str s, bool bytes)
{
	int64_t n = 0;

	for (size_t i = 0; !bytes && i < s.n; i += char_size(s, i))
		n++;
	return bytes ? (int64_t)s.n : n;
}

static void substr(struct sf_row *r)
{
	struct str s = sf_text(r, 0);
	bool bytes = r->args[0].type == DUCKDB_TYPE_BLOB;
	int64_t position = sf_int(r, 1), n = r->nargs > 2 ? sf_int(r, 2) : INT64_MAX;

	if (position < 0)
		position += count_chars(s, bytes);
	else if (position > 0)
		position--;
	if (position < 0 || n <= 0) {
		sf_put_text(r, S(""));
		return;
	}
	s = str_tail(s, at_char(s, position, bytes));
	sf_put_text(r, str_head(s, at_char(s, n, bytes)));
}

static void reverse(struct sf_row *r)
{
	struct str s = sf_text(r, 0);
	bool bytes = r->args[0].type == DUCKDB_TYPE_BLOB;
	size_t at = s.n;
	char *to = buf_room(&r->text, s.n);

	for (size_t i = 0, size; to && i < s.n; i += size) {
		size = bytes ? 1 : char_size(s, i);
		at -= size;
		memcpy(to + at, s.p + i, size);
	}
	sf_put_text(r, str_from(to, to ? s.n : 0));
}

/* --- pieces put together --- */
enum { WIDE_MAX = 128 * 1024 * 1024 /* bytes: no text is longer there */ };

static void put_wide(struct sf_row *r)
{
	if (buf_ok(&r->text))
		sf_put_text(r, buf_str(&r->text));
}

static void repeated(struct sf_row *r, struct str s, int64_t times)
{
	r->text.limit = WIDE_MAX;
	if (times > 0 && s.n > 0 && (uint64_t)times > WIDE_MAX / s.n) {
		sf_fails(r, "100078/22000", "String is too long and would be truncated");
		return;
	}
	for (; times > 0 && s.n > 0; times--)
		buf_add(&r->text, s);
	put_wide(r);
}

static void repeat(struct sf_row *r)
{
	repeated(r, sf_text(r, 0), sf_int(r, 1));
}

static void space(struct sf_row *r)
{
	repeated(r, S(" "), sf_int(r, 0));
}

/* The characters of `with`, over and over, until there are n. */
static void put_filling(struct buf *to, struct str with, int64_t n)
{
	int64_t size = count_chars(with, false);

	for (; n >= size && buf_ok(to); n -= size)
		buf_add(to, with);
	buf_add(to, str_head(with, at_char(with, n, false)));
}

/* (text, characters, with) */
static void pad(struct sf_row *r, bool left)
{
	struct str s = sf_text(r, 0), with = sf_text(r, 2);
	int64_t n = sf_int(r, 1), has = count_chars(s, false);

	if (n <= has || with.n == 0) {
		sf_put_text(r, n > 0 ? str_head(s, at_char(s, n, false)) : S(""));
		return;
	}
	if (n > WIDE_MAX) {
		sf_fails(r, "100078/22000", "String is too long and would be truncated");
		return;
	}
	r->text.limit = WIDE_MAX;
	if (left)
		put_filling(&r->text, with, n - has);
	buf_add(&r->text, s);
	if (!left)
		put_filling(&r->text, with, n - has);
	put_wide(r);
}

static void pad_left(struct sf_row *r)
{
	pad(r, true);
}

static void pad_right(struct sf_row *r)
{
	pad(r, false);
}

static void right(struct sf_row *r)
{
	struct str s = sf_text(r, 0);
	int64_t n = sf_int(r, 1), has = count_chars(s, false);

	if (n <= 0)
		sf_put_text(r, S(""));
	else
		sf_put_text(r, n >= has ? s : str_tail(s, at_char(s, has - n, false)));
}

/* (text, position, characters, other): the other one instead of those */
static void splice(struct sf_row *r)
{
	struct str s = sf_text(r, 0);
	int64_t position = sf_int(r, 1), n = sf_int(r, 2);
	size_t at;

	if (position < 1 || n < 0) {
		sf_fails(r, SF_BAD_VALUE, "Invalid position or length of INSERT");
		return;
	}
	at = at_char(s, position - 1, false);
	buf_add(&r->text, str_head(s, at));
	buf_add(&r->text, sf_text(r, 3));
	s = str_tail(s, at);
	buf_add(&r->text, str_tail(s, at_char(s, n, false)));
	put_wide(r);
}

/* (what, text, from): the position of its first character, from 1; 0: it is not there */
static void charindex(struct sf_row *r)
{
	struct str what = sf_text(r, 0), s = sf_text(r, 1), rest;
	int64_t from = sf_int(r, 2) > 1 ? sf_int(r, 2) : 1;
	size_t at;

	rest = str_tail(s, at_char(s, from - 1, false));
	at = str_search(rest, what);
	if (what.n == 0)
		sf_put_int(r, from);
	else
		sf_put_int(r, at < rest.n ? from + count_chars(str_head(rest, at), false) : 0);
}

static void unicode(struct sf_row *r)
{
	struct str s = sf_text(r, 0);
	size_t n = s.n ? char_size(s, 0) : 0;
	uint32_t v = n ? (unsigned char)s.p[0] : 0;

	if (n > 1)
		v &= 0x7fu >> n;
	for (size_t i = 1; i < n; i++)
		v = v << 6 | ((unsigned char)s.p[i] & 0x3fu);
	sf_put_int(r, v);
}

/* What was put together, with a type where all of it was NULL. */
static void joined(struct sf_row *r)
{
	sf_put_text(r, sf_text(r, 0));
}

static void no_text(struct sf_row *r)
{
	sf_put_null(r);
}

/* (separator, texts) */
static void concat_ws(struct sf_row *r)
{
	for (idx_t i = 1; i < r->nargs; i++) {
		if (i > 1)
			buf_add(&r->text, sf_text(r, 0));
		buf_add(&r->text, sf_text(r, i));
	}
	put_wide(r);
}

/* --- likeness --- */
static void soundex(struct sf_row *r)
{
	static const char codes[] = "01230120022455012623010202"; /* of a to z; of h and w: nothing between */
	struct str s = sf_text(r, 0);
	char out[5] = "0000", last = 0;
	int n = 0;

	for (size_t i = 0; i < s.n && n < 4; i++) {
		char c = ascii_upper(s.p[i]), code;

		if (!ascii_alpha(c))
			continue;
		code = codes[c - 'A'];
		if (n == 0)
			out[n++] = c;
		else if (code != '0' && code != last)
			out[n++] = code;
		if (n == 1 || (c != 'H' && c != 'W'))
			last = code;
	}
	sf_put_text(r, n ? str_from(out, 4) : S(""));
}

enum { LIKENESS_MAX = 4096 /* characters */ };

static size_t code_points(struct str s, uint32_t *to)
{
	size_t n = 0;

	for (size_t i = 0, size; i < s.n && n < LIKENESS_MAX; i += size) {
		uint32_t v = 0;

		size = char_size(s, i);
		for (size_t k = 0; k < size; k++)
			v = v << 8 | (unsigned char)ascii_lower(s.p[i + k]);
		to[n++] = v;
	}
	return n;
}

struct jaro {
	uint32_t a[LIKENESS_MAX], b[LIKENESS_MAX];
	bool in_a[LIKENESS_MAX], in_b[LIKENESS_MAX];
	size_t na, nb;
};

static size_t matches(struct jaro *j)
{
	size_t longer = j->na > j->nb ? j->na : j->nb, reach = longer / 2 > 0 ? longer / 2 - 1 : 0, n = 0;

	memset(j->in_a, 0, sizeof(j->in_a));
	memset(j->in_b, 0, sizeof(j->in_b));
	for (size_t i = 0; i < j->na; i++) {
		size_t from = i > reach ? i - reach : 0, to = i + reach + 1 < j->nb ? i + reach + 1 : j->nb;

		for (size_t k = from; k < to && !j->in_a[i]; k++) {
			if (j->in_b[k] || j->a[i] != j->b[k])
				continue;
			j->in_a[i] = j->in_b[k] = true;
			n++;
		}
	}
	return n;
}

static size_t swaps(const struct jaro *j)
{
	size_t k = 0, n = 0;

	for (size_t i = 0; i < j->na; i++) {
		if (!j->in_a[i])
			continue;
		while (!j->in_b[k])
			k++;
		n += j->a[i] != j->b[k++];
	}
	return n / 2;
}

static double jaro_winkler(struct jaro *j)
{
	double m = (double)matches(j), likeness;
	size_t prefix = 0;

	if (m == 0)
		return 0;
	likeness = (m / (double)j->na + m / (double)j->nb + (m - (double)swaps(j)) / m) / 3;
	while (prefix < 4 && prefix < j->na && prefix < j->nb && j->a[prefix] == j->b[prefix])
		prefix++;
	return likeness > 0.7 ? likeness + (double)prefix * 0.1 * (1 - likeness) : likeness;
}

static void likeness(struct sf_row *r)
{
	struct jaro *j = base_alloc(sizeof(*j));

	j->na = code_points(sf_text(r, 0), j->a);
	j->nb = code_points(sf_text(r, 1), j->b);
	sf_put_int(r, (int64_t)(jaro_winkler(j) * 100 + 1e-9));
	free(j);
}

static const struct sf_function functions[] = {
	{"SF_ANY_NULL", "A*>B", any_null, SF_NULLS},
	{"SF_LENGTH", "V>I", length, 0},
	{"SF_LENGTH", "X>I", length, 0},
	{"SF_LENGTH", "A>I", length_of_any, 0},
	{"SF_OCTETS", "V>I", octets, 0},
	{"SF_OCTETS", "X>I", octets, 0},
	{"SF_INITCAP", "V>V", initcap, 0},
	{"SF_INITCAP", "VV>V", initcap, 0},
	{"SF_STRTOK", "V>V", strtok_part, SF_NULLS_MADE},
	{"SF_STRTOK", "VV>V", strtok_part, SF_NULLS_MADE},
	{"SF_STRTOK", "VVI>V", strtok_part, SF_NULLS_MADE},
	{"SF_STRTOK_TO_ARRAY", "V>a", strtok_array, 0},
	{"SF_STRTOK_TO_ARRAY", "VV>a", strtok_array, 0},
	{"SF_SPLIT", "VV>a", split, 0},
	{"SF_SPLIT_PART", "VVI>V", split_part, 0},
	{"SF_SUBSTR", "VI>V", substr, 0},
	{"SF_SUBSTR", "VII>V", substr, 0},
	{"SF_SUBSTR", "XI>X", substr, 0},
	{"SF_SUBSTR", "XII>X", substr, 0},
	{"SF_REVERSE", "V>V", reverse, 0},
	{"SF_REVERSE", "X>X", reverse, 0},
	{"SF_REPEAT", "VI>V", repeat, 0},
	{"SF_SPACE", "I>V", space, 0},
	{"SF_LPAD", "VIV>V", pad_left, 0},
	{"SF_RPAD", "VIV>V", pad_right, 0},
	{"SF_RIGHT", "VI>V", right, 0},
	{"SF_SPLICE", "VIIV>V", splice, 0},
	{"SF_CHARINDEX", "VVI>I", charindex, 0},
	{"SF_UNICODE", "V>I", unicode, 0},
	{"SF_JOINED", "V>V", joined, 0},
	{"SF_JOINED", "X>X", joined, 0},
	{"SF_JOINED", "A>V", no_text, SF_NULLS},
	{"SF_CONCAT_WS", "VV*>V", concat_ws, 0},
	{"SF_SOUNDEX", "V>V", soundex, 0},
	{"SF_LIKENESS", "VV>I", likeness, 0},
};

bool sf_values_register(duckdb_connection con)
{
	return sf_register(con, functions, COUNT_OF(functions));
}
