package wasmill

import (
	"reflect"
	"testing"
)

type everything struct {
	Name   string            `json:"name"`
	Drop   []string          `json:"drop"`
	Teams  map[string]string `json:"teams,omitempty"`
	Limit  *int              `json:"limit"`
	Ratio  float64           `json:"ratio,omitempty"`
	Deep   struct{ On bool } `json:"deep,omitempty"`
	Free   any               `json:"free,omitempty"`
	hidden int
}

func TestConfigIsRead(t *testing.T) {
	var got everything
	text := `{"name":"a","drop":["x","y"],"teams":{"t":"u"},"limit":3,"ratio":0.5,"deep":{"On":true},"free":{"z":[1]}}`
	if err := readConfig(text, &got); err != nil {
		t.Fatal(err)
	}
	three := 3
	want := everything{
		Name: "a", Drop: []string{"x", "y"}, Teams: map[string]string{"t": "u"}, Limit: &three, Ratio: 0.5,
		Deep: struct{ On bool }{true}, Free: map[string]any{"z": []any{1.0}},
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
		`{"name":"a","drops":[]}`:                "unknown key `drops`; known are `name`, `drop`, `teams`, `limit`, `ratio`, `deep`, `free`",
		`[]`:                                     "`config`: expected an object, found a list",
		`{"name":`:                               "`config`: unexpected EOF",
		`{} {}`:                                  "`config`: something follows the end",
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
