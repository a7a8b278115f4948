/* Attribute values in bonus and spill buffers (format/04 §1.5, §1.9). Essay: sa.h. */
#include "zpl/sa_impl.h"

static const char sa_tag[] = "sa spill";

/* ---- finding --------------------------------------------------------- */

/* A value in place. */
typedef struct sa_slot {
	uint16_t ss_attr; /* number */
	uint32_t ss_len;
	uint8_t *ss_data;
	bool ss_swap; /* of the other byte order */
} sa_slot_t;

/* Walk over the values of one buffer. */
typedef struct sa_walk {
	sa_os_t *sw_os;
	uint8_t *sw_buf;
	size_t sw_size;
	const sa_layout_t *sw_layout;
	uint32_t sw_pos, sw_var, sw_idx;
	bool sw_swap;
} sa_walk_t;

static int
walk_start(sa_walk_t *sw, sa_os_t *sa, void *buf, size_t size)
{
	uint16_t layout;
	uint32_t hdr;

	memset(sw, 0, sizeof(*sw));
	sw->sw_os = sa;
	sw->sw_buf = buf;
	sw->sw_size = size;
	const int err = sa_hdr_decode(buf, size, &layout, &hdr, &sw->sw_swap);
	if (err == ENOENT)
		layout = 1;
	else if (err != 0)
		return (err);
	sw->sw_layout = sa_layout_by_num(sa, layout);
	sw->sw_pos = err == ENOENT ? 0 : hdr;
	return (sw->sw_layout == NULL ? EIO : 0);
}

/* ENOENT: end. */
static int
walk_next(sa_walk_t *sw, sa_slot_t *ss)
{
	uint16_t len;

	if (sw->sw_idx == sw->sw_layout->sl_count)
		return (ENOENT);
	const uint16_t attr = sw->sw_layout->sl_attrs[sw->sw_idx++];
	len = sw->sw_os->sa_attrs[attr].sat_length;
	if (len == 0 && sa_hdr_length(sw->sw_buf, sw->sw_size, sw->sw_var++, &len) != 0)
		return (EIO);
	const uint32_t at = (uint32_t)P2ROUNDUP(sw->sw_pos, 8);
	if (at > sw->sw_size || len > sw->sw_size - at)
		return (EIO);
	*ss = (sa_slot_t){attr, len, sw->sw_buf + at, sw->sw_swap};
	sw->sw_pos = at + len;
	return (0);
}

static int
find_in(sa_os_t *sa, dmu_buf_t *db, uint16_t attr, sa_slot_t *ss)
{
	sa_walk_t sw;
	int err = walk_start(&sw, sa, db->db_data, db->db_size);
	while (err == 0) {
		err = walk_next(&sw, ss);
		if (err == 0 && ss->ss_attr == attr)
			return (0);
	}
	return (err);
}

/* Offsets in the legacy znode; length from the standard table. */
static int
find_legacy(sa_handle_t *sh, zpl_sa_t attr, sa_slot_t *ss)
{
	static const uint16_t offset[] = {
	    [SA_ATIME] = offsetof(znode_phys_t, zp_atime),
	    [SA_MTIME] = offsetof(znode_phys_t, zp_mtime),
	    [SA_CTIME] = offsetof(znode_phys_t, zp_ctime),
	    [SA_CRTIME] = offsetof(znode_phys_t, zp_crtime),
	    [SA_GEN] = offsetof(znode_phys_t, zp_gen),
	    [SA_MODE] = offsetof(znode_phys_t, zp_mode),
	    [SA_SIZE] = offsetof(znode_phys_t, zp_size),
	    [SA_PARENT] = offsetof(znode_phys_t, zp_parent),
	    [SA_LINKS] = offsetof(znode_phys_t, zp_links),
	    [SA_XATTR] = offsetof(znode_phys_t, zp_xattr),
	    [SA_RDEV] = offsetof(znode_phys_t, zp_rdev),
	    [SA_FLAGS] = offsetof(znode_phys_t, zp_flags),
	    [SA_UID] = offsetof(znode_phys_t, zp_uid),
	    [SA_GID] = offsetof(znode_phys_t, zp_gid),
	    [SA_PAD] = offsetof(znode_phys_t, zp_zap),
	    [SA_ZNODE_ACL] = offsetof(znode_phys_t, zp_acl),
	};
	uint8_t *b = sh->sh_bonus->db_data;
	const znode_phys_t *zp = znode_phys_of(b, sh->sh_bonus->db_size);

	if (zp == NULL)
		return (EIO);
	if (attr == SA_SYMLINK) {
		/* behind the record if it fits, else it is file data */
		if ((zp->zp_mode & 0170000) != 0120000 ||
		    zp->zp_size > sh->sh_bonus->db_size - sizeof(*zp))
			return (ENOENT);
		*ss = (sa_slot_t){0, (uint32_t)zp->zp_size, b + sizeof(*zp), false};
		return (0);
	}
	if (attr >= ARRAY_SIZE(offset))
		return (ENOENT);
	*ss = (sa_slot_t){0, sa_std_attrs[attr].length, b + offset[attr], false};
	return (0);
}

