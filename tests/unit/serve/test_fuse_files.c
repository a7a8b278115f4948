/*
 * Files and directories through a real mount, with a file system in memory behind it: what
 * programs see is POSIX, and the kernel asks no more than it has to.
 */
#include <dirent.h>
#include <linux/fs.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include "story.h"

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE 2
#endif

static void
fill(uint8_t *p, size_t n, uint32_t seed)
{
	for (size_t i = 0; i < n; i++) {
		seed = seed * 1664525 + 1013904223;
		p[i] = (uint8_t)(seed >> 24);
	}
}

static void
writes_come_back(void **state)
{
	world_t *w = *state;
	static uint8_t big[5 * 1024 * 1024 + 123];
	struct statvfs sv;
	struct stat st;

	fill(big, sizeof (big), 1);
	put_file(w, "small", "hello", 5);
	put_file(w, "big", big, sizeof (big));
	put_file(w, "empty", "", 0);
	expect_file(w, "small", "hello", 5);
	expect_file(w, "big", big, sizeof (big));
	expect_file(w, "empty", "", 0);
	put_file(w, "small", "shorter", 3);
	expect_file(w, "small", "sho", 3);
	assert_ok(stat(at(w, "big"), &st));
	assert_int_equal(st.st_size, sizeof (big));
	assert_int_equal(st.st_nlink, 1);
	assert_true(S_ISREG(st.st_mode));
	assert_ok(statvfs(at(w, "."), &sv));
	if (story_is_fake) {
		assert_int_equal(sv.f_blocks, 1000);
		assert_int_equal(sv.f_bfree, 400);
		assert_int_equal(sv.f_files, 77);
	}
}

/* A read in more pieces than can be sent at once must not look like the end of the file. */
static void
finely_chopped_reads_are_whole(void **state)
{
	world_t *w = *state;
	static uint8_t big[3 * 1024 * 1024 + 777], back[sizeof (big)];

	fill(big, sizeof (big), 2);
	put_file(w, "f", big, sizeof (big));
	if (story_is_fake)
		fake_zpl_set_grain(w->zv, 512);
	int fd = open(at(w, "f"), O_RDONLY | O_DIRECT);
	assert_true(fd >= 0);
	void *buf = NULL;
	assert_int_equal(posix_memalign(&buf, 4096, 4 * 1024 * 1024), 0);
	size_t done = 0;
	ssize_t n;
	while ((n = pread(fd, buf, 2 * 1024 * 1024, (off_t)done)) > 0) {
		memcpy(back + done, buf, (size_t)n);
		done += (size_t)n;
	}
	assert_int_equal(done, sizeof (big));
	assert_memory_equal(big, back, sizeof (big));
	free(buf);
	assert_ok(close(fd));
}

static void
direct_and_cached_agree(void **state)
{
	world_t *w = *state;
	uint8_t *buf = NULL, *cached = malloc(65536);

	assert_int_equal(posix_memalign((void **)&buf, 4096, 65536), 0);
	fill(cached, 65536, 3);
	put_file(w, "f", cached, 65536);
	int fd = open(at(w, "f"), O_RDWR | O_DIRECT);
	assert_true(fd >= 0);
	fill(buf, 4096, 4);
	assert_int_equal(pwrite(fd, buf, 4096, 8192), 4096);
	memcpy(cached + 8192, buf, 4096);
	expect_file(w, "f", cached, 65536);
	assert_int_equal(pread(fd, buf, 65536, 0), 65536);
	assert_memory_equal(buf, cached, 65536);
	assert_ok(close(fd));
	free(buf);
	free(cached);
}

