"""Keeps every core busy for `Neighbour`, until its standard input closes; standard library only, so it starts at once.

Hashing large blocks lets go of Python's lock, so one process with a thread per core is enough.
"""

import hashlib
import os
import sys
import threading

BLOCK = bytes(4 * 2**20)


def work() -> None:
    while True:
        hashlib.sha256(BLOCK).digest()


def main(threads: int) -> None:
    for _ in range(threads):
        threading.Thread(target=work, daemon=True).start()
    print("busy", flush=True)
    sys.stdin.buffer.read()  # returns when whoever started this process stops it, or is no more
    os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]))
