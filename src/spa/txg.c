/*
 * The txg engine: three stages, two threads. See txg.h for the idea.
 *
 *        txg_hold_open          quiesce thread            sync thread
 *   open ──────────────> open ───────────────> quiesced ─────────────> synced
 *                        (holds drain)                   (suo_sync)
 *
 * A bucket (tx_cpu_t) counts two things for each of the groups in flight:
 *   tc_assigning   holds that have not passed rele_to_quiesce: the group must stay open;
 *   tc_count[txg]  holds that have not passed rele_to_sync: the group must not be synced.
 * To close the open group the quiesce thread shuts every bucket (tc_closing), waits until
 * nobody is assigning, moves tx_open_txg on and opens the buckets again: so no hold ever
 * spans the change. Then it waits for tc_count to drain, while the next group is open.
 *
 * Invariants: open > quiescing/quiesced > syncing > synced; open <= synced + 3, so four
 * slots (TXG_SIZE) per txg-indexed array never collide. At most one group waits quiesced.
 *
 * A group nobody joined is not synced by the timer: an idle pool stays idle, except while
 * space is still deferred, which needs two more groups to become free.
 */
#include "spa/spa.h"

struct tx_cpu {
	kmutex_t tc_lock;
	kcondvar_t tc_cv; /* tc_closing fell, tc_assigning or tc_count became 0 */
	bool tc_closing;
	uint64_t tc_assigning;
	uint64_t tc_count[TXG_SIZE];
	bool tc_used[TXG_SIZE]; /* somebody joined */
} __attribute__((aligned(64)));

#define TXG_TIMEOUT_SEC 5

static uint64_t
open_txg_load(const tx_state_t *tx)
{
	return (__atomic_load_n(&tx->tx_open_txg, __ATOMIC_ACQUIRE));
}

void
txg_init(spa_t *spa, uint64_t first_open_txg)
{
	tx_state_t *tx = &spa->spa_tx;

	ASSERT3U(first_open_txg, >, 0);
	memset(tx, 0, sizeof(*tx));
	tx->tx_ncpu = MIN(64, MAX(4, 2 * spl_ncpus()));
	tx->tx_cpu = kmem_zalloc((size_t)tx->tx_ncpu * sizeof(tx_cpu_t), KM_SLEEP);
	for (int i = 0; i < tx->tx_ncpu; i++) {
		mutex_init(&tx->tx_cpu[i].tc_lock);
		cv_init(&tx->tx_cpu[i].tc_cv);
	}
	mutex_init(&tx->tx_sync_lock);
	cv_init(&tx->tx_sync_more_cv);
	cv_init(&tx->tx_sync_done_cv);
	cv_init(&tx->tx_quiesce_more_cv);
	cv_init(&tx->tx_quiesce_done_cv);
	cv_init(&tx->tx_exit_cv);
	mutex_init(&tx->tx_dirty_lock);
	cv_init(&tx->tx_dirty_cv);
	__atomic_store_n(&tx->tx_open_txg, first_open_txg, __ATOMIC_RELEASE);
	tx->tx_synced_txg = first_open_txg - 1;
	tx->tx_timeout = SEC2NSEC(TXG_TIMEOUT_SEC);
	tx->tx_dirty_max = txg_dirty_max_default();
}

void
txg_fini(spa_t *spa)
{
	tx_state_t *tx = &spa->spa_tx;

	ASSERT(tx->tx_sync_thread == NULL && tx->tx_quiesce_thread == NULL);
	for (int i = 0; i < tx->tx_ncpu; i++) {
		ASSERT0(tx->tx_cpu[i].tc_assigning);
		mutex_destroy(&tx->tx_cpu[i].tc_lock);
		cv_destroy(&tx->tx_cpu[i].tc_cv);
	}
	kmem_free(tx->tx_cpu, (size_t)tx->tx_ncpu * sizeof(tx_cpu_t));
	mutex_destroy(&tx->tx_sync_lock);
	cv_destroy(&tx->tx_sync_more_cv);
	cv_destroy(&tx->tx_sync_done_cv);
	cv_destroy(&tx->tx_quiesce_more_cv);
	cv_destroy(&tx->tx_quiesce_done_cv);
	cv_destroy(&tx->tx_exit_cv);
	mutex_destroy(&tx->tx_dirty_lock);
	cv_destroy(&tx->tx_dirty_cv);
	memset(tx, 0, sizeof(*tx));
}

