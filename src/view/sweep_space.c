/* sweep_space.c - what a space does not need any more.
 *
 *   sessions   expired; running ones whose server has ended (they failed); marks of deleted ones
 *   SQL        marks of deleted ones; ad-hoc SQL whose last session has ended
 *   views      without an entry; old snapshots, lost objects
 *   tables     that were begun and never made, or half dropped; old snapshots, lost objects
 *
 * Ad-hoc SQL may be taken up again by a session that is opened just then: the
 * sweep marks it first and then looks for sessions once more, an opening session
 * writes its document first and then looks for the mark. One of them sees the other.
 */
#include "view/view_int.h"

enum { CHILDREN = 500, EXPIRY_BATCH = 1000, EXPIRY_ROUNDS = 100, METADATA_MS = 24 * 3600 * 1000,
       TABLE_COST = 10 /* of a pass's budget: it is read as a whole */,
       ADHOC_MS = 60 * 1000 /* a session that makes one has come this far */ };

struct in_space {
	struct sweep *s;
	struct str space;
	struct map used;       /* ids of SQL that has sessions */
	struct map adhoc;      /* ids of SQL that may go when it has none */
	struct str marked;     /* of the object before: the session or SQL that it marks as deleted */
	int64_t now;           /* wall */
	bool looking;          /* for what uses SQL, and no more */
};

/* --- objects of a folder --- */

typedef bool each_fn(struct in_space *in, const struct store_entry *e, struct str name);

static struct store *store_of(const struct in_space *in)
{
	return in->s->v->o.store;
}

static bool drop_key(struct in_space *in, struct str key)
{
	return store_of(in)->ops->drop(&in->s->call, store_of(in), key);
}

/* fn of each object below the folder, by name; false: with an error, or the room stops. */
static bool each(struct in_space *in, const char *folder, each_fn *fn)
{
	struct call *c = &in->s->call;
	struct str prefix = key_space(c, in->space, folder), after = S("");
	struct store_entry *e;
	size_t n;

	in->marked = S("");
	do {
		if (!store_of(in)->ops->list(c, store_of(in), prefix, after, &e, &n))
			return false;
		for (size_t i = 0; i < n; i++) {
			in->s->left--;
			if (!sweep_going(in->s) || !fn(in, &e[i], str_tail(e[i].key, prefix.n)))
				return false;
			after = e[i].key;
		}
	} while (n);
	return true;
}

static bool is_old(const struct in_space *in, const struct store_entry *e, int64_t age)
{
	return in->now - e->changed_ms >= age;
}

static void note(struct in_space *in, struct map *set, struct str id)
{
	struct str key;

	if (map_get(set, id))
		return;
	key = arena_dup(in->s->call.arena, id);
	map_put(set, key, (void *)key.p);
}

/* --- sessions --- */

static bool expire_session(struct in_space *in, struct call *c, struct str key, const struct session_doc *d)
{
	struct views *v = in->s->v;

	if (!drop_key(in, key))
		return false;
	atomic_fetch_add(&v->expired, 1);
	c->principal = d->owner;
	view_tell(v, c, &(struct view_told){VIEW_E_SESSION_EXPIRED, in->space, d->id, d->pin.snapshot_id, -1, -1, S("")});
	return true;
}

static bool fail_session(struct in_space *in, struct call *c, struct session_doc *d)
{
	d->status = S("failed");
	d->error = S(BUILDER_GONE);
	d->attempt = (struct attempt){0};
	if (session_doc_put(c, in->s->v, d, STORE_REPLACE) || c->err.kind == ERR_NOT_FOUND)
		return true;
	return fail_as(&in->s->call, &c->err);
}

/* Nobody can read it: not a reason to keep what it may have pinned for ever. */
static bool unreadable(struct in_space *in, const struct call *c, const struct store_entry *e)
{
	const struct views *v = in->s->v;

	if (c->err.kind == ERR_NOT_FOUND)
		return true;
	if (c->err.kind != ERR_CORRUPT_TABLE)
		return fail_as(&in->s->call, &c->err);
	return !is_old(in, e, v->o.max_ttl_s * 1000 + in->s->late_ms) || drop_key(in, e->key);
}

static bool look_at_session(struct in_space *in, const struct store_entry *e)
{
	OWNS(arena) a = {0};
	struct call c = in->s->call;
	struct session_doc d;
	struct str sql_id;

	if (sweep_knows(in->s, e->key, &sql_id)) {
		note(in, &in->used, sql_id);
		return true;
	}
	c.arena = &a;
	if (!session_doc_read(&c, in->s->v, e->key, &d))
		return unreadable(in, &c, e);
	if (d.expires_ms <= in->now)
		return in->looking || expire_session(in, &c, e->key, &d);
	note(in, &in->used, d.sql_id);
	if (!str_eq(d.status, S("running")))
		sweep_learn(in->s, e->key, &d);
	else if (!in->looking && attempt_gone(in->s->v, &d.attempt, in->s->v->o.skew_ms))
		return fail_session(in, &c, &d);
	return true;
}

