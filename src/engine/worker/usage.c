/* usage.c - which tables a catalog has, how large they are, and whether a change keeps within its limits.
 *
 * A hidden catalog cannot be asked for its tables, so they are known by their names: those written in a statement that
 * creates, alters or drops are looked up, in its transaction, and what is a table is on the list. A table that no word of
 * a statement names was not changed by it.
 *
 * Sizes are of values, not of memory: a fixed width a row for numbers and times, the bytes of texts and blobs, the text
 * form of nested ones. What is measured after a statement:
 *   INSERT             only the rows of this transaction (their ids are high), added to what was known
 *   DELETE, TRUNCATE   count(*); the bytes shrink with the rows
 *   all others         the whole table: count(*) and, where a column has no fixed width, one pass over those
 * When another committed meanwhile, the whole table again after the commit.
 */
#include "engine/worker/catalog.h"
#include "sql/sql.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FIRST_NEW_ROW "36028797018960000" /* DuckDB's MAX_ROW_ID: ids of rows that are not committed begin here */

enum { LISTER_MEMORY_MB = 256 };

/* --- the list --- */
struct catalog_table *catalog_find(struct catalog *k, struct str name)
{
	for (int i = 0; i < k->ntables; i++)
		if (str_ieq(str_of(k->tables[i].name), name))
			return &k->tables[i];
	return NULL;
}

struct catalog_table *catalog_add_name(struct catalog *k, struct str name)
{
	if ((k->ntables & (k->ntables - 1)) == 0) /* full at powers of two */
		k->tables = base_realloc(k->tables, sizeof(*k->tables) * (size_t)(k->ntables ? k->ntables * 2 : 1));
	k->tables[k->ntables] = (struct catalog_table){.name = strndup(name.p, name.n)};
	return &k->tables[k->ntables++];
}

void catalog_remove_name(struct catalog *k, struct str name)
{
	struct catalog_table *gone = catalog_find(k, name);

	if (!gone)
		return;
	free(gone->name);
	free(gone->measure);
	k->ntables--;
	memmove(gone, gone + 1, sizeof(*gone) * (size_t)(k->tables + k->ntables - gone));
	if (k->ntables && (k->ntables & (k->ntables - 1)) == 0)
		k->tables = base_realloc(k->tables, sizeof(*k->tables) * (size_t)k->ntables);
}

struct str *catalog_names(struct executor *x, struct catalog *k, struct arena *a, int *ret_n)
{
	struct catalogs *all = executor_catalogs(x);
	struct str *v;

	pthread_mutex_lock(&all->lock);
	v = ARENA_ARRAY(a, struct str, (size_t)k->ntables + 1);
	for (int i = 0; i < k->ntables; i++)
		v[i] = arena_dup(a, str_of(k->tables[i].name));
	*ret_n = k->ntables;
	pthread_mutex_unlock(&all->lock);
	return v;
}

bool catalog_has_table(duckdb_connection con, const struct catalog *k, struct str name)
{
	OWNS(arena) a = {0};
	duckdb_table_description d;
	bool ok = duckdb_table_description_create_ext(con, k->name, "public", arena_cstr(&a, name), &d) == DuckDBSuccess;

	duckdb_table_description_destroy(&d);
	return ok; /* not of a view */
}

void catalog_put_name(struct buf *b, const struct catalog *k, struct str table)
{
	buf_fmt(b, "\"%s\".public.", k->name);
	sql_quote_name(b, table);
}

void catalog_sum(struct catalog *k)
{
	struct engine_usage u = {.tables = k->ntables};

	for (int i = 0; i < k->ntables; i++) {
		u.rows += k->tables[i].rows;
		u.bytes += k->tables[i].bytes;
	}
	k->usage = u;
}

/* --- a file that is not attached yet: read by an instance of its own, which can list it --- */
static bool lister_open(struct call *c, const char *path, duckdb_database *ret)
{
	duckdb_config config;
	char *error = NULL;
	char memory[32];
	bool ok;

	snprintf(memory, sizeof(memory), "%dMB", LISTER_MEMORY_MB);
	duckdb_create_config(&config);
	duckdb_set_config(config, "access_mode", "READ_ONLY");
	duckdb_set_config(config, "threads", "1");
	duckdb_set_config(config, "memory_limit", memory);
	ok = duckdb_open_ext(path, ret, config, &error) == DuckDBSuccess;
	if (!ok)
		fail(c, ERR_INTERNAL, "%s", error ? error : "the file cannot be opened");
	duckdb_free(error);
	duckdb_destroy_config(&config);
	return ok;
}

