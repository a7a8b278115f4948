/*
 * Recording writes, and replaying them to images of the device after a power cut.
 * The idea is in vdev_test.h.
 *
 * File: records of a fixed header in host order, each write followed by its data.
 * A write is recorded when it is done, before its caller is told; so whatever a caller
 * knew to be on the device, and a later flush covered, stands before that flush here.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "vdev/vdev_impl.h"
#include "vdev/vdev_test.h"
#include "vdev/vdev_test_impl.h"

#define VREC_MAGIC 0x7461726e72656331ULL

typedef struct record_header {
	uint64_t rh_magic;
	uint32_t rh_type, rh_dev;
	uint64_t rh_offset, rh_size, rh_covers;
} record_header_t;

struct vdev_recorder {
	kmutex_t rec_lock;
	int rec_fd;
	uint64_t rec_count;
	int rec_error; /* first one */
};

static int
write_all(int fd, const void *buf, size_t size, off_t offset)
{
	const char *p = buf;

	while (size > 0) {
		const ssize_t n =
		    offset < 0 ? write(fd, p, size) : pwrite(fd, p, size, offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return (n < 0 ? errno : EIO);
		p += n;
		size -= (size_t)n;
		if (offset >= 0)
			offset += n;
	}
	return (0);
}

int
vdev_recorder_create(const char *path, vdev_recorder_t **recp)
{
	const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0)
		return (errno);
	vdev_recorder_t *rec = kmem_zalloc(sizeof(*rec), KM_SLEEP);
	mutex_init(&rec->rec_lock);
	rec->rec_fd = fd;
	*recp = rec;
	return (0);
}

int
vdev_recorder_close(vdev_recorder_t *rec)
{
	const int error = rec->rec_error;

	close(rec->rec_fd);
	mutex_destroy(&rec->rec_lock);
	kmem_free(rec, sizeof(*rec));
	return (error);
}

static void
recorder_append(vdev_recorder_t *rec, const record_header_t *rh, const void *data)
{
	mutex_enter(&rec->rec_lock);
	int error = write_all(rec->rec_fd, rh, sizeof(*rh), -1);
	if (error == 0 && data != NULL)
		error = write_all(rec->rec_fd, data, rh->rh_size, -1);
	if (rec->rec_error == 0)
		rec->rec_error = error;
	rec->rec_count++;
	mutex_exit(&rec->rec_lock);
}

uint64_t
vdev_recorder_count(vdev_recorder_t *rec)
{
	mutex_enter(&rec->rec_lock);
	const uint64_t count = rec->rec_count;
	mutex_exit(&rec->rec_lock);
	return (count);
}

void
vdev_recorder_attach(vdev_recorder_t *rec, vdev_t *leaf, uint32_t dev)
{
	vdev_test_t *vt = vdev_test_attach(leaf);

	mutex_enter(&vt->vt_lock);
	vt->vt_recorder = rec;
	vt->vt_dev = dev;
	mutex_exit(&vt->vt_lock);
}

void
vdev_recorder_mark(vdev_recorder_t *rec, uint64_t value)
{
	const record_header_t rh = {
	    .rh_magic = VREC_MAGIC, .rh_type = VREC_MARK, .rh_covers = value};

	recorder_append(rec, &rh, NULL);
}

static vdev_recorder_t *
leaf_recorder(vdev_t *vd, uint32_t *dev)
{
	vdev_test_t *vt = __atomic_load_n(&vd->vdev_test, __ATOMIC_ACQUIRE);

	if (vt == NULL)
		return (NULL);
	mutex_enter(&vt->vt_lock);
	vdev_recorder_t *rec = vt->vt_recorder;
	*dev = vt->vt_dev;
	mutex_exit(&vt->vt_lock);
	return (rec);
}

void
vdev_test_write_done(vdev_t *vd, const vdev_io_t *vio)
{
	record_header_t rh = {.rh_magic = VREC_MAGIC,
	    .rh_type = VREC_WRITE,
	    .rh_offset = vio->vio_dev_offset,
	    .rh_size = vio->vio_size};
	vdev_recorder_t *rec = leaf_recorder(vd, &rh.rh_dev);

	if (rec != NULL && !(vio->vio_fault & VFAULT_LOST))
		recorder_append(rec, &rh, vio->vio_data);
}

uint64_t
vdev_test_flush_start(vdev_t *vd)
{
	uint32_t dev;
	vdev_recorder_t *rec = leaf_recorder(vd, &dev);

	return (rec == NULL ? 0 : vdev_recorder_count(rec));
}

void
vdev_test_flush_done(vdev_t *vd, const vdev_io_t *vio, uint64_t covers)
{
	record_header_t rh = {
	    .rh_magic = VREC_MAGIC, .rh_type = VREC_FLUSH, .rh_covers = covers};
	vdev_recorder_t *rec = leaf_recorder(vd, &rh.rh_dev);

	if (rec != NULL && !(vio->vio_fault & VFAULT_LOST))
		recorder_append(rec, &rh, NULL);
}

/* ------------------------------------------------------------------- replaying -- */

typedef struct log_entry {
	vdev_record_t le_record;
	off_t le_data; /* where in the file */
} log_entry_t;

struct vdev_record_log {
	int vl_fd;
	uint64_t vl_count, vl_room;
	log_entry_t *vl_entries;
};

