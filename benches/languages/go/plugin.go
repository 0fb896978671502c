// Drops the rows of slow servers' health checks: three columns in, a bitmap out.
package main

import (
	"math"

	"wasmill"
)

type threeColumns struct {
	start wasmill.Column[wasmill.Values[uint64]]
	kind  wasmill.Column[wasmill.Values[int32]]
	route wasmill.Column[wasmill.Text]
}

func init() { wasmill.Export(start) }

func main() {}

func start(_ struct{}, needs *wasmill.Requirements) (wasmill.Plugin, error) {
	needs.Signals(wasmill.Traces)
	needs.Uses(wasmill.UseKeep)
	return &threeColumns{
		needs.Uint64("start_time_unix_nano"),
		needs.Int32("kind"),
		needs.Dictionary(wasmill.Attribute("attributes", "http.route")),
	}, nil
}

func (t *threeColumns) Process(slice *wasmill.Slice, verdict *wasmill.Verdict) error {
	rows := wasmill.Between(slice.Uint64(t.start), 6, math.MaxUint64)
	rows.And(wasmill.Equals(slice.Int32(t.kind), 2))
	rows.And(slice.Text(t.route).Matches(func(route string) bool { return route == "/healthz" }))
	verdict.Drop(rows)
	return nil
}
