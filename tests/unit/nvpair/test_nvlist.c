/*
 * Lists in memory: replacing, ordering, ownership, lookups by type, refusal of what the
 * format cannot hold, and that size does not change behaviour (the hash table).
 */
#include "nvpair_test.h"

#include "spl/debug.h"

static void
a_new_value_replaces_the_old_and_goes_to_the_end(void **state)
{
	nvlist_t *nvl = nvlist_create();
	const nvpair_t *nvp;
	uint64_t v;

	fnvlist_add_uint64(nvl, "a", 1);
	fnvlist_add_uint64(nvl, "b", 2);
	fnvlist_add_string(nvl, "a", "now text");
	assert_int_equal(nvlist_lookup_uint64(nvl, "a", &v), ENOENT);
	nvp = nvlist_next_nvpair(nvl, NULL);
	assert_string_equal(nvpair_name(nvp), "b");
	assert_int_equal(nvpair_value_uint64(nvp, &v), 0);
	assert_int_equal(v, 2);
	nvp = nvlist_next_nvpair(nvl, nvp);
	assert_string_equal(nvpair_name(nvp), "a");
	assert_int_equal(nvpair_type(nvp), DATA_TYPE_STRING);
	assert_int_equal(nvpair_value_uint64(nvp, &v), EINVAL);
	assert_null(nvlist_next_nvpair(nvl, nvp));
	nvlist_free(nvl);
}

static void
uniqueness_is_what_the_list_was_created_with(void **state)
{
	nvlist_t *by_type, *free_for_all;
	uint64_t v;
	const char *s;

	assert_int_equal(nvlist_alloc(&by_type, NV_UNIQUE_NAME_TYPE, KM_SLEEP), 0);
	fnvlist_add_uint64(by_type, "x", 1);
	fnvlist_add_string(by_type, "x", "one");
	fnvlist_add_uint64(by_type, "x", 2);
	assert_int_equal(nvlist_lookup_uint64(by_type, "x", &v), 0);
	assert_int_equal(v, 2);
	assert_int_equal(nvlist_lookup_string(by_type, "x", &s), 0);
	assert_string_equal(s, "one");
	nvlist_free(by_type);

	assert_int_equal(nvlist_alloc(&free_for_all, 0, KM_SLEEP), 0);
	for (uint64_t i = 0; i < 100; i++)
		fnvlist_add_uint64(free_for_all, "x", i);
	assert_int_equal(nvlist_lookup_uint64(free_for_all, "x", &v), 0);
	assert_int_equal(v, 0); /* the first of them */
	assert_int_equal(nvlist_remove_all(free_for_all, "x"), 0);
	assert_true(nvlist_empty(free_for_all));
	nvlist_free(free_for_all);

	assert_int_equal(nvlist_alloc(&by_type, 0x10, KM_SLEEP), EINVAL);
}

static void
a_list_owns_copies_of_everything(void **state)
{
	char text[] = "before";
	uint64_t numbers[] = {1, 2, 3};
	nvlist_t *child = nvlist_create(), *nvl = nvlist_create(), *got;
	const uint64_t *array;
	const char *s;
	size_t n;

	fnvlist_add_string(child, "text", text);
	fnvlist_add_nvlist(nvl, "child", child);
	fnvlist_add_uint64_array(nvl, "numbers", numbers, 3);
	memset(text, 'x', 6);
	numbers[0] = 99;
	nvlist_free(child);
	assert_int_equal(nvlist_lookup_nvlist(nvl, "child", &got), 0);
	assert_int_equal(nvlist_lookup_string(got, "text", &s), 0);
	assert_string_equal(s, "before");
	assert_int_equal(nvlist_lookup_uint64_array(nvl, "numbers", &array, &n), 0);
	assert_int_equal(n, 3);
	assert_int_equal(array[0], 1);
	nvlist_free(nvl);
}

