/* See zdb_stats.h. */
#include "cmd/zdb_stats.h"

static const char *const extra_names[] = { "deferred free", "dedup ditto", "other", "Total" };

/* ---- counting ------------------------------------------------------------------------------------ */

static void
blocks_add(zdb_blocks_t *zb, const blkptr_t *bp)
{
	const uint64_t psize = BP_GET_PSIZE(bp);

	zb->zb_count++;
	zb->zb_lsize += BP_GET_LSIZE(bp);
	zb->zb_psize += psize;
	zb->zb_asize += BP_GET_ASIZE(bp);
	zb->zb_gangs += (uint64_t)BP_COUNT_GANG(bp);
	if (psize > 0)
		zb->zb_psizes[MIN(psize >> SPA_MINBLOCKSHIFT, ZDB_PSIZES - 1)]++;
}

static void
blocks_sum(zdb_blocks_t *sum, const zdb_blocks_t *zb)
{
	sum->zb_count += zb->zb_count;
	sum->zb_lsize += zb->zb_lsize;
	sum->zb_psize += zb->zb_psize;
	sum->zb_asize += zb->zb_asize;
	for (int i = 0; i < ZDB_PSIZES; i++)
		sum->zb_psizes[i] += zb->zb_psizes[i];
}

static void
size_add(zdb_stats_t *st, int column, uint64_t size)
{
	const int bin = highbit64(size) - 1 - SPA_MINBLOCKSHIFT;
	const int i = MAX(0, MIN(bin, ZDB_SIZES - 1));

	st->zs_size_count[column][i]++;
	st->zs_size_bytes[column][i] += size;
}

static void
embedded_add(zdb_stats_t *st, const blkptr_t *bp)
{
	const uint64_t et = BPE_GET_ETYPE(bp);

	if (et >= NUM_BP_EMBEDDED_TYPES)
		return;
	st->zs_embedded[et]++;
	st->zs_embedded_sizes[et][MIN(BPE_GET_PSIZE(bp), BPE_PAYLOAD_SIZE)]++;
}

/* Copies that one device could take with it. */
static void
ditto_add(zdb_stats_t *st, spa_t *spa, const blkptr_t *bp)
{
	const int n = BP_GET_NDVAS(bp);
	bool same_vdev = false, same_ms = false;

	for (int a = 0; a < n; a++) {
		for (int b = 0; b < a; b++) {
			const dva_t *x = &bp->blk_dva[a], *y = &bp->blk_dva[b];
			if (DVA_GET_VDEV(x) != DVA_GET_VDEV(y))
				continue;
			same_vdev = true;
			const metaslab_t *ms = metaslab_of(spa, DVA_GET_VDEV(x), DVA_GET_OFFSET(x));
			if (ms != NULL && ms == metaslab_of(spa, DVA_GET_VDEV(y), DVA_GET_OFFSET(y)))
				same_ms = true;
		}
	}
	st->zs_ditto_same_vdev += same_vdev;
	st->zs_ditto_same_ms += same_ms;
}

void
zdb_stats_add(zdb_stats_t *st, spa_t *spa, const blkptr_t *bp, uint64_t type)
{
	if (BP_IS_HOLE(bp))
		return;
	const int level = MIN(BP_GET_LEVEL(bp), DN_MAX_LEVELS - 1);
	if (type & DMU_OT_NEWTYPE)
		type = ZDB_OT_OTHER;
	else if (type >= ZDB_OT_TOTAL)
		type = DMU_OT_NONE;
	blocks_add(&st->zs_type[level][type], bp);
	blocks_add(&st->zs_type[ZDB_LEVELS - 1][type], bp);
	blocks_add(&st->zs_type[level][ZDB_OT_TOTAL], bp);
	blocks_add(&st->zs_type[ZDB_LEVELS - 1][ZDB_OT_TOTAL], bp);
	if (type < DMU_OT_NUMTYPES && BP_IS_METADATA(bp))
		blocks_add(&st->zs_metadata[type], bp);
	if (BP_IS_EMBEDDED(bp)) {
		embedded_add(st, bp);
		return;
	}
	size_add(st, 0, BP_GET_PSIZE(bp));
	size_add(st, 1, BP_GET_LSIZE(bp));
	size_add(st, 2, BP_GET_ASIZE(bp));
	ditto_add(st, spa, bp);
}

