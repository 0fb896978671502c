package wasmill

import "fmt"

// Entry is a piece of what a plugin holds from call to call. Key is the value of the path that instances are Keyed by, and whatever it likes where
// there is a Single one.
type Entry struct {
	Key, Value []byte
}

func encodeEntries(entries []Entry) ([]byte, error) {
	keys, values := make(Binaries, len(entries)), make(Binaries, len(entries))
	for at, entry := range entries {
		keys[at], values[at] = entry.Key, entry.Value
	}
	return EncodeBlock(keys, values)
}

func decodeEntries(bytes []byte) ([]Entry, error) {
	block, err := ReadBlock(bytes)
	if err != nil {
		return nil, err
	}
	if block.Len() == 0 {
		return nil, nil
	}
	if block.Len() != 2 || block.Column(0).Kind() != KindBinary || block.Column(1).Kind() != KindBinary || block.Column(0).Len() != block.Column(1).Len() {
		return nil, fmt.Errorf("a snapshot of %d columns, expected keys and values, both of bytes", block.Len())
	}
	keys, values := block.Column(0).Binary(), block.Column(1).Binary()
	entries := make([]Entry, keys.Len())
	for at := range entries {
		// What crosses is in memory that the next call uses again: these are the plugin's own.
		key, _ := keys.At(at)
		value, _ := values.At(at)
		entries[at] = Entry{append([]byte{}, key...), append([]byte{}, value...)}
	}
	return entries, nil
}
