/* A real file system in a pool in a file; the insides of the fake are not there to be watched. */
#include "story.h"
#include "zpl_test.h"

const bool story_is_fake = false;
static fs_t fs;

void
story_start(void)
{
	world_start();
}

void
story_stop(void)
{
	world_stop();
}

zfsvfs_t *
story_fs_new(void)
{
	fs_make(&fs, NULL);
	return (fs.zv);
}

void
story_fs_destroy(zfsvfs_t *zv)
{
	/* Through the disk, counting everything; fails if a znode is held. */
	fs_destroy(&fs);
}

uint64_t
story_held(zfsvfs_t *zv)
{
	return (zpl_znode_count(zv) - 1);
}

static void
no_fake(void)
{
	fail_msg("only the fake can do that");
}

void
fake_zpl_set_grain(zfsvfs_t *zv, uint32_t bytes)
{
	no_fake();
}

void
fake_zpl_set_settled(zfsvfs_t *zv, bool settled)
{
	no_fake();
}

void
fake_zpl_set_blocks(zfsvfs_t *zv, uint64_t blocks)
{
	no_fake();
}

void
fake_zpl_set_case(zfsvfs_t *zv, zpl_case_t how)
{
	no_fake();
}

void
fake_zpl_fail_writes(zfsvfs_t *zv, int err)
{
	no_fake();
}

void
fake_zpl_block_reads(zfsvfs_t *zv, bool block)
{
	no_fake();
}

uint32_t
fake_zpl_blocked(zfsvfs_t *zv)
{
	no_fake();
	return (0);
}
