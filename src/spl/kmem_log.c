/*
 * Transaction logs: rings of "this thread allocated/freed this buffer, with this
 * stack". One for everything (UMEM_LOGGING=transaction) and one for each cache
 * that asks (kmem_log_cache, also from outside through kc_log_want).
 *
 * Writers take a number with one atomic addition and fill that record; a reader
 * trusts a record only if its number is the expected one before and after.
 */
#include <time.h>
#include <unistd.h>
#include <unwind.h>

#include "spl/kmem_impl.h"
#include "spl/vmem_impl.h"
#include "spl/bits.h"
#include "spl/clock.h"
#include "spl/symbolize.h"

#define CACHE_LOG_BYTES (1024 * 1024)

typedef struct unwind_state {
	kmem_audit_t *ka;
	unsigned skip;
	unsigned max;
} unwind_state_t;

static _Unwind_Reason_Code
note_frame(struct _Unwind_Context *context, void *arg)
{
	unwind_state_t *us = arg;
	const uintptr_t pc = _Unwind_GetIP(context);

	if (us->skip > 0) {
		us->skip--;
		return (_URC_NO_REASON);
	}
	if (pc == 0 || us->ka->ka_depth == us->max)
		return (_URC_END_OF_STACK);
	us->ka->ka_stack[us->ka->ka_depth++] = pc;
	return (_URC_NO_REASON);
}

/* Who, when, where: the caller's transaction. Unwinding allocates nothing. */
void __attribute__((noinline))
kmem_audit_note(kmem_audit_t *ka, int kind)
{
	static _Thread_local int32_t tid, tid_of;
	unwind_state_t us = { ka, 1, MIN(kmem_root.kr_frames, KMEM_STACK) };

	if (us.max == 0)
		us.max = KMEM_STACK;
	/* A forked child is another thread in an inherited variable. */
	if (tid == 0 || tid_of != getpid()) {
		tid = gettid();
		tid_of = getpid();
	}
	ka->ka_time = gethrtime();
	ka->ka_thread = tid;
	ka->ka_kind = (uint16_t)kind;
	ka->ka_depth = 0;
	(void)_Unwind_Backtrace(note_frame, &us);
}

static kmem_zlog_t *
zlog_create(size_t bytes)
{
	const uint64_t n = MAX((bytes - sizeof(kmem_zlog_t)) / sizeof(kmem_zrecord_t), 16);
	kmem_zlog_t *zl = kmem_own_map(
	    P2ROUNDUP(sizeof(*zl) + n * sizeof(kmem_zrecord_t), KMEM_PAGE));

	if (zl != NULL)
		zl->zl_size = n;
	return (zl);
}

static void
zlog_write(kmem_zlog_t *zl, kmem_cache_t *cp, const void *buf, const kmem_audit_t *ka)
{
	const uint64_t n = __atomic_fetch_add(&zl->zl_next, 1, __ATOMIC_RELAXED);
	kmem_zrecord_t *zr = &zl->zl_ring[n % zl->zl_size];

	__atomic_store_n(&zr->zr_seq, 0, __ATOMIC_RELEASE);
	zr->zr_buf = buf;
	zr->zr_cache = cp;
	zr->zr_audit = *ka;
	__atomic_store_n(&zr->zr_seq, n + 1, __ATOMIC_RELEASE);
}

void
kmem_log_init(size_t bytes)
{
	kmem_root.kr_log = zlog_create(bytes);
}

void
kmem_log_note(kmem_cache_t *cp, const void *buf, int kind)
{
	kmem_audit_t ka;

	kmem_audit_note(&ka, kind);
	if (kmem_root.kr_log != NULL)
		zlog_write(kmem_root.kr_log, cp, buf, &ka);
	kmem_zlog_t *zl = __atomic_load_n(&cp->kc_log, __ATOMIC_ACQUIRE);
	if (zl != NULL && cp->kc_log_want)
		zlog_write(zl, cp, buf, &ka);
}

/* Log the transactions of one cache from now on, or no longer (the log is kept). */
int
kmem_log_cache(kmem_cache_t *cp, bool on)
{
	if (on && cp->kc_log == NULL) {
		kmem_zlog_t *zl = zlog_create(CACHE_LOG_BYTES);
		if (zl == NULL)
			return (ENOMEM);
		__atomic_store_n(&cp->kc_log, zl, __ATOMIC_RELEASE);
	}
	__atomic_store_n(&cp->kc_log_want, on ? 1 : 0, __ATOMIC_RELAXED);
	if (on)
		__atomic_or_fetch(&cp->kc_flags, KMF_LOG, __ATOMIC_RELAXED);
	else if (kmem_root.kr_log == NULL)
		__atomic_and_fetch(&cp->kc_flags, ~KMF_LOG, __ATOMIC_RELAXED);
	kmem_magazine_fast(cp, !(cp->kc_flags & KMF_LOG));
	return (0);
}

bool
kmem_stack_has(const char *function)
{
	kmem_audit_t ka;
	spl_symbol_t ss;

	kmem_audit_note(&ka, KMEM_TX_NONE);
	for (int i = 0; i < ka.ka_depth; i++) {
		spl_symbolize(ka.ka_stack[i] - 1, &ss);
		if (strcmp(ss.ss_function, function) == 0)
			return (true);
	}
	return (false);
}
