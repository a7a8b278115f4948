/* The CRC under ZAP hashes (format/02 §2.2). */
#include "codec_test.h"
#include "codec/crc64.h"

/* The definition: one bit at a time. */
static uint64_t
crc64_bitwise(uint64_t crc, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		crc ^= p[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ ((crc & 1) != 0 ? CRC64_POLY : 0);
	}
	return (crc);
}

static void
table_is_the_polynomial(void **state)
{
	for (int i = 0; i < 256; i++) {
		const uint8_t byte = (uint8_t)i;
		assert_int_equal(crc64(0, &byte, 1), crc64_bitwise(0, &byte, 1));
	}
	assert_int_equal(crc64(0, "\x80", 1), CRC64_POLY);
}

static void
hash_of_a_real_zap_entry(void **state)
{
	/* Salt 0x92F3, name "config", the top 28 bits. */
	assert_int_equal(
	    crc64(0x92f3, "config", 6) & ~((1ULL << 36) - 1), 0x8e9292c000000000);
}

static void
words_count_from_the_low_byte(void **state)
{
	const uint64_t word = 0x0123456789abcdef;
	static const uint8_t bytes[8] = {
	    0xef, 0xcd, 0xab, 0x89, 0x67, 0x45, 0x23, 0x01};

	assert_int_equal(crc64_word(77, word), crc64(77, bytes, 8));
}

static void
pieces_are_the_whole(void **state)
{
	uint64_t rnd = test_seed();
	uint8_t data[300];

	test_fill(&rnd, data, sizeof(data));
	for (size_t cut = 0; cut <= sizeof(data); cut++)
		assert_int_equal(
		    crc64(crc64(1, data, cut), data + cut, sizeof(data) - cut),
		    crc64_bitwise(1, data, sizeof(data)));
	assert_int_equal(crc64(42, NULL, 0), 42);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(table_is_the_polynomial),
	    cmocka_unit_test(hash_of_a_real_zap_entry),
	    cmocka_unit_test(words_count_from_the_low_byte),
	    cmocka_unit_test(pieces_are_the_whole),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
