/*
 * How fast are the functions between a block and its bytes?
 *
 *     bench_codec [MILLISECONDS-PER-NUMBER [MATCH]]
 *
 * Prints megabytes (10^6) of logical data per second, one thread, for blocks of 4 KiB
 * and 128 KiB; for compression also what remains of the data, in percent. The data
 * is made of words, numbers and zeros, and compresses about as well as source code.
 */
#include <stdio.h>
#include <stdlib.h>
#include "codec/checksum_impl.h"
#include "codec/codec.h"
#include "spl/spl.h"

#define BIG (128 * 1024)
#define SMALL 4096

static hrtime_t bench_time = MSEC2NSEC(200);
static const char *bench_match = "";
static uint8_t *bench_data, *bench_packed, *bench_back;
static const uint8_t bench_key[32] = "thirty-two bytes of benchmarking";

/* Keeps the compiler from leaving out what is measured. */
static volatile uint64_t bench_sink;

typedef void bench_func_t(const void *arg, size_t size);

static double
bench_rate(bench_func_t *func, const void *arg, size_t size)
{
	uint64_t rounds = 0;
	hrtime_t now, start;

	func(arg, size); /* warm up: tables, contexts, pages */
	start = gethrtime();
	do {
		for (int i = 0; i < 8; i++)
			func(arg, size);
		rounds += 8;
		now = gethrtime();
	} while (now - start < bench_time);
	return ((double)rounds * (double)size * 1e3 / (double)(now - start));
}

static void
bench_row(const char *name, bench_func_t *func, const void *arg, const char *more)
{
	if (strstr(name, bench_match) == NULL)
		return;
	const double small = bench_rate(func, arg, SMALL);
	printf(
	    "%-28s %10.0f %10.0f%s\n", name, small, bench_rate(func, arg, BIG), more);
	fflush(stdout);
}

/* ------------------------------------------------------------------- checksums */

static void
run_fletcher_4(const void *arg, size_t size)
{
	zio_cksum_t zc = {{0}};

	fletcher_4_with(arg, bench_data, size, false, &zc);
	bench_sink = zc.zc_word[3];
}

static void
run_fletcher_4_swap(const void *arg, size_t size)
{
	zio_cksum_t zc = {{0}};

	fletcher_4_with(arg, bench_data, size, true, &zc);
	bench_sink = zc.zc_word[3];
}

static void
run_fletcher_2(const void *arg, size_t size)
{
	zio_cksum_t zc = {{0}};

	fletcher_2_with(arg, bench_data, size, false, &zc);
	bench_sink = zc.zc_word[3];
}

static void
run_checksum(const void *arg, size_t size)
{
	const enum zio_checksum c = *(const enum zio_checksum *)arg;
	zio_cksum_salt_t salt;
	zio_cksum_t zc;

	memcpy(salt.zcs_bytes, bench_key, sizeof(salt.zcs_bytes));
	VERIFY0(zio_checksum_compute(c, bench_data, size, false, &salt, &zc));
	bench_sink = zc.zc_word[0];
}

static void
run_blake3_lanes(const void *arg, size_t size)
{
	uint8_t out[32];

	blake3_keyed_lanes(bench_data, size, bench_key, *(const int *)arg, out);
	bench_sink = out[0];
}

static void
run_crc64(const void *arg, size_t size)
{
	bench_sink = crc64(1, bench_data, size);
}

static void
bench_checksums(void)
{
	static const enum zio_checksum ids[] = {ZIO_CHECKSUM_FLETCHER_4,
	    ZIO_CHECKSUM_SHA256, ZIO_CHECKSUM_SHA512, ZIO_CHECKSUM_SKEIN,
	    ZIO_CHECKSUM_EDONR, ZIO_CHECKSUM_BLAKE3};
	static const int lanes[] = {1, 4};
	char name[64];

	for (const fletcher_ops_t *ops = fletcher_all_ops; ops->fo_name != NULL;
	     ops++) {
		if (!ops->fo_supported())
			continue;
		snprintf(name, sizeof(name), "fletcher2 %s", ops->fo_name);
		bench_row(name, run_fletcher_2, ops, "");
		snprintf(name, sizeof(name), "fletcher4 %s", ops->fo_name);
		bench_row(name, run_fletcher_4, ops, "");
		snprintf(name, sizeof(name), "fletcher4 %s swapped", ops->fo_name);
		bench_row(name, run_fletcher_4_swap, ops, "");
	}
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
		bench_row(
		    zio_checksum_table[ids[i]].ci_name, run_checksum, &ids[i], "");
	for (size_t i = 0; i < ARRAY_SIZE(lanes); i++) {
		snprintf(name, sizeof(name), "blake3, %d lanes at most", lanes[i]);
		bench_row(name, run_blake3_lanes, &lanes[i], "");
	}
	bench_row("crc64", run_crc64, NULL, "");
}

/* ------------------------------------------------------------------ compression */

typedef struct bench_codec {
	const char *name;
	enum zio_compress c;
	uint8_t level;
} bench_codec_t;

