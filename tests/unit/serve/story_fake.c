/* A file system in memory. */
#include "story.h"

const bool story_is_fake = true;

void
story_start(void)
{
}

void
story_stop(void)
{
}

zfsvfs_t *
story_fs_new(void)
{
	return (fake_zpl_new());
}

void
story_fs_destroy(zfsvfs_t *zv)
{
	fake_zpl_destroy(zv);
}

uint64_t
story_held(zfsvfs_t *zv)
{
	return (fake_zpl_held(zv));
}
