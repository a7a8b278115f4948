/* What the operating system knows about memory; implemented for each system. */
#ifndef TARN_SPL_OS_PRESSURE_H
#define TARN_SPL_OS_PRESSURE_H

#include "spl/types.h"

typedef struct os_memory {
	uint64_t om_physical;  /* bytes of the machine */
	uint64_t om_available; /* bytes the machine could still give */
	uint64_t om_limit;     /* of the control group (all ancestors); UINT64_MAX: none */
	uint64_t om_group_available; /* below that limit */
} os_memory_t;

void os_memory_read(os_memory_t *om);

/* Sources of events that os_pressure_wait() found. */
#define OS_PRESSURE_PSI 0x1
#define OS_PRESSURE_V1 0x2
#define OS_PRESSURE_V2 0x4

/* Open whatever sources there are; returns their mask. */
int os_pressure_open(void);
void os_pressure_close(void);
void os_pressure_fork_child(void);
/* Sleep until an event, os_pressure_wake(), or the timeout. Mask of sources, or 0. */
int os_pressure_wait(int timeout_ms);
void os_pressure_wake(void);

#endif
