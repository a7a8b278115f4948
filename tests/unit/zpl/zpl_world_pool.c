/*
 * Where the stories play: a real pool in a file. At the end OpenZFS's zdb looks at it.
 * TARN_KEEP=FILE leaves the image there, for other judges.
 */
#include <fcntl.h>
#include <unistd.h>
#include "zpl_test.h"
#include "pool/pool.h"

#define DISK_SIZE (1ULL << 30)

const bool fs_is_toy = false;
static char dir[64], disk[96];
static spa_t *spa;
static int nfs;

void
world_start(void)
{
	const char *why = NULL;
	nvlist_t *root = nvlist_create(), *leaf = nvlist_create();

	pool_init();
	(void)snprintf(dir, sizeof(dir), "/tmp/tarn-zpl-XXXXXX");
	VERIFY(mkdtemp(dir) != NULL);
	(void)snprintf(disk, sizeof(disk), "%s/d0", dir);
	const int fd = open(disk, O_RDWR | O_CREAT, 0644);
	VERIFY(fd >= 0 && ftruncate(fd, DISK_SIZE) == 0);
	close(fd);
	fnvlist_add_string(leaf, "type", "file");
	fnvlist_add_string(leaf, "path", disk);
	fnvlist_add_uint64(leaf, "id", 0);
	fnvlist_add_string(root, "type", "root");
	fnvlist_add_uint64(root, "id", 0);
	fnvlist_add_nvlist_array(root, "children", (const nvlist_t *const *)&leaf, 1);
	VERIFY0(pool_create("tank", root, NULL, NULL, NULL, &spa, &why));
	nvlist_free(leaf);
	nvlist_free(root);
}

/* Does the reference find the pool sound? Said, and judged by the exit code. */
static void
judge(void)
{
	const char *src = getenv("TARN_SRC");
	char cmd[2048], zdb[256];

	(void)snprintf(
	    zdb, sizeof(zdb), "%s/build/openzfs/bin/zdb", src != NULL ? src : ".");
	if (access(zdb, X_OK) != 0) {
		printf("no reference zdb: not judged\n");
		return;
	}
	/*
	 * all blocks with their checksums, no leak; then every object of every dataset
	 */
	(void)snprintf(cmd, sizeof(cmd),
	    "%s -e -p %s -bcc tank > %s/zdb.out 2>&1 && grep -q 'No leaks' %s/zdb.out "
	    "&& "
	    "%s -e -p %s -dddd tank > %s/zdb.out 2>&1",
	    zdb, dir, dir, dir, zdb, dir, dir);
	const int rc = system(cmd);
	if (rc != 0) {
		(void)snprintf(cmd, sizeof(cmd), "tail -40 %s/zdb.out", dir);
		(void)!system(cmd);
	}
	VERIFY3S(rc, ==, 0);
	printf("judged sound by the reference zdb\n");
}

void
world_stop(void)
{
	VERIFY0(pool_export(spa, POOL_STATE_EXPORTED));
	pool_fini();
	judge();
	char path[128];
	(void)snprintf(path, sizeof(path), "%s/zdb.out", dir);
	(void)unlink(path);
	const char *keep = getenv("TARN_KEEP");
	if (keep != NULL && rename(disk, keep) == 0)
		printf("the pool is left in %s\n", keep);
	(void)unlink(disk);
	(void)rmdir(dir);
}

static void
fill_objset(objset_t *os, void *arg, dmu_tx_t *tx)
{
	VERIFY0(zpl_create_fs(os, arg, 0, 0, tx));
}

void
fs_mount(fs_t *fs)
{
	VERIFY0(zpl_mount(fs->os, &fs->opts, NULL, NULL, &fs->zv));
	VERIFY0(zpl_root(fs->zv, &fs->root));
}

void
fs_make(fs_t *fs, const nvlist_t *props)
{
	dsl_pool_t *dp = spa->spa_dsl_pool;
	char name[64];
	dsl_dataset_t *ds;
	nvlist_t *dsprops = nvlist_create();
	nvlist_t *p = props != NULL ? nvlist_dup(props) : nvlist_create();
	uint64_t version = ZPL_VERSION_MAX;

	memset(fs, 0, sizeof(*fs));
	(void)nvlist_lookup_uint64(p, "version", &version);
	fnvlist_add_boolean_value(p, "project_quota", true);
	zpl_opts_default(&fs->opts);
	(void)snprintf(name, sizeof(name), "tank/fs%d", nfs++);
	VERIFY0(dsl_dataset_create(dp, name, DMU_OST_ZFS, dsprops, fill_objset, p, 0));
	nvlist_free(dsprops);
	nvlist_free(p);
	dsl_pool_config_enter(dp);
	VERIFY0(dsl_dataset_own(dp, name, fs_mount, &ds));
	VERIFY0(dsl_dataset_get_objset(ds, &fs->os));
	dsl_pool_config_exit(dp);
	fs->ds = ds;
	fs_mount(fs);
}

void
fs_unmount(fs_t *fs)
{
	zpl_rele(fs->root);
	zpl_wait_unlinked(fs->zv);
	assert_int_equal(zpl_znode_count(fs->zv), 0);
	assert_int_equal(zpl_unmount(fs->zv, false), 0);
}

/* Through the disk: everything is written and forgotten in between. */
void
fs_remount(fs_t *fs)
{
	fs_unmount(fs);
	txg_wait_synced(spa, 0);
	for (int i = 0; i < 1000 && dmu_objset_evict(fs->os) != 0; i++)
		spl_delay(MSEC2NSEC(1));
	assert_int_equal(dmu_objset_evict(fs->os), 0);
	fs_mount(fs);
	zpl_wait_unlinked(fs->zv);
}

void
fs_destroy(fs_t *fs)
{
	fs_remount(fs);
	check_fs(fs);
	fs_unmount(fs);
	dsl_dataset_disown(fs->ds, fs_mount);
}

void
fs_fail_assign(fs_t *fs, uint64_t n, int err)
{
	panic("the real thing fails when it likes");
}

void
fs_features(bool on)
{
}
