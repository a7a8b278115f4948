/* vmem arenas: fits, constraints, imports, exhaustion, and a model test. */
#include "spl_test.h"
#include "spl/vmem.h"

#define BASE ((void *)0x1000)

static vmem_t *
numbers(size_t size, size_t quantum)
{
	vmem_t *vmp = vmem_create(
	    "numbers", (void *)quantum, size, quantum, NULL, NULL, NULL, 0, VM_SLEEP);

	assert_non_null(vmp);
	return (vmp);
}

static void
numbers_are_unique_and_run_out(void **state)
{
	vmem_t *ids = numbers(1000, 1);
	bool seen[1001] = { false };

	for (int i = 0; i < 1000; i++) {
		const uintptr_t id = (uintptr_t)vmem_alloc(ids, 1, VM_NOSLEEP);
		assert_in_range(id, 1, 1000);
		assert_false(seen[id]);
		seen[id] = true;
	}
	assert_null(vmem_alloc(ids, 1, VM_NOSLEEP));
	vmem_free(ids, (void *)77, 1);
	assert_int_equal((uintptr_t)vmem_alloc(ids, 1, VM_NOSLEEP), 77);
	assert_int_equal(vmem_size(ids, VMEM_ALLOC), 1000);
	assert_int_equal(vmem_size(ids, VMEM_FREE), 0);
	for (uintptr_t id = 1; id <= 1000; id++)
		vmem_free(ids, (void *)id, 1);
	vmem_destroy(ids);
}

static void
requests_that_can_never_succeed_do_not_wait(void **state)
{
	vmem_t *ids = numbers(100, 1);

	assert_null(vmem_alloc(ids, 0, VM_SLEEP));
	assert_null(vmem_alloc(ids, 101, VM_SLEEP));
	assert_null(vmem_alloc(ids, SIZE_MAX, VM_SLEEP));
	assert_null(vmem_xalloc(ids, 4, 3, 0, 0, NULL, NULL, VM_SLEEP)); /* align not 2^n */
	assert_null(vmem_xalloc(ids, 4, 8, 8, 0, NULL, NULL, VM_SLEEP)); /* phase >= align */
	assert_null(vmem_xalloc(ids, 40, 0, 0, 32, NULL, NULL, VM_SLEEP)); /* must cross */
	assert_null(vmem_xalloc(ids, 4, 0, 0, 0, (void *)50, (void *)50, VM_SLEEP));
	assert_null(vmem_xalloc(ids, 4, 0, 0, 0, (void *)500, (void *)600, VM_SLEEP));
	assert_null(vmem_xalloc(ids, 4, 1024, 0, 0, NULL, NULL, VM_SLEEP));
	vmem_destroy(ids);
	assert_null(vmem_create("zero", NULL, 10, 1, NULL, NULL, NULL, 0, 0));
	assert_null(vmem_create("q3", BASE, 12, 3, NULL, NULL, NULL, 0, 0));
	assert_null(vmem_create("wrap", (void *)-16, 64, 16, NULL, NULL, NULL, 0, 0));
}

static void
free_neighbours_coalesce(void **state)
{
	vmem_t *vmp = numbers(64 * 16, 16);
	void *p[64];

	for (int i = 0; i < 64; i++)
		assert_non_null(p[i] = vmem_alloc(vmp, 16, VM_NOSLEEP));
	for (int i = 0; i < 64; i += 2)
		vmem_free(vmp, p[i], 16);
	assert_null(vmem_alloc(vmp, 32, VM_NOSLEEP)); /* only holes of 16 */
	for (int i = 1; i < 64; i += 2)
		vmem_free(vmp, p[i], 16);
	void *all = vmem_alloc(vmp, 64 * 16, VM_NOSLEEP);
	assert_ptr_equal(all, (void *)16);
	vmem_free(vmp, all, 64 * 16);
	vmem_destroy(vmp);
}

