// Package types has the types that generated bindings are written with: the results of functions.
package types

// Unit is no value.
type Unit struct{}

// Tags of a Result.
const (
	ResultOk  = 0
	ResultErr = 1
)

// Result is a value or an error.
type Result[T, E any] struct {
	failed bool
	value  T
	err    E
}

// Ok is a result with a value.
func Ok[T, E any](value T) Result[T, E] { return Result[T, E]{value: value} }

// Err is a result with an error.
func Err[T, E any](err E) Result[T, E] { return Result[T, E]{failed: true, err: err} }

// Tag says which of the two it is.
func (r Result[T, E]) Tag() uint8 {
	if r.failed {
		return ResultErr
	}
	return ResultOk
}

// Ok gives the value of a result that has one.
func (r Result[T, E]) Ok() T { return r.value }

// Err gives the error of a result that has one.
func (r Result[T, E]) Err() E { return r.err }
