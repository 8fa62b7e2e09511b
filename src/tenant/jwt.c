/* jwt.c - signed tokens (RFC 7515, 7519): ours, which name their tenant, and
 * Snowflake's key-pair tokens, whose user the key file maps to one.
 *
 * The key decides the algorithm, never the token. Nothing of a token is
 * believed before its signature was checked, except what selects the key.
 */
#include "tenant/tenant_int.h"

#include "json/json.h"

#include <openssl/ecdsa.h>
#include <openssl/err.h>

enum {
	LEEWAY_S = 60,         /* of clocks, for nbf and iat */
	KEYPAIR_LIFE_S = 3600, /* Snowflake honours no longer exp */
};
static const double MILLISECONDS = 1e11; /* times from here on (as seconds, the year 5138) are those */

struct jwt {
	struct str signed_text; /* header.payload as they came */
	struct str signature;   /* bytes */
	const json_node *header, *claims;
	enum jwt_alg alg;
};

static bool refuse(struct call *c, const char *why)
{
	return tenant_refuse(c, "390144", arena_fmt(c->arena, "JWT token is invalid: %s", why).p);
}

static bool decode(struct call *c, struct str part, struct str *ret)
{
	OWNS(buf) bytes = {0};

	if (!hash_unbase64url(part, &bytes))
		return false;
	*ret = arena_dup(c->arena, buf_str(&bytes));
	return true;
}

static bool decode_object(struct call *c, struct str part, const json_node **ret)
{
	struct str text;

	if (!decode(c, part, &text))
		return false;
	if (json_read_object(c, text, ret))
		return true;
	call_forgive(c); /* said in other words */
	return false;
}

/* A member that is a string, else empty. */
static struct str text_of(const json_node *o, const char *key)
{
	const json_node *n = json_get(o, key);

	return n && json_kind(n) == JSON_KIND_TEXT ? json_text(n) : S("");
}

static bool parse(struct call *c, struct str token, struct jwt *ret)
{
	struct str rest = token, header = str_cut(&rest, '.'), claims = str_cut(&rest, '.');

	if (!rest.p || str_find(rest, '.') != rest.n)
		return refuse(c, "it has not three parts");
	if (!decode_object(c, header, &ret->header) || !decode_object(c, claims, &ret->claims) ||
	    !decode(c, rest, &ret->signature))
		return refuse(c, "it cannot be read");
	if (json_get(ret->header, "crit"))
		return refuse(c, "it asks for extensions");
	if (!jwt_alg_named(text_of(ret->header, "alg"), &ret->alg))
		return refuse(c, "its algorithm is not supported");
	ret->signed_text = str_head(token, header.n + 1 + claims.n);
	return true;
}

/* JWS has r and s side by side, OpenSSL wants them in DER. */
static bool es256_der(struct call *c, struct str raw, struct str *ret)
{
	enum { HALF = 32 };
	unsigned char der[80], *to = der;
	const unsigned char *p = (const unsigned char *)raw.p;
	ECDSA_SIG *sig;
	BIGNUM *r, *s;
	int n;

	if (raw.n != 2 * HALF)
		return false;
	sig = ECDSA_SIG_new();
	r = BN_bin2bn(p, HALF, NULL);
	s = BN_bin2bn(p + HALF, HALF, NULL);
	INVARIANT(sig && r && s && ECDSA_SIG_set0(sig, r, s) == 1);
	n = i2d_ECDSA_SIG(sig, &to);
	ECDSA_SIG_free(sig);
	if (n <= 0)
		return false;
	*ret = arena_dup(c->arena, str_from((const char *)der, (size_t)n));
	return true;
}

static bool verify_public(EVP_PKEY *key, struct str text, struct str signature)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool good;

	INVARIANT(ctx);
	good = EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
	       EVP_DigestVerify(ctx, (const unsigned char *)signature.p, signature.n, (const unsigned char *)text.p,
	                        text.n) == 1;
	EVP_MD_CTX_free(ctx);
	ERR_clear_error(); /* or this thread's TLS connections would find it */
	return good;
}

static bool verify_secret(struct str secret, struct str text, struct str signature)
{
	unsigned char mac[SHA256_LEN];

	hash_hmac_sha256(secret, text, mac);
	return signature.n == SHA256_LEN && hash_equal(mac, signature.p, SHA256_LEN);
}

static bool verify(struct call *c, const struct jwt *j, const struct jwt_key *k)
{
	struct str der;

	switch (k->alg) {
	case JWT_HS256:
		return verify_secret(k->secret, j->signed_text, j->signature);
	case JWT_RS256:
		return verify_public(k->public_key, j->signed_text, j->signature);
	case JWT_ES256:
		return es256_der(c, j->signature, &der) && verify_public(k->public_key, j->signed_text, der);
	case JWT_ALG_COUNT:
		break;
	}
	return false;
}

/* A time in seconds; absent leaves *ret. False when it is no time. */
static bool read_time(const json_node *claims, const char *key, int64_t *ret)
{
	const json_node *n = json_get(claims, key);
	double v;

	if (!n)
		return true;
	if (json_kind(n) != JSON_KIND_INT && json_kind(n) != JSON_KIND_REAL)
		return false;
	v = json_number(n);
	if (!(v >= 0 && v < 1e15))
		return false;
	*ret = (int64_t)(v >= MILLISECONDS ? v / 1000 : v);
	return true;
}

