/*
 * Guarded allocations: a buffer on pages of its own, ending (as far as its alignment
 * lets it) where an inaccessible page begins. A write past the end or any access
 * after the free faults at the instruction that does it.
 *
 * Two uses:
 *
 *  - firewall=SIZE (diagnostic mode): every allocation of at least SIZE bytes.
 *    Freed ones stay inaccessible in a quarantine, the oldest is unmapped when the
 *    quarantine is full.
 *  - sampling, cheap enough for production: a fixed pool of slots, of which one
 *    allocation in N takes one. The choice is made where a CPU exchanges magazines,
 *    so the fast path pays nothing to allocate, and one comparison to free. Errors
 *    that happen again and again in a fleet are caught sooner or later, with the
 *    stacks of allocation and free.
 *
 * The fault handler reports in the words of the other checks and lets the process
 * die of its fault (or hands it to the handler that was there before).
 *
 * Lock: guard_lock, for the lists of slots and the quarantine.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "spl/kmem_impl.h"
#include "spl/vmem_impl.h"
#include "spl/bits.h"
#include "spl/clock.h"
#include "spl/debug.h"

#define SAMPLE_SLOTS 512
#define SLOT_BYTES (2 * KMEM_PAGE) /* guard page, data page; the next guard follows */
#define QUARANTINE_MAX 1024
#define GUARD_SLACK_BYTE 0xbb

typedef struct kmem_guard {
	struct kmem_guard *g_next; /* free slots, or quarantine: oldest first */
	char *g_map;       /* accessible pages; the guard page follows */
	size_t g_mapsize;
	char *g_buf;
	size_t g_size;
	kmem_cache_t *g_cache; /* NULL: oversize */
	bool g_sample;
	bool g_free;
	kmem_audit_t g_alloc, g_freed;
} kmem_guard_t;

typedef struct guard_queue {
	kmem_guard_t *gq_head, **gq_tail;
	size_t gq_count;
} guard_queue_t;

uintptr_t kmem_sample_base, kmem_sample_size;

static kmutex_t guard_lock = MUTEX_INITIALIZER;
static guard_queue_t sample_free = { .gq_tail = &sample_free.gq_head };
static guard_queue_t quarantine = { .gq_tail = &quarantine.gq_head };
static uint64_t sample_interval; /* 0: off */
static uint64_t sample_count;
static struct sigaction old_segv;

static void
queue_put(guard_queue_t *gq, kmem_guard_t *g)
{
	g->g_next = NULL;
	*gq->gq_tail = g;
	gq->gq_tail = &g->g_next;
	gq->gq_count++;
}

static kmem_guard_t *
queue_get(guard_queue_t *gq)
{
	kmem_guard_t *g = gq->gq_head;

	if (g != NULL) {
		gq->gq_head = g->g_next;
		if (gq->gq_head == NULL)
			gq->gq_tail = &gq->gq_head;
		gq->gq_count--;
	}
	return (g);
}

static kmem_guard_t *
guard_of(const void *addr)
{
	const uint64_t word = pagemap_get(addr);

	return (PM_INDEX(word) == PM_GUARD ? (kmem_guard_t *)(uintptr_t)PM_VALUE(word) : NULL);
}

/* ---- the fault ---- */

static void
report_guard_stack(const char *what, const kmem_audit_t *ka, const kmem_guard_t *g)
{
	const hrtime_t ago = gethrtime() - ka->ka_time;

	if (ka->ka_kind == KMEM_TX_NONE)
		return;
	kmem_report_line("%s on buffer %p:", what, (void *)g->g_buf);
	kmem_report_line("thread=%d  time=T-%lld.%09lld  slab=%p  cache: %s",
	    ka->ka_thread, ago / NANOSEC, ago % NANOSEC, (void *)g->g_map,
	    g->g_cache != NULL ? g->g_cache->kc_name : "kmem_oversize");
	kmem_report_stack(ka->ka_stack, ka->ka_depth);
}

