/*
 * Coming and going of mounts: who unmounts, when somebody is in the way, what is told, what is
 * left behind; and what users may do in one.
 */
#include <dirent.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <signal.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include "story.h"

static void
a_mount_shows_its_dataset(void **state)
{
	world_t *w = *state;
	char source[256], type[256], options[1024];

	w->opts.ffo_exec = w->opts.ffo_setuid = w->opts.ffo_devices = false;
	story_mount(w);
	assert_true(mount_line(w, source, type, options));
	assert_string_equal(source, "tank/a\\040b");
	assert_string_equal(type, "fuse.zfs");
	assert_non_null(strstr(options, "rw"));
	assert_non_null(strstr(options, "nosuid"));
	assert_non_null(strstr(options, "nodev"));
	assert_non_null(strstr(options, "noexec"));
	assert_non_null(strstr(options, "relatime"));
	assert_non_null(strstr(options, "allow_other"));
	assert_int_equal(fuse_fs_unmount(w->ff, false), 0);
	w->ff = NULL;
	assert_false(mount_line(w, source, type, options));
	assert_int_equal(w->gone, 0);
}

static void
options_change_while_mounted(void **state)
{
	world_t *w = *state;
	char source[256], type[256], options[1024];
	struct stat st;

	put_file(w, "f", "x", 1);
	w->opts.ffo_readonly = true;
	w->opts.ffo_atime = false;
	assert_int_equal(fuse_fs_remount(w->ff, &w->opts), 0);
	assert_true(mount_line(w, source, type, options));
	assert_int_equal(strncmp(options, "ro,", 3), 0);
	assert_non_null(strstr(options, "noatime"));
	assert_errno(EROFS, mkdir(at(w, "d"), 0755));
	assert_ok(stat(at(w, "f"), &st));
	w->opts.ffo_readonly = false;
	w->opts.ffo_exec = false;
	assert_int_equal(fuse_fs_remount(w->ff, &w->opts), 0);
	assert_ok(mkdir(at(w, "d"), 0755));
	assert_true(mount_line(w, source, type, options));
	assert_non_null(strstr(options, "noexec"));
}

static void
a_full_directory_is_not_covered_unasked(void **state)
{
	world_t *w = *state;
	char path[128];
	fuse_fs_t *ff;

	(void)snprintf(path, sizeof (path), "%s/below", w->point);
	int fd = open(path, O_CREAT | O_WRONLY, 0644);
	assert_true(fd >= 0);
	assert_ok(close(fd));
	assert_int_equal(fuse_fs_mount(w->zv, w->point, &w->opts, NULL, NULL, &ff), ENOTEMPTY);
	w->opts.ffo_nonempty = true;
	story_mount(w);
	assert_errno(ENOENT, access(path, F_OK));
	assert_int_equal(fuse_fs_unmount(w->ff, false), 0);
	w->ff = NULL;
	assert_ok(unlink(path));
	(void)snprintf(path, sizeof (path), "%s/none", w->point);
	assert_int_equal(fuse_fs_mount(w->zv, path, &w->opts, NULL, NULL, &ff), ENOENT);
	assert_int_equal(fuse_fs_mount(w->zv, "/dev/null", &w->opts, NULL, NULL, &ff), ENOTDIR);
}

static void
unmounted_by_somebody_else(void **state)
{
	world_t *w = *state;

	put_file(w, "f", "x", 1);
	assert_ok(umount2(w->point, 0));
	/* Known at once to who asks, and told soon, once. */
	assert_true(fuse_fs_is_gone(w->ff));
	wait_gone(w, 1);
	fuse_fs_t *old = w->ff;
	story_mount(w);
	expect_file(w, "f", "x", 1);
	/* Giving up the old one does not touch the new one. */
	assert_int_equal(fuse_fs_unmount(old, true), 0);
	expect_file(w, "f", "x", 1);
	assert_int_equal(w->gone, 1);
}

static int to_child[2], to_parent[2];

