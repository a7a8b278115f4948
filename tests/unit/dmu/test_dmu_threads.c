/*
 * Many threads change, create, free and read while txgs are cut and written under them.
 */
#include "test_pool.h"

#define THREADS 4
#define STRIP 700 /* bytes; not a divisor of the block size */
#define SHARED_BLKSZ 4096
#define SHARED_SIZE (THREADS * STRIP * 40)

typedef struct shared {
	test_pool_t *tp;
	objset_t *os;
	uint64_t object; /* written by all, each its own strips */
	uint64_t steps;
	int stop;
} shared_t;

typedef struct worker {
	shared_t *s;
	int id;
	kthread_t *thread;
	uint64_t seed; /* of the last content */
	uint64_t created, freed;
	uint64_t rng;
} worker_t;

/* Own generator: the shared one would serialise the threads. */
static uint64_t
rnd(worker_t *w, uint64_t n)
{
	w->rng ^= w->rng << 13;
	w->rng ^= w->rng >> 7;
	w->rng ^= w->rng << 17;
	return (w->rng % n);
}

static void
quiet_write(objset_t *os, uint64_t object, uint64_t off, uint64_t len, uint64_t seed)
{
	uint8_t buf[STRIP];
	dmu_tx_t *tx = dmu_tx_create(os);

	tp_pattern(buf, off, len, seed);
	dmu_tx_hold_write(tx, object, off, len);
	VERIFY0(dmu_tx_assign(tx, DMU_TX_WAIT));
	VERIFY0(dmu_write(os, object, off, len, buf, tx));
	dmu_tx_commit(tx);
}

static void
quiet_expect(objset_t *os, uint64_t object, uint64_t off, uint64_t len, uint64_t seed)
{
	uint8_t buf[STRIP], want[STRIP];

	VERIFY0(dmu_read(os, object, off, len, buf, DMU_READ_PREFETCH));
	tp_pattern(want, off, len, seed);
	VERIFY0(memcmp(buf, want, len));
}

static uint64_t
strip_offset(const worker_t *w, uint64_t i)
{
	return ((i * THREADS + (uint64_t)w->id) * STRIP);
}

/* Rewrite all own strips of the shared object, reading some back. */
static void
work_shared(worker_t *w)
{
	w->seed++;
	for (uint64_t i = 0; i < SHARED_SIZE / (THREADS * STRIP); i++)
		quiet_write(w->s->os, w->s->object, strip_offset(w, i), STRIP,
		    w->seed * THREADS + (uint64_t)w->id);
	for (int n = 0; n < 5; n++)
		quiet_expect(w->s->os, w->s->object,
		    strip_offset(w, rnd(w, SHARED_SIZE / (THREADS * STRIP))), STRIP,
		    w->seed * THREADS + (uint64_t)w->id);
}

static void
work_private(worker_t *w)
{
	objset_t *os = w->s->os;
	dmu_tx_t *tx = dmu_tx_create(os);
	uint64_t seed = rnd(w, 1000);

	dmu_tx_hold_write(tx, DMU_NEW_OBJECT, 0, 1 << 16);
	VERIFY0(dmu_tx_assign(tx, DMU_TX_WAIT));
	const uint64_t object = dmu_object_alloc_dnsize(os, DMU_OT_PLAIN_FILE_CONTENTS,
	    1024, 12, DMU_OT_PLAIN_OTHER, 64, 512 << rnd(w, 3), tx);
	dmu_tx_commit(tx);
	w->created++;
	for (uint64_t i = 0; i < 20; i++)
		quiet_write(os, object, i * 5000, STRIP, seed);
	for (uint64_t i = 0; i < 20; i++)
		quiet_expect(os, object, i * 5000, STRIP, seed);
	if (rnd(w, 4) != 0) {
		VERIFY0(dmu_free_long_range(os, object, 40000, DMU_OBJECT_END));
		quiet_expect(os, object, 5000, STRIP, seed);
		VERIFY0(dmu_free_long_object(os, object));
		dmu_object_info_t doi;
		VERIFY3S(dmu_object_info(os, object, &doi), ==, ENOENT);
		w->freed++;
	}
}

