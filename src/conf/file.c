/* file.c - the YAML file as settings: nested mappings become dotted keys.
 *
 * A subset of YAML 1.1: one document, mappings, scalars and lists of scalars.
 * Anchors, aliases and tags are refused, so that a file cannot mean more than
 * it shows. The only code that includes yaml.h.
 */
#include "conf/conf_int.h"

#include <errno.h>
#include <fcntl.h>
#include <yaml.h>

struct reader {
	struct call *c;
	yaml_parser_t yaml;
	struct str file;
	struct conf_settings *into;
	struct map seen; /* dotted keys, sections too */
};

#define EVENT __attribute__((cleanup(yaml_event_delete))) yaml_event_t

static bool refuse(struct reader *r, const yaml_event_t *at, const char *what)
{
	return fail(r->c, ERR_BAD_REQUEST, "%.*s:%zu: %s", SARG(r->file), at->start_mark.line + 1, what);
}

static bool next(struct reader *r, yaml_event_t *ret)
{
	if (yaml_parser_parse(&r->yaml, ret))
		return true;
	return fail(r->c, ERR_BAD_REQUEST, "%.*s:%zu: %s", SARG(r->file), r->yaml.problem_mark.line + 1,
		    r->yaml.problem ? r->yaml.problem : "not YAML");
}

static struct str scalar_text(const yaml_event_t *e)
{
	return str_from((const char *)e->data.scalar.value, e->data.scalar.length);
}

