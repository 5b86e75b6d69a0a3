// Driver drives sarama by the command protocol of ../../README.md.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"strom.test/driver/wire"
)

var codecs = map[string]sarama.CompressionCodec{
	"none":   sarama.CompressionNone,
	"gzip":   sarama.CompressionGZIP,
	"snappy": sarama.CompressionSnappy,
	"lz4":    sarama.CompressionLZ4,
	"zstd":   sarama.CompressionZSTD,
}

var acks = map[string]sarama.RequiredAcks{
	"all": sarama.WaitForAll, "1": sarama.WaitForLocal, "0": sarama.NoResponse,
}

type driver struct {
	addresses []string
	readers   map[string]*reader
	members   map[string]*member
	client    sarama.Client
}

func main() {
	d := &driver{
		addresses: []string{os.Args[1]},
		readers:   map[string]*reader{},
		members:   map[string]*member{},
	}
	wire.Serve(d.run, nameOf)
}

func (d *driver) run(c *wire.Command) (wire.Object, error) {
	switch c.Op {
	case "hello":
		return wire.Object{"client": "sarama", "version": wire.Version("github.com/IBM/sarama")}, nil
	case "produce":
		return d.produce(c)
	case "open":
		return d.open(c)
	case "read":
		return wire.Object{"records": d.readers[c.Handle].read(c)}, nil
	case "close":
		d.readers[c.Handle].close()
		delete(d.readers, c.Handle)
		return wire.Object{}, nil
	case "join":
		return wire.Object{}, d.join(c)
	case "member":
		return d.members[c.Handle].report()
	case "commit":
		return wire.Object{}, d.members[c.Handle].commit()
	case "leave":
		m := d.members[c.Handle]
		delete(d.members, c.Handle)
		return wire.Object{"records": m.leave()}, nil
	default:
		return d.administer(c)
	}
}

// nameOf tells Kafka's name for an error, which sarama gives as a sentence in Go's terms only.
func nameOf(err error) string {
	var code sarama.KError
	var created *sarama.TopicError
	var partitions *sarama.TopicPartitionError
	switch {
	case errors.As(err, &created):
		code = created.Err
	case errors.As(err, &partitions):
		code = partitions.Err
	case !errors.As(err, &code):
		return ""
	}
	if name, known := names[code]; known {
		return name
	}
	return fmt.Sprintf("KAFKA_%d", int16(code))
}

// The errors that the suite asks for by name.
var names = map[sarama.KError]string{
	sarama.ErrOffsetOutOfRange:        "OFFSET_OUT_OF_RANGE",
	sarama.ErrUnknownTopicOrPartition: "UNKNOWN_TOPIC_OR_PARTITION",
	sarama.ErrInvalidTopic:            "INVALID_TOPIC_EXCEPTION",
	sarama.ErrIllegalGeneration:       "ILLEGAL_GENERATION",
	sarama.ErrUnknownMemberId:         "UNKNOWN_MEMBER_ID",
	sarama.ErrRebalanceInProgress:     "REBALANCE_IN_PROGRESS",
	sarama.ErrTopicAlreadyExists:      "TOPIC_ALREADY_EXISTS",
	sarama.ErrInvalidPartitions:       "INVALID_PARTITIONS",
	sarama.ErrInvalidConfig:           "INVALID_CONFIG",
	sarama.ErrFencedInstancedId:       "FENCED_INSTANCE_ID",
}

func config() *sarama.Config {
	config := sarama.NewConfig()
	config.ClientID = "suite-sarama"
	config.Version = sarama.MaxVersion
	config.Metadata.RefreshFrequency = time.Second
	config.Metadata.Retry.Max = 40
	config.Metadata.AllowAutoTopicCreation = false
	config.Consumer.MaxWaitTime = 200 * time.Millisecond
	config.Consumer.Return.Errors = true
	config.Admin.Timeout = 20 * time.Second
	return config
}

// chosen takes the partition that a record names, and else asks the usual partitioner.
type chosen struct{ usual sarama.Partitioner }

func (p chosen) Partition(m *sarama.ProducerMessage, count int32) (int32, error) {
	if m.Partition >= 0 {
		return m.Partition, nil
	}
	return p.usual.Partition(m, count)
}

func (p chosen) RequiresConsistency() bool { return true }

