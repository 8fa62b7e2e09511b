/* dsn_layers.c - layers on a server of the user's: template databases, and what is known of them in the catalog.
 *
 * A layer's row has the oid of its database, which renaming keeps: row, flags and name change in one transaction, so a layer
 * is there whole or not at all, whoever dies. Every layer is a whole copy: it needs no parent to be opened.
 */
#include "engine/pg/dsn_int.h"

#include <stdio.h>

/* --- publishing --- */
static bool row_of(struct call *c, struct dsn_instance *i, struct str id, struct str manifest, struct str *ret)
{
	if (memchr(manifest.p ? manifest.p : "", '\0', manifest.n) || !str_is_utf8(manifest))
		return fail(c, ERR_INTERNAL, "the manifest of a layer is no text");
	*ret = arena_fmt(c->arena, "'%.*s', '%s', %lld", SARG(id), i->parent, (long long)clock_wall_ms());
	*ret = arena_fmt(c->arena, "%.*s, %.*s", SARG(*ret), SARG(dsn_literal(c->arena, manifest)));
	return true;
}

/* A row for the database `name`, if it has none. */
static struct str insert_of(struct call *c, const char *name, struct str values)
{
	return arena_fmt(c->arena, "INSERT INTO mayfly.layer (db, id, parent, published_ms, manifest, bytes) SELECT d.oid, %.*s, "
		"pg_database_size(d.oid) FROM pg_database d WHERE d.datname = '%s' ON CONFLICT (db) DO NOTHING", SARG(values), name);
}

/* Sessions that are closing count until they are gone. */
static bool end_sessions(struct call *c, struct pg_conn *p, const char *db)
{
	return dsn_run(c, p, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '%s'", db);
}

static bool take_name(struct call *c, struct pg_conn *p, struct dsn_instance *i, const char *name, struct str values)
{
	return dsn_run(c, p, "BEGIN; DELETE FROM mayfly.layer l USING pg_database d WHERE l.db = d.oid AND d.datname = '%s'; %.*s; "
		"ALTER DATABASE %s WITH IS_TEMPLATE true ALLOW_CONNECTIONS false; ALTER DATABASE %s RENAME TO %s; COMMIT",
		i->db, SARG(insert_of(c, i->db, values)), i->db, i->db, name);
}

static bool publish_on(struct call *c, struct pg_conn *p, struct dsn_instance *i, const char *name, struct str values)
{
	return end_sessions(c, p, i->db) && take_name(c, p, i, name, values);
}

/* Somebody else was first. Its row may be missing, when the catalog was lost. */
static bool adopt(struct call *c, struct dsn *d, const char *name, struct str values)
{
	struct pg_conn *p;
	bool ok;

	if (!dsn_take(c, d, NULL, &p))
		return false;
	ok = dsn_run(c, p, "%.*s", SARG(insert_of(c, name, values)));
	dsn_give(d, p, ok);
	return ok;
}

bool dsn_publish(struct call *c, struct pg_instance *instance, struct str id, struct str manifest, bool *ret_first)
{
	struct dsn_instance *i = CONTAINER_OF(instance, struct dsn_instance, instance);
	struct dsn *d = i->d;
	char name[DSN_NAME];
	struct str values = {NULL, 0};
	struct pg_conn *p;
	bool ok;

	INVARIANT(i->use == PG_BUILD && id.n == PG_LAYER_LEN);
	dsn_layer_name(id, name);
	ok = row_of(c, i, id, manifest, &values) && dsn_take(c, d, NULL, &p);
	if (ok) {
		ok = publish_on(c, p, i, name, values);
		dsn_give(d, p, ok);
	}
	if (ok) {
		dsn_forget(i);
		*ret_first = true;
		return true;
	}
	dsn_release(instance);
	if (!dsn_state_is(c, "42P04", "23505"))
		return false;
	call_forgive(c);
	*ret_first = false;
	return adopt(c, d, name, values);
}

/* --- dropping --- */
static bool drop_on(struct call *c, struct pg_conn *p, const char *name)
{
	/* Without IS_TEMPLATE it is no layer any more; the sweep drops what stays of it. */
	if (!dsn_run(c, p, "ALTER DATABASE %s WITH IS_TEMPLATE false", name)) {
		if (!dsn_state_is(c, "3D000", NULL))
			return false;
		call_forgive(c);
	}
	return dsn_run(c, p, "DROP DATABASE IF EXISTS %s WITH (FORCE)", name);
}

bool dsn_drop(struct call *c, struct pg_backend *b, struct str id)
{
	struct dsn *d = CONTAINER_OF(b, struct dsn, backend);
	char name[DSN_NAME];
	struct pg_conn *p;
	bool ok;

	INVARIANT(id.n == PG_LAYER_LEN);
	dsn_layer_name(id, name);
	if (!dsn_take(c, d, NULL, &p))
		return false;
	ok = drop_on(c, p, name) && dsn_run(c, p, "DELETE FROM mayfly.layer WHERE id = '%.*s'", SARG(id));
	dsn_give(d, p, ok);
	return ok;
}

/* --- listing --- */
static const char list_sql[] =
	"WITH RECURSIVE whole AS ("
	"SELECT l.* FROM mayfly.layer l JOIN pg_database d ON d.oid = l.db "
	"WHERE d.datistemplate AND d.datname = 'mayfly_l_' || left(l.id, 40)), "
	"deep AS (SELECT w.id, 0 AS depth FROM whole w WHERE NOT EXISTS (SELECT FROM whole p WHERE p.id = w.parent) "
	"UNION ALL SELECT w.id, deep.depth + 1 FROM whole w JOIN deep ON w.parent = deep.id WHERE deep.depth < 100000) "
	"SELECT w.id, w.parent, w.bytes, w.published_ms, w.manifest FROM whole w JOIN deep USING (id) ORDER BY deep.depth, w.id";

bool dsn_list(struct call *c, struct pg_backend *b, pg_found_fn *fn, void *arg)
{
	struct dsn *d = CONTAINER_OF(b, struct dsn, backend);
	const json_node *rows;
	struct pg_conn *p;
	bool ok;

	if (!dsn_take(c, d, NULL, &p))
		return false;
	ok = dsn_ask(c, p, &rows, "%s", list_sql);
	dsn_give(d, p, ok);
	for (size_t i = 0; ok && i < json_count(rows); i++) {
		const json_node *row = json_at(rows, i);
		struct pg_found f = {.id = json_text(json_at(row, 0)), .parent = json_text(json_at(row, 1)), .bytes = json_int(json_at(row, 2)),
				     .published_ms = json_int(json_at(row, 3)), .manifest = json_text(json_at(row, 4))};

		if (!fn(arg, &f))
			break;
	}
	return ok;
}
