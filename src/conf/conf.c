/* conf.c - defaults, file, environment and flags put together, later ones winning. */
#include "conf/conf_int.h"

void conf_settings_add(struct call *c, struct conf_settings *all, struct conf_setting s)
{
	if (all->n == all->cap) {
		size_t cap = all->cap ? all->cap * 2 : 32;
		struct conf_setting *v = ARENA_ARRAY(c->arena, struct conf_setting, cap);

		if (all->n)
			memcpy(v, all->v, all->n * sizeof(*v));
		all->v = v;
		all->cap = cap;
	}
	all->v[all->n++] = s;
}

static void add_text(struct call *c, struct conf_settings *all, struct str where, struct str key, struct str value)
{
	struct str *v = ARENA_NEW(c->arena, struct str);

	*v = value;
	conf_settings_add(c, all, (struct conf_setting){.key = key, .where = where, .v = v, .n = 1});
}

/* --- defaults --- */
static void assign_defaults(struct call *c, const struct conf_row *rows, void *base)
{
	for (const struct conf_row *row = rows; row->key; row++) {
		struct str dflt = str_of(row->dflt);
		struct conf_setting s = {.key = str_of(row->key), .where = S("default"), .v = &dflt, .n = 1};

		INVARIANT(conf_assign(c, row, &s, base));
	}
}

/* --- environment --- */
static bool env_matches(const char *prefix, const struct conf_row *row, struct str name)
{
	OWNS(buf) known = {0};

	conf_env_name(prefix, row->key, &known);
	return str_eq(buf_str(&known), name);
}

/* MAYFLY_STORAGE_ACCESS_KEY_ID is storage.access_key_id. */
static struct str env_pair_key(struct call *c, struct str name)
{
	for (const struct conf_row *row = conf_options; row->key; row++) {
		OWNS(buf) section = {0};

		if (row->type != CONF_T_MAP)
			continue;
		conf_env_name("", row->key, &section);
		buf_addc(&section, '_');
		if (name.n > section.n && str_starts(name, buf_str(&section)))
			return arena_fmt(c->arena, "%s.%.*s", row->key, SARG(arena_lower(c->arena, str_tail(name, section.n))));
	}
	return (struct str){NULL, 0};
}

static struct str env_key(struct call *c, struct str name)
{
	for (const struct conf_row *row = conf_options; row->key; row++)
		if (env_matches("", row, name))
			return str_of(row->key);
	for (const struct conf_row *row = conf_caps_rows; row->key; row++)
		if (env_matches(CONF_CAPS_PREFIX, row, name))
			return arena_fmt(c->arena, CONF_CAPS_PREFIX "%s", row->key);
	return env_pair_key(c, name);
}

/* MAYFLY_SERVER_LISTN is a mistake; MAYFLY_TOKEN may be somebody else's. */
static bool env_in_section(struct str name)
{
	struct str first = str_tail(name, strlen("MAYFLY_"));

	if (str_starts(first, S("TENANTS_")))
		return true;
	for (const struct conf_row *row = conf_options; row->key; row++) {
		struct str section = str_head(str_of(row->key), str_find(str_of(row->key), '.'));

		if (str_istarts(first, section) && first.n > section.n && first.p[section.n] == '_')
			return true;
	}
	return false;
}

static bool env_unknown(struct call *c, struct str name)
{
	char *guess = arena_cstr(c->arena, str_tail(name, strlen("MAYFLY_")));
	OWNS(buf) near_name = {0};
	struct str near;
	char *dot;

	for (char *p = guess; *p; p++)
		*p = ascii_lower(*p);
	dot = strchr(guess, '_');
	if (dot)
		*dot = '.';
	near = conf_nearest(c, str_of(guess));
	if (near.n == 0)
		return fail(c, ERR_UNKNOWN_FIELD, "%.*s: no option has this variable", SARG(str_head(name, 100)));
	conf_env_name("", arena_cstr(c->arena, near), &near_name);
	return fail(c, ERR_UNKNOWN_FIELD, "%.*s: no option has this variable; did you mean %s?",
		    SARG(str_head(name, 100)), buf_cstr(&near_name));
}

static bool read_env(struct call *c, char **env, struct conf_settings *all)
{
	for (char **p = env; p && *p; p++) {
		struct str value = str_of(*p);
		struct str name = str_cut(&value, '=');
		struct str key;

		if (!str_starts(name, S("MAYFLY_")))
			continue;
		key = env_key(c, name);
		if (key.n)
			add_text(c, all, name, key, value);
		else if (env_in_section(name))
			return env_unknown(c, name);
	}
	return true;
}

/* --- flags --- */
static bool read_sets(struct call *c, const struct str *sets, int nsets, struct conf_settings *all)
{
	for (int i = 0; i < nsets; i++) {
		struct str value = sets[i];
		struct str key = str_cut(&value, '=');

		if (!value.p)
			return fail(c, ERR_BAD_REQUEST, "--set %.*s: expected key=value", SARG(str_head(key, 100)));
		add_text(c, all, S("--set"), str_trim(key), value);
	}
	return true;
}

