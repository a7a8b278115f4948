/* Tables of caches and arenas. */
#include <stdio.h>

#include "spl/kmem_impl.h"

static void
cache_stat(kmem_cache_t *cp, kmem_cache_stat_t *ks)
{
	uint64_t pops;

	memset(ks, 0, sizeof(*ks));
	memcpy(ks->ks_name, cp->kc_name, sizeof(ks->ks_name));
	const uint64_t rounds = kmem_magazine_rounds(cp, &pops);
	mutex_enter(&cp->kc_lock);
	const bool direct = (cp->kc_cflags & KMC_NOMAGAZINE) != 0 ||
	    (cp->kc_cflags & KMC_INTERNAL) != 0;
	ks->ks_bufsize = cp->kc_bufsize;
	ks->ks_total = cp->kc_buftotal;
	ks->ks_max = cp->kc_buftotal_max;
	ks->ks_memory = cp->kc_slab_count * cp->kc_slabsize;
	ks->ks_slabs = cp->kc_slab_count;
	ks->ks_inuse = cp->kc_slab_inuse - (rounds < cp->kc_slab_inuse ? rounds :
	    cp->kc_slab_inuse);
	ks->ks_alloc = direct ? cp->kc_slab_alloc :
	    atomic_load_64(&cp->kc_pops) + pops + atomic_load_64(&cp->kc_direct);
	mutex_exit(&cp->kc_lock);
	ks->ks_inuse += atomic_load_64(&cp->kc_guarded);
	ks->ks_fail = atomic_load_64(&cp->kc_fail);
	ks->ks_free = ks->ks_alloc - (ks->ks_inuse < ks->ks_alloc ? ks->ks_inuse : ks->ks_alloc);
	mutex_enter(&cp->kc_depot_lock);
	ks->ks_depot = cp->kc_fullmags.ml_total + cp->kc_emptymags.ml_total;
	mutex_exit(&cp->kc_depot_lock);
	ks->ks_magsize = cp->kc_cpu_real != NULL ? kmem_magtype_rounds(cp->kc_magtype) : 0;
}

void
kmem_stat_walk(void (*func)(void *arg, const kmem_cache_stat_t *ks), void *arg)
{
	kmem_init();
	mutex_enter(&kmem_caches_lock);
	for (kmem_cache_t *cp = kmem_root.kr_caches; cp != NULL; cp = cp->kc_next) {
		kmem_cache_stat_t ks;
		cache_stat(cp, &ks);
		func(arg, &ks);
	}
	mutex_exit(&kmem_caches_lock);
}

static void
add_used(void *arg, const kmem_cache_stat_t *ks)
{
	*(uint64_t *)arg += ks->ks_inuse * ks->ks_bufsize;
}

uint64_t
kmem_used(void)
{
	uint64_t used = 0;

	kmem_init();
	if (kmem_root.kr_delegate)
		return (kmem_delegate_used());
	mutex_enter(&kmem_caches_lock);
	for (kmem_cache_t *cp = kmem_root.kr_caches; cp != NULL; cp = cp->kc_next) {
		kmem_cache_stat_t ks;
		if (cp->kc_cflags & (KMC_INTERNAL | KMC_NOTOUCH))
			continue;
		cache_stat(cp, &ks);
		add_used(&used, &ks);
	}
	mutex_exit(&kmem_caches_lock);
	return (used + atomic_load_64(&kmem_root.kr_oversize));
}

/* 1234567 as "1.2M"; small numbers as they are. */
static const char *
human(uint64_t v, char *buf, size_t size)
{
	static const char units[] = "BKMGTPE";
	int u = 0;
	double d = (double)v;

	for (; d >= 1024 && u < 6; u++)
		d /= 1024;
	if (u == 0)
		(void)snprintf(buf, size, "%" PRIu64 "B", v);
	else
		(void)snprintf(buf, size, "%.1f%c", d, units[u]);
	return (buf);
}

static void
print_cache(void *arg, const kmem_cache_stat_t *ks)
{
	char mem[32];

	(void)fprintf(arg, "%-25s %6" PRIu64 " %9" PRIu64 " %9" PRIu64 " %10s %12" PRIu64
	    " %5" PRIu64 "\n", ks->ks_name, ks->ks_bufsize, ks->ks_inuse, ks->ks_total,
	    human(ks->ks_memory, mem, sizeof(mem)), ks->ks_alloc, ks->ks_fail);
}

static void
print_arena(void *arg, vmem_t *vmp)
{
	vmem_stat_t vk;
	char use[32], total[32], import[32];

	vmem_stats(vmp, &vk);
	(void)fprintf(arg, "%-25s %16s %9s %10s %12" PRIu64 " %5" PRIu64 "\n", vk.vk_name,
	    human(vk.vk_inuse, use, sizeof(use)), human(vk.vk_total, total, sizeof(total)),
	    human(vk.vk_import, import, sizeof(import)), vk.vk_alloc, vk.vk_fail);
}

void
kmem_stat_print(FILE *fp)
{
	static const char rule[] = "------------------------- ------ --------- --------- "
	    "---------- ------------ -----\n";

	(void)fprintf(fp, "%-25s %6s %9s %9s %10s %12s %5s\n", "cache", "buf", "buf", "buf",
	    "memory", "alloc", "alloc");
	(void)fprintf(fp, "%-25s %6s %9s %9s %10s %12s %5s\n", "name", "size", "in use",
	    "total", "in use", "succeed", "fail");
	(void)fputs(rule, fp);
	kmem_stat_walk(print_cache, fp);
	(void)fputs(rule, fp);
	(void)fprintf(fp, "%-25s %16s %9s %10s %12s %5s\n", "vmem", "memory", "memory",
	    "memory", "alloc", "alloc");
	(void)fprintf(fp, "%-25s %16s %9s %10s %12s %5s\n", "name", "in use", "total",
	    "import", "succeed", "fail");
	(void)fputs(rule, fp);
	vmem_walk_arenas(print_arena, fp);
	(void)fputs(rule, fp);
}
