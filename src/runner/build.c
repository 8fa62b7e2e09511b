/* build.c - single flight: whoever needs a layer finds it, waits for it, or builds it.
 *
 *        look: from the deepest step ─┬─▶ there: a use of it
 *                                     ├─▶ in flight: wait, told how far it is, look again
 *                                     ├─▶ its SQL failed a moment ago: the same error
 *                                     └─▶ missing: flights for all that will be published; room; import; replay.c
 *
 * A builder holds flights only over what it makes itself and waits for none meanwhile, so there is no circle. When it
 * ends, however it ends, its flights end, and those who waited look again: the first becomes the builder.
 * Not here: between processes the backend's lock() does the same, see replay.c.
 */
#include "runner/layers_int.h"

#include "obs/obs.h"

#include <stdio.h>
#include <stdlib.h>

enum { FAILURE_MS = 5000, FAILURES_MAX = 1000, LOST_MAX = 3 };

struct flight {
	struct list waiters; /* tickets */
	struct str key;      /* behind it */
	enum job_stage stage;
	int done, total;
	char message[96];
};
struct failure {
	int64_t until_ms; /* mono */
	struct job_error error; /* its texts are behind it, as is the key */
	struct str key;
};

/* --- flights --- */

bool flight_begin_locked(struct layers *ls, struct str key)
{
	struct flight *f;
	char *at;

	if (map_get(&ls->flights, key))
		return false;
	f = base_zalloc(sizeof(*f) + key.n);
	at = (char *)(f + 1);
	f->key = str_copy_to(&at, key);
	f->stage = JOB_AT_SNAPSHOT_LOOKUP;
	list_init(&f->waiters);
	map_put(&ls->flights, f->key, f);
	return true;
}

void flight_end_locked(struct layers *ls, struct str key)
{
	struct flight *f = map_del(&ls->flights, key);
	struct list *in;

	INVARIANT(f != NULL);
	while ((in = list_pop(&f->waiters)) != NULL) {
		struct ticket *t = LIST_ITEM(in, struct ticket, in);

		t->granted = true;
		ticket_wake(t);
	}
	free(f);
}

static void tell_ticket(const struct flight *f, struct ticket *t)
{
	t->stage = f->stage;
	t->done = f->done;
	t->total = f->total;
	memcpy(t->message, f->message, sizeof(t->message));
	t->told = f->message[0] != '\0';
}

void build_told(struct build *b, enum job_stage stage, int done, const char *message)
{
	struct layers *ls = b->r->layers;
	int total = b->ask->plan->nsteps;

	if (b->ask->told.step)
		b->ask->told.step(b->ask->told.arg, stage, done, total, message);
	pthread_mutex_lock(&ls->lock);
	for (int i = 0; i < total; i++) {
		struct layer_key k;
		struct flight *f;

		if (!b->flown[i])
			continue;
		k = layer_key(b->c->tenant, str_of(b->ask->plan->steps[i].id));
		f = map_get(&ls->flights, layer_key_str(&k));
		f->stage = stage;
		f->done = done;
		f->total = total;
		snprintf(f->message, sizeof(f->message), "%s", message);
		LIST_EACH(&f->waiters, it) {
			tell_ticket(f, LIST_ITEM(it, struct ticket, in));
			ticket_wake(LIST_ITEM(it, struct ticket, in));
		}
	}
	pthread_mutex_unlock(&ls->lock);
}

/* Until the flight is over. */
static bool wait_for(struct build *b, struct ticket *t)
{
	struct layers *ls = b->r->layers;
	bool over = false, went = true;

	while (went && !over) {
		struct ticket now;

		pthread_mutex_lock(&ls->lock);
		now = *t;
		t->told = false;
		over = t->granted;
		pthread_mutex_unlock(&ls->lock);
		if (now.told && b->ask->told.step)
			b->ask->told.step(b->ask->told.arg, now.stage, now.done, now.total, now.message);
		if (!over)
			went = ticket_wait(b->c, t, b->ask->stop, 0);
	}
	pthread_mutex_lock(&ls->lock);
	list_del(&t->in);
	pthread_mutex_unlock(&ls->lock);
	return went;
}

