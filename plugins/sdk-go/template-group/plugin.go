// {{name}} keeps the traces worth keeping: those with an error, slow ones, and a share of the others.
package main

import (
	"encoding/binary"
	"fmt"
	"math"

	"wasmill"
)

// Config is the stage's `config:` block.
type Config struct {
	// A trace that takes as long is kept, in milliseconds.
	SlowMs *int64 `json:"slow_ms"`
	// The share of other traces that are kept, 0 to 1.
	KeepRatio *float64 `json:"keep_ratio"`
}

const (
	slowMsDefault = 1_000
	// Eleven days: more than a gateway waits for a trace.
	slowMsMax = 1_000_000_000
	// The randomness of a trace id is in its last 56 bits.
	randomBits  = 56
	statusError = 2
)

// Group is the plugin: it is made once for each instance, and called for many traces at a time.
type Group struct {
	slowNanos uint64
	// Traces whose randomness is at least this are kept.
	threshold  uint64
	trace      wasmill.Column[wasmill.Values[[16]byte]]
	status     wasmill.Column[wasmill.Values[int32]]
	start, end wasmill.Column[wasmill.Values[uint64]]
	reason     wasmill.Column[wasmill.Text]
}

func init() { wasmill.Export(New) }

// main is never called: the gateway calls what is exported.
func main() {}

// New says which columns the plugin is to be shown.
func New(config Config, needs *wasmill.Requirements) (wasmill.Plugin, error) {
	slow, ratio := int64(slowMsDefault), 0.0
	if config.SlowMs != nil {
		slow = *config.SlowMs
	}
	if config.KeepRatio != nil {
		ratio = *config.KeepRatio
	}
	if slow < 0 || slow > slowMsMax {
		return nil, fmt.Errorf("`slow_ms`: expected 0 to %d, found %d", slowMsMax, slow)
	}
	if !(ratio >= 0 && ratio <= 1) {
		return nil, fmt.Errorf("`keep_ratio`: expected 0 to 1, found %v", ratio)
	}
	needs.Signals(wasmill.Traces)
	needs.Uses(wasmill.UseKeep, wasmill.UseGroups)
	return &Group{
		slowNanos: uint64(slow) * 1_000_000,
		// Exact: a product with a power of two has the digits of the ratio.
		threshold: 1<<randomBits - uint64(math.Floor(ratio*(1<<randomBits))),
		trace:     needs.ID16("trace_id"),
		status:    needs.Int32("status.code"),
		start:     needs.Uint64("start_time_unix_nano"),
		end:       needs.Uint64("end_time_unix_nano"),
		reason:    needs.Dictionary("group.reason"),
	}, nil
}

// Process decides about some traces, each a group of spans.
func (g *Group) Process(slice *wasmill.Slice, verdict *wasmill.Verdict) error {
	groups := slice.Groups()
	kept := groups.Any(wasmill.Equals(slice.Int32(g.status), statusError))
	starts, ends, traces := slice.Uint64(g.start), slice.Uint64(g.end), slice.ID16(g.trace)
	for group, rows := range groups.All() {
		if !kept.Has(group) && (lasts(starts, ends, rows) >= g.slowNanos || randomness(traces, rows.From) >= g.threshold) {
			kept.Add(group)
		}
	}
	verdict.KeepGroups(kept)
	count("groups_kept", slice.Text(g.reason), kept)
	count("groups_dropped", slice.Text(g.reason), kept.Clone().Not())
	return nil
}

// lasts is from the earliest start to the latest end, in nanoseconds.
func lasts(starts, ends wasmill.Values[uint64], rows wasmill.Range) uint64 {
	earliest, latest := uint64(math.MaxUint64), uint64(0)
	for row := rows.From; row < rows.To; row++ {
		if start, ok := starts.At(row); ok {
			earliest = min(earliest, start)
		}
		if end, ok := ends.At(row); ok {
			latest = max(latest, end)
		}
	}
	if latest < earliest {
		return 0
	}
	return latest - earliest
}

// randomness is the last seven bytes of the trace id, as OpenTelemetry's probability sampling has it; 0 without one.
func randomness(traces wasmill.Values[[16]byte], row int) uint64 {
	trace, _ := traces.At(row)
	return binary.BigEndian.Uint64(trace[8:]) & (1<<randomBits - 1)
}

// count adds to a counter for each reason that these groups were decided for.
func count(name string, reasons wasmill.Text, groups *wasmill.Bitmap) {
	counts := make([]int, reasons.DistinctLen())
	for group := range groups.All() {
		if reasons.Has(group) {
			counts[reasons.Place(group)]++
		}
	}
	for place, count := range counts {
		if count > 0 {
			wasmill.Counter(name, float64(count), wasmill.Label{Name: "reason", Value: reasons.Distinct(place)})
		}
	}
}
