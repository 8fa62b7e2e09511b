/* lease_test.c - leases: due in order, moved, cleared, owned; the sweeper's batches.
 *
 * The loop does not run: time is turned by hand and every pass is asked for, but
 * for the tests of threads and of the timer itself.
 */
#include "lifecycle/lifecycle.h"

#include <pthread.h>
#include <unistd.h>

#include "test.h"

enum { TICK_MS = 250, BATCH = 10 };

struct fixture {
	struct exec_loop *loop;
	struct lifecycle *lc;
};

/* Something with a lease: lives as long as a reference to it. */
struct thing {
	struct lease lease;
	struct lease_owner owner;
	struct fixture *f;
	atomic_int refs, due, ended;
	int again; /* so often due() sets it anew */
	int order;
};
static atomic_int order, alive;

static struct thing *thing_of(struct lease *l)
{
	return CONTAINER_OF(l, struct thing, lease);
}

static void hold(struct lease *l)
{
	INVARIANT(atomic_fetch_add(&thing_of(l)->refs, 1) > 0);
}

static void drop(struct lease *l)
{
	struct thing *t = thing_of(l);

	if (atomic_fetch_sub(&t->refs, 1) != 1)
		return;
	INVARIANT(!list_linked(&l->due.link) && !list_linked(&l->in_owner));
	atomic_fetch_sub(&alive, 1);
	free(t);
}

static void due(struct lease *l)
{
	struct thing *t = thing_of(l);

	atomic_fetch_add(&t->due, 1);
	t->order = atomic_fetch_add(&order, 1);
	if (t->again-- > 0)
		lease_set(t->f->lc, l, clock_mono_ms() + 1000);
	lifecycle_swept(t->f->lc, l, true);
}

/* The end of a thing: whoever asks first. */
static void finish(struct thing *t)
{
	if (atomic_fetch_add(&t->ended, 1) > 0)
		return;
	lease_clear(t->f->lc, &t->lease);
	drop(&t->lease); /* the reference that it had by being there */
}

static void end(struct lease *l)
{
	finish(thing_of(l));
}

static const struct lease_kind kind = {"thing", hold, drop, due, end};

static struct thing *thing_new(struct fixture *f)
{
	struct thing *t = calloc(1, sizeof(*t));

	t->f = f;
	atomic_init(&t->refs, 1);
	atomic_fetch_add(&alive, 1);
	lease_init(&t->lease, &kind);
	lease_owner_init(&t->owner);
	return t;
}

static int begin(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->loop = exec_loop_open("sweeper");
	f->lc = lifecycle_open(&(struct lifecycle_options){.loop = f->loop, .tick_ms = TICK_MS, .batch = BATCH});
	atomic_store(&order, 0);
	*state = f;
	return 0;
}

static int close_all(void **state)
{
	struct fixture *f = *state;

	lifecycle_close(f->lc);
	exec_loop_close(f->loop);
	free(f);
	assert_int_equal(atomic_load(&alive), 0);
	return 0;
}

static struct lifecycle_stats stats(struct fixture *f)
{
	struct lifecycle_stats s;

	lifecycle_stats(f->lc, &s);
	return s;
}

static void leases_are_due_in_order_and_not_before(void **state)
{
	enum { N = 8 };
	struct fixture *f = *state;
	struct thing *v[N];

	for (int i = 0; i < N; i++) {
		v[i] = thing_new(f);
		lease_set(f->lc, &v[i]->lease, clock_mono_ms() + (N - i) * 1000);
	}
	assert_int_equal(stats(f).leases, N);
	lifecycle_sweep(f->lc);
	assert_int_equal(stats(f).due, 0);
	clock_advance(4000);
	lifecycle_sweep(f->lc);
	for (int i = 0; i < N; i++)
		assert_int_equal(v[i]->due, i >= N - 4);
	clock_advance(60000);
	lifecycle_sweep(f->lc);
	for (int i = 0; i < N; i++) {
		assert_int_equal(v[i]->due, 1);
		assert_int_equal(v[i]->order, N - 1 - i);
	}
	assert_int_equal(stats(f).leases, 0);
	assert_int_equal(stats(f).due, N);
	assert_int_equal(stats(f).swept, N);
	assert_in_range(stats(f).lag_ms, 55000, 57000); /* of the last: it was due after eight seconds */
	for (int i = 0; i < N; i++)
		finish(v[i]);
}

