/* See dmu_model.h. */
#include "dmu_model.h"

#define K 1024ULL
#define MAXOBJ 24
#define MAXSIZE (6 * 1024 * K)

typedef struct mobj {
	uint64_t object; /* 0: none */
	uint64_t blksz, maxsize;
	uint8_t *data; /* maxsize bytes */
	int slots;
	int bonuslen;
	uint8_t bonus[16384];
	uint64_t spillsize; /* 0: none */
	uint8_t *spill;
	uint64_t freed_txg;
} mobj_t;

struct model {
	objset_t *(*m_os)(void *arg);
	void *m_arg;
	mobj_t obj[MAXOBJ];
};

static uint64_t
rnd(uint64_t n)
{
	return (random_in_range(n));
}

static void
fill_random(uint8_t *p, uint64_t len)
{
	/* Zeros make holes, runs compress, noise does not. */
	switch (rnd(4)) {
	case 0:
		memset(p, 0, len);
		break;
	case 1:
		memset(p, (int)rnd(256), len);
		break;
	default:
		tp_pattern(p, rnd(1 << 20), len, rnd(1 << 20));
	}
}

static objset_t *
mos(model_t *m)
{
	return (m->m_os(m->m_arg));
}

/* ---- operations ---------------------------------------------------------- */

static void
op_create(model_t *m, mobj_t *o)
{
	static const uint64_t blksz[] = {512, 1024, 4 * K, 16 * K, 128 * K, 1024 * K};
	objset_t *os = mos(m);

	memset(o, 0, offsetof(mobj_t, bonus));
	o->blksz = blksz[rnd(ARRAY_SIZE(blksz))];
	/* An MOS has only small dnodes (format/02 §1.3). */
	o->slots = rnd(3) == 0 && !dmu_objset_is_mos(os) ? 1 << rnd(6) : 1;
	/* Small blocks with small indirects: many levels from few bytes. */
	const int ibs = rnd(2) == 0 ? 12 : 0;
	o->maxsize = MIN(MAXSIZE, o->blksz * (ibs != 0 ? 5000 : 300));
	const bool sa = rnd(2) == 0;
	o->bonuslen = (int)rnd((uint64_t)(512 * o->slots - 192 - 128) + 1) & ~7;
	o->data = kmem_zalloc(MAXSIZE, KM_SLEEP);
	o->spill = kmem_zalloc(128 * K, KM_SLEEP);
	memset(o->bonus, 0, sizeof(o->bonus));
	o->spillsize = 0;
	dmu_tx_t *tx = tp_tx(os, DMU_NEW_OBJECT);
	o->object = dmu_object_alloc_dnsize(os, DMU_OT_PLAIN_FILE_CONTENTS,
	    (int)o->blksz, ibs,
	    sa && dmu_objset_type(os) != DMU_OST_ZFS ? DMU_OT_SA : DMU_OT_PLAIN_OTHER,
	    o->bonuslen, o->slots * 512, tx);
	for (int i = 0; i < MAXOBJ; i++)
		assert_true(&m->obj[i] == o || m->obj[i].object != o->object);
	/* A number freed in this txg must not come back in it. */
	for (int i = 0; i < MAXOBJ; i++)
		assert_false(m->obj[i].object == 0 &&
			     m->obj[i].freed_txg == dmu_tx_get_txg(tx) &&
			     m->obj[i].maxsize == UINT64_MAX - o->object);
	dmu_tx_commit(tx);
}

static void
op_free(model_t *m, mobj_t *o)
{
	dmu_tx_t *tx = tp_tx(mos(m), o->object);

	o->freed_txg = dmu_tx_get_txg(tx);
	o->maxsize = UINT64_MAX - o->object;
	assert_int_equal(dmu_object_free(mos(m), o->object, tx), 0);
	dmu_tx_commit(tx);
	kmem_free(o->data, MAXSIZE);
	kmem_free(o->spill, 128 * K);
	o->object = 0;
}

static void
op_write(model_t *m, mobj_t *o)
{
	const uint64_t off =
	    rnd(2) == 0 ? rnd(o->maxsize) : rnd(o->maxsize / o->blksz) * o->blksz;
	const uint64_t want =
	    rnd(2) == 0 ? rnd(3 * o->blksz) + 1 : o->blksz * (1 + rnd(4));
	const uint64_t len = MIN(o->maxsize - off, want);
	dmu_tx_t *tx = dmu_tx_create(mos(m));

	fill_random(o->data + off, len);
	dmu_tx_hold_write(tx, o->object, off, len);
	assert_int_equal(dmu_tx_assign(tx, DMU_TX_WAIT), 0);
	assert_int_equal(dmu_write(mos(m), o->object, off, len, o->data + off, tx), 0);
	dmu_tx_commit(tx);
}

