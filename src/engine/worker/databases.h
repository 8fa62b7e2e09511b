/* databases.h - inside the worker side of engine/: the tenant's databases, and where names are looked up. */
#ifndef MAYFLY_ENGINE_WORKER_DATABASES_H
#define MAYFLY_ENGINE_WORKER_DATABASES_H

#include "engine/worker/worker.h"

#define DATABASES "databases" /* the folder of their files, in the tenant's */
#define OWN_DATABASE "MAYFLY" /* that every tenant has; it is none of those here */
#define OWN_SCHEMA "PUBLIC"

/* --- databases.c --- */
struct databases;
/* Attaches what is in the folder, on `con`, before the configuration is locked; a file that cannot be is remembered with why. */
struct databases *databases_open(struct call *c, duckdb_connection con, int most);
void databases_checkpoint(struct databases *all, duckdb_connection con);
/* Of this name in any case: as it was written, in the arena. False where there is none; t->end where its file is damaged. */
enum database_found { DATABASE_NONE, DATABASE_THERE, DATABASE_DAMAGED };
enum database_found database_find(struct executor *x, struct task *t, struct str name, struct str *ret);
/* Two at once make one. if_not_exists: one that is there is as good. */
bool database_create(struct executor *x, struct task *t, struct str name) NODISCARD;
bool database_drop(struct executor *x, struct task *t, struct str name) NODISCARD;

/* --- database_files.c: databases/<encoded name>.<16 hex digits: the later, the higher>.db --- */
enum { DATABASE_NAME_MAX = 200 /* bytes of an encoded name */, DATABASE_PATH = 256 };
bool database_name_ok(struct str name);                  /* may it be one? */
bool database_encode(struct str name, struct buf *out);  /* letters, digits, _; other bytes as %XX. False: too long */
/* What a file is of; false: none of ours. ret_name in the arena. */
bool database_decode(struct arena *a, struct str file, struct str *ret_name, uint64_t *ret_number);
void database_path(struct str encoded, uint64_t number, const char *end, char ret[DATABASE_PATH]);
void database_unlink(struct str encoded, uint64_t number); /* with its log */
bool database_put_in_place(const char *from, const char *to) NODISCARD; /* durable when true */

#endif
