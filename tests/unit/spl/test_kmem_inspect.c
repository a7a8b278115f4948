/*
 * Inspection from outside: a leaking program (kmem_leaker) runs under libkmem.so and
 * is asked about its memory, live and as a core file.
 */
#include "spl_test.h"
#include "spl/kmem_inspect.h"

static char leaker[4096], library[4096];

typedef struct target {
	pid_t pid;
	int in, out;
} target_t;

static void
target_start(target_t *t, const char *debug)
{
	int in[2], out[2];
	char line[16] = "";

	assert_int_equal(pipe(in), 0);
	assert_int_equal(pipe(out), 0);
	t->pid = fork();
	if (t->pid == 0) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		close(in[1]);
		close(out[0]);
		setenv("LD_PRELOAD", library, 1);
		if (debug != NULL)
			setenv("UMEM_DEBUG", debug, 1);
		execl(leaker, leaker, (char *)NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	t->in = in[1];
	t->out = out[0];
	assert_int_equal(read(t->out, line, 6), 6);
	assert_string_equal(line, "ready\n");
}

static void
target_stop(target_t *t)
{
	int status;

	close(t->in);
	close(t->out);
	assert_int_equal(waitpid(t->pid, &status, 0), t->pid);
}

/* Run a command on the target; returns what it printed (static). */
static const char *
ask(const char *who, int expect, const char *cmd, const char *a1, const char *a2)
{
	static char text[1 << 20];
	char *argv[] = { (char *)(uintptr_t)who, (char *)(uintptr_t)cmd,
		(char *)(uintptr_t)a1, (char *)(uintptr_t)a2 };
	const int argc = a2 != NULL ? 4 : a1 != NULL ? 3 : cmd != NULL ? 2 : 1;
	memset(text, 0, 4096);
	FILE *fp = fmemopen(text, sizeof(text), "w");
	const int rc = kmem_inspect_main(argc, argv, fp, fp);

	fclose(fp);
	if (rc != expect)
		fail_msg("%s: status %d: %s", cmd, rc, text);
	return (text);
}

static const char *
ask_pid(const target_t *t, const char *cmd, const char *a1, const char *a2)
{
	char who[16];

	(void)snprintf(who, sizeof(who), "%d", t->pid);
	return (ask(who, 0, cmd, a1, a2));
}

/* The line of `text` that contains `words`, as numbers read by the format. */
static const char *
line_with(const char *text, const char *words)
{
	const char *at = strstr(text, words);

	if (at == NULL)
		fail_msg("\"%s\" is not in:\n%.3000s", words, text);
	while (at > text && at[-1] != '\n')
		at--;
	return (at);
}

static void
check_leaks(const char *text)
{
	unsigned some = 0, large = 0;

	/* 300 and 20; a stale register or stack word may keep one or two alive. */
	assert_int_equal(sscanf(line_with(text, "kmem_alloc_112 "), "%*s %u", &some), 1);
	assert_int_equal(sscanf(line_with(text, "kmem_alloc_8192 "), "%*s %u", &large), 1);
	assert_in_range(some, 297, 300);
	assert_in_range(large, 18, 20);
	assert_non_null(strstr(text, "<lose_some+"));
	assert_non_null(strstr(text, "<lose_large+"));
	/* What is kept, through a chain of 200, is not a leak. */
	assert_null(strstr(text, "kmem_alloc_320 "));
}

static void
leaks_are_found_and_grouped_by_stack(void **state)
{
	target_t t;

	target_start(&t, "audit");
	check_leaks(ask_pid(&t, "findleaks", NULL, NULL));
	target_stop(&t);
}

static void
leaks_are_found_without_any_preparation(void **state)
{
	target_t t;
	unsigned some = 0;

	target_start(&t, NULL);
	const char *text = ask_pid(&t, "findleaks", NULL, NULL);
	assert_int_equal(sscanf(line_with(text, "kmem_alloc_112 "), "%*s %u", &some), 1);
	assert_in_range(some, 295, 300);
	target_stop(&t);
}

static void
zprint_counts(void **state)
{
	target_t t;
	unsigned long long zone, count, tot, max, elt, slab, allocs, frees;

	target_start(&t, NULL);
	const char *text = ask_pid(&t, "zprint", NULL, NULL);
	assert_memory_equal(text, "ZONE ", 5);
	assert_int_equal(sscanf(line_with(text, "kmem_alloc_8192\n"),
	    "%llx %llu %llx %llx %llu %llx %llu %llu", &zone, &count, &tot, &max, &elt, &slab,
	    &allocs, &frees), 8);
	assert_int_equal(elt, 8192);
	assert_true(count >= 20 && allocs - frees == count && tot >= count * elt);
	target_stop(&t);
}

static void
a_log_tells_who_allocates(void **state)
{
	target_t t;
	const char *text = "";
	char pc[32] = "", index[32] = "";

	target_start(&t, NULL);
	assert_non_null(strstr(ask_pid(&t, "log", "kmem_alloc_224", "on"), "logging turns on"));
	for (int i = 0; i < 100; i++) {
		spl_delay(MSEC2NSEC(100));
		char who[16];
		(void)snprintf(who, sizeof(who), "%d", t.pid);
		char *argv[] = { who, (char *)"countpcs", (char *)"work" };
		FILE *null = fopen("/dev/null", "w");
		const int rc = kmem_inspect_main(3, argv, null, null);
		fclose(null);
		if (rc == 0)
			break;
	}
	spl_delay(MSEC2NSEC(300));
	text = ask_pid(&t, "countpcs", "work", "kmem_alloc_224");
	assert_non_null(strstr(text, "occurred "));
	assert_non_null(strstr(text, "times in log (100% of records)\n"));
	text = ask_pid(&t, "countpcs", "no_such_function", NULL);
	assert_string_equal(text, "occurred 0 times in log (0% of records)\n");
	text = ask_pid(&t, "findoldest", NULL, NULL);
	assert_int_equal(sscanf(text, "oldest record is at log index %30[0-9]:", index), 1);
	assert_non_null(strstr(text, "--------------- ALLOC  0x"));
	assert_int_equal(sscanf(line_with(text, "<work+"), "%30s", pc), 1);
	text = ask_pid(&t, "zstack", index, NULL);
	assert_non_null(strstr(text, "<work+"));
	/* That address is where the losing malloc returns to. */
	text = ask_pid(&t, "countpcs", pc, NULL);
	assert_null(strstr(text, "occurred 0 times"));
	target_stop(&t);
}

static void
buffers_are_explained(void **state)
{
	target_t t;
	char addr[32] = "", inner[32];

	target_start(&t, "default");
	assert_int_equal(sscanf(ask_pid(&t, "walk", "kmem_alloc_112", NULL), "%30s", addr), 1);
	(void)snprintf(inner, sizeof(inner), "0x%llx", strtoull(addr, NULL, 16) + 7);
	const char *text = ask_pid(&t, "whatis", inner, NULL);
	assert_non_null(strstr(text, "+7, bufctl 0x"));
	assert_non_null(strstr(text, "allocated from kmem_alloc_112"));
	text = ask_pid(&t, "bufctl", addr, NULL);
	assert_non_null(strstr(text, "last transaction: allocated thread="));
	assert_non_null(strstr(ask_pid(&t, "whatis", "0x10", NULL), "nothing is mapped"));
	target_stop(&t);
}

static void
a_core_file_tells_the_same(void **state)
{
	char core[64];
	target_t t;
	int status;

	if (system("command -v gcore >/dev/null 2>&1") != 0) {
		print_message("no gcore\n");
		skip();
	}
	target_start(&t, "audit");
	(void)snprintf(core, sizeof(core), "gcore -o /tmp/kmem-core %d >/dev/null 2>&1", t.pid);
	status = system(core);
	(void)snprintf(core, sizeof(core), "/tmp/kmem-core.%d", t.pid);
	target_stop(&t);
	assert_int_equal(status, 0);
	check_leaks(ask(core, 0, "findleaks", NULL, NULL));
	assert_non_null(strstr(ask(core, 1, "log", "kmem_alloc_112", "on"), "core file"));
	unlink(core);
}

static void
wrong_use_is_told(void **state)
{
	target_t t;
	char who[16];

	assert_non_null(strstr(ask("1", 2, NULL, NULL, NULL), "usage"));
	assert_non_null(strstr(ask("999999999", 1, "zprint", NULL, NULL), "cannot inspect"));
	assert_non_null(strstr(ask("/no/such/core", 1, "zprint", NULL, NULL), "cannot"));
	assert_non_null(strstr(ask("/bin/ls", 1, "zprint", NULL, NULL), "cannot"));
	target_start(&t, NULL);
	(void)snprintf(who, sizeof(who), "%d", t.pid);
	assert_non_null(strstr(ask(who, 2, "bananas", NULL, NULL), "wrong command"));
	assert_non_null(strstr(ask(who, 1, "walk", "bananas", NULL), "no cache"));
	assert_non_null(strstr(ask(who, 1, "findoldest", NULL, NULL), "no transactions"));
	target_stop(&t);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(leaks_are_found_and_grouped_by_stack),
		cmocka_unit_test(leaks_are_found_without_any_preparation),
		cmocka_unit_test(zprint_counts),
		cmocka_unit_test(a_log_tells_who_allocates),
		cmocka_unit_test(buffers_are_explained),
		cmocka_unit_test(a_core_file_tells_the_same),
		cmocka_unit_test(wrong_use_is_told),
	};

	if (argc != 3) {
		fprintf(stderr, "usage: test_kmem_inspect LEAKER LIBKMEM\n");
		return (77);
	}
	snprintf(leaker, sizeof(leaker), "%s", argv[1]);
	snprintf(library, sizeof(library), "%s", argv[2]);
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
