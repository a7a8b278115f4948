/*
 * Assertions, panic and the log.
 *
 * ASSERT*  our own bugs; compiled out with -DNDEBUG.
 * VERIFY*  stays on in release: going on would write a wrong block.
 * Anything the outside world can cause is an errno, never one of these.
 */
#ifndef TARN_SPL_DEBUG_H
#define TARN_SPL_DEBUG_H

#include "spl/types.h"

/* Print the message and a stack trace to stderr and the log, then abort(). */
_Noreturn void spl_panic(const char *file, int line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/*
 * Call `hook` with the message before the process stops (tests leave by longjmp,
 * a daemon saves its state); NULL removes it. It must not allocate.
 */
void spl_panic_hook(void (*hook)(const char *msg));
#define panic(...) spl_panic(__FILE__, __LINE__, __VA_ARGS__)

#define VERIFY(c) \
	((void)(__builtin_expect(!!(c), 1) || \
	    (spl_panic(__FILE__, __LINE__, "VERIFY(%s) failed", #c), 0)))
#define SPL_VERIFY_OP(l, op, r, T, F, kind) \
	do { \
		const T spl_l_ = (T)(l); \
		const T spl_r_ = (T)(r); \
		if (__builtin_expect(!(spl_l_ op spl_r_), 0)) \
			spl_panic(__FILE__, __LINE__, \
			    kind "(%s %s %s) failed (%" F " %s %" F ")", #l, #op, #r, \
			    spl_l_, #op, spl_r_); \
	} while (0)
#define VERIFY3U(l, op, r) SPL_VERIFY_OP(l, op, r, uint64_t, PRIu64, "VERIFY")
#define VERIFY3S(l, op, r) SPL_VERIFY_OP(l, op, r, int64_t, PRId64, "VERIFY")
#define VERIFY3P(l, op, r) VERIFY3U((uintptr_t)(l), op, (uintptr_t)(r))
#define VERIFY0(e) VERIFY3S(e, ==, 0)

#ifdef NDEBUG
#define ASSERT(c) ((void)sizeof(!!(c)))
#define ASSERT3U(l, op, r) ((void)sizeof((l)op(r)))
#define ASSERT3S(l, op, r) ((void)sizeof((l)op(r)))
#define ASSERT3P(l, op, r) ((void)sizeof((l)op(r)))
#define ASSERT0(e) ((void)sizeof(!!(e)))
#else
#define ASSERT(c) VERIFY(c)
#define ASSERT3U(l, op, r) VERIFY3U(l, op, r)
#define ASSERT3S(l, op, r) VERIFY3S(l, op, r)
#define ASSERT3P(l, op, r) VERIFY3P(l, op, r)
#define ASSERT0(e) VERIFY0(e)
#endif

#define IMPLY(a, b) ASSERT(!(a) || (b))
#define CTASSERT(c) _Static_assert(c, #c)

typedef enum spl_loglevel {
	LOG_DEBUG_L,  /* development; off unless TARN_DEBUG is set */
	LOG_NOTE,     /* worth knowing */
	LOG_WARNING,  /* something is wrong, we go on */
} spl_loglevel_t;

/*
 * One line (no newline needed) to the process log: a ring in memory and, if
 * set with spl_log_open(), a file. Thread safe, never fails.
 */
void spl_log(spl_loglevel_t level, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Append log lines to `path` ("-": stderr). Returns errno. */
int spl_log_open(const char *path);
/*
 * Hand the lines still in the ring to `cb`, oldest first; `when` is wall clock
 * nanoseconds. The ring is locked meanwhile: cb must not log.
 */
void spl_log_walk(void (*cb)(void *arg, int64_t when, spl_loglevel_t level,
    const char *line), void *arg);
#define dprintf_l(...) spl_log(LOG_DEBUG_L, __VA_ARGS__)

#endif
