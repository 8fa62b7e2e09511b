/* dsn_clone.c - instances: databases cloned from a layer's, for one lease or for readers.
 *
 * Readers have a clone too, since a template with a session on it cannot be cloned. The clone has what the template
 * has, but for what PostgreSQL keeps beside databases: privileges on the database (its owner's alone) and
 * settings of ALTER DATABASE, which are carried over here.
 */
#include "engine/pg/dsn_int.h"

#include <stdio.h>
#include <stdlib.h>

void dsn_layer_name(struct str id, char ret[DSN_NAME])
{
	snprintf(ret, DSN_NAME, "mayfly_l_%.*s", DSN_LAYER_DIGITS, id.p);
}

/* --- cloning --- */
struct clone {
	char from[DSN_NAME];
	const char *to, *role;
	int64_t bytes; /* of `from` */
	bool base;
};

static bool find_layer(struct call *c, struct pg_conn *p, struct str id, struct clone *ret)
{
	const json_node *rows;

	dsn_layer_name(id, ret->from);
	if (!dsn_ask(c, p, &rows, "SELECT pg_database_size(oid) FROM pg_database WHERE datname = '%s' AND datistemplate", ret->from))
		return false;
	if (json_count(rows) == 0)
		return fail(c, ERR_NOT_FOUND, "the layer is not there");
	ret->bytes = json_int(json_at(json_at(rows, 0), 0));
	return true;
}

static bool create(struct call *c, struct dsn *d, struct pg_conn *p, const struct clone *v, bool copy)
{
	struct str strategy = d->version < 150000 ? S("") : copy ? S(" STRATEGY file_copy") : S(" STRATEGY wal_log");
	struct str owner = v->role[0] ? arena_fmt(c->arena, " OWNER %s", v->role) : S("");

	return dsn_run(c, p, "CREATE DATABASE %s TEMPLATE %s%.*s%.*s%.*s", v->to, v->from, SARG(owner), SARG(strategy),
		       (int)(v->base ? d->locale.n : 0), d->locale.p);
}

/* From version 18 on files can be cloned, where the file system can: then the size is of no matter. */
static bool clone_files(struct call *c, struct dsn *d, struct pg_conn *p, const struct clone *v)
{
	bool ok = dsn_run(c, p, "SET file_copy_method = 'clone'") && create(c, d, p, v, true);
	struct call own = {.arena = c->arena, .deadline_ms = clock_mono_ms() + DSN_OWN_MS};

	return dsn_run(&own, p, "RESET file_copy_method") && ok;
}

static bool create_database(struct call *c, struct dsn *d, struct pg_conn *p, const struct clone *v)
{
	bool copy = v->bytes >= DSN_WAL_LOG_BELOW;

	if (d->version >= 180000 && copy) {
		if (clone_files(c, d, p, v))
			return true;
		if (c->err.kind != ERR_STORAGE && !dsn_state_is(c, "0A000", "XX000"))
			return false;
		call_forgive(c); /* this file system cannot */
	}
	return create(c, d, p, v, copy);
}

static bool is_setting(struct str name)
{
	for (size_t i = 0; i < name.n; i++)
		if (!ascii_alpha(name.p[i]) && !ascii_digit(name.p[i]) && name.p[i] != '_' && name.p[i] != '.')
			return false;
	return name.n > 0;
}

/* FROM CURRENT: values that are lists need quotes that only the server knows to set. */
static bool carry_one(struct call *c, struct pg_conn *p, const char *to, const json_node *row)
{
	struct str role = json_text(json_at(row, 0)), name = json_text(json_at(row, 1));
	struct str value = dsn_literal(c->arena, json_text(json_at(row, 2)));
	struct str whom = role.n ? arena_fmt(c->arena, "ROLE %.*s IN DATABASE %s", SARG(role), to) : arena_fmt(c->arena,
		"DATABASE %s", to);

	if (!is_setting(name))
		return true;
	return dsn_run(c, p, "BEGIN; SELECT set_config('%.*s', %.*s, true); ALTER %.*s SET %.*s FROM CURRENT; COMMIT", SARG(name),
		       SARG(value), SARG(whom), SARG(name));
}

static bool carry_settings(struct call *c, struct pg_conn *p, const struct clone *v)
{
	const json_node *rows;

	if (!dsn_ask(c, p, &rows, "SELECT coalesce(quote_ident(r.rolname), ''), split_part(u, '=', 1), substr(u, strpos(u, '=') + 1) "
		     "FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase LEFT JOIN pg_roles r ON r.oid = s.setrole, "
		     "unnest(s.setconfig) u WHERE d.datname = '%s'", v->from))
		return false;
	for (size_t i = 0; i < json_count(rows); i++)
		if (!carry_one(c, p, v->to, json_at(rows, i)))
			return false;
	return true;
}

static bool make_instance(struct call *c, struct dsn *d, struct pg_conn *p, const struct pg_open_ask *ask, struct dsn_instance *i)
{
	struct clone v = {.from = "template0", .to = i->db, .role = i->role, .base = ask->layer.n == 0};

	if (!dsn_role_ready(c, d, p, i->role) || (!v.base && !find_layer(c, p, ask->layer, &v)))
		return false;
	if (!create_database(c, d, p, &v))
		return false;
	return dsn_run(c, p, "REVOKE ALL ON DATABASE %s FROM PUBLIC", i->db) && (v.base || carry_settings(c, p, &v));
}

