/* iceberg.h - the door of iceberg/: Iceberg v2 tables on store/: types, metadata, manifests, commits, expiry.
 *
 * The table format only: no SQL runs here, no Parquet is read. A table is a
 * prefix of keys: `data/…parquet`, `metadata/…avro`, `metadata/vN.metadata.json`
 * and `metadata/version-hint.text`. The commit is the creation of
 * vN+1.metadata.json, which the store grants to one. Paths inside are URIs below
 * the table's location; reading strips it, so a moved store still opens.
 *
 * Everything read is input: ERR_CORRUPT_TABLE says which object and what.
 * Threads: any. Everything that takes a store blocks. Results live in the call's arena.
 * Source: the Iceberg table specification, format version 2.
 */
#ifndef MAYFLY_ICEBERG_H
#define MAYFLY_ICEBERG_H

#include "base/base.h"
#include "iceberg/types.h"
#include "json/json.h"
#include "store/store.h"

/* --- tables --- */
struct ice_property {
	struct str name, value;
};
struct ice_snapshot {
	int64_t id, parent;            /* id below 2^53, growing; parent 0 = none */
	int64_t sequence, at_ms;       /* wall */
	int schema_id;
	struct str manifest_list;      /* below the table's prefix */
	struct str operation;
	const struct ice_property *summary;
	int nsummary;
};
struct ice_table {
	struct str prefix;             /* its keys begin so; without a slash at the end */
	int64_t version;               /* N of vN.metadata.json; 0 = there is no table yet */
	struct str metadata_key;
	const json_node *metadata;     /* the document as it is stored */
	struct str uuid, location;
	int64_t updated_ms;
	int last_column_id;
	const struct ice_schema *schemas;
	int nschemas;
	const struct ice_schema *schema;     /* the current one */
	const struct ice_snapshot *snapshots; /* in the order of their sequence numbers */
	int nsnapshots;
	const struct ice_snapshot *current;  /* of branch main; NULL = none */
	const struct ice_property *properties;
	int nproperties;
};
/* Finds the latest version: the hint, then upwards; a listing where the hint is missing or wrong. ERR_NOT_FOUND. */
bool ice_load(struct call *c, struct store *s, struct str prefix, struct ice_table *ret) NODISCARD;
struct str ice_value(const struct ice_property *v, int n, const char *name); /* empty when absent */
const struct ice_snapshot *ice_find(const struct ice_table *t, int64_t snapshot_id); /* NULL */
const struct ice_schema *ice_schema_by_id(const struct ice_table *t, int id);        /* NULL */
/* The files of a snapshot in the order of their rows, by its manifest list alone: a pin needs no metadata file.
 * `location` is the table's, to be stripped. ERR_CORRUPT_TABLE also for delete files, partitions, other formats than Parquet. */
bool ice_files(struct call *c, struct store *s, struct str prefix, struct str location, struct str manifest_list,
	       struct ice_file **ret, int *ret_n) NODISCARD;

/* --- commits --- */
enum ice_how { ICE_OVERWRITE /* the files are all of the table */, ICE_APPEND, ICE_PROPERTIES_ONLY };
struct ice_order {
	int field_id;
	bool desc, nulls_first;
};
struct ice_change {
	enum ice_how how;
	const struct ice_schema *schema;     /* new or one of the table's */
	const struct ice_order *order;       /* the files are sorted so */
	int norder;
	const struct ice_file *files;        /* are in the store already */
	int nfiles;
	const struct ice_property *summary;  /* of the snapshot */
	int nsummary;
	const struct ice_property *properties; /* of the table: these are set, an empty value removes */
	int nproperties;
	bool beside;                         /* a snapshot that is not made the current one */
	int64_t min_snapshot_id;             /* the new id is at least this; 0 = no matter */
	int64_t deadline_mono_ms;            /* no attempt begins later: ERR_STATEMENT_TIMEOUT; 0 = none */
};
enum ice_verdict { ICE_GO, ICE_ENOUGH /* what is there will do: commit nothing, ret is the base */, ICE_REFUSE /* the call has the error */ };
/* Looks at what an attempt would build on (version 0: no table yet); before every attempt. */
typedef enum ice_verdict ice_check_fn(struct call *c, void *arg, const struct ice_table *base);
struct ice_committed {
	struct ice_table table;              /* as committed, or the base */
	const struct ice_snapshot *snapshot; /* the new one; NULL: ICE_ENOUGH or no snapshot was made */
	int attempts;
};
/* Commits by create-if-absent, with bounded retries and jitter; ERR_CONFLICT when they are used up. After an unclear answer
 * of the store it looks whether it was itself; where it cannot find out, ERR_STORAGE or ERR_UNAVAILABLE: the change may be
 * committed, and its data files must stay. After other errors nothing is. Lists and manifests of lost attempts are removed; the
 * data files stay the caller's. check may be NULL. */
bool ice_commit(struct call *c, struct store *s, struct str prefix, const struct ice_change *change, ice_check_fn *check, void *arg,
		struct ice_committed *ret) NODISCARD;
struct str ice_new_data_path(struct arena *a, int part); /* "data/00000-0-<uuid>.parquet" */

/* --- what is not needed any more; all idempotent, any server --- */
struct ice_expiry {
	int64_t now_ms;                /* wall */
	int64_t successor_age_ms;      /* a snapshot whose successor (the next one of branch main; of one beside: itself) is older than this may go */
	int64_t beside_age_ms;         /* those beside: this much later */
	int64_t metadata_age_ms;       /* old vN.metadata.json and lost objects are removed when older than this (24 h) */
	int64_t orphan_age_ms;         /* files that no snapshot names: 1 h */
	int batch;                     /* objects removed at most */
};
struct ice_expired {
	int snapshots, objects;
	bool more;                     /* the batch was full */
};
/* Never the current snapshot. First commits without the old snapshots, then removes what only they named, then orphans.
 * ERR_NOT_FOUND: there is no table; nothing is removed. */
bool ice_expire(struct call *c, struct store *s, struct str prefix, const struct ice_expiry *x, struct ice_expired *ret) NODISCARD;
/* Every object below the prefix; metadata last. */
bool ice_drop(struct call *c, struct store *s, struct str prefix) NODISCARD;

#endif
