/*
 * Locks: mutex, condition variable, reader/writer lock, reference count.
 * Thin over POSIX threads, so that sanitizers understand them; names and
 * semantics as in mutex(9F), condvar(9F), rwlock(9F).
 */
#ifndef TARN_SPL_SYNC_H
#define TARN_SPL_SYNC_H

#include <pthread.h>
#include "spl/types.h"
#include "spl/debug.h"

/*
 * The owner is the address of a variable of the owning thread, 0 if none. It is
 * written only by the owner, but read (mutex_owned) by anybody: hence atomic.
 */
typedef struct kmutex {
	pthread_mutex_t m;
	uintptr_t owner;
} kmutex_t;
typedef struct kcondvar {
	pthread_cond_t c;
} kcondvar_t;
/*
 * A waiting writer keeps new readers out (rwlock(9F)), so a thread must not take
 * a read lock it already has.
 */
typedef struct krwlock {
	pthread_rwlock_t rw;
	uintptr_t writer;
} krwlock_t;
typedef enum { RW_READER, RW_WRITER } krw_t;

/* For locks with static storage, instead of mutex_init(). */
#define MUTEX_INITIALIZER { PTHREAD_MUTEX_INITIALIZER, 0 }

void mutex_init(kmutex_t *mp);
void mutex_destroy(kmutex_t *mp);
void mutex_enter(kmutex_t *mp);
bool mutex_tryenter(kmutex_t *mp);
void mutex_exit(kmutex_t *mp);
bool mutex_owned(kmutex_t *mp); /* by the calling thread */
#define MUTEX_HELD(mp) mutex_owned(mp)

void cv_init(kcondvar_t *cv);
void cv_destroy(kcondvar_t *cv);
void cv_wait(kcondvar_t *cv, kmutex_t *mp);
/* Wait until signalled or until gethrtime() >= deadline. Returns false on timeout. */
bool cv_timedwait_hires(kcondvar_t *cv, kmutex_t *mp, hrtime_t deadline);
void cv_signal(kcondvar_t *cv);
void cv_broadcast(kcondvar_t *cv);

/* For cv_timedwait_hires() through a relative time; false on timeout. */
bool cv_reltimedwait(kcondvar_t *cv, kmutex_t *mp, hrtime_t delta);

void rw_init(krwlock_t *rw);
void rw_destroy(krwlock_t *rw);
void rw_enter(krwlock_t *rw, krw_t how);
bool rw_tryenter(krwlock_t *rw, krw_t how);
void rw_exit(krwlock_t *rw);
bool rw_write_held(krwlock_t *rw);

/* A plain counted reference. `tag` documents the holder; it is not stored. */
typedef struct zfs_refcount {
	uint64_t rc_count;
} zfs_refcount_t;
static inline uint64_t
zfs_refcount_add(zfs_refcount_t *rc, const void *tag)
{
	(void)tag;
	return (__atomic_add_fetch(&rc->rc_count, 1, __ATOMIC_RELAXED));
}
static inline uint64_t
zfs_refcount_remove(zfs_refcount_t *rc, const void *tag)
{
	(void)tag;
	return (__atomic_sub_fetch(&rc->rc_count, 1, __ATOMIC_ACQ_REL));
}
static inline uint64_t
zfs_refcount_count(const zfs_refcount_t *rc)
{
	return (__atomic_load_n(&rc->rc_count, __ATOMIC_ACQUIRE));
}

/* Counters shared by threads. */
#define atomic_inc_64(p) __atomic_add_fetch(p, 1, __ATOMIC_RELAXED)
#define atomic_dec_64(p) __atomic_sub_fetch(p, 1, __ATOMIC_RELAXED)
#define atomic_add_64(p, n) __atomic_add_fetch(p, n, __ATOMIC_RELAXED)
#define atomic_load_64(p) __atomic_load_n(p, __ATOMIC_RELAXED)
#define atomic_store_64(p, v) __atomic_store_n(p, v, __ATOMIC_RELAXED)

#endif
