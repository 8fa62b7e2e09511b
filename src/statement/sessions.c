/* sessions.c - sessions that are gone: what is kept of their statements goes, here and in the stores. */
#include "statement/kept.h"

#include "obs/obs.h"

#include <stdlib.h>

struct gone {
	struct list link;
	int64_t due_ms, backoff_ms;
	struct str tenant, session_id;
	char text[];
};

static bool is_of(const struct gone *g, const struct stmt *st)
{
	return !st->detached && str_eq(stmt_session(st), g->session_id) && str_eq(str_of(st->tenant->name), g->tenant);
}

/* Those in the map, with references; free() it. A session that a former process had does not own them by a lease. */
static struct stmt **left_here(struct statements *s, const struct gone *g, int *ret_n)
{
	struct tenant_use *u;
	struct stmt **v = NULL;
	int n = 0, cap = 0;

	pthread_mutex_lock(&s->tenants_lock);
	u = map_get(&s->sessions, g->session_id) ? map_get(&s->tenants, g->tenant) : NULL;
	for (struct list *it = u ? u->statements.next : NULL; u && it != &u->statements; it = it->next) {
		struct stmt *st = LIST_ITEM(it, struct stmt, in_tenant);

		if (!is_of(g, st))
			continue;
		if (n == cap) {
			cap = cap ? cap * 2 : 16;
			v = base_realloc(v, sizeof(struct stmt *) * (size_t)cap);
		}
		v[n++] = stmt_ref(st);
	}
	pthread_mutex_unlock(&s->tenants_lock);
	*ret_n = n;
	return v;
}

static void forget_here(struct statements *s, const struct gone *g)
{
	int n;
	struct stmt **v = left_here(s, g, &n);

	for (int i = 0; i < n; i++) {
		statement_forget_soon(v[i]);
		statement_unref(v[i]);
	}
	free(v);
}

/* Is something of it still on its way to a store? It would come after the end. */
static bool under_way(struct keeping *kg, const struct gone *g)
{
	bool found = false;

	pthread_mutex_lock(&kg->lock);
	LIST_EACH(&kg->busy, it)
		found = found || is_of(g, LIST_ITEM(it, struct kept, busy)->st);
	pthread_mutex_unlock(&kg->lock);
	return found;
}

static bool drop_in(struct call *c, struct stmt_store *store, const struct gone *g)
{
	if (!store || store->ops->drop_session(c, store, g->tenant, g->session_id))
		return true;
	if (c->err.kind == ERR_UNAVAILABLE)
		return false;
	obs_log_call(c, OBS_WARN, "statement", "statements of session %.*s cannot be dropped from %s: %s", SARG(g->session_id),
		     store->ops->name, err_code(c->err.kind));
	call_forgive(c);
	return true; /* they are swept when their time is over */
}

static bool drop_session(struct keeping *kg, const struct gone *g)
{
	OWNS(arena) a = {0};
	struct call c;

	forget_here(kg->room, g);
	if (under_way(kg, g))
		return false;
	stmt_call(&c, &a, g->tenant);
	return drop_in(&c, kg->at.disk, g) && drop_in(&c, kg->at.shared, g);
}

static struct gone *take_due(struct keeping *kg)
{
	struct gone *due = NULL;
	int64_t now = clock_mono_ms();

	pthread_mutex_lock(&kg->lock);
	if (!kg->closing) {
		LIST_EACH(&kg->gone, it) {
			struct gone *g = LIST_ITEM(it, struct gone, link);

			if (!due && g->due_ms <= now)
				due = g;
		}
	}
	if (due)
		list_del(&due->link);
	else
		kg->dropping = false;
	pthread_mutex_unlock(&kg->lock);
	return due;
}

static void again(struct keeping *kg, struct gone *g)
{
	g->backoff_ms = g->backoff_ms ? g->backoff_ms * 2 : GONE_WAIT_MS;
	if (g->backoff_ms > BACKOFF_MAX_MS)
		g->backoff_ms = BACKOFF_MAX_MS;
	g->due_ms = clock_mono_ms() + g->backoff_ms;
	pthread_mutex_lock(&kg->lock);
	list_add_tail(&kg->gone, &g->link);
	pthread_mutex_unlock(&kg->lock);
}

static void drop_all(void *arg)
{
	struct keeping *kg = arg;
	struct gone *g;

	while ((g = take_due(kg)) != NULL) {
		if (drop_session(kg, g))
			free(g);
		else
			again(kg, g);
	}
}

static void start(struct keeping *kg) /* lock held */
{
	if (!kg->closing && !kg->dropping && !list_empty(&kg->gone))
		kg->dropping = exec_pool_run(kg->writers, drop_all, kg);
}

void stmt_gone_due(struct keeping *kg)
{
	pthread_mutex_lock(&kg->lock);
	start(kg);
	pthread_mutex_unlock(&kg->lock);
}

void statements_session_gone(struct statements *s, struct str tenant, struct str session_id)
{
	struct keeping *kg = s->keeping;
	struct gone *g;
	char *at;

	if (!kg || !session_id.n)
		return;
	g = base_zalloc(sizeof(*g) + tenant.n + session_id.n);
	at = g->text;
	g->tenant = str_copy_to(&at, tenant);
	g->session_id = str_copy_to(&at, session_id);
	forget_here(s, g);
	pthread_mutex_lock(&kg->lock);
	list_add_tail(&kg->gone, &g->link);
	start(kg);
	pthread_mutex_unlock(&kg->lock);
}

void stmt_gone_close(struct keeping *kg)
{
	struct list *first;

	while ((first = list_pop(&kg->gone)) != NULL)
		free(LIST_ITEM(first, struct gone, link));
}
