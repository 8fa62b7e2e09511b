/* records_read.c - jobs as their records have them; what other servers did to a job. Writing is records.c. */
#include "runner/job_int.h"

#include <stdio.h>
#include <stdlib.h>

#define RECORD_MAX (INT64_C(1) << 31)

/* --- members; what is missing or of another type is as zero --- */

static struct str text_of(const json_node *o, const char *key)
{
	const json_node *n = json_get(o, key);

	return n && json_kind(n) == JSON_KIND_TEXT ? json_text(n) : S("");
}

static int64_t int_of(const json_node *o, const char *key)
{
	const json_node *n = json_get(o, key);

	return n && json_kind(n) == JSON_KIND_INT ? json_int(n) : 0;
}

static bool bool_of(const json_node *o, const char *key)
{
	const json_node *n = json_get(o, key);

	return n && json_kind(n) == JSON_KIND_BOOL && json_bool(n);
}

static const json_node *array_of(const json_node *o, const char *key, int *ret_n)
{
	const json_node *n = json_get(o, key);

	*ret_n = n && json_kind(n) == JSON_KIND_ARRAY ? (int)json_count(n) : 0;
	return n;
}

static const struct str *texts_of(struct arena *a, const json_node *o, const char *key, int *ret_n)
{
	const json_node *n = array_of(o, key, ret_n);
	struct str *v = ARENA_ARRAY(a, struct str, (size_t)*ret_n + 1);

	for (int i = 0; i < *ret_n; i++)
		if (json_kind(json_at(n, (size_t)i)) == JSON_KIND_TEXT)
			v[i] = arena_dup(a, json_text(json_at(n, (size_t)i)));
	return v;
}

static int stage_of(int64_t v)
{
	return v >= 0 && v < JOB_STAGES ? (int)v : 0;
}

/* --- identity --- */

static void read_hooks(struct job_body *b, const json_node *o)
{
	int n;
	const json_node *v = array_of(o, "hooks", &n);
	struct job_hook *hooks;

	if (n == 0)
		return;
	hooks = ARENA_ARRAY(&b->arena, struct job_hook, (size_t)n);
	for (int i = 0; i < n; i++) {
		hooks[i].url = arena_dup(&b->arena, text_of(json_at(v, (size_t)i), "url"));
		hooks[i].secret = arena_dup(&b->arena, text_of(json_at(v, (size_t)i), "secret"));
	}
	b->hooks = hooks;
	b->nhooks = n;
}

static void read_identity(struct job_body *b, const json_node *o)
{
	b->request_id = arena_dup(&b->arena, text_of(o, "request_id"));
	b->user_id = arena_dup(&b->arena, text_of(o, "user_id"));
	b->fingerprint = arena_dup(&b->arena, text_of(o, "fingerprint"));
	b->call_id = arena_dup(&b->arena, text_of(o, "call_id"));
	b->traceparent = arena_dup(&b->arena, text_of(o, "traceparent"));
	b->tracestate = arena_dup(&b->arena, text_of(o, "tracestate"));
	b->lengthy = bool_of(o, "long");
	read_hooks(b, o);
}

static void read_who(const json_node *o, struct record_head *ret)
{
	ret->principal = text_of(o, "principal");
	ret->server = text_of(o, "server");
	ret->created_ms = int_of(o, "created_ms");
	ret->expires_ms = int_of(o, "expires_ms");
}

/* --- the end --- */

static void read_error(struct job_body *b, const json_node *o)
{
	const json_node *e = json_get(o, "error");
	struct job_error error = {0};
	struct str state;

	if (!e || json_kind(e) != JSON_KIND_OBJECT)
		return;
	state = text_of(e, "sqlstate");
	error = (struct job_error){.code = text_of(e, "code"), .message = text_of(e, "message"), .detail = text_of(e, "detail"),
				   .hint = text_of(e, "hint"), .path = text_of(e, "path"), .position = int_of(e, "position"),
				   .line = (int)int_of(e, "line"), .column = (int)int_of(e, "column"),
				   .statement = (int)int_of(e, "statement"), .stage = b->stage};
	memcpy(error.sqlstate, state.p, state.n < sizeof(error.sqlstate) ? state.n : sizeof(error.sqlstate) - 1);
	job_error_copy(&b->arena, &error, &b->error);
}

