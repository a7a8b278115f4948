/*
 * Stories about objects and their blocks: what is written is read back, at once, after
 * the txg, after everything in memory is forgotten.
 */
#include "test_pool.h"

#define K 1024ULL
#define M (1024 * K)

typedef struct story {
	test_pool_t *tp;
	objset_t *os;
} story_t;

static story_t
begin(dmu_objset_type_t type)
{
	story_t s;

	s.tp = tp_create();
	s.os = tp_objset_create(s.tp, type == DMU_OST_META ? 0 : 100, type);
	return (s);
}

/* Sync, check everything, forget everything, open again. */
static void
again(story_t *s)
{
	tp_sync(s->tp);
	tp_verify(s->tp);
	tp_reopen(s->tp);
	s->os = tp_objset(s->tp, 0);
}

static void
end(story_t *s)
{
	tp_sync(s->tp);
	tp_verify(s->tp);
	tp_destroy(s->tp);
}

static dmu_object_info_t
info(story_t *s, uint64_t object)
{
	dmu_object_info_t doi;

	assert_int_equal(dmu_object_info(s->os, object, &doi), 0);
	return (doi);
}

/* The pointer of a block as stored; dnode header in *dnp if wanted. */
static blkptr_t
stored_bp(story_t *s, uint64_t object, int level, uint64_t blkid)
{
	dnode_t *dn;
	blkptr_t bp;

	assert_int_equal(dnode_hold(s->os, object, &dn), 0);
	assert_int_equal(dnode_bp_lookup(dn, level, blkid, &bp, 0), 0);
	dnode_rele(dn);
	return (bp);
}

static void
write_sync_reopen_read(void **state)
{
	(void)state;
	story_t s = begin(DMU_OST_OTHER);
	const uint64_t obj = tp_alloc(s.os, 128 * K);

	tp_write(s.os, obj, 0, 1 * M + 123, 1);
	tp_expect(s.os, obj, 0, 1 * M + 123, 1);
	tp_sync(s.tp);
	tp_expect(s.os, obj, 0, 1 * M + 123, 1);
	again(&s);
	tp_expect(s.os, obj, 0, 1 * M + 123, 1);
	assert_int_equal(dmu_objset_fill(s.os), 1);
	const dmu_object_info_t doi = info(&s, obj);
	assert_int_equal(doi.doi_data_block_size, 128 * K);
	assert_int_equal(doi.doi_maxblkid, 8);
	assert_int_equal(doi.doi_indirection, 2);
	assert_int_equal(doi.doi_fill_count, 9);
	assert_int_equal(
	    doi.doi_physical_blocks_512, (doi.doi_used_bytes + 256) / 512 + 1);
	end(&s);
}

static void
overwrite_in_txgs_that_overlap(void **state)
{
	(void)state;
	story_t s = begin(DMU_OST_OTHER);
	const uint64_t obj = tp_alloc(s.os, 4 * K);

	/* Each txg holds its own version; nobody waits for the disk. */
	for (uint64_t i = 0; i < 30; i++) {
		tp_write(s.os, obj, 0, 4 * K, i);
		tp_write(s.os, obj, 4 * K + 100, 50, i);
		tp_expect(s.os, obj, 0, 4 * K, i);
		txg_wait_open(s.tp->tp_spa, 0, true);
	}
	again(&s);
	tp_expect(s.os, obj, 0, 4 * K, 29);
	tp_expect(s.os, obj, 4 * K + 100, 50, 29);
	end(&s);
}

static void
change_while_held(void **state)
{
	(void)state;
	story_t s = begin(DMU_OST_OTHER);
	const uint64_t obj = tp_alloc(s.os, 4 * K);
	dmu_buf_t *db, *reader;

	tp_write(s.os, obj, 0, 4 * K, 5);
	assert_int_equal(dmu_buf_hold(s.os, obj, 0, NULL, &db, 0), 0);
	assert_int_equal(dmu_buf_hold(s.os, obj, 100, NULL, &reader, 0), 0);
	assert_ptr_equal(db, reader);
	const uint8_t *old = reader->db_data;
	for (int i = 0; i < 10; i++) {
		dmu_tx_t *tx = tp_tx(s.os, obj);
		dmu_buf_will_dirty(db, tx);
		((uint8_t *)db->db_data)[0] = (uint8_t)i;
		dmu_tx_commit(tx);
		txg_wait_open(s.tp->tp_spa, 0, true);
		/* What a holder got stays readable, whatever versions come and go. */
		uint8_t sum = 0;
		for (size_t b = 0; b < 4 * K; b++)
			sum ^= old[b];
		(void)*(volatile uint8_t *)&sum;
	}
	dmu_buf_rele(reader, NULL);
	dmu_buf_rele(db, NULL);
	again(&s);
	assert_int_equal(dmu_buf_hold(s.os, obj, 0, NULL, &db, 0), 0);
	assert_int_equal(((uint8_t *)db->db_data)[0], 9);
	dmu_buf_rele(db, NULL);
	tp_expect(s.os, obj, 1, 4 * K - 1, 5);
	end(&s);
}