static void take_names(struct catalog *k, duckdb_result *r)
{
	duckdb_data_chunk chunk;

	while ((chunk = duckdb_fetch_chunk(*r)) != NULL) {
		duckdb_string_t *v = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 0));

		for (idx_t i = 0; i < duckdb_data_chunk_get_size(chunk); i++)
			catalog_add_name(k, str_from(duckdb_string_t_data(&v[i]), duckdb_string_t_length(v[i])));
		duckdb_destroy_data_chunk(&chunk);
	}
}

static bool list_in(struct task *t, struct catalog *k, duckdb_database db)
{
	duckdb_connection con;
	duckdb_result r;
	bool ok;

	if (duckdb_connect(db, &con) != DuckDBSuccess)
		return task_fails(t, "Connection", "DuckDB gave no connection");
	ok = duckdb_query(con, "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'public' ORDER BY table_oid", &r) ==
	     DuckDBSuccess;
	if (ok)
		take_names(k, &r);
	else
		task_failed_by_duckdb(t, duckdb_result_error(&r));
	duckdb_destroy_result(&r);
	duckdb_disconnect(&con);
	return ok;
}

bool catalog_list_file(struct task *t, struct catalog *k)
{
	char path[CATALOG_PATH];
	duckdb_database db;
	bool ok;

	catalog_path(k, "", path);
	if (!lister_open(&t->call, path, &db))
		return task_failed_by_duckdb(t, t->call.err.text);
	ok = list_in(t, k, db);
	duckdb_close(&db);
	return ok;
}

/* --- measuring one table --- */
static int64_t fixed_width(duckdb_type type)
{
	switch ((int)type) {
	case DUCKDB_TYPE_BOOLEAN: case DUCKDB_TYPE_TINYINT: case DUCKDB_TYPE_UTINYINT:
		return 1;
	case DUCKDB_TYPE_SMALLINT: case DUCKDB_TYPE_USMALLINT: case DUCKDB_TYPE_ENUM:
		return 2;
	case DUCKDB_TYPE_INTEGER: case DUCKDB_TYPE_UINTEGER: case DUCKDB_TYPE_FLOAT: case DUCKDB_TYPE_DATE:
		return 4;
	case DUCKDB_TYPE_BIGINT: case DUCKDB_TYPE_UBIGINT: case DUCKDB_TYPE_DOUBLE: case DUCKDB_TYPE_TIME:
	case DUCKDB_TYPE_TIME_TZ: case DUCKDB_TYPE_TIME_NS: case DUCKDB_TYPE_TIMESTAMP: case DUCKDB_TYPE_TIMESTAMP_S:
	case DUCKDB_TYPE_TIMESTAMP_MS: case DUCKDB_TYPE_TIMESTAMP_NS: case DUCKDB_TYPE_TIMESTAMP_TZ:
		return 8;
	case DUCKDB_TYPE_HUGEINT: case DUCKDB_TYPE_UHUGEINT: case DUCKDB_TYPE_UUID: case DUCKDB_TYPE_INTERVAL:
	case DUCKDB_TYPE_DECIMAL:
		return 16;
	default:
		return 0; /* as long as its value */
	}
}

/* What a client's macro named sum makes of a table is none of its size: functions are DuckDB's own, and no operator is used. */
static void put_column(struct buf *b, duckdb_type type, struct str name)
{
	buf_lit(b, ", coalesce(CAST(system.main.sum(system.main.");
	buf_add(b, type == DUCKDB_TYPE_BLOB ? S("octet_length(") : type == DUCKDB_TYPE_VARCHAR ? S("strlen(") : S("strlen(CAST("));
	sql_quote_name(b, name);
	buf_add(b, type == DUCKDB_TYPE_BLOB || type == DUCKDB_TYPE_VARCHAR ? S(")") : S(" AS VARCHAR))"));
	buf_lit(b, ") AS BIGINT), 0)");
}

static void look_at_columns(struct arena *a, struct catalog_table *m, duckdb_prepared_statement st)
{
	OWNS(buf) b = {0};

	for (idx_t i = 0; i < duckdb_prepared_statement_column_count(st); i++) {
		duckdb_type type = duckdb_prepared_statement_column_type(st, i);
		const char *name = duckdb_prepared_statement_column_name(st, i);
		int64_t width = fixed_width(type);

		m->width += width;
		m->own_rowid = m->own_rowid || str_ieq(str_of(name), S("rowid"));
		if (width == 0) {
			put_column(&b, type, str_of(name));
			m->nmeasures++;
		}
		duckdb_free((void *)(uintptr_t)name);
	}
	m->measure = arena_cstr(a, buf_str(&b));
}

