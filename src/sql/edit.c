/* edit.c - the plan's edits: text before, behind and instead of tokens. */
#include "sql/rewrite_int.h"

static struct edit *edit_made(struct plan *p, int i)
{
	struct edit *more;
	int at = i - p->from;

	INVARIANT(i >= p->from && i <= p->to);
	if (p->todo[at] & PLAN_EDIT)
		return &p->edits[p->edit_of[at]];
	if (p->nedits == p->capedits) {
		p->capedits = p->capedits ? p->capedits * 2 : 16;
		more = arena_alloc(p->c->arena, sizeof(*more) * (size_t)p->capedits);
		if (p->nedits)
			memcpy(more, p->edits, sizeof(*more) * (size_t)p->nedits);
		p->edits = more;
	}
	if (!p->edit_of)
		p->edit_of = arena_alloc(p->c->arena, sizeof(int) * (size_t)(p->to - p->from + 1));
	p->todo[at] |= PLAN_EDIT;
	p->edit_of[at] = p->nedits;
	p->edits[p->nedits] = (struct edit){0};
	return &p->edits[p->nedits++];
}

const struct edit *edit_at(const struct plan *p, int i)
{
	return p->todo[i - p->from] & PLAN_EDIT ? &p->edits[p->edit_of[i - p->from]] : NULL;
}

int edit_holder(const struct plan *p, int i)
{
	while (i > p->from && p->todo[i - p->from] & PLAN_TAKEN)
		i--;
	return i;
}

static struct edit_piece *piece(struct plan *p, struct str text)
{
	struct edit_piece *made = ARENA_NEW(p->c->arena, struct edit_piece);

	made->text = text;
	return made;
}

void edit_before(struct plan *p, int i, struct str text)
{
	struct edit_piece *made = piece(p, text);
	struct edit *e = edit_made(p, i);

	made->next = e->before;
	e->before = made;
}

static void add_behind(struct plan *p, int i, struct edit_piece *made)
{
	struct edit *e = edit_made(p, i);

	if (e->last)
		e->last->next = made;
	else
		e->behind = made;
	e->last = made;
}

void edit_behind(struct plan *p, int i, struct str text)
{
	add_behind(p, i, piece(p, text));
}

void edit_again(struct plan *p, int i, int from, int to)
{
	struct edit_piece *made = piece(p, S(""));

	made->again = (struct sql_span){from, to};
	add_behind(p, i, made);
}

void edit_repeat(struct plan *p, int i, const struct str *texts, const struct sql_span *spans, int n)
{
	struct edit_piece *made = piece(p, S("")), **at = &made->parts;

	for (int k = 0; k < n; k++) {
		*at = piece(p, texts[k]);
		at = &(*at)->next;
		if (k == n - 1 || spans[k].from >= spans[k].to)
			continue;
		*at = piece(p, S(""));
		(*at)->again = spans[k];
		at = &(*at)->next;
	}
	add_behind(p, i, made);
}

void edit_wrap(struct plan *p, int from, int last, struct str before, struct str behind)
{
	edit_before(p, from, before);
	edit_behind(p, last, behind);
}

void edit_replace(struct plan *p, int from, int to, struct str text)
{
	struct edit *e;

	INVARIANT(from < to && to <= p->to && text.p);
	e = edit_made(p, from);
	e->instead = text;
	e->resume = to;
	for (int i = from + 1; i < to; i++)
		p->todo[i - p->from] |= PLAN_TAKEN;
}
