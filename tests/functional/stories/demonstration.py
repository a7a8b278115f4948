"""The demo is what people see first."""
import os

from harness import reference
from harness.outcome import expect
from harness.stories import story
from stories import users


def run_demo(w, directory, **how):
    script = os.path.join(reference.TOP, "tools", "demo")
    result = w.ok(f"{script} --small --dir {directory} --bin {w.bin}", timeout=500, **how)
    expect("OpenZFS's zdb walked every block" in result.out, str(result))
    expect(not os.path.exists(directory), "the demo cleans up behind itself")


@story("make demo's script runs to its happy end", timeout=600)
def as_root(w):
    run_demo(w, w.path("demo"))


@story("and so it does for an ordinary user", timeout=600)
def as_user(w):
    users.open_fuse(w)
    directories, env = users.own_world(w, users.ALICE)
    run_demo(w, os.path.join(directories["mnt"], "demo"), user=users.ALICE, env=env)
