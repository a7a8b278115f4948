/*
 * The ARC.
 *
 * The problem. A least-recently-used list is ruined by one long scan, and a
 * least-frequently-used one never forgets. Which of the two suits a workload changes by
 * the minute.
 *
 * The idea (Megiddo & Modha 2003). Two lists: blocks seen once lately (MRU) and blocks
 * seen more often (MFU), sharing `c` bytes, of which the MRU should have `p`. Each list
 * has a ghost: headers of blocks evicted from it, without data. A hit on a ghost says
 * "this list was too short", and moves p. So the split learns from its mistakes; a scan
 * only turns over the MRU.
 *
 * A block is known by where it lies and when it was written: (pool, DVA 0, physical
 * birth). Copy on write never puts different content there, so there is no
 * invalidation, only forgetting. File data is kept as on disk, so that the cache holds
 * more of it, and is decompressed for each reader; metadata is kept decompressed in
 * host order and shared.
 *
 * Life of a header: absent → reading (waiters queue up, one I/O) → MRU → MFU …
 * → ghost → gone. Waiters of one read all get the same result.
 *
 * Locks: a bucket lock covers the headers of its buckets (all fields); list locks cover
 * the links and sizes of the four lists. Order: bucket, then list; eviction goes the
 * other way and therefore only tries the bucket. read_lock, innermost, counts reads
 * under way. No lock is held during I/O, decompression or callbacks. What may fail:
 * reads (the error goes to every waiter, nothing is cached).
 */
#include "arc/arc.h"

#include "codec/compress.h"
#include "arc/arc_impl.h"

#define ARC_LOCKS 256
#define ARC_PROMOTE_NS MSEC2NSEC(62) /* a second use sooner than this is the same use  \
				      */
#define ARC_READ_COUNTS 16

typedef enum arc_state {
	ARC_NONE,
	ARC_MRU,
	ARC_MFU,
	ARC_MRU_GHOST,
	ARC_MFU_GHOST,
	ARC_STATES
} arc_state_t;

typedef struct arc_waiter {
	struct arc_waiter *aw_next;
	arc_read_done_func_t *aw_done;
	void *aw_private;
	blkptr_t aw_bp;
	zio_t *aw_zio; /* keeps a parent waiting; started when the data is there */
	bool aw_prefetch;
} arc_waiter_t;

typedef struct arc_key {
	uint64_t ak_pool, ak_dva[2], ak_birth;
} arc_key_t;

typedef struct arc_hdr {
	arc_key_t h_key;
	struct arc_hdr *h_next; /* hash chain */
	void *h_data;		/* h_size bytes of zio_buf_alloc */
	uint64_t h_size;
	uint64_t h_refs; /* buffers that share h_data, and readers decompressing it */
	arc_waiter_t *h_waiters;
	hrtime_t h_access;
	list_node_t h_link;
	uint8_t h_state;
	bool h_reading, h_compressed, h_prefetched, h_nocache;
	bool h_unhashed; /* forgotten: goes with its last reference */
	bool h_was_ghost;
} arc_hdr_t;

typedef struct arc_buf_impl {
	arc_buf_t ab_buf;
	uint64_t ab_refs;
	bool ab_own; /* b_data is this buffer's own */
} arc_buf_impl_t;

typedef struct arc_list {
	kmutex_t al_lock;
	list_t al_list;
	uint64_t al_size;
} arc_list_t;

static struct {
	bool ready;
	arc_hdr_t **hash;
	uint64_t nbuckets;
	kmutex_t locks[ARC_LOCKS];
	arc_list_t lists[ARC_STATES];
	kmem_cache_t *hdr_cache, *buf_cache;
	/* atomics */
	uint64_t size, c, c_max, c_min, p, hits, misses, ghost_hits, evicted;
	kmutex_t evict_lock;
	kcondvar_t evict_cv;
	bool evict_exit, evict_wanted;
	kthread_t *evict_thread;
	/* reads under way, by pool (several may share a count): export waits for them
	 */
	kmutex_t read_lock;
	kcondvar_t read_cv;
	uint64_t reads[ARC_READ_COUNTS];
} arc;

/* ---- keys, buckets, lists ------------------------------------------------ */

