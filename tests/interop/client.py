"""A switchboard client written from docs/protocol.md alone: client.py SOCKET."""
import socket
import struct
import sys

import cbor2


class Client:
    def __init__(self, path):
        self.stream = socket.socket(socket.AF_UNIX)
        self.stream.settimeout(10)
        self.stream.connect(path)
        self.send([0, "switchboard", [1], {}, None])
        self.welcome = self.receive()

    def send(self, frame):  # section 1
        body = cbor2.dumps(frame, canonical=True)
        self.stream.sendall(struct.pack(">I", len(body)) + body)

    def read(self, count):
        data = b""
        while len(data) < count and (more := self.stream.recv(count - len(data))):
            data += more
        return data

    def receive(self):  # a frame, or None at the end of the stream
        head = self.read(4)
        return cbor2.loads(self.read(struct.unpack(">I", head)[0])) if head else None

    def wait(self, wanted):  # section 10.2, step 5
        while (frame := self.receive()) is not None and not wanted(frame):
            if frame[0] == 4:
                self.send([5, frame[1]])
            elif frame[0] in (7, 14, 15) or frame[0] == 16 and frame[1] is not None:
                self.send([9, frame[1], 12, "", None])
            elif frame[0] == 3:
                raise SystemExit(f"the server leaves: {frame}")
        return frame

    def call(self, number, channel, value):
        self.send([7, number, channel, {}, value])
        return self.wait(lambda frame: frame[0] in (8, 9) and frame[1] == number)


def check(step, good, seen):
    print("ok  " if good else "FAIL", step, "" if good else f"got {seen!r}", flush=True)
    if not good:
        sys.exit(1)


if __name__ == "__main__":
    client = Client(sys.argv[1])
    check("welcome", client.welcome and client.welcome[:2] == [1, 1], client.welcome)
    value = {"ints": [0, 23, 24, -1, -500, 2**53 + 1, 2**64 - 1, -(2**63)], "float": 21.5,
             "bytes": b"\x00\xff", "text": "h\u00e9llo", "null": None, "map": {"": [True, {}]}}
    answer = client.call(1, "echo", value)
    check("echo", answer == [8, 1, value], answer)
    answer = client.call(3, "no.such.channel", None)
    check("unknown channel", answer and answer[:3] == [9, 3, 12], answer)
    client.send([4, 4294967295])
    answer = client.wait(lambda frame: frame[0] == 5)
    check("pong", answer == [5, 4294967295], answer)
    client.send([3, 0, "", None])
    answer = client.wait(lambda frame: frame[0] == 3)
    check("goodbye", answer and answer[:2] == [3, 0], answer)
    client.stream.shutdown(socket.SHUT_WR)
    answer = client.wait(lambda frame: True)
    check("end of stream", answer is None, answer)
