/*
 * AVL trees: binary search trees in which the two subtrees of a node differ in
 * height by at most one (Adelson-Velsky and Landis, 1962).
 *
 * avl_balance is height(right) - height(left). An insertion or removal walks up
 * from the place of change and mends a node that reaches +-2 by one or two
 * rotations; it stops as soon as a subtree keeps its height.
 *
 * `dir` is 0 for left, 1 for right, and dir2sign turns it into -1/+1; each case
 * is written once for both directions.
 */
#include "spl/avl.h"
#include "spl/debug.h"

#define DIR2SIGN(dir) ((dir) == 0 ? -1 : 1)

static inline void *
node2obj(const avl_tree_t *t, avl_node_t *n)
{
	return (n == NULL ? NULL : (void *)((char *)n - t->avl_offset));
}

static inline avl_node_t *
obj2node(const avl_tree_t *t, void *obj)
{
	return ((avl_node_t *)(void *)((char *)obj + t->avl_offset));
}

static inline int
which_child(const avl_node_t *n)
{
	return (n->avl_parent->avl_child[1] == n);
}

/* Let `new` take the place of `old` below old's parent. */
static void
avl_replace(avl_tree_t *t, avl_node_t *old, avl_node_t *new)
{
	if (old->avl_parent == NULL)
		t->avl_root = new;
	else
		old->avl_parent->avl_child[which_child(old)] = new;
	if (new != NULL)
		new->avl_parent = old->avl_parent;
}

/* Move n down to side `dir`, its other child up; balances are the caller's. */
static avl_node_t *
avl_rotate(avl_tree_t *t, avl_node_t *n, int dir)
{
	avl_node_t *up = n->avl_child[!dir];

	avl_replace(t, n, up);
	n->avl_child[!dir] = up->avl_child[dir];
	if (n->avl_child[!dir] != NULL)
		n->avl_child[!dir]->avl_parent = n;
	up->avl_child[dir] = n;
	n->avl_parent = up;
	return (up);
}

/*
 * Mend a node whose side `dir` is two higher than the other. Returns the new
 * top of the subtree; *shorter tells whether its height fell by one.
 */
static avl_node_t *
avl_mend(avl_tree_t *t, avl_node_t *n, int dir, bool *shorter)
{
	const int sign = DIR2SIGN(dir);
	avl_node_t *heavy = n->avl_child[dir];
	avl_node_t *top;

	*shorter = true;
	if (heavy->avl_balance != -sign) {
		*shorter = heavy->avl_balance != 0;
		n->avl_balance = *shorter ? 0 : sign;
		heavy->avl_balance = *shorter ? 0 : -sign;
		return (avl_rotate(t, n, !dir));
	}
	/* The inner grandchild is the high one: it comes to the top. */
	top = avl_rotate(t, heavy, dir);
	(void)avl_rotate(t, n, !dir);
	n->avl_balance = top->avl_balance == sign ? -sign : 0;
	heavy->avl_balance = top->avl_balance == -sign ? sign : 0;
	top->avl_balance = 0;
	return (top);
}

/* The outermost node of a subtree on side `dir`. */
static avl_node_t *
avl_extreme(avl_node_t *n, int dir)
{
	while (n != NULL && n->avl_child[dir] != NULL)
		n = n->avl_child[dir];
	return (n);
}

static avl_node_t *
avl_step(avl_node_t *n, int dir)
{
	if (n->avl_child[dir] != NULL)
		return (avl_extreme(n->avl_child[dir], !dir));
	while (n->avl_parent != NULL && which_child(n) == dir)
		n = n->avl_parent;
	return (n->avl_parent);
}

void
avl_create(avl_tree_t *t, int (*compar)(const void *, const void *), size_t size,
    size_t offset)
{
	ASSERT3U(offset + sizeof(avl_node_t), <=, size);
	t->avl_root = NULL;
	t->avl_compar = compar;
	t->avl_offset = offset;
	t->avl_numnodes = 0;
}

void
avl_destroy(avl_tree_t *t)
{
	ASSERT(t->avl_root == NULL && t->avl_numnodes == 0);
	t->avl_compar = NULL;
}

void *
avl_find(avl_tree_t *t, const void *key, avl_index_t *where)
{
	avl_index_t at = { NULL, 0 };
	avl_node_t *n = t->avl_root;

	while (n != NULL) {
		const int diff = t->avl_compar(key, node2obj(t, n));
		if (diff == 0)
			return (node2obj(t, n));
		at.ai_parent = n;
		at.ai_child = diff > 0;
		n = n->avl_child[at.ai_child];
	}
	if (where != NULL)
		*where = at;
	return (NULL);
}

