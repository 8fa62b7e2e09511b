/* grants.c - who else of the tenant may read a result. */
#include "statement/kept.h"

#include <stdlib.h>

struct stmt_grants *stmt_grants_of(const struct str *v, int n)
{
	struct stmt_grants *g;
	size_t bytes = 0;
	char *at;

	if (n <= 0)
		return NULL;
	for (int i = 0; i < n; i++)
		bytes += v[i].n;
	g = base_alloc(sizeof(*g) + sizeof(struct str) * (size_t)n + bytes);
	g->n = n;
	at = (char *)(g->v + n);
	for (int i = 0; i < n; i++)
		g->v[i] = str_copy_to(&at, v[i]);
	return g;
}

static int place_of(const struct stmt_grants *g, struct str principal)
{
	for (int i = 0; g && i < g->n; i++)
		if (str_eq(g->v[i], principal))
			return i;
	return -1;
}

bool stmt_may_read(const struct call *c, const struct stmt *st)
{
	if (stmt_owns(c, st))
		return true;
	return st->grants && str_eq(c->tenant, str_of(st->tenant->name)) &&
	       (place_of(st->grants, S("*")) >= 0 || place_of(st->grants, c->principal) >= 0);
}

bool statement_granted(const struct call *c, struct stmt *st)
{
	return !stmt_owns(c, st);
}

/* With `principal`, or without it; NULL for none. */
static struct stmt_grants *changed(const struct stmt_grants *g, struct str principal, bool give)
{
	struct str v[STMT_GRANTS_MAX + 1];
	int n = 0;

	for (int i = 0; g && i < g->n && n < STMT_GRANTS_MAX; i++)
		if (!str_eq(g->v[i], principal))
			v[n++] = g->v[i];
	if (give)
		v[n++] = principal;
	return stmt_grants_of(v, n);
}

static void change(struct stmt *st, struct str principal, bool give)
{
	struct stmt_grants *was, *now;

	stmt_lock(st);
	was = st->grants;
	now = changed(was, principal, give);
	st->grants = now;
	stmt_unlock(st);
	free(was);
}

static bool fits(struct call *c, struct stmt *st, struct str principal)
{
	bool full;

	stmt_lock(st);
	full = st->grants && st->grants->n >= STMT_GRANTS_MAX && place_of(st->grants, principal) < 0;
	stmt_unlock(st);
	return !full || fail(c, ERR_TOO_MANY, "a statement is granted to at most %d principals", STMT_GRANTS_MAX);
}

static bool grant_in(struct call *c, struct stmt_store *store, struct stmt *st, struct str principal, bool give)
{
	const struct stmt_store_key key = stmt_key(st);

	return store->ops->grant(c, store, &key, principal, give);
}

/* What the shared store does not have yet it gets whole, with its grants. */
static bool grant_kept(struct call *c, struct stmt *st, struct str principal, bool give)
{
	const struct stmt_stores *at = &st->room->keeping->at;
	struct kept *k = st->kept;
	bool ok = true;

	if (atomic_load(&k->shared) && !stmt_owes(k, DEBT_ADD))
		ok = grant_in(c, at->shared, st, principal, give);
	return ok && (!atomic_load(&k->disk) || grant_in(c, at->disk, st, principal, give));
}

bool statement_grant(struct call *c, struct stmt *st, struct str principal, bool give)
{
	bool ok;

	if (!stmt_owns(c, st))
		return fail(c, ERR_FORBIDDEN, "statement %.*s may only be read", ID_LEN, st->handle);
	if (!principal.n || principal.n > STMT_PRINCIPAL_MAX || !str_is_utf8(principal))
		return fail(c, ERR_INVALID_FIELD, "principal must be 1 to %d bytes of text, or *", STMT_PRINCIPAL_MAX);
	if (give && !fits(c, st, principal))
		return false;
	if (!st->kept) {
		change(st, principal, give);
		return true;
	}
	stmt_write_begin(st);
	ok = grant_kept(c, st, principal, give);
	if (ok)
		change(st, principal, give);
	stmt_write_done(st);
	return ok;
}
