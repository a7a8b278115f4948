/*
 * Stories about devices: mirrors that heal, devices that die, requests that are joined,
 * flushes that matter.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "vdev_helper.h"
#include "vdev/vdev_test.h"

#define DEVSIZE (64 * MIB)
#define DATA_START (4 * MIB) /* device offset of vdev offset 0 */

/* A block whose bytes are known, as a checksum would know them. */
typedef struct known_block {
	uint64_t size;
	uint8_t *want;
} known_block_t;

static int
verify_known(void *arg, const void *data)
{
	const known_block_t *kb = arg;

	return (memcmp(kb->want, data, kb->size) == 0 ? 0 : ECKSUM);
}

static int
io(vdev_t *vd, vio_type_t type, uint64_t offset, void *data, uint64_t size,
    uint64_t txg, known_block_t *kb, uint32_t flags, bool *repaired)
{
	vdev_io_t vio;

	vdev_io_init(&vio, vd, type, offset, data, size,
	    type == VIO_READ ? ZIO_PRIORITY_SYNC_READ : ZIO_PRIORITY_SYNC_WRITE, flags);
	vio.vio_txg = txg;
	if (kb != NULL) {
		vio.vio_verify = verify_known;
		vio.vio_verify_arg = kb;
	}
	const int error = vdev_io_wait(&vio);
	if (repaired != NULL)
		*repaired = vio.vio_repaired;
	return (error);
}

static vdev_stat_t
stats(vdev_t *vd)
{
	vdev_stat_t vs;

	vdev_get_stats(vd, &vs);
	return (vs);
}

static vdev_t *
open_mirror(int n, const char *path[])
{
	nvlist_t *m = helper_node_nv("mirror", 0);
	nvlist_t *child[4];

	for (int i = 0; i < n; i++) {
		char name[16];
		snprintf(name, sizeof(name), "m%d", i);
		path[i] = helper_device(name, DEVSIZE);
		child[i] = helper_file_nv(path[i]);
	}
	fnvlist_add_nvlist_array(
	    m, "children", (const nvlist_t *const *)child, (size_t)n);
	for (int i = 0; i < n; i++)
		nvlist_free(child[i]);
	return (helper_open(helper_node_nv("root", 1, m), true));
}

static void
a_file_keeps_what_it_is_given(void **state)
{
	(void)state;
	vdev_t *root = helper_open(
	    helper_node_nv("root", 1, helper_file_nv(helper_device("a", DEVSIZE))),
	    true);
	vdev_t *top = root->vdev_child[0];
	uint8_t *out = kmem_alloc(128 << 10, KM_SLEEP),
		*in = kmem_alloc(128 << 10, KM_SLEEP);

	assert_int_equal(top->vdev_ashift, 9);
	assert_int_equal(top->vdev_asize, DEVSIZE - 0x480000);
	helper_pattern(out, 128 << 10, 1);
	assert_int_equal(io(top, VIO_WRITE, 512, out, 128 << 10, 5, NULL, 0, NULL), 0);
	assert_int_equal(vdev_flush(root), 0);
	assert_int_equal(io(top, VIO_READ, 512, in, 128 << 10, 5, NULL, 0, NULL), 0);
	assert_memory_equal(in, out, 128 << 10);
	helper_peek(top->vdev_path, DATA_START + 512, in, 4096);
	assert_memory_equal(in, out, 4096);

	/* Nothing behind the allocatable area can be reached, nothing misaligned
	 * either. */
	assert_int_equal(
	    io(top, VIO_READ, top->vdev_asize, in, 512, 0, NULL, 0, NULL), ENXIO);
	assert_int_equal(
	    io(top, VIO_WRITE, UINT64_MAX - 511, out, 512, 0, NULL, 0, NULL), ENXIO);
	assert_int_equal(io(top, VIO_READ, 100, in, 512, 0, NULL, 0, NULL), EINVAL);
	kmem_free(out, 128 << 10);
	kmem_free(in, 128 << 10);
	vdev_free(root);
}

static void
small_writes_are_padded_to_the_sector(void **state)
{
	(void)state;
	nvlist_t *nv = helper_file_nv(helper_device("a", DEVSIZE));
	fnvlist_add_uint64(nv, "ashift", 12);
	vdev_t *root = helper_open(helper_node_nv("root", 1, nv), true);
	vdev_t *top = root->vdev_child[0];
	uint8_t buf[4096], want[4096] = {0};

	helper_fill(top->vdev_path, DATA_START, 8192, 0xee);
	memset(buf, 0x11, 512);
	memset(want, 0x11, 512);
	assert_int_equal(io(top, VIO_WRITE, 0, buf, 512, 1, NULL, 0, NULL), 0);
	helper_peek(top->vdev_path, DATA_START, buf, 4096);
	assert_memory_equal(buf, want, 4096);
	/* The last sector, padded, still ends before the label. */
	assert_int_equal(vdev_psize_to_asize(top, 512), 4096);
	assert_int_equal(
	    io(top, VIO_WRITE, top->vdev_asize - 4096, buf, 512, 1, NULL, 0, NULL), 0);
	assert_int_equal(
	    io(top, VIO_WRITE, top->vdev_asize - 512, buf, 512, 1, NULL, 0, NULL),
	    ENXIO);
	memset(buf, 0, sizeof(buf));
	assert_int_equal(io(top, VIO_READ, 0, buf, 512, 1, NULL, 0, NULL), 0);
	assert_memory_equal(buf, want, 512);
	vdev_free(root);
}

