package inbox

import (
	"slices"
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
	w.restQuoted = w.restQuoted || beginsRest(token)
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

// quotes knows the elements in which mail programs put what they quote, and
// signatures.
func quotes(token html.Token) bool {
	if token.DataAtom == atom.Blockquote {
		return true
	}
	if token.DataAtom != atom.Div && token.DataAtom != atom.Span && token.DataAtom != atom.P && token.DataAtom != atom.Table && token.DataAtom != atom.Pre {
		return false
	}
	if attribute(token, "name") == "quote" {
		return true // the web mail of GMX and Web.de
	}
	mark := strings.ToLower(attribute(token, "class") + " " + attribute(token, "id") + " " + attribute(token, "name"))
	return slices.ContainsFunc(quoteMarks, func(name string) bool { return strings.Contains(mark, name) })
}

// quoteMarks are classes, ids and names, in lower case.
var quoteMarks = []string{
	"gmail_quote", "gmail_attr", "gmail_signature", // Gmail
	"yahoo_quoted",                                                                                         // Yahoo
	"moz-cite-prefix", "moz-forward-container", "moz-email-headers-table", "moz-signature", "mozsignature", // Thunderbird
	"protonmail_quote", "protonmail_signature", // Proton
	"zmail_extra", "zm_signature", // Zoho
	"outlookmessageheader", "outlookidsignature", "ms-outlook-mobile-signature", "mobile-signature",
	"applemailsignature", "apple-mail-signature", "messagereplysection", "messagesignaturesection", // Apple Mail, Spark
	"front-blockquote", "hubspot-signature", "airmail_ext", "bloop_sign", "edo-signature",
	"tutanota_quote", "tutanota_signature", "fm-quote", "hey-quote", "samsung_quoted",
	"mailrupredivider", "quoted-text", "quotedtext", "quote_header", "replyquote", "reply-quote",
}

// beginsRest knows the markers after which programs put the quoted mail:
// Outlook in its several forms, and Zimbra.
func beginsRest(token html.Token) bool {
	switch id := attribute(token, "id"); id {
	case "divRplyFwdMsg", "x_divRplyFwdMsg", "appendonsend", "x_appendonsend", "mail-editor-reference-message-container",
		"stopSpelling", "ms-outlook-quote", "zwchr", "reply-intro", "isForwardContent", "isReplyContent":
		return true
	}
	if attribute(token, "data-marker") == "__DIVIDER__" {
		return true
	}
	style := strings.ReplaceAll(strings.ToLower(attribute(token, "style")), " ", "")
	return token.DataAtom == atom.Div && (strings.Contains(style, "border-top:solid#e1e1e1") || strings.Contains(style, "border-top:solid#b5c4df"))
}

func attribute(token html.Token, name string) string {
	for _, a := range token.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}
