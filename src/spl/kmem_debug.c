/*
 * The diagnostic mode: what is written around buffers, and what is checked when.
 *
 * A chunk of a cache with checks:
 *
 *   | prefix | buffer, rounded up to 8 | boundary tag |
 *
 * prefix   KMEM_PREFIX_PATTERN; a write before the start of the buffer shows here
 *          (absent if the buffer's alignment is too large to afford it)
 * buffer   0xbaddcafe when allocated, 0xdeadbeef when free. Behind the size asked
 *          for one byte 0xbb, then again 0xbaddcafe: exact to the byte.
 * tag      0xfeedface and the size (times 251, plus 1: no filler looks like it),
 *          then the bufctl's address, plain and mixed with the state
 *
 * The truth about a buffer (state, size, history) is in its bufctl, away from the
 * buffers; a bufctl proves itself by a hash of its address and slab.
 *
 * Free checks, in an order that names the first cause: is it ours, of this cache,
 * the start of a buffer, the bufctl sound, not free already, prefix, redzone, tag,
 * size. Allocation checks that the free buffer is untouched. A slab that goes is
 * checked once more, so that the last free of a buffer is not forgotten.
 *
 * Caches in this mode have no magazines: each transaction comes here.
 */
#include <stdlib.h>

#include "spl/kmem_impl.h"
#include "spl/bits.h"
#include "spl/debug.h"

#define PREFIX_ALIGN_MAX 64

void
kmem_debug_layout(kmem_cache_t *cp)
{
	if (!(cp->kc_flags & KMF_CHECKED))
		return;
	if (cp->kc_flags & KMF_REDZONE && cp->kc_align <= PREFIX_ALIGN_MAX)
		cp->kc_prefix = MAX(cp->kc_align, 16);
	cp->kc_tag = cp->kc_prefix + P2ROUNDUP(cp->kc_bufsize, sizeof(uint64_t));
	const size_t tag = cp->kc_flags & KMF_REDZONE ? sizeof(kmem_buftag_t) : 0;
	cp->kc_chunksize = P2ROUNDUP(cp->kc_tag + tag, cp->kc_align);
}

static kmem_buftag_t *
buftag(const kmem_cache_t *cp, const void *buf)
{
	return ((kmem_buftag_t *)((uintptr_t)buf - cp->kc_prefix + cp->kc_tag));
}

static void
fill(void *buf, uint64_t pattern, size_t size)
{
	uint64_t *p = buf;

	for (size_t i = 0; i < size / sizeof(*p); i++)
		p[i] = pattern;
}

/* The first word that is not the pattern, or NULL. */
static const uint64_t *
differs(const void *buf, uint64_t pattern, size_t size)
{
	const uint64_t *p = buf;

	for (size_t i = 0; i < size / sizeof(*p); i++) {
		if (p[i] != pattern)
			return (&p[i]);
	}
	return (NULL);
}

static bool
bufctl_sound(const kmem_bufctl_t *bcp, const kmem_slab_t *sp, const void *buf)
{
	const uint64_t x = ((uintptr_t)buf ^ ((uintptr_t)sp << 7)) * 0x9e3779b97f4a7c15ULL;

	return (bcp->bc_addr == buf && bcp->bc_slab == sp &&
	    bcp->bc_check == (uint32_t)(x >> 32) &&
	    (bcp->bc_state == BC_FREE || bcp->bc_state == BC_ALLOC));
}

static void
tag_set(kmem_cache_t *cp, void *buf, kmem_bufctl_t *bcp, uint32_t state, size_t size)
{
	kmem_buftag_t *btp = buftag(cp, buf);

	if (!(cp->kc_flags & KMF_REDZONE))
		return;
	btp->bt_redzone = KMEM_REDZONE;
	btp->bt_size = KMEM_SIZE_ENCODE(size);
	btp->bt_bufctl = (uintptr_t)bcp;
	btp->bt_bxstat = (uintptr_t)bcp ^ state;
}

void
kmem_debug_slab_init(kmem_slab_t *sp)
{
	kmem_cache_t *cp = sp->slab_cache;

	for (uint32_t i = 0; i < sp->slab_chunks; i++) {
		char *buf = sp->slab_base + i * cp->kc_chunksize + cp->kc_prefix;
		fill(buf - cp->kc_prefix, KMEM_PREFIX_PATTERN, cp->kc_prefix);
		if (cp->kc_flags & KMF_DEADBEEF)
			fill(buf, KMEM_FREE_PATTERN, cp->kc_tag - cp->kc_prefix);
		tag_set(cp, buf, kmem_slab_bufctl(sp, buf), BC_FREE, 0);
	}
}

