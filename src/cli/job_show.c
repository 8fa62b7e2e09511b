/* job_show.c - what came of a job: rows, notices, the error with its place, one line about what was reused. */
#include "cli/chain.h"

enum { ID_SHOWN = 12 };

static int64_t int_of(const json_node *o, const char *key)
{
	const json_node *n = cli_member(o, key);

	return n && json_kind(n) == JSON_KIND_INT ? json_int(n) : 0;
}

static double number_of(const json_node *o, const char *key)
{
	const json_node *n = cli_member(o, key);

	return n && (json_kind(n) == JSON_KIND_INT || json_kind(n) == JSON_KIND_REAL) ? json_number(n) : 0;
}

/* --- how it ended --- */

static bool one_of(struct str s, const struct str *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(names[i], s))
			return true;
	return false;
}

static int failure_code(const json_node *job, const json_node *error)
{
	static const struct str stopped[] = {S_INIT("canceled"), S_INIT("timeout"), S_INIT("statement_timeout")};
	static const struct str no_engine[] = {S_INIT("engine_unreachable"), S_INIT("engine_lost"), S_INIT("instance_lost"),
					       S_INIT("unavailable"), S_INIT("storage_error"), S_INIT("internal_error")};
	struct str code = remote_text(error, "code"), stage = remote_text(error, "stage");

	if (!stage.n)
		stage = remote_text(job, "stage");
	if (one_of(code, stopped, COUNT_OF(stopped)))
		return JOB_STOPPED;
	if (one_of(code, no_engine, COUNT_OF(no_engine)))
		return JOB_NO_ENGINE;
	return str_eq(stage, S("head_execution")) ? JOB_HEAD_FAILED : JOB_TAIL_FAILED;
}

int job_exit_code(const json_node *job)
{
	struct str status = remote_text(job, "status");

	if (str_eq(status, S("completed")))
		return CLI_OK;
	return str_eq(status, S("canceled")) ? JOB_STOPPED : failure_code(job, json_get(job, "error"));
}

/* --- results --- */

static void show_notice(const json_node *n)
{
	struct str severity, message;

	if (json_kind(n) == JSON_KIND_TEXT) {
		severity = S("NOTICE");
		message = json_text(n);
	} else {
		severity = remote_text(n, "severity");
		message = remote_text(n, "message");
	}
	cli_say(severity.n ? severity : S("NOTICE"));
	fputs(":  ", stderr);
	cli_say(message);
	fputc('\n', stderr);
}

static void show_result(const json_node *r, bool more)
{
	const json_node *columns = json_get(r, "columns"), *rows = json_get(r, "rows"), *notices = json_get(r, "notices");
	const json_node *truncated = json_get(r, "truncated");

	for (size_t i = 0; cli_is_array(notices) && i < json_count(notices); i++)
		show_notice(json_at(notices, i));
	if (cli_is_array(columns) && cli_is_array(rows) && json_count(columns)) {
		cli_print_rows(columns, rows);
		printf("(%zu row%s%s)\n", json_count(rows), json_count(rows) == 1 ? "" : "s",
		       truncated && json_kind(truncated) == JSON_KIND_BOOL && json_bool(truncated) ? ", the rest is cut" : "");
	} else {
		printf("%.*s\n", SARG(remote_text(r, "command_tag")));
	}
	if (more)
		putchar('\n');
	fflush(stdout);
}

static bool show_tables(const json_node *results)
{
	size_t n = cli_is_array(results) ? json_count(results) : 0;

	for (size_t i = 0; i < n; i++)
		if (json_kind(json_at(results, i)) == JSON_KIND_OBJECT)
			show_result(json_at(results, i), i + 1 < n);
	return true;
}

bool job_show_results(struct call *c, const struct remote *r, const json_node *job, const struct cli_format *f)
{
	const json_node *results = json_get(job, "results");
	bool first = true;

	if (!f->accept)
		return show_tables(results);
	if (strcmp(f->name, "json") == 0) {
		cli_print_node(job);
		return true;
	}
	for (size_t i = 0; cli_is_array(results) && i < json_count(results); i++) {
		struct remote_ask q = {.method = "GET", .timeout_ms = REMOTE_ANSWER_MS};
		const json_node *columns = cli_member(json_at(results, i), "columns");

		if (!cli_is_array(columns) || !json_count(columns))
			continue;
		if (!first && strcmp(f->name, "csv") == 0)
			putchar('\n');
		first = false;
		q.path = arena_fmt(c->arena, "%.*s/results/%zu", SARG(job_path(c, remote_text(job, "job_id"), "")), i);
		if (!cli_show(c, r, &q, f))
			return false;
	}
	return true;
}