static void
one_side_of_a_mirror_is_noise(void **state)
{
	(void)state;
	const char *path[2];
	vdev_t *root = open_mirror(2, path), *top = root->vdev_child[0];
	const uint64_t n = 64, size = 16 << 10;
	uint8_t *buf = kmem_alloc(size, KM_SLEEP);
	known_block_t kb = {.size = size, .want = kmem_alloc(size, KM_SLEEP)};
	uint64_t repaired = 0;

	for (uint64_t i = 0; i < n; i++) {
		helper_pattern(buf, size, i);
		assert_int_equal(
		    io(top, VIO_WRITE, i * MIB / 4, buf, size, 7, NULL, 0, NULL), 0);
	}
	assert_int_equal(vdev_flush(root), 0);
	helper_noise(path[1], DATA_START, 32 * MIB, 4711);

	for (uint64_t i = 0; i < n; i++) {
		bool r;
		helper_pattern(kb.want, size, i);
		assert_int_equal(
		    io(top, VIO_READ, i * MIB / 4, buf, size, 7, &kb, 0, &r), 0);
		assert_memory_equal(buf, kb.want, size);
		repaired += r;
	}
	/* Reads spread over both sides; each that met noise repaired it, and counted
	 * it. */
	assert_true(repaired > 0 && repaired < n);
	assert_int_equal(stats(top->vdev_child[1]).vs_checksum_errors, repaired);
	assert_int_equal(stats(top->vdev_child[1]).vs_self_healed, repaired * size);
	assert_int_equal(stats(top->vdev_child[0]).vs_checksum_errors, 0);
	assert_int_equal(stats(top).vs_checksum_errors, 0);

	/* A scrub looks at both sides of every block and finds the rest. */
	for (uint64_t i = 0; i < n; i++) {
		helper_pattern(kb.want, size, i);
		assert_int_equal(io(top, VIO_READ, i * MIB / 4, buf, size, 7, &kb,
				     VIO_FLAG_SCRUB, NULL),
		    0);
		assert_memory_equal(buf, kb.want, size);
	}
	assert_int_equal(stats(top->vdev_child[1]).vs_checksum_errors, n);
	for (uint64_t i = 0; i < n; i++) {
		helper_pattern(kb.want, size, i);
		helper_peek(path[1], DATA_START + i * MIB / 4, buf, size);
		assert_memory_equal(buf, kb.want, size);
	}
	vdev_clear_stats(root);
	assert_int_equal(stats(top->vdev_child[1]).vs_checksum_errors, 0);
	kmem_free(buf, size);
	kmem_free(kb.want, size);
	vdev_free(root);
}

static void
both_sides_wrong_is_an_error_and_nothing_is_repaired(void **state)
{
	(void)state;
	const char *path[2];
	vdev_t *root = open_mirror(2, path), *top = root->vdev_child[0];
	uint8_t buf[4096], seen[4096];
	known_block_t kb = {.size = sizeof(buf), .want = buf};

	helper_pattern(buf, sizeof(buf), 1);
	helper_noise(path[0], DATA_START, sizeof(buf), 1);
	helper_noise(path[1], DATA_START, sizeof(buf), 2);
	assert_int_equal(
	    io(top, VIO_READ, 0, seen, sizeof(buf), 7, &kb, 0, NULL), ECKSUM);
	assert_int_equal(stats(top).vs_checksum_errors, 1);
	assert_int_equal(stats(top->vdev_child[0]).vs_self_healed, 0);
	/* One that asks not to repair gets right data and leaves the wrong copy alone.
	 */
	assert_int_equal(io(top, VIO_WRITE, 0, buf, sizeof(buf), 7, NULL, 0, NULL), 0);
	helper_noise(path[0], DATA_START, sizeof(buf), 1);
	helper_noise(path[1], DATA_START + sizeof(buf), sizeof(buf), 1);
	assert_int_equal(io(top, VIO_READ, 0, seen, sizeof(buf), 7, &kb,
			     VIO_FLAG_SCRUB | VIO_FLAG_DONT_REPAIR, NULL),
	    0);
	helper_peek(path[0], DATA_START, seen, sizeof(seen));
	assert_memory_not_equal(seen, buf, sizeof(buf));
	vdev_free(root);
}

static void
a_side_that_fails_a_write_has_its_txg_in_the_dtl(void **state)
{
	(void)state;
	const char *path[3];
	vdev_t *root = open_mirror(3, path), *top = root->vdev_child[0];
	vdev_t *bad = top->vdev_child[1];
	uint8_t buf[4096], seen[4096];
	known_block_t kb = {.size = sizeof(buf), .want = buf};
	const vdev_fault_t vf = {
	    .vf_types = VF_TYPE(VIO_WRITE), .vf_error = EIO, .vf_count = 1};

	helper_pattern(buf, sizeof(buf), 9);
	const uint64_t id = vdev_fault_add(bad, &vf);
	assert_int_equal(
	    io(top, VIO_WRITE, 0, buf, sizeof(buf), 100, NULL, 0, NULL), 0);
	assert_int_equal(vdev_fault_hits(bad, id), 1);
	assert_true(vdev_dtl_contains(bad, 100, 1));
	assert_false(vdev_dtl_contains(bad, 99, 1));
	assert_true(vdev_dtl_empty(top->vdev_child[0]));
	assert_int_equal(stats(bad).vs_write_errors, 1);

	/* Blocks of that txg are not asked from it, so its old bytes count as no error.
	 */
	for (int i = 0; i < 50; i++)
		assert_int_equal(
		    io(top, VIO_READ, 0, seen, sizeof(buf), 100, &kb, 0, NULL), 0);
	assert_int_equal(stats(bad).vs_checksum_errors, 0);
	/* A resilver is a scrub of that txg: it repairs, still without blame. */
	assert_int_equal(
	    io(top, VIO_READ, 0, seen, sizeof(buf), 100, &kb, VIO_FLAG_SCRUB, NULL), 0);
	assert_int_equal(stats(bad).vs_checksum_errors, 0);
	helper_peek(path[1], DATA_START, seen, sizeof(seen));
	assert_memory_equal(seen, buf, sizeof(buf));
	vdev_free(root);
}

