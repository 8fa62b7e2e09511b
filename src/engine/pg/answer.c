/* answer.c - an answer while it is made: rows into parts, notices, the error, the tag.
 *
 * What the server says is input: texts become UTF-8 and are cut, notices counted and weighed, cells are
 * checked where they are written. One thread at a time.
 */
#include "engine/pg/pg_int.h"
#include "json/json.h"

#include <stdlib.h>

enum { TEXT_MAX = 64 * 1024, NOTICE_BYTES_MAX = 4 << 20 };

static const struct str part_head = S_INIT("{\"data\":["), part_tail = S_INIT("]}");

void pg_making_begin(struct pg_making *m, struct call *c, struct pg_answer *a, struct pg_caps caps)
{
	*m = (struct pg_making){.c = c, .a = a, .caps = caps, .began_ns = clock_mono_ns()};
	*a = (struct pg_answer){.affected = -1};
}

/* --- parts --- */
static void *grown(struct arena *a, const void *old, size_t n, size_t room)
{
	void *v = arena_alloc(a, room);

	if (n)
		memcpy(v, old, n);
	return v;
}

static void close_part(struct pg_making *m)
{
	struct pg_answer *a = m->a;

	if (m->part_rows == 0)
		return;
	if (a->nparts == m->parts_room) {
		m->parts_room = m->parts_room ? m->parts_room * 2 : 4;
		a->parts = grown(m->c->arena, a->parts, sizeof(*a->parts) * (size_t)a->nparts, sizeof(*a->parts) * (size_t)m->parts_room);
	}
	buf_add(&m->text, part_tail);
	a->parts[a->nparts++] = (struct engine_part){
		.bytes = engine_bytes_copy(buf_str(&m->text)), .rows = m->part_rows, .row_bytes = m->part_row_bytes};
	buf_clear(&m->text);
	m->part_rows = m->part_row_bytes = 0;
}

static void drop_rows(struct pg_answer *a)
{
	for (int i = 0; i < a->nparts; i++)
		engine_bytes_unref(a->parts[i].bytes);
	a->nparts = 0;
}

void pg_answer_drop(struct pg_answer *a)
{
	drop_rows(a);
	a->parts = NULL;
}

/* A text of several commands has the rows of the last that gave any. */
static void begin_rows(struct pg_making *m)
{
	drop_rows(m->a);
	buf_clear(&m->text);
	m->part_rows = m->part_row_bytes = 0;
	m->a->rows = m->a->bytes = 0;
	m->a->truncated = false;
	m->a->has_rows = true;
}

static bool kept(const struct pg_making *m)
{
	return m->caps.rows > 0 && m->caps.bytes > 0;
}

/* Room for a row of at least `least` bytes? */
static bool admits(struct pg_making *m, int64_t least)
{
	struct pg_answer *a = m->a;

	if (!kept(m) || a->truncated)
		return false;
	a->truncated = a->rows >= m->caps.rows || least > m->caps.bytes - a->bytes;
	return !a->truncated;
}

/* Where a row begins; row_done() keeps it, or takes it back when it is too large. */
static size_t row_begin(struct pg_making *m)
{
	if (m->text.n == 0)
		buf_add(&m->text, part_head);
	if (m->part_rows)
		buf_addc(&m->text, ',');
	return m->text.n;
}

static void row_done(struct pg_making *m, size_t from)
{
	int64_t size = (int64_t)(m->text.n - from);

	if (!admits(m, size)) {
		m->text.n = from - (m->part_rows ? 1 : 0);
		return;
	}
	m->part_rows++;
	m->part_row_bytes += size;
	m->a->rows++;
	m->a->bytes += size;
	if (m->text.n >= PG_PART_BYTES)
		close_part(m);
}

/* --- rows --- */
void pg_making_columns(struct pg_making *m, PGconn *db, const PGresult *res)
{
	if (m->cells)
		return;
	begin_rows(m);
	m->cells = m->text_only ? pg_cells_text(m->c->arena, res, &m->a->columns) : pg_cells_of(m->c->arena, db, res, &m->a->columns);
}

/* Base64 is shorter than the hex that came: a row may shrink to two thirds, at most. */
static int64_t least_size(const PGresult *res)
{
	int64_t n = 0;

	for (int i = 0; i < PQnfields(res); i++)
		n += PQgetlength(res, 0, i) / 2;
	return n;
}

void pg_making_row(struct pg_making *m, PGconn *db, const PGresult *res)
{
	size_t from;

	pg_making_columns(m, db, res);
	if (!admits(m, least_size(res)))
		return;
	from = row_begin(m);
	pg_cells_row(m->cells, res, &m->text);
	row_done(m, from);
}

void pg_making_copy_columns(struct pg_making *m, bool binary)
{
	begin_rows(m);
	m->cells = NULL;
	m->a->columns = pg_cells_copy_columns(m->c->arena, binary);
}

void pg_making_copied(struct pg_making *m, struct str line, bool binary)
{
	size_t from;

	if (!admits(m, (int64_t)line.n))
		return;
	from = row_begin(m);
	buf_addc(&m->text, '[');
	if (binary) {
		buf_addc(&m->text, '"');
		hash_base64(line, &m->text);
		buf_addc(&m->text, '"');
	} else {
		json_quote(&m->text, str_ends(line, S("\n")) ? str_head(line, line.n - 1) : line);
	}
	buf_addc(&m->text, ']');
	row_done(m, from);
}

