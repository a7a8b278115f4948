/*
 * The log of permanent errors: which blocks of which files are lost (format/02 §9.4).
 * Errors found since the last scrub are in one log, those of a running scrub in another,
 * which takes the first one's place when the scrub has finished. Found errors are kept in
 * memory until the sync thread writes them.
 */
#include "pool/pool_impl.h"

/* Enough to say what is wrong; more would only fill memory. */
#define ERRLOG_MAX_PENDING 10000

typedef struct pool_error {
	avl_node_t pe_node;
	zbookmark_phys_t pe_zb;
	uint64_t pe_birth;
} pool_error_t;

static int
pe_compare(const void *a, const void *b)
{
	return (memcmp(&((const pool_error_t *)a)->pe_zb, &((const pool_error_t *)b)->pe_zb,
	    sizeof (zbookmark_phys_t)));
}

void
pool_errlog_init(pool_t *pl)
{
	mutex_init(&pl->pl_errors_lock);
	avl_create(&pl->pl_errors_last, pe_compare, sizeof (pool_error_t),
	    offsetof(pool_error_t, pe_node));
	avl_create(&pl->pl_errors_scrub, pe_compare, sizeof (pool_error_t),
	    offsetof(pool_error_t, pe_node));
}

static void
errors_clear(avl_tree_t *t)
{
	void *cookie = NULL;
	pool_error_t *pe;

	while ((pe = avl_destroy_nodes(t, &cookie)) != NULL)
		kmem_free(pe, sizeof (*pe));
}

void
pool_errlog_fini(pool_t *pl)
{
	errors_clear(&pl->pl_errors_last);
	errors_clear(&pl->pl_errors_scrub);
	avl_destroy(&pl->pl_errors_last);
	avl_destroy(&pl->pl_errors_scrub);
	mutex_destroy(&pl->pl_errors_lock);
}

void
pool_data_error(spa_t *spa, const zbookmark_phys_t *zb, const blkptr_t *bp)
{
	pool_t *pl = pool_of(spa);
	avl_index_t where;

	if (pl == NULL || zb == NULL || spa->spa_dsl_pool == NULL)
		return;
	avl_tree_t *t = dsl_scan_active(spa->spa_dsl_pool) ? &pl->pl_errors_scrub :
							     &pl->pl_errors_last;
	pool_error_t *pe = kmem_zalloc(sizeof (*pe), KM_SLEEP);
	pe->pe_zb = *zb;
	pe->pe_birth = bp != NULL ? BP_GET_PHYSICAL_BIRTH(bp) : 0;
	mutex_enter(&pl->pl_errors_lock);
	if (avl_numnodes(t) < ERRLOG_MAX_PENDING && avl_find(t, pe, &where) == NULL) {
		avl_insert(t, pe, where);
		pe = NULL;
	}
	mutex_exit(&pl->pl_errors_lock);
	if (pe != NULL)
		kmem_free(pe, sizeof (*pe));
}

bool
pool_errlog_pending(spa_t *spa)
{
	pool_t *pl = pool_of(spa);

	mutex_enter(&pl->pl_errors_lock);
	bool pending = !avl_is_empty(&pl->pl_errors_last) ||
	    !avl_is_empty(&pl->pl_errors_scrub) || pl->pl_errors_rotate;
	mutex_exit(&pl->pl_errors_lock);
	return (pending);
}

/* ---- reading ----------------------------------------------------------------------------------- */

static bool
parse_words(const char *s, uint64_t *w, int n)
{
	for (int i = 0; i < n; i++) {
		char *end;
		errno = 0;
		w[i] = strtoull(s, &end, 16);
		if (end == s || errno != 0 || *end != (i == n - 1 ? '\0' : ':'))
			return (false);
		s = end + 1;
	}
	return (true);
}

typedef struct error_sink {
	zbookmark_phys_t *es_zb; /* NULL: only count */
	size_t es_n, es_room;
} error_sink_t;

static void
sink_add(error_sink_t *es, uint64_t objset, uint64_t object, uint64_t level, uint64_t blkid)
{
	if (es->es_zb != NULL) {
		if (es->es_n >= es->es_room)
			return;
		es->es_zb[es->es_n] = (zbookmark_phys_t){ objset, object, (int64_t)level, blkid };
	}
	es->es_n++;
}