static void
a_device_that_goes_away_is_faulted_and_the_mirror_goes_on(void **state)
{
	(void)state;
	const char *path[2];
	vdev_t *root = open_mirror(2, path), *top = root->vdev_child[0];
	vdev_t *gone = top->vdev_child[0];
	uint8_t buf[4096], seen[4096];
	known_block_t kb = {.size = sizeof(buf), .want = buf};
	const vdev_fault_t vf = {
	    .vf_types = VF_ALL_TYPES, .vf_error = ENXIO, .vf_probes = true};

	helper_pattern(buf, sizeof(buf), 9);
	vdev_fault_add(gone, &vf);
	for (uint64_t txg = 1; txg <= 20 || !vdev_is_dead(gone); txg++) {
		assert_int_equal(io(top, VIO_WRITE, txg * 4096, buf, sizeof(buf), txg,
				     NULL, 0, NULL),
		    0);
		assert_int_equal(
		    io(top, VIO_READ, txg * 4096, seen, sizeof(buf), txg, &kb, 0, NULL),
		    0);
	}
	vdev_aux_t aux;
	assert_int_equal(vdev_get_state(gone, &aux), VDEV_STATE_FAULTED);
	assert_int_equal(aux, VDEV_AUX_ERR_EXCEEDED);
	assert_true(vdev_dtl_contains(gone, 1, 1) && vdev_dtl_contains(gone, 20, 1));
	assert_int_equal(vdev_flush(root), 0);

	/* Back again: reopening makes it healthy, what it missed stays noted. */
	vdev_fault_clear(gone);
	vdev_close(gone);
	assert_int_equal(vdev_open(gone, true), 0);
	assert_int_equal(vdev_get_state(gone, NULL), VDEV_STATE_HEALTHY);
	assert_int_equal(vdev_get_state(root, NULL), VDEV_STATE_HEALTHY);
	assert_false(vdev_dtl_empty(gone));
	vdev_free(root);
}

static void
states_travel_up(void **state)
{
	(void)state;
	const char *path[2];
	vdev_t *root = open_mirror(2, path), *top = root->vdev_child[0];

	vdev_set_state(top->vdev_child[0], VDEV_STATE_OFFLINE, VDEV_AUX_NONE);
	assert_int_equal(vdev_get_state(top, NULL), VDEV_STATE_DEGRADED);
	assert_int_equal(vdev_get_state(root, NULL), VDEV_STATE_DEGRADED);
	vdev_set_state(top->vdev_child[1], VDEV_STATE_FAULTED, VDEV_AUX_ERR_EXCEEDED);
	assert_int_equal(vdev_get_state(top, NULL), VDEV_STATE_CANT_OPEN);
	assert_int_equal(vdev_get_state(root, NULL), VDEV_STATE_CANT_OPEN);
	vdev_set_state(top->vdev_child[1], VDEV_STATE_HEALTHY, VDEV_AUX_NONE);
	assert_int_equal(vdev_get_state(root, NULL), VDEV_STATE_DEGRADED);
	assert_string_equal(
	    vdev_state_name(VDEV_STATE_CANT_OPEN, VDEV_AUX_NONE), "UNAVAIL");
	vdev_free(root);
}

static void
missing_and_impossible_devices(void **state)
{
	(void)state;
	vdev_t *root;
	nvlist_t *nv;

	/* Too small, not there: the pool is unusable, the reasons are told apart. */
	nv = helper_node_nv("root", 2, helper_file_nv(helper_device("small", 63 * MIB)),
	    helper_file_nv("/nonexistent/device"));
	assert_int_equal(vdev_alloc(NULL, nv, NULL, 0, true, &root), 0);
	nvlist_free(nv);
	assert_int_equal(vdev_open(root, true), ENXIO);
	assert_int_equal(root->vdev_child[0]->vdev_aux, VDEV_AUX_TOO_SMALL);
	assert_int_equal(root->vdev_child[1]->vdev_aux, VDEV_AUX_OPEN_FAILED);
	assert_int_equal(root->vdev_state, VDEV_STATE_CANT_OPEN);
	vdev_free(root);

	/* Half of a mirror suffices. */
	nv = helper_node_nv("root", 1,
	    helper_node_nv("mirror", 2, helper_file_nv(helper_device("a", DEVSIZE)),
		helper_file_nv("/nonexistent/device")));
	root = helper_open(nv, true);
	assert_int_equal(root->vdev_state, VDEV_STATE_DEGRADED);
	vdev_free(root);

	/* Types that other versions can open are refused by name, nonsense as nonsense.
	 */
	nv =
	    helper_node_nv("root", 1, helper_node_nv("raidz", 1, helper_file_nv("/x")));
	const int unsupported = vdev_alloc(NULL, nv, NULL, 0, true, &root);
	assert_true(unsupported == ENOTSUP);
	nvlist_free(nv);
	nv = helper_node_nv(
	    "root", 1, helper_node_nv("triangle", 1, helper_file_nv("/x")));
	assert_int_equal(vdev_alloc(NULL, nv, NULL, 0, true, &root), EINVAL);
	nvlist_free(nv);
}

