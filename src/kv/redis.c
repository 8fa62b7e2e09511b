/* redis.c - the Redis client: opened, asked, closed.
 *
 * Who asks waits for its own answer (redis_wait.c); everything that waits for
 * Redis itself is in redis_conn.c.
 */
#include "kv/redis_int.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>

enum { CROWDED = 256 };
enum { TICK_MIN_MS = 10, TICK_MAX_MS = 200, TICKS_A_TIMEOUT = 10 };

/* --- opening --- */
static void on_tick(void *arg)
{
	struct redis *r = arg;

	atomic_fetch_add(&r->tick, 1);
	for (int i = 0; i < r->nconns; i++)
		redis_conn_tick(&r->conns[i]);
	if (r->listener)
		redis_conn_tick(r->listener);
}

static void on_start(void *arg)
{
	struct redis *r = arg;

	exec_timer_set(r->clock, r->tick_ms, r->tick_ms);
	redis_conn_start(&r->conns[0]);
}

static bool take_options(struct call *c, struct redis *r, const struct redis_options *o)
{
	struct call own;

	call_open(&own, &r->arena);
	r->o = *o;
	r->o.ca_file = arena_dup(&r->arena, o->ca_file);
	r->o.url = (struct str){0};
	if (redis_url_parse(&own, o->url, &r->url) && (!r->url.tls || redis_wire_tls_open(&own, r)))
		return true;
	return fail_as(c, &own.err);
}

static void start(struct redis *r)
{
	INVARIANT(r->o.timeout_ms > 0 && r->o.connections > 0);
	r->nconns = r->o.connections < REDIS_CONNECTIONS_MAX ? r->o.connections : REDIS_CONNECTIONS_MAX;
	r->tick_ms = r->o.timeout_ms / TICKS_A_TIMEOUT;
	r->tick_ms = r->tick_ms < TICK_MIN_MS ? TICK_MIN_MS : r->tick_ms > TICK_MAX_MS ? TICK_MAX_MS : r->tick_ms;
	r->limit = (r->o.timeout_ms + r->tick_ms - 1) / r->tick_ms;
	r->tick = 1;
	r->read_room = base_alloc(REDIS_READ);
	r->conns = base_zalloc(sizeof(*r->conns) * (size_t)r->nconns);
	r->loop = exec_loop_open("redis");
	r->names = exec_pool_open("redis-names", 1, REDIS_CONNECTIONS_MAX + 1);
	r->clock = exec_timer_open(r->loop, on_tick, r);
	for (int i = 0; i < r->nconns; i++)
		redis_conn_open(r, &r->conns[i], i);
	exec_loop_start(r->loop);
	exec_post(r->loop, on_start, r);
}

static void wait_for(sem_t *s)
{
	while (sem_wait(s) != 0)
		INVARIANT(errno == EINTR);
}

static void drop_all(struct redis *r)
{
	free(r->conns);
	free(r->listener);
	free(r->read_room);
	SSL_CTX_free(r->tls);
	sem_destroy(&r->outcome);
	pthread_mutex_destroy(&r->lock);
	arena_close(&r->arena);
	free(r);
}

struct redis *redis_open(struct call *c, const struct redis_options *o)
{
	struct redis *r = base_zalloc(sizeof(*r));

	INVARIANT(!exec_on_any_loop());
	list_init(&r->subscriptions);
	pthread_mutex_init(&r->lock, NULL);
	sem_init(&r->outcome, 0, 0);
	if (!take_options(c, r, o)) {
		drop_all(r);
		return NULL;
	}
	start(r);
	wait_for(&r->outcome);
	if (r->open_err.kind == ERR_NONE)
		return r;
	fail_as(c, &r->open_err);
	redis_close(r);
	return NULL;
}

static void on_close(void *arg)
{
	struct redis *r = arg;

	r->closing = true;
	exec_timer_close(r->clock);
	for (int i = 0; i < r->nconns; i++)
		redis_conn_close(&r->conns[i]);
	redis_listener_close(r);
}

static void conn_drop(struct redis_conn *k)
{
	arena_close(&k->scratch);
	pthread_mutex_destroy(&k->lock);
}

/* A name that is being looked up is waited for. */
void redis_close(struct redis *r)
{
	if (!r)
		return;
	exec_call(r->loop, on_close, r);
	exec_pool_close(r->names);
	redis_wait_all(r);
	exec_loop_stop(r->loop);
	exec_loop_join(r->loop);
	exec_loop_close(r->loop);
	INVARIANT(list_empty(&r->subscriptions));
	for (int i = 0; i < r->nconns; i++)
		conn_drop(&r->conns[i]);
	if (r->listener)
		conn_drop(r->listener);
	drop_all(r);
}

/* --- asking --- */
/* The first that does not carry large values: what gathers on one connection goes in fewer packets and wakes fewer threads.
 * NULL: none is up. */
static struct redis_conn *pick(struct redis *r)
{
	struct redis_conn *best = NULL;
	int least = INT32_MAX;

	for (int i = 0; i < r->nconns; i++) {
		struct redis_conn *k = &r->conns[i];
		int waiting = atomic_load_explicit(&k->waiting, memory_order_relaxed);

		if (!atomic_load_explicit(&k->usable, memory_order_relaxed))
			continue;
		if (waiting < CROWDED && !atomic_load_explicit(&k->laden, memory_order_relaxed))
			return k;
		if (waiting < least) {
			best = k;
			least = waiting;
		}
	}
	return best;
}

