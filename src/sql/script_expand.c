/* script_expand.c - variables of psql replaced by their values, and the way back from places in the outcome. */
#include "sql/script_int.h"

/* As libpq quotes: with a backslash in it, it is an escape string. */
static void add_literal(struct buf *out, struct str v)
{
	bool escape = memchr(v.p, '\\', v.n) != NULL;

	if (escape)
		buf_lit(out, " E");
	buf_addc(out, '\'');
	for (size_t i = 0; i < v.n; i++) {
		if (v.p[i] == '\'' || v.p[i] == '\\')
			buf_addc(out, v.p[i]);
		buf_addc(out, v.p[i]);
	}
	buf_addc(out, '\'');
}

static void add_name(struct buf *out, struct str v)
{
	buf_addc(out, '"');
	for (size_t i = 0; i < v.n; i++) {
		if (v.p[i] == '"')
			buf_addc(out, '"');
		buf_addc(out, v.p[i]);
	}
	buf_addc(out, '"');
}

static bool missing(struct call *c, const struct script_use *use)
{
	struct str name = str_head(use->name, 100);

	fail_at(c, ERR_MISSING_VARIABLE, (int)use->at + 1, "there is no variable %.*s", SARG(name));
	return fail_state(c, "42601", "");
}

/* In its own words, when there is no such variable. */
static void add_as_written(const struct script_use *use, struct buf *out)
{
	buf_addc(out, ':');
	buf_add(out, use->name);
}

bool script_value(struct call *c, const struct script_use *use, const struct script_values *values, struct buf *out)
{
	struct str v = S("");
	bool there = values->value(values->arg, use->name, &v);

	if (use->form == SCRIPT_TEST) {
		buf_add(out, there ? S("TRUE") : S("FALSE"));
		return true;
	}
	if (!there && !use->slice)
		return missing(c, use);
	if (there && v.n && (memchr(v.p, '\0', v.n) || !str_is_utf8(v)))
		return script_error(c, use->at, "the variable's value is no text");
	if (!there)
		add_as_written(use, out);
	else if (use->form == SCRIPT_LITERAL)
		add_literal(out, v.n ? v : S(""));
	else if (use->form == SCRIPT_NAME)
		add_name(out, v);
	else
		buf_add(out, v);
	return true;
}

struct expansion {
	struct call *c;
	const struct script_piece *p;
	struct buf out;
	struct script_mark *marks;
	int nmarks;
	size_t copied; /* of the script: up to here it is in `out` */
};

static void mark(struct expansion *x, size_t in)
{
	x->marks[x->nmarks++] = (struct script_mark){x->out.n, in};
}

static void copy_to(struct expansion *x, size_t at)
{
	mark(x, x->copied);
	buf_add(&x->out, str_from(x->p->text.p + (x->copied - x->p->at), at - x->copied));
	x->copied = at;
}

/* Uses and escapes in the order in which they stand. */
static bool expand(struct expansion *x, const struct script_values *values)
{
	const struct script_piece *p = x->p;
	int use = 0, escape = 0;

	while (use < p->nuses || escape < p->nescapes) {
		if (escape == p->nescapes || (use < p->nuses && p->uses[use].at < p->escapes[escape])) {
			copy_to(x, p->uses[use].at);
			mark(x, p->uses[use].at);
			if (!script_value(x->c, &p->uses[use], values, &x->out))
				return false;
			x->copied = p->uses[use].at + p->uses[use].n;
			use++;
		} else {
			copy_to(x, p->escapes[escape++]);
			mark(x, x->copied++); /* without the backslash */
		}
		if (!buf_ok(&x->out))
			return script_error(x->c, p->at, "with its variables the statement gets too long");
	}
	copy_to(x, p->at + p->text.n);
	return buf_ok(&x->out) || script_error(x->c, p->at, "with its variables the statement gets too long");
}

bool script_expand(struct call *c, const struct script_piece *p, script_value_fn *value, void *arg, struct script_text *ret)
{
	struct expansion x = {.c = c, .p = p, .out.limit = SCRIPT_EXPANDED_MAX, .copied = p->at};
	struct script_values values = {value, arg};
	bool ok;

	x.marks = ARENA_ARRAY(c->arena, struct script_mark, 2 * (size_t)(p->nuses + p->nescapes) + 2);
	if (p->nuses + p->nescapes == 0) {
		mark(&x, p->at);
		*ret = (struct script_text){p->text, x.marks, x.nmarks};
		return true;
	}
	ok = expand(&x, &values);
	if (ok)
		*ret = (struct script_text){arena_dup(c->arena, buf_str(&x.out)), x.marks, x.nmarks};
	buf_drop(&x.out);
	return ok;
}

size_t script_source(const struct script_text *t, size_t at)
{
	int low = 0, high = t->nmarks;
	const struct script_mark *m;

	while (high - low > 1) {
		int middle = low + (high - low) / 2;

		if (t->marks[middle].out <= at)
			low = middle;
		else
			high = middle;
	}
	m = &t->marks[low];
	/* In a value: where the variable stands. */
	if (low + 1 < t->nmarks && m[1].out - m->out != m[1].in - m->in)
		return m->in;
	return m->in + (at - m->out);
}
