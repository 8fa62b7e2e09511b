/* api.h - the door of api/: the HTTP surfaces, one file a resource.
 *
 * A handler reads a request into a struct, calls one room and writes the
 * answer. Routes are rows; /openapi.json and the index page come from them.
 */
#ifndef MAYFLY_API_H
#define MAYFLY_API_H

#include "conf/conf.h"
#include "engine/engine.h"
#include "http/http.h"
#include "lifecycle/lifecycle.h"
#include "runner/runner.h"
#include "session/session.h"
#include "statement/statement.h"
#include "store/store.h"
#include "tenant/tenant.h"
#include "view/view.h"

struct api {
	const struct conf *conf;
	struct tenants *tenants;
	struct engine *engine;
	struct statements *statements;
	struct sessions *sessions;
	struct redis *redis;   /* NULL: statements are not kept in one */
	struct store *storage; /* of the views */
	struct views *views;
	struct runner *runner;
	struct events *events;
	struct lifecycle *lifecycle;
	atomic_bool draining; /* no new work */
};

struct http_surface api_surface(struct api *a);

#endif
