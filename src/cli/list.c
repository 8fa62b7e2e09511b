/* list.c - lists of the server, page after page: a table for people, or a line of JSON an item. */
#include "cli/cli_int.h"

enum { PAGE = 1000 };

void cli_print_node(const json_node *n)
{
	OWNS(buf) b = {0};
	struct json_out o = json_out(&b);

	json_put_node(&o, n);
	printf("%.*s\n", SARG(buf_str(&b)));
}

const json_node *cli_member(const json_node *o, const char *path)
{
	struct str rest = str_of(path);

	while (o && rest.p) {
		struct str part = str_cut(&rest, '.');
		char name[64];

		if (json_kind(o) != JSON_KIND_OBJECT)
			return NULL;
		snprintf(name, sizeof(name), "%.*s", SARG(part));
		o = json_get(o, name);
	}
	return o;
}

/* Text as it is; nothing for null and for what is empty; else JSON. */
static void add_cell(struct table *t, const json_node *n)
{
	OWNS(buf) b = {0};
	struct json_out o = json_out(&b);
	enum json_kind kind = n ? json_kind(n) : JSON_KIND_NULL;

	if (kind == JSON_KIND_TEXT) {
		table_add(t, json_text(n));
		return;
	}
	if (kind != JSON_KIND_NULL && !((kind == JSON_KIND_OBJECT || kind == JSON_KIND_ARRAY) && !json_count(n)))
		json_put_node(&o, n);
	table_add(t, buf_str(&b));
}

struct listing {
	const struct remote *remote;
	const struct cli_column *columns;
	int ncolumns;
	struct table *table; /* NULL: a line each */
};

static bool take_page(struct call *c, const struct listing *l, struct str path, struct str *cursor)
{
	struct remote_ask q = {.method = "GET", .timeout_ms = REMOTE_ANSWER_MS};
	const json_node *o, *items;

	q.path = arena_fmt(c->arena, "%.*s%climit=%d%s%.*s", SARG(path), str_find(path, '?') < path.n ? '&' : '?', PAGE, cursor->n ? "&after=" : "",
			   SARG(remote_escape(c->arena, *cursor)));
	if (!remote_json(c, l->remote, &q, &o))
		return false;
	items = json_get(o, "items");
	if (!items || json_kind(items) != JSON_KIND_ARRAY)
		return fail(c, ERR_INTERNAL, "the server answered without items");
	for (size_t i = 0; i < json_count(items); i++) {
		const json_node *item = json_at(items, i);

		if (json_kind(item) != JSON_KIND_OBJECT)
			return fail(c, ERR_INTERNAL, "the server answered with an item that is none");
		if (!l->table)
			cli_print_node(item);
		for (int k = 0; l->table && k < l->ncolumns; k++)
			add_cell(l->table, cli_member(item, l->columns[k].member));
	}
	*cursor = json_count(items) ? remote_text(o, "next") : S("");
	return true;
}

int cli_list(struct call *c, const struct cli_verb *v, const struct remote *r, struct str path, struct str format,
	     const struct cli_column *columns)
{
	bool json = str_eq(format, S("json")), ok;
	struct listing l = {.remote = r, .columns = columns};
	struct str cursor = {0};
	struct table t;

	if (format.n && !json && !str_eq(format, S("table")))
		return cli_usage(v, "lists are printed as table or json");
	while (columns[l.ncolumns].head)
		l.ncolumns++;
	table_open(&t, l.ncolumns);
	for (int i = 0; i < l.ncolumns; i++) {
		t.right[i] = columns[i].number;
		table_add(&t, str_of(columns[i].head));
	}
	l.table = json ? NULL : &t;
	do
		ok = take_page(c, &l, path, &cursor);
	while (ok && cursor.n);
	if (ok && !json)
		table_print(&t, stdout);
	table_drop(&t);
	return ok ? CLI_OK : cli_end(c);
}
