/*
 * Inspection: all buffers of the target, and which of them are lost.
 *
 * A buffer is lost if no word reachable from the program holds an address inside of
 * it. Roots are all writable memory of the target that is not kmem's own (data,
 * stacks, thread-local storage, foreign heaps) and the registers of all threads;
 * from there the search goes on through every buffer found. It is conservative: a
 * number that looks like an address keeps a buffer alive, and a pointer kept in a
 * disguised form does not.
 *
 * kmem's own memory must not count, or its lists would keep everything alive: pages
 * of slabs (known from the page map) are searched only as buffers, the spans of
 * kmem's arenas and what is listed in kr_meta not at all.
 */
#include <stdlib.h>

#include "spl/kmem_inspect_impl.h"
#include "spl/vmem_impl.h"
#include "spl/bits.h"

#define CHUNK (1 << 20) /* bytes read at a time */
#define SPAN_LIMIT 10000000

/* ---- all buffers ---- */

typedef struct bufs {
	ki_buf_t *b;
	size_t count, size;
	uint32_t only;
} bufs_t;

static void
bufs_add(bufs_t *bs, const ki_buf_t *kb)
{
	if (bs->count == bs->size) {
		const size_t newsize = bs->size == 0 ? 1024 : bs->size * 2;
		ki_buf_t *fresh = kmem_alloc(newsize * sizeof(*fresh), KM_SLEEP);
		if (bs->size != 0) {
			memcpy(fresh, bs->b, bs->size * sizeof(*fresh));
			kmem_free(bs->b, bs->size * sizeof(*fresh));
		}
		bs->b = fresh;
		bs->size = newsize;
	}
	bs->b[bs->count++] = *kb;
}

static void
add_large_slab(kmem_inspect_t *ki, bufs_t *bs, const kmem_cache_t *cp, const kmem_slab_t *sp)
{
	const size_t bytes = sp->slab_chunks * cp->kc_bufctl_size;
	char *bcs = kmem_alloc(bytes, KM_SLEEP);

	if (kmem_inspect_read(ki, (uintptr_t)sp->slab_bufctls, bcs, bytes) == 0) {
		for (uint32_t i = 0; i < sp->slab_chunks; i++) {
			const kmem_bufctl_t *bcp =
			    (const kmem_bufctl_t *)(const void *)(bcs + i * cp->kc_bufctl_size);
			bufs_add(bs, &(ki_buf_t){
			    .kb_addr = (uintptr_t)sp->slab_base + i * cp->kc_chunksize +
				cp->kc_prefix,
			    .kb_size = cp->kc_bufsize,
			    .kb_bufctl = (uintptr_t)sp->slab_bufctls + i * cp->kc_bufctl_size,
			    .kb_cache = cp->kc_index, .kb_free = bcp->bc_state != BC_ALLOC });
		}
	}
	kmem_free(bcs, bytes);
}

static void
add_small_slab(kmem_inspect_t *ki, bufs_t *bs, const kmem_cache_t *cp, const kmem_slab_t *sp)
{
	const size_t first = bs->count;
	uintptr_t p = (uintptr_t)sp->slab_free;

	for (uint32_t i = 0; i < sp->slab_chunks; i++)
		bufs_add(bs, &(ki_buf_t){
		    .kb_addr = (uintptr_t)sp->slab_base + i * cp->kc_chunksize,
		    .kb_size = cp->kc_bufsize, .kb_cache = cp->kc_index });
	for (uint32_t n = 0; p != 0 && n < sp->slab_chunks; n++) {
		const size_t i = (p - (uintptr_t)sp->slab_base) / cp->kc_chunksize;
		if (i >= sp->slab_chunks)
			break;
		bs->b[first + i].kb_free = true;
		if (kmem_inspect_read(ki, p, &p, sizeof(p)) != 0)
			break;
	}
}

static void
add_slab(kmem_inspect_t *ki, bufs_t *bs, uintptr_t addr)
{
	kmem_slab_t s;
	kmem_cache_t c;

	if (kmem_inspect_read(ki, addr, &s, sizeof(s)) != 0 ||
	    ki_read_cache(ki, (uintptr_t)s.slab_cache, &c) != 0 ||
	    c.kc_cflags & KMC_INTERNAL || s.slab_chunks > c.kc_maxchunks ||
	    c.kc_chunksize == 0 || c.kc_maxchunks > (1 << 20))
		return;
	if (s.slab_bufctls != NULL)
		add_large_slab(ki, bs, &c, &s);
	else
		add_small_slab(ki, bs, &c, &s);
}

