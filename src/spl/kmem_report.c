/*
 * Errors told in full: what happened, where, and who touched the buffer last.
 *
 *   SPL: buffer modified after being freed
 *   SPL: modification occurred at offset 0x0 (0xdeadbeefdeadbeef replaced by ...)
 *   SPL: buffer=0x...  bufctl=0x...  cache: kmem_alloc_1152
 *   SPL: previous transaction on buffer 0x...:
 *   SPL: thread=1  time=T-0.000001383  slab=0x...  cache: kmem_alloc_1152
 *   SPL: module : function + 0x227
 *
 * Nothing here allocates or waits for a lock that the victim may hold: lines are
 * formatted on the stack and written with write(2), so the report is out before
 * the process stops. One report at a time; an error while reporting (by the same
 * thread) is dropped.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "spl/kmem_impl.h"
#include "spl/clock.h"
#include "spl/debug.h"
#include "spl/symbolize.h"

static kmutex_t report_lock = MUTEX_INITIALIZER;
static int report_fd = STDERR_FILENO;

void
kmem_report_open(const char *path)
{
	const int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

	if (fd < 0)
		return;
	/* Out of the way of programs that count on low numbers. */
	const int high = fcntl(fd, F_DUPFD_CLOEXEC, 100);
	if (high >= 0) {
		(void)close(fd);
		report_fd = high;
	} else {
		report_fd = fd;
	}
}

/* Another thread of the parent may have been reporting. */
void
kmem_report_fork_child(void)
{
	static const kmutex_t fresh = MUTEX_INITIALIZER;

	memcpy(&report_lock, &fresh, sizeof(fresh));
}

void
kmem_report_lock(void)
{
	mutex_enter(&report_lock);
}

void
kmem_report_unlock(void)
{
	mutex_exit(&report_lock);
}

void
kmem_report_line(const char *fmt, ...)
{
	char line[512];
	va_list ap;

	int n = snprintf(line, sizeof(line), "SPL: ");
	va_start(ap, fmt);
	n += vsnprintf(line + n, sizeof(line) - (size_t)n, fmt, ap);
	va_end(ap);
	if (n > (int)sizeof(line) - 2)
		n = (int)sizeof(line) - 2;
	spl_log(LOG_WARNING, "%s", line);
	line[n++] = '\n';
	for (const char *p = line; n > 0;) {
		const ssize_t w = write(report_fd, p, (size_t)n);
		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			break;
		p += w;
		n -= (int)w;
	}
}

void
kmem_report_stack(const uintptr_t *pcs, int depth)
{
	spl_symbol_t ss;

	for (int i = 0; i < depth; i++) {
		/* A return address may be the first of the next function. */
		spl_symbolize(pcs[i] - 1, &ss);
		ss.ss_offset++;
		kmem_report_line("%s : %s + 0x%" PRIx64, ss.ss_module,
		    ss.ss_function[0] != '\0' ? ss.ss_function : "?", ss.ss_offset);
	}
}

static void
report_transaction(const kmem_err_t *e, const kmem_audit_t *ka)
{
	const hrtime_t ago = gethrtime() - ka->ka_time;

	kmem_report_line("previous transaction on buffer %p:", e->e_buf);
	kmem_report_line("thread=%d  time=T-%lld.%09lld  slab=%p  cache: %s",
	    ka->ka_thread, ago / NANOSEC, ago % NANOSEC, (void *)e->e_slab,
	    e->e_slab->slab_cache->kc_name);
	kmem_report_stack(ka->ka_stack, ka->ka_depth);
}

