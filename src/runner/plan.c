/* plan.c - the chain of a tail: each step's files and variables, hashed onto the step before.
 *
 *   id(0) = H("mayfly/base/1", what the engine is)
 *   id(i) = H("mayfly/step/1", id(i-1), tenant, kind, path, content, includes, variables)   every field with its length before it
 *
 * A file is followed as far as it can be without running it. An \i whose name is only known when it runs, or which stands
 * within \if and is not there, makes every file of the project count: too much is hashed rather than too little.
 *
 * Not here: what a file holds (facts.c), plans as documents (plan_doc.c), running (script.c).
 *
 * Threads: any.
 */
#include "runner/plan_int.h"

#include <stdlib.h>

enum {
	INCLUDE_DEPTH = 64,
	INCLUDES_MAX = 100000,           /* of one plan, each as often as it is included */
	PREFIXES_MAX = 32,               /* of \gset in a step; beyond, any name may be set */
	FOLLOWED_MAX = 2000000,          /* what files ask for, each as often as it is included */
	VALUES_MAX = 64 << 20,           /* bytes of values that are put together; beyond, none is known */
	VALUE_MAX = 1 << 20,             /* of one, as when it runs */
};

struct set { /* \set and \gset of a step */
	struct str name, value;
	bool known;
};
struct frame { /* a file being followed */
	const struct frame *up;
	const struct tree_file *file;
	const struct file_facts *facts;
	int depth;
};
struct walk {
	struct call *c;
	struct runner *r;
	const struct plan_ask *ask;
	struct job_error *error;
	struct map variables;            /* of the job */
	struct map included;             /* paths that files of the plan name */
	struct map volatiles;
	int nincludes;
	int64_t followed, put_together;  /* up to FOLLOWED_MAX, VALUES_MAX */
	bool dynamic;                    /* a name was asked for whose value is not known yet */
	/* of the step */
	bool all_hashed;
	struct map sets;                 /* by name */
	struct str gsets[PREFIXES_MAX];  /* prefixes */
	int ngsets;
	struct map used;
	struct plan_use *uses;
	int nuses, cap_uses;
	struct buf files, values;        /* hashed fields: includes; used variables */
};

static void walk_drop(struct walk *w)
{
	map_close(&w->variables);
	map_close(&w->included);
	map_close(&w->volatiles);
	map_close(&w->sets);
	map_close(&w->used);
	buf_drop(&w->files);
	buf_drop(&w->values);
}

static void *grown(struct walk *w, void *old, int n, int *cap, size_t size)
{
	void *more;

	if (n < *cap)
		return old;
	*cap = *cap ? 2 * *cap : 8;
	more = arena_alloc(w->c->arena, (size_t)*cap * size);
	if (n)
		memcpy(more, old, (size_t)n * size);
	return more;
}

/* --- errors --- */

struct spot { /* in a file */
	int64_t at;
	int line, column;
};

/* The call's error becomes that of the file. */
static bool wrong(struct walk *w, struct str path, struct spot s)
{
	struct call *c = w->c;
	OWNS(buf) b = {0};

	*w->error = (struct job_error){
		.code = str_of(err_code(c->err.kind)), .message = arena_dup(c->arena, str_of(c->err.text)), .path = path,
		.stage = JOB_AT_PARSING, .position = s.at, .line = s.line, .column = s.column,
	};
	memcpy(w->error->sqlstate, c->err.sqlstate, sizeof(w->error->sqlstate));
	c->err.position = s.at > INT32_MAX ? 0 : (int)s.at;
	json_quote(&b, path);
	return fail_more(c, "\"path\":%.*s,\"line\":%d,\"column\":%d", (int)b.n, b.p, s.line, s.column);
}

static struct spot spot_of(const struct script_piece *p)
{
	return (struct spot){.line = p->line, .column = p->column};
}

