"""Our zdb beside OpenZFS's, on the same pools."""
import os
import re

from harness import reference, tree
from harness.outcome import expect, expect_equal
from harness.stories import story


def theirs(*arguments):
    status, out, _ = reference.run_zdb(arguments, 120)
    expect_equal(status, 0, f"OpenZFS's zdb {' '.join(arguments)}")
    return out.decode()


@story("zdb -l and -lu print labels and uberblocks as OpenZFS's does")
def labels(w):
    a, b = w.disks("a", "b")
    w.create("tank", "mirror", a, b)
    tree.grow(w.at("tank"), seed=1, files=20)
    w.ok("zpool export tank")
    for flags in ("-l", "-lu"):
        w.prints(f"zdb {flags} {a}", theirs(flags, a))


@story("zdb -u and -C print the exported pool's uberblock and configuration")
def configuration(w):
    w.create("tank", w.disks("a"))
    w.ok("zpool export tank")
    for flags in ("-u", "-C"):
        ours = w.ok(f"zdb -e -p {w.disk_dir} {flags} tank").out
        wanted = theirs("-e", "-p", w.disk_dir, flags, "tank")
        expect_equal(ours.strip(), wanted.strip(), f"zdb {flags}")


@story("zdb -d lists the same datasets and objects")
def objects(w):
    w.create("tank", w.disks("a"))
    w.ok("zfs create tank/fs")
    tree.grow(w.at("tank", "fs"), seed=1, files=50)
    w.ok("zpool export tank")
    ours = w.ok(f"zdb -e -p {w.disk_dir} -d tank").lines
    wanted = theirs("-e", "-p", w.disk_dir, "-d", "tank").splitlines()
    pattern = re.compile(r"^Dataset ")
    expect_equal([x for x in ours if pattern.match(x)],
                 [x for x in wanted if pattern.match(x)], "datasets")
    names = {m.group(1) for m in re.finditer(r"^\tpath\t(\S+)$", w.ok(
        f"zdb -e -p {w.disk_dir} -dddd tank/fs").out, re.M)}
    wanted = {m.group(1) for m in re.finditer(r"^\tpath\t(\S+)$", theirs(
        "-e", "-p", w.disk_dir, "-dddd", "tank/fs"), re.M)}
    expect_equal(names, wanted, "paths")


@story("zdb -bcc agrees with OpenZFS's on every total, and finds damage")
def totals(w):
    a = w.disks("a")
    w.create("tank", a, options="-O compression=off")
    tree.grow(w.at("tank"), seed=1, files=100)
    marked = b"tarn-victim-" + tree.content(1, 131072 - 12)
    tree.write(w.at("tank", "victim"), marked)
    w.ok("zpool export tank")
    ours = w.ok(f"zdb -e -p {w.disk_dir} -bcc tank").out
    wanted = theirs("-e", "-p", w.disk_dir, "-bcc", "tank")
    expect("No leaks" in ours, ours)
    for total in ("bp count", "bp logical", "bp physical", "bp allocated"):
        row = re.compile(rf"^\s*{total}:\s+(\d+)", re.M)
        expect_equal(row.search(ours).group(1), row.search(wanted).group(1), total)
    with open(a, "r+b") as f:
        f.seek(f.read().index(b"tarn-victim-") + 1000)
        f.write(b"damage")
    result = w.command(f"zdb -e -p {w.disk_dir} -bcc tank")
    expect(result.status != 0, f"damage is noticed: {result}")


@story("zdb -R shows the bytes of a block")
def raw_block(w):
    a = w.disks("a")
    w.create("tank", a, options="-O compression=off")
    tree.write(w.at("tank", "f"), tree.content(1, 131072))
    number = os.stat(w.at("tank", "f")).st_ino
    w.ok("zpool export tank")
    dump = theirs("-e", "-p", w.disk_dir, "-ddddd", "tank", str(number))
    offset = re.search(r"L0 (?:DVA\[0\]=<)?0:([0-9a-f]+):", dump).group(1)
    with open(a, "rb") as f:
        f.seek(int(offset, 16) + (4 << 20))
        expect(f.read(4096) == tree.content(1, 131072)[:4096], "the block on disk")
    command = ("-e", "-p", w.disk_dir, "-R", "tank", f"0:{offset}:200")
    w.prints("zdb " + " ".join(command), theirs(*command))
