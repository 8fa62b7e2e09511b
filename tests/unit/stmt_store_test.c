/* stmt_store_test.c - the contract that every store of statements keeps. */
#include "stmt_store_rig.h"

#include "race.h"
#include "store_duckdb_rig.h"

/* --- DuckDB files --- */

static void *duck_place(void)
{
	struct duck_rig *g = base_zalloc(sizeof(*g));

	duck_rig_open(g);
	duck_rig_stop(g);
	return g;
}

static struct stmt_store *duck_open(struct call *c, void *place)
{
	struct duck_rig *g = place;

	(void)c;
	duck_rig_start(g);
	return g->store;
}

static void duck_closed(void *place)
{
	duck_rig_stop_engine(place);
}

static void duck_leave(void *place)
{
	struct duck_rig *g = place;

	buf_drop(&g->columns);
	folder_remove(g->dir);
	free(g);
}

static struct str duck_owner(struct stmt_store *s)
{
	(void)s;
	return S("srv/1");
}

static const struct stmt_backend backends[] = {
	{"redis", redis_place, redis_store, redis_store_closed, redis_leave, stmt_store_redis_owner, SANITIZED ? 1200 : 5000},
	{"duckdb", duck_place, duck_open, duck_closed, duck_leave, duck_owner, 1000},
};

#define EACH_BACKEND(f) \
	for (size_t i_ = 0; i_ < COUNT_OF(backends); stores_close(f), i_++) \
		if (stores_open((f), &backends[i_]))

static void a_statement_is_kept_through_its_life(void **state)
{
	struct stores f;

	(void)state;
	EACH_BACKEND(&f)
	{
		struct made m;

		make(&f, &m, "s1");
		expect_missing(&f, &m);
		WORKS(&f, add(&f, &m));
		expect_record(&f, &m);
		REFUSED(&f, add(&f, &m), ERR_CONFLICT);
		m.r.state = STMT_RUNNING;
		m.r.started_ms = m.r.created_ms + 5;
		WORKS(&f, f.s->ops->started(&f.c, f.s, &m.r));
		expect_record(&f, &m);
		made_part(&m, 500, false, 1);
		made_part(&m, 700, true, 2);
		made_succeed(&m);
		m.r.counts = (struct stmt_counts){1, 2, 3};
		WORKS(&f, end(&f, &m));
		expect_record(&f, &m);
		expect_parts(&f, &m);
		REFUSED(&f, f.s->ops->started(&f.c, f.s, &m.r), ERR_CONFLICT);
		expect_record(&f, &m);
		stores_again(&f);
		expect_record(&f, &m);
		expect_parts(&f, &m);
		made_close(&m);
	}
}

static void a_failure_is_kept_with_all_it_says(void **state)
{
	struct stores f;

	(void)state;
	EACH_BACKEND(&f)
	{
		struct made m, canceled;

		make(&f, &m, "");
		m.r.snowflake = false;
		m.r.null_text = m.r.status_shape = true;
		m.r.principal = m.r.request_id = m.r.claim = S("");
		m.r.kind = SQL_UNKNOWN;
		WORKS(&f, add(&f, &m));
		made_fail(&m);
		WORKS(&f, end(&f, &m));
		expect_record(&f, &m);
		make(&f, &canceled, "s1");
		WORKS(&f, add(&f, &canceled));
		made_fail(&canceled);
		canceled.r.state = STMT_CANCELED;
		canceled.error.kind = ERR_CANCELED;
		WORKS(&f, end(&f, &canceled));
		stores_again(&f);
		expect_record(&f, &canceled);
		expect_record(&f, &m);
		made_close(&m);
		made_close(&canceled);
	}
}

