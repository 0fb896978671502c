package wasmill

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
)

// readConfig reads a config in JSON into a struct, by the `json` tags of its fields. It is as package encoding/json, but strict, and
// its errors are for whoever wrote the config: which key, what was expected, what was found.
func readConfig(text string, into any) error {
	decoder := json.NewDecoder(strings.NewReader(text))
	// A number stays as it is written: an int64 does not fit a float64.
	decoder.UseNumber()
	var found any
	if err := decoder.Decode(&found); err != nil {
		return fmt.Errorf("`config`: %w", err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return errors.New("`config`: something follows the end")
	}
	// A stage without a config block has an empty one.
	if found == nil {
		found = map[string]any{}
	}
	target := reflect.ValueOf(into).Elem()
	if target.Kind() != reflect.Struct || reads(target) {
		return assign(target, found, "config")
	}
	object, ok := found.(map[string]any)
	if !ok {
		return fmt.Errorf("`config`: expected an object, found %s", name(found))
	}
	return assignStruct(target, object, "")
}

var unmarshaler = reflect.TypeFor[json.Unmarshaler]()

// key is a key of a struct.
type key struct {
	name     string
	field    reflect.Value
	optional bool
}

func keysOf(target reflect.Value) []key {
	var keys []key
	for i := range target.NumField() {
		field := target.Type().Field(i)
		tag, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if !field.IsExported() || tag == "-" {
			continue
		}
		if tag == "" {
			tag = field.Name
		}
		omits := strings.Contains(options, "omitempty") || strings.Contains(options, "omitzero")
		keys = append(keys, key{tag, target.Field(i), omits || field.Type.Kind() == reflect.Pointer})
	}
	return keys
}

func assignStruct(target reflect.Value, object map[string]any, path string) error {
	keys := keysOf(target)
	var known, names []string
	for _, key := range keys {
		known = append(known, key.name)
	}
	for name := range object {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if !slices.Contains(known, name) {
			return fmt.Errorf("unknown key `%s`; known are %s", join(path, name), quoted(known))
		}
	}
	for _, key := range keys {
		value, given := object[key.name]
		switch {
		case key.optional && value == nil:
		case !given:
			return fmt.Errorf("`%s`: expected %s, found nothing", join(path, key.name), expected(key.field.Type()))
		default:
			if err := assign(key.field, value, join(path, key.name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// assign sets a value of the config's Go type. What is wrong deep inside a list or object is said of the key as a whole, with the
// place.
func assign(target reflect.Value, found any, path string) error {
	at, wrong, err := set(target, found, path)
	if err != nil {
		return err
	}
	if wrong == "" {
		return nil
	}
	if at != "" {
		wrong += " at `" + at + "`"
	}
	return fmt.Errorf("`%s`: expected %s, found %s", path, expected(target.Type()), wrong)
}

// set gives what was found that does not fit, and where in the value; or another error.
func set(target reflect.Value, found any, path string) (at, wrong string, err error) {
	kind := target.Kind()
	if reads(target) {
		text, err := json.Marshal(found)
		if err == nil {
			err = json.Unmarshal(text, target.Addr().Interface())
		}
		if err != nil {
			return "", "", fmt.Errorf("`%s`: %w", path, err)
		}
		return "", "", nil
	}
	if kind == reflect.Pointer {
		target.Set(reflect.New(target.Type().Elem()))
		return set(target.Elem(), found, path)
	}
	switch found := found.(type) {
	case string:
		if kind == reflect.String {
			target.SetString(found)
			return "", "", nil
		}
	case bool:
		if kind == reflect.Bool {
			target.SetBool(found)
			return "", "", nil
		}
	case []any:
		if kind == reflect.Slice {
			list := reflect.MakeSlice(target.Type(), len(found), len(found))
			for i, item := range found {
				if at, wrong, err := set(list.Index(i), item, path); err != nil || wrong != "" {
					return "[" + itoa(i) + "]" + at, wrong, err
				}
			}
			target.Set(list)
			return "", "", nil
		}
	case map[string]any:
		if kind == reflect.Struct {
			return "", "", assignStruct(target, found, path)
		}
		if kind == reflect.Map && target.Type().Key().Kind() == reflect.String {
			object := reflect.MakeMapWithSize(target.Type(), len(found))
			for _, name := range sortedKeys(found) {
				item := reflect.New(target.Type().Elem()).Elem()
				if at, wrong, err := set(item, found[name], path); err != nil || wrong != "" {
					return strings.TrimSuffix(name+"."+at, "."), wrong, err
				}
				object.SetMapIndex(reflect.ValueOf(name).Convert(target.Type().Key()), item)
			}
			target.Set(object)
			return "", "", nil
		}
	}
	number, isNumber := found.(json.Number)
	if !isNumber || kind < reflect.Int || kind > reflect.Float64 {
		return "", name(found), nil
	}
	if json.Unmarshal([]byte(number), target.Addr().Interface()) != nil {
		return "", "the number " + number.String(), nil
	}
	return "", "", nil
}

// reads says whether package encoding/json is to read a value: one of a type that does it itself, or of whatever type.
func reads(target reflect.Value) bool {
	return target.Kind() == reflect.Interface || target.Addr().Type().Implements(unmarshaler)
}

func sortedKeys(object map[string]any) []string {
	var names []string
	for name := range object {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// name says what was found.
func name(found any) string {
	switch found.(type) {
	case nil:
		return "null"
	case string:
		return "a string"
	case bool:
		return "a boolean"
	case json.Number:
		return "a number"
	case []any:
		return "a list"
	}
	return "an object"
}

// expected says what a Go type is in JSON.
func expected(of reflect.Type) string {
	switch of.Kind() {
	case reflect.Pointer:
		return expected(of.Elem())
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "a boolean"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a number without sign and fraction"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "a number without fraction"
	case reflect.Slice:
		return "a list" + several(of.Elem())
	case reflect.Map:
		return "an object" + several(of.Elem())
	case reflect.Struct:
		return "an object"
	}
	return "a value"
}

// several says what is in a list or an object: ` of strings`.
func several(of reflect.Type) string {
	one := expected(of)
	for _, article := range []string{"a ", "an "} {
		if noun, ok := strings.CutPrefix(one, article); ok && noun != "value" {
			noun, rest, _ := strings.Cut(noun, " ")
			return strings.TrimSuffix(" of "+noun+"s "+rest, " ")
		}
	}
	return ""
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func quoted(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return "`" + strings.Join(names, "`, `") + "`"
}
