/* Creation and destruction of caches, their registry, and the start of kmem. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "spl/kmem_impl.h"
#include "spl/vmem_impl.h"
#include "spl/bits.h"
#include "spl/debug.h"

kmem_root_t kmem_root = { .kr_magic = KMEM_ROOT_MAGIC, .kr_version = KMEM_ROOT_VERSION,
	.kr_cache_size = sizeof(struct kmem_cache), .kr_panic = 1 };
vmem_t *kmem_default_arena, *kmem_meta_arena, *kmem_metapage_arena;
kmem_cache_t *kmem_by_index[KMEM_MAXCACHES];
kmem_cpu_t *kmem_cpu_by_index[KMEM_MAXCACHES];
kmutex_t kmem_caches_lock = MUTEX_INITIALIZER;

#define DEFAULT_KEEP (4 * VMEM_IMPORT_DEFAULT) /* idle spans kept until the reaper comes */

void *
kmem_meta_alloc(size_t size)
{
	return (vmem_alloc(kmem_meta_arena, size, VM_NOSLEEP));
}

void
kmem_meta_free(void *p, size_t size)
{
	vmem_free(kmem_meta_arena, p, size);
}

static kmutex_t own_lock = MUTEX_INITIALIZER;

static void
own_note(uintptr_t from, uintptr_t to, size_t size)
{
	mutex_enter(&own_lock);
	for (size_t i = 0; i < ARRAY_SIZE(kmem_root.kr_meta); i++) {
		if (kmem_root.kr_meta[i].start == from) {
			kmem_root.kr_meta[i].start = to;
			kmem_root.kr_meta[i].size = size;
			break;
		}
	}
	mutex_exit(&own_lock);
}

void *
kmem_own_map(size_t size)
{
	void *p = vmem_os_map(size);

	if (p != NULL)
		own_note(0, (uintptr_t)p, size);
	return (p);
}

void
kmem_own_unmap(void *p, size_t size)
{
	own_note((uintptr_t)p, 0, 0);
	vmem_os_unmap(p, size);
}

/* ---- the registry ---- */

static void
registry_insert(kmem_cache_t *cp)
{
	uint32_t i = 1; /* index 0 means "not ours" in the page map */

	mutex_enter(&kmem_caches_lock);
	while (i < KMEM_MAXCACHES && kmem_by_index[i] != NULL)
		i++;
	if (i == KMEM_MAXCACHES)
		panic("kmem_cache_create: more than %d caches", KMEM_MAXCACHES - 1);
	cp->kc_index = i;
	kmem_by_index[i] = cp;
	kmem_cpu_by_index[i] = cp->kc_cpu;
	kmem_cache_t **link = &kmem_root.kr_caches;
	cp->kc_prev = NULL;
	while (*link != NULL) {
		cp->kc_prev = *link;
		link = &(*link)->kc_next;
	}
	cp->kc_next = NULL;
	*link = cp;
	mutex_exit(&kmem_caches_lock);
}

static void
registry_remove(kmem_cache_t *cp)
{
	mutex_enter(&kmem_caches_lock);
	kmem_by_index[cp->kc_index] = NULL;
	if (cp->kc_prev != NULL)
		cp->kc_prev->kc_next = cp->kc_next;
	else
		kmem_root.kr_caches = cp->kc_next;
	if (cp->kc_next != NULL)
		cp->kc_next->kc_prev = cp->kc_prev;
	mutex_exit(&kmem_caches_lock);
}

/* Is this one of the caches that UMEM_OPTIONS=caches=... names (or is there no such)? */
static bool
debug_wanted(const char *name)
{
	const char *p = kmem_root.kr_only;
	const size_t len = strlen(name);

	if (*p == '\0')
		return (true);
	while (*p != '\0') {
		const size_t n = strcspn(p, ":");
		if (n == len && strncmp(p, name, n) == 0)
			return (true);
		p += n + (p[n] == ':');
	}
	return (false);
}

