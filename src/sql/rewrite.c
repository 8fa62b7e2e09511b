/* rewrite.c - a Snowflake statement written again for DuckDB, token by token.
 *
 * What is to be done where is planned first (names.c, types.c, dialect_*.c);
 * what the plan does not touch passes through, with unquoted words in upper
 * case, strings decoded and comments gone. Statements that become several, or
 * none, have writers of their own (statement_for).
 */
#include "sql/rewrite_int.h"

enum { NAME_BUDGET = 64 * 1024 }; /* at least */
enum { MAX_AGAIN = 3 };

void mark_add(struct arena *a, struct marks *m, size_t out, size_t in)
{
	const struct sql_mark *last = m->n ? &m->v[m->n - 1] : NULL;
	struct sql_mark *more;

	if (last && out - last->out == in - last->in)
		return;
	if (m->n == m->cap) {
		m->cap = m->cap ? m->cap * 2 : 32;
		more = arena_alloc(a, sizeof(*more) * (size_t)m->cap);
		if (m->n)
			memcpy(more, m->v, sizeof(*more) * (size_t)m->n);
		m->v = more;
	}
	m->v[m->n++] = (struct sql_mark){out, in};
}

static void mark(struct writer *w, size_t in)
{
	if (w->again == 0) /* else sources would not rise */
		mark_add(w->c->arena, &w->marks, w->out.n, in);
}

bool unsupported(struct call *c, const struct sql_token *k, struct str what)
{
	fail_at(c, ERR_SQL, (int)k->at + 1, "Unsupported feature '%.*s'.", SARG(str_head(what, 100)));
	return fail_state(c, "0A000", "000002");
}

bool unexpected_token(struct call *c, const struct sql_tokens *t, int i, int to)
{
	return syntax_error(c, t->text, t->v[i].at, i < to ? t->v[i].text : S("<EOF>"));
}

/* $1 and $name are columns and session variables there, parameters in DuckDB. */
static bool write_word(struct writer *w, const struct sql_token *k)
{
	bool quoted = str_find(k->text, '$') < k->text.n;
	char *to;

	if (k->text.p[0] == '$')
		return unsupported(w->c, k, k->text);
	if (quoted)
		buf_addc(&w->out, '"');
	to = buf_room(&w->out, k->text.n);
	for (size_t i = 0; i < k->text.n; i++)
		to[i] = ascii_upper(k->text.p[i]);
	w->out.n += k->text.n;
	if (quoted)
		buf_addc(&w->out, '"');
	return true;
}

/* X'00ff' as '\x00\xff'::BLOB */
static bool write_binary(struct writer *w, const struct sql_token *k, struct str digits)
{
	OWNS(buf) bytes = {0};

	if (!hash_unhex(digits, &bytes)) {
		fail_at(w->c, ERR_SQL, (int)k->at + 1,
			"SQL compilation error:\nThe following string is not a legal hex-encoded value: '%.*s'.",
			SARG(str_head(digits, 100)));
		return fail_state(w->c, "22023", NULL);
	}
	buf_addc(&w->out, '\'');
	for (size_t i = 0; i + 1 < digits.n; i += 2) {
		buf_lit(&w->out, "\\x");
		buf_add(&w->out, str_from(digits.p + i, 2));
	}
	buf_lit(&w->out, "'::BLOB");
	return true;
}

static bool write_string(struct writer *w, const struct sql_token *k)
{
	struct str value = string_value(w->c->arena, SQL_SNOWFLAKE, k->text);

	if (ascii_lower(k->text.p[0]) == 'x')
		return write_binary(w, k, value);
	if (str_find(value, '\0') < value.n)
		return unsupported(w->c, k, k->text);
	sql_quote_literal(&w->out, value);
	return true;
}

static int add_name(struct writer *w, struct str name)
{
	struct str *more;

	if (w->nnames == w->capnames) {
		w->capnames = w->capnames ? w->capnames * 2 : 8;
		more = ARENA_ARRAY(w->c->arena, struct str, (size_t)w->capnames);
		if (w->nnames)
			memcpy(more, w->names, sizeof(*more) * (size_t)w->nnames);
		w->names = more;
	}
	w->names[w->nnames++] = name;
	return w->nnames;
}

