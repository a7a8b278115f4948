/*
 * Scrub: read every copy of every block that is in use, verify its checksum, and let the
 * lower rooms repair what is wrong (format/02 §9.1 for the record on disk).
 *
 * The walk is done by the sync thread, a slice in each txg: only there no block that the
 * walk knows of can be freed and reused under it. First the MOS, then every dataset and
 * snapshot in the order of their object numbers, each from the birth of its predecessor on,
 * so that a block shared by snapshots is read once. Reads are asynchronous, bounded by
 * sc_max_inflight; a slice ends when all of its reads have ended, so that the place recorded
 * with the txg is exact.
 *
 * sc_lock protects the counters that commands read; the rest is the sync thread's.
 */
#include <stdio.h>
#include "dsl/dsl_impl.h"

#define SCAN_SLICE_MIN MSEC2NSEC(150) /* even if somebody waits for the txg */
#define SCAN_SLICE_MAX MSEC2NSEC(1000)
#define SCAN_MAX_INFLIGHT (64ULL << 20)

typedef struct dsl_scan {
	dsl_pool_t *sc_dp;
	dsl_scan_phys_t sc_phys; /* as in the MOS */
	kmutex_t sc_lock;
	kcondvar_t sc_cv;
	uint64_t sc_inflight; /* bytes being read */
	uint64_t sc_errors;   /* of this pass, not yet in sc_phys */
	uint64_t sc_healed_before; /* bytes the leaves had repaired when it started */
	uint64_t sc_pass_start, sc_pass_examined, sc_pass_paused_at, sc_pass_paused_time;
	hrtime_t sc_deadline, sc_hard_deadline;
	bool sc_mos_done;
	dmu_tx_t *sc_tx;
	uint64_t sc_mintxg;
} dsl_scan_t;

void (*dsl_scan_finished)(spa_t *spa, bool complete, dmu_tx_t *tx);

static dsl_scan_t *
scan_of(dsl_pool_t *dp)
{
	return (dp->dp_scan);
}

int
dsl_scan_init(dsl_pool_t *dp, uint64_t txg)
{
	dsl_scan_t *sc = kmem_zalloc(sizeof (*sc), KM_SLEEP);
	int err;

	(void)txg;
	mutex_init(&sc->sc_lock);
	cv_init(&sc->sc_cv);
	sc->sc_dp = dp;
	dp->dp_scan = sc;
	err = zap_lookup(dp->dp_meta_objset, DMU_POOL_DIRECTORY_OBJECT, DMU_POOL_SCAN,
	    sizeof (uint64_t), SCAN_PHYS_NUMINTS, &sc->sc_phys);
	if (err == ENOENT)
		return (0);
	/* A record that we do not understand is no reason not to open the pool. */
	if (err == EOVERFLOW || err == EINVAL) {
		memset(&sc->sc_phys, 0, sizeof (sc->sc_phys));
		return (0);
	}
	sc->sc_pass_start = gethrestime_sec();
	if (sc->sc_phys.scn_flags & DSF_SCRUB_PAUSED)
		sc->sc_pass_paused_at = sc->sc_pass_start;
	return (err);
}

void
dsl_scan_fini(dsl_pool_t *dp)
{
	dsl_scan_t *sc = scan_of(dp);

	if (sc == NULL)
		return;
	cv_destroy(&sc->sc_cv);
	mutex_destroy(&sc->sc_lock);
	kmem_free(sc, sizeof (*sc));
	dp->dp_scan = NULL;
}

static bool
scan_running(dsl_scan_t *sc)
{
	return (sc->sc_phys.scn_state == DSS_SCANNING &&
	    !(sc->sc_phys.scn_flags & DSF_SCRUB_PAUSED));
}

bool
dsl_scan_active(dsl_pool_t *dp)
{
	dsl_scan_t *sc = scan_of(dp);

	mutex_enter(&sc->sc_lock);
	bool active = scan_running(sc);
	mutex_exit(&sc->sc_lock);
	return (active || dsl_async_free_pending(dp));
}

