/* What the two halves of `zpool import` share: finding pools, and importing them. */
#ifndef TARN_CMD_ZPOOL_IMPORT_H
#define TARN_CMD_ZPOOL_IMPORT_H

#include "cmd/zpool.h"

typedef struct import {
	bool im_all, im_destroyed, im_force, im_nomount, im_missing_log, im_scan;
	bool im_rewind, im_dryrun, im_extreme, im_checkpoint, im_temporary;
	const char *im_cachefile, *im_mntopts;
	bool im_default_cache;
	char *im_dirs[256];
	size_t im_ndirs;
	uint64_t im_txg;
	nvlist_t *im_props;
	nvlist_t *im_found; /* guid -> config, in the order of discovery */
} import_t;

/* Look for pools where the options say; fills im_found. 0, or 1 after complaining. */
int import_search(import_t *im);
/*
 * Give every vdev of the tree of a configuration the state that opening it would find
 * (vdev_stats { state, aux }), leaves first.
 */
void import_tree_state(nvlist_t *tree);
/* In use by a host that is not this one, as its labels say. */
bool import_other_host(const nvlist_t *config);
/* A pool as `zpool import` lists it. */
void import_show(nvlist_t *config, bool first);

#endif
