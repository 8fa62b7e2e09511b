/* results.c - what the head's statements gave: kept, read back, written in the native shape.
 *
 * A part is the bytes {"data":[[…],…]}. Small results live in the record of the end, large ones beside it.
 */
#include "runner/job_int.h"

#include <stdlib.h>

enum { RESULTS_BYTES = 128 << 20 }; /* of all statements of a head, when one alone may not have more */

void kept_drop(struct kept_result *k)
{
	for (int i = 0; k->parts && i < k->nparts; i++)
		engine_bytes_unref(k->parts[i].bytes);
	free(k->parts);
	k->parts = NULL;
}

static void put_field(struct json_out *o, const char *key, struct str v)
{
	if (!v.n)
		return;
	json_key(o, str_of(key));
	json_put_text(o, v);
}

static struct str notices_of(struct arena *a, const struct pg_answer *v)
{
	OWNS(buf) b = {0};
	struct json_out o = json_out(&b);

	if (v->nnotices == 0)
		return S("");
	json_begin_array(&o);
	for (int i = 0; i < v->nnotices; i++) {
		const struct pg_notice *n = &v->notices[i];

		json_begin_object(&o);
		put_field(&o, "severity", n->severity);
		put_field(&o, "sqlstate", str_of(n->sqlstate));
		JSON_FIELD_TEXT(&o, "message", n->message);
		put_field(&o, "detail", n->detail);
		put_field(&o, "hint", n->hint);
		json_end_object(&o);
	}
	json_end_array(&o);
	return arena_dup(a, buf_str(&b));
}

static void take(struct arena *a, struct pg_answer *v, struct kept_result *k)
{
	*k = (struct kept_result){
		.command_tag = arena_dup(a, v->command_tag), .columns = arena_dup(a, v->columns), .notices = notices_of(a, v),
		.has_rows = v->has_rows, .truncated = v->truncated, .nparts = v->nparts, .rows = v->rows,
		.affected = v->affected, .ns = v->ns, .bytes = (int64_t)v->columns.n,
	};
	k->parts = base_alloc(sizeof(*k->parts) * (size_t)(v->nparts + 1));
	for (int i = 0; i < v->nparts; i++) {
		k->parts[i] = v->parts[i];
		k->bytes += (int64_t)engine_bytes_str(v->parts[i].bytes).n;
	}
	v->nparts = 0; /* their references are here now */
}

/* Doubles: with 0, 1, 2, 4, … results the array is full. */
static struct kept_result *room_for_one(struct job_body *b)
{
	int n = b->nresults;

	if ((n & (n - 1)) == 0) {
		struct kept_result *v = ARENA_ARRAY(&b->arena, struct kept_result, n ? (size_t)n * 2 : 1);

		if (n)
			memcpy(v, b->results, sizeof(*v) * (size_t)n);
		b->results = v;
	}
	return &b->results[b->nresults];
}

/* Every statement may have its bytes; all of them together only so many, since a document has them all. */
static void bound(struct job *j, const struct job_body *b, struct kept_result *k)
{
	int64_t one = j->runner->o.result_bytes, most = one > RESULTS_BYTES ? one : RESULTS_BYTES;

	if (k->nparts == 0 || b->result_bytes + k->bytes <= most)
		return;
	kept_drop(k);
	k->nparts = 0;
	k->rows = 0;
	k->bytes = (int64_t)k->columns.n;
	k->truncated = true;
}

void results_take(struct job *j, struct job_body *b, struct pg_answer *v, int n)
{
	int taken = 0;
	bool cut;

	pthread_mutex_lock(&j->lock);
	for (; taken < n && b->nresults < j->runner->o.result_statements; taken++) {
		struct kept_result *k = room_for_one(b);

		take(&b->arena, &v[taken], k);
		bound(j, b, k);
		b->nresults++;
		b->result_bytes += k->bytes;
	}
	cut = taken < n && !b->cut;
	b->cut = b->cut || taken < n;
	pthread_mutex_unlock(&j->lock);
	if (cut)
		job_line(j, JOB_AT_HEAD_EXECUTION, "warn", "results of further statements are not kept");
	for (int i = 0; i < n; i++)
		if (v[i].nparts)
			pg_answer_drop(&v[i]); /* beyond the statements that are kept */
}

/* --- written --- */

