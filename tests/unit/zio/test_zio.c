/*
 * Stories about blocks: what is written comes back, wherever it went, and whatever
 * happens to the devices.
 */
#include <stdio.h>
#include <stdlib.h>
#include "fake_spa.h"
#include "vdev/vdev_test.h"

#define DEVSIZE (128 * MIB)
#define DATA_START (4 * MIB)
#define KIB 1024ULL

static spa_t *
one_disk(void)
{
	return (fake_spa_open(
	    helper_node_nv("root", 1, helper_file_nv(helper_device("a", DEVSIZE))),
	    true));
}

static spa_t *
two_mirrors(void)
{
	return (fake_spa_open(helper_node_nv("root", 2,
				  helper_node_nv("mirror", 2,
				      helper_file_nv(helper_device("a0", DEVSIZE)),
				      helper_file_nv(helper_device("a1", DEVSIZE))),
				  helper_node_nv("mirror", 2,
				      helper_file_nv(helper_device("b0", DEVSIZE)),
				      helper_file_nv(helper_device("b1", DEVSIZE)))),
	    true));
}

/* Half text, half noise: compresses to something between nothing and everything. */
static void
mixed_data(void *buf, size_t size, uint64_t seed)
{
	memset(buf, 'x', size);
	for (size_t i = 0; i < size; i += 1024)
		helper_pattern((uint8_t *)buf + i, MIN(size - i, 256), seed + i);
}

static void
every_compression_with_every_checksum(void **state)
{
	static const enum zio_compress comp[] = {ZIO_COMPRESS_OFF, ZIO_COMPRESS_LZJB,
	    ZIO_COMPRESS_GZIP_1, ZIO_COMPRESS_GZIP_9, ZIO_COMPRESS_ZLE,
	    ZIO_COMPRESS_LZ4, ZIO_COMPRESS_ZSTD};
	static const enum zio_checksum sum[] = {ZIO_CHECKSUM_OFF,
	    ZIO_CHECKSUM_FLETCHER_2, ZIO_CHECKSUM_FLETCHER_4, ZIO_CHECKSUM_SHA256,
	    ZIO_CHECKSUM_NOPARITY, ZIO_CHECKSUM_SHA512, ZIO_CHECKSUM_SKEIN,
	    ZIO_CHECKSUM_EDONR, ZIO_CHECKSUM_BLAKE3};
	static const uint64_t sizes[] = {512, 4096, 128 * KIB, 1 * MIB};
	spa_t *spa = two_mirrors();

	for (size_t c = 0; c < ARRAY_SIZE(comp); c++) {
		for (size_t s = 0; s < ARRAY_SIZE(sum); s++) {
			const uint64_t size = sizes[(c + s) % ARRAY_SIZE(sizes)];
			uint8_t *out = zio_buf_alloc(size), *in = zio_buf_alloc(size);
			const zio_prop_t zp =
			    fake_prop(comp[c], sum[s], 1 + (int)(s % 3));
			blkptr_t bp = {0};

			mixed_data(out, size, c * 100 + s);
			fake_write(spa, 10, &bp, out, size, &zp);
			assert_int_equal(BP_GET_LSIZE(&bp), size);
			assert_int_equal(BP_GET_NDVAS(&bp), 1 + (int)(s % 3));
			assert_int_equal(BP_GET_CHECKSUM(&bp), sum[s]);
			assert_int_equal(BP_GET_LOGICAL_BIRTH(&bp), 10);
			if (size >= 4096 && comp[c] != ZIO_COMPRESS_OFF &&
			    comp[c] != ZIO_COMPRESS_ZLE)
				assert_true(BP_GET_PSIZE(&bp) < size);
			assert_int_equal(fake_read(spa, &bp, in, size, 0), 0);
			assert_memory_equal(in, out, size);
			zio_buf_free(out, size);
			zio_buf_free(in, size);
		}
	}
	fake_spa_close(spa);
}