static const bench_codec_t codecs[] = {
    {"lzjb", ZIO_COMPRESS_LZJB, 0},
    {"zle", ZIO_COMPRESS_ZLE, 0},
    {"lz4", ZIO_COMPRESS_LZ4, 0},
    {"gzip-1", ZIO_COMPRESS_GZIP_1, 0},
    {"gzip-6", ZIO_COMPRESS_GZIP_6, 0},
    {"gzip-9", ZIO_COMPRESS_GZIP_9, 0},
    {"zstd-fast-10", ZIO_COMPRESS_ZSTD, 112},
    {"zstd-fast-1", ZIO_COMPRESS_ZSTD, 103},
    {"zstd-1", ZIO_COMPRESS_ZSTD, 1},
    {"zstd-3", ZIO_COMPRESS_ZSTD, 3},
    {"zstd-9", ZIO_COMPRESS_ZSTD, 9},
    {"zstd-19", ZIO_COMPRESS_ZSTD, 19},
};

static void
run_compress(const void *arg, size_t size)
{
	const bench_codec_t *const bc = arg;

	bench_sink = zio_compress_data(
	    bc->c, bench_data, bench_packed, size, size - size / 8, bc->level);
}

static void
run_decompress(const void *arg, size_t size)
{
	/* What bench_compression() left in bench_packed: in front the size, then it. */
	const bench_codec_t *const bc = arg;
	const uint8_t *const packed = bench_packed + (size == BIG ? BIG : 3 * BIG);
	size_t n;

	memcpy(&n, packed, sizeof(n));
	VERIFY0(zio_decompress_data(bc->c, packed + 8, bench_back, n, size, NULL));
	bench_sink = bench_back[size - 1];
}

static double
bench_pack(const bench_codec_t *bc, uint8_t *to, size_t size)
{
	const size_t n =
	    zio_compress_data(bc->c, bench_data, to + 8, size, size, bc->level);

	VERIFY3U(n, <, size);
	memcpy(to, &n, sizeof(n));
	return (100.0 * (double)n / (double)size);
}

static void
bench_compression(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(codecs); i++) {
		char name[64], more[64];
		if (strstr(codecs[i].name, bench_match) == NULL)
			continue;
		const double small =
		    bench_pack(&codecs[i], bench_packed + 3 * BIG, SMALL);
		const double big = bench_pack(&codecs[i], bench_packed + BIG, BIG);
		snprintf(more, sizeof(more), "   %5.1f%% %5.1f%%", small, big);
		snprintf(name, sizeof(name), "%s compress", codecs[i].name);
		bench_row(name, run_compress, &codecs[i], more);
		snprintf(name, sizeof(name), "%s decompress", codecs[i].name);
		bench_row(name, run_decompress, &codecs[i], "");
	}
}

/* ------------------------------------------------------------------------ names */

static void
run_textprep(const void *arg, size_t size)
{
	static const char names[] =
	    "Caf\xc3\xa9 \xce\xb1\xcd\x85 report-2024.final.TXT";
	char out[256];

	for (size_t done = 0; done < size; done += sizeof(names) - 1) {
		size_t len = sizeof(out);
		VERIFY0(u8_textprep(
		    names, sizeof(names) - 1, *(const int *)arg, out, &len));
		bench_sink = (uint8_t)out[0];
	}
}

static void
run_validate(const void *arg, size_t size)
{
	bench_sink = (uint64_t)u8_validate((const char *)bench_back, size);
}

static void
run_all_zero(const void *arg, size_t size)
{
	bench_sink = zio_is_all_zero(bench_packed, size);
}

static void
make_data(void)
{
	static const char *const words[] = {"static ", "return ", "struct ", "offset",
	    "block ", "(void)", "uint64_t ", "->", "size", ";\n\t", " = ", "checksum",
	    "if (", ") {\n"};
	size_t n = 0;

	spl_random_seed(42);
	while (n < BIG) {
		char piece[64];
		const uint64_t r = random_in_range(20);
		size_t len;
		if (r < ARRAY_SIZE(words)) {
			len = (size_t)snprintf(piece, sizeof(piece), "%s", words[r]);
		} else if (r < 19) {
			len = (size_t)snprintf(
			    piece, sizeof(piece), "%" PRIu64, random_in_range(100000));
		} else {
			len = random_in_range(40);
			memset(piece, 0, len);
		}
		len = MIN(len, BIG - n);
		memcpy(bench_data + n, piece, len);
		n += len;
	}
}

int
main(int argc, char **argv)
{
	static const int forms[] = {U8_TEXTPREP_TOUPPER, U8_TEXTPREP_NFC,
	    U8_TEXTPREP_NFKD | U8_TEXTPREP_TOUPPER};

	spl_init();
	if (argc > 1)
		bench_time = MSEC2NSEC(atoi(argv[1]));
	if (argc > 2)
		bench_match = argv[2];
	bench_data = kmem_alloc(BIG, KM_SLEEP);
	bench_packed = kmem_zalloc(4 * BIG, KM_SLEEP);
	bench_back = kmem_zalloc(BIG, KM_SLEEP);
	make_data();
	printf("fletcher4 in use: %s\n", fletcher_4_impl());
	printf("%-28s %10s %10s   what remains\n", "MB/s", "4 KiB", "128 KiB");
	bench_row("all zero?", run_all_zero, NULL, "");
	bench_checksums();
	bench_compression();
	bench_row("utf-8 validate (ASCII)", run_validate, NULL, "");
	bench_row("textprep upper", run_textprep, &forms[0], "");
	bench_row("textprep NFC", run_textprep, &forms[1], "");
	bench_row("textprep NFKD upper", run_textprep, &forms[2], "");
	kmem_free(bench_data, BIG);
	kmem_free(bench_packed, 4 * BIG);
	kmem_free(bench_back, BIG);
	return (0);
}
