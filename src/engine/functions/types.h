/* types.h - inside the worker side: Snowflake's types that are aliases of DuckDB's, and what its types are called
 * there. */
#ifndef MAYFLY_ENGINE_FUNCTIONS_TYPES_H
#define MAYFLY_ENGINE_FUNCTIONS_TYPES_H

#include "engine/worker/worker.h"

/* A TIMESTAMP_TZ: microseconds since 1970 in UTC, nanoseconds below them (0..999), minutes of its offset. INT64_MAX and
 * -INT64_MAX are infinite. */
struct zoned {
	int64_t utc;
	int nanos, zone;
};
/* As it is stored: an INTERVAL as long as the nanoseconds since 1970, of which there are many spellings; that of an offset is its
 * own. So DuckDB compares, sorts, groups and joins by the instant alone, and keeps the offset. false: beyond 170,000 years. */
bool zoned_pack(struct zoned z, duckdb_interval *ret) NODISCARD;
struct zoned zoned_unpack(duckdb_interval v);
/* TIMESTAMP_TZ (9 digits) or TIMESTAMP_TZ_n; the caller destroys it. */
duckdb_logical_type sf_zoned_type(int digits);
/* STRUCT(utc TIMESTAMP, nanos SMALLINT, zone SMALLINT), which a cast makes a TIMESTAMP_TZ; the caller destroys it. */
duckdb_logical_type sf_zoned_parts(void);
/* Types, casts, SF_TZ_ZONE(TIMESTAMP_TZ) and SF_TYPE_NAME(VARCHAR); once an instance. */
bool sf_types_register(struct call *c, duckdb_connection con) NODISCARD;

/* --- names.c --- */
/* DuckDB's name of a type, as typeof() and its catalog write it, to Snowflake's: "DECIMAL(10,2)" is NUMBER(10,2). */
void sf_type_name(struct str duckdb, struct buf *out);
/* What an alias stands for; false: it is none of Snowflake's. */
enum sf_alias { SF_ALIAS_VARIANT, SF_ALIAS_OBJECT, SF_ALIAS_ARRAY, SF_ALIAS_NTZ, SF_ALIAS_LTZ, SF_ALIAS_TZ, SF_ALIAS_TIME,
		SF_ALIASES };
bool sf_alias(struct str name, enum sf_alias *ret, int *ret_digits) NODISCARD;

/* --- engine/worker/encode.c --- */
const struct encoding *encoding_of_alias(enum sf_alias alias);

#endif