static void parts_of_any_size_come_back_as_they_were(void **state)
{
	static const size_t sizes[] = {1, 100, 65535, 65536, 65537, 300000, 5 * 1024 * 1024, 6 * 1024 * 1024};
	struct stores f;

	(void)state;
	EACH_BACKEND(&f)
	{
		for (size_t i = 0; i < COUNT_OF(sizes) * 2; i++) {
			struct made m;

			make(&f, &m, "s1");
			WORKS(&f, add(&f, &m));
			made_part(&m, sizes[i / 2], i % 2, (int)i);
			made_part(&m, 33, true, 99);
			made_part(&m, sizes[i / 2], i % 2, (int)i + 50);
			made_succeed(&m);
			WORKS(&f, end(&f, &m));
			expect_parts(&f, &m);
			made_close(&m);
		}
	}
}

static void many_parts_come_back_in_order(void **state)
{
	struct stores f;

	(void)state;
	EACH_BACKEND(&f)
	{
		struct made m, none;

		make(&f, &m, "s1");
		WORKS(&f, add(&f, &m));
		for (int i = 0; i < PARTS_OF_A_RECORD; i++)
			made_part(&m, 200000, i % 3, i);
		made_succeed(&m);
		WORKS(&f, end(&f, &m));
		make(&f, &none, "");
		WORKS(&f, add(&f, &none));
		made_succeed(&none); /* DDL: no rows */
		WORKS(&f, end(&f, &none));
		stores_again(&f);
		expect_parts(&f, &m);
		expect_record(&f, &none);
		made_close(&m);
		made_close(&none);
	}
}

static void the_first_end_stays(void **state)
{
	struct stores f;

	(void)state;
	EACH_BACKEND(&f)
	{
		struct made m, second;

		made_kept(&f, &m, "s1");
		make(&f, &second, "s1");
		second.id = m.id;
		second.r.handle = id_str(&second.id);
		made_part(&second, 100, false, 7);
		made_part(&second, 200000, false, 8);
		made_succeed(&second);
		REFUSED(&f, end(&f, &second), ERR_CONFLICT);
		made_close(&second);
		make(&f, &second, "s1");
		second.id = m.id;
		second.r.handle = id_str(&second.id);
		made_fail(&second);
		REFUSED(&f, end(&f, &second), ERR_CONFLICT);
		expect_parts(&f, &m);
		expect_record(&f, &m);
		made_close(&second);
		made_close(&m);
	}
}

static void an_end_without_an_add_adds(void **state)
{
	struct stores f;

	(void)state;
	EACH_BACKEND(&f)
	{
		struct made m, large;

		make(&f, &m, "s1");
		made_part(&m, 100, true, 1);
		made_succeed(&m);
		WORKS(&f, end(&f, &m));
		make(&f, &large, "");
		made_part(&large, 11 * 1024 * 1024, true, 1);
		made_succeed(&large);
		WORKS(&f, end(&f, &large));
		expect_record(&f, &m);
		expect_parts(&f, &m);
		expect_parts(&f, &large);
		REFUSED(&f, add(&f, &m), ERR_CONFLICT);
		assert_int_equal(count_listed(&f, &any_filter), 2);
		made_close(&m);
		made_close(&large);
	}
}

static void a_result_expires_by_the_clock(void **state)
{
	struct stores f;

	(void)state;
	EACH_BACKEND(&f)
	{
		struct made m, running, last;
		struct stmt_record r;

		make(&f, &running, "s1");
		WORKS(&f, add(&f, &running));
		made_kept(&f, &m, "s1");
		clock_advance(TTL_MS - 1000);
		made_kept(&f, &last, "s1");
		WORKS(&f, find(&f, &m, &r));
		f.s->ops->sweep(f.s);
		expect_parts(&f, &m);
		clock_advance(1001);
		REFUSED(&f, find(&f, &m, &r), ERR_RESULT_EXPIRED);
		assert_int_equal(count_listed(&f, &any_filter), 2);
		f.s->ops->sweep(f.s);
		f.s->ops->sweep(f.s);
		REFUSED(&f, find(&f, &m, &r), ERR_RESULT_EXPIRED);
		REFUSED(&f, end(&f, &m), ERR_CONFLICT);
		expect_state(&f, &running, STMT_SUBMITTED);
		expect_parts(&f, &last);
		assert_int_equal(count_listed(&f, &any_filter), 2);
		made_close(&m);
		made_close(&last);
		made_close(&running);
	}
}

