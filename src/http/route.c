/* route.c - which route does a path belong to? A tree of segments, built once.
 *
 * A literal segment goes before a {…}; segments are compared as they were sent,
 * decoded, never resolved.
 */
#include "http/http_int.h"

enum { METHODS = 8 };

struct http_node {
	struct str segment;
	struct http_node *child;  /* first literal one */
	struct http_node *next;   /* its siblings */
	struct http_node *param;  /* {…} */
	const struct http_route *routes[METHODS];
	int nroutes;
};

static struct http_node *new_node(struct str segment)
{
	struct http_node *n = base_zalloc(sizeof(*n));

	n->segment = segment;
	return n;
}

static struct http_node *literal(const struct http_node *n, struct str segment)
{
	for (struct http_node *k = n->child; k; k = k->next)
		if (str_eq(k->segment, segment))
			return k;
	return NULL;
}

static struct http_node *grow(struct http_node *n, struct str segment)
{
	struct http_node *k;

	if (str_starts(segment, S("{"))) {
		if (!n->param)
			n->param = new_node(segment);
		return n->param;
	}
	k = literal(n, segment);
	if (!k) {
		k = new_node(segment);
		k->next = n->child;
		n->child = k;
	}
	return k;
}

static void add(struct http_node *root, const struct http_route *route)
{
	struct str rest = str_of(route->path);
	struct http_node *n = root;

	INVARIANT(rest.n > 0 && rest.p[0] == '/' && route->handler);
	rest = str_tail(rest, 1);
	while (rest.p)
		n = grow(n, str_cut(&rest, '/'));
	INVARIANT(n->nroutes < METHODS);
	n->routes[n->nroutes++] = route;
}

struct http_node *http_routes_open(const struct http_route *routes)
{
	struct http_node *root = new_node(S("/"));

	for (; routes->method; routes++)
		add(root, routes);
	return root;
}

void http_routes_close(struct http_node *n)
{
	while (n) {
		struct http_node *next = n->next;

		http_routes_close(n->child);
		http_routes_close(n->param);
		free(n);
		n = next;
	}
}

/* Recursion is as deep as the deepest route. */
static const struct http_node *walk(const struct http_node *n, struct http_req *r, struct str rest)
{
	const struct http_node *hit = NULL, *k;
	struct str segment;
	int mark = r->nparams;

	if (!rest.p)
		return n->nroutes ? n : NULL;
	segment = str_cut(&rest, '/');
	if (str_find(segment, '%') < segment.n && !http_unescape(&r->arena, segment, false, &segment))
		return NULL;
	k = literal(n, segment);
	if (k)
		hit = walk(k, r, rest);
	if (hit || !n->param || segment.n == 0 || mark == HTTP_PARAMS)
		return hit;
	r->nparams = mark;
	r->params[r->nparams++] = segment;
	return walk(n->param, r, rest);
}

static const struct http_route *by_method(const struct http_node *n, struct str method)
{
	for (int i = 0; i < n->nroutes; i++)
		if (str_eq(method, str_of(n->routes[i]->method)))
			return n->routes[i];
	return NULL;
}

void http_routes_find(const struct http_node *root, struct http_req *r, struct str raw_path)
{
	r->node = walk(root, r, str_tail(raw_path, 1));
	if (!r->node)
		return;
	r->route = by_method(r->node, r->method);
	if (!r->route && r->is_head)
		r->route = by_method(r->node, S("GET"));
}

void http_routes_allow(const struct http_node *n, struct buf *out)
{
	for (int i = 0; i < n->nroutes; i++) {
		if (i)
			buf_lit(out, ", ");
		buf_add(out, str_of(n->routes[i]->method));
		if (str_eq(str_of(n->routes[i]->method), S("GET")))
			buf_lit(out, ", HEAD");
	}
}
