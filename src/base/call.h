/* call.h - the context that every operation carries as its first parameter.
 *
 * One call is one request (or one background task) on one thread at a time.
 * It owns an arena; what a function returns inside it lives until the call
 * ends. A function that can fail returns bool and, on false, has left exactly
 * one error in the call: `return fail(c, ERR_NOT_FOUND, "…")`. Outputs named
 * ret_… are written only on success.
 */
#ifndef MAYFLY_BASE_CALL_H
#define MAYFLY_BASE_CALL_H

#include "base/arena.h"
#include "base/err.h"

#include <stdatomic.h>

enum call_role { ROLE_USER, ROLE_ADMIN };

struct call {
	struct arena *arena;
	struct str tenant;             /* who; empty before the guard has run */
	struct str principal;          /* `sub` of the credential; empty in auth mode none */
	enum call_role role;           /* within the tenant */
	struct str request_id;         /* correlation, for logs and events */
	struct str traceparent;        /* W3C, or empty */
	int64_t deadline_ms;           /* clock_mono_ms() when the call must have ended; 0 = none */
	const atomic_bool *cancel;     /* set by others; NULL = cannot be canceled */
	struct err err;
};

/* What may name a tenant: [a-z0-9][a-z0-9_-]{0,62} */
enum { TENANT_NAME_MAX = 63 };
bool tenant_name_valid(struct str name);
bool traceparent_valid(struct str s); /* W3C trace context, version 00 */

/* A call without a client: start-up, sweeps, tests. */
void call_open(struct call *c, struct arena *a);

/* Leaves the error in the call (the first one stays) and returns false. */
bool fail(struct call *c, enum err_kind kind, const char *fmt, ...) PRINTF(3, 4);
bool fail_at(struct call *c, enum err_kind kind, int position, const char *fmt, ...) PRINTF(4, 5);
/* Adds to the error just left: `return fail_state(c, "22023", "391922")` after fail(). */
bool fail_state(struct call *c, const char *sqlstate, const char *native);
/* Adds members to the native answer, as JSON: fail_more(c, "\"max\":%d", 24). */
bool fail_more(struct call *c, const char *fmt, ...) PRINTF(2, 3);
/* Takes over an error that outlived its call; copies. */
bool fail_as(struct call *c, const struct err *e);
/* Forgets the error, for a caller that handles it. */
void call_forgive(struct call *c);

#endif
