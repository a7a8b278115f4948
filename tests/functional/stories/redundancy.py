"""Mirrors and several top-level vdevs: damage, healing, what status says of it."""
import os
import re

from harness import tree
from harness.outcome import expect, expect_equal
from harness.stories import story

HEALED = """status: One or more devices has experienced an unrecoverable error.  An
	attempt was made to correct the error.  Applications are unaffected.
action: Determine if the device needs to be replaced, and clear the errors
	using 'zpool clear' or replace the device with 'zpool replace'.
   see: https://openzfs.github.io/openzfs-docs/msg/ZFS-8000-9P
"""


def drop_caches(w, pool="tank"):
    """Make the next reads come from the disks."""
    w.ok(f"zpool export {pool}")
    w.import_(pool)


def fill(w, seed=21):
    root = w.at("tank")
    tree.grow(root, seed, files=150)
    for i in range(3):
        tree.write(os.path.join(root, f"large{i}"), tree.content(seed + i, 15 << 20))
    return tree.picture(root)


@story("a {}-way mirror is written, scrubbed clean and accepted by zdb", each=[2, 3])
def mirror(w, ways):
    disks = w.disks(*"abc"[:ways])
    w.create("tank", "mirror", *disks)
    picture = fill(w)
    expect_equal(w.scrub("tank"), ("0B", 0), "scrub of a healthy pool")
    drop_caches(w)
    tree.compare(picture, tree.picture(w.at("tank")), "files")
    w.export_clean("tank")
    w.sides_clean("tank", *disks)


@story("two top-level vdevs share the data", each=["plain", "mirrors"])
def two_tops(w, kind):
    a, b, c, d = w.disks("a", "b", "c", "d")
    w.create("tank", *((a, b) if kind == "plain" else ("mirror", a, b, "mirror", c, d)))
    picture = fill(w)
    w.ok("zpool sync tank")
    rows = [r for r in w.ok("zpool list -vHp tank").fields if r[0] == ""]
    tops = [int(r[3]) for r in rows if r[1].startswith("mirror") or kind == "plain"]
    expect_equal(len(tops), 2, f"top-level vdevs in {rows}")
    expect(all(n > 10 << 20 for n in tops), f"both have data: {tops}")
    drop_caches(w)
    tree.compare(picture, tree.picture(w.at("tank")), "files")
    w.export_clean("tank")


@story("one side of a mirror is overwritten in use: reads are right, scrub repairs all")
def noise_in_use(w):
    a, b = w.disks("a", "b")
    w.create("tank", "mirror", a, b)
    picture = fill(w)
    w.ok("zpool sync tank")
    w.noise(b)
    drop_caches(w)
    tree.compare(picture, tree.picture(w.at("tank")), "files on a damaged mirror")
    repaired, errors = w.scrub("tank")
    expect(repaired != "0B" and errors == 0, f"repaired {repaired}, {errors} errors")
    status = w.ok("zpool status tank").out
    expect(HEALED in status, f"status tells of it:\n{status}")
    expect("errors: No known data errors" in status, status)
    counts = w.errors_of("tank")
    expect(counts[b][2] > 0, f"checksum errors of the bad disk: {counts}")
    expect_equal(counts[a], (0, 0, 0), "errors of the good disk")
    expect_equal(counts["tank"], (0, 0, 0), "errors of the pool")
    w.ok("zpool clear tank")
    expect_equal(set(w.errors_of("tank").values()), {(0, 0, 0)}, "counts after clear")
    expect_equal(w.scrub("tank"), ("0B", 0), "second scrub")
    w.ok("zpool export tank")
    w.noise(a)      # now the other: everything must be on b again
    w.import_("tank")
    tree.compare(picture, tree.picture(w.at("tank")), "files from the repaired disk")
    w.scrub("tank")
    w.export_clean("tank")
    w.sides_clean("tank", a, b)


@story("reading alone repairs what it meets")
def read_repairs(w):
    a, b = w.disks("a", "b")
    w.create("tank", "mirror", a, b)
    tree.write(w.at("tank", "f"), tree.content(1, 30 << 20))
    w.ok("zpool export tank")
    w.noise(a, start=8 << 20, length=60 << 20)
    for _ in range(4):      # reads are spread: several rounds meet every block
        w.import_("tank")
        expect_equal(tree.digest(w.at("tank", "f")),
                     tree.digest_of(tree.content(1, 30 << 20)), "content")
        w.ok("zpool export tank")
    w.import_("tank")
    repaired, errors = w.scrub("tank")
    expect_equal(errors, 0, "errors")
    w.export_clean("tank")
    w.sides_clean("tank", a, b)


