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
