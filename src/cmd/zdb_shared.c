/*
 * Blocks that may be referenced more than once: those of the dedup tables and the clone tables
 * (format/02 §7). zdb keeps both in one tree by the place of the first copy and counts the
 * references that it meets.
 *
 * A dedup entry stands in a ZAP of its table and perhaps, newer, in one of the two logs of the table; the
 * last word counts. An entry whose count is 0 is about to be removed: its space is still allocated
 * though nothing refers to it.
 *
 * Also here: -D, -T, which print the tables.
 */
#include "cmd/zdb.h"

#define DDT_MAX_VALUE sizeof(ddt_phys_trad_t)
#define DDLOG_READ (128 << 10)

typedef struct shared {
	avl_node_t sd_node;
	uint64_t sd_vdev, sd_offset; /* of the first copy, bytes */
	uint64_t sd_birth;	     /* dedup: physical birth */
	dva_t sd_dva[SPA_DVAS_PER_BP];
	bool sd_dedup, sd_log;
	uint64_t sd_refs;    /* by the table; clones: references beyond the first */
	uint64_t sd_claimed; /* found */
} shared_t;

struct zdb_shared {
	spa_t *sh_spa;
	avl_tree_t sh_tree;
	uint64_t sh_dedup, sh_clone; /* entries */
};

static int
shared_compare(const void *a, const void *b)
{
	const shared_t *x = a, *y = b;

	if (x->sd_vdev != y->sd_vdev)
		return (x->sd_vdev < y->sd_vdev ? -1 : 1);
	return (x->sd_offset < y->sd_offset ? -1 : x->sd_offset > y->sd_offset);
}

static shared_t *
shared_find(zdb_shared_t *sh, uint64_t vdev, uint64_t offset)
{
	shared_t key = { .sd_vdev = vdev, .sd_offset = offset };

	return (avl_find(&sh->sh_tree, &key, NULL));
}

static shared_t *
shared_add(zdb_shared_t *sh, uint64_t vdev, uint64_t offset)
{
	shared_t *sd = shared_find(sh, vdev, offset);

	if (sd == NULL) {
		sd = kmem_zalloc(sizeof(*sd), KM_SLEEP);
		sd->sd_vdev = vdev;
		sd->sd_offset = offset;
		avl_add(&sh->sh_tree, sd);
	}
	return (sd);
}

/* ---- dedup tables ---------------------------------------------------------------------------------- */

static void
ddt_add(zdb_shared_t *sh, const dva_t *dva, uint64_t refs, uint64_t birth, bool from_log)
{
	if (birth == 0 || DVA_IS_EMPTY(&dva[0]))
		return;
	shared_t *sd = shared_add(sh, DVA_GET_VDEV(&dva[0]), DVA_GET_OFFSET(&dva[0]));
	if (!sd->sd_dedup)
		sh->sh_dedup++;
	sd->sd_dedup = true;
	sd->sd_log = from_log;
	sd->sd_refs = refs;
	sd->sd_birth = birth;
	memcpy(sd->sd_dva, dva, sizeof(sd->sd_dva));
}

/* A value in host order: flat (one slot) or traditional (four). */
static void
ddt_value(zdb_shared_t *sh, const void *value, size_t size, bool swap, bool from_log)
{
	ddt_phys_flat_t flat;
	ddt_phys_trad_t trad;

	if (size == sizeof(flat)) {
		if (ondisk_decode(&od_ddt_phys_flat, value, size, swap, &flat) == 0)
			ddt_add(sh, flat.ddp_dva, flat.ddp_refcnt, flat.ddp_phys_birth, from_log);
		return;
	}
	if (ondisk_decode(&od_ddt_phys_trad, value, size, swap, &trad) != 0)
		return;
	for (int i = 0; i < DDT_PHYS_TRAD_SLOTS; i++) {
		const ddt_phys_trad_slot_t *s = &trad.ddp_slot[i];
		ddt_add(sh, s->ddp_dva, s->ddp_refcnt, s->ddp_phys_birth, from_log);
	}
}

