/* Bits, lists, clock, random numbers, log and panic. */
#include "spl_test.h"

static void
bits_round_and_count(void **state)
{
	assert_int_equal(highbit64(0), 0);
	assert_int_equal(highbit64(1), 1);
	assert_int_equal(highbit64(512), 10);
	assert_int_equal(highbit64(UINT64_MAX), 64);
	assert_int_equal(lowbit64(0), 0);
	assert_int_equal(lowbit64(512), 10);
	assert_int_equal(P2ROUNDUP(513, 512), 1024);
	assert_int_equal(P2ROUNDUP(512, 512), 512);
	assert_int_equal(P2ALIGN(1023, 512), 512);
	assert_int_equal(bf64_get(0xabcd, 4, 8), 0xbc);
	assert_int_equal(bf64_set(0xabcd, 4, 8, 0x12), 0xa12d);
	assert_true(bf64_get(UINT64_MAX, 0, 64) == UINT64_MAX);
}

typedef struct elem {
	int nr;
	list_node_t node;
} elem_t;

static void
lists_keep_order(void **state)
{
	elem_t e[6];
	list_t l, m;
	int want = 0;

	list_create(&l, sizeof(elem_t), offsetof(elem_t, node));
	list_create(&m, sizeof(elem_t), offsetof(elem_t, node));
	for (int i = 0; i < 6; i++) {
		e[i].nr = i;
		list_link_init(&e[i].node);
	}
	assert_null(list_head(&l));
	list_insert_tail(&l, &e[1]);
	list_insert_head(&l, &e[0]);
	list_insert_after(&l, &e[1], &e[3]);
	list_insert_before(&l, &e[3], &e[2]);
	list_insert_tail(&m, &e[4]);
	list_insert_tail(&m, &e[5]);
	list_move_tail(&l, &m);
	assert_true(list_is_empty(&m));
	for (elem_t *p = list_head(&l); p != NULL; p = list_next(&l, p))
		assert_int_equal(p->nr, want++);
	assert_int_equal(want, 6);
	assert_ptr_equal(list_prev(&l, &e[1]), &e[0]);
	assert_ptr_equal(list_remove_tail(&l), &e[5]);
	assert_false(list_link_active(&e[5].node));
	while (list_remove_head(&l) != NULL)
		want--;
	assert_int_equal(want, 1);
	list_destroy(&l);
	list_destroy(&m);
}

static void
clocks_run_and_can_be_stopped(void **state)
{
	const hrtime_t t0 = gethrtime();

	spl_delay(MSEC2NSEC(2));
	assert_true(gethrtime() - t0 >= MSEC2NSEC(2));
	spl_clock_set(1234567890);
	assert_int_equal(gethrestime_sec(), 1234567890);
	spl_clock_set(0);
	assert_true(gethrestime_sec() > 1600000000);
}

static void
seeded_random_numbers_repeat(void **state)
{
	uint64_t a[8], b[8];
	uint64_t seen = 0;

	assert_true(random_guid() != random_guid()); /* from the system */
	spl_random_seed(42);
	for (int i = 0; i < 8; i++)
		a[i] = random_guid();
	spl_random_seed(42);
	for (int i = 0; i < 8; i++)
		b[i] = random_guid();
	assert_memory_equal(a, b, sizeof(a));
	for (int i = 0; i < 1000; i++) {
		const uint64_t v = random_in_range(10);
		assert_true(v < 10);
		seen |= 1ULL << v;
	}
	assert_int_equal(seen, 0x3ff);
	assert_int_equal(random_in_range(1), 0);
}

static void
find_line(void *arg, int64_t when, spl_loglevel_t level, const char *line)
{
	int *found = arg;

	if (strcmp(line, "spindle 7 squeaks") == 0 && level == LOG_WARNING)
		(*found)++;
}

static void
log_keeps_lines_in_memory_and_in_a_file(void **state)
{
	char path[] = "/tmp/spl-log-XXXXXX", text[4096] = "";
	const int fd = mkstemp(path);
	int found = 0;

	assert_true(fd >= 0);
	assert_int_equal(spl_log_open("/no/such/dir/log"), ENOENT);
	assert_int_equal(spl_log_open(path), 0);
	spl_log(LOG_WARNING, "spindle %d squeaks", 7);
	spl_log_walk(find_line, &found);
	assert_int_equal(found, 1);
	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	assert_non_null(strstr(text, "warning: spindle 7 squeaks\n"));
	for (int i = 0; i < 5000; i++)
		spl_log(LOG_NOTE, "filler %d", i);
	found = 0;
	spl_log_walk(find_line, &found);
	assert_int_equal(found, 0); /* the ring went round */
	close(fd);
	unlink(path);
}

static void
verify_numbers(void *arg)
{
	VERIFY3U(2 + 2, ==, 5);
}

static void
verify_error(void *arg)
{
	VERIFY0(ENOSPC);
}

static void
panic_shows_values_and_a_stack(void **state)
{
	int status;

	assert_panics(verify_numbers, NULL, "VERIFY(2 + 2 == 5) failed (4 == 5)");
	assert_panics(verify_error, NULL, "(28 == 0)");
	assert_non_null(strstr(test_in_child(verify_error, NULL, &status), "test_base"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bits_round_and_count),
		cmocka_unit_test(lists_keep_order),
		cmocka_unit_test(clocks_run_and_can_be_stopped),
		cmocka_unit_test(seeded_random_numbers_repeat),
		cmocka_unit_test(log_keeps_lines_in_memory_and_in_a_file),
		cmocka_unit_test(panic_shows_values_and_a_stack),
	};
	spl_init();
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
