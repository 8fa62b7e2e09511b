/* types.h - part of iceberg/'s door: types, schemas, and what is told of data files. */
#ifndef MAYFLY_ICEBERG_TYPES_H
#define MAYFLY_ICEBERG_TYPES_H

#include "json/json.h"

/* --- types --- */
enum ice_kind {
	ICE_BOOLEAN, ICE_INT, ICE_LONG, ICE_FLOAT, ICE_DOUBLE, ICE_DECIMAL, ICE_DATE, ICE_TIME, ICE_TIMESTAMP, ICE_TIMESTAMPTZ,
	ICE_STRING, ICE_UUID, ICE_BINARY, ICE_FIXED /* read only */, ICE_LIST, ICE_STRUCT, ICE_MAP, ICE_KINDS
};
struct ice_type {
	enum ice_kind kind;
	int precision, scale;          /* of DECIMAL; FIXED: precision is its length */
	struct ice_field *fields;      /* LIST: the element; MAP: key, value; STRUCT: its fields */
	int nfields;
};
struct ice_field {
	int id;                        /* from 1 */
	struct str name;
	bool required;
	struct ice_type type;
};
struct ice_schema {
	int id;
	struct ice_field *fields;
	int n;
};
struct ice_column {
	struct str name, type;         /* as DuckDB names the type: "DECIMAL(10,2)", "STRUCT(a INTEGER)[]" */
};
struct ice_table;
/* The schema that keeps such columns in a table (`former`, or NULL for a new one): field ids stay where name and type are the
 * same or may be promoted (int to long, float to double, a wider decimal), also inside nested types; others are new. An equal
 * schema of the table is taken, with its id. Names that are empty or differ in case only are made unique, and
 * `file_row_number` and `__duckdb_field_id`, which DuckDB takes for its own, get a number.
 * ret_casts[i]: the DuckDB type to cast column i to before it is written; empty = as it is.
 * ERR_SQL_INVALID names a column whose type cannot be kept (UNION, VARIANT, GEOMETRY, …). */
bool ice_schema_of(struct call *c, const struct ice_table *former, const struct ice_column *v, int n, struct ice_schema *ret,
		   struct str **ret_casts) NODISCARD;
void ice_put_field_ids(struct buf *b, const struct ice_schema *s);     /* DuckDB's FIELD_IDS: {"a": 1, "l": {__duckdb_field_id: 2, element: 3}} */
void ice_put_read_schema(struct buf *b, const struct ice_schema *s);   /* read_parquet's schema: map{1: {name: 'a', type: 'INTEGER', default_value: NULL}, …} */
void ice_put_duckdb_type(struct buf *b, const struct ice_type *t);
void ice_put_schema_json(struct json_out *o, const struct ice_schema *s); /* Iceberg's: {"type":"struct","schema-id":0,"fields":[…]} */
/* ERR_CORRUPT_TABLE naming the object `key`; a schema without schema-id has id 0. */
bool ice_schema_from_json(struct call *c, struct str key, const json_node *n, struct ice_schema *ret) NODISCARD;
struct str ice_schema_hash(struct arena *a, const struct ice_schema *s); /* "sha256:…" over names and types */

/* --- data files --- */
struct ice_stats { /* of one leaf column of a file */
	int field_id;
	int64_t bytes, values, nulls;  /* values with the NULLs */
	int64_t nans;                  /* -1 = unknown */
	bool has_bounds;
	struct str lower, upper;       /* Iceberg's single-value form, see ice_bound() */
};
struct ice_file {
	struct str path;               /* below the table's prefix: "data/…" */
	int64_t rows, bytes;
	const int64_t *splits;
	int nsplits;
	const struct ice_stats *stats;
	int nstats;
};
/* A value as DuckDB writes it in text, bytes as \xNN -> bytes of a bound; strings are cut to 16 characters (upper: rounded up).
 * false, without an error: no bound can be told. */
bool ice_bound(struct arena *a, const struct ice_type *t, struct str text, bool upper, struct str *ret);
/* The leaf that Parquet calls `path` (l.list.element), or DuckDB ("l"."element"); NULL = none, or one of two. */
const struct ice_field *ice_leaf(const struct ice_schema *s, struct str path);

#endif