static void an_expired_one_is_unknown_to_strangers(void **state)
{
	struct stores f;

	(void)state;
	EACH_BACKEND(&f)
	{
		struct made m;
		struct stmt_record r;

		made_kept(&f, &m, "s1");
		WORKS(&f, grant_to(&f, &m, "guest", true));
		for (int swept = 0; swept < 2; swept++) {
			clock_advance(swept ? 0 : TTL_MS + 1);
			f.c.tenant = S("acme");
			f.c.principal = S("bob");
			REFUSED(&f, find(&f, &m, &r), ERR_NOT_FOUND);
			f.c.principal = S("ann");
			REFUSED(&f, find(&f, &m, &r), ERR_RESULT_EXPIRED);
			f.c.principal = S("guest");
			REFUSED(&f, find(&f, &m, &r), ERR_RESULT_EXPIRED);
			f.c.principal = S("root");
			f.c.role = ROLE_ADMIN;
			REFUSED(&f, find(&f, &m, &r), ERR_RESULT_EXPIRED);
			f.c.role = ROLE_USER;
			f.c.tenant = f.c.principal = S("");
			f.s->ops->sweep(f.s);
		}
		made_close(&m);
	}
}

static void a_dropped_one_never_comes_back(void **state)
{
	struct stores f;

	(void)state;
	EACH_BACKEND(&f)
	{
		struct made m, running, unknown;

		made_kept(&f, &m, "s1");
		make(&f, &running, "");
		make(&f, &unknown, "s1");
		WORKS(&f, add(&f, &running));
		WORKS(&f, drop(&f, &m));
		WORKS(&f, drop(&f, &running));
		WORKS(&f, drop(&f, &m));
		WORKS(&f, drop(&f, &unknown));
		expect_missing(&f, &m);
		expect_missing(&f, &running);
		REFUSED(&f, add(&f, &m), ERR_CONFLICT);
		REFUSED(&f, end(&f, &m), ERR_CONFLICT);
		made_part(&running, 300000, false, 3);
		made_succeed(&running);
		REFUSED(&f, end(&f, &running), ERR_CONFLICT);
		expect_missing(&f, &running);
		assert_int_equal(count_listed(&f, &any_filter), 0);
		made_close(&m);
		made_close(&running);
		made_close(&unknown);
	}
}

static void a_session_takes_its_statements_along(void **state)
{
	enum { N = 250 };
	struct stores f;

	(void)state;
	EACH_BACKEND(&f)
	{
		struct made *m = base_zalloc(sizeof(*m) * N), other, plain, late;

		for (int i = 0; i < N; i++) {
			make(&f, &m[i], "s1");
			WORKS(&f, add(&f, &m[i]));
			if (i % 2)
				made_succeed(&m[i]);
			if (i % 2)
				WORKS(&f, end(&f, &m[i]));
		}
		made_kept(&f, &other, "s2");
		made_kept(&f, &plain, "");
		WORKS(&f, f.s->ops->drop_session(&f.c, f.s, S("other"), S("s1")));
		expect_state(&f, &m[0], STMT_SUBMITTED);
		WORKS(&f, f.s->ops->drop_session(&f.c, f.s, S("acme"), S("s1")));
		for (int i = 0; i < N; i++) {
			expect_missing(&f, &m[i]);
			made_close(&m[i]);
		}
		expect_parts(&f, &other);
		expect_parts(&f, &plain);
		make(&f, &late, "s1");
		REFUSED(&f, add(&f, &late), ERR_SESSION_CLOSED);
		made_succeed(&late);
		REFUSED(&f, end(&f, &late), ERR_CONFLICT);
		WORKS(&f, f.s->ops->drop_session(&f.c, f.s, S("acme"), S("s1")));
		assert_int_equal(count_listed(&f, &any_filter), 2);
		made_close(&late);
		made_close(&other);
		made_close(&plain);
		free(m);
	}
}

