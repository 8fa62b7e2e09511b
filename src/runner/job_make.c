/* job_make.c - jobs as they are asked for: the spec, its limits, and creating one.
 *
 * Not here: appending and starting later (job_build.c), the map and the queue (job_queue.c).
 */
#include "runner/job_int.h"

#include <stdlib.h>

enum {
	JOB_TTL_S = 86400, SNAPSHOT_TTL_S = 3600, SNAPSHOT_TTL_MAX_S = 86400, TIMEOUT_MS = 60000, TIMEOUT_MAX_MS = 3600000,
	HOOK_URL_MAX = 2048, REQUEST_ID_MAX = 1024,
};

/* --- limits --- */

static bool check_hooks(struct call *c, const struct job_ask *ask)
{
	if (ask->nhooks > JOB_WEBHOOKS_MAX)
		return fail(c, ERR_INVALID_FIELD, "webhooks: at most %d", JOB_WEBHOOKS_MAX);
	for (int i = 0; i < ask->nhooks; i++) {
		struct str url = ask->hooks[i].url;

		if (url.n > HOOK_URL_MAX || !(str_istarts(url, S("http://")) || str_istarts(url, S("https://"))))
			return fail(c, ERR_INVALID_FIELD, "webhooks: url must be an http or https URL of at most %d bytes", HOOK_URL_MAX);
	}
	return true;
}

static bool check_range(struct call *c, const char *field, int64_t v, int64_t max)
{
	return v == 0 || (v > 0 && v <= max) || fail(c, ERR_INVALID_FIELD, "%s: 1 to %lld", field, (long long)max);
}

bool job_limits(struct call *c, struct runner *r, const struct job_ask *ask, struct runner_caps *caps)
{
	r->o.caps(r->o.arg, c->tenant, caps);
	if (ask->request_id.n > REQUEST_ID_MAX || ask->user_id.n > REQUEST_ID_MAX)
		return fail(c, ERR_INVALID_FIELD, "request_id and user_id: at most %d bytes", REQUEST_ID_MAX);
	if (ask->nvariables > JOB_VARIABLES_MAX)
		return fail(c, ERR_INVALID_FIELD, "variables: at most %d", JOB_VARIABLES_MAX);
	if (ask->job_ttl_s < 0)
		return fail(c, ERR_INVALID_FIELD, "job_ttl: 1 or more");
	if (ask->job_ttl_s > caps->job_ttl_s)
		return fail(c, ERR_PLAN_LIMIT, "job_ttl: at most %lld seconds for this tenant", (long long)caps->job_ttl_s);
	return check_range(c, "snapshot_ttl", ask->snapshot_ttl_s, SNAPSHOT_TTL_MAX_S) &&
	       check_range(c, "timeout_ms", ask->timeout_ms, TIMEOUT_MAX_MS) && check_hooks(c, ask);
}

/* --- specs --- */

void spec_drop(struct runner *r, struct job_spec *s)
{
	if (!s)
		return;
	atomic_fetch_sub(&r->jobs->tree_bytes, s->counted);
	arena_close(&s->arena);
	free(s);
}

static void count_tree(struct runner *r, struct job_spec *s)
{
	atomic_fetch_add(&r->jobs->tree_bytes, s->tree.taken - s->counted);
	s->counted = s->tree.taken;
}

static const struct str *copy_texts(struct arena *a, const struct str *more, int n)
{
	struct str *v = ARENA_ARRAY(a, struct str, (size_t)n + 1);

	for (int i = 0; i < n; i++)
		v[i] = arena_dup(a, more[i]);
	return v;
}

static void add_chain(struct job_spec *s, const struct job_ask *ask)
{
	int had = s->nchain > 0 ? s->nchain : 0;
	struct str *v;

	if (!ask->chain || ask->nchain < 0)
		return;
	v = ARENA_ARRAY(&s->arena, struct str, (size_t)(had + ask->nchain) + 1);
	if (had)
		memcpy(v, s->chain, sizeof(*v) * (size_t)had);
	if (ask->nchain)
		memcpy(v + had, copy_texts(&s->arena, ask->chain, ask->nchain), sizeof(*v) * (size_t)ask->nchain);
	s->chain = v;
	s->nchain = had + ask->nchain;
}

static struct job_variable *find_variable(struct job_variable *v, int n, struct str name)
{
	for (int i = 0; i < n; i++)
		if (str_eq(v[i].name, name))
			return &v[i];
	return NULL;
}