/* Unpack a ZAP value (format/02 §7.3). */
static void
ddt_zap_value(zdb_shared_t *sh, const uint8_t *stored, size_t n, size_t size)
{
	uint8_t value[DDT_MAX_VALUE];

	if (n < 2)
		return;
	const enum zio_compress c = stored[0] & 0x7f;
	const bool little = stored[0] & 0x80;
	if (c == ZIO_COMPRESS_OFF) {
		if (n - 1 < size)
			return;
		memcpy(value, stored + 1, size);
	} else if (zio_decompress_data(c, stored + 1, value, n - 1, size, NULL) != 0) {
		return;
	}
	ddt_value(sh, value, size, little != (ZFS_HOST_BYTEORDER == 1), false);
}

static int
ddt_load_zap(zdb_shared_t *sh, uint64_t object, size_t size)
{
	objset_t *mos = sh->sh_spa->spa_meta_objset;
	zap_attribute_t *za = kmem_alloc(sizeof(*za), KM_SLEEP);
	uint8_t stored[1 + DDT_MAX_VALUE];
	zap_cursor_t zc;
	int error;

	zap_cursor_init(&zc, mos, object);
	while ((error = zap_cursor_retrieve(&zc, za)) == 0) {
		uint64_t key[5];

		if (za->za_name_len == 5 && za->za_integer_length == 1 &&
		    za->za_num_integers <= sizeof(stored)) {
			memcpy(key, za->za_name, sizeof(key));
			error = zap_lookup_uint64(
			    mos, object, key, 5, 1, za->za_num_integers, stored);
			if (error != 0)
				break;
			ddt_zap_value(sh, stored, za->za_num_integers, size);
		}
		zap_cursor_advance(&zc);
	}
	zap_cursor_fini(&zc);
	kmem_free(za, sizeof(*za));
	return (error == ENOENT ? 0 : error);
}

static int
key_compare(const ddt_key_t *a, const ddt_key_t *b)
{
	const uint64_t *x = (const uint64_t *)a, *y = (const uint64_t *)b;

	for (size_t i = 0; i < sizeof(*a) / sizeof(*x); i++)
		if (x[i] != y[i])
			return (x[i] < y[i] ? -1 : 1);
	return (0);
}

/* The records of one block of a log. */
static void
ddt_log_block(zdb_shared_t *sh, const uint8_t *block, size_t n, const ddt_log_header_t *head)
{
	for (size_t at = 0; at + sizeof(ddt_log_record_t) <= n;) {
		ddt_log_record_t rec;

		if (ondisk_decode(&od_ddt_log_record, block + at, n - at, false, &rec) != 0)
			return;
		const size_t len = DLR_GET_RECLEN(rec.dlr_info);
		if (DLR_GET_TYPE(rec.dlr_info) != DLR_ENTRY || len < sizeof(rec) || at + len > n)
			return;
		const bool done = (DLH_GET_FLAGS(head->dlh_info) & DDL_FLAG_CHECKPOINT) &&
		    key_compare(&rec.dlr_key, &head->dlh_checkpoint) <= 0;
		if (!done)
			ddt_value(sh, block + at + sizeof(rec), len - sizeof(rec), false, true);
		at += len;
	}
}

static int
ddt_log_head(zdb_shared_t *sh, uint64_t object, ddt_log_header_t *head)
{
	dmu_buf_t *db;
	int error = dmu_bonus_hold(sh->sh_spa->spa_meta_objset, object, sh, &db);

	if (error != 0)
		return (error);
	error = ondisk_decode(&od_ddt_log_header, db->db_data, db->db_size, false, head);
	dmu_buf_rele(db, sh);
	return (error);
}

static int
ddt_load_log(zdb_shared_t *sh, uint64_t object)
{
	objset_t *mos = sh->sh_spa->spa_meta_objset;
	ddt_log_header_t head;
	dmu_object_info_t doi;
	int error = ddt_log_head(sh, object, &head);

	if (error != 0 || (error = dmu_object_info(mos, object, &doi)) != 0)
		return (error);
	const uint64_t end = MIN(head.dlh_length, (doi.doi_maxblkid + 1) * doi.doi_data_block_size);
	uint8_t *block = kmem_alloc(doi.doi_data_block_size, KM_SLEEP);
	for (uint64_t at = 0; at < end && error == 0; at += doi.doi_data_block_size) {
		const uint64_t n = MIN(end - at, doi.doi_data_block_size);
		if ((error = dmu_read(mos, object, at, n, block, 0)) == 0)
			ddt_log_block(sh, block, n, &head);
	}
	kmem_free(block, doi.doi_data_block_size);
	return (error);
}

