/* job_doc.c - the contract's document of a job, and lists of jobs. */
#include "runner/job_int.h"

#include <stdio.h>
#include <stdlib.h>

/* --- pieces; the job's lock is held, or the job has ended --- */

static void put_time(struct json_out *o, const char *key, int64_t ms)
{
	json_key(o, str_of(key));
	if (ms)
		json_put_time(o, ms);
	else
		json_put_null(o);
}

static void put_text(struct json_out *o, const char *key, struct str v)
{
	json_key(o, str_of(key));
	if (v.n)
		json_put_text(o, v);
	else
		json_put_null(o);
}

static void put_snapshot(struct json_out *o, const struct job_body *b)
{
	json_literal_key(o, S("\"snapshot\":"));
	if (!b->planned) {
		json_put_null(o);
		return;
	}
	json_begin_object(o);
	JSON_FIELD_TEXT(o, "tail_hash", str_of(b->tail_hash));
	put_text(o, "layer_id", str_of(b->layer_id));
	json_literal_key(o, S("\"hit\":"));
	if (b->looked_up)
		json_put_bool(o, b->hit);
	else
		json_put_null(o);
	JSON_FIELD_INT(o, "steps_reused", b->steps_reused);
	if (b->deterministic[0])
		JSON_FIELD_TEXT(o, "deterministic", str_of(b->deterministic));
	json_literal_key(o, S("\"volatile\":"));
	json_put_texts(o, b->volatile_names, b->nvolatile);
	json_end_object(o);
	json_literal_key(o, S("\"tail\":"));
	json_put_texts(o, b->tail, b->ntail);
}

/* A place in a file, or null: they count from 1. */
static void put_place(struct json_out *o, const char *key, int64_t v)
{
	json_key(o, str_of(key));
	if (v > 0)
		json_put_int(o, v);
	else
		json_put_null(o);
}

void job_error_write(struct json_out *o, const struct job_error *e)
{
	json_begin_object(o);
	JSON_FIELD_TEXT(o, "code", e->code);
	JSON_FIELD_TEXT(o, "message", e->message);
	JSON_FIELD_TEXT(o, "stage", str_of(job_stage_name(e->stage)));
	put_text(o, "sqlstate", str_of(e->sqlstate));
	put_text(o, "path", e->path);
	put_place(o, "position", e->position);
	put_place(o, "line", e->line);
	put_place(o, "column", e->column);
	put_place(o, "statement", e->statement);
	put_text(o, "detail", e->detail);
	put_text(o, "hint", e->hint);
	json_end_object(o);
}

void job_log_write(struct json_out *o, const struct job_log *l)
{
	json_begin_object(o);
	JSON_FIELD_INT(o, "seq", l->seq);
	JSON_FIELD_TIME(o, "time", l->time_ms);
	JSON_FIELD_TEXT(o, "stage", str_of(job_stage_name(l->stage)));
	JSON_FIELD_TEXT(o, "level", str_of(l->level));
	JSON_FIELD_TEXT(o, "message", l->message);
	json_end_object(o);
}

static void put_logs(struct json_out *o, const struct job_body *b)
{
	json_literal_key(o, S("\"logs\":"));
	json_begin_array(o);
	for (const struct job_line *l = b->logs; l; l = l->next)
		if (l->log.seq > b->nlogs - JOB_LOGS_LAST)
			job_log_write(o, &l->log);
	json_end_array(o);
}

static void put_metrics(struct json_out *o, const struct job_body *b, bool ended)
{
	json_literal_key(o, S("\"metrics\":"));
	json_begin_object(o);
	JSON_FIELD_INT(o, "latency_ms", ended ? b->latency_us / 1000 : (clock_mono_ns() - b->created_ns) / 1000000);
	json_literal_key(o, S("\"cache_hit\":"));
	if (b->looked_up)
		json_put_bool(o, b->hit);
	else
		json_put_null(o);
	JSON_FIELD_INT(o, "retries", b->retries);
	JSON_FIELD_INT(o, "boot_ms", b->boot_us / 1000);
	JSON_FIELD_INT(o, "head_ms", b->head_us / 1000);
	JSON_FIELD_INT(o, "replay_ms", b->replay_ms);
	JSON_FIELD_INT(o, "boot_us", b->boot_us);
	JSON_FIELD_INT(o, "head_us", b->head_us);
	json_end_object(o);
}

static void put_links(struct json_out *o, const struct job *j)
{
	char path[128];
	static const char *const more[] = {"", "/logs", "/results", "/cancel"}, *const keys[] = {"self", "logs", "results", "cancel"};

	json_literal_key(o, S("\"links\":"));
	json_begin_object(o);
	for (size_t i = 0; i < COUNT_OF(more); i++) {
		json_key(o, str_of(keys[i]));
		snprintf(path, sizeof(path), "/v1/jobs/%s%s", j->id, more[i]);
		json_put_text(o, str_of(path));
	}
	json_end_object(o);
}

