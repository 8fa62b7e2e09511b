/* base.h - the door of base/: what every room may use.
 *
 * Text and memory (str, buf, text, arena), containers (list, map, wheel, watch), the call
 * and its one error (call, err), files (file), state tables (fsm), time (clock),
 * ids and randomness (id), digests and text encodings (hash). Knows no other room.
 */
#ifndef MAYFLY_BASE_H
#define MAYFLY_BASE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/call.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/fsm.h"
#include "base/hash.h"
#include "base/id.h"
#include "base/list.h"
#include "base/map.h"
#include "base/str.h"
#include "base/text.h"
#include "base/watch.h"
#include "base/wheel.h"

#endif
