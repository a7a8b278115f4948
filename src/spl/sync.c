/*
 * Locks over POSIX threads.
 *
 * A lock that cannot be taken or given back is always our own bug (recursion,
 * foreign exit), so every failure is a panic and no caller has an error to check.
 *
 * Who holds a mutex is known by the address of a thread-local variable: unlike
 * pthread_self() it needs no call, and it is never 0. The owner word is written
 * only between lock and unlock, relaxed: a thread that reads its own mark has
 * written it itself, any other value means "not me", so no ordering is needed.
 */
#include <time.h>

#include "spl/sync.h"
#include "spl/clock.h"

static _Thread_local char sync_self_mark;

static inline uintptr_t
self(void)
{
	return ((uintptr_t)&sync_self_mark);
}

static inline bool
is_self(const uintptr_t *owner)
{
	return (__atomic_load_n(owner, __ATOMIC_RELAXED) == self());
}

static inline void
set_owner(uintptr_t *owner, uintptr_t who)
{
	__atomic_store_n(owner, who, __ATOMIC_RELAXED);
}

void
mutex_init(kmutex_t *mp)
{
	VERIFY0(pthread_mutex_init(&mp->m, NULL));
	set_owner(&mp->owner, 0);
}

void
mutex_destroy(kmutex_t *mp)
{
	VERIFY3U(__atomic_load_n(&mp->owner, __ATOMIC_RELAXED), ==, 0);
	VERIFY0(pthread_mutex_destroy(&mp->m));
}

void
mutex_enter(kmutex_t *mp)
{
	if (__builtin_expect(is_self(&mp->owner), 0))
		panic("recursive mutex_enter of %p", (void *)mp);
	VERIFY0(pthread_mutex_lock(&mp->m));
	set_owner(&mp->owner, self());
}

bool
mutex_tryenter(kmutex_t *mp)
{
	const int error = pthread_mutex_trylock(&mp->m);
	if (error == EBUSY)
		return (false);
	VERIFY0(error);
	set_owner(&mp->owner, self());
	return (true);
}

void
mutex_exit(kmutex_t *mp)
{
	if (__builtin_expect(!is_self(&mp->owner), 0))
		panic("mutex_exit of %p by a thread that does not hold it", (void *)mp);
	set_owner(&mp->owner, 0);
	VERIFY0(pthread_mutex_unlock(&mp->m));
}

bool
mutex_owned(kmutex_t *mp)
{
	return (is_self(&mp->owner));
}

/*
 * Deadlines are points of gethrtime(), so the variable must run on the same
 * clock; the default (wall clock) would let a clock step stretch every wait.
 */
void
cv_init(kcondvar_t *cv)
{
	pthread_condattr_t attr;

	VERIFY0(pthread_condattr_init(&attr));
	VERIFY0(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC));
	VERIFY0(pthread_cond_init(&cv->c, &attr));
	VERIFY0(pthread_condattr_destroy(&attr));
}

void
cv_destroy(kcondvar_t *cv)
{
	VERIFY0(pthread_cond_destroy(&cv->c));
}

void
cv_wait(kcondvar_t *cv, kmutex_t *mp)
{
	VERIFY(is_self(&mp->owner));
	set_owner(&mp->owner, 0);
	VERIFY0(pthread_cond_wait(&cv->c, &mp->m));
	set_owner(&mp->owner, self());
}

bool
cv_timedwait_hires(kcondvar_t *cv, kmutex_t *mp, hrtime_t deadline)
{
	struct timespec ts = { 0 };

	VERIFY(is_self(&mp->owner));
	if (deadline > 0) {
		ts.tv_sec = deadline / NANOSEC;
		ts.tv_nsec = deadline % NANOSEC;
	}
	set_owner(&mp->owner, 0);
	const int error = pthread_cond_timedwait(&cv->c, &mp->m, &ts);
	set_owner(&mp->owner, self());
	if (error == ETIMEDOUT)
		return (false);
	VERIFY0(error);
	return (true);
}

bool
cv_reltimedwait(kcondvar_t *cv, kmutex_t *mp, hrtime_t delta)
{
	return (cv_timedwait_hires(cv, mp, gethrtime() + delta));
}

void
cv_signal(kcondvar_t *cv)
{
	VERIFY0(pthread_cond_signal(&cv->c));
}

void
cv_broadcast(kcondvar_t *cv)
{
	VERIFY0(pthread_cond_broadcast(&cv->c));
}

void
rw_init(krwlock_t *rw)
{
	pthread_rwlockattr_t attr;

	VERIFY0(pthread_rwlockattr_init(&attr));
	VERIFY0(pthread_rwlockattr_setkind_np(
	    &attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP));
	VERIFY0(pthread_rwlock_init(&rw->rw, &attr));
	VERIFY0(pthread_rwlockattr_destroy(&attr));
	set_owner(&rw->writer, 0);
}

void
rw_destroy(krwlock_t *rw)
{
	VERIFY3U(__atomic_load_n(&rw->writer, __ATOMIC_RELAXED), ==, 0);
	VERIFY0(pthread_rwlock_destroy(&rw->rw));
}

void
rw_enter(krwlock_t *rw, krw_t how)
{
	if (__builtin_expect(is_self(&rw->writer), 0))
		panic("recursive rw_enter of %p", (void *)rw);
	if (how == RW_READER) {
		VERIFY0(pthread_rwlock_rdlock(&rw->rw));
	} else {
		VERIFY0(pthread_rwlock_wrlock(&rw->rw));
		set_owner(&rw->writer, self());
	}
}

bool
rw_tryenter(krwlock_t *rw, krw_t how)
{
	const int error = how == RW_READER ? pthread_rwlock_tryrdlock(&rw->rw) :
					     pthread_rwlock_trywrlock(&rw->rw);
	if (error == EBUSY)
		return (false);
	VERIFY0(error);
	if (how == RW_WRITER)
		set_owner(&rw->writer, self());
	return (true);
}

void
rw_exit(krwlock_t *rw)
{
	if (is_self(&rw->writer))
		set_owner(&rw->writer, 0);
	VERIFY0(pthread_rwlock_unlock(&rw->rw));
}

bool
rw_write_held(krwlock_t *rw)
{
	return (is_self(&rw->writer));
}
