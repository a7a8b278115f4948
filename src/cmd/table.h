/*
 * Tables like those of zfs and zpool: columns as wide as their widest cell, two spaces
 * between, numbers to the right; scripted (-H): tabs, no header, no padding.
 */
#ifndef TARN_CMD_TABLE_H
#define TARN_CMD_TABLE_H

#include "cmd/cmd.h"

typedef struct cmd_table cmd_table_t;
cmd_table_t *table_create(size_t ncols, bool scripted);
/* width: at least so many characters. */
void table_header(cmd_table_t *t, size_t col, const char *title, bool right, int width);
/* The column keeps its least width even if cells are wider. */
void table_fixed(cmd_table_t *t, size_t col);
/* The next cell of the current row (copied). */
void table_cell(cmd_table_t *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same, but the column does not become wider for it. */
void table_narrow_cell(cmd_table_t *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void table_end_row(cmd_table_t *t); /* missing cells become "-" */
/* A row that only widens columns and is not printed. */
void table_end_hidden_row(cmd_table_t *t);
/* Print what is there. again: without the header. */
void table_print(cmd_table_t *t, bool header);
void table_free(cmd_table_t *t);

#endif
