/*
 * Print everything in a pool, as the manifests of the fixtures list it (see the README
 *beside them), or compare with such a manifest. What is printed went through import,
 *dsl, zap and zpl.
 *
 *	walk_manifest DIR                 print, sorted
 *	walk_manifest DIR MANIFEST        compare; exit 1 and show the first differences
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <openssl/evp.h>
#include "pool/pool.h"
#include "zpl/zpl.h"

typedef struct lines {
	char **l;
	size_t n, alloc;
} lines_t;

static void
add_line(lines_t *ls, const char *s)
{
	if (ls->n == ls->alloc) {
		ls->alloc = ls->alloc == 0 ? 1024 : ls->alloc * 2;
		ls->l = realloc(ls->l, ls->alloc * sizeof(char *));
	}
	ls->l[ls->n++] = strdup(s);
}

static int
compare_lines(const void *a, const void *b)
{
	return (strcmp(*(char *const *)a, *(char *const *)b));
}

/* ---- one object as a line -------------------------------------------- */

typedef struct text {
	char *s;
	size_t n, alloc;
} text_t;

static void
put_bytes(text_t *t, const void *b, size_t n)
{
	while (t->n + n + 1 > t->alloc) {
		t->alloc = t->alloc == 0 ? 4096 : t->alloc * 2;
		t->s = realloc(t->s, t->alloc);
	}
	memcpy(t->s + t->n, b, n);
	t->n += n;
	t->s[t->n] = '\0';
}

static void __attribute__((format(printf, 2, 3)))
put_fmt(text_t *t, const char *fmt, ...)
{
	char buf[256];
	va_list ap;
	va_start(ap, fmt);
	const int n = vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	put_bytes(t, buf, (size_t)n);
}

static void
put_escaped(text_t *t, const char *s, size_t n, const char *also)
{
	for (size_t i = 0; i < n; i++) {
		const unsigned char c = (unsigned char)s[i];
		if (c < 0x21 || c > 0x7e || c == '\\' || strchr(also, c) != NULL)
			put_fmt(t, "\\x%02x", c);
		else
			put_bytes(t, &c, 1);
	}
}

static void
put_hex(text_t *t, const uint8_t *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		put_fmt(t, "%02x", b[i]);
}

static void
put_sha256(text_t *t, const void *b, size_t n)
{
	uint8_t md[32];
	EVP_Digest(b, n, md, NULL, EVP_sha256(), NULL);
	put_hex(t, md, sizeof(md));
}

static void
put_content(text_t *t, znode_t *zp, const zpl_attr_t *za)
{
	static uint8_t buf[1 << 20];
	uint8_t md[32];
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int err = 0;

	EVP_DigestInit_ex(ctx, EVP_sha256(), NULL);
	for (uint64_t off = 0; off < za->za_size && err == 0;) {
		const struct iovec iov = {buf, sizeof(buf)};
		size_t done = 0;
		err = zpl_read(zp, off, &iov, 1, &done, &zpl_root_cred);
		EVP_DigestUpdate(ctx, buf, done);
		off += done;
		if (done == 0)
			break;
	}
	EVP_DigestFinal_ex(ctx, md, NULL);
	EVP_MD_CTX_free(ctx);
	if (err != 0)
		put_fmt(t, "!%d", err);
	else
		put_hex(t, md, sizeof(md));
}

static void
put_xattrs(text_t *t, znode_t *zp)
{
	static char names[65536], value[65536];
	lines_t ls = {0};
	size_t len = 0, vlen;
	const size_t start = t->n;

	const int err = zpl_xattr_list(zp, names, sizeof(names), &len, &zpl_root_cred);
	if (err != 0) {
		put_fmt(t, "!%d", err);
		return;
	}
	for (char *n = names; n < names + len; n += strlen(n) + 1)
		add_line(&ls, n);
	qsort(ls.l, ls.n, sizeof(char *), compare_lines);
	for (size_t i = 0; i < ls.n; i++) {
		if (i > 0)
			put_fmt(t, ",");
		put_escaped(t, ls.l[i], strlen(ls.l[i]), ",=");
		put_fmt(t, "=");
		const int e = zpl_xattr_get(
		    zp, ls.l[i], value, sizeof(value), &vlen, &zpl_root_cred);
		if (e != 0) {
			put_fmt(t, "!%d", e);
		} else if (vlen <= 256) {
			put_hex(t, (uint8_t *)value, vlen);
		} else {
			put_fmt(t, "sha256:");
			put_sha256(t, value, vlen);
			put_fmt(t, ":%zu", vlen);
		}
		free(ls.l[i]);
	}
	free(ls.l);
	if (t->n == start)
		put_fmt(t, "-");
}

