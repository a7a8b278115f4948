"""Files and directories: what programs do to them, before and after an export."""
import errno
import mmap
import os
import threading

from harness import tree
from harness.outcome import expect, expect_equal
from harness.stories import story


def again(w, picture, what="files after export and import"):
    """Export, let zdb look, import, compare."""
    w.export_clean("tank")
    w.import_("tank")
    tree.compare(picture, tree.picture(w.at("tank")), what)
    w.export_clean("tank")


@story("a tree with every kind of file, odd times, xattrs, links survives export")
def every_kind(w):
    w.create("tank", w.disks("a"))
    root = w.at("tank")
    tree.grow(root, seed=5, files=400)
    os.mknod(os.path.join(root, "null"), 0o666 | 0o020000, os.makedev(1, 3))
    os.mknod(os.path.join(root, "disk"), 0o660 | 0o060000, os.makedev(259, 70000))
    os.mknod(os.path.join(root, "socket"), 0o777 | 0o140000)
    os.symlink("x" * 1500, os.path.join(root, "long-link"))
    os.chown(os.path.join(root, "f1"), 1234567, 7654321)
    os.chmod(os.path.join(root, "f2"), 0o6755)
    os.utime(os.path.join(root, "f3"), ns=(-1_500_000_001, -1_500_000_001))
    again(w, tree.picture(root))


@story("names of 255 bytes, of any bytes, and deep paths")
def names(w):
    w.create("tank", w.disks("a"))
    root = os.fsencode(w.at("tank"))
    odd = [b"n" * 255, bytes(b for b in range(1, 256) if b != ord("/")), b" ", b"\n",
           "\u00e9\u4e2d\U0001f600".encode(), b"-rf", b"..."]
    for name in odd:
        with open(os.path.join(root, name), "wb") as f:
            f.write(name)
    try:
        open(os.path.join(root, b"n" * 256), "wb")
        expect(False, "a name of 256 bytes was taken")
    except OSError as e:
        expect_equal(e.errno, errno.ENAMETOOLONG, "errno")
    deep = root
    for i in range(60):
        deep = os.path.join(deep, b"level%02d" % i)
        os.mkdir(deep)
    expect_equal(sorted(n for n in os.listdir(root) if n != b"level00"), sorted(odd), "names")
    again(w, tree.picture(w.at("tank")))


@story("rename replaces, moves between directories, and refuses loops")
def renames(w):
    w.create("tank", w.disks("a"))
    at = lambda *p: w.at("tank", *p)
    for d in ("a", "b", "a/sub"):
        os.mkdir(at(*d.split("/")))
    tree.write(at("a", "old"), b"old")
    tree.write(at("b", "new"), b"new")
    os.rename(at("b", "new"), at("a", "old"))
    with open(at("a", "old")) as f:
        expect_equal(f.read(), "new", "replaced")
    os.rename(at("a", "sub"), at("b", "sub"))
    expect_equal(os.stat(at("b")).st_nlink, 3, "links of the new parent")
    expect_equal(os.stat(at("a")).st_nlink, 2, "links of the old parent")
    os.mkdir(at("b", "sub", "inner"))
    for source, target, code in ((at("b"), at("b", "sub", "x"), errno.EINVAL),
                                 (at("a"), at("b"), errno.ENOTEMPTY),
                                 (at("none"), at("x"), errno.ENOENT)):
        try:
            os.rename(source, target)
            expect(False, f"rename {source} to {target} succeeded")
        except OSError as e:
            expect_equal(e.errno, code, f"rename {source} to {target}")
    again(w, tree.picture(at()))


@story("holes read as zeros, truncation cuts and extends, sizes are exact")
def sparse(w):
    w.create("tank", w.disks("a"))
    path = w.at("tank", "f")
    data = tree.content(1, 300_000)
    with open(path, "w+b") as f:
        f.seek(1 << 30)
        f.write(data)
        f.truncate((1 << 30) + 123_456)
        f.truncate((1 << 30) + 200_000)
        f.seek(1 << 20)
        f.write(b"middle")
    w.ok("zpool sync tank")
    expect(os.stat(path).st_blocks * 512 < 4 << 20, "holes take no space")
    with open(path, "rb") as f:
        fd = f.fileno()
        expect_equal(os.pread(fd, 100, 0), bytes(100), "a hole")
        expect_equal(os.pread(fd, 123_456, 1 << 30), data[:123_456], "kept")
        expect_equal(os.pread(fd, 100_000, (1 << 30) + 123_456), bytes(76_544), "cut")
        expect(os.lseek(fd, 0, os.SEEK_DATA) <= 1 << 20, "SEEK_DATA finds the middle")
    again(w, tree.picture(w.at("tank")))


@story("a file unlinked while open stays readable and its space comes back")
def unlinked_while_open(w):
    w.create("tank", w.disks("a"), options="-O compression=off")
    path = w.at("tank", "f")
    data = tree.content(7, 20 << 20)
    tree.write(path, data)
    w.ok("zpool sync tank")
    with open(path, "r+b") as f:
        os.unlink(path)
        f.seek(0)
        expect(f.read() == data, "the content is still there")
        f.write(b"more")
        w.ok("zpool sync tank")
        expect(int(w.get("tank", "used")) > 20 << 20, "the space is still used")
    w.wait_for(lambda: w.ok("zpool sync tank") and int(w.get("tank", "used")) < 4 << 20,
               "the space to come back")
    w.export_clean("tank")


