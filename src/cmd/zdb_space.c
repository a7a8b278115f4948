/*
 * Who owns which space: every byte that the space maps call allocated must be claimed by exactly one
 * block (format/02 §12).
 *
 * All metaslabs are loaded (their maps, and the logs that are not flushed into them yet); what is
 * allocated goes into one tree a top-level vdev. Each claim takes its range out of it. A claim of what
 * is not there is either a second claim (double allocation) or a block that lies in free space; what is left
 * at the end is leaked. Space that only the checkpoint needs stands in a map of its own and is taken out
 * beforehand.
 */
#include "cmd/zdb.h"
#include "pool/space_map.h"

#define CHECKPOINT_KEY "com.delphix:pool_checkpoint_sm"
#define BIAS_KEY "org.zfsonlinux:allocation_bias"
#define ERRORS_SHOWN 100

struct zdb_space {
	zdb_t *zs_zdb;
	spa_t *zs_spa;
	range_tree_t **zs_left; /* by vdev: allocated and not claimed yet */
	uint64_t zs_vdevs;
	uint64_t zs_alloc;	/* bytes allocated by the maps */
	uint64_t zs_checkpoint; /* of them: kept for the checkpoint alone */
	uint64_t zs_claimed;
	uint64_t zs_errors;
};

/* ---- classes --------------------------------------------------------------------------------- */

zdb_class_t
zdb_vdev_class(spa_t *spa, vdev_t *top)
{
	char bias[32] = "";

	if (top->vdev_islog)
		return (ZDB_LOG);
	if (top->vdev_top_zap == 0 ||
	    zap_lookup(spa->spa_meta_objset, top->vdev_top_zap, BIAS_KEY, 1, sizeof(bias) - 1,
		bias) != 0)
		return (ZDB_NORMAL);
	if (strcmp(bias, "log") == 0)
		return (ZDB_LOG);
	if (strcmp(bias, "special") == 0)
		return (ZDB_SPECIAL);
	return (strcmp(bias, "dedup") == 0 ? ZDB_DEDUP : ZDB_NORMAL);
}

void
zdb_class_space(spa_t *spa, zdb_class_t c, uint64_t *alloc, uint64_t *space)
{
	*alloc = *space = 0;
	for (uint64_t v = 0; v < spa->spa_mg_count; v++) {
		const metaslab_group_t *mg = spa->spa_mg[v];
		if (mg == NULL || zdb_vdev_class(spa, mg->mg_vd) != c)
			continue;
		for (uint64_t i = 0; i < mg->mg_ms_count; i++) {
			*alloc += (uint64_t)mg->mg_ms[i]->ms_sm_alloc;
			*space += mg->mg_ms[i]->ms_size;
		}
	}
}

/* ---- loading ------------------------------------------------------------------------------------ */

static int
load_metaslab(zdb_space_t *zs, metaslab_t *ms, range_tree_t *left)
{
	uint64_t at = ms->ms_start;

	mutex_enter(&ms->ms_lock);
	const int error = metaslab_load(ms);
	if (error == 0) {
		/* What lies between the free segments. */
		for (range_seg_t *rs = range_tree_first(ms->ms_allocatable); rs != NULL;
		     rs = range_tree_next(ms->ms_allocatable, rs)) {
			if (rs->rs_start > at)
				range_tree_add(left, at, rs->rs_start - at);
			at = rs->rs_end;
		}
		if (ms->ms_start + ms->ms_size > at)
			range_tree_add(left, at, ms->ms_start + ms->ms_size - at);
	}
	mutex_exit(&ms->ms_lock);
	return (error);
}

static int
load_vdev(zdb_space_t *zs, metaslab_group_t *mg)
{
	const uint64_t v = mg->mg_vd->vdev_id;
	int worst = 0;

	zs->zs_left[v] = range_tree_create(false);
	for (uint64_t i = 0; i < mg->mg_ms_count; i++) {
		(void)fprintf(stderr,
		    "\rloading concrete vdev %" PRIu64 ", metaslab %" PRIu64 " of %" PRIu64 " ...", v,
		    i, mg->mg_ms_count);
		const int error = load_metaslab(zs, mg->mg_ms[i], zs->zs_left[v]);
		if (error == 0)
			continue;
		zdb_damage(zs->zs_zdb,
		    "\nvdev %" PRIu64 ", metaslab %" PRIu64 ": the space map cannot be used: %s\n", v, i,
		    strerror(error));
		worst = error;
	}
	zs->zs_alloc += range_tree_space(zs->zs_left[v]);
	return (worst);
}

typedef struct checkpoint_arg {
	zdb_space_t *ca_zs;
	vdev_t *ca_vd;
} checkpoint_arg_t;

static int
checkpoint_entry(void *arg, const space_map_entry_t *sme)
{
	checkpoint_arg_t *ca = arg;
	zdb_space_t *zs = ca->ca_zs;
	const uint64_t start = sme->sme_offset << ca->ca_vd->vdev_ashift;
	const uint64_t size = sme->sme_run << ca->ca_vd->vdev_ashift;

	if (range_tree_try_remove(zs->zs_left[ca->ca_vd->vdev_id], start, size) == 0) {
		zs->zs_checkpoint += size;
		return (0);
	}
	zdb_damage(zs->zs_zdb,
	    "checkpoint space map: vdev %" PRIu64 ", offset 0x%" PRIx64 ", size %" PRIu64
	    " is not allocated\n",
	    ca->ca_vd->vdev_id, start, size);
	zs->zs_errors++;
	return (0);
}

