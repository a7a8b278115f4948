/* Inspection: the commands (see kmem_inspect.h), all but the search for leaks. */
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>

#include "spl/kmem_inspect_impl.h"
#include "spl/bits.h"
#include "spl/clock.h"
#include "spl/symbolize.h"

/* ---- zprint ---- */

static int
cmd_zprint(kmem_inspect_t *ki, FILE *out)
{
	uintptr_t addr = (uintptr_t)ki->ki_root.kr_caches;
	kmem_cache_t c;

	(void)fprintf(out, "%-18s %10s %9s %9s %8s %8s %17s %17s NAME\n", "ZONE", "COUNT",
	    "TOT_SZ", "MAX_SZ", "ELT_SZ", "ALLOC_SZ", "TOT_ALLOC", "TOT_FREE");
	for (int n = 0; addr != 0 && n < KMEM_MAXCACHES; n++) {
		uint64_t pops;
		if (ki_read_cache(ki, addr, &c) != 0)
			return (EFAULT);
		const uint64_t rounds = (uint64_t)ki_cache_rounds(ki, &c, NULL, NULL, &pops);
		const uint64_t count =
		    c.kc_slab_inuse - MIN(rounds, c.kc_slab_inuse) + c.kc_guarded;
		const uint64_t allocs = c.kc_cflags & (KMC_NOMAGAZINE | KMC_INTERNAL) ?
		    c.kc_slab_alloc : c.kc_pops + pops + c.kc_direct;
		const uint64_t per_slab = c.kc_maxchunks != 0 ? c.kc_maxchunks : 1;
		(void)fprintf(out, "0x%016" PRIxPTR " %10" PRIu64 " %9" PRIx64 " %9" PRIx64
		    " %8zu %8zx %17" PRIu64 " %17" PRIu64 " %s\n", addr, count,
		    c.kc_slab_count * c.kc_slabsize,
		    c.kc_buftotal_max / per_slab * c.kc_slabsize, c.kc_bufsize, c.kc_slabsize,
		    allocs, allocs - MIN(count, allocs), c.kc_name);
		addr = (uintptr_t)c.kc_next;
	}
	return (0);
}

/* ---- the transaction log ---- */

typedef struct ki_log {
	kmem_zrecord_t *records; /* oldest first */
	size_t count, size;
	uint64_t first; /* number of the first */
} ki_log_t;

static int
log_read(kmem_inspect_t *ki, const char *cache, ki_log_t *log, FILE *err)
{
	uintptr_t addr = (uintptr_t)ki->ki_root.kr_log;
	kmem_cache_t c;
	kmem_zlog_t zl;

	if (cache != NULL) {
		if (ki_find_cache(ki, cache, &c) == 0) {
			(void)fprintf(err, "no cache '%s'\n", cache);
			return (ENOENT);
		}
		addr = (uintptr_t)c.kc_log;
	}
	/* Without a name: the log of everything, or else the only cache that has one. */
	for (uintptr_t a = (uintptr_t)ki->ki_root.kr_caches; addr == 0 && cache == NULL &&
	    a != 0 && ki_read_cache(ki, a, &c) == 0; a = (uintptr_t)c.kc_next)
		addr = (uintptr_t)c.kc_log;
	if (addr == 0 || kmem_inspect_read(ki, addr, &zl, sizeof(zl)) != 0 ||
	    zl.zl_size == 0 || zl.zl_size > (1 << 24)) {
		(void)fprintf(err, "no transactions are logged: use log CACHE on\n");
		return (ENOENT);
	}
	const uint64_t n = MIN(zl.zl_next, zl.zl_size);
	log->first = zl.zl_next - n;
	log->size = MAX(n, 1);
	log->records = kmem_alloc(log->size * sizeof(*log->records), KM_SLEEP);
	log->count = 0;
	for (uint64_t i = 0; i < n; i++) {
		const uint64_t slot = (log->first + i) % zl.zl_size;
		kmem_zrecord_t *zr = &log->records[log->count];
		if (kmem_inspect_read(ki, addr + sizeof(zl) + slot * sizeof(*zr), zr,
			sizeof(*zr)) != 0 || zr->zr_seq != log->first + i + 1)
			continue; /* was being written */
		zr->zr_audit.ka_depth = MIN(zr->zr_audit.ka_depth, KMEM_STACK);
		log->count++;
	}
	return (0);
}

static void
log_free(ki_log_t *log)
{
	kmem_free(log->records, log->size * sizeof(*log->records));
}

