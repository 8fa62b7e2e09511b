/* redis_int.h - inside kv/: a Redis client's connections, and what is on its way over them.
 *
 * Callers format their commands, put them behind what is in a connection's
 * `out`, and write it to the socket themselves when the loop sleeps; the loop
 * does it otherwise. It alone reads, parses, connects and gives up. An exchange
 * lies on its caller's stack: while the caller waits, its arena is the loop's.
 */
#ifndef MAYFLY_KV_REDIS_INT_H
#define MAYFLY_KV_REDIS_INT_H

#include "exec/exec.h"
#include "kv/kv.h"

#include <pthread.h>
#include <semaphore.h>
#include <sys/socket.h>

typedef struct ssl_st SSL;
typedef struct ssl_ctx_st SSL_CTX;
struct redisReader;

enum { REDIS_CONNECTIONS_MAX = 64, REDIS_WHY_MAX = 256, REDIS_READ = 64 * 1024, REDIS_ADDRESSES_MAX = 8 };
/* Of one answer: all its bytes, and the structs that hold them; of one command; of a line without an end; of hints that wait. */
enum { REDIS_ANSWER_MAX = 512 << 20, REDIS_COMMAND_MAX = 512 << 20, REDIS_LINE_MAX = 64 * 1024, REDIS_POSTS_MAX = 4 << 20 };

/* What a URL says; in the arena of who parsed it. */
struct redis_url {
	bool tls, has_password;
	struct str path;        /* of a unix socket; empty = host and port */
	struct str host, user, password;
	int port, database;
	struct str shown;       /* "host:port" or the path: for messages */
};
bool redis_url_parse(struct call *c, struct str url, struct redis_url *ret) NODISCARD;

/* Commands that were sent together, and the answers that are expected. */
enum redis_exchange_kind { EXCHANGE_WAITED, EXCHANGE_POSTED, EXCHANGE_GREETING };
struct redis_exchange {
	struct redis_exchange *next;
	enum redis_exchange_kind kind;
	int n, got;
	int64_t tick;           /* when it was sent */
	struct arena *arena;    /* NULL: answers are thrown away */
	struct redis_value *values;
	unsigned seat;          /* WAITED */
	atomic_bool done;
	bool failed;
	char why[REDIS_WHY_MAX];
};

enum conn_state { CONN_DOWN, CONN_RESOLVING, CONN_CONNECTING, CONN_SECURING, CONN_GREETING, CONN_UP };

struct redis_address {
	struct sockaddr_storage at;
	socklen_t size;
};
struct redis_addresses {
	struct redis_address v[REDIS_ADDRESSES_MAX];
	int n;
	char why[REDIS_WHY_MAX]; /* when there is none */
};

struct redis_conn {
	struct redis *r;
	int number;             /* -1: for subscriptions */
	pthread_mutex_t lock;
	/* under the lock */
	struct buf out;
	size_t out_at;          /* of it is sent */
	struct redis_exchange *first, **last; /* sent, and not taken over by the loop */
	bool up;                /* commands are taken */
	bool awake;             /* the loop will look at `out` */
	bool blocked;           /* the socket is full */
	int ahead;              /* writes of callers since the loop last looked */
	int fd;                 /* written by the loop */
	atomic_bool usable;     /* what `up` is, for who chooses without the lock */
	atomic_int waiting;     /* exchanges without an answer */
	atomic_bool laden;      /* with so many bytes that others should go elsewhere */
	/* the loop's */
	enum conn_state state;
	struct redis_exchange *flying; /* the oldest is answered next */
	struct redisReader *reader;
	struct arena scratch;   /* of the greeting, and of messages */
	struct redis_value *item; /* the answer that is being read */
	struct redis_value dropped;
	size_t answer_bytes;
	struct exec_watch *watch;
	int watched;
	bool wants_write;       /* TLS */
	SSL *ssl;
	struct exec_timer *again;
	int64_t back_off_ms;
	struct redis_addresses addresses;
	int address;            /* that is tried */
	int64_t began_tick, moved_tick, asked_tick;
	bool was_up;            /* once */
	bool stale;             /* it answered that it is a replica */
	struct redis_exchange greeting;
	struct redis_value greetings[8];
};

/* Who waits sits in one of SEATS; one call of the system's wakes all of a row whose answers have come, and hardly anybody else. */
enum { REDIS_ROWS = 8, REDIS_SEATS_A_ROW = 32, REDIS_SEATS = REDIS_ROWS * REDIS_SEATS_A_ROW };
struct redis_row {
	atomic_uint turns;      /* a futex; grows when it is woken */
	unsigned due;           /* the loop's: a bit a seat */
};

