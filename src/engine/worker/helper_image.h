/* helper_image.h - inside the worker side: the helper catalog, a DuckDB file that the build makes and the program carries. */
#ifndef MAYFLY_ENGINE_WORKER_HELPER_IMAGE_H
#define MAYFLY_ENGINE_WORKER_HELPER_IMAGE_H

#include "engine/worker/worker.h"

/* The file's bytes. Of the C file that tools/helper_image prints. */
extern const char helper_image[];
extern const size_t helper_image_size;

/* Attaches it as `_sf`, to read; before external access ends. */
bool helper_attach(struct call *c, duckdb_connection con) NODISCARD;

/* helper_build.c: makes the file, where there is none yet; for tools/helper_image only. */
bool helper_build(struct call *c, const char *path) NODISCARD;

#endif
