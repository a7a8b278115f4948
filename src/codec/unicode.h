/*
 * UTF-8 names: validity, and the text preparation under which normalizing and
 * case-insensitive directories hash and compare (format/04 §3.4, §3.5).
 */
#ifndef TARN_CODEC_UNICODE_H
#define TARN_CODEC_UNICODE_H

#include "spl/types.h"

/*
 * Flags of u8_textprep(): the values of a ZAP's normflags and, without TOUPPER, of
 * the property `normalization` (format/04 §3.3).
 */
#define U8_TEXTPREP_TOUPPER 0x02 /* simple (one to one) upper case */
#define U8_TEXTPREP_CANON 0x10	 /* canonical decomposition */
#define U8_TEXTPREP_COMPAT 0x20	 /* compatibility decomposition; wins over CANON */
#define U8_TEXTPREP_COMPOSE 0x40 /* compose what was decomposed; needs one of them */
#define U8_TEXTPREP_NFD U8_TEXTPREP_CANON
#define U8_TEXTPREP_NFC (U8_TEXTPREP_CANON | U8_TEXTPREP_COMPOSE)
#define U8_TEXTPREP_NFKD U8_TEXTPREP_COMPAT
#define U8_TEXTPREP_NFKC (U8_TEXTPREP_COMPAT | U8_TEXTPREP_COMPOSE)

/* 0, or EILSEQ if the bytes are not UTF-8 (unassigned characters are fine). */
int u8_validate(const char *in, size_t inlen);

/*
 * Prepare `inlen` bytes (no terminator) by Unicode 5.0 data. *outlen is the room at
 * `out` in bytes, afterwards the length written; no terminator is added. `in` and
 * `out` must not overlap. Other flags than the above are ignored.
 *   E2BIG   the result does not fit; for a ZAP name this is ENOTSUP
 *   EILSEQ  with a decomposition, the last sequence processed was no UTF-8; the same
 * On error *outlen is unchanged and the bytes at out are undefined. Bytes that are no
 * UTF-8 are otherwise copied as they are.
 */
int u8_textprep(const char *in, size_t inlen, int flags, char *out, size_t *outlen);

#endif
