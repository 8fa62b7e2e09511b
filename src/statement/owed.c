/* owed.c - who writes to the stores when: one writer a statement, and a wheel for what must wait.
 *
 * A statement that owes something is busy: it is in a list, with a reference.
 * Not here: what a step does (kept.c).
 */
#include "statement/kept.h"

enum { A_TURN = 256 }; /* that are taken out of the wheel at once */

static bool is_busy(const struct kept *k)
{
	return list_linked(&k->busy);
}

static void make_busy(struct keeping *kg, struct kept *k)
{
	if (is_busy(k))
		return;
	list_add_tail(&kg->busy, &k->busy);
	kg->nbusy++;
	stmt_ref(k->st);
}

static void set_late(struct keeping *kg, struct kept *k, bool late)
{
	if (k->late == late)
		return;
	k->late = late;
	kg->nlate += late ? 1 : -1;
}

/* --- the writer --- */

static unsigned lowest(unsigned bits)
{
	return bits & (~bits + 1);
}

/* What is paid next, but for what was put off in this turn; 0 = nothing. */
static unsigned next_step(struct kept *k, unsigned put_off)
{
	unsigned open;

	if (k->debt & (DEBT_END | DEBT_DISK_END))
		k->debt &= ~(unsigned)DEBT_START;
	open = k->debt & ~put_off;
	if (k->waits & k->debt)
		open &= ~(unsigned)DEBT_SETTLE;
	return lowest(open);
}

/* The writer is done for now: the rest, if any, is tried again. True: nothing is owed, and the reference goes. */
static bool rest(struct keeping *kg, struct kept *k, bool put_off)
{
	k->writing = false;
	if (!(k->debt & DEBT_SHARED))
		set_late(kg, k, false);
	if (kg->nwaiting)
		pthread_cond_broadcast(&kg->freed);
	if (!put_off)
		k->backoff_ms = 0;
	if (k->debt && !kg->closing) {
		k->backoff_ms = k->backoff_ms ? k->backoff_ms * 2 : BACKOFF_MIN_MS;
		if (k->backoff_ms > BACKOFF_MAX_MS)
			k->backoff_ms = BACKOFF_MAX_MS;
		wheel_put(&kg->later, &k->due, clock_mono_ms() + k->backoff_ms);
		return false;
	}
	list_del(&k->busy);
	kg->nbusy--;
	return true;
}

/* Out of the debt, for the writer to pay; 0: it is the writer no more. */
static unsigned take_step(struct keeping *kg, struct kept *k, unsigned put_off, bool *ret_unref)
{
	unsigned step;

	pthread_mutex_lock(&kg->lock);
	step = kg->closing ? 0 : next_step(k, put_off);
	k->debt &= ~step;
	if (!step)
		*ret_unref = rest(kg, k, put_off != 0);
	pthread_mutex_unlock(&kg->lock);
	return step;
}

static void give_back(struct keeping *kg, struct kept *k, unsigned step)
{
	pthread_mutex_lock(&kg->lock);
	if (!k->dropped || (step & DEBT_DROPS))
		k->debt |= step;
	pthread_mutex_unlock(&kg->lock);
}

void stmt_write_done(struct stmt *st)
{
	struct keeping *kg = st->room->keeping;
	unsigned put_off = 0, step;
	bool unref = false;

	while ((step = take_step(kg, st->kept, put_off, &unref)) != 0) {
		OWNS(arena) a = {0};
		struct call c;

		stmt_call(&c, &a, str_of(st->tenant->name));
		if (stmt_pay(&c, st, (enum debt)step))
			continue;
		give_back(kg, st->kept, step);
		put_off |= step;
	}
	if (unref)
		statement_unref(st);
}

void stmt_write_begin(struct stmt *st)
{
	struct keeping *kg = st->room->keeping;
	struct kept *k = st->kept;

	pthread_mutex_lock(&kg->lock);
	kg->nwaiting++;
	while (k->writing)
		pthread_cond_wait(&kg->freed, &kg->lock);
	kg->nwaiting--;
	wheel_del(&k->due);
	k->writing = true;
	make_busy(kg, k);
	pthread_mutex_unlock(&kg->lock);
}

static void write_job(void *arg)
{
	stmt_write_done(arg);
}

/* --- when --- */

static void write_soon(struct keeping *kg, struct kept *k)
{
	wheel_del(&k->due);
	k->writing = exec_pool_run(kg->writers, write_job, k->st);
	if (!k->writing) /* the queue is full */
		wheel_put(&kg->later, &k->due, clock_mono_ms() + BACKOFF_MIN_MS);
}

void stmt_owe(struct stmt *st, unsigned debt, int64_t delay_ms)
{
	struct keeping *kg = st->room->keeping;
	struct kept *k = st->kept;

	pthread_mutex_lock(&kg->lock);
	if (debt & DEBT_DROPS) {
		k->debt &= DEBT_DROPS | DEBT_SETTLE;
		k->dropped = true;
	}
	if (k->dropped)
		debt &= DEBT_DROPS | DEBT_SETTLE;
	if (debt && !kg->closing) {
		k->debt |= debt;
		make_busy(kg, k);
		if (!k->writing && !delay_ms)
			write_soon(kg, k);
		else if (!k->writing && !list_linked(&k->due.link))
			wheel_put(&kg->later, &k->due, clock_mono_ms() + delay_ms);
	}
	pthread_mutex_unlock(&kg->lock);
}

void stmt_pay_due(struct keeping *kg)
{
	struct list due;
	int n;

	list_init(&due);
	do {
		pthread_mutex_lock(&kg->lock);
		n = wheel_advance(&kg->later, clock_mono_ms(), &due, A_TURN);
		LIST_EACH(&due, it)
			write_soon(kg, CONTAINER_OF(LIST_ITEM(it, struct wheel_node, link), struct kept, due));
		pthread_mutex_unlock(&kg->lock);
	} while (n == A_TURN);
}

/* --- of the writer --- */

void stmt_excuse(struct kept *k, unsigned debt)
{
	struct keeping *kg = k->st->room->keeping;

	pthread_mutex_lock(&kg->lock);
	k->waits &= ~debt;
	pthread_mutex_unlock(&kg->lock);
}

void stmt_late(struct kept *k)
{
	struct keeping *kg = k->st->room->keeping;

	pthread_mutex_lock(&kg->lock);
	set_late(kg, k, true);
	pthread_mutex_unlock(&kg->lock);
}

bool stmt_owes(struct kept *k, unsigned debt)
{
	struct keeping *kg = k->st->room->keeping;
	bool owes;

	pthread_mutex_lock(&kg->lock);
	owes = (k->debt & debt) != 0;
	pthread_mutex_unlock(&kg->lock);
	return owes;
}

void stmt_dropped(struct kept *k, unsigned left)
{
	struct keeping *kg = k->st->room->keeping;

	pthread_mutex_lock(&kg->lock);
	k->dropped = true;
	k->debt = (k->debt & DEBT_SETTLE) | left;
	pthread_mutex_unlock(&kg->lock);
}

bool stmt_run_soon(struct keeping *kg, exec_fn *fn, void *arg)
{
	bool runs;

	pthread_mutex_lock(&kg->lock);
	runs = !kg->closing && exec_pool_run(kg->writers, fn, arg);
	pthread_mutex_unlock(&kg->lock);
	return runs;
}
