/* store_int.h - inside store/: keys as paths, and the folder backend's parts. */
#ifndef MAYFLY_STORE_INT_H
#define MAYFLY_STORE_INT_H

#include "store/store.h"

#include <pthread.h>

enum {
	STORE_OPEN_MAX = 64, /* descriptors kept open for appends */
	STORE_TRIES = 1000,  /* against drops that remove the folder on the way */
	STORE_TORN_MS = 3600 * 1000, /* torn puts are removed then */
};

/* What is open for appends: by key, and in the order of use. */
struct store_logs {
	pthread_mutex_t lock;
	struct map by_key;
	struct list used; /* latest first */
};

struct folder {
	struct store store;
	pthread_rwlock_t making; /* read: walking; write: while a folder is there that is not durable yet */
	int root;
	int temp; /* this process's own folder for torn puts, locked */
	struct id temp_name;
	struct store_logs logs;
};

static inline struct folder *store_folder(struct store *s)
{
	return CONTAINER_OF(s, struct folder, store);
}

/* key.c: one part of a key; "a/b/c" in "a/b" and "c". */
bool store_part_valid(struct str part);
struct str store_key_folder(struct str key);
struct str store_key_name(struct str key);
bool store_key_check(struct call *c, struct str key) NODISCARD;

/* path.c: all return a descriptor, or -1 and errno. No link is followed. */
enum store_walk { STORE_WALK, STORE_WALK_AND_MAKE };
int store_path_folder(struct folder *f, struct str path, enum store_walk how);
int store_path_open(struct folder *f, struct str key, int flags);
/* Unlinks the key and the folders that it leaves empty, durably. True when it is absent now. */
bool store_path_drop(struct folder *f, struct str key);
/* With errno saying that a folder is where the object shall be: removes it if it is empty (then it was left
 * by a put or a drop that did not end); errno stays when not. */
bool store_path_clear(int in, const char *name);
/* The temporary folder of this process; those of processes that ended an hour ago are removed. */
bool store_temp_open(struct call *c, struct folder *f) NODISCARD;
void store_temp_close(struct folder *f);
/* Leaves ERR_STORAGE with errno's words, or ERR_CONFLICT when a part of the key is an object; returns false. */
bool store_fail(struct call *c, const char *what, struct str key);
bool store_absent(int error); /* errno of a key that is not there */

/* list.c, logs.c: operations of the folder backend */
bool store_folder_list(struct call *c, struct store *s, struct str prefix, struct str after, struct store_entry **ret,
		       size_t *ret_n);
bool store_folder_append(struct call *c, struct store *s, struct str key, int64_t offset, struct str bytes, bool sync);
bool store_folder_cut(struct call *c, struct store *s, struct str key, int64_t size);
void store_logs_open(struct store_logs *l);
void store_logs_forget(struct store_logs *l, struct str key);
void store_logs_close(struct store_logs *l);

/* open.c: "file:///srv/x"; for free(). opendal.c: without a location yet. */
struct str store_location_of_folder(struct str path);
struct store *store_opendal_open(struct call *c, const struct store_options *o) NODISCARD;
#define OPENDAL_LIBRARY "libmayfly_opendal.so"

#endif
