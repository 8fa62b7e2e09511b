/* public.c - which addresses are the public internet's: the registries of special-purpose addresses of RFC 6890 as tables. */
#include "out/out.h"

#include <netinet/in.h>

struct range4 {
	uint32_t net;
	int bits;
};
static const struct range4 special4[] = {
	{0x00000000, 8},  {0x0a000000, 8},  {0x64400000, 10}, {0x7f000000, 8},  {0xa9fe0000, 16}, {0xac100000, 12},
	{0xc0000000, 24}, {0xc0000200, 24}, {0xc0586300, 24}, {0xc0a80000, 16}, {0xc6120000, 15}, {0xc6336400, 24},
	{0xcb007100, 24}, {0xe0000000, 4},  {0xf0000000, 4},
};

static bool public4(uint32_t a)
{
	for (size_t i = 0; i < COUNT_OF(special4); i++)
		if (a >> (32 - special4[i].bits) == special4[i].net >> (32 - special4[i].bits))
			return false;
	return true;
}

static uint32_t word(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Only 2000::/3 is given out; of it not 2001::/23 (Teredo and others), 2001:db8::/32, 3fff::/20; 2002::/16 (6to4) stands for an
 * IPv4 address. 64:ff9b::/96 (NAT64) as well. ::/96 and ::ffff:0:0/96 (mapped) are refused whatever they stand for. */
static bool public6(const unsigned char *a)
{
	static const unsigned char nat64[12] = {0, 0x64, 0xff, 0x9b};

	if (memcmp(a, nat64, sizeof(nat64)) == 0)
		return public4(word(a + 12));
	if (a[0] >> 5 != 1)
		return false;
	if (a[0] == 0x20 && a[1] == 0x01 && (a[2] >> 1 == 0 || (a[2] == 0x0d && a[3] == 0xb8)))
		return false;
	if (a[0] == 0x3f && a[1] == 0xff && a[2] >> 4 == 0)
		return false;
	return !(a[0] == 0x20 && a[1] == 0x02) || public4(word(a + 2));
}

bool out_public(const struct sockaddr *a)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	if (a->sa_family == AF_INET) {
		memcpy(&v4, a, sizeof(v4));
		return public4(ntohl(v4.sin_addr.s_addr));
	}
	if (a->sa_family != AF_INET6)
		return false;
	memcpy(&v6, a, sizeof(v6));
	return public6(v6.sin6_addr.s6_addr);
}
