/* Specifications of vdevs: the grammar and what is refused, on sparse files. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "capture.h"
#include "cmd/zpool.h"

static char dir[] = "/tmp/tarn-cmd-XXXXXX";
static capture_t cap;

static void
make_file(const char *name, off_t size)
{
	char path[256];

	(void)snprintf(path, sizeof (path), "%s/%s", dir, name);
	int fd = open(path, O_RDWR | O_CREAT, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, size), 0);
	(void)close(fd);
}

static int
setup(void **state)
{
	(void)state;
	if (mkdtemp(dir) == NULL)
		return (-1);
	/* No daemons of this machine. */
	(void)setenv("TARN_RUN_DIR", dir, 1);
	for (const char *f = "abcdef"; *f != '\0'; f++)
		make_file((char[]){ *f, '\0' }, 64 << 20);
	make_file("big", 100 << 20);
	make_file("tiny", 1 << 20);
	return (0);
}

static int
teardown(void **state)
{
	static const char *const files[] = { "a", "b", "c", "d", "e", "f", "big", "tiny" };
	char path[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		(void)snprintf(path, sizeof (path), "%s/%s", dir, files[i]);
		(void)unlink(path);
	}
	return (rmdir(dir));
}

/* "mirror a b": words that are files of ours become their paths. What was said is in cap. */
static nvlist_t *
parse(const char *words, bool force)
{
	static const char *const files[] = { "a", "b", "c", "d", "e", "f", "big", "tiny", "none" };
	char *copy = strdup(words), *argv[32], *save = NULL;
	int argc = 0;

	for (char *w = strtok_r(copy, " ", &save); w != NULL; w = strtok_r(NULL, " ", &save)) {
		char path[256];
		(void)snprintf(path, sizeof (path), "%s", w);
		for (size_t i = 0; i < ARRAY_SIZE(files); i++)
			if (strcmp(w, files[i]) == 0)
				(void)snprintf(path, sizeof (path), "%s/%s", dir, w);
		argv[argc++] = strdup(path);
	}
	capture_begin(&cap);
	nvlist_t *root = zpool_make_root(argc, argv, 12, force);
	capture_end(&cap);
	for (int i = 0; i < argc; i++)
		free(argv[i]);
	free(copy);
	return (root);
}

static void
refused(const char *words, const char *said)
{
	nvlist_t *root = parse(words, false);

	if (root != NULL)
		fail_msg("accepted: %s", words);
	if (strstr(cap.text[1], said) == NULL)
		fail_msg("%s: said: %s expected: %s", words, cap.text[1], said);
}

static void
a_tree_comes_out_of_words(void **state)
{
	nvlist_t *root = parse("mirror a b mirror c d", false);
	size_t n, m;

	(void)state;
	assert_non_null(root);
	nvlist_t *const *top = cmd_children(root, "children", &n);
	assert_int_equal(n, 2);
	assert_string_equal(cmd_str(top[0], "type"), "mirror");
	assert_int_equal(cmd_u64(top[0], "ashift"), 12);
	nvlist_t *const *leaf = cmd_children(top[1], "children", &m);
	assert_int_equal(m, 2);
	assert_string_equal(cmd_str(leaf[0], "type"), "file");
	nvlist_free(root);
}

static void
classes_are_told_apart(void **state)
{
	nvlist_t *root = parse("a log mirror b c cache d spare e", true);
	size_t n;

	(void)state;
	assert_non_null(root);
	nvlist_t *const *top = cmd_children(root, "children", &n);
	assert_int_equal(n, 2);
	assert_string_equal(zpool_vdev_class(top[0]), "normal");
	assert_string_equal(zpool_vdev_class(top[1]), "log");
	(void)cmd_children(root, "l2cache", &n);
	assert_int_equal(n, 1);
	(void)cmd_children(root, "spares", &n);
	assert_int_equal(n, 1);
	nvlist_free(root);
}

static void
bad_grammar_is_refused(void **state)
{
	(void)state;
	refused("mirror a", "invalid vdev specification: mirror requires at least 2 devices\n");
	refused("mirror", "invalid vdev specification: mirror requires at least 2 devices\n");
	refused("raidz2 a b", "invalid vdev specification: raidz2 requires at least 3 devices\n");
	refused("raidz4 a b", "cannot open 'raidz4': no such device in /dev\n");
	refused("none", "cannot resolve path '");
	refused("a log", "invalid vdev specification: log requires at least 1 device\n");
	refused("a cache mirror b c", "invalid vdev specification: cache requires at least 1 devices\n");
	refused("a log raidz b c", "invalid vdev specification: unsupported 'log' device: raidz\n");
	refused("spare a", "at least one general top-level vdev must be specified\n");
	refused("draid1:x a b c", "invalid dRAID syntax; expected [:<number><c|d|s>] not 'draid1:x'\n");
	refused("draid1:2d:9c:1s a b c d e",
	    "invalid number of dRAID children; 9 required but 5 provided\n");
	refused("draid1:8d:5c:1s a b c d e",
	    "requested number of dRAID data disks per group 8 is too high,\n"
	    "at most 3 disks are available for data\n");
}

static void
unequal_redundancy_needs_force(void **state)
{
	(void)state;
	refused("mirror a big", "mirror contains devices of different sizes\n");
	refused("a mirror b c",
	    "invalid vdev specification\nuse '-f' to override the following errors:\n"
	    "mismatched replication level: both file and mirror vdevs are present\n");
	refused("mirror a b c mirror d e",
	    "mismatched replication level: both 3-way and 2-way mirror vdevs are present\n");
	refused("mirror a b c raidz d e",
	    "mismatched replication level: raidz and mirror vdevs with different redundancy, "
	    "1 vs. 2 (3-way) are present\n");
	nvlist_t *root = parse("a mirror b c", true);
	assert_non_null(root);
	nvlist_free(root);
}

static void
small_and_repeated_devices_are_found(void **state)
{
	nvlist_t *root = parse("tiny", false);

	(void)state;
	assert_non_null(root);
	assert_string_equal(zpool_check_devices(root),
	    "one or more devices is less than the minimum size (64M)");
	nvlist_free(root);
	root = parse("mirror a a", false);
	assert_non_null(root);
	assert_non_null(strstr(zpool_check_devices(root), "refer to the same device"));
	nvlist_free(root);
	root = parse("mirror a b", false);
	assert_null(zpool_check_devices(root));
	nvlist_free(root);
}

static void
the_layout_is_shown_by_class(void **state)
{
	nvlist_t *root = parse("mirror a b log c", true);
	char expected[1024];

	(void)state;
	assert_non_null(root);
	capture_begin(&cap);
	zpool_print_layout("other", root);
	capture_end(&cap);
	(void)snprintf(expected, sizeof (expected),
	    "would create 'other' with the following layout:\n\n\tother\n\t  mirror\n"
	    "\t    %s/a\n\t    %s/b\n\tlogs\n\t  %s/c\n", dir, dir, dir);
	assert_string_equal(cap.text[0], expected);
	nvlist_free(root);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tree_comes_out_of_words),
		cmocka_unit_test(classes_are_told_apart),
		cmocka_unit_test(bad_grammar_is_refused),
		cmocka_unit_test(unequal_redundancy_needs_force),
		cmocka_unit_test(small_and_repeated_devices_are_found),
		cmocka_unit_test(the_layout_is_shown_by_class),
	};

	spl_init();
	return (cmocka_run_group_tests(tests, setup, teardown));
}
