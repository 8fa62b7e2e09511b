/* json_text.h - inside engine/, both sides: JSON text as cells hold it. */
#ifndef MAYFLY_ENGINE_JSON_TEXT_H
#define MAYFLY_ENGINE_JSON_TEXT_H

#include "base/base.h"

enum json_style { JSON_COMPACT, JSON_PRETTY /* two spaces, keys in order, `undefined` stands */ };
void put_json(struct buf *b, struct str json, enum json_style style); /* what is no JSON becomes a string */

#endif
