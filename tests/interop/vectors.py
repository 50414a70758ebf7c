"""Reads the vectors with a CBOR library that is not ours: vectors.py [FOLDER] (tests/vectors/README.md).

Of each line, the bytes decode to the value of the notation, and the library's canonical encoding of the head
is the bytes of the head (docs/protocol.md section 1.2). Payloads are spelled freely.
"""
import math
import pathlib
import re
import sys

import cbor2

LEAST = {"frames.txt": 97, "handshake.txt": 40, "calls.txt": 103, "closing.txt": 61, "errors.txt": 113,
         "streams.txt": 105, "topics.txt": 109}
PAYLOAD = {0, 1, 2, 6, 7, 8, 9, 10, 16, 17}  # the kinds whose last element is one
WORDS = {"null": None, "true": True, "false": False, "undefined": cbor2.undefined, "-Infinity": -math.inf}


class Notation:
    """As much of the diagnostic notation as the vectors use. Maps become lists of pairs: none is lost."""

    def __init__(self, text):
        self.text, self.at = text, 0

    def take(self, pattern):
        found = re.compile(r"\s*" + pattern).match(self.text, self.at)
        self.at = found.end() if found else self.at
        return found

    def series(self, end, element):
        elements = []
        while not self.take(end):
            elements.append(element())
            assert self.take(",") or re.match(r"\s*" + end, self.text[self.at:]), self.text[self.at:]
        return elements

    def pair(self):
        key = self.value()
        assert self.take(":"), self.text[self.at:]
        return key, self.value()

    def value(self):
        if self.take(r"\((_ )"):
            pieces = self.series(r"\)", self.value)
            return type(pieces[0])().join(pieces)
        if self.take(r"\[(_ )?"):
            return self.series(r"\]", self.value)
        if self.take(r"\{(_ )?"):
            return ("map", self.series(r"\}", self.pair))
        if found := self.take(r"h'([0-9a-f]*)'"):
            return bytes.fromhex(found[1])
        if found := self.take(r'"([^"\\]*)"'):
            return found[1]
        if found := self.take(r"(\d+)\("):
            content = self.value()
            assert self.take(r"\)")
            return ("tag", int(found[1]), content)
        if found := self.take(r"(-?\d+\.\d+)(_\d)?"):
            return float(found[1])
        if found := self.take(r"(-?\d+)(_\d)?"):
            return int(found[1])
        return WORDS[self.take(r"-?\w+")[0].strip()]


def plain(value):
    """What the library decoded, in the same form. A key that comes twice it knows once, with its last value."""
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return ("map", [(plain(key), plain(one)) for key, one in value.items()])
    if isinstance(value, cbor2.CBORTag):
        return ("tag", value.tag, plain(value.value))
    return value


def once(value):
    """The same, of the notation's value: each key once. With its type, as 1, 1.0 and True are equal here."""
    if isinstance(value, list):
        return [once(one) for one in value]
    if isinstance(value, tuple) and value[0] == "map":
        return ("map", list({repr(once(key)): (once(key), once(one)) for key, one in value[1]}.values()))
    if isinstance(value, tuple):
        return (*value[:2], once(value[2]))
    return (type(value).__name__, value)


def for_library(value):
    if isinstance(value, tuple):
        return {key: for_library(one) for key, one in value[1]}
    return [for_library(one) for one in value] if isinstance(value, list) else value


def check(line):
    notation, data, *note = line[3:].split(" | ")
    data = bytes.fromhex(data)
    if notation.strip() == "-":
        return
    reader = Notation(notation.strip())
    frame = reader.value()
    assert reader.at == len(reader.text), f"more behind the value: {reader.text[reader.at:]}"
    body = data[4:]
    assert len(body) == int.from_bytes(data[:4], "big"), f"the length is {len(body)}"
    decoded = once(plain(cbor2.loads(body)))
    assert decoded == once(frame), f"the bytes say {decoded}"
    head = frame[:-1] if frame[0] in PAYLOAD else frame[:1] if frame[0] >= 24 else frame
    spelled = [cbor2.dumps(for_library(one), canonical=True) for one in head]
    written = bytes([0x80 | len(frame)]) + b"".join(spelled)
    assert body.startswith(written), f"canonical is {written.hex()}"
    assert frame[0] in PAYLOAD or frame[0] >= 24 or body == written, "more behind the head"
    assert note in ([], ["by itself"], ["read only"]), f"an unknown note: {note}"


if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent / "vectors")
    assert {path.name for path in folder.glob("*.txt")} == set(LEAST), "a file is missing, or is not listed here"
    for name, least in LEAST.items():
        lines = (folder / name).read_text("utf-8").splitlines()
        frames = [(number, line) for number, line in enumerate(lines, 1) if re.match("[cs]> ", line)]
        for number, line in frames:
            try:
                check(line)
            except Exception as error:
                sys.exit(f"FAIL {name}:{number}: {line}\n     {type(error).__name__}: {error}")
        if len(frames) < least:
            sys.exit(f"FAIL {name}: {len(frames)} lines, at least {least} are expected")
        print(f"ok   {name}: {len(frames)} lines")
