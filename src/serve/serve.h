/*
 * serve: tarnd, the process that owns an imported pool (DESIGN §1). It mounts the pool's
 * file systems over FUSE and answers commands on a UNIX socket.
 *
 * Threads: one accepts connections; each connection has a thread that reads a request,
 * handles it and replies; each mount has the threads of its FUSE session; one waits for
 * signals. Locks: sv_mounts_lock (the list of mounts, held while something is mounted or
 * unmounted, taken before any lock of the rooms below; FUSE threads never take it).
 *
 * Peers: anybody may connect; requests that change something need the daemon's own uid or root,
 * all others are answered to everyone.
 */
#ifndef TARN_SERVE_H
#define TARN_SERVE_H

#include "pool/pool.h"
#include "serve/proto.h"

/*
 * Start a daemon for a pool: request { op: "create" | "import", … } as daemon.c documents.
 * Returns when the pool is served, or not: *reply as from a daemon. For single-threaded callers.
 */
int daemon_start(const nvlist_t *request, nvlist_t **reply);
/* main() of tarnd: takes its request from descriptor 0. */
int daemon_main(void);

/*
 * Clean up after daemons that died: their mounts, sockets and lists. Called by every command
 * first; cheap when there is nothing to do.
 */
void serve_cleanup_dead(void);

/* Default cache file of this instance; static storage. */
const char *serve_cachefile(void);

#endif
