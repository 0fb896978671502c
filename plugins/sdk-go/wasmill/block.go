package wasmill

import (
	"encoding/binary"
	"fmt"
)

// Kind is what a column holds: a case of the contract's `kind`, with its number.
type Kind uint8

// The kinds of the contract.
const (
	KindBoolean Kind = iota
	KindUint8
	KindUint32
	KindInt32
	KindUint64
	KindInt64
	KindDouble
	KindID8
	KindID16
	KindText
	KindBinary
	// KindDictionary is a form of text: columns are asked for as KindText.
	KindDictionary
	KindAny
	KindListValue
	KindMapValue
	KindSequence
	KindAttributes
)

var kindNames = [...]string{
	"boolean", "uint8", "uint32", "int32", "uint64", "int64", "double", "id8", "id16", "text", "binary", "dictionary",
	"any", "list-value", "map-value", "sequence", "attributes",
}

// kindWidths has the bytes of a row in `values`; 0: not the same for each row, or less than one.
var kindWidths = [...]int{0, 1, 4, 4, 8, 8, 8, 8, 16, 0, 0, 4, 1, 0, 0, 0, 0}

// String is the kind's name in the contract.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "kind " + itoa(int(k))
}

// isCut says whether `values` is cut by `offsets`.
func (k Kind) isCut() bool {
	return k == KindText || k == KindBinary || k == KindListValue || k == KindMapValue
}

const (
	headerBytes = 8
	nodeBytes   = 24
	// What the contract allows: nodes of a block, and nodes from a column to its deepest child.
	nodesMax = 1 << 16
	depthMax = 8
)

// node is a node of a block, its parts cut out of it.
type node struct {
	kind     Kind
	rows     int
	children int
	// next is the number of the node behind this one and all its children.
	next     int
	validity []byte
	offsets  []byte
	values   []byte
}

// Block is columns in one buffer, as they cross between host and plugin. What is read from it shares its memory.
type Block struct {
	nodes []node
	roots []int
}

// ReadBlock reads a block. An empty one has no columns. Nodes and the ends of their parts are checked; what the parts hold
// (offsets, keys, places, text) is not: the contract promises it of what the host sends, and a wrong one panics when it is used.
func ReadBlock(bytes []byte) (*Block, error) {
	block := new(Block)
	if err := block.read(bytes); err != nil {
		return nil, err
	}
	return block, nil
}

// read reads another block into the memory of this one.
func (b *Block) read(bytes []byte) error {
	b.nodes, b.roots = b.nodes[:0], b.roots[:0]
	if len(bytes) == 0 {
		return nil
	}
	if len(bytes) < headerBytes {
		return fmt.Errorf("a block of %d bytes has no header", len(bytes))
	}
	count, each := int(binary.LittleEndian.Uint32(bytes)), int(binary.LittleEndian.Uint32(bytes[4:]))
	if each < nodeBytes || count > nodesMax || count*each > len(bytes)-headerBytes {
		return fmt.Errorf("a block of %d bytes has no room for %d nodes of %d bytes", len(bytes), count, each)
	}
	for number := range count {
		if err := b.readNode(bytes, headerBytes+number*each); err != nil {
			return fmt.Errorf("node %d of the block: %w", number, err)
		}
	}
	for next := 0; next < count; {
		b.roots = append(b.roots, next)
		var err error
		if next, err = b.tree(next, 1); err != nil {
			return err
		}
	}
	return nil
}

func (b *Block) readNode(bytes []byte, at int) error {
	var field [6]int
	for i := range field {
		field[i] = int(binary.LittleEndian.Uint32(bytes[at+i*4:]))
	}
	if field[0] > 255 {
		return fmt.Errorf("no kind has the number %d", field[0])
	}
	n := node{kind: Kind(field[0]), rows: field[1], children: field[2]}
	part := func(start, length int) ([]byte, error) {
		if start == 0 && (n.rows == 0 || length == 0) {
			return nil, nil
		}
		if start == 0 {
			return nil, fmt.Errorf("%s: a part of %d bytes is missing", n.kind, length)
		}
		if length < 0 || start > len(bytes) || length > len(bytes)-start {
			return nil, fmt.Errorf("%s: %d bytes from %d are not in the block of %d", n.kind, length, start, len(bytes))
		}
		return bytes[start : start+length : start+length], nil
	}
	var err error
	if n.kind != KindAny && field[3] != 0 {
		if n.validity, err = part(field[3], (n.rows+7)/8); err != nil {
			return err
		}
	}
	switch {
	case n.kind == KindAny:
		n.offsets, err = part(field[4], n.rows*4)
	case n.kind.isCut(), n.kind == KindSequence, n.kind == KindAttributes:
		n.offsets, err = part(field[4], (n.rows+1)*4)
	}
	if err != nil {
		return err
	}
	switch {
	case n.kind.isCut():
		length := 0
		if n.offsets != nil {
			length = int(binary.LittleEndian.Uint32(n.offsets[n.rows*4:]))
		}
		n.values, err = part(field[5], length)
	case n.kind == KindBoolean:
		n.values, err = part(field[5], (n.rows+7)/8)
	case int(n.kind) < len(kindWidths):
		n.values, err = part(field[5], n.rows*kindWidths[n.kind])
	}
	b.nodes = append(b.nodes, n)
	return err
}