static void
fits_choose_as_documented(void **state)
{
	vmem_t *vmp = numbers(10000, 1);
	void *keep[4];

	/* Holes of 100, 20 and 50 at 1, 102 and 123; the rest is behind. */
	void *a = vmem_alloc(vmp, 100, VM_FIRSTFIT);
	keep[0] = vmem_alloc(vmp, 1, VM_FIRSTFIT);
	void *b = vmem_alloc(vmp, 20, VM_FIRSTFIT);
	keep[1] = vmem_alloc(vmp, 1, VM_FIRSTFIT);
	void *c = vmem_alloc(vmp, 50, VM_FIRSTFIT);
	keep[2] = vmem_alloc(vmp, 1, VM_FIRSTFIT);
	vmem_free(vmp, a, 100);
	vmem_free(vmp, b, 20);
	vmem_free(vmp, c, 50);
	void *p = vmem_alloc(vmp, 18, VM_BESTFIT);
	assert_ptr_equal(p, b);
	void *q = vmem_alloc(vmp, 18, VM_FIRSTFIT);
	assert_ptr_equal(q, a);
	/* Next fit goes on behind the last one, and round at the end. */
	void *n1 = vmem_alloc(vmp, 10, VM_NEXTFIT);
	vmem_free(vmp, n1, 10);
	void *n2 = vmem_alloc(vmp, 10, VM_NEXTFIT);
	assert_ptr_not_equal(n1, n2);
	assert_true((uintptr_t)n2 >= (uintptr_t)n1 + 10);
	vmem_free(vmp, n2, 10);
	vmem_free(vmp, p, 18);
	vmem_free(vmp, q, 18);
	for (int i = 0; i < 3; i++)
		vmem_free(vmp, keep[i], 1);
	vmem_destroy(vmp);
}

static void
constraints_hold_at_random(void **state)
{
	uint64_t rnd = test_seed();
	vmem_t *vmp = vmem_create(
	    "constrained", BASE, 1 << 20, 16, NULL, NULL, NULL, 0, VM_SLEEP);

	for (int i = 0; i < 20000; i++) {
		const size_t size = 1 + test_rand(&rnd) % 5000;
		const size_t align = 16UL << test_rand(&rnd) % 10;
		const size_t phase = test_rand(&rnd) % (align / 16) * 16;
		size_t nocross = test_rand(&rnd) % 2 ? 0 : 8192UL << test_rand(&rnd) % 3;
		uintptr_t min = test_rand(&rnd) % 3 ? 0 : 0x1000 + test_rand(&rnd) % (1 << 19);
		uintptr_t max = test_rand(&rnd) % 3 ? 0 : min + 0x10000 + test_rand(&rnd) % (1 << 19);
		if (nocross != 0 && nocross < align)
			nocross = align;
		const uintptr_t p = (uintptr_t)vmem_xalloc(vmp, size, align, phase, nocross,
		    (void *)min, (void *)max, VM_NOSLEEP);
		if (p == 0)
			continue;
		const uintptr_t end = p + P2ROUNDUP(size, 16);
		assert_int_equal((p - phase) % align, 0);
		assert_true(p >= 0x1000 && end <= 0x1000 + (1 << 20));
		assert_true(p >= min && (max == 0 || end <= max));
		if (nocross != 0)
			assert_int_equal(p / nocross, (end - 1) / nocross);
		/* Keep one in eight for a while: the arena must be fragmented. */
		if (i % 8 != 0)
			vmem_xfree(vmp, (void *)p, size);
	}
	vmem_destroy(vmp);
}

static uint64_t source_calls;

static void *
count_import(vmem_t *source, size_t size, int vmflag)
{
	source_calls++;
	assert_int_equal(size % VMEM_IMPORT_DEFAULT, 0);
	return (vmem_alloc(source, size, vmflag));
}

static void
imports_come_in_chunks_and_go_back(void **state)
{
	vmem_t *heap =
	    vmem_create("heap", BASE, 64 << 20, 4096, NULL, NULL, NULL, 0, VM_SLEEP);
	vmem_t *vmp = vmem_create(
	    "importer", NULL, 0, 4096, count_import, vmem_free, heap, 0, VM_SLEEP);
	void *p[256];
	vmem_stat_t vk;

	source_calls = 0;
	for (int i = 0; i < 256; i++)
		assert_non_null(p[i] = vmem_alloc(vmp, 4096, VM_SLEEP));
	assert_int_equal(source_calls, 2); /* 1 MiB in pieces of 512 KiB */
	vmem_stats(vmp, &vk);
	assert_int_equal(vk.vk_import, 1 << 20);
	assert_int_equal(vk.vk_spans, 2);
	for (int i = 0; i < 256; i++) {
		assert_true(vmem_contains(vmp, p[i], 4096));
		vmem_free(vmp, p[i], 4096);
	}
	assert_int_equal(vmem_size(heap, VMEM_ALLOC), 0);
	/* With a kept reserve it stays until a purge, and an aged one takes two rounds. */
	vmem_set_keep(vmp, 1 << 20);
	void *q = vmem_alloc(vmp, 4096, VM_SLEEP);
	vmem_free(vmp, q, 4096);
	assert_int_equal(vmem_size(heap, VMEM_ALLOC), VMEM_IMPORT_DEFAULT);
	assert_int_equal(vmem_purge(vmp, true), 0);
	assert_int_equal(vmem_purge(vmp, true), VMEM_IMPORT_DEFAULT);
	assert_int_equal(vmem_size(heap, VMEM_ALLOC), 0);
	/* Exhausted source: NULL, and nothing is lost. */
	assert_null(vmem_alloc(vmp, 128 << 20, VM_SLEEP | VM_NOSLEEP));
	vmem_destroy(vmp);
	vmem_destroy(heap);
}

