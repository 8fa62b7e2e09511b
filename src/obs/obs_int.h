/* obs_int.h - inside obs/. */
#ifndef MAYFLY_OBS_INT_H
#define MAYFLY_OBS_INT_H

#include "obs/obs.h"

int64_t obs_opened_ms(void); /* clock_mono_ms() of obs_log_open */

#endif
