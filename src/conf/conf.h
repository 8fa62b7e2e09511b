/* conf.h - the door of conf/: one table for file, environment, flags and help.
 *
 * Every option is a row of options.def: its key, type, default, range and one
 * sentence. Order, later wins: defaults, the YAML file, MAYFLY_… variables,
 * --set key=value and the short flags. An unknown key or a wrong value is
 * refused with file and line (or variable, or flag).
 */
#ifndef MAYFLY_CONF_H
#define MAYFLY_CONF_H

#include "base/base.h"

/* The types of options: text, whole number, bool, list of texts (comma-separated), and a section whose further keys
 * belong to a library: as they are written, in the order of their first mention. */
struct conf_list {
	const struct str *v;
	int n;
};
struct conf_pair {
	struct str key, value;
};
struct conf_map {
	struct conf_pair *v;
	int n;
};
struct conf_caps { /* of one tenant: rows of caps.def, `tenants.<name>`, overridden by `tenants.overrides.<tenant>.<name>` */
#define CAP(name, min, max, dflt, help) int64_t name;
#include "conf/caps.def"
#undef CAP
};
struct conf {
#define CONF_TEXT(field, key, dflt, help) struct str field;
#define CONF_CHOICE(field, key, dflt, choices, help) struct str field;
#define CONF_INT(field, key, min, max, dflt, help) int64_t field;
#define CONF_BOOL(field, key, dflt, help) bool field;
#define CONF_LIST(field, key, dflt, help) struct conf_list field;
#define CONF_MAP(field, key, help) struct conf_map field;
#include "conf/options.def"
#undef CONF_TEXT
#undef CONF_CHOICE
#undef CONF_INT
#undef CONF_BOOL
#undef CONF_LIST
#undef CONF_MAP
	struct conf_caps caps;          /* the defaults */
	struct map overrides;           /* tenant name -> struct conf_caps* */
};

/* Lives in the call's arena. `file` may be empty. `sets` are "key=value". env: NULL-terminated environ. */
bool conf_load(struct call *c, struct str file, const struct str *sets, int nsets, char **env, struct conf *ret) NODISCARD;
const struct conf_caps *conf_caps_of(const struct conf *f, struct str tenant);

/* Documents from the same table: Markdown reference, the OPTIONS part of the man page, `--help`. */
enum conf_doc { CONF_MARKDOWN, CONF_MAN, CONF_HELP };
void conf_document(enum conf_doc form, struct buf *out);

#endif
