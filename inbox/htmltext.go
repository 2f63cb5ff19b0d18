package inbox

import (
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// htmlText gives the text of an HTML body: what the writer wrote, and apart
// from it what stands in the elements with which mail programs quote. It reads
// tokens, never a tree: a tree of hostile HTML costs much more than its text.
func htmlText(source string) (text, quoted string) {
	var own, other strings.Builder
	reader := html.NewTokenizer(strings.NewReader(source))
	walk := htmlWalk{}
	for own.Len()+other.Len() < maxText {
		kind := reader.Next()
		if kind == html.ErrorToken {
			break
		}
		token := reader.Token()
		out := &own
		if walk.quoteDepth > 0 || walk.restQuoted {
			out = &other
		}
		walk.take(kind, token, out)
	}
	return own.String(), other.String()
}

type htmlWalk struct {
	silent     int // inside style, script, title
	quoteDepth int // open elements inside a quotation, that one included
	quoteTag   atom.Atom
	restQuoted bool // a marker said that everything after it is quoted
}

func (w *htmlWalk) take(kind html.TokenType, token html.Token, out *strings.Builder) {
	switch kind {
	case html.TextToken:
		if w.silent == 0 {
			out.WriteString(strings.Join(strings.FieldsFunc(token.Data, isLineSpace), " "))
		}
	case html.StartTagToken, html.SelfClosingTagToken:
		w.open(kind, token, out)
	case html.EndTagToken:
		w.close(token, out)
	}
}

func isLineSpace(r rune) bool { return r == '\n' || r == '\r' || r == '\t' }

func (w *htmlWalk) open(kind html.TokenType, token html.Token, out *strings.Builder) {
	breakLine(token.DataAtom, out)
	if kind == html.SelfClosingTagToken {
		return
	}
	switch token.DataAtom {
	case atom.Style, atom.Script, atom.Title, atom.Head:
		w.silent++
	case w.quoteTag:
		if w.quoteDepth > 0 {
			w.quoteDepth++
		}
	}
	if w.quoteDepth == 0 && quotes(token) {
		w.quoteDepth, w.quoteTag = 1, token.DataAtom
	}
	w.restQuoted = w.restQuoted || beginsRest(token)
}

func (w *htmlWalk) close(token html.Token, out *strings.Builder) {
	breakLine(token.DataAtom, out)
	switch token.DataAtom {
	case atom.Style, atom.Script, atom.Title, atom.Head:
		w.silent = max(0, w.silent-1)
	case w.quoteTag:
		w.quoteDepth = max(0, w.quoteDepth-1)
	}
}

func breakLine(tag atom.Atom, out *strings.Builder) {
	switch tag {
	case atom.Br, atom.P, atom.Div, atom.Tr, atom.Li, atom.Table, atom.Blockquote,
		atom.H1, atom.H2, atom.H3, atom.H4, atom.Hr, atom.Ul, atom.Ol, atom.Pre:
		out.WriteByte('\n')
	case atom.Td, atom.Th:
		out.WriteByte(' ')
	}
}

// quotes knows the elements in which mail programs put what they quote.
func quotes(token html.Token) bool {
	if token.DataAtom == atom.Blockquote {
		return true
	}
	if token.DataAtom != atom.Div && token.DataAtom != atom.Span {
		return false
	}
	mark := attribute(token, "class") + " " + attribute(token, "id")
	for _, name := range []string{"gmail_quote", "gmail_attr", "yahoo_quoted", "moz-cite-prefix",
		"protonmail_quote", "zmail_extra", "OutlookMessageHeader", "gmail_signature"} {
		if strings.Contains(mark, name) {
			return true
		}
	}
	return false
}

// beginsRest knows the markers after which Outlook puts the quoted mail.
func beginsRest(token html.Token) bool {
	id := attribute(token, "id")
	return id == "divRplyFwdMsg" || id == "appendonsend" || id == "mail-editor-reference-message-container"
}

func attribute(token html.Token, name string) string {
	for _, a := range token.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}