static void read_logs(struct job_body *b, const json_node *o)
{
	static const char *const levels[] = {"info", "notice", "warn", "error"};
	int n;
	const json_node *v = array_of(o, "logs", &n);

	for (int i = 0; i < n && i < JOB_LOGS_MAX; i++) {
		const json_node *l = json_at(v, (size_t)i);
		struct job_log log = {.seq = int_of(l, "seq"), .time_ms = int_of(l, "ms"), .level = "info",
				      .stage = (enum job_stage)stage_of(int_of(l, "stage")), .message = text_of(l, "message")};

		for (size_t k = 0; k < COUNT_OF(levels); k++)
			if (str_eq(text_of(l, "level"), str_of(levels[k])))
				log.level = levels[k];
		job_line_add(b, &log);
	}
}

static bool take_u64(struct str *s, uint64_t *ret)
{
	if (s->n < sizeof(*ret))
		return false;
	memcpy(ret, s->p, sizeof(*ret));
	*s = str_tail(*s, sizeof(*ret));
	return true;
}

/* Columns borrow from `s`; parts are copies. */
static bool read_blob(struct str s, struct kept_result *k)
{
	uint64_t columns, nparts, *sizes;
	bool ok;

	if (!take_u64(&s, &columns) || !take_u64(&s, &nparts) || nparts > s.n / 24)
		return false;
	k->parts = base_zalloc(sizeof(*k->parts) * (size_t)(nparts + 1));
	sizes = base_zalloc(sizeof(*sizes) * (size_t)(nparts + 1));
	for (uint64_t i = 0; i < nparts; i++)
		INVARIANT(take_u64(&s, &sizes[i]) && take_u64(&s, (uint64_t *)&k->parts[i].rows) &&
			  take_u64(&s, (uint64_t *)&k->parts[i].row_bytes));
	ok = columns <= s.n;
	k->columns = ok ? str_head(s, columns) : S("");
	s = ok ? str_tail(s, columns) : s;
	k->nparts = 0;
	for (uint64_t i = 0; ok && i < nparts; i++) {
		ok = sizes[i] <= s.n;
		if (!ok)
			break;
		k->parts[i].bytes = engine_bytes_copy(str_head(s, sizes[i]));
		k->nparts++;
		s = str_tail(s, sizes[i]);
	}
	free(sizes);
	if (!ok)
		kept_drop(k);
	return ok;
}

static bool read_result(struct job_body *b, const json_node *o, struct str blobs, struct kept_result *k)
{
	int64_t at = int_of(o, "at"), n = int_of(o, "n");

	*k = (struct kept_result){
		.command_tag = arena_dup(&b->arena, text_of(o, "tag")), .notices = arena_dup(&b->arena, text_of(o, "notices")),
		.has_rows = bool_of(o, "has_rows"), .truncated = bool_of(o, "truncated"), .rows = int_of(o, "rows"),
		.affected = int_of(o, "affected"), .ns = int_of(o, "ns"), .nparts = (int)int_of(o, "parts"),
	};
	if (!json_get(o, "n"))
		return true; /* beside the record */
	if (at < 0 || n < 0 || (size_t)at > blobs.n || (size_t)n > blobs.n - (size_t)at)
		return false;
	if (!read_blob(str_head(str_tail(blobs, (size_t)at), (size_t)n), k))
		return false;
	k->columns = arena_dup(&b->arena, k->columns);
	k->bytes = n;
	b->result_bytes += n;
	return true;
}

static bool read_results(struct job_body *b, const json_node *o, struct str blobs)
{
	int n;
	const json_node *v = array_of(o, "results", &n);

	b->results = ARENA_ARRAY(&b->arena, struct kept_result, (size_t)n + 1);
	for (int i = 0; i < n; i++) {
		if (!read_result(b, json_at(v, (size_t)i), blobs, &b->results[i]))
			return false;
		b->nresults = i + 1;
	}
	return true;
}

