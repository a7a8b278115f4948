/*
 * Magazines and the depot (Bonwick & Adams 2001, section 3).
 *
 * A magazine is a stack of free, constructed objects. Each CPU has two of each
 * cache: the one loaded and the previous one; since one of the two is always full
 * or empty at an exchange, at least a whole magazine's worth of operations happens
 * between visits to the depot. The depot keeps full and empty magazines of the
 * cache under one lock.
 *
 * Differences from the paper:
 *  - The CPU layer has no lock but restartable sequences (kmem_percpu.h). So an
 *    exchange of loaded and previous is two steps, between which other threads may
 *    act; every magazine taken out is owned by its taker, and whatever comes back
 *    in the way goes to the depot.
 *  - When the depot has no full magazine, an empty one is filled with a batch from
 *    the slab layer under one lock, instead of one object at a time.
 *
 * The depot's working set: for each of its lists the least length of an interval
 * (the reaper's clock) is what nobody needed; it is given back at the end of the
 * next interval if still not needed (kmem_depot_ws_update, kmem_depot_reap).
 *
 * Magazines grow with contention: if taking the depot's lock had to wait more than
 * a few times in an interval, the cache goes to the next magazine type. Magazines
 * of the old type drain as they come by.
 *
 * Magazines live in the metadata arena, which never unmaps: statistics may look at
 * a magazine of another CPU without a lock and see at worst an outdated number.
 *
 * Locks: freeze_lock (one operation on foreign CPUs at a time), then cc_lock
 * (only without rseq), kc_depot_lock; none is held when the slab layer is called.
 */
#include <linux/membarrier.h>
#include <stdio.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "spl/kmem_impl.h"
#include "spl/kmem_percpu.h"
#include "spl/bits.h"
#include "spl/debug.h"

#define SLOT_LOADED offsetof(kmem_cpu_t, cc_loaded)
#define SLOT_PREV offsetof(kmem_cpu_t, cc_prev)
#define CONTENTION_LIMIT 8 /* waits for the depot per interval */

/*
 * Magazine types: the memory of one, and the largest buffers that start with it.
 * Big buffers get short magazines, as each round keeps that much memory away.
 */
typedef struct magtype {
	uint32_t mt_bytes;
	uint32_t mt_rounds;
	size_t mt_minbuf;  /* caches of at least this buffer size start here */
	size_t mt_maxbuf;  /* do not grow beyond here from this size on */
	kmem_cache_t *mt_cache;
} magtype_t;
#define MT(bytes) (bytes), ((bytes)-sizeof(kmem_magazine_t)) / sizeof(void *)
static magtype_t magtypes[] = {
	{ MT(32), 32768, SIZE_MAX },
	{ MT(64), 8192, 65536 },
	{ MT(128), 2048, 16384 },
	{ MT(256), 512, 8192 },
	{ MT(512), 0, 4096 },
	{ MT(1024), 0, 2048 },
	{ MT(2048), 0, 512 },
};

kmem_magazine_t kmem_no_magazine;
static kmutex_t freeze_lock = MUTEX_INITIALIZER;

/* ---- the three operations, whichever way this system allows ---- */

static kmem_cpu_t *
cpu_lock(kmem_cache_t *cp)
{
	const int cpu = sched_getcpu();
	kmem_cpu_t *cc = &cp->kc_cpu_real[cpu < 0 ? 0 : (uint32_t)cpu % kmem_root.kr_ncpus];

	(void)pthread_mutex_lock(&cc->cc_lock);
	return (cc);
}

static void *
mag_pop(kmem_magazine_t *mp)
{
	if (MAG_ROUNDS(mp->mag_word) == 0)
		return (NULL);
	void *obj = mp->mag_round[MAG_ROUNDS(mp->mag_word) - 1];
	mp->mag_word += 0xffff;
	return (obj);
}

static bool
mag_push(kmem_magazine_t *mp, void *obj)
{
	if (MAG_ROUNDS(mp->mag_word) == mp->mag_size)
		return (false);
	mp->mag_round[MAG_ROUNDS(mp->mag_word)] = obj;
	mp->mag_word++;
	return (true);
}

static void *
cpu_pop(kmem_cache_t *cp)
{
	if (cp->kc_rseq_ok)
		return (percpu_pop(cp->kc_cpu_real));
	kmem_cpu_t *cc = cpu_lock(cp);
	void *obj = mag_pop(cc->cc_loaded);
	(void)pthread_mutex_unlock(&cc->cc_lock);
	return (obj);
}

