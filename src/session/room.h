/* room.h - part of the door of session/: the room, opened and closed by main.
 *
 * Include session/session.h.
 */
#ifndef MAYFLY_SESSION_ROOM_H
#define MAYFLY_SESSION_ROOM_H

#include "base/base.h"
#include "engine/engine.h"
#include "exec/exec.h"
#include "kv/kv.h"
#include "lifecycle/lifecycle.h"

struct sessions;

/* --- the room --- */
struct session_caps { /* of one tenant */
	int64_t max_sessions, max_timeout_seconds;
	struct engine_usage session, tenant; /* most of one session, and of all sessions together */
};
struct session_options {
	struct engine *engine;
	struct kv *kv;                 /* records; durable for persistent sessions to outlive a restart */
	bool shared;                   /* other servers have the same kv: this one tells that it lives, and ends sessions of those that do not */
	struct lifecycle *lifecycle;
	struct events *events;
	struct exec_pool *pool;
	struct str server;             /* id of this server: the owner in records */
	struct str location;           /* where it is reached, for wrong_server */
	struct str data_dir;
	bool share_within_tenant, require_tenant;
	int64_t tombstone_ms;          /* how long a closed one is remembered */
	void (*caps)(void *arg, struct str tenant, struct session_caps *ret);
	void *arg;
	/* A session of this server has ended for good: what else belongs to it may go. Any thread, must not block; at open once
	 * more for each that is remembered as closed, since a former process may have died before it came to that. NULL: nobody. */
	void (*gone)(void *arg, struct str tenant, struct str session_id);
	void *gone_arg;
};
/* Reads the records: what died with a former process of this server is ended (server_restart), persistent sessions
 * still in time go on. */
struct sessions *sessions_open(struct call *c, const struct session_options *o) NODISCARD;
struct session_stats {
	uint64_t open, opened, closed, timed_out, partial, tables, rows, bytes;
};
void sessions_stats(struct sessions *s, struct session_stats *ret);
/* Shutdown: memory sessions close with server_shutdown; told(arg) when the last is, from any thread. */
void sessions_shutdown(struct sessions *s, exec_fn *told, void *arg);
void sessions_remove_tenant(struct call *c, struct sessions *s, struct str tenant); /* ends all of its sessions */
void sessions_close(struct sessions *s); /* the engine has stopped */

#endif