static void
scan_write(dsl_scan_t *sc, dmu_tx_t *tx)
{
	VERIFY0(zap_update(sc->sc_dp->dp_meta_objset, DMU_POOL_DIRECTORY_OBJECT, DMU_POOL_SCAN,
	    sizeof (uint64_t), SCAN_PHYS_NUMINTS, &sc->sc_phys, tx));
}

/* ---- reading blocks --------------------------------------------------------------------------- */

static void
scan_read_done(zio_t *zio)
{
	dsl_scan_t *sc = zio->io_private;
	uint64_t size = zio->io_size;

	mutex_enter(&sc->sc_lock);
	if (zio->io_error != 0)
		sc->sc_errors++;
	sc->sc_inflight -= size;
	cv_broadcast(&sc->sc_cv);
	mutex_exit(&sc->sc_lock);
	zio_buf_free(zio->io_data, size);
}

static void
scan_read(dsl_scan_t *sc, const blkptr_t *bp, const zbookmark_phys_t *zb)
{
	spa_t *spa = sc->sc_dp->dp_spa;
	uint64_t size = BP_GET_PSIZE(bp);

	mutex_enter(&sc->sc_lock);
	while (sc->sc_inflight > 0 && sc->sc_inflight + size > SCAN_MAX_INFLIGHT)
		cv_wait(&sc->sc_cv, &sc->sc_lock);
	sc->sc_inflight += size;
	sc->sc_phys.scn_examined += BP_GET_ASIZE(bp);
	sc->sc_pass_examined += BP_GET_ASIZE(bp);
	mutex_exit(&sc->sc_lock);
	zio_nowait(zio_read(NULL, spa, bp, zio_buf_alloc(size), size, scan_read_done, sc,
	    ZIO_PRIORITY_SCRUB, ZIO_FLAG_SCRUB | ZIO_FLAG_RAW | ZIO_FLAG_CANFAIL, zb));
}

static void
sum_healed(vdev_t *leaf, void *arg)
{
	vdev_stat_t vs;

	vdev_get_stats(leaf, &vs);
	*(uint64_t *)arg += vs.vs_self_healed;
}

/* Bytes that all leaves together have repaired since they were opened. */
static uint64_t
scan_healed(dsl_scan_t *sc)
{
	uint64_t sum = 0;

	vdev_foreach_leaf(sc->sc_dp->dp_spa->spa_root_vdev, sum_healed, &sum);
	return (sum);
}

static void
scan_drain(dsl_scan_t *sc)
{
	mutex_enter(&sc->sc_lock);
	while (sc->sc_inflight > 0)
		cv_wait(&sc->sc_cv, &sc->sc_lock);
	sc->sc_phys.scn_errors += sc->sc_errors;
	sc->sc_errors = 0;
	uint64_t healed = scan_healed(sc);
	sc->sc_phys.scn_processed += healed - sc->sc_healed_before;
	sc->sc_healed_before = healed;
	mutex_exit(&sc->sc_lock);
}

static bool
scan_slice_over(dsl_scan_t *sc)
{
	spa_t *spa = sc->sc_dp->dp_spa;
	hrtime_t now = gethrtime();

	if (now > sc->sc_hard_deadline)
		return (true);
	return (now > sc->sc_deadline &&
	    __atomic_load_n(&spa->spa_tx.tx_sync_txg_waiting, __ATOMIC_RELAXED) >
		spa->spa_syncing_txg);
}

static int
scan_visit(void *arg, spa_t *spa, const blkptr_t *bp, const zbookmark_phys_t *zb,
    const dnode_phys_t *dnp, const void *data)
{
	dsl_scan_t *sc = arg;

	(void)spa;
	(void)dnp;
	(void)data;
	if (BP_IS_HOLE(bp) || BP_IS_EMBEDDED(bp))
		return (0);
	/* Younger than the scan: it was verified when it was written. */
	if (BP_GET_PHYSICAL_BIRTH(bp) > sc->sc_phys.scn_max_txg &&
	    BP_GET_LOGICAL_BIRTH(bp) > sc->sc_phys.scn_max_txg)
		return (TRAVERSE_VISIT_SKIP);
	if (scan_slice_over(sc))
		return (EINTR);
	scan_read(sc, bp, zb);
	return (0);
}

