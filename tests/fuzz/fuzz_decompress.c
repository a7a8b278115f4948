/*
 * One decoder (FUZZ_FUNCTION) under hostile streams. Input: three bytes of the size
 * wanted, then the stream. Whatever decodes must survive being encoded again.
 */
#include <stdlib.h>
#include "codec/compress.h"
#include "spl/debug.h"

#define SIZE_MAX_WANTED (256 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t level = 0;

	if (size < 3)
		return (0);
	const size_t want =
	    ((size_t)data[0] | (size_t)data[1] << 8 | (size_t)data[2] << 16) %
	    SIZE_MAX_WANTED;
	uint8_t *const out = malloc(want + 1);
	uint8_t *const again = malloc(want + 1);
	uint8_t *const back = malloc(want + 1);
	VERIFY(out != NULL && again != NULL && back != NULL);
	out[want] = again[want] = 0xee;
	if (zio_decompress_data(FUZZ_FUNCTION, data + 3, out, size - 3, want, &level) ==
	    0) {
		const size_t n =
		    zio_compress_data(FUZZ_FUNCTION, out, again, want, want, 1);
		VERIFY(n <= want);
		if (n < want) {
			VERIFY0(zio_decompress_data(
			    FUZZ_FUNCTION, again, back, n, want, NULL));
			VERIFY(memcmp(out, back, want) == 0);
		}
	}
	VERIFY(out[want] == 0xee && again[want] == 0xee);
	free(out);
	free(again);
	free(back);
	return (0);
}
