"""Very many files: fat directories, dnode reuse, freed space."""
import os
import shutil

from harness import tree
from harness.outcome import expect_equal
from harness.stories import story


def create_files(root, count, per_directory):
    for i in range(count):
        if i % per_directory == 0:
            d = os.path.join(root, f"d{i // per_directory}")
            os.mkdir(d)
        fd = os.open(os.path.join(d, f"f{i}"), os.O_WRONLY | os.O_CREAT, 0o644)
        os.write(fd, b"%d " % i * (1 + i % 200))
        os.close(fd)


@story("100,000 small files, half of them deleted, then more made", timeout=900)
def hundred_thousand(w):
    w.create("tank", w.disks("a", size="1G"))
    root = w.at("tank")
    create_files(root, 100_000, 20_000)
    for i in range(0, 100_000, 2):
        os.unlink(os.path.join(root, f"d{i // 20_000}", f"f{i}"))
    w.export_clean("tank")
    w.import_("tank")
    expect_equal([len(os.listdir(os.path.join(root, f"d{d}"))) for d in range(5)],
                 [10_000] * 5, "names left")
    for i in range(1, 100_000, 997):
        if i % 2:
            with open(os.path.join(root, f"d{i // 20_000}", f"f{i}"), "rb") as f:
                expect_equal(f.read(), b"%d " % i * (1 + i % 200), f"f{i}")
    os.mkdir(os.path.join(root, "again"))
    create_files(os.path.join(root, "again"), 5_000, 5_000)
    w.export_clean("tank")


@story("a directory of a million entries", timeout=3600, long=True)
def million(w):
    w.create("tank", w.disks("a", size="4G"))
    root = w.at("tank", "d")
    os.mkdir(root)
    for i in range(1_000_000):
        os.close(os.open(os.path.join(root, f"name-{i}"), os.O_CREAT, 0o644))
    expect_equal(sum(1 for _ in os.scandir(root)), 1_000_000, "entries")
    w.export_clean("tank")
    w.import_("tank")
    expect_equal(sum(1 for _ in os.scandir(root)), 1_000_000, "entries after import")
    for i in range(0, 1_000_000, 1000):
        os.stat(os.path.join(root, f"name-{i}"))
    w.export_clean("tank")


@story("a source tree is unpacked, removed and unpacked again")
def trees(w):
    w.create("tank", w.disks("a"))
    for round in range(3):
        root = w.at("tank", "src")
        os.mkdir(root)
        picture = tree.grow(root, seed=round, files=800, largest=20_000)
        tree.compare(picture, tree.picture(root), f"round {round}")
        if round < 2:
            shutil.rmtree(root)
    w.export_clean("tank")
