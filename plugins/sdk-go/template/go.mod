module example.com/{{name}}

go 1.24

require wasmill v0.0.0

// The SDK is part of the project: nothing is downloaded.
replace wasmill => ./wasmill
