/* cli_int.h - inside cli/: verbs, options, the Mayfly at the other end, tables. */
#ifndef MAYFLY_CLI_INT_H
#define MAYFLY_CLI_INT_H

#include "base/base.h"
#include "cli/cli.h"
#include "json/json.h"
#include "out/out.h"

#include <stdio.h>

/* --- verbs: one row each in cli.c --- */
struct cli_verb {
	const char *name;
	int (*run)(struct call *c, const struct cli_verb *v, int argc, char **argv); /* NULL: main's; argv[0] is behind the verb */
	const char *usage;   /* lines behind "mayfly " */
	const char *summary;
	const char *text;    /* more for `mayfly help VERB`, or NULL */
};
int cli_events(struct call *c, const struct cli_verb *v, int argc, char **argv);
int cli_session(struct call *c, const struct cli_verb *v, int argc, char **argv);
int cli_space(struct call *c, const struct cli_verb *v, int argc, char **argv);
int cli_view(struct call *c, const struct cli_verb *v, int argc, char **argv);
int cli_page(struct call *c, const struct cli_verb *v, int argc, char **argv);
int cli_sql(struct call *c, const struct cli_verb *v, int argc, char **argv);
int cli_statements(struct call *c, const struct cli_verb *v, int argc, char **argv);
int cli_token(struct call *c, const struct cli_verb *v, int argc, char **argv);
int cli_run(struct call *c, const struct cli_verb *v, int argc, char **argv);
int cli_plan(struct call *c, const struct cli_verb *v, int argc, char **argv);
int cli_layers(struct call *c, const struct cli_verb *v, int argc, char **argv);
int cli_jobs(struct call *c, const struct cli_verb *v, int argc, char **argv);
int cli_doctor(struct call *c, const struct cli_verb *v, int argc, char **argv);

/* "mayfly VERB: <words>" and the usage on stderr; CLI_USAGE. */
int cli_usage(const struct cli_verb *v, const char *fmt, ...) PRINTF(2, 3);
/* Text that others wrote, on stderr: nothing in it can drive the terminal. */
void cli_say(struct str text);
/* The call's error on stderr; CLI_FAILED. */
int cli_failed(const struct call *c);
/* The same with the exit code of its kind: CLI_NO_SERVER, CLI_INTERRUPTED. */
int cli_end(const struct call *c);
/* From now on Ctrl-C cancels the call; a second one ends the process. */
void cli_catch_interrupt(struct call *c);

/* --- options.c: --name VALUE, --name=VALUE, -l VALUE, flags, and the rest --- */
struct cli_option {
	const char *name;   /* without dashes; ends the list when NULL */
	char letter;        /* 0 = none */
	struct str *value;  /* or: */
	bool *flag;         /* or: */
	struct cli_list *list; /* may be given again and again */
};
enum { CLI_LIST_MAX = 1024 };
struct cli_list {
	struct str v[CLI_LIST_MAX];
	int n;
};
#define CLI_OPTIONS_END {NULL, 0, NULL, NULL, NULL}
/* On failure the words are in the call. */
bool cli_options(struct call *c, const struct cli_option *options, int argc, char **argv, struct cli_list *ret) NODISCARD;
/* A whole number in the value of an option; empty leaves *ret. */
bool cli_number(struct call *c, const char *name, struct str value, int64_t max, int64_t *ret) NODISCARD;
/* The data folder: the option's value, else what the configuration says. */
bool cli_data_dir(struct call *c, struct str given, struct str *ret) NODISCARD;

