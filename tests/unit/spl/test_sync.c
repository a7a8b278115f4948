/* Locks: exclusion, ownership, waiting with deadlines, misuse. */
#include "spl_test.h"

#define THREADS 4
#define ROUNDS 20000

typedef struct shared {
	kmutex_t lock;
	kcondvar_t cv;
	krwlock_t rw;
	uint64_t counter;
	uint64_t a, b; /* always equal outside the write lock */
	bool flag;
} shared_t;

static void
shared_create(shared_t *s)
{
	memset(s, 0, sizeof(*s));
	mutex_init(&s->lock);
	cv_init(&s->cv);
	rw_init(&s->rw);
}

static void
shared_destroy(shared_t *s)
{
	rw_destroy(&s->rw);
	cv_destroy(&s->cv);
	mutex_destroy(&s->lock);
}

static void
run_threads(void (*func)(void *), void *arg)
{
	kthread_t *t[THREADS];

	for (int i = 0; i < THREADS; i++)
		t[i] = thread_create("worker", func, arg);
	for (int i = 0; i < THREADS; i++)
		thread_join(t[i]);
}

static void
count_under_mutex(void *arg)
{
	shared_t *s = arg;

	for (int i = 0; i < ROUNDS; i++) {
		assert_false(mutex_owned(&s->lock));
		if (i % 3 != 0 || !mutex_tryenter(&s->lock))
			mutex_enter(&s->lock);
		assert_true(mutex_owned(&s->lock));
		s->counter++;
		mutex_exit(&s->lock);
	}
}

static void
mutex_excludes_and_knows_its_owner(void **state)
{
	shared_t s;

	shared_create(&s);
	run_threads(count_under_mutex, &s);
	assert_int_equal(s.counter, THREADS * ROUNDS);
	shared_destroy(&s);
}

static void
read_and_write(void *arg)
{
	shared_t *s = arg;

	for (int i = 0; i < ROUNDS / 4; i++) {
		if (i % 8 == 0) {
			rw_enter(&s->rw, RW_WRITER);
			assert_true(rw_write_held(&s->rw));
			s->a++;
			s->b++;
			rw_exit(&s->rw);
		} else {
			rw_enter(&s->rw, RW_READER);
			assert_false(rw_write_held(&s->rw));
			assert_int_equal(s->a, s->b);
			rw_exit(&s->rw);
		}
	}
}

static void
rwlock_lets_readers_see_whole_writes(void **state)
{
	shared_t s;

	shared_create(&s);
	run_threads(read_and_write, &s);
	assert_int_equal(s.a, THREADS * ROUNDS / 32);
	assert_true(rw_tryenter(&s.rw, RW_READER));
	assert_false(rw_tryenter(&s.rw, RW_WRITER));
	rw_exit(&s.rw);
	assert_true(rw_tryenter(&s.rw, RW_WRITER));
	rw_exit(&s.rw);
	shared_destroy(&s);
}

static void
raise_flag(void *arg)
{
	shared_t *s = arg;

	mutex_enter(&s->lock);
	s->flag = true;
	cv_broadcast(&s->cv);
	mutex_exit(&s->lock);
}

static void
waiters_are_woken_and_hold_the_mutex_again(void **state)
{
	shared_t s;

	shared_create(&s);
	mutex_enter(&s.lock);
	kthread_t *t = thread_create("waker", raise_flag, &s);
	while (!s.flag)
		cv_wait(&s.cv, &s.lock);
	assert_true(mutex_owned(&s.lock));
	mutex_exit(&s.lock);
	thread_join(t);
	shared_destroy(&s);
}

static void
timed_wait_ends_at_its_deadline_and_not_before(void **state)
{
	shared_t s;

	shared_create(&s);
	mutex_enter(&s.lock);
	const hrtime_t deadline = gethrtime() + MSEC2NSEC(20);
	while (cv_timedwait_hires(&s.cv, &s.lock, deadline))
		continue; /* spurious */
	assert_true(gethrtime() >= deadline);
	assert_true(mutex_owned(&s.lock));
	/* A deadline in the past, even before the epoch of the clock. */
	while (cv_timedwait_hires(&s.cv, &s.lock, -5))
		continue;
	mutex_exit(&s.lock);
	shared_destroy(&s);
}

static void
enter_twice(void *arg)
{
	kmutex_t m;

	mutex_init(&m);
	mutex_enter(&m);
	mutex_enter(&m);
}

static void
exit_unheld(void *arg)
{
	kmutex_t m;

	mutex_init(&m);
	mutex_exit(&m);
}

static void
misuse_panics(void **state)
{
	assert_panics(enter_twice, NULL, "recursive mutex_enter");
	assert_panics(exit_unheld, NULL, "by a thread that does not hold it");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mutex_excludes_and_knows_its_owner),
		cmocka_unit_test(rwlock_lets_readers_see_whole_writes),
		cmocka_unit_test(waiters_are_woken_and_hold_the_mutex_again),
		cmocka_unit_test(timed_wait_ends_at_its_deadline_and_not_before),
		cmocka_unit_test(misuse_panics),
	};
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
