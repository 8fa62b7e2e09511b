/* tenant_int.h - inside tenant/: the token file, keys, and files as such. */
#ifndef MAYFLY_TENANT_INT_H
#define MAYFLY_TENANT_INT_H

#include "tenant/tenant.h"

#include <openssl/evp.h>

/* Why a credential is refused, with the code that its kind has at Snowflake. TENANT_EXPIRED is for any kind: tenant_identify
 * puts the kind's own code there where it has no other for this. */
#define TENANT_EXPIRED "390318"
bool tenant_refuse(struct call *c, const char *native, const char *why);
bool tenant_principal_valid(struct str s);
/* "user" (also when empty) or "admin". */
bool tenant_role(struct str text, enum call_role *ret) NODISCARD;

/* The whole file into the call's arena; a missing file is ERR_NOT_FOUND. */
bool tenant_read_file(struct call *c, const char *path, struct str *ret) NODISCARD;

/* --- tokens.c --- */
struct token {
	struct tenant_token t;
	unsigned char sha256[SHA256_LEN];
};
struct token_list {
	struct token *v;
	size_t n;
};
/* Into the call's arena; a missing file is an empty list. */
bool token_file_read(struct call *c, struct str data_dir, struct token_list *ret) NODISCARD;

/* --- token_watch.c: the token file in memory, read again when it changed --- */
struct token_watch;
struct token_watch *token_watch_open(struct call *c, struct str data_dir) NODISCARD;
void token_watch_close(struct token_watch *w);
/* A copy in the call's arena. Unknown, revoked or expired is ERR_UNAUTHENTICATED with `native`. */
bool token_watch_find(struct call *c, struct token_watch *w, struct str text, const char *native,
		      struct tenant_token *ret) NODISCARD;

/* --- keys.c: the key file of mode jwt --- */
enum jwt_alg { JWT_HS256, JWT_RS256, JWT_ES256, JWT_ALG_COUNT };
struct jwt_key {
	struct str kid;        /* empty = none */
	enum jwt_alg alg;      /* the only one */
	struct str secret;     /* HS256 */
	EVP_PKEY *public_key;  /* the others */
	struct str tenant;     /* not empty: signs for this tenant only */
	enum call_role role;
};
struct jwt_user {
	struct str name;        /* ACCOUNT.USER, upper case, the account cut at its first period: of an account locator */
	struct str hyphened;    /* the same with hyphens for the account's periods: of ORGANIZATION.ACCOUNT */
	struct str fingerprint; /* SHA256:… */
	EVP_PKEY *public_key;   /* RSA */
	struct str tenant;
	enum call_role role;
};
struct jwt_keys {
	struct jwt_key *keys;
	struct jwt_user *users;
	size_t nkeys, nusers;
};
/* Into `owner`, which frees it. */
bool jwt_keys_load(struct call *c, struct str file, struct arena *owner, struct jwt_keys *ret) NODISCARD;
bool jwt_alg_named(struct str name, enum jwt_alg *ret) NODISCARD;

/* --- jwt.c --- */
/* `keypair`: the client says that it is one of Snowflake's; else the token itself tells. */
bool jwt_identify(struct call *c, const struct jwt_keys *k, struct str tenant_claim, struct str token, bool keypair) NODISCARD;

/* --- origin.c: DNS rebinding and foreign pages, for mode none --- */
bool origin_check(struct call *c, const struct tenant_options *o, const struct tenant_claim_in *in) NODISCARD;

#endif