/* What its columns are: width, measure (in the arena), own_rowid of `m`. */
static bool look_at(struct task *t, struct catalog *k, duckdb_connection con, struct catalog_table *m)
{
	OWNS(buf) sql = {0};
	duckdb_prepared_statement st;
	bool ok;

	buf_lit(&sql, "SELECT * FROM ");
	catalog_put_name(&sql, k, str_of(m->name));
	ok = duckdb_prepare(con, buf_cstr(&sql), &st) == DuckDBSuccess;
	if (ok)
		look_at_columns(t->call.arena, m, st);
	else
		task_failed_by_duckdb(t, duckdb_prepare_error(st));
	duckdb_destroy_prepare(&st);
	return ok;
}

enum measure { MEASURE_ALL, MEASURE_NEW, MEASURE_FEWER };

static bool count(struct task *t, struct catalog *k, duckdb_connection con, struct catalog_table *m, enum measure how)
{
	OWNS(buf) sql = {0};
	int sizes = how == MEASURE_FEWER ? 0 : m->nmeasures;
	int64_t *n = ARENA_ARRAY(t->call.arena, int64_t, (size_t)sizes + 1);

	buf_lit(&sql, "SELECT system.main.count_star()");
	if (sizes)
		buf_add(&sql, str_of(m->measure));
	buf_lit(&sql, " FROM ");
	catalog_put_name(&sql, k, str_of(m->name));
	if (how == MEASURE_NEW)
		buf_lit(&sql, " WHERE rowid >= " FIRST_NEW_ROW);
	if (!catalog_numbers(t, con, buf_cstr(&sql), n, sizes + 1))
		return false;
	if (how == MEASURE_FEWER)
		m->bytes = m->rows > 0 ? (int64_t)((double)m->bytes * (double)n[0] / (double)m->rows) : 0;
	else
		m->bytes = n[0] * m->width;
	for (int i = 1; i <= sizes; i++)
		m->bytes += n[i];
	m->rows = n[0];
	return true;
}

/* Lock held: all but the name. */
static void take_over(struct catalog_table *there, const struct catalog_table *m)
{
	free(there->measure);
	there->measure = strdup(m->measure);
	there->nmeasures = m->nmeasures;
	there->width = m->width;
	there->own_rowid = m->own_rowid;
	there->rows = m->rows;
	there->bytes = m->bytes;
}

/* --- measuring all of a catalog --- */
bool catalog_measure_all(struct executor *x, struct task *t, struct catalog *k, duckdb_connection con)
{
	struct catalogs *all = executor_catalogs(x);
	int n;
	struct str *names = catalog_names(x, k, t->call.arena, &n);

	for (int i = 0; i < n; i++) {
		struct catalog_table m = {.name = arena_cstr(t->call.arena, names[i])}, *there;

		if (!look_at(t, k, con, &m) || !count(t, k, con, &m, MEASURE_ALL))
			return false;
		pthread_mutex_lock(&all->lock);
		there = catalog_find(k, names[i]);
		if (there)
			take_over(there, &m);
		pthread_mutex_unlock(&all->lock);
	}
	pthread_mutex_lock(&all->lock);
	k->measured = true;
	catalog_sum(k);
	pthread_mutex_unlock(&all->lock);
	return true;
}

/* --- limits --- */
bool catalog_within(struct task *t, const struct engine_usage *was, const struct engine_usage *now)
{
	const struct engine_usage *max = &t->scope.max;
	const struct {
		const char *what;
		int64_t was, now, max;
	} v[] = {{"tables", was->tables, now->tables, max->tables},
		 {"rows", was->rows, now->rows, max->rows},
		 {"bytes", was->bytes, now->bytes, max->bytes}};

	for (size_t i = 0; i < COUNT_OF(v); i++) {
		if (v[i].now <= v[i].max || v[i].now <= v[i].was)
			continue;
		task_fails(t, v[i].what, "tenants.session_%s: limit %lld, this statement would make it %lld", v[i].what,
			   (long long)v[i].max, (long long)v[i].now);
		t->end.outcome = ENGINE_FULL;
		return false;
	}
	return true;
}

