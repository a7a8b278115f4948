/*
 * One file, changed in all ways there are and in random order, against a copy in memory: written,
 * mapped, cut, punched, copied, past the page cache; closed, synced, forgotten by the kernel in between.
 */
#include <sys/mman.h>
#include <sys/wait.h>
#include "spl/random.h"
#include "story.h"

#define MAX_SIZE (700u << 10)
#define STEPS 700

typedef struct play {
	world_t *w;
	int ask, answer; /* pipes to the process that serves the mount */
	uint64_t rng;
	int fd, direct, step;
	size_t size;
	uint8_t *data; /* what the file must be; zeros beyond size */
	uint8_t *buf;  /* page aligned */
} play_t;

static uint32_t
draw(play_t *p, uint32_t below)
{
	p->rng = p->rng * 6364136223846793005ULL + 1442695040888963407ULL;
	return ((uint32_t)(p->rng >> 33) % below);
}

#define wrong(...) \
	do { \
		printf(__VA_ARGS__); \
		printf(" (step %d)\n", p->step); \
		fflush(stdout); \
		_exit(1); \
	} while (0)

/* Small things more often than large ones; sometimes whole pages. */
static void
draw_range(play_t *p, size_t limit, size_t *off, size_t *len)
{
	*off = draw(p, (uint32_t)limit);
	*len = 1 + draw(p, draw(p, 4) == 0 ? 300000 : 9000);
	if (draw(p, 3) == 0) {
		*off = P2ALIGN(*off, 4096);
		*len = P2ROUNDUP(*len, 4096);
	}
	*len = MIN(*len, limit - *off);
}

static void
scribble(play_t *p, size_t off, size_t len)
{
	uint8_t first = (uint8_t)draw(p, 256);

	for (size_t i = 0; i < len; i++)
		p->data[off + i] = (uint8_t)(first + i * 7 + (i >> 9));
	p->size = MAX(p->size, off + len);
}

static void
reopen(play_t *p)
{
	if (p->fd >= 0)
		TRY(close(p->fd) == 0);
	if (p->direct >= 0)
		TRY(close(p->direct) == 0);
	p->fd = open(at(p->w, "f"), O_RDWR | O_CREAT, 0644);
	p->direct = open(at(p->w, "f"), O_RDWR | O_DIRECT);
	TRY(p->fd >= 0 && p->direct >= 0);
}

static void
check_range(play_t *p, int fd, size_t off, size_t len)
{
	size_t want = off >= p->size ? 0 : MIN(len, p->size - off);
	ssize_t n = pread(fd, p->buf, len, (off_t)off);

	if (n != (ssize_t)want)
		wrong("read %zd of %zu at %zu, size %zu", n, want, off, p->size);
	for (size_t i = 0; i < want; i++)
		if (p->buf[i] != p->data[off + i])
			wrong("byte %zu is %02x, not %02x", off + i, p->buf[i], p->data[off + i]);
}

static void
through_mapping(play_t *p, bool change)
{
	size_t off, len;

	if (p->size == 0)
		return;
	uint8_t *map = mmap(NULL, p->size, PROT_READ | PROT_WRITE, MAP_SHARED, p->fd, 0);
	TRY(map != MAP_FAILED);
	draw_range(p, p->size, &off, &len);
	if (change) {
		scribble(p, off, len);
		memcpy(map + off, p->data + off, len);
		if (draw(p, 2) == 0)
			TRY(msync(map, p->size, MS_SYNC) == 0);
	} else {
		TRY(memcmp(map + off, p->data + off, len) == 0);
	}
	TRY(munmap(map, p->size) == 0);
}

static void
punch(play_t *p, int mode)
{
	size_t off, len;

	draw_range(p, MAX_SIZE, &off, &len);
	TRY(fallocate(p->fd, mode, (off_t)off, (off_t)len) == 0);
	memset(p->data + off, 0, len);
	if ((mode & FALLOC_FL_KEEP_SIZE) == 0)
		p->size = MAX(p->size, off + len);
}

static void
copy_inside(play_t *p)
{
	size_t from, to, len;

	draw_range(p, MAX_SIZE, &from, &len);
	to = draw(p, MAX_SIZE);
	len = MIN(len, MAX_SIZE - to);
	/* Overlapping parts of one file are refused; beyond the end there is nothing. */
	if (from >= p->size || (from < to + len && to < from + len))
		return;
	len = MIN(len, p->size - from);
	off_t in = (off_t)from, out = (off_t)to;
	for (size_t done = 0; done < len;) {
		ssize_t n = copy_file_range(p->fd, &in, p->fd, &out, len - done, 0);
		TRY(n > 0);
		done += (size_t)n;
	}
	memcpy(p->data + to, p->data + from, len);
	p->size = MAX(p->size, to + len);
}