static void
a_device_has_one_owner(void **state)
{
	(void)state;
	const char *path = helper_device("a", DEVSIZE);
	vdev_t *first =
	    helper_open(helper_node_nv("root", 1, helper_file_nv(path)), true);
	vdev_t *second;
	nvlist_t *nv = helper_node_nv("root", 1, helper_file_nv(path));

	assert_int_equal(vdev_alloc(NULL, nv, NULL, 0, true, &second), 0);
	nvlist_free(nv);
	assert_int_equal(vdev_open(second, true), ENXIO);
	assert_int_equal(second->vdev_child[0]->vdev_aux, VDEV_AUX_ACTIVE);
	/* Looking is allowed. */
	vdev_close(second);
	assert_int_equal(vdev_open(second, false), 0);
	uint8_t buf[512] = {0};
	assert_int_equal(
	    io(second->vdev_child[0], VIO_WRITE, 0, buf, 512, 1, NULL, 0, NULL), EROFS);
	vdev_free(second);
	/* The owner leaves: the device is free. */
	vdev_free(first);
	first = helper_open(helper_node_nv("root", 1, helper_file_nv(path)), true);
	vdev_free(first);
}

static void
replacing_inside_of_a_mirror_is_resolved(void **state)
{
	(void)state;
	const char *a = helper_device("a", DEVSIZE), *b = helper_device("b", DEVSIZE),
		   *c = helper_device("c", DEVSIZE);
	vdev_t *root = helper_open(helper_node_nv("root", 1,
				       helper_node_nv("mirror", 2, helper_file_nv(a),
					   helper_node_nv("replacing", 2,
					       helper_file_nv(b), helper_file_nv(c)))),
	    true);
	vdev_t *top = root->vdev_child[0];
	vdev_t *newdev = top->vdev_child[1]->vdev_child[1];
	uint8_t buf[8192], seen[8192];
	known_block_t kb = {.size = sizeof(buf), .want = buf};

	helper_pattern(buf, sizeof(buf), 3);
	assert_int_equal(io(top, VIO_WRITE, 0, buf, sizeof(buf), 50, NULL, 0, NULL), 0);
	helper_peek(c, DATA_START, seen, sizeof(seen));
	assert_memory_equal(seen, buf, sizeof(buf));
	/* Only the new device's copy is right: it is found two levels down. */
	helper_noise(a, DATA_START, sizeof(buf), 1);
	helper_noise(b, DATA_START, sizeof(buf), 2);
	bool repaired = false;
	assert_int_equal(
	    io(top, VIO_READ, 0, seen, sizeof(buf), 50, &kb, VIO_FLAG_SCRUB, &repaired),
	    0);
	assert_true(repaired);
	helper_peek(a, DATA_START, seen, sizeof(seen));
	assert_memory_equal(seen, buf, sizeof(buf));
	helper_peek(b, DATA_START, seen, sizeof(seen));
	assert_memory_equal(seen, buf, sizeof(buf));
	/* A new device lacks everything before it came: it is asked last. */
	vdev_dtl_dirty(newdev, 0, 50);
	assert_true(vdev_dtl_contains(newdev, 49, 1));
	assert_false(vdev_dtl_contains(newdev, 50, 1));
	vdev_free(root);
}

/* --------------------------------------------------------------- many requests -- */

typedef struct burst {
	kmutex_t lock;
	kcondvar_t cv;
	int pending, errors;
} burst_t;

static void
burst_done(vdev_io_t *vio)
{
	burst_t *b = vio->vio_private;

	mutex_enter(&b->lock);
	b->errors += vio->vio_error != 0;
	if (--b->pending == 0)
		cv_signal(&b->cv);
	mutex_exit(&b->lock);
}

static void
burst_run(vdev_t *vd, vdev_io_t *vio, int n)
{
	burst_t b = {.pending = n};

	mutex_init(&b.lock);
	cv_init(&b.cv);
	for (int i = 0; i < n; i++) {
		vio[i].vio_vd = vd;
		vio[i].vio_private = &b;
		vio[i].vio_done = burst_done;
	}
	for (int i = 0; i < n; i++)
		vdev_io(&vio[i]);
	mutex_enter(&b.lock);
	while (b.pending > 0)
		cv_wait(&b.cv, &b.lock);
	mutex_exit(&b.lock);
	assert_int_equal(b.errors, 0);
	cv_destroy(&b.cv);
	mutex_destroy(&b.lock);
}

