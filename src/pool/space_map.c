/* Reading and writing space maps. See space_map.h. */
#include "pool/space_map.h"

#define SPACE_MAP_PREFETCH (8ULL << 20) /* bytes; a length may be a lie */

/* ---- objects and headers ---------------------------------------------------------------- */

uint64_t
space_map_alloc(objset_t *os, uint32_t blksz, dmu_tx_t *tx)
{
	spa_t *spa = dmu_objset_spa(os);
	int bonuslen = SPACE_MAP_SIZE_V0;

	if (spa_feature_is_enabled(spa, SPA_FEATURE_SPACEMAP_HISTOGRAM)) {
		bonuslen = sizeof(space_map_phys_t);
		spa_feature_incr(
		    spa, SPA_FEATURE_SPACEMAP_HISTOGRAM, dmu_tx_get_txg(tx));
	}
	return (dmu_object_alloc_dnsize(os, DMU_OT_SPACE_MAP, (int)blksz, SPACE_MAP_IBS,
	    DMU_OT_SPACE_MAP_HEADER, bonuslen, 0, tx));
}

int
space_map_free(objset_t *os, uint64_t object, dmu_tx_t *tx)
{
	spa_t *spa = dmu_objset_spa(os);
	dmu_object_info_t doi;
	int error = dmu_object_info(os, object, &doi);

	if (error != 0 || (error = dmu_object_free(os, object, tx)) != 0)
		return (error);
	if (doi.doi_bonus_size == sizeof(space_map_phys_t) &&
	    spa_feature_is_active(spa, SPA_FEATURE_SPACEMAP_HISTOGRAM))
		spa_feature_decr(
		    spa, SPA_FEATURE_SPACEMAP_HISTOGRAM, dmu_tx_get_txg(tx));
	return (0);
}

/* Does the header fit the object? Entries cannot reach beyond the last block. */
static bool
header_is_sane(const space_map_t *sm, const dmu_object_info_t *doi)
{
	const uint64_t length = sm->sm_phys.smp_length;

	return (length % sizeof(uint64_t) == 0 &&
		length / sm->sm_blksz <= doi->doi_maxblkid + 1 &&
		length <= (doi->doi_maxblkid + 1) * sm->sm_blksz);
}

int
space_map_open(space_map_t *sm, objset_t *os, uint64_t object, uint64_t start,
    uint64_t size, int shift)
{
	dmu_object_info_t doi;
	dmu_buf_t *db;
	int error = dmu_object_info(os, object, &doi);

	if (error != 0)
		return (error);
	if (doi.doi_type != DMU_OT_SPACE_MAP ||
	    doi.doi_bonus_type != DMU_OT_SPACE_MAP_HEADER ||
	    doi.doi_bonus_size < SPACE_MAP_SIZE_V0 || doi.doi_data_block_size < 512)
		return (EIO);
	if ((error = dmu_bonus_hold(os, object, sm, &db)) != 0)
		return (error);
	memset(sm, 0, sizeof(*sm));
	sm->sm_os = os;
	sm->sm_object = object;
	sm->sm_start = start;
	sm->sm_size = size;
	sm->sm_shift = shift;
	sm->sm_blksz = doi.doi_data_block_size;
	sm->sm_has_histogram = doi.doi_bonus_size >= sizeof(space_map_phys_t);
	memcpy(&sm->sm_phys, db->db_data,
	    MIN(MIN(db->db_size, doi.doi_bonus_size), sizeof(sm->sm_phys)));
	dmu_buf_rele(db, sm);
	return (header_is_sane(sm, &doi) ? 0 : EIO);
}

/* Put the header back into the bonus buffer. */
static int
header_write(space_map_t *sm, dmu_tx_t *tx)
{
	dmu_buf_t *db;
	const int error = dmu_bonus_hold(sm->sm_os, sm->sm_object, sm, &db);

	if (error != 0)
		return (error);
	dmu_buf_will_dirty(db, tx);
	sm->sm_phys.smp_object = sm->sm_object;
	memcpy(db->db_data, &sm->sm_phys,
	    sm->sm_has_histogram ? sizeof(sm->sm_phys) : SPACE_MAP_SIZE_V0);
	dmu_buf_rele(db, sm);
	return (0);
}

