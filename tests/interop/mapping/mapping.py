"""Python's side of the check that values mean the same in Rust and here (docs/protocol.md section 11).

Reads lines `name hex` and checks that cbor2 decodes each to the value of that name below, and that none is
missing. Prints how cbor2 encodes the same values, and other spellings of them, for Rust to read; `!name hex` is
what Rust must refuse there. tests/interop/mapping.sh runs it.
"""
import datetime
import decimal
import fractions
import struct
import sys

import cbor2

INTEGERS = {
    "0": 0, "23": 23, "24": 24, "2^8-1": 2**8 - 1, "2^8": 2**8, "2^16-1": 2**16 - 1, "2^16": 2**16,
    "2^32-1": 2**32 - 1, "2^32": 2**32, "2^53-1": 2**53 - 1, "2^53": 2**53, "2^53+1": 2**53 + 1,
    "2^63-1": 2**63 - 1, "2^64-1": 2**64 - 1, "2^64": 2**64, "2^127-1": 2**127 - 1, "2^128-1": 2**128 - 1,
    "-1": -1, "-24": -24, "-25": -25, "-2^7": -(2**7), "-2^15": -(2**15), "-2^31": -(2**31),
    "-2^32": -(2**32), "-2^32-1": -(2**32) - 1, "-2^53+1": -(2**53) + 1, "-2^53": -(2**53),
    "-2^53-1": -(2**53) - 1, "-2^63": -(2**63), "-2^64": -(2**64), "-2^64-1": -(2**64) - 1,
    "-2^127": -(2**127),
}

FLOATS = {
    "21.0": 21.0, "-21.0": -21.0, "0.0": 0.0, "-0.0": -0.0, "1.5": 1.5, "0.1": 0.1, "1e300": 1e300,
    "65504.0": 65504.0, "65505.0": 65505.0, "2.0^-24": 2.0**-24, "2.0^-1022": 2.0**-1022, "2.0^53": 2.0**53,
    "2.0^64": 2.0**64, "nan": float("nan"), "infinity": float("inf"), "-infinity": float("-inf"),
    "f32-1.5": 1.5, "f32-0.1": struct.unpack(">f", struct.pack(">f", 0.1))[0], "f32-21.0": 21.0,
    "f32-nan": float("nan"), "f32-infinity": float("inf"),
}

OTHERS = {
    "unit": None, "unit-struct": None, "false": False, "true": True,
    "char": "a", "char-emoji": "\U0001f600",
    "text-empty": "", "text": "h\u00e9llo \U0001f600\0", "text-300": "x" * 300,
    "bytes-empty": b"", "bytes": b"\x00\x01\xff", "bytes-300": b"\x07" * 300, "vec-u8": [0, 24, 255],
    "none": None, "some": 7,
    "newtype": 7, "tuple": [1, -1, "a", 2.5], "tuple-struct": [1, "a"], "array": [1, 300],
    "list-empty": [], "list": [None, [1.0, 2.5], []], "list-30": list(range(30)), "list-endless": [1, 2],
    "map-empty": {}, "map": {"a": 1, "b": 2}, "map-integers": {-1: "a", 300: "b"},
    "map-pairs": {(1, 2): True}, "map-nested": {"o": {"i": [[1, False], [2, None]]}, "p": {}},
    "map-endless": {"a": 1},
    "struct": {"id": 2**40, "note": "soon",
               "lines": [{"what": "tea", "price": 3.0}, {"what": "pie", "price": 2.5}]},
    "struct-none": {"id": 1, "note": None, "lines": []},
    "enum-unit": "Dot", "enum-newtype": {"Round": 2.0}, "enum-tuple": {"Flat": [1, 2]},
    "enum-struct": {"Named": {"name": "a"}}, "enum-list": ["Dot", {"Round": 0.5}, "Dot"],
    "result-ok": {"Ok": 1}, "result-err": {"Err": "no"},
}

VALUES = {**INTEGERS, **FLOATS, **OTHERS}

