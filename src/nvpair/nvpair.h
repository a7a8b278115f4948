/*
 * nvpair: name/value lists, the self-describing data of pool configurations,
 * commands and records. Two encodings: XDR (labels, MOS) and native (cache
 * file, history, resume tokens). Source: format/01 §4.
 *
 * Lists created with NV_UNIQUE_NAME replace an existing pair of the same name
 * on add (the new one goes to the end). A list owns everything in it: adds
 * copy, lookups return pointers that live as long as the pair.
 *
 * A NULL list is an empty one for lookups and iteration.
 *
 * No locking: one thread at a time, or readers only.
 */
#ifndef TARN_NVPAIR_H
#define TARN_NVPAIR_H

#include "spl/types.h"

typedef enum data_type {
	DATA_TYPE_DONTCARE = -1,
	DATA_TYPE_UNKNOWN = 0,
	DATA_TYPE_BOOLEAN,
	DATA_TYPE_BYTE,
	DATA_TYPE_INT16,
	DATA_TYPE_UINT16,
	DATA_TYPE_INT32,
	DATA_TYPE_UINT32,
	DATA_TYPE_INT64,
	DATA_TYPE_UINT64,
	DATA_TYPE_STRING,
	DATA_TYPE_BYTE_ARRAY,
	DATA_TYPE_INT16_ARRAY,
	DATA_TYPE_UINT16_ARRAY,
	DATA_TYPE_INT32_ARRAY,
	DATA_TYPE_UINT32_ARRAY,
	DATA_TYPE_INT64_ARRAY,
	DATA_TYPE_UINT64_ARRAY,
	DATA_TYPE_STRING_ARRAY,
	DATA_TYPE_HRTIME,
	DATA_TYPE_NVLIST,
	DATA_TYPE_NVLIST_ARRAY,
	DATA_TYPE_BOOLEAN_VALUE,
	DATA_TYPE_INT8,
	DATA_TYPE_UINT8,
	DATA_TYPE_BOOLEAN_ARRAY,
	DATA_TYPE_INT8_ARRAY,
	DATA_TYPE_UINT8_ARRAY,
	DATA_TYPE_DOUBLE
} data_type_t;

typedef struct nvpair nvpair_t;
typedef struct nvlist nvlist_t;

#define NV_UNIQUE_NAME 0x1
#define NV_UNIQUE_NAME_TYPE 0x2

#define NV_ENCODE_NATIVE 0
#define NV_ENCODE_XDR 1

/* Never fails. */
nvlist_t *nvlist_create(void); /* NV_UNIQUE_NAME */
int nvlist_alloc(nvlist_t **nvlp, uint32_t nvflag, int kmflags);
void nvlist_free(nvlist_t *nvl); /* NULL is fine */
nvlist_t *nvlist_dup(const nvlist_t *nvl);
/* Add all pairs of src to dst (replacing). */
void nvlist_merge(nvlist_t *dst, const nvlist_t *src);
bool nvlist_empty(const nvlist_t *nvl);
uint32_t nvlist_nvflag(const nvlist_t *nvl);

/* Adding. Names: 1..32765 bytes. Returns EINVAL for a bad name or value; never ENOMEM.
 */
int nvlist_add_boolean(nvlist_t *, const char *name);
int nvlist_add_boolean_value(nvlist_t *, const char *name, bool v);
int nvlist_add_byte(nvlist_t *, const char *name, uint8_t v);
int nvlist_add_int8(nvlist_t *, const char *name, int8_t v);
int nvlist_add_uint8(nvlist_t *, const char *name, uint8_t v);
int nvlist_add_int16(nvlist_t *, const char *name, int16_t v);
int nvlist_add_uint16(nvlist_t *, const char *name, uint16_t v);
int nvlist_add_int32(nvlist_t *, const char *name, int32_t v);
int nvlist_add_uint32(nvlist_t *, const char *name, uint32_t v);
int nvlist_add_int64(nvlist_t *, const char *name, int64_t v);
int nvlist_add_uint64(nvlist_t *, const char *name, uint64_t v);
int nvlist_add_double(nvlist_t *, const char *name, double v);
int nvlist_add_hrtime(nvlist_t *, const char *name, int64_t v);
int nvlist_add_string(nvlist_t *, const char *name, const char *v);
int nvlist_add_nvlist(nvlist_t *, const char *name, const nvlist_t *v);
int nvlist_add_boolean_array(nvlist_t *, const char *name, const bool *v, size_t n);
int nvlist_add_byte_array(nvlist_t *, const char *name, const uint8_t *v, size_t n);
int nvlist_add_int8_array(nvlist_t *, const char *name, const int8_t *v, size_t n);
int nvlist_add_uint8_array(nvlist_t *, const char *name, const uint8_t *v, size_t n);
int nvlist_add_int16_array(nvlist_t *, const char *name, const int16_t *v, size_t n);
int nvlist_add_uint16_array(nvlist_t *, const char *name, const uint16_t *v, size_t n);
int nvlist_add_int32_array(nvlist_t *, const char *name, const int32_t *v, size_t n);
int nvlist_add_uint32_array(nvlist_t *, const char *name, const uint32_t *v, size_t n);
int nvlist_add_int64_array(nvlist_t *, const char *name, const int64_t *v, size_t n);
int nvlist_add_uint64_array(nvlist_t *, const char *name, const uint64_t *v, size_t n);
int nvlist_add_string_array(
    nvlist_t *, const char *name, const char *const *v, size_t n);
int nvlist_add_nvlist_array(
    nvlist_t *, const char *name, const nvlist_t *const *v, size_t n);
