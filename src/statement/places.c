/* places.c - how many handles there are, and of whom.
 *
 * A handle has a place under the caps of its tenant, and of its session where
 * the client named one, from its submit until it expires or is forgotten.
 */
#include "statement/statement_int.h"

#include <stdlib.h>

static struct tenant_use *use_of(struct statements *s, struct str tenant)
{
	struct tenant_use *u = map_get(&s->tenants, tenant);

	if (u)
		return u;
	u = base_zalloc(sizeof(*u));
	INVARIANT(tenant.n < sizeof(u->name));
	memcpy(u->name, tenant.p, tenant.n);
	list_init(&u->statements);
	map_put(&s->tenants, str_of(u->name), u);
	return u;
}

/* Newest first by handle; two of one millisecond may come in any order. */
static void insert_by_handle(struct list *newest, struct stmt *st)
{
	struct list *at = newest->next;

	while (at != newest && str_cmp(stmt_handle(LIST_ITEM(at, struct stmt, in_tenant)), stmt_handle(st)) > 0)
		at = at->next;
	list_add_tail(at, &st->in_tenant);
}

/* The session's count, or a new one at 0; NULL for a statement outside of named sessions. */
static struct session_use *session_of(struct statements *s, struct str id)
{
	struct session_use *u = id.n ? map_get(&s->sessions, id) : NULL;

	if (u || !id.n)
		return u;
	u = base_zalloc(sizeof(*u) + id.n);
	memcpy(u->text, id.p, id.n);
	u->id = str_from(u->text, id.n);
	map_put(&s->sessions, u->id, u);
	return u;
}

static void forget_empty(struct statements *s, struct session_use *u)
{
	if (!u || u->live)
		return;
	map_del(&s->sessions, u->id);
	free(u);
}

enum cap { CAP_FREE, CAP_HANDLES, CAP_BYTES, CAP_SESSION };

static enum cap fullest(const struct tenant_use *t, const struct session_use *u, const struct statement_caps *caps,
			 int64_t a_session)
{
	return t->live >= caps->max_statements ? CAP_HANDLES
	       : t->bytes >= caps->result_bytes ? CAP_BYTES
	       : u && u->live >= a_session	? CAP_SESSION
						: CAP_FREE;
}

/* caps: NULL = none */
static enum cap take(struct stmt *st, struct str tenant, const struct statement_caps *caps)
{
	struct statements *s = st->room;
	struct tenant_use *t = use_of(s, tenant);
	struct session_use *u = session_of(s, stmt_session(st));
	enum cap full = caps ? fullest(t, u, caps, s->o.max_per_session) : CAP_FREE;

	st->tenant = t;
	if (full) {
		forget_empty(s, u);
		return full;
	}
	t->live++;
	if (u)
		u->live++;
	st->in_session = u != NULL;
	st->counted = true;
	insert_by_handle(&t->statements, st);
	return CAP_FREE;
}

struct tenant_use *stmt_tenant(struct statements *s, struct str tenant)
{
	struct tenant_use *t;

	pthread_mutex_lock(&s->tenants_lock);
	t = use_of(s, tenant);
	pthread_mutex_unlock(&s->tenants_lock);
	return t;
}

void stmt_force_place(struct stmt *st)
{
	struct statements *s = st->room;

	pthread_mutex_lock(&s->tenants_lock);
	take(st, str_of(st->tenant->name), NULL);
	pthread_mutex_unlock(&s->tenants_lock);
}

static bool say(struct call *c, const struct statements *s, const struct statement_caps *caps, enum cap full)
{
	switch (full) {
	case CAP_HANDLES:
		return fail(c, ERR_TOO_MANY, "tenants.max_statements: %lld live statement handles", (long long)caps->max_statements);
	case CAP_BYTES:
		return fail(c, ERR_TOO_MANY, "tenants.result_bytes: results of %lld bytes are stored", (long long)caps->result_bytes);
	case CAP_SESSION:
		return fail(c, ERR_TOO_MANY, "snowflake_api.statement_storage.max_statements_per_session: %lld live statement handles",
			    (long long)s->o.max_per_session);
	case CAP_FREE:
		break;
	}
	return true;
}

bool stmt_take_place(struct call *c, struct stmt *st)
{
	struct statements *s = st->room;
	struct statement_caps caps;
	enum cap full;

	s->o.caps(s->o.arg, c->tenant, &caps);
	pthread_mutex_lock(&s->tenants_lock);
	full = take(st, c->tenant, &caps);
	pthread_mutex_unlock(&s->tenants_lock);
	return say(c, s, &caps, full);
}

bool stmt_has_room(struct call *c, struct statements *s, struct str session_id, int64_t n)
{
	struct statement_caps caps;
	struct tenant_use *t;
	struct session_use *u;
	bool handles, session;

	s->o.caps(s->o.arg, c->tenant, &caps);
	pthread_mutex_lock(&s->tenants_lock);
	t = use_of(s, c->tenant);
	u = session_id.n ? map_get(&s->sessions, session_id) : NULL;
	handles = t->live + n <= caps.max_statements;
	session = !u || u->live + n <= s->o.max_per_session;
	pthread_mutex_unlock(&s->tenants_lock);
	return say(c, s, &caps, !handles ? CAP_HANDLES : !session ? CAP_SESSION : CAP_FREE);
}

static void leave_session(struct statements *s, struct stmt *st)
{
	struct session_use *u = st->in_session ? map_get(&s->sessions, stmt_session(st)) : NULL;

	if (!u)
		return;
	u->live--;
	forget_empty(s, u);
}

bool stmt_leave_place(struct stmt *st)
{
	struct statements *s = st->room;
	bool counted;

	stmt_lock(st);
	counted = st->counted;
	st->counted = false;
	stmt_unlock(st);
	if (!counted)
		return false;
	pthread_mutex_lock(&s->tenants_lock);
	st->tenant->live--;
	leave_session(s, st);
	pthread_mutex_unlock(&s->tenants_lock);
	return true;
}

void stmt_places_close(struct statements *s)
{
	struct map_slot slot;

	for (size_t i = 0; map_next(&s->tenants, &i, &slot);)
		free(slot.value);
	map_close(&s->tenants);
	for (size_t i = 0; map_next(&s->sessions, &i, &slot);)
		free(slot.value);
	map_close(&s->sessions);
}
