"""Drives kafka-python by the command protocol of ../README.md."""

import queue
import re
import sys
import threading
import time

import kafka
from kafka import TopicPartition
from kafka.admin import ConfigResource
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.errors import FencedInstanceIdError, KafkaError, for_code

import protocol
from protocol import decode, end_after, record_of

BOOTSTRAP = sys.argv[1]
ASSIGNORS = {"eager": RangePartitionAssignor, "cooperative": CooperativeStickyAssignor}
readers = {}
members = {}
_admin = None


def admin():
    global _admin
    if _admin is None:
        _admin = kafka.KafkaAdminClient(bootstrap_servers=BOOTSTRAP)
    return _admin


def hello(_):
    return {"client": "kafka-python", "version": kafka.__version__}


def produce(command):
    producer = kafka.KafkaProducer(
        bootstrap_servers=BOOTSTRAP,
        compression_type=None if command["codec"] == "none" else command["codec"],
        acks=command["acks"] if command["acks"] == "all" else int(command["acks"]),
        enable_idempotence=command["idempotent"],
        linger_ms=5,
        request_timeout_ms=20000,
        delivery_timeout_ms=30000,
        max_block_ms=30000,
    )
    try:
        sent = [
            producer.send(
                command["topic"],
                key=decode(record["key"]),
                value=decode(record["value"]),
                headers=[(name, decode(value)) for name, value in record["headers"]],
                partition=record["partition"],
                timestamp_ms=record["timestamp"],
            )
            for record in command["records"]
        ]
        producer.flush(40)
        offsets = [future.get(1).offset for future in sent]
        # With acks=0 there is nothing to tell, but it counts within its batches.
        return {"offsets": [-1] * len(sent) if command["acks"] == "0" else offsets}
    finally:
        producer.close()


def position_of(consumer, part):
    partition, start = TopicPartition(part["topic"], part["partition"]), part["from"]
    if start == "beginning":
        return consumer.beginning_offsets([partition])[partition]
    if isinstance(start, dict):
        found = consumer.offsets_for_times({partition: start["timestamp"]})[partition]
        if found is not None:
            return found.offset
    elif start != "end":
        return start
    return consumer.end_offsets([partition])[partition]


def open_(command):
    consumer = kafka.KafkaConsumer(
        bootstrap_servers=BOOTSTRAP,
        auto_offset_reset="none",
        enable_auto_commit=False,
        allow_auto_create_topics=command.get("create", False),
        fetch_max_wait_ms=200,
    )
    try:
        partitions = [TopicPartition(part["topic"], part["partition"]) for part in command["parts"]]
        positions = [position_of(consumer, part) for part in command["parts"]]
        consumer.assign(partitions)
        for partition, position in zip(partitions, positions):
            consumer.seek(partition, position)
    except BaseException:
        consumer.close()
        raise
    readers[command["handle"]] = consumer
    return {"positions": positions}


def read(command):
    deadline = time.monotonic() + command["timeout_ms"] / 1000
    records = []
    while len(records) < command["count"] and time.monotonic() < deadline:
        left = command["count"] - len(records)
        found = readers[command["handle"]].poll(timeout_ms=100, max_records=left)
        records.extend(record_of(record) for batch in found.values() for record in batch)
    return {"records": records}


def close(command):
    readers.pop(command["handle"]).close()
    return {}


