/* formats.c - cells of dates, times and bytes as the request's output formats say (specification, section 2.1).
 *
 * TIMESTAMP_LTZ is shown by the clocks of the session's zone: DuckDB says how
 * far they are from UTC, once a day of the values; a day on which they change
 * is asked about for each quarter of an hour. On the executor's thread.
 */
#include "engine/format.h"
#include "engine/functions/types.h"
#include "engine/worker/worker.h"
#include "json/json.h"

enum { DAYS = 256, DAY_SECONDS = 86400, QUARTER = 900, SCALE_ALL = 9 };
#define MICROS INT64_C(1000000)
#define NANOS_PER_DAY INT64_C(86400000000000)

struct zone_day {
	int64_t day;
	int offset;
	bool known, changes;
};
struct cell_format { /* of a column, in the statement's arena */
	struct format format;
	struct executor *executor;
	const char *zone; /* NULL = UTC */
	struct zone_day days[DAYS];
};

/* --- offsets --- */
static int offset_asked(struct cell_format *k, int64_t seconds)
{
	OWNS(buf) sql = {0};
	duckdb_result r;
	int64_t offset = 0;

	buf_fmt(&sql, "SELECT epoch_us(timezone('%s', make_timestamptz(%lld))) - %lld", k->zone, (long long)(seconds * MICROS),
		(long long)(seconds * MICROS));
	if (duckdb_query(k->executor->admin, buf_cstr(&sql), &r) == DuckDBSuccess) {
		duckdb_data_chunk chunk = duckdb_fetch_chunk(r);

		if (chunk)
			offset = *(int64_t *)duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 0)) / MICROS;
		duckdb_destroy_data_chunk(&chunk);
	}
	duckdb_destroy_result(&r);
	return (int)offset;
}

/* Seconds that the zone's clocks are ahead of UTC. */
static int offset_at(struct cell_format *k, int64_t seconds)
{
	int64_t day = floor_div(seconds, DAY_SECONDS);
	struct zone_day *d = &k->days[(uint64_t)day % DAYS];

	if (!k->zone)
		return 0;
	if (!d->known || d->day != day) {
		*d = (struct zone_day){.day = day, .known = true, .offset = offset_asked(k, day * DAY_SECONDS)};
		d->changes = offset_asked(k, (day + 1) * DAY_SECONDS) != d->offset;
	}
	return d->changes ? offset_asked(k, floor_div(seconds, QUARTER) * QUARTER) : d->offset;
}

/* --- cells --- */
#define CELL(type, col, row) (((const type *)(col)->data)[row])

static void set_nanos(struct format_time *t, __int128 nanos)
{
	__int128 days = nanos / NANOS_PER_DAY - (nanos % NANOS_PER_DAY < 0);

	t->days = (int64_t)days;
	t->nanos = (int64_t)(nanos - days * NANOS_PER_DAY);
}

static void instant_of(const struct column *col, idx_t row, struct format_time *t)
{
	int64_t v = CELL(int64_t, col, row);
	int offset;

	switch (col->type) {
	case DUCKDB_TYPE_TIMESTAMP_S:
		set_nanos(t, (__int128)v * 1000000000);
		break;
	case DUCKDB_TYPE_TIMESTAMP_MS:
		set_nanos(t, (__int128)v * 1000000);
		break;
	case DUCKDB_TYPE_TIMESTAMP_NS:
		set_nanos(t, v);
		break;
	case DUCKDB_TYPE_TIMESTAMP_TZ:
		offset = offset_at(col->format, floor_div(v, MICROS));
		t->offset_minutes = (int)floor_div(offset, 60);
		set_nanos(t, ((__int128)v + offset * MICROS) * 1000);
		break;
	default:
		set_nanos(t, (__int128)v * 1000);
	}
}

static struct format_time time_of(const struct column *col, idx_t row)
{
	struct format_time t = {0};
	struct zoned z;

	switch (col->type) {
	case DUCKDB_TYPE_DATE:
		t.days = CELL(int32_t, col, row);
		break;
	case DUCKDB_TYPE_TIME:
		t.nanos = CELL(int64_t, col, row) * 1000;
		break;
	case DUCKDB_TYPE_TIME_NS:
		t.nanos = CELL(int64_t, col, row);
		break;
	case DUCKDB_TYPE_INTERVAL: /* a TIMESTAMP_TZ */
		z = zoned_unpack(CELL(duckdb_interval, col, row));
		t.offset_minutes = z.zone;
		set_nanos(&t, ((__int128)z.utc + z.zone * 60 * MICROS) * 1000 + z.nanos);
		break;
	default:
		instant_of(col, row, &t);
	}
	return t;
}

