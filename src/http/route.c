/* route.c - which route does a path belong to? A tree of segments, built once.
 *
 * A literal segment goes before a {…}, unless only the latter takes the method;
 * segments are compared decoded, never resolved.
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

static const struct http_route *by_method(const struct http_node *n, struct str method)
{
	for (int i = 0; i < n->nroutes; i++)
		if (str_eq(method, str_of(n->routes[i]->method)))
			return n->routes[i];
	return str_eq(method, S("HEAD")) ? by_method(n, S("GET")) : NULL;
}

static bool take_leaf(const struct http_node *n, struct http_req *r)
{
	if (n->nroutes == 0)
		return false;
	r->route = by_method(n, r->method);
	if (r->route || !r->node)
		r->node = n;
	return r->route != NULL;
}

/* Recursion is as deep as the deepest route. */
static bool walk(const struct http_node *n, struct http_req *r, struct str rest)
{
	const struct http_node *k;
	struct str segment;
	int mark = r->nparams;

	if (!rest.p)
		return take_leaf(n, r);
	segment = str_cut(&rest, '/');
	if (str_find(segment, '%') < segment.n && !http_unescape(&r->arena, segment, false, &segment))
		return false;
	k = literal(n, segment);
	if (k && walk(k, r, rest))
		return true;
	if (!n->param || segment.n == 0 || mark == HTTP_PARAMS)
		return false;
	r->nparams = mark;
	r->params[r->nparams++] = segment;
	return walk(n->param, r, rest);
}

void http_routes_find(const struct http_node *root, struct http_req *r, struct str raw_path)
{
	walk(root, r, str_tail(raw_path, 1));
}

void http_routes_allow(const struct http_node *n, struct buf *out)
{
	for (int i = 0; i < n->nroutes; i++) {
		if (str_eq(str_of(n->routes[i]->method), S("HEAD")))
			continue; /* beside a GET */
		if (i)
			buf_lit(out, ", ");
		buf_add(out, str_of(n->routes[i]->method));
		if (str_eq(str_of(n->routes[i]->method), S("GET")))
			buf_lit(out, ", HEAD");
	}
}
