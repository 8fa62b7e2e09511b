/* jail_layer.h - inside the jail backend: layers on disk, and the folders of instances over them. */
#ifndef MAYFLY_ENGINE_PG_JAIL_LAYER_H
#define MAYFLY_ENGINE_PG_JAIL_LAYER_H

#include "engine/pg/jail_cgroup.h"

#include <sys/stat.h>

/* --- trees (jail_tree.c): names are relative to `dir`; false with errno --- */
enum jail_copy { COPY_BYTES, COPY_SHARED /* FICLONE or nothing */ };
struct jail_owner { /* of what is copied; nobody's is changed unless root asks */
	uid_t uid;
	gid_t gid;
};
bool jail_tree_copy(int dir, const char *from, const char *to, enum jail_copy how, struct jail_owner o) NODISCARD;
/* What an overlay of these shows, top first, as one tree without marks. */
bool jail_tree_merge(int dir, const struct str *layers, int n, const char *to, struct jail_owner o) NODISCARD;
bool jail_tree_remove(int dir, const char *name) NODISCARD; /* absent is fine */
int64_t jail_tree_bytes(int dir, const char *name); /* that it takes on disk */
bool jail_tree_make(int dir, const char *path, struct jail_owner o) NODISCARD; /* a folder of mode 0700 */
int jail_tree_open_parent(int dir, const char *path, const char **ret_last); /* -1; no link on the way */
bool jail_tree_share(int from, int to, enum jail_copy how); /* a file's content */
bool jail_tree_subvolume(int dir, const char *name, struct jail_owner o) NODISCARD; /* btrfs */
bool jail_tree_snapshot(int dir, const char *from, const char *to) NODISCARD;
enum { TREE_PATH = 512 };
bool jail_tree_mark_opaque(int fd) NODISCARD;

/* What a layer adds to the one below. Of an overlay that is its folder; of a copy, what differs from the parent's. */
enum jail_node { NODE_FOLDER, NODE_OPAQUE, NODE_FILE, NODE_GONE };
typedef bool jail_tree_fn(void *arg, enum jail_node kind, const char *path, int fd, const struct stat *st);
bool jail_tree_walk(int dir, const char *name, jail_tree_fn *fn, void *arg) NODISCARD;
bool jail_tree_compare(int dir, const char *name, const char *parent, jail_tree_fn *fn, void *arg) NODISCARD;

/* --- layers (jail_layer.c) --- */
struct jail_layer {
	struct str id, parent, build, parent_build, boot_id, manifest; /* builds: as pg_found's */
	int depth;                /* of its parents; the first over the base has 0 */
	int64_t bytes, published_ms;
	struct str below[PG_DEPTH_MAX + 1]; /* overlay: names of the folders under it, nearest first; none: it is whole */
	int nbelow;
};
bool jail_layer_id_valid(struct str id);
bool jail_layer_read(struct call *c, struct jail *j, const char *name, struct jail_layer *ret) NODISCARD; /* of layers/<name> */
bool jail_layer_write(struct call *c, struct jail *j, const char *folder, const struct jail_layer *l) NODISCARD;
/* The folder at layers/<name> is used until the descriptor is closed; -1 with ERR_NOT_FOUND. */
int jail_layer_hold(struct call *c, struct jail *j, struct str name);
/* Gives `folder` (below build/) its place. */
bool jail_layer_place(struct call *c, struct jail *j, const char *folder, struct str name, bool *ret_first) NODISCARD;
bool jail_layer_durable(struct jail *j, struct str name);
void jail_make_durable(struct jail *j); /* those that are not yet */
bool jail_layers_each(struct call *c, struct jail *j, bool (*fn)(void *arg, struct jail_layer *l), void *arg) NODISCARD;
bool jail_list(struct call *c, struct pg_backend *b, pg_found_fn *fn, void *arg);
bool jail_drop(struct call *c, struct pg_backend *b, struct str id);
bool jail_pack(struct call *c, struct pg_backend *b, struct str id, int to_fd);
bool jail_unpack(struct call *c, struct pg_backend *b, const struct pg_found *f, int from_fd);
bool jail_lock(struct call *c, struct pg_backend *b, struct str id, struct pg_stop *stop, void **ret);
void jail_unlock(void *lock);

/* --- folders of instances (jail_room.c) --- */
struct jail_room {
	char name[JAIL_NAME];     /* "run/<server>-<n>", "build/…" */
	bool on_disk;
	struct jail_mount mount;
};
/* Over layers/<top>, whose layers below are in `l`; top empty: of nothing, for the base. */
bool jail_room_make(struct call *c, struct jail *j, enum pg_use use, struct str top, const struct jail_layer *l, struct jail_room *ret) NODISCARD;
void jail_room_drop(struct jail *j, struct jail_room *r); /* soon */
struct jail_owner jail_owner(const struct jail *j);

/* --- instances (jail_run.c, jail_publish.c) --- */
struct jail_instance {
	struct pg_instance instance;
	struct jail *jail;
	struct jail_room room;
	struct jail_child child;
	struct jail_cgroup cgroup;
	struct str layer;         /* malloc */
	enum pg_use use;
	int fds[JAIL_FDS];        /* of its folders */
	int hold, words;          /* of its layer; what PostgreSQL wrote to standard error */
	int64_t boot_ns;
	struct list node;         /* of the watched ones */
	int64_t disk_before;      /* bytes that it did not write; -1 = not looked yet */
	uint64_t looked;          /* the look that saw it last */
};
/* jail_watch.c */
void jail_watch_add(struct jail_instance *i);
void jail_watch_remove(struct jail_instance *i); /* also of one that is not watched */
bool jail_watch_look(struct jail *j); /* false: nobody is watched */
bool jail_instance_open(struct call *c, struct pg_backend *b, const struct pg_open_ask *ask, struct pg_instance **ret);
bool jail_instance_connect(struct call *c, struct pg_instance *i, enum pg_role role, struct pg_stop *stop, struct pg_conn **ret);
bool jail_instance_alive(struct pg_instance *i);
void jail_instance_stats(struct pg_instance *i, struct pg_instance_stats *ret);
void jail_instance_release(struct pg_instance *i);
bool jail_instance_publish(struct call *c, struct pg_instance *i, struct str id, struct str manifest, bool *ret_first);
struct str jail_last_words(struct call *c, int fd); /* the first FATAL or ERROR line, or the first */
void jail_clean(struct jail *j, const char *folder); /* a data folder whose server has stopped: what it makes anew goes */
extern const struct pg_backend_ops jail_ops;
extern void (*jail_test_step)(const char *step); /* tests: called between the steps of a publication; NULL */

#endif
