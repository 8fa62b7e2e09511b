/* exec_uv.h - the uv loop inside an exec_loop, for http/ only. */
#ifndef MAYFLY_EXEC_UV_H
#define MAYFLY_EXEC_UV_H

#include "exec/exec.h"

#include <uv.h>

uv_loop_t *exec_loop_uv(struct exec_loop *l);

#endif