static void
every_type_can_be_looked_up_as_itself_only(void **state)
{
	nvlist_t *nvl = test_every_type(), *list;
	nvlist_t *const *lists;
	const char *const *words;
	const bool *flags;
	const int16_t *i16;
	const uint8_t *u8;
	const char *s;
	size_t n;
	bool b;
	double d;
	int8_t i8;
	int64_t i64;
	uint8_t byte;
	uint32_t u32;

	assert_int_equal(nvlist_lookup_boolean(nvl, "boolean"), 0);
	assert_int_equal(nvlist_lookup_boolean(nvl, "boolean_value"), ENOENT);
	assert_int_equal(nvlist_lookup_boolean_value(nvl, "boolean_value", &b), 0);
	assert_true(b);
	assert_int_equal(nvlist_lookup_byte(nvl, "byte", &byte), 0);
	assert_int_equal(byte, 0xfe);
	assert_int_equal(nvlist_lookup_uint8(nvl, "byte", &byte), ENOENT);
	assert_int_equal(nvlist_lookup_int8(nvl, "int8", &i8), 0);
	assert_int_equal(i8, -7);
	assert_int_equal(nvlist_lookup_uint32(nvl, "uint32", &u32), 0);
	assert_int_equal(u32, 4000000000u);
	assert_int_equal(nvlist_lookup_int64(nvl, "int64", &i64), 0);
	assert_true(i64 == INT64_MIN);
	assert_int_equal(nvlist_lookup_hrtime(nvl, "hrtime", &i64), 0);
	assert_true(i64 == -123456789012);
	assert_int_equal(nvlist_lookup_double(nvl, "double", &d), 0);
	assert_true(d == -1.5);
	assert_int_equal(nvlist_lookup_string(nvl, "empty string", &s), 0);
	assert_string_equal(s, "");
	assert_int_equal(nvlist_lookup_boolean_array(nvl, "booleans", &flags, &n), 0);
	assert_int_equal(n, 4);
	assert_false(flags[1]);
	assert_int_equal(nvlist_lookup_byte_array(nvl, "bytes", &u8, &n), 0);
	assert_int_equal(u8[2], 255);
	assert_int_equal(nvlist_lookup_int16_array(nvl, "int16s", &i16, &n), 0);
	assert_int_equal(i16[0], INT16_MIN);
	assert_int_equal(nvlist_lookup_string_array(nvl, "strings", &words, &n), 0);
	assert_int_equal(n, 4);
	assert_string_equal(words[3], "longer than eight");
	assert_int_equal(nvlist_lookup_nvlist(nvl, "nvlist", &list), 0);
	assert_int_equal(nvlist_lookup_nvlist_array(nvl, "nvlists", &lists, &n), 0);
	assert_int_equal(n, 2);
	assert_int_equal(nvlist_lookup_nvlist_array(nvl, "no nvlists", &lists, &n), 0);
	assert_int_equal(n, 0);
	/* Out pointers may be missing. */
	assert_int_equal(nvlist_lookup_string(nvl, "string", NULL), 0);
	assert_int_equal(nvlist_lookup_uint64_array(nvl, "uint64s", NULL, NULL), 0);
	nvlist_free(nvl);
}

static void
what_the_format_cannot_hold_is_refused(void **state)
{
	char *const name = malloc(32768);
	const char *const hole[] = {"a", NULL};
	nvlist_t *nvl = nvlist_create();

	memset(name, 'n', 32767);
	name[32766] = '\0';
	assert_int_equal(nvlist_add_boolean(nvl, name), EINVAL);
	name[32765] = '\0';
	assert_int_equal(nvlist_add_boolean(nvl, name), 0);
	assert_int_equal(nvlist_add_boolean(nvl, ""), EINVAL);
	assert_int_equal(nvlist_add_boolean(nvl, NULL), EINVAL);
	assert_int_equal(nvlist_add_string(nvl, "s", NULL), EINVAL);
	assert_int_equal(nvlist_add_nvlist(nvl, "l", NULL), EINVAL);
	assert_int_equal(nvlist_add_string_array(nvl, "sa", hole, 2), EINVAL);
	assert_int_equal(
	    nvlist_add_uint64_array(nvl, "ua", (uint64_t[]){0}, SIZE_MAX / 8), EINVAL);
	nvlist_free(nvl);
	free(name);
}

