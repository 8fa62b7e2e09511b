/* jail_cgroup.h - inside the jail backend: limits that hold for all processes of an instance together. */
#ifndef MAYFLY_ENGINE_PG_JAIL_CGROUP_H
#define MAYFLY_ENGINE_PG_JAIL_CGROUP_H

#include "engine/pg/jail_int.h"

struct jail_cgroup { /* of one instance */
	int fd;                 /* its folder; -1 = none */
	char name[JAIL_NAME];
};
struct jail_cgroups *jail_cgroups_new(void);
/* Where a cgroup of version 2 is delegated to this server: takes it, and removes what dead servers left. Else says why not. */
void jail_cgroups_open(struct jail *j);
bool jail_cgroups_hold(const struct jail *j); /* memory and processes of instances */
/* fd -1 where none is delegated; memory_bytes -1: no limit. */
bool jail_cgroup_make(struct call *c, struct jail *j, int64_t memory_bytes, struct jail_cgroup *ret) NODISCARD;
bool jail_cgroup_limit(int fd, int64_t memory_bytes, int pids) NODISCARD; /* false with errno */
void jail_cgroup_drop(struct jail *j, struct jail_cgroup *g); /* soon, when its last process is gone */
int64_t jail_cgroup_memory(const struct jail_cgroup *g);      /* -1: not known */
bool jail_cgroups_again(struct jail *j); /* removes what was busy; false: nothing is left */
void jail_cgroups_close(struct jail *j); /* after the threads */

/* The folder of the own cgroup, by what /proc/self/cgroup and /proc/self/mountinfo say; empty = none that can be seen. */
struct str jail_cgroup_find(struct call *c, struct str self, struct str mounts);
struct jail_cgroup_sight { /* tests: other files; no controllers, so no limits */
	const char *self, *mounts, *systemd;
	bool bare;
};
extern struct jail_cgroup_sight jail_test_cgroup;

#endif