/* The log that is being flushed first: the active one knows better. */
static int
ddt_load_logs(zdb_shared_t *sh, const uint64_t *log, int n)
{
	int error = 0;

	for (int flushing = 1; flushing >= 0; flushing--) {
		for (int i = 0; i < n && error == 0; i++) {
			ddt_log_header_t head;
			if ((error = ddt_log_head(sh, log[i], &head)) == 0 &&
			    ((DLH_GET_FLAGS(head.dlh_info) & DDL_FLAG_FLUSHING) != 0) == flushing)
				error = ddt_load_log(sh, log[i]);
		}
	}
	return (error);
}

/* One directory of tables: the object directory (legacy), or one of fast dedup. */
static int
ddt_load_directory(zdb_shared_t *sh, uint64_t directory, bool top)
{
	objset_t *mos = sh->sh_spa->spa_meta_objset;
	zap_attribute_t *za = kmem_alloc(sizeof(*za), KM_SLEEP);
	uint64_t flags = 0, log[2];
	zap_cursor_t zc;
	int error, logs = 0;

	if (!top)
		(void)zap_lookup(mos, directory, "flags", 8, 1, &flags);
	const size_t size = (flags & 1) ? sizeof(ddt_phys_flat_t) : sizeof(ddt_phys_trad_t);
	zap_cursor_init(&zc, mos, directory);
	while ((error = zap_cursor_retrieve(&zc, za)) == 0) {
		const char *name = za->za_name;
		const bool ddt = strncmp(name, "DDT-", 4) == 0 && za->za_integer_length == 8 &&
		    za->za_num_integers == 1 && strcmp(name, "DDT-statistics") != 0;

		if (ddt && strstr(name, "-zap-") != NULL)
			error = ddt_load_zap(sh, za->za_first_integer, size);
		else if (ddt && !top && strncmp(name, "DDT-log-", 8) == 0 && logs < 2)
			log[logs++] = za->za_first_integer;
		else if (ddt && top)
			error = ddt_load_directory(sh, za->za_first_integer, false);
		if (error != 0)
			break;
		zap_cursor_advance(&zc);
	}
	zap_cursor_fini(&zc);
	kmem_free(za, sizeof(*za));
	if (error == ENOENT)
		error = ddt_load_logs(sh, log, logs);
	return (error);
}

/* ---- clone tables ------------------------------------------------------------------------------------ */

static int
brt_load_entries(zdb_shared_t *sh, uint64_t vdev, uint64_t object)
{
	objset_t *mos = sh->sh_spa->spa_meta_objset;
	zap_attribute_t *za = kmem_alloc(sizeof(*za), KM_SLEEP);
	zap_cursor_t zc;
	int error;

	zap_cursor_init(&zc, mos, object);
	while ((error = zap_cursor_retrieve(&zc, za)) == 0) {
		uint64_t offset, refs = 0;

		/* Eight bytes in this host's order, or one number. */
		const bool bytes = za->za_integer_length == 1 && za->za_num_integers == 8;
		memcpy(&offset, za->za_name, sizeof(offset));
		if (za->za_name_len == 1 && (bytes || za->za_integer_length == 8)) {
			error = zap_lookup_uint64(
			    mos, object, &offset, 1, bytes ? 1 : 8, bytes ? 8 : 1, &refs);
			if (error != 0)
				break;
			shared_t *sd = shared_add(sh, vdev, offset);
			sd->sd_refs = refs;
			sh->sh_clone++;
		}
		zap_cursor_advance(&zc);
	}
	zap_cursor_fini(&zc);
	kmem_free(za, sizeof(*za));
	return (error == ENOENT ? 0 : error);
}

