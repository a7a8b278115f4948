/* Basic types and the errno values that ZFS adds to those of the system. */
#ifndef TARN_SPL_TYPES_H
#define TARN_SPL_TYPES_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <inttypes.h>
#include <string.h>
#include <sys/types.h>

typedef int64_t hrtime_t; /* nanoseconds, monotonic */

/*
 * Errors are positive errno values, 0 is success. Two have no POSIX name; they
 * take the numbers OpenZFS uses on Linux, so that messages and logs agree.
 */
#define ECKSUM EBADE  /* checksum mismatch: data read is not what was written */
#define EFRAGS EBADR  /* fragmentation: no contiguous run of that size */

#define container_of(ptr, type, member) \
	((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#endif
