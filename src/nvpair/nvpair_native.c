/*
 * The native encoding (format/01 §4.4): cache file, history, resume tokens.
 *
 * Host order. A pair is a fixed head, its name and its value, each padded to eight
 * bytes. The pairs of a nested list do not stand inside its pair, which holds only a
 * 24-byte list header, but follow it.
 */
#include "nvpair/nvpair_impl.h"

#include "spl/debug.h"
#include "spl/kmem.h"

#define NATIVE_PAIR_FIXED 16
#define NATIVE_LIST_HEADER 24
#define NATIVE_POINTER 8 /* room for a pointer in the writer's memory; zero */
#define NATIVE_END 4

static uint64_t
pad8(uint64_t n)
{
	return (P2ROUNDUP(n, 8));
}

/* ---- sizes ---- */

uint64_t
nv_value_native_size(const nvpair_t *nvp)
{
	const nv_type_t *t = nv_type_of(nvp->nvp_type);
	const union nv_value *v = &nvp->nvp_value;
	const uint64_t n = nvp->nvp_nelem;
	uint64_t size = 0;

	switch (t->nt_class) {
	case NV_SCALAR:
		return (t->nt_native);
	case NV_STRING:
		return (strlen(v->v_string) + 1);
	case NV_ARRAY:
		return (n * t->nt_native);
	case NV_STRING_ARRAY:
		for (uint64_t i = 0; i < n; i++)
			size += strlen(v->v_strings[i]) + 1;
		return (n * NATIVE_POINTER + size);
	case NV_LIST:
		return (NATIVE_LIST_HEADER);
	case NV_LIST_ARRAY:
		return (n * (NATIVE_POINTER + NATIVE_LIST_HEADER));
	case NV_NONE:
	case NV_PRESENCE:
		break;
	}
	return (0);
}

static uint64_t
value_offset(uint32_t namelen)
{
	return (pad8(NATIVE_PAIR_FIXED + (uint64_t)namelen + 1));
}

uint64_t
nv_pair_native_size(const nvpair_t *nvp)
{
	return (value_offset(nvp->nvp_namelen) + pad8(nv_value_native_size(nvp)));
}

/* Pairs and terminator, without version and flags. */
static uint64_t
pairs_size(const nvlist_t *nvl)
{
	uint64_t size = NATIVE_END;

	for (const nvpair_t *nvp = nvl->nvl_first; nvp != NULL; nvp = nvp->nvp_next) {
		size += nv_pair_native_size(nvp);
		if (nvp->nvp_type == DATA_TYPE_NVLIST)
			size += pairs_size(nvp->nvp_value.v_list);
		for (uint32_t i = 0;
		     nvp->nvp_type == DATA_TYPE_NVLIST_ARRAY && i < nvp->nvp_nelem; i++)
			size += pairs_size(nvp->nvp_value.v_lists[i]);
	}
	return (size);
}

uint64_t
nv_native_list_size(const nvlist_t *nvl)
{
	return (8 + pairs_size(nvl));
}

/* ---- writing ---- */

static uint8_t *
put(uint8_t *p, uint8_t width, uint64_t v)
{
	nv_store(p, width, v);
	return (p + width);
}

static uint8_t *
put_list_header(uint8_t *p, const nvlist_t *nvl)
{
	memset(p, 0, NATIVE_LIST_HEADER);
	(void)put(put(p, 4, NV_VERSION), 4, nvl->nvl_flag);
	return (p + NATIVE_LIST_HEADER);
}

/* The value area, which is zero so far. */
static void
put_value(uint8_t *p, const nvpair_t *nvp)
{
	const nv_type_t *t = nv_type_of(nvp->nvp_type);
	const union nv_value *v = &nvp->nvp_value;
	const uint8_t *e;

	switch (t->nt_class) {
	case NV_SCALAR:
		(void)put(
		    p, t->nt_native, nv_load(v->v_scalar, t->nt_width, t->nt_signed));
		break;
	case NV_STRING:
		memcpy(p, v->v_string, strlen(v->v_string));
		break;
	case NV_ARRAY:
		e = v->v_array;
		for (uint32_t i = 0; i < nvp->nvp_nelem; i++, e += t->nt_width)
			p = put(p, t->nt_native, nv_load(e, t->nt_width, t->nt_signed));
		break;
	case NV_STRING_ARRAY:
		p += (size_t)nvp->nvp_nelem * NATIVE_POINTER;
		for (uint32_t i = 0; i < nvp->nvp_nelem; i++) {
			const size_t n = strlen(v->v_strings[i]) + 1;
			memcpy(p, v->v_strings[i], n);
			p += n;
		}
		break;
	case NV_LIST:
		(void)put_list_header(p, v->v_list);
		break;
	case NV_LIST_ARRAY:
		p += (size_t)nvp->nvp_nelem * NATIVE_POINTER;
		for (uint32_t i = 0; i < nvp->nvp_nelem; i++)
			p = put_list_header(p, v->v_lists[i]);
		break;
	case NV_NONE:
	case NV_PRESENCE:
		break;
	}
}

