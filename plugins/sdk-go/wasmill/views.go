package wasmill

import "iter"

// Fixed is what columns of fixed width hold: the numbers, and ids of 8 and 16 bytes.
type Fixed interface {
	uint8 | uint32 | int32 | uint64 | int64 | float64 | [8]byte | [16]byte
}

// Values is a column of numbers or ids.
type Values[T Fixed] struct {
	Validity
	raw []T
}

// At gives the row's value, and whether it has one.
func (v Values[T]) At(row int) (value T, ok bool) {
	if !v.Has(row) {
		return value, false
	}
	return v.raw[row], true
}

// Raw gives what lies at each row, whether it counts or not. It is valid until the call ends.
func (v Values[T]) Raw() []T { return v.raw }

// Matches gives the rows whose value is as wanted says. Rows without a value are not.
func (v Values[T]) Matches(wanted func(T) bool) *Bitmap {
	b := NewBitmap(v.rows)
	for at := range b.words {
		var word uint64
		for bit, value := range rowsOf(v.raw, at) {
			if wanted(value) {
				word |= 1 << (bit & 63)
			}
		}
		b.words[at] = word
	}
	return v.restrict(b)
}

// Equals gives the rows whose value is that one. Rows without a value are not. It is quicker than Matches by a call for each row, as
// Between is.
func Equals[T Fixed](values Values[T], wanted T) *Bitmap {
	b := NewBitmap(values.rows)
	for at := range b.words {
		var word uint64
		for bit, value := range rowsOf(values.raw, at) {
			if value == wanted {
				word |= 1 << (bit & 63)
			}
		}
		b.words[at] = word
	}
	return values.restrict(b)
}

// Number is what a column of numbers holds.
type Number interface {
	uint8 | uint32 | int32 | uint64 | int64 | float64
}

// Between gives the rows whose value is at least the one and at most the other. Rows without a value are not.
func Between[T Number](values Values[T], least, most T) *Bitmap {
	b := NewBitmap(values.rows)
	for at := range b.words {
		var word uint64
		for bit, value := range rowsOf(values.raw, at) {
			if least <= value && value <= most {
				word |= 1 << (bit & 63)
			}
		}
		b.words[at] = word
	}
	return values.restrict(b)
}

// rowsOf gives what a word of a bitmap is about: up to 64 rows.
func rowsOf[T any](rows []T, word int) []T { return rows[word*64 : min(word*64+64, len(rows))] }

// Boolean is a column of truth values.
type Boolean struct {
	Validity
	bits []byte
}

// At gives the row's value, and whether it has one.
func (b Boolean) At(row int) (value, ok bool) {
	if !b.Has(row) {
		return false, false
	}
	return b.bits[row>>3]>>(row&7)&1 == 1, true
}

// True gives the rows that are true. Rows without a value are not.
func (b Boolean) True() *Bitmap {
	if b.rows == 0 {
		return NewBitmap(0)
	}
	return b.restrict(bitmapOfBits(b.bits, b.rows))
}

// cut is bytes for each row, cut by offsets.
type cut struct {
	// One more than there are rows, or none.
	offsets []uint32
	bytes   []byte
}

func cutOf(n *node) cut { return cut{offsets: valuesOf[uint32](n.offsets), bytes: n.values} }

func (c cut) len() int { return max(len(c.offsets)-1, 0) }

func (c cut) at(row int) []byte { return c.bytes[c.offsets[row]:c.offsets[row+1]] }

// Text is a column of text, in either form: for each row its own, or the number of a value in a dictionary.
//
// What it gives shares the memory of the block, and is valid until the call ends: strings.Clone keeps it.
type Text struct {
	Validity
	dictionary bool
	// For each row its place in distinct; of plain text, rows are their own places.
	keys     []uint32
	distinct cut
}

// At gives the row's text, and whether it has one.
func (t Text) At(row int) (text string, ok bool) {
	if !t.Has(row) {
		return "", false
	}
	return t.Distinct(t.Place(row)), true
}

// Matches gives the rows whose text is as wanted says. It is asked once for each value of the dictionary, where the text came
// as one. Rows without a value are not.
func (t Text) Matches(wanted func(text string) bool) *Bitmap {
	if !t.dictionary {
		return t.restrict(BitmapOf(t.rows, func(row int) bool { return wanted(t.Distinct(row)) }))
	}
	b := NewBitmap(t.rows)
	table := make([]uint64, t.distinct.len())
	for place := range table {
		if wanted(t.Distinct(place)) {
			table[place] = 1
		}
	}
	if len(table) == 0 {
		return b
	}
	for at := range b.words {
		var word uint64
		for bit, key := range rowsOf(t.keys, at) {
			word |= table[key] << (bit & 63)
		}
		b.words[at] = word
	}
	return t.restrict(b)
}

// All gives the rows that have a text, with it.
func (t Text) All() iter.Seq2[int, string] {
	return func(yield func(int, string) bool) {
		for row := range t.rows {
			if text, ok := t.At(row); ok && !yield(row, text) {
				return
			}
		}
	}
}

// DistinctLen is the number of values in the dictionary, some of which may be equal, or no row's. Of plain text it is the number
// of rows.
func (t Text) DistinctLen() int { return t.distinct.len() }

// Distinct gives a value of the dictionary. Of plain text it is what lies at the row, whether it counts or not.
func (t Text) Distinct(place int) string { return textOf(t.distinct.at(place)) }

// Place is where the row's value is in the dictionary; of a row without a value it means nothing. Of plain text it is the row
// itself.
func (t Text) Place(row int) int {
	if t.dictionary {
		return int(t.keys[row])
	}
	return row
}

