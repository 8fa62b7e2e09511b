/* open.c - which backend, where it is as a URI, and whether it keeps the one promise that everything rests on. */
#include "store/store_int.h"

#include <stdlib.h>

static struct str option(const struct store_options *o, const char *name)
{
	for (int i = 0; i < o->noptions; i++)
		if (str_eq(o->options[i].name, str_of(name)))
			return o->options[i].value;
	return S("");
}

/* --- locations --- */
static bool plain_in_uri(char l)
{
	return ascii_alpha(l) || ascii_digit(l) || (l && strchr("-._~/!$&'()*+,;=:@", l));
}

static void add_path(struct buf *to, struct str path)
{
	while (str_ends(path, S("/")))
		path.n--;
	for (size_t i = 0; i < path.n; i++) {
		if (plain_in_uri(path.p[i]))
			buf_addc(to, path.p[i]);
		else
			buf_fmt(to, "%%%02X", (unsigned char)path.p[i]);
	}
}

static struct str owned(struct buf *uri)
{
	size_t n = uri->n;
	const char *p = buf_cstr(uri);

	*uri = (struct buf){0};
	return str_from(p, n);
}

struct str store_location_of_folder(struct str path)
{
	struct buf uri = {0};

	buf_lit(&uri, "file://");
	add_path(&uri, path);
	return owned(&uri);
}

/* It is there: the store is open. */
static struct str absolute(struct call *c, struct str path)
{
	char *real = realpath(arena_cstr(c->arena, path), NULL);
	struct str found = real ? arena_dup(c->arena, str_of(real)) : path;

	free(real);
	return found;
}

/* As readers of Iceberg write it: gs:// and abfss:// are what Google's and Azure's stores are called. */
static struct str location_of(struct call *c, const struct store_options *o)
{
	struct str root = option(o, "root"), account = option(o, "account_name");
	struct buf uri = {0};

	if (str_eq(o->scheme, S("fs")))
		return store_location_of_folder(absolute(c, root));
	if (str_eq(o->scheme, S("azblob")) && account.n) {
		buf_fmt(&uri, "abfss://%.*s@%.*s.dfs.core.windows.net", SARG(option(o, "container")), SARG(account));
	} else {
		struct str place = option(o, str_eq(o->scheme, S("azblob")) ? "container" : "bucket");
		struct str scheme = str_eq(o->scheme, S("gcs")) ? S("gs") : o->scheme;

		buf_fmt(&uri, "%.*s://%.*s", SARG(scheme), SARG(place));
	}
	while (str_starts(root, S("/")))
		root = str_tail(root, 1);
	if (root.n)
		buf_addc(&uri, '/');
	add_path(&uri, root);
	return owned(&uri);
}

/* --- the probe --- */
static bool probe_with(struct call *c, struct store *s, struct str key)
{
	if (!s->ops->put(c, s, key, S("first"), STORE_NEW))
		return false;
	if (s->ops->put(c, s, key, S("second"), STORE_NEW))
		return fail(c, ERR_UNAVAILABLE, "the store replaces objects that shall be made only when they are not there");
	if (c->err.kind != ERR_CONFLICT)
		return false;
	call_forgive(c);
	return true;
}

/* Stores that ignore If-None-Match lose commits in silence. */
static bool probe(struct call *c, struct store *s)
{
	struct id id = id_v4();
	struct str key = arena_fmt(c->arena, "probe-%s", id.text);
	bool ok = probe_with(c, s, key);
	struct err why = c->err;

	call_forgive(c);
	if (!s->ops->drop(c, s, key) && ok)
		return false;
	if (ok)
		return true;
	call_forgive(c); /* the first error says more than the second */
	return fail_as(c, &why);
}

/* Whatever it was: such a store cannot be used. */
static bool unusable(struct call *c, struct str location)
{
	struct err why = c->err;

	call_forgive(c);
	return fail(c, ERR_UNAVAILABLE, "the store %.*s cannot be used: %s", SARG(location), why.text);
}

static struct store *open_folder(struct call *c, const struct store_options *o)
{
	struct str root = option(o, "root");

	for (int i = 0; i < o->noptions; i++) {
		if (!str_eq(o->options[i].name, S("root"))) {
			fail(c, ERR_INVALID_FIELD, "a store of kind fs has no option %.*s", SARG(o->options[i].name));
			return NULL;
		}
	}
	if (root.n == 0) {
		fail(c, ERR_INVALID_FIELD, "a store of kind fs needs the option root");
		return NULL;
	}
	return store_folder_open(c, root);
}

struct store *store_open(struct call *c, const struct store_options *o)
{
	bool folder = str_eq(o->scheme, S("fs")) && !o->opendal;
	struct store *s = folder ? open_folder(c, o) : store_opendal_open(c, o);
	struct str location;

	if (!s)
		return NULL;
	if (!folder)
		s->location = location_of(c, o);
	if (probe(c, s))
		return s;
	location = arena_dup(c->arena, s->location);
	s->ops->close(s);
	unusable(c, location);
	return NULL;
}