static void
report_fault(const kmem_guard_t *g, const char *addr, bool write, bool write_known)
{
	kmem_audit_t now;

	kmem_audit_note(&now, KMEM_TX_NONE);
	if (g->g_free)
		kmem_report_line("buffer %s after being freed",
		    !write_known ? "used" : write ? "modified" : "read");
	else if (addr < g->g_buf)
		kmem_report_line("boundary tag corrupted: %s before start of buffer",
		    write ? "write" : "access");
	else
		kmem_report_line("redzone violation: %s past end of buffer",
		    !write_known ? "access" : write ? "write" : "read");
	kmem_report_line("%s occurred at offset %td", write ? "modification" : "access",
	    addr - g->g_buf);
	kmem_report_line("buffer=%p  bufctl=%p  cache: %s", (void *)g->g_buf, (void *)g,
	    g->g_cache != NULL ? g->g_cache->kc_name : "kmem_oversize");
	kmem_report_line("detected by thread=%d:", now.ka_thread);
	kmem_report_stack(now.ka_stack, now.ka_depth);
	if (g->g_free)
		report_guard_stack("previous transaction", &g->g_freed, g);
	report_guard_stack(g->g_free ? "allocation" : "previous transaction", &g->g_alloc, g);
}

static void
segv_handler(int sig, siginfo_t *si, void *context)
{
	const char *addr = si->si_addr;
	kmem_guard_t *g = guard_of(addr);
	bool write = false, known = false;

	/* Past the end is the next page, which is nobody's or the next slot's guard. */
	if (g == NULL)
		g = guard_of(addr - KMEM_PAGE);
#ifdef __x86_64__
	const ucontext_t *uc = context;
	write = (uc->uc_mcontext.gregs[REG_ERR] & 2) != 0;
	known = true;
#endif
	if (g != NULL)
		report_fault(g, addr, write, known);
	/* Return into the fault with the previous handler in place. */
	(void)sigaction(SIGSEGV, &old_segv, NULL);
}

static void
catch_faults(void)
{
	static int done;
	struct sigaction sa = { .sa_sigaction = segv_handler,
		.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };

	if (__atomic_exchange_n(&done, 1, __ATOMIC_ACQ_REL) == 0)
		(void)sigaction(SIGSEGV, &sa, &old_segv);
}

/* ---- firewall ---- */

static void
place_buffer(kmem_guard_t *g, kmem_cache_t *cp, size_t size)
{
	const size_t align = cp == NULL ? KMEM_PAGE :
	    cp->kc_cflags & KMC_ALLOC ? (size >= KMEM_PAGE ? KMEM_PAGE : 16) :
	    cp->kc_align;

	g->g_buf = g->g_map + P2ALIGN(g->g_mapsize - size, align);
	g->g_size = size;
	g->g_cache = cp;
	g->g_free = false;
	/* What alignment leaves between the end and the guard page. */
	memset(g->g_buf + size, GUARD_SLACK_BYTE, g->g_map + g->g_mapsize - g->g_buf - size);
	kmem_audit_note(&g->g_alloc, KMEM_TX_ALLOC);
	g->g_freed.ka_kind = KMEM_TX_NONE;
	if (cp != NULL)
		(void)atomic_inc_64(&cp->kc_guarded);
}

void *
kmem_guard_alloc(kmem_cache_t *cp, size_t size, int kmflags)
{
	const size_t mapsize = P2ROUNDUP(size, KMEM_PAGE);

	if (size > PTRDIFF_MAX / 2)
		return (NULL);
	catch_faults();
	kmem_guard_t *g = kmem_meta_alloc(sizeof(*g));
	char *map = g != NULL ? vmem_os_map(mapsize + KMEM_PAGE) : NULL;
	if (map == NULL || mprotect(map + mapsize, KMEM_PAGE, PROT_NONE) != 0 ||
	    !pagemap_set(map, mapsize, (uint64_t)PM_GUARD << 48 | (uintptr_t)g)) {
		if (map != NULL)
			vmem_os_unmap(map, mapsize + KMEM_PAGE);
		if (g != NULL)
			kmem_meta_free(g, sizeof(*g));
		if (kmflags & KM_NOSLEEP)
			return (NULL);
		panic("out of memory: no firewall for %zu bytes", size);
	}
	g->g_map = map;
	g->g_mapsize = mapsize;
	g->g_sample = false;
	place_buffer(g, cp, size);
	if (cp != NULL && cp->kc_constructor != NULL &&
	    cp->kc_constructor(g->g_buf, cp->kc_arg, kmflags) != 0) {
		(void)atomic_dec_64(&cp->kc_guarded);
		(void)pagemap_set(map, mapsize, 0);
		vmem_os_unmap(map, mapsize + KMEM_PAGE);
		kmem_meta_free(g, sizeof(*g));
		return (NULL);
	}
	if (cp == NULL)
		(void)atomic_add_64(&kmem_root.kr_oversize, mapsize);
	return (g->g_buf);
}

