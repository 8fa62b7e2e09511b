/* wire_test.c - packets, packed columns and descriptors between server and worker. */
#include "engine/engine.h"
#include "engine/wire.h"

#include "test.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static void records_in_a_packet_come_back_one_by_one(void **state)
{
	struct buf b = {0};
	struct wire_head h;
	struct str body;
	struct wire_in in;
	size_t at;

	(void)state;
	at = wire_begin_record(&b, WIRE_COLUMNS, 7);
	wire_text(&b, S("abc"));
	wire_end_record(&b, at);
	at = wire_begin_record(&b, WIRE_END, 7);
	wire_i64(&b, -5);
	wire_u8(&b, 9);
	wire_end_record(&b, at);

	in = wire_in(buf_str(&b));
	assert_true(wire_next(&in, &h, &body));
	assert_int_equal(h.kind, WIRE_COLUMNS);
	assert_int_equal(h.task, 7);
	assert_int_equal(body.n, 7);
	assert_true(wire_next(&in, &h, &body));
	struct wire_in inner = wire_in(body);
	assert_true(wire_get_i64(&inner) == -5);
	assert_int_equal(wire_get_u8(&inner), 9);
	assert_false(inner.bad);
	assert_int_equal(wire_get_u32(&inner), 0);
	assert_true(inner.bad);
	assert_false(wire_next(&in, &h, &body));
	assert_false(in.bad);
	buf_drop(&b);
}

static void a_record_cut_short_is_refused_at_every_length(void **state)
{
	struct buf b = {0};
	size_t at = wire_begin_record(&b, WIRE_END, 1);

	(void)state;
	wire_text(&b, S("hello"));
	wire_end_record(&b, at);
	for (size_t n = 1; n < b.n; n++) {
		struct wire_in in = wire_in(str_head(buf_str(&b), n));
		struct wire_head h;
		struct str body;

		assert_false(wire_next(&in, &h, &body));
		assert_true(in.bad);
	}
	buf_drop(&b);
}

static const struct engine_bind some_binds[] = {
	{.type = ENGINE_B_FIXED, .value = {"12.50", 5}}, {.type = ENGINE_B_NULL}, {.type = ENGINE_B_TEXT, .value = {"a\0b", 3}}};

static struct engine_ask an_ask(const struct str *names)
{
	return (struct engine_ask){.sql = S("select ?, ?, ?"), .binds = some_binds, .bind_names = names, .nbinds = 3,
		.form = ENGINE_NATIVE, .counts = ENGINE_UPDATED, .null_text = true, .helpers = true,
		.timezone = S("Europe/Paris"), .max_result_bytes = 1 << 20, .max_part_rows = 1000, .first_part_bytes = 77,
		.first_part_whole = true};
}

static void a_statement_survives_the_wire(void **state)
{
	const struct str names[] = {S_INIT("x"), S_INIT("why"), S_INIT("")};
	struct engine_ask ask = an_ask(names), back;
	struct wire_catalog k;
	OWNS(arena) a = {0};
	struct call c;
	struct buf b = {0};

	(void)state;
	call_open(&c, &a);
	wire_put_ask(&b, &ask, NULL);
	assert_true(wire_get_ask(&c, buf_str(&b), &back, &k));
	assert_str_equal(back.sql, "select ?, ?, ?");
	assert_str_equal(back.timezone, "Europe/Paris");
	assert_int_equal(back.nbinds, 3);
	assert_int_equal(back.binds[0].type, ENGINE_B_FIXED);
	assert_str_equal(back.binds[0].value, "12.50");
	assert_int_equal(back.binds[2].value.n, 3);
	assert_str_equal(back.bind_names[1], "why");
	assert_true(back.null_text && back.helpers && !back.session_state);
	assert_int_equal(back.form, ENGINE_NATIVE);
	assert_int_equal(back.counts, ENGINE_UPDATED);
	assert_int_equal(back.max_result_bytes, 1 << 20);
	assert_int_equal(back.max_part_rows, 1000);
	assert_int_equal(back.first_part_bytes, 77);
	assert_true(back.first_part_whole);
	buf_drop(&b);
}

