// Driver drives franz-go by the command protocol of ../README.md.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"strom.test/driver/wire"
)

type driver struct {
	bootstrap string
	readers   map[string]*kgo.Client
	members   map[string]*member
	client    *kgo.Client
}

func main() {
	d := &driver{
		bootstrap: os.Args[1],
		readers:   map[string]*kgo.Client{},
		members:   map[string]*member{},
	}
	wire.Serve(d.run, func(err error) string {
		var known *kerr.Error
		if errors.As(err, &known) {
			return known.Message
		}
		return ""
	})
}

func (d *driver) run(c *wire.Command) (wire.Object, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	switch c.Op {
	case "hello":
		return wire.Object{"client": "franz-go", "version": wire.Version("github.com/twmb/franz-go")}, nil
	case "produce":
		return d.produce(ctx, c)
	case "open":
		return d.open(ctx, c)
	case "read":
		return d.read(c)
	case "close":
		d.readers[c.Handle].Close()
		delete(d.readers, c.Handle)
		return wire.Object{}, nil
	case "join":
		return d.join(c)
	case "member":
		return d.members[c.Handle].report()
	case "commit":
		return d.members[c.Handle].commit(ctx)
	case "leave":
		return d.leave(c)
	default:
		return d.administer(ctx, c)
	}
}

func (d *driver) produce(ctx context.Context, c *wire.Command) (wire.Object, error) {
	codec := map[string]kgo.CompressionCodec{
		"none":   kgo.NoCompression(),
		"gzip":   kgo.GzipCompression(),
		"snappy": kgo.SnappyCompression(),
		"lz4":    kgo.Lz4Compression(),
		"zstd":   kgo.ZstdCompression(),
	}[c.Codec]
	acks := map[string]kgo.Acks{"all": kgo.AllISRAcks(), "1": kgo.LeaderAck(), "0": kgo.NoAck()}[c.Acks]
	options := []kgo.Opt{
		kgo.SeedBrokers(d.bootstrap),
		kgo.ProducerBatchCompression(codec),
		kgo.RequiredAcks(acks),
		kgo.ProducerLinger(5 * time.Millisecond),
		kgo.RecordPartitioner(chosen{kgo.StickyKeyPartitioner(nil)}),
		kgo.AllowAutoTopicCreation(),
	}
	if !c.Idempotent {
		options = append(options, kgo.DisableIdempotentWrite())
	}
	client, err := kgo.NewClient(options...)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	offsets := make([]int64, len(c.Records))
	var lock sync.Mutex
	var failure error
	for index, record := range c.Records {
		sent := &kgo.Record{Topic: c.Topic, Key: record.Key, Value: record.Value, Partition: -1}
		for _, header := range record.Headers {
			sent.Headers = append(sent.Headers, kgo.RecordHeader{Key: header.Name, Value: header.Value})
		}
		if record.Timestamp != nil {
			sent.Timestamp = time.UnixMilli(*record.Timestamp)
		}
		if record.Partition != nil {
			sent.Partition = *record.Partition
		}
		client.Produce(ctx, sent, func(done *kgo.Record, err error) {
			lock.Lock()
			defer lock.Unlock()
			if err != nil && failure == nil {
				failure = err
			}
			offsets[index] = done.Offset
			if c.Acks == "0" {
				offsets[index] = -1
			}
		})
	}
	if err := client.Flush(ctx); err != nil {
		return nil, err
	}
	lock.Lock()
	defer lock.Unlock()
	return wire.Object{"offsets": offsets}, failure
}

// chosen takes the partition that a record names, and else asks the usual partitioner.
type chosen struct{ usual kgo.Partitioner }

func (p chosen) ForTopic(topic string) kgo.TopicPartitioner {
	return chosenTopic{p.usual.ForTopic(topic)}
}

type chosenTopic struct{ usual kgo.TopicPartitioner }

