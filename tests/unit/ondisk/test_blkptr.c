/*
 * Block pointers: real ones decode to what zdb says, embedded data come out, limits
 * hold.
 */
#include "ondisk_test.h"

static blkptr_t
from_words(const uint64_t words[16])
{
	blkptr_t bp;

	assert_int_equal(ondisk_decode(&od_blkptr, words, sizeof(bp), false, &bp), 0);
	return (bp);
}

/* Words read from pools, and the line zdb printed for them. */
static const struct {
	uint64_t words[16];
	const char *text;
} real[] = {
    {{0x8, 0x8000000000002974, 0x100000008, 0x8000000000002435, 0x8, 0x800000000000807e,
	 0x80c4070f0006001f, 0, 0, 0, 0x20, 1, 0x7779097c05, 0xe3391411e102,
	 0x10b22e9a2df82bc, 0xea68a7459d28748c},
	"DVA[0]=<0:52e800:1000> DVA[1]=<1:486a00:1000> DVA[2]=<0:100fc00:1000> "
	"[L0 bswap metadata zap] fletcher4 lz4 unencrypted LE gang unique triple "
	"size=4000L/e00P birth=32L/32P fill=1 cksum=0000007779097c05:0000e3391411e102:"
	"010b22e9a2df82bc:ea68a7459d28748c"},
    {{0x8, 0x25b3, 0x8, 0x9f16, 0, 0, 0xa00b070200070007, 0, 0, 0, 0x2c, 0x78,
	 0x1c5c72ea5f, 0x4ebbe0c1424c, 0x732cd8599ba488, 0x7561eb81c93e5802},
	"DVA[0]=<0:4b6600:1000> DVA[1]=<0:13e2c00:1000> [L0 DMU objset] fletcher4 "
	"uncompressed authenticated LE contiguous unique double size=1000L/1000P "
	"birth=44L/44P fill=120 cksum=0000001c5c72ea5f:00004ebbe0c1424c:"
	"00732cd8599ba488:7561eb81c93e5802"},
    {{0x2, 0x259b, 0x2, 0x9efe, 0, 0, 0xa50a070f000100ff, 0, 0, 0, 0x2c, 0x78,
	 0x206d58645f887f, 0x8214d9153512f0e, 0x23e094aecc2f5e16, 0x379fb2e44bc2a89d},
	"DVA[0]=<0:4b3600:400> DVA[1]=<0:13dfc00:400> [L5 DMU dnode] fletcher4 lz4 "
	"indirect-MAC LE contiguous unique double size=20000L/400P birth=44L/44P "
	"fill=120 cksum=00206d58645f887f:08214d9153512f0e:23e094aecc2f5e16:"
	"379fb2e44bc2a89d"},
    {{0x20, 0x2549, 0x20, 0x9eac, 0x29f1c64d6bd5bcdc, 0xc8bb24105bcf637b,
	 0xa00a0702001f001f, 0, 0, 0, 0x2c, 0x98f163e900000014, 0xa6db43c364a5dfc1,
	 0x34b2637c21b2408e, 0xb46da3bc8b4e2ca8, 0xfe906503dbf36ec3},
	"DVA[0]=<0:4a9200:4000> DVA[1]=<0:13d5800:4000> salt=29f1c64d6bd5bcdc "
	"iv=c8bb24105bcf637b:98f163e9 [L0 DMU dnode] fletcher4 uncompressed encrypted "
	"LE contiguous unique double size=4000L/4000P birth=44L/44P fill=20 "
	"cksum=a6db43c364a5dfc1:34b2637c21b2408e:b46da3bc8b4e2ca8:fe906503dbf36ec3"},
    {{0, 0, 0, 0, 0, 0, 0x00050000000000ff, 0, 0, 0, 35, 0, 0, 0, 0, 0},
	"HOLE [L0 bpobj] size=20000L birth=35L"},
    {{0}, "HOLE [L0 unallocated] size=200L birth=0L"},
};

