/* What the stories about mounts share: a world with one mount in it. */
#ifndef STORY_H
#define STORY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "serve/fuse_fs.h"
#include "fake_zpl.h"

/*
 * The file system behind the mount: the one in memory (story_fake.c), whose insides stories can watch, or a real
 * one in a pool (story_pool.c), judged by OpenZFS's zdb at the end. Every story is told in both
 * if it can be.
 */
extern const bool story_is_fake;
void story_start(void);
void story_stop(void);
zfsvfs_t *story_fs_new(void);
/* Fails if the server still holds a znode. */
void story_fs_destroy(zfsvfs_t *zv);
/* Znodes held by the server. */
uint64_t story_held(zfsvfs_t *zv);
#define FAKE_ONLY() \
	do { \
		if (!story_is_fake) \
			skip(); \
	} while (0)

typedef struct world {
	char dir[64];   /* of this story */
	char point[80]; /* mount point in it */
	zfsvfs_t *zv;
	fuse_fs_t *ff; /* NULL: not mounted */
	fuse_fs_opts_t opts;
	int gone; /* atomic: calls of the callback */
} world_t;

/* Can anything be mounted here? The reason if not. */
const char *story_unable(void);
/* Group set-up/tear-down of one test. The world is mounted, as root with access times. */
int story_begin(void **state);
int story_begin_noatime(void **state);
int story_begin_unmounted(void **state);
int story_end(void **state);
void story_mount(world_t *w);
/* Path of a file inside; a few are good at a time. */
const char *at(const world_t *w, const char *name);
/* Write and read whole files. */
void put_file(const world_t *w, const char *name, const void *data, size_t len);
void expect_file(const world_t *w, const char *name, const void *data, size_t len);
/*
 * Run func in a child as this user; its result. In the child TRY() is what assert is elsewhere. Mappings
 * of files belong into a child: munmap() waits for the server with the address space locked, and a
 * server that shares it may need that lock.
 */
int as_user(uid_t uid, gid_t gid, int (*func)(world_t *w), world_t *w);
#define TRY(c) \
	do { \
		if (!(c)) { \
			printf("%s:%d: %s (%s)\n", __func__, __LINE__, #c, strerror(errno)); \
			fflush(stdout); \
			_exit(1); \
		} \
	} while (0)
/* Wait (not for ever) until a counter of the callback has this value. */
void wait_gone(world_t *w, int n);
int story_main(const struct CMUnitTest *tests, size_t n);
#define STORY_MAIN(tests) story_main(tests, sizeof (tests) / sizeof ((tests)[0]))
/* Behind the kernel's back, as a rollback does: contents and names of files in the root. */
void poke(world_t *w, const char *name, const char *contents);
void move_behind(world_t *w, const char *old, const char *new_name);
/* Options column of /proc/mounts, its type and source. False: not mounted. */
bool mount_line(const world_t *w, char *source, char *type, char *options);

#define assert_ok(call) \
	do { \
		if ((call) != 0) \
			fail_msg("%s: %s", #call, strerror(errno)); \
	} while (0)
#define assert_errno(e, call) \
	do { \
		errno = 0; \
		assert_int_equal((call), -1); \
		assert_int_equal(errno, e); \
	} while (0)

#endif