static void
arc_key(spa_t *spa, const blkptr_t *bp, arc_key_t *key)
{
	key->ak_pool = spa->spa_load_guid;
	key->ak_dva[0] = bp->blk_dva[0].dva_word[0];
	key->ak_dva[1] = bp->blk_dva[0].dva_word[1];
	key->ak_birth = BP_GET_PHYSICAL_BIRTH(bp);
}

static uint64_t
arc_hash(const arc_key_t *key)
{
	uint64_t h = key->ak_dva[1] * 0x9e3779b97f4a7c15ULL;

	h ^= (key->ak_dva[0] + key->ak_birth * 0xff51afd7ed558ccdULL);
	h ^= key->ak_pool;
	h *= 0xc4ceb9fe1a85ec53ULL;
	return (h ^ (h >> 32));
}

static kmutex_t *
arc_lock_of(const arc_key_t *key)
{
	return (&arc.locks[arc_hash(key) & (ARC_LOCKS - 1)]);
}

static arc_hdr_t **
arc_bucket(const arc_key_t *key)
{
	return (&arc.hash[arc_hash(key) & (arc.nbuckets - 1)]);
}

static arc_hdr_t *
arc_find(const arc_key_t *key)
{
	arc_hdr_t *h;

	for (h = *arc_bucket(key); h != NULL; h = h->h_next) {
		if (memcmp(&h->h_key, key, sizeof(*key)) == 0)
			break;
	}
	return (h);
}

static void
arc_unhash(arc_hdr_t *h)
{
	arc_hdr_t **hp = arc_bucket(&h->h_key);

	while (*hp != h)
		hp = &(*hp)->h_next;
	*hp = h->h_next;
	h->h_unhashed = true;
}

static void
arc_set_state(arc_hdr_t *h, arc_state_t state)
{
	arc_list_t *al;

	if (h->h_state != ARC_NONE) {
		al = &arc.lists[h->h_state];
		mutex_enter(&al->al_lock);
		list_remove(&al->al_list, h);
		(void)__atomic_sub_fetch(&al->al_size, h->h_size, __ATOMIC_RELAXED);
		mutex_exit(&al->al_lock);
	}
	h->h_state = (uint8_t)state;
	if (state != ARC_NONE) {
		al = &arc.lists[state];
		mutex_enter(&al->al_lock);
		list_insert_head(&al->al_list, h);
		(void)__atomic_add_fetch(&al->al_size, h->h_size, __ATOMIC_RELAXED);
		mutex_exit(&al->al_lock);
	}
}

static uint64_t
arc_list_size(arc_state_t state)
{
	return (atomic_load_64(&arc.lists[state].al_size));
}

static void
arc_free_data(arc_hdr_t *h)
{
	if (h->h_data == NULL)
		return;
	zio_buf_free(h->h_data, h->h_size);
	h->h_data = NULL;
	(void)__atomic_sub_fetch(&arc.size, h->h_size, __ATOMIC_RELAXED);
}

/* Unhashed and without references. */
static void
arc_hdr_free(arc_hdr_t *h)
{
	ASSERT(h->h_unhashed && h->h_refs == 0 && h->h_waiters == NULL);
	arc_set_state(h, ARC_NONE);
	arc_free_data(h);
	kmem_cache_free(arc.hdr_cache, h);
}

static arc_hdr_t *
arc_hdr_create(const arc_key_t *key)
{
	arc_hdr_t *h = kmem_cache_alloc(arc.hdr_cache, KM_SLEEP);

	memset(h, 0, sizeof(*h));
	h->h_key = *key;
	h->h_next = *arc_bucket(key);
	*arc_bucket(key) = h;
	return (h);
}

/* Drop a reference; frees a header that was forgotten or should not be kept. */
static void
arc_hdr_rele(arc_hdr_t *h)
{
	kmutex_t *lock = arc_lock_of(&h->h_key);

	mutex_enter(lock);
	ASSERT3U(h->h_refs, >, 0);
	if (--h->h_refs == 0) {
		if (h->h_nocache && !h->h_unhashed)
			arc_unhash(h);
		if (h->h_unhashed)
			arc_hdr_free(h);
	}
	mutex_exit(lock);
}

/* ---- adaptation ---------------------------------------------------------- */

