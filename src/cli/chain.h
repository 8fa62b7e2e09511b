/* chain.h - inside cli/: what `run`, `plan` and `jobs` share: a folder of SQL files, what is sent of it, what came of it. */
#ifndef MAYFLY_CLI_CHAIN_H
#define MAYFLY_CLI_CHAIN_H

#include "cli/cli_int.h"

/* --- project.c: a folder of SQL files --- */
enum { PROJECT_FILES_MAX = 100000, PROJECT_FILE_MAX = 256 << 20, PROJECT_DEEP_MAX = 32, PROJECT_INLINE_MAX = 64 << 10 };
struct project_file {
	struct str path;      /* in the folder, parts joined by '/' */
	struct str etag;      /* "sha256:<hex>" */
	struct str content;   /* p = NULL: long, or no text: it is sent by its etag */
	int64_t size;
};
struct project {
	struct str folder;
	struct project_file *files; /* bytewise by path */
	size_t n, cap;
	struct str *folders;  /* that were walked; the first is "" */
	size_t nfolders, folders_cap;
	size_t left_out;      /* files over PROJECT_FILE_MAX */
};
/* All regular files, but not what is hidden, and no symbolic link. In the call's arena. */
bool project_read(struct call *c, struct str folder, struct project *ret) NODISCARD;
const struct project_file *project_file(const struct project *p, struct str path);
/* A file's bytes as they are now. */
bool project_content(struct call *c, const struct project *p, const struct project_file *f, struct str *ret) NODISCARD;
/* From now on changes in the project's folders count; project_wait() closes it. */
bool project_watch(struct call *c, const struct project *p, int *ret) NODISCARD;
/* Returns when something has changed, and nothing more for a moment. */
bool project_wait(struct call *c, int watch) NODISCARD;

/* --- chain.c: a project and what is asked of it, as `run` and `plan` send it --- */
struct chain_ask {
	struct remote remote;
	struct str head, chain, timeout, format, isolation;
	struct str request_id; /* sent again, it is the same job; empty = none */
	bool verify, watch;
	int64_t timeout_s;    /* 0 = the server's */
	struct cli_list variables, rest; /* rest: the folder */
};
/* Options, the folder, what can be checked before anything is sent; an exit code, or -1: go on. */
int chain_read(struct call *c, const struct cli_verb *v, int argc, char **argv, struct chain_ask *a);
/* Uploads what the server lacks and posts the project; q has path and headers. Any status but 422 missing_blobs is answered. */
bool chain_send(struct call *c, const struct chain_ask *a, const struct project *p, struct remote_ask *q, struct out_answer *ret)
	NODISCARD;
/* The answer is a problem: told, with its place; the exit code. */
int chain_refused(struct call *c, const struct project *p, const struct out_answer *answer);
/* A call that failed without an answer, or with one that cannot be read. */
int chain_failed(const struct call *c);

/* --- job_follow.c: a job till its end --- */
struct job_following {
	const struct remote *remote;
	struct str id;
	bool watched;         /* stderr is a terminal: a line with the stage */
	bool print;           /* each line of the log on stdout */
	int64_t after, started_ms;
};
bool job_follow(struct call *c, struct job_following *f, const json_node **ret) NODISCARD; /* the ended job's document */
bool job_get(struct call *c, const struct remote *r, struct str id, const json_node **ret) NODISCARD;
bool job_has_ended(const json_node *job);
struct str job_path(struct call *c, struct str id, const char *behind);
void job_print_log(const json_node *item);

/* --- job_show.c: what came of it --- */
enum { JOB_HEAD_FAILED = 1, JOB_TAIL_FAILED = 3, JOB_STOPPED = 4, JOB_NO_ENGINE = 5 };
int job_exit_code(const json_node *job);
bool job_show_results(struct call *c, const struct remote *r, const json_node *job, const struct cli_format *f) NODISCARD;
void job_show_error(struct call *c, const struct project *p, const json_node *error); /* p NULL: without the source line */
void job_show_end(const json_node *job);  /* a line: how it ended, how long, what was reused */

#endif