func (d *driver) produce(c *wire.Command) (wire.Object, error) {
	config := config()
	config.Metadata.AllowAutoTopicCreation = true
	config.Producer.Compression = codecs[c.Codec]
	config.Producer.RequiredAcks = acks[c.Acks]
	config.Producer.Idempotent = c.Idempotent
	if c.Idempotent {
		config.Net.MaxOpenRequests = 1
	}
	config.Producer.Flush.Frequency = 5 * time.Millisecond
	config.Producer.Return.Successes = true
	config.Producer.Partitioner = func(topic string) sarama.Partitioner {
		return chosen{sarama.NewHashPartitioner(topic)}
	}
	producer, err := sarama.NewSyncProducer(d.addresses, config)
	if err != nil {
		return nil, err
	}
	defer producer.Close()
	messages := []*sarama.ProducerMessage{}
	for _, record := range c.Records {
		messages = append(messages, messageOf(c.Topic, record))
	}
	if err := producer.SendMessages(messages); err != nil {
		var failures sarama.ProducerErrors
		if errors.As(err, &failures) {
			err = failures[0].Err
		}
		return nil, err
	}
	offsets := []int64{}
	for _, message := range messages {
		if c.Acks == "0" {
			message.Offset = -1
		}
		offsets = append(offsets, message.Offset)
	}
	return wire.Object{"offsets": offsets}, nil
}

func messageOf(topic string, record wire.Record) *sarama.ProducerMessage {
	message := &sarama.ProducerMessage{Topic: topic, Partition: -1}
	// An encoder of no bytes is not the same as no encoder.
	if record.Key != nil {
		message.Key = sarama.ByteEncoder(record.Key)
	}
	if record.Value != nil {
		message.Value = sarama.ByteEncoder(record.Value)
	}
	for _, header := range record.Headers {
		name := []byte(header.Name)
		message.Headers = append(message.Headers, sarama.RecordHeader{Key: name, Value: header.Value})
	}
	if record.Timestamp != nil {
		message.Timestamp = time.UnixMilli(*record.Timestamp)
	}
	if record.Partition != nil {
		message.Partition = *record.Partition
	}
	return message
}

func shown(m *sarama.ConsumerMessage) wire.Record {
	timestamp := m.Timestamp.UnixMilli()
	headers := []wire.Header{}
	for _, header := range m.Headers {
		headers = append(headers, wire.Header{Name: string(header.Key), Value: header.Value})
	}
	return wire.Record{
		Topic: m.Topic, Partition: &m.Partition, Offset: m.Offset, Timestamp: &timestamp,
		Key: m.Key, Value: m.Value, Headers: headers,
	}
}

// shared is the client of questions and administration.
func (d *driver) shared() (sarama.Client, error) {
	if d.client == nil {
		client, err := sarama.NewClient(d.addresses, config())
		if err != nil {
			return nil, err
		}
		d.client = client
	}
	return d.client, nil
}

// position resolves a part's `from` by ListOffsets.
func (d *driver) position(part wire.Part) (int64, error) {
	var number int64
	if json.Unmarshal(part.From, &number) == nil {
		return number, nil
	}
	client, err := d.shared()
	if err != nil {
		return 0, err
	}
	switch string(part.From) {
	case `"beginning"`:
		return client.GetOffset(part.Topic, part.Partition, sarama.OffsetOldest)
	case `"end"`:
		return client.GetOffset(part.Topic, part.Partition, sarama.OffsetNewest)
	}
	timestamp, err := part.Timestamp()
	if err != nil {
		return 0, err
	}
	found, err := client.GetOffset(part.Topic, part.Partition, timestamp)
	if err == nil && found < 0 {
		return client.GetOffset(part.Topic, part.Partition, sarama.OffsetNewest)
	}
	return found, err
}

// reader gathers the messages of several partitions.
type reader struct {
	consumer sarama.Consumer
	messages chan *sarama.ConsumerMessage
	stop     chan struct{}
	stopped  sync.WaitGroup
}

func (d *driver) open(c *wire.Command) (wire.Object, error) {
	consumer, err := sarama.NewConsumer(d.addresses, config())
	if err != nil {
		return nil, err
	}
	r := &reader{
		consumer: consumer,
		messages: make(chan *sarama.ConsumerMessage),
		stop:     make(chan struct{}),
	}
	positions := []int64{}
	for _, part := range c.Parts {
		position, err := d.position(part)
		if err == nil {
			positions = append(positions, position)
			err = r.follow(part, position)
		}
		if err != nil {
			r.close()
			return nil, err
		}
	}
	d.readers[c.Handle] = r
	return wire.Object{"positions": positions}, nil
}