static void
log_add(vdev_record_log_t *log, const record_header_t *rh, off_t data)
{
	if (log->vl_count == log->vl_room) {
		const uint64_t room = MAX(2 * log->vl_room, 1024);
		log_entry_t *entries = kmem_alloc(room * sizeof(*entries), KM_SLEEP);
		if (log->vl_count > 0)
			memcpy(
			    entries, log->vl_entries, log->vl_count * sizeof(*entries));
		kmem_free(log->vl_entries, log->vl_room * sizeof(*entries));
		log->vl_entries = entries;
		log->vl_room = room;
	}
	log->vl_entries[log->vl_count++] = (log_entry_t){
	    .le_record = {.vr_type = rh->rh_type,
		.vr_dev = rh->rh_dev,
		.vr_offset = rh->rh_offset,
		.vr_size = rh->rh_size,
		.vr_covers = rh->rh_covers},
	    .le_data = data,
	};
}

int
vdev_record_open(const char *path, vdev_record_log_t **logp)
{
	record_header_t rh;
	struct stat st;
	off_t at = 0;

	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return (errno);
	if (fstat(fd, &st) != 0) {
		const int error = errno;
		close(fd);
		return (error);
	}
	vdev_record_log_t *log = kmem_zalloc(sizeof(*log), KM_SLEEP);
	log->vl_fd = fd;
	while (pread(fd, &rh, sizeof(rh), at) == (ssize_t)sizeof(rh)) {
		const uint64_t rest = (uint64_t)(st.st_size - at) - sizeof(rh);
		const uint64_t size = rh.rh_type == VREC_WRITE ? rh.rh_size : 0;

		if (rh.rh_magic != VREC_MAGIC) {
			vdev_record_close(log);
			return (EINVAL);
		}
		if (size > rest)
			break; /* the recording process was killed */
		at += (off_t)sizeof(rh);
		log_add(log, &rh, at);
		at += (off_t)size;
	}
	*logp = log;
	return (0);
}

void
vdev_record_close(vdev_record_log_t *log)
{
	close(log->vl_fd);
	kmem_free(log->vl_entries, log->vl_room * sizeof(log_entry_t));
	kmem_free(log, sizeof(*log));
}

uint64_t
vdev_record_count(const vdev_record_log_t *log)
{
	return (log->vl_count);
}

const vdev_record_t *
vdev_record_get(const vdev_record_log_t *log, uint64_t i)
{
	ASSERT3U(i, <, log->vl_count);
	return (&log->vl_entries[i].le_record);
}

static int
record_apply(vdev_record_log_t *log, const log_entry_t *le, int fd)
{
	const uint64_t size = le->le_record.vr_size;
	void *buf = kmem_alloc(size, KM_SLEEP);
	int error = 0;

	if (pread(log->vl_fd, buf, size, le->le_data) != (ssize_t)size)
		error = EIO;
	else
		error = write_all(fd, buf, size, (off_t)le->le_record.vr_offset);
	kmem_free(buf, size);
	return (error);
}

int
vdev_record_replay(vdev_record_log_t *log, uint64_t first, uint64_t end,
    bool (*keep)(void *arg, uint64_t i, const vdev_record_t *vr), void *arg,
    const int *fds, uint32_t nfds)
{
	int error = 0;

	end = MIN(end, log->vl_count);
	for (uint64_t i = first; i < end && error == 0; i++) {
		const log_entry_t *le = &log->vl_entries[i];

		if (le->le_record.vr_type == VREC_WRITE &&
		    le->le_record.vr_dev < nfds &&
		    (keep == NULL || keep(arg, i, &le->le_record)))
			error = record_apply(log, le, fds[le->le_record.vr_dev]);
	}
	return (error);
}

typedef struct crash_choice {
	uint64_t *cc_covered; /* for each device: records below this are durable */
	uint64_t cc_random;
} crash_choice_t;

static bool
crash_keep(void *arg, uint64_t i, const vdev_record_t *vr)
{
	crash_choice_t *cc = arg;

	if (i < cc->cc_covered[vr->vr_dev])
		return (true);
	if (cc->cc_random == 0)
		return (false);
	/* xorshift64: repeatable, and independent of the process's random numbers */
	cc->cc_random ^= cc->cc_random << 13;
	cc->cc_random ^= cc->cc_random >> 7;
	cc->cc_random ^= cc->cc_random << 17;
	return ((cc->cc_random >> 32) & 1);
}

int
vdev_record_replay_crash(
    vdev_record_log_t *log, uint64_t end, uint64_t seed, const int *fds, uint32_t nfds)
{
	crash_choice_t cc = {.cc_random = seed};

	end = MIN(end, log->vl_count);
	cc.cc_covered = kmem_zalloc(nfds * sizeof(uint64_t), KM_SLEEP);
	for (uint64_t i = 0; i < end; i++) {
		const vdev_record_t *vr = &log->vl_entries[i].le_record;
		if (vr->vr_type == VREC_FLUSH && vr->vr_dev < nfds)
			cc.cc_covered[vr->vr_dev] =
			    MAX(cc.cc_covered[vr->vr_dev], vr->vr_covers);
	}
	const int error = vdev_record_replay(log, 0, end, crash_keep, &cc, fds, nfds);
	kmem_free(cc.cc_covered, nfds * sizeof(uint64_t));
	return (error);
}