static void
sparse_file(void **state)
{
	(void)state;
	story_t s = begin(DMU_OST_OTHER);
	const uint64_t obj = tp_alloc(s.os, 4 * K), far = 100000ULL * 4 * K;
	uint64_t off;

	tp_write(s.os, obj, 0, 4 * K, 1);
	tp_write(s.os, obj, far, 4 * K, 2);
	for (int stored = 0; stored < 2; stored++) {
		tp_expect(s.os, obj, 0, 4 * K, 1);
		tp_expect_zero(s.os, obj, 50000ULL * 4 * K, 64 * K);
		tp_expect(s.os, obj, far, 4 * K, 2);
		off = 4 * K;
		assert_int_equal(dmu_offset_next(s.os, obj, false, &off), 0);
		assert_int_equal(off, far);
		off = 0;
		assert_int_equal(dmu_offset_next(s.os, obj, true, &off), 0);
		assert_int_equal(off, 4 * K);
		off = far;
		assert_int_equal(dmu_offset_next(s.os, obj, true, &off), ESRCH);
		again(&s);
	}
	assert_int_equal(info(&s, obj).doi_fill_count, 2);
	end(&s);
}

static void
punch_holes(void **state)
{
	(void)state;
	story_t s = begin(DMU_OST_OTHER);
	const uint64_t obj = tp_alloc(s.os, 4 * K);

	tp_write(s.os, obj, 0, 1 * M, 1);
	tp_sync(s.tp);
	dmu_tx_t *tx = tp_tx(s.os, obj);
	const uint64_t txg = dmu_tx_get_txg(tx);
	assert_int_equal(dmu_free_range(s.os, obj, 10000, 90000, tx), 0);
	dmu_tx_commit(tx);
	for (int i = 0; i < 3; i++) {
		tp_expect(s.os, obj, 0, 10000, 1);
		tp_expect_zero(s.os, obj, 10000, 90000);
		tp_expect(s.os, obj, 100000, 1 * M - 100000, 1);
		if (i == 0)
			tp_sync(s.tp);
		else
			again(&s);
	}
	/* The hole remembers when it came to be (format/02 §1.7). */
	const blkptr_t bp = stored_bp(&s, obj, 0, 5);
	assert_true(BP_IS_HOLE(&bp));
	assert_int_equal(BP_GET_LOGICAL_BIRTH(&bp), txg);
	assert_int_equal(BP_GET_LSIZE(&bp), 4 * K);
	assert_int_equal(BP_GET_TYPE(&bp), DMU_OT_PLAIN_FILE_CONTENTS);
	end(&s);
}

static void
truncate_shrinks(void **state)
{
	(void)state;
	story_t s = begin(DMU_OST_OTHER);
	const uint64_t obj = tp_alloc(s.os, 4 * K);

	tp_write(s.os, obj, 0, 1 * M, 1);
	tp_sync(s.tp);
	assert_int_equal(info(&s, obj).doi_maxblkid, 255);
	assert_int_equal(dmu_free_long_range(s.os, obj, 100 * K, DMU_OBJECT_END), 0);
	assert_int_equal(info(&s, obj).doi_maxblkid, 24);
	/* Write again behind the new end, in the same txg or the next. */
	tp_write(s.os, obj, 200 * K, 4 * K, 3);
	again(&s);
	tp_expect(s.os, obj, 0, 100 * K, 1);
	tp_expect_zero(s.os, obj, 100 * K, 100 * K);
	tp_expect(s.os, obj, 200 * K, 4 * K, 3);
	assert_int_equal(info(&s, obj).doi_maxblkid, 50);
	assert_int_equal(dmu_free_long_range(s.os, obj, 0, DMU_OBJECT_END), 0);
	again(&s);
	assert_int_equal(info(&s, obj).doi_maxblkid, 0);
	assert_int_equal(info(&s, obj).doi_used_bytes, 0);
	/* Levels never decrease while the object lives. */
	assert_int_equal(info(&s, obj).doi_indirection, 2);
	end(&s);
}

