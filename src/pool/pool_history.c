/*
 * The history of a pool: every command that changed it, and every internal event
 * (format/02 §9.5). A log that wraps: the oldest records go when space is needed, except
 * the first command, which made the pool.
 *
 * Records are written by sync tasks. A command's record is written after it succeeded.
 */
#include <sys/utsname.h>
#include "pool/pool_impl.h"

#define HISTORY_BLOCKSIZE 131072
#define HISTORY_MAX_RECORD (1U << 20) /* more is damage */

static spa_history_phys_t *
history_phys(dmu_buf_t *db)
{
	VERIFY3U(db->db_size, >=, sizeof (spa_history_phys_t));
	return ((spa_history_phys_t *)db->db_data);
}

void
pool_history_create(spa_t *spa, dmu_tx_t *tx)
{
	pool_t *pl = pool_of(spa);
	dmu_buf_t *db;

	pl->pl_history_obj = dmu_object_alloc(spa->spa_meta_objset, DMU_OT_SPA_HISTORY,
	    HISTORY_BLOCKSIZE, DMU_OT_SPA_HISTORY_OFFSETS, sizeof (spa_history_phys_t), tx);
	pool_dir_set(spa, DMU_POOL_HISTORY, pl->pl_history_obj, tx);
	VERIFY0(dmu_bonus_hold(spa->spa_meta_objset, pl->pl_history_obj, pl, &db));
	dmu_buf_will_dirty(db, tx);
	uint64_t max = spa_get_dspace(spa) / 1000;
	history_phys(db)->sh_phys_max_off = MIN(MAX(max, HISTORY_BLOCKSIZE), 1ULL << 30);
	dmu_buf_rele(db, pl);
}

/* Bytes from the logical offset to the end of the ring, where a write has to be split. */
static uint64_t
until_wrap(const spa_history_phys_t *sh, uint64_t phys)
{
	return (sh->sh_phys_max_off - phys);
}

static int
history_io(spa_t *spa, const spa_history_phys_t *sh, uint64_t off, void *buf, uint64_t len,
    dmu_tx_t *tx)
{
	objset_t *mos = spa->spa_meta_objset;
	uint64_t obj = pool_of(spa)->pl_history_obj;
	uint8_t *p = buf;
	int err = 0;

	while (len > 0 && err == 0) {
		uint64_t phys = spa_history_log_to_phys(sh, off);
		uint64_t n = MIN(len, until_wrap(sh, phys));
		err = tx != NULL ? dmu_write(mos, obj, phys, n, p, tx) :
				   dmu_read(mos, obj, phys, n, p, DMU_READ_PREFETCH);
		p += n;
		off += n;
		len -= n;
	}
	return (err);
}

/* Drop the oldest records until n more bytes fit. */
static int
history_make_room(spa_t *spa, spa_history_phys_t *sh, uint64_t n)
{
	while (sh->sh_phys_max_off - sh->sh_pool_create_len - (sh->sh_eof - sh->sh_bof) <= n) {
		uint8_t lenbuf[8];
		uint64_t len = 0;
		int err;

		if (sh->sh_bof >= sh->sh_eof)
			return (ENOSPC);
		err = history_io(spa, sh, sh->sh_bof, lenbuf, sizeof (lenbuf), NULL);
		if (err != 0)
			return (err);
		for (int i = 7; i >= 0; i--)
			len = len << 8 | lenbuf[i];
		if (len == 0 || len > sh->sh_eof - sh->sh_bof)
			return (EIO);
		sh->sh_bof += sizeof (lenbuf) + len;
		sh->sh_records_lost++;
	}
	return (0);
}

typedef struct history_rec {
	spa_t *hr_spa;
	nvlist_t *hr_nvl;
} history_rec_t;

static void
history_write(spa_t *spa, const nvlist_t *nvl, dmu_tx_t *tx)
{
	pool_t *pl = pool_of(spa);
	uint8_t *packed, lenbuf[8];
	size_t size;
	dmu_buf_t *db;

	if (pl->pl_history_obj == 0)
		pool_history_create(spa, tx);
	if (dmu_bonus_hold(spa->spa_meta_objset, pl->pl_history_obj, pl, &db) != 0)
		return;
	nvlist_pack(nvl, NV_ENCODE_NATIVE, &packed, &size);
	for (int i = 0; i < 8; i++)
		lenbuf[i] = (uint8_t)((uint64_t)size >> (8 * i));
	dmu_buf_will_dirty(db, tx);
	spa_history_phys_t *sh = history_phys(db);
	int err = history_make_room(spa, sh, size + sizeof (lenbuf));
	if (err == 0)
		err = history_io(spa, sh, sh->sh_eof, lenbuf, sizeof (lenbuf), tx);
	if (err == 0)
		err = history_io(spa, sh, sh->sh_eof + sizeof (lenbuf), packed, size, tx);
	if (err == 0) {
		sh->sh_eof += sizeof (lenbuf) + size;
		/* The command that made the pool is kept for ever. */
		if (sh->sh_pool_create_len == 0 && nvlist_exists(nvl, "history command"))
			sh->sh_pool_create_len = sh->sh_bof = sh->sh_eof;
	} else {
		spl_log(LOG_WARNING, "%s: history not written: error %d", spa->spa_name, err);
	}
	kmem_free(packed, size);
	dmu_buf_rele(db, pl);
}

