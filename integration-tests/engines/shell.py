"""The loop that the engine programs share: one JSON request per line on stdin, one JSON answer
per line on stdout, until stdin closes. An answer is {"rows": [[...]]} or {"error": text}. Values
that JSON lacks: bytes are {"hex": ...}, timestamps {"micros": ...}.
"""

import datetime
import decimal
import json
import sys

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def encode(value):
    """The JSON form of one cell; structs become lists of their values, as tuples do."""
    if value is None or isinstance(value, (bool, int, str, float)):
        return value
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"hex": bytes(value).hex()}
    if isinstance(value, datetime.datetime):
        if value.tzinfo is None:
            value = value.replace(tzinfo=datetime.timezone.utc)
        return {"micros": (value - EPOCH) // datetime.timedelta(microseconds=1)}
    if isinstance(value, decimal.Decimal):
        return int(value) if value == value.to_integral_value() else str(value)
    if isinstance(value, dict):
        return [encode(each) for each in value.values()]
    if isinstance(value, (list, tuple)):
        return [encode(each) for each in value]
    return str(value)


def serve(answer, error_text=str):
    """Calls `answer(request)`, which returns rows, for every line of stdin."""
    for line in sys.stdin:
        try:
            rows = answer(json.loads(line))
            reply = {"rows": [[encode(cell) for cell in row] for row in rows]}
        except Exception as error:  # whatever an engine throws is the answer
            reply = {"error": f"{type(error).__name__}: {error_text(error)}"}
        sys.stdout.write(json.dumps(reply) + "\n")
        sys.stdout.flush()