static void
arc_adapt(arc_hdr_t *h)
{
	const uint64_t c = atomic_load_64(&arc.c);
	const uint64_t mru = arc_list_size(ARC_MRU_GHOST) | 1;
	const uint64_t mfu = arc_list_size(ARC_MFU_GHOST) | 1;
	uint64_t p = atomic_load_64(&arc.p);

	/* A lost update of p by a race is harmless: it is a guess. */
	if (h->h_state == ARC_MRU_GHOST) {
		p = MIN(c, p + h->h_size * MIN(10, MAX(1, mfu / mru)));
	} else {
		const uint64_t delta = h->h_size * MIN(10, MAX(1, mru / mfu));
		p = p > delta ? p - delta : 0;
	}
	atomic_store_64(&arc.p, p);
	atomic_inc_64(&arc.ghost_hits);
}

static void
arc_access(arc_hdr_t *h, bool prefetch)
{
	const hrtime_t now = gethrtime();

	if (prefetch)
		return;
	if (h->h_prefetched) {
		/* The first use of what was read ahead is the first use. */
		h->h_prefetched = false;
		h->h_access = now;
		return;
	}
	if (now - h->h_access > ARC_PROMOTE_NS) {
		h->h_access = now;
		arc_set_state(h, ARC_MFU);
	}
}

/* ---- eviction ------------------------------------------------------------ */

/*
 * One header from the cold end of a list: data away, header to the ghost (or gone, from
 * a ghost). Returns false if nothing could be found among the first few.
 */
static bool
arc_evict_one(arc_state_t state)
{
	arc_list_t *al = &arc.lists[state];
	arc_hdr_t *h;
	kmutex_t *lock = NULL;

	mutex_enter(&al->al_lock);
	for (int tries = 0; tries < 64; tries++) {
		h = list_tail(&al->al_list);
		if (h == NULL)
			break;
		lock = arc_lock_of(&h->h_key);
		if (mutex_tryenter(lock)) {
			if (h->h_refs == 0 && !h->h_reading)
				break;
			mutex_exit(lock);
		}
		lock = NULL;
		list_remove(&al->al_list, h);
		list_insert_head(&al->al_list, h);
	}
	mutex_exit(&al->al_lock);
	if (lock == NULL)
		return (false);
	if (state == ARC_MRU || state == ARC_MFU) {
		atomic_add_64(&arc.evicted, h->h_size);
		arc_free_data(h);
		arc_set_state(h, state == ARC_MRU ? ARC_MRU_GHOST : ARC_MFU_GHOST);
	} else {
		arc_unhash(h);
		arc_hdr_free(h);
	}
	mutex_exit(lock);
	return (true);
}

/* Evict until at most `target` bytes of data are cached. */
static void
arc_evict_to(uint64_t target)
{
	while (atomic_load_64(&arc.size) > target) {
		const arc_state_t first =
		    arc_list_size(ARC_MRU) > atomic_load_64(&arc.p) ? ARC_MRU : ARC_MFU;
		if (!arc_evict_one(first) &&
		    !arc_evict_one(first == ARC_MRU ? ARC_MFU : ARC_MRU))
			break;
	}
	/* Ghosts remember as much as the cache holds; each is only a header. */
	for (;;) {
		const uint64_t mru = arc_list_size(ARC_MRU_GHOST);
		const uint64_t mfu = arc_list_size(ARC_MFU_GHOST);
		if (mru + mfu <= atomic_load_64(&arc.c) ||
		    !arc_evict_one(mru > mfu ? ARC_MRU_GHOST : ARC_MFU_GHOST))
			break;
	}
}

static void
arc_evict_thread(void *arg)
{
	(void)arg;
	mutex_enter(&arc.evict_lock);
	while (!arc.evict_exit) {
		if (!arc.evict_wanted) {
			(void)cv_reltimedwait(&arc.evict_cv, &arc.evict_lock, NANOSEC);
		}
		arc.evict_wanted = false;
		mutex_exit(&arc.evict_lock);
		/* Feel for memory that others need; grow back when it is plenty. */
		const uint64_t want =
		    arc_memory_target(atomic_load_64(&arc.c), arc.c_min, arc.c_max);
		atomic_store_64(&arc.c, want);
		if (atomic_load_64(&arc.p) > want)
			atomic_store_64(&arc.p, want / 2);
		arc_evict_to(want - want / 32);
		mutex_enter(&arc.evict_lock);
	}
	mutex_exit(&arc.evict_lock);
}

