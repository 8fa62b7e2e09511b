/* engine_int.h - inside the server side of engine/.
 *
 * A lane is a tenant's queue; a link is its worker process. Tasks move queue →
 * link → gone. Lanes, queues and task states are under the engine's lock; links
 * belong to the loop. No listener is called with the lock held.
 */
#ifndef MAYFLY_ENGINE_INT_H
#define MAYFLY_ENGINE_INT_H

#include "engine/engine.h"
#include "engine/wire.h"

#include <pthread.h>

enum task_state { TASK_QUEUED, TASK_SENT, TASK_ENDED };

struct engine_task {
	struct list node; /* in lane.queue or link.sent */
	atomic_int refs;
	struct engine *engine;
	struct lane *lane;
	uint64_t id;
	enum wire_kind kind;
	struct buf body;  /* of the record; freed once sent */
	int fd;           /* goes with the record, closed once sent; -1 = none */
	struct engine_catalog *catalog, *to; /* references; NULL = none */
	bool express;     /* of a whole catalog: ahead of the statements */
	bool drops;       /* it */
	bool changes;     /* may change what the tenant's SQL sees */
	bool repeatable;  /* so the worker says */
	uint64_t script;  /* 0 = none */
	bool script_begins;
	struct engine_feed *feed; /* of an ingest; NULL = none */
	struct str file;  /* of a batch of records: one of a file at a time; points into name */
	char *name;       /* owned */
	const struct engine_listener *listener;
	void *arg;
	enum task_state state;
	bool cancel_asked;
	int64_t kill_at_ms; /* monotonic; 0 = not canceled */
};

struct lane {
	struct engine *engine;
	struct str tenant;
	struct list queue;
	int queued, running;  /* statements; not what is express */
	bool keeps;           /* its worker holds memory catalogs */
	uint64_t changed; /* how often, see engine_unchanging() */
	int changing;
	struct engine_limits limits;
	struct link *link;    /* on the loop; NULL = no worker */
	bool has_worker, pump_posted;
	bool no_old_exports;  /* those of an earlier server are gone */
	struct list scripts;  /* open ones */
	int nscripts;
	char name[64];
};

struct engine {
	struct engine_options o;
	char *exe, *data_dir, *cache_dir; /* cache_dir: absolute; NULL = none */
	pthread_mutex_t lock;
	struct map lanes;
	uint64_t next_task;
	uint64_t generation;  /* how many links ever; on the loop */
	bool stopping;
	struct exec_timer *tick;
	exec_fn *stopped;
	void *stopped_arg;
	struct engine_report report; /* under the lock */
	unsigned char *slots;        /* taken uids, on the loop */
};

/* engine.c: a task with two references, the caller's and ours until ended(); its catalog takes a reference of its own. */
struct engine_task *task_new(struct engine *e, enum wire_kind kind, const struct engine_listener *l, void *arg);
/* Puts it on its tenant's queue; where there is no place it is gone and the call has the error. */
bool task_queue(struct call *c, struct engine_task *t, struct str tenant) NODISCARD;
void engine_worker_gone(struct engine *e); /* on the loop, after report.workers went down */
struct lane **engine_lanes(struct engine *e, struct arena *a, size_t *ret_n); /* all of them */

/* folders.c: of one tenant; of an engine of records its folder is data_dir */
const char *engine_tenant_folder(struct call *c, struct engine *e, struct str tenant); /* made when missing; NULL: failed */
/* The cache that its worker may read, made when missing; `group` is the worker's, -1 = ours. *ret NULL: there is none. */
bool engine_cache_folder(struct call *c, struct engine *e, struct str tenant, gid_t group, const char **ret) NODISCARD;
void engine_take_back(struct engine *e, struct str tenant);           /* the uid is the next worker's, of another tenant */
int engine_open_folder(struct engine *e, struct str tenant, const char *name);   /* in the tenant's; no link is followed; -1 */
void engine_drop_exports(struct engine *e, struct str tenant, uint64_t task);
void engine_empty_folder(struct engine *e, struct str tenant, const char *name);

/* lane.c */
struct lane *lane_of(struct engine *e, struct str tenant); /* lock held; made when missing */
void lane_add(struct lane *lane, struct engine_task *t);   /* lock held: to the queue's end; express ones before the others */
void lane_remove(struct lane *lane, struct engine_task *t); /* lock held: from the queue */
void lane_changed(struct lane *lane, int more_changing);   /* lock held */
void lane_pump_all(struct engine *e);                      /* on the loop */
void lane_pump(struct lane *lane);                         /* on the loop: start a worker, send what fits */
void lane_fail_queue(struct lane *lane, const char *text); /* on the loop: every queued task ends LOST */
void lane_take_back(struct lane *lane, struct engine_task *t); /* on the loop: a task that was not sent, to the queue's front */
void task_end(struct engine_task *t, const struct engine_end *end); /* on the loop, lock not held */
void task_end_lost(struct engine_task *t, const char *text);

/* scripts.c: which worker has a script's connection */
bool script_open(struct lane *lane, uint64_t number);         /* lock held; false: there are too many */
bool script_admit(const struct engine_task *t);               /* on the loop, at the head of its queue: may it be sent? */
void script_sent(struct lane *lane, uint64_t number, uint64_t generation); /* lock held */
void scripts_lost(struct lane *lane, uint64_t generation);    /* lock held */
void scripts_close(struct lane *lane);                        /* with its engine */

/* catalog.c */
enum admit { ADMIT_SEND, ADMIT_EMPTY /* OK, no tables */, ADMIT_GONE, ADMIT_LOST };
enum admit catalog_admit(const struct engine_task *t);       /* at the head of its queue */
void catalog_end(struct engine_task *t, enum admit a);       /* ends it without a worker */
void catalog_task_begun(struct engine_task *t);              /* before it is queued */
void catalog_task_over(struct engine_task *t);               /* before ended() is told */
void catalog_scope(struct engine_catalog *k, struct wire_catalog *ret); /* as it is sent; any thread */
struct str catalog_tenant(const struct engine_catalog *k);
/* A task of it went to this link; one in memory joins `held`, with a reference. */
void catalog_sent(struct engine_catalog *k, uint64_t generation, struct list *held);
void catalog_dropped(struct engine_catalog *k);
void catalog_used(struct engine_catalog *k, const struct engine_usage *now);
void catalog_lost(struct list *node);                        /* out of `held`: its worker is gone */

/* feed.c */
void feed_over(struct engine_feed *f); /* on the loop: its task has ended */

/* link.c */
enum link_state { LINK_STARTING, LINK_READY, LINK_STOPPING, LINK_DEAD };
struct link *link_open(struct call *c, struct lane *lane) NODISCARD;
enum link_state link_state(const struct link *k);
bool link_slot_free(const struct engine *e);                /* may another worker be started? */
int64_t link_idle_since(const struct link *k);              /* 0 when it has work or is not ready */
bool link_has_room(const struct link *k, bool express);     /* for one more task */
bool link_takes(const struct link *k, const struct engine_task *t); /* may it run beside what runs? */
void link_send(struct link *k, struct engine_task *t);      /* takes it into link.sent */
void link_cancel(struct link *k, struct engine_task *t);
void link_quit(struct link *k);
void link_abandon(struct link *k);                          /* the loop never ran: kills the worker, frees the link */
void link_script_end(struct link *k, uint64_t script, uint64_t generation); /* that the link of this generation had */
uint64_t link_generation(const struct link *k);
void link_tick(struct link *k, int64_t now_ms);             /* grace, idleness */

#endif
