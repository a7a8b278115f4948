#include "zpl/zpl_rangelock.h"

void
zpl_rangelock_init(zpl_rangelock_t *rl)
{
	mutex_init(&rl->rl_lock);
	cv_init(&rl->rl_cv);
	list_create(&rl->rl_list, sizeof(zpl_range_t), offsetof(zpl_range_t, r_node));
}

void
zpl_rangelock_fini(zpl_rangelock_t *rl)
{
	list_destroy(&rl->rl_list);
	cv_destroy(&rl->rl_cv);
	mutex_destroy(&rl->rl_lock);
}

/* Only what stands before r in the list can be in its way: first come, first served. */
static bool
must_wait(zpl_rangelock_t *rl, const zpl_range_t *r)
{
	for (zpl_range_t *o = list_head(&rl->rl_list); o != r;
	     o = list_next(&rl->rl_list, o))
		if ((o->r_write || r->r_write) && o->r_off < r->r_end &&
		    r->r_off < o->r_end)
			return (true);
	return (false);
}

void
zpl_range_enter(
    zpl_rangelock_t *rl, zpl_range_t *r, uint64_t off, uint64_t len, bool write)
{
	*r = (zpl_range_t){.r_off = off,
	    .r_end = len > UINT64_MAX - off ? UINT64_MAX : off + len,
	    .r_write = write};
	mutex_enter(&rl->rl_lock);
	list_insert_tail(&rl->rl_list, r);
	while (must_wait(rl, r))
		cv_wait(&rl->rl_cv, &rl->rl_lock);
	mutex_exit(&rl->rl_lock);
}

void
zpl_range_reduce(zpl_rangelock_t *rl, zpl_range_t *r, uint64_t off, uint64_t len)
{
	mutex_enter(&rl->rl_lock);
	ASSERT(off >= r->r_off && off + len <= r->r_end);
	r->r_off = off;
	r->r_end = off + len;
	cv_broadcast(&rl->rl_cv);
	mutex_exit(&rl->rl_lock);
}

void
zpl_range_exit(zpl_rangelock_t *rl, zpl_range_t *r)
{
	mutex_enter(&rl->rl_lock);
	list_remove(&rl->rl_list, r);
	if (!list_is_empty(&rl->rl_list))
		cv_broadcast(&rl->rl_cv);
	mutex_exit(&rl->rl_lock);
}
