/* replay.c - from the deepest layer that is there to the tail: an instance, the missing steps, publish, and on.
 *
 *   for each layer that must be ─▶ the backend's lock (another server may build it just now)
 *        └─▶ instance over the last one ─▶ step, step, … each with a session of its own ─▶ publish ─▶ next instance
 *
 * Besides those that must be, a step becomes a layer when the replay since the last one took long, and where a second
 * chain leaves the first. A step that fails ends the build; what was published before it stays.
 */
#include "runner/layers_int.h"

#include "obs/obs.h"

#include <stdio.h>
#include <stdlib.h>

enum { SIGHTINGS_MAX = 4096, LISTED_MS = 1000, CONTENDED_MS = 2 };

/* --- chains that were seen: by step, what came behind it --- */

struct sighting {
	struct list in;
	struct str key;                  /* behind it */
	char next[RUNNER_HEX + 1];
	bool left;                       /* two chains part here */
};

static void forget_oldest(struct layers *ls)
{
	struct sighting *s = LIST_ITEM(list_pop(&ls->sightings), struct sighting, in);

	map_del(&ls->seen, s->key);
	free(s);
}

static bool sighting_note(struct runner *r, const struct build *b, int step)
{
	struct layers *ls = r->layers;
	const struct plan *p = b->ask->plan;
	struct layer_key k;
	struct sighting *s;
	char *at;
	bool left;

	if (step + 1 >= p->nsteps)
		return false;
	k = layer_key(b->c->tenant, str_of(p->steps[step].id));
	pthread_mutex_lock(&ls->lock);
	s = map_get(&ls->seen, layer_key_str(&k));
	if (!s) {
		if (ls->seen.n >= SIGHTINGS_MAX)
			forget_oldest(ls);
		s = base_zalloc(sizeof(*s) + k.n);
		at = (char *)(s + 1);
		s->key = str_copy_to(&at, layer_key_str(&k));
		memcpy(s->next, p->steps[step + 1].id, sizeof(s->next));
		map_put(&ls->seen, s->key, s);
	}
	list_del(&s->in);
	list_add_tail(&ls->sightings, &s->in);
	s->left = s->left || strcmp(s->next, p->steps[step + 1].id) != 0;
	left = s->left;
	pthread_mutex_unlock(&ls->lock);
	return left;
}

void sightings_close(struct layers *ls)
{
	while (!list_empty(&ls->sightings))
		forget_oldest(ls);
	map_close(&ls->seen);
}

/* --- one step --- */

static bool word_at(struct str s, size_t i, struct str word)
{
	bool begins = i == 0 || (!ascii_alpha(s.p[i - 1]) && !ascii_digit(s.p[i - 1]) && s.p[i - 1] != '_');

	return begins && str_istarts(str_tail(s, i), word);
}

/* Can this text hide a function whose answer differs from run to run from a look at its words? Bodies in quotes, blocks of
 * code, extensions, included files, and the words that stand for times. Rather once too often. */
static bool text_hides(struct str s)
{
	static const struct str words[] = {S_INIT("do"), S_INIT("function"), S_INIT("procedure"), S_INIT("extension"),
					   S_INIT("execute"), S_INIT("call"), S_INIT("now"), S_INIT("today"),
					   S_INIT("tomorrow"), S_INIT("yesterday"), S_INIT("allballs"), S_INIT("query_to_xml")};

	for (size_t i = 0; i < s.n; i++) {
		if ((s.p[i] == '$' || s.p[i] == '\\') && i + 1 < s.n && !ascii_digit(s.p[i + 1]) && s.p[i + 1] != '.')
			return true;
		for (size_t w = 0; w < COUNT_OF(words); w++)
			if (ascii_lower(s.p[i]) == words[w].p[0] && word_at(s, i, words[w]))
				return true;
	}
	return false;
}

static bool beyond_sql(const char *sqlstate)
{
	static const char *const classes[] = {"08", "40", "53", "55", "57", "58", "F0", "XX"};

	for (size_t i = 0; i < COUNT_OF(classes); i++)
		if (memcmp(sqlstate, classes[i], 2) == 0)
			return true;
	return false;
}