static void put_progress(struct json_out *o, const struct job_body *b, bool ended)
{
	int64_t duration = ended || !b->started_ns ? b->duration_ms : (clock_mono_ns() - b->started_ns) / 1000000;

	json_literal_key(o, S("\"progress\":"));
	json_begin_object(o);
	JSON_FIELD_TEXT(o, "stage", str_of(job_stage_name(b->stage)));
	JSON_FIELD_INT(o, "steps_total", b->steps_total);
	JSON_FIELD_INT(o, "steps_done", b->steps_done);
	JSON_FIELD_INT(o, "duration_ms", duration);
	json_end_object(o);
}

static void put_identity(struct json_out *o, const struct job *j, const struct job_body *b)
{
	JSON_FIELD_TEXT(o, "job_id", job_id(j));
	JSON_FIELD_TEXT(o, "type", b->lengthy ? S("long") : S("short"));
	put_text(o, "request_id", b->request_id);
	put_text(o, "user_id", b->user_id);
	JSON_FIELD_TEXT(o, "status", str_of(job_fsm[j->status].name));
	JSON_FIELD_TEXT(o, "stage", str_of(job_stage_name(b->stage)));
	put_text(o, "head_path", b->head);
	put_time(o, "created_at", j->created_ms);
	put_time(o, "started_at", b->started_ms);
	put_time(o, "finished_at", b->finished_ms);
	put_time(o, "expires_at", j->expires_ms);
	if (b->lengthy)
		JSON_FIELD_INT(o, "parts", b->nparts);
	JSON_FIELD_INT(o, "files", b->nfiles);
	JSON_FIELD_INT(o, "bytes", b->bytes);
}

static void put_trace(struct json_out *o, const struct job_body *b)
{
	if (!b->traceparent.n)
		return;
	json_literal_key(o, S("\"telemetry_context\":"));
	json_begin_object(o);
	JSON_FIELD_TEXT(o, "traceparent", b->traceparent);
	if (b->tracestate.n)
		JSON_FIELD_TEXT(o, "tracestate", b->tracestate);
	json_end_object(o);
}

static void put_body(struct json_out *o, const struct job *j, const struct job_body *b, bool whole)
{
	bool ended = job_terminal(j->status);

	put_identity(o, j, b);
	put_progress(o, b, ended);
	put_snapshot(o, b);
	json_literal_key(o, S("\"error\":"));
	if (ended && b->error)
		job_error_write(o, b->error);
	else
		json_put_null(o);
	if (whole)
		put_logs(o, b);
	put_metrics(o, b, ended);
	put_trace(o, b);
}

/* --- results, of one that has ended --- */

static void put_no_rows(struct json_out *o)
{
	json_literal_key(o, S("\"columns\":"));
	json_put_null(o);
	json_literal_key(o, S("\"rows\":"));
	json_put_null(o);
}

static void put_last_rows(struct call *c, struct json_out *o, const struct kept_result *v, int n)
{
	while (n > 0 && !v[n - 1].has_rows)
		n--;
	if (n > 0) {
		result_rows(o, c, &v[n - 1]);
		return;
	}
	put_no_rows(o);
}

static bool put_results(struct call *c, struct job *j, struct job_body *b, struct json_out *o)
{
	struct kept_result *v = ARENA_ARRAY(c->arena, struct kept_result, (size_t)b->nresults + 1);
	bool ok = true;
	int n = 0;

	while (ok && n < b->nresults) {
		ok = results_load(c, j, b, n, &v[n]);
		n += ok;
	}
	if (ok) {
		put_last_rows(c, o, v, n);
		json_literal_key(o, S("\"results\":"));
		json_begin_array(o);
		for (int i = 0; i < n; i++)
			result_write(o, c, &v[i]);
		json_end_array(o);
		if (b->cut)
			JSON_FIELD_BOOL(o, "truncated", true);
	}
	for (int i = 0; i < n; i++)
		kept_drop(&v[i]);
	return ok;
}

bool job_write(struct call *c, struct job *j, bool whole, struct json_out *o)
{
	struct job_body *b = job_body_of(j);
	bool ended, ok = true;

	if (!b && !record_body(c, j, &b))
		return false;
	hooks_load(c, j, b);
	json_begin_object(o);
	pthread_mutex_lock(&j->lock);
	ended = job_terminal(j->status);
	put_body(o, j, b, whole);
	pthread_mutex_unlock(&j->lock);
	if (whole && ended) {
		ok = put_results(c, j, b, o);
	} else if (whole) {
		put_no_rows(o);
		json_literal_key(o, S("\"results\":"));
		json_put_raw(o, S("[]"));
	}
	if (b->nhooks)
		hooks_write(j, b, o);
	put_links(o, j);
	json_end_object(o);
	job_body_unref(b);
	return ok;
}

