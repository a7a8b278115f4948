/*
 * Blocks looked at in place: dnodes, object sets, ZAP. Real ones from a 2.3.2 pool, the
 * same written by a host of the other byte order, and damaged ones.
 */
#include "ondisk_test.h"

/* ---- what a host of the other order would have written ---- */

static void
foreign_bonus(dnode_phys_t *dnp)
{
	uint32_t max;
	void *bonus = dnode_phys_bonus(dnp, &max);

	switch (DMU_OT_BYTESWAP(dnp->dn_bonustype)) {
	case DMU_BSWAP_UINT64:
		ondisk_byteswap_u64(bonus, max);
		break;
	case DMU_BSWAP_ZNODE:
		/* Only version 0 ACLs occur in the sample. */
		zfs_oldace_byteswap(
		    ((znode_phys_t *)bonus)->zp_acl.z_ace_data, ZFS_ACE_SPACE);
		ondisk_byteswap(&od_znode, bonus);
		break;
	default:
		break;
	}
}

static void
foreign_dnode(dnode_phys_t *dnp)
{
	if (dnp->dn_bonuslen != 0)
		foreign_bonus(dnp);
	if (dnode_phys_spill(dnp) != NULL)
		ondisk_byteswap(&od_blkptr, dnode_phys_spill(dnp));
	for (int i = 0; i < dnp->dn_nblkptr; i++)
		ondisk_byteswap(&od_blkptr, &dnp->dn_blkptr[i]);
	dnp->dn_datablkszsec = BSWAP_16(dnp->dn_datablkszsec);
	dnp->dn_bonuslen = BSWAP_16(dnp->dn_bonuslen);
	dnp->dn_maxblkid = BSWAP_64(dnp->dn_maxblkid);
	dnp->dn_used = BSWAP_64(dnp->dn_used);
}

static void
foreign_dnode_block(void *block, size_t size)
{
	dnode_phys_t *dnp;
	unsigned slot = 0;

	while ((dnp = dnode_block_next(block, size, &slot)) != NULL)
		if (dnp->dn_type != DMU_OT_NONE)
			foreign_dnode(dnp);
}

static void
foreign_leaf(void *block, size_t size)
{
	for (uint32_t i = 0; i < zap_leaf_numchunks(size); i++) {
		zap_leaf_chunk_t *c = zap_leaf_chunk(block, size, i);
		ondisk_byteswap(c->l_type == ZAP_CHUNK_ENTRY   ? &od_zap_leaf_entry
				: c->l_type == ZAP_CHUNK_ARRAY ? &od_zap_leaf_array
							       : &od_zap_leaf_free,
		    c);
	}
	ondisk_byteswap_u16(zap_leaf_hash(block, size, 0), size / 16);
	ondisk_byteswap(&od_zap_leaf, block);
}

static void
foreign_mzap(void *block, size_t size)
{
	for (size_t i = 0; i < mzap_nchunks(size); i++)
		ondisk_byteswap(&od_mzap_ent, mzap_chunk(block, size, i));
	ondisk_byteswap(&od_mzap, block);
}

static void
foreign_words(void *block, size_t size)
{
	ondisk_byteswap_u64(block, size);
}

/* ---- dnodes ---- */