static bool scalar_is_null(const yaml_event_t *e)
{
	static const struct str words[] = {S_INIT(""), S_INIT("~"), S_INIT("null"), S_INIT("Null"), S_INIT("NULL")};

	if (e->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
		return false;
	for (size_t i = 0; i < COUNT_OF(words); i++)
		if (str_eq(scalar_text(e), words[i]))
			return true;
	return false;
}

static bool plain_scalar(struct reader *r, const yaml_event_t *e, const char *otherwise)
{
	if (e->type != YAML_SCALAR_EVENT)
		return refuse(r, e, otherwise);
	if (e->data.scalar.anchor || e->data.scalar.tag)
		return refuse(r, e, "anchors and tags are not supported");
	return true;
}

static struct conf_setting setting_at(struct reader *r, const yaml_event_t *e, struct str key)
{
	struct str where = arena_fmt(r->c->arena, "%.*s:%zu", SARG(r->file), e->start_mark.line + 1);

	return (struct conf_setting){.key = key, .where = where};
}

static bool read_scalar(struct reader *r, const yaml_event_t *e, struct str key)
{
	struct conf_setting s = setting_at(r, e, key);
	struct str *v = ARENA_NEW(r->c->arena, struct str);

	if (!plain_scalar(r, e, ""))
		return false;
	*v = arena_dup(r->c->arena, scalar_text(e));
	s.v = v;
	s.n = 1;
	s.null = scalar_is_null(e);
	conf_settings_add(r->c, r->into, s);
	return true;
}

static bool read_sequence(struct reader *r, const yaml_event_t *start, struct str key)
{
	struct conf_setting s = setting_at(r, start, key);
	struct str v[CONF_MAX_ITEMS];

	if (start->data.sequence_start.anchor || start->data.sequence_start.tag)
		return refuse(r, start, "anchors and tags are not supported");
	for (;;) {
		EVENT e = {0};

		if (!next(r, &e))
			return false;
		if (e.type == YAML_SEQUENCE_END_EVENT)
			break;
		if (!plain_scalar(r, &e, "a list may hold texts only"))
			return false;
		if (s.n == CONF_MAX_ITEMS)
			return refuse(r, &e, "the list has too many elements");
		v[s.n++] = arena_dup(r->c->arena, scalar_text(&e));
	}
	s.v = conf_copy_list(r->c, v, s.n);
	s.sequence = true;
	conf_settings_add(r->c, r->into, s);
	return true;
}

static bool read_mapping(struct reader *r, const yaml_event_t *start, struct str path, int depth);

static bool read_value(struct reader *r, struct str path, int depth)
{
	EVENT e = {0};

	if (!next(r, &e))
		return false;
	if (e.type == YAML_SCALAR_EVENT)
		return read_scalar(r, &e, path);
	if (e.type == YAML_SEQUENCE_START_EVENT)
		return read_sequence(r, &e, path);
	if (e.type == YAML_MAPPING_START_EVENT)
		return read_mapping(r, &e, path, depth + 1);
	return refuse(r, &e, "anchors and tags are not supported");
}

/* The dotted key of a mapping's entry; p = NULL when it was refused. */
static struct str enter_key(struct reader *r, const yaml_event_t *e, struct str path)
{
	const struct str refused = {NULL, 0};
	struct arena *a = r->c->arena;
	struct str name;

	if (!plain_scalar(r, e, "a key must be text"))
		return refused;
	name = scalar_text(e);
	name = path.n ? arena_fmt(a, "%.*s.%.*s", SARG(path), SARG(name)) : arena_dup(a, name);
	if (!map_put(&r->seen, name, r))
		return name;
	(void)fail(r->c, ERR_INVALID_FIELD, "%.*s:%zu: %.*s is given twice", SARG(r->file), e->start_mark.line + 1,
		   SARG(str_head(name, 100)));
	return refused;
}

static bool read_mapping(struct reader *r, const yaml_event_t *start, struct str path, int depth)
{
	if (depth > CONF_MAX_DEPTH)
		return refuse(r, start, "nested too deep");
	if (start->data.mapping_start.anchor || start->data.mapping_start.tag)
		return refuse(r, start, "anchors and tags are not supported");
	for (;;) {
		EVENT e = {0};
		struct str key;

		if (!next(r, &e))
			return false;
		if (e.type == YAML_MAPPING_END_EVENT)
			return true;
		key = enter_key(r, &e, path);
		if (!key.p || !read_value(r, key, depth))
			return false;
	}
}

static bool read_top(struct reader *r, const yaml_event_t *e)
{
	if (e->type == YAML_MAPPING_START_EVENT)
		return read_mapping(r, e, S(""), 1);
	if (e->type == YAML_SCALAR_EVENT && scalar_is_null(e))
		return true; /* nothing but comments */
	return refuse(r, e, "the file must be a mapping, like `server: {listen: …}`");
}

static bool read_stream(struct reader *r)
{
	bool started = false;

	for (;;) {
		EVENT e = {0};

		if (!next(r, &e))
			return false;
		switch (e.type) {
		case YAML_STREAM_END_EVENT:
			return true;
		case YAML_STREAM_START_EVENT:
		case YAML_DOCUMENT_END_EVENT:
			break;
		case YAML_DOCUMENT_START_EVENT:
			if (started)
				return refuse(r, &e, "the file must be one document");
			started = true;
			break;
		default:
			if (!read_top(r, &e))
				return false;
		}
	}
}

bool conf_read_text(struct call *c, struct str file, struct str text, struct conf_settings *into)
{
	struct reader r = {.c = c, .file = file, .into = into};
	bool ok;

	if (!yaml_parser_initialize(&r.yaml))
		return fail(c, ERR_INTERNAL, "%.*s: out of memory", SARG(file));
	yaml_parser_set_input_string(&r.yaml, (const unsigned char *)(text.n ? text.p : ""), text.n);
	ok = read_stream(&r);
	yaml_parser_delete(&r.yaml);
	map_close(&r.seen);
	return ok;
}

bool conf_read_file(struct call *c, struct str file, struct conf_settings *into)
{
	OWNS(buf) text = {0};
	int fd = open(arena_cstr(c->arena, file), O_RDONLY | O_CLOEXEC);
	bool ok;

	if (fd < 0)
		return fail(c, ERR_NOT_FOUND, "%.*s: %s", SARG(file), strerror(errno));
	ok = file_read(fd, CONF_MAX_FILE + 1, &text);
	file_close_quietly(fd);
	if (!ok)
		return fail(c, ERR_NOT_FOUND, "%.*s: %s", SARG(file), strerror(errno));
	if (text.n > CONF_MAX_FILE)
		return fail(c, ERR_BAD_REQUEST, "%.*s: the file is larger than %d bytes", SARG(file), CONF_MAX_FILE);
	return conf_read_text(c, file, buf_str(&text), into);
}