/* ---- printing -------------------------------------------------------------------------------------- */

static double
ratio(uint64_t a, uint64_t b)
{
	return (b == 0 ? 0 : (double)a / (double)b);
}

static void
print_summary(const zdb_stats_t *st)
{
	const zdb_blocks_t *t = &st->zs_type[ZDB_LEVELS - 1][ZDB_OT_TOTAL];
	const uint64_t n = MAX(t->zb_count, 1);

	(void)printf("\n\t%-16s %14" PRIu64 "\n", "bp count:", t->zb_count);
	(void)printf("\t%-16s %14" PRIu64 "\n", "ganged count:", t->zb_gangs);
	(void)printf("\t%-16s %14" PRIu64 "      avg: %6" PRIu64 "\n", "bp logical:", t->zb_lsize,
	    t->zb_lsize / n);
	(void)printf("\t%-16s %14" PRIu64 "      avg: %6" PRIu64 "     compression: %6.2f\n",
	    "bp physical:", t->zb_psize, t->zb_psize / n, ratio(t->zb_lsize, t->zb_psize));
	(void)printf("\t%-16s %14" PRIu64 "      avg: %6" PRIu64 "     compression: %6.2f\n",
	    "bp allocated:", t->zb_asize, t->zb_asize / n, ratio(t->zb_lsize, t->zb_asize));
	(void)printf("\t%-16s %14" PRIu64 "    ref>1: %6" PRIu64 "   deduplication: %6.2f\n",
	    "bp deduped:", st->zs_dedup_asize, st->zs_dedup_refs,
	    ratio(st->zs_dedup_asize, t->zb_asize) + 1.0);
	(void)printf("\t%-16s %14" PRIu64 "    count: %6" PRIu64 "\n",
	    "bp cloned:", st->zs_clone_asize, st->zs_clone_refs);
}

static void
print_classes(zdb_t *z)
{
	static const char *const names[ZDB_CLASSES] = { "Normal class:", "Log class",
		"Special class", "Dedup class" };
	static const zdb_class_t order[] = { ZDB_NORMAL, ZDB_LOG, ZDB_SPECIAL, ZDB_DEDUP };
	uint64_t alloc, space;

	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		zdb_class_space(z->z_spa, order[i], &alloc, &space);
		if (order[i] == ZDB_NORMAL || alloc > 0)
			(void)printf("\t%-16s %14" PRIu64 "     used: %5.2f%%\n", names[order[i]], alloc,
			    100.0 * ratio(alloc, space));
	}
	/* We set no metaslabs apart for intent logs; the line belongs to the table. */
	(void)printf("\t%-16s %14d     used: %5.2f%%\n", "Embedded log class", 0, 0.0);
}

static void
print_embedded(zdb_t *z, const zdb_stats_t *st)
{
	for (int et = 0; et < NUM_BP_EMBEDDED_TYPES; et++) {
		if (st->zs_embedded[et] == 0)
			continue;
		(void)printf("\n\tadditional, non-pointer bps of type %d: %10" PRIu64 "\n", et,
		    st->zs_embedded[et]);
		if (z->z_opt['b'] >= 3) {
			(void)printf("\t number of (compressed) bytes:  number of bps\n");
			zdb_histogram(st->zs_embedded_sizes[et], BPE_PAYLOAD_SIZE + 1, 0);
		}
	}
	if (st->zs_ditto_same_vdev > 0)
		(void)printf("\tDittoed blocks on same vdev: %" PRIu64 "\n", st->zs_ditto_same_vdev);
	if (st->zs_ditto_same_ms > 0)
		(void)printf(
		    "\tDittoed blocks in same metaslab: %" PRIu64 "\n", st->zs_ditto_same_ms);
}