static void
the_object_directory_is_where_the_format_says(void **state)
{
	size_t size;
	uint8_t *block = test_sample("objset.bin", &size);
	objset_phys_t os;
	uint8_t again[OBJSET_PHYS_SIZE_V3];

	assert_int_equal(objset_phys_decode(block, size, &os), 0);
	assert_int_equal(os.os_type, DMU_OST_META);
	assert_int_equal(os.os_meta_dnode.dn_type, DMU_OT_DNODE);
	assert_int_equal(dnode_phys_datablksz(&os.os_meta_dnode), DNODE_BLOCK_SIZE);
	assert_int_equal(os.os_meta_dnode.dn_nblkptr, 3);
	assert_int_equal(BP_GET_FILL(&os.os_meta_dnode.dn_blkptr[0]), 60);
	objset_phys_encode(&os, again, sizeof(again));
	assert_memory_equal(again, block, size);
	/* Older pools have shorter headers. */
	assert_int_equal(objset_phys_decode(block, OBJSET_PHYS_SIZE_V1, &os), 0);
	assert_int_equal(os.os_userused_dnode.dn_type, 0);
	assert_int_equal(objset_phys_decode(block, 1536, &os), EIO);
	assert_int_equal(objset_phys_decode(block, 512, &os), EIO);
	block[704] = 5;
	assert_int_equal(objset_phys_decode(block, size, &os), EIO);
	free(block);
}

/* Objects 32…63 of a MOS: format/02 §11 tells what they are. */
static void
dnodes_of_a_real_mos(void **state)
{
	size_t size;
	uint8_t *block = test_sample("mos_dnodes.bin", &size);
	dnode_phys_t *dnp = dnode_block_slot(block, size, 0);
	dsl_dir_phys_t *dd;
	dsl_dataset_phys_t *ds;
	char text[BP_SPRINTF_LEN];
	uint32_t max;

	assert_int_equal(dnode_block_verify(block, size), 0);
	assert_int_equal(dnp->dn_bonustype, DMU_OT_DSL_DIR);
	assert_int_equal(dnp->dn_bonuslen, 256);
	dd = dsl_dir_phys_of(dnode_phys_bonus(dnp, &max), dnp->dn_bonuslen);
	assert_non_null(dd);
	assert_int_equal(dd->dd_parent_obj, 0);
	assert_int_equal(dd->dd_props_zapobj, 33);
	assert_int_equal(dd->dd_child_dir_zapobj, 34);
	assert_int_equal(dd->dd_flags, DD_FLAG_USED_BREAKDOWN);

	dnp = dnode_block_slot(block, size, 54 - 32);
	assert_int_equal(dnp->dn_bonustype, DMU_OT_DSL_DATASET);
	ds = dsl_dataset_phys_of(dnode_phys_bonus(dnp, &max), dnp->dn_bonuslen);
	assert_int_equal(ds->ds_dir_obj, 32);
	assert_int_equal(ds->ds_num_children, 0);
	assert_true(ds->ds_flags & DS_FLAG_UNIQUE_ACCURATE);
	assert_false(BP_IS_HOLE(&ds->ds_bp));
	assert_int_equal(BP_GET_TYPE(&ds->ds_bp), DMU_OT_OBJSET);
	assert_null(dsl_dataset_phys_of(ds, 319));

	dnp = dnode_block_slot(block, size, 33 - 32);
	snprintf_blkptr(text, sizeof(text), &dnp->dn_blkptr[0]);
	assert_string_equal(
	    text, "EMBEDDED [L0 DSL props] et=0 lz4 size=200L/2cP birth=5L");
	free(block);
}

static void
dnodes_with_spill_blocks(void **state)
{
	size_t size;
	uint8_t *block = test_sample("zpl_dnodes.bin", &size);
	dnode_phys_t *dnp;
	unsigned slot = 0, spills = 0, objects = 0;

	assert_int_equal(dnode_block_verify(block, size), 0);
	while ((dnp = dnode_block_next(block, size, &slot)) != NULL) {
		const blkptr_t *spill = dnode_phys_spill(dnp);
		uint16_t layout;
		uint32_t max, hdrsize;

		if (dnp->dn_type == DMU_OT_NONE)
			continue;
		objects++;
		if (spill != NULL) {
			spills++;
			assert_int_equal(BP_GET_TYPE(spill), DMU_OT_SA);
			assert_int_equal(BP_GET_LEVEL(spill), 0);
			assert_int_equal(dnode_phys_bonus_max(dnp), 320 - 128);
		}
		if (dnp->dn_bonustype != DMU_OT_SA)
			continue;
		const uint8_t *bonus = dnode_phys_bonus(dnp, &max);
		assert_int_equal(
		    sa_hdr_decode(bonus, dnp->dn_bonuslen, &layout, &hdrsize, NULL), 0);
		/* The parent of everything is a small object number. */
		assert_in_range(
		    ondisk_get64(bonus + hdrsize + SA_PARENT_OFFSET, false), 1, 64);
	}
	assert_int_equal(spills, 3);
	assert_int_equal(objects, 9);
	free(block);
}

