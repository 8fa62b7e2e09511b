/* tenant.c - the three modes, and names. Does not verify anything itself:
 * origin.c, token_watch.c and jwt.c do.
 */
#include "tenant/tenant_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct tenants {
	struct arena arena;
	struct tenant_options o;
	struct token_watch *tokens; /* mode token */
	struct jwt_keys keys;       /* mode jwt */
};

enum { FILE_MAX = 16 << 20 };

struct tenant_options tenant_options(const struct conf *f)
{
	enum tenant_mode mode = TENANT_NONE;

	if (str_eq(f->auth_mode, S("token")))
		mode = TENANT_TOKEN;
	else if (str_eq(f->auth_mode, S("jwt")))
		mode = TENANT_JWT;
	return (struct tenant_options){
	        .mode = mode,
	        .data_dir = f->data_dir,
	        .jwt_keys = f->auth_jwt_keys,
	        .tenant_claim = f->auth_tenant_claim,
	        .require_tenant = f->auth_require_tenant,
	        .hosts = f->server_hosts,
	};
}

bool tenant_principal_valid(struct str s)
{
	if (s.n == 0 || s.n > TENANT_PRINCIPAL_MAX || !str_is_utf8(s))
		return false;
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7F)
			return false;
	return true;
}

bool tenant_role(struct str text, enum call_role *ret)
{
	bool admin = str_eq(text, S("admin"));

	if (!admin && text.n && !str_eq(text, S("user")))
		return false;
	*ret = admin ? ROLE_ADMIN : ROLE_USER;
	return true;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static bool read_all(struct call *c, int fd, const char *path, struct str *ret)
{
	OWNS(buf) text = {0};
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > FILE_MAX)
		return fail(c, ERR_UNAVAILABLE, "%s is not a file of at most %d bytes", path, FILE_MAX);
	if (!file_read(fd, (size_t)st.st_size, &text))
		return fail(c, ERR_UNAVAILABLE, "cannot read %s: %s", path, strerror(errno));
	*ret = arena_dup(c->arena, buf_str(&text));
	return true;
}

bool tenant_read_file(struct call *c, const char *path, struct str *ret)
{
	__attribute__((cleanup(close_fd))) int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return fail(c, errno == ENOENT ? ERR_NOT_FOUND : ERR_UNAVAILABLE, "cannot open %s: %s", path,
		            strerror(errno));
	return read_all(c, fd, path, ret);
}

static void keep_options(struct tenants *t, const struct tenant_options *o)
{
	struct str *hosts = ARENA_ARRAY(&t->arena, struct str, (size_t)o->hosts.n + 1);

	t->o = *o;
	t->o.data_dir = arena_dup(&t->arena, o->data_dir);
	t->o.jwt_keys = arena_dup(&t->arena, o->jwt_keys);
	t->o.tenant_claim = arena_dup(&t->arena, o->tenant_claim.n ? o->tenant_claim : S("tenant"));
	for (int i = 0; i < o->hosts.n; i++)
		hosts[i] = arena_dup(&t->arena, o->hosts.v[i]);
	t->o.hosts.v = hosts;
}

static bool open_mode(struct call *c, struct tenants *t)
{
	switch (t->o.mode) {
	case TENANT_NONE:
		return true;
	case TENANT_TOKEN:
		t->tokens = token_watch_open(c, t->o.data_dir);
		return t->tokens != NULL;
	case TENANT_JWT:
		return jwt_keys_load(c, t->o.jwt_keys, &t->arena, &t->keys);
	}
	return false;
}

struct tenants *tenant_open(struct call *c, const struct tenant_options *o)
{
	struct tenants *t = base_zalloc(sizeof(*t));

	keep_options(t, o);
	if (!open_mode(c, t)) {
		tenant_close(t);
		return NULL;
	}
	return t;
}

void tenant_close(struct tenants *t)
{
	if (!t)
		return;
	if (t->tokens)
		token_watch_close(t->tokens);
	arena_close(&t->arena);
	free(t);
}