static int
scan_objset(dsl_scan_t *sc, uint64_t dsobj, const blkptr_t *bp, uint64_t mintxg)
{
	zbookmark_phys_t *zb = &sc->sc_phys.scn_bookmark;

	zbookmark_phys_t resume = *zb;

	/* A place that was only reached, not entered: all of it, the root block first. */
	if (zb->zb_objset != dsobj ||
	    (zb->zb_object == 0 && zb->zb_level == 0 && zb->zb_blkid == 0))
		memset(&resume, 0, sizeof (resume));
	if (BP_IS_HOLE(bp))
		return (0);
	int err = traverse_objset_bp(sc->sc_dp->dp_spa, dsobj, bp, mintxg, &resume,
	    TRAVERSE_PRE | TRAVERSE_PREFETCH | TRAVERSE_HARD | TRAVERSE_NO_HOLES, scan_visit, sc);
	*zb = resume;
	zb->zb_objset = dsobj;
	/* Metadata that cannot be read is counted by its own read; the rest goes on. */
	return (err == EINTR ? EINTR : 0);
}

/* The dataset with the smallest object number >= *obj; its root pointer and lower bound. */
static int
scan_next_dataset(dsl_scan_t *sc, uint64_t *obj, blkptr_t *bp, uint64_t *mintxg)
{
	objset_t *mos = sc->sc_dp->dp_meta_objset;
	uint64_t o = *obj - 1;

	while (dmu_object_next(mos, &o, false, 0) == 0) {
		dmu_object_info_t doi;
		dmu_buf_t *db;

		if (dmu_object_info(mos, o, &doi) != 0 ||
		    doi.doi_bonus_type != DMU_OT_DSL_DATASET ||
		    doi.doi_bonus_size < sizeof (dsl_dataset_phys_t))
			continue;
		int err = dmu_bonus_hold(mos, o, sc, &db);
		if (err != 0)
			return (err);
		dsl_dataset_phys_t *p = dsl_dataset_phys_of(db->db_data, db->db_size);
		*bp = p->ds_bp;
		*mintxg = p->ds_prev_snap_txg;
		*obj = o;
		dmu_buf_rele(db, sc);
		return (0);
	}
	return (ESRCH);
}

static int
scan_walk(dsl_scan_t *sc)
{
	dsl_pool_t *dp = sc->sc_dp;
	uint64_t obj = sc->sc_phys.scn_bookmark.zb_objset, mintxg;
	blkptr_t bp;
	int err;

	if (obj == 0) {
		bp = dp->dp_spa->spa_ubsync.ub_rootbp;
		if ((err = scan_objset(sc, 0, &bp, 0)) != 0)
			return (err);
		obj = 1;
	}
	for (;; obj++) {
		err = scan_next_dataset(sc, &obj, &bp, &mintxg);
		if (err != 0)
			return (err == ESRCH ? 0 : err);
		if ((err = scan_objset(sc, obj, &bp, mintxg)) != 0)
			return (err);
	}
}

static void
scan_finish(dsl_scan_t *sc, bool complete, dmu_tx_t *tx)
{
	dsl_pool_t *dp = sc->sc_dp;

	mutex_enter(&sc->sc_lock);
	sc->sc_phys.scn_state = complete ? DSS_FINISHED : DSS_CANCELED;
	sc->sc_phys.scn_end_time = gethrestime_sec();
	sc->sc_phys.scn_flags &= ~DSF_SCRUB_PAUSED;
	mutex_exit(&sc->sc_lock);
	dsl_log_internal(dp, complete ? "scan done" : "scan aborted, restarting", "", 0, tx, "");
	if (complete) {
		uint64_t txg = sc->sc_phys.scn_max_txg;
		VERIFY0(zap_update(dp->dp_meta_objset, DMU_POOL_DIRECTORY_OBJECT,
		    DMU_POOL_LAST_SCRUBBED_TXG, sizeof (txg), 1, &txg, tx));
	}
	if (dsl_scan_finished != NULL)
		dsl_scan_finished(dp->dp_spa, complete, tx);
}

