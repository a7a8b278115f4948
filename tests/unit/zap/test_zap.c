/*
 * The zap room against a reference map: random adds, updates, removals, cursors, with
 * all invariants checked on the way.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "spl/spl.h"
#include "zap/zap.h"
#include "zap/zap_impl.h"
#include "toy/toy_dmu.h"

static uint64_t seed;
static uint64_t rng_state;

static uint64_t
rng(void)
{
	rng_state += 0x9e3779b97f4a7c15ULL;
	uint64_t z = rng_state;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return (z ^ (z >> 31));
}

static dmu_tx_t *
start(objset_t *os)
{
	dmu_tx_t *tx = dmu_tx_create(os);
	VERIFY0(dmu_tx_assign(tx, DMU_TX_WAIT));
	return (tx);
}

static uint64_t
new_zap(objset_t *os, int normflags)
{
	dmu_tx_t *tx = start(os);
	const uint64_t obj = zap_create_norm(
	    os, normflags, DMU_OT_DIRECTORY_CONTENTS, DMU_OT_NONE, 0, 0, tx);
	dmu_tx_commit(tx);
	return (obj);
}

static int
add(objset_t *os, uint64_t obj, const char *name, uint64_t v)
{
	dmu_tx_t *tx = start(os);
	const int err = zap_add(os, obj, name, 8, 1, &v, tx);
	dmu_tx_commit(tx);
	return (err);
}

static int
del(objset_t *os, uint64_t obj, const char *name)
{
	dmu_tx_t *tx = start(os);
	const int err = zap_remove(os, obj, name, tx);
	dmu_tx_commit(tx);
	return (err);
}

static void
test_small_table(void **state)
{
	objset_t *os = toy_objset_create(seed);
	const uint64_t obj = new_zap(os, 0);
	uint64_t v = 0, n;
	zap_stats_t zs;

	assert_int_equal(zap_lookup(os, obj, "a", 8, 1, &v), ENOENT);
	assert_int_equal(add(os, obj, "a", 7), 0);
	assert_int_equal(add(os, obj, "a", 8), EEXIST);
	assert_int_equal(zap_lookup(os, obj, "a", 8, 1, &v), 0);
	assert_int_equal(v, 7);
	assert_int_equal(zap_lookup(os, obj, "A", 8, 1, &v), ENOENT);
	assert_int_equal(zap_lookup(os, obj, "a", 4, 1, &v), EINVAL);
	assert_int_equal(add(os, obj, "b", 9), 0);
	assert_int_equal(zap_count(os, obj, &n), 0);
	assert_int_equal(n, 2);
	assert_int_equal(zap_get_stats(os, obj, &zs), 0);
	assert_true(zs.zs_micro);
	assert_int_equal(zs.zs_blocksize, 512);
	assert_int_equal(del(os, obj, "c"), ENOENT);
	assert_int_equal(del(os, obj, "a"), 0);
	assert_int_equal(zap_lookup(os, obj, "a", 8, 1, &v), ENOENT);
	assert_int_equal(zap_verify(os, obj), 0);
	assert_int_equal(toy_held(os), 0);
	toy_objset_destroy(os);
}

static void
test_microzap_grows_then_becomes_fat(void **state)
{
	objset_t *os = toy_objset_create(seed);
	const uint64_t obj = new_zap(os, 0);
	zap_stats_t zs;
	char name[32];
	uint64_t v;

	for (uint64_t i = 0; i < 2047; i++) {
		snprintf(name, sizeof(name), "f%05u", (unsigned)i);
		assert_int_equal(add(os, obj, name, i), 0);
	}
	assert_int_equal(zap_get_stats(os, obj, &zs), 0);
	assert_true(zs.zs_micro);
	assert_int_equal(zs.zs_blocksize, 131072);
	assert_int_equal(zap_verify(os, obj), 0);
	assert_int_equal(add(os, obj, "one too many", 1), 0);
	assert_int_equal(zap_get_stats(os, obj, &zs), 0);
	assert_false(zs.zs_micro);
	assert_int_equal(zs.zs_blocksize, 16384);
	assert_int_equal(zs.zs_num_entries, 2048);
	assert_int_equal(zap_verify(os, obj), 0);
	for (uint64_t i = 0; i < 2047; i++) {
		snprintf(name, sizeof(name), "f%05u", (unsigned)i);
		assert_int_equal(zap_lookup(os, obj, name, 8, 1, &v), 0);
		assert_int_equal(v, i);
	}
	toy_objset_destroy(os);
}

static void
test_long_names_and_arrays_make_it_fat(void **state)
{
	objset_t *os = toy_objset_create(seed);
	uint64_t obj = new_zap(os, 0);
	char name[1100];
	zap_stats_t zs;

	memset(name, 'n', sizeof(name));
	name[49] = '\0';
	assert_int_equal(add(os, obj, name, 1), 0);
	VERIFY0(zap_get_stats(os, obj, &zs));
	assert_true(zs.zs_micro);
	name[49] = 'n';
	name[50] = '\0';
	assert_int_equal(add(os, obj, name, 2), 0);
	VERIFY0(zap_get_stats(os, obj, &zs));
	assert_false(zs.zs_micro);
	name[50] = 'n';
	name[1023] = '\0';
	assert_int_equal(add(os, obj, name, 3), 0);
	name[1023] = 'n';
	name[1024] = '\0';
	assert_int_equal(add(os, obj, name, 3), ENAMETOOLONG);

	obj = new_zap(os, 0);
	const uint16_t layout[5] = {5, 6, 4, 12, 0x1234};
	uint16_t back[5];
	uint64_t wide[5], isize, n;
	uint8_t narrow[5];
	dmu_tx_t *tx = start(os);
	assert_int_equal(zap_add(os, obj, "2", 2, 5, layout, tx), 0);
	assert_int_equal(zap_lookup(os, obj, "2", 2, 5, back), 0);
	assert_memory_equal(back, layout, sizeof(layout));
	assert_int_equal(zap_lookup(os, obj, "2", 8, 5, wide), 0);
	assert_int_equal(wide[4], 0x1234);
	assert_int_equal(zap_lookup(os, obj, "2", 1, 5, narrow), EINVAL);
	memset(back, 0, sizeof(back));
	assert_int_equal(zap_lookup(os, obj, "2", 2, 4, back), EOVERFLOW);
	assert_int_equal(back[3], 12);
	assert_int_equal(zap_length(os, obj, "2", &isize, &n), 0);
	assert_int_equal(isize, 2);
	assert_int_equal(n, 5);
	/* update to another form */
	uint8_t big[8192];
	memset(big, 0x5a, sizeof(big));
	assert_int_equal(zap_update(os, obj, "2", 1, sizeof(big), big, tx), 0);
	assert_int_equal(zap_update(os, obj, "2", 1, sizeof(big) + 1, big, tx), E2BIG);
	assert_int_equal(zap_update(os, obj, "2", 3, 1, big, tx), EINVAL);
	uint8_t again[8192] = {0};
	assert_int_equal(zap_lookup(os, obj, "2", 1, sizeof(again), again), 0);
	assert_memory_equal(again, big, sizeof(big));
	/* none at all is a value as well */
	assert_int_equal(zap_update(os, obj, "2", 8, 0, big, tx), 0);
	assert_int_equal(zap_lookup(os, obj, "2", 8, 1, wide), 0);
	assert_int_equal(zap_verify(os, obj), 0);
	dmu_tx_commit(tx);
	toy_objset_destroy(os);
}