static void
zeros_become_holes(void **state)
{
	(void)state;
	story_t s = begin(DMU_OST_OTHER);
	const uint64_t obj = tp_alloc(s.os, 4 * K);
	uint8_t *zeros = kmem_zalloc(64 * K, KM_SLEEP);

	tp_write(s.os, obj, 0, 64 * K, 1);
	tp_sync(s.tp);
	dmu_tx_t *tx = tp_tx(s.os, obj);
	const uint64_t txg = dmu_tx_get_txg(tx);
	assert_int_equal(dmu_write(s.os, obj, 0, 64 * K, zeros, tx), 0);
	dmu_tx_commit(tx);
	again(&s);
	/* All holes: so is the indirect block, and the object uses nothing. */
	const blkptr_t bp = stored_bp(&s, obj, 1, 0);
	assert_true(BP_IS_HOLE(&bp));
	assert_int_equal(BP_GET_LOGICAL_BIRTH(&bp), txg);
	assert_int_equal(info(&s, obj).doi_used_bytes, 0);
	/* maxblkid is not lowered by that (format/02 §1.4). */
	assert_int_equal(info(&s, obj).doi_maxblkid, 15);
	/* Written again below the hole: the neighbours keep the birth of the hole. */
	tp_write(s.os, obj, 8 * K, 4 * K, 2);
	again(&s);
	const blkptr_t sibling = stored_bp(&s, obj, 0, 7);
	assert_true(BP_IS_HOLE(&sibling));
	assert_int_equal(BP_GET_LOGICAL_BIRTH(&sibling), txg);
	tp_expect(s.os, obj, 8 * K, 4 * K, 2);
	kmem_free(zeros, 64 * K);
	end(&s);
}

static void
many_levels(void **state)
{
	(void)state;
	story_t s = begin(DMU_OST_OTHER);
	dmu_tx_t *tx = tp_tx(s.os, DMU_NEW_OBJECT);
	const uint64_t obj = dmu_object_alloc_dnsize(
	    s.os, DMU_OT_PLAIN_FILE_CONTENTS, 512, 12, DMU_OT_NONE, 0, 512, tx);
	dmu_tx_commit(tx);

	/* 32 pointers in a block: 3 · 32^(n-1) blocks at n levels. */
	static const uint64_t blk[] = {0, 2, 3, 95, 96, 3071, 3072, 98304, 3145728};
	static const int levels[] = {1, 1, 2, 2, 3, 3, 4, 5, 6};
	for (size_t i = 0; i < ARRAY_SIZE(blk); i++) {
		tp_write(s.os, obj, blk[i] * 512, 512, i);
		if (i % 2)
			again(&s);
		else
			tp_sync(s.tp);
		assert_int_equal(info(&s, obj).doi_indirection, levels[i]);
		for (size_t n = 0; n <= i; n++)
			tp_expect(s.os, obj, blk[n] * 512, 512, n);
	}
	/* Growth by several levels at once, from nothing. */
	tx = tp_tx(s.os, DMU_NEW_OBJECT);
	const uint64_t deep = dmu_object_alloc_dnsize(
	    s.os, DMU_OT_PLAIN_FILE_CONTENTS, 512, 12, DMU_OT_NONE, 0, 512, tx);
	dmu_tx_commit(tx);
	tp_write(s.os, deep, 3145728ULL * 512, 512, 77);
	again(&s);
	tp_expect(s.os, deep, 3145728ULL * 512, 512, 77);
	tp_expect_zero(s.os, deep, 0, 64 * K);
	assert_int_equal(dmu_free_long_object(s.os, obj), 0);
	assert_int_equal(dmu_free_long_object(s.os, deep), 0);
	again(&s);
	assert_int_equal(dmu_objset_fill(s.os), 0);
	end(&s);
}

static void
block_size_changes_while_there_is_one_block(void **state)
{
	(void)state;
	story_t s = begin(DMU_OST_OTHER);
	const uint64_t obj = tp_alloc(s.os, 0);
	static const uint64_t sizes[] = {700, 1536, 20000, 128 * K};

	assert_int_equal(info(&s, obj).doi_data_block_size, 512);
	tp_write(s.os, obj, 0, 500, 1);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		dmu_tx_t *tx = tp_tx(s.os, obj);
		assert_int_equal(
		    dmu_object_set_blocksize(s.os, obj, sizes[i], 0, tx), 0);
		dmu_tx_commit(tx);
		tp_write(s.os, obj, 500, sizes[i] - 500, 1);
		if (i != 1)
			again(&s);
		tp_expect(s.os, obj, 0, sizes[i], 1);
		assert_int_equal(
		    info(&s, obj).doi_data_block_size, P2ROUNDUP(sizes[i], 512));
	}
	tp_write(s.os, obj, 128 * K, 1, 1);
	dmu_tx_t *tx = tp_tx(s.os, obj);
	assert_int_equal(dmu_object_set_blocksize(s.os, obj, 4096, 0, tx), ENOTSUP);
	dmu_tx_commit(tx);
	end(&s);
}