/* --- instances --- */
static bool count_one(struct call *c, struct dsn *d, unsigned *ret_epoch)
{
	bool full;

	pthread_mutex_lock(&d->lock);
	full = d->instances >= d->max;
	if (!full)
		d->instances++;
	*ret_epoch = d->epoch;
	pthread_mutex_unlock(&d->lock);
	return !full || fail(c, ERR_TOO_MANY, "all %d instances are in use", d->max);
}

void dsn_forget(struct dsn_instance *i)
{
	pthread_mutex_lock(&i->d->lock);
	i->d->instances--;
	pthread_mutex_unlock(&i->d->lock);
	free(i);
}

static bool look_first(struct call *c, struct pg_stop *stop)
{
	struct pg_limits l = {stop, c->cancel, c->deadline_ms};

	switch (pg_look(&l)) {
	case PG_ASKED_TO_STOP:
		return fail(c, ERR_CANCELED, "canceled");
	case PG_TOO_LATE:
		return fail(c, ERR_STATEMENT_TIMEOUT, "the deadline has passed");
	default:
		return true;
	}
}

bool dsn_open(struct call *c, struct pg_backend *b, const struct pg_open_ask *ask, struct pg_instance **ret)
{
	struct dsn *d = CONTAINER_OF(b, struct dsn, backend);
	int64_t began = clock_mono_ns();
	struct dsn_instance *i;
	struct pg_conn *p;
	char nonce[17];
	unsigned epoch;
	bool ok;

	if (!look_first(c, ask->stop) || !count_one(c, d, &epoch))
		return false;
	i = base_zalloc(sizeof(*i));
	*i = (struct dsn_instance){.instance = {b->ops}, .d = d, .use = ask->use, .epoch = epoch};
	dsn_nonce(nonce);
	snprintf(i->db, sizeof(i->db), "mayfly_%c_%s_%s", ask->use == PG_BUILD ? 'b' : 'i', d->tag, nonce);
	snprintf(i->parent, sizeof(i->parent), "%.*s", SARG(ask->layer));
	dsn_role_of(d, ask->tenant, i->role);
	ok = dsn_take(c, d, ask->stop, &p);
	if (ok) {
		ok = make_instance(c, d, p, ask, i);
		dsn_give(d, p, ok);
	}
	if (!ok) {
		dsn_release(&i->instance); /* it may be there, half done or whole */
		return false;
	}
	i->boot_ns = clock_mono_ns() - began;
	*ret = &i->instance;
	return true;
}

static bool connect_as(struct call *c, struct dsn_instance *i, bool owner, struct pg_stop *stop, struct pg_conn **ret)
{
	struct dsn *d = i->d;
	struct pg_target t = {.conninfo = d->conninfo, .dbname = str_of(i->db), .stop = stop, .options = d->options};

	if (owner && i->role[0]) {
		t.user = str_of(i->role);
		t.password = dsn_role_password(c->arena, d, i->role);
	}
	return pg_connect(c, &t, ret);
}

bool dsn_instance_connect(struct call *c, struct pg_instance *instance, enum pg_role role, struct pg_stop *stop,
	struct pg_conn **ret)
{
	struct dsn_instance *i = CONTAINER_OF(instance, struct dsn_instance, instance);
	bool owner = role == PG_OWNER;
	struct err first;

	if (connect_as(c, i, owner, stop, ret))
		return true;
	if (!owner || !i->role[0] || c->err.kind != ERR_ENGINE_UNREACHABLE)
		return false;
	/* Users' SQL may have changed the password of its role. */
	first = c->err;
	call_forgive(c);
	if (dsn_role_mend(c, i->d, i->role) && connect_as(c, i, owner, stop, ret))
		return true;
	call_forgive(c);
	return fail_as(c, &first);
}

bool dsn_alive(struct pg_instance *instance)
{
	struct dsn_instance *i = CONTAINER_OF(instance, struct dsn_instance, instance);
	bool alive;

	pthread_mutex_lock(&i->d->lock);
	alive = i->epoch == i->d->epoch;
	pthread_mutex_unlock(&i->d->lock);
	return alive;
}

static int64_t size_of(struct call *c, struct dsn_instance *i)
{
	const json_node *rows;
	struct pg_conn *p;
	bool ok;

	if (!dsn_take(c, i->d, NULL, &p))
		return 0;
	ok = dsn_ask(c, p, &rows, "SELECT pg_database_size(oid) FROM pg_database WHERE datname = '%s'", i->db);
	dsn_give(i->d, p, ok);
	return ok && json_count(rows) ? json_int(json_at(json_at(rows, 0), 0)) : 0;
}

void dsn_stats(struct pg_instance *instance, struct pg_instance_stats *ret)
{
	struct dsn_instance *i = CONTAINER_OF(instance, struct dsn_instance, instance);
	OWNS(arena) arena = {0};
	struct call c = {.arena = &arena, .deadline_ms = clock_mono_ms() + DSN_OWN_MS};

	*ret = (struct pg_instance_stats){.disk_bytes = size_of(&c, i), .boot_ns = i->boot_ns};
}

void dsn_release(struct pg_instance *instance)
{
	struct dsn_instance *i = CONTAINER_OF(instance, struct dsn_instance, instance);

	dsn_throw(i->d, i->db);
	dsn_forget(i);
}
