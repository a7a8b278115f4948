/*
 * Records: space map entries, block lists, attributes, ACLs, intent log, gang headers.
 * Examples from the specification and from pools written by OpenZFS 2.3.2.
 */
#include "ondisk_test.h"

/* ---- space maps ---- */

static void
check_entry(uint64_t w0, uint64_t w1, unsigned nwords, const space_map_entry_t *want)
{
	const uint64_t words[2] = {w0, w1};
	space_map_entry_t sme = {0};
	uint64_t again[2] = {0, 0};

	assert_int_equal(sm_entry_decode(words, 2, &sme), nwords);
	assert_int_equal(sme.sme_kind, want->sme_kind);
	assert_int_equal(sme.sme_type, want->sme_type);
	assert_true(sme.sme_offset == want->sme_offset);
	assert_true(sme.sme_run == want->sme_run);
	assert_int_equal(sme.sme_pass, want->sme_pass);
	assert_true(sme.sme_txg == want->sme_txg);
	if (want->sme_kind == SM_ENTRY_RANGE)
		assert_int_equal(sme.sme_vdev, want->sme_vdev);
	assert_int_equal(sm_entry_encode(&sme, again), nwords);
	assert_true(again[0] == w0 && (nwords == 1 || again[1] == w1));
}

/* format/02 §5.3, "verified example". */
static void
the_specifications_space_map_entries(void **state)
{
	check_entry(0x8004000000000006, 0, 1,
	    &(space_map_entry_t){.sme_kind = SM_ENTRY_DEBUG,
		.sme_type = SM_ALLOC,
		.sme_pass = 1,
		.sme_txg = 6});
	check_entry(0x1e, 0, 1,
	    &(space_map_entry_t){
		.sme_type = SM_ALLOC, .sme_run = 31, .sme_vdev = SM_NO_VDEV});
	check_entry(0x20000e, 0, 1,
	    &(space_map_entry_t){.sme_type = SM_ALLOC,
		.sme_offset = 32,
		.sme_run = 15,
		.sme_vdev = SM_NO_VDEV});
	check_entry(0x9004000000000009, 0, 1,
	    &(space_map_entry_t){.sme_kind = SM_ENTRY_DEBUG,
		.sme_type = SM_FREE,
		.sme_pass = 1,
		.sme_txg = 9});
	check_entry(0x18004, 0, 1,
	    &(space_map_entry_t){.sme_type = SM_FREE,
		.sme_offset = 1,
		.sme_run = 5,
		.sme_vdev = SM_NO_VDEV});
	check_entry(0xc00000000a000001, 0x5003a, 2,
	    &(space_map_entry_t){.sme_type = SM_ALLOC,
		.sme_run = 11,
		.sme_vdev = 1,
		.sme_offset = 0x5003a});
	check_entry(
	    SM_PADDING_WORD, 0, 1, &(space_map_entry_t){.sme_kind = SM_ENTRY_PAD});
}

static void
ranges_take_the_shortest_form_that_holds_them(void **state)
{
	space_map_entry_t sme = {.sme_offset = SM_OFFSET_MAX1 - 1,
			      .sme_run = SM_RUN_MAX1,
			      .sme_vdev = SM_NO_VDEV,
			      .sme_type = SM_FREE},
			  back;
	uint64_t w[2];

	assert_int_equal(sm_entry_encode(&sme, w), 1);
	sme.sme_run++;
	assert_int_equal(sm_entry_encode(&sme, w), 2);
	assert_int_equal(sm_entry_decode(w, 2, &back), 2);
	assert_true(back.sme_run == SM_RUN_MAX1 + 1 && back.sme_type == SM_FREE);
	assert_int_equal(back.sme_vdev, 0);
	sme.sme_run = SM_RUN_MAX2;
	sme.sme_offset = SM_OFFSET_MAX2 - 1;
	assert_int_equal(sm_entry_encode(&sme, w), 2);
	assert_int_equal(sm_entry_decode(w, 2, &back), 2);
	assert_true(
	    back.sme_run == SM_RUN_MAX2 && back.sme_offset == SM_OFFSET_MAX2 - 1);
	sme = (space_map_entry_t){.sme_run = 1, .sme_vdev = 0}; /* vdev 0, said aloud */
	assert_int_equal(sm_entry_encode(&sme, w), 2);
	/* Cut off in the middle. */
	assert_int_equal(sm_entry_decode(w, 1, &back), 0);
	assert_int_equal(sm_entry_decode(w, 0, &back), 0);
}