static void
bonus_alone(void **state)
{
	(void)state;
	story_t s = begin(DMU_OST_OTHER);
	dmu_tx_t *tx = tp_tx(s.os, DMU_NEW_OBJECT);
	const uint64_t obj =
	    dmu_object_alloc(s.os, DMU_OT_PLAIN_OTHER, 0, DMU_OT_PLAIN_OTHER, 64, tx);
	dmu_tx_commit(tx);
	dmu_buf_t *db;

	tp_sync(s.tp);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(dmu_bonus_hold(s.os, obj, NULL, &db), 0);
		assert_int_equal(dmu_bonus_max(db), 320);
		if (i > 0)
			assert_int_equal(((uint8_t *)db->db_data)[63], i - 1);
		tx = dmu_tx_create(s.os);
		dmu_tx_hold_bonus(tx, obj);
		assert_int_equal(dmu_tx_assign(tx, DMU_TX_WAIT), 0);
		dmu_buf_will_dirty(db, tx);
		memset(db->db_data, i, 64);
		dmu_tx_commit(tx);
		dmu_buf_rele(db, NULL);
		if (i % 2)
			again(&s);
		else
			txg_wait_open(s.tp->tp_spa, 0, true);
	}
	assert_int_equal(info(&s, obj).doi_used_bytes, 0);
	end(&s);
}

static void
freed_numbers_come_back_later(void **state)
{
	(void)state;
	story_t s = begin(DMU_OST_OTHER);
	uint64_t obj[40];
	dmu_buf_t *db;

	for (size_t i = 0; i < ARRAY_SIZE(obj); i++) {
		obj[i] = tp_alloc(s.os, 512);
		tp_write(s.os, obj[i], 0, 2000, i);
	}
	tp_sync(s.tp);
	assert_int_equal(dmu_buf_hold(s.os, obj[3], 0, NULL, &db, 0), 0);
	dmu_tx_t *tx = tp_tx(s.os, obj[3]);
	assert_int_equal(dmu_object_free(s.os, obj[3], tx), 0);
	assert_int_equal(dmu_object_free(s.os, obj[3], tx), ENOENT);
	/* Not in the same txg, not even on request. */
	assert_int_equal(dmu_object_claim(s.os, obj[3], DMU_OT_PLAIN_OTHER, 0,
			     DMU_OT_NONE, 0, 0, tx),
	    EEXIST);
	dmu_tx_commit(tx);
	assert_int_equal(dmu_bonus_hold(s.os, obj[3], NULL, &db), ENOENT);
	tp_sync(s.tp);
	/* Later it does, though someone still holds a buffer of the dead one. */
	tx = tp_tx(s.os, DMU_NEW_OBJECT);
	assert_int_equal(dmu_object_claim(s.os, obj[3], DMU_OT_PLAIN_FILE_CONTENTS,
			     1024, DMU_OT_NONE, 0, 0, tx),
	    0);
	assert_int_equal(dmu_object_claim(s.os, obj[4], DMU_OT_PLAIN_OTHER, 0,
			     DMU_OT_NONE, 0, 0, tx),
	    EEXIST);
	dmu_tx_commit(tx);
	tp_expect_zero(s.os, obj[3], 0, 4096);
	tp_write(s.os, obj[3], 0, 3000, 1234);
	for (size_t i = 0; i < 512; i++)
		assert_int_equal(((uint8_t *)db->db_data)[i], 0);
	dmu_buf_rele(db, NULL);
	again(&s);
	tp_expect(s.os, obj[3], 0, 3000, 1234);
	tp_expect(s.os, obj[4], 0, 2000, 4);
	end(&s);
}

static void
created_and_freed_in_one_txg(void **state)
{
	(void)state;
	story_t s = begin(DMU_OST_OTHER);
	uint8_t buf[5000];
	dmu_tx_t *tx = tp_tx(s.os, DMU_NEW_OBJECT);
	const uint64_t obj = dmu_object_alloc(
	    s.os, DMU_OT_PLAIN_FILE_CONTENTS, 1024, DMU_OT_PLAIN_OTHER, 100, tx);

	tp_pattern(buf, 0, sizeof(buf), 1);
	assert_int_equal(dmu_write(s.os, obj, 0, sizeof(buf), buf, tx), 0);
	assert_int_equal(dmu_object_free(s.os, obj, tx), 0);
	dmu_tx_commit(tx);
	again(&s);
	assert_int_equal(dmu_objset_fill(s.os), 0);
	uint64_t object = 0;
	assert_int_equal(dmu_object_next(s.os, &object, false, 0), ESRCH);
	end(&s);
}

