/*
 * Edon-R with a 512-bit digest, the tweaked version (format/01 §8.3). A wide-pipe
 * hash: 16 words of state, blocks of 16 words, and one kind of operation, a
 * quasigroup product of two 8-word vectors, applied eight times per block. All
 * additions, rotations and XORs of 64-bit words: fast without special instructions.
 */
#include "codec/checksum_impl.h"

#define EDONR_BLOCK 128
#define EDONR_WORDS 8

typedef struct edonr_state {
	uint64_t p0[EDONR_WORDS];
	uint64_t p1[EDONR_WORDS];
} edonr_state_t;

/*
 * z = x * y. Each s is a rotated sum of five words of x, each t of five words of y
 * (tables of format/01 §8.3, pairs that occur more than once are named); each word
 * of the result is the XOR of three s plus the XOR of three t. z may be x or y.
 */
static inline __attribute__((always_inline)) void
quasigroup(const uint64_t x[EDONR_WORDS], const uint64_t y[EDONR_WORDS],
    uint64_t z[EDONR_WORDS])
{
	const uint64_t x01 = x[0] + x[1], x47 = x[4] + x[7], x56 = x[5] + x[6];
	const uint64_t x23 = x[2] + x[3];
	const uint64_t s0 = x01 + x[2] + x47 + 0xaaaaaaaaaaaaaaaaULL;
	const uint64_t s1 = rotl64(x01 + x[3] + x47, 5);
	const uint64_t s2 = rotl64(x01 + x[6] + x47, 15);
	const uint64_t s3 = rotl64(x23 + x56 + x[7], 22);
	const uint64_t s4 = rotl64(x[1] + x23 + x56, 31);
	const uint64_t s5 = rotl64(x[0] + x23 + x[4] + x[5], 40);
	const uint64_t s6 = rotl64(x01 + x56 + x[7], 50);
	const uint64_t s7 = rotl64(x23 + x[4] + x56, 59);

	const uint64_t y01 = y[0] + y[1], y67 = y[6] + y[7], y34 = y[3] + y[4];
	const uint64_t y25 = y[2] + y[5];
	const uint64_t t0 = y01 + y25 + y[7] + 0x5555555555555555ULL;
	const uint64_t t1 = rotl64(y01 + y34 + y[6], 10);
	const uint64_t t2 = rotl64(y01 + y25 + y[3], 19);
	const uint64_t t3 = rotl64(y[2] + y34 + y67, 29);
	const uint64_t t4 = rotl64(y01 + y34 + y[5], 36);
	const uint64_t t5 = rotl64(y25 + y[4] + y67, 44);
	const uint64_t t6 = rotl64(y[1] + y25 + y67, 48);
	const uint64_t t7 = rotl64(y[0] + y34 + y67, 55);

	z[0] = (s0 ^ s1 ^ s4) + (t0 ^ t1 ^ t5);
	z[1] = (s0 ^ s4 ^ s7) + (t2 ^ t6 ^ t7);
	z[2] = (s1 ^ s6 ^ s7) + (t0 ^ t1 ^ t3);
	z[3] = (s2 ^ s3 ^ s4) + (t0 ^ t3 ^ t4);
	z[4] = (s0 ^ s1 ^ s7) + (t1 ^ t2 ^ t5);
	z[5] = (s3 ^ s5 ^ s6) + (t3 ^ t4 ^ t6);
	z[6] = (s2 ^ s5 ^ s6) + (t2 ^ t5 ^ t7);
	z[7] = (s2 ^ s3 ^ s5) + (t4 ^ t6 ^ t7);
}

static void
edonr_block(edonr_state_t *st, const uint8_t *block)
{
	uint64_t m0[EDONR_WORDS], m1[EDONR_WORDS], rev0[EDONR_WORDS], rev1[EDONR_WORDS];
	uint64_t a[EDONR_WORDS], b[EDONR_WORDS];

	for (int i = 0; i < EDONR_WORDS; i++) {
		m0[i] = rev0[7 - i] = load64_le(block + 8 * i);
		m1[i] = rev1[7 - i] = load64_le(block + 64 + 8 * i);
	}
	/* Four rows of two products; each row only needs the one above it. */
	quasigroup(rev1, m0, a);
	quasigroup(a, m1, b);

	quasigroup(st->p1, a, a);
	quasigroup(a, b, b);

	uint64_t a3[EDONR_WORDS];
	quasigroup(a, st->p0, a3);
	quasigroup(b, a3, b);

	quasigroup(rev0, a3, a);
	quasigroup(a, b, b);

	for (int i = 0; i < EDONR_WORDS; i++) {
		st->p0[i] ^= m1[i] ^ a[i];
		st->p1[i] ^= m0[i] ^ b[i];
	}
}

/* The state before anything: the bytes 0x80, 0x81 ... 0xff as big-endian words. */
static void
edonr_init(edonr_state_t *st)
{
	for (uint64_t n = 0; n < EDONR_WORDS; n++) {
		st->p0[n] = 0x8081828384858687ULL + n * 0x0808080808080808ULL;
		st->p1[n] = st->p0[n] + 0x4040404040404040ULL;
	}
}

/* Hash the rest of a message of which `before` bytes (whole blocks) are done. */
static void
edonr_finish(
    edonr_state_t *st, size_t before, const uint8_t *data, size_t size, uint8_t out[64])
{
	uint8_t last[2 * EDONR_BLOCK] = {0};
	const size_t tail = size % EDONR_BLOCK;
	const size_t padded = (tail < EDONR_BLOCK - 8 ? EDONR_BLOCK : 2 * EDONR_BLOCK);

	for (size_t pos = 0; pos < size - tail; pos += EDONR_BLOCK)
		edonr_block(st, data + pos);
	if (tail > 0)
		memcpy(last, data + size - tail, tail);
	last[tail] = 0x80;
	store64_le(last + padded - 8, ((uint64_t)before + size) * 8);
	for (size_t pos = 0; pos < padded; pos += EDONR_BLOCK)
		edonr_block(st, last + pos);
	for (int i = 0; i < EDONR_WORDS; i++)
		store64_le(out + 8 * i, st->p1[i]);
}

void
edonr512_digest(const void *data, size_t size, uint8_t out[64])
{
	edonr_state_t st;

	edonr_init(&st);
	edonr_finish(&st, 0, data, size, out);
}

void
edonr512_prefixed(
    const uint8_t prefix[128], const void *data, size_t size, uint8_t out[64])
{
	edonr_state_t st;

	edonr_init(&st);
	edonr_block(&st, prefix);
	edonr_finish(&st, EDONR_BLOCK, data, size, out);
}
