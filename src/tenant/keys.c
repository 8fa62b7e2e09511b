/* keys.c - the key file of mode jwt:
 *
 *   {"keys": [{"kid"?, "alg": "HS256"|"RS256"|"ES256", "secret" (base64) | "public_key", "tenant"?, "role"?}],
 *    "users": [{"account", "user", "public_key", "tenant", "role"?}]}
 *
 * A user's key is RSA, and the algorithm RS256. An `account` with periods may be a locator with its region, which tokens cut
 * at the first one, or organization.account, which they join by a hyphen: both are taken.
 *
 * A public_key is PEM text or a path, relative to the key file. Keys too short
 * for their algorithm are refused (RFC 7518: 32 bytes, 2048 bits, P-256).
 */
#include "tenant/tenant_int.h"

#include "json/json.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

enum { KEYS_MAX = 10000, SECRET_MIN = 32, RSA_MIN_BITS = 2048 };

/* What one load carries. */
struct key_load {
	struct arena *owner;
	struct str file;
	const char *where; /* "keys" or "users" */
	size_t index;
};

static bool bad_key(struct call *c, const struct key_load *l, const char *why)
{
	return fail(c, ERR_INVALID_FIELD, "%.*s: %s[%zu]: %s", SARG(l->file), l->where, l->index, why);
}

bool jwt_alg_named(struct str name, enum jwt_alg *ret)
{
	static const struct str names[JWT_ALG_COUNT] = {
	        [JWT_HS256] = S_INIT("HS256"), [JWT_RS256] = S_INIT("RS256"), [JWT_ES256] = S_INIT("ES256")};

	for (unsigned alg = 0; alg < JWT_ALG_COUNT; alg++) {
		if (str_eq(names[alg], name)) {
			*ret = (enum jwt_alg)alg;
			return true;
		}
	}
	return false;
}

static void free_key(void *key)
{
	EVP_PKEY_free(key);
}

static bool pem_text(struct call *c, const struct key_load *l, struct str field, struct str *ret)
{
	struct str folder = l->file;
	const char *path;

	if (str_starts(str_trim(field), S("-----BEGIN"))) {
		*ret = field;
		return true;
	}
	while (folder.n && folder.p[folder.n - 1] != '/')
		folder.n--;
	if (field.n && field.p[0] == '/')
		folder.n = 0;
	path = arena_fmt(c->arena, "%.*s%.*s", SARG(folder), SARG(field)).p;
	return tenant_read_file(c, path, ret);
}

static bool fits(EVP_PKEY *key, enum jwt_alg alg)
{
	char group[32];

	if (alg == JWT_RS256)
		return EVP_PKEY_is_a(key, "RSA") && EVP_PKEY_get_bits(key) >= RSA_MIN_BITS;
	return EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) == 1 &&
	       str_eq(str_of(group), S("prime256v1"));
}

static bool read_public_key(struct call *c, const struct key_load *l, const json_node *o, enum jwt_alg alg,
			    EVP_PKEY **ret)
{
	struct str field = {0}, pem;
	EVP_PKEY *key;
	BIO *bio;

	if (!json_want_text(c, o, "public_key", &field))
		return false;
	if (field.n == 0)
		return bad_key(c, l, "public_key is missing");
	if (!pem_text(c, l, field, &pem))
		return false;
	bio = BIO_new_mem_buf(pem.p, (int)pem.n);
	key = bio ? PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL) : NULL;
	BIO_free(bio);
	ERR_clear_error();
	if (!key)
		return bad_key(c, l, "public_key is not a PEM public key");
	arena_defer(l->owner, free_key, key);
	if (!fits(key, alg))
		return bad_key(c, l, alg == JWT_RS256 ? "the key is not RSA of 2048 bits or more" : "the key is not EC P-256");
	*ret = key;
	return true;
}

static bool read_secret(struct call *c, const struct key_load *l, const json_node *o, struct str *ret)
{
	struct str field = {0};
	OWNS(buf) secret = {0};

	if (!json_want_text(c, o, "secret", &field))
		return false;
	if (!hash_unbase64(field, &secret) || secret.n < SECRET_MIN)
		return bad_key(c, l, "secret must be the base64 of 32 bytes or more");
	*ret = arena_dup(l->owner, buf_str(&secret));
	return true;
}

/* "tenant" and "role", which both kinds of rows have. */
static bool read_binding(struct call *c, const struct key_load *l, const json_node *o, struct str *ret_tenant,
			 enum call_role *ret_role)
{
	struct str tenant = {0}, role = {0};

	if (!json_want_text(c, o, "tenant", &tenant) || !json_want_text(c, o, "role", &role))
		return false;
	if (tenant.n && !tenant_name_valid(tenant))
		return bad_key(c, l, "tenant is not a tenant's name");
	if (!tenant_role(role, ret_role))
		return bad_key(c, l, "role must be user or admin");
	*ret_tenant = arena_dup(l->owner, tenant);
	return true;
}

static bool read_key(struct call *c, const struct key_load *l, const json_node *o, struct jwt_key *ret)
{
	static const char *const known[] = {"kid", "alg", "secret", "public_key", "tenant", "role", NULL};
	struct str kid = {0}, alg = {0};

	if (!json_only(c, o, known) || !json_want_text(c, o, "kid", &kid) || !json_want_text(c, o, "alg", &alg))
		return false;
	if (!jwt_alg_named(alg, &ret->alg))
		return bad_key(c, l, "alg must be HS256, RS256 or ES256");
	ret->kid = arena_dup(l->owner, kid);
	if (!read_binding(c, l, o, &ret->tenant, &ret->role))
		return false;
	if (ret->alg == JWT_HS256)
		return read_secret(c, l, o, &ret->secret);
	return read_public_key(c, l, o, ret->alg, &ret->public_key);
}

