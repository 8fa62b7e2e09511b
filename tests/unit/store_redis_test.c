/* store_redis_test.c - what the Redis store does besides the contract: two servers on one Redis, leases, messages, the sweep,
 * keys and their times to live, damage, and a Redis that is full, paused or gone. */
#include "statement/store_redis_int.h"

#include "stmt_store_rig.h"

#include "race.h"

static const struct stmt_backend on_redis = {
	.name = "redis", .place = redis_place, .open = redis_store, .closed = redis_store_closed, .leave = redis_leave,
	.owner = stmt_store_redis_owner,
};

/* --- a second server on the same Redis --- */

struct heard {
	pthread_mutex_t lock;
	char last[256];
	int canceled, changed, lost, ended; /* lost: messages may have been; ended: what dead servers ran */
};

struct second {
	struct redis *client;
	struct stmt_store *s;
	struct heard heard;
};

static void on_cancel(void *arg, struct str tenant, struct str handle)
{
	struct heard *h = arg;

	pthread_mutex_lock(&h->lock);
	h->canceled++;
	snprintf(h->last, sizeof(h->last), "%.*s %.*s", SARG(tenant), SARG(handle));
	pthread_mutex_unlock(&h->lock);
}

static void on_lost(void *arg, struct call *c, const struct stmt_record *r)
{
	struct heard *h = arg;

	(void)c;
	assert_true(r->state == STMT_FAILED && r->error->kind == ERR_SERVER_LOST && r->completed_ms > 0);
	pthread_mutex_lock(&h->lock);
	h->ended++;
	pthread_mutex_unlock(&h->lock);
}

static void on_changed(void *arg, struct str tenant, struct str handle)
{
	struct heard *h = arg;

	pthread_mutex_lock(&h->lock);
	if (handle.n)
		h->changed++;
	else
		h->lost++;
	snprintf(h->last, sizeof(h->last), "%.*s %.*s", SARG(tenant), SARG(handle));
	pthread_mutex_unlock(&h->lock);
}

static int count_of(struct heard *h, const int *n)
{
	int got;

	pthread_mutex_lock(&h->lock);
	got = *n;
	pthread_mutex_unlock(&h->lock);
	return got;
}

static void second_open(struct stores *f, struct second *b, int64_t timeout_ms)
{
	struct redis_options o = redis_rig_options(&((struct redis_place *)f->place)->rig);
	struct store_redis_options so = {.prefix = S("mayfly:statements:"), .server = S("second"), .tombstone_ms = TOMB_MS,
					 .cancel = on_cancel, .changed = on_changed, .lost = on_lost};

	*b = (struct second){.client = NULL};
	pthread_mutex_init(&b->heard.lock, NULL);
	if (timeout_ms)
		o.timeout_ms = timeout_ms;
	so.redis = b->client = redis_rig_client(&f->c, &o);
	so.arg = &b->heard;
	b->s = stmt_store_redis(&f->c, &so);
	assert_non_null(b->s);
	REDIS_UNTIL(count_of(&b->heard, &b->heard.lost) > 0); /* it listens */
}

static void second_close(struct second *b)
{
	b->s->ops->close(b->s);
	redis_close(b->client);
	pthread_mutex_destroy(&b->heard.lock);
}

/* The same fixture, asking the other server. */
static struct stores through(const struct stores *f, const struct second *b)
{
	struct stores g = *f;

	g.s = b->s;
	call_open(&g.c, f->c.arena);
	return g;
}

/* --- Redis itself --- */

static struct redis_value ask(struct stores *f, struct redis_command cmd)
{
	struct redis_value v;

	WORKS(f, redis_one(&f->c, ((struct redis_place *)f->place)->client, cmd, &v));
	return v;
}
#define ASK(f, ...) ask((f), REDIS_COMMAND(__VA_ARGS__))

static struct str key(struct stores *f, const struct made *m, const char *what)
{
	return arena_fmt(&f->arena, "mayfly:statements:acme:%s:%.*s", what, SARG(m->r.handle));
}

static struct str part_key(struct stores *f, const struct made *m, int i)
{
	return arena_fmt(&f->arena, "mayfly:statements:acme:result:%.*s:%d", SARG(m->r.handle), i);
}

static struct str lease_key(struct stores *f)
{
	return arena_fmt(&f->arena, "mayfly:statements:owner:%.*s", SARG(stmt_store_redis_owner(f->s)));
}

static int keys_like(struct stores *f, const char *pattern)
{
	return ASK(f, S("KEYS"), str_of(pattern)).n;
}

static int64_t ttl(struct stores *f, struct str of)
{
	return ASK(f, S("PTTL"), of).integer;
}

#define ON_REDIS(f) \
	REDIS_NEEDED(); \
	assert_true(stores_open((f), &on_redis))

