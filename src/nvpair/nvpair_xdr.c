/*
 * The XDR encoding (format/01 §4.2, §4.3): labels, MOS configuration.
 *
 * Everything is big endian and padded to four bytes. Each pair carries its size twice:
 * in this encoding and in the native one ("decoded size"). OpenZFS allocates by the
 * second and refuses the pair if it is not exact, so it must be exact here and is
 * demanded there.
 */
#include "nvpair/nvpair_impl.h"

#include "spl/debug.h"
#include "spl/kmem.h"

#define XDR_PAIR_FIXED 20 /* encoded size, decoded size, name length, type, nelem */
#define XDR_LIST_FIXED 16 /* version, flags; two zero words at the end */

static uint64_t
pad4(uint64_t n)
{
	return (P2ROUNDUP(n, 4));
}

/* ---- sizes ---- */

static uint64_t
payload_size(const nvpair_t *nvp)
{
	const nv_type_t *t = nv_type_of(nvp->nvp_type);
	const union nv_value *v = &nvp->nvp_value;
	uint64_t size = 0;

	switch (t->nt_class) {
	case NV_SCALAR:
		return (t->nt_xdr);
	case NV_STRING:
		return (4 + pad4(strlen(v->v_string)));
	case NV_ARRAY:
		if (nvp->nvp_nelem == 0)
			return (0); /* not even a count (§4.2) */
		if (t->nt_xdr == 1)
			return (pad4(nvp->nvp_nelem));
		return (4 + (uint64_t)nvp->nvp_nelem * t->nt_xdr);
	case NV_STRING_ARRAY:
		for (uint32_t i = 0; i < nvp->nvp_nelem; i++)
			size += 4 + pad4(strlen(v->v_strings[i]));
		return (size);
	case NV_LIST:
		return (nv_xdr_list_size(v->v_list));
	case NV_LIST_ARRAY:
		for (uint32_t i = 0; i < nvp->nvp_nelem; i++)
			size += nv_xdr_list_size(v->v_lists[i]);
		return (size);
	case NV_NONE:
	case NV_PRESENCE:
		break;
	}
	return (0);
}

static uint64_t
pair_size(const nvpair_t *nvp)
{
	return (XDR_PAIR_FIXED + pad4(nvp->nvp_namelen) + payload_size(nvp));
}

uint64_t
nv_xdr_list_size(const nvlist_t *nvl)
{
	uint64_t size = XDR_LIST_FIXED;

	for (const nvpair_t *nvp = nvl->nvl_first; nvp != NULL; nvp = nvp->nvp_next)
		size += pair_size(nvp);
	return (size);
}

/* ---- writing ---- */

static uint8_t *
put32(uint8_t *p, uint64_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
	return (p + 4);
}

static uint8_t *
put_number(uint8_t *p, uint64_t v, uint8_t width)
{
	if (width == 8)
		p = put32(p, v >> 32);
	return (put32(p, v));
}

static uint8_t *
put_opaque(uint8_t *p, const void *data, size_t n)
{
	const size_t padded = pad4(n);

	if (n != 0)
		memcpy(p, data, n);
	memset(p + n, 0, padded - n);
	return (p + padded);
}

static uint8_t *
put_string(uint8_t *p, const char *s)
{
	const size_t n = strlen(s);

	p = put32(p, n);
	return (put_opaque(p, s, n));
}

static uint8_t *
put_array(uint8_t *p, const nvpair_t *nvp, const nv_type_t *t)
{
	const uint8_t *e = nvp->nvp_value.v_array;

	if (nvp->nvp_nelem == 0)
		return (p);
	if (t->nt_xdr == 1)
		return (put_opaque(p, e, nvp->nvp_nelem));
	p = put32(p, nvp->nvp_nelem);
	for (uint32_t i = 0; i < nvp->nvp_nelem; i++, e += t->nt_width)
		p = put_number(p, nv_load(e, t->nt_width, t->nt_signed), t->nt_xdr);
	return (p);
}

