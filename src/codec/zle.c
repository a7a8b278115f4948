/*
 * zle, zero length encoding (format/01 §9.5): runs of zeros shrink to a byte, all
 * else is copied. A control byte below 64 says how many literal bytes follow (less
 * one), from 64 on how many zeros it stands for (plus 63).
 */
#include "codec/compress_impl.h"

#define ZLE_LITERALS 64
#define ZLE_ZEROS (256 - ZLE_LITERALS)

/* Zeros at p, at most `max`. */
static size_t
zle_zeros(const uint8_t *p, size_t max)
{
	size_t n = 0;

	while (n < max && p[n] == 0)
		n++;
	return (n);
}

/*
 * Bytes at p, at most `max`, up to the first two zeros in a row: a single zero costs
 * less inside the literals than as a run with new literals behind it.
 */
static size_t
zle_literals(const uint8_t *p, size_t left)
{
	const size_t max = MIN(left, (size_t)ZLE_LITERALS);
	size_t n = 0;

	while (n < max && !(p[n] == 0 && n + 1 < left && p[n + 1] == 0))
		n++;
	return (n);
}

size_t
zle_compress(const uint8_t *src, uint8_t *dst, size_t slen, size_t dlen)
{
	size_t in = 0, out = 0, n;

	for (; in < slen; in += n) {
		n = zle_zeros(src + in, MIN(slen - in, (size_t)ZLE_ZEROS));
		if (n > 0) {
			if (out == dlen)
				return (0);
			dst[out++] = (uint8_t)(ZLE_LITERALS - 1 + n);
			continue;
		}
		n = zle_literals(src + in, slen - in);
		if (dlen - out < 1 + n)
			return (0);
		dst[out++] = (uint8_t)(n - 1);
		memcpy(dst + out, src + in, n);
		out += n;
	}
	return (out);
}

int
zle_decompress(const uint8_t *src, uint8_t *dst, size_t slen, size_t dlen)
{
	size_t in = 0, out = 0, n;

	for (; out < dlen; out += n) {
		if (in == slen)
			return (EIO);
		const uint8_t control = src[in++];
		if (control < ZLE_LITERALS) {
			n = (size_t)control + 1;
			if (n > slen - in || n > dlen - out)
				return (EIO);
			memcpy(dst + out, src + in, n);
			in += n;
		} else {
			n = (size_t)control - ZLE_LITERALS + 1;
			if (n > dlen - out)
				return (EIO);
			memset(dst + out, 0, n);
		}
	}
	return (0);
}
