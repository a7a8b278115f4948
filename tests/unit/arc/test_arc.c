/*
 * Stories about the cache: blocks are written to a device by hand, and read through it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "arc/arc.h"
#include "vdev/vdev_test.h"
#include "vdev_helper.h"

#define K 1024ULL
#define CACHE (8 * MIB)
#define BLOCKS 400

typedef struct world {
	spa_t *spa;
	blkptr_t bp[BLOCKS];
	uint64_t txg;
} world_t;

static int
all_free(spa_t *spa, metaslab_t *ms)
{
	(void)spa;
	range_tree_add(ms->ms_allocatable, ms->ms_start, ms->ms_size);
	return (0);
}
static const spa_upper_ops_t upper = {.suo_metaslab_load = all_free};

static void
pattern(uint64_t *p, uint64_t size, uint64_t seed)
{
	/* Half of it compresses. */
	memset(p, 0, size);
	for (uint64_t i = 0; i < size / 16; i++)
		p[i] = (i + 1) * (seed * 2 + 1) * 0x9e3779b97f4a7c15ULL;
}

static blkptr_t
write_block(world_t *w, uint64_t size, uint64_t seed, dmu_object_type_t type, int level,
    enum zio_compress comp)
{
	const zio_prop_t zp = {.zp_checksum = ZIO_CHECKSUM_FLETCHER_4,
	    .zp_compress = comp,
	    .zp_type = type,
	    .zp_level = (uint8_t)level,
	    .zp_copies = 1,
	    .zp_gang_copies = 1,
	    .zp_blksz = (uint32_t)size};
	const zbookmark_phys_t zb = {1, seed, level, 0};
	void *data = zio_buf_alloc(size);
	blkptr_t bp = {0};

	pattern(data, size, seed);
	assert_int_equal(zio_wait(zio_write(NULL, w->spa, w->txg, &bp, data, size, &zp,
			     NULL, NULL, NULL, ZIO_PRIORITY_ASYNC_WRITE, 0, &zb)),
	    0);
	zio_buf_free(data, size);
	return (bp);
}

static void
begin(world_t *w, uint64_t cache)
{
	vdev_t *root;

	memset(w, 0, sizeof(*w));
	arc_init(cache);
	w->spa = spa_alloc("arc", &upper);
	w->txg = 4;
	nvlist_t *nv =
	    helper_node_nv("root", 1, helper_file_nv(helper_device("disk", 256 * MIB)));
	assert_int_equal(vdev_alloc(w->spa, nv, NULL, 0, true, &root), 0);
	nvlist_free(nv);
	assert_int_equal(vdev_open(root, true), 0);
	w->spa->spa_root_vdev = root;
	w->spa->spa_syncing_txg = w->txg;
	txg_init(w->spa, w->txg);
	assert_int_equal(spa_metaslabs_init(w->spa), 0);
}

static void
end(world_t *w)
{
	metaslab_t *ms;

	arc_flush(w->spa);
	while ((ms = txg_list_remove(spa_dirty_metaslabs(w->spa), w->txg)) != NULL) {
		range_tree_t *a, *f;
		metaslab_sync_take(ms, w->txg, &a, &f);
		metaslab_sync_pass_done(ms, w->txg);
	}
	while ((ms = txg_list_remove(spa_synced_metaslabs(w->spa), w->txg)) != NULL)
		metaslab_sync_done(ms, w->txg);
	spa_free(w->spa);
	arc_fini();
	helper_cleanup();
}

static uint64_t
device_reads(world_t *w)
{
	vdev_t *leaf = w->spa->spa_root_vdev->vdev_child[0];

	mutex_enter(&leaf->vdev_stat_lock);
	const uint64_t n = leaf->vdev_stat.vs_ops[VIO_READ];
	mutex_exit(&leaf->vdev_stat_lock);
	return (n);
}

