import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.utils.AppInfoParser;

/** Drives Apache's Java client by the command protocol of ../README.md. */
public final class Driver {
    private static final ObjectMapper JSON = new ObjectMapper();

    private final String bootstrap;
    private final Map<String, KafkaConsumer<byte[], byte[]>> consumers = new HashMap<>();
    private final Map<String, Member> members = new HashMap<>();
    private Admin admin;

    private Driver(String bootstrap) {
        this.bootstrap = bootstrap;
    }

    public static void main(String[] arguments) throws IOException {
        Driver driver = new Driver(arguments[0]);
        BufferedReader input =
                new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            JsonNode command = JSON.readTree(line);
            ObjectNode answer = JSON.createObjectNode();
            answer.set("id", command.get("id"));
            try {
                answer.set("ok", driver.run(command));
            } catch (Throwable failure) {
                Throwable cause = failure;
                while (cause instanceof ExecutionException && cause.getCause() != null) {
                    cause = cause.getCause();
                }
                Errors error = Errors.forException(cause);
                boolean known = error != Errors.UNKNOWN_SERVER_ERROR;
                answer.put("error", known ? error.name() : cause.getClass().getSimpleName());
                answer.put("message", String.valueOf(cause.getMessage()));
            }
            System.out.println(JSON.writeValueAsString(answer));
            System.out.flush();
        }
        Runtime.getRuntime().halt(0);
    }

    private ObjectNode run(JsonNode command) throws Exception {
        ObjectNode ok = JSON.createObjectNode();
        switch (command.get("op").asText()) {
            case "hello" -> ok.put("client", "kafka-clients").put("version", AppInfoParser.getVersion());
            case "produce" -> produce(command, ok);
            case "open" -> open(command, ok);
            case "read" -> read(command, ok);
            case "close" -> consumers.remove(command.get("handle").asText()).close();
            case "join" -> members.put(command.get("handle").asText(), new Member(command));
            case "member" -> members.get(command.get("handle").asText()).report(ok);
            case "commit" -> members.get(command.get("handle").asText()).commit();
            case "leave" -> members.remove(command.get("handle").asText()).leave(ok);
            case "create_topic" -> createTopic(command);
            case "delete_topic" ->
                    admin().deleteTopics(List.of(command.get("topic").asText())).all().get(30, TimeUnit.SECONDS);
            case "topics" -> topics(ok);
            case "describe_topic_config" -> describeTopicConfig(command, ok);
            case "alter_topic_config" -> alterTopicConfig(command);
            case "create_partitions" ->
                    admin().createPartitions(
                                    Map.of(
                                            command.get("topic").asText(),
                                            NewPartitions.increaseTo(command.get("count").asInt())))
                            .all().get(30, TimeUnit.SECONDS);
            case "delete_records" ->
                    admin().deleteRecords(
                                    Map.of(
                                            new TopicPartition(
                                                    command.get("topic").asText(),
                                                    command.get("partition").asInt()),
                                            RecordsToDelete.beforeOffset(command.get("before").asLong())))
                            .all().get(30, TimeUnit.SECONDS);
            case "groups" -> {
                ArrayNode groups = ok.putArray("groups");
                for (var group : admin().listGroups().all().get(30, TimeUnit.SECONDS)) {
                    groups.add(group.groupId());
                }
            }
            case "committed" -> committed(command, ok);
            default -> throw new IllegalArgumentException("unknown op " + command);
        }
        return ok;
    }

    private Admin admin() {
        if (admin == null) {
            admin = Admin.create(Map.of("bootstrap.servers", bootstrap));
        }
        return admin;
    }

    private static byte[] bytes(JsonNode node) {
        return node == null || node.isNull() ? null : Base64.getDecoder().decode(node.asText());
    }

    private static String text(byte[] data) {
        return data == null ? null : Base64.getEncoder().encodeToString(data);
    }

    private static ObjectNode json(ConsumerRecord<byte[], byte[]> record) {
        ObjectNode node = JSON.createObjectNode();
        node.put("topic", record.topic()).put("partition", record.partition());
        node.put("offset", record.offset()).put("timestamp", record.timestamp());
        node.put("key", text(record.key())).put("value", text(record.value()));
        ArrayNode headers = node.putArray("headers");
        for (Header header : record.headers()) {
            headers.addArray().add(header.key()).add(text(header.value()));
        }
        return node;
    }

    private void produce(JsonNode command, ObjectNode ok) throws Exception {
        Map<String, Object> config = new HashMap<>();
        config.put("bootstrap.servers", bootstrap);
        config.put("compression.type", command.get("codec").asText());
        config.put("acks", command.get("acks").asText());
        config.put("enable.idempotence", command.get("idempotent").asBoolean());
        config.put("linger.ms", 5);
        config.put("delivery.timeout.ms", 30000);
        config.put("request.timeout.ms", 20000);
        config.put("max.block.ms", 30000);
        config.put("buffer.memory", 16 << 20);
        ArrayNode offsets = ok.putArray("offsets");
        try (KafkaProducer<byte[], byte[]> producer =
                new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer())) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (JsonNode node : command.get("records")) {
                Integer partition = node.hasNonNull("partition") ? node.get("partition").asInt() : null;
                Long timestamp = node.hasNonNull("timestamp") ? node.get("timestamp").asLong() : null;
                ProducerRecord<byte[], byte[]> record =
                        new ProducerRecord<>(
                                command.get("topic").asText(),
                                partition,
                                timestamp,
                                bytes(node.get("key")),
                                bytes(node.get("value")));
                for (JsonNode header : node.get("headers")) {
                    record.headers().add(header.get(0).asText(), bytes(header.get(1)));
                }
                sent.add(producer.send(record));
            }
            producer.flush();
            for (Future<RecordMetadata> future : sent) {
                RecordMetadata metadata = future.get();
                offsets.add(metadata.hasOffset() ? metadata.offset() : -1);
            }
        }
    }

    private void open(JsonNode command, ObjectNode ok) {
        Map<String, Object> config = new HashMap<>();
        config.put("bootstrap.servers", bootstrap);
        config.put("auto.offset.reset", "none");
        config.put("enable.auto.commit", false);
        config.put("allow.auto.create.topics", command.path("create").asBoolean(false));
        config.put("default.api.timeout.ms", 20000);
        KafkaConsumer<byte[], byte[]> consumer =
                new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer());
        try {
            List<TopicPartition> partitions = new ArrayList<>();
            for (JsonNode part : command.get("parts")) {
                partitions.add(
                        new TopicPartition(part.get("topic").asText(), part.get("partition").asInt()));
            }
            consumer.assign(partitions);
            int index = 0;
            ArrayNode positions = ok.putArray("positions");
            for (JsonNode part : command.get("parts")) {
                seek(consumer, partitions.get(index++), part.get("from"));
            }
            for (TopicPartition partition : partitions) {
                positions.add(consumer.position(partition));
            }
        } catch (RuntimeException failure) {
            consumer.close();
            throw failure;
        }
        consumers.put(command.get("handle").asText(), consumer);
    }

    private static void seek(
            KafkaConsumer<byte[], byte[]> consumer, TopicPartition partition, JsonNode from) {
        if (from.isNumber()) {
            consumer.seek(partition, from.asLong());
        } else if (from.isObject()) {
            OffsetAndTimestamp found =
                    consumer.offsetsForTimes(Map.of(partition, from.get("timestamp").asLong())).get(partition);
            if (found == null) {
                consumer.seekToEnd(List.of(partition));
            } else {
                consumer.seek(partition, found.offset());
            }
        } else if (from.asText().equals("end")) {
            consumer.seekToEnd(List.of(partition));
        } else {
            consumer.seekToBeginning(List.of(partition));
        }
    }

    private void read(JsonNode command, ObjectNode ok) {
        KafkaConsumer<byte[], byte[]> consumer = consumers.get(command.get("handle").asText());
        long deadline = System.currentTimeMillis() + command.get("timeout_ms").asLong();
        int count = command.get("count").asInt();
        ArrayNode records = ok.putArray("records");
        while (records.size() < count && System.currentTimeMillis() < deadline) {
            for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(100))) {
                records.add(json(record));
            }
        }
    }

    private void createTopic(JsonNode command) throws Exception {
        NewTopic topic =
                new NewTopic(
                        command.get("topic").asText(),
                        command.get("partitions").asInt(),
                        (short) command.get("replication_factor").asInt());
        Map<String, String> configs = new HashMap<>();
        command.path("configs").properties().forEach(e -> configs.put(e.getKey(), e.getValue().asText()));
        admin().createTopics(List.of(topic.configs(configs))).all().get(30, TimeUnit.SECONDS);
    }

    private void topics(ObjectNode ok) throws Exception {
        Set<String> names = admin().listTopics().names().get(30, TimeUnit.SECONDS);
        ObjectNode topics = ok.putObject("topics");
        for (var topic : admin().describeTopics(names).topicNameValues().entrySet()) {
            try {
                topics.put(topic.getKey(), topic.getValue().get(30, TimeUnit.SECONDS).partitions().size());
            } catch (ExecutionException gone) {
                if (!(gone.getCause() instanceof UnknownTopicOrPartitionException)) {
                    throw gone;
                }
            }
        }
    }

    private void describeTopicConfig(JsonNode command, ObjectNode ok) throws Exception {
        ConfigResource resource =
                new ConfigResource(ConfigResource.Type.TOPIC, command.get("topic").asText());
        ObjectNode configs = ok.putObject("configs");
        admin().describeConfigs(List.of(resource)).all().get(30, TimeUnit.SECONDS).get(resource).entries()
                .forEach(entry -> configs.put(entry.name(), entry.value()));
    }

    private void alterTopicConfig(JsonNode command) throws Exception {
        ConfigResource resource =
                new ConfigResource(ConfigResource.Type.TOPIC, command.get("topic").asText());
        List<AlterConfigOp> changes = new ArrayList<>();
        command.get("set").properties().forEach(
                e -> changes.add(
                        new AlterConfigOp(
                                new ConfigEntry(e.getKey(), e.getValue().asText()),
                                AlterConfigOp.OpType.SET)));
        command.get("delete").forEach(
                name -> changes.add(
                        new AlterConfigOp(
                                new ConfigEntry(name.asText(), null), AlterConfigOp.OpType.DELETE)));
        admin().incrementalAlterConfigs(Map.of(resource, changes)).all().get(30, TimeUnit.SECONDS);
    }

    private void committed(JsonNode command, ObjectNode ok) throws Exception {
        Map<TopicPartition, OffsetAndMetadata> found =
                admin().listConsumerGroupOffsets(command.get("group").asText())
                        .partitionsToOffsetAndMetadata().get(30, TimeUnit.SECONDS);
        ArrayNode offsets = ok.putArray("offsets");
        found.entrySet().stream()
                .filter(e -> e.getValue() != null)
                .filter(e -> e.getKey().topic().equals(command.get("topic").asText()))
                .sorted((a, b) -> a.getKey().partition() - b.getKey().partition())
                .forEach(e -> offsets.addArray().add(e.getKey().partition()).add(e.getValue().offset()));
    }

    /** One member of a group, owned by a thread of its own. */
    private final class Member implements ConsumerRebalanceListener {
        private final ConcurrentLinkedQueue<CompletableFuture<Void>> commits =
                new ConcurrentLinkedQueue<>();
        private final Map<TopicPartition, OffsetAndMetadata> next = new HashMap<>();
        private final KafkaConsumer<byte[], byte[]> consumer;
        private final Thread thread;
        private ArrayNode records = JSON.createArrayNode();
        private Set<TopicPartition> assignment = Set.of();
        private int rebalances;
        private volatile boolean stopping;
        private volatile Throwable failure;

        private Member(JsonNode command) {
            Map<String, Object> config = new HashMap<>();
            config.put("bootstrap.servers", bootstrap);
            config.put("group.id", command.get("group").asText());
            config.put("group.protocol", "classic");
            config.put("auto.offset.reset", "earliest");
            config.put("enable.auto.commit", false);
            config.put("session.timeout.ms", command.get("session_timeout_ms").asInt());
            config.put("heartbeat.interval.ms", 300);
            config.put("metadata.max.age.ms", 1000);
            boolean cooperative = command.get("assignor").asText().equals("cooperative");
            config.put(
                    "partition.assignment.strategy",
                    "org.apache.kafka.clients.consumer."
                            + (cooperative ? "CooperativeStickyAssignor" : "RangeAssignor"));
            if (command.hasNonNull("instance_id")) {
                config.put("group.instance.id", command.get("instance_id").asText());
            }
            consumer =
                    new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer());
            List<String> topics = new ArrayList<>();
            command.get("topics").forEach(topic -> topics.add(topic.asText()));
            consumer.subscribe(topics, this);
            thread = new Thread(this::poll, "member");
            thread.setDaemon(true);
            thread.start();
        }

        private void poll() {
            try {
                while (!stopping) {
                    var batch = consumer.poll(Duration.ofMillis(50));
                    synchronized (this) {
                        for (ConsumerRecord<byte[], byte[]> record : batch) {
                            records.add(json(record));
                            next.put(
                                    new TopicPartition(record.topic(), record.partition()),
                                    new OffsetAndMetadata(record.offset() + 1));
                        }
                        assignment = Set.copyOf(consumer.assignment());
                    }
                    for (var request = commits.poll(); request != null; request = commits.poll()) {
                        try {
                            consumer.commitSync(Map.copyOf(next));
                            request.complete(null);
                        } catch (RuntimeException refused) {
                            request.completeExceptionally(refused);
                        }
                    }
                }
                consumer.close();
            } catch (Throwable fault) {
                failure = fault;
            }
        }

        @Override
        public synchronized void onPartitionsAssigned(Collection<TopicPartition> partitions) {
            rebalances++;
        }

        @Override
        public synchronized void onPartitionsRevoked(Collection<TopicPartition> partitions) {
            partitions.forEach(next::remove);
        }

        private synchronized void report(ObjectNode ok) throws Exception {
            check();
            ArrayNode partitions = ok.putArray("assignment");
            TreeSet<TopicPartition> sorted =
                    new TreeSet<>(
                            (a, b) -> {
                                int byTopic = a.topic().compareTo(b.topic());
                                return byTopic != 0 ? byTopic : a.partition() - b.partition();
                            });
            sorted.addAll(assignment);
            sorted.forEach(p -> partitions.addArray().add(p.topic()).add(p.partition()));
            ok.put("rebalances", rebalances);
            take(ok);
        }

        private void take(ObjectNode ok) {
            ok.set("records", records);
            records = JSON.createArrayNode();
        }

        private void check() throws Exception {
            if (failure != null) {
                throw new ExecutionException(failure);
            }
        }

        private void commit() throws Exception {
            CompletableFuture<Void> request = new CompletableFuture<>();
            commits.add(request);
            try {
                request.get(30, TimeUnit.SECONDS);
            } catch (TimeoutException timeout) {
                check();
                throw timeout;
            }
        }

        private void leave(ObjectNode ok) throws Exception {
            stopping = true;
            thread.join();
            check();
            synchronized (this) {
                take(ok);
            }
        }
    }
}