static enum job_status status_of(struct str name)
{
	for (int i = 0; i < JOB_STATUSES; i++)
		if (str_eq(name, str_of(job_fsm[i].name)))
			return (enum job_status)i;
	return JOB_PENDING;
}

static void copy_hash(char to[RUNNER_HEX + 1], struct str from)
{
	if (from.n == RUNNER_HEX)
		memcpy(to, from.p, RUNNER_HEX);
}

static void read_outcome(struct job_body *b, const json_node *o)
{
	b->stage = (enum job_stage)stage_of(int_of(o, "stage"));
	b->head = arena_dup(&b->arena, text_of(o, "head"));
	b->nparts = (int)int_of(o, "nparts");
	b->nfiles = (int)int_of(o, "nfiles");
	b->bytes = int_of(o, "bytes");
	b->started_ms = int_of(o, "started_ms");
	b->finished_ms = int_of(o, "finished_ms");
	b->duration_ms = int_of(o, "duration_ms");
	b->steps_total = (int)int_of(o, "steps_total");
	b->steps_done = (int)int_of(o, "steps_done");
	b->latency_us = int_of(o, "latency_us");
	b->boot_us = int_of(o, "boot_us");
	b->head_us = int_of(o, "head_us");
	b->replay_ms = int_of(o, "replay_ms");
	b->retries = (int)int_of(o, "retries");
	b->steps_reused = (int)int_of(o, "steps_reused");
	b->planned = bool_of(o, "planned");
	b->looked_up = bool_of(o, "looked_up");
	b->hit = bool_of(o, "hit");
	b->cut = bool_of(o, "cut");
	copy_hash(b->tail_hash, text_of(o, "tail_hash"));
	copy_hash(b->layer_id, text_of(o, "layer_id"));
	b->deterministic = arena_cstr(&b->arena, text_of(o, "deterministic"));
	b->tail = texts_of(&b->arena, o, "tail", &b->ntail);
	b->volatile_names = texts_of(&b->arena, o, "volatile", &b->nvolatile);
}

bool record_read_end(struct call *c, struct job_body *b, struct str bytes, struct record_head *ret)
{
	const json_node *o;
	uint64_t n;

	if (!take_u64(&bytes, &n) || n > bytes.n || !json_read_object(c, str_head(bytes, n), &o)) {
		call_forgive(c);
		return fail(c, ERR_STORAGE, "the record of a job's end cannot be read");
	}
	read_identity(b, o);
	read_who(o, ret);
	read_outcome(b, o);
	read_error(b, o);
	read_logs(b, o);
	b->end = status_of(text_of(o, "status"));
	ret->status = b->end;
	if (job_terminal(b->end) && read_results(b, o, str_tail(bytes, n)))
		return true;
	return fail(c, ERR_STORAGE, "the record of a job's end cannot be read");
}

/* --- the request --- */

static void read_files(struct arena *a, const json_node *o, struct job_ask *ask)
{
	int n;
	const json_node *v = array_of(o, "files", &n);
	struct job_file *files = ARENA_ARRAY(a, struct job_file, (size_t)n + 1);

	for (int i = 0; i < n; i++) {
		const json_node *f = json_at(v, (size_t)i), *content = json_get(f, "content");

		files[i].path = text_of(f, "path");
		if (content && json_kind(content) == JSON_KIND_TEXT) {
			files[i].content = json_text(content);
			if (!files[i].content.p)
				files[i].content = S("");
		} else {
			files[i].etag = text_of(f, "etag");
		}
	}
	ask->files = files;
	ask->nfiles = n;
}

static void read_spec(struct arena *a, const json_node *o, struct job_ask *ask)
{
	int n;
	const json_node *v = array_of(o, "variables", &n);
	struct job_variable *variables = ARENA_ARRAY(a, struct job_variable, (size_t)n + 1);

	read_files(a, o, ask);
	ask->nchain = -1;
	if (json_get(o, "chain"))
		ask->chain = texts_of(a, o, "chain", &ask->nchain);
	for (int i = 0; i < n; i++)
		variables[i] = (struct job_variable){text_of(json_at(v, (size_t)i), "name"), text_of(json_at(v, (size_t)i), "value")};
	ask->variables = variables;
	ask->nvariables = n;
	ask->head_path = text_of(o, "head");
	ask->timeout_ms = int_of(o, "timeout_ms");
	ask->snapshot_ttl_s = int_of(o, "snapshot_ttl_s");
	ask->private_instance = bool_of(o, "private");
	ask->verify = bool_of(o, "verify");
	ask->part = text_of(o, "part");
}

