/*
 * Checksums: published vectors of every function, the vectors of format/01 §8.4 and
 * blocks of real pools through the dispatcher, SIMD against the definition, trailers.
 */
#include "codec_test.h"

static const uint8_t salt_bytes[32] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
    15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31};

static zio_cksum_salt_t
counting_salt(void)
{
	zio_cksum_salt_t salt;

	memcpy(salt.zcs_bytes, salt_bytes, 32);
	return (salt);
}

/* ----------------------------------------------------- the spec's own vectors */

static void
spec_vectors(void **state)
{
	static const struct {
		enum zio_checksum c;
		bool swap;
		zio_cksum_t want;
	} rows[] = {
	    {ZIO_CHECKSUM_FLETCHER_2, false,
		{{0xefcfaf8f6f4f2f00, 0xf0d0b09070503000, 0x4a38261401efdd00,
		    0xdac8b6a492806d80}}},
	    {ZIO_CHECKSUM_FLETCHER_2, true,
		{{0x0f2f4f6f8fafcfe0, 0x1030507090b0d0e0, 0xcfe1f406182a3b70,
		    0x60728496a8bacbf0}}},
	    {ZIO_CHECKSUM_FLETCHER_4, false,
		{{0x00000040c03fbf00, 0x00000da342e27500, 0x000214fa7f828a80,
		    0x003d9765c9f3c980}}},
	    {ZIO_CHECKSUM_FLETCHER_4, true,
		{{0x0000003f3fc04080, 0x00000d4262c315c0, 0x000204948f886b00,
		    0x003b7e5b56b441e0}}},
	    {ZIO_CHECKSUM_SHA256, false,
		{{0x110009dcee21620b, 0x166f3abfecb5eff7, 0xa873be729d1c2d53,
		    0x822e7acc5f34eb9b}}},
	    {ZIO_CHECKSUM_SHA256, true, /* the order of the block does not matter */
		{{0x110009dcee21620b, 0x166f3abfecb5eff7, 0xa873be729d1c2d53,
		    0x822e7acc5f34eb9b}}},
	    {ZIO_CHECKSUM_SHA512, false,
		{{0x6cf5b1411d91141d, 0x0ea8ddb86fa627f0, 0x991896779c0da9d7,
		    0x3bdc08f7e9f3faed}}},
	    {ZIO_CHECKSUM_SHA512, true,
		{{0x1d14911d41b1f56c, 0xf027a66fb8dda80e, 0xd7a90d9c77961899,
		    0xedfaf3e9f708dc3b}}},
	    {ZIO_CHECKSUM_SKEIN, false,
		{{0xdf06b17bad515284, 0xc1074e6c80f80357, 0x0564949cf231e28f,
		    0x3b30efa65148a406}}},
	    {ZIO_CHECKSUM_EDONR, false,
		{{0x86f009c293823406, 0x1787f335116ef352, 0x616de2d3955eb1e1,
		    0x0f0e3039494fa11f}}},
	    {ZIO_CHECKSUM_BLAKE3, false,
		{{0x68e5f03a15d32d73, 0x2e2d8e52a9e2d91f, 0xb6eb0668176e2d68,
		    0x95bf9be2259b6c22}}},
	    {ZIO_CHECKSUM_OFF, false, {{0, 0, 0, 0}}},
	    {ZIO_CHECKSUM_NOPARITY, true, {{0, 0, 0, 0}}},
	};
	const zio_cksum_salt_t salt = counting_salt();
	uint8_t data[512];

	for (int i = 0; i < 512; i++)
		data[i] = (uint8_t)i;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		zio_cksum_t got;
		assert_int_equal(zio_checksum_compute(rows[i].c, data, sizeof(data),
				     rows[i].swap, &salt, &got),
		    0);
		for (int w = 0; w < 4; w++)
			assert_int_equal(got.zc_word[w], rows[i].want.zc_word[w]);
	}
}

static void
ids_without_pointer_form_are_refused(void **state)
{
	static const enum zio_checksum ids[] = {ZIO_CHECKSUM_INHERIT, ZIO_CHECKSUM_ON,
	    ZIO_CHECKSUM_LABEL, ZIO_CHECKSUM_GANG_HEADER, ZIO_CHECKSUM_ZILOG,
	    ZIO_CHECKSUM_ZILOG2, ZIO_CHECKSUM_FUNCTIONS, (enum zio_checksum)200};
	zio_cksum_t zc = {{7, 7, 7, 7}};
	uint8_t data[512] = {0};

	for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
		assert_int_equal(
		    zio_checksum_compute(ids[i], data, 512, false, NULL, &zc), EINVAL);
	assert_int_equal(zc.zc_word[3], 7); /* untouched */
}

