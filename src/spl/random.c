/*
 * Random numbers: the system's, or a repeatable stream.
 *
 * The stream is xoshiro256** (Blackman and Vigna, public domain), its state
 * filled from the seed by splitmix64 as its authors advise. It is one stream
 * for the whole process: a run repeats if the order of the calls does.
 */
#include <sys/random.h>

#include "spl/random.h"
#include "spl/debug.h"
#include "spl/sync.h"

static kmutex_t random_lock = MUTEX_INITIALIZER;
static uint64_t random_state[4];
static bool random_seeded;

static uint64_t
rotl64(uint64_t x, int k)
{
	return ((x << k) | (x >> (64 - k)));
}

static uint64_t
splitmix64(uint64_t *x)
{
	uint64_t z = (*x += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return (z ^ (z >> 31));
}

static uint64_t
xoshiro256(uint64_t s[4])
{
	const uint64_t result = rotl64(s[1] * 5, 7) * 9;
	const uint64_t t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotl64(s[3], 45);
	return (result);
}

void
spl_random_seed(uint64_t seed)
{
	mutex_enter(&random_lock);
	for (int i = 0; i < 4; i++)
		random_state[i] = splitmix64(&seed);
	__atomic_store_n(&random_seeded, true, __ATOMIC_RELAXED);
	mutex_exit(&random_lock);
}

static void
random_from_stream(uint8_t *p, size_t len)
{
	mutex_enter(&random_lock);
	while (len > 0) {
		const uint64_t word = xoshiro256(random_state);
		const size_t n = len < sizeof(word) ? len : sizeof(word);
		memcpy(p, &word, n);
		p += n;
		len -= n;
	}
	mutex_exit(&random_lock);
}

static void
random_from_system(uint8_t *p, size_t len)
{
	while (len > 0) {
		const ssize_t n = getrandom(p, len, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			panic("getrandom: %s", strerror(errno));
		p += n;
		len -= (size_t)n;
	}
}

void
random_get_bytes(void *buf, size_t len)
{
	if (__atomic_load_n(&random_seeded, __ATOMIC_RELAXED))
		random_from_stream(buf, len);
	else
		random_from_system(buf, len);
}

/* Values of the incomplete last stretch are thrown away, so none is favoured. */
uint64_t
random_in_range(uint64_t range)
{
	uint64_t v;

	VERIFY3U(range, >, 0);
	const uint64_t tail = (UINT64_MAX % range + 1) % range;
	do {
		random_get_bytes(&v, sizeof(v));
	} while (v > UINT64_MAX - tail);
	return (v % range);
}

uint64_t
random_guid(void)
{
	uint64_t guid;

	do {
		random_get_bytes(&guid, sizeof(guid));
	} while (guid == 0);
	return (guid);
}