func (p chosenTopic) RequiresConsistency(r *kgo.Record) bool {
	return r.Partition >= 0 || p.usual.RequiresConsistency(r)
}

func (p chosenTopic) Partition(r *kgo.Record, n int) int {
	if r.Partition >= 0 {
		return int(r.Partition)
	}
	return p.usual.Partition(r, n)
}

func (d *driver) administrator() (*kadm.Client, error) {
	if d.client == nil {
		client, err := kgo.NewClient(kgo.SeedBrokers(d.bootstrap), kgo.MetadataMinAge(50*time.Millisecond))
		if err != nil {
			return nil, err
		}
		d.client = client
	}
	return kadm.NewClient(d.client), nil
}

// position resolves a part's `from` by ListOffsets.
func (d *driver) position(ctx context.Context, part wire.Part) (int64, error) {
	var number int64
	if json.Unmarshal(part.From, &number) == nil {
		return number, nil
	}
	admin, err := d.administrator()
	if err != nil {
		return 0, err
	}
	var listed kadm.ListedOffsets
	switch {
	case string(part.From) == `"beginning"`:
		listed, err = admin.ListStartOffsets(ctx, part.Topic)
	case string(part.From) == `"end"`:
		listed, err = admin.ListEndOffsets(ctx, part.Topic)
	default:
		timestamp, failure := part.Timestamp()
		if failure != nil {
			return 0, failure
		}
		listed, err = admin.ListOffsetsAfterMilli(ctx, timestamp, part.Topic)
	}
	if err != nil {
		return 0, err
	}
	found, ok := listed.Lookup(part.Topic, part.Partition)
	if !ok {
		return 0, fmt.Errorf("no offset of %s %d", part.Topic, part.Partition)
	}
	return found.Offset, found.Err
}

func (d *driver) open(ctx context.Context, c *wire.Command) (wire.Object, error) {
	positions := []int64{}
	partitions := map[string]map[int32]kgo.Offset{}
	for _, part := range c.Parts {
		position, err := d.position(ctx, part)
		if err != nil {
			return nil, err
		}
		positions = append(positions, position)
		if partitions[part.Topic] == nil {
			partitions[part.Topic] = map[int32]kgo.Offset{}
		}
		partitions[part.Topic][part.Partition] = kgo.NewOffset().At(position)
	}
	options := []kgo.Opt{
		kgo.SeedBrokers(d.bootstrap),
		kgo.ConsumePartitions(partitions),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchMaxWait(500 * time.Millisecond),
	}
	if c.Create {
		options = append(options, kgo.AllowAutoTopicCreation())
	}
	client, err := kgo.NewClient(options...)
	if err != nil {
		return nil, err
	}
	d.readers[c.Handle] = client
	return wire.Object{"positions": positions}, nil
}

func (d *driver) read(c *wire.Command) (wire.Object, error) {
	limit := time.Duration(c.TimeoutMs) * time.Millisecond
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	records := []wire.Record{}
	for len(records) < c.Count && ctx.Err() == nil {
		fetches := d.readers[c.Handle].PollRecords(ctx, c.Count-len(records))
		if err := faultOf(fetches); err != nil {
			return nil, err
		}
		fetches.EachRecord(func(r *kgo.Record) { records = append(records, read(r)) })
	}
	return wire.Object{"records": records}, nil
}

// faultOf is the first error of a poll that is not its time limit.
func faultOf(fetches kgo.Fetches) error {
	for _, fault := range fetches.Errors() {
		if !errors.Is(fault.Err, context.DeadlineExceeded) && !errors.Is(fault.Err, context.Canceled) {
			return fault.Err
		}
	}
	return nil
}

func read(r *kgo.Record) wire.Record {
	timestamp := r.Timestamp.UnixMilli()
	headers := []wire.Header{}
	for _, header := range r.Headers {
		headers = append(headers, wire.Header{header.Key, header.Value})
	}
	return wire.Record{r.Topic, &r.Partition, r.Offset, &timestamp, r.Key, r.Value, headers}
}