bool catalog_fits(struct executor *x, struct task *t, const struct engine_usage *more)
{
	struct catalogs *all = executor_catalogs(x);
	struct engine_usage was, now;

	pthread_mutex_lock(&all->lock);
	was = t->catalog->usage;
	pthread_mutex_unlock(&all->lock);
	now = (struct engine_usage){was.tables, was.rows + more->rows, was.bytes + more->bytes};
	return catalog_within(t, &was, &now);
}

/* --- what a statement may have changed --- */
struct touched {
	struct str name;
	struct catalog_table now;      /* in the arena */
	bool added;                    /* `now` holds what came, not what is there */
	bool gone;
	bool empty;                    /* if it is new, it has no rows */
};
struct effect {
	struct touched *v;
	int n;
	enum measure how;
	struct str created;            /* the name as it shall be known */
	bool empty;                    /* that one begins without rows */
	bool any_name;                 /* of tables that are not known, too */
};

static bool is_name(const struct sql_token *token)
{
	return token->kind == SQL_WORD || token->kind == SQL_QUOTED;
}

static bool has_word(const struct sql_tokens *tokens, const char *word)
{
	for (int i = 0; i < tokens->n; i++)
		if (sql_is(tokens, i, word))
			return true;
	return false;
}

static void classify(struct call *c, const struct sql_tokens *tokens, struct effect *ret)
{
	struct sql_class k;

	sql_classify(c, tokens, (struct sql_span){0, tokens->n}, &k);
	ret->how = MEASURE_ALL;
	if (k.kind == SQL_DELETE || k.kind == SQL_TRUNCATE)
		ret->how = MEASURE_FEWER;
	else if (k.kind == SQL_INSERT && !has_word(tokens, "conflict") && !has_word(tokens, "replace"))
		ret->how = MEASURE_NEW;
	ret->any_name = k.kind != SQL_INSERT && k.kind != SQL_UPDATE && k.kind != SQL_DELETE && k.kind != SQL_SELECT;
	if (k.kind == SQL_CREATE && str_ieq(k.object, S("TABLE")) && !k.if_not_exists)
		ret->created = k.leaf;
	ret->empty = ret->created.n && !k.as_select;
}

/* Names of the statement, each once, in its order. */
static struct str *names_of(struct arena *a, const struct sql_tokens *tokens, int *ret_n)
{
	struct map seen = {0};
	OWNS(buf) v = {0};

	for (int i = 0; i < tokens->n; i++) {
		struct str name, low;

		if (!is_name(&tokens->v[i]))
			continue;
		name = sql_name_of(a, SQL_DUCKDB, &tokens->v[i]);
		low = arena_lower(a, name);
		if (map_get(&seen, low))
			continue;
		map_put(&seen, low, &seen);
		buf_add(&v, str_from((const char *)&name, sizeof(name)));
	}
	map_close(&seen);
	*ret_n = (int)(v.n / sizeof(struct str));
	return (struct str *)(void *)arena_dup(a, buf_str(&v)).p;
}

/* What is known of it, in the arena; false: nothing. */
static bool known(struct executor *x, struct task *t, struct str name, struct catalog_table *ret)
{
	struct catalogs *all = executor_catalogs(x);
	struct catalog_table *there;

	pthread_mutex_lock(&all->lock);
	there = catalog_find(t->catalog, name);
	if (there) {
		*ret = *there;
		ret->name = arena_cstr(t->call.arena, str_of(there->name));
		ret->measure = arena_cstr(t->call.arena, str_of(there->measure));
	}
	pthread_mutex_unlock(&all->lock);
	return there != NULL;
}

/* How the table `ret->name` is now, seen from the statement's connection. */
static bool look_after(struct executor *x, struct task *t, duckdb_connection con, enum measure how, struct touched *ret)
{
	struct catalog *k = t->catalog;
	struct catalog_table was = {0};
	bool is_known = known(x, t, ret->name, &was);

	ret->gone = !catalog_has_table(con, k, ret->name);
	ret->added = false;
	if (ret->gone)
		return true;
	if (is_known && how != MEASURE_ALL && !(how == MEASURE_NEW && was.own_rowid)) {
		ret->now = was;
		ret->added = how == MEASURE_NEW;
		return count(t, k, con, &ret->now, how);
	}
	ret->now = (struct catalog_table){.name = arena_cstr(t->call.arena, ret->name)};
	return look_at(t, k, con, &ret->now) && ((ret->empty && !is_known) || count(t, k, con, &ret->now, MEASURE_ALL));
}

