/*
 * Writing a field table. OD_FIELD(type, member, offset, kind): `offset` is the number
 * in the specification; a member that stands elsewhere does not compile.
 */
#ifndef TARN_ONDISK_TABLE_IMPL_H
#define TARN_ONDISK_TABLE_IMPL_H

#include "ondisk/field.h"

/* `off`, as a constant expression that fails unless the member is there. */
#define OD_AT(T, m, off)                                                               \
	(uint32_t)((off) + 0 * sizeof(struct {                                         \
		_Static_assert(offsetof(T, m) == (off), #T "." #m);                    \
		char od_dummy;                                                         \
	}))
#define OD_SIZEOF(T, m) (uint32_t)sizeof(((T *)0)->m)

/* A number, an array of n numbers, bytes (or text), a structure, an array of
 * structures. */
#define OD_FIELD(T, m, off, kind)                                                      \
	{                                                                              \
#m, OD_AT(T, m, off), OD_SIZEOF(T, m), 1, kind, NULL                   \
	}
#define OD_ARRAY(T, m, off, n, kind)                                                   \
	{                                                                              \
#m, OD_AT(T, m, off), OD_SIZEOF(T, m[0]), n, kind, NULL                \
	}
#define OD_RAW(T, m, off, kind)                                                        \
	{                                                                              \
#m, OD_AT(T, m, off), 1, OD_SIZEOF(T, m), kind, NULL                   \
	}
#define OD_SUB(T, m, off, sub)                                                         \
	{                                                                              \
#m, OD_AT(T, m, off), OD_SIZEOF(T, m), 1, OD_STRUCT, sub               \
	}
#define OD_SUBS(T, m, off, n, sub)                                                     \
	{                                                                              \
#m, OD_AT(T, m, off), OD_SIZEOF(T, m[0]), n, OD_STRUCT, sub            \
	}

/* The table itself; one line of printing if `printer` is given. */
#define OD_TABLE(var, T, fields, printer)                                              \
	const ondisk_table_t var = {                                                   \
	    .ot_name = #T,                                                             \
	    .ot_size = sizeof(T),                                                      \
	    .ot_nfields = ARRAY_SIZE(fields),                                          \
	    .ot_fields = fields,                                                       \
	    .ot_print = printer,                                                       \
	}

#endif