static void
names_follow_posix(void **state)
{
	world_t *w = *state;
	char target[64];
	struct stat st, st2;

	assert_ok(mkdir(at(w, "d"), 0750));
	assert_errno(EEXIST, mkdir(at(w, "d"), 0755));
	assert_ok(mkdir(at(w, "d/e"), 0755));
	assert_ok(stat(at(w, "d"), &st));
	assert_int_equal(st.st_mode, S_IFDIR | 0750);
	assert_int_equal(st.st_nlink, 3);
	assert_errno(ENOTEMPTY, rmdir(at(w, "d")));
	assert_errno(ENOENT, stat(at(w, "d/none"), &st));
	put_file(w, "d/f", "1", 1);
	assert_errno(ENOTDIR, stat(at(w, "d/f/x"), &st));
	assert_errno(EISDIR, unlink(at(w, "d/e")));
	assert_errno(ENOTDIR, rmdir(at(w, "d/f")));

	assert_ok(link(at(w, "d/f"), at(w, "g")));
	assert_ok(stat(at(w, "g"), &st));
	assert_ok(stat(at(w, "d/f"), &st2));
	assert_int_equal(st.st_ino, st2.st_ino);
	assert_int_equal(st2.st_nlink, 2);
	assert_ok(unlink(at(w, "d/f")));
	assert_ok(stat(at(w, "g"), &st));
	assert_int_equal(st.st_nlink, 1);

	assert_ok(symlink("g", at(w, "s")));
	assert_int_equal(readlink(at(w, "s"), target, sizeof (target)), 1);
	expect_file(w, "s", "1", 1);

	put_file(w, "h", "2", 1);
	assert_errno(EEXIST,
	    renameat2(AT_FDCWD, at(w, "g"), AT_FDCWD, at(w, "h"), RENAME_NOREPLACE));
	assert_ok(renameat2(AT_FDCWD, at(w, "g"), AT_FDCWD, at(w, "h"), RENAME_EXCHANGE));
	expect_file(w, "g", "2", 1);
	expect_file(w, "h", "1", 1);
	assert_ok(rename(at(w, "g"), at(w, "d/h")));
	expect_file(w, "d/h", "2", 1);
	assert_errno(ENOENT, stat(at(w, "g"), &st));
	assert_ok(rename(at(w, "d/h"), at(w, "h")));
	expect_file(w, "h", "2", 1);
	assert_ok(rmdir(at(w, "d/e")));
	assert_ok(rmdir(at(w, "d")));

	assert_ok(mkfifo(at(w, "fifo"), 0600));
	assert_ok(stat(at(w, "fifo"), &st));
	assert_true(S_ISFIFO(st.st_mode));
	assert_ok(mknod(at(w, "dev"), S_IFCHR | 0600, makedev(259, 70000)));
	assert_ok(stat(at(w, "dev"), &st));
	assert_true(S_ISCHR(st.st_mode));
	assert_int_equal(major(st.st_rdev), 259);
	assert_int_equal(minor(st.st_rdev), 70000);
	assert_errno(ENOENT, mkdir(at(w, ".zfs/x"), 0755));
}

static void
an_unlinked_file_lives_while_open(void **state)
{
	world_t *w = *state;
	char buf[8];
	struct stat st;

	put_file(w, "f", "still", 5);
	int fd = open(at(w, "f"), O_RDWR);
	assert_true(fd >= 0);
	assert_ok(unlink(at(w, "f")));
	assert_errno(ENOENT, stat(at(w, "f"), &st));
	assert_int_equal(pwrite(fd, "there", 5, 5), 5);
	assert_int_equal(pread(fd, buf, 5, 5), 5);
	assert_memory_equal(buf, "there", 5);
	assert_ok(fstat(fd, &st));
	assert_int_equal(st.st_nlink, 0);
	assert_ok(close(fd));
	/* Then nobody holds it any more (FORGET comes when the kernel likes). */
	for (int i = 0; i < 2000 && story_held(w->zv) > 0; i++)
		usleep(1000);
	assert_int_equal(story_held(w->zv), 0);
}

static void
a_nameless_file_can_get_a_name(void **state)
{
	world_t *w = *state;
	char path[64];
	int fd = open(at(w, "."), O_TMPFILE | O_RDWR, 0640);
	struct stat st;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "tmp", 3), 3);
	assert_ok(fstat(fd, &st));
	assert_int_equal(st.st_nlink, 0);
	(void)snprintf(path, sizeof (path), "/proc/self/fd/%d", fd);
	assert_ok(linkat(AT_FDCWD, path, AT_FDCWD, at(w, "named"), AT_SYMLINK_FOLLOW));
	assert_ok(close(fd));
	expect_file(w, "named", "tmp", 3);
}

