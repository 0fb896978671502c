// Package wasmill is for writing plugins of the telemetry gateway Wasmill in Go.
//
// A plugin is a step of the gateway's pipeline. It says once which columns it needs, is shown these for thousands of rows at a time,
// and answers with a decision: which rows stay, which values change, which route rows take. The rows themselves stay in the gateway.
//
//	package main
//
//	import "wasmill"
//
//	// Config is the stage's `config:` block.
//	type Config struct {
//		Above int64  `json:"above"`
//		Team  string `json:"team,omitempty"`
//	}
//
//	type Slow struct {
//		config   Config
//		duration wasmill.Column[wasmill.Values[int64]]
//	}
//
//	func init() { wasmill.Export(New) }
//
//	func main() {} // Never called.
//
//	func New(config Config, needs *wasmill.Requirements) (wasmill.Plugin, error) {
//		needs.Signals(wasmill.Traces)
//		return &Slow{config, needs.Int64("duration")}, nil
//	}
//
//	func (s *Slow) Process(slice *wasmill.Slice, verdict *wasmill.Verdict) error {
//		slow := slice.Int64(s.duration).Matches(func(nanos int64) bool { return nanos > s.config.Above })
//		verdict.Keep(slow)
//		verdict.Set(`attributes["team"]`, slow, wasmill.TextValue(s.config.Team))
//		return nil
//	}
//
// # Memory
//
// What a Slice shows is looked at where it lies, without a copy, and is valid until the call ends. A string that is kept for
// longer is cloned: strings.Clone. The config, and what a Verdict was given, is the plugin's own.
//
// # Speed
//
//   - Ask for few columns, of the type that you compare with: Text rather than Any.
//   - Matches and MapText ask once for each distinct text. Of numbers they ask for each row, and a call costs more than it looks:
//     Equals, Between, or a loop over Raw do without.
//   - One Set for many rows costs less than many for one.
//   - What is made anew in each call is work for the garbage collector: builders have a Reset, and keep their memory.
//   - Keep nothing from call to call but caches: instances are dropped and made anew at any time, and several run at once.
//
// # In a component
//
// There are no files, sockets, variables or arguments, and the clock of package time is made up: Clock has the time. Goroutines run,
// but only while the gateway calls. What is printed is logged. A panic in a plugin is an error of the call, with the place where it was;
// what Go cannot recover from, such as exhausted memory or os.Exit, ends the instance.
package wasmill