/* Misaligned memory and all classes at once; every byte must arrive at its place. */
static void
a_thousand_requests_at_once(void **state)
{
	(void)state;
	enum { N = 1500 };
	const char *path[2];
	vdev_t *root = open_mirror(2, path), *top = root->vdev_child[0];
	const uint64_t seed = random_guid(), size = 4096;
	vdev_io_t *vio = kmem_zalloc(N * sizeof(*vio), KM_SLEEP);
	uint8_t *data = kmem_alloc(N * size + 16, KM_SLEEP),
		*back = kmem_alloc(N * size, KM_SLEEP);

	print_message("seed %" PRIu64 "\n", seed);
	spl_random_seed(seed);
	helper_pattern(data, N * size + 16, seed);
	uint8_t *from = data + 16;
	for (uint64_t i = 0; i < N; i++)
		vdev_io_init(&vio[i], NULL, VIO_WRITE, i * size, from + i * size, size,
		    (zio_priority_t)random_in_range(ZIO_PRIORITY_NUM_QUEUEABLE), 0);
	burst_run(top, vio, N);
	for (uint64_t i = 0; i < N; i++)
		vdev_io_init(&vio[i], NULL, VIO_READ, i * size, back + i * size, size,
		    (zio_priority_t)random_in_range(ZIO_PRIORITY_NUM_QUEUEABLE), 0);
	burst_run(top, vio, N);
	assert_memory_equal(back, from, N * size);
	for (int side = 0; side < 2; side++) {
		helper_peek(path[side], DATA_START, back, N * size);
		assert_memory_equal(back, from, N * size);
	}
	kmem_free(vio, N * sizeof(*vio));
	kmem_free(data, N * size + 16);
	kmem_free(back, N * size);
	vdev_free(root);
}

/* Neighbours are joined; one of them has a bad sector: the others must not suffer. */
static void
one_bad_sector_among_joined_neighbours(void **state)
{
	(void)state;
	enum { N = 64 };
	vdev_t *root = helper_open(
	    helper_node_nv("root", 1, helper_file_nv(helper_device("a", DEVSIZE))),
	    true);
	vdev_t *top = root->vdev_child[0];
	vdev_io_t *vio = kmem_zalloc(N * sizeof(*vio), KM_SLEEP);
	uint8_t *data = kmem_alloc(N * 4096, KM_SLEEP);
	int failed = 0;
	const vdev_fault_t vf = {.vf_types = VF_TYPE(VIO_READ),
	    .vf_offset = DATA_START + 10 * 4096,
	    .vf_size = 512,
	    .vf_error = EIO};

	vdev_fault_add(top, &vf);
	burst_t b = {.pending = N};
	mutex_init(&b.lock);
	cv_init(&b.cv);
	for (uint64_t i = 0; i < N; i++) {
		vdev_io_init(&vio[i], top, VIO_READ, i * 4096, data + i * 4096, 4096,
		    ZIO_PRIORITY_ASYNC_READ, 0);
		vio[i].vio_private = &b;
		vio[i].vio_done = burst_done;
		vdev_io(&vio[i]);
	}
	mutex_enter(&b.lock);
	while (b.pending > 0)
		cv_wait(&b.cv, &b.lock);
	mutex_exit(&b.lock);
	for (int i = 0; i < N; i++)
		failed += vio[i].vio_error != 0;
	assert_int_equal(failed, 1);
	assert_int_equal(vio[10].vio_error, EIO);
	/* The device answers its probe: it is not faulted for one sector. */
	assert_int_equal(vdev_probe(top), 0);
	assert_int_equal(vdev_get_state(top, NULL), VDEV_STATE_HEALTHY);
	cv_destroy(&b.cv);
	mutex_destroy(&b.lock);
	kmem_free(vio, N * sizeof(*vio));
	kmem_free(data, N * 4096);
	vdev_free(root);
}

/* ------------------------------------------------------ flushes and power cuts -- */

static void
a_failed_flush_is_like_failed_writes(void **state)
{
	(void)state;
	const char *path[2];
	vdev_t *root = open_mirror(2, path), *top = root->vdev_child[0];
	uint8_t buf[512] = {1};
	const vdev_fault_t vf = {
	    .vf_types = VF_TYPE(VIO_FLUSH), .vf_error = EIO, .vf_count = 1};

	assert_int_equal(io(top, VIO_WRITE, 0, buf, 512, 30, NULL, 0, NULL), 0);
	assert_int_equal(io(top, VIO_WRITE, 0, buf, 512, 33, NULL, 0, NULL), 0);
	vdev_fault_add(top->vdev_child[1], &vf);
	assert_int_equal(vdev_flush(root), 0); /* the other side has it all */
	assert_true(vdev_dtl_contains(top->vdev_child[1], 30, 1));
	assert_true(vdev_dtl_contains(top->vdev_child[1], 33, 1));
	assert_true(vdev_dtl_empty(top->vdev_child[0]));
	/* Nobody knows what else it lost: it is out until reopened and resilvered. */
	assert_int_equal(vdev_get_state(top->vdev_child[1], NULL), VDEV_STATE_FAULTED);
	assert_int_equal(vdev_get_state(root, NULL), VDEV_STATE_DEGRADED);
	vdev_free(root);

	/* Without another side the caller must know. */
	root = helper_open(
	    helper_node_nv("root", 1, helper_file_nv(helper_device("a", DEVSIZE))),
	    true);
	vdev_fault_add(root->vdev_child[0], &vf);
	assert_int_equal(
	    io(root->vdev_child[0], VIO_WRITE, 0, buf, 512, 30, NULL, 0, NULL), 0);
	assert_int_equal(vdev_flush(root), EIO);
	/* And go on knowing: a kernel tells the loss of cached writes only once. */
	assert_int_equal(vdev_flush(root), EIO);
	assert_int_equal(vdev_get_state(root, NULL), VDEV_STATE_HEALTHY);
	vdev_close(root);
	assert_int_equal(vdev_open(root, true), 0);
	assert_int_equal(vdev_flush(root), 0);
	vdev_free(root);
}

/* Writers that each want their own write on the device, as fsync does. */
typedef struct flusher {
	vdev_t *root, *top;
	uint64_t base;
} flusher_t;