kmem_cache_t *
kmem_cache_create_impl(const char *name, size_t size, size_t align,
    int (*constructor)(void *, void *, int), void (*destructor)(void *, void *),
    void (*reclaim)(void *), void *arg, vmem_t *source, int cflags)
{
	VERIFY(size > 0 && size <= PTRDIFF_MAX / 32 && ISP2(align));
	kmem_cache_t *cp = kmem_meta_alloc(sizeof(*cp));
	if (cp == NULL)
		panic("kmem_cache_create: no memory for cache %s", name);
	memset(cp, 0, sizeof(*cp));
	(void)snprintf(cp->kc_name, sizeof(cp->kc_name), "%s", name);
	cp->kc_cflags = (uint32_t)cflags;
	cp->kc_bufsize = size;
	cp->kc_align = MAX(align, sizeof(void *));
	cp->kc_constructor = constructor;
	cp->kc_destructor = destructor;
	cp->kc_reclaim = reclaim;
	cp->kc_arg = arg;
	cp->kc_arena = source != NULL ? source : kmem_default_arena;
	if (cflags & KMC_NOTOUCH)
		cp->kc_align = align;
	if (!(cflags & (KMC_INTERNAL | KMC_NOTOUCH)) && debug_wanted(name))
		cp->kc_flags = kmem_root.kr_flags;
	cp->kc_guardable = !(cflags & (KMC_INTERNAL | KMC_NOTOUCH)) && cp->kc_align <= 64;
	cp->kc_chunksize = P2ROUNDUP(size, cp->kc_align);
	kmem_debug_layout(cp);
	kmem_slab_init(cp);
	kmem_magazine_enable(cp);
	registry_insert(cp);
	return (cp);
}

kmem_cache_t *
kmem_cache_create(const char *name, size_t size, size_t align,
    int (*constructor)(void *buf, void *arg, int kmflags),
    void (*destructor)(void *buf, void *arg), void (*reclaim)(void *arg), void *arg,
    void *vmem_source, int cflags)
{
	kmem_init();
	return (kmem_cache_create_impl(name, size, align, constructor, destructor, reclaim,
	    arg, vmem_source, cflags));
}

void
kmem_cache_destroy(kmem_cache_t *cp)
{
	/* Not amid a round of the reaper; afterwards it does not find it any more. */
	if (kmem_reap_owned()) {
		registry_remove(cp);
	} else {
		kmem_reap_enter();
		registry_remove(cp);
		kmem_reap_exit();
	}
	kmem_magazine_purge(cp);
	if (cp->kc_slab_inuse != 0 || atomic_load_64(&cp->kc_guarded) != 0)
		kmem_debug_leaks(cp);
	kmem_slab_reap(cp, 0);
	/* With leaks reported and survived, their slabs stay: they are in use. */
	if (cp->kc_slab_inuse != 0 || atomic_load_64(&cp->kc_guarded) != 0)
		return;
	if (cp->kc_hash != NULL)
		kmem_meta_free(cp->kc_hash, cp->kc_hash_size * sizeof(*cp->kc_hash));
	if (cp->kc_cpu_real != NULL)
		kmem_meta_free(
		    cp->kc_cpu_real, kmem_root.kr_ncpus * sizeof(*cp->kc_cpu_real));
	mutex_destroy(&cp->kc_lock);
	mutex_destroy(&cp->kc_depot_lock);
	kmem_meta_free(cp, sizeof(*cp));
}

void
kmem_cache_set_move(kmem_cache_t *cp,
    kmem_cbrc_t (*move)(void *oldbuf, void *newbuf, size_t size, void *arg))
{
	cp->kc_move = move;
}

/* ---- start ---- */