static void
print_record(kmem_inspect_t *ki, FILE *out, const kmem_zrecord_t *zr)
{
	(void)fprintf(out, "\n--------------- %s  %p : index %" PRIu64 "  :  ztime %" PRId64
	    " -------------\n", zr->zr_audit.ka_kind == KMEM_TX_ALLOC ? "ALLOC" : "FREE ",
	    zr->zr_buf, zr->zr_seq - 1, (int64_t)zr->zr_audit.ka_time);
	for (int i = 0; i < zr->zr_audit.ka_depth; i++)
		ki_print_pc(ki, out, zr->zr_audit.ka_stack[i]);
}

static int
cmd_findoldest(kmem_inspect_t *ki, const char *cache, FILE *out, FILE *err)
{
	ki_log_t log;
	const int error = log_read(ki, cache, &log, err);

	if (error != 0)
		return (error);
	for (size_t i = 0; i < log.count; i++) {
		const kmem_zrecord_t *zr = &log.records[i];
		bool freed = zr->zr_audit.ka_kind != KMEM_TX_ALLOC;
		for (size_t j = i + 1; j < log.count && !freed; j++)
			freed = log.records[j].zr_buf == zr->zr_buf;
		if (freed)
			continue;
		(void)fprintf(
		    out, "oldest record is at log index %" PRIu64 ":\n", zr->zr_seq - 1);
		print_record(ki, out, zr);
		log_free(&log);
		return (0);
	}
	(void)fprintf(out, "everything allocated in the log was freed\n");
	log_free(&log);
	return (0);
}

static int
cmd_zstack(kmem_inspect_t *ki, const char *index, const char *cache, FILE *out, FILE *err)
{
	const uint64_t n = strtoull(index, NULL, 0);
	ki_log_t log;
	int error = log_read(ki, cache, &log, err);

	if (error != 0)
		return (error);
	error = ENOENT;
	for (size_t i = 0; i < log.count && error != 0; i++) {
		if (log.records[i].zr_seq - 1 == n) {
			print_record(ki, out, &log.records[i]);
			error = 0;
		}
	}
	if (error != 0)
		(void)fprintf(err, "the log has no record %" PRIu64 " (any more)\n", n);
	log_free(&log);
	return (error);
}

/* Symbol look-ups are slow, programs' stacks few: remember the answers. */
typedef struct pc_memo {
	uintptr_t pc;
	bool in;
} pc_memo_t;

static bool
pc_in_memo(kmem_inspect_t *ki, uintptr_t pc, const char *function, pc_memo_t *memo)
{
	pc_memo_t *m = &memo[pc * 0x9e3779b97f4a7c15ULL >> 52];

	if (m->pc != pc) {
		m->in = ki_pc_in(ki, pc, function);
		m->pc = pc;
	}
	return (m->in);
}

static int
cmd_countpcs(kmem_inspect_t *ki, const char *what, const char *cache, FILE *out, FILE *err)
{
	char *end;
	const uintptr_t pc = strtoull(what, &end, 16);
	const bool by_address = *end == '\0' && strncmp(what, "0x", 2) == 0;
	const size_t memo_size = 4096 * sizeof(pc_memo_t);
	ki_log_t log;
	size_t hits = 0;
	const int error = log_read(ki, cache, &log, err);

	if (error != 0)
		return (error);
	pc_memo_t *memo = kmem_zalloc(memo_size, KM_SLEEP);
	for (size_t i = 0; i < log.count; i++) {
		const kmem_audit_t *ka = &log.records[i].zr_audit;
		bool hit = false;
		for (int f = 0; f < ka->ka_depth && !hit; f++)
			hit = by_address ? ka->ka_stack[f] == pc :
			    pc_in_memo(ki, ka->ka_stack[f], what, memo);
		hits += hit;
	}
	(void)fprintf(out, "occurred %zu times in log (%zu%% of records)\n", hits,
	    log.count != 0 ? hits * 100 / log.count : 0);
	kmem_free(memo, memo_size);
	log_free(&log);
	return (0);
}

