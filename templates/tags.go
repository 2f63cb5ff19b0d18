package templates

import (
	"fmt"
	"slices"
	"strings"
)

type wordKind int

const (
	nameWord wordKind = iota
	textWord
	numberWord
	signWord
)

type word struct {
	kind wordKind
	text string
}

// lex parts the inside of a merge field or tag into names, texts in quotes, numbers and signs.
func lex(s string) ([]word, error) {
	var words []word
	for s = strings.TrimLeft(s, " \t"); s != ""; s = strings.TrimLeft(s, " \t") {
		w, size, err := lexOne(s)
		if err != nil {
			return nil, err
		}
		words = append(words, w)
		s = s[size:]
	}
	return words, nil
}

func lexOne(s string) (word, int, error) {
	c := s[0]
	switch {
	case c == '"' || c == '\'':
		end := strings.IndexByte(s[1:], c)
		if end < 0 {
			return word{}, 0, fmt.Errorf("the text %s has no closing %c", s, c)
		}
		return word{textWord, s[1 : end+1]}, end + 2, nil
	case c >= '0' && c <= '9':
		n := span(s, func(r rune) bool { return r >= '0' && r <= '9' })
		return word{numberWord, s[:n]}, n, nil
	case isWordRune(rune(c)) && c != '.':
		n := span(s, isWordRune)
		return word{nameWord, s[:n]}, n, nil
	}
	for _, sign := range []string{"==", "!=", "<=", ">=", "<", ">", "|", ":", ",", "="} {
		if strings.HasPrefix(s, sign) {
			return word{signWord, sign}, len(sign), nil
		}
	}
	return word{}, 0, fmt.Errorf("%q has no meaning in a merge field", s)
}

func span(s string, ok func(rune) bool) int {
	if n := strings.IndexFunc(s, func(r rune) bool { return !ok(r) }); n >= 0 {
		return n
	}
	return len(s)
}

// parseTag accepts the few tags that letters need. Others of Liquid (include, capture, ranges, …) are refused, so that
// nothing can be read from elsewhere and no loop is longer than a person's own lists.
func (s *scope) parseTag(t *token) error {
	words, err := lex(t.source)
	if err != nil {
		return err
	}
	if len(words) == 0 || words[0].kind != nameWord {
		return fmt.Errorf("{%% %%} names no tag")
	}
	t.tag = words[0].text
	args := words[1:]
	switch t.tag {
	case "if", "unless":
		s.open = append(s.open, t)
		return s.checkCondition(t, args)
	case "elsif":
		if err := s.inside(t, "if", "unless"); err != nil {
			return err
		}
		return s.checkCondition(t, args)
	case "else":
		return s.inside(t, "if", "unless")
	case "for":
		return s.parseFor(t, args)
	case "assign":
		return s.parseAssign(t, args)
	case "endif", "endunless", "endfor":
		return s.close(t)
	}
	known := []string{"if", "elsif", "else", "endif", "unless", "endunless", "for", "endfor", "assign"}
	return fmt.Errorf("unknown tag %q%s; known are %s", t.tag, didYouMean(t.tag, known), strings.Join(known, ", "))
}

func (s *scope) inside(t *token, tags ...string) error {
	if len(s.open) == 0 || !slices.Contains(tags, s.open[len(s.open)-1].tag) {
		return fmt.Errorf("{%% %s %%} stands in no {%% %s %%}", t.tag, tags[0])
	}
	return nil
}

func (s *scope) close(t *token) error {
	if err := s.inside(t, strings.TrimPrefix(t.tag, "end")); err != nil {
		return err
	}
	s.open = s.open[:len(s.open)-1]
	return nil
}

func (s *scope) checkCondition(t *token, args []word) error {
	if len(args) == 0 {
		return fmt.Errorf("{%% %s %%} asks nothing", t.tag)
	}
	reserved := []string{"and", "or", "contains", "true", "false", "nil", "empty", "blank"}
	for _, w := range args {
		if w.kind == signWord && slices.Contains([]string{"|", ":", ",", "="}, w.text) {
			return fmt.Errorf("{%% %s %%}: %q has no meaning in a condition; compare by ==", t.source, w.text)
		}
		if w.kind != nameWord || slices.Contains(reserved, w.text) {
			continue
		}
		if err := s.checkName(w.text); err != nil {
			return err
		}
	}
	return nil
}

func (s *scope) parseFor(t *token, args []word) error {
	if len(args) != 3 || args[1].text != "in" || !isName(args[0].text) || !isList(args[2].text) {
		return fmt.Errorf("{%% %s %%}: write {%% for name in services %%} or … in topics %%}", t.source)
	}
	s.open = append(s.open, t)
	return s.name(args[0].text)
}

func (s *scope) parseAssign(t *token, args []word) error {
	if len(args) < 3 || !isName(args[0].text) || args[1].text != "=" {
		return fmt.Errorf("{%% %s %%}: write {%% assign name = \"text\" %%}", t.source)
	}
	if args[2].kind == nameWord {
		if err := s.checkName(args[2].text); err != nil {
			return err
		}
	}
	if _, err := parseFilters(args[3:]); err != nil {
		return err
	}
	return s.name(args[0].text)
}

// name makes a new name known. It may not hide a field of the person, nor one that Heed uses itself.
func (s *scope) name(n string) error {
	if isField(n) || isList(n) || n == "attr" || n == "forloop" || strings.HasPrefix(n, "heed_") {
		return fmt.Errorf("%q is taken, choose another name", n)
	}
	s.names = append(s.names, n)
	return nil
}

func isWordRune(r rune) bool {
	return r == '.' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
}
