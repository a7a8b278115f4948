/*
 * lzjb, the first compression of ZFS (format/01 §9.4). Groups of a mask byte and
 * eight items, literal bytes or matches; no length, no end mark: the decoder stops
 * when the block is full.
 */
#include "codec/compress_impl.h"

#define LZJB_MATCH_MIN 3
#define LZJB_MATCH_MAX 66
#define LZJB_DISTANCE_MAX 1023
#define LZJB_TABLE 1024
/* A mask byte and eight matches: what a group may need, and one byte more. */
#define LZJB_ROOM (1 + 8 * 2 + 1)

static inline uint32_t
lzjb_hash(const uint8_t *p)
{
	uint32_t h = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];

	h += h >> 9;
	h += h >> 5;
	return (h % LZJB_TABLE);
}

/*
 * The length of the match of src[at..] with the place where its first bytes were
 * seen last, or 0. At least LZJB_MATCH_MAX bytes remain at src[at].
 *
 * Any match is legal; this takes the ones OpenZFS takes, so that equal blocks stay
 * equal on disk. There, a place is only known modulo 1024, and a place never filled
 * in counts as position 0: what stands that far back is compared, whatever it is.
 */
static size_t
lzjb_match(const uint8_t *src, size_t at, uint32_t *seen, size_t *distance)
{
	uint32_t *const slot = &seen[lzjb_hash(src + at)];
	const size_t back = (at - *slot) % (LZJB_DISTANCE_MAX + 1);
	const uint8_t *const a = src + at, *const b = a - back;
	size_t len = LZJB_MATCH_MIN;

	*slot = (uint32_t)at;
	if (back == 0 || a[0] != b[0] || a[1] != b[1] || a[2] != b[2])
		return (0);
	while (len < LZJB_MATCH_MAX && a[len] == b[len])
		len++;
	*distance = back;
	return (len);
}

size_t
lzjb_compress(const uint8_t *src, uint8_t *dst, size_t slen, size_t dlen)
{
	uint32_t seen[LZJB_TABLE] = {0};
	size_t in = 0, out = 0, mask = 0, distance = 0;

	if (slen > UINT32_MAX)
		return (0);
	for (unsigned bit = 0; in < slen; bit = (bit + 1) % 8) {
		if (bit == 0) {
			if (dlen - out < LZJB_ROOM)
				return (0);
			mask = out;
			dst[out++] = 0;
		}
		const size_t len = (slen - in < LZJB_MATCH_MAX)
				       ? 0
				       : lzjb_match(src, in, seen, &distance);
		if (len == 0) {
			dst[out++] = src[in++];
			continue;
		}
		dst[mask] |= (uint8_t)(1U << bit);
		dst[out++] = (uint8_t)((len - LZJB_MATCH_MIN) << 2 | distance >> 8);
		dst[out++] = (uint8_t)distance;
		in += len;
	}
	return (out);
}

int
lzjb_decompress(const uint8_t *src, uint8_t *dst, size_t slen, size_t dlen)
{
	size_t in = 0, out = 0;
	unsigned mask = 0;

	for (unsigned bit = 0; out < dlen; bit = (bit + 1) % 8) {
		if (bit == 0) {
			if (in == slen)
				return (EIO);
			mask = src[in++];
		}
		if ((mask >> bit & 1) == 0) {
			if (in == slen)
				return (EIO);
			dst[out++] = src[in++];
			continue;
		}
		if (slen - in < 2)
			return (EIO);
		const size_t distance = (size_t)(src[in] & 3) << 8 | src[in + 1];
		size_t len = (size_t)(src[in] >> 2) + LZJB_MATCH_MIN;
		in += 2;
		if (distance == 0 || distance > out)
			return (EIO);
		/* The block may end inside a match. Byte by byte: it may overlap
		 * itself. */
		len = MIN(len, dlen - out);
		for (const size_t end = out + len; out < end; out++)
			dst[out] = dst[out - distance];
	}
	return (0);
}
