package wasmill

// Slice is some rows of a batch, as the columns that were asked for, all of which have a value or none for each row; those of
// `group.…` for each group.
//
// A request may come in several slices, and rows that an earlier stage dropped are in none. What a slice shows is valid until
// the call ends.
type Slice struct {
	signal Signal
	rows   int
	groups Groups
	block  Block
	needs  *Requirements
	// Columns of this signal.
	columns []int
}

// Signal says what the rows are.
func (s *Slice) Signal() Signal { return s.signal }

// Rows is the number of rows, at least 1.
func (s *Slice) Rows() int { return s.rows }

// Groups says which rows belong together, in a stage with `group_by:`.
func (s *Slice) Groups() Groups { return s.groups }

func (s *Slice) view(number int) View {
	number--
	for at, asked := range s.columns {
		if asked != number {
			continue
		}
		if at >= s.block.Len() {
			panic("the slice came with " + itoa(s.block.Len()) + " columns, asked for were " + itoa(len(s.columns)))
		}
		return s.block.Column(at)
	}
	if number < 0 {
		panic("a column that was not asked for: a `Column` comes from `Requirements`")
	}
	panic("`" + s.needs.wanted[number].Path + "` was not asked for of " + s.signal.String())
}

// Column gives a column of whatever kind. As all the following, it panics when the column was not asked for of this signal; a
// plugin's panic is an error of the call.
func (s *Slice) Column(column Column[View]) View { return s.view(column.number) }

// Text gives a column of text.
func (s *Slice) Text(column Column[Text]) Text { return s.view(column.number).Text() }

// Boolean gives a column of truth values.
func (s *Slice) Boolean(column Column[Boolean]) Boolean { return s.view(column.number).Boolean() }

// Uint8 gives a column of numbers.
func (s *Slice) Uint8(column Column[Values[uint8]]) Values[uint8] {
	return s.view(column.number).Uint8()
}

// Uint32 gives a column of numbers.
func (s *Slice) Uint32(column Column[Values[uint32]]) Values[uint32] {
	return s.view(column.number).Uint32()
}

// Int32 gives a column of numbers.
func (s *Slice) Int32(column Column[Values[int32]]) Values[int32] {
	return s.view(column.number).Int32()
}

// Uint64 gives a column of numbers.
func (s *Slice) Uint64(column Column[Values[uint64]]) Values[uint64] {
	return s.view(column.number).Uint64()
}

// Int64 gives a column of numbers.
func (s *Slice) Int64(column Column[Values[int64]]) Values[int64] {
	return s.view(column.number).Int64()
}

// Double gives a column of numbers.
func (s *Slice) Double(column Column[Values[float64]]) Values[float64] {
	return s.view(column.number).Double()
}

// ID8 gives a column of span ids.
func (s *Slice) ID8(column Column[Values[[8]byte]]) Values[[8]byte] {
	return s.view(column.number).ID8()
}

// ID16 gives a column of trace ids.
func (s *Slice) ID16(column Column[Values[[16]byte]]) Values[[16]byte] {
	return s.view(column.number).ID16()
}

// Binary gives a column of bytes.
func (s *Slice) Binary(column Column[Binary]) Binary { return s.view(column.number).Binary() }

// Any gives a column of values of whatever type.
func (s *Slice) Any(column Column[Any]) Any { return s.view(column.number).Any() }

// Attributes gives a column of whole maps.
func (s *Slice) Attributes(column Column[Attributes]) Attributes {
	return s.view(column.number).Attributes()
}

// Sequence gives a column of several values for each row.
func (s *Slice) Sequence(column Column[Sequence]) Sequence { return s.view(column.number).Sequence() }
