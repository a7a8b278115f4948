/*
 * CRC-64/ECMA-182, reflected, without initial or final inversion: the hash under
 * ZAP keys (format/02 §2.2). The caller gives the salt as the start value and cuts
 * the result to the ZAP's number of bits.
 */
#ifndef TARN_CODEC_CRC64_H
#define TARN_CODEC_CRC64_H

#include "spl/types.h"

#define CRC64_POLY 0xC96C5795D7870F42ULL

/* Continue the CRC `crc` over len bytes; data may be NULL if len is 0. */
uint64_t crc64(uint64_t crc, const void *data, size_t len);
/* The same over the 8 bytes of a word, least significant first, on any host. */
uint64_t crc64_word(uint64_t crc, uint64_t word);

#endif
