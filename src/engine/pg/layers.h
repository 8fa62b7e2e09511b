/* layers.h - part of engine/'s door: layers of PostgreSQL, and throw-away instances over them.
 *
 * A layer is an immutable state of a whole PostgreSQL, named by 64 hex digits, over a parent layer. An instance
 * is a running PostgreSQL over one layer: its writes are its own and go with it. Two backends: `jail` runs
 * PostgreSQL's own binaries in namespaces; `dsn` has databases on a server of the user's.
 *
 * Threads: any but a loop's; everything blocks, until the call's deadline or its stop sign.
 */
#ifndef MAYFLY_ENGINE_PG_LAYERS_H
#define MAYFLY_ENGINE_PG_LAYERS_H

#include "engine/pg/pg.h"

#include <sys/types.h>

enum { PG_LAYER_LEN = 64, PG_DEPTH_MAX = 32 /* layers of an instance at most; beyond, publish flattens */ };

/* --- layers and instances: one ops table, one contract suite --- */
struct pg_backend;
struct pg_instance;
enum pg_use {
	PG_BUILD,   /* its writes can be published */
	PG_PRIVATE, /* writable, for one lease */
	PG_SHARED,  /* for readers of many jobs */
};
enum pg_role { PG_OWNER /* owns the database, no superuser: users' SQL */, PG_ADMIN };
struct pg_open_ask {
	struct str layer;        /* empty = the base: an empty database */
	enum pg_use use;
	struct str tenant;
	struct pg_stop *stop;    /* while it boots */
};
struct pg_found { /* a layer that is there */
	struct str id, parent;   /* parent: empty = the base */
	int64_t bytes;           /* its own, without its parents' */
	int64_t published_ms;    /* wall */
	struct str manifest;     /* as it was published */
	struct str build;        /* of these bytes: two that made the same id apart have not the same. Empty: nothing is packed */
	struct str parent_build; /* that they lie over; empty = they are all of it, as over the base always */
};
struct pg_instance_stats {
	int64_t memory_bytes, disk_bytes;
	int64_t boot_ns;
};
struct pg_report { /* for /readyz, the banner, jobs' metrics */
	const char *backend, *driver;   /* "jail" and "btrfs", "overlay", "overlay-tmpfs", "reflink", "copy"; "dsn" and "template" */
	char version[64];               /* "15.18 (Debian …)" */
	bool userns, pidns, netns, mountns, seccomp, cgroup;
	char missing[512];              /* what is not as it should be, and why, in words; empty = nothing */
	int instances;
};
typedef bool pg_found_fn(void *arg, const struct pg_found *f);
struct pg_backend_ops {
	const char *name;
	/* All of the engine's side that results depend on (version, build, settings, extensions, locale …): bytes to be hashed. */
	bool (*identity)(struct call *c, struct pg_backend *b, struct buf *ret);
	/* Booted and taking connections. ERR_NOT_FOUND: the layer, or one below, is not there (any more); ERR_TOO_MANY: no instance is
	 * free; ERR_ENGINE_UNREACHABLE, ERR_CANCELED, ERR_STATEMENT_TIMEOUT, ERR_STORAGE (disk full). */
	bool (*open)(struct call *c, struct pg_backend *b, const struct pg_open_ask *ask, struct pg_instance **ret);
	bool (*connect)(struct call *c, struct pg_instance *i, enum pg_role role, struct pg_stop *stop, struct pg_conn **ret);
	bool (*alive)(struct pg_instance *i);
	void (*stats)(struct pg_instance *i, struct pg_instance_stats *ret);
	/* Makes the state of a PG_BUILD instance, whose connections are closed, the layer `id`, over the layer that it was opened on: whole or
	 * not at all, also when this process or the machine dies. Ends the instance, also when it fails. ret_first: false when the layer
	 * was there already, which is as good. */
	bool (*publish)(struct call *c, struct pg_instance *i, struct str id, struct str manifest, bool *ret_first);
	void (*release)(struct pg_instance *i); /* kills it and removes what it wrote; quick, does not fail */
	bool (*drop)(struct call *c, struct pg_backend *b, struct str id); /* no instance is on it, no layer over it; absent is fine */
	/* Each layer that is whole, parents before children. */
	bool (*list)(struct call *c, struct pg_backend *b, pg_found_fn *fn, void *arg);
	/* An archive of what the layer adds to its parent_build, or of all of it. NULL where a backend has none. Import publishes it;
	 * ERR_CONFLICT: the parent that is here is another build. */
	bool (*pack)(struct call *c, struct pg_backend *b, struct str id, int to_fd);
	bool (*unpack)(struct call *c, struct pg_backend *b, const struct pg_found *f, int from_fd);
	void (*report)(struct pg_backend *b, struct pg_report *ret);
	/* Between processes and servers: held until unlocked; ERR_CANCELED, ERR_STATEMENT_TIMEOUT. */
	bool (*lock)(struct call *c, struct pg_backend *b, struct str id, struct pg_stop *stop, void **ret);
	void (*unlock)(void *lock);
	void (*close)(struct pg_backend *b); /* all instances are released */
};
struct pg_backend {
	const struct pg_backend_ops *ops;
};
struct pg_instance {
	const struct pg_backend_ops *ops;
};

struct pg_jail_options {
	struct str dir;          /* of layers, builds and instances; on one file system; made */
	struct str bin_dir;      /* of initdb and postgres; empty = pg_config, /usr/lib/postgresql/<highest>/bin, PATH */
	struct str driver;       /* "auto", or one that must do: btrfs, overlay, overlay-tmpfs, reflink, copy */
	bool require;            /* namespaces, or ERR_ENGINE_UNREACHABLE */
	uid_t uid;               /* as root: of the instances */
	const struct str *extensions; /* installed by the administrator in the base */
	int nextensions;
	int max;                 /* instances at once */
	int64_t memory_bytes, disk_bytes; /* of one instance; disk: of what it writes */
	int pids;
};
/* Finds and probes; makes the base when it is missing; discards what a crash left. */
bool pg_jail_open(struct call *c, const struct pg_jail_options *o, struct pg_backend **ret) NODISCARD;
struct pg_dsn_options {
	struct str dsn, server;  /* server: id of this server, part of the names of its databases */
	int max;
};
bool pg_dsn_open(struct call *c, const struct pg_dsn_options *o, struct pg_backend **ret) NODISCARD;

#endif
