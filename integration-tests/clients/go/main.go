// Driver drives franz-go by the command protocol of ../README.md.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"sort"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Part is a place to begin reading at.
type Part struct {
	Topic     string          `json:"topic"`
	Partition int32           `json:"partition"`
	From      json.RawMessage `json:"from"`
}

// Record is a record to produce or one that was read; byte slices are base64 or null.
type Record struct {
	Topic     string   `json:"topic,omitempty"`
	Partition *int32   `json:"partition"`
	Offset    int64    `json:"offset"`
	Timestamp *int64   `json:"timestamp"`
	Key       []byte   `json:"key"`
	Value     []byte   `json:"value"`
	Headers   []Header `json:"headers"`
}

// Header is a pair of name and value.
type Header struct {
	Name  string
	Value []byte
}

// UnmarshalJSON reads a list of two.
func (h *Header) UnmarshalJSON(data []byte) error {
	return json.Unmarshal(data, &[]any{&h.Name, &h.Value})
}

// MarshalJSON writes a list of two.
func (h Header) MarshalJSON() ([]byte, error) {
	return json.Marshal([]any{h.Name, h.Value})
}

// Command holds the arguments of every operation.
type Command struct {
	ID                uint64            `json:"id"`
	Op                string            `json:"op"`
	Topic             string            `json:"topic"`
	Topics            []string          `json:"topics"`
	Codec             string            `json:"codec"`
	Acks              string            `json:"acks"`
	Idempotent        bool              `json:"idempotent"`
	Records           []Record          `json:"records"`
	Handle            string            `json:"handle"`
	Parts             []Part            `json:"parts"`
	Create            bool              `json:"create"`
	Count             int               `json:"count"`
	TimeoutMs         int               `json:"timeout_ms"`
	Group             string            `json:"group"`
	Assignor          string            `json:"assignor"`
	SessionTimeoutMs  int               `json:"session_timeout_ms"`
	InstanceID        *string           `json:"instance_id"`
	Partitions        int32             `json:"partitions"`
	ReplicationFactor int16             `json:"replication_factor"`
	Configs           map[string]string `json:"configs"`
}

type object map[string]any

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
	input := bufio.NewReader(os.Stdin)
	output := json.NewEncoder(os.Stdout)
	output.SetEscapeHTML(false)
	for {
		line, err := input.ReadBytes('\n')
		if err != nil {
			return
		}
		var command Command
		answer := object{}
		ok, err := object(nil), json.Unmarshal(line, &command)
		if err == nil {
			ok, err = d.run(&command)
		}
		answer["id"] = command.ID
		var known *kerr.Error
		switch {
		case err == nil:
			answer["ok"] = ok
		case errors.As(err, &known):
			answer["error"], answer["message"] = known.Message, err.Error()
		default:
			answer["error"], answer["message"] = "ERROR", err.Error()
		}
		if err := output.Encode(answer); err != nil {
			return
		}
	}
}

