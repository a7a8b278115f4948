/*
 * Verification of trailers and intent log blocks: they read sizes out of the bytes
 * they check. A hostile block must not verify by itself, and never be written to.
 */
#include <stdlib.h>
#include "codec/checksum.h"
#include "spl/debug.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum zio_checksum forms[] = {
	    ZIO_CHECKSUM_ZILOG, ZIO_CHECKSUM_ZILOG2};
	const zio_cksum_t verifier = {{0x1234567890abcdef, 2, 3, 4}};
	uint8_t *const block = calloc(1, size > 0 ? size : 1);
	bool swapped;

	VERIFY(block != NULL);
	if (size > 0)
		memcpy(block, data, size);
	(void)zio_checksum_trailer_verify(block, size, &verifier, &swapped);
	(void)zio_checksum_trailer_verify_folded(block, size, &verifier, &swapped);
	for (int i = 0; i < 2; i++) {
		(void)zio_checksum_zil_verify(
		    forms[i], block, size, &verifier, &swapped);
		(void)zio_checksum_zil_verify_folded(
		    forms[i], block, size, &verifier, &swapped);
	}
	VERIFY(size == 0 || memcmp(block, data, size) == 0);
	/* What we complete verifies, if it can be completed at all. */
	for (int i = 0; i < 2; i++)
		if (zio_checksum_zil_put(forms[i], block, size, &verifier) == 0)
			VERIFY0(zio_checksum_zil_verify(
			    forms[i], block, size, &verifier, NULL));
	if (size >= ZEC_SIZE) {
		zio_checksum_trailer_put(block, size, &verifier);
		VERIFY0(zio_checksum_trailer_verify(block, size, &verifier, NULL));
	}
	free(block);
	return (0);
}
