/* functions.h - inside the worker side: Snowflake's functions as rows of a table, a function called once a row of values.
 *
 * A signature has one letter an argument, '>' and the result's letter; a '*' behind the last argument: any number of it.
 *   V VARCHAR  X BLOB  I BIGINT  D DOUBLE  B BOOLEAN  N DECIMAL(38,0)
 *   d DATE  t TIME  s TIMESTAMP  z TIMESTAMPTZ  T TIMESTAMP_TZ  A any type  a SF_ARRAY  v SF_VARIANT  F FLOAT
 *   #c a NUMBER of the scale c - 'A', of any precision but as a result, which is DECIMAL(38, scale)
 *   o SF_OBJECT, a result  J any type, read as a VARIANT value  P any type, read as its text  W any type, read as a whole number
 * J, P and W stand with each other alone, and a name with them has no overloads: behind '|' are those that may be missing, and a
 * call with too many or too few is refused with Snowflake's words. Rows of one name that follow each other are its overloads. Any
 * executor's or DuckDB's thread.
 */
#ifndef MAYFLY_ENGINE_FUNCTIONS_H
#define MAYFLY_ENGINE_FUNCTIONS_H

#include "engine/format.h"
#include "engine/functions/json_of.h"
#include "engine/worker/worker.h"

enum {
	SF_NULLS = 1,    /* is called with NULLs; else any NULL makes NULL */
	SF_TRY = 2,      /* an error makes NULL */
	SF_VOLATILE = 4,
	SF_NULLS_MADE = 8, /* it may make NULL of what is none */
	SF_OWN_BITS = 8, /* above them: SF_OWN */
	SF_ARGS = 12,    /* that a function can look at, but those of J, P and W, which are as many as there are */
	SF_TEXT_MAX = 64 * 1024 * 1024, /* bytes of one result */
};
struct sf_arg {
	duckdb_type type, store; /* store: of DECIMAL */
	int width, scale;
	const void *at;
	uint64_t *valid;
	bool variant;      /* a VARIANT: sf_text() is what a cast to VARCHAR tells of it, sf_is_null() of a JSON null is true */
	bool variant_null;
	struct str text;   /* of a VARIANT, of this row */
	struct buf room;
};
struct sf_values { /* what J, P and W are read with: json_arguments.c */
	struct variant_column *columns;
	struct buf *rooms;       /* texts that had to be made */
	char *letters;
	struct variant_path path;
};
struct sf_row {
	struct sf_arg args[SF_ARGS];
	idx_t nargs, row;
	duckdb_data_chunk input;
	duckdb_vector output;
	void *out;
	duckdb_function_info info;
	const struct sf_function *function;
	struct buf text;         /* the function's own, empty for each row */
	struct buf more, rest;
	struct format format;    /* of format_text */
	struct buf format_text;
	struct str *v;           /* of J, P; p NULL: NULL, and of W what is none */
	int64_t *whole;          /* of W */
	struct sf_values *values;
	struct arena arena;      /* of the chunk */
	bool failed;
};
typedef void sf_fn(struct sf_row *r);
struct sf_function {
	const char *name, *signature;
	sf_fn *fn;
	unsigned flags;
};
/* What tells a row of the table from another with the same function; to be or-ed into its flags. */
#define SF_OWN(x) ((unsigned)(x) << SF_OWN_BITS)
unsigned sf_own(const struct sf_row *r);
bool sf_register(duckdb_connection con, const struct sf_function *v, size_t n) NODISCARD;

/* --- arguments; the caller knows their types from the signature --- */
bool sf_is_null(const struct sf_row *r, idx_t i);
struct str sf_text(const struct sf_row *r, idx_t i); /* of V and X, and of any argument that is one */
int64_t sf_int(const struct sf_row *r, idx_t i);     /* I, s, z, t, and of any argument that is a whole number */
double sf_double(const struct sf_row *r, idx_t i);
bool sf_bool(const struct sf_row *r, idx_t i);
int32_t sf_days(const struct sf_row *r, idx_t i);
/* A whole number or decimal of any width as its digits; false: it is neither. */
bool sf_number(const struct sf_row *r, idx_t i, __int128 *ret, int *ret_scale) NODISCARD;

