"""Drives aiokafka by the command protocol of ../README.md."""

import asyncio
import json
import sys
import time

import aiokafka
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import for_code

import protocol
from protocol import decode, end_after, record_of

BOOTSTRAP = sys.argv[1]
readers = {}
members = {}
_admin = None


async def admin():
    global _admin
    if _admin is None:
        _admin = AIOKafkaAdminClient(bootstrap_servers=BOOTSTRAP)
        await _admin.start()
    return _admin


def check(code, message=""):
    if code:
        raise for_code(code)(message)


async def hello(_):
    return {"client": "aiokafka", "version": aiokafka.__version__}


async def produce(command):
    producer = AIOKafkaProducer(
        bootstrap_servers=BOOTSTRAP,
        compression_type=None if command["codec"] == "none" else command["codec"],
        acks=command["acks"] if command["acks"] == "all" else int(command["acks"]),
        enable_idempotence=command["idempotent"],
        linger_ms=5,
        request_timeout_ms=30000,
    )
    await producer.start()
    try:
        sent = []
        for record in command["records"]:
            sent.append(
                await producer.send(
                    command["topic"],
                    key=decode(record["key"]),
                    value=decode(record["value"]),
                    headers=[(name, decode(value)) for name, value in record["headers"]],
                    partition=record["partition"],
                    timestamp_ms=record["timestamp"],
                )
            )
        results = await asyncio.gather(*sent)
        # With acks=0 there is nothing to tell.
        return {"offsets": [-1 if result is None else result.offset for result in results]}
    finally:
        await producer.stop()


async def position_of(consumer, part):
    partition, start = TopicPartition(part["topic"], part["partition"]), part["from"]
    if start == "beginning":
        return (await consumer.beginning_offsets([partition]))[partition]
    if isinstance(start, dict):
        found = (await consumer.offsets_for_times({partition: start["timestamp"]}))[partition]
        if found is not None:
            return found.offset
    elif start != "end":
        return start
    return (await consumer.end_offsets([partition]))[partition]


async def open_(command):
    consumer = AIOKafkaConsumer(
        bootstrap_servers=BOOTSTRAP,
        auto_offset_reset="none",
        enable_auto_commit=False,
        fetch_max_wait_ms=200,
    )
    await consumer.start()
    try:
        partitions = [TopicPartition(part["topic"], part["partition"]) for part in command["parts"]]
        consumer.assign(partitions)
        positions = [await position_of(consumer, part) for part in command["parts"]]
        for partition, position in zip(partitions, positions):
            consumer.seek(partition, position)
    except BaseException:
        await consumer.stop()
        raise
    readers[command["handle"]] = consumer
    return {"positions": positions}


async def read(command):
    deadline = time.monotonic() + command["timeout_ms"] / 1000
    records = []
    while len(records) < command["count"] and time.monotonic() < deadline:
        left = command["count"] - len(records)
        found = await readers[command["handle"]].getmany(timeout_ms=100, max_records=left)
        records.extend(record_of(record) for batch in found.values() for record in batch)
    return {"records": records}


async def close(command):
    await readers.pop(command["handle"]).stop()
    return {}


class Member(ConsumerRebalanceListener):
    """One member of a group, polled by a task of its own."""

    def __init__(self, command):
        self.records = []
        self.next = {}
        self.assigned = set()
        self.rebalances = 0
        self.consumer = AIOKafkaConsumer(
            bootstrap_servers=BOOTSTRAP,
            group_id=command["group"],
            group_instance_id=command["instance_id"],
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            session_timeout_ms=command["session_timeout_ms"],
            heartbeat_interval_ms=300,
            metadata_max_age_ms=1000,
            fetch_max_wait_ms=200,
            partition_assignment_strategy=[RangePartitionAssignor],
        )

    async def start(self, topics):
        await self.consumer.start()
        self.consumer.subscribe(topics, listener=self)
        self.task = asyncio.create_task(self.run())

    async def on_partitions_assigned(self, assigned):
        self.rebalances += 1
        self.assigned = set(assigned)

    async def on_partitions_revoked(self, revoked):
        self.assigned.difference_update(revoked)
        for partition in revoked:
            self.next.pop(partition, None)

    async def run(self):
        while True:
            found = await self.consumer.getmany(timeout_ms=100)
            for batch in found.values():
                self.records.extend(record_of(record) for record in batch)

    def take(self):
        taken, self.records = self.records, []
        for record in taken:
            partition, end = end_after(record)
            if partition in self.assigned:
                self.next[TopicPartition(*partition)] = end
        return taken

    async def stop(self):
        self.task.cancel()
        await asyncio.wait([self.task])
        await self.consumer.stop()


async def join(command):
    if command["assignor"] != "eager":
        raise ValueError(f"no assignor is called {command['assignor']}")
    found = Member(command)
    await found.start(command["topics"])
    members[command["handle"]] = found
    return {}


async def member(command):
    found = members[command["handle"]]
    if found.task.done():
        found.task.result()
    assignment = sorted([topic, partition] for topic, partition in found.assigned)
    return {"assignment": assignment, "rebalances": found.rebalances, "records": found.take()}


async def commit(command):
    found = members[command["handle"]]
    if found.next:
        await found.consumer.commit(dict(found.next))
    return {}


async def leave(command):
    found = members.pop(command["handle"])
    await found.stop()
    return {"records": found.take()}


async def create_topic(command):
    topic = NewTopic(
        command["topic"],
        num_partitions=command["partitions"],
        replication_factor=command["replication_factor"],
        topic_configs=command["configs"],
    )
    answer = await (await admin()).create_topics([topic])
    for _, code, message in answer.topic_errors:
        check(code, message)
    return {}


async def delete_topic(command):
    answer = await (await admin()).delete_topics([command["topic"]])
    for _, code in answer.topic_error_codes:
        check(code)
    return {}


async def topics(_):
    found = await (await admin()).describe_topics()
    return {"topics": {topic["topic"]: len(topic["partitions"]) for topic in found}}


async def describe_topic_config(command):
    resource = ConfigResource("topic", command["topic"])
    [answer] = await (await admin()).describe_configs([resource])
    code, message, _, _, configs = answer.resources[0]
    check(code, message)
    return {"configs": {config[0]: config[1] for config in configs}}


async def replace_topic_config(command):
    resource = ConfigResource("topic", command["topic"], command["set"])
    [answer] = await (await admin()).alter_configs([resource])
    for code, message, *_ in answer.resources:
        check(code, message)
    return {}


async def create_partitions(command):
    wanted = {command["topic"]: NewPartitions(command["count"])}
    await (await admin()).create_partitions(wanted)
    return {}


async def delete_records(command):
    partition = TopicPartition(command["topic"], command["partition"])
    await (await admin()).delete_records({partition: RecordsToDelete(command["before"])})
    return {}


async def groups(_):
    found = await (await admin()).list_consumer_groups()
    return {"groups": [group[0] for group in found]}


async def committed(command):
    found = await (await admin()).list_consumer_group_offsets(command["group"])
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
    "replace_topic_config": replace_topic_config,
    "create_partitions": create_partitions,
    "delete_records": delete_records,
    "groups": groups,
    "committed": committed,
}


async def main():
    protocol.prepare()
    loop = asyncio.get_running_loop()
    # Members live on while nothing is asked.
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        command = json.loads(line)
        try:
            answer = protocol.answered(command, await OPERATIONS[command["op"]](command))
        except Exception as failure:  # noqa: BLE001 - whatever went wrong is the answer
            answer = protocol.failed(command, failure)
        protocol.send(answer)


asyncio.run(main())
