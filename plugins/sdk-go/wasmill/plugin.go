package wasmill

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"

	"wasmill/internal/wire"
)

// Plugin is a plugin. One that is also a Flusher is told when it goes, a Ticker when time passes, and a Snapshotter hands on what it holds.
type Plugin interface {
	// Process decides about a slice of at least one row. A verdict that nothing is done to keeps all rows as they are. An error
	// refuses the slice as a whole: nothing of it is changed. The instance goes on, as it does after a panic, which is made an
	// error.
	Process(slice *Slice, verdict *Verdict) error
}

// Flusher is a Plugin that holds something from call to call.
type Flusher interface {
	// Flush is called once before the instance is dropped for good, after its last slice, and not after a fault: the moment to count
	// or log what was gathered, or to make records of it. An error is logged and counted.
	Flush(out *Emissions) error
}

// Ticker is a Plugin that does something as time passes. It says how often: Requirements.TickEvery.
type Ticker interface {
	// Tick is called at the interval asked for, at times that depend on load. now may go back when the system's clock is set. An error is
	// logged and counted.
	Tick(now time.Time, out *Emissions) error
}

// Snapshotter is a Plugin whose memory is carried over to the one that takes its place. It is Keyed or Single.
type Snapshotter interface {
	// Snapshot gives what it holds. An error: what it held is lost, or it stays in its place, as the operator configured.
	Snapshot() ([]Entry, error)
	// Restore is called once after the plugin was made and before the first slice, with what an older one's Snapshot gave: read it with
	// care, it may be of another version of the plugin. An error refuses the new plugin: the old one serves on.
	Restore(entries []Entry) error
}

// Export makes a plugin the export of this program. Call it once, from a function `init` of package main: `main` itself is never
// called.
//
// C is the stage's `config:` block, a struct whose exported fields have the keys' names in their `json` tags. It is read strictly:
// an unknown key, a missing one and a value of another type are errors that the operator reads. A field that is a pointer or whose
// tag says `omitempty` need not be there. Types that read themselves do so by encoding.TextUnmarshaler. A plugin without config takes
// struct{}.
//
// create is called for each instance. It says in needs on which signals the plugin can be used and which columns it is to be
// shown. An error refuses the configuration: say which key, what was found, what was expected.
func Export[C any](create func(config C, needs *Requirements) (Plugin, error)) {
	wire.Start = func(text string) (wire.Stage, error) {
		// What crosses is in memory that the next call uses again.
		text = strings.Clone(text)
		running := new(stage)
		err := guard(func() error {
			var config C
			if err := readConfig(text, &config); err != nil {
				return err
			}
			plugin, err := create(config, &running.needs)
			if err != nil {
				return err
			}
			if plugin == nil {
				return errors.New("the plugin was made without an error, and is nil")
			}
			running.plugin = plugin
			return running.needs.check(plugin)
		})
		if err != nil {
			return nil, err
		}
		running.slice.needs = &running.needs
		return running, nil
	}
}

// stage is a running plugin. Slice and verdict are kept from call to call for their memory.
type stage struct {
	plugin  Plugin
	needs   Requirements
	slice   Slice
	verdict Verdict
}

func (s *stage) Requirements() wire.Requirements { return s.needs.wire(s.plugin) }

func (s *stage) Process(in wire.Slice) (*wire.Verdict, error) {
	input := s.needs.input(Signal(in.Signal))
	if input == nil {
		return nil, fmt.Errorf("%s are not a signal of this plugin", Signal(in.Signal))
	}
	s.slice.signal, s.slice.rows, s.slice.columns = input.signal, int(in.Rows), input.columns
	if err := s.slice.block.read(in.Columns); err != nil {
		return nil, err
	}
	if err := s.slice.groups.read(in.Groups, s.slice.rows); err != nil {
		return nil, err
	}
	s.verdict.begin(s.slice.rows, s.slice.groups)
	if err := guard(func() error { return s.plugin.Process(&s.slice, &s.verdict) }); err != nil {
		return nil, err
	}
	if s.verdict.err != nil {
		return nil, s.verdict.err
	}
	return s.verdict.wire()
}

func (s *stage) Tick(now uint64) ([]wire.Emission, error) {
	if ticker, ok := s.plugin.(Ticker); ok {
		return emitting(func(out *Emissions) error { return ticker.Tick(time.Unix(0, int64(now)).UTC(), out) })
	}
	return nil, nil
}

func (s *stage) Flush() ([]wire.Emission, error) {
	if flusher, ok := s.plugin.(Flusher); ok {
		return emitting(flusher.Flush)
	}
	return nil, nil
}

func (s *stage) Snapshot() (block []byte, err error) {
	if snapshotter, ok := s.plugin.(Snapshotter); ok {
		err = guard(func() error {
			entries, err := snapshotter.Snapshot()
			if err == nil {
				block, err = encodeEntries(entries)
			}
			return err
		})
	}
	return block, err
}

func (s *stage) Restore(block []byte) error {
	snapshotter, ok := s.plugin.(Snapshotter)
	if !ok {
		return errors.New("the plugin holds nothing: it has no method `Restore`")
	}
	entries, err := decodeEntries(block)
	if err != nil {
		return err
	}
	return guard(func() error { return snapshotter.Restore(entries) })
}

// emitting calls what may make records.
func emitting(call func(out *Emissions) error) ([]wire.Emission, error) {
	var out Emissions
	if err := guard(func() error { return call(&out) }); err != nil {
		return nil, err
	}
	return out.wire()
}

// guard calls what the plugin's author wrote, and makes a panic an error that says where it was.
func guard(call func() error) (err error) {
	defer func() {
		if panicked := recover(); panicked != nil {
			err = fmt.Errorf("panic: %v%s", panicked, where())
		}
	}()
	return call()
}

// Frames of a panic that are shown: enough to get from a library to the plugin.
const framesShown = 12

// where says where the panic that is being recovered from was, from the inside out, up to the SDK that called the plugin.
func where() string {
	var counters [64]uintptr
	frames := runtime.CallersFrames(counters[:runtime.Callers(0, counters[:])])
	var text strings.Builder
	panicking, shown := false, 0
	for more := true; more && shown < framesShown; {
		var frame runtime.Frame
		frame, more = frames.Next()
		switch {
		case frame.Function == "runtime.gopanic":
			panicking = true
		case !panicking || strings.HasPrefix(frame.Function, "runtime."):
		case frame.Function == "wasmill.guard", strings.HasPrefix(frame.Function, "wasmill.(*stage)"):
			return text.String()
		default:
			fmt.Fprintf(&text, "\n  at %s (%s:%d)", frame.Function, frame.File, frame.Line)
			shown++
		}
	}
	return text.String()
}
