/*
 * Lists and pairs in memory.
 *
 * A list is a chain in the order of insertion, which is also the order on disk. Most
 * lists have a handful of names and are searched by walking. Lists of snapshots and
 * the like have a hundred thousand: from NV_HASH_MIN pairs on there is a hash table
 * beside the chain. Names come from files and sockets, so the hash is seeded with the
 * address of the list: nobody outside can aim at one bucket. Buckets keep the order of
 * insertion, and appending to one costs the same however long it is: a list that
 * allows duplicates and consists of nothing else is still built in linear time.
 *
 * Memory comes from kmem with KM_SLEEP: allocation does not fail, only content does.
 */
#include "nvpair/nvpair_impl.h"

#include "spl/debug.h"
#include "spl/kmem.h"

#define NV_HASH_MIN 32

/* ---- types ---- */

static const nv_type_t nv_types[] = {
    [DATA_TYPE_BOOLEAN] = {NV_PRESENCE, 0, 0, 0, false, false},
    [DATA_TYPE_BYTE] = {NV_SCALAR, 1, 1, 4, false, false},
    [DATA_TYPE_INT16] = {NV_SCALAR, 2, 2, 4, true, false},
    [DATA_TYPE_UINT16] = {NV_SCALAR, 2, 2, 4, false, false},
    [DATA_TYPE_INT32] = {NV_SCALAR, 4, 4, 4, true, false},
    [DATA_TYPE_UINT32] = {NV_SCALAR, 4, 4, 4, false, false},
    [DATA_TYPE_INT64] = {NV_SCALAR, 8, 8, 8, true, false},
    [DATA_TYPE_UINT64] = {NV_SCALAR, 8, 8, 8, false, false},
    [DATA_TYPE_STRING] = {NV_STRING, 0, 0, 0, false, false},
    [DATA_TYPE_BYTE_ARRAY] = {NV_ARRAY, 1, 1, 1, false, false},
    [DATA_TYPE_INT16_ARRAY] = {NV_ARRAY, 2, 2, 4, true, false},
    [DATA_TYPE_UINT16_ARRAY] = {NV_ARRAY, 2, 2, 4, false, false},
    [DATA_TYPE_INT32_ARRAY] = {NV_ARRAY, 4, 4, 4, true, false},
    [DATA_TYPE_UINT32_ARRAY] = {NV_ARRAY, 4, 4, 4, false, false},
    [DATA_TYPE_INT64_ARRAY] = {NV_ARRAY, 8, 8, 8, true, false},
    [DATA_TYPE_UINT64_ARRAY] = {NV_ARRAY, 8, 8, 8, false, false},
    [DATA_TYPE_STRING_ARRAY] = {NV_STRING_ARRAY, 0, 0, 0, false, false},
    [DATA_TYPE_HRTIME] = {NV_SCALAR, 8, 8, 8, true, false},
    [DATA_TYPE_NVLIST] = {NV_LIST, 0, 0, 0, false, false},
    [DATA_TYPE_NVLIST_ARRAY] = {NV_LIST_ARRAY, 0, 0, 0, false, false},
    [DATA_TYPE_BOOLEAN_VALUE] = {NV_SCALAR, 1, 4, 4, false, true},
    [DATA_TYPE_INT8] = {NV_SCALAR, 1, 1, 4, true, false},
    [DATA_TYPE_UINT8] = {NV_SCALAR, 1, 1, 4, false, false},
    [DATA_TYPE_BOOLEAN_ARRAY] = {NV_ARRAY, 1, 4, 4, false, true},
    [DATA_TYPE_INT8_ARRAY] = {NV_ARRAY, 1, 1, 4, true, false},
    [DATA_TYPE_UINT8_ARRAY] = {NV_ARRAY, 1, 1, 4, false, false},
    [DATA_TYPE_DOUBLE] = {NV_SCALAR, 8, 8, 8, false, false},
};
_Static_assert(sizeof(bool) == 1, "bool is stored as one byte");
_Static_assert(sizeof(double) == 8, "double is stored as eight bytes");

const nv_type_t *
nv_type_of(int64_t type)
{
	if (type < 0 || type >= (int64_t)ARRAY_SIZE(nv_types) ||
	    nv_types[type].nt_class == NV_NONE)
		return (NULL);
	return (&nv_types[type]);
}

