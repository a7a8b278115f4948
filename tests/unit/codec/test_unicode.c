/*
 * Text preparation: the vectors of format/04 §3.4, an independent implementation's
 * results over random strings, the outcome of name operations of a real kernel, and
 * names that are hostile.
 */
#include <unistd.h>
#include "codec_test.h"
#include "codec/unicode.h"

#define U U8_TEXTPREP_TOUPPER
#define ROOM 4096

/* The prepared form of hex bytes, as bytes; asserts success. */
static size_t
prep_hex(const char *hex, int flags, uint8_t out[ROOM])
{
	uint8_t in[ROOM];
	const size_t n = test_unhex(hex, in, sizeof(in));
	size_t len = ROOM;

	assert_int_equal(u8_textprep((const char *)in, n, flags, (char *)out, &len), 0);
	return (len);
}

static void
assert_prep(const char *hex, int flags, const char *want_hex)
{
	uint8_t got[ROOM], want[ROOM];
	const size_t n = test_unhex(want_hex, want, sizeof(want));

	assert_int_equal(prep_hex(hex, flags, got), n);
	assert_memory_equal(got, want, n);
}

static void
regular_vectors(void **state)
{
	static const char *const rows[][6] = {
	    /* name, U, D=canon, D=canon C, D=canon U, D=canon C U */
	    {"636166c3a9", "434146c389", "63616665cc81", "636166c3a9", "43414645cc81",
		"434146c389"},
	    {"63616665cc81", "43414645cc81", "63616665cc81", "636166c3a9",
		"43414645cc81", "434146c389"},
	    {"53747261c39f65", "53545241c39f45", "53747261c39f65", "53747261c39f65",
		"53545241c39f45", "53545241c39f45"},
	    {"e284ab", "e284ab", "41cc8a", "c385", "41cc8a", "c385"},
	    {"eab081", "eab081", "e18480e185a1e186a8", "eab081", "e18480e185a1e186a8",
		"eab081"},
	    {"ceb1cd85", "ce91ce99", "ceb1cd85", "e1beb3", "ce91ce99", "ce91ce99"},
	    {"e1beb3", "e1bebc", "ceb1cd85", "e1beb3", "ce91cd85", "e1bebc"},
	};
	static const int flags[] = {0, U, U8_TEXTPREP_NFD, U8_TEXTPREP_NFC,
	    U8_TEXTPREP_NFD | U, U8_TEXTPREP_NFC | U};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_prep(rows[i][0], 0, rows[i][0]);
		for (int f = 1; f < 6; f++)
			assert_prep(rows[i][0], flags[f], rows[i][f]);
	}
}

/* Where the format is not what Unicode would do. */
static void
odd_cases_are_reproduced(void **state)
{
	/* 1E65 0323 -> 1E69 0301 */
	assert_prep("e1b9a5 cca3", U8_TEXTPREP_NFC, "e1b9a9 cc81");
	/* 0075 0308 0F73 -> 0075 0308 0F71 0F72 */
	assert_prep("75 cc88 e0bdb3", U8_TEXTPREP_NFD, "75 cc88 e0bdb1 e0bdb2");
	/* 1100 3152 -> 1100 1164 */
	assert_prep("e18480 e38592", U8_TEXTPREP_NFKC, "e18480 e185a4");
	/* 2105 0323 -> 0063 002F 006F 0323 */
	assert_prep("e28485 cca3", U8_TEXTPREP_NFKC, "63 2f 6f cca3");
	/* 01C6 -> 0064 017E: the second of two starters composes with its neighbour */
	assert_prep("c786 c785 c784", U8_TEXTPREP_NFKC, "64 c5be 44 c5be 44 c5bd");
	/* 0308 FEF7 0DCA -> 0308 0644 0627 0DCA 0654 */
	assert_prep(
	    "cc88 efbbb7 e0b78a", U8_TEXTPREP_NFKC, "cc88 d984 d8a7 e0b78a d994");
}

static void
upper_case_is_one_to_one(void **state)
{
	/* These have no simple upper case: sharp s, n with apostrophe, fi, I with dot.
	 */
	assert_prep("c39f c589 efac81 c4b0", U, "c39f c589 efac81 c4b0");
	/* dotless i -> I, final sigma -> sigma, titlecase Dž -> DŽ, iota below -> iota
	 */
	assert_prep("c4b1 cf82 c785 cd85", U, "49 cea3 c784 ce99");
	/* Pairs of a later Unicode do not exist: 0250 (2C6F is 5.1), 10D0 (1C90
	 * is 11.0) */
	assert_prep("c990 e18390", U, "c990 e18390");
	/* A character of Unicode 5.1 is nothing special: 1E9E, the capital sharp s. */
	assert_prep("e1ba9e", U8_TEXTPREP_NFKC | U, "e1ba9e");
}