/* Keeps the mount busy, with a mapping that has been changed, until it is told to look again. */
static int
keep_busy(world_t *w)
{
	char buf[4];
	static char page[4096];
	int fd = open(at(w, "f"), O_RDWR);

	TRY(fd >= 0);
	char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	TRY(p != MAP_FAILED);
	p[1] = 'B';
	TRY(write(to_parent[1], "r", 1) == 1);
	TRY(read(to_child[0], buf, 1) == 1);
	/* Refused: all is still there. */
	TRY(pread(fd, buf, 3, 0) == 3 && memcmp(buf, "aBc", 3) == 0);
	TRY(write(to_parent[1], "r", 1) == 1);
	TRY(read(to_child[0], buf, 1) == 1);
	/* Forced: errors, and no hanging. */
	TRY(fsync(fd) == -1);
	TRY(pread(fd, page, sizeof (page), 1 << 20) == -1);
	TRY(munmap(p, 4096) == 0);
	(void)close(fd);
	return (0);
}

static void
a_busy_mount_stays_unless_forced(void **state)
{
	world_t *w = *state;
	char buf[4];
	znode_t *root, *zp;
	struct iovec iov = { buf, 3 };
	size_t done;
	int status;

	put_file(w, "f", "abc", 3);
	assert_ok(pipe(to_child));
	assert_ok(pipe(to_parent));
	pid_t pid = fork();
	if (pid == 0)
		_exit(keep_busy(w));
	assert_int_equal(read(to_parent[0], buf, 1), 1);
	assert_int_equal(fuse_fs_unmount(w->ff, false), EBUSY);
	put_file(w, "g", "1", 1);
	assert_int_equal(write(to_child[1], "1", 1), 1);
	assert_int_equal(read(to_parent[0], buf, 1), 1);
	assert_int_equal(fuse_fs_unmount(w->ff, true), 0);
	w->ff = NULL;
	assert_errno(ENOENT, access(at(w, "f"), F_OK));
	assert_int_equal(write(to_child[1], "2", 1), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	/* What was in the mapping has been written before. */
	assert_int_equal(zpl_root(w->zv, &root), 0);
	assert_int_equal(zpl_lookup(root, "f", &zpl_root_cred, &zp, NULL, 0), 0);
	assert_int_equal(zpl_read(zp, 0, &iov, 1, &done, &zpl_root_cred), 0);
	zpl_rele(zp);
	zpl_rele(root);
	assert_memory_equal(buf, "aBc", 3);
	assert_int_equal(w->gone, 0);
	for (int i = 0; i < 2; i++) {
		assert_ok(close(to_child[i]));
		assert_ok(close(to_parent[i]));
	}
}

static void
lazily_unmounted_by_somebody_else(void **state)
{
	world_t *w = *state;

	put_file(w, "f", "abc", 3);
	int fd = open(at(w, "f"), O_RDWR);
	assert_ok(umount2(w->point, MNT_DETACH));
	/* The file is still served, so it is not over ... */
	assert_int_equal(write(fd, "x", 1), 1);
	assert_false(fuse_fs_is_gone(w->ff));
	assert_int_equal(fuse_fs_unmount(w->ff, false), EBUSY);
	/* ... until the file is closed. */
	assert_ok(close(fd));
	wait_gone(w, 1);
	assert_int_equal(fuse_fs_unmount(w->ff, false), 0);
	w->ff = NULL;
}

static void
forced_after_a_lazy_unmount(void **state)
{
	world_t *w = *state;

	put_file(w, "f", "abc", 3);
	int fd = open(at(w, "f"), O_RDWR);
	assert_ok(umount2(w->point, MNT_DETACH));
	assert_int_equal(fuse_fs_unmount(w->ff, true), 0);
	w->ff = NULL;
	assert_int_equal(write(fd, "x", 1), -1);
	(void)close(fd);
}

/* As an administrator does with a mount that hangs. */
static void
cut_off_by_an_administrator(void **state)
{
	world_t *w = *state;
	char ctl[96], path[160];
	char source[256], type[256], options[1024];
	struct stat st;

	assert_ok(stat(w->point, &st));
	(void)snprintf(ctl, sizeof (ctl), "%s/ctl", w->dir);
	assert_ok(mkdir(ctl, 0755));
	assert_ok(mount("none", ctl, "fusectl", 0, NULL));
	(void)snprintf(path, sizeof (path), "%s/%u/abort", ctl, minor(st.st_dev));
	int fd = open(path, O_WRONLY);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "1", 1), 1);
	assert_ok(close(fd));
	assert_ok(umount2(ctl, MNT_DETACH));
	assert_ok(rmdir(ctl));
	wait_gone(w, 1);
	assert_errno(ENOTCONN, mkdir(at(w, "d"), 0755));
	assert_int_equal(fuse_fs_unmount(w->ff, true), 0);
	w->ff = NULL;
	assert_false(mount_line(w, source, type, options));
}