static void name_parts(struct job_spec *s, const json_node *o)
{
	int n;
	const json_node *v = array_of(o, "parts", &n);

	s->parts = ARENA_ARRAY(&s->arena, struct job_part, (size_t)JOB_PARTS_MAX);
	for (int i = 0; i < n && i < JOB_PARTS_MAX; i++) {
		s->parts[i].name = arena_dup(&s->arena, text_of(json_at(v, (size_t)i), "part"));
		copy_hash(s->parts[i].fingerprint, text_of(json_at(v, (size_t)i), "sha256"));
		s->nparts = i + 1;
	}
}

static bool read_json(struct call *c, struct runner *r, struct str key, const json_node **ret)
{
	OWNS(buf) b = {0};

	return r->o.store->ops->get(c, r->o.store, key, 0, RECORD_MAX, &b) &&
	       json_read_object(c, arena_dup(c->arena, buf_str(&b)), ret);
}

struct objects { /* which there are */
	bool request, run, end, expires, hooks;
	int parts, attempts;
};

static bool list_objects(struct call *c, struct runner *r, struct str tenant, struct str id, struct objects *ret)
{
	struct str prefix = record_key_of(c->arena, tenant, id, ""), after = S("");
	struct store_entry *v;
	size_t n;

	*ret = (struct objects){0};
	do {
		if (!r->o.store->ops->list(c, r->o.store, prefix, after, &v, &n))
			return false;
		for (size_t i = 0; i < n; i++) {
			struct str name = str_tail(v[i].key, prefix.n);

			ret->request |= str_eq(name, S("request"));
			ret->run |= str_eq(name, S("run"));
			ret->end |= str_eq(name, S("end"));
			ret->expires |= str_eq(name, S("expires"));
			ret->hooks |= str_eq(name, S("hooks"));
			ret->parts += str_starts(name, S("parts/"));
			ret->attempts += str_starts(name, S("attempt_"));
		}
		after = n ? v[n - 1].key : after;
	} while (n == STORE_LIST_MAX);
	return true;
}

static bool add_part(struct call *c, struct runner *r, struct str key, struct job_spec **s)
{
	const json_node *o;
	struct job_ask ask = {0};

	if (!read_json(c, r, key, &o))
		return false;
	read_spec(c->arena, o, &ask);
	if (!spec_add(c, r, s, &ask))
		return false;
	copy_hash((*s)->parts[(*s)->nparts - 1].fingerprint, text_of(o, "sha256"));
	return true;
}

/* The tree, from its request and its parts, or as it was when it was started. */
static bool read_whole(struct call *c, struct runner *r, const struct record_at *at, const struct objects *there,
		       struct record_head *ret)
{
	const json_node *o, *run = NULL;
	struct job_ask ask = {0};
	char name[32];

	if (!read_json(c, r, record_key_of(c->arena, at->tenant, at->id, "request"), &o))
		return false;
	if (there->run && !read_json(c, r, record_key_of(c->arena, at->tenant, at->id, "run"), &run))
		return false;
	read_identity(ret->body, o);
	read_who(o, ret);
	read_spec(c->arena, run ? run : o, &ask);
	if (!spec_of_ask(c, r, &ask, &ret->body->spec))
		return false;
	name_parts(ret->body->spec, run ? run : o);
	ret->started = run || bool_of(o, "started");
	if (run) {
		read_hooks(ret->body, run);
		ret->server = text_of(run, "server");
		ret->expires_ms = int_of(run, "expires_ms");
		return true;
	}
	for (int i = ret->body->spec->nparts, end = i + there->parts; i < end; i++) {
		snprintf(name, sizeof(name), "parts/%06d", i);
		if (!add_part(c, r, record_key_of(c->arena, at->tenant, at->id, name), &ret->body->spec))
			return false;
	}
	return true;
}

