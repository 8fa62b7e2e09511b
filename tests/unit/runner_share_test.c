/* runner_share_test.c - layers through the store: export with ancestors, import from the ground up, whatever is broken, sweeps. The backend
 * is a list of layers in memory whose archive is a text of any length. */
#include "plan_rig.h"

#include <fcntl.h>

enum { LAYERS_MAX = 32 };

struct box { /* a server's backend */
	struct pg_backend backend;
	struct {
		char id[PG_LAYER_LEN + 1], parent[PG_LAYER_LEN + 1];
		struct buf archive;
		char manifest[64];
		char build[32], parent_build[32];
	} layers[LAYERS_MAX];
	int n, packs, unpacks;
	bool fails;
};

static struct box one, two;

static struct str id_of(int i) /* of the i-th layer; 0 = the base */
{
	static char ids[LAYERS_MAX][PG_LAYER_LEN + 1];

	if (i == 0)
		return S("");
	memset(ids[i], 'a', PG_LAYER_LEN);
	snprintf(ids[i], sizeof(ids[i]), "%064x", i * 7919);
	return str_of(ids[i]);
}

/* Layers that are made; those that are taken keep what they had. */
static void set_build(struct box *b, int i, struct str build, struct str parent_build)
{
	snprintf(b->layers[i].build, sizeof(b->layers[i].build), "%.*s", SARG(build));
	snprintf(b->layers[i].parent_build, sizeof(b->layers[i].parent_build), "%.*s", SARG(parent_build));
}

static int index_of(const struct box *b, struct str id)
{
	for (int i = 0; i < b->n; i++)
		if (str_eq(str_of(b->layers[i].id), id))
			return i;
	return -1;
}

static void box_add(struct box *b, struct str id, struct str parent, struct str archive, struct str manifest)
{
	static int builds;
	int i = b->n++;
	char build[32];

	assert_true(i < LAYERS_MAX);
	assert_int_equal(index_of(b, id), -1);
	assert_true(!parent.n || index_of(b, parent) >= 0); /* never before its parent */
	snprintf(b->layers[i].id, sizeof(b->layers[i].id), "%.*s", SARG(id));
	snprintf(b->layers[i].parent, sizeof(b->layers[i].parent), "%.*s", SARG(parent));
	snprintf(b->layers[i].manifest, sizeof(b->layers[i].manifest), "%.*s", SARG(manifest));
	buf_add(&b->layers[i].archive, archive);
	snprintf(build, sizeof(build), "build %d", ++builds);
	set_build(b, i, str_of(build), parent.n ? str_of(b->layers[index_of(b, parent)].build) : S(""));
}

static bool box_list(struct call *c, struct pg_backend *backend, pg_found_fn *fn, void *arg)
{
	struct box *b = CONTAINER_OF(backend, struct box, backend);

	(void)c;
	for (int i = 0; i < b->n; i++) {
		struct pg_found f = {.id = str_of(b->layers[i].id), .parent = str_of(b->layers[i].parent), .bytes = (int64_t)b->layers[i].archive.n,
				     .published_ms = 12345, .manifest = str_of(b->layers[i].manifest),
				     .build = str_of(b->layers[i].build), .parent_build = str_of(b->layers[i].parent_build)};

		if (!fn(arg, &f))
			break;
	}
	return true;
}

static bool box_pack(struct call *c, struct pg_backend *backend, struct str id, int to_fd)
{
	struct box *b = CONTAINER_OF(backend, struct box, backend);

	b->packs++;
	return file_write(to_fd, buf_str(&b->layers[index_of(b, id)].archive)) && (!b->fails || fail(c, ERR_STORAGE, "disk full"));
}

static bool box_unpack(struct call *c, struct pg_backend *backend, const struct pg_found *f, int from_fd)
{
	struct box *b = CONTAINER_OF(backend, struct box, backend);
	OWNS(buf) got = {0};

	if (b->fails)
		return fail(c, ERR_STORAGE, "disk full");
	b->unpacks++;
	assert_true(file_read(from_fd, SIZE_MAX >> 1, &got));
	assert_int_equal(f->published_ms, 12345);
	assert_int_equal(f->bytes, got.n);
	box_add(b, f->id, f->parent, buf_str(&got), f->manifest);
	if (f->parent_build.n)
		assert_str_equal(f->parent_build, b->layers[index_of(b, f->parent)].build);
	set_build(b, b->n - 1, f->build, f->parent_build);
	return true;
}