/* Requests that wait in zpl keep nobody else from being served, and killing their callers is safe. */
static void
slow_requests_are_only_slow(void **state)
{
	world_t *w = *state;
	enum { N = 20 };
	pid_t pids[N];
	int status;

	FAKE_ONLY();
	for (int i = 0; i < N; i++) {
		char name[8];
		(void)snprintf(name, sizeof (name), "f%d", i);
		put_file(w, name, "0123456789", 10);
	}
	fuse_fs_invalidate_all(w->ff); /* also the pages */
	fake_zpl_block_reads(w->zv, true);
	for (int i = 0; i < N; i++) {
		if ((pids[i] = fork()) == 0) {
			char name[8], buf[16];
			(void)snprintf(name, sizeof (name), "f%d", i);
			int fd = open(at(w, name), O_RDONLY);
			_exit(fd >= 0 && read(fd, buf, 16) == 10 ? 0 : 1);
		}
	}
	while (fake_zpl_blocked(w->zv) < N)
		usleep(1000);
	put_file(w, "quick", "quick", 5);
	for (int i = 0; i < N; i += 2)
		assert_ok(kill(pids[i], SIGKILL));
	put_file(w, "still", "quick", 5);
	fake_zpl_block_reads(w->zv, false);
	for (int i = 0; i < N; i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		if (i % 2 != 0)
			assert_int_equal(status, 0);
	}
	assert_int_equal(fuse_fs_unmount(w->ff, false), 0);
	w->ff = NULL;
}

static void
what_lies_on_top_is_left_alone(void **state)
{
	world_t *w = *state;

	assert_ok(mount("none", w->point, "tmpfs", 0, NULL));
	assert_int_equal(fuse_fs_unmount(w->ff, false), EBUSY);
	assert_int_equal(fuse_fs_unmount(w->ff, true), EBUSY);
	assert_ok(umount2(w->point, 0));
	assert_int_equal(fuse_fs_unmount(w->ff, false), 0);
	w->ff = NULL;
}

/* Mounts move with their parents, and are found again. */
static void
a_moved_mount_is_unmounted_where_it_is(void **state)
{
	world_t *w = *state;
	char from[128], to[128];

	(void)snprintf(from, sizeof (from), "%s", w->point);
	(void)snprintf(to, sizeof (to), "%s/moved", w->dir);
	assert_ok(rename(from, to) == 0 || errno == EBUSY ? 0 : -1);
	assert_ok(mkdir(to, 0755));
	if (mount(from, to, NULL, MS_MOVE, NULL) != 0) {
		/* Below a shared mount nothing can be moved. */
		assert_ok(rmdir(to));
		skip();
	}
	assert_int_equal(fuse_fs_unmount(w->ff, false), 0);
	w->ff = NULL;
	assert_ok(rmdir(to));
}