static void
real_pointers_print_as_zdb_prints_them(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(real); i++) {
		const blkptr_t bp = from_words(real[i].words);
		char text[BP_SPRINTF_LEN], cut[20];

		snprintf_blkptr(text, sizeof(text), &bp);
		assert_string_equal(text, real[i].text);
		assert_int_equal(blkptr_verify_static(&bp, NULL), 0);
		/* As snprintf: cut, terminated, and the full length returned. */
		assert_int_equal(
		    snprintf_blkptr(cut, sizeof(cut), &bp), strlen(real[i].text));
		assert_int_equal(strlen(cut), sizeof(cut) - 1);
		assert_memory_equal(cut, real[i].text, sizeof(cut) - 1);
		assert_int_equal(snprintf_blkptr(NULL, 0, &bp), strlen(real[i].text));
	}
}

static void
the_longest_pointer_fits_the_promised_buffer(void **state)
{
	uint64_t seed = test_seed();
	char text[BP_SPRINTF_LEN];
	blkptr_t bp;

	for (int i = 0; i < 20000; i++) {
		test_fill(&bp, sizeof(bp), &seed);
		assert_true(snprintf_blkptr(text, sizeof(text), &bp) < BP_SPRINTF_LEN);
	}
	memset(&bp, 0xff, sizeof(bp));
	BP_SET_EMBEDDED(&bp, false);
	BP_SET_TYPE(&bp, DMU_OT_USERGROUP_QUOTA);
	BP_SET_LEVEL(&bp, 0);
	assert_true(snprintf_blkptr(text, sizeof(text), &bp) < BP_SPRINTF_LEN);
}

static void
gang_pointer_fields(void **state)
{
	const blkptr_t bp = from_words(real[0].words);

	assert_true(BP_IS_GANG(&bp));
	assert_int_equal(BP_COUNT_GANG(&bp), 3);
	assert_int_equal(BP_GET_NDVAS(&bp), 3);
	assert_int_equal(BP_GET_ASIZE(&bp), 3 * 0x1000);
	assert_int_equal(DVA_GET_VDEV(&bp.blk_dva[1]), 1);
	assert_int_equal(BP_GET_UCSIZE(&bp), 0xe00); /* metadata: as stored */
}

static void
encrypted_pointer_fields(void **state)
{
	blkptr_t bp = from_words(real[3].words);

	assert_true(BP_IS_ENCRYPTED(&bp));
	assert_false(BP_IS_AUTHENTICATED(&bp));
	/* Words 4 and 5 look like a DVA and are none. */
	assert_int_equal(BP_GET_NDVAS(&bp), 2);
	assert_int_equal(BP_GET_ASIZE(&bp), 2 * 0x4000);
	assert_int_equal(BP_GET_FILL(&bp), 20);
	BP_SET_FILL(&bp, 21);
	assert_int_equal(BP_GET_FILL(&bp), 21);
	assert_int_equal(BP_GET_IV2(&bp), 0x98f163e9);
}

/* format/01 §6.5: an object of type 13 embedded in its pointer. */
static void
the_specifications_embedded_pointer_decodes(void **state)
{
	static const uint8_t disk[128] = {0x00, 0x00, 0x00, 0x17, 0x21, 0x03, 0x00,
	    0x01, 0x00, 0x41, 0x80, 0x39, 0x00, 0x01, 0x09, 0x00, 0x0f, 0x02, 0x00,
	    0xff, 0xd9, 0x50, [48] = 0xff, 0x01, 0x00, 0x34, 0x8f, 0x00, 0x0d,
	    0x80, [80] = 0x06};
	static const uint8_t want[16] = {3, 0, 0, 0, 0, 0, 0, 0x80, 0x39, 0, 1};
	uint8_t data[512], payload[BPE_PAYLOAD_SIZE];
	char text[BP_SPRINTF_LEN];
	blkptr_t bp, again;

	assert_int_equal(
	    ondisk_decode(&od_blkptr, disk, sizeof(disk), ZFS_HOST_BYTEORDER == 0, &bp),
	    0);
	snprintf_blkptr(text, sizeof(text), &bp);
	assert_string_equal(text,
	    "EMBEDDED [L0 DSL directory child map] et=0 lz4 size=200L/1bP birth=6L");
	assert_int_equal(BP_GET_PSIZE(&bp), 0);
	assert_int_equal(BP_GET_LSIZE(&bp), 512);
	assert_int_equal(BP_GET_NDVAS(&bp), 0);
	assert_int_equal(BP_GET_FILL(&bp), 1);
	assert_int_equal(BP_GET_CHECKSUM(&bp), ZIO_CHECKSUM_OFF);
	assert_int_equal(BP_GET_PHYSICAL_BIRTH(&bp), 0);
	assert_false(BP_IS_HOLE(&bp));
	assert_false(BP_IS_GANG(&bp));

	assert_int_equal(decode_embedded_bp(&bp, data, sizeof(data)), 0);
	assert_memory_equal(data, want, sizeof(want));
	for (size_t i = sizeof(want); i < sizeof(data); i++)
		assert_int_equal(data[i], 0);
	assert_int_equal(decode_embedded_bp(&bp, data, 256), EIO);

	/* And back into the same pointer. */
	assert_int_equal(decode_embedded_bp_compressed(&bp, payload), 27);
	encode_embedded_bp_compressed(&again, payload, ZIO_COMPRESS_LZ4, 512, 27);
	BP_SET_TYPE(&again, DMU_OT_DSL_DIR_CHILD_MAP);
	BP_SET_LEVEL(&again, 0);
	BP_SET_BIRTH(&again, 6, 0);
	assert_memory_equal(&again, &bp, sizeof(bp));
}

