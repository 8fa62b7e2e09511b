/* script_parts.h - between the files that run scripts: script.c walks, script_vars.c keeps variables, script_place.c places errors. */
#ifndef MAYFLY_RUNNER_SCRIPT_PARTS_H
#define MAYFLY_RUNNER_SCRIPT_PARTS_H

#include "runner/runner_int.h"

/* --- script_vars.c: variables of one run --- */
enum { SCRIPT_VALUE_BYTES = 1 << 20, SCRIPT_VARIABLES_BYTES = 64 << 20 };
struct script_vars {
	struct map by_name;
	size_t bytes;
};
void script_vars_open(struct script_vars *v, const struct job_variable *given, int n);
void script_vars_close(struct script_vars *v);
bool script_vars_value(void *vars, struct str name, struct str *ret); /* a script_value_fn */
/* ERR_SCRIPT: no name of a variable, or too long. */
bool script_vars_set(struct call *c, struct script_vars *v, struct str name, struct str value) NODISCARD;
void script_vars_unset(struct script_vars *v, struct str name);
/* The one row of an answer in text form becomes variables. ERR_SCRIPT when there is none, or more. */
bool script_vars_gset(struct call *c, struct script_vars *v, struct str prefix, const struct pg_answer *a) NODISCARD;

/* --- script_place.c --- */
struct script_file {
	struct str path, text;
	struct script_piece *v;
	int n;
};
/* ERR_BINARY_FILE and what script_split() fails with; the caller places it: *ret has the path then, without pieces. */
bool script_file_read(struct call *c, const struct script_run *run, struct str path, struct script_file **ret) NODISCARD;
/* The call's error, whose position is a byte of the file + 1, is the run's. */
void script_place_call(struct call *c, struct script_run *run, const struct script_file *f, const struct script_piece *p);
/* PostgreSQL's error of the piece that was sent as `t` (NULL: as something else). Copies. */
void script_place_notice(struct call *c, struct script_run *run, const struct script_file *f, const struct script_piece *p,
			 const struct script_text *t, const struct pg_notice *n);

#endif