/* --- remote.c: requests to a Mayfly --- */
struct remote {
	struct out_client *client;
	struct str url;       /* without a slash at its end */
	struct str given;     /* as the caller wrote it */
	struct str unix_socket;
	struct str token, tenant;
};
/* Fills what is empty from MAYFLY_URL, MAYFLY_TOKEN, MAYFLY_TENANT and the default address. */
void remote_open(struct remote *r);
void remote_drop(struct remote *r);
struct remote_ask {
	const char *method;
	struct str path;
	struct str body;      /* JSON; p = NULL: none */
	const char *type;     /* of a body that is no JSON */
	const char *accept;   /* NULL = application/json */
	const struct out_header *more;
	int nmore;            /* at most REMOTE_MORE */
	int64_t timeout_ms, stall_ms;
	size_t max_body_bytes;
	int64_t (*source)(void *arg, char *to, size_t n); /* see out.h */
	int64_t source_bytes;
	bool (*sink)(void *arg, struct str piece);
	void *arg;
};
enum { REMOTE_MORE = 4, REMOTE_ANSWER_MS = 60000 /* for a short answer */ };
#define REMOTE_OPTIONS(r) \
	{"url", 0, &(r).url, NULL, NULL}, {"token", 0, &(r).token, NULL, NULL}, {"tenant", 0, &(r).tenant, NULL, NULL}
/* One segment of a path, or a value of a query, percent-encoded. */
struct str remote_escape(struct arena *a, struct str s);
/* A member that is text, whatever else the document holds; else empty. */
struct str remote_text(const json_node *o, const char *key);
bool remote_send(struct call *c, const struct remote *r, const struct remote_ask *q, struct out_answer *ret) NODISCARD;
/* The same, where any status over 299 is an error too: its words, sqlstate and position in the call. */
bool remote_ask(struct call *c, const struct remote *r, const struct remote_ask *q, struct out_answer *ret) NODISCARD;

/* remote_ask, and the object that is answered. */
bool remote_json(struct call *c, const struct remote *r, const struct remote_ask *q, const json_node **ret) NODISCARD;

/* --- action.c: verbs that have actions --- */
struct cli_action {
	const char *name;    /* ends the list when NULL */
	int (*run)(struct call *c, const struct cli_verb *v, void *ask);
	int least, most;     /* arguments behind it */
	const char *wants;   /* the same in words */
};
#define CLI_ACTIONS_END {NULL, NULL, 0, 0, NULL}
struct cli_acting {          /* what an action works on */
	struct remote *remote; /* opened and dropped around it; NULL = none */
	const struct cli_list *rest;
	void *ask;
};
/* NULL: there is none of that name (or no name), which was said. */
const struct cli_action *cli_action_named(struct call *c, const struct cli_verb *v, const struct cli_action *actions,
					  const char *name);
int cli_act(struct call *c, const struct cli_verb *v, const struct cli_action *action, const struct cli_acting *on);

/* --- session.c, session_run.c --- */
struct session_ask {
	struct remote remote;
	struct str storage, timeout, idle, key, format, table;
	struct str body;      /* of opening it */
	char **command;       /* of run, behind its `--` */
	struct cli_list labels, rest; /* rest: behind the action */
};
bool session_read(struct call *c, int argc, char **argv, struct session_ask *a) NODISCARD; /* argv[0]: the action */
bool session_open_body(struct call *c, const struct session_ask *a, struct str *ret) NODISCARD;
bool session_table_body(struct call *c, const struct session_ask *a, struct str *ret) NODISCARD;
bool session_begin(struct call *c, const struct session_ask *a, int64_t within_ms, struct str *ret_id) NODISCARD;
int session_run(struct call *c, const struct cli_verb *v, void *ask);

/* --- upload.c: rows of a file or of standard input ("-"), with progress on a terminal --- */
struct cli_upload {
	const char *method;
	struct str path, file;
	const char *type;     /* of its rows */
};
const char *cli_rows_type(struct str format, struct str file); /* a media type; NULL: neither tells */
bool cli_upload_type(struct call *c, struct cli_upload *a, struct str format) NODISCARD; /* fills a->type */
/* An exit code; CLI_OK with the object that was answered. */
int cli_upload(struct call *c, const struct cli_verb *v, const struct remote *r, const struct cli_upload *a, const json_node **ret);

/* --- list.c --- */
struct cli_column {
	const char *head, *member; /* member: "a" or "a.b" */
	bool number;
};
/* Prints every item of the list at `path` (which may have a query): a table of these columns (ended by NULL), or with "json" a line each. */
int cli_list(struct call *c, const struct cli_verb *v, const struct remote *r, struct str path, struct str format,
	     const struct cli_column *columns);
