/* records.c - a job's objects in the store: written and dropped. Reading is records_read.c.
 *
 *   [tenants/<t>/]jobs/<id>/request        what was asked, with the tree; parts/<n>, run: what came later
 *                          attempt_<n>    who took it up
 *                          end             the outcome, logs, small results; written once, by who holds the job's lease
 *                                          (that of a job that was over within its request: batches.c)
 *                          results/<n>     large results     expires, hooks: what changes after the end
 */
#include "runner/job_int.h"

#include <stdio.h>

enum { INLINE_BYTES = 64 << 10 }; /* of a result in the record of the end */

struct str job_record_key(struct arena *a, const struct job *j, const char *name)
{
	return record_key_of(a, job_tenant_of(j), job_id(j), name);
}

struct str record_key_of(struct arena *a, struct str tenant, struct str id, const char *name)
{
	return arena_fmt(a, "%.*sjobs/%.*s/%s", SARG(store_tenant_prefix(a, tenant)), SARG(id), name);
}

/* --- pieces --- */

static void put_text(struct json_out *o, const char *key, struct str v)
{
	if (!v.n)
		return;
	json_key(o, str_of(key));
	json_put_text(o, v);
}

static void put_int(struct json_out *o, const char *key, int64_t v)
{
	json_key(o, str_of(key));
	json_put_int(o, v);
}

static void put_bool(struct json_out *o, const char *key, bool v)
{
	if (!v)
		return;
	json_key(o, str_of(key));
	json_put_bool(o, v);
}

static void put_hooks(struct json_out *o, const struct job_body *b)
{
	if (!b->nhooks)
		return;
	json_key(o, S("hooks"));
	json_begin_array(o);
	for (int i = 0; i < b->nhooks; i++) {
		json_begin_object(o);
		put_text(o, "url", b->hooks[i].url);
		put_text(o, "secret", b->hooks[i].secret);
		json_end_object(o);
	}
	json_end_array(o);
}

static void put_identity(struct json_out *o, struct job *j, const struct job_body *b)
{
	put_int(o, "v", 1);
	put_text(o, "id", job_id(j));
	put_text(o, "principal", j->principal);
	put_text(o, "server", j->runner->o.server);
	put_int(o, "created_ms", j->created_ms);
	put_int(o, "expires_ms", j->expires_ms);
	put_text(o, "request_id", b->request_id);
	put_text(o, "user_id", b->user_id);
	put_text(o, "fingerprint", b->fingerprint);
	put_text(o, "call_id", b->call_id);
	put_text(o, "traceparent", b->traceparent);
	put_text(o, "tracestate", b->tracestate);
	put_bool(o, "long", b->lengthy);
	put_hooks(o, b);
}

static void put_tree(struct json_out *o, const struct job_file *v, int n)
{
	json_key(o, S("files"));
	json_begin_array(o);
	for (int i = 0; i < n; i++) {
		json_begin_object(o);
		put_text(o, "path", v[i].path);
		if (v[i].content.p) {
			json_key(o, S("content"));
			json_put_text(o, v[i].content);
		} else {
			put_text(o, "etag", v[i].etag);
		}
		json_end_object(o);
	}
	json_end_array(o);
}

static void put_spec_tree(struct json_out *o, const struct tree *t)
{
	OWNS(arena) a = {0};
	struct job_file *v = ARENA_ARRAY(&a, struct job_file, (size_t)t->n + 1);

	for (int i = 0; i < t->n; i++) {
		v[i] = (struct job_file){.path = t->files[i].path, .content = t->files[i].content};
		if (!v[i].content.p)
			v[i].etag = arena_fmt(&a, "sha256:%s", t->files[i].etag);
	}
	put_tree(o, v, t->n);
}

static void put_chain(struct json_out *o, const struct str *v, int n)
{
	if (!v || n < 0)
		return;
	json_key(o, S("chain"));
	json_put_texts(o, v, n);
}

static void put_options(struct json_out *o, const struct job_spec *s)
{
	put_text(o, "head", s->head);
	put_int(o, "timeout_ms", s->timeout_ms);
	put_int(o, "snapshot_ttl_s", s->snapshot_ttl_s);
	put_bool(o, "private", s->private_instance);
	put_bool(o, "verify", s->verify);
	json_key(o, S("variables"));
	json_begin_array(o);
	for (int i = 0; i < s->nvariables; i++) {
		json_begin_object(o);
		put_text(o, "name", s->variables[i].name);
		put_text(o, "value", s->variables[i].value);
		json_end_object(o);
	}
	json_end_array(o);
}

static void put_parts(struct json_out *o, const struct job_spec *s)
{
	json_key(o, S("parts"));
	json_begin_array(o);
	for (int i = 0; i < s->nparts; i++) {
		json_begin_object(o);
		put_text(o, "part", s->parts[i].name);
		put_text(o, "sha256", str_of(s->parts[i].fingerprint));
		json_end_object(o);
	}
	json_end_array(o);
}

