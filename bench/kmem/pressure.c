/*
 * A cache without a bound of its own, shrinking when others need memory: prints
 * "seconds<TAB>resident MB" ten times a second for N seconds.
 *
 *   pressure greedy SECONDS    grow as fast as it goes, give back when asked
 *   pressure rival  SECONDS MB take MB at once after a third of the time, hold a third
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <fcntl.h>

#include "spl/spl.h"
#include "spl/kmem_pressure.h"

#define PIECE (256 * 1024)

typedef struct piece {
	list_node_t node;
} piece_t;

static kmutex_t lock = MUTEX_INITIALIZER;
static list_t pieces;

static uint64_t
shrink(void *arg, uint64_t want)
{
	uint64_t freed = 0;
	piece_t *p;

	mutex_enter(&lock);
	for (; freed < want && (p = list_remove_head(&pieces)) != NULL; freed += PIECE)
		kmem_free(p, PIECE);
	mutex_exit(&lock);
	return (freed);
}

static double
rss_mb(void)
{
	char text[128] = "";
	const int fd = open("/proc/self/statm", O_RDONLY);

	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		return (0);
	(void)close(fd);
	return ((double)strtoul(strchr(text, ' '), NULL, 10) * 4096 / 1048576);
}

static void
print_rss(void *arg)
{
	const hrtime_t start = gethrtime(), end = start + *(hrtime_t *)arg;

	while (gethrtime() < end) {
		printf("%.2f\t%.1f\n", (double)gethrtime() / NANOSEC, rss_mb());
		fflush(stdout);
		spl_delay(MSEC2NSEC(100));
	}
	_exit(0);
}

int
main(int argc, char **argv)
{
	if (argc < 3)
		return (2);
	hrtime_t length = SEC2NSEC(atoi(argv[2]));
	spl_init();
	list_create(&pieces, PIECE, offsetof(piece_t, node));
	(void)thread_create("rss", print_rss, &length);
	if (strcmp(argv[1], "rival") == 0) {
		const size_t size = (argc > 3 ? (size_t)atoi(argv[3]) : 100) << 20;
		spl_delay(length / 3);
		char *p = kmem_alloc(size, KM_SLEEP);
		for (size_t at = 0; at < size; at += 4096) {
			p[at] = 1;
			/* At a pace a program reads a file with: 1 GB in a second. */
			if (at % (1 << 20) == 0)
				spl_delay(MSEC2NSEC(1));
		}
		spl_delay(length / 3);
		kmem_free(p, size);
		kmem_reap();
		for (;;)
			spl_delay(NANOSEC);
	}
	(void)kmem_reclaim_register(0, shrink, NULL);
	kmem_pressure_start();
	for (;;) {
		piece_t *p = kmem_alloc(PIECE, KM_SLEEP);
		memset(p, 1, PIECE);
		mutex_enter(&lock);
		list_insert_tail(&pieces, p);
		mutex_exit(&lock);
		spl_delay(500000);
	}
}