static void add_variables(struct job_spec *s, const struct job_ask *ask)
{
	struct job_variable *v = ARENA_ARRAY(&s->arena, struct job_variable, (size_t)(s->nvariables + ask->nvariables) + 1);
	int n = s->nvariables;

	if (ask->nvariables == 0)
		return;
	if (n)
		memcpy(v, s->variables, sizeof(*v) * (size_t)n);
	for (int i = 0; i < ask->nvariables; i++) {
		struct job_variable *at = find_variable(v, n, ask->variables[i].name);

		if (!at)
			at = &v[n++];
		at->name = arena_dup(&s->arena, ask->variables[i].name);
		at->value = arena_dup(&s->arena, ask->variables[i].value);
	}
	s->variables = v;
	s->nvariables = n;
}

static void add_options(struct job_spec *s, const struct job_ask *ask)
{
	if (ask->head_path.n)
		s->head = arena_dup(&s->arena, ask->head_path);
	if (ask->snapshot_ttl_s)
		s->snapshot_ttl_s = ask->snapshot_ttl_s;
	if (ask->timeout_ms)
		s->timeout_ms = ask->timeout_ms;
	s->private_instance |= ask->private_instance;
	s->verify |= ask->verify;
}

/* All that can be refused but by the tree itself, before anything is changed. */
static bool check_room(struct call *c, struct runner *r, struct job_spec *s, const struct job_ask *ask)
{
	int64_t bytes = atomic_load(&r->jobs->tree_bytes);
	int variables = s->nvariables;

	for (int i = 0; i < ask->nfiles; i++)
		bytes += (int64_t)ask->files[i].content.n;
	if (ask->nfiles && bytes > JOBS_TREE_BYTES)
		return fail(c, ERR_TOO_MANY, "the projects of all jobs that have not ended take too many bytes");
	for (int i = 0; i < ask->nvariables; i++)
		variables += !find_variable(s->variables, s->nvariables, ask->variables[i].name);
	if (variables > JOB_VARIABLES_MAX)
		return fail(c, ERR_INVALID_FIELD, "variables: at most %d", JOB_VARIABLES_MAX);
	if (ask->chain && ask->nchain > r->o.project_files - (s->nchain > 0 ? s->nchain : 0))
		return fail(c, ERR_PROJECT_TOO_LARGE, "a chain has at most %lld files", (long long)r->o.project_files);
	return true;
}

bool spec_set(struct call *c, struct runner *r, struct job_spec *s, const struct job_ask *ask)
{
	if (!check_room(c, r, s, ask))
		return false;
	if (ask->nfiles && !tree_add(c, r, &s->arena, &s->tree, ask->files, ask->nfiles))
		return false;
	count_tree(r, s);
	add_chain(s, ask);
	add_variables(s, ask);
	add_options(s, ask);
	return true;
}

static struct job_spec *spec_new(void)
{
	struct job_spec *s = base_zalloc(sizeof(*s));

	s->nchain = -1;
	s->snapshot_ttl_s = SNAPSHOT_TTL_S;
	s->timeout_ms = TIMEOUT_MS;
	return s;
}

bool spec_of_ask(struct call *c, struct runner *r, const struct job_ask *ask, struct job_spec **ret)
{
	struct job_spec *s = spec_new();

	if (!spec_set(c, r, s, ask)) {
		spec_drop(r, s);
		return false;
	}
	*ret = s;
	return true;
}

/* What is there as it would be asked for; borrows. */
static void ask_of_spec(struct arena *a, const struct job_spec *s, struct job_ask *ret)
{
	struct job_file *files = ARENA_ARRAY(a, struct job_file, (size_t)s->tree.n + 1);

	for (int i = 0; i < s->tree.n; i++) {
		const struct tree_file *f = &s->tree.files[i];

		files[i] = (struct job_file){.path = f->path, .content = f->content};
		if (!f->content.p)
			files[i].etag = arena_fmt(a, "sha256:%s", f->etag);
	}
	*ret = (struct job_ask){
		.files = files, .nfiles = s->tree.n, .chain = s->nchain >= 0 ? s->chain : NULL, .nchain = s->nchain, .head_path = s->head,
		.variables = s->variables, .nvariables = s->nvariables, .snapshot_ttl_s = s->snapshot_ttl_s,
		.timeout_ms = s->timeout_ms, .private_instance = s->private_instance, .verify = s->verify,
	};
}

