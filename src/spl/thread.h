/* Threads. */
#ifndef TARN_SPL_THREAD_H
#define TARN_SPL_THREAD_H

#include "spl/types.h"

typedef struct kthread kthread_t;

/* Start a joinable thread; `name` (15 bytes count) shows in ps. Panics if it cannot. */
kthread_t *thread_create(const char *name, void (*func)(void *), void *arg);
/* The same for a thread that nobody waits for. */
void thread_create_detached(const char *name, void (*func)(void *), void *arg);
/* Wait for its end and free it. */
void thread_join(kthread_t *t);
/* Processors this process may use, at least 1. */
int spl_ncpus(void);

#endif