static void
legacy_znodes(void **state)
{
	size_t size;
	uint8_t *block = test_sample("znode_dnodes.bin", &size);
	dnode_phys_t *dnp;
	unsigned slot = 0, found = 0;

	while ((dnp = dnode_block_next(block, size, &slot)) != NULL) {
		znode_phys_t *zp;
		zfs_ace_t ace;

		if (dnp->dn_bonustype != DMU_OT_ZNODE)
			continue;
		zp = znode_phys_of(dnode_phys_bonus(dnp, NULL), dnp->dn_bonuslen);
		assert_non_null(zp);
		assert_int_equal(zp->zp_acl.z_acl_version, 0);
		assert_int_equal(
		    zfs_ace_decode(0, zp->zp_acl.z_ace_data, ZFS_ACE_SPACE, &ace), 12);
		assert_int_equal(ace.z_flags & ACE_OWNER, ACE_OWNER);
		assert_true((zp->zp_mode & 0170000) != 0);
		found++;
	}
	assert_true(found > 0);
	free(block);
}

static const struct {
	const char *name;
	dmu_object_byteswap_t cls;
	void (*foreign)(void *, size_t);
} both_orders[] = {
    {"mos_dnodes.bin", DMU_BSWAP_DNODE, foreign_dnode_block},
    {"zpl_dnodes.bin", DMU_BSWAP_DNODE, foreign_dnode_block},
    {"znode_dnodes.bin", DMU_BSWAP_DNODE, foreign_dnode_block},
    {"mzap.bin", DMU_BSWAP_ZAP, foreign_mzap},
    {"fzap_header.bin", DMU_BSWAP_ZAP, foreign_words},
    {"fzap_leaf.bin", DMU_BSWAP_ZAP, foreign_leaf},
    {"spacemap.bin", DMU_BSWAP_UINT64, foreign_words},
};

static void
blocks_of_the_other_byte_order_become_the_same_blocks(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(both_orders); i++) {
		size_t size;
		uint8_t *want = test_sample(both_orders[i].name, &size);
		uint8_t *block = test_sample(both_orders[i].name, &size);

		both_orders[i].foreign(block, size);
		assert_memory_not_equal(block, want, size);
		ondisk_byteswap_block(both_orders[i].cls, block, size);
		assert_memory_equal(block, want, size);
		free(want);
		free(block);
	}
}

static void
an_objset_of_the_other_byte_order_is_the_same_objset(void **state)
{
	size_t size;
	uint8_t *want = test_sample("objset.bin", &size);
	uint8_t *block = test_sample("objset.bin", &size);
	objset_phys_t *osp = (objset_phys_t *)(void *)block;

	foreign_dnode(&osp->os_meta_dnode);
	ondisk_byteswap(&od_zil_header, &osp->os_zil_header);
	ondisk_byteswap_u64(&osp->os_type, 16);
	ondisk_byteswap_block(DMU_BSWAP_OBJSET, block, size);
	assert_memory_equal(block, want, size);
	free(want);
	free(block);
}