static void
expect(world_t *w, const blkptr_t *bp, uint64_t size, uint64_t seed)
{
	arc_buf_t *buf;
	void *want = kmem_alloc(size, KM_SLEEP);

	assert_int_equal(arc_read_wait(w->spa, bp, ZIO_PRIORITY_SYNC_READ,
			     ZIO_FLAG_CANFAIL, 0, NULL, &buf),
	    0);
	assert_int_equal(buf->b_size, size);
	pattern(want, size, seed);
	assert_memory_equal(buf->b_data, want, size);
	arc_buf_rele(buf);
	kmem_free(want, size);
}

static void
second_read_is_free(void **state)
{
	(void)state;
	world_t w;

	begin(&w, CACHE);
	const blkptr_t data = write_block(
	    &w, 128 * K, 1, DMU_OT_PLAIN_FILE_CONTENTS, 0, ZIO_COMPRESS_LZ4);
	const blkptr_t meta =
	    write_block(&w, 16 * K, 2, DMU_OT_OBJECT_ARRAY, 0, ZIO_COMPRESS_LZ4);
	assert_false(arc_cached(w.spa, &data));
	expect(&w, &data, 128 * K, 1);
	expect(&w, &meta, 16 * K, 2);
	const uint64_t reads = device_reads(&w);
	expect(&w, &data, 128 * K, 1);
	expect(&w, &meta, 16 * K, 2);
	assert_int_equal(device_reads(&w), reads);
	/* File data is kept as on disk, metadata ready for use. */
	arc_stats_t as;
	arc_stats(&as);
	assert_int_equal(as.as_size, BP_GET_PSIZE(&data) + 16 * K);
	assert_int_equal(as.as_hits, 2);
	assert_int_equal(as.as_misses, 2);
	end(&w);
}

static void
shared_or_own(void **state)
{
	(void)state;
	world_t w;
	arc_buf_t *a, *b;

	begin(&w, CACHE);
	const blkptr_t data = write_block(
	    &w, 128 * K, 1, DMU_OT_PLAIN_FILE_CONTENTS, 0, ZIO_COMPRESS_LZ4);
	const blkptr_t meta =
	    write_block(&w, 16 * K, 2, DMU_OT_OBJECT_ARRAY, 0, ZIO_COMPRESS_LZ4);
	assert_int_equal(
	    arc_read_wait(w.spa, &meta, ZIO_PRIORITY_SYNC_READ, 0, 0, NULL, &a), 0);
	assert_int_equal(
	    arc_read_wait(w.spa, &meta, ZIO_PRIORITY_SYNC_READ, 0, 0, NULL, &b), 0);
	assert_ptr_equal(a->b_data, b->b_data);
	assert_null(arc_buf_steal(a));
	/* Forgotten and still held: the data stays for its holders. */
	arc_freed(w.spa, &meta);
	assert_false(arc_cached(w.spa, &meta));
	uint64_t *want = kmem_alloc(16 * K, KM_SLEEP);
	pattern(want, 16 * K, 2);
	arc_buf_rele(b);
	assert_memory_equal(a->b_data, want, 16 * K);
	arc_buf_rele(a);
	kmem_free(want, 16 * K);
	assert_int_equal(
	    arc_read_wait(w.spa, &data, ZIO_PRIORITY_SYNC_READ, 0, 0, NULL, &a), 0);
	void *mine = arc_buf_steal(a);
	assert_non_null(mine);
	memset(mine, 0xee, 128 * K);
	zio_buf_free(mine, 128 * K);
	expect(&w, &data, 128 * K, 1);
	end(&w);
}

