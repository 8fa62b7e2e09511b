/* build_int.h - between build.c (is a build needed, and in what order?) and build_run.c (the build itself).
 *
 * A frame is one build of an operation: the one that was asked for, and above it
 * those of the views among its sources, which come first.
 */
#ifndef MAYFLY_VIEW_BUILD_INT_H
#define MAYFLY_VIEW_BUILD_INT_H

#include "view/view_int.h"

struct flight;
struct child;
struct fresh;

struct frame {
	struct build *b;
	struct frame *outer;
	int depth;
	int64_t began_ms;              /* mono */
	struct flight *flight;         /* held: nobody else of this process refreshes the view */
	struct child *child;           /* a view among the sources, being looked at */
	struct fresh *fresh;           /* of the outermost: views that were looked at */
	/* the names, and where they lead */
	struct select_read read;
	bool parsed;                   /* by the worker; else names are what the snapshot says */
	const struct named_table *names;
	int nnames;
	struct source *sources;
	int nsources;
	struct str sources_json;       /* as PROP_SOURCES has it */
	/* the view itself, as it was when the frame began */
	struct ice_table table;        /* version 0: none */
	const struct ice_snapshot *there; /* with these values of the variables, of this revision; NULL = none */
	/* build_run.c's */
	struct str inner;              /* the client's SELECT, without what follows its last token */
	struct str with;               /* the CTEs in front of it */
	struct ice_schema schema;
	struct str *casts;
	struct str order;              /* ORDER BY …, or empty */
	struct ice_order *sort;
	int nsort;
	struct written w;
	bool moved;                    /* the table's schemas changed meanwhile: from the start */
	int starts;
};

/* build.c */
void build_start(struct view_op *op);  /* of the innermost frame; again after something has moved */
void build_finish(struct view_op *op); /* with the call's error, or the frame's pin */
int build_schema_version(const struct ice_table *t, const struct ice_snapshot *s);
const struct ice_snapshot *build_there(const struct build *b, const struct ice_table *t, int64_t oldest_ms);
/* How the state of sources that `theirs` names compares with `ours`. */
enum build_age { BUILD_SAME, BUILD_NEWER /* theirs */, BUILD_OTHER };
enum build_age build_compare(struct call *c, struct str ours, struct str theirs);

/* build_run.c */
void build_run(struct view_op *op);    /* ends in build_finish() or build_start() */

#endif
