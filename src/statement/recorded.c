/* recorded.c - a statement as the record that stores keep, and such a record as a statement. */
#include "statement/kept.h"

#include <stdlib.h>

static const struct stmt_kept_part *parts_of(struct call *c, const struct stmt *st)
{
	struct stmt_kept_part *v = ARENA_ARRAY(c->arena, struct stmt_kept_part, (size_t)st->nparts + 1);

	for (int i = 0; i < st->nparts; i++) {
		const struct part *p = &stmt_parts(st)[i];

		v[i] = (struct stmt_kept_part){p->stored, p->rows, p->row_bytes, p->gzip};
	}
	return v;
}

static const struct str *grants_of(struct call *c, const struct stmt *st)
{
	int n = st->grants ? st->grants->n : 0;
	struct str *v = ARENA_ARRAY(c->arena, struct str, (size_t)n + 1);

	for (int i = 0; i < n; i++)
		v[i] = arena_dup(c->arena, st->grants->v[i]);
	return v;
}

void stmt_record_of(struct call *c, struct stmt *st, struct stmt_record *ret)
{
	const struct kept *k = st->kept;

	stmt_lock(st);
	*ret = (struct stmt_record){
		.handle = stmt_handle(st), .tenant = str_of(st->tenant->name), .principal = stmt_principal(st),
		.session_id = stmt_session(st), .request_id = stmt_request(st), .sql = stmt_sql(st),
		.query_tag = stmt_query_tag(st), .children = stmt_children(st),
		.owner = st->foreign ? k->owner : st->room->keeping->at.owner, .claim = k->claim,
		.snowflake = st->snowflake, .null_text = st->null_text, .detached = st->detached, .several = st->several,
		.status_shape = st->status_shape,
		.kind = st->kind, .state = st->state, .created_ms = st->created_ms, .started_ms = st->started_ms,
		.completed_ms = st->completed_ms, .expires_ms = st->completed_ms ? stmt_expires_ms(st) : 0,
		.ttl_ms = st->ttl_s * INT64_C(1000), .timeout_ms = st->run ? st->run->timeout_ms : 0, .error = st->error,
		.counts = stmt_counts(st), .columns = stmt_columns(st), .rows = st->rows, .row_bytes = st->row_bytes,
		.nparts = st->nparts, .parts = parts_of(c, st),
		.grants = grants_of(c, st), .ngrants = st->grants ? st->grants->n : 0,
	};
	stmt_unlock(st);
}

static void take_children(struct stmt *st, struct str handles)
{
	free(st->children);
	st->children = stmt_children_new(handles);
}

struct stmt_children *stmt_children_new(struct str handles)
{
	struct stmt_children *v;

	if (!handles.n)
		return NULL;
	v = base_alloc(sizeof(*v) + handles.n);
	v->n = handles.n;
	memcpy(v->handles, handles.p, handles.n);
	return v;
}

void stmt_set_counts(struct stmt *st, const struct stmt_counts *n)
{
	if (!st->counts && (n->inserted || n->updated || n->deleted))
		st->counts = base_alloc(sizeof(*st->counts));
	if (st->counts)
		*st->counts = *n;
}

void stmt_take_result(struct stmt *st, const struct stmt_record *r)
{
	int n = r->nparts > 0 && r->nparts <= PARTS_MAX ? r->nparts : 0;

	if (r->columns.n)
		stmt_set_columns(st, r->columns);
	st->rows = r->rows;
	st->row_bytes = r->row_bytes;
	stmt_set_counts(st, &r->counts);
	take_children(st, r->children);
	st->nparts = n;
	if (n > 1)
		st->parts.many = base_zalloc(sizeof(*st->parts.many) * (size_t)n);
	for (int i = 0; i < n; i++) {
		const struct stmt_kept_part *p = &r->parts[i];

		stmt_parts(st)[i] = (struct part){.offset = PART_KEPT, .stored = (uint32_t)p->stored, .row_bytes = (uint32_t)p->row_bytes,
						  .rows = (uint32_t)p->rows, .gzip = p->gzip};
	}
}

static void take_times(struct stmt *st, const struct stmt_record *r)
{
	int64_t ttl_ms = r->completed_ms && r->expires_ms ? r->expires_ms - r->completed_ms : r->ttl_ms;

	st->created_ms = r->created_ms;
	st->started_ms = r->started_ms;
	st->completed_ms = r->completed_ms;
	st->ttl_s = (int32_t)(ttl_ms < 0 ? 0 : ttl_ms / 1000 > INT32_MAX ? INT32_MAX : ttl_ms / 1000);
}

struct stmt *stmt_of_record(struct statements *s, const struct stmt_record *r)
{
	const struct stmt_texts texts = {r->handle, r->sql, r->principal, r->session_id, r->query_tag};
	struct stmt *st;

	if (!id_valid(r->handle) || !tenant_name_valid(r->tenant) || r->state >= STMT_STATES || r->kind >= SQL_KIND_COUNT)
		return NULL;
	st = stmt_alloc(s, &texts);
	st->tenant = stmt_tenant(s, r->tenant);
	st->snowflake = r->snowflake;
	st->null_text = r->null_text;
	st->detached = r->detached;
	st->several = r->several;
	st->status_shape = r->status_shape;
	st->kind = (uint8_t)r->kind;
	st->state = (uint8_t)r->state;
	st->progress = r->state == STMT_SUCCEEDED ? 1 : -1;
	take_times(st, r);
	st->error = stmt_error_copy(r->error);
	st->grants = stmt_grants_of(r->grants, r->ngrants);
	stmt_lock(st); /* for the columns that it shares */
	stmt_take_result(st, r);
	stmt_unlock(st);
	return st;
}
