package main

import (
	"regexp"
	"strings"
)

var (
	email = regexp.MustCompile(`[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}`)
	card  = regexp.MustCompile(`[0-9](?:[ -]?[0-9])*`)
)

// Digits of a card number.
const (
	cardMin = 13
	cardMax = 19
)

// Mask replaces e-mail addresses, then card numbers, and says whether there were any.
func Mask(text, mask string) (masked string, changed bool) {
	masked = text
	// Most texts are found to have neither without a search.
	if strings.Contains(masked, "@") {
		masked = email.ReplaceAllLiteralString(masked, mask)
	}
	if digits(masked) >= cardMin {
		masked = card.ReplaceAllStringFunc(masked, func(run string) string {
			if count := digits(run); count < cardMin || count > cardMax || !luhn(run) {
				return run
			}
			return mask
		})
	}
	return masked, masked != text
}

func digits(text string) int {
	count := 0
	for i := range len(text) {
		if text[i]-'0' < 10 {
			count++
		}
	}
	return count
}

// luhn says whether the digits have the checksum that card numbers have: from the right, every second one is doubled, and the sum
// of all digits is a multiple of 10.
func luhn(run string) bool {
	sum, double := 0, false
	for i := len(run) - 1; i >= 0; i-- {
		digit := int(run[i]) - '0'
		if digit < 0 || digit > 9 {
			continue
		}
		if double {
			if digit *= 2; digit > 9 {
				digit -= 9
			}
		}
		sum, double = sum+digit, !double
	}
	return sum%10 == 0
}
