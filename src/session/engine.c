/* engine.c - what session/ needs of the engine, by the real one. */
#include "session/session_int.h"

static const struct session_tables_ops by_engine = {
	.open = engine_catalog_open,
	.forget = engine_catalog_forget,
	.unref = engine_catalog_unref,
	.limit = engine_catalog_limit,
	.exists = engine_catalog_exists,
	.worked = engine_catalog_worked,
	.run = engine_catalog_run,
	.create = engine_run,
	.insert = engine_ingest,
	.task_unref = engine_task_unref,
	.unpack = engine_tables,
};

struct sessions *sessions_open(struct call *c, const struct session_options *o)
{
	return sessions_open_on(c, o, &by_engine);
}
