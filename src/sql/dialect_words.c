/* dialect_words.c - finds the words of a statement that have rules, and lets each rule plan its edits. */
#include "sql/dialect_int.h"

static const struct word_rule {
	struct str word;
	word_fn *fn;
	intptr_t arg;
} rules[] = {
#define WORD(name, fn, arg) {S_INIT(name), fn, arg},
#include "sql/dialect_words.def"
#undef WORD
};

/* As memcmp of `word` in lower case with a rule's word. */
static int compare(struct str word, struct str rule)
{
	size_t n = word.n < rule.n ? word.n : rule.n;

	for (size_t i = 0; i < n; i++) {
		int d = (unsigned char)ascii_lower(word.p[i]) - (unsigned char)rule.p[i];

		if (d)
			return d;
	}
	return word.n < rule.n ? -1 : word.n > rule.n;
}

static const struct word_rule *rule_of(struct str word)
{
	size_t low = 0, high = COUNT_OF(rules);

	while (low < high) {
		size_t middle = (low + high) / 2;
		int d = compare(word, rules[middle].word);

		if (d == 0)
			return &rules[middle];
		if (d < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

/* Rules for the last part of a dotted name. */
static bool behind_dots(word_fn *fn)
{
	return fn == word_value || fn == word_information_schema || fn == word_nextval;
}

static bool plan_word(struct plan *p, int i)
{
	const struct sql_token *k = &p->t->v[i];
	const struct word_rule *r;

	if (p->todo[i - p->from] & PLAN_FIXED)
		return true;
	if (k->text.p[0] == '$')
		return word_dollar(p, i);
	r = rule_of(k->text);
	if (!r || (i > p->from && is_punct(k - 1, '.') && !behind_dots(r->fn)))
		return true;
	return r->fn(p, i, r->arg);
}

bool plan_words(struct plan *p)
{
	for (int i = p->from; i < p->to; i++) {
		const struct sql_token *k = &p->t->v[i];

		if (k->kind == SQL_WORD && !plan_word(p, i))
			return false;
		if (k->kind == SQL_QUOTED && str_eq(k->text, S("\"INFORMATION_SCHEMA\"")) && !word_information_schema(p, i, 0))
			return false;
		if (k->kind == SQL_OPERATOR && !plan_stage(p, i))
			return false;
		if (is_operator(k, S(":")) || (is_punct(k, '.') && i > p->from && p->chain_of && p->chain_of[i - 1 - p->from]))
			i = plan_path(p, i);
		else if (is_punct(k, '['))
			i = plan_bracket(p, i);
		else if (is_punct(k, '{'))
			i = plan_brace(p, i);
	}
	return true;
}
