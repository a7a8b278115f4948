"""Files and trees: make them reproducibly, describe them completely, compare."""
import hashlib
import os
import random
import stat

from .outcome import Failed


def content(seed, size):
    """size bytes that depend on the seed alone and do not compress."""
    return random.Random(seed).randbytes(size)


def prose(seed, size):
    """size bytes of text that compresses about as text does."""
    r = random.Random(seed)
    words = [bytes(r.choices(b"etaoinshrdlu", k=r.randint(2, 9))) for _ in range(400)]
    out = bytearray()
    while len(out) < size:
        out += b" ".join(r.choices(words, k=200)) + b".\n"
    return bytes(out[:size])


def write(path, data, fsync=False):
    with open(path, "wb") as f:
        f.write(data)
        if fsync:
            f.flush()
            os.fsync(f.fileno())


def digest_of(data):
    return hashlib.sha256(data).hexdigest()


def digest(path):
    h = hashlib.sha256()
    with open(path, "rb") as f:
        while block := f.read(1 << 20):
            h.update(block)
    return h.hexdigest()


def describe(path):
    """Everything about one file that must survive: a tuple to compare."""
    s = os.lstat(path)
    kind = stat.S_IFMT(s.st_mode)
    if kind == stat.S_IFREG:
        body = digest(path)
    elif kind == stat.S_IFLNK:
        body = os.readlink(path)
    elif kind in (stat.S_IFBLK, stat.S_IFCHR):
        body = (os.major(s.st_rdev), os.minor(s.st_rdev))
    else:
        body = None
    xattrs = ()
    if kind in (stat.S_IFREG, stat.S_IFDIR):
        xattrs = tuple(sorted((n, os.getxattr(path, n)) for n in os.listxattr(path)))
    nlink = s.st_nlink if kind != stat.S_IFDIR else None
    return (oct(s.st_mode), s.st_uid, s.st_gid, s.st_size, s.st_mtime_ns, nlink, body, xattrs)


def picture(root):
    """The description of a whole tree: path relative to root -> describe()."""
    found = {".": describe(root)}
    for here, directories, files in os.walk(root):
        for name in directories + files:
            path = os.path.join(here, name)
            found[os.path.relpath(path, root)] = describe(path)
    return found


def compare(before, after, what):
    """Fail, naming the first differences, unless two pictures are equal."""
    differences = []
    for path in sorted(before.keys() | after.keys()):
        if before.get(path) != after.get(path):
            differences.append(f"{path}: {before.get(path)} became {after.get(path)}")
    if differences:
        raise Failed(f"{what}: {len(differences)} of {len(before)} differ\n  " +
                     "\n  ".join(differences[:10]))


def grow(root, seed, files=200, largest=200_000):
    """A tree with every kind of thing in it; returns its picture."""
    r = random.Random(seed)
    directories = [root]
    for i in range(files):
        if r.random() < 0.15:
            d = os.path.join(r.choice(directories), f"d{i}")
            os.mkdir(d, r.choice((0o755, 0o700, 0o1777)))
            directories.append(d)
        path = os.path.join(r.choice(directories), f"f{i}")
        size = int(largest ** r.random())
        make = prose if r.random() < 0.5 else content
        write(path, make(seed * 1000003 + i, size))
        os.chmod(path, r.choice((0o644, 0o600, 0o755, 0o444)))
        if r.random() < 0.2:
            os.setxattr(path, "user.note", content(i, r.randint(0, 300)))
        if r.random() < 0.1:
            os.link(path, path + ".hard")
        if r.random() < 0.1:
            os.symlink(f"../f{i}", path + ".soft")
        if r.random() < 0.3:
            os.utime(path, ns=(r.randrange(1 << 60), r.randrange(1 << 60)))
    os.mkfifo(os.path.join(root, "fifo"))
    sparse = os.path.join(root, "sparse")
    with open(sparse, "wb") as f:
        f.seek(3_000_000)
        f.write(b"end")
    return picture(root)
