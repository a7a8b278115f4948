/* The tables of unicode_tables.c. */
#ifndef TARN_CODEC_UNICODE_IMPL_H
#define TARN_CODEC_UNICODE_IMPL_H

#include "codec/unicode.h"

/*
 * Characters are found through a table of pages of 64; those from U8_PAGES * 64 on,
 * and all that nothing is known about, have record 0.
 */
#define U8_PAGE 64
#define U8_PAGES 3049

/* The longest decomposition of any character, and of one with a combining class. */
#define U8_DECOMP_MAX 18
#define U8_DECOMP_MARK_MAX 2

typedef struct u8_char {
	uint32_t uc_upper;  /* simple upper case, 0: itself */
	uint16_t uc_canon;  /* full decompositions: index of length and characters in */
	uint16_t uc_compat; /* u8_decompositions, 0: itself */
	uint16_t uc_compose; /* pairs this one begins: index into u8_composites */
	uint8_t uc_ncompose; /* and their number, sorted by the second character */
	uint8_t uc_class;    /* canonical combining class */
} u8_char_t;

typedef struct u8_composite {
	uint32_t up_second;
	uint32_t up_result;
} u8_composite_t;

extern const uint8_t u8_page_of[U8_PAGES];
extern const uint16_t u8_pages[];
extern const u8_char_t u8_chars[];
extern const uint32_t u8_decompositions[];
extern const u8_composite_t u8_composites[];

#endif