/* Room is needed: wake the thread; help it when it does not keep up. */
static void
arc_made_larger(void)
{
	const uint64_t size = atomic_load_64(&arc.size), c = atomic_load_64(&arc.c);

	if (size <= c)
		return;
	if (size > c + c / 16) {
		arc_evict_to(c);
		return;
	}
	mutex_enter(&arc.evict_lock);
	if (!arc.evict_wanted) {
		arc.evict_wanted = true;
		cv_signal(&arc.evict_cv);
	}
	mutex_exit(&arc.evict_lock);
}

/* ---- buffers ------------------------------------------------------------- */

static arc_buf_t *
arc_buf_create(void *data, uint64_t size, arc_hdr_t *h, bool own)
{
	arc_buf_impl_t *ab = kmem_cache_alloc(arc.buf_cache, KM_SLEEP);

	ab->ab_buf.b_data = data;
	ab->ab_buf.b_size = size;
	ab->ab_buf.b_hdr = h;
	ab->ab_refs = 1;
	ab->ab_own = own;
	return (&ab->ab_buf);
}

static bool
arc_keep_compressed(const blkptr_t *bp)
{
	return (!BP_IS_METADATA(bp) && BP_GET_COMPRESS(bp) != ZIO_COMPRESS_OFF);
}

static void
arc_to_host_order(const blkptr_t *bp, void *data, uint64_t size)
{
	if (!BP_SHOULD_BYTESWAP(bp))
		return;
	ondisk_byteswap_block(
	    BP_GET_LEVEL(bp) > 0 ? DMU_BSWAP_UINT64 : DMU_OT_BYTESWAP(BP_GET_TYPE(bp)),
	    data, size);
}

/*
 * A buffer of a header whose data is there; the caller's reference goes into it (or is
 * dropped).
 */
static int
arc_buf_from_hdr(arc_hdr_t *h, const blkptr_t *bp, arc_buf_t **bufp)
{
	const uint64_t lsize = BP_GET_LSIZE(bp);

	if (!h->h_compressed) {
		if (h->h_size != lsize) {
			arc_hdr_rele(h);
			return (ECKSUM);
		}
		*bufp = arc_buf_create(h->h_data, lsize, h, false);
		return (0);
	}
	void *data = zio_buf_alloc(lsize);
	const int error = zio_decompress_data(
	    BP_GET_COMPRESS(bp), h->h_data, data, h->h_size, lsize, NULL);
	arc_hdr_rele(h);
	if (error != 0) {
		zio_buf_free(data, lsize);
		return (error);
	}
	arc_to_host_order(bp, data, lsize);
	*bufp = arc_buf_create(data, lsize, NULL, true);
	return (0);
}

void
arc_buf_hold(arc_buf_t *buf)
{
	arc_buf_impl_t *ab = container_of(buf, arc_buf_impl_t, ab_buf);

	(void)__atomic_add_fetch(&ab->ab_refs, 1, __ATOMIC_RELAXED);
}

void
arc_buf_rele(arc_buf_t *buf)
{
	arc_buf_impl_t *ab = container_of(buf, arc_buf_impl_t, ab_buf);

	if (__atomic_sub_fetch(&ab->ab_refs, 1, __ATOMIC_ACQ_REL) != 0)
		return;
	if (ab->ab_own)
		zio_buf_free(buf->b_data, buf->b_size);
	else
		arc_hdr_rele(buf->b_hdr);
	kmem_cache_free(arc.buf_cache, ab);
}

void *
arc_buf_steal(arc_buf_t *buf)
{
	arc_buf_impl_t *ab = container_of(buf, arc_buf_impl_t, ab_buf);
	void *data = buf->b_data;

	if (!ab->ab_own || __atomic_load_n(&ab->ab_refs, __ATOMIC_ACQUIRE) != 1)
		return (NULL);
	kmem_cache_free(arc.buf_cache, ab);
	return (data);
}

/* ---- reading ------------------------------------------------------------- */

