/* instances_warm.c - what a waiting instance does before anybody comes: the first statement of a backend on a table takes
 * milliseconds, to read catalogs, to plan, and to give the table's file its own copy; the second takes a tenth of one.
 *
 * Reads and plans only: nothing is written, no transaction gets a number, so a warm instance answers as a new one does.
 */
#include "runner/layers_int.h"

enum { WARM_TABLES = 16, WARM_MS = 2000, SMALL_BYTES = 1 << 20 };

/* Where the first look at a file copies it into memory, only small ones are looked at. */
static int64_t most_bytes(const struct runner *r)
{
	struct pg_report report;

	r->o.backend->ops->report(r->o.backend, &report);
	return strcmp(report.driver, "overlay-tmpfs") == 0 ? SMALL_BYTES : INT64_MAX;
}

bool instance_warm_up(struct call *c, struct runner *r, struct pg_conn *conn)
{
	static const char text[] =
		"DO $$DECLARE q pg_catalog.text; BEGIN FOR q IN SELECT pg_catalog.unnest(ARRAY["
		"pg_catalog.format('SELECT FROM %%s WHERE %%I = (SELECT %%I FROM %%s LIMIT 1)', t, k, k, t), "
		"pg_catalog.format('EXPLAIN UPDATE %%s SET %%I = %%I WHERE %%I = (SELECT %%I FROM %%s LIMIT 1)', t, k, k, k, k, t)]) "
		"FROM (SELECT c.oid::pg_catalog.regclass t, a.attname k FROM pg_catalog.pg_class c "
		"JOIN pg_catalog.pg_index i ON i.indrelid = c.oid AND i.indisprimary "
		"JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0] "
		"WHERE c.relkind = 'r' AND c.relowner = CURRENT_USER::pg_catalog.regrole AND pg_catalog.pg_relation_size(c.oid) <= %lld "
		"ORDER BY pg_catalog.pg_relation_size(c.oid) DESC LIMIT %d) s "
		"LOOP BEGIN EXECUTE q; EXCEPTION WHEN OTHERS THEN NULL; END; END LOOP; END$$";
	int64_t deadline_ms = c->deadline_ms;
	struct pg_answer answer;

	c->deadline_ms = clock_mono_ms() + WARM_MS;
	pg_run(c, conn, &(struct pg_ask){.sql = arena_fmt(c->arena, text, (long long)most_bytes(r), WARM_TABLES)}, 0, &answer);
	pg_answer_drop(&answer);
	c->deadline_ms = deadline_ms;
	return answer.outcome == PG_OK || answer.outcome == PG_FAILED;
}
