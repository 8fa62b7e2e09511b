/* facts.c - what a file of SQL holds, as far as plans need it: which files it names, which variables it uses and sets, which
 * functions it calls whose answer differs from run to run, its first error. Cached by the content's hash.
 *
 * Not here: what the files that it names hold (plan.c).
 *
 * Threads: any; the lock covers the cache, not the reading of a file. Two may read the same file at once.
 */
#include "runner/plan_int.h"

#include <pthread.h>
#include <stdlib.h>

enum { FACTS_BYTES = 64 << 20, ENTRY_COST = 512 };

struct entry {
	struct file_facts facts;         /* first: facts_give() finds the entry by it */
	struct arena arena;
	struct list link;                /* of the cache, the latest first */
	char hex[RUNNER_HEX + 1];
	int refs;                        /* the cache's is one */
	size_t cost;
};
struct facts {
	pthread_mutex_t lock;
	struct map by_hash;
	struct list recent;
	size_t bytes;
};

bool facts_open(struct call *c, struct runner *r)
{
	(void)c;
	r->facts = base_zalloc(sizeof(*r->facts));
	pthread_mutex_init(&r->facts->lock, NULL);
	list_init(&r->facts->recent);
	return true;
}

static void entry_free(struct entry *e)
{
	arena_close(&e->arena);
	free(e);
}

void facts_close(struct runner *r)
{
	struct facts *k = r->facts;

	if (!k)
		return;
	LIST_EACH(&k->recent, it)
		entry_free(LIST_ITEM(it, struct entry, link));
	map_close(&k->by_hash);
	pthread_mutex_destroy(&k->lock);
	free(k);
	r->facts = NULL;
}

/* --- reading a file --- */

struct reading {
	struct call *c;                  /* of its own: scratch */
	struct entry *e;
	struct str text;
	struct fact *facts;
	struct fact_use *uses;
	struct str *volatiles;
	int nfacts, nuses, nvolatile, cap_uses, cap_volatiles;
	int depth;                       /* of \if */
	struct map must, may;            /* names of uses */
	struct place {
		size_t at;
		int64_t chars;           /* before it */
		int line, column;
	} place;                         /* moves with the uses, which rise: a file is not read again for each */
};

static int64_t characters(struct str s)
{
	int64_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += ((unsigned char)s.p[i] & 0xC0) != 0x80;
	return n;
}

static void wrong(struct reading *d, enum err_kind kind, const char *words, size_t at)
{
	struct file_facts *f = &d->e->facts;

	f->wrong = kind;
	f->words = arena_cstr(&d->e->arena, str_of(words));
	f->at = characters(str_head(d->text, at)) + 1;
	script_place(d->text, at < d->text.n ? at : d->text.n, &f->line, &f->column);
}

static void *grown(struct arena *a, void *old, int n, int *cap, size_t size)
{
	void *more;

	if (n < *cap)
		return old;
	*cap = *cap ? 2 * *cap : 8;
	more = arena_alloc(a, (size_t)*cap * size);
	if (n)
		memcpy(more, old, (size_t)n * size);
	return more;
}

static void move_to(struct reading *d, size_t at)
{
	struct place *p = &d->place;

	if (at < p->at || !p->line)
		*p = (struct place){.line = 1, .column = 1};
	for (; p->at < at && p->at < d->text.n; p->at++) {
		char l = d->text.p[p->at];

		if (((unsigned char)l & 0xC0) == 0x80)
			continue;
		p->chars++;
		p->column = l == '\n' ? 1 : p->column + 1;
		p->line += l == '\n';
	}
}