static bool unreachable(struct call *c, struct redis *r)
{
	char why[REDIS_WHY_MAX];

	pthread_mutex_lock(&r->lock);
	memcpy(why, r->why, sizeof(why));
	pthread_mutex_unlock(&r->lock);
	return fail(c, ERR_UNAVAILABLE, "Redis cannot be reached: %s", *why ? why : "the connection was lost");
}

static bool send_somewhere(struct redis *r, struct redis_exchange *e, struct buf *made)
{
	for (int i = 0; i < r->nconns; i++) {
		struct redis_conn *k = pick(r);

		if (!k)
			return false;
		if (redis_conn_send(k, e, made))
			return true;
	}
	return false;
}

bool redis_ask(struct call *c, struct redis *r, const struct redis_command *v, int n, struct redis_value *ret)
{
	struct redis_exchange e = {.kind = EXCHANGE_WAITED, .n = n, .arena = c->arena};
	OWNS(buf) made = {0};
	bool sent;

	INVARIANT(!exec_on_any_loop());
	if (n == 0)
		return true;
	for (int i = 0; i < n; i++)
		if (!redis_format(v[i], &made))
			return fail(c, ERR_INVALID_FIELD, "a command for Redis is larger than %d MB", REDIS_COMMAND_MAX >> 20);
	e.values = ARENA_ARRAY(c->arena, struct redis_value, (size_t)n);
	redis_wait_begin(r, &e);
	atomic_fetch_add_explicit(&r->commands, (uint64_t)n, memory_order_relaxed);
	sent = send_somewhere(r, &e, &made);
	if (sent)
		redis_wait(r, &e);
	redis_wait_end(r);
	if (!sent)
		return unreachable(c, r);
	if (e.failed)
		return fail(c, ERR_UNAVAILABLE, "Redis cannot be reached: %s", e.why);
	memcpy(ret, e.values, sizeof(*ret) * (size_t)n);
	return true;
}

bool redis_one(struct call *c, struct redis *r, struct redis_command cmd, struct redis_value *ret)
{
	struct redis_value v;

	if (!redis_ask(c, r, &cmd, 1, &v))
		return false;
	if (v.kind == REDIS_ERROR)
		return redis_failed(c, &v);
	*ret = v;
	return true;
}

void redis_post(struct redis *r, struct redis_command cmd)
{
	struct redis_exchange *e = base_zalloc(sizeof(*e));
	OWNS(buf) made = {0};
	bool sent;
	int i = 0;

	*e = (struct redis_exchange){.kind = EXCHANGE_POSTED, .n = 1};
	while (i < r->nconns && !atomic_load_explicit(&r->conns[i].usable, memory_order_relaxed))
		i++;
	sent = i < r->nconns && redis_format(cmd, &made) && redis_conn_send(&r->conns[i], e, &made);
	atomic_fetch_add_explicit(&r->commands, sent ? 1 : 0, memory_order_relaxed);
	if (!sent)
		free(e);
}

/* --- scripts --- */
void redis_script_open(struct redis_script *s)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	INVARIANT(EVP_Digest(s->text, strlen(s->text), digest, &n, EVP_sha1(), NULL) == 1 && n == 20);
	for (unsigned i = 0; i < n; i++) {
		s->sha[2 * i] = digits[digest[i] >> 4];
		s->sha[2 * i + 1] = digits[digest[i] & 15];
	}
	s->sha[40] = '\0';
}

bool redis_run(struct call *c, struct redis *r, const struct redis_script *s, const struct redis_args *a, struct redis_value *ret)
{
	int n = 3 + a->nkeys + a->nargs;
	struct str *words = ARENA_ARRAY(c->arena, struct str, (size_t)n);
	struct redis_command cmd = {words, n};
	struct redis_value v;

	INVARIANT(s->sha[0]);
	words[0] = S("EVALSHA");
	words[1] = str_from(s->sha, 40);
	words[2] = arena_fmt(c->arena, "%d", a->nkeys);
	for (int i = 0; i < a->nkeys; i++)
		words[3 + i] = a->keys[i];
	for (int i = 0; i < a->nargs; i++)
		words[3 + a->nkeys + i] = a->args[i];
	if (!redis_ask(c, r, &cmd, 1, &v))
		return false;
	if (v.kind == REDIS_ERROR && str_eq(redis_error_word(v.text), S("NOSCRIPT"))) {
		words[0] = S("EVAL");
		words[1] = str_of(s->text);
		return redis_one(c, r, cmd, ret);
	}
	if (v.kind == REDIS_ERROR)
		return redis_failed(c, &v);
	*ret = v;
	return true;
}

/* --- looking --- */
bool redis_up(const struct redis *r)
{
	return atomic_load(&r->ups) > 0;
}

void redis_stats(struct redis *r, struct redis_stats *ret)
{
	*ret = (struct redis_stats){.commands = atomic_load(&r->commands), .reconnects = atomic_load(&r->reconnects),
				    .timeouts = atomic_load(&r->timeouts), .connections = atomic_load(&r->ups)};
	pthread_mutex_lock(&r->lock);
	memcpy(ret->version, r->version, sizeof(ret->version));
	if (ret->connections == 0)
		memcpy(ret->why, r->why, sizeof(ret->why));
	pthread_mutex_unlock(&r->lock);
}