/* Slots 3…6 are one dnode of 2 KiB. */
static void
large_dnodes_occupy_several_slots(void **state)
{
	uint8_t *block = calloc(1, DNODE_BLOCK_SIZE);
	dnode_phys_t *dnp = (dnode_phys_t *)(void *)block + 3;
	unsigned slot = 3;
	uint32_t max;

	*dnp = (dnode_phys_t){.dn_type = DMU_OT_PLAIN_FILE_CONTENTS,
	    .dn_indblkshift = 17,
	    .dn_nlevels = 1,
	    .dn_nblkptr = 1,
	    .dn_bonustype = DMU_OT_SA,
	    .dn_datablkszsec = 1,
	    .dn_bonuslen = 100,
	    .dn_extra_slots = 3};
	assert_int_equal(dnode_block_verify(block, DNODE_BLOCK_SIZE), 0);
	assert_int_equal(dnode_phys_bonus_max(dnp), 2048 - 192);
	assert_ptr_equal(dnode_phys_bonus(dnp, &max), (uint8_t *)dnp + 192);
	assert_ptr_equal(dnode_block_next(block, DNODE_BLOCK_SIZE, &slot), dnp);
	assert_int_equal(slot, 7);
	assert_true(dnode_block_is_interior(block, DNODE_BLOCK_SIZE, 5));
	assert_false(dnode_block_is_interior(block, DNODE_BLOCK_SIZE, 3));
	assert_false(dnode_block_is_interior(block, DNODE_BLOCK_SIZE, 7));
	assert_null(dnode_phys_spill(dnp));
	dnp->dn_flags |= DNODE_FLAG_SPILL_BLKPTR;
	assert_ptr_equal(dnode_phys_spill(dnp), (uint8_t *)dnp + 2048 - 128);

	/* One that would cross the end of the block. */
	memmove(dnp + 26, dnp, sizeof(*dnp));
	assert_null(dnode_block_slot(block, DNODE_BLOCK_SIZE, 29));
	assert_int_equal(dnode_block_verify(block, DNODE_BLOCK_SIZE), EIO);
	assert_null(dnode_block_slot(block, DNODE_BLOCK_SIZE, 32));
	free(block);
}

static void
the_number_of_pointers_of_new_dnodes(void **state)
{
	/* format/02 §1.3 */
	assert_int_equal(dnode_default_nblkptr(512, DMU_OT_SA, 0), 1);
	assert_int_equal(dnode_default_nblkptr(512, DMU_OT_DSL_DATASET, 320), 1);
	assert_int_equal(dnode_default_nblkptr(512, DMU_OT_DSL_DIR, 256), 1);
	assert_int_equal(dnode_default_nblkptr(512, DMU_OT_NONE, 192), 2);
	assert_int_equal(dnode_default_nblkptr(512, DMU_OT_NONE, 64), 3);
	assert_int_equal(dnode_default_nblkptr(512, DMU_OT_BPOBJ_HDR, 48), 3);
	assert_int_equal(dnode_default_nblkptr(1024, DMU_OT_NONE, 0), 3);
}

static void
impossible_dnodes_are_refused(void **state)
{
	const dnode_phys_t good = {.dn_type = DMU_OT_PLAIN_FILE_CONTENTS,
	    .dn_indblkshift = 17,
	    .dn_nlevels = 2,
	    .dn_nblkptr = 1,
	    .dn_bonustype = DMU_OT_SA,
	    .dn_datablkszsec = 256,
	    .dn_bonuslen = 168,
	    .dn_maxblkid = 1023};
	dnode_phys_t dn = good;

	assert_int_equal(dnode_phys_verify(&dn), 0);
#define REFUSED(field, value)                                                          \
	do {                                                                           \
		dn = good;                                                             \
		dn.field = (value);                                                    \
		assert_int_equal(dnode_phys_verify(&dn), EIO);                         \
	} while (0)
	REFUSED(dn_type, 54);
	REFUSED(dn_bonustype, 0x8f);
	REFUSED(dn_indblkshift, 18);
	REFUSED(dn_indblkshift, 7);
	REFUSED(dn_nlevels, 0);
	REFUSED(dn_nlevels, 13);
	REFUSED(dn_nblkptr, 0);
	REFUSED(dn_nblkptr, 4);
	REFUSED(dn_checksum, ZIO_CHECKSUM_FUNCTIONS);
	REFUSED(dn_compress, ZIO_COMPRESS_FUNCTIONS);
	REFUSED(dn_datablkszsec, 0);
	REFUSED(dn_datablkszsec, 255);	 /* several blocks, not a power of two */
	REFUSED(dn_datablkszsec, 65535); /* more than 16 MiB */
	REFUSED(dn_maxblkid, 1024);	 /* beyond the tree */
	REFUSED(dn_maxblkid, UINT64_MAX);
	REFUSED(dn_bonuslen, 321);
	REFUSED(dn_extra_slots, 32);
	dn = good;
	dn.dn_flags = DNODE_FLAG_SPILL_BLKPTR;
	assert_int_equal(dnode_phys_verify(&dn), 0);
	dn.dn_bonuslen = 193;
	assert_int_equal(dnode_phys_verify(&dn), EIO);
}

