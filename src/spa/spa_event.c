/*
 * Events: what `zpool events` shows and monitors wait for. The pool room queues them (suo_event); here they are
 * put together, with the keys of zpool-events(8).
 */
#include "spa/spa.h"

#include <stdio.h>

nvlist_t *
spa_event_create(spa_t *spa, const char *class)
{
	nvlist_t *nvl = nvlist_create();

	fnvlist_add_uint64(nvl, "version", 0);
	fnvlist_add_string(nvl, "class", class);
	fnvlist_add_string(nvl, "pool", spa->spa_name);
	fnvlist_add_uint64(nvl, "pool_guid", spa->spa_guid);
	fnvlist_add_uint64(nvl, "pool_state", (uint64_t)spa->spa_state);
	fnvlist_add_uint64(nvl, "pool_context", 0);
	return (nvl);
}

void
spa_event_post(spa_t *spa, nvlist_t *nvl)
{
	if (spa->spa_upper != NULL && spa->spa_upper->suo_event != NULL)
		spa->spa_upper->suo_event(spa, nvl);
	else
		nvlist_free(nvl);
}

static void
event_add_vdev(nvlist_t *nvl, vdev_t *vd)
{
	vdev_stat_t vs;

	vdev_get_stats(vd, &vs);
	fnvlist_add_uint64(nvl, "vdev_guid", vd->vdev_guid);
	fnvlist_add_string(nvl, "vdev_type", vd->vdev_ops->vop_type);
	if (vd->vdev_path != NULL)
		fnvlist_add_string(nvl, "vdev_path", vd->vdev_path);
	if (vd->vdev_devid != NULL)
		fnvlist_add_string(nvl, "vdev_devid", vd->vdev_devid);
	if (vd->vdev_top != NULL)
		fnvlist_add_uint64(nvl, "vdev_ashift", vd->vdev_top->vdev_ashift);
	fnvlist_add_uint64(nvl, "vdev_read_errors", vs.vs_read_errors);
	fnvlist_add_uint64(nvl, "vdev_write_errors", vs.vs_write_errors);
	fnvlist_add_uint64(nvl, "vdev_cksum_errors", vs.vs_checksum_errors);
	if (vd->vdev_parent != NULL) {
		fnvlist_add_uint64(nvl, "parent_guid", vd->vdev_parent->vdev_guid);
		fnvlist_add_string(
		    nvl, "parent_type", vd->vdev_parent->vdev_ops->vop_type);
	}
}

/* vdev_ereport: a leaf failed a request ("io", "checksum") or changed its state. */
void
spa_vdev_ereport(vdev_t *vd, const char *cls, const vdev_io_t *vio, int error)
{
	spa_t *spa = vd->vdev_owner;
	const bool state = strcmp(cls, "statechange") == 0;
	char class[64];

	/* A tree that is only looked at (discovery) belongs to no pool. */
	if (spa == NULL)
		return;
	(void)snprintf(
	    class, sizeof(class), "%s.fs.zfs.%s", state ? "resource" : "ereport", cls);
	nvlist_t *nvl = spa_event_create(spa, class);
	event_add_vdev(nvl, vd);
	if (state) {
		fnvlist_add_uint64(nvl, "vdev_state", vdev_get_state(vd, NULL));
		fnvlist_add_uint64(nvl, "vdev_laststate", vd->vdev_prevstate);
	}
	if (vio != NULL) {
		fnvlist_add_uint64(nvl, "zio_err", (uint64_t)error);
		fnvlist_add_uint64(nvl, "zio_offset", vio->vio_offset);
		fnvlist_add_uint64(nvl, "zio_size", vio->vio_size);
		fnvlist_add_uint64(nvl, "zio_priority", vio->vio_priority);
	}
	spa_event_post(spa, nvl);
}
