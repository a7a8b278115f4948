/* The clocks, and the switch that stops the wall clock for repeatable runs. */
#include "spl/clock.h"
#include "spl/debug.h"

static uint64_t clock_fixed_sec; /* 0: the real wall clock */

hrtime_t
gethrtime(void)
{
	struct timespec ts;

	VERIFY0(clock_gettime(CLOCK_MONOTONIC, &ts));
	return ((hrtime_t)ts.tv_sec * NANOSEC + ts.tv_nsec);
}

void
gethrestime(struct timespec *ts)
{
	const uint64_t fixed = __atomic_load_n(&clock_fixed_sec, __ATOMIC_RELAXED);

	if (fixed != 0) {
		ts->tv_sec = (time_t)fixed;
		ts->tv_nsec = 0;
		return;
	}
	VERIFY0(clock_gettime(CLOCK_REALTIME, ts));
}

uint64_t
gethrestime_sec(void)
{
	struct timespec ts;

	gethrestime(&ts);
	return ((uint64_t)ts.tv_sec);
}

void
spl_delay(hrtime_t ns)
{
	if (ns <= 0)
		return;
	struct timespec left = { .tv_sec = ns / NANOSEC, .tv_nsec = ns % NANOSEC };
	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR)
		continue;
}

void
spl_clock_set(uint64_t sec)
{
	__atomic_store_n(&clock_fixed_sec, sec, __ATOMIC_RELAXED);
}