static void
embedded_payloads_of_every_size_survive(void **state)
{
	uint64_t seed = test_seed();
	uint8_t in[BPE_PAYLOAD_SIZE], out[BPE_PAYLOAD_SIZE];
	blkptr_t bp;

	for (size_t n = 1; n <= BPE_PAYLOAD_SIZE; n++) {
		test_fill(in, n, &seed);
		encode_embedded_bp_compressed(&bp, in, ZIO_COMPRESS_OFF, n, n);
		/* Births and fill counts share words with the payload of other sizes.
		 */
		BP_SET_BIRTH(&bp, UINT64_MAX, 5);
		BP_SET_FILL(&bp, 1);
		assert_int_equal(blkptr_verify_static(&bp, NULL), 0);
		assert_int_equal(decode_embedded_bp_compressed(&bp, out), n);
		assert_memory_equal(out, in, n);
		assert_int_equal(decode_embedded_bp(&bp, out, n), 0);
		assert_memory_equal(out, in, n);
	}
	/* Stored uncompressed under another size it is damaged. */
	encode_embedded_bp_compressed(&bp, in, ZIO_COMPRESS_OFF, 512, 100);
	assert_int_equal(decode_embedded_bp(&bp, in, 512), EIO);
}

static void
holes_carry_what_the_format_wants(void **state)
{
	static const uint64_t want[16] = {[6] = 0x01c30000000000ff, [10] = 0x236};
	blkptr_t bp;

	BP_SET_HOLE(&bp, 0x20000, DMU_OTN_UINT64_METADATA, 1, 0x236);
	assert_memory_equal(&bp, want, sizeof(want));
	assert_true(BP_IS_HOLE(&bp));
	BP_SET_HOLE(&bp, 0x20000, DMU_OTN_UINT64_METADATA, 1, 0);
	for (size_t i = 0; i < sizeof(bp); i++)
		assert_int_equal(((uint8_t *)&bp)[i], 0);
}

static void
redacted_pointers_hold_a_size_and_no_data(void **state)
{
	char text[BP_SPRINTF_LEN];
	uint8_t buf[BPE_PAYLOAD_SIZE];
	blkptr_t bp;

	BP_SET_REDACTED(&bp, DMU_OT_PLAIN_FILE_CONTENTS, 0, 131072, 99);
	assert_true(BP_IS_REDACTED(&bp));
	assert_int_equal(BP_GET_LSIZE(&bp), 131072);
	assert_int_equal(BP_GET_ASIZE(&bp), 0);
	assert_int_equal(decode_embedded_bp_compressed(&bp, buf), 0);
	assert_int_equal(blkptr_verify_static(&bp, NULL), 0);
	snprintf_blkptr(text, sizeof(text), &bp);
	assert_string_equal(text, "REDACTED [L0 ZFS plain file] size=20000L birth=99L");
}

