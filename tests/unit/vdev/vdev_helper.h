/*
 * What the stories of the vdev and zio rooms share: file devices in a directory of
 * their own, configuration nodes, and images of real pools.
 */
#ifndef TARN_TEST_VDEV_HELPER_H
#define TARN_TEST_VDEV_HELPER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "vdev/vdev.h"

#define MIB (1ULL << 20)

/* A fresh directory; gone with everything in it after helper_cleanup(). */
const char *helper_dir(void);
void helper_cleanup(void);

/* Make a sparse file <dir>/<name> of `size` bytes; returns its path (static storage).
 */
const char *helper_device(const char *name, uint64_t size);
void helper_fill(const char *path, uint64_t offset, uint64_t size, uint8_t byte);
/* Overwrite with bytes nobody wrote; prints nothing, repeats for the same seed. */
void helper_noise(const char *path, uint64_t offset, uint64_t size, uint64_t seed);
void helper_peek(const char *path, uint64_t offset, void *buf, uint64_t size);
void helper_pattern(void *buf, size_t size, uint64_t seed);

/* Configuration nodes for creation. The children's lists are taken over. */
nvlist_t *helper_file_nv(const char *path);
nvlist_t *helper_node_nv(const char *type, int n, ...); /* n nvlist_t * */

/* Build and open a tree; asserts success. nv is taken over. */
vdev_t *helper_open(nvlist_t *nv, bool writable);

/*
 * Unpack a real pool's images; returns the directory, or NULL (then the test should
 * skip) if the images are not there.
 */
const char *helper_fixture(const char *name);

/* vdev_init/vdev_fini with the engine named by TARN_IO_ENGINE; for group setup. */
int helper_group_setup(void **state);
int helper_group_teardown(void **state);

#endif