static void
flusher_run(void *arg)
{
	const flusher_t *f = arg;
	uint8_t buf[512];

	for (uint64_t i = 0; i < 40; i++) {
		memset(buf, (int)i, sizeof(buf));
		VERIFY0(io(
		    f->top, VIO_WRITE, f->base + i * 512, buf, 512, 1, NULL, 0, NULL));
		VERIFY0(vdev_flush(f->root));
	}
}

static void
flushes_asked_for_together_are_answered_together(void **state)
{
	(void)state;
	enum { N = 6 };
	char log[512];
	vdev_t *root = helper_open(
	    helper_node_nv("root", 1, helper_file_nv(helper_device("a", DEVSIZE))),
	    true);
	flusher_t f[N];
	kthread_t *t[N];
	vdev_recorder_t *rec;
	vdev_record_log_t *rl;
	uint64_t writes = 0, flushes = 0, covered = 0;

	snprintf(log, sizeof(log), "%s/log", helper_dir());
	assert_int_equal(vdev_recorder_create(log, &rec), 0);
	vdev_recorder_attach(rec, root->vdev_child[0], 0);
	for (uint64_t i = 0; i < N; i++) {
		f[i] = (flusher_t){root, root->vdev_child[0], i * MIB};
		t[i] = thread_create("flusher", flusher_run, &f[i]);
	}
	for (int i = 0; i < N; i++)
		thread_join(t[i]);
	vdev_free(root);
	assert_int_equal(vdev_recorder_close(rec), 0);
	assert_int_equal(vdev_record_open(log, &rl), 0);
	for (uint64_t i = 0; i < vdev_record_count(rl); i++) {
		const vdev_record_t *vr = vdev_record_get(rl, i);
		writes += vr->vr_type == VREC_WRITE;
		flushes += vr->vr_type == VREC_FLUSH;
		if (vr->vr_type == VREC_FLUSH) {
			/* One at a time, each covers more than the one before. */
			assert_true(vr->vr_covers > covered);
			covered = vr->vr_covers;
		}
	}
	vdev_record_close(rl);
	assert_int_equal(writes, N * 40);
	assert_true(flushes <= writes);
	print_message(
	    "%d writers, %d fsyncs: %" PRIu64 " flushes\n", N, N * 40, flushes);
}

static void
recorded_writes_make_every_state_of_a_power_cut(void **state)
{
	(void)state;
	char log[512];
	const char *disk = helper_device("disk", DEVSIZE),
		   *image = helper_device("image", DEVSIZE);
	vdev_t *root =
	    helper_open(helper_node_nv("root", 1, helper_file_nv(disk)), true);
	vdev_t *top = root->vdev_child[0];
	vdev_recorder_t *rec;
	vdev_record_log_t *rl;
	uint8_t buf[512], seen[512];

	snprintf(log, sizeof(log), "%s/log", helper_dir());
	assert_int_equal(vdev_recorder_create(log, &rec), 0);
	vdev_recorder_attach(rec, top, 0);
	for (int i = 0; i < 4; i++) {
		memset(buf, 'a' + i, sizeof(buf));
		assert_int_equal(
		    io(top, VIO_WRITE, (uint64_t)i * 512, buf, 512, 1, NULL, 0, NULL),
		    0);
		if (i == 1)
			assert_int_equal(vdev_flush(root), 0);
	}
	vdev_recorder_mark(rec, 99);
	vdev_free(root);
	assert_int_equal(vdev_recorder_close(rec), 0);

	/* W W F W W M */
	assert_int_equal(vdev_record_open(log, &rl), 0);
	assert_int_equal(vdev_record_count(rl), 6);
	assert_int_equal(vdev_record_get(rl, 2)->vr_type, VREC_FLUSH);
	assert_int_equal(vdev_record_get(rl, 2)->vr_covers, 2);
	assert_int_equal(vdev_record_get(rl, 5)->vr_covers, 99);
	const int fd = open(image, O_RDWR);
	/* Cut before the flush ended: in the worst case nothing is there. */
	assert_int_equal(vdev_record_replay_crash(rl, 2, 0, &fd, 1), 0);
	helper_peek(image, DATA_START, seen, 512);
	assert_int_equal(seen[0], 0);
	/* Cut at the end: the two before the flush are certain, the others not. */
	assert_int_equal(vdev_record_replay_crash(rl, 6, 0, &fd, 1), 0);
	for (uint64_t i = 0; i < 4; i++) {
		helper_peek(image, DATA_START + i * 512, seen, 512);
		assert_int_equal(seen[0], i < 2 ? 'a' + i : 0);
	}
	assert_int_equal(vdev_record_replay(rl, 0, 6, NULL, NULL, &fd, 1), 0);
	helper_peek(image, DATA_START + 3 * 512, seen, 512);
	assert_int_equal(seen[0], 'd');
	close(fd);
	vdev_record_close(rl);
}

