/*
 * CRC-64 by table. A CRC is linear over XOR, so the table of 256 entries follows
 * from the eight entries of the single bits; the preprocessor does that, and the
 * table is a constant without start-up code.
 */
#include "codec/crc64.h"

/* Entry 1 << n; entry 128 is the polynomial (format/02 §2.2). */
#define BIT0 0xb32e4cbe03a75f6fULL
#define BIT1 0xf4843657a840a05bULL
#define BIT2 0x7bd0c384ff8f5e33ULL
#define BIT3 0xf7a18709ff1ebc66ULL
#define BIT4 0x7d9ba13851336649ULL
#define BIT5 0xfb374270a266cc92ULL
#define BIT6 0x64b62bcaebc387a1ULL
#define BIT7 CRC64_POLY

#define PICK(i, n) (((i) >> (n)&1) ? BIT##n : 0)
#define ENTRY(i)                                                                       \
	(PICK(i, 0) ^ PICK(i, 1) ^ PICK(i, 2) ^ PICK(i, 3) ^ PICK(i, 4) ^ PICK(i, 5) ^ \
	    PICK(i, 6) ^ PICK(i, 7))
#define ROW4(i) ENTRY(i), ENTRY(i + 1), ENTRY(i + 2), ENTRY(i + 3)
#define ROW16(i) ROW4(i), ROW4(i + 4), ROW4(i + 8), ROW4(i + 12)
#define ROW64(i) ROW16(i), ROW16(i + 16), ROW16(i + 32), ROW16(i + 48)

static const uint64_t crc64_table[256] = {ROW64(0), ROW64(64), ROW64(128), ROW64(192)};

uint64_t
crc64(uint64_t crc, const void *data, size_t len)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < len; i++)
		crc = crc >> 8 ^ crc64_table[(crc ^ p[i]) & 0xff];
	return (crc);
}

uint64_t
crc64_word(uint64_t crc, uint64_t word)
{
	for (int i = 0; i < 64; i += 8)
		crc = crc >> 8 ^ crc64_table[(crc ^ word >> i) & 0xff];
	return (crc);
}
