/* json_of.h - inside the worker: DuckDB's vectors as VARIANT values, and what registers the functions over them. */
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

/* --- what there is --- */
bool variant_register(duckdb_connection con) NODISCARD;         /* all of it */
bool variant_casts_register(duckdb_connection con) NODISCARD;   /* types and casts */
bool variant_flatten_register(duckdb_connection con) NODISCARD;
bool variant_elements_register(duckdb_connection con) NODISCARD; /* json_elements.c */
bool variant_values_register(duckdb_connection con) NODISCARD;  /* functions over any of them */
bool variant_objects_register(duckdb_connection con) NODISCARD;
bool variant_arrays_register(duckdb_connection con) NODISCARD;

#endif
