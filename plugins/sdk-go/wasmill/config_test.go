package wasmill

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

type everything struct {
	Name   string            `json:"name"`
	Drop   []string          `json:"drop"`
	Teams  map[string]string `json:"teams,omitempty"`
	Limit  *int              `json:"limit"`
	Ratio  float64           `json:"ratio,omitempty"`
	Deep   struct{ On bool } `json:"deep,omitempty"`
	Free   any               `json:"free,omitempty"`
	Small  uint8             `json:"small,omitempty"`
	Addr   netip.Addr        `json:"addr,omitempty"`
	hidden int
}

func TestConfigIsRead(t *testing.T) {
	var got everything
	text := `{"name":"a","drop":["x","y"],"teams":{"t":"u"},"limit":3,"ratio":0.5,"deep":{"On":true},"free":{"z":[1]},"small":255,"addr":"127.0.0.1"}`
	if err := readConfig(text, &got); err != nil {
		t.Fatal(err)
	}
	three := 3
	want := everything{
		Name: "a", Drop: []string{"x", "y"}, Teams: map[string]string{"t": "u"}, Limit: &three, Ratio: 0.5,
		Deep: struct{ On bool }{true}, Free: map[string]any{"z": []any{1.0}},
		Small: 255, Addr: netip.MustParseAddr("127.0.0.1"),
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got %+v, want %+v", got, want)
	}
}

// What an operator reads says the key, what was expected and what was found.
func TestConfigSaysWhatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		`{"name":"a","drop":3}`:                  "`drop`: expected a list of strings, found a number",
		`{"name":"a","drop":["x",3]}`:            "`drop`: expected a list of strings, found a number at `[1]`",
		`{"name":"a"}`:                           "`drop`: expected a list of strings, found nothing",
		`{"name":null,"drop":[]}`:                "`name`: expected a string, found null",
		`{"name":"a","drop":[],"teams":{"x":3}}`: "`teams`: expected an object of strings, found a number at `x`",
		`{"name":"a","drop":[],"limit":1.5}`:     "`limit`: expected a whole number, found the number 1.5",
		`{"name":"a","drop":[],"ratio":"x"}`:     "`ratio`: expected a number, found a string",
		`{"name":"a","drop":[],"deep":{"On":1}}`: "`deep.On`: expected a boolean, found a number",
		`{"name":"a","drops":[]}`:                "unknown key `drops`; known are `name`, `drop`, `teams`, `limit`, `ratio`, `deep`, `free`, `small`, `addr`",
		`{"name":"a","drop":[],"small":256}`:     "`small`: expected a whole number of 0 or more, found the number 256",
		`{"name":"a","drop":[],"addr":"x"}`:      "`addr`: ParseAddr(\"x\"): unable to parse IP",
		`[]`:                                     "`config`: expected an object, found a list",
		`{"name":`:                               "`config`: not JSON at byte 8: it ends too soon",
		`{} {}`:                                  "`config`: not JSON at byte 3: something follows the end",
	} {
		var into everything
		if err := readConfig(text, &into); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
	var none struct{}
	for _, text := range []string{"{}", "null"} {
		if err := readConfig(text, &none); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	if err := readConfig(`{"a":1}`, &none); err == nil || err.Error() != "unknown key `a`; known are none" {
		t.Errorf("an unknown key, and no key is known: %v", err)
	}
}

// What package encoding/json takes is taken, with the same result, and nothing else.
func FuzzReadJSON(f *testing.F) {
	for _, text := range []string{
		`{"a": [1, -0.5e+3, true, null, "\u00e9\n"], "b": {}}`, `[]`, `"\ud83d\ude00 \ud83d \ud83d\u0041 \udE00"`, `01`, `1.`, `-`, `"`, `"\x"`, `{"a":1,}`,
		`[1 2]`, `nul`, `{"a" 1}`, `{"a":1 "b":2}`, "\"\t\"", `1e5 `, `{"a":1,"a":2}`, `"\u12"`, `tru`, ` `, `[[[]]]`, `"é"`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var want any
		wanted := json.Unmarshal([]byte(text), &want)
		got, err := readJSON(text)
		if (err == nil) != (wanted == nil) {
			// Numbers too large for a float64, nesting, and text that is no UTF-8 are seen differently.
			if strings.Contains(text, "e") || strings.Contains(text, "E") || len(text) > jsonDepthMax {
				return
			}
			t.Fatalf("%q: got %v, encoding/json says %v", text, err, wanted)
		}
		if err == nil && utf8.ValidString(text) && !reflect.DeepEqual(plain(got), want) {
			t.Fatalf("%q: got %#v, want %#v", text, got, want)
		}
	})
}
