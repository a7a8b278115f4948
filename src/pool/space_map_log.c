/*
 * Log space maps of pools that other software wrote (format/02 §5.5): reading them at open, and getting
 * rid of them before the first change.
 *
 * The idea of the format: a txg's changes of all metaslabs go to one log; a metaslab's own map is
 * brought up to date now and then, and unflushed_txg says from which log on it is behind. Net state =
 * its map, then the logs from unflushed_txg on. So the net of the logs for a metaslab is two sets:
 * allocated since, freed since; an entry of the one kind first takes away from the other set.
 *
 * Hostile logs: entries for vdevs that are gone are skipped as the format says; those that cross
 * metaslabs or contradict each other are damage (EIO). What is kept in memory is bounded by the
 * number of entries on disk.
 */
#include <stdlib.h>

#include "dsl/dsl.h"
#include "pool/metaslab_io.h"
#include "pool/space_map.h"
#include "zap/zap.h"

#define UNFLUSHED_KEY "com.delphix:ms_unflushed_phys_txgs"
#define LOG_SHIFT 9

typedef struct log_map {
	uint64_t lm_txg, lm_object;
} log_map_t;

typedef struct log_list {
	log_map_t *ll_maps; /* ascending txg */
	size_t ll_n, ll_cap;
	uint64_t ll_zap; /* 0: there is none */
} log_list_t;

/* ---- which logs there are ------------------------------------------------------------------ */

static int
by_txg(const void *x, const void *y)
{
	const log_map_t *a = x, *b = y;

	return (a->lm_txg < b->lm_txg ? -1 : a->lm_txg > b->lm_txg);
}

static void
list_add(log_list_t *ll, uint64_t txg, uint64_t object)
{
	if (ll->ll_n == ll->ll_cap) {
		const size_t cap = MAX(16, ll->ll_cap * 2);
		log_map_t *maps = kmem_alloc(cap * sizeof(*maps), KM_SLEEP);
		if (ll->ll_n > 0)
			memcpy(maps, ll->ll_maps, ll->ll_n * sizeof(*maps));
		kmem_free(ll->ll_maps, ll->ll_cap * sizeof(*maps));
		ll->ll_maps = maps;
		ll->ll_cap = cap;
	}
	ll->ll_maps[ll->ll_n++] = (log_map_t){txg, object};
}

static void
list_free(log_list_t *ll)
{
	kmem_free(ll->ll_maps, ll->ll_cap * sizeof(*ll->ll_maps));
	memset(ll, 0, sizeof(*ll));
}

static int
list_read_zap(log_list_t *ll, objset_t *mos)
{
	zap_attribute_t *za = kmem_alloc(sizeof(*za), KM_SLEEP);
	zap_cursor_t zc;
	int error;

	zap_cursor_init(&zc, mos, ll->ll_zap);
	while ((error = zap_cursor_retrieve(&zc, za)) == 0) {
		char *end;
		const uint64_t txg = strtoull(za->za_name, &end, 16);
		if (za->za_integer_length != 8 || za->za_num_integers != 1 ||
		    *end != '\0' || end == za->za_name) {
			error = EIO;
			break;
		}
		list_add(ll, txg, za->za_first_integer);
		zap_cursor_advance(&zc);
	}
	zap_cursor_fini(&zc);
	kmem_free(za, sizeof(*za));
	return (error == ENOENT ? 0 : error);
}

/* All logs in order. No ZAP: no logs. */
static int
list_read(log_list_t *ll, spa_t *spa)
{
	objset_t *mos = spa->spa_meta_objset;

	memset(ll, 0, sizeof(*ll));
	int error = zap_lookup(mos, DMU_POOL_DIRECTORY_OBJECT,
	    DMU_POOL_LOG_SPACEMAP_ZAP, sizeof(uint64_t), 1, &ll->ll_zap);
	if (error == ENOENT)
		return (0);
	if (error == 0)
		error = list_read_zap(ll, mos);
	if (error != 0) {
		list_free(ll);
		return (error);
	}
	if (ll->ll_n > 1)
		qsort(ll->ll_maps, ll->ll_n, sizeof(*ll->ll_maps), by_txg);
	return (0);
}

/* ---- unflushed txgs ------------------------------------------------------------------------- */

/* The object with a vdev's unflushed txgs; ENOENT: nothing of it was ever logged. */
static int
unflushed_object(spa_t *spa, const vdev_t *vd, uint64_t *objectp)
{
	if (vd->vdev_top_zap == 0)
		return (ENOENT);
	return (zap_lookup(spa->spa_meta_objset, vd->vdev_top_zap, UNFLUSHED_KEY,
	    sizeof(uint64_t), 1, objectp));
}