static bool write_columns(struct json_out *o, struct call *c, struct str packed)
{
	struct engine_column *v;
	int n;

	if (!engine_columns(c, packed, &v, &n))
		return false;
	json_begin_array(o);
	for (int i = 0; i < n; i++) {
		json_begin_object(o);
		JSON_FIELD_TEXT(o, "name", v[i].name);
		JSON_FIELD_TEXT(o, "type", v[i].type);
		JSON_FIELD_BOOL(o, "nullable", v[i].nullable);
		json_end_object(o);
	}
	json_end_array(o);
	return true;
}

/* The rows inside {"data":[ … ]}; empty for bytes that are not so. */
static struct str rows_of(const struct engine_part *p)
{
	struct str s = engine_bytes_str(p->bytes);

	if (!str_starts(s, S("{\"data\":[")) || !str_ends(s, S("]}")) || s.n < 11)
		return (struct str){0};
	return str_from(s.p + 9, s.n - 11);
}

static void write_rows(struct json_out *o, const struct kept_result *k)
{
	OWNS(buf) all = {0};

	buf_lit(&all, "[");
	for (int i = 0; i < k->nparts; i++) {
		struct str rows = rows_of(&k->parts[i]);

		if (rows.n && all.n > 1)
			buf_lit(&all, ",");
		buf_add(&all, rows);
	}
	buf_lit(&all, "]");
	json_put_raw(o, buf_str(&all));
}

void result_rows(struct json_out *o, struct call *c, const struct kept_result *k)
{
	json_literal_key(o, S("\"columns\":"));
	if (!k->has_rows || !write_columns(o, c, k->columns)) {
		call_forgive(c);
		json_put_raw(o, S("[]"));
	}
	json_literal_key(o, S("\"rows\":"));
	write_rows(o, k);
}

void result_write(struct json_out *o, struct call *c, const struct kept_result *k)
{
	json_begin_object(o);
	result_rows(o, c, k);
	JSON_FIELD_INT(o, "row_count", k->rows);
	JSON_FIELD_TEXT(o, "command_tag", k->command_tag);
	if (k->affected >= 0)
		JSON_FIELD_INT(o, "affected", k->affected);
	JSON_FIELD_INT(o, "ms", k->ns / 1000000);
	json_literal_key(o, S("\"notices\":"));
	json_put_raw(o, k->notices.n ? k->notices : S("[]"));
	if (k->truncated)
		JSON_FIELD_BOOL(o, "truncated", true);
	json_end_object(o);
}

/* --- read --- */

static int last_with_rows(const struct job_body *b)
{
	for (int i = b->nresults - 1; i >= 0; i--)
		if (b->results[i].has_rows)
			return i;
	return -1;
}

static void hand_out(struct call *c, const struct kept_result *k, struct job_result *ret)
{
	*ret = (struct job_result){
		.command_tag = arena_dup(c->arena, k->command_tag), .columns = arena_dup(c->arena, k->columns),
		.notices = arena_dup(c->arena, k->notices), .has_rows = k->has_rows, .truncated = k->truncated, .rows = k->rows,
		.nparts = k->nparts, .parts = ARENA_ARRAY(c->arena, struct engine_part, (size_t)k->nparts + 1),
	};
	for (int i = 0; i < k->nparts; i++) {
		ret->parts[i] = k->parts[i];
		engine_bytes_ref(k->parts[i].bytes);
	}
}

bool job_results(struct call *c, struct job *j, int64_t n, struct job_result *ret)
{
	struct job_body *b;
	struct kept_result k;
	bool ok = false;

	if (!job_ended(j))
		return fail(c, ERR_NOT_FINISHED, "job %.*s is %s", SARG(job_id(j)), job_fsm[job_status_of(j)].name);
	b = job_body_of(j);
	if (!b && !record_body(c, j, &b))
		return false;
	if (n == JOB_LAST_ROWS)
		n = last_with_rows(b);
	if (n < 0 || n >= b->nresults)
		fail(c, ERR_NOT_FOUND, "job %.*s has %d results", SARG(job_id(j)), b->nresults);
	else
		ok = results_load(c, j, b, (int)n, &k);
	if (ok) {
		hand_out(c, &k, ret);
		kept_drop(&k);
	}
	job_body_unref(b);
	return ok;
}

void job_result_drop(struct job_result *r)
{
	for (int i = 0; i < r->nparts; i++)
		engine_bytes_unref(r->parts[i].bytes);
	r->nparts = 0;
}
