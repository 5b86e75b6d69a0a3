// Drives @platformatic/kafka by the command protocol of ../README.md. It wants a newer Node than
// the machine may have, for zstd among other things: see ../../src/client.rs.

import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

// Packages are found by NODE_PATH, which `import` does not heed.
const require = createRequire(import.meta.url);
const { Admin, Consumer, Producer } = require('@platformatic/kafka');
const installed = require.resolve('@platformatic/kafka').split('/dist/')[0];
const { version } = require(`${installed}/package.json`);

const LATEST = -1n;
const EARLIEST = -2n;
const TOPIC = 2; // The type of resource.
const CHANGE = { set: 0, delete: 1 };

const options = {
  clientId: 'suite-platformatic',
  bootstrapBrokers: [process.argv[2]],
  timeout: 20_000,
  retries: 80,
  retryDelay: 250,
};
const admin = new Admin(options);
const readers = new Map();
const members = new Map();

const decode = (text) => (text === null ? null : Buffer.from(text, 'base64'));
const encode = (data) => (data === null || data === undefined ? null : data.toString('base64'));
const place = (topic, partition) => `${topic} ${partition}`;

function recordOf(message) {
  return {
    topic: message.topic,
    partition: message.partition,
    offset: Number(message.offset),
    timestamp: Number(message.timestamp),
    key: encode(message.key),
    value: encode(message.value),
    headers: message.headerEntries.map(([name, value]) => [name.toString(), encode(value)]),
  };
}

async function produce({ topic, codec, acks, idempotent, records }) {
  const producer = new Producer({ ...options, idempotent, autocreateTopics: true });
  const messages = records.map((record) => ({
    topic,
    key: decode(record.key),
    value: decode(record.value),
    // A name is a buffer of its own, so that a map keeps it twice.
    headers: new Map(record.headers.map(([name, value]) => [Buffer.from(name), decode(value)])),
    ...(record.partition === null ? {} : { partition: record.partition }),
    ...(record.timestamp === null ? {} : { timestamp: BigInt(record.timestamp) }),
  }));
  try {
    const { offsets } = await producer.send({
      messages,
      acks: acks === 'all' ? -1 : Number(acks),
      compression: codec,
    });
    // It tells the first offset of each partition only.
    const next = new Map((offsets ?? []).map((o) => [o.partition, Number(o.offset)]));
    const single = next.size === 1 ? next.keys().next().value : undefined;
    const found = records.map((record) => {
      const partition = record.partition ?? single;
      const offset = next.get(partition) ?? -1;
      if (offset >= 0) next.set(partition, offset + 1);
      return offset;
    });
    return { offsets: found };
  } finally {
    await producer.close();
  }
}

// The offset at a time, -1 when nothing is as late.
async function offsetAt(topic, partition, timestamp) {
  const partitions = [{ partitionIndex: partition, timestamp }];
  const [found] = await admin.listOffsets({ topics: [{ name: topic, partitions }] });
  return Number(found.partitions[0].offset);
}

async function positionOf({ topic, partition, from }) {
  if (typeof from === 'number') return from;
  if (from === 'beginning') return offsetAt(topic, partition, EARLIEST);
  if (typeof from === 'object') {
    const found = await offsetAt(topic, partition, BigInt(from.timestamp));
    if (found >= 0) return found;
  }
  return offsetAt(topic, partition, LATEST);
}

// It consumes in a group only: one of its own, whose assignor gives just the parts.
async function open({ handle, parts }) {
  const positions = [];
  for (const part of parts) positions.push(await positionOf(part));
  const assignments = new Map();
  for (const { topic, partition } of parts) {
    if (!assignments.has(topic)) assignments.set(topic, { topic, partitions: [] });
    assignments.get(topic).partitions.push(partition);
  }
  const consumer = new Consumer({
    ...options,
    groupId: `suite-${handle}-${process.pid}`,
    partitionAssigner: (_, known) => [...known.keys()].map((memberId) => ({ memberId, assignments })),
  });
  const stream = await consumer.consume({
    topics: [...assignments.keys()],
    mode: 'manual',
    offsets: parts.map(({ topic, partition }, index) => ({
      topic,
      partition,
      offset: BigInt(positions[index]),
    })),
    fallbackMode: 'fail',
    autocommit: false,
    maxWaitTime: 200,
  });
  const reader = { consumer, stream, records: [] };
  stream.on('data', (message) => reader.records.push(recordOf(message)));
  stream.on('error', (failure) => (reader.failure = failure));
  readers.set(handle, reader);
  return { positions };
}

async function read({ handle, count, timeout_ms: timeout }) {
  const reader = readers.get(handle);
  const end = Date.now() + timeout;
  while (reader.records.length < count && Date.now() < end && !reader.failure) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  if (reader.failure) throw reader.failure;
  return { records: reader.records.splice(0, count) };
}

async function close({ handle }) {
  const { consumer } = readers.get(handle);
  readers.delete(handle);
  await consumer.close(true);
  return {};
}

const PROTOCOLS = {
  eager: { name: 'roundrobin', version: 1 },
  cooperative: { name: 'cooperative-sticky', version: 3 },
};