static void
granularity_is_adjustable(void **state)
{
	vmem_t *heap =
	    vmem_create("heap", BASE, 64 << 20, 4096, NULL, NULL, NULL, 0, VM_SLEEP);
	vmem_t *vmp =
	    vmem_create("fine", NULL, 0, 4096, vmem_alloc, vmem_free, heap, 0, VM_SLEEP);

	vmem_set_import(vmp, 16384);
	void *p = vmem_alloc(vmp, 4096, VM_SLEEP);
	assert_int_equal(vmem_size(heap, VMEM_ALLOC), 16384);
	vmem_free(vmp, p, 4096);
	vmem_destroy(vmp);
	vmem_destroy(heap);
}

static void
quantum_caches_serve_small_pieces(void **state)
{
	vmem_t *vmp = vmem_create(
	    "qc", (void *)0x100000, 64 << 20, 4096, NULL, NULL, NULL, 5 * 4096, VM_SLEEP);
	static void *p[3000];
	vmem_stat_t before, after;

	for (int i = 0; i < 3000; i++) {
		p[i] = vmem_alloc(vmp, (size_t)(i % 5 + 1) * 4096, VM_NOSLEEP);
		assert_non_null(p[i]);
		assert_int_equal((uintptr_t)p[i] % 4096, 0);
	}
	vmem_stats(vmp, &before);
	assert_true(before.vk_alloc < 3000 / 4); /* most never reached the arena */
	for (int i = 0; i < 3000; i++)
		vmem_free(vmp, p[i], (size_t)(i % 5 + 1) * 4096);
	vmem_stats(vmp, &after);
	assert_true(after.vk_inuse > 0); /* magazines hold some */
	vmem_destroy(vmp);
}

static void
an_arena_smaller_than_a_slab_of_pieces_is_used_to_the_last(void **state)
{
	vmem_t *vmp =
	    vmem_create("tiny", (void *)1, 10, 1, NULL, NULL, NULL, 4, VM_SLEEP);
	void *p[10];

	for (int i = 0; i < 10; i++)
		assert_non_null(p[i] = vmem_alloc(vmp, 1, VM_NOSLEEP));
	assert_null(vmem_alloc(vmp, 1, VM_NOSLEEP));
	for (int i = 0; i < 10; i++)
		vmem_free(vmp, p[i], 1);
	assert_int_equal(vmem_size(vmp, VMEM_ALLOC), 0);
	vmem_destroy(vmp);
}

static void
spans_can_be_added_but_not_overlap(void **state)
{
	vmem_t *vmp = vmem_create("spans", BASE, 0x1000, 16, NULL, NULL, NULL, 0, VM_SLEEP);

	assert_non_null(vmem_add(vmp, (void *)0x4000, 0x1000, VM_SLEEP));
	assert_non_null(vmem_add(vmp, (void *)0x3000, 0x1000, VM_SLEEP));
	assert_null(vmem_add(vmp, (void *)0x4800, 0x1000, VM_SLEEP));
	assert_null(vmem_add(vmp, (void *)0x800, 0x1000, VM_SLEEP));
	assert_null(vmem_add(vmp, NULL, 0x100, VM_SLEEP));
	assert_null(vmem_add(vmp, (void *)-32, 64, VM_SLEEP));
	assert_true(vmem_contains(vmp, (void *)0x4010, 16));
	assert_false(vmem_contains(vmp, (void *)0x2000, 16));
	assert_false(vmem_contains(vmp, (void *)0x3ff0, 32)); /* across two spans */
	/* Adjacent spans do not coalesce. */
	assert_null(vmem_alloc(vmp, 0x1800, VM_NOSLEEP));
	vmem_destroy(vmp);
}

static void
wake_up(void *arg)
{
	spl_delay(MSEC2NSEC(30));
	vmem_free(arg, (void *)1, 100);
}

static void
a_sleeper_gets_what_another_thread_frees(void **state)
{
	vmem_t *vmp = numbers(100, 1);

	assert_non_null(vmem_alloc(vmp, 100, VM_NOSLEEP));
	kthread_t *t = thread_create("freer", wake_up, vmp);
	void *p = vmem_alloc(vmp, 60, VM_SLEEP);
	assert_non_null(p);
	thread_join(t);
	vmem_free(vmp, p, 60);
	vmem_destroy(vmp);
}