bool tenant_refuse(struct call *c, const char *native, const char *why)
{
	fail(c, ERR_UNAUTHENTICATED, "%s", why);
	return fail_state(c, NULL, native);
}

/* Mode none: whoever reaches us over loopback owns everything. */
static bool identify_local(struct call *c, const struct tenants *t, const struct tenant_claim_in *in)
{
	if (!origin_check(c, &t->o, in))
		return false;
	if (!in->tenant.p && t->o.require_tenant)
		return fail(c, ERR_NO_TENANT_BINDING, "no tenant bound: header X-Mayfly-Tenant is required");
	if (in->tenant.p && !tenant_name_valid(in->tenant))
		return fail(c, ERR_INVALID_TENANT, "X-Mayfly-Tenant must be 1 to %d of a-z, 0-9, _ and -, and begin with a letter or digit",
		            TENANT_NAME_MAX);
	c->tenant = in->tenant.p ? arena_dup(c->arena, in->tenant) : S("default");
	c->principal = S("");
	c->role = ROLE_ADMIN;
	return true;
}

/* What is behind "Bearer ". */
static bool bearer(struct call *c, struct str authorization, struct str *ret)
{
	struct str token;

	if (!str_istarts(authorization, S("Bearer ")))
		return tenant_refuse(c, "390146", "Authorization: Bearer <token> is required");
	token = str_trim(str_tail(authorization, sizeof("Bearer ") - 1));
	if (token.n == 0)
		return tenant_refuse(c, "390146", "Authorization: Bearer <token> is required");
	*ret = token;
	return true;
}

/* The code of the kind that the client says its token is, else of what it looks like. */
static const char *native_of(enum tenant_mode mode, struct str token_type, struct str token)
{
	if (str_ieq(token_type, S("PROGRAMMATIC_ACCESS_TOKEN")))
		return "394400";
	if (str_ieq(token_type, S("KEYPAIR_JWT")))
		return "390144";
	if (token_type.n == 0 && (mode == TENANT_JWT || str_starts(token, S("eyJ"))))
		return "390144";
	return "390303";
}

/* What was refused gets the code of its kind; only OAuth has one of its own for what has expired. */
static bool refused_as(struct call *c, const char *native)
{
	bool expired = str_eq(str_of(c->err.native), S(TENANT_EXPIRED)), oauth = str_eq(str_of(native), S("390303"));

	if (c->err.kind == ERR_UNAUTHENTICATED && !(expired && oauth))
		fail_state(c, NULL, native);
	return false;
}

static bool identify_token(struct call *c, const struct tenants *t, struct str token, const char *native)
{
	struct tenant_token found;

	if (!token_watch_find(c, t->tokens, token, native, &found))
		return false;
	c->tenant = found.tenant;
	c->principal = found.principal;
	c->role = found.role;
	return true;
}

bool tenant_identify(struct call *c, struct tenants *t, const struct tenant_claim_in *in)
{
	struct str token;
	const char *native;

	if (t->o.mode == TENANT_NONE)
		return identify_local(c, t, in);
	if (!bearer(c, in->authorization, &token))
		return false;
	native = native_of(t->o.mode, in->token_type, token);
	if (token.n > TENANT_TOKEN_MAX)
		return tenant_refuse(c, native, "the token is too long");
	if (str_starts(token, S("WIF.")))
		return tenant_refuse(c, "390100", "workload identity tokens (WIF.) are not taken");
	if (t->o.mode == TENANT_TOKEN)
		return identify_token(c, t, token, native) || refused_as(c, native);
	if (str_ieq(in->token_type, S("PROGRAMMATIC_ACCESS_TOKEN")))
		return tenant_refuse(c, native, "programmatic access tokens are for auth.mode token");
	return jwt_identify(c, &t->keys, t->o.tenant_claim, token, str_ieq(in->token_type, S("KEYPAIR_JWT"))) ||
	       refused_as(c, native);
}