static void
op_punch(model_t *m, mobj_t *o)
{
	const uint64_t off = rnd(4) == 0 ? 0 : rnd(o->maxsize);
	const uint64_t want = rnd(rnd(2) ? 4 * o->blksz : o->maxsize) + 1;
	const uint64_t len =
	    rnd(3) == 0 ? DMU_OBJECT_END - off : MIN(o->maxsize - off, want);
	const uint64_t in = MIN(len, MAXSIZE - off);

	if (rnd(4) == 0) {
		assert_int_equal(dmu_free_long_range(mos(m), o->object, off, len), 0);
	} else {
		dmu_tx_t *tx = dmu_tx_create(mos(m));
		dmu_tx_hold_free(tx, o->object, off, len);
		assert_int_equal(dmu_tx_assign(tx, DMU_TX_WAIT), 0);
		assert_int_equal(dmu_free_range(mos(m), o->object, off, len, tx), 0);
		dmu_tx_commit(tx);
	}
	memset(o->data + off, 0, in);
}

static void
op_bonus(model_t *m, mobj_t *o)
{
	dmu_tx_t *tx = dmu_tx_create(mos(m));
	dmu_buf_t *db;

	dmu_tx_hold_bonus(tx, o->object);
	assert_int_equal(dmu_tx_assign(tx, DMU_TX_WAIT), 0);
	assert_int_equal(dmu_bonus_hold(mos(m), o->object, NULL, &db), 0);
	assert_int_equal(db->db_size, o->bonuslen);
	assert_memory_equal(db->db_data, o->bonus, (size_t)o->bonuslen);
	if (rnd(3) == 0) {
		/* Room for a spill pointer is left. */
		dmu_object_info_t doi;
		dmu_object_info_from_db(db, &doi);
		const int cap = 512 * o->slots - 64 - 128 * doi.doi_nblkptr - 128;
		const int len = cap > 0 ? (int)rnd((uint64_t)cap) & ~7 : 0;
		assert_int_equal(dmu_set_bonus(db, len, tx), 0);
		if (len < o->bonuslen)
			memset(o->bonus + len, 0, (size_t)(o->bonuslen - len));
		o->bonuslen = len;
	}
	dmu_buf_will_dirty(db, tx);
	fill_random(o->bonus, (uint64_t)o->bonuslen);
	memcpy(db->db_data, o->bonus, (size_t)o->bonuslen);
	dmu_buf_rele(db, NULL);
	dmu_tx_commit(tx);
}

static void
op_spill(model_t *m, mobj_t *o)
{
	dmu_object_info_t doi;
	dmu_buf_t *bonus, *db;

	assert_int_equal(dmu_bonus_hold(mos(m), o->object, NULL, &bonus), 0);
	dmu_object_info_from_db(bonus, &doi);
	if (o->bonuslen > 512 * o->slots - 64 - 128 * doi.doi_nblkptr - 128) {
		dmu_buf_rele(bonus, NULL);
		return; /* no room for the pointer */
	}
	dmu_tx_t *tx = dmu_tx_create(mos(m));
	dmu_tx_hold_bonus(tx, o->object);
	dmu_tx_hold_spill(tx, o->object);
	assert_int_equal(dmu_tx_assign(tx, DMU_TX_WAIT), 0);
	if (o->spillsize != 0 && rnd(3) == 0) {
		assert_int_equal(dmu_spill_remove(bonus, tx), 0);
		assert_int_equal(dmu_spill_hold(bonus, NULL, &db), ENOENT);
		o->spillsize = 0;
		memset(o->spill, 0, 128 * K);
	} else {
		const uint64_t size =
		    o->spillsize != 0 && rnd(2) ? o->spillsize : 512 * (1 + rnd(256));
		assert_int_equal(dmu_spill_hold_create(bonus, size, NULL, tx, &db), 0);
		assert_int_equal(db->db_size, size);
		if (size < o->spillsize)
			memset(o->spill + size, 0, o->spillsize - size);
		assert_memory_equal(db->db_data, o->spill, size);
		fill_random(o->spill, size);
		memcpy(db->db_data, o->spill, size);
		o->spillsize = size;
		dmu_buf_rele(db, NULL);
	}
	dmu_tx_commit(tx);
	dmu_buf_rele(bonus, NULL);
}

/* Change through a held buffer, as ZAPs and space maps do. */
static void
op_buffer(model_t *m, mobj_t *o)
{
	const uint64_t blkid = rnd(o->maxsize / o->blksz), off = blkid * o->blksz;
	dmu_tx_t *tx = dmu_tx_create(mos(m));
	dmu_buf_t *db;

	dmu_tx_hold_write(tx, o->object, off, o->blksz);
	assert_int_equal(dmu_tx_assign(tx, DMU_TX_WAIT), 0);
	assert_int_equal(dmu_buf_hold(mos(m), o->object, off, NULL, &db, 0), 0);
	assert_int_equal(db->db_size, o->blksz);
	assert_memory_equal(db->db_data, o->data + off, o->blksz);
	dmu_buf_will_dirty(db, tx);
	const uint64_t at = rnd(o->blksz), len = rnd(o->blksz - at) + 1;
	fill_random(o->data + off + at, len);
	memcpy((uint8_t *)db->db_data + at, o->data + off + at, len);
	dmu_buf_rele(db, NULL);
	dmu_tx_commit(tx);
}

