// Drives kafkajs by the command protocol of ../README.md.
'use strict';

const readline = require('node:readline');
const kafkajs = require('kafkajs');
const snappy = require('kafkajs-snappy');
const lz4 = require('lz4-napi');
const zstd = require('@bokuweb/zstd-wasm');

const { CompressionTypes, CompressionCodecs, ConfigResourceTypes } = kafkajs;

CompressionCodecs[CompressionTypes.Snappy] = snappy;
CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: async (encoder) => lz4.compressFrame(encoder.buffer),
  decompress: async (buffer) => lz4.decompressFrame(buffer),
});
// A frame may leave its content's size out; the memory set aside must then be enough.
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: async (encoder) => Buffer.from(zstd.compress(encoder.buffer, 3)),
  decompress: async (buffer) =>
    Buffer.from(zstd.decompress(buffer, { defaultHeapSize: 8 * 1024 * 1024 })),
});

const CODECS = {
  none: CompressionTypes.None,
  gzip: CompressionTypes.GZIP,
  snappy: CompressionTypes.Snappy,
  lz4: CompressionTypes.LZ4,
  zstd: CompressionTypes.ZSTD,
};

const kafka = new kafkajs.Kafka({
  clientId: 'suite-kafkajs',
  brokers: [process.argv[2]],
  logLevel: kafkajs.logLevel.WARN,
  logCreator: () => (entry) => console.error(JSON.stringify(entry.log), entry.namespace),
  retry: { initialRetryTime: 100, maxRetryTime: 500, retries: 40 },
});
const readers = new Map();
const members = new Map();
let administrator;

const decode = (text) => (text === null ? null : Buffer.from(text, 'base64'));
const encode = (data) => (data === null || data === undefined ? null : data.toString('base64'));

function headersOf(pairs) {
  const headers = {};
  for (const [name, value] of pairs) {
    (headers[name] ??= []).push(decode(value));
  }
  return headers;
}

function recordOf(topic, partition, message) {
  const headers = [];
  for (const [name, values] of Object.entries(message.headers ?? {})) {
    for (const value of Array.isArray(values) ? values : [values]) {
      headers.push([name, encode(value)]);
    }
  }
  return {
    topic,
    partition,
    offset: Number(message.offset),
    timestamp: Number(message.timestamp),
    key: encode(message.key),
    value: encode(message.value),
    headers,
  };
}

async function admin() {
  if (administrator === undefined) {
    const fresh = kafka.admin();
    await fresh.connect();
    administrator = fresh;
  }
  return administrator;
}

