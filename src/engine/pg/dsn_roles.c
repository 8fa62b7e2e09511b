/* dsn_roles.c - who runs users' SQL on a server of the user's: a role for each tenant, never a superuser.
 *
 * The role owns the tenant's databases and may make nothing beyond them. Its password is an HMAC of its name under a secret in the
 * catalog database, which only the DSN's user can open: all servers know it, and a role that changed its own is mended.
 * A DSN whose user may not make roles runs users' SQL as itself, if that is no superuser; dsn.c says so in its report.
 */
#include "engine/pg/dsn_int.h"

#include <stdio.h>

void dsn_role_of(const struct dsn *d, struct str tenant, char ret[DSN_NAME])
{
	if (d->roles)
		dsn_hex(tenant, 16, ret + snprintf(ret, DSN_NAME, "mayfly_app_"));
	else
		ret[0] = '\0';
}

struct str dsn_role_password(struct arena *a, const struct dsn *d, const char *role)
{
	unsigned char sum[SHA256_LEN];
	OWNS(buf) text = {0};

	hash_hmac_sha256(str_of(d->secret), str_of(role), sum);
	hash_base64url(str_from((const char *)sum, sizeof(sum)), &text);
	return arena_dup(a, buf_str(&text));
}

/* As a verifier: statements may be written to the server's log. */
static bool verifier(struct call *c, struct dsn *d, struct pg_conn *p, const char *role, struct str *ret)
{
	struct str password = dsn_role_password(c->arena, d, role);
	char *text = PQencryptPasswordConn(p->db, password.p, role, "scram-sha-256");

	if (!text)
		return fail(c, ERR_ENGINE_UNREACHABLE, "no password for the role %s could be made", role);
	*ret = dsn_literal(c->arena, str_of(text));
	PQfreemem(text);
	return true;
}

static bool make(struct call *c, struct dsn *d, struct pg_conn *p, const char *role)
{
	struct str password, grant = d->superuser ? S("") : arena_fmt(c->arena, "GRANT %s TO CURRENT_USER; ", role);

	if (!verifier(c, d, p, role, &password))
		return false;
	if (dsn_run(c, p, "BEGIN; CREATE ROLE %s LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD %.*s; %.*sCOMMIT", role,
		    SARG(password), SARG(grant)))
		return true;
	if (!dsn_state_is(c, "42710", "23505")) /* somebody else made it just now */
		return false;
	call_forgive(c);
	return dsn_run(c, p, "ROLLBACK");
}

bool dsn_role_ready(struct call *c, struct dsn *d, struct pg_conn *p, const char *role)
{
	const json_node *rows, *row;

	if (!role[0])
		return true;
	if (!dsn_ask(c, p, &rows, "SELECT count(*), count(*) FILTER (WHERE rolsuper OR rolcreatedb OR rolcreaterole OR NOT rolcanlogin), "
		     "count(*) FILTER (WHERE EXISTS (SELECT FROM pg_db_role_setting s WHERE s.setrole = r.oid AND s.setdatabase = 0)) "
		     "FROM pg_roles r WHERE rolname = '%s'", role))
		return false;
	row = json_at(rows, 0);
	if (json_int(json_at(row, 0)) == 0)
		return make(c, d, p, role);
	if (json_int(json_at(row, 1)))
		return fail(c, ERR_ENGINE_UNREACHABLE, "the role %s may do more than users' SQL should", role);
	/* What SQL may have set for its own role would be there in other sessions. */
	return !json_int(json_at(row, 2)) || dsn_run(c, p, "ALTER ROLE %s RESET ALL", role);
}

bool dsn_role_mend(struct call *c, struct dsn *d, const char *role)
{
	struct pg_conn *p;
	struct str password;
	bool ok;

	if (!dsn_take(c, d, NULL, &p))
		return false;
	ok = verifier(c, d, p, role, &password) && dsn_run(c, p, "ALTER ROLE %s PASSWORD %.*s", role, SARG(password));
	dsn_give(d, p, ok);
	return ok;
}
