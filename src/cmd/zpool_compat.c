/*
 * Sets of features by name (the property `compatibility`): files in
 * /etc/zfs/compatibility.d and /usr/share/zfs/compatibility.d, one feature a word, # begins a
 * comment. The sets of OpenZFS's releases are known without files, too.
 */
#include <ctype.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "cmd/zpool.h"
#include "spa/zfeature.h"

#define COMPAT_FILE_MAX 65536

/* Releases add to what was there: everything up to and including `last`, without `not`. */
static const struct {
	const char *name;
	spa_feature_t last;
} releases[] = { { "openzfs-2.0-linux", SPA_FEATURE_ZSTD_COMPRESS },
	{ "openzfs-2.0-freebsd", SPA_FEATURE_ZSTD_COMPRESS },
	{ "openzfs-2.1-linux", SPA_FEATURE_DRAID }, { "openzfs-2.1-freebsd", SPA_FEATURE_DRAID },
	{ "openzfs-2.2", SPA_FEATURE_AVZ_V2 }, { "openzfs-2.2-linux", SPA_FEATURE_AVZ_V2 },
	{ "openzfs-2.2-freebsd", SPA_FEATURE_AVZ_V2 },
	{ "openzfs-2.3", SPA_FEATURE_LARGE_MICROZAP },
	{ "openzfs-2.3-linux", SPA_FEATURE_LARGE_MICROZAP },
	{ "openzfs-2.3-freebsd", SPA_FEATURE_LARGE_MICROZAP } };

/* What the boot loader reads. */
static const char grub2[] = "async_destroy bookmarks embedded_data empty_bpobj enabled_txg "
			    "extensible_dataset filesystem_limits hole_birth large_blocks "
			    "livelist lz4_compress spacemap_histogram zpool_checkpoint";

static void
words_to_bits(const char *text, uint64_t *bits)
{
	char word[128];

	while (*text != '\0') {
		spa_feature_t f;
		text += strspn(text, " \t\r\n,");
		if (*text == '#') {
			text += strcspn(text, "\n");
			continue;
		}
		size_t n = strcspn(text, " \t\r\n,#");
		(void)snprintf(word, sizeof (word), "%.*s", (int)n, text);
		if (n > 0 && zfeature_lookup_name(word, &f) == 0)
			*bits |= 1ULL << f;
		text += n;
	}
}

static bool
read_set(const char *path, uint64_t *bits)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool ok = false;

	if (fd < 0)
		return (false);
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= COMPAT_FILE_MAX) {
		size_t size = (size_t)st.st_size + 1;
		char *text = kmem_zalloc(size, KM_SLEEP);
		if (read(fd, text, size - 1) == (ssize_t)size - 1) {
			words_to_bits(text, bits);
			ok = true;
		}
		kmem_free(text, size);
	}
	(void)close(fd);
	return (ok);
}

static bool
named_set(const char *name, uint64_t *bits)
{
	static const char *const dirs[] = { "/etc/zfs/compatibility.d",
		"/usr/share/zfs/compatibility.d" };

	if (name[0] == '/')
		return (read_set(name, bits));
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		char *path = kmem_asprintf("%s/%s", dirs[i], name);
		bool found = strchr(name, '/') == NULL && read_set(path, bits);
		kmem_strfree(path);
		if (found)
			return (true);
	}
	for (size_t i = 0; i < ARRAY_SIZE(releases); i++) {
		if (strcmp(name, releases[i].name) != 0)
			continue;
		for (int f = 0; f <= (int)releases[i].last; f++)
			*bits |= 1ULL << f;
		/* edonr came to FreeBSD with 2.2 only. */
		if (strstr(name, "freebsd") != NULL && releases[i].last < SPA_FEATURE_AVZ_V2)
			*bits &= ~(1ULL << SPA_FEATURE_EDONR);
		return (true);
	}
	if (strcmp(name, "grub2") == 0) {
		words_to_bits(grub2, bits);
		return (true);
	}
	return (false);
}

int
zpool_compat_features(const char *value, uint64_t *bits, char *why, size_t size)
{
	char name[256];
	int err = 0;

	why[0] = '\0';
	*bits = (1ULL << SPA_FEATURES) - 1;
	if (value[0] == '\0' || strcmp(value, "off") == 0)
		return (0);
	if (strcmp(value, "legacy") == 0) {
		*bits = 0;
		return (0);
	}
	for (const char *p = value; *p != '\0';) {
		size_t len = strcspn(p, ",");
		uint64_t set = 0;
		(void)snprintf(name, sizeof (name), "%.*s", (int)len, p);
		if (named_set(name, &set)) {
			*bits &= set;
		} else {
			size_t used = strlen(why);
			(void)snprintf(why + used, size - used, "%s ", name);
			err = EINVAL;
		}
		p += len + (p[len] == ',');
	}
	return (err);
}
