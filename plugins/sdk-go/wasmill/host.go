package wasmill

import (
	"fmt"
	"time"

	"wasmill/internal/host"
)

// Level says how much a line in the log matters.
type Level uint8

// The levels of the gateway's log.
const (
	Debug Level = iota
	Info
	Warn
	Error
)

// Failure is why the host did not do it. Most plugins drop it.
type Failure uint8

// Why the host did not do it.
const (
	// Denied: not for this plugin.
	Denied Failure = iota
	// Unknown: no such table, field or name.
	Unknown
	// Invalid: an argument is not what it must be, such as a name that no metric can have.
	Invalid
	// Limit: too many, too often or too large. The same argument may pass in a later call.
	Limit
	// Unavailable: not now.
	Unavailable
)

// Error says it in words.
func (f Failure) Error() string {
	names := [...]string{"denied", "unknown", "invalid", "limit", "unavailable"}
	if int(f) < len(names) {
		return names[f]
	}
	return "failure " + itoa(int(f))
}

// Label is a label of a metric; its name is letters, digits and `_`.
type Label struct {
	Name, Value string
}

// Log writes a line to the gateway's log, formatted as by fmt.Sprintf. Long lines are cut, and too many are counted instead.
func Log(level Level, format string, args ...any) {
	message := format
	if len(args) > 0 {
		message = fmt.Sprintf(format, args...)
	}
	// A line that the host did not take is counted there.
	host.Log(uint8(level), message)
}

// Counter adds to a counter in the gateway's metrics: `plugin_` and this name, with the stage as the label `plugin`. A name is
// letters, digits and `_`, and has one kind of metric; add is finite and not negative.
func Counter(name string, add float64, labels ...Label) error {
	return failure(host.Counter(name, pairs(labels), add))
}

// Gauge sets a gauge in the gateway's metrics, which all instances share.
func Gauge(name string, value float64, labels ...Label) error {
	return failure(host.Gauge(name, pairs(labels), value))
}

// Histogram observes a value in a histogram in the gateway's metrics.
func Histogram(name string, value float64, labels ...Label) error {
	return failure(host.Histogram(name, pairs(labels), value))
}

// Clock gives the host's time, which may go back when the system's clock is set. The functions of package time show a made-up one.
func Clock() (time.Time, error) {
	nanoseconds, code := host.Clock()
	if err := failure(code); err != nil {
		return time.Time{}, err
	}
	return time.Unix(0, int64(nanoseconds)).UTC(), nil
}

func pairs(labels []Label) [][2]string {
	pairs := make([][2]string, len(labels))
	for at, label := range labels {
		pairs[at] = [2]string{label.Name, label.Value}
	}
	return pairs
}

func failure(code int) error {
	if code == host.Done {
		return nil
	}
	return Failure(code)
}
