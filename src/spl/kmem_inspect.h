/*
 * Looking into the allocator of another process (or its core file), or of this one:
 * what is allocated, by whom, and what has been lost.
 *
 * The target runs our allocator: a tarn program, or anything under libkmem.so of the
 * same version. Its memory is read from outside (process_vm_readv(2), or the core
 * file); nothing runs inside it. kmem_inspect_main() is the whole command:
 *
 *   zprint                 caches: count, sizes, allocations, frees
 *   log CACHE on|off       record the transactions of a cache (live process only)
 *   findoldest [CACHE]     the oldest allocation in the log that was not freed
 *   zstack N [CACHE]       record N of the log
 *   countpcs PC|FUNC [CACHE]  in how many records of the log it takes part
 *   findleaks              buffers nothing points to, grouped by stack
 *   whatis ADDR            which buffer, cache, state
 *   bufctl ADDR            history of a buffer (by its or its bufctl's address)
 *   walk CACHE             addresses of allocated buffers
 *
 * Stacks of findleaks and bufctl need audit mode in the target (UMEM_DEBUG).
 */
#ifndef TARN_SPL_KMEM_INSPECT_H
#define TARN_SPL_KMEM_INSPECT_H

#include <stdio.h>
#include "spl/types.h"

typedef struct kmem_inspect kmem_inspect_t;

/*
 * Attach to a process: its threads are stopped until close. ESRCH: no such process;
 * EPERM: not allowed; ENOENT: no kmem in it; EPROTO: kmem of another version.
 */
int kmem_inspect_pid(pid_t pid, kmem_inspect_t **out);
/* A core file; modules are looked for where the core says they were. */
int kmem_inspect_core(const char *path, kmem_inspect_t **out);
void kmem_inspect_close(kmem_inspect_t *ki);

/* Read target memory. EFAULT if some of it is not there. */
int kmem_inspect_read(kmem_inspect_t *ki, uintptr_t addr, void *buf, size_t size);

/*
 * Run one command (words as above, argv[0] is the command's word), printing to out;
 * complaints go to err. Returns 0, or an errno: EINVAL for a wrong command line.
 */
int kmem_inspect_run(
    kmem_inspect_t *ki, int argc, char **argv, FILE *out, FILE *err);
/* argv: PID|CORE COMMAND [ARGUMENTS]. Exit status for a main(): 0, 1, or 2 (usage). */
int kmem_inspect_main(int argc, char **argv, FILE *out, FILE *err);

#endif
