/*
 * Random operations against a trivial model: each live buffer carries a pattern
 * known from its slot, so an overlap, a lost write or a double hand-out shows.
 * TARN_TEST_STEPS sets the number of operations per thread.
 */
#include "spl_test.h"
#include "spl/kmem_debug.h"
#include "spl/kmem_impl.h"
#include "spl/kmem_pressure.h"

#define LIVE 700
#define THREADS 4

typedef struct slot {
	uint8_t *p;
	size_t size;
	kmem_cache_t *cache; /* NULL: kmem_alloc */
	uint8_t byte;
} slot_t;

static kmem_cache_t *objects[3];

static uint64_t
steps(uint64_t dflt)
{
	const char *s = getenv("TARN_TEST_STEPS");

	return (s != NULL ? strtoull(s, NULL, 0) : dflt);
}

#define OBJECT_MAGIC 0x5ca1ab1e5ca1ab1eULL

static int
ctor(void *buf, void *arg, int kmflags)
{
	*(uint64_t *)buf = OBJECT_MAGIC;
	return (0);
}

static void
dtor(void *buf, void *arg)
{
	assert_true(*(uint64_t *)buf == OBJECT_MAGIC);
	*(uint64_t *)buf = 0;
}

static void
paint(slot_t *s)
{
	const size_t from = s->cache != NULL ? 8 : 0;

	s->p[from] = s->p[s->size - 1] = s->p[from + (s->size - from) / 2] = s->byte;
	if (s->size <= 256)
		memset(s->p + from, s->byte, s->size - from);
}

static void
check_paint(const slot_t *s)
{
	const size_t from = s->cache != NULL ? 8 : 0;

	if (s->cache != NULL)
		assert_true(*(uint64_t *)(void *)s->p == OBJECT_MAGIC);
	assert_int_equal(s->p[from], s->byte);
	assert_int_equal(s->p[s->size - 1], s->byte);
	assert_int_equal(s->p[from + (s->size - from) / 2], s->byte);
	for (size_t i = from; s->size <= 256 && i < s->size; i++)
		assert_int_equal(s->p[i], s->byte);
}

static void
slot_fill(slot_t *s, uint64_t *rnd)
{
	const uint64_t r = test_rand(rnd);

	s->byte = (uint8_t)(r >> 32);
	if (r % 4 == 0) {
		const size_t which = r / 4 % 3;
		s->cache = objects[which];
		s->size = (size_t[]){ 24, 200, 3000 }[which];
		s->p = kmem_cache_alloc(s->cache, KM_SLEEP);
		assert_true(*(uint64_t *)(void *)s->p == OBJECT_MAGIC);
	} else {
		const int max = r / 4 % 500 == 0 ? 19 : r / 4 % 16 == 0 ? 14 : 9;
		s->cache = NULL;
		s->size = 1 + (test_rand(rnd) >> 8) % (1UL << (1 + r / 8192 % (uint64_t)max));
		s->p = r & 4 ? kmem_zalloc(s->size, KM_SLEEP) : kmem_alloc(s->size, KM_SLEEP);
		if (r & 4)
			assert_int_equal(s->p[0] | s->p[s->size / 2] | s->p[s->size - 1], 0);
	}
	paint(s);
}

static void
slot_empty(slot_t *s)
{
	check_paint(s);
	if (s->cache != NULL)
		kmem_cache_free(s->cache, s->p);
	else
		kmem_free(s->p, s->size);
	s->p = NULL;
}

/* A place where threads hand buffers to each other: freed by another than allocated. */
static slot_t exchange[256];
static kmutex_t exchange_lock = MUTEX_INITIALIZER;