/* --- keys --- */

static void keys_are_the_documents_and_all_have_a_time_to_live(void **state)
{
	static const char *const columns[] = {"handle", "session_id", "sql", "status", "created_at", "started_at", "completed_at",
					      "result_row_count", "result_metadata", "owner", "principal", "tenant", "expires_at"};
	struct made running, done, large, dropped;
	struct redis_value all;
	struct stores f;

	(void)state;
	ON_REDIS(&f);
	make(&f, &running, "s1");
	WORKS(&f, add(&f, &running));
	made_kept(&f, &done, "s1");
	make(&f, &large, "");
	made_part(&large, 3000000, true, 1);
	made_part(&large, 3000000, false, 2);
	made_succeed(&large);
	WORKS(&f, end(&f, &large));
	made_kept(&f, &dropped, "s2");
	WORKS(&f, drop(&f, &dropped));
	WORKS(&f, f.s->ops->drop_session(&f.c, f.s, S("acme"), S("s2")));
	all = ASK(&f, S("KEYS"), S("*"));
	assert_true(all.n >= 14);
	for (int i = 0; i < all.n; i++) {
		assert_true(str_starts(all.items[i].text, S("mayfly:statements:")));
		if (ttl(&f, all.items[i].text) <= 0)
			print_message("no time to live: %.*s\n", (int)all.items[i].text.n, all.items[i].text.p);
		assert_true(ttl(&f, all.items[i].text) > 0);
	}
	for (size_t i = 0; i < COUNT_OF(columns); i++)
		assert_int_equal(ASK(&f, S("HEXISTS"), key(&f, &done, "statement"), str_of(columns[i])).integer, 1);
	assert_int_equal(ASK(&f, S("SISMEMBER"), S("mayfly:statements:acme:session:s1:statements"), done.r.handle).integer, 1);
	assert_in_range(ttl(&f, key(&f, &done, "statement")), TTL_MS + TOMB_MS - 10000, TTL_MS + TOMB_MS);
	assert_in_range(ttl(&f, part_key(&f, &large, 1)), TTL_MS, TTL_MS + RESULT_SLACK_MS);
	expect_same_text(str_head(ASK(&f, S("GET"), part_key(&f, &large, 1)).text, 2), S("\x1f\x8b"));
	assert_int_equal(ASK(&f, S("EXISTS"), part_key(&f, &dropped, 0)).integer, 0);
	assert_int_equal(ASK(&f, S("HEXISTS"), key(&f, &dropped, "statement"), S("sql")).integer, 0);
	assert_int_equal(keys_like(&f, "*staged*"), 0);
	made_close(&running);
	made_close(&done);
	made_close(&large);
	made_close(&dropped);
	stores_close(&f);
}

static void what_is_swept_leaves_only_that_it_was_there(void **state)
{
	enum { N = SWEEP_BATCH * 2 + 50 };
	struct stores f;

	(void)state;
	ON_REDIS(&f);
	for (int i = 0; i < N; i++) {
		struct made m;

		made_kept(&f, &m, i % 2 ? "s1" : "");
		made_close(&m);
	}
	assert_int_equal(keys_like(&f, "*:result:*"), N);
	clock_advance(TTL_MS + 1);
	f.s->ops->sweep(f.s);
	f.s->ops->sweep(f.s);
	assert_int_equal(keys_like(&f, "*:result:*"), 0);
	assert_int_equal(keys_like(&f, "*:statement:*"), N);
	assert_int_equal(keys_like(&f, "*acme:index"), 0);
	assert_int_equal(keys_like(&f, "*acme:ended"), 0);
	assert_int_equal(keys_like(&f, "*acme:session:*"), 0);
	assert_int_equal(ASK(&f, S("SCARD"), S("mayfly:statements:tenants")).integer, 0);
	stores_close(&f);
}

static void what_redis_forgot_itself_is_taken_out(void **state)
{
	struct made m, other;
	struct stmt_record r;
	struct engine_bytes *bytes;
	struct stores f;

	(void)state;
	ON_REDIS(&f);
	made_kept(&f, &m, "s1");
	made_kept(&f, &other, "s1");
	WORKS(&f, find(&f, &m, &r));
	ASK(&f, S("PEXPIRE"), part_key(&f, &m, 0), S("1"));
	REDIS_UNTIL(ASK(&f, S("EXISTS"), part_key(&f, &m, 0)).integer == 0);
	r.first = S(""); /* had it not come along */
	REFUSED(&f, f.s->ops->part(&f.c, f.s, &r, 0, &bytes), ERR_STORAGE);
	ASK(&f, S("PEXPIRE"), key(&f, &m, "statement"), S("1"));
	REDIS_UNTIL(ASK(&f, S("EXISTS"), key(&f, &m, "statement")).integer == 0);
	expect_missing(&f, &m);
	REFUSED(&f, f.s->ops->part(&f.c, f.s, &r, 0, &bytes), ERR_NOT_FOUND);
	assert_int_equal(ASK(&f, S("ZCARD"), S("mayfly:statements:acme:index")).integer, 2);
	assert_int_equal(count_listed(&f, &any_filter), 1);
	assert_int_equal(ASK(&f, S("ZCARD"), S("mayfly:statements:acme:index")).integer, 1);
	assert_int_equal(ASK(&f, S("ZCARD"), S("mayfly:statements:acme:ended")).integer, 1);
	made_close(&m);
	made_close(&other);
	stores_close(&f);
}

