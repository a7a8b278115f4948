/*
 * Parts of zdb that this program does not have yet say so. Weak: each goes when the file
 * that has the real one comes.
 */
#include "cmd/zdb.h"
#include <stdio.h>

static int
not_supported(const char *what)
{
	(void)fprintf(stderr, "zdb: %s is not supported yet\n", what);
	return (2);
}

__attribute__((weak)) void
zdb_metaslabs(zdb_t *z, int argc, char **argv)
{
	(void)z;
	(void)argc;
	(void)argv;
	(void)not_supported("-m");
}

__attribute__((weak)) void
zdb_metaslab_groups(zdb_t *z)
{
	(void)z;
	(void)not_supported("-M");
}

__attribute__((weak)) void
zdb_log_space_maps(zdb_t *z)
{
	(void)z;
	(void)not_supported("listing log space maps");
}

__attribute__((weak)) void
zdb_datasets(zdb_t *z)
{
	(void)z;
	(void)not_supported("-d");
}

__attribute__((weak)) int
zdb_dataset(zdb_t *z, const char *name)
{
	(void)z;
	(void)name;
	return (not_supported("-d"));
}

__attribute__((weak)) int
zdb_read_block(zdb_t *z, const char *where)
{
	(void)z;
	(void)where;
	return (not_supported("-R"));
}

__attribute__((weak)) int
zdb_embedded(const char *words)
{
	(void)words;
	return (not_supported("-E"));
}