static void
incompressible_data_is_stored_as_it_is(void **state)
{
	spa_t *spa = one_disk();
	const zio_prop_t zp = fake_prop(ZIO_COMPRESS_LZ4, ZIO_CHECKSUM_FLETCHER_4, 1);
	uint8_t *out = zio_buf_alloc(16 * KIB), *in = zio_buf_alloc(16 * KIB);
	blkptr_t bp = {0};

	helper_pattern(out, 16 * KIB, 1);
	fake_write(spa, 10, &bp, out, 16 * KIB, &zp);
	assert_int_equal(BP_GET_COMPRESS(&bp), ZIO_COMPRESS_OFF);
	assert_int_equal(BP_GET_PSIZE(&bp), 16 * KIB);

	/* Less than an eighth saved is not worth it; with large sectors even more is
	 * not. */
	memset(out, 0, 1536);
	BP_ZERO(&bp);
	fake_write(spa, 10, &bp, out, 16 * KIB, &zp);
	assert_int_equal(BP_GET_COMPRESS(&bp), ZIO_COMPRESS_OFF);
	memset(out, 0, 3072);
	BP_ZERO(&bp);
	fake_write(spa, 10, &bp, out, 16 * KIB, &zp);
	assert_int_equal(BP_GET_COMPRESS(&bp), ZIO_COMPRESS_LZ4);
	spa->min_alloc = 4096;
	BP_ZERO(&bp);
	fake_write(spa, 10, &bp, out, 16 * KIB, &zp);
	assert_int_equal(BP_GET_COMPRESS(&bp), ZIO_COMPRESS_OFF);
	/* Raw reading gives what is on the device, padding included. */
	memset(out, 7, 16 * KIB);
	helper_pattern(out, 1000, 3);
	BP_ZERO(&bp);
	fake_write(spa, 10, &bp, out, 16 * KIB, &zp);
	assert_int_equal(BP_GET_PSIZE(&bp), 4096);
	assert_int_equal(fake_read(spa, &bp, in, 4096, ZIO_FLAG_RAW), 0);
	assert_int_equal(in[4095], 0);
	helper_peek(spa->root->vdev_child[0]->vdev_path,
	    DATA_START + DVA_GET_OFFSET(&bp.blk_dva[0]), out, 4096);
	assert_memory_equal(in, out, 4096);
	zio_buf_free(out, 16 * KIB);
	zio_buf_free(in, 16 * KIB);
	fake_spa_close(spa);
}

static void
zeros_become_holes(void **state)
{
	spa_t *spa = one_disk();
	zio_prop_t zp = fake_prop(ZIO_COMPRESS_LZ4, ZIO_CHECKSUM_FLETCHER_4, 1);
	uint8_t *zero = kmem_zalloc(8192, KM_SLEEP), *in = zio_buf_alloc(8192);
	const blkptr_t nothing = {0};
	blkptr_t bp = {0};

	/* Never written and still zero: no trace at all. */
	fake_write(spa, 10, &bp, zero, 8192, &zp);
	assert_memory_equal(&bp, &nothing, sizeof(bp));
	/* Something was there: the hole says since when. */
	memset(in, 1, 8192);
	fake_write(spa, 11, &bp, in, 8192, &zp);
	fake_write(spa, 12, &bp, zero, 8192, &zp);
	assert_true(BP_IS_HOLE(&bp));
	assert_int_equal(BP_GET_LOGICAL_BIRTH(&bp), 12);
	assert_int_equal(BP_GET_LSIZE(&bp), 8192);
	assert_int_equal(bp.blk_prop >> 63, 0);
	memset(in, 1, 8192);
	assert_int_equal(fake_read(spa, &bp, in, 8192, 0), 0);
	assert_memory_equal(in, zero, 8192);
	/* Without the feature it does not. Without compression zeros are data. */
	spa->hole_birth = false;
	fake_write(spa, 13, &bp, zero, 8192, &zp);
	assert_memory_equal(&bp, &nothing, sizeof(bp));
	zp.zp_compress = ZIO_COMPRESS_EMPTY;
	fake_write(spa, 13, &bp, zero, 8192, &zp);
	assert_memory_equal(&bp, &nothing, sizeof(bp));
	zp.zp_compress = ZIO_COMPRESS_OFF;
	fake_write(spa, 13, &bp, zero, 8192, &zp);
	assert_int_equal(BP_GET_PSIZE(&bp), 8192);
	kmem_free(zero, 8192);
	zio_buf_free(in, 8192);
	fake_spa_close(spa);
}

