/*
 * gzip-N through zlib. Only this file knows about it.
 *
 * "gzip" is a historic name: the stream is zlib's (RFC 1950) with its usual window
 * and memory level, made in one call (format/01 §9.6). The state of a deflate stream
 * is 256 KiB that must be allocated and cleared; streams are constructed objects of
 * kmem caches, which reuse only resets.
 */
#define ZLIB_CONST
#include <limits.h>
#include <pthread.h>
#include <zlib.h>
#include "codec/compress_impl.h"
#include "spl/debug.h"

#define GZIP_WINDOW_BITS 15
#define GZIP_MEM_LEVEL 8

static pthread_once_t gzip_once = PTHREAD_ONCE_INIT;
static kmem_cache_t *gzip_deflate_cache, *gzip_inflate_cache;

static voidpf
gzip_alloc(voidpf opaque, uInt items, uInt size)
{
	return (dep_alloc((size_t)items * size));
}

static void
gzip_free(voidpf opaque, voidpf buf)
{
	dep_free(buf);
}

static int
gzip_deflate_construct(void *buf, void *arg, int kmflags)
{
	z_stream *const zs = buf;

	*zs = (z_stream){.zalloc = gzip_alloc, .zfree = gzip_free};
	return (deflateInit2(zs, 6, Z_DEFLATED, GZIP_WINDOW_BITS, GZIP_MEM_LEVEL,
		    Z_DEFAULT_STRATEGY) == Z_OK
		    ? 0
		    : -1);
}

static void
gzip_deflate_destruct(void *buf, void *arg)
{
	(void)deflateEnd(buf);
}

static int
gzip_inflate_construct(void *buf, void *arg, int kmflags)
{
	z_stream *const zs = buf;

	*zs = (z_stream){.zalloc = gzip_alloc, .zfree = gzip_free};
	return (inflateInit2(zs, GZIP_WINDOW_BITS) == Z_OK ? 0 : -1);
}

static void
gzip_inflate_destruct(void *buf, void *arg)
{
	(void)inflateEnd(buf);
}

static void
gzip_setup(void)
{
	gzip_deflate_cache = kmem_cache_create("gzip_deflate", sizeof(z_stream), 0,
	    gzip_deflate_construct, gzip_deflate_destruct, NULL, NULL, NULL, 0);
	gzip_inflate_cache = kmem_cache_create("gzip_inflate", sizeof(z_stream), 0,
	    gzip_inflate_construct, gzip_inflate_destruct, NULL, NULL, NULL, 0);
}

static void
gzip_buffers(z_stream *zs, const uint8_t *src, uint8_t *dst, size_t slen, size_t dlen)
{
	zs->next_in = src;
	zs->avail_in = (uInt)slen;
	zs->next_out = dst;
	zs->avail_out = (uInt)dlen;
}

size_t
gzip_compress(const uint8_t *src, uint8_t *dst, size_t slen, size_t dlen, int level)
{
	size_t n = 0;

	if (slen > INT_MAX || dlen > INT_MAX)
		return (0);
	pthread_once(&gzip_once, gzip_setup);
	z_stream *const zs = kmem_cache_alloc(gzip_deflate_cache, KM_SLEEP);
	VERIFY(deflateReset(zs) == Z_OK);
	gzip_buffers(zs, src, dst, slen, dlen);
	/* Directly after a reset, deflateParams only changes the level. */
	if (deflateParams(zs, level, Z_DEFAULT_STRATEGY) == Z_OK &&
	    deflate(zs, Z_FINISH) == Z_STREAM_END)
		n = dlen - zs->avail_out;
	kmem_cache_free(gzip_deflate_cache, zs);
	return (n);
}

int
gzip_decompress(const uint8_t *src, uint8_t *dst, size_t slen, size_t dlen)
{
	int error = EIO;

	if (slen > INT_MAX || dlen > INT_MAX)
		return (EIO);
	pthread_once(&gzip_once, gzip_setup);
	z_stream *const zs = kmem_cache_alloc(gzip_inflate_cache, KM_SLEEP);
	VERIFY(inflateReset(zs) == Z_OK);
	gzip_buffers(zs, src, dst, slen, dlen);
	/* The end of the stream includes its Adler-32 of all that was written. */
	if (inflate(zs, Z_FINISH) == Z_STREAM_END && zs->avail_out == 0)
		error = 0;
	kmem_cache_free(gzip_inflate_cache, zs);
	return (error);
}
