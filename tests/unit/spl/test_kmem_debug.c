/*
 * The diagnostic mode: each error is committed by a program of its own
 * (kmem_culprit), and what it says is compared word by word, numbers masked.
 */
#include "spl_test.h"

static const char *culprit; /* path */

typedef struct crime {
	const char *name;
	const char *env[4];
} crime_t;

static void
commit(void *arg)
{
	const crime_t *c = arg;

	setenv("TARN_KMEM", "own", 1);
	for (int i = 0; i < 4 && c->env[i] != NULL; i++)
		putenv((char *)(uintptr_t)c->env[i]);
	execl(culprit, culprit, c->name, (char *)NULL);
	_exit(127);
}

/* Replace what differs from run to run: 0x..., T-..., thread=N, + 0x.... */
static void
mask(char *out, size_t size, const char *in)
{
	size_t n = 0;

	while (*in != '\0' && n < size - 8) {
		if (strncmp(in, "thread=", 7) == 0 || strncmp(in, "T-", 2) == 0 ||
		    strncmp(in, "lab=0x", 6) == 0 || strncmp(in, "=0x", 3) == 0 ||
		    strncmp(in, "r 0x", 4) == 0 || strncmp(in, "s (0x", 5) == 0 ||
		    strncmp(in, "+ 0x", 4) == 0 || strncmp(in, "' (0x", 5) == 0) {
			while (strchr("0123456789", *in) == NULL)
				out[n++] = *in++;
			while (strchr("0123456789abcdefx.", *in) != NULL)
				in++;
			out[n++] = '#';
			continue;
		}
		out[n++] = *in++;
	}
	out[n] = '\0';
}

/*
 * Run the crime; its report must begin with these lines, exactly, and then show the
 * function of the crime among its frames.
 */
static void
assert_report_env(const char *name, const char *debug, const char *head, const char *frame)
{
	static char masked[65536];
	crime_t c = { name, { debug, "KMEM_PANIC=1" } };
	int status;
	const char *out = test_in_child(commit, &c, &status);

	mask(masked, sizeof(masked), out);
	if (strncmp(masked, head, strlen(head)) != 0)
		fail_msg("expected:\n%s\ngot:\n%s\nraw:\n%s", head, masked, out);
	if (frame != NULL && strstr(masked + strlen(head), frame) == NULL)
		fail_msg("no frame \"%s\" in:\n%s", frame, masked);
	assert_true(WIFSIGNALED(status));
}

static void
assert_report(const char *name, const char *head, const char *frame)
{
	assert_report_env(name, "UMEM_DEBUG=default", head, frame);
}

#define FRAME(f) "SPL: kmem_culprit : " f " + #\n"
#define BUFFER(cache) "SPL: buffer=#  bufctl=#  cache: " cache "\n"
#define PREVIOUS(cache) \
	"SPL: previous transaction on buffer #:\n" \
	"SPL: thread=#  time=T-#  slab=#  cache: " cache "\n" \
	"SPL: kmem_culprit : kmem_debug_"

#define MODIFIED_REPORT \
	"SPL: buffer modified after being freed\n" \
	"SPL: modification occurred at offset 0x0 (0xdeadbeefdeadbeef replaced by " \
	"0xdeadbeef00000000)\n" BUFFER("kmem_alloc_1152") PREVIOUS("kmem_alloc_1152") "free"

static void
modified_after_free(void **state)
{
	assert_report("modified", MODIFIED_REPORT, FRAME("modified"));
}

static void
the_same_in_a_forked_child(void **state)
{
	assert_report("fork:modified", MODIFIED_REPORT, FRAME("modified"));
	assert_report("fork:modified", MODIFIED_REPORT, FRAME("main"));
}

static void
the_same_below_a_foreign_module(void **state)
{
	assert_report("qsort:modified", MODIFIED_REPORT, FRAME("compare"));
	assert_report("qsort:modified", MODIFIED_REPORT, "SPL: libc.so.6 : ");
}

