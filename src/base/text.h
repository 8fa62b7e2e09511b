/* text.h - decimal texts of numbers, written where there is room for TEXT_ROOM bytes.
 *
 * Pure functions, any thread. They are called once a cell: no buffer is asked,
 * no format string read. All return behind what they wrote.
 */
#ifndef MAYFLY_BASE_TEXT_H
#define MAYFLY_BASE_TEXT_H

#include <stdint.h>

enum { TEXT_ROOM = 128 };

/* text.c */
char *text_u64(char *to, uint64_t v);
char *text_i64(char *to, int64_t v);
char *text_padded(char *to, uint64_t v, int width); /* leading zeros */
char *text_u128(char *to, unsigned __int128 v);
char *text_decimal(char *to, __int128 v, int scale);

/* real.c: the shortest that reads back; NULL when too large or too small (also 0) to write without an exponent */
char *text_double(char *to, double v);
char *text_float(char *to, float v);

#endif