static bool
cpu_push(kmem_cache_t *cp, void *obj)
{
	if (cp->kc_rseq_ok)
		return (percpu_push(cp->kc_cpu_real, obj));
	kmem_cpu_t *cc = cpu_lock(cp);
	const bool ok = mag_push(cc->cc_loaded, obj);
	(void)pthread_mutex_unlock(&cc->cc_lock);
	return (ok);
}

/* Put `fresh` in, own what was there (which may be kmem_no_magazine). */
static kmem_magazine_t *
cpu_exchange(kmem_cache_t *cp, size_t slot, kmem_magazine_t *fresh)
{
	kmem_magazine_t *old;

	if (!cp->kc_rseq_ok) {
		kmem_cpu_t *cc = cpu_lock(cp);
		kmem_magazine_t **mpp = (kmem_magazine_t **)(void *)((char *)cc + slot);
		old = *mpp;
		*mpp = fresh;
		(void)pthread_mutex_unlock(&cc->cc_lock);
		return (old);
	}
	while ((old = percpu_exchange(cp->kc_cpu_real, slot, fresh)) == NULL) {
		/* Frozen: wait until whoever did it has finished. */
		mutex_enter(&freeze_lock);
		mutex_exit(&freeze_lock);
	}
	return (old);
}

/* ---- the depot ---- */

static void
collect_pops(kmem_cache_t *cp, kmem_magazine_t *mp)
{
	(void)atomic_add_64(&cp->kc_pops, MAG_POPS(mp->mag_word));
	mp->mag_word &= 0xffff;
}

static void
depot_enter(kmem_cache_t *cp)
{
	if (!mutex_tryenter(&cp->kc_depot_lock)) {
		mutex_enter(&cp->kc_depot_lock);
		cp->kc_contention++;
	}
}

static kmem_magazine_t *
depot_get(kmem_cache_t *cp, kmem_maglist_t *ml)
{
	depot_enter(cp);
	kmem_magazine_t *mp = ml->ml_list;
	if (mp != NULL) {
		ml->ml_list = mp->mag_next;
		if (--ml->ml_total < ml->ml_min)
			ml->ml_min = ml->ml_total;
		ml->ml_alloc++;
	}
	mutex_exit(&cp->kc_depot_lock);
	return (mp);
}

static void
object_release(kmem_cache_t *cp, void *obj)
{
	if (cp->kc_destructor != NULL)
		cp->kc_destructor(obj, cp->kc_arg);
	kmem_slab_free(cp, obj);
}

/* Free the objects of a magazine and the magazine. Not under any lock. */
static void
mag_destroy(kmem_cache_t *cp, kmem_magazine_t *mp)
{
	void *obj;

	collect_pops(cp, mp);
	while ((obj = mag_pop(mp)) != NULL)
		object_release(cp, obj);
	kmem_slab_free(magtypes[mp->mag_type].mt_cache, mp);
}

static void
depot_put(kmem_cache_t *cp, kmem_magazine_t *mp)
{
	if (mp == &kmem_no_magazine)
		return;
	if (mp->mag_type != cp->kc_magtype) {
		mag_destroy(cp, mp);
		return;
	}
	collect_pops(cp, mp);
	kmem_maglist_t *ml =
	    MAG_ROUNDS(mp->mag_word) == 0 ? &cp->kc_emptymags : &cp->kc_fullmags;
	depot_enter(cp);
	mp->mag_next = ml->ml_list;
	ml->ml_list = mp;
	ml->ml_total++;
	mutex_exit(&cp->kc_depot_lock);
}

static kmem_magazine_t *
mag_create(kmem_cache_t *cp)
{
	const uint32_t type = __atomic_load_n(&cp->kc_magtype, __ATOMIC_RELAXED);
	void *p;

	if (kmem_slab_alloc(magtypes[type].mt_cache, &p, 1, KM_NOSLEEP) == 0)
		return (NULL);
	kmem_magazine_t *mp = p;
	mp->mag_next = NULL;
	mp->mag_word = 0;
	mp->mag_size = magtypes[type].mt_rounds;
	mp->mag_type = type;
	return (mp);
}

/* ---- the slow paths ---- */