static void
worker(void *arg)
{
	worker_t *w = arg;

	for (uint64_t i = 0; i < w->s->steps; i++) {
		if (rnd(w, 2))
			work_shared(w);
		else
			work_private(w);
	}
	/* The strips end in a known state. */
	work_shared(w);
}

static void
cutter(void *arg)
{
	shared_t *s = arg;

	while (!__atomic_load_n(&s->stop, __ATOMIC_ACQUIRE)) {
		txg_wait_open(s->tp->tp_spa, 0, true);
		spl_delay(MSEC2NSEC(2));
	}
}

static void
run_threads(void)
{
	shared_t s = {.steps = 120};
	worker_t w[THREADS] = {0};
	uint64_t objects = 1;

	s.tp = tp_create();
	s.os = tp_objset_create(s.tp, 7, DMU_OST_OTHER);
	s.object = tp_alloc(s.os, SHARED_BLKSZ);
	kthread_t *cut = thread_create("cutter", cutter, &s);
	for (int i = 0; i < THREADS; i++) {
		w[i].s = &s;
		w[i].id = i;
		w[i].rng = 88172645463325252ULL + (uint64_t)i * 7919;
		w[i].thread = thread_create("writer", worker, &w[i]);
	}
	for (int i = 0; i < THREADS; i++)
		thread_join(w[i].thread);
	__atomic_store_n(&s.stop, 1, __ATOMIC_RELEASE);
	thread_join(cut);
	tp_sync(s.tp);
	tp_verify(s.tp);
	tp_reopen(s.tp);
	for (int i = 0; i < THREADS; i++) {
		objects += w[i].created - w[i].freed;
		for (uint64_t n = 0; n < SHARED_SIZE / (THREADS * STRIP); n++)
			tp_expect(tp_objset(s.tp, 0), s.object, strip_offset(&w[i], n),
			    STRIP, w[i].seed * THREADS + (uint64_t)i);
	}
	assert_int_equal(dmu_objset_fill(tp_objset(s.tp, 0)), objects);
	tp_destroy(s.tp);
}

static void
writers_and_syncs(void **state)
{
	(void)state;
	run_threads();
}

/* Creating at the same time: numbers are distinct, and each thread has blocks of its
 * own. */
typedef struct creator {
	objset_t *os;
	uint64_t objects[200];
	kthread_t *thread;
} creator_t;

static void
creator(void *arg)
{
	creator_t *c = arg;

	for (size_t i = 0; i < ARRAY_SIZE(c->objects); i++) {
		dmu_tx_t *tx = dmu_tx_create(c->os);
		dmu_tx_hold_bonus(tx, DMU_NEW_OBJECT);
		VERIFY0(dmu_tx_assign(tx, DMU_TX_WAIT));
		c->objects[i] =
		    dmu_object_alloc(c->os, DMU_OT_PLAIN_OTHER, 0, DMU_OT_NONE, 0, tx);
		dmu_tx_commit(tx);
	}
}

static void
parallel_creation(void **state)
{
	(void)state;
	test_pool_t *tp = tp_create();
	objset_t *os = tp_objset_create(tp, 9, DMU_OST_OTHER);
	creator_t c[THREADS];
	uint8_t seen[8192] = {0};

	for (int i = 0; i < THREADS; i++) {
		c[i].os = os;
		c[i].thread = thread_create("creator", creator, &c[i]);
	}
	for (int i = 0; i < THREADS; i++) {
		thread_join(c[i].thread);
		for (size_t n = 0; n < ARRAY_SIZE(c[i].objects); n++) {
			const uint64_t o = c[i].objects[n];
			assert_true(o != 0 && o < sizeof(seen) && !seen[o]);
			seen[o] = 1;
		}
	}
	tp_sync(tp);
	tp_verify(tp);
	assert_int_equal(dmu_objset_fill(os), THREADS * ARRAY_SIZE(c[0].objects));
	tp_destroy(tp);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(writers_and_syncs),
	    cmocka_unit_test(parallel_creation),
	};
	return (cmocka_run_group_tests(tests, tp_group_setup, tp_group_teardown));
}
