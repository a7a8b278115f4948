/*
 * zstd frames through libzstd. Only this file knows about it.
 *
 * The format wants frames without magic, content size and checksum (format/01 §9.8);
 * the block pointer has all of that already. "Magicless" is a parameter that the
 * library's header keeps among the experimental ones; it has been stable since 1.4.
 *
 * A compression context is up to tens of megabytes, and setting one up costs more
 * than compressing a small block. Contexts are constructed objects of a kmem cache:
 * a thread takes one, uses it and gives it back, ready for the next; only the small
 * ones are kept as they are, the memory of the others goes back. Decompression
 * is always in one pass into a buffer of known size, so that the window size and
 * content size a frame claims allocate nothing.
 */
#define ZSTD_STATIC_LINKING_ONLY
#include <pthread.h>
#include <zstd.h>
#include "codec/compress_impl.h"
#include "spl/debug.h"

/* A context grown beyond this by a high level and a large block is not kept. */
#define ZSTD_KEEP_MAX (16 << 20)

typedef struct zstd_slot {
	ZSTD_CCtx *cctx;
	ZSTD_DCtx *dctx;
} zstd_slot_t;

static pthread_once_t zstd_once = PTHREAD_ONCE_INIT;
static kmem_cache_t *zstd_cctx_cache, *zstd_dctx_cache;

static void *
zstd_alloc(void *opaque, size_t size)
{
	return (dep_alloc(size));
}

static void
zstd_free(void *opaque, void *buf)
{
	dep_free(buf);
}

static const ZSTD_customMem zstd_mem = {zstd_alloc, zstd_free, NULL};

static int
zstd_slot_construct(void *buf, void *arg, int kmflags)
{
	zstd_slot_t *const slot = buf;
	const bool compress = (arg != NULL);

	memset(slot, 0, sizeof(*slot));
	if (compress)
		slot->cctx = ZSTD_createCCtx_advanced(zstd_mem);
	else
		slot->dctx = ZSTD_createDCtx_advanced(zstd_mem);
	return (slot->cctx != NULL || slot->dctx != NULL ? 0 : -1);
}

static void
zstd_slot_destruct(void *buf, void *arg)
{
	zstd_slot_t *const slot = buf;

	ZSTD_freeCCtx(slot->cctx); /* NULL is fine */
	ZSTD_freeDCtx(slot->dctx);
}

static void
zstd_setup(void)
{
	static int compress; /* its address says which kind */

	zstd_cctx_cache = kmem_cache_create("zstd_cctx", sizeof(zstd_slot_t), 0,
	    zstd_slot_construct, zstd_slot_destruct, NULL, &compress, NULL, 0);
	zstd_dctx_cache = kmem_cache_create("zstd_dctx", sizeof(zstd_slot_t), 0,
	    zstd_slot_construct, zstd_slot_destruct, NULL, NULL, NULL, 0);
}

static bool
zstd_set_parameters(ZSTD_CCtx *cctx, int level)
{
	return (
	    !ZSTD_isError(ZSTD_CCtx_reset(cctx, ZSTD_reset_session_and_parameters)) &&
	    !ZSTD_isError(
		ZSTD_CCtx_setParameter(cctx, ZSTD_c_compressionLevel, level)) &&
	    !ZSTD_isError(
		ZSTD_CCtx_setParameter(cctx, ZSTD_c_format, ZSTD_f_zstd1_magicless)) &&
	    !ZSTD_isError(ZSTD_CCtx_setParameter(cctx, ZSTD_c_contentSizeFlag, 0)) &&
	    !ZSTD_isError(ZSTD_CCtx_setParameter(cctx, ZSTD_c_checksumFlag, 0)));
}

size_t
zstd_frame_compress(
    const uint8_t *src, uint8_t *dst, size_t slen, size_t dlen, int level)
{
	pthread_once(&zstd_once, zstd_setup);
	zstd_slot_t *const slot = kmem_cache_alloc(zstd_cctx_cache, KM_SLEEP);
	size_t n = 0;

	if (zstd_set_parameters(slot->cctx, level)) {
		n = ZSTD_compress2(slot->cctx, dst, dlen, src, slen);
		if (ZSTD_isError(n))
			n = 0; /* does not fit */
	}
	if (ZSTD_sizeof_CCtx(slot->cctx) > ZSTD_KEEP_MAX) {
		ZSTD_freeCCtx(slot->cctx);
		slot->cctx = ZSTD_createCCtx_advanced(zstd_mem);
		VERIFY(slot->cctx != NULL);
	}
	kmem_cache_free(zstd_cctx_cache, slot);
	return (n);
}

int
zstd_frame_decompress(const uint8_t *src, uint8_t *dst, size_t slen, size_t dlen)
{
	pthread_once(&zstd_once, zstd_setup);
	zstd_slot_t *const slot = kmem_cache_alloc(zstd_dctx_cache, KM_SLEEP);
	int error = EIO;

	if (!ZSTD_isError(ZSTD_DCtx_reset(slot->dctx, ZSTD_reset_session_only)) &&
	    !ZSTD_isError(ZSTD_DCtx_setParameter(
		slot->dctx, ZSTD_d_format, ZSTD_f_zstd1_magicless))) {
		const size_t n = ZSTD_decompressDCtx(slot->dctx, dst, dlen, src, slen);
		if (!ZSTD_isError(n) && n == dlen)
			error = 0;
	}
	kmem_cache_free(zstd_dctx_cache, slot);
	return (error);
}

uint32_t
zstd_version(void)
{
	return (ZSTD_versionNumber());
}