static void
discarded_space_reads_as_zeros_and_late_requests_arrive(void **state)
{
	(void)state;
	vdev_t *root = helper_open(
	    helper_node_nv("root", 1, helper_file_nv(helper_device("a", DEVSIZE))),
	    true);
	vdev_t *top = root->vdev_child[0];
	uint8_t buf[8192], zero[8192] = {0};
	const vdev_fault_t late = {
	    .vf_types = VF_TYPE(VIO_READ), .vf_delay = MSEC2NSEC(5)};
	const vdev_fault_t lies = {.vf_types = VF_TYPE(VIO_WRITE), .vf_lose = true};

	memset(buf, 1, sizeof(buf));
	assert_int_equal(io(top, VIO_WRITE, 4096, buf, 8192, 1, NULL, 0, NULL), 0);
	assert_int_equal(io(top, VIO_TRIM, 4096, NULL, 8192, 1, NULL, 0, NULL), 0);
	const uint64_t id = vdev_fault_add(top, &late);
	assert_int_equal(io(top, VIO_READ, 4096, buf, 8192, 1, NULL, 0, NULL), 0);
	assert_memory_equal(buf, zero, sizeof(buf));
	assert_int_equal(vdev_fault_hits(top, id), 1);
	assert_int_equal(vdev_fault_remove(top, id), 0);
	assert_int_equal(vdev_fault_remove(top, id), ENOENT);
	/* A device that says yes and does nothing. */
	vdev_fault_add(top, &lies);
	memset(buf, 1, sizeof(buf));
	assert_int_equal(io(top, VIO_WRITE, 4096, buf, 8192, 1, NULL, 0, NULL), 0);
	assert_int_equal(io(top, VIO_READ, 4096, buf, 8192, 1, NULL, 0, NULL), 0);
	assert_memory_equal(buf, zero, sizeof(buf));
	vdev_free(root);
}

/* A disk with sectors of 4 KiB, where the system lets us make one. */
static void
a_disk_with_large_sectors(void **state)
{
	(void)state;
	char cmd[1024], dev[64] = "";
	const char *path = helper_device("image", DEVSIZE);

	snprintf(cmd, sizeof(cmd), "losetup -b 4096 -f --show %s 2>/dev/null", path);
	FILE *fp = popen(cmd, "r");
	if (fp == NULL || fgets(dev, sizeof(dev), fp) == NULL || dev[0] != '/') {
		if (fp != NULL)
			pclose(fp);
		print_message("no loop devices here\n");
		skip();
	}
	pclose(fp);
	dev[strcspn(dev, "\n")] = '\0';

	nvlist_t *nv = helper_file_nv(dev);
	fnvlist_add_string(nv, "type", "disk");
	vdev_t *root = helper_open(helper_node_nv("root", 1, nv), true), *wrong;
	vdev_t *top = root->vdev_child[0];
	uint8_t buf[4096], seen[4096];
	assert_int_equal(top->vdev_ashift, 12);
	assert_int_equal(top->vdev_psize, DEVSIZE);
	helper_pattern(buf, sizeof(buf), 1);
	assert_int_equal(io(top, VIO_WRITE, 8192, buf, 4096, 1, NULL, 0, NULL), 0);
	assert_int_equal(io(top, VIO_READ, 8192, seen, 4096, 1, NULL, 0, NULL), 0);
	assert_memory_equal(seen, buf, sizeof(buf));
	assert_int_equal(vdev_flush(root), 0);
	assert_int_equal(io(top, VIO_TRIM, 8192, NULL, 4096, 1, NULL, 0, NULL), 0);
	vdev_free(root);

	/* Smaller blocks than its sectors it cannot store; a file it is not. */
	nv = helper_file_nv(dev);
	fnvlist_add_string(nv, "type", "disk");
	fnvlist_add_uint64(nv, "ashift", 9);
	nvlist_t *rnv = helper_node_nv("root", 2, nv, helper_file_nv(dev));
	assert_int_equal(vdev_alloc(NULL, rnv, NULL, 0, true, &wrong), 0);
	nvlist_free(rnv);
	assert_int_equal(vdev_open(wrong, true), ENXIO);
	assert_int_equal(wrong->vdev_child[0]->vdev_aux, VDEV_AUX_BAD_ASHIFT);
	assert_int_equal(wrong->vdev_child[1]->vdev_aux, VDEV_AUX_OPEN_FAILED);
	vdev_free(wrong);
	snprintf(cmd, sizeof(cmd), "losetup -d %s", dev);
	assert_int_equal(system(cmd), 0);
}

static void
many_errors_degrade_if_someone_wants_that(void **state)
{
	(void)state;
	const char *path[2];
	vdev_t *root = open_mirror(2, path), *top = root->vdev_child[0];
	uint8_t buf[512] = {7}, seen[512];
	known_block_t kb = {.size = sizeof(buf), .want = buf};
	const vdev_fault_t vf = {.vf_types = VF_TYPE(VIO_READ), .vf_error = ECKSUM};
	vdev_aux_t aux;

	assert_int_equal(io(top, VIO_WRITE, 0, buf, 512, 1, NULL, 0, NULL), 0);
	vdev_fault_add(top->vdev_child[0], &vf);
	for (int i = 0; i < 20; i++)
		assert_int_equal(
		    io(top, VIO_READ, 0, seen, 512, 1, &kb, VIO_FLAG_SCRUB, NULL), 0);
	assert_int_equal(vdev_get_state(root, NULL), VDEV_STATE_HEALTHY);
	vdev_serd.checksum_n = 10;
	for (int i = 0; i < 10; i++)
		assert_int_equal(
		    io(top, VIO_READ, 0, seen, 512, 1, &kb, VIO_FLAG_SCRUB, NULL), 0);
	vdev_serd.checksum_n = 0;
	assert_int_equal(vdev_get_state(top->vdev_child[0], &aux), VDEV_STATE_DEGRADED);
	assert_int_equal(aux, VDEV_AUX_ERR_EXCEEDED);
	assert_int_equal(vdev_get_state(root, NULL), VDEV_STATE_DEGRADED);
	vdev_free(root);
}