static void
arc_reads_add(uint64_t pool, int n)
{
	uint64_t *count = &arc.reads[pool % ARC_READ_COUNTS];

	mutex_enter(&arc.read_lock);
	*count += (uint64_t)(int64_t)n;
	if (*count == 0)
		cv_broadcast(&arc.read_cv);
	mutex_exit(&arc.read_lock);
}

static void
arc_reads_wait(uint64_t pool)
{
	mutex_enter(&arc.read_lock);
	while (arc.reads[pool % ARC_READ_COUNTS] != 0)
		cv_wait(&arc.read_cv, &arc.read_lock);
	mutex_exit(&arc.read_lock);
}

static void
arc_deliver(arc_hdr_t *h, arc_waiter_t *aw, int error)
{
	arc_buf_t *buf = NULL;

	if (aw->aw_done == NULL) {
		if (error == 0)
			arc_hdr_rele(h);
	} else {
		if (error == 0)
			error = arc_buf_from_hdr(h, &aw->aw_bp, &buf);
		aw->aw_done(aw->aw_private, &aw->aw_bp, buf, error);
	}
	if (aw->aw_zio != NULL)
		zio_nowait(aw->aw_zio);
	kmem_free(aw, sizeof(*aw));
}

static void
arc_read_done(zio_t *zio)
{
	arc_hdr_t *h = zio->io_private;
	kmutex_t *lock = arc_lock_of(&h->h_key);
	const uint64_t pool = h->h_key.ak_pool;
	const int error = zio->io_error;
	arc_waiter_t *waiters, *aw;

	if (error == 0 && !h->h_compressed)
		arc_to_host_order(&zio->io_bp_copy, h->h_data, h->h_size);
	mutex_enter(lock);
	h->h_reading = false;
	waiters = h->h_waiters;
	h->h_waiters = NULL;
	h->h_prefetched = true;
	for (aw = waiters; aw != NULL; aw = aw->aw_next) {
		if (!aw->aw_prefetch)
			h->h_prefetched = false;
		if (error == 0)
			h->h_refs++;
	}
	if (error != 0) {
		if (!h->h_unhashed)
			arc_unhash(h);
		arc_hdr_free(h);
		h = NULL;
	} else if (!h->h_unhashed) {
		h->h_access = gethrtime();
		arc_set_state(h, h->h_was_ghost ? ARC_MFU : ARC_MRU);
	}
	mutex_exit(lock);
	while ((aw = waiters) != NULL) {
		waiters = aw->aw_next;
		arc_deliver(h, aw, error);
	}
	arc_made_larger();
	arc_reads_add(pool, -1);
}

/* Embedded pointers carry their data: nothing to cache. */
static void
arc_read_embedded(const blkptr_t *bp, arc_read_done_func_t *done, void *private)
{
	const uint64_t lsize = BP_GET_LSIZE(bp);
	arc_buf_t *buf = NULL;
	int error;

	if (done == NULL)
		return;
	if (BP_IS_REDACTED(bp) || lsize > SPA_MAXBLOCKSIZE) {
		done(private, bp, NULL, EIO);
		return;
	}
	void *data = zio_buf_alloc(lsize);
	error = decode_embedded_bp(bp, data, lsize);
	if (error == 0) {
		arc_to_host_order(bp, data, lsize);
		buf = arc_buf_create(data, lsize, NULL, true);
	} else {
		zio_buf_free(data, lsize);
	}
	done(private, bp, buf, error);
}

static arc_waiter_t *
arc_waiter_create(
    const blkptr_t *bp, arc_read_done_func_t *done, void *private, uint32_t arc_flags)
{
	arc_waiter_t *aw = kmem_zalloc(sizeof(*aw), KM_SLEEP);

	aw->aw_done = done;
	aw->aw_private = private;
	aw->aw_bp = *bp;
	aw->aw_prefetch = (arc_flags & ARC_FLAG_PREFETCH) != 0;
	return (aw);
}

