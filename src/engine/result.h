/* result.h - part of engine/'s door: columns and partitions of a result. */
#ifndef MAYFLY_ENGINE_RESULT_H
#define MAYFLY_ENGINE_RESULT_H

#include "base/base.h"

/* --- columns of a result --- */
enum engine_type { /* how a cell is written; the exact SQL type is text */
	ENGINE_T_BOOL, ENGINE_T_INT,     /* up to 64 bits, signed or not */
	ENGINE_T_HUGE,                   /* HUGEINT, UHUGEINT: digits */
	ENGINE_T_DECIMAL, ENGINE_T_REAL, /* FLOAT, DOUBLE */
	ENGINE_T_TEXT,                   /* VARCHAR, ENUM, BIT */
	ENGINE_T_UUID, ENGINE_T_INTERVAL, ENGINE_T_BLOB, ENGINE_T_DATE,
	ENGINE_T_TIME, ENGINE_T_TIMETZ, ENGINE_T_TIMESTAMP, ENGINE_T_TIMESTAMPTZ,
	ENGINE_T_JSON,                   /* DuckDB's JSON, VARIANT */
	ENGINE_T_LIST,                   /* LIST, ARRAY */
	ENGINE_T_STRUCT,                 /* STRUCT, MAP, UNION */
	ENGINE_T_OBJECT, ENGINE_T_ARRAY, /* JSON that a column declares as Snowflake's OBJECT, ARRAY */
	ENGINE_T_TIMESTAMP_TZ,           /* an instant and its offset from UTC */
	ENGINE_T_COUNT
};
struct engine_column {
	struct str name;
	struct str type;       /* DuckDB's name: "DECIMAL(10,2)", "VARCHAR[]" */
	enum engine_type kind;
	int precision, scale;  /* of DECIMAL; in Snowflake's form also of whole numbers, and the scale of times, where known; else 0 */
	bool nullable;         /* false only where it is known */
	bool exact;            /* precision and scale are said, also where they are 0 */
	int64_t length;        /* of texts and bytes in Snowflake's form: declared characters, bytes; 0 = not known */
	/* In Snowflake's form a cell is its text by a format that was asked for, behind what it is without one: "19782|29/02/24".
	 * Without the bar it is the same in both. */
	bool formatted;
	struct str database, schema, table; /* whose column it is, in Snowflake's form; empty = nobody's */
};
/* Columns are stored and sent packed; ret borrows from `packed`. Checks every byte. */
bool engine_columns(struct call *c, struct str packed, struct engine_column **ret, int *ret_n) NODISCARD;
bool engine_columns_formatted(struct str packed); /* is any of them? */
void engine_pack_columns(const struct engine_column *v, int n, struct buf *out);

/* --- one partition of a result ---
 * Bytes are the JSON object {"data":[[cell,…],…]}, plain or as one gzip member.
 * Cells are in the task's form: */
enum engine_form {
	ENGINE_SNOWFLAKE, /* jsonv2: every cell a string or null (specification, 5.1) */
	ENGINE_NATIVE,    /* the native result shape (contract, section 0) */
};
struct engine_bytes; /* reference-counted: heap or a mapped, sealed memfd */
struct engine_bytes *engine_bytes_copy(struct str s);
struct engine_bytes *engine_bytes_ref(struct engine_bytes *b);
void engine_bytes_unref(struct engine_bytes *b); /* NULL is fine */
struct str engine_bytes_str(const struct engine_bytes *b);
struct engine_part {
	struct engine_bytes *bytes; /* the receiver takes this reference */
	bool gzip;
	int64_t rows;
	int64_t row_bytes;          /* of the row texts, without what stands between them */
};

#endif