/* What the run of a step came to, as an error of the call. */
static bool outcome(struct build *b, struct script_run *run, enum pg_outcome o, int step)
{
	struct call *c = b->c;
	const struct plan_step *s = &b->ask->plan->steps[step];

	if (o == PG_OK)
		return true;
	b->got->error = (struct job_error){.stage = JOB_AT_TAIL_REPLAY, .path = s->path};
	if (o != PG_FAILED)
		call_forgive(c);
	if (o == PG_STOPPED)
		return fail(c, ERR_CANCELED, "canceled");
	if (o == PG_LATE)
		return fail(c, ERR_STATEMENT_TIMEOUT, "the time for the job was over while its tail was replayed");
	if (o == PG_LOST)
		return fail(c, ERR_ENGINE_LOST, "PostgreSQL ended while the tail was replayed");
	b->got->error = run->error;
	b->got->error.stage = JOB_AT_TAIL_REPLAY;
	if (!b->got->error.path.n)
		b->got->error.path = s->path;
	if (!beyond_sql(run->error.sqlstate) && (run->error.sqlstate[0] || c->err.kind != ERR_NONE))
		failure_remember(b->r, c->tenant, s->id, &b->got->error);
	return c->err.kind == ERR_NONE ? fail(c, ERR_SQL, "%.*s", SARG(run->error.message)) : false;
}

/* Settings of the role or the database count from the next connection on, and RESET leaves names of settings behind: only a
 * connection of its own is as new, as it is on a hit. */
bool replay_step(struct build *b, struct replaying *p, int step)
{
	const struct plan_step *s = &b->ask->plan->steps[step];
	struct pg_backend *be = b->r->o.backend;
	struct script_run run = {
		.runner = b->r, .tree = b->ask->tree, .variables = b->ask->variables, .nvariables = b->ask->nvariables,
		.one_database = runner_one_database(b->r),
	};
	int64_t began = clock_mono_ns(), ms;
	bool went;

	if (!p->t.conn && !be->ops->connect(b->c, p->t.instance, PG_OWNER, b->ask->stop, &p->t.conn))
		return false;
	run.conn = p->t.conn;
	if (b->ask->told.sink)
		run.sink = *b->ask->told.sink;
	went = outcome(b, &run, script_run(b->c, &run, s->path), step);
	pg_conn_close(p->t.conn);
	p->t.conn = NULL;
	ms = (clock_mono_ns() - began + 999999) / 1000000;
	p->ms += ms;
	b->got->replay_ms += ms;
	return went;
}

static bool step_hides(struct build *b, int step)
{
	OWNS(arena) a = {0};
	struct arena *callers = b->c->arena;
	struct str text;
	bool hides = true;

	b->c->arena = &a;
	if (tree_content(b->c, b->r, b->ask->tree, b->ask->plan->steps[step].path, &text))
		hides = text_hides(text);
	else
		call_forgive(b->c);
	b->c->arena = callers;
	return hides;
}

/* --- publish --- */

static void published(struct build *b, const struct layer_made *m, int step)
{
	struct layers *ls = b->r->layers;
	struct layer *before = b->at, *l;

	pthread_mutex_lock(&ls->lock);
	l = layer_add_locked(ls, m);
	l->uses++;
	b->at = layer_hold(l);
	b->step = step + 1;
	layer_hit_locked(l, clock_wall_ms());
	if (b->flown[step])
		flight_end_locked(ls, l->key);
	b->flown[step] = false;
	pthread_mutex_unlock(&ls->lock);
	layer_release(before);
}

/* The state after this step; the instance is gone, whatever comes. */
static bool publish(struct build *b, struct replaying *p, int step)
{
	const struct plan *plan = b->ask->plan;
	struct pg_backend *be = b->r->o.backend;
	struct layer_made m = {
		.tenant = b->c->tenant, .id = str_of(plan->steps[step].id), .path = plan->steps[step].path,
		.parent = b->at->base ? S("") : str_of(b->at->id), .created_ms = clock_wall_ms(), .replay_ms = p->ms,
		.volatile_names = plan->volatile_names, .nvolatile = plan->nvolatile, .opaque = b->opaque,
	};
	struct pg_instance_stats stats = {0};
	OWNS(buf) manifest = {0};
	bool made, first;

	layer_manifest(&m, str_of(b->r->base), &manifest);
	be->ops->stats(p->t.instance, &stats);
	m.bytes = stats.disk_bytes;
	made = be->ops->publish(b->c, p->t.instance, m.id, buf_str(&manifest), &first);
	instance_published(b->r, &p->t);
	if (!made)
		b->got->error.stage = JOB_AT_PUBLISHING;
	if (!made)
		return false;
	b->got->built = first && step == plan->nsteps - 1;
	published(b, &m, step);
	return true;
}