static void
long_runs_of_marks_are_cut(void **state)
{
	/* a and 40 acutes: 31 characters, a joiner, and the rest. */
	uint8_t in[1 + 80], out[ROOM];
	size_t len = ROOM;

	in[0] = 'a';
	for (int i = 0; i < 40; i++)
		memcpy(in + 1 + 2 * i, "\xcc\x81", 2);
	assert_int_equal(
	    u8_textprep((char *)in, sizeof(in), U8_TEXTPREP_NFD, (char *)out, &len), 0);
	assert_int_equal(len, sizeof(in) + 2);
	assert_memory_equal(out, in, 61);
	assert_hex(out + 61, "cd8f cc81");
}

/* Compare with tests/data/codec/textprep.txt. */
static void
independent_implementation_agrees(void **state)
{
	static char line[10000], name[5000], want[5000];
	const char *const src = getenv("TARN_SRC");
	char path[4096];
	unsigned flags;
	int n = 0;

	snprintf(path, sizeof(path), "%s/tests/data/codec/textprep.txt",
	    src != NULL ? src : ".");
	FILE *const f = fopen(path, "r");
	if (f == NULL)
		fail_msg("cannot open %s", path);
	while (fgets(line, sizeof(line), f) != NULL) {
		if (line[0] == '#')
			continue;
		assert_int_equal(
		    sscanf(line, "%x %4999s %4999s", &flags, name, want), 3);
		assert_prep(name, (int)flags, want);
		n++;
	}
	fclose(f);
	assert_true(n >= 1000);
}

/* --------------------------------------------------- what a kernel did with names */

#define NAMES_MAX 64

typedef struct names_dir {
	const char *dataset;
	int norm;
	bool utf8only;
	bool insensitive;
	int n;
	uint8_t name[NAMES_MAX][256];
	size_t len[NAMES_MAX];
} names_dir_t;

static names_dir_t names_dirs[] = {
    {"/npool/plain", 0, false, false, 0, {{0}}, {0}},
    {"/npool/utf8", 0, true, false, 0, {{0}}, {0}},
    {"/npool/insens", 0, false, true, 0, {{0}}, {0}},
    {"/npool/insens_d", U8_TEXTPREP_NFD, true, true, 0, {{0}}, {0}},
    {"/npool/mixed", 0, false, false, 0, {{0}}, {0}},
    {"/npool/mixed_c", U8_TEXTPREP_NFC, true, false, 0, {{0}}, {0}},
    {"/npool/c", U8_TEXTPREP_NFC, true, false, 0, {{0}}, {0}},
    {"/npool/d", U8_TEXTPREP_NFD, true, false, 0, {{0}}, {0}},
    {"/npool/kc", U8_TEXTPREP_NFKC, true, false, 0, {{0}}, {0}},
    {"/npool/kd", U8_TEXTPREP_NFKD, true, false, 0, {{0}}, {0}},
};

/* The index of the entry that matches, or -1. */
static int
names_find(names_dir_t *d, const uint8_t *name, size_t len)
{
	const int flags = d->norm | (d->insensitive ? U : 0);
	uint8_t a[ROOM], b[ROOM];
	size_t alen = ROOM, blen;

	assert_int_equal(
	    u8_textprep((const char *)name, len, flags, (char *)a, &alen), 0);
	for (int i = 0; i < d->n; i++) {
		blen = ROOM;
		assert_int_equal(
		    u8_textprep((char *)d->name[i], d->len[i], flags, (char *)b, &blen),
		    0);
		if (alen == blen && memcmp(a, b, alen) == 0)
			return (i);
	}
	return (-1);
}

/* What the operation should give on a directory with the rules of format/04 §3.3. */
static int
names_operate(names_dir_t *d, const char *op, const uint8_t *name, size_t len)
{
	if (d->utf8only && u8_validate((const char *)name, len) != 0)
		return (EILSEQ);
	const int at = names_find(d, name, len);
	if (strcmp(op, "lookup") == 0)
		return (at >= 0 ? 0 : ENOENT);
	if (at >= 0)
		return (EEXIST);
	assert_true(d->n < NAMES_MAX);
	memcpy(d->name[d->n], name, len);
	d->len[d->n++] = len;
	return (0);
}

