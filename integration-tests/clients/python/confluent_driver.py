"""Drives confluent-kafka by the command protocol of ../README.md."""

import queue
import sys
import threading
import time

import confluent_kafka as ck
from confluent_kafka import admin as ck_admin

import protocol
from protocol import decode, encode

BOOTSTRAP = sys.argv[1]
CODECS = {"none": "none", "gzip": "gzip", "snappy": "snappy", "lz4": "lz4", "zstd": "zstd"}
consumers = {}
members = {}
_admin = None


def record_of(message):
    return {
        "topic": message.topic(),
        "partition": message.partition(),
        "offset": message.offset(),
        "timestamp": message.timestamp()[1],
        "key": encode(message.key()),
        "value": encode(message.value()),
        "headers": [[name, encode(value)] for name, value in message.headers() or []],
    }


def admin():
    global _admin
    if _admin is None:
        _admin = ck_admin.AdminClient({"bootstrap.servers": BOOTSTRAP})
    return _admin


def hello(_):
    return {
        "client": "confluent-kafka",
        "version": ck.__version__,
        "library": "librdkafka " + ck.libversion()[0],
    }


def produce(command):
    producer = ck.Producer(
        {
            "bootstrap.servers": BOOTSTRAP,
            "compression.type": CODECS[command["codec"]],
            "acks": command["acks"],
            "enable.idempotence": command["idempotent"],
            "linger.ms": 5,
            "message.timeout.ms": 30000,
        }
    )
    offsets = [None] * len(command["records"])
    failures = []

    def delivered(index):
        def callback(error, message):
            if error is not None:
                failures.append(error)
            else:
                offset = message.offset()
                offsets[index] = -1 if offset is None or offset < 0 else offset

        return callback

    for index, record in enumerate(command["records"]):
        arguments = {
            "key": decode(record["key"]),
            "value": decode(record["value"]),
            "headers": [(name, decode(value)) for name, value in record["headers"]],
            "on_delivery": delivered(index),
        }
        if record.get("partition") is not None:
            arguments["partition"] = record["partition"]
        if record.get("timestamp") is not None:
            arguments["timestamp"] = record["timestamp"]
        while True:
            try:
                producer.produce(command["topic"], **arguments)
                break
            except BufferError:
                producer.poll(0.1)
    left = producer.flush(40)
    if failures:
        raise ck.KafkaException(failures[0])
    if left:
        raise RuntimeError(f"{left} records not delivered")
    return {"offsets": offsets}


def position_of(consumer, part):
    topic, partition, start = part["topic"], part["partition"], part["from"]
    low, high = consumer.get_watermark_offsets(ck.TopicPartition(topic, partition), timeout=20)
    if start == "beginning":
        return low
    if start == "end":
        return high
    if isinstance(start, dict):
        found = consumer.offsets_for_times(
            [ck.TopicPartition(topic, partition, start["timestamp"])], timeout=20
        )[0]
        if found.error is not None:
            raise ck.KafkaException(found.error)
        return high if found.offset < 0 else found.offset
    return start


def open_(command):
    consumer = ck.Consumer(
        {
            "bootstrap.servers": BOOTSTRAP,
            "group.id": "unused-" + command["handle"],
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "allow.auto.create.topics": command.get("create", False),
            "check.crcs": True,
        }
    )
    try:
        positions = [position_of(consumer, part) for part in command["parts"]]
        consumer.assign(
            [
                ck.TopicPartition(part["topic"], part["partition"], position)
                for part, position in zip(command["parts"], positions)
            ]
        )
    except BaseException:
        consumer.close()
        raise
    consumers[command["handle"]] = consumer
    return {"positions": positions}


def read(command):
    consumer = consumers[command["handle"]]
    deadline = time.monotonic() + command["timeout_ms"] / 1000
    records = []
    while len(records) < command["count"] and time.monotonic() < deadline:
        for message in consumer.consume(command["count"] - len(records), timeout=0.1):
            if message.error() is not None:
                raise ck.KafkaException(message.error())
            records.append(record_of(message))
    return {"records": records}


def close(command):
    consumers.pop(command["handle"]).close()
    return {}