static void
test_worked_example_of_the_specification(void **state)
{
	/* format/02 §2.2: salt 0x92F3, name "config" */
	objset_t *os = toy_objset_create(seed);
	uint8_t blk[512];
	mzap_init(blk, sizeof(blk), 0x92F3, 0);
	toy_load_object(os, 50, DMU_OT_OBJECT_DIRECTORY, 512, blk, sizeof(blk));
	assert_int_equal(add(os, 50, "config", 27), 0);
	zap_cursor_t zc;
	static zap_attribute_t za;
	zap_cursor_init(&zc, os, 50);
	assert_int_equal(zap_cursor_retrieve(&zc, &za), 0);
	assert_string_equal(za.za_name, "config");
	assert_int_equal(zc.zc_hash, 0x8E9292C000000000ULL);
	assert_int_equal(zap_cursor_serialize(&zc), 0x8E9292C000000000ULL >> 36);
	zap_cursor_advance(&zc);
	assert_int_equal(zap_cursor_retrieve(&zc, &za), ENOENT);
	assert_true(zap_cursor_serialize(&zc) == ~0ULL);
	zap_cursor_fini(&zc);
	toy_objset_destroy(os);
}

/* ---- random model ---------------------------------------------------- */

typedef struct model {
	uint8_t *present;
	uint64_t *value;
	uint64_t n, count;
	uint32_t spread; /* name length varies up to this */
} model_t;

