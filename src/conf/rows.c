/* rows.c - the tables of options and caps, and looking things up in them. */
#include "conf/conf_int.h"

const struct conf_row conf_options[] = {
#define CONF_TEXT(field, key, dflt, help) {key, CONF_T_TEXT, offsetof(struct conf, field), dflt, 0, 0, NULL, help},
#define CONF_CHOICE(field, key, dflt, choices, help) \
	{key, CONF_T_CHOICE, offsetof(struct conf, field), dflt, 0, 0, choices, help},
#define CONF_INT(field, key, min, max, dflt, help) \
	{key, CONF_T_INT, offsetof(struct conf, field), #dflt, min, max, NULL, help},
#define CONF_BOOL(field, key, dflt, help) {key, CONF_T_BOOL, offsetof(struct conf, field), #dflt, 0, 0, NULL, help},
#define CONF_LIST(field, key, dflt, help) {key, CONF_T_LIST, offsetof(struct conf, field), dflt, 0, 0, NULL, help},
#define CONF_MAP(field, key, help) {key, CONF_T_MAP, offsetof(struct conf, field), "", 0, 0, NULL, help},
#include "conf/options.def"
#undef CONF_TEXT
#undef CONF_CHOICE
#undef CONF_INT
#undef CONF_BOOL
#undef CONF_LIST
#undef CONF_MAP
	{.key = NULL},
};

const struct conf_row conf_caps_rows[] = {
#define CAP(name, min, max, dflt, help) \
	{#name, CONF_T_INT, offsetof(struct conf_caps, name), #dflt, min, max, NULL, help},
#include "conf/caps.def"
#undef CAP
	{.key = NULL},
};

const struct conf_row *conf_find(const struct conf_row *rows, struct str key)
{
	for (const struct conf_row *row = rows; row->key; row++)
		if (str_eq(str_of(row->key), key))
			return row;
	return NULL;
}

const struct conf_row *conf_map_of(struct str key)
{
	for (const struct conf_row *row = conf_options; row->key; row++) {
		struct str section = str_of(row->key);

		if (row->type == CONF_T_MAP && key.n > section.n + 1 && key.p[section.n] == '.' && str_starts(key, section))
			return row;
	}
	return NULL;
}

bool conf_is_section(struct str key)
{
	if (str_eq(key, S("tenants")) || str_eq(key, S("tenants.overrides")))
		return true;
	for (const struct conf_row *row = conf_options; row->key; row++) {
		struct str known = str_of(row->key);

		if (known.n > key.n && known.p[key.n] == '.' && str_starts(known, key))
			return true;
	}
	return false;
}

enum { NEAR_MAX = 96 }; /* bytes of a key that are compared */

/* Levenshtein distance, one row of the matrix at a time. */
static size_t distance(struct str a, struct str b)
{
	size_t row[NEAR_MAX + 1];

	for (size_t j = 0; j <= b.n; j++)
		row[j] = j;
	for (size_t i = 1; i <= a.n; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= b.n; j++) {
			size_t above = row[j];
			size_t best = diagonal + (a.p[i - 1] != b.p[j - 1]);

			best = best < above + 1 ? best : above + 1;
			best = best < row[j - 1] + 1 ? best : row[j - 1] + 1;
			diagonal = above;
			row[j] = best;
		}
	}
	return row[b.n];
}

struct near {
	struct str key, best;
	size_t least;
};

static void near_try(struct near *near, struct str known)
{
	size_t d;

	if (known.n > near->key.n && str_ends(known, near->key) && known.p[known.n - near->key.n - 1] == '.')
		d = 0; /* only the section is missing */
	else
		d = distance(near->key, str_head(known, NEAR_MAX));
	if (d < near->least) {
		near->least = d;
		near->best = known;
	}
}

struct str conf_nearest(struct call *c, struct str key)
{
	struct near near = {str_head(key, NEAR_MAX), {NULL, 0}, 0};

	near.least = near.key.n / 3 + 1;
	for (const struct conf_row *row = conf_options; row->key; row++)
		near_try(&near, str_of(row->key));
	for (const struct conf_row *row = conf_caps_rows; row->key; row++)
		near_try(&near, arena_fmt(c->arena, CONF_CAPS_PREFIX "%s", row->key));
	return near.best;
}

static void choices_text(const char *choices, struct buf *out)
{
	struct str rest = str_of(choices);

	buf_lit(out, "one of ");
	while (rest.p) {
		buf_add(out, str_cut(&rest, '|'));
		if (rest.p)
			buf_lit(out, ", ");
	}
}

void conf_expected(const struct conf_row *row, struct buf *out)
{
	switch (row->type) {
	case CONF_T_TEXT:
		buf_lit(out, "text");
		return;
	case CONF_T_CHOICE:
		choices_text(row->choices, out);
		return;
	case CONF_T_INT:
		buf_lit(out, "a whole number ");
		if (row->max == INT64_MAX)
			buf_fmt(out, "of at least %lld", (long long)row->min);
		else
			buf_fmt(out, "from %lld to %lld", (long long)row->min, (long long)row->max);
		return;
	case CONF_T_BOOL:
		buf_lit(out, "true or false");
		return;
	case CONF_T_LIST:
		buf_lit(out, "a list of texts");
		return;
	case CONF_T_MAP:
		buf_lit(out, "keys with a text each");
		return;
	}
}

void conf_env_name(const char *prefix, const char *key, struct buf *out)
{
	const char *const parts[] = {"mayfly_", prefix, key};

	for (size_t i = 0; i < COUNT_OF(parts); i++)
		for (const char *p = parts[i]; *p; p++)
			buf_addc(out, *p == '.' ? '_' : ascii_upper(*p));
}
