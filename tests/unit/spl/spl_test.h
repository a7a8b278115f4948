/* What the spl tests share: cmocka, a seed that is printed, tests of panics. */
#ifndef SPL_TEST_H
#define SPL_TEST_H

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/wait.h>
#include <cmocka.h>

#include "spl/spl.h"

/* The seed of this run: TARN_TEST_SEED, else fresh; printed so a failure repeats. */
static inline uint64_t
test_seed(void)
{
	const char *s = getenv("TARN_TEST_SEED");
	const uint64_t seed = s != NULL ? strtoull(s, NULL, 0) : random_guid();

	printf("seed: TARN_TEST_SEED=%" PRIu64 "\n", seed);
	fflush(stdout);
	return (seed);
}

/* A small private generator, so that threads and the code under test do not mix in. */
static inline uint64_t
test_rand(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return (z ^ (z >> 31));
}

/*
 * Run func(arg) in a child and return what it wrote to stderr (a static buffer);
 * *status is its wait status.
 */
static inline const char *
test_in_child(void (*func)(void *), void *arg, int *status)
{
	static char out[65536];
	size_t len = 0;
	ssize_t n;
	int fds[2];

	fflush(NULL);
	assert_int_equal(pipe(fds), 0);
	const pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(fds[1], STDERR_FILENO);
		close(fds[0]);
		close(fds[1]);
		/* cmocka catches SIGABRT; here it must end the process. */
		signal(SIGABRT, SIG_DFL);
		func(arg);
		_exit(0);
	}
	close(fds[1]);
	while (len < sizeof(out) - 1 &&
	    (n = read(fds[0], out + len, sizeof(out) - 1 - len)) > 0)
		len += (size_t)n;
	out[len] = '\0';
	close(fds[0]);
	assert_int_equal(waitpid(pid, status, 0), pid);
	return (out);
}

/* func(arg) must end the process by panic, saying `words`. */
static inline void
assert_panics(void (*func)(void *), void *arg, const char *words)
{
	int status;
	const char *out = test_in_child(func, arg, &status);

	if (strstr(out, words) == NULL)
		fail_msg("panic should say \"%s\", said: %s", words, out);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

#endif