/* Which of the statement's `?` token i is, from 1. */
static int question_number(struct writer *w, int i)
{
	int low = 0, high;

	if (!w->questions) {
		w->questions = arena_alloc(w->c->arena, sizeof(int) * (size_t)(w->plan.to - w->plan.from + 1));
		for (int k = w->plan.from; k < w->plan.to; k++)
			if (w->t->v[k].kind == SQL_PLACEHOLDER && w->t->v[k].text.p[0] == '?')
				w->questions[w->nquestions++] = k;
	}
	for (high = w->nquestions; low < high;) {
		int middle = low + (high - low) / 2;

		if (w->questions[middle] < i)
			low = middle + 1;
		else
			high = middle;
	}
	return low + 1;
}

static bool write_placeholder(struct writer *w, const struct sql_token *k)
{
	struct str name = str_tail(k->text, 1);
	intptr_t number;

	if (k->text.p[0] == '?')
		name = arena_fmt(w->c->arena, "%d", question_number(w, (int)(k - w->t->v)));
	number = (intptr_t)map_get(&w->seen, name);
	if (!number) {
		number = add_name(w, name);
		map_put(&w->seen, name, (void *)number);
	}
	buf_add(&w->out, w->bound ? S("b.\"") : S("$"));
	buf_i64(&w->out, number);
	if (w->bound)
		buf_addc(&w->out, '"');
	return true;
}

/* Names of nested lists end where the budget does: nesting must not multiply the text. */
static void write_as(struct writer *w, struct sql_span s)
{
	OWNS(buf) name = {0};

	if (w->t->v[s.from].depth > 0 && w->named > w->budget)
		return;
	name_text(w->c->arena, w->t, s, &name);
	buf_lit(&w->out, " AS ");
	sql_quote_name(&w->out, buf_str(&name));
	w->named += name.n;
}

static bool write_alias(struct writer *w, int i)
{
	if (!sql_is(w->t, i - 1, "as"))
		buf_lit(&w->out, "AS ");
	if (w->t->v[i].kind == SQL_WORD && w->t->v[i].text.p[0] == '$')
		return unsupported(w->c, &w->t->v[i], w->t->v[i].text);
	sql_quote_name(&w->out, sql_name_of(w->c->arena, SQL_SNOWFLAKE, &w->t->v[i]));
	return true;
}

/* A blank wherever two tokens could otherwise melt into one. */
static void write_gap(struct writer *w, int i)
{
	const struct sql_token *k = &w->t->v[i], *before = k - 1;
	bool dropped = w->dropped;
	char last = w->out.n ? w->out.p[w->out.n - 1] : ' ';

	w->dropped = false;
	if (last == ' ')
		return;
	if ((dropped && last != '(' && k->kind != SQL_PUNCT) ||
	    (i > w->plan.from && (before->at + before->text.n < k->at || (before->kind != SQL_PUNCT && k->kind != SQL_PUNCT) ||
				  (k->kind == SQL_OPERATOR && before->match >= 0 && before->match < i))))
		buf_addc(&w->out, ' ');
}

static bool write_token(struct writer *w, const struct sql_token *k)
{
	switch (k->kind) {
	case SQL_WORD:
		return write_word(w, k);
	case SQL_STRING:
		return write_string(w, k);
	case SQL_PLACEHOLDER:
		return write_placeholder(w, k);
	case SQL_QUOTED:
	case SQL_NUMBER:
	case SQL_OPERATOR:
	case SQL_PUNCT:
	case SQL_END:
		break;
	}
	buf_add(&w->out, k->text);
	return true;
}

/* Token *i, or the several that make a type. */
static bool write_plain(struct writer *w, int *i)
{
	int at = *i, todo = w->plan.todo[at - w->plan.from];

	*i = at + 1;
	if (todo & PLAN_ALIAS)
		return write_alias(w, at);
	if (todo & PLAN_TYPE) {
		int behind = write_type(w->t, at, w->plan.to, &w->out);

		*i = behind > at ? behind : at + 1;
		if (behind > at)
			return true;
	}
	return write_token(w, &w->t->v[at]);
}