static int
brt_head(spa_t *spa, uint64_t vdev, brt_vdev_phys_t *head)
{
	char name[64];
	uint64_t object;
	dmu_buf_t *db;

	(void)snprintf(name, sizeof(name), "com.fudosecurity:brt:vdev:%" PRIu64, vdev);
	int error = zap_lookup(
	    spa->spa_meta_objset, DMU_POOL_DIRECTORY_OBJECT, name, 8, 1, &object);
	if (error == 0)
		error = dmu_bonus_hold(spa->spa_meta_objset, object, spa, &db);
	if (error != 0)
		return (error);
	error = ondisk_decode(&od_brt_vdev, db->db_data, db->db_size, false, head);
	dmu_buf_rele(db, spa);
	return (error);
}

static int
brt_load(zdb_shared_t *sh)
{
	int error = 0;

	for (uint64_t v = 0; v < sh->sh_spa->spa_root_vdev->vdev_children && error == 0; v++) {
		brt_vdev_phys_t head;
		error = brt_head(sh->sh_spa, v, &head);
		if (error == 0)
			error = brt_load_entries(sh, v, head.bvp_mos_entries);
		else if (error == ENOENT)
			error = 0;
	}
	return (error);
}

/* ---- use ------------------------------------------------------------------------------------------------ */

zdb_shared_t *
zdb_shared_load(zdb_t *z)
{
	zdb_shared_t *sh = kmem_zalloc(sizeof(*sh), KM_SLEEP);

	sh->sh_spa = z->z_spa;
	avl_create(&sh->sh_tree, shared_compare, sizeof(shared_t), offsetof(shared_t, sd_node));
	int error = ddt_load_directory(sh, DMU_POOL_DIRECTORY_OBJECT, true);
	if (error != 0)
		zdb_damage(z, "the dedup tables cannot be read: %s\n", strerror(error));
	if ((error = brt_load(sh)) != 0)
		zdb_damage(z, "the clone tables cannot be read: %s\n", strerror(error));
	return (sh);
}

void
zdb_shared_free(zdb_shared_t *sh)
{
	void *cookie = NULL;
	shared_t *sd;

	while ((sd = avl_destroy_nodes(&sh->sh_tree, &cookie)) != NULL)
		kmem_free(sd, sizeof(*sd));
	avl_destroy(&sh->sh_tree);
	kmem_free(sh, sizeof(*sh));
}

zdb_reference_t
zdb_shared_claim(zdb_shared_t *sh, const blkptr_t *bp)
{
	const dva_t *dva = &bp->blk_dva[0];

	if (BP_IS_EMBEDDED(bp) || BP_GET_LEVEL(bp) > 0)
		return (ZDB_REF_ONLY);
	shared_t *sd = shared_find(sh, DVA_GET_VDEV(dva), DVA_GET_OFFSET(dva));
	if (sd == NULL)
		return (ZDB_REF_ONLY);
	if (sd->sd_dedup && (!BP_GET_DEDUP(bp) || BP_GET_PHYSICAL_BIRTH(bp) != sd->sd_birth))
		return (ZDB_REF_ONLY);
	if (sd->sd_claimed++ == 0)
		return (ZDB_REF_FIRST);
	if (sd->sd_dedup)
		return (sd->sd_claimed <= sd->sd_refs ? ZDB_REF_DEDUP : ZDB_REF_ONLY);
	return (sd->sd_claimed <= sd->sd_refs + 1 ? ZDB_REF_CLONE : ZDB_REF_ONLY);
}

/* The entry's own pointers: of what it holds, all copies. NULL: an ordinary block. */
const dva_t *
zdb_shared_dvas(zdb_shared_t *sh, const blkptr_t *bp)
{
	shared_t *sd =
	    shared_find(sh, DVA_GET_VDEV(&bp->blk_dva[0]), DVA_GET_OFFSET(&bp->blk_dva[0]));

	return (sd != NULL && sd->sd_dedup ? sd->sd_dva : NULL);
}