/* ---- checks; each reports and returns false, or is silent and returns true ---- */

static kmem_err_t
err_for(kmem_errkind_t kind, kmem_slab_t *sp, void *buf)
{
	return ((kmem_err_t){ .e_kind = kind, .e_cache = sp->slab_cache, .e_buf = buf,
	    .e_slab = sp, .e_bufctl = kmem_slab_bufctl(sp, buf) });
}

static bool
check_free_pattern(kmem_slab_t *sp, void *buf)
{
	const kmem_cache_t *cp = sp->slab_cache;
	const size_t size = cp->kc_tag - cp->kc_prefix;
	const uint64_t *bad;

	if (!(cp->kc_flags & KMF_DEADBEEF) ||
	    (bad = differs(buf, KMEM_FREE_PATTERN, size)) == NULL)
		return (true);
	kmem_err_t e = err_for(KMERR_MODIFIED, sp, buf);
	e.e_offset = (size_t)((const char *)bad - (const char *)buf);
	e.e_expect = KMEM_FREE_PATTERN;
	e.e_found = *bad;
	kmem_error(&e);
	return (false);
}

static bool
check_bufctl(kmem_slab_t *sp, void *buf)
{
	if (bufctl_sound(kmem_slab_bufctl(sp, buf), sp, buf))
		return (true);
	const kmem_err_t e = err_for(KMERR_BUFCTL, sp, buf);
	kmem_error(&e);
	return (false);
}

static bool
check_prefix(kmem_slab_t *sp, void *buf)
{
	const kmem_cache_t *cp = sp->slab_cache;
	const char *prefix = (char *)buf - cp->kc_prefix;
	const uint64_t *bad = differs(prefix, KMEM_PREFIX_PATTERN, cp->kc_prefix);

	if (bad == NULL)
		return (true);
	kmem_err_t e = err_for(KMERR_BUFTAG, sp, buf);
	e.e_offset = (size_t)((const char *)bad - (const char *)buf);
	e.e_expect = KMEM_PREFIX_PATTERN;
	e.e_found = *bad;
	kmem_error(&e);
	return (false);
}

/* From the end of the size asked for to the end of the redzone word. */
static bool
check_redzone(kmem_slab_t *sp, void *buf, size_t size)
{
	const kmem_cache_t *cp = sp->slab_cache;
	const kmem_buftag_t *btp = buftag(cp, buf);
	const uint8_t *p = buf, *end = (const uint8_t *)btp;
	const uint64_t filler = KMEM_UNINIT_PATTERN;
	kmem_err_t e = err_for(KMERR_REDZONE, sp, buf);

	for (const uint8_t *q = p + size; q < end; q++) {
		const size_t at = (size_t)(q - p);
		const uint8_t want =
		    at == size ? KMEM_REDZONE_BYTE : ((const uint8_t *)&filler)[at % 8];
		if (*q != want) {
			e.e_offset = at;
			e.e_expect = want;
			e.e_found = *q;
			kmem_error(&e);
			return (false);
		}
	}
	if (btp->bt_redzone != KMEM_REDZONE || btp->bt_size != KMEM_SIZE_ENCODE(size)) {
		e.e_offset = (size_t)(end - p);
		e.e_expect = KMEM_REDZONE | (uint64_t)KMEM_SIZE_ENCODE(size) << 32;
		memcpy(&e.e_found, btp, sizeof(e.e_found));
		kmem_error(&e);
		return (false);
	}
	return (true);
}

static bool
check_tag(kmem_slab_t *sp, void *buf, uint32_t state)
{
	const kmem_buftag_t *btp = buftag(sp->slab_cache, buf);
	const kmem_bufctl_t *bcp = kmem_slab_bufctl(sp, buf);

	if (btp->bt_bufctl == (uintptr_t)bcp && btp->bt_bxstat == ((uintptr_t)bcp ^ state))
		return (true);
	kmem_err_t e = err_for(KMERR_BUFTAG, sp, buf);
	e.e_offset = (size_t)((const char *)&btp->bt_bufctl - (const char *)buf);
	e.e_expect = (uintptr_t)bcp ^ state;
	e.e_found = btp->bt_bxstat;
	kmem_error(&e);
	return (false);
}

/* ---- allocation ---- */