/* --- lists: ids are ordered by time, so the newest are the greatest --- */

static int descending(const void *a, const void *b)
{
	return memcmp(((const struct id *)b)->text, ((const struct id *)a)->text, ID_LEN);
}

struct ids {
	struct id *v;
	size_t n, room;
	struct str after;
	size_t want;
	int64_t from_ms;                     /* all that are younger are there */
};

static void add_id(struct ids *s, struct str id)
{
	if (s->after.n && str_cmp(id, s->after) >= 0)
		return;
	if (s->n == s->room) {
		s->room = s->room ? s->room * 2 : 256;
		s->v = base_realloc(s->v, s->room * sizeof(*s->v));
	}
	memcpy(s->v[s->n].text, id.p, ID_LEN);
	s->v[s->n++].text[ID_LEN] = '\0';
}

static void ids_here(struct call *c, struct runner *r, struct ids *s)
{
	struct job **all;
	int n = jobs_all(r, &all);

	for (int i = 0; i < n; i++) {
		if (job_visible(c, all[i]))
			add_id(s, job_id(all[i]));
		job_unref(all[i]);
	}
	free(all);
}

static bool on_id(void *arg, struct str id)
{
	add_id(arg, id);
	return true;
}

/* Batches come the newest first: are there enough that nothing that follows can be among? */
static bool are_enough(void *arg, int64_t newest_ms)
{
	struct ids *s = arg;
	size_t n = 0;

	if (s->n < s->want)
		return false;
	for (size_t i = 0; i < s->n; i++)
		n += id_time_ms(id_str(&s->v[i])) > newest_ms;
	if (n < s->want)
		return false;
	s->from_ms = newest_ms;
	return true;
}

/* Sorted, without those that are there twice and those beside which others may be missing. */
static void sort_ids(struct ids *s)
{
	size_t n = 0;

	if (s->n)
		qsort(s->v, s->n, sizeof(*s->v), descending);
	for (size_t i = 0; i < s->n && id_time_ms(id_str(&s->v[i])) > s->from_ms; i++)
		if (n == 0 || memcmp(s->v[n - 1].text, s->v[i].text, ID_LEN) != 0)
			s->v[n++] = s->v[i];
	s->n = n;
}

/* After the cursor, newest first: at least `want`, or all. */
static bool collect(struct call *c, struct runner *r, struct ids *s)
{
	s->n = 0;
	s->from_ms = -1;
	ids_here(c, r, s);
	if (!record_ids(c, r, c->tenant, on_id, s) ||
	    !batch_ids(c, r, c->tenant, s->after, &(struct batch_list){on_id, are_enough, s}))
		return false;
	sort_ids(s);
	return true;
}

/* One more than the page holds when there is more. */
static bool fill_page(struct call *c, struct runner *r, const struct ids *s, struct job **v, int *n, int limit)
{
	for (size_t i = 0; i < s->n && *n <= limit; i++) {
		bool gone;

		if (job_find(c, r, id_str(&s->v[i]), &v[*n])) {
			++*n;
			continue;
		}
		gone = c->err.kind == ERR_NOT_FOUND || c->err.kind == ERR_JOB_EXPIRED;
		if (!gone)
			return false;
		call_forgive(c);
	}
	return true;
}

bool job_list(struct call *c, struct runner *r, struct job_page *page, struct job ***ret, int *ret_n)
{
	struct job **v = ARENA_ARRAY(c->arena, struct job *, (size_t)page->limit + 2);
	struct ids s = {.after = page->after, .want = (size_t)page->limit + 1};
	bool ok = true, more = true;
	int n = 0;

	if (page->after.n && !id_valid(page->after))
		return fail(c, ERR_INVALID_FIELD, "after is no cursor of this list");
	while (ok && more && n <= page->limit) {
		ok = collect(c, r, &s) && fill_page(c, r, &s, v, &n, page->limit);
		more = s.from_ms >= 0 && s.n > 0;
		if (more)
			s.after = arena_dup(c->arena, id_str(&s.v[s.n - 1]));
	}
	free(s.v);
	page->next = S("");
	if (ok && n > page->limit) {
		job_unref(v[--n]);
		page->next = arena_dup(c->arena, job_id(v[n - 1]));
	}
	for (int i = 0; !ok && i < n; i++)
		job_unref(v[i]);
	*ret = v;
	*ret_n = n;
	return ok;
}
