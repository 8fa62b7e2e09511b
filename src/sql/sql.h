/* sql.h - the door of sql/: text of statements, split, classified, gated, quoted and rewritten; never run.
 *
 * Everything here works on tokens of one lexer with two dialects. Positions
 * are byte offsets into the text that was given. The gate is an allow-list by
 * statement kind and a deny-list by function and catalog name; what it lets
 * through still runs in a sandboxed worker.
 */
#ifndef MAYFLY_SQL_H
#define MAYFLY_SQL_H

#include "base/base.h"
#include "sql/script.h"
#include "sql/snowflake.h"
#include "sql/tokens.h"

/* --- classification: by the first words, comments ignored --- */
enum sql_kind {
	SQL_SELECT,   /* SELECT, WITH … SELECT, FROM-first, VALUES, TABLE, parenthesised, PIVOT, UNPIVOT */
	SQL_SHOW,     /* SHOW, DESCRIBE, DESC, SUMMARIZE */
	SQL_EXPLAIN,
	SQL_INSERT, SQL_UPDATE, SQL_DELETE, SQL_MERGE, SQL_TRUNCATE,
	SQL_CREATE, SQL_DROP, SQL_ALTER, SQL_COMMENT,
	SQL_BEGIN, SQL_COMMIT, SQL_ROLLBACK,
	SQL_USE, SQL_SET, SQL_RESET, SQL_CALL,
	SQL_COPY, SQL_PUT, SQL_GET, SQL_ATTACH, SQL_DETACH, SQL_EXPORT, SQL_IMPORT, SQL_INSTALL, SQL_LOAD,
	SQL_CHECKPOINT, SQL_PRAGMA, SQL_VACUUM, SQL_ANALYZE, SQL_PREPARE, SQL_EXECUTE, SQL_DEALLOCATE,
	SQL_GRANT, SQL_REVOKE,
	SQL_UNKNOWN,
	SQL_KIND_COUNT
};
struct sql_class {
	enum sql_kind kind;
	struct str object;     /* of CREATE/DROP/ALTER: "TABLE", "VIEW", "SCHEMA", "SEQUENCE", …; else empty */
	struct str name;       /* its name as written, possibly dotted; else empty */
	struct str leaf;       /* last part of name, unquoted and folded as Snowflake does */
	bool or_replace, if_not_exists, if_exists, temporary;
	bool as_select;        /* CREATE … AS SELECT */
	bool writes;           /* changes tables or the catalog */
	bool session_state;    /* may leave something in its connection: temporary objects, variables,
	                        * settings, transactions, setseed(), currval/nextval */
};
const char *sql_kind_name(enum sql_kind k); /* "SELECT", … */
void sql_classify(struct call *c, const struct sql_tokens *t, struct sql_span s, struct sql_class *ret);

/* --- the gate: the contract, section 0, "SQL gate" --- */
struct sql_gate {
	const char *const *catalogs; /* the caller's catalogs, NULL-terminated; of others the reserved and those of sessions are refused when named */
	/* One SELECT (views, session queries); ERR_READ_ONLY else. Without catalogs it is one over a space's tables: nothing
	 * qualified, no rows but theirs and of values, nothing of catalogs, connections or settings. */
	bool select_only;
};
/* For the text that will run: of a Snowflake statement, what sql_rewrite_snowflake made of it.
 * Fails with ERR_NOT_ALLOWED naming what and where, with ERR_SQL (001003) at a statement
 * whose first word is none we know. Quoted and dotted spellings
 * of a function count too ("read_csv"(…), system.main.read_csv(…)), and so do file
 * names used as tables (FROM 'x.csv', FROM "x.parquet"). */
bool sql_gate(struct call *c, const struct sql_tokens *t, struct sql_span s, const struct sql_gate *g) NODISCARD;

/* Is no list so long that planning it takes forever? Else ERR_SQL 001795 / 42601; see lengths.c. */
bool sql_lists_fit(struct call *c, const struct sql_tokens *t, struct sql_span s) NODISCARD;