/* Arrays of parts grow by doubling. */
static size_t room_for(int n)
{
	size_t room = 1;

	while (room < (size_t)n)
		room *= 2;
	return room;
}

static bool copy_spec(struct call *c, struct runner *r, const struct job_spec *from, struct job_spec **ret)
{
	struct job_spec *s;
	struct job_ask ask;

	ask_of_spec(c->arena, from, &ask);
	if (!spec_of_ask(c, r, &ask, &s))
		return false;
	s->nparts = from->nparts;
	s->parts = ARENA_ARRAY(&s->arena, struct job_part, room_for(from->nparts));
	for (int i = 0; i < from->nparts; i++) {
		s->parts[i] = from->parts[i];
		s->parts[i].name = arena_dup(&s->arena, from->parts[i].name);
	}
	*ret = s;
	return true;
}

static void add_part(struct job_spec *s, const struct job_ask *ask)
{
	struct job_part *v;

	if ((s->nparts & (s->nparts - 1)) == 0) { /* full: 0, 1, 2, 4, … */
		v = ARENA_ARRAY(&s->arena, struct job_part, room_for(s->nparts + 1));
		if (s->nparts)
			memcpy(v, s->parts, sizeof(*v) * (size_t)s->nparts);
		s->parts = v;
	}
	v = &s->parts[s->nparts++];
	v->name = arena_dup(&s->arena, ask->part);
	part_fingerprint(ask, v->fingerprint);
}

/* When much of its memory holds what was replaced, a copy takes the spec's place. A part that is refused leaves nothing. */
bool spec_add(struct call *c, struct runner *r, struct job_spec **at, const struct job_ask *ask)
{
	struct job_spec *s = *at, *fresh = NULL;

	if (s->nparts >= JOB_PARTS_MAX)
		return fail(c, ERR_PROJECT_TOO_LARGE, "a job is made of at most %d parts", JOB_PARTS_MAX);
	if (s->tree.taken > s->tree.bytes + r->o.project_bytes) {
		if (!copy_spec(c, r, s, &fresh))
			return false;
		s = fresh;
	}
	if (!spec_set(c, r, s, ask)) {
		if (fresh)
			spec_drop(r, fresh);
		return false;
	}
	add_part(s, ask);
	if (fresh) {
		spec_drop(r, *at);
		*at = fresh;
	}
	return true;
}

/* Nothing stays of what a start said besides when it is refused later. */
void spec_unset(struct job_spec *s, const struct job_spec *before)
{
	s->head = before->head;
	s->chain = before->chain;
	s->nchain = before->nchain;
	s->variables = before->variables;
	s->nvariables = before->nvariables;
	s->snapshot_ttl_s = before->snapshot_ttl_s;
	s->timeout_ms = before->timeout_ms;
	s->private_instance = before->private_instance;
	s->verify = before->verify;
}

void body_measure(struct job *j, struct job_body *b)
{
	pthread_mutex_lock(&j->lock);
	b->nparts = b->spec->nparts;
	b->nfiles = b->spec->tree.n;
	b->bytes = b->spec->tree.bytes;
	if (b->spec->head.n && !str_eq(b->head, b->spec->head))
		b->head = arena_dup(&b->arena, b->spec->head);
	pthread_mutex_unlock(&j->lock);
}

bool job_may_start(struct call *c, struct runner *r, struct job_spec *s)
{
	struct tree_order order;

	(void)r;
	return tree_order(c, &s->tree, s->head, s->nchain >= 0 ? s->chain : NULL, s->nchain, &order);
}

void job_expect(struct call *c, struct job *j)
{
	struct job_spec *s = j->body->spec;
	struct plan_ask ask = {.tree = &s->tree, .head = s->head, .chain = s->nchain >= 0 ? s->chain : NULL, .nchain = s->nchain,
			       .variables = s->variables, .nvariables = s->nvariables};
	struct job_error error = {0};
	struct plan plan;

	if (!s->tree.n || !s->head.n)
		return;
	if (plan_make(c, j->runner, &ask, &plan, &error))
		instance_expect(j->runner, c->tenant, &plan);
	else
		call_forgive(c); /* the run tells it */
}

/* --- creating --- */

static bool check_ready(struct call *c, struct runner *r)
{
	if (!r->o.backend)
		return fail(c, ERR_ENGINE_UNREACHABLE, "%s", r->o.backend_missing ? r->o.backend_missing : "there is no PostgreSQL");
	return true;
}

