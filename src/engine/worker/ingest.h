/* ingest.h - inside the worker's ingest of rows: one task, one table, one transaction.
 *
 *   stream ──▶ rows ──▶ cells ──▶ chunks ──▶ appender: INSERT INTO table SELECT casts FROM chunks
 *   stream ──▶ file of incoming/ ──▶ INSERT INTO table BY NAME SELECT * FROM read_parquet(file)
 *
 * Chunks stay until the appender has taken them into the transaction: when it
 * refuses them, the row and the column at fault are looked for there.
 */
#ifndef MAYFLY_ENGINE_WORKER_INGEST_H
#define MAYFLY_ENGINE_WORKER_INGEST_H

#include "engine/worker/worker.h"
#include "engine/worker/rows.h"

enum {
	INGEST_PENDING = 64,             /* chunks between two flushes */
	INGEST_PENDING_BYTES = 8 << 20,  /* of their values */
	INGEST_COLUMNS_MAX = 16384,
	INGEST_POLL_MS = 100,            /* how long a cancel may go unseen while nothing comes */
};

struct field { /* a column of the table */
	struct str name, type;
	struct str fallback;   /* SQL of its default; empty = NULL */
	duckdb_logical_type logical;
	duckdb_type id, store; /* store: how DECIMAL is kept */
	int width, scale;
	bool nullable, generated;
	bool key;              /* primary, or unique */
	bool json;             /* cells are JSON texts: JSON and nested types */
	bool given;            /* rows have it */
	bool staged;           /* goes as text, cast by the INSERT */
	bool json_text;        /* a nested one that a Parquet file has as JSON */
	/* of the chunk at hand */
	duckdb_vector vector;
	void *values;
	uint64_t *valid;
	bool *present;         /* false: the default; NULL where there is none */
	int size;              /* of the text in the row at hand */
};

struct stream { /* frames off the socket */
	int fd;
	uint32_t left;  /* of the frame */
	bool complete;  /* the last frame was seen */
};

struct ingest {
	struct executor *x;
	struct task *t;
	duckdb_connection con;
	struct wire_ingest what;
	struct change change;
	struct stream stream;
	struct str table;      /* quoted, with catalog and schema */
	struct field *fields;
	struct str *names;
	int nfields;
	struct rows *rows;
	bool failed;           /* t->end says how */
	/* ingest_append.c */
	duckdb_appender appender;
	duckdb_data_chunk chunks[INGEST_PENDING];
	int nchunks, at;       /* made; the one being filled */
	int pending_max;
	int64_t *numbers;      /* of its rows */
	int filled;
	int64_t width;         /* of the fixed part of a row */
	int64_t pending_bytes;
	struct engine_usage sum; /* rows and bytes so far */
};

/* All that return bool leave t->end on false. */

/* --- ingest_table.c --- */
bool ingest_describe(struct ingest *g) NODISCARD;
/* The column's cast from the text `from`, as SQL. */
bool ingest_is_nested(duckdb_type id);
void ingest_put_cast(struct ingest *g, struct buf *b, const struct field *f, const char *from);

/* --- ingest_cells.c --- */
enum rows_put ingest_cell(void *arg, int column, const struct rows_cell *cell);
enum rows_put ingest_row(void *arg);

/* --- ingest_append.c --- */
bool ingest_open(struct ingest *g) NODISCARD;             /* for the fields as they are */
bool ingest_next_chunk(struct ingest *g) NODISCARD;       /* the one at hand is full */
bool ingest_stage(struct ingest *g, struct field *f) NODISCARD; /* its texts are cast by DuckDB from here on */
bool ingest_close(struct ingest *g) NODISCARD;            /* the last rows too */
void ingest_drop(struct ingest *g);

/* --- ingest_parquet.c --- */
bool ingest_parquet(struct ingest *g) NODISCARD;

/* --- ingest.c --- */
/* Bytes of the stream: how many, 0 at its complete end, -1: t->end. */
ssize_t ingest_read(struct ingest *g, char *to, size_t n);
bool ingest_mismatch(struct ingest *g, int64_t row, struct str column, const char *fmt, ...) PRINTF(4, 5);
/* DuckDB's words; its classes become those of the door. */
bool ingest_failed(struct ingest *g, const char *message);
bool ingest_query(struct ingest *g, const char *sql) NODISCARD;
/* The first two numbers of the first row; false where there is none, and no error is left. */
bool ingest_numbers(struct ingest *g, const char *sql, int64_t ret[2]);

#endif