static bool effect_of(struct executor *x, struct task *t, duckdb_connection con, struct str sql, struct effect *ret)
{
	struct sql_tokens tokens;
	struct str *names;
	int n;

	*ret = (struct effect){0};
	if (!sql_lex(&t->call, SQL_DUCKDB, sql, &tokens))
		return task_fails(t, "Parser", "%s", t->call.err.text);
	classify(&t->call, &tokens, ret);
	names = names_of(t->call.arena, &tokens, &n);
	ret->v = ARENA_ARRAY(t->call.arena, struct touched, (size_t)n + 1);
	for (int i = 0; i < n; i++) {
		struct touched *at = &ret->v[ret->n];
		struct catalog_table was;
		bool is_known = known(x, t, names[i], &was);

		if (!is_known && !(ret->any_name && catalog_has_table(con, t->catalog, names[i])))
			continue;
		at->name = names[i];
		at->empty = ret->empty && str_ieq(names[i], ret->created);
		if (!look_after(x, t, con, ret->how, at))
			return false;
		ret->n++;
	}
	return true;
}

/* --- of several statements in one transaction: the names that they touched, measured when it ends --- */
static bool is_noted(const struct change *ch, struct str name)
{
	struct wire_in in = wire_in(buf_str(&ch->touched));

	while (in.p && in.p != in.end && !in.bad)
		if (str_ieq(wire_get_text(&in), name))
			return true;
	return false;
}

void catalog_note(struct executor *x, struct task *t, struct change *ch, struct str sql)
{
	struct sql_tokens tokens;
	struct str *names;
	int n;

	if (!t->catalog || !sql_lex(&t->call, SQL_DUCKDB, sql, &tokens)) {
		call_forgive(&t->call);
		return;
	}
	names = names_of(t->call.arena, &tokens, &n);
	for (int i = 0; i < n; i++) {
		struct catalog_table was;

		if (is_noted(ch, names[i]))
			continue;
		if (known(x, t, names[i], &was) || catalog_has_table(ch->session->con, t->catalog, names[i]))
			wire_text(&ch->touched, names[i]);
	}
}

static bool effect_of_notes(struct executor *x, struct task *t, const struct change *ch, struct effect *ret)
{
	struct wire_in in = wire_in(arena_dup(t->call.arena, buf_str(&ch->touched)));

	*ret = (struct effect){.how = MEASURE_ALL};
	ret->v = ARENA_ARRAY(t->call.arena, struct touched, ch->touched.n / sizeof(uint32_t) + 1);
	while (in.p != in.end && !in.bad) {
		struct touched *at = &ret->v[ret->n];

		*at = (struct touched){.name = wire_get_text(&in)};
		if (!look_after(x, t, ch->session->con, MEASURE_ALL, at))
			return false;
		if (!at->gone || known(x, t, at->name, &at->now))
			ret->n++; /* else made and dropped again */
	}
	return true;
}

/* Lock held: usage as it would be. */
static struct engine_usage usage_after(struct catalog *k, const struct effect *e)
{
	struct engine_usage u = k->usage;

	for (int i = 0; i < e->n; i++) {
		const struct touched *at = &e->v[i];
		const struct catalog_table *was = catalog_find(k, at->name);

		u.tables += !at->gone - (was != NULL);
		u.rows += at->gone ? 0 : at->now.rows;
		u.bytes += at->gone ? 0 : at->now.bytes;
		if (was && !at->added) {
			u.rows -= was->rows;
			u.bytes -= was->bytes;
		}
	}
	return u;
}

/* Lock held. */
static void apply(struct catalog *k, const struct effect *e)
{
	for (int i = 0; i < e->n; i++) {
		const struct touched *at = &e->v[i];
		struct catalog_table *there = catalog_find(k, at->name);
		/* a keyword of the statement may have been the same name in another case */
		struct str name = str_ieq(at->name, e->created) ? e->created : at->name;

		if (at->gone) {
			catalog_remove_name(k, at->name);
			continue;
		}
		if (!there)
			there = catalog_add_name(k, name);
		if (at->added) {
			there->rows += at->now.rows;
			there->bytes += at->now.bytes;
		} else {
			take_over(there, &at->now);
		}
		if (str_ieq(name, e->created) && !str_eq(str_of(there->name), name)) {
			free(there->name);
			there->name = strndup(name.p, name.n);
		}
	}
	catalog_sum(k);
}

