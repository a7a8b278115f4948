/* What the files of the arc room share. */
#ifndef TARN_ARC_IMPL_H
#define TARN_ARC_IMPL_H

#include "spl/types.h"

/* Half of the memory this process may use. */
uint64_t arc_default_max(void);
/* The size to aim at now, given the current aim and its limits. */
uint64_t arc_memory_target(uint64_t c, uint64_t c_min, uint64_t c_max);

#endif
