/*
 * Labels and uberblock rings of leaf devices (format/01 §2).
 *
 * The problem. A pool must be found, and found in its newest consistent state, on
 * devices of which any write may have been torn and any device may be gone.
 *
 * The idea. Four copies of a label on each leaf, written in two halves around the
 * uberblock, so that at every moment one half fits the uberblock that counts; a label
 * newer than the best uberblock is ignored. The uberblock is a slot of a ring: the
 * previous ones stay until the ring comes round.
 *
 *      vdev_label.c      reading: best label of a leaf, best uberblock of a tree
 *      vdev_label_sync.c writing: initialising, committing, heartbeats, clearing
 *
 * Everything here waits for its I/O and so belongs to threads that may wait. Requests
 * of one step go out together. No locks; the caller holds the tree's shape still.
 */
#ifndef TARN_VDEV_LABEL_H
#define TARN_VDEV_LABEL_H

#include "vdev/vdev.h"

/*
 * Read the best label config of an open leaf for txg limit `txg` (format/01 §2.8).
 * ENOENT none. Caller frees.
 */
int vdev_label_read_config(vdev_t *leaf, uint64_t txg, nvlist_t **configp);

/* The same from a path, without a vdev (discovery). *nlabels: how many of the four
 * decode. */
int vdev_label_probe(const char *path, nvlist_t **configp, int *nlabels);

/*
 * Write txg-0 labels, bootenv and ring template on every leaf below vd (format/01 §2.3,
 * §3.8). `mkconfig(arg, leaf)` gives each leaf its config. Refuses (EBUSY) nothing:
 * in-use checks are the caller's.
 */
int vdev_label_init(vdev_t *vd, const uberblock_t *ub,
    nvlist_t *(*mkconfig)(void *, vdev_t *), void *arg);

/*
 * Best uberblock on all readable leaves with txg <= limit; *configp = label config of
 * the leaf it was found on (caller frees). ENXIO if none.
 */
int vdev_uberblock_load(
    vdev_t *root, uint64_t limit, uberblock_t *ub, nvlist_t **configp);
/* Call func for every valid uberblock found (leaf, label, slot); for `zdb -lu` and
 * diagnosis. */
void vdev_uberblock_walk(vdev_t *root,
    void (*func)(void *arg, vdev_t *leaf, int label, int slot, const uberblock_t *ub),
    void *arg);

/*
 * Commit (format/01 §2.6): flush everything below root; labels 0+2 of dirty top-levels;
 * flush; uberblock to all four labels of `ntops` chosen top-levels; flush; labels 1+3.
 * mkconfig(arg, leaf) makes the label config (freed here). multihost: ring without its
 * last slot. Dirty top-levels are those with vdev_config_dirty when called; the caller,
 * who sets the flag, clears it after success. An uberblock counts as durable when it
 * and its flush succeeded on a leaf of a top-level with a metaslab array (or, in a pool
 * whose first txg this is, any). EIO: a step failed for a whole top-level that is no
 * log, or no uberblock is durable; the commit may be repeated, or the pool suspended.
 */
int vdev_config_sync(vdev_t *root, vdev_t **tops, int ntops, const uberblock_t *ub,
    bool multihost, nvlist_t *(*mkconfig)(void *, vdev_t *), void *arg);

/*
 * Multihost heartbeat: write ub into the ring's last slot of one label (0..3) of a leaf
 * (format/01 §11.3).
 */
int vdev_mmp_write(vdev_t *leaf, int label, const uberblock_t *ub);

/*
 * Boot environment (format/01 §2.4). Read: the first block below vd whose trailer
 * verifies; payload receives VDEV_BOOTENV_PAYLOAD_SIZE bytes. ENOENT: none. Write: all
 * labels of all leaves at once; EIO if not one could be written.
 */
int vdev_bootenv_read(vdev_t *vd, uint64_t *version, void *payload);
int vdev_bootenv_write(vdev_t *vd, uint64_t version, const void *payload, size_t len);

/*
 * The device grew or moved its end: bring L2 and L3 to their new place (label config
 * and ring of L0, format/01 §2.1). To be followed by a commit.
 */
int vdev_label_expand(vdev_t *leaf);

/* Overwrite all four labels of a device so that no pool is found on it (labelclear). */
/* EBUSY without `force`: a label says that the device belongs to a pool not destroyed.
 */
int vdev_label_clear(const char *path, bool force);

#endif
