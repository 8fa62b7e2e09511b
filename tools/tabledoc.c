/* tabledoc.c - prints a table of the code as a part of a document:
 * tabledoc markdown|man|help for the options, tabledoc statements|sessions|views|jobs for a life cycle.
 */
#include "conf/conf.h"
#include "runner/runner.h"
#include "session/session.h"
#include "statement/statement.h"
#include "view/view.h"

#include <stdio.h>

static bool print(const char *what, struct buf *out)
{
	static const struct {
		const char *name;
		enum conf_doc form;
	} forms[] = {{"markdown", CONF_MARKDOWN}, {"man", CONF_MAN}, {"help", CONF_HELP}};

	if (strcmp(what, "statements") == 0)
		fsm_print(stmt_fsm, STMT_STATES, out);
	if (strcmp(what, "sessions") == 0)
		fsm_print(session_fsm, SESSION_STATES, out);
	if (strcmp(what, "views") == 0)
		fsm_print(view_fsm, VIEW_STATES, out);
	if (strcmp(what, "jobs") == 0)
		fsm_print(job_fsm, JOB_STATUSES, out);
	for (size_t i = 0; i < COUNT_OF(forms); i++)
		if (strcmp(what, forms[i].name) == 0)
			conf_document(forms[i].form, out);
	return out->n > 0;
}

int main(int argc, char **argv)
{
	OWNS(buf) out = {0};

	if (argc != 2 || !print(argv[1], &out)) {
		fputs("usage: tabledoc markdown|man|help|statements|sessions|views|jobs\n", stderr);
		return 2;
	}
	return fputs(buf_cstr(&out), stdout) < 0;
}
