"""Pools: made, listed, exported, found again, destroyed."""
import os
import subprocess

from harness import reference, tree
from harness.outcome import expect, expect_equal
from harness.stories import story


@story("a new pool without a file in it satisfies OpenZFS's zdb")
def empty(w):
    w.create("tank", w.disks("a"))
    w.export_clean("tank")


@story("the smallest pool, 64 MiB, works; a smaller one is refused")
def smallest(w):
    a, b = w.disks("a", size="64M"), w.disks("b", size="63M")
    w.fails(f"zpool create tank {b}", says="cannot create 'tank': "
            "one or more devices is less than the minimum size (64M)")
    w.create("tank", a)
    tree.write(w.at("tank", "f"), tree.content(1, 5 << 20))
    w.export_clean("tank")


@story("list, status and get show a new pool the way OpenZFS does")
def shown(w):
    w.prints("zpool list", "no pools available")
    a, b = w.disks("a", "b")
    w.create("tank", "mirror", a, b)
    expect_equal(w.health("tank"), "ONLINE", "health")
    expect_equal(w.ok("zpool list").lines[0],
                 "NAME   SIZE  ALLOC   FREE  CKPOINT  EXPANDSZ   FRAG    CAP  DEDUP"
                 "    HEALTH  ALTROOT", "heading")
    wide = max(len(a), len("mirror-0")) + 4
    w.prints("zpool status tank", f"""
  pool: tank
 state: ONLINE
config:

	{'NAME':{wide}}  STATE     READ WRITE CKSUM
	{'tank':{wide}}  ONLINE       0     0     0
	{'  mirror-0':{wide}}  ONLINE       0     0     0
	{'    ' + a:{wide}}  ONLINE       0     0     0
	{'    ' + b:{wide}}  ONLINE       0     0     0

errors: No known data errors
""")
    name, prop, value, source = w.ok("zpool get -H all tank").fields[0]
    expect_equal((name, source), ("tank", "-"), "the first property")
    expect_equal(w.get("tank", "version", kind="zpool"), "-", "version")
    w.export_clean("tank")


@story("creating refuses what OpenZFS refuses, in its words")
def refused(w):
    a, b, c = w.disks("a", "b", "c")
    w.create("tank", a)
    w.fails(f"zpool create tank {b}", says="cannot create 'tank': pool already exists")
    w.fails(f"zpool create other {a}", says=f"""invalid vdev specification
use '-f' to override the following errors:
{a} is part of active pool 'tank'""")
    w.fails("zpool create other /no/such/file",
            says="cannot resolve path '/no/such/file'")
    w.fails(f"zpool create other mirror {b}",
            says="invalid vdev specification: mirror requires at least 2 devices")
    w.fails("zpool create", status=2)
    w.fails("zpool nonsense", status=2)
    expect_equal(w.ok("zpool list -H -o name").lines, ["tank"], "pools afterwards")
    w.ok("zpool export tank")


@story("a pool on a file inside its own mounts is refused")
def inside_itself(w):
    a = w.disks("a")
    w.create("tank", a)
    inner = w.at("tank", "disk")
    with open(inner, "wb") as f:
        f.truncate(64 << 20)
    w.fails(f"zpool create other {inner}")
    w.export_clean("tank")


@story("destroy takes mounts and daemon along and leaves nothing to import")
def destroyed(w):
    w.create("tank", w.disks("a"))
    w.ok("zfs create tank/fs")
    daemon = w.daemon("tank")
    w.ok("zpool destroy tank")
    expect_equal(w.mounts(), {}, "mounts")
    w.wait_for(lambda: not os.path.exists(f"/proc/{daemon}/exe"), "the daemon to end")
    w.fails(f"zpool import -d {w.disk_dir} tank",
            says="cannot import 'tank': no such pool available")
    w.create("tank", os.path.join(w.disk_dir, "a"))
    w.export_clean("tank")


def pool_with_content(w, *spec, name="tank"):
    w.create(name, *spec)
    picture = tree.grow(w.at(name), seed=11, files=60)
    w.ok(f"zfs create {name}/fs")
    tree.write(w.at(name, "fs", "hi"), b"hi\n")
    w.ok(f"zpool export {name}")
    del picture["."]
    return picture


def expect_content(w, picture, name="tank"):
    found = tree.picture(w.at("tank"))
    here = {k: v for k, v in found.items() if k != "." and k.split("/")[0] != "fs"}
    tree.compare(picture, here, "files after import")
    with open(w.at("tank", "fs", "hi")) as f:
        expect_equal(f.read(), "hi\n", "file of the child")


