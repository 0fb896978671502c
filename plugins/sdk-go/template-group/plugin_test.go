package main

import (
	"slices"
	"testing"

	"wasmill"
	"wasmill/wasmilltest"
)

// traces shows the plugin three traces of two spans each: one with an error, one that takes 1,500 ms, one of 10 ms whose randomness is in
// the middle.
func traces(t *testing.T, config string) (*wasmilltest.Plugin, []int) {
	t.Helper()
	plugin := wasmilltest.Start(t, config)
	const ms = 1_000_000
	half := [16]byte{9: 0x80}
	answer := plugin.Slice(wasmill.Traces, 6).Groups(2, 2, 2).
		With("trace_id", [16]byte{1}, [16]byte{1}, [16]byte{2}, [16]byte{2}, half, half).
		With("status.code", 0, 2, 1, 0, 0, 1).
		With("start_time_unix_nano", 5, 6, 1000*ms, 2000*ms, 7*ms, 8*ms).
		With("end_time_unix_nano", 7, 8, 1100*ms, 2500*ms, 17*ms, 0).
		With("group.reason", "wait", "full", "wait").
		Process()
	return plugin, answer.Kept()
}

func TestTracesWithErrorsAndSlowOnesAreKept(t *testing.T) {
	plugin, kept := traces(t, `{}`)
	if !slices.Equal(kept, []int{0, 1, 2, 3}) {
		t.Errorf("kept %v", kept)
	}
	if plugin.Counter("groups_kept") != 2 || plugin.Counter("groups_dropped") != 1 {
		t.Errorf("counted %v", plugin.Metrics())
	}
}

func TestAShareOfTheOthersIsKept(t *testing.T) {
	for config, want := range map[string]int{
		`{"slow_ms": 1501}`: 2, `{"slow_ms": 1500}`: 4, `{"slow_ms": 10, "keep_ratio": 0}`: 6,
		`{"slow_ms": 1501, "keep_ratio": 0.5}`: 4, `{"slow_ms": 1501, "keep_ratio": 0.4999}`: 2, `{"keep_ratio": 1}`: 6,
	} {
		if _, kept := traces(t, config); len(kept) != want {
			t.Errorf("%s: kept %v", config, kept)
		}
	}
}

func TestAMistakeInTheConfigIsRefused(t *testing.T) {
	for config, want := range map[string]string{
		`{"slow_ms": -1}`:      "`slow_ms`: expected 0 to 1000000000, found -1",
		`{"slow_ms": "1s"}`:    "`slow_ms`: expected a whole number, found a string",
		`{"keep_ratio": 1.01}`: "`keep_ratio`: expected 0 to 1, found 1.01",
		`{"keep": 1}`:          "unknown key `keep`; known are `slow_ms`, `keep_ratio`",
	} {
		if got := wasmilltest.Refused(t, config); got != want {
			t.Errorf("%s: %s", config, got)
		}
	}
}
