/*
 * Labels: geometry, a real ring slot, the order of uberblocks, heartbeats, boot
 * environment.
 */
#include "ondisk_test.h"

#define SAMPLE_OFFSET (0x20000 + 59 * 1024) /* slot 59 of L0 */

static void
the_four_labels_are_where_the_format_puts_them(void **state)
{
	const uint64_t psize = 134217728 + 1000; /* not a multiple of a label */

	assert_int_equal(vdev_label_offset(psize, 0, 0), 0);
	assert_int_equal(vdev_label_offset(psize, 1, 0x4000), 0x44000);
	assert_int_equal(vdev_label_offset(psize, 2, 0), 134217728 - 0x80000);
	assert_int_equal(vdev_label_offset(psize, 3, 0x20000), 134217728 - 0x20000);
	assert_int_equal(vdev_leaf_asize(psize), 129499136);
	assert_int_equal(vdev_leaf_asize(4 << 20), 0);
	assert_int_equal(vdev_label_number(psize, 0x7ffff), 1);
	assert_int_equal(vdev_label_number(psize, 0x80000), -1);
	assert_int_equal(vdev_label_number(psize, 134217728 - 1), 3);
	assert_int_equal(vdev_label_number(psize, 134217728), -1);
	assert_int_equal(VDEV_PHYS_NVLIST_SIZE, 114648);
}

static void
the_ring_follows_the_sector_size(void **state)
{
	static const struct {
		uint64_t ashift, size;
		unsigned count;
	} want[] = {{9, 1024, 128}, {10, 1024, 128}, {11, 2048, 64}, {12, 4096, 32},
	    {13, 8192, 16}, {16, 8192, 16}};
	uberblock_t ub = {.ub_txg = 520};

	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		assert_int_equal(vdev_uberblock_size(want[i].ashift), want[i].size);
		assert_int_equal(vdev_uberblock_count(want[i].ashift), want[i].count);
	}
	assert_int_equal(uberblock_slot(&ub, 9, false), 8);
	assert_int_equal(uberblock_slot(&ub, 9, true), 520 % 127);
	RRSS_SET(&ub, 0x1234 * 512, RRSS_SCRATCH_VALID);
	assert_true(ub.ub_raidz_reflow_info == 0x0080000000001234);
	assert_int_equal(uberblock_slot(&ub, 9, false), 7);
	assert_int_equal(RRSS_GET_OFFSET(&ub), 0x1234 * 512);
}

static void
a_real_uberblock_decodes_and_encodes_unchanged(void **state)
{
	static const char want[] = "\tmagic = 0000000000bab10c\n"
				   "\tversion = 5000\n"
				   "\ttxg = 59\n"
				   "\tguid_sum = 6991275266595044368\n";
	size_t size, len;
	uint8_t *slot = test_sample("uberblock.bin", &size);
	uint8_t *again = malloc(size);
	char bp[BP_SPRINTF_LEN], *text = NULL;
	bool swapped = true;
	uberblock_t ub;
	FILE *fp;

	assert_int_equal(uberblock_decode(slot, size, SAMPLE_OFFSET, &ub, &swapped), 0);
	assert_false(swapped);
	snprintf_blkptr(bp, sizeof(bp), &ub.ub_rootbp);
	assert_string_equal(bp,
	    "DVA[0]=<0:300f400:200> DVA[1]=<0:400f400:200> DVA[2]=<0:500f400:200> "
	    "[L0 DMU objset] fletcher4 lz4 unencrypted LE contiguous unique triple "
	    "size=1000L/200P birth=59L/59P fill=60 "
	    "cksum=00000008aba2c3f8:000003857bb9c52c:"
	    "0000ba421eaee897:001a1c8d6af42a5a");
	fp = open_memstream(&text, &len);
	uberblock_print(fp, &ub, "\t");
	fclose(fp);
	assert_memory_equal(text, want, sizeof(want) - 1);
	assert_non_null(strstr(text, "\tmmp_valid = 0\n\tcheckpoint_txg = 0\n"
				     "\traidz_reflow state=0 off=0\n"));
	free(text);

	uberblock_encode(&ub, again, size, SAMPLE_OFFSET);
	assert_memory_equal(again, slot, size);
	free(slot);
	free(again);
}