/* Load mp; the one it replaces becomes the previous one. */
static void
cpu_reload(kmem_cache_t *cp, kmem_magazine_t *mp)
{
	kmem_magazine_t *old = cpu_exchange(cp, SLOT_LOADED, mp);

	depot_put(cp, cpu_exchange(cp, SLOT_PREV, old));
}

/*
 * Raw buffers from the slab layer into an empty magazine, constructed. A quarter
 * of it, so that a cache used little does not hoard.
 */
static bool
mag_fill(kmem_cache_t *cp, kmem_magazine_t *mp, int kmflags)
{
	void *bufs[64];
	size_t want = MAX(mp->mag_size / 4, 1);

	if (want > ARRAY_SIZE(bufs))
		want = ARRAY_SIZE(bufs);
	if (cp->kc_chunksize >= KMEM_PAGE)
		want = 1;
	size_t got = kmem_slab_alloc(cp, bufs, want, kmflags);
	/* Downwards, so that the lowest address comes out first. */
	while (got-- > 0) {
		if (cp->kc_constructor != NULL &&
		    cp->kc_constructor(bufs[got], cp->kc_arg, kmflags) != 0) {
			kmem_slab_free(cp, bufs[got]);
			continue;
		}
		(void)mag_push(mp, bufs[got]);
	}
	return (MAG_ROUNDS(mp->mag_word) > 0);
}

/* An object although this CPU has none; NULL: no memory, or the constructor failed. */
void *
kmem_magazine_alloc_slow(kmem_cache_t *cp, int kmflags)
{
	void *obj;

	kmem_reaper_poll();
	if (kmem_sample_due(cp) && (obj = kmem_sample_alloc(cp)) != NULL)
		return (obj);
	for (;;) {
		/* The slot may have been filled meanwhile, or this is another CPU now. */
		if ((obj = cpu_pop(cp)) != NULL)
			return (obj);
		kmem_magazine_t *prev = cpu_exchange(cp, SLOT_PREV, &kmem_no_magazine);
		if (MAG_ROUNDS(prev->mag_word) > 0) {
			cpu_reload(cp, prev);
			continue;
		}
		kmem_magazine_t *full = depot_get(cp, &cp->kc_fullmags);
		if (full != NULL) {
			depot_put(cp, prev);
			cpu_reload(cp, full);
			continue;
		}
		if (prev == &kmem_no_magazine && (prev = mag_create(cp)) == NULL)
			break;
		collect_pops(cp, prev);
		if (!mag_fill(cp, prev, kmflags)) {
			depot_put(cp, prev);
			return (NULL);
		}
		/* Take ours first: others may empty the magazine at once. */
		obj = mag_pop(prev);
		cpu_reload(cp, prev);
		return (obj);
	}
	/* Not even a magazine: straight from the slab. */
	if (kmem_slab_alloc(cp, &obj, 1, kmflags) == 0)
		return (NULL);
	if (cp->kc_constructor != NULL && cp->kc_constructor(obj, cp->kc_arg, kmflags) != 0) {
		kmem_slab_free(cp, obj);
		return (NULL);
	}
	(void)atomic_inc_64(&cp->kc_direct);
	return (obj);
}

void
kmem_magazine_free_slow(kmem_cache_t *cp, void *obj)
{
	kmem_reaper_poll();
	for (;;) {
		if (cpu_push(cp, obj))
			return;
		kmem_magazine_t *prev = cpu_exchange(cp, SLOT_PREV, &kmem_no_magazine);
		if (prev != &kmem_no_magazine && MAG_ROUNDS(prev->mag_word) < prev->mag_size) {
			cpu_reload(cp, prev);
			continue;
		}
		depot_put(cp, prev);
		kmem_magazine_t *empty = depot_get(cp, &cp->kc_emptymags);
		if (empty == NULL && (empty = mag_create(cp)) == NULL)
			break;
		cpu_reload(cp, empty);
	}
	object_release(cp, obj);
}

/* ---- work on all CPUs ---- */

/* Abort the sequences that run now anywhere; those that begin later see our stores. */
static void
percpu_barrier(void)
{
	VERIFY0(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, 0, 0));
}

static void
cpus_set_frozen(kmem_cache_t *cp, uint32_t frozen)
{
	for (uint32_t i = 0; i < kmem_root.kr_ncpus; i++)
		__atomic_store_n(&cp->kc_cpu_real[i].cc_frozen, frozen, __ATOMIC_RELEASE);
}

