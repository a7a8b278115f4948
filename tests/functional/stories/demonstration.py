"""The demo is what people see first."""
import os

from harness import reference
from harness.outcome import expect
from harness.stories import story


@story("make demo's script runs to its happy end", timeout=600)
def demo(w):
    result = w.ok(f"{os.path.join(reference.TOP, 'tools', 'demo')} --small "
                  f"--dir {w.path('demo')} --bin {w.bin}", timeout=500)
    expect("OpenZFS's zdb walked every block" in result.out, str(result))