/* --- errors that a moment ago's replay met --- */

static struct str keep_text(char **at, struct str s)
{
	return s.p ? str_copy_to(at, s) : s;
}

static struct failure *failure_new(struct str key, const struct job_error *e)
{
	size_t n = key.n + e->code.n + e->message.n + e->detail.n + e->hint.n + e->path.n;
	struct failure *f = base_zalloc(sizeof(*f) + n);
	char *at = (char *)(f + 1);

	f->error = *e;
	f->key = str_copy_to(&at, key);
	f->error.code = keep_text(&at, e->code);
	f->error.message = keep_text(&at, e->message);
	f->error.detail = keep_text(&at, e->detail);
	f->error.hint = keep_text(&at, e->hint);
	f->error.path = keep_text(&at, e->path);
	f->until_ms = clock_mono_ms() + FAILURE_MS;
	return f;
}

static void forget_old_locked(struct layers *ls, bool all)
{
	int64_t now = clock_mono_ms();
	struct map left = {0};
	struct map_slot slot;

	for (size_t i = 0; map_next(&ls->failures, &i, &slot);) {
		struct failure *f = slot.value;

		if (!all && f->until_ms > now)
			map_put(&left, f->key, f);
		else
			free(f);
	}
	map_close(&ls->failures);
	ls->failures = left;
}

void failure_remember(struct runner *r, struct str tenant, const char *step_id, const struct job_error *e)
{
	struct layers *ls = r->layers;
	struct layer_key k = layer_key(tenant, str_of(step_id));
	struct failure *f = failure_new(layer_key_str(&k), e);

	pthread_mutex_lock(&ls->lock);
	if (ls->failures.n >= FAILURES_MAX / 2)
		forget_old_locked(ls, ls->failures.n >= FAILURES_MAX);
	free(map_del(&ls->failures, f->key));
	map_put(&ls->failures, f->key, f);
	pthread_mutex_unlock(&ls->lock);
}

static const struct failure *failure_locked(struct layers *ls, struct str key)
{
	const struct failure *f = map_get(&ls->failures, key);

	return f && f->until_ms > clock_mono_ms() ? f : NULL;
}

static void take_error(struct call *c, const struct job_error *e, struct job_error *ret)
{
	*ret = *e;
	ret->code = arena_dup(c->arena, e->code);
	ret->message = arena_dup(c->arena, e->message);
	ret->detail = arena_dup(c->arena, e->detail);
	ret->hint = arena_dup(c->arena, e->hint);
	ret->path = arena_dup(c->arena, e->path);
}

/* --- looking --- */

enum looked { THERE, IN_FLIGHT, FAILED, MISSING };

static enum looked take_up(struct build *b, struct layer *l, int step)
{
	int64_t now = clock_wall_ms();

	l->uses++;
	b->at = layer_hold(l);
	b->step = step;
	layer_hit_locked(l, now);
	if (step < b->ask->plan->nsteps)
		return MISSING;
	layer_pin_locked(l, now + b->ask->pin_s * 1000);
	return THERE;
}

static bool failed_locked(struct build *b, int from)
{
	for (int i = from; i < b->ask->plan->nsteps; i++) {
		struct layer_key k = layer_key(b->c->tenant, str_of(b->ask->plan->steps[i].id));
		const struct failure *f = failure_locked(b->r->layers, layer_key_str(&k));

		if (f) {
			take_error(b->c, &f->error, &b->got->error);
			return true;
		}
	}
	return false;
}

static void fly_locked(struct build *b, int from)
{
	const struct plan *p = b->ask->plan;

	for (int i = from; i < p->nsteps; i++) {
		struct layer_key k = layer_key(b->c->tenant, str_of(p->steps[i].id));

		if (p->steps[i].must || i == p->nsteps - 1)
			b->flown[i] = flight_begin_locked(b->r->layers, layer_key_str(&k));
	}
}

/* The ticket is opened when there is something to wait for. */
static enum looked look_locked(struct build *b, struct ticket *t)
{
	struct layers *ls = b->r->layers;
	const struct plan *p = b->ask->plan;
	struct layer *l = NULL;
	enum looked what;
	int i;