// member is one member of a group, polled by a goroutine of its own.
type member struct {
	client     *kgo.Client
	lock       sync.Mutex
	records    []wire.Record
	next       map[string]map[int32]kgo.EpochOffset
	assigned   map[string]map[int32]bool
	rebalances int
	failure    error
	stop       context.CancelFunc
	stopped    chan struct{}
}

func (d *driver) join(c *wire.Command) (wire.Object, error) {
	m := &member{
		records:  []wire.Record{},
		next:     map[string]map[int32]kgo.EpochOffset{},
		assigned: map[string]map[int32]bool{},
		stopped:  make(chan struct{}),
	}
	balancer := kgo.RangeBalancer()
	if c.Assignor == "cooperative" {
		balancer = kgo.CooperativeStickyBalancer()
	}
	options := []kgo.Opt{
		kgo.SeedBrokers(d.bootstrap),
		kgo.ConsumerGroup(c.Group),
		kgo.ConsumeTopics(c.Topics...),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.Balancers(balancer),
		kgo.DisableAutoCommit(),
		kgo.SessionTimeout(time.Duration(c.SessionTimeoutMs) * time.Millisecond),
		kgo.HeartbeatInterval(300 * time.Millisecond),
		kgo.MetadataMaxAge(time.Second),
		kgo.MetadataMinAge(250 * time.Millisecond),
		kgo.FetchMaxWait(200 * time.Millisecond),
		kgo.OnPartitionsAssigned(m.onAssigned),
		kgo.OnPartitionsRevoked(m.onRevoked),
		kgo.OnPartitionsLost(m.onRevoked),
	}
	if c.InstanceID != nil {
		options = append(options, kgo.InstanceID(*c.InstanceID))
	}
	client, err := kgo.NewClient(options...)
	if err != nil {
		return nil, err
	}
	m.client = client
	var ctx context.Context
	ctx, m.stop = context.WithCancel(context.Background())
	d.members[c.Handle] = m
	go m.poll(ctx)
	return wire.Object{}, nil
}

func (m *member) onAssigned(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.rebalances++
	for topic, list := range partitions {
		if m.assigned[topic] == nil {
			m.assigned[topic] = map[int32]bool{}
		}
		for _, partition := range list {
			m.assigned[topic][partition] = true
		}
	}
}

func (m *member) onRevoked(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
	m.lock.Lock()
	defer m.lock.Unlock()
	for topic, list := range partitions {
		for _, partition := range list {
			delete(m.assigned[topic], partition)
			delete(m.next[topic], partition)
		}
	}
}

func (m *member) poll(ctx context.Context) {
	defer close(m.stopped)
	for ctx.Err() == nil {
		fetches := m.client.PollFetches(ctx)
		m.lock.Lock()
		if err := faultOf(fetches); err != nil && !kerr.IsRetriable(err) {
			// The client goes on by itself after a lost session; anything else shows up as
			// missing records, and here.
			fmt.Fprintln(os.Stderr, "member:", err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			m.records = append(m.records, read(r))
			if m.next[r.Topic] == nil {
				m.next[r.Topic] = map[int32]kgo.EpochOffset{}
			}
			m.next[r.Topic][r.Partition] = kgo.EpochOffset{Epoch: r.LeaderEpoch, Offset: r.Offset + 1}
		})
		m.lock.Unlock()
	}
}

func (m *member) take() []wire.Record {
	taken := m.records
	m.records = []wire.Record{}
	return taken
}

func (m *member) report() (wire.Object, error) {
	m.lock.Lock()
	defer m.lock.Unlock()
	assignment := wire.Assignment(m.assigned, func(held map[int32]bool) []int32 {
		return slices.Collect(maps.Keys(held))
	})
	return wire.Object{"assignment": assignment, "rebalances": m.rebalances, "records": m.take()}, nil
}