/* Where is it? *spillp is a hold to give back if the value is in the spill block. */
static int
find(sa_handle_t *sh, zpl_sa_t attr, sa_slot_t *ss, dmu_buf_t **spillp)
{
	*spillp = NULL;
	if (sa_is_legacy(sh))
		return (find_legacy(sh, attr, ss));
	const uint16_t num = sh->sh_os->sa_num[attr];
	int err = find_in(sh->sh_os, sh->sh_bonus, num, ss);
	if (err != ENOENT)
		return (err);
	err = dmu_spill_hold(sh->sh_bonus, sa_tag, spillp);
	if (err != 0)
		return (err);
	err = find_in(sh->sh_os, *spillp, num, ss);
	if (err != 0) {
		dmu_buf_rele(*spillp, sa_tag);
		*spillp = NULL;
	}
	return (err);
}

static void
find_done(dmu_buf_t *spill)
{
	if (spill != NULL)
		dmu_buf_rele(spill, sa_tag);
}

static void
copy_value(sa_os_t *sa, const sa_slot_t *ss, void *dst)
{
	memcpy(dst, ss->ss_data, ss->ss_len);
	if (ss->ss_swap)
		sa_attr_byteswap(sa->sa_attrs[ss->ss_attr].sat_bswap, dst, ss->ss_len);
}

int
sa_handle_init(sa_handle_t *sh, sa_os_t *sa, dmu_buf_t *bonus, const void *tag)
{
	const dmu_object_type_t type = dmu_get_bonustype(bonus);

	if (type != DMU_OT_SA && type != DMU_OT_ZNODE)
		return (EINVAL);
	if (type == DMU_OT_ZNODE && bonus->db_size < sizeof(znode_phys_t))
		return (EIO);
	*sh = (sa_handle_t){sa, bonus, type};
	return (0);
}

void
sa_handle_fini(sa_handle_t *sh, const void *tag)
{
	dmu_buf_rele(sh->sh_bonus, tag);
	sh->sh_bonus = NULL;
}

int
sa_lookup(sa_handle_t *sh, zpl_sa_t attr, void *buf, uint32_t len)
{
	sa_slot_t ss;
	dmu_buf_t *spill;
	int err = find(sh, attr, &ss, &spill);
	if (err != 0)
		return (err);
	if (ss.ss_len != len)
		err = EIO;
	else
		copy_value(sh->sh_os, &ss, buf);
	find_done(spill);
	return (err);
}

int
sa_length(sa_handle_t *sh, zpl_sa_t attr, uint32_t *len)
{
	sa_slot_t ss;
	dmu_buf_t *spill;
	const int err = find(sh, attr, &ss, &spill);
	if (err != 0)
		return (err);
	*len = ss.ss_len;
	find_done(spill);
	return (0);
}

int
sa_lookup_alloc(sa_handle_t *sh, zpl_sa_t attr, void **bufp, uint32_t *lenp)
{
	sa_slot_t ss;
	dmu_buf_t *spill;
	const int err = find(sh, attr, &ss, &spill);
	if (err != 0)
		return (err);
	*lenp = ss.ss_len;
	*bufp = kmem_alloc(ss.ss_len, KM_SLEEP);
	if (ss.ss_len > 0)
		copy_value(sh->sh_os, &ss, *bufp);
	find_done(spill);
	return (0);
}

/* ---- laying out ------------------------------------------------------ */

