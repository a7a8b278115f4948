/* Names of datasets: what is wrong with them, in OpenZFS's words; types of datasets. */
#include <ctype.h>
#include "cmd/zfs.h"

static bool
name_char(char c)
{
	return (isalnum((unsigned char)c) || strchr("-_.: ", c) != NULL);
}

/* One component: `.` and `..` would be paths. */
static const char *
component_why(const char *s, size_t len)
{
	if (len == 1 && s[0] == '.')
		return ("self reference, '.' is found in name");
	if (len == 2 && s[0] == '.' && s[1] == '.')
		return ("parent reference, '..' is found in name");
	return (NULL);
}

static const char *
syntax_why(const char *name, char *buf, size_t size)
{
	size_t len = strlen(name), start = 0;
	bool delimited = false;
	const char *why;

	if (len >= ZFS_MAX_DATASET_NAME_LEN)
		return ("name is too long");
	if (name[0] == '/')
		return ("leading slash in name");
	if (len == 0)
		return ("empty component or misplaced '@' or '#' delimiter in name");
	if (name[len - 1] == '/')
		return ("trailing slash in name");
	for (size_t i = 0; i <= len; i++) {
		char c = name[i];
		if (c != '/' && c != '@' && c != '#' && c != '\0') {
			if (!name_char(c)) {
				(void)snprintf(buf, size,
				    c == '%' ? "invalid character %c in name" :
					       "invalid character '%c' in name", c);
				return (buf);
			}
			continue;
		}
		if (i == start)
			return ("empty component or misplaced '@' or '#' delimiter in name");
		if ((why = component_why(name + start, i - start)) != NULL)
			return (why);
		if ((c == '@' || c == '#') && delimited)
			return ("multiple '@' and/or '#' delimiters in name");
		if (c == '/' && delimited)
			return ("empty component or misplaced '@' or '#' delimiter in name");
		delimited |= c == '@' || c == '#';
		start = i + 1;
	}
	if (!isalpha((unsigned char)name[0]))
		return ("name must begin with a letter");
	return (NULL);
}

const char *
zfs_name_why(const char *name, int types, char *buf, size_t size)
{
	const char *why = syntax_why(name, buf, size);

	if (why != NULL)
		return (why);
	if (strchr(name, '@') != NULL && !(types & TYPE_SNAP))
		return ("snapshot delimiter '@' is not expected here");
	if (strchr(name, '#') != NULL && !(types & TYPE_BOOK))
		return ("bookmark delimiter '#' is not expected here");
	if (types == TYPE_SNAP && strchr(name, '@') == NULL)
		return ("missing '@' delimiter in snapshot name, did you mean to use -r?");
	if (types == TYPE_BOOK && strchr(name, '#') == NULL)
		return ("missing '#' delimiter in bookmark name, did you mean to use -r?");
	return (NULL);
}

const char *
zfs_type_word(int type)
{
	return (type == TYPE_SNAP     ? "snapshot" :
		type == TYPE_VOL      ? "volume" :
		type == TYPE_BOOK     ? "bookmark" :
					"filesystem");
}

int
zfs_parse_types(const char *spec, int *types, char *bad, size_t size)
{
	static const struct {
		const char *word;
		int types;
	} words[] = { { "filesystem", TYPE_FS }, { "fs", TYPE_FS }, { "volume", TYPE_VOL },
		{ "vol", TYPE_VOL }, { "snapshot", TYPE_SNAP }, { "snap", TYPE_SNAP },
		{ "bookmark", TYPE_BOOK }, { "all", TYPE_ALL } };
	int result = 0;

	for (const char *p = spec; *p != '\0';) {
		size_t len = strcspn(p, ",");
		bool found = false;
		for (size_t i = 0; i < ARRAY_SIZE(words) && !found; i++) {
			if (strlen(words[i].word) == len && strncmp(words[i].word, p, len) == 0) {
				result |= words[i].types;
				found = true;
			}
		}
		if (!found) {
			(void)snprintf(bad, size, "%.*s", (int)len, p);
			return (EINVAL);
		}
		p += len + (p[len] == ',');
	}
	*types = result;
	return (0);
}
