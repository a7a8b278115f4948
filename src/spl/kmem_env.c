/* The environment variables of umem_debug(3MALLOC): parsed once, without allocating. */
#include <stdlib.h>
#include <stdio.h>
#include <unistd.h>

#include "spl/kmem_impl.h"
#include "spl/bits.h"
#include "spl/debug.h"

#define DEFAULT_FRAMES 15
#define DEFAULT_CONTENTS 256
#define DEFAULT_LOG (64 * 1024)
#define DEFAULT_SAMPLE 100000

static uint64_t env_sample;

/* A size with an optional suffix k, m, g; `none` if there is no number. */
static uint64_t
parse_size(const char *s, uint64_t none)
{
	char *end;

	if (s == NULL || *s < '0' || *s > '9')
		return (none);
	uint64_t v = strtoull(s, &end, 0);
	switch (*end) {
	case 'g':
	case 'G':
		v <<= 10;
		/* FALLTHROUGH */
	case 'm':
	case 'M':
		v <<= 10;
		/* FALLTHROUGH */
	case 'k':
	case 'K':
		v <<= 10;
		break;
	default:
		break;
	}
	return (v);
}

/* Call `set` for each word of "word[=value],word..."; value is NULL if absent. */
static void
parse_words(const char *text, void (*set)(const char *word, const char *value))
{
	while (text != NULL && *text != '\0') {
		char item[320];
		const size_t n = strcspn(text, ",");
		if (n < sizeof(item)) {
			memcpy(item, text, n);
			item[n] = '\0';
			char *eq = strchr(item, '=');
			if (eq != NULL)
				*eq++ = '\0';
			set(item, eq);
		}
		text += n + (text[n] == ',');
	}
}

static void
complain(const char *word)
{
	char line[128];
	const int n = snprintf(line, sizeof(line), "kmem: unknown option '%s' ignored\n", word);

	if (write(STDERR_FILENO, line, MIN((size_t)n, sizeof(line) - 1)) < 0)
		return;
}

static void
set_contents(const char *value)
{
	kmem_root.kr_flags |= KMF_CONTENTS;
	kmem_root.kr_contents = (uint32_t)MIN(parse_size(value, DEFAULT_CONTENTS), 65536);
}

static void
set_debug(const char *word, const char *value)
{
	kmem_root_t *kr = &kmem_root;

	if (strcmp(word, "audit") == 0) {
		kr->kr_flags |= KMF_AUDIT;
		kr->kr_frames = (uint32_t)MIN(parse_size(value, DEFAULT_FRAMES), KMEM_STACK);
	} else if (strcmp(word, "contents") == 0) {
		kr->kr_flags |= KMF_AUDIT;
		set_contents(value);
	} else if (strcmp(word, "guards") == 0) {
		kr->kr_flags |= KMF_DEADBEEF | KMF_REDZONE;
	} else if (strcmp(word, "default") == 0) {
		kr->kr_flags |= KMF_AUDIT | KMF_DEADBEEF | KMF_REDZONE;
		kr->kr_frames = DEFAULT_FRAMES;
		set_contents(NULL);
	} else if (strcmp(word, "verbose") == 0) {
		kr->kr_verbose = 1;
	} else if (strcmp(word, "checknull") == 0) {
		kr->kr_checknull = 1;
	} else if (strcmp(word, "firewall") == 0) {
		kr->kr_flags |= KMF_FIREWALL;
		kr->kr_firewall = MAX(parse_size(value, KMEM_PAGE), 1);
	} else if (strcmp(word, "mtbf") == 0) {
		kr->kr_flags |= KMF_MTBF;
		kr->kr_mtbf = parse_size(value, 0);
		const char *func = value != NULL ? strchr(value, ':') : NULL;
		if (func != NULL)
			(void)snprintf(
			    kr->kr_mtbf_func, sizeof(kr->kr_mtbf_func), "%s", func + 1);
	} else if (strcmp(word, "sample") == 0) {
		env_sample = parse_size(value, DEFAULT_SAMPLE);
	} else {
		complain(word);
	}
}

static void
set_logging(const char *word, const char *value)
{
	if (strcmp(word, "transaction") == 0) {
		kmem_root.kr_flags |= KMF_LOG;
		kmem_log_init(parse_size(value, DEFAULT_LOG));
	} else if (strcmp(word, "contents") == 0) {
		kmem_root.kr_flags |= KMF_AUDIT;
		set_contents(value);
	} else if (strcmp(word, "fail") == 0) {
		kmem_root.kr_verbose = 1;
	} else {
		complain(word);
	}
}

static void
set_options(const char *word, const char *value)
{
	if (strcmp(word, "log") == 0 && value != NULL)
		kmem_report_open(value);
	else if (strcmp(word, "caches") == 0 && value != NULL)
		(void)snprintf(kmem_root.kr_only, sizeof(kmem_root.kr_only), "%s", value);
	else if (strcmp(word, "noreap") == 0)
		kmem_root.kr_noreap = 1;
	else if (strcmp(word, "reap") == 0)
		kmem_root.kr_noreap = 0;
	else
		complain(word);
}

void
kmem_env_read(void)
{
	const char *how = getenv("TARN_KMEM");
	const char *stop = getenv("KMEM_PANIC");

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	kmem_root.kr_delegate = 1;
#endif
	if (how != NULL)
		kmem_root.kr_delegate = strcmp(how, "malloc") == 0;
#ifdef LIBKMEM_PRELOAD
	kmem_root.kr_delegate = 0; /* malloc is us */
	kmem_root.kr_noreap = 1;
#endif
	if (stop != NULL)
		kmem_root.kr_panic = strcmp(stop, "0") != 0;
	parse_words(getenv("UMEM_DEBUG"), set_debug);
	parse_words(getenv("UMEM_LOGGING"), set_logging);
	parse_words(getenv("UMEM_OPTIONS"), set_options);
}

/* What needs a running kmem. */
void
kmem_env_apply(void)
{
	if (env_sample != 0)
		kmem_sample_set(env_sample);
}

void
kmem_debug_set(uint32_t flags, unsigned frames)
{
	kmem_init();
	kmem_root.kr_flags = flags;
	kmem_root.kr_frames = MIN(frames, KMEM_STACK);
	if (flags & KMF_CONTENTS && kmem_root.kr_contents == 0)
		kmem_root.kr_contents = DEFAULT_CONTENTS;
}
