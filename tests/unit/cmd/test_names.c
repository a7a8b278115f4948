/* What is wrong with a name is said in OpenZFS's words; datasets stand in tree order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "cmd/zfs.h"
#include "cmd/zpool.h"

static void
assert_why(const char *why, const char *expected)
{
	if (expected == NULL)
		assert_null(why);
	else if (why == NULL)
		fail_msg("accepted; expected: %s", expected);
	else
		assert_string_equal(why, expected);
}

static void
dataset_names(void **state)
{
	static const struct {
		const char *name;
		int types;
		const char *why;
	} cases[] = { { "tank/a", TYPE_FS, NULL }, { "tank/a b", TYPE_FS, NULL },
		{ "tank/.hidden", TYPE_FS, NULL }, { "tank/-dash", TYPE_FS, NULL },
		{ "tank/", TYPE_FS, "trailing slash in name" },
		{ "/tank", TYPE_FS, "leading slash in name" },
		{ "tank//b", TYPE_FS,
		    "empty component or misplaced '@' or '#' delimiter in name" },
		{ "tank@", TYPE_SNAP,
		    "empty component or misplaced '@' or '#' delimiter in name" },
		{ "@", TYPE_SNAP, "empty component or misplaced '@' or '#' delimiter in name" },
		{ "tank/a%b", TYPE_FS, "invalid character % in name" },
		{ "tank/bad name!", TYPE_FS, "invalid character '!' in name" },
		{ "tank/a@b", TYPE_FS, "snapshot delimiter '@' is not expected here" },
		{ "tank/a#b", TYPE_FS, "bookmark delimiter '#' is not expected here" },
		{ "tank/a@b", TYPE_SNAP, NULL }, { "tank/a#b", TYPE_BOOK, NULL },
		{ "tank/a@b@c", TYPE_SNAP, "multiple '@' and/or '#' delimiters in name" },
		{ "tank/..", TYPE_FS, "parent reference, '..' is found in name" },
		{ "tank/.", TYPE_FS, "self reference, '.' is found in name" },
		{ "1tank", TYPE_FS, "name must begin with a letter" } };
	char buf[512], longname[300];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_why(zfs_name_why(cases[i].name, cases[i].types, buf, sizeof (buf)),
		    cases[i].why);
	memset(longname, 'n', sizeof (longname));
	longname[255] = '\0';
	assert_why(zfs_name_why(longname, TYPE_FS, buf, sizeof (buf)), NULL);
	longname[255] = 'n';
	longname[256] = '\0';
	assert_why(zfs_name_why(longname, TYPE_FS, buf, sizeof (buf)), "name is too long");
}

static void
pool_names(void **state)
{
	static const struct {
		const char *name;
		bool open;
		const char *why;
	} cases[] = { { "tank", false, NULL }, { "logs", false, NULL }, { "c0t0d0", false, NULL },
		{ "a.b-c_d:e", false, NULL }, { "a b", false, NULL },
		{ "mirror", false, "name is reserved" }, { "mirrored", false, "name is reserved" },
		{ "raidzfoo", false, "name is reserved" }, { "draidx", false, "name is reserved" },
		{ "spares", false, "name is reserved" }, { "log", false, "name is reserved" },
		{ "mirror", true, NULL }, { "1abc", false, "name must begin with a letter" },
		{ "a/b", false, "invalid character '/' in pool name" },
		{ "a@b", false, "invalid character '@' in pool name" } };
	char buf[512];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_why(zpool_name_why(cases[i].name, cases[i].open, buf, sizeof (buf)),
		    cases[i].why);
}

static void
types(void **state)
{
	char bad[64];
	int t;

	(void)state;
	assert_int_equal(zfs_parse_types("vol,fs", &t, bad, sizeof (bad)), 0);
	assert_int_equal(t, TYPE_VOL | TYPE_FS);
	assert_int_equal(zfs_parse_types("all", &t, bad, sizeof (bad)), 0);
	assert_int_equal(t, TYPE_ALL);
	assert_int_equal(zfs_parse_types("snap,nosuch", &t, bad, sizeof (bad)), EINVAL);
	assert_string_equal(bad, "nosuch");
}

static void
add(dataset_set_t *s, const char *name, nvlist_t *entry)
{
	dataset_t *d = kmem_zalloc(sizeof (*d), KM_SLEEP);

	memcpy(d->d_name, name, strlen(name) + 1);
	d->d_type = strchr(name, '@') != NULL ? TYPE_SNAP : TYPE_FS;
	d->d_entry = entry;
	list_insert_tail(&s->s_list, d);
}

static void
children_stand_below_their_parent(void **state)
{
	static const char *const mixed[] = { "tank/a/b", "tank/a-1", "tank", "tank/a@late", "tank/a",
		"tank/b", "tank/a@early", "tank/a" };
	static const char *const tree[] = { "tank", "tank/a", "tank/a@early", "tank/a@late",
		"tank/a/b", "tank/a-1", "tank/b" };
	nvlist_t *early = nvlist_create(), *late = nvlist_create();
	dataset_set_t s;
	size_t i = 0;

	(void)state;
	fnvlist_add_uint64(early, "creation_txg", 5);
	fnvlist_add_uint64(late, "creation_txg", 6);
	datasets_init(&s);
	for (size_t k = 0; k < ARRAY_SIZE(mixed); k++)
		add(&s, mixed[k], strstr(mixed[k], "late") != NULL ? late : early);
	datasets_sort(&s);
	for (dataset_t *d = list_head(&s.s_list); d != NULL; d = list_next(&s.s_list, d))
		assert_string_equal(d->d_name, tree[i++]);
	assert_int_equal(i, ARRAY_SIZE(tree));
	datasets_fini(&s);
	nvlist_free(early);
	nvlist_free(late);
}

static void
some_pools_are_hidden(void **state)
{
	(void)state;
	(void)setenv("__ZFS_POOL_EXCLUDE", "rpool bpool", 1);
	assert_true(cmd_pool_hidden("rpool"));
	assert_true(cmd_pool_hidden("bpool"));
	assert_false(cmd_pool_hidden("rpool2"));
	assert_false(cmd_pool_hidden("pool"));
	(void)unsetenv("__ZFS_POOL_EXCLUDE");
	assert_false(cmd_pool_hidden("rpool"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dataset_names),
		cmocka_unit_test(pool_names),
		cmocka_unit_test(types),
		cmocka_unit_test(children_stand_below_their_parent),
		cmocka_unit_test(some_pools_are_hidden),
	};

	spl_init();
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