static const struct pg_backend_ops box_ops = {.name = "box", .identity = rig_identity, .list = box_list, .pack = box_pack, .unpack = box_unpack};

static void box_clear(struct box *b)
{
	for (int i = 0; i < b->n; i++)
		buf_drop(&b->layers[i].archive);
	*b = (struct box){.backend = {&box_ops}};
}

static struct runner second; /* the other server */

static int begin_two(void **state)
{
	struct fixture *f;

	begin(state);
	f = *state;
	box_clear(&one);
	box_clear(&two);
	f->r.o.backend = &one.backend;
	second = (struct runner){0};
	rig_open(f, &second, f->r.o.store);
	second.o.backend = &two.backend;
	return 0;
}

static int end_two(void **state)
{
	plans_close(&second);
	box_clear(&one);
	box_clear(&two);
	return end(state);
}
#define CASE_TWO(name) cmocka_unit_test_setup_teardown(name, begin_two, end_two)

static struct str tenant(void)
{
	return S("acme");
}

/* A chain of n layers; the archive of the i-th has `bytes` bytes. */
static void a_chain(int n, size_t bytes)
{
	for (int i = 1; i <= n; i++) {
		OWNS(buf) b = {0};

		while (b.n < bytes)
			buf_fmt(&b, "layer %d byte %zu;", i, b.n);
		b.n = bytes;
		box_add(&one, id_of(i), id_of(i - 1), buf_str(&b), S("{\"path\":\"a \\\"b\\\".sql\"}"));
	}
}

static void sweep(struct fixture *f)
{
	f->r.share_swept_ms = 0;
	share_sweep(&f->c, &f->r);
}

static size_t keys(struct fixture *f)
{
	struct store_entry *e;
	size_t n;

	assert_true(fine(f, f->r.o.store->ops->list(&f->c, f->r.o.store, S(""), S(""), &e, &n)));
	return n;
}

static void expect_same(void)
{
	for (int i = 0; i < two.n; i++) {
		int k = index_of(&one, str_of(two.layers[i].id));

		assert_true(k >= 0);
		assert_string_equal(one.layers[k].parent, two.layers[i].parent);
		assert_string_equal(one.layers[k].manifest, two.layers[i].manifest);
		assert_true(str_eq(buf_str(&one.layers[k].archive), buf_str(&two.layers[i].archive)));
	}
}

static void layers_go_from_server_to_server(void **state)
{
	struct fixture *f = *state;

	a_chain(3, 1000);
	assert_true(fine(f, share_export(&f->c, &f->r, tenant(), id_of(3))));
	assert_int_equal(keys(f), 6);
	assert_true(fine(f, share_export(&f->c, &f->r, tenant(), id_of(3)))); /* again: nothing to do */
	assert_int_equal(one.packs, 3);
	assert_true(fine(f, share_import(&f->c, &second, tenant(), id_of(3))));
	assert_int_equal(two.n, 3);
	expect_same();
	assert_true(fine(f, share_import(&f->c, &second, tenant(), id_of(3))));
	assert_int_equal(two.unpacks, 3);
	box_clear(&two);
	expect_error(f, share_import(&f->c, &second, S("other"), id_of(2)), ERR_NOT_FOUND); /* it is another tenant's */
}

static void only_what_is_missing_travels(void **state)
{
	struct fixture *f = *state;

	a_chain(4, 10);
	assert_true(fine(f, share_export(&f->c, &f->r, tenant(), id_of(2))));
	assert_int_equal(one.packs, 2);
	assert_true(fine(f, share_import(&f->c, &second, tenant(), id_of(1))));
	assert_true(fine(f, share_export(&f->c, &f->r, tenant(), id_of(4))));
	assert_int_equal(one.packs, 4);
	assert_true(fine(f, share_import(&f->c, &second, tenant(), id_of(4))));
	assert_int_equal(two.unpacks, 4);
	expect_same();
}

static void archives_are_cut_into_pieces(void **state)
{
	static const size_t sizes[] = {0, 1, (8 << 20) - 1, 8 << 20, (8 << 20) + 1, 20 << 20};
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT_OF(sizes); i++) {
		box_clear(&one);
		box_clear(&two);
		for (size_t k = 1; k <= i; k++)
			box_add(&one, id_of((int)k), id_of((int)k - 1), S("x"), S(""));
		{
			OWNS(buf) b = {0};

			while (b.n < sizes[i])
				buf_fmt(&b, "%zu,", b.n);
			b.n = sizes[i];
			box_add(&one, id_of(20 + (int)i), S(""), buf_str(&b), S(""));
		}
		assert_true(fine(f, share_export(&f->c, &f->r, tenant(), id_of(20 + (int)i))));
		assert_true(fine(f, share_import(&f->c, &second, tenant(), id_of(20 + (int)i))));
		assert_int_equal(two.n, 1);
		expect_same();
	}
}

