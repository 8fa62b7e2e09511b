/* json_of.h - inside the worker: DuckDB's vectors as VARIANT values, and the table of functions over them. */
#ifndef MAYFLY_ENGINE_FUNCTIONS_JSON_OF_H
#define MAYFLY_ENGINE_FUNCTIONS_JSON_OF_H

#include "engine/worker/worker.h"
#include "engine/functions/json.h"

#define VARIANT_TYPE "SF_VARIANT"
#define OBJECT_TYPE "SF_OBJECT"
#define ARRAY_TYPE "SF_ARRAY"

/* --- vectors: json_of.c --- */
enum variant_alias { VARIANT_PLAIN, VARIANT_OURS, VARIANT_JSON, VARIANT_TZ /* TIMESTAMP_TZ, an INTERVAL (types.c) */ };
struct variant_column { /* how to read a vector */
	duckdb_type type, store;
	enum variant_alias alias;
	int scale;
	const char *at;
	uint64_t *valid;
	idx_t size;                  /* of ARRAY */
	struct variant_column *kids;
	struct str *names;           /* of members, of an ENUM's values */
	idx_t nkids;
};
/* False: of no type that can be one. Kept in `a`. */
bool variant_column(struct arena *a, duckdb_vector v, struct variant_column *ret) NODISCARD;
bool variant_column_null(const struct variant_column *c, idx_t row);
struct str variant_column_text(const struct variant_column *c, idx_t row); /* of VARCHAR and BLOB */
void variant_put(struct buf *out, const struct variant_column *c, idx_t row); /* a NULL is `undefined` */

/* --- functions: json_functions.c --- */
enum { VARIANT_ARGS = 8 /* that have a name; more are items of what is built */ };
struct variant_call {
	const struct variant_function *fn;
	struct str *v;               /* arguments: text of a value, or plain text; p NULL = SQL NULL */
	const int64_t *ints;         /* of arguments that are numbers */
	int n;
	struct buf out;              /* the result, empty for each row */
	struct buf room, room2;      /* the function's own */
	int64_t number;              /* result of what gives BIGINT or BOOLEAN */
	bool null;                   /* result */
	bool failed;
	char error[300];
	struct variant_path path;
	const struct variant_column *columns;
	idx_t row;
};
typedef void variant_fn(struct variant_call *f);
enum variant_gives { GIVES_VARIANT, GIVES_OBJECT, GIVES_ARRAY, GIVES_TEXT, GIVES_BOOLEAN, GIVES_BIGINT };
/* One letter an argument: v a value, t plain text, i a whole number; behind '|' those that may be missing; '*': the one before it
 * any number of times, also none. */
struct variant_function {
	const char *name, *signature;
	enum variant_gives gives;
	variant_fn *fn;
	bool nulls;                  /* is called with NULLs; else any of them makes NULL */
	int extra;                   /* the function's own */
};
#define VARIANT_FN(n, s, g, ...) {.name = n, .signature = s, .gives = g, .fn = __VA_ARGS__}
bool variant_functions_register(duckdb_connection con, const struct variant_function *v, size_t n) NODISCARD;
/* `code`: Snowflake's and the SQL state, as "100069/22P02". */
void variant_fails(struct variant_call *f, const char *code, const char *fmt, ...) PRINTF(3, 4);
void variant_gives_null(struct variant_call *f);
void variant_gives(struct variant_call *f, struct str v);

/* --- what there is --- */
bool variant_register(duckdb_connection con) NODISCARD;         /* all of it */
bool variant_casts_register(duckdb_connection con) NODISCARD;   /* types and casts */
bool variant_flatten_register(duckdb_connection con) NODISCARD;
extern const struct variant_function variant_values[], variant_objects[], variant_arrays[];
extern const size_t variant_nvalues, variant_nobjects, variant_narrays;

#endif