/* Turn a new or ghost header into one that is being read; bucket lock held. */
static void
arc_hdr_start_read(arc_hdr_t *h, const blkptr_t *bp, uint32_t arc_flags)
{
	if (h->h_state != ARC_NONE) {
		arc_adapt(h);
		h->h_was_ghost = true;
		arc_set_state(h, ARC_NONE);
	}
	h->h_compressed = arc_keep_compressed(bp);
	h->h_size = h->h_compressed ? BP_GET_PSIZE(bp) : BP_GET_LSIZE(bp);
	h->h_nocache =
	    (arc_flags & ARC_FLAG_UNCACHED) != 0 ||
	    ((arc_flags & ARC_FLAG_METADATA_ONLY) != 0 && !BP_IS_METADATA(bp));
	h->h_data = zio_buf_alloc(h->h_size);
	h->h_reading = true;
	atomic_add_64(&arc.size, h->h_size);
	atomic_inc_64(&arc.misses);
}

void
arc_read(zio_t *pio, spa_t *spa, const blkptr_t *bp, arc_read_done_func_t *done,
    void *private, zio_priority_t priority, uint32_t zio_flags, uint32_t arc_flags,
    const zbookmark_phys_t *zb)
{
	arc_key_t key;
	arc_hdr_t *h;
	arc_buf_t *buf = NULL;
	int error;

	ASSERT(!BP_IS_HOLE(bp));
	if (BP_IS_EMBEDDED(bp)) {
		arc_read_embedded(bp, done, private);
		return;
	}
	if (blkptr_verify_static(bp, NULL) != 0) {
		if (done != NULL)
			done(private, bp, NULL, ECKSUM);
		return;
	}
	arc_key(spa, bp, &key);
	kmutex_t *lock = arc_lock_of(&key);
	mutex_enter(lock);
	h = arc_find(&key);
	if (h != NULL && h->h_data != NULL && !h->h_reading) {
		atomic_inc_64(&arc.hits);
		arc_access(h, (arc_flags & ARC_FLAG_PREFETCH) != 0);
		if (done == NULL) {
			mutex_exit(lock);
			return;
		}
		h->h_refs++;
		mutex_exit(lock);
		error = arc_buf_from_hdr(h, bp, &buf);
		done(private, bp, buf, error);
		return;
	}
	if (arc_flags & ARC_FLAG_NOWAIT) {
		mutex_exit(lock);
		if (done != NULL)
			done(private, bp, NULL, EWOULDBLOCK);
		return;
	}
	if (h != NULL && h->h_reading) {
		atomic_inc_64(&arc.hits);
		if (done == NULL) {
			mutex_exit(lock);
			return;
		}
		arc_waiter_t *aw = arc_waiter_create(bp, done, private, arc_flags);
		if (pio != NULL)
			aw->aw_zio = zio_null(pio, spa, NULL, NULL, zio_flags);
		aw->aw_next = h->h_waiters;
		h->h_waiters = aw;
		mutex_exit(lock);
		return;
	}
	if (h == NULL)
		h = arc_hdr_create(&key);
	arc_hdr_start_read(h, bp, arc_flags);
	h->h_waiters = arc_waiter_create(bp, done, private, arc_flags);
	if (h->h_compressed)
		zio_flags |= ZIO_FLAG_RAW;
	if (arc_flags & ARC_FLAG_PREFETCH)
		zio_flags |= ZIO_FLAG_SPECULATIVE | ZIO_FLAG_CANFAIL;
	void *data = h->h_data;
	const uint64_t size = h->h_size;
	arc_reads_add(key.ak_pool, 1);
	mutex_exit(lock);
	zio_nowait(zio_read(
	    pio, spa, bp, data, size, arc_read_done, h, priority, zio_flags, zb));
}

typedef struct arc_wait {
	kmutex_t w_lock;
	kcondvar_t w_cv;
	bool w_done;
	int w_error;
	arc_buf_t *w_buf;
} arc_wait_t;

static void
arc_read_wait_done(void *private, const blkptr_t *bp, arc_buf_t *buf, int error)
{
	arc_wait_t *w = private;

	(void)bp;
	mutex_enter(&w->w_lock);
	w->w_done = true;
	w->w_error = error;
	w->w_buf = buf;
	cv_signal(&w->w_cv);
	mutex_exit(&w->w_lock);
}

