/* sql.c - `mayfly sql`: submit, follow, show. The statement runs on the server
 * all the while; what is here only asks about it.
 */
#include "cli/cli_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	SQL_MAX = 64 << 20,
	TIMEOUT_MAX = 604800,
};

struct sql_run {
	struct remote remote;
	struct str sql, file, session, database, schema;
	const struct cli_format *format;
	bool snowflake;
	int64_t timeout_seconds;   /* 0 = the server's */
	struct statement_following follows;
};

/* --- the statement's text --- */

static bool read_stream(struct call *c, FILE *f, struct str *ret)
{
	OWNS(buf) text = {.limit = SQL_MAX};
	char *to;
	size_t n;

	while ((to = buf_room(&text, 4096)) && (n = fread(to, 1, 4096, f)) > 0)
		text.n += n;
	if (ferror(f))
		return fail(c, ERR_INVALID_FIELD, "cannot read the statement: %s", strerror(errno));
	if (!buf_ok(&text))
		return fail(c, ERR_BODY_TOO_LARGE, "the statement is longer than %d bytes", SQL_MAX);
	*ret = arena_dup(c->arena, buf_str(&text));
	return true;
}

bool cli_read_sql(struct call *c, struct str file, struct str *sql)
{
	FILE *f;
	bool done;

	if (sql->p)
		return true;
	if (!file.n || str_eq(file, S("-"))) {
		if (isatty(STDIN_FILENO))
			fputs("Type a statement and end it with Ctrl-D.\n", stderr);
		return read_stream(c, stdin, sql);
	}
	f = fopen(arena_cstr(c->arena, file), "re");
	if (!f)
		return fail(c, ERR_INVALID_FIELD, "cannot open %.*s: %s", SARG(file), strerror(errno));
	done = read_stream(c, f, sql);
	fclose(f);
	return done;
}

/* --- submit --- */

static void add_context(struct json_out *o, const struct sql_run *r)
{
	if (r->database.n)
		JSON_FIELD_TEXT(o, "database", r->database);
	if (r->schema.n)
		JSON_FIELD_TEXT(o, "schema", r->schema);
	json_key(o, S("parameters"));
	json_begin_object(o);
	JSON_FIELD_TEXT(o, "MULTI_STATEMENT_COUNT", S("0"));
	json_end_object(o);
}

static struct str submit_body(struct call *c, const struct sql_run *r)
{
	OWNS(buf) b = {0};
	struct json_out o = json_out(&b);

	json_begin_object(&o);
	json_key(&o, r->snowflake ? S("statement") : S("sql"));
	json_put_text(&o, r->sql);
	if (r->timeout_seconds) {
		json_key(&o, r->snowflake ? S("timeout") : S("timeout_seconds"));
		json_put_int(&o, r->timeout_seconds);
	}
	if (r->session.n && !r->snowflake)
		JSON_FIELD_TEXT(&o, "session_id", r->session);
	if (r->snowflake)
		add_context(&o, r);
	json_end_object(&o);
	return arena_dup(c->arena, buf_str(&b));
}

/* Without waiting: so that there is a handle to cancel from the first moment on. */
static bool submit(struct call *c, struct sql_run *r)
{
	const struct out_header session = {S("X-Mayfly-Session"), r->session};
	struct remote_ask q = {
		.method = "POST",
		.path = r->snowflake ? S("/api/v2/statements?async=true") : S("/v1/statements"),
		.more = &session,
		.nmore = r->snowflake && r->session.n ? 1 : 0,
		.body = submit_body(c, r),
		.timeout_ms = REMOTE_ANSWER_MS,
	};
	const json_node *o, *handle;
	struct out_answer a;

	if (!remote_ask(c, &r->remote, &q, &a))
		return false;
	if (!json_read_object(c, a.body, &o))
		return false;
	handle = json_get(o, r->snowflake ? "statementHandle" : "handle");
	if (!handle || json_kind(handle) != JSON_KIND_TEXT || !id_valid(json_text(handle)))
		return fail(c, ERR_INTERNAL, "the server answered without a handle");
	r->follows.handle = json_text(handle);
	return true;
}

static void cancel_statement(const struct call *c, const struct sql_run *r)
{
	OWNS(arena) arena = {0};
	struct call again = *c; /* without the interrupt and its error */

	if (!r->follows.handle.n)
		return;
	again.arena = &arena;
	again.cancel = NULL;
	call_forgive(&again);
	if (cli_statement_cancel(&again, &r->remote, r->follows.handle))
		fprintf(stderr, "canceled\n");
	else
		fprintf(stderr, "mayfly: the cancel failed: %s\n", again.err.text);
}

/* --- show --- */

static bool show(struct call *c, const struct sql_run *r, struct str handle)
{
	struct remote_ask q = {.method = "GET", .path = cli_statement_path(c, handle, "/result")};

	return cli_show(c, &r->remote, &q, r->format);
}