/* From which txg on logs count, for each metaslab of the group; 0: all do. */
static int
unflushed_read(spa_t *spa, const metaslab_group_t *mg, uint64_t *txgs)
{
	dmu_object_info_t doi;
	uint64_t object;
	int error = unflushed_object(spa, mg->mg_vd, &object);

	if (error != 0)
		return (error == ENOENT ? 0 : error);
	if ((error = dmu_object_info(spa->spa_meta_objset, object, &doi)) != 0)
		return (error);
	const uint64_t have = MIN(mg->mg_ms_count,
	    (doi.doi_maxblkid + 1) * doi.doi_data_block_size / sizeof(uint64_t));
	return (dmu_read(spa->spa_meta_objset, object, 0, have * sizeof(uint64_t), txgs,
	    DMU_READ_PREFETCH));
}

/* ---- replaying ------------------------------------------------------------------------------- */

typedef struct replay {
	spa_t *rp_spa;
	uint64_t rp_txg;	 /* of the log being read */
	uint64_t **rp_unflushed; /* by vdev, metaslab; NULL for vdevs without */
} replay_t;

/* Take [start, start + size) out of `from` where it is there, add the rest to `to`. */
static int
cancel_or_add(range_tree_t *from, range_tree_t *to, uint64_t start, uint64_t size)
{
	const uint64_t end = start + size;

	while (start < end) {
		const range_seg_t *rs = range_tree_find(from, start, end - start);
		const uint64_t here = rs == NULL ? end : MAX(rs->rs_start, start);
		if (here > start && range_tree_try_add(to, start, here - start) != 0)
			return (EIO);
		if (rs == NULL)
			break;
		start = MIN(rs->rs_end, end);
		range_tree_remove(from, here, start - here);
	}
	return (0);
}

static int
replay_entry(void *arg, const space_map_entry_t *sme)
{
	const replay_t *rp = arg;
	const spa_t *spa = rp->rp_spa;

	if (sme->sme_offset >= 1ULL << (63 - LOG_SHIFT) || sme->sme_vdev == SM_NO_VDEV)
		return (EIO);
	if (sme->sme_vdev >= spa->spa_mg_count || spa->spa_mg[sme->sme_vdev] == NULL)
		return (0);
	const metaslab_group_t *mg = spa->spa_mg[sme->sme_vdev];
	const uint64_t start = sme->sme_offset << LOG_SHIFT,
		       size = sme->sme_run << LOG_SHIFT;
	const uint64_t i = start >> mg->mg_vd->vdev_ms_shift;
	const uint64_t unit = 1ULL << mg->mg_vd->vdev_ashift;
	if (i >= mg->mg_ms_count ||
	    size > mg->mg_ms[i]->ms_start + mg->mg_ms[i]->ms_size - start ||
	    !IS_P2ALIGNED(start, unit) || !IS_P2ALIGNED(size, unit))
		return (EIO);
	if (rp->rp_txg < rp->rp_unflushed[sme->sme_vdev][i])
		return (0); /* the metaslab's own map has it */
	metaslab_t *ms = mg->mg_ms[i];
	for (int kind = SM_ALLOC; kind <= SM_FREE; kind++)
		if (ms->ms_unflushed[kind] == NULL)
			ms->ms_unflushed[kind] = range_tree_create(false);
	return (cancel_or_add(
	    ms->ms_unflushed[sme->sme_type == SM_ALLOC ? SM_FREE : SM_ALLOC],
	    ms->ms_unflushed[sme->sme_type], start, size));
}

static int
replay_logs(replay_t *rp, const log_list_t *ll)
{
	space_map_t sm;
	int error = 0;

	for (size_t i = 0; i < ll->ll_n && error == 0; i++) {
		rp->rp_txg = ll->ll_maps[i].lm_txg;
		error = space_map_open(&sm, rp->rp_spa->spa_meta_objset,
		    ll->ll_maps[i].lm_object, 0, 1ULL << 63, LOG_SHIFT);
		if (error == 0)
			error = space_map_iterate(&sm, UINT64_MAX, replay_entry, rp);
	}
	return (error == ENOENT ? EIO : error);
}