static void
attributes_are_set_and_shown(void **state)
{
	world_t *w = *state;
	struct timespec ts[2] = { { 1234567890, 123456789 }, { 987654321, 987654321 } };
	struct statx sx;
	struct stat st;

	put_file(w, "f", "x", 1);
	assert_ok(chmod(at(w, "f"), 04711));
	assert_ok(chown(at(w, "f"), 12, 34));
	assert_ok(utimensat(AT_FDCWD, at(w, "f"), ts, 0));
	assert_ok(stat(at(w, "f"), &st));
	assert_int_equal(st.st_mode & 0711, 0711);
	assert_int_equal(st.st_uid, 12);
	assert_int_equal(st.st_gid, 34);
	assert_int_equal(st.st_atim.tv_sec, 1234567890);
	assert_int_equal(st.st_atim.tv_nsec, 123456789);
	assert_int_equal(st.st_mtim.tv_sec, 987654321);
	assert_ok(truncate(at(w, "f"), 1000000));
	assert_ok(stat(at(w, "f"), &st));
	assert_int_equal(st.st_size, 1000000);
	assert_ok(statx(AT_FDCWD, at(w, "f"), 0, STATX_BASIC_STATS | STATX_BTIME, &sx));
	if ((sx.stx_mask & STATX_BTIME) != 0)
		assert_true(sx.stx_btime.tv_sec > 1600000000);
	else
		print_message("this kernel does not ask for the time of birth\n");
	assert_int_equal(sx.stx_size, 1000000);
}

/*
 * st_blocks is settled when a transaction group is written. The kernel remembers what it was told before, until
 * we know better.
 */
static void
blocks_settle(void **state)
{
	world_t *w = *state;
	struct stat st;

	FAKE_ONLY();
	put_file(w, "f", "x", 1);
	fake_zpl_set_settled(w->zv, false);
	assert_ok(stat(at(w, "f"), &st));
	assert_int_equal(st.st_blocks, 8);
	uint64_t before = fuse_fs_requests(w->ff, FUSE_GETATTR);
	for (int i = 0; i < 10; i++)
		assert_ok(stat(at(w, "f"), &st));
	assert_int_equal(fuse_fs_requests(w->ff, FUSE_GETATTR), before);
	/* Somebody waits for a sync. */
	fake_zpl_set_blocks(w->zv, 3);
	fake_zpl_set_settled(w->zv, true);
	fuse_fs_settle(w->ff);
	assert_ok(stat(at(w, "f"), &st));
	assert_int_equal(st.st_blocks, 3);
	/* Nobody does. */
	fake_zpl_set_settled(w->zv, false);
	put_file(w, "f", "y", 1);
	assert_ok(stat(at(w, "f"), &st));
	fake_zpl_set_blocks(w->zv, 5);
	fake_zpl_set_settled(w->zv, true);
	for (int i = 0; i < 5000 && st.st_blocks != 5; i++) {
		usleep(1000);
		assert_ok(stat(at(w, "f"), &st));
	}
	assert_int_equal(st.st_blocks, 5);
}

/* Without those that nobody waits for. */
static uint64_t
waited(world_t *w)
{
	return (fuse_fs_requests(w->ff, 0) - fuse_fs_requests(w->ff, FUSE_FORGET) -
	    fuse_fs_requests(w->ff, FUSE_BATCH_FORGET) - fuse_fs_requests(w->ff, FUSE_RELEASE));
}