int nvlist_add_nvpair(nvlist_t *, const nvpair_t *);
int nvlist_remove(nvlist_t *, const char *name, data_type_t type);
int nvlist_remove_all(nvlist_t *, const char *name);

/* The same adds for callers whose names are constants: panics instead of an error. */
void fnvlist_add_boolean(nvlist_t *, const char *name);
void fnvlist_add_boolean_value(nvlist_t *, const char *name, bool v);
void fnvlist_add_int64(nvlist_t *, const char *name, int64_t v);
void fnvlist_add_uint64(nvlist_t *, const char *name, uint64_t v);
void fnvlist_add_string(nvlist_t *, const char *name, const char *v);
void fnvlist_add_nvlist(nvlist_t *, const char *name, const nvlist_t *v);
void fnvlist_add_uint64_array(
    nvlist_t *, const char *name, const uint64_t *v, size_t n);
void fnvlist_add_byte_array(nvlist_t *, const char *name, const uint8_t *v, size_t n);
void fnvlist_add_string_array(
    nvlist_t *, const char *name, const char *const *v, size_t n);
void fnvlist_add_nvlist_array(
    nvlist_t *, const char *name, const nvlist_t *const *v, size_t n);

/* Looking up: ENOENT if there is no such pair of that type (any out pointer may be
 * NULL). */
bool nvlist_exists(const nvlist_t *, const char *name);
int nvlist_lookup_boolean(const nvlist_t *, const char *name);
int nvlist_lookup_boolean_value(const nvlist_t *, const char *name, bool *v);
int nvlist_lookup_byte(const nvlist_t *, const char *name, uint8_t *v);
int nvlist_lookup_int8(const nvlist_t *, const char *name, int8_t *v);
int nvlist_lookup_uint8(const nvlist_t *, const char *name, uint8_t *v);
int nvlist_lookup_int16(const nvlist_t *, const char *name, int16_t *v);
int nvlist_lookup_uint16(const nvlist_t *, const char *name, uint16_t *v);
int nvlist_lookup_int32(const nvlist_t *, const char *name, int32_t *v);
int nvlist_lookup_uint32(const nvlist_t *, const char *name, uint32_t *v);
int nvlist_lookup_int64(const nvlist_t *, const char *name, int64_t *v);
int nvlist_lookup_uint64(const nvlist_t *, const char *name, uint64_t *v);
int nvlist_lookup_double(const nvlist_t *, const char *name, double *v);
int nvlist_lookup_hrtime(const nvlist_t *, const char *name, int64_t *v);
int nvlist_lookup_string(const nvlist_t *, const char *name, const char **v);
int nvlist_lookup_nvlist(const nvlist_t *, const char *name, nvlist_t **v);
int nvlist_lookup_boolean_array(
    const nvlist_t *, const char *, const bool **v, size_t *n);
int nvlist_lookup_byte_array(
    const nvlist_t *, const char *, const uint8_t **v, size_t *n);
int nvlist_lookup_int8_array(
    const nvlist_t *, const char *, const int8_t **v, size_t *n);
int nvlist_lookup_uint8_array(
    const nvlist_t *, const char *, const uint8_t **, size_t *n);
int nvlist_lookup_int16_array(
    const nvlist_t *, const char *, const int16_t **, size_t *n);
int nvlist_lookup_uint16_array(
    const nvlist_t *, const char *name, const uint16_t **v, size_t *n);
int nvlist_lookup_int32_array(
    const nvlist_t *, const char *, const int32_t **, size_t *n);
int nvlist_lookup_uint32_array(
    const nvlist_t *, const char *name, const uint32_t **v, size_t *n);
int nvlist_lookup_int64_array(
    const nvlist_t *, const char *, const int64_t **, size_t *n);
int nvlist_lookup_uint64_array(
    const nvlist_t *, const char *name, const uint64_t **v, size_t *n);
int nvlist_lookup_string_array(
    const nvlist_t *, const char *name, const char *const **v, size_t *n);
int nvlist_lookup_nvlist_array(
    const nvlist_t *, const char *name, nvlist_t *const **v, size_t *n);

/* Iteration in order of insertion; NULL starts, NULL ends. */
nvpair_t *nvlist_next_nvpair(const nvlist_t *, const nvpair_t *);
nvpair_t *nvlist_prev_nvpair(const nvlist_t *, const nvpair_t *);
const char *nvpair_name(const nvpair_t *);
data_type_t nvpair_type(const nvpair_t *);
size_t nvpair_nelem(const nvpair_t *); /* 0 boolean, 1 scalar, n array */
int nvpair_value_uint64(const nvpair_t *, uint64_t *v); /* EINVAL if another type */
int nvpair_value_string(const nvpair_t *, const char **v);
int nvpair_value_nvlist(const nvpair_t *, nvlist_t **v);

/*
 * Packing. nvlist_pack allocates *bufp (free with kmem_free(*bufp, *sizep)).
 * nvlist_size tells the exact bytes.
 */
size_t nvlist_size(const nvlist_t *, int encoding);
void nvlist_pack(const nvlist_t *, int encoding, uint8_t **bufp, size_t *sizep);
/*
 * Unpacking hostile bytes (limits of format/01 §4.5; nesting <= 20). Trailing bytes
 * are ignored; *usedp (may be NULL) tells how many were consumed.
 * EFAULT damaged, ENOTSUP unknown encoding or foreign native byte order.
 */
int nvlist_unpack(const void *buf, size_t size, nvlist_t **nvlp, size_t *usedp);

/* Indented "name: value" lines, as zdb prints configurations. `indent` spaces. */
struct _IO_FILE;
void nvlist_print_zdb(struct _IO_FILE *fp, const nvlist_t *nvl, int indent);

#endif
