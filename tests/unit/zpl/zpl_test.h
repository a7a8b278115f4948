/*
 * What the zpl tests share: short words for long calls, and a world to play in, which
 * is the toy dmu (zpl_world_toy.c) or a real pool in a file (zpl_world_pool.c): every
 * story is told in both.
 */
#ifndef TARN_ZPL_TEST_H
#define TARN_ZPL_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <cmocka.h>
#include "spl/spl.h"
#include "zpl/zpl.h"
#include "zpl/zpl_impl.h"

typedef struct fs {
	objset_t *os;
	zfsvfs_t *zv;
	znode_t *root;
	zpl_opts_t opts;
	void *ds; /* the dataset, in a real pool */
} fs_t;

extern uint64_t test_seed;

void fs_make(fs_t *fs, const nvlist_t *props);
void fs_mount(fs_t *fs);
void fs_unmount(fs_t *fs);
void fs_remount(fs_t *fs);
void fs_destroy(fs_t *fs);
extern const bool fs_is_toy;
void world_start(void);
void world_stop(void);
uint64_t fs_objects(fs_t *fs); /* allocated objects */
/* Toy only: the n-th assignment from now fails; all pool features are on. */
void fs_fail_assign(fs_t *fs, uint64_t n, int err);
void fs_features(bool on);
#define TOY_ONLY()                                                                     \
	do {                                                                           \
		if (!fs_is_toy)                                                        \
			skip();                                                        \
	} while (0)

extern const zpl_cred_t alice; /* uid 1000, gid 1000, groups 1000 2000 */
extern const zpl_cred_t bob;   /* uid 1001, gid 1001 */

/* By path of names separated by '/', from the root; panics if it is not there. */
znode_t *walk(fs_t *fs, const char *path);
bool there(znode_t *dzp, const char *name);
znode_t *mkfile(znode_t *dzp, const char *name);
znode_t *mkdirz(znode_t *dzp, const char *name);
void put(znode_t *zp, uint64_t off, const void *data, size_t len);
size_t get(znode_t *zp, uint64_t off, void *data, size_t len);
zpl_attr_t attr(znode_t *zp);
/* Every count of the file system agrees with what is in it (links, sizes, unlinked
 * set). */
void check_fs(fs_t *fs);

int zpl_test_main(const struct CMUnitTest *tests, size_t n);
#define ZPL_TEST_MAIN(tests)                                                           \
	int main(void)                                                                 \
	{                                                                              \
		return (zpl_test_main(tests, ARRAY_SIZE(tests)));                      \
	}

#endif
