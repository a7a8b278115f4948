#include <grp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include "story.h"

const char *
story_unable(void)
{
	if (access("/dev/fuse", R_OK | W_OK) != 0)
		return ("no /dev/fuse");
	if (geteuid() != 0)
		return ("not root");
	return (NULL);
}

static void
on_gone(void *arg)
{
	world_t *w = arg;

	__atomic_add_fetch(&w->gone, 1, __ATOMIC_SEQ_CST);
}

void
story_mount(world_t *w)
{
	int err = fuse_fs_mount(w->zv, w->point, &w->opts, on_gone, w, &w->ff);

	if (err != 0)
		fail_msg("mount: %s", strerror(err));
}

static int
begin(void **state, bool atime, bool mounted)
{
	world_t *w = calloc(1, sizeof (*w));

	(void)snprintf(w->dir, sizeof (w->dir), "/tmp/tarn-fuse-XXXXXX");
	if (mkdtemp(w->dir) == NULL)
		return (-1);
	(void)chmod(w->dir, 0755);
	(void)snprintf(w->point, sizeof (w->point), "%s/mnt", w->dir);
	if (mkdir(w->point, 0755) != 0)
		return (-1);
	w->zv = story_fs_new();
	w->opts = (fuse_fs_opts_t){ .ffo_source = "tank/a b", .ffo_exec = true,
		.ffo_setuid = true, .ffo_devices = true, .ffo_atime = atime, .ffo_relatime = atime,
		.ffo_allow_other = true };
	*state = w;
	(void)alarm(300); /* a mount that hangs would hang everything */
	if (mounted)
		story_mount(w);
	return (0);
}

int
story_begin(void **state)
{
	return (begin(state, true, true));
}

int
story_begin_noatime(void **state)
{
	return (begin(state, false, true));
}

int
story_begin_unmounted(void **state)
{
	return (begin(state, true, false));
}

int
story_end(void **state)
{
	world_t *w = *state;
	int err = 0;

	if (w->ff != NULL)
		err = fuse_fs_unmount(w->ff, true);
	if (err != 0)
		print_message("unmount: %s\n", strerror(err));
	/* Every story ends with this: nothing of the file system is held any more. */
	story_fs_destroy(w->zv);
	if (rmdir(w->point) != 0 || rmdir(w->dir) != 0)
		print_message("%s: %s\n", w->dir, strerror(errno));
	(void)alarm(0);
	free(w);
	return (err);
}

const char *
at(const world_t *w, const char *name)
{
	static _Thread_local char paths[8][512];
	static _Thread_local unsigned turn;
	char *p = paths[turn++ % 8];

	(void)snprintf(p, sizeof (paths[0]), "%s/%s", w->point, name);
	return (p);
}

void
put_file(const world_t *w, const char *name, const void *data, size_t len)
{
	int fd = open(at(w, name), O_WRONLY | O_CREAT | O_TRUNC, 0644);

	assert_true(fd >= 0);
	for (size_t done = 0; done < len;) {
		ssize_t n = write(fd, (const char *)data + done, len - done);
		if (n < 0)
			fail_msg("write %s: %s", name, strerror(errno));
		done += (size_t)n;
	}
	assert_ok(close(fd));
}

void
expect_file(const world_t *w, const char *name, const void *data, size_t len)
{
	char *buf = malloc(len + 1);
	int fd = open(at(w, name), O_RDONLY);
	size_t done = 0;
	ssize_t n;

	assert_true(fd >= 0);
	while ((n = read(fd, buf + done, len + 1 - done)) > 0)
		done += (size_t)n;
	assert_int_equal(done, len);
	assert_memory_equal(buf, data, len);
	assert_ok(close(fd));
	free(buf);
}

/* Distributions let everybody open /dev/fuse; where it is not so, make it so for ourselves. */
static void
open_dev_fuse(const world_t *w)
{
	char node[128];
	struct stat st;

	if (stat("/dev/fuse", &st) != 0 || (st.st_mode & 0666) == 0666)
		return;
	(void)snprintf(node, sizeof (node), "%s/fuse", w->dir);
	if (unshare(CLONE_NEWNS) != 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mknod(node, S_IFCHR | 0666, st.st_rdev) != 0)
		_exit(98);
	if (chmod(node, 0666) != 0 || mount(node, "/dev/fuse", NULL, MS_BIND, NULL) != 0 ||
	    unlink(node) != 0)
		_exit(97);
}

int
as_user(uid_t uid, gid_t gid, int (*func)(world_t *w), world_t *w)
{
	int status;
	(void)fflush(stdout);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (uid != 0)
			open_dev_fuse(w);
		if (setgroups(0, NULL) != 0 || setgid(gid) != 0 || setuid(uid) != 0)
			_exit(99);
		_exit(func(w));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return (WEXITSTATUS(status));
}

void
wait_gone(world_t *w, int n)
{
	for (int i = 0; i < 5000; i++) {
		if (__atomic_load_n(&w->gone, __ATOMIC_SEQ_CST) == n)
			return;
		(void)usleep(1000);
	}
	fail_msg("gone was called %d times, not %d", w->gone, n);
}

bool
mount_line(const world_t *w, char *source, char *type, char *options)
{
	char line[4096], point[1024];
	bool found = false;
	FILE *fp = fopen("/proc/mounts", "r");

	assert_non_null(fp);
	while (fgets(line, sizeof (line), fp) != NULL)
		if (sscanf(line, "%255s %1023s %255s %1023s", source, point, type, options) == 4 &&
		    strcmp(point, w->point) == 0) {
			found = true;
			break;
		}
	(void)fclose(fp);
	return (found);
}

void
poke(world_t *w, const char *name, const char *contents)
{
	struct iovec iov = { (void *)(uintptr_t)contents, strlen(contents) };
	znode_t *root, *zp;
	size_t done;

	VERIFY0(zpl_root(w->zv, &root));
	VERIFY0(zpl_lookup(root, name, &zpl_root_cred, &zp, NULL, 0));
	VERIFY0(zpl_truncate(zp, 0, &zpl_root_cred));
	VERIFY0(zpl_write(zp, 0, &iov, 1, 0, &done, NULL, &zpl_root_cred));
	zpl_rele(zp);
	zpl_rele(root);
}

void
move_behind(world_t *w, const char *old, const char *new_name)
{
	znode_t *root;

	VERIFY0(zpl_root(w->zv, &root));
	VERIFY0(zpl_rename(root, old, root, new_name, 0, &zpl_root_cred));
	zpl_rele(root);
}

int
story_main(const struct CMUnitTest *tests, size_t n)
{
	const char *why = story_unable();

	if (why != NULL) {
		printf("skipped: %s\n", why);
		return (77);
	}
	(void)umask(022);
	spl_init();
	story_start();
	int rc = _cmocka_run_group_tests("fuse", tests, n, NULL, NULL);
	story_stop();
	return (rc);
}
