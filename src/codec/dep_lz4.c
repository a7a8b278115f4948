/*
 * LZ4 blocks through liblz4. Only this file knows about it.
 *
 * The block API keeps the rules that OpenZFS's decoder insists on (format/01 §9.7):
 * the last five bytes are literals, no match starts in the last twelve. Its working
 * memory (16 KiB) is on the stack.
 */
#include <lz4.h>
#include "codec/compress_impl.h"

size_t
lz4_block_compress(const uint8_t *src, uint8_t *dst, size_t slen, size_t dlen)
{
	if (slen > LZ4_MAX_INPUT_SIZE)
		return (0);
	const int n = LZ4_compress_default((const char *)src, (char *)dst, (int)slen,
	    (int)MIN(dlen, (size_t)LZ4_MAX_INPUT_SIZE));
	return (n > 0 ? (size_t)n : 0);
}

int
lz4_block_decompress(const uint8_t *src, uint8_t *dst, size_t slen, size_t dlen)
{
	if (slen > LZ4_MAX_INPUT_SIZE || dlen > LZ4_MAX_INPUT_SIZE)
		return (EIO);
	const int n =
	    LZ4_decompress_safe((const char *)src, (char *)dst, (int)slen, (int)dlen);
	return (n >= 0 && (size_t)n == dlen ? 0 : EIO);
}