static void
births_of_copied_cloned_and_rewritten_blocks(void **state)
{
	blkptr_t bp;

	BP_ZERO(&bp);
	BP_SET_BIRTH(&bp, 10, 10);
	assert_int_equal(bp.blk_phys_birth, 0);
	assert_int_equal(BP_GET_PHYSICAL_BIRTH(&bp), 10);
	BP_SET_BIRTH(&bp, 12, 10); /* cloned: content is older */
	assert_int_equal(bp.blk_phys_birth, 10);
	assert_int_equal(BP_GET_LOGICAL_BIRTH(&bp), 12);
	assert_int_equal(BP_GET_BIRTH(&bp), 12);
	BP_SET_BIRTH(&bp, 12, 20);
	bp.blk_prop2 = 1ULL << 63; /* rewritten */
	assert_int_equal(BP_GET_BIRTH(&bp), 20);
}

static void
impossible_pointers_are_named(void **state)
{
	const blkptr_t good = from_words(real[0].words);
	const char *why = NULL;
	blkptr_t bp;

	assert_int_equal(blkptr_verify_static(&good, &why), 0);
	assert_null(why);

	bp = good;
	BP_SET_TYPE(&bp, DMU_OT_NUMTYPES);
	assert_int_equal(blkptr_verify_static(&bp, &why), ECKSUM);
	assert_string_equal(why, "invalid TYPE");
	BP_SET_TYPE(&bp, 0x80 | DMU_BSWAP_NUMFUNCS);
	assert_int_equal(blkptr_verify_static(&bp, NULL), ECKSUM);

	bp = good;
	BP_SET_COMPRESS(&bp, ZIO_COMPRESS_FUNCTIONS);
	assert_int_equal(blkptr_verify_static(&bp, &why), ECKSUM);
	assert_string_equal(why, "invalid COMPRESS");

	bp = good;
	BP_SET_CHECKSUM(&bp, ZIO_CHECKSUM_FUNCTIONS);
	assert_int_equal(blkptr_verify_static(&bp, &why), ECKSUM);
	assert_string_equal(why, "invalid CHECKSUM");

	bp = good;
	BP_SET_LSIZE(&bp, SPA_MAXBLOCKSIZE);
	assert_int_equal(blkptr_verify_static(&bp, NULL), 0);
	BP_SET_LSIZE(&bp, SPA_MAXBLOCKSIZE + 512);
	assert_int_equal(blkptr_verify_static(&bp, &why), ECKSUM);
	assert_string_equal(why, "invalid LSIZE");

	bp = good;
	BP_SET_PSIZE(&bp, SPA_MAXBLOCKSIZE + 512);
	assert_int_equal(blkptr_verify_static(&bp, &why), ECKSUM);
	assert_string_equal(why, "invalid PSIZE");

	bp = good;
	DVA_SET_ASIZE(&bp.blk_dva[0], 0);
	assert_int_equal(blkptr_verify_static(&bp, NULL), ECKSUM);

	BP_SET_REDACTED(&bp, DMU_OT_PLAIN_FILE_CONTENTS, 0, 512, 1);
	BPE_SET_ETYPE(&bp, 3);
	assert_int_equal(blkptr_verify_static(&bp, &why), ECKSUM);
	assert_string_equal(why, "invalid ETYPE");
	BPE_SET_ETYPE(&bp, BP_EMBEDDED_TYPE_DATA);
	BPE_SET_PSIZE(&bp, 113);
	assert_int_equal(blkptr_verify_static(&bp, NULL), ECKSUM);
}