static void a_cut_statement_is_refused_at_every_length(void **state)
{
	struct engine_ask ask = an_ask(NULL), back;
	struct wire_catalog k;
	struct buf b = {0};

	(void)state;
	wire_put_ask(&b, &ask, NULL);
	for (size_t n = 0; n < b.n; n++) {
		OWNS(arena) a = {0};
		struct call c;

		call_open(&c, &a);
		assert_false(wire_get_ask(&c, str_head(buf_str(&b), n), &back, &k));
		assert_int_equal(c.err.kind, ERR_BAD_REQUEST);
	}
	buf_drop(&b);
}

#define A_CATALOG "__eph_0123456789abcdef0123456789abcdef"

static void catalogs_and_ingests_survive_the_wire(void **state)
{
	const struct wire_catalog k = {S(A_CATALOG), true, {3, 1000, 1 << 30}};
	const struct wire_ingest g = {k, S("t"), ENGINE_ROWS_CSV};
	struct engine_ask ask = an_ask(NULL), back;
	struct wire_ingest there;
	struct wire_catalog k2;
	OWNS(arena) a = {0};
	OWNS(buf) b = {0};
	struct call c;

	(void)state;
	call_open(&c, &a);
	ask.writes = true;
	wire_put_ask(&b, &ask, &k);
	assert_true(wire_get_ask(&c, buf_str(&b), &back, &k2));
	assert_true(back.writes && !back.outlives);
	assert_str_equal(k2.name, A_CATALOG);
	assert_true(k2.persistent);
	assert_int_equal(k2.max.tables, 3);
	assert_int_equal(k2.max.bytes, 1 << 30);
	buf_clear(&b);
	wire_put_ingest(&b, &g);
	assert_true(wire_get_ingest(&c, buf_str(&b), &there));
	assert_str_equal(there.table, "t");
	assert_int_equal(there.format, ENGINE_ROWS_CSV);
	assert_int_equal(there.catalog.max.rows, 1000);
	for (size_t n = 0; n < b.n; n++)
		assert_false(wire_get_ingest(&c, str_head(buf_str(&b), n), &there));
}

static void a_catalog_has_one_shape_of_name(void **state)
{
	static const char *const bad[] = {"x", "__eph_", "__eph_0123456789abcdef0123456789abcdeF", "__eph_0123456789abcdef0123456789abcde'",
					  "__eph_0123456789abcdef0123456789abcdef0", "mayfly0123456789abcdef0123456789abcdef"};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		const struct wire_catalog k = {.name = str_of(bad[i])};
		struct wire_catalog back;
		OWNS(buf) b = {0};
		struct wire_in in;

		wire_put_catalog(&b, &k);
		in = wire_in(buf_str(&b));
		assert_false(wire_get_catalog(&in, &back));
	}
}

static void columns_are_packed_and_every_byte_is_checked(void **state)
{
	const struct engine_column v[] = {{.name = S("N"), .type = S("DECIMAL(10,2)"), .kind = ENGINE_T_DECIMAL, .precision = 10, .scale = 2, .nullable = true},
					  {.name = S(""), .type = S("VARCHAR[]"), .kind = ENGINE_T_LIST, .nullable = false}};
	struct engine_column *back;
	struct buf b = {0};
	OWNS(arena) a = {0};
	struct call c;
	int n;

	(void)state;
	call_open(&c, &a);
	engine_pack_columns(v, 2, &b);
	assert_true(engine_columns(&c, buf_str(&b), &back, &n));
	assert_int_equal(n, 2);
	assert_str_equal(back[0].type, "DECIMAL(10,2)");
	assert_int_equal(back[0].scale, 2);
	assert_true(back[0].nullable);
	assert_int_equal(back[1].kind, ENGINE_T_LIST);
	for (size_t cut = 0; cut < b.n; cut++)
		assert_false(engine_columns(&c, str_head(buf_str(&b), cut), &back, &n));
	b.p[b.n - 1] = 32; /* no flag */
	assert_false(engine_columns(&c, buf_str(&b), &back, &n));
	b.p[b.n - 1] = 4; /* a length, and nothing behind */
	assert_false(engine_columns(&c, buf_str(&b), &back, &n));
	b.p[b.n - 1] = 0;
	b.p[b.n - 4] = (char)ENGINE_T_COUNT;
	assert_false(engine_columns(&c, buf_str(&b), &back, &n));
	b.p[b.n - 4] = ENGINE_T_LIST;
	buf_addc(&b, 0);
	assert_false(engine_columns(&c, buf_str(&b), &back, &n));
	buf_drop(&b);
}

