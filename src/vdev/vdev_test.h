/*
 * Test devices by composition: any leaf can be made to fail, delay, scramble or lose
 * requests, and any leaf's writes can be recorded, without knowing what kind of
 * device it is. The facility is part of the product: fault injection commands and
 * crash tests use it.
 *
 * Faults. A leaf has a list of faults; the first that matches a request decides. What
 * a fault hits is a device byte range and a set of request types; what it does is an
 * errno, a delay, or both.
 *
 * Recording. A recorder collects the writes of any number of leaves into one file: each
 * write when the device has reported it done, and each flush with the number of records
 * it certainly covers. From such a file every state a power cut could have left is
 * made: all that was flushed, and any part of what was not. Replay goes to plain files.
 *
 * Locks: one for each leaf's faults and one for each recorder, both innermost.
 */
#ifndef TARN_VDEV_TEST_H
#define TARN_VDEV_TEST_H

#include "vdev/vdev.h"

/* ---- faults ------------------------------------------------------------------- */

#define VF_TYPE(t) (1U << (t)) /* VF_TYPE(VIO_READ) | … */
#define VF_ALL_TYPES 0xfU

typedef struct vdev_fault {
	uint32_t vf_types;
	uint64_t vf_offset,
	    vf_size; /* device bytes (labels included); size 0: everything */
	/*
	 * 0: no error. ECKSUM on reads: the device's bytes are scrambled and it says
	 * nothing; on writes: what it stores is scrambled. Anything else: the request
	 * fails with it.
	 */
	int vf_error;
	bool vf_lose; /* writes: reported done, never stored; flushes: not passed on */
	bool vf_probes;	   /* hits the probe, too: the device is gone */
	hrtime_t vf_delay; /* ns before the request starts */
	uint64_t vf_skip;  /* so many matching requests pass first */
	uint64_t vf_count; /* then so many are hit; 0: all */
} vdev_fault_t;

/* Add a fault behind those the leaf has. Returns its number. */
uint64_t vdev_fault_add(vdev_t *leaf, const vdev_fault_t *vf);
/* ENOENT: no such fault. */
int vdev_fault_remove(vdev_t *leaf, uint64_t id);
void vdev_fault_clear(vdev_t *leaf);
/* Requests the fault has hit; 0 if there is no such fault. */
uint64_t vdev_fault_hits(vdev_t *leaf, uint64_t id);

/*
 * Called for each leaf just before its device is opened (tests attach faults or a
 * recorder to the leaves of a pool that is about to be imported). May be NULL.
 */
extern void (*vdev_test_opening)(vdev_t *leaf);

/* ---- recording ------------------------------------------------------------------ */

typedef struct vdev_recorder vdev_recorder_t;

/* Start a record file (truncates). */
int vdev_recorder_create(const char *path, vdev_recorder_t **recp);
/*
 * Record the leaf's writes as those of device `dev`, a number the caller chooses. Ends
 * with the leaf. The recorder must outlive the leaf.
 */
void vdev_recorder_attach(vdev_recorder_t *rec, vdev_t *leaf, uint32_t dev);
/* A mark of the test's own ("fsync returned"), with a number. */
void vdev_recorder_mark(vdev_recorder_t *rec, uint64_t value);
/* Records so far. */
uint64_t vdev_recorder_count(vdev_recorder_t *rec);
/* End. Returns the first error writing the file met. */
int vdev_recorder_close(vdev_recorder_t *rec);

/* ---- replaying --------------------------------------------------------------------
 */

typedef enum vdev_record_type {
	VREC_WRITE = 1, /* done according to the device */
	VREC_FLUSH, /* done; makes durable the device's writes among the first vr_covers
		       records */
	VREC_MARK
} vdev_record_type_t;

typedef struct vdev_record {
	vdev_record_type_t vr_type;
	uint32_t vr_dev;
	uint64_t vr_offset, vr_size; /* device bytes */
	uint64_t vr_covers;	     /* flush: see above; mark: its value */
} vdev_record_t;

typedef struct vdev_record_log vdev_record_log_t;

/* EINVAL: not a record file, or damaged (a torn tail is cut off silently). */
int vdev_record_open(const char *path, vdev_record_log_t **logp);
void vdev_record_close(vdev_record_log_t *log);
uint64_t vdev_record_count(const vdev_record_log_t *log);
/* Record number i < count. */
const vdev_record_t *vdev_record_get(const vdev_record_log_t *log, uint64_t i);
/*
 * Apply the writes among records [first, end) for which keep(arg, i, record) is true
 * (NULL: all) to the files fds[dev]. Writes of devices >= nfds are left out.
 */
int vdev_record_replay(vdev_record_log_t *log, uint64_t first, uint64_t end,
    bool (*keep)(void *arg, uint64_t i, const vdev_record_t *vr), void *arg,
    const int *fds, uint32_t nfds);
/*
 * The state a power cut right after record `end` may leave: every write that a flush
 * within the first `end` records covers, and of the others a random choice (each with
 * probability 1/2 from `seed`). seed 0: none of them.
 */
int vdev_record_replay_crash(
    vdev_record_log_t *log, uint64_t end, uint64_t seed, const int *fds, uint32_t nfds);

#endif