@story("unlinked-while-open files are freed after a crash")
def unlinked_then_killed(w):
    w.create("tank", w.disks("a"), options="-O compression=off")
    path = w.at("tank", "f")
    tree.write(path, tree.content(7, 20 << 20), fsync=True)
    with open(path, "rb"):
        os.unlink(path)
        w.ok("zpool sync tank")
        w.kill_daemon("tank")
    w.ok("zpool list")
    w.ok("zpool import -a -c")
    w.wait_for(lambda: w.ok("zpool sync tank") and int(w.get("tank", "used")) < 4 << 20,
               "the space to come back")
    w.export_clean("tank")


@story("extended attributes of any number and size")
def xattrs(w):
    w.create("tank", w.disks("a"))
    for kind in ("on", "sa"):
        w.ok(f"zfs create -o xattr={kind} tank/{kind}")
        path = w.at("tank", kind, "f")
        tree.write(path, b"x")
        for i in range(40):
            os.setxattr(path, f"user.a{i}", tree.content(i, i * 37))
        os.setxattr(path, "user.large", tree.content(99, 60_000))
        os.setxattr(path, "trusted.t", b"root only")
        os.setxattr(path, "user.a3", b"replaced")
        os.removexattr(path, "user.a5")
        try:
            os.setxattr(path, "user.a3", b"", os.XATTR_CREATE)
            expect(False, "XATTR_CREATE replaced")
        except OSError as e:
            expect_equal(e.errno, errno.EEXIST, "errno")
        names = [n for n in os.listxattr(path) if not n.startswith("security.")]
        expect_equal(len(names), 41, f"attributes with xattr={kind}")
        expect_equal(os.getxattr(path, "user.a3"), b"replaced", "replaced")
        expect(os.getxattr(path, "user.large") == tree.content(99, 60_000), "large")
    pictures = {k: tree.picture(w.at("tank", k)) for k in ("on", "sa")}
    w.export_clean("tank")
    w.import_("tank")
    for kind, picture in pictures.items():
        tree.compare(picture, tree.picture(w.at("tank", kind)), f"xattr={kind}")
    w.export_clean("tank")


@story("shared memory maps write through and see what others write")
def shared_map(w):
    w.create("tank", w.disks("a"))
    path = w.at("tank", "f")
    tree.write(path, bytes(1 << 20))
    with open(path, "r+b") as f, mmap.mmap(f.fileno(), 1 << 20) as m:
        m[5000:5005] = b"hello"
        m.flush()
        expect_equal(os.pread(f.fileno(), 5, 5000), b"hello", "read after map write")
        os.pwrite(f.fileno(), b"world", 900_000)
        expect_equal(m[900_000:900_005], b"world", "map after write")
        m[0:4096] = b"z" * 4096
    again(w, tree.picture(w.at("tank")))


@story("many threads appending to one file lose nothing")
def appends(w):
    w.create("tank", w.disks("a"))
    path = w.at("tank", "log")

    def append(who):
        fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        for i in range(500):
            os.write(fd, b"%d %d\n" % (who, i))
        os.close(fd)

    threads = [threading.Thread(target=append, args=(n,)) for n in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    with open(path) as f:
        lines = f.read().splitlines()
    expect_equal(sorted(lines), sorted(f"{a} {b}" for a in range(6) for b in range(500)),
                 "lines")
    again(w, tree.picture(w.at("tank")))


@story("a directory is listed completely while others delete from it")
def listing_while_deleting(w):
    w.create("tank", w.disks("a"))
    at = w.at("tank")
    for i in range(3000):
        open(os.path.join(at, f"stay{i}"), "w").close()
        open(os.path.join(at, f"go{i}"), "w").close()

    def delete():
        for i in range(3000):
            os.unlink(os.path.join(at, f"go{i}"))

    t = threading.Thread(target=delete)
    t.start()
    seen = [n for n in os.listdir(at) if n.startswith("stay")]
    t.join()
    expect_equal(len(seen), 3000, "names that stayed")
    expect_equal(len(set(seen)), 3000, "names seen once")
    expect_equal(len(os.listdir(at)), 3000, "names afterwards")
    w.export_clean("tank")


@story("dnodesize={}: many files with attributes in their dnodes",
       each=["legacy", "auto", "1k", "2k", "4k", "8k", "16k"])
def dnode_sizes(w, size):
    w.create("tank", w.disks("a"), options=f"-O dnodesize={size} -O xattr=sa")
    root = w.at("tank")
    for i in range(300):
        path = os.path.join(root, f"f{i}")
        tree.write(path, b"%d" % i)
        os.setxattr(path, "user.first", tree.content(i, i % 700))
        if i % 3 == 0:
            os.setxattr(path, "user.second", tree.content(i + 1, 5000))
    for i in range(0, 300, 4):
        os.unlink(os.path.join(root, f"f{i}"))
    w.ok("zfs set dnodesize=legacy tank")       # small ones go into the gaps
    for i in range(300, 400):
        tree.write(os.path.join(root, f"f{i}"), b"%d" % i)
    again(w, tree.picture(root))


@story("access times follow atime and relatime")
def access_times(w):
    w.create("tank", w.disks("a"))
    path = w.at("tank", "f")
    tree.write(path, b"x")

    def reading_moves_it():
        """Does reading move an atime that is later than mtime and ctime?"""
        now = os.stat(path).st_ctime_ns
        os.utime(path, ns=(now + 600 * 10**9, now - 600 * 10**9))
        before = os.stat(path).st_atime_ns
        tree.digest(path)
        return os.stat(path).st_atime_ns != before

    for atime, relatime, moved in (("on", "off", True), ("on", "on", False),
                                   ("off", "off", False)):
        w.ok(f"zfs set atime={atime} tank")
        w.ok(f"zfs set relatime={relatime} tank")
        w.ok("zfs unmount tank")
        w.ok("zfs mount tank")
        expect_equal(reading_moves_it(), moved, f"atime={atime} relatime={relatime}: moved")
    w.export_clean("tank")
