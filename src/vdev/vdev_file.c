/* Leaf vdevs that are regular files. Sector size 512 unless forced (format/01 §1.2). */
#include <sys/stat.h>
#include "vdev/vdev_impl.h"

static int
vdev_file_open(vdev_t *vd, bool writable)
{
	struct stat st;
	int error;

	if ((error = vdev_leaf_open(vd, writable, false)) != 0)
		return (error);
	const vdev_leaf_t *vl = vd->vdev_leaf;
	if (fstat(vl->vl_fd_cached, &st) != 0)
		error = errno;
	else
		error = vdev_leaf_geometry(vd, (uint64_t)st.st_size, 512, 512);
	vd->vdev_nonrot = true;
	if (error != 0)
		vdev_leaf_close(vd);
	return (error);
}

const vdev_ops_t vdev_file_ops = {
    .vop_type = "file",
    .vop_leaf = true,
    .vop_open = vdev_file_open,
    .vop_close = vdev_leaf_close,
    .vop_psize_to_asize = vdev_leaf_psize_to_asize,
    .vop_io = vdev_leaf_io,
};
