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

/*
 * The cipher is written with eight variables instead of an array: compilers keep
 * those in registers, which is most of its speed.
 */
#define MIX(a, b, r)                                                                   \
	do {                                                                           \
		a += b;                                                                \
		b = rotl64(b, r) ^ a;                                                  \
	} while (0)

/*
 * Four rounds. The permutation of the words between rounds (2 1 4 7 6 5 0 3) is done
 * by naming the words differently; after four rounds it is the identity again.
 */
#define ROUNDS4(                                                                       \
    r00, r01, r02, r03, r10, r11, r12, r13, r20, r21, r22, r23, r30, r31, r32, r33)    \
	do {                                                                           \
		MIX(x0, x1, r00);                                                      \
		MIX(x2, x3, r01);                                                      \
		MIX(x4, x5, r02);                                                      \
		MIX(x6, x7, r03);                                                      \
		MIX(x2, x1, r10);                                                      \
		MIX(x4, x7, r11);                                                      \
		MIX(x6, x5, r12);                                                      \
		MIX(x0, x3, r13);                                                      \
		MIX(x4, x1, r20);                                                      \
		MIX(x6, x3, r21);                                                      \
		MIX(x0, x5, r22);                                                      \
		MIX(x2, x7, r23);                                                      \
		MIX(x6, x1, r30);                                                      \
		MIX(x0, x7, r31);                                                      \
		MIX(x2, x5, r32);                                                      \
		MIX(x4, x3, r33);                                                      \
	} while (0)

/* Add subkey s: nine key words and three tweak words in rotation, and s itself. */
#define ADD_SUBKEY(s)                                                                  \
	do {                                                                           \
		x0 += k[(s) % 9];                                                      \
		x1 += k[((s) + 1) % 9];                                                \
		x2 += k[((s) + 2) % 9];                                                \
		x3 += k[((s) + 3) % 9];                                                \
		x4 += k[((s) + 4) % 9];                                                \
		x5 += k[((s) + 5) % 9] + t[(s) % 3];                                   \
		x6 += k[((s) + 6) % 9] + t[((s) + 1) % 3];                             \
		x7 += k[((s) + 7) % 9] + (s);                                          \
	} while (0)

#define ROUNDS8(s)                                                                     \
	do {                                                                           \
		ADD_SUBKEY(s);                                                         \
		ROUNDS4(                                                               \
		    46, 36, 19, 37, 33, 27, 14, 42, 17, 49, 36, 39, 44, 9, 54, 56);    \
		ADD_SUBKEY((s) + 1);                                                   \
		ROUNDS4(                                                               \
		    39, 30, 34, 24, 13, 50, 10, 17, 25, 29, 39, 43, 8, 35, 56, 22);    \
	} while (0)

/* One UBI step: g = Threefish-512(key g, tweak, block) xor block. */
static void
ubi_block(uint64_t g[SKEIN_WORDS], const uint8_t *block, uint64_t pos, uint64_t kind)
{
	const uint64_t t[3] = {pos, kind, pos ^ kind};
	uint64_t k[9], w[SKEIN_WORDS];

	k[8] = THREEFISH_PARITY;
	for (int i = 0; i < SKEIN_WORDS; i++) {
		k[i] = g[i];
		k[8] ^= g[i];
		w[i] = load64_le(block + 8 * i);
	}
	uint64_t x0 = w[0], x1 = w[1], x2 = w[2], x3 = w[3];
	uint64_t x4 = w[4], x5 = w[5], x6 = w[6], x7 = w[7];
	ROUNDS8(0);
	ROUNDS8(2);
	ROUNDS8(4);
	ROUNDS8(6);
	ROUNDS8(8);
	ROUNDS8(10);
	ROUNDS8(12);
	ROUNDS8(14);
	ROUNDS8(16);
	ADD_SUBKEY(18);
	g[0] = x0 ^ w[0];
	g[1] = x1 ^ w[1];
	g[2] = x2 ^ w[2];
	g[3] = x3 ^ w[3];
	g[4] = x4 ^ w[4];
	g[5] = x5 ^ w[5];
	g[6] = x6 ^ w[6];
	g[7] = x7 ^ w[7];
}

/* A whole string. The last block may be short (zero padded), and exists even if empty.
 */
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
