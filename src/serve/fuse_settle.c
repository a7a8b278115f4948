/*
 * st_blocks, the one attribute that changes by itself.
 *
 * The problem. How much space a file takes is known when its transaction group is written: that is when
 * blocks are compressed. The kernel remembers attributes until somebody changes the file, so
 * who asks between the change and the disk would see the old number for ever; but letting the
 * kernel forget early makes it ask at every stat, open and read of files just written, which is what
 * compilers and version control systems do all day.
 *
 * The idea. The kernel may remember. We note what was told too early, look again when it has been
 * written, and if the number has changed tell the kernel to forget the attributes. A thread
 * does that while there is something noted. fuse_fs_settle() does it at once, after a sync
 * that somebody waited for.
 *
 * A note is looked at one tick after it was made at the earliest: by then the answer it was
 * made for has reached the kernel. (Within one inode the kernel itself sees to it that an answer
 * older than a notification does not win.)
 *
 * Locks: ff_settle_pass (one pass at a time; held while zpl is asked and the kernel told) >
 * ff_settle_lock (the notes; a leaf).
 */
#include <stdlib.h>
#include "serve/fuse_impl.h"

#define TICK MSEC2NSEC(250)
#define BLOCKS_VARIOUS UINT64_MAX

static void
notes_add(fuse_notes_t *fn, fuse_ino_t ino, uint64_t blocks)
{
	if (fn->fn_n == fn->fn_room) {
		size_t room = fn->fn_room == 0 ? 64 : fn->fn_room * 2;
		fuse_note_t *more = kmem_alloc(room * sizeof (*more), KM_SLEEP);
		if (fn->fn_n > 0)
			memcpy(more, fn->fn_notes, fn->fn_n * sizeof (*more));
		kmem_free(fn->fn_notes, fn->fn_room * sizeof (*more));
		fn->fn_notes = more;
		fn->fn_room = room;
	}
	fn->fn_notes[fn->fn_n++] = (fuse_note_t){ ino, blocks };
}

static void
notes_free(fuse_notes_t *fn)
{
	kmem_free(fn->fn_notes, fn->fn_room * sizeof (*fn->fn_notes));
	memset(fn, 0, sizeof (*fn));
}

static int
note_compare(const void *a, const void *b)
{
	fuse_ino_t x = ((const fuse_note_t *)a)->no_ino, y = ((const fuse_note_t *)b)->no_ino;

	return (x < y ? -1 : x > y);
}

/* One note of each inode. */
static void
notes_unique(fuse_notes_t *fn)
{
	size_t n = 0;

	if (fn->fn_n < 2)
		return;
	qsort(fn->fn_notes, fn->fn_n, sizeof (*fn->fn_notes), note_compare);
	for (size_t i = 1; i < fn->fn_n; i++) {
		fuse_note_t *last = &fn->fn_notes[n], *no = &fn->fn_notes[i];
		if (no->no_ino != last->no_ino)
			fn->fn_notes[++n] = *no;
		else if (no->no_blocks != last->no_blocks)
			last->no_blocks = BLOCKS_VARIOUS;
	}
	fn->fn_n = n + 1;
}

/* Is there nothing left to be done for it? */
static bool
note_done(fuse_fs_t *ff, const fuse_note_t *no)
{
	zpl_attr_t za;
	znode_t *zp;

	/* What the kernel has forgotten it will ask anew. */
	if (!fuse_inode_find(ff, no->no_ino, &zp))
		return (true);
	bool settled = zpl_settled(zp);
	if (settled && (zpl_getattr(zp, &za) != 0 || za.za_blocks != no->no_blocks))
		(void)fuse_lowlevel_notify_inval_inode(ff->ff_session, no->no_ino, -1, 0);
	zpl_rele(zp);
	return (settled);
}

