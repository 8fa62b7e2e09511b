/* avro.h - inside iceberg/: Avro's object container files, as Iceberg needs them.
 *
 * Writing: the schema is a text, the records are put value by value. Reading
 * is driven by the schema in the file: what is wanted is named by Iceberg's
 * field ids, whatever the order and the names of the writer; everything else
 * is skipped. A file is input: whatever is wrong with it ends the reading
 * with one reason in `why`. Source: Avro 1.11, "Object Container Files".
 */
#ifndef MAYFLY_ICEBERG_AVRO_H
#define MAYFLY_ICEBERG_AVRO_H

#include "iceberg/iceberg_int.h"

enum {
	AVRO_SCHEMA_MAX = 256 << 10,   /* bytes of a file's schema */
	AVRO_META_MAX = 64,            /* entries of its header */
	AVRO_TYPES_MAX = 10000,        /* of its schema, with all inside */
	AVRO_DEPTH_MAX = 32,           /* of a value in values */
	AVRO_ITEMS_MAX = 1 << 20,      /* of the lists of one record together */
};

struct avro_meta {
	struct str key, value;
};

/* --- writing --- */
void avro_put_long(struct buf *b, int64_t v);
void avro_put_bytes(struct buf *b, struct str s);
struct avro_out {
	struct buf *to;
	struct buf block;              /* records that are not in `to` yet */
	int64_t records;
	unsigned char sync[16];
};
/* The header; avro.schema and avro.codec are among `meta`. */
void avro_begin(struct avro_out *o, struct buf *to, const struct avro_meta *meta, int n);
void avro_record_end(struct avro_out *o); /* a record is whole in o->block */
void avro_end(struct avro_out *o);        /* the last block, if there is one; drops the block */

/* --- reading --- */
enum avro_want_kind {
	AVRO_INT,                      /* int, long or boolean -> int64_t */
	AVRO_TEXT,                     /* string, bytes or fixed -> struct str */
	AVRO_RECORD,                   /* a record whose fields are wanted into the same struct: `inside` */
	AVRO_INTS,                     /* an array of int or long -> avro_in.ints */
	AVRO_PAIRS,                    /* an array of records {key, value}: `inside` has these two -> avro_in.pairs */
};
struct avro_want { /* a field; null where it is optional leaves the struct as it was */
	int id;
	enum avro_want_kind kind;
	size_t at;                     /* offset in the struct */
	const struct avro_shape *inside;
	const char *required;          /* what is wrong when it is not there or null; NULL = it is optional */
};
struct avro_shape {
	const struct avro_want *v;
	int n;                         /* at most 64 */
};
struct avro_pair {
	int64_t key, number;
	struct str bytes;
	int id;                        /* of the field that it is of */
};

enum avro_kind {
	AVRO_NULL, AVRO_BOOLEAN, AVRO_WHOLE /* int, long */, AVRO_FLOAT, AVRO_DOUBLE, AVRO_BYTES /* and string */, AVRO_FIXED, AVRO_ENUM,
	AVRO_STRUCT, AVRO_ARRAY, AVRO_MAP, AVRO_UNION
};
struct avro_field {
	int id;                        /* Iceberg's; -1 = none */
	const struct avro_type *type;
};
struct avro_type { /* as the writer had it */
	enum avro_kind kind;
	size_t size;                   /* of FIXED */
	struct avro_field *fields;     /* of a record; the branches of a union; what an array or a map holds */
	int n;
};
/* avro_schema.c: NULL with *ret_why. The types live in the call's arena; one may hold itself. */
const struct avro_type *avro_schema(struct call *c, struct str json, const char **ret_why) NODISCARD;

struct avro_in {
	struct call *c;
	const char *p, *end;           /* of the block */
	const char *next, *file_end;   /* behind the block */
	const char *sync;
	const char *why;               /* NULL = all is well */
	const struct avro_type *schema; /* of a record */
	bool deflate;
	struct avro_meta meta[AVRO_META_MAX];
	int nmeta;
	int64_t left;                  /* records of the block */
	size_t inflated;               /* bytes so far */
	int64_t work;                  /* values that may still be read: a value can be without bytes */
	int depth;
	int64_t *ints;                 /* of the record just read, and so the pairs */
	struct avro_pair *pairs;
	int nints, ints_cap, npairs, pairs_cap;
};
/* false with why. The bytes must stay; strings are borrowed from them, or from the call's arena. Close it in any case. */
bool avro_open(struct avro_in *in, struct call *c, struct str bytes) NODISCARD;
void avro_close(struct avro_in *in);
struct str avro_value(const struct avro_in *in, const char *key); /* of the header; p NULL when absent */
/* The next record into *to, which the caller has set to what is not told; false at the end, or with why. */
bool avro_next(struct avro_in *in, const struct avro_shape *shape, void *to) NODISCARD;

#endif
