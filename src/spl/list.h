/*
 * Doubly linked lists through a node inside the object, as in list_create(9F).
 * No locking.
 */
#ifndef TARN_SPL_LIST_H
#define TARN_SPL_LIST_H

#include "spl/types.h"
#include "spl/debug.h"

typedef struct list_node {
	struct list_node *ln_next, *ln_prev;
} list_node_t;
typedef struct list {
	size_t list_offset;
	list_node_t list_head;
} list_t;

static inline void
list_create(list_t *l, size_t size, size_t offset)
{
	(void)size;
	l->list_offset = offset;
	l->list_head.ln_next = l->list_head.ln_prev = &l->list_head;
}
static inline void
list_destroy(list_t *l)
{
	ASSERT(l->list_head.ln_next == &l->list_head);
	l->list_head.ln_next = l->list_head.ln_prev = NULL;
}
static inline list_node_t *
list_d2l(const list_t *l, void *obj)
{
	return ((list_node_t *)(void *)((char *)obj + l->list_offset));
}
static inline void *
list_l2d(const list_t *l, list_node_t *n)
{
	return (n == &l->list_head ? NULL : (void *)((char *)n - l->list_offset));
}
static inline void
list_link_init(list_node_t *n)
{
	n->ln_next = n->ln_prev = NULL;
}
static inline bool
list_link_active(const list_node_t *n)
{
	return (n->ln_next != NULL);
}
static inline void
list_insert_node_before(list_node_t *at, list_node_t *n)
{
	n->ln_next = at;
	n->ln_prev = at->ln_prev;
	at->ln_prev->ln_next = n;
	at->ln_prev = n;
}
static inline void
list_insert_head(list_t *l, void *obj)
{
	list_insert_node_before(l->list_head.ln_next, list_d2l(l, obj));
}
static inline void
list_insert_tail(list_t *l, void *obj)
{
	list_insert_node_before(&l->list_head, list_d2l(l, obj));
}
static inline void
list_insert_before(list_t *l, void *at, void *obj)
{
	list_insert_node_before(
	    at == NULL ? &l->list_head : list_d2l(l, at), list_d2l(l, obj));
}
static inline void
list_insert_after(list_t *l, void *at, void *obj)
{
	list_insert_node_before(
	    at == NULL ? l->list_head.ln_next : list_d2l(l, at)->ln_next,
	    list_d2l(l, obj));
}
static inline void
list_remove(list_t *l, void *obj)
{
	list_node_t *n = list_d2l(l, obj);
	n->ln_prev->ln_next = n->ln_next;
	n->ln_next->ln_prev = n->ln_prev;
	n->ln_next = n->ln_prev = NULL;
}
static inline bool
list_is_empty(const list_t *l)
{
	return (l->list_head.ln_next == &l->list_head);
}
static inline void *
list_head(const list_t *l)
{
	return (list_l2d(l, l->list_head.ln_next));
}
static inline void *
list_tail(const list_t *l)
{
	return (list_l2d(l, l->list_head.ln_prev));
}
static inline void *
list_next(const list_t *l, void *obj)
{
	return (list_l2d(l, list_d2l(l, obj)->ln_next));
}
static inline void *
list_prev(const list_t *l, void *obj)
{
	return (list_l2d(l, list_d2l(l, obj)->ln_prev));
}
static inline void *
list_remove_head(list_t *l)
{
	void *obj = list_head(l);
	if (obj != NULL)
		list_remove(l, obj);
	return (obj);
}
static inline void *
list_remove_tail(list_t *l)
{
	void *obj = list_tail(l);
	if (obj != NULL)
		list_remove(l, obj);
	return (obj);
}
/* Append everything of src to dst; src is empty afterwards. */
static inline void
list_move_tail(list_t *dst, list_t *src)
{
	if (list_is_empty(src))
		return;
	list_node_t *first = src->list_head.ln_next, *last = src->list_head.ln_prev;
	list_node_t *end = &dst->list_head;
	first->ln_prev = end->ln_prev;
	end->ln_prev->ln_next = first;
	last->ln_next = end;
	end->ln_prev = last;
	src->list_head.ln_next = src->list_head.ln_prev = &src->list_head;
}

#endif
