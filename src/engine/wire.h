/* wire.h - what the server and its workers say to each other.
 *
 * Two SOCK_SEQPACKET socketpairs a worker: fd 3 carries jobs down and results
 * up; its worker threads all wait in recvmsg on it, so the kernel deals jobs
 * out. fd 4 carries CANCEL, ACK and QUIT down only; a thread of its own reads
 * it, and its end of file ends the worker.
 *
 * A packet is a row of records; a record is a wire_head and `size` bytes.
 * Integers are in host order (one machine), texts are u32 length and bytes.
 * A body over WIRE_INLINE travels as a sealed memfd (F_SEAL_SHRINK, GROW, WRITE)
 * sent with the packet: then `in_fd` is set, `size` is 0 and the record is
 * alone in its packet.
 */
#ifndef MAYFLY_ENGINE_WIRE_H
#define MAYFLY_ENGINE_WIRE_H

#include "engine/catalog.h"
#include "engine/files.h"
#include "sql/sql.h"

#include <sys/types.h>

enum { WIRE_JOBS_FD = 3, WIRE_CONTROL_FD = 4, WIRE_INLINE = 48 * 1024, WIRE_PACKET = 64 * 1024, WIRE_WINDOW = 8,
       WIRE_BODY_MAX = 1 << 30, WIRE_COLUMNS_MAX = 4 << 20 };

enum wire_kind {
	/* down, jobs */
	WIRE_RUN = 1,   /* struct engine_ask, see wire_put_ask */
	WIRE_EXPORT,    /* struct engine_export, see wire_put_export */
	WIRE_PARQUET,   /* packed columns (text), u32 n, then n texts: {"data":…} objects in native form */
	WIRE_CATALOG,   /* u8 verb, catalog, catalog `to` (empty but for a fork) */
	WIRE_INGEST,    /* struct wire_ingest; with the packet comes the read end of a stream socket: frames of u32 length and
	                 * bytes, length 0 = that was all, end of file without it = keep nothing. Alone in its packet. */
	WIRE_RECORDS,   /* struct engine_records_ask, see wire_put_records; of an engine opened for it, which takes nothing else */
	/* down, control */
	WIRE_CANCEL,    /* nothing */
	WIRE_ACK,       /* u32: this many more parts of the task were stored */
	WIRE_QUIT,      /* nothing; task 0: finish, checkpoint, exit */
	WIRE_SCRIPT_END, /* nothing; the head's task is the script's number: its connection goes */
	/* up */
	WIRE_HELLO,     /* text version, u8 landlock, u8 seccomp, u8 rlimits; task 0; once, when ready */
	WIRE_COLUMNS,   /* packed columns */
	WIRE_PART,      /* struct wire_part, then the bytes (or in_fd: only bytes, the struct in the packet) */
	WIRE_PROGRESS,  /* u32: per mille */
	WIRE_END,       /* u8 outcome, i64 rows, i64 position, text class, text text, text bad_bind, i64 row, text column,
	                 * i64 tables, i64 rows, i64 bytes: the catalog after a task that may have changed it; tables -1: unknown,
	                 * i64 inserted, i64 updated, i64 deleted, u8 nowhere, u32 n, then n times i64: rows of each step */
	WIRE_FATAL,     /* text; task 0: the worker could not start, or DuckDB is broken; it exits */
	WIRE_REPEATABLE, /* nothing; before the END of a statement with ask.judge */
};
struct wire_head {
	uint64_t task;
	uint32_t size;   /* of the body in this packet */
	uint8_t kind;
	uint8_t in_fd;   /* the body (for WIRE_PART: its bytes) is in the memfd that came along */
	uint16_t zero;
};
struct wire_part {
	int64_t rows, row_bytes;
	uint64_t size;   /* of the bytes */
	uint8_t gzip;
	uint8_t zero[7];
};
/* A worker keeps at most WIRE_WINDOW parts of a task unacknowledged. */

/* --- writing into a buf --- */
void wire_u8(struct buf *b, uint8_t v);
void wire_u32(struct buf *b, uint32_t v);
void wire_i64(struct buf *b, int64_t v);
void wire_text(struct buf *b, struct str s);
/* Starts a record; wire_end_record sets its size. */
size_t wire_begin_record(struct buf *b, enum wire_kind kind, uint64_t task);
void wire_end_record(struct buf *b, size_t at);