static void
a_rollback_is_seen_by_those_who_looked_before(void **state)
{
	world_t *w = *state;
	struct stat st;

	put_file(w, "f", "old contents", 12);
	put_file(w, "a", "moved", 5);
	expect_file(w, "f", "old contents", 12);
	int fd = open(at(w, "f"), O_RDONLY);
	char buf[8];
	assert_ok(stat(at(w, "f"), &st));
	assert_errno(ENOENT, stat(at(w, "b"), &st));
	poke(w, "f", "new");
	move_behind(w, "a", "b");
	fuse_fs_invalidate_all(w->ff);
	assert_int_equal(pread(fd, buf, 8, 0), 3);
	assert_memory_equal(buf, "new", 3);
	expect_file(w, "f", "new", 3);
	/* Kernels before 6.16 may believe in names for another second. */
	if (stat(at(w, "b"), &st) != 0)
		sleep(2);
	assert_errno(ENOENT, stat(at(w, "a"), &st));
	expect_file(w, "b", "moved", 5);
	assert_ok(close(fd));
}

static void
file_handles_outlive_the_kernels_memory(void **state)
{
	world_t *w = *state;
	union {
		struct file_handle fh;
		char room[sizeof (struct file_handle) + MAX_HANDLE_SZ];
	} h;
	char buf[8];
	int id;

	put_file(w, "f", "handle", 6);
	h.fh.handle_bytes = MAX_HANDLE_SZ;
	assert_ok(name_to_handle_at(AT_FDCWD, at(w, "f"), &h.fh, &id, 0));
	assert_int_equal(fuse_fs_unmount(w->ff, false), 0);
	assert_int_equal(story_held(w->zv), 0);
	story_mount(w);
	int dirfd = open(w->point, O_RDONLY | O_DIRECTORY);
	int fd = open_by_handle_at(dirfd, &h.fh, O_RDONLY);
	if (fd < 0)
		fail_msg("open_by_handle_at: %s", strerror(errno));
	assert_int_equal(read(fd, buf, sizeof (buf)), 6);
	assert_ok(close(fd));
	assert_ok(unlink(at(w, "f")));
	for (int i = 0; i < 2000 && story_held(w->zv) > 0; i++)
		usleep(1000); /* FORGET is sent when the kernel likes */
	assert_errno(ESTALE, open_by_handle_at(dirfd, &h.fh, O_RDONLY));
	assert_ok(close(dirfd));
}

/* ---- users ------------------------------------------------------------------------------- */

static int
ordinary_life(world_t *w)
{
	struct stat st;

	(void)umask(027);
	if (mkdir(at(w, "open/mine"), 0777) != 0)
		return (1);
	int fd = open(at(w, "open/mine/f"), O_CREAT | O_WRONLY, 0666);
	if (fd < 0 || write(fd, "x", 1) != 1)
		return (2);
	if (fstat(fd, &st) != 0 || st.st_uid != 1000 || st.st_gid != 1000 ||
	    (st.st_mode & 07777) != 0640)
		return (3);
	if (fchmod(fd, 0600) != 0 || close(fd) != 0)
		return (4);
	if (chmod(at(w, "roots"), 0777) == 0 || errno != EPERM)
		return (5);
	if (open(at(w, "roots"), O_RDONLY) >= 0 || errno != EACCES)
		return (6);
	if (mkdir(at(w, "denied"), 0755) == 0 || errno != EACCES)
		return (7);
	if (chown(at(w, "open/mine/f"), 1001, (gid_t)-1) == 0 || errno != EPERM)
		return (8);
	/* In a sticky directory others' files stay. */
	if (unlink(at(w, "open/roots2")) == 0 || errno != EPERM)
		return (9);
	return (0);
}

