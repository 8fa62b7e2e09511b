/* store_redis_int.h - inside the Redis store of statements.
 *
 * Keys, all below the prefix P and all with a time to live; T is a tenant, H a
 * handle, O an owner. Redis Cluster is not supported: a script also touches keys
 * that only the record names (its session's, its owner's).
 *
 *   P T:statement:H            hash: the document's columns, and owner, principal, tenant, grants, parts (their number, unless it is 1);
 *                              `gone` once it is dropped or expired, then without SQL and result
 *   P T:result:H:i             partition i, one gzip member
 *   P T:staged:<id>:i          the same until its statement has ended; renamed by the script that ends it
 *   P T:session:S:statements   set: handles that end with session S
 *   P T:session:S:live         sorted set: all handles of S by the time they expire (RUNNING_SCORE while they run)
 *   P T:session:S:closed       S is over: nothing is added to it any more
 *   P T:index                  sorted set: all handles of T, by name
 *   P T:ended                  sorted set: those that have ended, by the time they expire
 *   P tenants, P owners        sets: what the sweep looks through
 *   P owner:O                  lease of O; and the channel that tells O to cancel
 *   P owner:O:running          set of "T H": what O runs (and ".", always)
 *   P changed                  channel: "T H O": O ended or dropped it, or changed its grants
 */
#ifndef MAYFLY_STORE_REDIS_INT_H
#define MAYFLY_STORE_REDIS_INT_H

#include "kv/kv.h"
#include "statement/statement_int.h"
#include "statement/store.h"

enum {
	LEASE_MS = 15 * 1000,
	LEASE_DUE_MS = LEASE_MS / 2,        /* who adds renews it himself from then on */
	RUNNING_MS = 24 * 3600 * 1000,      /* a running record nobody renews is forgotten after it */
	STAGED_MS = 60 * 1000,              /* that partitions wait for their end, at least … */
	STAGED_BYTES_MS = 1000,             /* … and a millisecond more for so many bytes */
	RESULT_SLACK_MS = 60 * 1000,        /* results stay that much longer in Redis than the wall clock lets them be read */
	FIRST_BYTES = 16 * 1024,            /* a first partition up to here comes along with its record */
	INLINE_PARTS = 16,                  /* a result of so few parts … */
	INLINE_BYTES = 64 * 1024,           /* … and bytes travels with the script that ends its statement */
	WRITE_BYTES = 4 * 1024 * 1024,      /* of parts, in one go */
	WRITE_PARTS = 64,
	PAGE_HANDLES = 256,                 /* looked at in one go by a list */
	PAGE_BYTES = 8 * 1024 * 1024,       /* of SQL and metadata, read in one go by a list */
	SESSION_SORTED = 10000,             /* handles of a session that are sorted here; beyond, the tenant's are looked through */
	SWEEP_BATCH = 200,                  /* handles in one script */
	LIST_SLACK_MS = 3600 * 1000,        /* how far the time in a handle may be from created_at */
};

enum script {
	SCRIPT_ADD, SCRIPT_STARTED, SCRIPT_END, SCRIPT_FINISH, SCRIPT_GRANT, SCRIPT_DROP, SCRIPT_DROP_SESSION, SCRIPT_EXPIRE,
	SCRIPT_TIDY, SCRIPT_RENEW, SCRIPT_CANCEL, SCRIPTS
};
extern const char *const store_redis_scripts[SCRIPTS]; /* store_redis_scripts.c */

struct store_redis {
	struct stmt_store base;
	struct store_redis_options o;
	struct str prefix, owner;   /* owned, in one text */
	char *text;
	struct redis_script scripts[SCRIPTS];
	struct redis_subscription *changed, *cancels;
	_Atomic int64_t renewed_ms; /* monotonic: the last time that the lease was renewed */
};

static inline struct store_redis *store_redis_of(struct stmt_store *s)
{
	return CONTAINER_OF(s, struct store_redis, base);
}

/* --- words of a script's call --- */
struct script_args {
	struct str keys[16], args[96];
	int nkeys, nargs;
};
static inline void args_open(struct script_args *a)
{
	a->nkeys = a->nargs = 0;
}
void args_key(struct script_args *a, struct str key);
void args_text(struct script_args *a, struct str s);
void args_int(struct call *c, struct script_args *a, int64_t v);
/* Keys of the statement's session: its set, its live handles, that it is closed; none without a session. */
void args_session(struct call *c, const struct store_redis *s, struct script_args *a, const struct stmt_record *r);
bool store_redis_run(struct call *c, struct store_redis *s, enum script which, const struct script_args *a,
		     struct redis_value *ret) NODISCARD;