class Member:
    """One member of a group, polled by a thread of its own."""

    def __init__(self, command):
        config = {
            "bootstrap.servers": BOOTSTRAP,
            "group.id": command["group"],
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "session.timeout.ms": command["session_timeout_ms"],
            "heartbeat.interval.ms": 300,
            "topic.metadata.refresh.interval.ms": 1000,
            "partition.assignment.strategy": {
                "eager": "range",
                "cooperative": "cooperative-sticky",
            }[command["assignor"]],
        }
        if command.get("instance_id") is not None:
            config["group.instance.id"] = command["instance_id"]
        self.lock = threading.Lock()
        self.records = []
        self.next = {}
        self.assigned = set()
        self.commits = queue.Queue()
        self.rebalances = 0
        self.failure = None
        self.stopping = False
        self.consumer = ck.Consumer(config)
        self.consumer.subscribe(
            command["topics"],
            on_assign=self.on_assign,
            on_revoke=self.on_revoke,
            on_lost=self.on_revoke,
        )
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def on_assign(self, _consumer, partitions):
        with self.lock:
            self.rebalances += 1
            self.assigned.update((p.topic, p.partition) for p in partitions)

    def on_revoke(self, _consumer, partitions):
        with self.lock:
            for partition in partitions:
                self.assigned.discard((partition.topic, partition.partition))
                self.next.pop((partition.topic, partition.partition), None)

    def run(self):
        while not self.stopping:
            try:
                message = self.consumer.poll(0.1)
            except ck.KafkaException as failure:
                self.failure = failure.args[0]
                return
            while not self.commits.empty():
                self.commit_now(self.commits.get())
            if message is None:
                continue
            if message.error() is not None:
                fatal = (ck.KafkaError._FATAL, ck.KafkaError.FENCED_INSTANCE_ID)
                if message.error().fatal() or message.error().code() in fatal:
                    self.failure = message.error()
                    return
                print(f"member: {message.error()}", file=sys.stderr)
                continue
            with self.lock:
                self.records.append(record_of(message))
                self.next[(message.topic(), message.partition())] = message.offset() + 1

    def take(self):
        with self.lock:
            taken, self.records = self.records, []
        return taken

    def commit_now(self, done):
        try:
            offsets = [ck.TopicPartition(t, p, offset) for (t, p), offset in self.next.items()]
            results = self.consumer.commit(offsets=offsets, asynchronous=False) if offsets else []
            failures = [ck.KafkaException(r.error) for r in results if r.error is not None]
            done.put(failures[0] if failures else None)
        except ck.KafkaException as failure:
            done.put(failure)

    def commit(self):
        """Commits in the thread that polls: with both at once, this client locks itself up."""
        done = queue.Queue()
        self.commits.put(done)
        failure = done.get(timeout=30)
        if failure is not None:
            raise failure

    def stop(self):
        self.stopping = True
        self.thread.join()
        self.consumer.close()


def join(command):
    members[command["handle"]] = Member(command)
    return {}


def member(command):
    found = members[command["handle"]]
    if found.failure is not None:
        raise ck.KafkaException(found.failure)
    with found.lock:
        assignment = sorted([topic, partition] for topic, partition in found.assigned)
    return {"assignment": assignment, "rebalances": found.rebalances, "records": found.take()}


def commit(command):
    members[command["handle"]].commit()
    return {}


def leave(command):
    found = members.pop(command["handle"])
    found.stop()
    return {"records": found.take()}


def create_topic(command):
    topic = ck_admin.NewTopic(
        command["topic"],
        num_partitions=command["partitions"],
        replication_factor=command["replication_factor"],
        config=command.get("configs", {}),
    )
    admin().create_topics([topic])[command["topic"]].result(30)
    return {}


def delete_topic(command):
    admin().delete_topics([command["topic"]])[command["topic"]].result(30)
    return {}


def topics(_):
    found = admin().list_topics(timeout=20).topics
    return {"topics": {name: len(topic.partitions) for name, topic in found.items()}}


def describe_topic_config(command):
    resource = ck_admin.ConfigResource(ck_admin.ConfigResource.Type.TOPIC, command["topic"])
    found = admin().describe_configs([resource])[resource].result(30)
    return {"configs": {name: entry.value for name, entry in found.items()}}


def alter_topic_config(command):
    def change(name, operation, value=None):
        return ck_admin.ConfigEntry(name, value, incremental_operation=operation)

    operation = ck_admin.AlterConfigOpType
    entries = [change(name, operation.SET, value) for name, value in command["set"].items()]
    entries += [change(name, operation.DELETE) for name in command["delete"]]
    resource = ck_admin.ConfigResource(
        ck_admin.ConfigResource.Type.TOPIC, command["topic"], incremental_configs=entries
    )
    admin().incremental_alter_configs([resource])[resource].result(30)
    return {}


def create_partitions(command):
    wanted = ck_admin.NewPartitions(command["topic"], command["count"])
    admin().create_partitions([wanted])[command["topic"]].result(30)
    return {}


def delete_records(command):
    before = ck.TopicPartition(command["topic"], command["partition"], command["before"])
    for deleted in admin().delete_records([before]).values():
        deleted.result(30)
    return {}


def groups(_):
    found = admin().list_consumer_groups(request_timeout=20).result(30)
    return {"groups": [group.group_id for group in found.valid]}


def committed(command):
    request = ck.ConsumerGroupTopicPartitions(command["group"])
    futures = admin().list_consumer_group_offsets([request], request_timeout=10)
    found = futures[command["group"]].result(12)
    return {
        "offsets": sorted(
            [p.partition, p.offset]
            for p in found.topic_partitions
            if p.topic == command["topic"] and p.offset >= 0
        )
    }


OPERATIONS = {
    "hello": hello,
    "produce": produce,
    "open": open_,
    "read": read,
    "close": close,
    "join": join,
    "member": member,
    "commit": commit,
    "leave": leave,
    "create_topic": create_topic,
    "delete_topic": delete_topic,
    "topics": topics,
    "describe_topic_config": describe_topic_config,
    "alter_topic_config": alter_topic_config,
    "create_partitions": create_partitions,
    "delete_records": delete_records,
    "groups": groups,
    "committed": committed,
}


def named(failure):
    if isinstance(failure, ck.KafkaException):
        error = failure.args[0]
        return error.name().lstrip("_"), str(error)
    return type(failure).__name__, str(failure)


protocol.serve(OPERATIONS, named)
