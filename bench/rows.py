"""What is measured. Each row is a function of a mount point and a scale that does the
work and nothing else; the runner times it together with what makes its effect
durable ("close": the file system is exported or unmounted inside the timed part).
"""
import mmap
import os
import random
import subprocess

MIB = 1 << 20


class Row:
    def __init__(self, name, unit, amount, work, cold=False, close=False):
        self.name = name
        self.unit = unit            # of amount / seconds
        self.amount = amount        # function of the scale
        self.work = work
        self.cold = cold            # caches are dropped before
        self.close = close          # timed until the file system is closed


class Scale:
    """How much work; `small` is for trying the benchmark itself."""

    def __init__(self, small, tarball):
        self.file_mib = 64 if small else 1024
        self.operations = 1000 if small else 20_000
        self.files = 1000 if small else 20_000
        self.tarball = tarball
        self.noise = mmap.mmap(-1, 32 * MIB)
        self.noise.write(random.Random(1).randbytes(32 * MIB))


def big(root):
    return os.path.join(root, "big")


def sequential_write(root, scale):
    view = memoryview(scale.noise)
    with open(big(root), "wb", buffering=0) as f:
        for i in range(scale.file_mib):
            # Never the same megabyte twice, so that nobody can store it once.
            start = (i * 4099) % (31 * MIB)
            f.write(view[start:start + MIB])
        os.fsync(f.fileno())


def sequential_read(root, scale):
    buffer = bytearray(MIB)
    with open(big(root), "rb", buffering=0) as f:
        while f.readinto(buffer):
            pass


def offsets(scale):
    r = random.Random(2)
    pages = scale.file_mib * MIB // 4096
    return [r.randrange(pages) * 4096 for _ in range(scale.operations)]


def random_read(root, scale):
    fd = os.open(big(root), os.O_RDONLY)
    for offset in offsets(scale):
        os.pread(fd, 4096, offset)
    os.close(fd)


def random_overwrite(root, scale):
    view = memoryview(scale.noise)
    fd = os.open(big(root), os.O_WRONLY)
    for offset in offsets(scale):
        os.pwrite(fd, view[offset % (31 * MIB):][:4096], offset)
    os.fsync(fd)
    os.close(fd)


def names(root, scale):
    for i in range(scale.files):
        yield os.path.join(root, "many", f"d{i // 1000}", f"file-{i}")


def create_files(root, scale):
    view = memoryview(scale.noise)
    os.mkdir(os.path.join(root, "many"))
    for i, path in enumerate(names(root, scale)):
        if i % 1000 == 0:
            os.mkdir(os.path.dirname(path))
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        os.write(fd, view[i:i + 100])
        os.close(fd)


def stat_files(root, scale):
    for path in names(root, scale):
        os.stat(path)


def unlink_files(root, scale):
    for path in names(root, scale):
        os.unlink(path)


def untar(root, scale):
    subprocess.run(["tar", "-xf", scale.tarball, "-C", root], check=True)


def remove_tree(root, scale):
    subprocess.run(["rm", "-rf", os.path.join(root, "tree")], check=True)


ROWS = (
    Row("sequential write + fsync", "MiB/s", lambda s: s.file_mib, sequential_write),
    Row("sequential read, cold", "MiB/s", lambda s: s.file_mib, sequential_read, cold=True),
    Row("4K random read, cold", "op/s", lambda s: s.operations, random_read, cold=True),
    Row("4K random overwrite + fsync", "op/s", lambda s: s.operations, random_overwrite),
    Row("create files", "files/s", lambda s: s.files, create_files, close=True),
    Row("stat files, cold", "files/s", lambda s: s.files, stat_files, cold=True),
    Row("unlink files", "files/s", lambda s: s.files, unlink_files, close=True),
    Row("untar a source tree", "trees/min", lambda s: 60, untar, close=True),
    Row("rm -rf of it, cold", "trees/min", lambda s: 60, remove_tree, cold=True, close=True),
)