int
arc_read_wait(spa_t *spa, const blkptr_t *bp, zio_priority_t priority,
    uint32_t zio_flags, uint32_t arc_flags, const zbookmark_phys_t *zb,
    arc_buf_t **bufp)
{
	arc_wait_t w = {0};

	mutex_init(&w.w_lock);
	cv_init(&w.w_cv);
	arc_read(
	    NULL, spa, bp, arc_read_wait_done, &w, priority, zio_flags, arc_flags, zb);
	mutex_enter(&w.w_lock);
	while (!w.w_done)
		cv_wait(&w.w_cv, &w.w_lock);
	mutex_exit(&w.w_lock);
	cv_destroy(&w.w_cv);
	mutex_destroy(&w.w_lock);
	if (w.w_error == 0)
		*bufp = w.w_buf;
	return (w.w_error);
}

/* ---- what was written or freed ------------------------------------------- */

void
arc_insert(spa_t *spa, const blkptr_t *bp, void *data, uint64_t size, bool take)
{
	arc_key_t key;
	arc_hdr_t *h;

	if (BP_IS_HOLE(bp) || BP_IS_EMBEDDED(bp)) {
		if (take)
			zio_buf_free(data, size);
		return;
	}
	arc_key(spa, bp, &key);
	if (!take) {
		void *copy = zio_buf_alloc(size);
		memcpy(copy, data, size);
		data = copy;
	}
	kmutex_t *lock = arc_lock_of(&key);
	mutex_enter(lock);
	h = arc_find(&key);
	if (h != NULL && (h->h_data != NULL || h->h_reading)) {
		mutex_exit(lock);
		zio_buf_free(data, size);
		return;
	}
	if (h == NULL)
		h = arc_hdr_create(&key);
	const bool ghost = h->h_state != ARC_NONE;
	if (ghost) {
		arc_adapt(h);
		arc_set_state(h, ARC_NONE);
	}
	h->h_data = data;
	h->h_size = size;
	h->h_compressed = false;
	h->h_access = gethrtime();
	atomic_add_64(&arc.size, size);
	arc_set_state(h, ghost ? ARC_MFU : ARC_MRU);
	mutex_exit(lock);
	arc_made_larger();
}

/* Bucket lock held. A block being read stays for its readers. */
static void
arc_forget(arc_hdr_t *h)
{
	arc_unhash(h);
	if (h->h_state != ARC_NONE)
		arc_set_state(h, ARC_NONE);
	if (h->h_refs == 0 && !h->h_reading)
		arc_hdr_free(h);
}

void
arc_freed(spa_t *spa, const blkptr_t *bp)
{
	arc_key_t key;

	if (BP_IS_HOLE(bp) || BP_IS_EMBEDDED(bp))
		return;
	arc_key(spa, bp, &key);
	kmutex_t *lock = arc_lock_of(&key);
	mutex_enter(lock);
	arc_hdr_t *h = arc_find(&key);
	if (h != NULL)
		arc_forget(h);
	mutex_exit(lock);
}

/* Forget everything of one pool, or (pool 0) of all. */
static void
arc_flush_guid(uint64_t pool)
{
	for (uint64_t i = 0; i < arc.nbuckets; i++) {
		kmutex_t *lock = &arc.locks[i & (ARC_LOCKS - 1)];
		arc_hdr_t *h, *next;

		mutex_enter(lock);
		for (h = arc.hash[i]; h != NULL; h = next) {
			next = h->h_next;
			if (pool == 0 || h->h_key.ak_pool == pool)
				arc_forget(h);
		}
		mutex_exit(lock);
	}
}

void
arc_flush(spa_t *spa)
{
	arc_reads_wait(spa->spa_load_guid);
	arc_flush_guid(spa->spa_load_guid);
}

bool
arc_cached(spa_t *spa, const blkptr_t *bp)
{
	arc_key_t key;

	if (BP_IS_HOLE(bp) || BP_IS_EMBEDDED(bp))
		return (true);
	arc_key(spa, bp, &key);
	kmutex_t *lock = arc_lock_of(&key);
	mutex_enter(lock);
	const arc_hdr_t *h = arc_find(&key);
	const bool cached = h != NULL && h->h_data != NULL && !h->h_reading;
	mutex_exit(lock);
	return (cached);
}

/* ---- life ---------------------------------------------------------------- */

