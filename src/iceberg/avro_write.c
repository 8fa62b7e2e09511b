/* avro_write.c - object container files, written: header, blocks of records, the marker between them. Any thread. */
#include "iceberg/avro.h"

enum { BLOCK_BYTES = 64 << 10 };

void avro_put_long(struct buf *b, int64_t v)
{
	uint64_t zigzag = (uint64_t)v << 1 ^ (uint64_t)(v >> 63);

	for (; zigzag >= 0x80; zigzag >>= 7)
		buf_addc(b, (char)(zigzag | 0x80));
	buf_addc(b, (char)zigzag);
}

void avro_put_bytes(struct buf *b, struct str s)
{
	avro_put_long(b, (int64_t)s.n);
	buf_add(b, s);
}

void avro_begin(struct avro_out *o, struct buf *to, const struct avro_meta *meta, int n)
{
	*o = (struct avro_out){.to = to};
	id_random(o->sync, sizeof(o->sync));
	buf_lit(to, "Obj\1");
	avro_put_long(to, n);
	for (int i = 0; i < n; i++) {
		avro_put_bytes(to, meta[i].key);
		avro_put_bytes(to, meta[i].value);
	}
	avro_put_long(to, 0);
	buf_add(to, str_from((const char *)o->sync, sizeof(o->sync)));
}

static void put_block(struct avro_out *o)
{
	avro_put_long(o->to, o->records);
	avro_put_bytes(o->to, buf_str(&o->block));
	buf_add(o->to, str_from((const char *)o->sync, sizeof(o->sync)));
	buf_clear(&o->block);
	o->records = 0;
}

void avro_record_end(struct avro_out *o)
{
	o->records++;
	if (o->block.n >= BLOCK_BYTES)
		put_block(o);
}

void avro_end(struct avro_out *o)
{
	if (o->records > 0)
		put_block(o);
	buf_drop(&o->block);
}
