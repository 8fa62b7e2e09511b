/* snowflake.c - the rewriter of Snowflake's dialect alone: no HTTP, no engine.
 *
 * Usage: snowflake lex|rewrite BYTES SECONDS
 *                                microseconds a statement of about so many bytes: read as tokens, or read and written again for DuckDB
 */
#include "base/base.h"
#include "sql/sql.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUND = 200 }; /* statements between two looks at the clock */

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* What people write, and what the rewriter has to touch: names, types, paths, date parts, functions of its own. */
static struct str statement(size_t bytes, struct buf *b)
{
	static const char *const items[] = {
		"iff(o.total > 10, 'big', 'small') as size", "dateadd(day, 1, o.created)::date as due", "o.v:customer.name::string as name",
		"nvl(o.paid, false) as paid", "o.qty / nullifzero(o.days) as rate", "to_varchar(o.total, '999.99') as total",
	};
	static const struct str head = S("select o.id"), tail = S(" from orders o where o.region ilike 'n%' order by o.total desc");

	buf_add(b, head);
	for (size_t i = 0; b->n + tail.n < bytes; i++)
		buf_fmt(b, ", %s_%zu", items[i % COUNT_OF(items)], i);
	buf_add(b, tail);
	if (bytes < 100) {
		buf_clear(b);
		buf_lit(b, "select id from orders");
	}
	return buf_str(b);
}

static bool once(struct call *c, struct str text, bool rewrite)
{
	const struct sql_context context = {.database = S("SHOP"), .schema = S("PUBLIC")};
	struct sql_rewrite rw;
	struct sql_tokens t;

	if (!sql_lex(c, SQL_SNOWFLAKE, text, &t))
		return false;
	return !rewrite || sql_rewrite_snowflake(c, &t, (struct sql_span){0, t.n}, &context, &rw);
}

static double micros(struct str text, bool rewrite, double seconds)
{
	double begin = now(), took;
	long done = 0;

	do {
		for (int i = 0; i < ROUND; i++, done++) {
			OWNS(arena) arena = {0};
			struct call c;

			call_open(&c, &arena);
			if (once(&c, text, rewrite))
				continue;
			fprintf(stderr, "snowflake: %s\n", c.err.text);
			exit(1);
		}
		took = now() - begin;
	} while (took < seconds);
	return took / (double)done * 1e6;
}

int main(int argc, char **argv)
{
	OWNS(buf) b = {0};
	struct str text;

	if (argc != 4 || (strcmp(argv[1], "lex") != 0 && strcmp(argv[1], "rewrite") != 0)) {
		fputs("usage: snowflake lex|rewrite BYTES SECONDS\n", stderr);
		return 2;
	}
	text = statement((size_t)atol(argv[2]), &b);
	printf("%.3f\n", micros(text, strcmp(argv[1], "rewrite") == 0, atof(argv[3])));
	return 0;
}
