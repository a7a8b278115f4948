/*
 * Packing and unpacking: the four-byte header that tells the encoding (format/01 §4.1).
 */
#include "nvpair/nvpair_impl.h"

#include "spl/debug.h"
#include "spl/kmem.h"

#define PACK_HEADER 4
#define HOST_ENDIAN ZFS_HOST_BYTEORDER /* 1 little, 0 big: the same numbers */

const uint8_t *
nv_read(nv_reader_t *r, uint64_t n)
{
	const uint8_t *p = r->r_ptr;

	if (n > r->r_left)
		return (NULL);
	r->r_ptr += n;
	r->r_left -= n;
	return (p);
}

size_t
nvlist_size(const nvlist_t *nvl, int encoding)
{
	return (PACK_HEADER + (encoding == NV_ENCODE_XDR ? nv_xdr_list_size(nvl)
							 : nv_native_list_size(nvl)));
}

void
nvlist_pack(const nvlist_t *nvl, int encoding, uint8_t **bufp, size_t *sizep)
{
	const size_t size = nvlist_size(nvl, encoding);
	uint8_t *buf, *end;

	VERIFY(encoding == NV_ENCODE_XDR || encoding == NV_ENCODE_NATIVE);
	VERIFY3U(size, <=, NV_MAX_SIZE);
	buf = kmem_alloc(size, KM_SLEEP);
	buf[0] = (uint8_t)encoding;
	buf[1] = HOST_ENDIAN;
	buf[2] = buf[3] = 0;
	if (encoding == NV_ENCODE_XDR)
		end = nv_xdr_encode(nvl, buf + PACK_HEADER);
	else
		end = nv_native_encode(nvl, buf + PACK_HEADER);
	VERIFY3P(end, ==, buf + size);
	*bufp = buf;
	*sizep = size;
}

int
nvlist_unpack(const void *buf, size_t size, nvlist_t **nvlp, size_t *usedp)
{
	nv_reader_t r = {buf, size};
	const uint8_t *header = nv_read(&r, PACK_HEADER);
	nvlist_t *nvl;
	int error;

	if (header == NULL || size > NV_MAX_SIZE)
		return (EFAULT);
	if (header[0] != NV_ENCODE_XDR && header[0] != NV_ENCODE_NATIVE)
		return (ENOTSUP);
	if (header[0] == NV_ENCODE_NATIVE && header[1] != HOST_ENDIAN)
		return (ENOTSUP);
	nvl = nvlist_create();
	if (header[0] == NV_ENCODE_XDR)
		error = nv_xdr_decode(&r, nvl, 0);
	else
		error = nv_native_decode(&r, nvl);
	if (error != 0) {
		nvlist_free(nvl);
		return (error);
	}
	*nvlp = nvl;
	if (usedp != NULL)
		*usedp = size - r.r_left;
	return (0);
}