void record_request(struct job *j, struct job_body *b, struct buf *ret)
{
	struct json_out o = json_out(ret);

	json_begin_object(&o);
	put_identity(&o, j, b);
	put_spec_tree(&o, &b->spec->tree);
	put_chain(&o, b->spec->nchain >= 0 ? b->spec->chain : NULL, b->spec->nchain);
	put_options(&o, b->spec);
	put_parts(&o, b->spec);
	put_bool(&o, "started", j->started);
	json_end_object(&o);
}

void record_part(const struct job_ask *ask, const char *fingerprint, struct buf *ret)
{
	struct json_out o = json_out(ret);

	json_begin_object(&o);
	put_text(&o, "part", ask->part);
	put_text(&o, "sha256", str_of(fingerprint));
	put_tree(&o, ask->files, ask->nfiles);
	put_chain(&o, ask->chain, ask->nchain);
	json_end_object(&o);
}

/* All but the parts as they were when it was started; files that came with it are in the tree below. */
void record_run(struct job *j, const struct job_body *b, struct buf *ret)
{
	struct json_out o = json_out(ret);

	json_begin_object(&o);
	put_text(&o, "server", j->runner->o.server);
	put_int(&o, "expires_ms", j->expires_ms);
	put_spec_tree(&o, &b->spec->tree);
	put_chain(&o, b->spec->nchain >= 0 ? b->spec->chain : NULL, b->spec->nchain);
	put_options(&o, b->spec);
	put_parts(&o, b->spec);
	put_hooks(&o, b);
	json_end_object(&o);
}

/* --- the end --- */

static void put_u64(struct buf *b, uint64_t v)
{
	buf_add(b, str_from((const char *)&v, sizeof(v)));
}

/* Columns and parts: their sizes, then their bytes. */
static void put_blob(const struct kept_result *k, struct buf *b)
{
	put_u64(b, k->columns.n);
	put_u64(b, (uint64_t)k->nparts);
	for (int i = 0; i < k->nparts; i++) {
		put_u64(b, engine_bytes_str(k->parts[i].bytes).n);
		put_u64(b, (uint64_t)k->parts[i].rows);
		put_u64(b, (uint64_t)k->parts[i].row_bytes);
	}
	buf_add(b, k->columns);
	for (int i = 0; i < k->nparts; i++)
		buf_add(b, engine_bytes_str(k->parts[i].bytes));
}

static void put_results(struct json_out *o, const struct job_body *b, struct buf *blobs)
{
	json_key(o, S("results"));
	json_begin_array(o);
	for (int i = 0; i < b->nresults; i++) {
		const struct kept_result *k = &b->results[i];
		size_t at = blobs->n;

		json_begin_object(o);
		put_text(o, "tag", k->command_tag);
		put_bool(o, "has_rows", k->has_rows);
		put_bool(o, "truncated", k->truncated);
		put_int(o, "rows", k->rows);
		put_int(o, "affected", k->affected);
		put_int(o, "ns", k->ns);
		put_text(o, "notices", k->notices);
		put_int(o, "parts", k->nparts);
		if (k->bytes <= INLINE_BYTES) {
			put_blob(k, blobs);
			put_int(o, "at", (int64_t)at);
			put_int(o, "n", (int64_t)(blobs->n - at));
		}
		json_end_object(o);
	}
	json_end_array(o);
}

static void put_logs(struct json_out *o, const struct job_body *b)
{
	json_key(o, S("logs"));
	json_begin_array(o);
	for (const struct job_line *l = b->logs; l; l = l->next) {
		json_begin_object(o);
		put_int(o, "seq", l->log.seq);
		put_int(o, "ms", l->log.time_ms);
		put_int(o, "stage", l->log.stage);
		put_text(o, "level", str_of(l->log.level));
		put_text(o, "message", l->log.message);
		json_end_object(o);
	}
	json_end_array(o);
}

static void put_outcome(struct json_out *o, const struct job_body *b)
{
	put_text(o, "status", str_of(job_fsm[b->end].name));
	put_int(o, "stage", b->stage);
	put_text(o, "head", b->head);
	put_int(o, "nparts", b->nparts);
	put_int(o, "nfiles", b->nfiles);
	put_int(o, "bytes", b->bytes);
	put_int(o, "started_ms", b->started_ms);
	put_int(o, "finished_ms", b->finished_ms);
	put_int(o, "duration_ms", b->duration_ms);
	put_int(o, "steps_total", b->steps_total);
	put_int(o, "steps_done", b->steps_done);
	put_int(o, "latency_us", b->latency_us);
	put_int(o, "boot_us", b->boot_us);
	put_int(o, "head_us", b->head_us);
	put_int(o, "replay_ms", b->replay_ms);
	put_int(o, "retries", b->retries);
	put_int(o, "steps_reused", b->steps_reused);
	put_bool(o, "planned", b->planned);
	put_bool(o, "looked_up", b->looked_up);
	put_bool(o, "hit", b->hit);
	put_bool(o, "cut", b->cut);
	put_text(o, "tail_hash", str_of(b->tail_hash));
	put_text(o, "layer_id", str_of(b->layer_id));
	put_text(o, "deterministic", str_of(b->deterministic));
	json_key(o, S("tail"));
	json_put_texts(o, b->tail, b->ntail);
	json_key(o, S("volatile"));
	json_put_texts(o, b->volatile_names, b->nvolatile);
}

