/* write.c - the rows of a SELECT as data files of a table, in the store and not yet committed.
 *
 * The worker writes Parquet, the server puts it where it belongs. What of it no
 * commit took is removed by files_unwrite(), or by the sweep as an orphan. Not
 * here: which SELECT (build.c, upload.c), the commit.
 */
#include "view/view_int.h"

#include <unistd.h>

static bool put_file(struct view_op *op, const struct engine_file *f, struct str key)
{
	struct views *v = op->room;
	struct call *c = &op->call;
	bool done;
	int fd;

	if (!engine_file_open(c, v->o.engine, c->tenant, f, &fd))
		return false;
	done = store_cache_put(c, v->o.cache, c->tenant, key, fd, f->bytes);
	file_close_quietly(fd);
	return done;
}

static struct ice_stats stats_of(struct call *c, const struct ice_field *leaf, const struct engine_file_column *k)
{
	struct ice_stats s = {.field_id = leaf->id, .bytes = k->bytes, .values = k->values, .nulls = k->nulls,
			      .nans = k->has_nan ? -1 : 0};

	s.has_bounds = k->has_bounds && ice_bound(c->arena, &leaf->type, k->min, false, &s.lower) &&
		       ice_bound(c->arena, &leaf->type, k->max, true, &s.upper);
	return s;
}

static struct ice_file described(struct call *c, const struct written *w, const struct engine_file *f, struct str path)
{
	struct ice_stats *stats = ARENA_ARRAY(c->arena, struct ice_stats, (size_t)f->ncolumns + 1);
	int64_t *splits = ARENA_ARRAY(c->arena, int64_t, (size_t)f->nsplits + 1);
	struct ice_file to = {.path = path, .rows = f->rows, .bytes = f->bytes, .splits = splits, .nsplits = f->nsplits,
			      .stats = stats};

	memcpy(splits, f->splits, sizeof(*splits) * (size_t)f->nsplits);
	for (int i = 0; i < f->ncolumns; i++) {
		const struct ice_field *leaf = ice_leaf(w->schema, f->columns[i].path);

		if (leaf)
			stats[to.nstats++] = stats_of(c, leaf, &f->columns[i]);
	}
	return to;
}

/* Keys that were begun are known even when one of them fails. */
static bool put_files(struct view_op *op, struct written *w, const struct engine_file *f, int n)
{
	struct call *c = &op->call;

	w->files = ARENA_ARRAY(c->arena, struct ice_file, (size_t)n);
	for (int i = 0; i < n; i++) {
		struct str path = ice_new_data_path(c->arena, i);

		w->files[w->nfiles++] = described(c, w, &f[i], path);
		w->rows += f[i].rows;
		w->bytes += f[i].bytes;
		if (!op_going(op) || !put_file(op, &f[i], key_file(c->arena, w->prefix, path)))
			return false;
	}
	return true;
}

/* A worker keeps to the limit by itself; what one that was taken over says must not fill the store's disk. */
static bool fits(struct view_op *op, const struct engine_file *f, int n)
{
	int64_t most = INT64_C(1) << 43, rows = most, bytes;
	struct view_caps caps;

	view_caps_of(op->room, op->call.tenant, &caps);
	bytes = caps.view_bytes > 0 && caps.view_bytes < most ? caps.view_bytes : most;
	for (int i = 0; i < n; i++) {
		if (f[i].rows > rows || f[i].bytes > bytes)
			return fail(&op->call, ERR_RESULT_TOO_LARGE, "its rows are too large");
		rows -= f[i].rows;
		bytes -= f[i].bytes;
	}
	return true;
}

static void exported(struct view_op *op)
{
	struct written *w = op->writing;
	struct engine_file *files;
	int n;

	if (op->got.end.outcome != ENGINE_OK) {
		(void)!op_fail_engine(op, w->client, w->inner, w->before);
	} else if (engine_files(&op->call, op->got.columns, &files, &n)) {
		bool put = fits(op, files, n) && put_files(op, w, files, n);

		for (int i = 0; i < n; i++)
			engine_file_drop(op->room->o.engine, op->call.tenant, files[i].name);
		if (!put)
			files_unwrite(op, w);
	}
	w->next(op);
}

void files_write(struct view_op *op, struct written *w, op_step *next)
{
	struct view_caps caps;
	struct engine_export x;
	OWNS(buf) ids = {0};

	view_caps_of(op->room, op->call.tenant, &caps);
	w->files = NULL;
	w->nfiles = 0;
	w->rows = w->bytes = 0;
	w->next = next;
	op->writing = w;
	ice_put_field_ids(&ids, w->schema);
	x = (struct engine_export){.sql = w->sql, .binds = w->binds, .bind_names = w->bind_names, .nbinds = w->nbinds,
				   .field_ids = buf_str(&ids), .file_bytes = op->room->o.file_bytes, .max_bytes = caps.view_bytes};
	op_export(op, &x, exported);
}

void files_unwrite(struct view_op *op, struct written *w)
{
	struct views *v = op->room;
	struct call *c = &op->call;
	struct err why = c->err;

	for (int i = 0; i < w->nfiles; i++) {
		struct str key = key_file(c->arena, w->prefix, w->files[i].path);

		call_forgive(c);
		(void)!v->o.store->ops->drop(c, v->o.store, key); /* else the sweep finds it */
		store_cache_forget(v->o.cache, c->tenant, key);
	}
	w->nfiles = 0;
	c->err = why;
}