static int
cmd_log(kmem_inspect_t *ki, const char *cache, const char *onoff, FILE *out, FILE *err)
{
	const uint32_t want = strcmp(onoff, "on") == 0;
	kmem_cache_t c;

	if (!want && strcmp(onoff, "off") != 0)
		return (EINVAL);
	const uintptr_t addr = ki_find_cache(ki, cache, &c);
	if (addr == 0) {
		(void)fprintf(err, "no cache '%s'\n", cache);
		return (ENOENT);
	}
	if (ki->ki_pid == 0) {
		(void)fprintf(err, "a core file cannot begin to log\n");
		return (EROFS);
	}
	struct iovec local = { (void *)(uintptr_t)&want, sizeof(want) };
	struct iovec remote = {
		(void *)(addr + offsetof(kmem_cache_t, kc_log_want)), sizeof(want) };
	if (process_vm_writev(ki->ki_pid, &local, 1, &remote, 1, 0) != sizeof(want))
		return (errno);
	(void)fprintf(out, "%s: logging turns %s within a second of activity\n", cache, onoff);
	return (0);
}

/* ---- buffers ---- */

static void
print_audit(kmem_inspect_t *ki, FILE *out, const char *title, const kmem_audit_t *ka)
{
	const hrtime_t ago = gethrtime() - ka->ka_time;

	if (ka->ka_kind == KMEM_TX_NONE)
		return;
	(void)fprintf(out, "%s: %s thread=%d", title,
	    ka->ka_kind == KMEM_TX_ALLOC ? "allocated" : "freed", ka->ka_thread);
	if (ki->ki_pid != 0)
		(void)fprintf(out, " time=T-%lld.%09lld", ago / NANOSEC, ago % NANOSEC);
	(void)fputc('\n', out);
	for (int i = 0; i < MIN(ka->ka_depth, KMEM_STACK); i++)
		ki_print_pc(ki, out, ka->ka_stack[i]);
}

static int
find_buf(kmem_inspect_t *ki, uintptr_t addr, ki_buf_t *found, bool by_bufctl)
{
	ki_buf_t *bufs;
	size_t count;
	int error = ki_bufs(ki, 0, &bufs, &count);

	if (error != 0)
		return (error);
	error = ENOENT;
	for (size_t i = 0; i < count && error != 0; i++) {
		if (addr - bufs[i].kb_addr < bufs[i].kb_size ||
		    (by_bufctl && bufs[i].kb_bufctl == addr)) {
			*found = bufs[i];
			error = 0;
		}
	}
	ki_bufs_free(bufs, count);
	return (error);
}

static uintptr_t
cache_by_index(kmem_inspect_t *ki, uint32_t index, kmem_cache_t *c)
{
	for (uintptr_t a = (uintptr_t)ki->ki_root.kr_caches;
	    a != 0 && ki_read_cache(ki, a, c) == 0; a = (uintptr_t)c->kc_next) {
		if (c->kc_index == index)
			return (a);
	}
	(void)snprintf(c->kc_name, sizeof(c->kc_name), "kmem_oversize");
	return (0);
}

static int
cmd_whatis(kmem_inspect_t *ki, const char *text, FILE *out)
{
	const uintptr_t addr = strtoull(text, NULL, 16);
	const ki_map_t *km = ki_map_at(ki, addr);
	kmem_cache_t c;
	ki_buf_t kb;

	if (find_buf(ki, addr, &kb, true) == 0) {
		(void)cache_by_index(ki, kb.kb_cache, &c);
		(void)fprintf(out, "0x%" PRIxPTR " is 0x%" PRIxPTR "+%" PRIxPTR
		    ", bufctl 0x%" PRIxPTR " %s %s\n", addr, kb.kb_addr, addr - kb.kb_addr,
		    kb.kb_bufctl, kb.kb_free ? "freed from" : "allocated from", c.kc_name);
	} else if (km != NULL && km->km_path[0] != '\0') {
		(void)fprintf(out, "0x%" PRIxPTR " is in %s", addr, km->km_path);
		ki_print_pc(ki, out, addr + 1);
	} else if (km != NULL) {
		(void)fprintf(out, "0x%" PRIxPTR " is in anonymous memory 0x%" PRIxPTR
		    "-0x%" PRIxPTR ", no buffer of kmem\n", addr, km->km_start, km->km_end);
	} else {
		(void)fprintf(out, "0x%" PRIxPTR " is unknown: nothing is mapped there\n", addr);
	}
	return (0);
}

