/* key.c - keys: what they may hold, and the two halves of one. */
#include "store/store_int.h"

enum { PART_MAX = 255 }; /* what file systems take */

static bool letter_valid(char l)
{
	return ascii_alpha(l) || ascii_digit(l) || (l && strchr("_-.=$", l));
}

bool store_part_valid(struct str part)
{
	if (part.n == 0 || part.n > PART_MAX || str_eq(part, S(".")) || str_eq(part, S("..")))
		return false;
	for (size_t i = 0; i < part.n; i++) {
		if (!letter_valid(part.p[i]))
			return false;
	}
	return true;
}

bool store_key_valid(struct str key)
{
	if (key.n == 0 || key.n > STORE_KEY_MAX || key.p[key.n - 1] == '/')
		return false;
	while (key.p) {
		if (!store_part_valid(str_cut(&key, '/')))
			return false;
	}
	return true;
}

struct str store_tenant_prefix(struct arena *a, struct str tenant)
{
	return str_eq(tenant, S("default")) ? S("") : arena_fmt(a, "tenants/%.*s/", SARG(tenant));
}

bool store_key_check(struct call *c, struct str key)
{
	return store_key_valid(key) ||
	       fail(c, ERR_INVALID_FIELD, "%.*s is not a key of the store", (int)str_head(key, 100).n, key.p);
}

static size_t last_slash(struct str key)
{
	size_t n = key.n;

	while (n > 0 && key.p[n - 1] != '/')
		n--;
	return n;
}

struct str store_key_folder(struct str key)
{
	size_t n = last_slash(key);

	return str_head(key, n ? n - 1 : 0);
}

struct str store_key_name(struct str key)
{
	return str_tail(key, last_slash(key));
}
