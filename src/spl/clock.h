/*
 * Time. Everything asks here, so that a test can replace the clock
 * (spl_clock_set) and replay a run.
 */
#ifndef TARN_SPL_CLOCK_H
#define TARN_SPL_CLOCK_H

#include <time.h>
#include "spl/types.h"

#define NANOSEC 1000000000LL
#define MSEC2NSEC(m) ((hrtime_t)(m)*1000000LL)
#define SEC2NSEC(s) ((hrtime_t)(s)*NANOSEC)

hrtime_t gethrtime(void);               /* monotonic ns */
void gethrestime(struct timespec *ts);  /* wall clock */
uint64_t gethrestime_sec(void);
void spl_delay(hrtime_t ns);            /* sleep */

/* Fix the wall clock to `sec` (tests, reproducible images); 0 goes back. */
void spl_clock_set(uint64_t sec);

#endif
