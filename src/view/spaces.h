/* spaces.h - part of view/'s door: spaces, their tables, and rows that come in. */
#ifndef MAYFLY_VIEW_SPACES_H
#define MAYFLY_VIEW_SPACES_H

#include "engine/engine.h"
#include "iceberg/iceberg.h"
#include "view/room.h"

struct view_op; /* view.h */

struct view_page { /* of a list */
	struct str after; /* next of the page before; empty = from the start */
	int limit;
	struct str next;  /* out; empty on the last page */
};

/* --- spaces; ERR_NOT_FOUND for one that is not there, everywhere --- */
struct space {
	struct str id;
	int64_t created_ms;
};
bool view_space_put(struct call *c, struct views *v, struct str id, struct space *ret, bool *ret_new) NODISCARD;
bool view_space_get(struct call *c, struct views *v, struct str id, struct space *ret) NODISCARD;
bool view_space_list(struct call *c, struct views *v, struct view_page *page, struct space **ret, int *ret_n) NODISCARD;
/* ERR_SPACE_NOT_EMPTY, but with force; all of it is gone after. */
bool view_space_drop(struct call *c, struct views *v, struct str id, bool force) NODISCARD;

/* --- tables --- */
struct space_table {
	struct str name;
	int64_t snapshot_id, snapshot_ms, rows, bytes;
	struct ice_schema schema;
	struct str location;             /* URI */
};
bool view_table_get(struct call *c, struct views *v, struct str space, struct str name, struct space_table *ret) NODISCARD;
bool view_table_list(struct call *c, struct views *v, struct str space, struct view_page *page, struct space_table **ret,
		     int *ret_n) NODISCARD;
bool view_table_drop(struct call *c, struct views *v, struct str space, struct str name) NODISCARD;

enum view_upload_mode { VIEW_CREATE, VIEW_OVERWRITE /* also makes it */, VIEW_APPEND /* of the table's columns */ };
struct view_upload_ask {
	struct str space, table;
	enum view_upload_mode mode;
	enum engine_rows_format format;
	void (*room)(void *arg);         /* it takes bytes again; any thread; room_drop(arg) once, when it will not come any more */
	void (*room_drop)(void *arg);
	void *arg;
};
struct view_upload;
/* Feed it, end it, watch the operation. ERR_DUPLICATE_TABLE, ERR_UNKNOWN_TABLE (append), ERR_SCHEMA_MISMATCH ("row", "column"),
 * ERR_SQL_INVALID for a type that cannot be kept. */
bool view_upload(struct call *c, struct views *v, const struct view_upload_ask *ask, struct view_upload **ret,
		 struct view_op **ret_op) NODISCARD;
bool view_upload_put(struct view_upload *u, struct str bytes); /* never blocks; takes them; false = full until room() */
void view_upload_end(struct view_upload *u, bool complete);    /* once; else nothing of it is kept */

#endif
