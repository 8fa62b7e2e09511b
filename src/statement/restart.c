/* restart.c - what a former process of this server left in its DuckDB files.
 *
 * Every record becomes a statement of the map, its bytes stay in the store.
 * What had not ended ends now, and that is recorded; with Redis behind it, each
 * is looked up there: what was dropped meanwhile goes here, what Redis lacks
 * is written.
 */
#include "statement/kept.h"

#include "obs/obs.h"

#include <stdlib.h>

struct former {
	struct statements *s;
	struct stmt **interrupted; /* references */
	int n, cap;
	int64_t found, damaged;
};

static void claim_again(struct call *c, struct statements *s, const struct stmt_record *r)
{
	int64_t ttl = TOMBSTONE_MS + s->o.max_ttl_s * 1000;

	if (!r->claim.n)
		return;
	if (s->o.kv_local && !kv_put(c, s->o.kv_local, r->claim, r->handle, KV_ANY, ttl))
		call_forgive(c);
	if (!s->keeping->at.shared && !kv_put(c, s->o.kv, r->claim, r->handle, KV_ANY, ttl))
		call_forgive(c);
}

static int64_t stored_bytes(const struct stmt *st)
{
	int64_t sum = 0;

	for (int i = 0; i < st->nparts; i++)
		sum += stmt_parts(st)[i].stored;
	return sum;
}

static void finished(struct stmt *st)
{
	int64_t left_ms = stmt_expires_ms(st) - clock_wall_ms();

	st->kept->settled = true;
	atomic_store(&st->kept->on_disk, st->state == STMT_SUCCEEDED);
	stmt_count_kept(st, stored_bytes(st));
	if (left_ms > 0)
		stmt_due(st, clock_mono_ms() + left_ms);
	else
		stmt_expire(st);
}

static void keep_interrupted(struct former *f, struct stmt *st)
{
	atomic_fetch_add(&f->s->active, 1);
	if (f->n == f->cap) {
		f->cap = f->cap ? f->cap * 2 : 16;
		f->interrupted = base_realloc(f->interrupted, sizeof(struct stmt *) * (size_t)f->cap);
	}
	f->interrupted[f->n++] = stmt_ref(st);
}

static bool enter_former(void *arg, struct call *c, const struct stmt_record *r)
{
	struct former *f = arg;
	struct statements *s = f->s;
	struct stmt *st = stmt_get(s, r->handle), *twice = st;

	statement_unref(twice);
	st = twice ? NULL : stmt_of_record(s, r);
	f->damaged += !st;
	if (!st)
		return true;
	f->found++;
	stmt_keep(st, &(struct stmt_place){.disk = true, .shared = true, .claim = r->claim, .request = r->request_id});
	stmt_force_place(st);
	stmt_enter(st);
	claim_again(c, s, r);
	if (fsm_terminal(stmt_fsm, st->state))
		finished(st);
	else
		keep_interrupted(f, st);
	if (atomic_load(&st->kept->shared) && fsm_terminal(stmt_fsm, r->state))
		stmt_owe(st, DEBT_LOOK, BACKOFF_MIN_MS);
	statement_unref(st);
	return true;
}

static void end_interrupted(struct former *f)
{
	for (int i = 0; i < f->n; i++) {
		stmt_end(f->interrupted[i], STMT_FAILED,
			 stmt_error_of_store(ERR_SERVER_RESTARTED, S("the server restarted while the statement ran")));
		statement_unref(f->interrupted[i]);
	}
	free(f->interrupted);
}

bool stmt_restart(struct call *c, struct statements *s)
{
	struct stmt_store *disk = s->keeping->at.disk;
	const struct stmt_store_page all = {0};
	struct former f = {.s = s};
	bool listed;

	if (!disk)
		return true;
	listed = disk->ops->list(c, disk, &all, enter_former, &f);
	end_interrupted(&f);
	if (f.found || f.damaged)
		obs_log(OBS_INFO, "statement", "%lld statements of a former process, %d of them interrupted, %lld that cannot be read",
			(long long)f.found, f.n, (long long)f.damaged);
	if (listed || c->err.kind != ERR_STORAGE)
		return listed;
	obs_log(OBS_ERROR, "statement", "statements that were kept cannot be read: %s", c->err.text);
	call_forgive(c); /* what is not damaged is served */
	return true;
}