/* ---- holds ---------------------------------------------------------------------------- */

/* Threads spread over the buckets in the order of their first hold. */
static tx_cpu_t *
txg_my_bucket(tx_state_t *tx)
{
	static uint32_t next;
	static __thread uint32_t mine;

	if (mine == 0)
		mine = __atomic_add_fetch(&next, 1, __ATOMIC_RELAXED) | 0x80000000U;
	return (&tx->tx_cpu[(mine & 0x7fffffffU) % (uint32_t)tx->tx_ncpu]);
}

uint64_t
txg_hold_open(spa_t *spa, txg_handle_t *th)
{
	tx_state_t *tx = &spa->spa_tx;
	tx_cpu_t *tc = txg_my_bucket(tx);

	mutex_enter(&tc->tc_lock);
	while (tc->tc_closing)
		cv_wait(&tc->tc_cv, &tc->tc_lock);
	const uint64_t txg = open_txg_load(tx);
	tc->tc_assigning++;
	tc->tc_count[txg & TXG_MASK]++;
	tc->tc_used[txg & TXG_MASK] = true;
	mutex_exit(&tc->tc_lock);
	th->th_cpu = tc;
	th->th_txg = txg;
	return (txg);
}

void
txg_rele_to_quiesce(txg_handle_t *th)
{
	tx_cpu_t *tc = th->th_cpu;

	mutex_enter(&tc->tc_lock);
	ASSERT(tc->tc_assigning > 0);
	if (--tc->tc_assigning == 0 && tc->tc_closing)
		cv_broadcast(&tc->tc_cv);
	mutex_exit(&tc->tc_lock);
}

void
txg_rele_to_sync(txg_handle_t *th)
{
	tx_cpu_t *tc = th->th_cpu;
	const int g = th->th_txg & TXG_MASK;

	mutex_enter(&tc->tc_lock);
	ASSERT(tc->tc_count[g] > 0);
	if (--tc->tc_count[g] == 0)
		cv_broadcast(&tc->tc_cv);
	mutex_exit(&tc->tc_lock);
	th->th_cpu = NULL;
}

/* Did anybody join the group, or is there other reason to let it pass? */
static bool
txg_worth_syncing(spa_t *spa, uint64_t txg)
{
	tx_state_t *tx = &spa->spa_tx;
	bool used = spa_has_deferred_work(spa);

	for (int i = 0; i < tx->tx_ncpu && !used; i++) {
		tx_cpu_t *tc = &tx->tx_cpu[i];
		mutex_enter(&tc->tc_lock);
		used = tc->tc_used[txg & TXG_MASK];
		mutex_exit(&tc->tc_lock);
	}
	return (used);
}

/* ---- the quiesce thread --------------------------------------------------------------- */

/* Close the open group txg and open the next. tx_sync_lock is not held. */
static void
txg_advance_open(tx_state_t *tx, uint64_t txg)
{
	for (int i = 0; i < tx->tx_ncpu; i++) {
		tx_cpu_t *tc = &tx->tx_cpu[i];
		mutex_enter(&tc->tc_lock);
		tc->tc_closing = true;
		while (tc->tc_assigning > 0)
			cv_wait(&tc->tc_cv, &tc->tc_lock);
		tc->tc_used[(txg + 1) & TXG_MASK] = false;
		mutex_exit(&tc->tc_lock);
	}
	__atomic_store_n(&tx->tx_open_txg, txg + 1, __ATOMIC_RELEASE);
	for (int i = 0; i < tx->tx_ncpu; i++) {
		tx_cpu_t *tc = &tx->tx_cpu[i];
		mutex_enter(&tc->tc_lock);
		tc->tc_closing = false;
		cv_broadcast(&tc->tc_cv);
		mutex_exit(&tc->tc_lock);
	}
}

static void
txg_drain(tx_state_t *tx, uint64_t txg)
{
	for (int i = 0; i < tx->tx_ncpu; i++) {
		tx_cpu_t *tc = &tx->tx_cpu[i];
		mutex_enter(&tc->tc_lock);
		while (tc->tc_count[txg & TXG_MASK] > 0)
			cv_wait(&tc->tc_cv, &tc->tc_lock);
		mutex_exit(&tc->tc_lock);
	}
}