func (r *reader) follow(part wire.Part, position int64) error {
	partition, err := r.consumer.ConsumePartition(part.Topic, part.Partition, position)
	if err != nil {
		return err
	}
	r.stopped.Add(1)
	go func() {
		defer r.stopped.Done()
		defer partition.AsyncClose()
		for {
			select {
			case message := <-partition.Messages():
				select {
				case r.messages <- message:
				case <-r.stop:
					return
				}
			case fault := <-partition.Errors():
				fmt.Fprintln(os.Stderr, "reader:", fault)
			case <-r.stop:
				return
			}
		}
	}()
	return nil
}

func (r *reader) read(c *wire.Command) []wire.Record {
	records := []wire.Record{}
	limit := time.After(time.Duration(c.TimeoutMs) * time.Millisecond)
	for len(records) < c.Count {
		select {
		case message := <-r.messages:
			records = append(records, shown(message))
		case <-limit:
			return records
		}
	}
	return records
}

func (r *reader) close() {
	close(r.stop)
	r.stopped.Wait()
	r.consumer.Close()
}

func (d *driver) administer(c *wire.Command) (wire.Object, error) {
	client, err := d.shared()
	if err != nil {
		return nil, err
	}
	// Closing it would close the client.
	admin, err := sarama.NewClusterAdminFromClient(client)
	if err != nil {
		return nil, err
	}
	switch c.Op {
	case "create_topic":
		detail := &sarama.TopicDetail{
			NumPartitions: c.Partitions, ReplicationFactor: c.ReplicationFactor,
			ConfigEntries: pointers(c.Configs),
		}
		return wire.Object{}, admin.CreateTopic(c.Topic, detail, false)
	case "delete_topic":
		return wire.Object{}, admin.DeleteTopic(c.Topic)
	case "topics":
		found, err := admin.DescribeTopics(nil)
		topics := map[string]int{}
		for _, topic := range found {
			topics[topic.Name] = len(topic.Partitions)
		}
		return wire.Object{"topics": topics}, err
	case "describe_topic_config":
		resource := sarama.ConfigResource{Type: sarama.TopicResource, Name: c.Topic}
		found, err := admin.DescribeConfig(resource)
		configs := map[string]string{}
		for _, entry := range found {
			configs[entry.Name] = entry.Value
		}
		return wire.Object{"configs": configs}, err
	case "alter_topic_config":
		changes := map[string]sarama.IncrementalAlterConfigsEntry{}
		for name, value := range pointers(c.Set) {
			changes[name] = sarama.IncrementalAlterConfigsEntry{
				Operation: sarama.IncrementalAlterConfigsOperationSet, Value: value,
			}
		}
		for _, name := range c.Delete {
			changes[name] = sarama.IncrementalAlterConfigsEntry{
				Operation: sarama.IncrementalAlterConfigsOperationDelete,
			}
		}
		return wire.Object{}, admin.IncrementalAlterConfig(sarama.TopicResource, c.Topic, changes, false)
	case "create_partitions":
		return wire.Object{}, admin.CreatePartitions(c.Topic, int32(c.Count), nil, false)
	case "delete_records":
		return wire.Object{}, admin.DeleteRecords(c.Topic, map[int32]int64{c.Partition: c.Before})
	case "groups":
		found, err := admin.ListConsumerGroups()
		groups := []string{}
		for group := range found {
			groups = append(groups, group)
		}
		return wire.Object{"groups": groups}, err
	case "committed":
		return committed(admin, c)
	}
	return nil, fmt.Errorf("unknown op %q", c.Op)
}

func pointers(values map[string]string) map[string]*string {
	found := map[string]*string{}
	for name, value := range values {
		found[name] = &value
	}
	return found
}

func committed(admin sarama.ClusterAdmin, c *wire.Command) (wire.Object, error) {
	found, err := admin.ListConsumerGroupOffsets(c.Group, nil)
	if err != nil {
		return nil, err
	}
	if found.Err != sarama.ErrNoError {
		return nil, found.Err
	}
	offsets := [][]int64{}
	for partition, block := range found.Blocks[c.Topic] {
		if block.Offset >= 0 {
			offsets = append(offsets, []int64{int64(partition), block.Offset})
		}
	}
	return wire.Object{"offsets": offsets}, nil
}

