"""Daemons that are killed, stopped, or left behind: what must still be true."""
import os
import random
import signal
import sys

from harness import tree
from harness.outcome import expect, expect_equal
from harness.stories import story

# Writes files for ever; notes in a log of its own what an fsync made durable.
WRITER = """
import os, random, sys
root, log, seed = sys.argv[1], sys.argv[2], int(sys.argv[3])
r = random.Random(seed)
note = open(log, "w")
i = -1
while True:
    i += 1
    path = os.path.join(root, f"w{seed}.{i % 150}")
    size = int(300000 ** r.random())
    data = random.Random(seed * 10**6 + i).randbytes(size)
    try:
        with open(path + ".new", "wb") as f:
            f.write(data)
            if i % 3 == 0:
                f.flush()
                os.fsync(f.fileno())
        if i % 3 == 0:
            os.rename(path + ".new", path)
            d = os.open(root, os.O_RDONLY)
            os.fsync(d)
            os.close(d)
        elif r.random() < 0.5:
            os.unlink(path + ".new")
    except OSError:
        sys.exit(0)
    if i % 3 == 0:
        note.write(f"{i % 150} {i} {size}\\n")
        note.flush()
"""


def load(w, seeds):
    tree.write(w.path("writer.py"), WRITER.encode())
    # Below the mount point: when the pool is gone, this is, too, and not a bare directory.
    os.makedirs(w.at("tank", "load"), exist_ok=True)
    return [w.start(f"{sys.executable} {w.path('writer.py')} {w.at('tank', 'load')} "
                    f"{w.path(f'log{s}')} {s}") for s in seeds]


def expect_durable(w, seed):
    """Everything whose fsync returned is there, or something newer of the same name."""
    newest = {}
    with open(w.path(f"log{seed}")) as f:
        for line in f:
            if line.endswith("\n"):
                slot, i, size = (int(n) for n in line.split())
                newest[slot] = (i, size)
    expect(newest, "the writer made something durable before the accident")
    for slot, (i, size) in newest.items():
        with open(w.at("tank", "load", f"w{seed}.{slot}"), "rb") as f:
            found = f.read()
        if found == random.Random(seed * 10**6 + i).randbytes(size):
            continue
        # The next round of this slot may have been renamed, its note not written.
        later = i + 150
        while later % 3:
            later += 150
        expect(found and found == random.Random(seed * 10**6 + later).randbytes(len(found)),
               f"w{seed}.{slot}: neither round {i} nor {later}")


@story("kill -9 under load, five times: what was synced is there, zdb is content",
       timeout=400, each=["single", "mirror"])
def killed(w, kind):
    spec = (w.disks("a", size="1G"),) if kind == "single" else \
        ("mirror", *w.disks("a", "b", size="1G"))
    w.create("tank", *spec)
    for round in range(5):
        seeds = [round * 2 + 1, round * 2 + 2]
        writers = load(w, seeds)
        w.wait_for(lambda: all(os.path.exists(w.path(f"log{s}")) and
                               os.path.getsize(w.path(f"log{s}")) > 400 * (round + 1)
                               for s in seeds), "some load")
        w.kill_daemon("tank")
        for p in writers:
            p.wait(60)
        w.ok("zpool list")
        w.ok("zpool import -a -c")
        for s in seeds:
            expect_durable(w, s)
    for s in range(1, 11):
        expect_durable(w, s)
    w.kill_daemon("tank")
    w.zdb_clean("tank")         # as it lies there, logs not yet replayed
    w.ok("zpool import -a -c")
    w.export_clean("tank")


@story("the next command clears away mounts and sockets of a killed daemon")
def stale_mounts(w):
    w.create("tank", w.disks("a"))
    w.ok("zfs create tank/fs")
    w.kill_daemon("tank")
    w.prints("zpool list", "no pools available")
    expect_equal(w.mounts(), {}, "mounts")
    expect_equal([n for n in os.listdir(w.run_dir) if n.endswith(".sock")], [], "sockets")
    os.listdir(w.mnt)
    w.ok("zpool import -a -c")
    expect_equal(sorted(w.mounts()), [w.at("tank"), w.at("tank", "fs")], "mounts")
    w.export_clean("tank")


@story("a killed daemon's pool can also be imported by scan, without -f, by the same host")
def killed_then_import(w):
    w.create("tank", w.disks("a"))
    tree.write(w.at("tank", "f"), b"durable", fsync=True)
    w.kill_daemon("tank")
    w.import_("tank")
    with open(w.at("tank", "f"), "rb") as f:
        expect_equal(f.read(), b"durable", "content")
    w.export_clean("tank")


@story("SIGTERM ends a daemon in order: everything written is there")
def terminated(w):
    w.create("tank", w.disks("a"))
    picture = tree.grow(w.at("tank"), seed=8, files=150)
    w.kill_daemon("tank", signal.SIGTERM)
    expect_equal(w.mounts(), {}, "mounts")
    w.zdb_clean("tank")
    w.ok("zpool import -a -c")
    tree.compare(picture, tree.picture(w.at("tank")), "files")
    w.export_clean("tank")


@story("SIGTERM under load: programs get errors, the pool stays right")
def terminated_under_load(w):
    w.create("tank", w.disks("a", size="1G"))
    writers = load(w, [1, 2])
    w.wait_for(lambda: os.path.exists(w.path("log1")) and
               os.path.getsize(w.path("log1")) > 400, "some load")
    w.kill_daemon("tank", signal.SIGTERM)
    for p in writers:
        p.wait(60)
    w.zdb_clean("tank")
    w.ok("zpool import -a -c")
    expect_durable(w, 1)
    w.export_clean("tank")


@story("import -a -c reopens what the cache file names, and nothing else")
def cache_file(w):
    a, b, c = w.disks("a", "b", "c")
    w.create("one", a)
    w.create("two", b)
    w.create("three", c)
    tree.write(w.at("one", "f"), b"1")
    w.ok("zpool export three")
    w.kill_daemon("one", signal.SIGTERM)
    w.kill_daemon("two")
    w.ok("zpool import -a -c")
    expect_equal(sorted(w.ok("zpool list -H -o name").lines), ["one", "two"], "pools")
    with open(w.at("one", "f")) as f:
        expect_equal(f.read(), "1", "content")
    w.ok("zpool import -a -c")      # again: nothing to do
    w.ok("zpool export -a")
    w.ok("zpool import -a -c")
    w.prints("zpool list", "no pools available")
    for pool in ("one", "two", "three"):
        w.zdb_clean(pool)


@story("two daemons can never hold the same disk")
def locked(w):
    a = w.disks("a")
    w.create("tank", a)
    other = {"TARN_RUN_DIR": w.path("run2"), "TARN_STATE_DIR": w.path("state2")}
    for d in other.values():
        os.mkdir(d)
    w.fails(f"zpool import -d {w.disk_dir} tank", env=other)
    w.fails(f"zpool import -f -d {w.disk_dir} tank", env=other)
    w.fails(f"zpool create -f other {a}", env=other)
    tree.write(w.at("tank", "f"), b"fine")
    w.export_clean("tank")