static void
what_is_known_is_not_asked_again(void **state)
{
	world_t *w = *state;
	struct stat st;

	put_file(w, "f", "0123456789", 10);
	expect_file(w, "f", "0123456789", 10);
	assert_ok(stat(at(w, "f"), &st));
	assert_errno(ENOENT, stat(at(w, "none"), &st));
	uint64_t before = fuse_fs_requests(w->ff, 0);
	for (int i = 0; i < 100; i++) {
		assert_ok(stat(at(w, "f"), &st));
		assert_errno(ENOENT, stat(at(w, "none"), &st));
		expect_file(w, "f", "0123456789", 10);
	}
	assert_int_equal(fuse_fs_requests(w->ff, 0), before);
	/* A name that was remembered as missing can be made, of course. */
	put_file(w, "none", "now", 3);
	expect_file(w, "none", "now", 3);
}

/* What operations cost at most: requests that somebody has to wait for. */
static void
requests_are_counted(void **state)
{
	world_t *w = *state;
	/* A write whose source is not in memory yet comes in pieces. */
	static _Alignas(4096) char page[4096];
	struct stat st;
	int fd;

	memset(page, 'x', sizeof (page));

#define COSTS(n, ...) \
	do { \
		uint64_t before_ = waited(w); \
		__VA_ARGS__; \
		assert_in_range(waited(w) - before_, 0, n); \
	} while (0)

	assert_ok(mkdir(at(w, "d"), 0755));
	assert_ok(stat(at(w, "d"), &st));
	/* Is there one? Make it. */
	COSTS(2, fd = open(at(w, "d/f"), O_CREAT | O_EXCL | O_RDWR, 0644));
	/* Has it capabilities to lose? Write. */
	COSTS(2, assert_int_equal(write(fd, page, sizeof (page)), sizeof (page)));
	COSTS(1, assert_int_equal(write(fd, page, sizeof (page)), sizeof (page)));
	COSTS(0, assert_int_equal(pread(fd, page, 100, 50), 100)); /* just written: cached */
	COSTS(1, assert_ok(fstat(fd, &st)));
	COSTS(0, assert_ok(fstat(fd, &st)));
	COSTS(0, assert_ok(close(fd)));
	/* The first open learns that opening is not needed; the directory has changed. */
	COSTS(2, fd = open(at(w, "d/f"), O_RDONLY));
	COSTS(0, assert_int_equal(read(fd, page, 9), 9));
	COSTS(1, assert_ok(close(fd))); /* and the first close, that nothing has to be flushed */
	COSTS(0, fd = open(at(w, "d/f"), O_RDWR); assert_ok(close(fd)));
	COSTS(1, assert_ok(chmod(at(w, "d/f"), 0600)));
	COSTS(1, assert_ok(unlink(at(w, "d/f"))));
	COSTS(2, assert_errno(ENOENT, unlink(at(w, "d/f")))); /* once: the directory has changed */
	COSTS(0, assert_errno(ENOENT, unlink(at(w, "d/f"))));
}

/* One spelling removes what another one found: such names are never remembered. */
static void
folded_names_are_asked_again(void **state)
{
	world_t *w = *state;
	struct stat st;

	FAKE_ONLY();
	fake_zpl_set_case(w->zv, ZPL_CASE_INSENSITIVE);
	story_mount(w);
	put_file(w, "f", "x", 1);
	uint64_t before = fuse_fs_requests(w->ff, FUSE_LOOKUP);
	for (int i = 0; i < 5; i++)
		assert_errno(ENOENT, stat(at(w, "F"), &st));
	assert_int_equal(fuse_fs_requests(w->ff, FUSE_LOOKUP) - before, 5);
}

static void
access_times_are_noted_at_open(void **state)
{
	world_t *w = *state;
	struct timespec old[2] = { { 1000000000, 0 }, { 0, UTIME_OMIT } };
	struct stat st;

	put_file(w, "f", "x", 1);
	assert_ok(utimensat(AT_FDCWD, at(w, "f"), old, 0));
	assert_ok(stat(at(w, "f"), &st));
	assert_int_equal(st.st_atim.tv_sec, 1000000000);
	expect_file(w, "f", "x", 1); /* out of the page cache */
	assert_ok(stat(at(w, "f"), &st));
	assert_true(st.st_atim.tv_sec > 1000000000);
}