static void what_runs_is_renewed(void **state)
{
	enum { N = 450 };
	struct made *m = base_zalloc(sizeof(*m) * N);
	struct stores f;

	(void)state;
	ON_REDIS(&f);
	for (int i = 0; i < N; i++) {
		make(&f, &m[i], "s1");
		WORKS(&f, add(&f, &m[i]));
		ASK(&f, S("PEXPIRE"), key(&f, &m[i], "statement"), S("30000"));
	}
	ASK(&f, S("PEXPIRE"), S("mayfly:statements:acme:index"), S("30000"));
	ASK(&f, S("PEXPIRE"), S("mayfly:statements:acme:session:s1:statements"), S("30000"));
	ASK(&f, S("DEL"), lease_key(&f));
	stmt_store_redis_renew(f.s);
	assert_in_range(ttl(&f, lease_key(&f)), LEASE_MS - 10000, LEASE_MS);
	for (int i = 0; i < N; i++)
		assert_true(ttl(&f, key(&f, &m[i], "statement")) > 30000);
	assert_true(ttl(&f, S("mayfly:statements:acme:index")) > 30000);
	assert_true(ttl(&f, S("mayfly:statements:acme:session:s1:statements")) > 30000);
	free(m);
	stores_close(&f);
}

/* --- two servers --- */

static void what_one_server_does_the_other_sees_and_hears(void **state)
{
	struct made m;
	struct second b;
	struct stores f, g;

	(void)state;
	ON_REDIS(&f);
	second_open(&f, &b, 0);
	g = through(&f, &b);
	make(&f, &m, "s1");
	WORKS(&f, add(&f, &m));
	expect_state(&g, &m, STMT_SUBMITTED);
	made_part(&m, 5000, true, 1);
	made_part(&m, 100000, false, 2);
	made_succeed(&m);
	WORKS(&f, end(&f, &m));
	REDIS_UNTIL(count_of(&b.heard, &b.heard.changed) == 1);
	assert_string_equal(b.heard.last, arena_fmt(&f.arena, "acme %s", m.id.text).p);
	expect_record(&g, &m);
	expect_parts(&g, &m);
	WORKS(&f, grant_to(&f, &m, "bob", true));
	REDIS_UNTIL(count_of(&b.heard, &b.heard.changed) == 2);
	WORKS(&g, grant_to(&g, &m, "eve", true)); /* its own doing it is not told of */
	WORKS(&g, drop(&g, &m));
	expect_missing(&f, &m);
	made_close(&m);
	made_kept(&f, &m, "s1");
	WORKS(&f, f.s->ops->drop_session(&f.c, f.s, S("acme"), S("s1")));
	REDIS_UNTIL(count_of(&b.heard, &b.heard.changed) == 4);
	made_close(&m);
	second_close(&b);
	stores_close(&f);
}

static void a_cancel_reaches_its_owner(void **state)
{
	struct made m;
	struct second b;
	struct stores f, g;

	(void)state;
	ON_REDIS(&f);
	second_open(&f, &b, 0);
	g = through(&f, &b);
	make(&g, &m, "s1");
	WORKS(&g, add(&g, &m));
	WORKS(&f, stmt_store_redis_cancel(&f.c, f.s, &m.r));
	REDIS_UNTIL(count_of(&b.heard, &b.heard.canceled) == 1);
	assert_string_equal(b.heard.last, arena_fmt(&f.arena, "acme %s", m.id.text).p);
	stmt_store_redis_renew(b.s); /* had the message been lost, it would be found here */
	assert_int_equal(count_of(&b.heard, &b.heard.canceled), 2);
	made_fail(&m);
	WORKS(&g, end(&g, &m));
	stmt_store_redis_renew(b.s);
	assert_int_equal(count_of(&b.heard, &b.heard.canceled), 2);
	WORKS(&f, stmt_store_redis_cancel(&f.c, f.s, &m.r)); /* it has ended: nothing */
	WORKS(&f, drop(&f, &m));
	REFUSED(&f, stmt_store_redis_cancel(&f.c, f.s, &m.r), ERR_NOT_FOUND);
	made_close(&m);
	second_close(&b);
	stores_close(&f);
}