static void
model_name(const model_t *m, uint64_t i, char *buf)
{
	const int n = sprintf(buf, "%" PRIx64, i * (uint64_t)0x9e3779b97f4a7c15);
	const uint64_t pad = m->spread == 0 ? 0 : (i * 7919) % m->spread;
	memset(buf + n, 'a' + (int)(i % 26), pad);
	buf[n + (int)pad] = '\0';
}

static void
model_step(objset_t *os, uint64_t obj, model_t *m, unsigned removes)
{
	char name[600];
	const uint64_t i = rng() % m->n;
	model_name(m, i, name);
	dmu_tx_t *tx = start(os);
	uint64_t v = rng(), got;

	if (rng() % 100 < removes) {
		assert_int_equal(
		    zap_remove(os, obj, name, tx), m->present[i] ? 0 : ENOENT);
		m->count -= m->present[i];
		m->present[i] = 0;
	} else if (rng() % 4 == 0) {
		assert_int_equal(zap_update(os, obj, name, 8, 1, &v, tx), 0);
		m->count += !m->present[i];
		m->present[i] = 1;
		m->value[i] = v;
	} else {
		assert_int_equal(
		    zap_add(os, obj, name, 8, 1, &v, tx), m->present[i] ? EEXIST : 0);
		if (!m->present[i]) {
			m->count++;
			m->present[i] = 1;
			m->value[i] = v;
		}
	}
	dmu_tx_commit(tx);
	const int err = zap_lookup(os, obj, name, 8, 1, &got);
	assert_int_equal(err, m->present[i] ? 0 : ENOENT);
	if (err == 0)
		assert_int_equal(got, m->value[i]);
}

/* Everything in the model is found, and the cursor yields exactly that, in order. */
static void
model_compare(objset_t *os, uint64_t obj, model_t *m)
{
	static zap_attribute_t za;
	char name[600];
	zap_cursor_t zc;
	uint64_t n = 0, lasthash = 0, count, v;
	uint32_t lastcd = 0;

	assert_int_equal(zap_verify(os, obj), 0);
	assert_int_equal(zap_count(os, obj, &count), 0);
	assert_int_equal(count, m->count);
	for (uint64_t i = 0; i < m->n; i++) {
		model_name(m, i, name);
		assert_int_equal(
		    zap_lookup(os, obj, name, 8, 1, &v), m->present[i] ? 0 : ENOENT);
		if (m->present[i])
			assert_int_equal(v, m->value[i]);
	}
	for (zap_cursor_init(&zc, os, obj); zap_cursor_retrieve(&zc, &za) == 0;
	     zap_cursor_advance(&zc)) {
		assert_int_equal(zap_lookup(os, obj, za.za_name, 8, 1, &v), 0);
		assert_int_equal(v, za.za_first_integer);
		assert_true(n == 0 || zc.zc_hash > lasthash ||
			    (zc.zc_hash == lasthash && zc.zc_cd > lastcd));
		lasthash = zc.zc_hash;
		lastcd = zc.zc_cd;
		n++;
	}
	zap_cursor_fini(&zc);
	assert_int_equal(n, m->count);
}

static void
model_run(uint64_t names, uint64_t steps, uint32_t spread, int normflags)
{
	objset_t *os = toy_objset_create(seed);
	const uint64_t obj = new_zap(os, normflags);
	model_t m = {calloc(names, 1), calloc(names, 8), names, 0, spread};

	for (int phase = 0; phase < 5; phase++) {
		/* fill, churn, empty, fill again, empty */
		static const unsigned removes[5] = {10, 50, 95, 20, 100};
		for (uint64_t s = 0; s < steps; s++)
			model_step(os, obj, &m, removes[phase]);
		model_compare(os, obj, &m);
		toy_evict(os);
	}
	zap_stats_t zs;
	VERIFY0(zap_get_stats(os, obj, &zs));
	print_message("  %" PRIu64 " names: %s, %" PRIu64 " leaves, table %" PRIu64
		      ", %" PRIu64 " blocks, %" PRIu64 " entries at the end\n",
	    names, zs.zs_micro ? "micro" : "fat", zs.zs_num_leafs, zs.zs_ptrtbl_len,
	    zs.zs_num_blocks, zs.zs_num_entries);
	assert_int_equal(toy_held(os), 0);
	free(m.present);
	free(m.value);
	toy_objset_destroy(os);
}

