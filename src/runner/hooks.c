/* hooks.c - webhooks: the document of a job that ended, without rows, posted to each receiver until one try is answered 2xx.
 *
 * Tries have pauses that double, with jitter, and an end. Owns a few threads; of one host, and of one tenant, only some are busy
 * at once, so that a slow receiver holds up nobody else's. What was tried is an object of the job's record, written after each try,
 * so a restart goes on where it was; a receiver may hear of a job twice, never of a wrong state. Secrets are in the record only.
 */
#include "runner/job_int.h"

#include <stdlib.h>

enum { THREADS = 8, OF_A_HOST = 2, OF_A_TENANT = 4, TIMEOUT_MS = 10000, PAUSE_MAX_MS = 3600 * 1000, ANSWER_MAX = 64 << 10 };

struct hook {
	enum hook_state state;
	int attempts, ndeliveries;
	int64_t next_ms;                     /* mono */
	bool flying;
	struct str host;                     /* "scheme://host:port", in the job's body */
	struct job_delivery *deliveries;     /* room for every try */
};
struct hooks_of_job {
	struct list link;                    /* among those with something to deliver; then it has a reference to job and body */
	struct job *job;
	struct job_body *body;
	int n;
	struct hook v[];
};
struct hooks {
	pthread_mutex_t lock;
	struct list pending;
	struct exec_pool *pool;
	int flying;
	atomic_bool stop;
};
struct flight {
	struct hooks_of_job *of;
	int i;
};

static const char *const state_names[] = {"pending", "delivered", "failed"};

static struct str host_of(struct str url)
{
	size_t scheme = str_search(url, S("://")) + 3;

	return scheme < url.n ? str_head(url, scheme + str_find(str_tail(url, scheme), '/')) : url;
}

/* --- life --- */

bool hooks_open(struct call *c, struct runner *r)
{
	struct hooks *h = base_zalloc(sizeof(*h));

	(void)c;
	pthread_mutex_init(&h->lock, NULL);
	list_init(&h->pending);
	h->pool = exec_pool_open("webhook", THREADS, THREADS);
	r->hooks = h;
	return true;
}

static void unlink_of(struct hooks_of_job *of)
{
	struct job *j = of->job;
	struct job_body *b = of->body;

	list_del(&of->link);
	of->job = NULL;
	of->body = NULL;
	job_body_unref(b);
	job_unref(j);
}

void hooks_close(struct runner *r)
{
	struct hooks *h = r->hooks;

	if (!h)
		return;
	atomic_store(&h->stop, true);
	exec_pool_close(h->pool);
	while (!list_empty(&h->pending))
		unlink_of(LIST_ITEM(h->pending.next, struct hooks_of_job, link));
	pthread_mutex_destroy(&h->lock);
	free(h);
	r->hooks = NULL;
}

void hooks_free(struct hooks_of_job *of)
{
	for (int i = 0; of && i < of->n; i++)
		free(of->v[i].deliveries);
	free(of);
}

static struct hooks_of_job *of_body(struct job *j, const struct job_body *b)
{
	struct hooks_of_job *of = base_zalloc(sizeof(*of) + sizeof(struct hook) * (size_t)b->nhooks);

	list_init(&of->link);
	of->n = b->nhooks;
	for (int i = 0; i < of->n; i++) {
		of->v[i].host = host_of(b->hooks[i].url);
		of->v[i].deliveries = base_zalloc(sizeof(struct job_delivery) * HOOK_DELIVERIES_MAX);
	}
	(void)j;
	return of;
}

static bool any_pending(const struct hooks_of_job *of)
{
	for (int i = 0; of && i < of->n; i++)
		if (of->v[i].state == HOOK_PENDING)
			return true;
	return false;
}

bool hooks_pending(struct job *j)
{
	struct hooks *h = j->runner->hooks;
	bool pending;

	pthread_mutex_lock(&h->lock);
	pending = any_pending(j->hooks);
	pthread_mutex_unlock(&h->lock);
	return pending;
}

/* With the job's lock; the pointer is set once. */
bool hooks_known(struct job *j)
{
	return __atomic_load_n(&j->hooks, __ATOMIC_ACQUIRE) != NULL;
}

/* --- what was tried, in the record --- */

static void put_deliveries(struct json_out *o, const struct hook *k)
{
	json_key(o, S("deliveries"));
	json_begin_array(o);
	for (int i = 0; i < k->ndeliveries; i++) {
		const struct job_delivery *d = &k->deliveries[i];

		json_begin_object(o);
		JSON_FIELD_INT(o, "attempt", i + 1);
		JSON_FIELD_TIME(o, "at", d->at_ms);
		JSON_FIELD_INT(o, "ms", d->ms);
		if (d->status)
			JSON_FIELD_INT(o, "status", d->status);
		if (d->error[0])
			JSON_FIELD_TEXT(o, "error", str_of(d->error));
		json_end_object(o);
	}
	json_end_array(o);
}

