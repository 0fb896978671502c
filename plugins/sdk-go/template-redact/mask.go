package main

import "strings"

// Digits of a card number.
const (
	cardMin = 13
	cardMax = 19
)

// Mask replaces e-mail addresses, then card numbers, and says whether there were any. It finds what the regular expressions in
// plugin_test.go find, many times as quickly: most texts are looked at once.
func Mask(text, mask string) (masked string, changed bool) {
	masked = maskCards(maskEmails(text, mask), mask)
	return masked, masked != text
}

func maskEmails(text, mask string) string {
	var out strings.Builder
	done, at := 0, 0 // What is before done is in out.
	for {
		next := strings.IndexByte(text[at:], '@')
		if next < 0 {
			return rest(&out, text, done)
		}
		at += next
		start := at
		for start > done && isLocal(text[start-1]) {
			start--
		}
		end := domainEnd(text, at+1)
		if start == at || end == 0 {
			at++
			continue
		}
		replace(&out, text, done, start, mask)
		done, at = end, end
	}
}

// domainEnd says where the domain ends that starts there: behind the letters after its last dot, of which there are at least two.
// 0: there is no domain.
func domainEnd(text string, from int) int {
	end := from
	for end < len(text) && (isAlphanumeric(text[end]) || text[end] == '.' || text[end] == '-') {
		end++
	}
	for dot := end - 3; dot > from; dot-- {
		if text[dot] != '.' || !isLetter(text[dot+1]) || !isLetter(text[dot+2]) {
			continue
		}
		last := dot + 3
		for last < end && isLetter(text[last]) {
			last++
		}
		return last
	}
	return 0
}

func maskCards(text, mask string) string {
	if len(text) < cardMin {
		return text
	}
	var out strings.Builder
	done := 0 // What is before it is in out.
	for at := 0; at < len(text); at++ {
		if !isDigit(text[at]) {
			continue
		}
		// A run of digits, with single spaces and hyphens between them.
		start, digits := at, 1
		for at++; at < len(text); at++ {
			if isDigit(text[at]) {
				digits++
			} else if (text[at] != ' ' && text[at] != '-') || at+1 == len(text) || !isDigit(text[at+1]) {
				break
			}
		}
		if digits >= cardMin && digits <= cardMax && luhn(text[start:at]) {
			replace(&out, text, done, start, mask)
			done = at
		}
	}
	return rest(&out, text, done)
}

// replace adds the text up to what is masked, and the mask.
func replace(out *strings.Builder, text string, done, start int, mask string) {
	if done == 0 {
		out.Grow(len(text) + len(mask))
	}
	out.WriteString(text[done:start])
	out.WriteString(mask)
}

// rest adds what is left of the text; without a copy where nothing was replaced.
func rest(out *strings.Builder, text string, done int) string {
	if done == 0 {
		return text
	}
	out.WriteString(text[done:])
	return out.String()
}

// luhn says whether the digits have the checksum of card numbers: from the right, every second one is doubled, and the sum of all
// digits is a multiple of 10.
func luhn(run string) bool {
	sum, double := 0, false
	for i := len(run) - 1; i >= 0; i-- {
		if !isDigit(run[i]) {
			continue
		}
		digit := int(run[i] - '0')
		if double {
			digit *= 2
		}
		sum, double = sum+digit/10+digit%10, !double
	}
	return sum%10 == 0
}

func isDigit(c byte) bool        { return '0' <= c && c <= '9' }
func isLetter(c byte) bool       { return 'a' <= c|0x20 && c|0x20 <= 'z' }
func isAlphanumeric(c byte) bool { return isLetter(c) || isDigit(c) }

func isLocal(c byte) bool {
	return isAlphanumeric(c) || c == '.' || c == '_' || c == '%' || c == '+' || c == '-'
}