/* --- the transaction --- */
static bool know_size(struct executor *x, struct task *t, struct session *s, uint64_t *ret_version)
{
	struct catalogs *all = executor_catalogs(x);
	bool measured;

	pthread_mutex_lock(&all->lock);
	measured = t->catalog->measured;
	pthread_mutex_unlock(&all->lock);
	if (!measured && !catalog_measure_all(x, t, t->catalog, s->con))
		return false;
	pthread_mutex_lock(&all->lock);
	*ret_version = t->catalog->version;
	pthread_mutex_unlock(&all->lock);
	return true;
}

bool catalog_begin(struct executor *x, struct task *t, struct session *s, struct change *ret)
{
	buf_clear(&ret->touched);
	ret->session = NULL;
	ret->defines = false;
	if (t->catalog && !know_size(x, t, s, &ret->version))
		return false;
	if (!catalog_query(t, s->con, "BEGIN TRANSACTION"))
		return false;
	ret->session = s;
	return true;
}

void catalog_rollback(struct change *ch)
{
	duckdb_result r;

	if (!ch->session)
		return;
	duckdb_query(ch->session->con, "ROLLBACK", &r); /* refused where DuckDB has done it */
	duckdb_destroy_result(&r);
	ch->session = NULL;
	buf_clear(&ch->touched);
}

/* Another committed meanwhile: what was measured is not what is there. */
static bool measure_again(struct executor *x, struct task *t, duckdb_connection con, struct effect *e)
{
	for (int i = 0; i < e->n; i++)
		if (!e->v[i].added && !look_after(x, t, con, MEASURE_ALL, &e->v[i]))
			return false;
	return true;
}

/* k->commit held. */
static bool commit(struct executor *x, struct task *t, struct change *ch, struct effect *e)
{
	struct catalogs *all = executor_catalogs(x);
	struct catalog *k = t->catalog;
	struct engine_usage now;
	bool ok, alone;

	pthread_mutex_lock(&all->lock);
	now = usage_after(k, e);
	alone = k->version == ch->version;
	ok = catalog_within(t, &k->usage, &now);
	pthread_mutex_unlock(&all->lock);
	if (!ok)
		return false;
	executor_runs(x, NULL); /* a COMMIT is not interrupted */
	if (!catalog_query(t, ch->session->con, "COMMIT"))
		return false;
	if (!alone && !measure_again(x, t, ch->session->con, e))
		t->end = (struct engine_end){.rows = t->end.rows, .position = -1}; /* it is done; the next one measures */
	pthread_mutex_lock(&all->lock);
	apply(k, e);
	k->version++;
	t->usage = k->usage;
	pthread_mutex_unlock(&all->lock);
	return true;
}

static bool commit_alone(struct executor *x, struct task *t, struct change *ch, struct effect *e)
{
	bool ok;

	pthread_mutex_lock(&t->catalog->commit);
	ok = commit(x, t, ch, e);
	pthread_mutex_unlock(&t->catalog->commit);
	if (!ok)
		catalog_rollback(ch);
	ch->session = NULL;
	buf_clear(&ch->touched);
	return ok;
}

/* Of the tenant's own: no limits but DuckDB's. */
static bool commit_plainly(struct executor *x, struct task *t, struct change *ch)
{
	executor_runs(x, NULL); /* a COMMIT is not interrupted */
	if (!catalog_query(t, ch->session->con, "COMMIT")) {
		catalog_rollback(ch);
		return false;
	}
	ch->session = NULL;
	return true;
}

bool catalog_commit(struct executor *x, struct task *t, struct change *ch, struct str sql)
{
	struct engine_end end = t->end;
	struct effect e;

	if (!t->catalog)
		return commit_plainly(x, t, ch);
	if (sql.n ? effect_of(x, t, ch->session->con, sql, &e) : effect_of_notes(x, t, ch, &e)) {
		t->end = end;
		return commit_alone(x, t, ch, &e);
	}
	catalog_rollback(ch);
	return false;
}

bool catalog_commit_rows(struct executor *x, struct task *t, struct change *ch, const struct engine_usage *more, struct str table)
{
	struct touched one = {.name = table, .now = {.rows = more->rows, .bytes = more->bytes}, .added = true};
	struct effect e = {.v = &one, .n = 1, .how = MEASURE_NEW};
	struct catalog_table was;

	if (known(x, t, table, &was))
		return commit_alone(x, t, ch, &e);
	catalog_rollback(ch);
	return task_fails(t, "Catalog", "Table with name %.*s does not exist!", SARG(table));
}
