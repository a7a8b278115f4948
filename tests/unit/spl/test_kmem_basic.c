/* The contract of kmem.h that every allocator behind it must keep. */
#include "spl_test.h"

static void
sizes_and_alignments(void **state)
{
	const uint64_t before = kmem_used();

	assert_null(kmem_alloc(0, KM_SLEEP));
	kmem_free(NULL, 0);
	for (size_t size = 1; size < 300000; size = size * 5 / 4 + 1) {
		uint8_t *p = kmem_alloc(size, KM_SLEEP);
		assert_true(IS_P2ALIGNED((uintptr_t)p, size >= 16 ? 16 : 8));
		if (size >= 4096)
			assert_true(IS_P2ALIGNED((uintptr_t)p, 4096));
		memset(p, 0x5a, size);
		kmem_free(p, size);
		p = kmem_zalloc(size, KM_SLEEP);
		assert_int_equal(p[0] | p[size / 2] | p[size - 1], 0);
		kmem_free(p, size);
	}
	assert_int_equal(kmem_used(), before);
}

static void
strings(void **state)
{
	char *a = kmem_strdup("mirror-0");
	char *b = kmem_asprintf("%s/%d", a, 42);

	assert_string_equal(a, "mirror-0");
	assert_string_equal(b, "mirror-0/42");
	kmem_strfree(a);
	kmem_strfree(b);
	kmem_strfree(NULL);
}

static void
absurd_sizes_are_refused(void **state)
{
	assert_null(kmem_alloc(SIZE_MAX, KM_NOSLEEP));
	assert_null(kmem_alloc(SIZE_MAX / 2, KM_NOSLEEP));
	assert_null(kmem_zalloc(PTRDIFF_MAX, KM_NOSLEEP));
}

typedef struct object {
	uint64_t magic;
	void *arg;
	char pad[100];
} object_t;

static int constructed, destroyed;

static int
object_ctor(void *buf, void *arg, int kmflags)
{
	object_t *o = buf;

	o->magic = 0x0b1ec7;
	o->arg = arg;
	constructed++;
	return (0);
}

static void
object_dtor(void *buf, void *arg)
{
	object_t *o = buf;

	assert_int_equal(o->magic, 0x0b1ec7);
	destroyed++;
}

static void
cached_objects_come_constructed(void **state)
{
	object_t *o[500];
	kmem_cache_t *cp = kmem_cache_create(
	    "object", sizeof(object_t), 64, object_ctor, object_dtor, NULL, o, NULL, 0);

	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 500; i++) {
			o[i] = kmem_cache_alloc(cp, KM_SLEEP);
			assert_int_equal(o[i]->magic, 0x0b1ec7);
			assert_ptr_equal(o[i]->arg, o);
			assert_true(IS_P2ALIGNED((uintptr_t)o[i], 64));
			memset(o[i]->pad, i, sizeof(o[i]->pad));
		}
		for (int i = 0; i < 500; i++)
			kmem_cache_free(cp, o[i]);
		kmem_cache_reap_now(cp);
	}
	kmem_cache_destroy(cp);
	assert_true(constructed > 0);
	assert_int_equal(constructed, destroyed);
}

static int
fail_ctor(void *buf, void *arg, int kmflags)
{
	return (-1);
}

static void
a_failing_constructor_fails_the_allocation(void **state)
{
	kmem_cache_t *cp =
	    kmem_cache_create("never", 40, 0, fail_ctor, NULL, NULL, NULL, NULL, 0);

	assert_null(kmem_cache_alloc(cp, KM_NOSLEEP));
	assert_null(kmem_cache_alloc(cp, KM_SLEEP));
	kmem_cache_destroy(cp);
}

static void
destroy_nonempty(void *arg)
{
	kmem_cache_t *cp =
	    kmem_cache_create("leaky", 40, 0, NULL, NULL, NULL, NULL, NULL, 0);

	(void)kmem_cache_alloc(cp, KM_SLEEP);
	kmem_cache_destroy(cp);
}

static void
leaks_show_when_the_cache_goes(void **state)
{
	assert_panics(destroy_nonempty, NULL, "'leaky'");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_and_alignments),
		cmocka_unit_test(strings),
		cmocka_unit_test(absurd_sizes_are_refused),
		cmocka_unit_test(cached_objects_come_constructed),
		cmocka_unit_test(a_failing_constructor_fails_the_allocation),
		cmocka_unit_test(leaks_show_when_the_cache_goes),
	};
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
