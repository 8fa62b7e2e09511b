/* grants.c - /v1/statements/{handle}/grants: who else of the tenant may read a result. */
#include "api/api_int.h"

bool api_check_owner(struct call *c, struct stmt *st)
{
	return !statement_granted(c, st) || fail(c, ERR_FORBIDDEN, "you may read this statement, and nothing else: it is another principal's");
}

bool api_grant(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	static const char *const keys[] = {"principal", NULL};
	struct json_out o = json_out(http_out(out));
	struct str principal = {0};
	const json_node *body;
	struct stmt *st;

	if (!api_find(c, rooms, in, &st) || !api_check_owner(c, st) || !api_read_body(c, in, &body) || !json_only(c, body, keys) ||
	    !json_want_text(c, body, "principal", &principal))
		return false;
	if (!principal.p)
		return fail(c, ERR_INVALID_FIELD, "principal is missing");
	if (!statement_grant(c, st, principal, true))
		return false;
	api_json(out, 201);
	json_begin_object(&o);
	JSON_FIELD_TEXT(&o, "handle", http_param(in, 0));
	JSON_FIELD_TEXT(&o, "principal", principal);
	json_end_object(&o);
	return true;
}

bool api_revoke(struct call *c, void *rooms, const struct http_req *in, struct http_res *out)
{
	struct stmt *st;

	if (!api_find(c, rooms, in, &st) || !api_check_owner(c, st) || !statement_grant(c, st, http_param(in, 1), false))
		return false;
	http_status(out, 204);
	return true;
}
