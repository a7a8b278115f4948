"""Pools that OpenZFS's kernel module wrote, read back file by file."""
import glob
import os

from harness import manifest
from harness.outcome import Failed, expect, expect_equal
from harness.stories import story

READABLE = ("basic-file", "mirror2", "codecs")


def pool_name(w):
    line = next(line for line in w.ok(f"zpool import -d {w.disk_dir}").lines
                if line.split()[:1] == ["pool:"])
    return line.split()[1]


def compare_all(w, pool, wanted):
    """Mount the file systems one at a time (a child hides its directory) and compare."""
    compared, wrong = 0, []
    for dataset in sorted(wanted):
        point = w.get(dataset, "mountpoint")
        if w.get(dataset, "canmount") == "off" or not point.startswith("/"):
            continue
        w.ok(f"zfs mount {dataset}")
        wrong += [f"{dataset}: {line}" for line in
                  manifest.differences(point, wanted[dataset])]
        compared += len(wanted[dataset])
        w.ok(f"zfs unmount {dataset}")
    if wrong:
        raise Failed(f"{len(wrong)} of {compared} differ:\n  " + "\n  ".join(wrong[:20]))
    expect(compared > 100, f"{compared} files compared")


@story("recorded pool {}: every file as the kernel wrote it, disks untouched",
       each=READABLE, timeout=600)
def read_back(w, fixture):
    out = w.unpack(fixture)
    wanted = manifest.load(os.path.join(out, "MANIFEST.txt"))
    pool = pool_name(w)
    before = w.hashes()
    w.import_(pool, f"-f -N -o readonly=on -R {w.mnt}")
    compare_all(w, pool, wanted)
    w.ok(f"zpool export {pool}")
    expect_equal(w.hashes(), before, "hashes of the disks")


@story("recorded pool {}: imported to write, changed, still as OpenZFS wants it",
       each=READABLE, timeout=600)
def written_on(w, fixture):
    out = w.unpack(fixture)
    wanted = manifest.load(os.path.join(out, "MANIFEST.txt"))
    pool = pool_name(w)
    w.import_(pool, f"-f -N -R {w.mnt}")
    compare_all(w, pool, wanted)
    expect_equal(w.scrub(pool), ("0B", 0), "scrub")
    for dataset in sorted(wanted):
        if w.get(dataset, "canmount") == "off" or w.get(dataset, "readonly") == "on":
            continue
        point = w.get(dataset, "mountpoint")
        if not point.startswith("/"):
            continue
        w.ok(f"zfs mount {dataset}")
        name = os.path.join(point, "written-by-tarn")
        os.mkdir(name)
        for i in range(50):
            with open(os.path.join(name, f"f{i}"), "wb") as f:
                f.write(b"%d" % i * 1000)
        w.ok(f"zfs unmount {dataset}")
    w.export_clean(pool)


@story("recorded pools this version cannot write are refused or opened read-only",
       timeout=900, long=True)
def every_other(w):
    for fixture in sorted(os.path.basename(d) for d in glob.glob(
            os.path.join(os.path.dirname(w.shared("pools", "basic-file")), "*"))
            if os.path.isdir(d) and not d.endswith("streams")):
        for name in os.listdir(w.disk_dir):
            os.unlink(os.path.join(w.disk_dir, name))
        w.unpack(fixture)
        before = w.hashes()
        listing = w.ok(f"zpool import -d {w.disk_dir}")
        if "pool:" not in listing.out:
            continue
        pool = pool_name(w)
        result = w.command(f"zpool import -f -N -o readonly=on -d {w.disk_dir} {pool}")
        if result.status == 0:
            w.ok(f"zpool status {pool}")
            w.ok(f"zpool export {pool}")
        else:
            expect(result.err.startswith(f"cannot import '{pool}'") or
                   "unsupported" in result.err or "unsupported" in result.out,
                   f"{fixture}: a reason is given: {result}")
        expect_equal(w.hashes(), before, f"{fixture}: hashes of the disks")
