"""The world of one story: scratch files, disks, commands, and what befalls them.

A world is a directory with
    disks/   sparse files that serve as disks        mnt/    mount points
    run/     TARN_RUN_DIR (sockets)                  state/  TARN_STATE_DIR (cache file)
and everything a story starts carries these two variables, so that several worlds
and the system's own pools live side by side.  The path is short on purpose: a UNIX
socket's may not exceed 107 bytes.
"""
import contextlib
import hashlib
import os
import random
import shlex
import signal
import socket
import struct
import subprocess
import time

from . import reference
from .cleanup import alive
from .outcome import Failed, Skipped, expect

# What no command may ever say, whether it succeeds or not.
OURS_TO_NEVER_SAY = ("internal error", "assertion failed", "ASSERT", "VERIFY",
                     "AddressSanitizer", "ThreadSanitizer", "runtime error:",
                     "LeakSanitizer")


class Result:
    def __init__(self, command, status, out, err):
        self.command = command
        self.status = status
        self.out = out
        self.err = err
        self.lines = out.splitlines()
        self.fields = [line.split("\t") for line in self.lines]

    @property
    def value(self):
        """The only line of output, stripped."""
        return self.out.strip()

    def __str__(self):
        text = f"$ {self.command}\n{self.out}"
        if self.err:
            text += f"[stderr]\n{self.err}"
        return text + f"[exit {self.status}]"