/* A text written again, with pairs (offset in text, offset in source), rising, that carry positions of errors back. */
struct sql_mark { size_t out, in; };
struct sql_rewrite {
	struct str text;          /* for DuckDB */
	const struct sql_mark *marks;
	int nmarks;
	int placeholders;         /* how many distinct ones */
	const struct str *names;  /* of placeholder i+1: "1", "2", … or the name; names[i] */
	const char *const *catalogs; /* of sessions, that the scope let through, for the gate's; NULL-terminated or NULL */
	struct sql_snowflake sf;  /* of sql_rewrite_snowflake() */
};
size_t sql_source_position(const struct sql_rewrite *r, size_t at_out);

/* --- inside a session (contract, section 2) --- */
#define SQL_EPHEMERAL "__eph_" /* no name of a user begins so */
enum { SQL_EPHEMERAL_HEX = 32, SQL_CATALOG_LEN = sizeof(SQL_EPHEMERAL) - 1 + SQL_EPHEMERAL_HEX };
/* The catalog of a session: "__eph_<32 hex of its id>". */
struct str sql_catalog_of(struct str session_id, char ret[SQL_CATALOG_LEN]);
bool sql_is_catalog(struct str name); /* does it begin with the name of one, in lower case? */
struct sql_scope {
	struct str catalog; /* "__eph_<32 hex>": the session's own; empty = no session */
	bool share;         /* physical names of other sessions are let through */
};
/* On the client's tokens, before all else. mutable.public."__eph_<hex>_t" becomes "__eph_<hex>".public."t", as a table and
 * as the qualifier of a column. Names of other sessions, anything else of the catalog `mutable` or that begins with __eph_,
 * and CREATE, ALTER or DROP SCHEMA in a session fail with ERR_NOT_ALLOWED; CREATE TABLE and RENAME TO with ERR_INVALID_NAME or
 * ERR_NAME_TOO_LONG where the table falls into the session and its name may not. SHOW TABLES becomes a SELECT over both.
 * Without a session only the refusals. ret->text is all of t->text with the changes, or itself. */
bool sql_rewrite_scope(struct call *c, const struct sql_tokens *t, struct sql_span s, const struct sql_scope *scope,
		       struct sql_rewrite *ret) NODISCARD;
/* {table} and {table:name} outside of strings and comments become `reference(arg, name)`, which gives NULL p for an unknown
 * table: ERR_UNKNOWN_TABLE. `table` is what a bare {table} means; empty: ERR_INVALID_FIELD when one is there. */
bool sql_template(struct call *c, struct str text, struct str table, struct str (*reference)(void *arg, struct str name), void *arg,
		  struct str *ret) NODISCARD;
/* Letters, digits, `_`, at most `max`, not beginning with a digit or __eph_: ERR_INVALID_NAME, ERR_NAME_TOO_LONG. */
bool sql_name_check(struct call *c, struct str name, size_t max) NODISCARD;

/* --- saved SQL (contract, section 3) --- */
struct sql_variable_use {
	struct str name;
	size_t at;
};
/* {{name}} outside of strings and comments (inner blanks are fine) becomes $name. ERR_SQL_INVALID for a placeholder that
 * is unfinished, has no name, or touches a word or another one, with its position. Every use, in order. */
bool sql_variables(struct call *c, struct str text, struct str *ret, struct sql_variable_use **ret_uses, int *ret_n) NODISCARD;
/* "name", "name desc", "name asc nulls last", …: the columns of an order. */
struct sql_order {
	struct str column;  /* as it is named, unquoted */
	bool desc, nulls_first;
};
/* One item of a request's `order_by`; a column of exactly that name comes first. ERR_INVALID_FIELD naming it. */
bool sql_order_item(struct call *c, struct str item, const struct str *columns, int ncolumns, struct sql_order *ret) NODISCARD;
/* The text's own ORDER BY at its end, as items of that form, as far as they are plain columns; none otherwise. */
bool sql_order_of(struct call *c, struct str text, struct str **ret, int *ret_n) NODISCARD;

/* --- quoting --- */
void sql_quote_name(struct buf *b, struct str name);      /* "na""me" */
void sql_quote_literal(struct buf *b, struct str value);  /* 'va''lue' */
/* The name behind a WORD or QUOTED token: unquoted, folded to upper case when
 * unquoted in the Snowflake dialect. */
struct str sql_name_of(struct arena *a, enum sql_dialect d, const struct sql_token *t);

#endif
