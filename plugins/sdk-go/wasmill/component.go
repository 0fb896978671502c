//go:build wasip1

package wasmill

// The functions that a component exports.
import _ "wasmill/internal/bindings/exports/wit_exports"