static bool check_times(struct call *c, const json_node *claims, bool keypair)
{
	int64_t now = clock_wall_ms() / 1000, expires = -1, issued = -1, not_before = -1;

	if (!read_time(claims, "exp", &expires) || !read_time(claims, "iat", &issued) ||
	    !read_time(claims, "nbf", &not_before))
		return refuse(c, "a time in it cannot be read");
	if (expires < 0)
		return refuse(c, "it has no exp");
	if (keypair && issued < 0)
		return refuse(c, "it has no iat");
	if (keypair && expires > issued + KEYPAIR_LIFE_S)
		expires = issued + KEYPAIR_LIFE_S;
	if (now >= expires)
		return tenant_refuse(c, TENANT_EXPIRED, "JWT token is invalid: it has expired");
	if (issued > now + LEEWAY_S || not_before > now + LEEWAY_S)
		return refuse(c, "it is not valid yet");
	return true;
}

/* The key named by kid; without a kid, the only key of that algorithm. */
static const struct jwt_key *select_key(const struct jwt_keys *k, const struct jwt *j)
{
	struct str kid = text_of(j->header, "kid");
	const struct jwt_key *found = NULL;

	for (size_t i = 0; i < k->nkeys; i++) {
		const struct jwt_key *key = &k->keys[i];

		if (key->alg != j->alg || (kid.n && !str_eq(key->kid, kid)))
			continue;
		if (found)
			return NULL;
		found = key;
	}
	return found;
}

/* The tenant: of the token, of its key, or of both when they agree. */
static bool bind_tenant(struct call *c, const struct jwt_key *key, struct str claimed, struct str *ret)
{
	if (claimed.n && key->tenant.n && !str_eq(claimed, key->tenant))
		return refuse(c, "its key may not sign for this tenant");
	if (!claimed.n)
		claimed = key->tenant;
	if (!tenant_name_valid(claimed))
		return refuse(c, "it names no valid tenant");
	*ret = arena_dup(c->arena, claimed);
	return true;
}

static bool identify_signed(struct call *c, const struct jwt_keys *k, const char *tenant_claim, const struct jwt *j)
{
	const struct jwt_key *key = select_key(k, j);
	struct str subject = text_of(j->claims, "sub"), tenant;

	if (!key)
		return refuse(c, "no key for it is known");
	if (!verify(c, j, key))
		return refuse(c, "its signature is wrong");
	if (!check_times(c, j->claims, false))
		return false;
	if (!tenant_principal_valid(subject))
		return refuse(c, "it has no valid sub");
	if (!bind_tenant(c, key, text_of(j->claims, tenant_claim), &tenant))
		return false;
	c->tenant = tenant;
	c->principal = arena_dup(c->arena, subject);
	c->role = key->role;
	return true;
}

/* iss is ACCOUNT.USER.SHA256:<base64>: where its fingerprint begins, or iss.n. */
static size_t find_fingerprint(struct str iss)
{
	size_t at = str_search(iss, S(".SHA256:"));

	return at == iss.n ? iss.n : at + 1;
}

static bool is_called(const struct jwt_user *u, struct str name)
{
	return str_ieq(u->name, name) || str_ieq(u->hyphened, name);
}

static const struct jwt_user *select_user(const struct jwt_keys *k, struct str iss)
{
	size_t at = find_fingerprint(iss);
	struct str name = str_head(iss, at ? at - 1 : 0), print = str_tail(iss, at);

	for (size_t i = 0; i < k->nusers; i++)
		if (is_called(&k->users[i], name) && str_eq(k->users[i].fingerprint, print))
			return &k->users[i];
	return NULL;
}

static bool identify_keypair(struct call *c, const struct jwt_keys *k, const struct jwt *j)
{
	const struct jwt_user *user = select_user(k, text_of(j->claims, "iss"));

	if (!user)
		return refuse(c, "its user and fingerprint are not known");
	if (j->alg != JWT_RS256 || !verify_public(user->public_key, j->signed_text, j->signature))
		return refuse(c, "its signature is wrong");
	if (!check_times(c, j->claims, true))
		return false;
	if (!is_called(user, text_of(j->claims, "sub")))
		return refuse(c, "its sub is not the user of its iss");
	c->tenant = user->tenant;
	c->principal = str_ieq(text_of(j->claims, "sub"), user->name) ? user->name : user->hyphened;
	c->role = user->role;
	return true;
}

bool jwt_identify(struct call *c, const struct jwt_keys *k, struct str tenant_claim, struct str token, bool keypair)
{
	struct jwt j = {0};
	struct str iss;

	if (!parse(c, token, &j))
		return false;
	iss = text_of(j.claims, "iss");
	if (keypair || find_fingerprint(iss) < iss.n)
		return identify_keypair(c, k, &j);
	return identify_signed(c, k, arena_cstr(c->arena, tenant_claim), &j);
}
