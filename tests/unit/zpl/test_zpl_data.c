/*
 * Random changes of a file's data against a copy in memory: writes, appends,
 * truncation, holes, zeroing, through remounts. What is read must always be what the
 * copy says.
 */
#include <unistd.h>
#include "zpl_test.h"

#define MAX_SIZE (3u << 20)

typedef struct model {
	uint8_t *data;
	uint64_t size;
	uint64_t rng;
} model_t;

static uint64_t
rnd(model_t *m, uint64_t range)
{
	m->rng = m->rng * 6364136223846793005ULL + 1442695040888963407ULL;
	return ((m->rng >> 20) % range);
}

/* Places that like to go wrong: block edges and their neighbours. */
static uint64_t
place(model_t *m)
{
	static const uint64_t edges[] = {
	    0, 512, 1024, 4096, 100000, 131072, 262144, 1 << 20};
	if (rnd(m, 3) == 0)
		return (edges[rnd(m, ARRAY_SIZE(edges))] + rnd(m, 3));
	return (rnd(m, rnd(m, 2) ? 5000 : MAX_SIZE));
}

static uint64_t
length(model_t *m)
{
	static const uint64_t max[] = {10, 600, 5000, 140000, 600000};
	return (1 + rnd(m, max[rnd(m, ARRAY_SIZE(max))]));
}

static void
extend_model(model_t *m, uint64_t size)
{
	if (size > m->size) {
		memset(m->data + m->size, 0, size - m->size);
		m->size = size;
	}
}

static void
check(znode_t *zp, model_t *m, uint64_t off, uint64_t len)
{
	uint8_t *buf = malloc(len);
	const uint64_t want = off >= m->size ? 0 : MIN(len, m->size - off);
	assert_int_equal(get(zp, off, buf, len), want);
	if (want > 0 && memcmp(buf, m->data + off, want) != 0) {
		uint64_t i = 0;
		while (buf[i] == m->data[off + i])
			i++;
		fail_msg("byte %" PRIu64 " of %" PRIu64 " is %02x, not %02x", off + i,
		    m->size, buf[i], m->data[off + i]);
	}
	free(buf);
}

/* Data and holes alternate, cover the file, and holes are zeros. */
static void
check_seek(znode_t *zp, model_t *m)
{
	uint64_t off = 0, data, hole;
	while (off < m->size) {
		const int err = zpl_lseek(zp, off, SEEK_DATA, &data);
		if (err == ENXIO)
			data = m->size;
		else
			assert_int_equal(err, 0);
		for (uint64_t i = off; i < data; i++)
			assert_int_equal(m->data[i], 0);
		if (data == m->size)
			break;
		assert_int_equal(zpl_lseek(zp, data, SEEK_HOLE, &hole), 0);
		assert_true(hole > data && hole <= m->size);
		off = hole;
	}
}

static void
step(znode_t *zp, model_t *m)
{
	uint64_t off = place(m), len = length(m);

	switch (rnd(m, 8)) {
	case 0:
	case 1:
	case 2: {
		uint8_t *buf = malloc(len);
		len = MIN(len, MAX_SIZE - off);
		memset(buf, 1 + (int)rnd(m, 255), len);
		put(zp, off, buf, len);
		extend_model(m, off + len);
		memcpy(m->data + off, buf, len);
		free(buf);
		break;
	}
	case 3:
		assert_int_equal(zpl_truncate(zp, off, &zpl_root_cred), 0);
		extend_model(m, off);
		m->size = off;
		break;
	case 4:
		assert_int_equal(zpl_fallocate(zp, 3, off, len, &zpl_root_cred), 0);
		if (off < m->size)
			memset(m->data + off, 0, MIN(len, m->size - off));
		break;
	case 5:
		len = MIN(len, MAX_SIZE - off);
		assert_int_equal(zpl_fallocate(zp, 0x10, off, len, &zpl_root_cred), 0);
		extend_model(m, off + len);
		memset(m->data + off, 0, len);
		break;
	case 6:
		check_seek(zp, m);
		break;
	default:
		check(zp, m, off, len);
	}
	assert_int_equal(attr(zp).za_size, m->size);
}

static void
run(uint64_t recordsize, int steps)
{
	fs_t fs;
	model_t m = {malloc(MAX_SIZE + 200000), 0, test_seed * 7 + recordsize};
	fs_make(&fs, NULL);
	dmu_objset_props(fs.os)->op_recordsize = recordsize;
	znode_t *zp = mkfile(fs.root, "f");
	for (int i = 0; i < steps; i++) {
		step(zp, &m);
		if (i % 100 == 99) {
			zpl_rele(zp);
			fs_remount(&fs);
			dmu_objset_props(fs.os)->op_recordsize = recordsize;
			zp = walk(&fs, "f");
			check(zp, &m, 0, MAX_SIZE);
		}
		/* now and then from the start, so that small files get their share */
		if (rnd(&m, 60) == 0) {
			assert_int_equal(zpl_unlink(fs.root, "f", &zpl_root_cred), 0);
			zpl_rele(zp);
			zp = mkfile(fs.root, "f");
			m.size = 0;
		}
	}
	zpl_rele(zp);
	free(m.data);
	fs_destroy(&fs);
}

static void
random_changes_with_default_records(void **state)
{
	run(131072, 1500);
}
static void
random_changes_with_small_records(void **state)
{
	run(4096, 1500);
}
static void
random_changes_with_smallest_records(void **state)
{
	run(512, 600);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(random_changes_with_default_records),
    cmocka_unit_test(random_changes_with_small_records),
    cmocka_unit_test(random_changes_with_smallest_records),
};
ZPL_TEST_MAIN(tests)