// Waits until `ready()` holds or the time is over; says whether it holds.
async function until(ready, milliseconds) {
  const end = Date.now() + milliseconds;
  while (!ready()) {
    if (Date.now() > end) return false;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return true;
}

const SLICE = 500;

async function produce({ topic, codec, acks, idempotent, records }) {
  const producer = kafka.producer({ idempotent, allowAutoTopicCreation: true });
  await producer.connect();
  const offsets = [];
  try {
    for (let start = 0; start < records.length; start += SLICE) {
      const slice = records.slice(start, start + SLICE);
      const messages = slice.map((record) => ({
        key: decode(record.key),
        value: decode(record.value),
        headers: headersOf(record.headers),
        ...(record.partition === null ? {} : { partition: record.partition }),
        ...(record.timestamp === null ? {} : { timestamp: String(record.timestamp) }),
      }));
      const results = await producer.send({
        topic,
        messages,
        acks: acks === 'all' ? -1 : Number(acks),
        compression: CODECS[codec],
        timeout: 30000,
      });
      // kafkajs tells the first offset of each partition only.
      const next = new Map((results ?? []).map((r) => [r.partition, Number(r.baseOffset)]));
      const single = next.size === 1 ? next.keys().next().value : undefined;
      for (const record of slice) {
        const partition = record.partition ?? single;
        const offset = next.get(partition) ?? -1;
        offsets.push(offset);
        if (offset >= 0) next.set(partition, offset + 1);
      }
    }
  } finally {
    await producer.disconnect();
  }
  return { offsets };
}

async function positionOf({ topic, partition, from }) {
  if (typeof from === 'number') return from;
  const offsets =
    typeof from === 'object'
      ? await (await admin()).fetchTopicOffsetsByTimestamp(topic, from.timestamp)
      : await (await admin()).fetchTopicOffsets(topic);
  const found = offsets.find((entry) => entry.partition === partition);
  return Number(from === 'beginning' ? found.low : found.offset);
}

// kafkajs consumes in a group only: a group of its own, and a seek to each place.
async function open({ handle, parts, create }) {
  const positions = [];
  for (const part of parts) positions.push(await positionOf(part));
  const consumer = kafka.consumer({
    groupId: `suite-${handle}-${process.pid}`,
    allowAutoTopicCreation: create === true,
    maxWaitTimeInMs: 200,
  });
  const reader = { consumer, records: [] };
  const wanted = new Map(
    parts.map((part, index) => [`${part.topic} ${part.partition}`, positions[index]]),
  );
  await consumer.connect();
  await consumer.subscribe({ topics: [...new Set(parts.map((part) => part.topic))] });
  await consumer.run({
    autoCommit: false,
    eachBatch: async ({ batch }) => {
      const key = `${batch.topic} ${batch.partition}`;
      for (const message of batch.messages) {
        // A batch that was under way during the seek does not count, nor one that is fetched
        // from before the seek.
        if (!wanted.has(key) || Number(message.offset) !== wanted.get(key)) continue;
        wanted.set(key, Number(message.offset) + 1);
        reader.records.push(recordOf(batch.topic, batch.partition, message));
      }
    },
  });
  parts.forEach(({ topic, partition }, index) => {
    consumer.seek({ topic, partition, offset: String(positions[index]) });
  });
  readers.set(handle, reader);
  return { positions };
}

async function read({ handle, count, timeout_ms: timeout }) {
  const reader = readers.get(handle);
  await until(() => reader.records.length >= count, timeout);
  return { records: reader.records.splice(0, count) };
}

async function close({ handle }) {
  const reader = readers.get(handle);
  readers.delete(handle);
  await reader.consumer.disconnect();
  return {};
}

async function join({ handle, group, topics, session_timeout_ms: sessionTimeout }) {
  const consumer = kafka.consumer({
    groupId: group,
    sessionTimeout,
    rebalanceTimeout: sessionTimeout,
    heartbeatInterval: 300,
    metadataMaxAge: 1000,
    maxWaitTimeInMs: 200,
  });
  const member = { consumer, records: [], next: new Map(), assignment: [], rebalances: 0 };
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    member.rebalances += 1;
    member.assignment = Object.entries(payload.memberAssignment).flatMap(([topic, partitions]) =>
      partitions.map((partition) => [topic, partition]),
    );
    const kept = new Set(member.assignment.map(([topic, partition]) => `${topic} ${partition}`));
    for (const key of member.next.keys()) if (!kept.has(key)) member.next.delete(key);
  });
  consumer.on(consumer.events.CRASH, ({ payload }) => {
    if (!payload.restart) member.failure = payload.error;
  });
  await consumer.connect();
  await consumer.subscribe({ topics, fromBeginning: true });
  await consumer.run({
    autoCommit: false,
    eachBatch: async ({ batch, isStale }) => {
      if (isStale()) return;
      for (const message of batch.messages) {
        member.records.push(recordOf(batch.topic, batch.partition, message));
        member.next.set(`${batch.topic} ${batch.partition}`, {
          topic: batch.topic,
          partition: batch.partition,
          offset: String(Number(message.offset) + 1),
        });
      }
    },
  });
  members.set(handle, member);
  return {};
}