static void
large_dnodes(void **state)
{
	(void)state;
	story_t s = begin(DMU_OST_OTHER);
	uint64_t obj[12], object = 0;
	dmu_buf_t *db;

	for (int i = 0; i < 12; i++) {
		const int size = 512 << (i % 6);
		dmu_tx_t *tx = tp_tx(s.os, DMU_NEW_OBJECT);
		obj[i] = dmu_object_alloc_dnsize(
		    s.os, DMU_OT_PLAIN_OTHER, 0, 0, DMU_OT_SA, size - 192, size, tx);
		assert_int_equal(dmu_bonus_hold(s.os, obj[i], NULL, &db), 0);
		assert_int_equal(db->db_size, size - 192);
		dmu_buf_will_dirty(db, tx);
		memset(db->db_data, i + 1, db->db_size);
		dmu_buf_rele(db, NULL);
		dmu_tx_commit(tx);
		/* Never across the end of its block (format/02 §1.3). */
		assert_true(obj[i] % 32 + (uint64_t)size / 512 <= 32);
	}
	assert_true(dmu_objset_features_seen(s.os) & (1ULL << SPA_FEATURE_LARGE_DNODE));
	again(&s);
	for (int i = 0; i < 12; i++) {
		assert_int_equal(dmu_bonus_hold(s.os, obj[i], NULL, &db), 0);
		for (uint64_t b = 0; b < db->db_size; b++)
			assert_int_equal(((uint8_t *)db->db_data)[b], i + 1);
		dmu_buf_rele(db, NULL);
	}
	/* The inside of one is no object, and walking steps over it. */
	assert_int_equal(dmu_bonus_hold(s.os, obj[5] + 1, NULL, &db), ENOENT);
	int n = 0;
	while (dmu_object_next(s.os, &object, false, 0) == 0)
		n++;
	assert_int_equal(n, 12);
	end(&s);
}

static void
mos_settles_in_passes(test_pool_t *tp, dmu_tx_t *tx, int pass)
{
	const uint64_t *obj = tp->tp_arg;
	objset_t *mos = tp_objset(tp, 0);

	/* As the pool writes what it learned by writing. */
	if (obj != NULL && pass < 4) {
		const uint64_t v[2] = {dmu_tx_get_txg(tx), (uint64_t)pass};
		VERIFY0(dmu_write(mos, *obj, (uint64_t)pass * 8, sizeof(v), v, tx));
	}
}

static void
several_passes_in_one_txg(void **state)
{
	(void)state;
	story_t s = begin(DMU_OST_META);
	uint64_t obj = tp_alloc(s.os, 512), v[2];

	tp_sync(s.tp);
	s.tp->tp_arg = &obj;
	s.tp->tp_after_pass = mos_settles_in_passes;
	for (uint64_t i = 0; i < 4; i++) {
		tp_write(s.os, obj, 1000, 600, i);
		tp_sync(s.tp);
	}
	assert_true(s.tp->tp_passes >= 4);
	s.tp->tp_arg = NULL;
	again(&s);
	assert_int_equal(dmu_read(s.os, obj, 24, sizeof(v), v, 0), 0);
	assert_int_equal(v[1], 3);
	tp_expect(s.os, obj, 1000, 600, 3);
	/* MOS blocks have three copies. */
	const blkptr_t bp = stored_bp(&s, obj, 0, 2);
	assert_int_equal(BP_IS_EMBEDDED(&bp) ? 3 : BP_GET_NDVAS(&bp), 3);
	end(&s);
}

static void
small_blocks_are_embedded(void **state)
{
	(void)state;
	story_t s = begin(DMU_OST_OTHER);
	const uint64_t obj = tp_alloc(s.os, 4 * K);
	dmu_tx_t *tx = tp_tx(s.os, obj);

	assert_int_equal(dmu_write(s.os, obj, 0, 5, "hello", tx), 0);
	dmu_tx_commit(tx);
	again(&s);
	const blkptr_t bp = stored_bp(&s, obj, 0, 0);
	assert_true(BP_IS_EMBEDDED(&bp));
	char buf[6] = {0};
	assert_int_equal(dmu_read(s.os, obj, 0, 5, buf, 0), 0);
	assert_string_equal(buf, "hello");
	/* It takes no space, but the unit of `used` is known (format/02 §1.2). */
	assert_int_equal(info(&s, obj).doi_used_bytes, 0);
	assert_true(info(&s, obj).doi_flags & DNODE_FLAG_USED_BYTES);
	end(&s);
}

