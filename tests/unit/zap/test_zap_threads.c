/* A fat ZAP used by many threads at once: adds, removes, lookups, iteration, splits and
 * merges. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "spl/spl.h"
#include "zap/zap.h"
#include "toy/toy_dmu.h"

#define NTHREADS 6
#define NAMES 3000
#define STEPS 6000

typedef struct worker {
	objset_t *os;
	uint64_t obj;
	unsigned id;
	uint64_t rng;
	uint8_t present[NAMES]; /* its own names */
} worker_t;

static uint64_t
rnd(worker_t *w)
{
	w->rng = w->rng * 6364136223846793005ULL + 1442695040888963407ULL;
	return (w->rng >> 33);
}

static void
name_of(const worker_t *w, uint64_t i, char *buf)
{
	sprintf(buf, "thread %u has a name that is number %" PRIu64, w->id, i);
}

static void
work(void *arg)
{
	worker_t *w = arg;
	char name[80];

	for (int s = 0; s < STEPS; s++) {
		const uint64_t i = rnd(w) % NAMES;
		/* waves of growth and shrinking */
		const bool growing = (s / 1500) % 2 == 0;
		uint64_t v = i * 3, got;
		name_of(w, i, name);
		dmu_tx_t *tx = dmu_tx_create(w->os);
		VERIFY0(dmu_tx_assign(tx, DMU_TX_WAIT));
		if (rnd(w) % 10 < (growing ? 8 : 1)) {
			const int err = zap_add(w->os, w->obj, name, 8, 1, &v, tx);
			VERIFY3S(err, ==, w->present[i] ? EEXIST : 0);
			w->present[i] = 1;
		} else {
			const int err = zap_remove(w->os, w->obj, name, tx);
			VERIFY3S(err, ==, w->present[i] ? 0 : ENOENT);
			w->present[i] = 0;
		}
		dmu_tx_commit(tx);
		const int err = zap_lookup(w->os, w->obj, name, 8, 1, &got);
		VERIFY3S(err, ==, w->present[i] ? 0 : ENOENT);
		if (err == 0)
			VERIFY3U(got, ==, v);
		if (s % 1000 == 0) {
			zap_cursor_t zc;
			zap_attribute_t *za = malloc(sizeof(*za));
			for (zap_cursor_init(&zc, w->os, w->obj);
			     zap_cursor_retrieve(&zc, za) == 0; zap_cursor_advance(&zc))
				VERIFY(strncmp(za->za_name, "thread ", 7) == 0);
			zap_cursor_fini(&zc);
			free(za);
			VERIFY0(zap_verify(w->os, w->obj));
		}
	}
}

static void
threads_share_one_table(void **state)
{
	const char *s = getenv("TARN_SEED");
	const uint64_t seed = s != NULL ? strtoull(s, NULL, 0) : 99;
	objset_t *os = toy_objset_create(seed);
	worker_t *w = calloc(NTHREADS, sizeof(*w));
	kthread_t *t[NTHREADS];
	uint64_t expect = 0, n;

	print_message("seed %" PRIu64 " (TARN_SEED)\n", seed);
	dmu_tx_t *tx = dmu_tx_create(os);
	VERIFY0(dmu_tx_assign(tx, DMU_TX_WAIT));
	const uint64_t obj =
	    zap_create(os, DMU_OT_DIRECTORY_CONTENTS, DMU_OT_NONE, 0, tx);
	dmu_tx_commit(tx);
	for (unsigned i = 0; i < NTHREADS; i++) {
		w[i] = (worker_t){.os = os, .obj = obj, .id = i, .rng = seed * 77 + i};
		t[i] = thread_create("zap", work, &w[i]);
	}
	for (unsigned i = 0; i < NTHREADS; i++)
		thread_join(t[i]);
	for (unsigned i = 0; i < NTHREADS; i++)
		for (unsigned k = 0; k < NAMES; k++) {
			char name[80];
			uint64_t v;
			name_of(&w[i], k, name);
			expect += w[i].present[k];
			assert_int_equal(zap_lookup(os, obj, name, 8, 1, &v),
			    w[i].present[k] ? 0 : ENOENT);
		}
	assert_int_equal(zap_count(os, obj, &n), 0);
	assert_int_equal(n, expect);
	assert_int_equal(zap_verify(os, obj), 0);
	assert_int_equal(toy_held(os), 0);
	toy_objset_destroy(os);
	free(w);
}

int
main(void)
{
	spl_init();
	const struct CMUnitTest tests[] = {cmocka_unit_test(threads_share_one_table)};
	const int rc = cmocka_run_group_tests(tests, NULL, NULL);
	spl_fini();
	return (rc);
}
