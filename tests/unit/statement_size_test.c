/* statement_size_test.c - a million finished handles fit in 512 MiB, without their rows.
 *
 * Counted by malloc: the handle with its SQL and names, its columns, its parts but for their bytes, its places in the map
 * and in lists. For handles of a former process, which are made as all others are, and have no bytes in memory.
 */
#include "statement_store_rig.h"

#include <malloc.h>

enum { HANDLES = 100000, MOST_BYTES = 450 }; /* of 536: malloc's own, and what shrinks late, beside them */

/* As a room that finished them would have them: memory alone. */
static struct stmt *finished(struct rig *r, int i)
{
	const struct stmt_kept_part part = {.stored = 40, .rows = 1, .row_bytes = 20};
	const struct engine_column columns[] = {{.name = S("id"), .type = S("BIGINT"), .kind = ENGINE_T_INT},
						{.name = S("name"), .type = S("VARCHAR"), .kind = ENGINE_T_TEXT, .nullable = true}};
	OWNS(buf) packed = {0};
	OWNS(buf) sql = {0};
	const struct id id = id_v7();
	struct stmt *st;

	buf_fmt(&sql, "select id, name from customers where id = %d", i);
	engine_pack_columns(columns, COUNT_OF(columns), &packed);
	st = stmt_of_record(r->a->s, &(struct stmt_record){
		.handle = id_str(&id), .tenant = S("acme"), .principal = S("user@example.com"), .request_id = S("018f2c5e-0000-7000-8000-000000000000"),
		.sql = buf_str(&sql), .snowflake = true, .kind = SQL_SELECT, .state = STMT_SUCCEEDED, .created_ms = clock_wall_ms(),
		.started_ms = clock_wall_ms(), .completed_ms = clock_wall_ms(), .expires_ms = clock_wall_ms() + 3600000,
		.columns = buf_str(&packed), .rows = 1, .row_bytes = 20, .nparts = 1, .parts = &part});
	assert_non_null(st);
	stmt_force_place(st);
	stmt_enter(st);
	stmt_due(st, clock_mono_ms() + 3600000);
	return st;
}

static void a_million_finished_handles_fit_in_half_a_gigabyte(void **state)
{
	struct rig *r = *state;
	struct mallinfo2 before, after;
	size_t each;

	statement_unref(finished(r, -1)); /* tables of the tenant */
	before = mallinfo2();
	for (int i = 0; i < HANDLES; i++)
		statement_unref(finished(r, i)); /* the map has it */
	after = mallinfo2();
	each = (after.uordblks + after.hblkhd - before.uordblks - before.hblkhd) / HANDLES;
	print_message("%zu bytes a handle, of which struct stmt is %zu\n", each, sizeof(struct stmt));
	assert_true(each > sizeof(struct stmt));
	assert_true(each <= MOST_BYTES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {ON(memory, a_million_finished_handles_fit_in_half_a_gigabyte)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
