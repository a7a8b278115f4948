#!/usr/bin/env python3
"""How a cache gives way: a greedy process and a rival in one control group, as SVG.

usage: pressure.py BUILD_DIR OUT.svg [-m GROUP_MB] [-r RIVAL_MB] [-s SECONDS]

Needs the right to make a control group (version 1 memory controller or version 2).
"""
import argparse
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
SRC = os.path.join(HERE, "..", "..", "src")


def make_group(limit):
    for root, name in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
                       ("/sys/fs/cgroup", "memory.max")):
        path = f"{root}/tarn-bench-{os.getpid()}"
        try:
            os.mkdir(path)
            with open(f"{path}/{name}", "w") as f:
                f.write(str(limit))
            return path
        except OSError:
            if os.path.isdir(path):
                os.rmdir(path)
    sys.exit("no control group can be made here")


def points(text):
    return [tuple(map(float, line.split())) for line in text.splitlines()]


def svg(series, limit, out):
    w, h, left, top = 720, 300, 60, 20
    t0 = min(p[0][0] for p in series.values())
    t1 = max(p[-1][0] for p in series.values())
    x = lambda t: left + (t - t0) / (t1 - t0) * (w - left - 20)
    y = lambda m: top + (1 - m / (limit * 1.1)) * (h - top - 40)
    s = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{w}" height="{h}" '
         'font-family="sans-serif" font-size="12">', f'<rect width="{w}" height="{h}" fill="white"/>',
         f'<line x1="{left}" x2="{w-20}" y1="{y(limit)}" y2="{y(limit)}" stroke="red" '
         'stroke-dasharray="4"/>', f'<text x="{left+4}" y="{y(limit)-4}" fill="red">limit of the group</text>']
    for m in range(0, int(limit) + 1, max(1, int(limit) // 4)):
        s.append(f'<text x="4" y="{y(m)+4}">{m} MB</text>')
    for t in range(0, int(t1 - t0) + 1, 2):
        s.append(f'<text x="{x(t0+t)-4}" y="{h-10}">{t} s</text>')
    for i, (name, pts) in enumerate(series.items()):
        color = ("#1f77b4", "#2ca02c")[i]
        s.append(f'<polyline fill="none" stroke="{color}" stroke-width="2" points="' +
                 " ".join(f"{x(t):.1f},{y(m):.1f}" for t, m in pts) + '"/>')
        s.append(f'<text x="{w-150}" y="{top+30+16*i}" fill="{color}">{name}</text>')
    with open(out, "w") as f:
        f.write("\n".join(s + ["</svg>\n"]))


def main():
    ap = argparse.ArgumentParser(description=__doc__,
                                 formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("build_dir")
    ap.add_argument("out")
    ap.add_argument("-m", "--group", type=int, default=1024)
    ap.add_argument("-r", "--rival", type=int, default=500)
    ap.add_argument("-s", "--seconds", type=int, default=12)
    a = ap.parse_args()
    group = make_group(a.group << 20)
    join = lambda: open(f"{group}/cgroup.procs", "w").write("0")
    try:
        with tempfile.TemporaryDirectory() as tmp:
            prog = os.path.join(tmp, "pressure")
            subprocess.check_call(["cc", "-O2", "-D_GNU_SOURCE", "-I" + SRC, "-o", prog,
                                   os.path.join(HERE, "pressure.c"),
                                   os.path.join(a.build_dir, "src/spl/libspl.a"), "-lpthread"])
            run = lambda *args: subprocess.Popen([prog, *args], preexec_fn=join, text=True,
                                                 stdout=subprocess.PIPE)
            procs = {"greedy cache": run("greedy", str(a.seconds)),
                     "rival": run("rival", str(a.seconds), str(a.rival))}
            series = {n: points(p.communicate()[0]) for n, p in procs.items()}
            for n, p in procs.items():
                if p.returncode != 0:
                    sys.exit(f"{n} ended with {p.returncode}")
    finally:
        try:
            os.rmdir(group)
        except OSError:
            pass
    svg(series, a.group, a.out)
    for n, pts in series.items():
        print(f"{n}: most {max(m for _, m in pts):.0f} MB, least after it "
              f"{min(m for _, m in pts[len(pts)//3:]):.0f} MB")


main()