static void
permissions_are_kept(void **state)
{
	world_t *w = *state;
	struct stat st;

	put_file(w, "roots", "x", 1);
	assert_ok(chmod(at(w, "roots"), 0600));
	assert_ok(mkdir(at(w, "open"), 0777));
	assert_ok(chmod(at(w, "open"), 01777));
	put_file(w, "open/roots2", "x", 1);
	assert_int_equal(as_user(1000, 1000, ordinary_life, w), 0);
	assert_ok(stat(at(w, "open/mine/f"), &st));
	assert_int_equal(st.st_uid, 1000);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static int
write_to_suid(world_t *w)
{
	int fd = open(at(w, "tool"), O_WRONLY);

	return (fd >= 0 && write(fd, "y", 1) == 1 && close(fd) == 0 ? 0 : 1);
}

static void
an_ordinary_write_takes_the_suid_bit(void **state)
{
	world_t *w = *state;
	struct stat st;

	put_file(w, "tool", "x", 1);
	assert_ok(chmod(at(w, "tool"), 04777));
	put_file(w, "tool", "root may", 8);
	assert_ok(stat(at(w, "tool"), &st));
	assert_int_equal(st.st_mode & 07777, 04777);
	assert_int_equal(as_user(1000, 1000, write_to_suid, w), 0);
	assert_ok(stat(at(w, "tool"), &st));
	assert_int_equal(st.st_mode & 07777, 0777);
}

static int
list_trusted(world_t *w)
{
	char list[256];
	ssize_t n = listxattr(at(w, "f"), list, sizeof (list));

	return (n == 7 && strcmp(list, "user.a") == 0 ? 0 : 1);
}

static void
trusted_attributes_are_roots(void **state)
{
	world_t *w = *state;

	put_file(w, "f", "x", 1);
	assert_ok(setxattr(at(w, "f"), "user.a", "1", 1, 0));
	assert_ok(setxattr(at(w, "f"), "trusted.b", "1", 1, 0));
	assert_int_equal(listxattr(at(w, "f"), NULL, 0), 7 + 10);
	assert_int_equal(as_user(1000, 1000, list_trusted, w), 0);
}

static int
read_shared(world_t *w)
{
	char c;
	int fd = open(at(w, "d/shared"), O_RDONLY);

	return (fd >= 0 && read(fd, &c, 1) == 1 ? 0 : errno);
}

/* As setfacl(1) has it: a version, then entries of tag, permissions, id; little endian. */
typedef struct acl_entry {
	uint16_t tag, perm;
	uint32_t id;
} acl_entry_t;

static void
set_acl(const char *path, const char *name, acl_entry_t *entries, size_t n)
{
	uint8_t value[256];
	uint32_t version = 2;

	memcpy(value, &version, 4);
	memcpy(value + 4, entries, n * sizeof (*entries));
	assert_ok(setxattr(path, name, value, 4 + n * sizeof (*entries), 0));
}

static void
access_lists_are_followed(void **state)
{
	world_t *w = *state;
	acl_entry_t acl[] = { { 1, 6, ~0u }, { 2, 4, 1001 }, { 4, 0, ~0u }, { 0x10, 4, ~0u },
		{ 0x20, 0, ~0u } };
	acl_entry_t dflt[] = { { 1, 7, ~0u }, { 2, 5, 1001 }, { 4, 5, ~0u }, { 0x10, 7, ~0u },
		{ 0x20, 0, ~0u } };
	struct stat st;
	zpl_opts_t zo;

	if (story_is_fake)
		skip(); /* it has none */
	zpl_get_opts(w->zv, &zo);
	zo.zo_acltype = ZPL_ACL_POSIX;
	zpl_set_opts(w->zv, &zo);
	w->opts.ffo_posix_acl = true;
	story_mount(w);
	assert_ok(mkdir(at(w, "d"), 0755));
	put_file(w, "d/shared", "x", 1);
	assert_ok(chmod(at(w, "d/shared"), 0600));
	assert_int_equal(as_user(1001, 1001, read_shared, w), EACCES);
	set_acl(at(w, "d/shared"), "system.posix_acl_access", acl, 5);
	assert_int_equal(as_user(1001, 1001, read_shared, w), 0);
	assert_int_equal(as_user(1002, 1002, read_shared, w), EACCES);
	assert_ok(chmod(at(w, "d/shared"), 0600)); /* the mask */
	assert_int_equal(as_user(1001, 1001, read_shared, w), EACCES);
	assert_ok(stat(at(w, "d/shared"), &st));
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_ok(removexattr(at(w, "d/shared"), "system.posix_acl_access"));
	/* What a directory hands on counts instead of the umask. */
	assert_ok(unlink(at(w, "d/shared")));
	set_acl(at(w, "d"), "system.posix_acl_default", dflt, 5);
	(void)umask(077);
	int fd = open(at(w, "d/shared"), O_CREAT | O_WRONLY, 0666);
	(void)umask(022);
	assert_int_equal(write(fd, "y", 1), 1);
	assert_ok(close(fd));
	assert_int_equal(as_user(1001, 1001, read_shared, w), 0);
	assert_int_equal(as_user(1002, 1002, read_shared, w), EACCES);
	assert_ok(stat(at(w, "d/shared"), &st));
	assert_int_equal(st.st_mode & 0777, 0660);
}

/* A world of one's own: mounted by an ordinary user, through the set-uid helper. */
static int
own_mount(world_t *w)
{
	char source[256], type[256], options[1024];
	fuse_fs_t *ff;

	w->opts.ffo_allow_other = false;
	int err = fuse_fs_mount(w->zv, w->point, &w->opts, NULL, NULL, &ff);
	if (err != 0) {
		printf("mount: %s\n", strerror(err));
		return (1);
	}
	if (!mount_line(w, source, type, options) || strcmp(source, "tank/a\\040b") != 0 ||
	    strcmp(type, "fuse.zfs") != 0)
		return (2);
	int fd = open(at(w, "f"), O_CREAT | O_RDWR, 0644);
	if (fd < 0 || write(fd, "x", 1) != 1)
		return (3);
	if (fuse_fs_unmount(ff, false) != EBUSY)
		return (4);
	if (fuse_fs_unmount(ff, true) != 0)
		return (5);
	if (pread(fd, source, 1, 4096) >= 0)
		return (6);
	(void)close(fd);
	if (mount_line(w, source, type, options))
		return (7);
	return (story_held(w->zv) == 0 ? 0 : 8);
}

static void
users_mount_through_the_helper(void **state)
{
	world_t *w = *state;
	znode_t *root;
	zpl_attr_t za = { .za_mask = ZPL_AT_UID | ZPL_AT_GID, .za_uid = 1000, .za_gid = 1000 };

	FAKE_ONLY(); /* a forked engine has no threads */
	if (access("/usr/bin/fusermount3", X_OK) != 0)
		skip();
	assert_int_equal(zpl_root(w->zv, &root), 0);
	assert_int_equal(zpl_setattr(root, &za, &zpl_root_cred, NULL), 0);
	zpl_rele(root);
	assert_ok(chown(w->point, 1000, 1000));
	assert_int_equal(as_user(1000, 1000, own_mount, w), 0);
}

#define STORY(f) cmocka_unit_test_setup_teardown(f, story_begin, story_end)
#define STORY_UNMOUNTED(f) \
	cmocka_unit_test_setup_teardown(f, story_begin_unmounted, story_end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		STORY_UNMOUNTED(users_mount_through_the_helper),
		STORY_UNMOUNTED(a_mount_shows_its_dataset),
		STORY(options_change_while_mounted),
		STORY_UNMOUNTED(a_full_directory_is_not_covered_unasked),
		STORY(unmounted_by_somebody_else),
		STORY(a_busy_mount_stays_unless_forced),
		STORY(lazily_unmounted_by_somebody_else),
		STORY(forced_after_a_lazy_unmount),
		STORY(cut_off_by_an_administrator),
		STORY(slow_requests_are_only_slow),
		STORY(what_lies_on_top_is_left_alone),
		STORY(a_moved_mount_is_unmounted_where_it_is),
		STORY(a_rollback_is_seen_by_those_who_looked_before),
		STORY(file_handles_outlive_the_kernels_memory),
		STORY(permissions_are_kept),
		STORY(an_ordinary_write_takes_the_suid_bit),
		STORY(trusted_attributes_are_roots),
		STORY_UNMOUNTED(access_lists_are_followed),
	};

	return (STORY_MAIN(tests));
}