static void
work(void *arg)
{
	uint64_t rnd = *(uint64_t *)arg;
	slot_t *live = calloc(LIVE, sizeof(*live));
	const uint64_t n = steps(150000);

	for (uint64_t step = 0; step < n; step++) {
		slot_t *s = &live[test_rand(&rnd) % LIVE];
		if (s->p == NULL)
			slot_fill(s, &rnd);
		else
			slot_empty(s);
		if (step % 16 == 0) {
			slot_t *x = &exchange[test_rand(&rnd) % ARRAY_SIZE(exchange)];
			mutex_enter(&exchange_lock);
			const slot_t t = *x;
			*x = *s;
			*s = t;
			mutex_exit(&exchange_lock);
		}
		if (step % 8192 == 0)
			kmem_cache_reap_now(objects[test_rand(&rnd) % 3]);
		if (step % 50000 == 49999)
			kmem_reap();
	}
	for (int i = 0; i < LIVE; i++) {
		if (live[i].p != NULL)
			slot_empty(&live[i]);
	}
	free(live);
}

static void
objects_create(void)
{
	objects[0] = kmem_cache_create("obj24", 24, 0, ctor, dtor, NULL, NULL, NULL, 0);
	objects[1] = kmem_cache_create("obj200", 200, 64, ctor, dtor, NULL, NULL, NULL, 0);
	objects[2] = kmem_cache_create("obj3000", 3000, 0, ctor, dtor, NULL, NULL, NULL, 0);
}

static void
objects_destroy(void)
{
	for (int i = 0; i < 3; i++)
		kmem_cache_destroy(objects[i]);
}

static void
threads_against_the_model(void **state)
{
	uint64_t seed = test_seed(), seeds[THREADS];
	kthread_t *t[THREADS];

	kmem_free(kmem_alloc(1, KM_SLEEP), 1);
	objects_create();
	const uint64_t before = kmem_used();
	for (int i = 0; i < THREADS; i++) {
		seeds[i] = test_rand(&seed);
		t[i] = thread_create("model", work, &seeds[i]);
	}
	for (int i = 0; i < THREADS; i++)
		thread_join(t[i]);
	for (size_t i = 0; i < ARRAY_SIZE(exchange); i++) {
		if (exchange[i].p != NULL)
			slot_empty(&exchange[i]);
	}
	assert_int_equal(kmem_used(), before);
	objects_destroy();
}

static uint64_t stop;

static void
churn(void *arg)
{
	void *p[100];

	while (!atomic_load_64(&stop)) {
		for (int i = 0; i < 100; i++)
			p[i] = kmem_alloc((size_t)i * 7 + 1, KM_SLEEP);
		for (int i = 0; i < 100; i++)
			kmem_free(p[i], (size_t)i * 7 + 1);
	}
}

/* In the child: a buffer seen twice would be a magazine copied halfway. */
static void
check_child(void)
{
	static uint8_t *p[5000];

	for (int i = 0; i < 5000; i++) {
		p[i] = kmem_alloc(8 + (size_t)i % 700, KM_SLEEP);
		memcpy(p[i], &i, sizeof(i));
	}
	for (int i = 0; i < 5000; i++) {
		if (memcmp(p[i], &i, sizeof(i)) != 0)
			_exit(1);
		kmem_free(p[i], 8 + (size_t)i % 700);
	}
	_exit(0);
}

