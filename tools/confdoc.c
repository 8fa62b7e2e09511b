/* confdoc.c - prints the table of options as a document: confdoc markdown|man|help. */
#include "conf/conf.h"

#include <stdio.h>

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		enum conf_doc form;
	} forms[] = {{"markdown", CONF_MARKDOWN}, {"man", CONF_MAN}, {"help", CONF_HELP}};
	OWNS(buf) out = {0};

	for (size_t i = 0; argc == 2 && i < COUNT_OF(forms); i++)
		if (strcmp(argv[1], forms[i].name) == 0)
			conf_document(forms[i].form, &out);
	if (out.n == 0) {
		fputs("usage: confdoc markdown|man|help\n", stderr);
		return 2;
	}
	return fputs(buf_cstr(&out), stdout) < 0;
}
