/* redis.h - part of the door of kv/: a client of Redis (or Valkey), for records, statement stores and streams.
 *
 * Commands of all threads go over a few connections, one behind the other
 * without waiting (pipelined); answers come on a thread of this room. A
 * connection that is lost is made anew; while there is none, everything fails
 * at once with ERR_UNAVAILABLE. Parsing is hiredis's; commands, sockets and
 * TLS are ours, since Debian's hiredis has no TLS and connects blocking.
 */
#ifndef MAYFLY_KV_REDIS_H
#define MAYFLY_KV_REDIS_H

#include "base/base.h"

struct kv;
struct redis;

struct redis_options {
	struct str url;         /* redis://[[user]:password@]host[:port][/database], rediss://… (TLS), unix:/path[?db=N] */
	struct str ca_file;     /* rediss: PEM file of authorities; empty = the system's */
	int connections;        /* for commands; subscriptions have one of their own */
	int64_t timeout_ms;     /* of connecting, and of one command's answer; then its connection is given up */
	void (*changed)(void *arg, bool up); /* not reachable any more, or again; the room's thread, must not block; NULL = nobody */
	void *arg;
};
/* Is it a URL that redis_open() takes? ERR_INVALID_FIELD, in words and without the password. */
bool redis_url_check(struct call *c, struct str url) NODISCARD;
/* Connects and looks who answers. ERR_INVALID_FIELD: the URL, the password, something that is no Redis, a version
 * below 5, a Cluster or Sentinel, a certificate that is not accepted; ERR_UNAVAILABLE: not reachable, loading, a replica. */
struct redis *redis_open(struct call *c, const struct redis_options *o) NODISCARD;
bool redis_up(const struct redis *r);
void redis_close(struct redis *r);  /* what waits fails; nobody is subscribed any more; NULL is fine */

/* --- commands --- */
enum redis_kind { REDIS_NIL, REDIS_INT, REDIS_TEXT, REDIS_STATUS, REDIS_ERROR, REDIS_ARRAY };
struct redis_value {
	enum redis_kind kind;
	int64_t integer;
	struct str text;        /* TEXT, STATUS, ERROR */
	const struct redis_value *items;
	int n;                  /* of items */
};
struct redis_command {
	const struct str *words;
	int n;
};
#define REDIS_COMMAND(...) \
	((struct redis_command){(const struct str[]){__VA_ARGS__}, (int)(sizeof((const struct str[]){__VA_ARGS__}) / sizeof(struct str))})

/* Sends them in one go, over one connection, and waits: v[i]'s answer is ret[i], in the call's arena; error replies are
 * values. False, ERR_UNAVAILABLE: not reachable, or no answer in time; then each of them may have been done or not.
 * Blocks, so never on a loop. */
bool redis_ask(struct call *c, struct redis *r, const struct redis_command *v, int n, struct redis_value *ret) NODISCARD;
/* One command; its error reply fails the call: OOM, READONLY, LOADING, BUSY, MASTERDOWN, CLUSTERDOWN, MISCONF, NOREPLICAS, TRYAGAIN
 * with ERR_UNAVAILABLE, any other with ERR_STORAGE, in Redis's words. */
bool redis_one(struct call *c, struct redis *r, struct redis_command cmd, struct redis_value *ret) NODISCARD;
bool redis_failed(struct call *c, const struct redis_value *v); /* fails the call so, for an error reply in an answer; returns false */

/* A Lua script: sent by its digest, and whole where Redis does not know it. A literal of the caller's, with `sha` zeroed. */
struct redis_script {
	const char *text;
	char sha[41];           /* filled by redis_script_open() */
};
void redis_script_open(struct redis_script *s);
struct redis_args {
	const struct str *keys, *args;
	int nkeys, nargs;
};
/* As redis_one(). The script may have been done although the call fails with ERR_UNAVAILABLE. */
bool redis_run(struct call *c, struct redis *r, const struct redis_script *s, const struct redis_args *a, struct redis_value *ret) NODISCARD;

/* Sends a command and returns at once, also on a loop; nobody hears of its answer. In their order among themselves, as long as no
 * connection is lost. For hints: what is lost, or finds too many before it, is found otherwise. */
void redis_post(struct redis *r, struct redis_command cmd);

/* --- messages --- */
struct redis_listener {
	struct str channel;     /* copied */
	/* On the room's thread, must not block. `text` lives during the call. Messages sent while there was no connection are lost:
	 * then, and first of all, text.p is NULL: look for yourself. */
	void (*told)(void *arg, struct str text);
	void *arg;
};
struct redis_subscription;
struct redis_subscription *redis_subscribe(struct redis *r, const struct redis_listener *l);
void redis_unsubscribe(struct redis *r, struct redis_subscription *s); /* told() is not running any more when it returns; not from told() */

struct redis_stats {
	uint64_t commands, reconnects, timeouts;
	int connections;        /* that are up */
	char version[32];
	char why[256];          /* it is down, for operators; empty while it is up */
};
void redis_stats(struct redis *r, struct redis_stats *ret);

/* Records in Redis, below `prefix`: a kv that servers share. Its times to live hold by the server's clock and by Redis's own. There is
 * no most of records; ERR_UNAVAILABLE of a put or drop: it may have been done. Does not own `r`. Only sweep() may be called on a loop. */
struct kv *kv_redis_open(struct redis *r, struct str prefix);

#endif