static void
cpus_take_locked(kmem_cache_t *cp, kmem_magazine_t **taken)
{
	for (uint32_t i = 0; i < kmem_root.kr_ncpus; i++) {
		kmem_cpu_t *cc = &cp->kc_cpu_real[i];
		(void)pthread_mutex_lock(&cc->cc_lock);
		taken[2 * i] = cc->cc_loaded;
		taken[2 * i + 1] = cc->cc_prev;
		cc->cc_loaded = cc->cc_prev = &kmem_no_magazine;
		(void)pthread_mutex_unlock(&cc->cc_lock);
	}
}

/* With exchanges kept out (frozen) and a barrier before and after by the caller. */
static void
cpus_take_frozen(kmem_cache_t *cp, kmem_magazine_t **taken)
{
	for (uint32_t i = 0; i < kmem_root.kr_ncpus; i++) {
		kmem_cpu_t *cc = &cp->kc_cpu_real[i];
		taken[2 * i] = cc->cc_loaded;
		taken[2 * i + 1] = cc->cc_prev;
		__atomic_store_n(&cc->cc_loaded, &kmem_no_magazine, __ATOMIC_RELEASE);
		__atomic_store_n(&cc->cc_prev, &kmem_no_magazine, __ATOMIC_RELEASE);
	}
}

static void
depot_drain(kmem_cache_t *cp, kmem_maglist_t *ml, uint64_t n)
{
	while (n-- > 0) {
		mutex_enter(&cp->kc_depot_lock);
		kmem_magazine_t *mp = ml->ml_list;
		if (mp != NULL) {
			ml->ml_list = mp->mag_next;
			if (--ml->ml_total < ml->ml_min)
				ml->ml_min = ml->ml_total;
		}
		mutex_exit(&cp->kc_depot_lock);
		if (mp == NULL)
			return;
		mag_destroy(cp, mp);
	}
}

void
kmem_magazine_purge(kmem_cache_t *cp)
{
	const uint32_t n = 2 * kmem_root.kr_ncpus;
	kmem_magazine_t **taken = kmem_meta_alloc(n * sizeof(*taken));

	if (taken == NULL || cp->kc_cflags & (KMC_NOMAGAZINE | KMC_INTERNAL))
		goto out;
	mutex_enter(&freeze_lock);
	if (!cp->kc_rseq_ok) {
		cpus_take_locked(cp, taken);
	} else {
		cpus_set_frozen(cp, 1);
		percpu_barrier();
		cpus_take_frozen(cp, taken);
		percpu_barrier();
		cpus_set_frozen(cp, 0);
	}
	mutex_exit(&freeze_lock);
	for (uint32_t i = 0; i < n; i++) {
		if (taken[i] != NULL && taken[i] != &kmem_no_magazine)
			mag_destroy(cp, taken[i]);
	}
	depot_drain(cp, &cp->kc_fullmags, UINT64_MAX);
	depot_drain(cp, &cp->kc_emptymags, UINT64_MAX);
out:
	if (taken != NULL)
		kmem_meta_free(taken, n * sizeof(*taken));
}

void
kmem_depot_ws_update(kmem_cache_t *cp)
{
	kmem_maglist_t *lists[] = { &cp->kc_fullmags, &cp->kc_emptymags };

	mutex_enter(&cp->kc_depot_lock);
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		lists[i]->ml_reaplimit = lists[i]->ml_min;
		lists[i]->ml_min = lists[i]->ml_total;
	}
	mutex_exit(&cp->kc_depot_lock);
}

void
kmem_depot_reap(kmem_cache_t *cp)
{
	depot_drain(cp, &cp->kc_fullmags,
	    MIN(cp->kc_fullmags.ml_reaplimit, cp->kc_fullmags.ml_min));
	depot_drain(cp, &cp->kc_emptymags,
	    MIN(cp->kc_emptymags.ml_reaplimit, cp->kc_emptymags.ml_min));
}

