"""File systems in a pool: made, named, mounted, given properties."""
import os

from harness import tree
from harness.outcome import expect, expect_equal
from harness.stories import story


def writable(directory):
    try:
        tree.write(os.path.join(directory, ".probe"), b"x")
    except OSError:
        return False
    os.unlink(os.path.join(directory, ".probe"))
    return True


def mount_options(point):
    with open("/proc/self/mountinfo") as f:
        for line in f:
            if line.split()[4] == point:
                return line.split()[5].split(",")
    return None


@story("file systems are created, listed, renamed and destroyed")
def life(w):
    w.create("tank", w.disks("a"))
    w.ok("zfs create tank/a")
    w.ok("zfs create -p tank/x/y/z")
    tree.write(w.at("tank", "x", "y", "z", "f"), b"deep\n")
    expect_equal(w.ok("zfs list -H -o name -r tank").lines,
                 ["tank", "tank/a", "tank/x", "tank/x/y", "tank/x/y/z"], "names")
    expect_equal(w.ok("zfs list").lines[0].split(),
                 ["NAME", "USED", "AVAIL", "REFER", "MOUNTPOINT"], "heading")
    w.fails("zfs create tank/a", says="cannot create 'tank/a': dataset already exists")
    w.fails("zfs create tank/q/r",
            says="cannot create 'tank/q/r': parent does not exist")
    w.fails("zfs destroy tank/none",
            says="cannot open 'tank/none': dataset does not exist")
    w.ok("zfs rename tank/x tank/a/moved")
    with open(w.at("tank", "a", "moved", "y", "z", "f")) as f:
        expect_equal(f.read(), "deep\n", "a file moved with its file system")
    told = w.fails("zfs destroy tank/a").err.splitlines()
    expect_equal(told[:2], ["cannot destroy 'tank/a': filesystem has children",
                            "use '-r' to destroy the following datasets:"], "refusal")
    expect_equal(sorted(told[2:]),
                 ["tank/a/moved", "tank/a/moved/y", "tank/a/moved/y/z"], "children")
    w.ok("zfs destroy -r tank/a")
    expect_equal(w.ok("zfs list -H -o name").lines, ["tank"], "names")
    expect_equal(list(w.mounts()), [w.at("tank")], "mounts")
    w.export_clean("tank")


@story("/proc/mounts names the dataset and a type that ends in zfs")
def mount_table(w):
    w.create("tank", w.disks("a"))
    w.ok("zfs create tank/fs")
    mounts = w.mounts()
    for dataset, point in (("tank", w.at("tank")), ("tank/fs", w.at("tank", "fs"))):
        source, kind = mounts[point]
        expect_equal(source, dataset, "source")
        expect(kind.endswith("zfs"), f"type {kind}")
    w.export_clean("tank")


@story("mount, unmount, canmount and mountpoint do what they say")
def mounting(w):
    w.create("tank", w.disks("a"))
    w.ok("zfs create tank/fs")
    point = w.at("tank", "fs")
    tree.write(os.path.join(point, "f"), b"x")
    w.ok("zfs unmount tank/fs")
    expect(point not in w.mounts() and os.listdir(point) == [], "unmounted")
    w.fails("zfs unmount tank/fs", says="cannot unmount 'tank/fs': not currently mounted")
    w.ok("zfs mount tank/fs")
    expect_equal(os.listdir(point), ["f"], "files are back")
    expect(["tank/fs", point] in [line.split() for line in w.ok("zfs mount").lines],
           "zfs mount lists it")
    elsewhere = w.at("elsewhere")
    w.ok(f"zfs set mountpoint={elsewhere} tank/fs")
    expect_equal(os.listdir(elsewhere), ["f"], "files moved to the new mount point")
    expect(point not in w.mounts(), "the old mount is gone")
    w.ok("zfs set canmount=off tank/fs")
    expect(elsewhere not in w.mounts(), "canmount=off unmounts")
    w.ok("zfs create -o canmount=noauto tank/later")
    expect(w.at("tank", "later") not in w.mounts(), "noauto is not mounted")
    w.ok("zfs mount tank/later")
    w.ok("zfs create -o mountpoint=legacy tank/legacy")
    w.ok("zfs create -o mountpoint=none tank/none")
    expect_equal(sorted(w.mounts()), [w.at("tank"), w.at("tank", "later")], "mounts")
    w.export_clean("tank")


@story("an open file keeps a file system busy, unless it is forced")
def busy(w):
    w.create("tank", w.disks("a"))
    w.ok("zfs create tank/fs")
    point = w.at("tank", "fs")
    with open(os.path.join(point, "f"), "w") as f:
        f.write("x")
        f.flush()
        w.fails("zfs unmount tank/fs",
                says=f"cannot unmount '{point}': pool or dataset is busy")
        w.ok("zfs unmount -f tank/fs")
    expect(point not in w.mounts(), "forced off")
    w.ok("zpool export tank")
    w.import_("tank")
    with open(os.path.join(point, "f")) as f:
        expect_equal(f.read(), "x", "what was written before")
    w.export_clean("tank")