static char
kind_of(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return ('d');
	case S_IFLNK:
		return ('l');
	case S_IFIFO:
		return ('p');
	case S_IFSOCK:
		return ('s');
	case S_IFCHR:
		return ('c');
	case S_IFBLK:
		return ('b');
	default:
		return ('f');
	}
}

static void
object_line(lines_t *ls, const char *ds, const char *path, znode_t *zp)
{
	text_t t = {0};
	zpl_attr_t za;
	char target[5000];
	size_t len;

	VERIFY0(zpl_getattr(zp, &za));
	const char kind = kind_of(za.za_mode);
	put_fmt(&t, "%s:", ds);
	put_escaped(&t, path, strlen(path), "");
	put_fmt(&t, "\t%c\t%04o\t%u\t%u\t%" PRIu64 "\t%" PRId64 ".%09ld\t", kind,
	    za.za_mode & 07777, za.za_uid, za.za_gid, za.za_size,
	    (int64_t)za.za_mtime.tv_sec, za.za_mtime.tv_nsec);
	if (kind == 'f') {
		put_content(&t, zp, &za);
	} else if (kind == 'l') {
		const int err = zpl_readlink(zp, target, sizeof(target), &len);
		if (err != 0)
			put_fmt(&t, "!%d", err);
		else
			put_escaped(&t, target, len, "");
	} else {
		put_fmt(&t, "-");
	}
	put_fmt(&t, "\t");
	put_xattrs(&t, zp);
	put_fmt(&t, "\tnlink=%" PRIu64, za.za_nlink);
	if (kind == 'c' || kind == 'b')
		put_fmt(&t, ";rdev=%u:%u", za.za_rdev_major, za.za_rdev_minor);
	add_line(ls, t.s);
	free(t.s);
}

/* ---- a file system --------------------------------------------------- */

typedef struct names {
	lines_t ls;
} names_t;

static bool
collect(void *arg, const char *name, size_t len, uint64_t object, uint8_t type,
    uint64_t next)
{
	names_t *n = arg;
	if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
		add_line(&n->ls, name);
	return (true);
}

static void
walk_dir(lines_t *ls, const char *ds, const char *path, znode_t *dzp)
{
	names_t n = {{0}};
	uint64_t cookie = 0;
	bool eof;

	object_line(ls, ds, path, dzp);
	const int err = zpl_readdir(dzp, &cookie, collect, &n, &eof);
	if (err != 0)
		fprintf(stderr, "%s:%s: readdir: %s\n", ds, path, strerror(err));
	for (size_t i = 0; i < n.ls.n; i++) {
		const char *name = n.ls.l[i];
		znode_t *zp;
		char *sub = malloc(strlen(path) + strlen(name) + 2);
		sprintf(sub, "%s%s%s", path, path[1] == '\0' ? "" : "/", name);
		const int e = zpl_lookup(dzp, name, &zpl_root_cred, &zp, NULL, 0);
		if (e != 0) {
			fprintf(stderr, "%s:%s: lookup: %s\n", ds, sub, strerror(e));
		} else {
			if (zpl_type(zp) == S_IFDIR)
				walk_dir(ls, ds, sub, zp);
			else
				object_line(ls, ds, sub, zp);
			zpl_rele(zp);
		}
		free(sub);
		free(n.ls.l[i]);
	}
	free(n.ls.l);
}