static void put_record(struct hooks *h, struct hooks_of_job *of, struct buf *b)
{
	struct json_out o = json_out(b);

	pthread_mutex_lock(&h->lock);
	json_begin_object(&o);
	json_key(&o, S("hooks"));
	json_begin_array(&o);
	for (int i = 0; i < of->n; i++) {
		json_begin_object(&o);
		JSON_FIELD_TEXT(&o, "state", str_of(state_names[of->v[i].state]));
		put_deliveries(&o, &of->v[i]);
		json_end_object(&o);
	}
	json_end_array(&o);
	json_end_object(&o);
	pthread_mutex_unlock(&h->lock);
}

static void read_delivery(const json_node *n, struct hook *k)
{
	struct job_delivery *d = &k->deliveries[k->ndeliveries];
	const json_node *at = json_get(n, "at"), *ms = json_get(n, "ms"), *status = json_get(n, "status"), *error = json_get(n, "error");

	if (k->ndeliveries == HOOK_DELIVERIES_MAX || !at || json_kind(at) != JSON_KIND_TEXT)
		return;
	if (!clock_parse_rfc3339(json_text(at), &d->at_ms))
		return;
	d->ms = ms && json_kind(ms) == JSON_KIND_INT ? json_int(ms) : 0;
	d->status = status && json_kind(status) == JSON_KIND_INT ? (int)json_int(status) : 0;
	if (error && json_kind(error) == JSON_KIND_TEXT && json_text(error).n < sizeof(d->error))
		memcpy(d->error, json_text(error).p, json_text(error).n);
	k->ndeliveries++;
	k->attempts++;
}

static void read_hook(const json_node *n, struct hook *k)
{
	const json_node *state = json_get(n, "state"), *tried = json_get(n, "deliveries");

	if (state && json_kind(state) == JSON_KIND_TEXT)
		for (int i = 0; i <= HOOK_FAILED; i++)
			if (str_eq(json_text(state), str_of(state_names[i])))
				k->state = (enum hook_state)i;
	for (size_t i = 0; tried && json_kind(tried) == JSON_KIND_ARRAY && i < json_count(tried); i++)
		read_delivery(json_at(tried, i), k);
}

/* What is not there was not tried yet. */
static bool read_record(struct call *c, struct job *j, struct hooks_of_job *of)
{
	struct store *s = j->runner->o.store;
	const json_node *o, *v;
	OWNS(buf) b = {0};

	if (!s->ops->get(c, s, job_record_key(c->arena, j, "hooks"), 0, 16 << 20, &b)) {
		if (c->err.kind != ERR_NOT_FOUND)
			return false;
		call_forgive(c);
		return true;
	}
	if (!json_read_object(c, arena_dup(c->arena, buf_str(&b)), &o))
		return false;
	v = json_get(o, "hooks");
	for (int i = 0; v && json_kind(v) == JSON_KIND_ARRAY && i < of->n && i < (int)json_count(v); i++)
		read_hook(json_at(v, (size_t)i), &of->v[i]);
	return true;
}

/* --- begun --- */

static void enter(struct job *j, struct job_body *b, struct hooks_of_job *of)
{
	struct hooks *h = j->runner->hooks;
	struct hooks_of_job *old = NULL;

	pthread_mutex_lock(&h->lock);
	if (j->hooks && list_linked(&j->hooks->link)) {
		old = of; /* it is on its way */
	} else {
		old = j->hooks;
		j->hooks = of;
		if (any_pending(of)) {
			job_ref(j);
			atomic_fetch_add(&b->refs, 1);
			of->job = j;
			of->body = b;
			list_add_tail(&h->pending, &of->link);
		}
	}
	pthread_mutex_unlock(&h->lock);
	hooks_free(old);
}

void hooks_begin(struct job *j, struct job_body *b)
{
	if (!b->nhooks)
		return;
	enter(j, b, of_body(j, b));
	hooks_tick(j->runner);
}

void hooks_resume(struct call *c, struct job *j, struct job_body *b)
{
	struct hooks_of_job *of;

	if (!b->nhooks)
		return;
	of = of_body(j, b);
	if (read_record(c, j, of)) {
		enter(j, b, of);
		hooks_tick(j->runner);
		return;
	}
	call_forgive(c);
	hooks_free(of);
}

/* --- one try --- */