static nvlist_t *
history_new(spa_t *spa)
{
	nvlist_t *nvl = nvlist_create();

	fnvlist_add_uint64(nvl, "history time", gethrestime_sec());
	fnvlist_add_string(nvl, "history hostname", spa->spa_hostname);
	return (nvl);
}

static void
history_sync(void *arg, dmu_tx_t *tx)
{
	history_rec_t *hr = arg;

	history_write(hr->hr_spa, hr->hr_nvl, tx);
}

int
pool_history_command(spa_t *spa, const char *cmd, uint64_t uid)
{
	history_rec_t hr = { spa, history_new(spa) };

	fnvlist_add_string(hr.hr_nvl, "history command", cmd);
	fnvlist_add_uint64(hr.hr_nvl, "history who", uid);
	int err = dsl_sync_task(
	    spa->spa_dsl_pool, NULL, history_sync, &hr, 1, ZFS_SPACE_CHECK_NONE);
	nvlist_free(hr.hr_nvl);
	return (err);
}

void
pool_history_internal(
    spa_t *spa, const char *op, const char *dsname, uint64_t dsobj, dmu_tx_t *tx, const char *msg)
{
	if (pool_of(spa)->pl_history_obj == 0)
		return;
	nvlist_t *nvl = history_new(spa);
	fnvlist_add_uint64(nvl, "history txg", dmu_tx_get_txg(tx));
	fnvlist_add_string(nvl, "internal_name", op);
	if (dsname[0] != '\0') {
		fnvlist_add_string(nvl, "dsname", dsname);
		fnvlist_add_uint64(nvl, "dsid", dsobj);
	}
	fnvlist_add_string(nvl, "history internal str", msg);
	history_write(spa, nvl, tx);
	nvlist_free(nvl);
}

static int
history_read_from(
    spa_t *spa, const spa_history_phys_t *sh, uint64_t off, uint64_t end, nvlist_t *out, int *n)
{
	while (off + 8 < end) {
		uint8_t lenbuf[8];
		uint64_t len = 0;
		char name[24];
		nvlist_t *rec;
		int err = history_io(spa, sh, off, lenbuf, sizeof (lenbuf), NULL);

		if (err != 0)
			return (err);
		for (int i = 7; i >= 0; i--)
			len = len << 8 | lenbuf[i];
		if (len == 0 || len > HISTORY_MAX_RECORD || len > end - off - 8)
			return (EIO);
		uint8_t *buf = kmem_alloc(len, KM_SLEEP);
		err = history_io(spa, sh, off + 8, buf, len, NULL);
		if (err == 0 && nvlist_unpack(buf, len, &rec, NULL) == 0) {
			(void)snprintf(name, sizeof (name), "%d", (*n)++);
			fnvlist_add_nvlist(out, name, rec);
			nvlist_free(rec);
		}
		kmem_free(buf, len);
		if (err != 0)
			return (err);
		off += 8 + len;
	}
	return (0);
}

int
pool_history_get(spa_t *spa, nvlist_t **outp)
{
	pool_t *pl = pool_of(spa);
	nvlist_t *out = nvlist_create();
	dmu_buf_t *db;
	int n = 0, err;

	if (pl->pl_history_obj == 0) {
		*outp = out;
		return (0);
	}
	err = dmu_bonus_hold(spa->spa_meta_objset, pl->pl_history_obj, pl, &db);
	if (err == 0) {
		spa_history_phys_t sh = *history_phys(db);
		dmu_buf_rele(db, pl);
		if (sh.sh_phys_max_off <= sh.sh_pool_create_len || sh.sh_bof > sh.sh_eof)
			err = EIO;
		if (err == 0)
			err = history_read_from(spa, &sh, 0, sh.sh_pool_create_len, out, &n);
		if (err == 0)
			err = history_read_from(spa, &sh, sh.sh_bof, sh.sh_eof, out, &n);
	}
	if (err != 0) {
		nvlist_free(out);
		return (err);
	}
	*outp = out;
	return (0);
}