static void
tiny_data_lives_in_its_pointer(void **state)
{
	spa_t *spa = one_disk();
	zio_prop_t zp = fake_prop(ZIO_COMPRESS_LZ4, ZIO_CHECKSUM_FLETCHER_4, 1);
	uint8_t *out = kmem_zalloc(512, KM_SLEEP), in[512];
	blkptr_t bp = {0};

	memcpy(out, "a few bytes", 11);
	fake_write(spa, 10, &bp, out, 512, &zp);
	assert_true(BP_IS_EMBEDDED(&bp));
	assert_int_equal(spa->allocated, 0);
	assert_int_equal(BP_GET_LOGICAL_BIRTH(&bp), 10);
	assert_int_equal(BP_GET_TYPE(&bp), DMU_OT_PLAIN_FILE_CONTENTS);
	assert_int_equal(BP_GET_LSIZE(&bp), 512);
	assert_int_equal(fake_read(spa, &bp, in, 512, 0), 0);
	assert_memory_equal(in, out, 512);
	assert_int_equal(zio_free(spa, 11, &bp), 0);

	/* Dnodes and object sets never do, nor do pools without the feature. */
	zp.zp_type = DMU_OT_DNODE;
	BP_ZERO(&bp);
	fake_write(spa, 10, &bp, out, 512, &zp);
	assert_false(BP_IS_EMBEDDED(&bp));
	zp.zp_type = DMU_OT_PLAIN_FILE_CONTENTS;
	spa->embedded = false;
	BP_ZERO(&bp);
	fake_write(spa, 10, &bp, out, 512, &zp);
	assert_false(BP_IS_EMBEDDED(&bp));
	kmem_free(out, 512);
	fake_spa_close(spa);
}

static void
a_block_of_this_txg_is_rewritten_in_place(void **state)
{
	spa_t *spa = one_disk();
	const zio_prop_t zp = fake_prop(ZIO_COMPRESS_LZ4, ZIO_CHECKSUM_FLETCHER_4, 2);
	uint8_t *out = zio_buf_alloc(4096), *in = zio_buf_alloc(4096);
	blkptr_t bp = {0}, first;

	helper_pattern(out, 4096, 1);
	fake_write(spa, 10, &bp, out, 4096, &zp);
	first = bp;
	spa->pass = 2;
	helper_pattern(out, 4096, 2);
	fake_write(spa, 10, &bp, out, 4096, &zp);
	assert_true(DVA_EQUAL(&bp.blk_dva[0], &first.blk_dva[0]));
	assert_true(DVA_EQUAL(&bp.blk_dva[1], &first.blk_dva[1]));
	assert_int_equal(fake_read(spa, &bp, in, 4096, 0), 0);
	assert_memory_equal(in, out, 4096);
	/* Of an older txg: never. Late passes do not compress, so that sizes settle. */
	fake_write(spa, 11, &bp, out, 4096, &zp);
	assert_false(DVA_EQUAL(&bp.blk_dva[0], &first.blk_dva[0]));
	memset(out, 1, 4096);
	fake_write(spa, 11, &bp, out, 4096, &zp);
	assert_true(BP_GET_PSIZE(&bp) < 4096 || BP_IS_EMBEDDED(&bp));
	spa->pass = 8;
	fake_write(spa, 11, &bp, out, 4096, &zp);
	assert_int_equal(BP_GET_PSIZE(&bp), 4096);
	zio_buf_free(out, 4096);
	zio_buf_free(in, 4096);
	fake_spa_close(spa);
}

