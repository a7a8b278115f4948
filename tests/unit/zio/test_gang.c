/*
 * Stories about gang blocks: blocks for which there is no room in one piece.
 */
#include <stdio.h>
#include "fake_spa.h"
#include "vdev/vdev_test.h"

#define DEVSIZE (128 * MIB)
#define DATA_START (4 * MIB)
#define KIB 1024ULL

static spa_t *
pool(uint64_t ashift)
{
	nvlist_t *a = helper_file_nv(helper_device("a", DEVSIZE)),
		 *b = helper_file_nv(helper_device("b", DEVSIZE));

	fnvlist_add_uint64(a, "ashift", ashift);
	fnvlist_add_uint64(b, "ashift", ashift);
	spa_t *spa = fake_spa_open(helper_node_nv("root", 2, a, b), true);
	spa->min_alloc = 1ULL << ashift;
	return (spa);
}

static void
pieces_come_together_again(void **state)
{
	static const struct {
		uint64_t ashift, size, max;
		int copies;
	} cases[] = {
	    {9, 128 * KIB, 64 * KIB, 1},
	    {9, 128 * KIB, 4 * KIB, 1},
	    {9, 16 * MIB, 512, 1},
	    {12, 8 * KIB, 4 * KIB, 1},
	    {12, 128 * KIB, 4 * KIB, 2},
	    {9, 1 * MIB, 8 * KIB, 3},
	    {9, 1024, 512, 1},
	};

	for (size_t c = 0; c < ARRAY_SIZE(cases); c++) {
		spa_t *spa = pool(cases[c].ashift);
		const uint64_t size = cases[c].size;
		zio_prop_t zp =
		    fake_prop(ZIO_COMPRESS_OFF, ZIO_CHECKSUM_SHA256, cases[c].copies);
		uint8_t *out = zio_buf_alloc(size), *in = zio_buf_alloc(size);
		blkptr_t bp = {0};

		helper_pattern(out, size, c);
		spa->max_alloc = MAX(cases[c].max, 1ULL << cases[c].ashift);
		fake_write(spa, 10, &bp, out, size, &zp);
		assert_true(BP_IS_GANG(&bp));
		assert_int_equal(BP_GET_PSIZE(&bp), size);
		/* What the pointer says it takes is what was taken; headers have a copy
		 * more. */
		assert_int_equal(BP_GET_ASIZE(&bp), spa->allocated);
		assert_int_equal(BP_GET_NDVAS(&bp), MIN(cases[c].copies + 1, 3));
		assert_int_equal(zio_blkptr_verify(spa, &bp), 0);
		assert_int_equal(fake_read(spa, &bp, in, size, 0), 0);
		assert_memory_equal(in, out, size);
		assert_int_equal(fake_read(spa, &bp, in, size, ZIO_FLAG_SCRUB), 0);
		/* Freeing frees all of it, once. */
		assert_int_equal(zio_free(spa, 11, &bp), 0);
		assert_int_equal(spa->allocated, 0);
		assert_true(avl_is_empty(&spa->ranges));
		/* An intent log block found at import is claimed the same way. */
		const uint64_t asize = BP_GET_ASIZE(&bp);
		assert_int_equal(zio_claim(spa, 12, &bp), 0);
		assert_int_equal(spa->allocated, asize);
		zio_buf_free(out, size);
		zio_buf_free(in, size);
		fake_spa_close(spa);
	}
}

/* format/01 §7.4: 8192 bytes in sectors of 4096 are pieces of 3072, 2560, 2560. */
static void
the_worked_example_of_the_format(void **state)
{
	spa_t *spa = pool(12);
	const zio_prop_t zp = fake_prop(ZIO_COMPRESS_OFF, ZIO_CHECKSUM_FLETCHER_4, 1);
	uint8_t *buf = zio_buf_alloc(8192), header[512];
	blkptr_t bp = {0}, member;
	static const uint64_t sizes[] = {3072, 2560, 2560};

	helper_pattern(buf, 8192, 1);
	spa->max_alloc = 4096;
	fake_write(spa, 10, &bp, buf, 8192, &zp);
	assert_int_equal(DVA_GET_ASIZE(&bp.blk_dva[0]), 16384);
	vdev_t *leaf = spa->root->vdev_child[DVA_GET_VDEV(&bp.blk_dva[0])];
	helper_peek(
	    leaf->vdev_path, DATA_START + DVA_GET_OFFSET(&bp.blk_dva[0]), header, 512);
	for (size_t g = 0; g < 3; g++) {
		assert_int_equal(
		    ondisk_decode(&od_blkptr, header + g * 128, 128, false, &member),
		    0);
		assert_int_equal(BP_GET_PSIZE(&member), sizes[g]);
		assert_int_equal(BP_GET_LSIZE(&member), sizes[g]);
		assert_int_equal(BP_GET_TYPE(&member), DMU_OT_NONE);
		assert_int_equal(BP_GET_CHECKSUM(&member), ZIO_CHECKSUM_FLETCHER_4);
		assert_int_equal(BP_GET_COMPRESS(&member), ZIO_COMPRESS_OFF);
		assert_int_equal(member.blk_fill, 0);
		assert_int_equal(BP_GET_NDVAS(&member), 1);
		assert_int_equal(BP_GET_LOGICAL_BIRTH(&member), 10);
	}
	zio_buf_free(buf, 8192);
	fake_spa_close(spa);
}