class Member(kafka.ConsumerRebalanceListener):
    """One member of a group, polled by a thread of its own, which also commits: the consumer
    takes calls of one thread only. The listener's methods run in a thread of the client."""

    def __init__(self, command):
        self.lock = threading.Lock()
        self.records = []
        self.next = {}
        self.assigned = set()
        self.rebalances = 0
        self.failure = None
        self.commits = queue.Queue()
        self.stopping = False
        self.consumer = kafka.KafkaConsumer(
            bootstrap_servers=BOOTSTRAP,
            group_id=command["group"],
            group_instance_id=command["instance_id"],
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            session_timeout_ms=command["session_timeout_ms"],
            heartbeat_interval_ms=300,
            metadata_max_age_ms=1000,
            fetch_max_wait_ms=200,
            partition_assignment_strategy=[ASSIGNORS[command["assignor"]]],
        )
        self.consumer.subscribe(command["topics"], listener=self)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def on_partitions_assigned(self, assigned):
        with self.lock:
            self.rebalances += 1
            self.assigned.update(assigned)

    def on_partitions_revoked(self, revoked):
        with self.lock:
            self.assigned.difference_update(revoked)
            for partition in revoked:
                self.next.pop(partition, None)

    def run(self):
        try:
            while not self.stopping:
                try:
                    found = self.consumer.poll(timeout_ms=100)
                except FencedInstanceIdError:
                    raise
                except KafkaError as passing:
                    print(f"member: {passing!r}", file=sys.stderr)
                    continue
                with self.lock:
                    for batch in found.values():
                        self.records.extend(record_of(record) for record in batch)
                while not self.commits.empty():
                    self.commits.get().put(self.commit_now())
            self.consumer.close()
        except BaseException as failure:  # noqa: BLE001 - told to whoever asks next
            self.failure = failure

    def take(self):
        with self.lock:
            taken, self.records = self.records, []
            for record in taken:
                partition, end = end_after(record)
                if partition in self.assigned:
                    self.next[TopicPartition(*partition)] = end
        return taken

    def commit_now(self):
        with self.lock:
            offsets = {p: kafka.OffsetAndMetadata(end, "", -1) for p, end in self.next.items()}
        try:
            if offsets:
                self.consumer.commit(offsets, timeout_ms=20000)
        except KafkaError as failure:
            return failure
        return None

    def commit(self):
        done = queue.Queue()
        self.commits.put(done)
        failure = done.get(timeout=30)
        if failure is not None:
            raise failure

    def stop(self):
        self.stopping = True
        self.thread.join()


def join(command):
    members[command["handle"]] = Member(command)
    return {}


def member(command):
    found = members[command["handle"]]
    if found.failure is not None:
        raise found.failure
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
    topic = {
        "num_partitions": command["partitions"],
        "replication_factor": command["replication_factor"],
        "configs": command["configs"],
    }
    admin().create_topics({command["topic"]: topic})
    return {}


def delete_topic(command):
    admin().delete_topics([command["topic"]])
    return {}


def topics(_):
    found = admin().describe_topics()
    return {"topics": {topic["name"]: len(topic["partitions"]) for topic in found}}


def describe_topic_config(command):
    resource = ConfigResource("topic", command["topic"])
    found = admin().describe_configs([resource], config_filter="all")["topic"][command["topic"]]
    return {"configs": {name: config["value"] for name, config in found.items()}}


def alter_topic_config(command):
    changes = {name: ("SET", value) for name, value in command["set"].items()}
    changes.update({name: ("DELETE", None) for name in command["delete"]})
    # The broker is the one to say that an option is unknown.
    resource = ConfigResource("topic", command["topic"], changes)
    result = admin().alter_configs([resource], raise_on_unknown=False)["topic"][command["topic"]]
    # A refusal is a text: `[Error 40] InvalidConfigurationError: …`.
    code = re.match(r"\[Error (\d+)\]", result)
    if code is not None:
        raise for_code(int(code[1]))(result)
    return {}


def create_partitions(command):
    admin().create_partitions({command["topic"]: command["count"]})
    return {}


def delete_records(command):
    partition = TopicPartition(command["topic"], command["partition"])
    admin().delete_records({partition: command["before"]})
    return {}


def groups(_):
    return {"groups": [group["group_id"] for group in admin().list_groups()]}


def committed(command):
    found = admin().list_group_offsets(command["group"])[command["group"]]
    return {
        "offsets": sorted(
            [partition.partition, stored.offset]
            for partition, stored in found.items()
            if partition.topic == command["topic"] and stored.offset >= 0
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


protocol.serve(OPERATIONS)