/* With the job's turn, its outcome set. */
void record_end(struct job *j, struct job_body *b, struct buf *ret)
{
	OWNS(buf) text = {0}, blobs = {0};
	struct json_out o = json_out(&text);

	pthread_mutex_lock(&j->lock);
	json_begin_object(&o);
	put_identity(&o, j, b);
	put_outcome(&o, b);
	if (b->error) {
		json_key(&o, S("error"));
		job_error_write(&o, b->error);
	}
	put_logs(&o, b);
	put_results(&o, b, &blobs);
	json_end_object(&o);
	pthread_mutex_unlock(&j->lock);
	put_u64(ret, text.n);
	buf_add(ret, buf_str(&text));
	buf_add(ret, buf_str(&blobs));
}

static bool put_large(struct call *c, struct job *j, const struct job_body *b)
{
	struct store *s = j->runner->o.store;
	char name[32];

	for (int i = 0; i < b->nresults; i++) {
		OWNS(buf) blob = {0};

		if (b->results[i].bytes <= INLINE_BYTES)
			continue;
		put_blob(&b->results[i], &blob);
		snprintf(name, sizeof(name), "results/%d", i);
		if (!s->ops->put(c, s, job_record_key(c->arena, j, name), buf_str(&blob), STORE_REPLACE))
			return false;
	}
	return true;
}

bool record_end_small(const struct job_body *b)
{
	for (int i = 0; i < b->nresults; i++)
		if (b->results[i].bytes > INLINE_BYTES)
			return false;
	return true;
}

/* ERR_CONFLICT: another server wrote an end, or has the job now. */
bool record_put_end(struct call *c, struct job *j)
{
	struct store *s = j->runner->o.store;
	struct job_body *b = job_body_of(j);
	OWNS(buf) end = {0};
	bool ok;

	INVARIANT(b);
	ok = !j->recorded || keep_still(c, j) || fail(c, ERR_CONFLICT, "another server has job %s", j->id);
	if (ok)
		record_end(j, b, &end);
	ok = ok && put_large(c, j, b) && s->ops->put(c, s, job_record_key(c->arena, j, "end"), buf_str(&end), STORE_NEW);
	job_body_unref(b);
	if (!ok)
		return false;
	pthread_mutex_lock(&j->lock);
	j->stored = true;
	pthread_mutex_unlock(&j->lock);
	return true;
}

/* --- listed and dropped --- */

bool record_ids(struct call *c, struct runner *r, struct str tenant, record_id_fn *fn, void *arg)
{
	struct str prefix = arena_fmt(c->arena, "%.*sjobs/", SARG(store_tenant_prefix(c->arena, tenant))), after = S("");
	struct arena *callers = c->arena;
	OWNS(arena) pages = {0};
	char last[ID_LEN + 1] = "";

	for (;;) {
		struct store_entry *v;
		size_t n;
		bool ok;

		c->arena = &pages;
		ok = r->o.store->ops->list(c, r->o.store, prefix, after, &v, &n);
		c->arena = callers;
		if (!ok)
			return false;
		for (size_t i = 0; i < n; i++) {
			struct str id = str_head(str_tail(v[i].key, prefix.n), ID_LEN);

			if (!id_valid(id) || str_eq(id, str_of(last)))
				continue;
			memcpy(last, id.p, ID_LEN);
			if (!fn(arg, str_of(last)))
				return true;
		}
		if (n == 0)
			return true;
		after = arena_dup(callers, v[n - 1].key);
		arena_reset(&pages);
	}
}

/* The request first, the end last: what a crash leaves is never run again. */
bool record_drop(struct call *c, struct runner *r, struct str tenant, struct str id)
{
	struct store *s = r->o.store;
	struct str end = record_key_of(c->arena, tenant, id, "end"), prefix = record_key_of(c->arena, tenant, id, "");
	struct store_entry *v;
	size_t n = 1;

	if (!s->ops->drop(c, s, record_key_of(c->arena, tenant, id, "request")))
		return false;
	for (struct str after = S(""); n > 0; after = n ? v[n - 1].key : after) {
		if (!s->ops->list(c, s, prefix, after, &v, &n))
			return false;
		for (size_t i = 0; i < n; i++)
			if (!str_eq(v[i].key, end) && !s->ops->drop(c, s, v[i].key))
				return false;
	}
	return s->ops->drop(c, s, end);
}