static void add_use(struct reading *d, const struct script_use *u)
{
	bool must = !d->depth && u->form != SCRIPT_TEST && !u->slice;
	struct fact_use *made;

	if (map_get(&d->must, u->name) || (!must && map_get(&d->may, u->name)))
		return;
	d->uses = grown(&d->e->arena, d->uses, d->nuses, &d->cap_uses, sizeof(*d->uses));
	made = &d->uses[d->nuses++];
	*made = (struct fact_use){.name = arena_dup(&d->e->arena, u->name), .must = must};
	map_put(must ? &d->must : &d->may, made->name, d);
	move_to(d, u->at);
	made->at = d->place.chars + 1;
	made->line = d->place.line;
	made->column = d->place.column;
}

static void add_volatile(struct reading *d, struct str name)
{
	for (int i = 0; i < d->nvolatile; i++)
		if (str_eq(d->volatiles[i], name))
			return;
	d->volatiles = grown(&d->e->arena, d->volatiles, d->nvolatile, &d->cap_volatiles, sizeof(*d->volatiles));
	d->volatiles[d->nvolatile++] = arena_dup(&d->e->arena, name);
}

static void add_fact(struct reading *d, const struct script_piece *p)
{
	struct arena *a = &d->e->arena;
	struct fact *f = &d->facts[d->nfacts++];
	struct script_use *uses = ARENA_ARRAY(a, struct script_use, (size_t)p->nuses + 1);

	f->piece = *p;
	f->piece.text = p->kind == SCRIPT_SQL ? S("") : arena_dup(a, p->text);
	f->piece.prefix = arena_dup(a, p->prefix);
	f->piece.data = (struct str){0};
	f->piece.escapes = NULL; /* of SQL only */
	f->piece.nescapes = 0;
	for (int i = 0; i < p->nuses; i++) {
		uses[i] = p->uses[i];
		uses[i].name = arena_dup(a, p->uses[i].name);
	}
	f->piece.uses = uses;
	f->maybe = d->depth > 0;
}

static void read_sql(struct reading *d, const struct script_piece *p)
{
	struct script_class class = {0};

	script_classify(d->c, p->text, &class);
	for (int i = 0; i < class.nvolatile; i++)
		add_volatile(d, class.volatile_names[i]);
	if (p->gset)
		add_fact(d, p);
}

static void read_piece(struct reading *d, const struct script_piece *p)
{
	for (int i = 0; i < p->nuses; i++)
		add_use(d, &p->uses[i]);
	switch (p->kind) {
	case SCRIPT_SQL:
		read_sql(d, p);
		break;
	case SCRIPT_INCLUDE:
	case SCRIPT_INCLUDE_RELATIVE:
	case SCRIPT_SET:
	case SCRIPT_UNSET:
	case SCRIPT_COPY:
		add_fact(d, p);
		break;
	case SCRIPT_IF:
		d->depth++;
		break;
	case SCRIPT_ENDIF:
		d->depth--;
		break;
	case SCRIPT_ECHO:
	case SCRIPT_ELIF:
	case SCRIPT_ELSE:
		break;
	}
}

void hash_field(struct buf *b, struct str s)
{
	char n[8];

	for (int i = 0; i < 8; i++)
		n[i] = (char)((uint64_t)s.n >> (8 * i));
	buf_add(b, str_from(n, sizeof(n)));
	buf_add(b, s);
}

/* Two spellings of one included file are one content: what stands between the includes is hashed. */
static void hash_rest(struct reading *d, const struct script_piece *pieces, int n)
{
	OWNS(buf) b = {0};
	size_t from = 0;

	for (int i = 0; i < n; i++) {
		size_t at = pieces[i].at;

		if (pieces[i].kind != SCRIPT_INCLUDE && pieces[i].kind != SCRIPT_INCLUDE_RELATIVE)
			continue;
		while (at > from && d->text.p[at] != '\\')
			at--;
		hash_field(&b, str_from(d->text.p + from, at - from));
		from = pieces[i].at + pieces[i].text.n;
	}
	hash_field(&b, str_tail(d->text, from));
	hash_sha256(buf_str(&b), d->e->facts.rest);
}