static bool read_ended(struct call *c, struct runner *r, const struct record_at *at, struct record_head *ret)
{
	OWNS(buf) b = {0};

	return r->o.store->ops->get(c, r->o.store, record_key_of(c->arena, at->tenant, at->id, "end"), 0, RECORD_MAX, &b) &&
	       record_read_end(c, ret->body, buf_str(&b), ret);
}

static bool read_expires(struct call *c, struct runner *r, const struct record_at *at, int64_t *ret)
{
	OWNS(buf) b = {0};
	int64_t v;

	if (!r->o.store->ops->get(c, r->o.store, record_key_of(c->arena, at->tenant, at->id, "expires"), 0, 64, &b))
		return c->err.kind == ERR_NOT_FOUND ? (call_forgive(c), true) : false;
	if (str_to_i64(buf_str(&b), &v))
		*ret = v;
	return true;
}

static bool read_attempt(struct call *c, struct runner *r, const struct record_at *at, int n, struct record_head *ret)
{
	char name[32];
	OWNS(buf) b = {0};

	ret->attempts = n + 1;
	if (n == 0)
		return true;
	snprintf(name, sizeof(name), "attempt_%d", n);
	if (!r->o.store->ops->get(c, r->o.store, record_key_of(c->arena, at->tenant, at->id, name), 0, 1024, &b))
		return false;
	ret->server = arena_dup(c->arena, buf_str(&b));
	return true;
}

static bool read_batched(struct call *c, struct runner *r, const struct record_at *at, struct record_head *ret)
{
	OWNS(buf) b = {0};

	if (!batch_read(c, r, at, &ret->batch, &b) || !record_read_end(c, ret->body, buf_str(&b), ret))
		return false;
	return ret->expires_ms > clock_wall_ms() || fail(c, ERR_JOB_EXPIRED, "job %.*s has expired", SARG(at->id));
}

static bool read_any(struct call *c, struct runner *r, const struct record_at *at, struct record_head *ret)
{
	struct objects there;
	bool ok;

	if (!list_objects(c, r, at->tenant, at->id, &there))
		return false;
	if (!there.end && !there.request)
		return read_batched(c, r, at, ret);
	ok = there.end ? read_ended(c, r, at, ret) : read_whole(c, r, at, &there, ret) && read_attempt(c, r, at, there.attempts, ret);
	ret->recorded = there.request;
	return ok && (!there.expires || read_expires(c, r, at, &ret->expires_ms));
}

/* Into ret->body, a new one. */
bool job_record_read(struct call *c, struct runner *r, const struct record_at *at, struct record_head *ret)
{
	*ret = (struct record_head){.body = job_body_new(), .status = JOB_PENDING};
	if (read_any(c, r, at, ret))
		return true;
	if (ret->body->spec)
		spec_drop(r, ret->body->spec);
	ret->body->spec = NULL;
	job_body_unref(ret->body);
	batch_unref(ret->batch);
	return false;
}

/* --- jobs --- */

/* Along the table, one allowed move after the other. */
static void mirror(struct job *j, enum job_status to)
{
	for (enum job_status s = job_status_of(j); s != to && !job_terminal(s); s = job_status_of(j)) {
		if (to == JOB_FAILED || to == JOB_CANCELED || s + 1 == to)
			INVARIANT(job_move(j, to));
		else if (s > to || !job_move(j, s + 1))
			return;
	}
}

static void take_head(struct job *j, struct record_head *h)
{
	struct job_body *old;
	struct job_spec *spec = NULL;

	pthread_mutex_lock(&j->lock);
	old = j->body;
	j->body = h->body;
	j->body->created_ns = clock_mono_ns() - (clock_wall_ms() - j->created_ms) * 1000000;
	if (h->batch && !j->batch)
		j->batch = batch_ref(h->batch);
	if (old) {
		spec = old->spec;
		old->spec = NULL;
	}
	j->recorded |= h->recorded;
	j->stored = job_terminal(h->status);
	j->started = h->started || job_terminal(h->status);
	j->mine = j->mine && !j->started;
	j->attempts = h->attempts;
	j->expires_ms = h->expires_ms;
	j->theirs = !str_eq(h->server, j->runner->o.server);
	pthread_mutex_unlock(&j->lock);
	batch_unref(h->batch);
	spec_drop(j->runner, spec);
	job_body_unref(old);
	if (j->body->spec)
		body_measure(j, j->body);
	if (!job_terminal(h->status) && h->started)
		h->status = keep_status(j, h);
	mirror(j, h->status);
}