static void
load_checkpoint(zdb_space_t *zs, vdev_t *vd)
{
	checkpoint_arg_t ca = { zs, vd };
	objset_t *mos = zs->zs_spa->spa_meta_objset;
	space_map_t sm;
	uint64_t object;

	if (vd->vdev_top_zap == 0 ||
	    zap_lookup(mos, vd->vdev_top_zap, CHECKPOINT_KEY, 8, 1, &object) != 0)
		return;
	int error = space_map_open(&sm, mos, object, 0, vd->vdev_asize, (int)vd->vdev_ashift);
	if (error == 0)
		error = space_map_iterate(&sm, UINT64_MAX, checkpoint_entry, &ca);
	if (error != 0)
		zdb_damage(zs->zs_zdb, "vdev %" PRIu64 ": checkpoint space map: %s\n", vd->vdev_id,
		    strerror(error));
}

zdb_space_t *
zdb_space_load(zdb_t *z)
{
	spa_t *spa = z->z_spa;
	zdb_space_t *zs = kmem_zalloc(sizeof(*zs), KM_SLEEP);
	int error = 0;

	zs->zs_zdb = z;
	zs->zs_spa = spa;
	zs->zs_vdevs = spa->spa_mg_count;
	zs->zs_left = kmem_zalloc(MAX(1, zs->zs_vdevs) * sizeof(*zs->zs_left), KM_SLEEP);
	for (uint64_t v = 0; v < zs->zs_vdevs; v++) {
		if (spa->spa_mg[v] == NULL)
			continue;
		const int e = load_vdev(zs, spa->spa_mg[v]);
		if (e != 0)
			error = e;
		else
			load_checkpoint(zs, spa->spa_mg[v]->mg_vd);
	}
	(void)fprintf(stderr, "\n");
	if (error != 0) {
		zdb_space_free(zs);
		return (NULL);
	}
	return (zs);
}

void
zdb_space_free(zdb_space_t *zs)
{
	for (uint64_t v = 0; v < zs->zs_vdevs; v++) {
		if (zs->zs_left[v] == NULL)
			continue;
		range_tree_vacate(zs->zs_left[v], NULL, NULL);
		range_tree_destroy(zs->zs_left[v]);
	}
	kmem_free(zs->zs_left, MAX(1, zs->zs_vdevs) * sizeof(*zs->zs_left));
	kmem_free(zs, sizeof(*zs));
}

/* ---- claiming -------------------------------------------------------------------------------------- */

static const char *
why_not(zdb_space_t *zs, uint64_t v, uint64_t offset, uint64_t size)
{
	metaslab_t *ms = metaslab_of(zs->zs_spa, v, offset);

	if (ms == NULL || offset + size > ms->ms_start + ms->ms_size)
		return ("outside of all metaslabs");
	return (range_tree_overlaps(ms->ms_allocatable, offset, size) ? "allocated to a block, but free"
								      : "double allocation");
}

void
zdb_space_claim(zdb_space_t *zs, const blkptr_t *bp, const dva_t *dva)
{
	const uint64_t v = DVA_GET_VDEV(dva), offset = DVA_GET_OFFSET(dva);
	const uint64_t size = DVA_GET_ASIZE(dva);
	char words[BP_SPRINTF_LEN];

	if (v < zs->zs_vdevs && zs->zs_left[v] != NULL &&
	    range_tree_try_remove(zs->zs_left[v], offset, size) == 0) {
		zs->zs_claimed += size;
		return;
	}
	const char *why = why_not(zs, v, offset, size);
	if (v < zs->zs_vdevs && zs->zs_left[v] != NULL)
		range_tree_clear(zs->zs_left[v], offset, size);
	if (zs->zs_errors++ >= ERRORS_SHOWN)
		return;
	(void)snprintf_blkptr(words, sizeof(words), bp);
	zdb_damage(zs->zs_zdb,
	    "%s: vdev %" PRIu64 ", offset 0x%" PRIx64 ", size %" PRIu64 ": %s\n", why, v, offset, size,
	    words);
}

bool
zdb_space_finish(zdb_space_t *zs, uint64_t *found, uint64_t *alloc)
{
	uint64_t leaks = 0;

	for (uint64_t v = 0; v < zs->zs_vdevs; v++) {
		if (zs->zs_left[v] == NULL)
			continue;
		for (range_seg_t *rs = range_tree_first(zs->zs_left[v]); rs != NULL;
		     rs = range_tree_next(zs->zs_left[v], rs)) {
			leaks++;
			(void)printf("leaked space: vdev %" PRIu64 ", offset 0x%" PRIx64 ", size %" PRIu64
				     "\n",
			    v, rs->rs_start, rs->rs_end - rs->rs_start);
		}
	}
	*found = zs->zs_claimed + zs->zs_checkpoint;
	*alloc = zs->zs_alloc;
	if (leaks > 0 || zs->zs_errors > 0)
		zs->zs_zdb->z_error = MAX(zs->zs_zdb->z_error, 2);
	return (leaks == 0 && zs->zs_errors == 0);
}