static void what_is_not_shared_is_told(void **state)
{
	struct fixture *f = *state;
	struct pg_backend_ops without = box_ops;

	expect_error(f, share_import(&f->c, &second, tenant(), id_of(1)), ERR_NOT_FOUND);
	expect_error(f, share_export(&f->c, &f->r, tenant(), id_of(1)), ERR_NOT_FOUND);
	without.pack = NULL;
	one.backend.ops = &without;
	expect_error(f, share_import(&f->c, &f->r, tenant(), id_of(1)), ERR_NOT_FOUND);
	assert_true(fine(f, share_export(&f->c, &f->r, tenant(), id_of(1))));
	assert_int_equal(keys(f), 0);
}

/* Key number i of the store, of a layer: its manifest comes behind its pieces. */
static struct str key_at(struct fixture *f, int i)
{
	struct store_entry *e;
	size_t n;

	assert_true(fine(f, f->r.o.store->ops->list(&f->c, f->r.o.store, S(""), S(""), &e, &n)));
	assert_true((size_t)i < n);
	return e[i].key;
}

static void overwrite(struct fixture *f, struct str key, struct str with)
{
	assert_true(fine(f, f->r.o.store->ops->put(&f->c, f->r.o.store, key, with, STORE_REPLACE)));
}

static void broken_pieces_are_not_taken(void **state)
{
	struct fixture *f = *state;

	for (int how = 0; how < 3; how++) {
		box_clear(&one);
		a_chain(1, 1000);
		assert_true(fine(f, share_export(&f->c, &f->r, tenant(), id_of(1))));
		assert_int_equal(keys(f), 2);
		if (how == 0)
			overwrite(f, key_at(f, 0), S("short"));
		if (how == 1) { /* one byte */
			OWNS(buf) b = {0};

			buf_add(&b, buf_str(&one.layers[0].archive));
			b.p[500] ^= 1;
			overwrite(f, key_at(f, 0), buf_str(&b));
		}
		if (how == 2)
			assert_true(fine(f, f->r.o.store->ops->drop(&f->c, f->r.o.store, key_at(f, 0))));
		expect_error(f, share_import(&f->c, &second, tenant(), id_of(1)), ERR_STORAGE);
		assert_int_equal(two.n, 0);
		expect_error(f, share_import(&f->c, &second, tenant(), id_of(1)), ERR_NOT_FOUND); /* it was dropped */
		assert_true(fine(f, share_export(&f->c, &f->r, tenant(), id_of(1)))); /* and is shared anew */
		assert_true(fine(f, share_import(&f->c, &second, tenant(), id_of(1))));
		box_clear(&two);
		clock_advance(2000LL * RIG_TTL_S);
		sweep(f);
		assert_int_equal(keys(f), 0);
		clock_advance(-2000LL * RIG_TTL_S);
	}
}

static void manifests_are_checked(void **state)
{
	static const char *const bad[] = {"", "{", "[]", "{}", "{\"format\":2}", "{\"format\":1,\"id\":5}"};
	struct fixture *f = *state;
	OWNS(buf) right = {0}, b = {0};
	struct str key;

	a_chain(2, 10);
	assert_true(fine(f, share_export(&f->c, &f->r, tenant(), id_of(1))));
	key = key_at(f, 1);
	assert_true(str_ends(key, S("/manifest")));
	assert_true(fine(f, f->r.o.store->ops->get(&f->c, f->r.o.store, key, 0, 1 << 20, &right)));
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		overwrite(f, key, str_of(bad[i]));
		expect_error(f, share_import(&f->c, &second, tenant(), id_of(1)), ERR_STORAGE);
	}
	for (size_t at = 0; at < right.n; at++) { /* cut anywhere */
		overwrite(f, key, str_from(right.p, at));
		expect_error(f, share_import(&f->c, &second, tenant(), id_of(1)), ERR_STORAGE);
	}
	/* of another layer, of another engine, or naming what is not below it */
	overwrite(f, arena_fmt(&f->arena, "tenants/acme/layers/%.*s/manifest", SARG(id_of(2))), buf_str(&right));
	expect_error(f, share_import(&f->c, &second, tenant(), id_of(2)), ERR_STORAGE);
	overwrite(f, key, buf_str(&right));
	second.base[0] = second.base[0] == '0' ? '1' : '0';
	expect_error(f, share_import(&f->c, &second, tenant(), id_of(1)), ERR_STORAGE);
	memcpy(second.base, f->r.base, sizeof(second.base));
	{
		struct str s = buf_str(&right);
		size_t at = str_search(s, S("\"name\":\"")) + 8;

		buf_add(&b, str_head(s, at));
		buf_lit(&b, "../x/");
		buf_add(&b, str_tail(s, at));
		overwrite(f, key, buf_str(&b));
		expect_error(f, share_import(&f->c, &second, tenant(), id_of(1)), ERR_STORAGE);
	}
	assert_int_equal(two.n, 0);
	overwrite(f, key, buf_str(&right));
	assert_true(fine(f, share_import(&f->c, &second, tenant(), id_of(1))));
}