static void
write_policy(void **state)
{
	(void)state;
	story_t s = begin(DMU_OST_OTHER);
	objset_props_t *op = dmu_objset_props(s.os);
	const uint64_t obj = tp_alloc(s.os, 1 * M);

	op->op_checksum = ZIO_CHECKSUM_SHA512;
	op->op_compress = ZIO_COMPRESS_OFF;
	op->op_copies = 2;
	tp_write(s.os, obj, 0, 5 * M, 1);
	again(&s);
	const blkptr_t data = stored_bp(&s, obj, 0, 1), ind = stored_bp(&s, obj, 1, 0);
	assert_int_equal(BP_GET_CHECKSUM(&data), ZIO_CHECKSUM_SHA512);
	assert_int_equal(BP_GET_COMPRESS(&data), ZIO_COMPRESS_OFF);
	assert_int_equal(BP_GET_NDVAS(&data), 2);
	assert_int_equal(BP_GET_COMPRESS(&ind), ZIO_COMPRESS_LZ4);
	assert_int_equal(BP_GET_NDVAS(&ind), 3);
	op = dmu_objset_props(s.os);
	op->op_checksum = ZIO_CHECKSUM_OFF;
	op->op_compress = ZIO_COMPRESS_GZIP_6;
	op->op_copies = 1;
	tp_write(s.os, obj, 0, 5 * M, 2);
	tp_sync(s.tp);
	const blkptr_t data2 = stored_bp(&s, obj, 0, 1),
		       ind2 = stored_bp(&s, obj, 1, 0);
	assert_int_equal(BP_GET_CHECKSUM(&data2), ZIO_CHECKSUM_OFF);
	/* Metadata is never without a checksum. */
	assert_int_equal(BP_GET_CHECKSUM(&ind2), ZIO_CHECKSUM_FLETCHER_4);
	assert_int_equal(BP_GET_NDVAS(&ind2), 2);
	assert_true(
	    dmu_objset_features_seen(s.os) & (1ULL << SPA_FEATURE_LARGE_BLOCKS));
	assert_false(dmu_objset_features_seen(s.os) & (1ULL << SPA_FEATURE_SKEIN));
	tp_expect(s.os, obj, 0, 5 * M, 2);
	end(&s);
}

static void
meta_dnode_shape(void **state)
{
	(void)state;
	story_t s = begin(DMU_OST_OTHER);

	assert_int_equal(dmu_objset_phys(s.os)->os_meta_dnode.dn_nlevels, 6);
	assert_int_equal(dmu_objset_phys_size(s.os), 4096);
	assert_int_equal(BP_GET_NDVAS(dmu_objset_rootbp(s.os)), 2);
	end(&s);
	s = begin(DMU_OST_META);
	assert_int_equal(dmu_objset_phys(s.os)->os_meta_dnode.dn_nlevels, 1);
	/* The MOS grows like any object: 96 dnodes fit below three pointers. */
	for (int i = 0; i < 120; i++)
		(void)tp_alloc(s.os, 512);
	again(&s);
	assert_int_equal(dmu_objset_phys(s.os)->os_meta_dnode.dn_nlevels, 2);
	assert_int_equal(dmu_objset_fill(s.os), 120);
	end(&s);
}

static void
callback_when_on_disk(void *arg, int error)
{
	*(uint64_t *)arg = error == 0 ? 1 : 2;
}

static void
callbacks(void **state)
{
	(void)state;
	story_t s = begin(DMU_OST_OTHER);
	uint64_t called = 0, aborted = 0;
	const uint64_t obj = tp_alloc(s.os, 512);
	dmu_tx_t *tx = tp_tx(s.os, obj);

	dmu_tx_callback_register(tx, callback_when_on_disk, &called);
	assert_int_equal(dmu_write(s.os, obj, 0, 3, "abc", tx), 0);
	dmu_tx_commit(tx);
	assert_int_equal(atomic_load_64(&called), 0);
	tp_sync(s.tp);
	txg_wait_synced(s.tp->tp_spa, 0);
	assert_int_equal(atomic_load_64(&called), 1);
	tx = dmu_tx_create(s.os);
	dmu_tx_callback_register(tx, callback_when_on_disk, &aborted);
	dmu_tx_abort(tx);
	assert_int_equal(aborted, 2);
	end(&s);
}

static int evictions;
static void
user_evicted(dmu_buf_user_t *dbu)
{
	(void)dbu;
	evictions++;
}

static void
users_are_told(void **state)
{
	(void)state;
	story_t s = begin(DMU_OST_OTHER);
	const uint64_t obj = tp_alloc(s.os, 4 * K);
	dmu_buf_user_t a = {.dbu_evict = user_evicted}, b = {.dbu_evict = user_evicted};
	dmu_buf_t *db;

	tp_write(s.os, obj, 0, 4 * K, 1);
	evictions = 0;
	assert_int_equal(dmu_buf_hold(s.os, obj, 0, NULL, &db, 0), 0);
	assert_null(dmu_buf_set_user(db, &a));
	assert_ptr_equal(dmu_buf_set_user(db, &b), &a);
	assert_ptr_equal(dmu_buf_get_user(db), &a);
	dmu_buf_rele(db, NULL);
	tp_sync(s.tp);
	assert_int_equal(evictions, 0);
	tp_reopen(s.tp);
	s.os = tp_objset(s.tp, 0);
	assert_int_equal(evictions, 1);
	end(&s);
}

/* Owners are in the first two words of the bonus here. */
static bool
test_owner(objset_t *os, dmu_object_type_t bt, const void *bonus, uint64_t len,
    uint64_t *uid, uint64_t *gid, uint64_t *projid)
{
	(void)os;
	(void)bt;
	if (len < 16)
		return (false);
	memcpy(uid, bonus, 8);
	memcpy(gid, (const char *)bonus + 8, 8);
	*projid = 0;
	return (true);
}