int
log_spacemap_open(spa_t *spa)
{
	const size_t bytes = MAX(1, spa->spa_mg_count) * sizeof(uint64_t *);
	replay_t rp = {.rp_spa = spa};
	log_list_t ll;
	int error = list_read(&ll, spa);

	if (error != 0 || ll.ll_n == 0) {
		list_free(&ll);
		return (error);
	}
	rp.rp_unflushed = kmem_zalloc(bytes, KM_SLEEP);
	for (uint64_t v = 0; v < spa->spa_mg_count && error == 0; v++) {
		if (spa->spa_mg[v] == NULL)
			continue;
		rp.rp_unflushed[v] = kmem_zalloc(
		    spa->spa_mg[v]->mg_ms_count * sizeof(uint64_t), KM_SLEEP);
		error = unflushed_read(spa, spa->spa_mg[v], rp.rp_unflushed[v]);
	}
	if (error == 0)
		error = replay_logs(&rp, &ll);
	for (uint64_t v = 0; v < spa->spa_mg_count; v++)
		if (rp.rp_unflushed[v] != NULL)
			kmem_free(rp.rp_unflushed[v],
			    spa->spa_mg[v]->mg_ms_count * sizeof(uint64_t));
	kmem_free(rp.rp_unflushed, bytes);
	list_free(&ll);
	return (error);
}

/* ---- retiring -------------------------------------------------------------------------------- */

static bool
has_unflushed(const metaslab_t *ms)
{
	return ((ms->ms_unflushed[SM_ALLOC] != NULL &&
		    !range_tree_is_empty(ms->ms_unflushed[SM_ALLOC])) ||
		(ms->ms_unflushed[SM_FREE] != NULL &&
		    !range_tree_is_empty(ms->ms_unflushed[SM_FREE])));
}

/* Append the net of the logs to the metaslab's own map, as of before this txg. */
static void
retire_metaslab(metaslab_t *ms, dmu_tx_t *tx)
{
	spa_t *spa = ms->ms_group->mg_class->mc_spa;
	space_map_t sm;

	metaslab_map_enter(ms);
	const uint64_t object = metaslab_map_object(ms, tx);
	POOL_MUST(spa, space_map_open(&sm, spa->spa_meta_objset, object, ms->ms_start,
			   ms->ms_size, (int)ms->ms_group->mg_vd->vdev_ashift));
	for (maptype_t kind = SM_ALLOC; kind <= SM_FREE; kind++) {
		POOL_MUST(spa, space_map_write(&sm, ms->ms_unflushed[kind], kind,
				   SM_NO_VDEV, 1, tx));
		range_tree_vacate(ms->ms_unflushed[kind], NULL, NULL);
		range_tree_destroy(ms->ms_unflushed[kind]);
		ms->ms_unflushed[kind] = NULL;
	}
	ms->ms_unflushed_alloc = 0;
	ms->ms_sm_length = sm.sm_phys.smp_length;
	ms->ms_sm_alloc = sm.sm_phys.smp_alloc;
	metaslab_map_exit(ms);
}

/* "Nothing of this vdev is logged": all its unflushed txgs are 0. */
static void
retire_unflushed_txgs(spa_t *spa, const metaslab_group_t *mg, dmu_tx_t *tx)
{
	const size_t bytes = mg->mg_ms_count * sizeof(uint64_t);
	uint64_t object;
	int error;

	while (
	    (error = unflushed_object(spa, mg->mg_vd, &object)) != 0 && error != ENOENT)
		spa_suspend_wait(spa, strerror(error));
	if (error == ENOENT)
		return;
	uint64_t *zeros = kmem_zalloc(bytes, KM_SLEEP);
	POOL_MUST(spa, dmu_write(spa->spa_meta_objset, object, 0, bytes, zeros, tx));
	kmem_free(zeros, bytes);
}

static void
retire_log(spa_t *spa, uint64_t zap, const log_map_t *lm, dmu_tx_t *tx)
{
	objset_t *mos = spa->spa_meta_objset;

	POOL_MUST(spa, zap_remove_int(mos, zap, lm->lm_txg, tx));
	POOL_MUST(spa, space_map_free(mos, lm->lm_object, tx));
}

int
log_spacemap_retire(spa_t *spa, dmu_tx_t *tx)
{
	log_list_t ll;

	POOL_MUST(spa, list_read(&ll, spa));
	for (uint64_t v = 0; v < spa->spa_mg_count && ll.ll_n > 0; v++) {
		metaslab_group_t *mg = spa->spa_mg[v];
		for (uint64_t i = 0; mg != NULL && i < mg->mg_ms_count; i++)
			if (has_unflushed(mg->mg_ms[i]))
				retire_metaslab(mg->mg_ms[i], tx);
		if (mg != NULL)
			retire_unflushed_txgs(spa, mg, tx);
	}
	for (size_t i = 0; i < ll.ll_n; i++)
		retire_log(spa, ll.ll_zap, &ll.ll_maps[i], tx);
	list_free(&ll);
	return (0);
}
