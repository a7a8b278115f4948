/* Asking daemons for datasets; the one a user names. */
#include <limits.h>
#include <mntent.h>
#include <sys/stat.h>
#include "cmd/zfs.h"

void
datasets_init(dataset_set_t *s)
{
	list_create(&s->s_list, sizeof (dataset_t), offsetof(dataset_t, d_node));
	s->s_replies = NULL;
	s->s_nreplies = 0;
}

void
datasets_fini(dataset_set_t *s)
{
	dataset_t *d;

	while ((d = list_remove_head(&s->s_list)) != NULL)
		kmem_free(d, sizeof (*d));
	list_destroy(&s->s_list);
	for (size_t i = 0; i < s->s_nreplies; i++)
		nvlist_free(s->s_replies[i]);
	kmem_free(s->s_replies, s->s_nreplies * sizeof (*s->s_replies));
}

static void
keep_reply(dataset_set_t *s, nvlist_t *reply)
{
	nvlist_t **more = kmem_alloc((s->s_nreplies + 1) * sizeof (*more), KM_SLEEP);

	if (s->s_nreplies > 0) {
		memcpy(more, s->s_replies, s->s_nreplies * sizeof (*more));
		kmem_free(s->s_replies, s->s_nreplies * sizeof (*more));
	}
	more[s->s_nreplies++] = reply;
	s->s_replies = more;
}

static int
type_of(const char *name, const nvlist_t *entry)
{
	if (strchr(name, '@') != NULL)
		return (TYPE_SNAP);
	if (strchr(name, '#') != NULL)
		return (TYPE_BOOK);
	return (cmd_u64(entry, "type") == DMU_OST_ZVOL ? TYPE_VOL : TYPE_FS);
}

int
datasets_get(dataset_set_t *s, const char *name, uint64_t depth, int types, bool props)
{
	nvlist_t *req = cmd_request("ds_list"), *out = NULL, *entry;
	char pool[ZFS_MAX_DATASET_NAME_LEN];

	(void)cmd_pool_of(name, pool);
	if (cmd_pool_hidden(pool)) {
		nvlist_free(req);
		return (ENOENT);
	}
	fnvlist_add_string(req, "name", name);
	fnvlist_add_uint64(req, "depth", depth);
	fnvlist_add_uint64(req, "types", (uint64_t)types);
	fnvlist_add_boolean_value(req, "props", props);
	int err = cmd_call(pool, req, &out, NULL);
	if (err != 0) {
		nvlist_free(out);
		return (err);
	}
	keep_reply(s, out);
	for (nvpair_t *nvp = nvlist_next_nvpair(out, NULL); nvp != NULL;
	     nvp = nvlist_next_nvpair(out, nvp)) {
		if (nvpair_value_nvlist(nvp, &entry) != 0)
			continue;
		dataset_t *d = kmem_zalloc(sizeof (*d), KM_SLEEP);
		(void)snprintf(d->d_name, sizeof (d->d_name), "%s", nvpair_name(nvp));
		d->d_entry = entry;
		d->d_type = type_of(d->d_name, entry);
		list_insert_tail(&s->s_list, d);
	}
	return (0);
}

void
datasets_get_all(dataset_set_t *s, uint64_t depth, int types, bool props)
{
	char **names;
	size_t n;

	cmd_pools(&names, &n);
	for (size_t i = 0; i < n; i++)
		(void)datasets_get(s, names[i], depth, types, props);
	proto_free_names(names, n);
}

bool
zfs_path_to_name(const char *path, char *name, size_t size)
{
	struct stat st;
	char *real = stat(path, &st) == 0 ? realpath(path, NULL) : NULL;
	char best[PATH_MAX] = "";
	dataset_set_t s;

	if (real == NULL) {
		(void)cmd_error("cannot open '%s': %s", path, strerror(errno));
		return (false);
	}
	/* Which mount is the path on? The last one of the longest name. */
	FILE *fp = setmntent("/proc/self/mounts", "r");
	struct mntent *ent;
	size_t longest = 0;
	while (fp != NULL && (ent = getmntent(fp)) != NULL) {
		size_t n = strlen(ent->mnt_dir);
		if (strcmp(ent->mnt_dir, "/") == 0)
			n = 0;
		if (n >= longest && strncmp(real, ent->mnt_dir, n) == 0 &&
		    (real[n] == '/' || real[n] == '\0')) {
			longest = n;
			(void)snprintf(best, sizeof (best), "%s", ent->mnt_dir);
		}
	}
	if (fp != NULL)
		(void)endmntent(fp);
	free(real);
	bool found = false;
	datasets_init(&s);
	datasets_get_all(&s, UINT64_MAX, TYPE_FS, false);
	for (dataset_t *d = list_head(&s.s_list); d != NULL && !found; d = list_next(&s.s_list, d)) {
		const char *at = cmd_str(d->d_entry, "mountpoint_now");
		if (at != NULL && strcmp(at, best) == 0) {
			(void)snprintf(name, size, "%s", d->d_name);
			found = true;
		}
	}
	datasets_fini(&s);
	if (!found)
		(void)cmd_error("'%s': not a ZFS filesystem", path);
	return (found);
}

