"""Checks DKIM signatures with dkimpy, a verifier that shares nothing with heed.

Reads {"dns": {name: text}, "messages": [base64]} and writes, a line a message,
how many signatures it has and how many of them are valid.
"""

import base64
import json
import sys

import dkim

given = json.load(sys.stdin)


def lookup(name, timeout=5):
    found = given["dns"].get(name.decode("ascii").rstrip("."))
    return found.encode("ascii") if found else None


for text in given["messages"]:
    message = dkim.DKIM(base64.b64decode(text), minkey=1024)
    total = sum(1 for name, _ in message.headers if name.lower() == b"dkim-signature")
    good = sum(1 for place in range(total) if message.verify(idx=place, dnsfunc=lookup))
    print(json.dumps({"signatures": total, "valid": good}))
