/*
 * Allocator benchmark. Built twice from this source: against malloc (and then run
 * under whichever library is preloaded) and against the kmem interfaces.
 *
 *   kmem_bench TEST [THREADS]     prints "TEST<TAB>value<TAB>unit"
 *
 * Time is the best of several rounds, in nanoseconds of processor time of a thread
 * for one operation (an allocation and its free); memory is the resident size from /proc/self/statm.
 */
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifdef BENCH_KMEM
#include "spl/kmem.h"
#define ALLOC(n) kmem_alloc(n, KM_SLEEP)
#define FREE(p, n) kmem_free(p, n)
#define REAP() kmem_reap()
#else
#define ALLOC(n) malloc(n)
#define FREE(p, n) free(p)
extern void kmem_reap(void) __attribute__((weak));
#define REAP() ((void)(kmem_reap != NULL ? kmem_reap() : (void)malloc_trim(0)))
#endif

#define ROUNDS 15
#define MAXTHREADS 16

static double
cpu_now(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (ts.tv_sec * 1e9 + ts.tv_nsec);
}

static uint64_t
rnd(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return (*s);
}

/* ---- one thread's work; `n` operations ---- */

typedef struct job {
	void (*func)(struct job *);
	uint64_t n;
	size_t size;
	uint64_t seed;
	double cpu; /* out: ns of processor time */
} job_t;

static void
pair(job_t *j)
{
	for (uint64_t i = 0; i < j->n; i++) {
		void *p = ALLOC(j->size);
		__asm__ volatile("" : : "r"(p) : "memory");
		FREE(p, j->size);
	}
}

static void
batch(job_t *j)
{
	void *p[256];
	for (uint64_t i = 0; i < j->n / 256; i++) {
		for (int k = 0; k < 256; k++) {
			p[k] = ALLOC(j->size);
			*(volatile char *)p[k] = 1;
		}
		for (int k = 0; k < 256; k++)
			FREE(p[k], j->size);
	}
}

static size_t
random_size(uint64_t *s)
{
	const uint64_t r = rnd(s);
	return (8 + (r >> 8) % (1UL << (4 + r % 9)));
}

typedef struct live {
	void *p;
	size_t n;
} live_t;

static void
random_sizes(job_t *j)
{
	enum { LIVE = 4096 };
	live_t *l = calloc(LIVE, sizeof(*l));
	uint64_t s = j->seed;
	for (uint64_t i = 0; i < j->n; i++) {
		live_t *x = &l[rnd(&s) % LIVE];
		if (x->p != NULL)
			FREE(x->p, x->n);
		x->n = random_size(&s);
		x->p = ALLOC(x->n);
		*(volatile char *)x->p = 1;
	}
	for (int i = 0; i < LIVE; i++) {
		if (l[i].p != NULL)
			FREE(l[i].p, l[i].n);
	}
	free(l);
}

/* Server: threads replace random buffers of a table all of them share. */
static _Atomic(uint64_t) larson_table[8192]; /* size in the upper 16 bits */

static void
larson(job_t *j)
{
	uint64_t s = j->seed;
	for (uint64_t i = 0; i < j->n; i++) {
		const size_t n = 16 + random_size(&s) % 1000;
		char *fresh = ALLOC(n);
		*(volatile char *)fresh = 1;
		const uint64_t old = atomic_exchange(&larson_table[rnd(&s) % 8192],
		    (uint64_t)(uintptr_t)fresh | (uint64_t)n << 48);
		if (old != 0)
			FREE((void *)(uintptr_t)(old & 0xffffffffffffULL), old >> 48);
	}
}

/* One half allocates and hands over, the other half frees. */
typedef struct ring {
	_Alignas(64) _Atomic(uint64_t) head;
	_Alignas(64) _Atomic(uint64_t) tail;
	void *slot[1024];
} ring_t;
static ring_t rings[MAXTHREADS];
static _Atomic(int) ring_next;

static void
handover(job_t *j)
{
	const int id = atomic_fetch_add(&ring_next, 1);
	ring_t *r = &rings[id / 2];
	for (uint64_t i = 0; i < j->n; i++) {
		if (id % 2 == 0) {
			while (i - atomic_load(&r->tail) >= 1024)
				sched_yield();
			r->slot[i % 1024] = ALLOC(j->size);
			atomic_store(&r->head, i + 1);
		} else {
			while (atomic_load(&r->head) <= i)
				sched_yield();
			FREE(r->slot[i % 1024], j->size);
			atomic_store(&r->tail, i + 1);
		}
	}
}

/* An object with a lock, a condition and two lists: construct once or each time. */
typedef struct object {
	pthread_mutex_t lock;
	pthread_cond_t cv;
	void *list[4];
	char data[160];
} object_t;

static int
object_ctor(void *buf, void *arg, int flags)
{
	object_t *o = buf;
	pthread_mutex_init(&o->lock, NULL);
	pthread_cond_init(&o->cv, NULL);
	o->list[0] = o->list[1] = &o->list[0];
	o->list[2] = o->list[3] = &o->list[2];
	memset(o->data, 0, sizeof(o->data));
	return (0);
}

static void
objects(job_t *j)
{
#ifdef BENCH_KMEM
	kmem_cache_t *cp = kmem_cache_create("bench_object", sizeof(object_t), 0, object_ctor,
	    NULL, NULL, NULL, NULL, 0);
#endif
	for (uint64_t i = 0; i < j->n; i++) {
#ifdef BENCH_KMEM
		object_t *o = kmem_cache_alloc(cp, KM_SLEEP);
		__asm__ volatile("" : : "r"(o) : "memory");
		kmem_cache_free(cp, o);
#else
		object_t *o = malloc(sizeof(*o));
		object_ctor(o, NULL, 0);
		__asm__ volatile("" : : "r"(o) : "memory");
		pthread_mutex_destroy(&o->lock);
		pthread_cond_destroy(&o->cv);
		free(o);
#endif
	}
#ifdef BENCH_KMEM
	kmem_cache_destroy(cp);
#endif
}

