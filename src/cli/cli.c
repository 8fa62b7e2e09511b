/* cli.c - the verbs, their help, and how a failed call ends a run. */
#include "cli/cli_int.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>

static int run_help(struct call *c, const struct cli_verb *v, int argc, char **argv);
static int run_version(struct call *c, const struct cli_verb *v, int argc, char **argv);

static const struct cli_verb verbs[] = {
	{"serve", NULL, "serve [--config FILE] [--listen ADDR] [--data DIR] [--samples DIR] [--set KEY=VALUE]...", "run the server",
	 NULL},
	{"sql", cli_sql,
	 "sql [--url URL] [--token T] [--tenant T] [--format table|json|ndjson|csv] [--timeout SECONDS]\n"
	 "    [--session ID] [--snowflake [--database D] [--schema S]] [-f FILE | \"SQL\"]",
	 "run a statement and print its result",
	 "Reads the statement from the argument, from FILE, or from standard input.\n"
	 "URL is http://host:port, https://host:port or unix:/path; the default is\n"
	 "http://127.0.0.1:8484. --snowflake submits in Snowflake's dialect, through\n"
	 "/api/v2/statements; the text may then hold many statements, which share a\n"
	 "session, and each result is printed. MAYFLY_URL, MAYFLY_TOKEN, MAYFLY_TENANT and MAYFLY_SESSION\n"
	 "stand for the options of those names. Ctrl-C cancels the statement.\n"
	 "Exit codes: 0 done, 1 the statement failed, 2 wrong usage, 3 no server, 130 canceled.\n"},
	{"statements", cli_statements,
	 "statements [list] [--status STATUS] [--session ID] [--since TIME] [--until TIME] [--format table|json]\n"
	 "statements show HANDLE\n"
	 "statements result HANDLE [--format table|json|ndjson|csv]\n"
	 "statements wait HANDLE\n"
	 "statements cancel HANDLE\n"
	 "statements drop HANDLE\n"
	 "statements grant HANDLE PRINCIPAL\n"
	 "statements revoke HANDLE PRINCIPAL",
	 "statement handles: what ran, its rows, who may read them",
	 "list prints those that are there, newest first; STATUS is SUBMITTED, RUNNING,\n"
	 "SUCCEEDED, FAILED or CANCELED, TIME is RFC 3339 (2026-01-31T12:00:00Z). show prints\n"
	 "the whole document as JSON, wait the status once it has ended. drop cancels what runs\n"
	 "and forgets it with its rows. grant lets another principal of the tenant, or \"*\", all\n"
	 "of them, read status and rows; revoke takes that back. All take --url, --token and\n"
	 "--tenant as `mayfly sql` does.\n"
	 "Exit codes: 0 done, 1 refused, or it failed, 2 wrong usage, 3 no server, 130 interrupted.\n"},
	{"session", cli_session,
	 "session open [--storage memory|persistent] [--timeout SECONDS] [--idle SECONDS] [--label KEY=VALUE]...\n"
	 "session list [--format table|json]\n"
	 "session show ID\n"
	 "session close ID\n"
	 "session extend ID SECONDS\n"
	 "session fork ID\n"
	 "session table ID NAME COLUMN:TYPE... [--key COLUMN,...]\n"
	 "session insert ID TABLE FILE|- [--format csv|json|ndjson|parquet]\n"
	 "session query ID SQL [--table TABLE] [--format table|json|ndjson|csv]\n"
	 "session run [the options of open] -- COMMAND [ARGUMENT]...",
	 "tables that live as long as a session",
	 "All take --url, --token and --tenant as `mayfly sql` does. open and fork print the\n"
	 "new session's id, table the name by which statements know it, insert the number of\n"
	 "rows, extend the new deadline.\n"
	 "A column may be NAME:'TYPE NOT NULL'. What insert reads is told by the ending of\n"
	 "FILE, before a .gz; all rows go in, or none.\n"
	 "run opens a session, runs COMMAND with MAYFLY_SESSION, MAYFLY_URL (and MAYFLY_TENANT\n"
	 "and MAYFLY_TOKEN, when given) in its environment, and closes the session whatever\n"
	 "becomes of it. Its exit code is COMMAND's; 128+n for signal n, 126 and 127 where\n"
	 "COMMAND cannot be run.\n"
	 "Exit codes: 0 done, 1 refused, 2 wrong usage, 3 no server, 130 interrupted.\n"},
	{"space", cli_space,
	 "space put SPACE\n"
	 "space list [--format table|json]\n"
	 "space drop SPACE [--force]\n"
	 "space load SPACE TABLE FILE|- [--mode create|overwrite|append] [--format csv|json|ndjson|parquet]\n"
	 "space tables SPACE [--format table|json]\n"
	 "space unload SPACE TABLE",
	 "spaces and their tables",
	 "A space holds tables and saved SQL, kept as Iceberg tables on the server's storage.\n"
	 "All take --url, --token and --tenant as `mayfly sql` does. What load reads is told\n"
	 "by the ending of FILE, before a .gz; all rows go in, or none. drop refuses a space\n"
	 "that is not empty unless it is forced.\n"
	 "Exit codes: 0 done, 1 refused, 2 wrong usage, 3 no server, 130 interrupted.\n"},
	{"view", cli_view,
	 "view save SPACE NAME [\"SQL\" | -f FILE] [--order COLUMN]... [--var NAME:TYPE[=DEFAULT]]...\n"
	 "    [--id ID --parent REVISION]\n"
	 "view list SPACE [--format table|json]\n"
	 "view show SPACE ID\n"
	 "view refresh SPACE ID\n"
	 "view drop SPACE ID",
	 "saved SQL and its materialized views",
	 "save stores a SELECT over the tables and views of a space and builds its rows;\n"
	 "with --id and --parent it changes SQL that is there, if REVISION is the one in\n"
	 "force. refresh builds them anew from today's data. Both follow the build and\n"
	 "print the entry when the view is there.\n"
	 "COLUMN may be \"NAME desc\". {{NAME}} in the SQL is a variable of that --var.\n"
	 "Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 no server, 130 interrupted.\n"},
	{"page", cli_page,
	 "page SPACE [ID | \"SQL\" | -f FILE] [--offset N] [--limit N] [--all] [--order COLUMN]...\n"
	 "    [--var NAME=VALUE]... [--refresh auto|never|force] [--keep] [--format table|json|ndjson|csv]\n"
	 "page SPACE --session ID [--offset N] [--limit N] [--all] [--format table|json|ndjson|csv]",
	 "read a view page by page",
	 "Opens a SQL session on saved SQL (its ID, or a text) and prints a page of its rows,\n"
	 "or with --all every row as NDJSON. The session is dropped then, unless --keep: its\n"
	 "id is printed on standard error, and --session reads more pages of the same snapshot.\n"
	 "Exit codes: 0 done, 1 refused, 2 wrong usage, 3 no server, 130 interrupted.\n"},
	{"run", cli_run,
	 "run DIR --head FILE [--var NAME=VALUE]... [--chain FILE|FOLDER,...] [--timeout SECONDS]\n"
	 "    [--format table|json|ndjson|csv] [--isolation private] [--verify] [--watch] [--server URL]",
	 "run a folder of SQL files on PostgreSQL",
	 "DIR is a project; FILE, a path in it, is the head: the file whose rows are wanted.\n"
	 "What comes before it is the tail: init/, then seed/, then every other *.sql in the\n"
	 "order of their names, but not what is in test/ and bench/; or the files of --chain\n"
	 "in their order, where a folder is all its *.sql. A tail is run once and kept as a layer, so only the head is run\n"
	 "where nothing before it has changed.\n"
	 "Hidden files and symbolic links are left out; only contents that the server lacks\n"
	 "are sent. --verify builds the tail twice and compares. --watch runs again whenever\n"
	 "a file changes. --server, --token and --tenant are --url, --token and --tenant of\n"
	 "`mayfly sql`. Ctrl-C cancels the job. ndjson and csv print the rows of each statement\n"
	 "that has any, json the whole job.\n"
	 "Exit codes: 0 completed, 1 the head failed, 2 wrong usage, 3 the tail or a script\n"
	 "failed, 4 out of time or canceled, 5 no server, no PostgreSQL, or not allowed,\n"
	 "130 interrupted.\n"},
	{"plan", cli_plan,
	 "plan DIR --head FILE [--var NAME=VALUE]... [--chain FILE|FOLDER,...] [--format table|json] [--server URL]",
	 "tell which layers a run would find",
	 "Prints the tail's steps, whether each has a layer, and the first difference from\n"
	 "what is there. Nothing is run. Options and exit codes are those of `mayfly run`.\n"},
	{"jobs", cli_jobs,
	 "jobs [list] [--format table|json]\n"
	 "jobs get ID\n"
	 "jobs logs [-f] ID\n"
	 "jobs cancel ID\n"
	 "jobs drop ID",
	 "jobs that ran or run",
	 "get prints the whole document as JSON, logs -f follows the log to the job's end.\n"
	 "Exit codes: 0 done, 1 refused, 2 wrong usage, 3 no server, 130 interrupted.\n"},
	{"layers", cli_layers,
	 "layers [list] [--format table|json]\n"
	 "layers drop ID",
	 "cached states of PostgreSQL",
	 "A layer that a job or another layer needs is not dropped.\n"
	 "Exit codes: 0 done, 1 refused, 2 wrong usage, 3 no server, 130 interrupted.\n"},
	{"events", cli_events,
	 "events [-f] [--topic T] [--session ID] [--event E] [--after CURSOR] [--limit N]\n"
	 "events verify [--data DIR]",
	 "print what happened, or check its log",
	 "Prints the events of the log, one line of JSON each; --url, --token and --tenant are\n"
	 "those of `mayfly sql`. -f prints those to come, with --after all behind CURSOR;\n"
	 "after a lost connection it connects again and goes on behind the last one. What the\n"
	 "server no longer keeps is noted on standard error.\n"
	 "verify reads the log in a data folder, with the server's key beside it, and prints\n"
	 "what was changed, cut or lost. Its exit codes: 0 as it was written, 1 not, 2 it\n"
	 "cannot be read.\n"},
	{"token", cli_token,
	 "token create --tenant T [--role admin|user] [--principal P] [--expires-days N] [--data DIR]\n"
	 "token list [--data DIR]\n"
	 "token revoke ID [--data DIR]",
	 "make, list and revoke bearer tokens",
	 "A token is printed once, when it is made; the data folder keeps only its SHA-256.\n"
	 "A running server takes changes up within a second.\n"},
	{"doctor", cli_doctor, "doctor [--config FILE] [--data DIR] [--url URL]", "check this machine and what Mayfly needs of it",
	 "One line a check. FILE and the environment say what is configured, as for serve: a Redis\n"
	 "that is to be used must answer. Exit code 1 when a check fails; warnings do not count.\n"},
	{"version", run_version, "version", "print the version", NULL},
	{"help", run_help, "help [VERB]", "print this, or more about a verb", NULL},
};

