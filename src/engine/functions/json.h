/* json.h - inside the worker: VARIANT, OBJECT and ARRAY as text, and the functions over them.
 *
 * The text is JSON without blanks: keys in order and once each, numbers with their digits (38; what has an exponent is a
 * DOUBLE), as few escapes as can be. Beside it stands what no user's JSON can be: the bare word `undefined` (SQL NULL inside
 * an array), NaN, Infinity, -Infinity, and a letter before a string that is no VARCHAR: d"2024-01-01", see variant_kind.
 * Readers take any bytes: what is none of this is VARIANT_BAD and has nothing in it. No recursion but in the parser and in what
 * walks trees, both VARIANT_DEPTH deep at most. Pure, any thread.
 */
#ifndef MAYFLY_ENGINE_FUNCTIONS_JSON_H
#define MAYFLY_ENGINE_FUNCTIONS_JSON_H

#include "base/base.h"

enum { VARIANT_DEPTH = 200, VARIANT_BYTES = 16 * 1024 * 1024 /* of a text to parse, and of what functions build */ };

enum variant_kind {
	VARIANT_BAD, VARIANT_UNDEFINED, VARIANT_NULL, VARIANT_BOOLEAN, VARIANT_INTEGER, VARIANT_DECIMAL, VARIANT_DOUBLE, VARIANT_VARCHAR,
	VARIANT_BINARY,         /* b"hex" */
	VARIANT_DATE,           /* d"…" */
	VARIANT_TIME,           /* t"…" */
	VARIANT_TIMESTAMP_NTZ,  /* n"…" */
	VARIANT_TIMESTAMP_LTZ,  /* l"…" */
	VARIANT_TIMESTAMP_TZ,   /* z"…" */
	VARIANT_ARRAY, VARIANT_OBJECT,
	VARIANT_KINDS
};

/* --- reading: json_text.c --- */
enum variant_kind variant_kind(struct str v); /* by how it begins */
bool variant_is_number(enum variant_kind k);
bool variant_is_text(enum variant_kind k);   /* between quotes */
struct variant_items { /* for (struct variant_items it = variant_items(v); variant_next(&it, &key, &item);) */
	const char *p, *end;
	bool object, done;
};
struct variant_items variant_items(struct str v); /* of an array or object; of anything else there are none */
bool variant_next(struct variant_items *it, struct str *ret_key, struct str *ret_item); /* key: between its quotes, escaped */
int64_t variant_count(struct str v);
bool variant_at(struct str array, int64_t i, struct str *ret) NODISCARD;
bool variant_member(struct str object, struct str escaped_key, struct str *ret) NODISCARD;
bool variant_member_icase(struct str object, struct str escaped_key, struct str *ret) NODISCARD;
/* What is between the quotes, without escapes; in `room` (which is cleared) where there are some. */
struct str variant_text(struct str v, struct buf *room);
/* As a cast to VARCHAR tells it; false: a SQL NULL. */
bool variant_varchar(struct str v, struct buf *room, struct str *ret) NODISCARD;
bool variant_sql_null(struct str v);         /* null and undefined */
/* Order of values: by kind, numbers by value, texts by bytes. */
int variant_compare(struct str a, struct str b);
void variant_sort_key(struct str v, struct buf *out); /* text in that order */

/* --- writing --- */
void variant_put_text(struct buf *out, struct str text); /* quoted */
void variant_put_escaped(struct buf *out, struct str text);
void variant_put_key(struct buf *out, struct str text);  /* "…": */
void variant_put_json(struct buf *out, struct str v);    /* JSON: without letters */
struct variant_list { /* of an array or object to build */
	struct buf *out;
	size_t from;
	bool any;
};
struct variant_list variant_list(struct buf *out, char bracket);
void variant_add(struct variant_list *l, struct str v);
void variant_add_member(struct variant_list *l, struct str escaped_key, struct str v);
void variant_end(struct variant_list *l, char bracket);

/* --- numbers: json_number.c --- */
void variant_put_number(struct buf *out, struct str number); /* of JSON's grammar, or with a leading '+' or '.' */
void variant_put_decimal(struct buf *out, __int128 v, int scale);
void variant_put_double(struct buf *out, double v);
bool variant_is_numeric(struct str text);    /* would a cast of this text to a number do? */
bool variant_real(struct str number, double *ret) NODISCARD;
/* Rounded half away from zero; false: more than `precision` digits, or no number. */
bool variant_decimal(struct str number, int precision, int scale, __int128 *ret) NODISCARD;

/* --- parsing: json_parse.c --- */
struct variant_error {
	char text[160]; /* "unknown keyword "x", pos 2" */
};
enum variant_parsed { VARIANT_PARSED, VARIANT_EMPTY, VARIANT_WRONG };
enum variant_parsed variant_parse(struct str json, bool last_wins, struct buf *out, struct variant_error *ret);
/* For what is built from members in any order: sorts them, the last of a name wins. */
void variant_sort_members(struct buf *out, size_t from);

/* --- paths: json_path.c --- */
enum { VARIANT_STEPS = 64 };
struct variant_path {
	struct buf text, keys; /* the path as it was given; keys of steps, escaped */
	int n;
	bool bad;
	struct variant_step {
		size_t at, len;
		int64_t index;
		bool indexed;
	} steps[VARIANT_STEPS];
};
void variant_path(struct variant_path *p, struct str text); /* a.b[0]["c"]; does nothing when it is the one it holds */
bool variant_get(struct str v, const struct variant_path *p, struct str *ret) NODISCARD;
void variant_path_drop(struct variant_path *p);

#endif