/* An error at a piece: its place in characters is counted now, which needs the content. */
static bool wrong_piece(struct walk *w, const struct frame *f, const struct script_piece *p)
{
	struct spot s = spot_of(p);
	struct str text;
	struct err e = w->c->err;
	size_t at;

	call_forgive(w->c);
	if (!tree_content(w->c, w->r, w->ask->tree, f->file->path, &text))
		return false;
	for (at = p->at < text.n ? p->at : text.n; at > 0 && (at == text.n || text.p[at] != '\\'); at--)
		; /* the command's name is before its text */
	for (size_t i = 0; i < at; i++)
		s.at += ((unsigned char)text.p[i] & 0xC0) != 0x80;
	s.at++;
	(void)fail_as(w->c, &e);
	return wrong(w, f->file->path, s);
}

/* --- variables --- */

static const struct job_variable *job_value(const struct walk *w, struct str name)
{
	return map_get(&w->variables, name);
}

static bool by_gset(const struct walk *w, struct str name)
{
	for (int i = 0; i < w->ngsets; i++)
		if (str_starts(name, w->gsets[i]))
			return true;
	return false;
}

static bool affords(struct walk *w, size_t n)
{
	w->put_together += (int64_t)n;
	return w->put_together <= VALUES_MAX;
}

static bool value_of(void *arg, struct str name, struct str *ret)
{
	struct walk *w = arg;
	const struct set *s = map_get(&w->sets, name);
	const struct job_variable *v = job_value(w, name);

	if (s ? !s->known : by_gset(w, name)) {
		w->dynamic = true;
		return false;
	}
	if (!s && !v)
		return false;
	*ret = s ? s->value : v->value;
	w->dynamic = !affords(w, ret->n);
	return !w->dynamic;
}

static void add_set(struct walk *w, struct str name, struct str value, bool known)
{
	struct set *s = map_get(&w->sets, name);

	if (!s) {
		s = ARENA_NEW(w->c->arena, struct set);
		s->name = arena_dup(w->c->arena, name);
		map_put(&w->sets, s->name, s);
	}
	s->known = known && value.n <= VALUE_MAX && affords(w, value.n);
	s->value = s->known ? arena_dup(w->c->arena, value) : S("");
}

static void add_gset(struct walk *w, struct str prefix)
{
	struct map_slot slot;

	for (size_t i = 0; map_next(&w->sets, &i, &slot);)
		if (str_starts(slot.key, prefix))
			((struct set *)slot.value)->known = false;
	if (by_gset(w, prefix)) /* by a shorter one, or the same */
		return;
	if (w->ngsets == PREFIXES_MAX)
		w->gsets[0] = S("");
	else
		w->gsets[w->ngsets++] = prefix;
}

/* \set name value…: the values are put together. What cannot be told now is not known. */
static void follow_set(struct walk *w, const struct fact *f)
{
	struct arena *callers = w->c->arena;
	OWNS(arena) scratch = {0};
	OWNS(buf) value = {0};
	struct str *args;
	bool told;
	int n;

	w->dynamic = false;
	w->c->arena = &scratch;
	told = script_arguments(w->c, &f->piece, value_of, w, &args, &n);
	w->c->arena = callers;
	if (!told) {
		struct str rest = str_trim(f->piece.text);
		size_t end = 0;

		call_forgive(w->c);
		while (end < rest.n && !strchr(" \t'\":", rest.p[end]))
			end++;
		if (end)
			add_set(w, str_head(rest, end), S(""), false);
		else
			add_gset(w, S("")); /* whatever its name is */
		return;
	}
	if (n == 0)
		return;
	for (int i = 1; i < n; i++)
		buf_add(&value, args[i]);
	add_set(w, args[0], buf_str(&value), !f->maybe);
}

static bool set_in_step(const struct walk *w, struct str name)
{
	return map_get(&w->sets, name) || by_gset(w, name);
}

static void note_use(struct walk *w, struct str name)
{
	const struct job_variable *v = job_value(w, name);

	if (map_get(&w->used, name))
		return;
	name = arena_dup(w->c->arena, name);
	map_put(&w->used, name, w);
	w->uses = grown(w, w->uses, w->nuses, &w->cap_uses, sizeof(*w->uses));
	w->uses[w->nuses++] = (struct plan_use){name, v ? hash_bytes(v->value) | 1 : 0};
	hash_field(&w->values, name);
	buf_addc(&w->values, v ? '=' : '-');
	hash_field(&w->values, v ? v->value : S(""));
}

