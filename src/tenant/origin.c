/* origin.c - is the page that made this request ours? Mode none believes
 * whoever reaches a loopback port; a foreign web page in a local browser
 * reaches it too, by a cross-origin request (Origin tells) or by a name of its
 * own that resolves to 127.0.0.1 (Host tells).
 */
#include "tenant/tenant_int.h"

#include <arpa/inet.h>

static bool all_digits(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_digit(s.p[i]))
			return false;
	return true;
}

/* "host", "host:port", "[v6]", "[v6]:port" -> host without brackets. */
static bool split_authority(struct str authority, struct str *ret_host)
{
	bool v6 = authority.n && authority.p[0] == '[';
	size_t end = str_find(authority, v6 ? ']' : ':');
	struct str port = str_tail(authority, v6 ? end + 1 : end);

	if (v6 && end == authority.n)
		return false;
	if (port.n && (port.p[0] != ':' || !all_digits(str_tail(port, 1))))
		return false;
	*ret_host = v6 ? str_tail(str_head(authority, end), 1) : str_head(authority, end);
	return ret_host->n > 0;
}

static bool is_loopback(struct str host)
{
	char text[INET6_ADDRSTRLEN];
	struct in_addr v4;
	struct in6_addr v6;

	if (str_ieq(host, S("localhost")))
		return true;
	if (host.n >= sizeof(text) || memchr(host.p, '\0', host.n))
		return false;
	memcpy(text, host.p, host.n);
	text[host.n] = '\0';
	if (inet_pton(AF_INET, text, &v4) == 1)
		return ntohl(v4.s_addr) >> 24 == 127;
	return inet_pton(AF_INET6, text, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

static bool is_listed(const struct conf_list *hosts, struct str host)
{
	for (int i = 0; i < hosts->n; i++)
		if (str_ieq(hosts->v[i], host))
			return true;
	return false;
}

/* "https://host:port" -> host; "null" and anything else has none. */
static bool origin_host(struct str origin, struct str *ret)
{
	size_t at = str_search(origin, S("://"));

	return at < origin.n && split_authority(str_tail(origin, at + 3), ret);
}

bool origin_check(struct call *c, const struct tenant_options *o, const struct tenant_claim_in *in)
{
	struct str host = S(""), origin;

	/* Without a Host no browser sent it (HTTP/1.0). */
	if (in->host.p && !(split_authority(in->host, &host) && (is_loopback(host) || is_listed(&o->hosts, host))))
		return fail(c, ERR_FORBIDDEN, "Host is neither a loopback name nor listed in server.hosts");
	if (in->origin.p && !(origin_host(in->origin, &origin) && (is_loopback(origin) || str_ieq(origin, host))))
		return fail(c, ERR_FORBIDDEN, "Origin is foreign to this server");
	return true;
}
