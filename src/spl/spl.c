/* Start and stop of the porting layer. */
#include <pthread.h>

#include "spl/spl.h"
#include "spl/spl_impl.h"

static void
spl_init_once(void)
{
	spl_debug_init();
}

void
spl_init(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	VERIFY0(pthread_once(&once, spl_init_once));
}

/* Nothing of the room needs an end before the process's own. */
void
spl_fini(void)
{
}
