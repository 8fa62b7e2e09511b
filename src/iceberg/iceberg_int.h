/* iceberg_int.h - inside iceberg/.
 *
 *   types.c     DuckDB's type texts -> types, and back          schema.c    columns -> schema with field ids that stay
 *   json.c      types and schemas as Iceberg's JSON             bounds.c    a text -> the bytes of a bound
 *   avro.c      object container files, any schema, both ways   manifest.c  manifests and manifest lists on it
 *   object.c    a whole object of the store                     files.c     the files of a snapshot
 *   metadata.c  vN.metadata.json in, metadata_write.c out       load.c      the latest version
 *   commit.c    attempts: snapshot.c makes lists and manifests, publish.c creates vN+1 and the hint
 *   expire.c    which snapshots go; sweep.c  which objects go, drop
 *
 * What is read is input: names, counts and lengths are checked, and what is wrong is ERR_CORRUPT_TABLE with the object's key.
 */
#ifndef MAYFLY_ICEBERG_INT_H
#define MAYFLY_ICEBERG_INT_H

#include "iceberg/iceberg.h"

enum {
	ICE_DEPTH_MAX = 16,            /* of a type within types; as JSON in a document it stays below JSON_MAX_DEPTH */
	ICE_FIELDS_MAX = 10000,        /* of a schema, with those inside */
	ICE_NAME_MAX = 1024,           /* bytes of a field's name */
	ICE_OBJECT_MAX = 64 << 20,     /* bytes of a metadata file, a manifest list or a manifest, also after inflating */
	ICE_ENTRIES_MAX = 200000,      /* of a manifest list or a manifest */
	ICE_SCHEMAS_MAX = 1000,        /* of a table; a commit that would go beyond these is ERR_QUOTA */
	ICE_SNAPSHOTS_MAX = 10000,
	ICE_SPECS_MAX = 1000,          /* partition specs, sort orders */
	ICE_PROPERTIES_MAX = 1000,     /* of a table, of a snapshot */
	ICE_METADATA_LOG_MAX = 20,     /* what a commit keeps of the logs */
	ICE_SNAPSHOT_LOG_MAX = 100,
};

/* --- object.c --- */
/* The whole object, in the arena. ERR_NOT_FOUND; ERR_CORRUPT_TABLE when larger than ICE_OBJECT_MAX. */
bool ice_object(struct call *c, struct store *s, struct str key, struct str *ret) NODISCARD;
/* A URI of the table -> path below its prefix. ERR_CORRUPT_TABLE (of object `key`) for one that is elsewhere or no key. */
bool ice_path(struct call *c, struct str key, struct str location, struct str uri, struct str *ret) NODISCARD;
void ice_put_uri(struct buf *b, struct str location, struct str path); /* "location/path" */

/* --- types.c --- */
/* A DuckDB type text -> the type it is kept as, field ids 0. ret_cast: the DuckDB type to cast to, empty = none is needed.
 * ERR_SQL_INVALID naming `column`. */
bool ice_type_parse(struct call *c, struct str column, struct str text, struct ice_type *ret, struct str *ret_cast) NODISCARD;
struct str ice_type_name(struct arena *a, const struct ice_type *t); /* Iceberg's: "decimal(10, 2)", "list<int>" */
const char *ice_kind_name(enum ice_kind kind); /* "int", "struct": without parameters */

/* --- json.c --- */
void ice_put_type_json(struct json_out *o, const struct ice_type *t);
/* ERR_CORRUPT_TABLE naming the object `key`; a schema without schema-id has id 0. */
bool ice_type_from_json(struct call *c, struct str key, const json_node *n, struct ice_type *ret) NODISCARD;


/* --- schema.c --- */
bool ice_type_same(const struct ice_type *a, const struct ice_type *b);       /* also names and ids of what is inside */
bool ice_schema_same(const struct ice_schema *a, const struct ice_schema *b); /* but for its id */
int ice_schema_last_id(const struct ice_schema *s);                           /* the highest field id, nested ones too; 0 = no field */
bool ice_promotes(const struct ice_type *from, const struct ice_type *to);    /* may `from` be read as `to`? the same counts */
const struct ice_field *ice_field_by_id(const struct ice_schema *s, int id);  /* nested ones too; NULL */

