/* shapes.c - results of statements that return no rows, as Snowflake shows them.
 *
 * A row of counters or a status text. What there will be is planned when the
 * statement is compiled, and filled when the engine has ended it.
 * Source: the specification, sections 7 and 10.
 */
#include "statement/statement_int.h"

#include "json/json.h"

#include <stdlib.h>

enum { STATUS_LENGTH = 16777216, MULTIPLE_LENGTH = 134217728, COUNTERS_MAX = 128 };

/* --- rows --- */

static void set_result(struct stmt *st, const struct engine_column *columns, int n, struct str row)
{
	OWNS(buf) packed = {0};
	OWNS(buf) data = {0};
	struct engine_part p = {.rows = 1, .row_bytes = (int64_t)row.n};

	engine_pack_columns(columns, n, &packed);
	buf_fmt(&data, "{\"data\":[%.*s]}", SARG(row));
	stmt_listener.columns(st, buf_str(&packed));
	p.bytes = engine_bytes_copy(buf_str(&data));
	stmt_add_part(st, &p);
}

static void set_text(struct stmt *st, const char *name, int64_t length, struct str text)
{
	const struct engine_column column = {.name = str_of(name), .type = S("VARCHAR"), .kind = ENGINE_T_TEXT, .nullable = true,
					     .exact = true, .length = length};
	OWNS(buf) row = {0};

	buf_addc(&row, '[');
	json_quote(&row, text);
	buf_addc(&row, ']');
	set_result(st, &column, 1, buf_str(&row));
}

void stmt_shape_children(struct stmt *st)
{
	set_text(st, "multiple statement execution", MULTIPLE_LENGTH, S("Multiple statements executed successfully."));
}

/* --- counters --- */

struct stmt_shape {
	unsigned merges;
	bool each_table;     /* INSERT ALL */
	int nsteps, ntables; /* steps before the last, all of which insert; tables by name, each once */
	int table_of[COUNTERS_MAX];
	size_t name_at[COUNTERS_MAX];
	char names[];
};

struct counters {
	struct engine_column columns[COUNTERS_MAX];
	int n;
	struct buf row;
};

static void add_counter(struct counters *v, struct str name, int64_t n)
{
	v->columns[v->n++] = (struct engine_column){.name = name, .type = S("DECIMAL(19,0)"), .kind = ENGINE_T_DECIMAL, .precision = 19,
						    .exact = true};
	buf_fmt(&v->row, "%s\"%lld\"", v->n > 1 ? "," : "[", (long long)n);
}

static void count_merge(struct counters *v, unsigned merges, const struct stmt_counts *n)
{
	if (merges & SQL_MERGE_INSERTS)
		add_counter(v, S("number of rows inserted"), n->inserted);
	if (merges & SQL_MERGE_UPDATES)
		add_counter(v, S("number of rows updated"), n->updated);
	if (merges & SQL_MERGE_DELETES)
		add_counter(v, S("number of rows deleted"), n->deleted);
}

static void count_tables(struct counters *v, const struct stmt_shape *s, const struct engine_end *end)
{
	int64_t rows[COUNTERS_MAX] = {0};

	for (int i = 0; i < s->nsteps && end->step_rows; i++)
		rows[s->table_of[i]] += end->step_rows[i];
	rows[s->table_of[s->nsteps]] += end->rows;
	for (int i = 0; i < s->ntables; i++)
		add_counter(v, str_of(s->names + s->name_at[i]), rows[i]);
}

static void count_rows(struct counters *v, enum engine_counts counting, const struct stmt_counts *n)
{
	switch (counting) {
	case ENGINE_INSERTED:
		add_counter(v, S("number of rows inserted"), n->inserted);
		return;
	case ENGINE_DELETED:
		add_counter(v, S("number of rows deleted"), n->deleted);
		return;
	case ENGINE_UPDATED:
		add_counter(v, S("number of rows updated"), n->updated);
		add_counter(v, S("number of multi-joined rows updated"), 0);
		return;
	case ENGINE_ROWS:
	case ENGINE_MERGED:
	case ENGINE_STATUS:
		return;
	}
}

static void shape_counters(struct stmt *st, const struct engine_end *end)
{
	struct counters *v = base_zalloc(sizeof(*v));
	struct stmt_shape *shape = NULL;
	struct stmt_counts n;

	stmt_lock(st);
	n = stmt_counts(st);
	if (st->run) {
		shape = st->run->shape;
		st->run->shape = NULL;
	}
	stmt_unlock(st);
	if (shape && shape->each_table)
		count_tables(v, shape, end);
	else if (st->counting == ENGINE_MERGED)
		count_merge(v, shape ? shape->merges : 0, &n);
	else
		count_rows(v, (enum engine_counts)st->counting, &n);
	if (v->n) {
		buf_addc(&v->row, ']');
		set_result(st, v->columns, v->n, buf_str(&v->row));
	}
	buf_drop(&v->row);
	free(shape);
	free(v);
}

/* --- status texts --- */