@story("an exported pool is found by scan and imported by name, id and new name")
def imported(w):
    a, b = w.disks("a", "b")
    picture = pool_with_content(w, "mirror", a, b)
    w.fails("zpool export tank", says="cannot open 'tank': no such pool")
    listing = w.ok(f"zpool import -d {w.disk_dir}")
    guid = next(line.split()[1] for line in listing.lines if " id: " in line)
    wide = len(a) + 4
    w.prints(f"zpool import -d {w.disk_dir}", f"""
  pool: tank
    id: {guid}
 state: ONLINE
action: The pool can be imported using its name or numeric identifier.
config:

	{'tank':{wide}}  ONLINE
	{'  mirror-0':{wide}}  ONLINE
	    {a}  ONLINE
	    {b}  ONLINE
""")
    w.import_("tank")
    expect_content(w, picture)
    w.fails(f"zpool import -d {w.disk_dir} tank", says="""\
cannot import 'tank': a pool with that name already exists
use the form 'zpool import <pool | id> <newpool>' to give it a new name""")
    w.ok("zpool export tank")

    w.import_(guid)
    expect_content(w, picture)
    w.ok("zpool export tank")

    w.ok(f"zpool import -d {w.disk_dir} tank lake")
    expect_equal(w.ok("zpool list -H -o name,health").fields, [["lake", "ONLINE"]], "list")
    expect_content(w, picture)
    w.ok("zpool export lake")
    w.fails(f"zpool import -d {w.disk_dir} tank",
            says="cannot import 'tank': no such pool available")
    w.ok(f"zpool import -d {a} -d {b} lake tank")
    w.export_clean("tank")


@story("import -N mounts nothing, -R puts everything elsewhere, -a takes all")
def import_options(w):
    a, b = w.disks("a", "b")
    picture = pool_with_content(w, a)
    pool_with_content(w, b, name="data")
    w.import_("tank", "-N")
    expect_equal(w.get("tank", "mounted"), "no", "mounted")
    expect_equal(w.mounts(), {}, "mounts")
    w.ok("zfs mount -a")
    expect_content(w, picture)
    w.ok("zpool export tank")

    w.import_("tank", f"-R {w.path('alt')}")
    expect_equal(w.get("tank", "altroot", kind="zpool"), w.path("alt"), "altroot")
    elsewhere = w.path("alt") + w.at("tank")
    expect_equal(w.get("tank/fs", "mountpoint"), f"{elsewhere}/fs", "mountpoint")
    expect(os.path.exists(f"{elsewhere}/fs/hi"), "files are under the alternate root")
    w.ok("zpool export tank")

    w.ok(f"zpool import -d {w.disk_dir} -a")
    expect_equal(sorted(w.ok("zpool list -H -o name").lines), ["data", "tank"], "pools")
    w.ok("zpool export -a")
    w.zdb_clean("tank")
    w.zdb_clean("data")


@story("a read-only import serves every file and writes not one byte")
def readonly(w):
    a, b = w.disks("a", "b")
    picture = pool_with_content(w, "mirror", a, b)
    before = w.hashes()
    w.import_("tank", "-o readonly=on")
    expect_content(w, picture)
    w.fails("zfs create tank/x", says="cannot create 'tank/x': pool is read-only")
    for attempt in (lambda: open(w.at("tank", "new"), "w"),
                    lambda: os.unlink(w.at("tank", "fs", "hi")),
                    lambda: os.mkdir(w.at("tank", "d"))):
        try:
            attempt()
            expect(False, "writing to a read-only pool succeeded")
        except OSError as e:
            expect_equal(e.errno, 30, "errno (EROFS)")
    w.ok("zpool status tank")
    w.ok("zpool list")
    w.ok("zfs list -r tank")
    w.ok("zpool history tank")
    w.ok("zpool export tank")
    expect_equal(w.hashes(), before, "hashes of the disks")


@story("listing importable pools and reading labels writes nothing either")
def looking(w):
    a, b = w.disks("a", "b")
    pool_with_content(w, "mirror", a, b)
    before = w.hashes()
    w.ok(f"zpool import -d {w.disk_dir}")
    w.ok(f"zdb -l {a}")
    w.ok(f"zdb -e -p {w.disk_dir} -bcc tank", timeout=120)
    w.ok(f"zdb -e -p {w.disk_dir} -dddd tank", timeout=120)
    expect_equal(w.hashes(), before, "hashes of the disks")