static int64_t owned_bytes[8], owned_objects[8];
static void
test_account(objset_t *os, const dmu_acct_change_t *c, size_t n, dmu_tx_t *tx)
{
	for (size_t i = 0; i < n; i++) {
		if (c[i].old_counted) {
			owned_bytes[c[i].old_uid] -= (int64_t)c[i].old_used + 512;
			owned_objects[c[i].old_uid] -= c[i].old_obj_counted;
		}
		if (c[i].new_counted) {
			owned_bytes[c[i].new_uid] += (int64_t)c[i].new_used + 512;
			owned_objects[c[i].new_uid] += c[i].new_obj_counted;
		}
	}
	/* The table lives in the header's own dnode. */
	const int error = dmu_object_claim(
	    os, DMU_USERUSED_OBJECT, DMU_OT_USERGROUP_USED, 512, DMU_OT_NONE, 0, 0, tx);
	VERIFY(error == 0 || error == EEXIST);
	VERIFY0(dmu_write(
	    os, DMU_USERUSED_OBJECT, 0, sizeof(owned_bytes), owned_bytes, tx));
}

static void
own(story_t *s, uint64_t object, uint64_t uid)
{
	const uint64_t ids[2] = {uid, 0};
	dmu_tx_t *tx = tp_tx(s->os, object);
	dmu_buf_t *db;

	assert_int_equal(dmu_bonus_hold(s->os, object, NULL, &db), 0);
	dmu_buf_will_dirty(db, tx);
	memcpy(db->db_data, ids, sizeof(ids));
	dmu_buf_rele(db, NULL);
	dmu_tx_commit(tx);
}

static void
user_accounting(void **state)
{
	(void)state;
	static objset_ops_t ops;
	story_t s;
	uint64_t obj[3];
	int64_t stored[8];

	s.tp = tp_create();
	ops = *s.tp->tp_ops;
	ops.oso_owner = test_owner;
	ops.oso_account = test_account;
	s.tp->tp_ops = &ops;
	s.os = tp_objset_create(s.tp, 5, DMU_OST_ZFS);
	for (uint64_t i = 0; i < 3; i++) {
		dmu_tx_t *tx = tp_tx(s.os, DMU_NEW_OBJECT);
		obj[i] = dmu_object_alloc(
		    s.os, DMU_OT_PLAIN_FILE_CONTENTS, 4096, DMU_OT_SA, 168, tx);
		dmu_tx_commit(tx);
		own(&s, obj[i], i == 2 ? 1 : i);
		tp_write(s.os, obj[i], 0, 40000, i);
	}
	tp_alloc(s.os, 512); /* without an owner: counted for nobody */
	again(&s);
	assert_int_equal(owned_objects[0], 1);
	assert_int_equal(owned_objects[1], 2);
	assert_int_equal(owned_bytes[1],
	    info(&s, obj[1]).doi_used_bytes + info(&s, obj[2]).doi_used_bytes + 1024);
	assert_int_equal(info(&s, obj[0]).doi_flags & 0xa, 0xa);
	/* Owner and size change in one txg. */
	own(&s, obj[2], 3);
	assert_int_equal(dmu_free_long_range(s.os, obj[2], 8192, DMU_OBJECT_END), 0);
	assert_int_equal(dmu_free_long_object(s.os, obj[0]), 0);
	again(&s);
	assert_int_equal(owned_objects[0], 0);
	assert_int_equal(owned_bytes[0], 0);
	assert_int_equal(owned_bytes[1], info(&s, obj[1]).doi_used_bytes + 512);
	assert_int_equal(owned_bytes[3], info(&s, obj[2]).doi_used_bytes + 512);
	assert_int_equal(
	    dmu_read(s.os, DMU_USERUSED_OBJECT, 0, sizeof(stored), stored, 0), 0);
	assert_memory_equal(stored, owned_bytes, sizeof(stored));
	end(&s);
}

static void
throttle_holds_writers(void **state)
{
	(void)state;
	story_t s = begin(DMU_OST_OTHER);
	const uint64_t obj = tp_alloc(s.os, 128 * K);
	tx_state_t *tx = &s.tp->tp_spa->spa_tx;

	mutex_enter(&tx->tx_dirty_lock);
	tx->tx_dirty_max = 4 * M;
	mutex_exit(&tx->tx_dirty_lock);
	/* Far more than fits: it goes through, but never much above the limit. */
	for (uint64_t i = 0; i < 64; i++) {
		tp_write(s.os, obj, i * 1 * M, 1 * M, i);
		mutex_enter(&tx->tx_dirty_lock);
		assert_true(tx->tx_dirty_total <= 6 * M);
		mutex_exit(&tx->tx_dirty_lock);
	}
	tp_sync(s.tp);
	assert_int_equal(tx->tx_dirty_total, 0);
	tp_expect(s.os, obj, 63 * M, 1 * M, 63);
	end(&s);
}

