/* token_watch.c - the token file in memory, read again when it changed.
 *
 * At most once a second one caller looks at the file's inode, time and size,
 * and reads it outside the lock; the others go on with what was there. A file
 * that cannot be read lets nobody in: a revoked token must not come back.
 */
#include "tenant/tenant_int.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>

struct token_set {
	struct arena arena;
	struct map by_digest; /* -> struct token */
	struct err err;       /* why there is nothing */
};

struct file_stamp {
	ino_t inode;
	off_t size;
	struct timespec changed;
};

struct token_watch {
	char *data_dir, *path;
	pthread_mutex_t lock;    /* of all below */
	struct token_set *set;
	struct file_stamp stamp;
	int64_t looked_ms;       /* monotonic */
};

enum { LOOK_EVERY_MS = 1000 };

static void set_close(struct token_set *set)
{
	if (!set)
		return;
	map_close(&set->by_digest);
	arena_close(&set->arena);
	free(set);
}

static struct str digest_str(const unsigned char digest[SHA256_LEN])
{
	return str_from((const char *)digest, SHA256_LEN);
}

static void set_add(struct token_set *set, const struct token *from)
{
	struct token *t = ARENA_NEW(&set->arena, struct token);

	*t = *from;
	t->t.id = arena_dup(&set->arena, from->t.id);
	t->t.tenant = arena_dup(&set->arena, from->t.tenant);
	t->t.principal = arena_dup(&set->arena, from->t.principal);
	map_put(&set->by_digest, digest_str(t->sha256), t);
}

static struct token_set *set_read(const char *data_dir)
{
	struct token_set *set = base_zalloc(sizeof(*set));
	struct token_list list = {0};
	struct arena scratch = {0};
	struct call c;

	call_open(&c, &scratch);
	if (!token_file_read(&c, str_of(data_dir), &list))
		set->err = c.err;
	for (size_t i = 0; i < list.n; i++)
		set_add(set, &list.v[i]);
	arena_close(&scratch);
	return set;
}

static struct file_stamp look(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return (struct file_stamp){0};
	return (struct file_stamp){st.st_ino, st.st_size, st.st_mtim};
}

static bool same_stamp(const struct file_stamp *a, const struct file_stamp *b)
{
	return a->inode == b->inode && a->size == b->size && a->changed.tv_sec == b->changed.tv_sec &&
	       a->changed.tv_nsec == b->changed.tv_nsec;
}

/* Is it this caller's turn to look? */
static bool take_turn(struct token_watch *w)
{
	int64_t now = clock_mono_ms();
	bool mine;

	pthread_mutex_lock(&w->lock);
	mine = now - w->looked_ms >= LOOK_EVERY_MS;
	if (mine)
		w->looked_ms = now;
	pthread_mutex_unlock(&w->lock);
	return mine;
}

static void refresh(struct token_watch *w)
{
	struct file_stamp stamp = look(w->path); /* before reading: a later change shows again */
	struct token_set *set, *old;
	bool same;

	pthread_mutex_lock(&w->lock);
	same = same_stamp(&stamp, &w->stamp);
	pthread_mutex_unlock(&w->lock);
	if (same)
		return;
	set = set_read(w->data_dir);
	pthread_mutex_lock(&w->lock);
	old = w->set;
	w->set = set;
	w->stamp = stamp;
	pthread_mutex_unlock(&w->lock);
	set_close(old);
}

struct token_watch *token_watch_open(struct call *c, struct str data_dir)
{
	struct token_watch *w = base_zalloc(sizeof(*w));

	w->data_dir = strndup(data_dir.p, data_dir.n);
	INVARIANT(w->data_dir && asprintf(&w->path, "%s/tokens", w->data_dir) > 0);
	pthread_mutex_init(&w->lock, NULL);
	w->looked_ms = clock_mono_ms();
	w->stamp = look(w->path);
	w->set = set_read(w->data_dir);
	if (w->set->err.kind == ERR_NONE)
		return w;
	c->err = w->set->err;
	token_watch_close(w);
	return NULL;
}

void token_watch_close(struct token_watch *w)
{
	set_close(w->set);
	pthread_mutex_destroy(&w->lock);
	free(w->data_dir);
	free(w->path);
	free(w);
}

static void copy_token(struct arena *a, const struct tenant_token *t, struct tenant_token *ret)
{
	*ret = *t;
	ret->id = arena_dup(a, t->id);
	ret->tenant = arena_dup(a, t->tenant);
	ret->principal = arena_dup(a, t->principal);
}

/* Under the lock. */
static bool find_locked(struct call *c, const struct token_set *set, const unsigned char digest[SHA256_LEN],
			struct tenant_token *ret)
{
	const struct token *t = map_get(&set->by_digest, digest_str(digest));

	if (!t || !hash_equal(t->sha256, digest, SHA256_LEN))
		return false;
	copy_token(c->arena, &t->t, ret);
	return true;
}

bool token_watch_find(struct call *c, struct token_watch *w, struct str text, const char *native,
		      struct tenant_token *ret)
{
	unsigned char digest[SHA256_LEN];
	struct tenant_token t;
	struct err broken;
	bool found;

	hash_sha256(text, digest);
	if (take_turn(w))
		refresh(w);
	pthread_mutex_lock(&w->lock);
	broken = w->set->err;
	found = find_locked(c, w->set, digest, &t);
	pthread_mutex_unlock(&w->lock);
	if (broken.kind != ERR_NONE)
		return fail(c, broken.kind, "%s", broken.text);
	if (!found)
		return tenant_refuse(c, native, "the token is not known");
	if (t.revoked)
		return tenant_refuse(c, native, "the token was revoked");
	if (t.expires_ms && t.expires_ms <= clock_wall_ms())
		return tenant_refuse(c, TENANT_EXPIRED, "the token has expired");
	*ret = t;
	return true;
}
