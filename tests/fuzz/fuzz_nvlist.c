/*
 * Packed name/value lists. What is understood must survive packing in both encodings.
 */
#include <stdlib.h>
#include "nvpair/nvpair.h"
#include "spl/debug.h"
#include "spl/kmem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
repack(const nvlist_t *nvl, int encoding)
{
	uint8_t *first, *second;
	size_t n, m, used;
	nvlist_t *back;

	nvlist_pack(nvl, encoding, &first, &n);
	VERIFY0(nvlist_unpack(first, n, &back, &used));
	VERIFY3U(used, ==, n);
	nvlist_pack(back, encoding, &second, &m);
	VERIFY3U(m, ==, n);
	VERIFY(memcmp(first, second, n) == 0);
	nvlist_free(back);
	kmem_free(first, n);
	kmem_free(second, m);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	nvlist_t *nvl;
	size_t used;

	if (nvlist_unpack(data, size, &nvl, &used) != 0)
		return (0);
	VERIFY3U(used, <=, size);
	repack(nvl, NV_ENCODE_XDR);
	repack(nvl, NV_ENCODE_NATIVE);
	nvlist_free(nvl);
	return (0);
}