const dataset_t *
dataset_open(dataset_set_t *s, const char *name, int types, bool props)
{
	char buf[ZFS_MAX_DATASET_NAME_LEN + 64], path[2 * ZFS_MAX_DATASET_NAME_LEN];

	if (name[0] == '/' || strncmp(name, "./", 2) == 0 || strncmp(name, "../", 3) == 0) {
		if (!zfs_path_to_name(name, path, sizeof (path)))
			return (NULL);
		name = path;
	}
	const char *why = zfs_name_why(name, types, buf, sizeof (buf));
	if (why != NULL) {
		(void)cmd_error("cannot open '%s': %s", name, why);
		return (NULL);
	}
	int err = datasets_get(s, name, 0, TYPE_ALL, props);
	dataset_t *d = NULL;
	if (err == 0)
		for (d = list_tail(&s->s_list); d != NULL && strcmp(d->d_name, name) != 0;
		     d = list_prev(&s->s_list, d))
			continue;
	if (d == NULL) {
		(void)cmd_error("cannot open '%s': %s", name,
		    err == 0 || err == ENOENT ? "dataset does not exist" : cmd_strerror(err));
		return (NULL);
	}
	if (!(d->d_type & types)) {
		(void)cmd_error("cannot open '%s': operation not applicable to datasets of this type",
		    name);
		return (NULL);
	}
	return (d);
}

char *
zfs_mount_denied(const char *name)
{
	dataset_set_t s;
	char *text = NULL;

	datasets_init(&s);
	(void)datasets_get(&s, name, UINT64_MAX, TYPE_FS, false);
	for (dataset_t *d = list_tail(&s.s_list); d != NULL && text == NULL;
	     d = list_prev(&s.s_list, d))
		if (cmd_str(d->d_entry, "mountpoint_now") != NULL)
			text = kmem_asprintf("cannot unmount '%s': permission denied",
			    cmd_str(d->d_entry, "mountpoint_now"));
	datasets_fini(&s);
	return (text);
}

/* ---- order ------------------------------------------------------------------------------- */

/* A parent, its snapshots by creation, its bookmarks, its children by name. */
int
datasets_compare(const dataset_t *a, const dataset_t *b)
{
	size_t la = strcspn(a->d_name, "@#"), lb = strcspn(b->d_name, "@#");
	/* A slash sorts before everything: children stand right below their parent. */
	for (size_t i = 0; i < MIN(la, lb); i++) {
		unsigned char ca = (unsigned char)a->d_name[i], cb = (unsigned char)b->d_name[i];
		if (ca != cb)
			return (ca == '/' ? -1 : cb == '/' ? 1 : ca < cb ? -1 : 1);
	}
	if (la != lb)
		return (la < lb ? -1 : 1);
	int ra = a->d_type == TYPE_SNAP ? 1 : a->d_type == TYPE_BOOK ? 2 : 0;
	int rb = b->d_type == TYPE_SNAP ? 1 : b->d_type == TYPE_BOOK ? 2 : 0;
	if (ra != rb)
		return (ra - rb);
	uint64_t ta = cmd_u64(a->d_entry, "creation_txg"), tb = cmd_u64(b->d_entry, "creation_txg");
	if (ta != tb)
		return (ta < tb ? -1 : 1);
	return (strcmp(a->d_name, b->d_name));
}

static int
compare_pointers(const void *x, const void *y)
{
	return (datasets_compare(*(const dataset_t *const *)x, *(const dataset_t *const *)y));
}

void
datasets_sort(dataset_set_t *s)
{
	size_t n = 0, i = 0;
	dataset_t *d;

	for (d = list_head(&s->s_list); d != NULL; d = list_next(&s->s_list, d))
		n++;
	dataset_t **v = kmem_alloc(n * sizeof (*v), KM_SLEEP);
	while ((d = list_remove_head(&s->s_list)) != NULL)
		v[i++] = d;
	if (n > 1)
		qsort(v, n, sizeof (*v), compare_pointers);
	for (i = 0; i < n; i++) {
		/* Named twice: shown once. */
		if (i > 0 && strcmp(v[i - 1]->d_name, v[i]->d_name) == 0) {
			list_remove(&s->s_list, v[i - 1]);
			kmem_free(v[i - 1], sizeof (*v[i - 1]));
		}
		list_insert_tail(&s->s_list, v[i]);
	}
	kmem_free(v, n * sizeof (*v));
}
