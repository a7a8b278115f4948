/*
 * A program that loses memory: an innocent user of malloc, run under libkmem.so.
 * It keeps 200 buffers, loses 300 of 100 bytes in lose_some() and 20 of 5000 in
 * lose_large(), says so, and then allocates and frees until its input ends.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *kept[200];
static void *volatile sink;

static void __attribute__((noinline))
lose_some(void)
{
	for (int i = 0; i < 300; i++) {
		sink = malloc(100);
		memset(sink, 0, 100);
	}
	sink = NULL;
}

static void __attribute__((noinline))
lose_large(void)
{
	for (int i = 0; i < 20; i++) {
		sink = malloc(5000);
		memset(sink, 0, 5000);
	}
	sink = NULL;
}

static void __attribute__((noinline))
work(void)
{
	void *p[64];

	for (int i = 0; i < 64; i++)
		p[i] = malloc(200);
	for (int i = 0; i < 64; i++)
		free(p[i]);
	sink = malloc(200); /* another leak: 1 in 65 allocations */
	sink = NULL;
}

int
main(void)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };

	for (int i = 0; i < 200; i++) {
		kept[i] = malloc(300);
		/* A chain: most are reachable only through another. */
		memset(kept[i], 0, 300);
		if (i > 0)
			memcpy(kept[i], &kept[i - 1], sizeof(char *));
	}
	memset(kept, 0, sizeof(char *) * 199);
	lose_some();
	lose_large();
	printf("ready\n");
	fflush(stdout);
	while (poll(&in, 1, 1) == 0)
		work();
	return (0);
}