/* Once per interval: larger magazines if the depot's lock was fought over. */
void
kmem_magazine_resize(kmem_cache_t *cp)
{
	mutex_enter(&cp->kc_depot_lock);
	const uint64_t waits = cp->kc_contention - cp->kc_contention_prev;
	cp->kc_contention_prev = cp->kc_contention;
	if (waits > CONTENTION_LIMIT && cp->kc_magtype + 1 < ARRAY_SIZE(magtypes) &&
	    cp->kc_bufsize < magtypes[cp->kc_magtype + 1].mt_maxbuf)
		__atomic_store_n(&cp->kc_magtype, cp->kc_magtype + 1, __ATOMIC_RELAXED);
	mutex_exit(&cp->kc_depot_lock);
}

/* Objects in magazines, and (pops) allocations not yet collected from them. */
uint64_t
kmem_magazine_rounds(kmem_cache_t *cp, uint64_t *pops)
{
	uint64_t rounds = 0;

	*pops = 0;
	if (cp->kc_cpu_real == NULL)
		return (0);
	for (uint32_t i = 0; i < 2 * kmem_root.kr_ncpus; i++) {
		kmem_cpu_t *cc = &cp->kc_cpu_real[i / 2];
		const kmem_magazine_t *mp = __atomic_load_n(
		    i % 2 == 0 ? &cc->cc_loaded : &cc->cc_prev, __ATOMIC_ACQUIRE);
		const uint64_t word = __atomic_load_n(&mp->mag_word, __ATOMIC_RELAXED);
		rounds += MAG_ROUNDS(word);
		*pops += MAG_POPS(word);
	}
	mutex_enter(&cp->kc_depot_lock);
	for (kmem_magazine_t *mp = cp->kc_fullmags.ml_list; mp != NULL; mp = mp->mag_next)
		rounds += MAG_ROUNDS(mp->mag_word);
	mutex_exit(&cp->kc_depot_lock);
	return (rounds);
}

/*
 * Around fork(). The child gets its memory page by page while other threads of the
 * parent run on; a magazine being moved at that moment could be seen in two places.
 * So all CPUs of all caches are frozen and emptied of magazines first: every fast
 * path fails, and slow paths wait at freeze_lock. Afterwards they are put back.
 */
static kmem_magazine_t **fork_taken;
static size_t fork_taken_size;

void
kmem_magazine_fork_prepare(void)
{
	const uint32_t n = 2 * kmem_root.kr_ncpus;
	size_t caches = 0;

	mutex_enter(&freeze_lock);
	for (kmem_cache_t *cp = kmem_root.kr_caches; cp != NULL; cp = cp->kc_next)
		caches++;
	fork_taken_size = (caches + 1) * n * sizeof(*fork_taken);
	fork_taken = kmem_meta_alloc(fork_taken_size);
	if (kmem_root.kr_rseq && fork_taken != NULL) {
		for (kmem_cache_t *cp = kmem_root.kr_caches; cp != NULL; cp = cp->kc_next) {
			if (cp->kc_rseq_ok)
				cpus_set_frozen(cp, 1);
		}
		percpu_barrier();
		size_t i = 0;
		for (kmem_cache_t *cp = kmem_root.kr_caches; cp != NULL; cp = cp->kc_next) {
			if (cp->kc_rseq_ok)
				cpus_take_frozen(cp, &fork_taken[n * i++]);
		}
		percpu_barrier();
	}
	for (kmem_cache_t *cp = kmem_root.kr_caches; cp != NULL; cp = cp->kc_next) {
		for (uint32_t i = 0; cp->kc_cpu_real != NULL && !cp->kc_rseq_ok &&
		    i < kmem_root.kr_ncpus; i++)
			(void)pthread_mutex_lock(&cp->kc_cpu_real[i].cc_lock);
		mutex_enter(&cp->kc_depot_lock);
	}
}

void
kmem_magazine_fork_done(bool child)
{
	const uint32_t n = 2 * kmem_root.kr_ncpus;
	size_t i = 0;

	if (child && kmem_root.kr_rseq)
		(void)syscall(SYS_membarrier,
		    MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ, 0, 0);
	for (kmem_cache_t *cp = kmem_root.kr_caches; cp != NULL; cp = cp->kc_next) {
		mutex_exit(&cp->kc_depot_lock);
		for (uint32_t j = 0; cp->kc_cpu_real != NULL && !cp->kc_rseq_ok &&
		    j < kmem_root.kr_ncpus; j++)
			(void)pthread_mutex_unlock(&cp->kc_cpu_real[j].cc_lock);
		if (!cp->kc_rseq_ok || fork_taken == NULL)
			continue;
		for (uint32_t j = 0; j < kmem_root.kr_ncpus; j++) {
			kmem_cpu_t *cc = &cp->kc_cpu_real[j];
			__atomic_store_n(
			    &cc->cc_prev, fork_taken[n * i + 2 * j + 1], __ATOMIC_RELEASE);
			__atomic_store_n(
			    &cc->cc_loaded, fork_taken[n * i + 2 * j], __ATOMIC_RELEASE);
		}
		cpus_set_frozen(cp, 0);
		i++;
	}
	mutex_exit(&freeze_lock);
}