/* What its entries add up to is what the header of a real map says. */
static void
a_real_space_map_adds_up(void **state)
{
	size_t size, hsize;
	uint8_t *data = test_sample("spacemap.bin", &size);
	uint8_t *header = test_sample("spacemap_hdr.bin", &hsize);
	uint64_t words[128];
	space_map_phys_t smp;
	int64_t sum = 0;

	assert_int_equal(
	    ondisk_bonus_get(&od_space_map, header, hsize, SPACE_MAP_SIZE_V0, &smp), 0);
	assert_int_equal(smp.smp_length, size);
	memcpy(words, data, size);
	for (size_t i = 0; i < size / 8;) {
		space_map_entry_t sme;
		uint64_t again[2];
		const unsigned n = sm_entry_decode(words + i, size / 8 - i, &sme);

		assert_int_not_equal(n, 0);
		assert_int_equal(sm_entry_encode(&sme, again), n);
		assert_memory_equal(again, words + i, n * 8);
		if (sme.sme_kind == SM_ENTRY_RANGE)
			sum += (sme.sme_type == SM_ALLOC ? 1 : -1) *
			       (int64_t)sme.sme_run * 512;
		i += n;
	}
	assert_int_equal(sum, smp.smp_alloc);
	free(data);
	free(header);
}

/* ---- block lists ---- */

static void
pointers_are_stored_in_lists_without_what_is_not_needed(void **state)
{
	blkptr_t bp = {.blk_dva = {{{8, 100}}},
		     .blk_birth = 7,
		     .blk_fill = 33,
		     .blk_cksum = {{1, 2, 3, 4}}},
		 stored;

	bpobj_entry_make(&stored, &bp, false);
	assert_int_equal(stored.blk_fill, 0);
	assert_int_equal(stored.blk_cksum.zc_word[3], 0);
	assert_true(BP_EQUAL(&stored, &bp));
	bpobj_entry_make(&stored, &bp, true);
	assert_true(bpobj_entry_freed(&stored));
	BP_SET_DEDUP(&bp, true);
	bpobj_entry_make(&stored, &bp, false);
	assert_int_equal(stored.blk_cksum.zc_word[3], 4);
	assert_false(bpobj_entry_freed(&stored));

	encode_embedded_bp_compressed(&bp, "abc", ZIO_COMPRESS_LZ4, 512, 3);
	bp.blk_birth = 9;
	bpobj_entry_make(&stored, &bp, false);
	assert_true(stored.blk_prop == bp.blk_prop && stored.blk_birth == 9);
	assert_int_equal(stored.blk_dva[0].dva_word[0], 0);
}

static void
history_offsets_wrap_behind_the_first_record(void **state)
{
	const spa_history_phys_t sh = {
	    .sh_pool_create_len = 1000, .sh_phys_max_off = 5000};

	assert_int_equal(spa_history_log_to_phys(&sh, 999), 999);
	assert_int_equal(spa_history_log_to_phys(&sh, 1000), 1000);
	assert_int_equal(spa_history_log_to_phys(&sh, 4999), 4999);
	assert_int_equal(spa_history_log_to_phys(&sh, 5000), 1000);
	assert_int_equal(spa_history_log_to_phys(&sh, 9001), 1001);
	/* A damaged header must not divide by zero. */
	assert_int_equal(spa_history_log_to_phys(&(spa_history_phys_t){5, 5}, 77), 77);
}

static void
arrays_of_records_end_where_the_block_ends(void **state)
{
	vdev_indirect_mapping_entry_phys_t *e, *block = calloc(4, sizeof(*block));

	e = ONDISK_ARRAY_AT(
	    vdev_indirect_mapping_entry_phys_t, block, 4 * sizeof(*e), 3);
	assert_ptr_equal(e, block + 3);
	DVA_MAPPING_SET_SRC_OFFSET(e, 0x12345600);
	assert_int_equal(DVA_MAPPING_GET_SRC_OFFSET(e), 0x12345600);
	assert_null(ONDISK_ARRAY_AT(
	    vdev_indirect_mapping_entry_phys_t, block, 4 * sizeof(*e) - 1, 3));
	free(block);
}

static void
dedup_keys_hold_the_sizes(void **state)
{
	const ddt_key_t k = {
	    .ddk_prop = ddt_key_prop_make(131072, 4096, ZIO_COMPRESS_LZ4, true)};

	assert_true(k.ddk_prop == 0x0000008f000700ff);
	assert_int_equal(DDK_GET_LSIZE(&k), 131072);
	assert_int_equal(DDK_GET_PSIZE(&k), 4096);
	assert_int_equal(DDK_GET_COMPRESS(&k), ZIO_COMPRESS_LZ4);
	assert_true(DDK_GET_CRYPT(&k));
}