static void
table_names_every_id(void **state)
{
	for (int i = 0; i < ZIO_CHECKSUM_FUNCTIONS; i++)
		assert_non_null(zio_checksum_table[i].ci_name);
	assert_string_equal(zio_checksum_table[7].ci_name, "fletcher4");
	assert_string_equal(zio_checksum_table[14].ci_feature, "org.openzfs:blake3");
	assert_false(zio_checksum_table[ZIO_CHECKSUM_EDONR].ci_flags & ZCHECKSUM_DEDUP);
	assert_true(zio_checksum_table[ZIO_CHECKSUM_EDONR].ci_flags & ZCHECKSUM_SALTED);
	assert_false(
	    zio_checksum_table[ZIO_CHECKSUM_FLETCHER_2].ci_flags & ZCHECKSUM_METADATA);
}

/* ------------------------------------------------------- blocks of real pools */

static void
check_real_block(const test_block_t *b, const zio_cksum_salt_t *salt, void *arg)
{
	uint32_t *const seen = arg;
	zio_cksum_t zc;

	if (b->checksum < 0)
		return;
	assert_int_equal(zio_checksum_compute((enum zio_checksum)b->checksum, b->data,
			     b->psize, false, salt, &zc),
	    0);
	if (!ZIO_CHECKSUM_EQUAL(zc, b->words))
		fail_msg("%s: checksum %d differs", b->name, b->checksum);
	*seen |= 1U << b->checksum;
}

static void
blocks_written_by_openzfs_verify(void **state)
{
	uint32_t seen = 0;

	assert_true(test_blocks(check_real_block, &seen) > 40);
	/* off, fletcher2, fletcher4, sha256, noparity, sha512, skein, edonr, blake3 */
	assert_int_equal(seen, 1U << 2 | 1U << 6 | 1U << 7 | 1U << 8 | 1U << 10 |
				   1U << 11 | 1U << 12 | 1U << 13 | 1U << 14);
}

/* ----------------------------------------------------------- published vectors */