static const struct cli_verb *find_verb(const char *name)
{
	for (size_t i = 0; i < COUNT_OF(verbs); i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

/* Each line behind "mayfly "; what is indented goes on from the line above. */
static void print_usage(const struct cli_verb *v, FILE *to)
{
	struct str rest = str_of(v->usage);

	for (bool first = true; rest.p; first = false) {
		struct str line = str_cut(&rest, '\n');
		bool goes_on = line.n && line.p[0] == ' ';

		fprintf(to, "%s %s%.*s\n", first ? "usage:" : "      ", goes_on ? "       " : "mayfly ", SARG(line));
	}
}

int cli_usage(const struct cli_verb *v, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fprintf(stderr, "mayfly %s: ", v->name);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	print_usage(v, stderr);
	return CLI_USAGE;
}

/* An error may quote what somebody else stored: nothing in it may drive the terminal. */
void cli_say(struct str text)
{
	for (size_t i = 0; i < text.n; i++) {
		char ch = text.p[i];
		bool harmful = ((unsigned char)ch < 0x20 && ch != '\n' && ch != '\t') || ch == 0x7F;

		fputc(harmful ? '?' : ch, stderr);
	}
}

int cli_failed(const struct call *c)
{
	const struct err *e = &c->err;

	fputs("mayfly: ", stderr);
	cli_say(str_of(e->text));
	if (e->sqlstate[0])
		fprintf(stderr, " (SQLSTATE %s)", e->sqlstate);
	fputc('\n', stderr);
	return CLI_FAILED;
}

int cli_end(const struct call *c)
{
	switch (c->err.kind) {
	case ERR_CANCELED:
		return CLI_INTERRUPTED;
	case ERR_UNAVAILABLE:
	case ERR_REQUEST_TIMEOUT:
		cli_failed(c);
		return CLI_NO_SERVER;
	default:
		return cli_failed(c);
	}
}

static atomic_bool interrupted; /* the stop flag */

static void on_interrupt(int signo)
{
	(void)signo;
	atomic_store(&interrupted, true);
}

void cli_catch_interrupt(struct call *c)
{
	struct sigaction a = {.sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND};

	sigaction(SIGINT, &a, NULL);
	c->cancel = &interrupted;
}

static void print_verbs(FILE *to)
{
	fputs("Mayfly: SQL state that lives only as long as it is needed.\n\nusage: mayfly VERB ...\n\n", to);
	for (size_t i = 0; i < COUNT_OF(verbs); i++)
		fprintf(to, "  %-9s %s\n", verbs[i].name, verbs[i].summary);
	fputs("\n`mayfly help VERB` tells more.\n", to);
}

static int run_help(struct call *c, const struct cli_verb *v, int argc, char **argv)
{
	const struct cli_verb *about = argc > 0 ? find_verb(argv[0]) : NULL;

	(void)c;
	if (argc > 0 && !about)
		return cli_usage(v, "there is no verb %s", argv[0]);
	if (!about) {
		print_verbs(stdout);
		return CLI_OK;
	}
	printf("mayfly %s: %s\n", about->name, about->summary);
	print_usage(about, stdout);
	if (about->text)
		printf("\n%s", about->text);
	return CLI_OK;
}

static int run_version(struct call *c, const struct cli_verb *v, int argc, char **argv)
{
	(void)c, (void)argv;
	if (argc > 0)
		return cli_usage(v, "nothing may follow");
	puts("mayfly " MAYFLY_VERSION);
	return CLI_OK;
}

static bool asks_help(int argc, char **argv)
{
	for (int i = 2; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return true;
	return false;
}

static const struct cli_verb *choose(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";

	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
		name = "help";
	else if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0)
		name = "version";
	return find_verb(name);
}

/* Exit code of a verb that may have printed to a full disk. */
static int when_written(int code)
{
	bool flushed = fflush(stdout) == 0;

	if (flushed && !ferror(stdout))
		return code;
	fprintf(stderr, "mayfly: the output cannot be written%s%s\n", flushed ? "" : ": ", flushed ? "" : strerror(errno));
	return code == CLI_OK || code == CLI_INTERRUPTED ? CLI_FAILED : code;
}

int cli_main(int argc, char **argv)
{
	const struct cli_verb *v = choose(argc, argv);
	OWNS(arena) arena = {0};
	struct call c;

	call_open(&c, &arena);
	if (v && asks_help(argc, argv))
		return when_written(run_help(&c, v, 1, argv + 1));
	if (!v || !v->run) {
		if (argc > 1)
			fprintf(stderr, "mayfly: there is no verb %s\n", argv[1]);
		print_verbs(stderr);
		return CLI_USAGE;
	}
	return when_written(v->run(&c, v, argc - 2, argv + 2));
}
