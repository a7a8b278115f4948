/*
 * The language between commands and daemons: one nvlist each way over a UNIX stream
 * socket, as `<run dir>/<pool>.sock`. A message is a 4-byte little-endian length and an
 * nvlist packed native. The peer's uid comes from the socket, never from the message.
 *
 * Request:  "cmd" string, "history" string (the command line, recorded when it succeeds and
 *           changed something; may be missing), and the arguments below.
 * Reply:    "errno" int64 (0: done), "why" string (optional detail for the person),
 *           "out" nvlist (optional).
 *
 *   ping            -> out { pool, guid, pid }
 *   kmem_stat       -> out { text } the table of the daemon's caches
 *   pool_status     -> out as pool_status(), plus "props" as pool_props_get() with bootfs as a name, and
 *                   "uptime_ns" since the pool was opened
 *   pool_set        { props } bootfs as a name
 *   pool_history    -> out "0", "1", …: records
 *   pool_errors     -> out { lines: string array } as `zpool status -v` prints them
 *   pool_scrub      { action: "start" "pause" "stop" }
 *   pool_clear      { device? }
 *   pool_sync       {}
 *   pool_wait       { activity: "scrub" "free" … } returns when it is not (or no longer) running
 *   pool_export     { force: bool, destroy: bool } the daemon ends after the reply
 *   ds_list         { name?, depth? (uint64), types (ZFS_TYPE_* bits), props: bool }
 *                   -> out name -> ds entry (below), in tree order
 *   ds_create       { name, type: uint64 (dmu_objset_type_t), props, nomount: bool }
 *   ds_destroy      { name, recursive: bool, force: bool }
 *   ds_rename       { name, to, force: bool, nomount: bool }
 *   ds_set          { name, props, nomount: bool (mounts stay as they are) }
 *   ds_inherit      { name, prop, recursive: bool, received: bool }
 *   ds_mount        { name?, all: bool, options?: string, overlay: bool }
 *                   name with explicit request, or all that canmount=on wants
 *   ds_unmount      { name? | mountpoint? | all: bool, force: bool }
 *
 * ds entry: the members of dsl_dataset_stat_t as uint64 under their names without "dds_";
 * "origin" string; "mounted" uint64, "mountpoint_now" string; with props "mountpoint_wanted" string (path with
 * altroot, "none", "legacy"), "zplprops" nvlist (version, normalization,
 * utf8only, casesensitivity); "props" nvlist as dsl_prop_get_all() gives (stored or inherited
 * only: defaults are the command's business).
 */
#ifndef TARN_SERVE_PROTO_H
#define TARN_SERVE_PROTO_H

#include "nvpair/nvpair.h"

#define PROTO_MAX_MESSAGE (64U << 20)

/* Send or receive one message on a socket. errno; ECONNRESET at the end; EPROTO damaged. */
int proto_send(int fd, const nvlist_t *msg);
int proto_recv(int fd, nvlist_t **msgp);

/*
 * Directories of this instance (DESIGN §1): TARN_RUN_DIR and TARN_STATE_DIR, else those of the
 * system for root, else of the user. Created (mode 0755) when asked. Static storage.
 */
const char *proto_run_dir(void);
const char *proto_state_dir(void);
int proto_make_dirs(void);

/* Ask the daemon of a pool. ENOENT: no such pool imported. *reply is the caller's. */
int proto_call(const char *pool, const nvlist_t *request, nvlist_t **reply);
/* Names of the pools that have a living daemon, sorted; cleans up after dead ones. */
int proto_pools(char ***namesp, size_t *np);
void proto_free_names(char **names, size_t n);

#endif
