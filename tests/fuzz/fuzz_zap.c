/*
 * A ZAP whose blocks come from elsewhere: a sound table is built, the input says which
 * bytes of which blocks are then changed, and everything the room can do is done to the
 * result. Errors are fine; crashes, endless loops and writes outside of blocks are not.
 *
 * Input: kind of table, number of changes; then records of 4 bytes: block (2 bytes and
 * up), place, value.
 */
#include <stdio.h>
#include "spl/spl.h"
#include "zap/zap.h"
#include "zap/zap_impl.h"
#include "toy/toy_dmu.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t
build(objset_t *os, int kind)
{
	dmu_tx_t *tx = dmu_tx_create(os);
	uint64_t obj;

	VERIFY0(dmu_tx_assign(tx, DMU_TX_WAIT));
	if (kind == 0) {
		obj = zap_create_norm(
		    os, 2, DMU_OT_DIRECTORY_CONTENTS, DMU_OT_NONE, 0, 0, tx);
		for (uint64_t i = 0; i < 20; i++)
			VERIFY0(zap_add_int(os, obj, i * i * i, tx));
	} else if (kind == 1) {
		obj = zap_create_flags(os, 0, ZAP_FLAG_HASH64,
		    DMU_OT_DIRECTORY_CONTENTS, 9, 17, DMU_OT_NONE, 0, tx);
		for (uint64_t i = 0; i < 60; i++)
			VERIFY0(zap_add_int(os, obj, i * i * i, tx));
	} else {
		obj = zap_create_flags(os, 0, ZAP_FLAG_HASH64 | ZAP_FLAG_UINT64_KEY,
		    DMU_OT_DDT_ZAP, 9, 17, DMU_OT_NONE, 0, tx);
		for (uint64_t i = 0; i < 500; i++) {
			const uint64_t k[2] = {i, i * i};
			VERIFY0(zap_update_uint64(os, obj, k, 2, 8, 1, &i, tx));
		}
	}
	dmu_tx_commit(tx);
	return (obj);
}

static void
damage(objset_t *os, uint64_t obj, const uint8_t *data, size_t size)
{
	dmu_object_info_t doi;
	VERIFY0(dmu_object_info(os, obj, &doi));
	for (; size >= 4; data += 4, size -= 4) {
		const uint64_t blk = data[0] % (doi.doi_maxblkid + 1);
		/* mostly headers: that is where the structure is */
		const uint64_t at = (data[1] & 0x80) != 0 ? (data[1] & 0x7f)
							  : (data[1] * 256u + data[2]) %
								doi.doi_data_block_size;
		toy_poke(os, obj, blk * doi.doi_data_block_size + at, &data[3], 1);
	}
}

static void
use(objset_t *os, uint64_t obj, int kind)
{
	static zap_attribute_t za;
	uint64_t v[4], n = 0;
	zap_cursor_t zc;
	zap_stats_t zs;
	char name[20];

	(void)zap_verify(os, obj);
	(void)zap_get_stats(os, obj, &zs);
	(void)zap_count(os, obj, v);
	for (zap_cursor_init(&zc, os, obj);
	     zap_cursor_retrieve(&zc, &za) == 0 && n < 100000; zap_cursor_advance(&zc))
		n++;
	VERIFY(n < 100000);
	zap_cursor_fini(&zc);
	dmu_tx_t *tx = dmu_tx_create(os);
	VERIFY0(dmu_tx_assign(tx, DMU_TX_WAIT));
	for (uint64_t i = 0; i < 40; i++) {
		const uint64_t k[2] = {i, i * i};
		if (kind == 2) {
			(void)zap_lookup_uint64(os, obj, k, 2, 8, 1, v);
			(void)zap_update_uint64(os, obj, k, 2, 8, 2, k, tx);
			(void)zap_remove_uint64(os, obj, k, 2, tx);
			continue;
		}
		sprintf(name, "%" PRIx64, i * i * i);
		(void)zap_lookup_norm(
		    os, obj, name, 8, 1, v, MT_NORMALIZE, name, 20, NULL);
		(void)zap_update(os, obj, name, 8, 2, k, tx);
		(void)zap_add_int(os, obj, i + 1000, tx);
		(void)zap_remove(os, obj, name, tx);
	}
	dmu_tx_commit(tx);
	(void)zap_verify(os, obj);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return (0);
	const int kind = data[0] % 3;
	objset_t *os = toy_objset_create(1);
	const uint64_t obj = build(os, kind);
	toy_evict(os);
	damage(os, obj, data + 2, MIN(size - 2, 4 * (1 + data[1] % 12u)));
	use(os, obj, kind);
	VERIFY0(toy_held(os));
	toy_objset_destroy(os);
	return (0);
}