/* ---- checks -------------------------------------------------------------- */

static void
check_holes(model_t *m, mobj_t *o)
{
	uint64_t off = rnd(o->maxsize), start = off;

	/* Nothing between here and the next data may be other than zero. */
	const int error = dmu_offset_next(mos(m), o->object, false, &off);
	if (error == ESRCH)
		off = o->maxsize;
	else
		assert_int_equal(error, 0);
	for (uint64_t i = start; i < MIN(off, o->maxsize); i++) {
		if (o->data[i] != 0)
			fail_msg("object %" PRIu64 " (block size %" PRIu64
				 "): data at %" PRIu64 " missed, searched from %" PRIu64
				 ", found %" PRIu64,
			    o->object, o->blksz, i, start, off);
	}
	/* A hole, if it says so, is one. */
	off = start;
	if (dmu_offset_next(mos(m), o->object, true, &off) == 0) {
		const uint64_t end = MIN((off / o->blksz + 1) * o->blksz, o->maxsize);
		for (uint64_t i = off; i < end; i++)
			assert_int_equal(o->data[i], 0);
	}
}

static void
check_object(model_t *m, mobj_t *o)
{
	uint8_t *buf = kmem_alloc(o->maxsize, KM_SLEEP);
	dmu_object_info_t doi;
	dmu_buf_t *bonus, *db;

	assert_int_equal(dmu_read(mos(m), o->object, 0, o->maxsize, buf, 0), 0);
	for (uint64_t i = 0; i < o->maxsize; i += 512) {
		if (memcmp(buf + i, o->data + i, MIN(512, o->maxsize - i)) != 0)
			fail_msg("object %" PRIu64 " differs at %" PRIu64
				 " (block %" PRIu64 ")",
			    o->object, i, i / o->blksz);
	}
	kmem_free(buf, o->maxsize);
	assert_int_equal(dmu_bonus_hold(mos(m), o->object, NULL, &bonus), 0);
	assert_int_equal(bonus->db_size, o->bonuslen);
	assert_memory_equal(bonus->db_data, o->bonus, (size_t)o->bonuslen);
	if (o->spillsize == 0) {
		assert_int_equal(dmu_spill_hold(bonus, NULL, &db), ENOENT);
	} else {
		assert_int_equal(dmu_spill_hold(bonus, NULL, &db), 0);
		assert_int_equal(db->db_size, o->spillsize);
		assert_memory_equal(db->db_data, o->spill, o->spillsize);
		dmu_buf_rele(db, NULL);
	}
	dmu_buf_rele(bonus, NULL);
	assert_int_equal(dmu_object_info(mos(m), o->object, &doi), 0);
	assert_int_equal(doi.doi_data_block_size, o->blksz);
	assert_int_equal(doi.doi_dnodesize, o->slots * 512);
	check_holes(m, o);
}

void
model_check(model_t *m)
{
	uint64_t object = 0, n = 0;

	for (int i = 0; i < MAXOBJ; i++) {
		if (m->obj[i].object != 0) {
			check_object(m, &m->obj[i]);
			n++;
		}
	}
	/* Walking finds these, and what was there before. */
	while (dmu_object_next(mos(m), &object, false, 0) == 0) {
		for (int i = 0; i < MAXOBJ; i++)
			n -= m->obj[i].object == object;
	}
	assert_int_equal(n, 0);
}

void
model_step(model_t *m)
{
	mobj_t *o = &m->obj[rnd(MAXOBJ)];

	if (o->object == 0) {
		op_create(m, o);
		return;
	}
	switch (rnd(20)) {
	case 0:
		op_free(m, o);
		break;
	case 1:
	case 2:
	case 3:
		op_punch(m, o);
		break;
	case 4:
	case 5:
		op_bonus(m, o);
		break;
	case 6:
	case 7:
		op_spill(m, o);
		break;
	case 8:
	case 9:
	case 10:
		op_buffer(m, o);
		break;
	case 11:
		check_object(m, o);
		break;
	default:
		op_write(m, o);
	}
}

model_t *
model_create(objset_t *(*os)(void *arg), void *arg)
{
	model_t *m = kmem_zalloc(sizeof(*m), KM_SLEEP);

	m->m_os = os;
	m->m_arg = arg;
	return (m);
}

void
model_destroy(model_t *m)
{
	for (int i = 0; i < MAXOBJ; i++) {
		if (m->obj[i].object != 0)
			op_free(m, &m->obj[i]);
	}
	kmem_free(m, sizeof(*m));
}
