/* redis_greet.c - the first commands of a connection: who we are, and whether it is a Redis that can be used. */
#include "kv/redis_int.h"

#include <stdio.h>

enum { OLDEST_VERSION = 5 };
/* In the order of sending; of AUTH and SELECT only what the URL asks for. */
enum greeting { GREET_AUTH, GREET_NAME, GREET_SELECT, GREET_PING, GREET_SERVER, GREET_ROLE, GREETINGS };

static bool wanted(const struct redis_url *u, enum greeting g)
{
	return g == GREET_AUTH ? u->has_password : g == GREET_SELECT ? u->database > 0 : true;
}

static void format_one(const struct redis_url *u, enum greeting g, struct buf *out)
{
	char number[24];
	bool ok = true;

	snprintf(number, sizeof(number), "%d", u->database);
	switch (g) {
	case GREET_AUTH:
		ok = u->user.n ? redis_format(REDIS_COMMAND(S("AUTH"), u->user, u->password), out)
			       : redis_format(REDIS_COMMAND(S("AUTH"), u->password), out);
		break;
	case GREET_NAME:
		ok = redis_format(REDIS_COMMAND(S("CLIENT"), S("SETNAME"), S("mayfly")), out);
		break;
	case GREET_SELECT:
		ok = redis_format(REDIS_COMMAND(S("SELECT"), str_of(number)), out);
		break;
	case GREET_PING:
		ok = redis_format(REDIS_COMMAND(S("PING")), out);
		break;
	case GREET_SERVER:
		ok = redis_format(REDIS_COMMAND(S("INFO"), S("server")), out);
		break;
	case GREET_ROLE:
		ok = redis_format(REDIS_COMMAND(S("INFO"), S("replication")), out);
		break;
	case GREETINGS:
		break;
	}
	INVARIANT(ok);
}

void redis_greet(struct redis_conn *k)
{
	OWNS(buf) made = {0};
	int n = 0;

	for (enum greeting g = 0; g < GREETINGS; g++)
		if (wanted(&k->r->url, g)) {
			format_one(&k->r->url, g, &made);
			n++;
		}
	arena_reset(&k->scratch);
	k->greeting = (struct redis_exchange){.kind = EXCHANGE_GREETING, .n = n, .arena = &k->scratch, .values = k->greetings};
	k->flying = &k->greeting;
	pthread_mutex_lock(&k->lock);
	buf_give(&k->out, &made);
	pthread_mutex_unlock(&k->lock);
}

const char *redis_greet_cut_off(const struct redis_conn *k, char to[REDIS_WHY_MAX])
{
	snprintf(to, REDIS_WHY_MAX, "it closed the connection");
	if (k->greeting.got > 0 && k->greetings[0].kind == REDIS_ERROR && !k->r->url.has_password)
		redis_error_words(k->greetings[0].text, to);
	return to;
}

/* --- what the answers say --- */
static struct str info_line(struct str info, const char *name)
{
	while (info.p) {
		struct str line = str_cut(&info, '\n'), key = str_cut(&line, ':');

		if (line.p && str_eq(key, str_of(name)))
			return str_trim(line);
	}
	return S("");
}

static struct str error_word(const struct redis_value *v)
{
	return v->kind == REDIS_ERROR ? redis_error_word(v->text) : S("");
}

/* The password may be among Redis's words: they are not told. */
static bool authenticated(struct redis_conn *k, const struct redis_value *auth, const struct redis_value *pong)
{
	if (auth && auth->kind == REDIS_ERROR)
		redis_conn_lose(k, ERR_INVALID_FIELD, "it refuses the user or the password of the URL");
	else if (str_eq(error_word(pong), S("NOAUTH")))
		redis_conn_lose(k, ERR_INVALID_FIELD, "it wants a password, and the URL has none");
	else
		return true;
	return false;
}

static bool selected(struct redis_conn *k, const struct redis_value *v)
{
	char words[REDIS_WHY_MAX];

	if (!v || v->kind != REDIS_ERROR)
		return true;
	redis_error_words(v->text, words);
	redis_conn_lose(k, ERR_INVALID_FIELD, "database %d cannot be had: %s", k->r->url.database, words);
	return false;
}

static bool ready(struct redis_conn *k, const struct redis_value *pong)
{
	char words[REDIS_WHY_MAX];

	if (pong->kind == REDIS_ERROR) {
		redis_error_words(pong->text, words);
		redis_conn_lose(k, ERR_UNAVAILABLE, "%s", words);
	} else if (pong->kind != REDIS_STATUS || !str_eq(pong->text, S("PONG")))
		redis_conn_lose(k, ERR_INVALID_FIELD, "no Redis answers there");
	else
		return true;
	return false;
}

static bool recent_and_alone(struct redis_conn *k, const struct redis_value *server)
{
	struct str version, mode, rest;
	char words[REDIS_WHY_MAX];
	int64_t major;

	if (server->kind != REDIS_TEXT) {
		redis_error_words(server->kind == REDIS_ERROR ? server->text : S("no text"), words);
		redis_conn_lose(k, ERR_INVALID_FIELD, "INFO was answered with: %s", words);
		return false;
	}
	version = rest = info_line(server->text, "redis_version");
	mode = info_line(server->text, "redis_mode");
	if (!str_to_i64(str_cut(&rest, '.'), &major) || version.n >= sizeof(k->r->version))
		redis_conn_lose(k, ERR_INVALID_FIELD, "no Redis answers there");
	else if (major < OLDEST_VERSION)
		redis_conn_lose(k, ERR_INVALID_FIELD, "it is Redis %lld; %d is the oldest that is taken", (long long)major, OLDEST_VERSION);
	else if (str_eq(mode, S("cluster")) || str_eq(mode, S("sentinel")))
		redis_conn_lose(k, ERR_INVALID_FIELD, "it is a Redis %s; a single server is needed",
				str_eq(mode, S("cluster")) ? "Cluster" : "Sentinel");
	else {
		pthread_mutex_lock(&k->r->lock);
		snprintf(k->r->version, sizeof(k->r->version), "%.*s", SARG(version));
		pthread_mutex_unlock(&k->r->lock);
		return true;
	}
	return false;
}

static bool writable(struct redis_conn *k, const struct redis_value *role)
{
	if (role->kind != REDIS_TEXT || !str_eq(info_line(role->text, "role"), S("slave")))
		return true;
	redis_conn_lose(k, ERR_UNAVAILABLE, "it is a replica, which takes no writes");
	return false;
}

void redis_greeted(struct redis_conn *k)
{
	const struct redis_value *said[GREETINGS] = {NULL};
	int n = 0;

	for (enum greeting g = 0; g < GREETINGS; g++)
		if (wanted(&k->r->url, g))
			said[g] = &k->greetings[n++];
	if (authenticated(k, said[GREET_AUTH], said[GREET_PING]) && selected(k, said[GREET_SELECT]) && ready(k, said[GREET_PING]) &&
	    recent_and_alone(k, said[GREET_SERVER]) && writable(k, said[GREET_ROLE]))
		redis_conn_up(k);
}