struct redis {
	struct arena arena;     /* of what the options say */
	struct redis_url url;
	struct redis_options o;
	SSL_CTX *tls;
	struct exec_loop *loop;
	struct exec_pool *names; /* one thread, for getaddrinfo() */
	struct exec_timer *clock;
	_Atomic int64_t tick;   /* of that timer: its time is not the one that tests turn */
	int64_t tick_ms, limit; /* limit: timeout_ms in ticks */
	int nconns;
	struct redis_conn *conns;
	struct redis_row rows[REDIS_ROWS];
	atomic_uint seats;      /* given */
	atomic_int asking;      /* callers that may look at a row */
	atomic_int ups;
	atomic_uint_least64_t commands, reconnects, timeouts;
	bool closing;           /* the loop's */
	bool told_up;
	char *read_room;        /* the loop's, REDIS_READ bytes */
	/* opening: the first attempt of conns[0] */
	bool opened, decided;
	sem_t outcome;
	struct err open_err;
	pthread_mutex_t lock;   /* of why, version */
	char why[REDIS_WHY_MAX];
	char version[32];
	/* subscriptions, the loop's */
	struct redis_conn *listener;
	struct list subscriptions;
};

/* redis_conn.c: the life of a connection. All on the loop, but redis_conn_send(). */
void redis_conn_open(struct redis *r, struct redis_conn *k, int number);
void redis_conn_close(struct redis_conn *k);
void redis_conn_start(struct redis_conn *k);
void redis_conn_tick(struct redis_conn *k);
void redis_conn_turn(struct redis_conn *k); /* writes what is in `out` */
void redis_conn_lose(struct redis_conn *k, enum err_kind kind, const char *fmt, ...) PRINTF(3, 4);
void redis_conn_up(struct redis_conn *k);
/* From any thread; false: it is down, and nothing was taken. Takes `made`. */
bool redis_conn_send(struct redis_conn *k, struct redis_exchange *e, struct buf *made) NODISCARD;

/* redis_wire.c: bytes through a socket, plain or by TLS. */
enum wire_outcome { WIRE_SOME, WIRE_FULL, WIRE_ENDED, WIRE_BROKEN }; /* FULL: the socket is full, or empty */
enum wire_outcome redis_wire_read(struct redis_conn *k, char *to, size_t room, size_t *ret_n);
enum wire_outcome redis_wire_write(struct redis_conn *k, struct str bytes, size_t *ret_n);
bool redis_wire_tls_open(struct call *c, struct redis *r) NODISCARD;
bool redis_wire_tls_start(struct redis_conn *k) NODISCARD;
enum wire_outcome redis_wire_tls_handshake(struct redis_conn *k); /* SOME: done */
bool redis_wire_refused(const struct redis_conn *k); /* by us: no TLS, or the certificate of another */
const char *redis_wire_why(struct redis_conn *k, char to[REDIS_WHY_MAX]); /* of BROKEN */
void redis_wire_close(struct redis_conn *k);

/* redis_greet.c: the first commands of a connection, and what their answers must be. */
void redis_greet(struct redis_conn *k);
void redis_greeted(struct redis_conn *k); /* up, or lost */
const char *redis_greet_cut_off(const struct redis_conn *k, char to[REDIS_WHY_MAX]); /* why it was closed meanwhile */

/* redis_reply.c: answers as values. */
struct redisReader *redis_reader_open(struct redis_conn *k);
void redis_reader_close(struct redisReader *reader);
bool redis_reader_laden(const struct redis_conn *k, size_t n); /* more than n bytes of an answer that is not whole */
/* All that `bytes` complete. False: the connection is to be given up, `why` says it. */
bool redis_reader_feed(struct redis_conn *k, struct str bytes, char why[REDIS_WHY_MAX]) NODISCARD;
struct str redis_error_word(struct str text); /* OOM of "OOM command not allowed …", also from within a script */
struct str redis_error_words(struct str text, char to[REDIS_WHY_MAX]); /* printable, without what was asked */
void redis_exchange_end(struct redis *r, struct redis_exchange *e, const char *why); /* NULL: answered */

bool redis_format(struct redis_command cmd, struct buf *out) NODISCARD; /* false: too large */

/* redis_wait.c: waiting for an answer, and waking who waits. */
void redis_wait_begin(struct redis *r, struct redis_exchange *e); /* before it is sent */
void redis_wait(struct redis *r, struct redis_exchange *e);
void redis_wait_end(struct redis *r);
void redis_answered(struct redis *r, struct redis_exchange *e);   /* on the loop; `e` is gone then */
void redis_ring(struct redis *r);                                 /* on the loop, soon after */
void redis_wait_all(struct redis *r);                             /* until nobody waits any more */

/* redis_subscribe.c; on the loop */
void redis_listener_up(struct redis_conn *k);
void redis_listener_heard(struct redis_conn *k, const struct redis_value *v);
void redis_listener_close(struct redis *r);
void redis_listener_ask(struct redis_conn *k, struct redis_command cmd);

#endif
