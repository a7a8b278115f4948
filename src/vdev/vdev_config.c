/*
 * Vdevs and their configuration nodes (format/01 §3.3): building a tree from one,
 * describing a tree by one, finding vdevs in it.
 *
 * A configuration comes from labels, caches and users and is hostile: its types,
 * numbers and nesting are checked here, once. Keys that this version does not
 * interpret are kept (vdev_extra) and written back, so that a pool does not lose
 * what other software knows about it.
 */
#include <stdlib.h>
#include "vdev/vdev_impl.h"

/* ------------------------------------------------------------------ building -- */

static const vdev_ops_t *const vdev_ops_table[] = {&vdev_root_ops, &vdev_mirror_ops,
    &vdev_replacing_ops, &vdev_spare_ops, &vdev_file_ops, &vdev_disk_ops,
    &vdev_missing_ops, &vdev_hole_ops};

/* Types of the format that this version cannot open. */
static const char *const vdev_types_unsupported[] = {
    "raidz", "draid", "dspare", "indirect"};

/* Keys that members of vdev_t stand for; all others go to vdev_extra. */
static const char *const vdev_known_keys[] = {"type", "id", "guid", "path", "devid",
    "phys_path", "whole_disk", "not_present", "is_spare", "metaslab_array",
    "metaslab_shift", "ashift", "asize", "is_log", "non_allocating", "DTL",
    "create_txg", "com.delphix:vdev_zap_leaf", "com.delphix:vdev_zap_top", "children",
    "offline", "resilver_txg", "faulted", "degraded", "removed", "unspare", "is_hole",
    "aux_state", "vdev_stats"};