static void
report_message(const kmem_err_t *e)
{
	switch (e->e_kind) {
	case KMERR_MODIFIED:
		kmem_report_line("buffer modified after being freed");
		break;
	case KMERR_REDZONE:
		kmem_report_line("redzone violation: write past end of buffer");
		break;
	case KMERR_BUFTAG:
		kmem_report_line("boundary tag corrupted");
		break;
	case KMERR_BADADDR:
		kmem_report_line("invalid free: buffer not in cache");
		break;
	case KMERR_DUPFREE:
		kmem_report_line("duplicate free: buffer freed twice");
		break;
	case KMERR_BADCACHE:
		kmem_report_line("buffer freed to wrong cache");
		kmem_report_line("allocated from %s", e->e_realcache->kc_name);
		kmem_report_line("caller attempting free to %s", e->e_cache->kc_name);
		break;
	case KMERR_BADSIZE:
		kmem_report_line("bad free: free size (%" PRIu64 ") != alloc size (%" PRIu64 ")",
		    e->e_a, e->e_b);
		break;
	case KMERR_BADBASE:
		kmem_report_line("bad free: free address (0x%" PRIx64
		    ") != alloc address (0x%" PRIx64 ")", e->e_a, e->e_b);
		break;
	case KMERR_BUFCTL:
		kmem_report_line("bufctl corrupted");
		break;
	case KMERR_LEAK:
		kmem_report_line("kmem_cache_destroy: '%s' (%p) not empty: %" PRIu64
		    " objects leaked", e->e_cache->kc_name, (void *)e->e_cache, e->e_a);
		break;
	}
	if (e->e_kind == KMERR_MODIFIED)
		kmem_report_line("modification occurred at offset 0x%zx (0x%" PRIx64
		    " replaced by 0x%" PRIx64 ")", e->e_offset, e->e_expect, e->e_found);
	else if (e->e_kind == KMERR_REDZONE || e->e_kind == KMERR_BUFTAG)
		kmem_report_line("modification occurred at offset %s0x%zx (0x%" PRIx64
		    " replaced by 0x%" PRIx64 ")", (ssize_t)e->e_offset < 0 ? "-" : "",
		    (ssize_t)e->e_offset < 0 ? -e->e_offset : e->e_offset, e->e_expect,
		    e->e_found);
}

/* What the caller is doing now: the culprit itself in errors found by a free. */
static void
report_now(void)
{
	kmem_audit_t ka;

	kmem_audit_note(&ka, KMEM_TX_FREE);
	kmem_report_line("detected by thread=%d:", ka.ka_thread);
	kmem_report_stack(ka.ka_stack, ka.ka_depth);
}

void
kmem_error(const kmem_err_t *e)
{
	const int saved_errno = errno;

	if (mutex_owned(&report_lock))
		return;
	kmem_report_lock();
	report_message(e);
	if (e->e_buf != NULL) {
		const kmem_cache_t *cp = e->e_slab != NULL ? e->e_slab->slab_cache : e->e_cache;
		kmem_report_line("buffer=%p  bufctl=%p  cache: %s", e->e_buf,
		    (void *)e->e_bufctl, cp != NULL ? cp->kc_name : "(none)");
	}
	if (e->e_slab != NULL && e->e_bufctl != NULL &&
	    e->e_slab->slab_cache->kc_flags & KMF_AUDIT && e->e_kind != KMERR_BUFCTL &&
	    e->e_bufctl->bc_audit.ka_kind != KMEM_TX_NONE)
		report_transaction(e, &e->e_bufctl->bc_audit);
	if (e->e_kind != KMERR_MODIFIED && e->e_kind != KMERR_LEAK)
		report_now();
	/* All leaks of a cache are told before it stops: the last one decides. */
	const bool more = e->e_kind == KMERR_LEAK && e->e_b != 0 && e->e_b < e->e_a &&
	    e->e_b < 16;
	kmem_report_unlock();
	errno = saved_errno;
	if (kmem_root.kr_panic && !more)
		panic("kernel memory allocator: %s",
		    e->e_cache != NULL ? e->e_cache->kc_name : "heap corruption");
}

void
kmem_panic_set(bool stop)
{
	kmem_root.kr_panic = stop;
}
