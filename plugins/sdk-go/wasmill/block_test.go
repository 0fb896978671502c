package wasmill

import (
	"encoding/binary"
	"fmt"
	"math"
	"reflect"
	"slices"
	"testing"
)

// Every kind of column comes back as it was written, with and without values.
func TestColumnsSurviveABlock(t *testing.T) {
	valid := BitmapOf(3, func(row int) bool { return row != 1 })
	texts, binaries, anys, maps := new(TextBuilder), new(BinaryBuilder), new(AnyBuilder), new(AttributesBuilder)
	texts.Append("é")
	texts.AppendNone()
	texts.Append("")
	binaries.AppendNone()
	binaries.Append([]byte{0, 255})
	binaries.Append(nil)
	values := []Value{
		{}, EmptyValue(), TextValue("a"), IntValue(math.MinInt64), DoubleValue(-0.5), BooleanValue(true), BooleanValue(false),
		BinaryValue([]byte{7}), {kind: AnyList, text: "list"}, {kind: AnyMap, text: "map"}, TextValue(""),
	}
	for _, value := range values {
		anys.Append(value)
	}
	anys.AppendSame(TextValue("same"), 2)
	maps.Entry("k", IntValue(1))
	maps.Entry("k", TextValue("twice"))
	maps.EndRow()
	maps.EndRow()
	maps.Entry("z", Value{})
	maps.EndRow()

	bytes, err := EncodeBlock(
		Booleans{True: BitmapOf(3, func(row int) bool { return row > 0 }), Valid: valid},
		Numbers[uint8]{Values: []uint8{1, 2, 255}, Valid: valid},
		NumbersOf[uint32](1, 2, math.MaxUint32), NumbersOf[int32](-1, 2, math.MinInt32),
		NumbersOf[uint64](1, 2, math.MaxUint64), NumbersOf[int64](-1, 2, math.MinInt64),
		NumbersOf(0.5, math.Inf(1), -0.0),
		NumbersOf([8]byte{1}, [8]byte{}, [8]byte{7: 9}), NumbersOf([16]byte{1}, [16]byte{}, [16]byte{15: 9}),
		texts, binaries,
		Dictionary{Keys: []uint32{1, 0, 1}, Values: []string{"x", "y", "unused"}, Valid: valid},
		anys,
		Sequences{Offsets: []uint32{0, 2, 2, 3}, Values: Texts{"a", "b", "c"}},
		maps,
	)
	if err != nil {
		t.Fatal(err)
	}
	// The buffer may start anywhere, and nodes may be longer in a later version.
	for name, bytes := range map[string][]byte{"as it is": bytes, "moved": append(make([]byte, 1, len(bytes)+1), bytes...)[1:], "longer": longer(bytes)} {
		t.Run(name, func(t *testing.T) {
			block, err := ReadBlock(bytes)
			if err != nil {
				t.Fatal(err)
			}
			if block.Len() != 15 {
				t.Fatalf("%d columns", block.Len())
			}
			same(t, rows(3, block.Column(0).Boolean().At), "[false - true]")
			same(t, rows(3, block.Column(1).Uint8().At), "[1 - 255]")
			same(t, rows(3, block.Column(2).Uint32().At), "[1 2 4294967295]")
			same(t, rows(3, block.Column(3).Int32().At), "[-1 2 -2147483648]")
			same(t, rows(3, block.Column(4).Uint64().At), "[1 2 18446744073709551615]")
			same(t, rows(3, block.Column(5).Int64().At), "[-1 2 -9223372036854775808]")
			same(t, rows(3, block.Column(6).Double().At), "[0.5 +Inf 0]")
			same(t, rows(3, block.Column(7).ID8().At), "[[1 0 0 0 0 0 0 0] [0 0 0 0 0 0 0 0] [0 0 0 0 0 0 0 9]]")
			if id, ok := block.Column(8).ID16().At(2); !ok || id != [16]byte{15: 9} {
				t.Errorf("id is %v", id)
			}
			same(t, rows(4, block.Column(9).Text().At), "[é -  -]")
			same(t, rows(3, block.Column(10).Binary().At), "[- [0 255] []]")
			same(t, rows(3, block.Column(11).Text().At), "[y - y]")
			any := block.Column(12).Any()
			for row, want := range append(slices.Clone(values), TextValue("same"), TextValue("same")) {
				if got := any.At(row); got != want {
					t.Errorf("row %d is %v, not %v", row, got, want)
				}
			}
			if any.Place(11) != any.Place(12) {
				t.Error("the same value is there twice")
			}
			sequence := block.Column(13).Sequence()
			from, to := sequence.Places(2)
			if got, _ := sequence.Values().Text().At(from); from != 2 || to != 3 || got != "c" {
				t.Errorf("row 2 is from %d to %d, %q", from, to, got)
			}
			var entries []string
			attributes := block.Column(14).Attributes()
			for row := range attributes.Len() {
				for key, value := range attributes.Entries(row) {
					entries = append(entries, fmt.Sprint(row, key, value))
				}
			}
			if want := []string{"0k1", "0ktwice", "2zabsent"}; !reflect.DeepEqual(entries, want) {
				t.Errorf("entries are %q", entries)
			}
		})
	}
}

