package consent

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// DecodeState reads what Encode wrote; the empty text is the zero state. The states
// of everybody are read when a campaign goes out, three times each, so what Encode
// writes is read straight off; anything else is left to encoding/json.
func DecodeState(text string) (State, error) {
	if text == "" || text == "{}" {
		return State{}, nil
	}
	r := stateReader{rest: text}
	if s := r.state(); !r.strange && r.rest == "" {
		return s, nil
	}
	var s State
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return s, fmt.Errorf("reading a stored state: %w", err)
	}
	return s, nil
}

// stateReader reads a state as Encode writes it: no white space, each name once and
// spelt as it is. strange tells that the text is written otherwise.
type stateReader struct {
	rest    string
	strange bool
}

func (r *stateReader) state() (s State) {
	r.object(func(name string) {
		switch name {
		case "m":
			r.mark(&s.Marketing)
		case "p":
			r.mark(&s.Partner)
		case "sh":
			r.mark(&s.Sharing)
		case "tp":
			s.Topics = r.topics(s.Topics)
		case "h":
			s.Hold = r.number()
		case "r":
			s.Restricted = r.number()
		case "d":
			s.Dead = r.number()
		case "st":
			s.Strike = r.number()
		case "e":
			s.Erased = r.number()
		case "su":
			s.Suppressed = r.number()
		case "pa":
			s.Pause = r.number()
		default:
			r.strange = true
		}
	})
	return s
}

func (r *stateReader) topics(all map[int]Mark) map[int]Mark {
	if all == nil {
		all = map[int]Mark{}
	}
	r.object(func(name string) {
		id, err := strconv.Atoi(name)
		r.strange = r.strange || err != nil || strconv.Itoa(id) != name
		var m Mark
		r.mark(&m)
		all[id] = m
	})
	return all
}

func (r *stateReader) mark(m *Mark) {
	r.object(func(name string) {
		switch name {
		case "c":
			m.Choice = Choice(r.text())
		case "t":
			m.At = r.number()
		case "v":
			m.Via = Via(r.text())
		case "s":
			m.Source = r.text()
		case "u":
			m.Unsure = r.take("true")
		case "pv":
			m.Policy = r.text()
		default:
			r.strange = true
		}
	})
}

// object reads an object; value reads what each name stands for.
func (r *stateReader) object(value func(name string)) {
	if !r.take("{") {
		return
	}
	for !r.strange {
		name := r.text()
		if r.take(":"); r.strange {
			return
		}
		value(name)
		if strings.HasPrefix(r.rest, "}") {
			r.rest = r.rest[1:]
			return
		}
		r.take(",")
	}
}

// text reads a string without escapes.
func (r *stateReader) text() string {
	if !r.take(`"`) {
		return ""
	}
	for i := 0; i < len(r.rest); i++ {
		switch b := r.rest[i]; {
		case b == '"':
			text := r.rest[:i]
			r.rest = r.rest[i+1:]
			return text
		case b == '\\', b < ' ', b > '~':
			r.strange = true
			return ""
		}
	}
	r.strange = true
	return ""
}

func (r *stateReader) number() int64 {
	end := 0
	for end < len(r.rest) && (r.rest[end] == '-' || r.rest[end] >= '0' && r.rest[end] <= '9') {
		end++
	}
	n, err := strconv.ParseInt(r.rest[:end], 10, 64)
	r.strange = r.strange || err != nil || strconv.FormatInt(n, 10) != r.rest[:end]
	r.rest = r.rest[end:]
	return n
}

func (r *stateReader) take(what string) bool {
	if r.strange || !strings.HasPrefix(r.rest, what) {
		r.strange = true
		return false
	}
	r.rest = r.rest[len(what):]
	return true
}