static bool discard(void *arg, struct str piece)
{
	(void)arg;
	(void)piece;
	return true;
}

static struct str signature(struct arena *a, struct str secret, struct str body)
{
	unsigned char mac[SHA256_LEN];
	OWNS(buf) b = {0};

	hash_hmac_sha256(secret, body, mac);
	buf_lit(&b, "sha256=");
	hash_hex(str_from((const char *)mac, SHA256_LEN), &b);
	return arena_dup(a, buf_str(&b));
}

static void post(struct call *c, struct flight *f, struct str body, struct job_delivery *d)
{
	const struct job_hook *hook = &f->of->body->hooks[f->i];
	struct out_header headers[4] = {{S("Content-Type"), S("application/json")}, {S("User-Agent"), S("mayfly/" MAYFLY_VERSION)}};
	struct runner *r = f->of->job->runner;
	struct out_request q = {.method = S("POST"), .url = hook->url, .headers = headers, .nheaders = 2, .body = body,
				.timeout_ms = TIMEOUT_MS, .sink = discard, .max_body_bytes = ANSWER_MAX,
				.public_only = !r->o.hooks_private};
	struct out_client *client = out_open();
	int64_t begun = clock_mono_ms();
	struct out_answer a;

	if (f->of->body->traceparent.n)
		headers[q.nheaders++] = (struct out_header){S("traceparent"), f->of->body->traceparent};
	if (hook->secret.n)
		headers[q.nheaders++] = (struct out_header){S("X-Mayfly-Signature"), signature(c->arena, hook->secret, body)};
	if (out_fetch(c, client, &q, &a)) {
		d->status = a.status;
	} else {
		memcpy(d->error, err_code(c->err.kind), strnlen(err_code(c->err.kind), sizeof(d->error) - 1));
		call_forgive(c);
	}
	d->ms = clock_mono_ms() - begun;
	out_close(client);
}

static int64_t pause_of(const struct runner *r, int attempts)
{
	int64_t pause = r->o.hook_backoff_ms;
	uint16_t jitter;

	for (int i = 1; i < attempts && pause < PAUSE_MAX_MS; i++)
		pause *= 2;
	if (pause > PAUSE_MAX_MS)
		pause = PAUSE_MAX_MS;
	id_random(&jitter, sizeof(jitter));
	return pause + pause * jitter / 65536 / 4;
}

static void settle(struct hooks *h, struct flight *f, const struct job_delivery *d)
{
	struct hook *k = &f->of->v[f->i];
	const struct runner *r = f->of->job->runner;

	pthread_mutex_lock(&h->lock);
	if (k->ndeliveries < HOOK_DELIVERIES_MAX)
		k->deliveries[k->ndeliveries++] = *d;
	k->attempts++;
	if (d->status >= 200 && d->status < 300)
		k->state = HOOK_DELIVERED;
	else if (k->attempts >= r->o.hook_attempts || strcmp(d->error, err_code(ERR_FORBIDDEN)) == 0)
		k->state = HOOK_FAILED;
	else
		k->next_ms = clock_mono_ms() + pause_of(r, k->attempts);
	if (k->state != HOOK_PENDING)
		obs_count(k->state == HOOK_DELIVERED ? OBS_M_HOOKS_DELIVERED : OBS_M_HOOKS_FAILED);
	pthread_mutex_unlock(&h->lock);
}

/* With the job's turn: what is written last is what was known last. */
static void put_tried(struct call *c, struct hooks *h, struct hooks_of_job *of)
{
	struct job *j = of->job;
	struct store *s = j->runner->o.store;
	OWNS(buf) b = {0};
	bool gone;

	job_enter(j);
	pthread_mutex_lock(&j->lock);
	gone = j->gone;
	pthread_mutex_unlock(&j->lock);
	put_record(h, of, &b);
	if (!gone && !s->ops->put(c, s, job_record_key(c->arena, j, "hooks"), buf_str(&b), STORE_REPLACE)) {
		obs_log(OBS_WARN, "runner", "what was delivered of job %s cannot be stored: %s", j->id, err_code(c->err.kind));
		call_forgive(c);
	}
	job_leave(j);
}

/* It keeps its place in the list, and so its references, until the last that is on its way has come back. */
static bool leave_list(struct hooks *h, struct flight *f)
{
	struct hooks_of_job *of = f->of;
	bool done;

	pthread_mutex_lock(&h->lock);
	of->v[f->i].flying = false;
	h->flying--;
	done = !any_pending(of);
	for (int i = 0; i < of->n; i++)
		done = done && !of->v[i].flying;
	if (done)
		list_del(&of->link);
	pthread_mutex_unlock(&h->lock);
	return done;
}