static bool infinite(const struct column *col, idx_t row)
{
	int64_t v;

	if (col->type == DUCKDB_TYPE_TIME || col->type == DUCKDB_TYPE_TIME_NS)
		return false;
	if (col->type == DUCKDB_TYPE_DATE)
		return CELL(int32_t, col, row) == INT32_MAX || CELL(int32_t, col, row) == -INT32_MAX;
	v = col->type == DUCKDB_TYPE_INTERVAL ? zoned_unpack(CELL(duckdb_interval, col, row)).utc : CELL(int64_t, col, row);
	return v == INT64_MAX || v == -INT64_MAX;
}

/* "cell|text": JSON strings become one. */
static void join(struct buf *b, size_t between)
{
	if (!buf_ok(b))
		return;
	b->p[between - 1] = '|';
	memmove(b->p + between, b->p + between + 1, b->n - between - 1);
	b->n--;
}

static void formatted_cell(struct buf *b, const struct column *col, idx_t row)
{
	struct format_time t;
	OWNS(buf) text = {0};
	size_t between;

	col->unformatted(b, col, row);
	if (infinite(col, row))
		return;
	between = b->n;
	t = time_of(col, row);
	format_write(&col->format->format, &t, col->type == DUCKDB_TYPE_DATE ? 0 : SCALE_ALL, &text);
	json_quote_utf8(b, buf_str(&text));
	join(b, between);
}

static void base64_cell(struct buf *b, const struct column *col, idx_t row)
{
	size_t between;

	col->unformatted(b, col, row);
	between = b->n;
	encoding_of(DUCKDB_TYPE_BLOB, false)->native(b, col, row);
	join(b, between);
}

/* --- which columns --- */
static enum engine_format format_of(const struct engine_column *k)
{
	switch (k->kind) {
	case ENGINE_T_DATE:
		return ENGINE_FORMAT_DATE;
	case ENGINE_T_TIME:
		return ENGINE_FORMAT_TIME;
	case ENGINE_T_TIMESTAMP:
		return ENGINE_FORMAT_NTZ;
	case ENGINE_T_TIMESTAMPTZ:
		return ENGINE_FORMAT_LTZ;
	case ENGINE_T_TIMESTAMP_TZ:
		return ENGINE_FORMAT_TZ;
	case ENGINE_T_BLOB:
		return ENGINE_FORMAT_BINARY;
	default:
		return ENGINE_FORMATS;
	}
}

static const char *zone_of(struct executor *x, struct task *t)
{
	struct str zone = t->ask.timezone;

	if (zone.n == 0 || str_ieq(zone, S("UTC")) || memchr(zone.p, '\'', zone.n))
		return NULL;
	if (!x->admin && duckdb_connect(executor_database(x), &x->admin) != DuckDBSuccess)
		return NULL;
	return arena_cstr(t->call.arena, zone);
}

bool formats_column(struct executor *x, struct task *t, const struct engine_column *k, struct column *col)
{
	enum engine_format which = format_of(k);
	struct cell_format *f;
	struct str text, bad;

	text = which < ENGINE_FORMATS ? t->ask.formats[which] : (struct str){0};
	if (!text.n)
		return true;
	if (which == ENGINE_FORMAT_BINARY) {
		if (str_ieq(text, S("BASE64"))) {
			col->unformatted = col->put;
			col->put = base64_cell;
		}
		return true;
	}
	f = ARENA_NEW(t->call.arena, struct cell_format);
	if (!format_compile(text, &f->format, &bad))
		return task_fails(t, "Format", "invalid format '%.*s': '%.*s' is no element of it", SARG(str_head(text, 100)), SARG(bad));
	if (f->format.automatic)
		return true;
	f->executor = x;
	f->zone = which == ENGINE_FORMAT_LTZ ? zone_of(x, t) : NULL;
	col->format = f;
	col->unformatted = col->put;
	col->put = formatted_cell;
	return true;
}
