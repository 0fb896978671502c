package wasmill

import (
	"fmt"
	"math"
)

// AnyKind is the type of one value of an Any column: a case of the contract's `any-kind`, with its number.
type AnyKind uint8

// The types of a value.
const (
	// AnyAbsent: there is no such attribute, or field. In an edit: remove it.
	AnyAbsent AnyKind = iota
	// AnyEmpty: there is one, and its value has no type.
	AnyEmpty
	AnyText
	AnyInt
	AnyDouble
	AnyBoolean
	AnyBinary
	// AnyList and AnyMap are opaque, to be handed back as they are.
	AnyList
	AnyMap
)

// Value is one value of its own type. The zero Value is absent.
type Value struct {
	kind AnyKind
	// Of an integer, a double, a truth value.
	bits uint64
	// Of everything else.
	text string
}

// TextValue is a text.
func TextValue(text string) Value { return Value{kind: AnyText, text: text} }

// IntValue is an integer.
func IntValue(value int64) Value { return Value{kind: AnyInt, bits: uint64(value)} }

// DoubleValue is a double.
func DoubleValue(value float64) Value { return Value{kind: AnyDouble, bits: math.Float64bits(value)} }

// BooleanValue is a truth value.
func BooleanValue(value bool) Value {
	if value {
		return Value{kind: AnyBoolean, bits: 1}
	}
	return Value{kind: AnyBoolean}
}

// BinaryValue is bytes, which it copies.
func BinaryValue(bytes []byte) Value { return Value{kind: AnyBinary, text: string(bytes)} }

// EmptyValue is a value without a type.
func EmptyValue() Value { return Value{kind: AnyEmpty} }

// Kind is the value's type.
func (v Value) Kind() AnyKind { return v.kind }

// Text gives the text, and whether it is one.
func (v Value) Text() (text string, ok bool) {
	if v.kind != AnyText {
		return "", false
	}
	return v.text, true
}

// Int gives the integer, and whether it is one.
func (v Value) Int() (value int64, ok bool) {
	if v.kind != AnyInt {
		return 0, false
	}
	return int64(v.bits), true
}

// Double gives the double, and whether it is one.
func (v Value) Double() (value float64, ok bool) {
	if v.kind != AnyDouble {
		return 0, false
	}
	return math.Float64frombits(v.bits), true
}

// Boolean gives the truth value, and whether it is one.
func (v Value) Boolean() (value, ok bool) {
	return v.bits == 1 && v.kind == AnyBoolean, v.kind == AnyBoolean
}

// Bytes gives the bytes of a binary value, or of an opaque list or map, and whether it is one of these. They must not be changed.
func (v Value) Bytes() (bytes []byte, ok bool) {
	if v.kind != AnyBinary && v.kind != AnyList && v.kind != AnyMap {
		return nil, false
	}
	return bytesOfText(v.text), true
}

// String shows the value to people.
func (v Value) String() string {
	switch v.kind {
	case AnyAbsent:
		return "absent"
	case AnyEmpty:
		return "empty"
	case AnyText:
		return v.text
	case AnyInt:
		return fmt.Sprint(int64(v.bits))
	case AnyDouble:
		return fmt.Sprint(math.Float64frombits(v.bits))
	case AnyBoolean:
		return fmt.Sprint(v.bits == 1)
	}
	return fmt.Sprintf("%d bytes", len(v.text))
}
