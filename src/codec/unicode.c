/*
 * Text preparation of names (format/04 §3.4).
 *
 * A directory that normalizes or ignores case hashes and compares not the names but
 * what this file makes of them. The results are part of the format: a name whose
 * preparation changed could not be found any more. They are almost, but not quite,
 * the normalization forms of Unicode; where they differ, they must differ (§3.4 has
 * examples), which is why no library does this. The steps below carry the numbers of
 * the specification.
 *
 * The name is taken apart into sequences: a character with the marks that follow it,
 * or a Hangul syllable with its parts. Each is decomposed, its marks are sorted by
 * combining class, and, if wanted, it is composed again. A sequence is at most 31
 * characters plus what the last decomposition brought plus one, whatever the name:
 * all of it lives on the stack, and the work is linear in the length of the name.
 */
#include "codec/unicode_impl.h"
#include "spl/bits.h"
#include "spl/debug.h"

/* Hangul is computed (The Unicode Standard, 3.12). */
#define HANGUL_S 0xac00
#define HANGUL_L 0x1100
#define HANGUL_V 0x1161
#define HANGUL_T 0x11a7 /* one before the first trailing jamo */
#define HANGUL_LN 19
#define HANGUL_VN 21
#define HANGUL_TN 28
#define HANGUL_SN (HANGUL_LN * HANGUL_VN * HANGUL_TN)

#define U8_INVALID UINT32_MAX /* no character of UTF-8 here */
#define U8_SEQUENCE 31	      /* characters after which a sequence is cut */
#define U8_JOINER 0x34f	      /* combining grapheme joiner: ends a cut sequence */
#define U8_IOTA_MARK 0x345
#define U8_IOTA_UPPER 0x399
#define U8_IOTA_CLASS 240

/* The first character comes alone into an empty sequence: it may be longest. */
#define U8_SEQUENCE_MAX (U8_SEQUENCE + U8_DECOMP_MARK_MAX)
_Static_assert(U8_DECOMP_MAX <= U8_SEQUENCE, "a first character fills a sequence");

typedef struct u8_sequence {
	unsigned n;
	uint32_t cp[U8_SEQUENCE_MAX];
	uint8_t class[U8_SEQUENCE_MAX];
} u8_sequence_t;

typedef struct u8_reader {
	const uint8_t *p;
	size_t left;
} u8_reader_t;

typedef struct u8_writer {
	uint8_t *p;
	size_t room;
	size_t n;
	bool full; /* something did not fit; nothing is written any more */
} u8_writer_t;

/* ---------------------------------------------------------------------- UTF-8 */

/*
 * The character at p: its length, and *cp. U8_INVALID with length 1 for bytes that
 * begin none, and with the length of the rest for one that is cut off by the end.
 */
static size_t
u8_decode(const uint8_t *p, size_t left, uint32_t *cp)
{
	const uint8_t lead = p[0];
	uint8_t low = 0x80, high = 0xbf;
	size_t len;
	uint32_t c;

	*cp = U8_INVALID;
	if (lead < 0x80) {
		*cp = lead;
		return (1);
	}
	if (lead >= 0xc2 && lead <= 0xdf) {
		len = 2;
		c = lead & 0x1f;
	} else if ((lead & 0xf0) == 0xe0) {
		len = 3;
		c = lead & 0x0f;
		low = (lead == 0xe0) ? 0xa0 : 0x80;  /* shorter forms exist */
		high = (lead == 0xed) ? 0x9f : 0xbf; /* surrogates */
	} else if (lead >= 0xf0 && lead <= 0xf4) {
		len = 4;
		c = lead & 0x07;
		low = (lead == 0xf0) ? 0x90 : 0x80;
		high = (lead == 0xf4) ? 0x8f : 0xbf; /* beyond 10ffff */
	} else {
		return (1);
	}
	if (len > left)
		return (left);
	if (p[1] < low || p[1] > high)
		return (1);
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return (1);
		c = c << 6 | (p[i] & 0x3f);
	}
	*cp = c;
	return (len);
}