static void expect_lost(struct stores *f, const struct made *m)
{
	struct stmt_record r;

	WORKS(f, find(f, m, &r));
	assert_int_equal(r.state, STMT_FAILED);
	assert_int_equal(r.error->kind, ERR_SERVER_LOST);
	assert_true(r.completed_ms > 0 && r.expires_ms == r.completed_ms + TTL_MS && r.nparts == 0);
	expect_same_text(r.sql, m->r.sql);
	expect_same_text(r.claim, m->r.claim);
}

static void who_finds_what_a_dead_server_ran_ends_it(void **state)
{
	struct made m, found, canceled;
	struct second b;
	struct stores f, g;

	(void)state;
	ON_REDIS(&f);
	second_open(&f, &b, 0);
	g = through(&f, &b);
	make(&g, &m, "s1");
	make(&g, &found, "");
	make(&g, &canceled, "");
	WORKS(&g, add(&g, &m));
	WORKS(&g, add(&g, &found));
	WORKS(&g, add(&g, &canceled));
	expect_state(&f, &m, STMT_SUBMITTED);
	f.s->ops->sweep(f.s); /* it lives */
	expect_state(&f, &m, STMT_SUBMITTED);
	ASK(&f, S("PEXPIRE"), lease_key(&g), S("1"));
	REDIS_UNTIL(ASK(&f, S("EXISTS"), lease_key(&g)).integer == 0);
	expect_state(&g, &m, STMT_SUBMITTED); /* itself it believes */
	expect_lost(&f, &found);
	REFUSED(&f, stmt_store_redis_cancel(&f.c, f.s, &canceled.r), ERR_NOT_FOUND);
	expect_lost(&f, &canceled);
	f.s->ops->sweep(f.s);
	expect_lost(&f, &m);
	expect_lost(&g, &m);
	made_part(&m, 100000, false, 1);
	made_succeed(&m);
	REFUSED(&g, end(&g, &m), ERR_CONFLICT); /* it was paused, and comes back */
	expect_lost(&g, &m);
	assert_int_equal(keys_like(&f, "*:result:*"), 0);
	stmt_store_redis_renew(b.s);
	assert_int_equal(ASK(&f, S("EXISTS"), lease_key(&g)).integer, 1);
	made_close(&m);
	make(&g, &m, "s1");
	WORKS(&g, add(&g, &m));
	f.s->ops->sweep(f.s);
	expect_state(&f, &m, STMT_SUBMITTED);
	made_close(&m);
	second_close(&b);
	stores_close(&f);
}

static void sweep_it(struct racer *r)
{
	struct stmt_store *const *s = r->arg;

	s[r->number % 2]->ops->sweep(s[r->number % 2]);
}

static void many_sweep_what_a_dead_server_left(void **state)
{
	enum { N = SWEEP_BATCH * 2 + 50 };
	struct made *m = base_zalloc(sizeof(*m) * N);
	struct stmt_store *both[2];
	struct second b, c, d;
	struct stores f, g;
	int ended = 0;

	(void)state;
	ON_REDIS(&f);
	second_open(&f, &b, 0);
	second_open(&f, &c, 0);
	g = through(&f, &b);
	for (int i = 0; i < N; i++) {
		make(&g, &m[i], i % 2 ? "s1" : "");
		WORKS(&g, add(&g, &m[i]));
	}
	ASK(&f, S("SADD"), arena_fmt(&f.arena, "%.*s:running", SARG(lease_key(&g))), S("no name"), S("acme gone"));
	ASK(&f, S("DEL"), lease_key(&g));
	second_open(&f, &d, 0);
	both[0] = d.s;
	both[1] = c.s;
	race(sweep_it, both);
	assert_int_equal(c.heard.ended + d.heard.ended, N); /* each told once */
	second_close(&d);
	for (int i = 0; i < N; i++)
		expect_lost(&f, &m[i]);
	/* Of every end there is one message; c hears those of f's. */
	REDIS_UNTIL((ended = count_of(&b.heard, &b.heard.changed)) >= N);
	assert_int_equal(ended, N);
	assert_int_equal(ASK(&f, S("SISMEMBER"), S("mayfly:statements:owners"), stmt_store_redis_owner(g.s)).integer, 0);
	assert_int_equal(ASK(&f, S("EXISTS"), arena_fmt(&f.arena, "%.*s:running", SARG(lease_key(&g)))).integer, 0);
	free(m);
	second_close(&c);
	second_close(&b);
	stores_close(&f);
}

/* --- a session that closes while statements come --- */

struct adding {
	struct stores g; /* through the other server */
	struct id made[4000];
	int n;
	atomic_bool stop;
};