static void
a_slot_is_valid_only_in_its_place_and_whole(void **state)
{
	size_t size;
	uint8_t *slot = test_sample("uberblock.bin", &size);
	uberblock_t ub;

	assert_int_equal(
	    uberblock_decode(slot, size, SAMPLE_OFFSET + 1024, &ub, NULL), ECKSUM);
	for (size_t i = 0; i < size; i += 7) {
		slot[i] ^= 0x10;
		assert_int_equal(
		    uberblock_decode(slot, size, SAMPLE_OFFSET, &ub, NULL), ECKSUM);
		slot[i] ^= 0x10;
	}
	assert_int_equal(uberblock_decode(slot, 512, SAMPLE_OFFSET, &ub, NULL), EINVAL);
	/* A right trailer around something else. */
	slot[0] ^= 1;
	label_region_seal(slot, size, SAMPLE_OFFSET);
	assert_int_equal(
	    uberblock_decode(slot, size, SAMPLE_OFFSET, &ub, NULL), EINVAL);
	free(slot);
}

/* What a host of the other order would have written (format/01 §5.2). */
static void
an_uberblock_of_the_other_byte_order_is_the_same_uberblock(void **state)
{
	size_t size;
	uint8_t *slot = test_sample("uberblock.bin", &size);
	uberblock_t want, ub;
	bool swapped = false;

	assert_int_equal(uberblock_decode(slot, size, SAMPLE_OFFSET, &want, NULL), 0);
	ondisk_byteswap_u64(slot, UBERBLOCK_PHYS_SIZE);
	label_region_seal(slot, size, SAMPLE_OFFSET);
	assert_int_equal(uberblock_decode(slot, size, SAMPLE_OFFSET, &ub, &swapped), 0);
	assert_true(swapped);
	assert_memory_equal(&ub, &want, sizeof(ub));
	free(slot);
}

static void
the_template_ring_has_no_valid_slot(void **state)
{
	uint8_t *ring = malloc(VDEV_UBERBLOCK_RING_SIZE);
	uberblock_t ub = {.ub_magic = UBERBLOCK_MAGIC, .ub_txg = 77}, out;

	uberblock_ring_init(&ub, ring, VDEV_UBERBLOCK_RING_OFFSET);
	for (unsigned n = 0; n < 128; n++)
		assert_int_not_equal(uberblock_decode(ring + n * 1024, 1024,
					 vdev_uberblock_offset(9, n), &out, NULL),
		    0);
	assert_int_equal(uberblock_decode(ring, VDEV_UBERBLOCK_RING_SIZE,
			     VDEV_UBERBLOCK_RING_OFFSET, &out, NULL),
	    0);
	assert_int_equal(out.ub_txg, 0);
	free(ring);
}

static void
the_best_uberblock_is_the_newest(void **state)
{
	uberblock_t a = {
	    .ub_magic = UBERBLOCK_MAGIC, .ub_txg = 10, .ub_timestamp = 100};
	uberblock_t b = a;

	assert_int_equal(uberblock_compare(&a, &b), 0);
	b.ub_txg = 11;
	b.ub_timestamp = 1;
	assert_true(uberblock_compare(&a, &b) < 0);
	b.ub_txg = 10;
	b.ub_timestamp = 101;
	assert_true(uberblock_compare(&b, &a) > 0);
	b.ub_timestamp = 100;
	b.ub_mmp_config = mmp_config_make(1000, 3, 10);
	assert_int_equal(uberblock_compare(&a, &b), 0); /* no magic: no sequence */
	b.ub_mmp_magic = MMP_MAGIC;
	assert_true(uberblock_compare(&a, &b) < 0);
}