/* ---- POSIX layer ---- */

/* format/04 §1.5 and the worked example of §1.6. */
static void
system_attribute_headers(void **state)
{
	static const uint8_t real[16] = {
	    0x5a, 0x50, 0x2f, 0x00, 0x02, 0x04, 0x18, 0x00};
	const uint16_t lengths[5] = {24, 100, 3, 0, 65535};
	uint8_t buf[64], foreign[16];
	uint16_t layout, length;
	uint32_t hdrsize;
	bool swapped;

	if (ZFS_HOST_BYTEORDER == 1) {
		assert_int_equal(
		    sa_hdr_decode(real, 16, &layout, &hdrsize, &swapped), 0);
		assert_int_equal(layout, 2);
		assert_int_equal(hdrsize, 8);
		assert_false(swapped);
		assert_int_equal(sa_hdr_length(real, 16, 0, &length), 0);
		assert_int_equal(length, 24);
		assert_int_equal(sa_hdr_length(real, 16, 1, &length), EIO);
		assert_int_equal(sa_hdr_encode(buf, 64, 2, lengths, 1, &hdrsize), 0);
		assert_memory_equal(buf, real, 8);
	}
	for (unsigned v = 0; v <= 5; v++) {
		assert_int_equal(sa_hdr_encode(buf, 64, 1023, lengths, v, &hdrsize), 0);
		assert_int_equal(hdrsize, v <= 1 ? 8 : 16);
		assert_int_equal(sa_hdr_decode(buf, 64, &layout, &hdrsize, NULL), 0);
		assert_int_equal(layout, 1023);
		for (unsigned i = 0; i < v; i++) {
			assert_int_equal(sa_hdr_length(buf, 64, i, &length), 0);
			assert_int_equal(length, lengths[i]);
		}
	}
	assert_int_equal(sa_hdr_size_for(6), 24);
	assert_int_equal(SA_HDR_LAYOUT_INFO(3, 16), 0x0803);

	memcpy(foreign, buf, 16);
	ondisk_byteswap_u32(foreign, 4);
	ondisk_byteswap_u16(foreign + 4, 12);
	assert_int_equal(sa_hdr_decode(foreign, 16, &layout, &hdrsize, &swapped), 0);
	assert_true(swapped);
	assert_int_equal(layout, 1023);
	assert_int_equal(sa_hdr_length(foreign, 16, 1, &length), 0);
	assert_int_equal(length, 100);

	/* Nothing there; not ours; longer than its buffer. */
	assert_int_equal(
	    sa_hdr_decode("\0\0\0\0\0\0\0\0", 8, &layout, &hdrsize, NULL), ENOENT);
	assert_int_equal(sa_hdr_decode("12345678", 8, &layout, &hdrsize, NULL), EIO);
	assert_int_equal(sa_hdr_decode(buf, 8, &layout, &hdrsize, NULL), EIO);
	assert_int_equal(sa_hdr_encode(buf, 8, 2, lengths, 2, &hdrsize), EINVAL);
	assert_int_equal(sa_hdr_encode(buf, 64, 1024, lengths, 0, &hdrsize), EINVAL);
}

static void
attribute_registrations_and_directory_entries(void **state)
{
	assert_true(SA_ATTR_ENCODE(20, SA_UINT8_ARRAY, 0) == 0x00030014);
	assert_int_equal(SA_ATTR_NUM(0x5803000f), 15);
	assert_int_equal(SA_ATTR_BSWAP(0x5803000f), SA_UINT8_ARRAY);
	assert_int_equal(SA_ATTR_LENGTH(0x5803000f), 88);
	assert_true(ZFS_DIRENT_MAKE(8, 2) == 0x8000000000000002);
	assert_int_equal(ZFS_DIRENT_OBJ(0x80f0000000000002), 2);
	assert_int_equal(ZFS_DIRENT_TYPE(0x80f0000000000002), 8);
}

