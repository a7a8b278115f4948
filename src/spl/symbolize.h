/*
 * Addresses to names: "module : function + offset", for any module of this process,
 * stripped or not as far as possible. Allocates nothing and needs no lock of ours,
 * so it works in the middle of a disaster.
 */
#ifndef TARN_SPL_SYMBOLIZE_H
#define TARN_SPL_SYMBOLIZE_H

#include "spl/types.h"

typedef struct spl_symbol {
	char ss_module[64];    /* file name without directory; "?" if unknown */
	char ss_function[128]; /* "" if no symbol covers the address */
	uint64_t ss_offset;    /* into the function, or into the module */
} spl_symbol_t;

void spl_symbolize(uintptr_t pc, spl_symbol_t *ss);

/*
 * The same for a module given by file: `vaddr` is the address as the file's own
 * program headers count. ss_module is left alone. False if nothing was found.
 */
bool spl_symbolize_file(const char *path, uint64_t vaddr, spl_symbol_t *ss);
/* The address (as the file counts) of a named symbol; 0 if there is none. */
uint64_t spl_symbol_lookup(const char *path, const char *name);

#endif