/* A cache of plain objects against malloc of the same size. */
static void
cache_pair(job_t *j)
{
#ifdef BENCH_KMEM
	kmem_cache_t *cp =
	    kmem_cache_create("bench_plain", j->size, 0, NULL, NULL, NULL, NULL, NULL, 0);
	for (uint64_t i = 0; i < j->n; i++) {
		void *p = kmem_cache_alloc(cp, KM_SLEEP);
		__asm__ volatile("" : : "r"(p) : "memory");
		kmem_cache_free(cp, p);
	}
	kmem_cache_destroy(cp);
#else
	pair(j);
#endif
}

/* ---- running ---- */

static pthread_barrier_t barrier;

static void *
thread_main(void *arg)
{
	job_t *j = arg;
	pthread_barrier_wait(&barrier);
	const double t0 = cpu_now();
	j->func(j);
	j->cpu = cpu_now() - t0;
	pthread_barrier_wait(&barrier);
	return (NULL);
}

static double
run_once(void (*func)(job_t *), uint64_t n, size_t size, int threads)
{
	pthread_t t[MAXTHREADS];
	job_t j[MAXTHREADS];
	atomic_store(&ring_next, 0);
	memset(rings, 0, sizeof(rings));
	pthread_barrier_init(&barrier, NULL, (unsigned)threads + 1);
	for (int i = 0; i < threads; i++) {
		j[i] = (job_t){ func, n, size, 88172645463325252ULL + (uint64_t)i };
		pthread_create(&t[i], NULL, thread_main, &j[i]);
	}
	pthread_barrier_wait(&barrier);
	double cpu = 0;
	pthread_barrier_wait(&barrier);
	for (int i = 0; i < threads; i++)
		pthread_join(t[i], NULL);
	pthread_barrier_destroy(&barrier);
	for (int i = 0; i < threads; i++)
		cpu += j[i].cpu;
	/* What a thread computed, not what others kept it from: the machine is shared. */
	return (cpu / threads / (double)n);
}

static void
bench(const char *name, void (*func)(job_t *), uint64_t n, size_t size, int threads)
{
	double best = 1e18;
	for (int i = 0; i < ROUNDS; i++) {
		const double t = run_once(func, n, size, threads);
		best = t < best ? t : best;
	}
	printf("%s\t%.2f\tns\n", name, best);
}

static double
rss_mb(void)
{
	char buf[128] = "";
	const int fd = open("/proc/self/statm", O_RDONLY);
	if (fd < 0 || read(fd, buf, sizeof(buf) - 1) <= 0)
		return (0);
	close(fd);
	return ((double)strtoul(strchr(buf, ' '), NULL, 10) * 4096 / 1048576);
}

/* 400 MB of mixed sizes; free nine of ten at random; then ask for idle memory back. */
static void
memory(void)
{
	enum { N = 1500000 };
	live_t *l = malloc(N * sizeof(*l));
	memset(l, 0, N * sizeof(*l));
	uint64_t s = 42;
	double asked = 0, kept = 0;
	const double base = rss_mb();
	for (int i = 0; i < N; i++) {
		l[i].n = random_size(&s) % 1024 + 8;
		l[i].p = ALLOC(l[i].n);
		memset(l[i].p, 1, l[i].n);
		asked += (double)l[i].n / 1048576;
	}
	printf("rss_peak\t%.2f\tx\n", (rss_mb() - base) / asked);
	for (int i = 0; i < N; i++) {
		if (rnd(&s) % 10 != 0) {
			FREE(l[i].p, l[i].n);
			l[i].p = NULL;
		} else {
			kept += (double)l[i].n / 1048576;
		}
	}
	printf("rss_after_free90\t%.2f\tx\n", (rss_mb() - base) / kept);
	REAP();
	printf("rss_after_reap\t%.2f\tx\n", (rss_mb() - base) / kept);
	for (int i = 0; i < N; i++) {
		if (l[i].p != NULL)
			FREE(l[i].p, l[i].n);
	}
	REAP();
	printf("rss_all_freed\t%.1f\tMB\n", rss_mb() - base);
	free(l);
}

int
main(int argc, char **argv)
{
	static const size_t sizes[] = { 16, 64, 256, 1024, 4096, 8192 };
	const char *test = argc > 1 ? argv[1] : "all";
	const int threads = argc > 2 ? atoi(argv[2]) : 1;
	char name[64];

	if (threads < 1 || threads > MAXTHREADS)
		return (2);
	if (strcmp(test, "memory") == 0) {
		memory();
		return (0);
	}
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		snprintf(name, sizeof(name), "pair_%zu", sizes[i]);
		bench(name, pair, 1000000, sizes[i], threads);
	}
	bench("cache_pair_256", cache_pair, 1000000, 256, threads);
	for (size_t i = 0; i < 4; i++) {
		snprintf(name, sizeof(name), "batch_%zu", sizes[i]);
		bench(name, batch, 512000, sizes[i], threads);
	}
	bench("random_sizes", random_sizes, 500000, 0, threads);
	bench("larson", larson, 500000, 0, threads);
	if (threads > 1)
		bench("handover_64", handover, 300000, 64, threads & ~1);
	bench("objects", objects, 300000, sizeof(object_t), threads);
	return (0);
}