void
zdb_shared_orphans(zdb_shared_t *sh, void (*func)(void *arg, const dva_t *dva), void *arg)
{
	for (shared_t *sd = avl_first(&sh->sh_tree); sd != NULL; sd = avl_next(&sh->sh_tree, sd)) {
		if (!sd->sd_dedup || sd->sd_claimed > 0 || sd->sd_refs > 0)
			continue;
		for (int d = 0; d < SPA_DVAS_PER_BP; d++)
			if (DVA_IS_VALID(&sd->sd_dva[d]))
				func(arg, &sd->sd_dva[d]);
	}
}

uint64_t
zdb_shared_unmatched(zdb_t *z, zdb_shared_t *sh)
{
	uint64_t bad = 0;

	for (shared_t *sd = avl_first(&sh->sh_tree); sd != NULL; sd = avl_next(&sh->sh_tree, sd)) {
		const uint64_t want = sd->sd_dedup ? sd->sd_refs : sd->sd_refs + 1;
		if (sd->sd_claimed == want)
			continue;
		bad++;
		zdb_damage(z,
		    "%s table: vdev %" PRIu64 ", offset 0x%" PRIx64 ": %" PRIu64
		    " references counted, %" PRIu64 " found\n",
		    sd->sd_dedup ? "dedup" : "clone", sd->sd_vdev, sd->sd_offset, want,
		    sd->sd_claimed);
	}
	return (bad);
}

/* ---- -D, -T ---------------------------------------------------------------------------------------------- */

void
zdb_ddt(zdb_t *z)
{
	zdb_shared_t *sh = zdb_shared_load(z);
	uint64_t refs = 0, duplicate = 0;

	for (shared_t *sd = avl_first(&sh->sh_tree); sd != NULL; sd = avl_next(&sh->sh_tree, sd)) {
		refs += sd->sd_dedup ? sd->sd_refs : 0;
		duplicate += sd->sd_dedup && sd->sd_refs > 1;
	}
	if (sh->sh_dedup == 0)
		(void)printf("All DDTs are empty\n");
	else
		(void)printf("DDT: %" PRIu64 " entries, %" PRIu64 " duplicate, %" PRIu64
			     " references\n",
		    sh->sh_dedup, duplicate, refs);
	for (shared_t *sd = avl_first(&sh->sh_tree);
	     sd != NULL && z->z_opt['D'] >= 4; sd = avl_next(&sh->sh_tree, sd)) {
		if (sd->sd_dedup)
			(void)printf("\tDVA[0]=<%" PRIu64 ":%" PRIx64 ":%" PRIx64 "> birth=%" PRIu64
				     " refcnt=%" PRIu64 "%s\n",
			    sd->sd_vdev, sd->sd_offset, DVA_GET_ASIZE(&sd->sd_dva[0]), sd->sd_birth,
			    sd->sd_refs, sd->sd_log ? " (log)" : "");
	}
	zdb_shared_free(sh);
}

void
zdb_brt(zdb_t *z)
{
	const uint64_t vdevs = z->z_spa->spa_root_vdev->vdev_children;
	char used[ZDB_NUMBUF], saved[ZDB_NUMBUF];
	brt_vdev_phys_t head;
	uint64_t u = 0, s = 0;
	bool any = false;

	for (uint64_t v = 0; v < vdevs; v++) {
		if (brt_head(z->z_spa, v, &head) != 0)
			continue;
		any = true;
		u += head.bvp_usedspace;
		s += head.bvp_savedspace;
	}
	if (!any) {
		(void)printf("BRT: empty\n");
		return;
	}
	(void)printf("BRT: used %s; saved %s; ratio %.2fx\n", zdb_num(z, u, used),
	    zdb_num(z, s, saved), u == 0 ? 1.0 : 1.0 + (double)s / (double)u);
	for (uint64_t v = 0; v < vdevs && z->z_opt['T'] >= 2; v++) {
		if (brt_head(z->z_spa, v, &head) != 0)
			continue;
		(void)printf("BRT: vdev %" PRIu64 ": refcnt %" PRIu64 "; used %s; saved %s\n", v,
		    head.bvp_totalcount, zdb_num(z, head.bvp_usedspace, used),
		    zdb_num(z, head.bvp_savedspace, saved));
	}
}
