"""Recorded sessions of OpenZFS's commands: as many answers equal as there were before.

The floor file says for each transcript how many commands answered as recorded when
it was last raised (tests/functional/raise-floor); fewer is a failure.
"""
import json
import os
import subprocess
import sys

from harness import reference
from harness.outcome import expect
from harness.stories import story

HERE = os.path.dirname(os.path.abspath(__file__))
FLOOR = os.path.join(HERE, "..", "golden.floor")

with open(FLOOR) as f:
    floors = {line.split()[0]: int(line.split()[1]) for line in f
              if line.strip() and not line.startswith("#")}


def score(bin_directory, transcript, scratch, timeout=None):
    """(passed, failed, the replay's own words) for one transcript."""
    replay = reference.shared("golden", "replay")
    out = os.path.join(scratch, "replay.json")
    p = subprocess.run([sys.executable, replay, "--json", out, bin_directory,
                        os.path.join(os.path.dirname(replay), transcript)],
                       capture_output=True, text=True, timeout=timeout,
                       env={k: v for k, v in os.environ.items()
                            if not k.startswith("TARN_")})
    last = p.stdout.strip().splitlines()[-1:] or [""]
    words = last[0].replace(",", "").split()
    if p.returncode > 1 or len(words) < 4 or words[1] != "passed":
        return None, None, p.stdout + p.stderr
    return int(words[0]), int(words[2]), p.stdout


@story("commands answer as OpenZFS's did: {}", each=list(floors), timeout=600)
def session(w, transcript):
    passed, failed, text = score(w.bin, transcript, w.dir)
    expect(passed is not None, lambda: f"replay did not run:\n{text[-2000:]}")
    print(f"{passed} as recorded, {failed} not, floor {floors[transcript]}")
    expect(passed >= floors[transcript],
           lambda: f"{passed} answers as recorded, there were {floors[transcript]}\n"
                   f"{text[-3000:]}")
