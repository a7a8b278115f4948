/*
 * The kernel's FUSE protocol where libfuse 3.14 or the headers of the oldest system we
 * build on do not reach. Numbers as in the kernel's uapi header (linux/fuse.h), protocol
 * version in brackets; all are negotiated or refused at run time.
 */
#ifndef TARN_SERVE_FUSE_WIRE_H
#define TARN_SERVE_FUSE_WIRE_H

#include <linux/fuse.h>
#include "spl/types.h"

/* Requests. */
enum {
	FW_TMPFILE = 51, /* [7.37] as CREATE, without a name */
	FW_STATX = 52,   /* [7.39] */
	FW_COPY_FILE_RANGE_64 = 53, /* [7.45] COPY_FILE_RANGE with a 64 bit result */
};

/* INIT flags, 64 bits wide since INIT_EXT [7.36]. */
#define FW_INIT_HANDLE_KILLPRIV_V2 (1ULL << 28)
#define FW_INIT_EXT (1ULL << 30)
#define FW_INIT_ALLOW_IDMAP (1ULL << 40) /* [7.42] */

/* Flags of an open file that libfuse 3.14 has no field for. */
#define FW_OPEN_NOFLUSH (1U << 5)
#define FW_OPEN_PARALLEL_DIRECT_WRITES (1U << 6) /* [7.37] */

/* Notification [7.44]: every name in the dentry cache is in doubt from now on. */
#define FW_NOTIFY_INC_EPOCH 8
#define FW_MINOR_INC_EPOCH 44

/* An id that the kernel does not tell because it has done the checks itself [7.42]. */
#define FW_INVALID_ID ((uint32_t)-1)

struct fw_sx_time {
	int64_t tv_sec;
	uint32_t tv_nsec;
	int32_t reserved;
};

struct fw_statx {
	uint32_t mask;
	uint32_t blksize;
	uint64_t attributes;
	uint32_t nlink;
	uint32_t uid;
	uint32_t gid;
	uint16_t mode;
	uint16_t spare0[1];
	uint64_t ino;
	uint64_t size;
	uint64_t blocks;
	uint64_t attributes_mask;
	struct fw_sx_time atime, btime, ctime, mtime;
	uint32_t rdev_major;
	uint32_t rdev_minor;
	uint32_t dev_major;
	uint32_t dev_minor;
	uint64_t spare2[14];
};

struct fw_statx_in {
	uint32_t getattr_flags;
	uint32_t reserved;
	uint64_t fh;
	uint32_t sx_flags;
	uint32_t sx_mask;
};

struct fw_statx_out {
	uint64_t attr_valid; /* how long it may be cached: seconds, ns */
	uint32_t attr_valid_nsec;
	uint32_t flags;
	uint64_t spare[2];
	struct fw_statx stat;
};

struct fw_copy_file_range_out {
	uint64_t bytes_copied;
};

#endif