static int
collect(void *arg, spa_t *spa, const blkptr_t *bp, const zbookmark_phys_t *zb,
    const dnode_phys_t *dnp, const void *data)
{
	zbookmark_phys_t **next = arg;

	(void)spa;
	(void)bp;
	(void)dnp;
	(void)data;
	*(*next)++ = *zb;
	return (0);
}

typedef struct stopper {
	zbookmark_phys_t *next;
	uint64_t left;
} stopper_t;
static int
stop_after(void *arg, spa_t *spa, const blkptr_t *bp, const zbookmark_phys_t *zb,
    const dnode_phys_t *dnp, const void *data)
{
	stopper_t *st = arg;

	if (st->left-- == 0)
		return (EINTR);
	return (collect(&st->next, spa, bp, zb, dnp, data));
}

static void
traversal_resumes_anywhere(void **state)
{
	(void)state;
	story_t s = begin(DMU_OST_OTHER);
	static zbookmark_phys_t all[2000], parts[2000];

	for (uint64_t i = 0; i < 60; i++) {
		const uint64_t obj = tp_alloc(s.os, 512);
		tp_write(s.os, obj, 0, 512 * (i % 7), i);
		if (i % 10 == 3)
			tp_write(s.os, obj, 512ULL * 5000, 512, i);
	}
	tp_sync(s.tp);
	const blkptr_t *root = dmu_objset_rootbp(s.os);
	zbookmark_phys_t *end_all = all;
	assert_int_equal(traverse_objset_bp(s.tp->tp_spa, 100, root, 0, NULL,
			     TRAVERSE_PRE, collect, &end_all),
	    0);
	const size_t n = (size_t)(end_all - all);
	for (uint64_t step = 1; step < 20; step += 3) {
		zbookmark_phys_t resume = {0};
		stopper_t st = {.next = parts};
		int error;
		do {
			st.left = step;
			error = traverse_objset_bp(s.tp->tp_spa, 100, root, 0, &resume,
			    TRAVERSE_PRE, stop_after, &st);
		} while (error == EINTR);
		assert_int_equal(error, 0);
		assert_int_equal(st.next - parts, n);
		assert_memory_equal(all, parts, n * sizeof(all[0]));
	}
	end(&s);
}

static void
sequential_reads_are_met_halfway(void **state)
{
	(void)state;
	story_t s = begin(DMU_OST_OTHER);
	const uint64_t obj = tp_alloc(s.os, 16 * K);

	tp_write(s.os, obj, 0, 2 * M, 1);
	again(&s);
	for (uint64_t b = 0; b < 3; b++)
		tp_expect(s.os, obj, b * 16 * K, 16 * K, 1);
	/* Not asked for yet, and on its way. */
	const blkptr_t bp = stored_bp(&s, obj, 0, 15);
	for (int i = 0; i < 5000 && !arc_cached(s.tp->tp_spa, &bp); i++)
		spl_delay(MSEC2NSEC(1));
	assert_true(arc_cached(s.tp->tp_spa, &bp));
	/* What nobody will read is left alone. */
	const blkptr_t last = stored_bp(&s, obj, 0, 127);
	assert_false(arc_cached(s.tp->tp_spa, &last));
	dmu_prefetch(s.os, obj, 127 * 16 * K, 1);
	for (int i = 0; i < 5000 && !arc_cached(s.tp->tp_spa, &last); i++)
		spl_delay(MSEC2NSEC(1));
	assert_true(arc_cached(s.tp->tp_spa, &last));
	end(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(write_sync_reopen_read),
	    cmocka_unit_test(overwrite_in_txgs_that_overlap),
	    cmocka_unit_test(change_while_held),
	    cmocka_unit_test(sparse_file),
	    cmocka_unit_test(punch_holes),
	    cmocka_unit_test(truncate_shrinks),
	    cmocka_unit_test(zeros_become_holes),
	    cmocka_unit_test(many_levels),
	    cmocka_unit_test(block_size_changes_while_there_is_one_block),
	    cmocka_unit_test(bonus_alone),
	    cmocka_unit_test(freed_numbers_come_back_later),
	    cmocka_unit_test(created_and_freed_in_one_txg),
	    cmocka_unit_test(large_dnodes),
	    cmocka_unit_test(several_passes_in_one_txg),
	    cmocka_unit_test(small_blocks_are_embedded),
	    cmocka_unit_test(write_policy),
	    cmocka_unit_test(meta_dnode_shape),
	    cmocka_unit_test(callbacks),
	    cmocka_unit_test(users_are_told),
	    cmocka_unit_test(user_accounting),
	    cmocka_unit_test(throttle_holds_writers),
	    cmocka_unit_test(traversal_resumes_anywhere),
	    cmocka_unit_test(sequential_reads_are_met_halfway),
	};
	return (cmocka_run_group_tests(tests, tp_group_setup, tp_group_teardown));
}