static void a_detached_one_stays_when_its_session_goes(void **state)
{
	struct stores f;

	(void)state;
	EACH_BACKEND(&f)
	{
		struct made m;

		make(&f, &m, "s1");
		m.r.detached = true;
		WORKS(&f, add(&f, &m));
		WORKS(&f, f.s->ops->drop_session(&f.c, f.s, S("acme"), S("s1")));
		made_part(&m, 100, false, 1);
		made_succeed(&m);
		WORKS(&f, end(&f, &m));
		expect_record(&f, &m);
		expect_parts(&f, &m);
		WORKS(&f, drop(&f, &m));
		expect_missing(&f, &m);
		made_close(&m);
	}
}

static bool is_granted(struct stores *f, const struct made *m, const char *principal)
{
	struct stmt_record r;
	bool found = false;

	WORKS(f, find(f, m, &r));
	for (int i = 0; i < r.ngrants; i++)
		found = found || str_eq(r.grants[i], str_of(principal));
	return found;
}

static void grants_are_given_and_taken_back(void **state)
{
	struct stores f;

	(void)state;
	EACH_BACKEND(&f)
	{
		char longest[STMT_PRINCIPAL_MAX + 1];
		struct made m, none;
		struct stmt_record r;

		make(&f, &m, "s1");
		make(&f, &none, "s1");
		WORKS(&f, add(&f, &m));
		REFUSED(&f, grant_to(&f, &none, "bob", true), ERR_NOT_FOUND);
		WORKS(&f, grant_to(&f, &m, "bob", false));
		WORKS(&f, grant_to(&f, &m, "bob", true));
		WORKS(&f, grant_to(&f, &m, "bob", true));
		WORKS(&f, grant_to(&f, &m, "*", true));
		WORKS(&f, grant_to(&f, &m, "a:b,\"c\" 3:x", true));
		memset(longest, 'p', STMT_PRINCIPAL_MAX);
		longest[STMT_PRINCIPAL_MAX] = 0;
		WORKS(&f, grant_to(&f, &m, longest, true));
		made_succeed(&m);
		WORKS(&f, end(&f, &m)); /* what it knows of grants is what the store knows */
		stores_again(&f);
		WORKS(&f, find(&f, &m, &r));
		assert_int_equal(r.ngrants, 4);
		assert_true(is_granted(&f, &m, "bob") && is_granted(&f, &m, "*") && is_granted(&f, &m, "a:b,\"c\" 3:x") &&
			    is_granted(&f, &m, longest));
		WORKS(&f, grant_to(&f, &m, "bob", false));
		WORKS(&f, grant_to(&f, &m, "bob", false));
		assert_true(!is_granted(&f, &m, "bob") && is_granted(&f, &m, "*"));
		WORKS(&f, drop(&f, &m));
		REFUSED(&f, grant_to(&f, &m, "bob", true), ERR_NOT_FOUND);
		made_close(&m);
		made_close(&none);
	}
}

static void grants_have_a_limit(void **state)
{
	struct stores f;

	(void)state;
	EACH_BACKEND(&f)
	{
		struct made m;

		made_kept(&f, &m, "");
		for (int i = 0; i < STMT_GRANTS_MAX; i++)
			WORKS(&f, grant_to(&f, &m, arena_fmt(&f.arena, "p%d", i).p, true));
		REFUSED(&f, grant_to(&f, &m, "one more", true), ERR_TOO_MANY);
		WORKS(&f, grant_to(&f, &m, "p7", true));
		WORKS(&f, grant_to(&f, &m, "p7", false));
		WORKS(&f, grant_to(&f, &m, "one more", true));
		assert_true(is_granted(&f, &m, "one more") && !is_granted(&f, &m, "p7") && is_granted(&f, &m, "p99"));
		made_close(&m);
	}
}