/* What a file needs must come from the job, or be set by now, in it or in what it includes. */
static bool check_uses(struct walk *w, const struct frame *f)
{
	for (int i = 0; i < f->facts->nuses; i++) {
		const struct fact_use *u = &f->facts->uses[i];

		note_use(w, u->name);
		if (!u->must || job_value(w, u->name) || set_in_step(w, u->name))
			continue;
		(void)fail(w->c, ERR_MISSING_VARIABLE, "the variable %.*s is not given", (int)str_head(u->name, 100).n, u->name.p);
		return wrong(w, f->file->path, (struct spot){u->at, u->line, u->column});
	}
	return true;
}

/* --- files that a file names --- */

static void hash_file(struct walk *w, char how, struct str path, struct str what)
{
	buf_addc(&w->files, how);
	hash_field(&w->files, path);
	hash_field(&w->files, what);
}

/* Its name is not known yet: any file may be meant. */
static void hash_all(struct walk *w)
{
	const struct tree *t = w->ask->tree;

	for (int i = 0; i < t->n && !w->all_hashed; i++)
		hash_file(w, '*', t->files[i].path, str_of(t->files[i].etag));
	w->all_hashed = true;
}

static bool follow_file(struct walk *w, const struct tree_file *file, const struct frame *up);

static bool is_open(const struct frame *f, const struct tree_file *file)
{
	for (; f; f = f->up)
		if (f->file == file)
			return true;
	return false;
}

static bool include(struct walk *w, const struct frame *f, const struct fact *fact, const struct tree_file *file)
{
	if (is_open(f, file)) {
		(void)fail(w->c, ERR_INCLUDE_CYCLE, "%.*s includes itself", SARG(file->path));
		return wrong_piece(w, f, &fact->piece);
	}
	if (f->depth >= INCLUDE_DEPTH || ++w->nincludes > INCLUDES_MAX) {
		(void)fail(w->c, ERR_INCLUDE_CYCLE, "files include each other more than %d deep, or %d times", INCLUDE_DEPTH, INCLUDES_MAX);
		return wrong_piece(w, f, &fact->piece);
	}
	return follow_file(w, file, f);
}

/* The file at `path`: hashed, and followed when it is SQL. */
static bool named_file(struct walk *w, const struct frame *f, const struct fact *fact, struct str path)
{
	const struct tree_file *file = tree_find(w->ask->tree, path);

	if (file)
		map_put(&w->included, file->path, w);
	if (!file && fact->maybe) {
		hash_file(w, '-', path, S(""));
		return true;
	}
	if (!file) {
		(void)fail(w->c, ERR_MISSING_INCLUDE, "%.*s is not in the project", (int)str_head(path, 200).n, path.p);
		return wrong_piece(w, f, &fact->piece);
	}
	if (fact->piece.kind == SCRIPT_COPY) {
		hash_file(w, 'c', file->path, str_of(file->etag));
		return true;
	}
	return include(w, f, fact, file);
}

/* The name as it is written, variables replaced. Empty: none, as \copy has it for rows that follow. */
static bool spelled(struct walk *w, const struct fact *fact, struct str *ret)
{
	struct script_copy copy;
	struct str *args;
	int n;

	if (fact->piece.kind == SCRIPT_COPY) {
		if (!script_copy_of(w->c, &fact->piece, &copy))
			return false;
		*ret = copy.file;
		return true;
	}
	if (!script_arguments(w->c, &fact->piece, value_of, w, &args, &n))
		return false;
	*ret = n ? args[0] : S("");
	return n > 0 || fail(w->c, ERR_SCRIPT, "an include needs the name of a file");
}