class World:
    def __init__(self, directory, bin_directory, slowness=1):
        self.dir = directory
        self.bin = bin_directory
        self.slowness = slowness
        self.isolated = "TARN_TEST_ISOLATED" in os.environ
        self.mnt = os.path.join(directory, "mnt")
        self.disk_dir = os.path.join(directory, "disks")
        self.run_dir = os.path.join(directory, "run")
        self.state_dir = os.path.join(directory, "state")
        for d in (self.disk_dir, self.run_dir, self.state_dir):
            os.makedirs(d)
        self.env = dict(os.environ, LC_ALL="C.UTF-8", TZ="UTC",
                        TARN_RUN_DIR=self.run_dir, TARN_STATE_DIR=self.state_dir,
                        PATH=f"{bin_directory}:/usr/sbin:/usr/bin:/sbin:/bin")
        self.started = []
        # A daemon has no terminal: sanitizers report into files, read at the end.
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"):
            if name in self.env:
                self.env[name] += ":log_path=" + self.path("sanitizer")

    # -- commands ----------------------------------------------------------

    def command(self, line, timeout=60, user=None, env=None, input=None):
        """Run a command line (shell words, no shell) and return its Result."""
        words = shlex.split(line)
        program = os.path.join(self.bin, words[0])
        if os.path.exists(program):
            words[0] = program
        elif words[0] in ("zpool", "zfs", "zdb", "tarn", "tarnd", "zstream"):
            raise Failed(f"no program {words[0]} in {self.bin}")
        how = {}
        if user is not None:
            how = {"user": user, "group": user, "extra_groups": []}
        # Output goes to files, not pipes: a daemon the command leaves behind
        # may hold on to them, and we wait for the command alone.
        with open(self.path("out"), "w+b") as out, open(self.path("err"), "w+b") as err:
            p = subprocess.Popen(words, env={**self.env, **(env or {})}, cwd=self.dir,
                                 stdin=subprocess.PIPE if input else subprocess.DEVNULL,
                                 stdout=out, stderr=err, start_new_session=True, **how)
            try:
                if input:
                    p.stdin.write(input)
                    p.stdin.close()
                status = p.wait(timeout * self.slowness)
            except subprocess.TimeoutExpired:
                os.killpg(p.pid, signal.SIGKILL)
                p.wait()
                raise Failed(f"$ {line}\nhas not ended after {timeout} s")
            texts = []
            for f in (out, err):
                f.seek(0)
                texts.append(f.read().decode(errors="surrogateescape"))
        result = Result(line, status, *texts)
        for word in OURS_TO_NEVER_SAY:
            expect(word not in result.err, lambda: f"a command says {word!r}:\n{result}")
        # 255 is what zfs says of a refused property; 126 and 127 are the shell's, above are signals.
        expect(0 <= status < 126 or status == 255,
               lambda: f"a command crashed:\n{result}")
        return result

    def ok(self, line, says=None, **how):
        """The command succeeds (and prints `says`, if given, among other things)."""
        result = self.command(line, **how)
        expect(result.status == 0, lambda: f"expected to succeed:\n{result}")
        if says is not None:
            expect(says in result.out, lambda: f"expected to print {says!r}:\n{result}")
        return result

    def fails(self, line, status=1, says=None, **how):
        """The command fails with this status; `says` is its whole stderr."""
        result = self.command(line, **how)
        expect(result.status == status,
               lambda: f"expected to fail with {status}:\n{result}")
        if says is not None:
            expect(result.err.strip() == says.strip(),
                   lambda: f"expected on stderr:\n{says}\ngot:\n{result}")
        return result

    def prints(self, line, text, **how):
        """The command succeeds and prints exactly this."""
        result = self.ok(line, **how)
        expect(result.out.strip("\n") == text.strip("\n"),
               lambda: f"expected to print:\n{text}\ngot:\n{result}")
        return result

    def start(self, line, **how):
        """Run a command in the background; wait for it with .wait()."""
        words = shlex.split(line)
        program = os.path.join(self.bin, words[0])
        if os.path.exists(program):
            words[0] = program
        p = subprocess.Popen(words, env=self.env, cwd=self.dir, start_new_session=True,
                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                             stderr=subprocess.PIPE, **how)
        self.started.append(p)
        return p

    # -- files and disks ---------------------------------------------------

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def at(self, *parts):
        """A path under the mount directory."""
        return os.path.join(self.mnt, *parts)

    def disks(self, *names, size="256M"):
        """Sparse files to use as disks; returns one path or a list."""
        number = int(size[:-1]) << {"K": 10, "M": 20, "G": 30}[size[-1]]
        made = []
        for name in names:
            path = os.path.join(self.disk_dir, name)
            with open(path, "wb") as f:
                f.truncate(number)
            made.append(path)
        return made[0] if len(made) == 1 else made

    def noise(self, disk, start=4 << 20, length=None, seed=1):
        """Overwrite a disk with random bytes, by default all between the labels."""
        size = os.path.getsize(disk)
        end = size - (1 << 20) if length is None else start + length
        r = random.Random(seed)
        with open(disk, "r+b") as f:
            f.seek(start)
            while f.tell() < end:
                f.write(r.randbytes(min(1 << 20, end - f.tell())))
            f.flush()
            os.fsync(f.fileno())

    def hashes(self):
        """sha256 of every disk: equal means nothing was written."""
        found = {}
        for name in sorted(os.listdir(self.disk_dir)):
            with open(os.path.join(self.disk_dir, name), "rb") as f:
                found[name] = hashlib.file_digest(f, "sha256").hexdigest()
        return found

    def shared(self, *path):
        """A path in the collection of recorded pools; skips the story without it."""
        return reference.shared(*path)

    def unpack(self, fixture):
        """A recorded pool's disks, writable copies; returns the fixture's directory."""
        source = reference.shared("pools", fixture)
        unpack = reference.shared("pools", "unpack.sh")
        out = self.path("fixture")
        p = subprocess.run(["bash", unpack, source, out], capture_output=True)
        expect(p.returncode == 0, lambda: f"{unpack}: {p.stderr.decode()}")
        for name in os.listdir(out):
            path = os.path.join(out, name)
            os.chmod(path, 0o644)
            if os.path.getsize(path) % (1 << 20) == 0 and os.path.getsize(path):
                os.rename(path, os.path.join(self.disk_dir, name))
        return out

    # -- pools -------------------------------------------------------------

    def create(self, pool, *spec, options=""):
        """zpool create, mounted at mnt/POOL."""
        return self.ok(f"zpool create -m {self.at(pool)} {options} {pool} {' '.join(spec)}")

    def export_clean(self, pool, dump=True):
        """Export, then OpenZFS's zdb finds no error and no leak."""
        self.ok(f"zpool export {pool}")
        self.zdb_clean(pool, dump)

    def zdb_clean(self, pool, dump=True):
        return reference.zdb_clean(self.disk_dir, pool, dump, timeout=600 * self.slowness)

    def sides_clean(self, pool, *disks):
        """Every disk of an exported mirror satisfies zdb by itself.

        zdb is content with any good copy of a block, so walking the whole mirror
        says nothing about the worse of its sides.
        """
        for disk in disks:
            alone = self.path(f"only-{os.path.basename(disk)}")
            os.makedirs(alone, exist_ok=True)
            link = os.path.join(alone, os.path.basename(disk))
            if not os.path.exists(link):
                os.link(disk, link)
            reference.zdb_clean(alone, pool, dump=False, timeout=600 * self.slowness)

    def import_(self, pool, options=""):
        return self.ok(f"zpool import -d {self.disk_dir} {options} {pool}")

    def get(self, what, prop, kind="zfs"):
        return self.ok(f"{kind} get -Hp -o value {prop} {what}").value

    def health(self, pool):
        return self.ok(f"zpool list -H -o health {pool}").value

    def errors_of(self, pool):
        """{name as zpool status prints it: (READ, WRITE, CKSUM)}, exact numbers."""
        counts, inside = {}, False
        for line in self.ok(f"zpool status -p {pool}").lines:
            words = line.split()
            if words[:2] == ["NAME", "STATE"]:
                inside = True
            elif inside and len(words) >= 5 and words[2].isdigit():
                counts[words[0]] = tuple(int(n) for n in words[2:5])
            elif inside and not words:
                inside = False
        return counts

    def scrub(self, pool):
        """Scrub to the end; returns (repaired as printed, errors)."""
        self.ok(f"zpool scrub -w {pool}", timeout=300)
        for line in self.ok(f"zpool status {pool}").lines:
            words = line.split()
            if words[:3] == ["scan:", "scrub", "repaired"]:
                return words[3], int(words[words.index("with") + 1])
        raise Failed("zpool status tells of no finished scrub:\n" +
                     str(self.ok(f"zpool status {pool}")))

    # -- the daemon --------------------------------------------------------

    def daemon(self, pool):
        """Pid of the process that serves a pool, as the kernel knows it."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(10)
            s.connect(os.path.join(self.run_dir, f"{pool}.sock"))
            credentials = s.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        return struct.unpack("3i", credentials)[0]

    def kill_daemon(self, pool, sig=signal.SIGKILL):
        """Signal a pool's daemon and wait until it is gone."""
        pid = self.daemon(pool)
        os.kill(pid, sig)
        self.wait_for(lambda: not alive(pid), f"process {pid} to end", timeout=60)

    def wait_for(self, condition, what, timeout=30):
        deadline = time.monotonic() + timeout * self.slowness
        while not condition():
            expect(time.monotonic() < deadline, f"waited {timeout} s for {what}")
            time.sleep(0.05)

    def mounts(self):
        """{mount point: (source, type)} of the mounts in this world."""
        found = {}
        with open("/proc/self/mountinfo") as f:
            for line in f:
                left, right = line.rstrip("\n").split(" - ")
                point = left.split()[4].encode().decode("unicode_escape")
                if point.startswith(self.dir + "/"):
                    found[point] = tuple(reversed(right.split()[:2]))
        return found

    # -- needs -------------------------------------------------------------

    def replace(self, path, by):
        """Let `path` of the system be another file, in this story's mount namespace."""
        self.needs(self.isolated and os.path.exists(path) and
                   subprocess.run(["mount", "--bind", by, path],
                                  stderr=subprocess.DEVNULL).returncode == 0,
                   f"{path} cannot be replaced here")

    def needs(self, condition, what):
        if not condition:
            raise Skipped(what)

    # -- the end -----------------------------------------------------------

    def expect_no_reports(self):
        """No sanitizer has found anything in any process of this world."""
        reports = [n for n in os.listdir(self.dir) if n.startswith("sanitizer.")]
        texts = []
        for name in reports:
            with open(self.path(name), errors="replace") as f:
                texts.append(f.read()[:6000])
        expect(not reports, lambda: "sanitizer reports:\n" + "\n".join(texts))

    def close(self):
        for p in self.started:
            if p.poll() is None:
                with contextlib.suppress(OSError):
                    os.killpg(p.pid, signal.SIGKILL)
                p.wait()
            p.stderr.close()