/* Should this allocation fail on purpose? */
bool
kmem_inject_failure(kmem_cache_t *cp, int kmflags)
{
	static uint64_t count;

	if (!(kmflags & KM_NOSLEEP) || kmem_root.kr_mtbf == 0)
		return (false);
	if (kmem_root.kr_mtbf_func[0] != '\0' &&
	    !kmem_stack_has(kmem_root.kr_mtbf_func))
		return (false);
	return (atomic_inc_64(&count) % kmem_root.kr_mtbf == 0);
}

void *
kmem_debug_alloc(kmem_cache_t *cp, size_t size, int kmflags)
{
	void *buf;

	if (cp->kc_flags & KMF_MTBF && kmem_inject_failure(cp, kmflags))
		return (NULL);
	if (cp->kc_flags & KMF_FIREWALL && size >= kmem_root.kr_firewall)
		return (kmem_guard_alloc(cp, size, kmflags));
	if (kmem_slab_alloc(cp, &buf, 1, kmflags) == 0)
		return (NULL);
	kmem_slab_t *sp = kmem_slab_find(cp, buf);
	kmem_bufctl_t *bcp = kmem_slab_bufctl(sp, buf);
	if (cp->kc_flags & KMF_CHECKED) {
		(void)check_bufctl(sp, buf);
		(void)check_free_pattern(sp, buf);
		bcp->bc_size = size;
	}
	if (cp->kc_flags & KMF_REDZONE) {
		(void)check_prefix(sp, buf);
		(void)check_tag(sp, buf, BC_FREE);
		fill((char *)buf - cp->kc_prefix, KMEM_PREFIX_PATTERN, cp->kc_prefix);
	}
	if (cp->kc_flags & (KMF_DEADBEEF | KMF_REDZONE))
		fill(buf, KMEM_UNINIT_PATTERN, cp->kc_tag - cp->kc_prefix);
	if (cp->kc_flags & KMF_REDZONE) {
		if (size < cp->kc_tag - cp->kc_prefix)
			((uint8_t *)buf)[size] = KMEM_REDZONE_BYTE;
		tag_set(cp, buf, bcp, BC_ALLOC, size);
	}
	if (cp->kc_flags & KMF_AUDIT) {
		bcp->bc_prev = bcp->bc_audit;
		kmem_audit_note(&bcp->bc_audit, KMEM_TX_ALLOC);
	}
	if (cp->kc_constructor != NULL && cp->kc_constructor(buf, cp->kc_arg, kmflags) != 0) {
		if (cp->kc_flags & KMF_DEADBEEF)
			fill(buf, KMEM_FREE_PATTERN, cp->kc_tag - cp->kc_prefix);
		tag_set(cp, buf, bcp, BC_FREE, 0);
		kmem_slab_free(cp, buf);
		return (NULL);
	}
	return (buf);
}

/* ---- free ---- */

/* Which buffer is this, and may it be freed into cp? Reports what is wrong. */
static kmem_slab_t *
identify(kmem_cache_t *cp, void *buf)
{
	kmem_slab_t *sp = kmem_slab_find(cp, buf);
	void *start = sp != NULL ? kmem_slab_chunk(sp, buf) : NULL;
	kmem_err_t e = { .e_cache = cp, .e_buf = buf };

	if (start == NULL) {
		e.e_kind = KMERR_BADADDR;
	} else if (start != buf) {
		e = err_for(KMERR_BADBASE, sp, start);
		e.e_a = (uintptr_t)buf;
		e.e_b = (uintptr_t)start;
	} else if (sp->slab_cache != cp) {
		e = err_for(KMERR_BADCACHE, sp, buf);
		e.e_realcache = sp->slab_cache;
		e.e_cache = cp;
	} else {
		return (sp);
	}
	kmem_error(&e);
	return (NULL);
}

static void
save_contents(kmem_cache_t *cp, kmem_bufctl_t *bcp, const void *buf)
{
	const size_t size = MIN(cp->kc_bufsize, kmem_root.kr_contents);

	if (bcp->bc_contents == NULL)
		bcp->bc_contents = kmem_meta_alloc(size);
	if (bcp->bc_contents != NULL)
		memcpy(bcp->bc_contents, buf, size);
}

