/* guard.c - before every handler: who calls, and may this be asked now? */
#include "api/api_int.h"

bool api_guard(struct call *c, void *rooms, const struct http_req *in, const struct http_route *route)
{
	struct api *a = rooms;
	const struct tenant_claim_in claim = {
		.authorization = http_header(in, "Authorization"),
		.token_type = http_header(in, "X-Snowflake-Authorization-Token-Type"),
		.tenant = http_header(in, "X-Mayfly-Tenant"),
		.host = http_header(in, "Host"),
		.origin = http_header(in, "Origin"),
	};

	if (route->flags & API_TEST && !a->conf->server_test_clock)
		return fail(c, ERR_NOT_FOUND, "no such path");
	if (!(route->flags & API_OPEN) && !tenant_identify(c, a->tenants, &claim))
		return false;
	if (route->flags & API_NEW_WORK && atomic_load(&a->draining))
		return fail(c, ERR_UNAVAILABLE, "the server is draining");
	return true;
}