static int
vdev_ops_find(const char *type, const vdev_ops_t **opsp)
{
	for (size_t i = 0; i < ARRAY_SIZE(vdev_ops_table); i++) {
		if (strcmp(vdev_ops_table[i]->vop_type, type) == 0) {
			*opsp = vdev_ops_table[i];
			return (0);
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(vdev_types_unsupported); i++) {
		if (strcmp(vdev_types_unsupported[i], type) == 0) {
			spl_log(LOG_WARNING, "vdev type \"%s\" is not supported", type);
			return (ENOTSUP);
		}
	}
	return (EINVAL);
}

static void
get_u64(const nvlist_t *nv, const char *key, uint64_t *v)
{
	(void)nvlist_lookup_uint64(nv, key, v);
}

static void
get_flag(const nvlist_t *nv, const char *key, bool *flag)
{
	uint64_t v;

	if (nvlist_lookup_uint64(nv, key, &v) == 0)
		*flag = v != 0;
}

static void
get_string(const nvlist_t *nv, const char *key, char **s)
{
	const char *v;

	if (nvlist_lookup_string(nv, key, &v) == 0)
		*s = kmem_strdup(v);
}

static nvlist_t *
vdev_unknown_keys(const nvlist_t *nv)
{
	nvlist_t *extra = NULL;

	for (nvpair_t *nvp = nvlist_next_nvpair(nv, NULL); nvp != NULL;
	     nvp = nvlist_next_nvpair(nv, nvp)) {
		size_t i;
		for (i = 0; i < ARRAY_SIZE(vdev_known_keys); i++) {
			if (strcmp(vdev_known_keys[i], nvpair_name(nvp)) == 0)
				break;
		}
		if (i < ARRAY_SIZE(vdev_known_keys))
			continue;
		if (extra == NULL)
			extra = nvlist_create();
		(void)nvlist_add_nvpair(extra, nvp);
	}
	return (extra);
}

static void
vdev_parse_leaf(vdev_t *vd, const nvlist_t *nv)
{
	const char *aux;

	get_string(nv, "path", &vd->vdev_path);
	get_string(nv, "devid", &vd->vdev_devid);
	get_string(nv, "phys_path", &vd->vdev_physpath);
	get_u64(nv, "whole_disk", &vd->vdev_wholedisk);
	get_flag(nv, "not_present", &vd->vdev_not_present);
	get_flag(nv, "is_spare", &vd->vdev_isspare);
	get_u64(nv, "DTL", &vd->vdev_dtl_object);
	get_u64(nv, "com.delphix:vdev_zap_leaf", &vd->vdev_leaf_zap);
	get_flag(nv, "offline", &vd->vdev_offline);
	get_u64(nv, "resilver_txg", &vd->vdev_resilver_txg);
	get_flag(nv, "faulted", &vd->vdev_faulted);
	get_flag(nv, "degraded", &vd->vdev_degraded);
	get_flag(nv, "removed", &vd->vdev_removed);
	get_flag(nv, "unspare", &vd->vdev_unspare);
	vd->vdev_label_aux = VDEV_AUX_ERR_EXCEEDED;
	if (nvlist_lookup_string(nv, "aux_state", &aux) == 0 &&
	    strcmp(aux, "external") == 0)
		vd->vdev_label_aux = VDEV_AUX_EXTERNAL;
}

static int
vdev_parse_top(vdev_t *vd, const nvlist_t *nv)
{
	get_u64(nv, "metaslab_array", &vd->vdev_ms_array);
	get_u64(nv, "metaslab_shift", &vd->vdev_ms_shift);
	get_u64(nv, "ashift", &vd->vdev_ashift);
	get_u64(nv, "asize", &vd->vdev_asize);
	get_flag(nv, "is_log", &vd->vdev_islog);
	get_flag(nv, "non_allocating", &vd->vdev_noalloc);
	get_u64(nv, "com.delphix:vdev_zap_top", &vd->vdev_top_zap);
	if (vd->vdev_ashift != 0 &&
	    (vd->vdev_ashift < ASHIFT_MIN || vd->vdev_ashift > ASHIFT_MAX) &&
	    vd->vdev_ops != &vdev_hole_ops)
		return (EDOM);
	/* A metaslab has at least one block; a shift of 64 would not even be a number.
	 */
	if (vd->vdev_ms_shift != 0 &&
	    (vd->vdev_ms_shift < vd->vdev_ashift || vd->vdev_ms_shift >= 63))
		return (EINVAL);
	return (0);
}

static int vdev_alloc_depth(void *owner, const nvlist_t *nv, vdev_t *parent,
    uint64_t id, bool create, int depth, vdev_t **vdp);

static int
vdev_alloc_children(vdev_t *vd, const nvlist_t *nv, bool create, int depth)
{
	nvlist_t *const *child;
	size_t n;
	int error;

	if (nvlist_lookup_nvlist_array(nv, "children", &child, &n) != 0 || n == 0)
		return (vd->vdev_ops == &vdev_root_ops ? 0 : EINVAL);
	vd->vdev_child = kmem_zalloc(n * sizeof(vdev_t *), KM_SLEEP);
	vd->vdev_children = n;
	for (size_t c = 0; c < n; c++) {
		error = vdev_alloc_depth(vd->vdev_owner, child[c], vd, c, create,
		    depth + 1, &vd->vdev_child[c]);
		if (error != 0)
			return (error);
	}
	return (0);
}

/* type, id and guid: what every node must have (format/01 §3.3, §12 row 5). */
static int
vdev_parse_identity(vdev_t *vd, const nvlist_t *nv, bool create)
{
	uint64_t id;

	/* Entries of the spare and cache lists have no id; all others must be in place.
	 */
	if (nvlist_lookup_uint64(nv, "id", &id) == 0 && id != vd->vdev_id && !create)
		return (EINVAL);
	if (nvlist_lookup_uint64(nv, "guid", &vd->vdev_guid) != 0) {
		if (!create)
			return (EINVAL);
		vd->vdev_guid = vd->vdev_ops == &vdev_hole_ops ? 0 : random_guid();
	}
	if (vd->vdev_guid == 0 && vd->vdev_ops != &vdev_hole_ops &&
	    vd->vdev_ops != &vdev_missing_ops)
		return (EINVAL);
	return (0);
}

static int
vdev_alloc_depth(void *owner, const nvlist_t *nv, vdev_t *parent, uint64_t id,
    bool create, int depth, vdev_t **vdp)
{
	const vdev_ops_t *ops;
	const char *type;
	int error;

	if (depth > VDEV_MAX_DEPTH || nvlist_lookup_string(nv, "type", &type) != 0)
		return (EINVAL);
	if ((error = vdev_ops_find(type, &ops)) != 0)
		return (error);
	if (ops == &vdev_root_ops && parent != NULL)
		return (EINVAL);

	vdev_t *vd = kmem_zalloc(sizeof(*vd), KM_SLEEP);
	mutex_init(&vd->vdev_stat_lock);
	vd->vdev_owner = owner;
	vd->vdev_ops = ops;
	vd->vdev_parent = parent;
	vd->vdev_id = id;
	vd->vdev_state = vd->vdev_prevstate = VDEV_STATE_CLOSED;
	vd->vdev_wholedisk = UINT64_MAX;
	if (ops != &vdev_root_ops)
		vd->vdev_top = parent == NULL || parent->vdev_ops == &vdev_root_ops
				   ? vd
				   : parent->vdev_top;
	if (ops->vop_leaf)
		vdev_dtl_init(vd);

	error = vdev_parse_identity(vd, nv, create);
	get_u64(nv, "create_txg", &vd->vdev_create_txg);
	if (error == 0 && vd->vdev_top == vd)
		error = vdev_parse_top(vd, nv);
	if (error == 0 && ops->vop_leaf)
		vdev_parse_leaf(vd, nv);
	if (error == 0)
		vd->vdev_extra = vdev_unknown_keys(nv);
	if (error == 0 && !ops->vop_leaf)
		error = vdev_alloc_children(vd, nv, create, depth);
	if (error != 0) {
		vdev_free(vd);
		return (error);
	}
	*vdp = vd;
	return (0);
}

int
vdev_alloc(void *owner, const nvlist_t *nv, vdev_t *parent, uint64_t id, bool create,
    vdev_t **vdp)
{
	int depth = 0;

	for (const vdev_t *up = parent; up != NULL; up = up->vdev_parent)
		depth++;
	return (vdev_alloc_depth(owner, nv, parent, id, create, depth, vdp));
}

void
vdev_free(vdev_t *vd)
{
	if (vd == NULL)
		return;
	/* All devices first: a probe under way looks at parents. */
	vdev_close(vd);
	for (uint64_t c = 0; c < vd->vdev_children; c++)
		vdev_free(vd->vdev_child[c]);
	kmem_free(vd->vdev_child, vd->vdev_children * sizeof(vdev_t *));
	vdev_test_detach(vd);
	vdev_dtl_fini(vd);
	kmem_strfree(vd->vdev_path);
	kmem_strfree(vd->vdev_devid);
	kmem_strfree(vd->vdev_physpath);
	nvlist_free(vd->vdev_extra);
	mutex_destroy(&vd->vdev_stat_lock);
	kmem_free(vd, sizeof(*vd));
}

/* ---------------------------------------------------------------- describing -- */

static void
add_nonzero(nvlist_t *nv, const char *key, uint64_t v)
{
	if (v != 0)
		fnvlist_add_uint64(nv, key, v);
}

static void
vdev_config_leaf(const vdev_t *vd, nvlist_t *nv)
{
	if (vd->vdev_path != NULL)
		fnvlist_add_string(nv, "path", vd->vdev_path);
	if (vd->vdev_devid != NULL)
		fnvlist_add_string(nv, "devid", vd->vdev_devid);
	if (vd->vdev_physpath != NULL)
		fnvlist_add_string(nv, "phys_path", vd->vdev_physpath);
	if (vd->vdev_wholedisk != UINT64_MAX)
		fnvlist_add_uint64(nv, "whole_disk", vd->vdev_wholedisk);
	add_nonzero(nv, "not_present", vd->vdev_not_present);
	add_nonzero(nv, "is_spare", vd->vdev_isspare);
}

/* Persistent decisions about a leaf, at the end of its node. */
static void
vdev_config_leaf_state(const vdev_t *vd, nvlist_t *nv)
{
	add_nonzero(nv, "offline", vd->vdev_offline);
	add_nonzero(nv, "resilver_txg", vd->vdev_resilver_txg);
	add_nonzero(nv, "faulted", vd->vdev_faulted);
	add_nonzero(nv, "degraded", vd->vdev_degraded);
	add_nonzero(nv, "removed", vd->vdev_removed);
	add_nonzero(nv, "unspare", vd->vdev_unspare);
	if (vd->vdev_faulted || vd->vdev_degraded)
		fnvlist_add_string(nv, "aux_state",
		    vd->vdev_label_aux == VDEV_AUX_EXTERNAL ? "external"
							    : "err_exceeded");
}

static void
vdev_config_top(const vdev_t *vd, nvlist_t *nv)
{
	fnvlist_add_uint64(nv, "metaslab_array", vd->vdev_ms_array);
	fnvlist_add_uint64(nv, "metaslab_shift", vd->vdev_ms_shift);
	fnvlist_add_uint64(nv, "ashift", vd->vdev_ashift);
	fnvlist_add_uint64(nv, "asize", vd->vdev_asize);
	fnvlist_add_uint64(nv, "is_log", vd->vdev_islog);
	add_nonzero(nv, "non_allocating", vd->vdev_noalloc);
}

static nvlist_t *vdev_generate(vdev_t *vd, bool mos, bool status);

static void
vdev_config_children(vdev_t *vd, nvlist_t *nv, bool mos, bool status)
{
	const size_t n = vd->vdev_children;
	nvlist_t **child = kmem_zalloc(n * sizeof(nvlist_t *), KM_SLEEP);

	for (size_t c = 0; c < n; c++)
		child[c] = vdev_generate(vd->vdev_child[c], mos, status);
	fnvlist_add_nvlist_array(nv, "children", (const nvlist_t *const *)child, n);
	for (size_t c = 0; c < n; c++)
		nvlist_free(child[c]);
	kmem_free(child, n * sizeof(nvlist_t *));
}

static void
vdev_status_add(vdev_t *vd, nvlist_t *nv)
{
	nvlist_t *st = nvlist_create();
	vdev_stat_t vs;
	vdev_aux_t aux;
	const vdev_state_t state = vdev_get_state(vd, &aux);

	vdev_get_stats(vd, &vs);
	fnvlist_add_uint64(st, "state", state);
	fnvlist_add_uint64(st, "aux", aux);
	fnvlist_add_uint64(st, "space", vd->vdev_asize);
	fnvlist_add_uint64(st, "rsize", vd->vdev_psize);
	fnvlist_add_uint64(st, "esize",
	    vd->vdev_max_asize > vd->vdev_asize ? vd->vdev_max_asize - vd->vdev_asize
						: 0);
	fnvlist_add_uint64(st, "read_ops", vs.vs_ops[VIO_READ]);
	fnvlist_add_uint64(st, "write_ops", vs.vs_ops[VIO_WRITE]);
	fnvlist_add_uint64(st, "read_bytes", vs.vs_bytes[VIO_READ]);
	fnvlist_add_uint64(st, "write_bytes", vs.vs_bytes[VIO_WRITE]);
	fnvlist_add_uint64(st, "read_errors", vs.vs_read_errors);
	fnvlist_add_uint64(st, "write_errors", vs.vs_write_errors);
	fnvlist_add_uint64(st, "checksum_errors", vs.vs_checksum_errors);
	fnvlist_add_uint64(st, "self_healed", vs.vs_self_healed);
	fnvlist_add_uint64(st, "scan_processed", vs.vs_scan_processed);
	fnvlist_add_uint64(st, "active_ops", vdev_queue_load(vd));
	fnvlist_add_uint64(st, "physical_ashift", vd->vdev_physical_ashift);
	if (vd->vdev_top != NULL)
		fnvlist_add_uint64(st, "configured_ashift", vd->vdev_top->vdev_ashift);
	fnvlist_add_nvlist(nv, "vdev_stats", st);
	nvlist_free(st);
}

/* In the order of the table of format/01 §3.3, as others write it. */
static nvlist_t *
vdev_generate(vdev_t *vd, bool mos, bool status)
{
	const bool leaf = vd->vdev_ops->vop_leaf;
	nvlist_t *nv = nvlist_create();

	fnvlist_add_string(nv, "type", vd->vdev_ops->vop_type);
	fnvlist_add_uint64(nv, "id", vd->vdev_id);
	fnvlist_add_uint64(nv, "guid", vd->vdev_guid);
	if (leaf)
		vdev_config_leaf(vd, nv);
	if (vd->vdev_extra != NULL)
		nvlist_merge(nv, vd->vdev_extra);
	if (vd->vdev_top == vd)
		vdev_config_top(vd, nv);
	if (leaf)
		add_nonzero(nv, "DTL", vd->vdev_dtl_object);
	if (vd->vdev_ops == &vdev_hole_ops)
		fnvlist_add_uint64(nv, "is_hole", 1);
	else
		add_nonzero(nv, "create_txg", vd->vdev_create_txg);
	if (mos && leaf)
		add_nonzero(nv, "com.delphix:vdev_zap_leaf", vd->vdev_leaf_zap);
	if (mos && vd->vdev_top == vd)
		add_nonzero(nv, "com.delphix:vdev_zap_top", vd->vdev_top_zap);
	if (status)
		vdev_status_add(vd, nv);
	if (leaf)
		vdev_config_leaf_state(vd, nv);
	else
		vdev_config_children(vd, nv, mos, status);
	return (nv);
}

nvlist_t *
vdev_config_generate(vdev_t *vd, bool mos)
{
	return (vdev_generate(vd, mos, false));
}

nvlist_t *
vdev_status_generate(vdev_t *vd)
{
	return (vdev_generate(vd, true, true));
}

/* -------------------------------------------------------------------- finding -- */

vdev_t *
vdev_lookup_by_guid(vdev_t *vd, uint64_t guid)
{
	vdev_t *found;

	if (vd->vdev_guid == guid && guid != 0)
		return (vd);
	for (uint64_t c = 0; c < vd->vdev_children; c++) {
		if ((found = vdev_lookup_by_guid(vd->vdev_child[c], guid)) != NULL)
			return (found);
	}
	return (NULL);
}

static bool
vdev_has_name(const vdev_t *vd, const char *name)
{
	if (vd->vdev_path == NULL)
		return (false);
	if (strcmp(vd->vdev_path, name) == 0)
		return (true);
	const char *base = strrchr(vd->vdev_path, '/');
	return (base != NULL && name[0] != '/' && strcmp(base + 1, name) == 0);
}

vdev_t *
vdev_lookup_by_name(vdev_t *vd, const char *name)
{
	vdev_t *found;
	char *end;

	if (vdev_has_name(vd, name))
		return (vd);
	for (uint64_t c = 0; c < vd->vdev_children; c++) {
		if ((found = vdev_lookup_by_name(vd->vdev_child[c], name)) != NULL)
			return (found);
	}
	if (vd->vdev_parent != NULL)
		return (NULL);
	errno = 0;
	const uint64_t guid = strtoull(name, &end, 10);
	if (errno != 0 || end == name || *end != '\0')
		return (NULL);
	return (vdev_lookup_by_guid(vd, guid));
}

uint64_t
vdev_guid_sum(const vdev_t *vd)
{
	uint64_t sum = vd->vdev_guid;

	for (uint64_t c = 0; c < vd->vdev_children; c++)
		sum += vdev_guid_sum(vd->vdev_child[c]);
	return (sum);
}

void
vdev_foreach_leaf(vdev_t *vd, void (*func)(vdev_t *leaf, void *arg), void *arg)
{
	if (vd->vdev_ops->vop_leaf) {
		if (vd->vdev_ops != &vdev_hole_ops && vd->vdev_ops != &vdev_missing_ops)
			func(vd, arg);
		return;
	}
	for (uint64_t c = 0; c < vd->vdev_children; c++)
		vdev_foreach_leaf(vd->vdev_child[c], func, arg);
}

/* --------------------------------------------------------------------- sizes -- */

uint64_t
vdev_psize_to_asize(vdev_t *top, uint64_t psize)
{
	return (top->vdev_ops->vop_psize_to_asize(top, psize));
}

/* format/01 §10: 512 MiB, unless that makes fewer than 16 or more than 200. */
uint64_t
vdev_default_ms_shift(uint64_t asize)
{
	uint64_t shift = 29;
	const uint64_t count = asize >> shift;

	if (count < 16)
		shift = (uint64_t)highbit64(asize / 16);
	else if (count > 200)
		shift = (uint64_t)highbit64(asize / 200);
	shift = MIN(MAX(shift, 24), 34);
	if (asize >> shift > 131072)
		shift = (uint64_t)highbit64(asize / 131072);
	return (shift);
}