static void *add_more(void *arg)
{
	struct adding *t = arg;
	OWNS(arena) a = {0};
	bool open = true;

	call_open(&t->g.c, &a);
	while (open && t->n < 4000 && !atomic_load(&t->stop)) {
		struct made m;

		make(&t->g, &m, "s1");
		open = add(&t->g, &m);
		assert_true(open || t->g.c.err.kind == ERR_SESSION_CLOSED);
		if (open)
			t->made[t->n++] = m.id;
		arena_reset(&a);
	}
	return NULL;
}

static void a_large_session_goes_while_another_adds(void **state)
{
	enum { N = 2500 };
	struct adding *t = base_zalloc(sizeof(*t));
	struct made m, other;
	struct second b;
	struct stores f;
	pthread_t thread;

	(void)state;
	ON_REDIS(&f);
	second_open(&f, &b, 0);
	t->g = through(&f, &b);
	for (int i = 0; i < N; i++) {
		make(&f, &m, "s1");
		WORKS(&f, add(&f, &m));
	}
	made_kept(&f, &other, "s2");
	assert_int_equal(ASK(&f, S("SCARD"), S("mayfly:statements:acme:session:s1:statements")).integer, N);
	pthread_create(&thread, NULL, add_more, t);
	WORKS(&f, f.s->ops->drop_session(&f.c, f.s, S("acme"), S("s1")));
	atomic_store(&t->stop, true);
	pthread_join(thread, NULL);
	assert_int_equal(ASK(&f, S("EXISTS"), S("mayfly:statements:acme:session:s1:statements")).integer, 0);
	assert_int_equal(count_listed(&f, &any_filter), 1);
	for (int i = 0; i < t->n; i++) {
		m.id = t->made[i];
		m.r.handle = id_str(&m.id);
		expect_missing(&f, &m);
	}
	expect_parts(&f, &other);
	made_close(&other);
	free(t);
	second_close(&b);
	stores_close(&f);
}

static void a_session_too_large_to_sort_is_listed_all_the_same(void **state)
{
	struct stmt_filter by = any_filter;
	struct made m[3];
	struct stores f;

	(void)state;
	ON_REDIS(&f);
	for (int i = 0; i < 3; i++) {
		make(&f, &m[i], i < 2 ? "s1" : "");
		WORKS(&f, add(&f, &m[i]));
	}
	ASK(&f, S("EVAL"), S("for i = 1, 10001 do redis.call('ZADD', KEYS[1], 1, 'x' .. i) end"), S("1"),
	    S("mayfly:statements:acme:session:s1:live"));
	by.session_id = S("s1");
	assert_int_equal(count_listed(&f, &by), 2);
	stores_close(&f);
}

/* --- damage --- */

static void a_key_of_another_type_is_that_handles_trouble_alone(void **state)
{
	struct made m, good, fresh;
	struct stmt_record r;
	struct stores f;

	(void)state;
	ON_REDIS(&f);
	made_kept(&f, &good, "s1");
	made_kept(&f, &m, "s1");
	ASK(&f, S("SET"), key(&f, &m, "statement"), S("foreign"));
	REFUSED(&f, find(&f, &m, &r), ERR_STORAGE);
	REFUSED(&f, add(&f, &m), ERR_CONFLICT);
	REFUSED(&f, end(&f, &m), ERR_STORAGE);
	REFUSED(&f, grant_to(&f, &m, "bob", true), ERR_STORAGE);
	REFUSED(&f, drop(&f, &m), ERR_STORAGE);
	REFUSED(&f, f.s->ops->started(&f.c, f.s, &m.r), ERR_STORAGE);
	assert_int_equal(count_listed(&f, &any_filter), 1);
	expect_parts(&f, &good);
	expect_same_text(ASK(&f, S("GET"), key(&f, &m, "statement")).text, S("foreign"));
	REFUSED(&f, f.s->ops->drop_session(&f.c, f.s, S("acme"), S("s1")), ERR_STORAGE);
	expect_missing(&f, &good);
	WORKS(&f, f.s->ops->drop_session(&f.c, f.s, S("acme"), S("s1")));
	make(&f, &fresh, "s3");
	ASK(&f, S("SET"), S("mayfly:statements:acme:session:s3:live"), S("foreign"));
	REFUSED(&f, add(&f, &fresh), ERR_STORAGE);
	made_succeed(&fresh);
	REFUSED(&f, end(&f, &fresh), ERR_STORAGE);
	expect_missing(&f, &fresh); /* nothing of it was written */
	made_close(&m);
	made_close(&good);
	made_close(&fresh);
	stores_close(&f);
}

