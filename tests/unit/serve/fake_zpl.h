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
/* st_blocks of every file; 0: as it is. */
void fake_zpl_set_blocks(zfsvfs_t *zv, uint64_t blocks);
void fake_zpl_set_case(zfsvfs_t *zv, zpl_case_t how);
/* Writes fail with this errno from now on; 0: no more. */
void fake_zpl_fail_writes(zfsvfs_t *zv, int err);
/* Reads of data wait until they are let go; how many do so now. */
void fake_zpl_block_reads(zfsvfs_t *zv, bool block);
uint32_t fake_zpl_blocked(zfsvfs_t *zv);

#endif
