/*
 * Runs a fuzz target without a fuzzer: every file below the paths given, then a
 * number of random inputs, so that targets stay correct in ordinary builds and a
 * regression is a file in tests/fuzz/regressions/<name>.
 */
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define RANDOM_INPUTS 3000
#define RANDOM_SIZE_MAX 600

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned files_run;

static int
run_file(const char *path, const struct stat *st, int type)
{
	if (type != FTW_F)
		return (0);
	FILE *const f = fopen(path, "rb");
	if (f == NULL) {
		perror(path);
		return (1);
	}
	const size_t size = (size_t)st->st_size;
	uint8_t *const data = malloc(size > 0 ? size : 1);
	if (data != NULL && fread(data, 1, size, f) == size)
		(void)LLVMFuzzerTestOneInput(data, size);
	free(data);
	fclose(f);
	files_run++;
	return (0);
}

static uint64_t
next(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15ULL);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return (z ^ z >> 31);
}

/* Random bytes, often small ones: most grammars live there. */
static void
run_random(uint64_t *state)
{
	const size_t size = next(state) % RANDOM_SIZE_MAX;
	const uint64_t mask = (next(state) % 2 != 0) ? 0xff : 0x0f;
	/* Exactly as large as the input, so that a sanitizer sees every overrun. */
	uint8_t *const data = malloc(size > 0 ? size : 1);

	if (data == NULL)
		abort();
	for (size_t i = 0; i < size; i++)
		data[i] = (uint8_t)(next(state) & mask);
	(void)LLVMFuzzerTestOneInput(data, size);
	free(data);
}

int
main(int argc, char **argv)
{
	const char *const env = getenv("TEST_SEED");
	uint64_t state = env != NULL ? strtoull(env, NULL, 0) : (uint64_t)time(NULL);

	printf("TEST_SEED=%llu\n", (unsigned long long)state);
	for (int i = 1; i < argc; i++)
		(void)ftw(argv[i], run_file, 8); /* no such directory: no regressions */
	for (int i = 0; i < RANDOM_INPUTS; i++)
		run_random(&state);
	printf("%u files, %d random inputs\n", files_run, RANDOM_INPUTS);
	return (0);
}
