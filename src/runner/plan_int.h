/* plan_int.h - what facts.c tells plan.c, and plan.c plan_doc.c. */
#ifndef MAYFLY_RUNNER_PLAN_INT_H
#define MAYFLY_RUNNER_PLAN_INT_H

#include "runner/runner_int.h"

struct fact { /* a piece that names files or sets variables */
	struct script_piece piece;       /* without data */
	bool maybe;                      /* within \if */
};
struct fact_use { /* of a variable */
	struct str name;
	bool must;                       /* outside of \if, and neither :{?x} nor a slice: there must be such a variable */
	int64_t at;                      /* characters in the file, from 1 */
	int line, column;
};
struct file_facts {                      /* immutable but for what facts.c keeps in it */
	enum err_kind wrong;             /* ERR_NONE; else the splitter's first error, and where */
	const char *words;
	int64_t at;
	int line, column;
	const struct fact *facts;
	int nfacts;
	const struct fact_use *uses;     /* each name once, twice when not all of them must */
	int nuses;
	const struct str *volatile_names;
	int nvolatile;
	unsigned char rest[SHA256_LEN];  /* of the content without its \i and \ir */
};

bool facts_open(struct call *c, struct runner *r) NODISCARD;
void facts_close(struct runner *r);
/* Of a file of the tree, by its content. A reference. Fails only when the content cannot be had. */
bool facts_take(struct call *c, struct runner *r, const struct tree *t, const struct tree_file *f,
		const struct file_facts **ret) NODISCARD;
void facts_give(struct runner *r, const struct file_facts *f);

void hash_field(struct buf *b, struct str s); /* eight bytes of length, little-endian, and the bytes */

void chains_open(struct runner *r);
void chains_close(struct runner *r);
/* Why step `from` or a later one is a miss. `changed` is the variable or empty; at = the step. */
struct difference {
	int at;
	const char *reason;
	struct str changed;
};

#endif
