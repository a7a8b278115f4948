/* Threads over POSIX threads. */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#include "spl/thread.h"
#include "spl/debug.h"
#include "spl/kmem.h"

struct kthread {
	pthread_t t_id;
	void (*t_func)(void *);
	void *t_arg;
	char t_name[16];
};

static void *
thread_main(void *arg)
{
	kthread_t *t = arg;

	(void)pthread_setname_np(pthread_self(), t->t_name);
	t->t_func(t->t_arg);
	return (NULL);
}

kthread_t *
thread_create(const char *name, void (*func)(void *), void *arg)
{
	kthread_t *t = kmem_zalloc(sizeof(*t), KM_SLEEP);

	t->t_func = func;
	t->t_arg = arg;
	(void)snprintf(t->t_name, sizeof(t->t_name), "%s", name);
	const int error = pthread_create(&t->t_id, NULL, thread_main, t);
	if (error != 0)
		panic("cannot start thread %s: %s", name, strerror(error));
	return (t);
}

static void *
detached_main(void *arg)
{
	kthread_t *t = arg;

	(void)thread_main(t);
	kmem_free(t, sizeof(*t));
	return (NULL);
}

void
thread_create_detached(const char *name, void (*func)(void *), void *arg)
{
	kthread_t *t = kmem_zalloc(sizeof(*t), KM_SLEEP);
	pthread_attr_t attr;

	t->t_func = func;
	t->t_arg = arg;
	(void)snprintf(t->t_name, sizeof(t->t_name), "%s", name);
	VERIFY0(pthread_attr_init(&attr));
	VERIFY0(pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED));
	const int error = pthread_create(&t->t_id, &attr, detached_main, t);
	if (error != 0)
		panic("cannot start thread %s: %s", name, strerror(error));
	VERIFY0(pthread_attr_destroy(&attr));
}

void
thread_join(kthread_t *t)
{
	VERIFY0(pthread_join(t->t_id, NULL));
	kmem_free(t, sizeof(*t));
}

int
spl_ncpus(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		return (CPU_COUNT(&set) > 0 ? CPU_COUNT(&set) : 1);
	const long n = sysconf(_SC_NPROCESSORS_ONLN);
	return (n > 0 ? (int)n : 1);
}
