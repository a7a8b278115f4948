/* AVL trees against a plain presence table, with the invariants checked throughout. */
#include "spl_test.h"

#define KEYS 512

typedef struct item {
	int key;
	bool present;
	avl_node_t node;
} item_t;

static int
item_compar(const void *a, const void *b)
{
	const item_t *x = a, *y = b;
	return (x->key < y->key ? -1 : x->key > y->key);
}

static void
tree_create(avl_tree_t *t)
{
	avl_create(t, item_compar, sizeof(item_t), offsetof(item_t, node));
}

/* Height of a subtree; checks balance, links and order below it. */
static int
check_subtree(avl_node_t *n, avl_node_t *parent)
{
	if (n == NULL)
		return (0);
	assert_ptr_equal(n->avl_parent, parent);
	const int l = check_subtree(n->avl_child[0], n);
	const int r = check_subtree(n->avl_child[1], n);
	assert_int_equal(n->avl_balance, r - l);
	assert_true(r - l >= -1 && r - l <= 1);
	return (1 + (l > r ? l : r));
}

static void
check_tree(avl_tree_t *t, item_t *items)
{
	(void)check_subtree(t->avl_root, NULL);
	item_t *at = avl_first(t);
	for (int i = 0; i < KEYS; i++) {
		if (!items[i].present)
			continue;
		assert_ptr_equal(at, &items[i]);
		at = avl_next(t, at);
	}
	assert_null(at);
	at = avl_last(t);
	for (int i = KEYS - 1; i >= 0; i--) {
		if (!items[i].present)
			continue;
		assert_ptr_equal(at, &items[i]);
		at = avl_prev(t, at);
	}
	assert_null(at);
}

static void
random_inserts_and_removals_keep_order_and_balance(void **state)
{
	static item_t items[KEYS];
	uint64_t rnd = test_seed();
	avl_tree_t t;
	uint64_t count = 0;

	tree_create(&t);
	for (int i = 0; i < KEYS; i++)
		items[i] = (item_t){ .key = i };
	for (int step = 0; step < 40000; step++) {
		item_t *it = &items[test_rand(&rnd) % KEYS];
		avl_index_t where;
		if (it->present) {
			assert_ptr_equal(avl_find(&t, it, NULL), it);
			avl_remove(&t, it);
			count--;
		} else {
			assert_null(avl_find(&t, it, &where));
			avl_insert(&t, it, where);
			count++;
		}
		it->present = !it->present;
		assert_int_equal(avl_numnodes(&t), count);
		if (step % 97 == 0)
			check_tree(&t, items);
	}
	check_tree(&t, items);
	for (int i = 0; i < KEYS; i++) {
		if (items[i].present)
			avl_remove(&t, &items[i]);
	}
	assert_true(avl_is_empty(&t));
	avl_destroy(&t);
}

static void
nearest_finds_the_neighbours_of_a_gap(void **state)
{
	item_t items[10], probe;
	avl_index_t where;
	avl_tree_t t;

	tree_create(&t);
	for (int i = 0; i < 10; i++) {
		items[i].key = 10 * i;
		avl_add(&t, &items[i]);
	}
	for (int key = -5; key < 100; key += 10) {
		probe.key = key;
		assert_null(avl_find(&t, &probe, &where));
		item_t *before = avl_nearest(&t, where, AVL_BEFORE);
		item_t *after = avl_nearest(&t, where, AVL_AFTER);
		if (key < 0)
			assert_null(before);
		else
			assert_int_equal(before->key, key - 5);
		if (key > 90)
			assert_null(after);
		else
			assert_int_equal(after->key, key + 5);
	}
}

static void
destroy_nodes_hands_out_every_object_once(void **state)
{
	avl_tree_t t;
	void *cookie = NULL;
	item_t *it;
	uint64_t sum = 0, n = 0;

	tree_create(&t);
	for (int i = 0; i < 1000; i++) {
		it = kmem_alloc(sizeof(*it), KM_SLEEP);
		it->key = (i * 7919) % 1000;
		avl_add(&t, it);
	}
	while ((it = avl_destroy_nodes(&t, &cookie)) != NULL) {
		sum += (uint64_t)it->key;
		n++;
		kmem_free(it, sizeof(*it));
	}
	assert_int_equal(n, 1000);
	assert_int_equal(sum, 999 * 1000 / 2);
	assert_true(avl_is_empty(&t));
	avl_destroy(&t);
}

static void
add_twice(void *arg)
{
	item_t a = { .key = 1 }, b = { .key = 1 };
	avl_tree_t t;

	tree_create(&t);
	avl_add(&t, &a);
	avl_add(&t, &b);
}

static void
adding_an_equal_object_panics(void **state)
{
	assert_panics(add_twice, NULL, "avl_add: an equal object is already in the tree");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_inserts_and_removals_keep_order_and_balance),
		cmocka_unit_test(nearest_finds_the_neighbours_of_a_gap),
		cmocka_unit_test(destroy_nodes_hands_out_every_object_once),
		cmocka_unit_test(adding_an_equal_object_panics),
	};
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
