/* str.h - a borrowed view of bytes: never freed, not terminated.
 *
 * Whoever hands out a str says how long its bytes live.
 */
#ifndef MAYFLY_BASE_STR_H
#define MAYFLY_BASE_STR_H

#include "base/attr.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct str {
	const char *p;
	size_t n;
};

#define S(lit) ((struct str){(lit), sizeof(lit) - 1})
/* Static initialisers cannot hold a compound literal. */
#define S_INIT(lit) \
	{ \
		(lit), sizeof(lit) - 1 \
	}
/* For printf: "%.*s", SARG(s) */
#define SARG(s) (int)(s).n, (s).p

static inline struct str str_of(const char *z)
{
	return (struct str){z, z ? strlen(z) : 0};
}

static inline struct str str_from(const char *p, size_t n)
{
	return (struct str){p, n};
}

static inline bool str_eq(struct str a, struct str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* ASCII letters compare without case; nothing else is folded. */
bool str_ieq(struct str a, struct str b);
int str_cmp(struct str a, struct str b);
bool str_starts(struct str s, struct str prefix);
bool str_istarts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
struct str str_trim(struct str s); /* spaces, tabs, CR, LF at both ends */
struct str str_tail(struct str s, size_t from);
struct str str_head(struct str s, size_t n);

/* Index of the first `c`, or s.n. */
size_t str_find(struct str s, char c);
/* Index of the first `needle`, or s.n. */
size_t str_search(struct str s, struct str needle);

/* Cuts *rest at the first `c`: returns what stood before it and moves *rest
 * behind it; without a `c` returns all and leaves *rest empty with p = NULL. */
struct str str_cut(struct str *rest, char c);

/* Copies to *at, which moves behind the copy; returns it. */
struct str str_copy_to(char **at, struct str s);

/* Whole-string numbers: no spaces, no leading '+', range checked. */
bool str_to_i64(struct str s, int64_t *ret) NODISCARD;
bool str_to_u64(struct str s, uint64_t *ret) NODISCARD;

/* Are these bytes well-formed UTF-8 (no surrogates, nothing over U+10FFFF)? */
bool str_is_utf8(struct str s);

static inline char ascii_lower(char c)
{
	return (c >= 'A' && c <= 'Z') ? (char)(c + 32) : c;
}
static inline char ascii_upper(char c)
{
	return (c >= 'a' && c <= 'z') ? (char)(c - 32) : c;
}
static inline bool ascii_digit(char c)
{
	return c >= '0' && c <= '9';
}
static inline bool ascii_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
static inline bool str_is_hex(struct str s, size_t n) /* n digits, lower case */
{
	size_t i = 0;

	while (i < s.n && (ascii_digit(s.p[i]) || (s.p[i] >= 'a' && s.p[i] <= 'f')))
		i++;
	return i == s.n && s.n == n;
}
/* The value of a hex digit, or -1. */
static inline int ascii_hex(char c)
{
	if (ascii_digit(c))
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

#endif
