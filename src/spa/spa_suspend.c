/*
 * Suspension. A write that must not fail has failed on every device: the pool stops instead of
 * losing it. The writes wait in spa_suspend_wait; once the devices are back, `zpool clear` calls
 * spa_resume and they are issued again. Nothing in memory is given up.
 */
#include "spa/spa.h"

#define RESUME_WATCH_NS SEC2NSEC(2)

bool
spa_is_suspended(spa_t *spa)
{
	return (__atomic_load_n(&spa->spa_suspended, __ATOMIC_ACQUIRE));
}

void
spa_suspend(spa_t *spa, const char *why)
{
	mutex_enter(&spa->spa_suspend_lock);
	const bool first = !spa->spa_suspended;
	__atomic_store_n(&spa->spa_suspended, true, __ATOMIC_RELEASE);
	if (first)
		spa->spa_suspend_generation++;
	cv_broadcast(&spa->spa_suspend_cv);
	mutex_exit(&spa->spa_suspend_lock);
	if (!first)
		return;
	if (spa->spa_failmode == ZIO_FAILURE_MODE_PANIC)
		panic("pool '%s' has encountered an uncorrectable I/O failure and its "
		      "failmode property is set to panic: %s",
		    spa->spa_name, why);
	spl_log(LOG_WARNING,
	    "pool '%s' has encountered an uncorrectable I/O failure and has been "
	    "suspended: %s",
	    spa->spa_name, why);
	nvlist_t *nvl = spa_event_create(spa, "ereport.fs.zfs.io_failure");
	fnvlist_add_string(nvl, "reason", why);
	spa_event_post(spa, nvl);
	txg_wakeup(spa);
}

void
spa_suspend_wait(spa_t *spa, const char *why)
{
	spa_suspend(spa, why);
	mutex_enter(&spa->spa_suspend_lock);
	while (spa->spa_suspended)
		cv_wait(&spa->spa_suspend_cv, &spa->spa_suspend_lock);
	mutex_exit(&spa->spa_suspend_lock);
}

/*
 * The waiting writes are tried again when the flag falls. Whether they succeed shows when a txg
 * completes or the pool suspends anew; if neither happens for a while, the devices at least answer.
 */
int
spa_resume(spa_t *spa)
{
	const hrtime_t deadline = gethrtime() + RESUME_WATCH_NS;
	const uint64_t synced = spa_last_synced_txg(spa);
	bool again = false;

	mutex_enter(&spa->spa_suspend_lock);
	if (!spa->spa_suspended) {
		mutex_exit(&spa->spa_suspend_lock);
		return (0);
	}
	__atomic_store_n(&spa->spa_suspended, false, __ATOMIC_RELEASE);
	const uint64_t generation = spa->spa_suspend_generation;
	cv_broadcast(&spa->spa_suspend_cv);
	mutex_exit(&spa->spa_suspend_lock);

	metaslab_class_retry(spa->spa_normal_class);
	metaslab_class_retry(spa->spa_log_class);
	txg_wakeup(spa);
	mutex_enter(&spa->spa_suspend_lock);
	while (!(again = spa->spa_suspend_generation != generation) &&
	       spa->spa_tx.tx_sync_thread != NULL &&
	       spa_last_synced_txg(spa) == synced && gethrtime() < deadline)
		(void)cv_timedwait_hires(&spa->spa_suspend_cv, &spa->spa_suspend_lock,
		    MIN(deadline, gethrtime() + MSEC2NSEC(20)));
	mutex_exit(&spa->spa_suspend_lock);
	return (again ? EIO : 0);
}
