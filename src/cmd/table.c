/* See table.h. */
#include <stdarg.h>
#include "cmd/table.h"

typedef struct column {
	char *co_title;
	bool co_right, co_fixed;
	int co_width;
} column_t;

typedef struct row {
	list_node_t rw_node;
	bool rw_hidden;
	char *rw_cell[];
} row_t;

struct cmd_table {
	size_t t_ncols, t_col;
	bool t_scripted;
	column_t *t_columns;
	list_t t_rows;
	row_t *t_row; /* being filled */
};

cmd_table_t *
table_create(size_t ncols, bool scripted)
{
	cmd_table_t *t = kmem_zalloc(sizeof (*t), KM_SLEEP);

	t->t_ncols = ncols;
	t->t_scripted = scripted;
	t->t_columns = kmem_zalloc(ncols * sizeof (column_t), KM_SLEEP);
	list_create(&t->t_rows, sizeof (row_t), offsetof(row_t, rw_node));
	return (t);
}

void
table_header(cmd_table_t *t, size_t col, const char *title, bool right, int width)
{
	column_t *co = &t->t_columns[col];

	kmem_strfree(co->co_title);
	co->co_title = kmem_strdup(title);
	co->co_right = right;
	co->co_width = MAX(width, (int)strlen(title));
}

void
table_fixed(cmd_table_t *t, size_t col)
{
	t->t_columns[col].co_fixed = true;
}

static size_t
row_size(const cmd_table_t *t)
{
	return (sizeof (row_t) + t->t_ncols * sizeof (char *));
}

static void __attribute__((format(printf, 3, 0), nonnull(3), noinline))
add_cell(cmd_table_t *t, bool widen, const char *fmt, va_list ap)
{
	va_list again;

	if (t->t_row == NULL)
		t->t_row = kmem_zalloc(row_size(t), KM_SLEEP);
	VERIFY3U(t->t_col, <, t->t_ncols);
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	char *text = kmem_zalloc((size_t)n + 1, KM_SLEEP);
	(void)vsnprintf(text, (size_t)n + 1, fmt, ap);
	t->t_row->rw_cell[t->t_col] = kmem_strdup(text);
	kmem_free(text, (size_t)n + 1);
	column_t *co = &t->t_columns[t->t_col++];
	if (widen && !co->co_fixed)
		co->co_width = MAX(co->co_width, n);
}

void
table_cell(cmd_table_t *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add_cell(t, true, fmt, ap);
	va_end(ap);
}

void
table_narrow_cell(cmd_table_t *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add_cell(t, false, fmt, ap);
	va_end(ap);
}

void
table_end_row(cmd_table_t *t)
{
	while (t->t_col < t->t_ncols)
		table_cell(t, "-");
	list_insert_tail(&t->t_rows, t->t_row);
	t->t_row = NULL;
	t->t_col = 0;
}

void
table_end_hidden_row(cmd_table_t *t)
{
	if (t->t_row == NULL)
		return;
	t->t_row->rw_hidden = true;
	while (t->t_col < t->t_ncols)
		table_cell(t, "%s", "");
	list_insert_tail(&t->t_rows, t->t_row);
	t->t_row = NULL;
	t->t_col = 0;
}

static void
print_row(const cmd_table_t *t, char *const *cells)
{
	for (size_t c = 0; c < t->t_ncols; c++) {
		const column_t *co = &t->t_columns[c];
		const char *s = cells != NULL ? cells[c] : co->co_title;
		if (t->t_scripted)
			(void)printf("%s%s", c > 0 ? "\t" : "", s);
		else if (co->co_right)
			(void)printf("%s%*s", c > 0 ? "  " : "", co->co_width, s);
		else if (c + 1 == t->t_ncols)
			(void)printf("%s%s", c > 0 ? "  " : "", s);
		else
			(void)printf("%s%-*s", c > 0 ? "  " : "", co->co_width, s);
	}
	(void)putchar('\n');
}

void
table_print(cmd_table_t *t, bool header)
{
	if (header && !t->t_scripted)
		print_row(t, NULL);
	for (row_t *rw = list_head(&t->t_rows); rw != NULL; rw = list_next(&t->t_rows, rw))
		if (!rw->rw_hidden)
			print_row(t, rw->rw_cell);
}

void
table_free(cmd_table_t *t)
{
	row_t *rw;

	while ((rw = list_remove_head(&t->t_rows)) != NULL) {
		for (size_t c = 0; c < t->t_ncols; c++)
			kmem_strfree(rw->rw_cell[c]);
		kmem_free(rw, row_size(t));
	}
	for (size_t c = 0; c < t->t_ncols; c++)
		kmem_strfree(t->t_columns[c].co_title);
	list_destroy(&t->t_rows);
	kmem_free(t->t_columns, t->t_ncols * sizeof (column_t));
	kmem_free(t, sizeof (*t));
}
