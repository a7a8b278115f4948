#!/usr/bin/env python3
"""Generate src/codec/unicode_tables.c: the Unicode data that names are prepared with.

    tools/gen_unicode.py [UCD-DIRECTORY] > src/codec/unicode_tables.c

UCD-DIRECTORY holds UnicodeData.txt, DerivedAge.txt and DerivedNormalizationProps.txt of
any Unicode version from 5.0 on (Debian: package unicode-data, /usr/share/unicode).

Names on disk are hashed with the data of Unicode 5.0, for ever (format/04 §3.4). These
tables follow from any later version: a character that came after 5.0 is as if it were
not assigned, and a mapping that involves one does not exist. What Unicode says about
the normalization of assigned characters never changes.
"""
import os
import sys

MAX_AGE = (5, 0)
PAGE = 64           # code points of a page of the table
WIDTH = 88


def read_ranges(path):
    """(first, last, fields) of a UCD file of properties."""
    with open(path, encoding="utf-8") as f:
        for line in f:
            fields = [x.strip() for x in line.partition("#")[0].split(";")]
            if len(fields) < 2:
                continue
            first, _, last = fields[0].partition("..")
            yield int(first, 16), int(last or first, 16), fields[1:]


class Data:
    def __init__(self, ucd):
        self.assigned = set()
        for first, last, (age,) in read_ranges(os.path.join(ucd, "DerivedAge.txt")):
            if tuple(map(int, age.split("."))) <= MAX_AGE:
                self.assigned.update(range(first, last + 1))
        excluded = set()
        for first, last, fields in read_ranges(
                os.path.join(ucd, "DerivedNormalizationProps.txt")):
            if fields[0] == "Full_Composition_Exclusion":
                excluded.update(range(first, last + 1))
        self.ccc, self.upper, self.mapping, self.pairs = {}, {}, {}, {}
        with open(os.path.join(ucd, "UnicodeData.txt"), encoding="utf-8") as f:
            for line in f:
                self.character(line.rstrip("\n").split(";"))
        for c, (compat, to) in self.mapping.items():
            if not compat and len(to) == 2 and c not in excluded:
                self.pairs.setdefault(to[0], []).append((to[1], c))

    def character(self, fields):
        c = int(fields[0], 16)
        if c not in self.assigned:
            return
        if int(fields[3]):
            self.ccc[c] = int(fields[3])
        if fields[12] and int(fields[12], 16) in self.assigned:
            self.upper[c] = int(fields[12], 16)
        if fields[5]:
            parts = fields[5].split()
            compat = parts[0].startswith("<")
            to = [int(x, 16) for x in parts[compat:]]
            if all(x in self.assigned for x in to):
                self.mapping[c] = (compat, to)

    def decompose(self, c, with_compat):
        compat, to = self.mapping.get(c, (False, None))
        if to is None or (compat and not with_compat):
            return [c]
        return [x for part in to for x in self.decompose(part, with_compat)]


class Pool:
    """Decompositions: a length, then the characters. Offset 0 means none."""

    def __init__(self):
        self.words, self.at = [0], {}

    def add(self, text):
        key = tuple(text)
        if key not in self.at:
            self.at[key] = len(self.words)
            self.words += [len(text), *text]
        return self.at[key]


def rows(values, form):
    line = "\t"
    for v in values:
        item = form(v) + ", "
        if len(line) + 7 + len(item) > WIDTH:
            yield line.rstrip()
            line = "\t"
        line += item
    yield line.rstrip()


def array(name, kind, values, form):
    print(f"\nconst {kind} {name}[{len(values)}] = {{")
    print("\n".join(rows(values, form)))
    print("};")


def main():
    d = Data(sys.argv[1] if len(sys.argv) > 1 else "/usr/share/unicode")
    pool, compose = Pool(), []
    records, record_at, of = [(0, 0, 0, 0, 0, 0)], {}, {}
    record_at[records[0]] = 0
    longest = longest_mark = 0
    for c in sorted(set(d.ccc) | set(d.upper) | set(d.mapping) | set(d.pairs)):
        canon, compat = d.decompose(c, False), d.decompose(c, True)
        longest = max(longest, len(compat))
        if c in d.ccc:
            longest_mark = max(longest_mark, len(compat))
        pairs = sorted(d.pairs.get(c, []))
        first = len(compose) if pairs else 0
        compose += pairs
        # The order of the members of u8_char_t.
        record = (d.upper.get(c, 0), pool.add(canon) if canon != [c] else 0,
                  pool.add(compat) if compat != [c] else 0, first, len(pairs),
                  d.ccc.get(c, 0))
        if record not in record_at:
            record_at[record] = len(records)
            records.append(record)
        of[c] = record_at[record]
    pages, page_at, index = [], {}, []
    for base in range(0, max(of) + 1, PAGE):
        page = tuple(of.get(c, 0) for c in range(base, base + PAGE))
        if page not in page_at:
            page_at[page] = len(pages)
            pages.append(page)
        index.append(page_at[page])
    for values in (pool.words, records, compose):
        assert len(values) < 65536
    assert len(pages) < 256 and max(x[4] for x in records) < 256

    print("/*\n * Made by tools/gen_unicode.py from the Unicode character database, limited to"
          "\n * Unicode 5.0. Do not edit; the meaning is in unicode_impl.h.\n */")
    print("/* clang-format off */")
    print('#include "codec/unicode_impl.h"\n')
    print(f"_Static_assert(U8_PAGE == {PAGE}, \"pages of another size\");")
    print(f"_Static_assert(U8_DECOMP_MAX >= {longest}, \"a longer decomposition\");")
    print(f"_Static_assert(U8_DECOMP_MARK_MAX >= {longest_mark}, \"of a mark\");")
    print(f"_Static_assert(U8_PAGES == {len(index)}, \"another range\");")
    array("u8_page_of", "uint8_t", index, str)
    array("u8_pages", "uint16_t", [x for page in pages for x in page], str)
    array("u8_chars", "u8_char_t", records,
          lambda r: "{" + ", ".join([hex(r[0]) if r[0] else "0", *map(str, r[1:])]) + "}")
    array("u8_decompositions", "uint32_t", pool.words, hex)
    array("u8_composites", "u8_composite_t", compose, lambda p: f"{{{p[0]:#x}, {p[1]:#x}}}")


if __name__ == "__main__":
    main()
