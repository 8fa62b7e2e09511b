/* helper_catalog.c - what the catalog `_sf` holds: Snowflake's operators and functions as macros.
 *
 * A macro named like an operator takes its place wherever `_sf.main` is on the
 * search path; DuckDB's own stays reachable in `system.main`. DuckDB answers
 * 1/0 with inf and 1%0 with NULL, Snowflake refuses both. Known difference: a
 * quotient of decimals is a DOUBLE here, a NUMBER of six more digits there.
 */
#include "sql/sql.h"

#define NOT_BY_ZERO(f) \
	"CREATE MACRO _sf.main." f "(a, b) AS CASE WHEN b = 0 AND a IS NOT NULL THEN error('Division by zero') " \
	"ELSE system.main." f "(a, b) END"

static const char *const statements[] = {
	NOT_BY_ZERO("\"/\""),
	NOT_BY_ZERO("\"%\""),
	NOT_BY_ZERO("mod"),
	"CREATE MACRO _sf.main.div0(a, b) AS CASE WHEN b = 0 AND a IS NOT NULL THEN 0 ELSE system.main.\"/\"(a, b) END",
	"CREATE MACRO _sf.main.iff(c, a, b) AS CASE WHEN c THEN a ELSE b END",
	"CREATE MACRO _sf.main.nvl(a, b) AS coalesce(a, b)",
	"CREATE MACRO _sf.main.zeroifnull(a) AS coalesce(a, 0)",
	"CREATE MACRO _sf.main.equal_null(a, b) AS a IS NOT DISTINCT FROM b",
	"CREATE MACRO _sf.main.parse_json(a) AS json(a)",
	NULL,
};

const char *const *sql_helper_statements(void)
{
	return statements;
}