/* All attributes of an object in order, with their values in memory. */
typedef struct sa_item {
	uint16_t si_attr;
	uint16_t si_len;
	uint8_t *si_data; /* own copy */
} sa_item_t;
typedef struct sa_list {
	sa_item_t sl_items[SA_MAX_ATTRS];
	uint16_t sl_n;
	uint32_t sl_total;
} sa_list_t;

static void
list_free(sa_list_t *l)
{
	for (uint16_t i = 0; i < l->sl_n; i++)
		kmem_free(l->sl_items[i].si_data, l->sl_items[i].si_len);
	kmem_free(l, sizeof(*l));
}

static int
list_append_slot(sa_list_t *l, sa_os_t *sa, const sa_slot_t *ss)
{
	if (l->sl_n == SA_MAX_ATTRS)
		return (EIO);
	sa_item_t *si = &l->sl_items[l->sl_n++];
	si->si_attr = ss->ss_attr;
	si->si_len = (uint16_t)ss->ss_len;
	si->si_data = kmem_alloc(ss->ss_len, KM_SLEEP);
	if (ss->ss_len > 0)
		copy_value(sa, ss, si->si_data);
	return (0);
}

static int
list_append_buf(sa_list_t *l, sa_os_t *sa, dmu_buf_t *db)
{
	sa_walk_t sw;
	sa_slot_t ss;
	int err = walk_start(&sw, sa, db->db_data, db->db_size);
	while (err == 0 && (err = walk_next(&sw, &ss)) == 0)
		err = list_append_slot(l, sa, &ss);
	return (err == ENOENT ? 0 : err);
}

static int
list_load(sa_handle_t *sh, sa_list_t *l)
{
	dmu_buf_t *spill;
	int err = list_append_buf(l, sh->sh_os, sh->sh_bonus);
	if (err != 0)
		return (err);
	err = dmu_spill_hold(sh->sh_bonus, sa_tag, &spill);
	if (err == 0) {
		err = list_append_buf(l, sh->sh_os, spill);
		dmu_buf_rele(spill, sa_tag);
	}
	return (err == ENOENT ? 0 : err);
}

/* Added at the end; removed; changed where it stands (§1.5). */
static int
list_change(sa_list_t *l, uint16_t attr, const sa_change_t *sc)
{
	uint16_t i = 0;

	if (sc->sc_data != NULL && sc->sc_len > UINT16_MAX)
		return (EFBIG);
	while (i < l->sl_n && l->sl_items[i].si_attr != attr)
		i++;
	if (i < l->sl_n) {
		kmem_free(l->sl_items[i].si_data, l->sl_items[i].si_len);
	} else if (sc->sc_data == NULL) {
		return (0);
	} else if (l->sl_n == SA_MAX_ATTRS) {
		return (EFBIG);
	} else {
		l->sl_n++;
	}
	if (sc->sc_data == NULL) {
		l->sl_n--;
		memmove(&l->sl_items[i], &l->sl_items[i + 1],
		    (size_t)(l->sl_n - i) * sizeof(sa_item_t));
		return (0);
	}
	sa_item_t *si = &l->sl_items[i];
	*si = (sa_item_t){attr, (uint16_t)sc->sc_len, kmem_alloc(sc->sc_len, KM_SLEEP)};
	if (sc->sc_len > 0)
		memcpy(si->si_data, sc->sc_data, sc->sc_len);
	return (0);
}

/* §1.6: the start of every object is found without the layout. */
static const uint8_t canonical[] = {SA_MODE, SA_SIZE, SA_GEN, SA_UID, SA_GID, SA_PARENT,
    SA_FLAGS, SA_ATIME, SA_MTIME, SA_CTIME, SA_CRTIME, SA_LINKS, SA_PROJID, SA_RDEV,
    SA_DACL_COUNT, SA_DACL_ACES};

static void
list_canonicalize(sa_list_t *l, sa_os_t *sa)
{
	uint16_t at = 0;
	for (size_t c = 0; c < ARRAY_SIZE(canonical); c++) {
		const uint16_t attr = sa->sa_num[canonical[c]];
		for (uint16_t i = at; i < l->sl_n; i++) {
			if (l->sl_items[i].si_attr != attr)
				continue;
			const sa_item_t si = l->sl_items[i];
			memmove(&l->sl_items[at + 1], &l->sl_items[at],
			    (size_t)(i - at) * sizeof(si));
			l->sl_items[at++] = si;
			break;
		}
	}
}