bool record_load(struct call *c, struct runner *r, struct str tenant, struct str id, struct job **ret)
{
	struct record_head h;
	struct job *j;

	if (!job_record_read(c, r, &(struct record_at){tenant, id}, &h))
		return false;
	j = job_new(r, &(struct job_new_ask){.id = id, .tenant = tenant, .principal = h.principal, .created_ms = h.created_ms,
					     .expires_ms = h.expires_ms});
	take_head(j, &h);
	*ret = j;
	return true;
}

bool record_body(struct call *c, struct job *j, struct job_body **ret)
{
	struct record_head h;
	bool gone;

	pthread_mutex_lock(&j->lock);
	gone = j->gone;
	pthread_mutex_unlock(&j->lock);
	if (gone)
		return fail(c, ERR_NOT_FOUND, "no job %.*s", SARG(job_id(j)));
	if (!job_record_read(c, j->runner, &(struct record_at){job_tenant_of(j), job_id(j)}, &h))
		return false;
	if (!job_terminal(h.status)) { /* its end was dropped just now */
		spec_drop(j->runner, h.body->spec);
		h.body->spec = NULL;
		job_body_unref(h.body);
		batch_unref(h.batch);
		return fail(c, ERR_NOT_FOUND, "no job %.*s", SARG(job_id(j)));
	}
	pthread_mutex_lock(&j->lock);
	if (!j->body && !j->gone) {
		j->body = h.body;
		atomic_fetch_add(&h.body->refs, 1);
	}
	pthread_mutex_unlock(&j->lock);
	batch_unref(h.batch);
	jobs_remember(j);
	*ret = h.body;
	return true;
}

bool record_refresh(struct call *c, struct job *j)
{
	struct record_head h;

	if (!job_record_read(c, j->runner, &(struct record_at){job_tenant_of(j), job_id(j)}, &h)) {
		if (c->err.kind != ERR_NOT_FOUND)
			return false;
		call_forgive(c);
		job_vanish(j);
		return true;
	}
	take_head(j, &h);
	if (job_terminal(h.status))
		jobs_remember(j);
	return true;
}

bool record_expiry(struct call *c, struct job *j)
{
	int64_t v = 0;

	if (!read_expires(c, j->runner, &(struct record_at){job_tenant_of(j), job_id(j)}, &v))
		return false;
	pthread_mutex_lock(&j->lock);
	if (v > j->expires_ms)
		j->expires_ms = v;
	pthread_mutex_unlock(&j->lock);
	return true;
}

/* --- results --- */

static bool read_beside(struct call *c, struct job *j, int n, struct kept_result *k)
{
	struct store *s = j->runner->o.store;
	OWNS(buf) b = {0};
	char name[32];

	snprintf(name, sizeof(name), "results/%d", n);
	if (!s->ops->get(c, s, job_record_key(c->arena, j, name), 0, RECORD_MAX, &b))
		return false;
	if (!read_blob(arena_dup(c->arena, buf_str(&b)), k))
		return fail(c, ERR_STORAGE, "a result of job %s cannot be read", j->id);
	return true;
}

bool results_load(struct call *c, struct job *j, struct job_body *b, int n, struct kept_result *ret)
{
	*ret = b->results[n];
	if (!ret->parts && ret->nparts > 0) {
		ret->nparts = 0;
		return read_beside(c, j, n, ret);
	}
	ret->parts = base_zalloc(sizeof(*ret->parts) * (size_t)(ret->nparts + 1));
	for (int i = 0; i < ret->nparts; i++) {
		ret->parts[i] = b->results[n].parts[i];
		engine_bytes_ref(ret->parts[i].bytes);
	}
	return true;
}
