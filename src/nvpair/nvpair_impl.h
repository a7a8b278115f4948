/*
 * The inside of the nvpair room: what a list and a pair are, and what the two
 * encodings need to know about a type.
 */
#ifndef TARN_NVPAIR_IMPL_H
#define TARN_NVPAIR_IMPL_H

#include "nvpair/nvpair.h"
#include "spl/bits.h"

typedef enum nv_class {
	NV_NONE,     /* no such type */
	NV_PRESENCE, /* the name says it all */
	NV_SCALAR,
	NV_STRING,
	NV_ARRAY, /* of numbers */
	NV_STRING_ARRAY,
	NV_LIST,
	NV_LIST_ARRAY
} nv_class_t;

/* One line of the table of types (format/01 §4.2). Widths in bytes per element. */
typedef struct nv_type {
	nv_class_t nt_class;
	uint8_t nt_width;  /* in memory */
	uint8_t nt_native; /* in the native encoding */
	uint8_t nt_xdr;	   /* in XDR: 4 or 8; 1 = opaque bytes without a count */
	bool nt_signed;
	bool nt_bool; /* only 0 and 1 are values */
} nv_type_t;

/* NULL for numbers that are no type. */
const nv_type_t *nv_type_of(int64_t type);

union nv_value {
	uint8_t v_scalar[8]; /* nt_width bytes, host order */
	uint64_t v_align;
	char *v_string;
	void *v_array; /* nelem * nt_width bytes; NULL for none */
	char **v_strings;
	nvlist_t *v_list;
	nvlist_t **v_lists;
};

struct nvpair {
	nvpair_t *nvp_next, *nvp_prev; /* order of insertion */
	nvpair_t *nvp_hnext;	       /* same bucket, order of insertion */
	uint32_t nvp_hash;
	data_type_t nvp_type;
	uint32_t nvp_nelem;
	uint32_t nvp_namelen; /* without NUL */
	char *nvp_name;
	union nv_value nvp_value;
};

typedef struct nv_bucket {
	nvpair_t *nb_first, *nb_last;
} nv_bucket_t;

struct nvlist {
	uint32_t nvl_flag;
	uint32_t nvl_seed;
	nvpair_t *nvl_first, *nvl_last;
	uint64_t nvl_count;
	nv_bucket_t *nvl_buckets; /* NULL while the list is short */
	uint64_t nvl_nbuckets;	  /* power of two */
};

#define NV_VERSION 0
#define NV_NAME_MAX 32765u /* bytes without NUL */
#define NV_MAX_DEPTH 20	   /* lists inside of lists, as the kernel's decoder */
#define NV_MAX_SIZE ((uint64_t)INT32_MAX)

/* A number of `width` bytes in host order, sign-extended if it is signed. */
uint64_t nv_load(const void *p, uint8_t width, bool is_signed);
void nv_store(void *p, uint8_t width, uint64_t v);

/* A pair that is in no list yet; its value is zero: free with nv_pair_free(). */
nvpair_t *nv_pair_alloc(
    const void *name, size_t namelen, data_type_t type, uint32_t nelem);
void nv_pair_free(nvpair_t *nvp);
/* Put it at the end of the list, as it is. */
void nv_pair_insert(nvlist_t *nvl, nvpair_t *nvp);
/* Would it collide with the list's rule about unique names? */
bool nv_pair_collides(const nvlist_t *nvl, const nvpair_t *nvp);

/* Size of a pair and of its value in the native encoding (= the "decoded size" of XDR).
 */
uint64_t nv_value_native_size(const nvpair_t *nvp);
uint64_t nv_pair_native_size(const nvpair_t *nvp);

/* ---- the encodings: list bodies without the 4-byte header ---- */

uint64_t nv_xdr_list_size(const nvlist_t *nvl);
/* Write nv_xdr_list_size() bytes; returns the end. */
uint8_t *nv_xdr_encode(const nvlist_t *nvl, uint8_t *p);
uint64_t nv_native_list_size(const nvlist_t *nvl);
uint8_t *nv_native_encode(const nvlist_t *nvl, uint8_t *p);

/* What is left to read. */
typedef struct nv_reader {
	const uint8_t *r_ptr;
	size_t r_left;
} nv_reader_t;
/* The next n bytes, NULL if there are not so many. */
const uint8_t *nv_read(nv_reader_t *r, uint64_t n);

/* Fill an empty list; EFAULT (the caller frees it) or 0. */
int nv_xdr_decode(nv_reader_t *r, nvlist_t *nvl, int depth);
int nv_native_decode(nv_reader_t *r, nvlist_t *nvl);

#endif