uint64_t
nv_load(const void *p, uint8_t width, bool is_signed)
{
	uint8_t v8;
	uint16_t v16;
	uint32_t v32;
	uint64_t v64;

	switch (width) {
	case 1:
		memcpy(&v8, p, 1);
		return (is_signed ? (uint64_t)(int64_t)(int8_t)v8 : v8);
	case 2:
		memcpy(&v16, p, 2);
		return (is_signed ? (uint64_t)(int64_t)(int16_t)v16 : v16);
	case 4:
		memcpy(&v32, p, 4);
		return (is_signed ? (uint64_t)(int64_t)(int32_t)v32 : v32);
	default:
		memcpy(&v64, p, 8);
		return (v64);
	}
}

void
nv_store(void *p, uint8_t width, uint64_t v)
{
	const uint8_t v8 = (uint8_t)v;
	const uint16_t v16 = (uint16_t)v;
	const uint32_t v32 = (uint32_t)v;

	switch (width) {
	case 1:
		memcpy(p, &v8, 1);
		break;
	case 2:
		memcpy(p, &v16, 2);
		break;
	case 4:
		memcpy(p, &v32, 4);
		break;
	default:
		memcpy(p, &v, 8);
		break;
	}
}

/* ---- pairs ---- */

nvpair_t *
nv_pair_alloc(const void *name, size_t namelen, data_type_t type, uint32_t nelem)
{
	nvpair_t *nvp = kmem_zalloc(sizeof(*nvp), KM_SLEEP);

	nvp->nvp_name = kmem_alloc(namelen + 1, KM_SLEEP);
	memcpy(nvp->nvp_name, name, namelen);
	nvp->nvp_name[namelen] = '\0';
	nvp->nvp_namelen = (uint32_t)namelen;
	nvp->nvp_type = type;
	nvp->nvp_nelem = nelem;
	return (nvp);
}

static void
free_string(char *s)
{
	if (s != NULL)
		kmem_free(s, strlen(s) + 1);
}

static void
free_array(void *array, size_t n, size_t width)
{
	if (array != NULL)
		kmem_free(array, n * width);
}

/* Values may be half built: whatever is still NULL is skipped. */
static void
free_value(nvpair_t *nvp)
{
	const nv_type_t *t = nv_type_of(nvp->nvp_type);
	union nv_value *v = &nvp->nvp_value;

	switch (t->nt_class) {
	case NV_STRING:
		free_string(v->v_string);
		break;
	case NV_ARRAY:
		free_array(v->v_array, nvp->nvp_nelem, t->nt_width);
		break;
	case NV_STRING_ARRAY:
		for (uint32_t i = 0; v->v_strings != NULL && i < nvp->nvp_nelem; i++)
			free_string(v->v_strings[i]);
		free_array(v->v_strings, nvp->nvp_nelem, sizeof(char *));
		break;
	case NV_LIST:
		nvlist_free(v->v_list);
		break;
	case NV_LIST_ARRAY:
		for (uint32_t i = 0; v->v_lists != NULL && i < nvp->nvp_nelem; i++)
			nvlist_free(v->v_lists[i]);
		free_array(v->v_lists, nvp->nvp_nelem, sizeof(nvlist_t *));
		break;
	case NV_NONE:
	case NV_PRESENCE:
	case NV_SCALAR:
		break;
	}
}

void
nv_pair_free(nvpair_t *nvp)
{
	free_value(nvp);
	kmem_free(nvp->nvp_name, (size_t)nvp->nvp_namelen + 1);
	kmem_free(nvp, sizeof(*nvp));
}

/* ---- the hash table ---- */

static uint32_t
name_hash(const nvlist_t *nvl, const char *name, size_t len)
{
	uint32_t h = nvl->nvl_seed;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (uint8_t)name[i]) * 16777619u;
	return (h ^ (h >> 15));
}

static nv_bucket_t *
bucket_of(const nvlist_t *nvl, uint32_t hash)
{
	return (&nvl->nvl_buckets[hash & (nvl->nvl_nbuckets - 1)]);
}

static void
bucket_append(nvlist_t *nvl, nvpair_t *nvp)
{
	nv_bucket_t *b = bucket_of(nvl, nvp->nvp_hash);

	nvp->nvp_hnext = NULL;
	if (b->nb_last == NULL)
		b->nb_first = nvp;
	else
		b->nb_last->nvp_hnext = nvp;
	b->nb_last = nvp;
}

