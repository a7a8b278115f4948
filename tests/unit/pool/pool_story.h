/*
 * Helpers of the pool stories: disks in a scratch directory, pools on them, OpenZFS's
 * zdb as judge.
 */
#ifndef POOL_STORY_H
#define POOL_STORY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "pool/pool.h"
#include "zpl/zpl.h"

#define DISK_SIZE (256ULL << 20)

typedef struct world {
	char w_dir[64];
	char w_disk[4][96];
	int w_disks;
} world_t;

/* A fresh directory with n sparse files; gone again with world_end. */
world_t *world_begin(int n);
void world_end(world_t *w);
/* A pool "tank" on all disks: one file, or a mirror. */
spa_t *world_create(world_t *w);
/* Import what is in the directory; asserts success. */
spa_t *world_import(world_t *w, uint32_t flags);
/* zdb -e -bcc of the reference finds no error and no leak; true if there is no zdb. */
void world_zdb_clean(world_t *w);
/* Overwrite bytes [from, to) of a disk with noise (labels left alone by the caller's choice). */
void world_noise(world_t *w, int disk, uint64_t from, uint64_t to);
uint64_t world_hash(world_t *w, int disk);

/* A dataset made with the real zpl. */
void make_fs(spa_t *spa, const char *name, const nvlist_t *props);
/* An object with `blocks` blocks of bs bytes whose contents follow from seed. */
uint64_t write_object(spa_t *spa, const char *ds, uint64_t bs, uint64_t blocks, uint32_t seed);
void overwrite_object(
    spa_t *spa, const char *ds, uint64_t obj, uint64_t bs, uint64_t blocks, uint32_t seed);
/* Assert that it reads back. */
void check_object(
    spa_t *spa, const char *ds, uint64_t obj, uint64_t bs, uint64_t blocks, uint32_t seed);

#endif
