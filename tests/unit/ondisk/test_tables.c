/*
 * The field tables: each covers its structure, and what follows from a table is right.
 */
#include "ondisk_test.h"

static const ondisk_table_t *const all[] = {&od_dva, &od_zio_cksum, &od_blkptr,
    &od_zbookmark, &od_bpobj, &od_bptree, &od_bptree_entry, &od_dsl_deadlist,
    &od_redaction_list, &od_redact_block, &od_dnode, &od_objset, &od_dsl_dir,
    &od_dsl_dataset, &od_zfs_bookmark, &od_uberblock, &od_zio_gbh, &od_dsl_scan,
    &od_dsl_errorscrub, &od_vdev_rebuild, &od_spa_history, &od_spa_removing,
    &od_spa_condensing_indirect, &od_vdev_indirect_mapping,
    &od_vdev_indirect_mapping_entry, &od_vdev_indirect_birth,
    &od_vdev_indirect_birth_entry, &od_ddt_key, &od_ddt_phys_trad, &od_ddt_phys_flat,
    &od_ddt_stat, &od_ddt_log_header, &od_ddt_log_record, &od_brt_vdev,
    &od_l2arc_log_blkptr, &od_l2arc_dev_hdr, &od_l2arc_log_ent, &od_l2arc_log_blk,
    &od_space_map, &od_mzap, &od_mzap_ent, &od_zap_table_phys, &od_zap, &od_zap_leaf,
    &od_zap_leaf_entry, &od_zap_leaf_array, &od_zap_leaf_free, &od_sa_hdr,
    &od_zfs_oldace, &od_zfs_ace_hdr, &od_zfs_acl, &od_znode, &od_zil_header,
    &od_zio_eck, &od_zil_chain, &od_lr, &od_lr_create, &od_lr_acl_create, &od_lr_remove,
    &od_lr_link, &od_lr_rename, &od_lr_rename_whiteout, &od_lr_write, &od_lr_truncate,
    &od_lr_setattr, &od_lr_acl_v0, &od_lr_acl, &od_lr_setsaxattr, &od_lr_clone_range,
    &od_lr_xvattr};

static void
every_table_covers_its_structure_exactly(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		const char *const bad = ondisk_table_check(all[i]);
		if (bad != NULL)
			fail_msg("%s: field %s", all[i]->ot_name, bad);
	}
}

static void
swapping_twice_changes_nothing(void **state)
{
	uint64_t seed = test_seed();

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		const size_t size = all[i]->ot_size;
		uint8_t *const was = malloc(size), *const now = malloc(size);

		test_fill(was, size, &seed);
		memcpy(now, was, size);
		ondisk_byteswap(all[i], now);
		ondisk_byteswap(all[i], now);
		assert_memory_equal(now, was, size);
		free(was);
		free(now);
	}
}

static void
decoding_and_encoding_are_inverse_in_both_orders(void **state)
{
	uint64_t seed = test_seed();

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		const size_t size = all[i]->ot_size;
		uint8_t *const disk = malloc(size), *const host = malloc(size),
			       *const again = malloc(size);

		for (int swap = 0; swap < 2; swap++) {
			test_fill(disk, size, &seed);
			assert_int_equal(
			    ondisk_decode(all[i], disk, size, swap != 0, host), 0);
			assert_int_equal(
			    ondisk_encode(all[i], host, again, size, swap != 0), 0);
			assert_memory_equal(again, disk, size);
		}
		assert_int_equal(
		    ondisk_decode(all[i], disk, size - 1, false, host), EINVAL);
		assert_int_equal(
		    ondisk_encode(all[i], host, again, size - 1, false), EINVAL);
		free(disk);
		free(host);
		free(again);
	}
}

static void
short_records_of_old_writers_are_filled_with_zeros(void **state)
{
	uint64_t disk[7] = {1, 2, 3, 4, 5, 6, 7};
	bpobj_phys_t bpo;

	assert_int_equal(ondisk_decode_short(&od_bpobj, disk, BPOBJ_SIZE_V1,
			     BPOBJ_SIZE_V0, false, &bpo),
	    0);
	assert_int_equal(bpo.bpo_uncomp, 4);
	assert_int_equal(bpo.bpo_subobjs, 0);
	assert_int_equal(bpo.bpo_num_freed, 0);
	assert_int_equal(
	    ondisk_bonus_get(&od_bpobj, disk, 8, BPOBJ_SIZE_V0, &bpo), EIO);
}

static void
numbers_are_read_at_any_address_and_in_any_order(void **state)
{
	const uint8_t bytes[9] = {0xff, 1, 2, 3, 4, 5, 6, 7, 8};
	uint8_t out[8];

	assert_true(ondisk_get64_be(bytes + 1) == 0x0102030405060708);
	assert_true(ondisk_get64_le(bytes + 1) == 0x0807060504030201);
	ondisk_put64_be(out, 0x0102030405060708);
	assert_memory_equal(out, bytes + 1, 8);
	ondisk_put64_le(out, 0x0807060504030201);
	assert_memory_equal(out, bytes + 1, 8);
}

static void
a_record_prints_its_fields_without_their_prefix(void **state)
{
	const dsl_deadlist_phys_t dl = {
	    .dl_used = 1536, .dl_comp = 1024, .dl_uncomp = 4096};
	char *text = NULL;
	size_t len;
	FILE *fp = open_memstream(&text, &len);

	ondisk_print(fp, &od_dsl_deadlist, &dl, 2);
	fclose(fp);
	assert_string_equal(
	    text, "\t\tused = 1536\n\t\tcomp = 1024\n\t\tuncomp = 4096\n");
	free(text);
}

static void
every_record_can_be_printed(void **state)
{
	uint64_t seed = test_seed();

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		void *const host = malloc(all[i]->ot_size);
		char *text = NULL;
		size_t len;
		FILE *fp = open_memstream(&text, &len);

		test_fill(host, all[i]->ot_size, &seed);
		ondisk_print(fp, all[i], host, 1);
		fclose(fp);
		assert_true(len > 0);
		free(text);
		free(host);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_table_covers_its_structure_exactly),
	    cmocka_unit_test(swapping_twice_changes_nothing),
	    cmocka_unit_test(decoding_and_encoding_are_inverse_in_both_orders),
	    cmocka_unit_test(short_records_of_old_writers_are_filled_with_zeros),
	    cmocka_unit_test(numbers_are_read_at_any_address_and_in_any_order),
	    cmocka_unit_test(a_record_prints_its_fields_without_their_prefix),
	    cmocka_unit_test(every_record_can_be_printed),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