static void
txg_quiesce_thread(void *arg)
{
	spa_t *spa = arg;
	tx_state_t *tx = &spa->spa_tx;

	mutex_enter(&tx->tx_sync_lock);
	for (;;) {
		while (!tx->tx_exiting &&
		       (open_txg_load(tx) >= tx->tx_quiesce_txg_waiting ||
			   tx->tx_quiesced_txg != 0))
			cv_wait(&tx->tx_quiesce_more_cv, &tx->tx_sync_lock);
		if (tx->tx_exiting)
			break;
		const uint64_t txg = open_txg_load(tx);
		tx->tx_quiescing_txg = txg;
		mutex_exit(&tx->tx_sync_lock);

		txg_advance_open(tx, txg);
		mutex_enter(&tx->tx_sync_lock);
		cv_broadcast(&tx->tx_quiesce_done_cv);
		mutex_exit(&tx->tx_sync_lock);
		txg_drain(tx, txg);

		mutex_enter(&tx->tx_sync_lock);
		tx->tx_quiescing_txg = 0;
		tx->tx_quiesced_txg = txg;
		cv_broadcast(&tx->tx_sync_more_cv);
		cv_broadcast(&tx->tx_quiesce_done_cv);
	}
	mutex_exit(&tx->tx_sync_lock);
}

/* ---- the sync thread ------------------------------------------------------------------ */

/* Somebody waits for a group that is not yet synced. */
static bool
txg_sync_wanted(const tx_state_t *tx)
{
	return (
	    tx->tx_synced_txg < tx->tx_sync_txg_waiting || tx->tx_quiesced_txg != 0);
}

/* Wait until there is reason to sync. False: time to end. tx_sync_lock is held. */
static bool
txg_wait_for_work(spa_t *spa, hrtime_t last_sync)
{
	tx_state_t *tx = &spa->spa_tx;
	hrtime_t deadline = last_sync + tx->tx_timeout;

	while (!tx->tx_exiting && !txg_sync_wanted(tx)) {
		if (cv_timedwait_hires(
			&tx->tx_sync_more_cv, &tx->tx_sync_lock, deadline))
			continue;
		if (tx->tx_exiting || txg_sync_wanted(tx))
			break;
		if (txg_worth_syncing(spa, open_txg_load(tx)))
			return (true);
		deadline = gethrtime() + tx->tx_timeout;
	}
	return (!tx->tx_exiting);
}

static void
txg_sync_thread(void *arg)
{
	spa_t *spa = arg;
	tx_state_t *tx = &spa->spa_tx;
	hrtime_t last_sync = gethrtime();

	mutex_enter(&tx->tx_sync_lock);
	while (txg_wait_for_work(spa, last_sync)) {
		while (tx->tx_quiesced_txg == 0 && !tx->tx_exiting) {
			const uint64_t want = open_txg_load(tx) + 1;
			if (tx->tx_quiescing_txg == 0 &&
			    tx->tx_quiesce_txg_waiting < want)
				tx->tx_quiesce_txg_waiting = want;
			cv_broadcast(&tx->tx_quiesce_more_cv);
			cv_wait(&tx->tx_quiesce_done_cv, &tx->tx_sync_lock);
		}
		if (tx->tx_quiesced_txg == 0)
			break;
		const uint64_t txg = tx->tx_quiesced_txg;
		tx->tx_quiesced_txg = 0;
		tx->tx_syncing_txg = txg;
		cv_broadcast(&tx->tx_quiesce_more_cv);
		mutex_exit(&tx->tx_sync_lock);

		last_sync = gethrtime();
		__atomic_store_n(&spa->spa_syncing_txg, txg, __ATOMIC_RELEASE);
		spa->spa_upper->suo_sync(spa, txg);

		mutex_enter(&tx->tx_sync_lock);
		tx->tx_synced_txg = txg;
		tx->tx_syncing_txg = 0;
		cv_broadcast(&tx->tx_sync_done_cv);
	}
	mutex_exit(&tx->tx_sync_lock);
}

void
txg_sync_start(spa_t *spa)
{
	tx_state_t *tx = &spa->spa_tx;

	ASSERT(tx->tx_sync_thread == NULL);
	tx->tx_exiting = false;
	tx->tx_quiesce_thread = thread_create("txg_quiesce", txg_quiesce_thread, spa);
	tx->tx_sync_thread = thread_create("txg_sync", txg_sync_thread, spa);
}