static void
a_list_of_thousands_behaves_like_a_short_one(void **state)
{
	enum { N = 20000 };
	nvlist_t *nvl = nvlist_create(), *copy;
	char name[32];
	uint64_t v, seen = 0;

	for (uint64_t i = 0; i < N; i++) {
		snprintf(name, sizeof(name), "pool/fs@%" PRIu64, i);
		fnvlist_add_uint64(nvl, name, i);
	}
	for (uint64_t i = 0; i < N; i += 2) {
		snprintf(name, sizeof(name), "pool/fs@%" PRIu64, i);
		assert_int_equal(nvlist_remove(nvl, name, DATA_TYPE_STRING), ENOENT);
		assert_int_equal(nvlist_remove(nvl, name, DATA_TYPE_UINT64), 0);
		assert_int_equal(nvlist_remove(nvl, name, DATA_TYPE_UINT64), ENOENT);
	}
	fnvlist_add_uint64(nvl, "pool/fs@1", 1); /* to the end */
	copy = nvlist_dup(nvl);
	nvlist_free(nvl);
	for (uint64_t i = 0; i < N; i++) {
		snprintf(name, sizeof(name), "pool/fs@%" PRIu64, i);
		assert_int_equal(nvlist_exists(copy, name), i % 2 == 1);
		if (i % 2 == 1) {
			assert_int_equal(nvlist_lookup_uint64(copy, name, &v), 0);
			assert_int_equal(v, i);
		}
	}
	for (const nvpair_t *nvp = nvlist_next_nvpair(copy, NULL); nvp != NULL;
	     nvp = nvlist_next_nvpair(copy, nvp), seen++)
		if (seen == 0)
			assert_string_equal(nvpair_name(nvp), "pool/fs@3");
	assert_int_equal(seen, N / 2);
	assert_string_equal(nvpair_name(nvlist_prev_nvpair(copy, NULL)), "pool/fs@1");
	nvlist_free(copy);
}

static void
merging_replaces_by_name(void **state)
{
	nvlist_t *a = nvlist_create(), *b = test_every_type();
	const char *s;

	fnvlist_add_uint64(a, "string", 5);
	fnvlist_add_uint64(a, "kept", 6);
	nvlist_merge(a, b);
	nvlist_free(b);
	assert_int_equal(nvlist_lookup_string(a, "string", &s), 0);
	assert_string_equal(s, "value");
	assert_true(nvlist_exists(a, "kept"));
	nvlist_merge(a, a);
	nvlist_free(a);
}

static void
lists_print_as_zdb_prints_configurations(void **state)
{
	nvlist_t *root = nvlist_create(), *child = nvlist_create(),
		 *f = nvlist_create();
	const nvlist_t *children[] = {child};
	const uint64_t holes[] = {1, 4};
	char *text = NULL;
	size_t len;
	FILE *fp = open_memstream(&text, &len);

	fnvlist_add_uint64(root, "version", 5000);
	fnvlist_add_string(root, "name", "tank");
	fnvlist_add_uint64_array(root, "hole_array", holes, 2);
	fnvlist_add_uint64(child, "id", 0);
	fnvlist_add_nvlist_array(root, "children", children, 1);
	fnvlist_add_boolean(f, "com.delphix:hole_birth");
	fnvlist_add_nvlist(root, "features_for_read", f);
	nvlist_print_zdb(fp, root, 4);
	fclose(fp);
	assert_string_equal(text, "    version: 5000\n"
				  "    name: 'tank'\n"
				  "    hole_array[0]: 1\n"
				  "    hole_array[1]: 4\n"
				  "    children[0]:\n"
				  "        id: 0\n"
				  "    features_for_read:\n"
				  "        com.delphix:hole_birth\n");
	free(text);
	nvlist_free(root);
	nvlist_free(child);
	nvlist_free(f);
}

static int
nothing_leaks(void **state)
{
	return (kmem_used() == *(uint64_t *)*state ? 0 : -1);
}

static int
remember(void **state)
{
	static uint64_t before;

	before = kmem_used();
	*state = &before;
	return (0);
}

#define STORY(f) cmocka_unit_test_setup_teardown(f, remember, nothing_leaks)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    STORY(a_new_value_replaces_the_old_and_goes_to_the_end),
	    STORY(uniqueness_is_what_the_list_was_created_with),
	    STORY(a_list_owns_copies_of_everything),
	    STORY(every_type_can_be_looked_up_as_itself_only),
	    STORY(what_the_format_cannot_hold_is_refused),
	    STORY(a_list_of_thousands_behaves_like_a_short_one),
	    STORY(merging_replaces_by_name),
	    STORY(lists_print_as_zdb_prints_configurations),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