static void
test_random_micro(void **state)
{
	model_run(100, 2000, 30, 0);
}
static void
test_random_fat(void **state)
{
	model_run(20000, 30000, 40, 0);
}
static void
test_random_long_names(void **state)
{
	model_run(3000, 6000, 500, 0);
}
static void
test_random_insensitive(void **state)
{
	model_run(3000, 6000, 60, ZAP_NORM_TOUPPER);
}

/* Many entries of one hash: a bad salt does that, here the pre-hashed key does. */
static void
test_colliding_keys_fill_one_leaf_and_then_fail(void **state)
{
	objset_t *os = toy_objset_create(seed);
	dmu_tx_t *tx = start(os);
	const uint64_t obj = zap_create_flags(os, 0,
	    ZAP_FLAG_HASH64 | ZAP_FLAG_UINT64_KEY | ZAP_FLAG_PRE_HASHED_KEY,
	    DMU_OT_DDT_ZAP, 12, 17, DMU_OT_NONE, 0, tx);
	uint64_t k[2] = {0xabcdef0123456789ULL, 0}, v;
	int err = 0;
	for (k[1] = 0; k[1] < 1000 && err == 0; k[1]++)
		err = zap_update_uint64(os, obj, k, 2, 8, 1, &k[1], tx);
	assert_int_equal(err, ENOSPC);
	const uint64_t n = k[1] - 1;
	assert_true(n > 40 && n < 70);
	for (k[1] = 0; k[1] < n; k[1]++) {
		assert_int_equal(zap_lookup_uint64(os, obj, k, 2, 8, 1, &v), 0);
		assert_int_equal(v, k[1]);
	}
	assert_int_equal(zap_verify(os, obj), 0);
	/* other keys still go in */
	k[0] = 0x1bcdef0123456789ULL;
	assert_int_equal(zap_update_uint64(os, obj, k, 2, 8, 1, &k[1], tx), 0);
	assert_int_equal(zap_remove_uint64(os, obj, k, 2, tx), 0);
	assert_int_equal(zap_remove_uint64(os, obj, k, 2, tx), ENOENT);
	assert_int_equal(zap_lookup(os, obj, "string", 8, 1, &v), ENOTSUP);
	assert_int_equal(zap_verify(os, obj), 0);
	dmu_tx_commit(tx);
	toy_objset_destroy(os);
}

static void
test_small_blocks_grow_the_table_outside_of_the_header(void **state)
{
	objset_t *os = toy_objset_create(seed);
	dmu_tx_t *tx = start(os);
	/*
	 * 512-byte blocks: 32 embedded pointers, 18 chunks a leaf, so all happens early
	 */
	const uint64_t obj =
	    zap_create_flags(os, 0, ZAP_FLAG_HASH64 | ZAP_FLAG_UINT64_KEY,
		DMU_OT_DDT_ZAP, 9, 17, DMU_OT_NONE, 0, tx);
	uint64_t k[2], v;
	zap_stats_t zs;
	dmu_tx_commit(tx);
	for (uint64_t i = 0; i < 8000; i++) {
		tx = start(os);
		k[0] = i;
		k[1] = i * i;
		assert_int_equal(zap_update_uint64(os, obj, k, 2, 8, 1, &i, tx), 0);
		dmu_tx_commit(tx);
		if (i % 1000 == 0)
			assert_int_equal(zap_verify(os, obj), 0);
	}
	VERIFY0(zap_get_stats(os, obj, &zs));
	assert_true(zs.zs_ptrtbl_len > 1024);
	toy_evict(os);
	assert_int_equal(zap_verify(os, obj), 0);
	for (uint64_t i = 0; i < 8000; i++) {
		k[0] = i;
		k[1] = i * i;
		assert_int_equal(zap_lookup_uint64(os, obj, k, 2, 8, 1, &v), 0);
		assert_int_equal(v, i);
	}
	for (uint64_t i = 0; i < 8000; i++) {
		tx = start(os);
		k[0] = i;
		k[1] = i * i;
		assert_int_equal(zap_remove_uint64(os, obj, k, 2, tx), 0);
		dmu_tx_commit(tx);
		if (i % 1000 == 0)
			assert_int_equal(zap_verify(os, obj), 0);
	}
	assert_int_equal(zap_verify(os, obj), 0);
	VERIFY0(zap_get_stats(os, obj, &zs));
	assert_int_equal(zs.zs_num_entries, 0);
	assert_int_equal(toy_held(os), 0);
	toy_objset_destroy(os);
}