/* Look at the notes: those of the last tick too, or only older ones. */
static void
settle_pass(fuse_fs_t *ff, bool all)
{
	fuse_notes_t take, keep = { 0 };

	mutex_enter(&ff->ff_settle_pass);
	mutex_enter(&ff->ff_settle_lock);
	take = ff->ff_settle_old;
	memset(&ff->ff_settle_old, 0, sizeof (ff->ff_settle_old));
	for (size_t i = 0; i < ff->ff_settle_new.fn_n; i++) {
		fuse_note_t *no = &ff->ff_settle_new.fn_notes[i];
		notes_add(all ? &take : &keep, no->no_ino, no->no_blocks);
	}
	ff->ff_settle_new.fn_n = 0;
	mutex_exit(&ff->ff_settle_lock);

	notes_unique(&take);
	for (size_t i = 0; i < take.fn_n; i++)
		if (!note_done(ff, &take.fn_notes[i]))
			notes_add(&keep, take.fn_notes[i].no_ino, take.fn_notes[i].no_blocks);
	notes_free(&take);

	mutex_enter(&ff->ff_settle_lock);
	ff->ff_settle_old = keep; /* nobody else adds to it */
	mutex_exit(&ff->ff_settle_lock);
	mutex_exit(&ff->ff_settle_pass);
}

static void
settle_main(void *arg)
{
	fuse_fs_t *ff = arg;
	bool stop;

	do {
		mutex_enter(&ff->ff_settle_lock);
		if (!ff->ff_settle_stop)
			(void)cv_reltimedwait(&ff->ff_settle_cv, &ff->ff_settle_lock, TICK);
		mutex_exit(&ff->ff_settle_lock);
		settle_pass(ff, false);
		mutex_enter(&ff->ff_settle_lock);
		stop = ff->ff_settle_stop ||
		    ff->ff_settle_old.fn_n + ff->ff_settle_new.fn_n == 0;
		if (stop)
			ff->ff_settler_runs = false;
		mutex_exit(&ff->ff_settle_lock);
	} while (!stop);
}

void
fuse_settle_later(fuse_fs_t *ff, const zpl_attr_t *za)
{
	fuse_notes_t *fn = &ff->ff_settle_new;
	fuse_ino_t ino = za->za_object;
	kthread_t *ended = NULL;

	mutex_enter(&ff->ff_settle_lock);
	/* Whoever watches a file grow is noted once. */
	bool again = fn->fn_n > 0 && fn->fn_notes[fn->fn_n - 1].no_ino == ino &&
	    fn->fn_notes[fn->fn_n - 1].no_blocks == za->za_blocks;
	if (!again)
		notes_add(fn, ino, za->za_blocks);
	if (!ff->ff_settler_runs && !ff->ff_settle_stop) {
		ended = ff->ff_settler;
		ff->ff_settler_runs = true;
		ff->ff_settler = thread_create("fuse-settle", settle_main, ff);
	}
	mutex_exit(&ff->ff_settle_lock);
	if (ended != NULL)
		thread_join(ended);
}

void
fuse_fs_settle(fuse_fs_t *ff)
{
	settle_pass(ff, true);
}

void
fuse_settle_init(fuse_fs_t *ff)
{
	mutex_init(&ff->ff_settle_lock);
	mutex_init(&ff->ff_settle_pass);
	cv_init(&ff->ff_settle_cv);
}

void
fuse_settle_stop(fuse_fs_t *ff)
{
	mutex_enter(&ff->ff_settle_lock);
	ff->ff_settle_stop = true;
	cv_broadcast(&ff->ff_settle_cv);
	kthread_t *t = ff->ff_settler;
	ff->ff_settler = NULL;
	mutex_exit(&ff->ff_settle_lock);
	if (t != NULL)
		thread_join(t);
}

void
fuse_settle_fini(fuse_fs_t *ff)
{
	notes_free(&ff->ff_settle_new);
	notes_free(&ff->ff_settle_old);
	cv_destroy(&ff->ff_settle_cv);
	mutex_destroy(&ff->ff_settle_pass);
	mutex_destroy(&ff->ff_settle_lock);
}
