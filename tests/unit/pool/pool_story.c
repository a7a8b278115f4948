#include "pool_story.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

world_t *
world_begin(int n)
{
	world_t *w = calloc(1, sizeof (*w));

	(void)snprintf(w->w_dir, sizeof (w->w_dir), "/tmp/tarn-pool-XXXXXX");
	assert_non_null(mkdtemp(w->w_dir));
	for (int i = 0; i < n; i++) {
		(void)snprintf(w->w_disk[i], sizeof (w->w_disk[i]), "%s/d%d", w->w_dir, i);
		int fd = open(w->w_disk[i], O_RDWR | O_CREAT, 0644);
		assert_true(fd >= 0);
		assert_int_equal(ftruncate(fd, DISK_SIZE), 0);
		(void)close(fd);
	}
	w->w_disks = n;
	return (w);
}

void
world_end(world_t *w)
{
	for (int i = 0; i < w->w_disks; i++)
		(void)unlink(w->w_disk[i]);
	(void)rmdir(w->w_dir);
	free(w);
}

spa_t *
world_create(world_t *w)
{
	nvlist_t *root = nvlist_create(), *leaf[4], *mirror;
	const char *why = NULL;
	spa_t *spa;

	for (int i = 0; i < w->w_disks; i++) {
		leaf[i] = nvlist_create();
		fnvlist_add_string(leaf[i], "type", "file");
		fnvlist_add_string(leaf[i], "path", w->w_disk[i]);
		fnvlist_add_uint64(leaf[i], "id", (uint64_t)i);
	}
	fnvlist_add_string(root, "type", "root");
	fnvlist_add_uint64(root, "id", 0);
	if (w->w_disks > 1) {
		mirror = nvlist_create();
		fnvlist_add_string(mirror, "type", "mirror");
		fnvlist_add_uint64(mirror, "id", 0);
		fnvlist_add_nvlist_array(
		    mirror, "children", (const nvlist_t *const *)leaf, (size_t)w->w_disks);
		fnvlist_add_nvlist_array(
		    root, "children", (const nvlist_t *const *)&mirror, 1);
		nvlist_free(mirror);
	} else {
		fnvlist_add_nvlist_array(root, "children", (const nvlist_t *const *)leaf, 1);
	}
	assert_int_equal(pool_create("tank", root, NULL, NULL, NULL, &spa, &why), 0);
	for (int i = 0; i < w->w_disks; i++)
		nvlist_free(leaf[i]);
	nvlist_free(root);
	return (spa);
}

spa_t *
world_import(world_t *w, uint32_t flags)
{
	const char *dir = w->w_dir;
	nvlist_t *found, *config, *unsup = NULL;
	spa_t *spa;

	assert_int_equal(pool_search(&dir, 1, false, &found), 0);
	nvpair_t *nvp = nvlist_next_nvpair(found, NULL);
	assert_non_null(nvp);
	assert_int_equal(nvpair_value_nvlist(nvp, &config), 0);
	assert_int_equal(pool_import(config, NULL, flags, 0, NULL, &spa, &unsup), 0);
	nvlist_free(found);
	return (spa);
}

void
world_zdb_clean(world_t *w)
{
	const char *src = getenv("TARN_SRC");
	char cmd[512], line[512], zdb[256];
	bool noleaks = false, bad = false;

	(void)snprintf(zdb, sizeof (zdb), "%s/build/openzfs/bin/zdb", src != NULL ? src : ".");
	if (access(zdb, X_OK) != 0) {
		print_message("no reference zdb: not judged\n");
		return;
	}
	(void)snprintf(cmd, sizeof (cmd), "%s -e -p %s -bcc tank 2>&1", zdb, w->w_dir);
	FILE *fp = popen(cmd, "r");
	assert_non_null(fp);
	while (fgets(line, sizeof (line), fp) != NULL) {
		noleaks |= strstr(line, "No leaks") != NULL;
		bad |= strstr(line, "leaked space") != NULL || strstr(line, "MOS object") != NULL ||
		    strstr(line, "rror:") != NULL;
		if (bad)
			print_message("%s", line);
	}
	assert_int_equal(pclose(fp), 0);
	assert_true(noleaks);
	assert_false(bad);
}

void
world_noise(world_t *w, int disk, uint64_t from, uint64_t to)
{
	uint8_t buf[65536];
	int fd = open(w->w_disk[disk], O_RDWR);

	assert_true(fd >= 0);
	for (uint64_t off = from; off < to; off += sizeof (buf)) {
		random_get_bytes(buf, sizeof (buf));
		size_t n = MIN(sizeof (buf), to - off);
		assert_int_equal(pwrite(fd, buf, n, (off_t)off), n);
	}
	(void)close(fd);
}