static bool write_tokens(struct writer *w, int from, int to);

/* Nested, each level would double the text: statements that mean something have one or two. */
static bool write_again(struct writer *w, struct sql_span s)
{
	bool ok = w->again < MAX_AGAIN || unsupported(w->c, &w->t->v[s.from], S("nested functions of this kind"));

	w->again++;
	ok = ok && write_tokens(w, s.from, s.to);
	w->again--;
	return ok;
}

static bool write_pieces(struct writer *w, struct edit_piece *p);

static bool write_piece(struct writer *w, struct edit_piece *p)
{
	bool ok;

	if (p->again.to > p->again.from)
		return write_again(w, p->again);
	if (!p->parts) {
		buf_add(&w->out, p->text);
		return true;
	}
	p->active = true;
	ok = write_pieces(w, p->parts);
	p->active = false;
	return ok;
}

/* Where parts repeat the token that they stand behind, they and what is around them end it. */
static bool write_pieces(struct writer *w, struct edit_piece *p)
{
	for (; p && !p->active; p = p->next)
		if (!write_piece(w, p))
			return false;
	return true;
}

static bool write_edited(struct writer *w, int *i)
{
	const struct edit *e = edit_at(&w->plan, *i);
	bool ok;

	if (e->before || !e->instead.p || (e->instead.n ? e->instead.p[0] != ',' && e->instead.p[0] != ')' : e->behind != NULL))
		write_gap(w, *i);
	else
		w->dropped |= e->instead.n == 0;
	ok = write_pieces(w, e->before);
	mark(w, w->t->v[*i].at);
	if (e->instead.p) {
		buf_add(&w->out, e->instead);
		*i = e->resume;
	} else {
		ok = ok && write_plain(w, i);
	}
	return ok && write_pieces(w, e->behind);
}

static void write_name(struct writer *w, int at)
{
	if (!(w->plan.todo[at - w->plan.from] & PLAN_NAME))
		return;
	write_as(w, w->plan.named[at - w->plan.from]);
}

static bool write_tokens(struct writer *w, int from, int to)
{
	bool ok = true;

	for (int i = from; ok && i < to;) {
		if (i > from)
			write_name(w, i);
		if (w->plan.todo[i - w->plan.from] & PLAN_EDIT) {
			ok = write_edited(w, &i);
			continue;
		}
		write_gap(w, i);
		mark(w, w->t->v[i].at);
		ok = write_plain(w, &i);
	}
	return ok;
}

bool write_span(struct writer *w, int from, int to)
{
	if (!write_tokens(w, from, to))
		return false;
	write_name(w, to);
	return to < w->plan.to || !edit_at(&w->plan, to) || write_pieces(w, edit_at(&w->plan, to)->before);
}

struct str write_cut(struct writer *w)
{
	struct str text = arena_dup(w->c->arena, buf_str(&w->out));

	w->out.n = 0;
	w->marks.n = 0;
	return text;
}

/* CALL f(…) answers one row: SELECT f(…) AS "F". */
static int write_call(struct writer *w, struct sql_span s)
{
	const struct sql_tokens *t = w->t;

	if (!sql_is(t, s.from, "call") || s.from + 2 >= s.to || !is_name(&t->v[s.from + 1]) || t->v[s.from + 2].match != s.to - 1)
		return s.from;
	mark(w, t->v[s.from].at);
	buf_lit(&w->out, "SELECT");
	w->plan.todo[s.to - s.from] |= PLAN_NAME;
	w->plan.named[s.to - s.from] = (struct sql_span){s.from + 1, s.from + 2};
	return s.from + 1;
}