static void read_pieces(struct reading *d, const struct script_piece *pieces, int n)
{
	struct file_facts *f = &d->e->facts;
	size_t most = 1;

	for (int i = 0; i < n; i++)
		most += pieces[i].kind != SCRIPT_SQL || pieces[i].gset;
	d->facts = ARENA_ARRAY(&d->e->arena, struct fact, most);
	for (int i = 0; i < n; i++)
		read_piece(d, &pieces[i]);
	hash_rest(d, pieces, n);
	f->facts = d->facts;
	f->nfacts = d->nfacts;
	f->uses = d->uses;
	f->nuses = d->nuses;
	f->volatile_names = d->volatiles;
	f->nvolatile = d->nvolatile;
	map_close(&d->must);
	map_close(&d->may);
}

static struct entry *entry_read(struct str text, struct str hex)
{
	OWNS(arena) scratch = {0};
	struct call own;
	struct entry *e = base_zalloc(sizeof(*e));
	struct reading d = {.c = &own, .e = e, .text = text};
	struct script_piece *pieces;
	size_t zero = str_find(text, '\0');
	int n;

	call_open(&own, &scratch);
	memcpy(e->hex, hex.p, RUNNER_HEX);
	e->refs = 1;
	if (zero < text.n)
		wrong(&d, ERR_BINARY_FILE, "the file has a zero byte: it is no text", zero);
	else if (script_split(&own, text, &pieces, &n))
		read_pieces(&d, pieces, n);
	else
		wrong(&d, own.err.kind, own.err.text, own.err.position > 0 ? (size_t)own.err.position - 1 : 0);
	e->cost = ENTRY_COST + e->arena.used;
	return e;
}

/* --- the cache --- */

/* Under the lock. */
static struct entry *known(struct facts *k, struct str hex)
{
	struct entry *e = map_get(&k->by_hash, hex);

	if (e) {
		e->refs++;
		list_del(&e->link);
		list_add_head(&k->recent, &e->link);
	}
	return e;
}

/* Under the lock; gives back the entries that nobody has any more. */
static void trim(struct facts *k, struct list *gone)
{
	while (k->bytes > FACTS_BYTES) {
		struct entry *e = LIST_ITEM(k->recent.prev, struct entry, link);

		list_del(&e->link);
		map_del(&k->by_hash, str_of(e->hex));
		k->bytes -= e->cost;
		if (--e->refs == 0)
			list_add_tail(gone, &e->link);
	}
}

static struct entry *keep(struct facts *k, struct entry *made)
{
	struct entry *e;
	struct list gone;

	list_init(&gone);
	pthread_mutex_lock(&k->lock);
	e = known(k, str_of(made->hex));
	if (e) { /* another was faster */
		list_add_tail(&gone, &made->link);
	} else {
		e = made;
		e->refs++;
		map_put(&k->by_hash, str_of(e->hex), e);
		list_add_head(&k->recent, &e->link);
		k->bytes += e->cost;
		trim(k, &gone);
	}
	pthread_mutex_unlock(&k->lock);
	LIST_EACH(&gone, it)
		entry_free(LIST_ITEM(it, struct entry, link));
	return e;
}

bool facts_take(struct call *c, struct runner *r, const struct tree *t, const struct tree_file *f, const struct file_facts **ret)
{
	struct facts *k = r->facts;
	struct entry *e;
	struct str text;

	pthread_mutex_lock(&k->lock);
	e = known(k, str_of(f->etag));
	pthread_mutex_unlock(&k->lock);
	if (!e) {
		if (!tree_content(c, r, t, f->path, &text))
			return false;
		e = keep(k, entry_read(text, str_of(f->etag)));
	}
	*ret = &e->facts;
	return true;
}

void facts_give(struct runner *r, const struct file_facts *f)
{
	struct entry *e = CONTAINER_OF(f, struct entry, facts);
	bool last;

	pthread_mutex_lock(&r->facts->lock);
	last = --e->refs == 0;
	pthread_mutex_unlock(&r->facts->lock);
	if (last)
		entry_free(e);
}