/* --- tag, error, notices --- */
/* A copy of at most `max` bytes, in UTF-8. */
static struct str text_of(struct arena *a, const char *z, size_t max)
{
	struct str s = str_of(z);
	struct buf clean = {0};

	if (s.n > max)
		for (s.n = max; s.n > max - 4 && ((unsigned char)s.p[s.n] & 0xC0) == 0x80;)
			s.n--;
	if (str_is_utf8(s))
		return s.n ? arena_dup(a, s) : (struct str){NULL, 0};
	for (size_t i = 0; i < s.n; i++)
		buf_addc(&clean, (unsigned char)s.p[i] < 0x80 ? s.p[i] : '?');
	s = arena_dup(a, buf_str(&clean));
	buf_drop(&clean);
	return s;
}

void pg_making_tag(struct pg_making *m, PGresult *res)
{
	struct str count = str_of(PQcmdTuples(res));
	int64_t n;

	m->a->command_tag = text_of(m->c->arena, PQcmdStatus(res), TEXT_MAX);
	m->a->affected = count.n && str_to_i64(count, &n) ? n : -1;
	m->cells = NULL; /* the next rows are another result */
}

static void fields_of(struct arena *a, const PGresult *res, size_t max, struct pg_notice *ret)
{
	const struct {
		int field;
		struct str *to;
	} texts[] = {
		{PG_DIAG_SEVERITY_NONLOCALIZED, &ret->severity}, {PG_DIAG_MESSAGE_PRIMARY, &ret->message},
		{PG_DIAG_MESSAGE_DETAIL, &ret->detail}, {PG_DIAG_MESSAGE_HINT, &ret->hint},
		{PG_DIAG_CONTEXT, &ret->context}, {PG_DIAG_SCHEMA_NAME, &ret->schema},
		{PG_DIAG_TABLE_NAME, &ret->table}, {PG_DIAG_COLUMN_NAME, &ret->column},
		{PG_DIAG_CONSTRAINT_NAME, &ret->constraint},
	};
	const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	struct str position = str_of(PQresultErrorField(res, PG_DIAG_STATEMENT_POSITION));
	int64_t at;

	*ret = (struct pg_notice){0};
	for (size_t i = 0; i < COUNT_OF(texts); i++)
		*texts[i].to = text_of(a, PQresultErrorField(res, texts[i].field), max);
	for (int i = 0; state && i < 5 && (ascii_alpha(state[i]) || ascii_digit(state[i])); i++)
		ret->sqlstate[i] = state[i];
	if (position.n && str_to_i64(position, &at) && at > 0 && at < INT32_MAX)
		ret->position = (int)at;
}

void pg_making_error(struct pg_making *m, const PGresult *res)
{
	struct pg_notice *e = &m->a->error;

	fields_of(m->c->arena, res, TEXT_MAX, e);
	if (!e->message.n) /* libpq's own: without fields */
		e->message = text_of(m->c->arena, PQresultErrorMessage(res), TEXT_MAX);
	if (!e->sqlstate[0])
		memcpy(e->sqlstate, "08006", 6);
	/* After its last word a backend is gone, whether or not the socket says so yet. */
	m->a->outcome = str_eq(e->severity, S("FATAL")) || str_eq(e->severity, S("PANIC")) ? PG_LOST : PG_FAILED;
}

void pg_making_refuse(struct pg_making *m, const char *sqlstate, struct str message)
{
	m->a->error = (struct pg_notice){.severity = S("ERROR"), .message = message};
	memcpy(m->a->error.sqlstate, sqlstate, 6);
	m->a->outcome = PG_FAILED;
}

static size_t weight(const struct pg_notice *n)
{
	return sizeof(*n) + n->message.n + n->detail.n + n->hint.n + n->context.n + n->schema.n + n->table.n + n->column.n
		+ n->constraint.n;
}

void pg_making_notice(struct pg_making *m, const PGresult *res)
{
	struct pg_answer *a = m->a;
	struct pg_notice *v;

	if (a->nnotices == PG_NOTICES_MAX || m->notice_bytes >= NOTICE_BYTES_MAX)
		return;
	if (a->nnotices == m->notices_room) {
		m->notices_room = m->notices_room ? m->notices_room * 2 : 4;
		a->notices = grown(m->c->arena, a->notices, sizeof(*v) * (size_t)a->nnotices, sizeof(*v) * (size_t)m->notices_room);
	}
	v = (struct pg_notice *)&a->notices[a->nnotices++];
	fields_of(m->c->arena, res, TEXT_MAX, v);
	m->notice_bytes += weight(v);
}

void pg_making_end(struct pg_making *m, enum pg_outcome outcome)
{
	struct pg_answer *a = m->a;

	if (outcome == PG_OK) {
		close_part(m);
	} else {
		drop_rows(a);
		a->has_rows = a->truncated = false;
		a->rows = a->bytes = 0;
		a->affected = -1;
	}
	buf_drop(&m->text);
	a->outcome = outcome;
	a->ns = clock_mono_ns() - m->began_ns;
}
