"""The last word: OpenZFS's kernel module imports, scrubs, sends and writes our pools."""
import os

from harness import reference, tree
from harness.stories import story
from stories import accidents


def images(w):
    return [os.path.join(w.disk_dir, n) for n in sorted(os.listdir(w.disk_dir))]


def fill(w):
    w.ok("zfs create -o compression=zstd -o recordsize=1M tank/a")
    w.ok("zfs create -o compression=off -o checksum=sha256 tank/a/b")
    for n, dataset in enumerate(("tank", "tank/a", "tank/a/b")):
        tree.grow(w.at(dataset), seed=n, files=150)


@story("the kernel module accepts a pool on one disk", long=True, timeout=2000)
def single(w):
    w.create("tank", w.disks("a"))
    fill(w)
    w.ok("zpool export tank")
    reference.check_oracle(images(w))


@story("the kernel module accepts a mirror that has healed itself", long=True, timeout=2000)
def mirror(w):
    a, b = w.disks("a", "b")
    w.create("tank", "mirror", a, b)
    fill(w)
    w.ok("zpool sync tank")
    w.noise(b, 8 << 20, 32 << 20)
    w.scrub("tank")
    w.ok("zpool export tank")
    reference.check_oracle(images(w))


@story("the kernel module accepts a pool whose daemon was killed under load",
       long=True, timeout=2000)
def after_kill(w):
    w.create("tank", w.disks("a", size="512M"))
    fill(w)
    writers = accidents.load(w, [1, 2])
    w.wait_for(lambda: os.path.exists(w.path("log1")) and
               os.path.getsize(w.path("log1")) > 1000, "some load")
    w.kill_daemon("tank")
    for p in writers:
        p.wait(60)
    reference.check_oracle(images(w))
