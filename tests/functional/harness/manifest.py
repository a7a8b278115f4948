"""Compare a mounted file system with the manifest of a recorded pool.

One line per file, tab separated: dataset:/path, type, mode, uid, gid, size, mtime,
sha256 or link target, extended attributes, nlink=N;rdev=M:N. The recording
kernel's own refusals stand as !ERRNO. Bytes outside 0x21-0x7e are \\xNN.
"""
import hashlib
import os
import stat

KINDS = {stat.S_IFREG: "f", stat.S_IFDIR: "d", stat.S_IFLNK: "l", stat.S_IFIFO: "p",
         stat.S_IFSOCK: "s", stat.S_IFCHR: "c", stat.S_IFBLK: "b"}
BIG_XATTR = 256


def escape(data, also=b""):
    return "".join(chr(b) if 0x21 <= b <= 0x7e and b != 0x5c and b not in also
                   else f"\\x{b:02x}" for b in data)


def load(path):
    """{file system: {path: fields}} of those that can be mounted by name."""
    found = {}
    with open(path, encoding="latin-1") as f:
        for line in f:
            if line.startswith("#"):
                continue
            fields = line.rstrip("\n").split("\t")
            dataset, colon, name = fields[0].partition(":")
            if colon and "@" not in dataset:
                found.setdefault(dataset, {})[name] = fields[1:]
    return found


def refusal(e):
    return f"!{e.errno}"


def content(path, kind):
    try:
        if kind == "f":
            h = hashlib.sha256()
            with open(path, "rb", buffering=0) as f:
                while block := f.read(1 << 20):
                    h.update(block)
            return h.hexdigest()
        if kind == "l":
            return escape(os.readlink(path))
    except OSError as e:
        return refusal(e)
    return "-"


def attributes(path):
    try:
        names = sorted(os.fsencode(n) for n in os.listxattr(path, follow_symlinks=False))
    except OSError:
        return "-"
    items = []
    for n in names:
        try:
            value = os.getxattr(path, n, follow_symlinks=False)
            text = value.hex()
            if len(value) > BIG_XATTR:
                text = f"sha256:{hashlib.sha256(value).hexdigest()}:{len(value)}"
        except OSError as e:
            text = refusal(e)
        items.append(f"{escape(n, b',=')}={text}")
    return ",".join(items) or "-"


def describe(path):
    """The manifest's fields of one file."""
    s = os.lstat(path)
    kind = KINDS[stat.S_IFMT(s.st_mode)]
    seconds, rest = divmod(s.st_mtime_ns, 10**9)
    fields = [kind, f"{stat.S_IMODE(s.st_mode):04o}", str(s.st_uid), str(s.st_gid),
              str(s.st_size), f"{seconds}.{rest:09d}", content(path, kind),
              attributes(path), f"nlink={s.st_nlink}"]
    if kind in "cb":
        fields[-1] += f";rdev={os.major(s.st_rdev)}:{os.minor(s.st_rdev)}"
    return fields


def walk(root):
    """{escaped path: real path} of everything below root, root itself as "/"."""
    root = os.fsencode(root)
    found = {"/": root}
    device = os.lstat(root).st_dev
    for here, directories, files in os.walk(root):
        for name in directories + files:
            real = os.path.join(here, name)
            found["/" + escape(os.path.relpath(real, root))] = real
        directories[:] = [d for d in directories
                          if os.lstat(os.path.join(here, d)).st_dev == device]
    return found


def differences(root, wanted):
    """Lines that tell how the mounted tree at root differs from the manifest's."""
    found = walk(root)
    lines = [f"missing: {p}" for p in sorted(wanted.keys() - found.keys())]
    lines += [f"not in the manifest: {p}" for p in sorted(found.keys() - wanted.keys())]
    for path in sorted(wanted.keys() & found.keys()):
        is_now = describe(found[path])
        if is_now != wanted[path]:
            pairs = [f"{a} instead of {b}" for a, b in zip(is_now, wanted[path]) if a != b]
            lines.append(f"{path}: {'; '.join(pairs) or (is_now, wanted[path])}")
    return lines
