"""The command protocol of ../README.md, for the drivers of the pure Python clients."""

import base64
import faulthandler
import json
import signal


def decode(text):
    return None if text is None else base64.b64decode(text)


def encode(data):
    return None if data is None else base64.b64encode(data).decode()


def record_of(record):
    """A record as the protocol shows it: both clients name its parts alike."""
    return {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": record.timestamp,
        "key": encode(record.key),
        "value": encode(record.value),
        "headers": [[name, encode(value)] for name, value in record.headers],
    }


def end_after(record):
    """The partition of a shown record, and the offset after it."""
    return (record["topic"], record["partition"]), record["offset"] + 1


def failed(command, failure):
    """The answer for a failure, under Kafka's name for it where it has one."""
    kind = type(failure)
    # The classes of Kafka's errors carry its name for them, but for one.
    name = kind.message if isinstance(getattr(kind, "errno", None), int) else kind.__name__
    name = "INVALID_TOPIC_EXCEPTION" if name == "INVALID_TOPIC" else name
    return {"id": command["id"], "error": name, "message": str(failure)}


def answered(command, ok):
    return {"id": command["id"], "ok": ok}


def prepare():
    """`kill -USR1` shows where every thread is."""
    faulthandler.register(signal.SIGUSR1)


def send(answer):
    print(json.dumps(answer), flush=True)
