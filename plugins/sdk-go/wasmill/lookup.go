package wasmill

import (
	"fmt"
	"time"

	"wasmill/internal/host"
)

// Lookup asks a table of the stage's `tables:` for keys: it gives a column for each field, with a row for each key, and no value where
// the table has none. Ask once for all keys of a slice: a dictionary's values rather than a text for each row. The plugin says in
// Requirements.Tables which tables it asks. What is given is valid until the call ends.
//
// An error is a Failure, by errors.Is: Denied, the plugin did not name the table; Unknown, it has no such field; Invalid, the keys are not what the table has; Unavailable,
// there are no tables now, as within `init`.
func Lookup(table string, keys Data, fields ...string) (*Block, error) {
	asked, err := EncodeBlock(keys)
	if err != nil {
		return nil, err
	}
	answer, code := host.Find(table, asked, fields)
	if code != host.Done {
		return nil, fmt.Errorf("lookup in `%s`: %w", table, Failure(code))
	}
	block, err := ReadBlock(answer)
	if err != nil {
		return nil, fmt.Errorf("lookup in `%s`: %w", table, err)
	}
	if block.Len() != len(fields) {
		return nil, fmt.Errorf("lookup in `%s`: %d columns, asked for were %d", table, block.Len(), len(fields))
	}
	return block, nil
}

// StateGet gives what the host keeps for each key; no value where there is none. The host's state outlives the instance, and is the same
// for all of them. The plugin says so: Requirements.Also(UseState). What is given is valid until the call ends.
//
// Errors of this and the next two are a Failure, by errors.Is: Denied, the plugin did not say that it uses state; Invalid, a column is of
// another kind or length; Limit, too many or too large.
func StateGet(keys Data) (Binary, error) {
	asked, err := EncodeBlock(keys)
	if err != nil {
		return Binary{}, err
	}
	answer, code := host.StateGet(asked)
	column, err := stateColumn("get", answer, code, keys.Len(), KindBinary)
	if err != nil {
		return Binary{}, err
	}
	return column.Binary(), nil
}

// StatePut keeps a value, of bytes, for each key; one without a value forgets the key. A value is forgotten when ttl is over, rounded to
// milliseconds; 0: when the host needs the room.
func StatePut(keys, values Data, ttl time.Duration) error {
	asked, err := EncodeBlock(keys)
	if err != nil {
		return err
	}
	given, err := EncodeBlock(values)
	if err != nil {
		return err
	}
	millis, err := milliseconds(ttl)
	if err != nil {
		return fmt.Errorf("state put: %w", err)
	}
	if code := host.StatePut(asked, given, millis); code != host.Done {
		return fmt.Errorf("state put: %w", Failure(code))
	}
	return nil
}

// StateAdd adds to each key, as one step for each, and gives the sums. A key that is not there counts as 0.
func StateAdd(keys Data, deltas Numbers[int64], ttl time.Duration) (Values[int64], error) {
	asked, err := EncodeBlock(keys)
	if err != nil {
		return Values[int64]{}, err
	}
	given, err := EncodeBlock(deltas)
	if err != nil {
		return Values[int64]{}, err
	}
	millis, err := milliseconds(ttl)
	if err != nil {
		return Values[int64]{}, fmt.Errorf("state add: %w", err)
	}
	answer, code := host.StateAdd(asked, given, millis)
	column, err := stateColumn("add", answer, code, keys.Len(), KindInt64)
	if err != nil {
		return Values[int64]{}, err
	}
	return column.Int64(), nil
}

func stateColumn(call string, answer []byte, code, rows int, kind Kind) (View, error) {
	if code != host.Done {
		return View{}, fmt.Errorf("state %s: %w", call, Failure(code))
	}
	block, err := ReadBlock(answer)
	if err != nil {
		return View{}, fmt.Errorf("state %s: %w", call, err)
	}
	if block.Len() != 1 || block.Column(0).Kind() != kind || block.Column(0).Len() != rows {
		return View{}, fmt.Errorf("state %s: the host did not answer with a column `%s` of %d rows", call, kind, rows)
	}
	return block.Column(0), nil
}

// milliseconds is the time as the contract has it; what is more than nothing is at least one.
func milliseconds(time_ time.Duration) (uint32, error) {
	millis := (time_ + time.Millisecond - 1) / time.Millisecond
	if time_ < 0 || millis > 1<<32-1 {
		return 0, fmt.Errorf("a time of %s, expected 0 to %s", time_, (1<<32-1)*time.Millisecond)
	}
	return uint32(millis), nil
}