int
space_map_set_histogram(
    space_map_t *sm, const uint64_t hist[SPACE_MAP_HISTOGRAM_SIZE], dmu_tx_t *tx)
{
	if (!sm->sm_has_histogram)
		return (0);
	memcpy(sm->sm_phys.smp_histogram, hist, sizeof(sm->sm_phys.smp_histogram));
	return (header_write(sm, tx));
}

int
space_map_truncate(space_map_t *sm, dmu_tx_t *tx)
{
	const int error =
	    dmu_free_range(sm->sm_os, sm->sm_object, 0, DMU_OBJECT_END, tx);

	if (error != 0)
		return (error);
	sm->sm_phys.smp_length = 0;
	sm->sm_phys.smp_alloc = 0;
	memset(sm->sm_phys.smp_histogram, 0, sizeof(sm->sm_phys.smp_histogram));
	return (header_write(sm, tx));
}

/* ---- reading ------------------------------------------------------------------------------ */

/* The entries of one block. Two-word entries never straddle two (format/02 §5.3). */
static int
iterate_block(const uint64_t *words, size_t n,
    int (*func)(void *arg, const space_map_entry_t *sme), void *arg)
{
	space_map_entry_t sme;
	int error = 0;

	for (size_t i = 0; i < n && error == 0;) {
		const unsigned used = sm_entry_decode(words + i, n - i, &sme);
		if (used == 0)
			return (EIO);
		i += used;
		if (sme.sme_kind == SM_ENTRY_RANGE)
			error = func(arg, &sme);
	}
	return (error);
}

int
space_map_iterate(const space_map_t *sm, uint64_t length,
    int (*func)(void *arg, const space_map_entry_t *sme), void *arg)
{
	const uint64_t end = MIN(length, sm->sm_phys.smp_length);
	int error = 0;

	if (end == 0)
		return (0);
	uint64_t *buf = kmem_alloc(sm->sm_blksz, KM_SLEEP);
	dmu_prefetch(sm->sm_os, sm->sm_object, 0, MIN(end, SPACE_MAP_PREFETCH));
	for (uint64_t at = 0; at < end && error == 0; at += sm->sm_blksz) {
		const uint64_t n = MIN(sm->sm_blksz, end - at);
		error = dmu_read(
		    sm->sm_os, sm->sm_object, at, n, buf, DMU_READ_NO_PREFETCH);
		if (error == 0)
			error = iterate_block(buf, n / sizeof(uint64_t), func, arg);
	}
	kmem_free(buf, sm->sm_blksz);
	return (error);
}

typedef struct load_arg {
	const space_map_t *la_sm;
	range_tree_t *la_rt;
	maptype_t la_kind;
} load_arg_t;

static int
load_entry(void *arg, const space_map_entry_t *sme)
{
	const load_arg_t *la = arg;
	const space_map_t *sm = la->la_sm;
	const uint64_t limit = sm->sm_size >> sm->sm_shift;

	if (sme->sme_offset >= limit || sme->sme_run > limit - sme->sme_offset)
		return (EIO);
	const uint64_t start = sm->sm_start + (sme->sme_offset << sm->sm_shift);
	const uint64_t size = sme->sme_run << sm->sm_shift;
	const int error = sme->sme_type == la->la_kind
			      ? range_tree_try_add(la->la_rt, start, size)
			      : range_tree_try_remove(la->la_rt, start, size);
	return (error != 0 ? EIO : 0);
}

int
space_map_load_length(
    const space_map_t *sm, uint64_t length, range_tree_t *rt, maptype_t kind)
{
	load_arg_t la = {sm, rt, kind};

	ASSERT(range_tree_is_empty(rt));
	if (kind == SM_FREE)
		range_tree_add(rt, sm->sm_start, sm->sm_size);
	const int error = space_map_iterate(sm, length, load_entry, &la);
	if (error != 0)
		range_tree_vacate(rt, NULL, NULL);
	return (error);
}

int
space_map_load(objset_t *os, uint64_t object, uint64_t start, uint64_t size, int shift,
    range_tree_t *rt, maptype_t kind)
{
	space_map_t sm;
	const int error = space_map_open(&sm, os, object, start, size, shift);

	return (error != 0 ? error : space_map_load_length(&sm, UINT64_MAX, rt, kind));
}

/* ---- writing ------------------------------------------------------------------------------ */

/* A batch under way: entries gather in a buffer that is written at each block boundary. */
typedef struct sm_writer {
	space_map_t *w_sm;
	dmu_tx_t *w_tx;
	maptype_t w_kind;
	uint32_t w_vdev;
	bool w_v2;     /* two-word entries are allowed */
	uint64_t w_at; /* where the buffer's first byte goes */
	uint64_t *w_buf;
	size_t w_words; /* in the buffer */
	int w_error;
} sm_writer_t;