static void
copies_heal_each_other(void **state)
{
	spa_t *spa = two_mirrors();
	const zio_prop_t zp = fake_prop(ZIO_COMPRESS_LZ4, ZIO_CHECKSUM_SHA256, 3);
	uint8_t *out = zio_buf_alloc(32 * KIB), *in = zio_buf_alloc(32 * KIB);
	blkptr_t bp = {0};
	zio_stats_t before, after;

	mixed_data(out, 32 * KIB, 5);
	fake_write(spa, 10, &bp, out, 32 * KIB, &zp);
	/* Both sides of the first mirror lose everything they had. */
	for (int side = 0; side < 2; side++)
		helper_noise(spa->root->vdev_child[0]->vdev_child[side]->vdev_path,
		    DATA_START, MIB, (uint64_t)side);
	zio_stats(&before);
	assert_int_equal(fake_read(spa, &bp, in, 32 * KIB, 0), 0);
	assert_memory_equal(in, out, 32 * KIB);
	zio_stats(&after);
	assert_true(after.zs_repairs > before.zs_repairs);
	assert_int_equal(spa->data_errors, 0);
	/* DVA 0 is right again; a scrub finds DVA 2, which nobody had read. */
	for (int i = 0; i < 2; i++) {
		assert_int_equal(fake_read(spa, &bp, in, 32 * KIB, ZIO_FLAG_SCRUB), 0);
		assert_memory_equal(in, out, 32 * KIB);
		zio_stats(&before);
	}
	assert_int_equal(fake_read(spa, &bp, in, 32 * KIB, ZIO_FLAG_SCRUB), 0);
	zio_stats(&after);
	assert_int_equal(after.zs_repairs, before.zs_repairs);
	assert_int_equal(after.zs_cksum_errors, before.zs_cksum_errors);
	zio_buf_free(out, 32 * KIB);
	zio_buf_free(in, 32 * KIB);
	fake_spa_close(spa);
}

static void
a_lost_block_is_reported(void **state)
{
	spa_t *spa = one_disk();
	const zio_prop_t zp = fake_prop(ZIO_COMPRESS_OFF, ZIO_CHECKSUM_FLETCHER_4, 1);
	uint8_t *out = zio_buf_alloc(4096), *in = zio_buf_alloc(4096);
	blkptr_t bp = {0};

	helper_pattern(out, 4096, 1);
	fake_write(spa, 10, &bp, out, 4096, &zp);
	helper_noise(spa->root->vdev_child[0]->vdev_path, DATA_START, 4096, 1);
	assert_int_equal(fake_read(spa, &bp, in, 4096, ZIO_FLAG_SPECULATIVE), ECKSUM);
	assert_int_equal(spa->data_errors, 0);
	assert_int_equal(fake_read(spa, &bp, in, 4096, 0), ECKSUM);
	assert_int_equal(spa->data_errors, 1);
	assert_int_equal(spa->last_error.zb_blkid, 3);
	zio_buf_free(out, 4096);
	zio_buf_free(in, 4096);
	fake_spa_close(spa);
}

static void
impossible_pointers_are_refused(void **state)
{
	spa_t *spa = one_disk();
	const zio_prop_t zp = fake_prop(ZIO_COMPRESS_OFF, ZIO_CHECKSUM_FLETCHER_4, 1);
	uint8_t *buf = zio_buf_alloc(4096);
	blkptr_t good = {0}, bp;

	helper_pattern(buf, 4096, 1);
	fake_write(spa, 10, &good, buf, 4096, &zp);
	assert_int_equal(zio_blkptr_verify(spa, &good), 0);
	bp = good;
	DVA_SET_VDEV(&bp.blk_dva[0], 1);
	assert_int_equal(fake_read(spa, &bp, buf, 4096, 0), ECKSUM);
	bp = good;
	DVA_SET_OFFSET(&bp.blk_dva[0], spa->root->vdev_child[0]->vdev_asize);
	assert_int_equal(fake_read(spa, &bp, buf, 4096, 0), ECKSUM);
	assert_int_equal(zio_free(spa, 11, &bp), ECKSUM);
	bp = good;
	BP_SET_CHECKSUM(&bp, 77);
	assert_int_equal(fake_read(spa, &bp, buf, 4096, 0), ECKSUM);
	bp = good;
	BP_SET_LSIZE(&bp, 8192); /* not the block its reader expects */
	assert_int_equal(fake_read(spa, &bp, buf, 4096, 0), ECKSUM);

	/* Any bits whatever: an error or data, never a crash. */
	const uint64_t seed = random_guid();
	print_message("seed %" PRIu64 "\n", seed);
	for (uint64_t i = 0; i < 20000; i++) {
		bp = good;
		if (i % 2)
			helper_pattern(&bp, sizeof(bp), seed + i);
		else
			((uint64_t *)(void *)&bp)[i / 2 % 16] ^=
			    1ULL << ((seed + i * 7) % 64);
		(void)fake_read(
		    spa, &bp, buf, 4096, ZIO_FLAG_SPECULATIVE | ZIO_FLAG_DONT_REPAIR);
	}
	zio_buf_free(buf, 4096);
	fake_spa_close(spa);
}

