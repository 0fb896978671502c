//go:build !wasip1

package host

import (
	"sync"
	"time"
)

// Line is a line in the log.
type Line struct {
	Level   uint8
	Message string
}

// Metric is what was added to, set or observed, call by call.
type Metric struct {
	Kind, Name string
	Labels     [][2]string
	Value      float64
}

// Answers are the tables and the state that a test has. Without them, both are unavailable.
type Answers interface {
	Find(table string, keys []byte, fields []string) ([]byte, int)
	Get(keys []byte) ([]byte, int)
	Put(keys, values []byte, ttlMs uint32) int
	Add(keys, deltas []byte, ttlMs uint32) ([]byte, int)
}

// Tests is what the functions of `lookup` and `state` ask.
var Tests Answers

// The number of `unavailable` among the contract's failures.
const unavailable = 4

// Find is the contract's `lookup.find`.
func Find(table string, keys []byte, fields []string) ([]byte, int) {
	if Tests == nil {
		return nil, unavailable
	}
	return Tests.Find(table, keys, fields)
}

// StateGet is the contract's `state.get`.
func StateGet(keys []byte) ([]byte, int) {
	if Tests == nil {
		return nil, unavailable
	}
	return Tests.Get(keys)
}

// StatePut is the contract's `state.put`.
func StatePut(keys, values []byte, ttlMs uint32) int {
	if Tests == nil {
		return unavailable
	}
	return Tests.Put(keys, values, ttlMs)
}

// StateAdd is the contract's `state.add`.
func StateAdd(keys, deltas []byte, ttlMs uint32) ([]byte, int) {
	if Tests == nil {
		return nil, unavailable
	}
	return Tests.Add(keys, deltas, ttlMs)
}

var (
	lock    sync.Mutex
	lines   []Line
	metrics []Metric
)

// Take gives what was logged and measured since the last call, and forgets it.
func Take() ([]Line, []Metric) {
	lock.Lock()
	defer lock.Unlock()
	tookLines, tookMetrics := lines, metrics
	lines, metrics = nil, nil
	return tookLines, tookMetrics
}

// Log is the contract's `log`.
func Log(level uint8, message string) int {
	lock.Lock()
	defer lock.Unlock()
	lines = append(lines, Line{level, message})
	return Done
}

// Counter is the contract's `counter`.
func Counter(name string, labels [][2]string, add float64) int {
	return measure("counter", name, labels, add)
}

// Gauge is the contract's `gauge`.
func Gauge(name string, labels [][2]string, value float64) int {
	return measure("gauge", name, labels, value)
}

// Histogram is the contract's `histogram`.
func Histogram(name string, labels [][2]string, value float64) int {
	return measure("histogram", name, labels, value)
}

// Clock is the contract's `clock`.
func Clock() (uint64, int) { return uint64(time.Now().UnixNano()), Done }

func measure(kind, name string, labels [][2]string, value float64) int {
	lock.Lock()
	defer lock.Unlock()
	metrics = append(metrics, Metric{kind, name, labels, value})
	return Done
}