static void
setters_reach_their_bits_and_no_others(void **state)
{
	blkptr_t bp;

	memset(&bp, 0xff, sizeof(bp));
	BP_SET_LSIZE(&bp, 512);
	BP_SET_PSIZE(&bp, 512);
	BP_SET_COMPRESS(&bp, ZIO_COMPRESS_INHERIT);
	BP_SET_EMBEDDED(&bp, false);
	BP_SET_CHECKSUM(&bp, ZIO_CHECKSUM_INHERIT);
	BP_SET_TYPE(&bp, 0);
	BP_SET_LEVEL(&bp, 0);
	BP_SET_CRYPT(&bp, false);
	BP_SET_DEDUP(&bp, false);
	BP_SET_BYTEORDER(&bp, 0);
	assert_true(bp.blk_prop == 0);
	BP_SET_LEVEL(&bp, 31);
	assert_true(bp.blk_prop == 0x1f00000000000000);
	DVA_SET_ASIZE(&bp.blk_dva[0], 0);
	DVA_SET_VDEV(&bp.blk_dva[0], 0);
	assert_true(bp.blk_dva[0].dva_word[0] == 0xff000000ff000000);
	DVA_SET_OFFSET(&bp.blk_dva[0], 0);
	assert_true(bp.blk_dva[0].dva_word[1] == 1ULL << 63);
	DVA_SET_GANG(&bp.blk_dva[0], false);
	assert_true(bp.blk_dva[0].dva_word[1] == 0);
}

static void
object_types_have_names_and_classes(void **state)
{
	assert_string_equal(dmu_ot_name(DMU_OT_PLAIN_FILE_CONTENTS), "ZFS plain file");
	assert_string_equal(dmu_ot_name(DMU_OTN_ZAP_METADATA), "zap");
	assert_string_equal(dmu_ot_name(54), "unknown");
	assert_int_equal(DMU_OTN_UINT64_METADATA, 0xc3);
	assert_int_equal(DMU_OTN_ZAP_ENC_METADATA, 0xe4);
	assert_true(
	    DMU_OT_IS_VALID(53) && !DMU_OT_IS_VALID(54) && !DMU_OT_IS_VALID(127));
	assert_true(
	    DMU_OT_IS_VALID(0x80) && !DMU_OT_IS_VALID(0x8a) && DMU_OT_IS_VALID(0xe9));
	assert_false(DMU_OT_IS_VALID(256));
	assert_int_equal(DMU_OT_BYTESWAP(DMU_OT_OBJSET), DMU_BSWAP_OBJSET);
	assert_int_equal(DMU_OT_BYTESWAP(0xc2), DMU_BSWAP_UINT32);
	assert_int_equal(DMU_OT_BYTESWAP(99), DMU_BSWAP_UINT8);
	assert_true(DMU_OT_IS_METADATA(DMU_OT_SA) && !DMU_OT_IS_METADATA(DMU_OT_ZVOL));
	assert_true(
	    DMU_OT_IS_ENCRYPTED(DMU_OT_ZVOL) && !DMU_OT_IS_ENCRYPTED(DMU_OT_OBJSET));
	for (uint64_t ot = 0; ot < DMU_OT_NUMTYPES; ot++)
		assert_non_null(dmu_ot[ot].ot_name);
}

static void
an_indirect_block_gives_no_pointer_beyond_its_end(void **state)
{
	blkptr_t *block = calloc(8, sizeof(blkptr_t));

	assert_ptr_equal(indirect_block_bp(block, 8 * sizeof(blkptr_t), 7), block + 7);
	assert_null(indirect_block_bp(block, 8 * sizeof(blkptr_t), 8));
	assert_null(indirect_block_bp(block, 8 * sizeof(blkptr_t) - 1, 7));
	assert_null(indirect_block_bp_const(block, 1024, UINT64_MAX));
	free(block);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(real_pointers_print_as_zdb_prints_them),
	    cmocka_unit_test(the_longest_pointer_fits_the_promised_buffer),
	    cmocka_unit_test(gang_pointer_fields),
	    cmocka_unit_test(encrypted_pointer_fields),
	    cmocka_unit_test(the_specifications_embedded_pointer_decodes),
	    cmocka_unit_test(embedded_payloads_of_every_size_survive),
	    cmocka_unit_test(holes_carry_what_the_format_wants),
	    cmocka_unit_test(redacted_pointers_hold_a_size_and_no_data),
	    cmocka_unit_test(births_of_copied_cloned_and_rewritten_blocks),
	    cmocka_unit_test(impossible_pointers_are_named),
	    cmocka_unit_test(setters_reach_their_bits_and_no_others),
	    cmocka_unit_test(object_types_have_names_and_classes),
	    cmocka_unit_test(an_indirect_block_gives_no_pointer_beyond_its_end),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