static void lists_are_filtered(void **state)
{
	struct stores f;

	(void)state;
	EACH_BACKEND(&f)
	{
		struct stmt_filter by = any_filter;
		struct call bob = f.c, root = f.c;
		struct listed *l = base_zalloc(sizeof(*l));
		struct made m[4];

		make(&f, &m[0], "s1");
		WORKS(&f, add(&f, &m[0]));
		clock_advance(2 * 3600 * 1000);
		make(&f, &m[1], "");
		m[1].r.principal = S("bob");
		WORKS(&f, add(&f, &m[1]));
		make(&f, &m[2], "s1");
		m[2].r.detached = true;
		WORKS(&f, add(&f, &m[2]));
		made_fail(&m[2]);
		WORKS(&f, end(&f, &m[2]));
		make(&f, &m[3], "s1");
		m[3].r.tenant = S("other");
		WORKS(&f, add(&f, &m[3]));
		assert_int_equal(count_listed(&f, &any_filter), 3);
		assert_int_equal(count_listed(&f, NULL), 3);
		by.session_id = S("s1");
		assert_int_equal(count_listed(&f, &by), 2);
		by.state = STMT_FAILED;
		assert_int_equal(count_listed(&f, &by), 1);
		by.session_id = S("");
		by.state = STMT_SUBMITTED;
		assert_int_equal(count_listed(&f, &by), 2);
		by = any_filter;
		by.since_ms = m[1].r.created_ms;
		assert_int_equal(count_listed(&f, &by), 2);
		by.until_ms = m[0].r.created_ms;
		assert_int_equal(count_listed(&f, &by), 0);
		by.since_ms = 0;
		assert_int_equal(count_listed(&f, &by), 1);
		by.until_ms = m[0].r.created_ms - 1;
		assert_int_equal(count_listed(&f, &by), 0);
		by = any_filter;
		by.session_id = S("no such session");
		assert_int_equal(count_listed(&f, &by), 0);
		bob.tenant = root.tenant = S("acme");
		bob.principal = S("bob");
		root.role = ROLE_ADMIN;
		list_as(&f, &any_filter, &bob, l);
		assert_int_equal(l->n, 1);
		expect_same_text(id_str(&l->v[0]), m[1].r.handle);
		list_as(&f, &any_filter, &root, l);
		assert_int_equal(l->n, 3);
		for (int i = 0; i < 4; i++)
			made_close(&m[i]);
		free(l);
	}
}

static void lists_are_read_in_pages(void **state)
{
	struct stores f;

	(void)state;
	EACH_BACKEND(&f)
	{
		struct listed *all = base_zalloc(sizeof(*all)), *page = base_zalloc(sizeof(*page));
		struct stmt_filter by = any_filter;
		int seen = 0, many = f.backend->many;

		for (int i = 0; i < many; i++) {
			struct made m;

			make(&f, &m, i % 10 ? "" : "s1");
			WORKS(&f, add(&f, &m));
			made_close(&m);
			if (i % 100 == 0)
				arena_reset(&f.arena);
		}
		list_as(&f, &any_filter, NULL, all);
		assert_int_equal(all->n, many);
		page->limit = 700;
		do {
			list_as(&f, &by, NULL, page);
			assert_memory_equal(page->v, all->v + seen, sizeof(page->v[0]) * (size_t)page->n);
			seen += page->n;
			if (page->n)
				by.after = arena_dup(&f.arena, id_str(&page->v[page->n - 1]));
		} while (page->n);
		assert_int_equal(seen, many);
		by.after = S("zzz"); /* a cursor that is no handle */
		list_as(&f, &by, NULL, page);
		assert_int_equal(page->n, 700);
		by = any_filter;
		by.session_id = S("s1");
		page->limit = 7;
		list_as(&f, &by, NULL, page);
		assert_int_equal(page->n, 7);
		by.after = arena_dup(&f.arena, id_str(&page->v[6]));
		page->limit = 0;
		list_as(&f, &by, NULL, page);
		assert_int_equal(page->n, many / 10 - 7);
		free(all);
		free(page);
	}
}

static void other_tenants_see_nothing(void **state)
{
	struct stores f;

	(void)state;
	EACH_BACKEND(&f)
	{
		struct stmt_store_key k;
		struct stmt_record r;
		struct made m;

		made_kept(&f, &m, "s1");
		k = key_of(&m);
		k.tenant = S("other");
		REFUSED(&f, f.s->ops->find(&f.c, f.s, &k, &r), ERR_NOT_FOUND);
		REFUSED(&f, f.s->ops->grant(&f.c, f.s, &k, S("eve"), true), ERR_NOT_FOUND);
		WORKS(&f, f.s->ops->drop(&f.c, f.s, &k));
		expect_parts(&f, &m);
		made_close(&m);
	}
}

