/*
 * A file system whose blocks and bonus buffers come from elsewhere: a small sound one
 * is made, the input changes bytes anywhere in it (master node, attribute tables,
 * directories, files), then it is mounted, walked and worked in. Errors are fine;
 * crashes and endless loops are not.
 *
 * Input: version, number of changes (few, or nothing can be mounted at all); then
 * records of 5 bytes: object (0x80: its bonus), block, place (2), value.
 */
#include <sys/stat.h>
#include <stdio.h>
#include "spl/spl.h"
#include "zpl/zpl.h"
#include "toy/toy_dmu.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
put_data(znode_t *zp, size_t len)
{
	static char buf[4000];
	const struct iovec iov = {buf, len};
	size_t done;
	memset(buf, 'x', sizeof(buf));
	(void)zpl_write(zp, 0, &iov, 1, 0, &done, NULL, &zpl_root_cred);
}

static void
build(objset_t *os, uint64_t version)
{
	zpl_opts_t zo;
	zfsvfs_t *zv;
	znode_t *root, *d, *zp;
	nvlist_t *props = nvlist_create();

	fnvlist_add_uint64(props, "version", version);
	dmu_tx_t *tx = dmu_tx_create(os);
	VERIFY0(dmu_tx_assign(tx, DMU_TX_WAIT));
	VERIFY0(zpl_create_fs(os, props, 0, 0, tx));
	dmu_tx_commit(tx);
	nvlist_free(props);
	zpl_opts_default(&zo);
	VERIFY0(zpl_mount(os, &zo, NULL, NULL, &zv));
	VERIFY0(zpl_root(zv, &root));
	VERIFY0(zpl_mkdir(root, "d", 0755, &zpl_root_cred, &d));
	VERIFY0(zpl_create(d, "f", 0644, true, &zpl_root_cred, &zp, NULL));
	put_data(zp, 3000);
	VERIFY0(zpl_xattr_set(zp, "user.small", "value", 5, 0, &zpl_root_cred));
	zo.zo_xattr = ZPL_XATTR_DIR;
	zpl_set_opts(zv, &zo);
	VERIFY0(zpl_xattr_set(zp, "user.dir", "value", 5, 0, &zpl_root_cred));
	zpl_rele(zp);
	VERIFY0(zpl_symlink(root, "l", "target", &zpl_root_cred, &zp));
	zpl_rele(zp);
	char target[300];
	memset(target, 't', sizeof(target));
	target[299] = '\0';
	VERIFY0(zpl_symlink(root, "ll", target, &zpl_root_cred, &zp));
	zpl_rele(zp);
	VERIFY0(zpl_mknod(root, "c", S_IFCHR, 1, 3, &zpl_root_cred, &zp));
	zpl_rele(zp);
	zpl_rele(d);
	zpl_rele(root);
	VERIFY0(zpl_unmount(zv, false));
}

static void
damage(objset_t *os, const uint8_t *data, size_t size)
{
	uint64_t objs[64], obj = 0;
	int n = 0;
	while (n < 64 && dmu_object_next(os, &obj, false, 0) == 0)
		objs[n++] = obj;
	for (; size >= 5; data += 5, size -= 5) {
		const uint64_t o = objs[(data[0] & 0x7f) % n];
		const size_t place = data[2] | (size_t)data[3] << 8;
		dmu_object_info_t doi;
		dmu_buf_t *db;
		VERIFY0(dmu_object_info(os, o, &doi));
		if (data[0] & 0x80) {
			if (doi.doi_bonus_size == 0)
				continue;
			VERIFY0(dmu_bonus_hold(os, o, NULL, &db));
			((uint8_t *)db->db_data)[place % db->db_size] = data[4];
			dmu_buf_rele(db, NULL);
		} else {
			const uint64_t blk = data[1] % (doi.doi_maxblkid + 1);
			toy_poke(os, o,
			    blk * doi.doi_data_block_size +
				place % MIN(doi.doi_data_block_size, 1400),
			    &data[4], 1);
		}
	}
}