static void
guard_retire(kmem_guard_t *g)
{
	kmem_guard_t *oldest = NULL;

	if (g->g_cache != NULL)
		(void)atomic_dec_64(&g->g_cache->kc_guarded);
	else
		(void)atomic_add_64(&kmem_root.kr_oversize, -g->g_mapsize);
	/* Contents are evidence no more: give the page back, keep the address. */
	vmem_os_discard(g->g_map, g->g_mapsize);
	(void)mprotect(g->g_map, g->g_mapsize, PROT_NONE);
	mutex_enter(&guard_lock);
	if (g->g_sample) {
		queue_put(&sample_free, g);
	} else {
		queue_put(&quarantine, g);
		if (quarantine.gq_count > QUARANTINE_MAX)
			oldest = queue_get(&quarantine);
	}
	mutex_exit(&guard_lock);
	if (oldest != NULL) {
		(void)pagemap_set(oldest->g_map, oldest->g_mapsize, 0);
		vmem_os_unmap(oldest->g_map, oldest->g_mapsize + KMEM_PAGE);
		kmem_meta_free(oldest, sizeof(*oldest));
	}
}

static void
report_bad_free(kmem_err_t e, const kmem_guard_t *g)
{
	/* No slab to show: the history goes out here, then the verdict (may panic). */
	kmem_report_lock();
	if (g->g_free)
		report_guard_stack("previous transaction", &g->g_freed, g);
	report_guard_stack(g->g_free ? "allocation" : "previous transaction", &g->g_alloc, g);
	kmem_report_unlock();
	kmem_error(&e);
}

void
kmem_guard_free(kmem_cache_t *cp, void *buf, size_t size, bool sized)
{
	kmem_guard_t *g = guard_of(buf);
	kmem_err_t e = { .e_cache = cp, .e_buf = buf };

	if (g == NULL || g->g_size == 0) {
		e.e_kind = KMERR_BADADDR;
		kmem_error(&e);
		return;
	}
	const char *slack = g->g_buf + g->g_size, *end = g->g_map + g->g_mapsize;
	if (buf != g->g_buf) {
		e.e_kind = KMERR_BADBASE;
		e.e_a = (uintptr_t)buf;
		e.e_b = (uintptr_t)g->g_buf;
		report_bad_free(e, g);
		return;
	}
	if (g->g_free) {
		e.e_kind = KMERR_DUPFREE;
		report_bad_free(e, g);
		return;
	}
	for (; slack < end && (uint8_t)*slack == GUARD_SLACK_BYTE; slack++)
		continue;
	if (slack < end) {
		e.e_kind = KMERR_REDZONE;
		e.e_offset = (size_t)(slack - g->g_buf);
		e.e_expect = GUARD_SLACK_BYTE;
		e.e_found = (uint8_t)*slack;
		report_bad_free(e, g);
	}
	/* A sample of kmem_alloc_N knows only N, as magazines hold any size up to it. */
	const bool exact = !g->g_sample;
	if (sized && (exact ? size != g->g_size : cp != g->g_cache)) {
		e.e_kind = KMERR_BADSIZE;
		e.e_a = size;
		e.e_b = g->g_size;
		report_bad_free(e, g);
	} else if (!sized && cp != NULL && cp != g->g_cache && g->g_cache != NULL) {
		e.e_kind = KMERR_BADCACHE;
		e.e_realcache = g->g_cache;
		report_bad_free(e, g);
		return;
	}
	if (g->g_cache != NULL && g->g_cache->kc_destructor != NULL)
		g->g_cache->kc_destructor(buf, g->g_cache->kc_arg);
	kmem_audit_note(&g->g_freed, KMEM_TX_FREE);
	g->g_free = true;
	guard_retire(g);
}