static bool make_plan(struct writer *w, const struct sql_head *h, struct sql_span s)
{
	size_t n = (size_t)(s.to - s.from) + 1;

	w->plan.from = s.from;
	w->plan.to = s.to;
	w->plan.head = h;
	w->plan.todo = arena_zalloc(w->c->arena, n);
	w->plan.named = arena_alloc(w->c->arena, n * sizeof(struct sql_span));
	plan_names(&w->plan);
	plan_types(&w->plan, h);
	if (!check_copies(&w->plan) || !plan_words(&w->plan))
		return false;
	plan_casts(&w->plan);
	plan_operators(&w->plan);
	return true;
}

static bool write_statement(struct writer *w, struct sql_span s)
{
	struct sql_head h;
	statement_fn *own;

	head_of(w->c, w->t, s, &h);
	if (!refuse_unsupported(w->c, w->t, &h))
		return false;
	if (h.class.kind == SQL_UNKNOWN)
		return unknown_statement(w->c, w->t, &h, s.to);
	if (!make_plan(w, &h, s))
		return false;
	own = session_statement(&h);
	if (!own)
		own = change_statement(&h);
	if (!own)
		own = create_statement(&h);
	if (!own)
		own = alter_statement(&h);
	return own ? own(w, &h, s) : write_span(w, write_call(w, s), s.to);
}

static bool rewrite(struct call *c, const struct sql_tokens *t, struct sql_span s, const struct sql_context *x, struct sql_rewrite *ret)
{
	struct writer w = {.c = c, .t = t, .plan = {.c = c, .t = t, .x = x}, .budget = NAME_BUDGET + t->text.n};
	bool ok;

	if (sql_is_show(t, s))
		return sql_show(c, t, s, x, ret);
	if (s.from < s.to)
		(void)buf_room(&w.out, (t->v[s.to - 1].at - t->v[s.from].at) * 2 + 256);
	ok = write_statement(&w, s);
	if (ok)
		*ret = (struct sql_rewrite){.text = arena_dup(c->arena, buf_str(&w.out)), .marks = w.marks.v, .nmarks = w.marks.n,
					    .placeholders = w.nnames, .names = w.names, .sf = w.sf};
	map_close(&w.seen);
	buf_drop(&w.out);
	return ok;
}

/* The text with names in place of IDENTIFIER(…) is what is written again; positions lead back through it. */
static bool rewrite_spliced(struct call *c, const struct sql_rewrite *spliced, const struct sql_context *x, struct sql_rewrite *ret)
{
	struct sql_mark *marks;
	struct sql_tokens t;
	bool ok = sql_lex(c, SQL_SNOWFLAKE, spliced->text, &t) && rewrite(c, &t, (struct sql_span){0, t.n}, x, ret);

	if (!ok) {
		if (c->err.position > 0)
			c->err.position = (int)sql_source_position(spliced, (size_t)c->err.position - 1) + 1;
		return false;
	}
	marks = arena_alloc(c->arena, sizeof(*marks) * ((size_t)ret->nmarks + 1));
	for (int i = 0; i < ret->nmarks; i++)
		marks[i] = (struct sql_mark){ret->marks[i].out, sql_source_position(spliced, ret->marks[i].in)};
	ret->marks = marks;
	return true;
}

bool sql_rewrite_snowflake(struct call *c, const struct sql_tokens *t, struct sql_span s, const struct sql_context *x,
			   struct sql_rewrite *ret)
{
	struct sql_rewrite spliced;
	bool changed;

	INVARIANT(x && t->dialect == SQL_SNOWFLAKE && s.from <= s.to);
	if (!splice_identifiers(c, t, s, x, &spliced, &changed))
		return false;
	return changed ? rewrite_spliced(c, &spliced, x, ret) : rewrite(c, t, s, x, ret);
}

size_t sql_source_position(const struct sql_rewrite *r, size_t at_out)
{
	int low = 0, high = r->nmarks; /* marks[low - 1].out <= at_out < marks[high].out */
	size_t in;

	while (low < high) {
		int middle = low + (high - low) / 2;

		if (r->marks[middle].out <= at_out)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0)
		return at_out;
	in = r->marks[low - 1].in + (at_out - r->marks[low - 1].out);
	return low < r->nmarks && in > r->marks[low].in ? r->marks[low].in : in;
}
