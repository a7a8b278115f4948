/*
 * Giving memory back: by the clock, on request, and under pressure.
 *
 * By the clock. Every second the reaper looks at each cache: what the depot did
 * not need in the last interval goes back to the slabs, empty slabs to the arena,
 * spans that are wholly free to the system, and pages of other free segments are
 * discarded if they were free a round ago already. So idle memory leaves although
 * its owner never allocates again, and busy memory is left alone.
 *
 * Under pressure (kmem_pressure.h). A reserve should stay available: a sixteenth of
 * the limit, at least 32 MiB or a quarter of the limit, at most 1 GiB. If less is
 * available, or the kernel reports stalls, the registered functions are asked in
 * order for the difference, then each cache's own reclaim function, then all
 * magazines are emptied and everything free is returned at once. While pressure
 * lasts, the reaper looks ten times a second.
 *
 * The consolidator (kmem_cache_set_move) moves objects out of nearly empty slabs of
 * fragmented caches, so that these slabs become free.
 *
 * Locks: reap_lock is held during a round, callbacks included; kmem_cache_destroy()
 * takes it, so no cache goes away under a round's feet. An allocation that has run
 * dry only tries it.
 */
#include <signal.h>
#include <stdlib.h>

#include "spl/kmem_impl.h"
#include "spl/kmem_pressure.h"
#include "spl/os_pressure.h"
#include "spl/bits.h"
#include "spl/clock.h"
#include "spl/debug.h"

#define TICK_MS 1000
#define TICK_PRESSURE_MS 100
#define RECLAIMERS_MAX 16
#define REAPER_START_BYTES (32ULL << 20)
#define MOVE_SLABS_PER_TICK 16
#define GROWTH_CHECK (8ULL << 20)
#define THROTTLE_ROUNDS 50 /* of 10 ms */

typedef struct reclaimer {
	kmem_reclaim_func_t *r_func;
	void *r_arg;
	int r_order;
} reclaimer_t;

static kmutex_t reap_lock = MUTEX_INITIALIZER;
static kmutex_t reclaimers_lock = MUTEX_INITIALIZER;
static reclaimer_t reclaimers[RECLAIMERS_MAX];
static int nreclaimers;

static kmutex_t reaper_lock = MUTEX_INITIALIZER; /* start and stop */
static pthread_t reaper_thread;
static int reaper_state; /* 0 none, 1 runs; atomic */
static int reaper_stop;
static uint64_t heap_mapped; /* bytes ever mapped by the heap; atomic */
static uint64_t configured_limit;
static kmem_pressure_stat_t stats;

void
kmem_reap_enter(void)
{
	mutex_enter(&reap_lock);
}

bool
kmem_reap_owned(void)
{
	return (mutex_owned(&reap_lock));
}

void
kmem_reap_exit(void)
{
	mutex_exit(&reap_lock);
}

/* Call func for each cache; with reap_lock, so they stay. */
static void
for_each_cache(void (*func)(kmem_cache_t *cp))
{
	for (uint32_t i = 1; i < KMEM_MAXCACHES; i++) {
		mutex_enter(&kmem_caches_lock);
		kmem_cache_t *cp = kmem_by_index[i];
		mutex_exit(&kmem_caches_lock);
		if (cp != NULL && !(cp->kc_cflags & KMC_INTERNAL))
			func(cp);
	}
}

/*
 * The metadata arenas are never unmapped, but their free pages can be discarded: who
 * looks at a magazine that has gone reads zeros, an empty magazine.
 */
static size_t
purge_arenas(bool aged)
{
	return (vmem_purge(kmem_default_arena, aged) + vmem_purge(kmem_metapage_arena, aged) +
	    vmem_purge(kmem_meta_arena, aged));
}

/* ---- the consolidator ---- */

static bool
move_object(kmem_cache_t *cp, kmem_slab_t *victim, void *old)
{
	void *fresh;

	if (kmem_slab_alloc(cp, &fresh, 1, KM_NOSLEEP) == 0)
		return (false);
	if (kmem_slab_find(cp, fresh) == victim) {
		kmem_slab_free(cp, fresh);
		return (false); /* nowhere else to go */
	}
	if (cp->kc_constructor != NULL &&
	    cp->kc_constructor(fresh, cp->kc_arg, KM_NOSLEEP) != 0) {
		kmem_slab_free(cp, fresh);
		return (false);
	}
	cp->kc_move_calls++;
	const kmem_cbrc_t rc = cp->kc_move(old, fresh, cp->kc_bufsize, cp->kc_arg);
	void *gone = rc == KMEM_CBRC_YES ? old : fresh;
	cp->kc_move_yes += rc == KMEM_CBRC_YES;
	if (cp->kc_destructor != NULL)
		cp->kc_destructor(gone, cp->kc_arg);
	kmem_slab_free(cp, gone);
	if (rc == KMEM_CBRC_DONT_NEED) {
		if (cp->kc_destructor != NULL)
			cp->kc_destructor(old, cp->kc_arg);
		kmem_slab_free(cp, old);
	}
	return (rc != KMEM_CBRC_NO);
}

