/*
 * Dispatch by compression id, and what the format adds to the streams: the length
 * in front of lz4 and zstd (format/01 §9.7, §9.8) and the zstd level.
 *
 * A compressed block is stored in whole sectors, its end filled with zeros that are
 * no part of the stream. gzip, lzjb and zle find their end themselves; lz4 and zstd
 * need to be told, hence the prefix.
 */
#include "codec/compress_impl.h"
#include "spl/debug.h"

#define LZ4_PREFIX 4
#define ZSTD_PREFIX 8

const char *const zio_compress_name[ZIO_COMPRESS_FUNCTIONS] = {"inherit", "on", "off",
    "lzjb", "empty", "gzip-1", "gzip-2", "gzip-3", "gzip-4", "gzip-5", "gzip-6",
    "gzip-7", "gzip-8", "gzip-9", "zle", "lz4", "zstd"};

static inline uint32_t
get_be32(const uint8_t *p)
{
	return (
	    (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]);
}

static inline void
put_be32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

/* ------------------------------------------------------------------ zstd levels */

/* The library's level for a code of format/01 §9.8, or 0: no such code. */
static int
zstd_level_of_code(uint8_t code)
{
	if (code >= 1 && code <= 19)
		return (code);
	if (code >= 103 && code <= 112)
		return (-(code - 102));
	if (code >= 113 && code <= 121)
		return (-10 * (code - 111));
	if (code == 122)
		return (-500);
	if (code == 123)
		return (-1000);
	return (0);
}

bool
zio_zstd_level_valid(uint8_t code)
{
	return (zstd_level_of_code(code) != 0);
}

/*
 * Level and version share bytes 4..7. Usually the level comes first and the version
 * big-endian behind it; early big-endian writers had them the other way round. The
 * top byte of a version being zero tells which (format/01 §9.8: the first zero of
 * bytes 7, 6, 5, 4 decides, in this order).
 */
static uint8_t
zstd_level_in_prefix(const uint8_t *prefix)
{
	if (prefix[7] == 0)
		return (prefix[4]);
	if (prefix[6] == 0)
		return (prefix[7]);
	if (prefix[5] == 0)
		return (prefix[4]);
	if (prefix[4] == 0)
		return (prefix[7]);
	return (0);
}

/* --------------------------------------------------------------- with a prefix */

static size_t
lz4_compress(const uint8_t *src, uint8_t *dst, size_t slen, size_t dlen)
{
	if (dlen <= LZ4_PREFIX)
		return (0);
	const size_t n =
	    lz4_block_compress(src, dst + LZ4_PREFIX, slen, dlen - LZ4_PREFIX);
	if (n == 0)
		return (0);
	put_be32(dst, (uint32_t)n);
	return (n + LZ4_PREFIX);
}

static int
lz4_decompress(const uint8_t *src, uint8_t *dst, size_t slen, size_t dlen)
{
	if (slen < LZ4_PREFIX || get_be32(src) > slen - LZ4_PREFIX)
		return (EIO);
	return (lz4_block_decompress(src + LZ4_PREFIX, dst, get_be32(src), dlen));
}

static size_t
zstd_compress(const uint8_t *src, uint8_t *dst, size_t slen, size_t dlen, uint8_t code)
{
	/* Code 0 is the property's default; a block always says its level. */
	const uint8_t stored = (code == ZIO_ZSTD_LEVEL_DEFAULT ? 3 : code);
	const int level = zstd_level_of_code(stored);

	ASSERT(level != 0);
	if (dlen <= ZSTD_PREFIX || level == 0)
		return (0);
	const size_t n = zstd_frame_compress(
	    src, dst + ZSTD_PREFIX, slen, dlen - ZSTD_PREFIX, level);
	if (n == 0)
		return (0);
	put_be32(dst, (uint32_t)n);
	put_be32(dst + 4, (uint32_t)stored << 24 | (zstd_version() & 0xffffff));
	return (n + ZSTD_PREFIX);
}

