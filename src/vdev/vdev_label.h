/*
 * Labels and uberblock rings of leaf devices (format/01 §2).
 */
#ifndef TARN_VDEV_LABEL_H
#define TARN_VDEV_LABEL_H

#include "vdev/vdev.h"

/*
 * Read the best label config of an open leaf for txg limit `txg` (format/01 §2.8).
 * ENOENT none. Caller frees.
 */
int vdev_label_read_config(vdev_t *leaf, uint64_t txg, nvlist_t **configp);

/* The same from a path, without a vdev (discovery). *nlabels: how many of the four decode. */
int vdev_label_probe(const char *path, nvlist_t **configp, int *nlabels);

/*
 * Write txg-0 labels, bootenv and ring template on every leaf below vd (format/01 §2.3, §3.8).
 * `mkconfig(arg, leaf)` gives each leaf its config. Refuses (EBUSY) nothing: in-use checks are
 * the caller's.
 */
int vdev_label_init(
    vdev_t *vd, const uberblock_t *ub, nvlist_t *(*mkconfig)(void *, vdev_t *), void *arg);

/*
 * Best uberblock on all readable leaves with txg <= limit; *configp = label config of the leaf it
 * was found on (caller frees). ENXIO if none.
 */
int vdev_uberblock_load(vdev_t *root, uint64_t limit, uberblock_t *ub, nvlist_t **configp);
/* Call func for every valid uberblock found (leaf, label, slot); for `zdb -lu` and diagnosis. */
void vdev_uberblock_walk(vdev_t *root,
    void (*func)(void *arg, vdev_t *leaf, int label, int slot, const uberblock_t *ub), void *arg);

/*
 * Commit (format/01 §2.6): flush everything below root; labels 0+2 of dirty top-levels; flush;
 * uberblock to all four labels of `ntops` chosen top-levels; flush; labels 1+3.
 * mkconfig(arg, leaf) makes the label config. multihost: ring without its last slot.
 * Returns 0 or the error when not one uberblock could be made durable.
 */
int vdev_config_sync(vdev_t *root, vdev_t **tops, int ntops, const uberblock_t *ub,
    bool multihost, nvlist_t *(*mkconfig)(void *, vdev_t *), void *arg);

/* Overwrite all four labels of a device so that no pool is found on it (labelclear). */
int vdev_label_clear(const char *path, bool force);

#endif