static void
access_control_entries_in_their_three_sizes(void **state)
{
	const zfs_ace_t owner = {
	    .z_type = 0, .z_flags = ACE_OWNER, .z_access_mask = 0x1e01bf};
	const zfs_ace_t user = {.z_type = 1, .z_access_mask = 2, .z_fuid = 0x100000007};
	const zfs_ace_t object = {
	    .z_type = 5, .z_fuid = 9, .z_object_type = {1, 2}, .z_inherit_type = {3}};
	const zfs_ace_t *const aces[] = {&owner, &user, &object};
	const size_t sizes[] = {8, 16, 48};
	uint8_t buf[72], foreign[72];
	size_t at = 0;
	zfs_ace_t ace;

	for (int i = 0; i < 3; i++) {
		assert_int_equal(
		    zfs_ace_encode(1, aces[i], buf + at, sizes[i]), sizes[i]);
		assert_int_equal(zfs_ace_encode(1, aces[i], foreign, sizes[i] - 1), 0);
		assert_int_equal(zfs_ace_decode(1, buf + at, sizes[i] - 1, &ace), 0);
		assert_int_equal(zfs_ace_decode(1, buf + at, sizes[i], &ace), sizes[i]);
		assert_memory_equal(&ace, aces[i], sizeof(ace));
		at += sizes[i];
	}
	assert_int_equal(at, 72);
	assert_int_equal(zfs_ace_size(2, ACE_EVERYONE), 16);
	assert_int_equal(zfs_ace_size(0, ACE_GROUP | ACE_IDENTIFIER_GROUP), 8);
	assert_int_equal(zfs_ace_size(0, ACE_IDENTIFIER_GROUP), 16);

	memcpy(foreign, buf, sizeof(buf));
	for (size_t off = 0, i = 0; i < 3; off += sizes[i++]) {
		ondisk_byteswap(&od_zfs_ace_hdr, foreign + off);
		if (sizes[i] > 8)
			ondisk_byteswap_u64(foreign + off + 8, 8);
	}
	zfs_ace_byteswap(foreign, sizeof(foreign));
	assert_memory_equal(foreign, buf, sizeof(buf));
}

/* format/04 §4.3: first entry of a real version 0 ACL. */
static void
old_access_control_entries(void **state)
{
	static const uint8_t real[12] = {
	    0xff, 0xff, 0xff, 0xff, 0x20, 0, 0, 0, 0, 0x10, 1, 0};
	uint8_t again[12];
	zfs_ace_t ace;

	if (ZFS_HOST_BYTEORDER != 1)
		return;
	assert_int_equal(zfs_ace_decode(0, real, sizeof(real), &ace), 12);
	assert_int_equal(ace.z_type, 1);
	assert_int_equal(ace.z_flags, ACE_OWNER);
	assert_int_equal(ace.z_access_mask, 0x20);
	assert_int_equal(zfs_ace_encode(0, &ace, again, sizeof(again)), 12);
	assert_memory_equal(again, real, sizeof(real));
	assert_int_equal(zfs_ace_decode(0, real, 11, &ace), 0);
}

/* ---- intent log ---- */

static unsigned
count_records(uint8_t *block, size_t size, unsigned seen[TX_MAX_TYPE])
{
	size_t off, end;
	unsigned n = 0;

	assert_true(zil_block_bounds(block, size, true, &off, &end));
	while (off < end) {
		lr_t *lr = zil_block_lr(block, end, off);
		assert_non_null(lr);
		assert_true(lr->lrc_txtype < TX_MAX_TYPE);
		seen[lr->lrc_txtype]++;
		off += lr->lrc_reclen;
		n++;
	}
	assert_int_equal(off, end);
	return (n);
}

static void
a_real_log_block(void **state)
{
	const zio_cksum_t verifier = {
	    {0x6b43f8314731ddad, 0x55dc1fe36391a15e, 0x36, 0x14}};
	unsigned seen[TX_MAX_TYPE] = {0};
	size_t size;
	uint8_t *block = test_sample("zil_block.bin", &size);
	const zil_chain_t *zc = zil_block_chain(block, size, true);

	assert_int_equal(zc->zc_nused, 952);
	assert_true(zc->zc_eck.zec_magic == ZEC_MAGIC);
	assert_int_equal(zc->zc_next_blk.blk_cksum.zc_word[ZIL_ZC_SEQ], 0x15);
	assert_int_equal(BP_GET_TYPE(&zc->zc_next_blk), DMU_OT_INTENT_LOG);
	assert_int_equal(
	    zio_checksum_zil_verify(ZIO_CHECKSUM_ZILOG2, block, size, &verifier, NULL),
	    0);
	assert_int_equal(count_records(block, size, seen), 8);
	for (int t = TX_CREATE; t <= TX_WRITE; t++)
		assert_int_equal(seen[t], t == TX_MKXATTR ? 0 : 1);
	free(block);
}