static void
consolidate(kmem_cache_t *cp)
{
	uint64_t free_map[64];

	if (cp->kc_move == NULL || cp->kc_flags & KMF_CHECKED || kmem_root.kr_delegate ||
	    cp->kc_maxchunks > 64 * ARRAY_SIZE(free_map))
		return;
	/* Worth it if a quarter of the buffers is free. */
	if (cp->kc_slab_inuse * 4 > cp->kc_buftotal * 3)
		return;
	kmem_magazine_purge(cp);
	for (int n = 0; n < MOVE_SLABS_PER_TICK; n++) {
		kmem_slab_t *victim = kmem_slab_hold_victim(cp, free_map);
		if (victim == NULL)
			break;
		bool go_on = true;
		for (uint32_t i = 0; i < victim->slab_chunks && go_on; i++) {
			if (!(free_map[i / 64] >> (i % 64) & 1))
				go_on = move_object(cp, victim,
				    victim->slab_base + i * cp->kc_chunksize);
		}
		cp->kc_move_slabs++;
		kmem_slab_rele_victim(cp, victim);
		if (!go_on)
			break;
	}
}

/* ---- reaping ---- */

/* Another process may have asked for a log, or its end (kmem_inspect.h). */
static void
heed_log_wish(kmem_cache_t *cp)
{
	const uint32_t want = __atomic_load_n(&cp->kc_log_want, __ATOMIC_RELAXED);

	if (want != 0 && (cp->kc_log == NULL || !(cp->kc_flags & KMF_LOG)))
		(void)kmem_log_cache(cp, true);
	else if (want == 0 && cp->kc_log != NULL && kmem_root.kr_log == NULL &&
	    cp->kc_flags & KMF_LOG)
		(void)kmem_log_cache(cp, false);
}

static void
reap_clock(kmem_cache_t *cp)
{
	heed_log_wish(cp);
	kmem_depot_reap(cp);
	kmem_depot_ws_update(cp);
	kmem_magazine_resize(cp);
	if (!(cp->kc_flags & KMF_CHECKED))
		kmem_slab_reap(cp, 0);
	consolidate(cp);
}

static void
reap_all(kmem_cache_t *cp)
{
	kmem_magazine_purge(cp);
	kmem_slab_reap(cp, 0);
}

static void
reap_reclaim(kmem_cache_t *cp)
{
	if (cp->kc_reclaim != NULL)
		cp->kc_reclaim(cp->kc_arg);
	consolidate(cp);
	reap_all(cp);
}

static void
reap_without_callbacks(kmem_cache_t *cp)
{
	if (cp->kc_destructor == NULL)
		reap_all(cp);
}

void
kmem_cache_reap_now(kmem_cache_t *cp)
{
	if (cp->kc_reclaim != NULL)
		cp->kc_reclaim(cp->kc_arg);
	reap_all(cp);
}

void
kmem_reap(void)
{
	kmem_init();
	if (mutex_owned(&reap_lock))
		return;
	mutex_enter(&reap_lock);
	for_each_cache(reap_reclaim);
	stats.kp_given_back += purge_arenas(false);
	mutex_exit(&reap_lock);
}

/* The caller may hold any lock of the program: no callbacks, no waiting. */
void
kmem_reap_inline(void)
{
	if (!mutex_tryenter(&reap_lock))
		return;
	for_each_cache(reap_without_callbacks);
	stats.kp_given_back += purge_arenas(false);
	mutex_exit(&reap_lock);
}

static void
reap_poll(kmem_cache_t *cp)
{
	heed_log_wish(cp);
	if (cp->kc_destructor != NULL)
		return;
	kmem_depot_reap(cp);
	kmem_depot_ws_update(cp);
	kmem_magazine_resize(cp);
	if (!(cp->kc_flags & KMF_CHECKED))
		kmem_slab_reap(cp, 0);
}

void
kmem_reaper_poll(void)
{
	static uint64_t calls;
	static hrtime_t last;

	if (!kmem_root.kr_noreap || atomic_inc_64(&calls) % 256 != 0)
		return;
	const hrtime_t now = gethrtime(), before = __atomic_load_n(&last, __ATOMIC_RELAXED);
	if (now - before < MSEC2NSEC(TICK_MS) || !mutex_tryenter(&reap_lock))
		return;
	__atomic_store_n(&last, now, __ATOMIC_RELAXED);
	for_each_cache(reap_poll);
	stats.kp_given_back += purge_arenas(true);
	mutex_exit(&reap_lock);
}