/* ---- ZAP ---- */

static void
a_real_microzap(void **state)
{
	size_t size, used = 0;
	uint8_t *block = test_sample("mzap.bin", &size);
	bool root = false;

	assert_non_null(mzap_header(block, size));
	assert_true(zap_block_type(block, size) == ZBT_MICRO);
	assert_true(mzap_header(block, size)->mz_salt & 1);
	assert_int_equal(mzap_nchunks(size), 7);
	for (size_t i = 0; i < mzap_nchunks(size); i++) {
		const mzap_ent_phys_t *mze = mzap_chunk(block, size, i);
		assert_true(mzap_ent_valid(mze));
		used += (mze->mze_name[0] != '\0');
		root |= (strcmp(mze->mze_name, "ROOT") == 0);
	}
	assert_true(root && used > 3);
	assert_null(mzap_chunk(block, size, 7));
	assert_null(mzap_header(block, 63));
	free(block);
}

static void
a_real_fatzap_header(void **state)
{
	size_t size;
	uint8_t *block = test_sample("fzap_header.bin", &size);
	const zap_phys_t *zap = zap_header(block, size);

	assert_non_null(zap);
	assert_int_equal(zap->zap_ptrtbl.zt_shift, 10);
	assert_int_equal(zap_embedded_ptrtbl_shift(size), 10);
	assert_int_equal(zap->zap_num_leafs, 1);
	assert_int_equal(zap->zap_num_entries, 15);
	assert_int_equal(zap->zap_freeblk, 2);
	for (uint64_t i = 0; i < 1024; i++)
		assert_int_equal(*zap_embedded_ptr(block, size, i), 1);
	assert_null(zap_embedded_ptr(block, size, 1024));
	assert_null(zap_header(block, size - 512)); /* not a power of two */
	free(block);
}

/* Every entry is found through its bucket, its name and value lie in array chunks. */
static void
a_real_fatzap_leaf(void **state)
{
	size_t size;
	uint8_t *block = test_sample("fzap_leaf.bin", &size);
	const zap_leaf_phys_t *l = zap_leaf_header(block, size);
	unsigned entries = 0, config = 0;

	assert_non_null(l);
	assert_int_equal(zap_leaf_numchunks(size), 638);
	assert_int_equal(zap_leaf_hash_numentries(size), 512);
	assert_int_equal(l->l_nentries, 15);
	for (uint32_t b = 0; b < zap_leaf_hash_numentries(size); b++) {
		for (uint32_t c = *zap_leaf_hash(block, size, b); c != ZAP_LEAF_EOL;) {
			const zap_leaf_entry_t *le = zap_leaf_entry(block, size, c);
			const zap_leaf_array_t *name;

			assert_non_null(le);
			assert_int_equal(
			    le->le_hash >> (64 - zap_leaf_hash_shift(size)), b);
			name = zap_leaf_array(block, size, le->le_name_chunk);
			assert_non_null(name);
			config += (strcmp((const char *)name->la_array, "config") == 0);
			assert_non_null(
			    zap_leaf_array(block, size, le->le_value_chunk));
			assert_null(zap_leaf_entry(block, size, le->le_name_chunk));
			c = le->le_next;
			entries++;
		}
	}
	assert_int_equal(entries, 15);
	assert_int_equal(config, 1);
	assert_null(zap_leaf_chunk(block, size, 638));
	assert_null(zap_leaf_hash(block, size, 512));
	free(block);
}

