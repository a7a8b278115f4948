/*
 * Memory pressure: knowing when the machine, the control group or the configured
 * limit gets tight, and giving memory back before the kernel kills.
 *
 * Reclaim functions are called by the reaper thread, in order, with no kmem lock
 * held, until enough has been given back. They may allocate and free; they must not
 * wait for a thread that waits for memory.
 *
 * The reaper keeps a few file descriptors open: a daemon that closes all of them
 * must do so before it starts, or call kmem_pressure_stop() before and start after.
 */
#ifndef TARN_SPL_KMEM_PRESSURE_H
#define TARN_SPL_KMEM_PRESSURE_H

#include "spl/types.h"

/* Free about `want` bytes (a hint); returns how many it thinks it freed. */
typedef uint64_t kmem_reclaim_func_t(void *arg, uint64_t want);

/* Lower `order` is asked first (the ARC: 0). ENOSPC if there are too many. */
int kmem_reclaim_register(int order, kmem_reclaim_func_t *func, void *arg);
void kmem_reclaim_unregister(kmem_reclaim_func_t *func, void *arg);

/*
 * Start the reaper thread (idempotent). Without this call it starts by itself when
 * the heap has grown past 32 MiB.
 */
void kmem_pressure_start(void);
/* Stop it and wait for its end (tests, before fork in daemons). */
void kmem_pressure_stop(void);

/* Use at most this much (0: what machine and control group allow). */
void kmem_limit_set(uint64_t bytes);
/* The least of machine, control group and configured limit, in bytes. */
uint64_t kmem_limit(void);
/*
 * Bytes that can still be taken before one of the limits, or the machine's
 * MemAvailable, is reached.
 */
uint64_t kmem_available(void);
/* Bytes short of the reserve that should stay available; 0: no pressure. */
uint64_t kmem_shortage(void);

typedef struct kmem_pressure_stat {
	uint64_t kp_ticks;      /* rounds of the reaper */
	uint64_t kp_events;     /* wake-ups by the kernel (PSI, control group) */
	uint64_t kp_reclaims;   /* rounds in which reclaim functions were called */
	uint64_t kp_given_back; /* bytes returned to the system */
	bool kp_psi, kp_cgroup_v1, kp_cgroup_v2; /* sources in use */
} kmem_pressure_stat_t;
void kmem_pressure_stats(kmem_pressure_stat_t *kp);

#endif
