/* clock.h - the only source of time.
 *
 * Wall time stamps records; monotonic time measures and times out. Tests turn
 * both forward with clock_advance(); nothing in Mayfly sleeps to wait for a
 * TTL.
 */
#ifndef MAYFLY_BASE_CLOCK_H
#define MAYFLY_BASE_CLOCK_H

#include "base/buf.h"

int64_t clock_wall_ms(void); /* since 1970, UTC */
int64_t clock_mono_ms(void); /* since some fixed point */
int64_t clock_mono_ns(void);

/* Adds to every clock of this process (tests, and `server.test_clock`). */
void clock_advance(int64_t ms);

enum { CLOCK_RFC3339_MAX = 32 };
/* "2026-11-21T09:30:00.250Z"; returns ret. */
const char *clock_rfc3339(int64_t wall_ms, char ret[CLOCK_RFC3339_MAX]);
bool clock_parse_rfc3339(struct str s, int64_t *ret_wall_ms) NODISCARD;

/* Days since 1970-01-01 <-> civil date (proleptic Gregorian). */
int64_t clock_days_from_civil(int64_t year, unsigned month, unsigned day);
void clock_civil_from_days(int64_t days, int64_t *ret_year, unsigned *ret_month, unsigned *ret_day);

#endif