static void
test_cursor_survives_splits_and_conversion(void **state)
{
	objset_t *os = toy_objset_create(seed);
	const uint64_t obj = new_zap(os, 0);
	static uint8_t seen[1000];
	static zap_attribute_t za;
	char name[64];
	uint64_t pos = 0, extra = 0;
	memset(seen, 0, sizeof(seen));

	for (unsigned i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "keep%u", i);
		assert_int_equal(add(os, obj, name, i), 0);
	}
	for (;;) {
		zap_cursor_t zc;
		zap_cursor_init_serialized(&zc, os, obj, pos);
		const int err = zap_cursor_retrieve(&zc, &za);
		if (err == 0) {
			if (strncmp(za.za_name, "keep", 4) == 0) {
				assert_true(za.za_first_integer < 1000);
				assert_int_equal(seen[za.za_first_integer]++, 0);
			}
			zap_cursor_advance(&zc);
			pos = zap_cursor_serialize(&zc);
		}
		zap_cursor_fini(&zc);
		if (err == ENOENT)
			break;
		assert_int_equal(err, 0);
		/* meanwhile others work here */
		for (int k = 0; k < 8; k++) {
			snprintf(name, sizeof(name), "extra%" PRIu64, extra++);
			assert_int_equal(add(os, obj, name, 5000), 0);
		}
	}
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(seen[i], 1);
	zap_stats_t zs;
	VERIFY0(zap_get_stats(os, obj, &zs));
	assert_false(zs.zs_micro);
	assert_true(zs.zs_num_leafs > 8);
	toy_objset_destroy(os);
}

static void
test_spellings_match_in_an_insensitive_table(void **state)
{
	objset_t *os = toy_objset_create(seed);
	const uint64_t obj = new_zap(os, ZAP_NORM_TOUPPER);
	char real[64];
	bool conflict = true;
	uint64_t v;

	assert_int_equal(add(os, obj, "ReadMe", 1), 0);
	for (int fat = 0; fat < 2; fat++) {
		assert_int_equal(zap_lookup(os, obj, "README", 8, 1, &v), ENOENT);
		assert_int_equal(zap_lookup_norm(os, obj, "README", 8, 1, &v,
				     MT_NORMALIZE, real, sizeof(real), &conflict),
		    0);
		assert_string_equal(real, "ReadMe");
		assert_false(conflict);
		assert_int_equal(zap_lookup_norm(os, obj, "README", 8, 1, &v,
				     MT_NORMALIZE | MT_MATCH_CASE, NULL, 0, NULL),
		    ENOENT);
		assert_int_equal(add(os, obj, "README", 2), 0);
		assert_int_equal(zap_lookup_norm(os, obj, "readme", 8, 1, &v,
				     MT_NORMALIZE, real, sizeof(real), &conflict),
		    0);
		assert_true(conflict);
		assert_int_equal(v, 1); /* lowest cd */
		assert_int_equal(zap_lookup(os, obj, "README", 8, 1, &v), 0);
		assert_int_equal(v, 2);
		assert_int_equal(del(os, obj, "README"), 0);
		/* a long name makes it fat; the same again */
		assert_int_equal(
		    add(os, obj,
			fat ? "y23456789.123456789.123456789.123456789.123456789.12"
			    : "x23456789.123456789.123456789.123456789.123456789.12",
			3),
		    0);
		assert_int_equal(zap_verify(os, obj), 0);
	}
	dmu_tx_t *tx = start(os);
	assert_int_equal(zap_remove_norm(os, obj, "rEADME", MT_NORMALIZE, tx), 0);
	dmu_tx_commit(tx);
	assert_int_equal(zap_lookup(os, obj, "ReadMe", 8, 1, &v), ENOENT);
	toy_objset_destroy(os);
}

