/* ask.h - part of the door of engine/: what an engine is asked to run.
 *
 * Include engine/engine.h.
 */
#ifndef MAYFLY_ENGINE_ASK_H
#define MAYFLY_ENGINE_ASK_H

#include "base/base.h"
#include "engine/result.h"

struct engine_catalog;

/* --- what to run --- */
enum engine_bind_type { /* the specification, section 3 */
	ENGINE_B_NULL, ENGINE_B_FIXED, ENGINE_B_REAL, ENGINE_B_TEXT, ENGINE_B_BOOLEAN, ENGINE_B_DATE,
	ENGINE_B_TIME, ENGINE_B_TIMESTAMP_NTZ, ENGINE_B_TIMESTAMP_LTZ, ENGINE_B_TIMESTAMP_TZ, ENGINE_B_BINARY,
	/* native parameters: JSON values as they are */
	ENGINE_B_INT, ENGINE_B_DOUBLE,
	ENGINE_B_DECFLOAT, /* the specification's again: FIXED with an exponent */
	ENGINE_B_COUNT
};
struct engine_bind {
	enum engine_bind_type type;
	struct str value; /* text as the specification writes it; decimal digits for INT and DOUBLE */
	const struct str *values; /* ask.batch of them, p NULL = NULL; NULL = `value` for every row */
};
enum engine_counts { /* what the statement's own row count means */
	ENGINE_ROWS,      /* rows of a result */
	ENGINE_INSERTED, ENGINE_UPDATED, ENGINE_DELETED, /* a counter: rows changed */
	ENGINE_MERGED,    /* a MERGE: the worker adds RETURNING merge_action and counts */
	ENGINE_STATUS,    /* DDL: no rows */
};
enum engine_verb {
	ENGINE_SQL,       /* runs `steps`, then `sql` */
	/* these two need no connection of their own; `sql` is empty and the database is context.database */
	ENGINE_CREATE_DATABASE, ENGINE_DROP_DATABASE,
	ENGINE_USE,       /* are context.database and context.schema there? */
	ENGINE_PARSE,     /* `steps` are parsed, nothing is bound or runs; end.rows: which one fails. `sql` is empty, no catalog */
};
struct engine_context {  /* where names are looked up on the Snowflake surface; empty = MAYFLY, PUBLIC */
	struct str database, schema; /* in any case */
	bool create_missing; /* what is not there is made first; else names are looked up nowhere */
};
enum engine_format { /* of the wire text of a type (specification, section 2.1); an empty one is as section 5.1 says */
	ENGINE_FORMAT_DATE, ENGINE_FORMAT_TIME, ENGINE_FORMAT_NTZ, ENGINE_FORMAT_LTZ, ENGINE_FORMAT_TZ, ENGINE_FORMAT_BINARY,
	ENGINE_FORMATS
};
enum { ENGINE_STEPS_MAX = 1000 };
struct engine_sql {
	struct str sql;
	enum engine_counts counts;
};
struct engine_ask {
	struct str sql;                  /* one statement in DuckDB's dialect */
	const struct engine_bind *binds; /* placeholder i+1 */
	const struct str *bind_names;    /* NULL, or the name of binds[i] where it is named */
	int nbinds;
	/* Array binds: how many rows, 0 = none. With `set_based` the text reads them from mayfly_binds(), columns "1", "2", …;
	 * else it runs once a row. All in one transaction. */
	int64_t batch;
	bool set_based;
	const struct engine_sql *steps; /* before `sql`, which is the last one, in one transaction; binds are for all */
	int nsteps;
	enum engine_verb verb;
	bool if_exists, if_not_exists, or_replace; /* of the verb */
	struct engine_context context;   /* with helpers */
	struct str formats[ENGINE_FORMATS];
	/* Statements of one number share a connection, in the order given, until engine_script_end(); 0 = none. Where a later one
	 * finds no connection, its worker has ended: ENGINE_LOST. The connection keeps its worker. BEGIN in a transaction, COMMIT and
	 * ROLLBACK outside of one are fine. */
	uint64_t script;
	bool script_begins;
	bool commits_before;    /* DDL: a transaction that is open in the script is committed first */
	enum engine_form form;
	enum engine_counts counts;
	bool null_text;         /* SQL NULL as the string "null" (nullable=false) */
	bool session_state;     /* the connection must not be used again */
	bool helpers;           /* the helper catalog (Snowflake functions, operators) is on the search path */
	struct str timezone;    /* empty = UTC */
	int64_t max_result_bytes, max_part_rows; /* 0 = no limit */
	int64_t max_rows;       /* further rows are left out; 0 = no limit */
	int64_t first_part_bytes; /* the first partition closes here; later ones double */
	bool first_part_whole;  /* and it has any number of rows */
	struct str tenant;
	/* of a statement inside a session; NULL = the tenant's own database alone */
	struct engine_catalog *catalog;
	bool writes;            /* it may change tables: all or nothing, and the catalog's limits hold */
	bool outlives;          /* dropping the catalog does not interrupt it */
	/* Sees nothing of the tenant: no table, view, macro or type; but files of its cache may be read. Without catalog,
	 * helpers and writes. */
	bool bare;
	bool judge;             /* a SELECT: is it repeatable? */
};

#endif
