package inbox

import (
	"bytes"
	"errors"
	"fmt"
)

// Limits of one mail. A parser that descends through nested parts reads what
// lies innermost once per level: 2,000 levels in 135 kB cost it seconds. What
// people and mail servers send stays far below these.
const (
	maxDepth      = 10
	maxParts      = 100
	maxMultiparts = 60
)

var errLimit = errors.New("the mail goes beyond a limit")

var (
	boundaryParameter = expression(`(?i)boundary[^=\r\n]{0,12}=[ \t]*("[^"\r\n]{1,200}"|[^\s;"]{1,200})`)
	multipartType     = expression(`(?i)content-type[ \t]*:\s*["']?multipart`)
)

// checkNesting walks once over the lines, without parsing them, and refuses
// what has too many parts or too many levels.
func checkNesting(raw []byte) error {
	if n := len(multipartType().FindAllIndex(raw, maxMultiparts+1)); n > maxMultiparts {
		return fmt.Errorf("%w: more than %d multiparts", errLimit, maxMultiparts)
	}
	found := boundaryParameter().FindAllSubmatch(raw, maxMultiparts+1)
	if len(found) > maxMultiparts {
		return fmt.Errorf("%w: more than %d boundaries", errLimit, maxMultiparts)
	}
	known := make(map[string]bool, len(found))
	for _, match := range found {
		known[string(bytes.Trim(match[1], `"`))] = true
	}
	return countParts(raw, known)
}

// countParts follows the delimiter lines (RFC 2046 §5.1.1) with a stack of the
// boundaries that are open.
func countParts(raw []byte, known map[string]bool) error {
	var open []string
	parts := 0
	for line := range bytes.Lines(raw) {
		if len(line) < 3 || line[0] != '-' || line[1] != '-' {
			continue
		}
		name, closing := delimiter(line, known)
		if name == "" {
			continue
		}
		open = reopen(open, name, closing)
		if !closing {
			parts++
		}
		if parts > maxParts {
			return fmt.Errorf("%w: more than %d parts", errLimit, maxParts)
		}
		if len(open) > maxDepth {
			return fmt.Errorf("%w: parts nested more than %d deep", errLimit, maxDepth)
		}
	}
	return nil
}

func delimiter(line []byte, known map[string]bool) (name string, closing bool) {
	name = string(bytes.TrimRight(line[2:], " \t\r\n"))
	if known[name] {
		return name, false
	}
	if before, found := bytes.CutSuffix([]byte(name), []byte("--")); found && known[string(before)] {
		return string(before), true
	}
	return "", false
}

// reopen drops the boundaries that the line ends: all inside the named one,
// and itself when it closes.
func reopen(open []string, name string, closing bool) []string {
	for i, other := range open {
		if other != name {
			continue
		}
		if closing {
			return open[:i]
		}
		return open[:i+1]
	}
	if closing {
		return open
	}
	return append(open, name)
}
