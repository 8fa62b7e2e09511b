/* lists.c - statements of a tenant, newest first: of this server, or of all that share a store. */
#include "statement/kept.h"

bool stmt_passes(struct stmt *st, const struct stmt_filter *f)
{
	bool pass;

	stmt_lock(st);
	pass = !st->expired && (f->state < 0 || st->state == f->state) &&
	       (!f->since_ms || st->created_ms >= f->since_ms) && (!f->until_ms || st->created_ms <= f->until_ms) &&
	       (!f->session_id.n || str_eq(f->session_id, stmt_session(st)));
	stmt_unlock(st);
	return pass;
}

/* The tenant's statements that c may see, newest first, behind `after`; references. At most `max`. */
static int collect(struct call *c, struct statements *s, struct str after, struct stmt **v, int max)
{
	struct stmt *start = after.n ? stmt_get(s, after) : NULL;
	struct tenant_use *u;
	int n = 0;

	pthread_mutex_lock(&s->tenants_lock);
	u = map_get(&s->tenants, c->tenant);
	if (u) {
		bool jump = start && start->tenant == u && list_linked(&start->in_tenant);
		struct list *it = jump ? start->in_tenant.next : u->statements.next;

		for (; it != &u->statements && n < max; it = it->next) {
			struct stmt *st = LIST_ITEM(it, struct stmt, in_tenant);

			if (stmt_owns(c, st) && (!after.n || str_cmp(stmt_handle(st), after) < 0))
				v[n++] = stmt_ref(st);
		}
	}
	pthread_mutex_unlock(&s->tenants_lock);
	statement_unref(start);
	return n;
}

struct page {
	struct statements *s;
	const struct stmt_filter *f;
	struct stmt **v; /* one more than fits, when there is more */
	int n;
};

static void list_here(struct call *c, struct page *p)
{
	enum { A_LOOK = 256 };
	struct stmt *look[A_LOOK];
	struct str after = p->f->after;
	int got;

	do {
		got = collect(c, p->s, after, look, A_LOOK);
		if (got)
			after = arena_dup(c->arena, stmt_handle(look[got - 1]));
		for (int i = 0; i < got; i++) {
			if (p->n <= p->f->limit && stmt_passes(look[i], p->f))
				p->v[p->n++] = look[i];
			else
				statement_unref(look[i]);
		}
	} while (got == A_LOOK && p->n <= p->f->limit);
}

/* One of this server is shown as it is here. */
static bool add_record(void *arg, struct call *c, const struct stmt_record *r)
{
	struct page *p = arg;
	struct stmt *st;

	if (!str_eq(r->tenant, c->tenant) || (c->role != ROLE_ADMIN && !str_eq(r->principal, c->principal)))
		return true;
	st = stmt_get(p->s, r->handle);
	if (!st)
		st = stmt_foreign(p->s, r);
	if (!st) /* not well-formed */
		return true;
	if (stmt_passes(st, p->f))
		p->v[p->n++] = st;
	else
		statement_unref(st);
	return p->n <= p->f->limit;
}

/* Two lists, newest first, as one that names each once. */
static void merge(struct call *c, struct page *p, const struct page *here)
{
	struct stmt **all = ARENA_ARRAY(c->arena, struct stmt *, (size_t)(p->n + here->n) + 1);
	int i = 0, j = 0, k = 0, max = p->f->limit + 1;

	while (i < p->n || j < here->n) {
		int order = i == p->n ? -1 : j == here->n ? 1 : str_cmp(stmt_handle(p->v[i]), stmt_handle(here->v[j]));

		if (order == 0)
			statement_unref(here->v[j++]);
		else
			all[k++] = order > 0 ? p->v[i++] : here->v[j++];
	}
	p->n = k < max ? k : max;
	for (i = 0; i < k; i++) {
		if (i < max)
			p->v[i] = all[i];
		else
			statement_unref(all[i]);
	}
}

/* A store hears late of what runs here: those that run are listed as the map has them. */
static void add_running(struct call *c, struct page *p)
{
	struct page here = {p->s, p->f, ARENA_ARRAY(c->arena, struct stmt *, (size_t)p->f->limit + 1), 0};

	if (p->f->state != STMT_RUNNING)
		return;
	list_here(c, &here);
	merge(c, p, &here);
}

/* False, without an error: what is here must do. */
static bool list_shared(struct call *c, struct page *p, bool *ret_failed)
{
	struct stmt_store *shared = p->s->keeping ? p->s->keeping->at.shared : NULL;
	const struct stmt_store_page page = {.tenant = c->tenant, .filter = p->f, .viewer = c};

	*ret_failed = false;
	if (!shared)
		return false;
	if (shared->ops->list(c, shared, &page, add_record, p)) {
		add_running(c, p);
		return true;
	}
	while (p->n > 0)
		statement_unref(p->v[--p->n]);
	*ret_failed = c->err.kind != ERR_UNAVAILABLE || !p->s->o.keep_local;
	if (!*ret_failed)
		call_forgive(c);
	return false;
}

bool statement_list(struct call *c, struct statements *s, const struct stmt_filter *f, struct stmt ***ret, int *ret_n,
		    struct str *ret_next)
{
	struct page p = {s, f, ARENA_ARRAY(c->arena, struct stmt *, (size_t)f->limit + 1), 0};
	bool failed;

	if (!list_shared(c, &p, &failed)) {
		if (failed)
			return false;
		list_here(c, &p);
	}
	*ret_next = S("");
	if (p.n > f->limit) {
		statement_unref(p.v[--p.n]);
		*ret_next = arena_dup(c->arena, stmt_handle(p.v[p.n - 1]));
	}
	*ret = p.v;
	*ret_n = p.n;
	return true;
}