static void
step(play_t *p)
{
	size_t off, len;

	draw_range(p, MAX_SIZE, &off, &len);
	switch (draw(p, 14)) {
	case 0:
	case 1:
	case 2:
		scribble(p, off, len);
		TRY(pwrite(p->fd, p->data + off, len, (off_t)off) == (ssize_t)len);
		break;
	case 3: /* past the page cache */
		off = P2ALIGN(off, 4096);
		len = MAX(P2ALIGN(len, 4096), 4096);
		len = MIN(len, MAX_SIZE - off);
		scribble(p, off, len);
		memcpy(p->buf, p->data + off, len);
		TRY(pwrite(p->direct, p->buf, len, (off_t)off) == (ssize_t)len);
		break;
	case 4:
		off = P2ALIGN(off, 4096);
		check_range(p, p->direct, off, P2ROUNDUP(len, 4096));
		break;
	case 5:
		len = draw(p, MAX_SIZE);
		TRY(ftruncate(p->fd, (off_t)len) == 0);
		if (len < p->size)
			memset(p->data + len, 0, p->size - len);
		p->size = len;
		break;
	case 6:
		through_mapping(p, true);
		break;
	case 7:
		through_mapping(p, false);
		break;
	case 8:
		punch(p, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE);
		break;
	case 9:
		punch(p, FALLOC_FL_ZERO_RANGE | (draw(p, 2) ? FALLOC_FL_KEEP_SIZE : 0));
		break;
	case 10:
		copy_inside(p);
		break;
	case 11:
		if (draw(p, 4) == 0)
			TRY(fsync(p->fd) == 0);
		reopen(p);
		break;
	case 12:
		if (draw(p, 4) == 0) {
			/* The kernel is made to forget everything. */
			char c = 'f';
			TRY(write(p->ask, &c, 1) == 1);
			TRY(read(p->answer, &c, 1) == 1);
		}
		break;
	default:
		check_range(p, p->fd, off, len);
	}
}

static int
play(play_t *p)
{
	struct stat st;

	reopen(p);
	for (p->step = 0; p->step < STEPS; p->step++) {
		step(p);
		TRY(fstat(p->fd, &st) == 0);
		if ((size_t)st.st_size != p->size)
			wrong("size %zu, not %zu", (size_t)st.st_size, p->size);
	}
	check_range(p, p->fd, 0, MAX_SIZE);
	TRY(close(p->fd) == 0);
	TRY(close(p->direct) == 0);
	return (0);
}

/* The one who plays has mappings, so he is a process of his own. */
static void
random_changes_agree_with_memory(void **state)
{
	const char *env = getenv("TARN_TEST_SEED");
	play_t *p = mmap(NULL, sizeof (*p), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int ask[2], answer[2], status;
	char c;

	assert_ptr_not_equal(p, MAP_FAILED);
	p->w = *state;
	p->fd = p->direct = -1;
	p->rng = env != NULL ? strtoull(env, NULL, 0) : random_guid();
	printf("seed: TARN_TEST_SEED=%" PRIu64 "\n", p->rng);
	fflush(stdout);
	p->data = mmap(NULL, MAX_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	p->buf = mmap(
	    NULL, MAX_SIZE + 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(p->data != MAP_FAILED && p->buf != MAP_FAILED);
	assert_ok(pipe(ask));
	assert_ok(pipe(answer));
	pid_t pid = fork();
	if (pid == 0) {
		p->ask = ask[1];
		p->answer = answer[0];
		_exit(play(p));
	}
	assert_ok(close(ask[1]));
	while (read(ask[0], &c, 1) == 1) {
		fuse_fs_invalidate_all(p->w->ff);
		assert_int_equal(write(answer[1], &c, 1), 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	/* Also for somebody who comes fresh. */
	assert_int_equal(fuse_fs_unmount(p->w->ff, false), 0);
	story_mount(p->w);
	expect_file(p->w, "f", p->data, p->size);
	assert_ok(close(ask[0]));
	assert_ok(close(answer[0]));
	assert_ok(close(answer[1]));
	(void)munmap(p->data, MAX_SIZE);
	(void)munmap(p->buf, MAX_SIZE + 4096);
	(void)munmap(p, sizeof (*p));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    random_changes_agree_with_memory, story_begin, story_end),
		cmocka_unit_test_setup_teardown(
		    random_changes_agree_with_memory, story_begin_noatime, story_end),
	};

	return (STORY_MAIN(tests));
}