static void
test_integer_names_and_counters(void **state)
{
	objset_t *os = toy_objset_create(seed);
	const uint64_t obj = new_zap(os, 0);
	dmu_tx_t *tx = start(os);
	uint64_t v;

	assert_int_equal(zap_add_int(os, obj, 0x2a, tx), 0);
	assert_int_equal(zap_lookup(os, obj, "2a", 8, 1, &v), 0);
	assert_int_equal(v, 42);
	assert_int_equal(zap_lookup_int(os, obj, 42), 0);
	assert_int_equal(zap_remove_int(os, obj, 42, tx), 0);
	assert_int_equal(zap_lookup_int(os, obj, 42), ENOENT);
	assert_int_equal(zap_increment_int(os, obj, 1000, 512, tx), 0);
	assert_int_equal(zap_increment_int(os, obj, 1000, 512, tx), 0);
	assert_int_equal(zap_lookup(os, obj, "3e8", 8, 1, &v), 0);
	assert_int_equal(v, 1024);
	assert_int_equal(zap_increment_int(os, obj, 1000, -1024, tx), 0);
	assert_int_equal(zap_lookup(os, obj, "3e8", 8, 1, &v), ENOENT);
	dmu_tx_commit(tx);
	toy_objset_destroy(os);
}

/* Takes a while: only with TARN_LONG set. */
static void
test_a_million_names(void **state)
{
	enum { N = 1000000 };
	char name[48];
	uint64_t v;
	zap_stats_t zs;

	if (getenv("TARN_LONG") == NULL)
		skip();
	objset_t *os = toy_objset_create(seed);
	const uint64_t obj = new_zap(os, 0);
	for (uint64_t i = 0; i < N; i++) {
		snprintf(name, sizeof(name), "IMG_%07u.some-camera.jpg", (unsigned)i);
		assert_int_equal(add(os, obj, name, i), 0);
	}
	toy_evict(os);
	assert_int_equal(zap_verify(os, obj), 0);
	VERIFY0(zap_get_stats(os, obj, &zs));
	print_message("  %" PRIu64 " leaves, table of %" PRIu64 "\n", zs.zs_num_leafs,
	    zs.zs_ptrtbl_len);
	for (uint64_t i = 0; i < N; i++) {
		snprintf(name, sizeof(name), "IMG_%07u.some-camera.jpg", (unsigned)i);
		assert_int_equal(zap_lookup(os, obj, name, 8, 1, &v), 0);
		assert_int_equal(v, i);
		if (i % 5 != 0)
			assert_int_equal(del(os, obj, name), 0);
	}
	assert_int_equal(zap_verify(os, obj), 0);
	assert_int_equal(zap_count(os, obj, &v), 0);
	assert_int_equal(v, N / 5);
	toy_objset_destroy(os);
}

static void
test_read_errors_pass_through(void **state)
{
	objset_t *os = toy_objset_create(seed);
	const uint64_t obj = new_zap(os, 0);
	char name[80];
	unsigned ok = 0;
	uint64_t v;

	for (unsigned i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "entry number %u", i);
		if (i == 1500)
			toy_fail_reads(os, 7, ECKSUM);
		const int err = add(os, obj, name, i);
		assert_true(err == 0 || err == ECKSUM);
		ok += err == 0;
	}
	toy_fail_reads(os, 0, 0);
	assert_int_equal(zap_verify(os, obj), 0);
	assert_int_equal(zap_count(os, obj, &v), 0);
	assert_int_equal(v, ok);
	assert_int_equal(toy_held(os), 0);
	toy_objset_destroy(os);
}

int
main(void)
{
	const char *s = getenv("TARN_SEED");
	seed = s != NULL ? strtoull(s, NULL, 0) : 20240521;
	rng_state = seed;
	printf("seed %" PRIu64 " (TARN_SEED)\n", seed);
	spl_init();
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_small_table),
	    cmocka_unit_test(test_microzap_grows_then_becomes_fat),
	    cmocka_unit_test(test_long_names_and_arrays_make_it_fat),
	    cmocka_unit_test(test_worked_example_of_the_specification),
	    cmocka_unit_test(test_random_micro),
	    cmocka_unit_test(test_random_fat),
	    cmocka_unit_test(test_random_long_names),
	    cmocka_unit_test(test_random_insensitive),
	    cmocka_unit_test(test_colliding_keys_fill_one_leaf_and_then_fail),
	    cmocka_unit_test(test_small_blocks_grow_the_table_outside_of_the_header),
	    cmocka_unit_test(test_cursor_survives_splits_and_conversion),
	    cmocka_unit_test(test_spellings_match_in_an_insensitive_table),
	    cmocka_unit_test(test_integer_names_and_counters),
	    cmocka_unit_test(test_read_errors_pass_through),
	    cmocka_unit_test(test_a_million_names),
	};
	const int rc = cmocka_run_group_tests(tests, NULL, NULL);
	spl_fini();
	return (rc);
}