/* --- an error --- */

struct place {
	struct str path, source;  /* source: p = NULL when the file is not at hand */
	size_t at;
	int line, column;         /* 0 = unknown */
};

static void find_place(struct call *c, const struct project *p, const json_node *error, struct place *ret)
{
	int64_t position = int_of(error, "position");
	const struct project_file *f;

	*ret = (struct place){.path = remote_text(error, "path"), .at = SIZE_MAX, .line = (int)int_of(error, "line"),
			      .column = (int)int_of(error, "column")};
	f = p && ret->path.n ? project_file(p, ret->path) : NULL;
	if (!f || !project_content(c, p, f, &ret->source)) {
		call_forgive(c);
		return;
	}
	if (ret->line > 0 && (ret->column > 0 || !position))
		ret->at = caret_find(ret->source, ret->line, ret->column);
	else if (position > 0)
		ret->at = caret_nth(ret->source, position);
	if (ret->at != SIZE_MAX && !ret->column && position > 0)
		caret_line_of(ret->source, ret->at, &ret->line, &ret->column);
}

static void say_member(const json_node *error, const char *key)
{
	struct str text = remote_text(error, key);

	if (!text.n)
		return;
	fprintf(stderr, "  %s: ", key);
	cli_say(text);
	fputc('\n', stderr);
}

static void say_place(const struct place *p)
{
	if (!p->path.n)
		return;
	cli_say(p->path);
	if (p->line > 0)
		fprintf(stderr, ":%d", p->line);
	if (p->line > 0 && p->column > 0)
		fprintf(stderr, ":%d", p->column);
	fputs(": ", stderr);
}

void job_show_error(struct call *c, const struct project *p, const json_node *error)
{
	struct str message = remote_text(error, "message"), state = remote_text(error, "sqlstate");
	bool of_job = message.n > 0; /* else problem details, whose `detail` is the message */
	OWNS(buf) source = {0};
	struct place place;

	find_place(c, p, error, &place);
	fputs("mayfly: ", stderr);
	say_place(&place);
	cli_say(of_job ? message : remote_text(error, remote_text(error, "detail").n ? "detail" : "title"));
	fprintf(stderr, " (%s%.*s)\n", state.n ? "SQLSTATE " : "", SARG(state.n ? state : remote_text(error, "code")));
	if (place.at != SIZE_MAX)
		caret_add(&source, place.source, place.at);
	fwrite(source.p, 1, source.n, stderr);
	if (of_job)
		say_member(error, "detail");
	say_member(error, "hint");
}

/* --- the last line --- */

/* Nothing where every step gives the same on each replay. */
static void say_determinism(const json_node *job)
{
	struct str verdict = remote_text(json_get(job, "snapshot"), "deterministic");
	const json_node *names = cli_member(job, "snapshot.volatile");

	if (!verdict.n || str_eq(verdict, S("yes")))
		return;
	fprintf(stderr, "; deterministic: %.*s", SARG(verdict));
	for (size_t i = 0; cli_is_array(names) && i < json_count(names); i++) {
		struct str name = json_kind(json_at(names, i)) == JSON_KIND_TEXT ? json_text(json_at(names, i)) : S("");

		fputs(i ? ", " : ": ", stderr);
		cli_say(name);
	}
}

void job_show_end(const json_node *job)
{
	const json_node *hit = cli_member(job, "snapshot.hit"), *layer = cli_member(job, "snapshot.layer_id");
	struct str status = remote_text(job, "status");

	fprintf(stderr, "%.*s in %.3f s", SARG(status), number_of(job, "metrics.latency_ms") / 1000);
	if (layer && json_kind(layer) == JSON_KIND_TEXT)
		fprintf(stderr, ": layer %.*s, %s, %lld of %lld steps reused", SARG(str_head(json_text(layer), ID_SHOWN)),
			hit && json_kind(hit) == JSON_KIND_BOOL && json_bool(hit) ? "hit" : "miss",
			(long long)int_of(job, "snapshot.steps_reused"), (long long)int_of(job, "progress.steps_total"));
	say_determinism(job);
	fputc('\n', stderr);
}