	for (i = p->nsteps; i > 0; i--) {
		struct layer_key k = layer_key(b->c->tenant, str_of(p->steps[i - 1].id));
		struct flight *f;

		l = layer_get_locked(ls, b->c->tenant, str_of(p->steps[i - 1].id));
		if (l)
			break;
		f = map_get(&ls->flights, layer_key_str(&k));
		if (f) {
			ticket_open(t);
			tell_ticket(f, t);
			list_add_tail(&f->waiters, &t->in);
			return IN_FLIGHT;
		}
	}
	if (i < p->nsteps && failed_locked(b, i))
		return FAILED;
	what = take_up(b, l ? l : layer_base_locked(ls, b->c->tenant), i);
	if (what == MISSING)
		fly_locked(b, i);
	return what;
}

/* --- building --- */

static void land(struct build *b)
{
	struct layers *ls = b->r->layers;

	pthread_mutex_lock(&ls->lock);
	for (int i = 0; i < b->ask->plan->nsteps; i++) {
		struct layer_key k = layer_key(b->c->tenant, str_of(b->ask->plan->steps[i].id));

		if (b->flown[i])
			flight_end_locked(ls, layer_key_str(&k));
		b->flown[i] = false;
	}
	pthread_mutex_unlock(&ls->lock);
}

static void export_task(void *arg)
{
	struct layer *l = arg;
	OWNS(arena) a = {0};
	struct call c;

	call_open(&c, &a);
	c.tenant = l->tenant;
	if (!share_export(&c, l->of->r, l->tenant, str_of(l->id)))
		obs_log(OBS_WARN, "runner", "layer %.12s could not be shared: %s", l->id, err_code(c.err.kind));
	layer_release(l);
}

/* In the background; without a place there the next build of a layer over it takes it along. */
static void share(struct build *b)
{
	struct runner *r = b->r;

	if (!r->o.share || !r->o.pool || !r->o.backend->ops->pack || !b->got->built)
		return;
	pthread_mutex_lock(&r->layers->lock);
	b->at->uses++;
	layer_hold(b->at);
	pthread_mutex_unlock(&r->layers->lock);
	if (!exec_pool_run(r->o.pool, export_task, b->at))
		layer_release(b->at);
}

/* The deepest of the missing that somebody shares. */
static bool import(struct build *b)
{
	const struct plan *p = b->ask->plan;
	struct runner *r = b->r;
	bool got = false;

	if (!r->o.share || !r->o.backend->ops->unpack)
		return true;
	for (int i = p->nsteps; i > b->step && !got; i--) {
		if (!b->flown[i - 1])
			continue;
		got = share_import(b->c, r, b->c->tenant, str_of(p->steps[i - 1].id));
		if (!got && (b->c->err.kind == ERR_CANCELED || b->c->err.kind == ERR_STATEMENT_TIMEOUT))
			return false;
		call_forgive(b->c);
	}
	if (got)
		obs_count(OBS_M_LAYER_LOOKUPS_IMPORTED);
	return !got || layers_refresh(b->c, r);
}

/* What import() brought. */
static void move_on(struct build *b)
{
	struct layers *ls = b->r->layers;
	const struct plan *p = b->ask->plan;
	struct layer *before = b->at, *l = NULL;

	pthread_mutex_lock(&ls->lock);
	for (int i = p->nsteps; i > b->step && !l; i--) {
		l = layer_get_locked(ls, b->c->tenant, str_of(p->steps[i - 1].id));
		if (l)
			(void)take_up(b, l, i);
	}
	pthread_mutex_unlock(&ls->lock);
	if (l)
		layer_release(before);
}

