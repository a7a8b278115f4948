/*
 * Transaction groups: the stream of changes is cut into numbered groups that
 * pass through three stages, at most one group in each (two in open/quiescing):
 *   open       new transactions join here;
 *   quiescing  waits for its transactions to commit; a new group is open meanwhile;
 *   syncing    is written out; afterwards it is on disk as a whole or not at all.
 * So writers never wait for a disk, except when throttled.
 *
 * Holding a txg open must be cheap: the counts are spread over buckets by thread.
 *
 * Dirty data is the memory that waits for a disk. Left alone it grows without limit when
 * writers are faster than disks, so txg_dirty.c slows writers down: a little from 60 % of
 * tx_dirty_max on, more and more towards 100 %, where they stop. The delays make the
 * writers' pace meet that of the disks smoothly instead of by stop and go.
 *
 * What can fail: nothing here returns an error except waiting on a suspended pool. A txg
 * that cannot be written keeps the sync thread inside suo_sync; writers come to a stop at
 * the throttle, and who must not hang uses txg_wait_synced_sig.
 *
 * Locks: tx_sync_lock (numbers and waiting), bucket locks below it, tx_dirty_lock last.
 * None is held while suo_sync runs.
 */
#ifndef TARN_TXG_H
#define TARN_TXG_H

#include "spl/spl.h"

#define TXG_CONCURRENT_STATES 3
#define TXG_SIZE 4 /* next power of two */
#define TXG_MASK (TXG_SIZE - 1)
#define TXG_DEFER_SIZE 2
#define TXG_WAIT_NONE 0

typedef struct spa spa_t;
typedef struct tx_cpu tx_cpu_t;

typedef struct tx_state {
	tx_cpu_t *tx_cpu; /* buckets */
	int tx_ncpu;
	kmutex_t tx_sync_lock;
	uint64_t tx_open_txg, tx_quiescing_txg, tx_quiesced_txg, tx_syncing_txg, tx_synced_txg;
	uint64_t tx_sync_txg_waiting, tx_quiesce_txg_waiting; /* wanted by waiters */
	kcondvar_t tx_sync_more_cv, tx_sync_done_cv, tx_quiesce_more_cv, tx_quiesce_done_cv,
	    tx_exit_cv;
	kthread_t *tx_sync_thread, *tx_quiesce_thread;
	bool tx_exiting;
	hrtime_t tx_timeout; /* a non-empty group syncs at least this often (5 s) */
	/* dirty data throttle */
	kmutex_t tx_dirty_lock;
	kcondvar_t tx_dirty_cv;
	uint64_t tx_dirty_total, tx_dirty_pertxg[TXG_SIZE];
	uint64_t tx_dirty_max; /* bytes; writers wait above, are delayed from 60 % on */
	hrtime_t tx_delay_until; /* when the next delayed writer may go on */
} tx_state_t;

typedef struct txg_handle {
	tx_cpu_t *th_cpu;
	uint64_t th_txg;
} txg_handle_t;

void txg_init(spa_t *spa, uint64_t first_open_txg);
void txg_fini(spa_t *spa);
void txg_sync_start(spa_t *spa); /* the two threads */
/*
 * Syncs what is open first, then ends the threads and what they left in the background. A suspended pool cannot sync: resume it
 * before, or give the process up.
 */
void txg_sync_stop(spa_t *spa);

/*
 * Join the open txg; returns its number. It stays the open one until rele_to_quiesce (keep that
 * short: every new writer may have to wait for it), and is not synced before rele_to_sync. Each
 * hold needs both, in this order, from any thread. A thread must not hold twice between the two.
 */
uint64_t txg_hold_open(spa_t *spa, txg_handle_t *th);
void txg_rele_to_quiesce(txg_handle_t *th);
void txg_rele_to_sync(txg_handle_t *th);

/* Wait until txg (0: the open one) is on disk / is open. Do not hold a txg meanwhile. */
void txg_wait_synced(spa_t *spa, uint64_t txg);
/* The same, but gives up when the pool is suspended: EIO. */
int txg_wait_synced_sig(spa_t *spa, uint64_t txg);
void txg_wait_open(spa_t *spa, uint64_t txg, bool should_quiesce);
/* Start a sync soon (does not wait). */
void txg_kick(spa_t *spa, uint64_t txg);
uint64_t txg_open_txg(spa_t *spa);
bool txg_stalled(spa_t *spa);

/* Dirty data: added when dirtied, removed as written. wait: blocks/delays a writer. */
void txg_dirty_add(spa_t *spa, uint64_t txg, uint64_t bytes);
void txg_dirty_remove(spa_t *spa, uint64_t txg, uint64_t bytes);
void txg_dirty_throttle(spa_t *spa); /* call without holding a txg */
uint64_t txg_dirty_total(spa_t *spa);
/* Default of tx_dirty_max: a tenth of the memory this process may use, at most 4 GiB. */
uint64_t txg_dirty_max_default(void);
/* How long a writer is to be delayed with that much dirty data, in ns (pure). */
hrtime_t txg_dirty_delay(uint64_t dirty, uint64_t max);
/* Wake everyone who waits, to look again whether the pool is suspended. */
void txg_wakeup(spa_t *spa);

/*
 * Lists of objects dirty in a txg: each object has one txg_node_t; adding twice is harmless.
 */
typedef struct txg_node {
	struct txg_node *tn_next[TXG_SIZE];
	uint8_t tn_member[TXG_SIZE];
} txg_node_t;
typedef struct txg_list {
	kmutex_t tl_lock;
	size_t tl_offset;
	txg_node_t *tl_head[TXG_SIZE];
} txg_list_t;
void txg_list_create(txg_list_t *tl, size_t offset);
void txg_list_destroy(txg_list_t *tl);
bool txg_list_empty(txg_list_t *tl, uint64_t txg);
bool txg_list_add(txg_list_t *tl, void *obj, uint64_t txg); /* false: was in already */
bool txg_list_add_tail(txg_list_t *tl, void *obj, uint64_t txg);
void *txg_list_remove(txg_list_t *tl, uint64_t txg); /* first, or NULL */
void *txg_list_remove_this(txg_list_t *tl, void *obj, uint64_t txg);
bool txg_list_member(txg_list_t *tl, void *obj, uint64_t txg);
void *txg_list_head(txg_list_t *tl, uint64_t txg);
void *txg_list_next(txg_list_t *tl, void *obj, uint64_t txg);

#endif
