/*
 * Reading directories.
 *
 * READDIR packs names. READDIRPLUS also looks every one up, so that `ls -l` costs no further
 * requests; the kernel chooses. While names are collected zpl holds locks of the directory, so
 * looking up comes afterwards. The kernel keeps entries from being removed meanwhile: it
 * locks the directory for reading here and for writing there.
 */
#include <dirent.h>
#include "serve/fuse_impl.h"

/* One answer; the rest of the scratch space is for names not yet looked up. */
#define DIR_REPLY_MAX (FUSE_MAX_DATA / 4)

void
fuse_op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	fuse_fs_t *ff = fuse_req_fs(req);
	znode_t *zp;
	int err;

	/* As for files: only for the access time. */
	if (ff->ff_no_open) {
		reply_error(req, ENOSYS);
		return;
	}
	if ((err = fuse_inode_hold(ff, ino, &zp)) == 0) {
		fuse_note_access(ff, ino, zp);
		zpl_rele(zp);
		fi->keep_cache = 1;
		fi->cache_readdir = 1;
		fuse_reply_open(req, fi);
	} else {
		reply_error(req, err);
	}
}

/* ---- names only ----------------------------------------------------------------------------- */

typedef struct names_arg {
	fuse_req_t na_req;
	char *na_buf;
	size_t na_size, na_used;
	char na_name[NAME_MAX * 4 + 8]; /* names may have 1023 bytes (longname) */
} names_arg_t;

static bool
emit_name(void *arg, const char *name, size_t len, uint64_t object, uint8_t d_type,
    uint64_t next_cookie)
{
	names_arg_t *na = arg;
	struct stat st = { .st_ino = object, .st_mode = (mode_t)DTTOIF(d_type) };

	if (len >= sizeof (na->na_name))
		return (true); /* cannot be: not shown */
	memcpy(na->na_name, name, len);
	na->na_name[len] = '\0';
	size_t room = na->na_size - na->na_used;
	size_t need = fuse_add_direntry(na->na_req, na->na_buf + na->na_used, room, na->na_name,
	    &st, (off_t)next_cookie);
	if (need > room)
		return (false);
	na->na_used += need;
	return (true);
}

void
fuse_op_readdir(
    fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	names_arg_t na = { .na_req = req, .na_buf = (char *)fuse_scratch(),
		.na_size = MIN(size, DIR_REPLY_MAX) };
	uint64_t cookie = (uint64_t)off;
	znode_t *zp;
	int err = fuse_inode_hold(fuse_req_fs(req), ino, &zp);

	if (err == 0) {
		err = zpl_readdir(zp, &cookie, emit_name, &na, NULL);
		zpl_rele(zp);
	}
	/* What was read before an error is worth showing; it comes back with the next call. */
	if (err != 0 && na.na_used == 0)
		reply_error(req, err);
	else
		fuse_reply_buf(req, na.na_buf, na.na_used);
}

/* ---- names and attributes ---------------------------------------------------------------------- */

/* A name as collected: header, bytes, NUL. */
typedef struct found {
	uint64_t fo_object, fo_cookie;
	uint32_t fo_type, fo_len;
	char fo_name[];
} found_t;

typedef struct collect_arg {
	uint8_t *ca_buf;
	size_t ca_used;
	size_t ca_reply, ca_reply_max; /* bytes the answer will have */
} collect_arg_t;

static size_t
found_size(size_t len)
{
	return (P2ROUNDUP(sizeof (found_t) + len + 1, sizeof (uint64_t)));
}

static bool
collect_name(void *arg, const char *name, size_t len, uint64_t object, uint8_t d_type,
    uint64_t next_cookie)
{
	collect_arg_t *ca = arg;
	size_t reply = FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET_DIRENTPLUS + len);
	size_t used = found_size(len);

	if (ca->ca_reply + reply > ca->ca_reply_max ||
	    ca->ca_used + used > FUSE_MAX_DATA - DIR_REPLY_MAX)
		return (false);
	found_t *fo = (found_t *)(void *)(ca->ca_buf + ca->ca_used);
	fo->fo_object = object;
	fo->fo_cookie = next_cookie;
	fo->fo_type = d_type;
	fo->fo_len = (uint32_t)len;
	memcpy(fo->fo_name, name, len);
	fo->fo_name[len] = '\0';
	ca->ca_used += used;
	ca->ca_reply += reply;
	return (true);
}

static bool
is_dot(const char *name)
{
	return (strcmp(name, ".") == 0 || strcmp(name, "..") == 0);
}

/* Without a node number the kernel takes just the name, and will ask if it needs more. */
static void
fill_found(fuse_fs_t *ff, const found_t *fo, struct fuse_entry_param *e)
{
	znode_t *zp;

	if (is_dot(fo->fo_name) || zpl_get(ff->ff_zfsvfs, fo->fo_object, 0, &zp) != 0 ||
	    fuse_entry_fill(ff, zp, e) != 0) {
		memset(e, 0, sizeof (*e));
		e->attr.st_ino = fo->fo_object;
		e->attr.st_mode = (mode_t)DTTOIF(fo->fo_type);
	}
}

/* Nobody got the answer: take back what it told. */
static void
untell(fuse_fs_t *ff, const char *reply, size_t used)
{
	size_t pos = 0;

	while (pos + sizeof (struct fuse_direntplus) <= used) {
		const struct fuse_direntplus *dp = (const void *)(reply + pos);
		if (dp->entry_out.nodeid != 0)
			fuse_inode_forget(ff, dp->entry_out.nodeid, 1);
		pos += FUSE_DIRENTPLUS_SIZE(dp);
	}
}

void
fuse_op_readdirplus(
    fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	fuse_fs_t *ff = fuse_req_fs(req);
	char *reply = (char *)fuse_scratch();
	collect_arg_t ca = { .ca_buf = fuse_scratch() + DIR_REPLY_MAX,
		.ca_reply_max = MIN(size, DIR_REPLY_MAX) };
	uint64_t cookie = (uint64_t)off;
	struct fuse_entry_param e;
	size_t used = 0;
	znode_t *zp;
	int err = fuse_inode_hold(ff, ino, &zp);

	if (err == 0) {
		err = zpl_readdir(zp, &cookie, collect_name, &ca, NULL);
		zpl_rele(zp);
	}
	if (err != 0 && ca.ca_used == 0) {
		reply_error(req, err);
		return;
	}
	for (size_t pos = 0; pos < ca.ca_used;) {
		const found_t *fo = (const found_t *)(void *)(ca.ca_buf + pos);
		fill_found(ff, fo, &e);
		used += fuse_add_direntry_plus(req, reply + used, ca.ca_reply_max - used,
		    fo->fo_name, &e, (off_t)fo->fo_cookie);
		pos += found_size(fo->fo_len);
	}
	ASSERT3U(used, ==, ca.ca_reply);
	if (fuse_reply_buf(req, reply, used) != 0)
		untell(ff, reply, used);
}
