package templates

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ownFilters are those that a segment can apply by itself; liquidFilters need the template engine.
func ownFilters() []string { return []string{"default", "upcase", "downcase", "capitalize"} }

func liquidFilters() []string {
	return []string{"append", "prepend", "strip", "size", "join", "first", "last", "replace", "truncate"}
}

func isOwnFilter(name string) bool { return slices.Contains(ownFilters(), name) }

// parseFilters reads `| name` and `| name: argument, argument` until the end.
func parseFilters(words []word) ([]filterCall, error) {
	var calls []filterCall
	for len(words) > 0 {
		if words[0].text != "|" || words[0].kind != signWord || len(words) < 2 || words[1].kind != nameWord {
			return nil, fmt.Errorf("%q is out of place; a filter is written after a |", words[0].text)
		}
		call := filterCall{name: words[1].text}
		args, rest, err := filterArgs(words[2:])
		if err != nil {
			return nil, err
		}
		if err := checkFilter(call.name, args); err != nil {
			return nil, err
		}
		if len(args) > 0 {
			call.arg = args[0].text
		}
		calls, words = append(calls, call), rest
	}
	return calls, nil
}

func filterArgs(words []word) (args, rest []word, err error) {
	if len(words) == 0 || words[0].text != ":" {
		return nil, words, nil
	}
	for words = words[1:]; ; words = words[1:] {
		if len(words) == 0 || words[0].kind != textWord && words[0].kind != numberWord {
			return nil, nil, fmt.Errorf("a filter's argument is a text in quotes or a number")
		}
		args, words = append(args, words[0]), words[1:]
		if len(words) == 0 || words[0].text != "," {
			return args, words, nil
		}
	}
}

func checkFilter(name string, args []word) error {
	known := append(ownFilters(), liquidFilters()...)
	if !slices.Contains(known, name) {
		return fmt.Errorf("unknown filter %q%s; known are %s", name, didYouMean(name, known), strings.Join(known, ", "))
	}
	if name == "default" && (len(args) != 1 || args[0].kind != textWord) {
		return fmt.Errorf("default wants one text, as in default: \"there\"")
	}
	least, most := filterArity(name)
	if len(args) < least || len(args) > most {
		return fmt.Errorf("%s takes %d to %d arguments, not %d", name, least, most, len(args))
	}
	return nil
}

func filterArity(name string) (least, most int) {
	switch name {
	case "default", "append", "prepend":
		return 1, 1
	case "replace":
		return 2, 2
	case "truncate":
		return 1, 2
	case "join":
		return 0, 1
	}
	return 0, 0
}

// apply runs the segment filters on a value. An empty value is an unknown one.
func apply(value string, calls []filterCall) string {
	for _, c := range calls {
		switch c.name {
		case "default":
			if value == "" {
				value = c.arg
			}
		case "upcase":
			value = strings.ToUpper(value)
		case "downcase":
			value = strings.ToLower(value)
		case "capitalize":
			value = capitalize(value)
		}
	}
	return value
}

func capitalize(s string) string {
	r, size := utf8.DecodeRuneInString(s)
	if size == 0 {
		return s
	}
	return string(unicode.ToUpper(r)) + s[size:]
}