/* --- the result: one of these a row --- */
void sf_put_text(struct sf_row *r, struct str s); /* V, X */
void sf_put_int(struct sf_row *r, int64_t v);     /* I, s, z, t */
void sf_put_double(struct sf_row *r, double v);
void sf_put_bool(struct sf_row *r, bool v);
void sf_put_days(struct sf_row *r, int32_t days);
void sf_put_number(struct sf_row *r, __int128 v); /* N */
void sf_put_null(struct sf_row *r);
void sf_put_variant(struct sf_row *r, struct str v); /* v, a, o, and V of one: NULL of a missing element */
void sf_put_built(struct sf_row *r, struct variant_list *l, char bracket); /* what was built in `text`, ended here */
/* `code` is Snowflake's and its SQLSTATE, as statement/ knows what our own SQL raises: "100038/22018". */
void sf_fails(struct sf_row *r, const char *code, const char *fmt, ...) PRINTF(3, 4);
#define SF_BAD_ARGUMENT "001044/42P13"
#define SF_BAD_VALUE "100132/P0000"

/* --- json_arguments.c: arguments of J, P and W --- */
bool sf_reads_values(const struct sf_function *f);
bool sf_values_open(struct sf_row *r) NODISCARD; /* false: said */
bool sf_values_read(struct sf_row *r) NODISCARD; /* false: said, or a NULL makes it NULL */
void sf_values_close(struct sf_row *r);
void sf_values_bind(duckdb_bind_info info);      /* are they as many as the signature says? */

/* --- numbers.c: numbers are digits and a scale --- */
/* Rounds half away from zero; false: it has more than 38 digits. */
bool sf_rescale(__int128 v, int from, int to, __int128 *ret) NODISCARD;
__int128 sf_power_of_ten(int n); /* 0 to 38 */
bool sf_fits(__int128 v);        /* 38 digits */
bool sf_read_number(struct str s, __int128 *ret, int *ret_scale) NODISCARD; /* blanks around it, an exponent: fine */
void sf_number_text(__int128 v, int scale, struct buf *out);                /* scale from 0 to 37 */

/* --- quotients.c: what divides; NUMBERs told apart by their scale --- */
duckdb_logical_type sf_digits_type(int scale); /* digits without the point; the caller destroys it */
bool sf_digits_scale(duckdb_logical_type type, int *ret);
bool sf_quotients_register(duckdb_connection con) NODISCARD;
/* The argument as a double; NAN: said, or NULL put. */
double sf_real(struct sf_row *r, idx_t i);
/* The argument as a number, whatever it is; false: said, or NULL put. */
bool sf_any_number(struct sf_row *r, idx_t i, __int128 *ret, int *ret_scale) NODISCARD;
enum { SF_SCALE_LETTER = 'A', SF_DIGITS_MAX = 38, SF_TEXT_SCALE = 5 /* of a text in arithmetic: NUMBER(18,5) */ };

/* --- dates.c: a DATE, TIME or TIMESTAMP as text, with a format or in its own form --- */
void sf_moment_text(struct sf_row *r);
/* SF_SHOW(value[, format], instant): any type as TO_VARCHAR tells it; instant: of a TIMESTAMPTZ the session's text of it. */
void sf_shown(struct sf_row *r);
void sf_shown_moment(struct sf_row *r);
void sf_shown_zoned(struct sf_row *r);
void sf_shown_instant(struct sf_row *r);
void sf_same_variant(struct sf_row *r);
/* text.c */
void sf_any_text(struct sf_row *r);
void sf_formatted_text(struct sf_row *r); /* (value, format): a number, or bytes */

/* --- the tables; all of them, before the helper catalog is filled: --- */
bool sf_functions_register(struct call *c, duckdb_connection con) NODISCARD;
bool sf_values_register(duckdb_connection con) NODISCARD;  /* values.c: texts */
bool sf_bytes_register(duckdb_connection con) NODISCARD;   /* bytes.c: encodings, digests, chance */
bool sf_texts_register(duckdb_connection con) NODISCARD;   /* text.c: TO_VARCHAR, formats of numbers */
bool sf_numbers_register(duckdb_connection con) NODISCARD; /* numbers.c */
bool sf_dates_register(duckdb_connection con) NODISCARD;   /* dates.c */

#endif
