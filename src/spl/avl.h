/*
 * Balanced search trees (AVL) through a node inside the object. No locking.
 * The comparison returns <0, 0, >0; no two objects of a tree compare equal.
 */
#ifndef TARN_SPL_AVL_H
#define TARN_SPL_AVL_H

#include "spl/types.h"

typedef struct avl_node {
	struct avl_node *avl_child[2], *avl_parent;
	int avl_balance;
} avl_node_t;
typedef struct avl_tree {
	avl_node_t *avl_root;
	int (*avl_compar)(const void *, const void *);
	size_t avl_offset;
	uint64_t avl_numnodes;
} avl_tree_t;
/* Where a search ended; valid until the tree changes. */
typedef struct avl_index {
	avl_node_t *ai_parent;
	int ai_child;
} avl_index_t;

#define AVL_BEFORE 0
#define AVL_AFTER 1

void avl_create(avl_tree_t *t, int (*compar)(const void *, const void *), size_t size,
    size_t offset);
void avl_destroy(avl_tree_t *t); /* must be empty */
/* The object equal to *key, or NULL and (if where != NULL) the place for avl_insert. */
void *avl_find(avl_tree_t *t, const void *key, avl_index_t *where);
void avl_insert(avl_tree_t *t, void *obj, avl_index_t where);
void avl_add(avl_tree_t *t, void *obj); /* panics if an equal object is there */
void avl_remove(avl_tree_t *t, void *obj);
void *avl_first(avl_tree_t *t);
void *avl_last(avl_tree_t *t);
void *avl_next(avl_tree_t *t, void *obj);
void *avl_prev(avl_tree_t *t, void *obj);
/* Neighbour of a failed search's place in the given direction, or NULL. */
void *avl_nearest(avl_tree_t *t, avl_index_t where, int direction);
static inline uint64_t
avl_numnodes(const avl_tree_t *t)
{
	return (t->avl_numnodes);
}
static inline bool
avl_is_empty(const avl_tree_t *t)
{
	return (t->avl_numnodes == 0);
}
/*
 * Empty a tree without rebalancing: call until NULL, freeing each object;
 * *cookie starts NULL. Afterwards the tree is empty.
 */
void *avl_destroy_nodes(avl_tree_t *t, void **cookie);

#endif