static uint8_t map_data[65536];

static int
map_and_write(world_t *w)
{
	char buf[8];
	int fd = open(at(w, "f"), O_RDWR);

	TRY(fd >= 0);
	uint8_t *p = mmap(NULL, sizeof (map_data), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	TRY(p != MAP_FAILED);
	TRY(memcmp(p, map_data, sizeof (map_data)) == 0);
	memcpy(p + 5000, "mapped", 6);
	TRY(pread(fd, buf, 6, 5000) == 6);
	TRY(memcmp(buf, "mapped", 6) == 0);
	TRY(pwrite(fd, "written", 7, 9000) == 7);
	TRY(memcmp(p + 9000, "written", 7) == 0);
	TRY(msync(p, sizeof (map_data), MS_SYNC) == 0);
	memcpy(p + 40000, "later", 5); /* written when it is unmapped */
	TRY(munmap(p, sizeof (map_data)) == 0);
	TRY(close(fd) == 0);
	return (0);
}

static void
mappings_are_shared(void **state)
{
	world_t *w = *state;
	static uint8_t back[sizeof (map_data)];
	struct iovec iov = { back, sizeof (back) };
	znode_t *root, *zp;
	size_t done;

	fill(map_data, sizeof (map_data), 5);
	put_file(w, "f", map_data, sizeof (map_data));
	assert_int_equal(as_user(0, 0, map_and_write, w), 0);
	memcpy(map_data + 5000, "mapped", 6);
	memcpy(map_data + 9000, "written", 7);
	memcpy(map_data + 40000, "later", 5);
	/* It has arrived: the file system itself says so. */
	assert_int_equal(zpl_root(w->zv, &root), 0);
	assert_int_equal(zpl_lookup(root, "f", &zpl_root_cred, &zp, NULL, 0), 0);
	assert_int_equal(zpl_read(zp, 0, &iov, 1, &done, &zpl_root_cred), 0);
	zpl_rele(zp);
	zpl_rele(root);
	assert_memory_equal(back, map_data, sizeof (map_data));
}

static void
holes_are_found_and_made(void **state)
{
	world_t *w = *state;
	char buf[16] = "";
	struct stat st;
	int fd = open(at(w, "f"), O_RDWR | O_CREAT, 0644);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "end", 3, 1LL << 40), 3);
	assert_int_equal(pwrite(fd, "abcdefgh", 8, 65536), 8);
	/* Real blocks are larger than pages. */
	assert_in_range(lseek(fd, 0, SEEK_DATA), story_is_fake ? 65536 : 0, 65536);
	off_t hole = lseek(fd, 65536, SEEK_HOLE);
	assert_in_range(hole, 65536 + 8, story_is_fake ? 65536 + 4096 : 1 << 20);
	assert_in_range(lseek(fd, hole, SEEK_DATA), (1LL << 40) - (1 << 20), 1LL << 40);
	assert_errno(ENXIO, lseek(fd, (1LL << 40) + 3, SEEK_DATA));
	assert_ok(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 65538, 4));
	assert_int_equal(pread(fd, buf, 8, 65536), 8);
	assert_memory_equal(buf, "ab\0\0\0\0gh", 8);
	assert_ok(ftruncate(fd, 10));
	assert_ok(fallocate(fd, 0, 0, 5000));
	assert_ok(fstat(fd, &st));
	assert_int_equal(st.st_size, 5000);
	assert_ok(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 9000));
	assert_ok(fstat(fd, &st));
	assert_int_equal(st.st_size, 5000);
	assert_ok(fsync(fd));
	assert_true(fuse_fs_requests(w->ff, FUSE_FSYNC) > 0);
	assert_ok(close(fd));
}