void
arc_init(uint64_t max_bytes)
{
	if (arc.ready)
		return;
	arc.c_max = max_bytes != 0 ? max_bytes : arc_default_max();
	arc.c_min = MIN(arc.c_max, MAX(arc.c_max / 32, 4ULL << 20));
	arc.c = arc.c_max;
	arc.p = arc.c / 2;
	arc.size = arc.hits = arc.misses = arc.ghost_hits = arc.evicted = 0;
	/* About one bucket for 16 KiB; at least one per lock. */
	arc.nbuckets = ARC_LOCKS;
	while (arc.nbuckets < arc.c_max / 16384 && arc.nbuckets < (1ULL << 22))
		arc.nbuckets <<= 1;
	arc.hash = kmem_zalloc(arc.nbuckets * sizeof(arc_hdr_t *), KM_SLEEP);
	arc.hdr_cache = kmem_cache_create(
	    "arc_hdr", sizeof(arc_hdr_t), 0, NULL, NULL, NULL, NULL, NULL, 0);
	arc.buf_cache = kmem_cache_create(
	    "arc_buf", sizeof(arc_buf_impl_t), 0, NULL, NULL, NULL, NULL, NULL, 0);
	for (int i = 0; i < ARC_LOCKS; i++)
		mutex_init(&arc.locks[i]);
	for (int i = 0; i < ARC_STATES; i++) {
		mutex_init(&arc.lists[i].al_lock);
		list_create(&arc.lists[i].al_list, sizeof(arc_hdr_t),
		    offsetof(arc_hdr_t, h_link));
		arc.lists[i].al_size = 0;
	}
	mutex_init(&arc.read_lock);
	cv_init(&arc.read_cv);
	mutex_init(&arc.evict_lock);
	cv_init(&arc.evict_cv);
	arc.evict_exit = arc.evict_wanted = false;
	arc.ready = true;
	arc.evict_thread = thread_create("arc_evict", arc_evict_thread, NULL);
}

void
arc_fini(void)
{
	if (!arc.ready)
		return;
	mutex_enter(&arc.evict_lock);
	arc.evict_exit = true;
	cv_signal(&arc.evict_cv);
	mutex_exit(&arc.evict_lock);
	thread_join(arc.evict_thread);
	for (uint64_t i = 0; i < ARC_READ_COUNTS; i++)
		arc_reads_wait(i);
	arc_flush_guid(0);
	VERIFY0(arc.size); /* somebody still holds a buffer */
	for (int i = 0; i < ARC_STATES; i++) {
		list_destroy(&arc.lists[i].al_list);
		mutex_destroy(&arc.lists[i].al_lock);
	}
	for (int i = 0; i < ARC_LOCKS; i++)
		mutex_destroy(&arc.locks[i]);
	cv_destroy(&arc.read_cv);
	mutex_destroy(&arc.read_lock);
	cv_destroy(&arc.evict_cv);
	mutex_destroy(&arc.evict_lock);
	kmem_cache_destroy(arc.hdr_cache);
	kmem_cache_destroy(arc.buf_cache);
	kmem_free(arc.hash, arc.nbuckets * sizeof(arc_hdr_t *));
	arc.ready = false;
}

uint64_t
arc_reduce(uint64_t bytes)
{
	const uint64_t before = atomic_load_64(&arc.size);

	arc_evict_to(before > bytes ? before - bytes : 0);
	const uint64_t after = atomic_load_64(&arc.size);
	/* Shrink the goal too, or the next reads take the memory back. */
	atomic_store_64(&arc.c, MAX(arc.c_min, MIN(atomic_load_64(&arc.c), after)));
	return (before > after ? before - after : 0);
}

void
arc_stats(arc_stats_t *as)
{
	as->as_hits = atomic_load_64(&arc.hits);
	as->as_misses = atomic_load_64(&arc.misses);
	as->as_size = atomic_load_64(&arc.size);
	as->as_c = atomic_load_64(&arc.c);
	as->as_c_max = arc.c_max;
	as->as_mru_size = arc_list_size(ARC_MRU);
	as->as_mfu_size = arc_list_size(ARC_MFU);
	as->as_ghost_hits = atomic_load_64(&arc.ghost_hits);
	as->as_evicted = atomic_load_64(&arc.evicted);
}