static void
a_new_leaf_is_one_long_free_list(void **state)
{
	const size_t size = 16384;
	uint8_t *block = malloc(size);
	uint32_t n = 0;

	zap_leaf_format(block, size, true);
	assert_int_equal(zap_leaf_header(block, size)->l_flags, ZLF_ENTRIES_CDSORTED);
	assert_int_equal(zap_leaf_header(block, size)->l_nfree, 638);
	for (uint32_t c = zap_leaf_header(block, size)->l_freelist; c != ZAP_LEAF_EOL;
	     n++) {
		assert_int_equal(
		    zap_leaf_chunk(block, size, c)->l_type, ZAP_CHUNK_FREE);
		c = zap_leaf_chunk(block, size, c)->l_free.lf_next;
	}
	assert_int_equal(n, 638);
	assert_int_equal(*zap_leaf_hash(block, size, 511), ZAP_LEAF_EOL);
	/* The last chunk ends with the block. */
	assert_ptr_equal(zap_leaf_chunk(block, size, 637) + 1, block + size);
	free(block);
}

/* ---- hostile bytes ---- */

/* No block content makes a byteswap or a walk leave the block. */
static void
no_content_leads_out_of_its_block(void **state)
{
	uint64_t seed = test_seed();
	static const uint64_t firsts[] = {ZBT_MICRO, ZBT_HEADER, ZBT_LEAF, 0};

	for (int i = 0; i < 20000; i++) {
		const size_t size = (test_random(&seed) % 32 + 1) * 512;
		uint64_t *block = malloc(size);
		dnode_phys_t *dnp;
		unsigned slot = 0;

		test_fill(block, size, &seed);
		if (i % 2 == 0)
			block[0] = BSWAP_64(firsts[i / 2 % 4]);
		ondisk_byteswap_block(
		    (dmu_object_byteswap_t)(i % DMU_BSWAP_NUMFUNCS), block, size);
		(void)dnode_block_verify(block, size);
		while ((dnp = dnode_block_next(block, size, &slot)) != NULL) {
			uint32_t max = 0;
			uint8_t *bonus = dnode_phys_bonus(dnp, &max);
			if (bonus != NULL && max > 0 && dnp->dn_type != DMU_OT_NONE)
				bonus[max - 1] ^= 1;
		}
		free(block);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_object_directory_is_where_the_format_says),
	    cmocka_unit_test(dnodes_of_a_real_mos),
	    cmocka_unit_test(dnodes_with_spill_blocks),
	    cmocka_unit_test(legacy_znodes),
	    cmocka_unit_test(blocks_of_the_other_byte_order_become_the_same_blocks),
	    cmocka_unit_test(an_objset_of_the_other_byte_order_is_the_same_objset),
	    cmocka_unit_test(large_dnodes_occupy_several_slots),
	    cmocka_unit_test(the_number_of_pointers_of_new_dnodes),
	    cmocka_unit_test(impossible_dnodes_are_refused),
	    cmocka_unit_test(a_real_microzap),
	    cmocka_unit_test(a_real_fatzap_header),
	    cmocka_unit_test(a_real_fatzap_leaf),
	    cmocka_unit_test(a_new_leaf_is_one_long_free_list),
	    cmocka_unit_test(no_content_leads_out_of_its_block),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