static void
write_past_the_end(void **state)
{
	assert_report("redzone",
	    "SPL: redzone violation: write past end of buffer\n"
	    "SPL: modification occurred at offset 0x64 (0xbb replaced by 0x1)\n"
	    BUFFER("kmem_alloc_112") PREVIOUS("kmem_alloc_112") "alloc",
	    FRAME("redzone"));
	assert_report("redzone_far",
	    "SPL: redzone violation: write past end of buffer\n"
	    "SPL: modification occurred at offset 0x80 (", FRAME("redzone_far"));
}

static void
write_before_the_start(void **state)
{
	assert_report("before",
	    "SPL: boundary tag corrupted\n"
	    "SPL: modification occurred at offset -0x8 (0xfeedfacebefa11ed replaced by "
	    "0x1edfacebefa11ed)\n"
	    BUFFER("kmem_alloc_112") PREVIOUS("kmem_alloc_112") "alloc",
	    FRAME("before"));
}

static void
free_of_foreign_memory(void **state)
{
	assert_report("notours",
	    "SPL: invalid free: buffer not in cache\n"
	    "SPL: buffer=#  bufctl=(nil)  cache: kmem_alloc_64\n"
	    "SPL: detected by thread=#:\n",
	    FRAME("notours"));
}

static void
free_twice(void **state)
{
	assert_report("twice",
	    "SPL: duplicate free: buffer freed twice\n"
	    BUFFER("kmem_alloc_112") PREVIOUS("kmem_alloc_112") "free",
	    FRAME("twice"));
}

static void
free_to_the_wrong_cache(void **state)
{
	assert_report("wrongcache",
	    "SPL: buffer freed to wrong cache\n"
	    "SPL: allocated from apples\n"
	    "SPL: caller attempting free to pears\n"
	    BUFFER("apples") PREVIOUS("apples") "alloc",
	    FRAME("wrongcache"));
}

static void
free_of_the_wrong_size(void **state)
{
	assert_report("badsize",
	    "SPL: bad free: free size (1001) != alloc size (1000)\n"
	    BUFFER("kmem_alloc_1024") PREVIOUS("kmem_alloc_1024") "alloc",
	    FRAME("badsize"));
	/* Even if that size belongs to another cache. */
	assert_report("badclass", "SPL: bad free: free size (10) != alloc size (1000)\n",
	    FRAME("badclass"));
}

static void
free_of_an_inner_address(void **state)
{
	assert_report("badbase",
	    "SPL: bad free: free address (#) != alloc address (#)\n"
	    BUFFER("kmem_alloc_1024") PREVIOUS("kmem_alloc_1024") "alloc",
	    FRAME("badbase"));
}

static void
damaged_bufctl(void **state)
{
	assert_report("bufctl",
	    "SPL: bufctl corrupted\n" BUFFER("kmem_alloc_1024") "SPL: detected by thread=#:\n",
	    FRAME("bufctl"));
}

static void
leaks_at_destroy(void **state)
{
	assert_report("leak",
	    "SPL: kmem_cache_destroy: 'leaky' (#) not empty: 2 objects leaked\n"
	    BUFFER("leaky") PREVIOUS("leaky") "alloc",
	    FRAME("leak"));
}

/* They take the fault themselves. */
static void
skip_under_sanitizers(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	skip();
#endif
}

static void
firewall_faults_at_the_culprit(void **state)
{
	skip_under_sanitizers();
	assert_report_env("overrun_big", "UMEM_DEBUG=default,firewall=8192",
	    "SPL: redzone violation: write past end of buffer\n"
	    "SPL: modification occurred at offset 8192\n"
	    BUFFER("kmem_alloc_8192") "SPL: detected by thread=#:\n",
	    FRAME("overrun_big"));
	assert_report_env("read_freed", "UMEM_DEBUG=firewall=4096",
	    "SPL: buffer read after being freed\n"
	    "SPL: access occurred at offset 10\n",
	    FRAME("read_freed"));
}

static void
a_sample_faults_at_the_culprit(void **state)
{
	skip_under_sanitizers();
	assert_report_env("sampled", "UMEM_DEBUG=sample=100",
	    "SPL: buffer modified after being freed\n"
	    "SPL: modification occurred at offset 0\n"
	    BUFFER("kmem_alloc_112") "SPL: detected by thread=#:\n",
	    "SPL: previous transaction on buffer #:\n");
}

