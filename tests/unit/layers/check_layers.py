#!/usr/bin/env python3
"""Check that includes between the rooms of src/ only point downwards.

    check_layers.py [SOURCE-ROOT]      check the tree
    check_layers.py --self-test        check the checker

Every '#include "room/header.h"' below src/ is an arrow from one room to another. An
arrow may point to any lower room, never to a higher one, and not to a room of the
same height. A room that is not in the table, or an include of one's own files
without the room's name, fails as well: the table must stay the truth.
"""
import os
import re
import sys

# Bottom first. Rooms on one line are of the same height and do not know each other.
HEIGHTS = [
    ["spl"],
    ["nvpair", "codec"],
    ["ondisk"],
    ["vdev"],
    ["zio"],
    ["spa"],
    ["arc"],
    ["dmu"],
    ["zap"],
    ["dsl"],
    ["zil"],
    ["zpl", "zvol"],
    ["send", "shadow"],
    ["pool"],
    ["serve"],
    ["cmd"],
]
HEIGHT = {room: i for i, rooms in enumerate(HEIGHTS) for room in rooms}
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"')


def faults(room, path, text):
    """The bad includes of one file, as (line number, sentence)."""
    if room not in HEIGHT:
        yield 0, f"room '{room}' is not in the table of {os.path.basename(__file__)}"
        return
    for number, line in enumerate(text.splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        target, slash, _ = match[1].partition("/")
        if target == room:
            continue
        if not slash:
            # Headers of the public API (include/) have no room and belong on top.
            if HEIGHT[room] < HEIGHT["pool"]:
                yield number, f'"{match[1]}" has no room; write "{room}/{match[1]}"'
        elif target not in HEIGHT:
            yield number, f'"{match[1]}" is in no known room'
        elif HEIGHT[target] > HEIGHT[room]:
            yield number, f"'{room}' includes '{target}', which is above it"
        elif HEIGHT[target] == HEIGHT[room]:
            yield number, f"'{room}' includes '{target}', which is beside it"


def check(root):
    src = os.path.join(root, "src")
    files = bad = 0
    for directory, _, names in sorted(os.walk(src)):
        room = os.path.relpath(directory, src).split(os.sep)[0]
        for name in sorted(names):
            if room == "." or not name.endswith((".c", ".h")):
                continue
            path = os.path.join(directory, name)
            files += 1
            with open(path, encoding="utf-8", errors="replace") as f:
                for number, why in faults(room, path, f.read()):
                    print(f"{os.path.relpath(path, root)}:{number}: {why}")
                    bad += 1
    print(f"{files} files, {bad} bad includes")
    return 1 if bad or not files else 0


def self_test():
    cases = [
        ("zio", '#include "spl/spl.h"\n#include "vdev/vdev.h"\n', 0),
        ("zio", '#include <stdio.h>\n#include "zio/zio_impl.h"\n', 0),
        ("spl", '#include "nvpair/nvpair.h"\n', 1),
        ("nvpair", '#include "codec/crc64.h"\n', 1),
        ("zpl", '  #  include "zvol/zvol.h"\n', 1),
        ("arc", '#include "zio/zio.h"\n#include "dmu/dmu.h"\n#include "zpl/zpl.h"\n', 2),
        ("dmu", '#include "dbuf.h"\n', 1),
        ("cmd", '#include "tarn.h"\n#include "serve/serve.h"\n', 0),
        ("dmu", '#include "zoo/lion.h"\n', 1),
        ("zoo", '#include "spl/spl.h"\n', 1),
        ("dmu", '// #include "cmd/cmd.h"\n', 0),
    ]
    for room, text, want in cases:
        got = list(faults(room, "x.c", text))
        assert len(got) == want, (room, text, got)
    print(f"{len(cases)} cases")
    return 0


if __name__ == "__main__":
    if sys.argv[1:] == ["--self-test"]:
        sys.exit(self_test())
    here = os.path.dirname(os.path.abspath(__file__))
    sys.exit(check(sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, "../../..")))