/* Did Redis answer, and refuse for now (it is full, loads, is a replica)? Then nothing was done. */
bool store_redis_refuses(const struct call *c);
/* The same of a script that answers with one word. */
bool store_redis_word(struct call *c, struct store_redis *s, enum script which, const struct script_args *a,
		      struct str *ret) NODISCARD;

/* --- names of keys --- */
struct str tenant_key(struct call *c, const struct store_redis *s, struct str tenant, const char *rest); /* P T:rest */
struct str statement_key(struct call *c, const struct store_redis *s, struct str tenant, struct str handle);
struct str session_key(struct call *c, const struct store_redis *s, struct str tenant, struct str id, const char *rest);
struct str owner_key(struct call *c, const struct store_redis *s, struct str owner, const char *rest);
struct str store_redis_join(struct call *c, const struct str *v, int n);
#define JOIN(c, ...) \
	store_redis_join((c), (const struct str[]){__VA_ARGS__}, (int)(sizeof((const struct str[]){__VA_ARGS__}) / sizeof(struct str)))
struct str prefixed(struct call *c, const struct store_redis *s, const char *rest);

/* --- store_redis_read.c --- */
enum record_gone { RECORD_THERE, RECORD_EXPIRED, RECORD_DROPPED };
/* What is kept, as it is, whoever asks. ERR_NOT_FOUND, ERR_STORAGE. */
bool store_redis_read(struct call *c, struct store_redis *s, const struct stmt_store_key *k, struct stmt_record *ret,
		      enum record_gone *ret_gone) NODISCARD;
bool store_redis_find(struct call *c, struct stmt_store *st, const struct stmt_store_key *k, struct stmt_record *ret);
bool store_redis_part(struct call *c, struct stmt_store *st, const struct stmt_record *r, int i, struct engine_bytes **ret);
bool store_redis_list(struct call *c, struct stmt_store *st, const struct stmt_store_page *p, stmt_record_fn *fn, void *arg);

/* --- store_redis_hash.c: a hash as Redis answers it, and a record --- */
enum field {
	F_HANDLE, F_TENANT, F_PRINCIPAL, F_SESSION, F_OWNER, F_STATUS, F_CREATED, F_STARTED, F_COMPLETED, F_EXPIRES, F_ROWS, F_GONE,
	F_GRANTS, F_HEAD, /* up to here a list reads first */
	F_SQL = F_HEAD, F_METADATA, FIELDS
};
struct redis_command hash_command(struct call *c, struct str key, enum field to); /* HMGET of [0, to) */
/* The head of a record from an answer that begins with [0, F_HEAD). ERR_NOT_FOUND; ERR_STORAGE for what is damaged. */
bool hash_head(struct call *c, const struct stmt_store_key *k, const struct redis_value *v, struct stmt_record *ret,
	       enum record_gone *ret_gone) NODISCARD;
/* All of it, from the answer of [0, FIELDS); of what is gone the head. */
bool hash_record(struct call *c, const struct stmt_store_key *k, const struct redis_value *v, struct stmt_record *ret,
		 enum record_gone *ret_gone) NODISCARD;
/* Of a new record what SCRIPT_ADD names itself, and then fields that it may have. */
void hash_add(struct call *c, struct script_args *a, const struct stmt_record *r);
void hash_finish(struct call *c, struct script_args *a, const struct stmt_record *r); /* what SCRIPT_FINISH names itself */
/* Fields that its end changes, or all. */
void hash_end(struct call *c, struct script_args *a, const struct stmt_record *r, bool all);

/* --- store_redis_end.c --- */
bool store_redis_end(struct call *c, struct stmt_store *st, const struct stmt_record *r, stmt_bytes_fn *bytes, void *arg);
/* FAILED, unless its owner lives or it has ended: then ERR_CONFLICT. */
bool store_redis_lost(struct call *c, struct store_redis *s, const struct stmt_record *r) NODISCARD;

/* --- store_redis_owner.c --- */
bool store_redis_alive(struct call *c, struct store_redis *s, struct str owner, bool *ret) NODISCARD;
/* Renews this server's lease when that is due: without it nothing may be added. */
bool store_redis_leased(struct call *c, struct store_redis *s) NODISCARD;
bool store_redis_listen(struct call *c, struct store_redis *s) NODISCARD; /* takes the lease, and subscribes */
void store_redis_deaf(struct store_redis *s);
void store_redis_sweep(struct stmt_store *st);

#endif
