/* scripts.c - connections that several statements share: one script, one connection.
 *
 *   begin ──▶ statement ──▶ … ──▶ statement ──▶ end: the connection goes, an open transaction is rolled back
 *
 * Its statements come one after the other, on any executor's thread. An end comes on control's thread, which must not wait for
 * a rollback: a thread of its own closes connections. A script inside a session's catalog goes with the catalog.
 */
#include "engine/worker/catalog.h"
#include "engine/worker/process.h"

#include <stdlib.h>

struct script {
	struct list node;      /* in scripts.open or .closing */
	uint64_t number;
	struct session session;
	struct catalog *catalog; /* that the connection is in; NULL = none, or it has been dropped */
	struct change change;  /* the open transaction */
	bool busy;             /* a statement runs */
	bool ended;            /* while one ran */
};
struct scripts {
	pthread_mutex_t lock;
	pthread_cond_t closes;
	struct list open, closing;
	pthread_t closer;
};

static void script_free(struct script *s)
{
	catalog_rollback(&s->change);
	buf_drop(&s->change.touched);
	worker_session_close(&s->session);
	free(s);
}

NORETURN static void *closer_main(void *arg)
{
	struct scripts *all = arg;

	for (;;) {
		struct list *it;

		pthread_mutex_lock(&all->lock);
		while ((it = list_pop(&all->closing)) == NULL)
			pthread_cond_wait(&all->closes, &all->lock);
		pthread_mutex_unlock(&all->lock);
		script_free(LIST_ITEM(it, struct script, node));
	}
}

struct scripts *scripts_open(void)
{
	struct scripts *all = base_zalloc(sizeof(*all));

	pthread_mutex_init(&all->lock, NULL);
	pthread_cond_init(&all->closes, NULL);
	list_init(&all->open);
	list_init(&all->closing);
	if (pthread_create(&all->closer, NULL, closer_main, all) != 0)
		return NULL;
	pthread_detach(all->closer);
	return all;
}

/* Lock held. */
static struct script *find(struct scripts *all, uint64_t number)
{
	LIST_EACH(&all->open, it)
		if (LIST_ITEM(it, struct script, node)->number == number)
			return LIST_ITEM(it, struct script, node);
	return NULL;
}

/* Lock held: out of the open ones, to be closed. */
static void let_go(struct scripts *all, struct script *s)
{
	list_del(&s->node);
	list_add_tail(&all->closing, &s->node);
	pthread_cond_signal(&all->closes);
}

static bool is_lost(struct task *t)
{
	task_fails(t, "", "the script's connection is not there any more");
	t->end.outcome = ENGINE_LOST;
	return false;
}

static struct script *begin(struct executor *x, struct task *t)
{
	struct scripts *all = x->w->scripts;
	struct script *s = base_zalloc(sizeof(*s));

	if (!worker_session_open(t, executor_database(x), t->ask.helpers, &s->session)) {
		free(s);
		return NULL;
	}
	s->number = t->ask.script;
	s->catalog = t->catalog;
	s->busy = true;
	pthread_mutex_lock(&all->lock);
	list_add_tail(&all->open, &s->node);
	pthread_mutex_unlock(&all->lock);
	return s;
}

struct session *script_enter(struct executor *x, struct task *t)
{
	struct scripts *all = x->w->scripts;
	struct script *s;

	pthread_mutex_lock(&all->lock);
	s = find(all, t->ask.script);
	if (s && (s->busy || t->ask.script_begins || s->catalog != t->catalog || s->session.helpers != t->ask.helpers))
		s = NULL;
	if (s)
		s->busy = true;
	pthread_mutex_unlock(&all->lock);
	if (!s && t->ask.script_begins)
		s = begin(x, t);
	else if (!s)
		is_lost(t);
	t->change = s ? &s->change : NULL;
	return s ? &s->session : NULL;
}

void script_leave(struct executor *x, struct session *session)
{
	struct scripts *all = x->w->scripts;
	struct script *s = LIST_ITEM(session, struct script, session);

	pthread_mutex_lock(&all->lock);
	s->busy = false;
	if (s->ended)
		let_go(all, s);
	pthread_mutex_unlock(&all->lock);
}

void scripts_end(struct scripts *all, uint64_t number)
{
	struct script *s;

	pthread_mutex_lock(&all->lock);
	s = find(all, number);
	if (s && s->busy)
		s->ended = true;
	else if (s)
		let_go(all, s);
	pthread_mutex_unlock(&all->lock);
}

/* --- scripts inside a session's catalog --- */
bool scripts_in_catalog(struct executor *x, const struct catalog *k)
{
	struct scripts *all = x->w->scripts;
	bool any = false;

	pthread_mutex_lock(&all->lock);
	LIST_EACH(&all->open, it)
		any = any || LIST_ITEM(it, struct script, node)->catalog == k;
	pthread_mutex_unlock(&all->lock);
	return any;
}

/* Nobody is inside, and nobody enters any more: its drop. */
void scripts_leave_catalog(struct executor *x, const struct catalog *k)
{
	struct scripts *all = x->w->scripts;
	struct script *s;

	do {
		s = NULL;
		pthread_mutex_lock(&all->lock);
		LIST_EACH(&all->open, it)
			if (LIST_ITEM(it, struct script, node)->catalog == k && !LIST_ITEM(it, struct script, node)->busy)
				s = LIST_ITEM(it, struct script, node);
		if (s)
			list_del(&s->node);
		pthread_mutex_unlock(&all->lock);
		if (s)
			script_free(s);
	} while (s);
}
