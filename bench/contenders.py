"""The three that are measured: each a fresh file system on one file of the same disk.

fresh()     make it and mount it          settle()   all written data is on the disk and
end()       take everything away                     the file system closed and opened again
cold()      the same, and no cache of the kernel knows anything
"""
import os
import shutil
import subprocess
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Impossible(Exception):
    """This contender cannot take part here."""


def run(*words, **how):
    p = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, text=True, **how)
    if p.returncode:
        raise RuntimeError(f"{' '.join(words)}: status {p.returncode}\n{p.stdout}")
    return p.stdout


class Contender:
    def __init__(self, base, size):
        self.dir = os.path.join(base, self.name)
        self.image = os.path.join(self.dir, "disk")
        self.mnt = os.path.join(self.dir, "mnt")
        self.size = size

    def blank(self):
        shutil.rmtree(self.dir, ignore_errors=True)
        os.makedirs(self.mnt)
        with open(self.image, "wb") as f:
            f.truncate(self.size)

    def cold(self):
        self.close()
        os.sync()
        with open("/proc/sys/vm/drop_caches", "w") as f:
            f.write("3\n")
        self.open()

    def settle(self):
        self.close()

    def end(self):
        self.close()
        shutil.rmtree(self.dir)


class Ext4(Contender):
    name = "ext4"
    about = "ext4 on a loop device over a file"

    def fresh(self):
        self.blank()
        run("mkfs.ext4", "-q", "-F", self.image)
        self.open()

    def open(self):
        run("mount", "-o", "loop", self.image, self.mnt)

    def close(self):
        run("umount", self.mnt)

    def version(self):
        return "Linux " + os.uname().release.partition("-")[0]


class Tarn(Contender):
    name = "tarn"
    about = "tarn on a file, all properties at their defaults"

    def __init__(self, base, size):
        super().__init__(base, size)
        self.bin = os.path.join(TOP, "build", "bin")
        if not os.path.exists(os.path.join(self.bin, "tarn")):
            raise Impossible("build/bin/tarn is not built")
        self.env = dict(os.environ, TARN_RUN_DIR=os.path.join(base, "run"),
                        TARN_STATE_DIR=os.path.join(base, "state"))
        for d in ("run", "state"):
            os.makedirs(os.path.join(base, d), exist_ok=True)

    def zpool(self, *words):
        return run(os.path.join(self.bin, "tarn"), "zpool", *words, env=self.env)

    def fresh(self):
        self.blank()
        self.zpool("create", "-f", "-m", self.mnt, "benchtarn", self.image)

    def open(self):
        self.zpool("import", "-d", self.dir, "benchtarn")

    def close(self):
        self.zpool("export", "benchtarn")

    def version(self):
        commit = subprocess.run(["git", "-C", TOP, "describe", "--always", "--dirty"],
                                capture_output=True, text=True).stdout.strip()
        return commit or "unknown"


class ZfsFuse(Contender):
    """Debian's zfs-fuse; its paths are fixed, so they are covered by empty ones."""

    name = "zfs-fuse"
    about = "Debian's zfs-fuse on a file, all properties at their defaults"
    places = ("/run/zfs", "/var/lib/zfs", "/run/lock/zfs", "/etc/zfs")

    def __init__(self, base, size):
        super().__init__(base, size)
        self.bin = os.path.join(TOP, "build", "zfs-fuse", "bin")
        p = subprocess.run([os.path.join(TOP, "tools", "fetch-zfs-fuse")],
                           capture_output=True, text=True)
        if p.returncode:
            raise Impossible(p.stderr.strip() or p.stdout.strip())
        self.made = []
        for place in self.places:
            if not os.path.isdir(place):
                os.makedirs(place)
                self.made.append(place)
            run("mount", "-t", "tmpfs", "tmpfs", place)
        self.daemon = subprocess.Popen([os.path.join(self.bin, "zfs-fuse"), "-n"],
                                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL, start_new_session=True)
        for _ in range(100):
            if os.path.exists("/run/zfs/zfs_socket"):
                break
            time.sleep(0.1)
        else:
            raise Impossible("zfs-fuse does not start")
        time.sleep(0.5)

    def zpool(self, *words):
        return run(os.path.join(self.bin, "zpool"), *words)

    def fresh(self):
        self.blank()
        self.zpool("create", "-f", "-m", self.mnt, "benchfuse", self.image)

    def open(self):
        self.zpool("import", "-d", self.dir, "benchfuse")

    def close(self):
        self.zpool("export", "benchfuse")

    def version(self):
        with open(os.path.join(TOP, "build", "zfs-fuse", "root", "versions")) as f:
            return f.readline().strip().partition("=")[2]

    def leave(self):
        """End the daemon and uncover the system's directories."""
        self.daemon.terminate()
        self.daemon.wait(30)
        for place in self.places:
            run("umount", place)
        for place in self.made:
            os.rmdir(place)


ALL = (Tarn, ZfsFuse, Ext4)