/* Every record type, one after the other, in both orders. */
static void
log_blocks_of_the_other_byte_order_become_the_same_blocks(void **state)
{
	uint64_t seed = test_seed();
	const size_t size = 65536;
	uint8_t *want = calloc(1, size), *block = malloc(size);
	size_t off = sizeof(zil_chain_t);

	/* want: host order; block: what the other host would have written. */
	for (uint64_t t = TX_CREATE; t < TX_MAX_TYPE; t++) {
		const ondisk_table_t *table = zil_lr_table(t);
		lr_t *lr = (lr_t *)(void *)(want + off);

		test_fill(lr, table->ot_size + 400, &seed);
		lr->lrc_txtype = t | (t % 2 ? TX_CI : 0);
		lr->lrc_reclen = table->ot_size + 400;
		if (t == TX_SETATTR)
			((lr_setattr_t *)(void *)lr)->lr_mask = 1; /* no xvattr */
		if (t == TX_ACL)
			memcpy((uint64_t *)(void *)lr + 7, (uint64_t[2]){2, 24}, 16);
		if (zil_lr_table(t) == &od_lr_acl_create)
			memcpy((uint64_t *)(void *)lr + 15, (uint64_t[2]){2, 24}, 16);
		off += lr->lrc_reclen;
	}
	zil_block_chain(want, size, true)->zc_nused = off;

	memcpy(block, want, size);
	for (size_t at = sizeof(zil_chain_t); at < off;) {
		lr_t *lr = (lr_t *)(void *)(block + at);
		const uint64_t t = lr->lrc_txtype & ~TX_CI, reclen = lr->lrc_reclen;
		const ondisk_table_t *table = zil_lr_table(t);
		uint8_t *tail = block + at + table->ot_size;
		uint8_t *wtail = want + at + table->ot_size;

		if (t == TX_CREATE_ATTR || t == TX_MKDIR_ATTR ||
		    t == TX_CREATE_ACL_ATTR || t == TX_MKDIR_ACL_ATTR) {
			lr_xvattr_t *const xv = (lr_xvattr_t *)(void *)wtail;
			xv->lr_attr_masksize = LR_XVAT_MAPSIZE;
			xv->lr_attr_bitmap[0] = XAT0_PROJID;
			memcpy(tail, xv, sizeof(*xv));
			ondisk_byteswap(&od_lr_xvattr, tail);
			ondisk_byteswap_u64(tail + 40, 8);
			tail += sizeof(*xv);
			wtail += sizeof(*xv);
		}
		if (t == TX_ACL || table == &od_lr_acl_create) {
			/* A short and a long ACE (24 bytes), then two FUIDs. */
			memset(wtail, 0, 16);
			wtail[ZFS_HOST_BYTEORDER ? 3 : 2] = ACE_OWNER >> 8;
			memcpy(tail, wtail, 24);
			ondisk_byteswap(&od_zfs_ace_hdr, tail);
			ondisk_byteswap(&od_zfs_ace_hdr, tail + 8);
			ondisk_byteswap_u64(tail + 16, 24);
		}
		if (t == TX_ACL_V0)
			zfs_oldace_byteswap(tail, 400);
		if (t == TX_CLONE_RANGE)
			ondisk_byteswap_u64(tail, 400);
		ondisk_byteswap(table, lr);
		at += reclen;
	}
	ondisk_byteswap(&od_zil_chain, block);

	assert_int_equal(zil_block_byteswap(block, size, true), 0);
	assert_memory_equal(block, want, size);
	free(want);
	free(block);
}

static void
records_that_do_not_fit_are_not_given_out(void **state)
{
	size_t size, off, end;
	uint8_t *block = test_sample("zil_block.bin", &size);
	zil_chain_t *zc = zil_block_chain(block, size, true);
	lr_t *lr;

	assert_true(zil_block_bounds(block, size, true, &off, &end));
	lr = zil_block_lr(block, end, off);
	assert_non_null(lr);
	assert_null(zil_block_lr(block, end, off + 4));
	assert_null(zil_block_lr(block, end, end));
	assert_null(zil_block_lr(block, end, SIZE_MAX - 7));
	const uint64_t reclen = lr->lrc_reclen;
	for (size_t i = 0; i < 4; i++) {
		const uint64_t bad[] = {0, 24, reclen + 1, end};
		lr->lrc_reclen = bad[i];
		assert_null(zil_block_lr(block, end, off));
	}
	lr->lrc_reclen = zil_lr_table(lr->lrc_txtype)->ot_size - 8;
	assert_null(zil_block_lr(block, end, off));
	lr->lrc_reclen = reclen;

	zc->zc_nused = 183;
	assert_false(zil_block_bounds(block, size, true, &off, &end));
	zc->zc_nused = size + 1;
	assert_false(zil_block_bounds(block, size, true, &off, &end));
	assert_null(zil_block_chain(block, 176, true));
	assert_null(zil_block_chain(block, 1001, false));
	/* The old form has its chain at the end. */
	assert_ptr_equal(zil_block_chain(block, size, false), block + size - 184);
	free(block);
}

