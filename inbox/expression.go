package inbox

import (
	"regexp"
	"sync"
)

// expression is a regular expression that is compiled when it is first used. Together they take ten milliseconds and more
// than a megabyte, at the start of every process and of each command, and most of those never read a mail.
func expression(text string) func() *regexp.Regexp {
	compiled := sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(text) })
	expressions = append(expressions, compiled)
	return compiled
}

// expressions are all of them, for the test that compiles each.
var expressions []func() *regexp.Regexp
