/* dsn_int.h - inside engine/: the dsn backend, layers as template databases on a server of the user's.
 *
 *   dsn.c         opening, closing, what it is      dsn_admin.c   its own connections and statements
 *   dsn_layers.c  publish, drop, list               dsn_clone.c   instances
 *   dsn_roles.c   who runs users' SQL               dsn_sweep.c   liveness, leftovers, locks
 *
 * On the server:
 *   mayfly_catalog          a database of our own: layers' parents and manifests, the secret of the roles' passwords
 *   mayfly_l_<40 hex>       a layer: IS_TEMPLATE true, ALLOW_CONNECTIONS false
 *   mayfly_i_<tag>_<nonce>  an instance, mayfly_b_… one that builds; the tag is of a process and held by an advisory lock
 *   mayfly_app_<16 hex>     a role for each tenant, which owns its databases
 */
#ifndef MAYFLY_ENGINE_PG_DSN_INT_H
#define MAYFLY_ENGINE_PG_DSN_INT_H

#include "engine/pg/pg_int.h"
#include "engine/pg/layers.h"
#include "json/json.h"

#include <pthread.h>

#define DSN_CATALOG "mayfly_catalog"

enum {
	DSN_NAME = 64,            /* of a database or a role, terminated */
	DSN_TAG = 17,             /* eight hex digits of the server, `_`, eight of the process */
	DSN_SECRET = 64, DSN_LAYER_DIGITS = 40,
	DSN_IDLE_MAX = 4,         /* connections kept */
	DSN_OLDEST = 130000,      /* DROP DATABASE … WITH (FORCE) */
	DSN_WAL_LOG_BELOW = 32 << 20,
	DSN_OWN_MS = 30000,       /* what nobody waits for: drops, sweeps */
};

struct dsn_trash {
	struct dsn_trash *next;
	char name[DSN_NAME];
};
struct dsn {
	struct pg_backend backend;
	struct arena arena;       /* what is set at the opening */
	struct str conninfo, options;
	struct str user;          /* the DSN's own */
	char tag[DSN_TAG + 1];
	char secret[DSN_SECRET + 1];
	char text[64];            /* server_version */
	int max, version;
	bool superuser, roles;    /* roles: it may make some */
	struct str locale;        /* of CREATE DATABASE for the base: " ENCODING …" */

	pthread_mutex_t lock;     /* of all below; never held over a statement */
	pthread_cond_t wake;
	pthread_t sweeper;
	bool sweeping, closing;
	struct pg_conn *idle[DSN_IDLE_MAX];
	int nidle, instances;
	unsigned epoch;           /* counts how often the tag's lock was lost */
	struct dsn_trash *trash;
	struct pg_conn *living;   /* holds the tag's lock; the sweeper's own */
};
struct dsn_instance {
	struct pg_instance instance;
	struct dsn *d;
	enum pg_use use;
	char db[DSN_NAME], role[DSN_NAME], parent[PG_LAYER_LEN + 1];
	int64_t boot_ns;
	unsigned epoch;
};

/* --- dsn_admin.c --- */
bool dsn_connect(struct call *c, struct dsn *d, const char *dbname, struct pg_stop *stop, struct pg_conn **ret) NODISCARD;
bool dsn_take(struct call *c, struct dsn *d, struct pg_stop *stop, struct pg_conn **ret) NODISCARD; /* to the catalog */
void dsn_give(struct dsn *d, struct pg_conn *p, bool fine); /* not fine: closed */
bool dsn_run(struct call *c, struct pg_conn *p, const char *fmt, ...) NODISCARD PRINTF(3, 4);
/* The rows, an array of arrays. */
bool dsn_ask(struct call *c, struct pg_conn *p, const json_node **ret, const char *fmt, ...) NODISCARD PRINTF(4, 5);
bool dsn_state_is(const struct call *c, const char *a,
	const char *b); /* is the SQLSTATE of the error one of these? b may be NULL */
struct str dsn_literal(struct arena *a, struct str s); /* quoted */
void dsn_hex(struct str of, int digits, char *ret);    /* of its SHA-256, terminated */
void dsn_nonce(char ret[17]);

/* --- dsn_roles.c --- */
void dsn_role_of(const struct dsn *d, struct str tenant, char ret[DSN_NAME]);
bool dsn_role_ready(struct call *c, struct dsn *d, struct pg_conn *p, const char *role) NODISCARD;
bool dsn_role_mend(struct call *c, struct dsn *d, const char *role) NODISCARD; /* its password is what it should be */
struct str dsn_role_password(struct arena *a, const struct dsn *d, const char *role);

/* --- dsn_clone.c --- */
void dsn_layer_name(struct str id, char ret[DSN_NAME]);
bool dsn_open(struct call *c, struct pg_backend *b, const struct pg_open_ask *ask, struct pg_instance **ret) NODISCARD;
bool dsn_instance_connect(struct call *c, struct pg_instance *i, enum pg_role role, struct pg_stop *stop,
	struct pg_conn **ret) NODISCARD;
bool dsn_alive(struct pg_instance *i);
void dsn_stats(struct pg_instance *i, struct pg_instance_stats *ret);
void dsn_release(struct pg_instance *i);
void dsn_forget(struct dsn_instance *i); /* it is no instance any more; its database stays */

/* --- dsn_layers.c --- */
bool dsn_publish(struct call *c, struct pg_instance *i, struct str id, struct str manifest, bool *ret_first) NODISCARD;
bool dsn_drop(struct call *c, struct pg_backend *b, struct str id) NODISCARD;
bool dsn_list(struct call *c, struct pg_backend *b, pg_found_fn *fn, void *arg) NODISCARD;

/* --- dsn_sweep.c --- */
bool dsn_live(struct call *c, struct dsn *d) NODISCARD; /* takes the tag's lock */
void dsn_sweep(struct call *c, struct dsn *d);          /* what dead processes left; what fails is tried again */
void dsn_throw(struct dsn *d, const char *name);        /* the database is dropped soon */
void dsn_sweeper_start(struct dsn *d);
void dsn_sweeper_end(struct dsn *d);
bool dsn_lock(struct call *c, struct pg_backend *b, struct str id, struct pg_stop *stop, void **ret) NODISCARD;
void dsn_unlock(void *lock);

#endif
