/* test.h - cmocka as every unit test wants it. Include it after the rooms. */
#ifndef MAYFLY_TEST_H
#define MAYFLY_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#undef fail /* cmocka's; ours leaves an error in a call */

/* Sanitizers take memory and time of their own. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

#define assert_str_equal(a, lit) \
	do { \
		struct str got_ = (a); \
		assert_int_equal(got_.n, strlen(lit)); \
		assert_memory_equal(got_.p, (lit), got_.n); \
	} while (0)

#endif
