/*
 * Dirty data: how much memory waits to be written, and what to do when it is too much.
 * See the essay in txg.h.
 *
 *  delay
 *    |                               .
 *    |                              /        20 %: start a sync
 *    |                            _/         60 %: delay begins
 *    |________________________---           100 %: writers stop
 *    0%       20%        60%        100%  of tx_dirty_max
 *
 * The delay is scale · (d − 60 %) / (100 % − d): it grows slowly first and without bound
 * towards the end, so there is a point on the curve for every speed of disks. It is charged
 * to the pool's writers together (tx_delay_until), not to each thread, so that more threads
 * do not get more.
 */
#include "spa/spa.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define DIRTY_SYNC_PERCENT 20
#define DIRTY_DELAY_PERCENT 60
#define DIRTY_DELAY_SCALE_NS 500000
#define DIRTY_DELAY_MAX_NS MSEC2NSEC(100)
#define DIRTY_MAX_SHARE 10 /* of memory */
#define DIRTY_MAX_MAX (4ULL << 30)
#define DIRTY_MAX_MIN (16ULL << 20)

/* A limit from a one-line file; UINT64_MAX if there is none ("max", unreadable). */
static uint64_t
read_limit(const char *path)
{
	FILE *fp = fopen(path, "re");
	uint64_t limit = UINT64_MAX;

	if (fp == NULL)
		return (UINT64_MAX);
	if (fscanf(fp, "%" SCNu64, &limit) != 1)
		limit = UINT64_MAX;
	(void)fclose(fp);
	return (limit);
}

/*
 * The tightest memory limit of the control groups above this process. Inside a container
 * the own group is usually the root of what is visible.
 */
static uint64_t
cgroup_memory_limit(void)
{
	uint64_t limit = MIN(read_limit("/sys/fs/cgroup/memory.max"),
	    read_limit("/sys/fs/cgroup/memory/memory.limit_in_bytes"));
	FILE *fp = fopen("/proc/self/cgroup", "re");
	char line[512], path[600];

	while (fp != NULL && fgets(line, sizeof(line), fp) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, "0::/", 4) != 0)
			continue;
		for (char *group = line + 3; *group != '\0';
		     *strrchr(group, '/') = '\0') {
			(void)snprintf(
			    path, sizeof(path), "/sys/fs/cgroup%s/memory.max", group);
			limit = MIN(limit, read_limit(path));
		}
	}
	if (fp != NULL)
		(void)fclose(fp);
	return (limit);
}

uint64_t
txg_dirty_max_default(void)
{
	const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
	uint64_t memory = cgroup_memory_limit();

	if (pages > 0 && page > 0)
		memory = MIN(memory, (uint64_t)pages * (uint64_t)page);
	return (MAX(DIRTY_MAX_MIN, MIN(DIRTY_MAX_MAX, memory / DIRTY_MAX_SHARE)));
}

hrtime_t
txg_dirty_delay(uint64_t dirty, uint64_t max)
{
	const uint64_t begin = max / 100 * DIRTY_DELAY_PERCENT;

	if (dirty <= begin)
		return (0);
	if (dirty >= max)
		return (DIRTY_DELAY_MAX_NS);
	const double delay =
	    DIRTY_DELAY_SCALE_NS * (double)(dirty - begin) / (double)(max - dirty);
	return (delay > DIRTY_DELAY_MAX_NS ? DIRTY_DELAY_MAX_NS : (hrtime_t)delay);
}

void
txg_dirty_add(spa_t *spa, uint64_t txg, uint64_t bytes)
{
	tx_state_t *tx = &spa->spa_tx;

	mutex_enter(&tx->tx_dirty_lock);
	const uint64_t level = tx->tx_dirty_max / 100 * DIRTY_SYNC_PERCENT;
	const uint64_t before = tx->tx_dirty_pertxg[txg & TXG_MASK];
	tx->tx_dirty_pertxg[txg & TXG_MASK] += bytes;
	tx->tx_dirty_total += bytes;
	const bool kick = before <= level && before + bytes > level;
	mutex_exit(&tx->tx_dirty_lock);
	if (kick)
		txg_kick(spa, txg);
}

void
txg_dirty_remove(spa_t *spa, uint64_t txg, uint64_t bytes)
{
	tx_state_t *tx = &spa->spa_tx;

	mutex_enter(&tx->tx_dirty_lock);
	ASSERT3U(tx->tx_dirty_pertxg[txg & TXG_MASK], >=, bytes);
	ASSERT3U(tx->tx_dirty_total, >=, bytes);
	tx->tx_dirty_pertxg[txg & TXG_MASK] -= bytes;
	tx->tx_dirty_total -= bytes;
	if (tx->tx_dirty_total < tx->tx_dirty_max)
		cv_broadcast(&tx->tx_dirty_cv);
	mutex_exit(&tx->tx_dirty_lock);
}

uint64_t
txg_dirty_total(spa_t *spa)
{
	tx_state_t *tx = &spa->spa_tx;

	mutex_enter(&tx->tx_dirty_lock);
	const uint64_t total = tx->tx_dirty_total;
	mutex_exit(&tx->tx_dirty_lock);
	return (total);
}

void
txg_dirty_throttle(spa_t *spa)
{
	tx_state_t *tx = &spa->spa_tx;
	hrtime_t until = 0;

	mutex_enter(&tx->tx_dirty_lock);
	while (tx->tx_dirty_total >= tx->tx_dirty_max) {
		/* The open group may hold all of it: somebody must push it out. */
		mutex_exit(&tx->tx_dirty_lock);
		txg_kick(spa, TXG_WAIT_NONE);
		mutex_enter(&tx->tx_dirty_lock);
		if (tx->tx_dirty_total >= tx->tx_dirty_max)
			cv_wait(&tx->tx_dirty_cv, &tx->tx_dirty_lock);
	}
	const hrtime_t delay = txg_dirty_delay(tx->tx_dirty_total, tx->tx_dirty_max);
	const hrtime_t now = gethrtime();
	if (delay > 0) {
		until = MAX(now, tx->tx_delay_until) + delay;
		until = MIN(until, now + DIRTY_DELAY_MAX_NS);
		tx->tx_delay_until = until;
	}
	mutex_exit(&tx->tx_dirty_lock);
	if (until > now)
		spl_delay(until - now);
}