static void
heartbeat_numbers_need_their_valid_bits(void **state)
{
	uberblock_t ub = {.ub_magic = UBERBLOCK_MAGIC,
	    .ub_mmp_magic = MMP_MAGIC,
	    .ub_mmp_config = mmp_config_make(1000, 0, 10)};

	assert_true(ub.ub_mmp_config == 0x000a00000003e807); /* format/01 §5.3 */
	assert_int_equal(MMP_INTERVAL(&ub), 1000);
	assert_int_equal(MMP_FAIL_INT(&ub), 10);
	ub.ub_mmp_config = mmp_config_make(250, 65535, 0) & ~MMP_SEQ_VALID;
	assert_int_equal(MMP_SEQ(&ub), 0);
	ub.ub_mmp_config |= MMP_SEQ_VALID;
	assert_int_equal(MMP_SEQ(&ub), 65535);
}

static void
a_checkpoint_is_an_uberblock_in_words(void **state)
{
	uberblock_t ub = {.ub_magic = UBERBLOCK_MAGIC,
			.ub_txg = 9,
			.ub_checkpoint_txg = 9,
			.ub_raidz_reflow_info = 5},
		    back;
	uint64_t words[UBERBLOCK_WORDS];

	uberblock_to_words(&ub, words);
	assert_int_equal(uberblock_from_words(words, UBERBLOCK_WORDS, &back), 0);
	assert_memory_equal(&ub, &back, sizeof(ub));
	assert_int_equal(uberblock_from_words(words, 26, &back), 0);
	assert_int_equal(back.ub_raidz_reflow_info, 0);
	assert_int_equal(back.ub_checkpoint_txg, 9);
	assert_int_equal(uberblock_from_words(words, 20, &back), EIO);
}

/* format/01 §8.4: the trailer of every new pool's L0 bootenv. */
static void
an_empty_boot_environment_has_the_known_trailer(void **state)
{
	static const uint8_t want[32] = {0x3f, 0x2a, 0x6e, 0x7f, 0x80, 0x8f, 0xf4, 0x97,
	    0xfc, 0xce, 0xaa, 0x58, 0x16, 0x9f, 0x90, 0xaf, 0x8b, 0xb4, 0x6d, 0xff,
	    0x57, 0xea, 0xd1, 0xcb, 0xab, 0x5f, 0x46, 0x0d, 0xdb, 0x92, 0xc6, 0x6e};
	uint8_t *block = malloc(VDEV_BOOTENV_SIZE);
	const uint8_t *payload;
	uint64_t version;

	assert_int_equal(
	    bootenv_encode(VB_RAW, NULL, 0, block, VDEV_BOOTENV_OFFSET), 0);
	if (ZFS_HOST_BYTEORDER == 1)
		assert_memory_equal(block + VDEV_BOOTENV_SIZE - 32, want, sizeof(want));
	assert_int_equal(bootenv_encode(VB_NVLIST, "abc", 3, block, 0x42000), 0);
	assert_int_equal(label_region_verify(block, VDEV_BOOTENV_SIZE, 0x42000), 0);
	assert_int_equal(label_region_verify(block, VDEV_BOOTENV_SIZE, 0x2000), ECKSUM);
	assert_int_equal(
	    bootenv_decode(block, VDEV_BOOTENV_SIZE, &version, &payload), 0);
	assert_int_equal(version, VB_NVLIST);
	assert_memory_equal(payload, "abc", 4);
	assert_int_equal(block[7], 1); /* big endian */
	assert_int_equal(
	    bootenv_encode(VB_RAW, NULL, VDEV_BOOTENV_PAYLOAD_SIZE + 1, block, 0),
	    E2BIG);
	free(block);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_four_labels_are_where_the_format_puts_them),
	    cmocka_unit_test(the_ring_follows_the_sector_size),
	    cmocka_unit_test(a_real_uberblock_decodes_and_encodes_unchanged),
	    cmocka_unit_test(a_slot_is_valid_only_in_its_place_and_whole),
	    cmocka_unit_test(
		an_uberblock_of_the_other_byte_order_is_the_same_uberblock),
	    cmocka_unit_test(the_template_ring_has_no_valid_slot),
	    cmocka_unit_test(the_best_uberblock_is_the_newest),
	    cmocka_unit_test(heartbeat_numbers_need_their_valid_bits),
	    cmocka_unit_test(a_checkpoint_is_an_uberblock_in_words),
	    cmocka_unit_test(an_empty_boot_environment_has_the_known_trailer),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