/* Free the scratch of fork; apart, as the arenas are still locked above. */
void
kmem_magazine_fork_free(void)
{
	if (fork_taken != NULL)
		kmem_meta_free(fork_taken, fork_taken_size);
	fork_taken = NULL;
}

/* ---- start ---- */

static bool
rseq_usable(void)
{
#ifdef KMEM_HAVE_RSEQ
	const char *no = getenv("TARN_KMEM_NORSEQ");

	if (no != NULL || __rseq_size == 0)
		return (false);
	return (syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ, 0,
	    0) == 0 && syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, 0,
	    0) == 0);
#else
	return (false);
#endif
}

void
kmem_magazine_init(void)
{
	kmem_root.kr_rseq = rseq_usable();
	for (size_t i = 0; i < ARRAY_SIZE(magtypes); i++) {
		char name[KMEM_NAMELEN];
		(void)snprintf(name, sizeof(name), "kmem_magazine_%u", magtypes[i].mt_rounds);
		magtypes[i].mt_cache = kmem_cache_create_impl(name, magtypes[i].mt_bytes, 8,
		    NULL, NULL, NULL, NULL, kmem_metapage_arena, KMC_INTERNAL);
	}
}

static kmem_cpu_t *cpus_nowhere; /* for all caches whose fast path must fail */

/* An array of slots without magazines. */
static kmem_cpu_t *
cpus_create(void)
{
	kmem_cpu_t *cpus = kmem_meta_alloc(kmem_root.kr_ncpus * sizeof(*cpus));

	for (uint32_t i = 0; cpus != NULL && i < kmem_root.kr_ncpus; i++) {
		cpus[i].cc_loaded = cpus[i].cc_prev = &kmem_no_magazine;
		cpus[i].cc_frozen = 0;
		(void)pthread_mutex_init(&cpus[i].cc_lock, NULL);
	}
	return (cpus);
}

/*
 * Every cache gets slots for the fast path, at first all empty: that alone sends
 * allocations of caches without magazines to the slow path.
 */
void
kmem_magazine_enable(kmem_cache_t *cp)
{
	uint32_t type = 0;

	mutex_init(&cp->kc_depot_lock);
	if (cpus_nowhere == NULL)
		cpus_nowhere = cpus_create();
	cp->kc_cpu = cpus_nowhere;
	if (cp->kc_cflags & (KMC_NOMAGAZINE | KMC_INTERNAL) || kmem_root.kr_delegate ||
	    cp->kc_flags & (KMF_CHECKED | KMF_MTBF | KMF_FIREWALL)) {
		cp->kc_cflags |= KMC_NOMAGAZINE;
		return;
	}
	while (cp->kc_bufsize < magtypes[type].mt_minbuf)
		type++;
	cp->kc_magtype = type;
	cp->kc_cpu_real = cpus_create();
	if (cp->kc_cpu_real == NULL)
		panic("kmem: no memory for the CPUs of cache %s", cp->kc_name);
	cp->kc_rseq_ok = kmem_root.kr_rseq;
	kmem_magazine_fast(cp, !(cp->kc_flags & KMF_LOG));
}

/* Let the fast path see the magazines or not; they are in use either way. */
void
kmem_magazine_fast(kmem_cache_t *cp, bool on)
{
	if (!cp->kc_rseq_ok)
		return;
	__atomic_store_n(
	    &cp->kc_cpu, on ? cp->kc_cpu_real : cpus_nowhere, __ATOMIC_RELEASE);
	__atomic_store_n(&kmem_cpu_by_index[cp->kc_index], cp->kc_cpu, __ATOMIC_RELEASE);
}

uint32_t
kmem_magtype_rounds(uint32_t type)
{
	return (magtypes[type].mt_rounds);
}