/* ------------------------------------------------------------------------ graphs -- */

typedef struct tree_node {
	blkptr_t bp[8];
	int readied, done;
} tree_node_t;

static void
child_ready(zio_t *zio)
{
	tree_node_t *node = zio->io_private;

	assert_false(BP_IS_HOLE(zio->io_bp));
	zio->io_bp->blk_fill = 42;
	__atomic_add_fetch(&node->readied, 1, __ATOMIC_RELAXED);
}

static void
child_done(zio_t *zio)
{
	tree_node_t *node = zio->io_private;

	__atomic_add_fetch(&node->done, 1, __ATOMIC_RELAXED);
}

/* An indirect block's content is its children's pointers; they come first. */
static void
a_parent_holds_its_childrens_pointers(void **state)
{
	spa_t *spa = two_mirrors();
	zio_prop_t zp = fake_prop(ZIO_COMPRESS_LZ4, ZIO_CHECKSUM_FLETCHER_4, 1),
		   zpi = zp;
	tree_node_t node = {0};
	blkptr_t top = {0};
	blkptr_t *back = zio_buf_alloc(sizeof(node.bp));
	uint8_t *data[8], *in = zio_buf_alloc(64 * KIB);

	zpi.zp_level = 1;
	zpi.zp_copies = 2;
	zio_t *root = zio_root(spa, NULL, NULL, 0);
	zio_t *parent = zio_write(root, spa, 10, &top, node.bp, sizeof(node.bp), &zpi,
	    NULL, child_done, &node, ZIO_PRIORITY_ASYNC_WRITE, 0, NULL);
	for (int i = 0; i < 8; i++) {
		data[i] = zio_buf_alloc(64 * KIB);
		mixed_data(data[i], 64 * KIB, (uint64_t)i);
		zio_nowait(zio_write(parent, spa, 10, &node.bp[i], data[i], 64 * KIB,
		    &zp, child_ready, child_done, &node, ZIO_PRIORITY_ASYNC_WRITE, 0,
		    NULL));
	}
	zio_nowait(parent);
	assert_int_equal(zio_wait(root), 0);
	assert_int_equal(node.readied, 8);
	assert_int_equal(node.done, 9);
	assert_int_equal(fake_read(spa, &top, back, sizeof(node.bp), 0), 0);
	assert_memory_equal(back, node.bp, sizeof(node.bp));
	for (int i = 0; i < 8; i++) {
		assert_int_equal(back[i].blk_fill, 42);
		assert_int_equal(fake_read(spa, &back[i], in, 64 * KIB, 0), 0);
		assert_memory_equal(in, data[i], 64 * KIB);
		zio_buf_free(data[i], 64 * KIB);
	}
	zio_buf_free(back, sizeof(node.bp));
	zio_buf_free(in, 64 * KIB);
	fake_spa_close(spa);
}

/* Callbacks issue more; the root ends when the last of all ends. */
typedef struct chain {
	spa_t *spa;
	zio_t *root;
	const blkptr_t *bp;
	uint8_t *buf;
	int left;
} chain_t;

static void
chain_next(zio_t *zio)
{
	chain_t *ch = zio->io_private;

	assert_int_equal(zio->io_error, 0);
	if (--ch->left > 0)
		zio_nowait(zio_read(ch->root, ch->spa, ch->bp, ch->buf, 4096,
		    chain_next, ch, ZIO_PRIORITY_SYNC_READ, 0, NULL));
}