static void
config_nodes_survive_the_tree(void **state)
{
	(void)state;
	nvlist_t *leaf = helper_file_nv(helper_device("a", DEVSIZE));
	fnvlist_add_string(leaf, "fru", "slot 7");
	fnvlist_add_uint64(leaf, "DTL", 42);
	nvlist_t *mirror = helper_node_nv(
	    "mirror", 2, leaf, helper_file_nv(helper_device("b", DEVSIZE)));
	vdev_t *root = helper_open(helper_node_nv("root", 1, mirror), true), *again;
	uint64_t v;
	const char *s;

	nvlist_t *nv = vdev_config_generate(root, true);
	assert_int_equal(vdev_alloc(NULL, nv, NULL, 0, false, &again), 0);
	nvlist_free(nv);
	assert_int_equal(vdev_guid_sum(again), vdev_guid_sum(root));
	vdev_t *l = again->vdev_child[0]->vdev_child[0];
	assert_int_equal(l->vdev_dtl_object, 42);
	nv = vdev_config_generate(l, false);
	assert_int_equal(nvlist_lookup_string(nv, "fru", &s), 0);
	assert_string_equal(s, "slot 7");
	nvlist_free(nv);
	assert_ptr_equal(vdev_lookup_by_name(again, "a"), l);
	assert_ptr_equal(vdev_lookup_by_guid(again, l->vdev_guid), l);
	assert_null(vdev_lookup_by_name(again, "nobody"));

	/* A child in the wrong place is refused. */
	nv = vdev_config_generate(root, true);
	nvlist_t *const *child;
	size_t n;
	assert_int_equal(nvlist_lookup_nvlist_array(nv, "children", &child, &n), 0);
	fnvlist_add_uint64(child[0], "id", 3);
	vdev_t *none;
	assert_int_equal(vdev_alloc(NULL, nv, NULL, 0, false, &none), EINVAL);
	nvlist_free(nv);

	nv = vdev_status_generate(root);
	nvlist_t *st;
	assert_int_equal(nvlist_lookup_nvlist(nv, "vdev_stats", &st), 0);
	assert_int_equal(nvlist_lookup_uint64(st, "state", &v), 0);
	assert_int_equal(v, VDEV_STATE_HEALTHY);
	nvlist_free(nv);
	vdev_free(again);
	vdev_free(root);
}

static void
seg_sum(void *arg, uint64_t first, uint64_t count)
{
	uint64_t *sum = arg;

	sum[0]++;
	sum[1] += count;
	sum[2] = first;
}

static void
dtl_ranges_join_and_split(void **state)
{
	(void)state;
	vdev_t *leaf;
	nvlist_t *nv = helper_file_nv("/x");
	assert_int_equal(vdev_alloc(NULL, nv, NULL, 0, true, &leaf), 0);
	nvlist_free(nv);

	vdev_dtl_dirty(leaf, 10, 5);
	vdev_dtl_dirty(leaf, 20, 5);
	vdev_dtl_dirty(leaf, 15, 5); /* fills the gap */
	uint64_t sum[3] = {0};
	vdev_dtl_walk(leaf, seg_sum, sum);
	assert_int_equal(sum[0], 1);
	assert_int_equal(sum[1], 15);
	vdev_dtl_excise(leaf, 12, 2);
	memset(sum, 0, sizeof(sum));
	vdev_dtl_walk(leaf, seg_sum, sum);
	assert_int_equal(sum[0], 2);
	assert_int_equal(sum[1], 13);
	assert_false(vdev_dtl_contains(leaf, 12, 2));
	assert_true(vdev_dtl_contains(leaf, 11, 2));
	vdev_dtl_excise(leaf, 0, UINT64_MAX);
	assert_true(vdev_dtl_empty(leaf));
	vdev_free(leaf);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_file_keeps_what_it_is_given),
	    cmocka_unit_test(small_writes_are_padded_to_the_sector),
	    cmocka_unit_test(one_side_of_a_mirror_is_noise),
	    cmocka_unit_test(both_sides_wrong_is_an_error_and_nothing_is_repaired),
	    cmocka_unit_test(a_side_that_fails_a_write_has_its_txg_in_the_dtl),
	    cmocka_unit_test(a_device_that_goes_away_is_faulted_and_the_mirror_goes_on),
	    cmocka_unit_test(states_travel_up),
	    cmocka_unit_test(missing_and_impossible_devices),
	    cmocka_unit_test(a_device_has_one_owner),
	    cmocka_unit_test(replacing_inside_of_a_mirror_is_resolved),
	    cmocka_unit_test(a_thousand_requests_at_once),
	    cmocka_unit_test(one_bad_sector_among_joined_neighbours),
	    cmocka_unit_test(a_failed_flush_is_like_failed_writes),
	    cmocka_unit_test(flushes_asked_for_together_are_answered_together),
	    cmocka_unit_test(recorded_writes_make_every_state_of_a_power_cut),
	    cmocka_unit_test(discarded_space_reads_as_zeros_and_late_requests_arrive),
	    cmocka_unit_test(a_disk_with_large_sectors),
	    cmocka_unit_test(many_errors_degrade_if_someone_wants_that),
	    cmocka_unit_test(config_nodes_survive_the_tree),
	    cmocka_unit_test(dtl_ranges_join_and_split),
	};

	return (
	    cmocka_run_group_tests(tests, helper_group_setup, helper_group_teardown));
}