static void
bucket_remove(nvlist_t *nvl, nvpair_t *nvp)
{
	nv_bucket_t *b = bucket_of(nvl, nvp->nvp_hash);
	nvpair_t *prev = NULL;

	for (nvpair_t *p = b->nb_first; p != nvp; p = p->nvp_hnext)
		prev = p;
	if (prev == NULL)
		b->nb_first = nvp->nvp_hnext;
	else
		prev->nvp_hnext = nvp->nvp_hnext;
	if (b->nb_last == nvp)
		b->nb_last = prev;
}

static void
hash_resize(nvlist_t *nvl, uint64_t nbuckets)
{
	free_array(nvl->nvl_buckets, nvl->nvl_nbuckets, sizeof(nv_bucket_t));
	nvl->nvl_buckets = kmem_zalloc(nbuckets * sizeof(nv_bucket_t), KM_SLEEP);
	nvl->nvl_nbuckets = nbuckets;
	for (nvpair_t *nvp = nvl->nvl_first; nvp != NULL; nvp = nvp->nvp_next)
		bucket_append(nvl, nvp);
}

/* ---- lists ---- */

int
nvlist_alloc(nvlist_t **nvlp, uint32_t nvflag, int kmflags)
{
	nvlist_t *nvl;

	if (nvflag & ~(uint32_t)(NV_UNIQUE_NAME | NV_UNIQUE_NAME_TYPE))
		return (EINVAL);
	nvl = kmem_zalloc(sizeof(*nvl), kmflags);
	if (nvl == NULL)
		return (ENOMEM);
	nvl->nvl_flag = nvflag;
	nvl->nvl_seed = (uint32_t)(((uintptr_t)nvl >> 4) * 2654435761u);
	*nvlp = nvl;
	return (0);
}

nvlist_t *
nvlist_create(void)
{
	nvlist_t *nvl;

	VERIFY0(nvlist_alloc(&nvl, NV_UNIQUE_NAME, KM_SLEEP));
	return (nvl);
}

void
nvlist_free(nvlist_t *nvl)
{
	nvpair_t *next;

	if (nvl == NULL)
		return;
	for (nvpair_t *nvp = nvl->nvl_first; nvp != NULL; nvp = next) {
		next = nvp->nvp_next;
		nv_pair_free(nvp);
	}
	free_array(nvl->nvl_buckets, nvl->nvl_nbuckets, sizeof(nv_bucket_t));
	kmem_free(nvl, sizeof(*nvl));
}

uint32_t
nvlist_nvflag(const nvlist_t *nvl)
{
	return (nvl->nvl_flag);
}

bool
nvlist_empty(const nvlist_t *nvl)
{
	if (nvl == NULL)
		return (true);
	return (nvl->nvl_first == NULL);
}

void
nv_pair_insert(nvlist_t *nvl, nvpair_t *nvp)
{
	nvp->nvp_hash = name_hash(nvl, nvp->nvp_name, nvp->nvp_namelen);
	nvp->nvp_next = NULL;
	nvp->nvp_prev = nvl->nvl_last;
	if (nvl->nvl_last == NULL)
		nvl->nvl_first = nvp;
	else
		nvl->nvl_last->nvp_next = nvp;
	nvl->nvl_last = nvp;
	nvl->nvl_count++;
	if (nvl->nvl_count >= MAX(NV_HASH_MIN, nvl->nvl_nbuckets))
		hash_resize(nvl, MAX(2 * NV_HASH_MIN, 2 * nvl->nvl_nbuckets));
	else if (nvl->nvl_buckets != NULL)
		bucket_append(nvl, nvp);
}

static void
pair_remove(nvlist_t *nvl, nvpair_t *nvp)
{
	if (nvl->nvl_buckets != NULL)
		bucket_remove(nvl, nvp);
	if (nvp->nvp_prev == NULL)
		nvl->nvl_first = nvp->nvp_next;
	else
		nvp->nvp_prev->nvp_next = nvp->nvp_next;
	if (nvp->nvp_next == NULL)
		nvl->nvl_last = nvp->nvp_prev;
	else
		nvp->nvp_next->nvp_prev = nvp->nvp_prev;
	nvl->nvl_count--;
	nv_pair_free(nvp);
}

/* ---- finding ---- */