static bool build(struct build *b)
{
	int64_t began = clock_mono_ns();
	bool made = layers_make_room(b->c, b->r, b->c->tenant) && import(b);

	if (made)
		move_on(b);
	b->got->steps_reused = b->step;
	made = made && replay(b);
	land(b);
	if (!made) {
		obs_count(OBS_M_LAYER_LOOKUPS_FAILED);
		layer_release(b->at);
		if (b->c->err.kind == ERR_STORAGE) /* for who comes next */
			layers_disk_full(b->r);
		return false;
	}
	if (b->got->built) {
		obs_count(OBS_M_LAYER_LOOKUPS_BUILT);
		obs_observe(OBS_M_LAYER_BUILD_SECONDS, clock_mono_ns() - began);
	}
	pthread_mutex_lock(&b->r->layers->lock);
	layer_pin_locked(b->at, clock_wall_ms() + b->ask->pin_s * 1000);
	pthread_mutex_unlock(&b->r->layers->lock);
	share(b);
	return true;
}

/* What it was built with may have taken the room of others; its own layers are in use. */
static void tidy(struct call *c, struct runner *r)
{
	if (!layers_make_room(c, r, c->tenant))
		call_forgive(c);
}

static bool finish(struct build *b)
{
	struct layer_got *got = b->got;
	bool names = b->ask->plan->nvolatile > 0, keep;

	got->layer = b->at;
	pthread_mutex_lock(&b->r->layers->lock);
	got->deterministic = layer_deterministic(b->at, names);
	keep = b->at->keep;
	pthread_mutex_unlock(&b->r->layers->lock);
	if (b->ask->verify && !b->at->base && strcmp(got->deterministic, "no") != 0 &&
	    !layer_verify(b, b->at, &got->deterministic)) {
		layer_release(b->at);
		got->layer = NULL;
		return false;
	}
	if (keep)
		layers_keep(b->r);
	plan_remember(b->r, b->c->tenant, b->ask->plan);
	return true;
}

static void set_error(struct call *c, struct job_error *e)
{
	if (e->code.n)
		return;
	e->code = c->err.kind == ERR_CANCELED ? S("canceled") :
		  c->err.kind == ERR_STATEMENT_TIMEOUT ? S("timeout") :
		  c->err.kind == ERR_ENGINE_LOST ? S("instance_lost") : str_of(err_code(c->err.kind));
	e->message = arena_dup(c->arena, str_of(c->err.text));
	memcpy(e->sqlstate, c->err.kind == ERR_STATEMENT_TIMEOUT ? "57014" : c->err.sqlstate, sizeof(e->sqlstate));
}

/* One look, and what it asks for; *ret_again: look again. */
static bool attempt(struct build *b, bool *ret_again, bool *waited)
{
	struct layers *ls = b->r->layers;
	struct ticket t;
	enum looked what;
	bool went;

	*ret_again = false;
	pthread_mutex_lock(&ls->lock);
	what = look_locked(b, &t);
	pthread_mutex_unlock(&ls->lock);
	switch (what) {
	case THERE:
		b->got->steps_reused = b->step;
		obs_count(*waited ? OBS_M_LAYER_LOOKUPS_WAITED : OBS_M_LAYER_LOOKUPS_HIT);
		return true;
	case IN_FLIGHT:
		went = wait_for(b, &t);
		ticket_close(&t);
		*ret_again = *waited = true;
		return went;
	case FAILED:
		return fail(b->c, ERR_SQL, "%.*s", SARG(b->got->error.message));
	case MISSING:
		break;
	}
	return build(b);
}

bool layer_acquire(struct call *c, struct runner *r, const struct layer_ask *ask, struct layer_got *ret)
{
	struct build b = {.c = c, .r = r, .ask = ask, .got = ret};
	bool again = true, waited = false, made = true;
	int lost = 0;

	*ret = (struct layer_got){.deterministic = "unverified"};
	ret->error.stage = JOB_AT_SNAPSHOT_LOOKUP;
	b.flown = ARENA_ARRAY(c->arena, bool, (size_t)ask->plan->nsteps + 1);
	while (made && again) {
		made = attempt(&b, &again, &waited);
		if (!made && c->err.kind == ERR_NOT_FOUND && !ret->error.code.n && ++lost < LOST_MAX) {
			/* A layer on the way is not there any more: another process dropped it. */
			call_forgive(c);
			made = again = layers_refresh(c, r);
		}
	}
	made = made && finish(&b);
	if (!made) {
		set_error(c, &ret->error);
		return false;
	}
	if (ret->built)
		tidy(c, r);
	return true;
}
