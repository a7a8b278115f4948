/*
 * Memory pressure: limits are known and kept, reclaim functions are asked in order,
 * idle memory goes back, and a process in a small control group survives a cache
 * that would eat the machine.
 */
#include "spl_test.h"
#include <fcntl.h>
#include <sys/stat.h>
#include "spl/kmem_impl.h"
#include "spl/kmem_pressure.h"

#define MB (1ULL << 20)

/* Resident bytes of this process. */
static uint64_t
rss(void)
{
	char text[128] = "";
	const int fd = open("/proc/self/statm", O_RDONLY);

	assert_true(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	return (strtoull(strchr(text, ' '), NULL, 10) * 4096);
}

/* ThreadSanitizer's shadow memory is several times ours, and not ours to give back. */
static bool
shadowed(void)
{
#ifdef __SANITIZE_THREAD__
	return (true);
#else
	return (false);
#endif
}

static bool
delegated(void)
{
	kmem_free(kmem_alloc(1, KM_SLEEP), 1);
	return (kmem_root.kr_delegate);
}

/* A greedy cache: keeps every buffer it is given until asked to let go. */
typedef struct greedy {
	kmutex_t lock;
	list_t list;
	uint64_t bytes, reclaims;
	int *order_note;
	int id;
} greedy_t;

typedef struct entry {
	list_node_t node;
	size_t size;
} entry_t;

static uint64_t
greedy_shrink(void *arg, uint64_t want)
{
	greedy_t *g = arg;
	uint64_t freed = 0;
	entry_t *e;

	mutex_enter(&g->lock);
	g->reclaims++;
	if (g->order_note != NULL && *g->order_note < 100)
		*g->order_note = *g->order_note * 10 + g->id;
	while (freed < want && (e = list_remove_head(&g->list)) != NULL) {
		freed += e->size;
		g->bytes -= e->size;
		kmem_free(e, e->size);
	}
	mutex_exit(&g->lock);
	return (freed);
}

static void
greedy_create(greedy_t *g)
{
	memset(g, 0, sizeof(*g));
	mutex_init(&g->lock);
	list_create(&g->list, sizeof(entry_t), offsetof(entry_t, node));
}

static void
greedy_grow(greedy_t *g, size_t size)
{
	entry_t *e = kmem_alloc(size, KM_SLEEP);

	memset(e, 7, size);
	e->size = size;
	mutex_enter(&g->lock);
	list_insert_tail(&g->list, e);
	g->bytes += size;
	mutex_exit(&g->lock);
}

static uint64_t
greedy_bytes(greedy_t *g)
{
	mutex_enter(&g->lock);
	const uint64_t bytes = g->bytes;
	mutex_exit(&g->lock);
	return (bytes);
}

static void
limits_are_known(void **state)
{
	const uint64_t limit = kmem_limit();

	assert_true(limit > 64 * MB);
	assert_true(kmem_available() > 0 && kmem_available() <= 1ULL << 50);
	kmem_limit_set(100 * MB);
	assert_int_equal(kmem_limit(), 100 * MB);
	assert_true(kmem_available() <= 100 * MB);
	kmem_limit_set(0);
	assert_int_equal(kmem_limit(), limit);
}

static void
reclaim_functions_are_asked_in_order_and_only_while_needed(void **state)
{
	int order = 0;
	greedy_t a, b, c;

	if (delegated())
		skip();
	greedy_create(&a);
	greedy_create(&b);
	greedy_create(&c);
	a.id = 1;
	b.id = 2;
	c.id = 3;
	a.order_note = b.order_note = c.order_note = &order;
	assert_int_equal(kmem_reclaim_register(20, greedy_shrink, &b), 0);
	assert_int_equal(kmem_reclaim_register(30, greedy_shrink, &c), 0);
	assert_int_equal(kmem_reclaim_register(10, greedy_shrink, &a), 0);
	/* 60 MiB in a, 40 in b: with a limit of 64 all of a and some of b must go. */
	for (int i = 0; i < 60; i++)
		greedy_grow(&a, MB);
	for (int i = 0; i < 40; i++)
		greedy_grow(&b, MB);
	kmem_limit_set(32 * MB);
	kmem_pressure_start();
	for (int i = 0; i < 100 && greedy_bytes(&b) > 30 * MB; i++)
		spl_delay(MSEC2NSEC(50));
	kmem_limit_set(0);
	kmem_pressure_stop();
	assert_int_equal(a.bytes, 0);
	assert_true(b.bytes > 0 && b.bytes <= 30 * MB);
	assert_int_equal(order / (order >= 100 ? 100 : order >= 10 ? 10 : 1) % 10, 1);
	kmem_reclaim_unregister(greedy_shrink, &a);
	kmem_reclaim_unregister(greedy_shrink, &b);
	kmem_reclaim_unregister(greedy_shrink, &c);
	greedy_shrink(&b, UINT64_MAX);
}

static void
idle_memory_goes_back_by_the_clock(void **state)
{
	enum { N = 200000 };
	static void *p[N];

	if (delegated() || shadowed())
		skip();
	const uint64_t before = rss();
	for (int i = 0; i < N; i++) {
		p[i] = kmem_alloc(500, KM_SLEEP);
		memset(p[i], 1, 500);
	}
	const uint64_t peak = rss();
	assert_true(peak - before > 90 * MB);
	for (int i = 0; i < N; i++)
		kmem_free(p[i], 500);
	/* From here on nobody allocates: only the reaper can do it. */
	kmem_pressure_start();
	for (int i = 0; i < 200 && rss() > before + 10 * MB; i++)
		spl_delay(MSEC2NSEC(50));
	kmem_pressure_stop();
	assert_true(rss() <= before + 10 * MB);
}

static char group[256];

/* In the child: 3 GiB through a cache without a bound of its own, in 256 MiB. */
static void
glutton(void *arg)
{
	char path[320];
	greedy_t g;

	(void)snprintf(path, sizeof(path), "%s/cgroup.procs", group);
	const int fd = open(path, O_WRONLY);
	if (fd < 0 || write(fd, "0", 1) != 1)
		_exit(3);
	close(fd);
	greedy_create(&g);
	(void)kmem_reclaim_register(0, greedy_shrink, &g);
	kmem_pressure_start();
	for (uint64_t done = 0; done < 3072 * MB; done += MB / 2)
		greedy_grow(&g, MB / 2);
	dprintf(STDERR_FILENO, "kept %" PRIu64 " MB, %" PRIu64 " reclaims", (uint64_t)(g.bytes / MB),
	    g.reclaims);
	_exit(0);
}

static void
a_small_control_group_is_survived(void **state)
{
	static const char *const roots[] = { "/sys/fs/cgroup/memory", "/sys/fs/cgroup" };
	int status, fd = -1;

	if (delegated() || shadowed())
		skip();
	for (int i = 0; i < 2 && fd < 0; i++) {
		char path[320];
		(void)snprintf(group, sizeof(group), "%s/tarn-test-%d", roots[i], getpid());
		if (mkdir(group, 0755) != 0)
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", group,
		    i == 0 ? "memory.limit_in_bytes" : "memory.max");
		fd = open(path, O_WRONLY);
		if (fd < 0)
			rmdir(group);
	}
	if (fd < 0) {
		print_message("no control group can be made here\n");
		skip();
	}
	assert_int_equal(write(fd, "268435456", 9), 9);
	close(fd);
	const char *out = test_in_child(glutton, NULL, &status);
	printf("status %x: %s\n", status, out);
	for (int i = 0; i < 50 && rmdir(group) != 0; i++)
		spl_delay(MSEC2NSEC(20));
	assert_int_equal(status, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(limits_are_known),
		cmocka_unit_test(reclaim_functions_are_asked_in_order_and_only_while_needed),
		cmocka_unit_test(idle_memory_goes_back_by_the_clock),
		cmocka_unit_test(a_small_control_group_is_survived),
	};
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