static void
callbacks_go_on(void **state)
{
	spa_t *spa = one_disk();
	const zio_prop_t zp = fake_prop(ZIO_COMPRESS_OFF, ZIO_CHECKSUM_FLETCHER_4, 1);
	blkptr_t bp = {0};
	chain_t ch = {.spa = spa, .bp = &bp, .buf = zio_buf_alloc(4096), .left = 200};

	helper_pattern(ch.buf, 4096, 1);
	fake_write(spa, 10, &bp, ch.buf, 4096, &zp);
	ch.root = zio_root(spa, NULL, NULL, 0);
	zio_nowait(zio_read(ch.root, spa, &bp, ch.buf, 4096, chain_next, &ch,
	    ZIO_PRIORITY_SYNC_READ, 0, NULL));
	assert_int_equal(zio_wait(ch.root), 0);
	assert_int_equal(ch.left, 0);
	/* A root without anything ends, too. */
	assert_int_equal(zio_wait(zio_root(spa, NULL, NULL, 0)), 0);
	zio_buf_free(ch.buf, 4096);
	fake_spa_close(spa);
}

static void
errors_reach_every_parent(void **state)
{
	spa_t *spa = one_disk();
	const zio_prop_t zp = fake_prop(ZIO_COMPRESS_OFF, ZIO_CHECKSUM_FLETCHER_4, 1);
	uint8_t *buf = zio_buf_alloc(4096);
	blkptr_t bp = {0};

	helper_pattern(buf, 4096, 1);
	fake_write(spa, 10, &bp, buf, 4096, &zp);
	helper_noise(spa->root->vdev_child[0]->vdev_path, DATA_START, 4096, 1);
	zio_t *a = zio_root(spa, NULL, NULL, 0), *b = zio_root(spa, NULL, NULL, 0);
	zio_t *r = zio_read(a, spa, &bp, buf, 4096, NULL, NULL, ZIO_PRIORITY_SYNC_READ,
	    ZIO_FLAG_CANFAIL, NULL);
	zio_add_child(b, r);
	zio_nowait(r);
	assert_int_equal(zio_wait(a), ECKSUM);
	assert_int_equal(zio_wait(b), ECKSUM);
	/* A guess that fails is nobody's error. */
	a = zio_root(spa, NULL, NULL, 0);
	zio_nowait(zio_read(a, spa, &bp, buf, 4096, NULL, NULL, ZIO_PRIORITY_ASYNC_READ,
	    ZIO_FLAG_SPECULATIVE, NULL));
	assert_int_equal(zio_wait(a), 0);
	zio_buf_free(buf, 4096);
	fake_spa_close(spa);
}

/* ------------------------------------------------------------------ failing writes --
 */

static void
a_write_that_may_not_fail_waits_for_the_device(void **state)
{
	spa_t *spa = one_disk();
	vdev_t *leaf = spa->root->vdev_child[0];
	const zio_prop_t zp = fake_prop(ZIO_COMPRESS_OFF, ZIO_CHECKSUM_FLETCHER_4, 1);
	const vdev_fault_t vf = {.vf_types = VF_TYPE(VIO_WRITE), .vf_error = EIO};
	uint8_t *buf = zio_buf_alloc(4096), *in = zio_buf_alloc(4096);
	blkptr_t bp[4] = {0};

	helper_pattern(buf, 4096, 1);
	vdev_fault_add(leaf, &vf);
	assert_int_equal(
	    zio_wait(zio_write(NULL, spa, 10, &bp[0], buf, 4096, &zp, NULL, NULL, NULL,
		ZIO_PRIORITY_SYNC_WRITE, ZIO_FLAG_CANFAIL, NULL)),
	    EIO);
	zio_t *root = zio_root(spa, NULL, NULL, 0);
	for (int i = 0; i < 4; i++)
		zio_nowait(zio_write(root, spa, 10, &bp[i], buf, 4096, &zp, NULL, NULL,
		    NULL, ZIO_PRIORITY_SYNC_WRITE, 0, NULL));
	fake_spa_wait_suspended(spa, 1);
	vdev_fault_clear(leaf);
	fake_spa_resume(spa);
	assert_int_equal(zio_wait(root), 0);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(fake_read(spa, &bp[i], in, 4096, 0), 0);
		assert_memory_equal(in, buf, 4096);
	}
	/* The pool goes away by force. */
	vdev_fault_add(leaf, &vf);
	spa->resume = false;
	spa->give_up = true;
	const int suspended = spa->suspensions;
	root = zio_root(spa, NULL, NULL, 0);
	blkptr_t lost = {0};
	zio_nowait(zio_write(root, spa, 10, &lost, buf, 4096, &zp, NULL, NULL, NULL,
	    ZIO_PRIORITY_SYNC_WRITE, 0, NULL));
	fake_spa_wait_suspended(spa, suspended + 1);
	fake_spa_resume(spa);
	assert_int_equal(zio_wait(root), EIO);
	zio_buf_free(buf, 4096);
	zio_buf_free(in, 4096);
	fake_spa_close(spa);
}