static void
names_of_a_real_kernel(void **state)
{
	const char *const src = getenv("TARN_SRC"), *const shared =
							getenv("TARN_SHARED");
	char path[4096], line[1000], dataset[64], op[32], hex[600], result[32];
	int checked = 0;

	if (shared != NULL)
		snprintf(path, sizeof(path), "%s/pools/names/RESULTS.txt", shared);
	else
		snprintf(path, sizeof(path), "%s/../shared/pools/names/RESULTS.txt",
		    src != NULL ? src : ".");
	if (access(path, R_OK) != 0) {
		print_message("no test pools here (set TARN_SHARED)\n");
		skip();
	}
	FILE *const f = fopen(path, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL) {
		uint8_t name[300];
		int want = 0;
		/* The last operations of each dataset use another spelling than is
		 * noted. */
		if (sscanf(line, "%63s %31s %599s %31[^\n]", dataset, op, hex,
			result) != 4 ||
		    strcmp(op, "rename-case") == 0 || strcmp(op, "unlink") == 0)
			continue;
		(void)sscanf(result, "errno %d", &want);
		const size_t len = test_unhex(hex, name, sizeof(name));
		for (size_t i = 0; i < ARRAY_SIZE(names_dirs); i++) {
			if (strcmp(names_dirs[i].dataset, dataset) != 0)
				continue;
			const int got = names_operate(&names_dirs[i], op, name, len);
			if (got != want)
				fail_msg("%s %s %s: %d, the kernel: %d", dataset, op,
				    hex, got, want);
			checked++;
		}
	}
	fclose(f);
	print_message("%d operations\n", checked);
	assert_true(checked > 500);
}

/* --------------------------------------------------------------------- validity */

static void
validity(void **state)
{
	static const char *const good[] = {"", "61", "7f", "c280", "dfbf", "e0a080",
	    "ed9fbf", "ee8080", "efbfbf", "f0908080", "f48fbfbf", "efbfbe", "61c3a962"};
	static const char *const bad[] = {"80", "bf", "c080", "c1bf", "c2", "c241",
	    "e0", "e0a0", "e09f80", "eda080", "edbfbf", "f08f8080", "f4908080",
	    "f5808080", "ff", "f09080", "e28228a1", "61c3", "fe"};
	uint8_t in[16];

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		const size_t n = test_unhex(good[i], in, sizeof(in));
		assert_int_equal(u8_validate((char *)in, n), 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		const size_t n = test_unhex(bad[i], in, sizeof(in));
		assert_int_equal(u8_validate((char *)in, n), EILSEQ);
	}
}

static void
every_code_point_is_judged_right(void **state)
{
	for (uint32_t c = 0; c < 0x120000; c += c < 0x11000 ? 1 : 251) {
		/* Encoded by the rule of four bytes and less, valid or not. */
		uint8_t in[4];
		size_t n;
		if (c < 0x80) {
			in[0] = (uint8_t)c;
			n = 1;
		} else if (c < 0x800) {
			in[0] = (uint8_t)(0xc0 | c >> 6);
			in[1] = (uint8_t)(0x80 | (c & 63));
			n = 2;
		} else if (c < 0x10000) {
			in[0] = (uint8_t)(0xe0 | c >> 12);
			in[1] = (uint8_t)(0x80 | (c >> 6 & 63));
			in[2] = (uint8_t)(0x80 | (c & 63));
			n = 3;
		} else {
			in[0] = (uint8_t)(0xf0 | c >> 18);
			in[1] = (uint8_t)(0x80 | (c >> 12 & 63));
			in[2] = (uint8_t)(0x80 | (c >> 6 & 63));
			in[3] = (uint8_t)(0x80 | (c & 63));
			n = 4;
		}
		const bool want = c < 0x110000 && (c < 0xd800 || c > 0xdfff);
		assert_int_equal(u8_validate((char *)in, n), want ? 0 : EILSEQ);
	}
}

/* ------------------------------------------------------------------ hostile names */

static void
invalid_bytes(void **state)
{
	uint8_t out[ROOM];
	size_t len = ROOM;

	/* Without decomposition they pass through. */
	assert_prep("61 ff 62 c3", U, "41 ff 42 c3");
	assert_prep("ff fe", 0, "ff fe");
	/* With it, the last sequence decides. */
	assert_prep("ff c3a9", U8_TEXTPREP_NFD, "ff 65 cc81");
	assert_int_equal(
	    u8_textprep("\xc3\xa9\xff", 3, U8_TEXTPREP_NFD, (char *)out, &len), EILSEQ);
	assert_int_equal(
	    u8_textprep("\xe2\x84", 2, U8_TEXTPREP_NFC, (char *)out, &len), EILSEQ);
	assert_int_equal(len, ROOM);
}