static void a_count_of_columns_that_cannot_be_there_is_not_allocated(void **state)
{
	struct engine_column *back;
	OWNS(arena) a = {0};
	struct call c;
	int n;

	(void)state;
	call_open(&c, &a);
	assert_false(engine_columns(&c, S("\xff\xff\xff\xff"), &back, &n));
	assert_true(a.used < 1024);
}

static void a_sealed_memfd_crosses_a_socket_and_is_mapped(void **state)
{
	static char partition[WIRE_INLINE + 1];
	int pair[2], fd;
	char packet[64];
	void *p;
	bool mapped;
	OWNS(arena) a = {0};
	struct call c;

	(void)state;
	call_open(&c, &a);
	memset(partition, 'x', sizeof(partition));
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	fd = wire_memfd(str_from(partition, sizeof(partition)));
	assert_true(fd >= 0);
	assert_int_equal(wire_send(pair[0], S("head"), fd), 0);
	close(fd);
	assert_int_equal(wire_recv(pair[1], packet, sizeof(packet), &fd, 0), 4);
	assert_true(fd >= 0);
	assert_int_equal(wire_fd_size(fd), sizeof(partition));
	assert_true(wire_take_memfd(&c, fd, sizeof(partition), &p, &mapped));
	assert_true(mapped);
	struct engine_bytes *b = engine_bytes_adopt(p, sizeof(partition), mapped);
	assert_int_equal(engine_bytes_str(b).n, sizeof(partition));
	assert_memory_equal(engine_bytes_str(b).p, partition, sizeof(partition));
	engine_bytes_unref(engine_bytes_ref(b));
	engine_bytes_unref(b);
	close(pair[0]);
	assert_int_equal(wire_recv(pair[1], packet, sizeof(packet), &fd, 0), 0);
	assert_int_equal(fd, -1);
	close(pair[1]);
}

/* Mappings are few: what would have fitted a packet takes none, sealed or not. */
static void a_small_memfd_is_read_though_it_is_sealed(void **state)
{
	OWNS(arena) a = {0};
	struct call c;
	bool mapped;
	void *p;

	(void)state;
	call_open(&c, &a);
	assert_true(wire_take_memfd(&c, wire_memfd(S("small")), 5, &p, &mapped));
	assert_false(mapped);
	assert_memory_equal(p, "small", 5);
	free(p);
}

static void an_unsealed_memfd_is_read_and_a_short_one_refused(void **state)
{
	int fd = memfd_create("x", MFD_ALLOW_SEALING);
	void *p;
	bool mapped;
	OWNS(arena) a = {0};
	struct call c;

	(void)state;
	call_open(&c, &a);
	assert_int_equal(write(fd, "0123456789", 10), 10);
	assert_false(wire_take_memfd(&c, dup(fd), 11, &p, &mapped));
	call_forgive(&c);
	assert_true(wire_take_memfd(&c, fd, 10, &p, &mapped));
	assert_false(mapped);
	assert_memory_equal(p, "0123456789", 10);
	free(p);
	int pipes[2];
	assert_int_equal(pipe(pipes), 0);
	assert_false(wire_take_memfd(&c, pipes[0], 1, &p, &mapped));
	close(pipes[1]);
}

