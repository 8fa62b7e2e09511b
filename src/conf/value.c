/* value.c - one setting against one row: checks, converts, writes the field. */
#include "conf/conf_int.h"

enum { SHOWN_MAX = 60 }; /* bytes of a wrong value that an error repeats */

static struct str only_text(const struct conf_setting *s)
{
	return s->n > 0 ? s->v[0] : S("");
}

static bool wrong(struct call *c, const struct conf_row *row, const struct conf_setting *s)
{
	OWNS(buf) expected = {0};
	struct str got = str_head(only_text(s), SHOWN_MAX);

	conf_expected(row, &expected);
	if (s->sequence)
		return fail(c, ERR_INVALID_FIELD, "%.*s: %.*s takes %s, not a list", SARG(s->where), SARG(s->key),
			    buf_cstr(&expected));
	if (s->null)
		return fail(c, ERR_INVALID_FIELD, "%.*s: %.*s has no value; it takes %s", SARG(s->where), SARG(s->key),
			    buf_cstr(&expected));
	return fail(c, ERR_INVALID_FIELD, "%.*s: %.*s takes %s, not \"%.*s\"", SARG(s->where), SARG(s->key),
		    buf_cstr(&expected), SARG(got));
}

static bool clean(struct call *c, const struct conf_setting *s, struct str text)
{
	if (text.n > CONF_MAX_TEXT)
		return fail(c, ERR_INVALID_FIELD, "%.*s: the value of %.*s is longer than %d bytes", SARG(s->where),
			    SARG(s->key), CONF_MAX_TEXT);
	for (size_t i = 0; i < text.n; i++)
		if ((unsigned char)text.p[i] < ' ' || text.p[i] == 0x7F)
			return fail(c, ERR_INVALID_FIELD, "%.*s: the value of %.*s has a control character",
				    SARG(s->where), SARG(s->key));
	return true;
}

static bool assign_text(struct call *c, const struct conf_row *row, const struct conf_setting *s, void *to)
{
	(void)row;
	if (!clean(c, s, only_text(s)))
		return false;
	*(struct str *)to = arena_dup(c->arena, only_text(s));
	return true;
}

static bool assign_choice(struct call *c, const struct conf_row *row, const struct conf_setting *s, void *to)
{
	struct str rest = str_of(row->choices);

	while (rest.p) {
		struct str choice = str_cut(&rest, '|');

		if (str_eq(choice, only_text(s))) {
			*(struct str *)to = choice;
			return true;
		}
	}
	return wrong(c, row, s);
}

static bool assign_int(struct call *c, const struct conf_row *row, const struct conf_setting *s, void *to)
{
	int64_t v;

	if (!str_to_i64(only_text(s), &v) || v < row->min || v > row->max)
		return wrong(c, row, s);
	*(int64_t *)to = v;
	return true;
}

static bool assign_bool(struct call *c, const struct conf_row *row, const struct conf_setting *s, void *to)
{
	bool yes = str_eq(only_text(s), S("true"));

	if (!yes && !str_eq(only_text(s), S("false")))
		return wrong(c, row, s);
	*(bool *)to = yes;
	return true;
}

const struct str *conf_copy_list(struct call *c, const struct str *v, int n)
{
	struct str *copy = ARENA_ARRAY(c->arena, struct str, (size_t)n);

	if (n)
		memcpy(copy, v, (size_t)n * sizeof(*v));
	return copy;
}

static bool list_add(struct call *c, const struct conf_setting *s, struct str item, struct str *v, int *n)
{
	item = str_trim(item);
	if (item.n == 0)
		return fail(c, ERR_INVALID_FIELD, "%.*s: %.*s has an empty element", SARG(s->where), SARG(s->key));
	if (*n == CONF_MAX_ITEMS)
		return fail(c, ERR_INVALID_FIELD, "%.*s: %.*s has more than %d elements", SARG(s->where), SARG(s->key),
			    CONF_MAX_ITEMS);
	if (!clean(c, s, item))
		return false;
	v[(*n)++] = arena_dup(c->arena, item);
	return true;
}

static bool assign_list(struct call *c, const struct conf_row *row, const struct conf_setting *s, void *to)
{
	struct str v[CONF_MAX_ITEMS];
	struct str rest = only_text(s);
	int n = 0;

	(void)row;
	for (int i = 0; s->sequence && i < s->n; i++)
		if (!list_add(c, s, s->v[i], v, &n))
			return false;
	while (!s->sequence && rest.n)
		if (!list_add(c, s, str_cut(&rest, ','), v, &n))
			return false;
	*(struct conf_list *)to = (struct conf_list){conf_copy_list(c, v, n), n};
	return true;
}

static bool key_is_plain(struct str key)
{
	for (size_t i = 0; i < key.n; i++)
		if (!(key.p[i] >= 'a' && key.p[i] <= 'z') && !(key.p[i] >= '0' && key.p[i] <= '9') && key.p[i] != '_')
			return false;
	return key.n > 0 && key.n <= CONF_MAX_KEY;
}

static struct conf_pair *pair_of(struct call *c, struct conf_map *m, struct str key)
{
	for (int i = 0; i < m->n; i++)
		if (str_eq(m->v[i].key, key))
			return &m->v[i];
	if (!m->v)
		m->v = ARENA_ARRAY(c->arena, struct conf_pair, CONF_MAX_PAIRS);
	if (m->n == CONF_MAX_PAIRS)
		return NULL;
	m->v[m->n].key = arena_dup(c->arena, key);
	return &m->v[m->n++];
}

/* The section itself has no value; a value is never repeated in an error: it may be a secret. */
static bool assign_pair(struct call *c, const struct conf_row *row, const struct conf_setting *s, void *to)
{
	struct str section = str_of(row->key), key = str_tail(s->key, section.n + 1);
	struct conf_pair *p;

	if (str_eq(s->key, section)) {
		*(struct conf_map *)to = (struct conf_map){0};
		return s->n == 1 && s->v[0].n == 0 ? true : wrong(c, row, s);
	}
	if (!key_is_plain(key))
		return fail(c, ERR_UNKNOWN_FIELD, "%.*s: %.*s: keys of %s are made of a-z, 0-9 and _", SARG(s->where),
			    SARG(str_head(s->key, 100)), row->key);
	if (!clean(c, s, only_text(s)))
		return false;
	p = pair_of(c, to, key);
	if (!p)
		return fail(c, ERR_INVALID_FIELD, "%.*s: %s has more than %d keys", SARG(s->where), row->key, CONF_MAX_PAIRS);
	p->value = arena_dup(c->arena, only_text(s));
	return true;
}

bool conf_assign(struct call *c, const struct conf_row *row, const struct conf_setting *s, void *base)
{
	static bool (*const assign[])(struct call *, const struct conf_row *, const struct conf_setting *, void *) = {
		[CONF_T_TEXT] = assign_text, [CONF_T_CHOICE] = assign_choice, [CONF_T_INT] = assign_int,
		[CONF_T_BOOL] = assign_bool, [CONF_T_LIST] = assign_list, [CONF_T_MAP] = assign_pair,
	};

	if (s->null || (s->sequence && row->type != CONF_T_LIST))
		return wrong(c, row, s);
	return assign[row->type](c, row, s, (char *)base + row->at);
}