static size_t
u8_encode(uint32_t c, uint8_t out[4])
{
	if (c < 0x80) {
		out[0] = (uint8_t)c;
		return (1);
	}
	if (c < 0x800) {
		out[0] = (uint8_t)(0xc0 | c >> 6);
		out[1] = (uint8_t)(0x80 | (c & 0x3f));
		return (2);
	}
	if (c < 0x10000) {
		out[0] = (uint8_t)(0xe0 | c >> 12);
		out[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
		out[2] = (uint8_t)(0x80 | (c & 0x3f));
		return (3);
	}
	out[0] = (uint8_t)(0xf0 | c >> 18);
	out[1] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
	out[2] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
	out[3] = (uint8_t)(0x80 | (c & 0x3f));
	return (4);
}

static void
put_bytes(u8_writer_t *w, const uint8_t *bytes, size_t n)
{
	if (w->full || n > w->room - w->n) {
		w->full = true;
		return;
	}
	if (n > 0)
		memcpy(w->p + w->n, bytes, n);
	w->n += n;
}

static void
put_char(u8_writer_t *w, uint32_t c)
{
	uint8_t bytes[4];

	put_bytes(w, bytes, u8_encode(c, bytes));
}

static void
skip(u8_reader_t *r, size_t n)
{
	r->p += n;
	r->left -= n;
}

int
u8_validate(const char *in, size_t inlen)
{
	const uint8_t *p = (const uint8_t *)in;
	uint32_t c;

	for (size_t n; inlen > 0; p += n, inlen -= n) {
		n = u8_decode(p, inlen, &c);
		if (c == U8_INVALID)
			return (EILSEQ);
	}
	return (0);
}

/* -------------------------------------------------------------- character data */

static const u8_char_t *
char_data(uint32_t c)
{
	if (c >= U8_PAGES * U8_PAGE)
		return (&u8_chars[0]);
	return (&u8_chars[u8_pages[u8_page_of[c / U8_PAGE] * U8_PAGE + c % U8_PAGE]]);
}

static uint8_t
char_class(uint32_t c)
{
	return (char_data(c)->uc_class);
}

static uint32_t
char_upper(uint32_t c)
{
	const uint32_t upper = char_data(c)->uc_upper;

	return (upper != 0 ? upper : c);
}

static bool
in_range(uint32_t c, uint32_t first, uint32_t n)
{
	return (c - first < n);
}

static bool
is_leading_jamo(uint32_t c)
{
	return (in_range(c, HANGUL_L, HANGUL_LN));
}

static bool
is_vowel_jamo(uint32_t c)
{
	return (in_range(c, HANGUL_V, HANGUL_VN));
}

static bool
is_trailing_jamo(uint32_t c)
{
	return (in_range(c, HANGUL_T + 1, HANGUL_TN - 1));
}

static bool
is_syllable(uint32_t c)
{
	return (in_range(c, HANGUL_S, HANGUL_SN));
}

/* Any jamo, also the old ones that compose with nothing, or a syllable. */
static bool
is_hangul(uint32_t c)
{
	return (in_range(c, HANGUL_L, 0x100) || is_syllable(c));
}

/* The primary composite of two characters, or 0. */
static uint32_t
composite(uint32_t a, uint32_t b)
{
	if (is_leading_jamo(a) && is_vowel_jamo(b))
		return (HANGUL_S +
			((a - HANGUL_L) * HANGUL_VN + (b - HANGUL_V)) * HANGUL_TN);
	if (is_syllable(a) && (a - HANGUL_S) % HANGUL_TN == 0 && is_trailing_jamo(b))
		return (a + (b - HANGUL_T));
	const u8_char_t *const uc = char_data(a);
	const u8_composite_t *const pair = &u8_composites[uc->uc_compose];
	for (unsigned i = 0; i < uc->uc_ncompose; i++)
		if (pair[i].up_second == b)
			return (pair[i].up_result);
	return (0);
}

/* ---------------------------------------------------------- step 2: a sequence */

static void
seq_add(u8_sequence_t *s, uint32_t c)
{
	ASSERT3U(s->n, <, U8_SEQUENCE_MAX);
	s->cp[s->n] = c;
	s->class[s->n] = char_class(c);
	s->n++;
}

/* Add the full decomposition of c. */
static void
seq_add_decomposed(u8_sequence_t *s, uint32_t c, bool compat)
{
	if (is_syllable(c)) {
		const uint32_t i = c - HANGUL_S;
		seq_add(s, HANGUL_L + i / (HANGUL_VN * HANGUL_TN));
		seq_add(s, HANGUL_V + i % (HANGUL_VN * HANGUL_TN) / HANGUL_TN);
		if (i % HANGUL_TN != 0)
			seq_add(s, HANGUL_T + i % HANGUL_TN);
		return;
	}
	const u8_char_t *const uc = char_data(c);
	const uint16_t at = compat ? uc->uc_compat : uc->uc_canon;
	if (at == 0) {
		seq_add(s, c);
		return;
	}
	for (uint32_t i = 1; i <= u8_decompositions[at]; i++)
		seq_add(s, u8_decompositions[at + i]);
}

/*
 * Step b: absorb what belongs to the first character `c`, which is in the sequence
 * already. Returns whether there was anything.
 */
static bool
seq_absorb(u8_sequence_t *s, u8_reader_t *r, uint32_t c, bool compat)
{
	const uint32_t last = s->cp[s->n - 1];
	enum { NONE, LEADING, LEADING_VOWEL } state = NONE;
	bool hangul = is_hangul(c) || is_hangul(last);
	bool absorbed = false;
	uint32_t m;

	if (s->n == 1 && is_leading_jamo(last))
		state = LEADING;
	else if (s->n == 2 && is_syllable(c))
		state = LEADING_VOWEL;
	while (r->left > 0 && r->p[0] >= 0x80) {
		const size_t len = u8_decode(r->p, r->left, &m);
		if (m == U8_INVALID)
			break;
		if (state == LEADING && is_vowel_jamo(m)) {
			state = LEADING_VOWEL;
			hangul = true;
			seq_add(s, m);
		} else if (state == LEADING_VOWEL && is_trailing_jamo(m)) {
			state = NONE;
			hangul = true;
			seq_add(s, m);
		} else if (char_class(m) != 0 && !hangul) {
			seq_add_decomposed(s, m, compat);
		} else {
			break;
		}
		absorbed = true;
		skip(r, len);
		if (s->n >= U8_SEQUENCE) {
			seq_add(s, U8_JOINER); /* step c */
			break;
		}
	}
	return (absorbed);
}

/* Step d: sort runs of marks by class, keeping the order of equal ones. */
static void
seq_sort(u8_sequence_t *s)
{
	for (unsigned i = 1; i < s->n; i++) {
		const uint32_t cp = s->cp[i];
		const uint8_t class = s->class[i];
		unsigned j = i;
		for (; class > 0 && j > 0 && s->class[j - 1] > class; j--) {
			s->cp[j] = s->cp[j - 1];
			s->class[j] = s->class[j - 1];
		}
		s->cp[j] = cp;
		s->class[j] = class;
	}
}

/*
 * A capital with an iota below: the mark is upper-cased, alone of all marks and only
 * as the last one absorbed, but still sorted as the mark that it was.
 */
static void
seq_upper_iota(u8_sequence_t *s)
{
	const unsigned last = s->n - (s->cp[s->n - 1] == U8_JOINER ? 2 : 1);

	if (s->cp[last] == U8_IOTA_MARK) {
		s->cp[last] = U8_IOTA_UPPER;
		s->class[last] = U8_IOTA_CLASS;
	}
}

/* ---------------------------------------------------------- step 3: composition */

/*
 * Is there a starter, or a mark of the class of s[j] or above, at positions 1..j-1? The
 * starter s[k] itself does not stand between itself and its neighbour: U+01C6 becomes
 * d, z, caron, and z and caron compose.
 */
static bool
seq_blocked(const u8_sequence_t *s, unsigned k, unsigned j)
{
	for (unsigned i = 1; i < j; i++) {
		if (i == k && j == k + 1)
			continue;
		if (s->class[i] == 0 || s->class[i] >= s->class[j])
			return (true);
	}
	return (false);
}

/*
 * Step 3d: compose the starter s[k] with what follows it; the result goes to out.
 * Returns the position behind what was consumed.
 */
static unsigned
seq_compose_starter(const u8_sequence_t *s, unsigned k, u8_sequence_t *out)
{
	uint32_t cur = s->cp[k];
	const unsigned at = out->n;
	bool composed = false;
	unsigned j;

	seq_add(out, cur); /* its place; what is held back goes behind it */
	for (j = k + 1; j < s->n; j++) {
		const uint32_t c = s->cp[j];
		/* A mark next to the starter is exempt from the test only at the start.
		 */
		const unsigned exempt = (s->class[j] == 0 ? k + 1 : 1);
		if (!composed && j > exempt && seq_blocked(s, k, j)) {
			seq_add(out, c);
			continue;
		}
		const uint32_t both = composite(cur, c);
		if (both != 0) {
			cur = both;
			composed = true;
			if (char_data(cur)->uc_ncompose == 0) {
				j++;
				break;
			}
		} else if (s->class[j] == 0) {
			break;
		} else {
			seq_add(out, c);
		}
	}
	out->cp[at] = cur;
	return (j);
}

/* Step 3: the composed form of s, in out. */
static void
seq_compose(const u8_sequence_t *s, u8_sequence_t *out)
{
	out->n = 0;
	for (unsigned k = 0; k < s->n;) {
		const uint32_t c = s->cp[k];
		if (k + 1 == s->n || s->class[k] != 0) {
			seq_add(out, c);
			k++;
		} else if (is_leading_jamo(c) && is_vowel_jamo(s->cp[k + 1])) {
			uint32_t syllable = composite(c, s->cp[k + 1]);
			k += 2;
			if (k < s->n && is_trailing_jamo(s->cp[k]))
				syllable = composite(syllable, s->cp[k++]);
			seq_add(out, syllable);
		} else if (char_data(c)->uc_ncompose == 0) {
			seq_add(out, c);
			k++;
		} else {
			k = seq_compose_starter(s, k, out);
		}
	}
}

/* Step 3e: what follows in the name may compose with the last character. */
static void
seq_compose_following(u8_sequence_t *out, u8_reader_t *r)
{
	uint32_t m;

	while (r->left > 0 && r->p[0] >= 0x80) {
		const size_t len = u8_decode(r->p, r->left, &m);
		const uint32_t both =
		    (m == U8_INVALID ? 0 : composite(out->cp[out->n - 1], m));
		if (both == 0)
			break;
		out->cp[out->n - 1] = both;
		skip(r, len);
	}
}

/* ------------------------------------------------------------------- the whole */

/* One sequence from r to w; false if there is no character at r. */
static bool
prep_sequence(u8_reader_t *r, u8_writer_t *w, int flags)
{
	const bool compat = (flags & U8_TEXTPREP_COMPAT) != 0;
	u8_sequence_t decomposed = {.n = 0}, composed, *s = &decomposed;
	uint32_t c;
	const size_t len = u8_decode(r->p, r->left, &c);

	if (c == U8_INVALID) {
		put_bytes(w, r->p, len);
		skip(r, len);
		return (false);
	}
	skip(r, len);
	if ((flags & U8_TEXTPREP_TOUPPER) != 0)
		c = char_upper(c);
	seq_add_decomposed(s, c, compat);
	if (seq_absorb(s, r, c, compat)) {
		if ((flags & U8_TEXTPREP_TOUPPER) != 0)
			seq_upper_iota(s);
		seq_sort(s);
	}
	if ((flags & U8_TEXTPREP_COMPOSE) != 0) {
		/* From here on the iota is a starter like any capital. */
		for (unsigned i = 0; i < s->n; i++)
			s->class[i] = char_class(s->cp[i]);
		const bool open = (s->class[s->n - 1] == 0);
		seq_compose(s, &composed);
		s = &composed;
		if (open)
			seq_compose_following(s, r);
	}
	for (unsigned i = 0; i < s->n; i++)
		put_char(w, s->cp[i]);
	return (true);
}

/* Without decomposition: each character by itself. */
static void
prep_upper(u8_reader_t *r, u8_writer_t *w)
{
	uint32_t c;

	while (r->left > 0) {
		const size_t len = u8_decode(r->p, r->left, &c);
		if (c == U8_INVALID)
			put_bytes(w, r->p, len);
		else
			put_char(w, char_upper(c));
		skip(r, len);
	}
}

int
u8_textprep(const char *in, size_t inlen, int flags, char *out, size_t *outlen)
{
	u8_reader_t r = {(const uint8_t *)in, inlen};
	u8_writer_t w = {(uint8_t *)out, *outlen, 0, false};
	const bool upper = (flags & U8_TEXTPREP_TOUPPER) != 0;
	bool valid = true;

	if ((flags & (U8_TEXTPREP_CANON | U8_TEXTPREP_COMPAT)) == 0) {
		if (upper)
			prep_upper(&r, &w);
		else
			put_bytes(&w, r.p, r.left);
	} else {
		while (r.left > 0 && !w.full) {
			/* Step 1: ASCII that nothing can attach to. */
			if (r.p[0] < 0x80 && (r.left == 1 || r.p[1] < 0x80)) {
				put_char(&w, upper ? char_upper(r.p[0]) : r.p[0]);
				skip(&r, 1);
			} else {
				valid = prep_sequence(&r, &w, flags);
			}
		}
	}
	if (w.full)
		return (E2BIG);
	if (!valid)
		return (EILSEQ);
	*outlen = w.n;
	return (0);
}