static uint8_t *put_pairs(const nvlist_t *nvl, uint8_t *p);

static uint8_t *
put_pair(const nvpair_t *nvp, uint8_t *p)
{
	const uint64_t size = nv_pair_native_size(nvp);
	uint8_t *q = p;

	memset(p, 0, size);
	q = put(q, 4, size);
	q = put(q, 2, (uint64_t)nvp->nvp_namelen + 1);
	q = put(q, 2, 0);
	q = put(q, 4, nvp->nvp_nelem);
	q = put(q, 4, (uint64_t)nvp->nvp_type);
	memcpy(q, nvp->nvp_name, nvp->nvp_namelen);
	put_value(p + value_offset(nvp->nvp_namelen), nvp);
	p += size;
	if (nvp->nvp_type == DATA_TYPE_NVLIST)
		p = put_pairs(nvp->nvp_value.v_list, p);
	for (uint32_t i = 0;
	     nvp->nvp_type == DATA_TYPE_NVLIST_ARRAY && i < nvp->nvp_nelem; i++)
		p = put_pairs(nvp->nvp_value.v_lists[i], p);
	return (p);
}

static uint8_t *
put_pairs(const nvlist_t *nvl, uint8_t *p)
{
	for (const nvpair_t *nvp = nvl->nvl_first; nvp != NULL; nvp = nvp->nvp_next)
		p = put_pair(nvp, p);
	return (put(p, NATIVE_END, 0));
}

uint8_t *
nv_native_encode(const nvlist_t *nvl, uint8_t *p)
{
	p = put(p, 4, NV_VERSION);
	p = put(p, 4, nvl->nvl_flag);
	return (put_pairs(nvl, p));
}

/* ---- reading ---- */

static bool
get(nv_reader_t *r, uint8_t width, uint64_t *v)
{
	const uint8_t *p = nv_read(r, width);

	if (p == NULL)
		return (false);
	*v = nv_load(p, width, false);
	return (true);
}

static char *
get_string(nv_reader_t *r)
{
	const uint8_t *end = memchr(r->r_ptr, '\0', r->r_left);
	size_t n;
	char *s;

	if (end == NULL)
		return (NULL);
	n = (size_t)(end - r->r_ptr) + 1;
	s = kmem_alloc(n, KM_SLEEP);
	memcpy(s, nv_read(r, n), n);
	return (s);
}

static int
get_numbers(nv_reader_t *r, uint8_t *e, uint32_t n, const nv_type_t *t)
{
	uint64_t v;

	for (uint32_t i = 0; i < n; i++, e += t->nt_width) {
		if (!get(r, t->nt_native, &v) || (t->nt_bool && v > 1))
			return (EFAULT);
		nv_store(e, t->nt_width, v);
	}
	return (0);
}

static int
get_strings(nv_reader_t *r, nvpair_t *nvp)
{
	const uint32_t n = nvp->nvp_nelem;
	char **s;

	if (n > r->r_left / (NATIVE_POINTER + 1))
		return (EFAULT);
	(void)nv_read(r, (uint64_t)n * NATIVE_POINTER);
	s = nvp->nvp_value.v_strings = kmem_zalloc(n * sizeof(char *), KM_SLEEP);
	for (uint32_t i = 0; i < n; i++)
		if ((s[i] = get_string(r)) == NULL)
			return (EFAULT);
	return (0);
}

/* The header in the value; the pairs come later. */
static int
get_list_header(nv_reader_t *r, nvlist_t **nvlp)
{
	uint64_t version, flag;

	if (!get(r, 4, &version) || version != NV_VERSION || !get(r, 4, &flag) ||
	    nv_read(r, NATIVE_LIST_HEADER - 8) == NULL)
		return (EFAULT);
	*nvlp = nvlist_create();
	(*nvlp)->nvl_flag = (uint32_t)flag;
	return (0);
}

static int
get_list_headers(nv_reader_t *r, nvpair_t *nvp)
{
	const uint32_t n = nvp->nvp_nelem;
	nvlist_t **l;

	if (n > r->r_left / (NATIVE_POINTER + NATIVE_LIST_HEADER))
		return (EFAULT);
	(void)nv_read(r, (uint64_t)n * NATIVE_POINTER);
	l = nvp->nvp_value.v_lists = kmem_zalloc(n * sizeof(nvlist_t *), KM_SLEEP);
	for (uint32_t i = 0; i < n; i++)
		if (get_list_header(r, &l[i]) != 0)
			return (EFAULT);
	return (0);
}