async function member({ handle }) {
  const found = members.get(handle);
  if (found.failure !== undefined) throw found.failure;
  const assignment = found.assignment.sort(
    ([a, i], [b, j]) => (a < b ? -1 : a > b ? 1 : i - j),
  );
  return { assignment, rebalances: found.rebalances, records: found.records.splice(0) };
}

async function commit({ handle }) {
  const { consumer, next } = members.get(handle);
  if (next.size > 0) await consumer.commitOffsets([...next.values()]);
  return {};
}

async function leave({ handle }) {
  const found = members.get(handle);
  members.delete(handle);
  await found.consumer.disconnect();
  return { records: found.records.splice(0) };
}

async function createTopic({ topic, partitions, replication_factor: factor, configs }) {
  const configEntries = Object.entries(configs ?? {}).map(([name, value]) => ({ name, value }));
  const created = await (await admin()).createTopics({
    waitForLeaders: false,
    topics: [{ topic, numPartitions: partitions, replicationFactor: factor, configEntries }],
  });
  // kafkajs swallows just this one error.
  if (!created) throw Object.assign(new Error(topic), { type: 'TOPIC_ALREADY_EXISTS' });
  return {};
}

async function deleteTopic({ topic }) {
  await (await admin()).deleteTopics({ topics: [topic] });
  return {};
}

// kafkajs fails the whole question when one partition, of anybody's topic, has no leader at the
// moment, as while the topic is made or deleted: then it is asked anew.
async function topics() {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const found = await (await admin()).fetchTopicMetadata();
      return { topics: Object.fromEntries(found.topics.map((t) => [t.name, t.partitions.length])) };
    } catch (failure) {
      if (attempt === 20) throw failure;
    }
  }
}

async function describeTopicConfig({ topic }) {
  const found = await (await admin()).describeConfigs({
    includeSynonyms: false,
    resources: [{ type: ConfigResourceTypes.TOPIC, name: topic }],
  });
  const entries = found.resources[0].configEntries;
  return { configs: Object.fromEntries(entries.map((e) => [e.configName, e.configValue])) };
}

// kafkajs has the older request only, which resets whatever it does not name.
async function replaceTopicConfig({ topic, set }) {
  const configEntries = Object.entries(set).map(([name, value]) => ({ name, value }));
  const resources = [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries }];
  await (await admin()).alterConfigs({ validateOnly: false, resources });
  return {};
}

async function createPartitions({ topic, count }) {
  await (await admin()).createPartitions({ topicPartitions: [{ topic, count }] });
  return {};
}

async function deleteRecords({ topic, partition, before }) {
  const partitions = [{ partition, offset: String(before) }];
  await (await admin()).deleteTopicRecords({ topic, partitions });
  return {};
}

async function groups() {
  const found = await (await admin()).listGroups();
  return { groups: found.groups.map((group) => group.groupId) };
}

async function committed({ group, topic }) {
  const found = await (await admin()).fetchOffsets({ groupId: group, topics: [topic] });
  const offsets = found
    .flatMap((entry) => entry.partitions)
    .map(({ partition, offset }) => [partition, Number(offset)])
    .filter(([, offset]) => offset >= 0)
    .sort(([a], [b]) => a - b);
  return { offsets };
}

const OPERATIONS = {
  hello: async () => ({
    client: 'kafkajs',
    version: require('kafkajs/package.json').version,
  }),
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
  replace_topic_config: replaceTopicConfig,
  create_partitions: createPartitions,
  delete_records: deleteRecords,
  groups,
  committed,
};

function nameOf(failure) {
  for (let cause = failure; cause; cause = cause.cause ?? cause.originalError ?? cause.errors?.[0]) {
    if (cause.type) return cause.type;
  }
  return failure.name;
}

async function main() {
  await zstd.init();
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const command = JSON.parse(line);
    let answer;
    try {
      answer = { id: command.id, ok: await OPERATIONS[command.op](command) };
    } catch (failure) {
      console.error(failure);
      answer = { id: command.id, error: nameOf(failure), message: String(failure.message) };
    }
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
  process.exit(0);
}

main();