@story("properties are inherited, overridden, shown with source and kept")
def properties(w):
    w.create("tank", w.disks("a"), options="-O compression=lz4")
    w.ok("zfs create -o recordsize=16K -o com.example:note=one tank/fs")
    w.ok("zfs create tank/fs/child")

    def shown(dataset, *props):
        rows = w.ok(f"zfs get -H -o value,source {','.join(props)} {dataset}").fields
        return [tuple(r) for r in rows]

    expected = {
        "tank": [("lz4", "local"), ("128K", "default"), ("-", "-")],
        "tank/fs": [("lz4", "inherited from tank"), ("16K", "local"), ("one", "local")],
        "tank/fs/child": [("lz4", "inherited from tank"), ("16K", "inherited from tank/fs"),
                          ("one", "inherited from tank/fs")],
    }
    props = ("compression", "recordsize", "com.example:note")
    for dataset, values in expected.items():
        expect_equal(shown(dataset, *props), values, dataset)
    w.ok("zpool export tank")
    w.import_("tank")
    for dataset, values in expected.items():
        expect_equal(shown(dataset, *props), values, f"{dataset} after import")
    w.ok("zfs inherit recordsize tank/fs")
    w.ok("zfs inherit -r com.example:note tank")
    expect_equal(shown("tank/fs/child", *props),
                 [("lz4", "inherited from tank"), ("128K", "default"), ("-", "-")], "inherit")
    cannot = "cannot set property for 'tank/fs': "
    w.fails("zfs set recordsize=3K tank/fs", status=255,
            says=cannot + "'recordsize' must be power of 2 from 512B to 16M")
    w.fails("zfs set atime=maybe tank/fs", status=255,
            says=cannot + "'atime' must be one of 'on | off'")
    w.fails("zfs set used=1 tank/fs", status=255, says=cannot + "'used' is readonly")
    w.fails("zfs set nosuch=1 tank/fs", status=255,
            says=cannot + "invalid property 'nosuch'")
    expect_equal(shown("tank/fs", "copies", "checksum", "atime", "exec", "readonly"),
                 [("1", "default"), ("on", "default"), ("on", "default"),
                  ("on", "default"), ("off", "default")], "defaults")
    w.export_clean("tank")


@story("readonly, exec, setuid, devices and atime reach the mount at once")
def mount_properties(w):
    w.create("tank", w.disks("a"))
    w.ok("zfs create tank/fs")
    point = w.at("tank", "fs")
    expect(writable(point), "a new file system can be written")
    w.ok("zfs set readonly=on tank/fs")
    expect(not writable(point), "readonly=on")
    w.ok("zfs set readonly=off tank/fs")
    expect(writable(point), "readonly=off")
    for prop, option in (("exec", "noexec"), ("setuid", "nosuid"), ("devices", "nodev")):
        w.ok(f"zfs set {prop}=off tank/fs")
        expect(option in mount_options(point), f"{prop}=off: {mount_options(point)}")
    w.ok("zfs set atime=off tank/fs")
    path = os.path.join(point, "f")
    tree.write(path, b"x")
    os.utime(path, ns=(10**18, 10**18))
    tree.digest(path)
    w.ok("zpool export tank")
    w.import_("tank")
    expect_equal(os.stat(path).st_atime_ns, 10**18, "atime with atime=off")
    w.export_clean("tank")


@story("space shown by list, df and du is consistent and comes back after deletion")
def space(w):
    w.create("tank", w.disks("a"))
    w.ok("zfs create -o compression=off tank/fs")

    def used():
        w.ok("zpool sync tank")
        return int(w.get("tank/fs", "used"))

    before = used()
    tree.write(w.at("tank", "fs", "f"), tree.content(1, 40 << 20))
    with_file = used()
    expect(40 << 20 <= with_file - before < 42 << 20, f"used grew by {with_file - before}")
    stat = os.statvfs(w.at("tank", "fs"))
    available = int(w.get("tank/fs", "available"))
    expect(abs(stat.f_bavail * stat.f_frsize - available) < 1 << 20, "statfs and available")
    blocks = os.stat(w.at("tank", "fs", "f")).st_blocks * 512
    expect(40 << 20 <= blocks < 41 << 20, f"blocks {blocks}")
    os.unlink(w.at("tank", "fs", "f"))
    w.wait_for(lambda: used() - before < 1 << 20, "the space to come back")
    w.export_clean("tank")


@story("a full pool says so, keeps what it has, and can be emptied again")
def full(w):
    w.create("tank", w.disks("a", size="64M"), options="-O compression=off")
    tree.write(w.at("tank", "kept"), tree.content(1, 1 << 20), fsync=True)
    written = 0
    try:
        with open(w.at("tank", "big"), "wb", buffering=0) as f:
            while written < 128 << 20:
                written += f.write(tree.content(2, 1 << 20))
            os.fsync(f.fileno())
        expect(False, "128 MiB went into a pool of 64")
    except OSError as e:
        expect_equal(e.errno, 28, "errno (ENOSPC)")
    os.unlink(w.at("tank", "big"))
    w.ok("zpool sync tank")
    w.wait_for(lambda: int(w.get("tank", "used")) < 4 << 20, "the space to come back")
    expect_equal(tree.digest(w.at("tank", "kept")),
                 tree.digest_of(tree.content(1, 1 << 20)), "kept")
    w.export_clean("tank")
