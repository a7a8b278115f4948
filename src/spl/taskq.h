/*
 * Task queues: a set of threads that run functions. Tasks of one queue start in
 * the order of dispatch; with one thread they also end in it.
 */
#ifndef TARN_SPL_TASKQ_H
#define TARN_SPL_TASKQ_H

#include "spl/types.h"
#include "spl/list.h"

typedef struct taskq taskq_t;
typedef void task_func_t(void *arg);

/* A task whose memory the caller owns; must stay valid until func has been called. */
typedef struct taskq_ent {
	list_node_t tqent_node;
	task_func_t *tqent_func;
	void *tqent_arg;
	bool tqent_prealloc;
} taskq_ent_t;

/* nthreads > 0 fixed; 0: one for each processor. */
taskq_t *taskq_create(const char *name, int nthreads);
/* Runs what is queued, then ends the threads. */
void taskq_destroy(taskq_t *tq);
void taskq_dispatch(taskq_t *tq, task_func_t *func, void *arg);
void taskq_dispatch_ent(taskq_t *tq, task_func_t *func, void *arg, taskq_ent_t *ent);
/* The same, but before all that is queued. */
void taskq_dispatch_front(taskq_t *tq, task_func_t *func, void *arg, taskq_ent_t *ent);
/* Until everything dispatched so far, and what that dispatched, has ended. */
void taskq_wait(taskq_t *tq);
/* Is the calling thread one of tq's? */
bool taskq_member(taskq_t *tq);

#endif
