/*
 * A file system in memory behind the interface of zpl, so that the FUSE side can be tried
 * without a pool. It keeps POSIX rules as far as stories need them.
 */
#ifndef FAKE_ZPL_H
#define FAKE_ZPL_H

#include "zpl/zpl.h"

zfsvfs_t *fake_zpl_new(void);
/* Fails a VERIFY if a znode is still held: the server has to give all of them back. */
void fake_zpl_destroy(zfsvfs_t *zv);
/* Znodes held at this moment, beyond those of names. */
uint64_t fake_zpl_held(zfsvfs_t *zv);
/* Blocks of this many bytes (a divisor of 4096): how finely reads are pinned. */
void fake_zpl_set_grain(zfsvfs_t *zv, uint32_t bytes);
void fake_zpl_set_settled(zfsvfs_t *zv, bool settled);
void fake_zpl_set_case(zfsvfs_t *zv, zpl_case_t how);
/* Calls of the operations that requests end in. */
typedef struct fake_counts {
	uint64_t lookup, getattr, read, write, fsync, xattr_get, readdir;
} fake_counts_t;
fake_counts_t fake_zpl_counts(zfsvfs_t *zv);
/* Writes fail with this errno from now on; 0: no more. */
void fake_zpl_fail_writes(zfsvfs_t *zv, int err);
/* Reads of data wait until they are let go; how many do so now. */
void fake_zpl_block_reads(zfsvfs_t *zv, bool block);
uint32_t fake_zpl_blocked(zfsvfs_t *zv);
/* Behind the server's back, as a rollback does: contents of a file of the root, and its names. */
void fake_zpl_poke(zfsvfs_t *zv, const char *name, const char *contents);
void fake_zpl_swap_names(zfsvfs_t *zv, const char *old, const char *new_name);

#endif
