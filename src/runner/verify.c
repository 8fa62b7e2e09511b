/* verify.c - is a tail deterministic? It is replayed once more, from the empty database, and compared with its layer.
 *
 * Compared are the rows of each table (their number and two sums of hashes, so their order does not count), sequences, and
 * the definitions of columns, functions, views, constraints, indexes, triggers, types and extensions, by SQL as the owner: as
 * administrator the user's own casts and types would run with more rights than they have.
 * The verdict is kept with the layer. What cannot be compared (too many objects, an error of the question) is "unverified".
 */
#include "runner/layers_int.h"

#include <stdio.h>

enum { OBJECTS_MAX = 1000000, OBJECTS_BYTES = 256 << 20 };

#define USERS "n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') AND n.nspname !~ '^pg_temp'"
static const char objects_sql[] =
	"SELECT what, state FROM ("
	"SELECT pg_catalog.format('table %I.%I', n.nspname, c.relname) AS what,"
	" pg_catalog.query_to_xml(pg_catalog.format('SELECT pg_catalog.count(*),"
	" pg_catalog.sum(pg_catalog.hashtextextended(mayfly_row_::text, 0)::numeric),"
	" pg_catalog.sum(pg_catalog.hashtextextended(mayfly_row_::text, 1)::numeric) FROM ONLY %I.%I mayfly_row_',"
	" n.nspname, c.relname), false, true, '')::text AS state"
	" FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
	" WHERE c.relkind IN ('r', 'm') AND c.relispopulated AND " USERS
	" UNION ALL SELECT pg_catalog.format('sequence %I.%I', n.nspname, c.relname),"
	" pg_catalog.query_to_xml(pg_catalog.format('SELECT last_value, is_called FROM %I.%I', n.nspname, c.relname), false, true, '')::text"
	" FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'S' AND " USERS
	" UNION ALL SELECT pg_catalog.format('column %I.%I.%I', n.nspname, c.relname, a.attname),"
	" pg_catalog.format('%s %s %s', pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull,"
	" (SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid) FROM pg_catalog.pg_attrdef d WHERE d.adrelid = c.oid AND d.adnum = a.attnum))"
	" FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid"
	" JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE a.attnum > 0 AND NOT a.attisdropped AND " USERS
	" UNION ALL SELECT pg_catalog.format('function %I.%I(%s)', n.nspname, p.proname, pg_catalog.pg_get_function_identity_arguments(p.oid)),"
	" CASE WHEN p.prokind = 'a' THEN '' ELSE pg_catalog.md5(pg_catalog.pg_get_functiondef(p.oid)) END"
	" FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace WHERE " USERS
	" UNION ALL SELECT pg_catalog.format('view %I.%I', n.nspname, c.relname), pg_catalog.pg_get_viewdef(c.oid)"
	" FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('v', 'm') AND " USERS
	" UNION ALL SELECT pg_catalog.format('constraint %I.%I', n.nspname, k.conname), pg_catalog.pg_get_constraintdef(k.oid)"
	" FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_namespace n ON n.oid = k.connamespace WHERE " USERS
	" UNION ALL SELECT pg_catalog.format('index %I.%I', n.nspname, c.relname), pg_catalog.pg_get_indexdef(c.oid)"
	" FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'i' AND " USERS
	" UNION ALL SELECT pg_catalog.format('trigger %I on %s', t.tgname, t.tgrelid::pg_catalog.regclass), pg_catalog.pg_get_triggerdef(t.oid)"
	" FROM pg_catalog.pg_trigger t WHERE NOT t.tgisinternal"
	" UNION ALL SELECT pg_catalog.format('type %I.%I', n.nspname, t.typname), coalesce((SELECT"
	" pg_catalog.string_agg(e.enumlabel, ',' ORDER BY e.enumsortorder) FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid), '')"
	" FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace WHERE " USERS
	" UNION ALL SELECT pg_catalog.format('extension %I', x.extname), x.extversion FROM pg_catalog.pg_extension x"
	") o ORDER BY what COLLATE \"C\", state COLLATE \"C\"";
#undef USERS

/* The rows of all partitions as one text without brackets around: `[…],[…]`. */
static void gather(const struct pg_answer *a, struct buf *out)
{
	static const struct str head = S_INIT("{\"data\":["), tail = S_INIT("]}");

	for (int i = 0; i < a->nparts; i++) {
		struct str s = engine_bytes_str(a->parts[i].bytes);

		if (a->parts[i].gzip || !str_starts(s, head) || !str_ends(s, tail) || s.n == head.n + tail.n)
			continue;
		if (out->n)
			buf_addc(out, ',');
		buf_add(out, str_head(str_tail(s, head.n), s.n - head.n - tail.n));
	}
}

enum told { TOLD, UNTOLD, ENDED };

/* What is in the database of this connection; UNTOLD: it did not say. ENDED leaves the error. */
static enum told objects(struct build *b, struct pg_conn *p, struct buf *out)
{
	const struct pg_ask ask = {.sql = str_of(objects_sql), .caps = {OBJECTS_MAX, OBJECTS_BYTES}};
	const struct pg_ask first = {.sql = S("SET search_path = pg_catalog")};
	struct pg_answer a;
	bool whole;

