// Package wire is the command protocol of ../../README.md.
package wire

import (
	"bufio"
	"encoding/json"
	"os"
	"runtime/debug"
	"sort"
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
	Partition         int32             `json:"partition"`
	Before            int64             `json:"before"`
	ReplicationFactor int16             `json:"replication_factor"`
	Configs           map[string]string `json:"configs"`
	Set               map[string]string `json:"set"`
	Delete            []string          `json:"delete"`
}

// Object is an answer, or a part of one.
type Object map[string]any

// Serve answers the commands on stdin until it ends. `nameOf` tells Kafka's name for an error, or
// an empty text.
func Serve(run func(*Command) (Object, error), nameOf func(error) string) {
	input := bufio.NewReader(os.Stdin)
	output := json.NewEncoder(os.Stdout)
	output.SetEscapeHTML(false)
	for {
		line, err := input.ReadBytes('\n')
		if err != nil {
			return
		}
		var command Command
		ok, err := Object(nil), json.Unmarshal(line, &command)
		if err == nil {
			ok, err = run(&command)
		}
		answer := Object{"id": command.ID}
		if err == nil {
			answer["ok"] = ok
		} else if name := nameOf(err); name != "" {
			answer["error"], answer["message"] = name, err.Error()
		} else {
			answer["error"], answer["message"] = "ERROR", err.Error()
		}
		if err := output.Encode(answer); err != nil {
			return
		}
	}
}

// Version is that of a module this program was built with.
func Version(module string) string {
	info, _ := debug.ReadBuildInfo()
	for _, found := range info.Deps {
		if found.Path == module {
			return found.Version
		}
	}
	return "unknown"
}

// Timestamp reads the `from` of a part when it is one.
func (p Part) Timestamp() (int64, error) {
	var at struct {
		Timestamp int64 `json:"timestamp"`
	}
	err := json.Unmarshal(p.From, &at)
	return at.Timestamp, err
}

// Assignment shows partitions by topic as a sorted list of pairs.
func Assignment[Partitions any](topics map[string]Partitions, list func(Partitions) []int32) [][]any {
	names := []string{}
	for name := range topics {
		names = append(names, name)
	}
	sort.Strings(names)
	shown := [][]any{}
	for _, name := range names {
		partitions := list(topics[name])
		sort.Slice(partitions, func(i, j int) bool { return partitions[i] < partitions[j] })
		for _, partition := range partitions {
			shown = append(shown, []any{name, partition})
		}
	}
	return shown
}