static void
scan_does_not_drive_out_what_is_used(void **state)
{
	(void)state;
	world_t w;
	uint64_t kept = 0;

	begin(&w, 4 * MIB);
	for (uint64_t i = 0; i < BLOCKS; i++)
		w.bp[i] = write_block(
		    &w, 32 * K, i, DMU_OT_OBJECT_ARRAY, 0, ZIO_COMPRESS_OFF);
	/* Twenty blocks used again and again … */
	for (int round = 0; round < 3; round++) {
		for (uint64_t i = 0; i < 20; i++)
			expect(&w, &w.bp[i], 32 * K, i);
		spl_delay(MSEC2NSEC(80));
	}
	/* … and hundreds used once. */
	for (uint64_t i = 20; i < BLOCKS; i++)
		expect(&w, &w.bp[i], 32 * K, i);
	for (uint64_t i = 0; i < 20; i++)
		kept += arc_cached(w.spa, &w.bp[i]);
	assert_int_equal(kept, 20);
	arc_stats_t as;
	arc_stats(&as);
	assert_true(as.as_evicted > 4 * MIB);
	assert_true(as.as_size <= as.as_c_max + as.as_c_max / 8);
	/* What was evicted lately and comes back was worth more. */
	for (uint64_t i = 270; i < 280; i++)
		expect(&w, &w.bp[i], 32 * K, i);
	end(&w);
}

static void
ghosts_remember(void **state)
{
	(void)state;
	world_t w;
	arc_stats_t as;

	begin(&w, 4 * MIB);
	for (uint64_t i = 0; i < 160; i++)
		w.bp[i] = write_block(
		    &w, 32 * K, i, DMU_OT_OBJECT_ARRAY, 0, ZIO_COMPRESS_OFF);
	for (int round = 0; round < 3; round++) {
		for (uint64_t i = 0; i < 160; i++)
			expect(&w, &w.bp[i], 32 * K, i);
	}
	arc_stats(&as);
	assert_true(as.as_ghost_hits > 0);
	assert_true(as.as_mfu_size > 0);
	assert_true(arc_reduce(2 * MIB) > 0);
	arc_stats(&as);
	assert_true(as.as_size <= 2 * MIB + 64 * K);
	end(&w);
}

typedef struct crowd {
	world_t *w;
	const blkptr_t *bp;
} crowd_t;

static void
crowd_read(void *arg)
{
	crowd_t *c = arg;
	arc_buf_t *buf;

	for (int i = 0; i < 200; i++) {
		VERIFY0(arc_read_wait(c->w->spa, &c->bp[i % 20], ZIO_PRIORITY_SYNC_READ,
		    0, 0, NULL, &buf));
		VERIFY3U(((uint64_t *)buf->b_data)[0], ==,
		    ((uint64_t)(i % 20) * 2 + 1) * 0x9e3779b97f4a7c15ULL);
		arc_buf_rele(buf);
		if (i % 50 == 0)
			arc_freed(c->w->spa, &c->bp[i % 20]);
	}
}

static void
readers_join_one_read(void **state)
{
	(void)state;
	world_t w;
	kthread_t *t[4];

	begin(&w, CACHE);
	for (uint64_t i = 0; i < 20; i++)
		w.bp[i] = write_block(&w, 32 * K, i, DMU_OT_PLAIN_FILE_CONTENTS, 0,
		    i % 2 ? ZIO_COMPRESS_LZ4 : ZIO_COMPRESS_OFF);
	/* A slow device: the first reader's I/O is still under way when the others
	 * come. */
	const vdev_fault_t slow = {
	    .vf_types = VF_TYPE(VIO_READ), .vf_delay = MSEC2NSEC(50)};
	(void)vdev_fault_add(w.spa->spa_root_vdev->vdev_child[0], &slow);
	crowd_t c = {&w, w.bp};
	const uint64_t before = device_reads(&w);
	for (int i = 0; i < 4; i++)
		t[i] = thread_create("reader", crowd_read, &c);
	for (int i = 0; i < 4; i++)
		thread_join(t[i]);
	/* Without joining it would be four times as many. */
	assert_true(device_reads(&w) - before <= 20 + 4 * 4);
	end(&w);
}