@story("a pool last used by another host is imported with -f only")
def other_host(w):
    hostid = w.path("hostid")
    tree.write(hostid, b"\xee\xff\xc0\x00")
    w.replace("/etc/hostid", hostid)
    w.create("tank", w.disks("a"))
    w.kill_daemon("tank")
    tree.write(hostid, b"\x78\x56\x34\x12")
    result = w.fails(f"zpool import -d {w.disk_dir} tank")
    expect(result.err.startswith(
        "cannot import 'tank': pool was previously in use from another system.\n"),
        f"the reason is told: {result}")
    w.import_("tank", "-f")
    w.export_clean("tank")


@story("a loop device serves as a disk")
def loop_device(w):
    file = w.disks("a")
    p = subprocess.run(["losetup", "-f", "--show", file], capture_output=True, text=True)
    w.needs(p.returncode == 0, f"no loop device: {p.stderr.strip()}")
    loop = p.stdout.strip()
    w.create("tank", loop)
    picture = tree.grow(w.at("tank"), seed=3, files=50)
    w.ok("zpool export tank")
    w.ok(f"zpool import -d {loop} tank")
    tree.compare(picture, tree.picture(w.at("tank")), "files after import")
    w.ok("zpool export tank")
    subprocess.run(["losetup", "-d", loop], check=True)
    status, _, _ = reference.run_zdb(["-l", file], 60)
    if status == 0:     # the label is at the start: the device was not partitioned
        w.zdb_clean("tank")


@story("labelclear takes a disk's labels away, from an exported pool only by force")
def labelclear(w):
    a = w.disks("a")
    pool_with_content(w, a)
    w.fails(f"zpool labelclear {a}", says=f"""use '-f' to override the following error:
{a} is a member of exported pool "tank\"""")
    w.ok(f"zpool labelclear -f {a}")
    w.prints(f"zpool import -d {w.disk_dir}", "")
    w.fails(f"zpool labelclear {a}", status=255, says=f"failed to clear label for {a}")


@story("history tells what was done to the pool")
def history(w):
    a = w.disks("a")
    w.create("tank", a)
    w.ok("zfs create tank/fs")
    w.ok("zpool set comment=mine tank")
    w.ok("zpool export tank")
    w.import_("tank")
    lines = w.ok("zpool history tank").lines
    expect_equal(lines[0], "History for 'tank':", "first line")
    commands = [line.split(" ", 1)[1] for line in lines[1:] if line]
    expect_equal(commands, [f"zpool create -m {w.at('tank')} tank {a}",
                            "zfs create tank/fs", "zpool set comment=mine tank",
                            "zpool export tank", f"zpool import -d {w.disk_dir} tank"],
                 "commands")
    w.export_clean("tank")


@story("pool properties are set, shown with their source, and survive an export")
def properties(w):
    w.create("tank", w.disks("a"), options="-o ashift=12 -o comment=first")
    w.ok("zpool set comment='second thoughts' tank")
    w.ok("zpool set autotrim=on tank")
    w.ok("zpool export tank")
    w.import_("tank")
    expect_equal(w.get("tank", "ashift", kind="zpool"), "12", "ashift")
    expect_equal(w.ok("zpool get -H comment,autotrim tank").fields,
                 [["tank", "comment", "second thoughts", "local"],
                  ["tank", "autotrim", "on", "local"]], "properties")
    w.fails("zpool set guid=1 tank",
            says="cannot set property for 'tank': 'guid' is readonly")
    w.fails("zpool set ashift=20 tank", says="cannot set property for 'tank': property "
            "'ashift' number 20 is invalid, only values between 9 and 16 are allowed.")
    w.export_clean("tank")


@story("sync, iostat and version answer")
def small_commands(w):
    w.create("tank", w.disks("a"))
    tree.write(w.at("tank", "f"), tree.content(1, 1 << 20))
    w.ok("zpool sync tank")
    expect(w.ok("zpool iostat").lines[2].startswith("-"), "iostat has a ruled heading")
    row = w.ok("zpool iostat -Hp tank").fields[0]
    expect_equal(row[0], "tank", "iostat names the pool")
    expect(int(row[1]) > 1 << 20, f"iostat: allocated {row[1]}")
    expect(w.ok("zpool version").lines[0].startswith("zfs-"), "version")
    expect(w.ok("zfs version").lines[0].startswith("zfs-"), "version")
    w.export_clean("tank")