uint64_t
world_hash(world_t *w, int disk)
{
	uint64_t h = 14695981039346656037ULL, buf[8192];
	int fd = open(w->w_disk[disk], O_RDONLY);
	ssize_t n;

	assert_true(fd >= 0);
	while ((n = read(fd, buf, sizeof (buf))) > 0)
		for (ssize_t i = 0; i < n / 8; i++)
			h = (h ^ buf[i]) * 1099511628211ULL;
	(void)close(fd);
	return (h);
}

static void
create_fs(objset_t *os, void *arg, dmu_tx_t *tx)
{
	nvlist_t *props = nvlist_create();

	(void)arg;
	assert_int_equal(zpl_create_fs(os, props, 0, 0, tx), 0);
	nvlist_free(props);
}

void
make_fs(spa_t *spa, const char *name, const nvlist_t *props)
{
	assert_int_equal(dsl_dataset_create(
			     spa->spa_dsl_pool, name, DMU_OST_ZFS, props, create_fs, NULL, 0),
	    0);
}

/* ---- objects ----------------------------------------------------------------------------------- */

static void
fill(uint8_t *buf, uint64_t bs, uint64_t blkid, uint32_t seed)
{
	uint64_t x = seed * 2654435761u + blkid * 40503u + 1;

	/* Half noise, half pattern: compresses a little. */
	for (uint64_t i = 0; i < bs; i++) {
		x = x * 6364136223846793005ULL + 1442695040888963407ULL;
		buf[i] = (i & 64) ? (uint8_t)(x >> 56) : (uint8_t)seed;
	}
}

static dsl_dataset_t *
own(spa_t *spa, const char *name, objset_t **osp)
{
	dsl_pool_t *dp = spa->spa_dsl_pool;
	dsl_dataset_t *ds;

	dsl_pool_config_enter(dp);
	assert_int_equal(dsl_dataset_own(dp, name, osp, &ds), 0);
	assert_int_equal(dsl_dataset_get_objset(ds, osp), 0);
	dsl_pool_config_exit(dp);
	return (ds);
}

static void
write_blocks(
    objset_t *os, uint64_t obj, uint64_t bs, uint64_t blocks, uint32_t seed)
{
	uint8_t *buf = malloc(bs);

	for (uint64_t b = 0; b < blocks; b++) {
		fill(buf, bs, b, seed);
		dmu_tx_t *tx = dmu_tx_create(os);
		dmu_tx_hold_write(tx, obj, b * bs, bs);
		assert_int_equal(dmu_tx_assign(tx, DMU_TX_WAIT), 0);
		assert_int_equal(dmu_write(os, obj, b * bs, bs, buf, tx), 0);
		dmu_tx_commit(tx);
	}
	free(buf);
}

uint64_t
write_object(spa_t *spa, const char *name, uint64_t bs, uint64_t blocks, uint32_t seed)
{
	objset_t *os;
	dsl_dataset_t *ds = own(spa, name, &os);
	dmu_tx_t *tx = dmu_tx_create(os);

	dmu_tx_hold_bonus(tx, DMU_NEW_OBJECT);
	assert_int_equal(dmu_tx_assign(tx, DMU_TX_WAIT), 0);
	uint64_t obj = dmu_object_alloc(os, DMU_OT_PLAIN_OTHER, (int)bs, DMU_OT_NONE, 0, tx);
	dmu_tx_commit(tx);
	write_blocks(os, obj, bs, blocks, seed);
	dsl_dataset_disown(ds, &os);
	return (obj);
}

void
overwrite_object(
    spa_t *spa, const char *name, uint64_t obj, uint64_t bs, uint64_t blocks, uint32_t seed)
{
	objset_t *os;
	dsl_dataset_t *ds = own(spa, name, &os);

	write_blocks(os, obj, bs, blocks, seed);
	dsl_dataset_disown(ds, &os);
}

void
check_object(
    spa_t *spa, const char *name, uint64_t obj, uint64_t bs, uint64_t blocks, uint32_t seed)
{
	objset_t *os;
	dsl_dataset_t *ds = own(spa, name, &os);
	uint8_t *want = malloc(bs), *got = malloc(bs);

	for (uint64_t b = 0; b < blocks; b++) {
		fill(want, bs, b, seed);
		assert_int_equal(dmu_read(os, obj, b * bs, bs, got, DMU_READ_PREFETCH), 0);
		assert_memory_equal(want, got, bs);
	}
	free(want);
	free(got);
	dsl_dataset_disown(ds, &os);
}