static int
cmd_bufctl(kmem_inspect_t *ki, const char *text, FILE *out, FILE *err)
{
	const uintptr_t addr = strtoull(text, NULL, 16);
	kmem_bufctl_t bc;
	kmem_cache_t c;
	ki_buf_t kb;

	if (find_buf(ki, addr, &kb, true) != 0 || kb.kb_bufctl == 0) {
		(void)fprintf(err, "%s: no buffer with a bufctl\n", text);
		return (ENOENT);
	}
	(void)cache_by_index(ki, kb.kb_cache, &c);
	(void)fprintf(out, "bufctl 0x%" PRIxPTR "  buffer 0x%" PRIxPTR "  %s  cache: %s\n",
	    kb.kb_bufctl, kb.kb_addr, kb.kb_free ? "free" : "allocated", c.kc_name);
	if (c.kc_bufctl_size != sizeof(bc))
		return (0);
	if (kmem_inspect_read(ki, kb.kb_bufctl, &bc, sizeof(bc)) != 0)
		return (EFAULT);
	(void)fprintf(out, "size asked for: %zu\n", bc.bc_size);
	print_audit(ki, out, "last transaction", &bc.bc_audit);
	print_audit(ki, out, "the one before", &bc.bc_prev);
	return (0);
}

static int
cmd_walk(kmem_inspect_t *ki, const char *cache, FILE *out, FILE *err)
{
	kmem_cache_t c;
	ki_buf_t *bufs;
	size_t count;

	if (ki_find_cache(ki, cache, &c) == 0) {
		(void)fprintf(err, "no cache '%s'\n", cache);
		return (ENOENT);
	}
	const int error = ki_bufs(ki, c.kc_index, &bufs, &count);
	if (error != 0)
		return (error);
	for (size_t i = 0; i < count; i++) {
		if (!bufs[i].kb_free)
			(void)fprintf(out, "0x%016" PRIxPTR "\n", bufs[i].kb_addr);
	}
	ki_bufs_free(bufs, count);
	return (0);
}

/* ---- the command line ---- */

int
kmem_inspect_run(kmem_inspect_t *ki, int argc, char **argv, FILE *out, FILE *err)
{
	const char *cmd = argc > 0 ? argv[0] : "";
	const char *arg = argc > 1 ? argv[1] : NULL;
	const char *arg2 = argc > 2 ? argv[2] : NULL;

	if (strcmp(cmd, "zprint") == 0 && argc == 1)
		return (cmd_zprint(ki, out));
	if (strcmp(cmd, "log") == 0 && argc == 3)
		return (cmd_log(ki, arg, arg2, out, err));
	if (strcmp(cmd, "findoldest") == 0 && argc <= 2)
		return (cmd_findoldest(ki, arg, out, err));
	if (strcmp(cmd, "zstack") == 0 && (argc == 2 || argc == 3))
		return (cmd_zstack(ki, arg, arg2, out, err));
	if (strcmp(cmd, "countpcs") == 0 && (argc == 2 || argc == 3))
		return (cmd_countpcs(ki, arg, arg2, out, err));
	if (strcmp(cmd, "findleaks") == 0 && argc == 1)
		return (ki_findleaks(ki, out));
	if (strcmp(cmd, "whatis") == 0 && argc == 2)
		return (cmd_whatis(ki, arg, out));
	if (strcmp(cmd, "bufctl") == 0 && argc == 2)
		return (cmd_bufctl(ki, arg, out, err));
	if (strcmp(cmd, "walk") == 0 && argc == 2)
		return (cmd_walk(ki, arg, out, err));
	return (EINVAL);
}

int
kmem_inspect_main(int argc, char **argv, FILE *out, FILE *err)
{
	kmem_inspect_t *ki;
	char *end;
	int error;

	if (argc < 2) {
		(void)fprintf(err, "usage: PID|CORE zprint | log CACHE on|off | "
		    "findoldest [CACHE] | zstack N [CACHE] | countpcs PC|FUNCTION [CACHE] | "
		    "findleaks | whatis ADDR | bufctl ADDR | walk CACHE\n");
		return (2);
	}
	const long pid = strtol(argv[0], &end, 10);
	error = *end == '\0' && pid > 0 ? kmem_inspect_pid((pid_t)pid, &ki) :
	    kmem_inspect_core(argv[0], &ki);
	if (error != 0) {
		(void)fprintf(err, "cannot inspect %s: %s\n", argv[0],
		    error == ENOENT ? "no kmem found in it" :
		    error == EPROTO ? "its kmem is of another version" : strerror(error));
		return (1);
	}
	error = kmem_inspect_run(ki, argc - 1, argv + 1, out, err);
	kmem_inspect_close(ki);
	if (error == EINVAL)
		(void)fprintf(err, "wrong command or arguments: %s\n", argv[1]);
	return (error == 0 ? 0 : error == EINVAL ? 2 : 1);
}
