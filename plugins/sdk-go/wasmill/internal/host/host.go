// Package host is the host's functions: those of the contract in a component, and in a test ones that remember what they were called
// with.
package host

// Done is the code of a call that succeeded. Others are the numbers of the contract's `failure`.
const Done = -1
