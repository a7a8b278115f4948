/* Shared by vdev_test.c and vdev_record.c. */
#ifndef TARN_VDEV_TEST_IMPL_H
#define TARN_VDEV_TEST_IMPL_H

#include "vdev/vdev_test.h"

typedef struct vdev_test {
	kmutex_t vt_lock;
	list_t vt_faults;
	uint64_t vt_next_id;
	vdev_recorder_t *vt_recorder; /* NULL: not recorded */
	uint32_t vt_dev;
} vdev_test_t;

vdev_test_t *vdev_test_attach(vdev_t *leaf);

#define VFAULT_LOST 0x4U /* vio_fault: reported as done, never stored */

#endif