/* The first pair of that name (and type, unless DATA_TYPE_DONTCARE). */
static nvpair_t *
pair_find(const nvlist_t *nvl, const char *name, size_t len, data_type_t type)
{
	if (nvl == NULL)
		return (NULL);
	const uint32_t hash = name_hash(nvl, name, len);
	const bool hashed = (nvl->nvl_buckets != NULL);
	nvpair_t *nvp = (hashed ? bucket_of(nvl, hash)->nb_first : nvl->nvl_first);

	for (; nvp != NULL; nvp = (hashed ? nvp->nvp_hnext : nvp->nvp_next)) {
		if (nvp->nvp_hash == hash && nvp->nvp_namelen == len &&
		    memcmp(nvp->nvp_name, name, len) == 0 &&
		    (type == DATA_TYPE_DONTCARE || nvp->nvp_type == type))
			return (nvp);
	}
	return (NULL);
}

static nvpair_t *
pair_clashing(const nvlist_t *nvl, const char *name, size_t len, data_type_t type)
{
	if (nvl->nvl_flag & NV_UNIQUE_NAME)
		return (pair_find(nvl, name, len, DATA_TYPE_DONTCARE));
	if (nvl->nvl_flag & NV_UNIQUE_NAME_TYPE)
		return (pair_find(nvl, name, len, type));
	return (NULL);
}

bool
nv_pair_collides(const nvlist_t *nvl, const nvpair_t *nvp)
{
	return (
	    pair_clashing(nvl, nvp->nvp_name, nvp->nvp_namelen, nvp->nvp_type) != NULL);
}

bool
nvlist_exists(const nvlist_t *nvl, const char *name)
{
	return (pair_find(nvl, name, strlen(name), DATA_TYPE_DONTCARE) != NULL);
}

int
nvlist_remove(nvlist_t *nvl, const char *name, data_type_t type)
{
	nvpair_t *nvp = pair_find(nvl, name, strlen(name), type);

	if (nvp == NULL)
		return (ENOENT);
	pair_remove(nvl, nvp);
	return (0);
}

int
nvlist_remove_all(nvlist_t *nvl, const char *name)
{
	const size_t len = strlen(name);
	nvpair_t *nvp = pair_find(nvl, name, len, DATA_TYPE_DONTCARE);

	if (nvp == NULL)
		return (ENOENT);
	for (; nvp != NULL; nvp = pair_find(nvl, name, len, DATA_TYPE_DONTCARE))
		pair_remove(nvl, nvp);
	return (0);
}

nvpair_t *
nvlist_next_nvpair(const nvlist_t *nvl, const nvpair_t *nvp)
{
	if (nvl == NULL)
		return (NULL);
	return (nvp == NULL ? nvl->nvl_first : nvp->nvp_next);
}

nvpair_t *
nvlist_prev_nvpair(const nvlist_t *nvl, const nvpair_t *nvp)
{
	if (nvl == NULL)
		return (NULL);
	return (nvp == NULL ? nvl->nvl_last : nvp->nvp_prev);
}

const char *
nvpair_name(const nvpair_t *nvp)
{
	return (nvp->nvp_name);
}

data_type_t
nvpair_type(const nvpair_t *nvp)
{
	return (nvp->nvp_type);
}

size_t
nvpair_nelem(const nvpair_t *nvp)
{
	return (nvp->nvp_nelem);
}

/* ---- copying ---- */

static void
copy_value(nvpair_t *dst, const nvpair_t *src)
{
	const nv_type_t *t = nv_type_of(src->nvp_type);
	const union nv_value *v = &src->nvp_value;
	const size_t n = src->nvp_nelem;

	switch (t->nt_class) {
	case NV_SCALAR:
		dst->nvp_value = *v;
		break;
	case NV_STRING:
		dst->nvp_value.v_string = kmem_strdup(v->v_string);
		break;
	case NV_ARRAY:
		dst->nvp_value.v_array = kmem_alloc(n * t->nt_width, KM_SLEEP);
		if (n != 0)
			memcpy(dst->nvp_value.v_array, v->v_array, n * t->nt_width);
		break;
	case NV_STRING_ARRAY:
		dst->nvp_value.v_strings = kmem_alloc(n * sizeof(char *), KM_SLEEP);
		for (size_t i = 0; i < n; i++)
			dst->nvp_value.v_strings[i] = kmem_strdup(v->v_strings[i]);
		break;
	case NV_LIST:
		dst->nvp_value.v_list = nvlist_dup(v->v_list);
		break;
	case NV_LIST_ARRAY:
		dst->nvp_value.v_lists = kmem_alloc(n * sizeof(nvlist_t *), KM_SLEEP);
		for (size_t i = 0; i < n; i++)
			dst->nvp_value.v_lists[i] = nvlist_dup(v->v_lists[i]);
		break;
	case NV_NONE:
	case NV_PRESENCE:
		break;
	}
}