/* --- reading: a reader that ran past its end stays bad and returns zeros --- */
struct wire_in {
	const char *p, *end;
	bool bad;
};
static inline struct wire_in wire_in(struct str s)
{
	return (struct wire_in){s.p, s.p ? s.p + s.n : NULL, false};
}
uint8_t wire_get_u8(struct wire_in *in);
uint32_t wire_get_u32(struct wire_in *in);
int64_t wire_get_i64(struct wire_in *in);
struct str wire_get_text(struct wire_in *in);
/* The next record of a packet; false at the end or when bad. ret_body borrows. */
bool wire_next(struct wire_in *in, struct wire_head *ret, struct str *ret_body);

/* --- catalogs: text name, u8 persistent, i64 tables, i64 rows, i64 bytes (limits) --- */
struct wire_catalog {
	struct str name;         /* empty: none */
	bool persistent;
	struct engine_usage max;
};
void wire_put_catalog(struct buf *b, const struct wire_catalog *k); /* NULL: none */
bool wire_get_catalog(struct wire_in *in, struct wire_catalog *ret) NODISCARD;

/* --- engine_ask both ways: its catalog first; tenant is not sent --- */
struct engine_ask;
void wire_put_ask(struct buf *b, const struct engine_ask *ask, const struct wire_catalog *k);
/* Arrays in the arena, texts borrowed; ret->catalog is NULL. */
bool wire_get_ask(struct call *c, struct str body, struct engine_ask *ret, struct wire_catalog *ret_k) NODISCARD;

/* --- engine_export both ways: text of an ask, text field_ids, i64 file_bytes, i64 max_bytes; tenant is not sent --- */
#define ENGINE_EXPORTS "exports" /* the folder of them, in the tenant's */
void wire_put_export(struct buf *b, const struct engine_export *x);
/* Arrays in the arena, texts borrowed. ret_ask: its statement. */
bool wire_get_export(struct call *c, struct str body, struct engine_export *ret, struct engine_ask *ret_ask) NODISCARD;
void engine_pack_files(const struct engine_file *v, int n, struct buf *out);
bool engine_file_name_ok(struct str name);

struct wire_ingest {     /* catalog, text table, u8 format */
	struct wire_catalog catalog; /* named */
	struct str table;
	enum engine_rows_format format;
};
void wire_put_ingest(struct buf *b, const struct wire_ingest *g);
bool wire_get_ingest(struct call *c, struct str body, struct wire_ingest *ret) NODISCARD;

/* --- wire_records.c: engine_records_ask both ways; u8 kind and value a cell --- */
struct engine_records_ask;
struct engine_cell;
enum { RECORDS_NAME_MAX = 200, RECORDS_BODY_MAX = 144 << 20, /* of one batch, and of its rows */
       RECORDS_PIECE = 1 << 20, RECORDS_PIECE_CELLS = 64 * 1024, RECORDS_CELLS_MAX = 1024 /* of one row */ };
bool records_name_ok(struct str name);
void wire_put_cell(struct buf *b, const struct engine_cell *v);
void wire_put_records(struct buf *b, const struct engine_records_ask *ask);
/* Arrays in the arena, texts borrowed. */
bool wire_get_records(struct call *c, struct str body, struct engine_records_ask *ret) NODISCARD;

/* --- the end of a task, checked: numbers in the arena, texts borrowed --- */
struct engine_end;
bool wire_get_end(struct arena *a, struct str body, struct engine_end *ret, struct engine_usage *ret_usage) NODISCARD;
void wire_put_usage(struct buf *b, const struct engine_usage *u);
struct engine_usage wire_get_usage(struct wire_in *in); /* unchecked */

/* --- descriptors --- */
/* A sealed memfd with these bytes; -1 and errno. */
int wire_memfd(struct str bytes);
/* Two pairs for a new worker: [0] is the server's end, [1] the worker's. */
bool wire_sockets(struct call *c, int jobs[2], int control[2]) NODISCARD;
/* How many bytes a received memfd holds, where no record says it; 0 when it is none. */
size_t wire_fd_size(int fd);
/* Maps a received memfd after checking its seals and size; closes fd. Without the
 * seals, and up to WIRE_INLINE, it is read into memory instead. ret_mapped tells munmap from free. */
bool wire_take_memfd(struct call *c, int fd, size_t size, void **ret, bool *ret_mapped) NODISCARD;
/* Counted bytes that own what wire_take_memfd gave. */
struct engine_bytes;
struct engine_bytes *engine_bytes_adopt(void *p, size_t n, bool mapped);
/* One packet; fd -1 = none. 0, or -1 and errno (EAGAIN when the socket is full and non-blocking). */
int wire_send(int sock, struct str packet, int fd);
/* Bytes of the packet, 0 at end of file, -1 and errno. ret_fd is -1 where none came. */
ssize_t wire_recv(int sock, char *to, size_t cap, int *ret_fd, int flags);

#endif
