/* json.h - the door of json/: text in by jansson, text out by our own writer.
 *
 * Reading: a whole document, at most JSON_MAX_DEPTH deep, UTF-8, no duplicate
 * keys, 64-bit integers exact. The document lives as long as the call's arena.
 * Writing: straight into a buf, never through a tree.
 * Scanning: json_scan walks the rows of a stored partition cell by cell without
 * building anything.
 */
#ifndef MAYFLY_JSON_H
#define MAYFLY_JSON_H

#include "base/base.h"

enum { JSON_MAX_DEPTH = 64, JSON_MAX_VALUES = 500000 };

/* --- reading --- */
typedef struct json_t json_node; /* jansson's, borrowed */
enum json_kind { JSON_KIND_NULL, JSON_KIND_BOOL, JSON_KIND_INT, JSON_KIND_REAL, JSON_KIND_TEXT, JSON_KIND_ARRAY, JSON_KIND_OBJECT };

/* The document in `text`, which must be one object: else ERR_INVALID_JSON with line and column. */
bool json_read_object(struct call *c, struct str text, const json_node **ret) NODISCARD;
/* The same of at most so many values. */
bool json_read_object_within(struct call *c, struct str text, int values, const json_node **ret) NODISCARD;
/* The same of a client's request: of at most JSON_MAX_VALUES values. */
bool json_read_body(struct call *c, struct str text, const json_node **ret) NODISCARD;
/* Any document. */
bool json_read(struct call *c, struct str text, const json_node **ret) NODISCARD;
enum json_kind json_kind(const json_node *n);
const json_node *json_get(const json_node *object, const char *key); /* NULL when absent */
size_t json_count(const json_node *array_or_object);
const json_node *json_at(const json_node *array, size_t i);
struct str json_text(const json_node *n);   /* JSON_KIND_TEXT */
int64_t json_int(const json_node *n);       /* JSON_KIND_INT */
double json_number(const json_node *n);     /* JSON_KIND_REAL or _INT; jansson has a json_real */
bool json_bool(const json_node *n);
/* Walks an object: for (void *it = NULL; json_each(obj, &it, &key, &value);) */
bool json_each(const json_node *object, void **it, struct str *ret_key, const json_node **ret_value);

/* Typed members of a request object. Absent and null leave *ret as it was; a
 * wrong type or range is ERR_INVALID_FIELD naming the field. */
bool json_want_text(struct call *c, const json_node *o, const char *key, struct str *ret) NODISCARD;
bool json_want_int(struct call *c, const json_node *o, const char *key, int64_t min, int64_t max, int64_t *ret) NODISCARD;
bool json_want_bool(struct call *c, const json_node *o, const char *key, bool *ret) NODISCARD;
bool json_want_time(struct call *c, const json_node *o, const char *key, int64_t *ret_wall_ms) NODISCARD; /* RFC 3339 */
/* An array of at most `max` texts. */
bool json_want_texts(struct call *c, const json_node *o, const char *key, int max, const struct str **ret, int *ret_n) NODISCARD;
/* ERR_UNKNOWN_FIELD naming the first key that is not in the NULL-terminated list. */
bool json_only(struct call *c, const json_node *o, const char *const *keys) NODISCARD;

/* --- writing: commas are the writer's business, nesting up to JSON_MAX_DEPTH --- */
struct json_out {
	struct buf *b;
	bool comma; /* the next value needs one */
};
static inline struct json_out json_out(struct buf *b)
{
	return (struct json_out){b, false};
}
void json_begin_object(struct json_out *o);
void json_end_object(struct json_out *o);
void json_begin_array(struct json_out *o);
void json_end_array(struct json_out *o);
void json_key(struct json_out *o, struct str key);
void json_literal_key(struct json_out *o, struct str quoted); /* `"key":` as it is written */
void json_put_text(struct json_out *o, struct str s);
void json_put_int(struct json_out *o, int64_t v);
void json_put_real(struct json_out *o, double v); /* shortest text that reads back; NaN and infinities as strings */
void json_put_bool(struct json_out *o, bool v);
void json_put_null(struct json_out *o);
void json_put_raw(struct json_out *o, struct str json); /* a value that is JSON already */
void json_put_node(struct json_out *o, const json_node *n); /* what was read, its keys in their order */
void json_put_time(struct json_out *o, int64_t wall_ms); /* RFC 3339 */
void json_put_texts(struct json_out *o, const struct str *v, int n); /* an array */
struct str json_node_text(struct arena *a, const json_node *n); /* as json_put_node() writes it */
#define JSON_FIELD_TEXT(o, key, s) (json_literal_key((o), S("\"" key "\":")), json_put_text((o), (s)))
#define JSON_FIELD_INT(o, key, v) (json_literal_key((o), S("\"" key "\":")), json_put_int((o), (v)))
#define JSON_FIELD_BOOL(o, key, v) (json_literal_key((o), S("\"" key "\":")), json_put_bool((o), (v)))
#define JSON_FIELD_TIME(o, key, wall_ms) (json_literal_key((o), S("\"" key "\":")), json_put_time((o), (wall_ms)))
#define JSON_FIELD_NULL(o, key) (json_literal_key((o), S("\"" key "\":")), json_put_null(o))

/* One JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD. */
void json_quote(struct buf *b, struct str s);
void json_quote_utf8(struct buf *b, struct str s); /* known to be UTF-8 */
/* Shortest decimal text of a finite double that reads back the same. */
void json_real_text(struct buf *b, double v);

/* --- scanning rows: `[…],[…]` as partitions hold them, no brackets around --- */
/* for (struct json_scan s = json_scan(rows); json_scan_row(&s);)
 *         while (json_scan_cell(&s, &cell)) …
 * and then s.bad says whether all was read. Never reads past the end. */
struct json_scan {
	const char *p, *end;
	bool bad; /* what was scanned is not what it should be */
};
struct json_cell {
	bool null, quoted;
	struct str raw; /* inside the quotes when quoted, escapes as they are; else the value's text */
};
static inline struct json_scan json_scan(struct str rows)
{
	return (struct json_scan){rows.p, rows.p ? rows.p + rows.n : NULL, false};
}
bool json_scan_row(struct json_scan *s);                             /* moves into the next row; false after the last */
bool json_scan_cell(struct json_scan *s, struct json_cell *ret);     /* false at the row's end */
/* Steps over any text, for those who walk it themselves. */
void json_scan_space(struct json_scan *s);
bool json_scan_take(struct json_scan *s, char c);                    /* behind white space; false: it is not there */
bool json_scan_string(struct json_scan *s, struct str *ret_inside);  /* from behind the opening quote to behind the closing one */
bool json_is_number(struct str s);                                   /* is all of it one JSON number? */
/* The text of a quoted cell without its escapes; points into raw where there are none. */
struct str json_unescape(struct arena *a, struct str raw);

#endif