	pg_run(b->c, p, &first, 0, &a);
	pg_answer_drop(&a);
	if (a.outcome == PG_OK) {
		pg_run(b->c, p, &ask, 0, &a);
		whole = a.outcome == PG_OK && !a.truncated;
		if (whole)
			gather(&a, out);
		pg_answer_drop(&a);
		if (a.outcome == PG_OK)
			return whole ? TOLD : UNTOLD;
	}
	if (!ticket_may_go_on(b->c, b->ask->stop))
		return ENDED;
	return UNTOLD;
}

/* The first that is not the same; its name, in the call's arena. */
static struct str first_difference(struct build *b, struct str x, struct str y)
{
	struct json_scan s = json_scan(x), t = json_scan(y);
	struct json_cell xa = {0}, xb = {0}, ya = {0}, yb = {0};

	while (json_scan_row(&s)) {
		bool same = json_scan_cell(&s, &xa) && json_scan_cell(&s, &xb) && json_scan_row(&t) && json_scan_cell(&t, &ya) &&
			    json_scan_cell(&t, &yb) && str_eq(xa.raw, ya.raw) && str_eq(xb.raw, yb.raw);

		if (!same)
			return json_unescape(b->c->arena, xa.raw);
	}
	return S("something");
}

/* --- the second build --- */

enum built { AGAIN_BUILT, AGAIN_FAILED, AGAIN_ENDED };

static enum built build_again(struct build *b, struct layer *base, struct buf *out, bool *ret_told)
{
	struct job_error before = b->got->error;
	int64_t ms = b->got->replay_ms;
	struct replaying p = {0};
	enum told told = UNTOLD;
	bool ran = true;

	if (!instance_build(b->c, b->r, base, b->ask->stop, &p.t)) /* no use that others will be expected after */
		return AGAIN_ENDED;
	for (int i = 0; ran && i < b->ask->plan->nsteps; i++)
		ran = replay_step(b, &p, i);
	if (ran && !p.t.conn)
		ran = p.t.instance->ops->connect(b->c, p.t.instance, PG_OWNER, b->ask->stop, &p.t.conn);
	if (ran)
		told = objects(b, p.t.conn, out);
	instance_return(b->r, &p.t, told == TOLD);
	b->got->replay_ms = ms;
	*ret_told = told == TOLD;
	if (told == ENDED)
		return AGAIN_ENDED;
	if (ran)
		return AGAIN_BUILT;
	if (b->c->err.kind == ERR_CANCELED || b->c->err.kind == ERR_STATEMENT_TIMEOUT || b->c->err.kind == ERR_ENGINE_LOST)
		return AGAIN_ENDED;
	call_forgive(b->c); /* it ran once, so it is not the same twice */
	b->got->error = before;
	return AGAIN_FAILED;
}

static enum told look_into(struct build *b, struct layer *l, struct buf *out)
{
	struct tenancy t;
	enum told told;

	if (!instance_build(b->c, b->r, l, b->ask->stop, &t))
		return ENDED;
	told = objects(b, t.conn, out);
	instance_return(b->r, &t, told == TOLD);
	return told;
}

static void keep_verdict(struct build *b, struct layer *l, bool same)
{
	pthread_mutex_lock(&b->r->layers->lock);
	l->verified = same ? 'y' : 'n';
	l->keep = true;
	pthread_mutex_unlock(&b->r->layers->lock);
	layers_keep(b->r);
}

static void tell(struct build *b, const char *message)
{
	if (b->ask->told.step)
		b->ask->told.step(b->ask->told.arg, JOB_AT_TAIL_REPLAY, b->ask->plan->nsteps, b->ask->plan->nsteps, message);
}

static bool verdict(struct build *b, struct layer *l, bool same, struct str differs, const char **ret)
{
	char message[300];

	snprintf(message, sizeof(message), "verify: %.200s%.*s", same ? "a second build was the same" : "a second build differs: ",
		 same ? 0 : (int)(differs.n < 80 ? differs.n : 80), differs.p);
	tell(b, message);
	keep_verdict(b, l, same);
	*ret = same ? "yes" : "no";
	return true;
}

bool layer_verify(struct build *b, struct layer *l, const char **ret)
{
	OWNS(buf) first = {0};
	OWNS(buf) second = {0};
	struct layer *base;
	enum told there;
	enum built again;
	bool told;

	tell(b, "verify: the tail is built once more");
	pthread_mutex_lock(&b->r->layers->lock);
	base = layer_hold(layer_base_locked(b->r->layers, b->c->tenant));
	base->uses++;
	pthread_mutex_unlock(&b->r->layers->lock);
	again = build_again(b, base, &second, &told);
	layer_release(base);
	if (again == AGAIN_ENDED)
		return false;
	if (again == AGAIN_FAILED)
		return verdict(b, l, false, S("it failed"), ret);
	there = look_into(b, l, &first);
	if (there == ENDED)
		return false;
	if (there == UNTOLD || !told) {
		tell(b, "verify: what was built could not be compared");
		return true;
	}
	return verdict(b, l, str_eq(buf_str(&first), buf_str(&second)), first_difference(b, buf_str(&first), buf_str(&second)), ret);
}
