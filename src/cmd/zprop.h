/*
 * Properties as the commands see them: one table per tool, in the order of `get all`, with what the
 * usage texts, the columns of `list` and the widths of `get` need. What a property does is the
 * business of the rooms below.
 */
#ifndef TARN_CMD_ZPROP_H
#define TARN_CMD_ZPROP_H

#include "cmd/table.h"

typedef enum zprop_flags {
	ZP_RO = 0x1,	  /* computed */
	ZP_ONETIME = 0x2, /* only at creation */
	ZP_INHERIT = 0x4,
	ZP_HIDDEN = 0x8,      /* not in the usage texts nor in `get all` */
	ZP_RIGHT = 0x10,      /* column to the right */
	ZP_VARIABLE = 0x20,   /* column as wide as the values */
	ZP_USAGE_ONLY = 0x40, /* "userused@...": a family of names */
	ZP_NOGET = 0x80,      /* not in `get all` */
} zprop_flags_t;

typedef struct zprop {
	const char *zp_name, *zp_column;
	uint32_t zp_flags;
	int zp_types;  /* ZFS_TYPE_* (zfs only) */
	int zp_width;  /* longest word it can have; 0: unknown */
	const char *zp_values;
} zprop_t;

/* One wanted property: from the table, or by its own name (user property, userquota@x, feature@x). */
typedef struct zprop_want {
	list_node_t zw_node;
	const zprop_t *zw_prop; /* NULL: zw_name is all there is */
	char *zw_name;
	bool zw_all; /* came in through "all" */
} zprop_want_t;

typedef struct zprop_wants {
	list_t zws_list;
	bool zws_all; /* "all" was asked for: user properties, too */
} zprop_wants_t;

void zprop_wants_init(zprop_wants_t *zws);
void zprop_wants_fini(zprop_wants_t *zws);
zprop_want_t *zprop_wants_add(zprop_wants_t *zws, const zprop_t *zp, const char *name);

/* The columns of `get`. */
typedef enum get_column {
	GET_COL_NAME = 1,
	GET_COL_PROPERTY,
	GET_COL_VALUE,
	GET_COL_RECVD,
	GET_COL_SOURCE,
} get_column_t;
#define GET_COLUMNS 5
/* Parse -o. 0, or the bad word in *bad (points into spec). Several equal columns: EEXIST-like NULL. */
int zprop_get_columns(const char *spec, bool recvd, get_column_t *cols, const char **bad,
    size_t *badlen);
/* Width of the VALUE column that a property asks for by its own. */
int zprop_width(const zprop_t *zp, const char *name);

#endif
