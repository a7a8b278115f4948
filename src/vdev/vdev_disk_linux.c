/*
 * Leaf vdevs that are block devices, and what else of devices is Linux's own:
 * sector sizes, alignment of O_DIRECT, discarding.
 */
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "vdev/vdev_impl.h"

/* What O_DIRECT needs where the kernel cannot say (before 6.1): a page, always enough.
 */
#define DIO_ALIGN_SAFE 4096

int
vdev_os_dio_align(int fd, uint32_t *mem, uint32_t *off)
{
	uint32_t m = 0, o = 0;
#ifdef STATX_DIOALIGN
	struct statx stx;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &stx) == 0 &&
	    (stx.stx_mask & STATX_DIOALIGN) != 0) {
		if (stx.stx_dio_offset_align == 0)
			return (ENOTSUP);
		m = stx.stx_dio_mem_align;
		o = stx.stx_dio_offset_align;
	}
#endif
	*mem = MAX(m != 0 ? m : DIO_ALIGN_SAFE, 512U);
	*off = MAX(o != 0 ? o : DIO_ALIGN_SAFE, 512U);
	if (*mem > DIO_ALIGN_SAFE || !ISP2(*mem) || !ISP2(*off))
		return (ENOTSUP);
	return (0);
}

/* /sys/dev/block/MAJ:MIN[/..]/queue/rotational; unknown counts as rotating. */
static bool
disk_nonrot(dev_t rdev)
{
	static const char *const where[] = {"", "../"};
	char path[96];
	bool nonrot = false;

	for (size_t i = 0; i < ARRAY_SIZE(where); i++) {
		(void)snprintf(path, sizeof(path),
		    "/sys/dev/block/%u:%u/%squeue/rotational", major(rdev), minor(rdev),
		    where[i]);
		FILE *fp = fopen(path, "re");
		if (fp == NULL)
			continue;
		nonrot = fgetc(fp) == '0';
		(void)fclose(fp);
		break;
	}
	return (nonrot);
}

int
vdev_os_disk_info(
    int fd, uint64_t *size, uint64_t *logical, uint64_t *physical, bool *nonrot)
{
	struct stat st;
	uint64_t bytes;
	int ssz;
	unsigned int pbsz;

	if (fstat(fd, &st) != 0 || ioctl(fd, BLKGETSIZE64, &bytes) != 0 ||
	    ioctl(fd, BLKSSZGET, &ssz) != 0)
		return (errno);
	if (ioctl(fd, BLKPBSZGET, &pbsz) != 0)
		pbsz = (unsigned int)ssz;
	if (ssz < 512 || !ISP2((unsigned int)ssz))
		return (EINVAL);
	/* Enclosures report nonsense; then the logical size is all there is to believe.
	 */
	if (!ISP2(pbsz) || pbsz < (unsigned int)ssz || pbsz > 1U << ASHIFT_AUTO_MAX)
		pbsz = (unsigned int)ssz;
	*size = bytes;
	*logical = (uint64_t)ssz;
	*physical = pbsz;
	*nonrot = disk_nonrot(st.st_rdev);
	return (0);
}

int
vdev_os_discard(int fd, bool isblk, uint64_t offset, uint64_t size)
{
	uint64_t range[2] = {offset, size};

	if (isblk)
		return (ioctl(fd, BLKDISCARD, range) == 0 ? 0 : errno);
	return (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
		    (off_t)size) == 0
		    ? 0
		    : errno);
}

static int
vdev_disk_open(vdev_t *vd, bool writable)
{
	uint64_t size, logical, physical;
	int error;

	if ((error = vdev_leaf_open(vd, writable, true)) != 0)
		return (error);
	const vdev_leaf_t *vl = vd->vdev_leaf;
	error = vdev_os_disk_info(
	    vl->vl_fd_cached, &size, &logical, &physical, &vd->vdev_nonrot);
	if (error == 0)
		error = vdev_leaf_geometry(vd, size, logical, physical);
	if (error != 0)
		vdev_leaf_close(vd);
	return (error);
}

const vdev_ops_t vdev_disk_ops = {
    .vop_type = "disk",
    .vop_leaf = true,
    .vop_open = vdev_disk_open,
    .vop_close = vdev_leaf_close,
    .vop_psize_to_asize = vdev_leaf_psize_to_asize,
    .vop_io = vdev_leaf_io,
};
