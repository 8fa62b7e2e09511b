/* docs.c - the tables of options as documents. */
#include "conf/conf_int.h"

typedef void row_writer(const char *prefix, const struct conf_row *row, struct buf *out);

static void default_text(const struct conf_row *row, struct buf *out)
{
	if (*row->dflt)
		buf_fmt(out, "`%s`", row->dflt);
	else
		buf_lit(out, "empty");
}

/* Pipes would end a table's cell. */
static void markdown_text(struct str s, struct buf *out)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '|')
			buf_addc(out, '\\');
		buf_addc(out, s.p[i]);
	}
}

/* A section of a library stands for all of its keys. */
static const char *any_key(const struct conf_row *row)
{
	return row->type == CONF_T_MAP ? ".*" : "";
}

static void markdown_row(const char *prefix, const struct conf_row *row, struct buf *out)
{
	buf_fmt(out, "| `%s%s%s` | ", prefix, row->key, any_key(row));
	conf_expected(row, out);
	buf_lit(out, " | ");
	default_text(row, out);
	buf_lit(out, " | ");
	markdown_text(str_of(row->help), out);
	buf_lit(out, " |\n");
}

/* A hyphen is a minus to groff and a leading dot or quote a request. */
static void man_text(struct str s, struct buf *out)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\\')
			buf_lit(out, "\\e");
		else if (s.p[i] == '-')
			buf_lit(out, "\\-");
		else if (s.p[i] != '`')
			buf_addc(out, s.p[i]);
	}
}

static void man_row(const char *prefix, const struct conf_row *row, struct buf *out)
{
	buf_fmt(out, ".TP\n.B %s%s%s\n", prefix, row->key, any_key(row));
	man_text(str_of(row->help), out);
	buf_lit(out, ".\nTakes ");
	conf_expected(row, out);
	if (*row->dflt) {
		buf_lit(out, "; default\n.IR ");
		man_text(str_of(row->dflt), out);
		buf_lit(out, " .\n");
	} else {
		buf_lit(out, "; empty by default.\n");
	}
}

static void help_row(const char *prefix, const struct conf_row *row, struct buf *out)
{
	buf_fmt(out, "  %s%s%s (%s)\n      %s\n", prefix, row->key, any_key(row), *row->dflt ? row->dflt : "empty", row->help);
}

void conf_document(enum conf_doc form, struct buf *out)
{
	static row_writer *const writers[] = {
		[CONF_MARKDOWN] = markdown_row, [CONF_MAN] = man_row, [CONF_HELP] = help_row};

	if (form == CONF_MARKDOWN)
		buf_lit(out, "| option | takes | default | what it does |\n| --- | --- | --- | --- |\n");
	for (const struct conf_row *row = conf_options; row->key; row++)
		writers[form]("", row, out);
	for (const struct conf_row *row = conf_caps_rows; row->key; row++)
		writers[form](CONF_CAPS_PREFIX, row, out);
}
