//go:build wasip1

package host

import (
	"wasmill/internal/bindings/imports/wasmill_plugin_host"
	"wasmill/internal/bindings/imports/wasmill_plugin_lookup"
	"wasmill/internal/bindings/imports/wasmill_plugin_state"
	"wasmill/internal/wit/types"
)

func code[T any](result types.Result[T, wasmill_plugin_host.Failure]) int {
	if result.Tag() == types.ResultErr {
		return int(result.Err())
	}
	return Done
}

func own(labels [][2]string) []wasmill_plugin_host.Label {
	owned := make([]wasmill_plugin_host.Label, len(labels))
	for at, label := range labels {
		owned[at] = wasmill_plugin_host.Label{Name: label[0], Value: label[1]}
	}
	return owned
}

// Log is the contract's `log`.
func Log(level uint8, message string) int {
	return code(wasmill_plugin_host.Log(level, message))
}

// Counter is the contract's `counter`.
func Counter(name string, labels [][2]string, add float64) int {
	return code(wasmill_plugin_host.Counter(name, own(labels), add))
}

// Gauge is the contract's `gauge`.
func Gauge(name string, labels [][2]string, value float64) int {
	return code(wasmill_plugin_host.Gauge(name, own(labels), value))
}

// Histogram is the contract's `histogram`.
func Histogram(name string, labels [][2]string, value float64) int {
	return code(wasmill_plugin_host.Histogram(name, own(labels), value))
}

// Clock is the contract's `clock`.
func Clock() (uint64, int) {
	result := wasmill_plugin_host.Clock()
	if code := code(result); code != Done {
		return 0, code
	}
	return result.Ok(), Done
}

// Find is the contract's `lookup.find`.
func Find(table string, keys []byte, fields []string) ([]byte, int) {
	return columns(wasmill_plugin_lookup.Find(table, keys, fields))
}

// StateGet is the contract's `state.get`.
func StateGet(keys []byte) ([]byte, int) {
	return columns(wasmill_plugin_state.Get(keys))
}

// StatePut is the contract's `state.put`.
func StatePut(keys, values []byte, ttlMs uint32) int {
	return code(wasmill_plugin_state.Put(keys, values, ttlMs))
}

// StateAdd is the contract's `state.add`.
func StateAdd(keys, deltas []byte, ttlMs uint32) ([]byte, int) {
	return columns(wasmill_plugin_state.Add(keys, deltas, ttlMs))
}

func columns(result types.Result[[]byte, wasmill_plugin_host.Failure]) ([]byte, int) {
	if code := code(result); code != Done {
		return nil, code
	}
	return result.Ok(), Done
}
