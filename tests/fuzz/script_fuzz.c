/* script_fuzz.c - libFuzzer entry: any bytes as a psql script, split, expanded, its arguments read, its statements classified.
 *
 * Beyond not crashing: pieces and their uses lie in the script in rising order, places in an expanded text lead into it, and a statement
 * that was cut is, cut again, itself.
 */
#include "sql/sql.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static bool value_of(void *arg, struct str name, struct str *ret)
{
	(void)arg;
	*ret = S("it's; \\ a \"value\"");
	return name.n == 1;
}

static void check_again(struct call *c, const struct script_piece *p)
{
	struct script_piece *again;
	int n;

	if (p->kind != SCRIPT_SQL || p->copy_in || p->gset || str_starts(p->text, S("\xEF\xBB\xBF")))
		return; /* a byte order mark counts at the beginning only */
	INVARIANT(script_split(c, p->text, &again, &n));
	INVARIANT(n == 1 && str_eq(again->text, p->text) && again->nuses == p->nuses);
}

static void check_piece(struct call *c, struct str text, const struct script_piece *p)
{
	struct script_class class;
	struct script_copy copy;
	struct script_text t;
	struct str *v;
	int nv;

	INVARIANT(p->at <= text.n && p->text.n <= text.n - p->at && p->text.p == text.p + p->at);
	for (int i = 0; i < p->nuses; i++)
		INVARIANT(p->uses[i].at >= p->at && p->uses[i].at + p->uses[i].n <= p->at + p->text.n && p->uses[i].name.n);
	check_again(c, p);
	if (script_expand(c, p, value_of, NULL, &t)) {
		for (size_t at = 0; at <= t.text.n; at++)
			INVARIANT(script_source(&t, at) >= p->at && script_source(&t, at) <= p->at + p->text.n);
		script_classify(c, t.text, &class);
		INVARIANT(!class.reads_only || !class.cluster_wide);
	}
	call_forgive(c);
	if (p->kind == SCRIPT_COPY)
		(void)(script_copy_of(c, p, &copy) && copy.statement.n);
	else if (p->kind != SCRIPT_SQL)
		(void)(script_arguments(c, p, value_of, NULL, &v, &nv) && nv);
	call_forgive(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct str text = {(const char *)bytes, n};
	struct script_piece *v;
	struct arena arena;
	struct call c;
	int nv, line = 1;

	arena_open(&arena);
	call_open(&c, &arena);
	if (script_split(&c, text, &v, &nv)) {
		size_t behind = 0;

		for (int i = 0; i < nv; i++) {
			INVARIANT(v[i].at >= behind && v[i].line >= line && v[i].column > 0);
			behind = v[i].at + v[i].text.n;
			line = v[i].line;
			check_piece(&c, text, &v[i]);
		}
	} else {
		INVARIANT(c.err.position >= 0 && (size_t)c.err.position <= n + 1);
	}
	arena_close(&arena);
	return 0;
}