/* Header and values of items [from, to) into a zeroed buffer. */
static int
encode(sa_os_t *sa, const sa_list_t *l, uint16_t from, uint16_t to, uint8_t *buf,
    size_t size, dmu_tx_t *tx)
{
	uint16_t attrs[SA_MAX_ATTRS], lengths[SA_MAX_ATTRS], num;
	uint32_t v = 0, pos;

	for (uint16_t i = from; i < to; i++) {
		attrs[i - from] = l->sl_items[i].si_attr;
		if (sa->sa_attrs[l->sl_items[i].si_attr].sat_length == 0)
			lengths[v++] = l->sl_items[i].si_len;
	}
	int err = sa_layout_find(sa, attrs, to - from, tx, &num);
	if (err == 0)
		err = sa_hdr_encode(buf, size, num, lengths, v, &pos);
	if (err != 0)
		return (err);
	for (uint16_t i = from; i < to; i++) {
		const sa_item_t *si = &l->sl_items[i];
		pos = (uint32_t)P2ROUNDUP(pos, 8);
		VERIFY3U(pos + si->si_len, <=, size);
		if (si->si_len > 0)
			memcpy(buf + pos, si->si_data, si->si_len);
		pos += si->si_len;
	}
	return (0);
}

/* Bytes of header and values of items [from, to). */
static uint32_t
extent(sa_os_t *sa, const sa_list_t *l, uint16_t from, uint16_t to)
{
	uint32_t v = 0, t = 0;
	for (uint16_t i = from; i < to; i++) {
		v += sa->sa_attrs[l->sl_items[i].si_attr].sat_length == 0;
		t = (uint32_t)P2ROUNDUP(t, 8) + l->sl_items[i].si_len;
	}
	return (sa_hdr_size_for(v) + t);
}

/* The first item that goes to the spill block; sl_n: none does (§1.5 spill rule). */
static uint16_t
spill_point(sa_os_t *sa, const sa_list_t *l, uint32_t capacity)
{
	uint16_t s = l->sl_n;
	if (extent(sa, l, 0, l->sl_n) <= capacity)
		return (s);
	for (uint16_t i = 0; i < l->sl_n; i++)
		if (extent(sa, l, 0, i + 1) > capacity - sizeof(blkptr_t)) {
			s = i;
			break;
		}
	return (s);
}

static int
store_spill(sa_handle_t *sh, const uint8_t *buf, size_t size, dmu_tx_t *tx)
{
	dmu_buf_t *db;
	const int err = dmu_spill_hold_create(sh->sh_bonus, size, sa_tag, tx, &db);
	if (err != 0)
		return (err);
	dmu_buf_will_dirty(db, tx);
	ASSERT3U(db->db_size, >=, size);
	memcpy(db->db_data, buf, size);
	memset((uint8_t *)db->db_data + size, 0, db->db_size - size);
	dmu_buf_rele(db, sa_tag);
	return (0);
}

/* Write the list into the object. Nothing is changed before all that can fail has been
 * done. */
static int
store_list(sa_handle_t *sh, sa_list_t *l, dmu_tx_t *tx)
{
	sa_os_t *sa = sh->sh_os;
	const uint32_t capacity = (uint32_t)dmu_bonus_max(sh->sh_bonus);
	const uint16_t s = spill_point(sa, l, capacity);
	uint32_t total = 0;
	for (uint16_t i = 0; i < l->sl_n; i++)
		total += l->sl_items[i].si_len;
	const size_t spillsize =
	    s == l->sl_n
		? 0
		: MAX(P2ROUNDUP((uint64_t)extent(sa, l, s, l->sl_n), 512), 512);
	if (total > SA_TOTAL_MAX || spillsize > SA_TOTAL_MAX)
		return (EFBIG);

	uint8_t *bonus = kmem_zalloc(capacity, KM_SLEEP);
	uint8_t *spill = kmem_zalloc(spillsize, KM_SLEEP);
	int err = encode(sa, l, 0, s, bonus, capacity, tx);
	if (err == 0 && spillsize > 0)
		err = encode(sa, l, s, l->sl_n, spill, spillsize, tx);
	if (err != 0)
		goto out;

	uint32_t bonuslen = extent(sa, l, 0, s);
	if (spillsize > 0) {
		/* the spill pointer takes the last 128 bytes of the dnode: make room
		 * first */
		bonuslen = MIN(
		    capacity - (uint32_t)sizeof(blkptr_t), sa_hdr_size_for(1) + total);
		bonuslen = MAX(bonuslen, extent(sa, l, 0, s));
		err = dmu_set_bonus(sh->sh_bonus, (int)bonuslen, tx);
		if (err == 0)
			err = store_spill(sh, spill, spillsize, tx);
	} else {
		err = dmu_spill_remove(sh->sh_bonus, tx);
		if (err == ENOENT)
			err = 0;
		if (err == 0)
			err = dmu_set_bonus(sh->sh_bonus, (int)bonuslen, tx);
	}
	if (err == 0) {
		dmu_buf_will_dirty(sh->sh_bonus, tx);
		memcpy(sh->sh_bonus->db_data, bonus, bonuslen);
	}
out:
	kmem_free(bonus, capacity);
	kmem_free(spill, spillsize);
	return (err);
}