/* --- manifest.c --- */
enum ice_status { ICE_EXISTING, ICE_ADDED, ICE_DELETED };
struct ice_entry { /* of a manifest */
	enum ice_status status;
	int64_t snapshot_id;           /* 0 = null: of the snapshot that the manifest list belongs to */
	int64_t sequence, file_sequence; /* -1 = null: the manifest's */
	int sort_order_id;             /* 0 = none */
	struct ice_file file;
};
struct ice_manifest { /* an entry of a manifest list */
	struct str path;               /* below the table's prefix: "metadata/…-m0.avro" */
	int64_t length;                /* bytes */
	int spec_id, content;          /* 0; content 0 = data, 1 = deletes */
	int64_t sequence, min_sequence;
	int64_t added_snapshot_id;
	int added_files, existing_files, deleted_files;
	int64_t added_rows, existing_rows, deleted_rows;
};
/* Adds a manifest's bytes. The order of its entries is the order of the rows. */
void ice_put_manifest(struct buf *b, struct str location, const struct ice_schema *schema, const struct ice_entry *v, int n);
/* Adds a manifest list's bytes; of `of` the id, parent and sequence count. The order of the manifests is the order of the rows:
 * an append puts its own behind the others. */
void ice_put_manifest_list(struct buf *b, struct str location, const struct ice_snapshot *of, const struct ice_manifest *v, int n);
/* What an entry added here counts: fills the counts and min_sequence (entries without a sequence have `m->sequence`). */
void ice_count_entries(struct ice_manifest *m, const struct ice_entry *v, int n);

struct ice_read { /* what is read */
	struct str key;                /* of the object, for errors */
	struct str location;           /* of the table, stripped from paths */
	struct str bytes;
	bool stats;                    /* ice_read_manifest: also file.stats; else they are skipped and nstats is 0 */
};
/* Delete manifests and such of other partition specs are told as they are: who reads on decides. Borrows from r->bytes. */
bool ice_read_manifest_list(struct call *c, const struct ice_read *r, struct ice_manifest **ret, int *ret_n) NODISCARD;
/* With what is inherited from `m` filled in: snapshot_id (m->added_snapshot_id) and sequences (m->sequence) of added entries.
 * m NULL: they stay 0 and -1. ERR_CORRUPT_TABLE also for delete files, partitions and other formats than Parquet, but not in
 * deleted entries. */
bool ice_read_manifest(struct call *c, const struct ice_read *r, const struct ice_manifest *m, struct ice_entry **ret,
		       int *ret_n) NODISCARD;

/* --- metadata.c, metadata_write.c --- */
/* The text of vN.metadata.json. ERR_CORRUPT_TABLE naming the object and what is wrong with it. */
bool ice_metadata_read(struct call *c, struct str prefix, int64_t version, struct str bytes, struct ice_table *ret) NODISCARD;
int64_t ice_last_sequence(const struct ice_table *t);
bool ice_has(const struct ice_property *v, int n, struct str name);
struct ice_next { /* the next version: its base, but for these */
	const struct ice_table *base;  /* version 0: a new table, with uuid and location */
	int64_t at_ms;
	const struct ice_schema *new_schema; /* to add; NULL = none */
	int schema_id;                 /* the current one */
	const struct ice_order *new_order; /* to add, when norder > 0 */
	int norder, new_order_id, order_id;  /* order_id: the default one */
	const struct ice_property *properties; /* all */
	int nproperties;
	const struct ice_snapshot *snapshot; /* to add; NULL = none */
	int64_t current_id;            /* of branch main; 0 = none */
	bool (*dropped)(const void *arg, int64_t snapshot_id); /* NULL = none is */
	const void *arg;
};
void ice_put_metadata(struct buf *b, const struct ice_next *n);