func rows[T any](count int, at func(int) (T, bool)) string {
	var all []any
	for row := range count {
		if value, ok := at(row); ok {
			all = append(all, value)
		} else {
			all = append(all, "-")
		}
	}
	return fmt.Sprint(all)
}

func same(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// longer makes nodes 8 bytes longer.
func longer(bytes []byte) []byte {
	count := int(binary.LittleEndian.Uint32(bytes))
	out := binary.LittleEndian.AppendUint32(slices.Clone(bytes[:4]), nodeBytes+8)
	for number := range count {
		field := slices.Clone(bytes[headerBytes+number*nodeBytes:][:nodeBytes])
		for at := 12; at < nodeBytes; at += 4 {
			if start := binary.LittleEndian.Uint32(field[at:]); start != 0 {
				binary.LittleEndian.PutUint32(field[at:], start+uint32(count)*8)
			}
		}
		out = append(append(out, field...), 1, 2, 3, 4, 5, 6, 7, 8)
	}
	return append(out, bytes[headerBytes+count*nodeBytes:]...)
}

// Parts start at multiples of 8, and a block without columns may have no bytes at all.
func TestBlocksAreAsTheContractSays(t *testing.T) {
	bytes, err := EncodeBlock(Texts{"a", "bc"}, Booleans{True: FullBitmap(3)}, NumbersOf[uint64](1))
	if err != nil {
		t.Fatal(err)
	}
	for number := range int(binary.LittleEndian.Uint32(bytes)) {
		for part := 3; part < 6; part++ {
			if start := binary.LittleEndian.Uint32(bytes[headerBytes+number*nodeBytes+part*4:]); start%8 != 0 {
				t.Errorf("node %d has a part at %d", number, start)
			}
		}
	}
	if block, err := ReadBlock(nil); err != nil || block.Len() != 0 {
		t.Errorf("an empty block: %v", err)
	}
	if block, err := EncodeBlock(); err != nil || len(block) != headerBytes {
		t.Errorf("a block without columns has %d bytes: %v", len(block), err)
	}
}

// A block that is cut off, or whose nodes say what is not there, is an error.
func TestABrokenBlockIsRefused(t *testing.T) {
	good, err := EncodeBlock(Dictionary{Keys: []uint32{0, 1}, Values: []string{"abcdefgh", "b"}})
	if err != nil {
		t.Fatal(err)
	}
	for length := 1; length < len(good); length++ {
		if _, err := ReadBlock(good[:length]); err == nil {
			t.Errorf("%d bytes of %d are a block", length, len(good))
		}
	}
	for at, with := range map[int]byte{0: 200, 4: 23, 8: 15, 16: 2, 28: 255, 40: 255} {
		bad := slices.Clone(good)
		bad[at] = with
		if _, err := ReadBlock(bad); err == nil {
			t.Errorf("byte %d may be %d", at, with)
		}
	}
}

// The three ways to compare numbers agree, at lengths around a word, with and without values that are missing.
func TestComparisonsAgree(t *testing.T) {
	for _, rows := range []int{0, 1, 63, 64, 65, 200} {
		values := make([]int32, rows)
		for row := range values {
			values[row] = int32(row%7) - 3
		}
		for _, valid := range []*Bitmap{nil, BitmapOf(rows, func(row int) bool { return row%5 != 0 })} {
			bytes, err := EncodeBlock(Numbers[int32]{values, valid})
			if err != nil {
				t.Fatal(err)
			}
			block, err := ReadBlock(bytes)
			if err != nil {
				t.Fatal(err)
			}
			column := block.Column(0).Int32()
			want := func(wanted func(int32) bool) []uint64 {
				return BitmapOf(rows, func(row int) bool { return wanted(values[row]) && (valid == nil || valid.Has(row)) }).words
			}
			few := want(func(value int32) bool { return -1 <= value && value <= 2 })
			if !slices.Equal(Between(column, -1, 2).words, few) || !slices.Equal(column.Matches(func(v int32) bool { return v >= -1 && v <= 2 }).words, few) {
				t.Errorf("%d rows: between", rows)
			}
			if !slices.Equal(Equals(column, 3).words, want(func(value int32) bool { return value == 3 })) {
				t.Errorf("%d rows: equals", rows)
			}
		}
	}
}

func TestMatchesAsksOnceForEachDistinctText(t *testing.T) {
	keys := make([]uint32, 130)
	for row := range keys {
		keys[row] = uint32(row % 2)
	}
	valid := BitmapOf(130, func(row int) bool { return row != 65 })
	plain := new(TextBuilder)
	for row := range keys {
		if valid.Has(row) {
			plain.Append([]string{"even", "odd"}[keys[row]])
		} else {
			plain.AppendNone()
		}
	}
	bytes, err := EncodeBlock(Dictionary{keys, []string{"even", "odd", "none"}, valid}, plain)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ReadBlock(bytes)
	if err != nil {
		t.Fatal(err)
	}
	want := BitmapOf(130, func(row int) bool { return row%2 == 1 && row != 65 })
	for column, calls := range []int{3, 130} {
		asked := 0
		got := block.Column(column).Text().Matches(func(text string) bool { asked++; return text == "odd" })
		if !slices.Equal(got.words, want.words) || asked != calls {
			t.Errorf("column %d: asked %d times, got %v", column, asked, slices.Collect(got.All()))
		}
		lengths := MapText(block.Column(column).Text(), -1, func(text string) int { return len(text) })
		if lengths[0] != 4 || lengths[1] != 3 || lengths[65] != -1 || len(lengths) != 130 {
			t.Errorf("column %d: lengths are %v", column, lengths)
		}
	}
	empty, _ := EncodeBlock(Dictionary{Keys: []uint32{0}, Valid: NewBitmap(1)})
	block, err = ReadBlock(empty)
	if err != nil || !block.Column(0).Text().Matches(func(string) bool { return true }).Empty() {
		t.Errorf("a dictionary without values: %v", err)
	}
}

// Whatever bytes come, reading the nodes never panics.
func FuzzReadBlock(f *testing.F) {
	good, err := EncodeBlock(Dictionary{Keys: []uint32{0, 1}, Values: []string{"a", "b"}}, new(AttributesBuilder))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Fuzz(func(t *testing.T, bytes []byte) {
		if block, err := ReadBlock(bytes); err == nil {
			for column := range block.Len() {
				block.Column(column).Len()
			}
		}
	})
}