static void a_lease_can_be_moved_set_anew_and_cleared(void **state)
{
	struct fixture *f = *state;
	struct thing *moved = thing_new(f), *cleared = thing_new(f), *anew = thing_new(f), *past = thing_new(f);

	anew->again = 1;
	lease_set(f->lc, &moved->lease, clock_mono_ms() + 1000);
	lease_set(f->lc, &moved->lease, clock_mono_ms() + 5000);
	lease_set(f->lc, &cleared->lease, clock_mono_ms() + 1000);
	lease_set(f->lc, &anew->lease, clock_mono_ms() + 1000);
	lease_set(f->lc, &past->lease, clock_mono_ms() - 5000);
	lease_clear(f->lc, &cleared->lease);
	lease_clear(f->lc, &cleared->lease);
	assert_int_equal(stats(f).leases, 3);
	lifecycle_sweep(f->lc);
	assert_int_equal(past->due, 1);
	clock_advance(1500);
	lifecycle_sweep(f->lc);
	assert_int_equal(moved->due, 0);
	assert_int_equal(anew->due, 1);
	clock_advance(4000);
	lifecycle_sweep(f->lc);
	assert_int_equal(moved->due, 1);
	assert_int_equal(anew->due, 2);
	assert_int_equal(cleared->due, 0);
	assert_int_equal(stats(f).leases, 0);
	finish(moved);
	finish(cleared);
	finish(anew);
	finish(past);
}

static void a_pass_hands_out_a_batch_and_loses_none(void **state)
{
	enum { N = 3 * BATCH + 5 };
	struct fixture *f = *state;
	struct thing *v[N];

	for (int i = 0; i < N; i++) {
		v[i] = thing_new(f);
		lease_set(f->lc, &v[i]->lease, clock_mono_ms() + i * 400);
	}
	clock_advance(N * 400 + 10000000); /* over the whole wheel */
	for (int pass = 1; pass <= 4; pass++) {
		lifecycle_sweep(f->lc);
		assert_int_equal(stats(f).due, pass * BATCH < N ? pass * BATCH : N);
	}
	for (int i = 0; i < N; i++) {
		assert_int_equal(v[i]->due, 1);
		finish(v[i]);
	}
}

static void count(void *arg)
{
	(*(int *)arg)++;
}

static void what_is_asked_for_every_so_often_is_called_so(void **state)
{
	struct fixture *f = *state;
	int often = 0, seldom = 0;

	lifecycle_every(f->lc, 1000, count, &often);
	lifecycle_every(f->lc, 60000, count, &seldom);
	lifecycle_sweep(f->lc);
	assert_int_equal(often, 0);
	for (int i = 0; i < 120; i++) {
		clock_advance(1000);
		lifecycle_sweep(f->lc);
	}
	assert_int_equal(often, 120);
	assert_int_equal(seldom, 2);
	clock_advance(3600000); /* what was missed is not made up for */
	lifecycle_sweep(f->lc);
	lifecycle_sweep(f->lc);
	assert_int_equal(often, 121);
}

static void a_failed_sweep_is_counted(void **state)
{
	struct fixture *f = *state;
	struct thing *t = thing_new(f);

	lifecycle_swept(f->lc, &t->lease, false);
	assert_int_equal(stats(f).failed, 1);
	assert_int_equal(stats(f).swept, 0);
	finish(t);
}

static void an_owner_ends_what_it_owns_and_owns_nothing_after(void **state)
{
	struct fixture *f = *state;
	struct thing *owner = thing_new(f), *other = thing_new(f), *child = thing_new(f), *moved = thing_new(f), *left = thing_new(f);

	assert_true(lease_own(f->lc, &owner->owner, &child->lease));
	assert_true(lease_own(f->lc, &owner->owner, &moved->lease));
	assert_true(lease_own(f->lc, &owner->owner, &left->lease));
	assert_true(lease_own(f->lc, &other->owner, &moved->lease));
	lease_set(f->lc, &child->lease, clock_mono_ms() + 1000);
	lease_clear(f->lc, &left->lease);
	hold(&child->lease);
	lease_end_owned(f->lc, &owner->owner);
	assert_int_equal(child->ended, 1);
	assert_int_equal(moved->ended, 0);
	assert_int_equal(left->ended, 0);
	assert_int_equal(stats(f).leases, 0);
	assert_false(lease_own(f->lc, &owner->owner, &left->lease));
	lease_end_owned(f->lc, &owner->owner);
	drop(&child->lease);
	lease_end_owned(f->lc, &other->owner);
	finish(left);
	finish(owner);
	finish(other);
}

