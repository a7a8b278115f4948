"""The judges that are not ours: OpenZFS's zdb, and its kernel module in an emulator."""
import os
import re
import subprocess

from .outcome import Failed, Skipped

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__)))))
BIN = os.path.join(TOP, "build", "openzfs", "bin")


def shared(*path):
    """A path in the collection of recorded pools and transcripts."""
    base = os.environ.get("TARN_SHARED") or os.path.join(TOP, "..", "shared")
    found = os.path.realpath(os.path.join(base, *path))
    if not os.path.exists(found):
        raise Skipped(f"no {os.path.join(*path)} in TARN_SHARED ({os.path.realpath(base)})")
    return found


def tool(name):
    path = os.path.join(BIN, name)
    if not os.access(path, os.X_OK):
        raise Skipped(f"OpenZFS's {name} is not there (tools/fetch-openzfs says why)")
    return path


def run_zdb(arguments, timeout):
    """zdb's (status, stdout, stderr); its output may be hundreds of megabytes."""
    p = subprocess.run([tool("zdb"), *arguments], stdin=subprocess.DEVNULL,
                       capture_output=True, timeout=timeout)
    return p.returncode, p.stdout, p.stderr


# What zdb prints when something is wrong and it goes on nevertheless.
COMPLAINT = re.compile(
    rb"leaked space|block traversal size \d+ !=|zdb_blkptr_cb: Got error|"
    rb"checksum error|failed to |can't |cannot |\berror \d+|[Ee]rror:|ASSERT|"
    rb"unreachable|frees? .*not allocated|double (free|alloc)|overlap|"
    rb"\bDDE?\b.*mismatch|refcount mismatch|incorrect|invalid|corrupt")


def zdb_clean(directory, pool, dump=True, timeout=600):
    """zdb -bcc walks every block: no error, no leak; zdb -dddd prints every object."""
    place = ["-e", "-p", directory]
    status, out, err = run_zdb([*place, "-bcc", pool], timeout)
    text = re.sub(rb"\r?loading concrete vdev[^\r\n]*\.\.\.", b"", out + err)
    complaint = COMPLAINT.search(text)
    if status or b"No leaks" not in out or complaint:
        raise Failed(f"zdb -bcc {pool}: status {status}" +
                     (f", says {complaint.group(0).decode()!r}" if complaint else "") +
                     "\n" + indent(text))
    if dump:
        status, out, err = run_zdb([*place, "-dddd", pool], timeout)
        if status or err.strip():
            raise Failed(f"zdb -dddd {pool}: status {status}\n" +
                         indent(err or out[-2000:]))
    return text


def indent(text, lines=40):
    rows = text.decode(errors="replace").strip().splitlines()
    rows = [r for r in rows if r.strip()]
    if len(rows) > lines:
        rows = rows[:lines // 2] + ["..."] + rows[-lines // 2:]
    return "\n".join("    | " + r for r in rows)


def check_oracle(images, manifest=None, timeout=1500):
    """The real kernel module imports, scrubs, sends from and writes to the images."""
    check = shared("tools", "kernel-oracle", "check-import.sh")
    oracle = os.path.join(os.path.dirname(check), "kernel-oracle")
    cache = os.environ.get("KERNEL_ORACLE_CACHE", "/var/cache/kernel-oracle")
    if not os.path.exists(os.path.join(cache, "initrd.ready")):
        raise Skipped(f"the emulated machine is not built ({oracle} setup)")
    command = [check, "--timeout", str(timeout)]
    if manifest:
        command += ["--manifest", manifest]
    environment = dict(os.environ, PATH=BIN + ":" + os.environ["PATH"])
    p = subprocess.run([*command, *images], stdin=subprocess.DEVNULL, env=environment,
                       capture_output=True, timeout=timeout + 300)
    answers = [line for line in p.stdout.splitlines() if line.startswith(b"PASS")]
    if p.returncode or b"FAIL" in p.stdout or len(answers) < 5:
        raise Failed(f"the kernel module does not accept the pool (status {p.returncode})\n" +
                     indent(p.stdout + p.stderr, 80))
    return p.stdout.decode()
