"""Leave nothing behind: processes, mounts, loop devices, files of one world.

In a namespace the kernel does most of this when the story ends; without one, and
for loop devices, which no namespace contains, we look for what points into
the world's directory.  Everything is found by that path, never by a program's
name, so a pool of the system's own is out of reach.
"""
import glob
import os
import shutil
import signal
import subprocess
import time

PREFIX = "tarn-test."


def alive(pid):
    """Whether a process runs (a zombie does not)."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def processes_of(directory):
    """Pids whose environment places them in this world."""
    mark = f"={directory}/".encode()
    found = []
    for entry in glob.glob("/proc/[0-9]*/environ"):
        pid = int(entry.split("/")[2])
        if pid == os.getpid():
            continue
        try:
            with open(entry, "rb") as f:
                names = f.read().split(b"\0")
        except OSError:
            continue
        if any(n.startswith(b"TARN_RUN_DIR" + mark) for n in names):
            found.append(pid)
    return found


def kill_processes(directory):
    for attempt in range(50):
        pids = processes_of(directory)
        if not pids:
            return
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        time.sleep(0.05)


def mounts_under(directory):
    """Mount points below the directory, innermost first."""
    points = []
    with open("/proc/self/mountinfo") as f:
        for line in f:
            point = line.split()[4].encode().decode("unicode_escape")
            if point == directory or point.startswith(directory + "/"):
                points.append(point)
    return list(reversed(points))


def unmount(directory):
    for point in mounts_under(directory):
        tools = [["umount", "-l", point]]
        if os.getuid() != 0:
            tools = [["fusermount3", "-u", "-z", point]]
        for tool in tools:
            subprocess.run(tool, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)


def detach_loops(directory):
    if os.getuid() != 0:
        return
    try:
        listing = subprocess.run(["losetup", "-n", "-O", "NAME,BACK-FILE", "--list", "--raw"],
                                 capture_output=True, text=True).stdout
    except OSError:
        return
    for line in listing.splitlines():
        name, _, backing = line.partition(" ")
        if backing.startswith(directory + "/"):
            subprocess.run(["losetup", "-d", name], stderr=subprocess.DEVNULL)


def remove_world(directory):
    kill_processes(directory)
    unmount(directory)
    detach_loops(directory)
    if mounts_under(directory):
        return      # rather leave files than reach through a mount
    shutil.rmtree(directory, ignore_errors=True)


def sweep(base):
    """Remove the worlds of runs that are no more (their pid is in the name)."""
    for directory in glob.glob(os.path.join(base, PREFIX + "*")):
        pid = os.path.basename(directory)[len(PREFIX):].split(".")[0]
        if pid.isdigit() and not alive(pid) \
                and os.stat(directory).st_uid == os.getuid() \
                and not os.path.exists(os.path.join(directory, "kept")):
            remove_world(directory)