/* The handles of a script's statements; NULL where it was one statement. */
static bool statements_of(struct call *c, const struct sql_run *r, const json_node **ret)
{
	struct remote_ask q = {.method = "GET", .timeout_ms = REMOTE_ANSWER_MS};
	const json_node *o;

	*ret = NULL;
	if (!r->snowflake || !memchr(r->sql.p, ';', r->sql.n))
		return true;
	q.path = arena_fmt(c->arena, "/api/v2/statements/%.*s", SARG(remote_escape(c->arena, r->follows.handle)));
	if (!remote_json(c, &r->remote, &q, &o))
		return false;
	*ret = json_get(o, "statementHandles");
	return true;
}

/* ret_n: how many statements a script had; 1 = it is none. */
static bool show_all(struct call *c, const struct sql_run *r, size_t *ret_n)
{
	const json_node *handles;

	if (!statements_of(c, r, &handles))
		return false;
	*ret_n = handles ? json_count(handles) : 1;
	if (!handles)
		return show(c, r, r->follows.handle);
	for (size_t i = 0; cli_is_array(handles) && i < json_count(handles); i++) {
		const json_node *handle = json_at(handles, i);

		if (json_kind(handle) != JSON_KIND_TEXT || !id_valid(json_text(handle)))
			return fail(c, ERR_INTERNAL, "the server answered without a handle");
		if (!show(c, r, json_text(handle)))
			return false;
	}
	return true;
}

static void show_count(const struct sql_run *r, const json_node *doc, size_t statements)
{
	const json_node *n = json_get(doc, "row_count");
	double seconds = (double)(clock_mono_ms() - r->follows.started_ms) / 1000;

	if (statements > 1)
		fprintf(stderr, "(%zu statements, %.3f s)\n", statements, seconds);
	else if (n && json_kind(n) == JSON_KIND_INT)
		fprintf(stderr, "(%lld row%s, %.3f s)\n", (long long)json_int(n), json_int(n) == 1 ? "" : "s", seconds);
	else
		fprintf(stderr, "(%.3f s)\n", seconds);
}

/* The line of `sql` that holds the 1-based `position`, and a caret under it. */
static void show_place(struct str sql, int position)
{
	OWNS(buf) place = {0};

	if (position < 1 || (size_t)position > sql.n + 1)
		return;
	caret_add(&place, sql, (size_t)position - 1);
	fwrite(place.p, 1, place.n, stderr);
}

/* --- the verb --- */

static bool run(struct call *c, struct sql_run *r)
{
	const json_node *doc;
	size_t statements;

	r->follows.started_ms = clock_mono_ms();
	if (!submit(c, r) || !cli_statement_follow(c, &r->follows, &doc) || !cli_statement_outcome(c, doc))
		return false;
	if (!show_all(c, r, &statements))
		return false;
	show_count(r, doc, statements);
	return true;
}

static int end(const struct call *c, const struct sql_run *r)
{
	int code;

	if (c->err.kind == ERR_CANCELED) {
		cancel_statement(c, r);
		return CLI_INTERRUPTED;
	}
	code = cli_end(c);
	if (code == CLI_FAILED)
		show_place(r->sql, c->err.position);
	return code;
}

int cli_sql(struct call *c, const struct cli_verb *v, int argc, char **argv)
{
	struct sql_run r = {.follows = {.remote = &r.remote, .watched = isatty(STDERR_FILENO)}};
	struct str format = {0}, timeout = {0};
	const struct cli_option options[] = {
		REMOTE_OPTIONS(r.remote),
		{"format", 0, &format, NULL, NULL},   {"timeout", 0, &timeout, NULL, NULL},
		{"session", 0, &r.session, NULL, NULL}, {"file", 'f', &r.file, NULL, NULL},
		{"database", 0, &r.database, NULL, NULL}, {"schema", 0, &r.schema, NULL, NULL},
		{"snowflake", 0, NULL, &r.snowflake, NULL}, CLI_OPTIONS_END};
	struct cli_list rest;
	int code;

	if (!cli_options(c, options, argc, argv, &rest) || !cli_number(c, "timeout", timeout, TIMEOUT_MAX, &r.timeout_seconds))
		return cli_usage(v, "%s", c->err.text);
	r.format = cli_format_named(format);
	if (!r.format)
		return cli_usage(v, "there is no format %.*s", SARG(format));
	if (rest.n > 1 || (rest.n && r.file.n))
		return cli_usage(v, "one statement, or one file");
	if ((r.database.n || r.schema.n) && !r.snowflake)
		return cli_usage(v, "--database and --schema are for --snowflake");
	if (rest.n)
		r.sql = rest.v[0];
	if (!r.session.n)
		r.session = str_of(getenv("MAYFLY_SESSION"));
	if (!cli_read_sql(c, r.file, &r.sql))
		return cli_usage(v, "%s", c->err.text);
	remote_open(&r.remote);
	cli_catch_interrupt(c);
	code = run(c, &r) ? CLI_OK : end(c, &r);
	remote_drop(&r.remote);
	return code;
}