void
txg_sync_stop(spa_t *spa)
{
	tx_state_t *tx = &spa->spa_tx;

	if (tx->tx_sync_thread == NULL)
		return;
	(void)txg_wait_synced_sig(spa, TXG_WAIT_NONE);
	mutex_enter(&tx->tx_sync_lock);
	tx->tx_exiting = true;
	cv_broadcast(&tx->tx_quiesce_more_cv);
	cv_broadcast(&tx->tx_quiesce_done_cv);
	cv_broadcast(&tx->tx_sync_more_cv);
	mutex_exit(&tx->tx_sync_lock);
	thread_join(tx->tx_quiesce_thread);
	thread_join(tx->tx_sync_thread);
	tx->tx_quiesce_thread = tx->tx_sync_thread = NULL;
	/* Metaslabs that the last txgs wanted loaded ahead read the MOS: let them end too. */
	metaslab_class_wait(spa->spa_normal_class);
	metaslab_class_wait(spa->spa_log_class);
}

/* ---- waiting -------------------------------------------------------------------------- */

static int
txg_wait_synced_impl(spa_t *spa, uint64_t txg, bool give_up)
{
	tx_state_t *tx = &spa->spa_tx;
	int error = 0;

	ASSERT(tx->tx_sync_thread != NULL);
	mutex_enter(&tx->tx_sync_lock);
	if (txg == TXG_WAIT_NONE)
		txg = open_txg_load(tx);
	if (tx->tx_sync_txg_waiting < txg)
		tx->tx_sync_txg_waiting = txg;
	while (tx->tx_synced_txg < txg) {
		if (give_up && spa_is_suspended(spa)) {
			error = EIO;
			break;
		}
		cv_broadcast(&tx->tx_sync_more_cv);
		cv_wait(&tx->tx_sync_done_cv, &tx->tx_sync_lock);
	}
	mutex_exit(&tx->tx_sync_lock);
	return (error);
}

void
txg_wait_synced(spa_t *spa, uint64_t txg)
{
	(void)txg_wait_synced_impl(spa, txg, false);
}

int
txg_wait_synced_sig(spa_t *spa, uint64_t txg)
{
	return (txg_wait_synced_impl(spa, txg, true));
}

void
txg_wait_open(spa_t *spa, uint64_t txg, bool should_quiesce)
{
	tx_state_t *tx = &spa->spa_tx;

	mutex_enter(&tx->tx_sync_lock);
	if (txg == TXG_WAIT_NONE)
		txg = open_txg_load(tx) + 1;
	if (should_quiesce && tx->tx_quiesce_txg_waiting < txg)
		tx->tx_quiesce_txg_waiting = txg;
	while (open_txg_load(tx) < txg) {
		/* A quiesced group in the way has to be synced before the next can close. */
		cv_broadcast(&tx->tx_quiesce_more_cv);
		cv_wait(&tx->tx_quiesce_done_cv, &tx->tx_sync_lock);
	}
	mutex_exit(&tx->tx_sync_lock);
}

void
txg_kick(spa_t *spa, uint64_t txg)
{
	tx_state_t *tx = &spa->spa_tx;

	mutex_enter(&tx->tx_sync_lock);
	if (txg == TXG_WAIT_NONE)
		txg = open_txg_load(tx);
	if (tx->tx_sync_txg_waiting < txg) {
		tx->tx_sync_txg_waiting = txg;
		cv_broadcast(&tx->tx_sync_more_cv);
	}
	mutex_exit(&tx->tx_sync_lock);
}

void
txg_wakeup(spa_t *spa)
{
	tx_state_t *tx = &spa->spa_tx;

	if (tx->tx_cpu == NULL)
		return;
	mutex_enter(&tx->tx_sync_lock);
	cv_broadcast(&tx->tx_sync_done_cv);
	mutex_exit(&tx->tx_sync_lock);
}

uint64_t
txg_open_txg(spa_t *spa)
{
	return (open_txg_load(&spa->spa_tx));
}

bool
txg_stalled(spa_t *spa)
{
	tx_state_t *tx = &spa->spa_tx;

	mutex_enter(&tx->tx_sync_lock);
	const bool stalled = tx->tx_quiesce_txg_waiting > open_txg_load(tx);
	mutex_exit(&tx->tx_sync_lock);
	return (stalled);
}