static bool follow_name(struct walk *w, const struct frame *f, const struct fact *fact)
{
	struct str from = fact->piece.kind == SCRIPT_INCLUDE_RELATIVE ? f->file->path : S(""), name, path;

	w->dynamic = false;
	if (!spelled(w, fact, &name)) {
		if (!w->dynamic && !fact->maybe)
			return wrong_piece(w, f, &fact->piece);
		call_forgive(w->c);
		hash_all(w);
		return true;
	}
	if (name.n == 0)
		return true;
	if (!tree_resolve(w->c, from, name, &path)) {
		if (!fact->maybe)
			return wrong_piece(w, f, &fact->piece);
		call_forgive(w->c);
		hash_file(w, '-', name, S(""));
		return true;
	}
	return named_file(w, f, fact, path);
}

static bool follow_fact(struct walk *w, const struct frame *f, const struct fact *fact)
{
	switch (fact->piece.kind) {
	case SCRIPT_SET:
		follow_set(w, fact);
		return true;
	case SCRIPT_SQL:
		add_gset(w, fact->piece.prefix);
		return true;
	case SCRIPT_INCLUDE:
	case SCRIPT_INCLUDE_RELATIVE:
	case SCRIPT_COPY:
		return follow_name(w, f, fact);
	default: /* \unset takes nothing from what is hashed */
		return true;
	}
}

static bool follow_facts(struct walk *w, const struct frame *f)
{
	const struct file_facts *k = f->facts;

	if (k->wrong != ERR_NONE) {
		(void)fail(w->c, k->wrong, "%s", k->words);
		return wrong(w, f->file->path, (struct spot){k->at, k->line, k->column});
	}
	for (int i = 0; i < k->nvolatile; i++)
		if (!map_get(&w->volatiles, k->volatile_names[i]))
			map_put(&w->volatiles, arena_dup(w->c->arena, k->volatile_names[i]), w);
	if (f->up)
		hash_file(w, 'i', f->file->path, str_from((const char *)k->rest, SHA256_LEN));
	for (int i = 0; i < k->nfacts; i++)
		if (!follow_fact(w, f, &k->facts[i]))
			return false;
	return check_uses(w, f);
}

static bool follow_file(struct walk *w, const struct tree_file *file, const struct frame *up)
{
	struct frame f = {.up = up, .file = file, .depth = up ? up->depth + 1 : 0};
	bool ok;

	if (!facts_take(w->c, w->r, w->ask->tree, file, &f.facts))
		return false;
	w->followed += f.facts->nfacts + f.facts->nuses;
	if (w->followed <= FOLLOWED_MAX) {
		ok = follow_facts(w, &f);
	} else {
		(void)fail(w->c, ERR_INCLUDE_CYCLE, "the files ask for more than %d others and variables, as often as they are included",
			   FOLLOWED_MAX);
		ok = wrong(w, file->path, (struct spot){0, 1, 1});
	}
	facts_give(w->r, f.facts);
	return ok;
}

/* --- the chain --- */

static void begin_step(struct walk *w)
{
	w->ngsets = w->nuses = w->cap_uses = 0;
	w->all_hashed = false;
	w->uses = NULL;
	if (w->sets.n)
		map_close(&w->sets);
	if (w->used.n)
		map_close(&w->used);
	buf_clear(&w->files);
	buf_clear(&w->values);
}

static bool make_step(struct walk *w, const char *before, struct plan_step *s)
{
	const struct tree_file *file = tree_find(w->ask->tree, s->path);
	const struct file_facts *k;
	OWNS(buf) b = {0};

	begin_step(w);
	if (!follow_file(w, file, NULL) || !facts_take(w->c, w->r, w->ask->tree, file, &k))
		return false;
	memcpy(s->content, k->rest, SHA256_LEN);
	facts_give(w->r, k);
	if (w->files.n)
		hash_sha256(buf_str(&w->files), s->includes);
	s->uses = w->uses;
	s->nuses = w->nuses;
	hash_field(&b, S("mayfly/step/1"));
	hash_field(&b, str_of(before));
	hash_field(&b, w->c->tenant);
	hash_field(&b, S("sql"));
	hash_field(&b, s->path);
	hash_field(&b, str_from((const char *)s->content, SHA256_LEN));
	hash_field(&b, str_from((const char *)s->includes, SHA256_LEN));
	hash_field(&b, buf_str(&w->values));
	hash_sha256_hex(buf_str(&b), s->id);
	return true;
}