typedef struct answer {
	int error, calls;
} answer_t;
static void
note(void *private, const blkptr_t *bp, arc_buf_t *buf, int error)
{
	answer_t *a = private;

	(void)bp;
	a->calls++;
	a->error = error;
	if (buf != NULL)
		arc_buf_rele(buf);
}

static void
errors_go_to_everybody(void **state)
{
	(void)state;
	world_t w;
	arc_buf_t *buf = NULL;
	answer_t a[3] = {0};

	begin(&w, CACHE);
	blkptr_t bp =
	    write_block(&w, 16 * K, 2, DMU_OT_OBJECT_ARRAY, 0, ZIO_COMPRESS_LZ4);
	const vdev_fault_t bad = {
	    .vf_types = VF_TYPE(VIO_READ), .vf_error = EIO, .vf_delay = MSEC2NSEC(20)};
	(void)vdev_fault_add(w.spa->spa_root_vdev->vdev_child[0], &bad);
	zio_t *root = zio_root(w.spa, NULL, NULL, ZIO_FLAG_CANFAIL);
	for (int i = 0; i < 3; i++)
		arc_read(root, w.spa, &bp, note, &a[i], ZIO_PRIORITY_SYNC_READ,
		    ZIO_FLAG_CANFAIL, 0, NULL);
	(void)zio_wait(root);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(a[i].calls, 1);
		assert_int_equal(a[i].error, EIO);
	}
	assert_false(arc_cached(w.spa, &bp));
	vdev_fault_clear(w.spa->spa_root_vdev->vdev_child[0]);
	assert_int_equal(arc_read_wait(w.spa, &bp, ZIO_PRIORITY_SYNC_READ,
			     ZIO_FLAG_CANFAIL, ARC_FLAG_NOWAIT, NULL, &buf),
	    EWOULDBLOCK);
	expect(&w, &bp, 16 * K, 2);
	/* Nonsense is refused before it reaches a device. */
	BP_SET_COMPRESS(&bp, (enum zio_compress)99);
	assert_int_equal(arc_read_wait(w.spa, &bp, ZIO_PRIORITY_SYNC_READ,
			     ZIO_FLAG_CANFAIL, 0, NULL, &buf),
	    ECKSUM);
	assert_null(buf);
	end(&w);
}

static void
insert_and_uncached(void **state)
{
	(void)state;
	world_t w;
	arc_buf_t *buf;

	begin(&w, CACHE);
	const blkptr_t bp =
	    write_block(&w, 16 * K, 2, DMU_OT_OBJECT_ARRAY, 0, ZIO_COMPRESS_LZ4);
	uint64_t *data = zio_buf_alloc(16 * K);
	pattern(data, 16 * K, 2);
	arc_insert(w.spa, &bp, data, 16 * K, true);
	const uint64_t reads = device_reads(&w);
	expect(&w, &bp, 16 * K, 2);
	assert_int_equal(device_reads(&w), reads);
	arc_freed(w.spa, &bp);
	assert_int_equal(arc_read_wait(w.spa, &bp, ZIO_PRIORITY_SYNC_READ, 0,
			     ARC_FLAG_UNCACHED, NULL, &buf),
	    0);
	arc_buf_rele(buf);
	assert_false(arc_cached(w.spa, &bp));
	end(&w);
}

static int
setup(void **state)
{
	(void)state;
	spl_init();
	spa_init();
	return (0);
}

static int
teardown(void **state)
{
	(void)state;
	spa_fini();
	return (0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(second_read_is_free),
	    cmocka_unit_test(shared_or_own),
	    cmocka_unit_test(scan_does_not_drive_out_what_is_used),
	    cmocka_unit_test(ghosts_remember),
	    cmocka_unit_test(readers_join_one_read),
	    cmocka_unit_test(errors_go_to_everybody),
	    cmocka_unit_test(insert_and_uncached),
	};
	return (cmocka_run_group_tests(tests, setup, teardown));
}
