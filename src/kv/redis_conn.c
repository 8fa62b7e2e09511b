/* redis_conn.c - the life of a connection to Redis.
 *
 *   down -> resolving -> connecting -> securing (TLS) -> greeting -> up
 *     ^---------------- lost, and again after a pause ----------------'
 *
 * All on the client's loop but resolve(), which runs on the thread for names,
 * and redis_conn_send(). Times are counted in ticks of the client's timer.
 */
#include "kv/redis_int.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>

/* A slow but living server is waited for STRETCH times longer, as long as bytes come or go. */
/* After WRITES_AHEAD callers have written, what others send waits for the first answer, and goes in one. */
enum { WRITES_AHEAD = 2, LADEN = 256 * 1024, GIVEN = 16 * 1024 };
enum { BACK_OFF_MIN_MS = 100, BACK_OFF_MAX_MS = 2000, PING_MS = 5000, STRETCH = 8, READS_A_TURN = 16, OUT_KEPT = 256 * 1024 };

static int64_t now(const struct redis_conn *k)
{
	return atomic_load_explicit(&k->r->tick, memory_order_relaxed);
}

static void tell(struct redis *r)
{
	bool up = atomic_load(&r->ups) > 0;

	if (!r->opened || r->closing || up == r->told_up)
		return;
	r->told_up = up;
	if (r->o.changed)
		r->o.changed(r->o.arg, up);
}

/* --- losing it --- */
static void close_socket(struct redis_conn *k)
{
	exec_watch_close(k->watch);
	k->watch = NULL;
	k->watched = 0;
	k->wants_write = false;
	redis_wire_close(k);
}

/* What was sent and not taken over; behind what flies. */
static struct redis_exchange *cut_off(struct redis_conn *k)
{
	struct redis_exchange *all = k->flying, **end = &all;

	pthread_mutex_lock(&k->lock);
	k->up = k->awake = k->blocked = false;
	k->ahead = 0;
	atomic_store(&k->laden, false);
	atomic_store(&k->usable, false);
	while (*end)
		end = &(*end)->next;
	*end = k->first;
	k->first = NULL;
	k->last = &k->first;
	buf_drop(&k->out);
	k->out_at = 0;
	close_socket(k);
	pthread_mutex_unlock(&k->lock);
	k->flying = NULL;
	atomic_store(&k->waiting, 0);
	return all;
}

static void again_later(struct redis_conn *k)
{
	uint16_t random;

	id_random(&random, sizeof(random));
	exec_timer_set(k->again, k->back_off_ms * 3 / 4 + k->back_off_ms * random / (4 * UINT16_MAX), 0);
	k->back_off_ms = k->back_off_ms * 2 < BACK_OFF_MAX_MS ? k->back_off_ms * 2 : BACK_OFF_MAX_MS;
}

static void set_why(struct redis *r, const char *why)
{
	pthread_mutex_lock(&r->lock);
	snprintf(r->why, sizeof(r->why), "%s", why);
	pthread_mutex_unlock(&r->lock);
}

static void decide(struct redis *r, enum err_kind kind, const char *why)
{
	if (r->decided)
		return;
	r->decided = true;
	r->opened = kind == ERR_NONE;
	r->told_up = r->opened;
	r->open_err.kind = kind;
	if (!r->opened)
		snprintf(r->open_err.text, sizeof(r->open_err.text), "Redis at %.*s: %s", SARG(r->url.shown), why);
	for (int i = 1; r->opened && i < r->nconns; i++)
		redis_conn_start(&r->conns[i]);
	sem_post(&r->outcome);
}