static void a_packet_too_long_is_an_error_not_a_part_of_one(void **state)
{
	int pair[2], fd;
	char packet[4];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	assert_int_equal(wire_send(pair[0], S("too long"), -1), 0);
	assert_int_equal(wire_recv(pair[1], packet, sizeof(packet), &fd, 0), -1);
	assert_int_equal(errno, EMSGSIZE);
	assert_int_equal(wire_recv(pair[1], packet, sizeof(packet), &fd, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
	close(pair[0]);
	close(pair[1]);
}

/* --- batches of records --- */
static const struct engine_cell some_cells[] = {{.kind = ENGINE_CELL_NULL},
						{.kind = ENGINE_CELL_INT, .integer = -7},
						{.kind = ENGINE_CELL_REAL, .real = 0.25},
						{.kind = ENGINE_CELL_TEXT, .s = {"t\xc3\xa9xt", 5}},
						{.kind = ENGINE_CELL_BYTES, .s = {"\0\xff", 2}}};
static const struct engine_step some_steps[] = {{.sql = S_INIT("insert into t values (?,?,?,?,?)"), .binds = some_cells, .nbinds = 5},
						{.sql = S_INIT("update t set a = 1"), .must_change = true}};

static void put_some_records(struct buf *b)
{
	wire_put_records(b, &(struct engine_records_ask){.file = S("acme.1-2_3.db"), .steps = some_steps, .nsteps = 2, .make = true});
}

static void a_batch_of_records_survives_the_wire(void **state)
{
	struct engine_records_ask back;
	OWNS(arena) a = {0};
	OWNS(buf) b = {0};
	struct call c;

	(void)state;
	call_open(&c, &a);
	put_some_records(&b);
	assert_true(wire_get_records(&c, buf_str(&b), &back));
	assert_str_equal(back.file, "acme.1-2_3.db");
	assert_true(back.make && !back.drop);
	assert_int_equal(back.nsteps, 2);
	assert_str_equal(back.steps[1].sql, "update t set a = 1");
	assert_true(back.steps[1].must_change && !back.steps[0].must_change);
	assert_int_equal(back.steps[0].nbinds, 5);
	for (int i = 0; i < 5; i++) {
		const struct engine_cell *v = &back.steps[0].binds[i];

		assert_int_equal(v->kind, some_cells[i].kind);
		assert_true(v->integer == some_cells[i].integer && v->real == some_cells[i].real && str_eq(v->s, some_cells[i].s));
	}
}

static void a_batch_of_records_is_checked_byte_by_byte(void **state)
{
	struct engine_records_ask back;
	OWNS(arena) a = {0};
	OWNS(buf) b = {0};
	struct call c;

	(void)state;
	call_open(&c, &a);
	put_some_records(&b);
	for (size_t n = 0; n < b.n; n++) {
		OWNS(buf) cut = {0}; /* of its own, so that a sanitizer sees its end */

		buf_add(&cut, str_head(buf_str(&b), n));
		assert_false(wire_get_records(&c, buf_str(&cut), &back));
		call_forgive(&c);
	}
	for (size_t at = 0; at < b.n; at++) {
		for (int value = 0; value < 256; value++) {
			char was = b.p[at];

			b.p[at] = (char)value;
			if (wire_get_records(&c, buf_str(&b), &back))
				assert_true(records_name_ok(back.file) && (size_t)back.nsteps < b.n && (!back.drop || back.nsteps == 0));
			call_forgive(&c);
			b.p[at] = was;
		}
		arena_reset(&a);
	}
}

static void a_file_of_records_has_one_shape_of_name(void **state)
{
	static const char *const good[] = {"a.db", "acme.db", "acme.0198f1c2-7a.db", "A_b-c.d.db", "-.db"};
	static const char *const bad[] = {"", ".db", "a", "a.db.wal", "a.DB", "../a.db", "a/../b.db", "/a.db", ".a.db", "a b.db", "a\n.db", "a:b.db",
					  "tmp", "\xc3\xa9.db"};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(good); i++)
		assert_true(records_name_ok(str_of(good[i])));
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		assert_false(records_name_ok(str_of(bad[i])));
	assert_false(records_name_ok(S("a\0.db")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_in_a_packet_come_back_one_by_one),
		cmocka_unit_test(a_record_cut_short_is_refused_at_every_length),
		cmocka_unit_test(a_statement_survives_the_wire),
		cmocka_unit_test(a_cut_statement_is_refused_at_every_length),
		cmocka_unit_test(catalogs_and_ingests_survive_the_wire),
		cmocka_unit_test(a_catalog_has_one_shape_of_name),
		cmocka_unit_test(columns_are_packed_and_every_byte_is_checked),
		cmocka_unit_test(a_count_of_columns_that_cannot_be_there_is_not_allocated),
		cmocka_unit_test(a_sealed_memfd_crosses_a_socket_and_is_mapped),
		cmocka_unit_test(a_small_memfd_is_read_though_it_is_sealed),
		cmocka_unit_test(an_unsealed_memfd_is_read_and_a_short_one_refused),
		cmocka_unit_test(a_packet_too_long_is_an_error_not_a_part_of_one),
		cmocka_unit_test(a_batch_of_records_survives_the_wire),
		cmocka_unit_test(a_batch_of_records_is_checked_byte_by_byte),
		cmocka_unit_test(a_file_of_records_has_one_shape_of_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
