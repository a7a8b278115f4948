/* Task queues: order, waiting for descendants, caller-owned entries. */
#include "spl_test.h"

static uint64_t done;

static void
count_one(void *arg)
{
	(void)atomic_inc_64(&done);
}

static void
every_task_runs_once(void **state)
{
	taskq_t *tq = taskq_create("many", 3);

	done = 0;
	for (int i = 0; i < 20000; i++)
		taskq_dispatch(tq, count_one, NULL);
	taskq_wait(tq);
	assert_int_equal(atomic_load_64(&done), 20000);
	for (int i = 0; i < 100; i++)
		taskq_dispatch(tq, count_one, NULL);
	taskq_destroy(tq); /* runs the rest */
	assert_int_equal(done, 20100);
}

typedef struct ordered {
	taskq_ent_t ent;
	int nr;
} ordered_t;

static int order[64];
static int order_len;

static void
note_order(void *arg)
{
	order[order_len++] = ((ordered_t *)arg)->nr;
}

static void
hold_up(void *arg)
{
	kmutex_t *gate = arg;

	mutex_enter(gate);
	mutex_exit(gate);
}

static void
one_thread_keeps_order_and_front_overtakes(void **state)
{
	static ordered_t tasks[11];
	taskq_t *tq = taskq_create("one", 1);
	kmutex_t gate;

	mutex_init(&gate);
	mutex_enter(&gate);
	taskq_dispatch(tq, hold_up, &gate);
	/* The worker may not have taken hold_up yet: wait until the front is free. */
	spl_delay(MSEC2NSEC(50));
	for (int i = 0; i < 11; i++)
		tasks[i].nr = i;
	for (int i = 0; i < 10; i++)
		taskq_dispatch_ent(tq, note_order, &tasks[i], &tasks[i].ent);
	taskq_dispatch_front(tq, note_order, &tasks[10], &tasks[10].ent);
	mutex_exit(&gate);
	taskq_wait(tq);
	assert_int_equal(order_len, 11);
	assert_int_equal(order[0], 10);
	for (int i = 0; i < 10; i++)
		assert_int_equal(order[i + 1], i);
	taskq_destroy(tq);
	mutex_destroy(&gate);
}

typedef struct tree {
	taskq_t *tq;
	int depth;
} tree_t;

static void
branch(void *arg)
{
	tree_t *t = arg;

	assert_true(taskq_member(t->tq));
	for (int i = 0; i < 2 && t->depth > 0; i++) {
		tree_t *kid = kmem_alloc(sizeof(*kid), KM_SLEEP);
		*kid = (tree_t){ t->tq, t->depth - 1 };
		taskq_dispatch(t->tq, branch, kid);
	}
	(void)atomic_inc_64(&done);
	kmem_free(t, sizeof(*t));
}

static void
wait_covers_what_tasks_dispatch(void **state)
{
	taskq_t *tq = taskq_create("tree", 0);
	tree_t *root = kmem_alloc(sizeof(*root), KM_SLEEP);

	done = 0;
	*root = (tree_t){ tq, 10 };
	assert_false(taskq_member(tq));
	taskq_dispatch(tq, branch, root);
	taskq_wait(tq);
	assert_int_equal(atomic_load_64(&done), 2047);
	taskq_destroy(tq);
}

typedef struct again {
	taskq_ent_t ent;
	taskq_t *tq;
	int left;
} again_t;

static void
go_again(void *arg)
{
	again_t *a = arg;

	if (--a->left > 0)
		taskq_dispatch_ent(a->tq, go_again, a, &a->ent);
	else
		kmem_free(a, sizeof(*a));
}

static void
an_entry_may_be_reused_or_freed_by_its_own_task(void **state)
{
	taskq_t *tq = taskq_create("again", 2);
	again_t *a = kmem_zalloc(sizeof(*a), KM_SLEEP);

	a->tq = tq;
	a->left = 1000;
	taskq_dispatch_ent(tq, go_again, a, &a->ent);
	taskq_wait(tq);
	taskq_destroy(tq);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_task_runs_once),
		cmocka_unit_test(one_thread_keeps_order_and_front_overtakes),
		cmocka_unit_test(wait_covers_what_tasks_dispatch),
		cmocka_unit_test(an_entry_may_be_reused_or_freed_by_its_own_task),
	};
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
