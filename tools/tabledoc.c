/* tabledoc.c - prints a table of the code as a part of a document:
 * tabledoc markdown|man|help for the options, tabledoc states for a statement's life.
 */
#include "conf/conf.h"
#include "statement/statement.h"

#include <stdio.h>

static bool print(const char *what, struct buf *out)
{
	static const struct {
		const char *name;
		enum conf_doc form;
	} forms[] = {{"markdown", CONF_MARKDOWN}, {"man", CONF_MAN}, {"help", CONF_HELP}};

	if (strcmp(what, "states") == 0)
		fsm_print(stmt_fsm, STMT_STATES, out);
	for (size_t i = 0; i < COUNT_OF(forms); i++)
		if (strcmp(what, forms[i].name) == 0)
			conf_document(forms[i].form, out);
	return out->n > 0;
}

int main(int argc, char **argv)
{
	OWNS(buf) out = {0};

	if (argc != 2 || !print(argv[1], &out)) {
		fputs("usage: tabledoc markdown|man|help|states\n", stderr);
		return 2;
	}
	return fputs(buf_cstr(&out), stdout) < 0;
}
