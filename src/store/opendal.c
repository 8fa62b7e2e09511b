/* opendal.c - whatever Apache OpenDAL reaches as the store, through the binding in Rust.
 *
 * No appends: object stores have none. Keys are checked here; credentials pass
 * through and are kept nowhere but in the binding. Any thread.
 */
#include "store/opendal_abi.h"
#include "store/store_int.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

struct opendal {
	struct store store;
	struct opendal_binding binding;
	struct opendal_store *inner;
};

static struct opendal *opendal_of(struct store *s)
{
	return CONTAINER_OF(s, struct opendal, store);
}

static struct opendal_text text_of(struct str s)
{
	return (struct opendal_text){s.p, s.n};
}

static bool tell(struct call *c, const char *what, struct str key, const struct opendal_error *e)
{
	switch ((enum opendal_kind)e->kind) {
	case OPENDAL_NOT_FOUND:
		return fail(c, ERR_NOT_FOUND, "no object %.*s", SARG(key));
	case OPENDAL_EXISTS:
		return fail(c, ERR_CONFLICT, "there is an object %.*s already", SARG(key));
	case OPENDAL_UNAVAILABLE:
		return fail(c, ERR_UNAVAILABLE, "cannot %s %.*s: %s", what, SARG(key), e->text);
	case OPENDAL_OTHER:
		break;
	}
	return fail(c, ERR_STORAGE, "cannot %s %.*s: %s", what, SARG(key), e->text);
}

static bool opendal_put(struct call *c, struct store *s, struct str key, struct str bytes, enum store_put how)
{
	struct opendal *o = opendal_of(s);
	struct opendal_error e;

	if (!store_key_check(c, key))
		return false;
	return o->binding.put(o->inner, text_of(key), text_of(bytes), how == STORE_REPLACE, &e) || tell(c, "put", key, &e);
}

static bool add_bytes(void *arg, const char *p, size_t n)
{
	struct buf *to = arg;

	buf_add(to, str_from(p, n));
	return buf_ok(to);
}

static bool opendal_get(struct call *c, struct store *s, struct str key, int64_t offset, int64_t max, struct buf *ret)
{
	struct opendal *o = opendal_of(s);
	size_t before = ret->n;
	struct opendal_error e;
	bool ok;

	INVARIANT(offset >= 0 && max >= 0);
	if (!store_key_check(c, key))
		return false;
	ok = o->binding.get(o->inner, text_of(key), (uint64_t)offset, (uint64_t)max, add_bytes, ret, &e);
	if (ok && !buf_ok(ret)) {
		ret->bad = false;
		ok = fail(c, ERR_RESULT_TOO_LARGE, "the object is larger than what shall hold it");
	} else if (!ok) {
		tell(c, "get", key, &e);
	}
	if (!ok)
		ret->n = before;
	return ok;
}

/* May a key begin so? What no key does is not asked for: a backend could take `..` for a folder. */
static bool prefix_possible(struct str prefix)
{
	struct str last = store_key_name(prefix), folder = store_key_folder(prefix);

	for (size_t i = 0; i < last.n; i++) {
		if (!store_part_valid(str_from(last.p + i, 1)) && last.p[i] != '.')
			return false;
	}
	return prefix.n <= STORE_KEY_MAX && (prefix.n == last.n || store_key_valid(folder));
}

struct page {
	struct arena *arena;
	struct store_entry *out;
	size_t n;
};

/* Others may have put what is no key here. */
static void add_entry(void *arg, struct opendal_text key, int64_t size, int64_t changed_ms)
{
	struct page *p = arg;
	struct str k = str_from(key.p, key.n);

	INVARIANT(p->n < STORE_LIST_MAX);
	p->out[p->n++] = (struct store_entry){.key = arena_dup(p->arena, k), .size = size, .changed_ms = changed_ms};
}

static bool list_page(struct call *c, struct opendal *o, struct str prefix, struct str after, struct page *p)
{
	struct str folder = str_head(prefix, prefix.n - store_key_name(prefix).n);
	struct opendal_error e;

	p->n = 0;
	return o->binding.list(o->inner, text_of(prefix), text_of(after), STORE_LIST_MAX, add_entry, p, &e) ||
	       (e.kind == OPENDAL_NOT_FOUND) || tell(c, "list", folder, &e);
}

static size_t keep_keys(struct store_entry *all, size_t n, struct store_entry *to, size_t room)
{
	size_t kept = 0;

	for (size_t i = 0; i < n && kept < room; i++)
		if (store_key_valid(all[i].key))
			to[kept++] = all[i];
	return kept;
}

