/* snowflake.h - part of sql/'s door: statements in Snowflake's dialect, written again for DuckDB.
 *
 * Include sql/sql.h. What is not known passes through untouched; what cannot work is refused at once with 000002.
 * Source: shared specifications of the SQL API and of the driver protocol (section 8); what differs is in docs/snowflake.md.
 */
#ifndef MAYFLY_SQL_SNOWFLAKE_H
#define MAYFLY_SQL_SNOWFLAKE_H

#include "sql/tokens.h"

struct sql_rewrite;

/* What a statement is written in: what CURRENT_DATABASE() and its like answer, and what $name stands for. */
struct sql_context {
	struct str database, schema;  /* the current ones, as they are called; empty = MAYFLY, PUBLIC */
	struct str session_catalog;   /* "__eph_<32 hex>" of a named session; empty = none */
	struct str warehouse, role, user, session, last_query; /* empty = NULL */
	/* Is the variable set? ret_text: its value where that was a literal (for IDENTIFIER($x)), else p NULL. NULL fn: none is. */
	bool (*variable)(void *arg, struct str name, struct str *ret_text);
	void *arg;
	bool batch;                   /* array binds: an INSERT … VALUES of placeholders becomes set-based */
};

enum sql_does {
	SQL_DOES_RUN,          /* the text, after the steps */
	SQL_DOES_USE,          /* `database` and `schema`, an empty one stays; no text */
	SQL_DOES_USE_NAME,     /* USE WAREHOUSE, ROLE, SECONDARY ROLES: settings[0], by that name; no text */
	SQL_DOES_CREATE_DATABASE, SQL_DOES_DROP_DATABASE, /* `database`; no text */
	SQL_DOES_SET_PARAMETERS, /* ALTER SESSION SET and UNSET: settings; no text */
	SQL_DOES_SET_VARIABLES,  /* SET and UNSET: settings are the names, with values that are literals; the text does it in the connection */
};
struct sql_setting {
	struct str name;       /* in upper case */
	struct str value;      /* its text; p NULL: UNSET, or of a variable: not a literal */
};
struct sql_step {
	struct str text;
	struct str table;      /* leaf of its name, for "number of rows inserted into T1" of INSERT ALL; else empty */
	bool inserts, deletes; /* what its count is */
};
enum { SQL_MERGE_INSERTS = 1, SQL_MERGE_UPDATES = 2, SQL_MERGE_DELETES = 4 };
struct sql_snowflake {
	enum sql_does does;
	struct str database, schema;
	const struct sql_setting *settings;
	int nsettings;
	/* To run before the text, in one transaction with it. INSERT OVERWRITE: one that deletes. INSERT ALL: all but the last
	 * INSERT; `last_table` is that one's. */
	const struct sql_step *steps;
	int nsteps;
	struct str last_table;
	bool own;              /* text and steps are ours to read the catalog: not for the gate */
	bool set_based;        /* the text reads mayfly_binds(); no placeholders are left */
	unsigned merges;       /* SQL_MERGE_…: the actions that a MERGE has */
};
/* Fails with ERR_SQL: unknown statement 001003, what cannot work 000002, an unknown $name 000904, X'…' that is not hexadecimal.
 * CALL f(…) becomes SELECT f(…). */
bool sql_rewrite_snowflake(struct call *c, const struct sql_tokens *t, struct sql_span s, const struct sql_context *x,
			   struct sql_rewrite *ret) NODISCARD;

/* --- what results are told of: read from the text that runs (DuckDB's dialect) --- */
enum sql_item_kind { SQL_ITEM_OTHER, SQL_ITEM_COLUMN, SQL_ITEM_STAR, SQL_ITEM_COUNT, SQL_ITEM_INTEGER, SQL_ITEM_DECIMAL, SQL_ITEM_TEXT, SQL_ITEM_PLACEHOLDER, SQL_ITEM_NULL,
	SQL_ITEM_SIZED /* an expression that is a text of at most `length` */ };
struct sql_item {      /* of the select list */
	enum sql_item_kind kind;
	int source;        /* of COLUMN and STAR: which of the sources; -1 = any, by the column's name */
	struct str name;   /* of COLUMN, unquoted */
	int precision, scale; /* of INTEGER and DECIMAL */
	int64_t length;    /* of TEXT and SIZED: characters */
	int placeholder;   /* its number */
};
struct sql_source {    /* a table of FROM */
	struct str parts[3]; /* database, schema, name, unquoted; empty where not written */
	struct str alias;
	bool nullable;     /* an outer join may leave it out */
};
struct sql_origins {
	const struct sql_item *items;
	int nitems;
	const struct sql_source *sources;
	int nsources;
};
/* Of one SELECT over tables; false, and no error: there is nothing to say (set operations, derived tables, …). */
bool sql_origins(struct call *c, const struct sql_tokens *t, struct sql_span s, struct sql_origins *ret);

/* What to run, in order, to fill a catalog attached as `_sf`; NULL-terminated. Put `_sf.main`
 * behind the caller's schema on the search path of Snowflake statements. */
const char *const *sql_helper_statements(void);

#endif