static void a_damaged_record_is_told(void **state)
{
	static const char *const changes[][2] = {
		{"status", "DONE"}, {"status", ""}, {"status", "FAILED"}, {"status", "RUNNING"}, {"tenant", "other"}, {"handle", "x"},
		{"created_at", "yesterday"}, {"completed_at", "-1"}, {"expires_at", "0"}, {"expires_at", "99999999999999999999"},
		{"result_row_count", "11"}, {"result_row_count", "ten"}, {"gone", "perhaps"}, {"grants", "3:ab"}, {"grants", "x"},
		{"grants", "-1:a"}, {"result_metadata", ""}, {"result_metadata", "{}"}, {"result_metadata", "\xff"},
	};
	struct made good;
	struct stores f;

	(void)state;
	ON_REDIS(&f);
	made_kept(&f, &good, "s1");
	for (size_t i = 0; i < COUNT_OF(changes); i++) {
		struct stmt_record r;
		struct made m;

		made_kept(&f, &m, "s1");
		ASK(&f, S("HSET"), key(&f, &m, "statement"), str_of(changes[i][0]), str_of(changes[i][1]));
		REFUSED(&f, find(&f, &m, &r), ERR_STORAGE);
		made_close(&m);
	}
	for (int i = 0; i < 3; i++) {
		struct stmt_record r;
		struct made m;

		made_kept(&f, &m, "s1");
		ASK(&f, S("HDEL"), key(&f, &m, "statement"), i == 0 ? S("sql") : i == 1 ? S("status") : S("tenant"));
		REFUSED(&f, find(&f, &m, &r), ERR_STORAGE);
		made_close(&m);
	}
	assert_int_equal(count_listed(&f, &any_filter), 1);
	clock_advance(TTL_MS + 1);
	f.s->ops->sweep(f.s);
	stmt_store_redis_renew(f.s);
	made_close(&good);
	stores_close(&f);
}

static void another_tenants_record_is_never_shown(void **state)
{
	struct stmt_store_key k;
	struct stmt_record r;
	struct made m;
	struct stores f;

	(void)state;
	ON_REDIS(&f);
	made_kept(&f, &m, "s1");
	ASK(&f, S("EVAL"), S("redis.call('RESTORE', KEYS[2], 0, redis.call('DUMP', KEYS[1]))"), S("2"), key(&f, &m, "statement"),
	    arena_fmt(&f.arena, "mayfly:statements:eve:statement:%s", m.id.text));
	k = key_of(&m);
	k.tenant = S("eve");
	REFUSED(&f, f.s->ops->find(&f.c, f.s, &k, &r), ERR_STORAGE);
	made_close(&m);
	stores_close(&f);
}

static void a_damaged_partition_is_told(void **state)
{
	struct engine_bytes *bytes;
	struct stmt_record r;
	struct made m;
	struct stores f;

	(void)state;
	ON_REDIS(&f);
	make(&f, &m, "s1");
	for (int i = 0; i < 5; i++)
		made_part(&m, 1000, i % 2 == 0, i);
	made_succeed(&m);
	WORKS(&f, end(&f, &m));
	ASK(&f, S("APPEND"), part_key(&f, &m, 0), S("x"));
	ASK(&f, S("SETRANGE"), part_key(&f, &m, 1), S("200"), S("damage"));
	ASK(&f, S("DEL"), part_key(&f, &m, 2));
	ASK(&f, S("RENAME"), part_key(&f, &m, 4), part_key(&f, &m, 3));
	ASK(&f, S("LPUSH"), part_key(&f, &m, 4), S("x"));
	WORKS(&f, find(&f, &m, &r));
	assert_int_equal(r.first.n, 0);
	for (int i = 0; i < 5; i++)
		REFUSED(&f, f.s->ops->part(&f.c, f.s, &r, i, &bytes), ERR_STORAGE);
	REFUSED(&f, f.s->ops->part(&f.c, f.s, &r, 5, &bytes), ERR_NOT_FOUND);
	REFUSED(&f, f.s->ops->part(&f.c, f.s, &r, -1, &bytes), ERR_NOT_FOUND);
	made_close(&m);
	stores_close(&f);
}

/* --- a Redis in trouble --- */