static bool opendal_list(struct call *c, struct store *s, struct str prefix, struct str after, struct store_entry **ret,
			 size_t *ret_n)
{
	struct page p = {.arena = c->arena, .out = ARENA_ARRAY(c->arena, struct store_entry, STORE_LIST_MAX)};
	struct store_entry *kept = ARENA_ARRAY(c->arena, struct store_entry, STORE_LIST_MAX);
	size_t n = 0;
	bool more = prefix_possible(prefix);

	while (more && n < STORE_LIST_MAX) {
		if (!list_page(c, opendal_of(s), prefix, after, &p))
			return false;
		n += keep_keys(p.out, p.n, kept + n, STORE_LIST_MAX - n);
		more = p.n == STORE_LIST_MAX;
		after = p.n ? p.out[p.n - 1].key : after;
	}
	*ret = kept;
	*ret_n = n;
	return true;
}

static bool opendal_drop(struct call *c, struct store *s, struct str key)
{
	struct opendal *o = opendal_of(s);
	struct opendal_error e;

	if (!store_key_check(c, key))
		return false;
	return o->binding.drop(o->inner, text_of(key), &e) || tell(c, "drop", key, &e);
}

static void opendal_close(struct store *s)
{
	struct opendal *o = opendal_of(s);

	if (o->inner)
		o->binding.close(o->inner);
	free((char *)o->store.location.p);
	free(o);
}

static const struct store_ops opendal_ops = {
	.name = "opendal", .put = opendal_put, .get = opendal_get, .list = opendal_list, .drop = opendal_drop,
	.close = opendal_close,
};

/* --- the library --- */
static bool load_symbols(void *library, struct opendal_binding *ret)
{
	struct {
		const char *name;
		void *to;
	} all[] = {
		{"mayfly_opendal_abi", &ret->abi}, {"mayfly_opendal_open", &ret->open}, {"mayfly_opendal_put", &ret->put},
		{"mayfly_opendal_get", &ret->get}, {"mayfly_opendal_list", &ret->list}, {"mayfly_opendal_drop", &ret->drop},
		{"mayfly_opendal_close", &ret->close},
	};

	for (size_t i = 0; i < COUNT_OF(all); i++) {
		void *found = dlsym(library, all[i].name);

		if (!found)
			return false;
		memcpy(all[i].to, &found, sizeof(found));
	}
	return true;
}

/* Stays loaded: its threads may be ending still when a store is closed. */
static bool load(struct call *c, const char *path, struct opendal_binding *ret)
{
	void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);

	if (!library)
		return fail(c, ERR_UNAVAILABLE, "the OpenDAL binding cannot be loaded (make opendal builds it): %s", dlerror());
	if (!load_symbols(library, ret) || ret->abi() != OPENDAL_ABI)
		return fail(c, ERR_UNAVAILABLE, "%s is not the OpenDAL binding of this version of Mayfly", path);
	return true;
}

static const char *beside_the_program(struct call *c)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path));

	while (n > 0 && path[n - 1] != '/')
		n--;
	return arena_fmt(c->arena, "%.*s%s", n > 0 ? (int)n : 0, path, OPENDAL_LIBRARY).p;
}

/* A bare name is looked for in the program's RUNPATH: PREFIX/lib/mayfly of an installed one. */
static const char *library_path(struct call *c, struct str given)
{
	const char *beside = beside_the_program(c);

	if (given.n)
		return arena_cstr(c->arena, given);
	return access(beside, F_OK) == 0 ? beside : OPENDAL_LIBRARY;
}

struct store *store_opendal_open(struct call *c, const struct store_options *o)
{
	struct opendal *s = base_zalloc(sizeof(*s));
	struct opendal_setting *settings = ARENA_ARRAY(c->arena, struct opendal_setting, (size_t)o->noptions + 1);
	struct opendal_error e = {0};

	s->store.ops = &opendal_ops;
	for (int i = 0; i < o->noptions; i++)
		settings[i] = (struct opendal_setting){text_of(o->options[i].name), text_of(o->options[i].value)};
	if (!load(c, library_path(c, o->library), &s->binding)) {
		opendal_close(&s->store);
		return NULL;
	}
	s->inner = s->binding.open(text_of(o->scheme), settings, (size_t)o->noptions, &e);
	if (!s->inner) {
		fail(c, ERR_UNAVAILABLE, "cannot open a store of kind %.*s: %s", SARG(o->scheme), e.text);
		opendal_close(&s->store);
		return NULL;
	}
	return &s->store;
}