static size_t
words_left_in_block(const sm_writer_t *w)
{
	const uint64_t at = w->w_at + w->w_words * sizeof(uint64_t);

	return ((w->w_sm->sm_blksz - at % w->w_sm->sm_blksz) / sizeof(uint64_t));
}

static void
writer_flush(sm_writer_t *w)
{
	const uint64_t bytes = w->w_words * sizeof(uint64_t);

	if (w->w_error == 0 && bytes > 0)
		w->w_error = dmu_write(w->w_sm->sm_os, w->w_sm->sm_object, w->w_at,
		    bytes, w->w_buf, w->w_tx);
	w->w_at += bytes;
	w->w_words = 0;
}

static void
writer_put(sm_writer_t *w, const space_map_entry_t *sme)
{
	static const space_map_entry_t pad = {.sme_kind = SM_ENTRY_PAD};
	uint64_t words[2];
	const unsigned n = sm_entry_encode(sme, words);

	if (n == 2 && words_left_in_block(w) == 1)
		writer_put(w, &pad);
	memcpy(w->w_buf + w->w_words, words, n * sizeof(uint64_t));
	w->w_words += n;
	if (words_left_in_block(w) * sizeof(uint64_t) == w->w_sm->sm_blksz)
		writer_flush(w);
}

/* One segment, as one entry or, if it is too long for the form, several. */
static void
writer_segment(void *arg, uint64_t start, uint64_t size)
{
	sm_writer_t *w = arg;
	const space_map_t *sm = w->w_sm;
	space_map_entry_t sme = {
	    .sme_kind = SM_ENTRY_RANGE, .sme_type = w->w_kind, .sme_vdev = w->w_vdev};
	uint64_t offset = (start - sm->sm_start) >> sm->sm_shift;
	uint64_t run = size >> sm->sm_shift;

	VERIFY3U(start, >=, sm->sm_start);
	VERIFY(size <= sm->sm_size && start - sm->sm_start <= sm->sm_size - size);
	VERIFY(IS_P2ALIGNED(start - sm->sm_start, 1ULL << sm->sm_shift) &&
	       IS_P2ALIGNED(size, 1ULL << sm->sm_shift));
	while (run > 0) {
		const uint64_t max = w->w_v2 ? SM_RUN_MAX2 : SM_RUN_MAX1;
		sme.sme_offset = offset;
		sme.sme_run = MIN(run, max);
		VERIFY(w->w_v2 || sm_entry_fits_one(&sme));
		writer_put(w, &sme);
		offset += sme.sme_run;
		run -= sme.sme_run;
	}
}

int
space_map_write(space_map_t *sm, range_tree_t *rt, maptype_t kind, uint32_t vdev,
    int pass, dmu_tx_t *tx)
{
	const int64_t space = (int64_t)range_tree_space(rt);
	sm_writer_t w = {.w_sm = sm,
	    .w_tx = tx,
	    .w_kind = kind,
	    .w_vdev = vdev,
	    .w_at = sm->sm_phys.smp_length};
	const space_map_entry_t head = {.sme_kind = SM_ENTRY_DEBUG,
	    .sme_type = kind,
	    .sme_pass = (uint32_t)pass & 0x3ff,
	    .sme_txg = dmu_tx_get_txg(tx) & ((1ULL << 50) - 1)};

	if (range_tree_is_empty(rt))
		return (0);
	w.w_v2 =
	    spa_feature_is_active(dmu_objset_spa(sm->sm_os), SPA_FEATURE_SPACEMAP_V2);
	ASSERT(w.w_v2 || vdev == SM_NO_VDEV);
	w.w_buf = kmem_alloc(sm->sm_blksz, KM_SLEEP);
	writer_put(&w, &head);
	range_tree_walk(rt, writer_segment, &w);
	writer_flush(&w);
	kmem_free(w.w_buf, sm->sm_blksz);
	if (w.w_error != 0)
		return (w.w_error);
	const space_map_phys_t before = sm->sm_phys;
	sm->sm_phys.smp_length = w.w_at;
	sm->sm_phys.smp_alloc += kind == SM_ALLOC ? space : -space;
	const int error = header_write(sm, tx);
	if (error != 0)
		sm->sm_phys = before;
	return (error);
}
