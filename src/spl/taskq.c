/*
 * Task queues.
 *
 * A queue is a list of tasks, a lock and two conditions: "there is work" wakes a
 * worker, "nothing is left" wakes whoever waits for the queue. A task counts as
 * work (tq_pending) from its dispatch until its function has returned, so what a
 * running task dispatches extends the wait for it.
 *
 * A task in the caller's memory (taskq_ent) is not touched any more once its
 * function has been called: the function may free or dispatch it again.
 *
 * Locks: tq_lock alone; it is never held while a task runs.
 */
#include <stdio.h>

#include "spl/taskq.h"
#include "spl/debug.h"
#include "spl/kmem.h"
#include "spl/sync.h"
#include "spl/thread.h"

struct taskq {
	kmutex_t tq_lock;
	kcondvar_t tq_work; /* tq_list is not empty, or tq_stop */
	kcondvar_t tq_idle; /* tq_pending fell to 0 */
	list_t tq_list;
	uint64_t tq_pending; /* dispatched and not yet returned */
	bool tq_stop;
	int tq_nthreads;
	kthread_t **tq_threads;
	char tq_name[16];
};

static _Thread_local taskq_t *taskq_self; /* whose worker this thread is */

static void
taskq_run(taskq_t *tq, taskq_ent_t *ent)
{
	task_func_t *func = ent->tqent_func;
	void *arg = ent->tqent_arg;

	if (!ent->tqent_prealloc)
		kmem_free(ent, sizeof(*ent));
	func(arg);
}

static void
taskq_worker(void *arg)
{
	taskq_t *tq = arg;
	taskq_ent_t *ent;

	taskq_self = tq;
	mutex_enter(&tq->tq_lock);
	for (;;) {
		while ((ent = list_remove_head(&tq->tq_list)) == NULL && !tq->tq_stop)
			cv_wait(&tq->tq_work, &tq->tq_lock);
		if (ent == NULL)
			break;
		mutex_exit(&tq->tq_lock);
		taskq_run(tq, ent);
		mutex_enter(&tq->tq_lock);
		if (--tq->tq_pending == 0)
			cv_broadcast(&tq->tq_idle);
	}
	mutex_exit(&tq->tq_lock);
}

taskq_t *
taskq_create(const char *name, int nthreads)
{
	taskq_t *tq = kmem_zalloc(sizeof(*tq), KM_SLEEP);

	VERIFY3S(nthreads, >=, 0);
	mutex_init(&tq->tq_lock);
	cv_init(&tq->tq_work);
	cv_init(&tq->tq_idle);
	list_create(&tq->tq_list, sizeof(taskq_ent_t), offsetof(taskq_ent_t, tqent_node));
	(void)snprintf(tq->tq_name, sizeof(tq->tq_name), "%s", name);
	tq->tq_nthreads = nthreads > 0 ? nthreads : spl_ncpus();
	tq->tq_threads =
	    kmem_alloc((size_t)tq->tq_nthreads * sizeof(kthread_t *), KM_SLEEP);
	for (int i = 0; i < tq->tq_nthreads; i++)
		tq->tq_threads[i] = thread_create(tq->tq_name, taskq_worker, tq);
	return (tq);
}

void
taskq_destroy(taskq_t *tq)
{
	VERIFY(!taskq_member(tq));
	/* A running task may still dispatch: first let it all end. */
	taskq_wait(tq);
	mutex_enter(&tq->tq_lock);
	tq->tq_stop = true;
	cv_broadcast(&tq->tq_work);
	mutex_exit(&tq->tq_lock);
	for (int i = 0; i < tq->tq_nthreads; i++)
		thread_join(tq->tq_threads[i]);
	VERIFY3U(tq->tq_pending, ==, 0);
	kmem_free(tq->tq_threads, (size_t)tq->tq_nthreads * sizeof(kthread_t *));
	list_destroy(&tq->tq_list);
	cv_destroy(&tq->tq_idle);
	cv_destroy(&tq->tq_work);
	mutex_destroy(&tq->tq_lock);
	kmem_free(tq, sizeof(*tq));
}

static void
taskq_enqueue(taskq_t *tq, taskq_ent_t *ent, bool front)
{
	mutex_enter(&tq->tq_lock);
	VERIFY(!tq->tq_stop);
	if (front)
		list_insert_head(&tq->tq_list, ent);
	else
		list_insert_tail(&tq->tq_list, ent);
	tq->tq_pending++;
	cv_signal(&tq->tq_work);
	mutex_exit(&tq->tq_lock);
}

static void
taskq_ent_set(taskq_ent_t *ent, task_func_t *func, void *arg, bool prealloc)
{
	ent->tqent_func = func;
	ent->tqent_arg = arg;
	ent->tqent_prealloc = prealloc;
	list_link_init(&ent->tqent_node);
}

void
taskq_dispatch(taskq_t *tq, task_func_t *func, void *arg)
{
	taskq_ent_t *ent = kmem_alloc(sizeof(*ent), KM_SLEEP);

	taskq_ent_set(ent, func, arg, false);
	taskq_enqueue(tq, ent, false);
}

void
taskq_dispatch_ent(taskq_t *tq, task_func_t *func, void *arg, taskq_ent_t *ent)
{
	taskq_ent_set(ent, func, arg, true);
	taskq_enqueue(tq, ent, false);
}

void
taskq_dispatch_front(taskq_t *tq, task_func_t *func, void *arg, taskq_ent_t *ent)
{
	taskq_ent_set(ent, func, arg, true);
	taskq_enqueue(tq, ent, true);
}

void
taskq_wait(taskq_t *tq)
{
	VERIFY(!taskq_member(tq));
	mutex_enter(&tq->tq_lock);
	while (tq->tq_pending > 0)
		cv_wait(&tq->tq_idle, &tq->tq_lock);
	mutex_exit(&tq->tq_lock);
}

bool
taskq_member(taskq_t *tq)
{
	return (taskq_self == tq);
}
