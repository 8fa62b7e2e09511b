/* dsn.c - the dsn backend: opened, closed, and what it says of itself.
 *
 * For servers where nobody may touch the files: everything is done by SQL, as the DSN's user, who may make databases and had better
 * be able to make roles. Not for cluster-wide SQL: that is refused before it gets here. Databases of one name serve all
 * servers of Mayfly that have the same DSN.
 */
#include "engine/pg/dsn_int.h"

#include <stdio.h>
#include <stdlib.h>

/* --- what the server is --- */
static const char facts_sql[] =
	"SELECT rolsuper, rolcreatedb, rolcreaterole, rolname::text, current_setting('server_version'), "
	"pg_encoding_to_char(t.encoding), EXISTS (SELECT FROM pg_database WHERE datname = '" DSN_CATALOG "') "
	"FROM pg_roles, pg_database t WHERE rolname = current_user AND t.datname = 'template0'";

static bool read_facts(struct call *c, struct dsn *d, struct pg_conn *p, bool *ret_catalog)
{
	const json_node *rows, *row;

	d->version = pg_conn_version(p);
	if (d->version < DSN_OLDEST)
		return fail(c, ERR_ENGINE_UNREACHABLE, "PostgreSQL %d is too old: 13 or newer is needed", d->version / 10000);
	if (!dsn_ask(c, p, &rows, "%s", facts_sql))
		return false;
	row = json_at(rows, 0);
	if (json_count(rows) != 1)
		return fail(c, ERR_ENGINE_UNREACHABLE, "PostgreSQL has no template0");
	d->superuser = json_bool(json_at(row, 0));
	d->roles = d->superuser || json_bool(json_at(row, 2));
	if (!d->superuser && !json_bool(json_at(row, 1)))
		return fail(c, ERR_ENGINE_UNREACHABLE, "the user of the DSN may not create databases: ALTER ROLE … CREATEDB");
	d->user = arena_dup(&d->arena, json_text(json_at(row, 3)));
	snprintf(d->text, sizeof(d->text), "%.*s", SARG(json_text(json_at(row, 4))));
	/* The cluster's own locale, where it goes with UTF-8. */
	d->locale = str_eq(json_text(json_at(row, 5)), S("UTF8")) ? S(" ENCODING 'UTF8'")
		: S(" ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'");
	d->options = d->version >= 140000 ? S("-c client_connection_check_interval=5000") : S("");
	*ret_catalog = json_bool(json_at(row, 6));
	return true;
}

/* --- the catalog --- */
#define MAKING "4711" /* an advisory lock: who makes the catalog is alone, else PostgreSQL fails one of two that revoke at once */

static bool make_catalog(struct call *c, struct dsn *d, struct pg_conn *p)
{
	if (!dsn_run(c, p, "SELECT pg_advisory_lock(" MAKING ")")) /* goes with the connection */
		return false;
	if (!dsn_run(c, p, "CREATE DATABASE " DSN_CATALOG " TEMPLATE template0%.*s", SARG(d->locale))) {
		if (!dsn_state_is(c, "42P04", "23505")) /* another server made it just now */
			return false;
		call_forgive(c);
	}
	return dsn_run(c, p, "REVOKE ALL ON DATABASE " DSN_CATALOG " FROM PUBLIC");
}

static const char tables_sql[] =
	"SELECT pg_advisory_xact_lock(" MAKING "); "
	"CREATE SCHEMA IF NOT EXISTS mayfly; "
	"CREATE TABLE IF NOT EXISTS mayfly.layer (db oid PRIMARY KEY, id text NOT NULL, parent text NOT NULL, bytes int8 NOT NULL, "
	"published_ms int8 NOT NULL, manifest text NOT NULL); "
	"CREATE TABLE IF NOT EXISTS mayfly.secret (one bool PRIMARY KEY DEFAULT true CHECK (one), value text NOT NULL)";

static bool fill_catalog(struct call *c, struct dsn *d)
{
	char fresh[4][17];
	const json_node *rows;
	struct pg_conn *p;
	bool ok;

	for (int i = 0; i < 4; i++)
		dsn_nonce(fresh[i]);
	if (!dsn_take(c, d, NULL, &p))
		return false;
	ok = dsn_run(c, p, "%s", tables_sql) &&
	     dsn_run(c, p, "INSERT INTO mayfly.secret (value) VALUES ('%s%s%s%s') ON CONFLICT DO NOTHING", fresh[0], fresh[1],
		fresh[2], fresh[3]) &&
	     dsn_ask(c, p, &rows, "SELECT value FROM mayfly.secret");
	if (ok)
		snprintf(d->secret, sizeof(d->secret), "%.*s", SARG(json_text(json_at(json_at(rows, 0), 0))));
	dsn_give(d, p, ok);
	return ok;
}

static bool prepare(struct call *c, struct dsn *d)
{
	struct pg_conn *p;
	bool ok, catalog = false;

	if (!dsn_connect(c, d, "", NULL, &p))
		return false;
	ok = read_facts(c, d, p, &catalog) && (catalog || make_catalog(c, d, p));
	pg_conn_close(p);
	return ok && fill_catalog(c, d) && dsn_live(c, d);
}