static void
ranges_are_copied_inside(void **state)
{
	world_t *w = *state;
	static uint8_t data[3000000];
	off_t in = 0, out = 0;

	fill(data, sizeof (data), 6);
	put_file(w, "a", data, sizeof (data));
	put_file(w, "b", "", 0);
	int from = open(at(w, "a"), O_RDONLY), to = open(at(w, "b"), O_RDWR);
	assert_true(from >= 0 && to >= 0);
	while (in < (off_t)sizeof (data)) {
		ssize_t n = copy_file_range(from, &in, to, &out, sizeof (data), 0);
		assert_true(n > 0);
	}
	expect_file(w, "b", data, sizeof (data));
	assert_ok(close(from));
	assert_ok(close(to));
}

static void
extended_attributes(void **state)
{
	world_t *w = *state;
	static char big[60000], list[32768], back[65536];
	char name[64];

	put_file(w, "f", "", 0);
	assert_errno(ENODATA, getxattr(at(w, "f"), "user.a", back, sizeof (back)));
	assert_ok(setxattr(at(w, "f"), "user.a", "value", 5, 0));
	assert_errno(EEXIST, setxattr(at(w, "f"), "user.a", "v", 1, XATTR_CREATE));
	assert_errno(ENODATA, setxattr(at(w, "f"), "user.b", "v", 1, XATTR_REPLACE));
	assert_int_equal(getxattr(at(w, "f"), "user.a", NULL, 0), 5);
	assert_errno(ERANGE, getxattr(at(w, "f"), "user.a", back, 3));
	assert_int_equal(getxattr(at(w, "f"), "user.a", back, sizeof (back)), 5);
	assert_memory_equal(back, "value", 5);
	fill((uint8_t *)big, sizeof (big), 7);
	assert_ok(setxattr(at(w, "f"), "user.big", big, sizeof (big), 0));
	assert_int_equal(getxattr(at(w, "f"), "user.big", back, sizeof (back)), sizeof (big));
	assert_memory_equal(big, back, sizeof (big));
	assert_ok(removexattr(at(w, "f"), "user.big"));
	assert_errno(ENODATA, removexattr(at(w, "f"), "user.big"));
	assert_ok(setxattr(at(w, "f"), "user.empty", "", 0, 0));
	assert_int_equal(getxattr(at(w, "f"), "user.empty", back, sizeof (back)), 0);
	for (int i = 0; i < 100; i++) {
		(void)snprintf(name, sizeof (name), "user.number.%d", i);
		assert_ok(setxattr(at(w, "f"), name, "1", 1, 0));
	}
	ssize_t len = listxattr(at(w, "f"), NULL, 0);
	assert_true(len > 1000);
	assert_errno(ERANGE, listxattr(at(w, "f"), list, 10));
	assert_int_equal(listxattr(at(w, "f"), list, sizeof (list)), len);
	assert_string_equal(list, "user.a");
}

static void
flags_and_projects(void **state)
{
	world_t *w = *state;
	struct fsxattr fx;
	int flags = -1;

	put_file(w, "f", "", 0);
	int fd = open(at(w, "f"), O_RDONLY);
	assert_true(fd >= 0);
	assert_ok(ioctl(fd, FS_IOC_GETFLAGS, &flags));
	assert_int_equal(flags, 0);
	flags = FS_IMMUTABLE_FL | FS_NODUMP_FL;
	assert_ok(ioctl(fd, FS_IOC_SETFLAGS, &flags));
	flags = 0;
	assert_ok(ioctl(fd, FS_IOC_GETFLAGS, &flags));
	assert_int_equal(flags, FS_IMMUTABLE_FL | FS_NODUMP_FL);
	flags = FS_COMPR_FL;
	assert_errno(EOPNOTSUPP, ioctl(fd, FS_IOC_SETFLAGS, &flags));
	assert_ok(ioctl(fd, FS_IOC_FSGETXATTR, &fx));
	assert_int_equal(fx.fsx_xflags, FS_XFLAG_IMMUTABLE | FS_XFLAG_NODUMP);
	flags = 0;
	assert_ok(ioctl(fd, FS_IOC_SETFLAGS, &flags)); /* nothing else changes before */
	fx.fsx_xflags = 0;
	fx.fsx_projid = 4711;
	assert_ok(ioctl(fd, FS_IOC_FSSETXATTR, &fx));
	memset(&fx, 0xff, sizeof (fx));
	assert_ok(ioctl(fd, FS_IOC_FSGETXATTR, &fx));
	assert_int_equal(fx.fsx_projid, 4711);
	assert_int_equal(fx.fsx_xflags, 0);
	assert_errno(ENOTTY, ioctl(fd, _IOW('t', 77, int), &flags));
	assert_ok(close(fd));
	fd = open(at(w, "."), O_RDONLY | O_DIRECTORY);
	flags = FS_PROJINHERIT_FL;
	assert_ok(ioctl(fd, FS_IOC_SETFLAGS, &flags));
	assert_ok(close(fd));
}