/*
 * Tests hold a scan still through the module parameter of this name, where there is one; it
 * is read each time.
 */
static bool
scan_suspended(void)
{
	FILE *fp = fopen("/sys/module/zfs/parameters/zfs_scan_suspend_progress", "re");
	int c;

	if (fp == NULL)
		return (false);
	c = fgetc(fp);
	(void)fclose(fp);
	return (c >= '1' && c <= '9');
}

void
dsl_scan_sync(dsl_pool_t *dp, dmu_tx_t *tx)
{
	dsl_scan_t *sc = scan_of(dp);

	dsl_async_free_sync(dp, tx);
	if (!scan_running(sc))
		return;
	if (scan_suspended()) {
		/* Look again soon, but not all the time. */
		spl_delay(MSEC2NSEC(20));
		txg_kick(dp->dp_spa, dmu_tx_get_txg(tx) + 1);
		return;
	}
	sc->sc_deadline = gethrtime() + SCAN_SLICE_MIN;
	sc->sc_hard_deadline = gethrtime() + SCAN_SLICE_MAX;
	int err = scan_walk(sc);
	scan_drain(sc);
	if (err == 0)
		scan_finish(sc, true, tx);
	else if (err != EINTR)
		spl_log(LOG_WARNING, "%s: scrub: error %d", dp->dp_spa->spa_name, err);
	scan_write(sc, tx);
	if (err != 0)
		txg_kick(dp->dp_spa, dmu_tx_get_txg(tx) + 1);
}

/* A dataset is gone: if the walk stands in it, go on with the next. */
void
dsl_scan_dataset_destroyed(dsl_pool_t *dp, uint64_t dsobj, dmu_tx_t *tx)
{
	dsl_scan_t *sc = scan_of(dp);
	zbookmark_phys_t *zb = &sc->sc_phys.scn_bookmark;

	if (sc->sc_phys.scn_state != DSS_SCANNING || zb->zb_objset != dsobj)
		return;
	memset(zb, 0, sizeof (*zb));
	zb->zb_objset = dsobj + 1;
	scan_write(sc, tx);
}

/* ---- commands ------------------------------------------------------------------------------------ */

typedef struct scan_arg {
	dsl_pool_t *sa_dp;
	enum pool_scan_func sa_func;
	bool sa_pause;
} scan_arg_t;

static int
scan_start_check(void *arg, dmu_tx_t *tx)
{
	scan_arg_t *sa = arg;
	dsl_scan_t *sc = scan_of(sa->sa_dp);

	(void)tx;
	return (scan_running(sc) ? EBUSY : 0);
}

static void
scan_start_sync(void *arg, dmu_tx_t *tx)
{
	scan_arg_t *sa = arg;
	dsl_scan_t *sc = scan_of(sa->sa_dp);
	dsl_scan_phys_t *p = &sc->sc_phys;
	uint64_t now = gethrestime_sec();

	mutex_enter(&sc->sc_lock);
	if (p->scn_state == DSS_SCANNING && (p->scn_flags & DSF_SCRUB_PAUSED)) {
		p->scn_flags &= ~DSF_SCRUB_PAUSED;
		sc->sc_pass_paused_time += now - sc->sc_pass_paused_at;
		sc->sc_pass_paused_at = 0;
	} else {
		memset(p, 0, sizeof (*p));
		p->scn_func = sa->sa_func;
		p->scn_state = DSS_SCANNING;
		p->scn_max_txg = p->scn_cur_max_txg = dmu_tx_get_txg(tx);
		p->scn_start_time = now;
		p->scn_to_examine = spa_get_alloc(sa->sa_dp->dp_spa);
		sc->sc_healed_before = scan_healed(sc);
		sc->sc_pass_start = now;
		sc->sc_pass_examined = 0;
		sc->sc_pass_paused_at = sc->sc_pass_paused_time = 0;
	}
	mutex_exit(&sc->sc_lock);
	dsl_log_internal(sa->sa_dp, "scan setup", "", 0, tx, "func=1 mintxg=0");
	scan_write(sc, tx);
}