static void
print_row(zdb_t *z, const zdb_blocks_t *b, uint64_t total, int level, const char *name)
{
	char count[ZDB_NUMBUF], l[ZDB_NUMBUF], p[ZDB_NUMBUF], a[ZDB_NUMBUF], avg[ZDB_NUMBUF];

	(void)printf("%6s\t%5s\t%5s\t%5s\t%5s\t%5.2f\t%6.2f\t", zdb_num(z, b->zb_count, count),
	    zdb_num(z, b->zb_lsize, l), zdb_num(z, b->zb_psize, p), zdb_num(z, b->zb_asize, a),
	    zdb_num(z, b->zb_asize / b->zb_count, avg), ratio(b->zb_lsize, b->zb_psize),
	    100.0 * ratio(b->zb_asize, total));
	if (level < 0)
		(void)printf("%s\n", name);
	else
		(void)printf("    L%d %s\n", level, name);
	if (z->z_opt['b'] >= 4) {
		(void)printf("psize (in 512-byte sectors): number of blocks\n");
		zdb_histogram(b->zb_psizes, ZDB_PSIZES, 0);
	}
}

/* One type: its levels if there are several kinds of them, then the sum. */
static void
print_type(zdb_t *z, const zdb_stats_t *st, int type, const char *name)
{
	const zdb_blocks_t *sum = &st->zs_type[ZDB_LEVELS - 1][type];
	const uint64_t total = st->zs_type[ZDB_LEVELS - 1][ZDB_OT_TOTAL].zb_asize;

	if (sum->zb_asize == 0) {
		if (type < ZDB_OT_TOTAL)
			(void)printf("%6s\t%5s\t%5s\t%5s\t%5s\t%5s\t%6s\t%s\n", "-", "-", "-", "-", "-",
			    "-", "-", name);
		return;
	}
	for (int level = ZDB_LEVELS - 2; level >= 0 && z->z_opt['b'] >= 3; level--) {
		const zdb_blocks_t *b = &st->zs_type[level][type];
		if (b->zb_count > 0 && b->zb_count < sum->zb_count)
			print_row(z, b, total, level, name);
	}
	print_row(z, sum, total, -1, name);
}

/* The sum over the rows of object types that are shown: "other" is not among them. */
static void
print_metadata(zdb_t *z, const zdb_stats_t *st)
{
	zdb_blocks_t sum = { 0 };

	for (int type = 0; type < DMU_OT_NUMTYPES; type++)
		if (st->zs_type[ZDB_LEVELS - 1][type].zb_asize > 0)
			blocks_sum(&sum, &st->zs_metadata[type]);
	if (sum.zb_count > 0)
		print_row(z, &sum, st->zs_type[ZDB_LEVELS - 1][ZDB_OT_TOTAL].zb_asize, -1,
		    "Metadata Total");
}

static void
print_sizes(zdb_t *z, const zdb_stats_t *st)
{
	uint64_t cum[3] = { 0 };
	char num[ZDB_NUMBUF];

	(void)printf("\nBlock Size Histogram\n\n");
	(void)printf("  block   psize                lsize                asize\n");
	(void)printf("   size   Count   Size   Cum.  Count   Size   Cum.  Count   Size   Cum.\n");
	for (int i = 0; i < ZDB_SIZES; i++) {
		(void)printf("%7s:", zdb_num(z, SPA_MINBLOCKSIZE << i, num));
		for (int c = 0; c < 3; c++) {
			cum[c] += st->zs_size_bytes[c][i];
			(void)printf("%7s", zdb_num(z, st->zs_size_count[c][i], num));
			(void)printf("%7s", zdb_num(z, st->zs_size_bytes[c][i], num));
			(void)printf("%7s", zdb_num(z, cum[c], num));
		}
		(void)printf("\n");
	}
}

void
zdb_stats_print(zdb_t *z, const zdb_stats_t *st)
{
	print_summary(st);
	print_classes(z);
	print_embedded(z, st);
	(void)printf("\n");
	if (z->z_opt['b'] < 2)
		return;
	(void)printf("Blocks\tLSIZE\tPSIZE\tASIZE\t  avg\t comp\t%%Total\tType\n");
	for (int type = 0; type < ZDB_OT_TYPES; type++)
		print_type(z, st, type,
		    type < DMU_OT_NUMTYPES ? dmu_ot[type].ot_name
					   : extra_names[type - DMU_OT_NUMTYPES]);
	print_metadata(z, st);
	print_sizes(z, st);
	(void)printf("\n");
}