static void a_full_redis_refuses_and_keeps_nothing_of_it(void **state)
{
	struct made m, kept, fresh, running;
	struct stores f;

	(void)state;
	ON_REDIS(&f);
	made_kept(&f, &kept, "s1");
	make(&f, &running, "s1");
	WORKS(&f, add(&f, &running));
	make(&f, &m, "s1");
	WORKS(&f, add(&f, &m));
	for (int i = 0; i < 20; i++)
		made_part(&m, 2000000, true, i);
	made_succeed(&m);
	ASK(&f, S("CONFIG"), S("SET"), S("maxmemory-policy"), S("noeviction"));
	ASK(&f, S("CONFIG"), S("SET"), S("maxmemory"), S("20mb")); /* full when some of it is written */
	REFUSED(&f, end(&f, &m), ERR_QUOTA);
	REDIS_UNTIL(keys_like(&f, "*staged*") == 0);
	expect_state(&f, &m, STMT_SUBMITTED);
	ASK(&f, S("CONFIG"), S("SET"), S("maxmemory"), S("1"));
	make(&f, &fresh, "");
	REFUSED(&f, add(&f, &fresh), ERR_QUOTA);
	expect_missing(&f, &fresh);
	made_fail(&fresh);
	REFUSED(&f, end(&f, &fresh), ERR_QUOTA);
	REFUSED(&f, end(&f, &m), ERR_QUOTA);
	expect_parts(&f, &kept);
	made_fail(&running);
	WORKS(&f, end(&f, &running)); /* that it has failed is little */
	expect_record(&f, &running);
	ASK(&f, S("PEXPIRE"), lease_key(&f), S("500"));
	stmt_store_redis_renew(f.s); /* a lease is no new memory */
	assert_true(ttl(&f, lease_key(&f)) > 500);
	WORKS(&f, drop(&f, &kept)); /* and this makes room */
	expect_missing(&f, &kept);
	WORKS(&f, f.s->ops->drop_session(&f.c, f.s, S("acme"), S("s9")));
	ASK(&f, S("CONFIG"), S("SET"), S("maxmemory"), S("0"));
	WORKS(&f, end(&f, &m));
	expect_parts(&f, &m);
	made_close(&m);
	made_close(&kept);
	made_close(&fresh);
	made_close(&running);
	stores_close(&f);
}

static void scripts_are_known_again_after_a_restart(void **state)
{
	struct made m, lost;
	struct stmt_record r;
	struct stores f;
	struct redis_place *p;

	(void)state;
	ON_REDIS(&f);
	p = f.place;
	made_kept(&f, &lost, "s1");
	ASK(&f, S("SCRIPT"), S("FLUSH"));
	made_kept(&f, &m, "s1");
	expect_parts(&f, &m);
	made_close(&m);
	redis_rig_kill(&p->rig);
	REDIS_UNTIL(!redis_up(p->client));
	REFUSED(&f, find(&f, &lost, &r), ERR_UNAVAILABLE);
	make(&f, &m, "s1");
	REFUSED(&f, add(&f, &m), ERR_UNAVAILABLE);
	made_succeed(&m);
	REFUSED(&f, end(&f, &m), ERR_UNAVAILABLE);
	REFUSED(&f, drop(&f, &m), ERR_UNAVAILABLE);
	f.s->ops->sweep(f.s);
	stmt_store_redis_renew(f.s);
	redis_rig_start(&p->rig);
	REDIS_UNTIL(redis_up(p->client));
	expect_missing(&f, &lost); /* it was in memory only */
	made_close(&m);
	made_kept(&f, &m, "s1");
	expect_parts(&f, &m);
	made_close(&m);
	made_close(&lost);
	stores_close(&f);
}

static void an_end_whose_answer_was_lost_is_done_once(void **state)
{
	struct made m;
	struct second b;
	struct stores f, g;
	struct redis_place *p;

	(void)state;
	ON_REDIS(&f);
	p = f.place;
	second_open(&f, &b, 2000);
	g = through(&f, &b);
	for (int large = 0; large < 2; large++) {
		struct redis_value left;
		bool again;

		make(&g, &m, "s1");
		WORKS(&g, add(&g, &m));
		made_part(&m, large ? 200000 : 1000, false, 1);
		made_succeed(&m);
		redis_rig_signal(&p->rig, SIGSTOP);
		REFUSED(&g, end(&g, &m), ERR_UNAVAILABLE);
		redis_rig_signal(&p->rig, SIGCONT);
		do {
			call_forgive(&g.c);
			again = end(&g, &m);
		} while (!again && g.c.err.kind == ERR_UNAVAILABLE);
		if (!again)
			assert_int_equal(g.c.err.kind, ERR_CONFLICT); /* it was done, then */
		call_forgive(&g.c);
		expect_record(&f, &m);
		expect_parts(&f, &m);
		left = ASK(&f, S("KEYS"), S("*staged*")); /* what came too late to be taken back goes by itself */
		for (int i = 0; i < left.n; i++)
			assert_in_range(ttl(&f, left.items[i].text), 1, STAGED_MS + 1000);
		made_close(&m);
	}
	second_close(&b);
	stores_close(&f);
}

/* Loses the first partition that was written, when the third is asked for. */
static bool lose_one(void *arg, struct call *c, int i, struct engine_bytes **ret)
{
	void **both = arg;

	if (i == 2)
		ASK(both[0], S("EVAL"), S("return redis.call('DEL', unpack(redis.call('KEYS', '*staged*')))"), S("0"));
	return bytes_of(both[1], c, i, ret);
}