size_t
kmem_guard_size(const void *buf)
{
	const kmem_guard_t *g = guard_of(buf);

	return (g != NULL ? g->g_size : 0);
}

void
kmem_guard_fork_prepare(void)
{
	mutex_enter(&guard_lock);
}

void
kmem_guard_fork_done(void)
{
	mutex_exit(&guard_lock);
}

/* ---- sampling ---- */

/* Reserve the pool: addresses only, inaccessible. */
static bool
sample_pool_create(void)
{
	const size_t size = (SAMPLE_SLOTS * SLOT_BYTES) + KMEM_PAGE;
	kmem_guard_t *g = kmem_own_map(SAMPLE_SLOTS * sizeof(*g));
	char *pool = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
	    -1, 0);

	if (g == NULL || pool == MAP_FAILED)
		return (false);
	for (size_t i = 0; i < SAMPLE_SLOTS; i++) {
		g[i].g_map = pool + i * SLOT_BYTES + KMEM_PAGE;
		g[i].g_mapsize = KMEM_PAGE;
		g[i].g_sample = true;
		if (!pagemap_set(
			g[i].g_map, KMEM_PAGE, (uint64_t)PM_GUARD << 48 | (uintptr_t)&g[i]))
			return (false);
		queue_put(&sample_free, &g[i]);
	}
	kmem_sample_base = (uintptr_t)pool;
	__atomic_store_n(&kmem_sample_size, size, __ATOMIC_RELEASE);
	return (true);
}

void
kmem_sample_set(uint64_t n)
{
	kmem_init();
	mutex_enter(&guard_lock);
	const bool ok = n == 0 || kmem_sample_size != 0 || sample_pool_create();
	mutex_exit(&guard_lock);
	if (!ok)
		return;
	if (n != 0)
		catch_faults();
	__atomic_store_n(&sample_interval, n, __ATOMIC_RELAXED);
}

/*
 * A CPU has used up a magazine of this cache: that many allocations have passed.
 */
bool
kmem_sample_due(kmem_cache_t *cp)
{
	const uint64_t interval = __atomic_load_n(&sample_interval, __ATOMIC_RELAXED);

	if (__builtin_expect(interval == 0, 1) || !cp->kc_guardable)
		return (false);
	const uint64_t rounds = kmem_magtype_rounds(cp->kc_magtype);
	const uint64_t now = __atomic_add_fetch(&sample_count, rounds, __ATOMIC_RELAXED);
	return (now / interval != (now - rounds) / interval);
}

void *
kmem_sample_alloc(kmem_cache_t *cp)
{
	if (cp->kc_bufsize > KMEM_PAGE / 2 + KMEM_PAGE / 4)
		return (NULL);
	mutex_enter(&guard_lock);
	kmem_guard_t *g = queue_get(&sample_free);
	mutex_exit(&guard_lock);
	if (g == NULL)
		return (NULL);
	if (mprotect(g->g_map, g->g_mapsize, PROT_READ | PROT_WRITE) != 0) {
		mutex_enter(&guard_lock);
		queue_put(&sample_free, g);
		mutex_exit(&guard_lock);
		return (NULL);
	}
	place_buffer(g, cp, cp->kc_bufsize);
	if (cp->kc_constructor != NULL &&
	    cp->kc_constructor(g->g_buf, cp->kc_arg, KM_NOSLEEP) != 0) {
		g->g_free = true;
		guard_retire(g);
		return (NULL);
	}
	(void)atomic_inc_64(&cp->kc_direct);
	return (g->g_buf);
}
