/* cli.h - the door of cli/: the client commands of `mayfly`.
 *
 * They stand beside api/ and talk HTTP like any client; only `token` and
 * `doctor` look at the data folder. One thread, one run a process.
 */
#ifndef MAYFLY_CLI_H
#define MAYFLY_CLI_H

/* Exit codes of every verb. */
enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2, CLI_NO_SERVER = 3, CLI_INTERRUPTED = 130 };

/* Runs `mayfly VERB …` for every verb but serve and engine, which are main's. */
int cli_main(int argc, char **argv);

#endif