async function join({ handle, group, topics, assignor, session_timeout_ms: session, instance_id: id }) {
  const consumer = new Consumer({
    ...options,
    groupId: group,
    ...(id === null ? {} : { groupInstanceId: id }),
    protocols: [PROTOCOLS[assignor]],
    sessionTimeout: session,
    rebalanceTimeout: session,
    heartbeatInterval: 300,
    metadataMaxAge: 1000,
  });
  const member = { consumer, messages: [], next: new Map(), rebalances: 0 };
  members.set(handle, member);
  const fail = (failure) => {
    console.error(failure);
    member.failure = failure;
  };
  consumer.on('consumer:group:join', () => {
    member.rebalances += 1;
    const kept = new Set(assignmentOf(member).map(([topic, partition]) => place(topic, partition)));
    for (const key of member.next.keys()) if (!kept.has(key)) member.next.delete(key);
  });
  consumer.on('consumer:heartbeat:error', ({ error }) => console.error(error));
  const how = { topics, mode: 'committed', fallbackMode: 'earliest', autocommit: false, maxWaitTime: 200 };
  consumer.consume(how).then((stream) => {
    stream.on('data', (message) => member.messages.push(message));
    stream.on('error', fail);
  }, fail);
  return {};
}

function assignmentOf({ consumer }) {
  return (consumer.assignments ?? [])
    .flatMap(({ topic, partitions }) => partitions.map((partition) => [topic, partition]))
    .sort(([a, i], [b, j]) => (a < b ? -1 : a > b ? 1 : i - j));
}

function take(member) {
  const held = new Set(assignmentOf(member).map(([topic, partition]) => place(topic, partition)));
  const taken = member.messages.splice(0);
  for (const { topic, partition, offset, leaderEpoch } of taken) {
    const key = place(topic, partition);
    if (held.has(key)) member.next.set(key, { topic, partition, offset: offset + 1n, leaderEpoch });
  }
  return taken.map(recordOf);
}

async function member({ handle }) {
  const found = members.get(handle);
  if (found.failure) throw found.failure;
  return { assignment: assignmentOf(found), rebalances: found.rebalances, records: take(found) };
}

async function commit({ handle }) {
  const { consumer, next } = members.get(handle);
  if (next.size > 0) await consumer.commit({ offsets: [...next.values()] });
  return {};
}

async function leave({ handle }) {
  const found = members.get(handle);
  members.delete(handle);
  await found.consumer.close(true);
  return { records: take(found) };
}

async function createTopic({ topic, partitions, replication_factor: replicas, configs }) {
  const entries = Object.entries(configs).map(([name, value]) => ({ name, value }));
  await admin.createTopics({ topics: [topic], partitions, replicas, configs: entries });
  return {};
}

async function deleteTopic({ topic }) {
  await admin.deleteTopics({ topics: [topic] });
  return {};
}

// Its metadata fails as a whole for a topic that went since it was listed: then it is asked anew.
async function topics() {
  for (let attempt = 1; ; attempt += 1) {
    const names = await admin.listTopics();
    try {
      const found = [...(await admin.metadata({ topics: names, forceUpdate: true })).topics];
      return { topics: Object.fromEntries(found.map(([name, t]) => [name, t.partitionsCount])) };
    } catch (failure) {
      if (attempt === 20) throw failure;
    }
  }
}

async function describeTopicConfig({ topic }) {
  const resources = [{ resourceType: TOPIC, resourceName: topic }];
  const [found] = await admin.describeConfigs({ resources });
  return { configs: Object.fromEntries(found.configs.map(({ name, value }) => [name, value])) };
}

async function alterTopicConfig({ topic, set, delete: deleted }) {
  const configs = [
    ...Object.entries(set).map(([name, value]) => ({ name, value, configOperation: CHANGE.set })),
    ...deleted.map((name) => ({ name, configOperation: CHANGE.delete })),
  ];
  const resources = [{ resourceType: TOPIC, resourceName: topic, configs }];
  await admin.incrementalAlterConfigs({ resources });
  return {};
}

async function createPartitions({ topic, count }) {
  await admin.createPartitions({ topics: [{ name: topic, count, assignments: null }] });
  return {};
}

async function deleteRecords({ topic, partition, before }) {
  const partitions = [{ partition, offset: BigInt(before) }];
  await admin.deleteRecords({ topics: [{ name: topic, partitions }] });
  return {};
}

async function groups() {
  return { groups: [...(await admin.listGroups()).keys()] };
}

async function committed({ group, topic }) {
  const [found] = await admin.listConsumerGroupOffsets({ groups: [group] });
  const offsets = found.topics
    .filter(({ name }) => name === topic)
    .flatMap(({ partitions }) => partitions)
    .map((partition) => [partition.partitionIndex, Number(partition.committedOffset)])
    .filter(([, offset]) => offset >= 0)
    .sort(([a], [b]) => a - b);
  return { offsets };
}

const OPERATIONS = {
  hello: async () => ({ client: '@platformatic/kafka', version }),
  produce,
  open,
  read,
  close,
  join,
  member,
  commit,
  leave,
  create_topic: createTopic,
  delete_topic: deleteTopic,
  topics,
  describe_topic_config: describeTopicConfig,
  alter_topic_config: alterTopicConfig,
  create_partitions: createPartitions,
  delete_records: deleteRecords,
  groups,
  committed,
};

// Kafka's name for a failure, which lies somewhere below the client's own.
function nameOf(failure) {
  if (failure?.apiId) return failure.apiId;
  const below = [failure?.cause, ...(failure?.errors ?? [])].filter(Boolean);
  return below.map(nameOf).find(Boolean);
}

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  let answer;
  try {
    answer = { id: command.id, ok: await OPERATIONS[command.op](command) };
  } catch (failure) {
    console.error(failure);
    const error = nameOf(failure) ?? failure.code ?? failure.name;
    answer = { id: command.id, error, message: String(failure.message) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
process.exit(0);