static void
fork_amid_the_traffic_of_other_threads(void **state)
{
	kmem_free(kmem_alloc(1, KM_SLEEP), 1);
	/* Sanitizers' own allocators do not survive this. */
#ifdef __SANITIZE_THREAD__
	skip();
#endif
	if (kmem_root.kr_delegate)
		skip();
	kthread_t *t[3];

	stop = 0;
	for (int i = 0; i < 3; i++)
		t[i] = thread_create("churn", churn, NULL);
	for (int i = 0; i < 200; i++) {
		int status;
		const pid_t pid = fork();
		assert_true(pid >= 0);
		if (pid == 0)
			check_child();
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
	atomic_store_64(&stop, 1);
	for (int i = 0; i < 3; i++)
		thread_join(t[i]);
}

/* Caches come and go while magazines are purged from outside. */
static void
purge_while_others_allocate(void **state)
{
	kthread_t *t[3];

	stop = 0;
	for (int i = 0; i < 3; i++)
		t[i] = thread_create("churn", churn, NULL);
	for (int i = 0; i < 300; i++) {
		kmem_reap();
		kmem_cache_t *cp =
		    kmem_cache_create("brief", 72, 0, ctor, dtor, NULL, NULL, NULL, 0);
		void *p = kmem_cache_alloc(cp, KM_SLEEP);
		kmem_cache_free(cp, p);
		kmem_cache_destroy(cp);
	}
	atomic_store_64(&stop, 1);
	for (int i = 0; i < 3; i++)
		thread_join(t[i]);
}

typedef struct movable {
	uint64_t magic;
	struct movable **home; /* the one pointer to it */
	char pad[240];
} movable_t;

static int
movable_ctor(void *buf, void *arg, int kmflags)
{
	movable_t *m = buf;
	m->magic = OBJECT_MAGIC;
	m->home = NULL;
	return (0);
}

static kmem_cbrc_t
movable_move(void *oldbuf, void *newbuf, size_t size, void *arg)
{
	movable_t *from = oldbuf, *to = newbuf;

	if (from->home == NULL)
		return (KMEM_CBRC_DONT_KNOW);
	to->home = from->home;
	memcpy(to->pad, from->pad, sizeof(to->pad));
	*to->home = to;
	from->home = NULL;
	return (KMEM_CBRC_YES);
}

static void
find_movable(void *arg, const kmem_cache_stat_t *ks)
{
	if (strcmp(ks->ks_name, "movable") == 0)
		*(kmem_cache_stat_t *)arg = *ks;
}

static void
the_consolidator_frees_sparse_slabs(void **state)
{
	enum { N = 6000 };
	static movable_t *m[N];
	kmem_cache_stat_t before, after;

	kmem_free(kmem_alloc(1, KM_SLEEP), 1);
	if (kmem_root.kr_delegate || kmem_root.kr_flags & KMF_CHECKED)
		skip();
	kmem_cache_t *cp = kmem_cache_create(
	    "movable", sizeof(movable_t), 0, movable_ctor, NULL, NULL, NULL, NULL, 0);
	kmem_cache_set_move(cp, movable_move);
	for (int i = 0; i < N; i++) {
		m[i] = kmem_cache_alloc(cp, KM_SLEEP);
		m[i]->home = &m[i];
		memset(m[i]->pad, i, sizeof(m[i]->pad));
	}
	for (int i = 0; i < N; i++) {
		if (i % 10 == 0)
			continue;
		m[i]->home = NULL;
		kmem_cache_free(cp, m[i]);
		m[i] = NULL;
	}
	kmem_cache_reap_now(cp);
	kmem_stat_walk(find_movable, &before);
	for (int i = 0; i < 40; i++)
		kmem_reap();
	kmem_stat_walk(find_movable, &after);
	printf("slabs: %" PRIu64 " before, %" PRIu64 " after\n", before.ks_slabs,
	    after.ks_slabs);
	assert_int_equal(after.ks_inuse, N / 10);
	assert_true(after.ks_slabs <= before.ks_slabs / 4);
	for (int i = 0; i < N; i += 10) {
		assert_int_equal(m[i]->magic, OBJECT_MAGIC);
		assert_ptr_equal(m[i]->home, &m[i]);
		for (size_t k = 0; k < sizeof(m[i]->pad); k++)
			assert_int_equal(m[i]->pad[k], (char)i);
		m[i]->home = NULL;
		kmem_cache_free(cp, m[i]);
	}
	kmem_cache_destroy(cp);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(threads_against_the_model),
		cmocka_unit_test(fork_amid_the_traffic_of_other_threads),
		cmocka_unit_test(purge_while_others_allocate),
		cmocka_unit_test(the_consolidator_frees_sparse_slabs),
	};
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