// member is one member of a group, consuming in goroutines of its own.
type member struct {
	group sarama.ConsumerGroup
	lock  sync.Mutex
	// The present session, nil between two.
	session    sarama.ConsumerGroupSession
	records    []*sarama.ConsumerMessage
	rebalances int
	failure    error
	// Why commits failed, until the next commit asks.
	faults  []error
	stop    context.CancelFunc
	stopped chan struct{}
}

func (d *driver) join(c *wire.Command) error {
	config := config()
	session := time.Duration(c.SessionTimeoutMs) * time.Millisecond
	config.Consumer.Group.Session.Timeout = session
	config.Consumer.Group.Rebalance.Timeout = session
	config.Consumer.Group.Heartbeat.Interval = 300 * time.Millisecond
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Offsets.AutoCommit.Enable = false
	strategy := sarama.NewBalanceStrategyRange()
	if c.Assignor == "cooperative" {
		strategy = sarama.NewBalanceStrategyCooperativeSticky()
	}
	config.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{strategy}
	if c.InstanceID != nil {
		config.Consumer.Group.InstanceId = *c.InstanceID
	}
	group, err := sarama.NewConsumerGroup(d.addresses, c.Group, config)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	m := &member{group: group, stop: stop, stopped: make(chan struct{})}
	d.members[c.Handle] = m
	go m.watch()
	go m.consume(ctx, c.Topics)
	return nil
}

func (m *member) watch() {
	for fault := range m.group.Errors() {
		fmt.Fprintln(os.Stderr, "member:", fault)
		m.lock.Lock()
		m.faults = append(m.faults, fault)
		m.lock.Unlock()
	}
}

func (m *member) consume(ctx context.Context, topics []string) {
	defer close(m.stopped)
	for ctx.Err() == nil {
		err := m.group.Consume(ctx, topics, m)
		if errors.Is(err, sarama.ErrFencedInstancedId) {
			m.lock.Lock()
			m.failure = err
			m.lock.Unlock()
			return
		}
		if err != nil {
			// Consuming goes on after a lost session or broker.
			fmt.Fprintln(os.Stderr, "member:", err)
		}
	}
}

// Setup, Cleanup and ConsumeClaim are sarama's view of a member.
func (m *member) Setup(session sarama.ConsumerGroupSession) error {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.session = session
	m.rebalances++
	return nil
}

// Cleanup ends a session.
func (m *member) Cleanup(sarama.ConsumerGroupSession) error {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.session = nil
	return nil
}

// ConsumeClaim reads one partition until it is taken away.
func (m *member) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case message, open := <-claim.Messages():
			if !open {
				return nil
			}
			m.lock.Lock()
			m.records = append(m.records, message)
			m.lock.Unlock()
		case <-session.Context().Done():
			return nil
		}
	}
}

// take hands out what came, and marks it for the next commit.
func (m *member) take() []wire.Record {
	taken := []wire.Record{}
	for _, message := range m.records {
		taken = append(taken, shown(message))
		if m.session != nil {
			// It heeds claimed partitions only.
			m.session.MarkMessage(message, "")
		}
	}
	m.records = nil
	return taken
}

func (m *member) report() (wire.Object, error) {
	m.lock.Lock()
	defer m.lock.Unlock()
	if m.failure != nil {
		return nil, m.failure
	}
	claims := map[string][]int32{}
	if m.session != nil {
		for topic, partitions := range m.session.Claims() {
			claims[topic] = append([]int32{}, partitions...)
		}
	}
	assignment := wire.Assignment(claims, func(held []int32) []int32 { return held })
	return wire.Object{"assignment": assignment, "rebalances": m.rebalances, "records": m.take()}, nil
}

// commit waits for the answer, whose error goes to the group's errors.
func (m *member) commit() error {
	m.lock.Lock()
	session := m.session
	m.faults = nil
	m.lock.Unlock()
	if session == nil {
		return nil
	}
	session.Commit()
	m.lock.Lock()
	defer m.lock.Unlock()
	return errors.Join(m.faults...)
}

func (m *member) leave() []wire.Record {
	m.stop()
	<-m.stopped
	if err := m.group.Close(); err != nil && !strings.Contains(err.Error(), "closed") {
		fmt.Fprintln(os.Stderr, "member:", err)
	}
	m.lock.Lock()
	defer m.lock.Unlock()
	return m.take()
}
