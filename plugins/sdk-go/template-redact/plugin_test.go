package main

import (
	"math/rand"
	"reflect"
	"regexp"
	"testing"

	"wasmill"
	"wasmill/wasmilltest"
)

func TestTextsAreMaskedWhereverTheyAre(t *testing.T) {
	plugin := wasmilltest.Start(t, `{"maps": ["attributes", "resource.attributes"]}`)
	answer := plugin.Slice(wasmill.Logs, 3).
		With("attributes",
			wasmilltest.Map{{Key: "user", Value: "ann@example.com"}, {Key: "count", Value: 4111111111111111}},
			nil,
			wasmilltest.Map{{Key: "user", Value: "nobody"}, {Key: "note", Value: "card 4111 1111 1111 1111, thanks"}}).
		With("resource.attributes",
			wasmilltest.Map{{Key: "host.name", Value: "a"}}, nil, nil).
		Process()
	// Entries are counted over all rows.
	want := []wasmilltest.Edit{{
		Path:    "attributes",
		Targets: []int{0, 3},
		Entries: true,
		Values:  []any{"****", "card ****, thanks"},
	}}
	if got := answer.Edits(); !reflect.DeepEqual(got, want) {
		t.Errorf("edits are %v", got)
	}
	if count := plugin.Counter("masked"); count != 2 {
		t.Errorf("counted %v", count)
	}
}

func TestWhatIsMasked(t *testing.T) {
	for text, want := range map[string]string{
		"ann@example.com":                 "****",
		"<ann.b+c@mail.example.co.uk>.":   "<****>.",
		"two: a@b.io,c@d.org":             "two: ****,****",
		"ann@localhost, @example.com":     "ann@localhost, @example.com",
		"4111111111111111":                "****",
		"4111-1111-1111-1111":             "****",
		"4111111111111112":                "4111111111111112", // The checksum is wrong.
		"4111  1111 1111 1111":            "4111  1111 1111 1111",
		"x4222222222222x":                 "x****x", // 13 digits.
		"422222222222":                    "422222222222",
		"00000000000000000000":            "00000000000000000000", // 20 digits.
		"a@b.io paid 5500 0000 0000 0004": "**** paid ****",
	} {
		if got, changed := Mask(text, "****"); got != want || changed != (got != text) {
			t.Errorf("%q became %q, not %q", text, got, want)
		}
	}
}

var (
	email = regexp.MustCompile(`[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}`)
	card  = regexp.MustCompile(`[0-9](?:[ -]?[0-9])*`)
)

// What is masked is what these expressions say.
func TestMaskFindsWhatTheExpressionsFind(t *testing.T) {
	expected := func(text string) string {
		text = email.ReplaceAllLiteralString(text, "*")
		return card.ReplaceAllStringFunc(text, func(run string) string {
			digits := len(regexp.MustCompile("[0-9]").FindAllString(run, -1))
			if digits < cardMin || digits > cardMax || !luhn(run) {
				return run
			}
			return "*"
		})
	}
	random := rand.New(rand.NewSource(1))
	pieces := []string{"a", "Z", "0", "4", "7", "@", "@", ".", ".", "-", " ", "_", "%", "é", "[", "{", "b.co", "41111111", "4222 2222", "@x.org"}
	masked := 0
	for range 20000 {
		text := ""
		for range random.Intn(24) {
			text += pieces[random.Intn(len(pieces))]
		}
		got, changed := Mask(text, "*")
		if want := expected(text); got != want {
			t.Fatalf("%q became %q, not %q", text, got, want)
		}
		if changed {
			masked++
		}
	}
	if masked < 1000 {
		t.Errorf("only %d texts had something to mask", masked)
	}
}

func TestNothingIsEditedWhereNothingIsHidden(t *testing.T) {
	plugin := wasmilltest.Start(t, `{}`)
	answer := plugin.Slice(wasmill.Traces, 1).With("attributes", wasmilltest.Map{{Key: "a", Value: "b"}}).Process()
	if len(answer.Edits()) != 0 || len(plugin.Metrics()) != 0 {
		t.Errorf("edits are %v, measured was %v", answer.Edits(), plugin.Metrics())
	}
}

func TestAMistakeInTheConfigIsRefused(t *testing.T) {
	for config, want := range map[string]string{
		`{"mask": 5}`:        "`mask`: expected a string, found a number",
		`{"maps": "scope"}`:  "`maps`: expected a list of strings, found a string",
		`{"maps": ["body"]}`: "`maps`: expected `attributes`, `resource.attributes` or `scope.attributes`, found `body`",
		`{"map": []}`:        "unknown key `map`; known are `mask`, `maps`",
	} {
		if got := wasmilltest.Refused(t, config); got != want {
			t.Errorf("%s: %s", config, got)
		}
	}
}