static uint8_t *
put_payload(uint8_t *p, const nvpair_t *nvp)
{
	const nv_type_t *t = nv_type_of(nvp->nvp_type);
	const union nv_value *v = &nvp->nvp_value;

	switch (t->nt_class) {
	case NV_SCALAR:
		return (put_number(
		    p, nv_load(v->v_scalar, t->nt_width, t->nt_signed), t->nt_xdr));
	case NV_STRING:
		return (put_string(p, v->v_string));
	case NV_ARRAY:
		return (put_array(p, nvp, t));
	case NV_STRING_ARRAY:
		for (uint32_t i = 0; i < nvp->nvp_nelem; i++)
			p = put_string(p, v->v_strings[i]);
		return (p);
	case NV_LIST:
		return (nv_xdr_encode(v->v_list, p));
	case NV_LIST_ARRAY:
		for (uint32_t i = 0; i < nvp->nvp_nelem; i++)
			p = nv_xdr_encode(v->v_lists[i], p);
		return (p);
	case NV_NONE:
	case NV_PRESENCE:
		break;
	}
	return (p);
}

uint8_t *
nv_xdr_encode(const nvlist_t *nvl, uint8_t *p)
{
	p = put32(p, NV_VERSION);
	p = put32(p, nvl->nvl_flag);
	for (const nvpair_t *nvp = nvl->nvl_first; nvp != NULL; nvp = nvp->nvp_next) {
		p = put32(p, pair_size(nvp));
		p = put32(p, nv_pair_native_size(nvp));
		p = put32(p, nvp->nvp_namelen);
		p = put_opaque(p, nvp->nvp_name, nvp->nvp_namelen);
		p = put32(p, (uint64_t)nvp->nvp_type);
		p = put32(p, nvp->nvp_nelem);
		p = put_payload(p, nvp);
	}
	p = put32(p, 0);
	return (put32(p, 0));
}

/* ---- reading ---- */

static bool
get32(nv_reader_t *r, uint32_t *v)
{
	const uint8_t *p = nv_read(r, 4);

	if (p == NULL)
		return (false);
	*v = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
	return (true);
}

static bool
get_number(nv_reader_t *r, uint8_t width, uint64_t *v)
{
	uint32_t hi = 0, lo;

	if ((width == 8 && !get32(r, &hi)) || !get32(r, &lo))
		return (false);
	*v = (uint64_t)hi << 32 | lo;
	return (true);
}

static char *
get_string(nv_reader_t *r)
{
	const uint8_t *p;
	uint32_t n;
	char *s;

	if (!get32(r, &n) || (p = nv_read(r, pad4(n))) == NULL ||
	    memchr(p, '\0', n) != NULL)
		return (NULL);
	s = kmem_alloc((size_t)n + 1, KM_SLEEP);
	memcpy(s, p, n);
	s[n] = '\0';
	return (s);
}

static int
get_scalar(nv_reader_t *r, nvpair_t *nvp, const nv_type_t *t)
{
	uint64_t v;

	if (!get_number(r, t->nt_xdr, &v) || (t->nt_bool && v > 1))
		return (EFAULT);
	nv_store(nvp->nvp_value.v_scalar, t->nt_width, v);
	return (0);
}

