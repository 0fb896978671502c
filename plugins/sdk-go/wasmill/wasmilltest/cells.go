package wasmilltest

import (
	"reflect"

	"wasmill"
	"wasmill/internal/wire"
)

// Map is a whole map of one row.
type Map []Entry

// Entry is an entry of a Map. Its value is as those of Slice.With.
type Entry struct {
	Key   string
	Value any
}

// List is the values of one row of a sequence.
type List []any

// columnOf writes values as the host would for this request.
func columnOf(request wire.Request, values []any) wasmill.Data {
	if request.Sequence {
		return sequenceOf(request, values)
	}
	switch kind := wasmill.Kind(request.Kind); kind {
	case wasmill.KindBoolean:
		truth, valid := wasmill.NewBitmap(len(values)), wasmill.NewBitmap(len(values))
		for row, value := range values {
			if is, ok := value.(bool); ok {
				valid.Add(row)
				if is {
					truth.Add(row)
				}
			}
		}
		return wasmill.Booleans{True: truth, Valid: valid}
	case wasmill.KindUint8:
		return numbers[uint8](values)
	case wasmill.KindUint32:
		return numbers[uint32](values)
	case wasmill.KindInt32:
		return numbers[int32](values)
	case wasmill.KindUint64:
		return numbers[uint64](values)
	case wasmill.KindInt64:
		return numbers[int64](values)
	case wasmill.KindDouble:
		return numbers[float64](values)
	case wasmill.KindID8:
		return numbers[[8]byte](values)
	case wasmill.KindID16:
		return numbers[[16]byte](values)
	case wasmill.KindText:
		return textOf(values, wasmill.TextForm(request.Text))
	case wasmill.KindAttributes:
		return mapsOf(values)
	case wasmill.KindAny:
		var any wasmill.AnyBuilder
		for _, value := range values {
			any.Append(anyOf(value))
		}
		return &any
	default:
		binary := new(wasmill.BinaryBuilder)
		for _, value := range values {
			if bytes, ok := value.([]byte); ok {
				binary.Append(bytes)
			} else {
				binary.AppendNone()
			}
		}
		return binary
	}
}

func numbers[T wasmill.Fixed](values []any) wasmill.Data {
	column := wasmill.Numbers[T]{Values: make([]T, len(values)), Valid: wasmill.NewBitmap(len(values))}
	wanted := reflect.TypeFor[T]()
	for row, value := range values {
		// A test writes 5, which is an int, for every number.
		if of := reflect.ValueOf(value); value != nil && of.Kind() != reflect.String && of.CanConvert(wanted) {
			column.Values[row] = of.Convert(wanted).Interface().(T)
			column.Valid.Add(row)
		}
	}
	return column
}

// textOf writes text as a dictionary, unless it is wanted plain.
func textOf(values []any, form wasmill.TextForm) wasmill.Data {
	if form == wasmill.AsPlain {
		plain := new(wasmill.TextBuilder)
		for _, value := range values {
			if text, ok := value.(string); ok {
				plain.Append(text)
			} else {
				plain.AppendNone()
			}
		}
		return plain
	}
	column := wasmill.Dictionary{Keys: make([]uint32, len(values)), Valid: wasmill.NewBitmap(len(values))}
	places := map[string]uint32{}
	for row, value := range values {
		text, ok := value.(string)
		if !ok {
			continue
		}
		place, seen := places[text]
		if !seen {
			place = uint32(len(places))
			places[text] = place
			column.Values = append(column.Values, text)
		}
		column.Keys[row] = place
		column.Valid.Add(row)
	}
	return column
}

func mapsOf(values []any) wasmill.Data {
	maps := new(wasmill.AttributesBuilder)
	for _, value := range values {
		entries, _ := value.(Map)
		for _, entry := range entries {
			maps.Entry(entry.Key, anyOf(entry.Value))
		}
		maps.EndRow()
	}
	return maps
}

func sequenceOf(request wire.Request, rows []any) wasmill.Data {
	var all []any
	offsets := []uint32{0}
	for _, row := range rows {
		list, _ := row.(List)
		all = append(all, list...)
		offsets = append(offsets, uint32(len(all)))
	}
	request.Sequence = false
	return wasmill.Sequences{Offsets: offsets, Values: columnOf(request, all)}
}

func anyOf(value any) wasmill.Value {
	switch value := value.(type) {
	case string:
		return wasmill.TextValue(value)
	case bool:
		return wasmill.BooleanValue(value)
	case int:
		return wasmill.IntValue(int64(value))
	case int64:
		return wasmill.IntValue(value)
	case float64:
		return wasmill.DoubleValue(value)
	case []byte:
		return wasmill.BinaryValue(value)
	case wasmill.Value:
		return value
	}
	return wasmill.Value{}
}
