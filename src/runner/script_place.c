/* script_place.c - files of scripts as they are read, and errors with the place in the file where they belong. */
#include "runner/script_parts.h"

bool script_file_read(struct call *c, const struct script_run *run, struct str path, struct script_file **ret)
{
	struct script_file *f = ARENA_NEW(c->arena, struct script_file);
	size_t zero;

	f->path = arena_dup(c->arena, path);
	*ret = f; /* also when it fails: for the error's path */
	if (!tree_content(c, run->runner, run->tree, path, &f->text))
		return false;
	zero = str_find(f->text, '\0');
	if (zero < f->text.n)
		return fail_at(c, ERR_BINARY_FILE, (int)(zero < INT32_MAX ? zero + 1 : 0), "the file has a zero byte: it is no text");
	return script_split(c, f->text, &f->v, &f->n);
}

static int64_t characters(struct str s)
{
	int64_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += ((unsigned char)s.p[i] & 0xC0) != 0x80;
	return n;
}

/* Behind so many characters. */
static size_t byte_of(struct str s, int64_t chars)
{
	size_t at = 0;

	for (; at < s.n && chars > 0; chars--)
		for (at++; at < s.n && ((unsigned char)s.p[at] & 0xC0) == 0x80; at++)
			;
	return at;
}

/* Which one of the file, from 1. */
static int statement_of(const struct script_file *f, const struct script_piece *p)
{
	int n = 0;

	for (const struct script_piece *v = f->v; p && v <= p; v++)
		n += v->kind == SCRIPT_SQL || v->kind == SCRIPT_COPY;
	return n;
}

static void at_byte(struct job_error *e, const struct script_file *f, size_t at)
{
	at = at < f->text.n ? at : f->text.n;
	e->position = characters(str_head(f->text, at)) + 1;
	script_place(f->text, at, &e->line, &e->column);
}

static void begin(struct script_run *run, const struct script_file *f, const struct script_piece *p)
{
	run->error = (struct job_error){
		.path = f->path,
		.stage = run->head ? JOB_AT_HEAD_EXECUTION : JOB_AT_TAIL_REPLAY,
		.line = p ? p->line : 0,
		.column = p ? p->column : 0,
		.statement = statement_of(f, p),
	};
}

void script_place_call(struct call *c, struct script_run *run, const struct script_file *f, const struct script_piece *p)
{
	struct job_error *e = &run->error;

	begin(run, f, p);
	e->code = str_of(err_code(c->err.kind));
	e->message = arena_dup(c->arena, str_of(c->err.text));
	memcpy(e->sqlstate, c->err.sqlstate, sizeof(e->sqlstate));
	if (c->err.position > 0)
		at_byte(e, f, (size_t)c->err.position - 1);
	else if (p)
		at_byte(e, f, p->at);
	c->err.position = e->position < INT32_MAX ? (int)e->position : 0;
}

/* "COPY t, line 3, column a: …": the line of the rows that stand in the file; 0: it is none of those. */
static int64_t line_of_rows(struct str context)
{
	size_t at = str_search(context, S(", line "));
	int64_t n = 0;

	if (!str_starts(context, S("COPY ")) || at == context.n)
		return 0;
	for (at += S(", line ").n; at < context.n && ascii_digit(context.p[at]) && n < INT32_MAX; at++)
		n = n * 10 + (context.p[at] - '0');
	return n;
}

static size_t row_at(const struct script_file *f, const struct script_piece *p, int64_t line)
{
	struct str rest = p->data;

	for (; line > 1 && rest.n; line--)
		rest = str_tail(rest, str_find(rest, '\n') + 1 < rest.n ? str_find(rest, '\n') + 1 : rest.n);
	return (size_t)(rest.p - f->text.p);
}

void script_place_notice(struct call *c, struct script_run *run, const struct script_file *f, const struct script_piece *p,
			 const struct script_text *t, const struct pg_notice *n)
{
	struct job_error *e = &run->error;
	int64_t line = line_of_rows(n->context);

	begin(run, f, p);
	e->code = str_of(err_code(ERR_SQL));
	e->message = arena_dup(c->arena, n->message);
	e->detail = arena_dup(c->arena, n->detail.n || !line ? n->detail : n->context);
	e->hint = arena_dup(c->arena, n->hint);
	memcpy(e->sqlstate, n->sqlstate, sizeof(e->sqlstate));
	if (n->position > 0 && t)
		at_byte(e, f, script_source(t, byte_of(t->text, n->position - 1)));
	else if (line && p && p->copy_in)
		at_byte(e, f, row_at(f, p, line));
}