/* CPU numbers are below this: the last number of the list "0-3,8-11", plus 1. */
static uint32_t
possible_cpus(void)
{
	char text[256] = "";
	const int fd = open("/sys/devices/system/cpu/possible", O_RDONLY | O_CLOEXEC);
	uint32_t last = 0;
	ssize_t n = -1;

	if (fd >= 0) {
		n = read(fd, text, sizeof(text) - 1);
		(void)close(fd);
	}
	if (n <= 0 || n == sizeof(text) - 1)
		return (4096); /* the most Linux knows */
	for (char *p = text; *p != '\0';) {
		if (*p < '0' || *p > '9') {
			p++;
			continue;
		}
		const unsigned long v = strtoul(p, &p, 10);
		if (v > last && v < 65536)
			last = (uint32_t)v;
	}
	return (last + 1);
}

static void *
heap_map(vmem_t *source, size_t size, int vmflag)
{
	kmem_reaper_note_growth(size, !(vmflag & (VM_NOSLEEP | VM_PUSHPAGE)));
	return (vmem_os_map(size));
}

static void *
meta_map(vmem_t *source, size_t size, int vmflag)
{
	return (vmem_os_map(size));
}

static void
heap_unmap(vmem_t *source, void *addr, size_t size)
{
	vmem_os_unmap(addr, size);
}

#ifndef __SANITIZE_THREAD__
static void
fork_prepare(void)
{
	mutex_enter(&kmem_caches_lock);
	kmem_guard_fork_prepare();
	kmem_magazine_fork_prepare();
	for (kmem_cache_t *cp = kmem_root.kr_caches; cp != NULL; cp = cp->kc_next)
		mutex_enter(&cp->kc_lock);
	pagemap_fork_prepare();
	vmem_fork_prepare();
	mutex_enter(&own_lock);
}

static void
fork_release(bool child)
{
	mutex_exit(&own_lock);
	vmem_fork_done();
	pagemap_fork_done();
	for (kmem_cache_t *cp = kmem_root.kr_caches; cp != NULL; cp = cp->kc_next)
		mutex_exit(&cp->kc_lock);
	kmem_magazine_fork_done(child);
	kmem_magazine_fork_free();
	kmem_guard_fork_done();
	if (child) {
		kmem_reaper_fork_child();
		kmem_report_fork_child();
	}
	mutex_exit(&kmem_caches_lock);
}

static void
fork_parent(void)
{
	fork_release(false);
}

static void
fork_child(void)
{
	fork_release(true);
}
#endif

static void
kmem_init_once(void)
{
	kmem_root.kr_ncpus = possible_cpus();
	kmem_root.kr_pagemap = pagemap_root;
	kmem_root.kr_arenas = vmem_registry();
	kmem_env_read();
	kmem_meta_arena = vmem_create("kmem_metadata", NULL, 0, 64, meta_map, NULL, NULL, 0,
	    VMC_MEMORY);
	kmem_metapage_arena = vmem_create("kmem_metapages", NULL, 0, KMEM_PAGE, meta_map, NULL,
	    NULL, 0, VMC_MEMORY);
	kmem_default_arena = vmem_create("kmem_default", NULL, 0, KMEM_PAGE, heap_map,
	    heap_unmap, NULL, 0, VMC_MEMORY);
	if (kmem_meta_arena == NULL || kmem_metapage_arena == NULL ||
	    kmem_default_arena == NULL)
		panic("kmem: no memory to start");
	vmem_set_keep(kmem_default_arena, DEFAULT_KEEP);
	kmem_magazine_init();
	kmem_classes_init();
}

void
kmem_init(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	static int forks;

	VERIFY0(pthread_once(&once, kmem_init_once));
	/* May allocate, hence after the start. */
	if (__atomic_load_n(&forks, __ATOMIC_RELAXED) == 0 &&
	    __atomic_exchange_n(&forks, 1, __ATOMIC_RELAXED) == 0) {
#ifndef __SANITIZE_THREAD__ /* its deadlock detector knows 64 held locks at most */
		(void)pthread_atfork(fork_prepare, fork_parent, fork_child);
#endif
		kmem_env_apply();
	}
}