/* Every ZAP keeps the rules of format/02 §2.5; what does not is a line of its own. */
static void
verify_zaps(const char *ds, objset_t *os, lines_t *ls)
{
	uint64_t obj = 0;
	while (dmu_object_next(os, &obj, false, 0) == 0) {
		dmu_object_info_t doi;
		char line[400];
		if (dmu_object_info(os, obj, &doi) != 0 ||
		    DMU_OT_BYTESWAP(doi.doi_type) != DMU_BSWAP_ZAP)
			continue;
		const int err = zap_verify(os, obj);
		if (err == 0)
			continue;
		snprintf(line, sizeof(line), "%s: ZAP %" PRIu64 " of type %d is damaged: %s",
		    ds, obj, (int)doi.doi_type, strerror(err));
		add_line(ls, line);
	}
}

static void
mount_options(dsl_dataset_t *ds, zpl_opts_t *zo)
{
	uint64_t v;
	zpl_opts_default(zo);
	zo->zo_readonly = true;
	if (dsl_prop_get_int(ds, "acltype", &v, NULL, NULL) == 0)
		zo->zo_acltype = (zpl_acltype_t)v;
	if (dsl_prop_get_int(ds, "snapdir", &v, NULL, NULL) == 0)
		zo->zo_ctldir = zo->zo_ctldir_visible = v == 1 && !ds->ds_is_snapshot;
	if (dsl_prop_get_int(ds, "xattr", &v, NULL, NULL) == 0)
		zo->zo_xattr = (zpl_xattr_mode_t)v;
}

static void
walk_fs(lines_t *ls, dsl_pool_t *dp, const char *name)
{
	dsl_dataset_t *ds;
	objset_t *os;
	zfsvfs_t *zv;
	znode_t *root;
	zpl_opts_t zo;

	dsl_pool_config_enter(dp);
	int err = dsl_dataset_hold(dp, name, ls, &ds);
	const bool held = err == 0;
	if (err == 0) {
		/* half received: nobody mounts that */
		dsl_dataset_stat_t st;
		dsl_dataset_stats(ds, &st);
		if (st.dds_inconsistent)
			err = EBUSY;
	}
	if (err == 0) {
		mount_options(ds, &zo);
		err = dsl_dataset_get_objset(ds, &os);
	}
	dsl_pool_config_exit(dp);
	if (err == 0 && dmu_objset_type(os) != DMU_OST_ZFS) {
		dsl_dataset_rele(ds, ls);
		return;
	}
	if (err == 0)
		err = zpl_mount(os, &zo, NULL, NULL, &zv);
	if (err != 0) {
		char line[400];
		fprintf(stderr, "%s: %s\n", name, strerror(err));
		snprintf(line, sizeof(line), "#unavailable\t%s", name);
		add_line(ls, line);
		if (held)
			dsl_dataset_rele(ds, ls);
		return;
	}
	verify_zaps(name, os, ls);
	VERIFY0(zpl_root(zv, &root));
	walk_dir(ls, name, "/", root);
	zpl_rele(root);
	VERIFY0(zpl_unmount(zv, false));
	dsl_dataset_rele(ds, ls);
}

/* ---- the pool -------------------------------------------------------- */

typedef struct tree {
	dsl_pool_t *dp;
	const char *parent;
	lines_t *names;
} tree_t;

static void collect_tree(dsl_pool_t *dp, const char *name, lines_t *names);

static int
found_child(void *arg, const char *name, uint64_t ddobj)
{
	tree_t *t = arg;
	char full[ZFS_MAX_DATASET_NAME_LEN];
	snprintf(full, sizeof(full), "%s/%s", t->parent, name);
	collect_tree(t->dp, full, t->names);
	return (0);
}

static int
found_snapshot(void *arg, const char *name, uint64_t dsobj)
{
	tree_t *t = arg;
	char full[ZFS_MAX_DATASET_NAME_LEN];
	snprintf(full, sizeof(full), "%s@%s", t->parent, name);
	add_line(t->names, full);
	return (0);
}

