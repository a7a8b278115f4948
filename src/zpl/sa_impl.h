/* Inside of system attributes: tables (sa_os.c) and buffers (sa_buf.c). */
#ifndef TARN_ZPL_SA_IMPL_H
#define TARN_ZPL_SA_IMPL_H

#include "zpl/sa.h"
#include "ondisk/ondisk.h"

#define SA_MAX_LAYOUTS 1024
#define SA_MAX_ATTRS 256 /* registered; a hostile registry gets no more */

typedef struct sa_attr {
	char *sat_name;	     /* NULL: number not in use */
	uint16_t sat_length; /* 0: variable */
	uint8_t sat_bswap;
	bool sat_stored; /* in the registry on disk */
} sa_attr_t;

typedef struct sa_layout {
	uint16_t sl_num;
	uint16_t sl_count;
	uint16_t sl_attrs[]; /* numbers */
} sa_layout_t;

struct sa_os {
	objset_t *sa_objset;
	krwlock_t sa_lock; /* all below */
	uint64_t sa_master, sa_registry, sa_layouts_obj;
	sa_attr_t sa_attrs[SA_MAX_ATTRS];
	uint32_t sa_nattrs;	       /* numbers 0 … n-1 */
	uint16_t sa_num[SA_STD_ATTRS]; /* standard attribute -> number */
	bool sa_unregistered;	       /* some attribute is not in the registry yet */
	sa_layout_t *sa_layouts[SA_MAX_LAYOUTS];
	uint32_t sa_nlayouts; /* stored ones: numbers 2 … */
};

extern const struct sa_std {
	const char *name;
	uint16_t length;
	uint8_t bswap;
} sa_std_attrs[SA_STD_ATTRS];

/* The layout of that number, NULL: unknown. sa_lock not held; layouts never go away. */
const sa_layout_t *sa_layout_by_num(sa_os_t *sa, uint16_t num);
/* Find or make the layout of this sequence; registers attributes if need be. */
int sa_layout_find(
    sa_os_t *sa, const uint16_t *attrs, uint16_t n, dmu_tx_t *tx, uint16_t *nump);

#endif
