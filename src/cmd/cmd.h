/*
 * cmd: the commands. One program, many names: each applet parses its arguments, asks the
 * daemons (serve/proto.h) and prints. Words, columns and exit statuses are OpenZFS 2.3's:
 * 0 done, 1 failed, 2 wrong usage (and 255 where OpenZFS has it).
 *
 * The problem. Scripts and fingers know these commands to the letter: which stream a
 * sentence goes to, how wide a column is, that `list` of no pools succeeds.
 *
 * The idea. Nothing is decided here about pools: a command turns words into a request,
 * the daemon of the pool answers with an nvlist, the command turns that into text. What
 * spans pools (`zpool list`, `zfs list`) asks the daemons one after the other. Only two
 * commands work without a daemon: `import` looks for pools on devices and `create` has to
 * look at devices first; both then start a daemon.
 *
 *      main.c, usage.c      which applet, which command; usage texts
 *      util.c, table.c      numbers, sizes, requests; tables
 *      json.c               -j
 *      zprop.c, zprop.h     properties as tables: both tools' lists, columns, widths
 *      zpool_*.c, zfs_*.c   one family of commands each
 *
 * Everything is single-threaded: daemon_start() forks. A command that fails says why on stderr
 * in one sentence; partial results stay printed.
 */
#ifndef TARN_CMD_H
#define TARN_CMD_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include "dsl/dsl.h"
#include "nvpair/nvpair.h"
#include "serve/serve.h"
#include "spl/spl.h"

#define EXIT_USAGE 2
/* What `return (-1)` of main() is for the shell; some commands end that way. */
#define EXIT_MINUS_ONE 255

/* Applets: argv[0] is the name ("zpool" …), as in main(). */
int zpool_main(int argc, char **argv);
int zfs_main(int argc, char **argv);
int zdb_main(int argc, char **argv); /* if built with it: TARN_ZDB */
int zgenhostid_main(int argc, char **argv);
int tarn_main(int argc, char **argv); /* our own words: tarn kmem, tarn version … */

/* The command line as the history records it ("zpool create tank …"); static storage. */
const char *cmd_history(void);
void cmd_history_set(int argc, char **argv);

/* ---- commands and usage (usage.c) ------------------------------------------------------------ */

typedef struct cmd_entry {
	const char *ce_name;			 /* NULL: an empty line in the list */
	int (*ce_func)(int argc, char **argv); /* argv[0] is the command; NULL: not supported yet */
	const char *ce_usage;
} cmd_entry_t;

typedef struct cmd_set {
	const char *cs_tool;
	const cmd_entry_t *cs_cmds;
	size_t cs_count;
	const char *const (*cs_alias)[2];			/* ends with NULL */
	void (*cs_tail)(FILE *fp, const cmd_entry_t *cmd); /* after the usage; cmd NULL: of all */
} cmd_set_t;

/* Find argv[1] in the set and run it. */
int cmd_dispatch(const cmd_set_t *set, int argc, char **argv);
/* A sentence and the usage of the running command on stderr. Returns EXIT_USAGE. */
int cmd_usage(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The usage of the running command with what the tool adds, and without. */
void cmd_print_usage(FILE *fp);
void cmd_print_usage_only(FILE *fp);
/* After getopt returned '?' or ':': says what is wrong with the option. Returns EXIT_USAGE. */
int cmd_bad_option(int c);
/* "tool: sentence" for what tarn cannot do yet. Returns 1. */
int cmd_unsupported(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int cmd_error(const char *fmt, ...) __attribute__((format(printf, 1, 2))); /* sentence; returns 1 */
/* `version` and --version of both tools. */
int cmd_version(int argc, char **argv);

/* ---- text (util.c) ----------------------------------------------------------------------------- */

/*
 * A number of bytes in at most 5 characters, as zfs prints it: 1.50K, 24K, 47.9M; exact powers without
 * decimals. buf of >= 8 bytes; returned.
 */
char *cmd_nicenum(uint64_t num, char *buf, size_t size);
/* The same with a B after numbers below 1024. */
char *cmd_nicebytes(uint64_t num, char *buf, size_t size);
/* Nanoseconds: 12ns, 562us, 1ms, 2s. */
char *cmd_nicetime(uint64_t ns, char *buf, size_t size);
/* "1.50x" */
char *cmd_ratio(uint64_t hundredths, char *buf, size_t size);
/* 10, 10k, 1.5G, 1T -> bytes. EINVAL no number, ENOEXEC bad suffix, ERANGE too big. */
int cmd_parse_size(const char *s, uint64_t *v);
/* The same with OpenZFS's sentence for what is wrong in buf. */
int cmd_parse_size_why(const char *s, uint64_t *v, char *why, size_t size);
/* "Fri Nov 20 11:05:33 2026" (without seconds: long_ false). */
char *cmd_date(uint64_t t, bool seconds, char *buf, size_t size);
/* -T d|u: prints date or seconds. fmt 0: nothing. */
void cmd_timestamp(int fmt);
/*
 * Take interval and count off the end of the arguments ("1 5"). Returns 0 or EXIT_USAGE.
 * *interval in seconds, 0: none; *count 0: for ever.
 */
int cmd_interval(int *argcp, char **argv, double *interval, unsigned long *count);

/* A growing string. */
typedef struct strbuf {
	char *sb_s; /* never NULL after the first append; free with strbuf_fini */
	size_t sb_len, sb_size;
} strbuf_t;
void strbuf_addf(strbuf_t *sb, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void strbuf_fini(strbuf_t *sb);

/* ---- asking ---------------------------------------------------------------------------------------- */

/*
 * Send a request (consumed) to the daemon of `pool`; *outp (may be NULL) is its "out", the caller's to
 * free. Returns its errno, or ENOENT if the pool is not imported. *whyp (may be NULL): kmem string or NULL.
 */
int cmd_call(const char *pool, nvlist_t *req, nvlist_t **outp, char **whyp);
/* A request; those that change something carry the command line for the history. */
nvlist_t *cmd_request(const char *cmd);
/* The pool part of a dataset name; static buffers are avoided: buf of 256 bytes. */
char *cmd_pool_of(const char *dataset, char *buf);
/* OpenZFS's words for an errno. */
const char *cmd_strerror(int err);
/* Names of the imported pools, without those in __ZFS_POOL_EXCLUDE. Free with proto_free_names. */
void cmd_pools(char ***namesp, size_t *np);
bool cmd_pool_hidden(const char *name);

/* nvlist helpers for replies: missing gives 0 / NULL. */
uint64_t cmd_u64(const nvlist_t *nvl, const char *name);
const char *cmd_str(const nvlist_t *nvl, const char *name);
nvlist_t *cmd_list(const nvlist_t *nvl, const char *name);
bool cmd_bool(const nvlist_t *nvl, const char *name);
nvlist_t *const *cmd_children(const nvlist_t *nvl, const char *name, size_t *np);

#endif