static void
compressed_gangs(void **state)
{
	spa_t *spa = pool(9);
	const zio_prop_t zp = fake_prop(ZIO_COMPRESS_LZ4, ZIO_CHECKSUM_FLETCHER_4, 1);
	uint8_t *out = kmem_zalloc(128 * KIB, KM_SLEEP), *in = zio_buf_alloc(128 * KIB);
	blkptr_t bp = {0};

	helper_pattern(out, 60 * KIB, 1);
	spa->max_alloc = 16 * KIB;
	fake_write(spa, 10, &bp, out, 128 * KIB, &zp);
	assert_true(BP_IS_GANG(&bp) && BP_GET_COMPRESS(&bp) == ZIO_COMPRESS_LZ4);
	assert_int_equal(fake_read(spa, &bp, in, 128 * KIB, 0), 0);
	assert_memory_equal(in, out, 128 * KIB);
	kmem_free(out, 128 * KIB);
	zio_buf_free(in, 128 * KIB);
	fake_spa_close(spa);
}

/* Wherever space ends in the middle of a tree, all of it is given back. */
static void
no_space_for_the_last_piece(void **state)
{
	const uint64_t size = 64 * KIB;
	uint8_t *out = zio_buf_alloc(size), *in = zio_buf_alloc(size);
	bool done = false;

	helper_pattern(out, size, 1);
	for (int n = 0; !done; n++) {
		spa_t *spa = pool(9);
		const zio_prop_t zp =
		    fake_prop(ZIO_COMPRESS_OFF, ZIO_CHECKSUM_FLETCHER_4, 2);
		blkptr_t bp = {0};

		assert_true(n < 200);
		spa->max_alloc = 4 * KIB;
		spa->fail_after = n;
		const int error =
		    zio_wait(zio_write(NULL, spa, 10, &bp, out, size, &zp, NULL, NULL,
			NULL, ZIO_PRIORITY_ASYNC_WRITE, ZIO_FLAG_CANFAIL, NULL));
		if (error != 0) {
			assert_int_equal(error, ENOSPC);
			assert_true(BP_IS_HOLE(&bp));
			assert_int_equal(spa->allocated, 0);
			/* The same without leave to fail: it waits, then succeeds as a
			 * whole. */
			zio_t *root = zio_root(spa, NULL, NULL, 0);
			spa->fail_after = n;
			zio_nowait(zio_write(root, spa, 10, &bp, out, size, &zp, NULL,
			    NULL, NULL, ZIO_PRIORITY_ASYNC_WRITE, 0, NULL));
			fake_spa_wait_suspended(spa, 1);
			assert_int_equal(spa->allocated, 0);
			spa->fail_after = -1;
			fake_spa_resume(spa);
			assert_int_equal(zio_wait(root), 0);
		} else {
			done = true;
		}
		assert_int_equal(BP_GET_ASIZE(&bp), spa->allocated);
		assert_int_equal(fake_read(spa, &bp, in, size, 0), 0);
		assert_memory_equal(in, out, size);
		fake_spa_close(spa);
	}
	zio_buf_free(out, size);
	zio_buf_free(in, size);
}

static void
a_lost_header_is_replaced_by_its_copy(void **state)
{
	spa_t *spa = pool(9);
	const zio_prop_t zp = fake_prop(ZIO_COMPRESS_OFF, ZIO_CHECKSUM_FLETCHER_4, 1);
	uint8_t *out = zio_buf_alloc(64 * KIB), *in = zio_buf_alloc(64 * KIB);
	blkptr_t bp = {0};

	helper_pattern(out, 64 * KIB, 1);
	spa->max_alloc = 32 * KIB;
	fake_write(spa, 10, &bp, out, 64 * KIB, &zp);
	vdev_t *leaf = spa->root->vdev_child[DVA_GET_VDEV(&bp.blk_dva[0])];
	const uint64_t at = DATA_START + DVA_GET_OFFSET(&bp.blk_dva[0]);
	uint8_t before[512], after[512];
	helper_peek(leaf->vdev_path, at, before, 512);
	helper_noise(leaf->vdev_path, at, 512, 1);
	assert_int_equal(fake_read(spa, &bp, in, 64 * KIB, 0), 0);
	assert_memory_equal(in, out, 64 * KIB);
	helper_peek(leaf->vdev_path, at, after, 512);
	assert_memory_equal(before, after, 512);

	/* Both gone: the block is lost, and its space stays: nobody knows what it was.
	 */
	helper_noise(leaf->vdev_path, at, 512, 1);
	leaf = spa->root->vdev_child[DVA_GET_VDEV(&bp.blk_dva[1])];
	helper_noise(
	    leaf->vdev_path, DATA_START + DVA_GET_OFFSET(&bp.blk_dva[1]), 512, 1);
	assert_int_equal(fake_read(spa, &bp, in, 64 * KIB, 0), ECKSUM);
	assert_int_equal(spa->data_errors, 1);
	const uint64_t allocated = spa->allocated;
	assert_int_equal(zio_free(spa, 11, &bp), ECKSUM);
	assert_int_equal(spa->allocated, allocated);
	zio_buf_free(out, 64 * KIB);
	zio_buf_free(in, 64 * KIB);
	fake_spa_close(spa);
}

