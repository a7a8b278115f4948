/*
 * Random numbers: from the system, or, after spl_random_seed(), a repeatable
 * sequence (tests, reproducible images).
 */
#ifndef TARN_SPL_RANDOM_H
#define TARN_SPL_RANDOM_H

#include "spl/types.h"

void random_get_bytes(void *buf, size_t len);
/* 0 <= result < range; range > 0. */
uint64_t random_in_range(uint64_t range);
/* A random 64-bit number that is not 0. */
uint64_t random_guid(void);
void spl_random_seed(uint64_t seed);

#endif