/* ---- limits ---- */

void
kmem_limit_set(uint64_t bytes)
{
	atomic_store_64(&configured_limit, bytes);
}

static uint64_t
limit_of(const os_memory_t *om)
{
	const uint64_t conf = atomic_load_64(&configured_limit);
	const uint64_t system = MIN(om->om_physical, om->om_limit);

	return (conf != 0 ? MIN(conf, system) : system);
}

static uint64_t
available_of(const os_memory_t *om)
{
	const uint64_t conf = atomic_load_64(&configured_limit);
	uint64_t avail = MIN(om->om_available, om->om_group_available);

	if (conf != 0) {
		const uint64_t used = vmem_size(kmem_default_arena, VMEM_ALLOC);
		avail = MIN(avail, conf > used ? conf - used : 0);
	}
	return (avail);
}

static uint64_t
shortage_of(const os_memory_t *om)
{
	const uint64_t limit = limit_of(om);
	uint64_t reserve = MAX(limit / 16, MIN(32ULL << 20, limit / 4));

	reserve = MIN(reserve, 1ULL << 30);
	const uint64_t avail = available_of(om);
	return (avail < reserve ? reserve - avail : 0);
}

uint64_t
kmem_limit(void)
{
	os_memory_t om;

	kmem_init();
	os_memory_read(&om);
	return (limit_of(&om));
}

uint64_t
kmem_available(void)
{
	os_memory_t om;

	kmem_init();
	os_memory_read(&om);
	return (available_of(&om));
}

uint64_t
kmem_shortage(void)
{
	os_memory_t om;

	kmem_init();
	os_memory_read(&om);
	return (shortage_of(&om));
}

/* ---- reclaim functions ---- */

int
kmem_reclaim_register(int order, kmem_reclaim_func_t *func, void *arg)
{
	mutex_enter(&reclaimers_lock);
	if (nreclaimers == RECLAIMERS_MAX) {
		mutex_exit(&reclaimers_lock);
		return (ENOSPC);
	}
	int at = nreclaimers++;
	for (; at > 0 && reclaimers[at - 1].r_order > order; at--)
		reclaimers[at] = reclaimers[at - 1];
	reclaimers[at] = (reclaimer_t){ func, arg, order };
	mutex_exit(&reclaimers_lock);
	return (0);
}

/* Waits for a round in progress: afterwards func is not called any more. */
void
kmem_reclaim_unregister(kmem_reclaim_func_t *func, void *arg)
{
	const bool inside = mutex_owned(&reap_lock);

	if (!inside)
		mutex_enter(&reap_lock);
	mutex_enter(&reclaimers_lock);
	for (int i = 0; i < nreclaimers; i++) {
		if (reclaimers[i].r_func != func || reclaimers[i].r_arg != arg)
			continue;
		nreclaimers--;
		for (; i < nreclaimers; i++)
			reclaimers[i] = reclaimers[i + 1];
	}
	mutex_exit(&reclaimers_lock);
	if (!inside)
		mutex_exit(&reap_lock);
}

static void
ask_reclaimers(uint64_t want)
{
	reclaimer_t list[RECLAIMERS_MAX];

	mutex_enter(&reclaimers_lock);
	const int n = nreclaimers;
	memcpy(list, reclaimers, sizeof(list));
	mutex_exit(&reclaimers_lock);
	stats.kp_reclaims++;
	for (int i = 0; i < n && want > 0; i++) {
		const uint64_t got = list[i].r_func(list[i].r_arg, want);
		want -= MIN(got, want);
	}
}

/* ---- the reaper ---- */

/* One round. `event`: the kernel reports stalls. Returns whether pressure goes on. */
static bool
reaper_round(bool event)
{
	os_memory_t om;

	mutex_enter(&reap_lock);
	stats.kp_ticks++;
	os_memory_read(&om);
	uint64_t want = shortage_of(&om);
	if (event) {
		stats.kp_events++;
		want = MAX(want, MIN(vmem_size(kmem_default_arena, VMEM_ALLOC) / 32,
		    limit_of(&om) / 64));
	}
	if (want > 0) {
		ask_reclaimers(want);
		for_each_cache(reap_reclaim);
		stats.kp_given_back += purge_arenas(false);
	} else {
		for_each_cache(reap_clock);
		stats.kp_given_back += purge_arenas(true);
	}
	mutex_exit(&reap_lock);
	return (want > 0);
}