@story("a mirror with one disk gone is imported degraded and works")
def one_disk_gone(w):
    a, b = w.disks("a", "b")
    w.create("tank", "mirror", a, b)
    picture = fill(w)
    w.ok("zpool export tank")
    os.rename(b, w.path("b-away"))
    listing = w.ok(f"zpool import -d {w.disk_dir}").out
    expect(" state: DEGRADED\n" in listing, f"import tells of it:\n{listing}")
    w.import_("tank")
    expect_equal(w.health("tank"), "DEGRADED", "health")
    tree.compare(picture, tree.picture(w.at("tank")), "files")
    tree.write(w.at("tank", "written-meanwhile"), tree.content(9, 5 << 20))
    expect("UNAVAIL" in w.ok("zpool status tank").out, "the missing disk is named")
    w.ok("zpool export tank")
    os.rename(w.path("b-away"), b)
    w.import_("tank")
    w.wait_for(lambda: w.health("tank") == "ONLINE", "the mirror to be whole again")
    w.scrub("tank")
    expect_equal(tree.digest(w.at("tank", "written-meanwhile")),
                 tree.digest_of(tree.content(9, 5 << 20)), "new file")
    w.export_clean("tank")
    w.sides_clean("tank", a, b)


@story("both sides damaged: an I/O error for that file, its name in status, others fine")
def lost_for_good(w):
    a, b = w.disks("a", "b")
    w.create("tank", "mirror", a, b, options="-O compression=off")
    tree.write(w.at("tank", "fine"), tree.content(2, 100_000))
    # A pattern that is easy to find on the disks.
    block = b"tarn-victim-" + tree.content(1, 131072 - 12)
    tree.write(w.at("tank", "victim"), block * 8)
    w.ok("zpool export tank")
    hits = 0
    for disk in (a, b):
        with open(disk, "r+b") as f:
            data = f.read()
            for m in re.finditer(b"tarn-victim-", data):
                f.seek(m.start() + 5000)
                f.write(b"damaged")
                hits += 1
    expect_equal(hits, 16, "blocks found on the disks")
    w.import_("tank")
    try:
        tree.digest(w.at("tank", "victim"))
        expect(False, "a block without a good copy was returned")
    except OSError as e:
        expect_equal(e.errno, 5, "errno (EIO)")
    expect_equal(tree.digest(w.at("tank", "fine")),
                 tree.digest_of(tree.content(2, 100_000)), "the other file")
    repaired, errors = w.scrub("tank")
    expect_equal((repaired, errors), ("0B", 8), "scrub")
    status = w.ok("zpool status -v tank").out
    expect("errors: Permanent errors have been detected in the following files:\n\n"
           f"        {w.at('tank', 'victim')}\n" in status, f"named:\n{status}")
    os.unlink(w.at("tank", "victim"))
    w.scrub("tank")
    w.scrub("tank")
    expect("errors: No known data errors" in w.ok("zpool status -v tank").out, "forgotten")
    w.export_clean("tank")


@story("scrub can be stopped, and says there is none when there is none")
def scrub_words(w):
    w.create("tank", w.disks("a"))
    w.fails("zpool scrub -s tank",
            says="cannot cancel scrubbing tank: there is no active scrub")
    w.fails("zpool scrub nosuch", says="cannot open 'nosuch': no such pool")
    w.ok("zpool scrub -w tank")
    expect(re.search(r"^  scan: scrub repaired 0B in 00:00:\d\d with 0 errors on ",
                     w.ok("zpool status tank").out, re.M), "the scan line")
    w.prints("zpool status -x", "all pools are healthy")
    w.export_clean("tank")


@story("damaged labels on one disk do not hide the pool")
def labels_damaged(w):
    a, b = w.disks("a", "b")
    w.create("tank", "mirror", a, b)
    picture = fill(w)
    w.ok("zpool export tank")
    size = os.path.getsize(a)
    w.noise(a, 0, 512 << 10)                            # two labels of one disk
    w.noise(b, size - (512 << 10), 512 << 10)           # the other two of the other
    w.import_("tank")
    tree.compare(picture, tree.picture(w.at("tank")), "files")
    w.scrub("tank")
    w.export_clean("tank")