/* "{id}/deleted" comes before "{id}/meta.json". */
static bool session_object(struct in_space *in, const struct store_entry *e, struct str name)
{
	struct str id = str_cut(&name, '/');

	if (str_eq(name, S("deleted"))) {
		in->marked = id;
		return in->looking || !is_old(in, e, in->s->late_ms) ||
		       (drop_key(in, key_session(&in->s->call, in->space, id)) && drop_key(in, e->key));
	}
	if (!str_eq(name, S("meta.json")))
		return true;
	if (str_eq(id, in->marked)) /* written after it was deleted */
		return in->looking || drop_key(in, e->key);
	return look_at_session(in, e);
}

/* --- saved SQL --- */

/* What nobody builds any more says so. One that cannot be read keeps no other from its turn. */
static void settle_entry(struct in_space *in, const struct store_entry *e, struct str id)
{
	OWNS(arena) a = {0};
	struct call *c = &in->s->call;
	struct arena *before;
	bool settled = false;

	if (sweep_knows_settled(in->s, e))
		return;
	before = sweep_arena(in->s, &a);
	if (!entry_settle(c, in->s->v, in->space, id, &settled))
		call_forgive(c);
	else if (settled)
		sweep_learn_settled(in->s, e);
	sweep_arena(in->s, before);
}

/* "{id}.deleted" comes before "{id}.json". */
static bool saved_object(struct in_space *in, const struct store_entry *e, struct str name)
{
	struct views *v = in->s->v;
	struct call *c = &in->s->call;
	struct str id = str_head(name, str_find(name, '.')), ending = str_tail(name, id.n);

	if (!id_valid(id))
		return true;
	if (str_eq(ending, S(".deleted"))) {
		in->marked = id;
		return !is_old(in, e, in->s->late_ms) || (entry_drop(c, v, in->space, id) && drop_key(in, e->key));
	}
	if (!str_eq(ending, S(".json")))
		return true;
	if (str_eq(id, in->marked))
		return entry_drop(c, v, in->space, id);
	settle_entry(in, e, id);
	if (!entry_id_listed(id) && is_old(in, e, ADHOC_MS))
		note(in, &in->adhoc, id);
	return true;
}

static bool is_adhoc(struct in_space *in, struct str id)
{
	OWNS(arena) a = {0};
	struct call c = in->s->call;
	struct entry e;

	c.arena = &a;
	return entry_read(&c, in->s->v, in->space, id, &e) && e.adhoc;
}

/* Of those that may go: which have no session, as far as it was seen. */
static struct str *unused(struct in_space *in, int *ret_n)
{
	struct str *ids = ARENA_ARRAY(in->s->call.arena, struct str, in->adhoc.n);
	struct map_slot slot;

	*ret_n = 0;
	for (size_t i = 0; map_next(&in->adhoc, &i, &slot);)
		if (!map_get(&in->used, slot.key) && is_adhoc(in, slot.key))
			ids[(*ret_n)++] = slot.key;
	return ids;
}

static bool collect(struct in_space *in)
{
	struct call *c = &in->s->call;
	struct str *ids;
	int n;

	ids = unused(in, &n);
	for (int i = 0; i < n; i++)
		if (!key_mark(c, in->s->v, key_collecting(c, in->space, ids[i])))
			return false;
	if (n && !each(in, "/sql_sessions/", session_object))
		return false;
	for (int i = 0; i < n; i++) {
		bool in_use = map_get(&in->used, ids[i]) != NULL;

		if (in_use ? !drop_key(in, key_collecting(c, in->space, ids[i])) : !entry_drop(c, in->s->v, in->space, ids[i]))
			return false;
	}
	return true;
}

void sweep_own_sql(struct call *c, struct views *v, struct str space, const struct str *ids, int n)
{
	struct sweep s = sweep_open(c, v);
	struct in_space in = {.s = &s, .space = space, .now = clock_wall_ms(), .looking = true};

	for (int i = 0; i < n; i++)
		note(&in, &in.adhoc, ids[i]);
	if (!each(&in, "/sql_sessions/", session_object) || !collect(&in))
		sweep_failed(&s, space, "SQL of sessions");
	map_close(&in.used);
	map_close(&in.adhoc);
}

/* --- tables and views --- */

/* Sees, or drops, the objects of a folder that are old; *ret_young: there are others. */
static bool old_objects(struct in_space *in, struct str folder, bool drop, bool *ret_young)
{
	struct call *c = &in->s->call;
	struct str after = S("");
	struct store_entry *e;
	size_t n;

	*ret_young = false;
	do {
		if (!store_of(in)->ops->list(c, store_of(in), folder, after, &e, &n))
			return false;
		for (size_t i = 0; i < n; i++) {
			bool old = is_old(in, &e[i], in->s->stale_ms);

			*ret_young = *ret_young || !old;
			if (drop && old && !drop_key(in, e[i].key))
				return false;
			atomic_fetch_add(&in->s->v->objects_dropped, drop && old);
			after = e[i].key;
		}
	} while (n && !*ret_young);
	return true;
}