/* Replace what the list's rule says, then append. */
static void
pair_add(nvlist_t *nvl, nvpair_t *nvp)
{
	nvpair_t *old =
	    pair_clashing(nvl, nvp->nvp_name, nvp->nvp_namelen, nvp->nvp_type);

	if (old != NULL)
		pair_remove(nvl, old);
	nv_pair_insert(nvl, nvp);
}

static nvpair_t *
pair_dup(const nvpair_t *src)
{
	nvpair_t *nvp = nv_pair_alloc(
	    src->nvp_name, src->nvp_namelen, src->nvp_type, src->nvp_nelem);

	copy_value(nvp, src);
	return (nvp);
}

nvlist_t *
nvlist_dup(const nvlist_t *nvl)
{
	nvlist_t *copy = nvlist_create();

	copy->nvl_flag = nvl->nvl_flag;
	for (const nvpair_t *nvp = nvl->nvl_first; nvp != NULL; nvp = nvp->nvp_next)
		nv_pair_insert(copy, pair_dup(nvp));
	return (copy);
}

int
nvlist_add_nvpair(nvlist_t *nvl, const nvpair_t *nvp)
{
	/* The copy comes first: nvp may be the pair that gets replaced. */
	pair_add(nvl, pair_dup(nvp));
	return (0);
}

void
nvlist_merge(nvlist_t *dst, const nvlist_t *src)
{
	if (dst == src)
		return;
	for (const nvpair_t *nvp = src->nvl_first; nvp != NULL; nvp = nvp->nvp_next)
		(void)nvlist_add_nvpair(dst, nvp);
}

/* ---- adding ---- */

/* So that no size overflows the format's signed 32-bit fields. */
static uint64_t
max_elements(const nv_type_t *t)
{
	switch (t->nt_class) {
	case NV_ARRAY:
		return (NV_MAX_SIZE / 4 / t->nt_native);
	case NV_STRING_ARRAY:
	case NV_LIST_ARRAY:
		return (NV_MAX_SIZE / 4 / 32);
	default:
		return (1);
	}
}

/*
 * Build a pair from `n` elements at `data` and add it. The values of nv_type_t say how
 * to copy; the caller's types match them because the functions below are generated.
 */
static int
add_common(
    nvlist_t *nvl, const char *name, data_type_t type, size_t n, const void *data)
{
	const nv_type_t *t = nv_type_of(type);
	size_t namelen;
	nvpair_t *nvp;

	if (nvl == NULL || name == NULL)
		return (EINVAL);
	namelen = strlen(name);
	if (namelen == 0 || namelen > NV_NAME_MAX)
		return (EINVAL);
	if (n > max_elements(t))
		return (EINVAL);
	if (data == NULL && n != 0)
		return (EINVAL);

	nvp = nv_pair_alloc(name, namelen, type, (uint32_t)n);
	if (t->nt_class == NV_SCALAR) {
		memcpy(nvp->nvp_value.v_scalar, data, t->nt_width);
	} else {
		nvpair_t src = {.nvp_type = type, .nvp_nelem = (uint32_t)n};
		if (t->nt_class == NV_STRING)
			src.nvp_value.v_string = (char *)(uintptr_t)data;
		else
			src.nvp_value.v_array = (void *)(uintptr_t)data;
		copy_value(nvp, &src);
	}
	pair_add(nvl, nvp);
	return (0);
}

int
nvlist_add_boolean(nvlist_t *nvl, const char *name)
{
	return (add_common(nvl, name, DATA_TYPE_BOOLEAN, 0, NULL));
}

int
nvlist_add_string(nvlist_t *nvl, const char *name, const char *v)
{
	return (add_common(nvl, name, DATA_TYPE_STRING, 1, v));
}

int
nvlist_add_nvlist(nvlist_t *nvl, const char *name, const nvlist_t *v)
{
	return (add_common(nvl, name, DATA_TYPE_NVLIST, 1, v));
}