static struct str top_folder(struct str path)
{
	size_t slash = str_find(path, '/');

	return slash < path.n ? str_head(path, slash) : S("");
}

static void mark_layers(struct plan_step *steps, int n)
{
	for (int i = 0; i < n; i++)
		steps[i].must = i >= n - 2 || !str_eq(top_folder(steps[i].path), top_folder(steps[i + 1].path));
}

static int by_text(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static void tell_volatiles(struct walk *w, struct plan *p)
{
	struct str *v = ARENA_ARRAY(w->c->arena, struct str, w->volatiles.n + 1);
	struct map_slot slot;

	p->nvolatile = 0;
	for (size_t i = 0; map_next(&w->volatiles, &i, &slot);)
		v[p->nvolatile++] = slot.key;
	qsort(v, (size_t)p->nvolatile, sizeof(*v), by_text);
	p->volatile_names = v;
}

/* What another file includes is used. */
static void strike_included(struct walk *w, struct tree_order *o)
{
	struct str *v = ARENA_ARRAY(w->c->arena, struct str, (size_t)o->nunused + 1);
	int n = 0;

	for (int i = 0; i < o->nunused; i++)
		if (!map_get(&w->included, o->unused[i]))
			v[n++] = o->unused[i];
	o->unused = v;
	o->nunused = n;
}

static bool make_steps(struct walk *w, struct plan *p)
{
	const char *before = arena_cstr(w->c->arena, str_of(p->base));

	p->nsteps = p->order.ntail;
	p->steps = ARENA_ARRAY(w->c->arena, struct plan_step, (size_t)p->nsteps + 1);
	for (int i = 0; i < p->nsteps; i++) {
		p->steps[i].path = p->order.tail[i];
		if (!make_step(w, before, &p->steps[i]))
			return false;
		before = p->steps[i].id;
	}
	p->tail_hash = before;
	mark_layers(p->steps, p->nsteps);
	return true;
}

bool plan_make(struct call *c, struct runner *r, const struct plan_ask *ask, struct plan *ret, struct job_error *error)
{
	OWNS(walk) w = {.c = c, .r = r, .ask = ask, .error = error};
	struct plan p = {0};

	*error = (struct job_error){.stage = JOB_AT_PARSING};
	if (!r->o.backend)
		return fail(c, ERR_ENGINE_UNREACHABLE, "%s", r->o.backend_missing ? r->o.backend_missing : "there is no PostgreSQL");
	memcpy(p.base, r->base, sizeof(p.base));
	if (!tree_order(c, ask->tree, ask->head, ask->chain, ask->nchain, &p.order))
		return false;
	p.head = tree_find(ask->tree, ask->head)->path;
	for (int i = 0; i < ask->nvariables; i++)
		map_put(&w.variables, ask->variables[i].name, (void *)&ask->variables[i]);
	if (!make_steps(&w, &p))
		return false;
	tell_volatiles(&w, &p);
	begin_step(&w);
	if (!follow_file(&w, tree_find(ask->tree, ask->head), NULL)) /* for its errors; its text is in no hash */
		return false;
	strike_included(&w, &p.order);
	*ret = p;
	return true;
}

/* --- the room's part --- */

static bool find_base(struct call *c, struct runner *r)
{
	OWNS(buf) b = {0}, what = {0};

	if (!r->o.backend)
		return true;
	if (!r->o.backend->ops->identity(c, r->o.backend, &what))
		return false;
	hash_field(&b, S("mayfly/base/1"));
	hash_field(&b, buf_str(&what));
	hash_sha256_hex(buf_str(&b), r->base);
	return true;
}

bool plans_open(struct call *c, struct runner *r)
{
	chains_open(r);
	return blobs_open(c, r) && facts_open(c, r) && find_base(c, r);
}

void plans_close(struct runner *r)
{
	facts_close(r);
	blobs_close(r);
	chains_close(r);
}