static const struct {
	const char *object, *shown;
} objects[] = {{"STAGE", "Stage area"}, {"FILE", "File format"}, {"MASKING", "Masking policy"}, {"ROW", "Row access policy"}};

static void add_object(const struct sql_class *k, struct buf *out)
{
	struct str s = k->object;

	for (size_t i = 0; i < COUNT_OF(objects); i++) {
		if (!str_eq(s, str_of(objects[i].object)))
			continue;
		buf_add(out, str_of(objects[i].shown));
		return;
	}
	for (size_t i = 0; i < s.n; i++)
		buf_addc(out, i ? ascii_lower(s.p[i]) : ascii_upper(s.p[i]));
}

static void status_text(const struct sql_class *k, bool forgiven, struct buf *out)
{
	if (k->kind == SQL_CREATE && k->leaf.n && forgiven) {
		buf_fmt(out, "%.*s already exists, statement succeeded.", SARG(k->leaf));
	} else if (k->kind == SQL_CREATE && k->leaf.n) {
		add_object(k, out);
		buf_fmt(out, " %.*s successfully created.", SARG(k->leaf));
	} else if (k->kind == SQL_DROP && k->leaf.n && forgiven) {
		buf_fmt(out, "Drop statement executed successfully (%.*s already dropped).", SARG(k->leaf));
	} else if (k->kind == SQL_DROP && k->leaf.n) {
		buf_fmt(out, "%.*s successfully dropped.", SARG(k->leaf));
	} else {
		buf_lit(out, "Statement executed successfully.");
	}
}

/* The class again, from the text: it is asked for once, at the end. */
static void shape_status(struct stmt *st, bool forgiven)
{
	OWNS(arena) a = {0};
	OWNS(buf) text = {0};
	struct sql_tokens t;
	struct sql_span *spans;
	struct sql_class k = {0};
	struct call c;
	int n;

	call_open(&c, &a);
	if (sql_lex(&c, SQL_SNOWFLAKE, stmt_sql(st), &t) && sql_split(&c, &t, &spans, &n) && n > 0)
		sql_classify(&c, &t, spans[0], &k);
	status_text(&k, forgiven, &text);
	set_text(st, "status", STATUS_LENGTH, buf_str(&text));
}

/* --- when --- */

void stmt_shape(struct stmt *st, const struct engine_end *end, bool forgiven)
{
	if (st->status_shape)
		shape_status(st, forgiven);
	else if (st->snowflake && st->counting != ENGINE_ROWS)
		shape_counters(st, end);
}

void stmt_succeed_at_once(struct stmt *st)
{
	stmt_started(st);
	shape_status(st, false);
	stmt_end(st, STMT_SUCCEEDED, NULL);
}

/* The number of a table among those that came before; a new one at the end. */
static int table_number(struct stmt_shape *s, size_t *end, struct str leaf)
{
	static const char prefix[] = "number of rows inserted into ";

	for (int i = 0; i < s->ntables; i++)
		if (str_eq(str_of(s->names + s->name_at[i] + sizeof(prefix) - 1), leaf))
			return i;
	s->name_at[s->ntables] = *end;
	memcpy(s->names + *end, prefix, sizeof(prefix) - 1);
	memcpy(s->names + *end + sizeof(prefix) - 1, leaf.p, leaf.n);
	*end += sizeof(prefix) + leaf.n;
	return s->ntables++;
}

static struct stmt_shape *shape_of(const struct sql_snowflake *sf)
{
	bool each = sf->last_table.n && sf->nsteps < COUNTERS_MAX;
	size_t room = each ? sf->last_table.n + 64 : 0, end = 0;
	struct stmt_shape *s;

	for (int i = 0; i < sf->nsteps; i++) {
		each = each && sf->steps[i].inserts;
		room += sf->steps[i].table.n + 64;
	}
	if (!each && !sf->merges)
		return NULL;
	s = base_zalloc(sizeof(*s) + room);
	s->merges = sf->merges;
	s->each_table = each;
	s->nsteps = each ? sf->nsteps : 0;
	for (int i = 0; i < s->nsteps; i++)
		s->table_of[i] = table_number(s, &end, sf->steps[i].table);
	if (each)
		s->table_of[s->nsteps] = table_number(s, &end, sf->last_table);
	return s;
}

void stmt_shape_plan(struct stmt *st, const struct compiled *k)
{
	struct stmt_shape *shape = st->snowflake ? shape_of(&k->inner.sf) : NULL;
	struct stmt_origins *origins = stmt_origins_of(k);

	stmt_lock(st);
	st->counting = (uint8_t)k->ask.counts;
	st->status_shape = st->snowflake && (k->ask.counts == ENGINE_STATUS || k->class.kind == SQL_TRUNCATE);
	st->may_be_missing = st->snowflake && stmt_drops_if_exists(&k->class);
	st->may_be_there = st->snowflake && stmt_creates_if_not_exists(&k->class);
	if (st->run) {
		st->run->shape = shape;
		st->run->origins = origins;
		shape = NULL;
		origins = NULL;
	}
	stmt_unlock(st);
	free(shape);
	free(origins);
}
