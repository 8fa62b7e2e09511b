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
int cli_sql(struct call *c, const struct cli_verb *v, int argc, char **argv);
int cli_token(struct call *c, const struct cli_verb *v, int argc, char **argv);
int cli_doctor(struct call *c, const struct cli_verb *v, int argc, char **argv);

/* "mayfly VERB: <words>" and the usage on stderr; CLI_USAGE. */
int cli_usage(const struct cli_verb *v, const char *fmt, ...) PRINTF(2, 3);
/* The call's error on stderr; CLI_FAILED. */
int cli_failed(const struct call *c);

/* --- options.c: --name VALUE, --name=VALUE, -l VALUE, flags, and the rest --- */
struct cli_option {
	const char *name;   /* without dashes; ends the list when NULL */
	char letter;        /* 0 = none */
	struct str *value;  /* or: */
	bool *flag;
};
enum { CLI_REST_MAX = 4 };
struct cli_rest {
	struct str v[CLI_REST_MAX];
	int n;
};
/* On failure the words are in the call. */
bool cli_options(struct call *c, const struct cli_option *options, int argc, char **argv, struct cli_rest *ret) NODISCARD;
/* A whole number in the value of an option; empty leaves *ret. */
bool cli_number(struct call *c, const char *name, struct str value, int64_t max, int64_t *ret) NODISCARD;
/* The data folder: the option's value, else what the configuration says. */
bool cli_data_dir(struct call *c, struct str given, struct str *ret) NODISCARD;

/* --- remote.c: requests to a Mayfly --- */
struct remote {
	struct out_client *client;
	struct str url;       /* without a slash at its end */
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
	const char *accept;   /* NULL = application/json */
	int64_t timeout_ms;
	size_t max_body_bytes;
	bool (*sink)(void *arg, struct str piece);
	void *arg;
};
bool remote_send(struct call *c, const struct remote *r, const struct remote_ask *q, struct out_answer *ret) NODISCARD;
/* The same, where any status over 299 is an error too: its words, sqlstate and position in the call. */
bool remote_ask(struct call *c, const struct remote *r, const struct remote_ask *q, struct out_answer *ret) NODISCARD;

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

#endif
