"""Bad bytes against a switchboard server, as docs/protocol.md says: noise.py SOCKET."""
import random
import socket
import struct
import sys

import cbor2

from client import Client, check


def framed(frame):
    body = cbor2.dumps(frame, canonical=True)
    return struct.pack(">I", len(body)) + body


def last_words(stream):  # all that comes until the end; a reset ends it, too
    data = b""
    try:
        while more := stream.recv(65536):
            data += more
    except ConnectionResetError:
        pass
    frames = []
    while data:
        length = struct.unpack(">I", data[:4])[0]
        frames.append(cbor2.loads(data[4:4 + length]))
        data = data[4 + length:]
    return frames


def stranger(path):
    stream = socket.socket(socket.AF_UNIX)
    stream.settimeout(5)  # below the handshake-timeout: nothing may wait for that
    stream.connect(path)
    return stream


HELLO = framed([0, "switchboard", [1], {}, None])
FIRST = [  # section 3.1: (what, bytes, the start of each frame that must come back)
    ("HTTP", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", []),
    ("TLS", bytes.fromhex("1603010200010001fc0303") + bytes(32), []),
    ("noise", random.Random(1).randbytes(64), []),
    ("first length 0", bytes(4), []),
    ("first length 2^32-1", b"\xff" * 4, []),
    ("first length 16385", struct.pack(">I", 16385), []),
    ("another protocol", framed([0, "switchbored", [1], {}, None]), [[2, 3, "not-switchboard"]]),
    ("request first", framed([7, 1, "echo", {}, None]), [[2, 3, "not-switchboard"]]),
    ("broken hello", framed([0, "switchboard", [], {}, None]), [[2, 3, "malformed-frame"]]),
    ("unknown version", framed([0, "switchboard", [65535], {}, None]), [[2, 9]]),
]
LATER = [  # after the welcome: section 6.1
    ("second hello", HELLO, [[3, 9, "unexpected-frame"]]),
    ("answer to no call", framed([8, 2**53 - 2, None]), [[3, 9, "unknown-call"]]),
    ("even id", framed([7, 2, "echo", {}, None]), [[3, 9, "bad-call-id"]]),
    ("pong to no ping", framed([5, 0]), [[3, 9, "unexpected-pong"]]),
    ("kind 19", framed([19]), [[3, 3, "unknown-kind"]]),
    ("long spelling", bytes.fromhex("0000000482041805"), [[3, 3, "malformed-frame"]]),
    ("length 0", bytes(4), [[3, 8, "frame-empty"]]),
    ("length 2^32-1", b"\xff" * 4, [[3, 8, "frame-too-large"]]),
    ("end inside a frame", framed([4, 1])[:-1], []),
]

if __name__ == "__main__":
    path = sys.argv[1]
    good = Client(path)
    check("good connection", good.welcome and good.welcome[:2] == [1, 1], good.welcome)
    number = 1
    for later, cases in ((False, FIRST), (True, LATER)):
        for what, data, expected in cases:
            stream = Client(path).stream if later else stranger(path)
            stream.sendall(data)
            if what == "end inside a frame":
                stream.shutdown(socket.SHUT_WR)
            frames = last_words(stream)
            stream.close()
            if later:  # a server may say other things before its last words
                frames = [frame for frame in frames if frame[0] in (2, 3)]
            starts = [frame[:len(start)] for frame, start in zip(frames, expected)]
            check(what, starts == expected and len(frames) == len(expected), frames)
            answer = good.call(number, "echo", what)
            check("  the good connection after it", answer == [8, number, what], answer)
            number += 2