static int
get_array(nv_reader_t *r, nvpair_t *nvp, const nv_type_t *t)
{
	const uint32_t n = nvp->nvp_nelem;
	const uint8_t *p;
	uint8_t *e;
	uint32_t count;
	uint64_t v;

	if (n == 0)
		return (0);
	if (t->nt_xdr == 1) {
		if ((p = nv_read(r, pad4(n))) == NULL)
			return (EFAULT);
		nvp->nvp_value.v_array = kmem_alloc(n, KM_SLEEP);
		memcpy(nvp->nvp_value.v_array, p, n);
		return (0);
	}
	/* Nothing is allocated before the bytes for it are known to be there. */
	if (!get32(r, &count) || count != n || n > r->r_left / t->nt_xdr)
		return (EFAULT);
	e = nvp->nvp_value.v_array = kmem_alloc((size_t)n * t->nt_width, KM_SLEEP);
	for (uint32_t i = 0; i < n; i++, e += t->nt_width) {
		if (!get_number(r, t->nt_xdr, &v) || (t->nt_bool && v > 1))
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

	if (n > r->r_left / 4)
		return (EFAULT);
	s = nvp->nvp_value.v_strings = kmem_zalloc(n * sizeof(char *), KM_SLEEP);
	for (uint32_t i = 0; i < n; i++)
		if ((s[i] = get_string(r)) == NULL)
			return (EFAULT);
	return (0);
}

static int
get_list(nv_reader_t *r, nvlist_t **nvlp, int depth)
{
	*nvlp = nvlist_create();
	return (nv_xdr_decode(r, *nvlp, depth + 1));
}

static int
get_lists(nv_reader_t *r, nvpair_t *nvp, int depth)
{
	const uint32_t n = nvp->nvp_nelem;
	nvlist_t **l;

	if (n > r->r_left / XDR_LIST_FIXED)
		return (EFAULT);
	l = nvp->nvp_value.v_lists = kmem_zalloc(n * sizeof(nvlist_t *), KM_SLEEP);
	for (uint32_t i = 0; i < n; i++)
		if (get_list(r, &l[i], depth) != 0)
			return (EFAULT);
	return (0);
}

static int
get_payload(nv_reader_t *r, nvpair_t *nvp, int depth)
{
	const nv_type_t *t = nv_type_of(nvp->nvp_type);

	switch (t->nt_class) {
	case NV_SCALAR:
		return (get_scalar(r, nvp, t));
	case NV_STRING:
		nvp->nvp_value.v_string = get_string(r);
		return (nvp->nvp_value.v_string == NULL ? EFAULT : 0);
	case NV_ARRAY:
		return (get_array(r, nvp, t));
	case NV_STRING_ARRAY:
		return (get_strings(r, nvp));
	case NV_LIST:
		return (get_list(r, &nvp->nvp_value.v_list, depth));
	case NV_LIST_ARRAY:
		return (get_lists(r, nvp, depth));
	case NV_NONE:
	case NV_PRESENCE:
		break;
	}
	return (0);
}

/* The elements a type must have, for all that are no arrays. */
static bool
nelem_ok(nv_class_t c, uint32_t nelem)
{
	switch (c) {
	case NV_PRESENCE:
		return (nelem == 0);
	case NV_SCALAR:
	case NV_STRING:
	case NV_LIST:
		return (nelem == 1);
	default:
		return (nelem <= INT32_MAX);
	}
}

/* Name, type and number of elements: an empty pair, or NULL. */
static nvpair_t *
get_pair_head(nv_reader_t *r)
{
	uint32_t namelen, type, nelem;
	const uint8_t *name;
	const nv_type_t *t;

	if (!get32(r, &namelen) || namelen > NV_NAME_MAX ||
	    (name = nv_read(r, pad4(namelen))) == NULL ||
	    memchr(name, '\0', namelen) != NULL)
		return (NULL);
	if (!get32(r, &type) || !get32(r, &nelem) || (t = nv_type_of(type)) == NULL ||
	    !nelem_ok(t->nt_class, nelem))
		return (NULL);
	return (nv_pair_alloc(name, namelen, (data_type_t)type, nelem));
}

static int
get_pair(nv_reader_t *r, nvlist_t *nvl, uint32_t encoded, uint32_t decoded, int depth)
{
	const size_t before = r->r_left + 8; /* the two sizes are read already */
	nvpair_t *nvp = get_pair_head(r);
	size_t used;

	if (nvp == NULL)
		return (EFAULT);
	if (get_payload(r, nvp, depth) != 0 || nv_pair_native_size(nvp) != decoded)
		goto bad;
	used = before - r->r_left;
	/*
	 * Writers count four bytes for an empty array that they do not write (§4.2);
	 * OpenZFS never looks at this number when it reads.
	 */
	if (encoded != used && !(nv_type_of(nvp->nvp_type)->nt_class == NV_ARRAY &&
				   nvp->nvp_nelem == 0 && encoded == used + 4))
		goto bad;
	if (nv_pair_collides(nvl, nvp))
		goto bad;
	nv_pair_insert(nvl, nvp);
	return (0);
bad:
	nv_pair_free(nvp);
	return (EFAULT);
}

int
nv_xdr_decode(nv_reader_t *r, nvlist_t *nvl, int depth)
{
	uint32_t version, encoded, decoded;

	if (depth > NV_MAX_DEPTH || !get32(r, &version) || version != NV_VERSION ||
	    !get32(r, &nvl->nvl_flag))
		return (EFAULT);
	for (;;) {
		if (!get32(r, &encoded) || !get32(r, &decoded))
			return (EFAULT);
		if (decoded == 0)
			return (0);
		if (get_pair(r, nvl, encoded, decoded, depth) != 0)
			return (EFAULT);
	}
}
