/*
 * libkmem: the slab and vmem allocator as a library of its own.
 *
 * Link with -lkmem (its malloc family then replaces the system's, as under
 * LD_PRELOAD) and compile with -I<includedir>/kmem.
 *
 *   spl/kmem.h           kmem_alloc, kmem_cache_create, ...
 *   spl/vmem.h           arenas
 *   spl/kmem_debug.h     diagnostic mode, statistics
 *   spl/kmem_pressure.h  limits, reclaim functions
 */
#ifndef KMEM_KMEM_H
#define KMEM_KMEM_H

#include "spl/kmem.h"
#include "spl/vmem.h"
#include "spl/kmem_debug.h"
#include "spl/kmem_pressure.h"

#endif