static void
sha2_published(void **state)
{
	uint8_t out[32];

	sha256_digest("abc", 3, out);
	assert_hex(
	    out, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	sha256_digest(NULL, 0, out);
	assert_hex(
	    out, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	sha256_digest2("a", 1, "bc", 2, out);
	assert_hex(
	    out, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	/* FIPS 180-4 example: not the first half of SHA-512. */
	sha512_256_digest("abc", 3, out);
	assert_hex(
	    out, "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23");
}

static void
skein_published(void **state)
{
	static const char fox[] = "The quick brown fox jumps over the lazy dog.";
	uint8_t out[32];

	/* Skein-512-256 without key: the same code but for the first string. */
	skein512_256_mac("", 0, NULL, out);
	assert_hex(
	    out, "39ccc4554a8b31853b9de7a1fe638a24cce6b35a55f2431009e18780335d2621");
	skein512_256_mac(fox, 43, NULL, out);
	assert_hex(
	    out, "b3250457e05d3060b1a4bbc1428bc75a3f525ca389aeab96cfa34638d96e492a");
	skein512_256_mac(fox, 44, NULL, out);
	assert_hex(
	    out, "41e829d7fca71c7d7154ed8fc8a069f274dd664ae0ed29d365d919f4e575eebb");
}

static void
edonr_published(void **state)
{
	uint8_t out[64], split[64], data[128 + 300];
	uint64_t rnd = 1;

	edonr512_digest("", 0, out);
	assert_hex(
	    out, "c57f7e17fdc1ce50 74cc748c9bd38f9f 51ebe88fbe6eda31 90c4314cafb1abb2");
	/* The salted form continues after one whole block; padding at every length. */
	test_fill(&rnd, data, sizeof(data));
	for (size_t n = 0; n <= 300; n++) {
		edonr512_digest(data, 128 + n, out);
		edonr512_prefixed(data, data + 128, n, split);
		assert_memory_equal(out, split, 64);
	}
}

/* The official vectors (test_vectors.json): bytes 0..250 repeated, this key. */
static void
blake3_published(void **state)
{
	static const struct {
		size_t size;
		const char *hash;
	} rows[] = {
	    {0, "92b2b75604ed3c761f9d6f62392c8a9227ad0ea3f09573e783f1498a4ed60d26"},
	    {1, "6d7878dfff2f485635d39013278ae14f1454b8c0a3a2d34bc1ab38228a80c95b"},
	    {1024, "75c46f6f3d9eb4f55ecaaee480db732e6c2105546f1e675003687c31719c7ba4"},
	    {1025, "357dc55de0c7e382c900fd6e320acc04146be01db6a8ce7210b7189bd664ea69"},
	    {2048, "879cf1fa2ea0e79126cb1063617a05b6ad9d0b696d0d757cf053439f60a99dd1"},
	    {31744, "efa53b389ab67c593dba624d898d0f7353ab99e4ac9d42302ee64cbf9939a419"},
	    {102400,
		"1c35d1a5811083fd7119f5d5d1ba027b4d01c0c6c49fb6ff2cf75393ea5db4a7"},
	};
	const uint8_t *const key = (const uint8_t *)"whats the Elvish word for friend";
	uint8_t *const data = malloc(102400);
	uint8_t out[32];

	for (size_t i = 0; i < 102400; i++)
		data[i] = (uint8_t)(i % 251);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		for (int lanes = 1; lanes <= 8; lanes *= 2) {
			blake3_keyed_lanes(data, rows[i].size, key, lanes, out);
			assert_hex(out, rows[i].hash);
		}
	}
	free(data);
}

/* ----------------------------------------------------- SIMD is the definition */

/* format/01 §8.3, word for word. */
static void
naive_fletcher(int kind, const uint8_t *p, size_t size, bool swap, zio_cksum_t *zc)
{
	uint64_t *const w = zc->zc_word;

	memset(zc, 0, sizeof(*zc));
	if (kind == 2) {
		for (size_t i = 0; i < size; i += 16) {
			w[0] += swap ? load64_be(p + i) : load64_le(p + i);
			w[1] += swap ? load64_be(p + i + 8) : load64_le(p + i + 8);
			w[2] += w[0];
			w[3] += w[1];
		}
		return;
	}
	for (size_t i = 0; i < size; i += 4) {
		w[0] += swap ? BSWAP_32(load32_le(p + i)) : load32_le(p + i);
		w[1] += w[0];
		w[2] += w[1];
		w[3] += w[2];
	}
}

static void
every_fletcher_equals_the_definition(void **state)
{
	const size_t max = 1536 * 1024; /* several pieces, and an odd rest */
	uint8_t *const data = malloc(max + 64);
	uint64_t rnd = test_seed();

	test_fill(&rnd, data, max + 64);
	for (const fletcher_ops_t *ops = fletcher_all_ops; ops->fo_name != NULL;
	     ops++) {
		if (!ops->fo_supported()) {
			printf("%s: not on this processor\n", ops->fo_name);
			continue;
		}
		printf("%s\n", ops->fo_name);
		for (int i = 0; i < 300; i++) {
			/* Mostly small, sometimes huge; any alignment; either order. */
			const size_t range = i % 50 == 0 ? max : 4096;
			const size_t size = test_rand(&rnd) % (range + 1);
			const uint8_t *const p = data + test_rand(&rnd) % 64;
			const bool swap = i % 2 != 0;
			zio_cksum_t want, got = {{0}};

			naive_fletcher(4, p, size & ~(size_t)3, swap, &want);
			fletcher_4_with(ops, p, size & ~(size_t)3, swap, &got);
			assert_true(ZIO_CHECKSUM_EQUAL(want, got));

			memset(&got, 0, sizeof(got));
			naive_fletcher(2, p, size & ~(size_t)15, swap, &want);
			fletcher_2_with(ops, p, size & ~(size_t)15, swap, &got);
			assert_true(ZIO_CHECKSUM_EQUAL(want, got));
		}
	}
	free(data);
}

static void
fletcher_sums_overflow_like_the_definition(void **state)
{
	const size_t size = 1 << 20;
	uint8_t *const ones = malloc(size);

	memset(ones, 0xff, size);
	for (const fletcher_ops_t *ops = fletcher_all_ops; ops->fo_name != NULL;
	     ops++) {
		zio_cksum_t want, got = {{0}};
		if (!ops->fo_supported())
			continue;
		naive_fletcher(4, ones, size, false, &want);
		fletcher_4_with(ops, ones, size, false, &got);
		assert_true(ZIO_CHECKSUM_EQUAL(want, got));
	}
	free(ones);
}

static void
incremental_fletcher4_is_the_whole(void **state)
{
	uint64_t rnd = test_seed();
	uint8_t data[8192];
	zio_cksum_t whole, parts;

	test_fill(&rnd, data, sizeof(data));
	for (int i = 0; i < 100; i++) {
		const bool swap = i % 2 != 0;
		size_t pos = 0;
		memset(&parts, 0, sizeof(parts));
		while (pos < sizeof(data)) {
			size_t n = 4 * (1 + test_rand(&rnd) % 300);
			n = MIN(n, sizeof(data) - pos);
			fletcher_4_incremental(data + pos, n, swap, &parts);
			pos += n;
		}
		fletcher_4(data, sizeof(data), swap, &whole);
		assert_true(ZIO_CHECKSUM_EQUAL(whole, parts));
	}
	assert_non_null(fletcher_4_impl());
}

static void
blake3_lanes_do_not_matter(void **state)
{
	const size_t max = 700 * 1024;
	uint8_t *const data = malloc(max);
	uint64_t rnd = test_seed();

	test_fill(&rnd, data, max);
	for (int i = 0; i < 200; i++) {
		const size_t size = test_rand(&rnd) % ((i % 20 == 0 ? max : 20000) + 1);
		uint8_t one[32], many[32];
		blake3_keyed_lanes(data, size, salt_bytes, 1, one);
		for (int lanes = 4; lanes <= 8; lanes *= 2) {
			blake3_keyed_lanes(data, size, salt_bytes, lanes, many);
			assert_memory_equal(one, many, 32);
		}
	}
	free(data);
}

/* -------------------------------------------------------------------- trailers */

static void
swap_words(uint8_t *p, size_t size)
{
	for (size_t i = 0; i < size; i += 8) {
		uint64_t v;
		memcpy(&v, p + i, 8);
		v = BSWAP_64(v);
		memcpy(p + i, &v, 8);
	}
}

static void
label_trailer_equals_real_pools(void **state)
{
	const zio_cksum_t at = {{0x2000, 0, 0, 0}};
	uint8_t region[8192] = {0}, before[8192];
	bool swapped = true;

	zio_checksum_trailer_put(region, sizeof(region), &at);
	assert_hex(region + 8192 - 32,
	    "3f2a6e7f808ff497fcceaa58169f90af8bb46dff57ead1cbab5f460ddb92c66e");
	memcpy(before, region, sizeof(region));
	assert_int_equal(zio_checksum_trailer_verify(region, 8192, &at, &swapped), 0);
	assert_false(swapped);
	assert_memory_equal(before, region, sizeof(region));
}

static void
trailer_notices_damage_and_wrong_place(void **state)
{
	const zio_cksum_t at = {{0x4000, 0, 0, 0}}, elsewhere = {{0x44000, 0, 0, 0}};
	uint8_t region[1024];
	uint64_t rnd = test_seed();

	test_fill(&rnd, region, sizeof(region));
	zio_checksum_trailer_put(region, sizeof(region), &at);
	assert_int_equal(zio_checksum_trailer_verify(region, 1024, &at, NULL), 0);
	assert_int_equal(
	    zio_checksum_trailer_verify(region, 1024, &elsewhere, NULL), ECKSUM);
	assert_int_equal(zio_checksum_trailer_verify(region, 39, &at, NULL), ECKSUM);
	for (int i = 0; i < 200; i++) {
		const size_t byte = test_rand(&rnd) % 1024;
		const uint8_t bit = (uint8_t)(1U << test_rand(&rnd) % 8);
		region[byte] ^= bit;
		assert_int_equal(
		    zio_checksum_trailer_verify(region, 1024, &at, NULL), ECKSUM);
		region[byte] ^= bit;
	}
}

/* A region of a big-endian writer, made by hand from the rules of §2.3. */
static void
trailer_of_the_other_byte_order_verifies(void **state)
{
	const zio_cksum_t at = {{3, 0x12000, 99, 0}};
	uint8_t region[512] = {1, 2, 3}, digest[32];
	zio_cksum_t v = at;
	uint64_t magic = BSWAP_64(ZEC_MAGIC);
	bool swapped = false;

	swap_words((uint8_t *)&v, sizeof(v));
	memcpy(region + 472, &magic, 8);
	memcpy(region + 480, &v, 32);
	sha256_digest(region, 512, digest);
	/* Big-endian numbers stored big-endian: the digest as it is. */
	memcpy(region + 480, digest, 32);
	assert_int_equal(zio_checksum_trailer_verify(region, 512, &at, &swapped), 0);
	assert_true(swapped);
}

static void
folded_gang_header(void **state)
{
	const zio_cksum_t at = {{0, 0x5000, 77, 0}};
	uint8_t plain[512] = {9}, folded[512] = {9};
	uint64_t p[4], f[4];

	zio_checksum_trailer_put(plain, 512, &at);
	zio_checksum_trailer_put_folded(folded, 512, &at);
	memcpy(p, plain + 480, 32);
	memcpy(f, folded + 480, 32);
	assert_int_equal(f[0], p[0] ^ p[2]);
	assert_int_equal(f[1], p[1] ^ p[3]);
	assert_int_equal(f[2] | f[3], 0);
	assert_int_equal(zio_checksum_trailer_verify_folded(folded, 512, &at, NULL), 0);
	assert_int_equal(zio_checksum_trailer_verify(folded, 512, &at, NULL), ECKSUM);
	folded[0] ^= 1;
	assert_int_equal(
	    zio_checksum_trailer_verify_folded(folded, 512, &at, NULL), ECKSUM);
}

static void
fold_keeps_strong_words_and_folds_weak_ones(void **state)
{
	zio_cksum_t strong = {{1, 2, 4, 8}}, weak = strong, edonr = strong;

	zio_checksum_fold(ZIO_CHECKSUM_BLAKE3, &strong);
	zio_checksum_fold(ZIO_CHECKSUM_FLETCHER_4, &weak);
	zio_checksum_fold(ZIO_CHECKSUM_EDONR, &edonr);
	assert_int_equal(strong.zc_word[0], 1);
	assert_int_equal(strong.zc_word[1], 2);
	assert_int_equal(weak.zc_word[0], 5);
	assert_int_equal(weak.zc_word[1], 10);
	assert_int_equal(edonr.zc_word[0], 5);
	assert_int_equal(
	    strong.zc_word[2] | strong.zc_word[3] | weak.zc_word[2] | weak.zc_word[3],
	    0);
}

/* ------------------------------------------------------------------ ZIL blocks */

/* The worked example of format/03 §5.2 up to the checksum: an empty-ish block. */
static void
make_zil_block(uint8_t *block, size_t size, enum zio_checksum c, uint64_t nused)
{
	uint64_t rnd = 5;

	memset(block, 0, size);
	test_fill(&rnd, block, nused);
	uint8_t *const hdr = c == ZIO_CHECKSUM_ZILOG2 ? block : block + size - 184;
	memcpy(hdr + 136, &nused, 8);
}

static void
zil_block_round_trip(void **state)
{
	static const enum zio_checksum forms[] = {
	    ZIO_CHECKSUM_ZILOG, ZIO_CHECKSUM_ZILOG2};
	const zio_cksum_t self = {{0xa4e93e6eda13a444, 0xc2516200b1c5dca4, 0x62, 2}};
	zio_cksum_t next = self;
	uint8_t block[16384], copy[16384];
	uint64_t words[4];

	next.zc_word[3]++;
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		const enum zio_checksum c = forms[i];
		const size_t words_at = c == ZIO_CHECKSUM_ZILOG ? 16384 - 32 : 152;
		zio_cksum_t want;
		bool swapped = true;

		make_zil_block(block, sizeof(block), c, 5000);
		assert_int_equal(
		    zio_checksum_zil_put(c, block, sizeof(block), &self), 0);
		assert_int_equal(
		    zio_checksum_zil_verify(c, block, sizeof(block), &self, &swapped),
		    0);
		assert_false(swapped);
		/* The stored words are the sum with the verifier in their place. */
		memcpy(copy, block, sizeof(block));
		memcpy(copy + words_at, &self, 32);
		naive_fletcher(c == ZIO_CHECKSUM_ZILOG ? 2 : 4, copy,
		    c == ZIO_CHECKSUM_ZILOG ? 16384 : 8192, false, &want);
		memcpy(words, block + words_at, 32);
		assert_memory_equal(words, &want, 32);
		/* A block of another place in the chain, a flipped bit: end of chain.
		 */
		assert_int_equal(
		    zio_checksum_zil_verify(c, block, sizeof(block), &next, NULL),
		    ECKSUM);
		block[4096] ^= 1;
		assert_int_equal(
		    zio_checksum_zil_verify(c, block, sizeof(block), &self, NULL),
		    ECKSUM);
		block[4096] ^= 1;
		/* What follows the used part is undefined in the slim form only. */
		block[9000] ^= 1;
		assert_int_equal(
		    zio_checksum_zil_verify(c, block, sizeof(block), &self, NULL),
		    c == ZIO_CHECKSUM_ZILOG ? ECKSUM : 0);
		block[9000] ^= 1;
		/* Written by a host of the other order: by hand, with the definition.
		 */
		swap_words(block + words_at - 16, 16); /* nused and magic */
		memcpy(block + words_at, &self, 32);
		swap_words(block + words_at, 32);
		naive_fletcher(c == ZIO_CHECKSUM_ZILOG ? 2 : 4, block,
		    c == ZIO_CHECKSUM_ZILOG ? 16384 : 8192, true, &want);
		swap_words((uint8_t *)&want, 32);
		memcpy(block + words_at, &want, 32);
		swapped = false;
		assert_int_equal(
		    zio_checksum_zil_verify(c, block, sizeof(block), &self, &swapped),
		    0);
		assert_true(swapped);
	}
}

static void
zil_encrypted_keeps_the_mac(void **state)
{
	const zio_cksum_t self = {{1, 2, 3, 4}};
	const enum zio_checksum c = ZIO_CHECKSUM_ZILOG2;
	uint8_t plain[4096], crypt[4096], mac[16];
	uint64_t p[4], e[4];

	memset(mac, 0xab, sizeof(mac));
	make_zil_block(plain, sizeof(plain), c, 400);
	memcpy(crypt, plain, sizeof(plain));
	assert_int_equal(zio_checksum_zil_put(c, plain, 4096, &self), 0);
	assert_int_equal(zio_checksum_zil_put_mac(c, crypt, 4096, &self, mac), 0);
	memcpy(p, plain + 152, 32);
	memcpy(e, crypt + 152, 32);
	assert_int_equal(e[0], p[0] ^ p[2]);
	assert_int_equal(e[1], p[1] ^ p[3]);
	assert_memory_equal(&e[2], mac, 16);
	assert_int_equal(
	    zio_checksum_zil_verify_folded(c, crypt, 4096, &self, NULL), 0);
	assert_int_equal(zio_checksum_zil_verify(c, crypt, 4096, &self, NULL), ECKSUM);
}

static void
zil_block_with_impossible_sizes(void **state)
{
	const zio_cksum_t self = {{1, 2, 3, 4}};
	const enum zio_checksum c = ZIO_CHECKSUM_ZILOG2;
	static const uint64_t bad[] = {
	    0, 183, 4097, 8192, UINT64_MAX, UINT64_MAX - 4094};
	uint8_t block[4096];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		make_zil_block(block, sizeof(block), c, 400);
		assert_int_equal(zio_checksum_zil_put(c, block, 4096, &self), 0);
		memcpy(block + 136, &bad[i], 8);
		assert_int_equal(
		    zio_checksum_zil_verify(c, block, 4096, &self, NULL), ECKSUM);
		assert_int_equal(zio_checksum_zil_put(c, block, 4096, &self), EINVAL);
	}
	assert_int_equal(zio_checksum_zil_verify(c, block, 100, &self, NULL), ECKSUM);
	assert_int_equal(
	    zio_checksum_zil_verify(ZIO_CHECKSUM_SHA256, block, 4096, &self, NULL),
	    EINVAL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(spec_vectors),
	    cmocka_unit_test(ids_without_pointer_form_are_refused),
	    cmocka_unit_test(table_names_every_id),
	    cmocka_unit_test(blocks_written_by_openzfs_verify),
	    cmocka_unit_test(sha2_published),
	    cmocka_unit_test(skein_published),
	    cmocka_unit_test(edonr_published),
	    cmocka_unit_test(blake3_published),
	    cmocka_unit_test(every_fletcher_equals_the_definition),
	    cmocka_unit_test(fletcher_sums_overflow_like_the_definition),
	    cmocka_unit_test(incremental_fletcher4_is_the_whole),
	    cmocka_unit_test(blake3_lanes_do_not_matter),
	    cmocka_unit_test(label_trailer_equals_real_pools),
	    cmocka_unit_test(trailer_notices_damage_and_wrong_place),
	    cmocka_unit_test(trailer_of_the_other_byte_order_verifies),
	    cmocka_unit_test(folded_gang_header),
	    cmocka_unit_test(fold_keeps_strong_words_and_folds_weak_ones),
	    cmocka_unit_test(zil_block_round_trip),
	    cmocka_unit_test(zil_encrypted_keeps_the_mac),
	    cmocka_unit_test(zil_block_with_impossible_sizes),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
