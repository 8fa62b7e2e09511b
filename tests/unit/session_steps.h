/* session_steps.h - what tests of sessions with a fake engine share. */
#ifndef MAYFLY_TEST_SESSION_STEPS_H
#define MAYFLY_TEST_SESSION_STEPS_H

#include "session_fake.h"

UNUSED static bool has(struct str text, const char *part)
{
	return str_search(text, str_of(part)) < text.n;
}

UNUSED static void told(void *arg)
{
	atomic_store((atomic_bool *)arg, true);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, fake_begin, rig_end)

#endif