func (d *driver) run(c *Command) (object, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	switch c.Op {
	case "hello":
		return object{"client": "franz-go", "version": version()}, nil
	case "produce":
		return d.produce(ctx, c)
	case "open":
		return d.open(ctx, c)
	case "read":
		return d.read(c)
	case "close":
		d.readers[c.Handle].Close()
		delete(d.readers, c.Handle)
		return object{}, nil
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

func version() string {
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		if module.Path == "github.com/twmb/franz-go" {
			return module.Version
		}
	}
	return "unknown"
}

func (d *driver) produce(ctx context.Context, c *Command) (object, error) {
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
	return object{"offsets": offsets}, failure
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
func (d *driver) position(ctx context.Context, part Part) (int64, error) {
	var number int64
	if json.Unmarshal(part.From, &number) == nil {
		return number, nil
	}
	admin, err := d.administrator()
	if err != nil {
		return 0, err
	}
	var listed kadm.ListedOffsets
	var at struct {
		Timestamp int64 `json:"timestamp"`
	}
	switch {
	case string(part.From) == `"beginning"`:
		listed, err = admin.ListStartOffsets(ctx, part.Topic)
	case string(part.From) == `"end"`:
		listed, err = admin.ListEndOffsets(ctx, part.Topic)
	default:
		if err := json.Unmarshal(part.From, &at); err != nil {
			return 0, err
		}
		listed, err = admin.ListOffsetsAfterMilli(ctx, at.Timestamp, part.Topic)
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

func (d *driver) open(ctx context.Context, c *Command) (object, error) {
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
	return object{"positions": positions}, nil
}

func (d *driver) read(c *Command) (object, error) {
	limit := time.Duration(c.TimeoutMs) * time.Millisecond
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	records := []Record{}
	for len(records) < c.Count && ctx.Err() == nil {
		fetches := d.readers[c.Handle].PollRecords(ctx, c.Count-len(records))
		if err := faultOf(fetches); err != nil {
			return nil, err
		}
		fetches.EachRecord(func(r *kgo.Record) { records = append(records, read(r)) })
	}
	return object{"records": records}, nil
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

func read(r *kgo.Record) Record {
	timestamp := r.Timestamp.UnixMilli()
	headers := []Header{}
	for _, header := range r.Headers {
		headers = append(headers, Header{header.Key, header.Value})
	}
	return Record{r.Topic, &r.Partition, r.Offset, &timestamp, r.Key, r.Value, headers}
}

// member is one member of a group, polled by a goroutine of its own.
type member struct {
	client     *kgo.Client
	lock       sync.Mutex
	records    []Record
	next       map[string]map[int32]kgo.EpochOffset
	assigned   map[string]map[int32]bool
	rebalances int
	failure    error
	stop       context.CancelFunc
	stopped    chan struct{}
}

func (d *driver) join(c *Command) (object, error) {
	m := &member{
		records:  []Record{},
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
	return object{}, nil
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

func (m *member) take() []Record {
	taken := m.records
	m.records = []Record{}
	return taken
}

func (m *member) report() (object, error) {
	m.lock.Lock()
	defer m.lock.Unlock()
	assignment := [][]any{}
	for topic, partitions := range m.assigned {
		for partition := range partitions {
			assignment = append(assignment, []any{topic, partition})
		}
	}
	sort.Slice(assignment, func(i, j int) bool {
		a, b := assignment[i], assignment[j]
		if a[0].(string) != b[0].(string) {
			return a[0].(string) < b[0].(string)
		}
		return a[1].(int32) < b[1].(int32)
	})
	return object{"assignment": assignment, "rebalances": m.rebalances, "records": m.take()}, nil
}

func (m *member) commit(ctx context.Context) (object, error) {
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
	return object{}, failure
}

func (d *driver) leave(c *Command) (object, error) {
	m := d.members[c.Handle]
	delete(d.members, c.Handle)
	m.stop()
	<-m.stopped
	m.client.Close()
	return object{"records": m.take()}, nil
}

func (d *driver) administer(ctx context.Context, c *Command) (object, error) {
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
		return object{}, err
	case "delete_topic":
		_, err := admin.DeleteTopic(ctx, c.Topic)
		return object{}, err
	case "topics":
		found, err := admin.ListTopicsWithInternal(ctx)
		topics := map[string]int{}
		for name, topic := range found {
			topics[name] = len(topic.Partitions)
		}
		return object{"topics": topics}, err
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
		return object{"configs": configs}, nil
	case "groups":
		found, err := admin.ListGroups(ctx)
		return object{"groups": found.Groups()}, err
	case "committed":
		found, err := admin.FetchOffsets(ctx, c.Group)
		offsets := [][]int64{}
		for _, offset := range found.Sorted() {
			if offset.Topic == c.Topic && offset.At >= 0 {
				offsets = append(offsets, []int64{int64(offset.Partition), offset.At})
			}
		}
		return object{"offsets": offsets}, err
	}
	return nil, fmt.Errorf("unknown op %q", c.Op)
}