static int
zstd_decompress(
    const uint8_t *src, uint8_t *dst, size_t slen, size_t dlen, uint8_t *levelp)
{
	if (slen < ZSTD_PREFIX || get_be32(src) > slen - ZSTD_PREFIX)
		return (EIO);
	const uint8_t code = zstd_level_in_prefix(src);
	if (!zio_zstd_level_valid(code))
		return (EIO);
	const int error =
	    zstd_frame_decompress(src + ZSTD_PREFIX, dst, get_be32(src), dlen);
	if (error == 0)
		*levelp = code;
	return (error);
}

/* ---------------------------------------------------------------------- public */

size_t
zio_compress_data(enum zio_compress c, const void *src, void *dst, size_t slen,
    size_t dlen, uint8_t level)
{
	size_t n = 0;

	/* A result as long as the source is no gain; this also bounds all lengths. */
	dlen = MIN(dlen, slen);
	switch (c) {
	case ZIO_COMPRESS_LZJB:
		n = lzjb_compress(src, dst, slen, dlen);
		break;
	case ZIO_COMPRESS_ZLE:
		n = zle_compress(src, dst, slen, dlen);
		break;
	case ZIO_COMPRESS_LZ4:
		n = lz4_compress(src, dst, slen, dlen);
		break;
	case ZIO_COMPRESS_ZSTD:
		n = zstd_compress(src, dst, slen, dlen, level);
		break;
	default:
		ASSERT(c >= ZIO_COMPRESS_GZIP_1 && c <= ZIO_COMPRESS_GZIP_9);
		if (c >= ZIO_COMPRESS_GZIP_1 && c <= ZIO_COMPRESS_GZIP_9)
			n = gzip_compress(
			    src, dst, slen, dlen, (int)c - ZIO_COMPRESS_GZIP_1 + 1);
		break;
	}
	ASSERT3U(n, <=, dlen);
	return (n == 0 ? slen : n);
}

int
zio_decompress_data(enum zio_compress c, const void *src, void *dst, size_t slen,
    size_t dlen, uint8_t *levelp)
{
	uint8_t level = 0;
	int error;

	switch (c) {
	case ZIO_COMPRESS_OFF:
	case ZIO_COMPRESS_EMPTY:
		if (slen < dlen)
			return (EIO);
		if (dlen > 0)
			memcpy(dst, src, dlen);
		error = 0;
		break;
	case ZIO_COMPRESS_LZJB:
		error = lzjb_decompress(src, dst, slen, dlen);
		break;
	case ZIO_COMPRESS_ZLE:
		error = zle_decompress(src, dst, slen, dlen);
		break;
	case ZIO_COMPRESS_LZ4:
		error = lz4_decompress(src, dst, slen, dlen);
		break;
	case ZIO_COMPRESS_ZSTD:
		error = zstd_decompress(src, dst, slen, dlen, &level);
		break;
	default:
		if (c < ZIO_COMPRESS_GZIP_1 || c > ZIO_COMPRESS_GZIP_9)
			return (ENOTSUP);
		error = gzip_decompress(src, dst, slen, dlen);
		break;
	}
	if (error == 0 && levelp != NULL)
		*levelp = level;
	return (error);
}

bool
zio_is_all_zero(const void *data, size_t size)
{
	const uint64_t *const w = data;
	const size_t n = size / sizeof(*w);
	size_t i = 0;

	ASSERT0(size % 8);
	ASSERT0((uintptr_t)data % 8);
	/* Most blocks that are not zero show it in the first words. */
	for (; n - i >= 8; i += 8)
		if ((w[i] | w[i + 1] | w[i + 2] | w[i + 3] | w[i + 4] | w[i + 5] |
			w[i + 6] | w[i + 7]) != 0)
			return (false);
	for (; i < n; i++)
		if (w[i] != 0)
			return (false);
	return (true);
}
