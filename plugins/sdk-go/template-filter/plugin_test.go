package main

import (
	"slices"
	"testing"

	"wasmill"
	"wasmill/wasmilltest"
)

const path = `attributes["http.route"]`

func TestRowsWithAListedValueAreDropped(t *testing.T) {
	plugin := wasmilltest.Start(t, `{"attribute": "http.route", "drop": ["/healthz", "/ready"]}`)
	answer := plugin.Slice(wasmill.Traces, 4).With(path, "/healthz", "/cart", nil, "/ready").Process()
	if kept := answer.Kept(); !slices.Equal(kept, []int{1, 2}) {
		t.Errorf("kept %v", kept)
	}
	if count := plugin.Counter("dropped"); count != 2 {
		t.Errorf("counted %v", count)
	}
}

func TestNothingIsCountedWhereAllStay(t *testing.T) {
	plugin := wasmilltest.Start(t, `{"attribute": "http.route", "drop": ["/healthz"]}`)
	answer := plugin.Slice(wasmill.Logs, 2).With(path, "/cart", nil).Process()
	if len(answer.Kept()) != 2 || len(plugin.Metrics()) != 0 {
		t.Errorf("kept %v, measured %v", answer.Kept(), plugin.Metrics())
	}
}

func TestAMistakeInTheConfigIsRefused(t *testing.T) {
	for config, want := range map[string]string{
		`{"attribute": "a", "drop": 5}`:   "`drop`: expected a list of strings, found a number",
		`{"attribute": "a", "drops": []}`: "unknown key `drops`; known are `attribute`, `drop`",
		`{"drop": []}`:                    "`attribute`: expected a string, found nothing",
	} {
		if got := wasmilltest.Refused(t, config); got != want {
			t.Errorf("%s: %s", config, got)
		}
	}
}