func (m *member) commit(ctx context.Context) (wire.Object, error) {
	m.lock.Lock()
	offsets := map[string]map[int32]kgo.EpochOffset{}
	for topic, partitions := range m.next {
		offsets[topic] = map[int32]kgo.EpochOffset{}
		for partition, offset := range partitions {
			offsets[topic][partition] = offset
		}
	}
	m.lock.Unlock()
	var failure error
	m.client.CommitOffsetsSync(ctx, offsets,
		func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, response *kmsg.OffsetCommitResponse, err error) {
			failure = err
			if response == nil {
				return
			}
			for _, topic := range response.Topics {
				for _, partition := range topic.Partitions {
					if err := kerr.ErrorForCode(partition.ErrorCode); err != nil && failure == nil {
						failure = err
					}
				}
			}
		})
	return wire.Object{}, failure
}

func (d *driver) leave(c *wire.Command) (wire.Object, error) {
	m := d.members[c.Handle]
	delete(d.members, c.Handle)
	m.stop()
	<-m.stopped
	m.client.Close()
	return wire.Object{"records": m.take()}, nil
}

func (d *driver) administer(ctx context.Context, c *wire.Command) (wire.Object, error) {
	admin, err := d.administrator()
	if err != nil {
		return nil, err
	}
	switch c.Op {
	case "create_topic":
		configs := map[string]*string{}
		for name, value := range c.Configs {
			configs[name] = &value
		}
		_, err := admin.CreateTopic(ctx, c.Partitions, c.ReplicationFactor, configs, c.Topic)
		return wire.Object{}, err
	case "delete_topic":
		_, err := admin.DeleteTopic(ctx, c.Topic)
		return wire.Object{}, err
	case "topics":
		found, err := admin.ListTopicsWithInternal(ctx)
		topics := map[string]int{}
		for name, topic := range found {
			topics[name] = len(topic.Partitions)
		}
		return wire.Object{"topics": topics}, err
	case "describe_topic_config":
		found, err := admin.DescribeTopicConfigs(ctx, c.Topic)
		if err != nil {
			return nil, err
		}
		configs := map[string]*string{}
		for _, resource := range found {
			if resource.Err != nil {
				return nil, resource.Err
			}
			for _, config := range resource.Configs {
				configs[config.Key] = config.Value
			}
		}
		return wire.Object{"configs": configs}, nil
	case "alter_topic_config":
		changes := []kadm.AlterConfig{}
		for name, value := range c.Set {
			changes = append(changes, kadm.AlterConfig{Op: kadm.SetConfig, Name: name, Value: &value})
		}
		for _, name := range c.Delete {
			changes = append(changes, kadm.AlterConfig{Op: kadm.DeleteConfig, Name: name})
		}
		answers, err := admin.AlterTopicConfigs(ctx, changes, c.Topic)
		for _, answer := range answers {
			err = errors.Join(err, answer.Err)
		}
		return wire.Object{}, err
	case "create_partitions":
		answers, err := admin.UpdatePartitions(ctx, c.Count, c.Topic)
		return wire.Object{}, errors.Join(err, answers.Error())
	case "delete_records":
		before := kadm.Offsets{}
		before.Add(kadm.Offset{Topic: c.Topic, Partition: c.Partition, At: c.Before})
		answers, err := admin.DeleteRecords(ctx, before)
		return wire.Object{}, errors.Join(err, answers.Error())
	case "groups":
		found, err := admin.ListGroups(ctx)
		return wire.Object{"groups": found.Groups()}, err
	case "committed":
		found, err := admin.FetchOffsets(ctx, c.Group)
		offsets := [][]int64{}
		for _, offset := range found.Sorted() {
			if offset.Topic == c.Topic && offset.At >= 0 {
				offsets = append(offsets, []int64{int64(offset.Partition), offset.At})
			}
		}
		return wire.Object{"offsets": offsets}, err
	}
	return nil, fmt.Errorf("unknown op %q", c.Op)
}
