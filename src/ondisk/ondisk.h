/*
 * ondisk: every structure of the on-disk format, once. Pure functions: no I/O, no
 *locks, no memory of their own. Source: format/01–04.
 *
 * The problem. Hundreds of fields at fixed offsets, written in either byte order by
 *twenty years of software, read from media that may be damaged or malicious. If every
 *room picks them apart for itself, the same offset is wrong in four ways and one bounds
 *check is missing.
 *
 * The idea. One C type per structure, in host byte order, its members at the on-disk
 * offsets; and one table of its fields (name, offset, width, kind), from which
 *decoding, swapping, encoding and printing follow (field.h). The compiler proves that
 *type and table agree; the tests prove that the tables cover every byte and that real
 *blocks survive decode and encode unchanged.
 *
 * Two ways from bytes to a type:
 *  - records (bonus buffers, ZAP values, ring slots, log blocks) are copied out by a
 *    decode function that is told the length, and zero-filled where old writers stored
 *less;
 *  - blocks (dnodes, indirect blocks, ZAP blocks) are too large and too hot to copy.
 *The block is brought to host order in place once after it was verified and
 *decompressed (ondisk_byteswap_block); after that accessors return pointers into it, or
 *NULL if what was asked for does not lie inside. No other room casts a buffer to a
 *structure.
 *
 * Invariants.
 *  - A blkptr_t, dnode_phys_t … in memory is always in host order.
 *  - No function reads or writes outside of the (pointer, size) it was given, whatever
 *    the bytes say, and every loop is bounded by that size.
 *  - Functions named _verify say whether the content keeps the rules of the format;
 *those that merely access do not.
 *
 * What can fail. Too short: EINVAL from the generic functions, NULL from accessors.
 *Content that contradicts the format: EIO (ECKSUM for block pointers and checksummed
 *regions).
 *
 *	field.h     tables              objtype.h   object types, byteswap classes
 *	blkptr.h    block pointers      label.h     labels, uberblocks
 *	dnode.h     dnodes, objsets     zap.h       micro and fat ZAP blocks
 *	spacemap.h  space maps          bpobj.h     block lists, deadlists
 *	dsl.h       directories, datasets, bookmarks
 *	zpl.h       system attributes, ACLs, legacy znodes
 *	zil.h       intent log          poolobj.h   scan, history, removal, DDT, BRT,
 *L2ARC
 */
#ifndef TARN_ONDISK_H
#define TARN_ONDISK_H

#include "ondisk/field.h"
#include "ondisk/objtype.h"
#include "ondisk/blkptr.h"
#include "ondisk/zil.h"
#include "ondisk/dnode.h"
#include "ondisk/label.h"
#include "ondisk/zap.h"
#include "ondisk/spacemap.h"
#include "ondisk/bpobj.h"
#include "ondisk/dsl.h"
#include "ondisk/zpl.h"
#include "ondisk/poolobj.h"

#endif