/* --- load.c --- */
struct str ice_metadata_key(struct arena *a, struct str prefix, int64_t version);
struct str ice_hint_key(struct arena *a, struct str prefix);
bool ice_version_of(struct str name, int64_t *ret) NODISCARD; /* of "v12.metadata.json": 12; false: another name */
bool ice_hint(struct call *c, struct store *s, struct str prefix, int64_t *ret) NODISCARD; /* 0: there is none, or garbage */
struct ice_found {
	int64_t version;               /* 0: there is no table */
	struct str bytes;              /* of its metadata */
};
/* The latest version, sought from `hint` (0 = unknown). */
bool ice_latest(struct call *c, struct store *s, struct str prefix, int64_t hint, struct ice_found *ret) NODISCARD;
struct ice_version {
	int64_t number, changed_ms;
};
struct ice_versions { /* every vN.metadata.json, in order */
	struct ice_version *all;
	size_t n, cap;
};
bool ice_versions(struct call *c, struct store *s, struct str prefix, struct ice_versions *ret) NODISCARD;

/* --- publish.c --- */
enum ice_outcome {
	ICE_WON,                       /* ret_table is it */
	ICE_LOST,                      /* another has the version; the call has no error */
	ICE_NOT_DONE,                  /* the call has the error, and nothing was put */
	ICE_UNCLEAR,                   /* ERR_STORAGE, ERR_UNAVAILABLE: it may be put nevertheless: nothing of it may be removed */
};
/* Creates the next version and moves the hint. deadline: as in ice_change. */
enum ice_outcome ice_publish(struct call *c, struct store *s, const struct ice_next *n, int64_t deadline_mono_ms,
			     struct ice_table *ret_table) NODISCARD;
/* May an attempt begin now? ERR_STATEMENT_TIMEOUT, ERR_CANCELED. */
bool ice_may_go_on(struct call *c, int64_t deadline_mono_ms) NODISCARD;
void ice_back_off(int attempt);        /* sleeps a random while, longer with every attempt */
void ice_fix_hint(struct call *c, struct store *s, struct str prefix, int64_t version); /* this one, or the latest above it */
void ice_drop_quietly(struct call *c, struct store *s, struct str prefix, struct str path); /* the call's error stays as it is */
enum { ICE_ATTEMPTS = 40 };

/* --- commit.c --- */
#define ICE_COMMIT_ID "mayfly.commit-id"   /* a property of a table: makes each version unlike all others */
/* n->properties: those of n->base with the change, and what every table of ours has. */
void ice_next_properties(struct arena *a, struct ice_next *n, const struct ice_property *change, int nchange);
int64_t ice_next_ms(const struct ice_table *base); /* now, but later than the base */

/* --- snapshot.c: what a snapshot names, in the store before its commit --- */
struct ice_draft {
	struct call *c;
	struct store *s;
	struct str prefix;
	const struct ice_change *change;
	struct id uuid;                /* in the names of its objects */
	int manifests;                 /* written so far */
	struct ice_manifest added;     /* path empty: none; it outlives attempts while schema and order stay the same */
	int added_schema_id, added_order_id;
	struct str added_location;
	struct str remade, list;       /* of this attempt: a manifest of what the base had, the list */
};
/* Writes manifests and list of `snapshot`, which comes without manifest_list, operation and summary: these are filled in. */
bool ice_draft_write(struct ice_draft *d, const struct ice_table *base, const struct ice_schema *schema, int order_id,
		     struct ice_snapshot *snapshot) NODISCARD;
void ice_draft_lost(struct ice_draft *d);   /* removes what the attempt alone named */
void ice_draft_remove(struct ice_draft *d); /* and what others could have used */

/* --- sweep.c: objects that go; at most rule->batch of them --- */
struct ice_sweep {
	struct call *c;
	struct store *s;
	struct str prefix;
	const struct ice_expiry *rule;
	struct map named;              /* paths that the table's snapshots name, when learned; the caller closes it */
	bool learned;
	int removed;
	bool more;                     /* the batch was full */
};
/* What `gone`, a table of dropped snapshots, names and `t` does not. */
bool ice_sweep_snapshots(struct ice_sweep *w, const struct ice_table *t, const struct ice_table *gone) NODISCARD;
bool ice_sweep_versions(struct ice_sweep *w, int64_t latest) NODISCARD; /* old vN.metadata.json; puts the hint right */
bool ice_sweep_orphans(struct ice_sweep *w, const struct ice_table *t) NODISCARD;

#endif
