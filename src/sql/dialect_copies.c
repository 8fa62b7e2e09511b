/* dialect_copies.c - how large the plan of a statement becomes, read from its tokens before it is written.
 *
 * A macro that has its argument twice doubles it at each level of nesting, and DuckDB's time for a chain of operators grows with
 * the cube of its length. A plan in the making cannot be interrupted: the worker, with all that it runs, would have to be ended.
 * So what would take minutes is refused at once. Helpers that bind their argument once (helper_*.def) are not in the list.
 */
#include "sql/dialect_int.h"

enum {
	COPIES_MAX = 4096, /* of one operand: a second or two */
	TERMS_MAX = 500,   /* of one chain of operators */
};

static const struct {
	const char *name;
	int copies;
} repeating[] = {
	{"greatest", 2},  {"least", 2},	  {"mod", 2},	      {"nullif", 2},	       {"to_char", 2},	   {"to_varchar", 2},
	{"dateadd", 2},	  {"timeadd", 2}, {"timestampadd", 2}, {"date_trunc", 2},	       {"time_slice", 2},  {"trunc", 1},
	{"next_day", 2},  {"previous_day", 2}, {"width_bucket", 3}, {"to_timestamp_ltz", 2}, {"decode", 10},
	{"regexp_replace", 13}, {"regexp_instr", 5}, {"ceil", 6}, {"floor", 6},
	{"as_array", 2},  {"as_object", 2}, {"as_binary", 2}, {"as_boolean", 2}, {"as_char", 2}, {"as_varchar", 2}, {"as_date", 2},
	{"as_time", 2},	  {"as_timestamp_ntz", 2}, {"as_timestamp_ltz", 2}, {"as_timestamp_tz", 2}, {"as_double", 2}, {"as_real", 2},
	{"as_integer", 2}, {"as_decimal", 2}, {"as_number", 2},
};

int copies_of(const struct sql_token *name)
{
	for (size_t i = 0; i < COUNT_OF(repeating); i++)
		if (word_is(name->text, str_of(repeating[i].name)))
			return repeating[i].copies;
	return 0;
}

/* Those that bind what they are given first wherever it repeats something (is_deep), and what they count themselves. */
static int copies_at(const struct plan *p, int i)
{
	static const char *const once[] = {"dateadd", "timeadd", "timestampadd", "date_trunc", "time_slice", "trunc", "to_char", "to_varchar", "regexp_replace",
					   "regexp_instr", "ceil", "floor", NULL};
	const struct sql_token *k = &p->t->v[i];
	int n = k->kind == SQL_WORD ? copies_of(k) : 0;
	struct sql_span v[24];

	if (n <= 1 || word_in(k, once))
		return 1;
	return sql_is(p->t, i, "decode") ? call_args(p, i, v, 22) / 2 : n;
}

static bool too_deep(struct plan *p, int i, const char *what)
{
	fail_at(p->c, ERR_SQL, (int)p->t->v[i].at + 1, "SQL compilation error:\n%s.", what);
	return fail_state(p->c, "54001", "001003");
}

static bool is_term(const struct plan *p, int i)
{
	static const struct str operators[] = {S_INIT("+"), S_INIT("-"), S_INIT("*"), S_INIT("/"), S_INIT("%"), S_INIT("||")};

	for (size_t k = 0; k < COUNT_OF(operators); k++)
		if (is_operator(&p->t->v[i], operators[k]))
			return ends_value(p, i - 1);
	return false;
}

/* What a token between operands ends a chain: a comma, a comparison, a word that is no part of a value. */
static bool ends_chain(const struct plan *p, int i)
{
	const struct sql_token *k = &p->t->v[i];

	return is_punct(k, ',') || is_punct(k, ';') || is_comparison(k) || (k->kind == SQL_WORD && !ends_value(p, i));
}

struct level { /* a bracket that is open */
	int copies, terms;
	bool first_only; /* DECODE: only its first argument is repeated */
};

bool check_copies(struct plan *p)
{
	struct level *v = arena_zalloc(p->c->arena, sizeof(*v) * (size_t)(p->to - p->from + 2));
	int n = 0;

	v[0].copies = 1;
	for (int i = p->from; i < p->to; i++) {
		const struct sql_token *k = &p->t->v[i];

		if (k->match > i) {
			int times = i > p->from && is_punct(k, '(') ? copies_at(p, i - 1) : 1;

			v[n + 1] = (struct level){.copies = v[n].copies * times, .first_only = times > 1 && sql_is(p->t, i - 1, "decode")};
			n++;
			if (v[n].copies > COPIES_MAX)
				return too_deep(p, i - 1, "functions that repeat their arguments are nested too deep");
		} else if (k->match >= p->from && n > 0) {
			n--;
		}
		if (is_punct(k, ',') && v[n].first_only)
			v[n].copies = v[n - 1].copies;
		if (ends_chain(p, i))
			v[n].terms = 0;
		if (i > p->from && is_term(p, i) && ++v[n].terms > TERMS_MAX)
			return too_deep(p, i, "a chain of operators is too long");
	}
	return true;
}
