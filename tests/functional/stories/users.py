"""Ordinary users: their own pools, and what they may not do to root's."""
import os
import stat

from harness import tree
from harness.outcome import expect, expect_equal
from harness.stories import story

ALICE, BOB = 61001, 61002       # uids; they need no entry in /etc/passwd


def open_fuse(w):
    """Let ordinary users open /dev/fuse, as udev does on a real system."""
    if stat.S_IMODE(os.stat("/dev/fuse").st_mode) & 0o006 == 0o006:
        return
    node = w.path("fuse")
    os.mknod(node, 0o020666, os.makedev(10, 229))
    os.chmod(node, 0o666)
    w.replace("/dev/fuse", node)


def own_world(w, user):
    """Directories of a user and the environment that points there."""
    home = w.path(f"user{user}")
    directories = {n: os.path.join(home, n) for n in ("run", "state", "disks", "mnt")}
    os.mkdir(home)
    for d in directories.values():
        os.mkdir(d)
        os.chown(d, user, user)
    os.chown(home, user, user)
    return directories, {"TARN_RUN_DIR": directories["run"], "HOME": home,
                         "TARN_STATE_DIR": directories["state"]}


@story("an ordinary user makes, fills, exports and imports a pool on his own files")
def own_pool(w):
    w.needs(any(os.path.exists(f"/{d}/fusermount3") for d in ("bin", "usr/bin")),
            "no fusermount3")
    open_fuse(w)
    d, env = own_world(w, ALICE)
    disk = os.path.join(d["disks"], "a")
    with open(disk, "wb") as f:
        f.truncate(256 << 20)
    os.chown(disk, ALICE, ALICE)
    me = {"user": ALICE, "env": env}
    point = os.path.join(d["mnt"], "pond")
    w.ok(f"zpool create -m {point} pond {disk}", **me)
    w.ok(f"cp -r /etc/apt {point}/", **me)
    w.ok("zfs create pond/fs", **me)
    w.ok(f"cp /etc/passwd {point}/fs/", **me)
    w.ok("zpool scrub -w pond", **me)
    w.ok("zpool export pond", **me)
    w.ok(f"zpool import -d {d['disks']} pond", **me)
    w.ok(f"diff -r /etc/apt {point}/apt", **me)
    w.ok(f"cmp /etc/passwd {point}/fs/passwd", **me)
    w.fails(f"zpool destroy pond", user=BOB, env=env)
    w.ok("zpool export pond", **me)
    w.disk_dir = d["disks"]
    w.zdb_clean("pond")


@story("an ordinary user may look at root's pools, not change them")
def looking_only(w):
    os.chmod(w.run_dir, 0o755)
    w.create("tank", w.disks("a"))
    os.mkdir(w.at("tank", "public"), 0o777)
    os.chmod(w.at("tank", "public"), 0o777)
    tree.write(w.at("tank", "secret"), b"x")
    os.chmod(w.at("tank", "secret"), 0o600)
    bob = {"user": BOB}
    expect_equal(w.ok("zpool list -H -o name,health", **bob).fields, [["tank", "ONLINE"]],
                 "what bob sees")
    w.ok("zpool status tank", **bob)
    w.ok("zfs list -r tank", **bob)
    w.ok("zfs get all tank", **bob)
    for forbidden in ("zpool destroy tank", "zpool export tank", "zpool scrub tank",
                      "zfs create tank/bob", "zfs set compression=off tank",
                      "zfs destroy -r tank", "zpool clear tank", "zpool set comment=x tank"):
        w.fails(forbidden, status=255 if forbidden.startswith("zfs set") else 1, **bob)
    w.fails(f"cat {w.at('tank', 'secret')}", **bob)
    w.fails(f"touch {w.at('tank', 'new')}", **bob)
    w.ok(f"touch {w.at('tank', 'public', 'mine')}", **bob)
    expect_equal(os.stat(w.at("tank", "public", "mine")).st_uid, BOB, "owner")
    expect_equal(w.ok("zfs list -H -o name").lines, ["tank"], "nothing changed")
    w.export_clean("tank")


@story("permissions are those of a POSIX file system")
def permissions(w):
    w.create("tank", w.disks("a"))
    at = lambda *p: w.at("tank", *p)
    os.mkdir(at("sticky"))
    os.chmod(at("sticky"), 0o1777)
    os.mkdir(at("group"))
    os.chown(at("group"), 0, BOB)
    os.chmod(at("group"), 0o2775)
    w.ok(f"touch {at('sticky', 'alices')}", user=ALICE)
    w.fails(f"rm -f {at('sticky', 'alices')}", user=BOB)
    w.fails(f"chmod 777 {at('sticky', 'alices')}", user=BOB)
    w.ok(f"touch {at('group', 'f')}", user=BOB)
    w.ok(f"mkdir {at('group', 'd')}", user=BOB)
    expect_equal(os.stat(at("group", "f")).st_gid, BOB, "group inherited (setgid)")
    expect(os.stat(at("group", "d")).st_mode & stat.S_ISGID, "setgid inherited")
    w.fails(f"touch {at('group', 'g')}", user=ALICE)
    tree.write(at("su"), b"#!/bin/sh\n")
    os.chown(at("su"), ALICE, ALICE)
    os.chmod(at("su"), 0o6777)
    w.ok(f"dd if=/dev/null of={at('su')} bs=1 count=0 conv=notrunc status=none", user=BOB)
    w.ok(f"cp /etc/passwd {at('su')}", user=BOB)
    expect_equal(stat.S_IMODE(os.stat(at("su")).st_mode), 0o777, "setuid bits after a write")
    w.export_clean("tank")