/* As Snowflake's clients write it, in upper case. */
static struct str user_name(struct arena *a, struct str account, struct str user)
{
	struct str name = arena_fmt(a, "%.*s.%.*s", SARG(account), SARG(user));
	char *p = (char *)(uintptr_t)name.p; /* the arena's, ours to write */

	for (size_t i = 0; i < name.n; i++)
		p[i] = ascii_upper(p[i]);
	return name;
}

static struct str hyphened(struct arena *a, struct str account)
{
	char *p = arena_cstr(a, account);

	for (size_t i = 0; i < account.n; i++)
		if (p[i] == '.')
			p[i] = '-';
	return str_from(p, account.n);
}

static bool fingerprint(struct arena *a, EVP_PKEY *key, struct str *ret)
{
	unsigned char *der = NULL, digest[SHA256_LEN];
	int n = i2d_PUBKEY(key, &der);
	OWNS(buf) text = {0};

	if (n <= 0)
		return false;
	hash_sha256(str_from((const char *)der, (size_t)n), digest);
	OPENSSL_free(der);
	buf_lit(&text, "SHA256:");
	hash_base64(str_from((const char *)digest, SHA256_LEN), &text);
	*ret = arena_dup(a, buf_str(&text));
	return true;
}

static bool read_user(struct call *c, const struct key_load *l, const json_node *o, struct jwt_user *ret)
{
	static const char *const known[] = {"account", "user", "public_key", "tenant", "role", NULL};
	struct str account = {0}, user = {0};

	if (!json_only(c, o, known) || !json_want_text(c, o, "account", &account) || !json_want_text(c, o, "user", &user))
		return false;
	ret->name = user_name(l->owner, str_head(account, str_find(account, '.')), user);
	ret->hyphened = user_name(l->owner, hyphened(l->owner, account), user);
	if (account.n == 0 || user.n == 0 || !tenant_principal_valid(ret->name))
		return bad_key(c, l, "account and user are required");
	if (!read_binding(c, l, o, &ret->tenant, &ret->role))
		return false;
	if (ret->tenant.n == 0)
		return bad_key(c, l, "tenant is required");
	if (!read_public_key(c, l, o, JWT_RS256, &ret->public_key))
		return false;
	return fingerprint(l->owner, ret->public_key, &ret->fingerprint) || bad_key(c, l, "public_key has no fingerprint");
}

/* The rows of "keys" or "users", none when it is absent. */
static bool rows_of(struct call *c, const struct key_load *l, const json_node *o, const json_node **ret, size_t *ret_n)
{
	const json_node *rows = json_get(o, l->where);

	*ret = rows;
	*ret_n = 0;
	if (!rows)
		return true;
	if (json_kind(rows) != JSON_KIND_ARRAY || json_count(rows) > KEYS_MAX)
		return fail(c, ERR_INVALID_FIELD, "%.*s: %s must be an array of at most %d objects", SARG(l->file), l->where,
		            KEYS_MAX);
	for (size_t i = 0; i < json_count(rows); i++)
		if (json_kind(json_at(rows, i)) != JSON_KIND_OBJECT)
			return fail(c, ERR_INVALID_FIELD, "%.*s: %s[%zu] must be an object", SARG(l->file), l->where, i);
	*ret_n = json_count(rows);
	return true;
}

static bool read_keys(struct call *c, struct key_load l, const json_node *o, struct jwt_keys *ret)
{
	const json_node *rows;
	size_t n;

	l.where = "keys";
	if (!rows_of(c, &l, o, &rows, &n))
		return false;
	ret->keys = ARENA_ARRAY(l.owner, struct jwt_key, n + 1);
	for (; l.index < n; l.index++)
		if (!read_key(c, &l, json_at(rows, l.index), &ret->keys[l.index]))
			return false;
	ret->nkeys = n;
	return true;
}

static bool read_users(struct call *c, struct key_load l, const json_node *o, struct jwt_keys *ret)
{
	const json_node *rows;
	size_t n;

	l.where = "users";
	if (!rows_of(c, &l, o, &rows, &n))
		return false;
	ret->users = ARENA_ARRAY(l.owner, struct jwt_user, n + 1);
	for (; l.index < n; l.index++)
		if (!read_user(c, &l, json_at(rows, l.index), &ret->users[l.index]))
			return false;
	ret->nusers = n;
	return true;
}

static bool check_kids(struct call *c, struct str file, const struct jwt_keys *k)
{
	for (size_t i = 0; i < k->nkeys; i++)
		for (size_t j = 0; j < i; j++)
			if (k->keys[i].kid.n && str_eq(k->keys[i].kid, k->keys[j].kid))
				return fail(c, ERR_INVALID_FIELD, "%.*s: keys[%zu]: the kid of keys[%zu] again", SARG(file), i, j);
	return true;
}

bool jwt_keys_load(struct call *c, struct str file, struct arena *owner, struct jwt_keys *ret)
{
	static const char *const known[] = {"keys", "users", NULL};
	struct key_load l = {.owner = owner, .file = file};
	const json_node *o;
	struct str text;

	if (file.n == 0)
		return fail(c, ERR_INVALID_FIELD, "auth.jwt_keys is required with auth.mode jwt");
	if (!tenant_read_file(c, arena_cstr(c->arena, file), &text) || !json_read_object(c, text, &o) ||
	    !json_only(c, o, known))
		return false;
	if (!read_keys(c, l, o, ret) || !read_users(c, l, o, ret) || !check_kids(c, file, ret))
		return false;
	if (ret->nkeys + ret->nusers == 0)
		return fail(c, ERR_INVALID_FIELD, "%.*s holds no key", SARG(file));
	return true;
}