static void partitions_lost_before_the_end_are_written_again(void **state)
{
	struct made m;
	struct stores f;
	void *both[2];

	(void)state;
	ON_REDIS(&f);
	make(&f, &m, "s1");
	WORKS(&f, add(&f, &m));
	for (int i = 0; i < 3; i++)
		made_part(&m, 3000000, true, i);
	made_succeed(&m);
	both[0] = &f;
	both[1] = &m;
	REFUSED(&f, f.s->ops->end(&f.c, f.s, &m.r, lose_one, both), ERR_UNAVAILABLE);
	expect_state(&f, &m, STMT_SUBMITTED);
	REDIS_UNTIL(keys_like(&f, "*staged*") == 0);
	assert_int_equal(keys_like(&f, "*:result:*"), 0);
	WORKS(&f, end(&f, &m));
	expect_parts(&f, &m);
	made_close(&m);
	stores_close(&f);
}

static bool no_bytes(void *arg, struct call *c, int i, struct engine_bytes **ret)
{
	if (i == 1)
		return fail(c, ERR_INTERNAL, "no bytes");
	return bytes_of(arg, c, i, ret);
}

/* A small first partition comes along with its record; larger ones, and all others, are asked for. */
static void a_small_first_partition_comes_along(void **state)
{
	static const size_t sizes[] = {1, 1000, FIRST_BYTES, FIRST_BYTES + 1, 100000};
	struct stores f;

	(void)state;
	ON_REDIS(&f);
	for (size_t i = 0; i < COUNT_OF(sizes) * 2; i++) {
		struct made m;
		struct stmt_record r;

		make(&f, &m, "s1");
		WORKS(&f, add(&f, &m));
		made_part(&m, sizes[i / 2], i % 2, (int)i);
		made_part(&m, 10, false, 1);
		made_succeed(&m);
		WORKS(&f, end(&f, &m));
		WORKS(&f, find(&f, &m, &r));
		if (sizes[i / 2] <= 1000 || (i % 2 && sizes[i / 2] <= FIRST_BYTES))
			expect_same_text(r.first, engine_bytes_str(m.bytes[0]));
		else if (sizes[i / 2] > FIRST_BYTES * 2 || i % 2)
			assert_int_equal(r.first.n, 0);
		expect_parts(&f, &m);
		made_close(&m);
	}
	stores_close(&f);
}

static void an_end_without_its_bytes_is_none(void **state)
{
	struct stores f;

	(void)state;
	ON_REDIS(&f);
	for (int large = 0; large < 2; large++) {
		struct made m;

		make(&f, &m, "");
		WORKS(&f, add(&f, &m));
		made_part(&m, large ? 200000 : 10, false, 0);
		made_part(&m, 10, true, 1);
		made_succeed(&m);
		REFUSED(&f, f.s->ops->end(&f.c, f.s, &m.r, no_bytes, &m), ERR_INTERNAL);
		expect_state(&f, &m, STMT_SUBMITTED);
		WORKS(&f, end(&f, &m));
		expect_parts(&f, &m);
		made_close(&m);
	}
	stores_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_are_the_documents_and_all_have_a_time_to_live),
		cmocka_unit_test(what_is_swept_leaves_only_that_it_was_there),
		cmocka_unit_test(what_redis_forgot_itself_is_taken_out),
		cmocka_unit_test(what_runs_is_renewed),
		cmocka_unit_test(what_one_server_does_the_other_sees_and_hears),
		cmocka_unit_test(a_cancel_reaches_its_owner),
		cmocka_unit_test(who_finds_what_a_dead_server_ran_ends_it),
		cmocka_unit_test(many_sweep_what_a_dead_server_left),
		cmocka_unit_test(a_large_session_goes_while_another_adds),
		cmocka_unit_test(a_session_too_large_to_sort_is_listed_all_the_same),
		cmocka_unit_test(a_key_of_another_type_is_that_handles_trouble_alone),
		cmocka_unit_test(a_damaged_record_is_told),
		cmocka_unit_test(another_tenants_record_is_never_shown),
		cmocka_unit_test(a_damaged_partition_is_told),
		cmocka_unit_test(a_full_redis_refuses_and_keeps_nothing_of_it),
		cmocka_unit_test(scripts_are_known_again_after_a_restart),
		cmocka_unit_test(an_end_whose_answer_was_lost_is_done_once),
		cmocka_unit_test(partitions_lost_before_the_end_are_written_again),
		cmocka_unit_test(a_small_first_partition_comes_along),
		cmocka_unit_test(an_end_without_its_bytes_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