typedef struct todo {
	char name[8][64];
	int n;
} todo_t;

static bool
collect(void *arg, const char *name, size_t len, uint64_t object, uint8_t type,
    uint64_t next)
{
	todo_t *t = arg;
	if (t->n < 8 && len < 64 && name[0] != '.')
		memcpy(t->name[t->n++], name, len + 1);
	return (true);
}

static void
try_file(znode_t *dzp, const char *name, znode_t *zp)
{
	static char buf[70000];
	const struct iovec iov = {buf, 5000};
	zpl_attr_t za;
	size_t len;
	uint64_t pos;
	znode_t *zp2;

	(void)zpl_getattr(zp, &za);
	(void)zpl_readlink(zp, buf, sizeof(buf), &len);
	(void)zpl_read(zp, 0, &iov, 1, &len, &zpl_root_cred);
	(void)zpl_lseek(zp, 0, 3, &pos);
	(void)zpl_xattr_list(zp, buf, sizeof(buf), &len, &zpl_root_cred);
	(void)zpl_xattr_get(zp, "user.small", buf, sizeof(buf), &len, &zpl_root_cred);
	(void)zpl_xattr_get(zp, "user.dir", buf, sizeof(buf), &len, &zpl_root_cred);
	(void)zpl_xattr_set(zp, "user.new", "1", 1, 0, &zpl_root_cred);
	za = (zpl_attr_t){
	    .za_mask = ZPL_AT_MODE | ZPL_AT_UID, .za_mode = 0640, .za_uid = 5};
	(void)zpl_setattr(zp, &za, &zpl_root_cred, NULL);
	put_data(zp, 4000);
	(void)zpl_truncate(zp, 100, &zpl_root_cred);
	(void)zpl_obj_to_path(zpl_zfsvfs(zp), zpl_object(zp), buf, 4096);
	(void)zpl_link(dzp, zp, "another", &zpl_root_cred);
	(void)zpl_rename(dzp, name, dzp, "moved", 0, &zpl_root_cred);
	if (zpl_create(dzp, "new", 0644, false, &zpl_root_cred, &zp2, NULL) == 0)
		zpl_rele(zp2);
	(void)zpl_unlink(dzp, "another", &zpl_root_cred);
	(void)zpl_unlink(dzp, "moved", &zpl_root_cred);
}

static void
use_dir(znode_t *dzp, int depth)
{
	todo_t t = {.n = 0};
	uint64_t cookie = 0;

	(void)zpl_readdir(dzp, &cookie, collect, &t, NULL);
	for (int i = 0; i < t.n; i++) {
		znode_t *zp;
		if (zpl_lookup(dzp, t.name[i], &zpl_root_cred, &zp, NULL, 0) != 0)
			continue;
		if (zpl_type(zp) == S_IFDIR && depth < 4)
			use_dir(zp, depth + 1);
		try_file(dzp, t.name[i], zp);
		zpl_rele(zp);
		(void)zpl_rmdir(dzp, t.name[i], &zpl_root_cred);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	zpl_opts_t zo;
	zfsvfs_t *zv;
	znode_t *root;

	if (size < 2)
		return (0);
	objset_t *os = toy_objset_create(1);
	build(os, 1 + data[0] % 5);
	toy_evict(os);
	damage(os, data + 2, MIN(size - 2, 5 * (1 + data[1] % 12u)));
	zpl_opts_default(&zo);
	if (zpl_mount(os, &zo, NULL, NULL, &zv) == 0) {
		if (zpl_root(zv, &root) == 0) {
			use_dir(root, 0);
			zpl_rele(root);
		}
		zpl_wait_unlinked(zv);
		VERIFY0(zpl_unmount(zv, false));
	}
	VERIFY0(toy_held(os));
	toy_objset_destroy(os);
	return (0);
}
