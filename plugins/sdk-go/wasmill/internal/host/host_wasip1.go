//go:build wasip1

package host

import (
	"unsafe"

	"wasmill/internal/bindings/imports/wasmill_plugin_host"
	"wasmill/internal/wit/types"
)

// What the bindings hand out must not be nil, not even where it has no bytes.
var none byte

func text(text string) string {
	if len(text) == 0 {
		return unsafe.String(&none, 0)
	}
	return text
}

func code[T any](result types.Result[T, wasmill_plugin_host.Failure]) int {
	if result.Tag() == types.ResultErr {
		return int(result.Err())
	}
	return Done
}

func own(labels [][2]string) []wasmill_plugin_host.Label {
	owned := make([]wasmill_plugin_host.Label, len(labels))
	for at, label := range labels {
		owned[at] = wasmill_plugin_host.Label{Name: text(label[0]), Value: text(label[1])}
	}
	return owned
}

// Log is the contract's `log`.
func Log(level uint8, message string) int {
	return code(wasmill_plugin_host.Log(level, text(message)))
}

// Counter is the contract's `counter`.
func Counter(name string, labels [][2]string, add float64) int {
	return code(wasmill_plugin_host.Counter(text(name), own(labels), add))
}

// Gauge is the contract's `gauge`.
func Gauge(name string, labels [][2]string, value float64) int {
	return code(wasmill_plugin_host.Gauge(text(name), own(labels), value))
}

// Histogram is the contract's `histogram`.
func Histogram(name string, labels [][2]string, value float64) int {
	return code(wasmill_plugin_host.Histogram(text(name), own(labels), value))
}

// Clock is the contract's `clock`.
func Clock() (uint64, int) {
	result := wasmill_plugin_host.Clock()
	if code := code(result); code != Done {
		return 0, code
	}
	return result.Ok(), Done
}
