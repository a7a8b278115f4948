"""Every compression under every checksum."""
import os

from harness import tree
from harness.stories import story

COMPRESSIONS = ("off", "on", "lz4", "lzjb", "zle", "gzip-1", "gzip-6", "gzip-9", "zstd-1",
                "zstd-3", "zstd-19", "zstd-fast-1", "zstd-fast-10", "zstd-fast-1000")
CHECKSUMS = ("on", "off", "fletcher2", "fletcher4", "sha256", "sha512", "skein", "edonr",
             "blake3")


@story("checksum={} with every compression", each=CHECKSUMS, timeout=300)
def checksum(w, name):
    w.create("tank", w.disks("a", size="512M"), options=f"-O checksum={name}")
    for c in COMPRESSIONS:
        w.ok(f"zfs create -o compression={c} tank/{c}")
        at = lambda file: w.at("tank", c, file)
        tree.write(at("prose"), tree.prose(1, 700_001))
        tree.write(at("noise"), tree.content(2, 300_000))
        tree.write(at("zeros"), bytes(500_000))
        tree.write(at("mixed"), (tree.content(3, 3000) + bytes(5000)) * 40)
        tree.write(at("small"), tree.prose(4, 200))
        tree.write(at("tiny"), b"t")
    pictures = {c: tree.picture(w.at("tank", c)) for c in COMPRESSIONS}
    w.export_clean("tank")
    w.import_("tank")
    for c, picture in pictures.items():
        tree.compare(picture, tree.picture(w.at("tank", c)), f"{name}, {c}")
    for c in COMPRESSIONS[1:]:
        with open(w.at("tank", c, "prose"), "r+b") as f:
            os.pwrite(f.fileno(), tree.content(5, 10_000), 250_000)
    w.export_clean("tank")