typedef struct walk {
	uintptr_t at;
	size_t free, alloc;
} walk_t;

static void
note_alloc(void *arg, void *addr, size_t size)
{
	((walk_t *)arg)->alloc += size;
}

static void
note_free(void *arg, void *addr, size_t size)
{
	((walk_t *)arg)->free += size;
}

/* Random allocations of all kinds against a byte map of who owns what. */
static void
model_of_owners(void **state)
{
	enum { SPAN = 1 << 16, LIVE = 512 };
	static uint16_t owner[SPAN + 1];
	static struct {
		uintptr_t at;
		size_t size;
	} live[LIVE];
	static const int fits[] = { 0, VM_BESTFIT, VM_FIRSTFIT, VM_NEXTFIT };
	uint64_t rnd = test_seed();
	const char *steps = getenv("TARN_TEST_STEPS");
	const uint64_t n = steps != NULL ? strtoull(steps, NULL, 0) : 400000;
	vmem_t *vmp = numbers(SPAN, 1);
	size_t total = 0;

	for (uint64_t step = 0; step < n; step++) {
		const unsigned i = test_rand(&rnd) % LIVE;
		if (live[i].size == 0) {
			const size_t size = 1 + test_rand(&rnd) % (1UL << test_rand(&rnd) % 10);
			live[i].at = (uintptr_t)vmem_alloc(
			    vmp, size, VM_NOSLEEP | fits[test_rand(&rnd) % 4]);
			if (live[i].at == 0)
				continue;
			live[i].size = size;
			assert_true(live[i].at + size - 1 <= SPAN);
			for (size_t k = 0; k < size; k++) {
				assert_int_equal(owner[live[i].at + k], 0);
				owner[live[i].at + k] = (uint16_t)(i + 1);
			}
			total += size;
		} else {
			for (size_t k = 0; k < live[i].size; k++) {
				assert_int_equal(owner[live[i].at + k], i + 1);
				owner[live[i].at + k] = 0;
			}
			vmem_free(vmp, (void *)live[i].at, live[i].size);
			total -= live[i].size;
			live[i].size = 0;
		}
		if (step % 5000 == 0) {
			walk_t w = { 0 };
			vmem_walk(vmp, VMEM_ALLOC, note_alloc, &w);
			vmem_walk(vmp, VMEM_FREE, note_free, &w);
			assert_int_equal(w.alloc, total);
			assert_int_equal(w.free, SPAN - total);
			assert_int_equal(vmem_size(vmp, VMEM_ALLOC), total);
		}
	}
	for (int i = 0; i < LIVE; i++) {
		if (live[i].size != 0)
			vmem_free(vmp, (void *)live[i].at, live[i].size);
	}
	assert_int_equal(vmem_size(vmp, VMEM_FREE), SPAN);
	vmem_destroy(vmp);
}

static void
free_wrong_size(void *arg)
{
	vmem_t *vmp = numbers(100, 1);

	vmem_free(vmp, vmem_alloc(vmp, 10, VM_SLEEP), 11);
}

static void
free_twice(void *arg)
{
	vmem_t *vmp = numbers(100, 1);
	void *p = vmem_alloc(vmp, 10, VM_SLEEP);

	vmem_free(vmp, p, 10);
	vmem_free(vmp, p, 10);
}

static void
exhaust(void *arg)
{
	vmem_t *vmp = numbers(100, 1);

	(void)vmem_alloc(vmp, 101, VM_PANIC);
}

static void
misuse_panics(void **state)
{
	assert_panics(free_wrong_size, NULL, "wrong size (expect 10)");
	assert_panics(free_twice, NULL, "bad free: nothing is allocated there");
	assert_panics(exhaust, NULL, "arena exhausted");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_unique_and_run_out),
		cmocka_unit_test(requests_that_can_never_succeed_do_not_wait),
		cmocka_unit_test(free_neighbours_coalesce),
		cmocka_unit_test(fits_choose_as_documented),
		cmocka_unit_test(constraints_hold_at_random),
		cmocka_unit_test(imports_come_in_chunks_and_go_back),
		cmocka_unit_test(granularity_is_adjustable),
		cmocka_unit_test(quantum_caches_serve_small_pieces),
		cmocka_unit_test(an_arena_smaller_than_a_slab_of_pieces_is_used_to_the_last),
		cmocka_unit_test(spans_can_be_added_but_not_overlap),
		cmocka_unit_test(a_sleeper_gets_what_another_thread_frees),
		cmocka_unit_test(model_of_owners),
		cmocka_unit_test(misuse_panics),
	};
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
