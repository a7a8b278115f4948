/*
 * Panic and the log.
 *
 * Both must work when the process is already ill: no allocation, no lock that a
 * stopped thread could hold for ever. The log is a ring of fixed lines under one
 * small lock that is held only while copying; panic takes it with a try and
 * otherwise does without. The stack trace is written by backtrace_symbols_fd(),
 * which does not allocate; its first use loads a library, so spl_init() does
 * that early (spl_debug_init).
 */
#include <execinfo.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "spl/debug.h"
#include "spl/spl_impl.h"

#define LOG_LINES 1024
#define LOG_LINE_MAX 400
#define PANIC_FRAMES 64

typedef struct log_line {
	int64_t when; /* wall clock ns */
	spl_loglevel_t level;
	char text[LOG_LINE_MAX];
} log_line_t;

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static log_line_t log_ring[LOG_LINES];
static uint64_t log_count; /* lines ever logged; the next goes to count % LINES */
static int log_fd = -1;
static int log_debug = -1; /* TARN_DEBUG set? -1: not looked yet */
static void (*panic_hook)(const char *msg);

static void
write_all(int fd, const char *p, size_t len)
{
	while (len > 0) {
		const ssize_t n = write(fd, p, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		p += n;
		len -= (size_t)n;
	}
}

static bool
log_wants_debug(void)
{
	int v = __atomic_load_n(&log_debug, __ATOMIC_RELAXED);

	if (v < 0) {
		v = getenv("TARN_DEBUG") != NULL;
		__atomic_store_n(&log_debug, v, __ATOMIC_RELAXED);
	}
	return (v > 0);
}

/* Put a line into the ring and the file. Caller holds log_lock. */
static void
log_store(spl_loglevel_t level, const char *text)
{
	static const char *const names[] = { "debug", "note", "warning" };
	log_line_t *line = &log_ring[log_count++ % LOG_LINES];
	struct timespec ts = { 0 };

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	line->when = (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
	line->level = level;
	(void)snprintf(line->text, sizeof(line->text), "%s", text);
	if (log_fd >= 0) {
		char out[LOG_LINE_MAX + 64];
		const int n = snprintf(out, sizeof(out), "%lld.%06ld %s: %s\n",
		    (long long)ts.tv_sec, ts.tv_nsec / 1000, names[level], line->text);
		write_all(log_fd, out, (size_t)n);
	}
}

void
spl_log(spl_loglevel_t level, const char *fmt, ...)
{
	char text[LOG_LINE_MAX];
	const int saved_errno = errno;
	va_list ap;

	if (level == LOG_DEBUG_L && !log_wants_debug())
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	(void)pthread_mutex_lock(&log_lock);
	log_store(level, text);
	(void)pthread_mutex_unlock(&log_lock);
	errno = saved_errno;
}

int
spl_log_open(const char *path)
{
	int fd;

	if (strcmp(path, "-") == 0)
		fd = dup(STDERR_FILENO);
	else
		fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (fd < 0)
		return (errno);
	(void)pthread_mutex_lock(&log_lock);
	const int old = log_fd;
	log_fd = fd;
	(void)pthread_mutex_unlock(&log_lock);
	if (old >= 0)
		(void)close(old);
	return (0);
}

void
spl_log_walk(void (*cb)(void *arg, int64_t when, spl_loglevel_t level, const char *line),
    void *arg)
{
	(void)pthread_mutex_lock(&log_lock);
	const uint64_t first = log_count > LOG_LINES ? log_count - LOG_LINES : 0;
	for (uint64_t i = first; i < log_count; i++) {
		const log_line_t *line = &log_ring[i % LOG_LINES];
		cb(arg, line->when, line->level, line->text);
	}
	(void)pthread_mutex_unlock(&log_lock);
}

void
spl_panic_hook(void (*hook)(const char *msg))
{
	__atomic_store_n(&panic_hook, hook, __ATOMIC_RELEASE);
}

void
spl_panic(const char *file, int line, const char *fmt, ...)
{
	static int panicking;
	char msg[1024];
	void *frames[PANIC_FRAMES];
	va_list ap;

	int n = snprintf(msg, sizeof(msg), "panic: ");
	va_start(ap, fmt);
	n += vsnprintf(msg + n, sizeof(msg) - (size_t)n, fmt, ap);
	va_end(ap);
	if (n > (int)sizeof(msg) - 2)
		n = (int)sizeof(msg) - 2;
	(void)snprintf(msg + n, sizeof(msg) - (size_t)n, " at %s:%d\n", file, line);

	void (*hook)(const char *) = __atomic_load_n(&panic_hook, __ATOMIC_ACQUIRE);
	if (hook != NULL)
		hook(msg);
	/* The first to panic tells the story; a panic inside it just stops. */
	if (__atomic_exchange_n(&panicking, 1, __ATOMIC_ACQ_REL) == 0) {
		write_all(STDERR_FILENO, msg, strlen(msg));
		if (pthread_mutex_trylock(&log_lock) == 0) {
			log_store(LOG_WARNING, msg);
			(void)pthread_mutex_unlock(&log_lock);
		}
		const int depth = backtrace(frames, PANIC_FRAMES);
		backtrace_symbols_fd(frames, depth, STDERR_FILENO);
		if (log_fd >= 0)
			backtrace_symbols_fd(frames, depth, log_fd);
	}
	abort();
}

void
spl_debug_init(void)
{
	void *frame[1];

	(void)backtrace(frame, 1);
}