int
nvlist_add_string_array(nvlist_t *nvl, const char *name, const char *const *v, size_t n)
{
	for (size_t i = 0; v != NULL && i < n; i++)
		if (v[i] == NULL)
			return (EINVAL);
	return (add_common(nvl, name, DATA_TYPE_STRING_ARRAY, n, v));
}

int
nvlist_add_nvlist_array(
    nvlist_t *nvl, const char *name, const nvlist_t *const *v, size_t n)
{
	for (size_t i = 0; v != NULL && i < n; i++)
		if (v[i] == NULL)
			return (EINVAL);
	return (add_common(nvl, name, DATA_TYPE_NVLIST_ARRAY, n, v));
}

/* ---- looking up ---- */

static const nvpair_t *
lookup(const nvlist_t *nvl, const char *name, data_type_t type)
{
	return (pair_find(nvl, name, strlen(name), type));
}

int
nvlist_lookup_boolean(const nvlist_t *nvl, const char *name)
{
	return (lookup(nvl, name, DATA_TYPE_BOOLEAN) == NULL ? ENOENT : 0);
}

int
nvlist_lookup_string(const nvlist_t *nvl, const char *name, const char **v)
{
	const nvpair_t *nvp = lookup(nvl, name, DATA_TYPE_STRING);

	if (nvp == NULL)
		return (ENOENT);
	if (v != NULL)
		*v = nvp->nvp_value.v_string;
	return (0);
}

int
nvlist_lookup_nvlist(const nvlist_t *nvl, const char *name, nvlist_t **v)
{
	const nvpair_t *nvp = lookup(nvl, name, DATA_TYPE_NVLIST);

	if (nvp == NULL)
		return (ENOENT);
	if (v != NULL)
		*v = nvp->nvp_value.v_list;
	return (0);
}

int
nvlist_lookup_string_array(
    const nvlist_t *nvl, const char *name, const char *const **v, size_t *n)
{
	const nvpair_t *nvp = lookup(nvl, name, DATA_TYPE_STRING_ARRAY);

	if (nvp == NULL)
		return (ENOENT);
	if (v != NULL)
		*v = (const char *const *)nvp->nvp_value.v_strings;
	if (n != NULL)
		*n = nvp->nvp_nelem;
	return (0);
}

int
nvlist_lookup_nvlist_array(
    const nvlist_t *nvl, const char *name, nvlist_t *const **v, size_t *n)
{
	const nvpair_t *nvp = lookup(nvl, name, DATA_TYPE_NVLIST_ARRAY);

	if (nvp == NULL)
		return (ENOENT);
	if (v != NULL)
		*v = nvp->nvp_value.v_lists;
	if (n != NULL)
		*n = nvp->nvp_nelem;
	return (0);
}

int
nvpair_value_uint64(const nvpair_t *nvp, uint64_t *v)
{
	if (nvp->nvp_type != DATA_TYPE_UINT64)
		return (EINVAL);
	memcpy(v, nvp->nvp_value.v_scalar, sizeof(*v));
	return (0);
}

int
nvpair_value_string(const nvpair_t *nvp, const char **v)
{
	if (nvp->nvp_type != DATA_TYPE_STRING)
		return (EINVAL);
	*v = nvp->nvp_value.v_string;
	return (0);
}

int
nvpair_value_nvlist(const nvpair_t *nvp, nvlist_t **v)
{
	if (nvp->nvp_type != DATA_TYPE_NVLIST)
		return (EINVAL);
	*v = nvp->nvp_value.v_list;
	return (0);
}

/* Scalars and arrays of numbers differ in nothing but their C type. */
#define NV_SCALAR_FUNCS(what, ctype, TYPE)                                             \
	int nvlist_add_##what(nvlist_t *nvl, const char *name, ctype v)                \
	{                                                                              \
		return (add_common(nvl, name, TYPE, 1, &v));                           \
	}                                                                              \
	int nvlist_lookup_##what(const nvlist_t *nvl, const char *name, ctype *v)      \
	{                                                                              \
		const nvpair_t *nvp = lookup(nvl, name, TYPE);                         \
		if (nvp == NULL)                                                       \
			return (ENOENT);                                               \
		if (v != NULL)                                                         \
			memcpy(v, nvp->nvp_value.v_scalar, sizeof(*v));                \
		return (0);                                                            \
	}