// MapText gives for each row what of makes of its text; rows without a value get absent. It is asked once for each value of the
// dictionary, where the text came as one.
func MapText[T any](text Text, absent T, of func(text string) T) []T {
	rows := make([]T, text.rows)
	if !text.dictionary {
		for row := range rows {
			rows[row] = absent
			if text.Has(row) {
				rows[row] = of(text.Distinct(row))
			}
		}
		return rows
	}
	table := make([]T, text.distinct.len())
	for place := range table {
		table[place] = of(text.Distinct(place))
	}
	for row, key := range text.keys {
		rows[row] = absent
		if text.Has(row) {
			rows[row] = table[key]
		}
	}
	return rows
}

// Binary is a column of bytes, or of opaque lists or maps.
type Binary struct {
	Validity
	cut cut
}

// At gives the row's bytes, and whether it has any. They are valid until the call ends.
func (b Binary) At(row int) (bytes []byte, ok bool) {
	if !b.Has(row) {
		return nil, false
	}
	return b.cut.at(row), true
}

// Any is a column that is typed by row: an attribute, a body.
type Any struct {
	kinds  []byte
	places []uint32

	text    Text
	int     Values[int64]
	double  Values[float64]
	boolean Boolean
	binary  Binary
	list    Binary
	mapped  Binary
}

// Len is the number of rows.
func (a Any) Len() int { return len(a.kinds) }

// Kind is the type of the row's value.
func (a Any) Kind(row int) AnyKind { return AnyKind(a.kinds[row]) }

// Kinds gives an AnyKind for each row.
func (a Any) Kinds() []byte { return a.kinds }

// Place is where the row's value is in the column of its kind; of a row that is absent or empty it means nothing. Rows may share
// a place.
func (a Any) Place(row int) int { return int(a.places[row]) }

// At gives the row's value. What it holds is valid until the call ends.
func (a Any) At(row int) Value {
	place := int(a.places[row])
	switch kind := AnyKind(a.kinds[row]); kind {
	case AnyText:
		text, _ := a.text.At(place)
		return TextValue(text)
	case AnyInt:
		return IntValue(a.int.raw[place])
	case AnyDouble:
		return DoubleValue(a.double.raw[place])
	case AnyBoolean:
		value, _ := a.boolean.At(place)
		return BooleanValue(value)
	case AnyBinary:
		return Value{kind: kind, text: textOf(a.binary.cut.at(place))}
	case AnyList:
		return Value{kind: kind, text: textOf(a.list.cut.at(place))}
	case AnyMap:
		return Value{kind: kind, text: textOf(a.mapped.cut.at(place))}
	case AnyEmpty:
		return EmptyValue()
	}
	return Value{}
}

// Text gives all the texts: a row of kind AnyText has its own at its Place. For whoever looks at each distinct one once.
func (a Any) Text() Text { return a.text }

// Int gives all the integers, by Place.
func (a Any) Int() Values[int64] { return a.int }

// Double gives all the doubles, by Place.
func (a Any) Double() Values[float64] { return a.double }

// Boolean gives all the truth values, by Place.
func (a Any) Boolean() Boolean { return a.boolean }

// Binary gives all values that are bytes, by Place.
func (a Any) Binary() Binary { return a.binary }

// Lists gives all the lists, by Place. They are opaque.
func (a Any) Lists() Binary { return a.list }

// Maps gives all the maps, by Place. They are opaque.
func (a Any) Maps() Binary { return a.mapped }

// Matches gives the rows whose value is as wanted says, absent ones included. It is asked once for each text that the column
// holds, which may be no row's, and once for each row of another kind.
func (a Any) Matches(wanted func(Value) bool) *Bitmap {
	texts := a.text.Matches(func(text string) bool { return wanted(TextValue(text)) })
	return BitmapOf(a.Len(), func(row int) bool {
		if a.Kind(row) == AnyText {
			return texts.Has(a.Place(row))
		}
		return wanted(a.At(row))
	})
}

// Sequence is a column of several values for each row: a field of its events, links or exemplars; a histogram's buckets.
type Sequence struct {
	Validity
	offsets []uint32
	values  View
}

// Places gives where the row's values are in Values: from the first up to, and without, the second.
func (s Sequence) Places(row int) (from, to int) { return places(s.Validity, s.offsets, row) }

// Values gives the values of all rows, one behind the other.
func (s Sequence) Values() View { return s.values }

// Attributes is a column with a set of attributes for each row, in the order in which they came; a key may repeat.
type Attributes struct {
	Validity
	offsets []uint32
	keys    Text
	values  Any
}

// Places gives where the row's entries are in Keys and Values: from the first up to, and without, the second. These are the
// numbers that an edit of Entries is about.
func (a Attributes) Places(row int) (from, to int) { return places(a.Validity, a.offsets, row) }

// Keys gives the keys of all rows, one behind the other.
func (a Attributes) Keys() Text { return a.keys }

// Values gives the values of all rows, one behind the other.
func (a Attributes) Values() Any { return a.values }

// Entries gives the row's attributes, in order.
func (a Attributes) Entries(row int) iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		from, to := a.Places(row)
		for place := from; place < to; place++ {
			if key, _ := a.keys.At(place); !yield(key, a.values.At(place)) {
				return
			}
		}
	}
}

func places(valid Validity, offsets []uint32, row int) (from, to int) {
	if !valid.Has(row) {
		return 0, 0
	}
	return int(offsets[row]), int(offsets[row+1])
}