/* Early, and in clear words: can an instance be made, and can users' SQL log in to it? */
static bool probe(struct call *c, struct dsn *d)
{
	struct pg_open_ask ask = {.use = PG_PRIVATE, .tenant = S("default")};
	struct pg_instance *i;
	struct pg_conn *p;
	bool ok;

	if (!dsn_open(c, &d->backend, &ask, &i))
		return false;
	ok = dsn_instance_connect(c, i, PG_OWNER, NULL, &p);
	if (ok)
		pg_conn_close(p);
	dsn_release(i);
	return ok;
}

/* --- what results depend on --- */
static const char identity_sql[] =
	"SELECT concat_ws(E'\\n', 'dsn/1', version(), current_setting('block_size'), "
	"(SELECT concat_ws(' ', to_jsonb(d)->>'datcollate', to_jsonb(d)->>'datctype', to_jsonb(d)->>'datcollversion', "
	"to_jsonb(d)->>'datlocprovider', to_jsonb(d)->>'daticulocale', to_jsonb(d)->>'datlocale', d.encoding) "
	"FROM pg_database d WHERE datname = 'template0'), "
	"(SELECT string_agg(name || ' ' || version, ',' ORDER BY name, version) FROM pg_available_extension_versions), "
	"(SELECT string_agg(name || '=' || setting, ',' ORDER BY name) FROM pg_settings "
	"WHERE source IN ('configuration file', 'command line', 'global', 'environment variable') "
	"AND category !~ '^(File Locations|Connections|Reporting|Write-Ahead|Replication|Resource|Process|"
	"Autovacuum|Statistics|Error Handling)'))";

/* The settings that the DSN has for its sessions. */
static void add_options(struct pg_conn *p, struct buf *ret)
{
	PQconninfoOption *v = PQconninfo(p->db);

	for (PQconninfoOption *o = v; o && o->keyword; o++)
		if (strcmp(o->keyword, "options") == 0 && o->val)
			buf_fmt(ret, "\n%s", o->val);
	PQconninfoFree(v);
}

static bool dsn_identity(struct call *c, struct pg_backend *b, struct buf *ret)
{
	struct dsn *d = CONTAINER_OF(b, struct dsn, backend);
	const json_node *rows;
	struct pg_conn *p;
	bool ok;

	if (!dsn_take(c, d, NULL, &p))
		return false;
	ok = dsn_ask(c, p, &rows, "%s", identity_sql);
	if (ok) {
		buf_add(ret, json_text(json_at(json_at(rows, 0), 0)));
		add_options(p, ret);
	}
	dsn_give(d, p, ok);
	if (!ok)
		return false;
	buf_fmt(ret, "\n%.*s\n%s", SARG(d->locale), d->roles ? "role of the tenant" : "user of the DSN");
	return true;
}

static void dsn_report(struct pg_backend *b, struct pg_report *ret)
{
	struct dsn *d = CONTAINER_OF(b, struct dsn, backend);

	*ret = (struct pg_report){.backend = "dsn", .driver = "template"};
	snprintf(ret->version, sizeof(ret->version), "%s", d->text);
	if (!d->roles)
		snprintf(ret->missing, sizeof(ret->missing), "the DSN's user may not create roles: SQL of all tenants runs as %.*s",
			SARG(d->user));
	pthread_mutex_lock(&d->lock);
	ret->instances = d->instances;
	pthread_mutex_unlock(&d->lock);
}

/* --- open and close --- */
static void dsn_close(struct pg_backend *b)
{
	struct dsn *d = CONTAINER_OF(b, struct dsn, backend);

	dsn_sweeper_end(d);
	while (d->nidle)
		pg_conn_close(d->idle[--d->nidle]);
	pthread_cond_destroy(&d->wake);
	pthread_mutex_destroy(&d->lock);
	arena_close(&d->arena);
	free(d);
}

static const struct pg_backend_ops dsn_ops = {
	.name = "dsn", .identity = dsn_identity, .open = dsn_open, .connect = dsn_instance_connect, .alive = dsn_alive,
		.stats = dsn_stats,
	.publish = dsn_publish, .release = dsn_release, .drop = dsn_drop, .list = dsn_list, .report = dsn_report,
	.lock = dsn_lock, .unlock = dsn_unlock, .close = dsn_close,
};

static struct dsn *dsn_new(const struct pg_dsn_options *o)
{
	struct dsn *d = base_zalloc(sizeof(*d));
	pthread_condattr_t attr;
	char nonce[17];

	d->backend.ops = &dsn_ops;
	d->conninfo = arena_dup(&d->arena, o->dsn);
	d->max = o->max;
	dsn_hex(o->server, 8, d->tag);
	dsn_nonce(nonce);
	snprintf(d->tag + 8, sizeof(d->tag) - 8, "_%.8s", nonce);
	pthread_mutex_init(&d->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&d->wake, &attr);
	pthread_condattr_destroy(&attr);
	return d;
}

bool pg_dsn_open(struct call *c, const struct pg_dsn_options *o, struct pg_backend **ret)
{
	struct dsn *d = dsn_new(o);

	INVARIANT(o->max > 0);
	if (prepare(c, d)) {
		dsn_sweep(c, d);
		dsn_sweeper_start(d);
		if (probe(c, d)) {
			*ret = &d->backend;
			return true;
		}
	}
	dsn_close(&d->backend);
	return false;
}