static void
room_is_respected(void **state)
{
	uint64_t rnd = test_seed();
	static const int forms[] = {
	    0, 2, 0x10, 0x12, 0x20, 0x22, 0x50, 0x52, 0x60, 0x62};

	for (int i = 0; i < 20000; i++) {
		uint8_t in[64], full[ROOM], fence[ROOM + 1];
		const int flags = forms[test_rand(&rnd) % ARRAY_SIZE(forms)];
		size_t n = 0, len = ROOM;

		/* Characters around those with interesting behaviour, some broken
		 * bytes. */
		while (n < 50) {
			static const char *const parts[] = {"a", "Z", "\xc3\xa9",
			    "\xcc\x81", "\xcc\xa3", "\xe1\x84\x80", "\xe1\x85\xa1",
			    "\xe1\x86\xa8", "\xef\xb7\xba", "\xe1\xbe\xb3", "\xcd\x85",
			    "\xf0\x9d\x85\xa0", "\xff", "\xe2\x84", "\xea\xb0\x80",
			    "\xe0\xbd\xb3"};
			const char *const part =
			    parts[test_rand(&rnd) % ARRAY_SIZE(parts)];
			memcpy(in + n, part, strlen(part));
			n += strlen(part);
			if (test_rand(&rnd) % 8 == 0)
				break;
		}
		const int error = u8_textprep((char *)in, n, flags, (char *)full, &len);
		if (error != 0) {
			assert_int_equal(error, EILSEQ);
			continue;
		}
		/* Exactly enough is enough; one byte less is E2BIG and writes nothing
		 * behind. */
		for (size_t room = len > 2 ? len - 2 : 0; room <= len; room++) {
			size_t got = room;
			memset(fence, 0x77, sizeof(fence));
			const int e =
			    u8_textprep((char *)in, n, flags, (char *)fence, &got);
			assert_int_equal(fence[room], 0x77);
			assert_int_equal(e, room < len ? E2BIG : 0);
			assert_int_equal(got, room);
			if (e == 0)
				assert_memory_equal(fence, full, len);
		}
	}
	size_t none = 0;
	assert_int_equal(
	    u8_textprep("", 0, U8_TEXTPREP_NFC | U, (char *)NULL, &none), 0);
}

static void
preparing_twice_changes_nothing_more(void **state)
{
	/* True for plain text (not for the odd cases above, nor for upper case with
	   compatibility: the ligature fi has none, but becomes two letters that do). */
	static const char *const names[] = {"636166c3a9", "63616665cc81",
	    "53747261c39f65", "c3856e67737472c3b66d", "41cc8a6e677374726fcc886d32",
	    "e284ab207369676e", "efac816c69676174757265",
	    "cea3ceafcf83cf85cf86cebfcf82", "eab080eb8298", "e18480e185a178",
	    "e6bca2e5ad97", "e291a0e285a7", "d096d183d0ba", "78cca3cc87",
	    "f09d94b86d617468"};
	static const int forms[] = {2, 0x10, 0x12, 0x20, 0x50, 0x52, 0x60};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		for (size_t f = 0; f < ARRAY_SIZE(forms); f++) {
			uint8_t once[ROOM], twice[ROOM];
			const size_t n = prep_hex(names[i], forms[f], once);
			size_t len = ROOM;
			assert_int_equal(
			    u8_textprep((char *)once, n, forms[f], (char *)twice, &len),
			    0);
			assert_int_equal(len, n);
			assert_memory_equal(once, twice, n);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(regular_vectors),
	    cmocka_unit_test(odd_cases_are_reproduced),
	    cmocka_unit_test(upper_case_is_one_to_one),
	    cmocka_unit_test(long_runs_of_marks_are_cut),
	    cmocka_unit_test(independent_implementation_agrees),
	    cmocka_unit_test(names_of_a_real_kernel),
	    cmocka_unit_test(validity),
	    cmocka_unit_test(every_code_point_is_judged_right),
	    cmocka_unit_test(invalid_bytes),
	    cmocka_unit_test(room_is_respected),
	    cmocka_unit_test(preparing_twice_changes_nothing_more),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