/* r: the value area of the pair. */
static int
get_value(nv_reader_t *r, nvpair_t *nvp)
{
	const nv_type_t *t = nv_type_of(nvp->nvp_type);
	const uint32_t n = nvp->nvp_nelem;

	switch (t->nt_class) {
	case NV_PRESENCE:
		return (n == 0 ? 0 : EFAULT);
	case NV_SCALAR:
		return (
		    n != 1 ? EFAULT : get_numbers(r, nvp->nvp_value.v_scalar, 1, t));
	case NV_STRING:
		if (n == 1)
			nvp->nvp_value.v_string = get_string(r);
		return (nvp->nvp_value.v_string == NULL ? EFAULT : 0);
	case NV_ARRAY:
		if (n > r->r_left / t->nt_native)
			return (EFAULT);
		nvp->nvp_value.v_array = kmem_alloc((size_t)n * t->nt_width, KM_SLEEP);
		return (get_numbers(r, nvp->nvp_value.v_array, n, t));
	case NV_STRING_ARRAY:
		return (get_strings(r, nvp));
	case NV_LIST:
		return (n != 1 ? EFAULT : get_list_header(r, &nvp->nvp_value.v_list));
	case NV_LIST_ARRAY:
		return (get_list_headers(r, nvp));
	case NV_NONE:
		break;
	}
	return (EFAULT);
}

/* Head, name and value of a pair of `size` bytes; NULL if anything is wrong with it. */
static nvpair_t *
get_pair_self(nv_reader_t *r, uint64_t size)
{
	nv_reader_t pair = {NULL, 0};
	uint64_t namesize, pad, nelem, type;
	const uint8_t *name;
	nvpair_t *nvp;

	/* The size counts its own four bytes, which are read already. */
	if (size < NATIVE_PAIR_FIXED || (pair.r_ptr = nv_read(r, size - 4)) == NULL)
		return (NULL);
	pair.r_left = size - 4;
	if (!get(&pair, 2, &namesize) || !get(&pair, 2, &pad) ||
	    !get(&pair, 4, &nelem) || !get(&pair, 4, &type))
		return (NULL);
	if (namesize == 0 || namesize > NV_NAME_MAX + 1 || nelem > INT32_MAX ||
	    nv_type_of((int64_t)type) == NULL)
		return (NULL);
	name = nv_read(&pair, value_offset((uint32_t)namesize - 1) - NATIVE_PAIR_FIXED);
	if (name == NULL || memchr(name, '\0', namesize) != name + namesize - 1)
		return (NULL);
	nvp = nv_pair_alloc(name, namesize - 1, (data_type_t)type, (uint32_t)nelem);
	if (get_value(&pair, nvp) != 0 || nv_pair_native_size(nvp) != size) {
		nv_pair_free(nvp);
		return (NULL);
	}
	return (nvp);
}

static int get_pairs(nv_reader_t *r, nvlist_t *nvl, int depth);

static int
get_pair(nv_reader_t *r, nvlist_t *nvl, uint64_t size, int depth)
{
	nvpair_t *nvp = get_pair_self(r, size);
	int error = 0;

	if (nvp == NULL)
		return (EFAULT);
	if (nv_pair_collides(nvl, nvp))
		error = EFAULT;
	if (error == 0 && nvp->nvp_type == DATA_TYPE_NVLIST)
		error = get_pairs(r, nvp->nvp_value.v_list, depth + 1);
	for (uint32_t i = 0; error == 0 && nvp->nvp_type == DATA_TYPE_NVLIST_ARRAY &&
			     i < nvp->nvp_nelem;
	     i++)
		error = get_pairs(r, nvp->nvp_value.v_lists[i], depth + 1);
	if (error != 0) {
		nv_pair_free(nvp);
		return (error);
	}
	nv_pair_insert(nvl, nvp);
	return (0);
}

static int
get_pairs(nv_reader_t *r, nvlist_t *nvl, int depth)
{
	uint64_t size;

	if (depth > NV_MAX_DEPTH)
		return (EFAULT);
	for (;;) {
		if (!get(r, 4, &size))
			return (EFAULT);
		if (size == 0)
			return (0);
		if (get_pair(r, nvl, size, depth) != 0)
			return (EFAULT);
	}
}

int
nv_native_decode(nv_reader_t *r, nvlist_t *nvl)
{
	uint64_t version, flag;

	if (!get(r, 4, &version) || version != NV_VERSION || !get(r, 4, &flag))
		return (EFAULT);
	nvl->nvl_flag = (uint32_t)flag;
	return (get_pairs(r, nvl, 0));
}