static void live_handles_have_limits(void **state)
{
	struct stores f;

	(void)state;
	EACH_BACKEND(&f)
	{
		const struct stmt_store_limits session = {0, 1000}, tenant = {1003, 1000};
		struct made m, first;

		if (!f.s->ops->shared)
			continue; /* the room counts */
		made_kept(&f, &first, "s1");
		for (int i = 1; i < 1000; i++) {
			make(&f, &m, "s1");
			WORKS(&f, f.s->ops->add(&f.c, f.s, &m.r, &session));
		}
		make(&f, &m, "s1");
		REFUSED(&f, f.s->ops->add(&f.c, f.s, &m.r, &session), ERR_TOO_MANY);
		m.r.detached = true;
		assert_false(f.s->ops->add(&f.c, f.s, &m.r, &session));
		assert_non_null(strstr(f.c.err.text, "snowflake_api.statement_storage.max_statements_per_session"));
		call_forgive(&f.c);
		expect_missing(&f, &m);
		for (int i = 0; i < 3; i++) {
			make(&f, &m, i ? "s2" : "");
			WORKS(&f, f.s->ops->add(&f.c, f.s, &m.r, &tenant));
		}
		make(&f, &m, "");
		assert_false(f.s->ops->add(&f.c, f.s, &m.r, &tenant));
		assert_int_equal(f.c.err.kind, ERR_TOO_MANY);
		assert_non_null(strstr(f.c.err.text, "tenants.max_statements"));
		call_forgive(&f.c);
		clock_advance(TTL_MS + 1); /* the first one expires: there is room for one, in its session too */
		make(&f, &m, "s1");
		WORKS(&f, f.s->ops->add(&f.c, f.s, &m.r, &tenant));
		REFUSED(&f, f.s->ops->add(&f.c, f.s, &m.r, &tenant), ERR_CONFLICT);
		make(&f, &m, "s1");
		REFUSED(&f, f.s->ops->add(&f.c, f.s, &m.r, &session), ERR_TOO_MANY);
		made_close(&first);
	}
}

/* --- races --- */

struct contest {
	struct stores *f;
	struct made m[RACERS]; /* of one handle */
	bool won[RACERS];
	bool with_drops;
};

static void end_it(struct racer *r)
{
	struct contest *t = r->arg;
	struct stmt_store *s = t->f->s;
	OWNS(arena) a = {0};
	struct call c;

	call_open(&c, &a);
	if (t->with_drops && r->number % 4 == 0) {
		struct stmt_store_key k = key_of(&t->m[r->number]);

		assert_true(s->ops->drop(&c, s, &k));
		return;
	}
	t->won[r->number] = s->ops->end(&c, s, &t->m[r->number].r, bytes_of, &t->m[r->number]);
	assert_true(t->won[r->number] || c.err.kind == ERR_CONFLICT);
	r->wins = t->won[r->number];
}

static void make_contest(struct stores *f, struct contest *t, bool with_drops)
{
	*t = (struct contest){.f = f, .with_drops = with_drops};
	make(f, &t->m[0], "s1");
	WORKS(f, add(f, &t->m[0]));
	for (int i = 0; i < RACERS; i++) {
		struct id id = t->m[0].id;

		if (i)
			make(f, &t->m[i], "s1");
		t->m[i].id = id;
		t->m[i].r.handle = id_str(&t->m[i].id);
		for (int k = 0; k <= i % 3; k++)
			made_part(&t->m[i], i % 2 ? 100 : 90000, false, i * 10 + k);
		if (i % 5 == 1)
			made_fail(&t->m[i]);
		else
			made_succeed(&t->m[i]);
		if (i % 5 == 1)
			t->m[i].r.nparts = 0;
	}
}