/* --- from layer to layer --- */

static bool open_instance(struct build *b, struct replaying *p)
{
	*p = (struct replaying){0};
	b->opaque = b->at->opaque;
	b->got->error.stage = JOB_AT_INSTANCE_BOOT;
	build_told(b, JOB_AT_INSTANCE_BOOT, b->step, "booting an instance for the replay");
	if (instance_build(b->c, b->r, b->at, b->ask->stop, &p->t))
		return true;
	if (b->c->err.kind == ERR_NOT_FOUND)
		layer_lost(b->r, b->at);
	return false;
}

/* Steps up to where a layer is worth it, at most up to index `last`; returns the index of the last that ran, -1: failed. */
static int run_steps(struct build *b, struct replaying *p, int last)
{
	char message[96];

	for (int i = b->step; i <= last; i++) {
		bool parts;

		snprintf(message, sizeof(message), "replaying step %d of %d", i + 1, b->ask->plan->nsteps);
		build_told(b, JOB_AT_TAIL_REPLAY, i, message);
		b->got->error.stage = JOB_AT_TAIL_REPLAY;
		if (!ticket_may_go_on(b->c, b->ask->stop) || !replay_step(b, p, i))
			return -1;
		b->opaque = b->opaque || step_hides(b, i);
		parts = sighting_note(b->r, b, i);
		if (i == last || parts || p->ms > b->r->o.replay_ms)
			return i;
	}
	return -1;
}

/* One instance, one layer. An instance that is lost is lost with all it did, so once it is tried again. */
static bool one_layer(struct build *b, int last)
{
	for (bool again = true;; again = false) {
		struct replaying p;
		int ran;

		if (!open_instance(b, &p))
			return false;
		ran = run_steps(b, &p, last);
		if (ran >= 0)
			return publish(b, &p, ran);
		instance_return(b->r, &p.t, false);
		if (!again || b->c->err.kind != ERR_ENGINE_LOST)
			return false;
		call_forgive(b->c);
		b->got->error = (struct job_error){0};
	}
}

/* Has another process made it? Listing costs, so only when there was somebody, or the last one is old. */
static bool made_elsewhere(struct build *b, int last, int64_t waited_ms, bool *ret)
{
	struct layers *ls = b->r->layers;
	struct layer *before = b->at, *l;
	bool old;

	pthread_mutex_lock(&ls->lock);
	old = clock_mono_ms() - ls->listed_ms >= LISTED_MS;
	pthread_mutex_unlock(&ls->lock);
	if ((old || waited_ms >= CONTENDED_MS) && !layers_refresh(b->c, b->r))
		return false;
	pthread_mutex_lock(&ls->lock);
	l = layer_get_locked(ls, b->c->tenant, str_of(b->ask->plan->steps[last].id));
	if (l) {
		l->uses++;
		b->at = layer_hold(l);
		b->step = last + 1;
		layer_hit_locked(l, clock_wall_ms());
	}
	pthread_mutex_unlock(&ls->lock);
	if (l)
		layer_release(before);
	*ret = l != NULL;
	return true;
}

static bool segment(struct build *b, int last)
{
	struct pg_backend *be = b->r->o.backend;
	int64_t began = clock_mono_ms();
	bool there = false, went;
	void *lock;

	if (!be->ops->lock(b->c, be, str_of(b->ask->plan->steps[last].id), b->ask->stop, &lock))
		return false;
	went = made_elsewhere(b, last, clock_mono_ms() - began, &there);
	while (went && !there && b->step <= last)
		went = one_layer(b, last);
	be->ops->unlock(lock);
	return went;
}

bool replay(struct build *b)
{
	const struct plan *p = b->ask->plan;

	while (b->step < p->nsteps) {
		int last = b->step;

		while (last < p->nsteps - 1 && !p->steps[last].must)
			last++;
		if (!segment(b, last))
			return false;
	}
	return true;
}
