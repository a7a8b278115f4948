#!/usr/bin/env python3
"""Includes may only point downwards: one test per room.

The house has floors; a room may use its own headers and those of the floors below,
never a neighbour's on its own floor.  Every include of ours names the room
("room/header.h"), so reading the #include lines shows the whole architecture.
"""
import os
import re
import sys

FLOORS = [
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
FLOOR_OF = {room: n for n, rooms in enumerate(FLOORS) for room in rooms}
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"')
# The public header of the library, written on the floor of `pool`.
PUBLIC = {"tarn.h": FLOOR_OF["pool"]}


def complaints(src, room):
    """Lines that tell which includes of a room point the wrong way."""
    for here, _, files in os.walk(os.path.join(src, room)):
        for name in sorted(files):
            if not name.endswith((".c", ".h")):
                continue
            path = os.path.join(here, name)
            with open(path, errors="replace") as f:
                for number, line in enumerate(f, 1):
                    found = INCLUDE.match(line)
                    reason = found and wrong(src, room, found.group(1))
                    if reason:
                        yield f"{os.path.relpath(path, src)}:{number}: {reason}"


def wrong(src, room, header):
    other, slash, _ = header.partition("/")
    if header in PUBLIC:
        return None if FLOOR_OF[room] >= PUBLIC[header] else f"{header} is above {room}"
    if not slash or other not in FLOOR_OF:
        return f'"{header}" does not name a room'
    if other != room and FLOOR_OF[other] >= FLOOR_OF[room]:
        return f"{room} may not include {header}"
    if not os.path.exists(os.path.join(src, header)):
        return f"there is no {header}"
    return None


def main():
    src = os.path.join(sys.argv[1], "src")
    rooms = sorted((r for r in os.listdir(src) if os.path.isdir(os.path.join(src, r))),
                   key=lambda r: (FLOOR_OF.get(r, -1), r))
    failed = 0
    print(f"1..{len(rooms)}")
    for number, room in enumerate(rooms, 1):
        lines = [f"{room} is not on any floor"] if room not in FLOOR_OF else \
            list(complaints(src, room))
        print(f"{'not ok' if lines else 'ok'} {number} - {room}_includes_only_downwards")
        for line in lines:
            print(f"# {line}")
        failed += bool(lines)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
