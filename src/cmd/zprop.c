/* See zprop.h. */
#include "cmd/zprop.h"

void
zprop_wants_init(zprop_wants_t *zws)
{
	list_create(&zws->zws_list, sizeof (zprop_want_t), offsetof(zprop_want_t, zw_node));
	zws->zws_all = false;
}

void
zprop_wants_fini(zprop_wants_t *zws)
{
	zprop_want_t *zw;

	while ((zw = list_remove_head(&zws->zws_list)) != NULL) {
		kmem_strfree(zw->zw_name);
		kmem_free(zw, sizeof (*zw));
	}
	list_destroy(&zws->zws_list);
}

zprop_want_t *
zprop_wants_add(zprop_wants_t *zws, const zprop_t *zp, const char *name)
{
	zprop_want_t *zw = kmem_zalloc(sizeof (*zw), KM_SLEEP);

	zw->zw_prop = zp;
	zw->zw_name = kmem_strdup(zp != NULL ? zp->zp_name : name);
	list_insert_tail(&zws->zws_list, zw);
	return (zw);
}

int
zprop_get_columns(
    const char *spec, bool recvd, get_column_t *cols, const char **bad, size_t *badlen)
{
	static const char *const words[] = { "", "name", "property", "value", "received",
		"source" };
	int n = 0;

	if (strcmp(spec, "all") == 0) {
		cols[n++] = GET_COL_NAME;
		cols[n++] = GET_COL_PROPERTY;
		cols[n++] = GET_COL_VALUE;
		if (recvd)
			cols[n++] = GET_COL_RECVD;
		cols[n++] = GET_COL_SOURCE;
		return (n);
	}
	for (const char *p = spec; *p != '\0';) {
		size_t len = strcspn(p, ",");
		get_column_t found = 0;
		for (get_column_t c = GET_COL_NAME; c <= GET_COL_SOURCE; c++)
			if (len == strlen(words[c]) && strncmp(p, words[c], len) == 0)
				found = c;
		if (found == 0 || (found == GET_COL_RECVD && !recvd)) {
			*bad = p;
			*badlen = len;
			return (0);
		}
		if (n == GET_COLUMNS) {
			*bad = NULL;
			return (0);
		}
		cols[n++] = found;
		p += len + (p[len] == ',');
	}
	return (n);
}

int
zprop_width(const zprop_t *zp, const char *name)
{
	if (zp == NULL)
		return ((int)strlen(name));
	return (MAX((int)strlen(zp->zp_column), zp->zp_width));
}