/* One leaf of the page map: slabs (each once) and large allocations. */
static void
add_leaf(kmem_inspect_t *ki, bufs_t *bs, uintptr_t leaf, uintptr_t base)
{
	const size_t words = CHUNK / sizeof(uint64_t);
	uint64_t *w = kmem_alloc(CHUNK, KM_SLEEP);
	uint64_t previous = 0;

	for (size_t at = 0; at < 1UL << PM_LEAFSHIFT; at += words) {
		if (kmem_inspect_read(ki, leaf + at * sizeof(*w), w, CHUNK) != 0)
			break;
		for (size_t i = 0; i < words; i++) {
			const uint32_t index = PM_INDEX(w[i]);
			if (w[i] == 0 || (bs->only != 0 && index != bs->only))
				continue;
			if (index == PM_LARGE)
				bufs_add(bs, &(ki_buf_t){ .kb_addr = base + ((at + i) << 12),
				    .kb_size = PM_VALUE(w[i]), .kb_cache = index });
			else if (index < KMEM_MAXCACHES && w[i] != previous)
				add_slab(ki, bs, PM_VALUE(w[i]));
			previous = w[i];
		}
	}
	kmem_free(w, CHUNK);
}

static int
compare_bufs(const void *a, const void *b)
{
	const ki_buf_t *x = a, *y = b;

	return (x->kb_addr < y->kb_addr ? -1 : x->kb_addr > y->kb_addr);
}

static ki_buf_t *
buf_at(const bufs_t *bs, uintptr_t addr)
{
	size_t lo = 0, hi = bs->count;

	while (lo < hi) {
		const size_t mid = (lo + hi) / 2;
		if (addr < bs->b[mid].kb_addr)
			hi = mid;
		else if (addr - bs->b[mid].kb_addr < bs->b[mid].kb_size)
			return (&bs->b[mid]);
		else
			lo = mid + 1;
	}
	return (NULL);
}

static void
mark_round(void *arg, uintptr_t obj)
{
	ki_buf_t *kb = buf_at(arg, obj);

	if (kb != NULL)
		kb->kb_free = true;
}

static int
all_bufs(kmem_inspect_t *ki, bufs_t *bs)
{
	const size_t bytes = PM_ROOTS * sizeof(uintptr_t);
	uintptr_t *roots = kmem_alloc(bytes, KM_SLEEP);
	kmem_cache_t c;
	uint64_t pops;

	if (kmem_inspect_read(ki, (uintptr_t)ki->ki_root.kr_pagemap, roots, bytes) != 0) {
		kmem_free(roots, bytes);
		return (EFAULT);
	}
	for (uintptr_t i = 0; i < PM_ROOTS; i++) {
		if (roots[i] != 0)
			add_leaf(ki, bs, roots[i], i << (PM_LEAFSHIFT + 12));
	}
	kmem_free(roots, bytes);
	qsort(bs->b, bs->count, sizeof(*bs->b), compare_bufs);
	for (uintptr_t a = (uintptr_t)ki->ki_root.kr_caches;
	    a != 0 && ki_read_cache(ki, a, &c) == 0; a = (uintptr_t)c.kc_next) {
		if (!(c.kc_cflags & (KMC_INTERNAL | KMC_NOTOUCH)))
			(void)ki_cache_rounds(ki, &c, mark_round, bs, &pops);
	}
	return (0);
}

int
ki_bufs(kmem_inspect_t *ki, uint32_t cache, ki_buf_t **bufs, size_t *count)
{
	bufs_t bs = { .only = cache };
	const int error = all_bufs(ki, &bs);

	if (error == 0) {
		/* Exactly sized, so that the caller can free it. */
		*bufs = kmem_alloc(bs.count * sizeof(**bufs), KM_SLEEP);
		if (bs.count != 0)
			memcpy(*bufs, bs.b, bs.count * sizeof(**bufs));
		*count = bs.count;
	}
	kmem_free(bs.b, bs.size * sizeof(*bs.b));
	return (error);
}

void
ki_bufs_free(ki_buf_t *bufs, size_t count)
{
	kmem_free(bufs, count * sizeof(*bufs));
}

/* ---- memory that is not searched ---- */

typedef struct range {
	uintptr_t start, end;
} range_t;

typedef struct ranges {
	range_t *r;
	size_t count, size;
} ranges_t;

static void
range_add(ranges_t *rs, uintptr_t start, uintptr_t end)
{
	if (rs->count == rs->size) {
		const size_t newsize = rs->size == 0 ? 256 : rs->size * 2;
		range_t *fresh = kmem_alloc(newsize * sizeof(*fresh), KM_SLEEP);
		if (rs->size != 0) {
			memcpy(fresh, rs->r, rs->size * sizeof(*fresh));
			kmem_free(rs->r, rs->size * sizeof(*fresh));
		}
		rs->r = fresh;
		rs->size = newsize;
	}
	rs->r[rs->count++] = (range_t){ start, end };
}

