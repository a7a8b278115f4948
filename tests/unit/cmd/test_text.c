/* Numbers, sizes, dates and tables look as those of OpenZFS. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "capture.h"
#include "cmd/table.h"

static void
numbers_fit_in_five_characters(void **state)
{
	static const struct {
		uint64_t n;
		const char *nice, *bytes;
	} cases[] = { { 0, "0", "0B" }, { 1, "1", "1B" }, { 1023, "1023", "1023B" },
		{ 1024, "1K", "1K" }, { 1536, "1.50K", "1.50K" }, { 24576, "24K", "24K" },
		{ 136704, "134K", "134K" }, { 173568, "170K", "170K" },
		{ 50194944, "47.9M", "47.9M" }, { 50331648, "48M", "48M" },
		{ 8388608 + 1, "8.00M", "8.00M" }, { 10776064, "10.3M", "10.3M" },
		{ 1ULL << 40, "1T", "1T" }, { UINT64_MAX, "16.0E", "16.0E" } };
	char buf[32];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_string_equal(cmd_nicenum(cases[i].n, buf, sizeof (buf)), cases[i].nice);
		assert_true(strlen(buf) <= 5);
		assert_string_equal(cmd_nicebytes(cases[i].n, buf, sizeof (buf)), cases[i].bytes);
	}
}

static void
sizes_are_read_with_their_units(void **state)
{
	static const struct {
		const char *s;
		uint64_t v;
		int err;
	} cases[] = { { "10", 10, 0 }, { "10k", 10240, 0 }, { "1.5M", 1572864, 0 },
		{ "1G", 1ULL << 30, 0 }, { "1KiB", 1024, 0 }, { "1kb", 1024, 0 }, { "5b", 5, 0 },
		{ "16E", 0, ERANGE }, { "99999999999999999999", 0, ERANGE }, { "-1", 0, EINVAL },
		{ "abc", 0, EINVAL }, { "", 0, EINVAL }, { "1X", 0, ENOEXEC },
		{ "1Kx", 0, ENOEXEC }, { "1KB2", 0, ENOEXEC } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t v = 77;
		assert_int_equal(cmd_parse_size(cases[i].s, &v), cases[i].err);
		assert_true(v == (cases[i].err == 0 ? cases[i].v : 77));
	}
}

static void
a_bad_size_is_explained(void **state)
{
	char why[128];
	uint64_t v;

	(void)state;
	assert_int_equal(cmd_parse_size_why("-1", &v, why, sizeof (why)), EINVAL);
	assert_string_equal(why, "bad numeric value '-1'");
	assert_int_equal(cmd_parse_size_why("1X", &v, why, sizeof (why)), EINVAL);
	assert_string_equal(why, "invalid numeric suffix 'X'");
}

static void
columns_are_as_wide_as_their_widest_cell(void **state)
{
	capture_t *c = calloc(1, sizeof (*c));
	cmd_table_t *t = table_create(3, false);

	(void)state;
	table_header(t, 0, "NAME", false, 0);
	table_header(t, 1, "USED", true, 5);
	table_header(t, 2, "MOUNTPOINT", false, 0);
	table_cell(t, "%s", "tank/home");
	table_cell(t, "%s", "24K");
	table_cell(t, "%s", "/tank/home");
	table_end_row(t);
	table_cell(t, "%s", "tank");
	table_end_row(t);
	capture_begin(c);
	table_print(t, true);
	capture_end(c);
	assert_string_equal(c->text[0],
	    "NAME        USED  MOUNTPOINT\n"
	    "tank/home    24K  /tank/home\n"
	    "tank           -  -\n");
	table_free(t);
	free(c);
}

static void
a_hidden_or_narrow_cell_is_different(void **state)
{
	capture_t *c = calloc(1, sizeof (*c));
	cmd_table_t *t = table_create(2, false);

	(void)state;
	table_header(t, 0, "VALUE", false, 0);
	table_header(t, 1, "SOURCE", false, 0);
	table_cell(t, "%s", "0123456789");
	table_end_hidden_row(t);
	table_narrow_cell(t, "%s", "a value that is wider");
	table_cell(t, "%s", "local");
	table_end_row(t);
	capture_begin(c);
	table_print(t, true);
	capture_end(c);
	assert_string_equal(c->text[0],
	    "VALUE       SOURCE\n"
	    "a value that is wider  local\n");
	table_free(t);
	free(c);
}

static void
scripts_get_tabs(void **state)
{
	capture_t *c = calloc(1, sizeof (*c));
	cmd_table_t *t = table_create(2, true);

	(void)state;
	table_header(t, 0, "NAME", false, 0);
	table_header(t, 1, "USED", true, 5);
	table_cell(t, "%s", "tank");
	table_cell(t, "%s", "24K");
	table_end_row(t);
	capture_begin(c);
	table_print(t, true);
	capture_end(c);
	assert_string_equal(c->text[0], "tank\t24K\n");
	table_free(t);
	free(c);
}

static void
interval_and_count_come_last(void **state)
{
	char *two[] = { "tank", "0.5", "3", NULL }, *none[] = { "tank", "pool2", NULL };
	double interval;
	unsigned long count;
	int argc = 3;

	(void)state;
	assert_int_equal(cmd_interval(&argc, two, &interval, &count), 0);
	assert_int_equal(argc, 1);
	assert_true(interval == 0.5 && count == 3);
	argc = 2;
	assert_int_equal(cmd_interval(&argc, none, &interval, &count), 0);
	assert_int_equal(argc, 2);
	assert_true(interval == 0 && count == 0);
}

static void
a_string_grows(void **state)
{
	strbuf_t sb = { 0 };

	(void)state;
	for (int i = 0; i < 1000; i++)
		strbuf_addf(&sb, "%d,", i % 10);
	assert_int_equal(sb.sb_len, 2000);
	assert_int_equal(strlen(sb.sb_s), 2000);
	strbuf_fini(&sb);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_fit_in_five_characters),
		cmocka_unit_test(sizes_are_read_with_their_units),
		cmocka_unit_test(a_bad_size_is_explained),
		cmocka_unit_test(columns_are_as_wide_as_their_widest_cell),
		cmocka_unit_test(a_hidden_or_narrow_cell_is_different),
		cmocka_unit_test(scripts_get_tabs),
		cmocka_unit_test(interval_and_count_come_last),
		cmocka_unit_test(a_string_grows),
	};

	spl_init();
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