static void *
reaper_main(void *arg)
{
	bool pressure = false;
	int mask = os_pressure_open();

	(void)pthread_setname_np(pthread_self(), "kmem_reaper");
	stats.kp_psi = (mask & OS_PRESSURE_PSI) != 0;
	stats.kp_cgroup_v1 = (mask & OS_PRESSURE_V1) != 0;
	stats.kp_cgroup_v2 = (mask & OS_PRESSURE_V2) != 0;
	while (!__atomic_load_n(&reaper_stop, __ATOMIC_ACQUIRE)) {
		mask = os_pressure_wait(pressure ? TICK_PRESSURE_MS : TICK_MS);
		if (__atomic_load_n(&reaper_stop, __ATOMIC_ACQUIRE))
			break;
		pressure = reaper_round(mask != 0);
		/* Events may come without end; callbacks need time to take effect. */
		if (mask != 0)
			spl_delay(MSEC2NSEC(TICK_PRESSURE_MS / 2));
	}
	os_pressure_close();
	return (NULL);
}

void
kmem_pressure_start(void)
{
	sigset_t all, old;

	kmem_init();
	mutex_enter(&reaper_lock);
	if (reaper_state == 0) {
		__atomic_store_n(&reaper_stop, 0, __ATOMIC_RELEASE);
		/* The program's signals are not for this thread. */
		(void)sigfillset(&all);
		(void)sigdelset(&all, SIGSEGV);
		(void)pthread_sigmask(SIG_SETMASK, &all, &old);
		const int error = pthread_create(&reaper_thread, NULL, reaper_main, NULL);
		(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
		if (error == 0)
			__atomic_store_n(&reaper_state, 1, __ATOMIC_RELEASE);
	}
	mutex_exit(&reaper_lock);
}

void
kmem_pressure_stop(void)
{
	mutex_enter(&reaper_lock);
	if (reaper_state == 1) {
		__atomic_store_n(&reaper_stop, 1, __ATOMIC_RELEASE);
		os_pressure_wake();
		(void)pthread_join(reaper_thread, NULL);
		__atomic_store_n(&reaper_state, 0, __ATOMIC_RELEASE);
	}
	mutex_exit(&reaper_lock);
}

void
kmem_reaper_kick(void)
{
	if (__atomic_load_n(&reaper_state, __ATOMIC_ACQUIRE) == 1)
		os_pressure_wake();
	else if (!kmem_root.kr_noreap && !mutex_owned(&reaper_lock))
		kmem_pressure_start();
}

/*
 * Growth is checked where it happens, as in a second between two rounds a fast
 * program can take all there is: every GROWTH_CHECK bytes the limits are read, and
 * if the reserve is touched the reaper is woken. When almost nothing is left, an
 * allocation that may wait waits for it, for a bounded time: the caller may hold a
 * lock that a reclaim function needs.
 */
static void
watch_growth(size_t mapped, bool may_wait)
{
	static uint64_t unchecked;
	os_memory_t om;

	if (atomic_add_64(&unchecked, mapped) < GROWTH_CHECK)
		return;
	atomic_store_64(&unchecked, 0);
	for (int i = 0; i < THROTTLE_ROUNDS; i++) {
		os_memory_read(&om);
		if (shortage_of(&om) == 0)
			return;
		os_pressure_wake();
		if (!may_wait || available_of(&om) > mapped + 2 * GROWTH_CHECK)
			return;
		spl_delay(MSEC2NSEC(10));
	}
}

void
kmem_reaper_note_growth(size_t mapped, bool may_wait)
{
	const uint64_t total = atomic_add_64(&heap_mapped, mapped);

	if (mutex_owned(&reap_lock))
		return;
	if (__atomic_load_n(&reaper_state, __ATOMIC_RELAXED) != 0)
		watch_growth(mapped, may_wait && nreclaimers > 0);
	else if (total >= REAPER_START_BYTES && !kmem_root.kr_noreap &&
	    !mutex_owned(&reaper_lock))
		kmem_pressure_start();
}

/* The child has no reaper thread; it gets one when it has grown itself. */
void
kmem_reaper_fork_child(void)
{
	static const kmutex_t fresh = MUTEX_INITIALIZER;

	memcpy(&reap_lock, &fresh, sizeof(fresh));
	memcpy(&reaper_lock, &fresh, sizeof(fresh));
	memcpy(&reclaimers_lock, &fresh, sizeof(fresh));
	reaper_state = 0;
	os_pressure_fork_child();
	atomic_store_64(&heap_mapped, 0);
}

void
kmem_pressure_stats(kmem_pressure_stat_t *kp)
{
	mutex_enter(&reap_lock);
	*kp = stats;
	mutex_exit(&reap_lock);
}
