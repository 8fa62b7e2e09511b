/* format.h - part of the door of engine/: Snowflake's formats of dates and times: compiled once, written and read by.
 *
 * Elements, in any case: YYYY UUUU YY MM MON MONTH MMMM DD DY DAY HH24 HH12 HH AM PM MI SS FF[0-9] TZH TZM TZHTZM TZH:TZM. For
 * themselves stand what is between double quotes, what is no letter, and the letters T and Z. HH is HH12 beside AM or PM, else
 * HH24. Names are written as "Jan", "Monday". AUTO, and an empty format: the caller's own form. Pure; any thread.
 */
#ifndef MAYFLY_ENGINE_FORMAT_H
#define MAYFLY_ENGINE_FORMAT_H

#include "base/base.h"

enum { FORMAT_ITEMS = 64, FORMAT_TEXT_MAX = 256 /* bytes of a format */,
       FORMAT_CENTURY = 1970 /* of YY: 70 is 1970, 69 is 2069 */ };

enum format_has { /* what a format or a text that was read tells */
	FORMAT_HAS_YEAR = 1, FORMAT_HAS_MONTH = 2, FORMAT_HAS_DAY = 4, FORMAT_HAS_HOUR = 8, FORMAT_HAS_MINUTE = 16,
	FORMAT_HAS_SECOND = 32, FORMAT_HAS_FRACTION = 64, FORMAT_HAS_ZONE = 128,
	FORMAT_HAS_DATE = 7, FORMAT_HAS_TIME = 120
};

struct format_item {
	unsigned char kind, digits; /* of FF */
	unsigned short at, n;       /* of a literal, in text */
};
struct format {
	bool automatic;             /* AUTO, or empty */
	unsigned has;               /* FORMAT_HAS_… */
	int nitems, ntext;
	struct format_item items[FORMAT_ITEMS];
	char text[FORMAT_TEXT_MAX]; /* of literals */
};

/* A moment of civil time, as a clock on the wall there shows it. */
struct format_time {
	int64_t days;       /* since 1970-01-01 */
	int64_t nanos;      /* of the day; 0 … 86,400,000,000,000 */
	int offset_minutes; /* from UTC */
};

/* False: *ret_bad is the part of `text` that is no element. */
bool format_compile(struct str text, struct format *ret, struct str *ret_bad) NODISCARD;
bool format_is_one(struct str text); /* can it be compiled? */
bool format_is_binary(struct str text); /* HEX, BASE64, AUTO or empty */
/* `scale`: digits of a bare FF. */
void format_write(const struct format *f, const struct format_time *t, int scale, struct buf *out);
/* The whole of `text`; ret->has says what it told: the rest of *ret_time is 1970-01-01 00:00:00 +00:00. */
bool format_read(const struct format *f, struct str text, struct format_time *ret_time, unsigned *ret_has) NODISCARD;
/* Snowflake's AUTO forms: ISO 8601 with T or a blank, with or without time, fraction and offset ("Z", "+02:00", "+0200", "+02",
 * before it blanks), RFC 2822's "Thu, 21 Dec 2000 16:01:07 +0200", 17-DEC-1980, 12/17/1980, "Mon Jul 08 18:09:51 +0000 2013",
 * "1:05 PM". */
bool format_read_auto(struct str text, struct format_time *ret_time, unsigned *ret_has) NODISCARD;

#endif