/* Form 2: objset of all entries is given. Form 1: it is in the name. */
static int
read_entries(spa_t *spa, uint64_t obj, bool form2, uint64_t objset, error_sink_t *es)
{
	zap_attribute_t *za = kmem_alloc(sizeof (*za), KM_SLEEP);
	zap_cursor_t zc;
	uint64_t w[4];
	int err;

	zap_cursor_init(&zc, spa->spa_meta_objset, obj);
	while ((err = zap_cursor_retrieve(&zc, za)) == 0) {
		if (parse_words(za->za_name, w, 4)) {
			if (form2)
				sink_add(es, objset, w[0], w[1], w[2]);
			else
				sink_add(es, w[0], w[1], w[2], w[3]);
		}
		zap_cursor_advance(&zc);
	}
	zap_cursor_fini(&zc);
	kmem_free(za, sizeof (*za));
	return (err == ENOENT ? 0 : err);
}

static int
read_log(spa_t *spa, uint64_t log, error_sink_t *es)
{
	zap_attribute_t *za;
	zap_cursor_t zc;
	int err;

	if (log == 0)
		return (0);
	if (!spa_feature_is_enabled(spa, SPA_FEATURE_HEAD_ERRLOG))
		return (read_entries(spa, log, false, 0, es));
	za = kmem_alloc(sizeof (*za), KM_SLEEP);
	zap_cursor_init(&zc, spa->spa_meta_objset, log);
	while ((err = zap_cursor_retrieve(&zc, za)) == 0) {
		uint64_t head;
		if (parse_words(za->za_name, &head, 1) &&
		    (err = read_entries(spa, za->za_first_integer, true, head, es)) != 0)
			break;
		zap_cursor_advance(&zc);
	}
	zap_cursor_fini(&zc);
	kmem_free(za, sizeof (*za));
	return (err == ENOENT ? 0 : err);
}

static int
read_all(spa_t *spa, error_sink_t *es)
{
	pool_t *pl = pool_of(spa);
	pool_error_t *pe;
	int err = read_log(spa, pl->pl_errlog_last, es);

	if (err == 0)
		err = read_log(spa, pl->pl_errlog_scrub, es);
	mutex_enter(&pl->pl_errors_lock);
	for (pe = avl_first(&pl->pl_errors_last); pe; pe = avl_next(&pl->pl_errors_last, pe))
		sink_add(es, pe->pe_zb.zb_objset, pe->pe_zb.zb_object,
		    (uint64_t)pe->pe_zb.zb_level, pe->pe_zb.zb_blkid);
	for (pe = avl_first(&pl->pl_errors_scrub); pe; pe = avl_next(&pl->pl_errors_scrub, pe))
		sink_add(es, pe->pe_zb.zb_objset, pe->pe_zb.zb_object,
		    (uint64_t)pe->pe_zb.zb_level, pe->pe_zb.zb_blkid);
	mutex_exit(&pl->pl_errors_lock);
	return (err);
}

uint64_t
pool_errors_count(spa_t *spa)
{
	error_sink_t es = { 0 };

	(void)read_all(spa, &es);
	return (es.es_n);
}

static int
zb_compare(const void *a, const void *b)
{
	return (memcmp(a, b, sizeof (zbookmark_phys_t)));
}

int
pool_errors_get(spa_t *spa, zbookmark_phys_t **zbp, size_t *np)
{
	error_sink_t es = { .es_room = pool_errors_count(spa) + 64 };
	size_t n = 0;

	es.es_zb = kmem_zalloc(es.es_room * sizeof (zbookmark_phys_t), KM_SLEEP);
	int err = read_all(spa, &es);
	if (err != 0 && es.es_n == 0) {
		kmem_free(es.es_zb, es.es_room * sizeof (zbookmark_phys_t));
		return (err);
	}
	/* The same block may stand in both logs. */
	qsort(es.es_zb, es.es_n, sizeof (zbookmark_phys_t), zb_compare);
	for (size_t i = 0; i < es.es_n; i++)
		if (i == 0 || zb_compare(&es.es_zb[i], &es.es_zb[i - 1]) != 0)
			es.es_zb[n++] = es.es_zb[i];
	*zbp = kmem_alloc(n * sizeof (zbookmark_phys_t), KM_SLEEP);
	if (n != 0)
		memcpy(*zbp, es.es_zb, n * sizeof (zbookmark_phys_t));
	*np = n;
	kmem_free(es.es_zb, es.es_room * sizeof (zbookmark_phys_t));
	return (0);
}

int
pool_errlog_load(spa_t *spa)
{
	pool_t *pl = pool_of(spa);
	int err = pool_dir_lookup(spa, DMU_POOL_ERRLOG_LAST, &pl->pl_errlog_last);

	if (err == 0 || err == ENOENT)
		err = pool_dir_lookup(spa, DMU_POOL_ERRLOG_SCRUB, &pl->pl_errlog_scrub);
	return (err == ENOENT ? 0 : err);
}

