/* guard.c - before every handler: who calls, and may this be asked now? */
#include "api/api_int.h"

/* --- User-Agent, for snowflake_api.strict_user_agent: RFC 9110, section 10.1.5, beginning with product/version --- */

static bool is_token_char(char k)
{
	return ascii_alpha(k) || ascii_digit(k) || (k && strchr("!#$%&'*+-.^_`|~", k));
}

/* Cuts a token off; its length. */
static size_t cut_token(struct str *s)
{
	size_t n = 0;

	while (n < s->n && is_token_char(s->p[n]))
		n++;
	*s = str_tail(*s, n);
	return n;
}

static bool cut_product(struct str *s, bool version)
{
	if (!cut_token(s))
		return false;
	if (!s->n || s->p[0] != '/')
		return !version;
	*s = str_tail(*s, 1);
	return cut_token(s) > 0;
}

static bool cut_comment(struct str *s)
{
	int open = 0;
	size_t i = 0;

	do {
		if (s->p[i] == '\\')
			i++;
		else
			open += (s->p[i] == '(') - (s->p[i] == ')');
		i++;
	} while (i < s->n && open > 0);
	*s = str_tail(*s, i < s->n ? i : s->n);
	return open == 0;
}

static bool is_agent(struct str s)
{
	s = str_trim(s);
	if (!cut_product(&s, true))
		return false;
	while (s.n) {
		if (s.p[0] != ' ' && s.p[0] != '\t')
			return false;
		s = str_trim(s);
		if (s.p[0] == '(' ? !cut_comment(&s) : !cut_product(&s, false))
			return false;
	}
	return true;
}

static bool check_agent(struct call *c, const struct http_req *in)
{
	if (is_agent(http_header(in, "User-Agent")))
		return true;
	fail(c, ERR_BAD_REQUEST, "Invalid or empty User-Agent: product/version is required.");
	return fail_state(c, NULL, "391903");
}

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
	if (route->flags & API_SNOWFLAKE && a->conf->snowflake_strict_user_agent && !check_agent(c, in))
		return false;
	if (route->flags & API_NEW_WORK && atomic_load(&a->draining))
		return fail(c, ERR_UNAVAILABLE, "the server is draining");
	return true;
}