/* A header someone made: right checksum, wrong content. */
static void
hostile_headers(void **state)
{
	enum { MINE, SELF, TOO_MUCH, TOO_LITTLE, EMBEDDED, CASES };
	spa_t *spa = pool(9);
	const zio_prop_t zp = fake_prop(ZIO_COMPRESS_OFF, ZIO_CHECKSUM_FLETCHER_4, 1);
	uint8_t *buf = zio_buf_alloc(8192), header[512];
	blkptr_t bp = {0}, member;

	helper_pattern(buf, 8192, 1);
	spa->max_alloc = 4096;
	fake_write(spa, 10, &bp, buf, 8192, &zp);
	/* One copy of the header is enough to play with. */
	memset(&bp.blk_dva[1], 0, sizeof(dva_t));
	vdev_t *leaf = spa->root->vdev_child[DVA_GET_VDEV(&bp.blk_dva[0])];
	const uint64_t at = DATA_START + DVA_GET_OFFSET(&bp.blk_dva[0]);
	helper_peek(leaf->vdev_path, at, header, 512);
	for (int c = MINE; c < CASES; c++) {
		uint8_t forged[512];
		memcpy(forged, header, 512);
		assert_int_equal(
		    ondisk_decode(&od_blkptr, header, 128, false, &member), 0);
		switch (c) {
		case SELF: /* a block that contains itself */
			member = bp;
			break;
		case TOO_MUCH:
			BP_SET_PSIZE(&member, 8192 - 512);
			break;
		case TOO_LITTLE:
			BP_SET_PSIZE(&member, 512);
			break;
		case EMBEDDED:
			encode_embedded_bp_compressed(
			    &member, "x", ZIO_COMPRESS_LZ4, 512, 1);
			break;
		}
		assert_int_equal(
		    ondisk_encode(&od_blkptr, &member, forged, 128, false), 0);
		const zio_cksum_t verifier = {{DVA_GET_VDEV(&bp.blk_dva[0]),
		    DVA_GET_OFFSET(&bp.blk_dva[0]), 10, 0}};
		zio_checksum_trailer_put(forged, 512, &verifier);
		const uint64_t vdev_offset = DVA_GET_OFFSET(&bp.blk_dva[0]);
		vdev_io_t vio;
		vdev_io_init(&vio, leaf, VIO_WRITE, vdev_offset, forged, 512,
		    ZIO_PRIORITY_SYNC_WRITE, 0);
		assert_int_equal(vdev_io_wait(&vio), 0);
		assert_int_equal(
		    fake_read(spa, &bp, buf, 8192, 0), c == MINE ? 0 : ECKSUM);
		if (c != MINE)
			assert_int_equal(zio_free(spa, 11, &bp), ECKSUM);
	}
	zio_buf_free(buf, 8192);
	fake_spa_close(spa);
}

static void
a_device_fails_under_a_gang(void **state)
{
	const uint64_t size = 64 * KIB;
	uint8_t *out = zio_buf_alloc(size), *in = zio_buf_alloc(size);

	helper_pattern(out, size, 1);
	for (uint64_t skip = 0; skip < 40; skip++) {
		spa_t *spa = pool(9);
		const zio_prop_t zp =
		    fake_prop(ZIO_COMPRESS_OFF, ZIO_CHECKSUM_FLETCHER_4, 1);
		const vdev_fault_t vf = {.vf_types = VF_TYPE(VIO_WRITE),
		    .vf_error = EIO,
		    .vf_skip = skip,
		    .vf_count = 1};
		blkptr_t bp = {0};

		spa->max_alloc = 4 * KIB;
		spa->resume = true; /* retry at once */
		vdev_fault_add(spa->root->vdev_child[0], &vf);
		fake_write(spa, 10, &bp, out, size, &zp);
		assert_int_equal(fake_read(spa, &bp, in, size, 0), 0);
		assert_memory_equal(in, out, size);
		assert_int_equal(BP_GET_ASIZE(&bp), spa->allocated);
		fake_spa_close(spa);
	}
	zio_buf_free(out, size);
	zio_buf_free(in, size);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(pieces_come_together_again),
	    cmocka_unit_test(the_worked_example_of_the_format),
	    cmocka_unit_test(compressed_gangs),
	    cmocka_unit_test(no_space_for_the_last_piece),
	    cmocka_unit_test(a_lost_header_is_replaced_by_its_copy),
	    cmocka_unit_test(hostile_headers),
	    cmocka_unit_test(a_device_fails_under_a_gang),
	};

	return (cmocka_run_group_tests(tests, fake_group_setup, fake_group_teardown));
}
