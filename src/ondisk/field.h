/*
 * Field tables: what a structure on disk consists of.
 *
 * A structure is a C type whose members stand at their on-disk offsets (the
 * compiler checks each one against the offset written in the table, which is the
 * one from the specification) and a table of its fields. Everything mechanical
 * follows from the table: bounds-checked decoding, byte swapping, encoding,
 * printing. The C type is always in host byte order; bytes of the other order
 * exist only inside the decode and encode functions and ondisk_byteswap_block().
 */
#ifndef TARN_ONDISK_FIELD_H
#define TARN_ONDISK_FIELD_H

#include "spl/types.h"
#include "spl/bits.h"

/* How a field is printed; the width tells how it is swapped. */
typedef enum ondisk_kind {
	OD_DEC,	   /* number */
	OD_SDEC,   /* signed number */
	OD_HEX,	   /* number, hexadecimal */
	OD_TIME,   /* seconds since 1970 */
	OD_BYTES,  /* opaque bytes: never swapped, printed as hex */
	OD_STRING, /* NUL-terminated inside a fixed field: never swapped */
	OD_STRUCT, /* of_sub says what */
	OD_PAD	   /* zero on write, ignored on read; swapped by width, not printed */
} ondisk_kind_t;

typedef struct ondisk_table ondisk_table_t;

typedef struct ondisk_field {
	const char *of_name;
	uint32_t of_offset; /* bytes from the start of the structure */
	uint32_t of_width;  /* bytes of one element */
	uint32_t of_count;  /* elements; 1 for scalars */
	ondisk_kind_t of_kind;
	const ondisk_table_t *of_sub;
} ondisk_field_t;

struct ondisk_table {
	const char *ot_name;
	uint32_t ot_size; /* bytes, all of them covered by fields */
	uint32_t ot_nfields;
	const ondisk_field_t *ot_fields;
	/* A structure that is not printed field by field (a block pointer) says how. */
	int (*ot_print)(char *buf, size_t len, const void *host);
};

/*
 * Copy a structure out of foreign bytes. EINVAL if `len` is too short (dst is then
 * untouched). `swap`: the bytes are of the other byte order. src needs no alignment.
 */
int ondisk_decode(
    const ondisk_table_t *t, const void *src, size_t len, bool swap, void *dst);
/*
 * The same for structures that grew over time: a short source is legal from
 * `minlen` on, the fields it does not reach become zero.
 */
int ondisk_decode_short(const ondisk_table_t *t, const void *src, size_t len,
    size_t minlen, bool swap, void *dst);
/* The way back. EINVAL if `len` is too short. */
int ondisk_encode(
    const ondisk_table_t *t, const void *host, void *dst, size_t len, bool swap);
/* Swap every field in place; buf holds ot_size bytes and needs no alignment. */
void ondisk_byteswap(const ondisk_table_t *t, void *buf);

/* One "name = value" line per field, `indent` tabs before each, as zdb prints. */
struct _IO_FILE;
void ondisk_print(
    struct _IO_FILE *fp, const ondisk_table_t *t, const void *host, int indent);

/*
 * Does the table cover every byte exactly once, in order? NULL, or the name of the
 * first field that does not fit. For the tests.
 */
const char *ondisk_table_check(const ondisk_table_t *t);

/* Unaligned loads and stores of host-order, little and big endian numbers. */
uint16_t ondisk_get16(const void *p, bool swap);
uint32_t ondisk_get32(const void *p, bool swap);
uint64_t ondisk_get64(const void *p, bool swap);
uint64_t ondisk_get64_be(const void *p);
void ondisk_put64_be(void *p, uint64_t v);
uint64_t ondisk_get64_le(const void *p);
void ondisk_put64_le(void *p, uint64_t v);

/* Arrays in place; `size` bytes, a rest smaller than one element stays. */
void ondisk_byteswap_u16(void *buf, size_t size);
void ondisk_byteswap_u32(void *buf, size_t size);
void ondisk_byteswap_u64(void *buf, size_t size);

#endif