static void
a_large_directory_is_read_whole(void **state)
{
	world_t *w = *state;
	enum { N = 10000 };
	static uint8_t seen[N];
	char name[300];
	struct dirent *de;
	struct stat st;
	size_t n = 0;
	long pos = 0;

	assert_ok(mkdir(at(w, "d"), 0755));
	for (int i = 0; i < N; i++) {
		(void)snprintf(name, sizeof (name), "d/file%d", i);
		assert_ok(mknod(at(w, name), S_IFREG | 0644, 0));
	}
	fuse_fs_invalidate_all(w->ff);
	uint64_t before = fuse_fs_requests(w->ff, FUSE_LOOKUP);
	DIR *dir = opendir(at(w, "d"));
	assert_non_null(dir);
	memset(seen, 0, sizeof (seen));
	while ((de = readdir(dir)) != NULL) {
		if (de->d_name[0] == '.')
			continue;
		int i = atoi(de->d_name + 4);
		assert_int_equal(seen[i]++, 0);
		assert_int_equal(de->d_type, DT_REG);
		(void)snprintf(name, sizeof (name), "d/%s", de->d_name);
		assert_ok(stat(at(w, name), &st));
		assert_int_equal(st.st_ino, de->d_ino);
		if (++n == N / 2)
			pos = telldir(dir);
	}
	assert_int_equal(n, N);
	/* Names came with attributes: stat() found nearly everything known already. */
	assert_true(fuse_fs_requests(w->ff, FUSE_LOOKUP) - before < N / 10);
	seekdir(dir, pos);
	for (n = 0; readdir(dir) != NULL; n++)
		continue;
	assert_int_equal(n, N / 2);
	/* Removing while reading leaves nothing behind and shows nothing twice. */
	rewinddir(dir);
	memset(seen, 0, sizeof (seen));
	while ((de = readdir(dir)) != NULL) {
		if (de->d_name[0] == '.')
			continue;
		assert_int_equal(seen[atoi(de->d_name + 4)]++, 0);
		(void)snprintf(name, sizeof (name), "d/%s", de->d_name);
		assert_ok(unlink(at(w, name)));
	}
	assert_ok(closedir(dir));
	assert_ok(rmdir(at(w, "d")));
}

static void
errors_of_writes_are_felt_at_once(void **state)
{
	world_t *w = *state;
	int fd = open(at(w, "f"), O_WRONLY | O_CREAT, 0644);

	FAKE_ONLY();
	assert_true(fd >= 0);
	fake_zpl_fail_writes(w->zv, EDQUOT);
	assert_errno(EDQUOT, write(fd, "x", 1));
	fake_zpl_fail_writes(w->zv, 0);
	assert_int_equal(write(fd, "x", 1), 1);
	assert_ok(close(fd));
}

/* ---- threads ---------------------------------------------------------------------------- */

enum { THREADS = 6, ROUNDS = 150 };

static void *
append_lines(void *arg)
{
	world_t *w = arg;
	int fd = open(at(w, "log"), O_WRONLY | O_APPEND | O_CREAT, 0644);

	for (int i = 0; i < ROUNDS; i++)
		if (write(fd, "0123456789abcde\n", 16) != 16)
			abort();
	(void)close(fd);
	return (NULL);
}