static void fill_body(struct call *c, struct job_body *b, const struct job_ask *ask)
{
	struct job_hook *hooks = ARENA_ARRAY(&b->arena, struct job_hook, (size_t)ask->nhooks + 1);

	b->request_id = arena_dup(&b->arena, ask->request_id);
	b->user_id = arena_dup(&b->arena, ask->user_id);
	b->fingerprint = arena_dup(&b->arena, ask->fingerprint);
	b->call_id = arena_dup(&b->arena, c->request_id);
	b->traceparent = arena_dup(&b->arena, ask->traceparent.n ? ask->traceparent : c->traceparent);
	b->tracestate = arena_dup(&b->arena, ask->tracestate);
	b->lengthy = ask->head_path.n == 0;
	for (int i = 0; i < ask->nhooks; i++) {
		hooks[i].url = arena_dup(&b->arena, ask->hooks[i].url);
		hooks[i].secret = arena_dup(&b->arena, ask->hooks[i].secret);
	}
	b->hooks = hooks;
	b->nhooks = ask->nhooks;
}

static struct job *make(struct call *c, struct runner *r, const struct job_ask *ask, const struct runner_caps *caps)
{
	int64_t ttl = ask->job_ttl_s ? ask->job_ttl_s : JOB_TTL_S, now = clock_wall_ms();
	struct job *j;

	if (ttl > caps->job_ttl_s)
		ttl = caps->job_ttl_s;
	j = job_new(r, &(struct job_new_ask){.tenant = c->tenant, .principal = c->principal, .created_ms = now,
					     .expires_ms = now + ttl * 1000});
	j->mine = true;
	j->body = job_body_new();
	fill_body(c, j->body, ask);
	return j;
}

static bool has_etags(const struct tree *t)
{
	for (int i = 0; i < t->n; i++)
		if (!t->files[i].content.p)
			return true;
	return false;
}

static bool check_contents(struct call *c, struct job *j, struct job_spec *s)
{
	return !has_etags(&s->tree) || (tree_check_blobs(c, j->runner, &s->tree) && tree_hold(c, j->runner, &s->tree, j->expires_ms));
}

/* With the job's turn: who asks with the same request_id waits for the outcome. */
static bool make_ready(struct call *c, struct job *j, const struct runner_caps *caps)
{
	struct job_spec *s = j->body->spec;

	if (!check_contents(c, j, s) || !jobs_count(c, j, caps->jobs))
		return false;
	if (s->head.n && !job_may_start(c, j->runner, s))
		return false;
	body_measure(j, j->body);
	return true;
}

static bool begin(struct call *c, struct job *j)
{
	lease_set(j->runner->o.lifecycle, &j->ttl, clock_mono_ms() + (j->expires_ms - clock_wall_ms()));
	job_tell(j, c, "created");
	if (!j->body->spec->head.n) {
		job_expect(c, j);
		return true;
	}
	pthread_mutex_lock(&j->lock);
	j->started = true;
	pthread_mutex_unlock(&j->lock);
	return jobs_queue(c, j, false);
}

static void unmake(struct call *c, struct job *j)
{
	struct err why = c->err;

	call_forgive(c);
	request_forget(c, j, j->body);
	call_forgive(c);
	pthread_mutex_lock(&j->lock);
	j->gone = true;
	pthread_mutex_unlock(&j->lock);
	jobs_forget(j, false);
	job_leave(j);
	job_unref(j);
	fail_as(c, &why);
}

bool job_create(struct call *c, struct runner *r, const struct job_ask *ask, struct job **ret)
{
	struct runner_caps caps;
	struct job *j, *named = NULL;

	if (!check_ready(c, r) || !job_limits(c, r, ask, &caps))
		return false;
	j = make(c, r, ask, &caps);
	if (!spec_of_ask(c, r, ask, &j->body->spec)) {
		job_unref(j);
		return false;
	}
	job_enter(j);
	job_unref(jobs_put(j));
	if (ask->request_id.n && !request_claim(c, j, &named)) {
		unmake(c, j);
		return false;
	}
	if (named) { /* this one is none */
		jobs_forget(j, false);
		job_leave(j);
		job_unref(j);
		*ret = named;
		return true;
	}
	if (!make_ready(c, j, &caps) || !begin(c, j)) {
		unmake(c, j);
		return false;
	}
	job_leave(j);
	*ret = j;
	return true;
}
