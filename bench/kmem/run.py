#!/usr/bin/env python3
"""Allocators side by side: kmem's interfaces, libkmem.so, and those of the system.

usage: run.py BUILD_DIR [-r ROUNDS] [-t THREADS,...] [-o TABLE.md]

BUILD_DIR is a meson build with src/spl/libspl.a and src/spl/libkmem.so. The rounds of
all allocators are interleaved, the best of each counts. Times are nanoseconds of
processor time per operation; memory is resident size over bytes asked for.
"""
import argparse
import collections
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
SRC = os.path.join(HERE, "..", "..", "src")
LIBS = "/usr/lib/x86_64-linux-gnu/"
OTHERS = {
    "glibc": None,
    "jemalloc": LIBS + "libjemalloc.so.2",
    "mimalloc": LIBS + "libmimalloc.so.2",
    "tcmalloc": LIBS + "libtcmalloc_minimal.so.4",
}


def build(tmp, build_dir):
    flags = ["-O2", "-g", "-fno-builtin-malloc", "-fno-builtin-free", "-D_GNU_SOURCE",
             "-I" + SRC, os.path.join(HERE, "kmem_bench.c")]
    plain, kmem = os.path.join(tmp, "bench_malloc"), os.path.join(tmp, "bench_kmem")
    subprocess.check_call(["cc", "-o", plain] + flags + ["-lpthread"])
    subprocess.check_call(["cc", "-DBENCH_KMEM", "-o", kmem] + flags +
                          [os.path.join(build_dir, "src/spl/libspl.a"), "-lpthread"])
    return plain, kmem


def run(prog, preload, *args):
    env = dict(os.environ)
    if preload:
        env["LD_PRELOAD"] = preload
    out = subprocess.run([prog, *args], env=env, stdout=subprocess.PIPE, check=True, text=True)
    return [line.split("\t") for line in out.stdout.splitlines()]


def main():
    ap = argparse.ArgumentParser(description=__doc__,
                                 formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("build_dir")
    ap.add_argument("-r", "--rounds", type=int, default=3)
    ap.add_argument("-t", "--threads", default="1,2,4")
    ap.add_argument("-o", "--output")
    a = ap.parse_args()
    lines = []
    with tempfile.TemporaryDirectory() as tmp:
        plain, kmem = build(tmp, a.build_dir)
        runs = {"kmem": (kmem, None),
                "libkmem.so": (plain, os.path.abspath(
                    os.path.join(a.build_dir, "src/spl/libkmem.so")))}
        for name, lib in OTHERS.items():
            if lib is None or os.path.exists(lib):
                runs[name] = (plain, lib)
            else:
                print(f"{name}: not installed", file=sys.stderr)
        for args in [("all", t) for t in a.threads.split(",")] + [("memory",)]:
            best = collections.defaultdict(dict)
            for _ in range(a.rounds):
                for name, (prog, lib) in runs.items():
                    for test, value, unit in run(prog, lib, *args):
                        old = best[test].get(name)
                        best[test][name] = min(float(value), old) if old else float(value)
            title = f"{args[1]} thread(s), ns" if args[0] == "all" else "memory"
            lines += ["", f"| {title} | " + " | ".join(runs) + " |",
                      "| --- |" + " ---: |" * len(runs)]
            for test, row in best.items():
                lines.append(f"| {test} | " + " | ".join(
                    f"{row[n]:.2f}" if n in row else "-" for n in runs) + " |")
    text = "\n".join(lines[1:]) + "\n"
    print(text)
    if a.output:
        with open(a.output, "w") as f:
            f.write(text)


main()