int
dsl_scan_start(dsl_pool_t *dp, enum pool_scan_func func)
{
	scan_arg_t sa = { dp, func, false };

	return (dsl_sync_task(
	    dp, scan_start_check, scan_start_sync, &sa, 1, ZFS_SPACE_CHECK_EXTRA_RESERVED));
}

static int
scan_cancel_check(void *arg, dmu_tx_t *tx)
{
	scan_arg_t *sa = arg;

	(void)tx;
	return (scan_of(sa->sa_dp)->sc_phys.scn_state == DSS_SCANNING ? 0 : ENOENT);
}

static void
scan_cancel_sync(void *arg, dmu_tx_t *tx)
{
	scan_arg_t *sa = arg;
	dsl_scan_t *sc = scan_of(sa->sa_dp);

	scan_finish(sc, false, tx);
	scan_write(sc, tx);
}

int
dsl_scan_cancel(dsl_pool_t *dp)
{
	scan_arg_t sa = { dp, POOL_SCAN_SCRUB, false };

	return (dsl_sync_task(
	    dp, scan_cancel_check, scan_cancel_sync, &sa, 1, ZFS_SPACE_CHECK_EXTRA_RESERVED));
}

static int
scan_pause_check(void *arg, dmu_tx_t *tx)
{
	scan_arg_t *sa = arg;
	dsl_scan_t *sc = scan_of(sa->sa_dp);

	(void)tx;
	if (sc->sc_phys.scn_state != DSS_SCANNING)
		return (ENOENT);
	return (sc->sc_phys.scn_flags & DSF_SCRUB_PAUSED ? EBUSY : 0);
}

static void
scan_pause_sync(void *arg, dmu_tx_t *tx)
{
	scan_arg_t *sa = arg;
	dsl_scan_t *sc = scan_of(sa->sa_dp);

	mutex_enter(&sc->sc_lock);
	sc->sc_phys.scn_flags |= DSF_SCRUB_PAUSED;
	sc->sc_pass_paused_at = gethrestime_sec();
	mutex_exit(&sc->sc_lock);
	scan_write(sc, tx);
}

int
dsl_scan_pause(dsl_pool_t *dp, bool pause)
{
	scan_arg_t sa = { dp, POOL_SCAN_SCRUB, pause };

	if (!pause)
		return (dsl_scan_start(dp, POOL_SCAN_SCRUB));
	return (dsl_sync_task(
	    dp, scan_pause_check, scan_pause_sync, &sa, 1, ZFS_SPACE_CHECK_RESERVED));
}

void
dsl_scan_stat(dsl_pool_t *dp, pool_scan_stat_t *ps)
{
	dsl_scan_t *sc = scan_of(dp);

	memset(ps, 0, sizeof (*ps));
	mutex_enter(&sc->sc_lock);
	const dsl_scan_phys_t *p = &sc->sc_phys;
	ps->pss_func = p->scn_func;
	ps->pss_state = p->scn_state;
	ps->pss_start_time = p->scn_start_time;
	ps->pss_end_time = p->scn_end_time;
	ps->pss_to_examine = p->scn_to_examine;
	ps->pss_examined = ps->pss_issued = p->scn_examined;
	ps->pss_skipped = p->scn_skipped;
	ps->pss_processed = p->scn_processed;
	ps->pss_errors = p->scn_errors + sc->sc_errors;
	ps->pss_pass_start = sc->sc_pass_start;
	ps->pss_pass_examined = ps->pss_pass_issued = sc->sc_pass_examined;
	ps->pss_pass_pause = sc->sc_pass_paused_at;
	ps->pss_pass_paused_time = sc->sc_pass_paused_time;
	mutex_exit(&sc->sc_lock);
}
