/*
 * A program that commits one memory error, named by its argument, for the tests of
 * the diagnostic mode. "fork:NAME" does it in a forked child, "qsort:NAME" with a
 * foreign module on the stack.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "spl/spl.h"
#include "spl/kmem_impl.h"
#include "spl/kmem_debug.h"

#define CRIME(name) static void __attribute__((noinline, noclone)) name(void)

CRIME(modified)
{
	/* The example of the field: use after free, found at the next allocation. */
	for (int i = 0; i < 20; i++) {
		volatile int *p = kmem_alloc(1100, KM_SLEEP);
		kmem_free((void *)p, 1100);
		*p = 0;
	}
}

CRIME(redzone)
{
	volatile char *p = kmem_alloc(100, KM_SLEEP);
	p[100] = 1;
	kmem_free((void *)p, 100);
}

CRIME(redzone_far)
{
	volatile char *p = kmem_alloc(128, KM_SLEEP);
	for (int i = 128; i < 140; i++)
		p[i] = 1;
	kmem_free((void *)p, 128);
}

CRIME(before)
{
	volatile char *p = kmem_alloc(100, KM_SLEEP);
	p[-1] = 1;
	kmem_free((void *)p, 100);
}

CRIME(notours)
{
	static char buf[64];
	kmem_free(buf, 64);
}

CRIME(twice)
{
	void *p = kmem_alloc(100, KM_SLEEP);
	kmem_free(p, 100);
	kmem_free(p, 100);
}

CRIME(wrongcache)
{
	kmem_cache_t *a = kmem_cache_create("apples", 40, 0, NULL, NULL, NULL, NULL, NULL, 0);
	kmem_cache_t *b = kmem_cache_create("pears", 40, 0, NULL, NULL, NULL, NULL, NULL, 0);
	kmem_cache_free(b, kmem_cache_alloc(a, KM_SLEEP));
}

CRIME(badsize)
{
	kmem_free(kmem_alloc(1000, KM_SLEEP), 1001);
}

CRIME(badclass)
{
	kmem_free(kmem_alloc(1000, KM_SLEEP), 10);
}

CRIME(badbase)
{
	char *p = kmem_alloc(1000, KM_SLEEP);
	kmem_free(p + 16, 1000);
}

CRIME(bufctl)
{
	void *p = kmem_alloc(1000, KM_SLEEP);
	kmem_slab_bufctl(kmem_slab_find(NULL, p), p)->bc_addr = NULL;
	kmem_free(p, 1000);
}

CRIME(leak)
{
	kmem_cache_t *cp = kmem_cache_create("leaky", 40, 0, NULL, NULL, NULL, NULL, NULL, 0);
	(void)kmem_cache_alloc(cp, KM_SLEEP);
	(void)kmem_cache_alloc(cp, KM_SLEEP);
	kmem_cache_destroy(cp);
}

CRIME(overrun_big)
{
	volatile char *p = kmem_alloc(4096 * 2, KM_SLEEP);
	p[4096 * 2] = 1;
}

CRIME(read_freed)
{
	volatile char *p = kmem_alloc(8192, KM_SLEEP);
	kmem_free((void *)p, 8192);
	(void)p[10];
}

/* Allocate and free until a sample is hit, then use it after the free. */
CRIME(sampled)
{
	static void *p[200];
	for (;;) {
		for (int i = 0; i < 200; i++)
			p[i] = kmem_alloc(100, KM_SLEEP);
		for (int i = 0; i < 200; i++)
			kmem_free(p[i], 100);
		for (int i = 0; i < 200; i++) {
			if (kmem_is_sample(p[i]))
				*(volatile char *)p[i] = 1;
		}
	}
}

CRIME(nothing)
{
	kmem_free(kmem_alloc(100, KM_SLEEP), 100);
}

CRIME(mtbf)
{
	int failed = 0;

	for (int i = 0; i < 100; i++) {
		void *p = kmem_alloc(64, KM_NOSLEEP);
		if (p == NULL)
			failed++;
		else
			kmem_free(p, 64);
		kmem_free(kmem_alloc(64, KM_SLEEP), 64); /* never fails */
	}
	dprintf(STDERR_FILENO, "failed %d\n", failed);
}

static const struct {
	const char *name;
	void (*func)(void);
} crimes[] = { { "modified", modified }, { "redzone", redzone },
	{ "redzone_far", redzone_far }, { "before", before }, { "notours", notours },
	{ "twice", twice }, { "wrongcache", wrongcache }, { "badsize", badsize },
	{ "badclass", badclass }, { "badbase", badbase }, { "bufctl", bufctl },
	{ "leak", leak }, { "overrun_big", overrun_big }, { "read_freed", read_freed },
	{ "sampled", sampled }, { "nothing", nothing }, { "mtbf", mtbf } };

static void (*chosen)(void);

static int
compare(const void *a, const void *b)
{
	if (chosen != NULL)
		chosen();
	chosen = NULL;
	return (0);
}

int
main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";
	const bool in_fork = strncmp(name, "fork:", 5) == 0;
	const bool in_qsort = strncmp(name, "qsort:", 6) == 0;
	int two[2] = { 1, 2 };

	name += in_fork ? 5 : in_qsort ? 6 : 0;
	for (size_t i = 0; i < ARRAY_SIZE(crimes); i++) {
		if (strcmp(crimes[i].name, name) == 0)
			chosen = crimes[i].func;
	}
	if (chosen == NULL)
		return (2);
	if (in_fork) {
		int status;
		kmem_free(kmem_alloc(500, KM_SLEEP), 500);
		const pid_t pid = fork();
		if (pid == 0) {
			chosen();
			_exit(0);
		}
		waitpid(pid, &status, 0);
		if (WIFSIGNALED(status))
			raise(WTERMSIG(status));
		return (WEXITSTATUS(status));
	}
	if (in_qsort)
		qsort(two, 2, sizeof(two[0]), compare);
	else
		chosen();
	return (0);
}