static void
collect_tree(dsl_pool_t *dp, const char *name, lines_t *names)
{
	tree_t t = {dp, name, names};
	dsl_dataset_t *ds;
	dsl_dir_t *dd;

	add_line(names, name);
	if (dsl_dataset_hold(dp, name, names, &ds) == 0) {
		(void)dsl_dataset_foreach_snapshot(ds, found_snapshot, &t);
		dsl_dataset_rele(ds, names);
	}
	if (dsl_dir_hold(dp, name, names, &dd, NULL) == 0) {
		(void)dsl_dir_foreach_child(dd, found_child, &t);
		dsl_dir_rele(dd, names);
	}
}

static int
walk_pool(const char *dir, lines_t *ls)
{
	nvlist_t *found, *config, *unsup = NULL;
	lines_t names = {0};
	spa_t *spa;

	int err = pool_search(&dir, 1, false, &found);
	nvpair_t *nvp = err == 0 ? nvlist_next_nvpair(found, NULL) : NULL;
	if (nvp == NULL || nvpair_value_nvlist(nvp, &config) != 0) {
		fprintf(stderr, "no pool in %s\n", dir);
		return (2);
	}
	err = pool_import(config, NULL, POOL_IMPORT_READONLY | POOL_IMPORT_FORCE, 0,
	    NULL, &spa, &unsup);
	nvlist_free(found);
	if (err != 0) {
		fprintf(stderr, "import: %s\n", strerror(err));
		return (2);
	}
	dsl_pool_t *dp = spa->spa_dsl_pool;
	verify_zaps("MOS", spa->spa_meta_objset, ls);
	dsl_pool_config_enter(dp);
	collect_tree(dp, spa->spa_name, &names);
	dsl_pool_config_exit(dp);
	for (size_t i = 0; i < names.n; i++) {
		walk_fs(ls, dp, names.l[i]);
		free(names.l[i]);
	}
	free(names.l);
	VERIFY0(pool_export(spa, POOL_STATE_ACTIVE));
	return (0);
}

static int
read_manifest(const char *path, lines_t *ls)
{
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;
	FILE *fp = fopen(path, "r");
	if (fp == NULL)
		return (1);
	while ((n = getline(&line, &cap, fp)) > 0) {
		line[n - 1] = '\0';
		/* volumes and the control directory are not ours */
		if (strstr(line, "\tzvol\t") == NULL && strstr(line, ":/.zfs") == NULL)
			add_line(ls, line);
	}
	free(line);
	fclose(fp);
	return (0);
}

static int
compare(lines_t *got, lines_t *want)
{
	size_t i = 0, j = 0, bad = 0;
	qsort(want->l, want->n, sizeof(char *), compare_lines);
	while (i < want->n || j < got->n) {
		const int c = i == want->n  ? 1
			      : j == got->n ? -1
					    : strcmp(want->l[i], got->l[j]);
		if (c == 0) {
			i++;
			j++;
			continue;
		}
		if (++bad <= 10)
			printf("%c %.600s\n", c < 0 ? '-' : '+',
			    c < 0 ? want->l[i] : got->l[j]);
		if (c < 0)
			i++;
		else
			j++;
	}
	printf("%zu objects expected, %zu found, %zu lines differ\n", want->n, got->n,
	    bad);
	return (bad != 0 || got->n == 0);
}

int
main(int argc, char **argv)
{
	lines_t got = {0}, want = {0};

	if (argc < 2)
		return (2);
	pool_init();
	int rc = walk_pool(argv[1], &got);
	if (rc == 0) {
		qsort(got.l, got.n, sizeof(char *), compare_lines);
		if (argc > 2)
			rc = read_manifest(argv[2], &want) != 0 ? 2
								: compare(&got, &want);
		else
			for (size_t i = 0; i < got.n; i++)
				puts(got.l[i]);
	}
	pool_fini();
	for (size_t i = 0; i < got.n; i++)
		free(got.l[i]);
	for (size_t i = 0; i < want.n; i++)
		free(want.l[i]);
	free(got.l);
	free(want.l);
	return (rc);
}