/* ---- changing -------------------------------------------------------- */

bool
sa_fits_in_place(sa_handle_t *sh, zpl_sa_t attr, uint32_t len)
{
	sa_slot_t ss;
	dmu_buf_t *spill;
	if (find(sh, attr, &ss, &spill) != 0)
		return (false);
	find_done(spill);
	return (ss.ss_len == len && !ss.ss_swap);
}

static void
put_in_place(sa_handle_t *sh, const sa_change_t *sc, dmu_tx_t *tx)
{
	sa_slot_t ss;
	dmu_buf_t *spill;
	/* found a moment ago under the same lock */
	VERIFY0(find(sh, sc->sc_attr, &ss, &spill));
	dmu_buf_t *db = spill != NULL ? spill : sh->sh_bonus;
	const size_t off = (size_t)(ss.ss_data - (uint8_t *)db->db_data);
	dmu_buf_will_dirty(db, tx);
	memcpy((uint8_t *)db->db_data + off, sc->sc_data, sc->sc_len);
	find_done(spill);
}

static int
relayout(
    sa_handle_t *sh, const sa_change_t *sc, int n, bool fresh, bool canon, dmu_tx_t *tx)
{
	sa_list_t *l = kmem_zalloc(sizeof(*l), KM_SLEEP);
	int err = fresh ? 0 : list_load(sh, l);
	for (int i = 0; i < n && err == 0; i++)
		err = list_change(l, sh->sh_os->sa_num[sc[i].sc_attr], &sc[i]);
	if (err == 0 && canon)
		list_canonicalize(l, sh->sh_os);
	if (err == 0)
		err = store_list(sh, l, tx);
	list_free(l);
	return (err);
}

int
sa_create(sa_handle_t *sh, const sa_change_t *sc, int n, dmu_tx_t *tx)
{
	if (sa_is_legacy(sh))
		return (sa_update(sh, sc, n, tx));
	return (relayout(sh, sc, n, true, false, tx));
}

int
sa_update(sa_handle_t *sh, const sa_change_t *sc, int n, dmu_tx_t *tx)
{
	bool in_place = true;
	for (int i = 0; i < n && in_place; i++)
		in_place = sc[i].sc_data != NULL &&
			   sa_fits_in_place(sh, sc[i].sc_attr, sc[i].sc_len);
	if (in_place) {
		for (int i = 0; i < n; i++)
			put_in_place(sh, &sc[i], tx);
		return (0);
	}
	if (sa_is_legacy(sh))
		return (ENOTSUP);
	return (relayout(sh, sc, n, false, false, tx));
}

int
sa_update_canonical(sa_handle_t *sh, const sa_change_t *sc, int n, dmu_tx_t *tx)
{
	return (sa_is_legacy(sh) ? ENOTSUP : relayout(sh, sc, n, false, true, tx));
}

int
sa_convert(sa_handle_t *sh, const sa_change_t *sc, int n, dmu_tx_t *tx)
{
	ASSERT(sa_is_legacy(sh));
	int err = relayout(sh, sc, n, true, true, tx);
	if (err == 0)
		err = dmu_set_bonustype(sh->sh_bonus, DMU_OT_SA, tx);
	if (err == 0)
		sh->sh_type = DMU_OT_SA;
	return (err);
}
