/*
 * Skein-512-256 as a MAC (The Skein Hash Function Family, version 1.3; format/01
 * §8.3). Skein chains the tweakable block cipher Threefish-512: each message block
 * is encrypted under the chain value, with a tweak that says which byte position
 * and which kind of input this is, and XORed to the result ("UBI"). The MAC is a
 * chain of four such strings: key, configuration, message, output.
 */
#include "codec/checksum_impl.h"

#define SKEIN_BLOCK 64
#define SKEIN_WORDS 8

/* Kinds of input, bits 56..61 of the second tweak word; and the end flags. */
#define SKEIN_KEY (0ULL << 56)
#define SKEIN_CONFIG (4ULL << 56)
#define SKEIN_MESSAGE (48ULL << 56)
#define SKEIN_OUTPUT (63ULL << 56)
#define SKEIN_FIRST (1ULL << 62)
#define SKEIN_FINAL (1ULL << 63)

#define THREEFISH_PARITY 0x1bd11bdaa9fc1a22ULL

static inline __attribute__((always_inline)) void
mix(uint64_t *a, uint64_t *b, int r)
{
	*a += *b;
	*b = rotl64(*b, r) ^ *a;
}

/*
 * Four rounds with rotation amounts r (rounds d and d+4 have different ones). The
 * permutation of the words between rounds (2 1 4 7 6 5 0 3) is done by naming the
 * words differently; after four rounds it is the identity again.
 */
static inline __attribute__((always_inline)) void
rounds4(uint64_t x[SKEIN_WORDS], const int r[16])
{
	mix(&x[0], &x[1], r[0]);
	mix(&x[2], &x[3], r[1]);
	mix(&x[4], &x[5], r[2]);
	mix(&x[6], &x[7], r[3]);

	mix(&x[2], &x[1], r[4]);
	mix(&x[4], &x[7], r[5]);
	mix(&x[6], &x[5], r[6]);
	mix(&x[0], &x[3], r[7]);

	mix(&x[4], &x[1], r[8]);
	mix(&x[6], &x[3], r[9]);
	mix(&x[0], &x[5], r[10]);
	mix(&x[2], &x[7], r[11]);

	mix(&x[6], &x[1], r[12]);
	mix(&x[0], &x[7], r[13]);
	mix(&x[2], &x[5], r[14]);
	mix(&x[4], &x[3], r[15]);
}

/* Add subkey s: nine key words and three tweak words in rotation, and s itself. */
static inline __attribute__((always_inline)) void
add_subkey(uint64_t x[SKEIN_WORDS], const uint64_t k[9], const uint64_t t[3], unsigned s)
{
	for (unsigned i = 0; i < SKEIN_WORDS; i++)
		x[i] += k[(s + i) % 9];
	x[5] += t[s % 3];
	x[6] += t[(s + 1) % 3];
	x[7] += s;
}

/* One UBI step: g = Threefish-512(key g, tweak, block) xor block. */
static void
ubi_block(uint64_t g[SKEIN_WORDS], const uint8_t *block, uint64_t pos, uint64_t kind)
{
	static const int even[16] = {
	    46, 36, 19, 37, 33, 27, 14, 42, 17, 49, 36, 39, 44, 9, 54, 56};
	static const int odd[16] = {
	    39, 30, 34, 24, 13, 50, 10, 17, 25, 29, 39, 43, 8, 35, 56, 22};
	const uint64_t t[3] = {pos, kind, pos ^ kind};
	uint64_t k[9], w[SKEIN_WORDS], x[SKEIN_WORDS];

	k[8] = THREEFISH_PARITY;
	for (int i = 0; i < SKEIN_WORDS; i++) {
		k[i] = g[i];
		k[8] ^= g[i];
		x[i] = w[i] = load64_le(block + 8 * i);
	}
	/* Unrolled, so that the subkey indices become constants. */
#pragma GCC unroll 9
	for (unsigned s = 0; s < 18; s += 2) {
		add_subkey(x, k, t, s);
		rounds4(x, even);
		add_subkey(x, k, t, s + 1);
		rounds4(x, odd);
	}
	add_subkey(x, k, t, 18);
	for (int i = 0; i < SKEIN_WORDS; i++)
		g[i] = x[i] ^ w[i];
}

/* A whole string. The last block may be short (zero padded), and exists even if empty. */
static void
ubi(uint64_t g[SKEIN_WORDS], const uint8_t *data, size_t size, uint64_t kind)
{
	uint8_t last[SKEIN_BLOCK] = {0};
	uint64_t flags = kind | SKEIN_FIRST;
	size_t pos = 0;

	while (size - pos > SKEIN_BLOCK) {
		ubi_block(g, data + pos, pos + SKEIN_BLOCK, flags);
		pos += SKEIN_BLOCK;
		flags = kind;
	}
	if (size > pos)
		memcpy(last, data + pos, size - pos);
	ubi_block(g, last, size, flags | SKEIN_FINAL);
}

/* key == NULL: the plain hash, for which test vectors are published. */
void
skein512_256_mac(const void *data, size_t size, const uint8_t key[32], uint8_t out[32])
{
	/* "SHA3", version 1, output of 256 bits, no tree. */
	static const uint8_t config[32] = {'S', 'H', 'A', '3', 1, 0, 0, 0, 0, 1};
	static const uint8_t counter[8] = {0};
	uint64_t g[SKEIN_WORDS] = {0};

	if (key != NULL)
		ubi(g, key, 32, SKEIN_KEY);
	ubi(g, config, sizeof(config), SKEIN_CONFIG);
	ubi(g, data, size, SKEIN_MESSAGE);
	ubi(g, counter, sizeof(counter), SKEIN_OUTPUT);
	for (int i = 0; i < 4; i++)
		store64_le(out + 8 * i, g[i]);
}