void
avl_insert(avl_tree_t *t, void *obj, avl_index_t where)
{
	avl_node_t *n = obj2node(t, obj);
	avl_node_t *up = where.ai_parent;
	int dir = where.ai_child;
	bool shorter;

	n->avl_child[0] = n->avl_child[1] = NULL;
	n->avl_parent = up;
	n->avl_balance = 0;
	t->avl_numnodes++;
	if (up == NULL) {
		ASSERT(t->avl_root == NULL);
		t->avl_root = n;
		return;
	}
	ASSERT(up->avl_child[dir] == NULL);
	up->avl_child[dir] = n;
	/* up's side `dir` has become higher by one. */
	while (up != NULL) {
		up->avl_balance += DIR2SIGN(dir);
		if (up->avl_balance == 0)
			return;
		if (up->avl_balance == 2 || up->avl_balance == -2) {
			(void)avl_mend(t, up, dir, &shorter);
			return;
		}
		if (up->avl_parent != NULL)
			dir = which_child(up);
		up = up->avl_parent;
	}
}

void
avl_add(avl_tree_t *t, void *obj)
{
	avl_index_t where;

	if (avl_find(t, obj, &where) != NULL)
		panic("avl_add: an equal object is already in the tree");
	avl_insert(t, obj, where);
}

/* Walk up from `up`, whose side `dir` has become lower by one. */
static void
avl_shrunk(avl_tree_t *t, avl_node_t *up, int dir)
{
	while (up != NULL) {
		bool shorter = true;

		up->avl_balance -= DIR2SIGN(dir);
		if (up->avl_balance == 2 || up->avl_balance == -2)
			up = avl_mend(t, up, !dir, &shorter);
		else
			shorter = up->avl_balance == 0;
		if (!shorter)
			return;
		if (up->avl_parent != NULL)
			dir = which_child(up);
		up = up->avl_parent;
	}
}

void
avl_remove(avl_tree_t *t, void *obj)
{
	avl_node_t *n = obj2node(t, obj);
	avl_node_t *up;
	int dir;

	ASSERT3U(t->avl_numnodes, >, 0);
	if (n->avl_child[0] != NULL && n->avl_child[1] != NULL) {
		/* Let the neighbour on the higher side take n's place. */
		const int side = n->avl_balance > 0;
		avl_node_t *heir = avl_extreme(n->avl_child[side], !side);

		up = heir->avl_parent == n ? heir : heir->avl_parent;
		dir = which_child(heir);
		avl_replace(t, heir, heir->avl_child[side]);
		heir->avl_balance = n->avl_balance;
		for (int i = 0; i < 2; i++) {
			heir->avl_child[i] = n->avl_child[i];
			if (heir->avl_child[i] != NULL)
				heir->avl_child[i]->avl_parent = heir;
		}
		avl_replace(t, n, heir);
	} else {
		up = n->avl_parent;
		dir = up != NULL ? which_child(n) : 0;
		avl_replace(t, n, n->avl_child[n->avl_child[0] == NULL]);
	}
	t->avl_numnodes--;
	avl_shrunk(t, up, dir);
}

void *
avl_first(avl_tree_t *t)
{
	return (node2obj(t, avl_extreme(t->avl_root, 0)));
}

void *
avl_last(avl_tree_t *t)
{
	return (node2obj(t, avl_extreme(t->avl_root, 1)));
}

void *
avl_next(avl_tree_t *t, void *obj)
{
	return (node2obj(t, avl_step(obj2node(t, obj), 1)));
}

void *
avl_prev(avl_tree_t *t, void *obj)
{
	return (node2obj(t, avl_step(obj2node(t, obj), 0)));
}

void *
avl_nearest(avl_tree_t *t, avl_index_t where, int direction)
{
	avl_node_t *n = where.ai_parent;

	if (n == NULL)
		return (NULL);
	if (where.ai_child != direction)
		return (node2obj(t, n));
	return (node2obj(t, avl_step(n, direction)));
}

void *
avl_destroy_nodes(avl_tree_t *t, void **cookie)
{
	avl_node_t *n = *cookie != NULL ? *cookie : t->avl_root;

	if (n == NULL)
		return (NULL);
	while (n->avl_child[0] != NULL || n->avl_child[1] != NULL)
		n = n->avl_child[n->avl_child[0] == NULL];
	*cookie = n->avl_parent;
	avl_replace(t, n, NULL);
	t->avl_numnodes--;
	return (node2obj(t, n));
}
