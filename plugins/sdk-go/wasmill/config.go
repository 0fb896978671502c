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
	found, err := readTree(decoder)
	if err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return fmt.Errorf("`config`: %w", err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return errors.New("`config`: something follows the end")
	}
	// A stage without a config block has an empty one.
	if found == nil {
		found = new(object)
	}
	target := reflect.ValueOf(into).Elem()
	if target.Kind() != reflect.Struct || reads(target) {
		return assign(target, found, "config")
	}
	given, ok := found.(*object)
	if !ok {
		return fmt.Errorf("`config`: expected an object, found %s", name(found))
	}
	return assignStruct(target, given, "")
}

// Pairs is an object of a config in the order in which it was written. A map has none, and what a plugin requires must be the same
// each time.
type Pairs[V any] []Pair[V]

// Pair is an entry of Pairs.
type Pair[V any] struct {
	Key   string
	Value V
}

func (Pairs[V]) inOrder() {}

var inOrder = reflect.TypeFor[interface{ inOrder() }]()

// object is an object as it was written. Of a key that is there twice the last value counts.
type object struct {
	names  []string
	values map[string]any
}

// MarshalJSON gives it back, for what reads itself.
func (o *object) MarshalJSON() ([]byte, error) { return json.Marshal(o.values) }

// readTree reads a value: nil, string, bool, json.Number, []any or *object.
func readTree(decoder *json.Decoder) (any, error) {
	token, err := decoder.Token()
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('['):
		list := []any{}
		for decoder.More() {
			item, err := readTree(decoder)
			if err != nil {
				return nil, err
			}
			list = append(list, item)
		}
		_, err = decoder.Token()
		return list, err
	case json.Delim('{'):
		read := &object{values: map[string]any{}}
		for decoder.More() {
			name, err := decoder.Token()
			if err != nil {
				return nil, err
			}
			key := name.(string)
			value, err := readTree(decoder)
			if err != nil {
				return nil, err
			}
			if _, twice := read.values[key]; !twice {
				read.names = append(read.names, key)
			}
			read.values[key] = value
		}
		_, err = decoder.Token()
		return read, err
	}
	return token, nil
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

func assignStruct(target reflect.Value, found *object, path string) error {
	keys := keysOf(target)
	var known []string
	for _, key := range keys {
		known = append(known, key.name)
	}
	for _, name := range found.names {
		if !slices.Contains(known, name) {
			return fmt.Errorf("unknown key `%s`; known are %s", join(path, name), quoted(known))
		}
	}
	for _, key := range keys {
		value, given := found.values[key.name]
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
		if kind == reflect.Slice && !target.Type().Implements(inOrder) {
			list := reflect.MakeSlice(target.Type(), len(found), len(found))
			for i, item := range found {
				if at, wrong, err := set(list.Index(i), item, path); err != nil || wrong != "" {
					return "[" + itoa(i) + "]" + at, wrong, err
				}
			}
			target.Set(list)
			return "", "", nil
		}
	case *object:
		if kind == reflect.Struct {
			return "", "", assignStruct(target, found, path)
		}
		pairs := target.Type().Implements(inOrder)
		if !pairs && (kind != reflect.Map || target.Type().Key().Kind() != reflect.String) {
			break
		}
		if !pairs {
			target.Set(reflect.MakeMapWithSize(target.Type(), len(found.names)))
		}
		for _, name := range found.names {
			item := reflect.New(valueType(target.Type())).Elem()
			if at, wrong, err := set(item, found.values[name], path); err != nil || wrong != "" {
				return strings.TrimSuffix(name+"."+at, "."), wrong, err
			}
			if pairs {
				pair := reflect.New(target.Type().Elem()).Elem()
				pair.Field(0).SetString(name)
				pair.Field(1).Set(item)
				target.Set(reflect.Append(target, pair))
			} else {
				target.SetMapIndex(reflect.ValueOf(name).Convert(target.Type().Key()), item)
			}
		}
		return "", "", nil
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

// valueType is what a map or Pairs have for a key.
func valueType(of reflect.Type) reflect.Type {
	if of.Implements(inOrder) {
		return of.Elem().Field(1).Type
	}
	return of.Elem()
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
	if of.Implements(inOrder) {
		return "an object" + several(valueType(of))
	}
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
		return "an object" + several(valueType(of))
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
