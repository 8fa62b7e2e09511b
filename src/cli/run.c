/* run.c - `mayfly run`: a folder of SQL files as a job, its rows, its error with the source line, an exit code for CI. */
#include "cli/chain.h"

#include <unistd.h>

enum { WAIT_SECONDS = 1 /* in the request that makes the job; then its log is followed */ };

struct running {
	struct chain_ask *ask;
	const struct cli_format *format;
	struct str job;       /* once it is known */
	struct str body;      /* that asked for it; empty: nothing was asked yet */
};

/* The job of the answer, ended. */
static bool until_ended(struct call *c, struct running *r, const struct out_answer *answer, const json_node **ret)
{
	struct job_following f = {.remote = &r->ask->remote, .watched = isatty(STDERR_FILENO), .started_ms = clock_mono_ms()};
	const json_node *job;

	if (!json_read_object(c, answer->body, &job))
		return false;
	r->job = remote_text(job, "job_id");
	if (!id_valid(r->job))
		return fail(c, ERR_INTERNAL, "the server answered without a job");
	f.id = r->job;
	if (!job_has_ended(job))
		return job_follow(c, &f, ret);
	*ret = job;
	return true;
}

/* Asked for and not answered: the same request is the same job. */
static struct str job_asked_for(struct call *c, const struct running *r)
{
	struct remote_ask q = {.method = "POST", .path = S("/v1/jobs"), .body = r->body, .timeout_ms = REMOTE_ANSWER_MS};
	struct out_answer answer;
	const json_node *job;

	if (!r->body.n || !remote_ask(c, &r->ask->remote, &q, &answer) || !json_read_object(c, answer.body, &job))
		return S("");
	return remote_text(job, "job_id");
}

/* After an interrupt: the server need not go on. */
static void cancel(const struct call *c, const struct running *r)
{
	OWNS(arena) arena = {0};
	struct call again = *c;
	struct remote_ask q = {.method = "POST", .body = S(""), .timeout_ms = REMOTE_ANSWER_MS};
	struct out_answer answer;
	struct str job;

	again.arena = &arena;
	again.cancel = NULL;
	call_forgive(&again);
	job = r->job.n ? r->job : job_asked_for(&again, r);
	if (!job.n)
		return;
	q.path = job_path(&again, job, "/cancel");
	if (remote_ask(&again, &r->ask->remote, &q, &answer))
		fputs("canceled\n", stderr);
	else
		cli_failed(&again);
}

static int failed(const struct call *c, const struct running *r)
{
	if (c->err.kind != ERR_CANCELED)
		return chain_failed(c);
	cancel(c, r);
	return CLI_INTERRUPTED;
}

static int show(struct call *c, const struct running *r, const struct project *p, const json_node *job)
{
	const json_node *error = json_get(job, "error");

	if (!job_show_results(c, &r->ask->remote, job, r->format))
		return chain_failed(c);
	if (error && json_kind(error) == JSON_KIND_OBJECT)
		job_show_error(c, p, error);
	job_show_end(job);
	return job_exit_code(job);
}

static int run_project(struct call *c, struct running *r, const struct project *p)
{
	const struct out_header wait = {S("Prefer"), arena_fmt(c->arena, "wait=%d", WAIT_SECONDS)};
	struct remote_ask q = {.method = "POST", .path = S("/v1/jobs"), .more = &wait, .nmore = 1, .max_body_bytes = 512 << 20};
	struct out_answer answer;
	const struct id id = id_v4();
	const json_node *job;

	r->job = r->body = S("");
	r->ask->request_id = arena_dup(c->arena, id_str(&id));
	if (p->left_out)
		fprintf(stderr, "mayfly: %zu files over %d MiB are left out\n", p->left_out, PROJECT_FILE_MAX >> 20);
	if (!project_file(p, r->ask->head)) {
		fprintf(stderr, "mayfly: there is no file %.*s in %.*s\n", SARG(r->ask->head), SARG(p->folder));
		return CLI_USAGE;
	}
	if (!chain_send(c, r->ask, p, &q, &answer)) {
		r->body = q.body;
		return failed(c, r);
	}
	if (answer.status >= 300)
		return chain_refused(c, p, &answer);
	return until_ended(c, r, &answer, &job) ? show(c, r, p, job) : failed(c, r);
}

static int run_once(struct call *c, struct running *r)
{
	struct project project;

	return project_read(c, r->ask->rest.v[0], &project) ? run_project(c, r, &project) : failed(c, r);
}

/* Watches the folders before their files are read: no change is missed. */
static int run_and_wait(struct call *c, struct running *r)
{
	struct project project;
	int watch, code;

	if (!project_read(c, r->ask->rest.v[0], &project) || !project_watch(c, &project, &watch))
		return failed(c, r);
	code = run_once(c, r);
	if (code == CLI_INTERRUPTED || code == CLI_USAGE) {
		close(watch);
		return code;
	}
	fprintf(stderr, "waiting for a change in %.*s\n", SARG(project.folder));
	return project_wait(c, watch) ? CLI_OK : failed(c, r);
}

static int run_again_and_again(struct call *c, struct running *r)
{
	int code = CLI_OK;

	while (code == CLI_OK) {
		OWNS(arena) arena = {0}; /* of one round */
		struct call one = *c;

		one.arena = &arena;
		code = run_and_wait(&one, r);
		r->job = S("");
	}
	return code;
}

int cli_run(struct call *c, const struct cli_verb *v, int argc, char **argv)
{
	struct chain_ask *a = ARENA_NEW(c->arena, struct chain_ask);
	struct running r = {.ask = a};
	int code = chain_read(c, v, argc, argv, a);

	if (code >= 0)
		return code;
	r.format = cli_format_named(a->format);
	if (!r.format)
		return cli_usage(v, "there is no format %.*s", SARG(a->format));
	remote_open(&a->remote);
	cli_catch_interrupt(c);
	code = a->watch ? run_again_and_again(c, &r) : run_once(c, &r);
	remote_drop(&a->remote);
	return code;
}
