"""Large files rewritten here and there, against a model in memory."""
import os
import random

from harness import tree
from harness.outcome import expect
from harness.stories import story


class Model:
    """A file and the bytes it should have."""

    def __init__(self, path, size, seed):
        self.random = random.Random(seed)
        self.bytes = bytearray(tree.content(seed, size))
        self.path = path
        tree.write(path, self.bytes)

    def overwrite(self, times, largest):
        with open(self.path, "r+b", buffering=0) as f:
            for n in range(times):
                length = self.random.randint(1, largest)
                offset = self.random.randrange(len(self.bytes))
                kind = self.random.random()
                data = bytes(length) if kind < 0.1 else self.random.randbytes(length)
                os.pwrite(f.fileno(), data, offset)
                if offset + length > len(self.bytes):
                    self.bytes.extend(bytes(offset + length - len(self.bytes)))
                self.bytes[offset:offset + length] = data
                if kind > 0.98:
                    os.fsync(f.fileno())
                elif kind > 0.97:
                    shorter = self.random.randrange(len(self.bytes) // 2, len(self.bytes))
                    f.truncate(shorter)
                    del self.bytes[shorter:]

    def check(self, when):
        with open(self.path, "rb") as f:
            found = f.read()
        if found != self.bytes:
            at = next((i for i, (a, b) in enumerate(zip(found, self.bytes)) if a != b),
                      min(len(found), len(self.bytes)))
            expect(False, f"{self.path} {when}: differs from byte {at} on "
                          f"(sizes {len(found)}, {len(self.bytes)})")


def rewrite(w, models, rounds, times, largest):
    for round in range(rounds):
        for m in models:
            m.overwrite(times, largest)
        if round % 2:
            w.ok("zpool sync tank")
        for m in models:
            m.check(f"after round {round}")
    w.export_clean("tank")
    w.import_("tank")
    for m in models:
        m.check("after import")
    w.export_clean("tank")


@story("random overwrites of large files, the model agrees all along", timeout=300)
def overwrites(w):
    w.create("tank", w.disks("a", size="1G"))
    models = [Model(w.at("tank", f"f{i}"), size, i)
              for i, size in enumerate((64 << 20, 17_000_001, 5 << 20))]
    rewrite(w, models, rounds=4, times=400, largest=200_000)


@story("recordsize {}: written, rewritten, read back", timeout=300,
       each=["512", "1K", "4K", "16K", "32K", "64K", "128K", "256K", "512K", "1M"])
def recordsize(w, size):
    w.create("tank", w.disks("a", size="512M"), options=f"-O recordsize={size}")
    models = [Model(w.at("tank", f"f{i}"), n, i) for i, n in
              enumerate((3_000_000, 513, 70_000, 0x100001))]
    rewrite(w, models, rounds=3, times=60, largest=100_000)


@story("copies={} keeps that many copies of every block", each=[2, 3])
def copies(w, number):
    w.create("tank", w.disks("a", size="512M"), options="-O compression=off")
    w.ok(f"zfs create -o copies={number} tank/fs")
    model = Model(w.at("tank", "fs", "f"), 20 << 20, 1)
    w.ok("zpool sync tank")
    used = int(w.get("tank/fs", "used"))
    expect(number * 20 << 20 <= used < (number * 20 + 3) << 20, f"used {used}")
    rewrite(w, [model], rounds=2, times=50, largest=200_000)
