/* tenant.h - the door of tenant/: who calls, and what they may use.
 *
 * tenant_identify turns what a request says of itself into the tenant, the
 * principal and the role of its call, by one of three modes (contract, section
 * 0): none believes loopback clients, token looks up bearer tokens of the
 * token file, jwt verifies signatures. Knows nothing of HTTP but six headers.
 *
 * Any thread. Tokens made or revoked by the command line hold within a second.
 */
#ifndef MAYFLY_TENANT_H
#define MAYFLY_TENANT_H

#include "base/base.h"
#include "conf/conf.h"

struct tenants;

enum { TENANT_PRINCIPAL_MAX = 256, TENANT_TOKEN_MAX = 8192 };
enum tenant_mode { TENANT_NONE, TENANT_TOKEN, TENANT_JWT };

struct tenant_options {
	enum tenant_mode mode;
	struct str data_dir;       /* of the token file */
	struct str jwt_keys;       /* file, mode jwt only */
	struct str tenant_claim;   /* mode jwt only */
	bool require_tenant;       /* mode none only */
	struct conf_list hosts;    /* Host names besides loopback ones, mode none only */
};
struct tenant_options tenant_options(const struct conf *f);

/* Reads the token file or the key file of its mode; NULL with the error in c. */
struct tenants *tenant_open(struct call *c, const struct tenant_options *o) NODISCARD;
void tenant_close(struct tenants *t);

/* What a request says of itself; p = NULL where the header is absent. */
struct tenant_claim_in {
	struct str authorization;
	struct str token_type; /* X-Snowflake-Authorization-Token-Type */
	struct str tenant;     /* X-Mayfly-Tenant; looked at in mode none only */
	struct str host, origin;
};
/* Sets tenant, principal and role of the call. ERR_INVALID_TENANT, ERR_FORBIDDEN (mode none: strange Host
 * or Origin, or no tenant where one is required), ERR_UNAUTHENTICATED with Snowflake's native code: 390146 no
 * token, 390144 JWT, 394400 programmatic access token, 390303 any other, 390318 one of those that has expired, 390100 WIF. */
bool tenant_identify(struct call *c, struct tenants *t, const struct tenant_claim_in *in) NODISCARD;

/* --- bearer tokens: `<data>/tokens`, one JSON object a line, replaced as a whole --- */
struct tenant_token {
	struct str id;            /* for list and revoke; not secret */
	struct str tenant, principal;
	enum call_role role;
	int64_t created_ms;
	int64_t expires_ms;       /* 0 = never */
	bool revoked;
};
/* Makes the folder if need be. An empty principal becomes the id. ret_text is the token itself: only
 * its SHA-256 is stored, so this is the one time that it is seen. Results live in the call's arena. */
bool tenant_token_create(struct call *c, struct str data_dir, const struct tenant_token *want, struct str *ret_id,
			 struct str *ret_text) NODISCARD;
bool tenant_token_list(struct call *c, struct str data_dir, struct tenant_token **ret, size_t *ret_n) NODISCARD;
bool tenant_token_revoke(struct call *c, struct str data_dir, struct str id) NODISCARD; /* ERR_NOT_FOUND */

#endif