static void
one_copy_is_enough_for_a_write(void **state)
{
	spa_t *spa = two_mirrors();
	const zio_prop_t zp = fake_prop(ZIO_COMPRESS_OFF, ZIO_CHECKSUM_FLETCHER_4, 2);
	const vdev_fault_t vf = {.vf_types = VF_TYPE(VIO_WRITE), .vf_error = EIO};
	uint8_t *buf = zio_buf_alloc(4096), *in = zio_buf_alloc(4096);
	blkptr_t bp = {0};

	helper_pattern(buf, 4096, 1);
	vdev_fault_add(spa->root->vdev_child[0]->vdev_child[0], &vf);
	vdev_fault_add(spa->root->vdev_child[0]->vdev_child[1], &vf);
	fake_write(spa, 10, &bp, buf, 4096, &zp);
	assert_int_equal(spa->suspensions, 0);
	assert_int_equal(fake_read(spa, &bp, in, 4096, 0), 0);
	assert_memory_equal(in, buf, 4096);
	zio_buf_free(buf, 4096);
	zio_buf_free(in, 4096);
	fake_spa_close(spa);
}

static void
no_space_is_an_error_only_for_those_who_asked(void **state)
{
	spa_t *spa = one_disk();
	const zio_prop_t zp = fake_prop(ZIO_COMPRESS_OFF, ZIO_CHECKSUM_FLETCHER_4, 1);
	uint8_t *buf = zio_buf_alloc(512);
	blkptr_t bp = {0};

	helper_pattern(buf, 512, 1);
	spa->fail_after = 0;
	assert_int_equal(
	    zio_wait(zio_write(NULL, spa, 10, &bp, buf, 512, &zp, NULL, NULL, NULL,
		ZIO_PRIORITY_SYNC_WRITE, ZIO_FLAG_CANFAIL, NULL)),
	    ENOSPC);
	assert_true(BP_IS_HOLE(&bp));
	zio_t *root = zio_root(spa, NULL, NULL, 0);
	zio_nowait(zio_write(root, spa, 10, &bp, buf, 512, &zp, NULL, NULL, NULL,
	    ZIO_PRIORITY_SYNC_WRITE, 0, NULL));
	fake_spa_wait_suspended(spa, 1);
	spa->fail_after = -1;
	fake_spa_resume(spa);
	assert_int_equal(zio_wait(root), 0);
	assert_int_equal(fake_read(spa, &bp, buf, 512, 0), 0);
	zio_buf_free(buf, 512);
	fake_spa_close(spa);
}

static void
a_log_block_is_written_over_its_place(void **state)
{
	spa_t *spa = one_disk();
	const zio_prop_t zp = fake_prop(ZIO_COMPRESS_OFF, ZIO_CHECKSUM_OFF, 1);
	uint8_t *buf = zio_buf_alloc(4096), *in = zio_buf_alloc(4096);
	blkptr_t bp = {0};

	helper_pattern(buf, 4096, 1);
	fake_write(spa, 10, &bp, buf, 4096, &zp);
	helper_pattern(buf, 4096, 2);
	assert_int_equal(zio_wait(zio_rewrite(NULL, spa, 11, &bp, buf, 4096, NULL, NULL,
			     ZIO_PRIORITY_SYNC_WRITE, ZIO_FLAG_CANFAIL, NULL)),
	    0);
	assert_int_equal(fake_read(spa, &bp, in, 4096, 0), 0);
	assert_memory_equal(in, buf, 4096);
	assert_int_equal(zio_wait(zio_rewrite(NULL, spa, 11, &bp, buf, 512, NULL, NULL,
			     ZIO_PRIORITY_SYNC_WRITE, ZIO_FLAG_CANFAIL, NULL)),
	    EINVAL);
	/* Durable: a flush of the device it went to. */
	zio_t *root = zio_root(spa, NULL, NULL, 0);
	for (int i = 0; i < 8; i++)
		zio_nowait(zio_flush(root, spa, 0, NULL, NULL, 0));
	assert_int_equal(zio_wait(root), 0);
	root = zio_root(spa, NULL, NULL, 0);
	zio_nowait(zio_flush(root, spa, 5, NULL, NULL, 0));
	assert_int_equal(zio_wait(root), ENXIO);
	zio_buf_free(buf, 4096);
	zio_buf_free(in, 4096);
	fake_spa_close(spa);
}