static void
appends_do_not_overlap(void **state)
{
	world_t *w = *state;
	pthread_t t[THREADS];
	static char want[THREADS * ROUNDS * 16];

	put_file(w, "log", "", 0);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, append_lines, w), 0);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(t[i], NULL), 0);
	for (size_t i = 0; i < sizeof (want); i += 16)
		memcpy(want + i, "0123456789abcde\n", 16);
	expect_file(w, "log", want, sizeof (want));
}

typedef struct churn {
	world_t *w;
	unsigned seed;
	int failures;
} churn_t;

/* Everybody makes, fills, moves and removes files of the same few names. */
static void *
churn(void *arg)
{
	churn_t *ch = arg;
	char a[16], b[16], buf[8192];

	for (int i = 0; i < ROUNDS; i++) {
		(void)snprintf(a, sizeof (a), "c%d", rand_r(&ch->seed) % 8);
		(void)snprintf(b, sizeof (b), "c%d", rand_r(&ch->seed) % 8);
		switch (rand_r(&ch->seed) % 6) {
		case 0:
		case 1: {
			int fd = open(at(ch->w, a), O_RDWR | O_CREAT, 0644);
			memset(buf, 'x', sizeof (buf));
			if (fd < 0 || write(fd, buf, sizeof (buf)) != sizeof (buf))
				ch->failures++;
			(void)close(fd);
			break;
		}
		case 2:
			if (rename(at(ch->w, a), at(ch->w, b)) != 0 && errno != ENOENT)
				ch->failures++;
			break;
		case 3:
			if (unlink(at(ch->w, a)) != 0 && errno != ENOENT)
				ch->failures++;
			break;
		case 4: {
			int fd = open(at(ch->w, a), O_RDONLY);
			ssize_t n = fd < 0 ? 0 : read(fd, buf, sizeof (buf));
			for (ssize_t k = 0; k < n; k++)
				ch->failures += buf[k] != 'x';
			if (fd >= 0)
				(void)close(fd);
			break;
		}
		default: {
			DIR *dir = opendir(at(ch->w, "."));
			struct dirent *de;
			struct stat st;
			while ((de = readdir(dir)) != NULL)
				if (fstatat(dirfd(dir), de->d_name, &st, 0) != 0 && errno != ENOENT)
					ch->failures++;
			(void)closedir(dir);
		}
		}
	}
	return (NULL);
}

static void
threads_in_each_others_way(void **state)
{
	world_t *w = *state;
	pthread_t t[THREADS];
	churn_t ch[THREADS];

	for (unsigned i = 0; i < THREADS; i++) {
		ch[i] = (churn_t){ .w = w, .seed = i + 1 };
		assert_int_equal(pthread_create(&t[i], NULL, churn, &ch[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(t[i], NULL), 0);
		assert_int_equal(ch[i].failures, 0);
	}
}

#define STORY(f) cmocka_unit_test_setup_teardown(f, story_begin, story_end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(writes_come_back),
		STORY(finely_chopped_reads_are_whole),
		STORY(direct_and_cached_agree),
		STORY(names_follow_posix),
		STORY(an_unlinked_file_lives_while_open),
		STORY(a_nameless_file_can_get_a_name),
		STORY(attributes_are_set_and_shown),
		STORY(blocks_settle),
		cmocka_unit_test_setup_teardown(
		    what_is_known_is_not_asked_again, story_begin_noatime, story_end),
		cmocka_unit_test_setup_teardown(
		    requests_are_counted, story_begin_noatime, story_end),
		cmocka_unit_test_setup_teardown(
		    folded_names_are_asked_again, story_begin_unmounted, story_end),
		STORY(access_times_are_noted_at_open),
		STORY(mappings_are_shared),
		STORY(holes_are_found_and_made),
		STORY(ranges_are_copied_inside),
		STORY(extended_attributes),
		STORY(flags_and_projects),
		STORY(a_large_directory_is_read_whole),
		STORY(errors_of_writes_are_felt_at_once),
		STORY(appends_do_not_overlap),
		STORY(threads_in_each_others_way),
	};

	return (STORY_MAIN(tests));
}
