/* conf_int.h - inside conf/: the rows, the settings that sources yield, and how one is assigned.
 *
 * A source (file, environment, flags) turns what it reads into settings; conf.c
 * assigns them to rows in the order of the sources. Everything lives in the
 * call's arena.
 */
#ifndef MAYFLY_CONF_INT_H
#define MAYFLY_CONF_INT_H

#include "conf/conf.h"

/* What a configuration may be in size. */
enum {
	CONF_MAX_FILE = 1024 * 1024, /* bytes */
	CONF_MAX_DEPTH = 8,          /* nested mappings */
	CONF_MAX_TEXT = 4096,        /* bytes of one value */
	CONF_MAX_ITEMS = 256,        /* elements of one list */
	CONF_MAX_KEY = 64,           /* bytes of a key of a library */
	CONF_MAX_PAIRS = 64,         /* of them in a section */
};

enum conf_type { CONF_T_TEXT, CONF_T_CHOICE, CONF_T_INT, CONF_T_BOOL, CONF_T_LIST, CONF_T_MAP };

struct conf_row {
	const char *key;
	enum conf_type type;
	size_t at;           /* of the field in struct conf; of a cap in struct conf_caps */
	const char *dflt;
	int64_t min, max;    /* CONF_T_INT */
	const char *choices; /* CONF_T_CHOICE: "a|b|c" */
	const char *help;
};

/* Both end with a row whose key is NULL. Keys of caps come without "tenants.". */
extern const struct conf_row conf_options[];
extern const struct conf_row conf_caps_rows[];

#define CONF_CAPS_PREFIX "tenants."
#define CONF_OVERRIDES_PREFIX "tenants.overrides."

struct conf_setting {
	struct str key;
	struct str where;    /* "mayfly.yaml:12", "MAYFLY_SERVER_LISTEN", "--set" */
	const struct str *v; /* the text, or the elements of a YAML sequence */
	int n;
	bool sequence;
	bool null;           /* a YAML key with nothing behind it */
};

struct conf_settings {
	struct conf_setting *v;
	size_t n, cap;
};
void conf_settings_add(struct call *c, struct conf_settings *all, struct conf_setting s);

/* file.c: the YAML file as settings, duplicates refused. */
bool conf_read_file(struct call *c, struct str file, struct conf_settings *into) NODISCARD;
bool conf_read_text(struct call *c, struct str file, struct str text, struct conf_settings *into) NODISCARD;

/* rows.c */
const struct conf_row *conf_find(const struct conf_row *rows, struct str key);
/* The section of a library that a key which is no row of its own falls into; NULL = none. */
const struct conf_row *conf_map_of(struct str key);
bool conf_is_section(struct str key);
/* The known key that was probably meant; empty when none is near. */
struct str conf_nearest(struct call *c, struct str key);
/* What a row takes, in words: "a whole number from 1 to 64". */
void conf_expected(const struct conf_row *row, struct buf *out);
/* "server.listen" as "MAYFLY_SERVER_LISTEN". */
void conf_env_name(const char *prefix, const char *key, struct buf *out);

/* value.c: checks the setting against the row and writes the field of `base`. */
bool conf_assign(struct call *c, const struct conf_row *row, const struct conf_setting *s, void *base) NODISCARD;
const struct str *conf_copy_list(struct call *c, const struct str *v, int n); /* into the arena */

#endif
