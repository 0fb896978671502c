package wasmill

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// number is a number of JSON as it was written: not every int64 fits a float64.
type number string

// jsonDepthMax is how deep lists and objects may be in each other: more than any config, and less than the stack.
const jsonDepthMax = 128

// readJSON reads a text of JSON as nil, string, bool, number, []any or map[string]any.
//
// Package encoding/json would do it too. It is a fifth of a plugin's code, and so of the time until a change of it runs, for a text that
// is read once.
func readJSON(text string) (any, error) {
	r := jsonReader{text: text}
	found, err := r.value(0)
	if err == nil {
		if r.space(); r.at < len(text) {
			err = errors.New("something follows the end")
		}
	}
	if err != nil {
		return nil, fmt.Errorf("not JSON at byte %d: %w", r.at, err)
	}
	return found, nil
}

type jsonReader struct {
	text string
	at   int
}

var errTooShort = errors.New("it ends too soon")

func (r *jsonReader) space() {
	for r.at < len(r.text) && strings.IndexByte(" \t\r\n", r.text[r.at]) >= 0 {
		r.at++
	}
}

// next gives the next byte that is no space, and stays at it; 0: there is none.
func (r *jsonReader) next() byte {
	if r.space(); r.at < len(r.text) {
		return r.text[r.at]
	}
	return 0
}

// take goes on behind the byte if it is the next.
func (r *jsonReader) take(wanted byte) bool {
	if r.next() != wanted {
		return false
	}
	r.at++
	return true
}

func (r *jsonReader) expected(what string) error {
	if r.at >= len(r.text) {
		return errTooShort
	}
	return errors.New("expected " + what)
}

func (r *jsonReader) value(depth int) (any, error) {
	if depth > jsonDepthMax {
		return nil, errors.New("too deep")
	}
	switch c := r.next(); {
	case c == '{':
		return r.object(depth)
	case c == '[':
		return r.list(depth)
	case c == '"':
		return r.string()
	case c == '-' || '0' <= c && c <= '9':
		return r.number()
	}
	for word, value := range map[string]any{"null": nil, "true": true, "false": false} {
		if strings.HasPrefix(r.text[r.at:], word) {
			r.at += len(word)
			return value, nil
		}
	}
	return nil, r.expected("a value")
}

func (r *jsonReader) object(depth int) (any, error) {
	r.at++
	object := map[string]any{}
	if r.take('}') {
		return object, nil
	}
	for {
		if r.next() != '"' {
			return nil, r.expected("a key")
		}
		key, err := r.string()
		if err != nil {
			return nil, err
		}
		if !r.take(':') {
			return nil, r.expected("`:`")
		}
		if object[key], err = r.value(depth + 1); err != nil {
			return nil, err
		}
		if r.take('}') {
			return object, nil
		}
		if !r.take(',') {
			return nil, r.expected("`,` or `}`")
		}
	}
}

func (r *jsonReader) list(depth int) (any, error) {
	r.at++
	list := []any{}
	if r.take(']') {
		return list, nil
	}
	for {
		item, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		list = append(list, item)
		if r.take(']') {
			return list, nil
		}
		if !r.take(',') {
			return nil, r.expected("`,` or `]`")
		}
	}
}

func (r *jsonReader) number() (any, error) {
	start := r.at
	digits := func() bool {
		from := r.at
		for r.at < len(r.text) && '0' <= r.text[r.at] && r.text[r.at] <= '9' {
			r.at++
		}
		return r.at > from
	}
	oneOf := func(wanted string) bool {
		if r.at < len(r.text) && strings.IndexByte(wanted, r.text[r.at]) >= 0 {
			r.at++
			return true
		}
		return false
	}
	oneOf("-")
	if !oneOf("0") && !digits() {
		return nil, r.expected("a digit")
	}
	if oneOf(".") && !digits() {
		return nil, r.expected("a digit")
	}
	if oneOf("eE") {
		if oneOf("+-"); !digits() {
			return nil, r.expected("a digit")
		}
	}
	return number(r.text[start:r.at]), nil
}

var escapes = map[byte]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

func (r *jsonReader) string() (string, error) {
	r.at++
	var out []byte
	for r.at < len(r.text) {
		c := r.text[r.at]
		switch {
		case c == '"':
			r.at++
			return string(out), nil
		case c < ' ':
			return "", errors.New("a control character in a string")
		case c != '\\':
			out = append(out, c)
			r.at++
			continue
		}
		if r.at++; r.at >= len(r.text) {
			break
		}
		c = r.text[r.at]
		r.at++
		if plain, ok := escapes[c]; ok {
			out = append(out, plain)
			continue
		}
		if c != 'u' {
			return "", errors.New("no such escape in a string")
		}
		char, err := r.unit()
		if err != nil {
			return "", err
		}
		if utf16.IsSurrogate(char) {
			// Half of a pair stands for nothing without the other.
			behind := r.at
			second := rune(utf8.RuneError)
			if strings.HasPrefix(r.text[r.at:], `\u`) {
				r.at += 2
				if second, err = r.unit(); err != nil {
					return "", err
				}
			}
			if char = utf16.DecodeRune(char, second); char == utf8.RuneError {
				r.at = behind
			}
		}
		out = utf8.AppendRune(out, char)
	}
	return "", errTooShort
}

// unit reads four hexadecimal digits.
func (r *jsonReader) unit() (rune, error) {
	if len(r.text)-r.at < 4 {
		return 0, errTooShort
	}
	unit, err := strconv.ParseUint(r.text[r.at:r.at+4], 16, 16)
	if err != nil {
		return 0, errors.New("expected four hexadecimal digits")
	}
	r.at += 4
	return rune(unit), nil
}

// plain is a value of JSON as encoding/json gives it where any type will do.
func plain(found any) any {
	switch found := found.(type) {
	case number:
		value, _ := strconv.ParseFloat(string(found), 64)
		return value
	case []any:
		for i := range found {
			found[i] = plain(found[i])
		}
	case map[string]any:
		for name := range found {
			found[name] = plain(found[name])
		}
	}
	return found
}
