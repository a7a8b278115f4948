/*
 * Block compression. Pure functions. Source: format/01 §9.
 */
#ifndef TARN_CODEC_COMPRESS_H
#define TARN_CODEC_COMPRESS_H

#include "spl/types.h"

enum zio_compress {
	ZIO_COMPRESS_INHERIT = 0,
	ZIO_COMPRESS_ON,
	ZIO_COMPRESS_OFF,
	ZIO_COMPRESS_LZJB,
	ZIO_COMPRESS_EMPTY,
	ZIO_COMPRESS_GZIP_1,
	ZIO_COMPRESS_GZIP_2,
	ZIO_COMPRESS_GZIP_3,
	ZIO_COMPRESS_GZIP_4,
	ZIO_COMPRESS_GZIP_5,
	ZIO_COMPRESS_GZIP_6,
	ZIO_COMPRESS_GZIP_7,
	ZIO_COMPRESS_GZIP_8,
	ZIO_COMPRESS_GZIP_9,
	ZIO_COMPRESS_ZLE,
	ZIO_COMPRESS_LZ4,
	ZIO_COMPRESS_ZSTD,
	ZIO_COMPRESS_FUNCTIONS
};

/* Names as zdb prints them ("lz4", "gzip-6", "zstd", "uncompressed" is the caller's).
 */
extern const char *const zio_compress_name[ZIO_COMPRESS_FUNCTIONS];

/* Level codes of zstd as in the property (format/03 §3.2); 0 = default (3). */
#define ZIO_ZSTD_LEVEL_DEFAULT 0
/* Is this a level code that may stand in a zstd header? */
bool zio_zstd_level_valid(uint8_t code);

/*
 * Compress `slen` bytes into dst, at most `dlen` bytes (format/01 §9.2: the caller
 * passes its own limit). Returns the number of bytes produced (with the lz4/zstd
 * prefix), or slen if it does not fit into dlen (dst is then undefined).
 * `level` is the zstd level code. c must be a compressing function (LZJB, GZIP, ZLE,
 * LZ4, ZSTD).
 */
size_t zio_compress_data(enum zio_compress c, const void *src, void *dst, size_t slen,
    size_t dlen, uint8_t level);

/*
 * Decompress hostile bytes: reads at most slen, writes exactly dlen bytes.
 * EIO if the stream is damaged or does not produce exactly dlen bytes; ENOTSUP unknown
 * function. OFF copies (slen >= dlen needed). *levelp (may be NULL): the zstd level
 * code found, else 0.
 */
int zio_decompress_data(enum zio_compress c, const void *src, void *dst, size_t slen,
    size_t dlen, uint8_t *levelp);

/* Are all bytes zero? size is a multiple of 8, data 8-byte aligned. */
bool zio_is_all_zero(const void *data, size_t size);

#endif