# What else Rust takes for the same values, and in hex other spellings of them.
NATIVE = [
    ("unit", cbor2.undefined), ("none", cbor2.undefined),
    ("21.0", 21), ("-21.0", -21), ("f32-21.0", 21), ("0.0", 0), ("2.0^64", 2**64),
    ("array", (1, 300)), ("list-30", set(range(30))),
    ("bytes", bytearray(b"\x00\x01\xff")), ("bytes", [0, 1, 255]),
    ("vec-u8", b"\x00\x18\xff"),
    ("struct-none", {"lines": (), "id": 1}),
    ("struct-none", {"id": 1, "lines": [], "new": {"field": [b"", None]}, "note": cbor2.undefined}),
    ("map", cbor2.CBORTag(55799, {"b": 2, "a": 1})),
    ("enum-unit", {"Dot": None}), ("enum-newtype", {"Round": 2}),
]
SPELLED = [
    ("24", "190018"), ("24", "c24118"), ("2^64", "c25f4101480000000000000000ff"),
    ("text-empty", "7fff"), ("text", "7f6368c3a960696c6c6f20f09f988000ff"), ("!text", "7f6268c361a9ff"),
    ("bytes", "5f4100404201ffff"), ("vec-u8", "5f41004218ffff"), ("vec-u8", "9f00181818ffff"),
    ("list-endless", "820102"), ("tuple-struct", "9f016161ff"), ("map", "bf616101616202ff"),
    ("map", "a3616109616202616101"), ("map-empty", "bfff"), ("enum-tuple", "bf64466c61749f0102ffff"),
    ("enum-unit", "7f614460626f74ff"), ("1.5", "fa3fc00000"), ("infinity", "fa7f800000"),
]
REFUSED = [
    ("2^8-1", 256), ("2^8-1", -1), ("2^8-1", 255.0), ("2^64-1", 2**64), ("-2^63", -(2**63) - 1),
    ("2^128-1", 2**128), ("-2^127", -(2**127) - 1), ("true", 1), ("f32-0.1", 0.1), ("2.0^53", 2**53 + 1),
    ("1.5", decimal.Decimal("1.5")), ("1.5", fractions.Fraction(3, 2)),
    ("1.5", datetime.datetime(2026, 1, 2, tzinfo=datetime.timezone.utc)),
    ("text", b"text"), ("bytes", "bytes"), ("char", "ab"), ("unit", False),
    ("struct-none", [1, None, []]), ("struct-none", {"note": None, "lines": []}), ("struct-none", {0: 1}),
    ("map-integers", {"-1": "a", "300": "b"}), ("tuple-struct", [1, "a", None]), ("enum-unit", "dot"),
    ("enum-unit", 0), ("enum-newtype", "Round"), ("some", cbor2.CBORSimpleValue(16)),
]


def check(line):
    name, _, text = line.partition(" ")
    if name not in VALUES:
        return name, "no such name here"
    try:
        value = cbor2.loads(bytes.fromhex(text))
    except Exception as error:  # whatever it says, the line is wrong
        return name, repr(error)
    # `repr` tells 1 from 1.0 and True, 0.0 from -0.0, and one order of a dict from another.
    return name, None if repr(value) == repr(VALUES[name]) else f"is {value!r}"


def main():
    seen = [check(line) for line in sys.stdin.read().splitlines()]
    seen += [(name, "was never sent") for name in VALUES if name not in dict(seen)]
    wrong = [(name, error) for name, error in seen if error]
    for name, error in wrong:
        print(f"WRONG, to Python: {name}: {error}", file=sys.stderr)

    for name, value in list(VALUES.items()) + NATIVE:
        print(name, cbor2.dumps(value).hex())
        print(name, cbor2.dumps(value, canonical=True).hex())
    for name, text in SPELLED:
        print(name, text)
    for name, value in REFUSED:
        print(f"!{name}", cbor2.dumps(value).hex())
    print(f"to Python: {len(seen)} values, {len(wrong)} wrong", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
