package main

import (
	"reflect"
	"testing"

	"wasmill"
	"wasmill/wasmilltest"
)

const tenant = `attributes["tenant"]`

func TestRowsGoToTheRouteOfTheirValue(t *testing.T) {
	plugin := wasmilltest.Start(t, `{"attribute": "tenant", "routes": {"acme": "eu", "globex": "us"}}`)
	answer := plugin.Slice(wasmill.Traces, 4).With(tenant, "globex", "acme", "other", nil).Process()
	want := [][]string{{"us"}, {"eu"}, nil, nil}
	if got := answer.Routes(); !reflect.DeepEqual(got, want) {
		t.Errorf("routes are %v", got)
	}
}

func TestOthersGoToTheDefault(t *testing.T) {
	plugin := wasmilltest.Start(t, `{"attribute": "tenant", "routes": {"acme": "eu"}, "default": "us"}`)
	answer := plugin.Slice(wasmill.Logs, 3).With(tenant, "acme", "other", nil).Process()
	want := [][]string{{"eu"}, {"us"}, {"us"}}
	if got := answer.Routes(); !reflect.DeepEqual(got, want) {
		t.Errorf("routes are %v", got)
	}
}

func TestAMistakeInTheConfigIsRefused(t *testing.T) {
	for config, want := range map[string]string{
		`{"attribute": "a", "routes": {"acme": 5}}`: "`routes`: expected an object of strings, found a number at `acme`",
		`{"attribute": "a", "route": {}}`:           "unknown key `route`; known are `attribute`, `routes`, `default`",
		`{"attribute": "a"}`:                        "`routes`: expected an object of strings, found nothing",
	} {
		if got := wasmilltest.Refused(t, config); got != want {
			t.Errorf("%s: %s", config, got)
		}
	}
}
