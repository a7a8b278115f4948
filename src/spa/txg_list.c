/*
 * Lists of the objects that are dirty in a txg. One list head per group in flight, one
 * membership node inside each object; the lock is a leaf of the lock order.
 *
 * The lists are singly linked: objects are taken from the head, one after the other, by the
 * sync thread; removing from the middle is rare.
 */
#include "spa/txg.h"

static txg_node_t *
txg_list_node(const txg_list_t *tl, void *obj)
{
	return ((txg_node_t *)(void *)((char *)obj + tl->tl_offset));
}

static void *
txg_list_obj(const txg_list_t *tl, txg_node_t *tn)
{
	return (tn == NULL ? NULL : (void *)((char *)tn - tl->tl_offset));
}

void
txg_list_create(txg_list_t *tl, size_t offset)
{
	mutex_init(&tl->tl_lock);
	tl->tl_offset = offset;
	memset(tl->tl_head, 0, sizeof(tl->tl_head));
}

void
txg_list_destroy(txg_list_t *tl)
{
	for (int t = 0; t < TXG_SIZE; t++)
		ASSERT(tl->tl_head[t] == NULL);
	mutex_destroy(&tl->tl_lock);
}

bool
txg_list_empty(txg_list_t *tl, uint64_t txg)
{
	mutex_enter(&tl->tl_lock);
	const bool empty = tl->tl_head[txg & TXG_MASK] == NULL;
	mutex_exit(&tl->tl_lock);
	return (empty);
}

static bool
txg_list_insert(txg_list_t *tl, void *obj, uint64_t txg, bool tail)
{
	const int t = txg & TXG_MASK;
	txg_node_t *tn = txg_list_node(tl, obj);

	mutex_enter(&tl->tl_lock);
	const bool fresh = !tn->tn_member[t];
	if (fresh) {
		txg_node_t **pp = &tl->tl_head[t];
		while (tail && *pp != NULL)
			pp = &(*pp)->tn_next[t];
		tn->tn_next[t] = *pp;
		tn->tn_member[t] = 1;
		*pp = tn;
	}
	mutex_exit(&tl->tl_lock);
	return (fresh);
}

bool
txg_list_add(txg_list_t *tl, void *obj, uint64_t txg)
{
	return (txg_list_insert(tl, obj, txg, false));
}

bool
txg_list_add_tail(txg_list_t *tl, void *obj, uint64_t txg)
{
	return (txg_list_insert(tl, obj, txg, true));
}

static void
txg_list_unlink(txg_node_t **pp, int t)
{
	txg_node_t *tn = *pp;

	*pp = tn->tn_next[t];
	tn->tn_next[t] = NULL;
	tn->tn_member[t] = 0;
}

void *
txg_list_remove(txg_list_t *tl, uint64_t txg)
{
	const int t = txg & TXG_MASK;

	mutex_enter(&tl->tl_lock);
	txg_node_t *tn = tl->tl_head[t];
	if (tn != NULL)
		txg_list_unlink(&tl->tl_head[t], t);
	mutex_exit(&tl->tl_lock);
	return (txg_list_obj(tl, tn));
}

void *
txg_list_remove_this(txg_list_t *tl, void *obj, uint64_t txg)
{
	const int t = txg & TXG_MASK;
	txg_node_t *tn = txg_list_node(tl, obj);
	void *found = NULL;

	mutex_enter(&tl->tl_lock);
	for (txg_node_t **pp = &tl->tl_head[t]; *pp != NULL; pp = &(*pp)->tn_next[t]) {
		if (*pp == tn) {
			txg_list_unlink(pp, t);
			found = obj;
			break;
		}
	}
	mutex_exit(&tl->tl_lock);
	return (found);
}

bool
txg_list_member(txg_list_t *tl, void *obj, uint64_t txg)
{
	mutex_enter(&tl->tl_lock);
	const bool member = txg_list_node(tl, obj)->tn_member[txg & TXG_MASK] != 0;
	mutex_exit(&tl->tl_lock);
	return (member);
}

void *
txg_list_head(txg_list_t *tl, uint64_t txg)
{
	mutex_enter(&tl->tl_lock);
	txg_node_t *tn = tl->tl_head[txg & TXG_MASK];
	mutex_exit(&tl->tl_lock);
	return (txg_list_obj(tl, tn));
}

void *
txg_list_next(txg_list_t *tl, void *obj, uint64_t txg)
{
	mutex_enter(&tl->tl_lock);
	txg_node_t *tn = txg_list_node(tl, obj)->tn_next[txg & TXG_MASK];
	mutex_exit(&tl->tl_lock);
	return (txg_list_obj(tl, tn));
}
