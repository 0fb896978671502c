package main

import (
	"reflect"
	"testing"

	"wasmill"
	"wasmill/wasmilltest"
)

const (
	service = `resource.attributes["service.name"]`
	team    = `attributes["team"]`
)

func TestServicesGetTheirTeam(t *testing.T) {
	plugin := wasmilltest.Start(t, `{"teams": {"checkout": "payments", "cart": "payments"}}`)
	answer := plugin.Slice(wasmill.Traces, 4).With(service, "cart", "mail", nil, "checkout").Process()
	want := map[int]any{0: "payments", 3: "payments"}
	if got := answer.Edited(team); !reflect.DeepEqual(got, want) {
		t.Errorf("teams are %v", got)
	}
}

func TestOthersGetTheDefault(t *testing.T) {
	plugin := wasmilltest.Start(t, `{"teams": {"cart": "payments"}, "default": "unowned"}`)
	answer := plugin.Slice(wasmill.Metrics, 3).With(service, "cart", "mail", nil).Process()
	want := map[int]any{0: "payments", 1: "unowned", 2: "unowned"}
	if got := answer.Edited(team); !reflect.DeepEqual(got, want) {
		t.Errorf("teams are %v", got)
	}
}

func TestNothingIsEditedWhereNoServiceIsKnown(t *testing.T) {
	plugin := wasmilltest.Start(t, `{"teams": {"cart": "payments"}}`)
	answer := plugin.Slice(wasmill.Logs, 2).With(service, "mail", nil).Process()
	if len(answer.Edits()) != 0 {
		t.Errorf("edits are %v", answer.Edits())
	}
}

func TestAMistakeInTheConfigIsRefused(t *testing.T) {
	for config, want := range map[string]string{
		`{"teams": ["cart"]}`:           "`teams`: expected an object of strings, found a list",
		`{"teams": {}, "defaults": ""}`: "unknown key `defaults`; known are `teams`, `default`",
		`{}`:                            "`teams`: expected an object of strings, found nothing",
	} {
		if got := wasmilltest.Refused(t, config); got != want {
			t.Errorf("%s: %s", config, got)
		}
	}
}
