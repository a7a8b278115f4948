/*
 * Per-CPU magazines without locks or atomic instructions: restartable sequences.
 *
 * Per-thread caches would be as fast, but a program with many threads (every mount
 * has its FUSE workers) then keeps many times the memory, most of it with threads
 * that sleep and cannot be asked for it. Per-CPU caches are bounded by the CPUs
 * and can be emptied by anybody. Guarding them by a lock costs two atomic
 * operations for each allocation, about four times the rest of the path. A
 * restartable sequence (rseq(2)) is a piece of code of which the kernel promises:
 * if the thread is preempted, migrated or takes a signal inside, it does not
 * continue but jumps to an abort address. So code that reads the CPU number,
 * prepares, and publishes its result with one final store acts as if atomic with
 * regard to everything else on that CPU.
 *
 * Three operations exist, each ending in one store:
 *   pop       take an object from the loaded magazine
 *   push      put one into it
 *   exchange  replace the loaded (or previous) magazine by another
 * A magazine taken out by exchange belongs to the taker alone: whoever was amid a
 * sequence with it on this CPU has been aborted.
 *
 * Working on another CPU's magazines (to empty a cache, to fork): set cc_frozen,
 * which keeps exchanges out, and let membarrier(2) abort the sequences running
 * now; put kmem_no_magazine there, and membarrier again, as a pop may have loaded
 * the old pointer before. See kmem_magazine.c.
 *
 * Where the kernel or the processor has none of this, kc_cpu stays filled with
 * kmem_no_magazine for ever, pop and push fail, and the slow path does the same
 * three operations under cc_lock.
 */
#ifndef TARN_SPL_KMEM_PERCPU_H
#define TARN_SPL_KMEM_PERCPU_H

#include "spl/kmem_impl.h"

#if defined(__x86_64__) && defined(__linux__) && defined(__has_include) && \
    !defined(__SANITIZE_THREAD__)
#if __has_include(<sys/rseq.h>)
#include <sys/rseq.h>
#define KMEM_HAVE_RSEQ 1
#endif
#endif

#ifdef KMEM_HAVE_RSEQ
_Static_assert(offsetof(kmem_magazine_t, mag_word) == 8 &&
    offsetof(kmem_magazine_t, mag_size) == 16 &&
    offsetof(kmem_magazine_t, mag_round) == 24 && sizeof(kmem_cpu_t) == 64 &&
    offsetof(kmem_cpu_t, cc_loaded) == 0 && offsetof(kmem_cpu_t, cc_prev) == 8 &&
    offsetof(kmem_cpu_t, cc_frozen) == 16, "offsets known to the assembly below");

/*
 * 1..2 is the sequence, 4 where it goes when aborted (marked by the signature the
 * kernel wants to see): back to the start. %fs:0(off) is the rseq area: its first
 * word is the CPU (0 in a thread without rseq, for which all slots are empty).
 */
#define RSEQ_BEGIN \
	".pushsection __rseq_cs, \"aw\"\n\t" \
	".balign 32\n" \
	"77:\t.long 0, 0\n\t" \
	".quad 1f, 2f - 1f, 4f\n\t" \
	".popsection\n" \
	"33:\tleaq 77b(%%rip), %[t]\n\t" \
	"movq %[t], %%fs:8(%[off])\n" \
	"1:\tmovl %%fs:0(%[off]), %k[t]\n\t" \
	"shlq $6, %[t]\n\t" \
	"addq %[base], %[t]\n\t"
#define RSEQ_END \
	"2:\n\t" \
	".pushsection .text.kmem_rseq, \"ax\"\n\t" \
	".byte 0x0f, 0xb9, 0x3d\n\t" \
	".long 0x53053053\n" \
	"4:\tjmp 33b\n\t" \
	".popsection\n\t"

/* NULL: the loaded magazine is empty. */
static inline void *
percpu_pop(kmem_cpu_t *base)
{
	uintptr_t t, word;
	void *obj;

	__asm__ volatile(RSEQ_BEGIN
	    "movq (%[t]), %[t]\n\t"
	    "movq 8(%[t]), %[w]\n\t"
	    "movzwl %w[w], %k[obj]\n\t"
	    "testl %k[obj], %k[obj]\n\t"
	    "jz 2f\n\t"
	    "movq 16(%[t], %[obj], 8), %[obj]\n\t"
	    "addq $0xffff, %[w]\n\t"
	    "movq %[w], 8(%[t])\n"
	    RSEQ_END
	    : [obj] "=&r"(obj), [t] "=&r"(t), [w] "=&r"(word)
	    : [base] "r"(base), [off] "r"(__rseq_offset)
	    : "memory", "cc");
	return (obj);
}

/* false: the loaded magazine is full. */
static inline bool
percpu_push(kmem_cpu_t *base, void *obj)
{
	uintptr_t t, word, n;

	__asm__ volatile(RSEQ_BEGIN
	    "movq (%[t]), %[t]\n\t"
	    "movq 8(%[t]), %[w]\n\t"
	    "movzwl %w[w], %k[n]\n\t"
	    "subl 16(%[t]), %k[n]\n\t"
	    "jz 2f\n\t"
	    "movzwl %w[w], %k[n]\n\t"
	    "movq %[obj], 24(%[t], %[n], 8)\n\t"
	    "addq $1, %[w]\n\t"
	    "movl $1, %k[n]\n\t"
	    "movq %[w], 8(%[t])\n"
	    RSEQ_END
	    : [n] "=&r"(n), [t] "=&r"(t), [w] "=&r"(word)
	    : [base] "r"(base), [off] "r"(__rseq_offset), [obj] "r"(obj)
	    : "memory", "cc");
	return (n != 0);
}

/* Replace the magazine at byte `slot` of this CPU; NULL if frozen. */
static inline kmem_magazine_t *
percpu_exchange(kmem_cpu_t *base, size_t slot, kmem_magazine_t *fresh)
{
	uintptr_t t;
	kmem_magazine_t *old;

	__asm__ volatile(RSEQ_BEGIN
	    "xorl %k[old], %k[old]\n\t"
	    "cmpl %k[old], 16(%[t])\n\t"
	    "jne 2f\n\t"
	    "movq (%[t], %[slot]), %[old]\n\t"
	    "movq %[fresh], (%[t], %[slot])\n"
	    RSEQ_END
	    : [old] "=&r"(old), [t] "=&r"(t)
	    : [base] "r"(base), [off] "r"(__rseq_offset), [slot] "r"(slot),
	    [fresh] "r"(fresh)
	    : "memory", "cc");
	return (old);
}

#else
static inline void *
percpu_pop(kmem_cpu_t *base)
{
	return (NULL);
}
static inline bool
percpu_push(kmem_cpu_t *base, void *obj)
{
	return (false);
}
static inline kmem_magazine_t *
percpu_exchange(kmem_cpu_t *base, size_t slot, kmem_magazine_t *fresh)
{
	return (NULL);
}
#endif

#endif