static void circles_end(void **state)
{
	struct fixture *f = *state;
	OWNS(buf) m = {0}, b = {0};
	struct str s, key, parent = S("\"parent\":\"");
	size_t at;

	a_chain(1, 10);
	assert_true(fine(f, share_export(&f->c, &f->r, tenant(), id_of(1))));
	key = key_at(f, 1);
	assert_true(fine(f, f->r.o.store->ops->get(&f->c, f->r.o.store, key, 0, 1 << 20, &m)));
	s = buf_str(&m);
	at = str_search(s, parent) + parent.n;
	buf_add(&b, str_head(s, at));
	buf_add(&b, id_of(1)); /* its own parent */
	buf_add(&b, str_tail(s, at));
	overwrite(f, key, buf_str(&b));
	expect_error(f, share_import(&f->c, &second, tenant(), id_of(1)), ERR_STORAGE);
}

static void failures_leave_nothing_behind(void **state)
{
	struct fixture *f = *state;

	a_chain(2, 1000);
	one.fails = true;
	expect_error(f, share_export(&f->c, &f->r, tenant(), id_of(2)), ERR_STORAGE);
	assert_int_equal(keys(f), 0);
	one.fails = false;
	assert_true(fine(f, share_export(&f->c, &f->r, tenant(), id_of(2))));
	two.fails = true;
	expect_error(f, share_import(&f->c, &second, tenant(), id_of(2)), ERR_STORAGE);
	assert_int_equal(keys(f), 4); /* it is not the storage's fault */
	two.fails = false;
	assert_true(fine(f, share_import(&f->c, &second, tenant(), id_of(2))));
}

/* The slower of two that share one layer finds it there, and takes its own pieces away. */
static bool slow_pack(struct call *c, struct pg_backend *backend, struct str id, int to_fd)
{
	OWNS(arena) a = {0};
	struct call other;

	call_open(&other, &a);
	assert_true(share_export(&other, &second, tenant(), id));
	return box_pack(c, backend, id, to_fd);
}

static void of_two_writers_one_wins(void **state)
{
	struct fixture *f = *state;
	struct pg_backend_ops slow = box_ops;

	a_chain(1, 1000);
	box_add(&two, id_of(1), S(""), S("the same state, packed a little differently"), S(""));
	slow.pack = slow_pack;
	one.backend.ops = &slow;
	assert_true(fine(f, share_export(&f->c, &f->r, tenant(), id_of(1))));
	assert_int_equal(keys(f), 2);
	one.backend.ops = &box_ops;
	box_clear(&one);
	assert_true(fine(f, share_import(&f->c, &f->r, tenant(), id_of(1))));
	assert_str_equal(buf_str(&one.layers[0].archive), "the same state, packed a little differently");
}

static void layers_over_another_build_are_not_taken(void **state)
{
	struct fixture *f = *state;

	a_chain(3, 1000);
	assert_true(fine(f, share_export(&f->c, &f->r, tenant(), id_of(3))));
	box_add(&two, id_of(1), S(""), S("the same SQL, other bytes"), S(""));
	expect_error(f, share_import(&f->c, &second, tenant(), id_of(3)), ERR_CONFLICT);
	assert_int_equal(two.unpacks, 0);
	assert_int_equal(keys(f), 6); /* it is good for others */
	set_build(&one, 2, S("whole"), S(""));
	box_add(&two, id_of(2), id_of(1), S("more of them"), S(""));
	assert_true(fine(f, f->r.o.store->ops->drop(&f->c, f->r.o.store, arena_fmt(&f->arena, "tenants/acme/layers/%.*s/manifest", SARG(id_of(3))))));
	assert_true(fine(f, share_export(&f->c, &f->r, tenant(), id_of(3))));
	assert_true(fine(f, share_import(&f->c, &second, tenant(), id_of(3)))); /* all of it is in it */
	assert_int_equal(two.unpacks, 1);
}