static void
random_log_blocks_do_no_harm(void **state)
{
	uint64_t seed = test_seed();

	for (int i = 0; i < 20000; i++) {
		const size_t size = 512 + test_random(&seed) % 8 * 512;
		uint64_t *block = malloc(size);
		const bool slim = i % 2;

		test_fill(block, size, &seed);
		zil_block_chain(block, size, slim)->zc_nused =
		    BSWAP_64(size - 184 * !slim);
		block[slim ? 23 : 0] = BSWAP_64(test_random(&seed) % TX_MAX_TYPE);
		block[slim ? 24 : 1] = BSWAP_64(test_random(&seed) % size & ~7ULL);
		(void)zil_block_byteswap(block, size, slim);
		free(block);
	}
}

static void
object_numbers_of_created_files_carry_their_slots(void **state)
{
	const uint64_t foid = LR_FOID_MAKE(251, 3);

	assert_true(foid == 0x02000000000000fb);
	assert_int_equal(LR_FOID_GET_OBJ(foid), 251);
	assert_int_equal(LR_FOID_GET_SLOTS(foid), 3);
	assert_string_equal(zil_txtype_name(TX_CI | TX_RENAME), "TX_RENAME");
	assert_string_equal(zil_txtype_name(25), "TX_UNKNOWN");
	assert_null(zil_lr_table(0));
}

/* ---- gang blocks ---- */

/* A header of a real pool; its pointer is the first of test_blkptr.c. */
static void
a_real_gang_header(void **state)
{
	const zio_cksum_t verifier = {{0, 0x52e800, 32, 0}};
	zio_gbh_phys_t gbh;
	size_t size;
	uint8_t *block = test_sample("gang.bin", &size);
	uint64_t sum = 0, asize = 512;

	assert_int_equal(zio_checksum_trailer_verify(block, size, &verifier, NULL), 0);
	assert_int_equal(ondisk_decode(&od_zio_gbh, block, size, false, &gbh), 0);
	for (int i = 0; i < SPA_GBH_NBLKPTRS; i++) {
		const blkptr_t *bp = &gbh.zg_blkptr[i];
		if (BP_IS_HOLE(bp))
			continue;
		assert_int_equal(BP_GET_TYPE(bp), DMU_OT_NONE);
		assert_int_equal(BP_GET_COMPRESS(bp), ZIO_COMPRESS_OFF);
		sum += BP_GET_PSIZE(bp);
		asize += DVA_GET_ASIZE(&bp->blk_dva[0]);
	}
	assert_int_equal(sum, 0xe00);
	assert_int_equal(asize, 0x1000);
	free(block);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_specifications_space_map_entries),
	    cmocka_unit_test(ranges_take_the_shortest_form_that_holds_them),
	    cmocka_unit_test(a_real_space_map_adds_up),
	    cmocka_unit_test(pointers_are_stored_in_lists_without_what_is_not_needed),
	    cmocka_unit_test(history_offsets_wrap_behind_the_first_record),
	    cmocka_unit_test(arrays_of_records_end_where_the_block_ends),
	    cmocka_unit_test(dedup_keys_hold_the_sizes),
	    cmocka_unit_test(system_attribute_headers),
	    cmocka_unit_test(attribute_registrations_and_directory_entries),
	    cmocka_unit_test(access_control_entries_in_their_three_sizes),
	    cmocka_unit_test(old_access_control_entries),
	    cmocka_unit_test(a_real_log_block),
	    cmocka_unit_test(log_blocks_of_the_other_byte_order_become_the_same_blocks),
	    cmocka_unit_test(records_that_do_not_fit_are_not_given_out),
	    cmocka_unit_test(random_log_blocks_do_no_harm),
	    cmocka_unit_test(object_numbers_of_created_files_carry_their_slots),
	    cmocka_unit_test(a_real_gang_header),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