/* -------------------------------------------------------------------------- storms --
 */

/*
 * Write a few hundred blocks while every n-th request of one side fails or lies, read
 * all of them back: with the other side intact everything is right.
 */
static void
errors_at_every_request(void **state)
{
	enum { N = 120 };
	static const int errors[] = {EIO, ENXIO, ECKSUM};
	const uint64_t seed = random_guid();

	print_message("seed %" PRIu64 "\n", seed);
	for (uint64_t skip = 0; skip < 24; skip++) {
		spa_t *spa = two_mirrors();
		const zio_prop_t zp =
		    fake_prop(ZIO_COMPRESS_LZ4, ZIO_CHECKSUM_FLETCHER_4, 1);
		blkptr_t *bp = kmem_zalloc(N * sizeof(*bp), KM_SLEEP);
		uint8_t *data = zio_buf_alloc(N * 8192), *in = zio_buf_alloc(8192);
		const vdev_fault_t vf = {
		    .vf_types = VF_TYPE(VIO_WRITE) | VF_TYPE(VIO_READ),
		    .vf_error = errors[skip % 3],
		    .vf_skip = skip * 5,
		    .vf_count = 3};

		vdev_fault_add(spa->root->vdev_child[0]->vdev_child[skip % 2], &vf);
		zio_t *root = zio_root(spa, NULL, NULL, 0);
		for (uint64_t i = 0; i < N; i++) {
			mixed_data(data + i * 8192, 8192, seed + i);
			zio_nowait(
			    zio_write(root, spa, 10, &bp[i], data + i * 8192, 8192, &zp,
				NULL, NULL, NULL, ZIO_PRIORITY_ASYNC_WRITE, 0, NULL));
		}
		assert_int_equal(zio_wait(root), 0);
		for (uint64_t i = 0; i < N; i++) {
			assert_int_equal(fake_read(spa, &bp[i], in, 8192, 0), 0);
			assert_memory_equal(in, data + i * 8192, 8192);
		}
		assert_int_equal(spa->data_errors + spa->suspensions, 0);
		zio_buf_free(data, N * 8192);
		zio_buf_free(in, 8192);
		kmem_free(bp, N * sizeof(*bp));
		fake_spa_close(spa);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_compression_with_every_checksum),
	    cmocka_unit_test(incompressible_data_is_stored_as_it_is),
	    cmocka_unit_test(zeros_become_holes),
	    cmocka_unit_test(tiny_data_lives_in_its_pointer),
	    cmocka_unit_test(a_block_of_this_txg_is_rewritten_in_place),
	    cmocka_unit_test(copies_heal_each_other),
	    cmocka_unit_test(a_lost_block_is_reported),
	    cmocka_unit_test(impossible_pointers_are_refused),
	    cmocka_unit_test(a_parent_holds_its_childrens_pointers),
	    cmocka_unit_test(callbacks_go_on),
	    cmocka_unit_test(errors_reach_every_parent),
	    cmocka_unit_test(a_write_that_may_not_fail_waits_for_the_device),
	    cmocka_unit_test(one_copy_is_enough_for_a_write),
	    cmocka_unit_test(no_space_is_an_error_only_for_those_who_asked),
	    cmocka_unit_test(a_log_block_is_written_over_its_place),
	    cmocka_unit_test(errors_at_every_request),
	};

	return (cmocka_run_group_tests(tests, fake_group_setup, fake_group_teardown));
}