static void of_many_ends_one_wins(void **state)
{
	struct stores f;

	(void)state;
	EACH_BACKEND(&f)
	{
		struct contest *t = base_zalloc(sizeof(*t));

		for (int round = 0; round < (SANITIZED ? 3 : 10); round++) {
			make_contest(&f, t, false);
			assert_int_equal(race(end_it, t), 1);
			for (int i = 0; i < RACERS; i++)
				if (t->won[i])
					expect_parts(&f, &t->m[i]);
			for (int i = 0; i < RACERS; i++)
				made_close(&t->m[i]);
		}
		free(t);
	}
}

static void a_drop_beats_every_end(void **state)
{
	struct stores f;

	(void)state;
	EACH_BACKEND(&f)
	{
		struct contest *t = base_zalloc(sizeof(*t));

		for (int round = 0; round < (SANITIZED ? 3 : 10); round++) {
			make_contest(&f, t, true);
			assert_in_range(race(end_it, t), 0, 1);
			expect_missing(&f, &t->m[0]);
			REFUSED(&f, end(&f, &t->m[1]), ERR_CONFLICT);
			for (int i = 0; i < RACERS; i++)
				made_close(&t->m[i]);
		}
		free(t);
	}
}

/* Readers see all of a result or none of it, whatever is dropped and swept meanwhile. */
static void read_it(struct racer *r)
{
	struct contest *t = r->arg;
	struct stmt_store *s = t->f->s;
	OWNS(arena) a = {0};
	struct call c;

	call_open(&c, &a);
	for (int i = 0; i < 40; i++) {
		struct stmt_store_key k = key_of(&t->m[0]);
		struct stmt_record got;
		struct engine_bytes *bytes;

		if (r->number == 0 && i == 20)
			assert_true(s->ops->drop(&c, s, &k));
		if (r->number == 1)
			s->ops->sweep(s);
		if (s->ops->find(&c, s, &k, &got) && s->ops->part(&c, s, &got, got.nparts - 1, &bytes)) {
			assert_true(str_eq(engine_bytes_str(bytes), engine_bytes_str(t->m[0].bytes[got.nparts - 1])));
			engine_bytes_unref(bytes);
			r->wins++;
			continue;
		}
		assert_int_equal(c.err.kind, ERR_NOT_FOUND);
		call_forgive(&c);
	}
}

static void readers_race_a_drop_and_sweeps(void **state)
{
	struct stores f;

	(void)state;
	EACH_BACKEND(&f)
	{
		struct contest *t = base_zalloc(sizeof(*t));

		t->f = &f;
		made_kept(&f, &t->m[0], "s1");
		assert_true(race(read_it, t) > 0);
		expect_missing(&f, &t->m[0]);
		made_close(&t->m[0]);
		free(t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_statement_is_kept_through_its_life),
		cmocka_unit_test(a_failure_is_kept_with_all_it_says),
		cmocka_unit_test(parts_of_any_size_come_back_as_they_were),
		cmocka_unit_test(many_parts_come_back_in_order),
		cmocka_unit_test(the_first_end_stays),
		cmocka_unit_test(an_end_without_an_add_adds),
		cmocka_unit_test(a_result_expires_by_the_clock),
		cmocka_unit_test(an_expired_one_is_unknown_to_strangers),
		cmocka_unit_test(a_dropped_one_never_comes_back),
		cmocka_unit_test(a_session_takes_its_statements_along),
		cmocka_unit_test(a_detached_one_stays_when_its_session_goes),
		cmocka_unit_test(grants_are_given_and_taken_back),
		cmocka_unit_test(grants_have_a_limit),
		cmocka_unit_test(lists_are_filtered),
		cmocka_unit_test(lists_are_read_in_pages),
		cmocka_unit_test(other_tenants_see_nothing),
		cmocka_unit_test(live_handles_have_limits),
		cmocka_unit_test(of_many_ends_one_wins),
		cmocka_unit_test(a_drop_beats_every_end),
		cmocka_unit_test(readers_race_a_drop_and_sweeps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