static int
compare_ranges(const void *a, const void *b)
{
	const range_t *x = a, *y = b;

	return (x->start < y->start ? -1 : x->start > y->start);
}

/* Spans of kmem's own arenas, and what it mapped besides. */
static void
own_ranges(kmem_inspect_t *ki, ranges_t *rs)
{
	uintptr_t vmp;
	vmem_t vm;

	if (kmem_inspect_read(ki, (uintptr_t)ki->ki_root.kr_arenas, &vmp, sizeof(vmp)) != 0)
		vmp = 0;
	for (; vmp != 0 && kmem_inspect_read(ki, vmp, &vm, sizeof(vm)) == 0;
	    vmp = (uintptr_t)vm.vm_next) {
		const uintptr_t head = vmp + offsetof(vmem_t, vm_seg0);
		uintptr_t at = (uintptr_t)vm.vm_seg0.vs_anext;
		vmem_seg_t seg;
		if (strncmp(vm.vm_name, "kmem_", 5) != 0)
			continue;
		for (int n = 0; at != head && n < SPAN_LIMIT &&
		    kmem_inspect_read(ki, at, &seg, sizeof(seg)) == 0; n++) {
			if (seg.vs_type == VS_SPAN)
				range_add(rs, seg.vs_start, seg.vs_end);
			at = (uintptr_t)seg.vs_anext;
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(ki->ki_root.kr_meta); i++) {
		if (ki->ki_root.kr_meta[i].start != 0)
			range_add(rs, ki->ki_root.kr_meta[i].start,
			    ki->ki_root.kr_meta[i].start + ki->ki_root.kr_meta[i].size);
	}
	/* Its tables of caches are no holders either (they hold no buffers anyway). */
	qsort(rs->r, rs->count, sizeof(*rs->r), compare_ranges);
}

/* ---- reachability ---- */

typedef struct search {
	kmem_inspect_t *ki;
	bufs_t bufs;
	ki_buf_t **todo; /* reached, contents not yet searched */
	size_t ntodo;
	uintptr_t lowest, highest;
} search_t;

static void
consider(search_t *s, uintptr_t word)
{
	if (word < s->lowest || word >= s->highest)
		return;
	ki_buf_t *kb = buf_at(&s->bufs, word);
	if (kb == NULL || kb->kb_marked || kb->kb_free)
		return;
	kb->kb_marked = true;
	s->todo[s->ntodo++] = kb;
}

static void
scan(search_t *s, uintptr_t start, uintptr_t end, uintptr_t *chunk)
{
	start = P2ROUNDUP(start, sizeof(uintptr_t));
	while (start + sizeof(uintptr_t) <= end) {
		size_t n = MIN(end - start, CHUNK);
		/* Holes (guard pages) fail as a whole: then page by page. */
		if (kmem_inspect_read(s->ki, start, chunk, n) != 0) {
			n = MIN(n, KMEM_PAGE - P2PHASE(start, KMEM_PAGE));
			if (kmem_inspect_read(s->ki, start, chunk, n) != 0) {
				start += n;
				continue;
			}
		}
		for (size_t i = 0; i < n / sizeof(uintptr_t); i++)
			consider(s, chunk[i]);
		start += n;
	}
}

static void
scan_roots(search_t *s, uintptr_t *chunk)
{
	kmem_inspect_t *ki = s->ki;
	ranges_t own = { 0 };

	own_ranges(ki, &own);
	for (size_t i = 0; i < ki->ki_nregs; i++)
		consider(s, ki->ki_regs[i]);
	for (size_t m = 0; m < ki->ki_nmaps; m++) {
		uintptr_t at = ki->ki_maps[m].km_start;
		const uintptr_t end = ki->ki_maps[m].km_end;
		if (!ki->ki_maps[m].km_write)
			continue;
		for (size_t r = 0; r < own.count && at < end; r++) {
			if (own.r[r].end <= at || own.r[r].start >= end)
				continue;
			if (own.r[r].start > at)
				scan(s, at, own.r[r].start, chunk);
			at = MAX(at, own.r[r].end);
		}
		if (at < end)
			scan(s, at, end, chunk);
	}
	kmem_free(own.r, own.size * sizeof(*own.r));
}

/* ---- telling ---- */

typedef struct leak {
	const ki_buf_t *kb;
	uint64_t hash; /* of cache and stack */
	kmem_audit_t audit;
} leak_t;

static int
compare_leaks(const void *a, const void *b)
{
	const leak_t *x = a, *y = b;

	return (x->hash < y->hash ? -1 : x->hash > y->hash);
}

static uint64_t
leak_hash(const leak_t *l)
{
	uint64_t h = l->kb->kb_cache;

	for (int i = 0; i < l->audit.ka_depth; i++)
		h = (h ^ l->audit.ka_stack[i]) * 0x9e3779b97f4a7c15ULL;
	return (h);
}

static const char *
cache_name(kmem_inspect_t *ki, uint32_t index, kmem_cache_t *c)
{
	for (uintptr_t a = (uintptr_t)ki->ki_root.kr_caches;
	    a != 0 && ki_read_cache(ki, a, c) == 0; a = (uintptr_t)c->kc_next) {
		if (c->kc_index == index)
			return (c->kc_name);
	}
	return ("kmem_oversize");
}

static void
print_leaks(search_t *s, leak_t *leaks, size_t count, FILE *out)
{
	uint64_t bytes = 0;
	kmem_cache_t c;

	(void)fprintf(out, "%-25s %8s %18s %s\n", "CACHE", "LEAKED", "BUFFER", "CALLER");
	for (size_t i = 0; i < count;) {
		size_t n = i;
		while (n < count && leaks[n].hash == leaks[i].hash)
			bytes += leaks[n++].kb->kb_size;
		(void)fprintf(out, "%-25s %8zu 0x%016" PRIxPTR "\n",
		    cache_name(s->ki, leaks[i].kb->kb_cache, &c), n - i, leaks[i].kb->kb_addr);
		for (int f = 0; f < leaks[i].audit.ka_depth; f++) {
			(void)fprintf(out, "    ");
			ki_print_pc(s->ki, out, leaks[i].audit.ka_stack[f]);
		}
		i = n;
	}
	(void)fprintf(out, "total: %zu buffers, %" PRIu64 " bytes leaked; %zu reachable\n",
	    count, bytes, s->bufs.count);
}

int
ki_findleaks(kmem_inspect_t *ki, FILE *out)
{
	search_t s = { .ki = ki };
	size_t count = 0, live = 0;
	int error = all_bufs(ki, &s.bufs);

	if (error != 0)
		return (error);
	const size_t total = s.bufs.count;
	if (total == 0) {
		(void)fprintf(out, "nothing is allocated\n");
		return (0);
	}
	s.lowest = s.bufs.b[0].kb_addr;
	s.highest = s.bufs.b[total - 1].kb_addr + s.bufs.b[total - 1].kb_size;
	s.todo = kmem_alloc(total * sizeof(*s.todo), KM_SLEEP);
	uintptr_t *chunk = kmem_alloc(CHUNK, KM_SLEEP);
	scan_roots(&s, chunk);
	while (s.ntodo > 0) {
		const ki_buf_t *kb = s.todo[--s.ntodo];
		scan(&s, kb->kb_addr, kb->kb_addr + kb->kb_size, chunk);
	}
	kmem_free(chunk, CHUNK);
	kmem_free(s.todo, total * sizeof(*s.todo));
	for (size_t i = 0; i < total; i++) {
		live += s.bufs.b[i].kb_marked;
		count += !s.bufs.b[i].kb_marked && !s.bufs.b[i].kb_free;
	}
	leak_t *leaks = kmem_zalloc(count * sizeof(*leaks), KM_SLEEP);
	size_t n = 0;
	for (size_t i = 0; i < total; i++) {
		const ki_buf_t *kb = &s.bufs.b[i];
		kmem_bufctl_t bc;
		if (kb->kb_marked || kb->kb_free)
			continue;
		leak_t *l = &leaks[n++];
		l->kb = kb;
		if (ki->ki_root.kr_flags & KMF_AUDIT && kb->kb_bufctl != 0 &&
		    kmem_inspect_read(ki, kb->kb_bufctl, &bc, sizeof(bc)) == 0) {
			l->audit = bc.bc_audit;
			l->audit.ka_depth = MIN(l->audit.ka_depth, KMEM_STACK);
		}
		l->hash = leak_hash(l);
	}
	if (count > 0)
		qsort(leaks, count, sizeof(*leaks), compare_leaks);
	const size_t all = s.bufs.size;
	s.bufs.count = live;
	print_leaks(&s, leaks, count, out);
	kmem_free(leaks, count * sizeof(*leaks));
	kmem_free(s.bufs.b, all * sizeof(*s.bufs.b));
	return (0);
}