static void
without_panic_the_program_goes_on(void **state)
{
	static const char *const names[] = { "modified", "redzone", "before", "notours",
		"twice", "wrongcache", "badsize", "badclass", "badbase", "bufctl", "leak" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		crime_t c = { names[i], { "UMEM_DEBUG=default", "KMEM_PANIC=0" } };
		int status;
		const char *out = test_in_child(commit, &c, &status);
		if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
			fail_msg("%s: status %x: %s", names[i], status, out);
		assert_memory_equal(out, "SPL: ", 5);
	}
}

static void
reports_go_to_a_file(void **state)
{
	char path[] = "/tmp/kmem-log-XXXXXX", option[64], text[4096] = "";
	const int fd = mkstemp(path);
	int status;

	(void)snprintf(option, sizeof(option), "UMEM_OPTIONS=log=%s", path);
	crime_t c = { "twice", { "UMEM_DEBUG=default", "KMEM_PANIC=0", option } };
	assert_string_equal(test_in_child(commit, &c, &status), "");
	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	assert_non_null(strstr(text, "SPL: duplicate free: buffer freed twice\n"));
	close(fd);
	unlink(path);
}

static void
debugging_can_be_limited_to_named_caches(void **state)
{
	crime_t on = { "twice", { "UMEM_DEBUG=default", "KMEM_PANIC=0",
		"UMEM_OPTIONS=caches=foo:kmem_alloc_112" } };
	crime_t off = { "redzone", { "UMEM_DEBUG=default", "KMEM_PANIC=0",
		"UMEM_OPTIONS=caches=kmem_alloc_1024" } };
	int status;

	assert_non_null(strstr(test_in_child(commit, &on, &status), "freed twice"));
	assert_string_equal(test_in_child(commit, &off, &status), "");
}

static void
failures_are_injected_on_demand(void **state)
{
	crime_t every = { "mtbf", { "UMEM_DEBUG=mtbf=10" } };
	crime_t named = { "mtbf", { "UMEM_DEBUG=mtbf=2:mtbf" } };
	crime_t other = { "mtbf", { "UMEM_DEBUG=mtbf=2:no_such_function" } };
	int status;

	assert_string_equal(test_in_child(commit, &every, &status), "failed 10\n");
	assert_string_equal(test_in_child(commit, &named, &status), "failed 50\n");
	assert_string_equal(test_in_child(commit, &other, &status), "failed 0\n");
}

static void
unknown_options_are_named_and_ignored(void **state)
{
	crime_t c = { "nothing", { "UMEM_DEBUG=audit=5,bananas,guards" } };
	int status;

	assert_string_equal(test_in_child(commit, &c, &status),
	    "kmem: unknown option 'bananas' ignored\n");
	assert_int_equal(status, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(modified_after_free),
		cmocka_unit_test(the_same_in_a_forked_child),
		cmocka_unit_test(the_same_below_a_foreign_module),
		cmocka_unit_test(write_past_the_end),
		cmocka_unit_test(write_before_the_start),
		cmocka_unit_test(free_of_foreign_memory),
		cmocka_unit_test(free_twice),
		cmocka_unit_test(free_to_the_wrong_cache),
		cmocka_unit_test(free_of_the_wrong_size),
		cmocka_unit_test(free_of_an_inner_address),
		cmocka_unit_test(damaged_bufctl),
		cmocka_unit_test(leaks_at_destroy),
		cmocka_unit_test(firewall_faults_at_the_culprit),
		cmocka_unit_test(a_sample_faults_at_the_culprit),
		cmocka_unit_test(without_panic_the_program_goes_on),
		cmocka_unit_test(reports_go_to_a_file),
		cmocka_unit_test(debugging_can_be_limited_to_named_caches),
		cmocka_unit_test(failures_are_injected_on_demand),
		cmocka_unit_test(unknown_options_are_named_and_ignored),
	};
	static char path[4096];

	/* The culprit lies beside this program. */
	const ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 32);
	assert_true(n > 0);
	path[n] = '\0';
	strcpy(strrchr(path, '/') + 1, "kmem_culprit");
	culprit = path;
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
