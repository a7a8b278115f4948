/*
 * Random operations on the objects of an object set, against a reference in memory:
 * create, write, punch, change bonus and spill, free. The order follows from the seed
 * of random_in_range.
 */
#ifndef TARN_TEST_DMU_MODEL_H
#define TARN_TEST_DMU_MODEL_H

#include "test_pool.h"

typedef struct model model_t;

/* `os` gives the object set each time it is needed: it may be opened anew between
 * steps. */
model_t *model_create(objset_t *(*os)(void *arg), void *arg);
void model_step(model_t *m);
/* Everything in the object set is as in the reference. */
void model_check(model_t *m);
/* Frees the objects, too. */
void model_destroy(model_t *m);

#endif