// tree finds the end of a node's children, and says whether there are as many as its kind has.
func (b *Block) tree(number, depth int) (next int, err error) {
	n := &b.nodes[number]
	fits := true
	switch n.kind {
	case KindDictionary, KindSequence:
		fits = n.children == 1
	case KindAttributes:
		fits = n.children == 2
	}
	next = number + 1
	for range n.children {
		if !fits || next >= len(b.nodes) || depth >= depthMax {
			fits = false
			break
		}
		if next, err = b.tree(next, depth+1); err != nil {
			return 0, err
		}
	}
	if !fits {
		return 0, fmt.Errorf("node %d of the block: `%s` has not %d children", number, n.kind, n.children)
	}
	n.next = next
	return next, nil
}

// Len is the number of columns.
func (b *Block) Len() int { return len(b.roots) }

// Column gives a column, counted from 0. It panics when there are fewer.
func (b *Block) Column(number int) View { return View{b, b.roots[number]} }

// View is a column of whatever kind. Its methods give the typed view of it, and panic when the column is of another kind.
type View struct {
	block  *Block
	number int
}

func (v View) node() *node { return &v.block.nodes[v.number] }

// Kind is the column's kind.
func (v View) Kind() Kind { return v.node().kind }

// Len is the number of rows.
func (v View) Len() int { return v.node().rows }

func (v View) want(kind Kind) *node {
	n := v.node()
	if n.kind != kind {
		panic("the column came as `" + n.kind.String() + "`, and is looked at as `" + kind.String() + "`")
	}
	return n
}

func (n *node) valid() Validity { return Validity{bits: n.validity, rows: n.rows} }

func values[T Fixed](n *node) Values[T] {
	return Values[T]{Validity: n.valid(), raw: valuesOf[T](n.values)}
}

// Boolean gives a column of kind boolean.
func (v View) Boolean() Boolean {
	n := v.want(KindBoolean)
	return Boolean{Validity: n.valid(), bits: n.values}
}

// Uint8 gives a column of kind uint8.
func (v View) Uint8() Values[uint8] { return values[uint8](v.want(KindUint8)) }

// Uint32 gives a column of kind uint32.
func (v View) Uint32() Values[uint32] { return values[uint32](v.want(KindUint32)) }

// Int32 gives a column of kind int32.
func (v View) Int32() Values[int32] { return values[int32](v.want(KindInt32)) }

// Uint64 gives a column of kind uint64.
func (v View) Uint64() Values[uint64] { return values[uint64](v.want(KindUint64)) }

// Int64 gives a column of kind int64.
func (v View) Int64() Values[int64] { return values[int64](v.want(KindInt64)) }

// Double gives a column of kind double.
func (v View) Double() Values[float64] { return values[float64](v.want(KindDouble)) }

// ID8 gives a column of kind id8.
func (v View) ID8() Values[[8]byte] { return values[[8]byte](v.want(KindID8)) }

// ID16 gives a column of kind id16.
func (v View) ID16() Values[[16]byte] { return values[[16]byte](v.want(KindID16)) }

// Text gives a column of kind text or dictionary.
func (v View) Text() Text {
	if n := v.node(); n.kind == KindDictionary {
		plain := View{v.block, v.number + 1}.want(KindText)
		return Text{Validity: n.valid(), keys: valuesOf[uint32](n.values), dictionary: true, distinct: cutOf(plain)}
	}
	n := v.want(KindText)
	return Text{Validity: n.valid(), distinct: cutOf(n)}
}

// Binary gives a column of kind binary, list-value or map-value.
func (v View) Binary() Binary {
	n := v.node()
	if n.kind != KindListValue && n.kind != KindMapValue {
		v.want(KindBinary)
	}
	return Binary{Validity: n.valid(), cut: cutOf(n)}
}

// Any gives a column of kind any.
func (v View) Any() Any {
	n := v.want(KindAny)
	any := Any{kinds: n.values, places: valuesOf[uint32](n.offsets)}
	for child, next := 0, v.number+1; child < n.children; child++ {
		view := View{v.block, next}
		switch view.Kind() {
		case KindText, KindDictionary:
			any.text = view.Text()
		case KindInt64:
			any.int = view.Int64()
		case KindDouble:
			any.double = view.Double()
		case KindBoolean:
			any.boolean = view.Boolean()
		case KindBinary:
			any.binary = view.Binary()
		case KindListValue:
			any.list = view.Binary()
		case KindMapValue:
			any.mapped = view.Binary()
		}
		next = view.node().next
	}
	return any
}

// Sequence gives a column of kind sequence.
func (v View) Sequence() Sequence {
	n := v.want(KindSequence)
	return Sequence{Validity: n.valid(), offsets: valuesOf[uint32](n.offsets), values: View{v.block, v.number + 1}}
}

// Attributes gives a column of kind attributes.
func (v View) Attributes() Attributes {
	n := v.want(KindAttributes)
	keys := View{v.block, v.number + 1}
	return Attributes{
		Validity: n.valid(),
		offsets:  valuesOf[uint32](n.offsets),
		keys:     keys.Text(),
		values:   View{v.block, keys.node().next}.Any(),
	}
}