/* Drops all of it when nothing was written there for a while. */
static bool drop_stale(struct in_space *in, struct str prefix)
{
	struct call *c = &in->s->call;
	struct str folder = arena_fmt(c->arena, "%.*s/", SARG(prefix));
	bool young;

	if (!old_objects(in, folder, false, &young))
		return false;
	if (young)
		return true;
	store_cache_forget(in->s->v->o.cache, c->tenant, folder);
	return old_objects(in, folder, true, &young);
}

static bool expire_table(struct in_space *in, struct str prefix)
{
	struct call *c = &in->s->call;
	struct views *v = in->s->v;
	const struct ice_expiry x = {.now_ms = in->now, .successor_age_ms = views_successor_age_ms(v), .beside_age_ms = v->o.max_ttl_s * 1000,
				     .metadata_age_ms = METADATA_MS, .orphan_age_ms = in->s->stale_ms, .batch = EXPIRY_BATCH};
	struct ice_expired done = {.more = true};

	for (int i = 0; done.more && i < EXPIRY_ROUNDS && sweep_going(in->s); i++) {
		if (!ice_expire(c, v->o.store, prefix, &x, &done)) {
			if (c->err.kind != ERR_NOT_FOUND)
				return false;
			call_forgive(c);
			return drop_stale(in, prefix);
		}
		atomic_fetch_add(&v->snapshots_dropped, (unsigned long long)done.snapshots);
		atomic_fetch_add(&v->objects_dropped, (unsigned long long)done.objects);
	}
	return true;
}

/* A name that was taken a while ago, and has no table: it is given back, as by a drop that another pass ends. */
static bool give_back_name(struct in_space *in, struct str name)
{
	struct call *c = &in->s->call;
	struct table_mark m = {0};
	struct ice_table t;

	if (table_mark_read(c, in->s->v, in->space, name, &m)) {
		if (m.deleting_ms || ice_load(c, store_of(in), key_table(c, in->space, m.name), &t))
			return true;
	}
	if (c->err.kind != ERR_NOT_FOUND)
		return false;
	call_forgive(c);
	if (!m.name.n)
		return true;
	m.deleting_ms = in->now;
	return table_mark_write(c, in->s->v, in->space, &m, STORE_REPLACE);
}

static bool name_object(struct in_space *in, const struct store_entry *e, struct str name)
{
	OWNS(arena) a = {0};
	struct arena *spaces = sweep_arena(in->s, &a);

	if (!table_finish_drop(&in->s->call, in->s->v, in->space, name) || (is_old(in, e, in->s->stale_ms) && !give_back_name(in, name)))
		sweep_failed(in->s, in->space, "the name of a table");
	sweep_arena(in->s, spaces);
	return true;
}

/* One that is gone wrong does not keep the others. */
static void sweep_table(struct in_space *in, struct str prefix, struct str authority)
{
	OWNS(arena) a = {0};
	struct arena *spaces = sweep_arena(in->s, &a);
	bool there;

	in->s->left -= TABLE_COST;
	if (!key_there(&in->s->call, in->s->v, authority, &there) || !(there ? expire_table(in, prefix) : drop_stale(in, prefix)))
		sweep_failed(in->s, in->space, "a table");
	sweep_arena(in->s, spaces);
}

static struct str authority_of(struct in_space *in, bool views, struct str name)
{
	struct call *c = &in->s->call;

	return views ? key_saved(c, in->space, name) : key_table_name(c, in->space, name);
}

static bool sweep_tables(struct in_space *in, bool views)
{
	struct call *c = &in->s->call;
	struct view_page page = {.limit = CHILDREN};
	struct str *names;
	int n;

	do {
		if (!key_children(c, in->s->v, key_space(c, in->space, views ? "/materialized_views" : "/tables"), &page, &names, &n))
			return false;
		for (int i = 0; i < n && sweep_going(in->s); i++) {
			struct str prefix = views ? key_view(c, in->space, names[i]) : key_table(c, in->space, names[i]);

			if (!views || id_valid(names[i]))
				sweep_table(in, prefix, authority_of(in, views, names[i]));
		}
		page.after = page.next;
	} while (page.next.n);
	return true;
}

/* --- all of it --- */

void sweep_space(struct sweep *s, struct str space)
{
	struct in_space in = {.s = s, .space = space, .now = clock_wall_ms()};
	bool there;

	if (!space_finish_drop(&s->call, s->v, space))
		sweep_failed(s, space, "its deletion");
	if (!key_there(&s->call, s->v, key_space(&s->call, space, "/meta.json"), &there) ||
	    (!there && !drop_stale(&in, key_space(&s->call, space, "")))) {
		sweep_failed(s, space, "what is left of it");
		return;
	}
	if (!each(&in, "/sql_sessions/", session_object))
		sweep_failed(s, space, "sessions");
	else if (!each(&in, "/sql/", saved_object) || !collect(&in))
		sweep_failed(s, space, "saved SQL");
	if (!sweep_tables(&in, true))
		sweep_failed(s, space, "views");
	if (!each(&in, "/table_names/", name_object) || !sweep_tables(&in, false))
		sweep_failed(s, space, "tables");
	map_close(&in.used);
	map_close(&in.adhoc);
}
