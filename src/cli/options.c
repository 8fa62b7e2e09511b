/* options.c - command lines of the client verbs. */
#include "cli/cli_int.h"

#include "conf/conf.h"

#include <unistd.h>

static const struct cli_option *find(const struct cli_option *options, struct str name, bool is_long)
{
	for (const struct cli_option *o = options; o->name; o++) {
		if (is_long ? str_eq(str_of(o->name), name) : o->letter && str_eq(str_from(&o->letter, 1), name))
			return o;
	}
	return NULL;
}

/* What one step over the arguments needs. */
struct walk {
	int argc, at;
	char **argv;
};

static bool add(struct call *c, struct cli_list *l, struct str value)
{
	if (l->n == CLI_LIST_MAX)
		return fail(c, ERR_INVALID_FIELD, "too many arguments");
	l->v[l->n++] = value;
	return true;
}

static bool take_option(struct call *c, const struct cli_option *options, struct walk *w)
{
	const char *arg = w->argv[w->at++];
	bool is_long = arg[1] == '-';
	struct str value = str_of(arg + (is_long ? 2 : 1)), name = is_long ? str_cut(&value, '=') : str_head(value, 1);
	const struct cli_option *o = find(options, name, is_long);

	if (!is_long)
		value = value.n > 1 ? str_tail(value, 1) : (struct str){0};
	if (!o)
		return fail(c, ERR_INVALID_FIELD, "there is no option %s", arg);
	if (o->flag && value.p)
		return fail(c, ERR_INVALID_FIELD, "option --%s takes no value", o->name);
	if (o->flag) {
		*o->flag = true;
		return true;
	}
	if (!value.p && w->at == w->argc)
		return fail(c, ERR_INVALID_FIELD, "option --%s wants a value", o->name);
	value = value.p ? value : str_of(w->argv[w->at++]);
	if (o->value)
		*o->value = value;
	return o->value || add(c, o->list, value);
}

bool cli_options(struct call *c, const struct cli_option *options, int argc, char **argv, struct cli_list *ret)
{
	struct walk w = {.argc = argc, .argv = argv};
	bool only_rest = false;

	ret->n = 0;
	while (w.at < argc) {
		const char *arg = argv[w.at];

		if (!only_rest && strcmp(arg, "--") == 0) {
			only_rest = true;
			w.at++;
		} else if (!only_rest && arg[0] == '-' && arg[1]) {
			if (!take_option(c, options, &w))
				return false;
		} else if (!add(c, ret, str_of(argv[w.at++]))) {
			return false;
		}
	}
	return true;
}

bool cli_number(struct call *c, const char *name, struct str value, int64_t max, int64_t *ret)
{
	int64_t v;

	if (value.n == 0)
		return true;
	if (!str_to_i64(value, &v) || v < 1 || v > max)
		return fail(c, ERR_INVALID_FIELD, "option --%s wants a number from 1 to %lld", name, (long long)max);
	*ret = v;
	return true;
}

bool cli_data_dir(struct call *c, struct str given, struct str *ret)
{
	struct conf f;

	if (given.n) {
		*ret = given;
		return true;
	}
	if (!conf_load(c, S(""), NULL, 0, environ, &f))
		return false;
	*ret = f.data_dir;
	return true;
}