NV_SCALAR_FUNCS(boolean_value, bool, DATA_TYPE_BOOLEAN_VALUE)
NV_SCALAR_FUNCS(byte, uint8_t, DATA_TYPE_BYTE)
NV_SCALAR_FUNCS(int8, int8_t, DATA_TYPE_INT8)
NV_SCALAR_FUNCS(uint8, uint8_t, DATA_TYPE_UINT8)
NV_SCALAR_FUNCS(int16, int16_t, DATA_TYPE_INT16)
NV_SCALAR_FUNCS(uint16, uint16_t, DATA_TYPE_UINT16)
NV_SCALAR_FUNCS(int32, int32_t, DATA_TYPE_INT32)
NV_SCALAR_FUNCS(uint32, uint32_t, DATA_TYPE_UINT32)
NV_SCALAR_FUNCS(int64, int64_t, DATA_TYPE_INT64)
NV_SCALAR_FUNCS(uint64, uint64_t, DATA_TYPE_UINT64)
NV_SCALAR_FUNCS(double, double, DATA_TYPE_DOUBLE)
NV_SCALAR_FUNCS(hrtime, int64_t, DATA_TYPE_HRTIME)

#define NV_ARRAY_FUNCS(what, ctype, TYPE)                                              \
	int nvlist_add_##what(                                                         \
	    nvlist_t *nvl, const char *name, const ctype *v, size_t n)                 \
	{                                                                              \
		return (add_common(nvl, name, TYPE, n, v));                            \
	}                                                                              \
	int nvlist_lookup_##what(                                                      \
	    const nvlist_t *nvl, const char *name, const ctype **v, size_t *n)         \
	{                                                                              \
		const nvpair_t *nvp = lookup(nvl, name, TYPE);                         \
		if (nvp == NULL)                                                       \
			return (ENOENT);                                               \
		if (v != NULL)                                                         \
			*v = nvp->nvp_value.v_array;                                   \
		if (n != NULL)                                                         \
			*n = nvp->nvp_nelem;                                           \
		return (0);                                                            \
	}
NV_ARRAY_FUNCS(boolean_array, bool, DATA_TYPE_BOOLEAN_ARRAY)
NV_ARRAY_FUNCS(byte_array, uint8_t, DATA_TYPE_BYTE_ARRAY)
NV_ARRAY_FUNCS(int8_array, int8_t, DATA_TYPE_INT8_ARRAY)
NV_ARRAY_FUNCS(uint8_array, uint8_t, DATA_TYPE_UINT8_ARRAY)
NV_ARRAY_FUNCS(int16_array, int16_t, DATA_TYPE_INT16_ARRAY)
NV_ARRAY_FUNCS(uint16_array, uint16_t, DATA_TYPE_UINT16_ARRAY)
NV_ARRAY_FUNCS(int32_array, int32_t, DATA_TYPE_INT32_ARRAY)
NV_ARRAY_FUNCS(uint32_array, uint32_t, DATA_TYPE_UINT32_ARRAY)
NV_ARRAY_FUNCS(int64_array, int64_t, DATA_TYPE_INT64_ARRAY)
NV_ARRAY_FUNCS(uint64_array, uint64_t, DATA_TYPE_UINT64_ARRAY)

/* ---- constant names ---- */

void
fnvlist_add_boolean(nvlist_t *nvl, const char *name)
{
	VERIFY0(nvlist_add_boolean(nvl, name));
}

#define FNV_ADD(what, ctype)                                                           \
	void fnvlist_add_##what(nvlist_t *nvl, const char *name, ctype v)              \
	{                                                                              \
		VERIFY0(nvlist_add_##what(nvl, name, v));                              \
	}
FNV_ADD(boolean_value, bool)
FNV_ADD(int64, int64_t)
FNV_ADD(uint64, uint64_t)
FNV_ADD(string, const char *)
FNV_ADD(nvlist, const nvlist_t *)

#define FNV_ADD_ARRAY(what, ctype)                                                     \
	void fnvlist_add_##what(nvlist_t *nvl, const char *name, ctype v, size_t n)    \
	{                                                                              \
		VERIFY0(nvlist_add_##what(nvl, name, v, n));                           \
	}
FNV_ADD_ARRAY(uint64_array, const uint64_t *)
FNV_ADD_ARRAY(byte_array, const uint8_t *)
FNV_ADD_ARRAY(string_array, const char *const *)
FNV_ADD_ARRAY(nvlist_array, const nvlist_t *const *)
