/*
 * Insides shared by the files of the compression functions.
 *
 * Encoders return the number of bytes produced, or 0 if the result does not fit
 * into dlen bytes. Decoders return 0, or EIO unless the stream gives exactly dlen
 * bytes; they read nothing outside [src, src+slen) whatever the stream says.
 */
#ifndef TARN_CODEC_COMPRESS_IMPL_H
#define TARN_CODEC_COMPRESS_IMPL_H

#include "codec/compress.h"
#include "spl/bits.h"
#include "spl/kmem.h"

size_t lzjb_compress(const uint8_t *src, uint8_t *dst, size_t slen, size_t dlen);
int lzjb_decompress(const uint8_t *src, uint8_t *dst, size_t slen, size_t dlen);

size_t zle_compress(const uint8_t *src, uint8_t *dst, size_t slen, size_t dlen);
int zle_decompress(const uint8_t *src, uint8_t *dst, size_t slen, size_t dlen);

/* One raw LZ4 block, without our prefix (dep_lz4.c). */
size_t lz4_block_compress(const uint8_t *src, uint8_t *dst, size_t slen, size_t dlen);
int lz4_block_decompress(const uint8_t *src, uint8_t *dst, size_t slen, size_t dlen);

/* One magicless zstd frame, without our prefix; `level` is the library's (dep_zstd.c).
 */
size_t zstd_frame_compress(
    const uint8_t *src, uint8_t *dst, size_t slen, size_t dlen, int level);
int zstd_frame_decompress(const uint8_t *src, uint8_t *dst, size_t slen, size_t dlen);
/* The library's version, 10504 for 1.5.4. */
uint32_t zstd_version(void);

/* A zlib stream, level 1..9; what follows its end is ignored (dep_zlib.c). */
size_t gzip_compress(
    const uint8_t *src, uint8_t *dst, size_t slen, size_t dlen, int level);
int gzip_decompress(const uint8_t *src, uint8_t *dst, size_t slen, size_t dlen);

/*
 * kmem for libraries that free without saying the size: it stands in front. What
 * they ask for is bounded by their own parameters, never by the data.
 */
#define DEP_ALLOC_HDR 16 /* keeps the alignment */

static inline void *
dep_alloc(size_t size)
{
	const uint64_t total = (uint64_t)size + DEP_ALLOC_HDR;
	uint8_t *const p = kmem_alloc(total, KM_SLEEP);

	memcpy(p, &total, sizeof(total));
	return (p + DEP_ALLOC_HDR);
}

static inline void
dep_free(void *buf)
{
	uint64_t total;

	if (buf == NULL)
		return;
	uint8_t *const p = (uint8_t *)buf - DEP_ALLOC_HDR;
	memcpy(&total, p, sizeof(total));
	kmem_free(p, (size_t)total);
}

#endif