void redis_conn_lose(struct redis_conn *k, enum err_kind kind, const char *fmt, ...)
{
	struct redis *r = k->r;
	bool was_up = k->state == CONN_UP;
	struct redis_exchange *all;
	char why[REDIS_WHY_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	if (k->number >= 0)
		set_why(r, why);
	all = cut_off(k);
	redis_reader_close(k->reader);
	k->reader = NULL;
	k->answer_bytes = 0;
	k->stale = false;
	k->asked_tick = 0;
	k->state = CONN_DOWN;
	if (was_up && k->number >= 0)
		atomic_fetch_sub(&r->ups, 1);
	while (all) {
		struct redis_exchange *e = all;

		all = e->next;
		redis_exchange_end(r, e, why);
	}
	redis_ring(r);
	tell(r);
	decide(r, kind, why);
	if (r->opened && !r->closing)
		again_later(k);
}

/* --- bytes --- */
/* Under the lock. SOME: nothing is left. */
static enum wire_outcome write_out(struct redis_conn *k)
{
	while (k->out_at < k->out.n) {
		size_t n = 0;
		enum wire_outcome o = redis_wire_write(k, str_tail(buf_str(&k->out), k->out_at), &n);

		if (o != WIRE_SOME)
			return o;
		k->out_at += n;
	}
	if (k->out.cap > OUT_KEPT)
		buf_drop(&k->out);
	buf_clear(&k->out);
	k->out_at = 0;
	return WIRE_SOME;
}

static void watch_for(struct redis_conn *k, int events)
{
	if (events != k->watched)
		exec_watch_set(k->watch, events);
	k->watched = events;
}

void redis_conn_turn(struct redis_conn *k)
{
	char why[REDIS_WHY_MAX];
	enum wire_outcome o;
	size_t before;

	if (k->state < CONN_GREETING)
		return;
	pthread_mutex_lock(&k->lock);
	before = k->out_at;
	o = write_out(k);
	if (k->out_at != before)
		k->moved_tick = now(k);
	k->blocked = o == WIRE_FULL;
	k->awake = false;
	k->ahead = 0;
	atomic_store_explicit(&k->laden, k->out.n - k->out_at > LADEN || redis_reader_laden(k, LADEN), memory_order_relaxed);
	pthread_mutex_unlock(&k->lock);
	if (o == WIRE_BROKEN || o == WIRE_ENDED)
		redis_conn_lose(k, ERR_UNAVAILABLE, "%s", redis_wire_why(k, why));
	else
		watch_for(k, EXEC_READ | (o == WIRE_FULL && (!k->ssl || k->wants_write) ? EXEC_WRITE : 0));
}

static void on_turn(void *arg)
{
	redis_conn_turn(arg);
}

static void append(struct redis_conn *k, struct buf *made)
{
	if (k->out_at > k->out.n / 2) {
		buf_cut_front(&k->out, k->out_at);
		k->out_at = 0;
	}
	if (made->n > GIVEN)
		buf_give(&k->out, made);
	else
		buf_add(&k->out, buf_str(made));
}

bool redis_conn_send(struct redis_conn *k, struct redis_exchange *e, struct buf *made)
{
	bool taken, wake = false;

	e->tick = now(k);
	e->next = NULL;
	pthread_mutex_lock(&k->lock);
	taken = k->up && (e->kind != EXCHANGE_POSTED || k->out.n - k->out_at < REDIS_POSTS_MAX);
	if (taken) {
		*k->last = e;
		k->last = &e->next;
		atomic_fetch_add(&k->waiting, 1);
		append(k, made);
		if (!k->awake && !k->blocked && k->ahead++ < WRITES_AHEAD)
			wake = k->r->tls || write_out(k) != WIRE_SOME;
		atomic_store_explicit(&k->laden, k->out.n - k->out_at > LADEN, memory_order_relaxed);
		k->awake = k->awake || wake;
	}
	pthread_mutex_unlock(&k->lock);
	if (wake)
		exec_post(k->r->loop, on_turn, k);
	return taken;
}

/* False: it was lost. */
static bool read_some(struct redis_conn *k)
{
	char why[REDIS_WHY_MAX];
	size_t n = REDIS_READ;

	for (int i = 0; k->ssl || (i < READS_A_TURN && n == REDIS_READ); i++) {
		enum wire_outcome o = redis_wire_read(k, k->r->read_room, REDIS_READ, &n);

		if (o == WIRE_FULL)
			return true;
		if (o == WIRE_BROKEN)
			redis_conn_lose(k, ERR_UNAVAILABLE, "%s", redis_wire_why(k, why));
		else if (o == WIRE_ENDED && k->state == CONN_GREETING)
			redis_conn_lose(k, ERR_UNAVAILABLE, "%s", redis_greet_cut_off(k, why));
		else if (o == WIRE_ENDED)
			redis_conn_lose(k, ERR_UNAVAILABLE, "it closed the connection");
		if (o != WIRE_SOME)
			return false;
		k->moved_tick = now(k);
		k->asked_tick = 0;
		if (!redis_reader_feed(k, str_from(k->r->read_room, n), why)) {
			redis_conn_lose(k, k->state == CONN_UP ? ERR_UNAVAILABLE : ERR_INVALID_FIELD, "%s", why);
			return false;
		}
		redis_ring(k->r);
		if (!k->reader)
			return false;
	}
	return true;
}

static void exchange_bytes(struct redis_conn *k)
{
	pthread_mutex_lock(&k->lock);
	k->awake = true;
	pthread_mutex_unlock(&k->lock);
	k->wants_write = false;
	if (!read_some(k))
		return;
	if (k->stale)
		redis_conn_lose(k, ERR_UNAVAILABLE, "it became a replica");
	else
		redis_conn_turn(k);
}

/* --- connecting --- */
static void greet(struct redis_conn *k)
{
	k->state = CONN_GREETING;
	k->began_tick = k->moved_tick = now(k);
	k->reader = redis_reader_open(k);
	redis_greet(k);
	redis_conn_turn(k);
}

static void secure(struct redis_conn *k)
{
	enum wire_outcome o = redis_wire_tls_handshake(k);
	char why[REDIS_WHY_MAX];

	if (o == WIRE_SOME)
		greet(k);
	else if (o == WIRE_FULL)
		watch_for(k, k->wants_write ? EXEC_WRITE : EXEC_READ);
	else
		redis_conn_lose(k, redis_wire_refused(k) ? ERR_INVALID_FIELD : ERR_UNAVAILABLE, "%s", redis_wire_why(k, why));
}

static void connected(struct redis_conn *k)
{
	int on = 1;

	if (k->r->url.path.n == 0) {
		setsockopt(k->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		setsockopt(k->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	}
	if (!k->r->tls) {
		greet(k);
		return;
	}
	k->state = CONN_SECURING;
	k->began_tick = now(k);
	if (redis_wire_tls_start(k))
		secure(k);
	else
		redis_conn_lose(k, ERR_INVALID_FIELD, "TLS cannot be begun with this host's name");
}

static void on_event(void *arg, int events);

/* True: it is under way. */
static bool dial(struct redis_conn *k, const struct redis_address *a)
{
	int fd = socket(a->at.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), rc;

	if (fd < 0)
		return false;
	do
		rc = connect(fd, (const struct sockaddr *)&a->at, a->size);
	while (rc != 0 && errno == EINTR);
	if (rc != 0 && errno != EINPROGRESS) {
		file_close_quietly(fd);
		return false;
	}
	k->fd = fd;
	k->watch = exec_watch_open(k->r->loop, fd, on_event, k);
	watch_for(k, EXEC_WRITE);
	return true;
}

static void dial_next(struct redis_conn *k, int error)
{
	close_socket(k);
	while (k->address < k->addresses.n) {
		k->began_tick = now(k);
		if (dial(k, &k->addresses.v[k->address++]))
			return;
		error = errno;
	}
	redis_conn_lose(k, ERR_UNAVAILABLE, "%s", strerror(error));
}

static void on_dialled(struct redis_conn *k)
{
	int error = 0;
	socklen_t size = sizeof(error);

	if (getsockopt(k->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
		error = errno;
	if (error)
		dial_next(k, error);
	else
		connected(k);
}

static void on_event(void *arg, int events)
{
	struct redis_conn *k = arg;

	(void)events;
	switch (k->state) {
	case CONN_CONNECTING:
		on_dialled(k);
		break;
	case CONN_SECURING:
		secure(k);
		break;
	case CONN_GREETING:
	case CONN_UP:
		exchange_bytes(k);
		break;
	case CONN_DOWN:
	case CONN_RESOLVING:
		break;
	}
}

/* --- names --- */
static void on_resolved(void *arg)
{
	struct redis_conn *k = arg;

	k->state = CONN_CONNECTING;
	k->address = 0;
	if (k->r->closing)
		k->state = CONN_DOWN;
	else if (k->addresses.n == 0)
		redis_conn_lose(k, ERR_UNAVAILABLE, "%s", k->addresses.why);
	else
		dial_next(k, 0);
}

static void unix_address(const struct redis_url *u, struct redis_addresses *ret)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};

	memcpy(sa.sun_path, u->path.p, u->path.n);
	memcpy(&ret->v[0].at, &sa, sizeof(sa));
	ret->v[0].size = sizeof(sa);
	ret->n = 1;
}

/* On the thread for names. The loop leaves k->addresses alone meanwhile. */
static void resolve(void *arg)
{
	struct redis_conn *k = arg;
	const struct redis_url *u = &k->r->url;
	const struct addrinfo want = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
	struct redis_addresses *to = &k->addresses;
	struct addrinfo *all = NULL;
	char port[8];
	int rc;

	to->n = 0;
	if (u->path.n) {
		unix_address(u, to);
		exec_post(k->r->loop, on_resolved, k);
		return;
	}
	snprintf(port, sizeof(port), "%d", u->port);
	rc = getaddrinfo(u->host.p, port, &want, &all);
	snprintf(to->why, sizeof(to->why), "its name cannot be looked up: %s", rc ? gai_strerror(rc) : "no address");
	for (struct addrinfo *a = all; a && to->n < REDIS_ADDRESSES_MAX; a = a->ai_next) {
		memcpy(&to->v[to->n].at, a->ai_addr, a->ai_addrlen);
		to->v[to->n++].size = a->ai_addrlen;
	}
	if (all)
		freeaddrinfo(all);
	exec_post(k->r->loop, on_resolved, k);
}

void redis_conn_start(struct redis_conn *k)
{
	INVARIANT(k->state == CONN_DOWN);
	if (k->r->closing)
		return;
	k->state = CONN_RESOLVING;
	INVARIANT(exec_pool_run(k->r->names, resolve, k)); /* it has room for every connection */
}

/* --- ticks --- */
static bool too_old(const struct redis_conn *k, int64_t since)
{
	int64_t limit = k->r->limit, age = now(k) - since;

	return age > limit * STRETCH || (age > limit && now(k) - k->moved_tick > limit);
}

static int64_t oldest_tick(struct redis_conn *k)
{
	int64_t tick = k->flying ? k->flying->tick : INT64_MAX;

	pthread_mutex_lock(&k->lock);
	if (!k->flying && k->first)
		tick = k->first->tick;
	pthread_mutex_unlock(&k->lock);
	return tick;
}

/* Who does not answer here does not answer on the others either. */
static void give_up_all(struct redis *r)
{
	atomic_fetch_add(&r->timeouts, 1);
	for (int i = 0; i < r->nconns; i++)
		if (r->conns[i].state == CONN_UP)
			redis_conn_lose(&r->conns[i], ERR_UNAVAILABLE, "no answer within %lld ms", (long long)r->o.timeout_ms);
}

static void ping(struct redis_conn *k)
{
	OWNS(buf) made = {0};
	struct redis_exchange *e;

	if (k->number < 0) {
		redis_listener_ask(k, REDIS_COMMAND(S("PING")));
		return;
	}
	e = base_zalloc(sizeof(*e));
	*e = (struct redis_exchange){.kind = EXCHANGE_POSTED, .n = 1};
	if (!redis_format(REDIS_COMMAND(S("PING")), &made) || !redis_conn_send(k, e, &made))
		free(e);
}

static void tick_up(struct redis_conn *k)
{
	int64_t oldest = oldest_tick(k);

	if (k->number < 0 && k->asked_tick && too_old(k, k->asked_tick))
		redis_conn_lose(k, ERR_UNAVAILABLE, "no answer");
	else if (k->number >= 0 && oldest != INT64_MAX && too_old(k, oldest))
		give_up_all(k->r);
	else if (oldest == INT64_MAX && !k->asked_tick && (now(k) - k->moved_tick) * k->r->tick_ms > PING_MS)
		ping(k);
}

void redis_conn_tick(struct redis_conn *k)
{
	int64_t age = now(k) - k->began_tick;

	if (k->state == CONN_UP)
		tick_up(k);
	else if (k->state == CONN_CONNECTING && age > k->r->limit / k->addresses.n)
		dial_next(k, ETIMEDOUT);
	else if (k->state == CONN_SECURING && age > k->r->limit)
		redis_conn_lose(k, ERR_UNAVAILABLE, "no TLS within %lld ms", (long long)k->r->o.timeout_ms);
	else if (k->state == CONN_GREETING && age > k->r->limit)
		redis_conn_lose(k, ERR_UNAVAILABLE, "no answer within %lld ms", (long long)k->r->o.timeout_ms);
}

/* --- up --- */
void redis_conn_up(struct redis_conn *k)
{
	struct redis *r = k->r;

	k->state = CONN_UP;
	k->back_off_ms = BACK_OFF_MIN_MS;
	k->moved_tick = now(k);
	atomic_fetch_add(&r->reconnects, k->was_up ? 1 : 0);
	k->was_up = true;
	pthread_mutex_lock(&k->lock);
	k->up = k->number >= 0;
	atomic_store(&k->usable, k->up);
	pthread_mutex_unlock(&k->lock);
	if (k->number < 0) {
		redis_listener_up(k);
		return;
	}
	atomic_fetch_add(&r->ups, 1);
	set_why(r, "");
	tell(r);
	decide(r, ERR_NONE, "");
}

static void on_again(void *arg)
{
	redis_conn_start(arg);
}

void redis_conn_open(struct redis *r, struct redis_conn *k, int number)
{
	k->r = r;
	k->number = number;
	k->fd = -1;
	k->back_off_ms = BACK_OFF_MIN_MS;
	k->last = &k->first;
	pthread_mutex_init(&k->lock, NULL);
	k->again = exec_timer_open(r->loop, on_again, k);
}

void redis_conn_close(struct redis_conn *k)
{
	if (k->state != CONN_DOWN && k->state != CONN_RESOLVING)
		redis_conn_lose(k, ERR_UNAVAILABLE, "it is closed");
	exec_timer_close(k->again);
	k->again = NULL;
}
