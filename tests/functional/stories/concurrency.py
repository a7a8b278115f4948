"""Many commands and programs at once."""
import concurrent.futures
import os
import threading

from harness import tree
from harness.outcome import expect_equal
from harness.stories import story


def finish(processes, timeout=120):
    """[(exit status, stderr)] of commands started in the background."""
    done = []
    for p in processes:
        _, err = p.communicate(timeout=timeout)
        done.append((p.returncode, err.decode()))
    return done


@story("commands of all kinds at once, under load, all succeed")
def crowd(w):
    w.create("tank", w.disks("a", size="1G"))
    stop = threading.Event()

    def write(n):
        i = 0
        while not stop.is_set():
            tree.write(w.at("tank", f"load{n}.{i % 20}"), tree.content(i, 50_000))
            i += 1

    writers = [threading.Thread(target=write, args=(n,)) for n in range(3)]
    for t in writers:
        t.start()
    try:
        commands = []
        for i in range(12):
            commands += [f"zfs create tank/fs{i}", f"zfs set com.example:n={i} tank",
                         "zpool list", "zpool status", "zfs list -r tank",
                         "zpool get all tank", "zfs get all tank", "zpool sync tank"]
        for begin in range(0, len(commands), 16):
            for status, err in finish([w.start(c) for c in commands[begin:begin + 16]]):
                expect_equal((status, err), (0, ""), "a command in a crowd")
    finally:
        stop.set()
        for t in writers:
            t.join()
    expect_equal(len(w.ok("zfs list -H -o name -r tank").lines), 13, "file systems")
    w.export_clean("tank")


@story("of many that create or import the same pool, exactly one does")
def races(w):
    disks = w.disks(*"abcdef")
    results = finish([w.start(f"zpool create -m {w.at('tank')} tank {d}") for d in disks])
    expect_equal([s for s, _ in results].count(0), 1, f"winners of create: {results}")
    expect_equal(w.ok("zpool list -H -o name").lines, ["tank"], "pools")
    w.ok("zpool export tank")
    results = finish([w.start(f"zpool import -d {w.disk_dir} tank") for _ in range(6)])
    expect_equal([s for s, _ in results].count(0), 1, f"winners of import: {results}")
    expect_equal(w.health("tank"), "ONLINE", "health")
    results = finish([w.start("zpool export tank") for _ in range(6)])
    expect_equal([s for s, _ in results].count(0), 1, f"winners of export: {results}")
    w.zdb_clean("tank")


@story("file systems come and go while others are used")
def churn(w):
    w.create("tank", w.disks("a", size="512M"))

    def live(n):
        for i in range(6):
            name = f"tank/c{n}.{i}"
            status, err = finish([w.start(f"zfs create {name}")])[0]
            expect_equal((status, err), (0, ""), f"create {name}")
            picture = tree.grow(w.at(name), seed=n * 100 + i, files=20, largest=20_000)
            tree.compare(picture, tree.picture(w.at(name)), name)
            status, err = finish([w.start(f"zfs destroy {name}")])[0]
            expect_equal((status, err), (0, ""), f"destroy {name}")

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(live, range(4)))
    expect_equal(w.ok("zfs list -H -o name").lines, ["tank"], "file systems left")
    expect_equal(os.listdir(w.at("tank")), [], "directories left")
    w.export_clean("tank")


@story("threads that create, rename, link and delete in one directory agree in the end")
def one_directory(w):
    w.create("tank", w.disks("a"))
    root = w.at("tank")

    def work(n):
        for i in range(300):
            a, b, c = (os.path.join(root, f"{k}{n}.{i}") for k in "abc")
            tree.write(a, b"%d" % i)
            os.rename(a, b)
            os.link(b, c)
            if i % 2:
                os.unlink(b)

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    names = os.listdir(root)
    expect_equal(len(names), 6 * 450, "names")
    w.export_clean("tank")


@story("a scrub under load finds nothing wrong and disturbs nobody")
def scrub_under_load(w):
    disks = w.disks("a", "b", size="1G")
    w.create("tank", "mirror", *disks)
    tree.write(w.at("tank", "large"), tree.content(1, 60 << 20))
    stop = threading.Event()

    def churn_files(n):
        i = 0
        while not stop.is_set():
            path = w.at("tank", f"c{n}.{i % 30}")
            tree.write(path, tree.content(i, 80_000))
            if i % 7 == 0:
                os.unlink(path)
            i += 1

    writers = [threading.Thread(target=churn_files, args=(n,)) for n in range(2)]
    for t in writers:
        t.start()
    try:
        for _ in range(3):
            expect_equal(w.scrub("tank"), ("0B", 0), "scrub")
    finally:
        stop.set()
        for t in writers:
            t.join()
    expect_equal(set(w.errors_of("tank").values()), {(0, 0, 0)}, "errors")
    w.export_clean("tank")
    w.sides_clean("tank", *disks)
