/* redis_url.c - URLs of Redis: redis://, rediss:// and unix:. No message quotes the URL, for it may hold a password. */
#include "kv/redis_int.h"

#include <sys/un.h>

enum { DEFAULT_PORT = 6379, DATABASE_MAX = 1 << 20 };

static const char forms[] =
	"redis://[[user]:password@]host[:port][/database], rediss://…, unix:/path[?db=N] or unix://[user]:password@/path[?db=N]";

static bool malformed(struct call *c, const char *what)
{
	return fail(c, ERR_INVALID_FIELD, "the URL of Redis %s; it is %s", what, forms);
}

static bool percent_decode(struct call *c, struct str s, struct str *ret)
{
	char *to = arena_alloc(c->arena, s.n + 1);
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		int high = i + 2 < s.n ? ascii_hex(s.p[i + 1]) : -1, low = i + 2 < s.n ? ascii_hex(s.p[i + 2]) : -1;

		if (s.p[i] != '%') {
			to[n++] = s.p[i];
			continue;
		}
		if (high < 0 || low < 0)
			return malformed(c, "has a % without two hex digits (write % as %25)");
		to[n++] = (char)(high * 16 + low);
		i += 2;
	}
	to[n] = '\0';
	*ret = str_from(to, n);
	return true;
}

static bool read_number(struct str s, int64_t most, int *ret)
{
	int64_t v;

	if (s.n == 0 || s.n > 9 || !str_to_i64(s, &v) || v < 0 || v > most)
		return false;
	*ret = (int)v;
	return true;
}

/* "[user]:password"; a name alone is no password. */
static bool read_user(struct call *c, struct str s, struct redis_url *ret)
{
	struct str user = str_cut(&s, ':');

	if (!s.p)
		return malformed(c, "has a user without a password");
	ret->has_password = s.n > 0;
	if (user.n > 0 && s.n == 0)
		return malformed(c, "has a user without a password");
	return percent_decode(c, user, &ret->user) && percent_decode(c, s, &ret->password);
}

static size_t last_of(struct str s, char ch)
{
	size_t i = s.n;

	while (i > 0 && s.p[i - 1] != ch)
		i--;
	return i; /* behind it; 0 = none */
}

/* "/path[?db=N]", and behind "//" what a redis:// URL has in front of its host. */
static bool read_unix(struct call *c, struct str rest, struct redis_url *ret)
{
	struct str path = str_cut(&rest, '?');

	if (str_starts(path, S("//"))) {
		size_t at = last_of(path, '@');

		if (at && !read_user(c, str_from(path.p + 2, at - 3), ret))
			return false;
		path = str_tail(path, at ? at : 2);
	}
	if (path.n == 0 || path.p[0] != '/' || path.n >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return malformed(c, "has a path of a socket that is not absolute, or too long");
	if (rest.p && (!str_starts(rest, S("db=")) || !read_number(str_tail(rest, 3), DATABASE_MAX, &ret->database)))
		return malformed(c, "has something else than db=N behind the ?");
	ret->path = ret->shown = arena_dup(c->arena, path);
	return true;
}

static bool read_host(struct call *c, struct str s, struct redis_url *ret)
{
	struct str host, port = {0};
	size_t end;

	if (s.n && s.p[0] == '[') {
		end = str_find(s, ']');
		if (end == s.n)
			return malformed(c, "has a [ without its ]");
		host = str_from(s.p + 1, end - 1);
		port = str_tail(s, end + 1);
		if (port.n && port.p[0] != ':')
			return malformed(c, "has something behind the ] that is no port");
		port = port.n ? str_tail(port, 1) : (struct str){0};
	} else {
		host = str_cut(&s, ':');
		port = s;
	}
	ret->port = DEFAULT_PORT;
	if (port.p && (!read_number(port, 65535, &ret->port) || ret->port == 0))
		return malformed(c, "has a port that is none");
	if (host.n == 0 || host.n > 255)
		return malformed(c, "has no host, or too long a one");
	for (size_t i = 0; i < host.n; i++)
		if (host.p[i] <= ' ' || host.p[i] == 127 || host.p[i] == '?' || host.p[i] == '#')
			return malformed(c, "has a host with a character that no name has");
	ret->host = arena_dup(c->arena, host);
	ret->shown = arena_fmt(c->arena, str_find(host, ':') < host.n ? "[%.*s]:%d" : "%.*s:%d", SARG(host), ret->port);
	return true;
}

bool redis_url_parse(struct call *c, struct str url, struct redis_url *ret)
{
	struct redis_url u = {.database = 0};
	struct str rest, where, database;
	size_t at;

	if (memchr(url.p ? url.p : "", '\0', url.n))
		return malformed(c, "has a zero byte");
	if (str_starts(url, S("unix:"))) {
		if (!read_unix(c, str_tail(url, 5), &u))
			return false;
		*ret = u;
		return true;
	}
	u.tls = str_starts(url, S("rediss://"));
	if (!u.tls && !str_starts(url, S("redis://")))
		return malformed(c, "has another scheme");
	rest = str_tail(url, u.tls ? 9 : 8);
	at = last_of(rest, '@'); /* the last one: a password may have been written with a bare @, or a bare / */
	if (at && !read_user(c, str_head(rest, at - 1), &u))
		return false;
	database = str_tail(rest, at);
	where = str_cut(&database, '/');
	if (database.n && !read_number(database, DATABASE_MAX, &u.database))
		return malformed(c, "has a database that is no number");
	if (!read_host(c, where, &u))
		return false;
	*ret = u;
	return true;
}

bool redis_url_check(struct call *c, struct str url)
{
	struct redis_url u;

	return redis_url_parse(c, url, &u);
}