static void layers_over_another_build_are_not_given(void **state)
{
	struct fixture *f = *state;
	struct pg_backend_ops slow = box_ops;

	a_chain(1, 1000);
	assert_true(fine(f, share_export(&f->c, &f->r, tenant(), id_of(1))));
	box_add(&two, id_of(1), S(""), S("the same SQL, other bytes"), S(""));
	box_add(&two, id_of(2), id_of(1), S("over them"), S(""));
	assert_true(fine(f, share_export(&f->c, &second, tenant(), id_of(2))));
	assert_int_equal(keys(f), 2);
	/* Also not by who finds out only while he gives its parent. */
	clock_advance(2000LL * RIG_TTL_S);
	sweep(f);
	clock_advance(-2000LL * RIG_TTL_S);
	assert_int_equal(keys(f), 0);
	box_add(&one, id_of(2), id_of(1), S("over ours"), S(""));
	slow.pack = slow_pack;
	one.backend.ops = &slow;
	assert_true(fine(f, share_export(&f->c, &f->r, tenant(), id_of(2))));
	assert_int_equal(one.packs, 2);
	assert_int_equal(keys(f), 2);
}

static void sweeps_keep_what_is_used(void **state)
{
	struct fixture *f = *state;

	a_chain(3, 10);
	box_add(&one, id_of(9), id_of(1), S("a branch"), S(""));
	assert_true(fine(f, share_export(&f->c, &f->r, tenant(), id_of(3))));
	assert_true(fine(f, share_export(&f->c, &f->r, tenant(), id_of(9))));
	overwrite(f, arena_fmt(&f->arena, "tenants/acme/layers/%.*s/00.000000", SARG(id_of(10))), S("half written"));
	sweep(f);
	assert_int_equal(keys(f), 9);
	clock_advance(1000LL * RIG_TTL_S - 5000);
	sweep(f);
	assert_int_equal(keys(f), 9); /* what is half written may still be on its way */
	clock_advance(6LL * 3600 * 1000 - 1000LL * RIG_TTL_S + 10000);
	sweep(f);
	assert_int_equal(keys(f), 0);
	clock_advance(-6LL * 3600 * 1000);
	/* young ones keep what is below them */
	assert_true(fine(f, share_export(&f->c, &f->r, tenant(), id_of(3))));
	f->r.o.layer_ttl_s = -10; /* of age at once */
	sweep(f);
	assert_int_equal(keys(f), 0);
}

static void parents_of_the_young_stay(void **state)
{
	struct fixture *f = *state;
	struct timespec old[2] = {{.tv_sec = 1000000}, {.tv_sec = 1000000}};

	a_chain(3, 10);
	assert_true(fine(f, share_export(&f->c, &f->r, tenant(), id_of(3))));
	for (int i = 1; i <= 2; i++) /* long ago */
		assert_int_equal(utimensat(AT_FDCWD, arena_fmt(&f->arena, "%s/tenants/acme/layers/%.*s/manifest", f->dir, SARG(id_of(i))).p, old, 0), 0);
	sweep(f);
	assert_int_equal(keys(f), 6);
	assert_int_equal(utimensat(AT_FDCWD, arena_fmt(&f->arena, "%s/tenants/acme/layers/%.*s/manifest", f->dir, SARG(id_of(3))).p, old, 0), 0);
	sweep(f);
	assert_int_equal(keys(f), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE_TWO(layers_go_from_server_to_server), CASE_TWO(only_what_is_missing_travels), CASE_TWO(archives_are_cut_into_pieces),
		CASE_TWO(what_is_not_shared_is_told), CASE_TWO(broken_pieces_are_not_taken), CASE_TWO(manifests_are_checked), CASE_TWO(circles_end),
		CASE_TWO(failures_leave_nothing_behind), CASE_TWO(of_two_writers_one_wins),
		CASE_TWO(layers_over_another_build_are_not_taken), CASE_TWO(layers_over_another_build_are_not_given), CASE_TWO(sweeps_keep_what_is_used),
		CASE_TWO(parents_of_the_young_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