const json_node *cli_member(const json_node *o, const char *path); /* "a.b"; NULL where there is none */
void cli_print_node(const json_node *n);

/* --- space.c, view.c --- */
struct str cli_space_path(struct call *c, struct str space, const char *kind, struct str id); /* /v1/spaces/{space}{kind}/{id} */
int cli_drop(struct call *c, const struct remote *r, struct str path);                        /* DELETE; an exit code */
void cli_put_value(struct call *c, struct json_out *o, struct str value); /* as JSON where it is that, else as text */

/* --- sql.c --- */
/* A statement: *sql when it is given, else FILE's, else standard input's. */
bool cli_read_sql(struct call *c, struct str file, struct str *sql) NODISCARD;

/* --- statement_follow.c --- */
struct statement_following {
	const struct remote *remote;
	struct str handle;
	bool watched;         /* stderr is a terminal: a line that moves */
	int64_t started_ms;
};
struct str cli_statement_path(struct call *c, struct str handle, const char *tail); /* /v1/statements/{handle}<tail> */
bool cli_statement_follow(struct call *c, const struct statement_following *f, const json_node **ret) NODISCARD; /* the ended one's document */
bool cli_statement_outcome(struct call *c, const json_node *doc) NODISCARD; /* of an ended one; else fails as it did */
bool cli_statement_cancel(struct call *c, const struct remote *r, struct str handle) NODISCARD;

/* --- caret.c: a place in a text --- */
/* The byte offset of a line and column, both from 1, columns in characters; SIZE_MAX when there is no such line. */
size_t caret_find(struct str text, int line, int column);
size_t caret_nth(struct str text, int64_t position); /* of a character, from 1 */
void caret_line_of(struct str text, size_t at, int *ret_line, int *ret_column);
/* The line that holds the byte, as a terminal may show it, and a caret under it; both indented. */
void caret_add(struct buf *b, struct str text, size_t at);

/* --- events.c --- */
#define CLI_STORE_FOLDER "store" /* in the data folder, as main.c has it: the event log is there */

/* --- result.c: results of statements, for people and for programs --- */
struct cli_format {
	const char *name;
	const char *accept; /* NULL: a table, made here */
};
const struct cli_format *cli_format_named(struct str name); /* empty = the table; NULL = there is none */
/* Sends q, whose answer is a result, and prints it. */
bool cli_show(struct call *c, const struct remote *r, const struct remote_ask *q, const struct cli_format *f) NODISCARD;
void cli_print_rows(const json_node *columns, const json_node *rows); /* arrays; a table on stdout */
bool cli_is_array(const json_node *n); /* n may be NULL */

/* --- sse.c: reading text/event-stream --- */
struct sse {                 /* zeroed is ready */
	struct buf line, data, event, id;
	struct buf coming;   /* an id, till its event is whole */
	bool cr;             /* the last byte was a CR: a LF behind it is no line */
	bool has_data;
	/* An event is whole; `id` is its own, or that of one before. False: stop. */
	bool (*fn)(void *arg, const struct sse *s);
	void *arg;
};
void sse_drop(struct sse *s);
void sse_again(struct sse *s);                  /* a new connection; keeps the id */
bool sse_feed(struct sse *s, struct str bytes); /* false: fn said stop, or a line is too long */

/* --- table.c: aligned columns for people --- */
struct table {
	int columns;
	bool *right;           /* a column of numbers */
	struct buf text;       /* of all cells, what may harm a terminal made visible */
	struct table_cell *cells;
	size_t ncells, cap;
};
void table_open(struct table *t, int columns);
void table_drop(struct table *t);
void table_add(struct table *t, struct str cell); /* row by row; the first row is the head */
void table_print(const struct table *t, FILE *to);
size_t table_add_visible(struct buf *b, struct str text); /* UTF-8; what may harm a terminal made visible; its width in columns */

#endif
