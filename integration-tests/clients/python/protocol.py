"""The command protocol of ../README.md, for the drivers of the Python clients."""

import base64
import faulthandler
import json
import signal
import sys


def decode(text):
    return None if text is None else base64.b64decode(text)


def encode(data):
    return None if data is None else base64.b64encode(data).decode()


def record_of(record):
    """A record as the protocol shows it: the pure Python clients name its parts alike."""
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


def named(failure):
    """Name and message of a failure of a pure Python client: Kafka's name where it has one."""
    kind = type(failure)
    # The classes of Kafka's errors carry its name for them, but for one.
    name = kind.message if isinstance(getattr(kind, "errno", None), int) else kind.__name__
    return "INVALID_TOPIC_EXCEPTION" if name == "INVALID_TOPIC" else name, str(failure)


def failed(command, failure, named=named):
    name, message = named(failure)
    return {"id": command["id"], "error": name, "message": message}


def answered(command, ok):
    return {"id": command["id"], "ok": ok}


def prepare():
    """`kill -USR1` shows where every thread is."""
    faulthandler.register(signal.SIGUSR1)


def send(answer):
    print(json.dumps(answer), flush=True)


def serve(operations, named=named):
    """Answers the commands on stdin until it ends, in the words of `named` what failed."""
    prepare()
    for line in sys.stdin:
        command = json.loads(line)
        try:
            answer = answered(command, operations[command["op"]](command))
        except Exception as failure:  # noqa: BLE001 - whatever went wrong is the answer
            answer = failed(command, failure, named)
        send(answer)
