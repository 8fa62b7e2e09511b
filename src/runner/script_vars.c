/* script_vars.c - psql variables of one run: the job's, \set and \gset. */
#include "runner/script_parts.h"

#include "json/json.h"

#include <stdlib.h>

struct variable {
	struct str name, value;
	size_t size;
};

static void forget(struct script_vars *v, struct variable *old)
{
	if (!old)
		return;
	v->bytes -= old->size;
	free(old);
}

static void put(struct script_vars *v, struct str name, struct str value)
{
	struct variable *new = base_alloc(sizeof(*new) + name.n + value.n);
	char *at = (char *)(new + 1);

	new->size = sizeof(*new) + name.n + value.n;
	new->name = str_copy_to(&at, name);
	new->value = str_copy_to(&at, value);
	forget(v, map_del(&v->by_name, name));
	map_put(&v->by_name, new->name, new);
	v->bytes += new->size;
}

void script_vars_open(struct script_vars *v, const struct job_variable *given, int n)
{
	*v = (struct script_vars){0};
	for (int i = 0; i < n; i++)
		put(v, given[i].name, given[i].value);
}

void script_vars_close(struct script_vars *v)
{
	struct map_slot slot;

	for (size_t i = 0; map_next(&v->by_name, &i, &slot);)
		free(slot.value);
	map_close(&v->by_name);
}

bool script_vars_value(void *vars, struct str name, struct str *ret)
{
	const struct variable *found = map_get(&((struct script_vars *)vars)->by_name, name);

	if (!found)
		return false;
	*ret = found->value;
	return true;
}

/* --- \set, \unset --- */

static bool name_valid(struct str name)
{
	for (size_t i = 0; i < name.n; i++) {
		char ch = name.p[i];

		if (!ascii_alpha(ch) && !ascii_digit(ch) && ch != '_' && (unsigned char)ch < 0x80)
			return false;
	}
	return name.n > 0;
}

static bool refuse(struct call *c, const char *why, struct str name)
{
	name = str_is_utf8(str_head(name, 60)) ? str_head(name, 60) : S("");
	(void)fail(c, ERR_SCRIPT, "variable %.*s: %s", SARG(name), why);
	return fail_state(c, "42601", "");
}

/* Variables of psql that change how it runs a script: here it runs in one way. */
static const char *changes_psql(struct str name, struct str value)
{
	bool on = str_ieq(value, S("on")) || str_ieq(value, S("true")) || str_ieq(value, S("1"));

	if (str_eq(name, S("AUTOCOMMIT")) && !on)
		return "statements commit by themselves here; use BEGIN";
	if (str_eq(name, S("SINGLELINE")) && on)
		return "statements end with `;` here";
	return NULL;
}

bool script_vars_set(struct call *c, struct script_vars *v, struct str name, struct str value)
{
	const char *why = changes_psql(name, value);

	if (!name_valid(name))
		return refuse(c, "names are made of letters, digits and _", name);
	if (why)
		return refuse(c, why, name);
	if (value.n > SCRIPT_VALUE_BYTES || v->bytes + value.n + name.n > SCRIPT_VARIABLES_BYTES)
		return refuse(c, "its value is too long", name);
	if (!str_is_utf8(value) || str_find(value, '\0') < value.n)
		return refuse(c, "its value is no text", name);
	put(v, name, value);
	return true;
}

void script_vars_unset(struct script_vars *v, struct str name)
{
	forget(v, map_del(&v->by_name, name));
}

/* --- \gset --- */

static bool set_row(struct call *c, struct script_vars *v, struct str prefix, const struct pg_answer *a)
{
	static const struct str head = S_INIT("{\"data\":["), tail = S_INIT("]}");
	struct str bytes = engine_bytes_str(a->parts[0].bytes);
	struct json_scan s = json_scan(str_from(bytes.p + head.n, bytes.n - head.n - tail.n));
	struct engine_column *columns;
	struct json_cell cell;
	int n;

	if (!engine_columns(c, a->columns, &columns, &n) || !json_scan_row(&s))
		return refuse(c, "the row cannot be read", S("\\gset"));
	for (int i = 0; i < n && json_scan_cell(&s, &cell); i++) {
		struct str name = arena_fmt(c->arena, "%.*s%.*s", SARG(prefix), SARG(columns[i].name));

		if (cell.null)
			script_vars_unset(v, name);
		else if (!script_vars_set(c, v, name, json_unescape(c->arena, cell.raw)))
			return false;
	}
	return true;
}

bool script_vars_gset(struct call *c, struct script_vars *v, struct str prefix, const struct pg_answer *a)
{
	if (!a->has_rows)
		return true; /* as in psql: a command without rows sets nothing */
	if (a->rows == 1 && !a->truncated)
		return set_row(c, v, prefix, a);
	if (a->rows == 0 && !a->truncated)
		return refuse(c, "the statement returned no row", S("\\gset"));
	return refuse(c, a->rows > 1 ? "the statement returned more than one row" : "the row is too long", S("\\gset"));
}