/* `sized`: the caller claims the size (kmem_free); else it is the cache's. */
void
kmem_debug_free(kmem_cache_t *cp, void *buf, size_t size, bool sized)
{
	kmem_slab_t *sp = kmem_slab_find(cp, buf);

	/* A wrong size leads to a wrong class: then the size is what to complain of. */
	if (sized && sp != NULL && sp->slab_cache != cp &&
	    sp->slab_cache->kc_cflags & KMC_ALLOC && kmem_slab_chunk(sp, buf) == buf)
		cp = sp->slab_cache;
	if ((sp = identify(cp, buf)) == NULL)
		return;
	if (!(cp->kc_flags & KMF_CHECKED)) {
		if (cp->kc_destructor != NULL)
			cp->kc_destructor(buf, cp->kc_arg);
		kmem_slab_free(cp, buf);
		return;
	}
	kmem_bufctl_t *bcp = kmem_slab_bufctl(sp, buf);
	if (!check_bufctl(sp, buf))
		return;
	if (bcp->bc_state == BC_FREE) {
		const kmem_err_t e = err_for(KMERR_DUPFREE, sp, buf);
		kmem_error(&e);
		return;
	}
	if (cp->kc_flags & KMF_REDZONE) {
		/* The tag as a whole is behind the redzone: look from inside out. */
		if (check_prefix(sp, buf) && check_redzone(sp, buf, bcp->bc_size))
			(void)check_tag(sp, buf, BC_ALLOC);
	}
	if (sized && size != bcp->bc_size) {
		kmem_err_t e = err_for(KMERR_BADSIZE, sp, buf);
		e.e_a = size;
		e.e_b = bcp->bc_size;
		kmem_error(&e);
	}
	if (cp->kc_destructor != NULL)
		cp->kc_destructor(buf, cp->kc_arg);
	if (cp->kc_flags & KMF_CONTENTS)
		save_contents(cp, bcp, buf);
	if (cp->kc_flags & KMF_AUDIT) {
		bcp->bc_prev = bcp->bc_audit;
		kmem_audit_note(&bcp->bc_audit, KMEM_TX_FREE);
	}
	if (cp->kc_flags & KMF_DEADBEEF)
		fill(buf, KMEM_FREE_PATTERN, cp->kc_tag - cp->kc_prefix);
	fill((char *)buf - cp->kc_prefix, KMEM_PREFIX_PATTERN, cp->kc_prefix);
	tag_set(cp, buf, bcp, BC_FREE, 0);
	kmem_slab_free(cp, buf);
}

/* Before a slab goes: its buffers are free; are they untouched? */
bool
kmem_debug_slab_check(kmem_slab_t *sp)
{
	kmem_cache_t *cp = sp->slab_cache;
	bool ok = true;

	for (uint32_t i = 0; i < sp->slab_chunks; i++) {
		char *buf = sp->slab_base + i * cp->kc_chunksize + cp->kc_prefix;
		kmem_bufctl_t *bcp = kmem_slab_bufctl(sp, buf);
		ok = check_bufctl(sp, buf) && check_free_pattern(sp, buf) && ok;
		if (bcp->bc_contents != NULL)
			kmem_meta_free(bcp->bc_contents,
			    MIN(cp->kc_bufsize, kmem_root.kr_contents));
		bcp->bc_contents = NULL;
	}
	return (ok);
}

/* The size that was asked for (malloc needs it for realloc); the class's if unknown. */
size_t
kmem_debug_size(const void *buf)
{
	kmem_slab_t *sp = kmem_slab_find(NULL, buf);

	if (sp == NULL)
		return (0);
	return (sp->slab_cache->kc_flags & KMF_CHECKED ?
	    kmem_slab_bufctl(sp, buf)->bc_size : sp->slab_cache->kc_bufsize);
}

/* A cache goes although objects are out: report each (the first few) and its stack. */
void
kmem_debug_leaks(kmem_cache_t *cp)
{
	list_t *lists[] = { &cp->kc_partial, &cp->kc_full };
	int told = 0;

	if (kmem_root.kr_delegate || !(cp->kc_flags & KMF_CHECKED) ||
	    cp->kc_slab_inuse == 0) {
		kmem_error(&(kmem_err_t){ .e_kind = KMERR_LEAK, .e_cache = cp,
		    .e_a = cp->kc_slab_inuse + cp->kc_guarded });
		return;
	}
	for (size_t l = 0; l < ARRAY_SIZE(lists); l++) {
		for (kmem_slab_t *sp = list_head(lists[l]); sp != NULL && told < 16;
		    sp = list_next(lists[l], sp)) {
			for (uint32_t i = 0; i < sp->slab_chunks && told < 16; i++) {
				void *buf = sp->slab_base + i * cp->kc_chunksize +
				    cp->kc_prefix;
				if (kmem_slab_bufctl(sp, buf)->bc_state != BC_ALLOC)
					continue;
				kmem_err_t e = err_for(KMERR_LEAK, sp, buf);
				e.e_a = cp->kc_slab_inuse;
				e.e_b = (uint64_t)++told;
				kmem_error(&e);
			}
		}
	}
}
