/* json_path.c - Snowflake's paths into VARIANT values: a.b[0]["c d"]['e']."F". */
#include "engine/functions/json.h"

static bool add_step(struct variant_path *p, size_t at, int64_t index, bool indexed)
{
	if (p->n == VARIANT_STEPS)
		return false;
	p->steps[p->n++] = (struct variant_step){at, p->keys.n - at, index, indexed};
	return true;
}

/* Between quotes: a quote is doubled, or behind a backslash. */
static bool quoted_key(struct variant_path *p, struct str s, size_t *i)
{
	OWNS(buf) key = {0};
	char quote = s.p[(*i)++];
	size_t at = p->keys.n;

	for (; *i < s.n; ++*i) {
		bool doubled = s.p[*i] == quote && *i + 1 < s.n && s.p[*i + 1] == quote;

		if (s.p[*i] == quote && !doubled)
			break;
		if (doubled || (s.p[*i] == '\\' && *i + 1 < s.n && (s.p[*i + 1] == quote || s.p[*i + 1] == '\\')))
			++*i;
		buf_addc(&key, s.p[*i]);
	}
	if (*i == s.n)
		return false;
	++*i;
	variant_put_escaped(&p->keys, buf_str(&key));
	return add_step(p, at, 0, false);
}

static bool plain_key(struct variant_path *p, struct str s, size_t *i)
{
	size_t from = *i, at = p->keys.n;

	while (*i < s.n && s.p[*i] != '.' && s.p[*i] != '[' && s.p[*i] != ']' && s.p[*i] != '"' && s.p[*i] != '\'')
		++*i;
	variant_put_escaped(&p->keys, str_trim(str_from(s.p + from, *i - from)));
	return p->keys.n > at && add_step(p, at, 0, false);
}

static void blanks(struct str s, size_t *i)
{
	while (*i < s.n && (s.p[*i] == ' ' || s.p[*i] == '\t' || s.p[*i] == '\n'))
		++*i;
}

static bool bracket(struct variant_path *p, struct str s, size_t *i)
{
	int64_t index;
	size_t from;

	++*i;
	blanks(s, i);
	if (*i == s.n)
		return false;
	if (s.p[*i] == '"' || s.p[*i] == '\'') {
		if (!quoted_key(p, s, i))
			return false;
	} else {
		for (from = *i; *i < s.n && (ascii_digit(s.p[*i]) || s.p[*i] == '-'); ++*i)
			;
		if (!str_to_i64(str_from(s.p + from, *i - from), &index) || !add_step(p, p->keys.n, index, true))
			return false;
	}
	blanks(s, i);
	return *i < s.n && s.p[(*i)++] == ']';
}

static bool compile(struct variant_path *p, struct str s)
{
	for (size_t i = 0; i < s.n;) {
		bool ok;

		blanks(s, &i);
		if (i == s.n)
			break;
		if (s.p[i] == '[') {
			ok = bracket(p, s, &i);
		} else {
			if (p->n && s.p[i] == '.')
				i++;
			else if (p->n)
				return false;
			blanks(s, &i);
			if (i == s.n)
				return false;
			ok = s.p[i] == '"' || s.p[i] == '\'' ? quoted_key(p, s, &i) : plain_key(p, s, &i);
		}
		if (!ok)
			return false;
	}
	return true;
}

void variant_path(struct variant_path *p, struct str text)
{
	if (p->text.p && str_eq(buf_str(&p->text), text))
		return;
	buf_clear(&p->text);
	buf_clear(&p->keys);
	buf_add(&p->text, text);
	buf_addc(&p->text, '\0'); /* so that an empty one is held too */
	p->text.n--;
	p->n = 0;
	p->bad = !compile(p, str_trim(text));
}

bool variant_get(struct str v, const struct variant_path *p, struct str *ret)
{
	for (int i = 0; i < p->n; i++) {
		const struct variant_step *s = &p->steps[i];

		if (!(s->indexed ? variant_at(v, s->index, &v) : variant_member(v, str_from(p->keys.p + s->at, s->len), &v)))
			return false;
	}
	*ret = v;
	return true;
}

void variant_path_drop(struct variant_path *p)
{
	buf_drop(&p->text);
	buf_drop(&p->keys);
}