/* --- threads: an owner ends while its children come, end by themselves and fall due --- */

struct crowd {
	struct fixture *f;
	struct thing *owner;
	atomic_int owned, refused;
};

static void *come_and_go(void *arg)
{
	struct crowd *crowd = arg;

	for (int i = 0; i < 40; i++) {
		struct thing *t = thing_new(crowd->f);

		hold(&t->lease); /* this thread's */
		if (i % 4 == 0)
			lease_set(crowd->f->lc, &t->lease, clock_mono_ms());
		if (lease_own(crowd->f->lc, &crowd->owner->owner, &t->lease)) {
			atomic_fetch_add(&crowd->owned, 1);
			if (i % 2)
				finish(t);
		} else {
			atomic_fetch_add(&crowd->refused, 1);
			finish(t);
		}
		drop(&t->lease);
	}
	return NULL;
}

static void *end_owner(void *arg)
{
	struct crowd *crowd = arg;

	for (int spins = 0; atomic_load(&crowd->owned) < 20 && spins < 1000000; spins++)
		;
	lease_end_owned(crowd->f->lc, &crowd->owner->owner);
	return NULL;
}

static void stop(void *loop)
{
	exec_loop_stop(loop);
}

static void sweep_now(void *lc)
{
	lifecycle_sweep(lc);
}

static void children_end_once_whoever_ends_them(void **state)
{
	enum { ROUNDS = 1500, THREADS = 3 };
	struct fixture *f = *state;
	int owned = 0, refused = 0;

	exec_loop_start(f->loop);
	for (int round = 0; round < ROUNDS; round++) {
		struct crowd crowd = {.f = f, .owner = thing_new(f)};
		pthread_t threads[THREADS];

		for (int i = 0; i < THREADS; i++)
			assert_int_equal(pthread_create(&threads[i], NULL, i ? come_and_go : end_owner, &crowd), 0);
		exec_post(f->loop, sweep_now, f->lc);
		for (int i = 0; i < THREADS; i++)
			pthread_join(threads[i], NULL);
		assert_true(list_empty(&crowd.owner->owner.owned));
		finish(crowd.owner);
		owned += crowd.owned;
		refused += crowd.refused;
	}
	exec_post(f->loop, stop, f->loop);
	exec_loop_join(f->loop);
	assert_int_equal(owned + refused, ROUNDS * (THREADS - 1) * 40);
	assert_true(owned > ROUNDS); /* else there was nothing to race for */
	assert_int_equal(stats(f).leases, 0);
}

static void the_timer_sweeps_and_goes_on_at_once_with_a_full_batch(void **state)
{
	enum { N = 400 * BATCH };
	struct fixture *f = *state;
	struct thing *v[N];
	int64_t until = clock_mono_ms() + 60000; /* a batch a tick would take a hundred seconds */

	for (int i = 0; i < N; i++) {
		v[i] = thing_new(f);
		lease_set(f->lc, &v[i]->lease, clock_mono_ms());
	}
	exec_loop_start(f->loop);
	while (stats(f).swept < N && clock_mono_ms() < until)
		usleep(1000);
	exec_post(f->loop, stop, f->loop);
	exec_loop_join(f->loop);
	assert_int_equal(stats(f).swept, N);
	for (int i = 0; i < N; i++) {
		assert_int_equal(v[i]->due, 1);
		finish(v[i]);
	}
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, close_all)
	const struct CMUnitTest tests[] = {
		CASE(leases_are_due_in_order_and_not_before),
		CASE(a_lease_can_be_moved_set_anew_and_cleared),
		CASE(a_pass_hands_out_a_batch_and_loses_none),
		CASE(what_is_asked_for_every_so_often_is_called_so),
		CASE(a_failed_sweep_is_counted),
		CASE(an_owner_ends_what_it_owns_and_owns_nothing_after),
		CASE(children_end_once_whoever_ends_them),
		CASE(the_timer_sweeps_and_goes_on_at_once_with_a_full_batch),
	};

	return cmocka_run_group_tests_name("lease", tests, NULL, NULL);
}
