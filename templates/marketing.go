package templates

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/yuin/goldmark/ast"

	"heed/consent"
)

// Marketing says what in a text advertises although it goes to people who opted out of that. Such a text is refused: an
// alert or a notice that advertises is an advertisement (16 CFR 316.3).
type Marketing struct{ Problems []string }

// Error names what is to be taken out.
func (m Marketing) Error() string {
	return "it goes to people who opted out of advertising, and " + strings.Join(m.Problems, "; ")
}

// ErrMarketing is what every Marketing is.
var ErrMarketing = errors.New("it advertises")

// Is makes it so.
func (Marketing) Is(target error) bool { return target == ErrMarketing }

var (
	// campaignParameter is what link builders of marketing tools append.
	campaignParameter = regexp.MustCompile(`(?i)[?&;](?:amp;)?(utm_[a-z]+|mc_[ce]id|gclid|dclid|fbclid|msclkid|ttclid|mkt_tok|_hs(?:enc|mi)|trk_[a-z]+|campaign(?:_?id)?|promo(?:_?code)?|coupon|ref(?:erral)?_?code)=`)
	// topicLink leads to where newsletters are chosen.
	topicLink = regexp.MustCompile(`(?i)[?&;](topics?|newsletters?|lists?)=|[/.-](subscribe|unsubscribe|newsletters?|sign-?up|opt-?in|mailing-?lists?)(?:[/?#.]|$)`)
	// shopLink leads to where something is sold.
	shopLink = regexp.MustCompile(`(?i)[/.-](shop|store|pricing|prices|offers?|deals?|sale|promo(?:tions?)?|upgrade|buy|order|checkout|cart|plans)(?:[/?#.]|$)`)
	// unsubscribeTag is a field of this or another program that a newsletter ends with.
	unsubscribeTag = regexp.MustCompile(`(?i)\{\{-?\s*#?[a-z_.]*(unsubscribe|unsub|opt_?out|preferences?_?(url|link)|list_?unsubscribe)[a-z_.]*[^}]*\}\}|\*\|(UNSUB|UPDATE_PROFILE|LIST:)[^|]*\|\*|%+(unsubscribe|preferences)[a-z_]*%+|<%\s*asm_[a-z_]+\s*%>|\[(unsubscribe|opt-?out)\](?:[^(\[]|$)`)
	// topicField asks for the topics that somebody chose.
	topicField = regexp.MustCompile(`(?:\{\{|\{%)[^\n}]*\btopics?\b`)
)

// sellingWords are those that advertisements are made of, in the languages that there are words in. They only warn: an
// alert about a plan that ends has to name it.
var sellingWords = regexp.MustCompile(`(?i)(?:^|[^\pL])(discounts?|special offers?|limited[- ]time|free trial|upgrade now|buy now|order now|save \d+ ?%|\d+ ?% off|black friday|coupon|` +
	`rabatt|sonderangebot|jetzt (?:kaufen|bestellen|upgraden)|gutschein|réduction|offre spéciale|achetez|code promo|descuento|oferta especial|compra ahora|` +
	`sconto|offerta speciale|acquista ora|desconto|oferta especial|compre agora|korting|aanbieding|koop nu|rabat|promocja|kup teraz|` +
	`скидк[аи]|акция|купите|знижк[аи]|акція|купуйте|indirim|kampanya|hemen al|خصم|عرض خاص|اشتر الآن)(?:[^\pL]|$)`)

// bound tells the classes that go to people whatever they opted out of.
func bound(c consent.Class) bool {
	return c == consent.Alert || c == consent.Legal || c == consent.PolicyNotice
}

// unsubscribes refuses the fields of newsletters, before the parser that knows none of them.
func (c Campaign) unsubscribes() error {
	if !bound(c.Class) {
		return nil
	}
	var m Marketing
	text := c.Subject + "\n" + c.Preheader + "\n" + c.Body
	if tag := unsubscribeTag.FindString(text); tag != "" {
		m.Problems = append(m.Problems, fmt.Sprintf("%q stops newsletters, which this is none of: take it out, the footer says what can be chosen", strings.TrimSpace(tag)))
	}
	if topicField.MatchString(text) {
		m.Problems = append(m.Problems, "it asks which topics of newsletters people chose")
	}
	return m.orNil()
}

func (m Marketing) orNil() error {
	if len(m.Problems) == 0 {
		return nil
	}
	return m
}

// advertises looks at the links and blocks of a text that goes to people whatever they opted out of. Words only warn.
func (d *document) advertises(c Campaign) error {
	if !bound(c.Class) {
		return nil
	}
	var m Marketing
	_ = ast.Walk(d.root, func(n ast.Node, entering bool) (ast.WalkStatus, error) { // the visitor never fails
		if entering {
			d.judge(n, &m)
		}
		return ast.WalkContinue, nil
	})
	for i, line := range strings.Split(c.Subject+"\n"+c.Preheader+"\n"+c.Body, "\n") {
		word := strings.TrimFunc(sellingWords.FindString(line), func(r rune) bool { return strings.ContainsRune(" .,;:!?\"'()*_#-", r) })
		if word == "" {
			continue
		}
		where := fmt.Sprintf("line %d", max(c.BodyLine, 1)+i-2)
		if i < 2 {
			where = []string{"subject", "preheader"}[i]
		}
		d.warnings = append(d.warnings, fmt.Sprintf("%s: %q sounds like an advertisement, which must not be in a message that nobody can stop", where, word))
	}
	return m.orNil()
}

// judge looks at one link.
func (d *document) judge(n ast.Node, m *Marketing) {
	to := ""
	switch n := n.(type) {
	case *ast.Link:
		to = string(n.Destination)
	case *ast.AutoLink:
		to = string(n.URL(d.source))
	case *ast.Image:
		m.add(d, n, "it has a picture, which a mail that people need does without")
		return
	case *ast.Paragraph:
		if link := button(n); link != nil && shopLink.MatchString(string(link.Destination)) {
			m.add(d, n, fmt.Sprintf("its button leads to where something is sold (%s)", shown(string(link.Destination))))
		}
		return
	default:
		return
	}
	if p := campaignParameter.FindStringSubmatch(to); p != nil {
		m.add(d, n, fmt.Sprintf("a link carries the campaign parameter %s", p[1]))
	}
	if topicLink.MatchString(to) {
		m.add(d, n, fmt.Sprintf("a link leads to newsletters (%s)", shown(to)))
	}
}

func (m *Marketing) add(d *document, n ast.Node, what string) {
	m.Problems = append(m.Problems, fmt.Sprintf("line %d: %s", d.lineAt(offset(n)), what))
}

// shown is a link as a message shows it: without the signs that stand for merge fields.
func shown(link string) string { return clean(placeholders.ReplaceAllString(link, "{{ … }}")) }