/* --- settings to fields --- */
static bool unknown(struct call *c, const struct conf_setting *s)
{
	struct str key = str_head(s->key, 100);
	struct str near = conf_nearest(c, s->key);

	if (conf_is_section(s->key))
		return fail(c, ERR_UNKNOWN_FIELD, "%.*s: %.*s is a section, not an option", SARG(s->where), SARG(key));
	if (near.n)
		return fail(c, ERR_UNKNOWN_FIELD, "%.*s: unknown option %.*s; did you mean %.*s?", SARG(s->where),
			    SARG(key), SARG(near));
	return fail(c, ERR_UNKNOWN_FIELD, "%.*s: unknown option %.*s", SARG(s->where), SARG(key));
}

static bool assign_option(struct call *c, const struct conf_setting *s, struct conf *f)
{
	const struct conf_row *row = conf_find(conf_options, s->key);
	void *base = f;

	if (!row && str_starts(s->key, S(CONF_CAPS_PREFIX))) {
		row = conf_find(conf_caps_rows, str_tail(s->key, strlen(CONF_CAPS_PREFIX)));
		base = &f->caps;
	}
	if (!row && (row = conf_map_of(s->key)))
		base = f;
	if (row && !(s->null && row->type == CONF_T_MAP && conf_is_section(s->key)))
		return conf_assign(c, row, s, base);
	return (s->null && conf_is_section(s->key)) || unknown(c, s);
}

static bool is_override(const struct conf_setting *s)
{
	return str_starts(s->key, S(CONF_OVERRIDES_PREFIX));
}

static struct conf_caps *caps_for(struct call *c, struct conf *f, struct str tenant)
{
	struct conf_caps *caps = map_get(&f->overrides, tenant);

	if (caps)
		return caps;
	caps = ARENA_NEW(c->arena, struct conf_caps);
	*caps = f->caps;
	map_put(&f->overrides, arena_dup(c->arena, tenant), caps);
	return caps;
}

static bool assign_override(struct call *c, const struct conf_setting *s, struct conf *f)
{
	struct str cap = str_tail(s->key, strlen(CONF_OVERRIDES_PREFIX));
	struct str tenant = str_cut(&cap, '.');
	const struct conf_row *row = conf_find(conf_caps_rows, cap);

	if (!tenant_name_valid(tenant))
		return fail(c, ERR_INVALID_TENANT, "%.*s: \"%.*s\" is not a tenant's name: [a-z0-9][a-z0-9_-]{0,62}",
			    SARG(s->where), SARG(str_head(tenant, 80)));
	if (row)
		return conf_assign(c, row, s, caps_for(c, f, tenant));
	return (s->null && !cap.p) || unknown(c, s);
}

/* Overrides start from the default caps, so these must be final first. */
static bool assign_all(struct call *c, const struct conf_settings *all, struct conf *f)
{
	for (size_t i = 0; i < all->n; i++)
		if (!is_override(&all->v[i]) && !assign_option(c, &all->v[i], f))
			return false;
	for (size_t i = 0; i < all->n; i++)
		if (is_override(&all->v[i]) && !assign_override(c, &all->v[i], f))
			return false;
	return true;
}

/* Options that only make sense together. */
static bool check_together(struct call *c, const struct conf *f)
{
	if ((f->server_tls_cert.n == 0) != (f->server_tls_key.n == 0))
		return fail(c, ERR_INVALID_FIELD, "server.tls_cert and server.tls_key go together: only one is set");
	if (str_eq(f->auth_mode, S("jwt")) && f->auth_jwt_keys.n == 0)
		return fail(c, ERR_INVALID_FIELD, "auth.mode jwt needs auth.jwt_keys");
	if (f->storage_default_ttl_seconds > f->storage_max_ttl_seconds)
		return fail(c, ERR_INVALID_FIELD,
			    "snowflake_api.statement_storage.default_ttl_seconds is larger than max_ttl_seconds");
	if (f->spaces_ttl_seconds > f->spaces_max_ttl_seconds)
		return fail(c, ERR_INVALID_FIELD, "spaces.ttl_seconds is larger than spaces.max_ttl_seconds");
	if (f->server_listen.n == 0)
		return fail(c, ERR_INVALID_FIELD, "server.listen is empty");
	return true;
}

static void close_overrides(void *map)
{
	map_close(map);
}

/* The name that other programs know for it; weaker than any of ours. */
static void take_postgres_dsn(char **env, struct conf *f)
{
	for (char **p = env; p && *p && !f->runner_postgres_dsn.n; p++)
		if (str_starts(str_of(*p), S("POSTGRES_DSN=")))
			f->runner_postgres_dsn = str_tail(str_of(*p), sizeof("POSTGRES_DSN=") - 1);
}

bool conf_load(struct call *c, struct str file, const struct str *sets, int nsets, char **env, struct conf *ret)
{
	struct conf *f = ARENA_NEW(c->arena, struct conf);
	struct conf_settings all = {0};

	arena_defer(c->arena, close_overrides, &f->overrides);
	assign_defaults(c, conf_options, f);
	assign_defaults(c, conf_caps_rows, &f->caps);
	if (file.n && !conf_read_file(c, file, &all))
		return false;
	if (!read_env(c, env, &all) || !read_sets(c, sets, nsets, &all))
		return false;
	if (!assign_all(c, &all, f) || !check_together(c, f))
		return false;
	take_postgres_dsn(env, f);
	*ret = *f;
	return true;
}

const struct conf_caps *conf_caps_of(const struct conf *f, struct str tenant)
{
	const struct conf_caps *caps = map_get(&f->overrides, tenant);

	return caps ? caps : &f->caps;
}
