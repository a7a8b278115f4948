/*
 * spl: the Solaris Porting Layer. Everything above stands on this room alone:
 * memory (kmem/vmem), threads, locks, task queues, lists, trees, clock, random
 * numbers, log and panic. Nothing here knows about storage.
 *
 * spl.h pulls in the whole room.
 */
#ifndef TARN_SPL_H
#define TARN_SPL_H

#include "spl/types.h"
#include "spl/debug.h"
#include "spl/bits.h"
#include "spl/kmem.h"
#include "spl/sync.h"
#include "spl/thread.h"
#include "spl/taskq.h"
#include "spl/list.h"
#include "spl/avl.h"
#include "spl/clock.h"
#include "spl/random.h"

/* Start/stop the room (idempotent, process wide). Call spl_init() first in main(). */
void spl_init(void);
void spl_fini(void);

#endif
