package wasmill

import (
	"encoding"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// readConfig reads a config in JSON into a struct, by the `json` tags of its fields. It is strict, and its errors are for whoever
// wrote the config: which key, what was expected, what was found.
func readConfig(text string, into any) error {
	found, err := readJSON(text)
	if err != nil {
		return fmt.Errorf("`config`: %w", err)
	}
	// A stage without a config block has an empty one.
	if found == nil {
		found = map[string]any{}
	}
	target := reflect.ValueOf(into).Elem()
	if target.Kind() != reflect.Struct {
		return assign(target, found, "config")
	}
	object, ok := found.(map[string]any)
	if !ok {
		return fmt.Errorf("`config`: expected an object, found %s", named(found))
	}
	return assignStruct(target, object, "")
}

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
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if !field.IsExported() || name == "-" {
			continue
		}
		if name == "" {
			name = field.Name
		}
		omits := strings.Contains(options, "omitempty") || strings.Contains(options, "omitzero")
		keys = append(keys, key{name, target.Field(i), omits || field.Type.Kind() == reflect.Pointer})
	}
	return keys
}

func assignStruct(target reflect.Value, object map[string]any, path string) error {
	keys := keysOf(target)
	var known []string
	for _, key := range keys {
		known = append(known, key.name)
	}
	for _, name := range sorted(object) {
		if !slices.Contains(known, name) {
			return fmt.Errorf("unknown key `%s`; known are %s", join(path, name), quoted(known))
		}
	}
	for _, key := range keys {
		value, given := object[key.name]
		switch path := join(path, key.name); {
		case key.optional && value == nil:
		case !given:
			return fmt.Errorf("`%s`: expected %s, found nothing", path, expected(key.field.Type()))
		default:
			if err := assign(key.field, value, path); err != nil {
				return err
			}
		}
	}
	return nil
}

// misfit is a value of another type than its key's, somewhere in a key's value.
type misfit struct {
	found, at string
}

func (m misfit) Error() string {
	if m.at == "" {
		return "found " + m.found
	}
	return "found " + m.found + " at `" + strings.TrimPrefix(m.at, ".") + "`"
}

// within says of an error where it was.
func within(err error, at string) error {
	if m, ok := err.(misfit); ok {
		return misfit{m.found, at + m.at}
	}
	return err
}

// assign sets the value of a key. What does not fit deep inside a list or an object is said of the key as a whole, with the place.
func assign(target reflect.Value, found any, path string) error {
	err := set(target, found, path)
	if _, ok := err.(misfit); ok {
		return fmt.Errorf("`%s`: expected %s, %w", path, expected(target.Type()), err)
	}
	return err
}

func set(target reflect.Value, found any, path string) error {
	if text, ok := found.(string); ok {
		if reader, ok := target.Addr().Interface().(encoding.TextUnmarshaler); ok {
			if err := reader.UnmarshalText([]byte(text)); err != nil {
				return fmt.Errorf("`%s`: %w", path, err)
			}
			return nil
		}
	}
	kind := target.Kind()
	if kind == reflect.Interface && target.NumMethod() == 0 {
		if found != nil {
			target.Set(reflect.ValueOf(plain(found)))
		}
		return nil
	}
	if kind == reflect.Pointer {
		target.Set(reflect.New(target.Type().Elem()))
		return set(target.Elem(), found, path)
	}
	switch found := found.(type) {
	case string:
		if kind == reflect.String {
			target.SetString(found)
			return nil
		}
	case bool:
		if kind == reflect.Bool {
			target.SetBool(found)
			return nil
		}
	case number:
		if reflect.Int <= kind && kind <= reflect.Float64 {
			if !setNumber(target, string(found)) {
				return misfit{found: "the number " + string(found)}
			}
			return nil
		}
	case []any:
		if kind == reflect.Slice {
			target.Set(reflect.MakeSlice(target.Type(), len(found), len(found)))
			for i, item := range found {
				if err := set(target.Index(i), item, path); err != nil {
					return within(err, "["+itoa(i)+"]")
				}
			}
			return nil
		}
	case map[string]any:
		if kind == reflect.Struct {
			return assignStruct(target, found, path)
		}
		if kind == reflect.Map && target.Type().Key().Kind() == reflect.String {
			target.Set(reflect.MakeMapWithSize(target.Type(), len(found)))
			for _, name := range sorted(found) {
				item := reflect.New(target.Type().Elem()).Elem()
				if err := set(item, found[name], path); err != nil {
					return within(err, "."+name)
				}
				target.SetMapIndex(reflect.ValueOf(name).Convert(target.Type().Key()), item)
			}
			return nil
		}
	}
	return misfit{found: named(found)}
}

// setNumber says whether the number is one of the target's type.
func setNumber(target reflect.Value, text string) bool {
	switch kind := target.Kind(); {
	case kind >= reflect.Float32:
		value, err := strconv.ParseFloat(text, target.Type().Bits())
		target.SetFloat(value)
		return err == nil
	case kind >= reflect.Uint:
		value, err := strconv.ParseUint(text, 10, target.Type().Bits())
		target.SetUint(value)
		return err == nil
	}
	value, err := strconv.ParseInt(text, 10, target.Type().Bits())
	target.SetInt(value)
	return err == nil
}

// named says what was found.
func named(found any) string {
	switch found.(type) {
	case nil:
		return "null"
	case string:
		return "a string"
	case bool:
		return "a boolean"
	case number:
		return "a number"
	case []any:
		return "a list"
	}
	return "an object"
}

// expected says what a Go type is in JSON.
func expected(of reflect.Type) string {
	switch kind := of.Kind(); kind {
	case reflect.Pointer:
		return expected(of.Elem())
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "a boolean"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Slice:
		return "a list" + several(of.Elem())
	case reflect.Map:
		return "an object" + several(of.Elem())
	case reflect.Struct:
		return "an object"
	case reflect.Interface:
		return "a value"
	default:
		if kind >= reflect.Uint && kind <= reflect.Uintptr {
			return "a whole number of 0 or more"
		}
		return "a whole number"
	}
}

// several says what is in a list or an object.
func several(of reflect.Type) string {
	switch of.Kind() {
	case reflect.String:
		return " of strings"
	case reflect.Bool:
		return " of booleans"
	case reflect.Slice:
		return " of lists"
	case reflect.Map, reflect.Struct:
		return " of objects"
	case reflect.Interface:
		return ""
	case reflect.Float32, reflect.Float64:
		return " of numbers"
	}
	return " of whole numbers"
}

func sorted(object map[string]any) []string { return slices.Sorted(maps.Keys(object)) }

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