/* ---- writing ------------------------------------------------------------------------------------ */

static void
write_entry(spa_t *spa, uint64_t *logp, const pool_error_t *pe, dmu_tx_t *tx)
{
	objset_t *mos = spa->spa_meta_objset;
	const zbookmark_phys_t *zb = &pe->pe_zb;
	uint64_t obj;
	char name[80];

	if (*logp == 0)
		*logp = zap_create(mos, DMU_OT_ERROR_LOG, DMU_OT_NONE, 0, tx);
	obj = *logp;
	if (spa_feature_is_enabled(spa, SPA_FEATURE_HEAD_ERRLOG)) {
		if (zap_lookup_int_key(mos, *logp, zb->zb_objset, &obj) != 0) {
			obj = zap_create(mos, DMU_OT_ERROR_LOG, DMU_OT_NONE, 0, tx);
			VERIFY0(zap_add_int_key(mos, *logp, zb->zb_objset, obj, tx));
		}
		(void)snprintf(name, sizeof (name), "%" PRIx64 ":%" PRIx64 ":%" PRIx64 ":%" PRIx64,
		    zb->zb_object, (uint64_t)zb->zb_level, zb->zb_blkid, pe->pe_birth);
	} else {
		(void)snprintf(name, sizeof (name), "%" PRIx64 ":%" PRIx64 ":%" PRIx64 ":%" PRIx64,
		    zb->zb_objset, zb->zb_object, (uint64_t)zb->zb_level, zb->zb_blkid);
	}
	VERIFY0(zap_update(mos, obj, name, 1, 1, "", tx));
}

static void
write_pending(spa_t *spa, avl_tree_t *t, uint64_t *logp, dmu_tx_t *tx)
{
	pool_t *pl = pool_of(spa);

	for (;;) {
		mutex_enter(&pl->pl_errors_lock);
		pool_error_t *pe = avl_first(t);
		if (pe != NULL)
			avl_remove(t, pe);
		mutex_exit(&pl->pl_errors_lock);
		if (pe == NULL)
			return;
		write_entry(spa, logp, pe, tx);
		kmem_free(pe, sizeof (*pe));
	}
}

static void
destroy_log(spa_t *spa, uint64_t log, dmu_tx_t *tx)
{
	objset_t *mos = spa->spa_meta_objset;

	if (log == 0)
		return;
	if (spa_feature_is_enabled(spa, SPA_FEATURE_HEAD_ERRLOG)) {
		zap_attribute_t *za = kmem_alloc(sizeof (*za), KM_SLEEP);
		zap_cursor_t zc;
		zap_cursor_init(&zc, mos, log);
		while (zap_cursor_retrieve(&zc, za) == 0) {
			VERIFY0(zap_destroy(mos, za->za_first_integer, tx));
			zap_cursor_advance(&zc);
		}
		zap_cursor_fini(&zc);
		kmem_free(za, sizeof (*za));
	}
	VERIFY0(zap_destroy(mos, log, tx));
}

void
pool_scan_finished(spa_t *spa, bool complete, dmu_tx_t *tx)
{
	pool_t *pl = pool_of(spa);

	(void)tx;
	mutex_enter(&pl->pl_errors_lock);
	pl->pl_errors_rotate = true;
	pl->pl_errors_done = complete;
	mutex_exit(&pl->pl_errors_lock);
}

void
pool_errlog_sync(spa_t *spa, dmu_tx_t *tx)
{
	pool_t *pl = pool_of(spa);
	uint64_t last = pl->pl_errlog_last, scrub = pl->pl_errlog_scrub;

	if (!pool_errlog_pending(spa))
		return;
	write_pending(spa, &pl->pl_errors_last, &last, tx);
	write_pending(spa, &pl->pl_errors_scrub, &scrub, tx);
	if (pl->pl_errors_rotate) {
		if (pl->pl_errors_done) {
			destroy_log(spa, last, tx);
			last = scrub;
		} else {
			destroy_log(spa, scrub, tx);
		}
		scrub = 0;
		mutex_enter(&pl->pl_errors_lock);
		pl->pl_errors_rotate = false;
		mutex_exit(&pl->pl_errors_lock);
	}
	if (last != pl->pl_errlog_last)
		pool_dir_set(spa, DMU_POOL_ERRLOG_LAST, last, tx);
	if (scrub != pl->pl_errlog_scrub)
		pool_dir_set(spa, DMU_POOL_ERRLOG_SCRUB, scrub, tx);
	pl->pl_errlog_last = last;
	pl->pl_errlog_scrub = scrub;
}