static void land(struct call *c, struct hooks *h, struct flight *f)
{
	struct job *j = f->of->job;

	job_ref(j);
	if (leave_list(h, f)) {
		job_enter(j);
		keep_ended(c, j);
		job_leave(j);
		unlink_of(f->of);
	}
	if (!atomic_load(&h->stop))
		hooks_tick(j->runner);
	job_unref(j);
}

static void deliver(void *arg)
{
	struct flight *f = arg;
	struct job_delivery d = {.at_ms = clock_wall_ms()};
	struct job *j = f->of->job;
	struct hooks *h = j->runner->hooks;
	OWNS(arena) a = {0};
	OWNS(buf) body = {0};
	struct json_out o = json_out(&body);
	struct call c;

	call_open(&c, &a);
	c.cancel = &h->stop;
	c.tenant = job_tenant_of(j);
	if (job_write(&c, j, false, &o))
		post(&c, f, buf_str(&body), &d);
	else
		memcpy(d.error, "unavailable", sizeof("unavailable"));
	c.cancel = NULL;
	call_forgive(&c);
	if (!atomic_load(&h->stop)) { /* one that was cut off by the end of the server was none */
		settle(h, f, &d);
		put_tried(&c, h, f->of);
	}
	land(&c, h, f);
	free(f);
}

/* --- whose turn it is --- */

static bool is_free(struct hooks *h, const struct hooks_of_job *of, const struct hook *k)
{
	int host = 0, tenant = 0;

	LIST_EACH(&h->pending, it) {
		const struct hooks_of_job *other = LIST_ITEM(it, struct hooks_of_job, link);

		for (int i = 0; i < other->n; i++) {
			if (!other->v[i].flying)
				continue;
			host += str_eq(other->v[i].host, k->host);
			tenant += other->job->tenant == of->job->tenant;
		}
	}
	return host < OF_A_HOST && tenant < OF_A_TENANT;
}

static bool begin_locked(struct hooks *h, struct hooks_of_job *of, int i)
{
	struct flight *f = base_alloc(sizeof(*f));

	*f = (struct flight){of, i};
	if (!exec_pool_run(h->pool, deliver, f)) {
		free(f);
		return false;
	}
	of->v[i].flying = true;
	h->flying++;
	return true;
}

void hooks_tick(struct runner *r)
{
	struct hooks *h = r->hooks;
	int64_t now = clock_mono_ms();

	pthread_mutex_lock(&h->lock);
	LIST_EACH(&h->pending, it) {
		struct hooks_of_job *of = LIST_ITEM(it, struct hooks_of_job, link);

		for (int i = 0; h->flying < THREADS && i < of->n; i++) {
			struct hook *k = &of->v[i];

			if (k->state == HOOK_PENDING && !k->flying && k->next_ms <= now && is_free(h, of, k))
				(void)begin_locked(h, of, i);
		}
	}
	pthread_mutex_unlock(&h->lock);
}

/* --- told --- */

static void put_hook(struct json_out *o, const struct job_hook *hook, const struct hook *k)
{
	json_begin_object(o);
	JSON_FIELD_TEXT(o, "url", hook->url);
	JSON_FIELD_TEXT(o, "state", str_of(state_names[k ? k->state : HOOK_PENDING]));
	if (k) {
		put_deliveries(o, k);
	} else {
		json_key(o, S("deliveries"));
		json_put_raw(o, S("[]"));
	}
	json_end_object(o);
}

void hooks_load(struct call *c, struct job *j, struct job_body *b)
{
	struct hooks *h = j->runner->hooks;
	struct hooks_of_job *of;
	bool there;

	pthread_mutex_lock(&h->lock);
	there = j->hooks != NULL;
	pthread_mutex_unlock(&h->lock);
	if (there || !b->nhooks || !job_ended(j))
		return;
	of = of_body(j, b);
	if (!read_record(c, j, of))
		call_forgive(c);
	pthread_mutex_lock(&h->lock);
	if (!j->hooks) {
		j->hooks = of;
		of = NULL;
	}
	pthread_mutex_unlock(&h->lock);
	hooks_free(of);
}

void hooks_write(struct job *j, const struct job_body *b, struct json_out *o)
{
	struct hooks *h = j->runner->hooks;

	json_literal_key(o, S("\"webhooks\":"));
	json_begin_array(o);
	pthread_mutex_lock(&h->lock);
	for (int i = 0; i < b->nhooks; i++)
		put_hook(o, &b->hooks[i], j->hooks && i < j->hooks->n ? &j->hooks->v[i] : NULL);
	pthread_mutex_unlock(&h->lock);
	json_end_array(o);
}
