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
#include "sql/helper_values.def"
#include "sql/helper_dates.def"
#include "sql/helper_json.def"
#include "sql/helper_metadata.def"
	NULL,
};

const char *const *sql_helper_statements(void)
{
	return statements;
}
